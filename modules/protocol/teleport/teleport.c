/*
 * teleport.c - the protocol of Teleport 2.5: two lengths, a header and a body.
 *
 *     u32 header length | u8 header codec | header | u32 body length | u8 body codec | body
 *
 * A length counts its codec byte; a body length of 0 says that there is no body and no
 * codec byte.  Lengths are judged as soon as they are there, before what they announce.
 * Texts stay in the buffer they were read into, the body stays in its slices.
 *
 * Runs in: worker.  Read next: header_protobuf.c, header_json.c.
 */
#include <teleport/module.h>

#include "header.h"

enum {
    LENGTH_BYTES = 4,
    FRAME_BYTES = 2 * LENGTH_BYTES,      /* of a packet, besides what the lengths count */
    HEAD_BYTES_MIN = LENGTH_BYTES + 1,   /* where the header begins */
    ENCODED_EXTRA_MAX = FRAME_BYTES + 2, /* the lengths and both codec bytes */
};

/* What the lengths of the input's first packet say. */
struct teleport_frame {
    const struct tp_chain *input;
    const struct tp_slice *front; /* of the input: mostly all of the packet lies there */
    size_t header_len;            /* with the codec byte, as on the wire */
    size_t body_len;
    size_t wire_len; /* of the whole packet */
    uint8_t header_codec;
};

_Static_assert(sizeof(size_t) > LENGTH_BYTES, "two lengths and what frames them add up");

static enum tp_probe teleport_probe(const struct tp_wire *wire);
static enum tp_decode_outcome teleport_decode(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_decode_outcome teleport_read_frame(struct teleport_frame *frame, uint64_t limit,
                                                  const char **why);
static const uint8_t *teleport_peek(const struct teleport_frame *frame, size_t offset, size_t len,
                                    uint8_t *scratch);
static enum tp_decode_outcome teleport_read_header(const struct teleport_frame *frame,
                                                   struct tp_buf_pool *pool,
                                                   struct tp_packet *packet, const char **why);
static const uint8_t *teleport_hold_header(const struct teleport_frame *frame, size_t len,
                                           struct tp_buf_pool *pool, struct tp_buf **head);
static bool teleport_unescape(struct tp_packet *packet, size_t room, struct tp_buf_pool *pool);
static enum tp_decode_outcome teleport_take_body(struct tp_chain *input,
                                                 const struct teleport_frame *frame,
                                                 struct tp_packet *packet);
static enum tp_result teleport_encode(struct tp_wire *wire, const struct tp_packet *packet,
                                      struct tp_output *output);
static uint8_t *teleport_write(const struct tp_packet *packet, uint8_t *room);
static uint32_t teleport_read_length(const uint8_t *bytes);
static uint8_t *teleport_write_length(uint8_t *to, size_t length);

/* A length that may be, and behind it the header's codec, a letter. */
static enum tp_probe
teleport_probe(const struct tp_wire *wire)
{
    struct teleport_frame frame = { .input = wire->input, .front = tp_chain_front(wire->input) };
    const char *why;
    enum tp_decode_outcome outcome = teleport_read_frame(&frame, wire->limits.packet.bytes, &why);

    if (outcome == TP_DECODE_BROKEN || outcome == TP_DECODE_TOO_LARGE) {
        return TP_PROBE_NO;
    }
    return wire->input->len < HEAD_BYTES_MIN ? TP_PROBE_MORE : TP_PROBE_YES;
}

static enum tp_decode_outcome
teleport_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    struct tp_chain *input = wire->input;
    struct tp_buf_pool *pool = wire->pool;
    struct teleport_frame frame = { .input = input, .front = tp_chain_front(input) };
    enum tp_decode_outcome outcome =
        teleport_read_frame(&frame, wire->limits.packet.bytes, &wire->why);

    *packet = (struct tp_packet){ .type = 0 };
    if (outcome != TP_DECODE_PACKET) {
        return outcome;
    }
    outcome = teleport_read_header(&frame, pool, packet, &wire->why);
    if (outcome == TP_DECODE_PACKET) {
        outcome = teleport_take_body(input, &frame, packet);
    }
    if (outcome != TP_DECODE_PACKET) {
        tp_packet_clear(packet);
    }
    return outcome;
}

