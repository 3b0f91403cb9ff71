/*
 * utf8.c - is it UTF-8?
 *
 * Of a character's bytes only the second has bounds of its own: they keep out overlong
 * forms, halves of surrogate pairs and what lies beyond U+10FFFF.
 *
 * Source of the bounds: RFC 3629, chapter 4.
 */
#include "utf8.h"

#include <string.h>

enum {
    WORD_BYTES = 8, /* looked at together */
    FOLLOWER_LOWEST = 0x80,
    FOLLOWER_HIGHEST = 0xbf,
};

/* Leading bytes up to `last`, and what may follow them. */
struct utf8_lead {
    uint8_t last;
    uint8_t missing;
    uint8_t lowest;
    uint8_t highest;
};

static size_t utf8_count_ascii(const uint8_t *bytes, size_t len);
static bool utf8_begin(struct websocket_utf8 *utf8, uint8_t lead);

static const struct utf8_lead utf8_leads[] = {
    { 0xc1, 0, 0, 0 }, /* none, nor overlong forms of one byte */
    { 0xdf, 1, FOLLOWER_LOWEST, FOLLOWER_HIGHEST },
    { 0xe0, 2, 0xa0, FOLLOWER_HIGHEST },
    { 0xec, 2, FOLLOWER_LOWEST, FOLLOWER_HIGHEST },
    { 0xed, 2, FOLLOWER_LOWEST, 0x9f },
    { 0xef, 2, FOLLOWER_LOWEST, FOLLOWER_HIGHEST },
    { 0xf0, 3, 0x90, FOLLOWER_HIGHEST },
    { 0xf3, 3, FOLLOWER_LOWEST, FOLLOWER_HIGHEST },
    { 0xf4, 3, FOLLOWER_LOWEST, 0x8f },
    { 0xff, 0, 0, 0 },
};

bool
websocket_utf8_read(struct websocket_utf8 *utf8, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (utf8->missing == 0) {
            i += utf8_count_ascii(bytes + i, len - i);
            if (i == len) {
                return true;
            }
            if (!utf8_begin(utf8, bytes[i])) {
                return false;
            }
        } else if (bytes[i] < utf8->lowest || bytes[i] > utf8->highest) {
            return false;
        } else {
            utf8->missing--;
            utf8->lowest = FOLLOWER_LOWEST;
            utf8->highest = FOLLOWER_HIGHEST;
        }
    }
    return true;
}

bool
websocket_utf8_is_valid(const uint8_t *bytes, size_t len)
{
    struct websocket_utf8 utf8 = { .missing = 0 };

    return websocket_utf8_read(&utf8, bytes, len) && utf8.missing == 0;
}

static size_t
utf8_count_ascii(const uint8_t *bytes, size_t len)
{
    size_t count = 0;
    uint64_t word;

    while (len - count >= WORD_BYTES) {
        memcpy(&word, bytes + count, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
        count += WORD_BYTES;
    }
    while (count < len && bytes[count] < 0x80) {
        count++;
    }
    return count;
}

/* A character begins that is not ASCII. */
static bool
utf8_begin(struct websocket_utf8 *utf8, uint8_t lead)
{
    const struct utf8_lead *row = utf8_leads;

    while (lead > row->last) {
        row++;
    }
    *utf8 = (struct websocket_utf8){ row->missing, row->lowest, row->highest };
    return row->missing > 0;
}
