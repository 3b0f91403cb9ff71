/*
 * http_head.c - tests of packet/http_head: what a strict reader takes, and what it refuses.
 */
#include <teleport/http_head.h>

#include "bytes_fixture.h"

#include <check.h>
#include <string.h>

enum {
    FIELDS_MAX = 4,
    LIMIT = 200,
};

#define LINE    "GET / HTTP/1.1\r\n"
#define ANSWER  "HTTP/1.1 200 OK\r\n"
#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct tp_str
str_of(const char *text)
{
    return (struct tp_str){ text, strlen(text) };
}

static void
assert_text(const char *wanted, struct tp_str text)
{
    ck_assert_uint_eq(strlen(wanted), text.len);
    ck_assert_mem_eq(wanted, text.data, text.len);
}

/* Where a head ends; 0: it does not yet. */
static const struct {
    const char *bytes;
    enum tp_result result;
    size_t len;
} ends[] = {
    { "G", TP_AGAIN, 0 },
    { LINE, TP_AGAIN, 0 },
    { LINE "\r", TP_AGAIN, 0 },
    { LINE "\r\n", TP_OK, 18 },
    { LINE "\r\nGET", TP_OK, 18 },
    { LINE "a: b\r\n\r\n\r\n", TP_OK, 24 },
    { "\r\n", TP_OK, 2 },
    { "\n", TP_INVALID, 0 },
    { "GET / HTTP/1.1\n\n", TP_INVALID, 0 },
    { LINE "\n", TP_INVALID, 0 },
    { LINE "a: b\n\r\n", TP_INVALID, 0 },
    { LINE "a: b\r\n\n", TP_INVALID, 0 },
    { LETTERS LETTERS LETTERS, TP_TOO_LARGE, 0 },
    { LETTERS LETTERS "\r\n" LETTERS "\r\n\r\n", TP_TOO_LARGE, 0 },
};

START_TEST(finds_the_end_however_it_comes)
{
    size_t whole = strlen(ends[_i].bytes);

    for (size_t step = 1; step <= whole; step++) {
        struct tp_buf_pool pool;
        struct tp_chain input = { 0 };
        enum tp_result result = TP_AGAIN;
        size_t seen = 0;
        size_t len = 0;

        tp__test_pool_init(&pool);
        for (size_t at = 0; at < whole && result == TP_AGAIN; at += step) {
            size_t more = step < whole - at ? step : whole - at;

            tp__test_chain_add(&input, &pool, ends[_i].bytes + at, more, more);
            result = tp_http_head_find(&input, LIMIT, &seen, &len);
        }
        ck_assert_int_eq(ends[_i].result, result);
        if (result == TP_OK) {
            ck_assert_uint_eq(ends[_i].len, len);
        }
        tp_chain_clear(&input);
        tp__buf_pool_fini(&pool);
    }
}
END_TEST

START_TEST(a_head_of_the_limit_passes)
{
    for (size_t limit = 16; limit <= 20; limit++) {
        struct tp_buf_pool pool;
        struct tp_chain input = { 0 };
        size_t seen = 0;
        size_t len = 0;

        tp__test_pool_init(&pool);
        tp__test_chain_add(&input, &pool, LINE "\r\n", 18, 5);
        ck_assert_int_eq(limit < 18 ? TP_TOO_LARGE : TP_OK,
                         tp_http_head_find(&input, limit, &seen, &len));
        tp_chain_clear(&input);
        tp__buf_pool_fini(&pool);
    }
}
END_TEST

START_TEST(holds_it_where_it_lies_or_a_copy)
{
    struct tp_buf_pool pool;
    struct tp_chain input = { 0 };
    struct tp_buf *held;

    tp__test_pool_init(&pool);
    tp__test_chain_add(&input, &pool, "abcdefgh", 8, 4);
    struct tp_str head = tp_http_head_hold(&input, 4, &pool, &held);

    assert_text("abcd", head);
    ck_assert_ptr_eq(tp_chain_front(&input)->buf, held);
    tp_buf_release(held);
    head = tp_http_head_hold(&input, 5, &pool, &held);
    assert_text("abcde", head);
    ck_assert_ptr_ne(tp_chain_front(&input)->buf, held);
    tp_buf_release(held);
    tp_chain_clear(&input);
    tp__buf_pool_fini(&pool);
}
END_TEST

