/*
 * teleport/identity.h - who the other end has proved to be.
 *
 * A session of a protocol with packets of its own (Teleport 2.5, the later family, WebSocket)
 * has an identity once and for all of its exchanges.  Over HTTP each request proves itself, so
 * there it belongs to the exchange.
 *
 * Until it has an identity a session may be guarded: it reaches nothing but its guard, with
 * small packets and for a limited time.
 *
 * Threads: the loop's that the session belongs to.
 */
#ifndef TELEPORT_IDENTITY_H
#define TELEPORT_IDENTITY_H

#include <teleport/exchange.h>
#include <teleport/session.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TP_IDENTITY_ID_MAX = 256,      /* bytes */
    TP_IDENTITY_METHOD_MAX = 32,   /* bytes */
    TP_IDENTITY_CLAIMS_MAX = 4096, /* bytes */
    TP_IDENTITY_MARK_BYTES = 32,
};

/* All texts are copied where one is given, and borrowed from who has it where one is asked for. */
struct tp_identity {
    struct tp_str id;     /* $auth_id */
    struct tp_str method; /* what proved it: "token", "jwt", "certificate" */
    struct tp_str claims; /* what else is known, "name=value&name=value": see teleport/query.h */

    /* CLOCK_MONOTONIC: when it ends, and its session with it (auth-expired); 0: never. */
    int64_t expires_ms;

    /* By which who has proved it sees later whether it still holds; its own business. */
    uint8_t mark[TP_IDENTITY_MARK_BYTES];
};

/*
 * From here on the session is this one, whoever it was before; NULL: nobody.  A guard is lifted
 * by tp_session_resume() of the hook that has set it.  TP_TOO_LARGE: a text is longer than above;
 * TP_NO_MEMORY: the session is as it was then.  TP_DENIED: it is this one, and a module that was
 * told of it (see `on_identity` in teleport/session_data.h) has ended it.
 */
enum tp_result tp_session_identify(struct tp_session *session,
                                   const struct tp_identity *identity) TP_MUST_CHECK;

/* The same for an exchange, whatever its session is. */
enum tp_result tp_exchange_identify(struct tp_exchange *exchange,
                                    const struct tp_identity *identity) TP_MUST_CHECK;

/* Who it is; NULL: nobody has proved anything.  Borrowed until it is set anew. */
const struct tp_identity *tp_session_identity(const struct tp_session *session);

/* Who asks: of the exchange itself, else of its session. */
const struct tp_identity *tp_exchange_identity(const struct tp_exchange *exchange);

/*
 * What stands before a session until it has proved who it is.
 *
 * For hooks of post_accept, which then say later: each PULL, PUSH or AUTH_CALL that comes is given
 * to `handler`, one after the other, and no hook or route hears of it; what comes behind it waits
 * until it has ended.  The handler answers, and then lets the session in with
 * tp_session_resume(), or ends it with tp_session_end().  No body that the handler is given is
 * ever logged.
 *
 * Where identities belong to exchanges (HTTP) there is nothing to guard: the session is let in when
 * its first packet has come, and that packet with it.
 *
 * A session that moves to another process while it is guarded meets the hook there again.
 */
struct tp_session_guard {
    struct tp_size packet_limit; /* larger packets close it */
    struct tp_msec timeout;      /* from now on; then it ends, auth-timeout */
    tp_handler_fn handler;
    void *owner;
};

/* `guard` is copied.  TP_NO_MEMORY. */
enum tp_result tp_session_set_guard(struct tp_session *session,
                                    const struct tp_session_guard *guard) TP_MUST_CHECK;

/* True while the session has a guard. */
bool tp_session_is_guarded(const struct tp_session *session);

/* True where identities belong to exchanges, as over HTTP; false while it is not known yet. */
bool tp_session_proves_each(const struct tp_session *session);

#ifdef __cplusplus
}
#endif

#endif
