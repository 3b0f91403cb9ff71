/*
 * bytes.c - counted buffers, their pool, and chains of slices.
 *
 * What can run out of memory asks for all it needs first and changes nothing before it
 * has it: whoever is refused can go on with what he had.
 *
 * Runs in: the loop's thread.  Read next: packet/output.c, where chains leave.
 */
#include <teleport/bytes.h>

#include "base/buf_pool.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUF_STANDARD_BYTES = sizeof(struct tp_buf) + TP_BUF_STANDARD,
    BUF_KEPT_FROM = TP_BUF_STANDARD / 2, /* smaller ones are not worth a standard buffer */
    BUF_POISON = 0xdb,
    CHAIN_CAPACITY_MIN = 4,
};

static struct tp_buf *buf_take_kept(struct tp_buf_pool *pool);
static bool chain_extend(struct tp_chain *chain, const struct tp_slice *slice);
static enum tp_result chain_reserve(struct tp_chain *chain, size_t more);
static enum tp_result chain_grow(struct tp_chain *chain, size_t wanted);
static struct tp_slice *chain_live(struct tp_chain *chain);
static void chain_push(struct tp_chain *chain, struct tp_slice slice);
static const struct tp_slice *chain_seek(const struct tp_chain *chain, size_t *offset);
static size_t chain_count_part(const struct tp_slice *slice, size_t offset, size_t len);

_Static_assert(sizeof(struct tp_buf) == 16, "a standard buffer takes 16 KB with its head");

void
tp__buf_pool_init(struct tp_buf_pool *pool, struct tp_size limit, uint32_t kept_max)
{
    *pool = (struct tp_buf_pool){ .bytes_limit = limit.bytes, .kept_max = kept_max };
}

void
tp__buf_pool_fini(struct tp_buf_pool *pool)
{
    TP_ASSERT(pool->bytes_in_use == 0);
    while (pool->kept != NULL) {
        free(buf_take_kept(pool));
    }
}

struct tp_buf *
tp_buf_make(struct tp_buf_pool *pool, size_t capacity)
{
    bool is_standard = capacity > BUF_KEPT_FROM && capacity <= TP_BUF_STANDARD;
    size_t bytes = is_standard ? (size_t) BUF_STANDARD_BYTES : sizeof(struct tp_buf) + capacity;
    struct tp_buf *buf;

    if (capacity > UINT32_MAX || bytes > pool->bytes_limit
        || pool->bytes_in_use > pool->bytes_limit - bytes) {
        return NULL;
    }
    buf = is_standard && pool->kept != NULL ? buf_take_kept(pool) : malloc(bytes);
    if (buf == NULL) {
        return NULL;
    }
    pool->bytes_in_use += bytes;
    buf->holders = 1;
    buf->capacity = (uint32_t) (bytes - sizeof(struct tp_buf));
    buf->pool = pool;
    return buf;
}

void
tp_buf_free(struct tp_buf *buf)
{
    struct tp_buf_pool *pool = buf->pool;

    TP_ASSERT(buf->holders == 0);
    pool->bytes_in_use -= sizeof(*buf) + buf->capacity;
#ifdef TP_DEBUG
    memset(buf->bytes, BUF_POISON, buf->capacity);
#endif
    if (buf->capacity != TP_BUF_STANDARD || pool->kept_count >= pool->kept_max) {
        free(buf);
        return;
    }
    memcpy(buf->bytes, &pool->kept, sizeof(pool->kept));
    pool->kept = buf;
    pool->kept_count++;
}

static struct tp_buf *
buf_take_kept(struct tp_buf_pool *pool)
{
    struct tp_buf *buf = pool->kept;

    memcpy(&pool->kept, buf->bytes, sizeof(pool->kept));
    pool->kept_count--;
    return buf;
}

void
tp_chain_clear_slices(struct tp_chain *chain)
{
    if (chain->capacity != 0) {
        for (size_t i = chain->first; i < chain->count; i++) {
            tp_buf_release(chain->more[i].buf);
        }
        free(chain->more);
    } else {
        tp_buf_release(chain->only.buf);
    }
    *chain = (struct tp_chain){ .len = 0 };
}

