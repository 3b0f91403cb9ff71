/*
 * teleport/hooks.h - the points in the life of a peer, a session or an exchange at which
 * others have a say.
 *
 * A hook lets pass, refuses with a status, or says that it will know later.  Those of one
 * point run in their order, and the first that does not let pass ends the round.  Points
 * and names are those of Teleport 2.5 (plugins), and the later ones that proved needed.
 *
 * In the server a hook gets its module's conf of the block it stands in.  Those of the points
 * that a route has stand on the routes if the module has directives there, and are run with
 * the route's conf (for what has no route, with the server's); all others stand on the server.
 * So each hook is run once for each event.
 *
 * A hook that is given an exchange may answer a PULL itself, before its handler is run (say,
 * from a cache); what was answered passes no further hook or handler but pre_write_reply and
 * post_write_reply.  A hook ends a session with tp_session_close(), or with
 * tp_session_end() and a reason.
 *
 * Threads: the peer's loop.
 */
#ifndef TELEPORT_HOOKS_H
#define TELEPORT_HOOKS_H

#include <teleport/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_exchange;
struct tp_peer;
struct tp_session;

/* What a point has to do with: what a call of it is given. */
enum tp_hook_subject {
    TP_HOOK_OF_PEER,     /* neither a session nor an exchange: a text says what it is about */
    TP_HOOK_OF_SESSION,  /* a session */
    TP_HOOK_OF_EXCHANGE, /* an exchange, and its session */
};

/* What a hook of a point may do besides letting pass. */
enum tp_hook_power {
    TP_HOOK_WATCHES = 0,   /* nothing: a refusal is only logged */
    TP_HOOK_REFUSES = 1,   /* refuse */
    TP_HOOK_POSTPONES = 2, /* refuse, or say later */
};

/*
 * ROW(NAME, word, subject, power, may stand on a route, sentence), in the order in which the
 * points come in the life of a peer, of a session, of an exchange that is ours, and of one that
 * is the other end's.  A later version adds rows at the end: programs know a point's number.
 */
/* clang-format off */
#define TP_HOOK_TABLE(ROW)                                                                         \
    ROW(POST_REG,              "post_reg",              PEER,     REFUSES,   true,                 \
        "A route was registered; refusing takes it back.")                                         \
    ROW(POST_LISTEN,           "post_listen",           PEER,     REFUSES,   false,                \
        "The peer listens on an address; refusing closes it again.")                               \
    ROW(PRE_DIAL,              "pre_dial",              SESSION,  REFUSES,   false,                \
        "A session is about to be connected, again or for the first time; refusing counts as a failed attempt.") \
    ROW(POST_DIAL,             "post_dial",             SESSION,  POSTPONES, false,                \
        "A session was connected; refusing ends it, and later holds back its packets.")            \
    ROW(POST_ACCEPT,           "post_accept",           SESSION,  POSTPONES, false,                \
        "A connection was accepted; refusing closes it, and later holds back its packets.")        \
    ROW(POST_DISCONNECT,       "post_disconnect",       SESSION,  WATCHES,   false,                \
        "The connection of a session has ended; a dialed one may come back.")                      \
    ROW(PRE_WRITE_PULL,        "pre_write_pull",        EXCHANGE, POSTPONES, false,                \
        "A PULL of ours is about to be queued; refusing ends it with that status.")                \
    ROW(POST_WRITE_PULL,       "post_write_pull",       EXCHANGE, WATCHES,   false,                \
        "A PULL of ours is encoded and leaves with what is written next.")                         \
    ROW(POST_READ_REPLY_HEADER,"post_read_reply_header",EXCHANGE, POSTPONES, false,                \
        "The REPLY to a PULL of ours has come; refusing replaces its status.")                     \
    ROW(PRE_READ_REPLY_BODY,   "pre_read_reply_body",   EXCHANGE, POSTPONES, false,                \
        "The body of a REPLY is about to be handed on; refusing replaces its status.")             \
    ROW(POST_READ_REPLY_BODY,  "post_read_reply_body",  EXCHANGE, POSTPONES, false,                \
        "The body of a REPLY may be read; refusing replaces the REPLY's status.")                  \
    ROW(PRE_WRITE_PUSH,        "pre_write_push",        EXCHANGE, POSTPONES, false,                \
        "A PUSH of ours is about to be queued; refusing drops it, which its sender is told.")      \
    ROW(POST_WRITE_PUSH,       "post_write_push",       EXCHANGE, WATCHES,   false,                \
        "A PUSH of ours is encoded and leaves with what is written next.")                         \
    ROW(PRE_READ_HEADER,       "pre_read_header",       SESSION,  POSTPONES, false,                \
        "A packet is about to be taken from what has come; refusing ends the session.")            \
    ROW(POST_READ_PULL_HEADER, "post_read_pull_header", EXCHANGE, POSTPONES, true,                 \
        "A PULL has come; on a peer or server before its route is looked for, on a route behind.") \
    ROW(PRE_READ_PULL_BODY,    "pre_read_pull_body",    EXCHANGE, POSTPONES, true,                 \
        "The route of a PULL is known; its body has not been looked at.")                          \
    ROW(POST_READ_PULL_BODY,   "post_read_pull_body",   EXCHANGE, POSTPONES, true,                 \
        "The body of a PULL may be read; its handler comes next.")                                 \
    ROW(PRE_WRITE_REPLY,       "pre_write_reply",       EXCHANGE, POSTPONES, true,                 \
        "A PULL has its outcome; refusing replaces it.")                                           \
    ROW(POST_WRITE_REPLY,      "post_write_reply",      EXCHANGE, WATCHES,   true,                 \
        "The REPLY is encoded and leaves with what is written next.")                              \
    ROW(POST_READ_PUSH_HEADER, "post_read_push_header", EXCHANGE, POSTPONES, true,                 \
        "A PUSH has come; on a peer or server before its route is looked for, on a route behind.") \
    ROW(PRE_READ_PUSH_BODY,    "pre_read_push_body",    EXCHANGE, POSTPONES, true,                 \
        "The route of a PUSH is known; its body has not been looked at.")                          \
    ROW(POST_READ_PUSH_BODY,   "post_read_push_body",   EXCHANGE, POSTPONES, true,                 \
        "The body of a PUSH may be read; its handler comes next.")
