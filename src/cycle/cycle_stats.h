/*
 * cycle/cycle_stats.h - where a process counts what configurations name.
 *
 * Threads: the loop's.
 */
#ifndef TP_CYCLE_CYCLE_STATS_H
#define TP_CYCLE_CYCLE_STATS_H

#include "cycle/cycle.h"
#include "metrics/stats.h"

/* A process' statistics with mappings of their own, which outlive configurations. */
struct tp_own_stats {
    struct tp_shared shared;
    struct tp_stats stats;
    bool is_open;
};

/* The process counts in `slot`.  On failure nothing stays mapped. */
enum tp_result tp__own_stats_open(struct tp_own_stats *own, const struct tp_descriptors *set,
                                  const struct tp_module_list *modules,
                                  unsigned slot) TP_MUST_CHECK;
void tp__own_stats_close(struct tp_own_stats *own);

/* Gives all that the cycle names a place to be counted in, where that is wanted. */
void tp__cycle_count_in(struct tp_cycle *cycle, struct tp_stats *stats);

#endif
