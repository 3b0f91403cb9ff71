/*
 * asking.c - tests of session/asking and session/notes: what this end asks and tells, with
 * sessions of one bench at both ends of a connection.
 */
#include "session_fixture.h"

#include "base/str.h"
#include "session/forward.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum {
    MANY = 10000,
};

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/fail", .handler = "fail" },
    { .type = TP_PACKET_PULL, .uri = "/hold", .handler = "hold", .delay_ms = 20 },
    { .type = TP_PACKET_PULL, .uri = "/long", .handler = "hold", .delay_ms = 3600000 },
    { .type = TP_PACKET_PULL, .uri = "/keep", .handler = "keep" },
    { .type = TP_PACKET_PUSH, .uri = "/push", .handler = "keep" },
    { 0 },
};

struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_session *ends[2];
};

/* What a PULL came to. */
struct answer {
    unsigned count;
    int32_t code;
    char body[64];
    struct tp_session *closes; /* closed from within the call, or NULL */
};

Suite *tp_suite_session_asking(void);

static void
fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
    fixture->site.server.limits.sent_pulls = MANY;
    fixture->site.server.limits.pending_pulls = 2 * MANY;
    fixture->site.server.limits.send_queue.bytes = 64u << 20;
    tp__test_pair_open(&fixture->bench, &fixture->site, fixture->ends);
}

static void
fixture_close(struct fixture *fixture)
{
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
}

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct answer *answer = owner;
    struct tp_str body = tp_reply_body(reply);

    answer->count++;
    answer->code = tp_reply_status(reply)->code;
    ck_assert_uint_lt(body.len, sizeof(answer->body));
    snprintf(answer->body, sizeof(answer->body), "%.*s", TP_STR_ARG(body));
    if (answer->closes != NULL) {
        tp_session_close(answer->closes);
    }
}

static enum tp_result
pull(struct tp_session *session, const char *uri, const char *body, struct answer *answer)
{
    return tp_session_pull_async(session, (struct tp_str){ uri, strlen(uri) },
                                 (struct tp_str){ body, strlen(body) }, NULL, on_reply, answer);
}

START_TEST(a_pull_is_answered_by_the_other_end)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/echo", "hello", &answer));
    ck_assert_uint_eq(0, answer.count);
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(200, answer.code);
    ck_assert_str_eq("hello", answer.body);
    fixture_close(&fixture);
}
END_TEST

START_TEST(both_ends_ask_at_the_same_time)
{
    struct fixture fixture;
    struct answer answers[2] = { 0 };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/echo", "from 0", &answers[0]));
    ck_assert_int_eq(TP_OK, pull(fixture.ends[1], "/echo", "from 1", &answers[1]));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_str_eq("from 0", answers[0].body);
    ck_assert_str_eq("from 1", answers[1].body);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_failure_comes_with_its_body)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/fail", "", &answer));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_int_eq(1001, answer.code);
    fixture_close(&fixture);
}
END_TEST

static int
count_answered(const struct answer *answers)
{
    int count = 0;

    for (int i = 0; i < MANY; i++) {
        count += answers[i].count > 0;
    }
    return count;
}

