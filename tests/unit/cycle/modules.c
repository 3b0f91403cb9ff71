/*
 * modules.c - tests of what a cycle does for modules: begins and ends them, and gives them the
 * tables and meters that they have declared.
 */
#include "cycle/cycle.h"

#include "base/str.h"
#include "cycle/conf_source.h"
#include "session/session.h"

#include "scratch.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *tp_suite_cycle_modules(void);

struct probe_conf {
    int64_t value;
    struct tp_str table_name;
    int64_t table_entries;
    struct tp_table *table;
    struct tp_meter hits;
    struct tp_meter guests;
};

static char probe_seen[256];
static int64_t probe_fails_at;

static const struct tp_table_layout probe_layout = { .version = 1, .value_size = 8 };
static const struct tp_table_layout probe_other_layout = { .version = 1, .value_size = 16 };

static const struct tp_meter_row probe_meters[] = {
    { "probe_hits", TP_METER_COUNTER, "hits", "value", "Hits for each value." },
    { "probe_guests", TP_METER_GAUGE, "guests", NULL, "Guests that are there." },
};

static void
probe_see(const char *word, const void *module_conf)
{
    const struct probe_conf *conf = module_conf;
    size_t len = strlen(probe_seen);

    snprintf(probe_seen + len, sizeof(probe_seen) - len, "%s%d ", word, (int) conf->value);
}

static enum tp_result
probe_start(struct tp_sessions *home, const void *module_conf)
{
    const struct probe_conf *conf = module_conf;

    ck_assert_ptr_nonnull(home);
    probe_see("start", module_conf);
    return conf->value == probe_fails_at ? TP_DENIED : TP_OK;
}

static void
probe_stop(struct tp_sessions *home, const void *module_conf)
{
    ck_assert_ptr_nonnull(home);
    probe_see("stop", module_conf);
}

static void
probe_validate(const struct tp_block *block, void *module_conf)
{
    struct probe_conf *conf = module_conf;
    char label[32];

    if (conf->table_name.len > 0) {
        tp_table_declare(block, "probe_table", &conf->table,
                         conf->value == 99 ? &probe_other_layout : &probe_layout, conf->table_name,
                         (uint32_t) conf->table_entries);
    }
    snprintf(label, sizeof(label), "v%d", (int) conf->value);
    tp_meter_declare(block, &conf->hits, &probe_meters[0], tp__str(label));
    tp_meter_declare(block, &conf->guests, &probe_meters[1], TP_STR(""));
}

static const struct tp_argument probe_table_arguments[] = {
    {
        .name = "NAME", .kind = TP_ARGUMENT_REQUIRED,
        TP_TEXT(struct probe_conf, table_name), .brief = "A name.",
    },
    {
        .name = "COUNT", .kind = TP_ARGUMENT_REQUIRED,
        TP_NUMBER(struct probe_conf, table_entries), .brief = "Entries.",
    },
};

static const struct tp_directive probe_directives[] = {
    {
        .name = "probe", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct probe_conf, value), .preset = "0", .since = "0.1",
        .brief = "A number to see.",
    },
    {
        .name = "probe_table", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_ARGUMENTS(probe_table_arguments), .since = "0.1",
        .brief = "A table.",
    },
};

static const struct tp_module tp_module_probe = {
    .name = "probe",
    .brief = "Tells what is done with it.",
    .conf_size = sizeof(struct probe_conf),
    TP_DIRECTIVES(probe_directives),
    TP_METERS(probe_meters),
    .validate = probe_validate,
    .start = probe_start,
    .stop = probe_stop,
};

struct fixture {
    struct tp_scratch scratch;
    struct tp_arena arena;
    struct tp_program program;
    struct tp_text messages;
    struct tp_descriptors descriptors;
    struct tp_loop *loop;
    struct tp_sessions home;
    struct tp_cycle *cycle;
    uint64_t generation;
};

static void
fixture_open(struct fixture *fixture)
{
    static const struct tp_sessions_callbacks callbacks = { .owner = NULL };

    *fixture = (struct fixture){ .generation = 0 };
    probe_seen[0] = '\0';
    probe_fails_at = -1;
    tp__scratch_open(&fixture->scratch);
    tp__arena_init(&fixture->arena, 4096);
    struct tp_module_list built = tp__program_modules(&fixture->arena);
    const struct tp_module **modules =
        tp__arena_new_array(&fixture->arena, const struct tp_module *, built.count + 1);

    for (size_t i = 0; i < built.count; i++) {
        modules[i] = built.modules[i];
    }
    modules[built.count] = &tp_module_probe;
    fixture->program = (struct tp_program){
        .modules = { modules, built.count + 1 },
        .prefix = tp__arena_format(&fixture->arena, "%s/", fixture->scratch.directory).data,
        .directives = "",
    };
    ck_assert_int_eq(TP_OK, tp__loop_create(&fixture->loop));
    tp__sessions_init(&fixture->home, fixture->loop, &callbacks, (struct tp_size){ 1 << 20 });
}

