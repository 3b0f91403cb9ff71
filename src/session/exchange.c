/*
 * exchange.c - the life of an exchange: begun by a packet, answered by a handler now
 * or later, sent, freed.
 *
 * An exchange is a list member of its session twice in its life: while it is open, and
 * then until its reply was encoded.  When the session ends first, those that wait end with
 * it; one whose handler is running, or has kept it, goes on alone until that ends it.
 *
 * Runs in: worker.  Owns: request, reply and the timer.
 * Read next: exchange_uri.c (which route), exchange_hooks.c, exchange_answer.c (its outcome);
 * asking.c has the exchanges that are ours.
 */
#include "session/forward.h"
#include "session/record.h"

#include "base/clock.h"
#include "base/str.h"
#include "session/exchange_log.h"

#include <stdlib.h>
#include <string.h>

enum {
    EXCHANGES_KEPT_MAX = 256, /* free records kept for the next exchange */
};

static bool session_speaks_auth(const struct tp_session *session);
static void exchange_destroy(struct tp_exchange *exchange);
static inline void exchange_run_route(struct tp_exchange *exchange);
static inline void exchange_handle(struct tp_exchange *exchange);
static void exchange_let_in(struct tp_exchange *exchange);
static void exchange_call(struct tp_exchange *exchange,
                          void (*call)(struct tp_exchange *exchange, const void *conf));
static void exchange_refuse_code(struct tp_exchange *exchange, enum tp_status_code code,
                                 struct tp_str text);
static void exchange_detach(struct tp_exchange *exchange);
static enum tp_result exchange_move_texts(struct tp_exchange *exchange);
static void exchange_release_packet(struct tp_packet *packet);
static void exchange_on_time(struct tp_timer *timer);

void
tp__exchange_begin(struct tp_session *session, struct tp_packet *request, int64_t begun_us)
{
    bool is_auth = request->type >= TP_PACKET_AUTH_CALL && session_speaks_auth(session);

    if (request->type == TP_PACKET_REPLY || (is_auth && request->type == TP_PACKET_AUTH_REPLY)) {
        tp__session_take_reply(session, request);
        return;
    }
    if (session->is_ending) {
        /* It goes on reading for the sake of replies; nobody answers this any more. */
        tp_packet_clear(request);
        return;
    }
    is_auth = is_auth && request->type == TP_PACKET_AUTH_CALL;
    if (request->type != TP_PACKET_PULL && request->type != TP_PACKET_PUSH && !is_auth) {
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
    exchange->is_secret = is_auth;
    if (session->is_greeting || session->on_expected != NULL) {
        tp__session_meet(session, exchange);
    } else if (tp__exchange_is_spared(exchange) || !tp__exchange_begin_hooks(exchange)) {
        exchange_run_route(exchange);
    }
}

void
tp__exchange_begin_refused(struct tp_session *session, struct tp_packet *request, int64_t begun_us)
{
    struct tp_status status = request->status;
    struct tp_chain body = request->body;
    uint8_t codec = request->body_codec;

    request->status = (struct tp_status){ 0 };
    request->body = (struct tp_chain){ 0 };
    struct tp_exchange *exchange =
        session->is_ending ? NULL : tp__exchange_make(session, request, begun_us);

    if (exchange == NULL) {
        tp_chain_clear(&body);
        tp_packet_clear(request);
        tp__session_end(session, TP_CLOSE_NO_RESOURCES, false);
        return;
    }
    /* What it says of its uri is for the log; there may be none. */
    if (tp__exchange_read_uri(exchange) != TP_OK) {
        exchange->path = TP_STR("");
    }
    exchange->reply.metadata = exchange->request.metadata;
    exchange->reply.meta_head = exchange->request.head;
    tp_buf_acquire(exchange->reply.meta_head);
    exchange->request.metadata = TP_STR("");
    tp__exchange_log_begin(exchange);
    tp_exchange_finish(exchange, &status, &body, codec);
    tp__exchange_check_answer(exchange);
}

static bool
session_speaks_auth(const struct tp_session *session)
{
    return (session->protocol->protocol->abilities & TP_PROTOCOL_AUTH) != 0;
}

struct tp_exchange *
tp__exchange_make(struct tp_session *session, struct tp_packet *request, int64_t begun_us)
{
    struct tp_exchange *exchange = tp__exchange_new(session, request, begun_us);

    if (exchange != NULL) {
        tp__list_append(&session->exchanges, &exchange->node);
        session->exchange_count++;
        if (session->sessions->tracer != NULL) {
            tp__trace_begin(exchange);
        }
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
    request->meta_head = NULL;
    request->body = (struct tp_chain){ 0 };
    tp__timer_init(&exchange->timer, exchange_on_time);
    tp__list_init(&exchange->node);
    tp__counted_acquire(exchange->server->configuration);
    return exchange;
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
        return;
    }
    /* A reply that is queued may have the uri of its request, which stays where it is until then. */
    if (!exchange->is_lent && !exchange->is_queued
        && (exchange->is_held || exchange->is_kept || exchange->is_parked || exchange->is_postponed
            || exchange->is_unbegun)) {
        exchange_detach(exchange);
    }
}

void
tp__exchange_free(struct tp_exchange *exchange)
{
    struct tp_sessions *sessions = exchange->sessions;

    TP_ASSERT(exchange->magic == TP_EXCHANGE_MAGIC);
    tp__exchange_log_end(exchange);
    if (exchange->trace != NULL) {
        tp__trace_end(exchange);
    }
    tp__exchange_stop_timer(exchange);
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
    free(exchange->identity);
    if (exchange->was_passed) {
        free(exchange->passed);
    }
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
            tp__trace_drop(exchange);
        }
        if (exchange->is_running) {
            tp__list_remove(node);
            exchange->session = NULL;
        } else {
            /* Nobody waits for it any more, and nobody goes on with it but who has kept it. */
            tp__exchange_free(exchange);
        }
    }
    session->exchange_count = 0;
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
tp_exchange_route(const struct tp_exchange *exchange)
{
    return exchange->route == NULL ? TP_STR("") : exchange->route->uri;
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

void
tp_exchange_hide_body(struct tp_exchange *exchange)
{
    exchange->is_secret = true;
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
    if (tp__exchange_is_spared(exchange) || !tp__exchange_begin_hooks(exchange)) {
        exchange_run_route(exchange);
    }
}

void
tp__exchange_run_route(struct tp_exchange *exchange)
{
    exchange_run_route(exchange);
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
        tp__trace_mark(exchange, TP_TRACED_HANDLED);
        handler(exchange, owner);
    }
    tp__exchange_check_answer(exchange);
}

