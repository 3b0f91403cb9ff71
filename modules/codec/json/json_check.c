/*
 * json_check.c - whether a text is one JSON value that cJSON may be given.
 *
 * The grammar is RFC 8259's to the letter.  Besides the limits of the configuration
 * there are three of cJSON's own: a number of more than 63 characters is read in part
 * only, a text is ended by a NUL, and half a surrogate pair cannot be written in UTF-8.
 * Bytes that are not UTF-8 pass here; the writer puts U+FFFD in their place.
 *
 * Runs in: worker.
 */
#include "json.h"

#include <teleport/json.h>

#include <math.h>

enum {
    JSON_NUMBER_BYTES_MAX = 63,
    JSON_ESCAPE_DIGITS = 4,
};

struct json_check {
    const char *at;
    const char *end;
    const struct json_conf *conf;
    int64_t depth;
    int64_t values;
    const char *why;
    enum tp_result result;
};

static bool json_check_value(struct json_check *check);
static bool json_check_array(struct json_check *check);
static bool json_check_object(struct json_check *check);
static bool json_check_member(struct json_check *check);
static bool json_check_literal(struct json_check *check, const char *word);
static bool json_check_number(struct json_check *check);
static bool json_is_finite(struct tp_str number);
static size_t json_count_digits(const char *at, const char *end);
static bool json_check_string(struct json_check *check);
static bool json_check_escape(struct json_check *check);
static bool json_check_unicode(struct json_check *check);
static bool json_read_unit(struct json_check *check, unsigned *unit);
static bool json_enter(struct json_check *check);
static bool json_check_next(struct json_check *check, char closing, bool *is_closed);
static void json_skip_space(struct json_check *check);
static bool json_take(struct json_check *check, char byte);
static bool json_refuse(struct json_check *check, enum tp_result result, const char *why);

enum tp_result
json_check(const struct json_conf *conf, struct tp_str text, const char **why)
{
    struct json_check check = { .conf = conf, .result = TP_OK };

    if (text.len == 0) {
        *why = "an empty body is not JSON";
        return TP_INVALID;
    }
    check.at = text.data;
    check.end = text.data + text.len;
    if (json_check_value(&check)) {
        json_skip_space(&check);
        if (check.at != check.end) {
            json_refuse(&check, TP_INVALID, "something follows the JSON value");
        }
    }
    if (check.result != TP_OK) {
        *why = check.why;
    }
    return check.result;
}

static bool
json_check_value(struct json_check *check)
{
    json_skip_space(check);
    if (check->at == check->end) {
        return json_refuse(check, TP_INVALID, "the JSON text ends where a value should be");
    }
    if (++check->values > check->conf->values) {
        return json_refuse(check, TP_TOO_LARGE, "the JSON text has more than json_values values");
    }
    switch (*check->at) {
    case '{':
        return json_check_object(check);
    case '[':
        return json_check_array(check);
    case '"':
        return json_check_string(check);
    case 't':
        return json_check_literal(check, "true");
    case 'f':
        return json_check_literal(check, "false");
    case 'n':
        return json_check_literal(check, "null");
    default:
        return json_check_number(check);
    }
}

static bool
json_check_array(struct json_check *check)
{
    bool is_closed = false;

    if (!json_enter(check)) {
        return false;
    }
    if (json_take(check, ']')) {
        is_closed = true;
    }
    while (!is_closed) {
        if (!json_check_value(check) || !json_check_next(check, ']', &is_closed)) {
            return false;
        }
    }
    check->depth--;
    return true;
}

static bool
json_check_object(struct json_check *check)
{
    bool is_closed = false;

    if (!json_enter(check)) {
        return false;
    }
    if (json_take(check, '}')) {
        is_closed = true;
    }
    while (!is_closed) {
        if (!json_check_member(check) || !json_check_next(check, '}', &is_closed)) {
            return false;
        }
    }
    check->depth--;
    return true;
}

static bool
json_check_member(struct json_check *check)
{
    json_skip_space(check);
    if (check->at == check->end || *check->at != '"') {
        return json_refuse(check, TP_INVALID, "a JSON object has something else than a name");
    }
    if (!json_check_string(check)) {
        return false;
    }
    json_skip_space(check);
    if (!json_take(check, ':')) {
        return json_refuse(check, TP_INVALID, "a name in a JSON object has no colon behind it");
    }
    return json_check_value(check);
}

static bool
json_check_literal(struct json_check *check, const char *word)
{
    size_t len = strlen(word);

    if ((size_t) (check->end - check->at) < len || memcmp(check->at, word, len) != 0) {
        return json_refuse(check, TP_INVALID, "the JSON text has an unknown word");
    }
    check->at += len;
    return true;
}

static bool
json_check_number(struct json_check *check)
{
    struct tp_str number = { check->at, (size_t) (check->end - check->at) };
    bool is_integer;

    number.len = json_number_len(number, &is_integer);
    if (number.len == 0) {
        return json_refuse(check, TP_INVALID, "the JSON text has something that is no value");
    }
    if (number.len > JSON_NUMBER_BYTES_MAX) {
        return json_refuse(check, TP_TOO_LARGE, "a JSON number is longer than 63 characters");
    }
    if (!is_integer && !json_is_finite(number)) {
        return json_refuse(check, TP_INVALID, "a JSON number is too large for a double");
    }
    check->at += number.len;
    return true;
}

