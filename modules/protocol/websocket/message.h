/*
 * message.h - what a WebSocket message says: one packet, as a JSON object or in protobuf.
 *
 * The two forms are those of Teleport 6/7, with the status of a REPLY besides.  Filters are
 * about the body alone.
 */
#ifndef TELEPORT_WEBSOCKET_MESSAGE_H
#define TELEPORT_WEBSOCKET_MESSAGE_H

#include <teleport/protocol.h>

#include "handshake.h"

/* How a message came, or is to leave. */
struct websocket_kind {
    enum websocket_form form; /* never ANY */
    bool is_binary;
};

/* A whole message; the buffer is the caller's, and held by the packet that is read of it. */
struct websocket_message {
    struct tp_buf *buf;
    size_t len;
    bool is_text;
};

/*
 * Reads the packet, and into *kind how it came: a text is JSON, and so is what begins with a
 * brace.  TP_DECODE_PACKET, TP_DECODE_REFUSED, TP_DECODE_NO_MEMORY, or TP_DECODE_BROKEN.
 */
enum tp_decode_outcome websocket_message_read(struct tp_wire *wire,
                                              const struct websocket_message *message,
                                              struct websocket_kind *kind,
                                              struct tp_packet *packet);

/*
 * Writes the packet as a message in one frame, masked if `mask` is not NULL.  JSON that is not
 * UTF-8, because a body is not, leaves as binary.  TP_NO_MEMORY; TP_NOT_FOUND: there is no such
 * filter; nothing is written then.
 */
enum tp_result websocket_message_write(struct tp_wire *wire, const struct tp_packet *packet,
                                       struct websocket_kind kind, const uint8_t *mask,
                                       struct tp_output *output) TP_MUST_CHECK;

#endif
