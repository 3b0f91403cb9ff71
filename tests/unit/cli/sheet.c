/*
 * sheet.c - tests of cli/sheet: rows of JSON as columns, their rates, and numbers for people.
 */
#include "cli/sheet.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Suite *tp_suite_cli_sheet(void);

static const struct tp_column columns[] = {
    { .title = "ID", .member = "id|number", .kind = TP_CELL_TEXT, .width = 4 },
    { .title = "IN/s", .member = "in", .kind = TP_CELL_RATE, .width = 4 },
    { .title = "P99", .member = "took.p99_us", .kind = TP_CELL_US, .width = 4 },
    { .title = "AGE", .member = "age", .kind = TP_CELL_SECONDS, .width = 4 },
};

static struct tp_sheet
sheet_of(const char *json)
{
    struct tp_sheet sheet = {
        .columns = columns,
        .column_count = TP_COUNT_OF(columns),
        .keys = { "number" },
    };

    ck_assert_int_eq(TP_OK, tp__sheet_add(&sheet, (struct tp_str){ json, strlen(json) }, 100));
    return sheet;
}

static void
assert_cell(const struct tp_sheet *sheet, size_t row, size_t column, const char *wanted)
{
    char text[TP_SHEET_CELL_MAX];

    tp__sheet_cell(sheet, &sheet->rows[row], column, 40, text);
    ck_assert_str_eq(wanted, text);
}

START_TEST(cells_show_what_members_say)
{
    struct tp_sheet sheet = sheet_of("[{\"number\":7,\"id\":\"la\\u001bmp\",\"in\":5,"
                                     "\"took\":{\"p99_us\":1500},\"age\":3.25},{\"number\":8}]");

    ck_assert_uint_eq(2, sheet.row_count);
    assert_cell(&sheet, 0, 0, "la\\x1bmp");
    assert_cell(&sheet, 0, 1, "-");
    assert_cell(&sheet, 0, 2, "1.5ms");
    assert_cell(&sheet, 0, 3, "3.2s");
    assert_cell(&sheet, 1, 0, "8");
    assert_cell(&sheet, 1, 2, "-");
    tp__sheet_fini(&sheet);
}
END_TEST

START_TEST(rates_are_differences)
{
    struct tp_sheet before = sheet_of("[{\"number\":1,\"in\":10},{\"number\":2,\"in\":50},"
                                      "{\"number\":3,\"in\":1}]");
    struct tp_sheet after = sheet_of("[{\"number\":4,\"in\":8},{\"number\":2,\"in\":20},"
                                     "{\"number\":1,\"in\":30},{\"number\":5}]");

    ck_assert_int_eq(TP_OK, tp__sheet_compare(&after, &before, 2.0));
    /* One that is new, one that began anew, one that went on, and one that says nothing. */
    ck_assert_double_eq_tol(4, after.rows[0].numbers[1], 1e-9);
    ck_assert_double_eq_tol(10, after.rows[1].numbers[1], 1e-9);
    ck_assert_double_eq_tol(10, after.rows[2].numbers[1], 1e-9);
    ck_assert(isnan(after.rows[3].numbers[1]));
    tp__sheet_fini(&before);
    tp__sheet_fini(&after);
}
END_TEST

START_TEST(what_is_older_than_the_reading_before_has_no_rate_yet)
{
    struct tp_sheet before = sheet_of("[{\"number\":1,\"in\":10,\"age\":90}]");
    struct tp_sheet after = sheet_of("[{\"number\":2,\"in\":5000,\"age\":80},"
                                     "{\"number\":3,\"in\":8,\"age\":1.5},"
                                     "{\"number\":1,\"in\":30,\"age\":92}]");

    ck_assert_int_eq(TP_OK, tp__sheet_compare(&after, &before, 2.0));
    ck_assert(isnan(after.rows[0].numbers[1]));
    ck_assert_double_eq_tol(4, after.rows[1].numbers[1], 1e-9);
    ck_assert_double_eq_tol(10, after.rows[2].numbers[1], 1e-9);
    tp__sheet_fini(&before);
    tp__sheet_fini(&after);
}
END_TEST

static void
assert_order(struct tp_sheet *sheet, size_t column, bool is_reversed, const char *wanted)
{
    char found[16] = "";

    tp__sheet_sort(sheet, column, is_reversed);
    ck_assert_uint_lt(sheet->row_count, sizeof(found));
    for (size_t i = 0; i < sheet->row_count; i++) {
        char text[TP_SHEET_CELL_MAX];

        tp__sheet_cell(sheet, &sheet->rows[i], 0, 40, text);
        found[i] = text[0];
    }
    ck_assert_str_eq(wanted, found);
}

