/*
 * header_json.c - the header as a JSON object.
 *
 * Runs in: worker.  Read next: teleport/json_fields.h, teleport.c.
 */
#include "header.h"

#include <teleport/json_fields.h>

#include <string.h>

enum header_field {
    FIELD_SEQ,
    FIELD_TYPE,
    FIELD_URI,
    FIELD_GZIP,
    FIELD_STATUS_CODE,
    FIELD_STATUS,
};

enum {
    KEY_MAX = 1 + TP_JSON_KEY_MAX, /* with the comma or brace before it */
};

static const struct tp_json_field header_rows[] = {
    [FIELD_SEQ] = TP_JSON_UINT64("seq", struct tp_packet, seq),
    [FIELD_TYPE] = TP_JSON_INT32("type", struct tp_packet, type),
    [FIELD_URI] = TP_JSON_TEXT("uri", struct tp_packet, uri),
    [FIELD_GZIP] = TP_JSON_INT32("gzip", struct tp_packet, gzip_level),
    [FIELD_STATUS_CODE] = TP_JSON_INT32("status_code", struct tp_packet, status.code),
    [FIELD_STATUS] = TP_JSON_TEXT("status", struct tp_packet, status.text),
};
static const struct tp_json_fields header_fields = { header_rows, TP_COUNT_OF(header_rows),
                                                     TP_JSON_STRICT };

static const char status_ok[] = ",\"status_code\":200,\"status\":\"OK\"";

static uint8_t *json_write_status(uint8_t *to, const struct tp_status *status,
                                  const uint8_t *begin);
static uint8_t *json_write_key(uint8_t *to, enum header_field field, const uint8_t *begin);

const char *
teleport_header_read_json(struct header_bytes header, struct tp_packet *packet,
                          size_t *unescaped_max)
{
    struct tp_str object = { (const char *) header.at, (size_t) (header.end - header.at) };

    return tp_json_fields_read(&header_fields, object, packet, unescaped_max);
}

void
teleport_header_unescape_json(struct tp_packet *packet, uint8_t *room)
{
    tp_json_fields_unescape(&header_fields, packet, room);
}

size_t
teleport_header_json_max(const struct tp_packet *packet)
{
    return TP_COUNT_OF(header_rows) * (KEY_MAX + TP_JSON_NUMBER_MAX) + sizeof("{}")
           + tp_json_text_max(packet->uri) + tp_json_text_max(packet->status.text);
}

uint8_t *
teleport_header_write_json(const struct tp_packet *packet, uint8_t *to)
{
    const uint8_t *begin = to;

    if (packet->seq != 0) {
        to = tp_json_write_uint64(json_write_key(to, FIELD_SEQ, begin), packet->seq);
    }
    if (packet->type != 0) {
        to = tp_json_write_int64(json_write_key(to, FIELD_TYPE, begin), packet->type);
    }
    if (packet->uri.len > 0) {
        to = tp_json_text_write(packet->uri, json_write_key(to, FIELD_URI, begin));
    }
    if (packet->gzip_level != 0) {
        to = tp_json_write_int64(json_write_key(to, FIELD_GZIP, begin), packet->gzip_level);
    }
    to = json_write_status(to, &packet->status, begin);
    if (to == begin) {
        *to++ = '{';
    }
    *to++ = '}';
    return to;
}

/* Nearly always it is OK, and written already; what begins the object stays the rows' affair. */
static inline uint8_t *
json_write_status(uint8_t *to, const struct tp_status *status, const uint8_t *begin)
{
    const size_t ok_len = sizeof("OK") - 1;

    if (status->code == TP_STATUS_OK && to != begin && status->text.len == ok_len
        && memcmp(status->text.data, "OK", ok_len) == 0) {
        memcpy(to, status_ok, sizeof(status_ok) - 1);
        return to + sizeof(status_ok) - 1;
    }
    if (status->code != 0) {
        to = tp_json_write_int64(json_write_key(to, FIELD_STATUS_CODE, begin), status->code);
    }
    if (status->text.len > 0) {
        to = tp_json_text_write(status->text, json_write_key(to, FIELD_STATUS, begin));
    }
    return to;
}

/* `begin` is where the object begins. */
static inline uint8_t *
json_write_key(uint8_t *to, enum header_field field, const uint8_t *begin)
{
    return tp_json_write_key(to, &header_rows[field], to == begin);
}
