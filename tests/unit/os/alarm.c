/*
 * alarm.c - tests of os/alarm.
 */
#include "os/alarm.h"

#include "base/clock.h"

#include <check.h>
#include <poll.h>

enum {
    LONG_MS = 20 * 1000,
};

Suite *tp_suite_os_alarm(void);

static bool
rings(const struct tp_alarm *alarm, int wait_ms)
{
    struct pollfd poll_fd = { .fd = alarm->fd, .events = POLLIN };

    return poll(&poll_fd, 1, wait_ms) == 1;
}

START_TEST(rings_in_time_and_no_longer_once_it_is_set_anew)
{
    struct tp_alarm alarm;

    ck_assert_int_eq(TP_OK, tp__alarm_open(&alarm));
    ck_assert(!rings(&alarm, 0));

    int64_t time_ms = tp__clock_monotonic_ms() + 5;

    tp__alarm_set(&alarm, time_ms);
    ck_assert(rings(&alarm, LONG_MS));
    ck_assert_int_ge(tp__clock_monotonic_ms(), time_ms);
    tp__alarm_set(&alarm, TP_ALARM_NEVER);
    ck_assert(!rings(&alarm, 0));
    tp__alarm_close(&alarm);
    ck_assert_int_eq(-1, alarm.fd);
}
END_TEST

START_TEST(a_time_that_has_passed_rings_at_once)
{
    struct tp_alarm alarm;

    ck_assert_int_eq(TP_OK, tp__alarm_open(&alarm));
    tp__alarm_set(&alarm, 0);
    ck_assert(rings(&alarm, LONG_MS));
    tp__alarm_set(&alarm, tp__clock_monotonic_ms() + LONG_MS);
    ck_assert(!rings(&alarm, 0));
    tp__alarm_set(&alarm, 1);
    ck_assert(rings(&alarm, LONG_MS));
    tp__alarm_close(&alarm);
}
END_TEST

Suite *
tp_suite_os_alarm(void)
{
    Suite *suite = suite_create("os/alarm");
    TCase *times = tcase_create("times");

    tcase_add_test(times, rings_in_time_and_no_longer_once_it_is_set_anew);
    tcase_add_test(times, a_time_that_has_passed_rings_at_once);
    suite_add_tcase(suite, times);
    return suite;
}
