/*
 * values.c - how values are written into lines of logs and other texts: escaped, cut, and faster
 * than printf() would.
 *
 * Runs in: worker.  Owns: nothing.
 */
#include "format/values.h"

#include <teleport/query.h>

#include "base/str.h"

#include <string.h>

enum {
    ESCAPED_BYTES_MAX = 4, /* of one byte: \x0a */
};

static bool uri_find_secret(struct tp_str uri, size_t *begin, size_t *end);
static char *write_escaped(char *next, struct tp_str text);
static char *write_escaped_short(char *next, struct tp_str text);
static bool word_needs_escape(uint64_t word);
static char *write_escaped_byte(char *next, uint8_t byte);
static char *write_three_digits(char *next, uint32_t number);
static char *write_six_digits(char *next, uint32_t number);

/* clang-format off */
#define TEN_NUMBERS(tens, zeros)                                                                  \
    { tens "0", zeros }, { tens "1", zeros }, { tens "2", zeros }, { tens "3", zeros },           \
    { tens "4", zeros }, { tens "5", zeros }, { tens "6", zeros }, { tens "7", zeros },           \
    { tens "8", zeros }, { tens "9", zeros },
#define NINETY_NUMBERS(hundreds, zeros)                                                           \
    TEN_NUMBERS(hundreds "1", zeros) TEN_NUMBERS(hundreds "2", zeros)                             \
    TEN_NUMBERS(hundreds "3", zeros) TEN_NUMBERS(hundreds "4", zeros)                             \
    TEN_NUMBERS(hundreds "5", zeros) TEN_NUMBERS(hundreds "6", zeros)                             \
    TEN_NUMBERS(hundreds "7", zeros) TEN_NUMBERS(hundreds "8", zeros)                             \
    TEN_NUMBERS(hundreds "9", zeros)
#define HUNDRED_NUMBERS(hundreds) TEN_NUMBERS(hundreds "0", 0) NINETY_NUMBERS(hundreds, 0)

const struct tp_number_text tp__number_texts[] = {
    TEN_NUMBERS("00", 2) NINETY_NUMBERS("0", 1)
    HUNDRED_NUMBERS("1") HUNDRED_NUMBERS("2") HUNDRED_NUMBERS("3") HUNDRED_NUMBERS("4")
    HUNDRED_NUMBERS("5") HUNDRED_NUMBERS("6") HUNDRED_NUMBERS("7") HUNDRED_NUMBERS("8")
    HUNDRED_NUMBERS("9")
    { "", 0 },
};
/* clang-format on */

_Static_assert(TP_COUNT_OF(tp__number_texts) == 1001, "all numbers below 1000, and one more");

void
tp__value_write_text(struct tp_value_writer *writer, struct tp_str text)
{
    writer->next = tp__write_text(writer, writer->next, text);
}

void
tp__value_write_uri(struct tp_value_writer *writer, struct tp_str uri)
{
    writer->next = tp__write_uri(writer, writer->next, uri);
}

char *
tp__write_text(struct tp_value_writer *writer, char *next, struct tp_str text)
{
    size_t len_max = writer->is_log ? writer->text_room / ESCAPED_BYTES_MAX : writer->text_room;
    char *begin = next;

    if (writer->is_log && text.len == 0) {
        *next = '-';
        return next + 1;
    }
    text.len = text.len < len_max ? text.len : len_max;
    next = writer->is_log ? write_escaped(next, text) : tp__write_bytes(next, text);
    writer->text_room -= (size_t) (next - begin);
    return next;
}

/* A uri or its query; what it says to be let in stands in no log. */
char *
tp__write_uri(struct tp_value_writer *writer, char *next, struct tp_str uri)
{
    size_t begin;
    size_t end;

    if (!writer->is_log || !uri_find_secret(uri, &begin, &end)) {
        return tp__write_text(writer, next, uri);
    }
    do {
        next = tp__write_text(writer, next, (struct tp_str){ uri.data, begin });
        next = tp__write_text(writer, next, TP_STR("-"));
        uri = tp__str_skip(uri, end);
    } while (uri_find_secret(uri, &begin, &end));
    return uri.len == 0 ? next : tp__write_text(writer, next, uri);
}

/* The value of access_token (RFC 6750, 2.3), where there is one. */
static bool
uri_find_secret(struct tp_str uri, size_t *begin, size_t *end)
{
    static const char name[] = "access_token=";
    const size_t name_len = sizeof(name) - 1;

    for (size_t at = 0; at + name_len < uri.len; at++) {
        const char *place = memchr(uri.data + at, '=', uri.len - at);

        if (place == NULL) {
            return false;
        }
        at = (size_t) (place - uri.data);
        if (at + 1 >= name_len && at + 1 < uri.len && uri.data[at + 1] != '&'
            && memcmp(place + 1 - name_len, name, name_len) == 0) {
            const char *next = memchr(place, '&', uri.len - at);

            *begin = at + 1;
            *end = next == NULL ? uri.len : (size_t) (next - uri.data);
            return true;
        }
    }
    return false;
}

