/*
 * timer.c - the timing wheel.
 *
 * The level of a timer follows from the highest bit in which its deadline
 * differs from now: deadlines in the same group of 64 ms as now are on level 0,
 * those in the same group of 64 * 64 ms on level 1, and so on.  Expiring jumps
 * from one occupied slot to the next with a bit scan, so idle time costs nothing.
 *
 * Runs in: whichever thread owns the wheel.  Read next: loop.c.
 */
#include "event/timer.h"

enum {
    TIMER_SLOT_MASK = TP_TIMER_SLOTS - 1,
};

/*
 * Longer delays are cut to this, more than a year: half of what the wheels span, so
 * that a clock that runs ahead of the opened slots cannot lap them.
 */
#define TIMER_DELAY_MAX_MS ((int64_t) 1 << (TP_TIMER_LEVELS * TP_TIMER_SLOT_BITS - 1))

/* The slot whose time comes next. */
struct wheel_next {
    unsigned level;
    unsigned slot;
    int64_t at_ms; /* when it begins */
};

static void wheel_insert(struct tp_timer_wheel *wheel, struct tp_timer *timer);
static void wheel_remove(struct tp_timer_wheel *wheel, struct tp_timer *timer);
static bool wheel_find_next(const struct tp_timer_wheel *wheel, struct wheel_next *next);
static void wheel_open_slot(struct tp_timer_wheel *wheel, const struct wheel_next *next);
static void wheel_expire_due(struct tp_timer_wheel *wheel, struct tp_list_node *due);

void
tp__timer_init(struct tp_timer *timer, tp_timer_fn on_expire)
{
    *timer = (struct tp_timer){ .on_expire = on_expire };
    tp__list_init(&timer->node);
}

void
tp__timer_wheel_init(struct tp_timer_wheel *wheel, int64_t now_ms)
{
    TP_ASSERT(now_ms >= 0);
    *wheel = (struct tp_timer_wheel){ .clock_ms = now_ms, .now_ms = now_ms };
    for (unsigned level = 0; level < TP_TIMER_LEVELS; level++) {
        for (unsigned slot = 0; slot < TP_TIMER_SLOTS; slot++) {
            tp__list_init(&wheel->slots[level][slot]);
        }
    }
}

void
tp__timer_wheel_start(struct tp_timer_wheel *wheel, struct tp_timer *timer, int64_t delay_ms)
{
    /* The slot of now has been opened already. */
    if (delay_ms < 1) {
        delay_ms = 1;
    }
    if (delay_ms > TIMER_DELAY_MAX_MS) {
        delay_ms = TIMER_DELAY_MAX_MS;
    }
    tp__timer_wheel_stop(wheel, timer);
    timer->deadline_ms = wheel->clock_ms + delay_ms;
    timer->is_running = true;
    wheel->running_count++;
    wheel_insert(wheel, timer);
}

void
tp__timer_wheel_stop(struct tp_timer_wheel *wheel, struct tp_timer *timer)
{
    if (!timer->is_running) {
        return;
    }
    wheel_remove(wheel, timer);
    timer->is_running = false;
    wheel->running_count--;
}

void
tp__timer_wheel_set_clock(struct tp_timer_wheel *wheel, int64_t now_ms)
{
    if (now_ms > wheel->clock_ms) {
        wheel->clock_ms = now_ms;
    }
    /* Without timers nothing bounds the time since the last call: keep the slots near. */
    if (wheel->running_count == 0) {
        wheel->now_ms = wheel->clock_ms;
    }
}

void
tp__timer_wheel_expire(struct tp_timer_wheel *wheel)
{
    struct wheel_next next;

    if (wheel->now_ms == wheel->clock_ms) {
        return; /* Many turns fit in a millisecond. */
    }
    while (wheel_find_next(wheel, &next) && next.at_ms <= wheel->clock_ms) {
        wheel->now_ms = next.at_ms;
        wheel_open_slot(wheel, &next);
    }
    wheel->now_ms = wheel->clock_ms;
}

