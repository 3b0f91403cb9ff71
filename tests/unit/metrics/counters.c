/*
 * counters.c - tests of metrics/counters: what is counted is not lost.
 */
#include "metrics/counters.h"

#include "children.h"
#include "os/file.h"

#include <string.h>

Suite *tp_suite_metrics_counters(void);

static void
open_fresh(struct tp_counters *counters, int *fd)
{
    ck_assert_int_eq(TP_OK, tp__zone_create(&tp__counters_layout, fd));
    ck_assert_int_eq(TP_OK, tp__counters_open(counters, *fd));
}

static void
close_both(struct tp_counters *counters, int *fd)
{
    tp__counters_close(counters);
    tp__descriptor_close(fd);
}

START_TEST(every_row_says_what_it_is)
{
    for (unsigned i = 0; i < TP_COUNTER_COUNT; i++) {
        const struct tp_counter_info *info = tp__counter_info((enum tp_counter) i);

        ck_assert_str_ne("", info->name);
        ck_assert_str_ne("", info->unit);
        ck_assert_int_eq('.', info->sentence[strlen(info->sentence) - 1]);
        for (unsigned j = 0; j < i; j++) {
            ck_assert_str_ne(tp__counter_info((enum tp_counter) j)->name, info->name);
        }
    }
}
END_TEST

START_TEST(totals_go_by_kind)
{
    struct tp_counters counters;
    int fd;

    open_fresh(&counters, &fd);
    for (unsigned slot = 0; slot < 3; slot++) {
        tp__counters_use_slot(&counters, slot);
        tp__counter_add(&counters, TP_COUNTER_SESSIONS_ACCEPTED, 10);
        tp__counter_add(&counters, TP_COUNTER_SESSIONS_ACCEPTED, slot);
        tp__counter_set(&counters, TP_COUNTER_SESSIONS, 5);
        tp__counter_raise(&counters, TP_COUNTER_LOOP_TURN_MAX_US, 100 * (3 - slot));
        tp__counter_raise(&counters, TP_COUNTER_LOOP_TURN_MAX_US, 50);
    }
    tp__counters_use_slot(&counters, TP_SLOT_MASTER);
    tp__counter_add(&counters, TP_COUNTER_WORKER_STARTS, 3);

    ck_assert_uint_eq(33, tp__counters_total(&counters, TP_COUNTER_SESSIONS_ACCEPTED));
    ck_assert_uint_eq(15, tp__counters_total(&counters, TP_COUNTER_SESSIONS));
    ck_assert_uint_eq(300, tp__counters_total(&counters, TP_COUNTER_LOOP_TURN_MAX_US));
    ck_assert_uint_eq(3, tp__counters_total(&counters, TP_COUNTER_WORKER_STARTS));
    ck_assert_uint_eq(12, tp__counters_read(&counters, 2, TP_COUNTER_SESSIONS_ACCEPTED));
    ck_assert_uint_eq(100, tp__counters_read(&counters, 2, TP_COUNTER_LOOP_TURN_MAX_US));
    close_both(&counters, &fd);
}
END_TEST

static void
work_in_slot_4(struct child *self, void *argument)
{
    struct tp_counters *counters = argument;

    child_become_nobody();
    tp__counters_use_slot(counters, 4);
    tp__counter_add(counters, TP_COUNTER_SESSIONS_ACCEPTED, 20);
    tp__counter_set(counters, TP_COUNTER_SESSIONS, 20);
    tp__counter_raise(counters, TP_COUNTER_LOOP_TURN_MAX_US, 900);
    child_say(self, 'w');
    child_hear(self);
}

START_TEST(counts_survive_a_killed_worker_and_gauges_do_not)
{
    struct tp_counters counters;
    struct child child;
    int fd;

    open_fresh(&counters, &fd);
    for (uint64_t life = 1; life <= 2; life++) {
        child_start(&child, work_in_slot_4, &counters);
        ck_assert_int_eq('w', child_hear(&child));
        ck_assert_uint_eq(20, tp__counters_total(&counters, TP_COUNTER_SESSIONS));
        child_kill(&child);
        tp__counters_clear_gauges(&counters, 4);
        ck_assert_uint_eq(20 * life, tp__counters_total(&counters, TP_COUNTER_SESSIONS_ACCEPTED));
        ck_assert_uint_eq(0, tp__counters_total(&counters, TP_COUNTER_SESSIONS));
        ck_assert_uint_eq(0, tp__counters_total(&counters, TP_COUNTER_LOOP_TURN_MAX_US));
    }
    close_both(&counters, &fd);
}
END_TEST

START_TEST(a_longer_table_goes_on_with_the_counts_of_a_shorter_one)
{
    /* As a binary with only the first eight rows would have made it. */
    struct tp_zone_layout shorter = tp__counters_layout;
    struct tp_counters counters;
    struct tp_zone old;
    enum tp_zone_outcome outcome;
    int old_fd;
    int fd;

    shorter.cell_size = 8 * sizeof(uint64_t);
    ck_assert_int_eq(TP_OK, tp__zone_create(&shorter, &old_fd));
    ck_assert_int_eq(TP_OK, tp__zone_open(&old, &shorter, old_fd));
    ((uint64_t *) tp__zone_get_cell(&old, 9))[TP_COUNTER_SESSIONS_ACCEPTED] = 1234;
    tp__zone_close(&old);

    ck_assert_int_eq(TP_OK, tp__zone_adopt(old_fd, &tp__counters_layout, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_COPIED, outcome);
    ck_assert_int_eq(TP_OK, tp__counters_open(&counters, fd));
    for (unsigned i = 0; i < TP_COUNTER_COUNT; i++) {
        ck_assert_uint_eq(i == TP_COUNTER_SESSIONS_ACCEPTED ? 1234 : 0,
                          tp__counters_read(&counters, 9, (enum tp_counter) i));
    }
    tp__descriptor_close(&old_fd);
    close_both(&counters, &fd);
}
END_TEST

START_TEST(a_table_in_another_order_begins_anew)
{
    struct tp_zone_layout other = tp__counters_layout;
    enum tp_zone_outcome outcome;
    int old_fd;
    int fd;

    other.version++;
    ck_assert_int_eq(TP_OK, tp__zone_create(&other, &old_fd));
    ck_assert_int_eq(TP_OK, tp__zone_adopt(old_fd, &tp__counters_layout, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_ANEW, outcome);
    tp__descriptor_close(&old_fd);
    tp__descriptor_close(&fd);
}
END_TEST

Suite *
tp_suite_metrics_counters(void)
{
    Suite *suite = suite_create("metrics/counters");
    TCase *tests = tcase_create("counters");

    tcase_add_test(tests, every_row_says_what_it_is);
    tcase_add_test(tests, totals_go_by_kind);
    tcase_add_test(tests, counts_survive_a_killed_worker_and_gauges_do_not);
    tcase_add_test(tests, a_longer_table_goes_on_with_the_counts_of_a_shorter_one);
    tcase_add_test(tests, a_table_in_another_order_begins_anew);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
