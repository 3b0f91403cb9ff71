/*
 * hooks_pull.c - tests of session/exchange_hooks: what the other end asks and tells is refused,
 * postponed and answered by hooks.
 */
#include "witness_fixture.h"

#include <check.h>
#include <string.h>

Suite *tp_suite_session_hooks_pull(void);

/* Points at which what the other end asks can be refused or postponed, and who stands there. */
static const struct {
    enum tp_hook_point point;
    bool on_route;
} pull_points[] = {
    { TP_HOOK_POST_READ_PULL_HEADER, false }, { TP_HOOK_POST_READ_PULL_HEADER, true },
    { TP_HOOK_PRE_READ_PULL_BODY, false },    { TP_HOOK_PRE_READ_PULL_BODY, true },
    { TP_HOOK_POST_READ_PULL_BODY, false },   { TP_HOOK_POST_READ_PULL_BODY, true },
    { TP_HOOK_PRE_WRITE_REPLY, false },       { TP_HOOK_PRE_WRITE_REPLY, true },
};

static const struct {
    enum tp_hook_point point;
    bool on_route;
} push_points[] = {
    { TP_HOOK_POST_READ_PUSH_HEADER, false }, { TP_HOOK_POST_READ_PUSH_HEADER, true },
    { TP_HOOK_PRE_READ_PUSH_BODY, false },    { TP_HOOK_PRE_READ_PUSH_BODY, true },
    { TP_HOOK_POST_READ_PUSH_BODY, false },   { TP_HOOK_POST_READ_PUSH_BODY, true },
};

/* A client whose PULLs pass one silent witness, which says so at the point of this row. */
static void
pulls_open(struct tp_test_hooked *fixture, struct tp_test_witness *witness, int row,
           enum tp_verdict verdict)
{
    tp__test_hooked_open(fixture);
    tp__test_witness_stand(witness, fixture, "a", pull_points[row].on_route);
    witness->says[pull_points[row].point] = verdict;
    tp__test_hooked_connect(fixture);
}

