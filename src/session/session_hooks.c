/*
 * session_hooks.c - sessions at their hooks, and greeting: the time in which a hook holds a
 * session back.
 *
 * A session greets from when a hook has said later until all have let it pass.  Packets that
 * come wait, as bytes; but where the hook has asked the other end for something, the session
 * reads on, and of the packets, REPLYs find whom they are for, one PULL or PUSH goes to
 * whom it was promised, and the others wait as exchanges that have not begun.
 *
 * Runs in: worker; a program's thread with the library.
 * Read next: exchange_hooks.c, session_read.c.
 */
#include "session/record.h"

#include "base/str.h"
#include "session/hook_call.h"

static enum tp_result session_ask_hooks(struct tp_session *session);
static void session_release(struct tp_session *session);
static void session_begin_held_back(struct tp_session *session);
static struct tp_exchange *session_first_unbegun(const struct tp_session *session);
static void session_run_expected(struct tp_session *session, struct tp_exchange *exchange);
static bool session_awaits_protocol(const struct tp_session *session);
static bool session_is_at_its_beginning(const struct tp_session *session);

enum tp_result
tp__session_pass(struct tp_session *session, enum tp_hook_point point)
{
    if (session->source->server->hooks == NULL) {
        return TP_OK;
    }
    session->hook_point = (uint8_t) point;
    session->hook_at = 0;
    return session_ask_hooks(session);
}

void
tp__session_refuse(struct tp_session **refused)
{
    struct tp_session *session = *refused;
    /* The hook may have named a better reason, with tp_session_end(). */
    enum tp_close_reason reason = session->is_ending ? session->end_reason : TP_CLOSE_REFUSED;

    *refused = NULL;
    session->is_greeting = true; /* what hooks have not said does not leave */
    if (tp__session_next_outgoing(session) == NULL) {
        tp__session_close(&session, reason);
    } else {
        tp__session_end(session, reason, false);
        tp__session_arm_deadline(session);
    }
}

bool
tp__session_pass_header(struct tp_session *session)
{
    if (!session->has_passed_header) {
        enum tp_result result = tp__session_pass(session, TP_HOOK_PRE_READ_HEADER);

        session->has_passed_header = result == TP_OK && !session->is_greeting;
        if (result != TP_OK) {
            tp__session_end(session, TP_CLOSE_REFUSED, false);
        }
    }
    return session->has_passed_header;
}

bool
tp__session_reads_early(const struct tp_session *session)
{
    return session_is_at_its_beginning(session)
           && (session->on_expected != NULL || !tp__list_is_empty(&session->asked)
               || session_awaits_protocol(session));
}

struct tp_exchange *
tp__session_next_early(const struct tp_session *session)
{
    TP_LIST_EACH (node, &session->outgoing) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        bool is_early = !exchange->is_ours || exchange->is_early;

        if (session->is_presenting) {
            is_early = exchange->is_ours && exchange->is_early && exchange->is_secret;
        }
        if (is_early) {
            return exchange;
        }
    }
    return NULL;
}

void
tp__session_meet(struct tp_session *session, struct tp_exchange *exchange)
{
    if (session->on_expected != NULL && !session->has_unbegun
        && !tp__session_put_guard_aside(session)) {
        session_run_expected(session, exchange);
        return;
    }
    exchange->is_unbegun = true;
    session->has_unbegun = true;
    session->is_meeting_due |= session->on_expected != NULL;
    tp__exchange_settle(exchange);
}

void
tp__session_settle_greeting(struct tp_session *session)
{
    session->is_meeting_due = false;
    if (session->on_expected != NULL && session->has_unbegun) {
        struct tp_exchange *first = session_first_unbegun(session);

        first->is_unbegun = false;
        session->has_unbegun = session_first_unbegun(session) != NULL;
        session_run_expected(session, first);
    }
    if (session->is_released) {
        session->is_released = false;
        session->is_greeting = false;
        session->has_passed_header |= session->hook_point == TP_HOOK_PRE_READ_HEADER;
        session->idle_at = (uint32_t) tp__loop_now_ms(session->sessions->loop);
        session_begin_held_back(session);
        if (session->is_move_due && session->input.len == 0) {
            tp__session_on_boundary(session);
        }
    }
}

void
tp__session_greet_on(struct tp_session *session, enum tp_hook_point point)
{
    session->is_greeting = true;
    session->hook_point = (uint8_t) point;
    session->hook_at = 0;
    if (session_ask_hooks(session) != TP_OK) {
        tp__session_end(session, TP_CLOSE_REFUSED, false);
    } else if (!session->is_postponed) {
        session_release(session);
    }
}

void
tp__session_drop_greeting(struct tp_session *session)
{
    session->is_greeting = false;
    session->is_presenting = false;
    session->is_postponed = false;
    session->is_released = false;
    session->is_meeting_due = false;
    session->has_unbegun = false;
    session->has_passed_header = false;
    session->greeting_since_ms = 0;
    tp__session_lift_guard(session);
    session->on_expected = NULL;
}

