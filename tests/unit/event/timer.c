/*
 * timer.c - tests of event/timer: named cases, and a long random walk beside a
 * model that is too simple to be wrong.
 */
#include "event/timer.h"

#include "scratch.h"

#include <check.h>
#include <inttypes.h>
#include <signal.h>

enum {
    WALK_TIMERS = 64,
    WALK_STEPS = 100000,
};

static const int64_t delay_max_ms = (int64_t) 1 << 35;

/*
 * Where the clock of a test begins: fresh, before the carry of each level, and
 * before the wheels themselves come round (more than two years after boot).
 */
static const int64_t begins_ms[] = {
    0,
    63,
    ((int64_t) 1 << 12) - 1,
    ((int64_t) 1 << 18) - 2,
    ((int64_t) 1 << 36) - 3,
    5 * ((int64_t) 1 << 36) + 12345678,
};

/* A timer that remembers when and how often it expired. */
struct probe {
    struct tp_timer timer;
    struct tp_timer_wheel *wheel;
    struct probe *other; /* what on_expire is to act upon */
    int64_t delay_ms;
    int64_t expired_ms;
    int expired_count;
};

static void
probe_on_expire(struct tp_timer *timer)
{
    struct probe *probe = TP_CONTAINER_OF(timer, struct probe, timer);

    probe->expired_ms = probe->wheel->clock_ms;
    probe->expired_count++;
}

static void
probe_stop_other(struct tp_timer *timer)
{
    struct probe *probe = TP_CONTAINER_OF(timer, struct probe, timer);

    probe_on_expire(timer);
    tp__timer_wheel_stop(probe->wheel, &probe->other->timer);
}

static void
probe_start_other(struct tp_timer *timer)
{
    struct probe *probe = TP_CONTAINER_OF(timer, struct probe, timer);

    probe_on_expire(timer);
    tp__timer_wheel_start(probe->wheel, &probe->other->timer, probe->delay_ms);
}

static void
probe_init(struct probe *probe, struct tp_timer_wheel *wheel, tp_timer_fn on_expire)
{
    *probe = (struct probe){ .wheel = wheel };
    tp__timer_init(&probe->timer, on_expire);
}

static void
wheel_advance(struct tp_timer_wheel *wheel, int64_t now_ms)
{
    tp__timer_wheel_set_clock(wheel, now_ms);
    tp__timer_wheel_expire(wheel);
}

START_TEST(an_empty_wheel_sleeps_for_ever)
{
    struct tp_timer_wheel wheel;

    tp__timer_wheel_init(&wheel, begins_ms[_i]);
    ck_assert_int_eq(-1, tp__timer_wheel_sleep_ms(&wheel));
    wheel_advance(&wheel, begins_ms[_i] + 1000000);
    ck_assert_int_eq(-1, tp__timer_wheel_sleep_ms(&wheel));
    ck_assert_uint_eq(0, wheel.running_count);
}
END_TEST

START_TEST(a_timer_expires_once_at_its_deadline)
{
    static const int64_t delays_ms[] = { 1,    2,     63,     64,      65,        4095, 4096,
                                         4097, 60000, 262144, 3600000, 604800000, 1 };

    for (size_t i = 0; i < TP_COUNT_OF(delays_ms); i++) {
        struct tp_timer_wheel wheel;
        struct probe probe;
        int64_t deadline_ms = begins_ms[_i] + delays_ms[i];

        tp__timer_wheel_init(&wheel, begins_ms[_i]);
        probe_init(&probe, &wheel, probe_on_expire);
        tp__timer_wheel_start(&wheel, &probe.timer, delays_ms[i]);
        ck_assert_uint_eq(1, wheel.running_count);
        wheel_advance(&wheel, deadline_ms - 1);
        ck_assert_int_eq(0, probe.expired_count);
        ck_assert_int_eq(1, tp__timer_wheel_sleep_ms(&wheel));
        wheel_advance(&wheel, deadline_ms);
        ck_assert_int_eq(1, probe.expired_count);
        ck_assert(!probe.timer.is_running);
        ck_assert_uint_eq(0, wheel.running_count);
        wheel_advance(&wheel, deadline_ms + delay_max_ms);
        ck_assert_int_eq(1, probe.expired_count);
    }
}
END_TEST

