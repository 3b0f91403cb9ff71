/*
 * variables.c - tests of session/variables: what run-time variables stand for, how they are
 * written in an answer and in a log, and templates that are large.
 */
#include "session/variables.h"

#include "base/buf_pool.h"
#include "base/str.h"
#include "conf/template.h"
#include "session/record.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum {
    ARENA_CHUNK_BYTES = 4096,
    LINE_MAX = 64 * 1024,
};

/* An exchange of its own, without a session that it came by. */
struct fixture {
    struct tp_arena arena;
    struct tp_sessions sessions;
    struct tp_codec codec;
    struct tp_codec_use codec_use;
    struct tp_server server;
    struct tp_source source;
    struct tp_route route;
    struct tp_exchange exchange;
    char line[LINE_MAX];
};

static void
fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__arena_init(&fixture->arena, ARENA_CHUNK_BYTES);
    tp__buf_pool_init(&fixture->sessions.pool, (struct tp_size){ 1024 * 1024 }, 0);
    fixture->sessions.worker_slot = 3;
    fixture->codec = (struct tp_codec){ .id = TP_CODEC_JSON };
    fixture->codec_use.codec = &fixture->codec;
    fixture->server.codecs = &fixture->codec_use;
    fixture->server.codec_count = 1;
    fixture->server.limits.packet.bytes = 4096;
    fixture->source.name = "127.0.0.1:9090";
    fixture->route.uri = TP_STR("/hello/*");
    fixture->exchange = (struct tp_exchange){
        .magic = TP_EXCHANGE_MAGIC,
        .sessions = &fixture->sessions,
        .session_number = 18446744073709551615u,
        .remote = { .family = TP_ADDRESS_V4, .port = 50000, .ip = { 127, 0, 0, 1 } },
        .source = &fixture->source,
        .server = &fixture->server,
        .route = &fixture->route,
        .logging = &fixture->route.logging,
        .request = {
            .type = TP_PACKET_PULL,
            .seq = 7,
            .uri = TP_STR("/hello/w%C3%B6rld?user=ann"),
            .header_codec = TP_CODEC_JSON,
            .body_codec = 'x',
            .gzip_level = -2,
            .wire_bytes = 1234,
        },
        .request_body_bytes = 99,
        .reply = {
            .status = { .code = 404, .text = TP_STR("Not Found") },
            .body = { .len = 5 },
            .wire_bytes = 100,
        },
        .path = TP_STR("/hello/w\xc3\xb6rld"),
        .query = TP_STR("user=ann"),
        .begun_us = 1000000,
        .finished_us = 3000042,
    };
}

static void
fixture_close(struct fixture *fixture)
{
    tp__buf_pool_fini(&fixture->sessions.pool);
    tp__arena_fini(&fixture->arena);
}

static struct tp_template
fixture_compile(struct fixture *fixture, const char *text)
{
    struct tp_template template;

    ck_assert_int_eq(tp__template_compile(tp__str(text), tp__variables, &fixture->arena, &template),
                     TP_OK);
    return template;
}

/* What a line of a log says, terminated. */
static const char *
fixture_line(struct fixture *fixture, const char *text)
{
    struct tp_template template = fixture_compile(fixture, text);
    struct tp_value_writer writer = {
        .next = fixture->line,
        .text_room = LINE_MAX / 2,
        .is_log = true,
    };

    tp__template_write(&template, &fixture->exchange, &writer);
    ck_assert_uint_le((size_t) (writer.next - fixture->line),
                      tp__template_fixed_max(&template) + LINE_MAX / 2);
    *writer.next = '\0';
    return fixture->line;
}

/* What an answer says, terminated. */
static const char *
fixture_expand(struct fixture *fixture, const char *text)
{
    struct tp_template template = fixture_compile(fixture, text);
    struct tp_slice slice;

    ck_assert_int_eq(tp_template_expand(&template, &fixture->exchange, &slice), TP_OK);
    if (slice.len > 0) {
        memcpy(fixture->line, slice.data, slice.len);
    }
    fixture->line[slice.len] = '\0';
    tp_buf_release(slice.buf);
    ck_assert_uint_eq(fixture->sessions.pool.bytes_in_use, 0);
    return fixture->line;
}

struct value {
    const char *template;
    const char *expanded;
    const char *logged;
};

