/*
 * http.c - tests of the protocol HTTP, through its module's descriptor: what comes in, told in
 * words, and what goes out, byte for byte.
 */
#include "cycle/built.h"

#include "base/str.h"
#include "packet/filters.h"
#include "packet/output.h"

#include "bytes_fixture.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMIT = 2048,
    TEXT_MAX = 8192,
};

#define HOST  "Host: a\r\n"
#define TYPED "Content-Type: application/json\r\n"

/* An end of a connection; `text` is what it told. */
struct bench {
    struct tp_buf_pool pool;
    struct tp_chain input;
    struct tp_output output;
    struct tp_filters filters;
    struct tp_codec_use codecs[8];
    size_t codec_count;
    void *state;
    bool is_dialed;
    bool has_ended;
    size_t open_count;
    const char *target;
    const struct tp_str *origins;
    size_t origin_count;
    size_t len;
    char text[TEXT_MAX];
};

static const struct tp_protocol *
protocol(void)
{
    for (size_t i = 0; i < tp__built_module_count; i++) {
        if (strcmp(tp__built_modules[i]->name, "http") == 0) {
            return tp__built_modules[i]->protocols[0];
        }
    }
    return NULL;
}

static void
bench_init(struct bench *bench)
{
    memset(bench, 0, sizeof(*bench));
    tp__test_pool_init(&bench->pool);
    tp__output_init(&bench->output, &bench->pool);
    bench->target = "a.example:8080";
    bench->state = calloc(1, protocol()->state_size);
    ck_assert_ptr_nonnull(bench->state);
    for (size_t i = 0; i < tp__built_module_count; i++) {
        const struct tp_module *module = tp__built_modules[i];

        if (module->filter != NULL) {
            ck_assert_int_eq(TP_OK, tp__filters_add(&bench->filters, module->filter));
        }
        if (module->codec != NULL) {
            bench->codecs[bench->codec_count++].codec = module->codec;
        }
    }
}

static void
bench_fini(struct bench *bench)
{
    free(bench->state);
    tp_chain_clear(&bench->input);
    tp__output_fini(&bench->output);
    tp__filters_fini(&bench->filters);
    ck_assert_uint_eq(0, bench->pool.bytes_in_use);
    tp__buf_pool_fini(&bench->pool);
}

static struct tp_wire
bench_wire(struct bench *bench)
{
    return (struct tp_wire){
        .input = &bench->input,
        .state = bench->state,
        .limits = { .packet = { LIMIT } },
        .is_dialed = bench->is_dialed,
        .has_ended = bench->has_ended,
        .target = tp__str(bench->target),
        .open_count = bench->open_count,
        .pool = &bench->pool,
        .filters = &bench->filters,
        .codecs = bench->codecs,
        .codec_count = bench->codec_count,
        .origins = bench->origins,
        .origin_count = bench->origin_count,
        .why = "",
    };
}

static void TP_PRINTF(2, 3) bench_say(struct bench *bench, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int len =
        vsnprintf(bench->text + bench->len, sizeof(bench->text) - bench->len, format, arguments);

    va_end(arguments);
    ck_assert_int_ge(len, 0);
    bench->len += (size_t) len;
    ck_assert_uint_lt(bench->len, sizeof(bench->text));
}

static void
bench_say_chain(struct bench *bench, const struct tp_chain *chain)
{
    ck_assert_uint_lt(bench->len + chain->len, sizeof(bench->text));
    tp_chain_copy(chain, 0, chain->len, (uint8_t *) bench->text + bench->len);
    bench->len += chain->len;
    bench->text[bench->len] = '\0';
}

static void
bench_say_body(struct bench *bench, const struct tp_packet *packet)
{
    if (packet->has_body_codec) {
        bench_say(bench, " %c:", packet->body_codec == 0 ? '0' : packet->body_codec);
        bench_say_chain(bench, &packet->body);
    }
    if (packet->gzip_level != 0) {
        bench_say(bench, " gzip-%d", (int) packet->gzip_level);
    }
}

