/*
 * asking.c - what this end asks and tells on a session: PULLs with their REPLYs, and PUSHes.
 *
 * An exchange of ours waits in the session's queue like a reply until its packet is encoded.
 * A PUSH has ended then; a PULL waits, known by session and seq, and ends exactly once: with
 * its REPLY, its time-out, or the end of the connection it was sent on.  While it is at a hook,
 * before it is queued or with its REPLY, it is among those that wait.
 *
 * Runs in: worker; a program's thread with the library.
 * Read next: exchange.c (what the other end asks), session_write.c.
 */
#include "session/forward.h"
#include "session/record.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/str.h"
#include "session/counting.h"
#include "session/exchange_log.h"

#include <stdlib.h>
#include <string.h>

static enum tp_result ask_send(struct tp_session *session, struct tp_packet *packet,
                               const struct tp_asking *asking);
static enum tp_result ask_may_send(const struct tp_session *session, const struct tp_packet *packet,
                                   const struct tp_asking *asking);
static enum tp_result ask_has_room(struct tp_session *session, const struct tp_packet *packet,
                                   const struct tp_asking *asking);
static void ask_await(struct tp_exchange *exchange, struct tp_msec timeout);
static enum tp_result ask_pass(struct tp_exchange *exchange);
static void ask_queue(struct tp_exchange *exchange);
static void ask_refuse(struct tp_exchange *exchange, const struct tp_status *refusal);
static bool ask_has_reply_hooks(const struct tp_exchange *exchange);
static void ask_read_reply(struct tp_exchange *exchange);
static bool ask_is_spared(const struct tp_exchange *exchange);
static void ask_on_timeout(struct tp_timer *timer);
static uint64_t ask_hash(const struct tp_session *session, uint64_t seq);
static struct tp_exchange *ask_find(const struct tp_session *session, uint64_t seq);
static void ask_leave(struct tp_exchange *exchange);
static void ask_end(struct tp_exchange *exchange, const struct tp_status *status);
static void ask_tell(struct tp_exchange *exchange);

static const struct tp_send_options no_options;

/* A REPLY's way is the order of the table. */
_Static_assert(TP_HOOK_PRE_READ_REPLY_BODY == TP_HOOK_POST_READ_REPLY_HEADER + 1, "in a row");
_Static_assert(TP_HOOK_POST_READ_REPLY_BODY == TP_HOOK_PRE_READ_REPLY_BODY + 1, "in a row");

enum tp_result
tp_session_pull_async(struct tp_session *session, struct tp_str uri, struct tp_str body,
                      const struct tp_send_options *options, tp_reply_fn on_reply, void *owner)
{
    options = options == NULL ? &no_options : options;
    struct tp_asking asking = {
        .on_reply = on_reply,
        .owner = owner,
        .timeout = options->timeout,
        .fails_at_once = options->fails_at_once,
        .is_early = options->is_early,
        .is_secret = options->is_secret,
        .always_fits = options->always_fits,
    };
    struct tp_packet packet = { 0 };
    enum tp_result result =
        tp__own_packet_fill(session, TP_PACKET_PULL, uri, body, options, &packet);

    return result == TP_OK ? tp__session_ask(session, &packet, &asking) : result;
}

enum tp_result
tp_session_push(struct tp_session *session, struct tp_str uri, struct tp_str body,
                const struct tp_send_options *options)
{
    options = options == NULL ? &no_options : options;
    struct tp_asking asking = {
        .fails_at_once = options->fails_at_once,
        .is_early = options->is_early,
        .always_fits = options->always_fits,
    };
    struct tp_packet packet = { 0 };
    enum tp_result result =
        tp__own_packet_fill(session, TP_PACKET_PUSH, uri, body, options, &packet);

    return result == TP_OK ? tp__session_ask(session, &packet, &asking) : result;
}

enum tp_result
tp__session_ask(struct tp_session *session, struct tp_packet *packet,
                const struct tp_asking *asking)
{
    tp__sessions_check_thread(session->sessions);
    enum tp_result result = ask_may_send(session, packet, asking);

    if (result == TP_OK) {
        result = tp__own_packet_check(session, packet);
    }
    if (result == TP_OK) {
        result = ask_has_room(session, packet, asking);
    }
    if (result == TP_OK) {
        result = ask_send(session, packet, asking);
    }
    tp_packet_clear(packet);
    return result;
}

