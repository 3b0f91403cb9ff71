/*
 * lease.c - tests of share/lease: of each job there is one.
 */
#include "share/lease.h"

#include "base/clock.h"
#include "children.h"
#include "os/file.h"
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LONG_MS = 60 * 1000,
    SHORT_MS = 60,
};

struct fixture {
    struct tp_zone zone;
    struct tp_lease lease; /* of slot 0 */
    int fd;
};

Suite *tp_suite_share_lease(void);

static void
fixture_open(struct fixture *fixture)
{
    ck_assert_int_eq(TP_OK, tp__zone_create(&tp__lease_layout, &fixture->fd));
    ck_assert_int_eq(TP_OK, tp__zone_open(&fixture->zone, &tp__lease_layout, fixture->fd));
    ck_assert_int_eq(TP_OK, tp__lease_init(&fixture->lease, "job", 0, 100));
}

static void
fixture_close(struct fixture *fixture)
{
    tp__zone_close(&fixture->zone);
    tp__descriptor_close(&fixture->fd);
}

static struct tp_lease
lease_of(unsigned slot)
{
    struct tp_lease lease;

    TP_ASSERT(tp__lease_init(&lease, "job", slot, (int32_t) (100 + slot)) == TP_OK);
    return lease;
}

/* Tries until the present holder's time is up; that it ever is, is what is tested. */
static void
take_over(struct tp_zone *zone, struct tp_lease *lease, int64_t ttl_ms)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    enum tp_result result;

    while ((result = tp__lease_try(zone, lease, ttl_ms)) == TP_IN_USE) {
        nanosleep(&pause, NULL);
    }
    ck_assert_int_eq(TP_OK, result);
}

START_TEST(one_holds_it_until_it_is_released)
{
    struct fixture fixture;
    struct tp_lease other = lease_of(1);

    fixture_open(&fixture);
    ck_assert(!tp__lease_is_mine(&fixture.zone, &fixture.lease));
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    ck_assert(tp__lease_is_mine(&fixture.zone, &fixture.lease));
    ck_assert_int_eq(TP_IN_USE, tp__lease_try(&fixture.zone, &other, LONG_MS));
    ck_assert(!tp__lease_is_mine(&fixture.zone, &other));
    /* Giving up what is another's changes nothing. */
    ck_assert_int_eq(TP_OK, tp__lease_release(&fixture.zone, &other));
    ck_assert(tp__lease_is_mine(&fixture.zone, &fixture.lease));

    uint64_t epoch = fixture.lease.epoch;

    ck_assert_int_eq(TP_OK, tp__lease_release(&fixture.zone, &fixture.lease));
    ck_assert(!tp__lease_is_mine(&fixture.zone, &fixture.lease));
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &other, LONG_MS));
    ck_assert_uint_gt(other.epoch, epoch);
    fixture_close(&fixture);
}
END_TEST

START_TEST(renewing_keeps_the_epoch)
{
    struct fixture fixture;

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));

    struct tp_lease first = fixture.lease;

    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, 2 * LONG_MS));
    ck_assert_uint_eq(first.epoch, fixture.lease.epoch);
    ck_assert_int_ge(fixture.lease.expires_ms, first.expires_ms + LONG_MS);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_ran_out_is_gained_anew)
{
    struct fixture fixture;

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, 1));

    uint64_t epoch = fixture.lease.epoch;

    while (tp__lease_is_mine(&fixture.zone, &fixture.lease)) {
    }
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    ck_assert_uint_gt(fixture.lease.epoch, epoch);
    fixture_close(&fixture);
}
END_TEST

START_TEST(names_and_leases_have_bounds)
{
    struct fixture fixture;
    struct tp_lease leases[TP_LEASES_MAX];
    struct tp_lease last;
    char name[TP_LEASE_NAME_MAX + 2];

    fixture_open(&fixture);
    memset(name, 'n', sizeof(name));
    name[TP_LEASE_NAME_MAX + 1] = '\0';
    ck_assert_int_eq(TP_TOO_LARGE, tp__lease_init(&last, name, 0, 1));
    ck_assert_int_eq(TP_INVALID, tp__lease_init(&last, "", 0, 1));
    name[TP_LEASE_NAME_MAX] = '\0';
    ck_assert_int_eq(TP_OK, tp__lease_init(&last, name, 0, 1));
    for (size_t i = 0; i < TP_LEASES_MAX; i++) {
        snprintf(name, sizeof(name), "job %zu", i);
        ck_assert_int_eq(TP_OK, tp__lease_init(&leases[i], name, 0, 1));
        ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &leases[i], LONG_MS));
    }
    ck_assert_int_eq(TP_FULL, tp__lease_try(&fixture.zone, &last, LONG_MS));
    ck_assert_int_eq(TP_OK, tp__lease_release(&fixture.zone, &leases[5]));
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &last, LONG_MS));
    for (size_t i = 0; i < TP_LEASES_MAX; i++) {
        ck_assert(tp__lease_is_mine(&fixture.zone, &leases[i]) == (i != 5));
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_living_are_listed)
{
    struct fixture fixture;
    struct tp_lease leases[TP_LEASES_MAX];
    size_t count;

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, tp__lease_list(&fixture.zone, leases, &count));
    ck_assert_uint_eq(0, count);
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    ck_assert_int_eq(TP_OK, tp__lease_list(&fixture.zone, leases, &count));
    ck_assert_uint_eq(1, count);
    ck_assert_str_eq("job", leases[0].name);
    ck_assert_int_eq(100, leases[0].pid);
    ck_assert_uint_eq(fixture.lease.epoch, leases[0].epoch);
    fixture_close(&fixture);
}
END_TEST

