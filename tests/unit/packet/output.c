/*
 * output.c - tests of packet/output: what is gathered, sent and kept.
 */
#include "packet/output.h"

#include "bytes_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGE = TP_OUTPUT_COPY_MAX + 1,
};

struct bench {
    struct tp_buf_pool pool;
    struct tp_output output;
    uint8_t wanted[1 << 20]; /* all that was written, in order */
    size_t len;
};

static struct bench *
bench_create(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    ck_assert_ptr_nonnull(bench);
    tp__test_pool_init(&bench->pool);
    tp__output_init(&bench->output, &bench->pool);
    return bench;
}

static void
bench_destroy(struct bench *bench)
{
    tp__output_fini(&bench->output);
    ck_assert_uint_eq(0, bench->pool.bytes_in_use);
    tp__buf_pool_fini(&bench->pool);
    free(bench);
}

/* Writes `head` bytes and a body of `body` bytes in slices of `step`. */
static void
bench_write(struct bench *bench, size_t head, size_t body, size_t step)
{
    struct tp_chain chain = { 0 };
    uint8_t *room = tp_output_reserve(&bench->output, head);

    ck_assert_ptr_nonnull(room);
    for (size_t i = 0; i < head + body; i++) {
        bench->wanted[bench->len + i] = (uint8_t) (bench->len + i * 7);
    }
    memcpy(room, bench->wanted + bench->len, head);
    tp__test_chain_add(&chain, &bench->pool, bench->wanted + bench->len + head, body, step);
    ck_assert_int_eq(TP_OK, tp_output_commit(&bench->output, head, &chain));
    bench->len += head + body;
    ck_assert_uint_eq(body, chain.len);
    tp_chain_clear(&chain);
}

static size_t
bench_count_pieces(const struct bench *bench)
{
    size_t count;

    tp__output_pieces(&bench->output, &count);
    return count;
}

static void
bench_assert_rest(struct bench *bench, size_t written)
{
    struct tp_chain rest = { 0 };

    ck_assert_uint_eq(bench->len, tp__output_len(&bench->output));
    ck_assert_int_eq(TP_OK, tp__output_rest(&bench->output, written, &rest));
    tp__test_chain_assert(&rest, bench->wanted + written, bench->len - written);
    ck_assert_uint_eq(0, tp__output_len(&bench->output));
    /* What is written next must not change what is kept. */
    struct tp_chain none = { 0 };
    uint8_t *room = tp_output_reserve(&bench->output, 1000);

    ck_assert_ptr_nonnull(room);
    memset(room, 0xee, 1000);
    ck_assert_int_eq(TP_OK, tp_output_commit(&bench->output, 1000, &none));
    tp__test_chain_assert(&rest, bench->wanted + written, bench->len - written);
    tp__output_reset(&bench->output);
    tp_chain_clear(&rest);
    bench->len = 0;
}

START_TEST(small_packets_leave_in_one_piece)
{
    struct bench *bench = bench_create();

    for (int i = 0; i < 20; i++) {
        bench_write(bench, 30, (size_t) i * 100, 77);
    }
    ck_assert_uint_eq(1, bench_count_pieces(bench));
    bench_assert_rest(bench, 0);
    bench_destroy(bench);
}
END_TEST

START_TEST(large_bodies_are_shared)
{
    struct bench *bench = bench_create();

    bench_write(bench, 30, 10, LARGE);
    bench_write(bench, 30, LARGE, LARGE);
    bench_write(bench, 30, TP_OUTPUT_COPY_MAX, LARGE);
    bench_write(bench, 0, LARGE, 1000);
    ck_assert_uint_eq(6, bench_count_pieces(bench));
    bench_assert_rest(bench, bench->len);
    ck_assert_uint_eq(0, bench->pool.bytes_copied);
    bench_destroy(bench);
}
END_TEST

