/*
 * raw.c - tests of the protocols raw, json and protobuf, through their module's descriptor.
 */
#include "cycle/built.h"

#include "packet/filters.h"
#include "packet/output.h"

#include "bytes_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMIT = 4096,
    LONG_LIMIT = 1 << 20,
    LONG_BODY = 100 * 1000,
    NO_CODEC = 0,
};

/* A packet as the tables below write it; a NULL text is an empty one. */
struct row {
    const char *protocol;
    const char *bytes;
    int64_t seq;
    int32_t type;
    const char *uri;
    int32_t code;
    const char *status;
    const char *cause;
    const char *metadata;
    uint8_t body_codec;
    const char *body;
    const char *filters;
};

struct bench {
    struct tp_buf_pool pool;
    struct tp_filters filters;
    struct tp_chain input;
    struct tp_output output;
    struct tp_packet packet;
    struct tp_wire wire;
    uint64_t limit;
    bool is_dialed;
};

static const struct tp_protocol *
protocol(const char *name)
{
    for (size_t i = 0; i < tp__built_module_count; i++) {
        const struct tp_module *module = tp__built_modules[i];

        for (size_t at = 0; at < module->protocol_count; at++) {
            if (strcmp(module->protocols[at]->name, name) == 0) {
                return module->protocols[at];
            }
        }
    }
    ck_abort_msg("there is no protocol %s", name);
    return NULL;
}

static void
bench_init(struct bench *bench)
{
    *bench = (struct bench){ .limit = LIMIT };
    tp__test_pool_init(&bench->pool);
    tp__output_init(&bench->output, &bench->pool);
    for (size_t i = 0; i < tp__built_module_count; i++) {
        if (tp__built_modules[i]->filter != NULL) {
            ck_assert_int_eq(TP_OK, tp__filters_add(&bench->filters, tp__built_modules[i]->filter));
        }
    }
}

static void
bench_fini(struct bench *bench)
{
    tp_packet_clear(&bench->packet);
    tp_chain_clear(&bench->input);
    tp__output_fini(&bench->output);
    tp__filters_fini(&bench->filters);
    ck_assert_uint_eq(0, bench->pool.bytes_in_use);
    tp__buf_pool_fini(&bench->pool);
}

static bool
bench_has_filters(const struct bench *bench, const char *ids)
{
    for (const char *id = ids; id != NULL && *id != '\0'; id++) {
        if (tp__filters_find(&bench->filters, (uint8_t) *id) == NULL) {
            return false;
        }
    }
    return true;
}

static struct tp_wire *
bench_wire(struct bench *bench)
{
    bench->wire = (struct tp_wire){
        .input = &bench->input,
        .limits = { .packet = { bench->limit } },
        .is_dialed = bench->is_dialed,
        .pool = &bench->pool,
        .filters = &bench->filters,
    };
    return &bench->wire;
}

static enum tp_decode_outcome
bench_decode(struct bench *bench, const char *name)
{
    tp_packet_clear(&bench->packet);
    return protocol(name)->decode(bench_wire(bench), &bench->packet);
}

static enum tp_result
bench_encode(struct bench *bench, const char *name, const struct tp_packet *packet,
             struct tp_chain *encoded)
{
    enum tp_result result = protocol(name)->encode(bench_wire(bench), packet, &bench->output);

    if (result == TP_OK) {
        ck_assert_int_eq(TP_OK, tp__output_rest(&bench->output, 0, encoded));
    }
    return result;
}

static void
bench_feed(struct bench *bench, const char *text, size_t step)
{
    static struct tp_test_bytes bytes;

    tp__test_bytes_fill(&bytes, text);
    tp__test_chain_add(&bench->input, &bench->pool, bytes.data, bytes.len, step);
}

/* The payload with its size and no filters before it. */
static void
bench_feed_payload(struct bench *bench, const char *name, const char *text, size_t step)
{
    static struct tp_test_bytes payload;
    static uint8_t packet[TP_TEST_BYTES_MAX + 5];

    tp__test_bytes_fill(&payload, text);
    size_t size = payload.len + (strcmp(name, "raw") == 0 ? 5 : 1);

    memcpy(packet, (uint8_t[]){ 0, 0, (uint8_t) (size >> 8), (uint8_t) size, 0 }, 5);
    memcpy(packet + 5, payload.data, payload.len);
    tp__test_chain_add(&bench->input, &bench->pool, packet, payload.len + 5, step);
}

static struct tp_str
str(const char *text)
{
    return text == NULL ? TP_STR("") : (struct tp_str){ text, strlen(text) };
}

static void
assert_text(const char *text, struct tp_str got)
{
    struct tp_str wanted = str(text);

    ck_assert_msg(wanted.len == got.len
                      && (wanted.len == 0 || memcmp(wanted.data, got.data, wanted.len) == 0),
                  "\"%s\" became \"%.*s\"", text == NULL ? "" : text, TP_STR_ARG(got));
}