static void
hold_in_slot_7(struct child *self, void *argument)
{
    struct fixture *fixture = argument;
    struct tp_lease lease = lease_of(7);

    TP_ASSERT(tp__lease_try(&fixture->zone, &lease, LONG_MS) == TP_OK);
    child_say(self, 'h');
    child_hear(self);
}

START_TEST(the_dead_leave_theirs_to_others_at_once)
{
    struct fixture fixture;
    struct child child;

    fixture_open(&fixture);
    child_start(&child, hold_in_slot_7, &fixture);
    ck_assert_int_eq('h', child_hear(&child));
    child_kill(&child);
    ck_assert_int_eq(TP_IN_USE, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    ck_assert_int_eq(TP_OK, tp__lease_release_slot(&fixture.zone, 6));
    ck_assert_int_eq(TP_IN_USE, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    ck_assert_int_eq(TP_OK, tp__lease_release_slot(&fixture.zone, 7));
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    fixture_close(&fixture);
}
END_TEST

/* Holds the lease for a short time; once told, says whether it still believes to. */
static void
hold_for_short(struct child *self, void *argument)
{
    struct fixture *fixture = argument;
    struct tp_lease lease = lease_of(7);

    TP_ASSERT(tp__lease_try(&fixture->zone, &lease, SHORT_MS) == TP_OK);
    child_say(self, 'h');
    child_hear(self);
    child_say(self, tp__lease_is_mine(&fixture->zone, &lease) ? 'm' : 'l');
    /* To gain it back by trying is refused as well. */
    child_say(self, tp__lease_try(&fixture->zone, &lease, SHORT_MS) == TP_IN_USE ? 'r' : '?');
}

START_TEST(who_was_stopped_too_long_finds_out)
{
    struct fixture fixture;
    struct child child;

    fixture_open(&fixture);
    child_start(&child, hold_for_short, &fixture);
    ck_assert_int_eq('h', child_hear(&child));
    child_stop(&child);
    take_over(&fixture.zone, &fixture.lease, LONG_MS);
    child_go_on(&child);
    child_say(&child, 'g');
    ck_assert_int_eq('l', child_hear(&child));
    ck_assert_int_eq('r', child_hear(&child));
    child_join(&child);
    ck_assert(tp__lease_is_mine(&fixture.zone, &fixture.lease));
    fixture_close(&fixture);
}
END_TEST

/* Contends for the lease; each holder adds one to a count that only a holder may touch. */
static void
contend(struct child *self, void *argument)
{
    struct fixture *fixture = argument;
    struct tp_lease lease = lease_of((unsigned) getpid() % TP_WORKER_SLOTS_MAX);

    (void) self;
    for (int turns = 0; turns < 200;) {
        if (tp__lease_try(&fixture->zone, &lease, LONG_MS) == TP_OK) {
            turns++;
            TP_ASSERT(tp__lease_is_mine(&fixture->zone, &lease));
            TP_ASSERT(tp__lease_release(&fixture->zone, &lease) == TP_OK);
        }
    }
}

START_TEST(every_gain_has_an_epoch_of_its_own)
{
    struct fixture fixture;
    struct child children[3];

    fixture_open(&fixture);
    for (size_t i = 0; i < TP_COUNT_OF(children); i++) {
        child_start(&children[i], contend, &fixture);
    }
    for (size_t i = 0; i < TP_COUNT_OF(children); i++) {
        child_join(&children[i]);
    }
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    /* Gaining and releasing each take an epoch. */
    ck_assert_uint_eq(2 * 200 * TP_COUNT_OF(children) + 1, fixture.lease.epoch);
    fixture_close(&fixture);
}
END_TEST

static void
arm(struct tp_scratch *scratch, const char *line)
{
    tp__scratch_open(scratch);
    ck_assert_int_eq(0, setenv("TELEPORT_FAULTS", tp__scratch_write(scratch, "faults", line), 1));
}

static void
disarm(struct tp_scratch *scratch)
{
    unsetenv("TELEPORT_FAULTS");
    tp__scratch_close(scratch);
}

static void
try_once(struct child *self, void *argument)
{
    struct fixture *fixture = argument;
    struct tp_lease lease = lease_of(7);
    enum tp_result result = tp__lease_try(&fixture->zone, &lease, LONG_MS);

    child_say(self, result == TP_OK ? 'o' : 'f');
}

static void
die_at(const char *line)
{
    struct fixture fixture;
    struct tp_scratch scratch;
    struct child child;

    fixture_open(&fixture);
    arm(&scratch, line);
    child_start(&child, try_once, &fixture);
    ck_assert_int_eq(0, child_hear(&child));
    ck_assert(WIFSIGNALED(child_wait(&child)));
    disarm(&scratch);

    ck_assert_uint_eq(0, tp__zone_repair_count(&fixture.zone));
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    ck_assert_uint_eq(1, tp__zone_repair_count(&fixture.zone));
    ck_assert(tp__lease_is_mine(&fixture.zone, &fixture.lease));
    fixture_close(&fixture);
}

START_TEST(a_holder_of_the_lock_may_be_killed)
{
    die_at("zone-locked die\n");
    die_at("lease-half-written die\n");
}
END_TEST

START_TEST(a_failure_gives_the_lock_back)
{
    struct fixture fixture;
    struct tp_scratch scratch;

    fixture_open(&fixture);
    arm(&scratch, "lease-half-written fail\n");
    ck_assert_int_eq(TP_SYSTEM, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    ck_assert(!tp__lease_is_mine(&fixture.zone, &fixture.lease));
    disarm(&scratch);
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    fixture_close(&fixture);
}
END_TEST

static void
lock_and_scribble(struct child *self, void *argument)
{
    struct fixture *fixture = argument;

    TP_ASSERT(tp__zone_lock(&fixture->zone, 0) == TP_OK);
    /* The same lease twice, and nonsense. */
    memcpy(tp__zone_get_cell(&fixture->zone, 1), tp__zone_get_cell(&fixture->zone, 0),
           TP_ZONE_CELL_ALIGN);
    for (uint32_t i = 2; i < TP_LEASES_MAX; i++) {
        unsigned char *cell = tp__zone_get_cell(&fixture->zone, i);

        /* All but the epoch, which is written whole or not at all. */
        memset(cell + sizeof(uint64_t), (int) i, TP_ZONE_CELL_ALIGN - sizeof(uint64_t));
    }
    child_say(self, 's');
    child_hear(self);
}

START_TEST(what_no_holder_can_have_written_is_given_up)
{
    struct fixture fixture;
    struct tp_lease leases[TP_LEASES_MAX];
    struct child child;
    size_t count;

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &fixture.lease, LONG_MS));
    child_start(&child, lock_and_scribble, &fixture);
    ck_assert_int_eq('s', child_hear(&child));
    child_kill(&child);
    ck_assert_int_eq(TP_OK, tp__lease_list(&fixture.zone, leases, &count));
    ck_assert_uint_eq(1, count);
    ck_assert(tp__lease_is_mine(&fixture.zone, &fixture.lease));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_larger_zone_goes_on_with_holders_and_epochs)
{
    struct tp_zone_layout smaller = tp__lease_layout;
    struct tp_lease lease = lease_of(3);
    struct tp_zone old;
    struct tp_zone zone;
    enum tp_zone_outcome outcome;
    int old_fd;
    int fd;

    /* More shards instead of fewer cells: every cell is looked at in a try. */
    smaller.shard_count = 2;
    ck_assert_int_eq(TP_OK, tp__zone_create(&smaller, &old_fd));
    ck_assert_int_eq(TP_OK, tp__zone_open(&old, &smaller, old_fd));
    ck_assert_int_eq(TP_OK, tp__lease_try(&old, &lease, LONG_MS));
    ck_assert_int_eq(TP_OK, tp__zone_adopt(old_fd, &tp__lease_layout, &fd, &outcome));
    ck_assert_int_eq(TP_ZONE_COPIED, outcome);
    ck_assert_int_eq(TP_OK, tp__zone_open(&zone, &tp__lease_layout, fd));
    ck_assert(tp__lease_is_mine(&zone, &lease));
    tp__zone_close(&zone);
    tp__zone_close(&old);
    tp__descriptor_close(&fd);
    tp__descriptor_close(&old_fd);
}
END_TEST

Suite *
tp_suite_share_lease(void)
{
    Suite *suite = suite_create("share/lease");
    TCase *tests = tcase_create("lease");

    tcase_add_test(tests, one_holds_it_until_it_is_released);
    tcase_add_test(tests, renewing_keeps_the_epoch);
    tcase_add_test(tests, what_ran_out_is_gained_anew);
    tcase_add_test(tests, names_and_leases_have_bounds);
    tcase_add_test(tests, the_living_are_listed);
    tcase_add_test(tests, the_dead_leave_theirs_to_others_at_once);
    tcase_add_test(tests, who_was_stopped_too_long_finds_out);
    tcase_add_test(tests, every_gain_has_an_epoch_of_its_own);
    tcase_add_test(tests, a_holder_of_the_lock_may_be_killed);
    tcase_add_test(tests, a_failure_gives_the_lock_back);
    tcase_add_test(tests, what_no_holder_can_have_written_is_given_up);
    tcase_add_test(tests, a_larger_zone_goes_on_with_holders_and_epochs);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
