/*
 * timers.c - timers of a program, which names them by number: one that has run, or was
 * cancelled, cannot be cancelled by mistake when its record serves another.
 *
 * A number is the record's place in the table below, and above how often it has served.
 *
 * Runs in: the peer's thread.
 */
#include "peer/peer.h"

#include <stdlib.h>

enum {
    TIMERS_FIRST = 8,
    TIMER_PLACE_BITS = 32,
};

struct peer_timer {
    struct tp_timer timer;
    struct tp_peer *peer;
    struct peer_timer *next_free;
    void (*run)(struct tp_peer *peer, void *owner);
    void *owner;
    uint32_t place;
    uint32_t served; /* from 1 on */
};

static struct peer_timer *timer_take(struct tp_peer *peer);
static struct peer_timer *timer_make(struct tp_peer *peer);
static void timer_give_back(struct peer_timer *timer);
static void timer_on_expire(struct tp_timer *base);

enum tp_result
tp_peer_start_timer(struct tp_peer *peer, struct tp_msec delay,
                    void (*run)(struct tp_peer *peer, void *owner), void *owner, uint64_t *number)
{
    tp__peer_check(peer);
    TP_ASSERT(run != NULL);
    *number = 0;
    if (delay.ms < 0 || delay.ms > TP_PEER_DELAY_MAX_MS) {
        return tp__peer_fail(peer, TP_INVALID, "a timer's delay is from 0 to 365 days");
    }
    struct peer_timer *timer = timer_take(peer);

    if (timer == NULL) {
        return tp__peer_fail(peer, TP_NO_MEMORY, "memory is out for a timer");
    }
    timer->run = run;
    timer->owner = owner;
    timer->served++;
    tp__loop_start_timer(peer->loop, &timer->timer, delay.ms > 0 ? delay.ms : 1);
    *number = (uint64_t) timer->served << TIMER_PLACE_BITS | timer->place;
    return TP_OK;
}

void
tp_peer_cancel_timer(struct tp_peer *peer, uint64_t number)
{
    uint32_t place = (uint32_t) number;

    tp__peer_check(peer);
    if (place >= peer->timers.count) {
        return;
    }
    struct peer_timer *timer = peer->timers.all[place];

    if (timer->timer.is_running && timer->served == number >> TIMER_PLACE_BITS) {
        tp__loop_stop_timer(peer->loop, &timer->timer);
        timer_give_back(timer);
    }
}

void
tp__peer_timers_fini(struct tp_peer *peer)
{
    for (size_t i = 0; i < peer->timers.count; i++) {
        tp__loop_stop_timer(peer->loop, &peer->timers.all[i]->timer);
        free(peer->timers.all[i]);
    }
    free(peer->timers.all);
    peer->timers = (struct tp_peer_timers){ .all = NULL };
}

static struct peer_timer *
timer_take(struct tp_peer *peer)
{
    struct peer_timer *timer = peer->timers.free;

    if (timer == NULL) {
        return timer_make(peer);
    }
    peer->timers.free = timer->next_free;
    return timer;
}

static struct peer_timer *
timer_make(struct tp_peer *peer)
{
    struct tp_peer_timers *timers = &peer->timers;

    if (timers->count == timers->capacity) {
        size_t capacity = timers->capacity == 0 ? TIMERS_FIRST : 2 * timers->capacity;
        struct peer_timer **all = realloc(timers->all, capacity * sizeof(struct peer_timer *));

        if (all == NULL) {
            return NULL;
        }
        timers->all = all;
        timers->capacity = capacity;
    }
    struct peer_timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL) {
        return NULL;
    }
    tp__timer_init(&timer->timer, timer_on_expire);
    timer->peer = peer;
    timer->place = (uint32_t) timers->count;
    timers->all[timers->count++] = timer;
    return timer;
}

static void
timer_give_back(struct peer_timer *timer)
{
    timer->next_free = timer->peer->timers.free;
    timer->peer->timers.free = timer;
}

/* Its record may serve the next timer that the program starts from within. */
static void
timer_on_expire(struct tp_timer *base)
{
    struct peer_timer *timer = TP_CONTAINER_OF(base, struct peer_timer, timer);
    void (*run)(struct tp_peer * peer, void *owner) = timer->run;
    void *owner = timer->owner;

    timer_give_back(timer);
    run(timer->peer, owner);
}
