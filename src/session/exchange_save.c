/*
 * exchange_save.c - open exchanges that move with their session: held ones, and those of an
 * ordered route whose replies wait for their turn.
 *
 * A held exchange takes its request along, when it is due, and what its handler keeps of
 * it; in the other process the route of the same path must have the same handler.  One that
 * waits for a hook takes along which, and that is called again.  Where they are not there,
 * the exchange ends with status 503: nobody is left without an answer.
 *
 * Runs in: worker.  Read next: session_save.c, saved.h (the fields).
 */
#include "session/record.h"

#include "base/clock.h"
#include "base/str.h"

#include <string.h>

static void exchange_save(const struct tp_exchange *exchange, struct tp_saved_writer *writer);
static void exchange_save_request(const struct tp_exchange *exchange,
                                  struct tp_saved_writer *writer);
static void exchange_save_extras(const struct tp_packet *request, struct tp_saved_writer *writer);
static void exchange_save_reply(const struct tp_exchange *exchange, struct tp_saved_writer *writer);
static void exchange_save_state(const struct tp_exchange *exchange, struct tp_saved_writer *writer);
static bool exchange_request_is_sane(const struct tp_saved_section *section);
static bool exchange_outcome_is_sane(const struct tp_saved_section *section);
static bool number_is_within(const struct tp_saved_section *section, enum tp_saved_tag tag,
                             int64_t min, int64_t max);
static bool packet_hold_text(struct tp_buf **holder, struct tp_str *text, struct tp_str saved,
                             struct tp_buf_pool *pool);
static enum tp_result exchange_read_request(struct tp_sessions *sessions,
                                            const struct tp_saved_section *section,
                                            struct tp_packet *request);
static enum tp_result exchange_bind(struct tp_exchange *exchange,
                                    const struct tp_saved_section *section);
static enum tp_result exchange_restore_state(struct tp_exchange *exchange, struct tp_str saved);
static enum tp_result exchange_restore_reply(struct tp_exchange *exchange,
                                             const struct tp_saved_section *section);
static void exchange_refuse(struct tp_exchange *exchange, enum tp_result result);
static bool exchange_hook_is_sane(const struct tp_saved_section *section);
static bool hook_point_is_sane(const struct tp_saved_section *section, enum tp_hook_point *point);
static enum tp_result exchange_restore_hook(struct tp_exchange *exchange,
                                            const struct tp_saved_section *section);
static enum tp_result exchange_restore_reply_hook(struct tp_exchange *exchange,
                                                  const struct tp_saved_section *section,
                                                  struct tp_str owner);
static enum tp_result exchange_restore_identity(struct tp_exchange *exchange,
                                                const struct tp_saved_section *section);
static enum tp_result exchange_restore_uri(struct tp_exchange *exchange,
                                           const struct tp_saved_section *section);

void
tp__exchanges_save(const struct tp_session *session, struct tp_saved_writer *writer)
{
    TP_LIST_EACH (node, &session->exchanges) {
        exchange_save(TP_CONTAINER_OF(node, struct tp_exchange, node), writer);
    }
}

bool
tp__exchange_is_sane(const struct tp_saved_section *section, const char **why)
{
    *why = "an exchange is not one that could have been saved";
    return section->opener == TP_SAVED_EXCHANGE && exchange_request_is_sane(section)
           && exchange_outcome_is_sane(section) && exchange_hook_is_sane(section);
}

