/*
 * waiting.c - calls that let the loop run until something has happened.
 *
 * Within a callback they are refused, because the turn that has called it could not go on.
 *
 * Runs in: the peer's thread, between two turns.
 */
#include "peer/peer.h"

#include "base/clock.h"
#include "base/result.h"

#include <stdlib.h>

/* Who waits for a reply. */
struct waiting {
    bool is_over;
    struct tp_reply *reply; /* NULL: memory was out for a copy */
};

static void waiting_on_reply(const struct tp_reply *reply, void *owner);
static bool session_is_open(const struct tp_session *session);
static bool session_has_sent_all(const struct tp_session *session);
static enum tp_result await_fail(struct tp_peer *peer);
static const char *dial_result_words(const struct tp_sessions *sessions);
static enum tp_result session_await(struct tp_session *session, struct tp_msec timeout,
                                    bool (*is_reached)(const struct tp_session *session));
static struct tp_peer *peer_that_may_wait(const struct tp_session *session);

enum tp_result
tp_session_pull(struct tp_session *session, struct tp_str uri, struct tp_str body,
                const struct tp_send_options *options, struct tp_reply **reply)
{
    struct tp_peer *peer = peer_that_may_wait(session);
    struct waiting waiting = { .is_over = false };

    *reply = NULL;
    if (peer == NULL) {
        return TP_DENIED;
    }
    enum tp_result result =
        tp_session_pull_async(session, uri, body, options, waiting_on_reply, &waiting);

    while (result == TP_OK && !waiting.is_over) {
        tp__loop_turn(peer->loop, -1);
    }
    *reply = waiting.reply;
    return result == TP_OK && waiting.reply == NULL ? TP_NO_MEMORY : result;
}

enum tp_result
tp_peer_pull_once(struct tp_peer *peer, const char *address, struct tp_str uri, struct tp_str body,
                  const struct tp_send_options *options, struct tp_reply **reply)
{
    struct tp_dial_options dial_options = TP_DIAL_OPTIONS;
    struct tp_session *session;

    tp__peer_check(peer);
    *reply = NULL;
    if (tp__peer_is_in_callback(peer)) {
        return tp__peer_fail(peer, TP_DENIED, "waiting from within a callback would stop the loop");
    }
    dial_options.redials_never = true;
    enum tp_result result = tp_peer_dial(peer, address, &dial_options, &session);

    if (result != TP_OK) {
        return result;
    }
    struct tp_session_handle handle = tp_session_get_handle(session);

    result = tp_session_pull(session, uri, body, options, reply);
    session = tp_session_at(handle);
    if (session != NULL) {
        tp__session_close(&session, TP_CLOSE_CLOSED);
    }
    return result;
}

void
tp_reply_free(struct tp_reply **reply)
{
    tp__reply_free(reply);
}

enum tp_result
tp_session_wait_open(struct tp_session *session, struct tp_msec timeout)
{
    return session_await(session, timeout, session_is_open);
}

enum tp_result
tp_session_flush(struct tp_session *session, struct tp_msec timeout)
{
    return session_await(session, timeout, session_has_sent_all);
}

static void
waiting_on_reply(const struct tp_reply *reply, void *owner)
{
    struct waiting *waiting = owner;

    waiting->is_over = true;
    waiting->reply = tp__reply_copy(reply);
}

static bool
session_is_open(const struct tp_session *session)
{
    return tp_session_get_state(session) == TP_SESSION_OPEN;
}

static bool
session_has_sent_all(const struct tp_session *session)
{
    return !tp__session_has_output(session);
}

static enum tp_result
session_await(struct tp_session *session, struct tp_msec timeout,
              bool (*is_reached)(const struct tp_session *session))
{
    struct tp_session_handle handle = tp_session_get_handle(session);
    struct tp_peer *peer = peer_that_may_wait(session);
    int64_t deadline_ms = tp__clock_monotonic_ms() + timeout.ms;

    if (peer == NULL) {
        return TP_DENIED;
    }
    while (session != NULL && !is_reached(session)) {
        int64_t left_ms = deadline_ms - tp__clock_monotonic_ms();

        if (left_ms <= 0) {
            return TP_TIMED_OUT;
        }
        tp__loop_turn(peer->loop, left_ms);
        session = tp_session_at(handle);
    }
    if (session == NULL) {
        return await_fail(peer);
    }
    return TP_OK;
}

/* Why there is no session any more. */
static enum tp_result
await_fail(struct tp_peer *peer)
{
    const struct tp_refusal *refusal = &peer->sessions.refusal;

    if (peer->sessions.dial_result == TP_DENIED && refusal->code != 0) {
        return tp__peer_fail(peer, TP_DENIED, "the credentials were refused: %d %s",
                             (int) refusal->code, refusal->text);
    }
    if (refusal->code == TP_REFUSAL_UNSAID) {
        return tp__peer_fail(peer, TP_GONE, "the credentials cannot be said: %s",
                             tp_result_sentence(peer->sessions.dial_result));
    }
    return tp__peer_fail(peer, TP_GONE, "%s", dial_result_words(&peer->sessions));
}

/* What a result means to somebody who wanted to be connected. */
static const char *
dial_result_words(const struct tp_sessions *sessions)
{
    switch (sessions->dial_result) {
    case TP_OK:
        return "the session has ended";
    case TP_GONE:
        return "nobody accepts connections there";
    case TP_NOT_FOUND:
        return "there is no such name or file";
    case TP_MISMATCH:
        return sessions->desk.why;
    default:
        return tp__result_text(sessions->dial_result);
    }
}

/* NULL: in a worker, or within a callback. */
static struct tp_peer *
peer_that_may_wait(const struct tp_session *session)
{
    struct tp_peer *peer = tp_session_peer(session);

    if (peer == NULL) {
        return NULL;
    }
    tp__peer_check(peer);
    if (tp__peer_is_in_callback(peer)) {
        tp__peer_fail(peer, TP_DENIED, "waiting from within a callback would stop the loop");
        return NULL;
    }
    return peer;
}
