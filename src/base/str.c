/*
 * str.c - slices: splitting, numbers, and the distance between two names.
 */
#include "base/str.h"

enum {
    NAME_LEN_MAX = 64, /* longer names are no typing mistakes of ours */
};

static size_t str_smallest(size_t first, size_t second, size_t third);

struct tp_str
tp__str_cut(struct tp_str text, char separator, struct tp_str *rest)
{
    const char *found = text.len == 0 ? NULL : memchr(text.data, separator, text.len);

    if (found == NULL) {
        *rest = tp__str_skip(text, text.len);
        return text;
    }
    size_t len = (size_t) (found - text.data);

    *rest = tp__str_skip(text, len + 1);
    return (struct tp_str){ text.data, len };
}

enum tp_result
tp__str_to_int64(struct tp_str text, int64_t *number)
{
    bool is_negative = text.len > 0 && text.data[0] == '-';
    uint64_t limit = (uint64_t) INT64_MAX + (is_negative ? 1 : 0);
    uint64_t value = 0;

    text = tp__str_skip(text, is_negative ? 1 : 0);
    if (text.len == 0) {
        return TP_INVALID;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return TP_INVALID;
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t) (text.data[i] - '0');

        if (value > (limit - digit) / 10) {
            return TP_TOO_LARGE;
        }
        value = value * 10 + digit;
    }
    *number = is_negative ? (int64_t) (0 - value) : (int64_t) value;
    return TP_OK;
}

size_t
tp__str_distance(struct tp_str left, struct tp_str right)
{
    /* Three rows of the usual matrix are enough: the swap looks two rows back. */
    size_t rows[3][NAME_LEN_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *current = rows[2];

    if (left.len > NAME_LEN_MAX || right.len > NAME_LEN_MAX) {
        return left.len > right.len ? left.len : right.len;
    }
    for (size_t at = 0; at <= right.len; at++) {
        above[at] = at;
        before[at] = at;
    }
    for (size_t i = 1; i <= left.len; i++) {
        current[0] = i;
        for (size_t at = 1; at <= right.len; at++) {
            size_t replace = above[at - 1] + (left.data[i - 1] == right.data[at - 1] ? 0 : 1);

            current[at] = str_smallest(above[at] + 1, current[at - 1] + 1, replace);
            if (i > 1 && at > 1 && left.data[i - 1] == right.data[at - 2]
                && left.data[i - 2] == right.data[at - 1] && before[at - 2] + 1 < current[at]) {
                current[at] = before[at - 2] + 1;
            }
        }
        size_t *oldest = before;

        before = above;
        above = current;
        current = oldest;
    }
    return above[right.len];
}

bool
tp__str_is_near(struct tp_str written, struct tp_str candidate)
{
    size_t longer = written.len > candidate.len ? written.len : candidate.len;

    return tp__str_distance(written, candidate) <= (longer + 2) / 4;
}

static size_t
str_smallest(size_t first, size_t second, size_t third)
{
    size_t smaller = first < second ? first : second;

    return smaller < third ? smaller : third;
}
