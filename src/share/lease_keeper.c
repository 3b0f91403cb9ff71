/*
 * lease_keeper.c - keeps a lease for a worker.
 *
 * Tries at a third of the time to live, so that two tries may fail before it runs
 * out.  Each turn of the timer makes one call to the owner at most, as its
 * last act: the owner may stop and free the keeper in it.
 *
 * Runs in: a worker.  Owns: the timer and, while it runs, the lease.
 */
#include "share/lease_keeper.h"

#include "base/clock.h"

enum {
    KEEPER_TRIES_PER_TTL = 3,
};

static void keeper_on_timer(struct tp_timer *timer);
static void keeper_note(struct tp_lease_keeper *keeper, enum tp_result result);
static int64_t keeper_next_try_ms(const struct tp_lease_keeper *keeper);

enum tp_result
tp__lease_keeper_start(struct tp_lease_keeper *keeper,
                       const struct tp_lease_keeper_options *options)
{
    *keeper = (struct tp_lease_keeper){ .options = *options };
    tp__timer_init(&keeper->timer, keeper_on_timer);

    enum tp_result result =
        tp__lease_init(&keeper->lease, options->name, options->slot, options->pid);

    if (result == TP_OK) {
        tp__lease_keeper_try_soon(keeper);
    }
    return result;
}

void
tp__lease_keeper_use_zone(struct tp_lease_keeper *keeper, struct tp_zone *zone)
{
    keeper->options.zone = zone;
}

void
tp__lease_keeper_stop(struct tp_lease_keeper *keeper)
{
    tp__loop_stop_timer(keeper->options.loop, &keeper->timer);
    keeper->is_held = false;
    if (tp__lease_release(keeper->options.zone, &keeper->lease) != TP_OK) {
        /* The lock could not be had: the lease, no longer renewed, runs out by itself. */
        keeper->lease.epoch = 0;
    }
}

void
tp__lease_keeper_try_soon(struct tp_lease_keeper *keeper)
{
    tp__loop_start_timer(keeper->options.loop, &keeper->timer, 0);
}

bool
tp__lease_keeper_is_held(const struct tp_lease_keeper *keeper)
{
    return keeper->is_held && tp__lease_is_mine(keeper->options.zone, &keeper->lease);
}

static void
keeper_on_timer(struct tp_timer *timer)
{
    struct tp_lease_keeper *keeper = TP_CONTAINER_OF(timer, struct tp_lease_keeper, timer);
    struct tp_zone *zone = keeper->options.zone;
    uint64_t epoch_before = keeper->lease.epoch;
    enum tp_result result = tp__lease_try(zone, &keeper->lease, keeper->options.ttl_ms);
    /* A try that failed for lack of the lock takes nothing away. */
    bool is_ours = result == TP_OK || tp__lease_is_mine(zone, &keeper->lease);
    /* Gained anew after it had run out: another may have had it in between. */
    bool is_lost = keeper->is_held && (!is_ours || keeper->lease.epoch != epoch_before);

    if (is_lost) {
        keeper->is_held = false;
        tp__lease_keeper_try_soon(keeper);
        keeper->options.on_lost(keeper);
        return;
    }
    tp__loop_start_timer(keeper->options.loop, timer, keeper_next_try_ms(keeper));
    if (is_ours && !keeper->is_held) {
        keeper->is_held = true;
        keeper->options.on_gained(keeper);
        return;
    }
    keeper_note(keeper, result == TP_IN_USE ? TP_OK : result);
}

static void
keeper_note(struct tp_lease_keeper *keeper, enum tp_result result)
{
    bool is_news = result != keeper->last_told;

    keeper->last_told = result;
    if (is_news && result != TP_OK && keeper->options.on_failed != NULL) {
        keeper->options.on_failed(keeper, result);
    }
}

/* Not later than the lease runs out, for the owner to hear of it in time. */
static int64_t
keeper_next_try_ms(const struct tp_lease_keeper *keeper)
{
    int64_t pause_ms = keeper->options.ttl_ms / KEEPER_TRIES_PER_TTL;
    int64_t left_ms = keeper->lease.expires_ms - tp__clock_monotonic_ms();

    return left_ms > 0 && left_ms < pause_ms ? left_ms : pause_ms;
}
