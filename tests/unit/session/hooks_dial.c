/*
 * hooks_dial.c - tests of hooks where a session is dialed.
 */
#include "base/str.h"
#include "os/file.h"
#include "session/dial.h"

#include "scratch.h"
#include "witness_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TARGET_MAX = 256,
};

Suite *tp_suite_session_hooks_dial(void);

struct dialing {
    struct tp_test_hooked fixture;
    struct tp_scratch scratch;
    char target[TARGET_MAX];
    int listener_fd;
    struct tp_session_handle dialed;
};

static void
dialing_open(struct dialing *dialing)
{
    const struct tp_listen_options options = { .backlog = 8 };
    struct tp_endpoint endpoint;

    tp__test_hooked_open(&dialing->fixture);
    tp__scratch_open(&dialing->scratch);
    snprintf(dialing->target, sizeof(dialing->target), "unix:%s",
             tp__scratch_path(&dialing->scratch, "socket"));
    ck_assert_ptr_null(tp__endpoint_parse(tp__str(dialing->target), &endpoint));
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &options, &dialing->listener_fd));
}

static void
dialing_close(struct dialing *dialing)
{
    tp__test_hooked_close(&dialing->fixture);
    tp__descriptor_close(&dialing->listener_fd);
    tp__scratch_close(&dialing->scratch);
}

static enum tp_result
dialing_dial(struct dialing *dialing, int64_t times)
{
    struct tp_test_bench *bench = &dialing->fixture.bench;
    struct tp_session *session = NULL;
    struct tp_dialing how = {
        .target = tp__target_of_address(tp__str(dialing->target)),
        .timeout = { 5000 },
        .redial = { .first = { 4 }, .max = { 20 }, .times = times },
    };
    enum tp_result result = tp__session_dial(&bench->sessions, &dialing->fixture.site.source,
                                             bench->next_number++, &how, &session);

    if (result == TP_OK) {
        dialing->dialed = tp_session_get_handle(session);
    }
    return result;
}

/* Accepts a connection: its other end becomes the client. */
static void
dialing_accept(struct dialing *dialing)
{
    struct tp_test_hooked *fixture = &dialing->fixture;
    struct tp_address remote;
    int fd = -1;

    for (int i = 0; tp__socket_accept(dialing->listener_fd, &fd, &remote) != TP_OK; i++) {
        ck_assert_int_lt(i, TP_TEST_WAIT_MS);
        tp__test_bench_run(&fixture->bench, 1);
    }
    fixture->client = (struct tp_test_client){ .fd = fd, .received = malloc(TP_TEST_STREAM_MAX) };
    fixture->client.session = tp_session_at(dialing->dialed);
    tp__test_bench_run(&fixture->bench, 3);
}

START_TEST(a_dial_passes_its_points)
{
    struct dialing dialing;
    struct tp_test_witness witness;

    dialing_open(&dialing);
    tp__test_witness_stand(&witness, &dialing.fixture, "a", false);
    ck_assert_int_eq(TP_OK, dialing_dial(&dialing, -1));
    ck_assert_str_eq(dialing.target, witness.text);
    dialing_accept(&dialing);
    tp__test_hooked_expect_seen(&dialing.fixture, "a:pre_dial a:post_dial ");
    tp__test_client_close(&dialing.fixture.client);
    dialing_accept(&dialing);
    tp__test_hooked_expect_seen(&dialing.fixture, "a:post_disconnect a:pre_dial a:post_dial ");
    dialing_close(&dialing);
}
END_TEST

START_TEST(a_refused_dial_is_a_failed_attempt)
{
    struct dialing dialing;
    struct tp_test_witness witness;

    dialing_open(&dialing);
    tp__test_witness_stand(&witness, &dialing.fixture, "a", false);
    witness.says[TP_HOOK_PRE_DIAL] = TP_REFUSE;
    ck_assert_int_eq(TP_OK, dialing_dial(&dialing, -1));
    dialing_accept(&dialing);
    tp__test_hooked_expect_seen(&dialing.fixture, "a:pre_dial a:pre_dial a:post_dial ");
    ck_assert(tp__test_hooked_has_logged(&dialing.fixture, "dial-failed"));
    dialing_close(&dialing);
}
END_TEST

START_TEST(a_refused_dial_that_never_redials_is_none)
{
    struct dialing dialing;
    struct tp_test_witness witness;

    dialing_open(&dialing);
    tp__test_witness_stand(&witness, &dialing.fixture, "a", false);
    witness.says[TP_HOOK_PRE_DIAL] = TP_REFUSE;
    ck_assert_int_eq(TP_DENIED, dialing_dial(&dialing, 0));
    ck_assert_uint_eq(0, dialing.fixture.bench.sessions.count);
    dialing_close(&dialing);
}
END_TEST

START_TEST(a_refused_connection_ends_the_dialed_session)
{
    struct dialing dialing;
    struct tp_test_witness witness;

    dialing_open(&dialing);
    tp__test_witness_stand(&witness, &dialing.fixture, "a", false);
    witness.says[TP_HOOK_POST_DIAL] = TP_REFUSE;
    ck_assert_int_eq(TP_OK, dialing_dial(&dialing, -1));
    dialing_accept(&dialing);
    ck_assert_ptr_null(tp_session_at(dialing.dialed));
    ck_assert(tp__test_hooked_has_logged(&dialing.fixture, "reason=refused"));
    dialing_close(&dialing);
}
END_TEST

START_TEST(what_waits_for_a_connection_waits_for_the_greeting)
{
    struct dialing dialing;
    struct tp_test_witness witness;
    struct tp_send_options early = { .is_early = true };
    struct tp_test_answer usual_answer = { 0 };
    struct tp_test_answer early_answer = { 0 };
    struct tp_test_hooked *fixture = &dialing.fixture;

    dialing_open(&dialing);
    tp__test_witness_stand(&witness, fixture, "a", false);
    witness.says[TP_HOOK_POST_DIAL] = TP_LATER;
    ck_assert_int_eq(TP_OK, dialing_dial(&dialing, -1));
    fixture->client.session = tp_session_at(dialing.dialed);
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(fixture, NULL, &usual_answer)); /* seq 0 */
    dialing_accept(&dialing);
    ck_assert_uint_eq(0, tp__test_hooked_received(fixture));
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(fixture, &early, &early_answer));
    size_t early_len = tp__test_hooked_received(fixture);

    ck_assert_uint_gt(early_len, 0);
    tp__test_stream_add_reply(&fixture->sent, 1, "/ask", tp_status_of(TP_STATUS_OK),
                              TP_STR("you may"));
    tp__test_hooked_send(fixture);
    ck_assert_str_eq("you may", early_answer.body);
    tp_session_resume(tp_session_at(dialing.dialed), TP_PASS, NULL);
    ck_assert_uint_gt(tp__test_hooked_received(fixture), early_len);
    tp__test_hooked_reply(fixture);
    ck_assert_str_eq("answer", usual_answer.body);
    dialing_close(&dialing);
}
END_TEST

Suite *
tp_suite_session_hooks_dial(void)
{
    Suite *suite = suite_create("session/hooks_dial");
    TCase *tcase = tcase_create("a session is dialed");

    tcase_add_test(tcase, a_dial_passes_its_points);
    tcase_add_test(tcase, a_refused_dial_is_a_failed_attempt);
    tcase_add_test(tcase, a_refused_dial_that_never_redials_is_none);
    tcase_add_test(tcase, a_refused_connection_ends_the_dialed_session);
    tcase_add_test(tcase, what_waits_for_a_connection_waits_for_the_greeting);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
