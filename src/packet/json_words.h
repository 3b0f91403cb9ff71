/*
 * packet/json_words.h - eight bytes of a JSON string at once.
 *
 * Read next: packet/json_text.c.
 */
#ifndef TP_PACKET_JSON_WORDS_H
#define TP_PACKET_JSON_WORDS_H

#include <teleport/base.h>

#include <string.h>

enum {
    TP_JSON_WORD = 8, /* bytes that are looked at together */
};

#define TP_JSON_BYTE_ONES  UINT64_C(0x0101010101010101)
#define TP_JSON_BYTE_HIGHS UINT64_C(0x8080808080808080)

/* Eight bytes, the first of them lowest; compilers make one instruction of it. */
static inline uint64_t
tp__json_load(const uint8_t *at)
{
    return (uint64_t) at[0] | (uint64_t) at[1] << 8 | (uint64_t) at[2] << 16
           | (uint64_t) at[3] << 24 | (uint64_t) at[4] << 32 | (uint64_t) at[5] << 40
           | (uint64_t) at[6] << 48 | (uint64_t) at[7] << 56;
}

/*
 * The same of fewer bytes, at most seven; those that are not there are 0.  Loads overlap, so that
 * nothing behind them is read.
 */
static inline uint64_t
tp__json_load_front(const uint8_t *at, size_t len)
{
    if (len >= 4) {
        const uint8_t *last = at + len - 4;
        uint32_t front = (uint32_t) at[0] | (uint32_t) at[1] << 8 | (uint32_t) at[2] << 16
                         | (uint32_t) at[3] << 24;
        uint32_t back = (uint32_t) last[0] | (uint32_t) last[1] << 8 | (uint32_t) last[2] << 16
                        | (uint32_t) last[3] << 24;

        return front | (uint64_t) back << 8 * (len - 4);
    }
    if (len == 0) {
        return 0;
    }
    return at[0] | (uint64_t) at[len / 2] << 8 * (len / 2)
           | (uint64_t) at[len - 1] << 8 * (len - 1);
}

/* Copies at most seven bytes. */
static inline void
tp__json_copy_front(uint8_t *to, const uint8_t *at, size_t len)
{
    if (len >= 4) {
        memcpy(to, at, 4);
        memcpy(to + len - 4, at + len - 4, 4);
    } else if (len > 0) {
        to[0] = at[0];
        to[len / 2] = at[len / 2];
        to[len - 1] = at[len - 1];
    }
}

/* The place of the first byte that is marked, in a word that has one. */
static inline size_t
tp__json_first_mark(uint64_t marks)
{
    return (size_t) __builtin_ctzll(marks) / 8;
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
           & TP_JSON_BYTE_HIGHS;
}

/* Passes what means itself: no quote, no escape, no control character, nothing beyond ASCII. */
static inline const uint8_t *
tp__json_skip_plain(const uint8_t *at, const uint8_t *end)
{
    for (; end - at >= TP_JSON_WORD; at += TP_JSON_WORD) {
        uint64_t marks = tp__json_mark_unsafe(tp__json_load(at));

        if (marks != 0) {
            return at + tp__json_first_mark(marks);
        }
    }
    /* The byte behind the last is 0, and marked for that. */
    uint64_t front = tp__json_load_front(at, (size_t) (end - at));

    return at + tp__json_first_mark(tp__json_mark_unsafe(front));
}

#endif
