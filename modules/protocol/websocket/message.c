/*
 * message.c - packets as WebSocket messages, in JSON and protobuf.
 *
 * A message lies in a buffer of its own, which nobody else reads: texts are slices of it, and
 * what they mean is written over what they were.
 *
 * Runs in: worker.  Read next: websocket.c, which takes messages off the wire;
 * teleport/json_fields.h and teleport/protobuf_fields.h, which know the two forms.
 */
#include "message.h"

#include <teleport/directive.h>
#include <teleport/family.h>
#include <teleport/filter.h>
#include <teleport/json_fields.h>
#include <teleport/protobuf_fields.h>

#include "frame.h"
#include "utf8.h"

#include <string.h>

enum {
    GZIP_LEVEL = 5, /* where nobody said how much */
};

enum protobuf_field {
    FIELD_SEQ = 1,
    FIELD_TYPE = 2,
    FIELD_URI = 3,
    FIELD_METADATA = 4,
    FIELD_BODY_CODEC = 5,
    FIELD_BODY = 6,
    FIELD_PIPE = 7,
    FIELD_STATUS = 8,
    FIELDS_END,
};

/* Something that is written twice: first to count its bytes, with `to` NULL, then to have them. */
struct message_sink {
    uint8_t *to;
    size_t len;
    struct websocket_utf8 utf8; /* of what was counted */
    bool is_utf8;
};

static enum tp_decode_outcome message_read_json(struct tp_wire *wire,
                                                const struct websocket_message *message,
                                                struct tp_family_message *record,
                                                struct tp_packet *packet);
static const struct tp_json_fields *message_read_object(struct tp_wire *wire, struct tp_str object,
                                                        struct tp_family_message *record,
                                                        size_t *unescaped_max);
static bool message_read_pipe(struct tp_str written, struct tp_packet *packet);
static bool message_read_number(struct tp_str *rest, unsigned max, unsigned *number);
static struct tp_str message_skip_space(struct tp_str text);
static enum tp_decode_outcome message_read_protobuf(struct tp_wire *wire,
                                                    const struct websocket_message *message,
                                                    struct tp_family_message *record,
                                                    struct tp_packet *packet);
static enum tp_decode_outcome message_break(struct tp_wire *wire, const char *why);
static enum tp_decode_outcome message_take(struct tp_wire *wire,
                                           const struct tp_family_message *record,
                                           struct tp_packet *packet);
