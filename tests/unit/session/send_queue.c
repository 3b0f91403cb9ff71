/*
 * send_queue.c - tests of session/send_queue: who takes more slowly than is sent to him, with a
 * client that does not read until the end.
 */
#include "session_fixture.h"

#include "base/str.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEND_QUEUE = 64 * 1024,
    SMALL_BUFFER = 4 * 1024, /* of the connection */
    BODY = 1000,
    FLOOD = 400,   /* PUSHes: several times what the queue holds */
    URIS = 10,     /* that they go to in turn */
    LARGE = 20000, /* bytes: more than may have begun */
};

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { 0 },
};

struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_test_client client;
    struct tp_session *session;
    size_t above; /* so much may wait beyond the bound */
};

/* What a client has received, packet by packet: its uri, and the number its body begins with. */
struct arrival {
    char uri[32];
    int number;
};

struct arrivals {
    struct arrival all[FLOOD * 3];
    int count;
};

Suite *tp_suite_session_send_queue(void);

static void
fixture_open(struct fixture *fixture, enum tp_on_full on_full)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
    fixture->site.server.header_codec = TP_CODEC_JSON;
    fixture->site.server.limits.send_queue.bytes = SEND_QUEUE;
    fixture->site.server.limits.on_full = on_full;
    fixture->site.source.socket_options.send_buffer_bytes = SMALL_BUFFER;
    tp__test_client_open(&fixture->client, &fixture->bench, &fixture->site);
    fixture->session = fixture->client.session;
}

static void
fixture_close(struct fixture *fixture)
{
    tp__test_client_close(&fixture->client);
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
}

static enum tp_result
push(struct fixture *fixture, const char *uri, int number, size_t len)
{
    static char body[LARGE];

    ck_assert_uint_le(len, sizeof(body));
    memset(body, ' ', len);
    int digits = snprintf(body, sizeof(body), "%d", number);

    body[digits] = ' ';
    return tp_session_push(fixture->session, (struct tp_str){ uri, strlen(uri) },
                           (struct tp_str){ body, len }, NULL);
}

/* Fills the connection, so that from here on everything waits. */
static void
fixture_stall(struct fixture *fixture)
{
    while (fixture->session->unsent.len == 0) {
        ck_assert_int_eq(TP_OK, push(fixture, "/stall", 0, BODY));
        tp__test_bench_turn(&fixture->bench, 1);
    }
}

/* Pushes 1 to FLOOD, turn about to URIS uris, one in a turn; returns how many were taken. */
static int
fixture_flood(struct fixture *fixture)
{
    int taken = 0;

    for (int number = 1; number <= FLOOD; number++) {
        char uri[32];

        snprintf(uri, sizeof(uri), "/news?of=%d", number % URIS);
        enum tp_result result = push(fixture, uri, number, BODY);

        ck_assert(result == TP_OK || result == TP_FULL);
        taken += result == TP_OK ? 1 : 0;
        ck_assert_uint_le(fixture->session->queued_bytes, SEND_QUEUE + fixture->above);
        tp__test_bench_turn(&fixture->bench, 1);
    }
    return taken;
}

/* As from within a hook that is told of a packet that leaves. */
static void
stop_writing(struct fixture *fixture)
{
    ck_assert_ptr_nonnull(tp_output_reserve(&fixture->bench.sessions.output, 1));
    ck_assert_int_eq(TP_OK, tp_output_commit(&fixture->bench.sessions.output, 1, NULL));
}

static size_t
read_length(const uint8_t *bytes)
{
    return (size_t) bytes[0] << 24 | (size_t) bytes[1] << 16 | (size_t) bytes[2] << 8 | bytes[3];
}

/* The header is one of JSON. */
static void
arrival_read(struct arrival *arrival, const uint8_t *header, size_t header_len, const uint8_t *body)
{
    char text[256];

    ck_assert_uint_lt(header_len, sizeof(text));
    memcpy(text, header, header_len);
    text[header_len] = '\0';
    const char *uri = strstr(text, "\"uri\":\"");

    ck_assert_ptr_nonnull(uri);
    ck_assert_int_eq(1, sscanf(uri, "\"uri\":\"%31[^\"]", arrival->uri));
    arrival->number = atoi((const char *) body);
}

