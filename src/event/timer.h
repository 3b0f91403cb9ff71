/*
 * event/timer.h - a hierarchical timing wheel with a tick of one millisecond.
 *
 * Starting, stopping and expiring cost the same with ten timers and with a
 * million.  The scheme is Varghese and Lauck's (SOSP 1987, scheme 7): six wheels
 * of 64 slots, each slot of a wheel as long as the whole wheel below it; a
 * timer moves down as its time comes near.
 */
#ifndef TP_EVENT_TIMER_H
#define TP_EVENT_TIMER_H

#include "base/list.h"

enum {
    TP_TIMER_LEVELS = 6,
    TP_TIMER_SLOT_BITS = 6,
    TP_TIMER_SLOTS = 1 << TP_TIMER_SLOT_BITS,
};

struct tp_timer;
typedef void (*tp_timer_fn)(struct tp_timer *timer);

/* Embedded in its owner, which on_expire finds with TP_CONTAINER_OF(). */
struct tp_timer {
    struct tp_list_node node;
    int64_t deadline_ms; /* on the clock of the wheel */
    tp_timer_fn on_expire;
    uint8_t level; /* where it is, while running */
    uint8_t slot;
    bool is_running;
};

struct tp_timer_wheel {
    int64_t clock_ms; /* the time last set: delays count from here */
    int64_t now_ms;   /* how far slots have been opened; behind clock_ms until timers expire */
    uint64_t occupied[TP_TIMER_LEVELS]; /* one bit per slot that holds timers */
    struct tp_list_node slots[TP_TIMER_LEVELS][TP_TIMER_SLOTS];
    size_t running_count;
};

/* A timer that does not run and, when started and expired, calls `on_expire` once. */
void tp__timer_init(struct tp_timer *timer, tp_timer_fn on_expire);

/* An empty wheel whose clock shows `now_ms` (not negative). */
void tp__timer_wheel_init(struct tp_timer_wheel *wheel, int64_t now_ms);

/*
 * Lets `timer` expire `delay_ms` (at least 1, at most 2^35: more than a year) after the
 * wheel's time; restarts a running one.
 */
void tp__timer_wheel_start(struct tp_timer_wheel *wheel, struct tp_timer *timer, int64_t delay_ms);

/* Stops `timer`; does nothing when it is not running. */
void tp__timer_wheel_stop(struct tp_timer_wheel *wheel, struct tp_timer *timer);

/* Sets the time to `now_ms`; nothing expires yet, but delays count from here. */
void tp__timer_wheel_set_clock(struct tp_timer_wheel *wheel, int64_t now_ms);

/*
 * Calls on_expire of every timer whose deadline has come, in the order of their
 * deadlines (to the millisecond).  The callbacks may start and stop any timer; none
 * that they start expires in the same call.
 */
void tp__timer_wheel_expire(struct tp_timer_wheel *wheel);

/*
 * How long one may sleep without missing a deadline, in milliseconds: 0 when one
 * has come, -1 when no timer runs.  May be shorter than needed, never longer.
 */
int64_t tp__timer_wheel_sleep_ms(const struct tp_timer_wheel *wheel);

#endif
