/*
 * family.h - the frame that three protocols of Teleport 6 and 7 have in common.
 *
 *     u32 size | u8 number of filters | ids of filters | filtered payload
 *
 * They differ in whether the size counts itself, and in what the payload looks like: its form.
 *
 * Read next: family.c, raw_form.c.
 */
#ifndef RAW_FAMILY_H
#define RAW_FAMILY_H

#include <teleport/family.h>

enum {
    FAMILY_LENGTH_BYTES = 4,
    FAMILY_HEAD_BYTES = FAMILY_LENGTH_BYTES + 1, /* up to the ids of filters */
};

/* What a frame holds, filters undone: `len` bytes of the chain. */
struct family_payload {
    const struct tp_chain *chain;
    size_t offset;
    size_t len;
};

struct family_form {
    bool size_counts_itself;

    /* Does a payload begin so?  Among the bytes that no two forms share. */
    bool (*begins_with)(uint8_t byte);

    /* Fills a packet of zeros: TP_DECODE_PACKET, _REFUSED, _BROKEN, _NO_MEMORY. */
    enum tp_decode_outcome (*read)(struct tp_wire *wire, const struct family_payload *payload,
                                   struct tp_packet *packet);

    /* Are its texts no longer than the form can say?  NULL: it can say any length. */
    bool (*fits)(const struct tp_packet *packet);

    /*
     * How many bytes `write` writes at most.  It writes the payload, with the body where
     * `writes_body` says so; else the body comes behind.
     */
    size_t (*write_max)(const struct tp_packet *packet);
    uint8_t *(*write)(const struct tp_packet *packet, uint8_t *to);
    bool writes_body;
};

extern const struct family_form raw_form;
extern const struct family_form json_form;
extern const struct family_form protobuf_form;

/* Are the texts of the packet no longer than the raw form can say?  A REPLY has no uri there. */
bool raw_fits(const struct tp_packet *packet);

enum tp_probe family_probe(const struct family_form *form, const struct tp_wire *wire);
enum tp_decode_outcome family_decode(const struct family_form *form, struct tp_wire *wire,
                                     struct tp_packet *packet);
enum tp_result family_encode(const struct family_form *form, struct tp_wire *wire,
                             const struct tp_packet *packet, struct tp_output *output);

/* A view of `len` bytes of the payload, which must be there; see tp_chain_peek(). */
static inline const uint8_t *
family_peek(const struct family_payload *payload, size_t offset, size_t len, uint8_t *scratch)
{
    return tp_chain_peek(payload->chain, payload->offset + offset, len, scratch);
}

/* How many bytes from the payload's first one on lie in one piece with it. */
static inline size_t
family_flat_len(const struct family_payload *payload)
{
    const struct tp_slice *front = tp_chain_front(payload->chain);
    size_t flat = payload->offset < front->len ? front->len - payload->offset : 0;

    return flat < payload->len ? flat : payload->len;
}

/*
 * The payload's first `len` bytes in one piece, and in `*head` what holds them: the buffer in
 * which they lie, or one with a copy.  NULL when memory is out.
 */
const uint8_t *family_hold(struct tp_wire *wire, const struct family_payload *payload, size_t len,
                           struct tp_buf **head);

#endif