enum tp_result
tp__exchange_restore(struct tp_session *session, const struct tp_saved_section *section)
{
    struct tp_packet request = { 0 };
    enum tp_result result = exchange_read_request(session->sessions, section, &request);
    struct tp_exchange *exchange = NULL;

    if (result == TP_OK) {
        exchange =
            tp__exchange_make(session, &request, tp__saved_get_number(section, TP_SAVED_BEGUN_US));
    }
    if (exchange == NULL) {
        tp_packet_clear(&request);
        return TP_NO_MEMORY;
    }
    exchange->is_secret = tp_exchange_type(exchange) == TP_PACKET_AUTH_CALL;
    result = exchange_restore_identity(exchange, section);
    if (result != TP_OK) {
        tp__exchange_free(exchange);
        return result;
    }
    if (tp__saved_has(section, TP_SAVED_UNBEGUN)) {
        exchange->is_unbegun = true;
        session->has_unbegun = true;
        tp__exchange_settle(exchange);
        return TP_OK;
    }
    result = exchange_restore_uri(exchange, section);
    if (result != TP_OK) {
        exchange_refuse(exchange, result);
        tp__exchange_settle(exchange);
        return TP_OK;
    }
    if (tp__saved_has(section, TP_SAVED_HOOK_POINT)) {
        result = exchange_restore_hook(exchange, section);
        if (result == TP_OK) {
            return TP_OK; /* It goes on, and may be gone. */
        }
    } else if (tp__saved_has(section, TP_SAVED_REPLY_CODE)) {
        exchange->hook_point = TP_HOOK_PRE_WRITE_REPLY;
        exchange->hook_at = UINT16_MAX; /* It has passed them all. */
        result = exchange_restore_reply(exchange, section);
    } else {
        result = exchange_bind(exchange, section);
    }
    if (result != TP_OK && !exchange->is_finished) {
        exchange_refuse(exchange, result);
    }
    tp__exchange_settle(exchange);
    return TP_OK;
}

static void
exchange_save(const struct tp_exchange *exchange, struct tp_saved_writer *writer)
{
    bool has_handler = exchange->route != NULL && !exchange->is_kept;
    const char *handler = has_handler ? exchange->route->handler->name : "";

    TP_ASSERT(exchange->is_held || exchange->is_kept || exchange->is_parked
              || exchange->is_postponed || exchange->is_unbegun);
    tp__saved_put_opener(writer, TP_SAVED_EXCHANGE);
    exchange_save_request(exchange, writer);
    tp__saved_put_text(writer, TP_SAVED_HANDLER, tp__str(handler));
    if (exchange->is_unbegun) {
        tp__saved_put_number(writer, TP_SAVED_UNBEGUN, 1);
        return;
    }
    bool is_at_hook = exchange->is_postponed && !exchange->is_overdue;

    if (is_at_hook) {
        const char *word = tp_hook_point_word((enum tp_hook_point) exchange->hook_point);

        tp__saved_put_text(writer, TP_SAVED_HOOK_POINT, tp__str(word));
        tp__saved_put_text(writer, TP_SAVED_HOOK_OWNER, tp__str(tp__exchange_hook_owner(exchange)));
    }
    if (exchange->is_parked || (is_at_hook && exchange->is_finished)) {
        exchange_save_reply(exchange, writer);
        return;
    }
    if (is_at_hook) {
        return;
    }
    /* Who has kept it is here: there, nobody can go on with it. */
    tp__saved_put_number(writer, TP_SAVED_DUE_MS,
                         exchange->is_kept ? exchange->begun_us / 1000 : exchange->due_ms);
    if (exchange->state != NULL) {
        exchange_save_state(exchange, writer);
    }
}

static void
exchange_save_request(const struct tp_exchange *exchange, struct tp_saved_writer *writer)
{
    const struct tp_packet *request = &exchange->request;

    tp__saved_put_number(writer, TP_SAVED_TYPE, request->type);
    tp__saved_put_number(writer, TP_SAVED_SEQ, (int64_t) request->seq);
    tp__saved_put_number(writer, TP_SAVED_HEADER_CODEC, request->header_codec);
    tp__saved_put_text(writer, TP_SAVED_URI, tp__exchange_wire_uri(exchange));
    if (exchange->set_uri != NULL) {
        tp__saved_put_text(writer, TP_SAVED_SET_URI, request->uri);
    }
    tp__saved_put_number(writer, TP_SAVED_GZIP_LEVEL, request->gzip_level);
    if (request->has_body_codec) {
        tp__saved_put_number(writer, TP_SAVED_BODY_CODEC, request->body_codec);
    }
    exchange_save_extras(request, writer);
    enum tp_result result = tp__identity_save(exchange->identity, writer, TP_SAVED_OWN_IDENTITY);

    writer->result = writer->result == TP_OK ? result : writer->result;
    tp__saved_put_chain(writer, TP_SAVED_BODY, &request->body);
    tp__saved_put_number(writer, TP_SAVED_WIRE_BYTES, (int64_t) request->wire_bytes);
    tp__saved_put_number(writer, TP_SAVED_BEGUN_US, exchange->begun_us);
}

