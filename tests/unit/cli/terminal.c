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

static void
clean(const char *bytes, size_t len, size_t columns, const char *wanted)
{
    char text[64];
    size_t width = tp__screen_clean((struct tp_str){ bytes, len }, columns, text, sizeof(text));

    ck_assert_str_eq(wanted, text);
    ck_assert_uint_le(width, columns);
}

#define CLEAN(bytes, columns, wanted) clean(bytes, sizeof(bytes) - 1, columns, wanted)

START_TEST(a_line_is_cleaned_and_cut)
{
    CLEAN("plain", 10, "plain");
    CLEAN("plain", 5, "plain");
    CLEAN("plain", 4, "pla~");
    CLEAN("plain", 0, "");
    CLEAN("a\nb\tc", 20, "a\\x0ab\\x09c");
    CLEAN("\033[2J", 20, "\\x1b[2J");
    CLEAN("\033", 3, "~");
    CLEAN("\xff\xc3", 20, "\\xff\\xc3");
    CLEAN("\xe2\x80\xae", 20, "\\xe2\\x80\\xae");
    /* Two columns each, for all that is known. */
    CLEAN("\xe4\xbd\xa0\xe5\xa5\xbd", 4, "\xe4\xbd\xa0\xe5\xa5\xbd");
    CLEAN("\xe4\xbd\xa0\xe5\xa5\xbd", 3, "\xe4\xbd\xa0~");
    CLEAN("\xc3\xa4\xc3\xb6", 1, "~");
}
END_TEST

START_TEST(a_line_never_outgrows_its_room)
{
    char text[8];
    char long_text[100];

    memset(long_text, 0x1b, sizeof(long_text));
    tp__screen_clean((struct tp_str){ long_text, sizeof(long_text) }, 1000, text, sizeof(text));
    ck_assert_uint_lt(strlen(text), sizeof(text));
    memset(long_text, 'a', sizeof(long_text));
    tp__screen_clean((struct tp_str){ long_text, sizeof(long_text) }, 1000, text, sizeof(text));
    ck_assert_str_eq("aaaaaa~", text);
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
    tcase_add_test(tests, a_line_is_cleaned_and_cut);
    tcase_add_test(tests, a_line_never_outgrows_its_room);
    tcase_add_test(tests, a_bar_fills);
    suite_add_tcase(suite, tests);
    return suite;
}