/* "pull 1 /x j:[1,2] meta=Host=a", "refuse 405 because; last", … */
static void
bench_say_packet(struct bench *bench, enum tp_decode_outcome outcome,
                 const struct tp_packet *packet)
{
    if (outcome == TP_DECODE_REFUSED) {
        bench_say(bench, "refuse %d %.*s", (int) packet->status.code,
                  TP_STR_ARG(packet->status.cause));
    } else if (packet->type == TP_PACKET_PULL) {
        bench_say(bench, "pull %llu %.*s", (unsigned long long) packet->seq,
                  TP_STR_ARG(packet->uri));
        bench_say_body(bench, packet);
    } else {
        bench_say(bench, "reply %llu %d %.*s", (unsigned long long) packet->seq,
                  (int) packet->status.code, TP_STR_ARG(packet->status.text));
        if (packet->status.cause.len > 0) {
            bench_say(bench, " (%.*s)", TP_STR_ARG(packet->status.cause));
        }
        bench_say_body(bench, packet);
    }
    if (packet->accept_codec != 0) {
        bench_say(bench, " accept=%c", packet->accept_codec);
    }
    if (packet->metadata.len > 0 && packet->metadata.len != 6) { /* more than "Host=a" */
        bench_say(bench, " meta=%.*s", TP_STR_ARG(packet->metadata));
    }
}

/* Takes all there is off the input, and tells it.  False: nothing more will be taken. */
static bool
bench_decode(struct bench *bench)
{
    for (;;) {
        struct tp_wire wire = bench_wire(bench);
        struct tp_packet packet;
        size_t len_before = bench->input.len;
        enum tp_decode_outcome outcome = protocol()->decode(&wire, &packet);

        if (wire.own.len > 0) {
            bench_say(bench, "send ");
            bench_say_chain(bench, &wire.own);
            bench_say(bench, "; ");
            tp_chain_clear(&wire.own);
        }
        switch (outcome) {
        case TP_DECODE_PACKET:
        case TP_DECODE_REFUSED:
            ck_assert_uint_eq(packet.wire_bytes, len_before - bench->input.len);
            bench_say_packet(bench, outcome, &packet);
            bench_say(bench, wire.is_last ? "; last" : "; ");
            break;
        case TP_DECODE_TOOK:
            ck_assert_uint_lt(bench->input.len, len_before);
            break;
        case TP_DECODE_MORE:
            ck_assert_uint_eq(bench->input.len, len_before);
            return true;
        default:
            ck_assert_uint_eq(bench->input.len, len_before);
            bench_say(bench, "%s %s", outcome == TP_DECODE_BROKEN ? "broken" : "too large",
                      wire.why);
            return false;
        }
        tp_packet_clear(&packet);
        if (wire.is_last) {
            return false;
        }
    }
}

static void
bench_feed(struct bench *bench, const char *bytes, size_t step)
{
    size_t whole = strlen(bytes);
    bool goes_on = true;

    for (size_t at = 0; at < whole && goes_on; at += step) {
        size_t more = step < whole - at ? step : whole - at;

        tp__test_chain_add(&bench->input, &bench->pool, bytes + at, more, more);
        goes_on = bench_decode(bench);
    }
}

/* What comes, and what that is told as; the same in pieces of any size. */
struct told {
    const char *bytes;
    const char *words;
};

