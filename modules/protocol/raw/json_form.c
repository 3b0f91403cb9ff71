/*
 * json_form.c - the payload of the JSON protocol: an object whose "body" is a string.
 *
 *     {"seq":1,"mtype":1,"serviceMethod":"/x","status":"code=0","meta":"","bodyCodec":106,"body":""}
 *
 * The original's writer escapes quotes in the body, and nothing else.  So what cannot be read
 * leniently, because a backslash of the body's own seems to belong to a quote, is read once
 * more by that writer's rule.  Ours is correct JSON, as far as the body is UTF-8.
 *
 * Runs in: worker.  Read next: teleport/json_fields.h, family.c.
 */
#include "family.h"

#include <teleport/json_fields.h>

#include <string.h>

enum json_field {
    FIELD_SEQ,
    FIELD_TYPE,
    FIELD_URI,
    FIELD_STATUS,
    FIELD_METADATA,
    FIELD_BODY_CODEC,
    FIELD_BODY,
};

static const struct tp_json_field json_rows[] = {
    [FIELD_SEQ] = TP_JSON_INT64("seq", struct tp_family_message, seq),
    [FIELD_TYPE] = TP_JSON_INT32("mtype", struct tp_family_message, type),
    [FIELD_URI] = TP_JSON_TEXT("serviceMethod", struct tp_family_message, uri),
    [FIELD_STATUS] = TP_JSON_TEXT("status", struct tp_family_message, status),
    [FIELD_METADATA] = TP_JSON_TEXT("meta", struct tp_family_message, metadata),
    [FIELD_BODY_CODEC] = TP_JSON_INT32("bodyCodec", struct tp_family_message, body_codec),
    [FIELD_BODY] = TP_JSON_TEXT("body", struct tp_family_message, body),
};
static const struct tp_json_fields json_fields = { json_rows, TP_COUNT_OF(json_rows),
                                                   TP_JSON_LENIENT };
static const struct tp_json_fields json_bare_fields = { json_rows, TP_COUNT_OF(json_rows),
                                                        TP_JSON_BARE };

enum {
    KEY_MAX = 1 + TP_JSON_KEY_MAX, /* with the comma or brace before it */
    QUOTES = 2,
};

static bool json_begins_with(uint8_t byte);
static enum tp_decode_outcome json_read(struct tp_wire *wire, const struct family_payload *payload,
                                        struct tp_packet *packet);
static const struct tp_json_fields *json_read_message(struct tp_wire *wire, struct tp_str object,
                                                      struct tp_family_message *message,
                                                      size_t *unescaped_max);
static size_t json_write_max(const struct tp_packet *packet);
static uint8_t *json_write(const struct tp_packet *packet, uint8_t *to);
static uint8_t *json_write_text(uint8_t *to, enum json_field field, struct tp_str text);
static uint8_t *json_write_metadata(uint8_t *to, const struct tp_packet *packet);
static uint8_t *json_write_body(uint8_t *to, const struct tp_chain *body);

const struct family_form json_form = {
    .size_counts_itself = false,
    .begins_with = json_begins_with,
    .read = json_read,
    .write_max = json_write_max,
    .write = json_write,
    .writes_body = true,
};

static bool
json_begins_with(uint8_t byte)
{
    return byte == '{';
}

static enum tp_decode_outcome
json_read(struct tp_wire *wire, const struct family_payload *payload, struct tp_packet *packet)
{
    struct tp_family_message message;
    size_t unescaped_max;
    const uint8_t *bytes = family_hold(wire, payload, payload->len, &packet->head);

    if (bytes == NULL) {
        return TP_DECODE_NO_MEMORY;
    }
    struct tp_str object = { (const char *) bytes, payload->len };
    const struct tp_json_fields *fields = json_read_message(wire, object, &message, &unescaped_max);

    if (fields == NULL) {
        return TP_DECODE_BROKEN;
    }
    if (unescaped_max > 0) {
        struct tp_buf *texts = tp_buf_make(wire->pool, unescaped_max);

        if (texts == NULL) {
            return TP_DECODE_NO_MEMORY;
        }
        tp_json_fields_unescape(fields, &message, texts->bytes);
        tp_buf_release(packet->head);
        packet->head = texts;
    }
    tp_buf_acquire(packet->head);
    struct tp_slice body = { packet->head, (const uint8_t *) message.body.data, message.body.len };

    /* An empty chain has room for one slice, so this cannot fail. */
    enum tp_result result = tp_chain_append(&packet->body, body);

    TP_ASSERT(result == TP_OK);
    return tp_family_take(wire, &message, packet);
}

