/*
 * session/home.h - a worker as its modules see it (teleport/home.h), from below: what other parts of
 * the server do with it, or give it.
 *
 * Threads: the worker's loop.
 * Read next: home_tell.c, home_lease.c.
 */
#ifndef TP_SESSION_HOME_H
#define TP_SESSION_HOME_H

#include <teleport/module.h>

#include "base/list.h"

struct tp_sessions;
struct tp_zone;

enum {
    TP_HOME_WORD_MAX = 63,
};

/* Hears what other workers tell with its word; embedded in its owner. */
struct tp_home_ear {
    struct tp_list_node node;
    const char *word; /* modules' begin with TP_HOME_MODULE_WORD; no other does */
    void (*on_told)(struct tp_home_ear *ear, unsigned from_slot, struct tp_str bytes);
};

#define TP_HOME_MODULE_WORD "module "

/* The jobs that its modules have leases for: see home_lease.c. */
struct tp_home_leases {
    struct tp_list_node jobs;
    struct tp_zone *zone; /* borrowed; NULL: there are no other workers */
    int32_t pid;
    bool is_resting; /* the worker drains: others have the jobs */
    struct tp_home_ear ear;
};

/* What there is of it beside loop, threads and sessions: a part of struct tp_sessions. */
struct tp_home {
    struct tp_module_list modules;
    struct tp_list_node ears;
    struct tp_list_node data; /* what modules keep of it */
    struct tp_home_leases leases;
};

void tp__home_init(struct tp_sessions *sessions);
void tp__home_fini(struct tp_sessions *sessions);

/* Listens from here on, until tp__list_remove(&ear->node). */
void tp__home_listen(struct tp_sessions *sessions, struct tp_home_ear *ear);

/* As tp_home_tell(), for whoever listens for `word` in the other workers. */
enum tp_result tp__home_tell(struct tp_sessions *sessions, struct tp_str word,
                             struct tp_str bytes) TP_MUST_CHECK;

/* Another worker has told this; for a word that nobody listens for here it is dropped. */
void tp__home_on_told(struct tp_sessions *sessions, unsigned from_slot, struct tp_str word,
                      struct tp_str bytes);

/*
 * Leases are held in this zone from here on, another mapping of the one that was: the former may end.
 * Process `pid` has the jobs, those too that it has let rest.
 */
void tp__home_leases_use(struct tp_sessions *sessions, struct tp_zone *zone, int32_t pid);

/* Lets other workers have the jobs, until it is called with false. */
void tp__home_leases_rest(struct tp_sessions *sessions, bool is_resting);

/* A worker has died: perhaps one that had a job. */
void tp__home_leases_on_worker_died(struct tp_sessions *sessions);

/* As tp_home_lease_create(), for parts of the server; the name is taken as it is. */
struct tp_home_lease *tp__home_lease_create(struct tp_sessions *sessions, struct tp_str name,
                                            tp_home_lease_fn on_gained, tp_home_lease_fn on_lost,
                                            void *owner) TP_MUST_CHECK;

void tp__home_leases_init(struct tp_sessions *sessions);
void tp__home_leases_fini(struct tp_sessions *sessions);

#endif
