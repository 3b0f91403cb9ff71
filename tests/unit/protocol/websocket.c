/*
 * websocket.c - tests of the protocol websocket, through its module's descriptor: one end
 * against bytes, and two ends against each other.
 */
#include "cycle/built.h"

#include "base/str.h"
#include "base/utf8.h"
#include "packet/output.h"
#include "session/close_reason.h"

#include "bytes_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMIT = 4096,
    LARGE = 1 << 20,
    TEXTS = 20000,
    TEXT_MAX = 12,
    MESSAGES = 2000,
    BODY_MAX = 3000,
};

/* One end, with its state and what it has received. */
struct end {
    struct tp_buf_pool pool;
    struct tp_chain input;
    struct tp_output output;
    struct tp_packet packet;
    struct tp_wire wire;
    void *state;
};

static const struct tp_protocol *
protocol(void)
{
    for (size_t i = 0; i < tp__built_module_count; i++) {
        if (strcmp(tp__built_modules[i]->name, "websocket") == 0) {
            return tp__built_modules[i]->protocols[0];
        }
    }
    return NULL;
}

static void
end_init(struct end *end, bool is_dialed)
{
    memset(end, 0, sizeof(*end));
    tp__test_pool_init(&end->pool);
    tp__output_init(&end->output, &end->pool);
    end->state = calloc(1, protocol()->state_size);
    ck_assert_ptr_nonnull(end->state);
    end->wire = (struct tp_wire){
        .input = &end->input,
        .state = end->state,
        .limits = { .packet = { LIMIT } },
        .is_dialed = is_dialed,
        .target = TP_STR("a.example:9090/x"),
        .pool = &end->pool,
    };
}

static void
end_fini(struct end *end)
{
    tp_packet_clear(&end->packet);
    tp_chain_clear(&end->input);
    tp_chain_clear(&end->wire.own);
    protocol()->fini(end->state);
    free(end->state);
    tp__output_fini(&end->output);
    ck_assert_uint_eq(0, end->pool.bytes_in_use);
    tp__buf_pool_fini(&end->pool);
}

static enum tp_decode_outcome
end_decode(struct end *end)
{
    tp_packet_clear(&end->packet);
    end->wire.why = NULL;
    return protocol()->decode(&end->wire, &end->packet);
}

static void
end_hear(struct end *end, const void *bytes, size_t len, size_t step)
{
    tp__test_chain_add(&end->input, &end->pool, bytes, len, step);
}

static void
end_hear_text(struct end *end, const char *text)
{
    static struct tp_test_bytes bytes;

    tp__test_bytes_fill(&bytes, text);
    end_hear(end, bytes.data, bytes.len, LIMIT);
}

/* What it says of its own is what the other one hears. */
static void
end_tell_own(struct end *from, struct end *to, size_t step)
{
    static uint8_t bytes[LARGE];
    size_t len = from->wire.own.len;

    tp_chain_copy(&from->wire.own, 0, len, bytes);
    tp_chain_clear(&from->wire.own);
    end_hear(to, bytes, len, step);
}

static void
end_tell_encoded(struct end *from, struct end *to, size_t step)
{
    static uint8_t bytes[LARGE];
    struct tp_chain chain = { .len = 0 };

    ck_assert_int_eq(TP_OK, tp__output_rest(&from->output, 0, &chain));
    tp__output_reset(&from->output);
    size_t len = chain.len;

    tp_chain_copy(&chain, 0, len, bytes);
    tp_chain_clear(&chain);
    end_hear(to, bytes, len, step);
}

static void
assert_own(struct end *end, const char *text)
{
    static struct tp_test_bytes bytes;

    tp__test_bytes_fill(&bytes, text);
    tp__test_chain_assert(&end->wire.own, bytes.data, bytes.len);
    tp_chain_clear(&end->wire.own);
}

static const char handshake[] = "GET / HTTP/1.1\r\n"
                                "Host: a.example\r\n"
                                "Upgrade: websocket\r\n"
                                "Connection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                "Sec-WebSocket-Version: 13\r\n\r\n";