START_TEST(thousands_in_flight_find_their_askers)
{
    static struct answer answers[2][MANY];
    struct fixture fixture;
    char body[32];

    fixture_open(&fixture);
    memset(answers, 0, sizeof(answers));
    for (int i = 0; i < MANY; i++) {
        for (int end = 0; end < 2; end++) {
            snprintf(body, sizeof(body), "%d of %d", i, end);
            ck_assert_int_eq(TP_OK, pull(fixture.ends[end], i % 3 == 0 ? "/hold" : "/echo", body,
                                         &answers[end][i]));
        }
    }
    ck_assert_int_eq(TP_FULL, pull(fixture.ends[0], "/echo", "", &answers[0][0]));
    while (count_answered(answers[0]) + count_answered(answers[1]) < 2 * MANY) {
        tp__test_bench_turn(&fixture.bench, 10);
    }
    for (int i = 0; i < MANY; i++) {
        for (int end = 0; end < 2; end++) {
            snprintf(body, sizeof(body), "%d of %d", i, end);
            ck_assert_uint_eq(1, answers[end][i].count);
            ck_assert_str_eq(body, answers[end][i].body);
        }
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_pull_that_nobody_answers_times_out_once)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    const struct tp_send_options options = { .timeout = { 5 } };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, tp_session_pull_async(fixture.ends[0], TP_STR("/hold"), TP_STR("late"),
                                                  &options, on_reply, &answer));
    tp__test_bench_run(&fixture.bench, 60);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(504, answer.code);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_pull_ends_with_its_connection)
{
    struct fixture fixture;
    struct answer sent = { 0 };
    struct answer queued = { 0 };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/long", "", &sent));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/echo", "", &queued));
    tp__session_close(&fixture.ends[0], TP_CLOSE_CONNECTION_BROKEN);
    ck_assert_uint_eq(1, sent.count);
    ck_assert_uint_eq(1, queued.count);
    ck_assert_int_eq(101, sent.code);
    ck_assert_int_eq(101, queued.code);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_pull_ends_when_the_other_end_will_say_nothing_more)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/long", "", &answer));
    tp__test_bench_turn(&fixture.bench, 5);
    tp__session_close(&fixture.ends[1], TP_CLOSE_CONNECTION_BROKEN);
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(101, answer.code);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(closing_waits_for_what_was_asked)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    struct answer refused = { 0 };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/hold", "in time", &answer));
    tp_session_close(fixture.ends[0]);
    ck_assert_int_eq(TP_SESSION_ENDING, tp_session_get_state(fixture.ends[0]));
    ck_assert_int_eq(TP_GONE, pull(fixture.ends[0], "/echo", "", &refused));
    tp__test_bench_run(&fixture.bench, 60);
    ck_assert_str_eq("in time", answer.body);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_session_may_be_closed_by_who_is_told)
{
    struct fixture fixture;
    struct answer answers[2] = { 0 };

    fixture_open(&fixture);
    answers[0].closes = fixture.ends[0];
    answers[1].closes = fixture.ends[0];
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/echo", "1", &answers[0]));
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/long", "2", &answers[1]));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_uint_eq(1, answers[0].count);
    tp__session_close(&fixture.ends[0], TP_CLOSE_CONNECTION_BROKEN);
    ck_assert_uint_eq(1, answers[1].count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_push_is_told_and_not_answered)
{
    struct fixture fixture;
    struct tp_str body;

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK,
                     tp_session_push(fixture.ends[1], TP_STR("/push?tag=1"), TP_STR("news"), NULL));
    tp__test_bench_turn(&fixture.bench, 5);
    struct tp_exchange *exchange = tp__test_take_kept();

    ck_assert_ptr_nonnull(exchange);
    ck_assert_ptr_eq(fixture.ends[0], tp_exchange_session(exchange));
    ck_assert_int_eq(TP_OK, tp_exchange_read_body(exchange, &body));
    ck_assert_int_eq(0, strncmp("news", body.data, body.len));
    ck_assert_int_eq(TP_OK, tp_exchange_reply_copy(exchange, TP_STR(""), TP_CODEC_NONE));
    tp__test_bench_turn(&fixture.bench, 5);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_kept_exchange_is_answered_when_its_handler_knows)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/keep", "x", &answer));
    tp__test_bench_turn(&fixture.bench, 5);
    struct tp_exchange *exchange = tp__test_take_kept();

    ck_assert_uint_eq(0, answer.count);
    ck_assert_int_eq(TP_OK, tp_exchange_reply_copy(exchange, TP_STR("known"), TP_CODEC_PLAIN));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_str_eq("known", answer.body);
    fixture_close(&fixture);
}
END_TEST

/* Of an exchange that was passed on. */
struct passed {
    struct tp_exchange *exchange;
    bool is_idempotent;
    unsigned sent_count;
};

static void
passed_on_sent(void *owner)
{
    struct passed *passed = owner;

    passed->sent_count++;
    tp__exchange_end_loan(passed->exchange, passed->is_idempotent);
}

static void
passed_on_reply(const struct tp_reply *reply, void *owner)
{
    struct passed *passed = owner;

    tp__exchange_finish_forwarded(passed->exchange, reply);
}