/* Reads all that waits, and what it was. */
static void
fixture_read(struct fixture *fixture, struct arrivals *arrivals)
{
    arrivals->count = 0;
    while (tp__session_has_output(fixture->session)) {
        tp__test_client_read(&fixture->client);
        tp__test_bench_turn(&fixture->bench, 1);
    }
    tp__test_client_read(&fixture->client);
    const uint8_t *next = fixture->client.received;
    const uint8_t *end = next + fixture->client.received_len;

    while (next < end) {
        size_t header_len = read_length(next);
        size_t body_len = read_length(next + 4 + header_len);

        ck_assert_uint_le(8 + header_len + body_len, (size_t) (end - next));
        ck_assert_int_lt(arrivals->count, (int) TP_COUNT_OF(arrivals->all));
        arrival_read(&arrivals->all[arrivals->count++], next + 5, header_len - 1,
                     next + 8 + header_len + 1);
        next += 8 + header_len + body_len;
    }
    ck_assert_ptr_eq(end, next);
}

/* Those of the flood, which come behind what filled the connection. */
static struct arrival *
arrivals_flood(struct arrivals *arrivals, int *count)
{
    struct arrival *first = arrivals->all;

    while (first < arrivals->all + arrivals->count && first->number == 0) {
        first++;
    }
    *count = (int) (arrivals->all + arrivals->count - first);
    return first;
}

static int
count_lines(const struct fixture *fixture, const char *text)
{
    int count = 0;

    for (const char *at = strstr(fixture->bench.logged, text); at != NULL;
         at = strstr(at + 1, text)) {
        count++;
    }
    return count;
}

START_TEST(drop_new_refuses_what_finds_no_room)
{
    struct fixture fixture;
    struct arrivals arrivals;
    int count;

    fixture_open(&fixture, TP_ON_FULL_DROP_NEW);
    fixture_stall(&fixture);
    int taken = fixture_flood(&fixture);

    ck_assert_int_gt(taken, 10);
    ck_assert_int_lt(taken, FLOOD);
    ck_assert_uint_eq((uint64_t) (FLOOD - taken), fixture.bench.sessions.queues.refused);
    ck_assert_uint_eq(1, fixture.bench.sessions.queues.slow_now);
    fixture_read(&fixture, &arrivals);
    struct arrival *flood = arrivals_flood(&arrivals, &count);

    ck_assert_int_eq(taken, count);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(i + 1, flood[i].number);
    }
    ck_assert_uint_eq(0, fixture.bench.sessions.queues.slow_now);
    ck_assert_uint_eq(0, fixture.bench.sessions.queues.dropped);
    fixture_close(&fixture);
}
END_TEST

START_TEST(drop_old_makes_room_with_the_oldest)
{
    struct fixture fixture;
    struct arrivals arrivals;
    int count;

    fixture_open(&fixture, TP_ON_FULL_DROP_OLD);
    fixture_stall(&fixture);
    ck_assert_int_eq(FLOOD, fixture_flood(&fixture));
    fixture_read(&fixture, &arrivals);
    struct arrival *flood = arrivals_flood(&arrivals, &count);
    uint64_t dropped = fixture.bench.sessions.queues.dropped;

    ck_assert_int_gt(count, 10);
    ck_assert_uint_ge(dropped, (uint64_t) (FLOOD - count));
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(FLOOD - count + 1 + i, flood[i].number);
    }
    ck_assert_uint_eq(0, fixture.bench.sessions.queues.refused);
    fixture_close(&fixture);
}
END_TEST

