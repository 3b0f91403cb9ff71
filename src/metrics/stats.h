/*
 * metrics/stats.h - what this process counts by name, and what all have counted.
 *
 * A process has one for its whole life, with mappings that no configuration takes away: so a place
 * that it has found stays where it is.
 *
 * Threads: the loop's.
 * Read next: stats_groups.h, session/counting.h.
 */
#ifndef TP_METRICS_STATS_H
#define TP_METRICS_STATS_H

#include <teleport/module.h>
#include <teleport/stats.h>

#include "metrics/counters.h"
#include "metrics/slow_ring.h"
#include "metrics/stats_groups.h"
#include "share/roster.h"

/* Rows of one family that were seen: see tp__meter_key_set_foreign(). */
struct tp_stats_family {
    uint64_t family;
    uint32_t count;
};

struct tp_stats {
    struct tp_meters *meters; /* these four are borrowed */
    struct tp_zone *slow;
    const struct tp_counters *counters;
    const struct tp_roster *roster;
    struct tp_module_list modules; /* whose single counts readers are told */
    unsigned slot;
    uint32_t *index;     /* where the names are, by their hash: see stats.c */
    uint32_t seen_count; /* of names that are in there */
    uint32_t full_width; /* what is so wide, or wider, and has no place gets none any more */
    struct tp_stats_family families[TP_STATS_FAMILIES_MAX];
    size_t family_count;
    struct tp_loop_counts *loop;
};

/* Everything else is set by the caller.  TP_NO_MEMORY. */
enum tp_result tp__stats_init(struct tp_stats *stats) TP_MUST_CHECK;
void tp__stats_fini(struct tp_stats *stats);

/*
 * Where this process counts what `labels`, as many as the group has names of, say; a new place if
 * there is none.  NULL: there is no room, and nobody counts it.
 */
void *tp__stats_find(struct tp_stats *stats, enum tp_stats_group group,
                     const struct tp_str *labels);

/*
 * The same where somebody from outside has chosen a label (tp__stats_bound()): when there are too
 * many, TP_STATS_OTHER stands for it.
 */
void *tp__stats_find_foreign(struct tp_stats *stats, enum tp_stats_group group,
                             const struct tp_str *labels);

/* As the functions of teleport/stats.h. */
void tp__stats_each(struct tp_stats *stats, tp_stats_visit_fn visit, void *owner);
uint64_t tp__stats_total(const struct tp_stats *stats, const struct tp_stats_subject *subject,
                         size_t row);
uint64_t tp__stats_of_worker(const struct tp_stats *stats, const struct tp_stats_subject *subject,
                             size_t row, unsigned slot);
void tp__stats_read_histogram(const struct tp_stats *stats, const struct tp_stats_subject *subject,
                              size_t row, struct tp_stats_histogram *histogram);

/* Adds what one worker has counted. */
void tp__stats_add_histogram(const struct tp_stats *stats, const struct tp_stats_subject *subject,
                             size_t row, unsigned slot, struct tp_stats_histogram *histogram);
unsigned tp__stats_slot_count(const struct tp_stats *stats);
bool tp__stats_read_worker(const struct tp_stats *stats, unsigned slot, int64_t now_ms,
                           struct tp_stats_worker *worker);
size_t tp__stats_read_slow(const struct tp_stats *stats, struct tp_stats_slow *rows,
                           size_t count_max);

#endif
