/*
 * worker_stats.c - what a worker counts of itself: from time to time what has come together in its
 * parts, and how long each turn of the loop took.
 *
 * Runs in: worker.  Owns: nothing.  Read next: metrics/counters.h, metrics/stats_groups.h.
 */
#include "process/worker.h"

#include "base/str.h"
#include "os/process.h"

static void worker_on_turn(void *owner, int64_t turn_us);
static void worker_count_queues(struct tp_worker *worker);
static void worker_count_memory(struct tp_worker *worker);
static void worker_set_memory(struct tp_worker *worker, const char *kind, uint64_t bytes);

void
tp__worker_count_since(struct tp_worker *worker, enum tp_counter counter, uint64_t now,
                       uint64_t *seen)
{
    tp__counter_add(&worker->cycle->shared.counters, counter, now - *seen);
    *seen = now;
}

void
tp__worker_count_turns(struct tp_worker *worker)
{
    if (worker->stats.stats.loop != NULL) {
        tp__loop_tell_turns(worker->loop, worker_on_turn, worker->stats.stats.loop);
    }
}

void
tp__worker_count_beat(struct tp_worker *worker)
{
    struct tp_counters *counters = &worker->cycle->shared.counters;
    const struct tp_loop_counters *loop = tp__loop_get_counters(worker->loop);
    const struct tp_bus_counters *bus = tp__bus_get_counters(worker->bus);
    struct tp_worker_seen *seen = &worker->seen;

    tp__counter_set(counters, TP_COUNTER_TIMERS, tp__loop_timer_count(worker->loop));
    tp__counter_raise(counters, TP_COUNTER_LOOP_TURN_MAX_US, (uint64_t) loop->turn_max_us);
    tp__worker_count_since(worker, TP_COUNTER_BYTES_COPIED, worker->sessions.pool.bytes_copied,
                           &seen->bytes_copied);
    tp__worker_count_since(worker, TP_COUNTER_LOOP_TURNS, loop->turns, &seen->turns);
    tp__worker_count_since(worker, TP_COUNTER_BUS_SENT, bus->sent, &seen->bus_sent);
    tp__worker_count_since(worker, TP_COUNTER_BUS_RECEIVED, bus->received, &seen->bus_received);
    tp__worker_count_since(worker, TP_COUNTER_BUS_REFUSED, bus->refused, &seen->bus_refused);
    tp__worker_count_since(worker, TP_COUNTER_BUS_DROPPED, bus->dropped, &seen->bus_dropped);
    worker_count_queues(worker);
    worker_count_memory(worker);
}

static void
worker_on_turn(void *owner, int64_t turn_us)
{
    struct tp_loop_counts *counts = owner;

    tp__count_value(&counts->turn, turn_us);
}

/* What the send queues of its sessions did. */
static void
worker_count_queues(struct tp_worker *worker)
{
    const struct tp_queue_counts *queues = &worker->sessions.queues;
    struct tp_queue_counts *seen = &worker->seen.queues;

    tp__worker_count_since(worker, TP_COUNTER_PACKETS_REFUSED, queues->refused, &seen->refused);
    tp__worker_count_since(worker, TP_COUNTER_PUSHES_DROPPED, queues->dropped, &seen->dropped);
    tp__worker_count_since(worker, TP_COUNTER_PUSHES_REPLACED, queues->replaced, &seen->replaced);
    tp__worker_count_since(worker, TP_COUNTER_SLOW_SESSIONS_CLOSED, queues->closed, &seen->closed);
    tp__worker_count_since(worker, TP_COUNTER_READ_PAUSES, queues->pauses, &seen->pauses);
    tp__counter_set(&worker->cycle->shared.counters, TP_COUNTER_SLOW_SESSIONS, queues->slow_now);
}

static void
worker_count_memory(struct tp_worker *worker)
{
    const struct tp_cycle *cycle = worker->cycle;

    worker_set_memory(worker, "resident", tp__process_resident_bytes());
    worker_set_memory(worker, "buffers", worker->sessions.pool.bytes_in_use);
    worker_set_memory(worker, "sessions", tp__sessions_bytes(&worker->sessions));
    worker_set_memory(worker, "configuration",
                      tp__conf_bytes(cycle->conf) + cycle->arena.total_bytes);
}

static void
worker_set_memory(struct tp_worker *worker, const char *kind, uint64_t bytes)
{
    const struct tp_str label = tp__str(kind);
    struct tp_memory_counts *counts = tp__stats_find(&worker->stats.stats, TP_STATS_MEMORY, &label);

    if (counts != NULL) {
        tp__count_set(&counts->bytes, bytes);
    }
}
