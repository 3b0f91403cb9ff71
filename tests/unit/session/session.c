/*
 * session.c - tests of sessions: bounds, time-outs, ends, and moves between configurations.
 */
#include "session_fixture.h"

#include "base/clock.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MANY = 1000,
    BIG = 60000,
    SEND_QUEUE = 64 * 1024,
    SMALL_BUFFER = 4096,
    TIMEOUT_MS = 40,
};

#define BODY TP_STR("[1,2]")

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/hold", .handler = "hold", .delay_ms = 20 },
    { .type = TP_PACKET_PULL, .uri = "/slow", .handler = "hold", .delay_ms = 3 * TIMEOUT_MS },
    { .type = TP_PACKET_PULL, .uri = "/long", .handler = "hold", .delay_ms = 3600000 },
    { 0 },
};

/* What a reload might have made of them. */
static const struct tp_test_route new_routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "fail" },
    { .type = TP_PACKET_PULL, .uri = "/hold", .handler = "fail" },
    { 0 },
};

struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_test_client client;
    struct tp_test_stream sent;
    struct tp_test_stream wanted;
};

/* With limits as the test has set them in `site`. */
static void
fixture_connect(struct fixture *fixture)
{
    tp__test_client_open(&fixture->client, &fixture->bench, &fixture->site);
}

static void
fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
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

static void
fixture_send(struct fixture *fixture)
{
    tp__test_client_send(&fixture->client, &fixture->bench, &fixture->sent);
    tp__test_bench_turn(&fixture->bench, 3);
}

static void
fixture_expect(struct fixture *fixture)
{
    tp__test_client_expect(&fixture->client, &fixture->bench, &fixture->wanted);
}

/* The session has ended, and the log says why. */
static void
fixture_expect_end(struct fixture *fixture, const char *reason)
{
    char text[64];

    tp__test_client_expect_end(&fixture->client, &fixture->bench);
    fixture_expect(fixture);
    /* One that lingers waits until the client has said all, too. */
    shutdown(fixture->client.fd, SHUT_WR);
    tp__test_bench_turn(&fixture->bench, 3);
    snprintf(text, sizeof(text), "session-closed: number=1 remote=unix: listen=test reason=%s\n",
             reason);
    ck_assert_msg(tp__test_bench_has_logged(&fixture->bench, text), "%s", fixture->bench.logged);
    ck_assert_uint_eq(0, fixture->bench.sessions.count);
}

/* Sends until the session takes no more; returns how many bytes it took. */
static size_t
fixture_flood(struct fixture *fixture)
{
    const struct tp_test_stream *sent = &fixture->sent;
    size_t total = 0;
    int idle_turns = 0;

    while (idle_turns < 20) {
        size_t offset = total % sent->len;
        size_t count =
            tp__test_client_try_send(&fixture->client, sent->data + offset, sent->len - offset);

        total += count;
        idle_turns = count > 0 ? 0 : idle_turns + 1;
        tp__test_bench_turn(&fixture->bench, 1);
    }
    return total;
}

static struct tp_str
big_body(void)
{
    static char bytes[BIG];

    memset(bytes, 'b', sizeof(bytes));
    return (struct tp_str){ bytes, sizeof(bytes) };
}

START_TEST(bytes_that_come_one_at_a_time_make_the_same_packets)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    for (unsigned seq = 1; seq <= 3; seq++) {
        tp__test_stream_add_pull(&fixture.sent, seq, "/echo", BODY);
        tp__test_stream_add_echo(&fixture.wanted, seq, "/echo", BODY);
    }
    for (size_t i = 0; i < fixture.sent.len; i++) {
        ck_assert_uint_eq(1, tp__test_client_try_send(&fixture.client, fixture.sent.data + i, 1));
        tp__test_bench_turn(&fixture.bench, 2);
    }
    fixture_expect(&fixture);
    ck_assert_uint_eq(fixture.sent.len, fixture.bench.bytes_read);
    fixture_close(&fixture);
}
END_TEST

