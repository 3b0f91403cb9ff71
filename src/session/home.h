/*
 * session/home.h - a worker as its modules see it (teleport/home.h), from below: what other parts of
 * the server do with it, or give it.
 *
 * Threads: the worker's loop.
 * Read next: home_tell.c.
 */
#ifndef TP_SESSION_HOME_H
#define TP_SESSION_HOME_H

#include <teleport/module.h>

#include "base/list.h"

struct tp_sessions;

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

/* What there is of it beside loop, threads and sessions: a part of struct tp_sessions. */
struct tp_home {
    struct tp_module_list modules;
    struct tp_list_node ears;
    struct tp_list_node data; /* what modules keep of it */
};

void tp__home_init(struct tp_home *home);
void tp__home_fini(struct tp_home *home);

/* Listens from here on, until tp__list_remove(&ear->node). */
void tp__home_listen(struct tp_sessions *sessions, struct tp_home_ear *ear);

/* As tp_home_tell(), for whoever listens for `word` in the other workers. */
enum tp_result tp__home_tell(struct tp_sessions *sessions, struct tp_str word,
                             struct tp_str bytes) TP_MUST_CHECK;

/* Another worker has told this; for a word that nobody listens for here it is dropped. */
void tp__home_on_told(struct tp_sessions *sessions, unsigned from_slot, struct tp_str word,
                      struct tp_str bytes);

#endif
