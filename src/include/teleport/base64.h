/*
 * teleport/base64.h - bytes as letters, and back: RFC 4648, strictly.
 *
 * What is read has one way only to be written: no white space, no letters of the other alphabet,
 * and no bits left over.
 */
#ifndef TELEPORT_BASE64_H
#define TELEPORT_BASE64_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tp_base64_form {
    TP_BASE64_PADDED, /* '+', '/', and '=' at the end: HTTP's */
    TP_BASE64_BARE,   /* '+', '/', no padding: that of hashes */
    TP_BASE64_URL,    /* '-', '_', no padding: that of tokens */
};

/* How many letters, at most, `len` bytes become, and how many bytes so many letters. */
#define TP_BASE64_LETTERS(len)     (((len) + 2) / 3 * 4)
#define TP_BASE64_BYTES_MAX(count) ((count) / 4 * 3 + 3)

/* Writes the letters of `bytes`, unterminated, and returns how many. */
size_t tp_base64_write(struct tp_str bytes, enum tp_base64_form form, char *letters);

/*
 * Writes what `letters` stand for to `bytes`, which has room for TP_BASE64_BYTES_MAX() and may be
 * where they lie, and returns how many; SIZE_MAX: they are not of that form.
 */
size_t tp_base64_read(struct tp_str letters, enum tp_base64_form form, uint8_t *bytes);

#ifdef __cplusplus
}
#endif

#endif
