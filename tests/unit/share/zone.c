/*
 * zone.c - tests of share/zone: tables that outlive their users.
 */
#include "share/zone.h"

#include "children.h"
#include "os/file.h"
#include "os/memfd.h"
#include "scratch.h"

#include <fcntl.h>
#include <string.h>

enum {
    CELL_COUNT = 10,
    SHARD_COUNT = 3,
};

/* Whole when both are the same. */
struct twin_cell {
    uint64_t left;
    uint64_t right;
};

Suite *tp_suite_share_zone(void);

static void
twins_check(struct tp_zone *zone, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct twin_cell *cell = tp__zone_get_cell(zone, i);

        cell->right = cell->left;
    }
}

static enum tp_result
twins_copy(const struct tp_zone *from, struct tp_zone *to)
{
    for (uint32_t i = 0; i < from->cell_count && i < to->cell_count; i++) {
        memcpy(tp__zone_get_cell(to, i), tp__zone_get_cell(from, i), sizeof(struct twin_cell));
    }
    return from->version == 99 ? TP_MISMATCH : TP_OK;
}

static const struct tp_zone_layout twins = {
    .name = "twins",
    .version = 1,
    .cell_size = sizeof(struct twin_cell),
    .cell_count = CELL_COUNT,
    .shard_count = SHARD_COUNT,
    .check = twins_check,
    .copy = twins_copy,
};

static void
open_fresh(struct tp_zone *zone, int *fd)
{
    ck_assert_int_eq(TP_OK, tp__zone_create(&twins, fd));
    ck_assert_int_eq(TP_OK, tp__zone_open(zone, &twins, *fd));
}

static void
close_both(struct tp_zone *zone, int *fd)
{
    tp__zone_close(zone);
    tp__descriptor_close(fd);
}

START_TEST(begins_empty_and_aligned)
{
    struct tp_zone zone;
    int fd;

    open_fresh(&zone, &fd);
    for (uint32_t i = 0; i < CELL_COUNT; i++) {
        struct twin_cell *cell = tp__zone_get_cell(&zone, i);

        ck_assert_uint_eq(0, (uintptr_t) cell % TP_ZONE_CELL_ALIGN);
        ck_assert_uint_eq(0, cell->left);
        ck_assert_uint_eq(0, cell->right);
        cell->left = i + 1;
    }
    for (uint32_t i = 0; i < CELL_COUNT; i++) {
        ck_assert_uint_eq(i + 1, ((struct twin_cell *) tp__zone_get_cell(&zone, i))->left);
    }
    close_both(&zone, &fd);
}
END_TEST

START_TEST(shards_hold_each_cell_once)
{
    for (uint32_t shard_count = 1; shard_count <= CELL_COUNT + 2; shard_count++) {
        struct tp_zone_layout layout = twins;
        struct tp_zone zone;
        uint32_t next = 0;
        int fd;

        layout.shard_count = shard_count;
        ck_assert_int_eq(TP_OK, tp__zone_create(&layout, &fd));
        ck_assert_int_eq(TP_OK, tp__zone_open(&zone, &layout, fd));
        for (uint32_t shard = 0; shard < shard_count; shard++) {
            uint32_t first;
            uint32_t count;

            tp__zone_shard_range(&zone, shard, &first, &count);
            ck_assert_uint_eq(next, first);
            next += count;
            for (uint32_t i = first; i < next; i++) {
                ck_assert_uint_eq(shard, tp__zone_shard_of(&zone, i));
            }
        }
        ck_assert_uint_eq(CELL_COUNT, next);
        close_both(&zone, &fd);
    }
}
END_TEST

static void
ask_beyond_the_end(struct child *self, void *argument)
{
    (void) self;
    tp__scratch_be_quiet();
    tp__zone_get_cell(argument, CELL_COUNT);
}

START_TEST(there_is_nothing_beyond_the_end)
{
    struct tp_zone zone;
    struct child child;
    int fd;

    open_fresh(&zone, &fd);
    child_start(&child, ask_beyond_the_end, &zone);

    int status = child_wait(&child);

    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    close_both(&zone, &fd);
}
END_TEST

