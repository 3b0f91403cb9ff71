/*
 * move.c - tests of sessions that move: whatever protocol they speak, wherever their bytes are
 * cut, whatever waits to be sent, the other end of the connection cannot tell.
 *
 * Each row is played once without a move: what the client receives then, it has to receive
 * again for each place in which its bytes can be cut, to the byte.
 */
#include "base/str.h"
#include "cycle/built.h"
#include "packet/output.h"

#include "move_fixture.h"

#include <stdlib.h>
#include <string.h>

enum {
    BIG = 30000, /* does not fit into what the client's connection takes */
    CUT_SEQ = 4,
    TURNS = 5,
    STEP = 7, /* between two cuts, where what was guessed is known long before */
};

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/o", .handler = "hold", .delay_ms = 1, .is_ordered = true },
    { 0 },
};

static const char handshake[] = "GET / HTTP/1.1\r\n"
                                "Host: a.example\r\n"
                                "Upgrade: websocket\r\n"
                                "Connection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                "Sec-WebSocket-Version: 13\r\n\r\n";

/*
 * What a client says.  First its greeting, two PULLs for more than its connection takes, as it
 * does not read yet, and one that is held; then what a move cuts; then one more.
 */
static const struct tongue {
    const char *protocol;
    uint8_t header_codec;
    const char *filters;
    const char *greeting; /* before all packets */
    const char *held;     /* instead of a PULL */
    const char *cut;      /* the same, as in bytes_fixture.h */
    const char *heard;    /* a text among what the client receives; NULL: it is deflated */
    bool cuts_first;      /* the move cuts the first bytes of all, greeting included */
    bool is_last;         /* nothing comes behind what is cut */
    bool has_own;         /* frames that are no packets are sent, ahead of replies if it can be:
                             one PULL only comes before, so that their place is certain */
} tongues[] = {
    { .protocol = "teleport", .header_codec = TP_CODEC_JSON, .heard = "the cut one" },
    { .protocol = "teleport", .header_codec = TP_CODEC_JSON, .heard = "the cut one",
      .cuts_first = true },
    { .protocol = "teleport", .header_codec = TP_CODEC_PROTOBUF, .heard = "the cut one" },
    { .protocol = "raw", .heard = "the cut one" },
    { .protocol = "raw", .filters = "m", .heard = "the cut one" },
    { .protocol = "raw", .filters = "gm" },
    { .protocol = "raw", .heard = "the cut one", .cuts_first = true },
    { .protocol = "raw", .filters = "mg", .cuts_first = true },
    { .protocol = "json", .heard = "the cut one" },
    { .protocol = "json", .filters = "mg" },
    { .protocol = "json", .filters = "g", .cuts_first = true },
    { .protocol = "protobuf", .heard = "the cut one" },
    { .protocol = "protobuf", .filters = "g" },
    { .protocol = "protobuf", .heard = "the cut one", .cuts_first = true },
    { .protocol = "http", .heard = "the cut one" },
    { .protocol = "http", .heard = "the cut one", .cuts_first = true },
    {
        .protocol = "http",
        .held = "POST /o HTTP/1.1\r\nHost: a\r\nX-Seq: 5\r\nX-Mtype: 1\r\n\r\n",
        .cut = "'POST /o HTTP/1.1' 0d0a 'Host: a' 0d0a 'Transfer-Encoding: chunked' 0d0a0d0a"
               "'3' 0d0a 'the' 0d0a '8;x' 0d0a ' cut one' 0d0a '0' 0d0a 'T: 1' 0d0a0d0a",
        .heard = "the cut one",
    },
    {
        .protocol = "http",
        .held = "HEAD /o HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        .cut = "'POST /o HTTP/1.1' 0d0a 'Host: a' 0d0a 'Connection: close' 0d0a"
               "'Content-Length: 11' 0d0a0d0a 'the cut one'",
        .heard = "the cut one",
        .is_last = true,
    },
    { .protocol = "websocket", .greeting = handshake, .heard = "the cut one" },
    { .protocol = "websocket",
      .greeting = handshake,
      .heard = "the cut one",
      .cuts_first = true },
    { .protocol = "websocket", .greeting = handshake, .filters = "g" },
    /* In protobuf, in one frame. */
    {
        .protocol = "websocket",
        .greeting = handshake,
        .cut = "82 97 00000000 0804 1001 1a02'/o' 2873 320b'the cut one'",
        .heard = "the cut one",
    },
    /* In fragments, with a ping between them that cannot be answered yet, and one that is empty. */
    {
        .protocol = "websocket",
        .greeting = handshake,
        .cut = "01 94 00000000 '{\"seq\":4,\"mtype\":1,\"'"
               "89 8d 00000000 'are you there'"
               "00 81 00000000 's'"
               "00 80 00000000"
               "80 b8 00000000 'erviceMethod\":\"/o\",\"bodyCodec\":115,\"body\":\"the cut one\"}'",
        .heard = "are you there",
        .has_own = true,
    },
    /* It says goodbye while it has not read what it asked for. */
    {
        .protocol = "websocket",
        .greeting = handshake,
        .cut = "88 85 00000000 03e8 'bye'",
        .heard = "\x88\x02\x03\xe8",
        .has_own = true,
        .is_last = true,
    },
    /* It says so between two fragments. */
    {
        .protocol = "websocket",
        .greeting = handshake,
        .cut = "01 88 00000000 '{\"seq\":4' 88 82 00000000 03e9",
        .heard = "\x88\x02\x03\xe9",
        .has_own = true,
        .is_last = true,
    },
    /* A mistake: it is told so behind all that it has asked for. */
    {
        .protocol = "websocket",
        .greeting = handshake,
        .cut = "81 84 00000000 'nope'",
        .heard = "\x88",
        .has_own = true,
        .is_last = true,
    },
};

