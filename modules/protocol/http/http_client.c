/*
 * http_client.c - PULLs as requests, and responses as REPLYs.
 *
 * One request is on its way at a time: what a server does with pipelined ones is never sure.
 * So the response that comes belongs to it, whatever it says.
 *
 * Runs in: worker; a program with the library.  Read next: http_message.c, http_status.c.
 */
#include "http.h"

#include <string.h>

enum {
    REQUEST_FIELDS_MAX = 384, /* what is written besides content, target, host and metadata */
    SWITCHING_PROTOCOLS = 101,
    NO_CONTENT = 204,
    BUSINESS_ERROR = 299,
    MULTIPLE_CHOICES = 300, /* the first that is no success */
    NOT_MODIFIED = 304,
    ESCAPED_LEN = 3, /* %XX */
};

/* Where a request goes: what was dialed, taken apart. */
struct request_target {
    struct tp_str host; /* with its port */
    struct tp_str path; /* before all uris; may be empty, has no '/' at its end */
};

static struct request_target target_of(struct tp_str dialed);
static char *target_write(const struct request_target *target, struct tp_str uri, char *to);
static bool target_is_plain(char byte);
static size_t request_max(const struct tp_wire *wire, const struct tp_packet *packet);
static char *request_write(const struct tp_wire *wire, const struct tp_packet *packet, char *to);
static char *request_write_wishes(const struct tp_packet *packet, char *to);
static enum tp_decode_outcome response_decode(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_decode_outcome response_read_head(struct tp_wire *wire, struct http_message *message,
                                                 struct tp_http_fault *fault);
static bool response_frame(struct tp_wire *wire, const struct tp_http_head *head,
                           struct tp_http_fault *fault);
static enum tp_decode_outcome response_take_provisional(struct tp_wire *wire);
static enum tp_decode_outcome response_take(struct tp_wire *wire,
                                            const struct http_message *message,
                                            struct tp_packet *packet);
static enum tp_result response_fill(struct tp_wire *wire, const struct http_message *message,
                                    struct tp_packet *packet);
static enum tp_result response_read_status(struct tp_wire *wire, const struct http_message *message,
                                           struct tp_packet *packet);
static enum tp_decode_outcome response_fail(struct tp_wire *wire, enum tp_result result,
                                            const char *why);

enum tp_result
http_encode_request(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    struct http_state *state = wire->state;
    char *room = (char *) tp_output_reserve(output, request_max(wire, packet));

    if (room == NULL) {
        return TP_NO_MEMORY;
    }
    char *end = request_write(wire, packet, room);
    enum tp_result result = tp_output_commit(output, (size_t) (end - room), &packet->body);

    if (result == TP_OK) {
        state->is_asking = true;
        state->asked_seq = packet->seq;
        state->count++;
    }
    return result;
}

enum tp_decode_outcome
http_decode_response(struct tp_wire *wire, struct tp_packet *packet)
{
    struct http_state *state = wire->state;
    struct tp_http_fault fault = { 0, "" };

    if (wire->input->len == 0 && state->framing != HTTP_FRAMING_TO_END) {
        return TP_DECODE_MORE;
    }
    if (!state->is_asking) {
        return response_fail(wire, TP_INVALID, "a response came that nobody had asked for");
    }
    if (state->head_len == 0) {
        enum tp_result result = http_find_head(wire, &fault);

        if (result != TP_OK) {
            return result == TP_AGAIN ? TP_DECODE_MORE : response_fail(wire, result, fault.why);
        }
    }
    return response_decode(wire, packet);
}

/* "HOST:PORT" or "HOST:PORT/PATH"; a path of a local socket names no host. */
static struct request_target
target_of(struct tp_str dialed)
{
    const char *slash = memchr(dialed.data, '/', dialed.len);
    struct request_target target = { .host = dialed };

    if (dialed.len >= 5 && memcmp(dialed.data, "unix:", 5) == 0) {
        return (struct request_target){ .host = TP_STR("localhost"), .path = TP_STR("") };
    }
    if (slash != NULL) {
        target.host.len = (size_t) (slash - dialed.data);
        target.path = (struct tp_str){ slash, dialed.len - target.host.len };
    }
    while (target.path.len > 0 && target.path.data[target.path.len - 1] == '/') {
        target.path.len--;
    }
    return target;
}

/* A uri may have bytes that a line of HTTP may not; what stands behind '#' is not the server's. */
static char *
target_write(const struct request_target *target, struct tp_str uri, char *to)
{
    static const char digits[] = "0123456789ABCDEF";

    to = tp_http_write(to, target->path);
    if (uri.len == 0 || uri.data[0] != '/') {
        *to++ = '/';
    }
    for (size_t i = 0; i < uri.len && uri.data[i] != '#'; i++) {
        unsigned char byte = (unsigned char) uri.data[i];

        if (target_is_plain(uri.data[i])) {
            *to++ = uri.data[i];
        } else {
            *to++ = '%';
            *to++ = digits[byte >> 4];
            *to++ = digits[byte & 15];
        }
    }
    return to;
}

static bool
target_is_plain(char byte)
{
    return byte > ' ' && byte < 0x7f && strchr("\"<>\\^`{|}", byte) == NULL;
}

static size_t
request_max(const struct tp_wire *wire, const struct tp_packet *packet)
{
    return REQUEST_FIELDS_MAX + HTTP_CONTENT_MAX + wire->target.len + ESCAPED_LEN * packet->uri.len
           + http_metadata_max(packet->metadata) + http_credentials_max(wire->credentials);
}

static char *
request_write(const struct tp_wire *wire, const struct tp_packet *packet, char *to)
{
    struct request_target target = target_of(wire->target);
    const struct http_content content = {
        .codec = packet->body_codec,
        .has_codec = packet->has_body_codec && packet->body_codec != TP_CODEC_NONE,
        .has_length = true,
        .gzip_level = packet->body.len > 0 ? packet->gzip_level : 0,
        .len = packet->body.len,
    };

    to = target_write(&target, packet->uri, tp_http_write(to, TP_STR("POST ")));
    to = tp_http_write(to, TP_STR(" HTTP/1.1\r\n"));
    to = tp_http_write_field(to, TP_STR("Host"), target.host);
    to = tp_http_write_decimal(tp_http_write(to, TP_STR("X-Seq: ")), packet->seq);
    to = tp_http_write(to, TP_STR("\r\nX-Mtype: 1\r\n"));
    to = http_write_content(&content, packet->metadata, to);
    to = request_write_wishes(packet, to);
    if (wire->credentials.len > 0
        && !http_metadata_has(packet->metadata, TP_STR("Authorization"))) {
        to = http_write_credentials(wire->credentials, to);
    }
    to = http_write_metadata(wire, packet->metadata, false, to);
    return tp_http_write(to, TP_STR("\r\n"));
}

/* Metadata that says itself what is accepted is not contradicted. */
static char *
request_write_wishes(const struct tp_packet *packet, char *to)
{
    const char *mime = tp_codec_mime(packet->accept_codec);

    if (mime != NULL && !http_metadata_has(packet->metadata, TP_STR("Accept"))) {
        to = tp_http_write_field(to, TP_STR("Accept"), (struct tp_str){ mime, strlen(mime) });
    }
    return packet->reply_gzip != 0 || packet->gzip_level != 0
               ? tp_http_write_field(to, TP_STR("Accept-Encoding"), TP_STR("gzip"))
               : to;
}

/* The head is whole; the body may not be. */
static enum tp_decode_outcome
response_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    struct http_state *state = wire->state;
    struct http_message message = { .held = NULL };
    struct tp_http_fault fault = { 0, "" };
    bool is_framed = state->framing != HTTP_FRAMING_UNKNOWN;
    enum tp_result result = is_framed ? http_find_end(wire, &message.len, &fault) : TP_OK;

    if (result != TP_OK) {
        return result == TP_AGAIN ? TP_DECODE_MORE : response_fail(wire, result, fault.why);
    }
    enum tp_decode_outcome outcome = response_read_head(wire, &message, &fault);

    if (outcome == TP_DECODE_PACKET && !is_framed) {
        result = response_frame(wire, &message.head, &fault)
                     ? http_find_end(wire, &message.len, &fault)
                     : TP_TOO_LARGE;
    }
    if (outcome == TP_DECODE_PACKET && result == TP_AGAIN) {
        outcome = TP_DECODE_MORE;
    } else if (outcome == TP_DECODE_PACKET && result != TP_OK) {
        outcome = response_fail(wire, result, fault.why);
    }
    if (outcome == TP_DECODE_PACKET) {
        outcome = response_take(wire, &message, packet);
    }
    tp_buf_release(message.held);
    return outcome;
}

