/*
 * roster.c - tests of share/roster: who works where, and numbers given out once.
 */
#include "share/roster.h"

#include "children.h"
#include "os/file.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    PROCESS_COUNT = 4,
    NUMBERS_PER_PROCESS = 5000,
    NUMBER_COUNT = PROCESS_COUNT * NUMBERS_PER_PROCESS,
};

Suite *tp_suite_share_roster(void);

static void
open_fresh(struct tp_roster *roster, int *fd)
{
    ck_assert_int_eq(TP_OK, tp__zone_create(&tp__roster_layout, fd));
    ck_assert_int_eq(TP_OK, tp__roster_open(roster, *fd));
}

static void
close_both(struct tp_roster *roster, int *fd)
{
    tp__roster_close(roster);
    tp__descriptor_close(fd);
}

START_TEST(shows_who_is_where)
{
    struct tp_roster roster;
    struct tp_roster_entry entry;
    int fd;

    open_fresh(&roster, &fd);
    tp__roster_read(&roster, 3, &entry);
    ck_assert_int_eq(TP_ROSTER_FREE, entry.state);

    tp__roster_join(&roster, 3, 4711, 7);
    tp__roster_read(&roster, 3, &entry);
    ck_assert_int_eq(TP_ROSTER_STARTING, entry.state);
    ck_assert_int_eq(4711, entry.pid);
    ck_assert_uint_eq(7, entry.generation);

    tp__roster_set_state(&roster, TP_ROSTER_DRAINING);
    tp__roster_set_generation(&roster, 8);
    tp__roster_set_sessions(&roster, 99);
    tp__roster_beat(&roster, 123456);
    tp__roster_read(&roster, 3, &entry);
    ck_assert_str_eq("draining", tp__roster_state_word(entry.state));
    ck_assert_uint_eq(8, entry.generation);
    ck_assert_uint_eq(99, entry.session_count);
    ck_assert_int_eq(123456, entry.turn_ms);

    tp__roster_clear(&roster, 3);
    tp__roster_read(&roster, 3, &entry);
    ck_assert_int_eq(TP_ROSTER_FREE, entry.state);
    ck_assert_int_eq(0, entry.pid);
    ck_assert_uint_eq(0, entry.session_count);
    close_both(&roster, &fd);
}
END_TEST

static void
enter(struct tp_roster *roster, unsigned slot, enum tp_roster_state state, uint64_t sessions,
      int64_t turn_ms)
{
    tp__roster_join(roster, slot, 1, 1);
    tp__roster_set_state(roster, state);
    tp__roster_set_sessions(roster, sessions);
    tp__roster_beat(roster, turn_ms);
}

START_TEST(load_is_that_of_workers_who_can_take_more)
{
    struct tp_roster roster;
    struct tp_roster_load load;
    int fd;

    open_fresh(&roster, &fd);
    tp__roster_read_load(&roster, 0, &load);
    ck_assert_uint_eq(0, load.worker_count);
    enter(&roster, 0, TP_ROSTER_RUNNING, 40, 1000);
    enter(&roster, 1, TP_ROSTER_DRAINING, 2, 1000);
    enter(&roster, 2, TP_ROSTER_STARTING, 0, 1000);
    enter(&roster, 3, TP_ROSTER_RUNNING, 1, 400); /* hangs */
    enter(&roster, TP_WORKER_SLOTS_MAX - 1, TP_ROSTER_RUNNING, 30, 900);

    tp__roster_read_load(&roster, 900, &load);
    ck_assert_uint_eq(2, load.worker_count);
    ck_assert_uint_eq(70, load.session_count);
    ck_assert_uint_eq(30, load.session_min);
    tp__roster_read_load(&roster, INT64_MIN, &load);
    ck_assert_uint_eq(3, load.worker_count);
    ck_assert_uint_eq(1, load.session_min);
    close_both(&roster, &fd);
}
END_TEST

struct draw {
    struct tp_roster roster;
    uint64_t *numbers;
    unsigned next_process;
};

static void
draw_numbers(struct child *self, void *argument)
{
    struct draw *draw = argument;
    uint64_t *numbers = draw->numbers + (size_t) draw->next_process * NUMBERS_PER_PROCESS;

    (void) self;
    for (int i = 0; i < NUMBERS_PER_PROCESS; i++) {
        numbers[i] = tp__roster_next_session_number(&draw->roster);
    }
}

START_TEST(no_session_number_is_given_twice)
{
    struct draw draw = { .next_process = 0 };
    struct child children[PROCESS_COUNT];
    bool *was_seen = calloc(NUMBER_COUNT + 1, sizeof(*was_seen));
    int fd;

    draw.numbers = mmap(NULL, NUMBER_COUNT * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(MAP_FAILED, draw.numbers);
    open_fresh(&draw.roster, &fd);
    for (; draw.next_process < PROCESS_COUNT; draw.next_process++) {
        child_start(&children[draw.next_process], draw_numbers, &draw);
    }
    for (int i = 0; i < PROCESS_COUNT; i++) {
        child_join(&children[i]);
    }
    for (int i = 0; i < NUMBER_COUNT; i++) {
        ck_assert(draw.numbers[i] >= 1 && draw.numbers[i] <= NUMBER_COUNT);
        ck_assert(!was_seen[draw.numbers[i]]);
        was_seen[draw.numbers[i]] = true;
    }
    free(was_seen);
    munmap(draw.numbers, NUMBER_COUNT * sizeof(uint64_t));
    close_both(&draw.roster, &fd);
}
END_TEST

START_TEST(numbers_go_on_in_another_layout)
{
    struct tp_zone_layout other = tp__roster_layout;
    struct tp_roster roster;
    struct tp_zone old;
    enum tp_zone_outcome outcome;
    int old_fd;
    int fd;

    other.version += 1;
    other.cell_size += TP_ZONE_CELL_ALIGN;
    other.cell_count += 100;
    ck_assert_int_eq(TP_OK, tp__zone_create(&other, &old_fd));
    ck_assert_int_eq(TP_OK, tp__zone_open(&old, &other, old_fd));
    *(uint64_t *) tp__zone_get_cell(&old, other.cell_count - 1) = 5000;
    tp__zone_close(&old);
    ck_assert_int_eq(TP_OK, tp__zone_adopt(old_fd, &tp__roster_layout, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_COPIED, outcome);
    ck_assert_int_eq(TP_OK, tp__roster_open(&roster, fd));
    ck_assert_uint_eq(5001, tp__roster_next_session_number(&roster));
    tp__descriptor_close(&old_fd);
    close_both(&roster, &fd);
}
END_TEST

Suite *
tp_suite_share_roster(void)
{
    Suite *suite = suite_create("share/roster");
    TCase *tests = tcase_create("roster");

    tcase_add_test(tests, shows_who_is_where);
    tcase_add_test(tests, load_is_that_of_workers_who_can_take_more);
    tcase_add_test(tests, no_session_number_is_given_twice);
    tcase_add_test(tests, numbers_go_on_in_another_layout);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
