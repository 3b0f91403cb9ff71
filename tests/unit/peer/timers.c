/*
 * timers.c - tests of peer/timers: timers of a program, by number.
 */
#include <teleport/teleport.h>

#include "base/clock.h"

#include "peer_fixture.h"

#include <check.h>

enum {
    TIMERS_MANY = 100,
    LONG_MS = 20 * 1000,
};

Suite *tp_suite_peer_timers(void);

static struct tp_peer *
peer_make(void)
{
    const struct tp_peer_options options = tp__test_quiet_options();
    struct tp_peer *peer;

    ck_assert_int_eq(TP_OK, tp_peer_create(&options, &peer));
    return peer;
}

static void
count(struct tp_peer *peer, void *owner)
{
    unsigned *counted = owner;

    (void) peer;
    *counted += 1;
}

static uint64_t
start(struct tp_peer *peer, int64_t delay_ms, unsigned *counted)
{
    uint64_t timer;

    ck_assert_int_eq(
        TP_OK, tp_peer_start_timer(peer, (struct tp_msec){ delay_ms }, count, counted, &timer));
    ck_assert_uint_ne(0, timer);
    return timer;
}

START_TEST(a_timer_runs_once_and_not_too_early)
{
    struct tp_peer *peer = peer_make();
    int64_t begin_ms = tp__clock_monotonic_ms();
    unsigned counted = 0;

    start(peer, 5, &counted);
    while (counted == 0) {
        tp_peer_turn(peer, -1);
    }
    ck_assert_int_ge(tp__clock_monotonic_ms(), begin_ms + 5);
    tp_peer_turn(peer, 3);
    ck_assert_uint_eq(1, counted);
    tp_peer_destroy(&peer);
}
END_TEST

START_TEST(a_number_names_one_timer_only)
{
    struct tp_peer *peer = peer_make();
    unsigned counted = 0;
    uint64_t first = start(peer, 0, &counted);

    while (counted == 0) {
        tp_peer_turn(peer, -1);
    }
    uint64_t second = start(peer, 1, &counted);

    ck_assert_uint_ne(first, second);
    tp_peer_cancel_timer(peer, first);
    while (counted == 1) {
        tp_peer_turn(peer, -1);
    }
    uint64_t third = start(peer, 1, &counted);

    tp_peer_cancel_timer(peer, third);
    tp_peer_cancel_timer(peer, third);
    tp_peer_cancel_timer(peer, 0);
    tp_peer_cancel_timer(peer, UINT64_MAX);
    tp_peer_turn(peer, 5);
    ck_assert_uint_eq(2, counted);
    tp_peer_destroy(&peer);
}
END_TEST

START_TEST(many_run_and_those_that_are_left_are_forgotten)
{
    struct tp_peer *peer = peer_make();
    unsigned counted = 0;
    unsigned late = 0;

    for (int i = 0; i < TIMERS_MANY; i++) {
        start(peer, i % 7, &counted);
        start(peer, LONG_MS, &late);
    }
    while (counted < TIMERS_MANY) {
        tp_peer_turn(peer, -1);
    }
    tp_peer_destroy(&peer);
    ck_assert_uint_eq(0, late);
}
END_TEST

/* Starts the next from within, as a periodic task does. */
static void
count_to_three(struct tp_peer *peer, void *owner)
{
    unsigned *counted = owner;
    uint64_t timer;

    *counted += 1;
    if (*counted == 3) {
        tp_peer_stop(peer);
    } else {
        ck_assert_int_eq(
            TP_OK, tp_peer_start_timer(peer, (struct tp_msec){ 1 }, count_to_three, owner, &timer));
    }
}

START_TEST(a_timer_may_start_the_next)
{
    struct tp_peer *peer = peer_make();
    unsigned counted = 0;

    count_to_three(peer, &counted);
    tp_peer_run(peer);
    ck_assert_uint_eq(3, counted);
    tp_peer_destroy(&peer);
}
END_TEST

START_TEST(a_delay_has_bounds)
{
    struct tp_peer *peer = peer_make();
    uint64_t timer = 1;

    ck_assert_int_eq(TP_INVALID,
                     tp_peer_start_timer(peer, (struct tp_msec){ -1 }, count, NULL, &timer));
    ck_assert_uint_eq(0, timer);
    ck_assert_int_eq(TP_INVALID,
                     tp_peer_start_timer(peer, (struct tp_msec){ INT64_MAX }, count, NULL, &timer));
    tp_peer_destroy(&peer);
}
END_TEST

Suite *
tp_suite_peer_timers(void)
{
    Suite *suite = suite_create("peer/timers");
    TCase *tests = tcase_create("timers");

    tcase_add_test(tests, a_timer_runs_once_and_not_too_early);
    tcase_add_test(tests, a_number_names_one_timer_only);
    tcase_add_test(tests, many_run_and_those_that_are_left_are_forgotten);
    tcase_add_test(tests, a_timer_may_start_the_next);
    tcase_add_test(tests, a_delay_has_bounds);
    suite_add_tcase(suite, tests);
    return suite;
}