/* A server behind the handshake. */
static void
end_init_open(struct end *end)
{
    end_init(end, false);
    ck_assert_int_eq(TP_OK, protocol()->begin(&end->wire));
    ck_assert(!protocol()->is_ready(&end->wire));
    end_hear(end, handshake, sizeof(handshake) - 1, LIMIT);
    ck_assert_int_eq(TP_DECODE_TOOK, end_decode(end));
    ck_assert(protocol()->is_ready(&end->wire));
    tp_chain_clear(&end->wire.own);
}

/* A frame with the mask 00000000, so that one can read it. */
static void
end_hear_frame(struct end *end, uint8_t first, const void *carried, size_t len)
{
    uint8_t head[] = { first, 0xfe, (uint8_t) (len >> 8), (uint8_t) len, 0, 0, 0, 0 };

    if (len < 126) {
        head[1] = (uint8_t) (0x80 | len);
        end_hear(end, head, 2, LIMIT);
        end_hear(end, head + 4, 4, LIMIT);
    } else {
        end_hear(end, head, sizeof(head), LIMIT);
    }
    end_hear(end, carried, len, LIMIT);
}

static void
assert_text(const char *wanted, struct tp_str got)
{
    ck_assert_uint_eq(strlen(wanted), got.len);
    ck_assert(got.len == 0 || memcmp(wanted, got.data, got.len) == 0);
}

static const char pull_text[] = "{\"seq\":7,\"mtype\":1,\"serviceMethod\":\"/x\\u0041?a=1\","
                                "\"meta\":\"k=v\",\"bodyCodec\":106,\"body\":\"[\\\"1\\\"]\"}";

static void
assert_pull(struct end *end)
{
    ck_assert(end->packet.seq == 7);
    ck_assert_int_eq(TP_PACKET_PULL, end->packet.type);
    assert_text("/xA?a=1", end->packet.uri);
    assert_text("k=v", end->packet.metadata);
    ck_assert_int_eq('j', end->packet.body_codec);
    ck_assert_int_eq('j', end->packet.header_codec);
    tp__test_chain_assert(&end->packet.body, "[\"1\"]", 5);
}

/* Cut in two anywhere, and in pieces of any length. */
START_TEST(a_message_may_be_cut_anywhere)
{
    for (size_t cut = 0; cut <= sizeof(pull_text) + 5; cut++) {
        struct end whole;
        struct end end;
        static uint8_t bytes[LIMIT];

        end_init_open(&whole);
        end_hear_frame(&whole, 0x81, pull_text, sizeof(pull_text) - 1);
        size_t len = whole.input.len;

        tp_chain_copy(&whole.input, 0, len, bytes);
        end_fini(&whole);
        end_init_open(&end);
        end_hear(&end, bytes, cut, 1 + cut / 3);
        if (cut < len) {
            ck_assert_int_eq(TP_DECODE_MORE, end_decode(&end));
            ck_assert_uint_eq(cut, end.input.len);
        }
        end_hear(&end, bytes + cut, len - cut, 1 + cut);
        ck_assert_int_eq(TP_DECODE_PACKET, end_decode(&end));
        assert_pull(&end);
        ck_assert_uint_eq(len, end.packet.wire_bytes);
        ck_assert(!end.wire.is_amid);
        ck_assert_uint_eq(0, end.input.len);
        end_fini(&end);
    }
}
END_TEST

START_TEST(fragments_are_one_message_with_pongs_between)
{
    struct end end;

    end_init_open(&end);
    for (size_t i = 0; i < sizeof(pull_text) - 1; i++) {
        bool is_last = i == sizeof(pull_text) - 2;

        end_hear_frame(&end, (uint8_t) ((is_last ? 0x80 : 0) | (i == 0 ? 1 : 0)), pull_text + i, 1);
        ck_assert_int_eq(is_last ? TP_DECODE_PACKET : TP_DECODE_TOOK, end_decode(&end));
        ck_assert_int_eq(!is_last, end.wire.is_amid);
        if (!is_last) {
            end_hear_frame(&end, 0x89, "?", 1);
            ck_assert_int_eq(TP_DECODE_TOOK, end_decode(&end));
            assert_own(&end, "8a01 '?'");
        }
    }
    assert_pull(&end);
    ck_assert_uint_eq((sizeof(pull_text) - 1) * 7, end.packet.wire_bytes);
    end_fini(&end);
}
END_TEST