/* What only some protocols have. */
static void
exchange_save_extras(const struct tp_packet *request, struct tp_saved_writer *writer)
{
    if (request->metadata.len > 0) {
        tp__saved_put_text(writer, TP_SAVED_METADATA, request->metadata);
    }
    if (request->filter_count > 0) {
        tp__saved_put_text(
            writer, TP_SAVED_FILTERS,
            (struct tp_str){ (const char *) request->filters, request->filter_count });
    }
    if (request->note != 0) {
        tp__saved_put_number(writer, TP_SAVED_NOTE, request->note);
    }
    if (request->accept_codec != 0) {
        tp__saved_put_number(writer, TP_SAVED_ACCEPT_CODEC, request->accept_codec);
    }
    if (request->reply_gzip != 0) {
        tp__saved_put_number(writer, TP_SAVED_REPLY_LEVEL, request->reply_gzip);
    }
}

static void
exchange_save_reply(const struct tp_exchange *exchange, struct tp_saved_writer *writer)
{
    const struct tp_packet *reply = &exchange->reply;

    tp__saved_put_number(writer, TP_SAVED_REPLY_CODE, reply->status.code);
    tp__saved_put_text(writer, TP_SAVED_REPLY_TEXT, reply->status.text);
    tp__saved_put_number(writer, TP_SAVED_REPLY_GZIP, reply->gzip_level);
    if (reply->has_body_codec) {
        tp__saved_put_number(writer, TP_SAVED_REPLY_CODEC, reply->body_codec);
    }
    tp__saved_put_chain(writer, TP_SAVED_REPLY_BODY, &reply->body);
    if (reply->status.cause.len > 0) {
        tp__saved_put_text(writer, TP_SAVED_REPLY_CAUSE, reply->status.cause);
    }
    if (reply->metadata.len > 0) {
        tp__saved_put_text(writer, TP_SAVED_REPLY_METADATA, reply->metadata);
    }
}

static void
exchange_save_state(const struct tp_exchange *exchange, struct tp_saved_writer *writer)
{
    struct tp_chain state = { 0 };
    enum tp_result result =
        exchange->route->handler->save_state(exchange->state, &exchange->sessions->pool, &state);

    if (result == TP_OK) {
        tp__saved_put_chain(writer, TP_SAVED_STATE, &state);
    } else if (writer->result == TP_OK) {
        writer->result = result;
    }
    tp_chain_clear(&state);
}

static bool
exchange_request_is_sane(const struct tp_saved_section *section)
{
    const uint64_t needed = TP_SAVED_BIT(TYPE) | TP_SAVED_BIT(SEQ) | TP_SAVED_BIT(HEADER_CODEC)
                            | TP_SAVED_BIT(URI) | TP_SAVED_BIT(GZIP_LEVEL) | TP_SAVED_BIT(BODY)
                            | TP_SAVED_BIT(WIRE_BYTES) | TP_SAVED_BIT(BEGUN_US)
                            | TP_SAVED_BIT(HANDLER);
    int64_t type = tp__saved_get_number(section, TP_SAVED_TYPE);
    int64_t header_codec = tp__saved_get_number(section, TP_SAVED_HEADER_CODEC);
    struct tp_identity identity;

    if (tp__saved_has(section, TP_SAVED_OWN_IDENTITY)
        && !tp__identity_read(tp__saved_get_text(section, TP_SAVED_OWN_IDENTITY), &identity)) {
        return false;
    }
    return (section->present & needed) == needed
           && (type == TP_PACKET_PULL || type == TP_PACKET_PUSH || type == TP_PACKET_AUTH_CALL)
           && (header_codec == TP_CODEC_JSON || header_codec == TP_CODEC_PROTOBUF
               || header_codec == TP_CODEC_NONE)
           && tp__saved_get_text(section, TP_SAVED_FILTERS).len <= TP_PACKET_FILTERS_MAX
           && number_is_within(section, TP_SAVED_NOTE, 0, UINT32_MAX)
           && number_is_within(section, TP_SAVED_ACCEPT_CODEC, 0, UINT8_MAX)
           && number_is_within(section, TP_SAVED_REPLY_LEVEL, INT32_MIN, INT32_MAX)
           && number_is_within(section, TP_SAVED_GZIP_LEVEL, INT32_MIN, INT32_MAX)
           && number_is_within(section, TP_SAVED_BODY_CODEC, 0, UINT8_MAX)
           && number_is_within(section, TP_SAVED_WIRE_BYTES, 0, INT64_MAX)
           && number_is_within(section, TP_SAVED_BEGUN_US, 0, tp__clock_monotonic_us());
}