static void
assert_packet(const struct row *wanted, const struct tp_packet *got)
{
    struct tp_str body = str(wanted->body);
    struct tp_str filters = str(wanted->filters);

    ck_assert(wanted->seq == (int64_t) got->seq);
    ck_assert_int_eq(wanted->type, got->type);
    assert_text(wanted->uri, got->uri);
    ck_assert_int_eq(wanted->code, got->status.code);
    assert_text(wanted->status, got->status.text);
    assert_text(wanted->cause, got->status.cause);
    assert_text(wanted->metadata, got->metadata);
    ck_assert_int_eq(wanted->body_codec, got->body_codec);
    ck_assert(got->has_body_codec == (wanted->body_codec != NO_CODEC));
    ck_assert_int_eq(0, got->gzip_level);
    tp__test_chain_assert(&got->body, body.data, body.len);
    assert_text(wanted->filters, (struct tp_str){ (const char *) got->filters, got->filter_count });
    ck_assert_uint_eq(filters.len, got->filter_count);
}

static struct tp_packet
packet_of(const struct row *from, struct tp_buf_pool *pool)
{
    struct tp_packet packet = {
        .type = from->type,
        .body_codec = from->body_codec,
        .has_body_codec = from->body_codec != NO_CODEC,
        .filter_count = (uint8_t) str(from->filters).len,
        .seq = (uint64_t) from->seq,
        .uri = str(from->uri),
        .metadata = str(from->metadata),
        .status = { from->code, str(from->status), str(from->cause) },
    };

    memcpy(packet.filters, str(from->filters).data, packet.filter_count);
    tp__test_chain_add(&packet.body, pool, str(from->body).data, str(from->body).len, LIMIT);
    return packet;
}

/* As the documentation of the wire has them, to the byte. */
static const struct row examples[] = {
    { "raw", "00000025 00 0131 01 0a2f686f6d652f6563686f 0006636f64653d30 0000 6a 7b2261223a317d",
      1, 1, "/home/echo", 0, NULL, NULL, NULL, 'j', "{\"a\":1}", NULL },
    { "raw", "0000001b 00 0131 02 00                     0006636f64653d30 0000 6a 7b2261223a317d",
      1, 2, NULL, 200, "OK", NULL, NULL, 'j', "{\"a\":1}", NULL },
};

/* Payloads, in both directions to the byte. */
static const struct row payloads[] = {
    { "raw", "067a696b307a6a 02 00 0024 'code=404&msg=Not%20Found&cause=n%2Fa' 0000 00",
      INT32_MAX, 2, NULL, 404, "Not Found", "n/a", NULL, NO_CODEC, NULL, NULL },
    { "raw", "023130 03 022f78 0006'code=0' 0011'k1=v&k2=a&k2=b%20'  73 ' plain'",
      36, 3, "/x", 0, NULL, NULL, "k1=v&k2=a&k2=b%20", 's', " plain", NULL },
    { "raw", "0131 04 00 0006'code=0' 0000 73 'token'",
      1, 4, NULL, 0, NULL, NULL, NULL, 's', "token", NULL },
    { "raw", "022d31 05 00 0031'code=401&msg=Unauthorized&cause=no%20such%20token' 0000 00",
      -1, 5, NULL, 401, "Unauthorized", "no such token", NULL, NO_CODEC, NULL, NULL },
    { "json",
      "'{\"seq\":1,\"mtype\":1,\"serviceMethod\":\"/home/echo\",\"status\":\"code=0\","
      "\"meta\":\"\",\"bodyCodec\":106,\"body\":\"{\\\"a\\\":1}\"}'",
      1, 1, "/home/echo", 0, NULL, NULL, NULL, 'j', "{\"a\":1}", NULL },
    { "json",
      "'{\"seq\":-7,\"mtype\":2,\"serviceMethod\":\"\","
      "\"status\":\"code=1001&msg=%22no%22&cause=a%5Cb\",\"meta\":\"k=%22&k=\\\"\","
      "\"bodyCodec\":115,\"body\":\"\\\\d \\n\\u0001<>&' c3a9 ff '\"}'",
      -7, 2, NULL, 1001, "\"no\"", "a\\b", "k=%22&k=\"", 's', "\\d \n\1<>&\xc3\xa9\xff", NULL },
    { "json",
      "'{\"seq\":0,\"mtype\":4,\"serviceMethod\":\"\",\"status\":\"code=0\",\"meta\":\"\","
      "\"bodyCodec\":0,\"body\":\"\"}'",
      0, 4, NULL, 0, NULL, NULL, NULL, NO_CODEC, NULL, NULL },
    { "protobuf", "0801 1001 1a0a'/home/echo' 2206'code=0' 306a 3a07'{\"a\":1}'",
      1, 1, "/home/echo", 0, NULL, NULL, NULL, 'j', "{\"a\":1}", NULL },
    { "protobuf", "1002 2206'code=0' 2a03'k=v' 3070 3a04 08011002",
      0, 2, NULL, 200, "OK", NULL, "k=v", 'p', "\x08\x01\x10\x02", NULL },
    { "protobuf", "08ffffffffffffffffff01 1005 2218'code=-1&msg=&cause=x%26y'",
      -1, 5, NULL, -1, NULL, "x&y", NULL, NO_CODEC, NULL, NULL },
};

