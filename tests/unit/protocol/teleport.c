/*
 * teleport.c - tests of the protocol of Teleport 2.5, through its module's descriptor.
 */
#include "cycle/built.h"

#include "packet/output.h"

#include "bytes_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMIT = 4096,
    LONG_LIMIT = 1 << 20,
    ROUND_TRIPS = 3000,
    PACKETS = 1000,
    NO_BODY = -1,
};

/* A packet as the tables below write it; a NULL text is an empty one. */
struct row {
    const char *bytes; /* of the header alone where the row has a codec's table */
    char codec;
    uint64_t seq;
    int32_t type;
    const char *uri;
    int32_t gzip;
    int32_t code;
    const char *status;
    int body_codec; /* NO_BODY: none */
    const char *body;
};

struct bench {
    struct tp_buf_pool pool;
    struct tp_chain input;
    struct tp_packet packet;
    const char *why;
};

static const struct tp_protocol *
protocol(void)
{
    for (size_t i = 0; i < tp__built_module_count; i++) {
        const struct tp_module *module = tp__built_modules[i];

        if (strcmp(module->name, "teleport") == 0) {
            return module->protocols[0];
        }
    }
    return NULL;
}

static void
bench_init(struct bench *bench)
{
    memset(bench, 0, sizeof(*bench));
    tp__test_pool_init(&bench->pool);
}

static void
bench_fini(struct bench *bench)
{
    tp_packet_clear(&bench->packet);
    tp_chain_clear(&bench->input);
    ck_assert_uint_eq(0, bench->pool.bytes_in_use);
    tp__buf_pool_fini(&bench->pool);
}

static enum tp_decode_outcome
bench_decode(struct bench *bench, uint64_t limit)
{
    struct tp_wire wire = {
        .input = &bench->input,
        .limits = { .packet = { limit } },
        .pool = &bench->pool,
    };

    tp_packet_clear(&bench->packet);
    enum tp_decode_outcome outcome = protocol()->decode(&wire, &bench->packet);

    bench->why = wire.why;
    return outcome;
}

static void
bench_feed(struct bench *bench, const char *text, size_t step)
{
    static struct tp_test_bytes bytes;

    tp__test_bytes_fill(&bytes, text);
    tp__test_chain_add(&bench->input, &bench->pool, bytes.data, bytes.len, step);
}

/* A packet whose header is `text`, with neither body nor body codec. */
static void
bench_feed_header(struct bench *bench, char codec, const char *text, size_t step)
{
    static struct tp_test_bytes header;
    static uint8_t packet[TP_TEST_BYTES_MAX + 16];

    tp__test_bytes_fill(&header, text);
    size_t len = header.len + 1;

    memcpy(packet, (uint8_t[]){ 0, 0, (uint8_t) (len >> 8), (uint8_t) len, (uint8_t) codec }, 5);
    memcpy(packet + 5, header.data, header.len);
    memset(packet + 4 + len, 0, 4);
    tp__test_chain_add(&bench->input, &bench->pool, packet, 8 + len, step);
}

static struct tp_str
str(const char *text)
{
    return text == NULL ? TP_STR("") : (struct tp_str){ text, strlen(text) };
}

static void
assert_text(struct tp_str wanted, struct tp_str got)
{
    ck_assert_uint_eq(wanted.len, got.len);
    ck_assert(wanted.len == 0 || memcmp(wanted.data, got.data, wanted.len) == 0);
}

static void
assert_header(const struct row *wanted, const struct tp_packet *got)
{
    ck_assert_int_eq(wanted->codec, got->header_codec);
    ck_assert(wanted->seq == got->seq);
    ck_assert_int_eq(wanted->type, got->type);
    assert_text(str(wanted->uri), got->uri);
    ck_assert_int_eq(wanted->gzip, got->gzip_level);
    ck_assert_int_eq(wanted->code, got->status.code);
    assert_text(str(wanted->status), got->status.text);
    ck_assert_uint_eq(0, got->status.cause.len);
}

static void
assert_packet(const struct row *wanted, const struct tp_packet *got)
{
    struct tp_str body = str(wanted->body);

    assert_header(wanted, got);
    ck_assert_int_eq(wanted->body_codec >= 0, got->has_body_codec);
    ck_assert_int_eq(wanted->body_codec >= 0 ? wanted->body_codec : 0, got->body_codec);
    tp__test_chain_assert(&got->body, body.data, body.len);
}

static struct tp_packet
packet_of(const struct row *from, struct tp_buf_pool *pool)
{
    struct tp_packet packet = {
        .type = from->type,
        .header_codec = (uint8_t) from->codec,
        .has_body_codec = from->body_codec >= 0,
        .body_codec = (uint8_t) (from->body_codec >= 0 ? from->body_codec : 0),
        .gzip_level = from->gzip,
        .seq = from->seq,
        .uri = str(from->uri),
        .status = { from->code, str(from->status), TP_STR("") },
    };

    tp__test_chain_add(&packet.body, pool, str(from->body).data, str(from->body).len, LIMIT);
    return packet;
}

static void
assert_encoded(struct tp_output *output, const void *bytes, size_t len)
{
    struct tp_chain chain = { 0 };

    ck_assert_int_eq(TP_OK, tp__output_rest(output, 0, &chain));
    tp__test_chain_assert(&chain, bytes, len);
    tp_chain_clear(&chain);
}

