/*
 * peer/peer.h - the inside of a peer, for the files of this folder only.
 *
 * A peer is what a worker and its configuration are in the server: one loop, one set of
 * sessions, one struct tp_server made of options instead of a file.
 */
#ifndef TP_PEER_PEER_H
#define TP_PEER_PEER_H

#include <teleport/teleport.h>

#include "base/arena.h"
#include "event/inbox.h"
#include "event/pool.h"
#include "os/log_file.h"
#include "os/thread.h"
#include "session/session.h"

enum {
    TP_PEER_MAGIC = 0x54505045, /* "TPPE" */
    TP_PEER_ERROR_MAX = 512,    /* bytes of tp_peer_last_error() and its terminator */
    TP_PEER_PROTOCOLS_MAX = 16, /* that can be built in */
    TP_PEER_KEEPINGS_MAX = 16,  /* modules that keep something of sessions */
};

/* The longest delay of a timer, and time-out of an option. */
#define TP_PEER_DELAY_MAX_MS (INT64_C(365) * 24 * 60 * 60 * 1000)

/* The routes of one packet type. */
struct tp_peer_routes {
    struct tp_list_node members; /* struct peer_route; they live as long as the peer */
    size_t count;
    struct tp_router *router; /* the server's */
    struct tp_arena arena;    /* its tables */
};

/* Routes below a prefix, with hooks of their own. */
struct tp_group {
    struct tp_list_node node;
    struct tp_peer *peer;
    struct tp_group *parent;
    const struct tp_hooks *hooks;
    const void *hooks_conf;
    const struct tp_hook_set *route_hooks; /* of its routes: the peer's, and those of groups */
    struct tp_arena hooks_arena;
    struct tp_str prefix; /* with those of the groups around it; lies in text, terminated */
    char text[];
};

/* Timers by their names; one that has run is used again. */
struct tp_peer_timers {
    struct peer_timer **all; /* `count` of them, each where it was made */
    size_t count;
    size_t capacity;
    struct peer_timer *free;
};

/* How a session that is dialed speaks TLS: borrowed from the peer, and for the call. */
struct tp_peer_tls {
    struct tp_tls_context *context;
    char name[TP_TLS_NAME_MAX + 1]; /* empty: anybody */
};

struct tp_peer {
    uint32_t magic;
    struct tp_thread_name thread;   /* whose it is */
    struct tp_peer_options options; /* with presets where the program has said nothing */
    struct tp_log_file standard_error;
    struct tp_log log;
    struct tp_loop *loop;
    struct tp_pool *pool; /* looks names up */
    struct tp_inbox inbox;
    struct tp_counted configuration; /* held by sessions and exchanges; never freed by them */
    struct tp_protocol_use protocols[TP_PEER_PROTOCOLS_MAX]; /* the server's */
    struct tp_keeping_use keepings[TP_PEER_KEEPINGS_MAX];    /* the server's */
    struct tp_server server;
    struct tp_sessions sessions;
    uint64_t last_number; /* of a session */
    struct tp_peer_routes pulls;
    struct tp_peer_routes pushes;
    struct tp_list_node groups;
    struct tp_list_node services; /* that are announced on dialed sessions */
    struct tp_arena hooks_arena;
    const struct tp_hook_set *route_hooks; /* of routes in no group */
    struct tp_list_node listens;
    struct tp_peer_timers timers;
    struct tp_source dials;             /* what dialed sessions come from */
    struct tp_source givens;            /* the same for sockets that the program has connected */
    struct tp_tls_context *tls_accepts; /* NULL until somebody listens with it */
    struct tp_tls_context *tls_dials;   /* the same */
    bool is_stopping;                   /* tp_peer_run() returns, or does not begin */
    bool is_ending;                     /* it is being destroyed */
    bool is_draining;
    void (*on_drained)(struct tp_peer *peer, void *owner);
    void *drained_owner;
    struct tp_work drained;   /* tells it */
    struct tp_work close_all; /* of tp_peer_close_all() from within a callback */
    char last_error[TP_PEER_ERROR_MAX];
};

/* Every public call begins with this: the peer is one, and this is its thread. */
void tp__peer_check(const struct tp_peer *peer);

