/*
 * base/str.h - slices: comparing, splitting, reading numbers, and the nearest
 * name for "did you mean".
 */
#ifndef TP_BASE_STR_H
#define TP_BASE_STR_H

#include <teleport/base.h>

#include <string.h>

/* A slice of a terminated string, which it borrows. */
static inline struct tp_str
tp__str(const char *text)
{
    return (struct tp_str){ text, strlen(text) };
}

static inline bool
tp__str_equal(struct tp_str left, struct tp_str right)
{
    return left.len == right.len && (left.len == 0 || memcmp(left.data, right.data, left.len) == 0);
}

static inline bool
tp__str_starts_with(struct tp_str text, struct tp_str prefix)
{
    return text.len >= prefix.len
           && (prefix.len == 0 || memcmp(text.data, prefix.data, prefix.len) == 0);
}

/* `text` without its first `count` bytes (at most all of them). */
static inline struct tp_str
tp__str_skip(struct tp_str text, size_t count)
{
    if (count > text.len) {
        count = text.len;
    }
    /* An empty slice may be NULL, to which not even 0 may be added. */
    return count == 0 ? text : (struct tp_str){ text.data + count, text.len - count };
}

/*
 * Cuts `text` at the first `separator`: the part before it is returned, *rest is
 * the part behind it, or an empty slice where there is none.
 */
struct tp_str tp__str_cut(struct tp_str text, char separator, struct tp_str *rest);

/*
 * Reads all of `text` as a decimal number, with a minus for negative ones.
 * TP_INVALID: not a number; TP_TOO_LARGE: it does not fit.
 */
enum tp_result tp__str_to_int64(struct tp_str text, int64_t *number) TP_MUST_CHECK;

/* The value of a hexadecimal digit, upper or lower case; -1 for anything else. */
static inline int
tp__str_hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    char lower = (char) (digit | 0x20);

    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* A letter A to Z becomes the small one; all else stays as it is. */
static inline int
tp__ascii_to_lower(int byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

/*
 * How many letters must be inserted, removed, replaced or swapped with their
 * neighbour to make one name of the other (restricted Damerau-Levenshtein
 * distance).  A name over 64 bytes counts as different in every letter.
 */
size_t tp__str_distance(struct tp_str left, struct tp_str right);

/* True when `candidate` is near enough to `written` to be worth asking "did you mean". */
bool tp__str_is_near(struct tp_str written, struct tp_str candidate);

#endif
