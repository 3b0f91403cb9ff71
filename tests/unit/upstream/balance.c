/*
 * balance.c - tests of the balancer against its definition, on 100 000 choices.
 */
#include "upstream/balance.h"

#include "base/hash.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHOICES = 100 * 1000,
    SHARES_MAX = 12,
};

/* A balancer with room for its shares, and how often each was chosen. */
struct choosing {
    struct tp_balancer balancer;
    struct tp_share shares[SHARES_MAX];
    unsigned chosen[SHARES_MAX];
};

Suite *tp_suite_upstream_balance(void);

static void
choosing_init(struct choosing *choosing, const uint32_t *weights, size_t count)
{
    *choosing = (struct choosing){ .balancer = { .count = count } };
    choosing->balancer.shares = choosing->shares;
    for (size_t i = 0; i < count; i++) {
        choosing->shares[i] = (struct tp_share){
            .weight = weights[i],
            .is_usable = true,
            .mark = tp__hash_number(1000 + i),
        };
    }
}

/* Least pending uses up what is usable: it is said anew for each choice, as an upstream does. */
static void
choosing_offer_all(struct choosing *choosing)
{
    for (size_t i = 0; i < choosing->balancer.count; i++) {
        choosing->shares[i].is_usable = true;
    }
}

START_TEST(equal_ones_take_turns_exactly)
{
    static const uint32_t weights[] = { 1, 1, 1, 1 };
    struct choosing choosing;

    choosing_init(&choosing, weights, 4);
    for (size_t i = 0; i < CHOICES; i++) {
        ck_assert_uint_eq(i % 4, tp__balance_in_turn(&choosing.balancer));
    }
}
END_TEST

START_TEST(weights_are_kept_in_each_round)
{
    static const uint32_t weights[] = { 5, 1, 3 };
    struct choosing choosing;

    choosing_init(&choosing, weights, 3);
    for (size_t round = 0; round < CHOICES / 9; round++) {
        memset(choosing.chosen, 0, sizeof(choosing.chosen));
        for (size_t i = 0; i < 9; i++) {
            choosing.chosen[tp__balance_in_turn(&choosing.balancer)]++;
        }
        for (size_t i = 0; i < 3; i++) {
            ck_assert_uint_eq(weights[i], choosing.chosen[i]);
        }
    }
}
END_TEST

/* Of five turns no three are in a row for 3 of 5: a heavy one does not come in bursts. */
START_TEST(turns_are_spread_evenly)
{
    static const uint32_t weights[] = { 3, 1, 1 };
    static const size_t expected[] = { 0, 1, 0, 2, 0 };
    struct choosing choosing;

    choosing_init(&choosing, weights, 3);
    for (size_t i = 0; i < 50; i++) {
        ck_assert_uint_eq(expected[i % 5], tp__balance_in_turn(&choosing.balancer));
    }
}
END_TEST

START_TEST(who_cannot_is_left_out_and_comes_back_without_arrears)
{
    static const uint32_t weights[] = { 1, 1, 1 };
    struct choosing choosing;

    choosing_init(&choosing, weights, 3);
    choosing.shares[1].is_usable = false;
    for (size_t i = 0; i < 1000; i++) {
        choosing.chosen[tp__balance_in_turn(&choosing.balancer)]++;
    }
    ck_assert_uint_eq(500, choosing.chosen[0]);
    ck_assert_uint_eq(0, choosing.chosen[1]);
    choosing.shares[1].is_usable = true;
    memset(choosing.chosen, 0, sizeof(choosing.chosen));
    for (size_t i = 0; i < 30; i++) {
        choosing.chosen[tp__balance_in_turn(&choosing.balancer)]++;
    }
    ck_assert_uint_eq(10, choosing.chosen[1]);
    choosing.shares[0].is_usable = choosing.shares[1].is_usable = choosing.shares[2].is_usable =
        false;
    ck_assert_uint_eq(SIZE_MAX, tp__balance_in_turn(&choosing.balancer));
}
END_TEST

START_TEST(the_least_busy_for_its_weight_is_next)
{
    static const uint32_t weights[] = { 1, 4 };
    struct choosing choosing;

    choosing_init(&choosing, weights, 2);
    for (size_t i = 0; i < CHOICES; i++) {
        choosing_offer_all(&choosing);
        choosing.shares[tp__balance_least_pending(&choosing.balancer)].pending++;
    }
    ck_assert_uint_eq(CHOICES / 5, choosing.shares[0].pending);
    ck_assert_uint_eq(CHOICES / 5 * 4, choosing.shares[1].pending);
}
END_TEST

