/*
 * directory.c - tests of share/directory: who has which session, and which id.
 */
#include "share/directory.h"

#include "children.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SESSION_COUNT = 1000,
    PROCESS_COUNT = 4,
    ROUNDS = 2000,
};

Suite *tp_suite_share_directory(void);

struct fixture {
    struct tp_directory directory;
    int numbers_fd;
    int ids_fd;
};

static void
fixture_init(struct fixture *fixture, uint64_t session_count)
{
    ck_assert_int_eq(TP_OK, tp__zone_create_sized(&tp__directory_numbers_layout,
                                                  tp__directory_number_cells(session_count),
                                                  &fixture->numbers_fd));
    ck_assert_int_eq(TP_OK, tp__zone_create_sized(&tp__directory_ids_layout,
                                                  tp__directory_id_cells(session_count),
                                                  &fixture->ids_fd));
    ck_assert_int_eq(TP_OK,
                     tp__directory_open(&fixture->directory, fixture->numbers_fd, fixture->ids_fd));
}

static void
fixture_fini(struct fixture *fixture)
{
    tp__directory_close(&fixture->directory);
    tp__descriptor_close(&fixture->numbers_fd);
    tp__descriptor_close(&fixture->ids_fd);
}

/* "id-17" in `text`, of which there is one for each call. */
static struct tp_str
id_of(uint64_t number, char text[32])
{
    int len = snprintf(text, 32, "id-%llu", (unsigned long long) number);

    return (struct tp_str){ text, (size_t) len };
}

static void
claim(struct tp_directory *directory, struct tp_str id, uint64_t number)
{
    uint64_t holder;

    ck_assert_int_eq(TP_OK,
                     tp__directory_claim_id(directory, id, number, TP_CLAIM_IF_FREE, &holder));
    ck_assert_uint_eq(0, holder);
}

static void
assert_id_is(struct tp_directory *directory, struct tp_str id, uint64_t number, unsigned slot)
{
    struct tp_directory_entry entry;

    ck_assert_int_eq(TP_OK, tp__directory_find_id(directory, id, &entry));
    ck_assert_uint_eq(number, entry.number);
    ck_assert_uint_eq(slot, entry.slot);
}

static void
assert_no_id(struct tp_directory *directory, struct tp_str id)
{
    struct tp_directory_entry entry;

    ck_assert_int_eq(TP_NOT_FOUND, tp__directory_find_id(directory, id, &entry));
}

