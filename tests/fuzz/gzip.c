/*
 * gzip.c - the filter gzip against any bytes.
 *
 * The first byte says how the rest is cut into slices, the second how much may come
 * out.  Whatever inflates is deflated again, at a level the first byte chooses, and must
 * come back the same; what does not inflate must leave nothing behind.
 *
 * Read next: modules/filter/gzip/gzip.c.
 */
#include <teleport/module.h>

#include "base/buf_pool.h"

#include <stdlib.h>
#include <string.h>

enum {
    FUZZ_HEAD_BYTES = 2,
    FUZZ_POOL_BYTES = 16 * 1024 * 1024,
    FUZZ_LEVELS = TP_GZIP_LEVEL_MAX - TP_GZIP_LEVEL_MIN + 1,
};

extern const struct tp_module tp_module_gzip;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tp_chain fuzz_slice(const uint8_t *data, size_t size, size_t slice_bytes);
static void fuzz_undo_front(void *state, struct tp_buf_pool *pool, const struct tp_chain *filtered,
                            const struct tp_chain *plain, size_t limit);
static void fuzz_deflate_again(void *state, int level, struct tp_buf_pool *pool,
                               const struct tp_chain *plain);
static bool fuzz_same_bytes(const struct tp_chain *left, const struct tp_chain *right);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tp_filter *filter = tp_module_gzip.filter;
    void *state = calloc(1, filter->state_size);
    struct tp_buf_pool pool;
    struct tp_chain filtered;
    struct tp_chain plain = { 0 };
    enum tp_result result;
    struct tp_size limit;

    if (size < FUZZ_HEAD_BYTES || state == NULL) {
        free(state);
        return 0;
    }
    tp__buf_pool_init(&pool, (struct tp_size){ FUZZ_POOL_BYTES }, 2);
    filtered = fuzz_slice(data + FUZZ_HEAD_BYTES, size - FUZZ_HEAD_BYTES, data[0]);
    limit.bytes = (uint64_t) data[1] * data[1];
    result = filter->undo(state, &filtered, limit, &pool, &plain);
    TP_ASSERT(plain.len <= limit.bytes);
    TP_ASSERT(result == TP_OK || plain.len == 0);
    TP_ASSERT(result == TP_OK || result == TP_INVALID || result == TP_TOO_LARGE);
    if (result == TP_OK) {
        fuzz_undo_front(state, &pool, &filtered, &plain, data[1]);
        fuzz_deflate_again(state, data[0] % FUZZ_LEVELS + TP_GZIP_LEVEL_MIN, &pool, &plain);
    }
    tp_chain_clear(&plain);
    tp_chain_clear(&filtered);
    filter->fini(state);
    free(state);
    tp__buf_pool_fini(&pool);
    return 0;
}

/* Slices of so many bytes; all in one where that is 0. */
static struct tp_chain
fuzz_slice(const uint8_t *data, size_t size, size_t slice_bytes)
{
    struct tp_chain chain = { 0 };

    for (size_t at = 0; at < size;) {
        size_t len = slice_bytes == 0 || slice_bytes > size - at ? size - at : slice_bytes;
        enum tp_result result = tp_chain_append(&chain, (struct tp_slice){ NULL, data + at, len });

        TP_ASSERT(result == TP_OK);
        at += len;
    }
    return chain;
}

/* What comes out of half of it is a front of what comes out of all. */
static void
fuzz_undo_front(void *state, struct tp_buf_pool *pool, const struct tp_chain *filtered,
                const struct tp_chain *plain, size_t limit)
{
    const struct tp_filter *filter = tp_module_gzip.filter;
    struct tp_chain half = { 0 };
    struct tp_chain front = { 0 };
    struct tp_chain same = { 0 };
    enum tp_result result = tp_chain_share_part(&half, filtered, 0, filtered->len / 2);

    TP_ASSERT(result == TP_OK);
    result = filter->undo_front(state, &half, (struct tp_size){ limit }, pool, &front);
    TP_ASSERT(result == TP_OK && front.len <= limit && front.len <= plain->len);
    result = tp_chain_share_part(&same, plain, 0, front.len);
    TP_ASSERT(result == TP_OK && fuzz_same_bytes(&front, &same));
    tp_chain_clear(&half);
    tp_chain_clear(&front);
    tp_chain_clear(&same);
}

static void
fuzz_deflate_again(void *state, int level, struct tp_buf_pool *pool, const struct tp_chain *plain)
{
    const struct tp_filter *filter = tp_module_gzip.filter;
    struct tp_chain filtered = { 0 };
    struct tp_chain again = { 0 };
    enum tp_result result = filter->apply(state, level, plain, pool, &filtered);

    TP_ASSERT(result == TP_OK);
    result = filter->undo(state, &filtered, (struct tp_size){ plain->len }, pool, &again);
    TP_ASSERT(result == TP_OK);
    TP_ASSERT(fuzz_same_bytes(plain, &again));
    tp_chain_clear(&filtered);
    tp_chain_clear(&again);
}

static bool
fuzz_same_bytes(const struct tp_chain *left, const struct tp_chain *right)
{
    uint8_t *bytes = malloc(2 * left->len + 1);
    bool is_same = left->len == right->len;

    if (bytes != NULL && is_same) {
        tp_chain_copy(left, 0, left->len, bytes);
        tp_chain_copy(right, 0, left->len, bytes + left->len);
        is_same = memcmp(bytes, bytes + left->len, left->len) == 0;
    }
    free(bytes);
    return is_same;
}
