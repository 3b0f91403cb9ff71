/*
 * lease_keeper.c - tests of share/lease_keeper: gained, kept, lost.
 */
#include "share/lease_keeper.h"

#include "children.h"
#include "os/file.h"

enum {
    TTL_MS = 30 * 1000,
    TURN_WAIT_MS = 50,
};

/* A worker's part: its keeper, and what it was told. */
struct part {
    struct tp_lease_keeper keeper;
    unsigned gained_count;
    unsigned lost_count;
    bool stops_when_gained;
};

struct fixture {
    struct tp_loop *loop;
    struct tp_zone zone;
    struct part parts[2]; /* of slots 0 and 1 */
    int fd;
};

Suite *tp_suite_share_lease_keeper(void);

static void
part_on_gained(struct tp_lease_keeper *keeper)
{
    struct part *part = TP_CONTAINER_OF(keeper, struct part, keeper);

    part->gained_count++;
    if (part->stops_when_gained) {
        tp__lease_keeper_stop(keeper);
    }
}

static void
part_on_lost(struct tp_lease_keeper *keeper)
{
    TP_CONTAINER_OF(keeper, struct part, keeper)->lost_count++;
}

static void
fixture_open(struct fixture *fixture)
{
    *fixture = (struct fixture){ .fd = -1 };
    ck_assert_int_eq(TP_OK, tp__loop_create(&fixture->loop));
    ck_assert_int_eq(TP_OK, tp__zone_create(&tp__lease_layout, &fixture->fd));
    ck_assert_int_eq(TP_OK, tp__zone_open(&fixture->zone, &tp__lease_layout, fixture->fd));
}

static void
fixture_close(struct fixture *fixture)
{
    tp__zone_close(&fixture->zone);
    tp__descriptor_close(&fixture->fd);
    tp__loop_destroy(&fixture->loop);
}

static void
part_start(struct fixture *fixture, unsigned slot, int64_t ttl_ms)
{
    struct tp_lease_keeper_options options = {
        .loop = fixture->loop,
        .zone = &fixture->zone,
        .name = "job",
        .slot = slot,
        .pid = (int32_t) (100 + slot),
        .ttl_ms = ttl_ms,
        .on_gained = part_on_gained,
        .on_lost = part_on_lost,
    };

    ck_assert_int_eq(TP_OK, tp__lease_keeper_start(&fixture->parts[slot].keeper, &options));
}

/* Turns the loop until *count is `wanted`; the test's time limit ends a vain wait. */
static void
turn_until(struct fixture *fixture, const unsigned *count, unsigned wanted)
{
    while (*count != wanted) {
        tp__loop_turn(fixture->loop, TURN_WAIT_MS);
    }
}

START_TEST(one_of_two_gains_and_hands_over)
{
    struct fixture fixture;
    struct part *first = &fixture.parts[0];
    struct part *second = &fixture.parts[1];

    fixture_open(&fixture);
    part_start(&fixture, 0, TTL_MS);
    ck_assert_uint_eq(0, first->gained_count);
    turn_until(&fixture, &first->gained_count, 1);
    part_start(&fixture, 1, TTL_MS);
    for (int i = 0; i < 5; i++) {
        tp__lease_keeper_try_soon(&second->keeper);
        tp__loop_turn(fixture.loop, TURN_WAIT_MS);
    }
    ck_assert(tp__lease_keeper_is_held(&first->keeper));
    ck_assert(!tp__lease_keeper_is_held(&second->keeper));
    ck_assert_uint_eq(0, second->gained_count);

    tp__lease_keeper_stop(&first->keeper);
    ck_assert(!tp__lease_keeper_is_held(&first->keeper));
    tp__lease_keeper_try_soon(&second->keeper);
    turn_until(&fixture, &second->gained_count, 1);
    ck_assert_uint_eq(0, first->lost_count);
    tp__lease_keeper_stop(&second->keeper);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_lost_it_hears_and_may_gain_it_again)
{
    struct fixture fixture;
    struct part *part = &fixture.parts[0];

    fixture_open(&fixture);
    part_start(&fixture, 0, TTL_MS);
    turn_until(&fixture, &part->gained_count, 1);
    ck_assert_int_eq(TP_OK, tp__lease_release_slot(&fixture.zone, 0));
    ck_assert(!tp__lease_keeper_is_held(&part->keeper));
    tp__lease_keeper_try_soon(&part->keeper);
    turn_until(&fixture, &part->lost_count, 1);
    ck_assert_uint_eq(1, part->gained_count);
    turn_until(&fixture, &part->gained_count, 2);
    ck_assert(tp__lease_keeper_is_held(&part->keeper));
    tp__lease_keeper_stop(&part->keeper);
    fixture_close(&fixture);
}
END_TEST

