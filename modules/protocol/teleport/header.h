/*
 * header.h - the two codecs of a Teleport 2.5 header.
 *
 * A codec reads and writes seq, type, uri, gzip, status code and status text of a packet
 * and touches nothing else of it.  Reading returns NULL, or what is wrong, for the log.
 * Writing leaves out zero values.
 *
 * Read next: teleport.c, which frames what they read and write.
 */
#ifndef TELEPORT_HEADER_H
#define TELEPORT_HEADER_H

#include <teleport/packet.h>

/* The bytes of a header, all there. */
struct header_bytes {
    const uint8_t *at;
    const uint8_t *end;
};

/* Texts become slices of the header. */
const char *teleport_header_read_protobuf(struct header_bytes header, struct tp_packet *packet);

/* How many bytes teleport_header_write_protobuf() writes at most. */
size_t teleport_header_protobuf_max(const struct tp_packet *packet);

/* Writes the header to `to` and returns the place behind it. */
uint8_t *teleport_header_write_protobuf(const struct tp_packet *packet, uint8_t *to);

/*
 * Texts become slices of the header, as they are written there.  Where that is not what
 * they mean, because of escapes or bytes that are no UTF-8, `*unescaped_max` says how much
 * room teleport_header_unescape_json() needs to mend it; else it is 0.
 */
const char *teleport_header_read_json(struct header_bytes header, struct tp_packet *packet,
                                      size_t *unescaped_max);

/* Writes the texts as they are meant to `room`, and lets them lie there. */
void teleport_header_unescape_json(struct tp_packet *packet, uint8_t *room);

size_t teleport_header_json_max(const struct tp_packet *packet);
uint8_t *teleport_header_write_json(const struct tp_packet *packet, uint8_t *to);

#endif
