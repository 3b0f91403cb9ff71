/*
 * inflight.c - /control/inflight: the oldest exchanges in flight, and what each waits for.
 *
 * Runs in: worker.
 * Read next: teleport/awaiting.h, which has the words.
 */
#include "control.h"

enum {
    INFLIGHT_ROWS = 100, /* unless `limit` says more or less */
    INFLIGHT_AGE_SECONDS_MAX = 1000000,
};

static const char *inflight_read_query(const cJSON *request, struct tp_exchange_query *query);
static const char *inflight_read_age(const cJSON *request, struct tp_msec *age_min);
static void inflight_on_page(enum tp_result result, const struct tp_exchange_page *page,
                             void *owner);
static cJSON *inflight_write_page(const struct tp_exchange_page *page);
static cJSON *inflight_write_row(const struct tp_exchange_row *row);
static void inflight_write_who(cJSON *object, const struct tp_exchange_row *row);
static void inflight_write_awaited(cJSON *object, const struct tp_exchange_row *row);
static void inflight_add_if_any(cJSON *object, const char *name, struct tp_str text);
static const char *inflight_type_word(int32_t type);

void
control_inflight(struct tp_exchange *exchange, const cJSON *request,
                 const struct control_conf *conf)
{
    /* That this was asked is no news to who has asked it. */
    struct tp_exchange_query query = { .row_count_max = INFLIGHT_ROWS, .asker = exchange };
    const char *why = inflight_read_query(request, &query);

    (void) conf;
    if (why != NULL) {
        control_refuse_request(exchange, why);
        return;
    }
    control_begin(exchange, tp_remote_list_exchanges(tp_exchange_home(exchange), &query,
                                                     inflight_on_page, exchange));
}

static const char *
inflight_read_query(const cJSON *request, struct tp_exchange_query *query)
{
    const char *why = control_read_limit(request, TP_EXCHANGE_ROWS_MAX, &query->row_count_max);

    if (why == NULL) {
        why = control_read_text(request, "uri", TP_EXCHANGE_URI_MAX, &query->uri_prefix);
    }
    if (why == NULL
        && (cJSON_HasObjectItem(request, "id") || cJSON_HasObjectItem(request, "number"))) {
        why = control_read_name(request, &query->session);
    }
    return why == NULL ? inflight_read_age(request, &query->age_min) : why;
}

static const char *
inflight_read_age(const cJSON *request, struct tp_msec *age_min)
{
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(request, "older");

    if (seconds == NULL) {
        return NULL;
    }
    if (!cJSON_IsNumber(seconds) || !(seconds->valuedouble >= 0)
        || seconds->valuedouble > INFLIGHT_AGE_SECONDS_MAX) {
        return "\"older\" is a number of seconds, from 0 to 1000000";
    }
    age_min->ms = (int64_t) (seconds->valuedouble * CONTROL_SECOND_MS);
    return NULL;
}

static void
inflight_on_page(enum tp_result result, const struct tp_exchange_page *page, void *owner)
{
    struct tp_exchange *exchange = owner;

    if (result != TP_OK) {
        control_refuse(exchange, result);
    } else {
        control_reply(exchange, inflight_write_page(page));
    }
}

/* NULL when memory is out. */
static cJSON *
inflight_write_page(const struct tp_exchange_page *page)
{
    cJSON *value = cJSON_CreateObject();
    cJSON *rows = cJSON_AddArrayToObject(value, "exchanges");
    bool is_whole = rows != NULL;

    for (size_t i = 0; i < page->row_count && is_whole; i++) {
        cJSON *row = inflight_write_row(&page->rows[i]);

        is_whole = row != NULL && cJSON_AddItemToArray(rows, row);
    }
    control_add_number(value, "count", page->found_count);
    cJSON *silent = page->silent_count == 0 ? NULL : cJSON_AddArrayToObject(value, "silent");

    for (size_t i = 0; i < page->silent_count && is_whole; i++) {
        is_whole =
            silent != NULL && cJSON_AddItemToArray(silent, tp_json_create_integer(page->silent[i]));
    }
    if (!is_whole) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

/* A member that memory did not suffice for is missing. */
static cJSON *
inflight_write_row(const struct tp_exchange_row *row)
{
    cJSON *object = cJSON_CreateObject();

    if (object == NULL) {
        return NULL;
    }
    cJSON_AddNumberToObject(object, "age", (double) row->age_us / CONTROL_SECOND_US);
    inflight_write_who(object, row);
    cJSON_AddStringToObject(object, "type", inflight_type_word(row->type));
    cJSON_AddStringToObject(object, "by", row->is_ours ? "us" : "them");
    control_add_number(object, "seq", row->seq);
    control_add_text(object, "uri", row->uri);
    inflight_add_if_any(object, "route", row->route);
    inflight_write_awaited(object, row);
    if (row->left_ms >= 0) {
        cJSON_AddNumberToObject(object, "left", (double) row->left_ms / CONTROL_SECOND_MS);
    }
    return object;
}

static void
inflight_write_who(cJSON *object, const struct tp_exchange_row *row)
{
    char remote[TP_ADDRESS_TEXT_MAX];

    control_add_number(object, "number", row->session_number);
    inflight_add_if_any(object, "id", row->session_id);
    cJSON_AddStringToObject(object, "remote", tp_address_format(&row->remote, remote));
    control_add_text(object, row->is_dialed ? "dial" : "listen", row->source);
    control_add_number(object, "worker", row->worker_slot);
}

static void
inflight_write_awaited(cJSON *object, const struct tp_exchange_row *row)
{
    cJSON_AddStringToObject(object, "waits_for", tp_awaiting_word(row->awaiting));
    inflight_add_if_any(object, "awaited", row->awaited);
    inflight_add_if_any(object, "address", row->address);
    if (row->tries > 0) {
        control_add_number(object, "tries", row->tries);
    }
    if (row->awaited_session > 0) {
        control_add_number(object, "session", row->awaited_session);
    }
    inflight_add_if_any(object, "module", row->module);
    inflight_add_if_any(object, "hook", row->point);
}

static void
inflight_add_if_any(cJSON *object, const char *name, struct tp_str text)
{
    if (text.len > 0) {
        control_add_text(object, name, text);
    }
}

static const char *
inflight_type_word(int32_t type)
{
    switch (type) {
    case TP_PACKET_PULL:
        return "pull";
    case TP_PACKET_PUSH:
        return "push";
    default:
        return "auth";
    }
}