START_TEST(many_packets_in_one_write_are_all_answered)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    for (unsigned seq = 1; seq <= MANY; seq++) {
        tp__test_stream_add_pull(&fixture.sent, seq, "/echo", BODY);
        tp__test_stream_add_echo(&fixture.wanted, seq, "/echo", BODY);
    }
    ck_assert_uint_eq(fixture.sent.len, tp__test_client_try_send(&fixture.client, fixture.sent.data,
                                                                 fixture.sent.len));
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(an_idle_session_holds_no_bytes)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/echo", BODY);
    fixture_send(&fixture);
    fixture_expect(&fixture);
    ck_assert_uint_eq(1, fixture.bench.sessions.read_buf.buf->holders);
    ck_assert_uint_eq(0, fixture.client.session->input.len + fixture.client.session->unsent.len);
    ck_assert_uint_eq(0, fixture.client.session->queued_bytes);
    fixture_close(&fixture);
}
END_TEST

/* Floods without reading, then reads: all that was taken in whole is answered, in order. */
static void
flood_and_read(struct fixture *fixture, struct tp_str reply_body, const char *uri,
               struct tp_status status)
{
    struct tp_session *session = fixture->client.session;
    size_t sent = fixture_flood(fixture);

    ck_assert(tp__session_must_pause(session));
    ck_assert_uint_eq(0, session->watcher.interest & TP_EVENT_READ);
    ck_assert_uint_lt(session->queued_bytes, 2 * SEND_QUEUE + 2 * BIG);
    ck_assert_uint_lt(sent, TP_TEST_STREAM_MAX);
    for (size_t i = 0; i < sent / fixture->sent.len; i++) {
        tp__test_stream_add_reply(&fixture->wanted, 1, uri, status, reply_body);
    }
    fixture_expect(fixture);
    ck_assert_uint_eq(0, session->queued_bytes);
    ck_assert((session->watcher.interest & TP_EVENT_READ) != 0);
}

START_TEST(who_does_not_read_is_not_read_from)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.site.server.limits.send_queue.bytes = SEND_QUEUE;
    fixture.site.source.socket_options.send_buffer_bytes = SMALL_BUFFER;
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", big_body());
    flood_and_read(&fixture, big_body(), "/echo", tp_status_of(TP_STATUS_OK));
    fixture_close(&fixture);
}
END_TEST

START_TEST(replies_without_a_body_are_bounded_too)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.site.server.limits.send_queue.bytes = SEND_QUEUE;
    fixture.site.source.socket_options.send_buffer_bytes = SMALL_BUFFER;
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/none", (struct tp_str){ 0 });
    flood_and_read(&fixture, (struct tp_str){ 0 }, "/none", tp_status_of(TP_STATUS_NOT_FOUND));
    fixture_close(&fixture);
}
END_TEST

START_TEST(pending_pulls_are_bounded)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.site.server.limits.pending_pulls = 3;
    fixture_connect(&fixture);
    for (unsigned seq = 1; seq <= 10; seq++) {
        tp__test_stream_add_pull(&fixture.sent, seq, "/slow", BODY);
        tp__test_stream_add_echo(&fixture.wanted, seq, "/slow", BODY);
    }
    fixture_send(&fixture);
    ck_assert_uint_eq(3, fixture.client.session->exchange_count);
    ck_assert_uint_eq(0, fixture.client.session->watcher.interest & TP_EVENT_READ);
    fixture_expect(&fixture);
    ck_assert((fixture.client.session->watcher.interest & TP_EVENT_READ) != 0);
    fixture_close(&fixture);
}
END_TEST

