/*
 * table.c - tests of share/table: keys and their values, for many processes at once, and after
 * one of them died.
 */
#include "share/table.h"

#include "children.h"
#include "os/file.h"

#include <stdio.h>
#include <string.h>

enum {
    ENTRY_COUNT = 1000,
    PROCESS_COUNT = 4,
    ROUNDS = 5000,
};

Suite *tp_suite_share_table(void);

struct sample {
    uint64_t count;
    uint64_t mirror; /* the same, unless somebody died between the two */
};

static bool
sample_is_idle(const void *value, int64_t now_ms)
{
    const struct sample *sample = value;

    (void) now_ms;
    return sample->count == 0;
}

static void
sample_check(void *value)
{
    struct sample *sample = value;

    sample->mirror = sample->count;
}

static const struct tp_table_layout sample_layout = {
    .version = 1,
    .value_size = sizeof(struct sample),
    .is_idle = sample_is_idle,
    .check = sample_check,
};

static const struct tp_table_layout other_layout = {
    .version = 2,
    .value_size = sizeof(struct sample),
};

struct fixture {
    struct tp_table_plan plan;
    struct tp_table table;
    int fd;
};

static void
fixture_open(struct fixture *fixture, uint32_t entry_count)
{
    tp__table_plan(&fixture->plan, "samples", &sample_layout, entry_count);
    ck_assert_int_eq(TP_OK, tp__zone_create(&fixture->plan.zone_layout, &fixture->fd));
    ck_assert_int_eq(TP_OK, tp__table_open(&fixture->table, "samples", &sample_layout, entry_count,
                                           fixture->fd));
}

static void
fixture_close(struct fixture *fixture)
{
    tp__table_close(&fixture->table);
    tp__descriptor_close(&fixture->fd);
}

static struct tp_str
key_of(uint64_t number, char text[32])
{
    int len = snprintf(text, 32, "key-%llu", (unsigned long long) number);

    return (struct tp_str){ text, (size_t) len };
}

/* May be called in a child, so it does not use Check. */
static enum tp_result
add(struct tp_table *table, struct tp_str key, uint64_t count, int64_t now_ms)
{
    void *value;
    enum tp_result result = tp_table_enter(table, key, now_ms, &value);

    if (result == TP_OK) {
        struct sample *sample = value;

        sample->count += count;
        sample->mirror += count;
        tp_table_leave(table, &value);
        TP_ASSERT(value == NULL);
    }
    return result;
}

static uint64_t
count_of(struct tp_table *table, struct tp_str key)
{
    void *value;

    if (tp_table_find(table, key, &value) != TP_OK) {
        return UINT64_MAX;
    }
    uint64_t count = ((struct sample *) value)->count;

    ck_assert_uint_eq(count, ((struct sample *) value)->mirror);
    tp_table_leave(table, &value);
    return count;
}

START_TEST(has_room_for_what_was_asked_for)
{
    struct fixture fixture;
    char text[32];

    fixture_open(&fixture, ENTRY_COUNT);
    ck_assert_uint_ge(tp_table_capacity(&fixture.table), ENTRY_COUNT);
    for (uint64_t i = 0; i < ENTRY_COUNT; i++) {
        ck_assert_int_eq(TP_OK, add(&fixture.table, key_of(i, text), i + 1, 0));
    }
    ck_assert_uint_eq(ENTRY_COUNT, tp_table_count(&fixture.table));
    for (uint64_t i = 0; i < ENTRY_COUNT; i++) {
        ck_assert_uint_eq(i + 1, count_of(&fixture.table, key_of(i, text)));
    }
    ck_assert_uint_eq(UINT64_MAX, count_of(&fixture.table, TP_STR("another")));
    fixture_close(&fixture);
}
END_TEST