/* Payloads that others write. */
static const struct row lenient[] = {
    { "raw", "02'zK' 01 022f78 0000 0000 00", 1280, 1, "/x", 0, NULL, NULL, NULL, NO_CODEC, NULL,
      NULL },
    { "raw", "0130 02 022f78 0000 0000 00", 0, 2, "/x", 200, "OK", NULL, NULL, NO_CODEC, NULL,
      NULL },
    { "raw", "0130 02 00 0008'code=200' 0000 00", 0, 2, NULL, 200, "OK", NULL, NULL, NO_CODEC,
      NULL, NULL },
    { "raw", "0130 02 00 0008'msg=a%zz' 0003'm=1' 00", 0, 2, NULL, 200, "OK", NULL, "m=1",
      NO_CODEC, NULL, NULL },
    { "raw", "0130 02 00 0012'cause=c+d&code=500' 0000 00", 0, 2, NULL, 500, NULL, "c d", NULL,
      NO_CODEC, NULL, NULL },
    { "raw", "0130 09 00 0000 0000 ff", 0, 9, NULL, 0, NULL, NULL, NULL, 0xff, NULL, NULL },
    { "json", "'{}'", 0, 0, NULL, 0, NULL, NULL, NULL, NO_CODEC, NULL, NULL },
    { "json",
      "'{ \"body\" : \"a\\u0062\" , \"BODYCODEC\":115,\"mtype\":3,\"xferPipe\":[1],"
      "\"seq\":2147483647,\"serviceMethod\":\"\\/x\"}'",
      INT32_MAX, 3, "/x", 0, NULL, NULL, NULL, 's', "ab", NULL },
    /* Their writer escapes quotes only. */
    { "json", "'{\"seq\":1,\"mtype\":3,\"bodyCodec\":115,\"body\":\"a' 0a 09 'b\\d\"}'",
      1, 3, NULL, 0, NULL, NULL, NULL, 's', "a\n\tb\\d", NULL },
    { "json",
      "'{\"seq\":1,\"mtype\":3,\"bodyCodec\":106,\"body\":\"{\\\"a\\\":\\\"say \\\\\"hi\\\\\"\\\"}\"}'",
      1, 3, NULL, 0, NULL, NULL, NULL, 'j', "{\"a\":\"say \\\"hi\\\"\"}", NULL },
    { "protobuf", "3a02'ab' 4805 1a022f78 1003 3073 08ffffffff0f",
      0xffffffff, 3, "/x", 0, NULL, NULL, NULL, 's', "ab", NULL },
    { "protobuf", "", 0, 0, NULL, 0, NULL, NULL, NULL, NO_CODEC, NULL, NULL },
};

static const struct {
    const char *protocol;
    const char *bytes;
    enum tp_decode_outcome outcome;
    const char *why;
} frames[] = {
    { "raw", "", TP_DECODE_MORE, NULL },
    { "raw", "000000", TP_DECODE_MORE, NULL },
    { "raw", "00000004", TP_DECODE_BROKEN, "size" },
    { "json", "00000000", TP_DECODE_BROKEN, "size" },
    { "raw", "00000005", TP_DECODE_MORE, NULL },
    { "raw", "00000005 00", TP_DECODE_BROKEN, "header" },
    { "json", "00000001", TP_DECODE_MORE, NULL },
    { "json", "00000001 00", TP_DECODE_BROKEN, "malformed" },
    { "raw", "00001000", TP_DECODE_MORE, NULL },
    { "raw", "00001001", TP_DECODE_TOO_LARGE, "longer" },
    { "json", "00000ffc", TP_DECODE_MORE, NULL },
    { "protobuf", "00000ffd", TP_DECODE_TOO_LARGE, "longer" },
    { "raw", "ffffffff", TP_DECODE_TOO_LARGE, "longer" },
    { "json", "ffffffff", TP_DECODE_TOO_LARGE, "longer" },
    { "raw", "00000020 09", TP_DECODE_BROKEN, "filters" },
    { "raw", "00000006 02", TP_DECODE_BROKEN, "filters" },
    { "raw", "00000010 02 6d", TP_DECODE_MORE, NULL },
    { "raw", "00000008 01 7a 0000", TP_DECODE_BROKEN, "not built in" },
    { "raw", "00000008 01 67 0000", TP_DECODE_BROKEN, "broken" },
};

