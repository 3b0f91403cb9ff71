/*
 * gzip.c - tests of the filter gzip: streams as they are met, broken ones, bombs.
 */
#include <teleport/module.h>

#include "base/buf_pool.h"

#include <check.h>
#include <stdlib.h>

enum {
    STREAM_BYTES_MAX = 256,
    POOL_BYTES = 64 * 1024 * 1024,
    BODY_BYTES_MAX = 200 * 1000,
    TRAILER_BYTES = 8,
    HEADER_BYTES = 10,
};

#define GO_HEADER "1f8b08000000000000ff"
#define BODY      "{\"a\":1}"
#define DEFLATED  "ab564a54b232ac0500"
#define TRAILER   "afac1b5607000000"

extern const struct tp_module tp_module_gzip;

struct fixture {
    struct tp_buf_pool pool;
    void *state;
    const struct tp_filter *filter;
};

/* A stream in hexadecimal digits, spaces between them, and what it inflates to. */
struct stream {
    const char *what;
    const char *bytes;
    const char *plain;
};

static const struct stream good_streams[] = {
    { "Go's, ended by a flush", GO_HEADER "aa564a54b232ac05 000000ffff", BODY },
    { "complete", GO_HEADER DEFLATED TRAILER, BODY },
    { "complete, without trailer", GO_HEADER DEFLATED, BODY },
    { "complete, stored", GO_HEADER "010700f8ff7b2261223a317d" TRAILER, BODY },
    { "stored, ended by a flush", GO_HEADER "000700f8ff7b2261223a317d 000000ffff", BODY },
    { "empty, ended by a flush", GO_HEADER "000000ffff", "" },
    { "empty, flushed twice", GO_HEADER "000000ffff 000000ffff", "" },
    { "empty, complete", GO_HEADER "0300 0000000000000000", "" },
    { "empty, without trailer", GO_HEADER "0300", "" },
    { "with a time, a level and a system", "1f8b0800 01020304 0203" DEFLATED TRAILER, BODY },
    { "said to be text", "1f8b0801 00000000 00ff" DEFLATED TRAILER, BODY },
    { "with every optional field",
      "1f8b081e 00000000 00ff 0300616263 6e616d6500 00 f6b5" DEFLATED TRAILER, BODY },
    { "with a name", "1f8b0808 00000000 00ff 6e616d6500" DEFLATED TRAILER, BODY },
    { "nothing at all", "", "" },
};

static const struct stream broken_streams[] = {
    { "a header only", GO_HEADER, NULL },
    { "another magic number", "1f8c08000000000000ff" DEFLATED TRAILER, NULL },
    { "another method", "1f8b07000000000000ff" DEFLATED TRAILER, NULL },
    { "a reserved flag", "1f8b08200000000000ff" DEFLATED TRAILER, NULL },
    { "plain text", "7b2261223a317d7b2261223a317d", NULL },
    { "a zlib stream", "789cab564a54b232ac0500 0a5a01f0", NULL },
    { "an extra field that is too long", "1f8b0804 00000000 00ff ffff 616263", NULL },
    { "an extra field without its length", "1f8b0804 00000000 00ff ff", NULL },
    { "a name without an end", "1f8b0808 00000000 00ff 6e616d65", NULL },
    { "a comment without an end", "1f8b0810 00000000 00ff 6e616d65", NULL },
    { "a wrong sum of the header",
      "1f8b081e 00000000 00ff 0300616263 6e616d6500 00 f6b6" DEFLATED TRAILER, NULL },
    { "half a sum of the header", "1f8b0802 00000000 00ff f6", NULL },
    { "a block of no kind", GO_HEADER "07", NULL },
    { "a stored block whose lengths differ", GO_HEADER "010700f8fe7b2261223a317d", NULL },
    { "a distance before the start", GO_HEADER "030000 0000ffff" "4b044100", NULL },
    { "a flush in the wrong place", GO_HEADER "aa564a54b232ac0500 0000ffff 00", NULL },
    { "blocks that end without a flush", GO_HEADER "000700f8ff7b2261223a317d", NULL },
    { "a wrong sum", GO_HEADER DEFLATED "afac1b5707000000", NULL },
    { "a wrong length", GO_HEADER DEFLATED "afac1b5608000000", NULL },
    { "a byte behind the trailer", GO_HEADER DEFLATED TRAILER "00", NULL },
    { "a second stream", GO_HEADER DEFLATED TRAILER GO_HEADER DEFLATED TRAILER, NULL },
    { "one byte of a trailer", GO_HEADER DEFLATED "af", NULL },
};

