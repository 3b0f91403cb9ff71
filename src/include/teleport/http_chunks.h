/*
 * teleport/http_chunks.h - bodies of HTTP messages that come in chunks.
 *
 * Source: RFC 9112 §7.1.  Extensions of chunks and fields behind the last one are checked for
 * their form, and dropped.
 */
#ifndef TELEPORT_HTTP_CHUNKS_H
#define TELEPORT_HTTP_CHUNKS_H

#include <teleport/http_head.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How far a body was read; `at` is set to its begin in the input, the rest is 0 at first. */
struct tp_http_chunks {
    size_t at;    /* of the input: the chunks before it are whole */
    size_t len;   /* of their data */
    size_t count; /* of them */
};

/*
 * Reads on.  TP_OK: the body ends at chunks->at; TP_AGAIN: more bytes are needed; TP_TOO_LARGE:
 * it would end behind the first `limit` bytes of the input, as soon as a chunk says so;
 * TP_INVALID.  With the last two `fault` says what is wrong.
 */
enum tp_result tp_http_chunks_read(const struct tp_chain *input, size_t limit,
                                   struct tp_http_chunks *chunks,
                                   struct tp_http_fault *fault) TP_MUST_CHECK;

/*
 * Appends the data of a whole body that begins at `begin` to `body`: large chunks are shared,
 * small ones copied together.  TP_NO_MEMORY: `body` is empty.
 */
enum tp_result tp_http_chunks_gather(const struct tp_chain *input, size_t begin,
                                     const struct tp_http_chunks *chunks, struct tp_buf_pool *pool,
                                     struct tp_chain *body) TP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