static const struct {
    const char *protocol;
    const char *payload;
    const char *why;
} broken[] = {
    { "raw", "00 01 00 0000 0000 00", "seq" },
    { "raw", "012b 01 00 0000 0000 00", "seq" },
    { "raw", "012d 01 00 0000 0000 00", "seq" },
    { "raw", "0f 313131313131313131313131313131 01 00 0000 0000 00", "seq" },
    { "raw", "0d 7a7a7a7a7a7a7a7a7a7a7a7a7a 01 00 0000 0000 00", "seq" },
    { "raw", "0131 01 00 0000 0000", "header" },
    { "raw", "0131 01 00 0000 00", "header" },
    { "raw", "0131 01 00 0001 0000", "header" },
    { "raw", "0131 01 05 2f78 0000 0000 00", "header" },
    { "raw", "ff31", "header" },
    { "raw", "0131 02 00 0006'code=x' 0000 00", "status" },
    { "raw", "0131 02 00 000f'code=2147483648' 0000 00", "status" },
    { "json", "'{\"seq\":\"1\"}'", "type" },
    { "json", "'{\"seq\":1'", "malformed" },
    { "json", "'[]'", "malformed" },
    { "json", "'{\"mtype\":2147483648}'", "range" },
    { "json", "'{\"bodyCodec\":256}'", "codec" },
    { "json", "'{\"bodyCodec\":-1}'", "codec" },
    { "protobuf", "0a0131", "malformed" },
    { "protobuf", "3a05'abcd'", "malformed" },
    { "protobuf", "308002", "codec" },
};

static const struct {
    const char *bytes;
    const char *protocol; /* NULL: none of the three */
} probes[] = {
    { "00000025 00 0131 01", "raw" },
    { "00000025 00 07", "raw" },
    { "00000025 00 08", "protobuf" },
    { "00000025 00 10", "protobuf" },
    { "00000025 00 7b", "json" },
    { "00000025 00 09", NULL },
    { "00000025 00 00", NULL },
    { "00000025 00 20", NULL },
    { "00000025 70 0807", NULL },
    { "00000025 6a 7b", NULL },
    { "'GET / HTTP/1.1'", NULL },
    { "0d0a0d0a 00 0d0a515549540a", NULL },
    { "160301 0000 01", NULL },
    { "11000000 00 01", NULL },
    { "00000025 09 676767676767676767 01", NULL },
    /* A sum behind the payload changes nothing before it. */
    { "00000025 01 6d 01", "raw" },
    { "00000025 02 6d6d 7b", "json" },
    { "00000025 01 7a 01", NULL },
    /* Deflated: stored, and with fixed codes. */
    { "00000025 01 67 1f8b08000000000000ff 010700f8ff 0131", "raw" },
    { "00000025 01 67 1f8b08000000000000ff aa564a", "json" },
    { "00000025 02 676d 1f8b08000000000000ff 010700f8ff 08", "protobuf" },
    { "00000025 01 67 1f8b08000000000000fe 07", NULL },
    { "00000025 01 67 1f8c08000000000000ff 010700f8ff 0131", NULL },
    { "0000000e 01 67 1f8b08000000000000ff 0300", NULL }, /* of nothing */
};

START_TEST(the_examples_of_the_wire)
{
    static struct tp_test_bytes bytes;
    struct bench bench;
    struct tp_chain encoded = { 0 };

    bench_init(&bench);
    bench_feed(&bench, examples[_i].bytes, LIMIT);
    ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, examples[_i].protocol));
    assert_packet(&examples[_i], &bench.packet);

    struct tp_packet packet = packet_of(&examples[_i], &bench.pool);

    tp__test_bytes_fill(&bytes, examples[_i].bytes);
    ck_assert_int_eq(TP_OK, bench_encode(&bench, examples[_i].protocol, &packet, &encoded));
    tp__test_chain_assert(&encoded, bytes.data, bytes.len);
    tp_chain_clear(&encoded);
    tp_packet_clear(&packet);
    bench_fini(&bench);
}
END_TEST

static void
assert_payload(const struct row *row, size_t step)
{
    struct bench bench;

    bench_init(&bench);
    bench_feed_payload(&bench, row->protocol, row->bytes, step);
    size_t len = bench.input.len;
    enum tp_decode_outcome outcome = bench_decode(&bench, row->protocol);

    ck_assert_msg(outcome == TP_DECODE_PACKET, "%s: %s", row->bytes, bench.wire.why);
    assert_packet(row, &bench.packet);
    ck_assert_uint_eq(len, bench.packet.wire_bytes);
    ck_assert_uint_eq(0, bench.input.len);
    bench_fini(&bench);
}

START_TEST(payloads_are_read)
{
    for (size_t step = 1; step < 90; step++) {
        assert_payload(&payloads[_i], step);
    }
}
END_TEST

