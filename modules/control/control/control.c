/*
 * control.c - sessions in an operator's hands: list them, push to one, pull from one, close one,
 * whichever worker has it, and see what is in flight.
 *
 * What is asked is the last part of the path: /control/sessions, inflight, stats, push, pull, close, trace.
 * Requests and answers are JSON objects; the answer to a pull is the other end's reply as it came.
 * docs/guide/control.md describes them all.
 *
 * Whoever may pull the routes may do all of this: they belong on a listen that only the operator
 * reaches.
 *
 * Runs in: worker.
 * Read next: inflight.c, trace.c.
 */
#include "control.h"

#include "trace.h"

enum {
    CONTROL_ROWS = 100, /* of a page, unless `limit` says more or less */
    CONTROL_TIMEOUT_SECONDS_MAX = 3600,
};

/* What can be asked; the members of a request that it knows end with NULL. */
struct control_action {
    const char *name;
    const char *const *members;
    void (*run)(struct tp_exchange *exchange, const cJSON *request,
                const struct control_conf *conf);
};

/* A packet in the making: what it borrows, and what is to be let go when it was sent. */
struct control_packet {
    struct tp_remote_packet packet;
    struct tp_send_options options;
    struct tp_chain encoded; /* the body, where it is JSON */
};

static void control_validate(const struct tp_block *block, void *module_conf);
static enum tp_result control_start(struct tp_sessions *home, const void *module_conf);
static void control_stop(struct tp_sessions *home, const void *module_conf);
static void control_on_told(struct tp_sessions *home, unsigned from_slot, struct tp_str bytes);
static void control_handle(struct tp_exchange *exchange, const void *module_conf);
static const struct control_action *control_find_action(struct tp_str path);
static bool control_read_request(struct tp_exchange *exchange, const struct control_action *action,
                                 cJSON **request);
static const char *control_stranger(const cJSON *request, const char *const *members);

static void control_sessions(struct tp_exchange *exchange, const cJSON *request,
                             const struct control_conf *conf);
static const char *control_read_query(const cJSON *request, struct tp_session_query *query);
static void control_on_page(enum tp_result result, const struct tp_session_page *page, void *owner);
static cJSON *control_write_page(const struct tp_session_page *page);
static cJSON *control_write_row(const struct tp_session_row *row);

static void control_stats(struct tp_exchange *exchange, const cJSON *request,
                          const struct control_conf *conf);
static void control_push(struct tp_exchange *exchange, const cJSON *request,
                         const struct control_conf *conf);
static void control_pull(struct tp_exchange *exchange, const cJSON *request,
                         const struct control_conf *conf);
static void control_close(struct tp_exchange *exchange, const cJSON *request,
                          const struct control_conf *conf);
static bool control_read_packet(struct tp_exchange *exchange, const cJSON *request,
                                struct control_packet *made);
static const char *control_read_packet_fields(const cJSON *request, struct control_packet *made);
static const char *control_read_body(const cJSON *request, struct control_packet *made);
static enum tp_result control_encode_body(struct tp_exchange *exchange, const cJSON *body,
                                          struct control_packet *made);
static const char *control_read_timeout(const cJSON *request, struct tp_msec *timeout);
static void control_on_done(enum tp_result result, const struct tp_reply *reply, void *owner);
static void control_on_reply(enum tp_result result, const struct tp_reply *reply, void *owner);

/* The text of control_read_limit() says it. */
_Static_assert(TP_EXCHANGE_ROWS_MAX == 1000 && TP_SESSION_ROWS_MAX == 1000, "the message says so");

static const char *const sessions_members[] = { "limit",   "cursor", "id_prefix",
                                                "address", "listen", NULL };
static const char *const inflight_members[] = { "limit", "id", "number", "uri", "older", NULL };
static const char *const stats_members[] = { NULL };
static const char *const push_members[] = { "id", "number", "uri", "body", "text", "gzip", NULL };
static const char *const pull_members[] = { "id",   "number", "uri",     "body",
                                            "text", "gzip",   "timeout", NULL };
static const char *const close_members[] = { "id", "number", "reason", "redial", NULL };

