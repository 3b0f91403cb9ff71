/*
 * json_print.c - tests of cli/json_print: JSON over lines, anything else untouched.
 */
#include "cli/json_print.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* What is printed of `json`, which is fed in pieces of `piece` bytes; freed by the caller. */
static char *
printed(struct tp_str json, size_t piece, bool has_color)
{
    struct tp_json_printer printer;
    char *text = NULL;
    size_t len = 0;
    struct tp_screen output = { .file = open_memstream(&text, &len), .has_color = has_color };

    tp__json_printer_init(&printer, &output);
    for (size_t at = 0; at < json.len; at += piece) {
        size_t count = json.len - at < piece ? json.len - at : piece;

        tp__json_printer_feed(&printer, (struct tp_str){ json.data + at, count });
    }
    tp__json_printer_end(&printer);
    fclose(output.file);
    return text;
}

static void
expect(const char *json, const char *wanted)
{
    const struct tp_str text = { json, strlen(json) };

    for (size_t piece = 1; piece <= text.len + 1; piece++) {
        char *found = printed(text, piece, false);

        ck_assert_str_eq(wanted, found);
        free(found);
    }
}

START_TEST(lays_out_nested_values)
{
    expect("{\"a\":[1,2],\"b\":{\"c\":null}}",
           "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {\n    \"c\": null\n  }\n}\n");
}
END_TEST

START_TEST(keeps_what_is_empty_on_its_line)
{
    expect("{\"a\":{},\"b\":[ ]}", "{\n  \"a\": {},\n  \"b\": []\n}\n");
    expect("[]", "[]\n");
}
END_TEST

START_TEST(keeps_digits_and_escapes_as_they_are)
{
    expect("[1.0e+400,-0,18446744073709551616,\"\\u0041\\\"\\n\"]",
           "[\n  1.0e+400,\n  -0,\n  18446744073709551616,\n  \"\\u0041\\\"\\n\"\n]\n");
}
END_TEST

START_TEST(prints_values_without_a_bracket)
{
    expect(" 6 ", "6\n");
    expect("\"text\"", "\"text\"\n");
    expect("true", "true\n");
    expect("1 2", "1\n2\n");
    expect("{}\n{}", "{}\n{}\n");
}
END_TEST

START_TEST(prints_as_it_is_from_where_it_is_no_json)
{
    expect("hello  world", "hello  world\n");
    expect("tree  of", "tree  of\n");
    expect("[1,,2  ]", "[\n  1,\n  ,2  ]\n");
    expect("]", "]\n");
    expect("{a : 1}", "{a : 1}\n");
    expect("[1}", "[\n  1}\n");
}
END_TEST

START_TEST(an_end_in_the_middle_is_an_end)
{
    expect("[1", "[\n  1\n");
    expect("\"half", "\"half\n");
    expect("{\"a\"", "{\n  \"a\"\n");
    expect("tru", "tru\n");
    expect("", "");
}
END_TEST

START_TEST(nesting_is_bounded)
{
    char deep[TP_JSON_DEPTH_MAX + 10];

    memset(deep, '[', sizeof(deep));
    char *found = printed((struct tp_str){ deep, sizeof(deep) }, sizeof(deep), false);
    size_t brackets = 0;

    for (const char *at = found; *at != '\0'; at++) {
        brackets += *at == '[';
    }
    ck_assert_uint_eq(sizeof(deep), brackets);
    free(found);
}
END_TEST

START_TEST(colours_end_where_a_value_ends)
{
    char *found = printed(TP_STR("{\"a\":1}"), 3, true);

    ck_assert_str_eq("{\n  \033[34;1m\"a\"\033[0m: \033[36m1\033[0m\n}\n", found);
    free(found);
    found = printed(TP_STR("[tru!"), 1, true);
    ck_assert_str_eq("[\n  \033[35mtru\033[0m!\n", found);
    free(found);
}
END_TEST

Suite *
tp_suite_cli_json_print(void)
{
    Suite *suite = suite_create("cli/json_print");
    TCase *tests = tcase_create("json_print");

    tcase_add_test(tests, lays_out_nested_values);
    tcase_add_test(tests, keeps_what_is_empty_on_its_line);
    tcase_add_test(tests, keeps_digits_and_escapes_as_they_are);
    tcase_add_test(tests, prints_values_without_a_bracket);
    tcase_add_test(tests, prints_as_it_is_from_where_it_is_no_json);
    tcase_add_test(tests, an_end_in_the_middle_is_an_end);
    tcase_add_test(tests, nesting_is_bounded);
    tcase_add_test(tests, colours_end_where_a_value_ends);
    suite_add_tcase(suite, tests);
    return suite;
}
