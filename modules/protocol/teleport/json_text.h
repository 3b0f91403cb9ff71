/*
 * json_text.h - JSON strings: finding their end, what they mean, and how to write them.
 */
#ifndef TELEPORT_JSON_TEXT_H
#define TELEPORT_JSON_TEXT_H

#include <teleport/base.h>

/* A string as it is written, without its quotes. */
struct json_text {
    struct tp_str raw;
    size_t unescaped_max; /* how long what it means may be; 0: it means what it says */
};

/*
 * Reads the string whose opening quote is at `at` and returns the place behind the closing
 * one; NULL when there is none, or an escape or control character that JSON does not know.
 */
const uint8_t *teleport_text_read(const uint8_t *at, const uint8_t *end, struct json_text *text);

/*
 * Writes what the well-formed `raw` means to `to` and returns the place behind it.  Bytes
 * that are no UTF-8 and halves of surrogate pairs become U+FFFD each.
 */
uint8_t *teleport_text_unescape(struct tp_str raw, uint8_t *to);

/* How many bytes teleport_text_write() writes at most. */
size_t teleport_text_max(struct tp_str text);

/*
 * Writes the text with its quotes, escaped as Go does it, and returns the place behind:
 * so that it may stand in HTML, < > & are escaped too.
 */
uint8_t *teleport_text_write(struct tp_str text, uint8_t *to);

#endif
