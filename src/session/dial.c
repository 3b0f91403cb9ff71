/*
 * dial.c - how a dialed session comes by its connections: the first, and each one after.
 *
 * Between two attempts it waits, twice as long each time, up to a bound, and by chance a bit
 * less, so that many who lost the same server do not come back at the same moment.  A
 * connection over which something was heard begins the row anew.
 *
 * Runs in: worker; a program's thread with the library.
 * Owns: the attempt that is under way.  Read next: net/dialer.c.
 */
#include "session/dial.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/str.h"
#include "net/dialer.h"
#include "os/file.h"
#include "session/hook_call.h"
#include "session/record.h"

#include <stdlib.h>
#include <string.h>

struct tp_dialed {
    struct tp_session *session;
    struct tp_dialer dialer;
    struct tp_timer pause; /* to the next attempt */
    struct tp_msec timeout;
    struct tp_redial redial;
    int64_t failed_count; /* attempts in a row that came to nothing, or to nothing heard */
    int64_t connected_ms; /* when the connection there is, or was, began */
    bool is_shut_out;     /* the other end has not taken its credentials, or not yet */
    bool is_told_open;    /* its watch knows that it is open */
    struct tp_dial_watch watch;
    struct tp_credentials *credentials;  /* NULL: its source's, if that has any */
    struct tp_text said;                 /* what each request has to say of them */
    const struct tp_protocol *protocol;  /* NULL: its source's */
    struct tp_tls_context *tls;          /* NULL: its source's, if that has one */
    char *tls_name;                      /* with `tls`; NULL: anybody */
    char address[TP_TARGET_ADDRESS_MAX]; /* with a port */
    size_t target_len;
    char target[];
};

static void dialed_tell(struct tp_dialed *dialed, enum tp_dial_change change);
static enum tp_result dialed_begin(struct tp_dialed *dialed);
static void dialed_try(struct tp_dialed *dialed);
static void dialed_on_end(struct tp_dialer *dialer, enum tp_result result, int fd,
                          const struct tp_address *remote);
static void dialed_on_failure(struct tp_dialed *dialed, enum tp_result result);
static bool dialed_may_try(const struct tp_dialed *dialed);
static void dialed_wait(struct tp_dialed *dialed);
static int64_t dialed_pause_ms(const struct tp_dialed *dialed);
static void dialed_on_pause_end(struct tp_timer *timer);

enum tp_result
tp__session_dial(struct tp_sessions *sessions, const struct tp_source *source, uint64_t number,
                 const struct tp_dialing *dialing, struct tp_session **made)
{
    static const struct tp_address nowhere;
    struct tp_dialed *dialed = calloc(1, sizeof(*dialed) + dialing->target.whole.len);

    if (dialed == NULL) {
        return TP_NO_MEMORY;
    }
    if (tp__target_address(&dialing->target, dialed->address) == NULL) {
        free(dialed);
        return TP_INVALID;
    }
    if (dialing->tls_name != NULL && (dialed->tls_name = strdup(dialing->tls_name)) == NULL) {
        free(dialed);
        return TP_NO_MEMORY;
    }
    struct tp_session *session = tp__session_make(sessions, source, number, -1, &nowhere);

    if (session == NULL) {
        free(dialed->tls_name);
        free(dialed);
        return TP_NO_MEMORY;
    }
    dialed->session = session;
    dialed->timeout = dialing->timeout;
    dialed->redial = dialing->redial;
    dialed->protocol = dialing->protocol;
    if (tp__credentials_copy(&dialing->credentials, &dialed->credentials) != TP_OK) {
        tp__session_close(&session, TP_CLOSE_NO_RESOURCES);
        free(dialed->tls_name);
        free(dialed);
        return TP_NO_MEMORY;
    }
    if (dialing->tls != NULL) {
        dialed->tls = dialing->tls;
        tp__tls_context_acquire(dialed->tls);
    }
    dialed->target_len = dialing->target.whole.len;
    memcpy(dialed->target, dialing->target.whole.data, dialing->target.whole.len);
    tp__dialer_init(&dialed->dialer, sessions->loop, sessions->threads, dialed_on_end);
    tp__timer_init(&dialed->pause, dialed_on_pause_end);
    session->dialed = dialed;
    enum tp_result result = dialed_begin(dialed);

    if (result == TP_DENIED && dialed->redial.times != 0 && !session->is_ending) {
        /* A hook may let the next attempt pass, but for one that has closed the session, too. */
        dialed_on_failure(dialed, result);
        result = TP_OK;
    }
    if (result != TP_OK) {
        tp__session_close(&session, TP_CLOSE_DIAL_FAILED);
    } else {
        dialed->watch = dialing->watch;
    }
    *made = session;
    return result;
}

