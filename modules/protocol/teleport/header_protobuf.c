/*
 * header_protobuf.c - the header as a protobuf message.
 *
 * Fields may come in any order and number; the last one counts.  Unknown ones are skipped,
 * whatever their type.  A known one of a wrong type is an error, as it is for the
 * original's generated code.
 *
 * Runs in: worker.  Read next: teleport.c.
 */
#include "header.h"

#include <string.h>

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5,
};

/* Field number and wire type in one: the byte that a field begins with. */
enum field_key {
    KEY_SEQ = 1 << 3 | WIRE_VARINT,
    KEY_TYPE = 2 << 3 | WIRE_VARINT,
    KEY_URI = 3 << 3 | WIRE_BYTES,
    KEY_GZIP = 4 << 3 | WIRE_VARINT,
    KEY_STATUS_CODE = 5 << 3 | WIRE_VARINT,
    KEY_STATUS = 6 << 3 | WIRE_BYTES,
};

enum {
    FIELD_LAST_KNOWN = 6,
    FIELD_NUMBER_MAX = 536870911,
    VARINT_BYTES_MAX = 10,
    NUMBER_FIELD_MAX = 1 + VARINT_BYTES_MAX,
    TEXT_FIELD_MAX = 1 + VARINT_BYTES_MAX, /* without the text */
};

/* Readers return the place behind what they read, or NULL where it is malformed. */
static const uint8_t *protobuf_read_field(struct header_bytes from, uint64_t key,
                                          struct tp_packet *packet);
static const uint8_t *protobuf_read_varint(struct header_bytes from, uint64_t *value);
static const uint8_t *protobuf_read_long_varint(struct header_bytes from, uint64_t *value);
static const uint8_t *protobuf_read_int32(struct header_bytes from, int32_t *value);
static const uint8_t *protobuf_read_text(struct header_bytes from, struct tp_str *text);
static const uint8_t *protobuf_skip_field(struct header_bytes from, uint64_t key);
static const uint8_t *protobuf_skip_group(struct header_bytes from, uint64_t number);
static const uint8_t *protobuf_skip_value(struct header_bytes from, unsigned type);
static const uint8_t *protobuf_skip_bytes(struct header_bytes from, uint64_t len);
static uint8_t *protobuf_write_number(uint8_t *to, enum field_key key, uint64_t value);
static uint8_t *protobuf_write_int32(uint8_t *to, enum field_key key, int32_t value);
static uint8_t *protobuf_write_text(uint8_t *to, enum field_key key, struct tp_str text);
static uint8_t *protobuf_write_varint(uint8_t *to, uint64_t value);

const char *
teleport_header_read_protobuf(struct header_bytes header, struct tp_packet *packet)
{
    while (header.at < header.end) {
        uint64_t key;

        header.at = protobuf_read_varint(header, &key);
        if (header.at != NULL) {
            header.at = protobuf_read_field(header, key, packet);
        }
        if (header.at == NULL) {
            return "the protobuf header is malformed";
        }
    }
    return NULL;
}

size_t
teleport_header_protobuf_max(const struct tp_packet *packet)
{
    return 4 * NUMBER_FIELD_MAX + 2 * TEXT_FIELD_MAX + packet->uri.len + packet->status.text.len;
}

uint8_t *
teleport_header_write_protobuf(const struct tp_packet *packet, uint8_t *to)
{
    to = protobuf_write_number(to, KEY_SEQ, packet->seq);
    to = protobuf_write_int32(to, KEY_TYPE, packet->type);
    to = protobuf_write_text(to, KEY_URI, packet->uri);
    to = protobuf_write_int32(to, KEY_GZIP, packet->gzip_level);
    to = protobuf_write_int32(to, KEY_STATUS_CODE, packet->status.code);
    return protobuf_write_text(to, KEY_STATUS, packet->status.text);
}

static const uint8_t *
protobuf_read_field(struct header_bytes from, uint64_t key, struct tp_packet *packet)
{
    switch (key) {
    case KEY_SEQ:
        return protobuf_read_varint(from, &packet->seq);
    case KEY_TYPE:
        return protobuf_read_int32(from, &packet->type);
    case KEY_URI:
        return protobuf_read_text(from, &packet->uri);
    case KEY_GZIP:
        return protobuf_read_int32(from, &packet->gzip_level);
    case KEY_STATUS_CODE:
        return protobuf_read_int32(from, &packet->status.code);
    case KEY_STATUS:
        return protobuf_read_text(from, &packet->status.text);
    default:
        return protobuf_skip_field(from, key);
    }
}