START_TEST(payloads_of_others_are_read)
{
    for (size_t step = 1; step < 200; step = step * 2 + 1) {
        assert_payload(&lenient[_i], step);
    }
}
END_TEST

START_TEST(payloads_are_written)
{
    static struct tp_test_bytes bytes;
    const struct row *row = &payloads[_i];
    struct bench bench;
    struct tp_chain encoded = { 0 };

    bench_init(&bench);
    struct tp_packet packet = packet_of(row, &bench.pool);

    tp__test_bytes_fill(&bytes, row->bytes);
    ck_assert_int_eq(TP_OK, bench_encode(&bench, row->protocol, &packet, &encoded));
    ck_assert_uint_eq(bytes.len + 5, encoded.len);
    tp_chain_skip(&encoded, 5);
    tp__test_chain_assert(&encoded, bytes.data, bytes.len);
    tp_chain_clear(&encoded);
    tp_packet_clear(&packet);
    bench_fini(&bench);
}
END_TEST

START_TEST(frames_are_judged_early)
{
    struct bench bench;

    bench_init(&bench);
    bench_feed(&bench, frames[_i].bytes, 1 + (size_t) _i % 3);
    size_t len = bench.input.len;

    ck_assert_msg(bench_decode(&bench, frames[_i].protocol) == frames[_i].outcome, "%s: %s",
                  frames[_i].bytes, bench.wire.why);
    ck_assert_uint_eq(len, bench.input.len);
    if (frames[_i].why != NULL) {
        ck_assert_msg(strstr(bench.wire.why, frames[_i].why) != NULL, "%s", bench.wire.why);
    }
    bench_fini(&bench);
}
END_TEST

START_TEST(broken_payloads_say_why)
{
    for (size_t step = 1; step < 90; step = step * 3 + 1) {
        struct bench bench;

        bench_init(&bench);
        bench_feed_payload(&bench, broken[_i].protocol, broken[_i].payload, step);
        ck_assert_msg(bench_decode(&bench, broken[_i].protocol) == TP_DECODE_BROKEN, "%s",
                      broken[_i].payload);
        ck_assert_msg(strstr(bench.wire.why, broken[_i].why) != NULL, "%s: %s", broken[_i].payload,
                      bench.wire.why);
        bench_fini(&bench);
    }
}
END_TEST

/* A front may not be enough yet, but it never tells of another protocol. */
START_TEST(first_bytes_tell)
{
    static const char *const names[] = { "raw", "json", "protobuf" };
    struct bench bench;

    bench_init(&bench);
    if ((strstr(probes[_i].bytes, " 67") != NULL && !bench_has_filters(&bench, "g"))
        || (strstr(probes[_i].bytes, "6d") != NULL && !bench_has_filters(&bench, "m"))) {
        bench_fini(&bench);
        return;
    }
    for (size_t i = 0; i < TP_COUNT_OF(names); i++) {
        static struct tp_test_bytes bytes;
        enum tp_probe probe = TP_PROBE_MORE;
        bool is_wanted = probes[_i].protocol != NULL && strcmp(names[i], probes[_i].protocol) == 0;

        tp__test_bytes_fill(&bytes, probes[_i].bytes);
        for (size_t len = 1; len <= bytes.len; len++) {
            tp__test_chain_add(&bench.input, &bench.pool, bytes.data, len, 3);
            probe = protocol(names[i])->probe(bench_wire(&bench));
            ck_assert(probe == TP_PROBE_MORE || (probe == TP_PROBE_YES) == is_wanted);
            tp_chain_clear(&bench.input);
        }
        ck_assert_msg(probe == (is_wanted ? TP_PROBE_YES : TP_PROBE_NO), "%s is %s: %d",
                      probes[_i].bytes, names[i], probe);
    }
    bench_fini(&bench);
}
END_TEST

/* Each protocol with each row of filters, cut in two at every place. */
static const char *const filter_rows[] = { "g", "m", "gm", "mg", "gmgm" };
static const char *const all_protocols[] = { "raw", "json", "protobuf" };

