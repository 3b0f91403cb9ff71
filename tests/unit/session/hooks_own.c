/*
 * hooks_own.c - tests of session/exchange_hooks: our own PULLs and PUSHes, at
 * pre_write_… and at the three points of a REPLY.
 */
#include "witness_fixture.h"

#include <check.h>

Suite *tp_suite_session_hooks_own(void);

static const enum tp_hook_point reply_points[] = {
    TP_HOOK_POST_READ_REPLY_HEADER,
    TP_HOOK_PRE_READ_REPLY_BODY,
    TP_HOOK_POST_READ_REPLY_BODY,
};

START_TEST(a_pull_of_ours_may_be_refused)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_REFUSE;
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &answer));
    ck_assert_uint_eq(0, answer.count); /* from the loop, never from within the call */
    tp__test_bench_run(&fixture.bench, 5);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(1001, answer.code);
    ck_assert_uint_eq(0, tp__test_hooked_received(&fixture));
    ck_assert_uint_eq(0, fixture.client.session->own_pull_count);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_refused_pull_ends_once_though_its_session_ends_first)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_REFUSE;
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &answer));
    tp__session_close(&fixture.client.session, TP_CLOSE_CONNECTION_BROKEN);
    tp__test_bench_run(&fixture.bench, 5);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(1001, answer.code);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_pull_of_ours_may_be_postponed)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_LATER;
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &answer));
    tp__test_hooked_reply(&fixture); /* to what was never sent */
    ck_assert_uint_eq(0, tp__test_hooked_received(&fixture));
    ck_assert_uint_eq(0, answer.count);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    ck_assert_uint_gt(tp__test_hooked_received(&fixture), 0);
    tp__test_hooked_reply(&fixture);
    ck_assert_str_eq("answer", answer.body);

    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_LATER;
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &answer));
    tp_exchange_resume(witness.postponed, TP_REFUSE, NULL);
    ck_assert_uint_eq(2, answer.count);
    ck_assert_int_eq(403, answer.code);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_postponed_pull_of_ours_times_out)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_send_options options = { .timeout = { TP_TEST_HOOKED_TIMEOUT_MS } };
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_LATER;
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, &options, &answer));
    tp__test_bench_run(&fixture.bench, 2 * TP_TEST_HOOKED_TIMEOUT_MS);
    ck_assert_int_eq(504, answer.code);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    ck_assert_uint_eq(0, tp__test_hooked_received(&fixture));
    ck_assert_uint_eq(1, answer.count);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_push_of_ours_may_be_refused)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    struct tp_session *session = fixture.client.session;

    witness.says[TP_HOOK_PRE_WRITE_PUSH] = TP_REFUSE;
    ck_assert_int_eq(TP_DENIED, tp_session_push(session, TP_STR("/tell"), TP_STR("x"), NULL));
    witness.says[TP_HOOK_PRE_WRITE_PUSH] = TP_LATER;
    ck_assert_int_eq(TP_OK, tp_session_push(session, TP_STR("/tell"), TP_STR("x"), NULL));
    ck_assert_uint_eq(0, tp__test_hooked_received(&fixture));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    size_t len = tp__test_hooked_received(&fixture);

    ck_assert_uint_gt(len, 0);
    witness.says[TP_HOOK_PRE_WRITE_PUSH] = TP_LATER;
    ck_assert_int_eq(TP_OK, tp_session_push(session, TP_STR("/tell"), TP_STR("x"), NULL));
    tp_exchange_resume(witness.postponed, TP_REFUSE, NULL);
    ck_assert_uint_eq(len, tp__test_hooked_received(&fixture));
    witness.says[TP_HOOK_PRE_WRITE_PUSH] = TP_LATER;
    ck_assert_int_eq(TP_OK, tp_session_push(session, TP_STR("/tell"), TP_STR("x"), NULL));
    tp__session_close(&fixture.client.session, TP_CLOSE_CONNECTION_BROKEN);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_reply_may_be_refused)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &answer));
    tp__test_bench_turn(&fixture.bench, 2);
    witness.says[reply_points[_i]] = TP_REFUSE;
    tp__test_hooked_reply(&fixture);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(1001, answer.code);
    ck_assert_str_eq("", answer.body);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_reply_may_be_postponed)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &answer));
    tp__test_bench_turn(&fixture.bench, 2);
    witness.says[reply_points[_i]] = TP_LATER;
    tp__test_hooked_reply(&fixture);
    tp__test_hooked_reply(&fixture); /* once is enough */
    ck_assert_uint_eq(0, answer.count);
    /* Who closes behind his answer has answered all the same. */
    tp__test_client_finish(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 3);
    ck_assert_uint_eq(0, answer.count);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_str_eq("answer", answer.body);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_postponed_reply_ends_with_its_session)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &answer));
    tp__test_bench_turn(&fixture.bench, 2);
    witness.says[reply_points[_i]] = TP_LATER;
    tp__test_hooked_reply(&fixture);
    tp__session_close(&fixture.client.session, TP_CLOSE_CONNECTION_BROKEN);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(101, answer.code);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    ck_assert_uint_eq(1, answer.count);
    tp__test_hooked_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_hooks_own(void)
{
    Suite *suite = suite_create("session/hooks_own");
    TCase *tcase = tcase_create("what we ask and tell");
    int count = (int) TP_COUNT_OF(reply_points);

    tcase_add_test(tcase, a_pull_of_ours_may_be_refused);
    tcase_add_test(tcase, a_refused_pull_ends_once_though_its_session_ends_first);
    tcase_add_test(tcase, a_pull_of_ours_may_be_postponed);
    tcase_add_test(tcase, a_postponed_pull_of_ours_times_out);
    tcase_add_test(tcase, a_push_of_ours_may_be_refused);
    tcase_add_loop_test(tcase, a_reply_may_be_refused, 0, count);
    tcase_add_loop_test(tcase, a_reply_may_be_postponed, 0, count);
    tcase_add_loop_test(tcase, a_postponed_reply_ends_with_its_session, 0, count);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
