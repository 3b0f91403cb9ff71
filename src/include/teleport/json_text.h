/*
 * teleport/json_text.h - JSON strings: finding their end, what they mean, and how to write them.
 *
 * For what a protocol says in JSON itself.  Bodies are the codecs' (teleport/codec.h).
 *
 * Read next: teleport/json_fields.h (objects whose members are known).
 */
#ifndef TELEPORT_JSON_TEXT_H
#define TELEPORT_JSON_TEXT_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a string was written, and so how it is read. */
enum tp_json_manner {
    /* As RFC 8259 has it; bytes that are no UTF-8 become U+FFFD each. */
    TP_JSON_STRICT,
    /* Any byte stands for itself; so does a backslash with which no escape begins. */
    TP_JSON_LENIENT,
    /* By one who escapes nothing but quotes: any other byte, and backslash, stands for itself. */
    TP_JSON_BARE,
};

/* A string as it is written, without its quotes. */
struct tp_json_text {
    struct tp_str raw;
    size_t unescaped_max; /* how long what it means may be; 0: it means what it says */
};

/*
 * Reads the string whose opening quote is at `at` and returns the place behind the closing
 * one; NULL when there is none, or something that the manner does not know.
 */
const uint8_t *tp_json_text_read(const uint8_t *at, const uint8_t *end, enum tp_json_manner manner,
                                 struct tp_json_text *text);

/*
 * Writes what `raw`, well-formed in that manner, means to `to` and returns the place behind it.
 * Halves of surrogate pairs become U+FFFD.
 */
uint8_t *tp_json_text_unescape(struct tp_str raw, enum tp_json_manner manner, uint8_t *to);

/* How many bytes tp_json_text_write() writes at most. */
size_t tp_json_text_max(struct tp_str text);

/*
 * Writes the text with its quotes, escaped as Go does it, and returns the place behind: so that
 * it may stand in HTML, < > & are escaped too, and what is no UTF-8 becomes U+FFFD.
 */
uint8_t *tp_json_text_write(struct tp_str text, uint8_t *to);

/*
 * For a string of any bytes, piece by piece, without its quotes: escapes what JSON does not let
 * stand, and nothing else.  How many bytes that makes, exactly, or at most, which is known
 * sooner; and writing them.
 */
size_t tp_json_bytes_len(struct tp_str bytes);
size_t tp_json_bytes_max(struct tp_str bytes);
uint8_t *tp_json_bytes_write(struct tp_str bytes, uint8_t *to);

#ifdef __cplusplus
}
#endif

#endif
