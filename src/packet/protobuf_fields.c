/*
 * protobuf_fields.c - protobuf messages whose fields a table knows.
 *
 * Runs in: the loop's thread.  Read next: modules/protocol/teleport/header_protobuf.c.
 */
#include <teleport/protobuf_fields.h>

#include <string.h>

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_GROUP = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5,
};

enum {
    KEY_TYPE_BITS = 3,
    KEY_TYPE_MASK = (1 << KEY_TYPE_BITS) - 1,
    FIELD_NUMBER_MAX = 536870911,
    GROUPS_MAX = 64,      /* one in the other */
    NUMBER_BYTES_FEW = 3, /* of a number or length that is read without a loop */
};

/* What is left of a message, all there. */
struct protobuf_bytes {
    const uint8_t *at;
    const uint8_t *end;
};

/* Readers return the place behind what they read, or NULL where it is malformed. */
static const uint8_t *protobuf_read_field(const struct tp_protobuf_fields *fields,
                                          struct protobuf_bytes from, void *record);
static const uint8_t *protobuf_read_long_field(const struct tp_protobuf_fields *fields,
                                               struct protobuf_bytes from, void *record);
static const uint8_t *protobuf_take_value(const struct tp_protobuf_field *row,
                                          struct protobuf_bytes from, uint64_t number,
                                          void *record);
static const uint8_t *protobuf_take_bytes(struct protobuf_bytes from, uint64_t len,
                                          struct tp_str *bytes);
static const uint8_t *protobuf_read_varint(struct protobuf_bytes from, uint64_t *value);
static const uint8_t *protobuf_read_long_varint(struct protobuf_bytes from, uint64_t *value);
static const uint8_t *protobuf_skip_field(struct protobuf_bytes from, uint64_t key);
static const uint8_t *protobuf_skip_group(struct protobuf_bytes from, uint64_t number);
static const uint8_t *protobuf_skip_value(struct protobuf_bytes from, unsigned type);
static const uint8_t *protobuf_skip_bytes(struct protobuf_bytes from, uint64_t len);
static uint8_t *protobuf_write_key(uint8_t *to, unsigned number, enum wire_type type);
static uint8_t *protobuf_write_varint(uint8_t *to, uint64_t value);

const uint8_t *
tp_protobuf_fields_read(const struct tp_protobuf_fields *fields, const uint8_t *at,
                        const uint8_t *end, void *record)
{
    struct protobuf_bytes from = { at, end };

    while (from.at < end) {
        at = from.at;
        from.at = protobuf_read_field(fields, from, record);
        if (from.at == NULL) {
            return at;
        }
    }
    return end;
}

const uint8_t *
tp_protobuf_read_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    return protobuf_read_varint((struct protobuf_bytes){ at, end }, value);
}

uint8_t *
tp_protobuf_write_uint64(uint8_t *to, unsigned number, uint64_t value)
{
    if (value == 0) {
        return to;
    }
    return protobuf_write_varint(protobuf_write_key(to, number, WIRE_VARINT), value);
}

uint8_t *
tp_protobuf_write_int32(uint8_t *to, unsigned number, int32_t value)
{
    return tp_protobuf_write_uint64(to, number, (uint64_t) (int64_t) value);
}

uint8_t *
tp_protobuf_write_bytes(uint8_t *to, unsigned number, struct tp_str bytes)
{
    if (bytes.len == 0) {
        return to;
    }
    to = tp_protobuf_write_bytes_key(to, number, bytes.len);
    memcpy(to, bytes.data, bytes.len);
    return to + bytes.len;
}

uint8_t *
tp_protobuf_write_bytes_key(uint8_t *to, unsigned number, size_t len)
{
    return protobuf_write_varint(protobuf_write_key(to, number, WIRE_BYTES), len);
}

/*
 * Nearly always a field is a known one whose key has a byte.  Lengths mostly have one, too; numbers
 * more: a status of 200 has two, and so has what is counted soon.
 */
static inline const uint8_t *
protobuf_read_field(const struct tp_protobuf_fields *fields, struct protobuf_bytes from,
                    void *record)
{
    uint8_t key = from.at[0];
    size_t number = key >> KEY_TYPE_BITS;

    /* Row 0 is none; its key of 0 is that of a field 0, which is malformed. */
    if (number - 1 >= fields->count - 1 || fields->rows[number].key != key
        || from.end - from.at <= NUMBER_BYTES_FEW) {
        return protobuf_read_long_field(fields, from, record);
    }
    const uint8_t *value_at = from.at + 1;
    uint32_t value = value_at[0];

    if (value >= 0x80) {
        value_at++;
        value = (value & 0x7f) | (uint32_t) value_at[0] << 7;
        if (value_at[0] >= 0x80) {
            value_at++;
            value = (value & 0x3fff) | (uint32_t) value_at[0] << 14;
            if (value_at[0] >= 0x80) {
                return protobuf_read_long_field(fields, from, record);
            }
        }
    }
    from.at = value_at + 1;
    return protobuf_take_value(&fields->rows[number], from, value, record);
}