const struct tp_status *
tp_reply_status(const struct tp_reply *reply)
{
    return &reply->status;
}

struct tp_str
tp_reply_metadata(const struct tp_reply *reply)
{
    return reply->metadata;
}

struct tp_str
tp_reply_body(const struct tp_reply *reply)
{
    return reply->body;
}

uint8_t
tp_reply_body_codec(const struct tp_reply *reply)
{
    return reply->body_codec;
}

struct tp_reply *
tp__reply_copy(const struct tp_reply *reply)
{
    const struct tp_str texts[] = { reply->status.text, reply->status.cause, reply->metadata,
                                    reply->body };
    struct tp_str copies[TP_COUNT_OF(texts)];
    size_t len = 0;

    for (size_t i = 0; i < TP_COUNT_OF(texts); i++) {
        len += texts[i].len;
    }
    struct tp_reply *copy = malloc(sizeof(*copy) + len);

    if (copy == NULL) {
        return NULL;
    }
    char *next = (char *) (copy + 1);

    for (size_t i = 0; i < TP_COUNT_OF(texts); i++) {
        copies[i] = (struct tp_str){ next, texts[i].len };
        if (texts[i].len > 0) {
            memcpy(next, texts[i].data, texts[i].len);
        }
        next += texts[i].len;
    }
    *copy = (struct tp_reply){
        .status = { .code = reply->status.code, .text = copies[0], .cause = copies[1] },
        .metadata = copies[2],
        .body = copies[3],
        .body_codec = reply->body_codec,
    };
    return copy;
}

void
tp__reply_free(struct tp_reply **reply)
{
    free(*reply);
    *reply = NULL;
}

void
tp__own_exchange_on_sent(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;
    bool is_pull = tp_exchange_wants_reply(exchange);

    exchange->is_queued = false;
    exchange->is_sent = true;
    tp__trace_mark(exchange, TP_TRACED_SENT);
    tp__send_queue_leave(exchange);
    tp__list_remove(&exchange->node);
    tp__exchange_log_sent(exchange);
    if (is_pull) {
        tp__list_append(&session->asked, &exchange->node);
    }
    if (exchange->server->hooks != NULL && !exchange->is_secret) {
        tp__exchange_tell_hooks(exchange,
                                is_pull ? TP_HOOK_POST_WRITE_PULL : TP_HOOK_POST_WRITE_PUSH);
    }
    if (!is_pull) {
        exchange->is_finished = true;
        exchange->reply.status = tp_status_of(TP_STATUS_OK);
        tp__exchange_free(exchange);
    } else if (exchange->on_sent != NULL) {
        tp__exchange_end_loan(exchange, false);
        exchange->on_sent(exchange->owner);
    }
}

void
tp__session_take_reply(struct tp_session *session, struct tp_packet *reply)
{
    struct tp_exchange *exchange =
        tp__session_take_signal_reply(session, reply) ? NULL : ask_find(session, reply->seq);

    if (exchange == NULL) {
        tp_packet_clear(reply);
        return;
    }
    exchange->reply = *reply;
    exchange->is_answered = true;
    *reply = (struct tp_packet){ 0 };
    if (exchange->trace != NULL) {
        tp__trace_keep_reply(exchange);
    }
    if (ask_has_reply_hooks(exchange)) {
        /* It can be answered only once. */
        tp__hash_table_remove(&session->sessions->asked, &exchange->by_seq);
        exchange->has_reply = true;
        exchange->hook_point = TP_HOOK_POST_READ_REPLY_HEADER;
        exchange->hook_at = 0;
        ask_read_reply(exchange);
    } else {
        ask_leave(exchange);
        ask_tell(exchange);
    }
}

void
tp__own_exchange_resume(struct tp_exchange *exchange, enum tp_verdict verdict,
                        const struct tp_status *refusal)
{
    const struct tp_status closed = tp_status_of(TP_STATUS_CONNECTION_CLOSED);

    if (exchange->has_reply) {
        if (verdict == TP_PASS) {
            ask_read_reply(exchange);
            return;
        }
        tp__exchange_replace_outcome(exchange, refusal);
        ask_leave(exchange);
        ask_tell(exchange);
    } else if (verdict == TP_REFUSE) {
        ask_end(exchange, refusal);
    } else if (exchange->session->is_ending && !tp__session_is_connected(exchange->session)) {
        /* Its session is about to be freed: nothing is queued there any more. */
        ask_end(exchange, &closed);
    } else if (ask_pass(exchange) == TP_DENIED) {
        tp__session_want_turn_end(exchange->session);
        tp__exchange_free(exchange);
    }
}