static const struct told requests[] = {
    { "GET /x HTTP/1.1\r\n" HOST "\r\n", "pull 1 /x; " },
    { "GET /x?a=b HTTP/1.1\r\n" HOST "\r\nHEAD /y HTTP/1.1\r\n" HOST "\r\n",
      "pull 1 /x?a=b; pull 2 /y; " },
    { "POST /x HTTP/1.1\r\n" HOST TYPED "Content-Length: 5\r\n\r\n[1,2]",
      "pull 1 /x j:[1,2]; " },
    { "POST /x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\n" HOST "\r\n",
      "pull 1 /x s:hi; pull 2 /; " },
    { "POST /x HTTP/1.1\r\n" HOST TYPED "Transfer-Encoding: chunked\r\n\r\n"
      "1;x=y\r\n[\r\n4\r\n1,2]\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
      "pull 1 /x j:[1,2]; pull 2 /; " },
    { "POST /x HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "pull 1 /x; " },
    /* A line of nothing in front of a request. */
    { "\r\n\r\nGET /x HTTP/1.1\r\n" HOST "\r\n\r\n", "pull 1 /x; " },
    /* Other codecs. */
    { "POST /x HTTP/1.1\r\n" HOST "Content-Type: application/x-www-form-urlencoded\r\n"
      "Content-Length: 3\r\n\r\na=b", "pull 1 /x f:a=b; " },
    { "POST /x HTTP/1.1\r\n" HOST "Content-Type: application/json; charset=utf-8\r\n"
      "Content-Length: 1\r\n\r\n1", "pull 1 /x j:1; " },
    { "POST /x HTTP/1.1\r\n" HOST "Content-Type: image/png\r\nContent-Length: 1\r\n\r\n1",
      "pull 1 /x s:1 meta=Host=a&Content-Type=image%2Fpng; " },
    { "POST /x HTTP/1.1\r\n" HOST TYPED "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n1",
      "pull 1 /x j:1 gzip-5; " },
    { "POST /x HTTP/1.1\r\n" HOST TYPED "Content-Encoding: gzip\r\nX-Content-Encoding: gzip-9\r\n"
      "Content-Length: 1\r\n\r\n1", "pull 1 /x j:1 gzip-9; " },
    { "POST /x HTTP/1.1\r\n" HOST "Content-Encoding: br\r\nContent-Length: 1\r\n\r\n1",
      "refuse 415 the only Content-Encoding is gzip; " },
    /* Wishes for the reply. */
    { "GET /x HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\n", "pull 1 /x; " },
    { "GET /x HTTP/1.1\r\n" HOST "Accept: text/html, text/plain;q=0.5, */*;q=0.1\r\n\r\n",
      "pull 1 /x accept=s; " },
    { "GET /x HTTP/1.1\r\n" HOST "Accept: text/plain;q=0.5, application/json\r\n\r\n",
      "pull 1 /x accept=j; " },
    { "GET /x HTTP/1.1\r\n" HOST "Accept: application/json;q=0, */*\r\n\r\n", "pull 1 /x; " },
    { "GET /x HTTP/1.1\r\n" HOST "Accept: text/plain\r\nX-Accept-Body-Codec: 106\r\n\r\n",
      "pull 1 /x accept=j meta=Host=a&X-Accept-Body-Codec=106; " },
    /* Metadata: what is about the connection, and what a client may not say, is none. */
    { "GET /x HTTP/1.1\r\nhost: b\r\nX-Trace: a b&c=d\r\nx-trace: \xc3\xbc\r\nConnection: X-Hop\r\n"
      "X-Hop: 1\r\nTE: gzip\r\nx-real-ip: 1.2.3.4\r\nX_Real_IP: 5\r\nX-Session-ID: 7\r\n"
      "Keep-Alive: 5\r\n\r\n",
      "pull 1 /x meta=host=b&X-Trace=a%20b%26c%3Dd&x-trace=%C3%BC; " },
    /* Later Teleports. */
    { "POST /home/echo HTTP/1.1\r\nX-Seq: 77\r\nX-Mtype: 1\r\n" TYPED
      "Content-Length: 7\r\n\r\n{\"a\":1}", "pull 77 /home/echo j:{\"a\":1}; " },
    { "POST /x HTTP/1.1\r\nX-Seq: 77\r\nX-Mtype: 3\r\nContent-Length: 1\r\n\r\n1",
      "refuse 410 HTTP carries nothing but PULLs: X-Mtype is 1; " },
    { "GET /x HTTP/1.1\r\nX-Mtype: 1\r\nX-Seq: -1\r\n\r\n", "refuse 400 X-Seq is no number; " },
    { "GET /x HTTP/1.1\r\nX-Mtype: 1\r\nX-Seq: 18446744073709551615\r\n\r\n",
      "pull 18446744073709551615 /x; " },
    { "GET /x HTTP/1.1\r\nX-Mtype: 1\r\nX-Seq: 18446744073709551616\r\n\r\n",
      "refuse 400 X-Seq is no number; " },
    /* The last of a connection. */
    { "GET /x HTTP/1.0\r\n\r\nGET /y HTTP/1.0\r\n\r\n", "pull 1 /x; last" },
    { "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /y HTTP/1.0\r\n\r\n",
      "pull 1 /x; pull 2 /y; last" },
    { "GET /x HTTP/1.1\r\n" HOST "Connection: close\r\n\r\nGET", "pull 1 /x; last" },
    /* Methods. */
    { "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "refuse 204  meta=Allow=GET%2C%20HEAD%2C%20POST%2C%20"
      "OPTIONS; " },
    { "PUT /x HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\n" HOST "\r\n",
      "refuse 405 a PULL is made with GET, HEAD or POST meta=Allow=GET%2C%20HEAD%2C%20POST%2C%20"
      "OPTIONS; pull 2 /; " },
    { "BREW /x HTTP/1.1\r\n" HOST "\r\n", "refuse 501 there is no such method; " },
    { "get /x HTTP/1.1\r\n" HOST "\r\n", "refuse 501 there is no such method; " },
    /* Who waits to be asked for the body. */
    { "POST /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
      "send HTTP/1.1 100 Continue\r\n\r\n; " },
    { "PUT /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
      "refuse 405 a PULL is made with GET, HEAD or POST meta=Allow=GET%2C%20HEAD%2C%20POST%2C%20"
      "OPTIONS; last" },
    { "POST /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3000\r\n\r\n",
      "refuse 413 the message is longer than packet_limit; last" },
    /* Nothing is read on from. */
    { "GET /x HTTP/1.1\n" HOST "\n", "refuse 400 a line of the head does not end in CR LF; last" },
    { "GET /x HTTP/1.1\r\n\r\nGET", "refuse 400 the request names no host; last" },
    { "GET /x HTTP/1.1\r\n" HOST HOST "\r\n", "refuse 400 the host is said twice; last" },
    { "POST /x HTTP/1.1\r\n" HOST "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
      "refuse 400 the body is chunked and has a length; last" },
    { "POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n",
      "refuse 400 a chunk's size is malformed; last" },
    { "POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfff\r\n",
      "refuse 413 the body is longer than a packet may be; last" },
    { "GET /x HTTP/2.0\r\n\r\n", "refuse 505 only HTTP/1 is spoken here; last" },
    { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "broken HTTP/2 is not spoken here" },
    /* There is no module for it here. */
    { "GET /x HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n",
      "refuse 501 the module websocket is not built in; " },
    { "GET /x HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AAMAAABkAAQA\r\n\r\n", "pull 1 /x; " },
};

START_TEST(tells_requests)
{
    size_t whole = strlen(requests[_i].bytes);

    for (size_t step = 1; step <= whole; step++) {
        struct bench bench;

        bench_init(&bench);
        bench_feed(&bench, requests[_i].bytes, step);
        ck_assert_str_eq(requests[_i].words, bench.text);
        bench_fini(&bench);
    }
}
END_TEST

START_TEST(a_long_head_is_refused)
{
    struct bench bench;
    char *text = malloc(LIMIT + 1);

    ck_assert_ptr_nonnull(text);
    memset(text, 'a', LIMIT);
    text[LIMIT] = '\0';
    bench_init(&bench);
    bench_feed(&bench, "GET / HTTP/1.1\r\nX: ", 7);
    bench_feed(&bench, text, 100);
    ck_assert_str_eq("refuse 431 the head is longer than http_header_limit; last", bench.text);
    free(text);
    bench_fini(&bench);
}
END_TEST

/* "100 Continue" would overtake the replies that are due. */
START_TEST(who_waits_behind_other_requests_is_not_asked)
{
    struct bench bench;

    bench_init(&bench);
    bench.open_count = 1;
    bench_feed(&bench, requests[0].bytes, 100);
    bench_feed(&bench,
               "POST /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
               100);
    ck_assert_str_eq("pull 1 /x; ", bench.text);
    bench_feed(&bench, "hi", 1);
    ck_assert_str_eq("pull 1 /x; pull 2 /x s:hi; ", bench.text);
    bench_fini(&bench);
}
END_TEST

static const struct {
    const char *bytes;
    enum tp_probe probe;
} probes[] = {
    { "G", TP_PROBE_MORE },        { "GET", TP_PROBE_MORE },
    { "GET ", TP_PROBE_MORE },     { "GET /", TP_PROBE_YES },
    { "OPTIONS *", TP_PROBE_YES }, { "GET http://", TP_PROBE_YES },
    { "PRI *", TP_PROBE_YES },     { "GET x", TP_PROBE_NO },
    { "GETx", TP_PROBE_NO },       { "get /", TP_PROBE_NO },
    { " GET", TP_PROBE_NO },       { "\x16\x03", TP_PROBE_NO },
    { "{", TP_PROBE_NO },          { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TP_PROBE_NO },
};

START_TEST(probes_first_bytes)
{
    struct bench bench;

    bench_init(&bench);
    tp__test_chain_add(&bench.input, &bench.pool, probes[_i].bytes, strlen(probes[_i].bytes), 2);
    struct tp_wire wire = bench_wire(&bench);

    ck_assert_int_eq(probes[_i].probe, protocol()->probe(&wire));
    bench_fini(&bench);
}
END_TEST

/* A request, the REPLY to it, and the response. */
static const struct {
    const char *request;
    int32_t code;
    const char *status;
    const char *cause;
    char codec; /* 0: none */
    const char *body;
    const char *metadata;
    const char *response;
} replies[] = {
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 200, "OK", "", 'j', "[1]", "",
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 200, "OK", "", 0, "", "",
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 200, "OK", "", 0x7f, "x", "",
      "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\nx" },
    { "HEAD / HTTP/1.1\r\n" HOST "\r\n", 200, "OK", "", 'j', "[1]", "",
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n" },
    { "HEAD / HTTP/1.1\r\n" HOST "\r\n", 404, "Not Found", "", 0, "", "",
      "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n" },
    { "GET / HTTP/1.0\r\n\r\n", 200, "OK", "", 's', "x", "",
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n"
      "Connection: close\r\n\r\nx" },
    { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "OK", "", 's', "x", "",
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n"
      "Connection: keep-alive\r\n\r\nx" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 204, "", "", 0, "", "", "HTTP/1.1 204 No Content\r\n\r\n" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 304, "", "", 'j', "[]", "ETag=%22x%22",
      "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n" },
    /* Failures. */
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 404, "Not Found", "", 0, "", "",
      "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n"
      "{\"code\":404,\"msg\":\"Not Found\"}" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 400, "no \"x\"", "why\n", 0, "", "",
      "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 45\r\n\r\n"
      "{\"code\":400,\"msg\":\"no \\\"x\\\"\",\"cause\":\"why\\n\"}" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 1001, "no", "", 0, "", "",
      "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
      "Content-Length: 24\r\n\r\n{\"code\":1001,\"msg\":\"no\"}" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", -7, "no", "", 0, "", "",
      "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n"
      "Content-Length: 22\r\n\r\n{\"code\":-7,\"msg\":\"no\"}" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 101, "Connection Closed", "", 0, "", "",
      "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n"
      "Content-Length: 38\r\n\r\n{\"code\":101,\"msg\":\"Connection Closed\"}" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 404, "Not Found", "", 's', "<p>",
      "Content-Type=text%2Fhtml",
      "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nContent-Type: text/html\r\n\r\n<p>" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 404, "Not Found", "", 0, "", "Content-Type=text%2Fhtml",
      "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n"
      "{\"code\":404,\"msg\":\"Not Found\"}" },
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 302, "Found", "", 's', "x", "Location=%2Fy",
      "HTTP/1.1 302 Found\r\nContent-Type: text/plain\r\nContent-Length: 1\r\nLocation: /y\r\n\r\nx" },
    /* Metadata: what would break the head, or lie about the message, is left out. */
    { "GET / HTTP/1.1\r\n" HOST "\r\n", 200, "OK", "", 's', "x",
      "X-A=1&x-a=2&X-B=a%20b&X-C=a%0D%0AX-D:1&X%0AE=1&=1&&X-F&content-length=5&Transfer-Encoding="
      "chunked&Connection=close&X-G=%zz&content-type=text/css&X-Seq=1",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-A: 1\r\nx-a: 2\r\nX-B: a b\r\nX-F: \r\n"
      "content-type: text/css\r\n\r\nx" },
    /* Later Teleports: WIRE §4. */
    { "POST /x HTTP/1.1\r\nX-Seq: 7\r\nX-Mtype: 1\r\n\r\n", 200, "OK", "", 'j', "[1]", "k=v",
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\nX-Seq: 7\r\n"
      "X-Mtype: 2\r\nk: v\r\n\r\n[1]" },
    { "POST /x HTTP/1.1\r\nX-Seq: 7\r\nX-Mtype: 1\r\n\r\n", 1001, "no", "why", 'j', "[1]", "",
      "HTTP/1.1 299 Business Error\r\nContent-Type: application/json\r\nContent-Length: 38\r\n"
      "X-Seq: 7\r\nX-Mtype: 2\r\n\r\n{\"code\":1001,\"msg\":\"no\",\"cause\":\"why\"}" },
    { "POST /x HTTP/1.1\r\nX-Seq: 7\r\nX-Mtype: 1\r\n\r\n", 404, "Not Found", "", 0, "", "",
      "HTTP/1.1 299 Business Error\r\nContent-Type: application/json\r\nContent-Length: 30\r\n"
      "X-Seq: 7\r\nX-Mtype: 2\r\n\r\n{\"code\":404,\"msg\":\"Not Found\"}" },
};

