/*
 * hooks_greeting.c - tests of hooks where a session begins: a connection is refused or
 * has to wait, what is asked and expected while it greets, packets that wait before they are read.
 */
#include "witness_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *tp_suite_session_hooks_greeting(void);

START_TEST(a_connection_may_be_refused)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness first;
    struct tp_test_witness second;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&first, &fixture, "a", false);
    tp__test_witness_stand(&second, &fixture, "b", false);
    first.says[TP_HOOK_POST_ACCEPT] = TP_REFUSE;
    tp__test_hooked_connect(&fixture);
    ck_assert_ptr_null(fixture.client.session);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(tp__test_hooked_has_logged(&fixture, "reason=refused"));
    tp__test_hooked_expect_seen(&fixture, "a:post_accept a:post_disconnect b:post_disconnect ");
    tp__test_hooked_close(&fixture);
}
END_TEST

/* Nobody was told that it has come. */
START_TEST(who_is_no_trusted_proxy_is_not_heard_of)
{
    const struct tp_items nobody = { 0 };
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    fixture.site.source.proxies = &nobody;
    tp__test_hooked_connect(&fixture);
    ck_assert_ptr_null(fixture.client.session);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(tp__test_hooked_has_logged(&fixture, "reason=proxy-untrusted"));
    tp__test_hooked_expect_seen(&fixture, "");
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_refusal_may_say_why_first)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_REFUSE;
    witness.pushes_early = true;
    tp__test_hooked_connect(&fixture);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert_uint_gt(fixture.client.received_len, 0);
    ck_assert_ptr_nonnull(
        memmem(fixture.client.received, fixture.client.received_len, "/early", 6));
    ck_assert_ptr_null(memmem(fixture.client.received, fixture.client.received_len, "/usual", 6));
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_greeting_session_is_not_read)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness first;
    struct tp_test_witness second;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&first, &fixture, "a", false);
    tp__test_witness_stand(&second, &fixture, "b", false);
    first.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    ck_assert_int_eq(TP_SESSION_GREETING, tp_session_get_state(fixture.client.session));
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp__test_hooked_pull(&fixture, 2, "/other");
    ck_assert_uint_eq(0, tp__test_hooked_received(&fixture));
    tp__test_hooked_expect_seen(&fixture, "a:post_accept ");
    tp_session_resume(first.session, TP_PASS, NULL);
    tp__test_hooked_expect_seen(&fixture, "b:post_accept ");
    tp__test_hooked_want_echo(&fixture, 1, "/echo");
    tp__test_hooked_want_echo(&fixture, 2, "/other");
    tp__test_hooked_expect(&fixture);
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(fixture.client.session));
    tp_session_resume(first.session, TP_REFUSE, NULL); /* nobody waits for that any more */
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(fixture.client.session));
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_greeting_session_may_be_refused)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp_session_resume(witness.session, TP_REFUSE, NULL);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert_uint_eq(0, fixture.client.received_len);
    ck_assert(tp__test_hooked_has_logged(&fixture, "reason=refused"));
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_hook_that_never_goes_on_ends_the_session)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    fixture.site.server.limits.exchange_timeout.ms = TP_TEST_HOOKED_TIMEOUT_MS;
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(tp__test_hooked_has_logged(&fixture, "reason=hook-timeout"));
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_ask_while_the_session_greets)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_send_options early = { .is_early = true };
    struct tp_test_answer usual_answer = { 0 };
    struct tp_test_answer early_answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.is_silent = true;
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &usual_answer)); /* seq 0 */
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, &early, &early_answer));
    size_t early_len = tp__test_hooked_received(&fixture);

    /* The PULL that comes before the REPLY waits, and the REPLY is read all the same. */
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", TP_STR("body"));
    tp__test_stream_add_reply(&fixture.sent, 1, "/ask", tp_status_of(TP_STATUS_OK),
                              TP_STR("answer"));
    tp__test_hooked_send(&fixture);
    ck_assert_str_eq("answer", early_answer.body);
    ck_assert_uint_eq(early_len, tp__test_hooked_received(&fixture));
    tp_session_resume(witness.session, TP_PASS, NULL);
    ck_assert_uint_gt(tp__test_hooked_received(&fixture),
                      early_len); /* the usual PULL, and the echo */
    ck_assert_ptr_nonnull(memmem(fixture.client.received, fixture.client.received_len, "/echo", 5));
    tp__test_hooked_reply(&fixture);
    ck_assert_str_eq("answer", usual_answer.body);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_expect_the_first_packet)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    witness.expects = true;
    tp__test_hooked_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hello", TP_STR("it is me"));
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", TP_STR("body"));
    tp__test_hooked_send(&fixture);
    tp__test_hooked_expect_seen(&fixture, "a:post_accept a:expected ");
    tp__test_stream_add_reply(&fixture.wanted, 1, "/hello", tp_status_of(TP_STATUS_OK),
                              TP_STR("welcome"));
    tp__test_hooked_expect(&fixture);
    tp_session_resume(witness.session, TP_PASS, NULL);
    tp__test_hooked_want_echo(&fixture, 2, "/echo");
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(what_has_come_already_may_be_expected)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_send_options early = { .is_early = true };
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    ck_assert_int_eq(TP_OK,
                     tp__test_hooked_ask(&fixture, &early, &answer)); /* so that it is read */
    tp__test_bench_turn(&fixture.bench, 2);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hello", TP_STR("it is me"));
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", TP_STR("body"));
    tp__test_hooked_send(&fixture);
    size_t before = tp__test_hooked_received(&fixture);

    tp_session_expect(fixture.client.session, tp__test_answer_expected, &witness);
    ck_assert_uint_gt(tp__test_hooked_received(&fixture), before);
    ck_assert_ptr_nonnull(strstr(fixture.seen, "a:expected"));
    ck_assert_ptr_null(memmem(fixture.client.received, fixture.client.received_len, "/echo", 5));
    tp_session_resume(witness.session, TP_PASS, NULL);
    tp__test_hooked_received(&fixture);
    ck_assert_ptr_nonnull(memmem(fixture.client.received, fixture.client.received_len, "/echo", 5));
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(who_has_said_all_is_answered_after_the_greeting)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", TP_STR("body"));
    tp__test_hooked_send(&fixture);
    tp__test_client_finish(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 3);
    tp_session_resume(witness.session, TP_PASS, NULL);
    tp__test_hooked_want_echo(&fixture, 1, "/echo");
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_packet_may_be_refused_before_it_is_read)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp__test_hooked_want_echo(&fixture, 1, "/echo");
    tp__test_hooked_expect(&fixture);
    witness.says[TP_HOOK_PRE_READ_HEADER] = TP_REFUSE;
    tp__test_hooked_pull(&fixture, 2, "/echo");
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    tp__test_hooked_expect(&fixture);
    ck_assert(tp__test_hooked_has_logged(&fixture, "reason=refused"));
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_packet_may_wait_before_it_is_read)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &answer));
    tp__test_bench_turn(&fixture.bench, 2);
    size_t before = tp__test_hooked_received(&fixture);

    fixture.seen_len = 0;
    witness.says[TP_HOOK_PRE_READ_HEADER] = TP_LATER;
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", TP_STR("body"));
    tp__test_hooked_send(&fixture);
    tp__test_hooked_reply(&fixture);
    ck_assert_uint_eq(0, answer.count); /* replies wait here, too */
    tp__test_hooked_expect_seen(&fixture, "a:pre_read_header ");
    tp_session_resume(witness.session, TP_PASS, NULL);
    ck_assert_uint_gt(tp__test_hooked_received(&fixture), before);
    ck_assert_uint_eq(1, answer.count);
    /* Once for each packet. */
    ck_assert_ptr_nonnull(strstr(fixture.seen, "a:pre_read_header a:post_read_reply_header"));
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_greeting_goes_on_where_it_moves)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_send_options early = { .is_early = true };
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, &early, &answer)); /* so that it reads */
    tp__test_bench_turn(&fixture.bench, 2);
    tp__test_hooked_pull(&fixture, 1, "/other");
    ck_assert(fixture.client.session->has_unbegun);
    size_t before = tp__test_hooked_received(&fixture);

    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    tp__test_hooked_expect_seen(&fixture, "a:post_accept a:pre_write_pull a:post_write_pull ");
    tp__test_hooked_move(&fixture, NULL);
    ck_assert_int_eq(101, answer.code); /* what it had asked it has to ask again */
    tp__test_hooked_expect_seen(&fixture, "a:post_accept ");
    ck_assert_int_eq(TP_SESSION_GREETING, tp_session_get_state(fixture.client.session));
    tp__test_hooked_pull(&fixture, 2, "/echo");
    ck_assert_uint_eq(before, tp__test_hooked_received(&fixture));
    tp_session_resume(fixture.client.session, TP_PASS, NULL);
    tp__test_hooked_received(&fixture);
    tp__test_hooked_want_echo(&fixture, 1, "/other");
    tp__test_hooked_want_echo(&fixture, 2, "/echo");
    ck_assert_uint_eq(before + fixture.wanted.len, fixture.client.received_len);
    ck_assert_mem_eq(fixture.wanted.data, fixture.client.received + before, fixture.wanted.len);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_greeting_whose_hook_is_gone_ends)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    tp__test_hooked_connect(&fixture);
    struct tp_hook_chain none = { 0 };

    /* As if it had been saved under another configuration. */
    struct tp_hook_chain before = fixture.server_hooks->at[TP_HOOK_POST_ACCEPT];
    struct tp_session_receiver receiver = tp__test_hooked_receiver(&fixture);
    struct tp_chain saved = { 0 };

    ck_assert_int_eq(TP_OK, tp__session_save(fixture.client.session, &saved));
    char *bytes = malloc(saved.len);

    tp_chain_copy(&saved, 0, saved.len, (uint8_t *) bytes);
    int fd = dup(tp__session_fd(fixture.client.session));

    tp__session_close(&fixture.client.session, TP_CLOSE_MOVED);
    fixture.server_hooks->at[TP_HOOK_POST_ACCEPT] = none;
    ck_assert_int_eq(TP_OK, tp__session_restore(&fixture.bench.sessions, &receiver, fd,
                                                (struct tp_str){ bytes, saved.len }));
    tp_chain_clear(&saved);
    free(bytes);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(tp__test_hooked_has_logged(&fixture, "session-not-restored"));
    fixture.server_hooks->at[TP_HOOK_POST_ACCEPT] = before;
    tp__test_hooked_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_hooks_greeting(void)
{
    Suite *suite = suite_create("session/hooks_greeting");
    TCase *tcase = tcase_create("a session begins");

    tcase_add_test(tcase, a_connection_may_be_refused);
    tcase_add_test(tcase, who_is_no_trusted_proxy_is_not_heard_of);
    tcase_add_test(tcase, a_refusal_may_say_why_first);
    tcase_add_test(tcase, a_greeting_session_is_not_read);
    tcase_add_test(tcase, a_greeting_session_may_be_refused);
    tcase_add_test(tcase, a_hook_that_never_goes_on_ends_the_session);
    tcase_add_test(tcase, a_hook_may_ask_while_the_session_greets);
    tcase_add_test(tcase, a_hook_may_expect_the_first_packet);
    tcase_add_test(tcase, what_has_come_already_may_be_expected);
    tcase_add_test(tcase, who_has_said_all_is_answered_after_the_greeting);
    tcase_add_test(tcase, a_packet_may_be_refused_before_it_is_read);
    tcase_add_test(tcase, a_packet_may_wait_before_it_is_read);
    tcase_add_test(tcase, a_greeting_goes_on_where_it_moves);
    tcase_add_test(tcase, a_greeting_whose_hook_is_gone_ends);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
