/*
 * json_write.c - writes a tree of cJSON as JSON text, without white space.
 *
 * A whole number of 64 bits is written exactly.  Others look as the Go implementation
 * writes them: as few digits as bring the same double back, and an exponent only below
 * 1e-6 and from 1e21 on.  Strings are always UTF-8: what is not becomes U+FFFD.
 *
 * Runs in: worker.
 */
#include "json.h"

#include <teleport/json.h>

#include <math.h>

enum {
    JSON_PIECE_BYTES = 4096, /* a longer text becomes several slices */

    /*
     * Significant digits: a double has room for so many, so fewer need not be tried unless
     * it is subnormal; and so many surely bring any double back.
     */
    JSON_DIGITS_FEW = 15,
    JSON_DIGITS_ENOUGH = 17,
    JSON_EXPONENT_MIN = -6, /* of the first digit, where numbers are still written out */
    JSON_EXPONENT_MAX = 20,
    JSON_NUMBER_TEXT_MAX = 40,
};

struct json_writer {
    const struct json_target *target;
    int64_t depth_max;
    int64_t depth;
    enum tp_result result; /* the first failure; nothing is written after it */
    size_t len;            /* of the piece */
    char piece[JSON_PIECE_BYTES];
};

/* A number's digits without point and exponent. */
struct json_digits {
    bool is_negative;
    int count;
    int exponent; /* of the first digit: 0 for 1 to 9 */
    char digits[JSON_DIGITS_ENOUGH];
};

static void json_write_value(struct json_writer *writer, const cJSON *value);
static void json_write_children(struct json_writer *writer, const cJSON *parent, char opening,
                                char closing);
static void json_write_number(struct json_writer *writer, const cJSON *value);
static const char *json_integer_text(int64_t integer, char *end);
static void json_cut_digits(double number, struct json_digits *cut);
static void json_write_digits(struct json_writer *writer, const struct json_digits *cut);
static void json_write_exponent(struct json_writer *writer, const struct json_digits *cut);
static void json_write_zeros(struct json_writer *writer, int count);
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
    const char *digits = tp_json_digits(value);
    char text[TP_JSON_INTEGER_TEXT_MAX];
    struct json_digits cut;
    int64_t integer;

    if (digits != NULL) {
        json_put_text(writer, digits);
        return;
    }
    /* A double's zero may have a sign, which an integer's has not. */
    if (tp_json_get_integer(value, &integer) && integer != 0) {
        json_put_text(writer, json_integer_text(integer, text + sizeof(text)));
        return;
    }
    if (!isfinite(value->valuedouble)) {
        json_fail(writer, TP_INVALID);
        return;
    }
    json_cut_digits(value->valuedouble, &cut);
    if (cut.is_negative) {
        json_put_byte(writer, '-');
    }
    if (cut.exponent < JSON_EXPONENT_MIN || cut.exponent > JSON_EXPONENT_MAX) {
        json_write_exponent(writer, &cut);
    } else {
        json_write_digits(writer, &cut);
    }
}

/* Written from its end, which is in front of `end`; printf() would cost more than all the rest. */
static const char *
json_integer_text(int64_t integer, char *end)
{
    uint64_t rest = integer < 0 ? 0 - (uint64_t) integer : (uint64_t) integer;

    *--end = '\0';
    do {
        *--end = (char) ('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (integer < 0) {
        *--end = '-';
    }
    return end;
}

/* The fewest digits that bring the same double back.  A locale may have its own point. */
static void
json_cut_digits(double number, struct json_digits *cut)
{
    char text[JSON_NUMBER_TEXT_MAX];
    const char *at = text;

    for (int digits = fpclassify(number) == FP_SUBNORMAL ? 1 : JSON_DIGITS_FEW;
         digits <= JSON_DIGITS_ENOUGH; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    cut->is_negative = text[0] == '-';
    cut->count = 0;
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') {
            cut->digits[cut->count] = *at;
            cut->count++;
        }
    }
    cut->exponent = (int) strtol(at + 1, NULL, 10);
    while (cut->count > 1 && cut->digits[cut->count - 1] == '0') {
        cut->count--;
    }
}

static void
json_write_digits(struct json_writer *writer, const struct json_digits *cut)
{
    int whole = cut->exponent + 1; /* digits before the point */

    if (whole <= 0) {
        json_put_text(writer, "0.");
        json_write_zeros(writer, -whole);
        json_put(writer, cut->digits, (size_t) cut->count);
    } else if (whole >= cut->count) {
        json_put(writer, cut->digits, (size_t) cut->count);
        json_write_zeros(writer, whole - cut->count);
    } else {
        json_put(writer, cut->digits, (size_t) whole);
        json_put_byte(writer, '.');
        json_put(writer, cut->digits + whole, (size_t) (cut->count - whole));
    }
}

static void
json_write_exponent(struct json_writer *writer, const struct json_digits *cut)
{
    char text[JSON_NUMBER_TEXT_MAX];

    json_put_byte(writer, cut->digits[0]);
    if (cut->count > 1) {
        json_put_byte(writer, '.');
        json_put(writer, cut->digits + 1, (size_t) cut->count - 1);
    }
    snprintf(text, sizeof(text), "e%+d", cut->exponent);
    json_put_text(writer, text);
}

static void
json_write_zeros(struct json_writer *writer, int count)
{
    for (int i = 0; i < count; i++) {
        json_put_byte(writer, '0');
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
    char text[JSON_NUMBER_TEXT_MAX];

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