/* Decodes the request that is there, and makes the REPLY's packet of it. */
static void
bench_begin_reply(struct bench *bench, const char *request, struct tp_packet *reply)
{
    struct tp_packet packet;

    tp__test_chain_add(&bench->input, &bench->pool, request, strlen(request), strlen(request));
    struct tp_wire wire = bench_wire(bench);

    ck_assert_int_eq(TP_DECODE_PACKET, protocol()->decode(&wire, &packet));
    *reply = (struct tp_packet){
        .type = TP_PACKET_REPLY,
        .seq = packet.seq,
        .note = packet.note,
    };
    tp_packet_clear(&packet);
}

static void
bench_add_body(struct bench *bench, struct tp_packet *packet, char codec, const char *body)
{
    packet->has_body_codec = codec != 0;
    packet->body_codec = (uint8_t) codec;
    tp__test_chain_add(&packet->body, &bench->pool, body, strlen(body), 100);
}

static void
bench_encode(struct bench *bench, struct tp_packet *packet)
{
    struct tp_chain bytes = { 0 };
    struct tp_wire wire = bench_wire(bench);

    ck_assert_int_eq(TP_OK, protocol()->encode(&wire, packet, &bench->output));
    ck_assert_int_eq(TP_OK, tp__output_rest(&bench->output, 0, &bytes));
    bench_say_chain(bench, &bytes);
    tp_chain_clear(&bytes);
    tp_packet_clear(packet);
}

