/*
 * exchange_hooks.c - exchanges at their hooks: what a verdict does, and going on after later.
 *
 * Where an exchange is on its way is two numbers, a point and a place in the chain of that
 * point; so what waits for a hook can go on from there, here or in another process.
 *
 *     server's header hooks -> route -> header, before the body, body -> handler
 *                              outcome -> pre_write_reply -> queue -> post_write_reply
 *
 * Runs in: worker; a program's thread with the library.
 * Read next: exchange.c; asking.c, for what is ours.
 */
#include "session/record.h"

#include "base/clock.h"
#include "session/exchange_log.h"
#include "session/hook_call.h"

static inline enum tp_verdict exchange_pass_points(struct tp_exchange *exchange,
                                                   struct tp_status *refusal);
static enum tp_verdict exchange_ask_chain(struct tp_exchange *exchange,
                                          const struct tp_hook_chain *chain,
                                          struct tp_status *refusal);
static const struct tp_hook_chain *exchange_chain(const struct tp_exchange *exchange);
static enum tp_hook_point exchange_last_point(const struct tp_exchange *exchange);
static bool exchange_is_over(const struct tp_exchange *exchange, enum tp_hook_point point);
static void exchange_postpone(struct tp_exchange *exchange);
static void exchange_refuse(struct tp_exchange *exchange, const struct tp_status *refusal);
static void exchange_resume_request(struct tp_exchange *exchange, enum tp_verdict verdict,
                                    const struct tp_status *refusal);
static void exchange_resume_reply(struct tp_exchange *exchange, enum tp_verdict verdict,
                                  const struct tp_status *refusal);

/* The way of an exchange is the order of the table. */
_Static_assert(TP_HOOK_PRE_READ_PULL_BODY == TP_HOOK_POST_READ_PULL_HEADER + 1,
               "one after another");
_Static_assert(TP_HOOK_POST_READ_PULL_BODY == TP_HOOK_PRE_READ_PULL_BODY + 1, "one after another");
_Static_assert(TP_HOOK_PRE_READ_PUSH_BODY == TP_HOOK_POST_READ_PUSH_HEADER + 1,
               "one after another");
_Static_assert(TP_HOOK_POST_READ_PUSH_BODY == TP_HOOK_PRE_READ_PUSH_BODY + 1, "one after another");

bool
tp__exchange_begin_hooks(struct tp_exchange *exchange)
{
    enum tp_hook_point point = tp_exchange_wants_reply(exchange) ? TP_HOOK_POST_READ_PULL_HEADER
                                                                 : TP_HOOK_POST_READ_PUSH_HEADER;

    /* A uri that is none passes no hook: its outcome is known. */
    if (tp__exchange_is_spared(exchange) || tp__exchange_read_uri(exchange) != TP_OK) {
        return false;
    }
    exchange->is_unrouted = true;
    exchange->hook_point = (uint8_t) point;
    exchange->hook_at = 0;
    tp__exchange_go_on(exchange);
    return true;
}

void
tp__exchange_go_on(struct tp_exchange *exchange)
{
    struct tp_status refusal;
    enum tp_verdict verdict;

    if (exchange->is_unrouted) {
        verdict = tp__exchange_ask_hooks(exchange, &refusal);
        if (verdict == TP_PASS) {
            exchange->is_unrouted = false;
            tp__exchange_run_route(exchange);
            return;
        }
    } else {
        verdict = exchange_pass_points(exchange, &refusal);
        if (verdict == TP_PASS) {
            tp__exchange_handle(exchange);
        }
    }
    if (verdict == TP_REFUSE) {
        exchange_refuse(exchange, &refusal);
    }
    tp__exchange_check_answer(exchange);
}

bool
tp__exchange_pass_reply(struct tp_exchange *exchange)
{
    struct tp_status refusal;

    if (exchange->is_expected || exchange->is_overdue) {
        return true;
    }
    if (exchange->hook_point != TP_HOOK_PRE_WRITE_REPLY) {
        /* Else it is restored, and begins where it was. */
        exchange->hook_point = TP_HOOK_PRE_WRITE_REPLY;
        exchange->hook_at = 0;
    }
    enum tp_verdict verdict = tp__exchange_ask_hooks(exchange, &refusal);

    if (verdict == TP_REFUSE) {
        tp__exchange_replace_outcome(exchange, &refusal);
    }
    return verdict != TP_LATER;
}

