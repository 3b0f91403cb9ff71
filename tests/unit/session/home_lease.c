/*
 * home_lease.c - tests of session/home_lease: jobs of which there is one, as modules have them.
 */
#include "base/str.h"
#include "os/file.h"
#include "session_fixture.h"
#include "share/lease.h"

#include <check.h>
#include <stdio.h>

Suite *tp_suite_session_home_lease(void);

enum {
    TURN_WAIT_MS = 20,
    LONG_MS = 60 * 1000,
};

/* Two workers with one zone. */
struct fixture {
    struct tp_test_bench benches[2];
    struct tp_zone zone;
    int fd;
};

/* One who wants a job, and what he has heard. */
struct hand {
    struct tp_home_lease *lease;
    int gained;
    int lost;
    bool ends_when_told;
};

static void
hand_on_gained(struct tp_home_lease *lease, void *owner)
{
    struct hand *hand = owner;

    ck_assert_ptr_eq(hand->lease, lease);
    ck_assert(tp_home_lease_is_held(lease));
    hand->gained++;
    if (hand->ends_when_told) {
        tp_home_lease_destroy(&hand->lease);
    }
}

static void
hand_on_lost(struct tp_home_lease *lease, void *owner)
{
    struct hand *hand = owner;

    ck_assert_ptr_eq(hand->lease, lease);
    ck_assert(!tp_home_lease_is_held(lease));
    hand->lost++;
    if (hand->ends_when_told) {
        tp_home_lease_destroy(&hand->lease);
    }
}

static void
hand_want(struct hand *hand, struct tp_test_bench *bench, const char *name)
{
    hand->lease =
        tp_home_lease_create(&bench->sessions, tp__str(name), hand_on_gained, hand_on_lost, hand);
    ck_assert_ptr_nonnull(hand->lease);
}

static void
assert_heard(const struct hand *hand, int gained, int lost)
{
    ck_assert_int_eq(gained, hand->gained);
    ck_assert_int_eq(lost, hand->lost);
}

static void
fixture_open(struct fixture *fixture)
{
    ck_assert_int_eq(TP_OK, tp__zone_create(&tp__lease_layout, &fixture->fd));
    ck_assert_int_eq(TP_OK, tp__zone_open(&fixture->zone, &tp__lease_layout, fixture->fd));
    for (unsigned slot = 0; slot < 2; slot++) {
        tp__test_bench_open(&fixture->benches[slot]);
        fixture->benches[slot].sessions.worker_slot = slot;
        tp__home_leases_use(&fixture->benches[slot].sessions, &fixture->zone, 100 + (int32_t) slot);
    }
}

static void
fixture_close(struct fixture *fixture)
{
    for (unsigned slot = 0; slot < 2; slot++) {
        tp__test_bench_close(&fixture->benches[slot]);
    }
    tp__zone_close(&fixture->zone);
    tp__descriptor_close(&fixture->fd);
}

static void
fixture_turn(struct fixture *fixture)
{
    for (int turn = 0; turn < 4; turn++) {
        for (unsigned slot = 0; slot < 2; slot++) {
            tp__loop_turn(fixture->benches[slot].loop, turn < 2 ? TURN_WAIT_MS : 0);
        }
    }
}

START_TEST(one_worker_has_the_job_and_then_another)
{
    struct fixture fixture;
    struct hand hands[2] = { { .gained = 0 }, { .gained = 0 } };

    fixture_open(&fixture);
    hand_want(&hands[0], &fixture.benches[0], "job");
    ck_assert(!tp_home_lease_is_held(hands[0].lease));
    fixture_turn(&fixture);
    hand_want(&hands[1], &fixture.benches[1], "job");
    fixture_turn(&fixture);
    assert_heard(&hands[0], 1, 0);
    assert_heard(&hands[1], 0, 0);
    tp_home_lease_destroy(&hands[0].lease);
    tp__home_on_told(&fixture.benches[1].sessions, 0, TP_STR("leases"), TP_STR("module/other"));
    fixture_turn(&fixture);
    assert_heard(&hands[1], 0, 0);
    tp__home_on_told(&fixture.benches[1].sessions, 0, TP_STR("leases"), TP_STR("module/job"));
    fixture_turn(&fixture);
    assert_heard(&hands[0], 1, 0);
    assert_heard(&hands[1], 1, 0);
    tp_home_lease_destroy(&hands[1].lease);
    fixture_close(&fixture);
}
END_TEST

