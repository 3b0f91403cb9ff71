/*
 * json_fields.c - JSON objects whose members a table knows.
 *
 * Programs write the members of such objects in the order of the table, and without white space.
 * So there is a reader for what is usual, which compares keys as words of bytes.  It does not say
 * what is wrong: where it finds anything else, the object is read once more, for what it means.
 *
 * Runs in: the loop's thread.  Read next: modules/protocol/teleport/header_json.c.
 */
#include <teleport/json_fields.h>

#include "packet/json_words.h"

#include <string.h>

enum {
    KEY_SYNTAX = 3, /* of a key: quotes and colon */
    NAME_BYTES_MAX = TP_JSON_KEY_MAX - KEY_SYNTAX,
    NAME_RAW_MAX = 6 * NAME_BYTES_MAX, /* each byte escaped as \uXXXX */
    NESTING_MAX = 64,                  /* of what is skipped */
    DIGITS_SAFE = 19,                  /* that cannot be too many for 64 bits */
    DIGITS_USUAL = 18,                 /* the same with a sign */
    DIGITS_USUAL_INT32 = 9,
};

struct json_reader {
    const struct tp_json_fields *fields;
    const uint8_t *at;
    const uint8_t *end;
    const char *why;  /* what is wrong, once something is */
    size_t texts_max; /* room for all texts, unescaped */
    bool must_unescape;
    void *record;
};

/* 00 to 99. */
static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

static const char malformed[] = "the JSON is malformed";
static const char mistyped[] = "a member of the JSON has a wrong type";
static const char out_of_range[] = "a number of the JSON is out of range";
static const char too_deep[] = "the JSON is nested too deeply";

static size_t json_count_digits(uint64_t value);
static bool json_read_usual(const struct tp_json_fields *fields, struct tp_str object, void *record,
                            size_t *unescaped_max);
static bool json_is_key(const uint8_t *at, const uint8_t *end, const struct tp_json_field *field);
static const uint8_t *json_read_usual_number(const uint8_t *at, const uint8_t *end,
                                             enum tp_json_kind kind, void *value);
static const uint8_t *json_read_usual_text(const uint8_t *at, const uint8_t *end,
                                           enum tp_json_manner manner, struct tp_json_text *text);
static const uint8_t *json_read_usual_any(const struct tp_json_fields *fields, const uint8_t *at,
                                          const uint8_t *end, struct tp_str *value);
static const char *json_read_carefully(const struct tp_json_fields *fields, struct tp_str object,
                                       void *record, size_t *unescaped_max);
static bool json_read_object(struct json_reader *reader);
static bool json_read_member(struct json_reader *reader);
static bool json_read_name(struct json_reader *reader, struct tp_json_text *name);
static const struct tp_json_field *json_find_field(const struct json_reader *reader,
                                                   const struct tp_json_text *name);
static bool json_is_name(const struct tp_json_field *field, const uint8_t *name, size_t len);
static uint8_t json_lower(uint8_t byte);
static bool json_read_value(struct json_reader *reader, const struct tp_json_field *field);
static bool json_read_uint64(struct json_reader *reader, uint64_t *value);
static bool json_read_int64(struct json_reader *reader, int64_t *value);
static bool json_read_int32(struct json_reader *reader, int32_t *value);
static bool json_read_digits(struct json_reader *reader, uint64_t *value);
static bool json_read_many_digits(struct json_reader *reader, uint64_t *value);
static bool json_is_whole(struct json_reader *reader, const uint8_t *begin);
static bool json_read_text(struct json_reader *reader, struct tp_str *value);
static bool json_read_any(struct json_reader *reader, struct tp_str *value);
static bool json_read_string(struct json_reader *reader, struct tp_json_text *text);
static bool json_skip_value(struct json_reader *reader, unsigned depth);
static bool json_skip_nested(struct json_reader *reader, unsigned depth);
static bool json_skip_number(struct json_reader *reader);
static bool json_skip_digits(struct json_reader *reader);
static bool json_skip_word(struct json_reader *reader, struct tp_str word);
static bool json_skip_byte(struct json_reader *reader, uint8_t byte);
static void json_skip_space(struct json_reader *reader);
static void json_skip_spaces(struct json_reader *reader);
static uint8_t json_look(const struct json_reader *reader);
static bool json_fail(struct json_reader *reader, const char *why);