bool
tp__dialed_comes_back(const struct tp_session *session, enum tp_close_reason reason)
{
    bool ends_for_good = session->is_ending && tp__close_reason_is_final(session->end_reason);

    return session->dialed != NULL && session->dialed->redial.times != 0 && !ends_for_good
           && !tp__close_reason_is_final(reason) && dialed_may_try(session->dialed);
}

void
tp__dialed_come_back(struct tp_session *session)
{
    struct tp_dialed *dialed = session->dialed;

    /* Who accepts and closes at once is not to be dialed at full speed for ever. */
    if (session->heard_ms > dialed->connected_ms && !dialed->is_shut_out) {
        dialed->failed_count = 0;
    }
    dialed->failed_count++;
    dialed_wait(dialed);
    if (session->is_move_due) {
        tp__session_on_boundary(session);
    }
    dialed_tell(dialed, TP_DIAL_BROKEN);
}

bool
tp__dialed_ends_last(const struct tp_session *session)
{
    return session->dialed != NULL && session->dialed->watch.ends_last;
}

void
tp__dialed_on_turn_end(struct tp_session *session)
{
    if (!session->dialed->is_told_open && tp_session_get_state(session) == TP_SESSION_OPEN) {
        dialed_tell(session->dialed, TP_DIAL_OPEN);
    }
}

void
tp__dialed_on_end(struct tp_session *session)
{
    if (session->dialed != NULL) {
        dialed_tell(session->dialed, TP_DIAL_ENDED);
    }
}

void
tp__dialed_heed(const struct tp_exchange *exchange)
{
    struct tp_str rest = exchange->query;

    if (tp_exchange_wants_reply(exchange)
        || !tp__str_equal(exchange->path, TP_STR("/system/closed"))) {
        return;
    }
    while (rest.len > 0) {
        if (tp__str_equal(tp__str_cut(rest, '&', &rest), TP_STR("redial=0"))) {
            exchange->session->dialed->redial.times = 0;
        }
    }
}

struct tp_str
tp__dialed_target(const struct tp_session *session)
{
    const struct tp_dialed *dialed = session->dialed;

    return dialed == NULL ? TP_STR("") : (struct tp_str){ dialed->target, dialed->target_len };
}

const struct tp_protocol *
tp__dialed_protocol(const struct tp_session *session)
{
    return session->dialed == NULL ? NULL : session->dialed->protocol;
}

struct tp_dialed_tls
tp__dialed_tls(const struct tp_session *session)
{
    const struct tp_dialed *dialed = session->dialed;
    const struct tp_source *source = session->source;

    return dialed->tls != NULL ? (struct tp_dialed_tls){ dialed->tls, dialed->tls_name }
                               : (struct tp_dialed_tls){ source->tls, source->tls_name };
}

const struct tp_credentials *
tp__dialed_credentials(const struct tp_session *session)
{
    const struct tp_dialed *dialed = session->dialed;

    if (dialed->credentials != NULL) {
        return dialed->credentials;
    }
    return tp__credentials_are_there(&session->source->credentials) ? &session->source->credentials
                                                                    : NULL;
}

struct tp_msec
tp__dialed_timeout(const struct tp_session *session)
{
    return session->dialed->timeout;
}

struct tp_text *
tp__dialed_said(struct tp_session *session)
{
    return &session->dialed->said;
}

void
tp__dialed_let_in(struct tp_session *session, bool is_let_in)
{
    session->dialed->is_shut_out = !is_let_in;
}

bool
tp__dialed_is_trying(const struct tp_session *session)
{
    return session->dialed != NULL && tp__dialer_is_busy(&session->dialed->dialer);
}

void
tp__dialed_free(struct tp_dialed **freed)
{
    struct tp_dialed *dialed = *freed;

    *freed = NULL;
    if (dialed != NULL) {
        tp__dialer_stop(&dialed->dialer);
        tp__loop_stop_timer(dialed->session->sessions->loop, &dialed->pause);
        tp__tls_context_release(&dialed->tls);
        tp__credentials_wipe(&dialed->said);
        if (dialed->credentials != NULL && dialed->credentials->text != NULL) {
            explicit_bzero((char *) (uintptr_t) dialed->credentials->text,
                           strlen(dialed->credentials->text));
        }
        free(dialed->credentials);
        free(dialed->tls_name);
        free(dialed);
    }
}