/* Sleeping as told reaches every deadline exactly, with at most one waking per level. */
START_TEST(sleeping_as_told_reaches_the_deadline)
{
    for (int64_t delay_ms = 1; delay_ms <= delay_max_ms; delay_ms = delay_ms * 3 + 1) {
        struct tp_timer_wheel wheel;
        struct probe probe;
        int sleeps = 0;

        tp__timer_wheel_init(&wheel, begins_ms[_i]);
        probe_init(&probe, &wheel, probe_on_expire);
        tp__timer_wheel_start(&wheel, &probe.timer, delay_ms);
        while (probe.expired_count == 0) {
            int64_t sleep_ms = tp__timer_wheel_sleep_ms(&wheel);

            ck_assert_int_ge(sleep_ms, 1);
            wheel_advance(&wheel, wheel.clock_ms + sleep_ms);
            sleeps++;
            ck_assert_int_le(sleeps, TP_TIMER_LEVELS + 1);
        }
        ck_assert_int_eq(begins_ms[_i] + delay_ms, probe.expired_ms);
    }
}
END_TEST

START_TEST(a_delay_has_a_least_and_a_greatest)
{
    static const struct {
        int64_t delay_ms;
        int64_t taken_ms;
    } cases[] = {
        { 0, 1 },
        { -5, 1 },
        { INT64_MIN, 1 },
        { (int64_t) 1 << 35, (int64_t) 1 << 35 },
        { ((int64_t) 1 << 35) + 1, (int64_t) 1 << 35 },
        { INT64_MAX, (int64_t) 1 << 35 },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        struct tp_timer_wheel wheel;
        struct probe probe;

        tp__timer_wheel_init(&wheel, begins_ms[_i]);
        probe_init(&probe, &wheel, probe_on_expire);
        tp__timer_wheel_start(&wheel, &probe.timer, cases[i].delay_ms);
        ck_assert_int_eq(begins_ms[_i] + cases[i].taken_ms, probe.timer.deadline_ms);
        wheel_advance(&wheel, begins_ms[_i] + cases[i].taken_ms - 1);
        ck_assert_int_eq(0, probe.expired_count);
        wheel_advance(&wheel, begins_ms[_i] + cases[i].taken_ms);
        ck_assert_int_eq(1, probe.expired_count);
    }
}
END_TEST

START_TEST(stopping_and_restarting)
{
    struct tp_timer_wheel wheel;
    struct probe probe;

    tp__timer_wheel_init(&wheel, begins_ms[_i]);
    probe_init(&probe, &wheel, probe_on_expire);
    tp__timer_wheel_stop(&wheel, &probe.timer);
    tp__timer_wheel_start(&wheel, &probe.timer, 10);
    tp__timer_wheel_stop(&wheel, &probe.timer);
    tp__timer_wheel_stop(&wheel, &probe.timer);
    ck_assert_uint_eq(0, wheel.running_count);
    ck_assert_int_eq(-1, tp__timer_wheel_sleep_ms(&wheel));
    wheel_advance(&wheel, begins_ms[_i] + 20);
    ck_assert_int_eq(0, probe.expired_count);

    tp__timer_wheel_start(&wheel, &probe.timer, 10);
    tp__timer_wheel_start(&wheel, &probe.timer, 5000);
    ck_assert_uint_eq(1, wheel.running_count);
    wheel_advance(&wheel, begins_ms[_i] + 20 + 4999);
    ck_assert_int_eq(0, probe.expired_count);
    wheel_advance(&wheel, begins_ms[_i] + 20 + 5000);
    ck_assert_int_eq(1, probe.expired_count);
}
END_TEST

START_TEST(the_clock_is_never_set_back)
{
    struct tp_timer_wheel wheel;
    struct probe probe;

    tp__timer_wheel_init(&wheel, 1000);
    tp__timer_wheel_set_clock(&wheel, 500);
    probe_init(&probe, &wheel, probe_on_expire);
    tp__timer_wheel_start(&wheel, &probe.timer, 10);
    ck_assert_int_eq(1010, probe.timer.deadline_ms);
}
END_TEST