START_TEST(latest_by_uri_keeps_the_newest_of_each)
{
    struct fixture fixture;
    struct arrivals arrivals;
    int count;

    fixture_open(&fixture, TP_ON_FULL_LATEST_BY_URI);
    fixture_stall(&fixture);
    ck_assert_int_eq(FLOOD, fixture_flood(&fixture));
    fixture_read(&fixture, &arrivals);
    struct arrival *flood = arrivals_flood(&arrivals, &count);
    int newest[URIS] = { 0 };

    ck_assert_int_eq(URIS, count);
    for (int i = 0; i < count; i++) {
        int uri = atoi(strchr(flood[i].uri, '=') + 1);

        ck_assert_int_eq(0, newest[uri]);
        newest[uri] = flood[i].number;
        ck_assert_int_gt(flood[i].number, FLOOD - URIS);
        ck_assert_int_eq(uri, flood[i].number % URIS);
    }
    ck_assert_uint_eq(0, fixture.bench.sessions.queues.refused);
    ck_assert_uint_gt(fixture.bench.sessions.queues.replaced, FLOOD / 2);
    ck_assert_uint_eq(0, fixture.bench.sessions.latest.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(latest_by_uri_keeps_its_place)
{
    struct fixture fixture;
    struct arrivals arrivals;
    int count;

    fixture_open(&fixture, TP_ON_FULL_LATEST_BY_URI);
    fixture_stall(&fixture);
    while (push(&fixture, "/old", 1, BODY) == TP_OK && fixture.session->slowness == NULL) {
        continue;
    }
    ck_assert_int_eq(TP_OK, push(&fixture, "/a", 2, BODY));
    ck_assert_int_eq(TP_OK, push(&fixture, "/b", 3, BODY));
    ck_assert_int_eq(TP_OK, push(&fixture, "/c", 4, BODY));
    ck_assert_int_eq(TP_OK, push(&fixture, "/b", 5, 2 * BODY));
    ck_assert_int_eq(TP_OK, push(&fixture, "/a", 6, 1));
    fixture_read(&fixture, &arrivals);
    arrivals_flood(&arrivals, &count);
    struct arrival *last = &arrivals.all[arrivals.count - 3];

    ck_assert_int_eq(6, last[0].number);
    ck_assert_int_eq(5, last[1].number);
    ck_assert_int_eq(4, last[2].number);
    ck_assert_str_eq("/c", last[2].uri);
    fixture_close(&fixture);
}
END_TEST

START_TEST(latest_by_uri_refuses_what_none_waits_of)
{
    struct fixture fixture;
    int taken = 0;
    enum tp_result result = TP_OK;

    fixture_open(&fixture, TP_ON_FULL_LATEST_BY_URI);
    fixture_stall(&fixture);
    for (int number = 1; result == TP_OK; number++) {
        char uri[32];

        snprintf(uri, sizeof(uri), "/of/%d", number);
        result = push(&fixture, uri, number, BODY);
        taken += result == TP_OK ? 1 : 0;
        ck_assert_int_lt(number, FLOOD);
    }
    ck_assert_int_eq(TP_FULL, result);
    ck_assert_int_gt(taken, 10);
    ck_assert_int_eq(TP_OK, push(&fixture, "/of/10", 1000, BODY));
    ck_assert_int_eq(TP_FULL, push(&fixture, "/of/10", 1001, LARGE));
    ck_assert_int_eq(TP_FULL, push(&fixture, "/of/0", 1002, BODY));
    ck_assert_uint_eq(1, fixture.bench.sessions.queues.replaced);
    fixture_close(&fixture);
}
END_TEST

START_TEST(close_ends_the_session)
{
    struct fixture fixture;

    fixture_open(&fixture, TP_ON_FULL_CLOSE);
    fixture_stall(&fixture);
    while (push(&fixture, "/x", 1, BODY) == TP_OK) {
        continue;
    }
    ck_assert_uint_eq(1, fixture.bench.sessions.count);
    tp__test_bench_turn(&fixture.bench, 1);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    ck_assert_uint_eq(1, fixture.bench.sessions.queues.closed);
    ck_assert_uint_eq(0, fixture.bench.sessions.queues.slow_now);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "done=closed refused=1 dropped=0"));
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=queue-full"));
    fixture_close(&fixture);
}
END_TEST

/* More than the queue holds, in one turn, to somebody whose connection has room for it. */
START_TEST(who_is_not_slow_gets_all_of_a_burst)
{
    struct fixture fixture;

    fixture_open(&fixture, (enum tp_on_full) _i);
    fixture.site.source.socket_options.send_buffer_bytes = 4 * SEND_QUEUE;
    tp__test_client_close(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 2);
    tp__test_client_open(&fixture.client, &fixture.bench, &fixture.site);
    fixture.session = fixture.client.session;
    for (int number = 1; number <= 100; number++) {
        ck_assert_int_eq(TP_OK, push(&fixture, "/x", number, BODY));
    }
    struct arrivals arrivals;

    fixture_read(&fixture, &arrivals);
    ck_assert_int_eq(100, arrivals.count);
    ck_assert_uint_eq(0, fixture.bench.sessions.queues.slow_now);
    ck_assert_int_eq(0, count_lines(&fixture, "slow-consumer"));
    fixture_close(&fixture);
}
END_TEST

