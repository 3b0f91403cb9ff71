/*
 * teleport/session.h - a session: one end's half of a conversation, on which both ends may ask
 * (PULL) and tell (PUSH).
 *
 * An accepted session is its connection and ends with it.  A dialed one survives its
 * connections: it is connected again, and what it is asked to send meanwhile waits.
 *
 * A pointer to a session is good until it ends, which post_disconnect (and, for a dialed one,
 * on_end) tells; who keeps a session across turns keeps its handle.
 *
 * Threads: the loop's that the session belongs to.
 */
#ifndef TELEPORT_SESSION_H
#define TELEPORT_SESSION_H

#include <teleport/address.h>
#include <teleport/close_reason.h>
#include <teleport/exchange.h>
#include <teleport/log.h>
#include <teleport/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_peer;
struct tp_session;
struct tp_sessions;
struct tp_reply;

/* What names a session for as long as you like; all zeros names none. */
struct tp_session_handle {
    struct tp_sessions *home;
    uint64_t number;
};

enum {
    TP_SEND_FILTERS_MAX = 8,            /* of one packet */
    TP_SESSION_ID_MAX = 64,             /* bytes */
    TP_SESSION_VARIABLE_NAME_MAX = 64,  /* bytes */
    TP_SESSION_VARIABLES_MAX = 64,      /* of one session */
    TP_SESSION_VARIABLES_BYTES = 16384, /* of one session, names and values together */
};

/* Where a session stands. */
enum tp_session_state {
    TP_SESSION_CONNECTING, /* a dialed one: being connected, or waiting to be */
    TP_SESSION_GREETING,   /* connected, while a hook holds back its packets */
    TP_SESSION_OPEN,
    TP_SESSION_ENDING, /* takes nothing more in; what is in flight is finished */
};

/* What becomes of two sessions that want one id. */
enum tp_id_conflict {
    TP_ID_CLOSE_OLD, /* the newer one gets it; the older one is told and closed */
    TP_ID_REFUSE_NEW,
};

/*
 * What becomes of a PUSH of ours that a session's send queue has no room for.
 * ROW(NAME, word, sentence)
 */
/* clang-format off */
#define TP_ON_FULL_TABLE(ROW)                                                                      \
    ROW(DROP_NEW,      "drop-new",      "The new one is not taken, and its sender is told.")       \
    ROW(DROP_OLD,      "drop-old",      "The oldest that wait make room, though their senders were told that they are queued.") \
    ROW(LATEST_BY_URI, "latest-by-uri", "Until the queue has been empty again only the latest of each uri waits, in the place of the one before.") \
    ROW(CLOSE,         "close",         "The new one is not taken, and the session is closed unless its connection takes what waits by the end of the turn.")
/* clang-format on */

enum tp_on_full {
#define TP_ON_FULL_ENUM_ROW(name, word, sentence) TP_ON_FULL_##name,
    TP_ON_FULL_TABLE(TP_ON_FULL_ENUM_ROW)
#undef TP_ON_FULL_ENUM_ROW
    TP_ON_FULL_COUNT
};

/* How a dialed session comes back after its connection broke, or could not be had. */
struct tp_redial {
    struct tp_msec first; /* before the first attempt; twice as long before each further one */
    struct tp_msec max;   /* never longer */
    int64_t times;        /* attempts in a row before it ends; -1: for ever */
};

/* How one packet of ours travels; all zeros is what the peer's options say. */
struct tp_send_options {
    size_t size;            /* of this struct as the program knows it; 0: as it was in 0.1 */
    uint8_t header_codec;   /* 'j' or 'p' */
    uint8_t body_codec;     /* what the body's bytes are: 'j', 'p', 's', …; see TP_CODEC_… */
    bool has_gzip;          /* gzip_level counts */
    int8_t gzip_level;      /* -2..9; 0: the body is not deflated */
    bool fails_at_once;     /* do not wait while a dialed session is not connected */
    bool is_early;          /* of a hook that holds back a session: do not wait for that, either */
    uint8_t accept_codec;   /* of a PULL: the codec that is wanted for the REPLY; 0: none */
    bool is_secret;         /* of a PULL: no hook hears of it, and no log shows its body */
    bool always_fits;       /* a full send queue takes it, too: what is small and lets go */
    struct tp_msec timeout; /* of a PULL, from now to its REPLY; 0: pull_timeout */