enum tp_result
tp__session_greet_again(struct tp_session *session, enum tp_hook_point point, struct tp_str owner)
{
    const struct tp_hook_chain *chain = tp__hooks_at(session->source->server->hooks, point);
    size_t at = tp__hook_chain_find(chain, owner);

    if (at == SIZE_MAX) {
        return TP_NOT_FOUND;
    }
    session->is_greeting = true;
    session->hook_point = (uint8_t) point;
    session->hook_at = (uint16_t) at;
    enum tp_result result = session_ask_hooks(session);

    if (result == TP_OK && !session->is_postponed) {
        session_release(session);
    }
    return result;
}

void
tp_session_resume(struct tp_session *session, enum tp_verdict verdict,
                  const struct tp_status *refusal)
{
    enum tp_result result = verdict == TP_REFUSE ? TP_DENIED : TP_OK;

    TP_ASSERT(session->magic == TP_SESSION_MAGIC);
    TP_ASSERT(verdict == TP_PASS || verdict == TP_REFUSE);
    if (!session->is_postponed) {
        return;
    }
    bool stands_alone = session->guard != NULL && session->guard->stands_alone;

    session->is_postponed = false;
    session->greeting_since_ms = 0;
    if (tp_session_is_guarded(session)) {
        tp__session_lift_guard(session);
    }
    if (result == TP_DENIED) {
        tp_log_info(tp_session_log(session), "hook-refused", "point=%s number=%llu status=%d",
                    tp_hook_point_word((enum tp_hook_point) session->hook_point),
                    (unsigned long long) session->number,
                    refusal == NULL ? TP_STATUS_FORBIDDEN : (int) refusal->code);
    } else if (!stands_alone) {
        session->hook_at++;
        result = session_ask_hooks(session);
    }
    /* The caller may be in the middle of something of this session: its end is the turn's. */
    if (result != TP_OK) {
        tp__session_end(session, TP_CLOSE_REFUSED, false);
    } else if (!session->is_postponed) {
        session_release(session);
    }
}

void
tp_session_expect(struct tp_session *session, tp_handler_fn handler, void *owner)
{
    session->on_expected = handler;
    session->expected_owner = owner;
    session->is_meeting_due |= session->has_unbegun;
    /* A session that greets begins to read. */
    tp__session_want_turn_end(session);
}

/* From where it is; TP_OK: they let it pass, or one has it now. */
static enum tp_result
session_ask_hooks(struct tp_session *session)
{
    const struct tp_server *server = session->source->server;
    enum tp_hook_point point = (enum tp_hook_point) session->hook_point;
    const struct tp_hook_chain *chain = tp__hooks_at(server->hooks, point);

    while (chain != NULL && session->hook_at < chain->count) {
        struct tp_hook_call call = { .point = point, .peer = server->peer, .session = session };
        enum tp_verdict verdict =
            tp__hook_call(&chain->uses[session->hook_at], &call, &server->log);

        if (verdict == TP_REFUSE) {
            return TP_DENIED;
        }
        if (verdict == TP_LATER) {
            session->is_greeting = true;
            session->is_postponed = true;
            session->greeting_since_ms = tp__loop_now_ms(session->sessions->loop);
            tp__session_arm_deadline(session);
            return TP_OK;
        }
        session->hook_at++;
    }
    return TP_OK;
}

/* It opens at the turn's end, so that nothing that comes meanwhile overtakes what waits. */
static void
session_release(struct tp_session *session)
{
    session->is_released = true;
    session->is_meeting_due = true;
    tp__session_want_turn_end(session);
}

static void
session_begin_held_back(struct tp_session *session)
{
    session->has_unbegun = false;
    TP_LIST_EACH (node, &session->exchanges) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (!exchange->is_unbegun) {
            continue;
        }
        exchange->is_unbegun = false;
        if (session->on_expected != NULL) {
            session_run_expected(session, exchange);
        } else {
            tp__exchange_run(exchange);
        }
    }
}

static struct tp_exchange *
session_first_unbegun(const struct tp_session *session)
{
    TP_LIST_EACH (node, &session->exchanges) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (exchange->is_unbegun) {
            return exchange;
        }
    }
    return NULL;
}

static void
session_run_expected(struct tp_session *session, struct tp_exchange *exchange)
{
    tp_handler_fn handler = session->on_expected;

    session->on_expected = NULL;
    exchange->is_secret |= tp__session_guard(session) != NULL;
    tp__exchange_run_expected(exchange, handler, session->expected_owner);
}

/* What is to leave early waits for something that the protocol has to hear first, a handshake. */
static bool
session_awaits_protocol(const struct tp_session *session)
{
    return session->asks_ready && tp__session_next_early(session) != NULL;
}

/* At a hook that has the first word on a connection; not at one that comes before each packet. */
static bool
session_is_at_its_beginning(const struct tp_session *session)
{
    return session->hook_point == TP_HOOK_POST_ACCEPT || session->hook_point == TP_HOOK_POST_DIAL;
}