/* No hook has anything against it: where nothing authenticates everybody may come in. */
static __attribute__((noinline)) void
exchange_let_in(struct tp_exchange *exchange)
{
    tp__exchange_log_begin(exchange);
    (void) tp_exchange_reply_copy(exchange, TP_STR(""), TP_CODEC_NONE);
    tp__exchange_check_answer(exchange);
}

/* What each packet passes is inlined where it comes from; elsewhere it is one call more. */
static inline __attribute__((always_inline)) void
exchange_run_route(struct tp_exchange *exchange)
{
    if (exchange->request.type == TP_PACKET_AUTH_CALL) {
        exchange_let_in(exchange);
        return;
    }
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
        exchange_handle(exchange);
    }
    tp__exchange_check_answer(exchange);
}

void
tp__exchange_handle(struct tp_exchange *exchange)
{
    exchange_handle(exchange);
}

static inline __attribute__((always_inline)) void
exchange_handle(struct tp_exchange *exchange)
{
    tp__trace_mark(exchange, TP_TRACED_HANDLED);
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

enum tp_result
tp__exchange_detach(struct tp_exchange *exchange, bool is_shared)
{
    struct tp_packet *request = &exchange->request;
    bool has_path = exchange->decoded_path == NULL && exchange->path.len > 0;
    bool has_query = exchange->query.len > 0;
    ptrdiff_t path_at = has_path ? exchange->path.data - request->uri.data : 0;
    ptrdiff_t query_at = has_query ? exchange->query.data - request->uri.data : 0;

    enum tp_result result = is_shared ? tp_packet_detach(request, &exchange->sessions->pool)
                                      : exchange_move_texts(exchange);

    if (result != TP_OK) {
        return result;
    }
    if (has_path) {
        exchange->path.data = request->uri.data + path_at;
    }
    if (has_query) {
        exchange->query.data = request->uri.data + query_at;
    }
    return TP_OK;
}

/* Texts of a few bytes, without a body, have room in the exchange itself. */
static enum tp_result
exchange_move_texts(struct tp_exchange *exchange)
{
    struct tp_packet *request = &exchange->request;
    size_t len = request->uri.len + request->metadata.len;
    bool is_small = request->body.len == 0 && len <= sizeof(exchange->kept_texts)
                    && request->status.text.len + request->status.cause.len == 0;

    if (!is_small || request->head == NULL) {
        return tp_packet_detach(request, &exchange->sessions->pool);
    }
    char *metadata = exchange->kept_texts + request->uri.len;

    memcpy(exchange->kept_texts, request->uri.data, request->uri.len);
    request->uri.data = exchange->kept_texts;
    if (request->metadata.len > 0) {
        request->metadata.data = memcpy(metadata, request->metadata.data, request->metadata.len);
    }
    tp_buf_release(request->head);
    tp_buf_release(request->meta_head);
    request->head = NULL;
    request->meta_head = NULL;
    return TP_OK;
}

void
tp__exchange_end_loan(struct tp_exchange *exchange, bool keeps_body)
{
    exchange->is_lent = false;
    if (exchange->is_finished) {
        return; /* Its reply has the uri of its request. */
    }
    if (!keeps_body) {
        tp_chain_clear(&exchange->request.body);
    }
    exchange_detach(exchange);
}

/* Where memory is short it stays where it is, and nothing is lost. */
static void
exchange_detach(struct tp_exchange *exchange)
{
    enum tp_result result = tp__exchange_detach(exchange, false);

    (void) result;
}

/* What is done away with need not be all zeros, as tp_packet_clear() would leave it. */
static void
exchange_release_packet(struct tp_packet *packet)
{
    tp_buf_release(packet->head);
    tp_buf_release(packet->meta_head);
    tp_chain_clear(&packet->body);
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
        tp__exchange_end_with(exchange, &status);
    } else {
        exchange_call(exchange, exchange->route->handler->on_time);
    }
    tp__exchange_check_answer(exchange);
}