/* Where nothing may be sent meanwhile the queue is full, but nobody is closed who then takes it. */
START_TEST(close_spares_who_takes_all_at_the_end_of_the_turn)
{
    struct fixture fixture;

    fixture_open(&fixture, TP_ON_FULL_CLOSE);
    stop_writing(&fixture);
    int taken = 0;

    while (push(&fixture, "/x", 1, 1) == TP_OK) {
        taken++;
    }
    tp__output_reset(&fixture.bench.sessions.output);
    struct arrivals arrivals;

    for (int i = 0;
         i < FLOOD && fixture.bench.sessions.count > 0 && tp__session_has_output(fixture.session);
         i++) {
        tp__test_client_read(&fixture.client);
        tp__test_bench_turn(&fixture.bench, 1);
    }
    ck_assert_uint_eq(1, fixture.bench.sessions.count);
    fixture_read(&fixture, &arrivals);
    ck_assert_int_eq(taken, arrivals.count);
    ck_assert_int_eq(1, count_lines(&fixture, "done=refused"));
    fixture_close(&fixture);
}
END_TEST

/* Its exchange has not returned, though its reply would end with being sent. */
static void
answer_and_push(struct tp_exchange *exchange, void *owner)
{
    struct fixture *fixture = owner;
    struct tp_status status = tp_status_of(TP_STATUS_OK);
    struct tp_chain body = { 0 };

    tp_exchange_finish(exchange, &status, &body, TP_CODEC_JSON);
    for (int number = 1; number <= FLOOD; number++) {
        ck_assert_int_eq(TP_OK, push(fixture, "/x", number, BODY));
    }
    ck_assert_int_eq(TP_PACKET_PULL, tp_exchange_type(exchange));
}

START_TEST(a_handler_may_fill_the_queue_behind_its_reply)
{
    struct fixture fixture;
    struct tp_test_stream stream = { 0 };
    struct arrivals arrivals;

    fixture_open(&fixture, TP_ON_FULL_DROP_OLD);
    tp_session_expect(fixture.session, answer_and_push, &fixture);
    tp__test_stream_add_pull(&stream, 1, "/echo", TP_STR("9"));
    tp__test_client_send(&fixture.client, &fixture.bench, &stream);
    tp__test_bench_turn(&fixture.bench, 3);
    fixture_read(&fixture, &arrivals);
    ck_assert_str_eq("/echo", arrivals.all[0].uri);
    ck_assert_int_eq(FLOOD, arrivals.all[arrivals.count - 1].number);
    tp__test_stream_clear(&stream);
    fixture_close(&fixture);
}
END_TEST

/* However much waits, not more than a quarter of the bound and a packet. */
START_TEST(little_has_begun_of_what_waits)
{
    struct fixture fixture;

    fixture_open(&fixture, TP_ON_FULL_DROP_OLD);
    stop_writing(&fixture);
    while (push(&fixture, "/x", 1, BODY) == TP_OK && fixture.session->slowness == NULL) {
        continue;
    }
    tp__output_reset(&fixture.bench.sessions.output);
    tp__test_bench_turn(&fixture.bench, 2);
    ck_assert_uint_gt(fixture.session->unsent.len, 0);
    ck_assert_uint_lt(fixture.session->unsent.len, SEND_QUEUE / 4 + 2 * BODY);
    ck_assert(!tp__list_is_empty(&fixture.session->outgoing));
    fixture_close(&fixture);
}
END_TEST

struct answer {
    unsigned count;
    int32_t code;
};

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct answer *answer = owner;

    answer->count++;
    answer->code = tp_reply_status(reply)->code;
}

static enum tp_result
pull(struct fixture *fixture, size_t len, const struct tp_send_options *options,
     struct answer *answer)
{
    static const char body[LARGE];

    return tp_session_pull_async(fixture->session, TP_STR("/ask"), (struct tp_str){ body, len },
                                 options, on_reply, answer);
}

