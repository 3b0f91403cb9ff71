/*
 * terminal.c - tests of cli/terminal: nothing that comes from elsewhere steers a terminal.
 */
#include "cli/terminal.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void
expect(const char *bytes, size_t len, const char *wanted)
{
    for (size_t piece = 1; piece <= len; piece++) {
        char *text = NULL;
        size_t text_len = 0;
        struct tp_screen output = { .file = open_memstream(&text, &text_len), .escapes = true };

        for (size_t at = 0; at < len; at += piece) {
            size_t count = len - at < piece ? len - at : piece;

            tp__screen_write(&output, (struct tp_str){ bytes + at, count });
        }
        tp__screen_end(&output);
        fclose(output.file);
        ck_assert_str_eq(wanted, text);
        free(text);
    }
}

#define EXPECT(bytes, wanted) expect(bytes, sizeof(bytes) - 1, wanted)

START_TEST(text_stays_as_it_is)
{
    EXPECT("line\n\tone \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "line\n\tone \xc3\xa4 \xe2\x82"
                                                                 "\xac \xf0\x9f\x98\x80");
}
END_TEST

START_TEST(control_characters_are_shown)
{
    EXPECT("\033[2J\a\b\r\x7f", "\\x1b[2J\\x07\\x08\\r\\x7f");
    EXPECT("a\0b", "a\\x00b");
    /* The one-byte form of ESC [, in UTF-8; and what turns text around. */
    EXPECT("\xc2\x9b", "\\xc2\\x9b");
    EXPECT("\xe2\x80\xae", "\\xe2\\x80\\xae");
    EXPECT("\xe2\x81\xa6", "\\xe2\\x81\\xa6");
}
END_TEST

START_TEST(broken_utf8_is_shown)
{
    EXPECT("\xff", "\\xff");
    EXPECT("\xc3", "\\xc3");
    EXPECT("\xc3\x28", "\\xc3(");
    EXPECT("\xc0\xaf", "\\xc0\\xaf");
    EXPECT("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
    EXPECT("\xed\xa0\x80", "\\xed\\xa0\\x80");
    EXPECT("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
    EXPECT("\xe2\x82\xe2\x82\xac", "\\xe2\\x82\xe2\x82\xac");
}
END_TEST

START_TEST(a_bar_fills)
{
    char bar[13];

    tp__screen_draw_bar(bar, sizeof(bar), 0);
    ck_assert_str_eq("[----------]", bar);
    tp__screen_draw_bar(bar, sizeof(bar), 0.55);
    ck_assert_str_eq("[#####-----]", bar);
    tp__screen_draw_bar(bar, sizeof(bar), 1.5);
    ck_assert_str_eq("[##########]", bar);
}
END_TEST

Suite *
tp_suite_cli_terminal(void)
{
    Suite *suite = suite_create("cli/terminal");
    TCase *tests = tcase_create("terminal");

    tcase_add_test(tests, text_stays_as_it_is);
    tcase_add_test(tests, control_characters_are_shown);
    tcase_add_test(tests, broken_utf8_is_shown);
    tcase_add_test(tests, a_bar_fills);
    suite_add_tcase(suite, tests);
    return suite;
}
