/*
 * trace_request.c - which exchanges a PULL of /control/trace asks for.
 *
 * Runs in: worker.  Owns: nothing.
 */
#include "trace.h"

enum {
    REQUEST_SECONDS_MAX = 24 * 60 * 60,
    REQUEST_COUNT_MAX = 1000000000,
    STATUS_CLASS = 100, /* "5xx" is all statuses of one hundred */
};

static const char *read_session(const cJSON *request, struct trace_entry *entry);
static const char *read_uri(const cJSON *request, struct trace_entry *entry);
static const char *read_status(const cJSON *request, struct trace_entry *entry);
static const char *read_bounds(const cJSON *request, int64_t now_ms, struct trace_entry *entry);
static bool read_seconds(const cJSON *seconds, int64_t *us);

const char *const trace_members[] = { "id",     "number", "address", "uri",     "status",
                                      "slower", "bodies", "count",   "seconds", NULL };
const char *const untrace_members[] = { NULL };

const char *
trace_read_request(const cJSON *request, int64_t now_ms, struct trace_entry *entry)
{
    const cJSON *bodies = cJSON_GetObjectItemCaseSensitive(request, "bodies");
    const char *why = read_session(request, entry);

    if (why == NULL) {
        why = control_read_address(request, &entry->address);
    }
    if (why == NULL) {
        why = read_uri(request, entry);
    }
    if (why == NULL) {
        why = read_status(request, entry);
    }
    if (why == NULL) {
        why = read_bounds(request, now_ms, entry);
    }
    if (why == NULL && bodies != NULL && !cJSON_IsBool(bodies)) {
        why = "\"bodies\" is true or false";
    }
    entry->wants_bodies = cJSON_IsTrue(bodies);
    return why;
}

static const char *
read_session(const cJSON *request, struct trace_entry *entry)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(request, "number");
    struct tp_str id = { 0 };
    int64_t value = 0;
    const char *why = control_read_text(request, "id", TP_SESSION_ID_MAX, &id);

    if (number != NULL && (!tp_json_get_integer(number, &value) || value < 1)) {
        return "\"number\" is a session's number";
    }
    entry->session_number = (uint64_t) value;
    entry->id_len = (uint32_t) id.len;
    if (id.len > 0) {
        memcpy(entry->id, id.data, id.len);
    }
    return why;
}

static const char *
read_uri(const cJSON *request, struct trace_entry *entry)
{
    struct tp_str uri = { 0 };
    const char *why = control_read_text(request, "uri", TP_TRACE_URI_MAX, &uri);
    bool is_all = uri.len == 1 && uri.data[0] == '*';

    if (why == NULL && uri.len > 0 && uri.data[0] != '/' && !is_all) {
        return "\"uri\" is a path, one with /* at its end for all below it, or *";
    }
    entry->uri_len = (uint32_t) uri.len;
    if (uri.len > 0) {
        memcpy(entry->uri, uri.data, uri.len);
    }
    return why;
}

/* 404, or "404", or "4xx". */
static const char *
read_status(const cJSON *request, struct trace_entry *entry)
{
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(request, "status");
    const char *text = cJSON_IsString(status) ? status->valuestring : NULL;
    int64_t code = 0;

    if (status == NULL) {
        return NULL;
    }
    if (text != NULL && text[0] >= '1' && text[0] <= '9' && strcmp(text + 1, "xx") == 0) {
        entry->status_min = (text[0] - '0') * STATUS_CLASS;
        entry->status_max = entry->status_min + STATUS_CLASS - 1;
        return NULL;
    }
    if (text != NULL) {
        char *end;

        code = strtoll(text, &end, 10);
        code = *end == '\0' ? code : 0;
    } else if (!tp_json_get_integer(status, &code)) {
        code = 0;
    }
    if (code < 1 || code > INT32_MAX) {
        return "\"status\" is a status such as 404, or a class such as \"5xx\"";
    }
    entry->status_min = (int32_t) code;
    entry->status_max = (int32_t) code;
    return NULL;
}

static const char *
read_bounds(const cJSON *request, int64_t now_ms, struct trace_entry *entry)
{
    const cJSON *slower = cJSON_GetObjectItemCaseSensitive(request, "slower");
    const cJSON *count = cJSON_GetObjectItemCaseSensitive(request, "count");
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(request, "seconds");
    int64_t number = 0;
    int64_t us = 0;

    if (slower != NULL && !read_seconds(slower, &entry->duration_min_us)) {
        return "\"slower\" is a number of seconds, from 0.001 to 86400";
    }
    if (count != NULL
        && (!tp_json_get_integer(count, &number) || number < 1 || number > REQUEST_COUNT_MAX)) {
        return "\"count\" is a number from 1 to 1000000000";
    }
    if (seconds != NULL && !read_seconds(seconds, &us)) {
        return "\"seconds\" is a number of seconds, from 0.001 to 86400";
    }
    entry->is_counted = count != NULL;
    entry->left = (uint64_t) number;
    entry->until_ms = seconds == NULL ? 0 : now_ms + us / 1000;
    return NULL;
}

static bool
read_seconds(const cJSON *seconds, int64_t *us)
{
    if (!cJSON_IsNumber(seconds) || !(seconds->valuedouble >= 0.001)
        || seconds->valuedouble > REQUEST_SECONDS_MAX) {
        return false;
    }
    *us = (int64_t) (seconds->valuedouble * 1e6);
    return true;
}
