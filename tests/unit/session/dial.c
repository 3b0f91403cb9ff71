/*
 * dial.c - tests of session/dial: a dialed session on one bench, and a listener that takes and
 * drops its connections.
 */
#include "session/dial.h"

#include "base/str.h"
#include "os/file.h"
#include "scratch.h"
#include "session_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    TARGET_MAX = 256,
};

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/long", .handler = "hold", .delay_ms = 3600000 },
    { 0 },
};

/* `server` is the other end's session while there is one. */
struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_scratch scratch;
    char target[TARGET_MAX];
    int listener_fd;
    struct tp_session *dialed;
    struct tp_session *server;
};

struct answer {
    unsigned count;
    int32_t code;
};

Suite *tp_suite_session_dial(void);

static void
fixture_listen(struct fixture *fixture)
{
    const struct tp_listen_options options = { .backlog = 8 };
    struct tp_endpoint endpoint;

    ck_assert_ptr_null(tp__endpoint_parse(tp__str(fixture->target), &endpoint));
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &options, &fixture->listener_fd));
}

static void
fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
    tp__scratch_open(&fixture->scratch);
    snprintf(fixture->target, sizeof(fixture->target), "unix:%s",
             tp__scratch_path(&fixture->scratch, "socket"));
    fixture_listen(fixture);
}

static void
fixture_close(struct fixture *fixture)
{
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
    tp__descriptor_close(&fixture->listener_fd);
    tp__scratch_close(&fixture->scratch);
}

static void
fixture_dial(struct fixture *fixture, int64_t times)
{
    struct tp_dialing dialing = {
        .target = tp__target_of_address(tp__str(fixture->target)),
        .timeout = { 5000 },
        .redial = { .first = { 4 }, .max = { 20 }, .times = times },
    };

    ck_assert_int_eq(TP_OK,
                     tp__session_dial(&fixture->bench.sessions, &fixture->site.source,
                                      fixture->bench.next_number++, &dialing, &fixture->dialed));
}

/* Lets the loop turn until a connection comes, which becomes the session `server`. */
static void
fixture_accept(struct fixture *fixture)
{
    int64_t end_ms = tp__clock_monotonic_ms() + TP_TEST_WAIT_MS;
    struct tp_address remote;
    int fd = -1;

    while (tp__socket_accept(fixture->listener_fd, &fd, &remote) != TP_OK) {
        ck_assert(tp__clock_monotonic_ms() < end_ms);
        tp__test_bench_run(&fixture->bench, 1);
    }
    ck_assert_int_eq(TP_OK, tp__session_start(&fixture->bench.sessions, &fixture->site.source,
                                              fixture->bench.next_number++, fd, &remote));
    fixture->server =
        TP_CONTAINER_OF(fixture->bench.sessions.members.previous, struct tp_session, node);
    while (!tp__session_is_connected(fixture->dialed)) {
        ck_assert(tp__clock_monotonic_ms() < end_ms);
        tp__test_bench_run(&fixture->bench, 1);
    }
}

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct answer *answer = owner;

    answer->count++;
    answer->code = tp_reply_status(reply)->code;
}

static enum tp_result
pull(struct fixture *fixture, const char *uri, bool fails_at_once, struct answer *answer)
{
    struct tp_send_options options = { .fails_at_once = fails_at_once };

    return tp_session_pull_async(fixture->dialed, tp__str(uri), TP_STR("x"), &options, on_reply,
                                 answer);
}

/* Ends the connection.  Not one turn too many: on a slow machine it would be back by then. */
static void
fixture_lose(struct fixture *fixture, const struct answer *in_flight)
{
    int64_t end_ms = tp__clock_monotonic_ms() + TP_TEST_WAIT_MS;

    tp__session_close(&fixture->server, TP_CLOSE_CONNECTION_BROKEN);
    while (in_flight->count == 0) {
        ck_assert(tp__clock_monotonic_ms() < end_ms);
        tp__test_bench_turn(&fixture->bench, 1);
    }
}

START_TEST(what_is_asked_before_it_is_connected_waits)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    struct answer refused = { 0 };

    fixture_open(&fixture);
    fixture_dial(&fixture, -1);
    ck_assert_int_eq(TP_SESSION_CONNECTING, tp_session_get_state(fixture.dialed));
    ck_assert_int_eq(TP_OK, pull(&fixture, "/echo", false, &answer));
    ck_assert_int_eq(TP_GONE, pull(&fixture, "/echo", true, &refused));
    fixture_accept(&fixture);
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(fixture.dialed));
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_int_eq(200, answer.code);
    fixture_close(&fixture);
}
END_TEST

START_TEST(it_comes_back_each_time_as_the_same_session)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_dial(&fixture, -1);
    struct tp_session *dialed = fixture.dialed;

    ck_assert_int_eq(TP_OK, tp_session_set_id(dialed, TP_STR("me")));
    for (int i = 0; i < 20; i++) {
        struct answer in_flight = { 0 };
        struct answer waiting = { 0 };

        fixture_accept(&fixture);
        ck_assert_int_eq(TP_OK, pull(&fixture, "/long", false, &in_flight));
        tp__test_bench_turn(&fixture.bench, 5);
        ck_assert_uint_eq(0, in_flight.count);
        fixture_lose(&fixture, &in_flight);
        ck_assert_int_eq(101, in_flight.code);
        ck_assert_int_eq(TP_SESSION_CONNECTING, tp_session_get_state(dialed));
        ck_assert_int_eq(TP_OK, pull(&fixture, "/echo", false, &waiting));
        fixture_accept(&fixture);
        tp__test_bench_turn(&fixture.bench, 5);
        ck_assert_int_eq(200, waiting.code);
        tp__session_close(&fixture.server, TP_CLOSE_CONNECTION_BROKEN);
        tp__test_bench_turn(&fixture.bench, 3);
    }
    ck_assert_ptr_eq(dialed, tp__sessions_find_id(&fixture.bench.sessions, TP_STR("me")));
    fixture_close(&fixture);
}
END_TEST