/* To the byte in both directions. */
static const struct row packets[] = {
    { "00000010 70 0807 1001 1a09 '/math/add' 00000006 6a '[1,2]'",
      'p', 7, 1, "/math/add", 0, 0, NULL, 'j', "[1,2]" },
    { "00000017 70 0807 1002 1a09 '/math/add' 28c801 32024f4b 00000002 6a '3'",
      'p', 7, 2, "/math/add", 0, 200, "OK", 'j', "3" },
    { "00000025 6a '{\"seq\":7,\"type\":1,\"uri\":\"/math/add\"}' 00000006 6a '[1,2]'",
      'j', 7, 1, "/math/add", 0, 0, NULL, 'j', "[1,2]" },
    { "00000045 6a '{\"seq\":7,\"type\":2,\"uri\":\"/math/add\",\"status_code\":200,"
      "\"status\":\"OK\"}' 00000002 6a '3'",
      'j', 7, 2, "/math/add", 0, 200, "OK", 'j', "3" },
    { "00000001 70 00000000", 'p', 0, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "00000003 6a '{}' 00000000", 'j', 0, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "00000001 70 00000001 73", 'p', 0, 0, NULL, 0, 0, NULL, 's', NULL },
    { "00000001 70 00000003 00 '{}'", 'p', 0, 0, NULL, 0, 0, NULL, 0, "{}" },
    { "00000003 70 1009 00000002 ff 'x'", 'p', 0, 9, NULL, 0, 0, NULL, 0xff, "x" },
};

/* Headers as we write them, which we read too. */
static const struct row headers[] = {
    { "08ffffffffffffffffff01", 'p', UINT64_MAX, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "1080808080f8ffffffff01 20feffffffffffffffff01",
      'p', 0, INT32_MIN, NULL, -2, 0, NULL, NO_BODY, NULL },
    { "28ffffffff07 3203 'yes'", 'p', 0, 0, NULL, 0, INT32_MAX, "yes", NO_BODY, NULL },
    { "1a02 ff80", 'p', 0, 0, "\xff\x80", 0, 0, NULL, NO_BODY, NULL },
    { "'{\"seq\":18446744073709551615}'",
      'j', UINT64_MAX, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "'{\"seq\":18014398509481985}'",
      'j', 18014398509481985u, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "'{\"type\":-2147483648,\"gzip\":-2}'",
      'j', 0, INT32_MIN, NULL, -2, 0, NULL, NO_BODY, NULL },
    { "'{\"status_code\":2147483647}'", 'j', 0, 0, NULL, 0, INT32_MAX, NULL, NO_BODY, NULL },
    { "'{\"uri\":\"\\u003c\\u003e\\u0026\"}'", 'j', 0, 0, "<>&", 0, 0, NULL, NO_BODY, NULL },
    { "'{\"uri\":\"\\\"\\\\\\n\\r\\t\\u0001\\u0008/\"}'",
      'j', 0, 0, "\"\\\n\r\t\x01\b/", 0, 0, NULL, NO_BODY, NULL },
    { "'{\"uri\":\"\\u2028\\u2029\"}'",
      'j', 0, 0, "\xe2\x80\xa8\xe2\x80\xa9", 0, 0, NULL, NO_BODY, NULL },
    { "'{\"uri\":\"' 7f c3a9 e282ac efbfbd f09f9880 '\"}'",
      'j', 0, 0, "\x7f\xc3\xa9\xe2\x82\xac\xef\xbf\xbd\xf0\x9f\x98\x80", 0, 0, NULL, NO_BODY,
      NULL },
    { "'{\"uri\":\"/a\",\"status\":\"\\u003c\"}'", 'j', 0, 0, "/a", 0, 0, "<", NO_BODY, NULL },
};