    /* Where the protocol has a place for them; elsewhere they are left out. */
    struct tp_str metadata; /* "name=value&name=value", escaped: see teleport/query.h */
    char filters[TP_SEND_FILTERS_MAX
                 + 1]; /* ids as on the wire, such as "gm"; the first: outermost */
};

/* The session's number: 64 bits, never used twice while the server runs. */
uint64_t tp_session_number(const struct tp_session *session);

struct tp_session_handle tp_session_get_handle(const struct tp_session *session);

/* The session of that name; NULL when it has ended. */
struct tp_session *tp_session_at(struct tp_session_handle handle);

/* The other end's address; borrowed from the session. */
const struct tp_address *tp_session_remote(const struct tp_session *session);

/* The other end of the connection itself: a proxy's, where one has said for whom it speaks. */
const struct tp_address *tp_session_connection(const struct tp_session *session);

/* Of a session that speaks TLS, "TLSv1.3" and the cipher's name, which live for ever; else "". */
const char *tp_session_tls_version(const struct tp_session *session);
const char *tp_session_tls_cipher(const struct tp_session *session);

/*
 * Whom the certificate is for that the other end has shown, and that was found good, as RFC 2253
 * writes it; empty without one.  Borrowed while it is connected.
 */
struct tp_str tp_session_tls_subject(const struct tp_session *session);

/* How long a packet takes there and an answer back, smoothed, in us; 0: nobody has measured it. */
int64_t tp_session_rtt_us(const struct tp_session *session);

/* Of the same certificate: the subject's last common name, and the first alternative name. */
struct tp_str tp_session_tls_common_name(const struct tp_session *session);
struct tp_str tp_session_tls_alternative_name(const struct tp_session *session);

/* True for one that this end has connected. */
bool tp_session_is_dialed(const struct tp_session *session);

enum tp_session_state tp_session_get_state(const struct tp_session *session);

/* What it is called: "open". */
const char *tp_session_state_word(enum tp_session_state state);

/* The peer that it belongs to; NULL in the server. */
struct tp_peer *tp_session_peer(const struct tp_session *session);

/* The log of the session's server or peer. */
const struct tp_log *tp_session_log(const struct tp_session *session);

/* The id, borrowed; empty without one. */
struct tp_str tp_session_id(const struct tp_session *session);

/*
 * Gives the session an id, which is unique in its peer; "" takes it away.  TP_UNSUPPORTED: it
 * speaks a protocol that nobody can be pushed over, such as HTTP; TP_EXISTS: another has it, and `id_conflict` says that the newer is refused; where it says close-old, the other
 * is told (PUSH /system/closed) and closed.  TP_TOO_LARGE, TP_NO_MEMORY; TP_FULL: the
 * directory has no room.
 */
enum tp_result tp_session_set_id(struct tp_session *session, struct tp_str id) TP_MUST_CHECK;

/*
 * Variables of the session, seen by the exchanges that follow; both texts are copied, and an
 * empty value takes the variable away.  TP_TOO_LARGE, TP_FULL, TP_NO_MEMORY.
 */
enum tp_result tp_session_set_variable(struct tp_session *session, struct tp_str name,
                                       struct tp_str value) TP_MUST_CHECK;

/* The variable's value, borrowed until it is set anew; empty without one. */
struct tp_str tp_session_get_variable(const struct tp_session *session, struct tp_str name);

/* The answer to a PULL, for the length of the call; see teleport/exchange.h for what to ask it. */
typedef void (*tp_reply_fn)(const struct tp_reply *reply, void *owner);

