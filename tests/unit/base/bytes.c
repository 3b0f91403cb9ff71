/*
 * bytes.c - tests of counted buffers, their pool, and chains.
 */
#include "base/buf_pool.h"

#include "bytes_fixture.h"
#include "scratch.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

enum {
    LETTERS = 26,
};

static struct tp_buf *
make(struct tp_buf_pool *pool, size_t capacity)
{
    struct tp_buf *buf = tp_buf_make(pool, capacity);

    ck_assert_ptr_nonnull(buf);
    ck_assert_uint_ge(buf->capacity, capacity);
    memset(buf->bytes, 0x55, buf->capacity);
    return buf;
}

static void
fini(struct tp_buf_pool *pool)
{
    ck_assert_uint_eq(0, pool->bytes_in_use);
    tp__buf_pool_fini(pool);
}

START_TEST(gives_buffers_of_every_size)
{
    static const size_t sizes[] = { 0, 1, 15, 2048, 8192, 16000, TP_BUF_STANDARD, 16384, 100000 };
    struct tp_buf_pool pool;

    tp__test_pool_init(&pool);
    for (size_t i = 0; i < TP_COUNT_OF(sizes); i++) {
        struct tp_buf *buf = make(&pool, sizes[i]);

        ck_assert_uint_eq(sizeof(*buf) + buf->capacity, pool.bytes_in_use);
        tp_buf_release(buf);
    }
    fini(&pool);
}
END_TEST

START_TEST(a_buffer_lives_as_long_as_somebody_holds_it)
{
    struct tp_buf_pool pool;

    tp__test_pool_init(&pool);
    struct tp_buf *buf = make(&pool, 10);

    tp_buf_acquire(buf);
    tp_buf_release(buf);
    ck_assert_uint_eq(1, buf->holders);
    ck_assert_uint_eq(0x55, buf->bytes[9]);
    tp_buf_release(buf);
    tp_buf_acquire(NULL);
    tp_buf_release(NULL);
    fini(&pool);
}
END_TEST

START_TEST(keeps_so_many_standard_buffers_and_gives_them_again)
{
    struct tp_buf_pool pool;
    struct tp_buf *bufs[3];

    tp__buf_pool_init(&pool, (struct tp_size){ 1 << 20 }, 2);
    for (size_t i = 0; i < TP_COUNT_OF(bufs); i++) {
        bufs[i] = make(&pool, TP_BUF_STANDARD);
    }
    for (size_t i = 0; i < TP_COUNT_OF(bufs); i++) {
        tp_buf_release(bufs[i]);
    }
    ck_assert_uint_eq(2, pool.kept_count);
    struct tp_buf *again = make(&pool, TP_BUF_STANDARD - 1);
    struct tp_buf *third = make(&pool, TP_BUF_STANDARD);

    ck_assert_ptr_eq(bufs[1], again);
    ck_assert_ptr_eq(bufs[0], third);
    ck_assert_uint_eq(0, pool.kept_count);
    tp_buf_release(again);
    tp_buf_release(third);
    fini(&pool);
}
END_TEST

START_TEST(gives_no_more_than_its_limit)
{
    struct tp_buf_pool pool;

    tp__buf_pool_init(&pool, (struct tp_size){ 2 * (TP_BUF_STANDARD + 16) }, 2);
    struct tp_buf *first = make(&pool, TP_BUF_STANDARD);
    struct tp_buf *second = make(&pool, TP_BUF_STANDARD);

    ck_assert_ptr_null(tp_buf_make(&pool, 0));
    tp_buf_release(first);
    ck_assert_ptr_null(tp_buf_make(&pool, TP_BUF_STANDARD + 1));
    first = make(&pool, TP_BUF_STANDARD);
    tp_buf_release(first);
    tp_buf_release(second);
    ck_assert_ptr_null(tp_buf_make(&pool, 2 * TP_BUF_STANDARD + 17));
    ck_assert_ptr_null(tp_buf_make(&pool, SIZE_MAX));
    ck_assert_ptr_null(tp_buf_make(&pool, (size_t) UINT32_MAX + 1));
    fini(&pool);
}
END_TEST