static void
fixture_close(struct fixture *fixture)
{
    tp__sessions_fini(&fixture->home);
    tp__cycle_release(&fixture->cycle);
    tp__loop_destroy(&fixture->loop);
    tp__descriptors_fini(&fixture->descriptors);
    tp__text_fini(&fixture->messages);
    tp__arena_fini(&fixture->arena);
    tp__scratch_close(&fixture->scratch);
}

static enum tp_result
fixture_load(struct fixture *fixture, const char *peer, struct tp_cycle **cycle)
{
    char text[512];
    struct tp_conf_recorder recorder;

    snprintf(text, sizeof(text), "error_log stderr error; pid pid; peer { %s }", peer);
    fixture->program.conf_file = tp__scratch_write(&fixture->scratch, "conf", text);
    tp__conf_recorder_init(&recorder);
    enum tp_result result = tp__cycle_load(&fixture->program, &recorder.loader,
                                           ++fixture->generation, &fixture->messages, cycle);

    tp__conf_recorder_fini(&recorder);
    return result;
}

/* As a master and its worker in slot 1 would, in one; the cycle before it is let go. */
static void
fixture_use(struct fixture *fixture, const char *peer)
{
    struct tp_cycle *cycle = NULL;

    enum tp_result result = fixture_load(fixture, peer, &cycle);

    ck_assert_msg(result == TP_OK, "%s", tp__text_get(&fixture->messages).data);
    ck_assert_int_eq(TP_OK, tp__cycle_open(cycle, &fixture->descriptors, &fixture->messages));
    ck_assert_int_eq(TP_OK, tp__cycle_attach(cycle, &fixture->descriptors, &fixture->messages));
    tp__cycle_use_slot(cycle, 1);
    tp__cycle_release(&fixture->cycle);
    fixture->cycle = cycle;
    tp__descriptors_keep(&fixture->descriptors, tp__cycle_needs, cycle);
}

static struct probe_conf *
fixture_conf(const struct fixture *fixture)
{
    return tp_block_conf(tp_block_first(tp__conf_root(fixture->cycle->conf), TP_IN_PEER),
                         &tp_module_probe);
}

