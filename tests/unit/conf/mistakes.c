/*
 * mistakes.c - mistakes with directives, blocks and arguments, and what is said of
 * them, to the byte.
 *
 * Read next: tests/unit/conf_fixture.c, the directives used here.
 */
#include "conf_fixture.h"

/* clang-format off */
static const struct sample_mistake mistakes[] = {
    {
        "unknown_directive_near",
        "peer p {\n"
        "    server {\n"
        "    echo_repy_max 1m;\n"
        "    }\n"
        "}\n",
        "teleport.conf:3:5: error: unknown directive \"echo_repy_max\" in \"server\"\n"
        "    3 |     echo_repy_max 1m;\n"
        "      |     ^^^^^^^^^^^^^\n"
        "        did you mean \"echo_reply_max\"?  Largest reply body; longer pulls are refused"
        " with 413.\n",
    },
    {
        "unknown_directive_far",
        "frobnicate 1;\n",
        "teleport.conf:1:1: error: unknown directive \"frobnicate\" in \"main\"\n"
        "    1 | frobnicate 1;\n"
        "      | ^^^^^^^^^^\n",
    },
    {
        "unknown_directive_stands_elsewhere",
        "echo_dely 3s;\n",
        "teleport.conf:1:1: error: unknown directive \"echo_dely\" in \"main\"\n"
        "    1 | echo_dely 3s;\n"
        "      | ^^^^^^^^^\n"
        "        did you mean \"echo_delay\", which may stand in \"peer\" or \"server\"?  How l"
        "ong a reply is held back.\n",
    },
    {
        "unknown_block_is_read_as_the_near_one",
        "peer p {\n"
        "    sever {\n"
        "        listen x;\n"
        "    }\n"
        "}\n",
        "teleport.conf:2:5: error: unknown directive \"sever\" in \"peer\"\n"
        "    2 |     sever {\n"
        "      |     ^^^^^\n"
        "        did you mean \"server\"?  A set of addresses.\n"
        "teleport.conf:3:16: error: \"address\" of \"listen\" takes a port such as 9090 or loca"
        "l:9090\n"
        "    3 |         listen x;\n"
        "      |                ^\n",
    },
    {
        "unknown_block_is_skipped",
        "frobnicate {\n"
        "    nothing { here is; read; }\n"
        "}\n"
        "daemon maybe;\n",
        "teleport.conf:1:1: error: unknown directive \"frobnicate\" in \"main\"\n"
        "    1 | frobnicate {\n"
        "      | ^^^^^^^^^^\n"
        "teleport.conf:4:8: error: \"daemon\" takes \"on\" or \"off\"\n"
        "    4 | daemon maybe;\n"
        "      |        ^^^^^\n",
    },
    {
        "not_built_in",
        "peer p { limit_conn 5; }\n",
        "teleport.conf:1:10: error: \"limit_conn\" is a directive of the module limit, which is"
        " not built in: ./configure --with-limit\n"
        "    1 | peer p { limit_conn 5; }\n"
        "      |          ^^^^^^^^^^\n",
    },
    {
        "wrong_context",
        "listen 9090;\n",
        "teleport.conf:1:1: error: \"listen\" may not stand in \"main\"\n"
        "    1 | listen 9090;\n"
        "      | ^^^^^^\n"
        "        it may stand in \"server\"\n",
    },
    {
        "wrong_context_of_several",
        "worker_connections 512;\n"
        "peer p { nodelay on; }\n",
        "teleport.conf:1:1: error: \"worker_connections\" may not stand in \"main\"\n"
        "    1 | worker_connections 512;\n"
        "      | ^^^^^^^^^^^^^^^^^^\n"
        "        it may stand in \"events\"\n"
        "teleport.conf:2:10: error: \"nodelay\" may not stand in \"peer\"\n"
        "    2 | peer p { nodelay on; }\n"
        "      |          ^^^^^^^\n"
        "        it may stand in \"main\" or \"server\"\n",
    },
    {
        "block_in_the_wrong_place_is_read",
        "server {\n"
        "    listen x;\n"
        "}\n",
        "teleport.conf:1:1: error: \"server\" may not stand in \"main\"\n"
        "    1 | server {\n"
        "      | ^^^^^^\n"
        "        it may stand in \"peer\"\n"
        "teleport.conf:2:12: error: \"address\" of \"listen\" takes a port such as 9090 or loca"
        "l:9090\n"
        "    2 |     listen x;\n"
        "      |            ^\n",
    },
    {
        "twice",
        "daemon on;\n"
        "daemon off;\n",
        "teleport.conf:2:1: error: \"daemon\" is written twice in this \"main\"\n"
        "    2 | daemon off;\n"
        "      | ^^^^^^\n"
        "        it stands first in teleport.conf:1:1\n",
    },
    {
        "block_twice",
        "events { }\n"
        "events { }\n",
        "teleport.conf:2:1: error: \"events\" is written twice in this \"main\"\n"
        "    2 | events { }\n"
        "      | ^^^^^^\n"
        "        it stands first in teleport.conf:1:1\n",
    },
    {
        "missing_value",
        "daemon;\n",
        "teleport.conf:1:1: error: \"daemon\" needs a value\n"
        "    1 | daemon;\n"
        "      | ^^^^^^\n"
        "        it is written: daemon on | off;\n",
    },
    {
        "missing_argument",
        "peer p { server { listen backlog=5; } }\n",
        "teleport.conf:1:19: error: \"listen\" lacks the argument \"address\"\n"
        "    1 | peer p { server { listen backlog=5; } }\n"
        "      |                   ^^^^^^\n"
        "        it is written: listen ADDRESS [backlog=NUMBER] [reuseport];\n",
    },
    {
        "missing_block_argument",
        "peer { server { listen 1; } }\n",
        "teleport.conf:1:1: error: \"peer\" needs a value\n"
        "    1 | peer { server { listen 1; } }\n"
        "      | ^^^^\n"
        "        it is written: peer TEXT { … }\n",
    },
    {
        "too_many_arguments",
        "daemon on off on;\n",
        "teleport.conf:1:11: error: too many arguments for \"daemon\"\n"
        "    1 | daemon on off on;\n"
        "      |           ^^^\n"
        "        it is written: daemon on | off;\n",
    },
    {
        "too_many_arguments_for_a_block",
        "events twice { }\n",
        "teleport.conf:1:8: error: too many arguments for \"events\"\n"
        "    1 | events twice { }\n"
        "      |        ^^^^^\n"
        "        it is written: events { … }\n",
    },
    {
        "unknown_named_argument",
        "peer p { server { listen 1 baklog=5; } }\n",
        "teleport.conf:1:28: error: \"listen\" has no argument \"baklog\"\n"
        "    1 | peer p { server { listen 1 baklog=5; } }\n"
        "      |                            ^^^^^^^^\n"
        "        did you mean \"backlog\"?\n"
        "        it is written: listen ADDRESS [backlog=NUMBER] [reuseport];\n",
    },
    {
        "unknown_switch",
        "peer p { server { listen 1 resueport; } }\n",
        "teleport.conf:1:28: error: \"listen\" has no argument \"resueport\"\n"
        "    1 | peer p { server { listen 1 resueport; } }\n"
        "      |                            ^^^^^^^^^\n"
        "        did you mean \"reuseport\"?\n"
        "        it is written: listen ADDRESS [backlog=NUMBER] [reuseport];\n",
    },
    {
        "unknown_argument_far",
        "peer p { server { listen 1 nonsense; } }\n",
        "teleport.conf:1:28: error: \"listen\" has no argument \"nonsense\"\n"
        "    1 | peer p { server { listen 1 nonsense; } }\n"
        "      |                            ^^^^^^^^\n"
        "        it is written: listen ADDRESS [backlog=NUMBER] [reuseport];\n",
    },
    {
        "misspelled_name_before_an_optional",
        "error_log x bufer=1k;\n",
        "teleport.conf:1:13: error: \"error_log\" has no argument \"bufer\"\n"
        "    1 | error_log x bufer=1k;\n"
        "      |             ^^^^^^^^\n"
        "        did you mean \"buffer\"?\n"
        "        it is written: error_log FILE | stderr [error | notice | debug] [buffer=SIZE] "
        "[flush];\n",
    },
    {
        "argument_twice",
        "peer p { server { listen 1 backlog=5 backlog=6; } }\n",
        "teleport.conf:1:38: error: \"backlog\" is given twice\n"
        "    1 | peer p { server { listen 1 backlog=5 backlog=6; } }\n"
        "      |                                      ^^^^^^^^^\n",
    },
    {
        "validated_missing",
        "peer p {\n"
        "    server {\n"
        "    }\n"
        "}\n",
        "teleport.conf:2:5: error: this server listens nowhere\n"
        "    2 |     server {\n"
        "      |     ^^^^^^\n",
    },
    {
        "validated_written",
        "peer p {\n"
        "    server {\n"
        "        listen 9;\n"
        "        listen 8;\n"
        "        listen local:9;\n"
        "    }\n"
        "}\n",
        "teleport.conf:5:9: error: port 9 is listened on already at teleport.conf:3:9\n"
        "    5 |         listen local:9;\n"
        "      |         ^^^^^^\n",
    },
    {
        "validated_nowhere",
        "daemon on;\n",
        "teleport.conf: error: there is no \"peer\"\n",
    },
    {
        "validated_not_where_something_is_wrong",
        "peer p {\n"
        "    server {\n"
        "        lisen 9;\n"
        "    }\n"
        "    server { }\n"
        "}\n",
        "teleport.conf:3:9: error: unknown directive \"lisen\" in \"server\"\n"
        "    3 |         lisen 9;\n"
        "      |         ^^^^^\n"
        "        did you mean \"listen\"?  An address.\n"
        "teleport.conf:5:5: error: this server listens nowhere\n"
        "    5 |     server { }\n"
        "      |     ^^^^^^\n",
    },
    {
        "unknown_directive_without_semicolon",
        "peer p { lisen 5 }\n",
        "teleport.conf:1:10: error: unknown directive \"lisen\" in \"peer\"\n"
        "    1 | peer p { lisen 5 }\n"
        "      |          ^^^^^\n"
        "        did you mean \"listen\", which may stand in \"server\"?  An address.\n"
        "teleport.conf:1:17: error: \";\" is missing at the end of \"lisen\"\n"
        "    1 | peer p { lisen 5 }\n"
        "      |                 ^\n",
    },
    {
        "ten_mistakes",
        "worker_proceses 4;\n"
        "daemon maybe;\n"
        "error_log logs/x \"noti;\n"
        "listen 9090;\n"
        "pid a b;\n"
        "events { worker_connections 5; }\n"
        "events { worker_connections 500; }\n"
        "set port 9090;\n"
        "peer main {\n"
        "    echo_delay 30;\n"
        "    limit_conn 5;\n"
        "    server {\n"
        "        listen 9090 baklog=12;\n"
        "        echo_repy_max 1m\n"
        "        allow $prefx;\n"
        "        nodelay;\n"
        "    }\n",
        "teleport.conf:1:1: error: unknown directive \"worker_proceses\" in \"main\"\n"
        "    1 | worker_proceses 4;\n"
        "      | ^^^^^^^^^^^^^^^\n"
        "        did you mean \"worker_processes\"?  How many workers serve.\n"
        "teleport.conf:2:8: error: \"daemon\" takes \"on\" or \"off\"\n"
        "    2 | daemon maybe;\n"
        "      |        ^^^^^\n"
        "teleport.conf:3:18: error: this quote is not closed on its line; a line break is writt"
        "en \\n\n"
        "    3 | error_log logs/x \"noti;\n"
        "      |                  ^\n"
        "teleport.conf:4:1: error: \"listen\" may not stand in \"main\"\n"
        "    4 | listen 9090;\n"
        "      | ^^^^^^\n"
        "        it may stand in \"server\"\n"
        "teleport.conf:5:7: error: too many arguments for \"pid\"\n"
        "    5 | pid a b;\n"
        "      |       ^\n"
        "        it is written: pid PATH;\n"
        "teleport.conf:6:29: error: \"worker_connections\" must be at least 16\n"
        "    6 | events { worker_connections 5; }\n"
        "      |                             ^\n"
        "teleport.conf:7:1: error: \"events\" is written twice in this \"main\"\n"
        "    7 | events { worker_connections 500; }\n"
        "      | ^^^^^^\n"
        "        it stands first in teleport.conf:6:1\n"
        "teleport.conf:8:5: error: \"set\" takes a \"$\" followed by letters, digits and unders"
        "cores\n"
        "    8 | set port 9090;\n"
        "      |     ^^^^\n"
        "teleport.conf:9:1: error: the block \"peer\" of line 9 is not closed: \"}\" is missing"
        "\n"
        "    9 | peer main {\n"
        "      | ^^^^\n"
        "teleport.conf:10:16: error: \"echo_delay\" takes a duration such as 500ms, 30s, 5m or "
        "1h\n"
        "   10 |     echo_delay 30;\n"
        "      |                ^^\n"
        "        add a unit: 30s is a number of seconds, 30ms of milliseconds\n"
        "teleport.conf:11:5: error: \"limit_conn\" is a directive of the module limit, which is"
        " not built in: ./configure --with-limit\n"
        "   11 |     limit_conn 5;\n"
        "      |     ^^^^^^^^^^\n"
        "teleport.conf:13:21: error: \"listen\" has no argument \"baklog\"\n"
        "   13 |         listen 9090 baklog=12;\n"
        "      |                     ^^^^^^^^^\n"
        "        did you mean \"backlog\"?\n"
        "        it is written: listen ADDRESS [backlog=NUMBER] [reuseport];\n"
        "teleport.conf:14:9: error: unknown directive \"echo_repy_max\" in \"server\"\n"
        "   14 |         echo_repy_max 1m\n"
        "      |         ^^^^^^^^^^^^^\n"
        "        did you mean \"echo_reply_max\"?  Largest reply body; longer pulls are refused"
        " with 413.\n"
        "teleport.conf:14:25: error: \";\" is missing at the end of \"echo_repy_max\"\n"
        "   14 |         echo_repy_max 1m\n"
        "      |                         ^\n"
        "teleport.conf:15:15: error: unknown variable \"$prefx\"\n"
        "   15 |         allow $prefx;\n"
        "      |               ^^^^^^\n"
        "        did you mean \"$prefix\"?\n"
        "teleport.conf:16:9: error: \"nodelay\" needs a value\n"
        "   16 |         nodelay;\n"
        "      |         ^^^^^^^\n"
        "        it is written: nodelay on | off;\n",
    },
};
/* clang-format on */

START_TEST(each_mistake_gets_its_messages)
{
    tp__conf_fixture_expect(mistakes[_i].text, NULL, mistakes[_i].messages);
}
END_TEST

Suite *
tp_suite_conf_mistakes(void)
{
    Suite *suite = suite_create("conf/mistakes");
    TCase *tests = tcase_create("mistakes");

    tcase_add_loop_test(tests, each_mistake_gets_its_messages, 0, (int) TP_COUNT_OF(mistakes));
    suite_add_tcase(suite, tests);
    return suite;
}
