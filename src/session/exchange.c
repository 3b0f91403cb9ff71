/*
 * exchange.c - the life of an exchange: begun by a packet, answered by a handler now
 * or later, sent, freed.
 *
 * An exchange is a list member of its session twice in its life: while it is open, and
 * then until its reply was encoded.  When the session ends first, those that wait end with
 * it; one whose handler is running, or has kept it, goes on alone until that ends it.
 *
 * Runs in: worker.  Owns: request, reply and the timer.
 * Read next: router.c, session_write.c; exchange_hooks.c; asking.c has the exchanges that are
 * ours.
 */
#include "session/record.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum {
    EXCHANGES_KEPT_MAX = 256, /* free records kept for the next exchange */
};

static void exchange_destroy(struct tp_exchange *exchange);
static void exchange_call(struct tp_exchange *exchange,
                          void (*call)(struct tp_exchange *exchange, const void *conf));
static void exchange_refuse_code(struct tp_exchange *exchange, enum tp_status_code code,
                                 struct tp_str text);
static void exchange_detach(struct tp_exchange *exchange);
static void exchange_stop_timer(struct tp_exchange *exchange);
static void exchange_release_packet(struct tp_packet *packet);
static bool exchange_take_recent_route(struct tp_exchange *exchange);
static void exchange_note_recent_route(const struct tp_exchange *exchange);
static enum tp_result exchange_parse_uri(struct tp_exchange *exchange);
static struct tp_str uri_without_host(struct tp_str uri);
static enum tp_result exchange_decode_path(struct tp_exchange *exchange);
static enum tp_result exchange_answer(struct tp_exchange *exchange, struct tp_chain *body,
                                      uint8_t codec);
static bool exchange_is_too_late(const struct tp_exchange *exchange);
static void exchange_complete(struct tp_exchange *exchange);
static void exchange_take_status(struct tp_exchange *exchange, const struct tp_status *status);
static void exchanges_release_ordered(struct tp_session *session, const struct tp_route *route);
static void exchange_release_if_first(struct tp_exchange *exchange);
static void exchange_leave(struct tp_exchange *exchange);
static bool exchange_is_somebodys(const struct tp_exchange *exchange);
static void exchange_queue(struct tp_exchange *exchange);
static void exchange_on_time(struct tp_timer *timer);

void
tp__exchange_begin(struct tp_session *session, struct tp_packet *request, int64_t begun_us)
{
    if (request->type == TP_PACKET_REPLY) {
        tp__session_take_reply(session, request);
        return;
    }
    if (session->is_ending) {
        /* It goes on reading for the sake of replies; nobody answers this any more. */
        tp_packet_clear(request);
        return;
    }
    if (request->type != TP_PACKET_PULL && request->type != TP_PACKET_PUSH) {
        tp_packet_clear(request);
        tp__session_end(session, TP_CLOSE_UNSUPPORTED_TYPE, true);
        return;
    }
    struct tp_exchange *exchange = tp__exchange_make(session, request, begun_us);

    if (exchange == NULL) {
        tp_packet_clear(request);
        tp__session_end(session, TP_CLOSE_NO_RESOURCES, false);
        return;
    }
    if (session->is_greeting || session->on_expected != NULL) {
        tp__session_meet(session, exchange);
    } else {
        tp__exchange_run(exchange);
    }
}

struct tp_exchange *
tp__exchange_make(struct tp_session *session, struct tp_packet *request, int64_t begun_us)
{
    struct tp_exchange *exchange = tp__exchange_new(session, request, begun_us);

    if (exchange != NULL) {
        tp__list_append(&session->exchanges, &exchange->node);
        session->exchange_count++;
    }
    return exchange;
}