static void
count_every_cell(struct child *self, void *argument)
{
    int *fd = argument;
    struct tp_zone zone;

    (void) self;
    child_become_nobody();
    TP_ASSERT(tp__zone_open(&zone, &twins, *fd) == TP_OK);
    for (uint32_t i = 0; i < 1000 * CELL_COUNT; i++) {
        uint32_t shard = tp__zone_shard_of(&zone, i % CELL_COUNT);
        struct twin_cell *cell = tp__zone_get_cell(&zone, i % CELL_COUNT);

        TP_ASSERT(tp__zone_lock(&zone, shard) == TP_OK);
        cell->left++;
        cell->right++;
        tp__zone_unlock(&zone, shard);
    }
}

START_TEST(processes_of_any_user_share_it)
{
    struct tp_zone zone;
    struct child children[2];
    int fd;

    open_fresh(&zone, &fd);
    for (size_t i = 0; i < TP_COUNT_OF(children); i++) {
        child_start(&children[i], count_every_cell, &fd);
    }
    for (size_t i = 0; i < TP_COUNT_OF(children); i++) {
        child_join(&children[i]);
    }
    for (uint32_t i = 0; i < CELL_COUNT; i++) {
        struct twin_cell *cell = tp__zone_get_cell(&zone, i);

        ck_assert_uint_eq(TP_COUNT_OF(children) * 1000, cell->left);
        ck_assert_uint_eq(TP_COUNT_OF(children) * 1000, cell->right);
    }
    ck_assert_uint_eq(0, tp__zone_repair_count(&zone));
    close_both(&zone, &fd);
}
END_TEST

/* Leaves the cell 0 half changed, and its lock held. */
static void
change_by_half(struct child *self, void *argument)
{
    struct tp_zone *zone = argument;
    struct twin_cell *cell = tp__zone_get_cell(zone, 0);

    TP_ASSERT(tp__zone_lock(zone, 0) == TP_OK);
    cell->left++;
    child_say(self, 'h');
    child_hear(self);
    cell->right++;
    tp__zone_unlock(zone, 0);
}

static void
break_shard(struct tp_zone *zone)
{
    struct child child;

    child_start(&child, change_by_half, zone);
    ck_assert_int_eq('h', child_hear(&child));
    child_kill(&child);
}

START_TEST(is_whole_again_after_a_holder_was_killed)
{
    struct tp_zone zone;
    int fd;

    open_fresh(&zone, &fd);
    for (uint64_t death = 1; death <= 3; death++) {
        struct twin_cell *cell = tp__zone_get_cell(&zone, 0);

        break_shard(&zone);
        ck_assert_uint_ne(cell->left, cell->right);
        ck_assert_int_eq(TP_OK, tp__zone_lock(&zone, 0));
        ck_assert_uint_eq(death, cell->left);
        ck_assert_uint_eq(death, cell->right);
        ck_assert_uint_eq(death, tp__zone_repair_count(&zone));
        tp__zone_unlock(&zone, 0);
        ck_assert_int_eq(TP_OK, tp__zone_lock(&zone, 0));
        tp__zone_unlock(&zone, 0);
        ck_assert_uint_eq(death, tp__zone_repair_count(&zone));
    }
    close_both(&zone, &fd);
}
END_TEST

START_TEST(a_stopped_holder_stops_its_shard_only)
{
    struct tp_zone zone;
    struct child child;
    int fd;

    open_fresh(&zone, &fd);
    child_start(&child, change_by_half, &zone);
    ck_assert_int_eq('h', child_hear(&child));
    ck_assert_int_eq(TP_TIMED_OUT, tp__zone_lock(&zone, 0));
    ck_assert_int_eq(TP_OK, tp__zone_lock(&zone, 1));
    tp__zone_unlock(&zone, 1);
    child_say(&child, 'g');
    child_join(&child);
    ck_assert_int_eq(TP_OK, tp__zone_lock(&zone, 0));
    tp__zone_unlock(&zone, 0);
    ck_assert_uint_eq(0, tp__zone_repair_count(&zone));
    close_both(&zone, &fd);
}
END_TEST