/* Between setting the clock and expiring: delays count from the new time, and nothing is early. */
START_TEST(a_timer_started_while_others_are_due)
{
    struct tp_timer_wheel wheel;
    struct probe due, late;

    tp__timer_wheel_init(&wheel, begins_ms[_i]);
    probe_init(&due, &wheel, probe_on_expire);
    probe_init(&late, &wheel, probe_on_expire);
    tp__timer_wheel_start(&wheel, &due.timer, 100);
    tp__timer_wheel_set_clock(&wheel, begins_ms[_i] + 100000);
    ck_assert_int_eq(0, tp__timer_wheel_sleep_ms(&wheel));
    tp__timer_wheel_start(&wheel, &late.timer, 1);
    tp__timer_wheel_expire(&wheel);
    ck_assert_int_eq(1, due.expired_count);
    ck_assert_int_eq(0, late.expired_count);
    wheel_advance(&wheel, begins_ms[_i] + 100001);
    ck_assert_int_eq(1, late.expired_count);
}
END_TEST

/* Longer than the wheels span: with the slots left behind, the timer would seem to lap them. */
START_TEST(time_passes_without_timers)
{
    static const int64_t idle_ms[] = { 1000, (int64_t) 1 << 35, (int64_t) 1 << 36,
                                       5 * ((int64_t) 1 << 36) + 77 };

    for (size_t i = 0; i < TP_COUNT_OF(idle_ms); i++) {
        for (int is_expired = 0; is_expired <= 1; is_expired++) {
            struct tp_timer_wheel wheel;
            struct probe probe;
            int64_t now_ms = begins_ms[_i] + idle_ms[i];

            tp__timer_wheel_init(&wheel, begins_ms[_i]);
            probe_init(&probe, &wheel, probe_on_expire);
            tp__timer_wheel_set_clock(&wheel, now_ms);
            if (is_expired) {
                tp__timer_wheel_expire(&wheel);
            }
            ck_assert_int_eq(now_ms, wheel.now_ms);
            tp__timer_wheel_start(&wheel, &probe.timer, 1000);
            wheel_advance(&wheel, now_ms + 999);
            ck_assert_int_eq(0, probe.expired_count);
            wheel_advance(&wheel, now_ms + 1000);
            ck_assert_int_eq(1, probe.expired_count);
        }
    }
}
END_TEST

/* The slots follow the clock with timers, too: what is started later is inserted near. */
START_TEST(the_slots_follow_the_clock)
{
    struct tp_timer_wheel wheel;
    struct probe probe;

    tp__timer_wheel_init(&wheel, begins_ms[_i]);
    probe_init(&probe, &wheel, probe_on_expire);
    tp__timer_wheel_start(&wheel, &probe.timer, 1000000);
    wheel_advance(&wheel, begins_ms[_i] + 999999);
    ck_assert_int_eq(wheel.clock_ms, wheel.now_ms);
}
END_TEST

START_TEST(a_callback_stops_a_timer_of_the_same_millisecond)
{
    struct tp_timer_wheel wheel;
    struct probe first, second;

    tp__timer_wheel_init(&wheel, begins_ms[_i]);
    probe_init(&first, &wheel, probe_stop_other);
    probe_init(&second, &wheel, probe_stop_other);
    first.other = &second;
    second.other = &first;
    tp__timer_wheel_start(&wheel, &first.timer, 100);
    tp__timer_wheel_start(&wheel, &second.timer, 100);
    wheel_advance(&wheel, begins_ms[_i] + 100);
    ck_assert_int_eq(1, first.expired_count + second.expired_count);
    ck_assert_uint_eq(0, wheel.running_count);
}
END_TEST

START_TEST(what_a_callback_starts_waits_for_the_next_call)
{
    struct tp_timer_wheel wheel;
    struct probe probe;

    tp__timer_wheel_init(&wheel, begins_ms[_i]);
    probe_init(&probe, &wheel, probe_start_other);
    probe.other = &probe;
    probe.delay_ms = 0;
    tp__timer_wheel_start(&wheel, &probe.timer, 1);
    wheel_advance(&wheel, begins_ms[_i] + 5000);
    ck_assert_int_eq(1, probe.expired_count);
    ck_assert_int_eq(begins_ms[_i] + 5001, probe.timer.deadline_ms);
    ck_assert_int_eq(1, tp__timer_wheel_sleep_ms(&wheel));
    wheel_advance(&wheel, begins_ms[_i] + 5001);
    ck_assert_int_eq(2, probe.expired_count);
}
END_TEST

START_TEST(a_wheel_begins_at_no_negative_time)
{
    struct tp_timer_wheel wheel;

    tp__scratch_be_quiet();
    tp__timer_wheel_init(&wheel, -1);
}
END_TEST

/*
 * The random walk: a wheel, and beside it what should be true of each timer.
 * The model finds the next deadline by looking at all of them.
 */