START_TEST(modules_begin_with_each_conf_and_end_with_the_cycle)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_use(&fixture, "probe 1; server { listen unix:a; probe 2; } "
                          "server { listen unix:b; pull * { echo; } }");
    ck_assert_str_eq("", probe_seen);
    ck_assert_int_eq(TP_OK,
                     tp__cycle_start_modules(fixture.cycle, &fixture.home, &fixture.messages));
    ck_assert_str_eq("start1 start2 start1 ", probe_seen);
    probe_seen[0] = '\0';
    tp__cycle_release(&fixture.cycle);
    ck_assert_str_eq("stop1 stop2 stop1 ", probe_seen);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_cannot_begin_ends_those_that_have)
{
    struct fixture fixture;

    fixture_open(&fixture);
    probe_fails_at = 2;
    fixture_use(&fixture, "probe 1; server { listen unix:a; probe 2; } "
                          "server { listen unix:b; probe 3; }");
    ck_assert_int_eq(TP_DENIED,
                     tp__cycle_start_modules(fixture.cycle, &fixture.home, &fixture.messages));
    tp__cycle_release(&fixture.cycle);
    ck_assert_str_eq("start1 start2 stop1 ", probe_seen);
    ck_assert_ptr_nonnull(strstr(tp__text_get(&fixture.messages).data, "the module probe"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(tables_are_one_by_their_names_and_go_on)
{
    struct fixture fixture;
    void *value;

    fixture_open(&fixture);
    fixture_use(&fixture, "probe_table t 10; server { listen unix:a; probe_table t 500; }");
    const struct tp_block *peer = tp_block_first(tp__conf_root(fixture.cycle->conf), TP_IN_PEER);
    struct probe_conf *inner = tp_block_conf(tp_block_first(peer, TP_IN_SERVER), &tp_module_probe);

    ck_assert_ptr_nonnull(fixture_conf(&fixture)->table);
    ck_assert_ptr_eq(inner->table, fixture_conf(&fixture)->table);
    ck_assert_uint_ge(tp_table_capacity(inner->table), 500);
    ck_assert_int_eq(TP_OK, tp_table_enter(inner->table, TP_STR("k"), 0, &value));
    *(uint64_t *) value = 5;
    tp_table_leave(inner->table, &value);
    size_t descriptor_count = fixture.descriptors.count - 1; /* without the socket */

    for (int i = 0; i < 2; i++) {
        fixture_use(&fixture, i == 0 ? "probe_table t 500;" : "probe_table t 5000;");
        ck_assert_int_eq(TP_OK, tp_table_find(fixture_conf(&fixture)->table, TP_STR("k"), &value));
        ck_assert_uint_eq(5, *(uint64_t *) value);
        tp_table_leave(fixture_conf(&fixture)->table, &value);
        ck_assert_uint_eq(descriptor_count, fixture.descriptors.count);
    }
    fixture_use(&fixture, "probe 1;");
    ck_assert_ptr_null(fixture_conf(&fixture)->table);
    ck_assert_uint_eq(descriptor_count - 1, fixture.descriptors.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(wrong_tables_are_refused)
{
    static const char *const mistakes[][2] = {
        { "probe_table \"a b\" 10;", "a table's name is 1 to 24 letters" },
        { "probe_table 1234567890123456789012345 10;", "a table's name is 1 to 24 letters" },
        { "probe_table t 0;", "a table has from 1 to" },
        { "probe_table t 4194305;", "a table has from 1 to" },
        { "probe_table t 5; server { listen unix:a; probe 99; }", "has entries of another kind" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(mistakes); i++) {
        struct fixture fixture;
        struct tp_cycle *cycle = NULL;

        fixture_open(&fixture);
        ck_assert_int_eq(TP_INVALID, fixture_load(&fixture, mistakes[i][0], &cycle));
        ck_assert_msg(strstr(tp__text_get(&fixture.messages).data, mistakes[i][1]) != NULL, "%s",
                      tp__text_get(&fixture.messages).data);
        fixture_close(&fixture);
    }
}
END_TEST

/* All that have a place, with what was counted in all slots. */
static void
see_meters(const struct tp_meters *meters, char *text, size_t size)
{
    size_t len = 0;

    for (uint32_t index = 0; index < tp__meters_count(meters); index++) {
        struct tp_meter_entry entry;

        tp__meters_read_entry(meters, index, &entry);
        len += (size_t) snprintf(text + len, size - len, "%.*s/%.*s=%d ", TP_STR_ARG(entry.name),
                                 TP_STR_ARG(entry.labels[0]),
                                 (int) tp__meters_total(meters, entry.place));
    }
}

START_TEST(meters_count_for_each_slot_and_go_on)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_use(&fixture, "probe 1;");
    tp_meter_add(&fixture_conf(&fixture)->hits, 3);
    tp_meter_add(&fixture_conf(&fixture)->guests, 2);
    tp__cycle_use_slot(fixture.cycle, 2);
    tp_meter_add(&fixture_conf(&fixture)->hits, 4);
    tp_meter_add(&fixture_conf(&fixture)->guests, 5);
    tp_meter_sub(&fixture_conf(&fixture)->guests, 1);
    tp__meters_clear_gauges(&fixture.cycle->shared.meters, 1);
    fixture_use(&fixture, "probe 2;");
    fixture_use(&fixture, "probe 1;");
    tp_meter_add(&fixture_conf(&fixture)->hits, 1);
    char text[1000];

    see_meters(&fixture.cycle->shared.meters, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "probe_hits/v1=8 "));
    ck_assert_ptr_nonnull(strstr(text, "probe_guests/=4 "));
    ck_assert_ptr_nonnull(strstr(text, "probe_hits/v2=0 "));
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_cycle_modules(void)
{
    Suite *suite = suite_create("cycle/modules");
    TCase *tests = tcase_create("modules");

    tcase_add_test(tests, modules_begin_with_each_conf_and_end_with_the_cycle);
    tcase_add_test(tests, who_cannot_begin_ends_those_that_have);
    tcase_add_test(tests, tables_are_one_by_their_names_and_go_on);
    tcase_add_test(tests, wrong_tables_are_refused);
    tcase_add_test(tests, meters_count_for_each_slot_and_go_on);
    suite_add_tcase(suite, tests);
    return suite;
}
