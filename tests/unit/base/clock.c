/*
 * clock.c - tests of base/clock.
 */
#include "base/clock.h"

#include <check.h>
#include <ctype.h>
#include <string.h>
#include <time.h>

START_TEST(monotonic_time_never_goes_back)
{
    int64_t before_us = tp__clock_monotonic_us();

    ck_assert_int_gt(before_us, 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now_us = tp__clock_monotonic_us();

        ck_assert_int_ge(now_us, before_us);
        before_us = now_us;
    }
}
END_TEST

START_TEST(both_units_tell_the_same_time)
{
    int64_t before_us = tp__clock_monotonic_us();
    int64_t now_ms = tp__clock_monotonic_ms();
    int64_t after_us = tp__clock_monotonic_us();

    ck_assert_int_le(before_us / 1000, now_ms);
    ck_assert_int_le(now_ms, after_us / 1000);
}
END_TEST

START_TEST(wall_time_is_written_for_people)
{
    static const char form[] = "dddd-dd-dd dd:dd:dd.ddd";
    char text[TP_CLOCK_TEXT_MAX];

    ck_assert_ptr_eq(text, tp__clock_format_now(text));
    ck_assert_uint_eq(sizeof(form) - 1, strlen(text));
    for (size_t i = 0; form[i] != '\0'; i++) {
        if (form[i] == 'd') {
            ck_assert_msg(isdigit((unsigned char) text[i]), "%s", text);
        } else {
            ck_assert_int_eq(form[i], text[i]);
        }
    }
}
END_TEST

START_TEST(wall_time_is_the_present)
{
    char text[TP_CLOCK_TEXT_MAX];
    struct tm written = { .tm_isdst = -1 };
    time_t before = time(NULL);
    const char *end = strptime(tp__clock_format_now(text), "%Y-%m-%d %H:%M:%S", &written);
    time_t after = time(NULL);

    ck_assert_ptr_nonnull(end);
    ck_assert_int_eq('.', *end);
    ck_assert_int_le(before, mktime(&written));
    ck_assert_int_le(mktime(&written), after);
}
END_TEST

/* Over leap years and turns of centuries, a day and some seconds at a time. */
START_TEST(a_known_offset_gives_the_same_without_the_time_zone)
{
    const long day_s = 24 * 60 * 60;
    char text[TP_CLOCK_TEXT_MAX];
    char expected[TP_CLOCK_TEXT_MAX];

    for (long days = 0; days < 366 * 100; days += 1) {
        long offset_s = days * (day_s + 7);
        struct timespec before;
        struct timespec after;

        /* time() may be a little behind that clock. */
        do {
            ck_assert_int_eq(0, clock_gettime(CLOCK_REALTIME, &before));
            ck_assert_ptr_eq(text, tp__clock_format_at(offset_s, text));
            ck_assert_int_eq(0, clock_gettime(CLOCK_REALTIME, &after));
        } while (before.tv_sec != after.tv_sec);
        time_t then = before.tv_sec + offset_s;
        struct tm utc;

        strftime(expected, sizeof(expected), "%Y-%m-%d %H:%M:%S.", gmtime_r(&then, &utc));
        ck_assert_msg(strncmp(expected, text, strlen(expected)) == 0, "%s is not %s", text,
                      expected);
        ck_assert_uint_eq(strlen(expected) + 3, strlen(text));
    }
}
END_TEST

START_TEST(the_offset_is_that_of_local_time)
{
    time_t now = time(NULL);
    struct tm local;

    ck_assert_ptr_nonnull(localtime_r(&now, &local));
    ck_assert_int_eq(now, timegm(&local) - tp__clock_utc_offset());
}
END_TEST

Suite *
tp_suite_base_clock(void)
{
    Suite *suite = suite_create("base/clock");
    TCase *clock_case = tcase_create("clock");

    tcase_add_test(clock_case, monotonic_time_never_goes_back);
    tcase_add_test(clock_case, both_units_tell_the_same_time);
    tcase_add_test(clock_case, wall_time_is_written_for_people);
    tcase_add_test(clock_case, wall_time_is_the_present);
    tcase_add_test(clock_case, a_known_offset_gives_the_same_without_the_time_zone);
    tcase_add_test(clock_case, the_offset_is_that_of_local_time);
    suite_add_tcase(suite, clock_case);
    return suite;
}