/* TP_DECODE_PACKET: all bytes of the packet are there, and not too many. */
static enum tp_decode_outcome
teleport_read_frame(struct teleport_frame *frame, uint64_t limit, const char **why)
{
    const struct tp_chain *input = frame->input;
    uint8_t scratch[HEAD_BYTES_MIN];
    size_t head_len = input->len < HEAD_BYTES_MIN ? input->len : HEAD_BYTES_MIN;

    if (head_len < LENGTH_BYTES) {
        return TP_DECODE_MORE;
    }
    const uint8_t *head = teleport_peek(frame, 0, head_len, scratch);

    frame->header_len = teleport_read_length(head);
    if (frame->header_len == 0) {
        *why = "the header's length is 0";
        return TP_DECODE_BROKEN;
    }
    if (FRAME_BYTES + (uint64_t) frame->header_len > limit) {
        *why = "the header is longer than a packet may be";
        return TP_DECODE_TOO_LARGE;
    }
    if (head_len < HEAD_BYTES_MIN) {
        return TP_DECODE_MORE;
    }
    frame->header_codec = head[LENGTH_BYTES];
    if (frame->header_codec != TP_CODEC_PROTOBUF && frame->header_codec != TP_CODEC_JSON) {
        *why = "the header's codec is neither JSON nor protobuf";
        return TP_DECODE_BROKEN;
    }
    if (input->len < FRAME_BYTES + frame->header_len) {
        return TP_DECODE_MORE;
    }
    frame->body_len = teleport_read_length(
        teleport_peek(frame, LENGTH_BYTES + frame->header_len, LENGTH_BYTES, scratch));
    frame->wire_len = FRAME_BYTES + frame->header_len + frame->body_len;
    if (frame->wire_len > limit) {
        *why = "the packet is longer than it may be";
        return TP_DECODE_TOO_LARGE;
    }
    return input->len < frame->wire_len ? TP_DECODE_MORE : TP_DECODE_PACKET;
}

/* A view of bytes of the packet, or of what there is of it; see tp_chain_peek(). */
static inline const uint8_t *
teleport_peek(const struct teleport_frame *frame, size_t offset, size_t len, uint8_t *scratch)
{
    return offset + len <= frame->front->len
               ? frame->front->data + offset
               : tp_chain_peek_far(frame->input, offset, len, scratch);
}

static enum tp_decode_outcome
teleport_read_header(const struct teleport_frame *frame, struct tp_buf_pool *pool,
                     struct tp_packet *packet, const char **why)
{
    size_t len = frame->header_len - 1;
    size_t unescaped_max = 0;
    const uint8_t *bytes = teleport_hold_header(frame, len, pool, &packet->head);

    if (bytes == NULL) {
        return TP_DECODE_NO_MEMORY;
    }
    struct header_bytes header = { bytes, bytes + len };

    packet->header_codec = frame->header_codec;
    *why = frame->header_codec == TP_CODEC_PROTOBUF
               ? teleport_header_read_protobuf(header, packet)
               : teleport_header_read_json(header, packet, &unescaped_max);
    if (*why != NULL) {
        return TP_DECODE_BROKEN;
    }
    if (unescaped_max > 0 && !teleport_unescape(packet, unescaped_max, pool)) {
        return TP_DECODE_NO_MEMORY;
    }
    if (packet->uri.len == 0 && packet->status.text.len == 0) {
        tp_buf_release(packet->head);
        packet->head = NULL;
    }
    return TP_DECODE_PACKET;
}

/*
 * The header's `len` bytes in one piece, and in `*head` what holds them: the buffer they
 * were read into, or a copy where they lie in several.  NULL when memory is out.
 */
static const uint8_t *
teleport_hold_header(const struct teleport_frame *frame, size_t len, struct tp_buf_pool *pool,
                     struct tp_buf **head)
{
    const struct tp_slice *front = frame->front;

    if (HEAD_BYTES_MIN + len <= front->len) {
        tp_buf_acquire(front->buf);
        *head = front->buf;
        return front->data + HEAD_BYTES_MIN;
    }
    *head = tp_buf_make(pool, len);
    if (*head == NULL) {
        return NULL;
    }
    tp_chain_copy(frame->input, HEAD_BYTES_MIN, len, (*head)->bytes);
    return (*head)->bytes;
}