struct tp_exchange *
tp__exchange_new(struct tp_session *session, struct tp_packet *request, int64_t begun_us)
{
    struct tp_sessions *sessions = session->sessions;
    struct tp_list_node *node = tp__list_take_first(&sessions->free_exchanges);
    struct tp_exchange *exchange =
        node != NULL ? TP_CONTAINER_OF(node, struct tp_exchange, node) : malloc(sizeof(*exchange));

    if (exchange == NULL) {
        return NULL;
    }
    sessions->free_exchange_count -= node != NULL ? 1 : 0;
    memset(&exchange->is_ours, 0, sizeof(*exchange) - offsetof(struct tp_exchange, is_ours));
    exchange->magic = TP_EXCHANGE_MAGIC;
    exchange->sessions = sessions;
    exchange->session = session;
    exchange->session_number = session->number;
    exchange->remote = session->remote;
    exchange->source = session->source;
    exchange->server = session->source->server;
    exchange->logging = &exchange->server->logging;
    exchange->request = *request;
    exchange->request_body_bytes = request->body.len;
    exchange->begun_us = begun_us;
    request->head = NULL;
    request->body = (struct tp_chain){ 0 };
    tp__timer_init(&exchange->timer, exchange_on_time);
    tp__list_init(&exchange->node);
    tp__counted_acquire(exchange->server->configuration);
    return exchange;
}

enum tp_result
tp__exchange_find_route(struct tp_exchange *exchange)
{
    const struct tp_server *server = exchange->server;
    enum tp_result result = TP_OK;

    if (!exchange_take_recent_route(exchange)) {
        result = tp__exchange_read_uri(exchange);
        if (result == TP_OK) {
            exchange->route = tp__router_find(tp_exchange_wants_reply(exchange) ? &server->pulls
                                                                                : &server->pushes,
                                              exchange->path);
            exchange_note_recent_route(exchange);
        }
    }
    if (exchange->route != NULL) {
        exchange->logging = &exchange->route->logging;
    }
    return result;
}

void
tp__exchange_settle(struct tp_exchange *exchange)
{
    bool is_left = exchange->session == NULL;

    /* At pre_write_reply it has its outcome, and waits all the same. */
    bool is_out = exchange->is_finished && !exchange->is_queued && !exchange->is_parked
                  && (!exchange->is_postponed || exchange->is_overdue);

    if (is_left || is_out) {
        tp__exchange_free(exchange);
    } else if (exchange->is_held || exchange->is_kept || exchange->is_parked
               || exchange->is_postponed || exchange->is_unbegun) {
        exchange_detach(exchange);
    }
}

void
tp__exchange_free(struct tp_exchange *exchange)
{
    struct tp_sessions *sessions = exchange->sessions;

    TP_ASSERT(exchange->magic == TP_EXCHANGE_MAGIC);
    tp__exchange_log_end(exchange);
    exchange_stop_timer(exchange);
    tp__list_remove(&exchange->node);
    if (exchange->is_kept || exchange->is_postponed) {
        exchange->session = NULL;
        tp__list_append(&sessions->orphans, &exchange->node);
    } else {
        exchange_destroy(exchange);
    }
}

void
tp__exchanges_free_orphans(struct tp_sessions *sessions)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(&sessions->orphans)) != NULL) {
        exchange_destroy(TP_CONTAINER_OF(node, struct tp_exchange, node));
    }
}

static inline void
exchange_destroy(struct tp_exchange *exchange)
{
    struct tp_sessions *sessions = exchange->sessions;

    tp__list_remove(&exchange->node);
    exchange_release_packet(&exchange->request);
    exchange_release_packet(&exchange->reply);
    tp_chain_clear(&exchange->plain_body);
    tp_buf_release(exchange->decoded_path);
    tp_buf_release(exchange->set_uri);
    free(exchange->state);
    tp__counted_release(exchange->server->configuration);
    exchange->magic = 0;
    if (sessions->free_exchange_count < EXCHANGES_KEPT_MAX) {
        tp__list_prepend(&sessions->free_exchanges, &exchange->node);
        sessions->free_exchange_count++;
    } else {
        free(exchange);
    }
}

