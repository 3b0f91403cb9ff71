/*
 * upstream/upstream.h - the upstreams of a worker, by name: they outlive configurations, so that a
 * reload that leaves a place as it is leaves the sessions to it, what is in flight and what is
 * known of its health.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_UPSTREAM_UPSTREAM_H
#define TP_UPSTREAM_UPSTREAM_H

#include <teleport/upstream.h>

#include "base/list.h"
#include "base/text.h"
#include "event/loop.h"
#include "server/server.h"
#include "session/home.h"

enum {
    TP_MAX_FAILS_PRESET = 3,
    TP_FAIL_TIMEOUT_PRESET_MS = 10 * 1000,
};

/* A place that is configured; all here is a part of a configuration. */
struct tp_upstream_place {
    struct tp_str key;          /* as it is written */
    const struct tp_dial *dial; /* its source has a name of its own, by which reloads find it */
    uint32_t weight;
    uint32_t max_pulls; /* that may wait for an answer in a worker; 0: any number */
    uint32_t max_fails; /* within fail_timeout, and it is left alone that long; 0: never */
    struct tp_msec fail_timeout;
    bool is_backup; /* only while no other can be had */
    bool is_down;   /* not at all */
};

/* Asks each place again and again whether it is well. */
struct tp_health_check {
    struct tp_str uri; /* empty: it is not asked */
    struct tp_msec interval;
    struct tp_msec timeout;
    int64_t fails;  /* in a row, and it is left alone */
    int64_t passes; /* in a row, and it is taken again */
};

struct tp_upstream_options {
    const char *name;
    enum tp_balance balance;
    const struct tp_template *key; /* of hash */
    int64_t session_count;         /* to each place, in each worker; 0: what its protocol needs */
    int64_t waiting_max;           /* PULLs that wait for a place, in each worker */
    struct tp_msec keepalive;      /* of a session for one PULL at a time, while it has none */
    struct tp_health_check check;
    const struct tp_upstream_place *places;
    size_t place_count;

    /* How members are dialed that have an address; `target` of its dialing does not count. */
    const struct tp_dial *member_dial;
};

/* See teleport/upstream.h; a part of a configuration. */
struct tp_upstream_ref {
    struct tp_upstream_ref *next;
    const struct tp_block *block; /* whose conf says it */
    struct tp_str name;
    const char *origin;
    const struct tp_upstream_finder *finder; /* NULL: it is an upstream of the configuration */
    const void *finder_conf;
    struct tp_str found_name;
    const struct tp_upstream_options *options; /* …which these make */
    struct tp_upstream *upstream;              /* held while the configuration is used */
};

/* What keeps a log from being flooded. */
struct upstream_hush {
    int64_t logged_ms; /* when something was last logged; 0: never */
    uint64_t unlogged; /* and how much was not since */
};

struct tp_upstreams {
    struct tp_sessions *home;
    struct tp_list_node members;
    uint64_t (*next_number)(void *owner); /* of a session */
    void *owner;
    bool is_stopped;
    size_t link_count;            /* sessions to places */
    struct tp_text scratch;       /* what a packet has to say besides */
    struct tp_home_ear ear;       /* hears what other workers find out about places */
    struct tp_home_lease *checks; /* whoever holds it asks places whether they are well; or NULL */
    struct tp_list_node free_passes;
    size_t free_pass_count;
    struct upstream_hush hush; /* of what no upstream was found for */
};

/* None yet; `home` knows them from here on. */
enum tp_result tp__upstreams_create(struct tp_sessions *home, uint64_t (*next_number)(void *owner),
                                    void *owner, struct tp_upstreams **made) TP_MUST_CHECK;

/* Ends them; the sessions of the worker have ended before, and nobody holds any. */
void tp__upstreams_destroy(struct tp_upstreams **upstreams);

/*
 * The upstream of that name, held for the caller, who lets go with tp_upstream_release(); one that
 * is new gets what `options` say.  NULL: memory is out.
 */
struct tp_upstream *tp__upstreams_hold(struct tp_upstreams *upstreams,
                                       const struct tp_upstream_options *options) TP_MUST_CHECK;

/*
 * The configuration in force wants these, and no others that are configured: places that are gone
 * get nothing new, and their sessions end when what is in flight has.
 */
void tp__upstreams_apply(struct tp_upstreams *upstreams, const struct tp_upstream_options *options,
                         size_t count);

/* Sessions to places there are now. */
size_t tp__upstreams_session_count(const struct tp_upstreams *upstreams);

/* A worker that was to stop serves again: the next tp__upstreams_apply() dials anew. */
void tp__upstreams_resume(struct tp_upstreams *upstreams);

/* The worker stops: nothing is dialed any more, and what waits for a place ends. */
void tp__upstreams_stop(struct tp_upstreams *upstreams);

#endif
