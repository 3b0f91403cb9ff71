/*
 * http_message.c - where a message ends, and what its body is; the same in both roles.
 *
 * Read next: http_request.c, http_client.c.
 */
#include "http.h"

#include <string.h>

static int32_t content_gzip_level(const struct tp_http_head *head);

enum tp_result
http_find_head(const struct tp_wire *wire, struct tp_http_fault *fault)
{
    struct http_state *state = wire->state;
    size_t limit = (size_t) http_conf_of(wire)->header_limit.bytes;
    size_t len = 0;

    if (limit > wire->limits.packet.bytes) {
        limit = (size_t) wire->limits.packet.bytes;
    }
    enum tp_result result = tp_http_head_find(wire->input, limit, &state->seen, &len);

    if (result == TP_OK) {
        state->head_len = len;
    } else if (result == TP_TOO_LARGE) {
        *fault = (struct tp_http_fault){ 431, "the head is longer than http_header_limit" };
    } else if (result == TP_INVALID) {
        *fault = (struct tp_http_fault){ 400, "a line of the head does not end in CR LF" };
    }
    return result;
}

bool
http_frame(const struct tp_wire *wire, const struct tp_http_head *head, struct tp_http_fault *fault)
{
    struct http_state *state = wire->state;

    if (head->is_chunked) {
        state->framing = HTTP_FRAMING_CHUNKED;
        state->chunks = (struct tp_http_chunks){ .at = state->head_len };
        return true;
    }
    state->framing = HTTP_FRAMING_LENGTH;
    state->whole_len = state->head_len + (head->has_length ? head->length : 0);
    if (state->whole_len > wire->limits.packet.bytes) {
        *fault = (struct tp_http_fault){ 413, "the message is longer than packet_limit" };
        return false;
    }
    return true;
}

enum tp_result
http_find_end(const struct tp_wire *wire, size_t *len, struct tp_http_fault *fault)
{
    struct http_state *state = wire->state;
    enum tp_result result = TP_AGAIN;

    switch ((enum http_framing) state->framing) {
    case HTTP_FRAMING_LENGTH:
        *len = (size_t) state->whole_len;
        return wire->input->len < *len ? TP_AGAIN : TP_OK;
    case HTTP_FRAMING_CHUNKED:
        result = tp_http_chunks_read(wire->input, (size_t) wire->limits.packet.bytes,
                                     &state->chunks, fault);
        *len = state->chunks.at;
        return result;
    case HTTP_FRAMING_TO_END:
        *len = wire->input->len;
        if (*len > wire->limits.packet.bytes) {
            *fault = (struct tp_http_fault){ 413, "the message is longer than packet_limit" };
            return TP_TOO_LARGE;
        }
        return wire->has_ended ? TP_OK : TP_AGAIN;
    case HTTP_FRAMING_UNKNOWN:
        break;
    }
    TP_ASSERT(!"the message is framed");
    return TP_INVALID;
}

enum tp_result
http_share_body(const struct tp_wire *wire, const struct http_message *message,
                struct tp_chain *body)
{
    const struct http_state *state = wire->state;
    size_t head_len = state->head_len;

    return state->framing == HTTP_FRAMING_CHUNKED
               ? tp_http_chunks_gather(wire->input, head_len, &state->chunks, wire->pool, body)
               : tp_chain_share_part(body, wire->input, head_len, message->len - head_len);
}

bool
http_read_content(const struct tp_http_head *head, struct tp_packet *packet)
{
    struct tp_str text;

    if (packet->body.len == 0) {
        return true;
    }
    packet->has_body_codec = true;
    packet->body_codec = TP_CODEC_PLAIN;
    if (tp_http_field_find(head->fields, TP_STR("Content-Type"), &text)
        && tp_codec_of_mime(text) != TP_CODEC_NONE) {
        packet->body_codec = tp_codec_of_mime(text);
    }
    if (!tp_http_field_find(head->fields, TP_STR("Content-Encoding"), &text)
        || tp_http_is_same(text, TP_STR("identity"))) {
        return true;
    }
    packet->gzip_level = content_gzip_level(head);
    return tp_http_is_same(text, TP_STR("gzip")) || tp_http_is_same(text, TP_STR("x-gzip"));
}

/* A later Teleport says it: "X-Content-Encoding: gzip-5". */
static int32_t
content_gzip_level(const struct tp_http_head *head)
{
    static const char prefix[] = "gzip-";
    struct tp_str text;

    if (tp_http_field_find(head->fields, TP_STR("X-Content-Encoding"), &text)
        && text.len == sizeof(prefix) && memcmp(text.data, prefix, sizeof(prefix) - 1) == 0
        && text.data[text.len - 1] >= '1' && text.data[text.len - 1] <= '9') {
        return text.data[text.len - 1] - '0';
    }
    return HTTP_GZIP_UNNAMED;
}