void
tp__session_end_asked(struct tp_session *session, const struct tp_status *status, bool lives_on)
{
    struct tp_list_node ended;

    /* Whoever is told may ask anew. */
    tp__list_init(&ended);
    tp__list_move_all(&ended, &session->asked);
    while (!tp__list_is_empty(&ended)) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(ended.next, struct tp_exchange, node);

        if (lives_on && ask_is_spared(exchange)) {
            tp__list_remove(&exchange->node);
            tp__list_append(&session->asked, &exchange->node);
        } else {
            ask_end(exchange, status);
        }
    }
}

void
tp__session_end_unsent(struct tp_session *session, const struct tp_status *status, bool may_wait)
{
    struct tp_list_node queue;

    tp__list_init(&queue);
    tp__list_move_all(&queue, &session->outgoing);
    while (!tp__list_is_empty(&queue)) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(queue.next, struct tp_exchange, node);

        if (exchange->is_ours && may_wait && !exchange->fails_at_once) {
            tp__list_remove(&exchange->node);
            tp__list_append(&session->outgoing, &exchange->node);
            continue;
        }
        session->queued_bytes -= tp__exchange_queue_cost(tp__exchange_sent_packet(exchange));
        exchange->is_queued = false;
        if (exchange->is_ours) {
            ask_end(exchange, status);
        } else {
            tp__exchange_free(exchange);
        }
    }
}

/* Takes the packet if it returns TP_OK. */
static enum tp_result
ask_send(struct tp_session *session, struct tp_packet *packet, const struct tp_asking *asking)
{
    uint64_t seq_max = tp__session_protocol(session)->seq_max;

    if (seq_max != 0 && session->next_seq > seq_max) {
        session->next_seq = 0;
    }
    packet->seq = session->next_seq;
    struct tp_exchange *exchange = tp__exchange_new(session, packet, tp__clock_monotonic_us());

    if (exchange == NULL) {
        return TP_NO_MEMORY;
    }
    session->next_seq++;
    exchange->is_ours = true;
    exchange->fails_at_once = asking->fails_at_once;
    exchange->is_early = asking->is_early;
    exchange->always_fits = asking->always_fits;
    exchange->wants_packet = asking->wants_packet;
    exchange->on_reply = asking->on_reply;
    exchange->on_sent = asking->on_sent;
    exchange->owner = asking->owner;
    tp__timer_init(&exchange->timer, ask_on_timeout);
    tp__exchange_count_begin(exchange, tp_exchange_wants_reply(exchange) ? exchange->server->asked
                                                                         : exchange->server->told);
    if (tp_exchange_wants_reply(exchange)) {
        ask_await(exchange, asking->timeout);
    }
    exchange->is_secret = asking->is_secret;
    if (session->sessions->tracer != NULL) {
        tp__trace_begin(exchange);
    }
    if (exchange->server->hooks == NULL || exchange->is_secret) {
        ask_queue(exchange);
        return TP_OK;
    }
    tp__list_append(&session->asked, &exchange->node);
    exchange->hook_point = (uint8_t) (tp_exchange_wants_reply(exchange) ? TP_HOOK_PRE_WRITE_PULL
                                                                        : TP_HOOK_PRE_WRITE_PUSH);
    enum tp_result result = ask_pass(exchange);

    if (result == TP_DENIED) {
        tp__exchange_free(exchange);
    }
    return result;
}

/* A PULL: its REPLY can be told from now on, and is waited for. */
static void
ask_await(struct tp_exchange *exchange, struct tp_msec timeout)
{
    struct tp_session *session = exchange->session;
    int64_t own_ms = tp__session_timeout(session, TP_TIMEOUT_PULL).ms;
    int64_t timeout_ms = timeout.ms != 0 ? timeout.ms : own_ms;

    session->own_pull_count++;
    tp__hash_table_add(&session->sessions->asked, &exchange->by_seq,
                       ask_hash(session, exchange->request.seq));
    if (timeout_ms > 0) {
        tp__loop_start_timer(session->sessions->loop, &exchange->timer, timeout_ms);
    }
}

