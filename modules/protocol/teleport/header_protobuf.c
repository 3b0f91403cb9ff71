/*
 * header_protobuf.c - the header as a protobuf message.
 *
 * Runs in: worker.  Read next: teleport/protobuf_fields.h, teleport.c.
 */
#include "header.h"

#include <teleport/protobuf_fields.h>

enum header_field {
    FIELD_SEQ = 1,
    FIELD_TYPE = 2,
    FIELD_URI = 3,
    FIELD_GZIP = 4,
    FIELD_STATUS_CODE = 5,
    FIELD_STATUS = 6,
};

static const struct tp_protobuf_field header_rows[] = {
    TP_PROTOBUF_UINT64(FIELD_SEQ, struct tp_packet, seq),
    TP_PROTOBUF_INT32(FIELD_TYPE, struct tp_packet, type),
    TP_PROTOBUF_BYTES(FIELD_URI, struct tp_packet, uri),
    TP_PROTOBUF_INT32(FIELD_GZIP, struct tp_packet, gzip_level),
    TP_PROTOBUF_INT32(FIELD_STATUS_CODE, struct tp_packet, status.code),
    TP_PROTOBUF_BYTES(FIELD_STATUS, struct tp_packet, status.text),
};
static const struct tp_protobuf_fields header_fields = { header_rows, TP_COUNT_OF(header_rows) };

const char *
teleport_header_read_protobuf(struct header_bytes header, struct tp_packet *packet)
{
    return tp_protobuf_fields_read(&header_fields, header.at, header.end, packet) == header.end
               ? NULL
               : "the protobuf header is malformed";
}

size_t
teleport_header_protobuf_max(const struct tp_packet *packet)
{
    return (TP_COUNT_OF(header_rows) - 1) * TP_PROTOBUF_FIELD_MAX + packet->uri.len
           + packet->status.text.len;
}

uint8_t *
teleport_header_write_protobuf(const struct tp_packet *packet, uint8_t *to)
{
    to = tp_protobuf_write_uint64(to, FIELD_SEQ, packet->seq);
    to = tp_protobuf_write_int32(to, FIELD_TYPE, packet->type);
    to = tp_protobuf_write_bytes(to, FIELD_URI, packet->uri);
    to = tp_protobuf_write_int32(to, FIELD_GZIP, packet->gzip_level);
    to = tp_protobuf_write_int32(to, FIELD_STATUS_CODE, packet->status.code);
    return tp_protobuf_write_bytes(to, FIELD_STATUS, packet->status.text);
}
