/*
 * protocol.c - tests of what a session does for its protocol, with a small one that uses all of
 * it: lines.
 *
 *     "LINES\n" begins it, in both directions; the other end is "ready" with its own.
 *     "?SEQ /uri body" is a PULL, "=SEQ CODE body" its REPLY, "!/uri body" a PUSH.
 *     "ping" is answered with "pong", "no SEQ" is refused with 418, "last" is the last.
 *     "up" goes on with Teleport 2.5.
 */
#include "session_fixture.h"

#include "base/str.h"
#include "session/session_save.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 256,
    NOTE = 77,
};

struct lines_state {
    bool is_ready; /* the other end has begun */
};

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/hold", .handler = "hold", .delay_ms = 5 },
    { .type = TP_PACKET_PULL, .uri = "/keep", .handler = "keep" },
    { 0 },
};

static enum tp_probe
lines_probe(const struct tp_wire *wire)
{
    uint8_t bytes[6];
    size_t len = wire->input->len < sizeof(bytes) ? wire->input->len : sizeof(bytes);

    tp_chain_copy(wire->input, 0, len, bytes);
    if (memcmp(bytes, "LINES\n", len) != 0) {
        return TP_PROBE_NO;
    }
    return len < sizeof(bytes) ? TP_PROBE_MORE : TP_PROBE_YES;
}

static enum tp_result
lines_begin(struct tp_wire *wire)
{
    return tp_wire_send(wire, TP_STR("LINES\n"));
}

static bool
lines_is_ready(const struct tp_wire *wire)
{
    return ((const struct lines_state *) wire->state)->is_ready;
}

/* Takes a line off the input; false when there is none. */
static bool
lines_take(struct tp_wire *wire, char line[LINE_MAX_BYTES])
{
    size_t len = wire->input->len < LINE_MAX_BYTES - 1 ? wire->input->len : LINE_MAX_BYTES - 1;

    tp_chain_copy(wire->input, 0, len, (uint8_t *) line);
    line[len] = '\0';
    char *end = strchr(line, '\n');

    if (end == NULL && !wire->has_ended) {
        return false;
    }
    if (end != NULL) {
        *end = '\0';
    }
    tp_chain_skip(wire->input, strlen(line) + (end != NULL ? 1 : 0));
    return true;
}

static enum tp_decode_outcome
lines_fill(struct tp_wire *wire, struct tp_packet *packet, const char *line)
{
    char uri[LINE_MAX_BYTES] = "";
    char body[LINE_MAX_BYTES] = "";
    unsigned seq = 0;

    if (sscanf(line, "?%u %255s %255s", &seq, uri, body) >= 2) {
        packet->type = TP_PACKET_PULL;
    } else if (sscanf(line, "=%u %d %255s", &seq, &packet->status.code, body) >= 2) {
        packet->type = TP_PACKET_REPLY;
    } else {
        wire->why = "it is no line";
        return TP_DECODE_BROKEN;
    }
    packet->seq = seq;
    packet->note = NOTE;
    packet->has_body_codec = true;
    packet->body_codec = TP_CODEC_PLAIN;
    packet->head = tp_buf_make(wire->pool, strlen(uri));
    memcpy(packet->head->bytes, uri, strlen(uri));
    packet->uri = (struct tp_str){ (const char *) packet->head->bytes, strlen(uri) };
    ck_assert_int_eq(TP_OK, tp_chain_append_copy(&packet->body, wire->pool, tp__str(body)));
    return TP_DECODE_PACKET;
}

static enum tp_decode_outcome
lines_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    struct lines_state *state = wire->state;
    char line[LINE_MAX_BYTES];

    *packet = (struct tp_packet){ .type = 0 };
    if (!lines_take(wire, line)) {
        return TP_DECODE_MORE;
    }
    if (strcmp(line, "LINES") == 0) {
        state->is_ready = true;
        return TP_DECODE_TOOK;
    }
    if (strcmp(line, "ping") == 0) {
        ck_assert_int_eq(TP_OK, tp_wire_send(wire, TP_STR("pong\n")));
        return TP_DECODE_TOOK;
    }
    if (strcmp(line, "up") == 0) {
        wire->next = tp_wire_find_protocol(wire, TP_STR("teleport"));
        return TP_DECODE_SWITCH;
    }
    if (strcmp(line, "last") == 0) {
        wire->is_last = true;
        return TP_DECODE_TOOK;
    }
    if (sscanf(line, "no %lu", (unsigned long *) &packet->seq) == 1) {
        packet->type = TP_PACKET_PULL;
        packet->note = NOTE;
        packet->status = (struct tp_status){ .code = 418, .text = TP_STR("teapot") };
        return TP_DECODE_REFUSED;
    }
    return lines_fill(wire, packet, line);
}

