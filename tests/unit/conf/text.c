/*
 * text.c - quotes, escapes, variables, comments and includes: what a text means
 * when nothing is wrong with it, and the bounds.
 *
 * Read next: src/conf/lexer.c, word.c, include.c.
 */
#include "conf_fixture.h"

#include "base/str.h"
#include "base/utf8.h"
#include "conf/word.h"

#include <stdlib.h>

struct word_case {
    const char *written;
    const char *meant;
};

/* clang-format off */
static const struct word_case word_cases[] = {
    { "plain",                     "plain" },
    { "a\\ b",                     "a b" },
    { "a\\;b\\{c\\}\\#",           "a;b{c}#" },
    { "a#b",                       "a#b" },
    { "\\d+\\.x",                  "\\d+\\.x" },
    { "it's",                      "it's" },
    { "\"a b;{}#\"",               "a b;{}#" },
    { "\"a\\\"b\\\\c\\$d\"",       "a\"b\\c$d" },
    { "\"a\\nb\\tc\\rd\"",         "a\nb\tc\rd" },
    { "'a b $prefix \\n'",         "a b $prefix \\n" },
    { "'it\\'s \\\\'",             "it's \\" },
    { "\"it's\"",                  "it's" },
    { "\"\"",                      "" },
    { "''",                        "" },
    { "key=\"a b\"",               "key=a b" },
    { "key='a b'",                 "key=a b" },
    { "key=a=\"b\"",               "key=a=\"b\"" },
    { "$prefix",                   "/srv/teleport/" },
    { "${prefix}x",                "/srv/teleport/x" },
    { "$hostname.$env_PORT",       "here.7070" },
    { "\"$hostname\"",             "here" },
    { "a$",                        "a$" },
    { "a$-b$$",                    "a$-b$$" },
    { "$9",                        "$9" },
    { "日本",                      "日本" },
};
/* clang-format on */

START_TEST(words_mean_what_the_guide_says)
{
    struct tp_conf_fixture fixture;
    struct tp_text text = { 0 };

    tp__text_printf(&text, "peer p { echo_greeting %s; }", word_cases[_i].written);
    tp__conf_fixture_open(&fixture, text.data, NULL);
    tp__conf_fixture_load(&fixture);
    const struct tp_block *peer = tp_block_first(tp__conf_root(fixture.conf), TP_IN_PEER);
    const struct sample_echo *echo = tp_block_conf(peer, &sample_echo_module);

    ck_assert_str_eq(echo->greeting.data, word_cases[_i].meant);
    ck_assert_uint_eq(echo->greeting.len, strlen(word_cases[_i].meant));
    tp__conf_fixture_close(&fixture);
    tp__text_fini(&text);
}
END_TEST

START_TEST(what_is_written_is_read_again)
{
    struct tp_conf_fixture fixture;
    struct tp_text text = { 0 };

    tp__text_append(&text, TP_STR("peer p { echo_greeting "));
    tp__word_write(tp__str(word_cases[_i].meant), &text);
    tp__text_append(&text, TP_STR("; }"));
    tp__conf_fixture_open(&fixture, text.data, NULL);
    tp__conf_fixture_load(&fixture);
    const struct tp_block *peer = tp_block_first(tp__conf_root(fixture.conf), TP_IN_PEER);
    const struct sample_echo *echo = tp_block_conf(peer, &sample_echo_module);

    ck_assert_str_eq(echo->greeting.data, word_cases[_i].meant);
    tp__conf_fixture_close(&fixture);
    tp__text_fini(&text);
}
END_TEST

START_TEST(lines_may_end_in_any_way)
{
    tp__conf_fixture_expect(TP_UTF8_BOM "daemon off;\r\n# \xff\x01 comment \xc3\r\n\r\n"
                                        "peer\r\n  p\t{ # inner\n}# end",
                            NULL, "");
    tp__conf_fixture_expect("", NULL, "teleport.conf: error: there is no \"peer\"\n");
    tp__conf_fixture_expect(TP_UTF8_BOM, NULL, "teleport.conf: error: there is no \"peer\"\n");
}
END_TEST