/* Headers that others write. */
static const struct row lenient[] = {
    /* Any order; the last of a repeated field; zeros in full. */
    { "32024f4b 1002 0807 1a02'/x' 0809 1a02'/y'",
      'p', 9, 2, "/y", 0, 0, "OK", NO_BODY, NULL },
    { "0800 1000 1a00 2000 2800 3200", 'p', 0, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "0880808000", 'p', 0, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "888080808080808080 00 07", 'p', 7, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    /* Negative numbers in five bytes; what no longer has a place is dropped. */
    { "10ffffffff0f 20feffffff0f", 'p', 0, -1, NULL, -2, 0, NULL, NO_BODY, NULL },
    { "08ffffffffffffffffff7f", 'p', UINT64_MAX, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "10818080801f", 'p', 0, (int32_t) 0xf0000001, NULL, 0, 0, NULL, NO_BODY, NULL },
    /* Unknown fields of every type, groups in groups. */
    { "3805 0801 41 0102030405060708 4a03'abc' 5d 01020304 f8ffffff0f 01 1001",
      'p', 1, 1, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "0801 3b 0802 1a01'x' 43 44 1d 01020304 3c 1002",
      'p', 1, 2, NULL, 0, 0, NULL, NO_BODY, NULL },

    { "' {\t\"seq\" :\r7 ,\n\"type\": 1}\r\n'", 'j', 7, 1, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "' { } '", 'j', 0, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "'{\"SEQ\":7,\"Type\":1,\"uRI\":\"/x\",\"STATUS_code\":5,\"Status\":\"s\",\"GZIP\":1}'",
      'j', 7, 1, "/x", 1, 5, "s", NO_BODY, NULL },
    { "'{\"\\u0073eq\":7,\"\\u0055\\u0072\\u0069\":\"/x\"}'",
      'j', 7, 0, "/x", 0, 0, NULL, NO_BODY, NULL },
    { "'{\"type\":1,\"seq\":7,\"uri\":\"/x\",\"seq\":8,\"uri\":\"/y\"}'",
      'j', 8, 1, "/y", 0, 0, NULL, NO_BODY, NULL },
    { "'{\"uri\":\"\\u0041\",\"uri\":\"/y\"}'", 'j', 0, 0, "/y", 0, 0, NULL, NO_BODY, NULL },
    { "'{\"seq\":null,\"type\":1,\"type\":null,\"uri\":null,\"status\":null}'",
      'j', 0, 1, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "'{\"seq\":0,\"type\":-0,\"uri\":\"\"}'", 'j', 0, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    { "'{\"a\":[],\"b\":{},\"c\":[1,-2.5e+7,0.1E-2,true,false,null,\"]\\\"\"],\"\":"
      "{\"seq\":1,\"x\":[{}]},\"seq\":7,\"sequence\":\"x\",\"ur\":0}'",
      'j', 7, 0, NULL, 0, 0, NULL, NO_BODY, NULL },
    /* Escapes. */
    { "'{\"uri\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\"}'",
      'j', 0, 0, "\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac", 0, 0, NULL, NO_BODY, NULL },
    { "'{\"uri\":\"\\ud83d\\ude00\",\"status\":\"\\uDBFF\\uDFFF\"}'",
      'j', 0, 0, "\xf0\x9f\x98\x80", 0, 0, "\xf4\x8f\xbf\xbf", NO_BODY, NULL },
    { "'{\"uri\":\"\\ud83dx\\ude00\\ud83d\\u0041\\ud83d\\ud83d\\ude00\\ud83d\"}'",
      'j', 0, 0,
      "\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd"
      "A\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd",
      0, 0, NULL, NO_BODY, NULL },
    /* Bytes that are no UTF-8: each becomes U+FFFD. */
    { "'{\"uri\":\"/' ff 80 c3 '\"}'",
      'j', 0, 0, "/\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 0, 0, NULL, NO_BODY, NULL },
    { "'{\"uri\":\"' c080 '-' e08080 '-' f5 '-' e282 '\"}'",
      'j', 0, 0,
      "\xef\xbf\xbd\xef\xbf\xbd-\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd-\xef\xbf\xbd-"
      "\xef\xbf\xbd\xef\xbf\xbd",
      0, 0, NULL, NO_BODY, NULL },
    { "'{\"status\":\"' eda080 f4908080 '\"}'",
      'j', 0, 0, NULL, 0, 0,
      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
      NO_BODY, NULL },
};

static const struct {
    char codec;
    const char *header;
    const char *why;
} broken[] = {
    { 'p', "08", "malformed" },                       /* a key without its value */
    { 'p', "0880", "malformed" },                     /* a varint without its end */
    { 'p', "08ffffffffffffffffffff01", "malformed" }, /* of eleven bytes */
    { 'p', "80", "malformed" },                       /* half a key */
    { 'p', "0001", "malformed" },                     /* field 0 */
    { 'p', "1a02'x'", "malformed" },                  /* longer than the header */
    { 'p', "1affffffffffffffffff01", "malformed" },
    { 'p', "3affffffffffffffffff01", "malformed" },
    { 'p', "0a01'7'", "malformed" }, /* known fields of wrong types */
    { 'p', "1801", "malformed" },
    { 'p', "3501020304", "malformed" },
    { 'p', "0b0c", "malformed" },
    { 'p', "0c", "malformed" },
    { 'p', "3c", "malformed" }, /* the end of no group */
    { 'p', "3b", "malformed" },
    { 'p', "3b44", "malformed" }, /* of another one */
    { 'p', "3b0004", "malformed" },
    { 'p', "3e", "malformed" }, /* types 6 and 7 */
    { 'p', "3f", "malformed" },
    { 'p', "41 01020304050607", "malformed" },
    { 'p', "45 010203", "malformed" },
    { 'p', "80808080 10 00", "malformed" }, /* field 2^29 */

    { 'j', "", "malformed" },
    { 'j', "'null'", "malformed" },
    { 'j', "'[]'", "malformed" },
    { 'j', "'7'", "malformed" },
    { 'j', "'{'", "malformed" },
    { 'j', "'{}}'", "malformed" },
    { 'j', "'{} x'", "malformed" },
    { 'j', "'{}' 00", "malformed" },
    { 'j', "efbbbf '{}'", "malformed" },
    { 'j', "'{,}'", "malformed" },
    { 'j', "'{\"seq\":7,}'", "malformed" },
    { 'j', "'{\"seq\":7 \"type\":1}'", "malformed" },
    { 'j', "'{\"seq\" 7}'", "malformed" },
    { 'j', "'{\"seq\":}'", "wrong type" },
    { 'j', "'{\"seq\":7'", "malformed" },
    { 'j', "'{seq:7}'", "malformed" },
    { 'j', "'{7:7}'", "malformed" },
    { 'j', "'{\"seq\":nul}'", "malformed" },
    { 'j', "'{\"seq\":nulL}'", "malformed" },
    { 'j', "'{\"seq\":\"7\"}'", "wrong type" },
    { 'j', "'{\"seq\":true}'", "wrong type" },
    { 'j', "'{\"seq\":[7]}'", "wrong type" },
    { 'j', "'{\"seq\":7.0}'", "wrong type" },
    { 'j', "'{\"seq\":7e0}'", "wrong type" },
    { 'j', "'{\"seq\":07}'", "malformed" },
    { 'j', "'{\"seq\":-7}'", "out of range" },
    { 'j', "'{\"seq\":18446744073709551616}'", "out of range" },
    { 'j', "'{\"seq\":99999999999999999999999}'", "out of range" },
    { 'j', "'{\"type\":2147483648}'", "out of range" },
    { 'j', "'{\"type\":-2147483649}'", "out of range" },
    { 'j', "'{\"type\":-}'", "wrong type" },
    { 'j', "'{\"gzip\":\"5\"}'", "wrong type" },
    { 'j', "'{\"status_code\":{}}'", "wrong type" },
    { 'j', "'{\"uri\":7}'", "wrong type" },
    { 'j', "'{\"uri\":[\"/x\"]}'", "wrong type" },
    { 'j', "'{\"status\":true}'", "wrong type" },
    { 'j', "'{\"uri\":\"/x}'", "malformed" },
    { 'j', "'{\"uri\":\"/x\\\"}'", "malformed" },
    { 'j', "'{\"uri\":\"' 0a '\"}'", "malformed" },
    { 'j', "'{\"uri\":\"' 00 '\"}'", "malformed" },
    { 'j', "'{\"uri\":\"\\x\"}'", "malformed" },
    { 'j', "'{\"uri\":\"\\' 00 '\"}'", "malformed" },
    { 'j', "'{\"uri\":\"\\u12g4\"}'", "malformed" },
    { 'j', "'{\"uri\":\"\\u12'", "malformed" },
    { 'j', "'{\"x\":01}'", "malformed" },
    { 'j', "'{\"x\":1.}'", "malformed" },
    { 'j', "'{\"x\":.5}'", "malformed" },
    { 'j', "'{\"x\":1e}'", "malformed" },
    { 'j', "'{\"x\":1e+}'", "malformed" },
    { 'j', "'{\"x\":+1}'", "malformed" },
    { 'j', "'{\"x\":-}'", "malformed" },
    { 'j', "'{\"x\":truth}'", "malformed" },
    { 'j', "'{\"x\":[1,]}'", "malformed" },
    { 'j', "'{\"x\":[1}'", "malformed" },
    { 'j', "'{\"x\":[1 2]}'", "malformed" },
    { 'j', "'{\"x\":{\"y\"}}'", "malformed" },
    { 'j', "'{\"x\":{1:2}}'", "malformed" },
    { 'j', "'{\"x\":{\"y\":2,}}'", "malformed" },
};

static const struct {
    const char *bytes;
    uint64_t limit;
    enum tp_decode_outcome outcome;
} frames[] = {
    { "", LIMIT, TP_DECODE_MORE },
    { "000000", LIMIT, TP_DECODE_MORE },
    { "00000000", LIMIT, TP_DECODE_BROKEN },
    { "00000001", LIMIT, TP_DECODE_MORE },
    { "00000001 73", LIMIT, TP_DECODE_BROKEN },
    { "00000001 00", LIMIT, TP_DECODE_BROKEN },
    { "00000001 4a", LIMIT, TP_DECODE_BROKEN },
    { "00000001 70 000000", LIMIT, TP_DECODE_MORE },
    { "00000001 70 00000001", LIMIT, TP_DECODE_MORE },
    { "00000001 70 00000002 70", LIMIT, TP_DECODE_MORE },
    /* Exactly the limit passes. */
    { "00000001 70 00000000", 9, TP_DECODE_PACKET },
    { "00000001 70 00000000", 8, TP_DECODE_TOO_LARGE },
    { "00000001 70 00000003 7300ff", 12, TP_DECODE_PACKET },
    { "00000001 70 00000003", 12, TP_DECODE_MORE },
    { "00000001 70 00000003", 11, TP_DECODE_TOO_LARGE },
    { "00000ff8", LIMIT, TP_DECODE_MORE },
    { "00000ff9", LIMIT, TP_DECODE_TOO_LARGE },
    /* Lengths whose sum would not fit 32 bits; the codec is not waited for. */
    { "ffffffff", LIMIT, TP_DECODE_TOO_LARGE },
    { "00000001 70 ffffffff", LIMIT, TP_DECODE_TOO_LARGE },
    { "00000001 70 ffffffff", UINT32_MAX, TP_DECODE_TOO_LARGE },
    { "40000000 70", 1u << 30, TP_DECODE_TOO_LARGE },
};

START_TEST(decodes_packets)
{
    for (size_t step = 1; step < 90; step++) {
        struct bench bench;

        bench_init(&bench);
        bench_feed(&bench, packets[_i].bytes, step);
        size_t len = bench.input.len;

        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LIMIT));
        assert_packet(&packets[_i], &bench.packet);
        ck_assert_uint_eq(len, bench.packet.wire_bytes);
        ck_assert_uint_eq(0, bench.input.len);
        bench_fini(&bench);
    }
}
END_TEST

/* The same packet cut in two at every place. */
START_TEST(a_packet_may_be_cut_anywhere)
{
    static struct tp_test_bytes bytes;

    tp__test_bytes_fill(&bytes, packets[_i].bytes);
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        struct bench bench;

        bench_init(&bench);
        tp__test_chain_add(&bench.input, &bench.pool, bytes.data, cut, LIMIT);
        if (cut < bytes.len) {
            ck_assert_int_eq(TP_DECODE_MORE, bench_decode(&bench, LIMIT));
            ck_assert_uint_eq(cut, bench.input.len);
        }
        tp__test_chain_add(&bench.input, &bench.pool, bytes.data + cut, bytes.len - cut, LIMIT);
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LIMIT));
        assert_packet(&packets[_i], &bench.packet);
        bench_fini(&bench);
    }
}
END_TEST