/*
 * Asks the other end.  `uri` and `body` are copied.  `on_reply` is called exactly once, from
 * the loop and never from within this call, with the answer or with what became of it: a status
 * of 504 when `timeout` has passed, of 101 when the session has lost its connection.  Unless
 * TP_OK is returned it is not called: TP_GONE: the session is ending, or not connected where
 * that was not to be waited for; TP_FULL: its send queue has no room (see enum tp_on_full), or
 * max_sent_pulls are waited for; TP_TOO_LARGE: more than
 * packet_limit, or than the protocol can say; TP_INVALID: a codec, level or filter that cannot
 * be; TP_UNSUPPORTED: the protocol has no way for it, such as a PULL to an HTTP client;
 * TP_NO_MEMORY.
 */
enum tp_result tp_session_pull_async(struct tp_session *session, struct tp_str uri,
                                     struct tp_str body, const struct tp_send_options *options,
                                     tp_reply_fn on_reply, void *owner) TP_MUST_CHECK;

/*
 * Tells the other end.  TP_OK: it is queued, in the order of the calls, and leaves unless the
 * connection ends, or the queue gets full and drops what was queued before; else as above.
 */
enum tp_result tp_session_push(struct tp_session *session, struct tp_str uri, struct tp_str body,
                               const struct tp_send_options *options) TP_MUST_CHECK;

/*
 * Says anew who this end is, on a session that is open, where what the other end was told before
 * is about to expire: as the protocol does it, by AUTH_CALL or by a PULL of `uri` (NULL: "/auth").
 * `credentials` are copied; no hook hears of it, and no log shows them.  `on_reply` and results are
 * as above; TP_INVALID: they are empty, or not text in one line; TP_UNSUPPORTED: the protocol has no
 * place for them, or each request says them.  What a dialed session says when it is connected again
 * stays what its options name.
 */
enum tp_result tp_session_present(struct tp_session *session, struct tp_str credentials,
                                  const char *uri, tp_reply_fn on_reply, void *owner) TP_MUST_CHECK;

/*
 * The next PULL or PUSH of the other end goes to `handler` instead of a route, once, and no
 * hook runs for it; it comes also while a hook holds the session back.  So a hook may ask the
 * other end to say first who it is.  `handler` is not called when the session ends before, or
 * moves to another process.
 */
void tp_session_expect(struct tp_session *session, tp_handler_fn handler, void *owner);

/*
 * Ends the session gracefully: it takes nothing more in, what is in flight in either direction
 * is finished, what is queued leaves.  A dialed session does not come back.
 */
void tp_session_close(struct tp_session *session);

/*
 * Ends the session for this reason: it takes nothing more in, what is queued leaves, and nothing
 * that is under way is waited for.  A dialed session comes back if the reason lets it.
 */
void tp_session_end(struct tp_session *session, enum tp_close_reason reason);

/*
 * The same at the end of this turn, whatever is queued: what the connection does not take then never
 * leaves.  For another end that is taken for dead.
 */
void tp_session_cut(struct tp_session *session, enum tp_close_reason reason);

/* The times of a session that may be its own. */
enum tp_session_timeout {
    TP_TIMEOUT_READ,   /* silence */
    TP_TIMEOUT_PACKET, /* from the first to the last byte of a packet */
    TP_TIMEOUT_WRITE,  /* without a byte taken by the other end */
    TP_TIMEOUT_PULL,   /* of our PULLs that name none */
    TP_SESSION_TIMEOUT_COUNT,
};

/*
 * From now on the session has this time instead of its server's or peer's; -1 ms: none, 0: theirs
 * again.  TP_INVALID: there is no such time; TP_NO_MEMORY.
 */
enum tp_result tp_session_set_timeout(struct tp_session *session, enum tp_session_timeout which,
                                      struct tp_msec timeout) TP_MUST_CHECK;

/* What came back. */
const struct tp_status *tp_reply_status(const struct tp_reply *reply);

/* Its metadata, "name=value&name=value", escaped: see teleport/query.h; empty without any. */
struct tp_str tp_reply_metadata(const struct tp_reply *reply);

/* The body, inflated and in one piece; empty without one, or where it could not be inflated. */
struct tp_str tp_reply_body(const struct tp_reply *reply);
uint8_t tp_reply_body_codec(const struct tp_reply *reply);

#ifdef __cplusplus
}
#endif

#endif