START_TEST(knows_where_each_session_is)
{
    struct fixture fixture;
    unsigned slot;

    fixture_init(&fixture, SESSION_COUNT);
    for (uint64_t number = 1; number <= SESSION_COUNT; number++) {
        ck_assert_int_eq(TP_OK, tp__directory_add(&fixture.directory, number, number % 256));
    }
    for (uint64_t number = 1; number <= SESSION_COUNT; number += 2) {
        tp__directory_remove(&fixture.directory, number, number % 256);
    }
    for (uint64_t number = 1; number <= SESSION_COUNT; number++) {
        enum tp_result result = tp__directory_find(&fixture.directory, number, &slot);

        ck_assert_int_eq(number % 2 == 1 ? TP_NOT_FOUND : TP_OK, result);
        if (result == TP_OK) {
            ck_assert_uint_eq(number % 256, slot);
        }
    }
    ck_assert_int_eq(TP_NOT_FOUND, tp__directory_find(&fixture.directory, 0, &slot));
    tp__directory_remove(&fixture.directory, 2, 3);
    ck_assert_int_eq(TP_OK, tp__directory_find(&fixture.directory, 2, &slot));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(has_room_for_all_that_were_asked_for_and_no_end_of_them)
{
    struct fixture fixture;
    enum tp_result result = TP_OK;
    uint64_t number = 0;

    fixture_init(&fixture, SESSION_COUNT);
    while (result == TP_OK) {
        result = tp__directory_add(&fixture.directory, ++number, 0);
    }
    ck_assert_int_eq(TP_FULL, result);
    ck_assert_uint_gt(number, SESSION_COUNT);
    ck_assert_uint_lt(number, 3 * SESSION_COUNT);

    /* Who has left makes room. */
    tp__directory_remove(&fixture.directory, number - 1, 0);
    ck_assert_int_eq(TP_OK, tp__directory_add(&fixture.directory, number - 1, 0));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(old_sessions_are_no_obstacle_to_new_ones)
{
    struct fixture fixture;
    unsigned slot;

    /* One in a hundred stays for ever, the others are short. */
    fixture_init(&fixture, SESSION_COUNT);
    for (uint64_t number = 1; number <= 50 * SESSION_COUNT; number++) {
        ck_assert_int_eq(TP_OK, tp__directory_add(&fixture.directory, number, 1));
        if (number % 100 != 0) {
            tp__directory_remove(&fixture.directory, number, 1);
        }
    }
    for (uint64_t number = 100; number <= 50 * SESSION_COUNT; number += 100) {
        ck_assert_int_eq(TP_OK, tp__directory_find(&fixture.directory, number, &slot));
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_scan_sees_each_session_that_stays_exactly_once)
{
    struct fixture fixture;
    struct tp_directory_entry entries[7];
    unsigned char seen[SESSION_COUNT + 1] = { 0 };
    uint64_t next_number = SESSION_COUNT + 1;
    uint64_t cursor = 0;

    fixture_init(&fixture, 2 * SESSION_COUNT);
    for (uint64_t number = 1; number <= SESSION_COUNT; number++) {
        ck_assert_int_eq(TP_OK, tp__directory_add(&fixture.directory, number, number % 3));
    }
    while (cursor != TP_DIRECTORY_END) {
        size_t count = tp__directory_scan(&fixture.directory, &cursor, entries, 7);

        ck_assert(count == 7 || cursor == TP_DIRECTORY_END);
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_eq(entries[i].number % 3, entries[i].slot);
            if (entries[i].number <= SESSION_COUNT) {
                seen[entries[i].number]++;
            }
        }
        /* Others come and go. */
        ck_assert_int_eq(TP_OK,
                         tp__directory_add(&fixture.directory, next_number, next_number % 3));
        if (next_number % 2 == 0) {
            tp__directory_remove(&fixture.directory, next_number, next_number % 3);
        }
        next_number++;
    }
    for (uint64_t number = 1; number <= SESSION_COUNT; number++) {
        ck_assert_uint_eq(1, seen[number]);
    }
    ck_assert_uint_eq(0, tp__directory_scan(&fixture.directory, &cursor, entries, 7));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_dead_slot_is_cleared_and_its_ids_are_free)
{
    struct fixture fixture;
    struct tp_directory *directory = &fixture.directory;
    char text[32];
    unsigned slot;

    fixture_init(&fixture, SESSION_COUNT);
    for (uint64_t number = 1; number <= SESSION_COUNT; number++) {
        ck_assert_int_eq(TP_OK, tp__directory_add(directory, number, number % 2));
        claim(directory, id_of(number, text), number);
    }
    tp__directory_clear_slot(directory, 1);
    for (uint64_t number = 1; number <= SESSION_COUNT; number++) {
        if (number % 2 == 0) {
            assert_id_is(directory, id_of(number, text), number, 0);
        } else {
            ck_assert_int_eq(TP_NOT_FOUND, tp__directory_find(directory, number, &slot));
            assert_no_id(directory, id_of(number, text));
            /* Its successor comes, and wants the same one. */
            ck_assert_int_eq(TP_OK, tp__directory_add(directory, number + SESSION_COUNT, 1));
            claim(directory, id_of(number, text), number + SESSION_COUNT);
            assert_id_is(directory, id_of(number, text), number + SESSION_COUNT, 1);
        }
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(an_id_belongs_to_one_session)
{
    struct fixture fixture;
    struct tp_directory *directory = &fixture.directory;
    uint64_t holder;

    fixture_init(&fixture, SESSION_COUNT);
    ck_assert_int_eq(TP_OK, tp__directory_add(directory, 7, 1));
    ck_assert_int_eq(TP_OK, tp__directory_add(directory, 8, 2));
    claim(directory, TP_STR("lamp"), 7);
    claim(directory, TP_STR("lamp"), 7);

    ck_assert_int_eq(
        TP_EXISTS, tp__directory_claim_id(directory, TP_STR("lamp"), 8, TP_CLAIM_IF_FREE, &holder));
    ck_assert_uint_eq(7, holder);
    assert_id_is(directory, TP_STR("lamp"), 7, 1);

    ck_assert_int_eq(
        TP_OK, tp__directory_claim_id(directory, TP_STR("lamp"), 8, TP_CLAIM_ANYWAY, &holder));
    ck_assert_uint_eq(7, holder);
    assert_id_is(directory, TP_STR("lamp"), 8, 2);

    /* The former holder ends, and takes nothing from the present one. */
    tp__directory_release_id(directory, TP_STR("lamp"), 7);
    assert_id_is(directory, TP_STR("lamp"), 8, 2);
    tp__directory_release_id(directory, TP_STR("lamp"), 8);
    assert_no_id(directory, TP_STR("lamp"));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(ids_are_any_bytes_up_to_their_limit)
{
    struct fixture fixture;
    struct tp_directory *directory = &fixture.directory;
    char longest[TP_SESSION_ID_MAX + 1];
    struct tp_str id = { longest, TP_SESSION_ID_MAX };

    fixture_init(&fixture, SESSION_COUNT);
    memset(longest, 0, sizeof(longest));
    ck_assert_int_eq(TP_OK, tp__directory_add(directory, 1, 0));
    claim(directory, id, 1);
    assert_id_is(directory, id, 1, 0);
    assert_no_id(directory, (struct tp_str){ longest, TP_SESSION_ID_MAX - 1 });
    assert_no_id(directory, (struct tp_str){ longest, TP_SESSION_ID_MAX + 1 });
    assert_no_id(directory, TP_STR(""));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(ids_fill_a_small_directory_to_its_end)
{
    struct fixture fixture;
    struct tp_directory *directory = &fixture.directory;
    uint32_t cell_count = tp__directory_id_cells(1);
    uint64_t number = 0;
    uint64_t placed = 0;
    uint64_t holder;
    char text[32];
    bool has_id[10000] = { false };

    fixture_init(&fixture, 1);
    ck_assert_int_eq(TP_OK, tp__directory_add(directory, 1, 0));
    while (placed < cell_count && number + 1 < TP_COUNT_OF(has_id)) {
        enum tp_result result =
            tp__directory_claim_id(directory, id_of(++number, text), 1, TP_CLAIM_IF_FREE, &holder);

        ck_assert(result == TP_OK || result == TP_FULL);
        has_id[number] = result == TP_OK;
        placed += result == TP_OK ? 1 : 0;
    }
    ck_assert_uint_eq(cell_count, placed);
    /* In full shards, too, each is found, and each can be taken out. */
    for (uint64_t one = 1; one <= number; one++) {
        if (has_id[one]) {
            assert_id_is(directory, id_of(one, text), 1, 0);
            tp__directory_release_id(directory, id_of(one, text), 1);
        }
        assert_no_id(directory, id_of(one, text));
    }
    fixture_fini(&fixture);
}
END_TEST

/* Claims ids of its own and gives them back, in a directory so small that all are in the way. */
static void
churn(struct child *self, void *argument)
{
    struct tp_directory *directory = argument;
    unsigned slot = (unsigned) child_hear(self);
    uint64_t holder;
    char text[32];

    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t number = round * PROCESS_COUNT + slot + 1;
        struct tp_str id = id_of(round % 20 * PROCESS_COUNT + slot, text);
        struct tp_directory_entry entry;

        TP_ASSERT(tp__directory_add(directory, number, slot) == TP_OK);
        TP_ASSERT(tp__directory_claim_id(directory, id, number, TP_CLAIM_IF_FREE, &holder)
                  == TP_OK);
        TP_ASSERT(tp__directory_find_id(directory, id, &entry) == TP_OK);
        TP_ASSERT(entry.number == number && entry.slot == slot);
        tp__directory_release_id(directory, id, number);
        tp__directory_remove(directory, number, slot);
    }
}

START_TEST(processes_do_not_disturb_each_other)
{
    struct fixture fixture;
    struct child children[PROCESS_COUNT];
    struct tp_directory_entry entries[10];
    uint64_t cursor = 0;

    fixture_init(&fixture, 100);
    for (int i = 0; i < PROCESS_COUNT; i++) {
        child_start(&children[i], churn, &fixture.directory);
        child_say(&children[i], (char) i);
    }
    for (int i = 0; i < PROCESS_COUNT; i++) {
        child_join(&children[i]);
    }
    ck_assert_uint_eq(0, tp__directory_scan(&fixture.directory, &cursor, entries, 10));
    fixture_fini(&fixture);
}
END_TEST

/* Works until it is killed, which may be anywhere. */
static void
churn_for_ever(struct child *self, void *argument)
{
    child_say(self, 'r');
    for (;;) {
        uint64_t holder;
        char text[32];

        for (uint64_t number = 1; number <= 60; number++) {
            struct tp_str id = id_of(number, text);

            if (tp__directory_claim_id(argument, id, 1, TP_CLAIM_IF_FREE, &holder) != TP_OK) {
                _exit(1);
            }
        }
        for (uint64_t number = 1; number <= 60; number++) {
            tp__directory_release_id(argument, id_of(number, text), 1);
        }
    }
}

START_TEST(a_death_in_the_middle_of_a_change_leaves_a_whole_directory)
{
    for (int round = 0; round < 50; round++) {
        struct fixture fixture;
        struct child child;
        struct tp_directory_entry entry;
        char text[32];

        fixture_init(&fixture, 1000);
        ck_assert_int_eq(TP_OK, tp__directory_add(&fixture.directory, 1, 0));
        ck_assert_int_eq(TP_OK, tp__directory_add(&fixture.directory, 2, 0));
        child_start(&child, churn_for_ever, &fixture.directory);
        ck_assert_int_eq('r', child_hear(&child));
        child_kill(&child);

        /* Whatever was left, every id can be had, found, and given back. */
        for (uint64_t number = 1; number <= 60; number++) {
            struct tp_str id = id_of(number, text);
            uint64_t holder;

            ck_assert_int_eq(
                TP_OK, tp__directory_claim_id(&fixture.directory, id, 2, TP_CLAIM_ANYWAY, &holder));
            ck_assert_int_eq(TP_OK, tp__directory_find_id(&fixture.directory, id, &entry));
            ck_assert_uint_eq(2, entry.number);
        }
        for (uint64_t number = 1; number <= 60; number++) {
            tp__directory_release_id(&fixture.directory, id_of(number, text), 2);
            ck_assert_int_eq(TP_NOT_FOUND, tp__directory_find_id(&fixture.directory,
                                                                 id_of(number, text), &entry));
        }
        fixture_fini(&fixture);
    }
}
END_TEST

/* Locks every shard, leaves the cells as nobody would, and dies. */
static void
make_a_mess(struct child *self, void *argument)
{
    struct tp_directory *directory = argument;
    struct tp_zone *zone = &directory->ids;
    uint32_t per_shard = zone->cell_count / zone->shard_count;

    for (uint32_t shard = 0; shard < zone->shard_count; shard++) {
        TP_ASSERT(tp__zone_lock(zone, shard) == TP_OK);
    }
    for (uint32_t shard = 0; shard < zone->shard_count; shard++) {
        unsigned char *first = tp__zone_get_cell(zone, shard * per_shard);
        unsigned char *last = tp__zone_get_cell(zone, (shard + 1) * per_shard - 1);

        /* One stands far from where it belongs, or twice; the next one is nonsense. */
        memcpy(last, first, zone->cell_size);
        memset(tp__zone_get_cell(zone, shard * per_shard + 1), 0xff, zone->cell_size);
    }
    child_say(self, 'r');
    child_hear(self);
}

START_TEST(a_broken_shard_is_made_whole)
{
    struct fixture fixture;
    struct tp_directory *directory = &fixture.directory;
    struct child child;
    unsigned found = 0;
    char text[32];

    fixture_init(&fixture, 1);
    ck_assert_int_eq(TP_OK, tp__directory_add(directory, 1, 0));
    for (uint64_t number = 1; number <= 40; number++) {
        claim(directory, id_of(number, text), 1);
    }
    child_start(&child, make_a_mess, directory);
    ck_assert_int_eq('r', child_hear(&child));
    child_kill(&child);

    for (uint64_t number = 1; number <= 40; number++) {
        struct tp_directory_entry entry;
        struct tp_str id = id_of(number, text);

        found += tp__directory_find_id(directory, id, &entry) == TP_OK;
        tp__directory_release_id(directory, id, 1);
        assert_no_id(directory, id);
    }
    /* At most one of a shard was overwritten, and it stood behind another. */
    ck_assert_uint_ge(found, 20);
    ck_assert_uint_gt(tp__zone_repair_count(&directory->ids), 0);
    fixture_fini(&fixture);
}
END_TEST

Suite *
tp_suite_share_directory(void)
{
    Suite *suite = suite_create("share/directory");
    TCase *numbers = tcase_create("numbers");
    TCase *ids = tcase_create("ids");
    TCase *processes = tcase_create("processes");

    tcase_add_test(numbers, knows_where_each_session_is);
    tcase_add_test(numbers, has_room_for_all_that_were_asked_for_and_no_end_of_them);
    tcase_add_test(numbers, old_sessions_are_no_obstacle_to_new_ones);
    tcase_add_test(numbers, a_scan_sees_each_session_that_stays_exactly_once);
    tcase_add_test(numbers, a_dead_slot_is_cleared_and_its_ids_are_free);
    suite_add_tcase(suite, numbers);

    tcase_add_test(ids, an_id_belongs_to_one_session);
    tcase_add_test(ids, ids_are_any_bytes_up_to_their_limit);
    tcase_add_test(ids, ids_fill_a_small_directory_to_its_end);
    suite_add_tcase(suite, ids);

    tcase_set_timeout(processes, 30);
    tcase_add_test(processes, processes_do_not_disturb_each_other);
    tcase_add_test(processes, a_death_in_the_middle_of_a_change_leaves_a_whole_directory);
    tcase_add_test(processes, a_broken_shard_is_made_whole);
    suite_add_tcase(suite, processes);
    return suite;
}