void
tp__exchanges_abandon(struct tp_session *session, enum tp_close_reason reason)
{
    static const struct tp_exchange_logging nothing;

    TP_LIST_EACH (node, &session->exchanges) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (reason == TP_CLOSE_MOVED) {
            /* It goes on, and is logged, elsewhere. */
            exchange->logging = &nothing;
        }
        if (exchange->is_running) {
            tp__list_remove(node);
            exchange->session = NULL;
        } else {
            /* Nobody waits for it any more, and nobody goes on with it but who has kept it. */
            tp__exchange_free(exchange);
        }
    }
}

const struct tp_packet *
tp_exchange_request(const struct tp_exchange *exchange)
{
    return &exchange->request;
}

bool
tp_exchange_is_ours(const struct tp_exchange *exchange)
{
    return exchange->is_ours;
}

uint64_t
tp_exchange_seq(const struct tp_exchange *exchange)
{
    return exchange->request.seq;
}

struct tp_str
tp_exchange_uri(const struct tp_exchange *exchange)
{
    return exchange->request.uri;
}

uint8_t
tp_exchange_body_codec(const struct tp_exchange *exchange)
{
    return exchange->request.body_codec;
}

const struct tp_status *
tp_exchange_status(const struct tp_exchange *exchange)
{
    return &exchange->reply.status;
}

int32_t
tp_exchange_type(const struct tp_exchange *exchange)
{
    return exchange->request.type;
}

struct tp_str
tp_exchange_path(const struct tp_exchange *exchange)
{
    return exchange->path;
}

struct tp_str
tp_exchange_query(const struct tp_exchange *exchange)
{
    return exchange->query;
}

struct tp_session *
tp_exchange_session(const struct tp_exchange *exchange)
{
    return exchange->session;
}

struct tp_buf_pool *
tp_exchange_buf_pool(const struct tp_exchange *exchange)
{
    return &exchange->sessions->pool;
}

struct tp_size
tp_exchange_packet_limit(const struct tp_exchange *exchange)
{
    return exchange->server->limits.packet;
}

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
    };
    struct tp_status status = tp_status_of(TP_STATUS_INTERNAL_ERROR);

    for (size_t i = 0; i < TP_COUNT_OF(codes); i++) {
        if (codes[i].result == result) {
            status = tp_status_of(codes[i].code);
        }
    }
    status.cause = tp__str(tp_result_sentence(result));
    return tp_exchange_refuse(exchange, &status);
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

enum tp_result
tp_exchange_set_uri(struct tp_exchange *exchange, struct tp_str uri)
{
    struct tp_exchange before = *exchange;
    struct tp_str came = tp__exchange_wire_uri(exchange);

    if (!exchange->is_unrouted) {
        return TP_DENIED;
    }
    if (uri.len > exchange->server->limits.packet.bytes) {
        return TP_TOO_LARGE;
    }
    exchange->set_uri = tp_buf_make(&exchange->sessions->pool, uri.len + came.len);
    if (exchange->set_uri == NULL) {
        exchange->set_uri = before.set_uri;
        return TP_NO_MEMORY;
    }
    memcpy(exchange->set_uri->bytes, uri.data, uri.len);
    memcpy(exchange->set_uri->bytes + uri.len, came.data, came.len);
    exchange->request.uri = (struct tp_str){ (const char *) exchange->set_uri->bytes, uri.len };
    exchange->decoded_path = NULL;
    exchange->query = TP_STR("");
    enum tp_result result = exchange_parse_uri(exchange);
    struct tp_exchange *unused = result == TP_OK ? &before : exchange;

    tp_buf_release(unused->set_uri);
    tp_buf_release(unused->decoded_path);
    if (result == TP_OK) {
        exchange->reply.uri.data = exchange->request.uri.data + uri.len;
        exchange->reply.uri.len = came.len;
        return TP_OK;
    }
    exchange->request.uri = before.request.uri;
    exchange->set_uri = before.set_uri;
    exchange->decoded_path = before.decoded_path;
    exchange->path = before.path;
    exchange->query = before.query;
    return result;
}