void
tp__exchange_overdue(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;
    struct tp_status status = tp_status_of(TP_STATUS_GATEWAY_TIMEOUT);
    bool was_unrouted = exchange->is_unrouted;

    exchange->is_overdue = true;
    exchange->is_unrouted = false;
    exchange->is_finished = true;
    exchange->finished_us = tp__clock_monotonic_us();
    tp__exchange_replace_outcome(exchange, &status);
    tp__exchange_go_out(exchange);
    if (was_unrouted) {
        tp__exchanges_release_parked(session);
    }
    tp__exchange_settle(exchange);
}

enum tp_verdict
tp__exchange_ask_hooks(struct tp_exchange *exchange, struct tp_status *refusal)
{
    const struct tp_hook_chain *chain = exchange_chain(exchange);

    return chain == NULL ? TP_PASS : exchange_ask_chain(exchange, chain, refusal);
}

void
tp__exchange_tell_hooks(struct tp_exchange *exchange, enum tp_hook_point point)
{
    struct tp_hook_call call = {
        .point = point,
        .peer = exchange->server->peer,
        .session = exchange->session,
        .exchange = exchange,
    };
    const struct tp_hook_set *hooks =
        exchange->is_ours ? exchange->server->hooks : tp__exchange_hooks(exchange);

    if (!exchange->is_expected) {
        tp__hooks_ask(tp__hooks_at(hooks, point), &call, &exchange->server->log, NULL);
    }
}

enum tp_result
tp__exchange_find_hook(struct tp_exchange *exchange, enum tp_hook_point point, struct tp_str owner)
{
    exchange->hook_point = (uint8_t) point;
    size_t at = tp__hook_chain_find(exchange_chain(exchange), owner);

    exchange->hook_at = (uint16_t) at;
    return at == SIZE_MAX ? TP_NOT_FOUND : TP_OK;
}

const char *
tp__exchange_hook_owner(const struct tp_exchange *exchange)
{
    return exchange_chain(exchange)->uses[exchange->hook_at].owner;
}

void
tp_exchange_resume(struct tp_exchange *exchange, enum tp_verdict verdict,
                   const struct tp_status *refusal)
{
    const struct tp_status forbidden = tp_status_of(TP_STATUS_FORBIDDEN);

    TP_ASSERT(exchange->magic == TP_EXCHANGE_MAGIC && exchange->is_postponed);
    TP_ASSERT(verdict == TP_PASS || verdict == TP_REFUSE);
    exchange->is_postponed = false;
    if (!exchange->is_kept) {
        tp_exchange_explain(exchange, NULL, NULL);
    }
    refusal = refusal == NULL ? &forbidden : refusal;
    if (exchange->session == NULL || exchange->is_overdue) {
        tp__exchange_let_go(exchange);
        return;
    }
    exchange->hook_at++;
    if (exchange->is_ours) {
        tp__own_exchange_resume(exchange, verdict, refusal);
    } else if (exchange->hook_point == TP_HOOK_PRE_WRITE_REPLY) {
        exchange_resume_reply(exchange, verdict, refusal);
    } else {
        exchange_resume_request(exchange, verdict, refusal);
    }
}

/* Behind its route: from the point where it is to the last; who has no route has the first only. */
static inline enum tp_verdict
exchange_pass_points(struct tp_exchange *exchange, struct tp_status *refusal)
{
    const struct tp_hook_set *hooks = tp__exchange_hooks(exchange);
    uint8_t last =
        exchange->route == NULL ? exchange->hook_point : (uint8_t) exchange_last_point(exchange);

    for (;; exchange->hook_point++, exchange->hook_at = 0) {
        const struct tp_hook_chain *chain =
            tp__hooks_at(hooks, (enum tp_hook_point) exchange->hook_point);
        enum tp_verdict verdict =
            chain == NULL ? TP_PASS : exchange_ask_chain(exchange, chain, refusal);

        if (verdict != TP_PASS || exchange->hook_point == last) {
            return verdict;
        }
    }
}

/* From where it is in the chain of its point. */
static enum tp_verdict
exchange_ask_chain(struct tp_exchange *exchange, const struct tp_hook_chain *chain,
                   struct tp_status *refusal)
{
    enum tp_hook_point point = (enum tp_hook_point) exchange->hook_point;
    bool was_running = exchange->is_running;
    enum tp_verdict verdict = TP_PASS;
    struct tp_hook_call call = {
        .point = point,
        .peer = exchange->server->peer,
        .session = exchange->session,
        .exchange = exchange,
    };

