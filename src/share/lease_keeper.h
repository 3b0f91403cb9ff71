/*
 * share/lease_keeper.h - keeps a lease for a worker, and says when it has it.
 *
 * Threads: the loop's.
 */
#ifndef TP_SHARE_LEASE_KEEPER_H
#define TP_SHARE_LEASE_KEEPER_H

#include "event/loop.h"
#include "share/lease.h"

struct tp_lease_keeper;
typedef void (*tp_lease_keeper_fn)(struct tp_lease_keeper *keeper);

/* What one wants kept; copied, but what it points to is borrowed until tp__lease_keeper_stop(). */
struct tp_lease_keeper_options {
    struct tp_loop *loop;
    struct tp_zone *zone;
    const char *name;
    unsigned slot;
    int32_t pid;
    int64_t ttl_ms; /* how long the job may rest when a worker is stuck; tried every third of it */

    /*
     * The job is ours to do, and no longer ours: called in turns, from the loop,
     * never from within a call of the keeper.  May stop the keeper.
     */
    tp_lease_keeper_fn on_gained;
    tp_lease_keeper_fn on_lost;

    /*
     * It could not even be asked for it, or there is no room for another one (TP_FULL): told once
     * until that changes; the tries go on.  May be NULL.
     */
    void (*on_failed)(struct tp_lease_keeper *keeper, enum tp_result result);
};

/* Embedded in its owner, which the callbacks find with TP_CONTAINER_OF(). */
struct tp_lease_keeper {
    struct tp_lease_keeper_options options;
    struct tp_lease lease;
    struct tp_timer timer;
    bool is_held;             /* on_gained was called last */
    enum tp_result last_told; /* on_failed; TP_OK: nothing failed since */
};

/* Begins trying, at the next turn at the earliest.  TP_TOO_LARGE, TP_INVALID: the name. */
enum tp_result tp__lease_keeper_start(struct tp_lease_keeper *keeper,
                                      const struct tp_lease_keeper_options *options) TP_MUST_CHECK;

/* Goes on through another mapping of the same zone: the former one may end. */
void tp__lease_keeper_use_zone(struct tp_lease_keeper *keeper, struct tp_zone *zone);

/* Gives the lease up, for another to have at once, and ends trying.  on_lost is not called. */
void tp__lease_keeper_stop(struct tp_lease_keeper *keeper);

/* Tries at the next turn: for a worker that hears that another died. */
void tp__lease_keeper_try_soon(struct tp_lease_keeper *keeper);

/* Ask before each act of the job: between two turns much time may have passed. */
bool tp__lease_keeper_is_held(const struct tp_lease_keeper *keeper);

#endif