/* It is held, or it has a reply that waits, and not both; or neither, for a hook's sake. */
static bool
exchange_outcome_is_sane(const struct tp_saved_section *section)
{
    const uint64_t reply = TP_SAVED_BIT(REPLY_CODE) | TP_SAVED_BIT(REPLY_TEXT)
                           | TP_SAVED_BIT(REPLY_GZIP) | TP_SAVED_BIT(REPLY_BODY);
    const uint64_t held = TP_SAVED_BIT(DUE_MS);
    const uint64_t codec = TP_SAVED_BIT(REPLY_CODEC);
    uint64_t present = section->present & (reply | held);

    if (present == 0) {
        return tp__saved_has(section, TP_SAVED_HOOK_POINT)
               || tp__saved_has(section, TP_SAVED_UNBEGUN);
    }
    if (present == held) {
        return (section->present & codec) == 0
               && number_is_within(section, TP_SAVED_DUE_MS, 0, INT64_MAX);
    }
    return present == reply && (section->present & TP_SAVED_BIT(STATE)) == 0
           && number_is_within(section, TP_SAVED_REPLY_CODE, INT32_MIN, INT32_MAX)
           && number_is_within(section, TP_SAVED_REPLY_GZIP, INT32_MIN, INT32_MAX)
           && number_is_within(section, TP_SAVED_REPLY_CODEC, 0, UINT8_MAX);
}

/* It waits for one hook, of a point that goes with its outcome; or for its session's. */
static bool
exchange_hook_is_sane(const struct tp_saved_section *section)
{
    const uint64_t hook = TP_SAVED_BIT(HOOK_POINT) | TP_SAVED_BIT(HOOK_OWNER);
    enum tp_hook_point point;

    if (tp__saved_has(section, TP_SAVED_UNBEGUN)) {
        const uint64_t none = hook | TP_SAVED_BIT(DUE_MS) | TP_SAVED_BIT(REPLY_CODE)
                              | TP_SAVED_BIT(STATE) | TP_SAVED_BIT(SET_URI);

        return (section->present & none) == 0 && number_is_within(section, TP_SAVED_UNBEGUN, 1, 1);
    }
    if ((section->present & hook) == 0) {
        return true;
    }
    return (section->present & hook) == hook && !tp__saved_has(section, TP_SAVED_DUE_MS)
           && hook_point_is_sane(section, &point);
}

static bool
hook_point_is_sane(const struct tp_saved_section *section, enum tp_hook_point *point)
{
    bool is_pull = tp__saved_get_number(section, TP_SAVED_TYPE) != TP_PACKET_PUSH;
    bool has_reply = tp__saved_has(section, TP_SAVED_REPLY_CODE);

    if (!tp__hook_point_find(tp__saved_get_text(section, TP_SAVED_HOOK_POINT), point)) {
        return false;
    }
    switch (*point) {
    case TP_HOOK_POST_READ_PULL_HEADER:
    case TP_HOOK_PRE_READ_PULL_BODY:
    case TP_HOOK_POST_READ_PULL_BODY:
        return is_pull && !has_reply;
    case TP_HOOK_POST_READ_PUSH_HEADER:
    case TP_HOOK_PRE_READ_PUSH_BODY:
    case TP_HOOK_POST_READ_PUSH_BODY:
        return !is_pull && !has_reply;
    case TP_HOOK_PRE_WRITE_REPLY:
        return is_pull && has_reply;
    default:
        return false;
    }
}

static bool
number_is_within(const struct tp_saved_section *section, enum tp_saved_tag tag, int64_t min,
                 int64_t max)
{
    int64_t number = tp__saved_get_number(section, tag);

    return number >= min && number <= max;
}

/* Lets a text of the packet lie in a buffer of its own; false when memory is out. */
static bool
packet_hold_text(struct tp_buf **holder, struct tp_str *text, struct tp_str saved,
                 struct tp_buf_pool *pool)
{
    if (saved.len == 0) {
        return true;
    }
    *holder = tp_buf_make(pool, saved.len);
    if (*holder == NULL) {
        return false;
    }
    text->data = memcpy((*holder)->bytes, saved.data, saved.len);
    text->len = saved.len;
    return true;
}

