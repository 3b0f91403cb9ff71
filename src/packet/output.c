/*
 * output.c - gathers what a flush sends: small packets into one piece, large bodies by
 * reference.
 *
 * The worker's one buffer serves all its sessions, so an idle session owns none.  Only
 * where a socket takes less than it was offered is something copied for the session to
 * keep.
 *
 * Runs in: the loop's thread.  Owns: the output's buffers.  Read next: base/bytes.c.
 */
#include "packet/output.h"

#include "base/buf_pool.h"

#include <string.h>

static uint8_t *output_reserve_anew(struct tp_output *output, size_t len);
static void output_fill(struct tp_output *output, struct tp_buf *buf);
static size_t output_room(const struct tp_output *output);
static enum tp_result output_commit_copy(struct tp_output *output, size_t len,
                                         const struct tp_chain *chain);
static bool output_extend(struct tp_output *output, size_t len);
static enum tp_result output_commit_shared(struct tp_output *output, size_t len,
                                           const struct tp_chain *chain);
static struct tp_slice output_take_filled(const struct tp_output *output, size_t len);
static enum tp_result output_keep(const struct tp_output *output, struct tp_chain *kept);
static size_t output_own_len(const struct tp_output *output);
static bool output_is_own(const struct tp_output *output, const struct tp_slice *piece);

void
tp__output_init(struct tp_output *output, struct tp_buf_pool *pool)
{
    *output = (struct tp_output){ .pool = pool };
}

void
tp__output_fini(struct tp_output *output)
{
    tp__output_reset(output);
    tp_buf_release(output->own);
    tp__output_init(output, output->pool);
}

void
tp__output_reset(struct tp_output *output)
{
    tp_chain_clear(&output->pieces);
    output_fill(output, output->own);
}

bool
tp__output_is_full(const struct tp_output *output)
{
    size_t count;

    tp_chain_slices(&output->pieces, &count);
    return output->pieces.len >= TP_OUTPUT_FULL_BYTES || count >= TP_OUTPUT_FULL_PIECES
           || (output->filling != NULL && output_room(output) < 2 * TP_OUTPUT_COPY_MAX);
}

uint8_t *
tp_output_reserve(struct tp_output *output, size_t len)
{
    /* Room for a small body besides: it then follows its head without a new buffer. */
    if (output->filling == NULL || output_room(output) < TP_OUTPUT_COPY_MAX
        || output_room(output) - TP_OUTPUT_COPY_MAX < len) {
        return output_reserve_anew(output, len);
    }
    return output->filling->bytes + output->filled;
}

enum tp_result
tp_output_commit(struct tp_output *output, size_t len, const struct tp_chain *chain)
{
    static const struct tp_chain none;

    if (chain == NULL) {
        chain = &none;
    }
    if (chain->len > TP_OUTPUT_COPY_MAX) {
        return output_commit_shared(output, len, chain);
    }
    return output_commit_copy(output, len, chain);
}

enum tp_result
tp__output_rest(struct tp_output *output, size_t written, struct tp_chain *rest)
{
    struct tp_chain kept = { .len = 0 };

    if (written == output->pieces.len) {
        tp__output_reset(output);
        return TP_OK;
    }
    tp_chain_skip(&output->pieces, written);
    enum tp_result result = output_keep(output, &kept);

    if (result == TP_OK) {
        result = tp_chain_move(rest, &kept, kept.len);
    }
    tp_chain_clear(&kept);
    tp__output_reset(output);
    return result;
}

/* The first buffer of all, or a further one where the present one has too little room. */
static uint8_t *
output_reserve_anew(struct tp_output *output, size_t len)
{
    size_t wanted = TP_OUTPUT_BUFFER;

    if (len > UINT32_MAX - TP_OUTPUT_COPY_MAX) {
        return NULL;
    }
    if (output->own != NULL || len > TP_OUTPUT_BUFFER - TP_OUTPUT_COPY_MAX) {
        wanted = len + TP_OUTPUT_COPY_MAX;
        wanted = wanted > TP_BUF_STANDARD ? wanted : TP_BUF_STANDARD;
    }
    struct tp_buf *buf = tp_buf_make(output->pool, wanted);

    if (buf == NULL) {
        return NULL;
    }
    if (output->own == NULL && wanted == TP_OUTPUT_BUFFER) {
        output->own = buf;
    }
    output_fill(output, buf);
    return buf->bytes;
}