START_TEST(a_pool_does_not_end_before_its_buffers)
{
    struct tp_buf_pool pool;

    tp__scratch_be_quiet();
    tp__test_pool_init(&pool);
    make(&pool, 10);
    tp__buf_pool_fini(&pool);
}
END_TEST

START_TEST(an_empty_chain_needs_no_memory)
{
    struct tp_chain chain = { 0 };
    size_t count;

    tp_chain_slices(&chain, &count);
    ck_assert_uint_eq(0, count);
    ck_assert_int_eq(TP_OK, tp_chain_append(&chain, (struct tp_slice){ NULL, NULL, 0 }));
    ck_assert_uint_eq(0, chain.count);
    tp_chain_skip(&chain, 0);
    tp_chain_clear(&chain);
}
END_TEST

START_TEST(what_goes_on_in_the_same_buffer_stays_one_slice)
{
    struct tp_buf_pool pool;
    struct tp_chain chain = { 0 };

    tp__test_pool_init(&pool);
    struct tp_buf *buf = make(&pool, 100);

    for (size_t i = 0; i < 100; i++) {
        tp_buf_acquire(buf);
        ck_assert_int_eq(TP_OK,
                         tp_chain_append(&chain, (struct tp_slice){ buf, buf->bytes + i, 1 }));
    }
    ck_assert_uint_eq(1, chain.count);
    ck_assert_uint_eq(100, chain.len);
    ck_assert_uint_eq(0, chain.capacity);
    ck_assert_uint_eq(2, buf->holders);
    /* A gap, and bytes that live for ever, begin anew. */
    tp_buf_acquire(buf);
    ck_assert_int_eq(TP_OK, tp_chain_append(&chain, (struct tp_slice){ buf, buf->bytes, 1 }));
    for (size_t i = 0; i < 2; i++) {
        struct tp_slice eternal = { NULL, (const uint8_t *) letters + i, 1 };

        ck_assert_int_eq(TP_OK, tp_chain_append(&chain, eternal));
    }
    ck_assert_uint_eq(4, chain.count);
    tp_chain_clear(&chain);
    tp_buf_release(buf);
    fini(&pool);
}
END_TEST

START_TEST(skips_and_moves_any_part)
{
    struct tp_buf_pool pool;

    tp__test_pool_init(&pool);
    for (size_t step = 1; step <= LETTERS; step++) {
        for (size_t len = 0; len <= LETTERS + 1; len++) {
            size_t taken = len < LETTERS ? len : LETTERS;
            struct tp_chain from = { 0 };
            struct tp_chain to = { 0 };

            tp__test_chain_add(&from, &pool, letters, LETTERS, step);
            ck_assert_int_eq(TP_OK, tp_chain_move(&to, &from, len));
            tp__test_chain_assert(&to, letters, taken);
            tp__test_chain_assert(&from, letters + taken, LETTERS - taken);
            ck_assert_int_eq(TP_OK, tp_chain_move(&to, &from, from.len));
            tp__test_chain_assert(&to, letters, LETTERS);
            tp_chain_skip(&to, taken);
            tp__test_chain_assert(&to, letters + taken, LETTERS - taken);
            tp_chain_clear(&to);
            tp_chain_clear(&from);
            ck_assert_uint_eq(0, pool.bytes_in_use);
        }
    }
    fini(&pool);
}
END_TEST

