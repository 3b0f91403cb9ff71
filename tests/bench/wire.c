/*
 * wire.c - PULLs and REPLYs as bytes, with protobuf headers.
 *
 *     u32 header length | u8 codec | header | u32 body length | u8 codec | body
 *
 * Read next: engine.c.
 */
#include "wire.h"

#include <stdbool.h>
#include <string.h>

enum {
    WIRE_LENGTH_BYTES = 4,
    WIRE_VARINT_MAX = 10,
    WIRE_HEADER_CODEC = 'p',
};

/* Keys of the header's fields: number and kind. */
enum {
    FIELD_SEQ = 1 << 3,
    FIELD_TYPE = 2 << 3,
    FIELD_URI = 3 << 3 | 2,
    FIELD_STATUS_CODE = 5 << 3,
    FIELD_STATUS = 6 << 3 | 2,
    FIELD_KIND_MASK = 7,
    FIELD_KIND_VARINT = 0,
    FIELD_KIND_BYTES = 2,
};

/* What has not been read yet of a header. */
struct wire_rest {
    const uint8_t *at;
    const uint8_t *end;
};

static void wire_write_length(uint8_t *to, size_t len);
static uint8_t *wire_write_varint(uint8_t *to, uint64_t value);
static size_t wire_read_length(const uint8_t *from);
static bool wire_read_header(struct wire_rest rest, struct tp_wire_reply *reply);
static bool wire_read_varint(struct wire_rest *rest, uint64_t *value);

size_t
tp__wire_pull_max(const struct tp_wire_pull *pull)
{
    size_t field_bytes = 1 + WIRE_VARINT_MAX;

    return 2 * (WIRE_LENGTH_BYTES + 1) + 3 * field_bytes + strlen(pull->uri) + pull->body_len;
}

size_t
tp__wire_write_pull(uint8_t *to, const struct tp_wire_pull *pull)
{
    size_t uri_len = strlen(pull->uri);
    uint8_t *at = to + WIRE_LENGTH_BYTES;

    *at++ = WIRE_HEADER_CODEC;
    *at++ = FIELD_SEQ;
    at = wire_write_varint(at, pull->seq);
    *at++ = FIELD_TYPE;
    *at++ = TP_WIRE_PULL;
    *at++ = FIELD_URI;
    at = wire_write_varint(at, uri_len);
    memcpy(at, pull->uri, uri_len);
    at += uri_len;
    wire_write_length(to, (size_t) (at - to) - WIRE_LENGTH_BYTES);

    wire_write_length(at, pull->body_len + 1);
    at += WIRE_LENGTH_BYTES;
    *at++ = pull->body_codec;
    if (pull->body_len > 0) {
        memcpy(at, pull->body, pull->body_len);
    }
    return (size_t) (at - to) + pull->body_len;
}

enum tp_wire_outcome
tp__wire_read_reply(const uint8_t *bytes, size_t len, struct tp_wire_reply *reply)
{
    if (len < WIRE_LENGTH_BYTES) {
        return TP_WIRE_MORE;
    }
    size_t header_len = wire_read_length(bytes);
    size_t body_at = WIRE_LENGTH_BYTES + header_len + WIRE_LENGTH_BYTES;

    if (header_len == 0) {
        return TP_WIRE_BROKEN;
    }
    if (len < body_at) {
        return TP_WIRE_MORE;
    }
    size_t body_len = wire_read_length(bytes + body_at - WIRE_LENGTH_BYTES);

    if (len - body_at < body_len) {
        return TP_WIRE_MORE;
    }
    const uint8_t *header = bytes + WIRE_LENGTH_BYTES;

    *reply = (struct tp_wire_reply){ .body = bytes + body_at, .wire_len = body_at + body_len };
    if (body_len > 0) {
        reply->body++; /* behind the codec */
        reply->body_len = body_len - 1;
    }
    if (header[0] != WIRE_HEADER_CODEC
        || !wire_read_header((struct wire_rest){ header + 1, header + header_len }, reply)) {
        return TP_WIRE_BROKEN;
    }
    return TP_WIRE_WHOLE;
}

static void
wire_write_length(uint8_t *to, size_t len)
{
    to[0] = (uint8_t) (len >> 24);
    to[1] = (uint8_t) (len >> 16);
    to[2] = (uint8_t) (len >> 8);
    to[3] = (uint8_t) len;
}

static uint8_t *
wire_write_varint(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t) (value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t) value;
    return to;
}

static size_t
wire_read_length(const uint8_t *from)
{
    return (size_t) from[0] << 24 | (size_t) from[1] << 16 | (size_t) from[2] << 8 | from[3];
}

/* Returns false when it is broken. */
static bool
wire_read_header(struct wire_rest rest, struct tp_wire_reply *reply)
{
    while (rest.at < rest.end) {
        uint64_t key;
        uint64_t value;
        const uint8_t *text = NULL;

        if (!wire_read_varint(&rest, &key) || !wire_read_varint(&rest, &value)) {
            return false;
        }
        if ((key & FIELD_KIND_MASK) == FIELD_KIND_BYTES) {
            if (value > (uint64_t) (rest.end - rest.at)) {
                return false;
            }
            text = rest.at;
            rest.at += value;
        } else if ((key & FIELD_KIND_MASK) != FIELD_KIND_VARINT) {
            return false;
        }
        if (key == FIELD_SEQ) {
            reply->seq = value;
        } else if (key == FIELD_TYPE) {
            reply->type = value;
        } else if (key == FIELD_STATUS_CODE) {
            reply->status_code = (int32_t) (uint32_t) value;
        } else if (key == FIELD_STATUS) {
            reply->status = text;
            reply->status_len = (size_t) value;
        }
    }
    return true;
}

static bool
wire_read_varint(struct wire_rest *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && rest->at < rest->end; shift += 7) {
        uint8_t byte = *rest->at++;

        *value |= (uint64_t) (byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}
