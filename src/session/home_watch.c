/*
 * home_watch.c - descriptors of modules' own on the worker's loop.
 *
 * Runs in: worker; library.  Owns: nothing: a watch is whoever's that made it, and so is its
 * descriptor.
 * Read next: event/loop.h.
 */
#include "session/session.h"

#include <stdlib.h>

struct tp_home_watch {
    struct tp_watcher watcher;
    struct tp_loop *loop;
    tp_home_watch_fn on_ready;
    void *owner;
};

static void home_watch_on_event(struct tp_watcher *watcher, unsigned events);

struct tp_home_watch *
tp_home_watch_create(struct tp_sessions *home, int fd, tp_home_watch_fn on_ready, void *owner)
{
    struct tp_home_watch *watch = calloc(1, sizeof(*watch));

    TP_ASSERT(on_ready != NULL && fd >= 0);
    if (watch != NULL) {
        watch->loop = home->loop;
        watch->on_ready = on_ready;
        watch->owner = owner;
        tp__watcher_init(&watch->watcher, fd, home_watch_on_event);
    }
    return watch;
}

enum tp_result
tp_home_watch_want(struct tp_home_watch *watch, bool reads, bool writes)
{
    unsigned interest = (reads ? TP_EVENT_READ : 0U) | (writes ? TP_EVENT_WRITE : 0U);

    if (interest == 0) {
        tp__loop_unwatch(watch->loop, &watch->watcher);
        return TP_OK;
    }
    return tp__loop_watch(watch->loop, &watch->watcher, interest);
}

void
tp_home_watch_destroy(struct tp_home_watch **destroyed)
{
    if (*destroyed != NULL) {
        tp__loop_unwatch((*destroyed)->loop, &(*destroyed)->watcher);
        free(*destroyed);
        *destroyed = NULL;
    }
}

/* Its owner may free it in here. */
static void
home_watch_on_event(struct tp_watcher *watcher, unsigned events)
{
    struct tp_home_watch *watch = TP_CONTAINER_OF(watcher, struct tp_home_watch, watcher);

    if (events & TP_EVENT_BROKEN) {
        events |= watcher->interest;
    }
    events &= watcher->interest; /* another's callback of this turn may have changed it */
    if (events != 0) {
        watch->on_ready(watch, (events & TP_EVENT_READ) != 0, (events & TP_EVENT_WRITE) != 0,
                        watch->owner);
    }
}