START_TEST(encodes_packets)
{
    static struct tp_test_bytes bytes;
    struct tp_buf_pool pool;
    struct tp_output output;

    tp__test_pool_init(&pool);
    tp__output_init(&output, &pool);
    struct tp_packet packet = packet_of(&packets[_i], &pool);

    tp__test_bytes_fill(&bytes, packets[_i].bytes);
    ck_assert_int_eq(TP_OK, protocol()->encode(NULL, &packet, &output));
    assert_encoded(&output, bytes.data, bytes.len);
    tp_packet_clear(&packet);
    tp__output_fini(&output);
    ck_assert_uint_eq(0, pool.bytes_in_use);
}
END_TEST

static void
assert_header_is_read(const struct row *row)
{
    for (size_t step = 1; step < 300; step = step * 2 + 1) {
        struct bench bench;

        bench_init(&bench);
        bench_feed_header(&bench, row->codec, row->bytes, step);
        ck_assert_msg(bench_decode(&bench, LIMIT) == TP_DECODE_PACKET, "%s: %s", row->bytes,
                      bench.why);
        assert_packet(row, &bench.packet);
        bench_fini(&bench);
    }
}

START_TEST(reads_headers)
{
    assert_header_is_read(&headers[_i]);
}
END_TEST

START_TEST(writes_headers)
{
    static struct tp_test_bytes bytes;
    struct tp_buf_pool pool;
    struct tp_output output;
    uint8_t wire[256];

    tp__test_pool_init(&pool);
    tp__output_init(&output, &pool);
    struct tp_packet packet = packet_of(&headers[_i], &pool);

    tp__test_bytes_fill(&bytes, headers[_i].bytes);
    size_t len = bytes.len;

    memcpy(wire, (uint8_t[]){ 0, 0, 0, (uint8_t) (len + 1), (uint8_t) headers[_i].codec }, 5);
    memcpy(wire + 5, bytes.data, len);
    memset(wire + 5 + len, 0, 4);
    ck_assert_int_eq(TP_OK, protocol()->encode(NULL, &packet, &output));
    assert_encoded(&output, wire, len + 9);
    tp__output_fini(&output);
    ck_assert_uint_eq(0, pool.bytes_in_use);
}
END_TEST

