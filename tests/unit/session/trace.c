/*
 * trace.c - tests of session/trace: which exchanges are watched, and what is shown of them.
 */
#include "session_fixture.h"

#include "base/str.h"
#include "session/trace.h"

#include <check.h>
#include <string.h>

struct match {
    const char *pattern;
    const char *uri;
    bool matches;
};

static const struct match matches[] = {
    { "/echo", "/echo", true },
    { "/echo", "/echo?a=1", true },
    { "/echo", "/echo#x", true },
    { "/echo", "/%65cho", true },
    { "/echo", "/%65Cho", false },
    { "/echo", "/echo/", false },
    { "/echo", "/ech", false },
    { "/echo", "", false },
    { "/echo", "tp://host:1/echo", true },
    { "/echo", "tp://host", false },
    { "/math/*", "/math/add", true },
    { "/math/*", "/math/", true },
    { "/math/*", "/math", false },
    { "/math/*", "/math%2fadd", true },
    { "/math/*", "/%", false },
    { "/%", "/%", false },
    { "*", "", true },
    { "*", "/anything", true },
    { "/a?b", "/a?b", false },
};

START_TEST(a_pattern_means_paths)
{
    const struct match *match = &matches[_i];

    ck_assert_msg(tp__trace_uri_matches(tp__str(match->pattern), tp__str(match->uri))
                      == match->matches,
                  "%s, %s", match->pattern, match->uri);
}
END_TEST

/* A server that is watched. */

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/fail", .handler = "fail" },
    { .type = TP_PACKET_PULL, .uri = "/hold", .handler = "hold", .delay_ms = 20 },
    { .type = TP_PACKET_PULL, .uri = "/keep", .handler = "keep" },
    { .type = TP_PACKET_PUSH, .uri = "/push", .handler = "echo" },
    { 0 },
};

/* What was seen last, and how much. */
struct witness {
    unsigned count;
    bool hides;
    int32_t status;
    char uri[64];
    char request[TP_BODY_TEXT_MAX + 1];
    char reply[TP_BODY_TEXT_MAX + 1];
    int64_t stages_us[TP_TRACE_STAGE_COUNT];
    int64_t total_us;
};

struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_test_client client;
    struct tp_test_stream sent;
    struct tp_trace *trace;
    struct witness witness;
};

static void
on_traced(const struct tp_traced *traced, void *owner)
{
    struct witness *witness = owner;
    struct tp_body_text text;
    bool is_shown;

    witness->count++;
    witness->status = traced->status;
    memcpy(witness->uri, traced->uri.data, traced->uri.len);
    witness->uri[traced->uri.len] = '\0';
    tp_traced_show_body(traced, false, TP_BODY_TEXT_MAX, &text, &is_shown);
    witness->hides = !is_shown;
    strcpy(witness->request, text.text);
    tp_traced_show_body(traced, true, TP_BODY_TEXT_MAX, &text, &is_shown);
    strcpy(witness->reply, text.text);
    memcpy(witness->stages_us, traced->stages_us, sizeof(witness->stages_us));
    witness->total_us = traced->total_us;
}

static void
fixture_open(struct fixture *fixture, const struct tp_trace_filter *filter)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
    tp__test_client_open(&fixture->client, &fixture->bench, &fixture->site);
    ck_assert_int_eq(TP_OK, tp_trace_create(&fixture->bench.sessions, filter, true, on_traced,
                                            &fixture->witness, &fixture->trace));
}

static void
fixture_close(struct fixture *fixture)
{
    tp_trace_destroy(&fixture->trace);
    ck_assert_ptr_null(fixture->bench.sessions.tracer);
    tp__test_client_close(&fixture->client);
    tp__test_bench_close(&fixture->bench);
    ck_assert_uint_eq(fixture->bench.sessions.trace_record_count, 0);
    tp__test_site_close(&fixture->site);
    tp__test_stream_clear(&fixture->sent);
}

static void
fixture_ask(struct fixture *fixture, const char *uri)
{
    tp__test_stream_clear(&fixture->sent);
    tp__test_stream_add_pull(&fixture->sent, 1, uri, TP_STR("[1]"));
    tp__test_client_send(&fixture->client, &fixture->bench, &fixture->sent);
    tp__test_bench_run(&fixture->bench, 40);
}

static const struct tp_trace_filter everything;

START_TEST(a_pull_is_shown_with_both_bodies)
{
    struct fixture fixture;

    fixture_open(&fixture, &everything);
    fixture_ask(&fixture, "/echo");
    ck_assert_uint_eq(fixture.witness.count, 1);
    ck_assert_int_eq(fixture.witness.status, 200);
    ck_assert_str_eq(fixture.witness.uri, "/echo");
    ck_assert_str_eq(fixture.witness.request, "[1]");
    ck_assert_str_eq(fixture.witness.reply, "[1]");
    ck_assert(!fixture.witness.hides);
    fixture_close(&fixture);
}
END_TEST