/* Its texts and its body lie in buffers of their own.  Failing, it holds nothing. */
static enum tp_result
exchange_read_request(struct tp_sessions *sessions, const struct tp_saved_section *section,
                      struct tp_packet *request)
{
    struct tp_str uri = tp__saved_get_text(section, TP_SAVED_URI);
    struct tp_str metadata = tp__saved_get_text(section, TP_SAVED_METADATA);
    struct tp_str filters = tp__saved_get_text(section, TP_SAVED_FILTERS);
    struct tp_str body = tp__saved_get_text(section, TP_SAVED_BODY);

    *request = (struct tp_packet){
        .type = (int32_t) tp__saved_get_number(section, TP_SAVED_TYPE),
        .seq = (uint64_t) tp__saved_get_number(section, TP_SAVED_SEQ),
        .header_codec = (uint8_t) tp__saved_get_number(section, TP_SAVED_HEADER_CODEC),
        .gzip_level = (int32_t) tp__saved_get_number(section, TP_SAVED_GZIP_LEVEL),
        .has_body_codec = tp__saved_has(section, TP_SAVED_BODY_CODEC),
        .body_codec = (uint8_t) tp__saved_get_number(section, TP_SAVED_BODY_CODEC),
        .wire_bytes = (size_t) tp__saved_get_number(section, TP_SAVED_WIRE_BYTES),
        .note = (uint32_t) tp__saved_get_number(section, TP_SAVED_NOTE),
        .accept_codec = (uint8_t) tp__saved_get_number(section, TP_SAVED_ACCEPT_CODEC),
        .reply_gzip = (int32_t) tp__saved_get_number(section, TP_SAVED_REPLY_LEVEL),
        .filter_count = (uint8_t) filters.len,
    };
    if (filters.len > 0) {
        memcpy(request->filters, filters.data, filters.len);
    }
    if (!packet_hold_text(&request->head, &request->uri, uri, &sessions->pool)
        || !packet_hold_text(&request->meta_head, &request->metadata, metadata, &sessions->pool)) {
        tp_packet_clear(request);
        return TP_NO_MEMORY;
    }
    enum tp_result result = tp_chain_append_copy(&request->body, &sessions->pool, body);

    if (result != TP_OK) {
        tp_packet_clear(request);
    }
    return result;
}

static enum tp_result
exchange_restore_identity(struct tp_exchange *exchange, const struct tp_saved_section *section)
{
    struct tp_identity identity;

    if (!tp__saved_has(section, TP_SAVED_OWN_IDENTITY)
        || !tp__identity_read(tp__saved_get_text(section, TP_SAVED_OWN_IDENTITY), &identity)) {
        return TP_OK;
    }
    return tp_exchange_identify(exchange, &identity);
}

/* The uri that a hook had given it. */
static enum tp_result
exchange_restore_uri(struct tp_exchange *exchange, const struct tp_saved_section *section)
{
    if (!tp__saved_has(section, TP_SAVED_SET_URI)) {
        return TP_OK;
    }
    exchange->is_unrouted = true;
    enum tp_result result =
        tp_exchange_set_uri(exchange, tp__saved_get_text(section, TP_SAVED_SET_URI));

    exchange->is_unrouted = false;
    exchange->has_path = result == TP_OK;
    return result;
}

/*
 * The hook that had it is called again.  On a server and on a route there may be hooks of one
 * point: it was before its route was looked for where the server has that module's there.
 */
static enum tp_result
exchange_restore_hook(struct tp_exchange *exchange, const struct tp_saved_section *section)
{
    struct tp_str owner = tp__saved_get_text(section, TP_SAVED_HOOK_OWNER);
    enum tp_hook_point point = TP_HOOK_POINT_COUNT;
    enum tp_result result = tp__exchange_read_uri(exchange);

    hook_point_is_sane(section, &point);
    if (result == TP_OK && point == TP_HOOK_PRE_WRITE_REPLY) {
        return exchange_restore_reply_hook(exchange, section, owner);
    }
    exchange->is_unrouted = true;
    if (result == TP_OK && tp__exchange_find_hook(exchange, point, owner) != TP_OK) {
        exchange->is_unrouted = false;
        result = tp__exchange_find_route(exchange);
        if (result == TP_OK) {
            result = tp__exchange_find_hook(exchange, point, owner);
        }
    }
    if (result != TP_OK) {
        exchange->is_unrouted = false;
        return result;
    }
    tp__exchange_go_on(exchange);
    return TP_OK;
}