    exchange->is_running = true;
    exchange->is_at_hook = true;
    while (verdict == TP_PASS && exchange->hook_at < chain->count) {
        verdict = tp__hook_call(&chain->uses[exchange->hook_at], &call, &exchange->server->log);
        if (exchange_is_over(exchange, point)) {
            verdict = TP_LATER;
        } else if (verdict == TP_PASS) {
            exchange->hook_at++;
        }
    }
    exchange->is_running = was_running;
    exchange->is_at_hook = false;
    if (verdict == TP_REFUSE) {
        *refusal = call.refusal;
    } else if (verdict == TP_LATER && !exchange_is_over(exchange, point)) {
        exchange_postpone(exchange);
    }
    return verdict;
}

/* One whose route was not looked for yet is as if it had none. */
static void
exchange_refuse(struct tp_exchange *exchange, const struct tp_status *refusal)
{
    if (exchange->is_unrouted) {
        tp__exchange_log_begin(exchange);
    }
    tp_exchange_refuse(exchange, refusal);
}

static void
exchange_resume_request(struct tp_exchange *exchange, enum tp_verdict verdict,
                        const struct tp_status *refusal)
{
    struct tp_session *session = exchange->session;
    bool was_unrouted = exchange->is_unrouted;

    if (exchange->timer.is_running) {
        tp__loop_stop_timer(exchange->sessions->loop, &exchange->timer);
    }
    if (verdict == TP_PASS) {
        tp__exchange_go_on(exchange);
    } else {
        exchange_refuse(exchange, refusal);
        tp__exchange_check_answer(exchange);
    }
    if (was_unrouted) {
        /* Its route, or its end, is what others have waited for. */
        tp__exchanges_release_parked(session);
    }
}

static void
exchange_resume_reply(struct tp_exchange *exchange, enum tp_verdict verdict,
                      const struct tp_status *refusal)
{
    struct tp_status other;

    if (exchange->timer.is_running) {
        tp__loop_stop_timer(exchange->sessions->loop, &exchange->timer);
    }
    if (verdict == TP_PASS) {
        verdict = tp__exchange_ask_hooks(exchange, &other);
        refusal = &other;
    }
    if (verdict == TP_LATER) {
        return;
    }
    if (verdict == TP_REFUSE) {
        tp__exchange_replace_outcome(exchange, refusal);
    }
    if (tp__exchange_logging_is_timed(exchange->logging) || exchange->trace != NULL) {
        exchange->finished_us = tp__clock_monotonic_us();
    }
    tp__exchange_go_out(exchange);
}

static const struct tp_hook_chain *
exchange_chain(const struct tp_exchange *exchange)
{
    enum tp_hook_point point = (enum tp_hook_point) exchange->hook_point;
    bool is_servers =
        exchange->is_ours || (exchange->is_unrouted && point != TP_HOOK_PRE_WRITE_REPLY);

    return tp__hooks_at(is_servers ? exchange->server->hooks : tp__exchange_hooks(exchange), point);
}

/* Behind it comes the handler. */
static enum tp_hook_point
exchange_last_point(const struct tp_exchange *exchange)
{
    return tp_exchange_wants_reply(exchange) ? TP_HOOK_POST_READ_PULL_BODY
                                             : TP_HOOK_POST_READ_PUSH_BODY;
}

/* What becomes of it was settled while a hook ran: it was answered, or its session is gone. */
static bool
exchange_is_over(const struct tp_exchange *exchange, enum tp_hook_point point)
{
    bool has_answered =
        exchange->is_finished && point != TP_HOOK_PRE_WRITE_REPLY && !exchange->is_ours;

    return exchange->session == NULL || has_answered;
}

/* A hook has it from here on; exchange_timeout bounds that. */
static void
exchange_postpone(struct tp_exchange *exchange)
{
    struct tp_loop *loop = exchange->sessions->loop;
    int64_t timeout_ms = exchange->server->limits.exchange_timeout.ms;
    bool is_reply = exchange->hook_point == TP_HOOK_PRE_WRITE_REPLY;
    int64_t since_ms = is_reply ? tp__loop_now_ms(loop) : exchange->begun_us / 1000;

    exchange->is_postponed = true;
    exchange->due_ms = INT64_MAX;
    if (!exchange->is_ours && timeout_ms > 0) {
        tp__loop_start_timer_at(loop, &exchange->timer, since_ms + timeout_ms);
    }
}
