/*
 * teleport/upstream.h - places that PULLs and PUSHes can be passed on to: the servers of an
 * `upstream` block, one that is named by its address, or the members of a service that come and go.
 *
 * Each worker has its own sessions to them: few, long-lived, each for many PULLs at once.  One of
 * the places is chosen for each PULL by weight; what has failed is left alone for a while, and a
 * PULL that fails before it was sent goes to another.
 *
 * Threads: the worker's loop.
 */
#ifndef TELEPORT_UPSTREAM_H
#define TELEPORT_UPSTREAM_H

#include <teleport/directive.h>
#include <teleport/exchange.h>
#include <teleport/session.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_block;
struct tp_sessions;

enum {
    TP_UPSTREAM_NAME_MAX = 64, /* bytes */
    TP_MEMBER_KEY_MAX = 128,   /* bytes */
    TP_MEMBERS_MAX = 4096,     /* of one upstream */
};

/* Places of one name, in a worker. */
struct tp_upstream;

/*
 * What a conf says of where to pass something on, once it is used.  What `registry:math` and the
 * like mean says the module that has that word; see struct tp_upstream_finder.
 */
struct tp_upstream_ref;

/*
 * For `validate`: the conf passes something on to `name`: an `upstream` block of the peer, an
 * address such as 127.0.0.1:9191 or http://10.0.0.7:8080, or WORD:NAME or WORD of a finder.  *ref,
 * in the conf, is set at once; what is wrong is complained of.
 */
void tp_upstream_declare(const struct tp_block *block, const char *directive,
                         const struct tp_upstream_ref **ref, struct tp_str name);

/*
 * The same for a URL, where HTTP is spoken: http://HOST:PORT/PATH, or http://NAME/PATH and
 * https://NAME/PATH of an `upstream` block whose servers all speak it, with TLS as the scheme says.
 * *path is what stands behind the host, without '/' at its end.
 */
void tp_upstream_declare_url(const struct tp_block *block, const char *directive,
                             const struct tp_upstream_ref **ref, struct tp_str url,
                             struct tp_str *path);

/* What is looked for. */
struct tp_upstream_search {
    struct tp_sessions *home;
    struct tp_str name;                 /* what stands behind the ':' */
    const struct tp_exchange *exchange; /* NULL: nothing was asked by a session */
    bool is_for_own;                    /* among members that have dialed in to this server only */
    struct tp_status status;            /* why there is none */
};

/*
 * A part of a module's descriptor: what it finds by names that begin with its word.  `conf` is the
 * module's conf of the block that was given to tp_upstream_declare(); where nothing stands behind the
 * word, `name` is empty, and the exchange's uri says what is meant.
 */
struct tp_upstream_finder {
    const char *word; /* "registry"; NULL: it finds nothing */

    /*
     * For a configuration that is loaded: NULL, or why `name` cannot be found with this conf, whose
     * values are in and not yet validated.
     */
    const char *(*check)(const void *conf, struct tp_str name);

    /* NULL: there is none now, which may set search->status; else that is 404. */
    struct tp_upstream *(*find)(struct tp_upstream_search *search, const void *conf);
};

/* The upstream that it means now, for this exchange or for none; NULL: there is none. */
struct tp_upstream *tp_upstream_at(const struct tp_upstream_ref *ref, struct tp_sessions *home,
                                   const struct tp_exchange *exchange);

/* When a PULL that has failed is tried elsewhere: bits. */
enum tp_pass_on {
    TP_PASS_ON_ERROR = 1 << 0,   /* the connection could not be had, or has ended */
    TP_PASS_ON_TIMEOUT = 1 << 1, /* no answer in time */
    TP_PASS_ON_502 = 1 << 2,
    TP_PASS_ON_503 = 1 << 3,
    TP_PASS_ON_504 = 1 << 4,
};

/* What is told of who has asked. */
enum tp_pass_customer {
    TP_PASS_CUSTOMER_OFF,
    TP_PASS_CUSTOMER_METADATA, /* X-Real-IP and X-Session-Id, where the protocol has metadata */
    TP_PASS_CUSTOMER_QUERY,    /* …and else as arguments of the uri */
};

/* How an exchange is passed on; borrowed for the call. */
struct tp_pass_options {
    struct tp_str uri;            /* instead of the exchange's; empty: that */
    struct tp_msec timeout;       /* of one try, from when it is sent to its REPLY */
    unsigned next_on;             /* TP_PASS_ON_… */
    int64_t tries_max;            /* places that are tried, in all */
    struct tp_msec tries_timeout; /* no further try begins later than this; 0: any time */
    bool is_idempotent;           /* may be tried again though it may have been done already */
    enum tp_pass_customer customer;
};