/* A PULL is neither dropped nor does it drop anything. */
START_TEST(pulls_wait_or_are_refused)
{
    struct fixture fixture;
    struct answer waits = { 0 };
    struct answer refused = { 0 };
    struct arrivals arrivals;
    int pulls = 0;

    fixture_open(&fixture, (enum tp_on_full) _i);
    fixture_stall(&fixture);
    ck_assert_int_eq(TP_OK, pull(&fixture, BODY, NULL, &waits));
    fixture_flood(&fixture);
    for (int number = 0; number < URIS * URIS; number++) {
        char uri[32];

        snprintf(uri, sizeof(uri), "/fill/%d", number);
        enum tp_result result = push(&fixture, uri, 1, BODY);

        ck_assert(result == TP_OK || result == TP_FULL);
    }
    ck_assert_int_eq(TP_FULL, pull(&fixture, LARGE, NULL, &refused));
    ck_assert_uint_eq(1, fixture.session->own_pull_count);
    fixture_read(&fixture, &arrivals);
    for (int i = 0; i < arrivals.count; i++) {
        pulls += strcmp(arrivals.all[i].uri, "/ask") == 0 ? 1 : 0;
    }
    ck_assert_int_eq(1, pulls);
    tp__session_close(&fixture.session, TP_CLOSE_CLOSED);
    ck_assert_uint_eq(1, waits.count);
    ck_assert_int_eq(101, waits.code);
    ck_assert_uint_eq(0, refused.count);
    fixture_close(&fixture);
}
END_TEST