static const struct control_action control_actions[] = {
    { "/sessions", sessions_members, control_sessions },
    { "/inflight", inflight_members, control_inflight },
    { "/stats", stats_members, control_stats },
    { "/push", push_members, control_push },
    { "/pull", pull_members, control_pull },
    { "/close", close_members, control_close },
    { "/untrace", untrace_members, trace_on_end },
    { "/trace", trace_members, trace_on_begin },
};

static const struct tp_word trace_modes[] = {
    { "off", CONTROL_TRACE_OFF },
    { "headers", CONTROL_TRACE_HEADERS },
    { "bodies", CONTROL_TRACE_BODIES },
    { NULL, 0 },
};

static const struct tp_directive control_directives[] = {
    {
        .name = "control", .where = TP_IN_ROUTE, .takes_nothing = true, .since = "0.1",
        .brief = "Lists sessions and what is in flight, tells what is counted, pushes to sessions, "
                 "pulls from them, closes them and traces what they say, as the last part of the "
                 "path says; whoever may ask may do all of it.",
    },
    {
        .name = "control_trace", .where = TP_IN_ROUTE,
        TP_WORD(struct control_conf, trace_mode, trace_modes),
        .preset = "headers", .since = "0.1",
        .brief = "What a trace may show: nothing, so that there are none, what packets are, or what "
                 "is in their bodies, too; never credentials.",
    },
    {
        .name = "control_trace_rate", .where = TP_IN_ROUTE,
        TP_NUMBER(struct control_conf, trace_rate),
        .preset = "200", .min = "1", .max = "100000", .since = "0.1",
        .brief = "How many exchanges a second each worker shows to one trace; those beyond are "
                 "counted.",
    },
    {
        .name = "control_trace_body", .where = TP_IN_ROUTE,
        TP_SIZE(struct control_conf, trace_body),
        .preset = "1k", .min = "1", .max = "3k", .since = "0.1",
        .brief = "How many bytes of a body a trace shows.",
    },
};

static const struct tp_log_id control_log_ids[] = {
    { "trace-end-untold",
      "A session could not be told that its trace has ended: it is just ending itself, or memory is "
      "short." },
};

const struct tp_module tp_module_control = {
    .name = "control",
    .brief = "Lists, pushes to, pulls from, closes and traces the sessions of all workers, and shows "
             "what is in flight.",
    .conf_size = sizeof(struct control_conf),
    TP_DIRECTIVES(control_directives),
    TP_LOG_IDS(control_log_ids),
    .run_after = "",
    .validate = control_validate,
    .start = control_start,
    .stop = control_stop,
    .on_told = control_on_told,
    .handler = "control",
    .handle = control_handle,
};

static void
control_validate(const struct tp_block *block, void *module_conf)
{
    trace_validate(block, module_conf);
}

static enum tp_result
control_start(struct tp_sessions *home, const void *module_conf)
{
    return trace_start(home, module_conf);
}

static void
control_stop(struct tp_sessions *home, const void *module_conf)
{
    trace_stop(home, module_conf);
}

static void
control_on_told(struct tp_sessions *home, unsigned from_slot, struct tp_str bytes)
{
    (void) from_slot;
    (void) bytes;
    trace_on_told(home);
}

static void
control_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct control_action *action = control_find_action(tp_exchange_path(exchange));
    cJSON *request = NULL;

    if (action == NULL) {
        control_refuse_with(
            exchange, TP_STATUS_NOT_FOUND,
            "no such request: sessions, inflight, stats, push, pull, close, trace or untrace");
        return;
    }
    if (control_read_request(exchange, action, &request)) {
        action->run(exchange, request, module_conf);
    }
    cJSON_Delete(request);
}

static const struct control_action *
control_find_action(struct tp_str path)
{
    for (size_t i = 0; i < TP_COUNT_OF(control_actions); i++) {
        struct tp_str name = control_text(control_actions[i].name);

        if (path.len >= name.len
            && memcmp(path.data + path.len - name.len, name.data, name.len) == 0) {
            return &control_actions[i];
        }
    }
    return NULL;
}