START_TEST(what_was_not_written_is_kept_from_any_byte_on)
{
    struct bench *bench = bench_create();

    for (size_t written = 0; written <= 30 + 5 + 30 + LARGE + 30 + 8; written += 13) {
        bench_write(bench, 30, 5, 5);
        bench_write(bench, 30, LARGE, 900);
        bench_write(bench, 30, 8, 3);
        bench_assert_rest(bench, written);
    }
    bench_destroy(bench);
}
END_TEST

START_TEST(the_rest_is_added_to_what_is_kept_already)
{
    struct bench *bench = bench_create();
    struct tp_chain rest = { 0 };

    for (int i = 0; i < 3; i++) {
        bench_write(bench, 30, 1000, 100);
        ck_assert_int_eq(TP_OK, tp__output_rest(&bench->output, 0, &rest));
    }
    tp__test_chain_assert(&rest, bench->wanted, 3 * 1030);
    tp_chain_clear(&rest);
    bench_destroy(bench);
}
END_TEST

START_TEST(it_says_when_it_is_full_and_takes_more_all_the_same)
{
    struct bench *bench = bench_create();
    size_t len_when_full = 0;

    ck_assert(!tp__output_is_full(&bench->output));
    for (int i = 0; i < 200; i++) {
        bench_write(bench, 100, 900, 900);
        if (len_when_full == 0 && tp__output_is_full(&bench->output)) {
            len_when_full = bench->len;
        }
    }
    ck_assert_uint_gt(len_when_full, 32 * 1024);
    ck_assert_uint_le(len_when_full, TP_OUTPUT_BUFFER);
    bench_assert_rest(bench, 12345);
    ck_assert(!tp__output_is_full(&bench->output));
    bench_destroy(bench);
}
END_TEST

START_TEST(many_pieces_or_many_bytes_make_it_full)
{
    struct bench *bench = bench_create();
    int pieces = 0;

    while (!tp__output_is_full(&bench->output)) {
        bench_write(bench, 10, 64 * 1024, 64 * 1024);
    }
    ck_assert_uint_le(bench->len, TP_OUTPUT_FULL_BYTES + 64 * 1024);
    bench_assert_rest(bench, 70000);
    while (!tp__output_is_full(&bench->output)) {
        bench_write(bench, 10, LARGE, LARGE);
        pieces += 2;
    }
    ck_assert_int_eq(TP_OUTPUT_FULL_PIECES, pieces);
    bench_assert_rest(bench, 3);
    bench_destroy(bench);
}
END_TEST

START_TEST(a_head_larger_than_its_buffer_gets_one_of_its_own)
{
    struct bench *bench = bench_create();

    /* As the very first, and when the buffer is there already. */
    for (int i = 0; i < 2; i++) {
        bench_write(bench, 100000, 10, 10);
        bench_write(bench, 10, 10, 10);
        bench_write(bench, 100000, 10, 10);
        bench_assert_rest(bench, 99999);
    }
    ck_assert_ptr_null(tp_output_reserve(&bench->output, SIZE_MAX));
    ck_assert_ptr_null(tp_output_reserve(&bench->output, UINT32_MAX));
    bench_destroy(bench);
}
END_TEST

START_TEST(eternal_bytes_are_never_copied)
{
    static const uint8_t eternal[LARGE];
    struct bench *bench = bench_create();
    struct tp_chain chain = { .len = 0 };
    struct tp_chain rest = { .len = 0 };
    size_t count;

    ck_assert_int_eq(TP_OK, tp_chain_append(&chain, (struct tp_slice){ NULL, eternal, LARGE }));
    ck_assert_int_eq(TP_OK, tp_output_commit(&bench->output, 0, &chain));
    ck_assert_int_eq(TP_OK, tp__output_rest(&bench->output, 1, &rest));
    ck_assert_ptr_eq(eternal + 1, tp_chain_slices(&rest, &count)->data);
    ck_assert_uint_eq(0, bench->pool.bytes_copied);
    tp_chain_clear(&rest);
    tp_chain_clear(&chain);
    bench_destroy(bench);
}
END_TEST

