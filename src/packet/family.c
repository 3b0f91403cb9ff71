/*
 * family.c - statuses and metadata of Teleport 6 and 7, to and from those of a packet.
 *
 * Nearly always a status is OK and there is no metadata: then nothing is unescaped, copied or
 * looked for.
 *
 * Runs in: the loop's thread.  Read next: packet/query.c, modules/protocol/raw/family.c.
 */
#include <teleport/family.h>
#include <teleport/json_fields.h>
#include <teleport/query.h>

#include "base/str.h"

#include <string.h>

enum {
    BODY_CODEC_MAX = UINT8_MAX,
    FAMILY_CODE_OK = 0, /* where a packet has 200 */
};

static const char status_ok[TP_FAMILY_OK_LEN + 1] = "code=0";
static const struct tp_str code_name = { "code=", 5 };
static const struct tp_str text_name = { "&msg=", 5 };
static const struct tp_str cause_name = { "&cause=", 7 };
static const struct tp_str accept_name = { "X-Accept-Body-Codec", 19 };

/* What a client may not say of itself; see teleport/family.h. */
static const struct tp_str names_of_gateways[] = {
    { "X-Real-IP", 9 },
    { "X-Session-Id", 12 },
};

static enum tp_decode_outcome family_take_status(struct tp_wire *wire, struct tp_str status,
                                                 struct tp_packet *packet);
static bool family_take_code(struct tp_str status, int32_t *code);
static uint8_t *family_take_text(struct tp_str status, struct tp_str name, uint8_t *to,
                                 struct tp_str *text);
static uint8_t *family_copy(struct tp_str *text, uint8_t *to);
static enum tp_decode_outcome family_take_metadata(struct tp_wire *wire, struct tp_packet *packet);
static bool family_take_accept(struct tp_str written, uint8_t *codec);
static bool family_is_name(struct tp_str written, struct tp_str name);
static bool family_drop_names(struct tp_wire *wire, struct tp_packet *packet);
static bool family_adds_accept(const struct tp_packet *packet);
static bool family_is_ok(int32_t code);
static uint8_t *family_write_code(const struct tp_packet *packet, uint8_t *to);
static uint8_t *family_write_field(uint8_t *to, struct tp_str name, struct tp_str text);
static uint8_t *family_write_name(uint8_t *to, struct tp_str name);

enum tp_decode_outcome
tp_family_take(struct tp_wire *wire, const struct tp_family_message *message,
               struct tp_packet *packet)
{
    if (message->body_codec < 0 || message->body_codec > BODY_CODEC_MAX) {
        wire->why = "the body's codec is none";
        return TP_DECODE_BROKEN;
    }
    packet->type = message->type;
    packet->seq = (uint64_t) message->seq;
    packet->uri = message->uri;
    packet->metadata = message->metadata;
    packet->body_codec = (uint8_t) message->body_codec;
    packet->has_body_codec = message->body_codec != TP_CODEC_NONE;
    if (tp_family_is_reply(message->type)) {
        return family_take_status(wire, message->status, packet);
    }
    return packet->metadata.len == 0 ? TP_DECODE_PACKET : family_take_metadata(wire, packet);
}

size_t
tp_family_long_status_len(const struct tp_packet *packet)
{
    uint8_t number[TP_JSON_NUMBER_MAX];
    size_t number_len = (size_t) (family_write_code(packet, number) - number);

    return code_name.len + number_len + text_name.len + tp_query_escaped_len(packet->status.text)
           + cause_name.len + tp_query_escaped_len(packet->status.cause);
}

uint8_t *
tp_family_write_status(const struct tp_packet *packet, uint8_t *to)
{
    if (tp_family_says_ok(packet)) {
        memcpy(to, status_ok, TP_FAMILY_OK_LEN);
        return to + TP_FAMILY_OK_LEN;
    }
    to = family_write_code(packet, family_write_name(to, code_name));
    to = family_write_field(to, text_name, packet->status.text);
    return family_write_field(to, cause_name, packet->status.cause);
}