static const struct value values[] = {
    { "", "", "" },
    { "nothing but text, and more than eight bytes of it",
      "nothing but text, and more than eight bytes of it",
      "nothing but text, and more than eight bytes of it" },
    { "<$uri>", "</hello/w%C3%B6rld?user=ann>", "</hello/w%C3%B6rld?user=ann>" },
    { "$path", "/hello/w\xc3\xb6rld", "/hello/w\\xc3\\xb6rld" },
    { "$query", "user=ann", "user=ann" },
    { "$arg_user$arg_nobody.", "ann.", "ann-." },
    { "$route", "/hello/*", "/hello/*" },
    { "$type $seq", "PULL 7", "PULL 7" },
    { "$session_number", "18446744073709551615", "18446744073709551615" },
    { "$remote|$remote_addr|$remote_port", "127.0.0.1:50000|127.0.0.1|50000",
      "127.0.0.1:50000|127.0.0.1|50000" },
    { "$listen", "127.0.0.1:9090", "127.0.0.1:9090" },
    { "$header_codec $body_codec $gzip", "json 120 -2", "json 120 -2" },
    { "$bytes_received $body_bytes", "1234 99", "1234 99" },
    { "$status $status_text", "404 Not Found", "404 Not Found" },
    { "$bytes_sent $reply_bytes", "100 5", "100 5" },
    { "$duration", "2.000042", "2.000042" },
    { "[$slow]", "[]", "[-]" },
    { "$worker", "3", "3" },
    { "$upstream_addr|$upstream_status|$upstream_time|$upstream_tries", "|||", "-|-|-|-" },
};

START_TEST(variables_have_their_values)
{
    struct fixture fixture;

    fixture_open(&fixture);
    ck_assert_str_eq(fixture_expand(&fixture, values[_i].template), values[_i].expanded);
    ck_assert_str_eq(fixture_line(&fixture, values[_i].template), values[_i].logged);
    fixture_close(&fixture);
}
END_TEST

START_TEST(every_variable_has_a_sentence_and_a_value)
{
    struct fixture fixture;
    char text[128];

    fixture_open(&fixture);
    for (size_t i = 0; i < tp__variables.count; i++) {
        const struct tp_run_variable *row = &tp__variables.rows[i];

        ck_assert(row->sentence[strlen(row->sentence) - 1] == '.');
        snprintf(text, sizeof(text), "$%s%s", row->name, row->is_prefix ? "user" : "");
        ck_assert_str_ne(fixture_line(&fixture, text), "");
    }
    fixture_close(&fixture);
}
END_TEST

static const uint64_t numbers[] = {
    0,
    9,
    10,
    42,
    99,
    100,
    999,
    1000,
    9999,
    10000,
    12345,
    99999,
    100000,
    1234567,
    9999999,
    10000000,
    99999999,
    100000000,
    999999999,
    1000000000,
    4294967295,
    4294967296,
    9000000001,
    1000000000000,
    99999999999999999,
    10000000000000000000u,
    18446744073709551615u,
};

START_TEST(numbers_are_written_as_printf_does)
{
    struct fixture fixture;
    char wanted[32];

    fixture_open(&fixture);
    fixture.exchange.request.seq = numbers[_i];
    snprintf(wanted, sizeof(wanted), "%llu.", (unsigned long long) numbers[_i]);
    ck_assert_str_eq(fixture_line(&fixture, "$seq."), wanted);
    fixture_close(&fixture);
}
END_TEST

START_TEST(other_addresses_are_written)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.exchange.remote = (struct tp_address){
        .family = TP_ADDRESS_V6,
        .port = 1,
        .ip = { [15] = 1 },
    };
    ck_assert_str_eq(fixture_line(&fixture, "$remote $remote_addr"), "[::1]:1 ::1");
    memset(fixture.exchange.remote.ip, 0xff, sizeof(fixture.exchange.remote.ip));
    fixture.exchange.remote.port = 65535;
    fixture_line(&fixture, "$remote $remote_addr");
    fixture.exchange.remote = (struct tp_address){ .family = TP_ADDRESS_UNIX };
    ck_assert_str_eq(fixture_line(&fixture, "$remote $remote_addr $remote_port"), "unix: unix: 0");
    fixture_close(&fixture);
}
END_TEST