/* What is written for one row. */
struct script {
    const struct tongue *tongue;
    const struct tp_protocol *protocol;
    void *state; /* of the end that writes */
    struct tp_test_stream before;
    struct tp_test_stream cut;
    struct tp_test_stream behind;
    struct tp_test_stream wanted;
};

/* Letters that gzip makes little shorter. */
static struct tp_str
script_noise(unsigned seed)
{
    static char letters[BIG];

    for (size_t i = 0; i < BIG; i++) {
        letters[i] = (char) ('A' + rand_r(&seed) % 26);
    }
    return (struct tp_str){ letters, BIG };
}

/* As an end that has dialed writes it. */
static void
script_add_pull(struct script *script, struct tp_test_place *place, struct tp_test_stream *stream,
                uint64_t seq, const char *uri, struct tp_str body)
{
    struct tp_sessions *sessions = &place->bench.sessions;
    struct tp_chain input = { 0 };
    struct tp_chain encoded = { 0 };
    struct tp_wire wire = {
        .input = &input,
        .state = script->state,
        .limits = { place->site.server.limits.packet },
        .is_dialed = true,
        .target = TP_STR("a.example"),
        .pool = &sessions->pool,
        .filters = &sessions->filters,
    };
    struct tp_packet packet = {
        .type = TP_PACKET_PULL,
        .header_codec = script->tongue->header_codec,
        .body_codec = TP_CODEC_PLAIN,
        .has_body_codec = true,
        .seq = seq,
        .uri = tp__str(uri),
    };
    struct tp_str filters = tp__str(script->tongue->filters == NULL ? "" : script->tongue->filters);

    packet.filter_count = (uint8_t) filters.len;
    memcpy(packet.filters, filters.data, filters.len);
    tp__test_chain_add(&packet.body, &sessions->pool, body.data, body.len, BIG);
    ck_assert_int_eq(TP_OK, script->protocol->encode(&wire, &packet, &sessions->output));
    ck_assert_int_eq(TP_OK, tp__output_rest(&sessions->output, 0, &encoded));
    tp__output_reset(&sessions->output);
    tp__test_stream_add_chain(stream, &encoded);
    tp_chain_clear(&encoded);
    tp_packet_clear(&packet);
}

static void
script_add_before(struct script *script, struct tp_test_place *place)
{
    const char *held = script->tongue->held;
    struct tp_test_stream *before = &script->before;

    script_add_pull(script, place, before, 1, "/echo", script_noise(1));
    if (script->tongue->has_own) {
        return;
    }
    script_add_pull(script, place, before, 2, "/echo", script_noise(2));
    if (held == NULL) {
        script_add_pull(script, place, before, 3, "/o", TP_STR("held"));
    } else {
        tp__test_stream_add(before, held, strlen(held));
    }
}

static void
script_add_cut(struct script *script, struct tp_test_place *place)
{
    static struct tp_test_bytes bytes;
    const char *cut = script->tongue->cut;

    if (cut == NULL) {
        script_add_pull(script, place, &script->cut, CUT_SEQ, "/o?x=1", TP_STR("the cut one"));
        return;
    }
    tp__test_bytes_fill(&bytes, cut);
    tp__test_stream_add(&script->cut, bytes.data, bytes.len);
}