START_TEST(opens_only_the_same_layout)
{
    struct tp_zone zone;
    struct tp_zone_layout others[] = { twins, twins, twins, twins, twins };
    int fd;

    others[0].name = "twin";
    others[1].version++;
    others[2].cell_size += TP_ZONE_CELL_ALIGN;
    others[3].cell_count++;
    others[4].shard_count--;
    ck_assert_int_eq(TP_OK, tp__zone_create(&twins, &fd));
    for (size_t i = 0; i < TP_COUNT_OF(others); i++) {
        ck_assert_int_eq(TP_MISMATCH, tp__zone_open(&zone, &others[i], fd));
    }
    ck_assert_int_eq(TP_OK, tp__zone_open(&zone, &twins, fd));
    close_both(&zone, &fd);
}
END_TEST

/* Garbage of the given size. */
static int
garbage_open(size_t size, int byte)
{
    void *base;
    int fd;

    ck_assert_int_eq(TP_OK, tp__memfd_create("garbage", size, &fd));
    ck_assert_int_eq(TP_OK, tp__memfd_map(fd, size, &base));
    memset(base, byte, size);
    tp__memfd_unmap(base, size);
    return fd;
}

START_TEST(does_not_believe_a_foreign_descriptor)
{
    struct tp_zone zone;
    int ends[2];

    for (size_t size = 1; size <= 65536; size *= 4) {
        int fd = garbage_open(size, size % 3 == 0 ? 0 : 0xff);

        ck_assert_int_eq(TP_MISMATCH, tp__zone_open(&zone, &twins, fd));
        tp__descriptor_close(&fd);
    }
    ck_assert_int_eq(0, pipe2(ends, O_CLOEXEC));
    ck_assert_int_eq(TP_MISMATCH, tp__zone_open(&zone, &twins, ends[0]));
    tp__descriptor_close(&ends[0]);
    tp__descriptor_close(&ends[1]);
}
END_TEST

/* A zone that is `cut` bytes shorter, or longer when that is negative, than its header says. */
static int
misfit_open(int whole, ptrdiff_t cut)
{
    size_t size;
    const void *base;
    void *misfit;
    int fd;

    ck_assert_int_eq(TP_OK, tp__memfd_size(whole, &size));
    ck_assert_int_eq(TP_OK, tp__memfd_map_sealed(whole, size, &base));

    size_t misfit_size = (size_t) ((ptrdiff_t) size - cut);

    ck_assert_int_eq(TP_OK, tp__memfd_create("misfit", misfit_size, &fd));
    ck_assert_int_eq(TP_OK, tp__memfd_map(fd, misfit_size, &misfit));
    memcpy(misfit, base, misfit_size < size ? misfit_size : size);
    tp__memfd_unmap(misfit, misfit_size);
    tp__memfd_unmap(base, size);
    return fd;
}

START_TEST(does_not_believe_a_header_that_does_not_fit_its_memory)
{
    static const ptrdiff_t cuts[] = { 1, 64, -1, -4096 };
    struct tp_zone zone;
    int whole;

    ck_assert_int_eq(TP_OK, tp__zone_create(&twins, &whole));
    for (size_t i = 0; i < TP_COUNT_OF(cuts); i++) {
        int misfit = misfit_open(whole, cuts[i]);

        ck_assert_int_eq(TP_MISMATCH, tp__zone_open(&zone, &twins, misfit));
        tp__descriptor_close(&misfit);
    }
    int copy = misfit_open(whole, 0);

    ck_assert_int_eq(TP_OK, tp__zone_open(&zone, &twins, copy));
    close_both(&zone, &copy);
    tp__descriptor_close(&whole);
}
END_TEST

START_TEST(what_nobody_can_write_is_no_zone)
{
    struct tp_zone zone;
    size_t size;
    const void *base;
    int whole;
    int sealed;

    ck_assert_int_eq(TP_OK, tp__zone_create(&twins, &whole));
    ck_assert_int_eq(TP_OK, tp__memfd_size(whole, &size));
    ck_assert_int_eq(TP_OK, tp__memfd_map_sealed(whole, size, &base));
    ck_assert_int_eq(TP_OK,
                     tp__memfd_create_sealed("sealed", (struct tp_str){ base, size }, &sealed));
    ck_assert_int_eq(TP_MISMATCH, tp__zone_open(&zone, &twins, sealed));
    tp__descriptor_close(&sealed);
    tp__memfd_unmap(base, size);
    tp__descriptor_close(&whole);
}
END_TEST

