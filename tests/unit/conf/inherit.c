/*
 * inherit.c - written here, else what counts around it, else the preset.
 *
 * Read next: src/conf/inherit.c.
 */
#include "conf_fixture.h"

START_TEST(presets_fill_what_nobody_wrote)
{
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture, "peer p { server { listen 1; } }", NULL);
    tp__conf_fixture_load(&fixture);
    const struct sample_core *core = tp__conf_fixture_main(&fixture, &sample_core_module);
    const struct tp_block *server = tp__conf_fixture_server(&fixture, 0);
    const struct sample_echo *echo = tp_block_conf(server, &sample_echo_module);
    const struct sample_server *conf = tp_block_conf(server, &sample_server_module);
    const struct sample_listen *listens = conf->listens.items;

    ck_assert(core->daemon);
    ck_assert_int_eq(core->worker_processes, 0);
    ck_assert_int_eq(core->shutdown_timeout.ms, 30000);
    ck_assert_ptr_null(core->pid.data);
    ck_assert_str_eq(core->log_path.data, "/srv/teleport/logs/error.log");
    ck_assert_int_eq(core->log_level, 2);
    ck_assert_uint_eq(core->log_buffer.bytes, 4096);
    ck_assert(!core->log_flushed);
    ck_assert_uint_eq(echo->reply_max.bytes, 65536);
    ck_assert_int_eq(echo->delay.ms, 0);
    ck_assert_int_eq(conf->listens.count, 1);
    ck_assert_int_eq(listens[0].backlog, 511);
    ck_assert_int_eq(conf->allowed.count, 0);
    ck_assert(conf->nodelay);
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(an_inner_block_wins)
{
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture,
                          "peer p {\n"
                          "    server { listen 1; echo_delay 2s; echo_mirror 7; }\n"
                          "    server { listen 2; }\n"
                          "    echo_delay 1s; echo_greeting hello; echo_mirror local:8;\n"
                          "}\n"
                          "nodelay off;",
                          NULL);
    tp__conf_fixture_load(&fixture);
    const struct tp_block *first = tp__conf_fixture_server(&fixture, 0);
    const struct tp_block *second = tp__conf_fixture_server(&fixture, 1);
    const struct sample_echo *first_echo = tp_block_conf(first, &sample_echo_module);
    const struct sample_echo *second_echo = tp_block_conf(second, &sample_echo_module);
    const struct sample_server *second_server = tp_block_conf(second, &sample_server_module);

    ck_assert_int_eq(first_echo->delay.ms, 2000);
    ck_assert_int_eq(second_echo->delay.ms, 1000);
    ck_assert_str_eq(first_echo->greeting.data, "hello");
    ck_assert_int_eq(first_echo->mirror.port, 7);
    ck_assert(!first_echo->mirror.is_local);
    ck_assert_int_eq(second_echo->mirror.port, 8);
    ck_assert(second_echo->mirror.is_local);
    /* "peer" stands between the two although "nodelay" may not stand there. */
    ck_assert(!second_server->nodelay);
    ck_assert_str_eq(tp__conf_origin(first, "echo_delay", 0), "teleport.conf:2:24");
    ck_assert_str_eq(tp__conf_origin(second, "echo_delay", 0), "teleport.conf:4:5");
    ck_assert_str_eq(tp__conf_origin(second, "nodelay", 0), "teleport.conf:6:1");
    ck_assert_str_eq(tp__conf_origin(second, "server", 0), "teleport.conf:3:5");
    ck_assert_str_eq(tp__conf_origin(second, "echo_reply_max", 0), "default");
    ck_assert_str_eq(tp__conf_origin(second, "nonsense", 0), "default");
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(a_repeated_directive_is_replaced_whole)
{
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture,
                          "peer p {\n"
                          "    allow a; allow b;\n"
                          "    server { listen 1; listen 2 backlog=7 reuseport; }\n"
                          "    server { listen 3; allow c; }\n"
                          "}",
                          NULL);
    tp__conf_fixture_load(&fixture);
    const struct tp_block *first = tp__conf_fixture_server(&fixture, 0);
    const struct tp_block *second = tp__conf_fixture_server(&fixture, 1);
    const struct sample_server *first_conf = tp_block_conf(first, &sample_server_module);
    const struct sample_server *second_conf = tp_block_conf(second, &sample_server_module);
    const struct tp_str *allowed = first_conf->allowed.items;
    const struct sample_listen *listens = first_conf->listens.items;

    ck_assert_int_eq(first_conf->allowed.count, 2);
    ck_assert_str_eq(allowed[1].data, "b");
    ck_assert_int_eq(second_conf->allowed.count, 1);
    allowed = second_conf->allowed.items;
    ck_assert_str_eq(allowed[0].data, "c");
    ck_assert_int_eq(listens[0].backlog, 511);
    ck_assert(!listens[0].reuseport);
    ck_assert_int_eq(listens[1].backlog, 7);
    ck_assert(listens[1].reuseport);
    ck_assert_str_eq(tp__conf_origin(first, "allow", 1), "teleport.conf:2:14");
    ck_assert_str_eq(tp__conf_origin(first, "allow", 2), "default");
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(blocks_form_a_tree)
{
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture,
                          "peer one { server { listen 1; } } events { worker_connections 99; }\n"
                          "peer two { }",
                          NULL);
    tp__conf_fixture_load(&fixture);
    const struct tp_block *root = tp__conf_root(fixture.conf);
    const struct tp_block *one = tp_block_first(root, TP_IN_PEER);
    const struct tp_block *two = tp_block_next(one);
    const struct tp_block *events = tp_block_first(root, TP_IN_EVENTS);
    const struct sample_events *events_conf = tp_block_conf(events, &sample_events_module);
    const struct sample_server *two_conf = tp_block_conf(two, &sample_server_module);
    const struct tp_module bare = { .name = "bare" };

    ck_assert_ptr_null(tp_block_parent(root));
    ck_assert_int_eq(tp_block_context(root), TP_IN_MAIN);
    ck_assert_ptr_eq(tp_block_parent(two), root);
    ck_assert_ptr_null(tp_block_next(two));
    ck_assert_ptr_null(tp_block_first(two, TP_IN_SERVER));
    ck_assert_ptr_null(tp_block_next(events));
    ck_assert_int_eq(events_conf->worker_connections, 99);
    ck_assert_str_eq(two_conf->peer_name.data, "two");
    ck_assert_ptr_null(tp_block_conf(root, &bare));
    ck_assert_uint_gt(tp__conf_bytes(fixture.conf), 0);
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(a_block_that_nobody_wrote_has_presets)
{
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture, "peer p { }", NULL);
    tp__conf_fixture_load(&fixture);
    const struct tp_block *events = tp_block_first(tp__conf_root(fixture.conf), TP_IN_EVENTS);
    const struct sample_events *conf = tp_block_conf(events, &sample_events_module);

    ck_assert_int_eq(conf->worker_connections, 512);
    ck_assert_str_eq(tp__conf_origin(events, "events", 0), "default");
    tp__conf_fixture_close(&fixture);
}
END_TEST

