/*
 * json_read.c - a scanner for JSON, strict as RFC 8259, that keeps nothing.
 */
#include "cli/json_read.h"

#include <string.h>

enum {
    JSON_DEPTH_MAX = 512,
    JSON_REPLACEMENT = 0xfffd,
};

/* Each of these returns the end of what it found at `at`, or NULL: there is none. */
static const char *scan_value(const char *at, const char *end, unsigned depth);
static const char *scan_members(const char *at, const char *end, unsigned depth);
static const char *scan_text(const char *at, const char *end);
static const char *scan_escape(const char *at, const char *end);
static const char *scan_number(const char *at, const char *end);
static const char *scan_digits(const char *at, const char *end);
static const char *scan_word(const char *at, const char *end, const char *word);
static const char *skip_space(const char *at, const char *end);
static size_t utf8_len(const char *at, const char *end);
static int hex_digit(char digit);
static uint32_t read_hex(const char *digits);
static uint32_t read_character(const char **at);
static size_t encode_utf8(uint32_t number, char *bytes);

bool
tp__json_is_valid(struct tp_str text)
{
    const char *end = text.data + text.len;

    if (text.len == 0) {
        return false;
    }
    const char *behind = scan_value(skip_space(text.data, end), end, 0);

    return behind != NULL && skip_space(behind, end) == end;
}

bool
tp__json_enter(struct tp_json_cursor *cursor, struct tp_str value)
{
    const char *end = value.data + value.len;
    const char *at = value.len == 0 ? end : skip_space(value.data, end);

    if (at == end || (*at != '{' && *at != '[')) {
        return false;
    }
    cursor->is_object = *at == '{';
    cursor->rest = (struct tp_str){ at + 1, (size_t) (end - at) - 1 };
    return true;
}

bool
tp__json_next(struct tp_json_cursor *cursor, struct tp_str *name, struct tp_str *value)
{
    const char *end = cursor->rest.data + cursor->rest.len;
    const char *at = skip_space(cursor->rest.data, end);

    *name = (struct tp_str){ "", 0 };
    if (at < end && *at == ',') {
        at = skip_space(at + 1, end);
    }
    if (cursor->is_object) {
        const char *behind = at < end ? scan_text(at, end) : NULL;

        if (behind == NULL) {
            return false;
        }
        *name = (struct tp_str){ at, (size_t) (behind - at) };
        at = skip_space(behind, end);
        at = at < end ? skip_space(at + 1, end) : end;
    }
    const char *behind = at < end ? scan_value(at, end, 0) : NULL;

    if (behind == NULL) {
        return false;
    }
    *value = (struct tp_str){ at, (size_t) (behind - at) };
    cursor->rest = (struct tp_str){ behind, (size_t) (end - behind) };
    return true;
}

bool
tp__json_find(struct tp_str object, const char *name, struct tp_str *value)
{
    struct tp_json_cursor cursor;
    struct tp_str found;
    size_t len = strlen(name);

    if (!tp__json_enter(&cursor, object) || !cursor.is_object) {
        return false;
    }
    while (tp__json_next(&cursor, &found, value)) {
        if (found.len == len + 2 && memcmp(found.data + 1, name, len) == 0) {
            return true;
        }
    }
    return false;
}

char *
tp__json_unquote(struct tp_str value, char *text, size_t size)
{
    const char *at = value.data + 1;
    const char *end = value.data + value.len - 1;
    size_t len = 0;

    while (at < end) {
        char bytes[4];
        size_t count = 1;

        bytes[0] = *at;
        if (*at == '\\') {
            count = encode_utf8(read_character(&at), bytes);
        } else {
            at++;
        }
        if (len + count >= size) {
            break;
        }
        memcpy(text + len, bytes, count);
        len += count;
    }
    text[len] = '\0';
    return text;
}

bool
tp__json_is_utf8(struct tp_str text)
{
    const char *at = text.data;
    const char *end = at + text.len;

    while (at < end) {
        size_t len = utf8_len(at, end);

        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}

void
tp__json_write_text(FILE *file, struct tp_str text)
{
    const char *at = text.data;
    const char *end = at + text.len;

    fputc('"', file);
    while (at < end) {
        size_t len = utf8_len(at, end);

        if (len == 0) {
            fprintf(file, "\\u%04x", JSON_REPLACEMENT);
            at++;
            continue;
        }
        if (*at == '"' || *at == '\\') {
            fprintf(file, "\\%c", *at);
        } else if (*at == '\n') {
            fputs("\\n", file);
        } else if ((uint8_t) *at < 0x20 || *at == 0x7f) {
            fprintf(file, "\\u%04x", (unsigned) (uint8_t) *at);
        } else {
            fwrite(at, 1, len, file);
        }
        at += len;
    }
    fputc('"', file);
}

/* A line break in valid JSON stands between its parts, where a space does as well. */
void
tp__json_write_value(FILE *file, struct tp_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char byte = value.data[i];

        fputc(byte == '\n' || byte == '\r' ? ' ' : byte, file);
    }
}

void
tp__json_write_base64(FILE *file, struct tp_str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    fputc('"', file);
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;

        for (size_t at = 0; at < 3; at++) {
            group = group << 8 | (at < count ? (uint8_t) bytes.data[i + at] : 0U);
        }
        for (size_t at = 0; at < 4; at++) {
            fputc(at <= count ? digits[group >> (18 - 6 * at) & 63] : '=', file);
        }
    }
    fputc('"', file);
}