static void
assert_filtered(const char *name, const char *ids, size_t body_len)
{
    struct bench bench;
    struct tp_chain encoded = { 0 };
    struct row row = { name, NULL, 7, 2, NULL, 200, "OK", NULL, "k=v", 's', NULL, ids };

    bench_init(&bench);
    if (!bench_has_filters(&bench, ids)) {
        bench_fini(&bench);
        return;
    }
    char *body = calloc(1, body_len + 1);

    ck_assert_ptr_nonnull(body);
    memset(body, 'b', body_len);
    row.body = body;
    struct tp_packet packet = packet_of(&row, &bench.pool);

    bench.limit = LONG_LIMIT;
    ck_assert_int_eq(TP_OK, bench_encode(&bench, name, &packet, &encoded));
    uint8_t head[5 + TP_PACKET_FILTERS_MAX];

    tp_chain_copy(&encoded, 0, 5 + strlen(ids), head);
    ck_assert_uint_eq(strlen(ids), head[4]);
    ck_assert_mem_eq(ids, head + 5, strlen(ids));
    for (size_t cut = 0; cut < encoded.len; cut += 1 + cut / 8) {
        ck_assert_int_eq(TP_OK, tp_chain_share_part(&bench.input, &encoded, 0, cut));
        ck_assert_int_eq(TP_DECODE_MORE, bench_decode(&bench, name));
        ck_assert_int_eq(TP_OK,
                         tp_chain_share_part(&bench.input, &encoded, cut, encoded.len - cut));
        ck_assert(protocol(name)->probe(bench_wire(&bench)) == TP_PROBE_YES);
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, name));
        assert_packet(&row, &bench.packet);
    }
    bench.limit = encoded.len - 1;
    ck_assert_int_eq(TP_OK, tp_chain_share(&bench.input, &encoded));
    ck_assert_int_eq(TP_DECODE_TOO_LARGE, bench_decode(&bench, name));
    tp_chain_clear(&encoded);
    tp_packet_clear(&packet);
    free(body);
    bench_fini(&bench);
}

START_TEST(filters_are_applied_and_undone)
{
    for (size_t i = 0; i < TP_COUNT_OF(all_protocols); i++) {
        assert_filtered(all_protocols[i], filter_rows[_i], 0);
        assert_filtered(all_protocols[i], filter_rows[_i], 20);
        assert_filtered(all_protocols[i], filter_rows[_i], LONG_BODY);
    }
}
END_TEST

/* What is small on the wire may not become more than the limit. */
START_TEST(a_bomb_is_too_large)
{
    struct bench bench;
    struct tp_chain encoded = { 0 };
    struct row row = { "raw", NULL, 7, 2, NULL, 200, "OK", NULL, NULL, 's', NULL, "g" };
    char *body = calloc(1, LONG_BODY + 1);

    bench_init(&bench);
    ck_assert_ptr_nonnull(body);
    memset(body, 'b', LONG_BODY);
    row.body = body;
    struct tp_packet packet = packet_of(&row, &bench.pool);

    if (bench_has_filters(&bench, "g")) {
        ck_assert_int_eq(TP_OK, bench_encode(&bench, "raw", &packet, &bench.input));
        ck_assert_uint_lt(bench.input.len, bench.limit);
        ck_assert_int_eq(TP_DECODE_TOO_LARGE, bench_decode(&bench, "raw"));
        ck_assert_ptr_nonnull(strstr(bench.wire.why, "without its filters"));
    }
    tp_packet_clear(&packet);
    tp_chain_clear(&encoded);
    free(body);
    bench_fini(&bench);
}
END_TEST

/* Filters may make nothing of what is there, or of nothing: then a payload is as empty as else. */
static const struct {
    const char *bytes;
    const char *protocol;
    enum tp_decode_outcome outcome;
    const char *why;
} empty_rows[] = {
    { "00000007 02 6767", "raw", TP_DECODE_BROKEN, "shorter than its header" },
    { "0000001a 01 67 1f8b08000000000000ff 0300 00000000 00000000", "raw", TP_DECODE_BROKEN,
      "shorter than its header" },
    { "00000003 02 6767", "json", TP_DECODE_BROKEN, "malformed" },
    { "00000016 01 67 1f8b08000000000000ff 0300 00000000 00000000", "json", TP_DECODE_BROKEN,
      "malformed" },
    { "00000003 02 6767", "protobuf", TP_DECODE_PACKET, NULL },
    { "00000016 01 67 1f8b08000000000000ff 0300 00000000 00000000", "protobuf", TP_DECODE_PACKET,
      NULL },
};

START_TEST(filters_may_leave_nothing)
{
    struct bench bench;

    bench_init(&bench);
    if (bench_has_filters(&bench, "g")) {
        bench_feed(&bench, empty_rows[_i].bytes, LIMIT);
        ck_assert_int_eq(empty_rows[_i].outcome, bench_decode(&bench, empty_rows[_i].protocol));
        if (empty_rows[_i].why != NULL) {
            ck_assert_ptr_nonnull(strstr(bench.wire.why, empty_rows[_i].why));
        }
    }
    bench_fini(&bench);
}
END_TEST

/* A PULL of ours whose gzip grew leaves it out; its other filters stay. */
START_TEST(what_grew_is_not_deflated)
{
    struct bench bench;
    struct tp_chain encoded = { 0 };
    struct row row = { "raw", NULL, 7, 1, "/x", 0, NULL, NULL, NULL, 's', "abc", "gm" };
    uint8_t head[6];

    bench_init(&bench);
    if (bench_has_filters(&bench, "gm")) {
        struct tp_packet packet = packet_of(&row, &bench.pool);

        ck_assert_int_eq(TP_OK, bench_encode(&bench, "raw", &packet, &encoded));
        tp_chain_copy(&encoded, 0, sizeof(head), head);
        ck_assert_uint_eq(1, head[4]);
        ck_assert_uint_eq('m', head[5]);
        tp_packet_clear(&packet);
        tp_chain_clear(&encoded);
    }
    bench_fini(&bench);
}
END_TEST