START_TEST(a_variable_counts_to_the_end_of_its_block)
{
    static const struct sample_file files[] = {
        { "names.conf", "set $inner 3;" },
        { NULL, NULL },
    };
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture,
                          "set $port 1; set $name p$port;\n"
                          "peer $name {\n"
                          "    server { set $port 2; include names.conf; listen $port;\n"
                          "             listen $inner; }\n"
                          "    server { listen $port; echo_greeting ${name}; }\n"
                          "}",
                          files);
    tp__conf_fixture_load(&fixture);
    const struct sample_server *first =
        tp_block_conf(tp__conf_fixture_server(&fixture, 0), &sample_server_module);
    const struct sample_server *second =
        tp_block_conf(tp__conf_fixture_server(&fixture, 1), &sample_server_module);
    const struct sample_listen *first_listens = first->listens.items;
    const struct sample_listen *second_listens = second->listens.items;

    ck_assert_int_eq(first_listens[0].port.port, 2);
    ck_assert_int_eq(first_listens[1].port.port, 3);
    ck_assert_int_eq(second_listens[0].port.port, 1);
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(a_variable_of_an_inner_block_ends_with_it)
{
    tp__conf_fixture_expect("peer p { set $port 1; }\npeer q { echo_greeting $port; }\n", NULL,
                            "teleport.conf:2:24: error: unknown variable \"$port\"\n"
                            "    2 | peer q { echo_greeting $port; }\n"
                            "      |                        ^^^^^\n");
}
END_TEST

START_TEST(includes_are_read_where_they_stand)
{
    static const struct sample_file files[] = {
        { "conf.d/a.conf", "echo_delay 1s; include ./b.txt;" },
        { "conf.d/b.txt", "echo_greeting b;" },
        { "/etc/peer.conf", "allow x;" },
        { NULL, NULL },
    };
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(
        &fixture, "peer p { include conf.d/a*; include nothing/*; include /etc/peer.conf; }",
        files);
    tp__conf_fixture_load(&fixture);
    const struct tp_block *peer = tp_block_first(tp__conf_root(fixture.conf), TP_IN_PEER);
    const struct sample_echo *echo = tp_block_conf(peer, &sample_echo_module);

    ck_assert_int_eq(echo->delay.ms, 1000);
    ck_assert_str_eq(echo->greeting.data, "b");
    ck_assert_str_eq(tp__conf_origin(peer, "echo_greeting", 0), "conf.d/b.txt:1:1");
    ck_assert_str_eq(tp__conf_origin(peer, "allow", 0), "/etc/peer.conf:1:1");
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(mistakes_of_included_files_name_them_in_order)
{
    static const struct sample_file files[] = {
        { "a.conf", "daemon x;\ninclude b.conf;\npid y z;" },
        { "b.conf", "include a.conf;\n}" },
        { NULL, NULL },
    };

    tp__conf_fixture_expect("pid;\ninclude a.conf;\nlisten 4;\n", files,
                            "teleport.conf:1:1: error: \"pid\" needs a value\n"
                            "    1 | pid;\n"
                            "      | ^^^\n"
                            "        it is written: pid PATH;\n"
                            "a.conf:1:8: error: \"daemon\" takes \"on\" or \"off\"\n"
                            "    1 | daemon x;\n"
                            "      |        ^\n"
                            "b.conf:1:9: error: \"a.conf\" includes itself\n"
                            "    1 | include a.conf;\n"
                            "      |         ^^^^^^\n"
                            "        \"teleport.conf\" -> \"a.conf\" -> \"b.conf\" -> \"a.conf\"\n"
                            "b.conf:2:1: error: this \"}\" closes no block\n"
                            "    2 | }\n"
                            "      | ^\n"
                            "a.conf:3:7: error: too many arguments for \"pid\"\n"
                            "    3 | pid y z;\n"
                            "      |       ^\n"
                            "        it is written: pid PATH;\n"
                            "teleport.conf:3:1: error: \"listen\" may not stand in \"main\"\n"
                            "    3 | listen 4;\n"
                            "      | ^^^^^^\n"
                            "        it may stand in \"server\"\n");
}
END_TEST

START_TEST(a_chain_of_includes_has_a_greatest_length)
{
    static const struct sample_file files[] = {
        { "f1", "include f2;" },   { "f2", "include f3;" },   { "f3", "include f4;" },
        { "f4", "include f5;" },   { "f5", "include f6;" },   { "f6", "include f7;" },
        { "f7", "include f8;" },   { "f8", "include f9;" },   { "f9", "include f10;" },
        { "f10", "include f11;" }, { "f11", "include f12;" }, { "f12", "include f13;" },
        { "f13", "include f14;" }, { "f14", "include f15;" }, { "f15", "include f16;" },
        { "f16", "include f17;" }, { "f17", "daemon off;" },  { NULL, NULL },
    };
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture, "include f1;", files);
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_INVALID);
    ck_assert_ptr_nonnull(
        strstr(fixture.messages.data, "f16:1:9: error: more than 16 includes inside each other\n"));
    ck_assert_ptr_nonnull(strstr(fixture.messages.data, "\"teleport.conf\" -> \"f1\" -> \"f2\""));
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(the_main_file_must_be_readable)
{
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture, "", NULL);
    fixture.options.file = "other.conf";
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_INVALID);
    ck_assert_str_eq(fixture.messages.data,
                     "other.conf: error: cannot read this file: No such file or directory\n");
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(directives_given_by_hand_come_first)
{
    static const struct sample_file files[] = {
        { "conf/teleport.conf", "include x; daemon off;" },
        { "conf/x", "peer $name { }" },
        { "conf/y", "pid here;" },
        { NULL, NULL },
    };
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture, "", files);
    fixture.options.file = "conf/teleport.conf";
    fixture.options.directives = "set $name n; include y;";
    tp__conf_fixture_load(&fixture);
    ck_assert_str_eq(tp__conf_origin(tp__conf_root(fixture.conf), "pid", 0), "conf/y:1:1");
    tp__conf_destroy(&fixture.conf);
    fixture.options.directives = "daemon on; pid";
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_INVALID);
    ck_assert_str_eq(
        fixture.messages.data,
        "-g:1:15: error: \";\" is missing at the end of \"pid\"\n"
        "    1 | daemon on; pid\n"
        "      |               ^\n"
        "conf/x:1:6: error: unknown variable \"$name\"\n"
        "    1 | peer $name { }\n"
        "      |      ^^^^^\n"
        "conf/teleport.conf:1:12: error: \"daemon\" is written twice in this \"main\"\n"
        "    1 | include x; daemon off;\n"
        "      |            ^^^^^^\n"
        "        it stands first in -g:1:1\n");
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(after_a_hundred_mistakes_it_is_enough)
{
    struct tp_conf_fixture fixture;
    struct tp_text text = { 0 };
    size_t count = 0;

    for (int i = 0; i < 150; i++) {
        tp__text_append(&text, TP_STR("x;\n"));
    }
    tp__conf_fixture_open(&fixture, text.data, NULL);
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_INVALID);
    for (const char *at = fixture.messages.data; (at = strstr(at, " error: ")) != NULL; at++) {
        count++;
    }
    ck_assert_uint_eq(count, 100);
    ck_assert_ptr_nonnull(
        strstr(fixture.messages.data, "too many errors; the first 100 are shown\n"));
    tp__conf_fixture_close(&fixture);
    tp__text_fini(&text);
}
END_TEST

