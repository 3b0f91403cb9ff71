/*
 * str.c - tests of base/str.
 */
#include "base/str.h"

#include <check.h>

static const struct tp_str nothing = { NULL, 0 };

static void
assert_str(const char *expected, struct tp_str found)
{
    ck_assert_msg(tp__str_equal(tp__str(expected), found), "expected \"%s\", found \"%.*s\"",
                  expected, TP_STR_ARG(found));
}

START_TEST(equal_means_the_same_bytes)
{
    ck_assert(tp__str_equal(TP_STR("peer"), TP_STR("peer")));
    ck_assert(!tp__str_equal(TP_STR("peer"), TP_STR("Peer")));
    ck_assert(!tp__str_equal(TP_STR("peer"), TP_STR("peers")));
    ck_assert(!tp__str_equal(TP_STR("a\0b"), TP_STR("a\0c")));
    ck_assert(tp__str_equal(nothing, TP_STR("")));
    ck_assert(tp__str_equal(nothing, nothing));
}
END_TEST

START_TEST(starts_with_compares_the_beginning)
{
    ck_assert(tp__str_starts_with(TP_STR("unix:/run"), TP_STR("unix:")));
    ck_assert(tp__str_starts_with(TP_STR("unix:"), TP_STR("unix:")));
    ck_assert(!tp__str_starts_with(TP_STR("unix"), TP_STR("unix:")));
    ck_assert(!tp__str_starts_with(TP_STR("unit:/run"), TP_STR("unix:")));
    ck_assert(tp__str_starts_with(TP_STR("x"), nothing));
    ck_assert(tp__str_starts_with(nothing, nothing));
    ck_assert(!tp__str_starts_with(nothing, TP_STR("x")));
}
END_TEST

START_TEST(skips_at_most_all)
{
    assert_str("peer", tp__str_skip(TP_STR("peer"), 0));
    assert_str("er", tp__str_skip(TP_STR("peer"), 2));
    assert_str("", tp__str_skip(TP_STR("peer"), 4));
    assert_str("", tp__str_skip(TP_STR("peer"), 5));
    assert_str("", tp__str_skip(nothing, 5));
}
END_TEST

START_TEST(cuts_at_the_first_separator)
{
    struct tp_str rest;

    assert_str("a", tp__str_cut(TP_STR("a:b:c"), ':', &rest));
    assert_str("b:c", rest);
    assert_str("", tp__str_cut(TP_STR(":b"), ':', &rest));
    assert_str("b", rest);
    assert_str("a", tp__str_cut(TP_STR("a:"), ':', &rest));
    assert_str("", rest);
    assert_str("abc", tp__str_cut(TP_STR("abc"), ':', &rest));
    assert_str("", rest);
    assert_str("", tp__str_cut(nothing, ':', &rest));
    assert_str("", rest);
}
END_TEST

START_TEST(reads_numbers_up_to_both_ends)
{
    static const struct {
        const char *text;
        int64_t number;
    } cases[] = {
        { "0", 0 },
        { "-0", 0 },
        { "7", 7 },
        { "-7", -7 },
        { "0009090", 9090 },
        { "9223372036854775807", INT64_MAX },
        { "-9223372036854775807", -INT64_MAX },
        { "-9223372036854775808", INT64_MIN },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        int64_t number = 42;

        ck_assert_int_eq(TP_OK, tp__str_to_int64(tp__str(cases[i].text), &number));
        ck_assert_int_eq(cases[i].number, number);
    }
}
END_TEST

START_TEST(refuses_what_is_no_number)
{
    static const char *const texts[] = { "",   "-",  "--1", "+1",  "1 ",  " 1",
                                         "1a", "a1", "1.5", "0x1", "1-2", "99999999999999999999x" };
    int64_t number = 42;

    for (size_t i = 0; i < TP_COUNT_OF(texts); i++) {
        ck_assert_int_eq(TP_INVALID, tp__str_to_int64(tp__str(texts[i]), &number));
    }
    ck_assert_int_eq(TP_INVALID, tp__str_to_int64(nothing, &number));
    ck_assert_int_eq(42, number);
}
END_TEST