START_TEST(writes_replies)
{
    struct bench bench;
    struct tp_packet reply;

    bench_init(&bench);
    bench_begin_reply(&bench, replies[_i].request, &reply);
    reply.status = (struct tp_status){ replies[_i].code, tp__str(replies[_i].status),
                                       tp__str(replies[_i].cause) };
    reply.metadata = tp__str(replies[_i].metadata);
    bench_add_body(&bench, &reply, replies[_i].codec, replies[_i].body);
    bench_encode(&bench, &reply);
    ck_assert_str_eq(replies[_i].response, bench.text);
    bench_fini(&bench);
}
END_TEST

static const struct tp_str origins[] = { { "https://a.example", 17 }, { "https://b.example", 17 } };
static const struct tp_str any_origin[] = { { "*", 1 } };

START_TEST(pages_of_listed_origins_may_read)
{
    struct bench bench;
    struct tp_packet reply;

    bench_init(&bench);
    bench.origins = origins;
    bench.origin_count = TP_COUNT_OF(origins);
    bench_begin_reply(&bench, "GET / HTTP/1.1\r\n" HOST "Origin: https://b.example\r\n\r\n",
                      &reply);
    reply.status.code = 204;
    reply.metadata = TP_STR("Access-Control-Allow-Origin=evil");
    bench_encode(&bench, &reply);
    ck_assert_str_eq("HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: https://b.example\r\n"
                     "Access-Control-Expose-Headers: *\r\nVary: Origin\r\n\r\n",
                     bench.text);
    bench.len = 0;
    /* A reload may have taken it off the list meanwhile. */
    bench_begin_reply(&bench, "GET / HTTP/1.1\r\n" HOST "Origin: https://b.example\r\n\r\n",
                      &reply);
    reply.status.code = 204;
    bench.origin_count = 1;
    bench_encode(&bench, &reply);
    ck_assert_str_eq("HTTP/1.1 204 No Content\r\n\r\n", bench.text);
    bench_fini(&bench);
}
END_TEST