size_t
tp_family_write_accept(const struct tp_packet *packet, uint8_t *to)
{
    uint8_t *begin = to;

    if (packet->accept_codec == TP_CODEC_NONE || !family_adds_accept(packet)) {
        return 0;
    }
    if (packet->metadata.len > 0) {
        *to++ = '&';
    }
    to = family_write_name(to, accept_name);
    *to++ = '=';
    return (size_t) (tp_json_write_uint64(to, packet->accept_codec) - begin);
}

bool
tp_family_is_of_gateway(struct tp_str written)
{
    for (size_t i = 0; i < TP_COUNT_OF(names_of_gateways); i++) {
        if (family_is_name(written, names_of_gateways[i])) {
            return true;
        }
    }
    return false;
}

static enum tp_decode_outcome
family_take_status(struct tp_wire *wire, struct tp_str status, struct tp_packet *packet)
{
    if (status.len == 0
        || (status.len == TP_FAMILY_OK_LEN
            && memcmp(status.data, status_ok, TP_FAMILY_OK_LEN) == 0)) {
        packet->status = tp_status_of(TP_STATUS_OK);
        return TP_DECODE_PACKET;
    }
    if (!family_take_code(status, &packet->status.code)) {
        wire->why = "the status has a code that is no number";
        return TP_DECODE_BROKEN;
    }
    /* What is unescaped is not longer, so there is room for all texts. */
    struct tp_buf *texts =
        tp_buf_make(wire->pool, packet->uri.len + packet->metadata.len + status.len);

    if (texts == NULL) {
        return TP_DECODE_NO_MEMORY;
    }
    uint8_t *to = family_copy(&packet->uri, texts->bytes);

    to = family_copy(&packet->metadata, to);
    to = family_take_text(status, TP_STR("msg"), to, &packet->status.text);
    family_take_text(status, TP_STR("cause"), to, &packet->status.cause);
    tp_buf_release(packet->head);
    packet->head = texts;
    if (packet->status.code == TP_STATUS_OK && packet->status.text.len == 0) {
        packet->status.text = tp_status_text(TP_STATUS_OK);
    }
    return TP_DECODE_PACKET;
}

void
tp_family_refuse(struct tp_packet *packet)
{
    tp_chain_clear(&packet->body);
    packet->body_codec = TP_CODEC_NONE;
    packet->has_body_codec = false;
    packet->metadata = TP_STR("");
}

/* No code is OK, as an empty status is. */
static bool
family_take_code(struct tp_str status, int32_t *code)
{
    struct tp_query_pair pair;
    int64_t number = FAMILY_CODE_OK;

    if (tp_query_find(status, TP_STR("code"), &pair)
        && (tp__str_to_int64(pair.value, &number) != TP_OK || number < INT32_MIN
            || number > INT32_MAX)) {
        return false;
    }
    *code = number == FAMILY_CODE_OK ? TP_STATUS_OK : (int32_t) number;
    return true;
}

/* A text with a broken escape is none. */
static uint8_t *
family_take_text(struct tp_str status, struct tp_str name, uint8_t *to, struct tp_str *text)
{
    struct tp_query_pair pair;
    size_t len = SIZE_MAX;

    if (tp_query_find(status, name, &pair)) {
        len = tp_query_unescape(pair.value, (char *) to);
    }
    *text = len == SIZE_MAX ? TP_STR("") : (struct tp_str){ (const char *) to, len };
    return to + text->len;
}

/* Lets the text lie at `to`, and returns the place behind it. */
static uint8_t *
family_copy(struct tp_str *text, uint8_t *to)
{
    if (text->len == 0) {
        return to;
    }
    memcpy(to, text->data, text->len);
    text->data = (const char *) to;
    return to + text->len;
}

