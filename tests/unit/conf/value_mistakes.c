/*
 * value_mistakes.c - values of the wrong type or out of range, unknown variables, and
 * what is said of them.
 *
 * Read next: tests/unit/conf_fixture.c, the directives used here.
 */
#include "conf_fixture.h"

/* clang-format off */
static const struct sample_mistake mistakes[] = {
    {
        "flag",
        "daemon yes;\n",
        "teleport.conf:1:8: error: \"daemon\" takes \"on\" or \"off\"\n"
        "    1 | daemon yes;\n"
        "      |        ^^^\n"
        "        did you mean \"on\"?\n",
    },
    {
        "flag_without_advice",
        "daemon maybe;\n",
        "teleport.conf:1:8: error: \"daemon\" takes \"on\" or \"off\"\n"
        "    1 | daemon maybe;\n"
        "      |        ^^^^^\n",
    },
    {
        "flag_off",
        "daemon 0;\n",
        "teleport.conf:1:8: error: \"daemon\" takes \"on\" or \"off\"\n"
        "    1 | daemon 0;\n"
        "      |        ^\n"
        "        did you mean \"off\"?\n",
    },
    {
        "number",
        "worker_processes four;\n",
        "teleport.conf:1:18: error: \"worker_processes\" takes a whole number such as 16 or 409"
        "6, or \"auto\"\n"
        "    1 | worker_processes four;\n"
        "      |                  ^^^^\n",
    },
    {
        "number_word_near",
        "worker_processes aut;\n",
        "teleport.conf:1:18: error: \"worker_processes\" takes a whole number such as 16 or 409"
        "6, or \"auto\"\n"
        "    1 | worker_processes aut;\n"
        "      |                  ^^^\n"
        "        did you mean \"auto\"?\n",
    },
    {
        "number_out_of_range",
        "worker_processes 257;\n"
        "events { worker_connections 15; }\n",
        "teleport.conf:1:18: error: \"worker_processes\" must be between 1 and 256\n"
        "    1 | worker_processes 257;\n"
        "      |                  ^^^\n"
        "teleport.conf:2:29: error: \"worker_connections\" must be at least 16\n"
        "    2 | events { worker_connections 15; }\n"
        "      |                             ^^\n",
    },
    {
        "number_too_large",
        "events { worker_connections 99999999999999999999; }\n",
        "teleport.conf:1:29: error: \"worker_connections\" is too large a number\n"
        "    1 | events { worker_connections 99999999999999999999; }\n"
        "      |                             ^^^^^^^^^^^^^^^^^^^^\n",
    },
    {
        "size",
        "peer p { echo_reply_max 1t; }\n",
        "teleport.conf:1:25: error: \"echo_reply_max\" takes a size such as 512, 64k, 1m or 2g"
        "\n"
        "    1 | peer p { echo_reply_max 1t; }\n"
        "      |                         ^^\n",
    },
    {
        "size_out_of_range",
        "peer p { echo_reply_max 17m; }\n",
        "teleport.conf:1:25: error: \"echo_reply_max\" must be between 1 and 16m\n"
        "    1 | peer p { echo_reply_max 17m; }\n"
        "      |                         ^^^\n",
    },
    {
        "time",
        "peer p { echo_delay 3x; }\n",
        "teleport.conf:1:21: error: \"echo_delay\" takes a duration such as 500ms, 30s, 5m or 1"
        "h\n"
        "    1 | peer p { echo_delay 3x; }\n"
        "      |                     ^^\n",
    },
    {
        "time_without_unit",
        "peer p { echo_delay 30; }\n",
        "teleport.conf:1:21: error: \"echo_delay\" takes a duration such as 500ms, 30s, 5m or 1"
        "h\n"
        "    1 | peer p { echo_delay 30; }\n"
        "      |                     ^^\n"
        "        add a unit: 30s is a number of seconds, 30ms of milliseconds\n",
    },
    {
        "time_units_in_the_wrong_order",
        "shutdown_timeout 30s1h;\n",
        "teleport.conf:1:18: error: \"shutdown_timeout\" takes a duration such as 500ms, 30s, 5"
        "m or 1h, or \"off\"\n"
        "    1 | shutdown_timeout 30s1h;\n"
        "      |                  ^^^^^\n",
    },
    {
        "time_below_the_least",
        "shutdown_timeout 999ms;\n",
        "teleport.conf:1:18: error: \"shutdown_timeout\" must be at least 1s\n"
        "    1 | shutdown_timeout 999ms;\n"
        "      |                  ^^^^^\n",
    },
    {
        "time_too_large",
        "peer p { echo_delay 99999999999999d; }\n",
        "teleport.conf:1:21: error: \"echo_delay\" is too large a number\n"
        "    1 | peer p { echo_delay 99999999999999d; }\n"
        "      |                     ^^^^^^^^^^^^^^^\n",
    },
    {
        "path_empty",
        "pid \"\";\n",
        "teleport.conf:1:5: error: \"pid\" takes a path; a relative one is taken from the prefi"
        "x\n"
        "    1 | pid \"\";\n"
        "      |     ^^\n",
    },
    {
        "word",
        "error_log logs/x notce;\n",
        "teleport.conf:1:18: error: \"level\" of \"error_log\" takes \"error\", \"notice\" or "
        "\"debug\"\n"
        "    1 | error_log logs/x notce;\n"
        "      |                  ^^^^^\n"
        "        did you mean \"notice\"?\n",
    },
    {
        "word_far",
        "error_log logs/x 7;\n",
        "teleport.conf:1:18: error: \"level\" of \"error_log\" takes \"error\", \"notice\" or "
        "\"debug\"\n"
        "    1 | error_log logs/x 7;\n"
        "      |                  ^\n",
    },
    {
        "size_at_most",
        "error_log logs/x buffer=2m;\n",
        "teleport.conf:1:25: error: \"buffer\" of \"error_log\" must be at most 1m\n"
        "    1 | error_log logs/x buffer=2m;\n"
        "      |                         ^^\n",
    },
    {
        "custom",
        "peer p { echo_mirror here; }\n",
        "teleport.conf:1:22: error: \"echo_mirror\" takes a port such as 9090 or local:9090\n"
        "    1 | peer p { echo_mirror here; }\n"
        "      |                      ^^^^\n",
    },
    {
        "named_value_wrong",
        "peer p { server { listen 1 backlog=many; } }\n",
        "teleport.conf:1:36: error: \"backlog\" of \"listen\" takes a whole number such as 16 o"
        "r 4096\n"
        "    1 | peer p { server { listen 1 backlog=many; } }\n"
        "      |                                    ^^^^\n",
    },
    {
        "named_value_wrong_in_quotes",
        "peer p { server { listen 1 \"backlog=many\"; } }\n",
        "teleport.conf:1:28: error: \"backlog\" of \"listen\" takes a whole number such as 16 o"
        "r 4096\n"
        "    1 | peer p { server { listen 1 \"backlog=many\"; } }\n"
        "      |                            ^^^^^^^^^^^^^^\n",
    },
    {
        "unknown_variable",
        "pid $nothing;\n",
        "teleport.conf:1:5: error: unknown variable \"$nothing\"\n"
        "    1 | pid $nothing;\n"
        "      |     ^^^^^^^^\n",
    },
    {
        "unknown_variable_near",
        "pid ${prefx}/x;\n",
        "teleport.conf:1:5: error: unknown variable \"$prefx\"\n"
        "    1 | pid ${prefx}/x;\n"
        "      |     ^^^^^^^^\n"
        "        did you mean \"$prefix\"?\n",
    },
    {
        "unknown_variable_near_a_constant",
        "set $port 1; pid $prot;\n",
        "teleport.conf:1:18: error: unknown variable \"$prot\"\n"
        "    1 | set $port 1; pid $prot;\n"
        "      |                  ^^^^^\n"
        "        did you mean \"$port\"?\n",
    },
    {
        "unknown_variable_of_the_environment",
        "pid $env_NOTHING;\n",
        "teleport.conf:1:5: error: unknown variable \"$env_NOTHING\"\n"
        "    1 | pid $env_NOTHING;\n"
        "      |     ^^^^^^^^^^^^\n"
        "        the environment has no variable \"NOTHING\"\n",
    },
    {
        "open_variable",
        "pid ${prefix;\n",
        "teleport.conf:1:5: error: \"${\" must be followed by a variable's name and \"}\"\n"
        "    1 | pid ${prefix;\n"
        "      |     ^^^^^^^^\n",
    },
    {
        "variable_without_name",
        "pid ${};\n",
        "teleport.conf:1:5: error: \"${\" must be followed by a variable's name and \"}\"\n"
        "    1 | pid ${};\n"
        "      |     ^^^\n",
    },
    {
        "set_without_dollar",
        "set port 1;\n",
        "teleport.conf:1:5: error: \"set\" takes a \"$\" followed by letters, digits and unders"
        "cores\n"
        "    1 | set port 1;\n"
        "      |     ^^^^\n",
    },
    {
        "set_reserved",
        "set $hostname x;\n"
        "set $env_HOME x;\n",
        "teleport.conf:1:5: error: \"$hostname\" has its value from elsewhere\n"
        "    1 | set $hostname x;\n"
        "      |     ^^^^^^^^^\n"
        "teleport.conf:2:5: error: \"$env_HOME\" has its value from elsewhere\n"
        "    2 | set $env_HOME x;\n"
        "      |     ^^^^^^^^^\n",
    },
    {
        "set_twice",
        "set $port 1;\n"
        "set $port 2;\n",
        "teleport.conf:2:5: error: \"$port\" is set already\n"
        "    2 | set $port 2;\n"
        "      |     ^^^^^\n"
        "        it is set first in teleport.conf:1:5\n",
    },
    {
        "set_with_too_few",
        "set $port;\n",
        "teleport.conf:1:1: error: \"set\" lacks the argument \"value\"\n"
        "    1 | set $port;\n"
        "      | ^^^\n"
        "        it is written: set $NAME VALUE;\n",
    },
    {
        "set_with_too_many",
        "set $port 1 2;\n",
        "teleport.conf:1:13: error: too many arguments for \"set\"\n"
        "    1 | set $port 1 2;\n"
        "      |             ^\n"
        "        it is written: set $NAME VALUE;\n",
    },
    {
        "set_with_block",
        "set $port 1 { }\n",
        "teleport.conf:1:13: error: \"set\" takes no block; it ends with \";\"\n"
        "    1 | set $port 1 { }\n"
        "      |             ^\n",
    },
};
/* clang-format on */

START_TEST(each_mistake_gets_its_messages)
{
    tp__conf_fixture_expect(mistakes[_i].text, NULL, mistakes[_i].messages);
}
END_TEST

Suite *
tp_suite_conf_value_mistakes(void)
{
    Suite *suite = suite_create("conf/value_mistakes");
    TCase *tests = tcase_create("value_mistakes");

    tcase_add_loop_test(tests, each_mistake_gets_its_messages, 0, (int) TP_COUNT_OF(mistakes));
    suite_add_tcase(suite, tests);
    return suite;
}