/* What two ends make of each other: handshake, then packets both ways, in either form. */
static void
ends_shake_hands(struct end *client, struct end *server, size_t step)
{
    ck_assert_int_eq(TP_OK, protocol()->begin(&client->wire));
    ck_assert(!protocol()->is_ready(&client->wire));
    end_tell_own(client, server, step);
    ck_assert_int_eq(TP_DECODE_TOOK, end_decode(server));
    end_tell_own(server, client, step);
    ck_assert_int_eq(TP_DECODE_TOOK, end_decode(client));
    ck_assert_uint_eq(0, client->input.len);
    ck_assert(protocol()->is_ready(&client->wire) && protocol()->is_ready(&server->wire));
}

static void
assert_same(const struct tp_packet *sent, const struct tp_packet *got)
{
    static uint8_t body[LARGE];

    ck_assert(sent->seq == got->seq);
    ck_assert_int_eq(sent->type, got->type);
    ck_assert(sent->type == TP_PACKET_REPLY || tp__str_equal(sent->uri, got->uri));
    ck_assert(tp__str_equal(sent->metadata, got->metadata));
    ck_assert_int_eq(sent->body_codec, got->body_codec);
    if (sent->type == TP_PACKET_REPLY) {
        ck_assert_int_eq(sent->status.code, got->status.code);
        ck_assert(tp__str_equal(sent->status.text, got->status.text));
        ck_assert(tp__str_equal(sent->status.cause, got->status.cause));
    }
    tp_chain_copy(&sent->body, 0, sent->body.len, body);
    tp__test_chain_assert(&got->body, body, sent->body.len);
}

static void
exchange(struct end *from, struct end *to, const struct tp_packet *packet, size_t step)
{
    ck_assert_int_eq(TP_OK, protocol()->encode(&from->wire, packet, &from->output));
    end_tell_encoded(from, to, step);
    ck_assert_int_eq(TP_DECODE_PACKET, end_decode(to));
    assert_same(packet, &to->packet);
}

static struct tp_packet
random_packet(unsigned *seed, struct tp_buf_pool *pool)
{
    static uint8_t bytes[BODY_MAX];
    bool is_reply = rand_r(seed) % 2 == 0;
    struct tp_packet packet = {
        .type = is_reply ? TP_PACKET_REPLY : TP_PACKET_PULL,
        .seq = (uint64_t) (unsigned) rand_r(seed) << 20,
        .header_codec = rand_r(seed) % 2 == 0 ? TP_CODEC_JSON : TP_CODEC_PROTOBUF,
        .note = (uint32_t) rand_r(seed) % 2,
        .has_body_codec = true,
        .body_codec = TP_CODEC_PLAIN,
        .uri = TP_STR("/a\"\\\n\xc3\xa9?b=c"),
        .metadata = TP_STR("k=a%20b&k=2"),
        .status = tp_status_of(TP_STATUS_OK),
    };
    size_t len = (size_t) rand_r(seed) % BODY_MAX;

    if (is_reply && rand_r(seed) % 2 == 0) {
        packet.status = (struct tp_status){ 1001, TP_STR("a&b=\xc3\xa9"), TP_STR("100%") };
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t) rand_r(seed);
    }
    tp__test_chain_add(&packet.body, pool, bytes, len, 1 + (size_t) rand_r(seed) % BODY_MAX);
    return packet;
}

START_TEST(what_one_end_encodes_the_other_decodes)
{
    unsigned seed = 17;
    struct end client;
    struct end server;

    end_init(&client, true);
    end_init(&server, false);
    client.wire.limits.packet.bytes = server.wire.limits.packet.bytes = LARGE;
    ends_shake_hands(&client, &server, 1 + (size_t) _i * 100);
    for (int i = 0; i < MESSAGES; i++) {
        struct tp_packet packet = random_packet(&seed, &client.pool);
        size_t step = 1 + (size_t) rand_r(&seed) % LIMIT;

        exchange(i % 2 == 0 ? &client : &server, i % 2 == 0 ? &server : &client, &packet, step);
        tp_chain_clear(&packet.body);
    }
    end_fini(&client);
    end_fini(&server);
}
END_TEST