enum tp_result
tp_chain_append_slice(struct tp_chain *chain, const struct tp_slice *slice)
{
    if (slice->len == 0 || chain_extend(chain, slice)) {
        tp_buf_release(slice->buf);
        return TP_OK;
    }
    if (chain_reserve(chain, 1) != TP_OK) {
        tp_buf_release(slice->buf);
        return TP_NO_MEMORY;
    }
    chain_push(chain, *slice);
    return TP_OK;
}

/*
 * A buffer that is read into bit by bit stays one slice, however small the bits.  Bytes
 * that live for ever are of unknown neighbours, so they are never joined.
 */
static bool
chain_extend(struct tp_chain *chain, const struct tp_slice *slice)
{
    if (chain->count == chain->first || slice->buf == NULL) {
        return false;
    }
    struct tp_slice *last = chain_live(chain) + (chain->count - chain->first - 1);

    if (last->buf != slice->buf || last->data + last->len != slice->data) {
        return false;
    }
    last->len += slice->len;
    chain->len += slice->len;
    return true;
}

enum tp_result
tp_chain_append_copy(struct tp_chain *chain, struct tp_buf_pool *pool, struct tp_str bytes)
{
    if (bytes.len == 0) {
        return TP_OK;
    }
    struct tp_buf *buf = tp_buf_make(pool, bytes.len);

    if (buf == NULL) {
        return TP_NO_MEMORY;
    }
    memcpy(buf->bytes, bytes.data, bytes.len);
    return tp_chain_append(chain, (struct tp_slice){ buf, buf->bytes, bytes.len });
}

enum tp_result
tp_chain_move(struct tp_chain *to, struct tp_chain *from, size_t len)
{
    if (len >= from->len) {
        if (to->len == 0) {
            tp_chain_clear(to);
            *to = *from;
            *from = (struct tp_chain){ .len = 0 };
            return TP_OK;
        }
        len = from->len;
    }
    enum tp_result result = tp_chain_share_part(to, from, 0, len);

    if (result == TP_OK) {
        tp_chain_skip(from, len);
    }
    return result;
}

void
tp_chain_skip_slices(struct tp_chain *chain, size_t len)
{
    TP_ASSERT(len <= chain->len);
    if (len == chain->len) {
        tp_chain_clear(chain);
        return;
    }
    chain->len -= len;
    struct tp_slice *slice = chain_live(chain);

    while (len >= slice->len) {
        len -= slice->len;
        tp_buf_release(slice->buf);
        slice++;
        chain->first++;
    }
    slice->data += len;
    slice->len -= len;
}

enum tp_result
tp_chain_share_slices(struct tp_chain *to, const struct tp_chain *from, size_t offset, size_t len)
{
    TP_ASSERT(offset <= from->len && len <= from->len - offset);
    if (len == 0) {
        return TP_OK;
    }
    const struct tp_slice *slice = chain_seek(from, &offset);

    if (chain_reserve(to, chain_count_part(slice, offset, len)) != TP_OK) {
        return TP_NO_MEMORY;
    }
    for (; len > 0; slice++, offset = 0) {
        size_t taken = slice->len - offset < len ? slice->len - offset : len;

        struct tp_slice part = { slice->buf, slice->data + offset, taken };

        if (!chain_extend(to, &part)) {
            tp_buf_acquire(part.buf);
            chain_push(to, part);
        }
        len -= taken;
    }
    return TP_OK;
}

void
tp_chain_copy(const struct tp_chain *chain, size_t offset, size_t len, uint8_t *bytes)
{
    TP_ASSERT(offset <= chain->len && len <= chain->len - offset);
    if (len == 0) {
        return;
    }
    const struct tp_slice *slice = chain_seek(chain, &offset);

    for (; len > 0; slice++, offset = 0) {
        size_t taken = slice->len - offset < len ? slice->len - offset : len;

        memcpy(bytes, slice->data + offset, taken);
        bytes += taken;
        len -= taken;
    }
}