START_TEST(reads_what_others_write)
{
    assert_header_is_read(&lenient[_i]);
}
END_TEST

START_TEST(writes_bytes_that_are_no_text_as_their_replacement)
{
    static const char wire[] = "\0\0\0\x1ej{\"uri\":\"/\\ufffd\\ufffd\\ufffd\"}\0\0\0";
    struct tp_packet packet = { .header_codec = 'j', .uri = TP_STR("/\xff\xe2\x82") };
    struct tp_buf_pool pool;
    struct tp_output output;

    tp__test_pool_init(&pool);
    tp__output_init(&output, &pool);
    ck_assert_int_eq(TP_OK, protocol()->encode(NULL, &packet, &output));
    assert_encoded(&output, wire, sizeof(wire));
    tp__output_fini(&output);
}
END_TEST

START_TEST(refuses_broken_headers)
{
    struct bench bench;

    bench_init(&bench);
    bench_feed_header(&bench, broken[_i].codec, broken[_i].header, LIMIT);
    size_t len = bench.input.len;

    ck_assert_msg(bench_decode(&bench, LIMIT) == TP_DECODE_BROKEN, "%s", broken[_i].header);
    ck_assert_ptr_nonnull(bench.why);
    ck_assert_msg(strstr(bench.why, broken[_i].why) != NULL, "%s: %s", broken[_i].header,
                  bench.why);
    ck_assert_uint_eq(len, bench.input.len);
    bench_fini(&bench);
}
END_TEST

START_TEST(judges_lengths_as_soon_as_they_are_there)
{
    for (size_t step = 1; step < 8; step++) {
        struct bench bench;

        bench_init(&bench);
        bench_feed(&bench, frames[_i].bytes, step);
        size_t len = bench.input.len;
        uint64_t in_use = bench.pool.bytes_in_use;

        ck_assert_int_eq(frames[_i].outcome, bench_decode(&bench, frames[_i].limit));
        if (frames[_i].outcome != TP_DECODE_PACKET) {
            ck_assert_uint_eq(len, bench.input.len);
            ck_assert_uint_eq(in_use, bench.pool.bytes_in_use);
        }
        if (frames[_i].outcome != TP_DECODE_PACKET && frames[_i].outcome != TP_DECODE_MORE) {
            ck_assert_ptr_nonnull(bench.why);
        }
        bench_fini(&bench);
    }
}
END_TEST

