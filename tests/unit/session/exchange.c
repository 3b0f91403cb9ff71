/*
 * exchange.c - tests of session/exchange: what comes of a PULL or a PUSH.
 */
#include "session_fixture.h"

#include <check.h>
#include <string.h>

#define BODY TP_STR("[1,2]")

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/a b/\xc3\xa9", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/below/*", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/silent", .handler = "silent" },
    { .type = TP_PACKET_PULL, .uri = "/late-silent", .handler = "late-silent", .delay_ms = 5 },
    { .type = TP_PACKET_PULL, .uri = "/fail", .handler = "fail" },
    { .type = TP_PACKET_PULL, .uri = "/hold", .handler = "hold", .delay_ms = 20 },
    { .type = TP_PACKET_PULL, .uri = "/long", .handler = "hold", .delay_ms = 3600000 },
    { .type = TP_PACKET_PULL, .uri = "/count", .handler = "count", .delay_ms = 2 },
    { .type = TP_PACKET_PUSH, .uri = "/push", .handler = "echo" },
    { .type = TP_PACKET_PUSH, .uri = "/fail", .handler = "fail" },
    { .type = TP_PACKET_PUSH, .uri = "/silent", .handler = "silent" },
    { .type = TP_PACKET_PUSH, .uri = "/hold", .handler = "hold", .delay_ms = 5 },
    { .type = TP_PACKET_PUSH, .uri = "/long", .handler = "hold", .delay_ms = 3600000 },
    { 0 },
};

struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_test_client client;
    struct tp_test_stream sent;
    struct tp_test_stream wanted;
};

static void
fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
    tp__test_client_open(&fixture->client, &fixture->bench, &fixture->site);
}

static void
fixture_close(struct fixture *fixture)
{
    tp__test_client_close(&fixture->client);
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
    tp__test_stream_clear(&fixture->sent);
    tp__test_stream_clear(&fixture->wanted);
}

/* Sends what was gathered, and expects what was gathered. */
static void
fixture_run(struct fixture *fixture)
{
    tp__test_client_send(&fixture->client, &fixture->bench, &fixture->sent);
    tp__test_client_expect(&fixture->client, &fixture->bench, &fixture->wanted);
}

struct outcome {
    const char *uri;
    int32_t code;
    const char *text;
};

static const struct outcome outcomes[] = {
    { "/echo", 200, "OK" },
    { "/echo?a=1", 200, "OK" },
    { "/echo#part", 200, "OK" },
    { "/echo?a=%zz", 200, "OK" },
    { "/%65cho", 200, "OK" },
    { "/%65%63%68%6F", 200, "OK" },
    { "/%65%63%68%6f", 200, "OK" },
    { "/a%20b/%C3%a9", 200, "OK" },
    { "tp://host:1/echo", 200, "OK" },
    { "tp://host/echo?x", 200, "OK" },
    { "/below/", 404, "Not Found" },
    { "/below", 404, "Not Found" },
    { "/below/x", 200, "OK" },
    { "/below//", 200, "OK" },
    { "/Echo", 404, "Not Found" },
    { "/echo/", 404, "Not Found" },
    { "//echo", 404, "Not Found" },
    { "echo", 404, "Not Found" },
    { "tp://host", 404, "Not Found" },
    { "", 404, "Not Found" },
    { "?", 404, "Not Found" },
    { "/push", 404, "Not Found" },
    { "/ech%6", 400, "Bad URI" },
    { "/ech%", 400, "Bad URI" },
    { "/ech%6g", 400, "Bad URI" },
    { "/%g5cho", 400, "Bad URI" },
    { "/echo%00", 400, "Bad URI" },
    { "/echo%1f", 400, "Bad URI" },
    { "/echo%7F", 400, "Bad URI" },
    { "/echo\\u0001", 400, "Bad URI" },
    { "/echo\\u007f", 400, "Bad URI" },
    { "/silent", 500, "Internal Server Error" },
    { "/late-silent", 500, "Internal Server Error" },
};