START_TEST(it_goes_on_when_a_worker_rests_and_when_one_has_died)
{
    struct fixture fixture;
    struct hand hands[2] = { { .gained = 0 }, { .gained = 0 } };

    fixture_open(&fixture);
    hand_want(&hands[0], &fixture.benches[0], "job");
    fixture_turn(&fixture);
    hand_want(&hands[1], &fixture.benches[1], "job");
    fixture_turn(&fixture);
    tp__home_leases_rest(&fixture.benches[0].sessions, true);
    ck_assert(!tp_home_lease_is_held(hands[0].lease));
    tp__home_leases_on_worker_died(&fixture.benches[1].sessions);
    fixture_turn(&fixture);
    assert_heard(&hands[0], 1, 1);
    assert_heard(&hands[1], 1, 0);
    tp__home_leases_rest(&fixture.benches[0].sessions, false);
    fixture_turn(&fixture);
    assert_heard(&hands[0], 1, 1);
    ck_assert_int_eq(TP_OK, tp__lease_release_slot(&fixture.zone, 1));
    tp__home_leases_on_worker_died(&fixture.benches[0].sessions);
    fixture_turn(&fixture);
    assert_heard(&hands[0], 2, 1);
    tp_home_lease_destroy(&hands[0].lease);
    tp_home_lease_destroy(&hands[1].lease);
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_newest_of_a_worker_has_it)
{
    struct fixture fixture;
    struct hand hands[3] = { { .gained = 0 }, { .gained = 0 }, { .gained = 0 } };
    struct tp_lease leases[TP_LEASES_MAX];
    size_t count;

    fixture_open(&fixture);
    for (int i = 0; i < 3; i++) {
        hand_want(&hands[i], &fixture.benches[0], "job");
        fixture_turn(&fixture);
    }
    assert_heard(&hands[0], 1, 1);
    assert_heard(&hands[1], 1, 1);
    assert_heard(&hands[2], 1, 0);
    tp_home_lease_destroy(&hands[0].lease);
    tp_home_lease_destroy(&hands[2].lease);
    fixture_turn(&fixture);
    assert_heard(&hands[1], 2, 1);
    assert_heard(&hands[2], 1, 0);
    ck_assert_int_eq(TP_OK, tp__lease_list(&fixture.zone, leases, &count));
    ck_assert_uint_eq(1, count);
    ck_assert_str_eq("module/job", leases[0].name);
    ck_assert_uint_eq(1, leases[0].epoch); /* It was never given up. */
    tp_home_lease_destroy(&hands[1].lease);
    ck_assert_int_eq(TP_OK, tp__lease_list(&fixture.zone, leases, &count));
    ck_assert_uint_eq(0, count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_is_told_may_end_it)
{
    struct fixture fixture;
    struct hand quick = { .ends_when_told = true };
    struct hand hands[2] = { { .gained = 0 }, { .gained = 0 } };

    fixture_open(&fixture);
    hand_want(&quick, &fixture.benches[0], "job");
    fixture_turn(&fixture);
    assert_heard(&quick, 1, 0);
    hand_want(&hands[0], &fixture.benches[0], "job");
    fixture_turn(&fixture);
    hands[0].ends_when_told = true;
    hand_want(&hands[1], &fixture.benches[0], "job");
    fixture_turn(&fixture);
    assert_heard(&hands[0], 1, 1);
    assert_heard(&hands[1], 1, 0);
    ck_assert_ptr_null(hands[0].lease);
    tp_home_lease_destroy(&hands[1].lease);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_is_alone_has_it_at_once)
{
    struct tp_test_bench bench;
    struct hand hand = { .gained = 0 };

    tp__test_bench_open(&bench);
    hand_want(&hand, &bench, "job");
    tp__test_bench_turn(&bench, 1);
    assert_heard(&hand, 1, 0);
    ck_assert(tp_home_lease_is_held(hand.lease));
    tp_home_lease_destroy(&hand.lease);
    tp__test_bench_close(&bench);
}
END_TEST

START_TEST(names_that_are_none_are_refused)
{
    struct tp_test_bench bench;
    char name[TP_HOME_LEASE_NAME_MAX + 1];

    memset(name, 'x', sizeof(name));
    tp__test_bench_open(&bench);
    ck_assert_ptr_null(tp_home_lease_create(&bench.sessions, (struct tp_str){ name, sizeof(name) },
                                            hand_on_gained, hand_on_lost, NULL));
    ck_assert_ptr_null(
        tp_home_lease_create(&bench.sessions, TP_STR(""), hand_on_gained, hand_on_lost, NULL));
    tp__test_bench_close(&bench);
}
END_TEST

START_TEST(without_room_nobody_has_it_and_the_log_says_so_once)
{
    struct fixture fixture;
    struct hand hand = { .gained = 0 };
    struct tp_lease held[TP_LEASES_MAX];

    fixture_open(&fixture);
    for (int i = 0; i < TP_LEASES_MAX; i++) {
        char name[32];

        snprintf(name, sizeof(name), "other-%d", i);
        ck_assert_int_eq(TP_OK, tp__lease_init(&held[i], name, 1, 101));
        ck_assert_int_eq(TP_OK, tp__lease_try(&fixture.zone, &held[i], LONG_MS));
    }
    hand_want(&hand, &fixture.benches[0], "job");
    fixture_turn(&fixture);
    assert_heard(&hand, 0, 0);
    ck_assert(tp__test_bench_has_logged(&fixture.benches[0],
                                        "lease-not-had: name=\"module/job\" result=full"));
    fixture.benches[0].logged_len = 0;
    fixture.benches[0].logged[0] = '\0';
    tp__home_leases_on_worker_died(&fixture.benches[0].sessions);
    fixture_turn(&fixture);
    ck_assert(!tp__test_bench_has_logged(&fixture.benches[0], "lease-not-had"));
    ck_assert_int_eq(TP_OK, tp__lease_release(&fixture.zone, &held[7]));
    tp__home_leases_on_worker_died(&fixture.benches[0].sessions);
    fixture_turn(&fixture);
    assert_heard(&hand, 1, 0);
    tp_home_lease_destroy(&hand.lease);
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_home_lease(void)
{
    Suite *suite = suite_create("session/home_lease");
    TCase *tests = tcase_create("home_lease");

    tcase_add_test(tests, one_worker_has_the_job_and_then_another);
    tcase_add_test(tests, it_goes_on_when_a_worker_rests_and_when_one_has_died);
    tcase_add_test(tests, the_newest_of_a_worker_has_it);
    tcase_add_test(tests, who_is_told_may_end_it);
    tcase_add_test(tests, who_is_alone_has_it_at_once);
    tcase_add_test(tests, names_that_are_none_are_refused);
    tcase_add_test(tests, without_room_nobody_has_it_and_the_log_says_so_once);
    suite_add_tcase(suite, tests);
    return suite;
}