/* Lets the texts lie in a buffer of their own, as they are meant. */
static bool
teleport_unescape(struct tp_packet *packet, size_t room, struct tp_buf_pool *pool)
{
    struct tp_buf *texts = tp_buf_make(pool, room);

    if (texts == NULL) {
        return false;
    }
    teleport_header_unescape_json(packet, texts->bytes);
    tp_buf_release(packet->head);
    packet->head = texts;
    return true;
}

/* The last step: takes the packet off the input. */
static enum tp_decode_outcome
teleport_take_body(struct tp_chain *input, const struct teleport_frame *frame,
                   struct tp_packet *packet)
{
    size_t offset = FRAME_BYTES + frame->header_len;
    uint8_t scratch;

    packet->wire_bytes = frame->wire_len;
    packet->reply_gzip = packet->gzip_level;
    if (frame->body_len > 0) {
        packet->has_body_codec = true;
        packet->body_codec = *teleport_peek(frame, offset, 1, &scratch);
        if (tp_chain_share_part(&packet->body, input, offset + 1, frame->body_len - 1) != TP_OK) {
            return TP_DECODE_NO_MEMORY;
        }
    }
    tp_chain_skip(input, frame->wire_len);
    return TP_DECODE_PACKET;
}

static enum tp_result
teleport_encode(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    bool is_protobuf = packet->header_codec == TP_CODEC_PROTOBUF;

    (void) wire;
    TP_ASSERT(is_protobuf || packet->header_codec == TP_CODEC_JSON);
    if (packet->uri.len >= UINT32_MAX || packet->status.text.len >= UINT32_MAX
        || packet->body.len >= UINT32_MAX) {
        return TP_TOO_LARGE;
    }
    size_t header_max =
        is_protobuf ? teleport_header_protobuf_max(packet) : teleport_header_json_max(packet);

    if (header_max >= UINT32_MAX) {
        return TP_TOO_LARGE;
    }
    uint8_t *room = tp_output_reserve(output, header_max + ENCODED_EXTRA_MAX);

    if (room == NULL) {
        return TP_NO_MEMORY;
    }
    uint8_t *end = teleport_write(packet, room);

    return tp_output_commit(output, (size_t) (end - room), &packet->body);
}

/* Writes all but the body itself. */
static uint8_t *
teleport_write(const struct tp_packet *packet, uint8_t *room)
{
    uint8_t *header = room + LENGTH_BYTES;

    *header = packet->header_codec;
    uint8_t *end = packet->header_codec == TP_CODEC_PROTOBUF
                       ? teleport_header_write_protobuf(packet, header + 1)
                       : teleport_header_write_json(packet, header + 1);

    teleport_write_length(room, (size_t) (end - header));
    if (packet->body.len == 0 && !packet->has_body_codec) {
        return teleport_write_length(end, 0);
    }
    end = teleport_write_length(end, packet->body.len + 1);
    *end = packet->body_codec;
    return end + 1;
}

static uint32_t
teleport_read_length(const uint8_t *bytes)
{
    return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8
           | bytes[3];
}

static uint8_t *
teleport_write_length(uint8_t *to, size_t length)
{
    to[0] = (uint8_t) (length >> 24);
    to[1] = (uint8_t) (length >> 16);
    to[2] = (uint8_t) (length >> 8);
    to[3] = (uint8_t) length;
    return to + LENGTH_BYTES;
}

static const struct tp_protocol tp_protocol_teleport = {
    .name = "teleport",
    .brief = "Teleport 2.5, the one that is spoken where nothing else is said.",
    .abilities = TP_PROTOCOL_PUSHES_UP | TP_PROTOCOL_PUSHES_DOWN | TP_PROTOCOL_PULLS_DOWN
                 | TP_PROTOCOL_BODY_GZIP,
    .credentials = TP_CREDENTIALS_PULL,
    .probe = teleport_probe,
    .decode = teleport_decode,
    .encode = teleport_encode,
};

static const struct tp_protocol *const teleport_protocols[] = { &tp_protocol_teleport };

const struct tp_module tp_module_teleport = {
    .name = "teleport",
    .brief = "The protocol of Teleport 2.5.",
    TP_PROTOCOLS(teleport_protocols),
};