START_TEST(silence_ends_a_session)
{
    struct fixture fixture;
    int64_t begun_ms = tp__clock_monotonic_ms();

    fixture_open(&fixture);
    fixture.site.server.limits.read_timeout.ms = TIMEOUT_MS;
    fixture_connect(&fixture);
    fixture_expect_end(&fixture, "read-timeout");
    ck_assert_int_ge(tp__clock_monotonic_ms() - begun_ms, TIMEOUT_MS - 1);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_waits_for_an_answer_may_be_silent)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.site.server.limits.read_timeout.ms = TIMEOUT_MS;
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/slow", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/slow", BODY);
    fixture_send(&fixture);
    fixture_expect(&fixture);
    fixture_expect_end(&fixture, "read-timeout");
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_packet_has_to_be_whole_in_time)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.site.server.limits.packet_timeout.ms = 4 * TIMEOUT_MS;
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/echo", BODY);
    tp__test_stream_add(&fixture.sent, "\0\0", 2);
    fixture_send(&fixture);
    fixture_expect(&fixture);
    /* Bytes that come slowly do not help. */
    for (int i = 0; i < 3; i++) {
        tp__test_bench_run(&fixture.bench, TIMEOUT_MS / 4);
        ck_assert_uint_eq(1, tp__test_client_try_send(&fixture.client, &"\0\x20j"[i], 1));
    }
    fixture_expect_end(&fixture, "packet-timeout");
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_takes_nothing_is_let_go)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.site.server.limits.write_timeout.ms = TIMEOUT_MS;
    fixture.site.source.socket_options.send_buffer_bytes = SMALL_BUFFER;
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", big_body());
    fixture_send(&fixture);
    ck_assert_uint_gt(fixture.client.session->unsent.len, 0);
    tp__test_bench_run(&fixture.bench, 2 * TIMEOUT_MS);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=write-timeout"));
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_was_received_whole_is_answered_after_a_half_close)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hold", BODY);
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", BODY);
    tp__test_stream_add(&fixture.sent, "\0\0\0\x20j{", 6);
    tp__test_stream_add_echo(&fixture.wanted, 2, "/echo", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/hold", BODY);
    tp__test_client_send(&fixture.client, NULL, &fixture.sent);
    tp__test_client_finish(&fixture.client);
    fixture_expect_end(&fixture, "peer-closed");
    fixture_close(&fixture);
}
END_TEST

START_TEST(many_packets_before_a_half_close_are_all_answered)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    for (unsigned seq = 1; seq <= MANY; seq++) {
        tp__test_stream_add_pull(&fixture.sent, seq, "/echo", BODY);
        tp__test_stream_add_echo(&fixture.wanted, seq, "/echo", BODY);
    }
    tp__test_client_send(&fixture.client, NULL, &fixture.sent);
    tp__test_client_finish(&fixture.client);
    fixture_expect_end(&fixture, "peer-closed");
    fixture_close(&fixture);
}
END_TEST

/* What ends a session, and as what. */
struct mistake {
    const char *reason;
    const char *bytes;
    size_t len;
};

#define MISTAKE(reason, bytes)               \
    {                                        \
        (reason), (bytes), sizeof(bytes) - 1 \
    }

static const struct mistake mistakes[] = {
    MISTAKE("packet-too-large", "\x7f\0\0\0"),
    MISTAKE("packet-too-large", "\0\0\0\x02p\0\x7f\0\0\0"),
    MISTAKE("protocol-error", "\0\0\0\0"),
    MISTAKE("protocol-error", "\0\0\0\x02x"),
    MISTAKE("protocol-error", "\0\0\0\x02j{\0\0\0\0"),
    MISTAKE("unsupported-type", "\0\0\0\x03p\x10\x04\0\0\0\0"),
    MISTAKE("unsupported-type", "\0\0\0\x01p\0\0\0\0"),
};

