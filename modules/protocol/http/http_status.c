/*
 * http_status.c - a status as the JSON object {"code":404,"msg":"Not Found","cause":"…"}.
 *
 * Read next: teleport/json_fields.h.
 */
#include "http.h"

#include <teleport/json_fields.h>

enum {
    STATUS_SYNTAX_MAX = 48,      /* names, quotes, colons, commas, braces */
    STATUS_BODY_MAX = 64 * 1024, /* a larger body is no status */
};

/* As it is read. */
struct status_json {
    int32_t code;
    struct tp_str msg;
    struct tp_str cause;
};

static const struct tp_json_field status_rows[] = {
    TP_JSON_INT32("code", struct status_json, code),
    TP_JSON_TEXT("msg", struct status_json, msg),
    TP_JSON_TEXT("cause", struct status_json, cause),
};

static const struct tp_json_fields status_fields = {
    status_rows,
    TP_COUNT_OF(status_rows),
    TP_JSON_STRICT,
};

static enum tp_result status_take_plain(const struct tp_wire *wire, const struct tp_packet *packet,
                                        struct tp_slice *flat);
static enum tp_result status_take(const struct tp_wire *wire, struct tp_packet *packet,
                                  const struct tp_slice *flat);

size_t
http_status_max(const struct tp_status *status)
{
    return STATUS_SYNTAX_MAX + TP_JSON_NUMBER_MAX + tp_json_text_max(status->text)
           + tp_json_text_max(status->cause);
}

size_t
http_status_write(const struct tp_status *status, char *to)
{
    uint8_t *begin = (uint8_t *) to;
    uint8_t *end =
        tp_json_write_int64(tp_json_write_key(begin, &status_rows[0], true), status->code);

    end = tp_json_text_write(status->text, tp_json_write_key(end, &status_rows[1], false));
    if (status->cause.len > 0) {
        end = tp_json_text_write(status->cause, tp_json_write_key(end, &status_rows[2], false));
    }
    *end++ = '}';
    return (size_t) (end - begin);
}

enum tp_result
http_status_read(const struct tp_wire *wire, struct tp_packet *packet)
{
    struct tp_slice flat = { 0 };

    if (packet->body_codec != TP_CODEC_JSON || packet->body.len > STATUS_BODY_MAX) {
        return TP_INVALID;
    }
    enum tp_result result = status_take_plain(wire, packet, &flat);

    if (result == TP_OK) {
        result = status_take(wire, packet, &flat);
    }
    tp_buf_release(flat.buf);
    return result;
}

/* The body, inflated and in one piece, which the caller then holds. */
static enum tp_result
status_take_plain(const struct tp_wire *wire, const struct tp_packet *packet, struct tp_slice *flat)
{
    static const uint8_t gzip = TP_FILTER_GZIP;
    struct tp_chain plain = { 0 };
    enum tp_result result = packet->gzip_level == 0
                                ? tp_chain_share(&plain, &packet->body)
                                : tp_wire_unfilter(wire, &gzip, 1, &packet->body, &plain);

    if (result == TP_OK && plain.len == 0) {
        result = TP_INVALID;
    }
    if (result == TP_OK) {
        result = tp_chain_flatten(&plain, wire->pool, flat);
    }
    if (result == TP_OK) {
        tp_buf_acquire(flat->buf);
    }
    tp_chain_clear(&plain);
    return result == TP_OK || result == TP_NO_MEMORY ? result : TP_INVALID;
}

static enum tp_result
status_take(const struct tp_wire *wire, struct tp_packet *packet, const struct tp_slice *flat)
{
    struct status_json status = { 0 };
    struct tp_buf *holder = flat->buf;
    size_t unescaped_max = 0;
    const char *why =
        tp_json_fields_read(&status_fields, (struct tp_str){ (const char *) flat->data, flat->len },
                            &status, &unescaped_max);

    if (why != NULL || status.code == 0) {
        return TP_INVALID;
    }
    if (unescaped_max > 0) {
        holder = tp_buf_make(wire->pool, unescaped_max);
        if (holder == NULL) {
            return TP_NO_MEMORY;
        }
        tp_json_fields_unescape(&status_fields, &status, holder->bytes);
    } else {
        tp_buf_acquire(holder);
    }
    tp_buf_release(packet->head);
    packet->head = holder;
    packet->status = (struct tp_status){ status.code, status.msg, status.cause };
    return TP_OK;
}