START_TEST(what_is_right_can_be_had_of_a_file_with_mistakes)
{
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture, "pid right; daemon x; peer p { server {", NULL);
    fixture.options.is_lenient = true;
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_OK);
    const struct sample_core *core = tp__conf_fixture_main(&fixture, &sample_core_module);

    ck_assert_str_eq(core->pid.data, "/srv/teleport/right");
    ck_assert(core->daemon);
    ck_assert_uint_gt(fixture.messages.len, 0);
    tp__conf_fixture_close(&fixture);
}
END_TEST

static void
complain_of_events(const struct tp_block *block, void *conf)
{
    (void) conf;
    if (tp_block_context(block) == TP_IN_EVENTS) {
        tp_conf_complain(block, "worker_connections", 0, "not enough");
        tp_conf_complain(block, "events", 0, "not there");
    }
}

START_TEST(a_complaint_about_what_nobody_wrote_names_the_file)
{
    static const struct tp_module complainer = {
        .name = "complainer",
        .brief = "Complains.",
        .validate = complain_of_events,
    };
    const struct tp_module *const table[] = { &sample_core_module, &sample_events_module,
                                              &complainer };
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture, "daemon on;", NULL);
    fixture.options.modules = (struct tp_module_list){ table, TP_COUNT_OF(table) };
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_INVALID);
    ck_assert_str_eq(fixture.messages.data, "teleport.conf: error: not enough\n"
                                            "teleport.conf: error: not there\n");
    tp__text_clear(&fixture.messages);
    fixture.files =
        (const struct sample_file[]){ { "teleport.conf", "events {\n}" }, { NULL, NULL } };
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_INVALID);
    ck_assert_str_eq(fixture.messages.data, "teleport.conf:1:1: error: not enough\n"
                                            "    1 | events {\n"
                                            "      | ^^^^^^\n"
                                            "teleport.conf:1:1: error: not there\n"
                                            "    1 | events {\n"
                                            "      | ^^^^^^\n");
    tp__conf_fixture_close(&fixture);
}
END_TEST

static void
complain_of_allowed(const struct tp_block *block, void *conf)
{
    (void) conf;
    if (tp_block_context(block) == TP_IN_PEER || tp_block_context(block) == TP_IN_SERVER) {
        tp_conf_complain(block, "allow", 0, "too many");
        tp_conf_complain(block, "allow", 0, "too few");
    }
}

START_TEST(a_mistake_that_blocks_inherit_is_shown_once)
{
    static const struct tp_module complainer = {
        .name = "complainer",
        .brief = "Complains.",
        .validate = complain_of_allowed,
    };
    const struct tp_module *const table[] = { &sample_core_module, &sample_events_module,
                                              &sample_server_module, &complainer };
    struct tp_conf_fixture fixture;

    tp__conf_fixture_open(&fixture, "peer sample {\nallow all;\nserver { listen 1; }\n}", NULL);
    fixture.options.modules = (struct tp_module_list){ table, TP_COUNT_OF(table) };
    ck_assert_int_eq(tp__conf_load(&fixture.options, &fixture.messages, &fixture.conf), TP_INVALID);
    ck_assert_str_eq(fixture.messages.data, "teleport.conf:2:1: error: too many\n"
                                            "    2 | allow all;\n"
                                            "      | ^^^^^\n"
                                            "teleport.conf:2:1: error: too few\n"
                                            "    2 | allow all;\n"
                                            "      | ^^^^^\n");
    tp__conf_fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_conf_inherit(void)
{
    Suite *suite = suite_create("conf/inherit");
    TCase *tests = tcase_create("inherit");

    tcase_add_test(tests, presets_fill_what_nobody_wrote);
    tcase_add_test(tests, an_inner_block_wins);
    tcase_add_test(tests, a_repeated_directive_is_replaced_whole);
    tcase_add_test(tests, blocks_form_a_tree);
    tcase_add_test(tests, a_block_that_nobody_wrote_has_presets);
    tcase_add_test(tests, what_is_right_can_be_had_of_a_file_with_mistakes);
    tcase_add_test(tests, a_complaint_about_what_nobody_wrote_names_the_file);
    tcase_add_test(tests, a_mistake_that_blocks_inherit_is_shown_once);
    suite_add_tcase(suite, tests);
    return suite;
}