/* No body is an empty object.  False: the exchange was refused. */
static bool
control_read_request(struct tp_exchange *exchange, const struct control_action *action,
                     cJSON **request)
{
    char why[128];

    if (tp_exchange_request(exchange)->body.len == 0) {
        *request = cJSON_CreateObject();
    } else if (tp_exchange_read_value(exchange, request) != TP_OK) {
        return false;
    }
    if (*request == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return false;
    }
    if (!cJSON_IsObject(*request)) {
        control_refuse_request(exchange, "the request is no object");
        return false;
    }
    const char *stranger = control_stranger(*request, action->members);

    if (stranger != NULL) {
        snprintf(why, sizeof(why), "unknown member \"%.64s\"", stranger);
        control_refuse_request(exchange, why);
        return false;
    }
    return true;
}

/* The name of a member that is not among those known; NULL when there is none. */
static const char *
control_stranger(const cJSON *request, const char *const *members)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, request)
    {
        size_t i = 0;

        while (members[i] != NULL && strcmp(members[i], member->string) != 0) {
            i++;
        }
        if (members[i] == NULL) {
            return member->string;
        }
    }
    return NULL;
}

static void
control_sessions(struct tp_exchange *exchange, const cJSON *request,
                 const struct control_conf *conf)
{
    struct tp_session_query query = { .row_count_max = CONTROL_ROWS };
    const char *why = control_read_query(request, &query);

    (void) conf;
    if (why != NULL) {
        control_refuse_request(exchange, why);
        return;
    }
    control_begin(exchange,
                  tp_remote_list(tp_exchange_home(exchange), &query, control_on_page, exchange));
}

/* Returns NULL, or what is wrong. */
static const char *
control_read_query(const cJSON *request, struct tp_session_query *query)
{
    const cJSON *cursor = cJSON_GetObjectItemCaseSensitive(request, "cursor");
    int64_t number;
    const char *why = control_read_limit(request, TP_SESSION_ROWS_MAX, &query->row_count_max);

    if (why != NULL) {
        return why;
    }
    if (cursor != NULL) {
        if (!tp_json_get_integer(cursor, &number) || number < 0) {
            return "\"cursor\" is the number that the page before has given";
        }
        query->cursor = (uint64_t) number;
    }
    why = control_read_text(request, "id_prefix", TP_SESSION_ID_MAX, &query->id_prefix);
    if (why == NULL) {
        why = control_read_text(request, "listen", TP_SOURCE_NAME_MAX, &query->source);
    }
    if (why == NULL) {
        why = control_read_address(request, &query->address);
    }
    return why;
}

const char *
control_read_limit(const cJSON *request, size_t max, size_t *limit)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(request, "limit");
    int64_t number;

    if (member == NULL) {
        return NULL;
    }
    if (!tp_json_get_integer(member, &number) || number < 1 || (uint64_t) number > max) {
        return "\"limit\" is a number from 1 to 1000";
    }
    *limit = (size_t) number;
    return NULL;
}

const char *
control_read_text(const cJSON *request, const char *name, size_t len_max, struct tp_str *text)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(request, name);

    if (member == NULL) {
        return NULL;
    }
    if (!cJSON_IsString(member) || strlen(member->valuestring) > len_max) {
        return "a member that must be a text is none, or is too long";
    }
    *text = control_text(member->valuestring);
    return NULL;
}

const char *
control_read_address(const cJSON *request, struct tp_address *address)
{
    struct tp_str text = { 0 };
    const char *why = control_read_text(request, "address", TP_ADDRESS_TEXT_MAX, &text);

    if (why == NULL && text.len > 0 && tp_address_parse_ip(text, address) != TP_OK) {
        if (strcmp(text.data, "unix:") != 0) {
            return "\"address\" is an IPv4 or IPv6 address without port, or \"unix:\"";
        }
        *address = (struct tp_address){ .family = TP_ADDRESS_UNIX };
    }
    return why;
}

static void
control_on_page(enum tp_result result, const struct tp_session_page *page, void *owner)
{
    struct tp_exchange *exchange = owner;

    if (result != TP_OK) {
        control_refuse(exchange, result);
        return;
    }
    control_reply(exchange, control_write_page(page));
}