int64_t
tp__timer_wheel_sleep_ms(const struct tp_timer_wheel *wheel)
{
    struct wheel_next next;

    if (!wheel_find_next(wheel, &next)) {
        return -1;
    }
    return next.at_ms > wheel->clock_ms ? next.at_ms - wheel->clock_ms : 0;
}

static void
wheel_insert(struct tp_timer_wheel *wheel, struct tp_timer *timer)
{
    uint64_t difference = (uint64_t) (timer->deadline_ms ^ wheel->now_ms);
    unsigned level = 0;

    if (difference > TIMER_SLOT_MASK) {
        unsigned highest_bit = 63 - (unsigned) __builtin_clzll(difference);

        level = highest_bit / TP_TIMER_SLOT_BITS;
    }
    if (level >= TP_TIMER_LEVELS) {
        level = TP_TIMER_LEVELS - 1;
    }
    timer->level = (uint8_t) level;
    timer->slot =
        (uint8_t) ((timer->deadline_ms >> (level * TP_TIMER_SLOT_BITS)) & TIMER_SLOT_MASK);
    tp__list_append(&wheel->slots[level][timer->slot], &timer->node);
    wheel->occupied[level] |= UINT64_C(1) << timer->slot;
}

static void
wheel_remove(struct tp_timer_wheel *wheel, struct tp_timer *timer)
{
    tp__list_remove(&timer->node);
    if (tp__list_is_empty(&wheel->slots[timer->level][timer->slot])) {
        wheel->occupied[timer->level] &= ~(UINT64_C(1) << timer->slot);
    }
}

/*
 * The lowest level that holds anything has the next slot: all of a level's
 * slots end before the slot of the level above that follows now begins.
 */
static bool
wheel_find_next(const struct tp_timer_wheel *wheel, struct wheel_next *next)
{
    for (unsigned level = 0; level < TP_TIMER_LEVELS; level++) {
        if (wheel->occupied[level] == 0) {
            continue;
        }
        unsigned shift = level * TP_TIMER_SLOT_BITS;
        unsigned now_slot = (unsigned) (wheel->now_ms >> shift) & TIMER_SLOT_MASK;
        /* Rotated so that bit 0 is the slot of now. */
        uint64_t ahead = wheel->occupied[level] >> now_slot;

        if (now_slot > 0) {
            ahead |= wheel->occupied[level] << (TP_TIMER_SLOTS - now_slot);
        }
        unsigned distance = (unsigned) __builtin_ctzll(ahead);
        int64_t slot_ms = (int64_t) 1 << shift;
        int64_t now_slot_begin = wheel->now_ms & ~(slot_ms - 1);

        next->level = level;
        next->slot = (now_slot + distance) & TIMER_SLOT_MASK;
        next->at_ms = now_slot_begin + (int64_t) distance * slot_ms;
        return true;
    }
    return false;
}

/* Lets the timers of a level 0 slot expire; spreads those of a higher one over the levels below. */
static void
wheel_open_slot(struct tp_timer_wheel *wheel, const struct wheel_next *next)
{
    struct tp_list_node timers;

    tp__list_init(&timers);
    tp__list_move_all(&timers, &wheel->slots[next->level][next->slot]);
    wheel->occupied[next->level] &= ~(UINT64_C(1) << next->slot);
    if (next->level == 0) {
        wheel_expire_due(wheel, &timers);
        return;
    }
    TP_LIST_EACH (node, &timers) {
        tp__list_remove(node);
        wheel_insert(wheel, TP_CONTAINER_OF(node, struct tp_timer, node));
    }
}

/* A callback may stop any timer of `due`: that only takes it out of this list. */
static void
wheel_expire_due(struct tp_timer_wheel *wheel, struct tp_list_node *due)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(due)) != NULL) {
        struct tp_timer *timer = TP_CONTAINER_OF(node, struct tp_timer, node);

        timer->is_running = false;
        wheel->running_count--;
        timer->on_expire(timer);
    }
}