static const char *
scan_value(const char *at, const char *end, unsigned depth)
{
    if (at == end || depth == JSON_DEPTH_MAX) {
        return NULL;
    }
    switch (*at) {
    case '{':
    case '[':
        return scan_members(at, end, depth);
    case '"':
        return scan_text(at, end);
    case 't':
        return scan_word(at, end, "true");
    case 'f':
        return scan_word(at, end, "false");
    case 'n':
        return scan_word(at, end, "null");
    default:
        return scan_number(at, end);
    }
}

static const char *
scan_members(const char *at, const char *end, unsigned depth)
{
    bool is_object = *at == '{';
    char last = is_object ? '}' : ']';

    at = skip_space(at + 1, end);
    if (at < end && *at == last) {
        return at + 1;
    }
    for (;;) {
        if (is_object) {
            at = scan_text(at, end);
            at = at == NULL ? NULL : skip_space(at, end);
            if (at == NULL || at == end || *at != ':') {
                return NULL;
            }
            at = skip_space(at + 1, end);
        }
        at = scan_value(at, end, depth + 1);
        at = at == NULL ? NULL : skip_space(at, end);
        if (at == NULL || at == end || (*at != ',' && *at != last)) {
            return NULL;
        }
        if (*at++ == last) {
            return at;
        }
        at = skip_space(at, end);
    }
}

static const char *
scan_text(const char *at, const char *end)
{
    if (at == end || *at != '"') {
        return NULL;
    }
    at++;
    while (at < end && *at != '"') {
        if (*at == '\\') {
            at = scan_escape(at, end);
            if (at == NULL) {
                return NULL;
            }
            continue;
        }
        size_t len = (uint8_t) *at < 0x20 ? 0 : utf8_len(at, end);

        if (len == 0) {
            return NULL;
        }
        at += len;
    }
    return at < end ? at + 1 : NULL;
}

static const char *
scan_escape(const char *at, const char *end)
{
    if (end - at < 2 || at[1] == '\0' || strchr("\"\\/bfnrtu", at[1]) == NULL) {
        return NULL;
    }
    if (at[1] != 'u') {
        return at + 2;
    }
    if (end - at < 6) {
        return NULL;
    }
    for (size_t i = 2; i < 6; i++) {
        if (hex_digit(at[i]) == -1) {
            return NULL;
        }
    }
    return at + 6;
}

static const char *
scan_number(const char *at, const char *end)
{
    at += *at == '-';
    if (at < end && *at == '0') {
        at++;
    } else {
        at = scan_digits(at, end);
    }
    if (at != NULL && at < end && *at == '.') {
        at = scan_digits(at + 1, end);
    }
    if (at != NULL && at < end && (*at | 0x20) == 'e') {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        at = scan_digits(at, end);
    }
    return at;
}

/* At least one. */
static const char *
scan_digits(const char *at, const char *end)
{
    const char *first = at;

    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at == first ? NULL : at;
}

static const char *
scan_word(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);

    return (size_t) (end - at) >= len && memcmp(at, word, len) == 0 ? at + len : NULL;
}

static const char *
skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

/* The bytes of the character at `at`; 0 when it is not UTF-8. */
static size_t
utf8_len(const char *at, const char *end)
{
    const uint8_t *bytes = (const uint8_t *) at;
    size_t len = bytes[0] < 0x80   ? 1
                 : bytes[0] < 0xc2 ? 0
                 : bytes[0] < 0xe0 ? 2
                 : bytes[0] < 0xf0 ? 3
                 : bytes[0] < 0xf5 ? 4
                                   : 0;

    if (len > (size_t) (end - at)) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* Written longer than needed, half of a pair, or beyond the last. */
    bool is_wrong = (bytes[0] == 0xe0 && len == 3 && bytes[1] < 0xa0)
                    || (bytes[0] == 0xed && len == 3 && bytes[1] >= 0xa0)
                    || (bytes[0] == 0xf0 && len == 4 && bytes[1] < 0x90)
                    || (bytes[0] == 0xf4 && len == 4 && bytes[1] >= 0x90);

    return is_wrong ? 0 : len;
}

static int
hex_digit(char digit)
{
    char lower = (char) (digit | 0x20);

    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static uint32_t
read_hex(const char *digits)
{
    uint32_t number = 0;

    for (size_t i = 0; i < 4; i++) {
        number = number << 4 | (uint32_t) hex_digit(digits[i]);
    }
    return number;
}

/* What the escape at *at stands for; *at is behind it afterwards.  The text is valid. */
static uint32_t
read_character(const char **at)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    const char *escape = *at;
    const char *letter = strchr(letters, escape[1]);

    *at += escape[1] == 'u' ? 6 : 2;
    if (escape[1] != 'u') {
        return letter == NULL ? (uint8_t) escape[1] : (uint8_t) meanings[letter - letters];
    }
    uint32_t number = read_hex(escape + 2);

    if (number < 0xd800 || number > 0xdfff) {
        return number;
    }
    if (number > 0xdbff || escape[6] != '\\' || escape[7] != 'u') {
        return JSON_REPLACEMENT;
    }
    uint32_t second = read_hex(escape + 8);

    if (second < 0xdc00 || second > 0xdfff) {
        return JSON_REPLACEMENT;
    }
    *at += 6;
    return 0x10000 + ((number - 0xd800) << 10) + (second - 0xdc00);
}

static size_t
encode_utf8(uint32_t number, char *bytes)
{
    if (number < 0x80) {
        bytes[0] = (char) number;
        return 1;
    }
    size_t len = number < 0x800 ? 2 : number < 0x10000 ? 3 : 4;

    for (size_t i = len - 1; i > 0; i--) {
        bytes[i] = (char) (0x80 | (number & 0x3f));
        number >>= 6;
    }
    bytes[0] = (char) ((0xf00U >> len & 0xf0) | number);
    return len;
}