void
tp_exchange_keep(struct tp_exchange *exchange)
{
    TP_ASSERT(exchange->is_running && !exchange->is_finished && !exchange->is_kept);
    TP_ASSERT(!exchange->is_at_hook); /* a hook says later */
    tp__exchange_hold_until(exchange, INT64_MAX);
    exchange->is_held = false;
    exchange->is_kept = true;
}

void
tp_exchange_hold(struct tp_exchange *exchange, struct tp_msec delay)
{
    TP_ASSERT(!exchange->is_finished && !exchange->is_at_hook && exchange->route != NULL);
    TP_ASSERT(exchange->route->handler->on_time != NULL);
    tp__exchange_hold_until(exchange, tp__loop_now_ms(exchange->sessions->loop) + delay.ms);
}

void
tp__exchange_hold_until(struct tp_exchange *exchange, int64_t due_ms)
{
    int64_t timeout_ms = exchange->server->limits.exchange_timeout.ms;
    int64_t end_ms = timeout_ms > 0 ? exchange->begun_us / 1000 + timeout_ms : INT64_MAX;
    int64_t next_ms = due_ms < end_ms ? due_ms : end_ms;

    exchange->is_held = true;
    exchange->due_ms = due_ms;
    if (next_ms != INT64_MAX) {
        tp__loop_start_timer_at(exchange->sessions->loop, &exchange->timer, next_ms);
    }
}

void *
tp_exchange_state(struct tp_exchange *exchange)
{
    const struct tp_module *handler = exchange->route->handler;

    TP_ASSERT(handler->exchange_state_size > 0 && handler->save_state != NULL
              && handler->restore_state != NULL);
    if (exchange->state == NULL) {
        exchange->state = calloc(1, handler->exchange_state_size);
    }
    return exchange->state;
}

void
tp__exchange_run(struct tp_exchange *exchange)
{
    if (exchange->server->hooks == NULL || !tp__exchange_begin_hooks(exchange)) {
        tp__exchange_run_route(exchange);
    }
}

void
tp__exchange_run_expected(struct tp_exchange *exchange, tp_handler_fn handler, void *owner)
{
    enum tp_result result = tp__exchange_read_uri(exchange);

    exchange->is_expected = true;
    tp__exchange_log_begin(exchange);
    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
    } else {
        exchange->is_running = true;
        handler(exchange, owner);
    }
    tp__exchange_check_answer(exchange);
}

void
tp__exchange_run_route(struct tp_exchange *exchange)
{
    enum tp_result result = tp__exchange_find_route(exchange);
    const struct tp_hook_set *hooks = tp__exchange_hooks(exchange);

    tp__exchange_log_begin(exchange);
    if (exchange->session->dialed != NULL && result == TP_OK) {
        tp__dialed_heed(exchange);
    }
    if (result == TP_INVALID) {
        exchange_refuse_code(exchange, TP_STATUS_BAD_REQUEST, TP_STR("Bad URI"));
    } else if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
    } else if (hooks != NULL) {
        exchange->hook_point = tp_exchange_wants_reply(exchange) ? TP_HOOK_POST_READ_PULL_HEADER
                                                                 : TP_HOOK_POST_READ_PUSH_HEADER;
        exchange->hook_at = 0;
        tp__exchange_go_on(exchange);
        return;
    } else {
        tp__exchange_handle(exchange);
    }
    tp__exchange_check_answer(exchange);
}

void
tp__exchange_handle(struct tp_exchange *exchange)
{
    if (exchange->route == NULL) {
        exchange_refuse_code(exchange, TP_STATUS_NOT_FOUND, tp_status_text(TP_STATUS_NOT_FOUND));
    } else {
        exchange_call(exchange, exchange->route->handler->handle);
    }
}

/* Calls its handler.  Whose is running is known to the report of a crash, too. */
static void
exchange_call(struct tp_exchange *exchange,
              void (*call)(struct tp_exchange *exchange, const void *conf))
{
    struct tp_sessions *sessions = exchange->sessions;
    struct tp_exchange *outer = sessions->running;

    exchange->is_running = true;
    sessions->running = exchange;
    call(exchange, exchange->route->conf);
    sessions->running = outer;
}

