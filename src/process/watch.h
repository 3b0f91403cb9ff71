/*
 * process/watch.h - one worker asks the others, again and again, whether they
 * still turn (directive worker_watch).
 *
 * Which one asks is decided by the lease "worker-watch".
 *
 * Threads: the worker's loop.
 */
#ifndef TP_PROCESS_WATCH_H
#define TP_PROCESS_WATCH_H

#include "cycle/cycle.h"
#include "share/bus.h"
#include "share/lease_keeper.h"

enum {
    TP_WATCH_ANSWERS_BYTES = TP_WORKER_SLOTS_MAX * TP_FRAME_HEADER_BYTES, /* from one worker */
};

struct tp_watch {
    struct tp_loop *loop;
    struct tp_bus *bus;
    unsigned slot;
    struct tp_cycle *cycle; /* borrowed: the one in force */
    struct tp_lease_keeper keeper;
    struct tp_timer timer;
    bool is_started;
    unsigned round; /* of questions */
    bool was_asked[TP_WORKER_SLOTS_MAX];
    bool has_answered[TP_WORKER_SLOTS_MAX];
    bool is_silent[TP_WORKER_SLOTS_MAX]; /* was named in the log, and has not answered since */
};

/* A watch that does nothing yet; `loop` and `bus` are borrowed for its life. */
void tp__watch_init(struct tp_watch *watch, struct tp_loop *loop, struct tp_bus *bus,
                    unsigned slot);

/* Begins, goes on, or ends watching, as `cycle`, from here on in force, says. */
void tp__watch_apply(struct tp_watch *watch, struct tp_cycle *cycle);

/* Gives the lease up and ends watching. */
void tp__watch_stop(struct tp_watch *watch);

/* The worker in `slot` answered. */
void tp__watch_on_answer(struct tp_watch *watch, unsigned slot);

/* A worker died, and its leases with it: takes over without waiting. */
void tp__watch_on_worker_died(struct tp_watch *watch, unsigned slot);

#endif
