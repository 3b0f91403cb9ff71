/*
 * text_mistakes.c - braces, semicolons, quotes and bytes in the wrong place, includes
 * that cannot be, and how the source line is shown.
 *
 * Read next: tests/unit/conf_fixture.c, the directives used here.
 */
#include "conf_fixture.h"

/* clang-format off */
static const struct sample_mistake mistakes[] = {
    {
        "missing_semicolon_before_a_directive",
        "daemon on\n"
        "pid x;\n",
        "teleport.conf:1:10: error: \";\" is missing at the end of \"daemon\"\n"
        "    1 | daemon on\n"
        "      |          ^\n",
    },
    {
        "missing_semicolon_before_a_stray_word",
        "daemon on\n"
        "nonsense x;\n",
        "teleport.conf:1:10: error: \";\" is missing at the end of \"daemon\"\n"
        "    1 | daemon on\n"
        "      |          ^\n"
        "teleport.conf:2:1: error: unknown directive \"nonsense\" in \"main\"\n"
        "    2 | nonsense x;\n"
        "      | ^^^^^^^^\n",
    },
    {
        "missing_semicolon_before_a_brace",
        "peer p { server { listen 1 } }\n",
        "teleport.conf:1:27: error: \";\" is missing at the end of \"listen\"\n"
        "    1 | peer p { server { listen 1 } }\n"
        "      |                           ^\n",
    },
    {
        "missing_semicolon_at_the_end",
        "pid x",
        "teleport.conf:1:6: error: \";\" is missing at the end of \"pid\"\n"
        "    1 | pid x\n"
        "      |      ^\n",
    },
    {
        "missing_semicolon_and_value",
        "daemon\n"
        "pid x;\n",
        "teleport.conf:1:7: error: \";\" is missing at the end of \"daemon\"\n"
        "    1 | daemon\n"
        "      |       ^\n",
    },
    {
        "missing_semicolon_and_wrong_value",
        "daemon maybe",
        "teleport.conf:1:8: error: \"daemon\" takes \"on\" or \"off\"\n"
        "    1 | daemon maybe\n"
        "      |        ^^^^^\n"
        "teleport.conf:1:13: error: \";\" is missing at the end of \"daemon\"\n"
        "    1 | daemon maybe\n"
        "      |             ^\n",
    },
    {
        "missing_close",
        "peer p {\n"
        "    server {\n"
        "        listen 1;\n"
        "    }\n",
        "teleport.conf:1:1: error: the block \"peer\" of line 1 is not closed: \"}\" is missing"
        "\n"
        "    1 | peer p {\n"
        "      | ^^^^\n",
    },
    {
        "missing_close_of_an_inner_block",
        "peer p {\n"
        "    server {\n"
        "        listen 1;\n"
        "}\n",
        "teleport.conf:2:5: error: the block \"server\" of line 2 is not closed: \"}\" is missi"
        "ng\n"
        "    2 |     server {\n"
        "      |     ^^^^^^\n"
        "        the \"}\" of line 4 stands below the name of another block\n",
    },
    {
        "missing_close_but_which",
        "peer p {\n"
        "    server {\n"
        "        listen 1;\n"
        "  }\n",
        "teleport.conf:1:1: error: the block \"peer\" of line 1 is not closed: \"}\" is missing"
        "\n"
        "    1 | peer p {\n"
        "      | ^^^^\n",
    },
    {
        "missing_close_of_a_skipped_block",
        "nonsense {\n",
        "teleport.conf:1:1: error: unknown directive \"nonsense\" in \"main\"\n"
        "    1 | nonsense {\n"
        "      | ^^^^^^^^\n"
        "teleport.conf:1:1: error: the block \"nonsense\" of line 1 is not closed: \"}\" is mis"
        "sing\n"
        "    1 | nonsense {\n"
        "      | ^^^^^^^^\n",
    },
    {
        "unexpected_close",
        "daemon on;\n"
        "}\n",
        "teleport.conf:2:1: error: this \"}\" closes no block\n"
        "    2 | }\n"
        "      | ^\n",
    },
    {
        "unexpected_semicolon",
        "daemon on;;\n",
        "teleport.conf:1:11: error: there is no directive in front of this \";\"\n"
        "    1 | daemon on;;\n"
        "      |           ^\n",
    },
    {
        "unexpected_open",
        "{ daemon x; }\n",
        "teleport.conf:1:1: error: there is no directive in front of this \"{\"\n"
        "    1 | { daemon x; }\n"
        "      | ^\n",
    },
    {
        "block_where_none_belongs",
        "daemon on {\n"
        "    pid y;\n"
        "}\n",
        "teleport.conf:1:11: error: \"daemon\" takes no block; it ends with \";\"\n"
        "    1 | daemon on {\n"
        "      |           ^\n",
    },
    {
        "missing_open",
        "peer p;\n",
        "teleport.conf:1:7: error: \"{\" is missing after \"peer\"\n"
        "    1 | peer p;\n"
        "      |       ^\n",
    },
    {
        "missing_open_is_assumed",
        "peer p\n"
        "    server { listen x; }\n"
        "}\n",
        "teleport.conf:1:7: error: \"{\" is missing after \"peer\"\n"
        "    1 | peer p\n"
        "      |       ^\n"
        "teleport.conf:2:21: error: \"address\" of \"listen\" takes a port such as 9090 or loca"
        "l:9090\n"
        "    2 |     server { listen x; }\n"
        "      |                     ^\n",
    },
    {
        "missing_open_before_a_stray_word",
        "peer p\n"
        "    nonsense x;\n"
        "}\n",
        "teleport.conf:1:7: error: \"{\" is missing after \"peer\"\n"
        "    1 | peer p\n"
        "      |       ^\n"
        "teleport.conf:2:5: error: unknown directive \"nonsense\" in \"peer\"\n"
        "    2 |     nonsense x;\n"
        "      |     ^^^^^^^^\n",
    },
    {
        "missing_open_at_the_end",
        "peer p",
        "teleport.conf:1:7: error: \"{\" is missing after \"peer\"\n"
        "    1 | peer p\n"
        "      |       ^\n",
    },
    {
        "open_quote",
        "pid \"x;\n"
        "worker_processes x;\n",
        "teleport.conf:1:5: error: this quote is not closed on its line; a line break is writte"
        "n \\n\n"
        "    1 | pid \"x;\n"
        "      |     ^\n"
        "teleport.conf:2:18: error: \"worker_processes\" takes a whole number such as 16 or 409"
        "6, or \"auto\"\n"
        "    2 | worker_processes x;\n"
        "      |                  ^\n",
    },
    {
        "open_quote_without_semicolon",
        "pid \"x\n"
        "worker_processes x;\n",
        "teleport.conf:1:5: error: this quote is not closed on its line; a line break is writte"
        "n \\n\n"
        "    1 | pid \"x\n"
        "      |     ^\n"
        "teleport.conf:2:18: error: \"worker_processes\" takes a whole number such as 16 or 409"
        "6, or \"auto\"\n"
        "    2 | worker_processes x;\n"
        "      |                  ^\n",
    },
    {
        "open_quote_in_a_block_head",
        "peer \"x {\n"
        "    server { listen x; }\n"
        "}\n",
        "teleport.conf:1:6: error: this quote is not closed on its line; a line break is writte"
        "n \\n\n"
        "    1 | peer \"x {\n"
        "      |      ^\n"
        "teleport.conf:2:21: error: \"address\" of \"listen\" takes a port such as 9090 or loca"
        "l:9090\n"
        "    2 |     server { listen x; }\n"
        "      |                     ^\n",
    },
    {
        "open_quote_before_a_close",
        "peer p { allow 'x; }\n",
        "teleport.conf:1:16: error: this quote is not closed on its line; a line break is writt"
        "en \\n\n"
        "    1 | peer p { allow 'x; }\n"
        "      |                ^\n",
    },
    {
        "quote_goes_on",
        "pid \"x\"y;\n",
        "teleport.conf:1:8: error: a space or \";\" is missing after the closing quote\n"
        "    1 | pid \"x\"y;\n"
        "      |        ^\n",
    },
    {
        "control_byte",
        "pid a\001b;\n",
        "teleport.conf:1:6: error: a control character may not stand here\n"
        "    1 | pid a?b;\n"
        "      |      ^\n",
    },
    {
        "bad_utf8",
        "pid a\377;\n",
        "teleport.conf:1:6: error: this is not valid UTF-8\n"
        "    1 | pid a?;\n"
        "      |      ^\n",
    },
    {
        "include_missing",
        "include nothing.conf;\n",
        "teleport.conf:1:9: error: cannot read \"nothing.conf\": No such file or directory\n"
        "    1 | include nothing.conf;\n"
        "      |         ^^^^^^^^^^^^\n",
    },
    {
        "include_empty",
        "include \"\";\n",
        "teleport.conf:1:9: error: \"include\" takes a path or a pattern\n"
        "    1 | include \"\";\n"
        "      |         ^^\n",
    },
    {
        "include_without_file",
        "include;\n",
        "teleport.conf:1:1: error: \"include\" lacks the argument \"file\"\n"
        "    1 | include;\n"
        "      | ^^^^^^^\n"
        "        it is written: include FILE;\n",
    },
    {
        "include_pattern_refused",
        "include [x];\n",
        "teleport.conf:1:9: error: cannot read \"[x]\": Permission was denied.\n"
        "    1 | include [x];\n"
        "      |         ^^^\n",
    },
    {
        "include_itself",
        "include teleport.conf;\n",
        "teleport.conf:1:9: error: \"teleport.conf\" includes itself\n"
        "    1 | include teleport.conf;\n"
        "      |         ^^^^^^^^^^^^^\n"
        "        \"teleport.conf\" -> \"teleport.conf\"\n",
    },
    {
        "tabs_and_wide_characters",
        "\tpid \"日本\"  $nothing;\n",
        "teleport.conf:1:12: error: unknown variable \"$nothing\"\n"
        "    1 | \tpid \"日本\"  $nothing;\n"
        "      | \t            ^^^^^^^^\n",
    },
    {
        "combining_characters",
        "pid e\314\201\314\201$nothing;\n",
        "teleport.conf:1:8: error: unknown variable \"$nothing\"\n"
        "    1 | pid e\314\201\314\201$nothing;\n"
        "      |      ^^^^^^^^\n",
    },
    {
        "bom_and_crlf",
        "\357\273\277daemon x;\r\n"
        "pid $y;\r\n",
        "teleport.conf:1:8: error: \"daemon\" takes \"on\" or \"off\"\n"
        "    1 | daemon x;\n"
        "      |        ^\n"
        "teleport.conf:2:5: error: unknown variable \"$y\"\n"
        "    2 | pid $y;\n"
        "      |     ^^\n",
    },
    {
        "long_line",
        "pid aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaa$nothingbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb;\n",
        "teleport.conf:1:105: error: unknown variable \"$nothingbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        "bbbb\"\n"
        "    1 | …aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$nothingbbbbbbbbb"
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb…\n"
        "      |                                                              ^^^^^^^^^^^^^^^^^"
        "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n",
    },
    {
        "long_line_of_wide_characters",
        "pid 日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日日x$nothing;\n",
        "teleport.conf:1:67: error: unknown variable \"$nothing\"\n"
        "    1 | …日日日日日日日日日日日日日日日日日日日日x$nothing;\n"
        "      |                                           ^^^^^^^^\n",
    },
};
/* clang-format on */

START_TEST(each_mistake_gets_its_messages)
{
    tp__conf_fixture_expect(mistakes[_i].text, NULL, mistakes[_i].messages);
}
END_TEST

Suite *
tp_suite_conf_text_mistakes(void)
{
    Suite *suite = suite_create("conf/text_mistakes");
    TCase *tests = tcase_create("text_mistakes");

    tcase_add_loop_test(tests, each_mistake_gets_its_messages, 0, (int) TP_COUNT_OF(mistakes));
    suite_add_tcase(suite, tests);
    return suite;
}