START_TEST(reads_a_request)
{
    struct tp_http_head head;
    struct tp_http_fault fault;
    struct tp_http_field field;

    ck_assert(tp_http_request_read(TP_STR("POST /math/add?x=1 HTTP/1.1\r\nHost: a.example:80\r\n"
                                          "content-LENGTH:  12\t\r\nX-Empty:\r\n"
                                          "Connection: keep-alive , Upgrade\r\n\r\n"),
                                   FIELDS_MAX, &head, &fault));
    assert_text("POST", head.method);
    assert_text("/math/add?x=1", head.target);
    assert_text("a.example:80", head.host);
    ck_assert(head.has_host && head.has_length && !head.is_chunked && head.is_kept_alive);
    ck_assert(head.has_upgrade && !head.expects_continue);
    ck_assert_uint_eq(12, head.length);
    ck_assert_int_eq(1, head.version_minor);
    ck_assert_uint_eq(4, head.field_count);
    struct tp_str fields = head.fields;

    ck_assert(tp_http_field_next(&fields, &field));
    ck_assert(tp_http_field_next(&fields, &field));
    assert_text("content-LENGTH", field.name);
    assert_text("12", field.value);
    ck_assert(tp_http_field_next(&fields, &field));
    assert_text("X-Empty", field.name);
    assert_text("", field.value);
    ck_assert(tp_http_field_next(&fields, &field));
    ck_assert(!tp_http_field_next(&fields, &field));
    ck_assert(tp_http_field_find(head.fields, TP_STR("Content-Length"), &field.value));
    assert_text("12", field.value);
    ck_assert(!tp_http_field_find(head.fields, TP_STR("Content"), &field.value));
    ck_assert(tp_http_lists(head.fields, TP_STR("connection"), TP_STR("UPGRADE")));
    ck_assert(!tp_http_lists(head.fields, TP_STR("connection"), TP_STR("close")));
}
END_TEST

START_TEST(reads_a_response)
{
    struct tp_http_head head;
    struct tp_http_fault fault;

    ck_assert(tp_http_response_read(
                  TP_STR("HTTP/1.0 404 Not  Found\r\nTransfer-Encoding: Chunked\r\n\r\n"),
                  FIELDS_MAX, &head, &fault)
              == false);
    ck_assert(tp_http_response_read(TP_STR("HTTP/1.1 404 Not  F\xc3\xbcnd\r\n"
                                           "Transfer-Encoding: Chunked\r\n\r\n"),
                                    FIELDS_MAX, &head, &fault));
    ck_assert_int_eq(404, head.code);
    assert_text("Not  F\xc3\xbcnd", head.reason);
    ck_assert(head.is_chunked && head.is_kept_alive);
    ck_assert(tp_http_response_read(TP_STR("HTTP/1.0 200\r\n\r\n"), FIELDS_MAX, &head, &fault));
    assert_text("", head.reason);
    ck_assert(!head.is_kept_alive);
}
END_TEST

/* Both are requests; who is kept alive, and who waits. */
static const struct {
    const char *bytes;
    bool is_kept_alive;
    bool has_upgrade;
    bool expects_continue;
} wishes[] = {
    { LINE "\r\n", true, false, false },
    { LINE "Connection: close\r\n\r\n", false, false, false },
    { LINE "Connection: x\r\nConnection: ,y,, CLOSE\r\n\r\n", false, false, false },
    { LINE "Connection: closed\r\n\r\n", true, false, false },
    { "GET / HTTP/1.0\r\n\r\n", false, false, false },
    { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false, false },
    { "GET / HTTP/1.9\r\n\r\n", true, false, false },
    { LINE "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", true, true, false },
    { LINE "Upgrade: websocket\r\n\r\n", true, false, false },
    { "GET / HTTP/1.0\r\nConnection: upgrade\r\n\r\n", false, false, false },
    { LINE "Expect: 100-Continue\r\n\r\n", true, false, true },
    { "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", false, false, false },
};

START_TEST(reads_wishes)
{
    struct tp_http_head head;
    struct tp_http_fault fault;

    ck_assert(tp_http_request_read(str_of(wishes[_i].bytes), FIELDS_MAX, &head, &fault));
    ck_assert_int_eq(wishes[_i].is_kept_alive, head.is_kept_alive);
    ck_assert_int_eq(wishes[_i].has_upgrade, head.has_upgrade);
    ck_assert_int_eq(wishes[_i].expects_continue, head.expects_continue);
}
END_TEST

