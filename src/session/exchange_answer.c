/*
 * exchange_answer.c - from an answer to the session's queue: the outcome of an exchange, given by
 * its handler, a hook or its time-out, and the order in which ordered replies leave.
 *
 * Runs in: worker.  Read next: exchange_body.c (values, gzip), session_write.c.
 */
#include "session/record.h"

#include "base/clock.h"
#include "base/str.h"
#include "session/forward.h"

#include <string.h>

static enum tp_result exchange_answer(struct tp_exchange *exchange, struct tp_chain *body,
                                      uint8_t codec);
static inline bool exchange_is_too_late(const struct tp_exchange *exchange);
static void exchange_complete(struct tp_exchange *exchange);
static enum tp_result exchange_complete_owned(struct tp_exchange *exchange);
static void exchange_take_status(struct tp_exchange *exchange, const struct tp_status *status);
static bool exchange_is_ordered(const struct tp_exchange *exchange);
static bool exchanges_share_order(const struct tp_exchange *one, const struct tp_exchange *other);
static void exchanges_release_ordered(const struct tp_exchange *answered);
static void exchange_release_if_first(struct tp_exchange *exchange);
static void exchange_leave(struct tp_exchange *exchange);
static bool exchange_is_somebodys(const struct tp_exchange *exchange);
static void exchange_queue(struct tp_exchange *exchange);

enum tp_result
tp_exchange_reply(struct tp_exchange *exchange, struct tp_chain *body, uint8_t codec)
{
    if (!exchange_is_too_late(exchange)) {
        exchange->reply.status = tp_status_of(TP_STATUS_OK);
    }
    return exchange_answer(exchange, body, codec);
}

enum tp_result
tp_exchange_echo(struct tp_exchange *exchange)
{
    struct tp_packet *request = &exchange->request;

    if (!exchange_is_too_late(exchange)) {
        exchange->reply.gzip_level = request->gzip_level;
        exchange->reply.has_body_codec = request->has_body_codec;
    }
    return tp_exchange_reply(exchange, &request->body, request->body_codec);
}

enum tp_result
tp_exchange_refuse(struct tp_exchange *exchange, const struct tp_status *status)
{
    struct tp_chain nothing = { 0 };

    return tp_exchange_finish(exchange, status, &nothing, TP_CODEC_NONE);
}

enum tp_result
tp_exchange_refuse_result(struct tp_exchange *exchange, enum tp_result result)
{
    struct tp_status status = tp__status_of_result(result);

    return tp_exchange_refuse(exchange, &status);
}

struct tp_status
tp__status_of_result(enum tp_result result)
{
    static const struct {
        enum tp_result result;
        enum tp_status_code code;
    } codes[] = {
        { TP_INVALID, TP_STATUS_BAD_REQUEST },
        { TP_NOT_FOUND, TP_STATUS_NOT_FOUND },
        { TP_EXISTS, TP_STATUS_CONFLICT },
        { TP_GONE, TP_STATUS_CONFLICT },
        { TP_TOO_LARGE, TP_STATUS_TOO_LARGE },
        { TP_NO_MEMORY, TP_STATUS_SERVICE_UNAVAILABLE },
        { TP_FULL, TP_STATUS_SERVICE_UNAVAILABLE },
        { TP_INTERRUPTED, TP_STATUS_SERVICE_UNAVAILABLE },
        { TP_TIMED_OUT, TP_STATUS_GATEWAY_TIMEOUT },
        { TP_UNSUPPORTED, TP_STATUS_NOT_IMPLEMENTED },
    };
    struct tp_status status = tp_status_of(TP_STATUS_INTERNAL_ERROR);

    for (size_t i = 0; i < TP_COUNT_OF(codes); i++) {
        if (codes[i].result == result) {
            status = tp_status_of(codes[i].code);
        }
    }
    status.cause = tp__str(tp_result_sentence(result));
    return status;
}

enum tp_result
tp_exchange_finish(struct tp_exchange *exchange, const struct tp_status *status,
                   struct tp_chain *body, uint8_t codec)
{
    if (!exchange_is_too_late(exchange)) {
        exchange_take_status(exchange, status);
    }
    return exchange_answer(exchange, body, codec);
}

enum tp_result
tp_exchange_reply_copy(struct tp_exchange *exchange, struct tp_str body, uint8_t codec)
{
    struct tp_status status = tp_status_of(TP_STATUS_OK);

    return tp_exchange_finish_copy(exchange, &status, body, codec);
}

enum tp_result
tp_exchange_finish_copy(struct tp_exchange *exchange, const struct tp_status *status,
                        struct tp_str body, uint8_t codec)
{
    struct tp_chain copy = { 0 };
    enum tp_result result = TP_OK;

    if (body.len > 0) {
        result = tp_chain_append_copy(&copy, &exchange->sessions->pool, body);
    }
    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
        return result;
    }
    return tp_exchange_finish(exchange, status, &copy, codec);
}