START_TEST(refuses_numbers_that_do_not_fit)
{
    static const char *const texts[] = { "9223372036854775808", "-9223372036854775809",
                                         "18446744073709551616", "99999999999999999999999999" };
    int64_t number = 42;

    for (size_t i = 0; i < TP_COUNT_OF(texts); i++) {
        ck_assert_int_eq(TP_TOO_LARGE, tp__str_to_int64(tp__str(texts[i]), &number));
    }
    ck_assert_int_eq(42, number);
}
END_TEST

START_TEST(counts_the_letters_that_differ)
{
    static const struct {
        const char *left;
        const char *right;
        size_t distance;
    } cases[] = {
        { "", "", 0 },
        { "listen", "listen", 0 },
        { "", "abc", 3 },
        { "listen", "listn", 1 },
        { "listen", "listeen", 1 },
        { "listen", "lidten", 1 },
        { "listen", "lisetn", 1 },
        { "listen", "ilstne", 2 },
        { "ab", "ba", 1 },
        { "ca", "abc", 3 }, /* restricted: what was swapped is not edited again */
        { "kitten", "sitting", 3 },
        { "worker_processes", "worker_process", 2 },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        struct tp_str left = tp__str(cases[i].left);
        struct tp_str right = tp__str(cases[i].right);

        ck_assert_uint_eq(cases[i].distance, tp__str_distance(left, right));
        ck_assert_uint_eq(cases[i].distance, tp__str_distance(right, left));
    }
}
END_TEST

START_TEST(long_names_differ_in_every_letter)
{
    char name[300];

    memset(name, 'x', sizeof(name));
    ck_assert_uint_eq(0,
                      tp__str_distance((struct tp_str){ name, 64 }, (struct tp_str){ name, 64 }));
    ck_assert_uint_eq(64, tp__str_distance((struct tp_str){ name, 64 }, nothing));
    ck_assert_uint_eq(65,
                      tp__str_distance((struct tp_str){ name, 65 }, (struct tp_str){ name, 1 }));
    ck_assert_uint_eq(65,
                      tp__str_distance((struct tp_str){ name, 1 }, (struct tp_str){ name, 65 }));
}
END_TEST

START_TEST(near_allows_more_slips_in_longer_names)
{
    ck_assert(tp__str_is_near(TP_STR("lsiten"), TP_STR("listen")));
    ck_assert(tp__str_is_near(TP_STR("echo_repy_max"), TP_STR("echo_reply_max")));
    ck_assert(tp__str_is_near(TP_STR("no"), TP_STR("on")));
    ck_assert(!tp__str_is_near(TP_STR("a"), TP_STR("b")));
    ck_assert(!tp__str_is_near(TP_STR(""), TP_STR("on")));
    ck_assert(!tp__str_is_near(TP_STR("server"), TP_STR("listen")));
}
END_TEST

START_TEST(nothing_is_near_a_name_that_is_too_long)
{
    char name[300];

    memset(name, 'x', sizeof(name));
    ck_assert(!tp__str_is_near((struct tp_str){ name, sizeof(name) }, TP_STR("listen")));
    ck_assert(!tp__str_is_near(TP_STR("listen"), (struct tp_str){ name, sizeof(name) }));
}
END_TEST

Suite *
tp_suite_base_str(void)
{
    Suite *suite = suite_create("base/str");
    TCase *slices = tcase_create("slices");
    TCase *numbers = tcase_create("numbers");
    TCase *names = tcase_create("names");

    tcase_add_test(slices, equal_means_the_same_bytes);
    tcase_add_test(slices, starts_with_compares_the_beginning);
    tcase_add_test(slices, skips_at_most_all);
    tcase_add_test(slices, cuts_at_the_first_separator);
    suite_add_tcase(suite, slices);

    tcase_add_test(numbers, reads_numbers_up_to_both_ends);
    tcase_add_test(numbers, refuses_what_is_no_number);
    tcase_add_test(numbers, refuses_numbers_that_do_not_fit);
    suite_add_tcase(suite, numbers);

    tcase_add_test(names, counts_the_letters_that_differ);
    tcase_add_test(names, long_names_differ_in_every_letter);
    tcase_add_test(names, near_allows_more_slips_in_longer_names);
    tcase_add_test(names, nothing_is_near_a_name_that_is_too_long);
    suite_add_tcase(suite, names);
    return suite;
}
