/*
 * random.c - tests of os/random.
 */
#include "os/random.h"

#include <check.h>
#include <string.h>

Suite *tp_suite_os_random(void);

START_TEST(fills_all_bytes_and_differs_each_time)
{
    unsigned char left[1000] = { 0 };
    unsigned char right[1000] = { 0 };
    size_t zeros = 0;

    tp__random_fill(left, sizeof(left));
    tp__random_fill(right, sizeof(right));
    ck_assert_int_ne(0, memcmp(left, right, sizeof(left)));
    for (size_t i = 0; i < sizeof(left); i++) {
        zeros += left[i] == 0;
    }
    /* About four; fifty would come once in more years than there are. */
    ck_assert_uint_lt(zeros, 50);
}
END_TEST

Suite *
tp_suite_os_random(void)
{
    Suite *suite = suite_create("os/random");
    TCase *bytes = tcase_create("bytes");

    tcase_add_test(bytes, fills_all_bytes_and_differs_each_time);
    suite_add_tcase(suite, bytes);
    return suite;
}
