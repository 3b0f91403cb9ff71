/*
 * packet/json_words.h - eight bytes of a JSON string at once.
 *
 * Read next: packet/json_text.c.
 */
#ifndef TP_PACKET_JSON_WORDS_H
#define TP_PACKET_JSON_WORDS_H

#include <teleport/base.h>

enum {
    TP_JSON_WORD = 8, /* bytes that are looked at together */
};

#define TP_JSON_BYTE_ONES UINT64_C(0x0101010101010101)

/* Eight bytes, the first of them lowest; compilers make one instruction of it. */
static inline uint64_t
tp__json_load(const uint8_t *at)
{
    return (uint64_t) at[0] | (uint64_t) at[1] << 8 | (uint64_t) at[2] << 16
           | (uint64_t) at[3] << 24 | (uint64_t) at[4] << 32 | (uint64_t) at[5] << 40
           | (uint64_t) at[6] << 48 | (uint64_t) at[7] << 56;
}

/*
 * Marks, by its highest bit, the first byte that is a quote, a backslash, below 0x20 or
 * above 0x7f.  Bytes behind that may be marked without reason, because a subtraction
 * borrows from them.
 */
static inline uint64_t
tp__json_mark_unsafe(uint64_t word)
{
    return (word | (word - TP_JSON_BYTE_ONES * 0x20)
            | ((word ^ TP_JSON_BYTE_ONES * '"') - TP_JSON_BYTE_ONES)
            | ((word ^ TP_JSON_BYTE_ONES * '\\') - TP_JSON_BYTE_ONES))
           & TP_JSON_BYTE_ONES << 7;
}

/* Passes what means itself: no quote, no escape, no control character, nothing beyond ASCII. */
static inline const uint8_t *
tp__json_skip_plain(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= TP_JSON_WORD) {
        uint64_t marks = tp__json_mark_unsafe(tp__json_load(at));

        if (marks != 0) {
            return at + (size_t) __builtin_ctzll(marks) / 8;
        }
        at += TP_JSON_WORD;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') {
        at++;
    }
    return at;
}

#endif
