/*
 * base/buf_pool.h - where a worker's buffers come from, and how much they may take.
 *
 * Standard buffers are kept for the next user; others come from malloc() and go back
 * there.  Runs in: the loop's thread, one pool for each loop.
 */
#ifndef TP_BASE_BUF_POOL_H
#define TP_BASE_BUF_POOL_H

#include <teleport/bytes.h>

struct tp_buf_pool {
    struct tp_buf *kept; /* standard buffers that nobody uses, linked by their pool member */
    uint32_t kept_count;
    uint32_t kept_max;
    uint64_t bytes_in_use; /* of buffers that somebody holds, with their heads */
    uint64_t bytes_limit;
    uint64_t bytes_copied; /* a counter: what was copied because it had to be in one piece */
};

/* Prepares a pool whose buffers take `limit` at most; `kept_max` idle ones are kept besides. */
void tp__buf_pool_init(struct tp_buf_pool *pool, struct tp_size limit, uint32_t kept_max);

/* Frees the kept buffers.  Nobody may hold a buffer of the pool any more. */
void tp__buf_pool_fini(struct tp_buf_pool *pool);

#endif