START_TEST(keys_may_be_empty_long_and_binary)
{
    struct fixture fixture;
    char left[200];
    char right[200];

    memset(left, 'x', sizeof(left));
    memset(right, 'x', sizeof(right));
    right[199] = 'y';
    fixture_open(&fixture, 16);
    ck_assert_int_eq(TP_OK, add(&fixture.table, TP_STR(""), 1, 0));
    ck_assert_int_eq(TP_OK, add(&fixture.table, TP_STR("\0"), 2, 0));
    ck_assert_int_eq(TP_OK, add(&fixture.table, (struct tp_str){ left, 200 }, 3, 0));
    ck_assert_int_eq(TP_OK, add(&fixture.table, (struct tp_str){ right, 200 }, 4, 0));
    ck_assert_int_eq(TP_OK, add(&fixture.table, (struct tp_str){ left, 64 }, 5, 0));
    ck_assert_uint_eq(1, count_of(&fixture.table, TP_STR("")));
    ck_assert_uint_eq(2, count_of(&fixture.table, TP_STR("\0")));
    ck_assert_uint_eq(3, count_of(&fixture.table, (struct tp_str){ left, 200 }));
    ck_assert_uint_eq(4, count_of(&fixture.table, (struct tp_str){ right, 200 }));
    ck_assert_uint_eq(5, count_of(&fixture.table, (struct tp_str){ left, 64 }));
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_longest_unused_of_the_idle_makes_room)
{
    struct fixture fixture;
    char text[32];

    fixture_open(&fixture, 4);
    uint32_t capacity = tp_table_capacity(&fixture.table);

    for (uint64_t i = 0; i < capacity; i++) {
        ck_assert_int_eq(TP_OK, add(&fixture.table, key_of(i, text), 1, (int64_t) i));
    }
    ck_assert_int_eq(TP_FULL, add(&fixture.table, TP_STR("more"), 1, 100));
    ck_assert_uint_eq(capacity, tp_table_count(&fixture.table));
    /* Both are idle now; 3 has been so for longer, though it comes later. */
    ck_assert_int_eq(TP_OK, add(&fixture.table, key_of(3, text), (uint64_t) -1, 200));
    ck_assert_int_eq(TP_OK, add(&fixture.table, key_of(1, text), (uint64_t) -1, 300));
    ck_assert_int_eq(TP_OK, add(&fixture.table, TP_STR("more"), 1, 400));
    ck_assert_uint_eq(UINT64_MAX, count_of(&fixture.table, key_of(3, text)));
    ck_assert_uint_eq(0, count_of(&fixture.table, key_of(1, text)));
    ck_assert_uint_eq(1, count_of(&fixture.table, TP_STR("more")));
    fixture_close(&fixture);
}
END_TEST

static bool
visit_odd(struct tp_str key, void *value, void *owner)
{
    uint64_t *sum = owner;
    uint64_t count = ((const struct sample *) value)->count;

    ck_assert_uint_gt(key.len, 4);
    *sum += count;
    return count % 2 == 1;
}

START_TEST(an_entry_is_found_again_where_it_was)
{
    const struct tp_table_spot nowhere = { .place = 0 };
    const struct tp_table_spot beyond = { .place = UINT32_MAX };
    struct fixture fixture;
    void *value;

    fixture_open(&fixture, 4);
    ck_assert_int_eq(TP_OK, add(&fixture.table, TP_STR("one"), 7, 0));
    ck_assert_int_eq(TP_OK, tp_table_enter(&fixture.table, TP_STR("one"), 0, &value));
    const struct tp_table_spot spot = tp_table_note(&fixture.table, value);

    tp_table_leave(&fixture.table, &value);
    ck_assert_int_eq(TP_NOT_FOUND, tp_table_return(&fixture.table, &nowhere, 0, &value));
    ck_assert_int_eq(TP_NOT_FOUND, tp_table_return(&fixture.table, &beyond, 0, &value));
    ck_assert_int_eq(TP_OK, tp_table_return(&fixture.table, &spot, 0, &value));
    ck_assert_uint_eq(7, ((struct sample *) value)->count);
    tp_table_remove(&fixture.table, &value);
    ck_assert_int_eq(TP_NOT_FOUND, tp_table_return(&fixture.table, &spot, 0, &value));
    ck_assert_int_eq(TP_OK, add(&fixture.table, TP_STR("other"), 1, 0));
    ck_assert_int_eq(TP_NOT_FOUND, tp_table_return(&fixture.table, &spot, 0, &value));
    fixture_close(&fixture);
}
END_TEST

START_TEST(visits_all_and_takes_out)
{
    struct fixture fixture;
    uint64_t sum = 0;
    void *value;
    char text[32];

    fixture_open(&fixture, 200);
    for (uint64_t i = 1; i <= 100; i++) {
        ck_assert_int_eq(TP_OK, add(&fixture.table, key_of(i, text), i, 0));
    }
    ck_assert_int_eq(TP_OK, tp_table_each(&fixture.table, visit_odd, &sum));
    ck_assert_uint_eq(5050, sum);
    ck_assert_uint_eq(50, tp_table_count(&fixture.table));
    ck_assert_uint_eq(UINT64_MAX, count_of(&fixture.table, key_of(2, text)));
    ck_assert_int_eq(TP_OK, tp_table_find(&fixture.table, key_of(3, text), &value));
    tp_table_remove(&fixture.table, &value);
    ck_assert_ptr_null(value);
    ck_assert_uint_eq(UINT64_MAX, count_of(&fixture.table, key_of(3, text)));
    ck_assert_int_eq(TP_OK, add(&fixture.table, key_of(3, text), 7, 0));
    ck_assert_uint_eq(7, count_of(&fixture.table, key_of(3, text)));
    fixture_close(&fixture);
}
END_TEST

