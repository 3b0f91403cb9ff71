/*
 * number.c - tests of packet/number.
 */
#include <teleport/number.h>

#include <check.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

START_TEST(integers_keep_all_their_digits)
{
    static const struct {
        int64_t number;
        const char *text;
    } rows[] = {
        { 0, "0" },
        { -1, "-1" },
        { 10, "10" },
        { INT64_MAX, "9223372036854775807" },
        { INT64_MIN, "-9223372036854775808" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        char text[TP_NUMBER_TEXT_MAX];

        ck_assert_uint_eq(strlen(rows[i].text), tp_number_format_integer(rows[i].number, text));
        ck_assert_str_eq(rows[i].text, text);
    }
}
END_TEST

START_TEST(doubles_look_as_elsewhere)
{
    static const struct {
        double number;
        const char *text;
    } rows[] = {
        { 0, "0" },
        { -0.0, "-0" },
        { 0.5, "0.5" },
        { -1234.5, "-1234.5" },
        { 1e20, "100000000000000000000" },
        { 1e21, "1e+21" },
        { 0.000001, "0.000001" },
        { 0.00000123456789012345678, "0.0000012345678901234567" },
        { 1e-7, "1e-7" },
        { -1.25e-9, "-1.25e-9" },
        { 5e-324, "5e-324" },
        { -DBL_MAX, "-1.7976931348623157e+308" },
        { -DBL_MIN, "-2.2250738585072014e-308" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        char text[TP_NUMBER_TEXT_MAX];

        ck_assert_uint_eq(strlen(rows[i].text), tp_number_format(rows[i].number, text));
        ck_assert_str_eq(rows[i].text, text);
        ck_assert_double_eq(rows[i].number, strtod(text, NULL));
    }
}
END_TEST

Suite *
tp_suite_packet_number(void)
{
    Suite *suite = suite_create("packet/number");
    TCase *texts = tcase_create("texts");

    tcase_add_test(texts, integers_keep_all_their_digits);
    tcase_add_test(texts, doubles_look_as_elsewhere);
    suite_add_tcase(suite, texts);
    return suite;
}