START_TEST(a_zone_has_a_largest_size)
{
    struct tp_zone_layout layout = twins;
    int fd;

    layout.cell_size = 1u << 30;
    layout.cell_count = 1u << 30;
    ck_assert_int_eq(TP_TOO_LARGE, tp__zone_create(&layout, &fd));
    ck_assert_int_eq(-1, fd);
}
END_TEST

START_TEST(adopting_none_creates_one)
{
    enum tp_zone_outcome outcome;
    struct tp_zone zone;
    int fd;

    ck_assert_int_eq(TP_OK, tp__zone_adopt(-1, &twins, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_CREATED, outcome);
    ck_assert_str_eq("created", tp__zone_outcome_word(outcome));
    ck_assert_int_eq(TP_OK, tp__zone_open(&zone, &twins, fd));
    close_both(&zone, &fd);
}
END_TEST

START_TEST(the_same_layout_is_carried_on)
{
    enum tp_zone_outcome outcome;
    struct tp_zone old;
    struct tp_zone zone;
    int old_fd;
    int fd;

    open_fresh(&old, &old_fd);
    ck_assert_int_eq(TP_OK, tp__zone_adopt(old_fd, &twins, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_CARRIED_ON, outcome);
    ck_assert_int_eq(TP_OK, tp__zone_open(&zone, &twins, fd));
    /* One memory: what the old users write later is seen too. */
    ((struct twin_cell *) tp__zone_get_cell(&old, 7))->left = 77;
    ck_assert_uint_eq(77, ((struct twin_cell *) tp__zone_get_cell(&zone, 7))->left);
    close_both(&old, &old_fd);
    ck_assert_uint_eq(77, ((struct twin_cell *) tp__zone_get_cell(&zone, 7))->left);
    close_both(&zone, &fd);
}
END_TEST

/* What stands in cell 7 after a zone of `old_layout`, with 77 there, was adopted for `layout`. */
static uint64_t
adopt_and_read(const struct tp_zone_layout *old_layout, const struct tp_zone_layout *layout,
               enum tp_zone_outcome *outcome)
{
    struct tp_zone zone;
    int old_fd;
    int fd;

    ck_assert_int_eq(TP_OK, tp__zone_create(old_layout, &old_fd));
    ck_assert_int_eq(TP_OK, tp__zone_open(&zone, old_layout, old_fd));
    ((struct twin_cell *) tp__zone_get_cell(&zone, 7))->left = 77;
    tp__zone_close(&zone);
    ck_assert_int_eq(TP_OK, tp__zone_adopt(old_fd, layout, &fd, outcome));
    tp__descriptor_close(&old_fd);
    ck_assert_int_eq(TP_OK, tp__zone_open(&zone, layout, fd));

    uint64_t value = ((struct twin_cell *) tp__zone_get_cell(&zone, 7))->left;

    close_both(&zone, &fd);
    return value;
}

START_TEST(another_layout_is_copied_or_begun_anew)
{
    enum tp_zone_outcome outcome;
    struct tp_zone_layout larger = twins;
    struct tp_zone_layout newer = twins;
    struct tp_zone_layout alien = twins;
    struct tp_zone_layout without_copy = twins;

    larger.cell_count *= 2;
    larger.shard_count = 5;
    ck_assert_uint_eq(77, adopt_and_read(&twins, &larger, &outcome));
    ck_assert_int_eq(TP_ZONE_COPIED, outcome);
    newer.version = 2;
    newer.cell_size *= 3;
    ck_assert_uint_eq(77, adopt_and_read(&twins, &newer, &outcome));
    ck_assert_int_eq(TP_ZONE_COPIED, outcome);
    ck_assert_uint_eq(77, adopt_and_read(&newer, &twins, &outcome));
    ck_assert_int_eq(TP_ZONE_COPIED, outcome);
    alien.version = 99;
    ck_assert_uint_eq(0, adopt_and_read(&alien, &twins, &outcome));
    ck_assert_int_eq(TP_ZONE_ANEW, outcome);
    without_copy.version = 2;
    without_copy.copy = NULL;
    ck_assert_uint_eq(0, adopt_and_read(&twins, &without_copy, &outcome));
    ck_assert_int_eq(TP_ZONE_ANEW, outcome);
}
END_TEST

START_TEST(garbage_is_left_behind)
{
    enum tp_zone_outcome outcome;
    struct tp_zone zone;
    int garbage = garbage_open(4096, 0x5a);
    int fd;

    ck_assert_int_eq(TP_OK, tp__zone_adopt(garbage, &twins, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_ANEW, outcome);
    ck_assert_int_eq(TP_OK, tp__zone_open(&zone, &twins, fd));
    close_both(&zone, &fd);
    tp__descriptor_close(&garbage);
}
END_TEST

START_TEST(copying_leaves_the_check_to_those_who_can)
{
    enum tp_zone_outcome outcome;
    struct tp_zone old;
    struct tp_zone_layout newer = twins;
    int old_fd;
    int fd;

    newer.version = 2;
    open_fresh(&old, &old_fd);
    break_shard(&old);
    ck_assert_int_eq(TP_OK, tp__zone_adopt(old_fd, &newer, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_COPIED, outcome);
    ck_assert_uint_eq(0, tp__zone_repair_count(&old));
    ck_assert_int_eq(TP_OK, tp__zone_lock(&old, 0));
    ck_assert_uint_eq(1, tp__zone_repair_count(&old));
    ck_assert_uint_eq(1, ((struct twin_cell *) tp__zone_get_cell(&old, 0))->right);
    tp__zone_unlock(&old, 0);
    tp__descriptor_close(&fd);
    close_both(&old, &old_fd);
}
END_TEST

START_TEST(a_lock_that_cannot_be_had_spoils_the_copy_and_nothing_else)
{
    enum tp_zone_outcome outcome;
    struct tp_zone old;
    struct tp_zone_layout newer = twins;
    struct child child;
    int old_fd;
    int fd;

    newer.version = 2;
    open_fresh(&old, &old_fd);
    child_start(&child, change_by_half, &old);
    ck_assert_int_eq('h', child_hear(&child));
    ck_assert_int_eq(TP_TIMED_OUT, tp__zone_adopt(old_fd, &newer, &fd, &outcome));
    ck_assert_int_eq(-1, fd);
    child_say(&child, 'g');
    child_join(&child);
    close_both(&old, &old_fd);
}
END_TEST

Suite *
tp_suite_share_zone(void)
{
    Suite *suite = suite_create("share/zone");
    TCase *tests = tcase_create("zone");

    tcase_add_test(tests, begins_empty_and_aligned);
    tcase_add_test(tests, shards_hold_each_cell_once);
    tcase_add_test(tests, there_is_nothing_beyond_the_end);
    tcase_add_test(tests, processes_of_any_user_share_it);
    tcase_add_test(tests, is_whole_again_after_a_holder_was_killed);
    tcase_add_test(tests, a_stopped_holder_stops_its_shard_only);
    tcase_add_test(tests, opens_only_the_same_layout);
    tcase_add_test(tests, does_not_believe_a_foreign_descriptor);
    tcase_add_test(tests, does_not_believe_a_header_that_does_not_fit_its_memory);
    tcase_add_test(tests, what_nobody_can_write_is_no_zone);
    tcase_add_test(tests, a_zone_has_a_largest_size);
    tcase_add_test(tests, adopting_none_creates_one);
    tcase_add_test(tests, the_same_layout_is_carried_on);
    tcase_add_test(tests, another_layout_is_copied_or_begun_anew);
    tcase_add_test(tests, garbage_is_left_behind);
    tcase_add_test(tests, copying_leaves_the_check_to_those_who_can);
    tcase_add_test(tests, a_lock_that_cannot_be_had_spoils_the_copy_and_nothing_else);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