void
control_reply(struct tp_exchange *exchange, cJSON *value)
{
    if (value == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    tp_exchange_reply_value(exchange, value);
    cJSON_Delete(value);
}

/* NULL when memory is out. */
static cJSON *
control_write_page(const struct tp_session_page *page)
{
    cJSON *value = cJSON_CreateObject();
    cJSON *rows = cJSON_AddArrayToObject(value, "sessions");
    bool is_whole = rows != NULL;

    for (size_t i = 0; i < page->row_count && is_whole; i++) {
        cJSON *row = control_write_row(&page->rows[i]);

        is_whole = row != NULL && cJSON_AddItemToArray(rows, row);
    }
    if (page->cursor != 0) {
        control_add_number(value, "cursor", page->cursor);
        is_whole = is_whole && cJSON_HasObjectItem(value, "cursor");
    }
    if (!is_whole) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

/* A member that memory did not suffice for is missing. */
static cJSON *
control_write_row(const struct tp_session_row *row)
{
    cJSON *object = cJSON_CreateObject();
    char remote[TP_ADDRESS_TEXT_MAX];

    if (object == NULL) {
        return NULL;
    }
    control_add_number(object, "number", row->number);
    if (row->id.len > 0) {
        control_add_text(object, "id", row->id);
    }
    cJSON_AddStringToObject(object, "remote", tp_address_format(&row->remote, remote));
    control_add_text(object, row->is_dialed ? "dial" : "listen", row->source);
    if (row->protocol.len > 0) {
        control_add_text(object, "protocol", row->protocol);
    }
    control_add_number(object, "worker", row->worker_slot);
    cJSON_AddStringToObject(object, "state", tp_session_state_word(row->state));
    cJSON_AddNumberToObject(object, "age", (double) row->age_ms / CONTROL_SECOND_MS);
    control_add_number(object, "in_flight", row->open_count);
    control_add_number(object, "asked", row->asked_count);
    control_add_number(object, "queued_bytes", row->queued_bytes);
    cJSON_AddNumberToObject(object, "queued_age", (double) row->queued_age_ms / CONTROL_SECOND_MS);
    control_add_number(object, "packets_received", row->packets_received);
    control_add_number(object, "packets_sent", row->packets_sent);
    control_add_number(object, "bytes_received", row->bytes_received);
    control_add_number(object, "bytes_sent", row->bytes_sent);
    if (row->rtt_us > 0) {
        cJSON_AddNumberToObject(object, "rtt", (double) row->rtt_us / CONTROL_SECOND_US);
    }
    return object;
}

void
control_add_text(cJSON *object, const char *name, struct tp_str text)
{
    char terminated[CONTROL_TEXT_MAX + 1];

    snprintf(terminated, sizeof(terminated), "%.*s", TP_STR_ARG(text));
    cJSON_AddStringToObject(object, name, terminated);
}

void
control_add_number(cJSON *object, const char *name, uint64_t number)
{
    cJSON_AddItemToObject(object, name, tp_json_create_integer((int64_t) number));
}

/* All that is counted, as the handler "stats" tells it. */
static void
control_stats(struct tp_exchange *exchange, const cJSON *request, const struct control_conf *conf)
{
    struct tp_chain body = { 0 };
    enum tp_result result = tp_stats_write_json(tp_exchange_home(exchange), &body);

    (void) request;
    (void) conf;
    if (result == TP_OK) {
        tp_exchange_reply(exchange, &body, TP_CODEC_JSON);
    } else {
        control_refuse(exchange, result);
    }
    tp_chain_clear(&body);
}

static void
control_push(struct tp_exchange *exchange, const cJSON *request, const struct control_conf *conf)
{
    struct control_packet made = { 0 };

    (void) conf;
    if (control_read_packet(exchange, request, &made)) {
        control_begin(exchange, tp_remote_push(tp_exchange_home(exchange), &made.packet,
                                               control_on_done, exchange));
    }
    tp_chain_clear(&made.encoded);
}

static void
control_pull(struct tp_exchange *exchange, const cJSON *request, const struct control_conf *conf)
{
    struct control_packet made = { 0 };

    (void) conf;
    if (control_read_packet(exchange, request, &made)) {
        control_begin(exchange, tp_remote_pull(tp_exchange_home(exchange), &made.packet,
                                               control_on_reply, exchange));
    }
    tp_chain_clear(&made.encoded);
}

static void
control_close(struct tp_exchange *exchange, const cJSON *request, const struct control_conf *conf)
{
    const cJSON *redial = cJSON_GetObjectItemCaseSensitive(request, "redial");
    struct tp_remote_closing closing = { .may_redial = cJSON_IsTrue(redial) };
    const char *why = control_read_name(request, &closing.to);

    (void) conf;
    if (why == NULL) {
        why = control_read_text(request, "reason", TP_CLOSE_WORDS_MAX, &closing.reason);
    }
    if (why == NULL && redial != NULL && !cJSON_IsBool(redial)) {
        why = "\"redial\" is true or false";
    }
    if (why != NULL) {
        control_refuse_request(exchange, why);
        return;
    }
    control_begin(exchange,
                  tp_remote_close(tp_exchange_home(exchange), &closing, control_on_done, exchange));
}

const char *
control_read_name(const cJSON *request, struct tp_session_name *name)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(request, "number");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(request, "id");
    int64_t value;

    *name = (struct tp_session_name){ 0 };
    if ((number == NULL) == (id == NULL)) {
        return "either \"number\" or \"id\" says which session";
    }
    if (id != NULL) {
        if (!cJSON_IsString(id) || id->valuestring[0] == '\0') {
            return "\"id\" is a text";
        }
        name->id = control_text(id->valuestring);
        return NULL;
    }
    if (!tp_json_get_integer(number, &value) || value < 1) {
        return "\"number\" is a session's number";
    }
    name->number = (uint64_t) value;
    return NULL;
}

/* False: the exchange was refused.  `made->encoded` is to be cleared in either case. */
static bool
control_read_packet(struct tp_exchange *exchange, const cJSON *request, struct control_packet *made)
{
    const cJSON *body = cJSON_GetObjectItemCaseSensitive(request, "body");
    const char *why = control_read_packet_fields(request, made);

    if (why == NULL) {
        why = control_read_body(request, made);
    }
    if (why != NULL) {
        control_refuse_request(exchange, why);
        return false;
    }
    enum tp_result result = body == NULL ? TP_OK : control_encode_body(exchange, body, made);

    if (result != TP_OK) {
        control_refuse(exchange, result);
    }
    return result == TP_OK;
}

/* All but the body.  Returns NULL, or what is wrong. */
static const char *
control_read_packet_fields(const cJSON *request, struct control_packet *made)
{
    const cJSON *uri = cJSON_GetObjectItemCaseSensitive(request, "uri");
    const cJSON *gzip = cJSON_GetObjectItemCaseSensitive(request, "gzip");
    int64_t level;
    const char *why = control_read_name(request, &made->packet.to);

    if (why != NULL) {
        return why;
    }
    if (!cJSON_IsString(uri) || uri->valuestring[0] != '/') {
        return "\"uri\" is a text that begins with a slash";
    }
    if (gzip != NULL) {
        if (!tp_json_get_integer(gzip, &level) || level < TP_GZIP_LEVEL_MIN
            || level > TP_GZIP_LEVEL_MAX) {
            return "\"gzip\" is a level from -2 to 9";
        }
        made->options.has_gzip = true;
        made->options.gzip_level = (int8_t) level;
    }
    made->packet.options = &made->options;
    made->packet.uri = control_text(uri->valuestring);
    return control_read_timeout(request, &made->options.timeout);
}

/* "text" is sent plain, "body" is any value and is sent as JSON. */
static const char *
control_read_body(const cJSON *request, struct control_packet *made)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(request, "text");

    if (text == NULL) {
        return NULL;
    }
    if (cJSON_HasObjectItem(request, "body")) {
        return "\"body\" and \"text\" exclude each other";
    }
    if (!cJSON_IsString(text)) {
        return "\"text\" is a text";
    }
    made->options.body_codec = TP_CODEC_PLAIN;
    made->packet.body = control_text(text->valuestring);
    return NULL;
}