void
tp__exchange_end_with(struct tp_exchange *exchange, const struct tp_status *status)
{
    exchange_take_status(exchange, status);
    exchange_complete(exchange);
}

void
tp__exchange_go_out(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;
    bool is_expected = exchange->is_expected;

    if (exchange_is_ordered(exchange) && tp_exchange_wants_reply(exchange)) {
        exchange->is_parked = true;
        exchanges_release_ordered(exchange);
    } else {
        exchange_leave(exchange);
    }
    tp__session_want_turn_end(session);
    if (is_expected) {
        tp__session_renew_guard(session);
    }
}

void
tp__exchanges_release_parked(struct tp_session *session)
{
    TP_LIST_EACH (node, &session->exchanges) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (exchange->is_unrouted && tp_exchange_wants_reply(exchange)) {
            return;
        }
        if (exchange->is_parked) {
            exchange_release_if_first(exchange);
        }
    }
}

void
tp__exchange_replace_outcome(struct tp_exchange *exchange, const struct tp_status *status)
{
    struct tp_packet *reply = &exchange->reply;
    struct tp_buf *head = reply->head;

    tp_chain_clear(&reply->body);
    reply->gzip_level = 0;
    reply->body_codec = TP_CODEC_NONE;
    reply->has_body_codec = false;
    reply->head = NULL;
    if (exchange->is_ours) {
        reply->uri = exchange->request.uri;
    }
    exchange_take_status(exchange, status);
    tp_buf_release(head);
}

/* Its status is known, and this is the body. */
static inline enum tp_result
exchange_answer(struct tp_exchange *exchange, struct tp_chain *body, uint8_t codec)
{
    struct tp_packet *reply = &exchange->reply;

    TP_ASSERT(exchange->magic == TP_EXCHANGE_MAGIC && !exchange->is_ours);
    if (exchange_is_too_late(exchange)) {
        tp_chain_clear(body);
        exchange->is_postponed = exchange->is_postponed && exchange->is_kept;
        exchange->is_kept = false;
        tp__exchange_let_go(exchange);
        return TP_GONE;
    }
    reply->body = *body;
    *body = (struct tp_chain){ 0 };
    reply->body_codec = codec;
    reply->has_body_codec |= codec != TP_CODEC_NONE;
    if (exchange->is_kept || exchange->is_postponed) {
        return exchange_complete_owned(exchange);
    }
    exchange_complete(exchange);
    return exchange->session == NULL ? TP_GONE : TP_OK;
}

/* The same for one that its handler has kept, or that a hook has. */
static enum tp_result
exchange_complete_owned(struct tp_exchange *exchange)
{
    bool is_hooks = !exchange->is_kept;
    bool was_unrouted = exchange->is_unrouted;
    struct tp_session *session = exchange->session;

    /* pre_write_reply may postpone it anew. */
    exchange->is_postponed = exchange->is_postponed && !is_hooks;
    exchange_complete(exchange);
    enum tp_result result = exchange->session == NULL ? TP_GONE : TP_OK;

    if (exchange->is_kept) {
        exchange->is_kept = false;
        tp__exchange_let_go(exchange);
    } else if (is_hooks && !exchange->is_running) {
        tp__exchange_settle(exchange);
    }
    if (is_hooks && was_unrouted) {
        tp__exchanges_release_parked(session);
    }
    return result;
}

/* Its handler has kept it, or a hook has it, before it has an outcome or too late for one. */
static bool
exchange_is_somebodys(const struct tp_exchange *exchange)
{
    return exchange->is_kept
           || (exchange->is_postponed && exchange->hook_point != TP_HOOK_PRE_WRITE_REPLY);
}

/* Somebody has had it for longer than its session lived, or than it was waited for. */
static inline bool
exchange_is_too_late(const struct tp_exchange *exchange)
{
    bool is_somebodys =
        exchange->is_kept || (exchange->is_postponed && exchange_is_somebodys(exchange));

    TP_ASSERT(!exchange->is_finished || is_somebodys);
    if (!is_somebodys) {
        return false;
    }
    tp__sessions_check_thread(exchange->sessions);
    return exchange->session == NULL || exchange->is_finished;
}

/* The exchange has its outcome. */
static inline void
exchange_complete(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;

    exchange->is_finished = true;
    exchange->is_unrouted = false;
    if (tp__exchange_logging_is_timed(exchange->logging) || exchange->trace != NULL) {
        exchange->finished_us = tp__clock_monotonic_us();
    }
    exchange->is_held = false;
    tp__exchange_stop_timer(exchange);
    if (session == NULL) {
        return;
    }
    if (tp__hooks_at(tp__exchange_hooks(exchange), TP_HOOK_PRE_WRITE_REPLY) != NULL
        && tp_exchange_wants_reply(exchange) && !tp__exchange_pass_reply(exchange)) {
        return;
    }
    tp__exchange_go_out(exchange);
}

