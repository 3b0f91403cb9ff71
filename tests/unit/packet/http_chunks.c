/*
 * http_chunks.c - tests of packet/http_chunks: bodies in chunks, however they arrive.
 */
#include <teleport/http_chunks.h>

#include "bytes_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMIT = 400,
};

#define LETTERS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* `body` and where it ends; the input goes on with "HEAD" in front. */
static const struct {
    const char *bytes;
    const char *body;
    size_t left;
} bodies[] = {
    { "0\r\n\r\n", "", 0 },
    { "0\r\n\r\nGET", "", 3 },
    { "3\r\nabc\r\n0\r\n\r\n", "abc", 0 },
    { "1\r\na\r\n2\r\nbc\r\n00\r\n\r\n\r\n", "abc", 2 },
    { "0000000A;x=\"y\";z\r\n0123456789\r\n0;last\r\n\r\n", "0123456789", 0 },
    { "a\r\n\r\n\r\n0\r\n\r\nX\r\n0\r\nA: b\r\nC: d\r\n\r\n", "\r\n\r\n0\r\n\r\nX", 0 },
};

START_TEST(reads_bodies)
{
    size_t whole = strlen(bodies[_i].bytes);

    for (size_t step = 1; step <= whole; step++) {
        struct tp_buf_pool pool;
        struct tp_chain input = { 0 };
        struct tp_chain body = { 0 };
        struct tp_http_chunks chunks = { .at = 4 };
        struct tp_http_fault fault;
        enum tp_result result = TP_AGAIN;

        tp__test_pool_init(&pool);
        tp__test_chain_add(&input, &pool, "HEAD", 4, 3);
        for (size_t at = 0; at < whole && result == TP_AGAIN; at += step) {
            size_t more = step < whole - at ? step : whole - at;

            tp__test_chain_add(&input, &pool, bodies[_i].bytes + at, more, more);
            result = tp_http_chunks_read(&input, LIMIT, &chunks, &fault);
        }
        ck_assert_int_eq(TP_OK, result);
        ck_assert_uint_eq(4 + whole - bodies[_i].left, chunks.at);
        ck_assert_int_eq(TP_OK, tp_http_chunks_gather(&input, 4, &chunks, &pool, &body));
        tp__test_chain_assert(&body, bodies[_i].body, strlen(bodies[_i].body));
        tp_chain_clear(&body);
        tp_chain_clear(&input);
        tp__buf_pool_fini(&pool);
    }
}
END_TEST

static const struct {
    const char *bytes;
    enum tp_result result;
} refused[] = {
    { "\r\n", TP_INVALID },
    { "\n", TP_INVALID },
    { "x\r\n", TP_INVALID },
    { "0x3\r\nabc\r\n0\r\n\r\n", TP_INVALID },
    { "-3\r\n", TP_INVALID },
    { "+3\r\n", TP_INVALID },
    { " 3\r\n", TP_INVALID },
    { "3 \r\nabc\r\n", TP_INVALID },
    { "3 ;x\r\nabc\r\n", TP_INVALID },
    { "3;x\x01\r\nabc\r\n", TP_INVALID },
    { "3;x\ry\r\nabc\r\n", TP_INVALID },
    { "3\nabc\n0\n\n", TP_INVALID },
    { "3\r\nabc\n0\r\n\r\n", TP_INVALID },
    { "3\r\nabcd\r\n0\r\n\r\n", TP_INVALID },
    { "4\r\nabc\r\n0\r\n\r\n", TP_INVALID },
    { "3\r\nabc0\r\n\r\n", TP_INVALID },
    { "000000003\r\nabc\r\n", TP_INVALID },
    { "0\r\n\n", TP_INVALID },
    { "0\r\nA: b\n\r\n", TP_INVALID },
    { "0\r\nA b\r\n\r\n", TP_INVALID },
    { "0\r\n A: b\r\n\r\n", TP_INVALID },
    { "0;" LETTERS LETTERS LETTERS LETTERS "\r\n\r\n", TP_INVALID },
    { "ffffffff\r\n", TP_TOO_LARGE },
    { "18c\r\n", TP_TOO_LARGE },
    { "0\r\nA: " LETTERS LETTERS LETTERS LETTERS LETTERS "\r\n\r\n", TP_TOO_LARGE },
};

