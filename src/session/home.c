/*
 * home.c - a worker as its modules see it: clock, timers, and threads for what blocks.
 *
 * Runs in: worker; library.  Owns: nothing: a timer is whoever's that made it.
 * Read next: event/timer.h, event/pool.h.
 */
#include "session/home.h"

#include "session/session.h"

#include <stdlib.h>

struct tp_home_timer {
    struct tp_timer timer;
    struct tp_loop *loop;
    tp_home_timer_fn on_expire;
    void *owner;
};

static void home_timer_on_expire(struct tp_timer *base);

int64_t
tp_home_now_ms(const struct tp_sessions *home)
{
    return tp__loop_now_ms(home->loop);
}

int64_t
tp_home_wall_ms(const struct tp_sessions *home)
{
    int64_t since_ms = tp__clock_monotonic_ms() - tp__loop_now_ms(home->loop);

    return tp__clock_wall_ms() - since_ms;
}

unsigned
tp_home_slot(const struct tp_sessions *home)
{
    return home->worker_slot;
}

const struct tp_log *
tp_home_log(const struct tp_sessions *home)
{
    return home->callbacks.log(home->callbacks.owner);
}

struct tp_home_timer *
tp_home_timer_create(struct tp_sessions *home, tp_home_timer_fn on_expire, void *owner)
{
    struct tp_home_timer *timer = calloc(1, sizeof(*timer));

    TP_ASSERT(on_expire != NULL);
    if (timer != NULL) {
        timer->loop = home->loop;
        timer->on_expire = on_expire;
        timer->owner = owner;
        tp__timer_init(&timer->timer, home_timer_on_expire);
    }
    return timer;
}

void
tp_home_timer_start(struct tp_home_timer *timer, struct tp_msec delay)
{
    TP_ASSERT(delay.ms >= 1);
    tp__loop_start_timer(timer->loop, &timer->timer, delay.ms);
}

void
tp_home_timer_stop(struct tp_home_timer *timer)
{
    tp__loop_stop_timer(timer->loop, &timer->timer);
}

void
tp_home_timer_destroy(struct tp_home_timer **destroyed)
{
    if (*destroyed != NULL) {
        tp_home_timer_stop(*destroyed);
        free(*destroyed);
        *destroyed = NULL;
    }
}

enum tp_result
tp_job_submit(struct tp_sessions *home, struct tp_job *job)
{
    return home->threads == NULL ? TP_UNSUPPORTED : tp__pool_submit(home->threads, job);
}

/* Its owner may free it in here. */
static void
home_timer_on_expire(struct tp_timer *base)
{
    struct tp_home_timer *timer = TP_CONTAINER_OF(base, struct tp_home_timer, timer);

    timer->on_expire(timer, timer->owner);
}