/* Loads `count` times `piece` between `head` and `tail`, and expects `message` to be told. */
static void
expect_of_many(const char *head, const char *piece, size_t count, const char *tail,
               const char *message)
{
    struct tp_conf_fixture fixture;
    struct tp_text text = { 0 };

    tp__text_append(&text, tp__str(head));
    for (size_t i = 0; i < count; i++) {
        tp__text_append(&text, tp__str(piece));
    }
    tp__text_append(&text, tp__str(tail));
    tp__conf_fixture_open(&fixture, text.data, NULL);
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_INVALID);
    ck_assert_ptr_nonnull(strstr(fixture.messages.data, message));
    tp__conf_fixture_close(&fixture);
    tp__text_fini(&text);
}

START_TEST(everything_has_a_bound)
{
    expect_of_many("pid ", "0123456789abcdef", 1025, ";", "this word is longer than 16k");
    expect_of_many("set $a ", "0123456789abcdef", 600, "; pid $a$a;",
                   "with its variables this word is longer than 16k");
    expect_of_many("pid", " a", 64, ";", "more than 63 arguments");
    expect_of_many("", "peer p { ", 17, "", "more than 16 blocks inside each other");
    expect_of_many("", "peer p { }\n", 16385, "", "more than 16384 blocks");
    expect_of_many("", "#\n", 2 * 1024 * 1024 + 1, "", "\"teleport.conf\" is larger than 4m");
    expect_of_many("set $a ", "0123456789abcdef", 1000,
                   "; peer p { include many; server { listen 1; } }", "cannot read");
}
END_TEST

START_TEST(all_words_together_have_a_bound)
{
    struct tp_text text = { 0 };

    tp__text_append(&text, TP_STR("peer p {\n"));
    for (int i = 0; i < 1100; i++) {
        tp__text_append(&text, TP_STR("allow $a;"));
    }
    tp__text_append(&text, TP_STR("}\n"));
    expect_of_many("set $a ", "0123456789abcdef", 1000, "; ", "there is no \"peer\"");

    struct tp_text head = { 0 };

    tp__text_printf(&head, "set $a ");
    for (int i = 0; i < 1000; i++) {
        tp__text_append(&head, TP_STR("0123456789abcdef"));
    }
    tp__text_append(&head, TP_STR(";\n"));
    expect_of_many(head.data, "", 0, text.data, "the configuration is larger than 16m");
    tp__text_fini(&head);
    tp__text_fini(&text);
}
END_TEST