static enum tp_result
lines_encode(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    char *room = (char *) tp_output_reserve(output, LINE_MAX_BYTES);
    char body[LINE_MAX_BYTES] = "";
    int len;

    (void) wire;
    ck_assert_uint_lt(packet->body.len, sizeof(body));
    tp_chain_copy(&packet->body, 0, packet->body.len, (uint8_t *) body);
    if (packet->type == TP_PACKET_REPLY) {
        ck_assert_uint_eq(NOTE, packet->note);
        len = snprintf(room, LINE_MAX_BYTES, "=%lu %d %s\n", (unsigned long) packet->seq,
                       packet->status.code, body);
    } else {
        len = snprintf(room, LINE_MAX_BYTES, "%c%.*s %s\n",
                       packet->type == TP_PACKET_PUSH ? '!' : '?', (int) packet->uri.len,
                       packet->uri.data, body);
    }
    return tp_output_commit(output, (size_t) len, NULL);
}

static void
lines_end(struct tp_wire *wire, struct tp_str reason)
{
    char line[LINE_MAX_BYTES];

    snprintf(line, sizeof(line), "bye %.*s\n", (int) reason.len, reason.data);
    ck_assert_int_eq(TP_OK, tp_wire_send(wire, tp__str(line)));
}

static enum tp_result
lines_save(const void *state, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    bool is_ready = ((const struct lines_state *) state)->is_ready;

    return tp_chain_append_copy(saved, pool, is_ready ? TP_STR("ready") : TP_STR("new"));
}

static enum tp_result
lines_restore(void *state, struct tp_buf_pool *pool, struct tp_str saved)
{
    struct lines_state *lines = state;

    (void) pool;
    lines->is_ready = tp__str_equal(saved, TP_STR("ready"));
    return lines->is_ready || tp__str_equal(saved, TP_STR("new")) ? TP_OK : TP_INVALID;
}

static const struct tp_protocol lines = {
    .name = "lines",
    .brief = "Lines of text.",
    .abilities = TP_PROTOCOL_PUSHES_DOWN | TP_PROTOCOL_IN_ORDER,
    .state_size = sizeof(struct lines_state),
    .probe = lines_probe,
    .begin = lines_begin,
    .is_ready = lines_is_ready,
    .decode = lines_decode,
    .encode = lines_encode,
    .end = lines_end,
    .save = lines_save,
    .restore = lines_restore,
};

struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_test_client client;
    struct tp_test_stream wanted;
};

static void
fixture_open(struct fixture *fixture, bool guesses)
{
    struct tp_test_site *site = &fixture->site;

    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(site, &fixture->bench, routes);
    ck_assert_uint_lt(site->server.protocol_count, TP_TEST_PROTOCOLS_MAX);
    site->protocols[site->server.protocol_count] = (struct tp_protocol_use){ &lines, NULL };
    site->source.protocol = guesses ? NULL : &site->protocols[site->server.protocol_count];
    site->server.protocol_count++;
    tp__test_client_open(&fixture->client, &fixture->bench, site);
}

static void
fixture_close(struct fixture *fixture)
{
    tp__test_client_close(&fixture->client);
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
    tp__test_stream_clear(&fixture->wanted);
}

static void
fixture_say(struct fixture *fixture, const char *text)
{
    struct tp_test_stream stream = { 0 };

    tp__test_stream_add(&stream, text, strlen(text));
    tp__test_client_send(&fixture->client, &fixture->bench, &stream);
    tp__test_stream_clear(&stream);
    tp__test_bench_turn(&fixture->bench, 3);
}

/* All that was heard so far, and no more. */
static void
fixture_hear(struct fixture *fixture, const char *text)
{
    tp__test_stream_add(&fixture->wanted, text, strlen(text));
    tp__test_client_expect(&fixture->client, &fixture->bench, &fixture->wanted);
}

START_TEST(a_named_protocol_begins_at_once)
{
    struct fixture fixture;

    fixture_open(&fixture, false);
    fixture_hear(&fixture, "LINES\n");
    fixture_say(&fixture, "LINES\n?7 /echo hello\n");
    fixture_hear(&fixture, "=7 200 hello\n");
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_guessed_one_is_known_by_its_first_bytes)
{
    struct fixture fixture;

    fixture_open(&fixture, true);
    fixture_say(&fixture, "LIN");
    ck_assert_ptr_null(fixture.client.session->protocol);
    fixture_say(&fixture, "ES\n?1 /echo a\n");
    fixture_hear(&fixture, "LINES\n=1 200 a\n");
    ck_assert_ptr_eq(&lines, fixture.client.session->protocol->protocol);
    fixture_close(&fixture);
}
END_TEST