START_TEST(lengths_around_those_of_a_frame)
{
    static const size_t lens[] = { 0, 40, 48, 49, 50, 125, 126, 127, 65400, 65460, 65535, 65536 };
    static char text[LARGE / 8];
    struct end client;
    struct end server;

    memset(text, 'x', sizeof(text));
    end_init(&client, true);
    end_init(&server, false);
    client.wire.limits.packet.bytes = server.wire.limits.packet.bytes = LARGE;
    ends_shake_hands(&client, &server, LIMIT);
    for (size_t i = 0; i < TP_COUNT_OF(lens); i++) {
        for (size_t more = 0; more < 80; more++) {
            struct tp_packet packet = { .type = TP_PACKET_PUSH, .header_codec = 'j' };

            tp__test_chain_add(&packet.body, &client.pool, text, lens[i] + more, LARGE);
            exchange(&client, &server, &packet, LARGE);
            exchange(&server, &client, &packet, LARGE);
            tp_chain_clear(&packet.body);
        }
    }
    end_fini(&client);
    end_fini(&server);
}
END_TEST

/* A client masks all it sends, each frame otherwise; a server nothing. */
START_TEST(only_clients_mask)
{
    struct tp_packet packet = { .type = TP_PACKET_PUSH, .uri = TP_STR("/x") };
    uint8_t masks[2][4];
    uint8_t head[6];
    struct end client;
    struct end server;

    end_init(&client, true);
    end_init(&server, false);
    ends_shake_hands(&client, &server, LIMIT);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(TP_OK, protocol()->encode(&client.wire, &packet, &client.output));
        end_tell_encoded(&client, &server, LIMIT);
        tp_chain_copy(&server.input, 0, sizeof(head), head);
        ck_assert_int_eq(0x81, head[0]);
        ck_assert_int_eq(0x80, head[1] & 0x80);
        memcpy(masks[i], head + 2, sizeof(masks[i]));
        ck_assert_int_eq(TP_DECODE_PACKET, end_decode(&server));
    }
    ck_assert(memcmp(masks[0], masks[1], sizeof(masks[0])) != 0);
    end_hear_text(&client, "8180 00000000");
    ck_assert_int_eq(TP_DECODE_BROKEN, end_decode(&client));
    ck_assert_ptr_nonnull(strstr(client.wire.why, "mask"));
    end_fini(&client);
    end_fini(&server);
}
END_TEST