char *
tp__write_bytes(char *next, struct tp_str bytes)
{
    if (bytes.len > 0) {
        memcpy(next, bytes.data, bytes.len);
    }
    return next + bytes.len;
}

/* Eight bytes at a time, as long as none of them needs an escape. */
static char *
write_escaped(char *next, struct tp_str text)
{
    const char *from = text.data;
    const char *end = from + text.len;
    uint64_t word;

    if (text.len < TP_VALUE_WORD_BYTES) {
        return write_escaped_short(next, text);
    }
    while (end - from >= TP_VALUE_WORD_BYTES) {
        memcpy(&word, from, sizeof(word));
        if (word_needs_escape(word)) {
            break;
        }
        memcpy(next, &word, sizeof(word));
        next += TP_VALUE_WORD_BYTES;
        from += TP_VALUE_WORD_BYTES;
    }
    if (from != end && end - from < TP_VALUE_WORD_BYTES) {
        /* The last eight bytes once more: those of them that are written already are the same. */
        memcpy(&word, end - TP_VALUE_WORD_BYTES, sizeof(word));
        if (!word_needs_escape(word)) {
            next += end - from;
            memcpy(next - TP_VALUE_WORD_BYTES, &word, sizeof(word));
            from = end;
        }
    }
    while (from != end) {
        next = write_escaped_byte(next, (uint8_t) *from++);
    }
    return next;
}

/* Less than eight bytes: as two halves, which may overlap, or one by one. */
static char *
write_escaped_short(char *next, struct tp_str text)
{
    uint32_t first;
    uint32_t last;

    if (text.len >= sizeof(first)) {
        memcpy(&first, text.data, sizeof(first));
        memcpy(&last, text.data + text.len - sizeof(last), sizeof(last));
        if (!word_needs_escape((uint64_t) last << 32 | first)) {
            memcpy(next, &first, sizeof(first));
            memcpy(next + text.len - sizeof(last), &last, sizeof(last));
            return next + text.len;
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        next = write_escaped_byte(next, (uint8_t) text.data[i]);
    }
    return next;
}

/* May be true for a word that needs none, never false for one that does. */
static inline bool
word_needs_escape(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = ones << 7;
    uint64_t quotes = word ^ (ones * '"');
    uint64_t backslashes = word ^ (ones * '\\');

    /* A byte minus n borrows from its highest bit when it is below n; 0x7f and above have it. */
    return ((word | (word + ones) | (word - ones * ' ') | (quotes - ones) | (backslashes - ones))
            & highs)
           != 0;
}

/* Only printing ASCII stays as it is, and neither what ends a quoted text nor the escape itself. */
static inline char *
write_escaped_byte(char *next, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";

    if (byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\') {
        *next = (char) byte;
        return next + 1;
    }
    next[0] = '\\';
    next[1] = 'x';
    next[2] = digits[byte >> 4];
    next[3] = digits[byte & 15];
    return next + ESCAPED_BYTES_MAX;
}

char *
tp__write_large_number(char *next, uint64_t number)
{
    if (number >= 1000000) {
        next = tp__write_number(next, number / 1000000);
        return write_six_digits(next, (uint32_t) (number % 1000000));
    }
    next = tp__write_small_number(next, (uint32_t) number / 1000);
    return write_three_digits(next, (uint32_t) number % 1000);
}

/* The same with its leading zeros. */
static inline char *
write_three_digits(char *next, uint32_t number)
{
    const struct tp_number_text *text = &tp__number_texts[number];

    memcpy(next, text, sizeof(*text));
    return next + sizeof(text->digits);
}

static inline char *
write_six_digits(char *next, uint32_t number)
{
    next = write_three_digits(next, number / 1000);
    return write_three_digits(next, number % 1000);
}

char *
tp__write_signed(char *next, int64_t number)
{
    if (number < 0) {
        *next = '-';
        return tp__write_number(next + 1, 0 - (uint64_t) number);
    }
    return tp__write_number(next, (uint64_t) number);
}

/* "0.000123" */
char *
tp__write_duration(char *next, int64_t duration_us)
{
    uint64_t duration = duration_us > 0 ? (uint64_t) duration_us : 0;

    next = tp__write_number(next, duration / 1000000);
    *next = '.';
    return write_six_digits(next + 1, (uint32_t) (duration % 1000000));
}

char *
tp__write_unescaped(struct tp_value_writer *writer, char *next, struct tp_str text)
{
    while (text.len > 0) {
        char byte = (char) tp_query_take_byte(&text);

        next = tp__write_text(writer, next, (struct tp_str){ &byte, 1 });
    }
    return next;
}
