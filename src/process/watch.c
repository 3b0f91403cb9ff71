/*
 * watch.c - finds workers that are alive but do not turn.
 *
 * The master sees a worker that dies.  One that hangs in an endless loop, or waits
 * for a disk, looks alive to it; only somebody who asks finds out.  It is named in
 * the log, not killed: what it does may be long, but right.
 *
 * Runs in: worker.  Owns: the lease "worker-watch" while it is held.
 * Read next: share/lease_keeper.c, share/bus.c.
 */
#include "process/watch.h"

#include "os/process.h"
#include "process/bus_kinds.h"

#include <string.h>

enum {
    WATCH_LEASE_TTL_MS = 3000, /* how long nobody watches when the watcher itself hangs */
    WATCH_ASK_AGAIN = 64,      /* rounds after which who is silent is asked once more */
};

static const char watch_lease_name[] = "worker-watch";

static void watch_start(struct tp_watch *watch);
static void watch_on_gained(struct tp_lease_keeper *keeper);
static void watch_on_lost(struct tp_lease_keeper *keeper);
static void watch_on_timer(struct tp_timer *timer);
static void watch_judge(struct tp_watch *watch, unsigned slot);
static void watch_ask(struct tp_watch *watch, unsigned slot);
static int64_t watch_period_ms(const struct tp_watch *watch);

void
tp__watch_init(struct tp_watch *watch, struct tp_loop *loop, struct tp_bus *bus, unsigned slot)
{
    *watch = (struct tp_watch){ .loop = loop, .bus = bus, .slot = slot };
    tp__timer_init(&watch->timer, watch_on_timer);
}

void
tp__watch_apply(struct tp_watch *watch, struct tp_cycle *cycle)
{
    watch->cycle = cycle;
    if (watch->is_started) {
        tp__lease_keeper_use_zone(&watch->keeper, &cycle->shared.leases);
    }
    if (watch_period_ms(watch) == 0) {
        tp__watch_stop(watch);
    } else if (!watch->is_started) {
        watch_start(watch);
    }
}

void
tp__watch_stop(struct tp_watch *watch)
{
    if (!watch->is_started) {
        return;
    }
    tp__loop_stop_timer(watch->loop, &watch->timer);
    tp__lease_keeper_stop(&watch->keeper);
    watch->is_started = false;
}

void
tp__watch_on_answer(struct tp_watch *watch, unsigned slot)
{
    watch->has_answered[slot] = true;
    if (watch->is_silent[slot]) {
        watch->is_silent[slot] = false;
        tp_log_notice(&watch->cycle->log, "worker-answers", "slot=%u", slot);
    }
}

void
tp__watch_on_worker_died(struct tp_watch *watch, unsigned slot)
{
    watch->was_asked[slot] = false;
    watch->is_silent[slot] = false;
    if (watch->is_started) {
        tp__lease_keeper_try_soon(&watch->keeper);
    }
}

static void
watch_start(struct tp_watch *watch)
{
    struct tp_lease_keeper_options options = {
        .loop = watch->loop,
        .zone = &watch->cycle->shared.leases,
        .name = watch_lease_name,
        .slot = watch->slot,
        .pid = tp__process_id(),
        .ttl_ms = WATCH_LEASE_TTL_MS,
        .on_gained = watch_on_gained,
        .on_lost = watch_on_lost,
    };
    enum tp_result result = tp__lease_keeper_start(&watch->keeper, &options);

    TP_ASSERT(result == TP_OK);
    watch->is_started = true;
}

static void
watch_on_gained(struct tp_lease_keeper *keeper)
{
    struct tp_watch *watch = TP_CONTAINER_OF(keeper, struct tp_watch, keeper);

    tp_log_info(&watch->cycle->log, "watch-gained", "slot=%u", watch->slot);
    memset(watch->was_asked, 0, sizeof(watch->was_asked));
    memset(watch->is_silent, 0, sizeof(watch->is_silent));
    tp__loop_start_timer(watch->loop, &watch->timer, watch_period_ms(watch));
}

static void
watch_on_lost(struct tp_lease_keeper *keeper)
{
    struct tp_watch *watch = TP_CONTAINER_OF(keeper, struct tp_watch, keeper);

    tp_log_info(&watch->cycle->log, "watch-lost", "slot=%u", watch->slot);
    tp__loop_stop_timer(watch->loop, &watch->timer);
}

static void
watch_on_timer(struct tp_timer *timer)
{
    struct tp_watch *watch = TP_CONTAINER_OF(timer, struct tp_watch, timer);

    tp__loop_start_timer(watch->loop, &watch->timer, watch_period_ms(watch));
    watch->round++;
    if (!tp__lease_keeper_is_held(&watch->keeper)) {
        return;
    }
    for (unsigned slot = 0; slot < TP_WORKER_SLOTS_MAX; slot++) {
        if (slot != watch->slot) {
            watch_judge(watch, slot);
            watch_ask(watch, slot);
        }
    }
}

static void
watch_judge(struct tp_watch *watch, unsigned slot)
{
    if (!watch->was_asked[slot] || watch->has_answered[slot] || watch->is_silent[slot]) {
        return;
    }
    watch->is_silent[slot] = true;
    tp_log_error(&watch->cycle->log, "worker-silent", "slot=%u asked_ms_ago=%lld", slot,
                 (long long) watch_period_ms(watch));
}

/* Whoever runs or drains is asked; a worker that is still starting has no bus yet. */
static void
watch_ask(struct tp_watch *watch, unsigned slot)
{
    struct tp_roster_entry entry;

    tp__roster_read(&watch->cycle->shared.roster, slot, &entry);
    watch->was_asked[slot] = false;
    if (entry.state != TP_ROSTER_RUNNING && entry.state != TP_ROSTER_DRAINING) {
        watch->is_silent[slot] = false;
        return;
    }
    if (watch->is_silent[slot] && !watch->has_answered[slot]
        && watch->round % WATCH_ASK_AGAIN != 0) {
        /* A question waits for it already, or was lost, which is rare: its queue is not filled. */
        watch->was_asked[slot] = true;
        return;
    }
    watch->has_answered[slot] = false;
    watch->was_asked[slot] = tp__bus_send(watch->bus, slot, TP_BUS_ASK, TP_STR("")) == TP_OK;
}

static int64_t
watch_period_ms(const struct tp_watch *watch)
{
    return watch->cycle->core->worker_watch.ms;
}
