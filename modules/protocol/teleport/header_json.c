/*
 * header_json.c - the header as a JSON object.
 *
 * Read as the original reads it: names in any case, unknown ones skipped, the last of a
 * repeated one counts, null says nothing, white space anywhere.  But it has to be JSON all
 * through, and a field of a wrong type is an error.  No general JSON library will do: most
 * make a large seq a double, and pass bytes that are no UTF-8.
 *
 * Runs in: worker.  Read next: json_text.c, teleport.c.
 */
#include "header.h"
#include "json_text.h"

#include <string.h>

enum {
    NAME_BYTES_MAX = 11, /* "status_code" */
    NAME_RAW_MAX = 6 * NAME_BYTES_MAX,
    NUMBER_BYTES_MAX = 20,
    SYNTAX_BYTES_MAX = 96, /* of a written header: all names, with quotes, colons and commas */
};

struct json_reader {
    const uint8_t *at;
    const uint8_t *end;
    const char *why; /* what is wrong, once something is */
    struct json_text uri;
    struct json_text status;
};

enum json_field {
    FIELD_SEQ,
    FIELD_TYPE,
    FIELD_URI,
    FIELD_GZIP,
    FIELD_STATUS_CODE,
    FIELD_STATUS,
    FIELD_UNKNOWN,
};

static const char malformed[] = "the JSON header is malformed";
static const char mistyped[] = "a field of the JSON header has a wrong type";
static const char out_of_range[] = "a number of the JSON header is out of range";
static const char too_deep[] = "the JSON header is nested too deeply";

static bool json_read_header(struct json_reader *reader, struct tp_packet *packet);
static bool json_read_member(struct json_reader *reader, struct tp_packet *packet);
static bool json_read_name(struct json_reader *reader, struct json_text *name);
static enum json_field json_find_field(const struct json_text *name);
static enum json_field json_guess_field(const uint8_t *name, size_t len);
static bool json_equals(const uint8_t *name, struct tp_str lower);
static bool json_read_field(struct json_reader *reader, enum json_field field,
                            struct tp_packet *packet);
static bool json_read_uint64(struct json_reader *reader, uint64_t *value);
static bool json_read_int32(struct json_reader *reader, int32_t *value);
static bool json_read_digits(struct json_reader *reader, uint64_t *value);
static bool json_read_text(struct json_reader *reader, struct json_text *text);
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
static uint8_t *json_write_name(uint8_t *to, enum json_field field, const uint8_t *begin);
static uint8_t *json_write_int32(uint8_t *to, int32_t value);
static uint8_t *json_write_uint64(uint8_t *to, uint64_t value);

static const struct tp_str field_names[] = {
    [FIELD_SEQ] = { "seq", 3 },
    [FIELD_TYPE] = { "type", 4 },
    [FIELD_URI] = { "uri", 3 },
    [FIELD_GZIP] = { "gzip", 4 },
    [FIELD_STATUS_CODE] = { "status_code", NAME_BYTES_MAX },
    [FIELD_STATUS] = { "status", 6 },
};

const char *
teleport_header_read_json(struct header_bytes header, struct tp_packet *packet,
                          size_t *unescaped_max)
{
    struct json_reader reader = { .at = header.at, .end = header.end };

    *unescaped_max = 0;
    if (!json_read_header(&reader, packet)) {
        return reader.why;
    }
    packet->uri = reader.uri.raw;
    packet->status.text = reader.status.raw;
    if (reader.uri.unescaped_max > 0 || reader.status.unescaped_max > 0) {
        /* Both move to one room, also the one that means what it says. */
        size_t uri_max = reader.uri.unescaped_max;
        size_t status_max = reader.status.unescaped_max;

        *unescaped_max = (uri_max > 0 ? uri_max : packet->uri.len)
                         + (status_max > 0 ? status_max : packet->status.text.len);
    }
    return NULL;
}