/* clang-format on */

enum tp_hook_point {
#define TP_HOOK_ENUM_ROW(name, word, subject, power, on_route, sentence) TP_HOOK_##name,
    TP_HOOK_TABLE(TP_HOOK_ENUM_ROW)
#undef TP_HOOK_ENUM_ROW
    TP_HOOK_POINT_COUNT
};

/* What a hook says. */
enum tp_verdict {
    TP_PASS,
    TP_REFUSE, /* with the call's `refusal` */
    TP_LATER,  /* it calls tp_exchange_resume() or tp_session_resume(), once it has returned */
};

/*
 * What a hook is given: what the table says its point has to do with, and NULL for the rest.
 * `text` is the uri at post_reg, the address at post_listen, the target at pre_dial, the word
 * of the reason at post_disconnect, and empty elsewhere.
 */
struct tp_hook_call {
    enum tp_hook_point point;
    struct tp_peer *peer; /* NULL in the server */
    struct tp_session *session;
    struct tp_exchange *exchange;
    struct tp_str text; /* uri, address, target or reason: see above */

    /* Why it refuses: 403 "Forbidden" unless the hook writes another; its texts are copied. */
    struct tp_status refusal;
};

/* `conf`: in the server the module's conf of the block, in the library what came with the hooks. */
typedef enum tp_verdict (*tp_hook_fn)(struct tp_hook_call *call, const void *conf);

/* The hooks of one module, or of one program: NULL where it has nothing to say. */
struct tp_hooks {
    size_t size; /* of this struct as the program knows it; 0: as it was in 0.1 */
    tp_hook_fn at[TP_HOOK_POINT_COUNT];
};

/* "post_accept", and its sentence. */
const char *tp_hook_point_word(enum tp_hook_point point);
const char *tp_hook_point_sentence(enum tp_hook_point point);

/*
 * Goes on with an exchange for which a hook has said later: lets it pass to the next hook, or
 * refuses it.  This call must come, because the exchange stays until then, whatever becomes of
 * its session; where its time has run out meanwhile, or its session has ended, it does nothing
 * else.  `refusal` says why for TP_REFUSE (its texts are copied); NULL is 403.
 */
void tp_exchange_resume(struct tp_exchange *exchange, enum tp_verdict verdict,
                        const struct tp_status *refusal);

/*
 * The same for a session, which may end meanwhile: find it again by its handle.  Does nothing
 * when no hook has it, as when its connection has ended.
 */
void tp_session_resume(struct tp_session *session, enum tp_verdict verdict,
                       const struct tp_status *refusal);

/*
 * Gives a PULL or PUSH that has come another uri, which is copied, before its route is looked
 * for: at post_read_pull_header and post_read_push_header of a peer or server.  The REPLY
 * repeats the one that came, all the same.  TP_INVALID: it is no uri; TP_DENIED: the route is
 * known already; TP_TOO_LARGE: more than the packet limit; TP_NO_MEMORY.  The uri is as it was.
 */
enum tp_result tp_exchange_set_uri(struct tp_exchange *exchange, struct tp_str uri) TP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