static bool
json_is_finite(struct tp_str number)
{
    char text[JSON_NUMBER_BYTES_MAX + 1];

    memcpy(text, number.data, number.len);
    text[number.len] = '\0';
    return isfinite(strtod(text, NULL));
}

size_t
json_number_len(struct tp_str text, bool *is_integer)
{
    const char *end = text.data + text.len;
    const char *at = text.data;
    size_t digits;

    *is_integer = true;
    if (at < end && *at == '-') {
        at++;
    }
    digits = json_count_digits(at, end);
    if (digits == 0 || (digits > 1 && *at == '0')) {
        return 0;
    }
    at += digits;
    if (at < end && *at == '.') {
        *is_integer = false;
        digits = json_count_digits(at + 1, end);
        if (digits == 0) {
            return 0;
        }
        at += 1 + digits;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        *is_integer = false;
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        digits = json_count_digits(at, end);
        if (digits == 0) {
            return 0;
        }
        at += digits;
    }
    return (size_t) (at - text.data);
}

static size_t
json_count_digits(const char *at, const char *end)
{
    const char *start = at;

    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return (size_t) (at - start);
}

/* Stands on the opening quote. */
static bool
json_check_string(struct json_check *check)
{
    for (check->at++; check->at < check->end; check->at++) {
        unsigned char byte = (unsigned char) *check->at;

        if (byte == '"') {
            check->at++;
            return true;
        }
        if (byte < ' ') {
            return json_refuse(check, TP_INVALID, "a JSON string has a control character");
        }
        if (byte == '\\' && !json_check_escape(check)) {
            return false;
        }
    }
    return json_refuse(check, TP_INVALID, "a JSON string has no end");
}

/* Stands on the backslash; moves to the last character of the escape. */
static bool
json_check_escape(struct json_check *check)
{
    check->at++;
    if (check->at == check->end) {
        return json_refuse(check, TP_INVALID, "a JSON string has no end");
    }
    if (*check->at == 'u') {
        return json_check_unicode(check);
    }
    if (*check->at == '\0' || strchr("\"\\/bfnrt", *check->at) == NULL) {
        return json_refuse(check, TP_INVALID, "a JSON string has an unknown escape");
    }
    return true;
}

/* Stands on the u; moves to the last digit. */
static bool
json_check_unicode(struct json_check *check)
{
    unsigned unit;

    if (!json_read_unit(check, &unit)) {
        return json_refuse(check, TP_INVALID, "a JSON string has \\u without four digits");
    }
    if (unit == 0) {
        return json_refuse(check, TP_INVALID, "a JSON string has \\u0000");
    }
    if (unit < 0xd800 || unit > 0xdfff) {
        return true;
    }
    if (unit < 0xdc00 && check->end - check->at > 2 && check->at[1] == '\\'
        && check->at[2] == 'u') {
        check->at += 2;
        if (json_read_unit(check, &unit) && unit >= 0xdc00 && unit <= 0xdfff) {
            return true;
        }
    }
    return json_refuse(check, TP_INVALID, "a JSON string has half a surrogate pair");
}

/* Stands on the u; moves to the last digit. */
static bool
json_read_unit(struct json_check *check, unsigned *unit)
{
    *unit = 0;
    if (check->end - check->at <= JSON_ESCAPE_DIGITS) {
        return false;
    }
    for (int i = 0; i < JSON_ESCAPE_DIGITS; i++) {
        static const char hex[] = "0123456789abcdef";
        char letter = *++check->at;
        const char *found;

        if (letter >= 'A' && letter <= 'F') {
            letter = (char) (letter - 'A' + 'a');
        }
        found = letter == '\0' ? NULL : strchr(hex, letter);
        if (found == NULL) {
            return false;
        }
        *unit = *unit * 16 + (unsigned) (found - hex);
    }
    return true;
}

/* Passes an opening bracket, and the white space behind it. */
static bool
json_enter(struct json_check *check)
{
    if (++check->depth > check->conf->depth) {
        return json_refuse(check, TP_TOO_LARGE, "the JSON text is nested deeper than json_depth");
    }
    check->at++;
    json_skip_space(check);
    return true;
}

/* Passes what stands behind a value: a comma, or the closing bracket. */
static bool
json_check_next(struct json_check *check, char closing, bool *is_closed)
{
    json_skip_space(check);
    *is_closed = json_take(check, closing);
    if (*is_closed || json_take(check, ',')) {
        return true;
    }
    return json_refuse(check, TP_INVALID,
                       closing == ']' ? "a JSON array lacks a comma or its end"
                                      : "a JSON object lacks a comma or its end");
}

static void
json_skip_space(struct json_check *check)
{
    while (
        check->at < check->end
        && (*check->at == ' ' || *check->at == '\n' || *check->at == '\r' || *check->at == '\t')) {
        check->at++;
    }
}

static bool
json_take(struct json_check *check, char byte)
{
    if (check->at == check->end || *check->at != byte) {
        return false;
    }
    check->at++;
    return true;
}

/* Always false, so that the caller can return it. */
static bool
json_refuse(struct json_check *check, enum tp_result result, const char *why)
{
    check->result = result;
    check->why = why;
    return false;
}