static enum tp_result
control_encode_body(struct tp_exchange *exchange, const cJSON *body, struct control_packet *made)
{
    struct tp_slice flat;
    enum tp_result result = tp_exchange_encode_value(exchange, body, TP_CODEC_JSON, &made->encoded);

    if (result == TP_OK) {
        result = tp_chain_flatten(&made->encoded, tp_exchange_buf_pool(exchange), &flat);
    }
    if (result == TP_OK) {
        made->options.body_codec = TP_CODEC_JSON;
        made->packet.body = (struct tp_str){ (const char *) flat.data, flat.len };
    }
    return result;
}

/* In seconds, perhaps with a fraction. */
static const char *
control_read_timeout(const cJSON *request, struct tp_msec *timeout)
{
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(request, "timeout");

    if (seconds == NULL) {
        return NULL;
    }
    if (!cJSON_IsNumber(seconds) || !(seconds->valuedouble * CONTROL_SECOND_MS >= 1)
        || seconds->valuedouble > CONTROL_TIMEOUT_SECONDS_MAX) {
        return "\"timeout\" is a number of seconds, from 0.001 to 3600";
    }
    timeout->ms = (int64_t) (seconds->valuedouble * CONTROL_SECOND_MS);
    return NULL;
}

void
control_begin(struct tp_exchange *exchange, enum tp_result result)
{
    if (result == TP_OK) {
        tp_exchange_keep(exchange);
    } else {
        control_refuse(exchange, result);
    }
}