START_TEST(each_uri_has_its_outcome)
{
    const struct outcome *outcome = &outcomes[_i];
    struct tp_status status = { .code = outcome->code,
                                .text = { outcome->text, strlen(outcome->text) } };
    struct fixture fixture;
    const char *uri = outcome->uri;

    fixture_open(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 7, uri, BODY);
    /* Empty fields are left out, and what needs no escape has none. */
    if (uri[0] == '\0') {
        static const char header[] =
            "j{\"seq\":7,\"type\":2,\"status_code\":404,\"status\":\"Not Found\"}";

        tp__test_stream_add(&fixture.wanted, "\0\0\0", 3);
        tp__test_stream_add(&fixture.wanted, &(uint8_t){ sizeof(header) - 1 }, 1);
        tp__test_stream_add(&fixture.wanted, header, sizeof(header) - 1);
        tp__test_stream_add(&fixture.wanted, "\0\0\0\0", 4);
    } else {
        uri = strcmp(uri, "/echo\\u007f") == 0 ? "/echo\x7f" : uri;
        tp__test_stream_add_reply(&fixture.wanted, 7, uri, status,
                                  outcome->code == 200 ? BODY : (struct tp_str){ 0 });
    }
    /* The session goes on, whatever came of it; a late answer would only be overtaken. */
    if (strcmp(uri, "/late-silent") != 0) {
        tp__test_stream_add_pull(&fixture.sent, 8, "/echo", BODY);
        tp__test_stream_add_echo(&fixture.wanted, 8, "/echo", BODY);
    }
    fixture_run(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_handler_may_fail_and_send_a_body)
{
    const struct tp_status status = { .code = 1001, .text = TP_STR("no luck") };
    struct fixture fixture;

    fixture_open(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/fail", BODY);
    tp__test_stream_add_reply(&fixture.wanted, 1, "/fail", status, TP_STR("details"));
    fixture_run(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_push_is_never_answered)
{
    static const char *const uris[] = { "/push", "/fail", "/silent", "/hold", "/none", "/bad%" };
    struct fixture fixture;

    fixture_open(&fixture);
    for (size_t i = 0; i < TP_COUNT_OF(uris); i++) {
        tp__test_stream_add_push(&fixture.sent, (unsigned) i + 1, uris[i], BODY);
    }
    fixture_run(&fixture);
    tp__test_bench_run(&fixture.bench, 15);
    tp__test_stream_add(&fixture.wanted, "", 0);
    tp__test_client_expect(&fixture.client, &fixture.bench, &fixture.wanted);
    ck_assert_uint_eq(0, fixture.client.session->exchange_count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(an_empty_body_and_none_are_echoed_as_they_are)
{
    struct fixture fixture;

    fixture_open(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", TP_STR(""));
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", (struct tp_str){ 0 });
    tp__test_stream_add_echo(&fixture.wanted, 1, "/echo", TP_STR(""));
    tp__test_stream_add_echo(&fixture.wanted, 2, "/echo", (struct tp_str){ 0 });
    fixture_run(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_held_exchange_is_overtaken_and_answered)
{
    struct fixture fixture;

    fixture_open(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hold?q", TP_STR("held"));
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", BODY);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hold", TP_STR("again"));
    tp__test_stream_add_echo(&fixture.wanted, 2, "/echo", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/hold?q", TP_STR("held"));
    tp__test_stream_add_echo(&fixture.wanted, 1, "/hold", TP_STR("again"));
    fixture_run(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_handler_keeps_state_of_each_exchange)
{
    struct fixture fixture;

    fixture_open(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/count", BODY);
    tp__test_stream_add_pull(&fixture.sent, 2, "/count", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/count", TP_STR("3"));
    tp__test_stream_add_echo(&fixture.wanted, 2, "/count", TP_STR("3"));
    fixture_run(&fixture);
    fixture_close(&fixture);
}
END_TEST

/* The pool's bytes are checked when the bench closes. */
START_TEST(a_held_exchange_ends_with_its_session)
{
    struct fixture fixture;

    fixture_open(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/long", BODY);
    tp__test_stream_add_push(&fixture.sent, 2, "/long", BODY);
    tp__test_stream_add_pull(&fixture.sent, 3, "/count", BODY);
    fixture_run(&fixture);
    ck_assert_uint_eq(3, fixture.client.session->exchange_count);
    tp__session_close(&fixture.client.session, TP_CLOSE_SHUTDOWN);
    ck_assert_uint_eq(0, tp__loop_timer_count(fixture.bench.loop));
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_small_held_request_does_not_pin_what_it_was_read_into)
{
    struct fixture fixture;

    fixture_open(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/long?query", BODY);
    fixture_run(&fixture);
    ck_assert_uint_eq(1, fixture.bench.sessions.read_buf.buf->holders);
    fixture_close(&fixture);
}
END_TEST

START_TEST(replies_of_an_ordered_route_wait_for_their_turn)
{
    static const struct tp_test_route ordered[] = {
        { .type = TP_PACKET_PULL,
          .uri = "/o",
          .handler = "hold",
          .delay_ms = 10,
          .is_ordered = true },
        { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
        { 0 },
    };
    struct fixture fixture;

    fixture_open(&fixture);
    /* Another site: of one route, whose delay the second exchange is told to skip. */
    struct tp_test_site site;
    struct tp_test_client client;

    tp__test_site_open(&site, &fixture.bench, ordered);
    tp__test_client_open(&client, &fixture.bench, &site);
    tp__test_stream_add_pull(&fixture.sent, 1, "/o", TP_STR("first"));
    tp__test_stream_add_pull(&fixture.sent, 2, "/o", TP_STR("second"));
    tp__test_stream_add_pull(&fixture.sent, 3, "/echo", BODY);
    tp__test_client_send(&client, &fixture.bench, &fixture.sent);
    tp__test_bench_turn(&fixture.bench, 2);

    struct tp_exchange *second =
        TP_CONTAINER_OF(client.session->exchanges.previous, struct tp_exchange, node);

    ck_assert_int_eq(TP_OK, tp_exchange_echo(second));
    ck_assert(second->is_parked);
    ck_assert_uint_eq(2, client.session->exchange_count);
    tp__test_stream_add_echo(&fixture.wanted, 3, "/echo", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/o", TP_STR("first"));
    tp__test_stream_add_echo(&fixture.wanted, 2, "/o", TP_STR("second"));
    tp__test_client_expect(&client, &fixture.bench, &fixture.wanted);
    tp__test_client_close(&client);
    tp__test_bench_run(&fixture.bench, 2);
    tp__test_site_close(&site);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_reply_to_nobody_is_ignored)
{
    struct fixture fixture;

    fixture_open(&fixture);
    tp__test_stream_add_echo(&fixture.sent, 1, "/echo", BODY);
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 2, "/echo", BODY);
    fixture_run(&fixture);
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_exchange(void)
{
    Suite *suite = suite_create("session/exchange");
    TCase *tests = tcase_create("exchange");

    tcase_add_loop_test(tests, each_uri_has_its_outcome, 0, TP_COUNT_OF(outcomes));
    tcase_add_test(tests, a_handler_may_fail_and_send_a_body);
    tcase_add_test(tests, a_push_is_never_answered);
    tcase_add_test(tests, an_empty_body_and_none_are_echoed_as_they_are);
    tcase_add_test(tests, a_held_exchange_is_overtaken_and_answered);
    tcase_add_test(tests, a_handler_keeps_state_of_each_exchange);
    tcase_add_test(tests, a_held_exchange_ends_with_its_session);
    tcase_add_test(tests, a_small_held_request_does_not_pin_what_it_was_read_into);
    tcase_add_test(tests, replies_of_an_ordered_route_wait_for_their_turn);
    tcase_add_test(tests, a_reply_to_nobody_is_ignored);
    suite_add_tcase(suite, tests);
    return suite;
}