/* A query, and what $arg_user is of it. */
static const struct value arguments[] = {
    { "", "", "-" },
    { "user", "", "-" },
    { "user=", "", "-" },
    { "user=a&user=b", "a", "a" },
    { "u=x&user=a+b%20c", "a b c", "a b c" },
    { "user=%zz&user=b", "b", "b" },
    { "user=%4", "", "-" },
    { "user=%41%2", "", "-" },
    { "%75ser=ann", "ann", "ann" },
    { "users=1&use=2&USER=3", "", "-" },
    { "&&=&user==&", "=", "=" },
    { "user=%0a%22%5c%7f%00", "\n\"\\\x7f", "\\x0a\\x22\\x5c\\x7f\\x00" },
};

START_TEST(arguments_are_found_and_decoded)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.exchange.query = tp__str(arguments[_i].template);
    fixture.exchange.request.uri = fixture.exchange.query;
    ck_assert_str_eq(fixture_expand(&fixture, "$arg_user"), arguments[_i].expanded);
    ck_assert_str_eq(fixture_line(&fixture, "$arg_user"), arguments[_i].logged);
    fixture_close(&fixture);
}
END_TEST

static const struct {
    const char *uri;
    const char *logged;
} secrets[] = {
    { "/chat?access_token=ann:secret", "/chat?access_token=-" },
    { "/chat?room=1&access_token=secret&x=2", "/chat?room=1&access_token=-&x=2" },
    { "/?access_token=one&access_token=two", "/?access_token=-&access_token=-" },
    { "/?access_token=", "/?access_token=" },
    { "/?access_token=&a=b", "/?access_token=&a=b" },
    { "access_token=secret", "access_token=-" },
    { "/?access_toke=n", "/?access_toke=n" },
    { "/=access_token", "/=access_token" },
};

START_TEST(what_lets_in_is_in_no_log)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.exchange.request.uri = tp__str(secrets[_i].uri);
    fixture.exchange.query = fixture.exchange.request.uri;
    ck_assert_str_eq(fixture_line(&fixture, "$uri"), secrets[_i].logged);
    ck_assert_str_eq(fixture_line(&fixture, "$query"), secrets[_i].logged);
    ck_assert_str_eq(fixture_line(&fixture, "$arg_access_token"), "-");
    ck_assert_str_eq(fixture_expand(&fixture, "$uri"), secrets[_i].uri);
    fixture_close(&fixture);
}
END_TEST

