/*
 * teleport/teleport.h - libteleport: a peer, which listens, dials, or both.
 *
 * A program makes a peer, says what it answers, and lets it listen or dial; on each session
 * either end may PULL and PUSH.  The calls are the same whichever end has dialed.
 *
 *     struct tp_peer_options options = TP_PEER_OPTIONS;
 *     struct tp_peer *peer;
 *     struct tp_session *session;
 *     struct tp_reply *reply;
 *
 *     tp_peer_create(&options, &peer);
 *     tp_peer_dial(peer, "127.0.0.1:9090", NULL, &session);
 *     tp_session_pull(session, TP_STR("/math/add"), TP_STR("[1,2]"), NULL, &reply);
 *
 * Threads: a peer, its sessions and its exchanges belong to the thread that created the peer;
 * calls from another one are a broken promise and end the program, but for tp_peer_post().
 * Several peers may live in one thread or in several; they share nothing.
 *
 * Stability: structs grow at their end only and say their size; functions keep their meaning.
 * A program that was compiled against an older 1.x header runs with a newer library.
 */
#ifndef TELEPORT_TELEPORT_H
#define TELEPORT_TELEPORT_H

#include <teleport/exchange.h>
#include <teleport/heartbeat.h>
#include <teleport/hooks.h>
#include <teleport/identity.h>
#include <teleport/session.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_peer;
struct tp_group;

/*
 * Everything that can be said of a peer.  Begin with TP_PEER_OPTIONS and change what you like:
 * all zeros (NULL) mean the preset in brackets, and a time-out of -1 ms means none.  `log`,
 * `hooks` and confs are borrowed for the peer's life.
 */
struct tp_peer_options {
    size_t size; /* of this struct as the program knows it */

    uint8_t header_codec;    /* of what is sent on our own account ['p'] */
    uint8_t body_codec;      /* the same ['j'] */
    int8_t gzip_level;       /* the same [0: not deflated] */
    struct tp_size gzip_min; /* smaller bodies are not deflated [256] */

    struct tp_size packet_limit;     /* [1m] */
    struct tp_size send_queue;       /* of a session [1m] */
    struct tp_size memory;           /* of all bytes in flight [256m] */
    int64_t max_sessions;            /* [16384] */
    int64_t max_pending_pulls;       /* unanswered PULLs of the other end, of a session [1024] */
    int64_t max_sent_pulls;          /* our own, of a session [16384] */
    struct tp_msec read_timeout;     /* silence of a session [none] */
    struct tp_msec packet_timeout;   /* [60s] */
    struct tp_msec write_timeout;    /* [60s] */
    struct tp_msec exchange_timeout; /* of our handlers [60s] */
    struct tp_msec pull_timeout;     /* of our PULLs [60s] */
    struct tp_msec slow_threshold;   /* slower exchanges are logged as warnings [none] */
    bool logs_bodies;                /* header and body of each packet are logged */

    struct tp_msec dial_timeout; /* of one attempt [10s] */
    struct tp_redial redial;     /* [100ms, 30s, -1] */
    bool redials_never;          /* `redial` does not count */
    enum tp_id_conflict id_conflict;

    const struct tp_hooks *hooks; /* borrowed [none] */
    const void *hooks_conf;

    /* Of who has not said anything yet, and of what is dialed without a scheme ["teleport"]. */
    const char *protocol;

    const struct tp_log *log; /* [warnings, to standard error] */
    void *owner;              /* the program's own; see tp_peer_owner() */

    /*
     * Of what listens or dials at "tls://…": paths of PEM files, which are read then and borrowed
     * for the peer's life, and what is made of them.
     */
    const char *tls_certificate; /* who this end is: for listening, and who asks when it dials */
    const char *tls_key;         /* its private key [in the same file] */
    const char *tls_trusted;     /* who vouches for other ends [dialing: whom the system trusts] */
    bool tls_wants_clients;      /* who connects has to show what tls_trusted vouches for */
    bool tls_trusts_all;         /* what is dialed may show anything: for trying out */
    struct tp_msec handshake_timeout; /* [10s] */

    enum tp_on_full send_queue_full; /* what a full send_queue does [drop-new] */
    struct tp_heartbeat heartbeat;   /* [none are sent, those of other ends are answered] */