bool
tp__session_dial_has_failed(const struct tp_session *session)
{
    return session->dialed->failed_count > 0;
}

static void
dialed_tell(struct tp_dialed *dialed, enum tp_dial_change change)
{
    dialed->is_told_open = change == TP_DIAL_OPEN;
    if (dialed->watch.on_change != NULL) {
        dialed->watch.on_change(dialed->session, change, dialed->watch.owner);
    }
}

/* A connection that was not let in is an attempt that has failed. */
static bool
dialed_may_try(const struct tp_dialed *dialed)
{
    return !dialed->is_shut_out || dialed->redial.times < 0
           || dialed->failed_count < dialed->redial.times;
}

/* TP_DENIED: a hook of pre_dial. */
static enum tp_result
dialed_begin(struct tp_dialed *dialed)
{
    struct tp_session *session = dialed->session;
    const struct tp_server *server = session->source->server;
    struct tp_hook_call call = {
        .point = TP_HOOK_PRE_DIAL,
        .peer = server->peer,
        .session = session,
        .text = { dialed->target, dialed->target_len },
    };

    if (tp__hooks_ask(tp__hooks_at(server->hooks, call.point), &call, &server->log, NULL)
        == TP_REFUSE) {
        return TP_DENIED;
    }
    return tp__dialer_start(&dialed->dialer, tp__str(dialed->address), dialed->timeout);
}

static void
dialed_try(struct tp_dialed *dialed)
{
    enum tp_result result = dialed_begin(dialed);

    if (result != TP_OK) {
        dialed_on_failure(dialed, result);
    }
}

static void
dialed_on_end(struct tp_dialer *dialer, enum tp_result result, int fd,
              const struct tp_address *remote)
{
    struct tp_dialed *dialed = TP_CONTAINER_OF(dialer, struct tp_dialed, dialer);
    struct tp_session *session = dialed->session;
    char remote_text[TP_ADDRESS_TEXT_MAX];

    if (result != TP_OK) {
        dialed_on_failure(dialed, result);
        return;
    }
    tp_log_info(tp_session_log(session), "session-dialed", "number=%llu target=%.*s remote=%s",
                (unsigned long long) session->number, (int) dialed->target_len, dialed->target,
                tp_address_format(remote, remote_text));
    dialed->is_shut_out = false;
    result = tp__session_connect(session, fd, remote);
    dialed->connected_ms = session->heard_ms;
    if (result == TP_DENIED) {
        tp__session_refuse(&session);
    } else if (result != TP_OK) {
        tp__session_close(&session, TP_CLOSE_NO_RESOURCES);
    }
}

static void
dialed_on_failure(struct tp_dialed *dialed, enum tp_result result)
{
    struct tp_session *session = dialed->session;

    dialed->failed_count++;
    session->sessions->dial_result = result;
    session->sessions->refusal.code = 0;
    tp_log_warn(tp_session_log(session), "dial-failed", "number=%llu target=%.*s result=%s",
                (unsigned long long) session->number, (int) dialed->target_len, dialed->target,
                tp_result_word(result));
    if (session->is_ending) {
        tp__session_close(&session, session->end_reason);
    } else if (dialed->redial.times >= 0 && dialed->failed_count > dialed->redial.times) {
        tp__session_close(&session, TP_CLOSE_DIAL_FAILED);
    } else {
        dialed_wait(dialed);
        dialed_tell(dialed, TP_DIAL_FAILED);
    }
}

static void
dialed_wait(struct tp_dialed *dialed)
{
    tp__loop_start_timer(dialed->session->sessions->loop, &dialed->pause, dialed_pause_ms(dialed));
}

/* Between half and all of what the row of failures asks for. */
static int64_t
dialed_pause_ms(const struct tp_dialed *dialed)
{
    int64_t pause_ms = dialed->redial.first.ms;
    uint64_t chance =
        tp__hash_number(dialed->session->number ^ (uint64_t) tp__clock_monotonic_us());

    for (int64_t i = 1; i < dialed->failed_count && pause_ms < dialed->redial.max.ms; i++) {
        pause_ms *= 2;
    }
    pause_ms = pause_ms < dialed->redial.max.ms ? pause_ms : dialed->redial.max.ms;
    return pause_ms / 2 + (int64_t) (chance % (uint64_t) (pause_ms / 2 + 1));
}

static void
dialed_on_pause_end(struct tp_timer *timer)
{
    dialed_try(TP_CONTAINER_OF(timer, struct tp_dialed, pause));
}