void
teleport_header_unescape_json(struct tp_packet *packet, uint8_t *room)
{
    uint8_t *uri_end = teleport_text_unescape(packet->uri, room);
    uint8_t *status_end = teleport_text_unescape(packet->status.text, uri_end);

    packet->uri = (struct tp_str){ (const char *) room, (size_t) (uri_end - room) };
    packet->status.text =
        (struct tp_str){ (const char *) uri_end, (size_t) (status_end - uri_end) };
}

size_t
teleport_header_json_max(const struct tp_packet *packet)
{
    return SYNTAX_BYTES_MAX + 4 * NUMBER_BYTES_MAX + teleport_text_max(packet->uri)
           + teleport_text_max(packet->status.text);
}

uint8_t *
teleport_header_write_json(const struct tp_packet *packet, uint8_t *to)
{
    uint8_t *begin = to;

    *to++ = '{';
    if (packet->seq != 0) {
        to = json_write_uint64(json_write_name(to, FIELD_SEQ, begin), packet->seq);
    }
    if (packet->type != 0) {
        to = json_write_int32(json_write_name(to, FIELD_TYPE, begin), packet->type);
    }
    if (packet->uri.len > 0) {
        to = teleport_text_write(packet->uri, json_write_name(to, FIELD_URI, begin));
    }
    if (packet->gzip_level != 0) {
        to = json_write_int32(json_write_name(to, FIELD_GZIP, begin), packet->gzip_level);
    }
    if (packet->status.code != 0) {
        to = json_write_int32(json_write_name(to, FIELD_STATUS_CODE, begin), packet->status.code);
    }
    if (packet->status.text.len > 0) {
        to = teleport_text_write(packet->status.text, json_write_name(to, FIELD_STATUS, begin));
    }
    *to++ = '}';
    return to;
}