START_TEST(shares_copies_and_peeks_at_any_part)
{
    struct tp_buf_pool pool;
    struct tp_chain from = { 0 };
    uint8_t scratch[LETTERS];

    tp__test_pool_init(&pool);
    tp__test_chain_add(&from, &pool, letters, LETTERS, 7);
    for (size_t offset = 0; offset <= LETTERS; offset++) {
        for (size_t len = 0; len <= LETTERS - offset; len++) {
            struct tp_chain to = { 0 };
            const uint8_t *view = tp_chain_peek(&from, offset, len, scratch);
            bool is_one_piece = len > 0 && offset / 7 == (offset + len - 1) / 7;
            size_t place = offset;

            ck_assert_mem_eq(letters + offset, view, len);
            ck_assert(len == 0 || is_one_piece == (view != scratch));
            ck_assert(is_one_piece == (tp_chain_find(&from, &place, len) != NULL));
            ck_assert_uint_eq(is_one_piece ? offset % 7 : offset, place);
            ck_assert_int_eq(TP_OK, tp_chain_share_part(&to, &from, offset, len));
            tp__test_chain_assert(&to, letters + offset, len);
            tp_chain_clear(&to);
        }
    }
    tp__test_chain_assert(&from, letters, LETTERS);
    tp_chain_clear(&from);
    fini(&pool);
}
END_TEST

START_TEST(a_shared_part_joins_what_it_goes_on)
{
    struct tp_buf_pool pool;
    struct tp_chain from = { 0 };
    struct tp_chain to = { 0 };

    tp__test_pool_init(&pool);
    tp__test_chain_add(&from, &pool, letters, LETTERS, LETTERS);
    for (size_t i = 0; i < LETTERS; i++) {
        ck_assert_int_eq(TP_OK, tp_chain_share_part(&to, &from, i, 1));
    }
    ck_assert_uint_eq(1, to.count);
    tp__test_chain_assert(&to, letters, LETTERS);
    tp_chain_clear(&to);
    tp_chain_clear(&from);
    fini(&pool);
}
END_TEST

START_TEST(flattens_with_one_copy_at_most)
{
    struct tp_buf_pool pool;
    struct tp_chain chain = { 0 };
    struct tp_slice flat;

    tp__test_pool_init(&pool);
    ck_assert_int_eq(TP_OK, tp_chain_flatten(&chain, &pool, &flat));
    ck_assert_uint_eq(0, flat.len);
    tp__test_chain_add(&chain, &pool, letters, LETTERS, 5);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(TP_OK, tp_chain_flatten(&chain, &pool, &flat));
        ck_assert_uint_eq(LETTERS, flat.len);
        ck_assert_mem_eq(letters, flat.data, LETTERS);
        ck_assert_uint_eq(LETTERS, pool.bytes_copied);
    }
    tp_chain_clear(&chain);

    tp__test_chain_add(&chain, &pool, letters, LETTERS, 5);
    pool.bytes_limit = pool.bytes_in_use;
    ck_assert_int_eq(TP_NO_MEMORY, tp_chain_flatten(&chain, &pool, &flat));
    tp__test_chain_assert(&chain, letters, LETTERS);
    tp_chain_clear(&chain);
    fini(&pool);
}
END_TEST

START_TEST(a_queue_that_never_empties_keeps_its_size)
{
    struct tp_buf_pool pool;
    struct tp_chain chain = { 0 };

    tp__test_pool_init(&pool);
    for (size_t i = 0; i < 10000; i++) {
        tp__test_chain_add(&chain, &pool, letters + i % LETTERS, 1, 1);
        if (i >= 10) {
            tp_chain_skip(&chain, 1);
        }
    }
    ck_assert_uint_eq(10, chain.len);
    ck_assert_uint_le(chain.capacity, 32);
    tp_chain_clear(&chain);
    ck_assert_uint_eq(0, chain.capacity);
    fini(&pool);
}
END_TEST