/* Returns how its strings are written; NULL when it is broken, with wire->why. */
static const struct tp_json_fields *
json_read_message(struct tp_wire *wire, struct tp_str object, struct tp_family_message *message,
                  size_t *unescaped_max)
{
    *message = (struct tp_family_message){ .seq = 0 };
    const char *why = tp_json_fields_read(&json_fields, object, message, unescaped_max);

    if (why == NULL) {
        return &json_fields;
    }
    *message = (struct tp_family_message){ .seq = 0 };
    if (tp_json_fields_read(&json_bare_fields, object, message, unescaped_max) == NULL) {
        return &json_bare_fields;
    }
    wire->why = why;
    return NULL;
}

static size_t
json_write_max(const struct tp_packet *packet)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(&packet->body, &count);
    size_t max = TP_COUNT_OF(json_rows) * (KEY_MAX + QUOTES) + 3 * TP_JSON_NUMBER_MAX + sizeof("}")
                 + tp_json_bytes_max(packet->uri) + tp_family_status_len(packet)
                 + tp_json_bytes_max(packet->metadata) + TP_FAMILY_ACCEPT_MAX;

    for (size_t i = 0; i < count; i++) {
        struct tp_str piece = { (const char *) slices[i].data, slices[i].len };

        /* Of many pieces the exact lengths: too much room for each would be much too much. */
        max += count == 1 ? tp_json_bytes_max(piece) : tp_json_bytes_len(piece);
    }
    return max;
}

static uint8_t *
json_write(const struct tp_packet *packet, uint8_t *to)
{
    bool is_reply = tp_family_is_reply(packet->type);
    uint8_t codec = packet->has_body_codec ? packet->body_codec : TP_CODEC_NONE;

    to = tp_json_write_int64(tp_json_write_key(to, &json_rows[FIELD_SEQ], true),
                             (int64_t) packet->seq);
    to = tp_json_write_int64(tp_json_write_key(to, &json_rows[FIELD_TYPE], false), packet->type);
    to = json_write_text(to, FIELD_URI, is_reply ? TP_STR("") : packet->uri);
    to = tp_json_write_key(to, &json_rows[FIELD_STATUS], false);
    *to++ = '"';
    /* Nothing in it has to be escaped once more. */
    to = tp_family_write_status(packet, to);
    *to++ = '"';
    to = json_write_metadata(to, packet);
    to = tp_json_write_uint64(tp_json_write_key(to, &json_rows[FIELD_BODY_CODEC], false), codec);
    to = json_write_body(to, &packet->body);
    *to++ = '}';
    return to;
}

static uint8_t *
json_write_text(uint8_t *to, enum json_field field, struct tp_str text)
{
    to = tp_json_write_key(to, &json_rows[field], false);
    *to++ = '"';
    to = tp_json_bytes_write(text, to);
    *to++ = '"';
    return to;
}

static uint8_t *
json_write_metadata(uint8_t *to, const struct tp_packet *packet)
{
    to = tp_json_write_key(to, &json_rows[FIELD_METADATA], false);
    *to++ = '"';
    to = tp_json_bytes_write(packet->metadata, to);
    to += tp_family_write_accept(packet, to);
    *to++ = '"';
    return to;
}

static uint8_t *
json_write_body(uint8_t *to, const struct tp_chain *body)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(body, &count);

    to = tp_json_write_key(to, &json_rows[FIELD_BODY], false);
    *to++ = '"';
    for (size_t i = 0; i < count; i++) {
        struct tp_str piece = { (const char *) slices[i].data, slices[i].len };

        to = tp_json_bytes_write(piece, to);
    }
    *to++ = '"';
    return to;
}