/* Past the hooks from where it is, to the queue.  TP_DENIED: a PUSH was refused; it is nowhere. */
static enum tp_result
ask_pass(struct tp_exchange *exchange)
{
    struct tp_loop *loop = exchange->sessions->loop;
    int64_t timeout_ms = exchange->server->limits.pull_timeout.ms;
    bool is_pull = tp_exchange_wants_reply(exchange);
    struct tp_status refusal;

    switch (tp__exchange_ask_hooks(exchange, &refusal)) {
    case TP_PASS:
        tp__list_remove(&exchange->node);
        ask_queue(exchange);
        break;
    case TP_LATER:
        if (!is_pull && !exchange->timer.is_running && timeout_ms > 0) {
            tp__loop_start_timer(loop, &exchange->timer, timeout_ms);
        }
        break;
    case TP_REFUSE:
        if (!is_pull) {
            return TP_DENIED;
        }
        ask_refuse(exchange, &refusal);
        break;
    }
    return TP_OK;
}

static void
ask_queue(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;

    tp__trace_mark(exchange, TP_TRACED_QUEUED);
    tp__send_queue_add(exchange);
    if (!tp_exchange_wants_reply(exchange) && exchange->timer.is_running) {
        tp__loop_stop_timer(session->sessions->loop, &exchange->timer);
    }
    tp__session_want_turn_end(session);
}

/* Its owner is told from the loop, as always: in the next millisecond. */
static void
ask_refuse(struct tp_exchange *exchange, const struct tp_status *refusal)
{
    exchange->is_refused = true;
    tp__exchange_replace_outcome(exchange, refusal);
    tp__loop_start_timer(exchange->sessions->loop, &exchange->timer, 0);
}

static bool
ask_has_reply_hooks(const struct tp_exchange *exchange)
{
    const struct tp_hook_set *hooks = exchange->server->hooks;

    return hooks != NULL && !exchange->is_secret
           && (hooks->at[TP_HOOK_POST_READ_REPLY_HEADER].count > 0
               || hooks->at[TP_HOOK_PRE_READ_REPLY_BODY].count > 0
               || hooks->at[TP_HOOK_POST_READ_REPLY_BODY].count > 0);
}

/* Its REPLY passes the hooks, from where it is. */
static void
ask_read_reply(struct tp_exchange *exchange)
{
    struct tp_status refusal;
    enum tp_verdict verdict = tp__exchange_ask_hooks(exchange, &refusal);

    while (verdict == TP_PASS && exchange->hook_point != TP_HOOK_POST_READ_REPLY_BODY) {
        exchange->hook_point++;
        exchange->hook_at = 0;
        verdict = tp__exchange_ask_hooks(exchange, &refusal);
    }
    if (verdict == TP_LATER) {
        return;
    }
    if (verdict == TP_REFUSE) {
        tp__exchange_replace_outcome(exchange, &refusal);
    }
    ask_leave(exchange);
    ask_tell(exchange);
}

/* What has its outcome, or can have one over the next connection. */
static bool
ask_is_spared(const struct tp_exchange *exchange)
{
    bool may_be_sent = !exchange->is_sent && !exchange->fails_at_once;

    return exchange->has_reply || exchange->is_refused || may_be_sent;
}

static enum tp_result
ask_may_send(const struct tp_session *session, const struct tp_packet *packet,
             const struct tp_asking *asking)
{
    const struct tp_session_limits *limits = &session->source->server->limits;

    bool must_leave = asking->is_secret && asking->is_early;

    /* What it was given before it was told to end can leave only behind its credentials. */
    if ((session->is_ending && !must_leave)
        || (asking->fails_at_once && !tp__session_is_connected(session))) {
        return TP_GONE;
    }
    return packet->uri.len + packet->metadata.len + packet->body.len > limits->packet.bytes
               ? TP_TOO_LARGE
               : TP_OK;
}