/* Values in so many arrays or objects, the object of the header counted. */
static void
feed_nested(struct bench *bench, const char *open, const char *close, size_t depth)
{
    static char text[TP_TEST_BYTES_MAX];
    char *end = text + sprintf(text, "'{\"x\":");

    for (size_t i = 1; i < depth; i++) {
        end += sprintf(end, "%s", open);
    }
    end += sprintf(end, "1");
    for (size_t i = 1; i < depth; i++) {
        end += sprintf(end, "%s", close);
    }
    sprintf(end, "}'");
    bench_feed_header(bench, 'j', text, LONG_LIMIT);
}

START_TEST(skipped_json_may_nest_so_deep_and_no_deeper)
{
    static const char *const brackets[][2] = { { "[", "]" }, { "{\"y\":", "}" } };

    for (size_t i = 0; i < TP_COUNT_OF(brackets); i++) {
        struct bench bench;

        bench_init(&bench);
        feed_nested(&bench, brackets[i][0], brackets[i][1], 64);
        feed_nested(&bench, brackets[i][0], brackets[i][1], 65);
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LIMIT));
        ck_assert_int_eq(TP_DECODE_BROKEN, bench_decode(&bench, LIMIT));
        ck_assert_ptr_nonnull(strstr(bench.why, "deep"));
        tp_chain_clear(&bench.input);
        feed_nested(&bench, brackets[i][0], brackets[i][1], 8000);
        ck_assert_int_eq(TP_DECODE_BROKEN, bench_decode(&bench, LONG_LIMIT));
        bench_fini(&bench);
    }
}
END_TEST

START_TEST(skipped_groups_may_nest_so_deep_and_no_deeper)
{
    for (size_t depth = 64; depth <= 65; depth++) {
        struct bench bench;
        char text[4 * 65 + 1];
        char *end = text;

        bench_init(&bench);
        for (size_t i = 0; i < 2 * depth; i++) {
            end += sprintf(end, i < depth ? "3b" : "3c");
        }
        bench_feed_header(&bench, 'p', text, LIMIT);
        ck_assert_int_eq(depth == 64 ? TP_DECODE_PACKET : TP_DECODE_BROKEN,
                         bench_decode(&bench, LIMIT));
        bench_fini(&bench);
    }
}
END_TEST

START_TEST(texts_without_escapes_stay_where_they_were_read)
{
    struct bench bench;

    bench_init(&bench);
    bench_feed(&bench, packets[_i].bytes, LIMIT);
    struct tp_buf *buf = bench.input.only.buf;

    tp_buf_acquire(buf);
    uint64_t in_use = bench.pool.bytes_in_use;

    ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LIMIT));
    ck_assert_uint_eq(in_use, bench.pool.bytes_in_use);
    ck_assert_uint_eq(0, bench.pool.bytes_copied);
    if (bench.packet.uri.len > 0) {
        ck_assert_ptr_eq(buf, bench.packet.head);
    } else {
        ck_assert_ptr_null(bench.packet.head);
    }
    tp_buf_release(buf);
    bench_fini(&bench);
}
END_TEST

START_TEST(a_body_in_pieces_is_moved_not_copied)
{
    struct bench bench;
    uint8_t body[3000];

    bench_init(&bench);
    memset(body, 'b', sizeof(body));
    bench_feed(&bench, "00000003 70 1003 00000bb9 73", LIMIT);
    tp__test_chain_add(&bench.input, &bench.pool, body, sizeof(body), 100);
    bench_feed(&bench, "00000001", LIMIT);
    const struct tp_buf *first = bench.input.more[1].buf;

    ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LIMIT));
    tp__test_chain_assert(&bench.packet.body, body, sizeof(body));
    ck_assert_ptr_eq(first, bench.packet.body.more[0].buf);
    ck_assert_uint_eq(1, first->holders);
    ck_assert_uint_eq(4, bench.input.len);
    bench_fini(&bench);
}
END_TEST

/* All packets in one chain of any step, a byte at a time among them. */
START_TEST(a_thousand_packets_in_one_chain)
{
    static const size_t steps[] = { 1, 7, 1000, 100000 };
    struct bench bench;

    bench_init(&bench);
    for (size_t i = 0; i < PACKETS; i++) {
        bench_feed(&bench, packets[i % TP_COUNT_OF(packets)].bytes, steps[_i]);
    }
    for (size_t i = 0; i < PACKETS; i++) {
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LIMIT));
        assert_packet(&packets[i % TP_COUNT_OF(packets)], &bench.packet);
    }
    ck_assert_int_eq(TP_DECODE_MORE, bench_decode(&bench, LIMIT));
    ck_assert_uint_eq(0, bench.input.len);
    bench_fini(&bench);
}
END_TEST

START_TEST(bytes_that_come_one_by_one_give_the_same_packet)
{
    static struct tp_test_bytes bytes;
    struct bench bench;

    bench_init(&bench);
    tp__test_bytes_fill(&bytes, packets[_i].bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        ck_assert_int_eq(TP_DECODE_MORE, bench_decode(&bench, LIMIT));
        tp__test_chain_add(&bench.input, &bench.pool, &bytes.data[i], 1, 1);
    }
    ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LIMIT));
    assert_packet(&packets[_i], &bench.packet);
    bench_fini(&bench);
}
END_TEST

