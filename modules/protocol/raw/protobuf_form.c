/*
 * protobuf_form.c - the payload of the protobuf protocol: a message with the body in it.
 *
 * Everybody writes the body last, so a body of any length stays in its slices; a message in
 * another order that does not lie in one piece is copied together.
 *
 * Runs in: worker.  Read next: teleport/protobuf_fields.h, family.c.
 */
#include "family.h"

#include <teleport/protobuf_fields.h>

#include <string.h>

enum protobuf_field {
    FIELD_SEQ = 1,
    FIELD_TYPE = 2,
    FIELD_URI = 3,
    FIELD_STATUS = 4,
    FIELD_METADATA = 5,
    FIELD_BODY_CODEC = 6,
    FIELD_BODY = 7,
};

static const struct tp_protobuf_field protobuf_rows[] = {
    TP_PROTOBUF_INT64(FIELD_SEQ, struct tp_family_message, seq),
    TP_PROTOBUF_INT32(FIELD_TYPE, struct tp_family_message, type),
    TP_PROTOBUF_BYTES(FIELD_URI, struct tp_family_message, uri),
    TP_PROTOBUF_BYTES(FIELD_STATUS, struct tp_family_message, status),
    TP_PROTOBUF_BYTES(FIELD_METADATA, struct tp_family_message, metadata),
    TP_PROTOBUF_INT32(FIELD_BODY_CODEC, struct tp_family_message, body_codec),
    TP_PROTOBUF_BYTES(FIELD_BODY, struct tp_family_message, body),
};
static const struct tp_protobuf_fields protobuf_fields = { protobuf_rows,
                                                           TP_COUNT_OF(protobuf_rows) };

enum {
    FIRST_KEY_SEQ = FIELD_SEQ << 3,
    FIRST_KEY_TYPE = FIELD_TYPE << 3, /* of a packet whose seq is 0 */
};

static bool protobuf_begins_with(uint8_t byte);
static enum tp_decode_outcome protobuf_read(struct tp_wire *wire,
                                            const struct family_payload *payload,
                                            struct tp_packet *packet);
static size_t protobuf_find_body(const struct family_payload *payload, size_t at);
static enum tp_result protobuf_take_body(const struct family_payload *payload, size_t offset,
                                         const struct tp_family_message *message,
                                         struct tp_packet *packet);
static size_t protobuf_write_max(const struct tp_packet *packet);
static uint8_t *protobuf_write(const struct tp_packet *packet, uint8_t *to);
static uint8_t *protobuf_write_status(const struct tp_packet *packet, uint8_t *to);
static uint8_t *protobuf_write_metadata(const struct tp_packet *packet, uint8_t *to);

const struct family_form protobuf_form = {
    .size_counts_itself = false,
    .begins_with = protobuf_begins_with,
    .read = protobuf_read,
    .write_max = protobuf_write_max,
    .write = protobuf_write,
    .writes_body = false,
};

static bool
protobuf_begins_with(uint8_t byte)
{
    return byte == FIRST_KEY_SEQ || byte == FIRST_KEY_TYPE;
}

static enum tp_decode_outcome
protobuf_read(struct tp_wire *wire, const struct family_payload *payload, struct tp_packet *packet)
{
    struct tp_family_message message = { .seq = 0 };
    size_t flat = family_flat_len(payload);
    const uint8_t *begin = family_hold(wire, payload, flat, &packet->head);
    size_t body_offset = 0;

    if (begin == NULL) {
        return TP_DECODE_NO_MEMORY;
    }
    const uint8_t *behind =
        tp_protobuf_fields_read(&protobuf_fields, begin, begin + flat, &message);

    if (flat < payload->len) {
        body_offset = protobuf_find_body(payload, (size_t) (behind - begin));
    }
    if (flat < payload->len && body_offset == 0) {
        message = (struct tp_family_message){ .seq = 0 };
        tp_buf_release(packet->head);
        flat = payload->len;
        begin = family_hold(wire, payload, flat, &packet->head);
        if (begin == NULL) {
            return TP_DECODE_NO_MEMORY;
        }
        behind = tp_protobuf_fields_read(&protobuf_fields, begin, begin + flat, &message);
    }
    if (behind != begin + flat && body_offset == 0) {
        wire->why = "the protobuf message is malformed";
        return TP_DECODE_BROKEN;
    }
    if (protobuf_take_body(payload, body_offset, &message, packet) != TP_OK) {
        return TP_DECODE_NO_MEMORY;
    }
    return tp_family_take(wire, &message, packet);
}