/* The same at pre_write_reply. */
static enum tp_result
exchange_restore_reply_hook(struct tp_exchange *exchange, const struct tp_saved_section *section,
                            struct tp_str owner)
{
    enum tp_result result = tp__exchange_find_route(exchange);

    if (result == TP_OK) {
        result = tp__exchange_find_hook(exchange, TP_HOOK_PRE_WRITE_REPLY, owner);
    }
    if (result != TP_OK) {
        return result;
    }
    return exchange_restore_reply(exchange, section);
}

/* Gives it to the handler it had, which goes on with it when it is due. */
static enum tp_result
exchange_bind(struct tp_exchange *exchange, const struct tp_saved_section *section)
{
    enum tp_result result = tp__exchange_find_route(exchange);

    if (result != TP_OK) {
        return result;
    }
    if (exchange->route == NULL || exchange->route->handler->on_time == NULL
        || !tp__str_equal(tp__str(exchange->route->handler->name),
                          tp__saved_get_text(section, TP_SAVED_HANDLER))) {
        return TP_NOT_FOUND;
    }
    if (tp__saved_has(section, TP_SAVED_STATE)) {
        result = exchange_restore_state(exchange, tp__saved_get_text(section, TP_SAVED_STATE));
    }
    if (result == TP_OK) {
        tp__exchange_hold_until(exchange, tp__saved_get_number(section, TP_SAVED_DUE_MS));
    }
    return result;
}

static enum tp_result
exchange_restore_state(struct tp_exchange *exchange, struct tp_str saved)
{
    const struct tp_module *handler = exchange->route->handler;

    if (handler->exchange_state_size == 0) {
        return TP_MISMATCH;
    }
    void *state = tp_exchange_state(exchange);

    return state == NULL ? TP_NO_MEMORY : handler->restore_state(state, saved);
}

/* It has its outcome; on a route that is still ordered it goes on to wait for its turn. */
static enum tp_result
exchange_restore_reply(struct tp_exchange *exchange, const struct tp_saved_section *section)
{
    struct tp_status status = {
        .code = (int32_t) tp__saved_get_number(section, TP_SAVED_REPLY_CODE),
        .text = tp__saved_get_text(section, TP_SAVED_REPLY_TEXT),
        .cause = tp__saved_get_text(section, TP_SAVED_REPLY_CAUSE),
    };
    struct tp_chain body = { 0 };
    enum tp_result result = tp__exchange_find_route(exchange);

    if (result == TP_OK
        && !packet_hold_text(&exchange->reply.meta_head, &exchange->reply.metadata,
                             tp__saved_get_text(section, TP_SAVED_REPLY_METADATA),
                             &exchange->sessions->pool)) {
        result = TP_NO_MEMORY;
    }
    if (result == TP_OK) {
        result = tp_chain_append_copy(&body, &exchange->sessions->pool,
                                      tp__saved_get_text(section, TP_SAVED_REPLY_BODY));
    }
    if (result != TP_OK) {
        return result;
    }
    exchange->reply.gzip_level = (int32_t) tp__saved_get_number(section, TP_SAVED_REPLY_GZIP);
    exchange->reply.has_body_codec = tp__saved_has(section, TP_SAVED_REPLY_CODEC);
    return tp_exchange_finish(exchange, &status, &body,
                              (uint8_t) tp__saved_get_number(section, TP_SAVED_REPLY_CODEC));
}

/* Its handler cannot go on with it here: the caller learns that it may have run. */
static void
exchange_refuse(struct tp_exchange *exchange, enum tp_result result)
{
    struct tp_status status = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
    const struct tp_session *session = exchange->session;

    tp_log_warn(tp_session_log(session), "exchange-not-restored", "number=%llu seq=%llu result=%s",
                (unsigned long long) session->number, (unsigned long long) exchange->request.seq,
                tp_result_word(result));
    tp_exchange_refuse(exchange, &status);
}
