/*
 * histogram.c - tests of cli/histogram.
 */
#include "cli/histogram.h"

#include <check.h>
#include <stdlib.h>

enum {
    VALUE_COUNT = 100000,
};

START_TEST(an_empty_one_knows_nothing)
{
    static const struct tp_histogram empty;

    ck_assert_uint_eq(0, tp__histogram_percentile(&empty, 0.5));
    ck_assert_double_eq(0, tp__histogram_mean(&empty));
}
END_TEST

START_TEST(percentiles_are_within_two_percent)
{
    static const double shares[] = { 0.001, 0.01, 0.5, 0.9, 0.99, 0.999, 1 };
    struct tp_histogram *histogram = calloc(1, sizeof(*histogram));

    for (uint64_t value = 1; value <= VALUE_COUNT; value++) {
        tp__histogram_add(histogram, value * 1000);
    }
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        double exact = shares[i] * VALUE_COUNT * 1000;
        double found = (double) tp__histogram_percentile(histogram, shares[i]);

        ck_assert_double_ge(found, exact);
        ck_assert_double_le(found, exact * 1.02);
    }
    ck_assert_uint_eq(1000, histogram->min);
    ck_assert_uint_eq(VALUE_COUNT * UINT64_C(1000), histogram->max);
    ck_assert_double_eq_tol(500.0 * (VALUE_COUNT + 1), tp__histogram_mean(histogram), 1);
    free(histogram);
}
END_TEST

START_TEST(takes_values_of_every_size)
{
    struct tp_histogram *histogram = calloc(1, sizeof(*histogram));

    for (unsigned shift = 0; shift < 64; shift++) {
        tp__histogram_add(histogram, UINT64_C(1) << shift);
    }
    tp__histogram_add(histogram, UINT64_MAX);
    tp__histogram_add(histogram, 0);
    ck_assert_uint_eq(66, histogram->total);
    ck_assert_uint_eq(UINT64_MAX, tp__histogram_percentile(histogram, 1));
    ck_assert_uint_eq(0, tp__histogram_percentile(histogram, 0));
    free(histogram);
}
END_TEST

START_TEST(two_add_up)
{
    struct tp_histogram *one = calloc(1, sizeof(*one));
    struct tp_histogram *other = calloc(1, sizeof(*other));

    tp__histogram_merge(one, other);
    ck_assert_uint_eq(0, one->total);
    tp__histogram_add(other, 7);
    tp__histogram_merge(one, other);
    ck_assert_uint_eq(7, one->min);
    tp__histogram_add(other, 3);
    tp__histogram_add(other, 9);
    tp__histogram_merge(one, other);
    ck_assert_uint_eq(4, one->total);
    ck_assert_uint_eq(3, one->min);
    ck_assert_uint_eq(9, one->max);
    ck_assert_uint_eq(7, tp__histogram_percentile(one, 0.75));
    free(one);
    free(other);
}
END_TEST

Suite *
tp_suite_cli_histogram(void)
{
    Suite *suite = suite_create("cli/histogram");
    TCase *tests = tcase_create("histogram");

    tcase_add_test(tests, an_empty_one_knows_nothing);
    tcase_add_test(tests, percentiles_are_within_two_percent);
    tcase_add_test(tests, takes_values_of_every_size);
    tcase_add_test(tests, two_add_up);
    suite_add_tcase(suite, tests);
    return suite;
}