const struct tp_slice *
tp_chain_find(const struct tp_chain *chain, size_t *offset, size_t len)
{
    TP_ASSERT(*offset <= chain->len && len <= chain->len - *offset);
    if (len == 0) {
        return NULL;
    }
    size_t local = *offset;
    const struct tp_slice *slice = chain_seek(chain, &local);

    if (slice->len - local < len) {
        return NULL;
    }
    *offset = local;
    return slice;
}

const uint8_t *
tp_chain_peek_far(const struct tp_chain *chain, size_t offset, size_t len, uint8_t *scratch)
{
    const struct tp_slice *slice = tp_chain_find(chain, &offset, len);

    if (slice != NULL) {
        return slice->data + offset;
    }
    tp_chain_copy(chain, offset, len, scratch);
    return scratch;
}

enum tp_result
tp_chain_flatten(struct tp_chain *chain, struct tp_buf_pool *pool, struct tp_slice *flat)
{
    size_t count = chain->count - chain->first;

    if (chain->len == 0) {
        *flat = (struct tp_slice){ NULL, (const uint8_t *) "", 0 };
        return TP_OK;
    }
    if (count > 1) {
        size_t len = chain->len;
        struct tp_buf *buf = tp_buf_make(pool, len);

        if (buf == NULL) {
            return TP_NO_MEMORY;
        }
        tp_chain_copy(chain, 0, len, buf->bytes);
        pool->bytes_copied += len;
        tp_chain_clear(chain);
        chain_push(chain, (struct tp_slice){ buf, buf->bytes, len });
    }
    *flat = *chain_live(chain);
    return TP_OK;
}

/* Makes room for `more` slices behind the last. */
static enum tp_result
chain_reserve(struct tp_chain *chain, size_t more)
{
    size_t room = chain->capacity == 0 ? 1 : chain->capacity;

    if (more <= room - chain->count) {
        return TP_OK;
    }
    return chain_grow(chain, chain->count - chain->first + more);
}

/* Makes the array one of `wanted` slices at least, or moves what is in it to its front. */
static enum tp_result
chain_grow(struct tp_chain *chain, size_t wanted)
{
    size_t live = chain->count - chain->first;
    size_t capacity = chain->capacity == 0 ? CHAIN_CAPACITY_MIN : chain->capacity;
    struct tp_slice *slices;

    /* Only when half of it is free: moving one place at a time would cost the square. */
    while (capacity < wanted || capacity - live < capacity / 2) {
        capacity *= 2;
    }
    if (capacity > UINT32_MAX) {
        return TP_NO_MEMORY;
    }
    if (capacity == chain->capacity) {
        memmove(chain->more, chain->more + chain->first, live * sizeof(*slices));
    } else {
        slices = malloc(capacity * sizeof(*slices));
        if (slices == NULL) {
            return TP_NO_MEMORY;
        }
        memcpy(slices, chain_live(chain), live * sizeof(*slices));
        if (chain->capacity != 0) {
            free(chain->more);
        }
        chain->more = slices;
        chain->capacity = (uint32_t) capacity;
    }
    chain->first = 0;
    chain->count = (uint32_t) live;
    return TP_OK;
}

/* The first slice, to write to; its neighbours are behind it. */
static struct tp_slice *
chain_live(struct tp_chain *chain)
{
    return chain->capacity == 0 ? &chain->only : chain->more + chain->first;
}

/* Appends a slice for which there is room; its hold is the chain's from here on. */
static void
chain_push(struct tp_chain *chain, struct tp_slice slice)
{
    struct tp_slice *slices = chain->capacity == 0 ? &chain->only : chain->more;

    slices[chain->count++] = slice;
    chain->len += slice.len;
}

/* The slice that has the byte at `*offset`, which is made its place there. */
static const struct tp_slice *
chain_seek(const struct tp_chain *chain, size_t *offset)
{
    size_t count;
    const struct tp_slice *slice = tp_chain_slices(chain, &count);

    while (*offset >= slice->len) {
        *offset -= slice->len;
        slice++;
    }
    return slice;
}

/* How many slices the `len` bytes from `offset` of the first one on lie in. */
static size_t
chain_count_part(const struct tp_slice *slice, size_t offset, size_t len)
{
    size_t count = 1;

    for (size_t covered = slice->len - offset; covered < len; covered += slice->len) {
        slice++;
        count++;
    }
    return count;
}