/* A number with any count of significant bits. */
static uint64_t
random_number(unsigned *seed)
{
    uint64_t number =
        (uint64_t) rand_r(seed) << 42 ^ (uint64_t) rand_r(seed) << 21 ^ (uint64_t) rand_r(seed);

    return number >> (rand_r(seed) % 64);
}

static struct tp_str
random_text(char *text, unsigned *seed)
{
    static const char *const parts[] = { "/",
                                         "a",
                                         "?x=",
                                         "\"",
                                         "\\",
                                         "<",
                                         "\n",
                                         "\x01",
                                         "\xc3\xa9",
                                         "\xe2\x80\xa8",
                                         "\xf0\x9f\x98\x80" };
    char *end = text;

    for (int i = rand_r(seed) % 20; i > 0; i--) {
        end = stpcpy(end, parts[(size_t) rand_r(seed) % TP_COUNT_OF(parts)]);
    }
    return (struct tp_str){ text, (size_t) (end - text) };
}

START_TEST(what_is_encoded_decodes_to_the_same)
{
    enum {
        BODY_MAX = 5000
    };
    static char uri[256], status[256], body[BODY_MAX];
    struct tp_output output;
    struct bench bench;
    unsigned seed = 2025;

    bench_init(&bench);
    tp__output_init(&output, &bench.pool);
    for (int i = 0; i < BODY_MAX; i++) {
        body[i] = (char) i;
    }
    for (int i = 0; i < ROUND_TRIPS; i++) {
        struct tp_packet packet = {
            .type = (int32_t) random_number(&seed),
            .header_codec = i % 2 == 0 ? 'p' : 'j',
            .has_body_codec = true,
            .body_codec = (uint8_t) rand_r(&seed),
            .gzip_level = rand_r(&seed) % 12 - 2,
            .seq = random_number(&seed),
            .uri = random_text(uri, &seed),
            .status = { (int32_t) random_number(&seed), random_text(status, &seed), TP_STR("") },
        };
        size_t body_len = (size_t) rand_r(&seed) % (i % 10 == 0 ? BODY_MAX : 100);
        struct tp_chain wire = { 0 };

        tp__test_chain_add(&packet.body, &bench.pool, body, body_len,
                           1 + (size_t) rand_r(&seed) % BODY_MAX);
        ck_assert_int_eq(TP_OK, protocol()->encode(NULL, &packet, &output));
        ck_assert_int_eq(TP_OK, tp__output_rest(&output, 0, &wire));
        static uint8_t copy[BODY_MAX + 4096];
        size_t len = wire.len;

        tp_chain_copy(&wire, 0, len, copy);
        tp_chain_clear(&wire);
        tp__test_chain_add(&bench.input, &bench.pool, copy, len, 1 + (size_t) rand_r(&seed) % len);
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LONG_LIMIT));
        ck_assert_int_eq(packet.type, bench.packet.type);
        ck_assert_int_eq(packet.header_codec, bench.packet.header_codec);
        ck_assert_int_eq(packet.body_codec, bench.packet.body_codec);
        ck_assert_int_eq(packet.gzip_level, bench.packet.gzip_level);
        ck_assert(packet.seq == bench.packet.seq);
        ck_assert_int_eq(packet.status.code, bench.packet.status.code);
        assert_text(packet.uri, bench.packet.uri);
        assert_text(packet.status.text, bench.packet.status.text);
        tp__test_chain_assert(&bench.packet.body, body, body_len);
        tp_packet_clear(&packet);
    }
    tp__output_fini(&output);
    bench_fini(&bench);
}
END_TEST

START_TEST(a_header_longer_than_the_output_is_written_too)
{
    enum {
        URI = 200000
    };
    struct bench bench;
    struct tp_output output;
    char *uri = malloc(URI);

    ck_assert_ptr_nonnull(uri);
    memset(uri, '<', URI);
    bench_init(&bench);
    tp__output_init(&output, &bench.pool);
    for (int i = 0; i < 4; i++) {
        struct tp_packet packet = { .header_codec = i % 2 == 0 ? 'p' : 'j', .uri = { uri, URI } };

        ck_assert_int_eq(TP_OK, protocol()->encode(NULL, &packet, &output));
    }
    ck_assert(tp__output_is_full(&output));
    ck_assert_int_eq(TP_OK, tp__output_rest(&output, 0, &bench.input));
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, 8 * URI));
        assert_text((struct tp_str){ uri, URI }, bench.packet.uri);
    }
    tp__output_fini(&output);
    bench_fini(&bench);
    free(uri);
}
END_TEST

START_TEST(lengths_beyond_the_wire_are_refused)
{
    struct bench bench;
    struct tp_output output;
    struct tp_packet packet = { .header_codec = 'p', .uri = { "/", UINT32_MAX } };

    bench_init(&bench);
    tp__output_init(&output, &bench.pool);
    ck_assert_int_eq(TP_TOO_LARGE, protocol()->encode(NULL, &packet, &output));
    packet.uri.len = UINT32_MAX - 20;
    ck_assert_int_eq(TP_TOO_LARGE, protocol()->encode(NULL, &packet, &output));
    packet.uri.len = 1;
    packet.body.len = UINT32_MAX;
    ck_assert_int_eq(TP_TOO_LARGE, protocol()->encode(NULL, &packet, &output));
    ck_assert_uint_eq(0, tp__output_len(&output));
    tp__output_fini(&output);
    bench_fini(&bench);
}
END_TEST