    /*
     * Who this end is, said on each connection of what it dials, before anything else: the bytes
     * themselves, or a file that they are read from each time; "id:secret", or a token.  Text in one
     * line; white space around it is not of it.  Both are copied when something is dialed.
     */
    const char *credentials;
    const char *credentials_file;
    const char *auth_uri; /* what is pulled for it over Teleport 2.5, borrowed ["/auth"] */
};

/* clang-format off */
#ifdef __cplusplus
static inline struct tp_peer_options
tp_peer_options_begin(void)
{
    struct tp_peer_options options = tp_peer_options();

    options.size = sizeof(options);
    return options;
}
#define TP_PEER_OPTIONS tp_peer_options_begin()
#else
#define TP_PEER_OPTIONS { .size = sizeof(struct tp_peer_options) }
#endif
/* clang-format on */

/*
 * Makes a peer, which belongs to this thread.  TP_INVALID: an option that cannot be what it is,
 * and is named in a line of the log; TP_MISMATCH: this build of the library does not know the protocol;
 * TP_NO_MEMORY, TP_NO_DESCRIPTORS.
 */
enum tp_result tp_peer_create(const struct tp_peer_options *options,
                              struct tp_peer **peer) TP_MUST_CHECK;

/*
 * Ends all sessions at once, and every PULL with them; frees everything, kept exchanges too, and
 * makes *peer NULL.  Waits for a name that is just being looked up.  Not from within a callback.
 */
void tp_peer_destroy(struct tp_peer **peer);

void *tp_peer_owner(const struct tp_peer *peer);

/* What was last refused or failed, in words, for people: "cannot listen on …: …"; never NULL. */
const char *tp_peer_last_error(const struct tp_peer *peer);

/* ---- Routes: who answers what.  Exact beats the longest prefix ("/math/...*") beats "*". ---- */

/*
 * From here on PULLs (PUSHes) to `uri` are the handler's; "*" are those that nobody else has.
 * TP_EXISTS: the uri has a handler; TP_INVALID: it is no uri; TP_DENIED: a post_reg hook.
 */
enum tp_result tp_peer_on_pull(struct tp_peer *peer, const char *uri, tp_handler_fn handler,
                               void *owner) TP_MUST_CHECK;
enum tp_result tp_peer_on_push(struct tp_peer *peer, const char *uri, tp_handler_fn handler,
                               void *owner) TP_MUST_CHECK;

/*
 * A group of routes below `prefix` ("/group"), with hooks of its own, which run behind those of
 * the peer or group around it.  `parent` NULL: the peer itself.  It lives as long as the peer.
 * `hooks` may be NULL.  TP_INVALID: the prefix, or a hook at a point that no route has.
 *
 * A uri of the group has the prefixes in front: "/test" in "/group" is "/group/test", and "*" is
 * all that is below "/group/".
 */
enum tp_result tp_peer_group(struct tp_peer *peer, struct tp_group *parent, const char *prefix,
                             const struct tp_hooks *hooks, const void *hooks_conf,
                             struct tp_group **group) TP_MUST_CHECK;
enum tp_result tp_group_on_pull(struct tp_group *group, const char *uri, tp_handler_fn handler,
                                void *owner) TP_MUST_CHECK;
enum tp_result tp_group_on_push(struct tp_group *group, const char *uri, tp_handler_fn handler,
                                void *owner) TP_MUST_CHECK;

/* ---- Sessions ---- */

/*
 * An address may have a protocol in front, here and where it is dialed: "raw://127.0.0.1:9090",
 * "http://…", "ws://127.0.0.1:9090/path".  Without one what is accepted tells by its first bytes.
 */

/*
 * Accepts sessions on "9090", "127.0.0.1:9090", "[::1]:9090" or "unix:/path"; port 0 is one that
 * the system chooses, and *port, unless NULL, is the one it is.  `fd` instead: on a listening
 * socket that was inherited, and is the peer's from here on, also when this fails.  Names are
 * not looked up.  TP_INVALID: it is no address, no listening socket, a protocol that is not built in; TP_IN_USE, TP_DENIED; TP_GONE:
 * the peer is being drained; else as errno says, in tp_peer_last_error() too.
 */
enum tp_result tp_peer_listen(struct tp_peer *peer, const char *address,
                              uint16_t *port) TP_MUST_CHECK;
enum tp_result tp_peer_listen_fd(struct tp_peer *peer, int fd) TP_MUST_CHECK;