const char *
tp_json_fields_read(const struct tp_json_fields *fields, struct tp_str object, void *record,
                    size_t *unescaped_max)
{
    return json_read_usual(fields, object, record, unescaped_max)
               ? NULL
               : json_read_carefully(fields, object, record, unescaped_max);
}

void
tp_json_fields_unescape(const struct tp_json_fields *fields, void *record, uint8_t *room)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->rows[i].kind != TP_JSON_KIND_TEXT) {
            continue;
        }
        struct tp_str *text = (void *) ((char *) record + fields->rows[i].offset);
        uint8_t *end = tp_json_text_unescape(*text, fields->manner, room);

        *text = (struct tp_str){ (const char *) room, (size_t) (end - room) };
        room = end;
    }
}

uint8_t *
tp_json_write_key(uint8_t *to, const struct tp_json_field *field, bool is_first)
{
    *to++ = is_first ? '{' : ',';
    memcpy(to, field->key, TP_JSON_KEY_MAX);
    return to + field->key_len;
}

uint8_t *
tp_json_write_int64(uint8_t *to, int64_t value)
{
    if (value >= 0) {
        return tp_json_write_uint64(to, (uint64_t) value);
    }
    *to++ = '-';
    return tp_json_write_uint64(to, 0 - (uint64_t) value);
}

uint8_t *
tp_json_write_uint64(uint8_t *to, uint64_t value)
{
    if (value < 10) {
        *to = (uint8_t) ('0' + value);
        return to + 1;
    }
    size_t len = json_count_digits(value);
    uint8_t *at = to + len;

    for (; value >= 100; value /= 100) {
        at -= 2;
        memcpy(at, digit_pairs + 2 * (value % 100), 2);
    }
    if (value >= 10) {
        memcpy(to, digit_pairs + 2 * value, 2);
    } else {
        *to = (uint8_t) ('0' + value);
    }
    return to + len;
}

/* Of a number that is not 0. */
static inline size_t
json_count_digits(uint64_t value)
{
    static const uint64_t powers[] = {
        UINT64_C(1),
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };
    /* Its bits by log10(2), which is 1 233 / 4 096: right, or one too few. */
    size_t count = (size_t) (64 - __builtin_clzll(value)) * 1233 >> 12;

    return count + (value >= powers[count]);
}

static inline bool
json_read_usual(const struct tp_json_fields *fields, struct tp_str object, void *record,
                size_t *unescaped_max)
{
    const struct tp_json_field *field = fields->rows;
    const struct tp_json_field *last = field + fields->count;
    const uint8_t *at = (const uint8_t *) object.data;
    const uint8_t *end = object.len == 0 ? at : at + object.len;
    size_t texts_max = 0;
    bool must_unescape = false;

    if (object.len == 0 || *at != '{') {
        return false;
    }
    do {
        at++;
        while (field < last && !json_is_key(at, end, field)) {
            field++;
        }
        if (field == last) {
            return false;
        }
        void *value = (char *) record + field->offset;

        at += field->key_len;
        if (field->kind == TP_JSON_KIND_TEXT) {
            struct tp_json_text text;

            at = json_read_usual_text(at, end, fields->manner, &text);
            if (at != NULL) {
                *(struct tp_str *) value = text.raw;
                texts_max += text.unescaped_max > 0 ? text.unescaped_max : text.raw.len;
                must_unescape |= text.unescaped_max > 0;
            }
        } else if (field->kind == TP_JSON_KIND_ANY) {
            at = json_read_usual_any(fields, at, end, value);
        } else {
            at = json_read_usual_number(at, end, (enum tp_json_kind) field->kind, value);
        }
        if (at == NULL) {
            return false;
        }
        field++;
    } while (at < end && *at == ',');
    *unescaped_max = must_unescape ? texts_max : 0;
    return end - at == 1 && *at == '}';
}

/* Two words from both ends, which overlap, are all of it. */
static inline bool
json_is_key(const uint8_t *at, const uint8_t *end, const struct tp_json_field *field)
{
    const char *key = field->key;
    size_t len = field->key_len;

    if ((size_t) (end - at) < len) {
        return false;
    }
    if (len >= sizeof(uint64_t)) {
        size_t rest = len - sizeof(uint64_t);

        return memcmp(at, key, sizeof(uint64_t)) == 0
               && memcmp(at + rest, key + rest, sizeof(uint64_t)) == 0;
    }
    size_t rest = len - sizeof(uint32_t);

    return memcmp(at, key, sizeof(uint32_t)) == 0
           && memcmp(at + rest, key + rest, sizeof(uint32_t)) == 0;
}

