/*
 * dump.c - the effective configuration: what it looks like, and that it means
 * the same when it is loaded.
 *
 * Read next: src/conf/dump.c.
 */
#include "conf_fixture.h"

#include "base/str.h"

/* clang-format off */
static const char dump_sample[] =
    "set $limit 2m;\n"
    "worker_processes 4; error_log stderr debug flush;\n"
    "peer \"the peer\" {\n"
    "    echo_reply_max $limit; allow a; allow 'b $c';\n"
    "    server { listen 1; listen local:2 backlog=7 reuseport;\n"
    "             echo_greeting \"say \\\"hi\\\"\\n\"; nodelay off; }\n"
    "}\n";

static const char dump_of_sample[] =
    "daemon                  on;                             # default\n"
    "worker_processes        4;                              # teleport.conf:2:1\n"
    "shutdown_timeout        30s;                            # default\n"
    "# pid is not set\n"
    "error_log               stderr debug buffer=4k flush;   # teleport.conf:2:21\n"
    "nodelay                 on;                             # default\n"
    "\n"
    "peer \"the peer\" {                                       # teleport.conf:3:1\n"
    "    allow                   a;                          # teleport.conf:4:28\n"
    "    allow                   \"b \\$c\";                    # teleport.conf:4:37\n"
    "    echo_reply_max          2m;                         # teleport.conf:4:5\n"
    "    # echo_delay is not set\n"
    "    # echo_greeting is not set\n"
    "    # echo_mirror is not set\n"
    "    echo_reply              \"$uri: \\$$status\";          # default\n"
    "\n"
    "    server {                                            # teleport.conf:5:5\n"
    "        listen                  1 backlog=511;          # teleport.conf:5:14\n"
    "        listen                  local:2 backlog=7 reuseport;  # teleport.conf:5:24\n"
    "        nodelay                 off;                    # teleport.conf:6:44\n"
    "        echo_greeting           \"say \\\"hi\\\"\\n\";         # teleport.conf:6:14\n"
    "    }\n"
    "}\n"
    "\n"
    "events {                                                # default\n"
    "    worker_connections      512;                        # default\n"
    "}\n";
/* clang-format on */

START_TEST(a_dump_tells_values_and_origins)
{
    struct tp_conf_fixture fixture;
    struct tp_text text = { 0 };

    tp__conf_fixture_open(&fixture, dump_sample, NULL);
    tp__conf_fixture_load(&fixture);
    tp__conf_dump(fixture.conf, &text);
    ck_assert_str_eq(text.data, dump_of_sample);
    tp__text_fini(&text);
    tp__conf_fixture_close(&fixture);
}
END_TEST

/* Leaves out the origins, which are others when a dump is loaded. */
static void
strip_origins(struct tp_text *text)
{
    struct tp_text stripped = { 0 };
    struct tp_str rest = tp__text_get(text);

    while (rest.len > 0) {
        struct tp_str line = tp__str_cut(rest, '\n', &rest);
        struct tp_str origin;

        tp__text_append(&stripped, tp__str_cut(line, '#', &origin));
        tp__text_append(&stripped, TP_STR("\n"));
    }
    tp__text_fini(text);
    *text = stripped;
}

START_TEST(a_dump_loads_as_what_it_was_made_of)
{
    struct tp_conf_fixture fixture;
    struct tp_conf_fixture again;
    struct tp_text first = { 0 };
    struct tp_text second = { 0 };
    struct tp_text waiting = { 0 };

    tp__conf_fixture_open(&fixture, dump_sample, NULL);
    tp__conf_fixture_load(&fixture);
    tp__conf_dump(fixture.conf, &first);
    tp__conf_fixture_open(&again, first.data, NULL);
    tp__conf_fixture_load(&again);
    tp__conf_dump(again.conf, &second);
    tp__conf_describe_waiting(fixture.conf, again.conf, &waiting);
    ck_assert_str_eq(tp__text_get(&waiting).data, "");
    strip_origins(&first);
    strip_origins(&second);
    ck_assert_str_eq(first.data, second.data);
    tp__text_fini(&first);
    tp__text_fini(&second);
    tp__conf_fixture_close(&again);
    tp__conf_fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_conf_dump(void)
{
    Suite *suite = suite_create("conf/dump");
    TCase *tests = tcase_create("dump");

    tcase_add_test(tests, a_dump_tells_values_and_origins);
    tcase_add_test(tests, a_dump_loads_as_what_it_was_made_of);
    suite_add_tcase(suite, tests);
    return suite;
}