START_TEST(pages_of_other_origins_are_refused)
{
    struct bench bench;

    bench_init(&bench);
    bench.origins = origins;
    bench.origin_count = TP_COUNT_OF(origins);
    bench_feed(&bench, "GET / HTTP/1.1\r\n" HOST "Origin: https://c.example\r\n\r\n", 100);
    bench_feed(&bench, "OPTIONS / HTTP/1.1\r\n" HOST "Origin: https://c.example\r\n\r\n", 100);
    ck_assert_str_eq("refuse 403 allow_origin has not this one; "
                     "refuse 403 allow_origin has not this one; ",
                     bench.text);
    bench.len = 0;
    bench.origins = any_origin;
    bench.origin_count = 1;
    bench_feed(&bench, "OPTIONS / HTTP/1.1\r\n" HOST "Origin: https://c.example\r\n\r\n", 100);
    ck_assert_ptr_nonnull(strstr(bench.text, "Access-Control-Allow-Headers=*%2C%20Authorization"));
    bench_fini(&bench);
}
END_TEST

/* A PULL, and the request that it becomes. */
START_TEST(writes_requests)
{
    struct bench bench;
    struct tp_packet pull = {
        .type = TP_PACKET_PULL,
        .seq = 7,
        .uri = TP_STR("/math/h\xc3\xb6he?a=b c#d"),
        .metadata = TP_STR("X-Trace=1&Host=evil&X-Real-IP=1.2.3.4"),
        .accept_codec = TP_CODEC_JSON,
        .gzip_level = 5,
    };

    bench_init(&bench);
    bench.is_dialed = true;
    bench.target = "a.example:8080/api/";
    struct tp_wire wire = bench_wire(&bench);

    ck_assert(protocol()->is_ready(&wire));
    bench_add_body(&bench, &pull, 'j', "[1,2]");
    bench_encode(&bench, &pull);
    ck_assert_str_eq(
        "POST /api/math/h%C3%B6he?a=b%20c HTTP/1.1\r\nHost: a.example:8080\r\nX-Seq: 7\r\n"
        "X-Mtype: 1\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
        "X-Content-Encoding: gzip-5\r\nContent-Length: 5\r\nAccept: application/json\r\n"
        "Accept-Encoding: gzip\r\nX-Trace: 1\r\nX-Real-IP: 1.2.3.4\r\n\r\n[1,2]",
        bench.text);
    ck_assert(!protocol()->is_ready(&wire));
    bench_fini(&bench);
}
END_TEST