/* Each needs memory for another reason: a straddling header, escapes, a body in pieces. */
START_TEST(where_memory_runs_out_nothing_is_taken)
{
    static const char *const inputs[] = {
        "00000010 70 0807 1001 1a09 '/math/add' 00000006 6a '[1,2]'",
        "0000001d 6a '{\"uri\":\"\\u003c\\u003e\\u0026\"}' 00000000",
    };

    for (size_t i = 0; i < TP_COUNT_OF(inputs); i++) {
        struct bench bench;

        bench_init(&bench);
        bench_feed(&bench, inputs[i], i == 0 ? 5 : LIMIT);
        size_t len = bench.input.len;
        uint64_t in_use = bench.pool.bytes_in_use;

        bench.pool.bytes_limit = in_use;
        ck_assert_int_eq(TP_DECODE_NO_MEMORY, bench_decode(&bench, LIMIT));
        ck_assert_uint_eq(len, bench.input.len);
        ck_assert_uint_eq(in_use, bench.pool.bytes_in_use);
        bench.pool.bytes_limit = LONG_LIMIT;
        ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LIMIT));
        bench_fini(&bench);
    }
}
END_TEST

START_TEST(where_malloc_fails_nothing_is_taken_or_written)
{
    struct bench bench;
    struct tp_output output;
    struct tp_test_hunger hunger;

    bench_init(&bench);
    tp__output_init(&output, &bench.pool);
    bench_feed(&bench, "00000001 70 00000007 6a", LIMIT);
    bench_feed(&bench, "'[1,2]x'", 2);
    size_t len = bench.input.len;

    if (tp__test_starve(&hunger)) {
        struct tp_packet packet = { .header_codec = 'p', .uri = TP_STR("/") };
        enum tp_decode_outcome outcome = bench_decode(&bench, LIMIT);
        enum tp_result result = protocol()->encode(NULL, &packet, &output);

        tp__test_feed(&hunger);
        ck_assert_int_eq(TP_DECODE_NO_MEMORY, outcome);
        ck_assert_int_eq(TP_NO_MEMORY, result);
        ck_assert_uint_eq(len, bench.input.len);
        ck_assert_uint_eq(0, tp__output_len(&output));
    }
    ck_assert_int_eq(TP_DECODE_PACKET, bench_decode(&bench, LIMIT));
    ck_assert_uint_eq(6, bench.packet.body.len);
    tp__output_fini(&output);
    bench_fini(&bench);
}
END_TEST

static void
add_decoding(Suite *suite)
{
    TCase *decoding = tcase_create("decoding");

    tcase_add_loop_test(decoding, decodes_packets, 0, TP_COUNT_OF(packets));
    tcase_add_loop_test(decoding, a_packet_may_be_cut_anywhere, 0, TP_COUNT_OF(packets));
    tcase_add_loop_test(decoding, bytes_that_come_one_by_one_give_the_same_packet, 0,
                        TP_COUNT_OF(packets));
    tcase_add_loop_test(decoding, a_thousand_packets_in_one_chain, 0, 4);
    tcase_add_loop_test(decoding, reads_headers, 0, TP_COUNT_OF(headers));
    tcase_add_loop_test(decoding, reads_what_others_write, 0, TP_COUNT_OF(lenient));
    tcase_add_loop_test(decoding, refuses_broken_headers, 0, TP_COUNT_OF(broken));
    tcase_add_loop_test(decoding, judges_lengths_as_soon_as_they_are_there, 0, TP_COUNT_OF(frames));
    tcase_add_test(decoding, skipped_json_may_nest_so_deep_and_no_deeper);
    tcase_add_test(decoding, skipped_groups_may_nest_so_deep_and_no_deeper);
    tcase_add_loop_test(decoding, texts_without_escapes_stay_where_they_were_read, 0,
                        TP_COUNT_OF(packets));
    tcase_add_test(decoding, a_body_in_pieces_is_moved_not_copied);
    tcase_add_test(decoding, where_memory_runs_out_nothing_is_taken);
    tcase_add_test(decoding, where_malloc_fails_nothing_is_taken_or_written);
    suite_add_tcase(suite, decoding);
}

static void
add_encoding(Suite *suite)
{
    TCase *encoding = tcase_create("encoding");

    tcase_add_loop_test(encoding, encodes_packets, 0, TP_COUNT_OF(packets));
    tcase_add_loop_test(encoding, writes_headers, 0, TP_COUNT_OF(headers));
    tcase_add_test(encoding, writes_bytes_that_are_no_text_as_their_replacement);
    tcase_add_test(encoding, what_is_encoded_decodes_to_the_same);
    tcase_add_test(encoding, a_header_longer_than_the_output_is_written_too);
    tcase_add_test(encoding, lengths_beyond_the_wire_are_refused);
    suite_add_tcase(suite, encoding);
}

Suite *
tp_suite_protocol_teleport(void)
{
    Suite *suite = suite_create("protocol/teleport");

    /* A build may do without the module. */
    if (protocol() != NULL) {
        add_decoding(suite);
        add_encoding(suite);
    }
    return suite;
}