START_TEST(keeps_it_beyond_its_time_to_live)
{
    struct fixture fixture;
    struct part *part = &fixture.parts[0];
    const int64_t ttl_ms = 300;

    fixture_open(&fixture);
    part_start(&fixture, 0, ttl_ms);
    turn_until(&fixture, &part->gained_count, 1);

    int64_t first_end_ms = part->keeper.lease.expires_ms;

    while (tp__loop_now_ms(fixture.loop) <= first_end_ms) {
        tp__loop_turn(fixture.loop, TURN_WAIT_MS);
    }
    /* A machine that stood still for longer than that would say so in lost_count. */
    ck_assert_uint_eq(part->gained_count, part->lost_count + 1);
    ck_assert(tp__lease_keeper_is_held(&part->keeper));
    tp__lease_keeper_stop(&part->keeper);
    fixture_close(&fixture);
}
END_TEST

static void
hold_the_lock(struct child *self, void *argument)
{
    struct fixture *fixture = argument;

    TP_ASSERT(tp__zone_lock(&fixture->zone, 0) == TP_OK);
    child_say(self, 'l');
    child_hear(self);
    tp__zone_unlock(&fixture->zone, 0);
}

START_TEST(loses_it_in_time_when_the_zone_is_stuck)
{
    struct fixture fixture;
    struct part *part = &fixture.parts[0];
    struct child child;

    fixture_open(&fixture);
    part_start(&fixture, 0, TP_ZONE_LOCK_WAIT_MAX_MS);
    turn_until(&fixture, &part->gained_count, 1);
    child_start(&child, hold_the_lock, &fixture);
    ck_assert_int_eq('l', child_hear(&child));
    turn_until(&fixture, &part->lost_count, 1);
    ck_assert(!tp__lease_keeper_is_held(&part->keeper));
    child_say(&child, 'g');
    child_join(&child);
    turn_until(&fixture, &part->gained_count, 2);
    tp__lease_keeper_stop(&part->keeper);
    fixture_close(&fixture);
}
END_TEST

START_TEST(may_be_stopped_when_told)
{
    struct fixture fixture;
    struct part *part = &fixture.parts[0];
    struct tp_lease leases[TP_LEASES_MAX];
    size_t count;

    fixture_open(&fixture);
    part->stops_when_gained = true;
    part_start(&fixture, 0, TTL_MS);
    turn_until(&fixture, &part->gained_count, 1);
    ck_assert_uint_eq(0, tp__loop_timer_count(fixture.loop));
    ck_assert_int_eq(TP_OK, tp__lease_list(&fixture.zone, leases, &count));
    ck_assert_uint_eq(0, count);
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_share_lease_keeper(void)
{
    Suite *suite = suite_create("share/lease_keeper");
    TCase *tests = tcase_create("lease_keeper");

    tcase_add_test(tests, one_of_two_gains_and_hands_over);
    tcase_add_test(tests, who_lost_it_hears_and_may_gain_it_again);
    tcase_add_test(tests, keeps_it_beyond_its_time_to_live);
    tcase_add_test(tests, loses_it_in_time_when_the_zone_is_stuck);
    tcase_add_test(tests, may_be_stopped_when_told);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