void
tp__exchange_check_answer(struct tp_exchange *exchange)
{
    exchange->is_running = false;
    if (!exchange->is_finished && !exchange->is_held && !exchange->is_kept
        && !exchange->is_postponed) {
        exchange_refuse_code(exchange, TP_STATUS_INTERNAL_ERROR,
                             tp_status_text(TP_STATUS_INTERNAL_ERROR));
    }
    tp__exchange_settle(exchange);
}

/* Apart from its callers, whose usual case is another, so that they need no room for a status. */
static __attribute__((noinline)) void
exchange_refuse_code(struct tp_exchange *exchange, enum tp_status_code code, struct tp_str text)
{
    struct tp_status status = { .code = code, .text = text };

    tp_exchange_refuse(exchange, &status);
}

/* While it is on the stack, its caller sees to the rest; and two may have it, one after the other. */
void
tp__exchange_let_go(struct tp_exchange *exchange)
{
    bool has_owner = exchange->is_kept || exchange->is_postponed;

    if (exchange->is_running || (exchange->session == NULL && has_owner)) {
        return;
    }
    if (exchange->session == NULL) {
        exchange_destroy(exchange);
    } else {
        tp__exchange_settle(exchange);
    }
}

/* A small request that waits does not pin the buffer it was read into. */
static void
exchange_detach(struct tp_exchange *exchange)
{
    struct tp_packet *request = &exchange->request;
    bool has_path = exchange->decoded_path == NULL && exchange->path.len > 0;
    bool has_query = exchange->query.len > 0;
    ptrdiff_t path_at = has_path ? exchange->path.data - request->uri.data : 0;
    ptrdiff_t query_at = has_query ? exchange->query.data - request->uri.data : 0;

    if (tp_packet_detach(request, &exchange->sessions->pool) != TP_OK) {
        return; /* It stays where it is: memory is short, but nothing is lost. */
    }
    if (has_path) {
        exchange->path.data = request->uri.data + path_at;
    }
    if (has_query) {
        exchange->query.data = request->uri.data + query_at;
    }
}

/* Most exchanges are answered at once and never had it run. */
static inline void
exchange_stop_timer(struct tp_exchange *exchange)
{
    if (exchange->timer.is_running) {
        tp__loop_stop_timer(exchange->sessions->loop, &exchange->timer);
    }
}

/* What is done away with need not be all zeros, as tp_packet_clear() would leave it. */
static void
exchange_release_packet(struct tp_packet *packet)
{
    tp_buf_release(packet->head);
    tp_chain_clear(&packet->body);
}

/*
 * Most sessions ask for the same again and again: the uri that the session asked for last,
 * if it was as plain as its route's, leads to the same route.
 */
static bool
exchange_take_recent_route(struct tp_exchange *exchange)
{
    const struct tp_recent_route *recent = &exchange->session->recent_route;

    if (recent->route == NULL || recent->type != exchange->request.type
        || !tp__str_equal(recent->route->uri, exchange->request.uri)) {
        return false;
    }
    exchange->route = recent->route;
    exchange->path = exchange->request.uri;
    return true;
}

static void
exchange_note_recent_route(const struct tp_exchange *exchange)
{
    if (exchange->route != NULL && tp__str_equal(exchange->route->uri, exchange->request.uri)) {
        exchange->session->recent_route = (struct tp_recent_route){
            .route = exchange->route,
            .type = exchange->request.type,
        };
    }
}

enum tp_result
tp__exchange_read_uri(struct tp_exchange *exchange)
{
    if (exchange->has_path) {
        return TP_OK;
    }
    enum tp_result result = exchange_parse_uri(exchange);

    exchange->has_path = result == TP_OK;
    if (result != TP_OK) {
        tp_buf_release(exchange->decoded_path);
        exchange->decoded_path = NULL;
    }
    return result;
}

