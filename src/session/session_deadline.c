/*
 * session_deadline.c - the times of a session that may run out: one timer for all of them.
 *
 * The timer is not restarted with each packet.  When it expires it looks what is overdue, and
 * else runs again for what comes next.
 *
 * Runs in: worker; a program's thread with the library.  Owns: nothing.
 * Read next: session.c, notes.c (times of a session's own).
 */
#include "session/record.h"

enum {
    TIMES_MAX = 5,
};

/* A time that is running: since when (0: it is not), how long it may take, and why it closes. */
struct session_time {
    int64_t since_ms;
    struct tp_msec timeout; /* 0: none */
    enum tp_close_reason reason;
};

static size_t session_times(const struct tp_session *session, struct session_time *times);
static struct session_time session_greeting_time(const struct tp_session *session);
static bool session_close_if_overdue(struct tp_session *session, int64_t now_ms);
static int64_t session_next_deadline_ms(const struct tp_session *session);
static int64_t session_silent_since_ms(const struct tp_session *session);
static int64_t session_expiry_ms(const struct tp_session *session);
static bool time_is_running(const struct session_time *time);

void
tp__session_arm_deadline(struct tp_session *session)
{
    struct tp_loop *loop = session->sessions->loop;
    int64_t deadline_ms =
        tp__session_is_connected(session) ? session_next_deadline_ms(session) : INT64_MAX;

    /* One that runs earlier looks again when it comes: restarting it at each packet would cost more. */
    if (deadline_ms == INT64_MAX
        || (session->deadline.is_running && session->deadline.deadline_ms <= deadline_ms)) {
        return;
    }
    int64_t delay_ms = deadline_ms - tp__loop_now_ms(loop);

    tp__loop_start_timer(loop, &session->deadline, delay_ms > 0 ? delay_ms : 1);
}

void
tp__session_on_deadline(struct tp_timer *timer)
{
    struct tp_session *session = TP_CONTAINER_OF(timer, struct tp_session, deadline);

    if (session->is_lingering) {
        tp__session_close(&session, session->end_reason);
        return;
    }
    if (!session_close_if_overdue(session, tp__loop_now_ms(session->sessions->loop))) {
        tp__session_arm_deadline(session);
    }
}

/* Returns true when the session is gone. */
static bool
session_close_if_overdue(struct tp_session *session, int64_t now_ms)
{
    struct session_time times[TIMES_MAX];
    size_t count = session_times(session, times);
    bool is_idle = session->exchange_count == 0 && !tp__session_must_pause(session);

    for (size_t i = 0; i < count; i++) {
        /* Who waits for an answer has a right to be silent, and who is not read from seems so. */
        if (time_is_running(&times[i]) && now_ms - times[i].since_ms >= times[i].timeout.ms
            && (is_idle || times[i].reason != TP_CLOSE_READ_TIMEOUT)) {
            tp__session_close(&session, times[i].reason);
            return true;
        }
    }
    if (session_expiry_ms(session) <= now_ms) {
        tp__session_close_told(session, TP_CLOSE_AUTH_EXPIRED, TP_STR(""), true);
    }
    if (!is_idle) {
        session->idle_at = (uint32_t) now_ms;
    }
    return false;
}

static int64_t
session_next_deadline_ms(const struct tp_session *session)
{
    struct session_time times[TIMES_MAX];
    size_t count = session_times(session, times);
    int64_t deadline_ms = session_expiry_ms(session);

    for (size_t i = 0; i < count; i++) {
        if (time_is_running(&times[i]) && times[i].since_ms + times[i].timeout.ms < deadline_ms) {
            deadline_ms = times[i].since_ms + times[i].timeout.ms;
        }
    }
    return deadline_ms;
}

/* All there are, in the order in which they are looked at; returns how many. */
static size_t
session_times(const struct tp_session *session, struct session_time *times)
{
    const struct tp_session_limits *limits = &session->source->server->limits;
    size_t count = 0;

    times[count++] = (struct session_time){ session->stuck_since_ms,
                                            tp__session_timeout(session, TP_TIMEOUT_WRITE),
                                            TP_CLOSE_WRITE_TIMEOUT };
    if (session->is_barred) {
        times[count++] = (struct session_time){ session->shell->begun_ms, limits->handshake_timeout,
                                                TP_CLOSE_HANDSHAKE_TIMEOUT };
    }
    times[count++] = session_greeting_time(session);
    times[count++] = (struct session_time){ session->packet_begun_ms,
                                            tp__session_timeout(session, TP_TIMEOUT_PACKET),
                                            TP_CLOSE_PACKET_TIMEOUT };
    times[count++] = (struct session_time){ session_silent_since_ms(session),
                                            tp__session_timeout(session, TP_TIMEOUT_READ),
                                            TP_CLOSE_READ_TIMEOUT };
    return count;
}

static struct session_time
session_greeting_time(const struct tp_session *session)
{
    const struct tp_guard *guard = tp__session_guard(session);

    if (guard != NULL) {
        return (struct session_time){ guard->since_ms, guard->what.timeout, TP_CLOSE_AUTH_TIMEOUT };
    }
    return (struct session_time){ session->greeting_since_ms,
                                  session->source->server->limits.exchange_timeout,
                                  TP_CLOSE_HOOK_TIMEOUT };
}

/* Since when the other end could have said something and has not. */
static int64_t
session_silent_since_ms(const struct tp_session *session)
{
    int64_t now_ms = tp__loop_now_ms(session->sessions->loop);
    int64_t idle_since_ms = tp__session_since_ms(session->idle_at, now_ms);

    return session->heard_ms > idle_since_ms ? session->heard_ms : idle_since_ms;
}

/* When its identity ends, and it with that; INT64_MAX: never, or it does so already. */
static int64_t
session_expiry_ms(const struct tp_session *session)
{
    const struct tp_identity *identity = tp_session_identity(session);

    return identity == NULL || identity->expires_ms == 0 || session->is_ending
               ? INT64_MAX
               : identity->expires_ms;
}

static bool
time_is_running(const struct session_time *time)
{
    return time->since_ms != 0 && time->timeout.ms != 0;
}