/* The client's answer to each of these: it will not talk. */
static const struct {
    const char *response;
    const char *why;
} bad_responses[] = {
    { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "does not change" },
    { "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "does not change" },
    { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
      "something else" },
    { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "something else" },
    { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
      "Accept" },
    { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
      "Accept" },
    { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
      "extension" },
    { "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\r\n\r\n", "CR LF" },
    { "SSH-2.0-OpenSSH\r\n\r\n", "" },
};

START_TEST(a_client_does_not_take_anything_for_an_answer)
{
    struct end client;

    end_init(&client, true);
    ck_assert_int_eq(TP_OK, protocol()->begin(&client.wire));
    tp_chain_clear(&client.wire.own);
    end_hear(&client, bad_responses[_i].response, strlen(bad_responses[_i].response), LIMIT);
    ck_assert_int_eq(TP_DECODE_BROKEN, end_decode(&client));
    ck_assert_ptr_nonnull(strstr(client.wire.why, bad_responses[_i].why));
    ck_assert(!protocol()->is_ready(&client.wire));
    protocol()->end(&client.wire, TP_STR("protocol-error"));
    ck_assert_uint_eq(0, client.wire.own.len);
    end_fini(&client);
}
END_TEST

START_TEST(a_target_that_would_end_the_line_is_not_asked)
{
    static const char *const targets[] = { "", "/x", "a b:1", "a:1/x y", "a:1/\r\nX: y" };
    struct end client;

    for (size_t i = 0; i < TP_COUNT_OF(targets); i++) {
        end_init(&client, true);
        client.wire.target = tp__str(targets[i]);
        ck_assert_int_eq(TP_INVALID, protocol()->begin(&client.wire));
        end_fini(&client);
    }
}
END_TEST

/* The same verdict as that of the strict reader of src/base, for texts in pieces. */
START_TEST(texts_are_utf8)
{
    static const uint8_t likely[] = { 'a',  0x80, 0xbf, 0xc2, 0xe0, 0xa0,
                                      0xed, 0x9f, 0xf0, 0x90, 0xf4, 0x8f };
    unsigned seed = 23;

    for (int i = 0; i < TEXTS; i++) {
        struct end end;
        uint8_t text[TEXT_MAX];
        size_t len = 1 + (size_t) rand_r(&seed) % TEXT_MAX;
        size_t cut = (size_t) rand_r(&seed) % (len + 1);
        struct tp_str rest = { (const char *) text, len };
        bool is_valid = true;

        for (size_t at = 0; at < len; at++) {
            text[at] = rand_r(&seed) % 4 == 0 ? (uint8_t) rand_r(&seed)
                                              : likely[(size_t) rand_r(&seed) % sizeof(likely)];
        }
        while (rest.len > 0) {
            struct tp_utf8 character = tp__utf8_read(rest);

            is_valid = is_valid && character.is_valid;
            rest = tp__str_skip(rest, character.len);
        }
        end_init_open(&end);
        end_hear_frame(&end, 0x01, text, cut);
        enum tp_decode_outcome outcome = end_decode(&end);

        if (outcome == TP_DECODE_TOOK) {
            end_hear_frame(&end, 0x80, text + cut, len - cut);
            outcome = end_decode(&end);
        }
        /* No text of these is a packet, so it is broken in any case; the reason tells. */
        ck_assert_int_eq(TP_DECODE_BROKEN, outcome);
        ck_assert_int_eq(is_valid, strstr(end.wire.why, "UTF-8") == NULL);
        end_fini(&end);
    }
}
END_TEST

/* What stands in the close frame, for the words of all close reasons. */
START_TEST(the_end_says_why)
{
    static const struct {
        const char *reason;
        const char *frame;
    } rows[] = {
        { "peer-closed", "880d 03e8 'peer-closed'" },
        { "closed", "8808 03e8 'closed'" },
        { "kicked", "8808 03e8 'kicked'" },
        { "shutdown", "880a 03e9 'shutdown'" },
        { "read-timeout", "880e 03e9 'read-timeout'" },
        { "protocol-error", "8810 03ea 'protocol-error'" },
        { "unsupported-type", "8812 03eb 'unsupported-type'" },
        { "refused", "8809 03f0 'refused'" },
        { "id-taken", "880a 03f0 'id-taken'" },
        { "packet-too-large", "8812 03f1 'packet-too-large'" },
        { "no-resources", "880e 03f5 'no-resources'" },
    };
    enum tp_close_reason reason;
    struct end end;

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        ck_assert_msg(tp__close_reason_find(tp__str(rows[i].reason), &reason),
                      "there is no close reason \"%s\"", rows[i].reason);
        end_init_open(&end);
        protocol()->end(&end.wire, tp__str(rows[i].reason));
        assert_own(&end, rows[i].frame);
        protocol()->end(&end.wire, tp__str(rows[i].reason));
        ck_assert_uint_eq(0, end.wire.own.len);
        end_fini(&end);
    }
}
END_TEST

START_TEST(a_close_is_the_last_that_is_read_and_its_answer_comes_with_the_end)
{
    struct end end;

    end_init_open(&end);
    end_hear_text(&end, "8882 00000000 0fa0 8980 00000000");
    ck_assert_int_eq(TP_DECODE_TOOK, end_decode(&end));
    ck_assert(end.wire.is_last);
    ck_assert_uint_eq(0, end.wire.own.len);
    ck_assert(protocol()->is_ready(&end.wire));
    protocol()->end(&end.wire, TP_STR("peer-closed"));
    assert_own(&end, "8802 0fa0");
    end_fini(&end);
}
END_TEST

/* In the middle of everything, an end goes on from its saved bytes. */
static void
end_move(struct end *end)
{
    struct tp_chain saved = { .len = 0 };
    static uint8_t bytes[LARGE];
    void *state = calloc(1, protocol()->state_size);

    ck_assert_ptr_nonnull(state);
    ck_assert_int_eq(TP_OK, protocol()->save(end->state, &end->pool, &saved));
    size_t len = saved.len;

    tp_chain_copy(&saved, 0, len, bytes);
    tp_chain_clear(&saved);
    protocol()->fini(end->state);
    free(end->state);
    end->state = state;
    end->wire.state = state;
    ck_assert_int_eq(
        TP_OK, protocol()->restore(state, &end->pool, (struct tp_str){ (char *) bytes, len }));
}

