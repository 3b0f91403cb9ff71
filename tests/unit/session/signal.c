/*
 * signal.c - tests of session/signal: PULLs and PUSHes that are no exchanges, and when they have to
 * be ones.
 */
#include <teleport/session_data.h>

#include "base/str.h"

#include "session_fixture.h"

#include <check.h>
#include <string.h>

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/hold", .handler = "hold", .delay_ms = 5 },
    { .type = TP_PACKET_PUSH, .uri = "/push", .handler = "keep" },
    { 0 },
};

struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_session *ends[2];
};

Suite *tp_suite_session_signal(void);

static void
fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
    tp__test_pair_open(&fixture->bench, &fixture->site, fixture->ends);
}

static void
fixture_close(struct fixture *fixture)
{
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
}

static enum tp_result
signal_pull(struct tp_session *session, const char *uri)
{
    return tp_session_signal(session, TP_PACKET_PULL, tp__str(uri), TP_STR(""));
}

START_TEST(its_reply_tells_how_long_the_way_is)
{
    struct fixture fixture;

    fixture_open(&fixture);
    struct tp_session *session = fixture.ends[0];

    ck_assert(!tp_session_awaits_signal(session));
    ck_assert_int_eq(TP_OK, signal_pull(session, "/hold"));
    ck_assert(tp_session_awaits_signal(session));
    while (tp_session_awaits_signal(session)) {
        tp__test_bench_run(&fixture.bench, 1);
    }
    ck_assert_int_ge(tp_session_rtt_us(session), 4000);
    fixture_close(&fixture);
}
END_TEST

START_TEST(any_status_is_an_answer)
{
    struct fixture fixture;

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, signal_pull(fixture.ends[1], "/nowhere"));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert(!tp_session_awaits_signal(fixture.ends[1]));
    ck_assert_int_gt(tp_session_rtt_us(fixture.ends[1]), 0);
    fixture_close(&fixture);
}
END_TEST

START_TEST(only_the_last_one_is_awaited)
{
    struct fixture fixture;

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, signal_pull(fixture.ends[0], "/hold"));
    ck_assert_int_eq(TP_OK, signal_pull(fixture.ends[0], "/echo"));
    tp__test_bench_turn(&fixture.bench, 3);
    ck_assert(!tp_session_awaits_signal(fixture.ends[0]));
    tp__test_bench_run(&fixture.bench, 20);
    ck_assert_uint_eq(2, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_push_is_awaited_by_nobody)
{
    struct fixture fixture;

    fixture_open(&fixture);
    ck_assert_int_eq(
        TP_OK, tp_session_signal(fixture.ends[0], TP_PACKET_PUSH, TP_STR("/push"), TP_STR("")));
    ck_assert(!tp_session_awaits_signal(fixture.ends[0]));
    tp__test_bench_turn(&fixture.bench, 5);
    struct tp_exchange *exchange = tp__test_take_kept();

    ck_assert_ptr_nonnull(exchange);
    ck_assert_int_eq(TP_OK, tp_exchange_reply_copy(exchange, TP_STR(""), TP_CODEC_NONE));
    fixture_close(&fixture);
}
END_TEST

START_TEST(it_overtakes_nothing)
{
    struct fixture fixture;

    fixture_open(&fixture);
    ck_assert_int_eq(TP_OK, tp_session_push(fixture.ends[0], TP_STR("/tell"), TP_STR("x"), NULL));
    ck_assert_int_eq(TP_AGAIN, signal_pull(fixture.ends[0], "/echo"));
    tp__test_bench_turn(&fixture.bench, 3);
    ck_assert_int_eq(TP_OK, signal_pull(fixture.ends[0], "/echo"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(where_packets_are_watched_it_is_one_of_them)
{
    static const struct tp_hook_use use = { .owner = "nobody" };
    static const struct tp_hook_set watched = { .at[TP_HOOK_PRE_WRITE_PULL] = { &use, 1 } };
    static const struct tp_hook_set unwatched = { .at[TP_HOOK_POST_DIAL] = { &use, 1 } };
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.site.server.hooks = &watched;
    ck_assert_int_eq(TP_AGAIN, signal_pull(fixture.ends[0], "/echo"));
    fixture.site.server.hooks = &unwatched;
    ck_assert_int_eq(TP_OK, signal_pull(fixture.ends[0], "/echo"));
    fixture.site.server.hooks = NULL;
    fixture.site.server.logging.slow_threshold.ms = 1;
    ck_assert_int_eq(TP_AGAIN, signal_pull(fixture.ends[0], "/echo"));
    fixture.site.server.logging.slow_threshold.ms = 0;
    fixture.site.server.logging.logs_bodies = true;
    ck_assert_int_eq(TP_AGAIN, signal_pull(fixture.ends[0], "/echo"));
    fixture.site.server.logging.logs_bodies = false;
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_ends_sends_none)
{
    struct fixture fixture;

    fixture_open(&fixture);
    tp_session_close(fixture.ends[0]);
    ck_assert_int_eq(TP_GONE, signal_pull(fixture.ends[0], "/echo"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_broken_connection_ends_at_the_end_of_the_turn)
{
    struct fixture fixture;

    fixture_open(&fixture);
    tp__session_close(&fixture.ends[1], TP_CLOSE_CONNECTION_BROKEN);
    /* The first write may be taken yet, before the other end has said that nobody is there. */
    enum tp_result result = signal_pull(fixture.ends[0], "/echo");

    if (result == TP_OK) {
        result = signal_pull(fixture.ends[0], "/echo");
    }
    ck_assert_int_eq(TP_GONE, result);
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_signal(void)
{
    Suite *suite = suite_create("session/signal");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, its_reply_tells_how_long_the_way_is);
    tcase_add_test(tests, any_status_is_an_answer);
    tcase_add_test(tests, only_the_last_one_is_awaited);
    tcase_add_test(tests, a_push_is_awaited_by_nobody);
    tcase_add_test(tests, it_overtakes_nothing);
    tcase_add_test(tests, where_packets_are_watched_it_is_one_of_them);
    tcase_add_test(tests, who_ends_sends_none);
    tcase_add_test(tests, a_broken_connection_ends_at_the_end_of_the_turn);
    suite_add_tcase(suite, tests);
    return suite;
}
