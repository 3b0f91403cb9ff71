/*
 * base/utf8.h - characters of UTF-8 text: strict reading, and how wide a
 * terminal shows them.
 */
#ifndef TP_BASE_UTF8_H
#define TP_BASE_UTF8_H

#include <teleport/base.h>

#define TP_UTF8_BOM "\xef\xbb\xbf"

enum {
    TP_UTF8_BYTES_MAX = 4,
};

/* One character; of bytes that are no UTF-8 the first alone, with is_valid false. */
struct tp_utf8 {
    uint32_t code;
    unsigned len;
    bool is_valid;
};

/*
 * Reads the first character of `text`, which may not be empty.  Overlong forms,
 * surrogates and what lies beyond U+10FFFF are not valid.
 */
struct tp_utf8 tp__utf8_read(struct tp_str text);

/* False for control characters and for what is no UTF-8. */
bool tp__utf8_is_printable(struct tp_utf8 character);

/* Columns of a terminal: 0 for combining marks, 2 for wide characters, else 1. */
unsigned tp__utf8_width(struct tp_utf8 character);

/* How many characters `text` has. */
size_t tp__utf8_count(struct tp_str text);

#endif