/* From then on nothing stands between it and its bytes. */
START_TEST(a_guessed_session_runs_the_decoder_itself)
{
    struct fixture fixture;
    struct tp_test_stream sent = { 0 };

    fixture_open(&fixture, true);
    tp__test_stream_add_pull(&sent, 1, "/echo", TP_STR("a"));
    tp__test_client_send(&fixture.client, &fixture.bench, &sent);
    tp__test_stream_add_echo(&fixture.wanted, 1, "/echo", TP_STR("a"));
    tp__test_client_expect(&fixture.client, &fixture.bench, &fixture.wanted);
    ck_assert_ptr_eq(fixture.site.server.default_protocol, fixture.client.session->protocol);
    tp__test_stream_clear(&sent);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_nobody_knows_is_the_defaults_mistake)
{
    struct fixture fixture;

    fixture_open(&fixture, true);
    fixture_say(&fixture, "\xff\xff\xff\xff?");
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=packet-too-large"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_speaks_first_speaks_the_default)
{
    struct fixture fixture;
    struct tp_session *session;

    fixture_open(&fixture, true);
    session = fixture.client.session;
    ck_assert_int_eq(TP_OK, tp_session_push(session, TP_STR("/news"), TP_STR("1"), NULL));
    tp__test_bench_turn(&fixture.bench, 2);
    ck_assert_ptr_eq(fixture.site.server.default_protocol, session->protocol);
    /* Behind the length comes the header's codec. */
    tp__test_client_read_to(&fixture.client, &fixture.bench, 5);
    ck_assert_uint_eq(TP_CODEC_JSON, fixture.client.received[4]);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_may_not_leave_yet_waits)
{
    struct fixture fixture;
    struct tp_session *session;

    fixture_open(&fixture, false);
    session = fixture.client.session;
    ck_assert_int_eq(TP_OK, tp_session_push(session, TP_STR("/news"), TP_STR("1"), NULL));
    tp__test_bench_turn(&fixture.bench, 3);
    fixture_hear(&fixture, "LINES\n");
    fixture_say(&fixture, "LINES\n");
    fixture_hear(&fixture, "!/news 1\n");
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_it_cannot_say_is_refused)
{
    struct fixture fixture;
    struct tp_session *session;

    fixture_open(&fixture, false);
    session = fixture.client.session;
    ck_assert_int_eq(TP_UNSUPPORTED, tp_session_pull_async(session, TP_STR("/state"), TP_STR(""),
                                                           NULL, NULL, NULL));
    fixture_hear(&fixture, "LINES\n");
    fixture_close(&fixture);
}
END_TEST

START_TEST(bytes_of_its_own_leave_between_packets)
{
    struct fixture fixture;

    fixture_open(&fixture, false);
    fixture_say(&fixture, "LINES\n?1 /echo a\nping\nping\n?2 /echo b\n");
    fixture_hear(&fixture, "LINES\npong\npong\n=1 200 a\n=2 200 b\n");
    fixture_close(&fixture);
}
END_TEST

START_TEST(replies_keep_their_order_refused_ones_too)
{
    struct fixture fixture;

    fixture_open(&fixture, false);
    fixture_say(&fixture, "LINES\n?1 /hold slow\n?2 /echo quick\nno 3\n?4 /nowhere\n");
    fixture_hear(&fixture, "LINES\n=1 200 slow\n=2 200 quick\n=3 418 \n=4 404 \n");
    fixture_close(&fixture);
}
END_TEST

START_TEST(after_the_last_all_is_answered_and_it_says_goodbye)
{
    struct fixture fixture;

    fixture_open(&fixture, false);
    fixture_say(&fixture, "LINES\n?1 /hold slow\nlast\n?2 /echo too-late\n");
    fixture_hear(&fixture, "LINES\n=1 200 slow\nbye peer-closed\n");
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_is_still_sending_hears_why_it_ends)
{
    struct fixture fixture;

    fixture_open(&fixture, false);
    fixture_say(&fixture, "LINES\nnonsense\nand more of it\n");
    fixture_hear(&fixture, "LINES\nbye protocol-error\n");
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    fixture_say(&fixture, "and more\n");
    ck_assert_uint_eq(1, fixture.bench.sessions.count);
    ck_assert_int_eq(0, shutdown(fixture.client.fd, SHUT_WR));
    tp__test_bench_turn(&fixture.bench, 3);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_does_not_go_is_not_waited_for)
{
    struct fixture fixture;

    fixture_open(&fixture, false);
    fixture_say(&fixture, "LINES\nnonsense\n");
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    for (int i = 0; i < TP_TEST_WAIT_MS && fixture.bench.sessions.count > 0; i += 100) {
        tp__test_bench_run(&fixture.bench, 100);
    }
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

static void
count_reply(const struct tp_reply *reply, void *owner)
{
    (void) reply;
    ++*(int *) owner;
}

/* It reads on for the sake of a REPLY, and what comes is nonsense: that is its end, at once. */
START_TEST(what_is_broken_ends_who_was_ending_already)
{
    struct fixture fixture;
    int replies = 0;

    fixture_open(&fixture, true);
    ck_assert_int_eq(TP_OK, tp_session_pull_async(fixture.client.session, TP_STR("/state"),
                                                  TP_STR(""), NULL, count_reply, &replies));
    tp__test_bench_turn(&fixture.bench, 3);
    tp_session_close(fixture.client.session);
    fixture_say(&fixture, "\xff\xff\xff\xff nonsense");
    ck_assert_int_eq(0, shutdown(fixture.client.fd, SHUT_WR));
    tp__test_bench_turn(&fixture.bench, 3);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    ck_assert_int_eq(1, replies);
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_end_of_the_connection_may_end_a_packet)
{
    struct fixture fixture;

    fixture_open(&fixture, false);
    fixture_say(&fixture, "LINES\n?1 /echo a");
    tp__test_client_finish(&fixture.client);
    fixture_hear(&fixture, "LINES\n=1 200 a\nbye peer-closed\n");
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_session_goes_on_with_another_protocol)
{
    struct fixture fixture;
    struct tp_test_stream sent = { 0 };

    fixture_open(&fixture, false);
    tp__test_stream_add(&sent, "LINES\nup\n", strlen("LINES\nup\n"));
    tp__test_stream_add_pull(&sent, 1, "/echo", TP_STR("a"));
    tp__test_client_send(&fixture.client, &fixture.bench, &sent);
    tp__test_stream_add(&fixture.wanted, "LINES\n", strlen("LINES\n"));
    tp__test_stream_add_echo(&fixture.wanted, 1, "/echo", TP_STR("a"));
    tp__test_client_expect(&fixture.client, &fixture.bench, &fixture.wanted);
    tp__test_stream_clear(&sent);
    fixture_close(&fixture);
}
END_TEST

static const struct tp_source *
find_source(void *owner, const char *name)
{
    (void) name;
    return owner;
}

START_TEST(it_moves_with_its_state)
{
    struct fixture fixture;
    struct tp_chain saved = { 0 };
    struct tp_slice flat;

    fixture_open(&fixture, false);
    fixture_say(&fixture, "LINES\n?1 /hold slow\n?2 /echo qu");
    fixture_hear(&fixture, "LINES\n");
    struct tp_session *session = fixture.client.session;
    const struct tp_session_receiver receiver = {
        .find_source = find_source,
        .owner = &fixture.site.source,
        .log = &fixture.bench.log,
    };

    ck_assert_int_eq(TP_OK, tp__session_save(session, &saved));
    ck_assert_int_eq(TP_OK, tp_chain_flatten(&saved, &fixture.bench.sessions.pool, &flat));
    int fd = dup(tp__session_fd(session));

    tp__session_close(&session, TP_CLOSE_MOVED);
    ck_assert_int_eq(TP_OK,
                     tp__session_restore(&fixture.bench.sessions, &receiver, fd,
                                         (struct tp_str){ (const char *) flat.data, flat.len }));
    tp_chain_clear(&saved);
    fixture_say(&fixture, "ick\n");
    fixture_hear(&fixture, "=1 200 slow\n=2 200 quick\n");
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_protocol(void)
{
    Suite *suite = suite_create("session/protocol");
    TCase *tcase = tcase_create("protocol");

    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, a_named_protocol_begins_at_once);
    tcase_add_test(tcase, a_guessed_one_is_known_by_its_first_bytes);
    tcase_add_test(tcase, a_guessed_session_runs_the_decoder_itself);
    tcase_add_test(tcase, what_nobody_knows_is_the_defaults_mistake);
    tcase_add_test(tcase, who_speaks_first_speaks_the_default);
    tcase_add_test(tcase, what_may_not_leave_yet_waits);
    tcase_add_test(tcase, what_it_cannot_say_is_refused);
    tcase_add_test(tcase, bytes_of_its_own_leave_between_packets);
    tcase_add_test(tcase, replies_keep_their_order_refused_ones_too);
    tcase_add_test(tcase, after_the_last_all_is_answered_and_it_says_goodbye);
    tcase_add_test(tcase, who_is_still_sending_hears_why_it_ends);
    tcase_add_test(tcase, who_does_not_go_is_not_waited_for);
    tcase_add_test(tcase, what_is_broken_ends_who_was_ending_already);
    tcase_add_test(tcase, the_end_of_the_connection_may_end_a_packet);
    tcase_add_test(tcase, a_session_goes_on_with_another_protocol);
    tcase_add_test(tcase, it_moves_with_its_state);
    suite_add_tcase(suite, tcase);
    return suite;
}