static const size_t body_sizes[] = {
    0, 1, 2, 581, 4096, TP_BUF_STANDARD - 1, TP_BUF_STANDARD, TP_BUF_STANDARD + 1,
    2 * TP_BUF_STANDARD, BODY_BYTES_MAX,
};

static void
fixture_open(struct fixture *fixture, uint64_t pool_bytes)
{
    tp__buf_pool_init(&fixture->pool, (struct tp_size){ pool_bytes }, 4);
    fixture->filter = tp_module_gzip.filter;
    fixture->state = calloc(1, fixture->filter->state_size);
    ck_assert_ptr_nonnull(fixture->state);
}

static void
fixture_close(struct fixture *fixture)
{
    fixture->filter->fini(fixture->state);
    free(fixture->state);
    tp__buf_pool_fini(&fixture->pool);
}

static size_t
read_hex(const char *digits, uint8_t *bytes)
{
    size_t len = 0;

    while (*digits != '\0') {
        char pair[3] = { digits[0], digits[1], '\0' };

        if (*digits == ' ') {
            digits++;
            continue;
        }
        bytes[len] = (uint8_t) strtoul(pair, NULL, 16);
        len++;
        digits += 2;
    }
    return len;
}

static void
append(struct tp_chain *chain, const uint8_t *bytes, size_t len)
{
    ck_assert_int_eq(TP_OK, tp_chain_append(chain, (struct tp_slice){ NULL, bytes, len }));
}

/* In two slices, the first `at` long. */
static struct tp_chain
split(const uint8_t *bytes, size_t len, size_t at)
{
    struct tp_chain chain = { 0 };

    append(&chain, bytes, at);
    append(&chain, bytes + at, len - at);
    return chain;
}

static struct tp_chain
split_everywhere(const uint8_t *bytes, size_t len)
{
    struct tp_chain chain = { 0 };

    for (size_t i = 0; i < len; i++) {
        append(&chain, bytes + i, 1);
    }
    return chain;
}

static enum tp_result
undo(struct fixture *fixture, struct tp_chain filtered, size_t limit, struct tp_chain *plain)
{
    enum tp_result result;

    *plain = (struct tp_chain){ 0 };
    result = fixture->filter->undo(fixture->state, &filtered, (struct tp_size){ limit },
                                   &fixture->pool, plain);
    tp_chain_clear(&filtered);
    if (result != TP_OK) {
        ck_assert_uint_eq(0, plain->len);
        ck_assert_uint_eq(0, fixture->pool.bytes_in_use);
    }
    return result;
}

static void
assert_chain(struct tp_chain *chain, const void *bytes, size_t len)
{
    uint8_t *found = malloc(len + 1);

    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(len, chain->len);
    tp_chain_copy(chain, 0, len, found);
    ck_assert_mem_eq(bytes, found, len);
    free(found);
    tp_chain_clear(chain);
}

static void
assert_inflates(struct fixture *fixture, const struct stream *stream, struct tp_chain chain)
{
    struct tp_chain plain;
    size_t len = strlen(stream->plain);

    ck_assert_msg(undo(fixture, chain, len, &plain) == TP_OK, "%s", stream->what);
    assert_chain(&plain, stream->plain, len);
}

/* Three kinds of bodies: easy, ordinary and hopeless to deflate. */
static void
fill_body(uint8_t *body, size_t len, int kind)
{
    static const char text[] = "{\"name\":\"somebody\",\"number\":";
    uint32_t random = 1;

    for (size_t i = 0; i < len; i++) {
        random = random * 1664525 + 1013904223;
        body[i] = kind == 0 ? 0 : (uint8_t) (random >> 24);
        if (kind == 1 && i % 40 < sizeof(text) - 1) {
            body[i] = (uint8_t) text[i % 40];
        }
    }
}

START_TEST(reads_streams_however_they_end_and_are_split)
{
    const struct stream *stream = &good_streams[_i];
    uint8_t bytes[STREAM_BYTES_MAX];
    size_t len = read_hex(stream->bytes, bytes);
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    for (size_t at = 0; at <= len; at++) {
        assert_inflates(&fixture, stream, split(bytes, len, at));
    }
    assert_inflates(&fixture, stream, split_everywhere(bytes, len));
    fixture_close(&fixture);
}
END_TEST