static bool
json_read_header(struct json_reader *reader, struct tp_packet *packet)
{
    json_skip_space(reader);
    if (!json_skip_byte(reader, '{')) {
        return false;
    }
    json_skip_space(reader);
    bool is_closed = json_look(reader) == '}';

    while (!is_closed) {
        if (!json_read_member(reader, packet)) {
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
json_read_member(struct json_reader *reader, struct tp_packet *packet)
{
    struct json_text name;

    if (!json_read_name(reader, &name)) {
        return false;
    }
    enum json_field field = json_find_field(&name);

    if (field == FIELD_UNKNOWN) {
        return json_skip_value(reader, 1);
    }
    if (json_look(reader) == 'n') {
        return json_skip_word(reader, TP_STR("null"));
    }
    return json_read_field(reader, field, packet);
}

/* Reads a name and its colon, with the white space around them. */
static bool
json_read_name(struct json_reader *reader, struct json_text *name)
{
    json_skip_space(reader);
    if (json_look(reader) != '"') {
        return json_fail(reader, malformed);
    }
    if (!json_read_text(reader, name)) {
        return false;
    }
    json_skip_space(reader);
    if (!json_skip_byte(reader, ':')) {
        return false;
    }
    json_skip_space(reader);
    return true;
}

static enum json_field
json_find_field(const struct json_text *name)
{
    uint8_t unescaped[NAME_RAW_MAX];
    const uint8_t *bytes = (const uint8_t *) name->raw.data;
    size_t len = name->raw.len;

    if (name->unescaped_max > sizeof(unescaped)) {
        return FIELD_UNKNOWN;
    }
    if (name->unescaped_max > 0) {
        len = (size_t) (teleport_text_unescape(name->raw, unescaped) - unescaped);
        bytes = unescaped;
    }
    enum json_field field = json_guess_field(bytes, len);

    return field != FIELD_UNKNOWN && json_equals(bytes, field_names[field]) ? field : FIELD_UNKNOWN;
}

/* The only field of so many bytes that begins so: its length is right, the rest need not be. */
static enum json_field
json_guess_field(const uint8_t *name, size_t len)
{
    switch (len) {
    case 3:
        return (name[0] | 0x20) == 's' ? FIELD_SEQ : FIELD_URI;
    case 4:
        return (name[0] | 0x20) == 't' ? FIELD_TYPE : FIELD_GZIP;
    case 6:
        return FIELD_STATUS;
    case NAME_BYTES_MAX:
        return FIELD_STATUS_CODE;
    default:
        return FIELD_UNKNOWN;
    }
}

/* Letters may be of either case: the bit between the cases makes letters of letters alone. */
static bool
json_equals(const uint8_t *name, struct tp_str lower)
{
    for (size_t i = 0; i < lower.len; i++) {
        uint8_t wanted = (uint8_t) lower.data[i];

        if (name[i] != wanted && (name[i] | 0x20) != wanted) {
            return false;
        }
    }
    return true;
}

static bool
json_read_field(struct json_reader *reader, enum json_field field, struct tp_packet *packet)
{
    switch (field) {
    case FIELD_SEQ:
        return json_read_uint64(reader, &packet->seq);
    case FIELD_TYPE:
        return json_read_int32(reader, &packet->type);
    case FIELD_URI:
        return json_read_text(reader, &reader->uri);
    case FIELD_GZIP:
        return json_read_int32(reader, &packet->gzip_level);
    case FIELD_STATUS_CODE:
        return json_read_int32(reader, &packet->status.code);
    default:
        return json_read_text(reader, &reader->status);
    }
}

static bool
json_read_uint64(struct json_reader *reader, uint64_t *value)
{
    if (json_look(reader) == '-') {
        return json_fail(reader, out_of_range);
    }
    return json_read_digits(reader, value);
}

static bool
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
static bool
json_read_digits(struct json_reader *reader, uint64_t *value)
{
    const uint8_t *begin = reader->at;
    uint64_t result = 0;
    uint8_t byte;

    for (byte = json_look(reader); byte >= '0' && byte <= '9'; byte = json_look(reader)) {
        if (__builtin_mul_overflow(result, 10, &result)
            || __builtin_add_overflow(result, (uint64_t) (byte - '0'), &result)) {
            return json_fail(reader, out_of_range);
        }
        reader->at++;
    }
    if (reader->at == begin || byte == '.' || byte == 'e' || byte == 'E') {
        return json_fail(reader, mistyped);
    }
    if (*begin == '0' && reader->at - begin > 1) {
        return json_fail(reader, malformed);
    }
    *value = result;
    return true;
}

static bool
json_read_text(struct json_reader *reader, struct json_text *text)
{
    if (json_look(reader) != '"') {
        return json_fail(reader, mistyped);
    }
    const uint8_t *behind = teleport_text_read(reader->at, reader->end, text);

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
    struct json_text text;

    switch (json_look(reader)) {
    case '"':
        return json_read_text(reader, &text);
    case '{':
    case '[':
        return depth < HEADER_NESTING_MAX ? json_skip_nested(reader, depth)
                                          : json_fail(reader, too_deep);
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

/* Skips an object or an array.  Each calls the other at most HEADER_NESTING_MAX times. */
static bool
json_skip_nested(struct json_reader *reader, unsigned depth)
{
    bool is_object = *reader->at++ == '{';
    uint8_t closing = is_object ? '}' : ']';
    struct json_text name;

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

/* `begin` is where the object's brace stands: behind it no comma is needed. */
static uint8_t *
json_write_name(uint8_t *to, enum json_field field, const uint8_t *begin)
{
    struct tp_str name = field_names[field];

    if (to != begin + 1) {
        *to++ = ',';
    }
    *to++ = '"';
    memcpy(to, name.data, name.len);
    to += name.len;
    *to++ = '"';
    *to++ = ':';
    return to;
}

static uint8_t *
json_write_int32(uint8_t *to, int32_t value)
{
    if (value >= 0) {
        return json_write_uint64(to, (uint64_t) value);
    }
    *to++ = '-';
    return json_write_uint64(to, (uint64_t) - (int64_t) value);
}

static uint8_t *
json_write_uint64(uint8_t *to, uint64_t value)
{
    uint8_t digits[NUMBER_BYTES_MAX];
    uint8_t *first = digits + sizeof(digits);

    do {
        *--first = (uint8_t) ('0' + value % 10);
        value /= 10;
    } while (value > 0);
    size_t len = (size_t) (digits + sizeof(digits) - first);

    memcpy(to, first, len);
    return to + len;
}