static enum tp_decode_outcome
response_read_head(struct tp_wire *wire, struct http_message *message, struct tp_http_fault *fault)
{
    const struct http_state *state = wire->state;
    struct tp_str bytes =
        tp_http_head_hold(wire->input, state->head_len, wire->pool, &message->held);

    if (bytes.data == NULL) {
        return TP_DECODE_NO_MEMORY;
    }
    if (!tp_http_response_read(bytes, (size_t) http_conf_of(wire)->header_fields, &message->head,
                               fault)) {
        return response_fail(wire, TP_INVALID, fault->why);
    }
    if (message->head.code == SWITCHING_PROTOCOLS) {
        return response_fail(wire, TP_INVALID, "nobody had asked for another protocol");
    }
    return message->head.code < TP_STATUS_OK ? response_take_provisional(wire) : TP_DECODE_PACKET;
}

/* What ends with the connection is the last that comes. */
static bool
response_frame(struct tp_wire *wire, const struct tp_http_head *head, struct tp_http_fault *fault)
{
    struct http_state *state = wire->state;

    if (head->code == NO_CONTENT || head->code == NOT_MODIFIED) {
        state->framing = HTTP_FRAMING_LENGTH;
        state->whole_len = state->head_len;
        return true;
    }
    if (!head->is_chunked && !head->has_length) {
        state->framing = HTTP_FRAMING_TO_END;
        return true;
    }
    return http_frame(wire, head, fault);
}

