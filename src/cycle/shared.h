/*
 * cycle/shared.h - the zones that every process of the server has mapped.
 */
#ifndef TP_CYCLE_SHARED_H
#define TP_CYCLE_SHARED_H

#include "cycle/descriptors.h"
#include "metrics/counters.h"
#include "metrics/meters.h"
#include "metrics/slow_ring.h"
#include "share/directory.h"
#include "share/keyring.h"
#include "share/lease.h"
#include "share/roster.h"

struct tp_shared {
    struct tp_counters counters;
    struct tp_meters meters;
    struct tp_roster roster;
    struct tp_zone leases;
    struct tp_directory directory;
    struct tp_keyring keyring; /* of tickets of TLS */
    struct tp_zone slow;       /* exchanges */
};

/*
 * Makes the zones that `set` does not have yet, the directory with room for so many sessions.
 * Master only.
 */
enum tp_result tp__shared_create(struct tp_descriptors *set,
                                 uint64_t directory_sessions) TP_MUST_CHECK;

/* Maps the zones of `set`.  On failure nothing stays mapped. */
enum tp_result tp__shared_open(struct tp_shared *shared,
                               const struct tp_descriptors *set) TP_MUST_CHECK;

void tp__shared_close(struct tp_shared *shared);

/* True when `descriptor` is one of the zones above. */
bool tp__shared_needs(const struct tp_descriptor *descriptor);

#endif
