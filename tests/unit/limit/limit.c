/*
 * limit.c - tests of the module limit: what becomes of counts that a worker had when it died.
 */
#include "../../../modules/limit/limit/limit.h"

#include "share/table.h"

#include "children.h"
#include "os/file.h"

enum {
    ENTRY_COUNT = 16,
    DEAD_SLOT = 1,
    LIVING_SLOT = 2,
};

Suite *tp_suite_limit_limit(void);

static void
die_with_entry(struct child *self, void *argument)
{
    struct tp_table *table = argument;
    void *value;

    TP_ASSERT(tp_table_enter(table, TP_STR("10.0.0.1"), 0, &value) == TP_OK);
    ((uint32_t *) value)[DEAD_SLOT]++;
    child_say(self, 'h');
    child_hear(self);
}

START_TEST(a_death_leaves_the_counts_of_others)
{
    struct tp_table_plan plan;
    struct tp_table table;
    struct child child;
    void *value;
    int fd;

    tp__table_plan(&plan, "addr", &limit_conn_layout, ENTRY_COUNT);
    ck_assert_int_eq(TP_OK, tp__zone_create(&plan.zone_layout, &fd));
    ck_assert_int_eq(TP_OK, tp__table_open(&table, "addr", &limit_conn_layout, ENTRY_COUNT, fd));
    ck_assert_int_eq(TP_OK, tp_table_enter(&table, TP_STR("10.0.0.1"), 0, &value));
    ((uint32_t *) value)[LIVING_SLOT] = 7;
    tp_table_leave(&table, &value);

    child_start(&child, die_with_entry, &table);
    ck_assert_int_eq('h', child_hear(&child));
    child_kill(&child);
    ck_assert_int_eq(TP_OK, tp_table_find(&table, TP_STR("10.0.0.1"), &value));
    ck_assert_uint_eq(7, ((const uint32_t *) value)[LIVING_SLOT]);
    ck_assert_uint_eq(1, ((const uint32_t *) value)[DEAD_SLOT]);
    tp_table_leave(&table, &value);
    ck_assert_uint_eq(1, tp__zone_repair_count(&table.zone));
    tp__table_close(&table);
    tp__descriptor_close(&fd);
}
END_TEST

Suite *
tp_suite_limit_limit(void)
{
    Suite *suite = suite_create("limit/limit");
    TCase *counts = tcase_create("counts");

    tcase_add_test(counts, a_death_leaves_the_counts_of_others);
    suite_add_tcase(suite, counts);
    return suite;
}