START_TEST(what_came_before_a_mistake_is_answered)
{
    const struct mistake *mistake = &mistakes[_i];
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", BODY);
    tp__test_stream_add(&fixture.sent, mistake->bytes, mistake->len);
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/echo", BODY);
    ck_assert_uint_eq(fixture.sent.len, tp__test_client_try_send(&fixture.client, fixture.sent.data,
                                                                 fixture.sent.len));
    fixture_expect_end(&fixture, mistake->reason);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_leaves_with_a_reply_under_way_has_broken_the_connection)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.site.source.socket_options.send_buffer_bytes = SMALL_BUFFER;
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", big_body());
    fixture_send(&fixture);
    tp__test_client_close(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=connection-broken"));
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    ck_assert_uint_eq(1, fixture.bench.sessions.closed_count);
    fixture_close(&fixture);
}
END_TEST

static enum tp_verdict
deny(struct tp_hook_call *call, const void *conf)
{
    (void) call;
    (void) conf;
    return TP_REFUSE;
}

START_TEST(a_hook_may_refuse_a_session)
{
    const struct tp_hooks hooks = { .at = { [TP_HOOK_POST_ACCEPT] = deny } };
    struct tp_hook_source source = { .hooks = &hooks, .owner = "deny" };
    struct tp_hook_set *set = NULL;
    struct fixture fixture;

    fixture_open(&fixture);
    ck_assert_int_eq(
        TP_OK, tp__hooks_add(&set, &source, TP_HOOK_BIT(TP_HOOK_POST_ACCEPT), &fixture.site.arena));
    fixture.site.server.hooks = set;
    fixture_connect(&fixture);
    ck_assert_ptr_null(fixture.client.session);
    fixture_expect_end(&fixture, "refused");
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_graceful_end_answers_first)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hold", BODY);
    fixture_send(&fixture);
    tp__sessions_end_all(&fixture.bench.sessions, TP_CLOSE_SHUTDOWN);
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", BODY);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/hold", BODY);
    fixture_expect_end(&fixture, "shutdown");
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_session_without_memory_ends_and_says_so)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    fixture.bench.sessions.pool.bytes_limit = 1;
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", BODY);
    fixture_send(&fixture);
    fixture_expect_end(&fixture, "no-resources");
    fixture_close(&fixture);
}
END_TEST

/* As one that was reset before it was accepted; here it is no socket at all. */
START_TEST(a_connection_that_takes_no_options_is_broken)
{
    struct tp_address remote = { .family = TP_ADDRESS_V4 };
    struct fixture fixture;
    int fds[2];

    fixture_open(&fixture);
    fixture.site.source.socket_options.tcp_nodelay = true;
    ck_assert_int_eq(0, pipe(fds));
    ck_assert_int_eq(TP_SYSTEM, tp__session_start(&fixture.bench.sessions, &fixture.site.source, 9,
                                                  fds[0], &remote));
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=connection-broken"));
    ck_assert_int_eq(-1, fcntl(fds[0], F_GETFD));
    close(fds[1]);
    fixture_close(&fixture);
}
END_TEST