/* Texts of the table live for ever; others may be the caller's. */
static void
exchange_take_status(struct tp_exchange *exchange, const struct tp_status *status)
{
    struct tp_packet *reply = &exchange->reply;

    reply->status = *status;
    if (exchange->session == NULL
        || (tp__session_protocol(exchange->session)->abilities & TP_PROTOCOL_CAUSE) == 0) {
        reply->status.cause = TP_STR("");
    }
    if (status->text.data == tp_status_text(status->code).data && reply->status.cause.len == 0) {
        return;
    }
    struct tp_str *cause = &reply->status.cause;
    struct tp_buf *buf = tp_buf_make(&exchange->sessions->pool, status->text.len + cause->len);

    if (buf == NULL) {
        reply->status =
            (struct tp_status){ .code = status->code, .text = tp_status_text(status->code) };
        return;
    }
    if (status->text.len > 0) {
        memcpy(buf->bytes, status->text.data, status->text.len);
    }
    if (cause->len > 0) {
        cause->data = memcpy(buf->bytes + status->text.len, cause->data, cause->len);
    }
    reply->head = buf;
    reply->status.text.data = (const char *) buf->bytes;
}

static inline bool
exchange_is_ordered(const struct tp_exchange *exchange)
{
    return (exchange->route != NULL && exchange->route->is_ordered)
           || (exchange->session->protocol->protocol->abilities & TP_PROTOCOL_IN_ORDER) != 0;
}

/* Do the two stand in one line?  Where the protocol wants it, all of the session do. */
static bool
exchanges_share_order(const struct tp_exchange *one, const struct tp_exchange *other)
{
    return one->route == other->route
           || (one->session->protocol->protocol->abilities & TP_PROTOCOL_IN_ORDER) != 0;
}

/*
 * Lets those in line with this one go whose predecessors are all answered.  Apart from its caller, whose
 * usual case is another.
 */
static __attribute__((noinline)) void
exchanges_release_ordered(const struct tp_exchange *answered)
{
    struct tp_session *session = answered->session;

    TP_LIST_EACH (node, &session->exchanges) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (exchange->is_unrouted && tp_exchange_wants_reply(exchange)) {
            return; /* It may become one of this route. */
        }
        if (exchanges_share_order(exchange, answered) && tp_exchange_wants_reply(exchange)) {
            if (!exchange->is_parked) {
                return;
            }
            exchange->is_parked = false;
            tp__trace_mark(exchange, TP_TRACED_QUEUED);
            exchange_leave(exchange);
        }
    }
}

/* It leaves unless one of its route that came before is open yet. */
static void
exchange_release_if_first(struct tp_exchange *exchange)
{
    TP_LIST_EACH (node, &exchange->session->exchanges) {
        const struct tp_exchange *earlier = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (earlier == exchange) {
            exchange->is_parked = false;
            tp__trace_mark(exchange, TP_TRACED_QUEUED);
            exchange_leave(exchange);
            return;
        }
        if (exchanges_share_order(earlier, exchange) && tp_exchange_wants_reply(earlier)) {
            return;
        }
    }
}

/* It is open no more: a PULL's reply goes to the session's queue. */
static inline void
exchange_leave(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;

    session->exchange_count--;
    if (session->exchange_count == 0) {
        session->idle_at = (uint32_t) tp__loop_now_ms(session->sessions->loop);
    }
    tp__list_remove(&exchange->node);
    if (tp_exchange_wants_reply(exchange)) {
        exchange_queue(exchange);
    }
}

static inline void
exchange_queue(struct tp_exchange *exchange)
{
    const struct tp_packet *request = &exchange->request;
    struct tp_packet *reply = &exchange->reply;

    reply->type = TP_PACKET_REPLY;
    if (request->type == TP_PACKET_AUTH_CALL) {
        reply->type = TP_PACKET_AUTH_REPLY;
    }
    reply->note = request->note;
    reply->seq = request->seq;
    reply->uri = tp__exchange_wire_uri(exchange);
    reply->header_codec = request->header_codec;
    exchange->is_queued = true;
    if (request->filter_count != 0) {
        memcpy(reply->filters, request->filters, sizeof(reply->filters));
        reply->filter_count = request->filter_count;
        int level = tp__exchange_reply_level(exchange);

        /* The filters are its request's, come what may; they deflate what is not yet. */
        reply->reply_gzip = level != 0 ? level : request->reply_gzip;
        if (reply->gzip_level != 0) {
            tp__exchange_fit_reply(exchange);
        }
    } else if ((request->reply_gzip | reply->gzip_level) != 0) {
        tp__exchange_fit_reply(exchange);
    }
    exchange->session->queued_bytes += tp__exchange_queue_cost(reply);
    tp__list_append(&exchange->session->outgoing, &exchange->node);
}