/* Returns the place behind the value, here and below; NULL where it is not as usual. */
static inline const uint8_t *
json_read_usual_number(const uint8_t *at, const uint8_t *end, enum tp_json_kind kind, void *value)
{
    const uint8_t *begin = at;
    uint64_t number = 0;

    for (unsigned digit; at < end && (digit = (unsigned) *at - '0') <= 9; at++) {
        number = number * 10 + digit;
    }
    if (at == begin || (*begin == '0' && at - begin > 1)) {
        return NULL;
    }
    if (kind == TP_JSON_KIND_INT32) {
        *(int32_t *) value = (int32_t) number;
        return at - begin <= DIGITS_USUAL_INT32 ? at : NULL;
    }
    *(uint64_t *) value = number;
    return at - begin <= DIGITS_USUAL ? at : NULL;
}

static inline const uint8_t *
json_read_usual_text(const uint8_t *at, const uint8_t *end, enum tp_json_manner manner,
                     struct tp_json_text *text)
{
    if (at == end || *at != '"') {
        return NULL;
    }
    const uint8_t *closing = tp__json_skip_plain(at + 1, end);

    if (closing == end || *closing != '"') {
        return tp_json_text_read(at, end, manner, text);
    }
    text->raw = (struct tp_str){ (const char *) at + 1, (size_t) (closing - at - 1) };
    text->unescaped_max = 0;
    return closing + 1;
}

static const uint8_t *
json_read_usual_any(const struct tp_json_fields *fields, const uint8_t *at, const uint8_t *end,
                    struct tp_str *value)
{
    struct json_reader reader = { .fields = fields, .at = at, .end = end };

    return json_read_any(&reader, value) ? reader.at : NULL;
}

/* Returns what is wrong, if anything is. */
static const char *
json_read_carefully(const struct tp_json_fields *fields, struct tp_str object, void *record,
                    size_t *unescaped_max)
{
    const uint8_t *begin = (const uint8_t *) object.data;
    struct json_reader reader = {
        .fields = fields,
        .at = begin,
        .end = object.len == 0 ? begin : begin + object.len,
        .record = record,
    };

    *unescaped_max = 0;
    if (!json_read_object(&reader)) {
        return reader.why;
    }
    if (reader.must_unescape) {
        /* All move to one room, also those that mean what they say. */
        *unescaped_max = reader.texts_max;
    }
    return NULL;
}

static bool
json_read_object(struct json_reader *reader)
{
    json_skip_space(reader);
    if (!json_skip_byte(reader, '{')) {
        return false;
    }
    json_skip_space(reader);
    bool is_closed = json_look(reader) == '}';

    while (!is_closed) {
        if (!json_read_member(reader)) {
            return false;
        }
        json_skip_space(reader);
        is_closed = json_look(reader) == '}';
        if (!is_closed && !json_skip_byte(reader, ',')) {
            return false;
        }
    }
    reader->at++;
    json_skip_space(reader);
    return reader->at == reader->end || json_fail(reader, malformed);
}

static bool
json_read_member(struct json_reader *reader)
{
    struct tp_json_text name;

    if (!json_read_name(reader, &name)) {
        return false;
    }
    const struct tp_json_field *field = json_find_field(reader, &name);

    return field == NULL ? json_skip_value(reader, 1) : json_read_value(reader, field);
}

/* Reads a name and its colon, with the white space around them. */
static bool
json_read_name(struct json_reader *reader, struct tp_json_text *name)
{
    json_skip_space(reader);
    if (json_look(reader) != '"') {
        return json_fail(reader, malformed);
    }
    if (!json_read_string(reader, name)) {
        return false;
    }
    json_skip_space(reader);
    if (!json_skip_byte(reader, ':')) {
        return false;
    }
    json_skip_space(reader);
    return true;
}

static const struct tp_json_field *
json_find_field(const struct json_reader *reader, const struct tp_json_text *name)
{
    uint8_t unescaped[NAME_RAW_MAX];
    const uint8_t *bytes = (const uint8_t *) name->raw.data;
    size_t len = name->raw.len;

    if (name->unescaped_max > sizeof(unescaped)) {
        return NULL;
    }
    if (name->unescaped_max > 0) {
        len = (size_t) (tp_json_text_unescape(name->raw, reader->fields->manner, unescaped)
                        - unescaped);
        bytes = unescaped;
    }
    for (size_t i = 0; i < reader->fields->count; i++) {
        if (json_is_name(&reader->fields->rows[i], bytes, len)) {
            return &reader->fields->rows[i];
        }
    }
    return NULL;
}