START_TEST(refuses_what_could_be_read_in_two_ways)
{
    size_t whole = strlen(refused[_i].bytes);

    for (size_t step = 1; step <= whole; step++) {
        struct tp_buf_pool pool;
        struct tp_chain input = { 0 };
        struct tp_http_chunks chunks = { .at = 0 };
        struct tp_http_fault fault = { 0, "" };
        enum tp_result result = TP_AGAIN;

        tp__test_pool_init(&pool);
        for (size_t at = 0; at < whole && result == TP_AGAIN; at += step) {
            size_t more = step < whole - at ? step : whole - at;

            tp__test_chain_add(&input, &pool, refused[_i].bytes + at, more, more);
            result = tp_http_chunks_read(&input, LIMIT, &chunks, &fault);
        }
        ck_assert_int_eq(refused[_i].result, result);
        ck_assert_int_eq(result == TP_TOO_LARGE ? 413 : 400, fault.code);
        tp_chain_clear(&input);
        tp__buf_pool_fini(&pool);
    }
}
END_TEST

/* A body that ends with the limit passes; one byte less, and it is too large. */
START_TEST(exactly_the_limit_passes)
{
    const char *bytes = "3\r\nabc\r\n0\r\n\r\n";
    size_t whole = strlen(bytes);

    for (size_t limit = 1; limit <= whole; limit++) {
        struct tp_buf_pool pool;
        struct tp_chain input = { 0 };
        struct tp_http_chunks chunks = { .at = 0 };
        struct tp_http_fault fault;

        tp__test_pool_init(&pool);
        tp__test_chain_add(&input, &pool, bytes, whole, whole);
        ck_assert_int_eq(limit < whole ? TP_TOO_LARGE : TP_OK,
                         tp_http_chunks_read(&input, limit, &chunks, &fault));
        tp_chain_clear(&input);
        tp__buf_pool_fini(&pool);
    }
}
END_TEST

START_TEST(too_much_behind_the_last_chunk_is_refused)
{
    struct tp_buf_pool pool;
    struct tp_chain input = { 0 };
    struct tp_http_chunks chunks = { .at = 0 };
    struct tp_http_fault fault;
    enum tp_result result = TP_AGAIN;

    tp__test_pool_init(&pool);
    tp__test_chain_add(&input, &pool, "0\r\nA: ", 6, 6);
    for (int i = 0; i < 100 && result == TP_AGAIN; i++) {
        tp__test_chain_add(&input, &pool, LETTERS, sizeof(LETTERS) - 1, 7);
        result = tp_http_chunks_read(&input, 1 << 20, &chunks, &fault);
    }
    ck_assert_int_eq(TP_TOO_LARGE, result);
    tp_chain_clear(&input);
    tp__buf_pool_fini(&pool);
}
END_TEST

/* Large chunks stay in the buffers that they were read into. */
START_TEST(large_chunks_are_shared)
{
    enum {
        DATA_LEN = 5000
    };
    struct tp_buf_pool pool;
    struct tp_chain input = { 0 };
    struct tp_chain body = { 0 };
    struct tp_http_chunks chunks = { .at = 0 };
    struct tp_http_fault fault;
    char *data = malloc(DATA_LEN);

    ck_assert_ptr_nonnull(data);
    memset(data, 'x', DATA_LEN);
    tp__test_pool_init(&pool);
    tp__test_chain_add(&input, &pool, "1388\r\n", 6, 6);
    tp__test_chain_add(&input, &pool, data, DATA_LEN, 4096);
    tp__test_chain_add(&input, &pool, "\r\n1\r\nx\r\n0\r\n\r\n", 13, 13);
    ck_assert_int_eq(TP_OK, tp_http_chunks_read(&input, 1 << 20, &chunks, &fault));
    ck_assert_int_eq(TP_OK, tp_http_chunks_gather(&input, 0, &chunks, &pool, &body));
    ck_assert_uint_eq(DATA_LEN + 1, body.len);
    ck_assert_ptr_eq(tp_chain_slices(&input, &(size_t){ 0 })[1].data, tp_chain_front(&body)->data);
    tp_chain_clear(&body);
    tp_chain_clear(&input);
    free(data);
    tp__buf_pool_fini(&pool);
}
END_TEST

Suite *
tp_suite_packet_http_chunks(void)
{
    Suite *suite = suite_create("packet/http_chunks");
    TCase *read = tcase_create("read");

    tcase_add_loop_test(read, reads_bodies, 0, (int) TP_COUNT_OF(bodies));
    tcase_add_loop_test(read, refuses_what_could_be_read_in_two_ways, 0,
                        (int) TP_COUNT_OF(refused));
    tcase_add_test(read, exactly_the_limit_passes);
    tcase_add_test(read, too_much_behind_the_last_chunk_is_refused);
    tcase_add_test(read, large_chunks_are_shared);
    suite_add_tcase(suite, read);
    return suite;
}