/* Each byte at each place of a text, so that it stands in every part of a word. */
START_TEST(no_byte_can_forge_a_line)
{
    struct fixture fixture;
    char uri[24];
    char wanted[4 * sizeof(uri) + 1];

    fixture_open(&fixture);
    for (size_t at = 0; at < sizeof(uri); at++) {
        bool is_plain = _i >= ' ' && _i < 0x7f && _i != '"' && _i != '\\';

        memset(uri, 'a', sizeof(uri));
        uri[at] = (char) _i;
        fixture.exchange.request.uri = (struct tp_str){ uri, sizeof(uri) };
        snprintf(wanted, sizeof(wanted), is_plain ? "%.*s%c%.*s" : "%.*s\\x%02x%.*s", (int) at,
                 "aaaaaaaaaaaaaaaaaaaaaaaa", _i, (int) (sizeof(uri) - at - 1),
                 "aaaaaaaaaaaaaaaaaaaaaaaa");
        ck_assert_str_eq(fixture_line(&fixture, "$uri"), wanted);
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(long_texts_of_a_line_are_cut)
{
    static char uri[64 * 1024];
    struct fixture fixture;
    struct tp_value_writer writer = { .text_room = 4000, .is_log = true };

    fixture_open(&fixture);
    struct tp_template template = fixture_compile(&fixture, "$uri $uri $seq");

    memset(uri, '\n', sizeof(uri));
    fixture.exchange.request.uri = (struct tp_str){ uri, sizeof(uri) };
    writer.next = fixture.line;
    tp__template_write(&template, &fixture.exchange, &writer);
    ck_assert_uint_eq((size_t) (writer.next - fixture.line), 4000 + strlen("  7"));
    ck_assert_uint_eq(writer.text_room, 0);
    fixture_close(&fixture);
}
END_TEST

START_TEST(an_answer_keeps_to_the_packet_limit)
{
    static char uri[1000];
    struct fixture fixture;
    struct tp_slice slice = { 0 };

    fixture_open(&fixture);
    memset(uri, '/', sizeof(uri));
    fixture.exchange.request.uri = (struct tp_str){ uri, sizeof(uri) };
    ck_assert_uint_eq(strlen(fixture_expand(&fixture, "$uri$uri$uri$uri")), 4000);
    struct tp_template template = fixture_compile(&fixture, "$uri$uri$uri$uri$uri");

    ck_assert_int_eq(tp_template_expand(&template, &fixture.exchange, &slice), TP_TOO_LARGE);
    ck_assert_uint_eq(fixture.sessions.pool.bytes_in_use, 0);
    fixture_close(&fixture);
}
END_TEST

START_TEST(metadata_is_whole_however_short_the_uri_is)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.exchange.request.metadata = TP_STR("User-Agent=a%20name%20longer%20than%20any%20uri");
    ck_assert_str_eq(fixture_expand(&fixture, "$meta_user_agent"), "a name longer than any uri");
    ck_assert_str_eq(fixture_expand(&fixture, "$meta_User"), "");
    fixture.exchange.request.metadata = TP_STR("a%2Db=1&a_b=2&a_b_c=3");
    ck_assert_str_eq(fixture_expand(&fixture, "$meta_a_b $meta_A_B_C"), "1 3");
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_codec_has_its_whole_name_however_short_the_uri_is)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.codec.name = "a-codec-of-a-long-name";
    fixture.exchange.request.uri = TP_STR("/");
    ck_assert_str_eq(fixture_expand(&fixture, "$header_codec"), "a-codec-of-a-long-name");
    fixture_close(&fixture);
}
END_TEST

START_TEST(memory_that_runs_out_is_told)
{
    struct fixture fixture;
    struct tp_slice slice = { 0 };

    fixture_open(&fixture);
    tp__buf_pool_fini(&fixture.sessions.pool);
    tp__buf_pool_init(&fixture.sessions.pool, (struct tp_size){ 0 }, 0);
    struct tp_template template = fixture_compile(&fixture, "$uri");

    ck_assert_int_eq(tp_template_expand(&template, &fixture.exchange, &slice), TP_NO_MEMORY);
    fixture_close(&fixture);
}
END_TEST

START_TEST(slow_is_what_takes_as_long_as_the_threshold)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.route.logging.slow_threshold.ms = 2000;
    ck_assert_str_eq(fixture_line(&fixture, "$slow"), "slow");
    fixture.route.logging.slow_threshold.ms = 2001;
    ck_assert_str_eq(fixture_line(&fixture, "$slow"), "-");
    fixture.route.logging.slow_threshold.ms = 0;
    ck_assert_str_eq(fixture_line(&fixture, "$slow"), "-");
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_variables(void)
{
    Suite *suite = suite_create("session/variables");
    TCase *tests = tcase_create("variables");

    tcase_add_loop_test(tests, variables_have_their_values, 0, TP_COUNT_OF(values));
    tcase_add_test(tests, every_variable_has_a_sentence_and_a_value);
    tcase_add_loop_test(tests, numbers_are_written_as_printf_does, 0, TP_COUNT_OF(numbers));
    tcase_add_test(tests, other_addresses_are_written);
    tcase_add_loop_test(tests, arguments_are_found_and_decoded, 0, TP_COUNT_OF(arguments));
    tcase_add_loop_test(tests, what_lets_in_is_in_no_log, 0, TP_COUNT_OF(secrets));
    tcase_add_loop_test(tests, no_byte_can_forge_a_line, 0, 256);
    tcase_add_test(tests, long_texts_of_a_line_are_cut);
    tcase_add_test(tests, an_answer_keeps_to_the_packet_limit);
    tcase_add_test(tests, metadata_is_whole_however_short_the_uri_is);
    tcase_add_test(tests, a_codec_has_its_whole_name_however_short_the_uri_is);
    tcase_add_test(tests, memory_that_runs_out_is_told);
    tcase_add_test(tests, slow_is_what_takes_as_long_as_the_threshold);
    suite_add_tcase(suite, tests);
    return suite;
}