/* All against an array of bytes, which is moved about in the plainest way. */
START_TEST(any_order_of_operations_keeps_the_bytes)
{
    enum {
        ROUNDS = 20000,
        BYTES = 512
    };
    struct tp_buf_pool pool;
    struct tp_chain chain = { 0 };
    struct tp_chain other = { 0 };
    struct tp_slice flat;
    uint8_t model[2 * BYTES];
    size_t len = 0;
    unsigned seed = 25;

    tp__test_pool_init(&pool);
    for (int round = 0; round < ROUNDS; round++) {
        size_t amount = (size_t) rand_r(&seed) % LETTERS;
        size_t part = amount < len ? amount : len;

        switch (rand_r(&seed) % 5) {
        case 0:
        case 1:
            if (len + amount <= BYTES) {
                tp__test_chain_add(&chain, &pool, letters, amount, 1 + (size_t) rand_r(&seed) % 9);
                memcpy(model + len, letters, amount);
                len += amount;
            }
            break;
        case 2:
            tp_chain_skip(&chain, part);
            memmove(model, model + part, len - part);
            len -= part;
            break;
        case 3:
            /* What is in front goes to the end. */
            ck_assert_int_eq(TP_OK, tp_chain_move(&other, &chain, part));
            ck_assert_int_eq(TP_OK, tp_chain_move(&chain, &other, part));
            memcpy(model + len, model, part);
            memmove(model, model + part, len);
            break;
        default:
            if (round % 7 == 0) {
                ck_assert_int_eq(TP_OK, tp_chain_flatten(&chain, &pool, &flat));
            }
        }
        tp__test_chain_assert(&chain, model, len);
    }
    tp_chain_clear(&chain);
    fini(&pool);
}
END_TEST

START_TEST(nothing_changes_where_memory_runs_out)
{
    struct tp_buf_pool pool;
    struct tp_chain from = { 0 };
    struct tp_chain to = { 0 };
    struct tp_test_hunger hunger;

    tp__test_pool_init(&pool);
    tp__test_chain_add(&from, &pool, letters, LETTERS, 3);
    tp__test_chain_add(&to, &pool, letters, 2, 2);
    struct tp_buf *buf = make(&pool, 8);

    if (tp__test_starve(&hunger)) {
        struct tp_buf *none = tp_buf_make(&pool, 8);
        enum tp_result shared = tp_chain_share(&to, &from);
        enum tp_result moved = tp_chain_move(&to, &from, 10);

        tp_buf_acquire(buf);
        enum tp_result appended = tp_chain_append(&to, (struct tp_slice){ buf, buf->bytes, 8 });

        tp__test_feed(&hunger);
        ck_assert_ptr_null(none);
        ck_assert_int_eq(TP_NO_MEMORY, shared);
        ck_assert_int_eq(TP_NO_MEMORY, moved);
        ck_assert_int_eq(TP_NO_MEMORY, appended);
        ck_assert_uint_eq(1, buf->holders);
    }
    tp__test_chain_assert(&from, letters, LETTERS);
    tp__test_chain_assert(&to, letters, 2);
    tp_buf_release(buf);
    tp_chain_clear(&from);
    tp_chain_clear(&to);
    fini(&pool);
}
END_TEST

Suite *
tp_suite_base_bytes(void)
{
    Suite *suite = suite_create("base/bytes");
    TCase *bufs = tcase_create("buffers");
    TCase *chains = tcase_create("chains");

    tcase_add_test(bufs, gives_buffers_of_every_size);
    tcase_add_test(bufs, a_buffer_lives_as_long_as_somebody_holds_it);
    tcase_add_test(bufs, keeps_so_many_standard_buffers_and_gives_them_again);
    tcase_add_test(bufs, gives_no_more_than_its_limit);
    tcase_add_test_raise_signal(bufs, a_pool_does_not_end_before_its_buffers, SIGABRT);
    suite_add_tcase(suite, bufs);

    tcase_add_test(chains, an_empty_chain_needs_no_memory);
    tcase_add_test(chains, what_goes_on_in_the_same_buffer_stays_one_slice);
    tcase_add_test(chains, skips_and_moves_any_part);
    tcase_add_test(chains, shares_copies_and_peeks_at_any_part);
    tcase_add_test(chains, a_shared_part_joins_what_it_goes_on);
    tcase_add_test(chains, flattens_with_one_copy_at_most);
    tcase_add_test(chains, a_queue_that_never_empties_keeps_its_size);
    tcase_add_test(chains, any_order_of_operations_keeps_the_bytes);
    tcase_add_test(chains, nothing_changes_where_memory_runs_out);
    suite_add_tcase(suite, chains);
    return suite;
}