static void
count_for_all(struct child *self, void *argument)
{
    struct fixture *fixture = argument;
    char text[32];

    child_say(self, 'r');
    child_hear(self);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        TP_ASSERT(add(&fixture->table, key_of(i % 10, text), 1, 0) == TP_OK);
    }
}

START_TEST(no_count_of_several_processes_is_lost)
{
    struct fixture fixture;
    struct child children[PROCESS_COUNT];
    char text[32];

    fixture_open(&fixture, 64);
    for (int i = 0; i < PROCESS_COUNT; i++) {
        child_start(&children[i], count_for_all, &fixture);
        ck_assert_int_eq('r', child_hear(&children[i]));
    }
    for (int i = 0; i < PROCESS_COUNT; i++) {
        child_say(&children[i], 'g');
    }
    for (int i = 0; i < PROCESS_COUNT; i++) {
        ck_assert_int_eq(0, child_wait(&children[i]));
    }
    for (uint64_t i = 0; i < 10; i++) {
        ck_assert_uint_eq((uint64_t) PROCESS_COUNT * ROUNDS / 10,
                          count_of(&fixture.table, key_of(i, text)));
    }
    fixture_close(&fixture);
}
END_TEST

static void
die_half_way(struct child *self, void *argument)
{
    struct fixture *fixture = argument;
    void *value;

    TP_ASSERT(tp_table_enter(&fixture->table, TP_STR("mine"), 0, &value) == TP_OK);
    ((struct sample *) value)->count = 7;
    child_say(self, 'h');
    child_hear(self);
}

START_TEST(what_a_dead_process_had_is_checked)
{
    struct fixture fixture;
    struct child child;

    fixture_open(&fixture, 4);
    ck_assert_int_eq(TP_OK, add(&fixture.table, TP_STR("mine"), 1, 0));
    ck_assert_int_eq(TP_OK, add(&fixture.table, TP_STR("yours"), 2, 0));
    child_start(&child, die_half_way, &fixture);
    ck_assert_int_eq('h', child_hear(&child));
    ck_assert_int_eq(0, kill(child.pid, SIGKILL));
    child_wait(&child);
    ck_assert_uint_eq(7, count_of(&fixture.table, TP_STR("mine")));
    ck_assert_uint_eq(2, count_of(&fixture.table, TP_STR("yours")));
    ck_assert_uint_eq(2, tp_table_count(&fixture.table));
    ck_assert_uint_eq(1, tp__zone_repair_count(&fixture.table.zone));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_table_of_another_size_takes_the_entries_over)
{
    struct fixture fixture;
    struct tp_table_plan plan;
    struct tp_table larger;
    enum tp_zone_outcome outcome;
    char labels[2][TP_TABLE_LABEL_MAX];
    char text[32];
    int fd;

    fixture_open(&fixture, 100);
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_eq(TP_OK, add(&fixture.table, key_of(i, text), i, 0));
    }
    tp__table_plan(&plan, "samples", &sample_layout, ENTRY_COUNT);
    ck_assert_str_ne(tp__table_label(&fixture.plan, labels[0]), tp__table_label(&plan, labels[1]));
    ck_assert(tp__table_has_label(&plan, labels[0]));
    ck_assert(!tp__table_has_label(&plan, "table samples2 1.2.3"));
    ck_assert_int_eq(TP_OK, tp__zone_adopt(fixture.fd, &plan.zone_layout, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_COPIED, outcome);
    ck_assert_int_eq(TP_OK, tp__table_open(&larger, "samples", &sample_layout, ENTRY_COUNT, fd));
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_uint_eq(i, count_of(&larger, key_of(i, text)));
    }
    ck_assert_uint_eq(100, tp_table_count(&larger));
    tp__table_close(&larger);
    tp__descriptor_close(&fd);

    tp__table_plan(&plan, "samples", &other_layout, ENTRY_COUNT);
    ck_assert_int_eq(TP_OK, tp__zone_adopt(fixture.fd, &plan.zone_layout, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_ANEW, outcome);
    tp__descriptor_close(&fd);
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_share_table(void)
{
    Suite *suite = suite_create("share/table");
    TCase *tests = tcase_create("table");

    tcase_add_test(tests, has_room_for_what_was_asked_for);
    tcase_add_test(tests, keys_may_be_empty_long_and_binary);
    tcase_add_test(tests, the_longest_unused_of_the_idle_makes_room);
    tcase_add_test(tests, an_entry_is_found_again_where_it_was);
    tcase_add_test(tests, visits_all_and_takes_out);
    tcase_add_test(tests, no_count_of_several_processes_is_lost);
    tcase_add_test(tests, what_a_dead_process_had_is_checked);
    tcase_add_test(tests, a_table_of_another_size_takes_the_entries_over);
    suite_add_tcase(suite, tests);
    return suite;
}