static const struct told responses[] = {
    { "HTTP/1.1 200 OK\r\n" TYPED "Content-Length: 1\r\n\r\n3", "reply 7 200 OK j:3; " },
    { "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", "reply 7 200 OK; " },
    { "HTTP/1.1 204 No Content\r\n\r\n", "reply 7 200 OK; " },
    { "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "reply 7 200 OK; " },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3", "reply 7 200 OK s:3; " },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n1\r\n3\r\n0\r\n\r\n",
      "reply 7 200 OK s:3 meta=X-A=b; " },
    { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n3", "reply 7 200 OK s:3; last" },
    { "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n3", "reply 7 200 OK s:3; last" },
    /* WIRE §4. */
    { "HTTP/1.1 299 Business Error\r\n" TYPED "Content-Length: 38\r\n\r\n"
      "{\"code\":1001,\"msg\":\"no\",\"cause\":\"why\"}", "reply 7 1001 no (why); " },
    { "HTTP/1.1 299 Business Error\r\n" TYPED "Content-Length: 32\r\n\r\n"
      "{\"code\":1001,\"msg\":\"\\u006eo\"   }", "reply 7 1001 no; " },
    { "HTTP/1.1 500 Internal Server Error\r\n" TYPED "Content-Length: 24\r\n\r\n"
      "{\"code\":1001,\"msg\":\"no\"}", "reply 7 1001 no; " },
    { "HTTP/1.1 404 Nope\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>",
      "reply 7 404 Nope s:<p> meta=Content-Type=text%2Fhtml; " },
    { "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", "reply 7 404 Not Found; " },
    { "HTTP/1.1 404 \r\n" TYPED "Content-Length: 2\r\n\r\n{}", "reply 7 404 Not Found j:{}; " },
    { "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
      "reply 7 302 Found meta=Location=%2Fx; " },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3HTTP/1.1 200 OK\r\n\r\n",
      "reply 7 200 OK s:3; broken a response came that nobody had asked for" },
    { "HTTP/1.1 101 Switching\r\n\r\n", "broken nobody had asked for another protocol" },
    { "HTTP/1.1 200 OK\nContent-Length: 1\n\n3",
      "broken a line of the head does not end in CR LF" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n3",
      "broken the length is said twice" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n", "too large the message is longer than "
      "packet_limit" },
    { "\x01\x02\r\n\r\n", "broken the version is malformed" },
};

static void
bench_ask(struct bench *bench)
{
    struct tp_packet pull = { .type = TP_PACKET_PULL, .seq = 7, .uri = TP_STR("/x") };

    bench->is_dialed = true;
    bench_encode(bench, &pull);
    bench->len = 0;
    bench->text[0] = '\0';
}

START_TEST(tells_responses)
{
    size_t whole = strlen(responses[_i].bytes);

    for (size_t step = 1; step <= whole; step++) {
        struct bench bench;

        bench_init(&bench);
        bench_ask(&bench);
        bench_feed(&bench, responses[_i].bytes, step);
        ck_assert_str_eq(responses[_i].words, bench.text);
        bench_fini(&bench);
    }
}
END_TEST

START_TEST(a_body_may_end_with_the_connection)
{
    struct bench bench;

    bench_init(&bench);
    bench_ask(&bench);
    bench_feed(&bench, "HTTP/1.1 200 OK\r\n\r\nabc", 3);
    ck_assert_str_eq("", bench.text);
    bench.has_ended = true;
    ck_assert(!bench_decode(&bench));
    ck_assert_str_eq("reply 7 200 OK s:abc; last", bench.text);
    struct tp_wire wire = bench_wire(&bench);

    ck_assert(protocol()->is_ready(&wire));
    bench_fini(&bench);
}
END_TEST

/* Who takes deflated bodies; which they are is for the session to see to. */
static const struct {
    const char *fields;
    int32_t reply_gzip;
} takers[] = {
    { "", 0 },
    { "Accept-Encoding: br, gzip\r\n", 1 },
    { "Accept-Encoding: deflate;q=0.5, X-GZIP;q=0.1\r\n", 1 },
    { "Accept-Encoding: gzip;q=0, br\r\n", 0 },
    { "Accept-Encoding: *\r\n", 0 },
    { "X-Mtype: 1\r\nContent-Encoding: gzip\r\nX-Content-Encoding: gzip-7\r\n", 7 },
    { "Content-Encoding: gzip\r\n", 0 },
};

