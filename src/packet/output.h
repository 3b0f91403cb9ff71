/*
 * packet/output.h - what one flush of a session sends: a few pieces for one writev().
 *
 * A worker has one output, which its sessions fill in turn.  Protocols write to it
 * through <teleport/protocol.h>; here is the flushing side:
 *
 *     encode packets until there are none, or tp__output_is_full();
 *     write tp__output_pieces();
 *     tp__output_rest() keeps what the socket did not take; the output is empty again.
 *
 * Runs in: the loop's thread.  Read next: packet/output.c.
 */
#ifndef TP_PACKET_OUTPUT_H
#define TP_PACKET_OUTPUT_H

#include <teleport/protocol.h>

enum {
    TP_OUTPUT_COPY_MAX = 2048, /* larger bodies are shared instead of copied */
    TP_OUTPUT_BUFFER = 64 * 1024 - 16,
    TP_OUTPUT_FULL_BYTES = 256 * 1024, /* as much as a socket takes at once */
    TP_OUTPUT_FULL_PIECES = 64,
};

struct tp_output {
    struct tp_buf_pool *pool;
    struct tp_buf *own;     /* the buffer of all flushes; NULL until it is first needed */
    struct tp_buf *filling; /* what is written to: `own`, or a further one once that is full */
    size_t filled;          /* bytes of `filling` */
    struct tp_chain pieces;
};

/* Prepares an output with buffers from `pool`; takes none yet. */
void tp__output_init(struct tp_output *output, struct tp_buf_pool *pool);

void tp__output_fini(struct tp_output *output);

/* Forgets what was written to it and keeps the buffer. */
void tp__output_reset(struct tp_output *output);

/* How many bytes there are to send. */
static inline size_t
tp__output_len(const struct tp_output *output)
{
    return output->pieces.len;
}

/*
 * Has it enough for one write?  What is encoded all the same is not lost: the output
 * grows, by what the packet needs.
 */
bool tp__output_is_full(const struct tp_output *output);

/* What to send, in `*count` pieces; borrowed until the output is next used. */
static inline const struct tp_slice *
tp__output_pieces(const struct tp_output *output, size_t *count)
{
    return tp_chain_slices(&output->pieces, count);
}

/*
 * Appends to `rest` what is behind the first `written` bytes, copying what lies in the
 * output's own buffers, and resets the output.  TP_NO_MEMORY: a part of a packet may be
 * gone, so that the session has to end; `rest` is as it was, the output is reset.
 */
enum tp_result tp__output_rest(struct tp_output *output, size_t written,
                               struct tp_chain *rest) TP_MUST_CHECK;

#endif
