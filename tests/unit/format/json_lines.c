/*
 * json_lines.c - tests of format/json_lines: JSON indented, cut anywhere, and what is none.
 */
#include "format/json_lines.h"

#include "base/str.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum {
    ROOM = 16 * 1024,
};

struct shown {
    enum tp_result result;
    size_t taken;
    char text[ROOM + 1];
};

static struct shown
show_in(struct tp_str json, bool goes_on, size_t room)
{
    struct shown shown;

    memset(&shown, 'X', sizeof(shown));
    shown.result = tp__json_lines_write(json, goes_on, shown.text, room, &shown.taken);
    ck_assert_uint_lt(strlen(shown.text), room);
    ck_assert_int_eq('X', shown.text[room]);
    return shown;
}

static void
expect(const char *json, const char *expected)
{
    struct shown shown = show_in(tp__str(json), false, ROOM);

    ck_assert_str_eq(expected, shown.text);
    ck_assert_int_eq(TP_OK, shown.result);
    ck_assert_uint_eq(strlen(json), shown.taken);
}

static void
expect_refusal(struct tp_str json)
{
    struct shown shown = show_in(json, false, ROOM);

    ck_assert_msg(shown.result == TP_INVALID, "%s was shown", json.data);
    ck_assert_str_eq("", shown.text);
    ck_assert_uint_eq(0, shown.taken);
}

START_TEST(values_stand_on_lines_of_their_own)
{
    expect("{\"a\":1,\"b\":{\"c\":[{}]}}", "{\n"
                                           "      \"a\": 1,\n"
                                           "      \"b\": {\n"
                                           "        \"c\": [\n"
                                           "          {}\n"
                                           "        ]\n"
                                           "      }\n"
                                           "    }");
    expect(" {\r\n\t} ", "{}");
    expect("[[],{}]", "[\n      [],\n      {}\n    ]");
}
END_TEST

START_TEST(a_short_array_stays_on_one_line)
{
    expect("[1 ,\n2,\"a]\\\"[\"]", "[1, 2, \"a]\\\"[\"]");
    expect("[]", "[]");
    expect("[\"0123456789012345678901234567890123456789\",\"01234567890123456789\"]",
           "[\n      \"0123456789012345678901234567890123456789\",\n"
           "      \"01234567890123456789\"\n    ]");
}
END_TEST

START_TEST(scalars_stay_as_they_are)
{
    expect("12345678901234567890.5e-3", "12345678901234567890.5e-3");
    expect("\"\\u0000\\n caf\xc3\xa9\"", "\"\\u0000\\n caf\xc3\xa9\"");
    expect("null", "null");
    expect(" true", "true");
    expect("false\n", "false");
}
END_TEST

START_TEST(what_steers_a_terminal_is_escaped)
{
    expect("\"\x7f\"", "\"\\u007f\"");
    expect("\"\xc2\x9b"
           "2J\"",
           "\"\\u009b2J\"");
    expect("\"\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6\"", "\"\\u2028\\u202e\\u2066\"");
}
END_TEST

START_TEST(what_is_no_json_is_refused)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "[1",
        "]",
        "{\"a\"}",
        "{\"a\":}",
        "{,}",
        "[,]",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "1 2",
        "tru",
        "truer",
        "nul",
        "\"a",
        "\"\\x\"",
        "\"\\",
        "\"a\nb\"",
        "+1",
        "{1:2}",
        "[}",
        "{]",
        "\"\xff\"",
        "\"\xc3\"",
        "\"\xed\xa0\x80\"",
        "a",
        "{\"a\" 1}",
        "[1:2]",
        "'a'",
        ":",
        ",",
        "{\"a\":1\"b\":2}",
        "1}",
    };

    for (size_t i = 0; i < TP_COUNT_OF(texts); i++) {
        expect_refusal(tp__str(texts[i]));
    }
    expect_refusal(TP_STR("\"a\0b\""));
    expect_refusal(TP_STR("1\0"));
    expect_refusal(TP_STR("\"\\\0\""));
}
END_TEST

START_TEST(nesting_is_bounded)
{
    char json[2 * (TP_JSON_LINES_DEPTH_MAX + 1) + 1];
    size_t depth = TP_JSON_LINES_DEPTH_MAX;

    memset(json, '[', depth + 1);
    memset(json + depth + 1, ']', depth + 1);
    ck_assert_int_eq(TP_OK, show_in((struct tp_str){ json + 1, 2 * depth }, false, ROOM).result);
    expect_refusal((struct tp_str){ json, 2 * depth + 2 });
}
END_TEST

static const char sample[] =
    "{\"a\":[1,2,{\"b\":\"caf\xc3\xa9 \\u00e9 \x7f\"}],\"c\":[true,\"\\\\\"],"
    "\"d\":-1.5e3,\"e\":{}}";

/* Every beginning is shown as far as it goes; more of it never shows less. */
START_TEST(a_beginning_is_shown_as_far_as_it_goes)
{
    size_t shown_before = 0;

    for (size_t len = 1; len < sizeof(sample) - 1; len++) {
        struct shown shown = show_in((struct tp_str){ sample, len }, true, ROOM);

        ck_assert_int_eq(TP_OK, shown.result);
        ck_assert_uint_le(shown.taken, len);
        ck_assert_uint_ge(shown.taken + TP_JSON_LINES_MARGIN, len);
        ck_assert_uint_ge(shown.taken, shown_before);
        shown_before = shown.taken;
    }
}
END_TEST

/* In whatever room: the same beginning, and no line end that is not followed by the margin. */
START_TEST(what_has_no_room_is_left_out)
{
    struct tp_str json = TP_STR(sample);
    struct shown whole = show_in(json, false, ROOM);

    for (size_t room = 1; room <= strlen(whole.text) + 1; room++) {
        struct shown shown = show_in(json, false, room);

        ck_assert_int_eq(TP_OK, shown.result);
        ck_assert(strncmp(whole.text, shown.text, strlen(shown.text)) == 0);
        ck_assert_uint_le(room, strlen(shown.text) + 32);
        for (const char *at = strchr(shown.text, '\n'); at != NULL; at = strchr(at + 1, '\n')) {
            ck_assert(strncmp(at + 1, "    ", TP_JSON_LINES_MARGIN) == 0);
        }
    }
}
END_TEST

Suite *
tp_suite_format_json_lines(void)
{
    Suite *suite = suite_create("format/json_lines");
    TCase *tests = tcase_create("json_lines");

    tcase_add_test(tests, values_stand_on_lines_of_their_own);
    tcase_add_test(tests, a_short_array_stays_on_one_line);
    tcase_add_test(tests, scalars_stay_as_they_are);
    tcase_add_test(tests, what_steers_a_terminal_is_escaped);
    tcase_add_test(tests, what_is_no_json_is_refused);
    tcase_add_test(tests, nesting_is_bounded);
    tcase_add_test(tests, a_beginning_is_shown_as_far_as_it_goes);
    tcase_add_test(tests, what_has_no_room_is_left_out);
    suite_add_tcase(suite, tests);
    return suite;
}