START_TEST(a_pull_that_is_refused_is_answered_so)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    pulls_open(&fixture, &witness, _i, TP_REFUSE);
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp__test_hooked_want_status(&fixture, 1, "/echo", TP_TEST_REFUSED);
    tp__test_hooked_pull(&fixture, 2, "/echo");
    tp__test_hooked_want_echo(&fixture, 2, "/echo");
    tp__test_hooked_expect(&fixture);
    ck_assert(tp__test_hooked_has_logged(&fixture, "hook-refused: point="));
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(who_refuses_without_a_word_says_that_it_is_forbidden)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    pulls_open(&fixture, &witness, _i, TP_REFUSE);
    witness.is_wordless = true;
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp__test_hooked_want_status(&fixture, 1, "/echo", tp_status_of(TP_STATUS_FORBIDDEN));
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_pull_that_is_postponed_is_overtaken)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    pulls_open(&fixture, &witness, _i, TP_LATER);
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp__test_hooked_pull(&fixture, 2, "/other");
    tp__test_hooked_want_echo(&fixture, 2, "/other");
    tp__test_hooked_expect(&fixture);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    tp__test_hooked_want_echo(&fixture, 1, "/echo");
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_pull_may_be_refused_later)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_status refusal = TP_TEST_REFUSED;

    pulls_open(&fixture, &witness, _i, TP_LATER);
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp__test_hooked_expect(&fixture);
    tp_exchange_resume(witness.postponed, TP_REFUSE, &refusal);
    tp__test_hooked_want_status(&fixture, 1, "/echo", TP_TEST_REFUSED);
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(an_ordered_route_keeps_its_order)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    pulls_open(&fixture, &witness, _i, TP_LATER);
    tp__test_hooked_pull(&fixture, 1, "/o");
    tp__test_hooked_pull(&fixture, 2, "/o");
    tp__test_hooked_pull(&fixture, 3, "/other");
    tp__test_hooked_want_echo(&fixture, 3, "/other");
    tp__test_hooked_expect(&fixture);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    tp__test_hooked_want_echo(&fixture, 1, "/o");
    tp__test_hooked_want_echo(&fixture, 2, "/o");
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_postponed_pull_times_out_and_is_its_hooks_still)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    fixture.site.server.limits.exchange_timeout.ms = TP_TEST_HOOKED_TIMEOUT_MS;
    tp__test_witness_stand(&witness, &fixture, "a", pull_points[_i].on_route);
    witness.says[pull_points[_i].point] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_pull(&fixture, 1, "/o");
    tp__test_hooked_pull(&fixture, 2, "/o");
    tp__test_hooked_want_status(&fixture, 1, "/o", tp_status_of(TP_STATUS_GATEWAY_TIMEOUT));
    tp__test_hooked_want_echo(&fixture, 2, "/o");
    tp__test_hooked_expect(&fixture);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_postponed_pull_outlives_its_session)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    pulls_open(&fixture, &witness, _i, TP_LATER);
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp__session_close(&fixture.client.session, TP_CLOSE_CONNECTION_BROKEN);
    ck_assert_ptr_null(tp_exchange_session(witness.postponed));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_answer_at_once)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    if (pull_points[_i].point == TP_HOOK_PRE_WRITE_REPLY) {
        return;
    }
    pulls_open(&fixture, &witness, _i, TP_REFUSE); /* what it says then does not count */
    witness.answers = true;
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp__test_stream_add_reply(&fixture.wanted, 1, "/echo", tp_status_of(TP_STATUS_OK),
                              TP_STR("at once"));
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_answer_instead_of_resuming)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    if (pull_points[_i].point == TP_HOOK_PRE_WRITE_REPLY) {
        return;
    }
    pulls_open(&fixture, &witness, _i, TP_LATER);
    tp__test_hooked_pull(&fixture, 1, "/o");
    tp__test_hooked_pull(&fixture, 2, "/o");
    ck_assert_int_eq(TP_OK,
                     tp_exchange_reply_copy(witness.postponed, TP_STR("at once"), TP_CODEC_PLAIN));
    tp__test_stream_add_reply(&fixture.wanted, 1, "/o", tp_status_of(TP_STATUS_OK),
                              TP_STR("at once"));
    tp__test_hooked_want_echo(&fixture, 2, "/o");
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_push_that_is_refused_is_dropped)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", push_points[_i].on_route);
    witness.says[push_points[_i].point] = TP_REFUSE;
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_push(&fixture);
    ck_assert_ptr_null(tp__test_take_kept());
    ck_assert(tp__test_hooked_has_logged(&fixture, "status=1001 text=\"not so\""));
    ck_assert_uint_eq(0, tp__test_hooked_received(&fixture));
    ck_assert_uint_eq(0, fixture.client.session->exchange_count);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_push_may_be_postponed)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", push_points[_i].on_route);
    witness.says[push_points[_i].point] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_push(&fixture);
    ck_assert_ptr_null(tp__test_take_kept());
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    struct tp_exchange *kept = tp__test_take_kept();

    ck_assert_ptr_nonnull(kept);
    tp_exchange_reply_copy(kept, TP_STR(""), TP_CODEC_NONE);
    witness.says[push_points[_i].point] = TP_LATER;
    tp__test_hooked_push(&fixture);
    tp_exchange_resume(witness.postponed, TP_REFUSE, NULL);
    ck_assert_ptr_null(tp__test_take_kept());
    ck_assert_uint_eq(0, fixture.client.session->exchange_count);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(what_a_handler_keeps_may_be_postponed_too)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    fixture.site.server.limits.exchange_timeout.ms = TP_TEST_HOOKED_TIMEOUT_MS;
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_PRE_WRITE_REPLY] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_pull(&fixture, 1, "/keep");
    struct tp_exchange *kept = tp__test_take_kept();

    tp__test_bench_run(&fixture.bench, 2 * TP_TEST_HOOKED_TIMEOUT_MS);
    ck_assert_ptr_eq(kept, witness.postponed); /* with the handler's time-out as its outcome */
    ck_assert_str_eq("504 ", witness.reply);
    ck_assert_int_eq(TP_GONE, tp_exchange_reply_copy(kept, TP_STR("late"), TP_CODEC_PLAIN));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    tp__test_hooked_want_status(&fixture, 1, "/keep", tp_status_of(TP_STATUS_GATEWAY_TIMEOUT));
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_postponed_pull_is_asked_anew_where_it_moves)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", pull_points[_i].on_route);
    witness.says[pull_points[_i].point] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_pull(&fixture, 1, "/o?%20");
    tp__test_hooked_pull(&fixture, 2, "/o");
    witness.says[pull_points[_i].point] = TP_LATER;
    fixture.seen_len = 0;
    tp__test_hooked_move(&fixture, witness.postponed);
    /* The same point again, and none before it; seq 2 is behind, where it was. */
    ck_assert_int_eq(0, strncmp(fixture.seen + 2, tp_hook_point_word(pull_points[_i].point),
                                strlen(tp_hook_point_word(pull_points[_i].point))));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    tp__test_hooked_want_echo(&fixture, 1, "/o?%20");
    tp__test_hooked_want_echo(&fixture, 2, "/o");
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_hooks_pull(void)
{
    Suite *suite = suite_create("session/hooks_pull");
    TCase *tcase = tcase_create("what is asked and told");
    int count = (int) TP_COUNT_OF(pull_points);
    int push_count = (int) TP_COUNT_OF(push_points);

    tcase_add_loop_test(tcase, a_pull_that_is_refused_is_answered_so, 0, count);
    tcase_add_loop_test(tcase, who_refuses_without_a_word_says_that_it_is_forbidden, 0, count);
    tcase_add_loop_test(tcase, a_pull_that_is_postponed_is_overtaken, 0, count);
    tcase_add_loop_test(tcase, a_pull_may_be_refused_later, 0, count);
    tcase_add_loop_test(tcase, an_ordered_route_keeps_its_order, 0, count);
    tcase_add_loop_test(tcase, a_postponed_pull_times_out_and_is_its_hooks_still, 0, count);
    tcase_add_loop_test(tcase, a_postponed_pull_outlives_its_session, 0, count);
    tcase_add_loop_test(tcase, a_hook_may_answer_at_once, 0, count);
    tcase_add_loop_test(tcase, a_hook_may_answer_instead_of_resuming, 0, count);
    tcase_add_loop_test(tcase, a_postponed_pull_is_asked_anew_where_it_moves, 0, count);
    tcase_add_loop_test(tcase, a_push_that_is_refused_is_dropped, 0, push_count);
    tcase_add_loop_test(tcase, a_push_may_be_postponed, 0, push_count);
    tcase_add_test(tcase, what_a_handler_keeps_may_be_postponed_too);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
