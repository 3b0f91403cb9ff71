/*
 * query.c - rows of names and values, escaped: metadata, queries, statuses of later protocols.
 */
#include <teleport/query.h>

#include "base/str.h"

#include <string.h>

enum {
    ESCAPE_LEN = 3, /* %XX */
};

static bool query_is_plain(unsigned char byte);

bool
tp_query_next(struct tp_str *rest, struct tp_query_pair *pair)
{
    while (rest->len > 0) {
        struct tp_str written = tp__str_cut(*rest, '&', rest);

        if (written.len > 0) {
            pair->name = tp__str_cut(written, '=', &pair->value);
            return true;
        }
    }
    return false;
}

bool
tp_query_find(struct tp_str query, struct tp_str name, struct tp_query_pair *pair)
{
    while (tp_query_next(&query, pair)) {
        if (tp_query_is(pair->name, name)) {
            return true;
        }
    }
    return false;
}

bool
tp_query_is(struct tp_str written, struct tp_str text)
{
    size_t len = 0;

    while (written.len > 0 && len < text.len) {
        if (tp_query_take_byte(&written) != (unsigned char) text.data[len]) {
            return false;
        }
        len++;
    }
    return written.len == 0 && len == text.len;
}

int
tp_query_take_byte(struct tp_str *rest)
{
    char first = rest->data[0];

    if (first != '%') {
        *rest = tp__str_skip(*rest, 1);
        return first == '+' ? ' ' : (unsigned char) first;
    }
    int high = rest->len >= ESCAPE_LEN ? tp__str_hex_digit(rest->data[1]) : -1;
    int low = rest->len >= ESCAPE_LEN ? tp__str_hex_digit(rest->data[2]) : -1;

    *rest = tp__str_skip(*rest, rest->len < ESCAPE_LEN ? rest->len : ESCAPE_LEN);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

size_t
tp_query_unescape(struct tp_str written, char *to)
{
    size_t len = 0;

    while (written.len > 0) {
        int byte = tp_query_take_byte(&written);

        if (byte < 0) {
            return SIZE_MAX;
        }
        to[len++] = (char) byte;
    }
    return len;
}

size_t
tp_query_read(struct tp_str written, char *to, size_t size)
{
    size_t len = 0;

    while (written.len > 0) {
        int byte = tp_query_take_byte(&written);

        if (byte < 0) {
            return SIZE_MAX;
        }
        if (len + 1 < size) {
            to[len] = (char) byte;
        }
        len++;
    }
    if (size > 0) {
        to[len < size ? len : size - 1] = '\0';
    }
    return len;
}

size_t
tp_query_escaped_len(struct tp_str text)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        len += query_is_plain((unsigned char) text.data[i]) ? 1 : ESCAPE_LEN;
    }
    return len;
}

char *
tp_query_escape(struct tp_str text, char *to)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char) text.data[i];

        if (query_is_plain(byte)) {
            *to++ = (char) byte;
        } else {
            *to++ = '%';
            *to++ = digits[byte >> 4];
            *to++ = digits[byte & 15];
        }
    }
    return to;
}

/* What RFC 3986 calls unreserved. */
static bool
query_is_plain(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')
           || (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_'
           || byte == '~';
}