START_TEST(knows_who_takes_deflated_bodies)
{
    struct bench bench;
    struct tp_packet packet;
    char request[256];

    bench_init(&bench);
    snprintf(request, sizeof(request), "POST / HTTP/1.1\r\n" HOST "%sContent-Length: 1\r\n\r\nx",
             takers[_i].fields);
    tp__test_chain_add(&bench.input, &bench.pool, request, strlen(request), strlen(request));
    struct tp_wire wire = bench_wire(&bench);

    ck_assert_int_eq(TP_DECODE_PACKET, protocol()->decode(&wire, &packet));
    ck_assert_int_eq(takers[_i].reply_gzip, packet.reply_gzip);
    tp_packet_clear(&packet);
    bench_fini(&bench);
}
END_TEST

START_TEST(says_that_a_body_is_deflated)
{
    struct bench bench;
    struct tp_packet reply;

    bench_init(&bench);
    for (int level = -2; level <= 9; level += 11) {
        bench_begin_reply(&bench, "GET / HTTP/1.1\r\n" HOST "\r\n", &reply);
        reply.status.code = 200;
        reply.gzip_level = level;
        bench_add_body(&bench, &reply, 0, "x");
        bench_encode(&bench, &reply);
    }
    ck_assert_str_eq("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"
                     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-Content-Encoding: gzip-9\r\n"
                     "Content-Length: 1\r\n\r\nx",
                     bench.text);
    bench_fini(&bench);
}
END_TEST

/* In the middle of a body that was asked for, and in the middle of a response. */
START_TEST(is_saved_and_restored)
{
    for (int is_dialed = 0; is_dialed < 2; is_dialed++) {
        struct bench bench;
        struct tp_chain saved = { 0 };
        struct tp_slice flat;

        bench_init(&bench);
        if (is_dialed) {
            bench_ask(&bench);
            bench_feed(&bench, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", 100);
        } else {
            bench_feed(&bench,
                       "POST /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n",
                       100);
            bench.len = 0;
            bench_feed(&bench, "2\r\nh", 100);
        }
        ck_assert_int_eq(TP_OK, protocol()->save(bench.state, &bench.pool, &saved));
        memset(bench.state, 0, protocol()->state_size);
        ck_assert_int_eq(TP_OK, tp_chain_flatten(&saved, &bench.pool, &flat));
        struct tp_str bytes = { (const char *) flat.data, flat.len };
        struct tp_str half = { bytes.data, bytes.len - 1 };

        ck_assert_int_eq(TP_INVALID, protocol()->restore(bench.state, &bench.pool, half));
        ck_assert_int_eq(TP_OK, protocol()->restore(bench.state, &bench.pool, bytes));
        tp_chain_clear(&saved);
        bench.len = 0;
        bench_feed(&bench, is_dialed ? "i" : "i\r\n0\r\n\r\n", 100);
        ck_assert_str_eq(is_dialed ? "reply 7 200 OK s:hi; " : "pull 1 /x s:hi; ", bench.text);
        bench_fini(&bench);
    }
}
END_TEST

Suite *
tp_suite_protocol_http(void)
{
    Suite *suite = suite_create("protocol/http");
    TCase *reading = tcase_create("in");
    TCase *writing = tcase_create("out");

    tcase_add_loop_test(reading, tells_requests, 0, (int) TP_COUNT_OF(requests));
    tcase_add_test(reading, a_long_head_is_refused);
    tcase_add_test(reading, who_waits_behind_other_requests_is_not_asked);
    tcase_add_loop_test(reading, probes_first_bytes, 0, (int) TP_COUNT_OF(probes));
    tcase_add_test(reading, pages_of_other_origins_are_refused);
    tcase_add_loop_test(reading, tells_responses, 0, (int) TP_COUNT_OF(responses));
    tcase_add_loop_test(reading, knows_who_takes_deflated_bodies, 0, (int) TP_COUNT_OF(takers));
    tcase_add_test(reading, a_body_may_end_with_the_connection);
    tcase_add_test(reading, is_saved_and_restored);
    suite_add_tcase(suite, reading);
    tcase_add_loop_test(writing, writes_replies, 0, (int) TP_COUNT_OF(replies));
    tcase_add_test(writing, pages_of_listed_origins_may_read);
    tcase_add_test(writing, writes_requests);
    tcase_add_test(writing, says_that_a_body_is_deflated);
    suite_add_tcase(suite, writing);
    return suite;
}