/* Path and query; scheme and host of an absolute uri are ignored (WIRE: routing). */
static enum tp_result
exchange_parse_uri(struct tp_exchange *exchange)
{
    struct tp_str uri = exchange->request.uri;
    bool has_escapes = false;
    size_t path_len = uri.len;

    if (uri.len > 0 && uri.data[0] != '/') {
        uri = uri_without_host(uri);
        path_len = uri.len;
    }
    for (size_t i = 0; i < uri.len; i++) {
        uint8_t byte = (uint8_t) uri.data[i];

        if (byte == '?' || byte == '#') {
            path_len = i;
            break;
        }
        if (byte < 0x20 || byte == 0x7f) {
            return TP_INVALID;
        }
        has_escapes |= byte == '%';
    }
    exchange->path = (struct tp_str){ uri.data, path_len };
    if (path_len < uri.len && uri.data[path_len] == '?') {
        struct tp_str fragment;

        exchange->query = tp__str_cut(tp__str_skip(uri, path_len + 1), '#', &fragment);
    }
    return has_escapes ? exchange_decode_path(exchange) : TP_OK;
}

/* "tp://host/path" is "/path"; what has no scheme is left as it is. */
static struct tp_str
uri_without_host(struct tp_str uri)
{
    struct tp_str rest;
    struct tp_str scheme = tp__str_cut(uri, ':', &rest);

    if (scheme.len == uri.len || !tp__str_starts_with(rest, TP_STR("//"))) {
        return uri;
    }
    rest = tp__str_skip(rest, 2);
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.data[i] == '/' || rest.data[i] == '?' || rest.data[i] == '#') {
            return tp__str_skip(rest, i);
        }
    }
    return TP_STR("");
}