/* Letters may be of either case. */
static bool
json_is_name(const struct tp_json_field *field, const uint8_t *name, size_t len)
{
    if (len + KEY_SYNTAX != field->key_len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (json_lower(name[i]) != json_lower((uint8_t) field->key[1 + i])) {
            return false;
        }
    }
    return true;
}

static uint8_t
json_lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t) (byte | 0x20) : byte;
}

static inline bool
json_read_value(struct json_reader *reader, const struct tp_json_field *field)
{
    void *value = (char *) reader->record + field->offset;

    if (json_look(reader) == 'n' && field->kind != TP_JSON_KIND_ANY) {
        return json_skip_word(reader, TP_STR("null"));
    }
    switch (field->kind) {
    case TP_JSON_KIND_UINT64:
        return json_read_uint64(reader, value);
    case TP_JSON_KIND_INT64:
        return json_read_int64(reader, value);
    case TP_JSON_KIND_INT32:
        return json_read_int32(reader, value);
    case TP_JSON_KIND_TEXT:
        return json_read_text(reader, value);
    default:
        return json_read_any(reader, value);
    }
}

static inline bool
json_read_uint64(struct json_reader *reader, uint64_t *value)
{
    if (json_look(reader) == '-') {
        return json_fail(reader, out_of_range);
    }
    return json_read_digits(reader, value);
}

static bool
json_read_int64(struct json_reader *reader, int64_t *value)
{
    bool is_negative = json_look(reader) == '-';
    uint64_t magnitude;

    reader->at += is_negative;
    if (!json_read_digits(reader, &magnitude)) {
        return false;
    }
    if (magnitude > (uint64_t) INT64_MAX + is_negative) {
        return json_fail(reader, out_of_range);
    }
    *value = (int64_t) (is_negative ? 0 - magnitude : magnitude);
    return true;
}

static inline bool
json_read_int32(struct json_reader *reader, int32_t *value)
{
    bool is_negative = json_look(reader) == '-';
    uint64_t magnitude;

    reader->at += is_negative;
    if (!json_read_digits(reader, &magnitude)) {
        return false;
    }
    if (magnitude > (uint64_t) INT32_MAX + is_negative) {
        return json_fail(reader, out_of_range);
    }
    *value = (int32_t) (is_negative ? -(int64_t) magnitude : (int64_t) magnitude);
    return true;
}

/* A whole number without sign, to the last digit. */
static inline bool
json_read_digits(struct json_reader *reader, uint64_t *value)
{
    const uint8_t *begin = reader->at;
    const uint8_t *at = begin;
    uint64_t result = 0;

    while (at < reader->end && (unsigned) *at - '0' <= 9) {
        result = result * 10 + (*at++ - '0');
    }
    if (at - begin > DIGITS_SAFE) {
        return json_read_many_digits(reader, value);
    }
    reader->at = at;
    *value = result;
    return json_is_whole(reader, begin);
}

static bool
json_read_many_digits(struct json_reader *reader, uint64_t *value)
{
    const uint8_t *begin = reader->at;

    *value = 0;
    for (; json_look(reader) >= '0' && json_look(reader) <= '9'; reader->at++) {
        if (__builtin_mul_overflow(*value, 10, value)
            || __builtin_add_overflow(*value, (uint64_t) (*reader->at - '0'), value)) {
            return json_fail(reader, out_of_range);
        }
    }
    return json_is_whole(reader, begin);
}

/* Are the digits that begin there, and end here, a whole number as JSON writes it? */
static inline bool
json_is_whole(struct json_reader *reader, const uint8_t *begin)
{
    uint8_t behind = json_look(reader);

    if (reader->at == begin || behind == '.' || (behind | 0x20) == 'e') {
        return json_fail(reader, mistyped);
    }
    if (*begin == '0' && reader->at - begin > 1) {
        return json_fail(reader, malformed);
    }
    return true;
}

static inline bool
json_read_text(struct json_reader *reader, struct tp_str *value)
{
    struct tp_json_text text;

    if (json_look(reader) != '"') {
        return json_fail(reader, mistyped);
    }
    if (!json_read_string(reader, &text)) {
        return false;
    }
    *value = text.raw;
    reader->must_unescape |= text.unescaped_max > 0;
    reader->texts_max += text.unescaped_max > 0 ? text.unescaped_max : text.raw.len;
    return true;
}