START_TEST(refuses_broken_streams_however_they_are_split)
{
    const struct stream *stream = &broken_streams[_i];
    uint8_t bytes[STREAM_BYTES_MAX];
    size_t len = read_hex(stream->bytes, bytes);
    struct tp_chain plain;
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    for (size_t at = 0; at <= len; at++) {
        enum tp_result result = undo(&fixture, split(bytes, len, at), 1000, &plain);

        ck_assert_msg(result == TP_INVALID, "%s: %s", stream->what, tp_result_word(result));
    }
    ck_assert_int_eq(TP_INVALID, undo(&fixture, split_everywhere(bytes, len), 1000, &plain));
    assert_inflates(
        &fixture, &good_streams[_i % TP_COUNT_OF(good_streams)],
        split(bytes, read_hex(good_streams[_i % TP_COUNT_OF(good_streams)].bytes, bytes), 0));
    fixture_close(&fixture);
}
END_TEST

/* The only cut that leaves a whole body is the one before the trailer. */
START_TEST(refuses_streams_that_are_cut)
{
    uint8_t bytes[STREAM_BYTES_MAX];
    struct tp_chain plain;
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    for (size_t which = 0; which < 2; which++) {
        size_t len = read_hex(good_streams[which].bytes, bytes);

        for (size_t cut = 1; cut < len; cut++) {
            enum tp_result result = undo(&fixture, split(bytes, cut, 0), 1000, &plain);
            bool is_whole = which == 1 && cut == len - TRAILER_BYTES;

            ck_assert_msg(result == (is_whole ? TP_OK : TP_INVALID), "%s, cut to %zu bytes",
                          good_streams[which].what, cut);
            tp_chain_clear(&plain);
        }
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(notices_each_changed_bit_of_a_complete_stream)
{
    uint8_t bytes[STREAM_BYTES_MAX];
    size_t len = read_hex(GO_HEADER DEFLATED TRAILER, bytes);
    struct tp_chain plain;
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    for (size_t bit = HEADER_BYTES * 8; bit < len * 8; bit++) {
        enum tp_result result;

        bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
        result = undo(&fixture, split(bytes, len, 0), 1000, &plain);
        /* The bits that fill the last byte of the data mean nothing. */
        if (result == TP_OK) {
            ck_assert_uint_eq(bit / 8, len - TRAILER_BYTES - 1);
            assert_chain(&plain, BODY, sizeof(BODY) - 1);
        }
        bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(writes_the_header_that_go_writes)
{
    static const struct {
        int level;
        const char *header;
    } rows[] = {
        { -2, GO_HEADER }, { -1, GO_HEADER },
        { 0, GO_HEADER },  { 1, "1f8b08000000000004ff" },
        { 5, GO_HEADER },  { 9, "1f8b08000000000002ff" },
    };
    uint8_t header[STREAM_BYTES_MAX];
    uint8_t found[HEADER_BYTES];
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        struct tp_chain plain = split((const uint8_t *) BODY, sizeof(BODY) - 1, 3);
        struct tp_chain filtered = { 0 };

        read_hex(rows[i].header, header);
        ck_assert_int_eq(TP_OK, fixture.filter->apply(fixture.state, rows[i].level, &plain,
                                                      &fixture.pool, &filtered));
        tp_chain_copy(&filtered, 0, sizeof(found), found);
        ck_assert_mem_eq(header, found, sizeof(found));
        tp_chain_clear(&plain);
        tp_chain_clear(&filtered);
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(writes_a_complete_stream)
{
    struct tp_chain plain = split((const uint8_t *) BODY, sizeof(BODY) - 1, 3);
    struct tp_chain empty = { 0 };
    struct tp_chain filtered = { 0 };
    uint8_t bytes[STREAM_BYTES_MAX];
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    ck_assert_int_eq(TP_OK,
                     fixture.filter->apply(fixture.state, 5, &plain, &fixture.pool, &filtered));
    assert_chain(&filtered, bytes, read_hex(GO_HEADER DEFLATED TRAILER, bytes));
    ck_assert_int_eq(TP_OK,
                     fixture.filter->apply(fixture.state, 5, &empty, &fixture.pool, &filtered));
    assert_chain(&filtered, bytes, read_hex(GO_HEADER "0300 0000000000000000", bytes));
    tp_chain_clear(&plain);
    fixture_close(&fixture);
}
END_TEST

/* One state for all: what a body leaves in it must not be seen in the next. */
START_TEST(brings_back_every_body_at_every_level)
{
    uint8_t *body = calloc(1, BODY_BYTES_MAX);
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    fill_body(body, BODY_BYTES_MAX, _i);
    for (int level = TP_GZIP_LEVEL_MIN; level <= TP_GZIP_LEVEL_MAX; level++) {
        for (size_t i = 0; i < TP_COUNT_OF(body_sizes); i++) {
            struct tp_chain plain = split(body, body_sizes[i], body_sizes[i] / 3);
            struct tp_chain filtered = { 0 };
            struct tp_chain again;

            ck_assert_int_eq(TP_OK, fixture.filter->apply(fixture.state, level, &plain,
                                                          &fixture.pool, &filtered));
            ck_assert(_i != 0 || level == 0 || filtered.len < 100 + body_sizes[i] / 2);
            ck_assert_int_eq(TP_OK, undo(&fixture, filtered, body_sizes[i], &again));
            assert_chain(&again, body, body_sizes[i]);
            tp_chain_clear(&plain);
        }
    }
    fixture_close(&fixture);
    free(body);
}
END_TEST

START_TEST(splits_of_the_plain_body_do_not_show)
{
    uint8_t body[STREAM_BYTES_MAX] = { 0 };
    struct tp_chain whole = split(body, sizeof(body), 0);
    struct tp_chain wanted = { 0 };
    uint8_t bytes[2 * STREAM_BYTES_MAX];
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    fill_body(body, sizeof(body), 1);
    ck_assert_int_eq(TP_OK,
                     fixture.filter->apply(fixture.state, 6, &whole, &fixture.pool, &wanted));
    tp_chain_copy(&wanted, 0, wanted.len, bytes);
    for (size_t at = 0; at <= sizeof(body) + 1; at++) {
        struct tp_chain plain = at > sizeof(body) ? split_everywhere(body, sizeof(body))
                                                  : split(body, sizeof(body), at);
        struct tp_chain filtered = { 0 };

        ck_assert_int_eq(TP_OK,
                         fixture.filter->apply(fixture.state, 6, &plain, &fixture.pool, &filtered));
        assert_chain(&filtered, bytes, wanted.len);
        tp_chain_clear(&plain);
    }
    tp_chain_clear(&whole);
    tp_chain_clear(&wanted);
    fixture_close(&fixture);
}
END_TEST

START_TEST(refuses_levels_that_are_none)
{
    struct tp_chain plain = split((const uint8_t *) BODY, sizeof(BODY) - 1, 3);
    struct tp_chain filtered = { 0 };
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    ck_assert_int_eq(TP_INVALID, fixture.filter->apply(fixture.state, TP_GZIP_LEVEL_MIN - 1, &plain,
                                                       &fixture.pool, &filtered));
    ck_assert_int_eq(TP_INVALID, fixture.filter->apply(fixture.state, TP_GZIP_LEVEL_MAX + 1, &plain,
                                                       &fixture.pool, &filtered));
    ck_assert_uint_eq(0, filtered.len);
    tp_chain_clear(&plain);
    fixture_close(&fixture);
}
END_TEST

START_TEST(exactly_the_limit_passes)
{
    uint8_t *body = calloc(1, BODY_BYTES_MAX);
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    fill_body(body, BODY_BYTES_MAX, 1);
    for (size_t i = 1; i < TP_COUNT_OF(body_sizes); i++) {
        size_t len = body_sizes[i];
        struct tp_chain plain = split(body, len, 0);
        struct tp_chain filtered = { 0 };
        struct tp_chain copy = { 0 };
        struct tp_chain again;

        ck_assert_int_eq(TP_OK,
                         fixture.filter->apply(fixture.state, 6, &plain, &fixture.pool, &filtered));
        ck_assert_int_eq(TP_OK, tp_chain_share(&copy, &filtered));
        ck_assert_int_eq(TP_OK, undo(&fixture, copy, len, &again));
        assert_chain(&again, body, len);
        ck_assert_int_eq(TP_TOO_LARGE,
                         fixture.filter->undo(fixture.state, &filtered, (struct tp_size){ len - 1 },
                                              &fixture.pool, &again));
        ck_assert_uint_eq(0, again.len);
        tp_chain_clear(&filtered);
        tp_chain_clear(&plain);
    }
    fixture_close(&fixture);
    free(body);
}
END_TEST

/* 64 MB of zeros in 64 KB: it stops at the limit, and never needs more memory than that. */
START_TEST(a_bomb_is_not_inflated_beyond_the_limit)
{
    enum {
        LIMIT = 256 * 1024,
        ZEROS = 1024 * 1024,
        TIMES = 64
    };
    uint8_t *zeros = calloc(1, ZEROS);
    struct tp_chain plain = { 0 };
    struct tp_chain filtered = { 0 };
    struct tp_chain again;
    uint64_t in_use;
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    for (int i = 0; i < TIMES; i++) {
        append(&plain, zeros, ZEROS);
    }
    ck_assert_int_eq(TP_OK,
                     fixture.filter->apply(fixture.state, 9, &plain, &fixture.pool, &filtered));
    in_use = fixture.pool.bytes_in_use;
    fixture.pool.bytes_limit = in_use + LIMIT + TP_BUF_STANDARD;
    again = (struct tp_chain){ 0 };
    ck_assert_int_eq(TP_TOO_LARGE,
                     fixture.filter->undo(fixture.state, &filtered, (struct tp_size){ LIMIT },
                                          &fixture.pool, &again));
    ck_assert_uint_eq(in_use, fixture.pool.bytes_in_use);
    tp_chain_clear(&filtered);
    tp_chain_clear(&plain);
    fixture_close(&fixture);
    free(zeros);
}
END_TEST

START_TEST(memory_that_is_out_leaves_nothing_behind)
{
    uint8_t *body = calloc(1, BODY_BYTES_MAX);
    struct tp_chain plain = split(body, BODY_BYTES_MAX, 0);
    struct tp_chain filtered = { 0 };
    struct tp_chain again = { 0 };
    uint64_t in_use;
    struct fixture fixture;

    fill_body(body, BODY_BYTES_MAX, 2);
    fixture_open(&fixture, 3 * TP_BUF_STANDARD);
    ck_assert_int_eq(TP_NO_MEMORY,
                     fixture.filter->apply(fixture.state, 6, &plain, &fixture.pool, &filtered));
    ck_assert_uint_eq(0, filtered.len);
    ck_assert_uint_eq(0, fixture.pool.bytes_in_use);

    fixture.pool.bytes_limit = POOL_BYTES;
    ck_assert_int_eq(TP_OK,
                     fixture.filter->apply(fixture.state, 6, &plain, &fixture.pool, &filtered));
    in_use = fixture.pool.bytes_in_use;
    fixture.pool.bytes_limit = in_use + 3 * TP_BUF_STANDARD;
    ck_assert_int_eq(TP_NO_MEMORY, fixture.filter->undo(fixture.state, &filtered,
                                                        (struct tp_size){ BODY_BYTES_MAX },
                                                        &fixture.pool, &again));
    ck_assert_uint_eq(0, again.len);
    ck_assert_uint_eq(in_use, fixture.pool.bytes_in_use);

    fixture.pool.bytes_limit = POOL_BYTES;
    ck_assert_int_eq(TP_OK, undo(&fixture, filtered, BODY_BYTES_MAX, &again));
    assert_chain(&again, body, BODY_BYTES_MAX);
    tp_chain_clear(&plain);
    fixture_close(&fixture);
    free(body);
}
END_TEST

START_TEST(a_state_that_ended_may_begin_again)
{
    uint8_t bytes[STREAM_BYTES_MAX];
    size_t len = read_hex(good_streams[0].bytes, bytes);
    struct fixture fixture;

    fixture_open(&fixture, POOL_BYTES);
    fixture.filter->fini(fixture.state);
    assert_inflates(&fixture, &good_streams[0], split(bytes, len, 0));
    fixture.filter->fini(fixture.state);
    assert_inflates(&fixture, &good_streams[0], split(bytes, len, 0));
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_filter_gzip(void)
{
    Suite *suite = suite_create("filter/gzip");
    TCase *reading = tcase_create("reading");
    TCase *writing = tcase_create("writing");
    TCase *bounds = tcase_create("bounds");

    tcase_add_loop_test(reading, reads_streams_however_they_end_and_are_split, 0,
                        TP_COUNT_OF(good_streams));
    tcase_add_loop_test(reading, refuses_broken_streams_however_they_are_split, 0,
                        TP_COUNT_OF(broken_streams));
    tcase_add_test(reading, refuses_streams_that_are_cut);
    tcase_add_test(reading, notices_each_changed_bit_of_a_complete_stream);
    suite_add_tcase(suite, reading);

    tcase_add_test(writing, writes_the_header_that_go_writes);
    tcase_add_test(writing, writes_a_complete_stream);
    tcase_add_loop_test(writing, brings_back_every_body_at_every_level, 0, 3);
    tcase_add_test(writing, splits_of_the_plain_body_do_not_show);
    tcase_add_test(writing, refuses_levels_that_are_none);
    tcase_set_timeout(writing, 30);
    suite_add_tcase(suite, writing);

    tcase_add_test(bounds, exactly_the_limit_passes);
    tcase_add_test(bounds, a_bomb_is_not_inflated_beyond_the_limit);
    tcase_add_test(bounds, memory_that_is_out_leaves_nothing_behind);
    tcase_add_test(bounds, a_state_that_ended_may_begin_again);
    tcase_set_timeout(bounds, 30);
    suite_add_tcase(suite, bounds);
    return suite;
}