START_TEST(stages_are_there_where_there_were_any)
{
    struct fixture fixture;

    fixture_open(&fixture, &everything);
    fixture_ask(&fixture, "/hold");
    const struct witness *seen = &fixture.witness;

    ck_assert_int_ge(seen->stages_us[TP_TRACE_HANDLER], 19000);
    ck_assert_int_ge(seen->stages_us[TP_TRACE_WAIT], 0);
    ck_assert_int_ge(seen->stages_us[TP_TRACE_QUEUE], 0);
    ck_assert_int_eq(seen->stages_us[TP_TRACE_UPSTREAM], -1);
    ck_assert_int_eq(seen->stages_us[TP_TRACE_ANSWER], -1);
    ck_assert_int_ge(seen->total_us, seen->stages_us[TP_TRACE_HANDLER]);
    fixture_close(&fixture);
}
END_TEST

START_TEST(filters_are_asked_at_both_ends)
{
    const struct tp_trace_filter filter = {
        .uri = TP_STR("/f*"),
        .status_min = 1000,
        .status_max = 1999,
    };
    struct fixture fixture;

    fixture_open(&fixture, &filter);
    fixture_ask(&fixture, "/echo");
    fixture_ask(&fixture, "/fnone");
    ck_assert_uint_eq(fixture.witness.count, 0);
    fixture_ask(&fixture, "/fail");
    ck_assert_uint_eq(fixture.witness.count, 1);
    ck_assert_int_eq(fixture.witness.status, 1001);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_has_begun_before_is_not_seen)
{
    struct fixture fixture;
    struct tp_trace *late;
    struct witness witness = { 0 };

    fixture_open(&fixture, &everything);
    fixture_ask(&fixture, "/keep");
    tp_trace_destroy(&fixture.trace);
    ck_assert_int_eq(TP_OK, tp_trace_create(&fixture.bench.sessions, &everything, true, on_traced,
                                            &witness, &late));
    tp_exchange_echo(tp__test_take_kept());
    tp__test_bench_run(&fixture.bench, 5);
    ck_assert_uint_eq(fixture.witness.count + witness.count, 0);
    tp_trace_destroy(&late);
    fixture_close(&fixture);
}
END_TEST

START_TEST(one_that_its_session_leaves_is_shown_once)
{
    struct fixture fixture;

    fixture_open(&fixture, &everything);
    fixture_ask(&fixture, "/keep");
    tp__session_close(&fixture.client.session, TP_CLOSE_CLOSED);
    ck_assert_uint_eq(fixture.witness.count, 1);
    ck_assert_int_eq(fixture.witness.status, TP_STATUS_CONNECTION_CLOSED);
    tp_exchange_echo(tp__test_take_kept());
    ck_assert_uint_eq(fixture.witness.count, 1);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_push_of_ours_is_shown_unless_it_is_news)
{
    const struct tp_trace_filter filter = { .spared_push = TP_STR("/news") };
    struct fixture fixture;

    fixture_open(&fixture, &filter);
    ck_assert_int_eq(TP_OK,
                     tp_session_push(fixture.client.session, TP_STR("/news"), TP_STR("1"), NULL));
    ck_assert_int_eq(TP_OK,
                     tp_session_push(fixture.client.session, TP_STR("/told"), TP_STR("2"), NULL));
    tp__test_bench_run(&fixture.bench, 5);
    ck_assert_uint_eq(fixture.witness.count, 1);
    ck_assert_str_eq(fixture.witness.uri, "/told");
    ck_assert_str_eq(fixture.witness.request, "2");
    ck_assert_int_eq(fixture.witness.stages_us[TP_TRACE_HANDLER], -1);
    fixture_close(&fixture);
}
END_TEST

START_TEST(so_many_may_watch_and_no_more)
{
    struct fixture fixture;
    struct tp_trace *traces[TP_TRACES_MAX];
    struct tp_trace *another;

    fixture_open(&fixture, &everything);
    tp_trace_destroy(&fixture.trace);
    for (unsigned i = 0; i < TP_TRACES_MAX; i++) {
        ck_assert_int_eq(TP_OK, tp_trace_create(&fixture.bench.sessions, &everything, false,
                                                on_traced, &fixture.witness, &traces[i]));
    }
    ck_assert_int_eq(TP_FULL, tp_trace_create(&fixture.bench.sessions, &everything, false,
                                              on_traced, &fixture.witness, &another));
    ck_assert_ptr_null(another);
    fixture_ask(&fixture, "/echo");
    ck_assert_uint_eq(fixture.witness.count, TP_TRACES_MAX);
    for (unsigned i = 0; i < TP_TRACES_MAX; i++) {
        tp_trace_destroy(&traces[i]);
    }
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_trace(void)
{
    Suite *suite = suite_create("session/trace");
    TCase *tests = tcase_create("trace");

    tcase_add_loop_test(tests, a_pattern_means_paths, 0, TP_COUNT_OF(matches));
    tcase_add_test(tests, a_pull_is_shown_with_both_bodies);
    tcase_add_test(tests, stages_are_there_where_there_were_any);
    tcase_add_test(tests, filters_are_asked_at_both_ends);
    tcase_add_test(tests, what_has_begun_before_is_not_seen);
    tcase_add_test(tests, one_that_its_session_leaves_is_shown_once);
    tcase_add_test(tests, a_push_of_ours_is_shown_unless_it_is_news);
    tcase_add_test(tests, so_many_may_watch_and_no_more);
    suite_add_tcase(suite, tests);
    return suite;
}
