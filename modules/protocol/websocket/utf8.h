/*
 * utf8.h - is it UTF-8?  Asked of texts that come in pieces.
 */
#ifndef TELEPORT_WEBSOCKET_UTF8_H
#define TELEPORT_WEBSOCKET_UTF8_H

#include <teleport/base.h>

/* Where in a character a text stands; all zeros at its begin. */
struct websocket_utf8 {
    uint8_t missing; /* bytes of the character that are still to come */
    uint8_t lowest;  /* of the next of them */
    uint8_t highest;
};

/* Reads on; false as soon as no text can go on like this. */
bool websocket_utf8_read(struct websocket_utf8 *utf8, const uint8_t *bytes, size_t len);

/* Is all of this UTF-8? */
bool websocket_utf8_is_valid(const uint8_t *bytes, size_t len);

#endif