static bool
json_read_any(struct json_reader *reader, struct tp_str *value)
{
    const uint8_t *begin = reader->at;

    if (!json_skip_value(reader, 1)) {
        return false;
    }
    *value = (struct tp_str){ (const char *) begin, (size_t) (reader->at - begin) };
    return true;
}

/* Stands on the opening quote. */
static inline bool
json_read_string(struct json_reader *reader, struct tp_json_text *text)
{
    const uint8_t *behind =
        tp_json_text_read(reader->at, reader->end, reader->fields->manner, text);

    if (behind == NULL) {
        return json_fail(reader, malformed);
    }
    reader->at = behind;
    return true;
}

/* `depth` says how many objects and arrays the value is in. */
static bool
json_skip_value(struct json_reader *reader, unsigned depth)
{
    struct tp_json_text text;

    switch (json_look(reader)) {
    case '"':
        return json_read_string(reader, &text);
    case '{':
    case '[':
        return depth < NESTING_MAX ? json_skip_nested(reader, depth) : json_fail(reader, too_deep);
    case 't':
        return json_skip_word(reader, TP_STR("true"));
    case 'f':
        return json_skip_word(reader, TP_STR("false"));
    case 'n':
        return json_skip_word(reader, TP_STR("null"));
    default:
        return json_skip_number(reader);
    }
}

/* Skips an object or an array.  Each calls the other at most NESTING_MAX times. */
static bool
json_skip_nested(struct json_reader *reader, unsigned depth)
{
    bool is_object = *reader->at++ == '{';
    uint8_t closing = is_object ? '}' : ']';
    struct tp_json_text name;

    json_skip_space(reader);
    bool is_closed = json_look(reader) == closing;

    while (!is_closed) {
        json_skip_space(reader);
        if ((is_object && !json_read_name(reader, &name)) || !json_skip_value(reader, depth + 1)) {
            return false;
        }
        json_skip_space(reader);
        is_closed = json_look(reader) == closing;
        if (!is_closed && !json_skip_byte(reader, ',')) {
            return false;
        }
    }
    reader->at++;
    return true;
}

static bool
json_skip_number(struct json_reader *reader)
{
    reader->at += json_look(reader) == '-';
    if (json_look(reader) == '0') {
        reader->at++;
    } else if (!json_skip_digits(reader)) {
        return false;
    }
    if (json_look(reader) == '.') {
        reader->at++;
        if (!json_skip_digits(reader)) {
            return false;
        }
    }
    if (json_look(reader) == 'e' || json_look(reader) == 'E') {
        reader->at++;
        reader->at += json_look(reader) == '+' || json_look(reader) == '-';
        return json_skip_digits(reader);
    }
    return true;
}

/* One digit or more. */
static bool
json_skip_digits(struct json_reader *reader)
{
    const uint8_t *begin = reader->at;

    while (json_look(reader) >= '0' && json_look(reader) <= '9') {
        reader->at++;
    }
    return reader->at > begin || json_fail(reader, malformed);
}

static bool
json_skip_word(struct json_reader *reader, struct tp_str word)
{
    if ((size_t) (reader->end - reader->at) < word.len
        || memcmp(reader->at, word.data, word.len) != 0) {
        return json_fail(reader, malformed);
    }
    reader->at += word.len;
    return true;
}

static bool
json_skip_byte(struct json_reader *reader, uint8_t byte)
{
    if (json_look(reader) != byte) {
        return json_fail(reader, malformed);
    }
    reader->at++;
    return true;
}

/* Nearly always there is none, which one comparison tells. */
static inline void
json_skip_space(struct json_reader *reader)
{
    if (reader->at < reader->end && *reader->at <= ' ') {
        json_skip_spaces(reader);
    }
}

static void
json_skip_spaces(struct json_reader *reader)
{
    while (reader->at < reader->end
           && (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n'
               || *reader->at == '\r')) {
        reader->at++;
    }
}

/* The next byte; NUL, which stands nowhere in JSON, behind the last one. */
static uint8_t
json_look(const struct json_reader *reader)
{
    return reader->at < reader->end ? *reader->at : '\0';
}

static bool
json_fail(struct json_reader *reader, const char *why)
{
    reader->why = why;
    return false;
}
