/*
 * http_reply.c - REPLYs as responses.
 *
 * A caller who knows Teleport gets 200 or 299, any other a status of HTTP.  A status that is
 * no success is the body, too, unless the handler has one of its own to send along.
 *
 * Runs in: worker.  Read next: http_content.c, http_status.c, http_metadata.c.
 */
#include "http.h"

#include <string.h>

enum {
    REPLY_FIELDS_MAX = 384, /* what is written besides content, origin, metadata and status */
    BUSINESS_ERROR = 299,
};

/* A response that is about to be written. */
struct reply {
    const struct tp_packet *packet;
    const struct tp_chain *body; /* NULL: the status is it, or there is none */
    struct http_content content;
    struct tp_str origin; /* of the list; may be empty */
    int code;
    bool is_status; /* the body is the status */
};

static int reply_code(const struct tp_packet *packet);
static bool reply_has_body(int code);
static void reply_choose_body(struct reply *reply);
static struct tp_str reply_origin(const struct tp_wire *wire, uint32_t note);
static size_t reply_max(const struct reply *reply);
static enum tp_result reply_write(const struct tp_wire *wire, struct reply *reply,
                                  struct tp_output *output);
static char *reply_write_head(const struct tp_wire *wire, const struct reply *reply, char *to);
static char *reply_write_connection(uint32_t note, char *to);
static char *reply_write_origin(const struct reply *reply, char *to);

enum tp_result
http_encode_reply(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    struct reply reply = {
        .packet = packet,
        .code = reply_code(packet),
        .origin = reply_origin(wire, packet->note),
    };

    reply_choose_body(&reply);
    return reply_write(wire, &reply, output);
}

/* What HTTP has no number for is a mistake of the server; what never got so far, of its way. */
static int
reply_code(const struct tp_packet *packet)
{
    int32_t code = packet->status.code;

    if ((packet->note & HTTP_NOTE_TELEPORT) != 0) {
        return code == TP_STATUS_OK ? TP_STATUS_OK : BUSINESS_ERROR;
    }
    if (code < TP_STATUS_OK) {
        return TP_STATUS_BAD_GATEWAY;
    }
    return code < 600 ? code : TP_STATUS_INTERNAL_ERROR;
}

static bool
reply_has_body(int code)
{
    return code != 204 && code != 205 && code != 304;
}

static void
reply_choose_body(struct reply *reply)
{
    const struct tp_packet *packet = reply->packet;
    bool is_success = reply->code < BUSINESS_ERROR;
    bool is_business_error = reply->code == BUSINESS_ERROR;

    reply->content.has_length = reply->code != 204 && reply->code != 304;
    if (!reply_has_body(reply->code)) {
        return;
    }
    if (!is_success && (packet->body.len == 0 || is_business_error)) {
        reply->is_status = true;
        reply->content.has_codec = true;
        reply->content.is_typed = true;
        reply->content.codec = TP_CODEC_JSON;
        return;
    }
    reply->body = &packet->body;
    reply->content.gzip_level = packet->body.len > 0 ? packet->gzip_level : 0;
    reply->content.has_codec = packet->has_body_codec && packet->body_codec != TP_CODEC_NONE;
    reply->content.codec = packet->body_codec;
    reply->content.len = reply->body->len;
}

/* The page's, as the list has it; a list that has changed since may have it no longer. */
static struct tp_str
reply_origin(const struct tp_wire *wire, uint32_t note)
{
    for (size_t i = 0; i < wire->origin_count; i++) {
        struct tp_str origin = wire->origins[i];
        bool is_any = origin.len == 1 && origin.data[0] == '*';

        if (is_any
            || ((note & HTTP_NOTE_ORIGIN) != 0
                && http_origin_hash(origin) == note >> HTTP_NOTE_HASH_SHIFT)) {
            return origin;
        }
    }
    return TP_STR("");
}

static size_t
reply_max(const struct reply *reply)
{
    return REPLY_FIELDS_MAX + HTTP_CONTENT_MAX + reply->origin.len
           + http_metadata_max(reply->packet->metadata)
           + (reply->is_status ? http_status_max(&reply->packet->status) : 0);
}

static enum tp_result
reply_write(const struct tp_wire *wire, struct reply *reply, struct tp_output *output)
{
    size_t room_len = reply_max(reply);
    char *room = (char *) tp_output_reserve(output, room_len);
    bool is_head_only = (reply->packet->note & HTTP_NOTE_HEAD) != 0;

    if (room == NULL) {
        return TP_NO_MEMORY;
    }
    /* The head says how long the status is, so that is written first, as far back as it needs. */
    char *status = room + room_len;

    if (reply->is_status) {
        status -= http_status_max(&reply->packet->status);
        reply->content.len = http_status_write(&reply->packet->status, status);
    }
    char *end = reply_write_head(wire, reply, room);

    TP_ASSERT(end <= status);
    if (reply->is_status && !is_head_only) {
        memmove(end, status, reply->content.len);
        end += reply->content.len;
    }
    return tp_output_commit(output, (size_t) (end - room), is_head_only ? NULL : reply->body);
}

static char *
reply_write_head(const struct tp_wire *wire, const struct reply *reply, char *to)
{
    const struct tp_packet *packet = reply->packet;

    to = tp_http_write_decimal(tp_http_write(to, TP_STR("HTTP/1.1 ")), (uint64_t) reply->code);
    to = tp_http_write(tp_http_write(to, TP_STR(" ")), tp_http_reason(reply->code));
    to = tp_http_write(to, TP_STR("\r\n"));
    to = http_write_content(&reply->content, packet->metadata, to);
    if ((packet->note & HTTP_NOTE_TELEPORT) != 0) {
        to = tp_http_write_decimal(tp_http_write(to, TP_STR("X-Seq: ")), packet->seq);
        to = tp_http_write(to, TP_STR("\r\nX-Mtype: 2\r\n"));
    }
    to = reply_write_connection(packet->note, to);
    to = reply_write_origin(reply, to);
    to = http_write_metadata(wire, packet->metadata, reply->content.is_typed, to);
    return tp_http_write(to, TP_STR("\r\n"));
}

/* What goes without saying is not said. */
static char *
reply_write_connection(uint32_t note, char *to)
{
    if ((note & HTTP_NOTE_CLOSES) != 0) {
        return tp_http_write(to, TP_STR("Connection: close\r\n"));
    }
    return (note & HTTP_NOTE_OLD) != 0 ? tp_http_write(to, TP_STR("Connection: keep-alive\r\n"))
                                       : to;
}

static char *
reply_write_origin(const struct reply *reply, char *to)
{
    if (reply->origin.len == 0) {
        return to;
    }
    to = tp_http_write_field(to, TP_STR("Access-Control-Allow-Origin"), reply->origin);
    to = tp_http_write(to, TP_STR("Access-Control-Expose-Headers: *\r\n"));
    return tp_http_write(to, TP_STR("Vary: Origin\r\n"));
}
