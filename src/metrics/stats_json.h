/*
 * metrics/stats_json.h - all that is counted, as members of a JSON object: one form for the handler
 * `stats`, for the control module and for `teleport -s status`.
 *
 * Threads: the loop's.
 * Read next: docs/guide/stats.md, which describes the form.
 */
#ifndef TP_METRICS_STATS_JSON_H
#define TP_METRICS_STATS_JSON_H

#include <teleport/writer.h>

#include "metrics/stats.h"

/*
 * Writes all of it as one object, with what is said of the server in front.  `now_ms` is of
 * CLOCK_MONOTONIC.  Running out of memory is the writer's to tell, here and below.
 */
void tp__stats_json_write(struct tp_stats *stats, const struct tp_stats_server *server,
                          int64_t now_ms, int64_t wall_ms, struct tp_writer *writer);

/*
 * Writes a member for each group of which something is counted, "meters" and "slow", with commas
 * between them.
 */
void tp__stats_json_write_groups(struct tp_stats *stats, struct tp_writer *writer);

#endif