START_TEST(each_close_reason_is_found_by_its_word)
{
#define REASON_ROW(name, word, sentence)                                        \
    {                                                                           \
        enum tp_close_reason reason;                                            \
        ck_assert(tp__close_reason_find(TP_STR(word), &reason));                \
        ck_assert_int_eq(TP_CLOSE_##name, reason);                              \
        ck_assert_str_eq(word, tp_close_reason_word(TP_CLOSE_##name));         \
        ck_assert_str_eq(sentence, tp__close_reason_sentence(TP_CLOSE_##name)); \
        ck_assert_int_eq('.', (sentence)[sizeof(sentence) - 2]);                \
    }
    TP_CLOSE_TABLE(REASON_ROW)
#undef REASON_ROW
    enum tp_close_reason none;

    ck_assert(!tp__close_reason_find(TP_STR("no-such"), &none));
    ck_assert(!tp__close_reason_find(TP_STR(""), &none));
}
END_TEST

/* Where a move leads to: a site, or nowhere. */
struct destination {
    struct tp_test_site *site;
    int done;
};

static const struct tp_source *
destination_find(void *owner, const char *name)
{
    struct destination *destination = owner;

    ck_assert_str_eq("test", name);
    return destination->site == NULL ? NULL : &destination->site->source;
}

static void
destination_on_done(void *owner)
{
    ((struct destination *) owner)->done++;
}

static void
fixture_move(struct fixture *fixture, struct destination *destination)
{
    const struct tp_sessions_move move = { destination_find, destination_on_done, destination };

    tp__sessions_move(&fixture->bench.sessions, &move);
    tp__test_bench_turn(&fixture->bench, 2);
}

static void
add_failure(struct tp_test_stream *stream, unsigned seq, const char *uri)
{
    tp__test_stream_add_reply(stream, seq, uri,
                              (struct tp_status){ .code = 1001, .text = TP_STR("no luck") },
                              TP_STR("details"));
}

START_TEST(an_idle_session_moves_at_once)
{
    struct fixture fixture;
    struct tp_test_site newer;
    struct destination destination = { .site = &newer };

    fixture_open(&fixture);
    tp__test_site_open(&newer, &fixture.bench, new_routes);
    fixture_connect(&fixture);
    ck_assert_uint_eq(2, fixture.site.configuration.holders);
    fixture_move(&fixture, &destination);
    ck_assert_int_eq(1, destination.done);
    ck_assert_uint_eq(1, fixture.site.configuration.holders);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", BODY);
    add_failure(&fixture.wanted, 1, "/echo");
    fixture_send(&fixture);
    fixture_expect(&fixture);
    fixture_close(&fixture);
    tp__test_site_close(&newer);
}
END_TEST

START_TEST(a_session_in_a_packet_moves_behind_it)
{
    struct fixture fixture;
    struct tp_test_site newer;
    struct destination destination = { .site = &newer };

    fixture_open(&fixture);
    tp__test_site_open(&newer, &fixture.bench, new_routes);
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", BODY);

    struct tp_test_stream half = { fixture.sent.data, 20 };

    tp__test_client_send(&fixture.client, &fixture.bench, &half);
    tp__test_bench_turn(&fixture.bench, 2);
    fixture_move(&fixture, &destination);
    ck_assert_int_eq(1, destination.done);
    ck_assert_uint_eq(2, fixture.site.configuration.holders);
    ck_assert(fixture.client.session->is_move_due);
    struct tp_test_stream rest = { fixture.sent.data + 20, fixture.sent.len - 20 };

    tp__test_client_send(&fixture.client, &fixture.bench, &rest);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/echo", BODY);
    fixture_expect(&fixture);
    ck_assert_uint_eq(1, fixture.site.configuration.holders);
    ck_assert(!fixture.client.session->is_move_due);
    fixture_close(&fixture);
    tp__test_site_close(&newer);
}
END_TEST

START_TEST(a_held_exchange_keeps_its_configuration)
{
    struct fixture fixture;
    struct tp_test_site newer;
    struct destination destination = { .site = &newer };

    fixture_open(&fixture);
    tp__test_site_open(&newer, &fixture.bench, new_routes);
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hold", BODY);
    fixture_send(&fixture);
    ck_assert_uint_eq(3, fixture.site.configuration.holders);
    fixture_move(&fixture, &destination);
    ck_assert_uint_eq(2, fixture.site.configuration.holders);
    tp__test_stream_clear(&fixture.sent);
    tp__test_stream_add_pull(&fixture.sent, 2, "/hold", BODY);
    fixture_send(&fixture);
    add_failure(&fixture.wanted, 2, "/hold");
    tp__test_stream_add_echo(&fixture.wanted, 1, "/hold", BODY);
    fixture_expect(&fixture);
    ck_assert_uint_eq(1, fixture.site.configuration.holders);
    fixture_close(&fixture);
    tp__test_site_close(&newer);
}
END_TEST

START_TEST(without_its_listen_a_session_answers_and_ends)
{
    struct fixture fixture;
    struct destination nowhere = { .site = NULL };

    fixture_open(&fixture);
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hold", BODY);
    fixture_send(&fixture);
    fixture_move(&fixture, &nowhere);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/hold", BODY);
    fixture_expect_end(&fixture, "listen-removed");
    ck_assert_uint_eq(1, fixture.site.configuration.holders);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_move_replaces_the_one_under_way)
{
    struct fixture fixture;
    struct tp_test_site newer;
    struct destination nowhere = { .site = NULL };
    struct destination destination = { .site = &newer };
    const struct tp_sessions_move move = { destination_find, destination_on_done, &nowhere };

    fixture_open(&fixture);
    tp__test_site_open(&newer, &fixture.bench, new_routes);
    fixture_connect(&fixture);
    tp__sessions_move(&fixture.bench.sessions, &move);
    fixture_move(&fixture, &destination);
    ck_assert_int_eq(0, nowhere.done);
    ck_assert_int_eq(1, destination.done);
    ck_assert_uint_eq(1, fixture.bench.sessions.count);
    ck_assert_uint_eq(2, newer.configuration.holders);
    fixture_close(&fixture);
    tp__test_site_close(&newer);
}
END_TEST

static void
add_bounds(Suite *suite)
{
    TCase *tests = tcase_create("bounds");

    tcase_add_test(tests, bytes_that_come_one_at_a_time_make_the_same_packets);
    tcase_add_test(tests, many_packets_in_one_write_are_all_answered);
    tcase_add_test(tests, an_idle_session_holds_no_bytes);
    tcase_add_test(tests, who_does_not_read_is_not_read_from);
    tcase_add_test(tests, replies_without_a_body_are_bounded_too);
    tcase_add_test(tests, pending_pulls_are_bounded);
    tcase_add_test(tests, silence_ends_a_session);
    tcase_add_test(tests, who_waits_for_an_answer_may_be_silent);
    tcase_add_test(tests, a_packet_has_to_be_whole_in_time);
    tcase_add_test(tests, who_takes_nothing_is_let_go);
    suite_add_tcase(suite, tests);
}

static void
add_ends(Suite *suite)
{
    TCase *tests = tcase_create("ends");

    tcase_add_test(tests, what_was_received_whole_is_answered_after_a_half_close);
    tcase_add_test(tests, many_packets_before_a_half_close_are_all_answered);
    tcase_add_loop_test(tests, what_came_before_a_mistake_is_answered, 0, TP_COUNT_OF(mistakes));
    tcase_add_test(tests, who_leaves_with_a_reply_under_way_has_broken_the_connection);
    tcase_add_test(tests, a_hook_may_refuse_a_session);
    tcase_add_test(tests, a_graceful_end_answers_first);
    tcase_add_test(tests, a_session_without_memory_ends_and_says_so);
    tcase_add_test(tests, a_connection_that_takes_no_options_is_broken);
    tcase_add_test(tests, each_close_reason_is_found_by_its_word);
    suite_add_tcase(suite, tests);
}

static void
add_moves(Suite *suite)
{
    TCase *tests = tcase_create("moves");

    tcase_add_test(tests, an_idle_session_moves_at_once);
    tcase_add_test(tests, a_session_in_a_packet_moves_behind_it);
    tcase_add_test(tests, a_held_exchange_keeps_its_configuration);
    tcase_add_test(tests, without_its_listen_a_session_answers_and_ends);
    tcase_add_test(tests, a_move_replaces_the_one_under_way);
    suite_add_tcase(suite, tests);
}

Suite *
tp_suite_session_session(void)
{
    Suite *suite = suite_create("session/session");

    add_bounds(suite);
    add_ends(suite);
    add_moves(suite);
    return suite;
}