/* A handshake that says who asks: what stands before and behind the fields that it has to have. */
static void
end_hear_asking(struct end *end, const char *target, const char *fields)
{
    char head[1024];
    int len = snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\n%s%s", target, fields,
                       handshake + strlen("GET / HTTP/1.1\r\n"));

    end_hear(end, head, (size_t) len, 7);
}

static const struct {
    const char *target;
    const char *fields;
    const char *credentials; /* NULL: none; "!": it is refused */
} askings[] = {
    { "/", "", NULL },
    { "/?a=1", "", NULL },
    { "/", "Authorization: Bearer abc.def.ghi\r\n", "abc.def.ghi" },
    { "/", "authorization: bearer   anna:secret\r\n", "anna:secret" },
    { "/", "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n", "anna:secret" },
    { "/", "Authorization: Basic YW5uYTpzZWM=\r\n", "anna:sec" },
    { "/", "Authorization: Basic YTpi\r\n", "a:b" },
    { "/", "Authorization: Basic YTo=\r\n", "a:" },
    { "/", "Authorization: Basic\r\n", "" },
    { "/", "Authorization: Bearer\r\n", "" },
    { "/", "Authorization: Digest username=\"anna\"\r\n", NULL },
    { "/?access_token=abc.def.ghi", "", "abc.def.ghi" },
    { "/x?a=1&access_token=anna%3Asecret&b=2", "", "anna:secret" },
    { "/?access_token=", "", "" },
    { "/", "Authorization: Basic YTp\r\n", "!" },
    { "/", "Authorization: Basic Y=pi\r\n", "!" },
    { "/", "Authorization: Basic ====\r\n", "!" },
    { "/", "Authorization: Basic YT pi\r\n", "!" },
    { "/?access_token=%4", "", "!" },
    { "/?access_token=a&access_token=b", "", "!" },
    { "/?access_token=a", "Authorization: Bearer a\r\n", "!" },
    { "/", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", "!" },
};

START_TEST(a_handshake_may_say_who_asks)
{
    const char *wanted = askings[_i].credentials;
    struct end end;

    end_init(&end, false);
    end_hear_asking(&end, askings[_i].target, askings[_i].fields);
    enum tp_decode_outcome outcome = end_decode(&end);

    if (wanted == NULL) {
        ck_assert_int_eq(TP_DECODE_TOOK, outcome);
    } else if (wanted[0] == '!') {
        ck_assert_int_eq(TP_DECODE_BROKEN, outcome);
        ck_assert_int_eq('4', *tp_chain_peek(&end.wire.own, strlen("HTTP/1.1 "), 1, NULL));
        ck_assert_uint_eq(0, end.packet.body.len);
    } else {
        ck_assert_int_eq(TP_DECODE_PACKET, outcome);
        ck_assert_int_eq(TP_PACKET_AUTH_CALL, end.packet.type);
        ck_assert_int_eq(TP_CODEC_PLAIN, end.packet.body_codec);
        tp__test_chain_assert(&end.packet.body, wanted, strlen(wanted));
        ck_assert_uint_eq(0, end.packet.uri.len);
        ck_assert(protocol()->is_ready(&end.wire));
        ck_assert_uint_eq(0, end.input.len);
    }
    end_fini(&end);
}
END_TEST

/* Its answer to the credentials of a handshake, moved before it is given. */
static void
end_judge(struct end *end, struct tp_status status)
{
    struct tp_packet reply = { .type = TP_PACKET_AUTH_REPLY, .status = status };

    end_init(end, false);
    end_hear_asking(end, "/?access_token=a", "");
    ck_assert_int_eq(TP_DECODE_PACKET, end_decode(end));
    tp_chain_clear(&end->wire.own);
    end_move(end);
    reply.note = end->packet.note;
    ck_assert_int_eq(TP_OK, protocol()->encode(&end->wire, &reply, &end->output));
}

START_TEST(a_handshake_is_answered_only_when_it_is_refused)
{
    struct end end;

    end_judge(&end, tp_status_of(TP_STATUS_OK));
    ck_assert_uint_eq(0, tp__output_len(&end.output));
    ck_assert(protocol()->is_ready(&end.wire));
    end_fini(&end);

    end_judge(&end, tp_status_of(TP_STATUS_UNAUTHORIZED));
    ck_assert_uint_eq(2 + 2 + strlen("Unauthorized"), tp__output_len(&end.output));
    struct tp_chain chain = { .len = 0 };

    ck_assert_int_eq(TP_OK, tp__output_rest(&end.output, 0, &chain));
    tp__test_chain_assert(&chain, "\x88\x0e\x03\xf0Unauthorized", 16);
    tp_chain_clear(&chain);
    ck_assert(!protocol()->is_ready(&end.wire));
    /* It has been said. */
    protocol()->end(&end.wire, TP_STR("auth-failed"));
    ck_assert_uint_eq(0, end.wire.own.len);
    end_fini(&end);
}
END_TEST

START_TEST(a_state_moves_at_any_time)
{
    struct tp_packet packet = { .type = TP_PACKET_PULL, .header_codec = 'p', .uri = TP_STR("/x") };
    struct end client;
    struct end server;

    end_init(&client, true);
    end_init(&server, false);
    ck_assert_int_eq(TP_OK, protocol()->begin(&client.wire));
    end_move(&client);
    end_tell_own(&client, &server, 1);
    struct tp_chain rest = { .len = 0 };

    ck_assert_int_eq(TP_OK, tp_chain_move(&rest, &server.input, server.input.len - 9));
    struct tp_chain last = server.input;

    server.input = rest;
    ck_assert_int_eq(TP_DECODE_MORE, end_decode(&server));
    end_move(&server);
    ck_assert_int_eq(TP_OK, tp_chain_move(&server.input, &last, last.len));
    ck_assert_int_eq(TP_DECODE_TOOK, end_decode(&server));
    end_move(&server);
    end_tell_own(&server, &client, 1);
    ck_assert_int_eq(TP_DECODE_TOOK, end_decode(&client));
    end_move(&client);
    for (size_t i = 0; i < sizeof(pull_text) - 1; i++) {
        bool is_last = i == sizeof(pull_text) - 2;

        end_hear_frame(&server, (uint8_t) ((is_last ? 0x80 : 0) | (i == 0 ? 1 : 0)), pull_text + i,
                       1);
        ck_assert_int_eq(is_last ? TP_DECODE_PACKET : TP_DECODE_TOOK, end_decode(&server));
        end_move(&server);
    }
    assert_pull(&server);
    ck_assert_uint_eq((sizeof(pull_text) - 1) * 7, server.packet.wire_bytes);
    exchange(&client, &server, &packet, LIMIT);
    end_fini(&client);
    end_fini(&server);
}
END_TEST

START_TEST(saved_bytes_that_make_no_sense_are_refused)
{
    struct end end;
    struct tp_chain saved = { .len = 0 };
    uint8_t bytes[256];

    end_init_open(&end);
    end_hear_frame(&end, 0x01, "ab", 2);
    ck_assert_int_eq(TP_DECODE_TOOK, end_decode(&end));
    ck_assert_int_eq(TP_OK, protocol()->save(end.state, &end.pool, &saved));
    size_t len = saved.len;

    ck_assert_uint_le(len, sizeof(bytes));
    tp_chain_copy(&saved, 0, len, bytes);
    tp_chain_clear(&saved);
    for (size_t i = 0; i < len; i++) {
        for (int value = 0; value < 256; value++) {
            struct end other;
            uint8_t before = bytes[i];

            bytes[i] = (uint8_t) value;
            end_init(&other, false);
            enum tp_result result = protocol()->restore(other.state, &other.pool,
                                                        (struct tp_str){ (char *) bytes, len });

            ck_assert(result == TP_OK || result == TP_INVALID);
            bytes[i] = before;
            end_fini(&other);
        }
    }
    for (size_t less = 0; less < 24; less++) {
        struct end other;

        end_init(&other, false);
        ck_assert_int_eq(TP_INVALID, protocol()->restore(other.state, &other.pool,
                                                         (struct tp_str){ (char *) bytes, less }));
        end_fini(&other);
    }
    end_fini(&end);
}
END_TEST

/* Each allocation in turn is refused: nothing is lost, nothing is taken, and later it goes on. */
START_TEST(without_memory_nothing_is_taken)
{
    for (size_t spare = 0; spare < 600; spare += 8) {
        struct end end;

        end_init_open(&end);
        end_hear_frame(&end, 0x01, pull_text, 10);
        end_hear_frame(&end, 0x80, pull_text + 10, sizeof(pull_text) - 11);
        uint64_t limit = end.pool.bytes_limit;
        enum tp_decode_outcome outcome;

        end.pool.bytes_limit = end.pool.bytes_in_use + spare;
        do {
            size_t before = end.input.len;

            outcome = end_decode(&end);
            if (outcome == TP_DECODE_NO_MEMORY) {
                ck_assert_uint_eq(before, end.input.len);
                end.pool.bytes_limit = limit;
            }
        } while (outcome == TP_DECODE_NO_MEMORY || outcome == TP_DECODE_TOOK);
        ck_assert_int_eq(TP_DECODE_PACKET, outcome);
        assert_pull(&end);
        end.pool.bytes_limit = limit;
        end_fini(&end);
    }
}
END_TEST

START_TEST(a_large_claim_takes_no_memory)
{
    struct end end;

    end_init_open(&end);
    size_t before = end.pool.bytes_in_use;

    end_hear_text(&end, "02ff 0000000000000fff"); /* under the limit, and nothing of it there */
    ck_assert_int_eq(TP_DECODE_BROKEN, end_decode(&end));
    ck_assert_ptr_nonnull(strstr(end.wire.why, "more bytes than needed"));
    end_fini(&end);

    end_init_open(&end);
    end_hear_text(&end, "02fe 0fff");
    ck_assert_int_eq(TP_DECODE_MORE, end_decode(&end));
    ck_assert_uint_le(end.pool.bytes_in_use, before + 64);
    tp_chain_clear(&end.input);
    end_hear_text(&end, "02fe 1001");
    ck_assert_int_eq(TP_DECODE_TOO_LARGE, end_decode(&end));
    end_fini(&end);
}
END_TEST

START_TEST(the_first_bytes_tell)
{
    static const struct {
        const char *bytes;
        enum tp_probe probe;
    } rows[] = {
        { "G", TP_PROBE_MORE },      { "GET ", TP_PROBE_MORE }, { "GET /", TP_PROBE_YES },
        { "GET http", TP_PROBE_NO }, { "POST /", TP_PROBE_NO }, { "{", TP_PROBE_NO },
    };

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        struct end end;

        end_init(&end, false);
        end_hear(&end, rows[i].bytes, strlen(rows[i].bytes), 2);
        ck_assert_int_eq(rows[i].probe, protocol()->probe(&end.wire));
        end_fini(&end);
    }
}
END_TEST