/* The body stays where it was read to, whatever its length. */
START_TEST(a_large_body_is_not_copied)
{
    const char *name = _i == 0 ? "raw" : "protobuf";
    struct bench bench;
    struct tp_chain encoded = { 0 };
    struct row row = { name, NULL, 7, 1, "/x", 0, NULL, NULL, "k=v", 's', NULL, NULL };
    char *body = calloc(1, LONG_BODY + 1);

    bench_init(&bench);
    bench.limit = LONG_LIMIT;
    ck_assert_ptr_nonnull(body);
    memset(body, 'b', LONG_BODY);
    row.body = body;
    struct tp_packet packet = packet_of(&row, &bench.pool);

    ck_assert_int_eq(TP_OK, bench_encode(&bench, name, &packet, &encoded));
    uint8_t *bytes = malloc(encoded.len);

    ck_assert_ptr_nonnull(bytes);
    tp_chain_copy(&encoded, 0, encoded.len, bytes);
    tp__test_chain_add(&bench.input, &bench.pool, bytes, encoded.len, TP_BUF_STANDARD);
    size_t in_use = bench.pool.bytes_in_use;

    ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, name));
    assert_packet(&row, &bench.packet);
    ck_assert_uint_ge(in_use, bench.pool.bytes_in_use);
    free(bytes);
    tp_chain_clear(&encoded);
    tp_packet_clear(&packet);
    free(body);
    bench_fini(&bench);
}
END_TEST

/* What a client says of itself, and what a gateway that we dialed says of its client. */
static const struct {
    const char *metadata;
    const char *accepted;
    uint8_t accept_codec;
} metadata[] = {
    { "a=1&X-Real-IP=1.2.3.4&b=2", "a=1&b=2", 0 },
    { "x%2Dreal-ip=1&X-SESSION-ID&x_Real_IP=2", "", 0 },
    { "X-Real-IPs=1&X-Real=2&=3&k", "X-Real-IPs=1&X-Real=2&=3&k", 0 },
    { "k=v&X-Accept-Body-Codec=106", "k=v&X-Accept-Body-Codec=106", 'j' },
    { "X-Accept-Body-Codec=0&X-Session-Id=x", "X-Accept-Body-Codec=0", 0 },
};

START_TEST(metadata_of_gateways_is_for_gateways)
{
    for (int is_dialed = 0; is_dialed < 2; is_dialed++) {
        struct bench bench;
        struct tp_chain encoded = { 0 };
        struct row row = { "raw", NULL, 7,   1, "/x", 0, NULL, NULL, metadata[_i].metadata,
                           's',   "b",  NULL };

        bench_init(&bench);
        bench.is_dialed = is_dialed != 0;
        struct tp_packet packet = packet_of(&row, &bench.pool);

        ck_assert_int_eq(TP_OK, bench_encode(&bench, "raw", &packet, &bench.input));
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, "raw"));
        if (!bench.is_dialed) {
            row.metadata = metadata[_i].accepted;
        }
        assert_packet(&row, &bench.packet);
        ck_assert_uint_eq(metadata[_i].accept_codec, bench.packet.accept_codec);
        tp_packet_clear(&packet);
        tp_chain_clear(&encoded);
        bench_fini(&bench);
    }
}
END_TEST

START_TEST(a_codec_that_is_none_is_refused)
{
    struct bench bench;

    bench_init(&bench);
    bench_feed_payload(&bench, "raw", "0131 01 022f78 0000 0019'X-Accept-Body-Codec=json'  73 'b'",
                       LIMIT);
    ck_assert_int_eq(TP_DECODE_REFUSED, bench_decode(&bench, "raw"));
    ck_assert_int_eq(400, bench.packet.status.code);
    ck_assert_uint_eq(1, bench.packet.seq);
    ck_assert_uint_eq(0, bench.input.len);
    bench_fini(&bench);
}
END_TEST

/* Of one codec only, and only once. */
START_TEST(the_wanted_codec_is_said)
{
    struct bench bench;
    struct row row = { all_protocols[_i], NULL, 7, 1, "/x", 0, NULL, NULL, NULL, 's', "b", NULL };

    bench_init(&bench);
    for (int i = 0; i < 3; i++) {
        row.metadata = i == 0 ? NULL : i == 1 ? "k=v" : "X-Accept-Body-Codec=112&k=v";
        struct tp_packet packet = packet_of(&row, &bench.pool);

        packet.accept_codec = 'j';
        ck_assert_int_eq(TP_OK, bench_encode(&bench, row.protocol, &packet, &bench.input));
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, row.protocol));
        assert_text(i == 0   ? "X-Accept-Body-Codec=106"
                    : i == 1 ? "k=v&X-Accept-Body-Codec=106"
                             : row.metadata,
                    bench.packet.metadata);
        tp_packet_clear(&packet);
    }
    bench_fini(&bench);
}
END_TEST

