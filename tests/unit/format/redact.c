/*
 * redact.c - tests of format/redact: no secret is shown, no byte steers a terminal, and all ends.
 */
#include "format/redact.h"

#include "base/str.h"

#include <check.h>
#include <string.h>

enum {
    SHOWN_MAX = 2048,
};

struct shown {
    const char *came;
    const char *is_shown;
};

static const struct shown uris[] = {
    { "", "" },
    { "/echo?a=1&b", "/echo?a=1&b" },
    { "/echo?access_token=abc&a=1", "/echo?access_token=(hidden)&a=1" },
    { "/echo?access_token=", "/echo?access_token=" },
    { "/echo?a=1&My-API_Key=x", "/echo?a=1&My-API_Key=(hidden)" },
    { "/echo?%74oken=abc", "/echo?%74oken=(hidden)" },
    { "/echo?%54%4Fken=abc", "/echo?%54%4Fken=(hidden)" },
    { "/echo?to-k%5Fen=abc;def=1&x=1", "/echo?to-k%5Fen=(hidden)&x=1" },
    { "/echo?a=1;token=abc;b=2", "/echo?a=1;token=(hidden)" },
    { "/echo#access_token=abc", "/echo#access_token=(hidden)" },
    { "/echo?a=b#access_token=abc", "/echo?a=b#access_token=(hidden)" },
    { "/echo?a=b?token=abc", "/echo?a=b?token=(hidden)" },
    { "/echo?password=a=b", "/echo?password=(hidden)" },
    { "tp://ann:secret@host/echo", "tp://(hidden)@host/echo" },
    { "tp://host/a@b?x=1", "tp://host/a@b?x=1" },
    { "/a@b", "/a@b" },
    { "/\x1b[2J\"\n", "/\\x1b[2J\\x22\\x0a" },
    { "/echo?a=\xff", "/echo?a=\\xff" },
};

START_TEST(a_uri_is_shown_without_secrets)
{
    char text[SHOWN_MAX];
    struct tp_str shown = tp__redact_uri(tp__str(uris[_i].came), text, sizeof(text));

    ck_assert_msg(tp__str_equal(shown, tp__str(uris[_i].is_shown)), "%s: %.*s", uris[_i].came,
                  TP_STR_ARG(shown));
}
END_TEST

static const struct shown metadata[] = {
    { "Authorization=Bearer%20abc&b=2", "Authorization=(hidden)&b=2" },
    { "Proxy-Authorization=x&Cookie=a%3Db&Set-Cookie=c", "Proxy-Authorization=(hidden)&Cookie=(hidden)&Set-Cookie=(hidden)" },
    { "X-Auth-Token=x&x-real-ip=1", "X-Auth-Token=(hidden)&x-real-ip=1" },
    { "author=ann&secretary=bob", "author=ann&secretary=(hidden)" },
    { "a=b, token=c", "a=b, token=(hidden)" },
    { "a&b&&=c", "a&b&&=c" },
};

START_TEST(metadata_is_shown_without_secrets)
{
    char text[SHOWN_MAX];
    struct tp_str shown = tp__redact_metadata(tp__str(metadata[_i].came), text, sizeof(text));

    ck_assert_msg(tp__str_equal(shown, tp__str(metadata[_i].is_shown)), "%s: %.*s",
                  metadata[_i].came, TP_STR_ARG(shown));
}
END_TEST

START_TEST(a_name_with_a_zero_byte_hides_all_the_same)
{
    static const char came[] = "to\0ken=ab\0cd&x=1";
    char text[SHOWN_MAX];
    struct tp_str shown =
        tp__redact_metadata((struct tp_str){ came, sizeof(came) - 1 }, text, sizeof(text));

    ck_assert(tp__str_equal(shown, TP_STR("to\\x00ken=(hidden)&x=1")));
}
END_TEST

START_TEST(a_very_long_name_has_something_to_hide)
{
    char came[300];
    char text[SHOWN_MAX];

    memset(came, 'n', sizeof(came));
    memcpy(came + 250, "=tail", 5);
    struct tp_str shown = tp__redact_metadata((struct tp_str){ came, 255 }, text, sizeof(text));

    ck_assert_uint_eq(shown.len, 250 + strlen("=(hidden)"));
}
END_TEST

START_TEST(what_is_shown_is_bounded)
{
    static char came[100000];
    char text[SHOWN_MAX + 1];

    for (unsigned byte = 0; byte < 256; byte += 51) {
        memset(came, (int) byte, sizeof(came));
        text[SHOWN_MAX] = '!';
        struct tp_str all = { came, sizeof(came) };

        ck_assert_uint_le(tp__redact_uri(all, text, SHOWN_MAX).len, SHOWN_MAX);
        ck_assert_uint_le(tp__redact_metadata(all, text, SHOWN_MAX).len, SHOWN_MAX);
        ck_assert_int_eq(text[SHOWN_MAX], '!');
    }
}
END_TEST

Suite *
tp_suite_format_redact(void)
{
    Suite *suite = suite_create("format/redact");
    TCase *tests = tcase_create("redact");

    tcase_add_loop_test(tests, a_uri_is_shown_without_secrets, 0, TP_COUNT_OF(uris));
    tcase_add_loop_test(tests, metadata_is_shown_without_secrets, 0, TP_COUNT_OF(metadata));
    tcase_add_test(tests, a_name_with_a_zero_byte_hides_all_the_same);
    tcase_add_test(tests, a_very_long_name_has_something_to_hide);
    tcase_add_test(tests, what_is_shown_is_bounded);
    suite_add_tcase(suite, tests);
    return suite;
}