/* "100 Continue" and the like: another head follows. */
static enum tp_decode_outcome
response_take_provisional(struct tp_wire *wire)
{
    struct http_state *state = wire->state;

    tp_chain_skip(wire->input, state->head_len);
    http_forget_message(state);
    return TP_DECODE_TOOK;
}

/* Takes the message off the input. */
static enum tp_decode_outcome
response_take(struct tp_wire *wire, const struct http_message *message, struct tp_packet *packet)
{
    struct http_state *state = wire->state;

    if (response_fill(wire, message, packet) != TP_OK) {
        tp_packet_clear(packet);
        return TP_DECODE_NO_MEMORY;
    }
    packet->wire_bytes = message->len;
    tp_chain_skip(wire->input, message->len);
    wire->is_last = !message->head.is_kept_alive || state->framing == HTTP_FRAMING_TO_END;
    state->is_asking = false;
    http_forget_message(state);
    return TP_DECODE_PACKET;
}

static enum tp_result
response_fill(struct tp_wire *wire, const struct http_message *message, struct tp_packet *packet)
{
    const struct http_state *state = wire->state;
    enum tp_result result = http_share_body(wire, message, &packet->body);

    if (result == TP_OK) {
        result = http_read_metadata(wire, &message->head, packet);
    }
    if (result != TP_OK) {
        return result;
    }
    packet->type = TP_PACKET_REPLY;
    packet->seq = state->asked_seq;
    packet->head = message->held;
    tp_buf_acquire(packet->head);
    if (!http_read_content(&message->head, packet)) {
        packet->gzip_level = 0; /* coded in a way that we did not ask for: it is what it is */
    }
    return response_read_status(wire, message, packet);
}

/* A success is 200, whichever it is; anything else says in its body what it is, or in its head. */
static enum tp_result
response_read_status(struct tp_wire *wire, const struct http_message *message,
                     struct tp_packet *packet)
{
    const struct tp_http_head *head = &message->head;

    if (head->code < MULTIPLE_CHOICES && head->code != BUSINESS_ERROR) {
        packet->status = tp_status_of(TP_STATUS_OK);
        return TP_OK;
    }
    enum tp_result result = http_status_read(wire, packet);

    if (result == TP_OK) {
        tp_chain_clear(&packet->body);
        packet->gzip_level = 0;
        packet->has_body_codec = false;
        packet->body_codec = TP_CODEC_NONE;
    }
    if (result == TP_INVALID) {
        packet->status = (struct tp_status){
            .code = head->code,
            .text = head->reason.len > 0 ? head->reason : tp_http_reason(head->code),
            .cause = TP_STR(""),
        };
    }
    return result == TP_NO_MEMORY ? result : TP_OK;
}

static enum tp_decode_outcome
response_fail(struct tp_wire *wire, enum tp_result result, const char *why)
{
    wire->why = why;
    return result == TP_TOO_LARGE ? TP_DECODE_TOO_LARGE : TP_DECODE_BROKEN;
}