START_TEST(rows_are_sorted_and_those_without_a_number_come_last)
{
    struct tp_sheet sheet =
        sheet_of("[{\"number\":1,\"id\":\"b\",\"age\":5},{\"number\":2,\"id\":\"a\"},"
                 "{\"number\":3,\"id\":\"c\",\"age\":70}]");

    assert_order(&sheet, 0, false, "abc");
    assert_order(&sheet, 0, true, "cba");
    assert_order(&sheet, 3, false, "cba");
    assert_order(&sheet, 3, true, "bca");
    tp__sheet_fini(&sheet);
}
END_TEST

START_TEST(more_rows_than_wanted_are_cut_and_said_to_be)
{
    struct tp_sheet sheet = { .columns = columns, .column_count = TP_COUNT_OF(columns) };

    ck_assert_int_eq(TP_OK, tp__sheet_add(&sheet, TP_STR("[{},{}]"), 2));
    ck_assert(!sheet.is_cut);
    ck_assert_int_eq(TP_OK, tp__sheet_add(&sheet, TP_STR("[{}]"), 2));
    ck_assert(sheet.is_cut);
    ck_assert_uint_eq(2, sheet.row_count);
    tp__sheet_fini(&sheet);
}
END_TEST

START_TEST(letters_are_found_in_texts_only)
{
    struct tp_sheet sheet = sheet_of("[{\"number\":1,\"id\":\"Lamp\",\"age\":77}]");

    ck_assert(tp__sheet_row_has(&sheet, &sheet.rows[0], "aMP"));
    ck_assert(!tp__sheet_row_has(&sheet, &sheet.rows[0], "77"));
    ck_assert(!tp__sheet_row_has(&sheet, &sheet.rows[0], "id"));
    tp__sheet_fini(&sheet);
}
END_TEST

START_TEST(what_is_no_row_has_no_cells)
{
    struct tp_sheet sheet = sheet_of("[1,\"x\",null,[],{}]");

    ck_assert_uint_eq(5, sheet.row_count);
    for (size_t i = 0; i < sheet.row_count; i++) {
        assert_cell(&sheet, i, 0, "");
        assert_cell(&sheet, i, 3, "-");
    }
    tp__sheet_fini(&sheet);
}
END_TEST

START_TEST(numbers_are_short)
{
    static const struct {
        char *(*figure)(double number, char text[TP_FIGURE_MAX]);
        double number;
        const char *wanted;
    } cases[] = {
        { tp__figure_count, 0, "0" },          { tp__figure_count, 0.25, "0.2" },
        { tp__figure_count, 7, "7" },          { tp__figure_count, 99999, "99999" },
        { tp__figure_count, 123456, "123k" },  { tp__figure_count, 2.5e9, "2.5g" },
        { tp__figure_size, 0, "0" },           { tp__figure_size, 1023, "1023" },
        { tp__figure_size, 1536, "1.5k" },     { tp__figure_size, 1 << 30, "1.0g" },
        { tp__figure_seconds, 0, "0s" },       { tp__figure_seconds, 9.94, "9.9s" },
        { tp__figure_seconds, 59, "59s" },     { tp__figure_seconds, 187, "3m07s" },
        { tp__figure_seconds, 3660, "1h01m" }, { tp__figure_seconds, 273600, "3d04h" },
        { tp__figure_us, 999, "999us" },       { tp__figure_us, 4560, "4.6ms" },
        { tp__figure_us, 25000, "25ms" },      { tp__figure_us, 2500000, "2.5s" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        char text[TP_FIGURE_MAX];

        ck_assert_str_eq(cases[i].wanted, cases[i].figure(cases[i].number, text));
    }
}
END_TEST

Suite *
tp_suite_cli_sheet(void)
{
    Suite *suite = suite_create("cli/sheet");
    TCase *tests = tcase_create("sheet");

    tcase_add_test(tests, cells_show_what_members_say);
    tcase_add_test(tests, rates_are_differences);
    tcase_add_test(tests, what_is_older_than_the_reading_before_has_no_rate_yet);
    tcase_add_test(tests, rows_are_sorted_and_those_without_a_number_come_last);
    tcase_add_test(tests, more_rows_than_wanted_are_cut_and_said_to_be);
    tcase_add_test(tests, letters_are_found_in_texts_only);
    tcase_add_test(tests, what_is_no_row_has_no_cells);
    tcase_add_test(tests, numbers_are_short);
    suite_add_tcase(suite, tests);
    return suite;
}
