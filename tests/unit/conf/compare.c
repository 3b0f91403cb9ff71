/*
 * compare.c - what of a new configuration has to wait.
 *
 * Read next: src/conf/compare.c.
 */
#include "conf_fixture.h"

struct difference {
    const char *before;
    const char *after;
    const char *waiting;
};

static const struct difference differences[] = {
    { "peer p { }", "peer p { }", "" },
    /* A preset that is written is no change; nor is another way to write a value. */
    { "peer p { }", "daemon on; peer p { }", "" },
    { "peer p { } events { worker_connections 16; }",
      "events { worker_connections 016; } peer p { }", "" },
    { "peer p { }", "daemon off; peer p { }", "daemon: waits for restart (teleport.conf:1:1)\n" },
    { "daemon off; peer p { }", "peer p { }", "daemon: waits for restart (default)\n" },
    { "peer p { }", "peer p { } events { worker_connections 77; }",
      "worker_connections: waits for new workers (teleport.conf:1:21)\n" },
    /* What applies in place waits for nothing. */
    { "peer p { }", "worker_processes 9; peer p { allow x; server { listen 5; } }", "" },
    /* A change that inner blocks inherit is told once. */
    { "peer p { server { listen 1; } server { listen 2; } }",
      "nodelay off; peer p { server { listen 1; } server { listen 2; } }",
      "nodelay: waits for new sessions (teleport.conf:1:1)\n" },
    /* A server in front of the others is not a change of them all. */
    { "peer p { server { listen 1; nodelay off; } server { listen 2; } }",
      "peer p { server { listen 3; } server { listen 1; nodelay off; } server { listen 2; } }",
      "" },
    { "peer p { server { listen 1; nodelay off; } server { listen 2; } }",
      "peer p { server { listen 2; } server { listen 1; nodelay on; } }",
      "nodelay: waits for new sessions (teleport.conf:1:50)\n" },
    { "peer p { }", "peer p { } peer q { }",
      "peer: waits for new workers (teleport.conf:1:12)\n" },
    { "peer p { server { listen 1; } }", "peer q { }",
      "peer: waits for new workers (teleport.conf:1:1)\n" },
    { "peer p { server { listen 1; } }", "peer p { }", "" },
};

START_TEST(differences_that_wait_are_told)
{
    struct tp_conf_fixture before;
    struct tp_conf_fixture after;
    struct tp_text text = { 0 };

    tp__conf_fixture_open(&before, differences[_i].before, NULL);
    tp__conf_fixture_load(&before);
    tp__conf_fixture_open(&after, differences[_i].after, NULL);
    tp__conf_fixture_load(&after);
    tp__conf_describe_waiting(before.conf, after.conf, &text);
    ck_assert_str_eq(tp__text_get(&text).data, differences[_i].waiting);
    tp__text_fini(&text);
    tp__conf_fixture_close(&after);
    tp__conf_fixture_close(&before);
}
END_TEST

START_TEST(a_file_tells_what_does_not_apply_in_place)
{
    struct tp_conf_fixture fixture;
    struct tp_text text = { 0 };

    tp__conf_fixture_open(&fixture,
                          "daemon off; worker_processes 2;\n"
                          "peer p {\n"
                          "    server { listen 1; nodelay off; }\n"
                          "    server { listen 2; }\n"
                          "}\n",
                          NULL);
    tp__conf_fixture_load(&fixture);
    tp__conf_describe_not_in_place(fixture.conf, &text);
    ck_assert_str_eq(text.data, "daemon: waits for restart (teleport.conf:1:1)\n"
                                "peer: waits for new workers (teleport.conf:2:1)\n"
                                "nodelay: waits for new sessions (teleport.conf:3:24)\n");
    tp__text_fini(&text);
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(a_default_that_is_written_out_is_not_told)
{
    struct tp_conf_fixture fixture;
    struct tp_text text = { 0 };

    tp__conf_fixture_open(&fixture, "daemon on;\npeer p { server { listen 1; } }\n", NULL);
    tp__conf_fixture_load(&fixture);
    tp__conf_describe_not_in_place(fixture.conf, &text);
    ck_assert_str_eq(tp__text_get(&text).data, "peer: waits for new workers (teleport.conf:2:1)\n");
    tp__text_fini(&text);
    tp__conf_fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_conf_compare(void)
{
    Suite *suite = suite_create("conf/compare");
    TCase *tests = tcase_create("compare");

    tcase_add_loop_test(tests, differences_that_wait_are_told, 0, (int) TP_COUNT_OF(differences));
    tcase_add_test(tests, a_file_tells_what_does_not_apply_in_place);
    tcase_add_test(tests, a_default_that_is_written_out_is_not_told);
    suite_add_tcase(suite, tests);
    return suite;
}
