/*
 * teleport/bytes.h - bytes that come and go: counted buffers, slices of them, and
 * chains of slices.
 *
 * A packet's parts are slices of the buffers it was read into; who keeps a slice holds
 * its buffer.  Counts are plain numbers: all of it belongs to one thread, the loop's.
 */
#ifndef TELEPORT_BYTES_H
#define TELEPORT_BYTES_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_buf_pool;

enum {
    TP_BUF_STANDARD = 16 * 1024 - 16, /* capacity of the buffers that a pool keeps for reuse */
};

/* A block of memory with a count of who uses it. */
struct tp_buf {
    uint32_t holders;
    uint32_t capacity; /* of bytes[] */
    struct tp_buf_pool *pool;
    uint8_t bytes[];
};

/*
 * A buffer of at least `capacity` bytes, held once by the caller; NULL when memory or
 * the pool's limit is used up.
 */
struct tp_buf *tp_buf_make(struct tp_buf_pool *pool, size_t capacity) TP_MUST_CHECK;

/* Gives the buffer's memory back; called when the last holder lets go. */
void tp_buf_free(struct tp_buf *buf);

/* Nothing happens to a NULL buffer, here and below. */
static inline void
tp_buf_acquire(struct tp_buf *buf)
{
    if (buf != NULL) {
        buf->holders++;
    }
}

static inline void
tp_buf_release(struct tp_buf *buf)
{
    if (buf != NULL && --buf->holders == 0) {
        tp_buf_free(buf);
    }
}

/* `len` bytes at `data`, inside `buf`; a NULL buf means bytes that live for ever. */
struct tp_slice {
    struct tp_buf *buf;
    const uint8_t *data;
    size_t len;
};

/*
 * Bytes in pieces, in order.  Each slice holds its buffer once, and none is empty.  A
 * chain of all zeros is empty.  It may be moved by copying the struct, because it has no
 * pointer into itself.  While it is empty it owns no memory, with one slice none but the
 * slice's buffer.
 */
struct tp_chain {
    size_t len;        /* of all slices together */
    uint32_t first;    /* slices before it were taken off the front; 0 while capacity is */
    uint32_t count;    /* one behind the last */
    uint32_t capacity; /* of `more`; 0 while the slice in place is enough */
    union {
        struct tp_slice only;  /* the one slice, while capacity is 0 */
        struct tp_slice *more; /* all slices, once there were two */
    };
};

/*
 * The first slice, which has no bytes where the chain is empty.  Mostly it is all there is:
 * a packet lies in the buffer that it was read into.
 */
static inline const struct tp_slice *
tp_chain_front(const struct tp_chain *chain)
{
    return chain->capacity == 0 ? &chain->only : chain->more + chain->first;
}

/* The slices of the chain, `*count` of them; borrowed until it changes. */
static inline const struct tp_slice *
tp_chain_slices(const struct tp_chain *chain, size_t *count)
{
    *count = chain->count - chain->first;
    return tp_chain_front(chain);
}

/* tp_chain_clear() of a chain that has slices. */
void tp_chain_clear_slices(struct tp_chain *chain);

/* Lets go of all slices; the chain is empty afterwards. */
static inline void
tp_chain_clear(struct tp_chain *chain)
{
    if (chain->count != 0) {
        tp_chain_clear_slices(chain);
    }
}

/* tp_chain_append() to a chain that has slices, or of a slice without bytes. */
enum tp_result tp_chain_append_slice(struct tp_chain *chain,
                                     const struct tp_slice *slice) TP_MUST_CHECK;

/*
 * Appends a slice, which is the chain's from here on, also when TP_NO_MEMORY is returned.
 * One that goes on where the last one ends becomes part of it.
 */
static inline enum tp_result TP_MUST_CHECK
tp_chain_append(struct tp_chain *chain, struct tp_slice slice)
{
    if (chain->count != 0 || slice.len == 0) {
        return tp_chain_append_slice(chain, &slice);
    }
    chain->only = slice;
    chain->count = 1;
    chain->len = slice.len;
    return TP_OK;
}