static const char *const taken[] = {
    "OPTIONS * HTTP/1.1\r\n\r\n",
    "CONNECT a.example:443 HTTP/1.1\r\n\r\n",
    "GET http://a.example/x HTTP/1.1\r\n\r\n",
    "GET HTTPS://a.example HTTP/1.1\r\n\r\n",
    "M-SEARCH / HTTP/1.1\r\n\r\n",
    "GET /%00|{}[] HTTP/1.1\r\n\r\n",
    LINE "Host:\r\n\r\n",
    LINE "Host: [::1]:80\r\n\r\n",
    LINE "X: \xff\x80\ttab\r\n\r\n",
    LINE "Content-Length: 999999999999999999\r\n\r\n",
    LINE "Content-Length: 007\r\n\r\n",
    LINE "a:1\r\nb:2\r\nc:3\r\nd:4\r\n\r\n",
};

START_TEST(takes_what_is_allowed)
{
    struct tp_http_head head;
    struct tp_http_fault fault;

    ck_assert_msg(tp_http_request_read(str_of(taken[_i]), FIELDS_MAX, &head, &fault), "%s: %s",
                  taken[_i], fault.why);
    ck_assert_int_eq(0, fault.code);
}
END_TEST

/* Most are ways to make two readers disagree. */
static const struct {
    const char *bytes;
    int code;
    const char *why;
} faults[] = {
    { "\r\n", 400, "method" },
    { "GET\r\n\r\n", 400, "target" },
    { "GET /\r\n\r\n", 400, "version" },
    { " GET / HTTP/1.1\r\n\r\n", 400, "method" },
    { "GET  / HTTP/1.1\r\n\r\n", 400, "target" },
    { "GET / HTTP/1.1 \r\n\r\n", 400, "version" },
    { "GET / x HTTP/1.1\r\n\r\n", 400, "version" },
    { "GET\t/ HTTP/1.1\r\n\r\n", 400, "method" },
    { "G(T / HTTP/1.1\r\n\r\n", 400, "method" },
    { "GET x HTTP/1.1\r\n\r\n", 400, "target" },
    { "GET * HTTP/1.1\r\n\r\n", 400, "target" },
    { "GET ftp://x HTTP/1.1\r\n\r\n", 400, "target" },
    { "CONNECT /x HTTP/1.1\r\n\r\n", 400, "target" },
    { "GET /h\xc3\xb6he HTTP/1.1\r\n\r\n", 400, "target" },
    { "GET /x#y HTTP/1.1\r\n\r\n", 400, "target" },
    { "GET /\x01 HTTP/1.1\r\n\r\n", 400, "target" },
    { "GET /\x7f HTTP/1.1\r\n\r\n", 400, "target" },
    { "GET / http/1.1\r\n\r\n", 400, "version" },
    { "GET / HTTP/11\r\n\r\n", 400, "version" },
    { "GET / HTTP/1.x\r\n\r\n", 400, "version" },
    { "GET / HTTP/1.10\r\n\r\n", 400, "version" },
    { "GET / HTTP/2.0\r\n\r\n", 505, "HTTP/1" },
    { "GET / HTTP/0.9\r\n\r\n", 505, "HTTP/1" },
    { LINE, 400, "CR LF" },
    { LINE "a: b\r\n", 400, "CR LF" },
    { LINE "a: b\n\r\n", 400, "CR LF" },
    { LINE "\r\nx", 400, "behind" },
    { LINE " a: b\r\n\r\n", 400, "next line" },
    { LINE "a: b\r\n c\r\n\r\n", 400, "next line" },
    { LINE "a: b\r\n\tc\r\n\r\n", 400, "next line" },
    { LINE "a\r\n\r\n", 400, "name" },
    { LINE ": b\r\n\r\n", 400, "name" },
    { LINE "a : b\r\n\r\n", 400, "name" },
    { LINE "a\t: b\r\n\r\n", 400, "name" },
    { LINE "a b: c\r\n\r\n", 400, "name" },
    { LINE "h\xc3\xb6he: c\r\n\r\n", 400, "name" },
    { LINE "Content-Length\x0b: 5\r\n\r\n", 400, "name" },
    { LINE "a: b\rc\r\n\r\n", 400, "control" },
    { LINE "a: b\x01\r\n\r\n", 400, "control" },
    { LINE "a: b\x7f\r\n\r\n", 400, "control" },
    { LINE "Content-Length:\r\n\r\n", 400, "malformed" },
    { LINE "Content-Length: +5\r\n\r\n", 400, "malformed" },
    { LINE "Content-Length: -5\r\n\r\n", 400, "malformed" },
    { LINE "Content-Length: 0x5\r\n\r\n", 400, "malformed" },
    { LINE "Content-Length: 5 5\r\n\r\n", 400, "malformed" },
    { LINE "Content-Length: 5, 5\r\n\r\n", 400, "malformed" },
    { LINE "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "twice" },
    { LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, "twice" },
    { LINE "Content-Length: 9999999999999999999\r\n\r\n", 413, "length" },
    { LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "chunked" },
    { LINE "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400, "chunked" },
    { LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "twice" },
    { LINE "Transfer-Encoding: chunked, chunked\r\n\r\n", 501, "coding" },
    { LINE "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "coding" },
    { LINE "Transfer-Encoding: identity\r\n\r\n", 501, "coding" },
    { LINE "Transfer-Encoding: xchunked\r\n\r\n", 501, "coding" },
    { LINE "Transfer-Encoding: \x0b"
           "chunked\r\n\r\n",
      400, "control" },
    { LINE "Transfer-Encoding:\r\n\r\n", 501, "coding" },
    { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "HTTP/1.0" },
    { LINE "Host: a\r\nHost: a\r\n\r\n", 400, "twice" },
    { LINE "Host: a/b\r\n\r\n", 400, "host" },
    { LINE "Host: u@a\r\n\r\n", 400, "host" },
    { LINE "Host: a b\r\n\r\n", 400, "host" },
    { LINE "Expect: 200-ok\r\n\r\n", 417, "100-continue" },
    { LINE "a:1\r\nb:2\r\nc:3\r\nd:4\r\ne:5\r\n\r\n", 431, "fields" },
};

START_TEST(refuses_what_could_be_read_in_two_ways)
{
    struct tp_http_head head;
    struct tp_http_fault fault;

    ck_assert_msg(!tp_http_request_read(str_of(faults[_i].bytes), FIELDS_MAX, &head, &fault), "%s",
                  faults[_i].bytes);
    ck_assert_int_eq(faults[_i].code, fault.code);
    ck_assert_msg(strstr(fault.why, faults[_i].why) != NULL, "%s: %s", faults[_i].bytes, fault.why);
}
END_TEST

START_TEST(refuses_bytes_of_zero)
{
    struct tp_http_head head;
    struct tp_http_fault fault;

    ck_assert(!tp_http_request_read(TP_STR("GET /\0 HTTP/1.1\r\n\r\n"), FIELDS_MAX, &head, &fault));
    ck_assert(!tp_http_request_read(TP_STR(LINE "a\0: b\r\n\r\n"), FIELDS_MAX, &head, &fault));
    ck_assert(!tp_http_request_read(TP_STR(LINE "a: b\0\r\n\r\n"), FIELDS_MAX, &head, &fault));
    ck_assert(!tp_http_request_read((struct tp_str){ NULL, 0 }, FIELDS_MAX, &head, &fault));
}
END_TEST

static const char *const broken_answers[] = {
    "HTTP/1.1\r\n\r\n",
    "HTTP/1.1 \r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 2x0 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1 200 O\x01K\r\n\r\n",
    "HTTP/2.0 200 OK\r\n\r\n",
    "ICY 200 OK\r\n\r\n",
    ANSWER "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
};

START_TEST(refuses_broken_answers)
{
    struct tp_http_head head;
    struct tp_http_fault fault;

    ck_assert(!tp_http_response_read(str_of(broken_answers[_i]), FIELDS_MAX, &head, &fault));
    ck_assert_int_ne(0, fault.code);
}
END_TEST

static const struct {
    const char *item;
    const char *text;
    int quality;
} qualities[] = {
    { "a", "a", 1000 },        { "a;q=1", "a", 1000 },
    { "a ; Q=0.5", "a", 500 }, { "a;q=0.333", "a", 333 },
    { "a;q=0", "a", 0 },       { "a;q=1.000", "a", 1000 },
    { "a;q=1.001", "a", 0 },   { "a;q=2", "a", 0 },
    { "a;q=", "a", 0 },        { "a;q=0.3333", "a", 0 },
    { "a;q=.5", "a", 0 },      { "a;q=x", "a", 0 },
    { "a;q=0,5", "a", 0 },     { "a/b;c=d; q=0.1", "a/b", 100 },
    { "a;c=d", "a", 1000 },
};

START_TEST(reads_qualities)
{
    struct tp_str item = str_of(qualities[_i].item);

    ck_assert_int_eq(qualities[_i].quality, tp_http_item_quality(&item));
    assert_text(qualities[_i].text, item);
}
END_TEST

START_TEST(takes_lists_apart)
{
    struct tp_str list = TP_STR(" ,a,, b c\t,;q=1,");
    struct tp_str item;

    ck_assert(tp_http_list_next(&list, &item));
    assert_text("a", item);
    ck_assert(tp_http_list_next(&list, &item));
    assert_text("b c", item);
    ck_assert(tp_http_list_next(&list, &item));
    assert_text(";q=1", item);
    ck_assert(!tp_http_list_next(&list, &item));
}
END_TEST

START_TEST(knows_what_may_be_written)
{
    ck_assert(tp_http_is_token(TP_STR("X-Trace_1")));
    ck_assert(!tp_http_is_token(TP_STR("")));
    ck_assert(!tp_http_is_token(TP_STR("a b")));
    ck_assert(!tp_http_is_token(TP_STR("a:")));
    ck_assert(tp_http_is_value(TP_STR("")));
    ck_assert(tp_http_is_value(TP_STR("a \xc3\xbc\tb")));
    ck_assert(!tp_http_is_value(TP_STR(" a")));
    ck_assert(!tp_http_is_value(TP_STR("a\t")));
    ck_assert(!tp_http_is_value(TP_STR("a\r\nX: y")));
    ck_assert(!tp_http_is_value(TP_STR("a\0")));
}
END_TEST

START_TEST(writes)
{
    char bytes[64];
    char *end = tp_http_write_field(bytes, TP_STR("X-Seq"), TP_STR("7"));

    ck_assert_uint_eq(5 + 1 + TP_HTTP_FIELD_EXTRA, (size_t) (end - bytes));
    end = tp_http_write_decimal(end, UINT64_MAX);
    end = tp_http_write_decimal(end, 0);
    end = tp_http_write(end, TP_STR(""));
    assert_text("X-Seq: 7\r\n184467440737095516150",
                (struct tp_str){ bytes, (size_t) (end - bytes) });
    assert_text("Not Found", tp_http_reason(404));
    assert_text("Business Error", tp_http_reason(299));
    assert_text("Status", tp_http_reason(599));
}
END_TEST

Suite *
tp_suite_packet_http_head(void)
{
    Suite *suite = suite_create("packet/http_head");
    TCase *find = tcase_create("find");
    TCase *read = tcase_create("read");
    TCase *refuse = tcase_create("refuse");
    TCase *texts = tcase_create("texts");

    tcase_add_loop_test(find, finds_the_end_however_it_comes, 0, (int) TP_COUNT_OF(ends));
    tcase_add_test(find, a_head_of_the_limit_passes);
    tcase_add_test(find, holds_it_where_it_lies_or_a_copy);
    suite_add_tcase(suite, find);
    tcase_add_test(read, reads_a_request);
    tcase_add_test(read, reads_a_response);
    tcase_add_loop_test(read, reads_wishes, 0, (int) TP_COUNT_OF(wishes));
    tcase_add_loop_test(read, takes_what_is_allowed, 0, (int) TP_COUNT_OF(taken));
    suite_add_tcase(suite, read);
    tcase_add_loop_test(refuse, refuses_what_could_be_read_in_two_ways, 0,
                        (int) TP_COUNT_OF(faults));
    tcase_add_test(refuse, refuses_bytes_of_zero);
    tcase_add_loop_test(refuse, refuses_broken_answers, 0, (int) TP_COUNT_OF(broken_answers));
    suite_add_tcase(suite, refuse);
    tcase_add_loop_test(texts, reads_qualities, 0, (int) TP_COUNT_OF(qualities));
    tcase_add_test(texts, takes_lists_apart);
    tcase_add_test(texts, knows_what_may_be_written);
    tcase_add_test(texts, writes);
    suite_add_tcase(suite, texts);
    return suite;
}