static enum tp_decode_outcome message_undo_filters(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_result message_filter(struct tp_wire *wire, struct tp_packet *packet,
                                     struct tp_chain *filtered);
static bool message_drop_gzip(struct tp_packet *packet);
static enum tp_result message_write_json(const struct tp_packet *packet, bool is_binary,
                                         const uint8_t *mask, struct tp_output *output);
static void message_put_json(struct message_sink *sink, const struct tp_packet *packet);
static struct tp_str message_uri(const struct tp_packet *packet);
static uint8_t message_body_codec(const struct tp_packet *packet);
static bool message_has_status(const struct tp_packet *packet);
static void sink_put(struct message_sink *sink, struct tp_str text);
static void sink_put_number(struct message_sink *sink, int64_t number);
static void sink_put_bytes(struct message_sink *sink, struct tp_str bytes);
static void sink_put_text(struct message_sink *sink, struct tp_str text);
static void sink_put_accept(struct message_sink *sink, const struct tp_packet *packet);
static void sink_put_chain(struct message_sink *sink, const struct tp_chain *chain);
static void sink_put_pipe(struct message_sink *sink, const struct tp_packet *packet);
static void sink_put_status(struct message_sink *sink, const struct tp_packet *packet);
static enum tp_result message_write_protobuf(const struct tp_packet *packet, const uint8_t *mask,
                                             struct tp_output *output);
static uint8_t *message_put_protobuf(uint8_t *to, const struct tp_packet *packet);
static uint8_t *message_put_metadata(uint8_t *to, const struct tp_packet *packet);

static const struct tp_json_field json_rows[] = {
    TP_JSON_INT64("seq", struct tp_family_message, seq),
    TP_JSON_INT32("mtype", struct tp_family_message, type),
    TP_JSON_TEXT("serviceMethod", struct tp_family_message, uri),
    TP_JSON_TEXT("meta", struct tp_family_message, metadata),
    TP_JSON_INT32("bodyCodec", struct tp_family_message, body_codec),
    TP_JSON_TEXT("body", struct tp_family_message, body),
    TP_JSON_ANY("xferPipe", struct tp_family_message, pipe),
    TP_JSON_TEXT("status", struct tp_family_message, status),
};

/* The original's writer escapes quotes in the body and nothing else: see raw/json_form.c. */
static const struct tp_json_fields json_fields = { json_rows, TP_COUNT_OF(json_rows),
                                                   TP_JSON_LENIENT };
static const struct tp_json_fields json_bare_fields = { json_rows, TP_COUNT_OF(json_rows),
                                                        TP_JSON_BARE };

static const struct tp_protobuf_field protobuf_rows[] = {
    TP_PROTOBUF_INT64(FIELD_SEQ, struct tp_family_message, seq),
    TP_PROTOBUF_INT32(FIELD_TYPE, struct tp_family_message, type),
    TP_PROTOBUF_BYTES(FIELD_URI, struct tp_family_message, uri),
    TP_PROTOBUF_BYTES(FIELD_METADATA, struct tp_family_message, metadata),
    TP_PROTOBUF_INT32(FIELD_BODY_CODEC, struct tp_family_message, body_codec),
    TP_PROTOBUF_BYTES(FIELD_BODY, struct tp_family_message, body),
    TP_PROTOBUF_BYTES(FIELD_PIPE, struct tp_family_message, pipe),
    TP_PROTOBUF_BYTES(FIELD_STATUS, struct tp_family_message, status),
};

static const struct tp_protobuf_fields protobuf_fields = { protobuf_rows,
                                                           TP_COUNT_OF(protobuf_rows) };

enum tp_decode_outcome
websocket_message_read(struct tp_wire *wire, const struct websocket_message *message,
                       struct websocket_kind *kind, struct tp_packet *packet)
{
    struct tp_family_message record = { .seq = 0 };
    bool is_json = message->is_text || (message->len > 0 && message->buf->bytes[0] == '{');

    *kind = (struct websocket_kind){
        .form = is_json ? WEBSOCKET_FORM_JSON : WEBSOCKET_FORM_PROTOBUF,
        .is_binary = !message->is_text,
    };
    packet->header_codec = is_json ? TP_CODEC_JSON : TP_CODEC_PROTOBUF;
    tp_buf_acquire(message->buf);
    packet->head = message->buf;
    enum tp_decode_outcome outcome = is_json
                                         ? message_read_json(wire, message, &record, packet)
                                         : message_read_protobuf(wire, message, &record, packet);

    return outcome == TP_DECODE_PACKET ? message_take(wire, &record, packet) : outcome;
}

enum tp_result
websocket_message_write(struct tp_wire *wire, const struct tp_packet *packet,
                        struct websocket_kind kind, const uint8_t *mask, struct tp_output *output)
{
    bool is_protobuf = kind.form == WEBSOCKET_FORM_PROTOBUF;
    struct tp_chain filtered = { .len = 0 };
    struct tp_packet instead; /* the same, all borrowed, with another body */

    if (packet->filter_count > 0) {
        instead = *packet;
        enum tp_result result = message_filter(wire, &instead, &filtered);

        if (result != TP_OK) {
            return result;
        }
        instead.body = filtered;
        packet = &instead;
    }
    enum tp_result result = is_protobuf ? message_write_protobuf(packet, mask, output)
                                        : message_write_json(packet, kind.is_binary, mask, output);

    tp_chain_clear(&filtered);
    return result;
}

static enum tp_decode_outcome
message_read_json(struct tp_wire *wire, const struct websocket_message *message,
                  struct tp_family_message *record, struct tp_packet *packet)
{
    struct tp_str object = { (const char *) message->buf->bytes, message->len };
    size_t unescaped_max;
    const struct tp_json_fields *fields = message_read_object(wire, object, record, &unescaped_max);

    if (fields == NULL) {
        return TP_DECODE_BROKEN;
    }
    if (!message_read_pipe(record->pipe, packet)) {
        return message_break(wire, "the message's xferPipe is no list of filters");
    }
    if (unescaped_max > 0) {
        struct tp_buf *texts = tp_buf_make(wire->pool, unescaped_max);

        if (texts == NULL) {
            return TP_DECODE_NO_MEMORY;
        }
        tp_json_fields_unescape(fields, record, texts->bytes);
        tp_buf_release(packet->head);
        packet->head = texts;
    }
    return TP_DECODE_PACKET;
}

/* Returns how its strings are written; NULL when it is broken, with wire->why. */
static const struct tp_json_fields *
message_read_object(struct tp_wire *wire, struct tp_str object, struct tp_family_message *record,
                    size_t *unescaped_max)
{
    const char *why = tp_json_fields_read(&json_fields, object, record, unescaped_max);

    if (why == NULL) {
        return &json_fields;
    }
    *record = (struct tp_family_message){ .seq = 0 };
    if (tp_json_fields_read(&json_bare_fields, object, record, unescaped_max) == NULL) {
        return &json_bare_fields;
    }
    wire->why = why;
    return NULL;
}

/* "[103,109]", or null; nothing where the object has none. */
static bool
message_read_pipe(struct tp_str written, struct tp_packet *packet)
{
    static const char null_word[] = "null";
    struct tp_str rest = message_skip_space(written);
    unsigned id;

    if (rest.len == 0 || (rest.len == 4 && memcmp(rest.data, null_word, 4) == 0)) {
        return true;
    }
    if (rest.data[0] != '[') {
        return false;
    }
    rest = message_skip_space((struct tp_str){ rest.data + 1, rest.len - 1 });
    if (rest.len == 1 && rest.data[0] == ']') {
        return true;
    }
    while (message_read_number(&rest, UINT8_MAX, &id)) {
        if (packet->filter_count == TP_PACKET_FILTERS_MAX || rest.len == 0) {
            return false;
        }
        packet->filters[packet->filter_count++] = (uint8_t) id;
        if (rest.data[0] == ']') {
            return rest.len == 1;
        }
        if (rest.data[0] != ',') {
            return false;
        }
        rest = message_skip_space((struct tp_str){ rest.data + 1, rest.len - 1 });
    }
    return false;
}

/* Takes a whole number and the white space behind it. */
static bool
message_read_number(struct tp_str *rest, unsigned max, unsigned *number)
{
    size_t len = 0;

    *number = 0;
    while (len < rest->len && rest->data[len] >= '0' && rest->data[len] <= '9') {
        *number = *number * 10 + (unsigned) (rest->data[len] - '0');
        if (*number > max) {
            return false;
        }
        len++;
    }
    *rest = message_skip_space((struct tp_str){ rest->data + len, rest->len - len });
    return len > 0;
}

static struct tp_str
message_skip_space(struct tp_str text)
{
    while (text.len > 0
           && (text.data[0] == ' ' || text.data[0] == '\t' || text.data[0] == '\n'
               || text.data[0] == '\r')) {
        text = (struct tp_str){ text.data + 1, text.len - 1 };
    }
    return text;
}

static enum tp_decode_outcome
message_read_protobuf(struct tp_wire *wire, const struct websocket_message *message,
                      struct tp_family_message *record, struct tp_packet *packet)
{
    const uint8_t *end = message->buf->bytes + message->len;

    if (tp_protobuf_fields_read(&protobuf_fields, message->buf->bytes, end, record) != end) {
        return message_break(wire, "the protobuf message is malformed");
    }
    if (record->pipe.len > TP_PACKET_FILTERS_MAX) {
        return message_break(wire, "the message has too many filters");
    }
    if (record->pipe.len > 0) {
        memcpy(packet->filters, record->pipe.data, record->pipe.len);
    }
    packet->filter_count = (uint8_t) record->pipe.len;
    return TP_DECODE_PACKET;
}

static enum tp_decode_outcome
message_break(struct tp_wire *wire, const char *why)
{
    wire->why = why;
    return TP_DECODE_BROKEN;
}

/* Makes a packet of what was read; its texts lie in packet->head. */
static enum tp_decode_outcome
message_take(struct tp_wire *wire, const struct tp_family_message *record, struct tp_packet *packet)
{
    tp_buf_acquire(packet->head);
    struct tp_slice body = { packet->head, (const uint8_t *) record->body.data, record->body.len };

    /* An empty chain has room for one slice, so this cannot fail. */
    enum tp_result result = tp_chain_append(&packet->body, body);

    TP_ASSERT(result == TP_OK);
    enum tp_decode_outcome outcome = tp_family_take(wire, record, packet);

    if (outcome == TP_DECODE_PACKET && packet->filter_count > 0) {
        outcome = message_undo_filters(wire, packet);
    }
    if (outcome == TP_DECODE_REFUSED) {
        tp_family_refuse(packet);
    }
    return outcome;
}

/* The framing is intact whatever a filter says, so only this packet is refused. */
static enum tp_decode_outcome
message_undo_filters(struct tp_wire *wire, struct tp_packet *packet)
{
    struct tp_chain plain = { .len = 0 };
    bool is_reply = tp_family_is_reply(packet->type);
    enum tp_result result =
        tp_wire_unfilter(wire, packet->filters, packet->filter_count, &packet->body, &plain);

    if (result == TP_NO_MEMORY) {
        return TP_DECODE_NO_MEMORY;
    }
    tp_chain_clear(&packet->body);
    if (result == TP_OK) {
        packet->body = plain;
        return TP_DECODE_PACKET;
    }
    packet->status = tp_status_of(is_reply                 ? TP_STATUS_BAD_GATEWAY
                                  : result == TP_NOT_FOUND ? TP_STATUS_UNSUPPORTED_CODEC
                                  : result == TP_TOO_LARGE ? TP_STATUS_TOO_LARGE
                                                           : TP_STATUS_BAD_REQUEST);
    packet->status.cause = result == TP_NOT_FOUND   ? TP_STR("a filter of the body is not built in")
                           : result == TP_TOO_LARGE ? TP_STR("without filters the body is too long")
                                                    : TP_STR("a filter finds the body broken");
    packet->filter_count = 0;
    return is_reply ? TP_DECODE_PACKET : TP_DECODE_REFUSED;
}

/* What would grow by gzip is sent without it, but for a REPLY, which has its PULL's filters. */
static enum tp_result
message_filter(struct tp_wire *wire, struct tp_packet *packet, struct tp_chain *filtered)
{
    int level = packet->reply_gzip != 0 ? (int) packet->reply_gzip : GZIP_LEVEL;
    enum tp_result result =
        tp_wire_filter(wire, packet->filters, packet->filter_count, level, &packet->body, filtered);

    if (result != TP_OK || tp_family_is_reply(packet->type) || filtered->len <= packet->body.len
        || !message_drop_gzip(packet)) {
        return result;
    }
    tp_chain_clear(filtered);
    return tp_wire_filter(wire, packet->filters, packet->filter_count, level, &packet->body,
                          filtered);
}

static bool
message_drop_gzip(struct tp_packet *packet)
{
    uint8_t *end = packet->filters + packet->filter_count;
    uint8_t *found = memchr(packet->filters, TP_FILTER_GZIP, packet->filter_count);

    if (found == NULL) {
        return false;
    }
    memmove(found, found + 1, (size_t) (end - found - 1));
    packet->filter_count--;
    return true;
}

static enum tp_result
message_write_json(const struct tp_packet *packet, bool is_binary, const uint8_t *mask,
                   struct tp_output *output)
{
    struct message_sink sink = { .is_utf8 = true };

    message_put_json(&sink, packet);
    size_t len = sink.len;
    bool is_text = !is_binary && sink.is_utf8;
    size_t head_len = websocket_head_len(len, mask != NULL);
    uint8_t *room = tp_output_reserve(output, head_len + len);

    if (room == NULL) {
        return TP_NO_MEMORY;
    }
    sink = (struct message_sink){
        .to = websocket_head_write(room, is_text ? WEBSOCKET_TEXT : WEBSOCKET_BINARY, len, mask),
    };
    message_put_json(&sink, packet);
    if (mask != NULL) {
        websocket_mask(room + head_len, len, mask, 0);
    }
    return tp_output_commit(output, head_len + len, NULL);
}

/* As the original writes it, and behind that the status, where there is something to say. */
static void
message_put_json(struct message_sink *sink, const struct tp_packet *packet)
{
    sink_put(sink, TP_STR("{\"seq\":"));
    sink_put_number(sink, (int64_t) packet->seq);
    sink_put(sink, TP_STR(",\"mtype\":"));
    sink_put_number(sink, packet->type);
    sink_put(sink, TP_STR(",\"serviceMethod\":\""));
    sink_put_text(sink, message_uri(packet));
    sink_put(sink, TP_STR("\",\"meta\":\""));
    sink_put_text(sink, packet->metadata);
    sink_put_accept(sink, packet);
    sink_put(sink, TP_STR("\",\"bodyCodec\":"));
    sink_put_number(sink, message_body_codec(packet));
    sink_put(sink, TP_STR(",\"body\":\""));
    sink_put_chain(sink, &packet->body);
    sink_put(sink, TP_STR("\",\"xferPipe\":["));
    sink_put_pipe(sink, packet);
    sink_put(sink, TP_STR("]"));
    if (message_has_status(packet)) {
        sink_put(sink, TP_STR(",\"status\":\""));
        sink_put_status(sink, packet);
        sink_put(sink, TP_STR("\""));
    }
    sink_put(sink, TP_STR("}"));
}

/* A REPLY has none: its seq tells whose it is. */
static struct tp_str
message_uri(const struct tp_packet *packet)
{
    return tp_family_is_reply(packet->type) ? TP_STR("") : packet->uri;
}

static uint8_t
message_body_codec(const struct tp_packet *packet)
{
    return packet->has_body_codec ? packet->body_codec : (uint8_t) TP_CODEC_NONE;
}

/* Only of a REPLY whose status is another than OK: else it looks as the original's. */
static bool
message_has_status(const struct tp_packet *packet)
{
    return tp_family_is_reply(packet->type) && packet->status.code != TP_STATUS_OK;
}

static void
sink_put(struct message_sink *sink, struct tp_str text)
{
    if (sink->to != NULL) {
        memcpy(sink->to, text.data, text.len);
        sink->to += text.len;
    }
    sink->len += text.len;
}

static void
sink_put_number(struct message_sink *sink, int64_t number)
{
    uint8_t digits[TP_JSON_NUMBER_MAX];
    size_t len = (size_t) (tp_json_write_int64(digits, number) - digits);

    sink_put(sink, (struct tp_str){ (const char *) digits, len });
}

/* A part of the inside of a string. */
static void
sink_put_bytes(struct message_sink *sink, struct tp_str bytes)
{
    if (bytes.len == 0) {
        return;
    }
    if (sink->to != NULL) {
        sink->to = tp_json_bytes_write(bytes, sink->to);
        return;
    }
    sink->len += tp_json_bytes_len(bytes);
    sink->is_utf8 =
        sink->is_utf8 && websocket_utf8_read(&sink->utf8, (const uint8_t *) bytes.data, bytes.len);
}

static void
sink_put_text(struct message_sink *sink, struct tp_str text)
{
    sink_put_bytes(sink, text);
    sink->is_utf8 = sink->is_utf8 && sink->utf8.missing == 0;
}

static void
sink_put_accept(struct message_sink *sink, const struct tp_packet *packet)
{
    uint8_t accept[TP_FAMILY_ACCEPT_MAX];

    sink_put(sink,
             (struct tp_str){ (const char *) accept, tp_family_write_accept(packet, accept) });
}

static void
sink_put_chain(struct message_sink *sink, const struct tp_chain *chain)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(chain, &count);

    for (size_t i = 0; i < count; i++) {
        sink_put_bytes(sink, (struct tp_str){ (const char *) slices[i].data, slices[i].len });
    }
    /* A character may lie in two slices, but it ends with the last. */
    sink->is_utf8 = sink->is_utf8 && sink->utf8.missing == 0;
}

