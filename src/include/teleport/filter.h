/*
 * teleport/filter.h - what a filter module is: bytes of a body to other bytes and back.
 *
 * A filter sees no packet, no socket and no clock.  What it keeps between two bodies
 * (a compressor's tables) belongs to the worker, never to a session: there is one state
 * of each filter in a worker, and the bodies of all sessions go through it one by one.
 *
 * Read next: teleport/bytes.h.
 */
#ifndef TELEPORT_FILTER_H
#define TELEPORT_FILTER_H

#include <teleport/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ids of filters as they are on the wire. */
enum tp_filter_id {
    TP_FILTER_GZIP = 'g',
    TP_FILTER_MD5 = 'm',
};

/* All functions run in the worker's loop thread. */
struct tp_filter {
    uint8_t id;
    const char *name;
    const char *brief;

    /* What `apply` takes; both 0 for a filter without levels. */
    int level_min;
    int level_max;

    /*
     * The worker gives so many bytes, all zeros at first and never moved, to each call.
     * Memory and tables are made with the first body and used again.
     */
    size_t state_size;

    /* Lets go of what the state holds; it is all zeros afterwards.  Not called without a state. */
    void (*fini)(void *state);

    /*
     * Appends what `filtered` was made of to `plain`, which is empty before.  An empty body
     * means an empty body where no sum is wanted of it.  TP_TOO_LARGE: it would exceed `limit`
     * (exactly the limit passes), and no more than that was produced; TP_INVALID: it is
     * broken; TP_NO_MEMORY.  Unless TP_OK is returned `plain` is empty afterwards.
     */
    enum tp_result (*undo)(void *state, const struct tp_chain *filtered, struct tp_size limit,
                           struct tp_buf_pool *pool, struct tp_chain *plain);

    /*
     * The same for a front of a body, of which more may follow: appends at most `limit` bytes of
     * what comes out of it before anything that is broken, perhaps none yet.  NULL: bytes come
     * out as they go in.
     */
    enum tp_result (*undo_front)(void *state, const struct tp_chain *front, struct tp_size limit,
                                 struct tp_buf_pool *pool, struct tp_chain *plain);

    /*
     * Appends the filtered form of `plain` to `filtered`, which is empty before.  It may
     * be longer than `plain`: the caller decides what to send.  TP_INVALID: there is no
     * such level; TP_NO_MEMORY.  Unless TP_OK is returned `filtered` is empty afterwards.
     */
    enum tp_result (*apply)(void *state, int level, const struct tp_chain *plain,
                            struct tp_buf_pool *pool, struct tp_chain *filtered);
};

#ifdef __cplusplus
}
#endif

#endif
