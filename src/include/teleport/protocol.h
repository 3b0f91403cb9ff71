/*
 * teleport/protocol.h - what a protocol module is: bytes to packets and back.
 *
 * A protocol sees no socket and no clock, and keeps nothing between two packets: all of its
 * state in a session are the bytes that are not a packet yet, and those that are not sent
 * yet.  So a session can be moved to another process in the middle of a packet.
 */
#ifndef TELEPORT_PROTOCOL_H
#define TELEPORT_PROTOCOL_H

#include <teleport/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What decoding came to. */
enum tp_decode_outcome {
    TP_DECODE_PACKET,    /* *packet is filled, its bytes are taken from the input */
    TP_DECODE_MORE,      /* more bytes are needed; nothing was taken */
    TP_DECODE_TOO_LARGE, /* the lengths say that the packet exceeds the limit: close */
    TP_DECODE_BROKEN,    /* framing or header are broken: nothing after it can be trusted: close */
    TP_DECODE_NO_MEMORY, /* nothing was taken: close, or try again when there is some */
};

struct tp_decode_limits {
    struct tp_size packet; /* a larger packet is refused; exactly the limit passes */
};

/*
 * Where encoding writes to: small bytes are copied into one piece, larger bodies are
 * referred to.  A worker has one, which its sessions use in turn.
 */
struct tp_output;

/*
 * Room for `len` bytes to write to, in one piece, until the next call; NULL when memory
 * is out.
 */
uint8_t *tp_output_reserve(struct tp_output *output, size_t len) TP_MUST_CHECK;

/*
 * Says that the first `len` bytes of the room were written and that `chain` comes behind
 * them: a small one is copied, a larger one shared; it stays as it is, and may be NULL.
 * TP_NO_MEMORY: nothing was added, not the bytes either.
 */
enum tp_result tp_output_commit(struct tp_output *output, size_t len,
                                const struct tp_chain *chain) TP_MUST_CHECK;

struct tp_protocol {
    const char *name;
    const char *brief;

    /*
     * Takes at most one packet off the front of `input`.  `why` is set to a static
     * text for the log when the outcome is BROKEN or TOO_LARGE.  What *packet was before
     * does not matter; it is all zeros when the outcome is another.
     */
    enum tp_decode_outcome (*decode)(struct tp_chain *input, const struct tp_decode_limits *limits,
                                     struct tp_buf_pool *pool, struct tp_packet *packet,
                                     const char **why);

    /*
     * Writes the packet.  TP_NO_MEMORY, or TP_TOO_LARGE when the protocol has no way to
     * say its lengths; nothing is written then.
     */
    enum tp_result (*encode)(const struct tp_packet *packet, struct tp_output *output);
};

#ifdef __cplusplus
}
#endif

#endif
