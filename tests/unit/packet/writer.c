/*
 * writer.c - tests of long texts that are written piece by piece.
 */
#include <teleport/writer.h>

#include "base/buf_pool.h"

#include "bytes_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUNDS = 5000,
    LONG = 100 * 1000,
};

static void
assert_written(struct tp_chain *chain, struct tp_buf_pool *pool, const char *text)
{
    tp__test_chain_assert(chain, text, strlen(text));
    tp_chain_clear(chain);
    ck_assert_uint_eq(0, pool->bytes_in_use);
    tp__buf_pool_fini(pool);
}

START_TEST(writes_over_the_ends_of_buffers)
{
    struct tp_buf_pool pool;
    struct tp_chain chain = { 0 };
    struct tp_writer writer = { .pool = &pool, .to = &chain };
    char *expected = malloc(LONG + ROUNDS * 8 + 1);
    char *text = malloc(LONG);
    size_t len = 0;

    tp__test_pool_init(&pool);
    for (int i = 0; i < ROUNDS; i++) {
        tp_writer_printf(&writer, "%d,", i);
        len += (size_t) sprintf(expected + len, "%d,", i);
    }
    memset(text, 'x', LONG);
    tp_writer_put(&writer, (struct tp_str){ text, LONG });
    memcpy(expected + len, text, LONG);
    expected[len + LONG] = '\0';
    ck_assert_int_eq(TP_OK, tp_writer_end(&writer));
    assert_written(&chain, &pool, expected);
    free(expected);
    free(text);
}
END_TEST

START_TEST(goes_on_behind_what_was_there)
{
    struct tp_buf_pool pool;
    struct tp_chain chain = { 0 };
    struct tp_chain other = { 0 };
    struct tp_writer writer = { .pool = &pool, .to = &chain };

    tp__test_pool_init(&pool);
    tp__test_chain_add(&chain, &pool, "before ", 7, 3);
    tp__test_chain_add(&other, &pool, "another chain", 13, 5);
    ck_assert_int_eq(TP_OK, tp_writer_end(&writer));
    tp_writer_put(&writer, TP_STR("first, "));
    ck_assert_int_eq(TP_OK, tp_writer_end(&writer));
    tp_writer_put_chain(&writer, &other);
    ck_assert_int_eq(TP_OK, tp_writer_end(&writer));
    tp_chain_clear(&other);
    assert_written(&chain, &pool, "before first, another chain");
}
END_TEST

START_TEST(strings_are_escaped_and_always_utf8)
{
    struct tp_buf_pool pool;
    struct tp_chain chain = { 0 };
    struct tp_writer writer = { .pool = &pool, .to = &chain };

    tp__test_pool_init(&pool);
    tp_writer_put_json_string(&writer, TP_STR("a\"b\\\n<\xff\xc3\xa9"));
    tp_writer_put_json_string(&writer, TP_STR(""));
    tp_writer_put_utf8(&writer, TP_STR(" \xff\xc3\xa9\"\xe2\x82"));
    ck_assert_int_eq(TP_OK, tp_writer_end(&writer));
    assert_written(&chain, &pool,
                   "\"a\\\"b\\\\\\n\\u003c\\ufffd\xc3\xa9\"\"\" \xef\xbf\xbd\xc3\xa9\""
                   "\xef\xbf\xbd\xef\xbf\xbd");
}
END_TEST

/* A long string is escaped in pieces, none of which cuts a character. */
START_TEST(long_strings_keep_their_characters)
{
    struct tp_buf_pool pool;
    struct tp_chain chain = { 0 };
    struct tp_writer writer = { .pool = &pool, .to = &chain };
    char text[4 * ROUNDS + 1] = "x";
    char expected[4 * ROUNDS + 3];

    for (size_t at = 1; at + 4 < sizeof(text); at += 4) {
        memcpy(text + at, "\xf0\x9f\x98\x80", 5);
    }
    snprintf(expected, sizeof(expected), "\"%s\"", text);
    tp__test_pool_init(&pool);
    tp_writer_put_json_string(&writer, (struct tp_str){ text, strlen(text) });
    ck_assert_int_eq(TP_OK, tp_writer_end(&writer));
    assert_written(&chain, &pool, expected);
}
END_TEST

START_TEST(failures_are_remembered)
{
    struct tp_buf_pool pool;
    struct tp_chain chain = { 0 };
    struct tp_writer writer = { .pool = &pool, .to = &chain };

    tp__buf_pool_init(&pool, (struct tp_size){ TP_BUF_STANDARD + sizeof(struct tp_buf) }, 0);
    for (int i = 0; i < ROUNDS; i++) {
        tp_writer_put(&writer, TP_STR("more than one buffer"));
        tp_writer_put_json_string(&writer, TP_STR("has"));
    }
    ck_assert_int_eq(TP_NO_MEMORY, tp_writer_end(&writer));
    tp_writer_put(&writer, TP_STR("x"));
    ck_assert_int_eq(TP_NO_MEMORY, tp_writer_end(&writer));
    tp_chain_clear(&chain);
    ck_assert_uint_eq(0, pool.bytes_in_use);

    writer = (struct tp_writer){ .pool = &pool, .to = &chain };
    tp_writer_printf(&writer, "%*s", TP_WRITER_PRINTF_MAX, "");
    ck_assert_int_eq(TP_TOO_LARGE, tp_writer_end(&writer));
    tp__buf_pool_fini(&pool);
}
END_TEST

Suite *
tp_suite_packet_writer(void)
{
    Suite *suite = suite_create("packet/writer");
    TCase *tests = tcase_create("writer");

    tcase_add_test(tests, writes_over_the_ends_of_buffers);
    tcase_add_test(tests, goes_on_behind_what_was_there);
    tcase_add_test(tests, strings_are_escaped_and_always_utf8);
    tcase_add_test(tests, long_strings_keep_their_characters);
    tcase_add_test(tests, failures_are_remembered);
    suite_add_tcase(suite, tests);
    return suite;
}