/* What cannot be refused for other reasons any more. */
static enum tp_result
ask_has_room(struct tp_session *session, const struct tp_packet *packet,
             const struct tp_asking *asking)
{
    const struct tp_session_limits *limits = &session->source->server->limits;

    if (asking->always_fits || (session->is_greeting && asking->is_early)) {
        return TP_OK;
    }
    if (packet->type == TP_PACKET_PULL && !asking->is_secret
        && session->own_pull_count >= limits->sent_pulls) {
        session->sessions->queues.refused++;
        return TP_FULL;
    }
    return tp__send_queue_admit(session, packet);
}

static void
ask_on_timeout(struct tp_timer *timer)
{
    struct tp_exchange *exchange = TP_CONTAINER_OF(timer, struct tp_exchange, timer);
    struct tp_session *session = exchange->session;
    struct tp_status status = tp_status_of(TP_STATUS_GATEWAY_TIMEOUT);

    if (exchange->is_queued) {
        session->queued_bytes -= tp__exchange_queue_cost(&exchange->request);
        exchange->is_queued = false;
    }
    struct tp_session_handle handle = tp_session_get_handle(session);
    bool blocks_others = exchange->is_sent && tp__session_is_connected(session)
                         && (tp__session_protocol(session)->abilities & TP_PROTOCOL_IN_ORDER) != 0;

    ask_end(exchange, &status);
    session = blocks_others ? tp_session_at(handle) : NULL;
    if (session != NULL && tp__session_is_connected(session) && !session->is_ending) {
        /* What is asked behind it cannot be answered on this connection. */
        tp_session_cut(session, TP_CLOSE_READ_TIMEOUT);
    }
}

static uint64_t
ask_hash(const struct tp_session *session, uint64_t seq)
{
    /* Those of a session come in a row, and so they lie: no two of them in one chain. */
    return tp__hash_number(session->number) + seq;
}

/* One that has not been sent cannot have been answered. */
static struct tp_exchange *
ask_find(const struct tp_session *session, uint64_t seq)
{
    for (struct tp_hash_node *node =
             tp__hash_table_find(&session->sessions->asked, ask_hash(session, seq));
         node != NULL; node = tp__hash_table_next(node)) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, by_seq);

        if (exchange->session == session && exchange->request.seq == seq && exchange->is_sent) {
            return exchange;
        }
    }
    return NULL;
}

/* It waits no more, neither to be sent nor for its REPLY. */
static void
ask_leave(struct tp_exchange *exchange)
{
    tp__send_queue_leave(exchange);
    tp__list_remove(&exchange->node);
    tp__loop_stop_timer(exchange->sessions->loop, &exchange->timer);
    if (tp_exchange_wants_reply(exchange)) {
        if (!exchange->has_reply) {
            tp__hash_table_remove(&exchange->sessions->asked, &exchange->by_seq);
        }
        exchange->session->own_pull_count--;
    }
    if (exchange->session->is_ending) {
        tp__session_want_turn_end(exchange->session);
    }
}

/* It ends without a REPLY. */
static void
ask_end(struct tp_exchange *exchange, const struct tp_status *status)
{
    ask_leave(exchange);
    if (!exchange->is_refused) {
        tp__exchange_replace_outcome(exchange, status);
    }
    if (tp_exchange_wants_reply(exchange)) {
        ask_tell(exchange);
    } else {
        tp__exchange_free(exchange);
    }
}

static void
ask_tell(struct tp_exchange *exchange)
{
    struct tp_reply reply = {
        .body_codec = exchange->reply.body_codec,
        .metadata = exchange->reply.metadata,
        .is_answered = exchange->is_answered,
        .was_sent = exchange->is_sent,
        .packet = exchange->wants_packet ? &exchange->reply : NULL,
    };
    enum tp_result result =
        exchange->wants_packet ? TP_OK : tp_exchange_read_reply(exchange, &reply.body);

    exchange->is_finished = true;
    exchange->finished_us = tp__clock_monotonic_us();
    if (result != TP_OK) {
        exchange->reply.status = tp_status_of(TP_STATUS_BAD_REQUEST);
        exchange->reply.status.cause = tp__str(tp_result_sentence(result));
    }
    reply.status = exchange->reply.status;
    exchange->sessions->callout_count++;
    exchange->on_reply(&reply, exchange->owner);
    exchange->sessions->callout_count--;
    tp__exchange_free(exchange);
}