static inline const uint8_t *
protobuf_read_varint(struct header_bytes from, uint64_t *value)
{
    if (from.at < from.end && *from.at < 0x80) {
        *value = *from.at;
        return from.at + 1;
    }
    return protobuf_read_long_varint(from, value);
}

static const uint8_t *
protobuf_read_long_varint(struct header_bytes from, uint64_t *value)
{
    uint64_t result = 0;

    for (unsigned shift = 0; shift < 7 * VARINT_BYTES_MAX && from.at < from.end; shift += 7) {
        uint8_t byte = *from.at++;

        /* Of the tenth byte only one bit has a place; the original drops the others too. */
        result |= (uint64_t) (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = result;
            return from.at;
        }
    }
    return NULL;
}

/* A negative number has ten bytes, or five from those who did not extend its sign. */
static const uint8_t *
protobuf_read_int32(struct header_bytes from, int32_t *value)
{
    uint64_t wide;
    const uint8_t *behind = protobuf_read_varint(from, &wide);

    if (behind != NULL) {
        *value = (int32_t) (uint32_t) wide;
    }
    return behind;
}

static const uint8_t *
protobuf_read_text(struct header_bytes from, struct tp_str *text)
{
    uint64_t len;

    from.at = protobuf_read_varint(from, &len);
    if (from.at == NULL || len > (uint64_t) (from.end - from.at)) {
        return NULL;
    }
    *text = (struct tp_str){ (const char *) from.at, (size_t) len };
    return from.at + len;
}

static const uint8_t *
protobuf_skip_field(struct header_bytes from, uint64_t key)
{
    uint64_t number = key >> 3;

    if (number <= FIELD_LAST_KNOWN || number > FIELD_NUMBER_MAX) {
        return NULL;
    }
    if ((key & 7) == WIRE_GROUP) {
        return protobuf_skip_group(from, number);
    }
    return protobuf_skip_value(from, key & 7);
}

/* Skips all up to the group's end; `number` is the field's. */
static const uint8_t *
protobuf_skip_group(struct header_bytes from, uint64_t number)
{
    uint64_t open[HEADER_NESTING_MAX];
    size_t depth = 0;
    uint64_t key = number << 3 | WIRE_GROUP;

    do {
        if ((key & 7) == WIRE_GROUP && depth < HEADER_NESTING_MAX) {
            open[depth++] = key >> 3;
        } else if ((key & 7) == WIRE_GROUP_END && open[depth - 1] == key >> 3) {
            depth--;
        } else {
            from.at = protobuf_skip_value(from, key & 7);
        }
        if (depth == 0 || from.at == NULL) {
            return from.at;
        }
        from.at = protobuf_read_varint(from, &key);
    } while (from.at != NULL && key >> 3 > 0 && key >> 3 <= FIELD_NUMBER_MAX);
    return NULL;
}

/* NULL for groups, which are no values, and for types that do not exist. */
static const uint8_t *
protobuf_skip_value(struct header_bytes from, unsigned type)
{
    uint64_t value;

    switch (type) {
    case WIRE_VARINT:
        return protobuf_read_varint(from, &value);
    case WIRE_FIXED64:
        return protobuf_skip_bytes(from, 8);
    case WIRE_BYTES:
        from.at = protobuf_read_varint(from, &value);
        return from.at == NULL ? NULL : protobuf_skip_bytes(from, value);
    case WIRE_FIXED32:
        return protobuf_skip_bytes(from, 4);
    default:
        return NULL;
    }
}

static const uint8_t *
protobuf_skip_bytes(struct header_bytes from, uint64_t len)
{
    return len > (uint64_t) (from.end - from.at) ? NULL : from.at + len;
}

static uint8_t *
protobuf_write_number(uint8_t *to, enum field_key key, uint64_t value)
{
    if (value == 0) {
        return to;
    }
    *to = (uint8_t) key;
    return protobuf_write_varint(to + 1, value);
}

static uint8_t *
protobuf_write_int32(uint8_t *to, enum field_key key, int32_t value)
{
    return protobuf_write_number(to, key, (uint64_t) (int64_t) value);
}

static uint8_t *
protobuf_write_text(uint8_t *to, enum field_key key, struct tp_str text)
{
    if (text.len == 0) {
        return to;
    }
    to = protobuf_write_number(to, key, text.len);
    memcpy(to, text.data, text.len);
    return to + text.len;
}

static uint8_t *
protobuf_write_varint(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t) (value | 0x80);
        value >>= 7;
    }
    *to = (uint8_t) value;
    return to + 1;
}