/* True within hooks, handlers and callbacks, whether from the loop or from a call of the program. */
static inline bool
tp__peer_is_in_callback(const struct tp_peer *peer)
{
    return tp__loop_is_in_turn(peer->loop) || peer->sessions.callout_count > 0;
}

/* Makes the formatted text tp_peer_last_error(), and returns `result`. */
enum tp_result tp__peer_fail(struct tp_peer *peer, enum tp_result result, const char *format, ...)
    TP_PRINTF(3, 4);

/*
 * Completes what the program says with presets.  NULL, or the name of the option that cannot be
 * what it is; "size": the program knows options that this library does not.
 */
const char *tp__peer_options_complete(const struct tp_peer_options *given,
                                      struct tp_peer_options *complete);

/*
 * Takes over as much of a struct that says its size as both sides know; the rest of `known` is
 * zeros.  False: it says more than this library knows.
 */
bool tp__options_take(void *known, size_t known_size, const void *given, size_t given_size);

/*
 * Reads an address with, perhaps, a protocol in front; `use` is NULL where none is named.  NULL,
 * or what it would have to be.
 */
const char *tp__peer_read_target(const struct tp_peer *peer, const char *text,
                                 struct tp_target *target, const struct tp_protocol_use **use);

/* What the options say, as a server; false when its protocol is not built in. */
bool tp__peer_server_init(struct tp_peer *peer);

enum tp_result tp__peer_routes_init(struct tp_peer_routes *routes,
                                    struct tp_router *router) TP_MUST_CHECK;
void tp__peer_routes_fini(struct tp_peer_routes *routes);

/* Adds those of modules, which make way for the program's.  TP_NO_MEMORY. */
enum tp_result tp__peer_routes_add_own(struct tp_peer *peer,
                                       struct tp_peer_routes *routes) TP_MUST_CHECK;

/* The conf of a module of the library, made of the options; NULL: it has none. */
const void *tp__peer_conf(const struct tp_peer *peer, const struct tp_module *module);
void tp__peer_groups_fini(struct tp_peer *peer);

/* Makes the chains of the peer's hooks, and of a group's routes.  TP_NO_MEMORY. */
enum tp_result tp__peer_hooks_init(struct tp_peer *peer) TP_MUST_CHECK;
enum tp_result tp__group_hooks_init(struct tp_group *group) TP_MUST_CHECK;

/*
 * Asks the hooks of a point that has to do with the peer as a whole; where one refuses,
 * tp_peer_last_error() says so.
 */
bool tp__peer_hooks_let_pass(struct tp_peer *peer, const struct tp_hook_set *set,
                             enum tp_hook_point point, struct tp_str text);

/*
 * The context of who connects, and how `target` is dialed, where `wanted` says, or else its host,
 * whom that has to reach.  Failing, tp_peer_last_error() says why.
 */
enum tp_result tp__peer_tls_accepts(struct tp_peer *peer,
                                    struct tp_tls_context **context) TP_MUST_CHECK;
enum tp_result tp__peer_tls_dials(struct tp_peer *peer, const struct tp_target *target,
                                  const char *wanted, struct tp_peer_tls *tls) TP_MUST_CHECK;
void tp__peer_tls_fini(struct tp_peer *peer);

/* Stops accepting and closes what is listened on; the records stay for sessions that name them. */
void tp__peer_listens_stop(struct tp_peer *peer);
void tp__peer_listens_fini(struct tp_peer *peer);

void tp__peer_timers_fini(struct tp_peer *peer);

void tp__peer_sessions_init(struct tp_peer *peer);

/* What becomes of a dialed session, for what is announced on it; `owner` is the peer. */
void tp__peer_on_dial_change(struct tp_session *session, enum tp_dial_change change, void *owner);

/*
 * Whether a session, or an address to listen on, may be added now.  TP_GONE: the peer is being
 * drained or destroyed.
 */
enum tp_result tp__peer_may_begin(const struct tp_peer *peer) TP_MUST_CHECK;

/* A session has begun or ended: that may have been the last one. */
void tp__peer_on_count_changed(void *owner);

/* A number that no session of the peer has had. */
uint64_t tp__peer_next_number(struct tp_peer *peer);

/*
 * Lets `redial` be what its fields say, and where they are 0 what `presets` says; `never` beats
 * both.  False: a field that cannot be.
 */
bool tp__redial_complete(struct tp_redial *redial, const struct tp_redial *presets, bool never);

#endif