struct walk_timer {
    struct tp_timer timer;
    struct walk *walk;
    int64_t deadline_ms;
    bool is_running;
};

struct walk {
    struct tp_timer_wheel wheel;
    struct walk_timer timers[WALK_TIMERS];
    uint64_t seed;
    uint64_t random;
    int step;
    int64_t expiring_since_ms; /* the least deadline that may still expire in this call */
};

/* Check notes the place of each of its own assertions in a pipe: too slow for millions of them. */
#define WALK_ASSERT(walk, condition)                                                      \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            ck_abort_msg("%s (seed %" PRIu64 ", step %d, clock %" PRId64 ")", #condition, \
                         (walk)->seed, (walk)->step, (walk)->wheel.clock_ms);             \
        }                                                                                 \
    } while (0)

/* Marsaglia's xorshift: the same walk on every machine. */
static uint64_t
walk_random(struct walk *walk)
{
    walk->random ^= walk->random << 13;
    walk->random ^= walk->random >> 7;
    walk->random ^= walk->random << 17;
    return walk->random;
}

/* A number of up to `bits` bits, in which small numbers are as likely as large ones. */
static int64_t
walk_random_span(struct walk *walk, unsigned bits)
{
    unsigned wanted_bits = (unsigned) (walk_random(walk) % (bits + 1));

    return (int64_t) (walk_random(walk) & ((UINT64_C(1) << wanted_bits) - 1));
}

static struct walk_timer *
walk_random_timer(struct walk *walk)
{
    return &walk->timers[walk_random(walk) % WALK_TIMERS];
}

/* The running timer with the least deadline; NULL when none runs. */
static const struct walk_timer *
walk_find_next(const struct walk *walk)
{
    const struct walk_timer *next = NULL;

    for (size_t i = 0; i < WALK_TIMERS; i++) {
        const struct walk_timer *timer = &walk->timers[i];

        if (timer->is_running && (next == NULL || timer->deadline_ms < next->deadline_ms)) {
            next = timer;
        }
    }
    return next;
}

static void
walk_start(struct walk *walk)
{
    struct walk_timer *timer = walk_random_timer(walk);
    int64_t delay_ms = walk_random_span(walk, 35) - 1;

    tp__timer_wheel_start(&walk->wheel, &timer->timer, delay_ms);
    timer->is_running = true;
    timer->deadline_ms = walk->wheel.clock_ms + (delay_ms < 1 ? 1 : delay_ms);
    WALK_ASSERT(walk, timer->timer.deadline_ms == timer->deadline_ms);
}

static void
walk_stop(struct walk *walk)
{
    struct walk_timer *timer = walk_random_timer(walk);

    tp__timer_wheel_stop(&walk->wheel, &timer->timer);
    timer->is_running = false;
}

/* Only a running timer expires, the earliest of all, when its time has come. */
static void
walk_on_expire(struct tp_timer *expired)
{
    struct walk_timer *timer = TP_CONTAINER_OF(expired, struct walk_timer, timer);
    struct walk *walk = timer->walk;

    WALK_ASSERT(walk, timer->is_running);
    WALK_ASSERT(walk, timer->deadline_ms <= walk->wheel.clock_ms);
    WALK_ASSERT(walk, timer->deadline_ms == walk_find_next(walk)->deadline_ms);
    WALK_ASSERT(walk, timer->deadline_ms >= walk->expiring_since_ms);
    walk->expiring_since_ms = timer->deadline_ms;
    timer->is_running = false;
    for (uint64_t actions = walk_random(walk) % 3; actions > 0; actions--) {
        if (walk_random(walk) % 2 == 0) {
            walk_start(walk);
        } else {
            walk_stop(walk);
        }
    }
}

static void
walk_expire(struct walk *walk)
{
    walk->expiring_since_ms = 0;
    tp__timer_wheel_expire(&walk->wheel);

    const struct walk_timer *next = walk_find_next(walk);

    WALK_ASSERT(walk, next == NULL || next->deadline_ms > walk->wheel.clock_ms);
    /* A loop that sleeps as told must not spin. */
    WALK_ASSERT(walk, next == NULL || tp__timer_wheel_sleep_ms(&walk->wheel) > 0);
}