static enum tp_result
exchange_decode_path(struct tp_exchange *exchange)
{
    struct tp_str path = exchange->path;
    struct tp_buf *buf = tp_buf_make(&exchange->sessions->pool, path.len);
    size_t len = 0;

    if (buf == NULL) {
        return TP_NO_MEMORY;
    }
    exchange->decoded_path = buf;
    for (size_t i = 0; i < path.len; i++) {
        int byte = (uint8_t) path.data[i];

        if (byte == '%') {
            bool is_whole = i + 2 < path.len;
            int high = is_whole ? tp__str_hex_digit(path.data[i + 1]) : -1;
            int low = is_whole ? tp__str_hex_digit(path.data[i + 2]) : -1;

            byte = high * 16 + low;
            i += 2;
            if (high < 0 || low < 0 || byte < 0x20 || byte == 0x7f) {
                return TP_INVALID;
            }
        }
        buf->bytes[len++] = (uint8_t) byte;
    }
    exchange->path = (struct tp_str){ (const char *) buf->bytes, len };
    return TP_OK;
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
    bool is_somebodys = exchange_is_somebodys(exchange);
    bool is_hooks = is_somebodys && !exchange->is_kept;
    bool was_unrouted = exchange->is_unrouted;
    struct tp_session *session = exchange->session;

    /* pre_write_reply may postpone it anew. */
    exchange->is_postponed = exchange->is_postponed && !is_hooks;
    reply->body = *body;
    *body = (struct tp_chain){ 0 };
    reply->body_codec = codec;
    reply->has_body_codec |= codec != TP_CODEC_NONE;
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
static bool
exchange_is_too_late(const struct tp_exchange *exchange)
{
    bool is_somebodys = exchange_is_somebodys(exchange);

    TP_ASSERT(!exchange->is_finished || is_somebodys);
    if (is_somebodys) {
        tp__sessions_check_thread(exchange->sessions);
    }
    return is_somebodys && (exchange->session == NULL || exchange->is_finished);
}

/* The exchange has its outcome. */
static inline void
exchange_complete(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;

    exchange->is_finished = true;
    exchange->is_unrouted = false;
    if (tp__exchange_logging_is_timed(exchange->logging)) {
        exchange->finished_us = tp__clock_monotonic_us();
    }
    exchange->is_held = false;
    exchange_stop_timer(exchange);
    if (session == NULL) {
        return;
    }
    if (tp__exchange_hooks(exchange) != NULL && tp_exchange_wants_reply(exchange)
        && !tp__exchange_pass_reply(exchange)) {
        return;
    }
    tp__exchange_go_out(exchange);
}

void
tp__exchange_go_out(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;

    if (exchange->route != NULL && exchange->route->is_ordered
        && tp_exchange_wants_reply(exchange)) {
        exchange->is_parked = true;
        exchanges_release_ordered(session, exchange->route);
    } else {
        exchange_leave(exchange);
    }
    tp__session_want_turn_end(session);
}

/* Lets those of the route go whose predecessors are all answered. */
static void
exchanges_release_ordered(struct tp_session *session, const struct tp_route *route)
{
    TP_LIST_EACH (node, &session->exchanges) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (exchange->is_unrouted && tp_exchange_wants_reply(exchange)) {
            return; /* It may become one of this route. */
        }
        if (exchange->route == route && tp_exchange_wants_reply(exchange)) {
            if (!exchange->is_parked) {
                return;
            }
            exchange->is_parked = false;
            exchange_leave(exchange);
        }
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

/* It leaves unless one of its route that came before is open yet. */
static void
exchange_release_if_first(struct tp_exchange *exchange)
{
    TP_LIST_EACH (node, &exchange->session->exchanges) {
        const struct tp_exchange *earlier = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (earlier == exchange) {
            exchange->is_parked = false;
            exchange_leave(exchange);
            return;
        }
        if (earlier->route == exchange->route && tp_exchange_wants_reply(earlier)) {
            return;
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

/* It is open no more: a PULL's reply goes to the session's queue. */
static inline void
exchange_leave(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;

    session->exchange_count--;
    if (session->exchange_count == 0) {
        session->heard_ms = tp__loop_now_ms(session->sessions->loop);
    }
    tp__list_remove(&exchange->node);
    if (tp_exchange_wants_reply(exchange)) {
        exchange_queue(exchange);
    }
}

/* Texts of the table live for ever; others may be the caller's. */
static void
exchange_take_status(struct tp_exchange *exchange, const struct tp_status *status)
{
    struct tp_packet *reply = &exchange->reply;

    reply->status = *status;
    reply->status.cause = TP_STR("");
    if (status->text.data == tp_status_text(status->code).data) {
        return;
    }
    struct tp_buf *buf = tp_buf_make(&exchange->sessions->pool, status->text.len);

    if (buf == NULL) {
        reply->status.text = tp_status_text(status->code);
        return;
    }
    if (status->text.len > 0) {
        memcpy(buf->bytes, status->text.data, status->text.len);
    }
    reply->head = buf;
    reply->status.text.data = (const char *) buf->bytes;
}

static inline void
exchange_queue(struct tp_exchange *exchange)
{
    const struct tp_packet *request = &exchange->request;
    struct tp_packet *reply = &exchange->reply;

    reply->type = TP_PACKET_REPLY;
    reply->seq = request->seq;
    reply->uri = tp__exchange_wire_uri(exchange);
    reply->header_codec = request->header_codec;
    exchange->is_queued = true;
    if (request->gzip_level != 0) {
        tp__exchange_deflate_reply(exchange);
    }
    exchange->session->queued_bytes += tp__exchange_queue_cost(reply);
    tp__list_append(&exchange->session->outgoing, &exchange->node);
}

static void
exchange_on_time(struct tp_timer *timer)
{
    struct tp_exchange *exchange = TP_CONTAINER_OF(timer, struct tp_exchange, timer);

    exchange->is_held = false;
    if (exchange->is_postponed) {
        tp__exchange_overdue(exchange);
        return;
    }
    if (tp__loop_now_ms(exchange->sessions->loop) < exchange->due_ms) {
        struct tp_status status = tp_status_of(TP_STATUS_GATEWAY_TIMEOUT);

        /* One that is kept stays its handler's. */
        exchange_take_status(exchange, &status);
        exchange_complete(exchange);
    } else {
        exchange_call(exchange, exchange->route->handler->on_time);
    }
    tp__exchange_check_answer(exchange);
}