Suite *
tp_suite_protocol_websocket(void)
{
    Suite *suite = suite_create("protocol/websocket");
    TCase *tests = tcase_create("websocket");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_message_may_be_cut_anywhere);
    tcase_add_test(tests, fragments_are_one_message_with_pongs_between);
    tcase_add_loop_test(tests, what_one_end_encodes_the_other_decodes, 0, 3);
    tcase_add_test(tests, lengths_around_those_of_a_frame);
    tcase_add_test(tests, only_clients_mask);
    tcase_add_loop_test(tests, a_client_does_not_take_anything_for_an_answer, 0,
                        TP_COUNT_OF(bad_responses));
    tcase_add_test(tests, a_target_that_would_end_the_line_is_not_asked);
    tcase_add_test(tests, texts_are_utf8);
    tcase_add_test(tests, the_end_says_why);
    tcase_add_test(tests, a_close_is_the_last_that_is_read_and_its_answer_comes_with_the_end);
    tcase_add_loop_test(tests, a_handshake_may_say_who_asks, 0, TP_COUNT_OF(askings));
    tcase_add_test(tests, a_handshake_is_answered_only_when_it_is_refused);
    tcase_add_test(tests, a_state_moves_at_any_time);
    tcase_add_test(tests, saved_bytes_that_make_no_sense_are_refused);
    tcase_add_test(tests, without_memory_nothing_is_taken);
    tcase_add_test(tests, a_large_claim_takes_no_memory);
    tcase_add_test(tests, the_first_bytes_tell);
    suite_add_tcase(suite, tests);
    return suite;
}
