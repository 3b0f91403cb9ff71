/*
 * arena.c - tests of base/arena.
 */
#include "base/arena.h"

#include "base/str.h"

#include "scratch.h"

#include <check.h>
#include <signal.h>
#include <string.h>

enum {
    CHUNK_BYTES = 256,
};

static void
assert_filled(const void *memory, size_t size, unsigned char value)
{
    const unsigned char *bytes = memory;
    size_t filled = 0;

    while (filled < size && bytes[filled] == value) {
        filled++;
    }
    ck_assert_uint_eq(size, filled);
}

static void
assert_zeroed_and_aligned(const void *memory, size_t size)
{
    ck_assert_uint_eq(0, (uintptr_t) memory % _Alignof(max_align_t));
    assert_filled(memory, size, 0);
}

START_TEST(takes_nothing_before_it_is_asked)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);
    ck_assert_ptr_null(arena.chunks);
    ck_assert_uint_eq(0, arena.total_bytes);
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(gives_zeroed_aligned_memory_of_every_size)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);
    for (size_t size = 1; size < 2 * CHUNK_BYTES; size++) {
        void *memory = tp__arena_alloc(&arena, size);

        assert_zeroed_and_aligned(memory, size);
        memset(memory, 0xff, size);
    }
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(allocations_do_not_overlap)
{
    struct tp_arena arena;
    unsigned char *blocks[100];

    tp__arena_init(&arena, CHUNK_BYTES);
    for (size_t i = 0; i < TP_COUNT_OF(blocks); i++) {
        blocks[i] = tp__arena_alloc(&arena, i + 1);
        memset(blocks[i], (int) i, i + 1);
    }
    for (size_t i = 0; i < TP_COUNT_OF(blocks); i++) {
        assert_filled(blocks[i], i + 1, (unsigned char) i);
    }
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(fills_a_chunk_before_it_takes_another)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);
    ck_assert_ptr_nonnull(tp__arena_alloc(&arena, CHUNK_BYTES / 2));

    size_t one_chunk = arena.total_bytes;

    ck_assert_ptr_nonnull(tp__arena_alloc(&arena, CHUNK_BYTES / 2));
    ck_assert_uint_eq(one_chunk, arena.total_bytes);
    ck_assert_ptr_nonnull(tp__arena_alloc(&arena, 1));
    ck_assert_uint_eq(2 * one_chunk, arena.total_bytes);
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(an_oversized_request_leaves_the_current_chunk_in_use)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);

    char *before = tp__arena_alloc(&arena, 16);

    ck_assert_ptr_nonnull(tp__arena_alloc(&arena, 10 * CHUNK_BYTES));

    char *after = tp__arena_alloc(&arena, 16);

    ck_assert_ptr_eq(before + 16, after);
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(the_first_request_may_be_oversized)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);
    assert_zeroed_and_aligned(tp__arena_alloc(&arena, 10 * CHUNK_BYTES), 10 * CHUNK_BYTES);
    assert_zeroed_and_aligned(tp__arena_alloc(&arena, 1), 1);
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(may_be_used_again_after_fini)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);
    ck_assert_ptr_nonnull(tp__arena_alloc(&arena, 100));
    tp__arena_fini(&arena);
    ck_assert_uint_eq(0, arena.total_bytes);
    ck_assert_uint_eq(CHUNK_BYTES, arena.chunk_bytes);
    assert_zeroed_and_aligned(tp__arena_alloc(&arena, 100), 100);
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(new_has_the_size_of_its_type)
{
    struct pair {
        int64_t first;
        int64_t second;
    };
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);

    struct pair *single = tp__arena_new(&arena, struct pair);
    struct pair *many = tp__arena_new_array(&arena, struct pair, 5);

    assert_zeroed_and_aligned(single, sizeof(*single));
    assert_zeroed_and_aligned(many, 5 * sizeof(*many));
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(copies_a_slice_and_terminates_it)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);

    struct tp_str copy = tp__arena_copy(&arena, (struct tp_str){ "teleporting", 8 });

    ck_assert_str_eq("teleport", copy.data);
    ck_assert_uint_eq(8, copy.len);
    copy = tp__arena_copy(&arena, (struct tp_str){ NULL, 0 });
    ck_assert_str_eq("", copy.data);
    ck_assert_uint_eq(0, copy.len);
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(formats_a_text_of_any_length)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);

    struct tp_str text = tp__arena_format(&arena, "%s:%d", "peer", 9090);

    ck_assert_str_eq("peer:9090", text.data);
    ck_assert_uint_eq(9, text.len);
    text = tp__arena_format(&arena, "%*d", 10 * CHUNK_BYTES, 7);
    ck_assert_uint_eq(10 * CHUNK_BYTES, text.len);
    ck_assert_uint_eq(text.len, strlen(text.data));
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(refuses_a_size_that_nobody_has)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);
    ck_assert_ptr_null(tp__arena_try_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(tp__arena_try_alloc(&arena, SIZE_MAX / 2 + 1));
    tp__arena_fini(&arena);
}
END_TEST

#ifndef TP_TEST_HAS_SANITIZER
START_TEST(tells_that_memory_is_out)
{
    struct tp_arena arena;

    tp__arena_init(&arena, CHUNK_BYTES);
    ck_assert_ptr_null(tp__arena_try_alloc(&arena, SIZE_MAX / 4));
    ck_assert_ptr_null(arena.chunks);
    ck_assert_uint_eq(0, arena.total_bytes);
    tp__arena_fini(&arena);
}
END_TEST
#endif

START_TEST(ends_the_process_when_our_own_size_cannot_be_had)
{
    struct tp_arena arena;

    tp__scratch_be_quiet();
    tp__arena_init(&arena, CHUNK_BYTES);
    tp__arena_alloc(&arena, SIZE_MAX);
}
END_TEST

Suite *
tp_suite_base_arena(void)
{
    Suite *suite = suite_create("base/arena");
    TCase *arena = tcase_create("arena");

    tcase_add_test(arena, takes_nothing_before_it_is_asked);
    tcase_add_test(arena, gives_zeroed_aligned_memory_of_every_size);
    tcase_add_test(arena, allocations_do_not_overlap);
    tcase_add_test(arena, fills_a_chunk_before_it_takes_another);
    tcase_add_test(arena, an_oversized_request_leaves_the_current_chunk_in_use);
    tcase_add_test(arena, the_first_request_may_be_oversized);
    tcase_add_test(arena, may_be_used_again_after_fini);
    tcase_add_test(arena, new_has_the_size_of_its_type);
    tcase_add_test(arena, copies_a_slice_and_terminates_it);
    tcase_add_test(arena, formats_a_text_of_any_length);
    tcase_add_test(arena, refuses_a_size_that_nobody_has);
#ifndef TP_TEST_HAS_SANITIZER
    tcase_add_test(arena, tells_that_memory_is_out);
#endif
    tcase_add_test_raise_signal(arena, ends_the_process_when_our_own_size_cannot_be_had, SIGABRT);
    suite_add_tcase(suite, arena);
    return suite;
}