static void
script_write(struct script *script, const struct tongue *tongue, struct tp_test_place *place)
{
    struct tp_str greeting = tp__str(tongue->greeting == NULL ? "" : tongue->greeting);

    memset(script, 0, sizeof(*script));
    script->tongue = tongue;
    script->protocol =
        tp__server_find_protocol(&place->site.server, tp__str(tongue->protocol))->protocol;
    script->state = calloc(1, script->protocol->state_size + 1);
    tp__test_stream_add(tongue->cuts_first ? &script->cut : &script->before, greeting.data,
                        greeting.len);
    if (!tongue->cuts_first) {
        script_add_before(script, place);
    }
    script_add_cut(script, place);
    if (!tongue->is_last) {
        script_add_pull(script, place, &script->behind, CUT_SEQ + 1, "/o", TP_STR("the last one"));
    }
}

static void
script_clear(struct script *script)
{
    if (script->protocol->fini != NULL) {
        script->protocol->fini(script->state);
    }
    free(script->state);
    tp__test_stream_clear(&script->before);
    tp__test_stream_clear(&script->cut);
    tp__test_stream_clear(&script->behind);
    tp__test_stream_clear(&script->wanted);
}

/* Sends all but what is behind `split`, and reads nothing; the session has dealt with it. */
static void
script_begin(const struct script *script, struct tp_test_place *place,
             struct tp_test_client *client, size_t split)
{
    const struct tp_test_stream first = { script->cut.data, split };

    tp__test_client_open(client, &place->bench, &place->site);
    for (size_t sent = 0; sent < script->before.len;) {
        sent +=
            tp__test_client_try_send(client, script->before.data + sent, script->before.len - sent);
        tp__test_bench_turn(&place->bench, 1);
    }
    tp__test_client_send(client, &place->bench, &first);
    tp__test_bench_turn(&place->bench, TURNS);
    if (!script->tongue->cuts_first) {
        ck_assert_uint_gt(client->session->unsent.len + client->session->queued_bytes, 0);
    }
}

/* Sends what is left, and hears all there is. */
static void
script_end(const struct script *script, struct tp_test_client *client, struct tp_test_bench *bench,
           size_t split)
{
    const struct tp_test_stream rest = { script->cut.data + split, script->cut.len - split };

    tp__test_client_send(client, bench, &rest);
    tp__test_client_send(client, bench, &script->behind);
    tp__test_client_finish(client);
    tp__test_client_expect_end(client, bench);
}

static void
script_play_unmoved(struct script *script, struct tp_test_place *place)
{
    const char *heard = script->tongue->heard;
    struct tp_test_client client;

    script_begin(script, place, &client, 0);
    script_end(script, &client, &place->bench, 0);
    tp__test_stream_add(&script->wanted, client.received, client.received_len);
    if (!script->tongue->cuts_first) {
        ck_assert_uint_gt(client.received_len, BIG);
    }
    ck_assert(heard == NULL
              || memmem(client.received, client.received_len, heard, strlen(heard)) != NULL);
    tp__test_client_close(&client);
}

static bool
tongue_is_spoken(const struct tongue *tongue, struct tp_test_place *place)
{
    bool is_spoken = tp__test_place_speak(place, tongue->protocol);

    for (const char *id = tongue->filters; id != NULL && *id != '\0'; id++) {
        is_spoken =
            is_spoken && tp__filters_find(&place->bench.sessions.filters, (uint8_t) *id) != NULL;
    }
    return is_spoken;
}

/* Each row twice: the protocol is named, or guessed. */
START_TEST(whatever_it_speaks_a_session_goes_on_at_every_split)
{
    const struct tongue *tongue = &tongues[_i / 2];
    const char *named = _i % 2 == 0 ? tongue->protocol : NULL;
    size_t step = named == NULL && !tongue->cuts_first ? STEP : 1;
    struct tp_test_place place;
    struct tp_test_other other;
    struct script script;

    tp__test_place_open(&place, routes);
    if (tongue_is_spoken(tongue, &place)) {
        script_write(&script, tongue, &place);
        tp__test_other_start(&other, routes, named);
        ck_assert(tp__test_place_speak(&place, named));
        script_play_unmoved(&script, &place);
        for (size_t split = 0; split <= script.cut.len; split += step) {
            struct tp_test_client client;

            script_begin(&script, &place, &client, split);
            tp__test_session_move(&place, &client, &other);
            script_end(&script, &client, NULL, split);
            tp__test_client_expect(&client, NULL, &script.wanted);
            tp__test_client_close(&client);
        }
        tp__test_other_join(&other);
        script_clear(&script);
    }
    tp__test_place_close(&place);
}
END_TEST

Suite *
tp_suite_session_move(void)
{
    Suite *suite = suite_create("session/move");
    TCase *tcase = tcase_create("every protocol");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, whatever_it_speaks_a_session_goes_on_at_every_split, 0,
                        2 * (int) TP_COUNT_OF(tongues));
    suite_add_tcase(suite, tcase);
    return suite;
}