START_TEST(all_files_together_have_a_bound)
{
    struct tp_text comments = { 0 };
    struct sample_file files[] = { { "big", NULL }, { NULL, NULL } };
    struct tp_conf_fixture fixture;

    for (int i = 0; i < 2 * 1024 * 1024; i++) {
        tp__text_append(&comments, TP_STR("#\n"));
    }
    files[0].text = comments.data;
    tp__conf_fixture_open(&fixture, "include big; include big; include big;\ninclude big; pid",
                          files);
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_INVALID);
    ck_assert_str_eq(fixture.messages.data,
                     "teleport.conf:2:9: error: with \"big\" the configuration is larger than 16m\n"
                     "    2 | include big; pid\n"
                     "      |         ^^^\n");
    tp__conf_fixture_close(&fixture);
    tp__text_fini(&comments);
}
END_TEST

START_TEST(variables_have_a_bound)
{
    struct tp_text text = { 0 };

    for (int i = 0; i < 257; i++) {
        tp__text_printf(&text, "set $v%d x;\n", i);
    }
    expect_of_many(text.data, "", 0, "", "more than 256 variables");
    tp__text_fini(&text);
}
END_TEST

START_TEST(characters_have_widths)
{
    ck_assert_uint_eq(tp__utf8_width(tp__utf8_read(TP_STR("a"))), 1);
    ck_assert_uint_eq(tp__utf8_width(tp__utf8_read(TP_STR("é"))), 1);
    ck_assert_uint_eq(tp__utf8_width(tp__utf8_read(TP_STR("日"))), 2);
    ck_assert_uint_eq(tp__utf8_width(tp__utf8_read(TP_STR("😀"))), 2);
    ck_assert_uint_eq(tp__utf8_width(tp__utf8_read(TP_STR("\u0301"))), 0);
    ck_assert_uint_eq(tp__utf8_width(tp__utf8_read(TP_STR("\xff"))), 1);
    ck_assert(!tp__utf8_read(TP_STR("\xc0\x80")).is_valid);
    ck_assert(!tp__utf8_read(TP_STR("\xed\xa0\x80")).is_valid);
    ck_assert(!tp__utf8_read(TP_STR("\xf4\x90\x80\x80")).is_valid);
    ck_assert(!tp__utf8_read(TP_STR("\xe6\x97")).is_valid);
    ck_assert(!tp__utf8_read(TP_STR("\xe6\x97z")).is_valid);
    ck_assert(!tp__utf8_is_printable(tp__utf8_read(TP_STR("\x7f"))));
    ck_assert(!tp__utf8_is_printable(tp__utf8_read(TP_STR("\xc2\x85"))));
    ck_assert_uint_eq(tp__utf8_count(TP_STR("aé日\xff")), 4);
}
END_TEST

Suite *
tp_suite_conf_text(void)
{
    Suite *suite = suite_create("conf/text");
    TCase *tests = tcase_create("text");

    tcase_add_loop_test(tests, words_mean_what_the_guide_says, 0, (int) TP_COUNT_OF(word_cases));
    tcase_add_loop_test(tests, what_is_written_is_read_again, 0, (int) TP_COUNT_OF(word_cases));
    tcase_add_test(tests, lines_may_end_in_any_way);
    tcase_add_test(tests, a_variable_counts_to_the_end_of_its_block);
    tcase_add_test(tests, a_variable_of_an_inner_block_ends_with_it);
    tcase_add_test(tests, includes_are_read_where_they_stand);
    tcase_add_test(tests, mistakes_of_included_files_name_them_in_order);
    tcase_add_test(tests, a_chain_of_includes_has_a_greatest_length);
    tcase_add_test(tests, the_main_file_must_be_readable);
    tcase_add_test(tests, directives_given_by_hand_come_first);
    tcase_add_test(tests, after_a_hundred_mistakes_it_is_enough);
    tcase_add_test(tests, everything_has_a_bound);
    tcase_add_test(tests, all_words_together_have_a_bound);
    tcase_add_test(tests, all_files_together_have_a_bound);
    tcase_add_test(tests, variables_have_a_bound);
    tcase_add_test(tests, characters_have_widths);
    suite_add_tcase(suite, tests);
    return suite;
}