START_TEST(it_ends_after_as_many_failures_as_it_may_have)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    tp__descriptor_close(&fixture.listener_fd);
    fixture_dial(&fixture, 2);
    ck_assert_int_eq(TP_OK, pull(&fixture, "/echo", false, &answer));
    tp__test_bench_run(&fixture.bench, 100);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(101, answer.code);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=dial-failed"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(it_does_not_come_back_when_it_is_told_not_to)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_dial(&fixture, -1);
    fixture_accept(&fixture);
    tp__session_close_told(fixture.server, TP_CLOSE_ID_TAKEN, TP_STR(""), false);
    tp__test_bench_run(&fixture.bench, 50);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(it_comes_back_when_it_may)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_dial(&fixture, -1);
    fixture_accept(&fixture);
    tp__session_close_told(fixture.server, TP_CLOSE_SHUTDOWN, TP_STR(""), true);
    tp__test_bench_turn(&fixture.bench, 5);
    fixture_accept(&fixture);
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(fixture.dialed));
    fixture_close(&fixture);
}
END_TEST

START_TEST(closing_lets_what_is_queued_leave_first)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    fixture_dial(&fixture, -1);
    ck_assert_int_eq(TP_OK, pull(&fixture, "/echo", false, &answer));
    tp_session_close(fixture.dialed);
    fixture_accept(&fixture);
    tp__test_bench_turn(&fixture.bench, 8);
    ck_assert_int_eq(200, answer.code);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_was_open_is_not_counted_after_a_loss)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    fixture.site.server.limits.pending_pulls = 2;
    fixture_dial(&fixture, -1);
    for (int i = 0; i < 4; i++) {
        fixture_accept(&fixture);
        ck_assert_int_eq(TP_OK, tp_session_pull_async(fixture.server, TP_STR("/long"), TP_STR(""),
                                                      NULL, on_reply, &answer));
        tp__test_bench_turn(&fixture.bench, 5);
        ck_assert_uint_eq(1, fixture.dialed->exchange_count);
        tp__session_close(&fixture.server, TP_CLOSE_CONNECTION_BROKEN);
        tp__test_bench_turn(&fixture.bench, 3);
        ck_assert_uint_eq(0, fixture.dialed->exchange_count);
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(no_time_runs_while_it_is_not_connected)
{
    struct fixture fixture;

    fixture_open(&fixture);
    tp__descriptor_close(&fixture.listener_fd);
    fixture_dial(&fixture, -1);
    ck_assert_int_eq(
        TP_OK, tp_session_set_timeout(fixture.dialed, TP_TIMEOUT_READ, (struct tp_msec){ 1 }));
    tp__test_bench_run(&fixture.bench, 60);
    ck_assert_int_eq(TP_SESSION_CONNECTING, tp_session_get_state(fixture.dialed));
    ck_assert(!tp__test_bench_has_logged(&fixture.bench, "read-timeout"));
    fixture_close(&fixture);
}
END_TEST

static void
on_reply_close(const struct tp_reply *reply, void *owner)
{
    struct fixture *fixture = owner;

    ck_assert_int_eq(101, tp_reply_status(reply)->code);
    tp_session_close(fixture->dialed);
}

START_TEST(who_hears_of_a_loss_may_close_it_for_good)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_dial(&fixture, -1);
    fixture_accept(&fixture);
    ck_assert_int_eq(TP_OK, tp_session_pull_async(fixture.dialed, TP_STR("/long"), TP_STR(""), NULL,
                                                  on_reply_close, &fixture));
    tp__test_bench_turn(&fixture.bench, 5);
    tp__session_close(&fixture.server, TP_CLOSE_CONNECTION_BROKEN);
    tp__test_bench_run(&fixture.bench, 50);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_target_that_is_none_makes_no_session)
{
    struct fixture fixture;
    struct tp_session *session;
    const struct tp_dialing dialing = { .target = tp__target_of_address(TP_STR("no port")),
                                        .timeout = { 1000 } };

    fixture_open(&fixture);
    ck_assert_int_eq(TP_INVALID, tp__session_dial(&fixture.bench.sessions, &fixture.site.source, 1,
                                                  &dialing, &session));
    ck_assert_ptr_null(session);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_dial(void)
{
    Suite *suite = suite_create("session/dial");
    TCase *tcase = tcase_create("dial");

    tcase_add_test(tcase, what_is_asked_before_it_is_connected_waits);
    tcase_add_test(tcase, it_comes_back_each_time_as_the_same_session);
    tcase_add_test(tcase, it_ends_after_as_many_failures_as_it_may_have);
    tcase_add_test(tcase, it_does_not_come_back_when_it_is_told_not_to);
    tcase_add_test(tcase, it_comes_back_when_it_may);
    tcase_add_test(tcase, closing_lets_what_is_queued_leave_first);
    tcase_add_test(tcase, what_was_open_is_not_counted_after_a_loss);
    tcase_add_test(tcase, no_time_runs_while_it_is_not_connected);
    tcase_add_test(tcase, who_hears_of_a_loss_may_close_it_for_good);
    tcase_add_test(tcase, a_target_that_is_none_makes_no_session);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