START_TEST(a_chain_alone_may_be_written)
{
    struct bench *bench = bench_create();
    struct tp_chain chain = { 0 };

    ck_assert_int_eq(TP_OK, tp_output_commit(&bench->output, 0, NULL));
    ck_assert_uint_eq(0, tp__output_len(&bench->output));
    tp__test_chain_add(&chain, &bench->pool, "abc", 3, 1);
    ck_assert_int_eq(TP_OK, tp_output_commit(&bench->output, 0, &chain));
    memcpy(bench->wanted, "abc", 3);
    bench->len = 3;
    ck_assert_uint_eq(1, bench_count_pieces(bench));
    bench_assert_rest(bench, 0);
    tp_chain_clear(&chain);
    bench_destroy(bench);
}
END_TEST

START_TEST(where_memory_runs_out_nothing_is_added)
{
    struct bench *bench = bench_create();
    struct tp_chain none = { 0 };
    struct tp_chain rest = { 0 };

    bench->pool.bytes_limit = 1000;
    ck_assert_ptr_null(tp_output_reserve(&bench->output, 1));
    ck_assert_int_eq(TP_NO_MEMORY, tp_output_commit(&bench->output, 0, &none));
    bench->pool.bytes_limit = 1 << 20;
    bench_write(bench, 1000, 0, 1);
    bench->pool.bytes_limit = bench->pool.bytes_in_use;
    ck_assert_ptr_null(tp_output_reserve(&bench->output, 65000));
    ck_assert_uint_eq(1000, tp__output_len(&bench->output));
    /* The rest cannot be kept: the output is ready for the next session all the same. */
    ck_assert_int_eq(TP_NO_MEMORY, tp__output_rest(&bench->output, 10, &rest));
    ck_assert_uint_eq(0, rest.len);
    ck_assert_uint_eq(0, tp__output_len(&bench->output));
    bench_destroy(bench);
}
END_TEST

START_TEST(where_malloc_fails_nothing_is_added)
{
    struct bench *bench = bench_create();
    struct tp_chain chain = { 0 };
    struct tp_test_hunger hunger;

    bench_write(bench, 10, 10, 10);
    tp__test_chain_add(&chain, &bench->pool, bench->wanted, LARGE, 500);
    if (tp__test_starve(&hunger)) {
        bool has_room = tp_output_reserve(&bench->output, 10) != NULL;
        enum tp_result result = tp_output_commit(&bench->output, 10, &chain);

        tp__test_feed(&hunger);
        ck_assert(has_room);
        ck_assert_int_eq(TP_NO_MEMORY, result);
    }
    bench_assert_rest(bench, 0);
    tp_chain_clear(&chain);
    bench_destroy(bench);
}
END_TEST

Suite *
tp_suite_packet_output(void)
{
    Suite *suite = suite_create("packet/output");
    TCase *output = tcase_create("output");

    tcase_add_test(output, small_packets_leave_in_one_piece);
    tcase_add_test(output, large_bodies_are_shared);
    tcase_add_test(output, what_was_not_written_is_kept_from_any_byte_on);
    tcase_add_test(output, the_rest_is_added_to_what_is_kept_already);
    tcase_add_test(output, it_says_when_it_is_full_and_takes_more_all_the_same);
    tcase_add_test(output, many_pieces_or_many_bytes_make_it_full);
    tcase_add_test(output, a_head_larger_than_its_buffer_gets_one_of_its_own);
    tcase_add_test(output, eternal_bytes_are_never_copied);
    tcase_add_test(output, a_chain_alone_may_be_written);
    tcase_add_test(output, where_memory_runs_out_nothing_is_added);
    tcase_add_test(output, where_malloc_fails_nothing_is_added);
    suite_add_tcase(suite, output);
    return suite;
}