/* Writes to `buf` from here on, from its front; a further one is let go of for it. */
static void
output_fill(struct tp_output *output, struct tp_buf *buf)
{
    if (output->filling != output->own && output->filling != buf) {
        tp_buf_release(output->filling);
    }
    output->filling = buf;
    output->filled = 0;
}

static size_t
output_room(const struct tp_output *output)
{
    return output->filling->capacity - output->filled;
}

static enum tp_result
output_commit_copy(struct tp_output *output, size_t len, const struct tp_chain *chain)
{
    if (len == 0 && tp_output_reserve(output, 0) == NULL) {
        return TP_NO_MEMORY;
    }
    TP_ASSERT(output_room(output) >= len && output_room(output) - len >= chain->len);
    uint8_t *to = output->filling->bytes + output->filled + len;
    const uint8_t *bytes = tp_chain_peek(chain, 0, chain->len, to);

    if (bytes != to) {
        memcpy(to, bytes, chain->len);
    }
    len += chain->len;
    if (!output_extend(output, len)
        && tp_chain_append(&output->pieces, output_take_filled(output, len)) != TP_OK) {
        return TP_NO_MEMORY;
    }
    output->filled += len;
    return TP_OK;
}

/* Adds to the last piece where that ends at what was filled last; else false. */
static bool
output_extend(struct tp_output *output, size_t len)
{
    struct tp_chain *pieces = &output->pieces;

    if (pieces->len == 0) {
        return false;
    }
    struct tp_slice *last =
        pieces->capacity == 0 ? &pieces->only : &pieces->more[pieces->count - 1];

    if (last->data + last->len != output->filling->bytes + output->filled
        || last->buf != output->filling) {
        return false;
    }
    last->len += len;
    pieces->len += len;
    return true;
}

/* Puts it together apart, so that nothing is added where memory runs out halfway. */
static enum tp_result
output_commit_shared(struct tp_output *output, size_t len, const struct tp_chain *chain)
{
    struct tp_chain addition = { .len = 0 };
    enum tp_result result = TP_OK;

    if (len > 0) {
        TP_ASSERT(output_room(output) >= len);
        result = tp_chain_append(&addition, output_take_filled(output, len));
    }
    if (result == TP_OK) {
        result = tp_chain_share(&addition, chain);
    }
    if (result == TP_OK) {
        result = tp_chain_move(&output->pieces, &addition, addition.len);
    }
    if (result == TP_OK) {
        output->filled += len;
    }
    tp_chain_clear(&addition);
    return result;
}

/* The next `len` bytes of the buffer, held. */
static struct tp_slice
output_take_filled(const struct tp_output *output, size_t len)
{
    tp_buf_acquire(output->filling);
    return (struct tp_slice){ output->filling, output->filling->bytes + output->filled, len };
}

/* Appends all pieces to `kept`, those in the worker's own buffer as one copy. */
static enum tp_result
output_keep(const struct tp_output *output, struct tp_chain *kept)
{
    size_t own_len = output_own_len(output);
    struct tp_buf *copy = NULL;
    enum tp_result result = TP_OK;
    size_t copied = 0;
    size_t count;
    const struct tp_slice *pieces = tp_chain_slices(&output->pieces, &count);

    if (own_len > 0) {
        copy = tp_buf_make(output->pool, own_len);
        if (copy == NULL) {
            return TP_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < count && result == TP_OK; i++) {
        struct tp_slice piece = pieces[i];

        if (output_is_own(output, &piece)) {
            piece.data = memcpy(copy->bytes + copied, piece.data, piece.len);
            piece.buf = copy;
            copied += piece.len;
        }
        tp_buf_acquire(piece.buf);
        result = tp_chain_append(kept, piece);
    }
    output->pool->bytes_copied += copied;
    tp_buf_release(copy);
    return result;
}

static size_t
output_own_len(const struct tp_output *output)
{
    size_t len = 0;
    size_t count;
    const struct tp_slice *pieces = tp_chain_slices(&output->pieces, &count);

    for (size_t i = 0; i < count; i++) {
        if (output_is_own(output, &pieces[i])) {
            len += pieces[i].len;
        }
    }
    return len;
}

/* Does the piece lie in the buffer that the next flush writes over? */
static bool
output_is_own(const struct tp_output *output, const struct tp_slice *piece)
{
    return output->own != NULL && piece->buf == output->own;
}