/* Where the bytes of the body begin, when it is the field at `at` and the last one; else 0. */
static size_t
protobuf_find_body(const struct family_payload *payload, size_t at)
{
    uint8_t scratch[TP_PROTOBUF_FIELD_MAX];
    size_t left = payload->len - at;
    size_t len = left < sizeof(scratch) ? left : sizeof(scratch);
    const uint8_t *field = family_peek(payload, at, len, scratch);
    uint64_t body_len;

    if (len == 0 || *field != protobuf_rows[FIELD_BODY].key) {
        return 0;
    }
    const uint8_t *body = tp_protobuf_read_varint(field + 1, field + len, &body_len);

    if (body == NULL || body_len != left - (size_t) (body - field)) {
        return 0;
    }
    return at + (size_t) (body - field);
}

/* From the chain, where it is known to begin at `offset`; else what the message says. */
static enum tp_result
protobuf_take_body(const struct family_payload *payload, size_t offset,
                   const struct tp_family_message *message, struct tp_packet *packet)
{
    if (offset > 0) {
        return tp_chain_share_part(&packet->body, payload->chain, payload->offset + offset,
                                   payload->len - offset);
    }
    tp_buf_acquire(packet->head);
    return tp_chain_append(
        &packet->body,
        (struct tp_slice){ packet->head, (const uint8_t *) message->body.data, message->body.len });
}

static size_t
protobuf_write_max(const struct tp_packet *packet)
{
    return TP_COUNT_OF(protobuf_rows) * TP_PROTOBUF_FIELD_MAX + packet->uri.len
           + tp_family_status_len(packet) + packet->metadata.len + TP_FAMILY_ACCEPT_MAX;
}

static uint8_t *
protobuf_write(const struct tp_packet *packet, uint8_t *to)
{
    to = tp_protobuf_write_uint64(to, FIELD_SEQ, packet->seq);
    to = tp_protobuf_write_int32(to, FIELD_TYPE, packet->type);
    if (!tp_family_is_reply(packet->type)) {
        to = tp_protobuf_write_bytes(to, FIELD_URI, packet->uri);
    }
    to = protobuf_write_status(packet, to);
    to = protobuf_write_metadata(packet, to);
    if (packet->has_body_codec) {
        to = tp_protobuf_write_int32(to, FIELD_BODY_CODEC, packet->body_codec);
    }
    return packet->body.len == 0 ? to
                                 : tp_protobuf_write_bytes_key(to, FIELD_BODY, packet->body.len);
}

static uint8_t *
protobuf_write_status(const struct tp_packet *packet, uint8_t *to)
{
    to = tp_protobuf_write_bytes_key(to, FIELD_STATUS, tp_family_status_len(packet));
    return tp_family_write_status(packet, to);
}

static uint8_t *
protobuf_write_metadata(const struct tp_packet *packet, uint8_t *to)
{
    uint8_t accept[TP_FAMILY_ACCEPT_MAX];
    size_t accept_len = tp_family_write_accept(packet, accept);
    size_t len = packet->metadata.len;

    if (len + accept_len == 0) {
        return to;
    }
    to = tp_protobuf_write_bytes_key(to, FIELD_METADATA, len + accept_len);
    if (len > 0) {
        memcpy(to, packet->metadata.data, len);
    }
    memcpy(to + len, accept, accept_len);
    return to + len + accept_len;
}
