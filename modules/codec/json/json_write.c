/*
 * json_write.c - writes a tree of cJSON as JSON text, without white space.
 *
 * A whole number of 64 bits is written exactly, others as teleport/number.h has it.  Strings
 * are always UTF-8: what is not becomes U+FFFD.
 *
 * Runs in: worker.
 */
#include "json.h"

#include <teleport/json.h>

#include <stdio.h>
#include <string.h>

enum {
    JSON_PIECE_BYTES = 4096, /* a longer text becomes several slices */
    JSON_ESCAPE_TEXT_MAX = sizeof("\\u0000"),
};

struct json_writer {
    const struct json_target *target;
    int64_t depth_max;
    int64_t depth;
    enum tp_result result; /* the first failure; nothing is written after it */
    size_t len;            /* of the piece */
    char piece[JSON_PIECE_BYTES];
};

static void json_write_value(struct json_writer *writer, const cJSON *value);
static void json_write_children(struct json_writer *writer, const cJSON *parent, char opening,
                                char closing);
static void json_write_number(struct json_writer *writer, const cJSON *value);
static void json_write_string(struct json_writer *writer, const char *text);
static void json_write_escaped(struct json_writer *writer, unsigned char byte);
static size_t json_utf8_len(const unsigned char *bytes);
static void json_put_text(struct json_writer *writer, const char *text);
static void json_put_byte(struct json_writer *writer, char byte);
static void json_put(struct json_writer *writer, const char *bytes, size_t len);
static void json_flush(struct json_writer *writer);
static void json_fail(struct json_writer *writer, enum tp_result result);

enum tp_result
json_write(const struct json_conf *conf, const struct cJSON *value,
           const struct json_target *target)
{
    struct json_writer writer;

    writer.target = target;
    writer.depth_max = conf->depth;
    writer.depth = 0;
    writer.result = TP_OK;
    writer.len = 0;
    json_write_value(&writer, value);
    json_flush(&writer);
    return writer.result;
}

static void
json_write_value(struct json_writer *writer, const cJSON *value)
{
    if (cJSON_IsNumber(value)) {
        json_write_number(writer, value);
    } else if (cJSON_IsString(value)) {
        json_write_string(writer, value->valuestring);
    } else if (cJSON_IsArray(value)) {
        json_write_children(writer, value, '[', ']');
    } else if (cJSON_IsObject(value)) {
        json_write_children(writer, value, '{', '}');
    } else if (cJSON_IsBool(value)) {
        json_put_text(writer, cJSON_IsTrue(value) ? "true" : "false");
    } else if (cJSON_IsNull(value)) {
        json_put_text(writer, "null");
    } else if (cJSON_IsRaw(value) && value->valuestring != NULL) {
        json_put_text(writer, value->valuestring);
    } else {
        json_fail(writer, TP_INVALID);
    }
}

static void
json_write_children(struct json_writer *writer, const cJSON *parent, char opening, char closing)
{
    const cJSON *child;

    if (++writer->depth > writer->depth_max) {
        json_fail(writer, TP_TOO_LARGE);
        return;
    }
    json_put_byte(writer, opening);
    cJSON_ArrayForEach(child, parent)
    {
        if (child != parent->child) {
            json_put_byte(writer, ',');
        }
        if (closing == '}') {
            json_write_string(writer, child->string);
            json_put_byte(writer, ':');
        }
        json_write_value(writer, child);
        if (writer->result != TP_OK) {
            return;
        }
    }
    json_put_byte(writer, closing);
    writer->depth--;
}

static void
json_write_number(struct json_writer *writer, const cJSON *value)
{
    char text[TP_NUMBER_TEXT_MAX];
    const char *digits = tp_json_format_number(value, text);

    if (digits == NULL) {
        json_fail(writer, TP_INVALID);
    } else {
        json_put_text(writer, digits);
    }
}

/* NULL, which a tree made by hand may have, is an empty string. */
static void
json_write_string(struct json_writer *writer, const char *text)
{
    const unsigned char *at = (const unsigned char *) (text == NULL ? "" : text);

    json_put_byte(writer, '"');
    while (*at != '\0') {
        const unsigned char *start = at;
        size_t len = 0;

        while (*at >= ' ' && *at != '"' && *at != '\\' && (len = json_utf8_len(at)) > 0) {
            at += len;
        }
        json_put(writer, (const char *) start, (size_t) (at - start));
        if (*at != '\0') {
            json_write_escaped(writer, *at);
            at++;
        }
    }
    json_put_byte(writer, '"');
}

/* A byte that may not stand in a string as it is. */
static void
json_write_escaped(struct json_writer *writer, unsigned char byte)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    char text[JSON_ESCAPE_TEXT_MAX];

    if (byte >= 0x80) {
        json_put_text(writer, "\xef\xbf\xbd");
        return;
    }
    for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
        if ((unsigned char) letters[i] == byte) {
            json_put_byte(writer, '\\');
            json_put_byte(writer, letters[i + 1]);
            return;
        }
    }
    snprintf(text, sizeof(text), "\\u%04x", byte);
    json_put_text(writer, text);
}

/*
 * The length of the UTF-8 character (RFC 3629) that a terminated text begins with; 0
 * when that is none.  The terminator is no continuation, so it is never passed.
 */
static size_t
json_utf8_len(const unsigned char *bytes)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t len;
    } forms[] = {
        { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    if (bytes[0] < 0x80) {
        return 1;
    }
    for (size_t i = 0; i < TP_COUNT_OF(forms); i++) {
        if (bytes[0] < forms[i].first_min || bytes[0] > forms[i].first_max) {
            continue;
        }
        if (bytes[1] < forms[i].second_min || bytes[1] > forms[i].second_max) {
            return 0;
        }
        for (size_t at = 2; at < forms[i].len; at++) {
            if ((bytes[at] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return forms[i].len;
    }
    return 0;
}

static void
json_put_text(struct json_writer *writer, const char *text)
{
    json_put(writer, text, strlen(text));
}

static void
json_put_byte(struct json_writer *writer, char byte)
{
    if (writer->len == sizeof(writer->piece)) {
        json_flush(writer);
    }
    writer->piece[writer->len] = byte;
    writer->len++;
}

static void
json_put(struct json_writer *writer, const char *bytes, size_t len)
{
    while (len > 0 && writer->result == TP_OK) {
        size_t part = sizeof(writer->piece) - writer->len;

        if (part == 0) {
            json_flush(writer);
            continue;
        }
        if (part > len) {
            part = len;
        }
        memcpy(writer->piece + writer->len, bytes, part);
        writer->len += part;
        bytes += part;
        len -= part;
    }
}

/* Moves the piece to the chain, in a buffer of its size; the piece is empty afterwards. */
static void
json_flush(struct json_writer *writer)
{
    const struct json_target *target = writer->target;
    size_t len = writer->len;
    struct tp_buf *buf;

    writer->len = 0;
    if (len == 0 || writer->result != TP_OK) {
        return;
    }
    if (len > target->limit - target->chain->len) {
        json_fail(writer, TP_TOO_LARGE);
        return;
    }
    buf = tp_buf_make(target->pool, len);
    if (buf == NULL) {
        json_fail(writer, TP_NO_MEMORY);
        return;
    }
    memcpy(buf->bytes, writer->piece, len);
    json_fail(writer, tp_chain_append(target->chain, (struct tp_slice){ buf, buf->bytes, len }));
}

/* TP_OK is no failure. */
static void
json_fail(struct json_writer *writer, enum tp_result result)
{
    if (writer->result == TP_OK) {
        writer->result = result;
    }
}