/*
 * For `validate`: what proxy_timeout, proxy_next_upstream, idempotent and proxy_customer say in the
 * block; good as long as the configuration, and complete once that is used.
 */
const struct tp_pass_options *tp_pass_options_of(const struct tp_block *block);

/*
 * Passes the exchange on and answers it, later or now: with what comes back; with 404 when there is
 * no such upstream now, 503 when no place has taken it, 502 when one was lost that may have done it, 504 when it has not answered in time;
 * at once and whatever dies.  A PUSH goes as a PULL where the other protocol has none, and what is
 * answered ends it.  For handlers.
 */
void tp_upstream_pass(const struct tp_upstream_ref *ref, struct tp_exchange *exchange,
                      const struct tp_pass_options *options);

/*
 * Asks one of the places on our own account.  `on_reply` is called exactly once, from the loop and
 * never from within this call, unless another result than TP_OK is returned: TP_GONE: no place can
 * take it; TP_NO_MEMORY.  Where a key chooses, that is the body.
 */
struct tp_upstream_question {
    struct tp_str uri;
    struct tp_str body;
    uint8_t body_codec;
    bool is_secret; /* the body: no log shows it */
    struct tp_msec timeout;
    int64_t tries_max;
};
enum tp_result tp_upstream_ask(struct tp_upstream *upstream,
                               const struct tp_upstream_question *question, tp_reply_fn on_reply,
                               void *owner) TP_MUST_CHECK;

/* How one of the places is chosen: ROW(NAME, word, sentence) */
/* clang-format off */
#define TP_BALANCE_TABLE(ROW)                                                                      \
    ROW(ROUND_ROBIN,   "round_robin",   "Each in its turn, as often as its weight says.")          \
    ROW(LEAST_PENDING, "least_pending", "Who has the fewest unanswered PULLs for its weight.")     \
    ROW(HASH,          "hash",          "What has the same key goes to the same place.")
/* clang-format on */

enum tp_balance {
#define TP_BALANCE_ENUM_ROW(name, word, sentence) TP_BALANCE_##name,
    TP_BALANCE_TABLE(TP_BALANCE_ENUM_ROW)
#undef TP_BALANCE_ENUM_ROW
};

/* NULL, or what an address would have to be that a member has; `like` as for tp_upstream_create(). */
const char *tp_upstream_check_address(const struct tp_upstream_ref *like, struct tp_str address);

/* A place of an upstream whose places come and go. */
struct tp_upstream_member {
    struct tp_str key;       /* what tells it from others, also for its health; copied */
    uint64_t session_number; /* a session of any worker; 0: it has an address */
    struct tp_str address;   /* as `server` has it; copied */
    uint32_t weight;         /* 1 to 1 000 000 */
    uint32_t max_pulls;      /* that may wait for an answer of it; 0: any number */
    bool is_draining;        /* it gets nothing new */

    /* It is another server that passes on: it is told to do so only to who has dialed in to it. */
    bool is_server;
};

/*
 * An upstream of this worker, without members.  What is dialed is dialed as the conf's block says
 * (see tp_upstream_declare(), with "" as the name).  NULL: memory is out.
 */
struct tp_upstream *tp_upstream_create(struct tp_sessions *home, const struct tp_upstream_ref *like,
                                       struct tp_str name, enum tp_balance balance) TP_MUST_CHECK;

/*
 * These are its members from here on; those of the same key stay what they are.  What is in flight
 * at others goes on there.  TP_TOO_LARGE, TP_INVALID: an address is none; TP_NO_MEMORY: it is as it
 * was.
 */
enum tp_result tp_upstream_set_members(struct tp_upstream *upstream,
                                       const struct tp_upstream_member *members,
                                       size_t count) TP_MUST_CHECK;

/* What a member is doing in this worker. */
struct tp_upstream_member_state {
    uint32_t pending;
    bool is_usable; /* it is there, and has not failed lately */
};
bool tp_upstream_member_state(const struct tp_upstream *upstream, struct tp_str key,
                              struct tp_upstream_member_state *state);

/* Whoever has created it lets go; what is in flight ends as it would.  *upstream becomes NULL. */
void tp_upstream_release(struct tp_upstream **upstream);

#ifdef __cplusplus
}
#endif

#endif