/* Raw has one byte for a uri's length, and two for a status' and metadata's. */
START_TEST(raw_refuses_what_it_cannot_say)
{
    static char text[70 * 1000];
    struct bench bench;
    struct tp_chain encoded = { 0 };
    struct tp_packet packet = { .type = TP_PACKET_PULL, .seq = 7, .uri = { text, 255 } };

    bench_init(&bench);
    memset(text, 'x', sizeof(text));
    ck_assert(protocol("raw")->fits(&packet));
    packet.uri.len++;
    ck_assert(!protocol("raw")->fits(&packet));
    ck_assert_int_eq(TP_TOO_LARGE, bench_encode(&bench, "raw", &packet, &encoded));
    ck_assert_uint_eq(0, tp__output_len(&bench.output));

    /* A REPLY has no uri, and is said somehow. */
    packet.type = TP_PACKET_REPLY;
    packet.status = tp_status_of(TP_STATUS_OK);
    ck_assert(protocol("raw")->fits(&packet));
    packet.status.code = 1001;
    packet.status.cause = (struct tp_str){ text, sizeof(text) };
    ck_assert_int_eq(TP_OK, bench_encode(&bench, "raw", &packet, &bench.input));
    ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, "raw"));
    ck_assert_int_eq(500, bench.packet.status.code);
    ck_assert_uint_eq(7, bench.packet.seq);
    bench_fini(&bench);
}
END_TEST

/* Whatever is written is read, without memory as with it. */
START_TEST(without_memory_nothing_is_taken)
{
    struct tp_test_hunger hunger;
    struct bench bench;

    bench_init(&bench);
    bench_feed_payload(&bench, payloads[_i].protocol, payloads[_i].bytes, 3);
    size_t len = bench.input.len;

    if (tp__test_starve(&hunger)) {
        enum tp_decode_outcome outcome = bench_decode(&bench, payloads[_i].protocol);

        tp__test_feed(&hunger);
        ck_assert_int_eq(TP_DECODE_NO_MEMORY, outcome);
        ck_assert_uint_eq(len, bench.input.len);
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, payloads[_i].protocol));
        assert_packet(&payloads[_i], &bench.packet);
    }
    bench_fini(&bench);
}
END_TEST

Suite *tp_suite_protocol_raw(void);

Suite *
tp_suite_protocol_raw(void)
{
    Suite *suite = suite_create("protocol/raw");
    TCase *reading = tcase_create("reading");
    TCase *writing = tcase_create("writing");
    TCase *filters = tcase_create("filters");
    TCase *metadata_case = tcase_create("metadata");

    tcase_add_loop_test(reading, payloads_are_read, 0, TP_COUNT_OF(payloads));
    tcase_add_loop_test(reading, payloads_of_others_are_read, 0, TP_COUNT_OF(lenient));
    tcase_add_loop_test(reading, frames_are_judged_early, 0, TP_COUNT_OF(frames));
    tcase_add_loop_test(reading, broken_payloads_say_why, 0, TP_COUNT_OF(broken));
    tcase_add_loop_test(reading, first_bytes_tell, 0, TP_COUNT_OF(probes));
    tcase_add_loop_test(reading, a_large_body_is_not_copied, 0, 2);
    tcase_add_loop_test(reading, without_memory_nothing_is_taken, 0, TP_COUNT_OF(payloads));
    suite_add_tcase(suite, reading);
    tcase_add_loop_test(writing, the_examples_of_the_wire, 0, TP_COUNT_OF(examples));
    tcase_add_loop_test(writing, payloads_are_written, 0, TP_COUNT_OF(payloads));
    tcase_add_test(writing, raw_refuses_what_it_cannot_say);
    suite_add_tcase(suite, writing);
    tcase_add_loop_test(filters, filters_are_applied_and_undone, 0, TP_COUNT_OF(filter_rows));
    tcase_add_test(filters, a_bomb_is_too_large);
    tcase_add_loop_test(filters, filters_may_leave_nothing, 0, TP_COUNT_OF(empty_rows));
    tcase_add_test(filters, what_grew_is_not_deflated);
    suite_add_tcase(suite, filters);
    tcase_add_loop_test(metadata_case, metadata_of_gateways_is_for_gateways, 0,
                        TP_COUNT_OF(metadata));
    tcase_add_test(metadata_case, a_codec_that_is_none_is_refused);
    tcase_add_loop_test(metadata_case, the_wanted_codec_is_said, 0, TP_COUNT_OF(all_protocols));
    suite_add_tcase(suite, metadata_case);
    return suite;
}
