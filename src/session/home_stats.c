/*
 * home_stats.c - what is counted, as modules read it (teleport/stats.h).
 *
 * Runs in: worker.  Owns: nothing.  Read next: metrics/stats.c.
 */
#include <teleport/stats.h>

#include "metrics/stats_json.h"
#include "session/session.h"

#include "config.h"

void
tp_stats_each(struct tp_sessions *home, tp_stats_visit_fn visit, void *owner)
{
    tp__stats_each(home->stats, visit, owner);
}

uint64_t
tp_stats_total(struct tp_sessions *home, const struct tp_stats_subject *subject, size_t row)
{
    return tp__stats_total(home->stats, subject, row);
}

uint64_t
tp_stats_of_worker(struct tp_sessions *home, const struct tp_stats_subject *subject, size_t row,
                   unsigned slot)
{
    return tp__stats_of_worker(home->stats, subject, row, slot);
}

void
tp_stats_read_histogram(struct tp_sessions *home, const struct tp_stats_subject *subject,
                        size_t row, struct tp_stats_histogram *histogram)
{
    tp__stats_read_histogram(home->stats, subject, row, histogram);
}

void
tp_stats_read_worker_histogram(struct tp_sessions *home, const struct tp_stats_subject *subject,
                               size_t row, unsigned slot, struct tp_stats_histogram *histogram)
{
    *histogram = (struct tp_stats_histogram){ 0 };
    tp__stats_add_histogram(home->stats, subject, row, slot, histogram);
}

unsigned
tp_stats_slot_count(struct tp_sessions *home)
{
    return tp__stats_slot_count(home->stats);
}

bool
tp_stats_read_worker(struct tp_sessions *home, unsigned slot, struct tp_stats_worker *worker)
{
    return tp__stats_read_worker(home->stats, slot, tp__clock_monotonic_ms(), worker);
}

size_t
tp_stats_read_slow(struct tp_sessions *home, struct tp_stats_slow *rows, size_t count_max)
{
    return tp__stats_read_slow(home->stats, rows, count_max);
}

void
tp_stats_read_server(struct tp_sessions *home, struct tp_stats_server *server)
{
    struct tp_stats_worker own;

    (void) tp_stats_read_worker(home, home->worker_slot, &own);
    *server = (struct tp_stats_server){
        .version = TP_VERSION,
        .uptime_ms = tp__clock_monotonic_ms() - tp__meters_begun_ms(home->stats->meters),
        .generation = own.generation,
    };
}

enum tp_result
tp_stats_write_json(struct tp_sessions *home, struct tp_chain *to)
{
    struct tp_writer writer = { .pool = &home->pool, .to = to };
    struct tp_stats_server server;

    tp_stats_read_server(home, &server);
    tp__stats_json_write(home->stats, &server, tp_home_now_ms(home), tp_home_wall_ms(home),
                         &writer);
    return tp_writer_end(&writer);
}