static void
sink_put_pipe(struct message_sink *sink, const struct tp_packet *packet)
{
    for (size_t i = 0; i < packet->filter_count; i++) {
        if (i > 0) {
            sink_put(sink, TP_STR(","));
        }
        sink_put_number(sink, packet->filters[i]);
    }
}

/* It is escaped so that it has nothing that JSON would escape. */
static void
sink_put_status(struct message_sink *sink, const struct tp_packet *packet)
{
    if (sink->to == NULL) {
        sink->len += tp_family_status_len(packet);
    } else {
        sink->to = tp_family_write_status(packet, sink->to);
    }
}

/* The body stands last, so that a large one need not be copied where nothing is masked. */
static enum tp_result
message_write_protobuf(const struct tp_packet *packet, const uint8_t *mask,
                       struct tp_output *output)
{
    const struct tp_chain *body = &packet->body;
    size_t fields_max = FIELDS_END * TP_PROTOBUF_FIELD_MAX + packet->uri.len + packet->metadata.len
                        + TP_FAMILY_ACCEPT_MAX + packet->filter_count
                        + tp_family_status_len(packet);
    size_t copied_len = mask == NULL ? 0 : body->len;
    uint8_t *room = tp_output_reserve(output, WEBSOCKET_HEAD_BYTES_MAX + fields_max + copied_len);

