/*
 * share/lease.h - jobs of which there is one: whoever holds the lease does it.
 *
 * A lease is held until a time that its holder moves on, again and again; when
 * the holder dies the master gives it back at once, and when the holder is stuck
 * it runs out.  Each new holder gets a larger epoch.  A holder that was stopped
 * and goes on finds with tp__lease_is_mine() that time has passed or that the
 * epoch is no longer its own: ask before each act that must not happen twice,
 * and hand the epoch on where the other side can compare it.
 *
 * Times are CLOCK_MONOTONIC, which all processes of a machine share.
 *
 * Read next: lease_keeper.h, which holds a lease for a worker.
 */
#ifndef TP_SHARE_LEASE_H
#define TP_SHARE_LEASE_H

#include "share/slot.h"
#include "share/zone.h"

enum {
    TP_LEASES_MAX = 256,
    TP_LEASE_NAME_MAX = 63,            /* bytes */
    TP_LEASE_TTL_MAX_MS = 3600 * 1000, /* a cell that claims more is broken */
};

/* Who and which: does not change while the lease is held on. */
struct tp_lease {
    char name[TP_LEASE_NAME_MAX + 1];
    unsigned slot;
    int32_t pid;
    uint32_t cell;      /* in the zone, once held */
    uint64_t epoch;     /* 0: never held */
    int64_t expires_ms; /* CLOCK_MONOTONIC */
};

extern const struct tp_zone_layout tp__lease_layout;

/* A lease that is not held.  TP_TOO_LARGE: `name` is too long.  TP_INVALID: it is empty. */
enum tp_result tp__lease_init(struct tp_lease *lease, const char *name, unsigned slot,
                              int32_t pid) TP_MUST_CHECK;

/*
 * Holds the lease for `ttl_ms` from now on: renewed with the same epoch if it is
 * still ours, gained with a larger one if nobody has it or it has run out (ours
 * included).  TP_IN_USE: another has it.  TP_FULL: TP_LEASES_MAX others are
 * held.  TP_TIMED_OUT, TP_SYSTEM: could not be asked now; what was held is held
 * until it runs out.
 */
enum tp_result tp__lease_try(struct tp_zone *zone, struct tp_lease *lease,
                             int64_t ttl_ms) TP_MUST_CHECK;

/* True if the lease has not run out and no other has it.  Cheap: takes no lock. */
bool tp__lease_is_mine(const struct tp_zone *zone, const struct tp_lease *lease);

/* Gives the lease up, if it is ours. */
enum tp_result tp__lease_release(struct tp_zone *zone, struct tp_lease *lease) TP_MUST_CHECK;

/* Gives up all that `slot` held.  Master only: its worker died, its successor has not begun. */
enum tp_result tp__lease_release_slot(struct tp_zone *zone, unsigned slot) TP_MUST_CHECK;

/* For status: the leases that are held, in `leases` of TP_LEASES_MAX. */
enum tp_result tp__lease_list(struct tp_zone *zone, struct tp_lease *leases,
                              size_t *count) TP_MUST_CHECK;

#endif