/* Appends a copy of `bytes` in a buffer of its own. */
enum tp_result tp_chain_append_copy(struct tp_chain *chain, struct tp_buf_pool *pool,
                                    struct tp_str bytes) TP_MUST_CHECK;

/*
 * Moves the first `len` bytes (at most all) of `from` to the end of `to`.  TP_NO_MEMORY:
 * both are as they were.
 */
enum tp_result tp_chain_move(struct tp_chain *to, struct tp_chain *from, size_t len) TP_MUST_CHECK;

/* tp_chain_skip() of more than a part of the first slice. */
void tp_chain_skip_slices(struct tp_chain *chain, size_t len);

/* Drops the first `len` bytes, which must be there. */
static inline void
tp_chain_skip(struct tp_chain *chain, size_t len)
{
    struct tp_slice *front = chain->capacity == 0 ? &chain->only : chain->more + chain->first;

    if (len >= front->len) {
        tp_chain_skip_slices(chain, len);
        return;
    }
    front->data += len;
    front->len -= len;
    chain->len -= len;
}

/* tp_chain_share_part() of what is not in the first slice, or for a chain that is not empty. */
enum tp_result tp_chain_share_slices(struct tp_chain *to, const struct tp_chain *from,
                                     size_t offset, size_t len) TP_MUST_CHECK;

/*
 * Appends the `len` bytes of `from` that begin at `offset` and must be there, sharing
 * their buffers; `from` stays as it is.  TP_NO_MEMORY: so does `to`.
 */
static inline enum tp_result TP_MUST_CHECK
tp_chain_share_part(struct tp_chain *to, const struct tp_chain *from, size_t offset, size_t len)
{
    const struct tp_slice *front = tp_chain_front(from);

    if (to->count != 0 || len == 0 || offset + len > front->len) {
        return tp_chain_share_slices(to, from, offset, len);
    }
    tp_buf_acquire(front->buf);
    to->only = (struct tp_slice){ front->buf, front->data + offset, len };
    to->count = 1;
    to->len = len;
    return TP_OK;
}

/* The same for all of `from`. */
static inline enum tp_result TP_MUST_CHECK
tp_chain_share(struct tp_chain *to, const struct tp_chain *from)
{
    return tp_chain_share_part(to, from, 0, from->len);
}

/* Copies `len` bytes from `offset` on, which must be there, to `bytes`. */
void tp_chain_copy(const struct tp_chain *chain, size_t offset, size_t len, uint8_t *bytes);

/*
 * The slice in which all of the `len` bytes from `*offset` on lie, which must be there;
 * `*offset` is made the place in it.  NULL when they lie in several, or are none.
 */
const struct tp_slice *tp_chain_find(const struct tp_chain *chain, size_t *offset, size_t len);

/* tp_chain_peek() of what is not in the first slice. */
const uint8_t *tp_chain_peek_far(const struct tp_chain *chain, size_t offset, size_t len,
                                 uint8_t *scratch);

/*
 * A view of `len` bytes from `offset` on, which must be there: into the chain where they
 * lie in one piece, else copied to `scratch`, which has room for them.
 */
static inline const uint8_t *
tp_chain_peek(const struct tp_chain *chain, size_t offset, size_t len, uint8_t *scratch)
{
    const struct tp_slice *front = tp_chain_front(chain);

    return len > 0 && offset + len <= front->len ? front->data + offset
                                                 : tp_chain_peek_far(chain, offset, len, scratch);
}

/*
 * Makes the chain one slice, copying at most once, and returns it (borrowed from the
 * chain).  The copy is counted.  TP_NO_MEMORY: the chain is as it was.
 */
enum tp_result tp_chain_flatten(struct tp_chain *chain, struct tp_buf_pool *pool,
                                struct tp_slice *flat) TP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