struct tp_dial_options {
    size_t size;             /* of this struct as the program knows it */
    struct tp_msec timeout;  /* of one attempt [the peer's] */
    struct tp_redial redial; /* [each member: the peer's] */
    bool redials_never;      /* `redial` does not count */
    const char *id;          /* of the session, copied [none] */
    const char *tls_name;    /* whom "tls://…" has to reach, copied [the host of the address] */

    /* As in the peer's options, copied; where one of the first two is given the peer's do not count. */
    const char *credentials;
    const char *credentials_file;
    const char *auth_uri;
};

/* clang-format off */
#ifdef __cplusplus
static inline struct tp_dial_options
tp_dial_options_begin(void)
{
    struct tp_dial_options options = tp_dial_options();

    options.size = sizeof(options);
    return options;
}
#define TP_DIAL_OPTIONS tp_dial_options_begin()
#else
#define TP_DIAL_OPTIONS { .size = sizeof(struct tp_dial_options) }
#endif
/* clang-format on */

/*
 * A session that is connected, and again when its connection breaks, to "host:port", an address
 * as above ("9090" is this machine), or "unix:/path"; names are looked up without blocking.  It
 * is there at once: what it is asked to send before it is connected waits.  It is borrowed: good
 * until it ends.  `options` may be NULL.  TP_INVALID: it is no address, or an option cannot be;
 * TP_FULL: max_sessions; TP_EXISTS: the id; TP_GONE: the peer is being drained; TP_NO_MEMORY.
 * TP_INVALID also where the protocol has no place for credentials.
 *
 * Where it has credentials the session is open, and hooks of post_dial are called, when the other
 * end has taken them; one that refuses them is an attempt that has failed.
 */
enum tp_result tp_peer_dial(struct tp_peer *peer, const char *address,
                            const struct tp_dial_options *options,
                            struct tp_session **session) TP_MUST_CHECK;

/*
 * A session of a connected socket, which is the peer's from here on, also when this fails.  It
 * ends with its connection.  TP_INVALID: it is no connected stream socket; TP_DENIED: a hook.
 */
enum tp_result tp_peer_serve_fd(struct tp_peer *peer, int fd,
                                struct tp_session **session) TP_MUST_CHECK;

/*
 * Dials, without dialing again, pulls once, closes: a short connection.  Where nobody could be
 * reached the reply has status 101.  See tp_session_pull() for the rest.
 */
enum tp_result tp_peer_pull_once(struct tp_peer *peer, const char *address, struct tp_str uri,
                                 struct tp_str body, const struct tp_send_options *options,
                                 struct tp_reply **reply) TP_MUST_CHECK;

/* A session of the peer, borrowed; NULL when there is none. */
struct tp_session *tp_peer_find_number(struct tp_peer *peer, uint64_t number);
struct tp_session *tp_peer_find_id(struct tp_peer *peer, struct tp_str id);
size_t tp_peer_session_count(const struct tp_peer *peer);

/* Calls `visit` for each session until it returns false; it may close the one it is given. */
typedef bool (*tp_visit_fn)(struct tp_session *session, void *owner);
void tp_peer_walk(struct tp_peer *peer, tp_visit_fn visit, void *owner);

/*
 * Stops listening and dialing, closes each session gracefully, and calls `on_drained`, which may
 * be NULL, from the loop when the last one has ended.  Then the peer may listen and dial again.
 */
void tp_peer_drain(struct tp_peer *peer, void (*on_drained)(struct tp_peer *peer, void *owner),
                   void *owner);

/*
 * Closes all sessions at once, dialed ones for good; from within a callback at the end of the
 * turn.  The peer goes on listening, and may dial anew.
 */
void tp_peer_close_all(struct tp_peer *peer);

/* ---- Services: what a registry tells others that this end serves ---- */

struct tp_service {
    size_t size;             /* of this struct as the program knows it */
    const char *name;        /* "math" */
    const char *const *uris; /* at least one: "/math/add", "/math/...*", or "*" */
    size_t uri_count;
    uint32_t weight;    /* its share of the PULLs, compared with others' [1] */
    uint32_t max_pulls; /* that may wait for an answer of it [any number] */
    const char *meta;   /* JSON, for whoever looks [none] */

    /* Where it listens, and for how long that holds without a sign of life [this session, as long as
     * it is connected; what the registry says]. */
    const char *address;
    struct tp_msec ttl;

    /* Told each time what the registry answers [nobody; a refusal is logged]. */
    tp_reply_fn on_reply;
    void *owner;
};

