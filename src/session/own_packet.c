/*
 * own_packet.c - a packet of our own, made of what a program or a module wants to say, as the
 * session's protocol can say it.
 *
 * Runs in: worker; a program's thread with the library.  Read next: asking.c.
 */
#include "session/record.h"

#include "base/str.h"

#include <string.h>

static bool options_are_sane(const struct tp_send_options *options, uint8_t header_codec);
static void packet_take_filters(const struct tp_session *session,
                                const struct tp_send_options *options, struct tp_packet *packet);
static void packet_add_gzip_filter(const struct tp_session *session, struct tp_packet *packet);
static bool packet_has_built_filters(const struct tp_session *session,
                                     const struct tp_packet *packet);
static bool packet_has_filter(const struct tp_packet *packet, uint8_t id);
static enum tp_result packet_inflate(struct tp_session *session, struct tp_packet *packet);

enum tp_result
tp__own_packet_fill(const struct tp_session *session, int32_t type, struct tp_str uri,
                    struct tp_str body, const struct tp_send_options *options,
                    struct tp_packet *packet)
{
    const struct tp_server *server = session->source->server;
    uint8_t header_codec =
        options->header_codec != 0 ? options->header_codec : server->header_codec;

    *packet = (struct tp_packet){
        .type = type,
        .header_codec = header_codec,
        .body_codec = options->body_codec != 0 ? options->body_codec : server->bodies.codec,
        .has_body_codec = true,
        .accept_codec = options->accept_codec,
    };
    if (!options_are_sane(options, header_codec)) {
        return TP_INVALID;
    }
    if (uri.len + options->metadata.len + body.len > server->limits.packet.bytes) {
        return TP_TOO_LARGE;
    }
    enum tp_result result = tp__own_packet_take_texts(session, uri, options->metadata, packet);

    if (result == TP_OK && body.len > 0) {
        result = tp_chain_append_copy(&packet->body, &session->sessions->pool, body);
    }
    if (result != TP_OK) {
        tp_packet_clear(packet);
        return result;
    }
    packet_take_filters(session, options, packet);
    return TP_OK;
}

enum tp_result
tp__own_packet_check(struct tp_session *session, struct tp_packet *packet)
{
    const struct tp_protocol *protocol = tp__session_protocol(session);
    unsigned abilities = protocol->abilities;
    bool has_dialed = session->dialed != NULL;
    unsigned needed = 0;

    if (packet->type == TP_PACKET_PUSH) {
        needed = has_dialed ? TP_PROTOCOL_PUSHES_UP : TP_PROTOCOL_PUSHES_DOWN;
    } else if (packet->type == TP_PACKET_AUTH_CALL) {
        needed = TP_PROTOCOL_AUTH;
    } else if (!has_dialed) {
        needed = TP_PROTOCOL_PULLS_DOWN;
    }
    if ((abilities & needed) != needed) {
        return TP_UNSUPPORTED;
    }
    if (protocol->fits != NULL && !protocol->fits(packet)) {
        return TP_TOO_LARGE;
    }
    if (!packet_has_built_filters(session, packet)) {
        return TP_INVALID;
    }
    return packet->gzip_level == 0 || (abilities & TP_PROTOCOL_BODY_GZIP) != 0
               ? TP_OK
               : packet_inflate(session, packet);
}

enum tp_result
tp__own_packet_take_texts(const struct tp_session *session, struct tp_str uri,
                          struct tp_str metadata, struct tp_packet *packet)
{
    if (uri.len + metadata.len == 0) {
        return TP_OK;
    }
    packet->head = tp_buf_make(&session->sessions->pool, uri.len + metadata.len);
    if (packet->head == NULL) {
        return TP_NO_MEMORY;
    }
    char *texts = (char *) packet->head->bytes;

    if (uri.len > 0) {
        packet->uri.data = memcpy(texts, uri.data, uri.len);
        packet->uri.len = uri.len;
    }
    if (metadata.len > 0) {
        packet->metadata.data = memcpy(texts + uri.len, metadata.data, metadata.len);
        packet->metadata.len = metadata.len;
    }
    return TP_OK;
}

static bool
options_are_sane(const struct tp_send_options *options, uint8_t header_codec)
{
    bool is_level =
        !options->has_gzip
        || (options->gzip_level >= TP_GZIP_LEVEL_MIN && options->gzip_level <= TP_GZIP_LEVEL_MAX);

    return is_level && (header_codec == TP_CODEC_JSON || header_codec == TP_CODEC_PROTOBUF)
           && options->filters[TP_PACKET_FILTERS_MAX] == '\0';
}

/* Gzip is the body's own where the protocol has a place for it, else one of its filters. */
static void
packet_take_filters(const struct tp_session *session, const struct tp_send_options *options,
                    struct tp_packet *packet)
{
    const struct tp_server *server = session->source->server;
    unsigned abilities = tp__session_protocol(session)->abilities;
    int level = options->has_gzip ? options->gzip_level : server->gzip_level;
    bool wants_gzip = level != 0 && packet->body.len >= server->bodies.gzip_min.bytes;

    if ((abilities & TP_PROTOCOL_FILTERS) != 0) {
        packet->filter_count = (uint8_t) strlen(options->filters);
        memcpy(packet->filters, options->filters, packet->filter_count);
        packet->reply_gzip = level;
        if (wants_gzip) {
            packet_add_gzip_filter(session, packet);
        }
    } else if (wants_gzip && (abilities & TP_PROTOCOL_BODY_GZIP) != 0) {
        tp__sessions_deflate(session->sessions, level, packet);
        packet->reply_gzip = level;
    }
}

/* Where the protocol has filters, this one is built in, and it has not got it yet. */
static void
packet_add_gzip_filter(const struct tp_session *session, struct tp_packet *packet)
{
    bool has_filters = (tp__session_protocol(session)->abilities & TP_PROTOCOL_FILTERS) != 0;

    if (has_filters && packet->filter_count < TP_PACKET_FILTERS_MAX
        && tp__filters_find(&session->sessions->filters, TP_FILTER_GZIP) != NULL
        && !packet_has_filter(packet, TP_FILTER_GZIP)) {
        packet->filters[packet->filter_count++] = TP_FILTER_GZIP;
    }
}

/* Are all of its filters built in? */
static bool
packet_has_built_filters(const struct tp_session *session, const struct tp_packet *packet)
{
    for (size_t i = 0; i < packet->filter_count; i++) {
        if (tp__filters_find(&session->sessions->filters, packet->filters[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static bool
packet_has_filter(const struct tp_packet *packet, uint8_t id)
{
    return memchr(packet->filters, id, packet->filter_count) != NULL;
}

/* It comes from a session of another protocol. */
static enum tp_result
packet_inflate(struct tp_session *session, struct tp_packet *packet)
{
    struct tp_chain plain = { 0 };
    enum tp_result result = tp__sessions_inflate(session->sessions, &packet->body,
                                                 session->source->server->limits.packet, &plain);

    if (result == TP_OK) {
        tp_chain_clear(&packet->body);
        packet->body = plain;
        packet->gzip_level = 0;
        packet_add_gzip_filter(session, packet);
    }
    return result;
}