/* It comes back to where it came from. */
START_TEST(a_request_that_was_passed_on_keeps_what_is_needed)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    struct passed passed = { .is_idempotent = _i == 1 };
    const struct tp_forwarding forwarding = {
        .is_pull = true,
        .asking = { .on_reply = passed_on_reply, .on_sent = passed_on_sent, .owner = &passed },
    };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/keep?a=1", "body", &answer));
    tp__test_bench_turn(&fixture.bench, 5);
    passed.exchange = tp__test_take_kept();
    ck_assert_int_eq(TP_OK, tp__session_forward(fixture.ends[1], passed.exchange, &forwarding));
    ck_assert_uint_eq(0, passed.sent_count);
    tp__test_bench_turn(&fixture.bench, 5);
    const struct tp_packet *request = tp_exchange_request(passed.exchange);

    ck_assert_uint_eq(1, passed.sent_count);
    ck_assert_uint_eq(passed.is_idempotent ? 4 : 0, request->body.len);
    ck_assert(tp__str_equal(TP_STR("/keep?a=1"), request->uri));
    ck_assert(tp__str_equal(TP_STR("a=1"), passed.exchange->query));
    struct tp_exchange *there = tp__test_take_kept();

    ck_assert(tp__str_equal(TP_STR("/keep?a=1"), tp_exchange_request(there)->uri));
    ck_assert_int_eq(TP_OK, tp_exchange_echo(there));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_str_eq("body", answer.body);
    ck_assert_uint_eq(1, fixture.bench.sessions.read_buf.buf->holders);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_kept_exchange_outlives_its_session)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/keep", "x", &answer));
    tp__test_bench_turn(&fixture.bench, 5);
    struct tp_exchange *exchange = tp__test_take_kept();

    tp__session_close(&fixture.ends[1], TP_CLOSE_CONNECTION_BROKEN);
    ck_assert_ptr_null(tp_exchange_session(exchange));
    ck_assert_int_eq(TP_GONE, tp_exchange_reply_copy(exchange, TP_STR("late"), TP_CODEC_PLAIN));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_kept_exchange_that_nobody_ends_is_freed_with_all)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/keep", "x", &answer));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_ptr_nonnull(tp__test_take_kept());
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_kept_exchange_times_out_and_is_its_handlers_still)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    fixture.site.server.limits.exchange_timeout.ms = 10;
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/keep", "x", &answer));
    tp__test_bench_run(&fixture.bench, 50);
    struct tp_exchange *exchange = tp__test_take_kept();

    ck_assert_int_eq(504, answer.code);
    ck_assert_int_eq(TP_GONE, tp_exchange_echo(exchange));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_uint_eq(1, answer.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_cannot_be_sent_is_refused)
{
    static char large[100];
    struct fixture fixture;
    struct answer answer = { 0 };
    const struct tp_send_options bad_codec = { .header_codec = 'x' };
    const struct tp_send_options bad_level = { .has_gzip = true, .gzip_level = 10 };

    fixture_open(&fixture);
    fixture.site.server.limits.packet.bytes = sizeof(large) - 1;
    memset(large, 'x', sizeof(large));
    ck_assert_int_eq(TP_TOO_LARGE, tp_session_push(fixture.ends[0], TP_STR("/"),
                                                   (struct tp_str){ large, sizeof(large) }, NULL));
    ck_assert_int_eq(TP_INVALID,
                     tp_session_push(fixture.ends[0], TP_STR("/"), TP_STR(""), &bad_codec));
    ck_assert_int_eq(TP_INVALID,
                     tp_session_push(fixture.ends[0], TP_STR("/"), TP_STR(""), &bad_level));
    fixture.site.server.limits.sent_pulls = 0;
    ck_assert_int_eq(TP_FULL, pull(fixture.ends[0], "/echo", "", &answer));
    ck_assert_uint_eq(1, fixture.bench.sessions.queues.refused);
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_uint_eq(0, answer.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_session_is_found_by_its_handle_while_it_lives)
{
    struct fixture fixture;

    fixture_open(&fixture);
    struct tp_session_handle handle = tp_session_get_handle(fixture.ends[1]);

    ck_assert_ptr_eq(fixture.ends[1], tp_session_at(handle));
    ck_assert_ptr_null(tp_session_at((struct tp_session_handle){ 0 }));
    tp__session_close(&fixture.ends[1], TP_CLOSE_CLOSED);
    ck_assert_ptr_null(tp_session_at(handle));
    fixture_close(&fixture);
}
END_TEST

START_TEST(an_id_belongs_to_one_session)
{
    struct fixture fixture;
    struct tp_sessions *sessions = &fixture.bench.sessions;

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, tp_session_set_id(fixture.ends[0], TP_STR("anna")));
    ck_assert_ptr_eq(fixture.ends[0], tp__sessions_find_id(sessions, TP_STR("anna")));
    fixture.site.server.id_conflict = TP_ID_REFUSE_NEW;
    ck_assert_int_eq(TP_EXISTS, tp_session_set_id(fixture.ends[1], TP_STR("anna")));
    fixture.site.server.id_conflict = TP_ID_CLOSE_OLD;
    ck_assert_int_eq(TP_OK, tp_session_set_id(fixture.ends[1], TP_STR("anna")));
    ck_assert_ptr_eq(fixture.ends[1], tp__sessions_find_id(sessions, TP_STR("anna")));
    ck_assert_int_eq(TP_SESSION_ENDING, tp_session_get_state(fixture.ends[0]));
    ck_assert_int_eq(TP_OK, tp_session_set_id(fixture.ends[1], TP_STR("")));
    ck_assert_ptr_null(tp__sessions_find_id(sessions, TP_STR("anna")));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_session_may_have_times_of_its_own)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    fixture.site.server.limits.read_timeout.ms = 3600000;
    ck_assert_int_eq(TP_INVALID, tp_session_set_timeout(fixture.ends[1], TP_SESSION_TIMEOUT_COUNT,
                                                        (struct tp_msec){ 10 }));
    ck_assert_int_eq(TP_INVALID, tp_session_set_timeout(fixture.ends[1], TP_TIMEOUT_READ,
                                                        (struct tp_msec){ -2 }));
    ck_assert_int_eq(
        TP_OK, tp_session_set_timeout(fixture.ends[0], TP_TIMEOUT_PULL, (struct tp_msec){ 5 }));
    ck_assert_int_eq(TP_OK, pull(fixture.ends[0], "/long", "", &answer));
    tp__test_bench_run(&fixture.bench, 60);
    ck_assert_int_eq(504, answer.code);
    ck_assert_int_eq(
        TP_OK, tp_session_set_timeout(fixture.ends[0], TP_TIMEOUT_READ, (struct tp_msec){ 10 }));
    tp__test_bench_run(&fixture.bench, 100);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=read-timeout"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(variables_are_kept_within_their_bounds)
{
    struct fixture fixture;
    char name[16];

    fixture_open(&fixture);
    struct tp_session *session = fixture.ends[0];

    ck_assert_int_eq(TP_OK, tp_session_set_variable(session, TP_STR("role"), TP_STR("admin")));
    ck_assert_int_eq(TP_OK, tp_session_set_variable(session, TP_STR("role"), TP_STR("user")));
    struct tp_str value = tp_session_get_variable(session, TP_STR("role"));

    ck_assert_int_eq(0, strncmp("user", value.data, value.len));
    ck_assert_int_eq(TP_OK, tp_session_set_variable(session, TP_STR("role"), TP_STR("")));
    ck_assert_uint_eq(0, tp_session_get_variable(session, TP_STR("role")).len);
    for (int i = 0; i < TP_SESSION_VARIABLES_MAX; i++) {
        struct tp_str text = { name, (size_t) snprintf(name, sizeof(name), "v%d", i) };

        ck_assert_int_eq(TP_OK, tp_session_set_variable(session, text, TP_STR("x")));
    }
    ck_assert_int_eq(TP_FULL, tp_session_set_variable(session, TP_STR("more"), TP_STR("x")));
    ck_assert_int_eq(TP_TOO_LARGE, tp_session_set_variable(session, TP_STR(""), TP_STR("x")));
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_asking(void)
{
    Suite *suite = suite_create("session/asking");
    TCase *tcase = tcase_create("asking");

    tcase_add_test(tcase, a_pull_is_answered_by_the_other_end);
    tcase_add_test(tcase, both_ends_ask_at_the_same_time);
    tcase_add_test(tcase, a_failure_comes_with_its_body);
    tcase_add_test(tcase, thousands_in_flight_find_their_askers);
    tcase_add_test(tcase, a_pull_that_nobody_answers_times_out_once);
    tcase_add_test(tcase, a_pull_ends_with_its_connection);
    tcase_add_test(tcase, a_pull_ends_when_the_other_end_will_say_nothing_more);
    tcase_add_test(tcase, closing_waits_for_what_was_asked);
    tcase_add_test(tcase, a_session_may_be_closed_by_who_is_told);
    tcase_add_test(tcase, a_push_is_told_and_not_answered);
    tcase_add_test(tcase, a_kept_exchange_is_answered_when_its_handler_knows);
    tcase_add_loop_test(tcase, a_request_that_was_passed_on_keeps_what_is_needed, 0, 2);
    tcase_add_test(tcase, a_kept_exchange_outlives_its_session);
    tcase_add_test(tcase, a_kept_exchange_that_nobody_ends_is_freed_with_all);
    tcase_add_test(tcase, a_kept_exchange_times_out_and_is_its_handlers_still);
    tcase_add_test(tcase, what_cannot_be_sent_is_refused);
    tcase_add_test(tcase, a_session_is_found_by_its_handle_while_it_lives);
    tcase_add_test(tcase, an_id_belongs_to_one_session);
    tcase_add_test(tcase, a_session_may_have_times_of_its_own);
    tcase_add_test(tcase, variables_are_kept_within_their_bounds);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