static enum tp_decode_outcome
family_take_metadata(struct tp_wire *wire, struct tp_packet *packet)
{
    struct tp_str rest = packet->metadata;
    struct tp_query_pair pair;
    enum tp_decode_outcome outcome = TP_DECODE_PACKET;
    bool must_drop = false;

    while (tp_query_next(&rest, &pair)) {
        if (tp_query_is(pair.name, accept_name)
            && !family_take_accept(pair.value, &packet->accept_codec)) {
            packet->status = tp_status_of(TP_STATUS_BAD_REQUEST);
            packet->status.cause = TP_STR("X-Accept-Body-Codec is no number of a codec");
            outcome = TP_DECODE_REFUSED;
        }
        must_drop |=
            !wire->is_dialed && !wire->is_from_gateway && tp_family_is_of_gateway(pair.name);
    }
    return !must_drop || family_drop_names(wire, packet) ? outcome : TP_DECODE_NO_MEMORY;
}

static bool
family_take_accept(struct tp_str written, uint8_t *codec)
{
    int64_t number;

    if (tp__str_to_int64(written, &number) != TP_OK || number < 0 || number > BODY_CODEC_MAX) {
        return false;
    }
    *codec = (uint8_t) number;
    return true;
}

/*
 * Unescaped and in any case: another protocol may carry it on as a header.  In a template, as
 * in gateways that pass headers on as variables, '_' stands for '-'.
 */
static bool
family_is_name(struct tp_str written, struct tp_str name)
{
    size_t len = 0;

    while (written.len > 0 && len < name.len) {
        int byte = tp_query_take_byte(&written);
        int wanted = (unsigned char) name.data[len];
        bool is_letter = (wanted | 0x20) >= 'a' && (wanted | 0x20) <= 'z';
        bool is_same = byte == wanted || (wanted == '-' && byte == '_')
                       || (is_letter && (byte | 0x20) == (wanted | 0x20));

        if (!is_same) {
            return false;
        }
        len++;
    }
    return written.len == 0 && len == name.len;
}

/* Lets the metadata lie in a buffer of its own, without those names. */
static bool
family_drop_names(struct tp_wire *wire, struct tp_packet *packet)
{
    struct tp_buf *texts = tp_buf_make(wire->pool, packet->metadata.len);
    struct tp_str rest = packet->metadata;
    struct tp_query_pair pair;
    size_t len = 0;

    if (texts == NULL) {
        return false;
    }
    while (tp_query_next(&rest, &pair)) {
        if (tp_family_is_of_gateway(pair.name)) {
            continue;
        }
        /* From the name on up to the end of the value it is one text. */
        size_t pair_len = (size_t) (pair.value.data + pair.value.len - pair.name.data);

        if (len > 0) {
            texts->bytes[len++] = '&';
        }
        memcpy(texts->bytes + len, pair.name.data, pair_len);
        len += pair_len;
    }
    packet->metadata = (struct tp_str){ (const char *) texts->bytes, len };
    packet->meta_head = texts;
    return true;
}

/* A REPLY asks for nothing; and what came from another session may ask already. */
static bool
family_adds_accept(const struct tp_packet *packet)
{
    struct tp_query_pair pair;

    return !tp_family_is_reply(packet->type)
           && !tp_query_find(packet->metadata, accept_name, &pair);
}

static inline bool
family_is_ok(int32_t code)
{
    return code == TP_STATUS_OK || code == FAMILY_CODE_OK;
}

static uint8_t *
family_write_code(const struct tp_packet *packet, uint8_t *to)
{
    int32_t code = packet->status.code;

    return tp_json_write_int64(to, family_is_ok(code) ? FAMILY_CODE_OK : code);
}

static uint8_t *
family_write_field(uint8_t *to, struct tp_str name, struct tp_str text)
{
    return (uint8_t *) tp_query_escape(text, (char *) family_write_name(to, name));
}

static inline uint8_t *
family_write_name(uint8_t *to, struct tp_str name)
{
    memcpy(to, name.data, name.len);
    return to + name.len;
}
