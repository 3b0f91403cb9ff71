/*
 * metrics/slow_ring.h - the last slow exchanges of each worker, for people who ask what is slow.
 *
 * Each process writes its own ring; a reader copies an entry and looks whether it was being
 * written meanwhile.
 *
 * Threads: the loop's.
 */
#ifndef TP_METRICS_SLOW_RING_H
#define TP_METRICS_SLOW_RING_H

#include <teleport/stats.h>

#include "share/slot.h"
#include "share/zone.h"

extern const struct tp_zone_layout tp__slow_ring_layout;

/* Adds one to the ring of `slot`, in place of the oldest. */
void tp__slow_ring_add(struct tp_zone *zone, unsigned slot, const struct tp_stats_slow *slow);

/* The entry `at`, 0 to TP_STATS_SLOW_MAX - 1, of that ring; false: there is none, or not now. */
bool tp__slow_ring_read(const struct tp_zone *zone, unsigned slot, unsigned at,
                        struct tp_stats_slow *slow);

#endif