/* clang-format off */
#ifdef __cplusplus
static inline struct tp_service
tp_service_begin(void)
{
    struct tp_service service = tp_service();

    service.size = sizeof(service);
    return service;
}
#define TP_SERVICE tp_service_begin()
#else
#define TP_SERVICE { .size = sizeof(struct tp_service) }
#endif
/* clang-format on */

/*
 * From here on a dialed session announces the service: now, and each time that it is connected
 * again; where the registry has no room or time, again after 5 s.  One of the same name is
 * replaced; all is copied.  TP_INVALID: it has no name or no uri, or the session was not dialed;
 * TP_NO_MEMORY.
 */
enum tp_result tp_session_announce(struct tp_session *session,
                                   const struct tp_service *service) TP_MUST_CHECK;

/*
 * Announces it no more, and takes it out: nothing new comes once `on_reply` was told that, and what
 * is in flight is to be finished.  TP_NOT_FOUND: it is not announced; else as
 * tp_session_pull_async() says, and then it is taken out when the connection ends.
 */
enum tp_result tp_session_withdraw(struct tp_session *session, const char *name,
                                   tp_reply_fn on_reply, void *owner) TP_MUST_CHECK;

/* ---- Waiting ---- */

/*
 * Pulls, and lets the loop run until there is an answer.  *reply is the caller's
 * (tp_reply_free()), whatever status it has.  TP_DENIED: from within a callback, where waiting
 * would stop the loop; else as tp_session_pull_async() says.
 */
enum tp_result tp_session_pull(struct tp_session *session, struct tp_str uri, struct tp_str body,
                               const struct tp_send_options *options,
                               struct tp_reply **reply) TP_MUST_CHECK;

/* Frees a reply that was waited for; makes *reply NULL. */
void tp_reply_free(struct tp_reply **reply);

/*
 * Lets the loop run until the session is open, or for at most `timeout`: TP_TIMED_OUT, TP_GONE.
 * TP_DENIED: it has ended because its credentials were refused, and tp_peer_last_error() says with
 * which status; or this is called from within a callback.
 */
enum tp_result tp_session_wait_open(struct tp_session *session,
                                    struct tp_msec timeout) TP_MUST_CHECK;

/* Lets the loop run until all that the session was given has been written: TP_TIMED_OUT, TP_GONE. */
enum tp_result tp_session_flush(struct tp_session *session, struct tp_msec timeout) TP_MUST_CHECK;

/* ---- The loop ---- */

/*
 * Runs until tp_peer_stop(), which callbacks may call.  A stop while it does not run ends the next
 * run at once.
 */
void tp_peer_run(struct tp_peer *peer);
void tp_peer_stop(struct tp_peer *peer);

/*
 * One turn, which waits for at most `wait_max_ms`; -1: until something happens, 0: not at all.
 * Like tp_peer_run(), not from within a callback.
 */
void tp_peer_turn(struct tp_peer *peer, int64_t wait_max_ms);

/*
 * For a program with a loop of its own: a descriptor that is readable whenever there is
 * something to do, timers included; call tp_peer_turn(peer, 0) then.  It is the peer's.
 * -1: none could be had.
 */
int tp_peer_fd(struct tp_peer *peer);

/*
 * Calls `run` from the peer's loop, soon.  May be called from any thread, as long as the peer
 * lives.  What is not run when the peer is destroyed is not run.  TP_FULL: 65536 wait already.
 */
enum tp_result tp_peer_post(struct tp_peer *peer, void (*run)(struct tp_peer *peer, void *owner),
                            void *owner) TP_MUST_CHECK;

/*
 * Calls `run` once, from the loop, after `delay`.  *timer, never 0, names it for
 * tp_peer_cancel_timer().  TP_INVALID: less than nothing, or more than 365 days; TP_NO_MEMORY.
 */
enum tp_result tp_peer_start_timer(struct tp_peer *peer, struct tp_msec delay,
                                   void (*run)(struct tp_peer *peer, void *owner), void *owner,
                                   uint64_t *timer) TP_MUST_CHECK;

/* Does nothing when it has run, or was cancelled. */
void tp_peer_cancel_timer(struct tp_peer *peer, uint64_t timer);

/* ---- About the library ---- */

/* "0.1.0" */
const char *tp_version(void);

#ifdef __cplusplus
}
#endif

#endif