/* Mostly small steps, sometimes a huge one, often exactly to a deadline or just before it. */
static void
walk_advance(struct walk *walk)
{
    const struct walk_timer *next = walk_find_next(walk);
    int64_t clock_ms = walk->wheel.clock_ms;

    switch (walk_random(walk) % 8) {
    case 0:
        clock_ms += walk_random_span(walk, 34);
        break;
    case 1:
    case 2:
        clock_ms = next != NULL ? next->deadline_ms : clock_ms;
        break;
    case 3:
        clock_ms = next != NULL ? next->deadline_ms - 1 : clock_ms;
        break;
    case 4:
        clock_ms += next != NULL ? tp__timer_wheel_sleep_ms(&walk->wheel) : 0;
        break;
    default:
        clock_ms += walk_random_span(walk, 13);
        break;
    }
    tp__timer_wheel_set_clock(&walk->wheel, clock_ms);
    /* Handlers of events run between the two and start timers, too. */
    for (uint64_t starts = walk_random(walk) % 3; starts > 0; starts--) {
        walk_start(walk);
    }
    walk_expire(walk);
}

static void
walk_check(struct walk *walk)
{
    const struct walk_timer *next = walk_find_next(walk);
    int64_t sleep_ms = tp__timer_wheel_sleep_ms(&walk->wheel);
    size_t running_count = 0;

    for (size_t i = 0; i < WALK_TIMERS; i++) {
        WALK_ASSERT(walk, walk->timers[i].timer.is_running == walk->timers[i].is_running);
        running_count += walk->timers[i].is_running;
    }
    WALK_ASSERT(walk, walk->wheel.running_count == running_count);
    if (next == NULL) {
        WALK_ASSERT(walk, sleep_ms == -1);
        return;
    }
    WALK_ASSERT(walk, sleep_ms >= 0);
    WALK_ASSERT(walk, walk->wheel.clock_ms + sleep_ms <= next->deadline_ms);
}

START_TEST(a_random_walk_agrees_with_the_model)
{
    struct walk walk = { .seed = UINT64_C(20261122) + (uint64_t) _i };

    walk.random = walk.seed;
    tp__timer_wheel_init(&walk.wheel, begins_ms[_i]);
    for (size_t i = 0; i < WALK_TIMERS; i++) {
        walk.timers[i].walk = &walk;
        tp__timer_init(&walk.timers[i].timer, walk_on_expire);
    }
    for (walk.step = 0; walk.step < WALK_STEPS; walk.step++) {
        switch (walk_random(&walk) % 4) {
        case 0:
        case 1:
            walk_start(&walk);
            break;
        case 2:
            walk_stop(&walk);
            break;
        default:
            walk_advance(&walk);
            break;
        }
        walk_check(&walk);
    }
}
END_TEST

Suite *
tp_suite_event_timer(void)
{
    const int begin_count = (int) TP_COUNT_OF(begins_ms);
    Suite *suite = suite_create("event/timer");
    TCase *wheel = tcase_create("wheel");
    TCase *callbacks = tcase_create("callbacks");
    TCase *walks = tcase_create("walks");

    tcase_add_loop_test(wheel, an_empty_wheel_sleeps_for_ever, 0, begin_count);
    tcase_add_loop_test(wheel, a_timer_expires_once_at_its_deadline, 0, begin_count);
    tcase_add_loop_test(wheel, sleeping_as_told_reaches_the_deadline, 0, begin_count);
    tcase_add_loop_test(wheel, a_delay_has_a_least_and_a_greatest, 0, begin_count);
    tcase_add_loop_test(wheel, stopping_and_restarting, 0, begin_count);
    tcase_add_loop_test(wheel, a_timer_started_while_others_are_due, 0, begin_count);
    tcase_add_loop_test(wheel, time_passes_without_timers, 0, begin_count);
    tcase_add_loop_test(wheel, the_slots_follow_the_clock, 0, begin_count);
    tcase_add_test(wheel, the_clock_is_never_set_back);
    tcase_add_test_raise_signal(wheel, a_wheel_begins_at_no_negative_time, SIGABRT);
    suite_add_tcase(suite, wheel);

    tcase_add_loop_test(callbacks, a_callback_stops_a_timer_of_the_same_millisecond, 0,
                        begin_count);
    tcase_add_loop_test(callbacks, what_a_callback_starts_waits_for_the_next_call, 0, begin_count);
    suite_add_tcase(suite, callbacks);

    tcase_set_timeout(walks, 60);
    tcase_add_loop_test(walks, a_random_walk_agrees_with_the_model, 0, begin_count);
    suite_add_tcase(suite, walks);
    return suite;
}