    if (room == NULL) {
        return TP_NO_MEMORY;
    }
    uint8_t *fields = room + WEBSOCKET_HEAD_BYTES_MAX;
    size_t fields_len = (size_t) (message_put_protobuf(fields, packet) - fields);
    size_t len = fields_len + body->len;
    uint8_t *carried = websocket_head_write(room, WEBSOCKET_BINARY, len, mask);

    memmove(carried, fields, fields_len);
    if (mask != NULL) {
        tp_chain_copy(body, 0, body->len, carried + fields_len);
        websocket_mask(carried, len, mask, 0);
    }
    return tp_output_commit(output, (size_t) (carried - room) + fields_len + copied_len,
                            mask == NULL ? body : NULL);
}

static uint8_t *
message_put_protobuf(uint8_t *to, const struct tp_packet *packet)
{
    struct tp_str pipe = { (const char *) packet->filters, packet->filter_count };

    to = tp_protobuf_write_uint64(to, FIELD_SEQ, packet->seq);
    to = tp_protobuf_write_int32(to, FIELD_TYPE, packet->type);
    to = tp_protobuf_write_bytes(to, FIELD_URI, message_uri(packet));
    to = message_put_metadata(to, packet);
    to = tp_protobuf_write_int32(to, FIELD_BODY_CODEC, message_body_codec(packet));
    to = tp_protobuf_write_bytes(to, FIELD_PIPE, pipe);
    if (message_has_status(packet)) {
        to = tp_protobuf_write_bytes_key(to, FIELD_STATUS, tp_family_status_len(packet));
        to = tp_family_write_status(packet, to);
    }
    return packet->body.len == 0 ? to
                                 : tp_protobuf_write_bytes_key(to, FIELD_BODY, packet->body.len);
}

static uint8_t *
message_put_metadata(uint8_t *to, const struct tp_packet *packet)
{
    uint8_t accept[TP_FAMILY_ACCEPT_MAX];
    size_t accept_len = tp_family_write_accept(packet, accept);
    size_t len = packet->metadata.len;

    if (len + accept_len == 0) {
        return to;
    }
    to = tp_protobuf_write_bytes_key(to, FIELD_METADATA, len + accept_len);
    if (len > 0) {
        memcpy(to, packet->metadata.data, len);
    }
    memcpy(to + len, accept, accept_len);
    return to + len + accept_len;
}
