/*
 * json_read.c - tests of cli/json_read.
 */
#include "cli/json_read.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static bool
is_valid(const char *text)
{
    return tp__json_is_valid((struct tp_str){ text, strlen(text) });
}

START_TEST(knows_json)
{
    static const char *const valid[] = {
        "0",    "-1.5e+3", "\"\"", "\"\\u00e4\\n\xc3\xa4\"",   "true",
        "null", "[]",      "{}",   " [ 1 , {\"a\" : [ ] } ] ", "1E5",
        "0.0",
    };

    for (size_t i = 0; i < TP_COUNT_OF(valid); i++) {
        ck_assert_msg(is_valid(valid[i]), "%s", valid[i]);
    }
}
END_TEST

START_TEST(knows_what_is_none)
{
    static const char *const invalid[] = {
        "",        " ",           "01",       "1.",       ".5",           "-",
        "+1",      "1e",          "tru",      "True",     "[1,]",         "[,1]",
        "[1 2]",   "{\"a\"}",     "{\"a\":}", "{a:1}",    "{\"a\":1,}",   "\"",
        "\"\\x\"", "\"\\u12g4\"", "\"\n\"",   "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"",
        "1 2",     "[1",          "{",        "nul",      "\"\\",
    };

    for (size_t i = 0; i < TP_COUNT_OF(invalid); i++) {
        ck_assert_msg(!is_valid(invalid[i]), "%s", invalid[i]);
    }
}
END_TEST

START_TEST(nesting_is_bounded)
{
    char deep[2000];

    memset(deep, '[', 1000);
    memset(deep + 1000, ']', 1000);
    ck_assert(!tp__json_is_valid((struct tp_str){ deep, 2000 }));
    ck_assert(tp__json_is_valid((struct tp_str){ deep + 600, 800 }));
}
END_TEST

START_TEST(goes_through_members_and_elements)
{
    struct tp_json_cursor cursor;
    struct tp_str name, value;
    char text[16];

    ck_assert(tp__json_enter(&cursor, TP_STR(" { \"a\" : 1 , \"b\":[2, 3] } ")));
    ck_assert(tp__json_next(&cursor, &name, &value));
    ck_assert_str_eq("a", tp__json_unquote(name, text, sizeof(text)));
    ck_assert_mem_eq("1", value.data, value.len);
    ck_assert(tp__json_next(&cursor, &name, &value));
    ck_assert_uint_eq(6, value.len);
    ck_assert(!tp__json_next(&cursor, &name, &value));

    ck_assert(tp__json_enter(&cursor, TP_STR("[2, \"x\"]")));
    ck_assert(tp__json_next(&cursor, &name, &value));
    ck_assert_uint_eq(0, name.len);
    ck_assert(tp__json_next(&cursor, &name, &value));
    ck_assert(tp__json_is_text(value));
    ck_assert(!tp__json_next(&cursor, &name, &value));
    ck_assert(!tp__json_enter(&cursor, TP_STR("17")));
    ck_assert(tp__json_enter(&cursor, TP_STR("[]")));
    ck_assert(!tp__json_next(&cursor, &name, &value));
}
END_TEST

START_TEST(finds_a_member)
{
    struct tp_str value;

    ck_assert(tp__json_find(TP_STR("{\"a\":{\"b\":1},\"b\":2}"), "b", &value));
    ck_assert_mem_eq("2", value.data, value.len);
    ck_assert(!tp__json_find(TP_STR("{\"a\":{\"b\":1}}"), "b", &value));
    ck_assert(!tp__json_find(TP_STR("[1]"), "b", &value));
}
END_TEST

START_TEST(reads_texts)
{
    char text[64];

    ck_assert_str_eq(
        "a\"\\/\b\f\n\r\tb",
        tp__json_unquote(TP_STR("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tb\""), text, sizeof(text)));
    ck_assert_str_eq(
        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
        tp__json_unquote(TP_STR("\"\\u00e4\\u20AC\\ud83d\\ude00\""), text, sizeof(text)));
    ck_assert_str_eq("\xef\xbf\xbdx", tp__json_unquote(TP_STR("\"\\ud83dx\""), text, sizeof(text)));
    ck_assert_str_eq("ab", tp__json_unquote(TP_STR("\"abc\""), text, 3));
}
END_TEST

static char *
written(void (*write)(FILE *file, struct tp_str text), struct tp_str text)
{
    char *found = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&found, &len);

    write(file, text);
    fclose(file);
    return found;
}

START_TEST(writes_texts_values_and_base64)
{
    static const struct {
        void (*write)(FILE *file, struct tp_str text);
        struct tp_str text;
        const char *wanted;
    } cases[] = {
        { tp__json_write_text, TP_STR("a\"b\\c\nd\x01"), "\"a\\\"b\\\\c\\nd\\u0001\"" },
        { tp__json_write_text, TP_STR("\xc3\xa4\xff"), "\"\xc3\xa4\\ufffd\"" },
        { tp__json_write_value, TP_STR("[1,\n2]"), "[1, 2]" },
        { tp__json_write_base64, TP_STR(""), "\"\"" },
        { tp__json_write_base64, TP_STR("f"), "\"Zg==\"" },
        { tp__json_write_base64, TP_STR("fo"), "\"Zm8=\"" },
        { tp__json_write_base64, TP_STR("foobar"), "\"Zm9vYmFy\"" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        char *found = written(cases[i].write, cases[i].text);

        ck_assert_str_eq(cases[i].wanted, found);
        free(found);
    }
}
END_TEST

Suite *
tp_suite_cli_json_read(void)
{
    Suite *suite = suite_create("cli/json_read");
    TCase *tests = tcase_create("json_read");

    tcase_add_test(tests, knows_json);
    tcase_add_test(tests, knows_what_is_none);
    tcase_add_test(tests, nesting_is_bounded);
    tcase_add_test(tests, goes_through_members_and_elements);
    tcase_add_test(tests, finds_a_member);
    tcase_add_test(tests, reads_texts);
    tcase_add_test(tests, writes_texts_values_and_base64);
    suite_add_tcase(suite, tests);
    return suite;
}