START_TEST(the_idle_take_turns)
{
    static const uint32_t weights[] = { 1, 1, 1 };
    struct choosing choosing;

    choosing_init(&choosing, weights, 3);
    choosing.shares[2].pending = 1;
    for (size_t i = 0; i < 10; i++) {
        choosing_offer_all(&choosing);
        ck_assert_uint_eq(i % 2, tp__balance_least_pending(&choosing.balancer));
    }
}
END_TEST

START_TEST(keys_are_shared_fairly)
{
    static const uint32_t weights[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    struct choosing choosing;

    choosing_init(&choosing, weights, 10);
    ck_assert_int_eq(TP_OK, tp__balancer_make_ring(&choosing.balancer));
    for (uint64_t i = 0; i < CHOICES; i++) {
        choosing.chosen[tp__balance_by_hash(&choosing.balancer, tp__hash_number(i))]++;
    }
    for (size_t i = 0; i < 10; i++) {
        ck_assert_uint_lt(choosing.chosen[i], CHOICES / 10 * 13 / 10);
        ck_assert_uint_gt(choosing.chosen[i], CHOICES / 10 * 7 / 10);
    }
    tp__balancer_fini(&choosing.balancer);
}
END_TEST

START_TEST(when_one_leaves_only_its_keys_move)
{
    static const uint32_t weights[] = { 1, 2, 3, 4, 5 };
    static const uint32_t rest_weights[] = { 1, 2, 4, 5 };
    struct choosing before;
    struct choosing after;

    choosing_init(&before, weights, 5);
    choosing_init(&after, rest_weights, 4);
    after.shares[2].mark = before.shares[3].mark;
    after.shares[3].mark = before.shares[4].mark;
    ck_assert_int_eq(TP_OK, tp__balancer_make_ring(&before.balancer));
    ck_assert_int_eq(TP_OK, tp__balancer_make_ring(&after.balancer));
    for (uint64_t i = 0; i < CHOICES; i++) {
        uint64_t hash = tp__hash_number(i);
        size_t was = tp__balance_by_hash(&before.balancer, hash);
        size_t is = tp__balance_by_hash(&after.balancer, hash);

        if (was != 2) {
            ck_assert_uint_eq(was > 2 ? was - 1 : was, is);
        }
    }
    tp__balancer_fini(&before.balancer);
    tp__balancer_fini(&after.balancer);
}
END_TEST

START_TEST(a_key_whose_owner_cannot_goes_to_one_other_and_back)
{
    static const uint32_t weights[] = { 1, 1, 1 };
    struct choosing choosing;

    choosing_init(&choosing, weights, 3);
    ck_assert_uint_eq(SIZE_MAX, tp__balance_by_hash(&choosing.balancer, 7));
    ck_assert_int_eq(TP_OK, tp__balancer_make_ring(&choosing.balancer));
    size_t owner = tp__balance_by_hash(&choosing.balancer, 7);

    choosing.shares[owner].is_usable = false;
    size_t other = tp__balance_by_hash(&choosing.balancer, 7);

    ck_assert_uint_ne(owner, other);
    ck_assert_uint_eq(other, tp__balance_by_hash(&choosing.balancer, 7));
    choosing.shares[owner].is_usable = true;
    ck_assert_uint_eq(owner, tp__balance_by_hash(&choosing.balancer, 7));
    tp__balancer_fini(&choosing.balancer);
}
END_TEST

START_TEST(very_heavy_ones_have_a_ring_of_bounded_size)
{
    static const uint32_t weights[] = { 1000000, 1000000, 1 };
    struct choosing choosing;

    choosing_init(&choosing, weights, 3);
    ck_assert_int_eq(TP_OK, tp__balancer_make_ring(&choosing.balancer));
    ck_assert_uint_le(choosing.balancer.point_count, (1 << 18) + 3);
    tp__balancer_fini(&choosing.balancer);
}
END_TEST

Suite *
tp_suite_upstream_balance(void)
{
    Suite *suite = suite_create("upstream/balance");
    TCase *tests = tcase_create("balance");

    tcase_add_test(tests, equal_ones_take_turns_exactly);
    tcase_add_test(tests, weights_are_kept_in_each_round);
    tcase_add_test(tests, turns_are_spread_evenly);
    tcase_add_test(tests, who_cannot_is_left_out_and_comes_back_without_arrears);
    tcase_add_test(tests, the_least_busy_for_its_weight_is_next);
    tcase_add_test(tests, the_idle_take_turns);
    tcase_add_test(tests, keys_are_shared_fairly);
    tcase_add_test(tests, when_one_leaves_only_its_keys_move);
    tcase_add_test(tests, a_key_whose_owner_cannot_goes_to_one_other_and_back);
    tcase_add_test(tests, very_heavy_ones_have_a_ring_of_bounded_size);
    suite_add_tcase(suite, tests);
    return suite;
}