/* The end of a push or close. */
static void
control_on_done(enum tp_result result, const struct tp_reply *reply, void *owner)
{
    struct tp_exchange *exchange = owner;

    (void) reply;
    if (result == TP_OK) {
        tp_exchange_reply_copy(exchange, TP_STR("{}"), TP_CODEC_JSON);
    } else {
        control_refuse(exchange, result);
    }
}

/* The end of a pull: the other end's reply is the reply. */
static void
control_on_reply(enum tp_result result, const struct tp_reply *reply, void *owner)
{
    struct tp_exchange *exchange = owner;

    if (result != TP_OK) {
        control_refuse(exchange, result);
        return;
    }
    struct tp_status status = *tp_reply_status(reply);

    if (status.code < TP_STATUS_OK) {
        /* Of local meaning: the session has ended in between, and nobody knows how far it came. */
        status = tp_status_of(TP_STATUS_BAD_GATEWAY);
        status.text = TP_STR("the session ended before it answered");
    }
    tp_exchange_finish_copy(exchange, &status, tp_reply_body(reply), tp_reply_body_codec(reply));
}

void
control_refuse(struct tp_exchange *exchange, enum tp_result result)
{
    static const struct {
        enum tp_result result;
        enum tp_status_code code;
        const char *text;
    } refusals[] = {
        { TP_NOT_FOUND, TP_STATUS_NOT_FOUND, "no such session" },
        { TP_GONE, TP_STATUS_CONFLICT, "the session has ended" },
        { TP_FULL, TP_STATUS_SERVICE_UNAVAILABLE, "a queue on the way is full" },
        { TP_TIMED_OUT, TP_STATUS_GATEWAY_TIMEOUT, "its worker has not answered in time" },
        { TP_TOO_LARGE, TP_STATUS_TOO_LARGE, "too large for packet_limit or bus_queue" },
        { TP_INTERRUPTED, TP_STATUS_SERVICE_UNAVAILABLE, "this worker stops" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(refusals); i++) {
        if (refusals[i].result == result) {
            control_refuse_with(exchange, refusals[i].code, refusals[i].text);
            return;
        }
    }
    tp_exchange_refuse_result(exchange, result);
}

void
control_refuse_request(struct tp_exchange *exchange, const char *why)
{
    control_refuse_with(exchange, TP_STATUS_BAD_REQUEST, why);
}

void
control_refuse_with(struct tp_exchange *exchange, enum tp_status_code code, const char *why)
{
    struct tp_status status = tp_status_of(code);

    status.text = control_text(why);
    tp_exchange_refuse(exchange, &status);
}

struct tp_str
control_text(const char *terminated)
{
    return (struct tp_str){ terminated, strlen(terminated) };
}
