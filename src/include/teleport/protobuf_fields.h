/*
 * teleport/protobuf_fields.h - protobuf messages whose fields are known: a table says which,
 * and where in a struct each belongs.  So are the headers of Teleport 2.5 and the packets of
 * its successors.
 *
 * Fields may come in any order and number; the last one counts.  Unknown ones are skipped,
 * whatever their type, groups too.  A known one of a wrong type is an error, as it is for the
 * original's generated code.
 *
 *     static const struct tp_protobuf_field rows[] = {
 *         TP_PROTOBUF_UINT64(1, struct header, seq),
 *         TP_PROTOBUF_BYTES(2, struct header, uri),
 *     };
 *     static const struct tp_protobuf_fields fields = { rows, TP_COUNT_OF(rows) };
 *
 * For what a protocol says in protobuf itself; bodies are the codecs' (teleport/codec.h).
 *
 * Read next: packet/protobuf_fields.c.
 */
#ifndef TELEPORT_PROTOBUF_FIELDS_H
#define TELEPORT_PROTOBUF_FIELDS_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tp_protobuf_kind {
    TP_PROTOBUF_KIND_UNKNOWN, /* skipped: a number that the table leaves out */
    TP_PROTOBUF_KIND_UINT64,
    TP_PROTOBUF_KIND_INT32,
    TP_PROTOBUF_KIND_BYTES, /* a string, bytes */
};

enum {
    TP_PROTOBUF_VARINT_MAX = 10,
    TP_PROTOBUF_FIELD_MAX = 1 + TP_PROTOBUF_VARINT_MAX, /* of a written field, without its bytes */
    TP_PROTOBUF_NUMBER_MAX = 15,                        /* so that the key is one byte */
};

/* One field; made with the macros below. */
struct tp_protobuf_field {
    uint8_t key;     /* what it begins with: its number and the type that it has on the wire */
    uint8_t kind;    /* enum tp_protobuf_kind */
    uint16_t offset; /* of its value in the struct */
};

#define TP_PROTOBUF_FIELD(number, struct_type, field, field_type, field_kind, wire_type) \
    [number] = {                                                                        \
        .key = (number) << 3 | (wire_type),                                             \
        .kind = (field_kind),                                                           \
        .offset = (uint16_t) TP_FIELD_OFFSET(struct_type, field, field_type),           \
    }
#define TP_PROTOBUF_UINT64(number, struct_type, field) \
    TP_PROTOBUF_FIELD(number, struct_type, field, uint64_t, TP_PROTOBUF_KIND_UINT64, 0)
#define TP_PROTOBUF_INT64(number, struct_type, field) \
    TP_PROTOBUF_FIELD(number, struct_type, field, int64_t, TP_PROTOBUF_KIND_UINT64, 0)
#define TP_PROTOBUF_INT32(number, struct_type, field) \
    TP_PROTOBUF_FIELD(number, struct_type, field, int32_t, TP_PROTOBUF_KIND_INT32, 0)
#define TP_PROTOBUF_BYTES(number, struct_type, field) \
    TP_PROTOBUF_FIELD(number, struct_type, field, struct tp_str, TP_PROTOBUF_KIND_BYTES, 2)

/* A message; a row's place in the table is its field's number, at most TP_PROTOBUF_NUMBER_MAX. */
struct tp_protobuf_fields {
    const struct tp_protobuf_field *rows;
    size_t count;
};

/*
 * Reads fields into `record`, which keeps what is not there, and returns `end`; or, where a
 * field is malformed or not all there, the place where that one begins.  Bytes become slices
 * of the message.
 */
const uint8_t *tp_protobuf_fields_read(const struct tp_protobuf_fields *fields, const uint8_t *at,
                                       const uint8_t *end, void *record) TP_MUST_CHECK;

/* Reads one number and returns the place behind it; NULL when it is malformed. */
const uint8_t *tp_protobuf_read_varint(const uint8_t *at, const uint8_t *end, uint64_t *value);

/* Each writes one field, or nothing where its value is zero, and returns the place behind it. */
uint8_t *tp_protobuf_write_uint64(uint8_t *to, unsigned number, uint64_t value);
uint8_t *tp_protobuf_write_int32(uint8_t *to, unsigned number, int32_t value);
uint8_t *tp_protobuf_write_bytes(uint8_t *to, unsigned number, struct tp_str bytes);

/* Writes what stands before `len` bytes, which may be none, of a field that has some. */
uint8_t *tp_protobuf_write_bytes_key(uint8_t *to, unsigned number, size_t len);

#ifdef __cplusplus
}
#endif

#endif