static const uint8_t *
protobuf_read_long_field(const struct tp_protobuf_fields *fields, struct protobuf_bytes from,
                         void *record)
{
    uint64_t key;
    uint64_t wide;

    from.at = protobuf_read_varint(from, &key);
    if (from.at == NULL) {
        return NULL;
    }
    uint64_t number = key >> KEY_TYPE_BITS;

    if (number >= fields->count || fields->rows[number].kind == TP_PROTOBUF_KIND_UNKNOWN) {
        return protobuf_skip_field(from, key);
    }
    if (fields->rows[number].key != key) {
        return NULL;
    }
    from.at = protobuf_read_varint(from, &wide);
    return from.at == NULL ? NULL : protobuf_take_value(&fields->rows[number], from, wide, record);
}

/* Puts the field's number into the record, or the bytes whose length it is. */
static inline const uint8_t *
protobuf_take_value(const struct tp_protobuf_field *row, struct protobuf_bytes from,
                    uint64_t number, void *record)
{
    void *value = (char *) record + row->offset;

    switch (row->kind) {
    case TP_PROTOBUF_KIND_UINT64:
        *(uint64_t *) value = number;
        return from.at;
    case TP_PROTOBUF_KIND_INT32:
        /* A negative number has ten bytes, or five from those who did not extend its sign. */
        *(int32_t *) value = (int32_t) (uint32_t) number;
        return from.at;
    default:
        return protobuf_take_bytes(from, number, value);
    }
}

static inline const uint8_t *
protobuf_take_bytes(struct protobuf_bytes from, uint64_t len, struct tp_str *bytes)
{
    if (len > (uint64_t) (from.end - from.at)) {
        return NULL;
    }
    *bytes = (struct tp_str){ (const char *) from.at, (size_t) len };
    return from.at + len;
}

static inline const uint8_t *
protobuf_read_varint(struct protobuf_bytes from, uint64_t *value)
{
    if (from.at < from.end && *from.at < 0x80) {
        *value = *from.at;
        return from.at + 1;
    }
    return protobuf_read_long_varint(from, value);
}

static const uint8_t *
protobuf_read_long_varint(struct protobuf_bytes from, uint64_t *value)
{
    uint64_t result = 0;

    for (unsigned shift = 0; shift < 7 * TP_PROTOBUF_VARINT_MAX && from.at < from.end; shift += 7) {
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

static const uint8_t *
protobuf_skip_field(struct protobuf_bytes from, uint64_t key)
{
    uint64_t number = key >> KEY_TYPE_BITS;

    if (number == 0 || number > FIELD_NUMBER_MAX) {
        return NULL;
    }
    if ((key & KEY_TYPE_MASK) == WIRE_GROUP) {
        return protobuf_skip_group(from, number);
    }
    return protobuf_skip_value(from, key & KEY_TYPE_MASK);
}

/* Skips all up to the group's end; `number` is the field's. */
static const uint8_t *
protobuf_skip_group(struct protobuf_bytes from, uint64_t number)
{
    uint64_t open[GROUPS_MAX];
    size_t depth = 0;
    uint64_t key = number << KEY_TYPE_BITS | WIRE_GROUP;

    do {
        uint64_t type = key & KEY_TYPE_MASK;

        number = key >> KEY_TYPE_BITS;
        if (type == WIRE_GROUP && depth < GROUPS_MAX) {
            open[depth++] = number;
        } else if (type == WIRE_GROUP_END && open[depth - 1] == number) {
            depth--;
        } else {
            from.at = protobuf_skip_value(from, (unsigned) type);
        }
        if (depth == 0 || from.at == NULL) {
            return from.at;
        }
        from.at = protobuf_read_varint(from, &key);
    } while (from.at != NULL && key >> KEY_TYPE_BITS > 0
             && key >> KEY_TYPE_BITS <= FIELD_NUMBER_MAX);
    return NULL;
}

/* NULL for groups, which are no values, and for types that do not exist. */
static const uint8_t *
protobuf_skip_value(struct protobuf_bytes from, unsigned type)
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
protobuf_skip_bytes(struct protobuf_bytes from, uint64_t len)
{
    return len > (uint64_t) (from.end - from.at) ? NULL : from.at + len;
}

static inline uint8_t *
protobuf_write_key(uint8_t *to, unsigned number, enum wire_type type)
{
    TP_ASSERT(number <= TP_PROTOBUF_NUMBER_MAX);
    *to = (uint8_t) (number << KEY_TYPE_BITS | type);
    return to + 1;
}

static inline uint8_t *
protobuf_write_varint(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t) (value | 0x80);
        value >>= 7;
    }
    *to = (uint8_t) value;
    return to + 1;
}