/* What is asked of a full session is answered: replies may go beyond the bound. */
START_TEST(replies_are_never_refused)
{
    struct fixture fixture;
    struct tp_test_stream stream = { 0 };
    struct arrivals arrivals;
    int replies = 0;

    fixture_open(&fixture, (enum tp_on_full) _i);
    fixture.above = LARGE;
    fixture_stall(&fixture);
    fixture_flood(&fixture);
    for (unsigned seq = 1; seq <= 5; seq++) {
        tp__test_stream_add_pull(&stream, seq, "/echo", TP_STR("9"));
    }
    tp__test_client_send(&fixture.client, &fixture.bench, &stream);
    tp__test_bench_turn(&fixture.bench, 3);
    fixture_flood(&fixture);
    fixture_read(&fixture, &arrivals);
    tp__test_bench_turn(&fixture.bench, 3);
    fixture_read(&fixture, &arrivals);
    for (int i = 0; i < arrivals.count; i++) {
        replies += strcmp(arrivals.all[i].uri, "/echo") == 0 ? 1 : 0;
    }
    ck_assert_int_eq(5, replies);
    tp__test_stream_clear(&stream);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_lets_go_always_fits)
{
    struct fixture fixture;
    const struct tp_send_options options = { .always_fits = true };
    struct answer answer = { 0 };

    fixture_open(&fixture, (enum tp_on_full) _i);
    fixture.above = LARGE;
    fixture_stall(&fixture);
    fixture_flood(&fixture);
    ck_assert_int_eq(TP_OK,
                     tp_session_push(fixture.session, TP_STR("/heartbeat"), TP_STR("7"), &options));
    ck_assert_int_eq(TP_OK, pull(&fixture, 1, &options, &answer));
    fixture_flood(&fixture);
    tp__session_close_told(fixture.session, TP_CLOSE_KICKED, TP_STR("7"), false);
    ck_assert(!tp__test_bench_has_logged(&fixture.bench, "closing-untold"));
    fixture.session->waits_for_exchanges = false;
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    fixture.session = NULL;
    const char *text = (const char *) fixture.client.received;

    ck_assert_ptr_nonnull(memmem(text, fixture.client.received_len, "/heartbeat", 10));
    ck_assert_ptr_nonnull(memmem(text, fixture.client.received_len, "/ask", 4));
    ck_assert_ptr_nonnull(memmem(text, fixture.client.received_len, "/system/closed", 14));
    ck_assert_uint_eq(1, answer.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_slow_one_is_named_once_in_a_while)
{
    struct fixture fixture;

    fixture_open(&fixture, TP_ON_FULL_DROP_NEW);
    ck_assert_int_eq(TP_OK, tp_session_set_id(fixture.session, TP_STR("la\"mp")));
    fixture_stall(&fixture);
    fixture_flood(&fixture);
    ck_assert_int_eq(1, count_lines(&fixture, "slow-consumer"));
    ck_assert_int_eq(1,
                     count_lines(&fixture, "number=1 id=\"la\\x22mp\" remote=unix: queued_bytes="));
    ck_assert_int_eq(1, count_lines(&fixture, "done=refused refused=1 dropped=0 replaced=0"));
    tp__session_close(&fixture.session, TP_CLOSE_CLOSED);
    ck_assert_int_eq(2, count_lines(&fixture, "slow-consumer"));
    ck_assert_int_eq(1, count_lines(&fixture, "done=ended"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_age_is_that_of_the_oldest)
{
    struct fixture fixture;

    fixture_open(&fixture, TP_ON_FULL_DROP_NEW);
    ck_assert_int_eq(0, tp__send_queue_age_ms(fixture.session));
    fixture_stall(&fixture);
    ck_assert_int_eq(TP_OK, push(&fixture, "/x", 1, BODY));
    tp__test_bench_run(&fixture.bench, 30);
    ck_assert_int_eq(TP_OK, push(&fixture, "/x", 2, BODY));
    ck_assert_int_ge(tp__send_queue_age_ms(fixture.session), 29);
    ck_assert_int_lt(tp__send_queue_age_ms(fixture.session), TP_TEST_WAIT_MS);
    fixture_close(&fixture);
}
END_TEST

/* What waited under another rule waits under the new one. */
START_TEST(a_new_rule_holds_for_what_waits)
{
    struct fixture fixture;
    struct arrivals arrivals;
    int count;

    fixture_open(&fixture, TP_ON_FULL_DROP_NEW);
    fixture_stall(&fixture);
    ck_assert_int_lt(fixture_flood(&fixture), FLOOD);
    fixture.site.server.limits.on_full = TP_ON_FULL_LATEST_BY_URI;
    tp__send_queue_rebind(fixture.session);
    ck_assert_uint_eq(URIS, fixture.bench.sessions.latest.count);
    ck_assert_int_eq(FLOOD, fixture_flood(&fixture));
    fixture.site.server.limits.on_full = TP_ON_FULL_DROP_OLD;
    tp__send_queue_rebind(fixture.session);
    ck_assert_uint_eq(0, fixture.bench.sessions.latest.count);
    ck_assert_int_eq(FLOOD, fixture_flood(&fixture));
    fixture_read(&fixture, &arrivals);
    arrivals_flood(&arrivals, &count);
    ck_assert_int_eq(FLOOD, arrivals.all[arrivals.count - 1].number);
    fixture_close(&fixture);
}
END_TEST

/* The write that was to make room finds the connection broken: its caller has the session yet. */
START_TEST(a_connection_that_breaks_meanwhile_ends_at_the_end_of_the_turn)
{
    struct fixture fixture;

    fixture_open(&fixture, TP_ON_FULL_DROP_OLD);
    tp__test_client_close(&fixture.client);
    fixture.client.fd = -1;
    for (int number = 0; number < FLOOD && !fixture.session->has_failed; number++) {
        ck_assert_int_eq(TP_OK, push(&fixture, "/x", number, BODY));
    }
    ck_assert(fixture.session->has_failed);
    ck_assert_uint_eq(1, fixture.bench.sessions.count);
    tp__test_bench_turn(&fixture.bench, 1);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "session-closed"));
    tp__test_bench_close(&fixture.bench);
    tp__test_site_close(&fixture.site);
}
END_TEST

Suite *
tp_suite_session_send_queue(void)
{
    Suite *suite = suite_create("session/send_queue");
    TCase *tests = tcase_create("send_queue");
    int policies = TP_ON_FULL_COUNT;
    int sparing = TP_ON_FULL_CLOSE; /* the last one, which ends who is full */

    tcase_add_test(tests, drop_new_refuses_what_finds_no_room);
    tcase_add_test(tests, drop_old_makes_room_with_the_oldest);
    tcase_add_test(tests, latest_by_uri_keeps_the_newest_of_each);
    tcase_add_test(tests, latest_by_uri_keeps_its_place);
    tcase_add_test(tests, latest_by_uri_refuses_what_none_waits_of);
    tcase_add_test(tests, close_ends_the_session);
    tcase_add_loop_test(tests, who_is_not_slow_gets_all_of_a_burst, 0, policies);
    tcase_add_test(tests, close_spares_who_takes_all_at_the_end_of_the_turn);
    tcase_add_test(tests, a_handler_may_fill_the_queue_behind_its_reply);
    tcase_add_test(tests, little_has_begun_of_what_waits);
    tcase_add_loop_test(tests, pulls_wait_or_are_refused, 0, sparing);
    tcase_add_loop_test(tests, replies_are_never_refused, 0, sparing);
    tcase_add_loop_test(tests, what_lets_go_always_fits, 0, sparing);
    tcase_add_test(tests, a_slow_one_is_named_once_in_a_while);
    tcase_add_test(tests, the_age_is_that_of_the_oldest);
    tcase_add_test(tests, a_new_rule_holds_for_what_waits);
    tcase_add_test(tests, a_connection_that_breaks_meanwhile_ends_at_the_end_of_the_turn);
    suite_add_tcase(suite, tests);
    return suite;
}
