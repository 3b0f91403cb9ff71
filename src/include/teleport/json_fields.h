/*
 * teleport/json_fields.h - JSON objects whose members are known: a table says which, and where
 * in a struct each belongs.  So are the headers of Teleport 2.5 and the packets of its
 * successors.
 *
 * Read as the original reads them: names in any case, unknown ones skipped, the last of a
 * repeated one counts, null says nothing, white space anywhere.  But it has to be JSON all
 * through, and a known member of a wrong type is an error.  No general JSON library will do:
 * most make a large number a double, and pass bytes that are no UTF-8.
 *
 *     static const struct tp_json_field rows[] = {
 *         TP_JSON_UINT64("seq", struct header, seq),
 *         TP_JSON_TEXT("uri", struct header, uri),
 *     };
 *     static const struct tp_json_fields fields = { rows, TP_COUNT_OF(rows), TP_JSON_STRICT };
 *
 * Read next: teleport/json_text.h, packet/json_fields.c.
 */
#ifndef TELEPORT_JSON_FIELDS_H
#define TELEPORT_JSON_FIELDS_H

#include <teleport/json_text.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tp_json_kind {
    TP_JSON_KIND_UINT64,
    TP_JSON_KIND_INT64,
    TP_JSON_KIND_INT32,
    TP_JSON_KIND_TEXT, /* a string, as it is written, without its quotes */
    TP_JSON_KIND_ANY,  /* a value of any kind, as it is written */
};

enum {
    TP_JSON_KEY_MAX = 16,    /* a name of at most 13 bytes, with its quotes and colon */
    TP_JSON_NUMBER_MAX = 20, /* bytes of a written number */
};

/* One member; made with the macros below. */
struct tp_json_field {
    char key[TP_JSON_KEY_MAX]; /* as it is mostly written: "name": */
    uint8_t key_len;
    uint8_t kind;    /* enum tp_json_kind */
    uint16_t offset; /* of its value in the struct */
};

#define TP_JSON_FIELD(name, struct_type, field, field_type, field_kind)    \
    {                                                                      \
        .key = "\"" name "\":", .key_len = sizeof("\"" name "\":") - 1,    \
        .kind = (field_kind),                                              \
        .offset = (uint16_t) TP_FIELD_OFFSET(struct_type, field, field_type) \
    }
#define TP_JSON_UINT64(name, struct_type, field) \
    TP_JSON_FIELD(name, struct_type, field, uint64_t, TP_JSON_KIND_UINT64)
#define TP_JSON_INT64(name, struct_type, field) \
    TP_JSON_FIELD(name, struct_type, field, int64_t, TP_JSON_KIND_INT64)
#define TP_JSON_INT32(name, struct_type, field) \
    TP_JSON_FIELD(name, struct_type, field, int32_t, TP_JSON_KIND_INT32)
#define TP_JSON_TEXT(name, struct_type, field) \
    TP_JSON_FIELD(name, struct_type, field, struct tp_str, TP_JSON_KIND_TEXT)
#define TP_JSON_ANY(name, struct_type, field) \
    TP_JSON_FIELD(name, struct_type, field, struct tp_str, TP_JSON_KIND_ANY)

/* An object, its members in the order in which they are mostly written. */
struct tp_json_fields {
    const struct tp_json_field *rows;
    size_t count;
    enum tp_json_manner manner; /* of its strings */
};

/*
 * Reads the object into `record`, which keeps what the object does not name.  Returns NULL, or
 * what is wrong, for the log.  Texts become slices of the object as they are written there;
 * where that is not what all of them mean, `*unescaped_max` says how much room
 * tp_json_fields_unescape() needs, else it is 0.
 */
const char *tp_json_fields_read(const struct tp_json_fields *fields, struct tp_str object,
                                void *record, size_t *unescaped_max) TP_MUST_CHECK;

/* Writes all texts of `record` to `room` as they are meant, and lets them lie there. */
void tp_json_fields_unescape(const struct tp_json_fields *fields, void *record, uint8_t *room);

/*
 * Writes what stands before the field's value, a comma or the object's brace included, and
 * returns the place behind it.  It needs room for 1 + TP_JSON_KEY_MAX bytes.
 */
uint8_t *tp_json_write_key(uint8_t *to, const struct tp_json_field *field, bool is_first);

/* Each writes at most TP_JSON_NUMBER_MAX bytes. */
uint8_t *tp_json_write_uint64(uint8_t *to, uint64_t value);
uint8_t *tp_json_write_int64(uint8_t *to, int64_t value);

#ifdef __cplusplus
}
#endif

#endif
