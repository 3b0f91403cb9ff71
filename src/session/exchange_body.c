/*
 * exchange_body.c - bodies as handlers want them: inflated, in one piece, as values; and
 * replies deflated as their PULL was.
 *
 * Runs in: worker.  Owns: the inflated body, until the exchange ends.
 */
#include "session/record.h"

#include "base/str.h"

static enum tp_result body_inflate(struct tp_exchange *exchange);
static void body_inflate_reply(struct tp_exchange *exchange);
static const struct tp_codec_use *body_codec(const struct tp_exchange *exchange);
static const struct tp_bodies *exchange_bodies(const struct tp_exchange *exchange);
static const struct tp_codec_use *find_codec(const struct tp_server *server, uint8_t id);
static enum tp_result refuse_codec(struct tp_exchange *exchange);
static enum tp_result refuse_value(struct tp_exchange *exchange, enum tp_result result,
                                   const char *why);
static enum tp_result refuse_reply(struct tp_exchange *exchange, enum tp_result result);

enum tp_result
tp_exchange_read_body(struct tp_exchange *exchange, struct tp_str *body)
{
    struct tp_slice flat = { 0 };
    enum tp_result result = TP_OK;
    bool is_plain = exchange->request.gzip_level == 0;

    if (!is_plain && !exchange->has_plain_body) {
        tp_chain_clear(&exchange->plain_body);
        exchange->has_plain_reply = false;
        result = body_inflate(exchange);
    }
    if (result == TP_OK) {
        result = tp_chain_flatten(is_plain ? &exchange->request.body : &exchange->plain_body,
                                  &exchange->sessions->pool, &flat);
    }
    *body = (struct tp_str){ (const char *) flat.data, flat.len };
    return result;
}

enum tp_result
tp_exchange_read_reply(struct tp_exchange *exchange, struct tp_str *body)
{
    const struct tp_server *server = exchange->server;
    struct tp_packet *reply = &exchange->reply;
    struct tp_slice flat = { 0 };
    enum tp_result result = TP_OK;

    bool is_plain = reply->gzip_level == 0 || reply->body.len == 0;

    if (!is_plain && !exchange->has_plain_reply) {
        tp_chain_clear(&exchange->plain_body);
        exchange->has_plain_body = false;
        result = tp__sessions_inflate(exchange->sessions, &reply->body, server->limits.packet,
                                      &exchange->plain_body);
        exchange->has_plain_reply = result == TP_OK;
    }
    if (result == TP_OK) {
        result = tp_chain_flatten(is_plain ? &reply->body : &exchange->plain_body,
                                  &exchange->sessions->pool, &flat);
    }
    *body = (struct tp_str){ (const char *) flat.data, flat.len };
    return result;
}

enum tp_result
tp_exchange_read_value(struct tp_exchange *exchange, struct cJSON **value)
{
    const struct tp_codec_use *use = body_codec(exchange);
    struct tp_str body;
    const char *why = "";

    *value = NULL;
    if (use == NULL || use->codec->decode == NULL) {
        return refuse_codec(exchange);
    }
    enum tp_result result = tp_exchange_read_body(exchange, &body);

    if (result != TP_OK) {
        return refuse_value(exchange, result, "the body cannot be inflated");
    }
    result = use->codec->decode(use->conf, body, value, &why);
    return result == TP_OK ? TP_OK : refuse_value(exchange, result, why);
}

enum tp_result
tp_exchange_read_as(struct tp_exchange *exchange, uint8_t codec, struct tp_str *body)
{
    const struct tp_packet *request = &exchange->request;

    *body = (struct tp_str){ 0 };
    if (request->has_body_codec && request->body_codec != codec) {
        return refuse_codec(exchange);
    }
    enum tp_result result = tp_exchange_read_body(exchange, body);

    return result == TP_OK ? TP_OK : refuse_value(exchange, result, "the body cannot be inflated");
}

enum tp_result
tp_exchange_reply_value(struct tp_exchange *exchange, const struct cJSON *value)
{
    const uint8_t wanted[] = {
        exchange->request.accept_codec,
        exchange->request.body_codec,
        exchange_bodies(exchange)->codec,
    };
    enum tp_result result = TP_NOT_FOUND;
    struct tp_chain body = { 0 };

    /* The next one is tried where a codec is not there, or cannot say this value. */
    for (size_t i = 0; i < TP_COUNT_OF(wanted); i++) {
        enum tp_result tried = tp_exchange_encode_value(exchange, value, wanted[i], &body);

        if (tried == TP_OK) {
            return tp_exchange_reply(exchange, &body, wanted[i]);
        }
        if (tried != TP_NOT_FOUND) {
            result = tried;
        }
        if (tried != TP_NOT_FOUND && tried != TP_INVALID) {
            break;
        }
    }
    return result == TP_NOT_FOUND ? refuse_codec(exchange) : refuse_reply(exchange, result);
}

enum tp_result
tp_exchange_encode_value(const struct tp_exchange *exchange, const struct cJSON *value,
                         uint8_t codec, struct tp_chain *body)
{
    const struct tp_codec_use *use = find_codec(exchange->server, codec);

    if (use == NULL || use->codec->encode == NULL) {
        return TP_NOT_FOUND;
    }
    return use->codec->encode(use->conf, value, exchange->server->limits.packet,
                              &exchange->sessions->pool, body);
}

/* As its PULL said that it can be taken. */
void
tp__exchange_fit_reply(struct tp_exchange *exchange)
{
    const struct tp_bodies *bodies = exchange_bodies(exchange);
    struct tp_packet *reply = &exchange->reply;
    int level = tp__exchange_reply_level(exchange);

    if (exchange->request.reply_gzip == 0) {
        body_inflate_reply(exchange);
    } else if (level != 0 && reply->gzip_level == 0 && reply->body.len >= bodies->gzip_min.bytes) {
        tp__sessions_deflate(exchange->sessions, level, reply);
    }
}

int
tp__exchange_reply_level(const struct tp_exchange *exchange)
{
    const struct tp_bodies *bodies = exchange_bodies(exchange);

    return bodies->has_reply_level && exchange->request.reply_gzip != 0
               ? bodies->reply_level
               : (int) exchange->request.reply_gzip;
}

enum tp_result
tp__sessions_inflate(struct tp_sessions *sessions, const struct tp_chain *body,
                     struct tp_size limit, struct tp_chain *plain)
{
    enum tp_result result =
        tp__filters_undo(&sessions->filters, TP_FILTER_GZIP, body, limit, &sessions->pool, plain);

    return result == TP_NOT_FOUND ? TP_INVALID : result;
}

void
tp__sessions_deflate(struct tp_sessions *sessions, int level, struct tp_packet *packet)
{
    struct tp_chain deflated = { 0 };
    enum tp_result result = tp__filters_apply(&sessions->filters, TP_FILTER_GZIP, level,
                                              &packet->body, &sessions->pool, &deflated);

    if (result != TP_OK || deflated.len >= packet->body.len) {
        tp_chain_clear(&deflated);
        return;
    }
    tp_chain_clear(&packet->body);
    packet->body = deflated;
    packet->gzip_level = level;
}

uint8_t
tp_exchange_reply_codec(const struct tp_exchange *exchange)
{
    return exchange->reply.body_codec;
}

static enum tp_result
body_inflate(struct tp_exchange *exchange)
{
    const struct tp_server *server = exchange->server;

    enum tp_result result = tp__sessions_inflate(exchange->sessions, &exchange->request.body,
                                                 server->limits.packet, &exchange->plain_body);

    exchange->has_plain_body = result == TP_OK;
    return result;
}

/* One that cannot be inflated is not sent. */
static void
body_inflate_reply(struct tp_exchange *exchange)
{
    struct tp_packet *reply = &exchange->reply;
    struct tp_chain plain = { 0 };

    if (reply->body.len > 0
        && tp__sessions_inflate(exchange->sessions, &reply->body, exchange->server->limits.packet,
                                &plain)
               != TP_OK) {
        struct tp_status status = tp_status_of(TP_STATUS_INTERNAL_ERROR);

        tp__exchange_replace_outcome(exchange, &status);
    }
    tp_chain_clear(&reply->body);
    reply->body = plain;
    reply->gzip_level = 0;
}

/* The codec of the request's body, or the default where it named none; NULL when unknown. */
static const struct tp_codec_use *
body_codec(const struct tp_exchange *exchange)
{
    const struct tp_packet *request = &exchange->request;

    return find_codec(exchange->server, request->has_body_codec ? request->body_codec
                                                                : exchange_bodies(exchange)->codec);
}

static const struct tp_bodies *
exchange_bodies(const struct tp_exchange *exchange)
{
    return exchange->route != NULL ? &exchange->route->bodies : &exchange->server->bodies;
}

static const struct tp_codec_use *
find_codec(const struct tp_server *server, uint8_t id)
{
    for (size_t i = 0; i < server->codec_count; i++) {
        if (server->codecs[i].codec->id == id) {
            return &server->codecs[i];
        }
    }
    return NULL;
}

static enum tp_result
refuse_codec(struct tp_exchange *exchange)
{
    struct tp_status status = tp_status_of(TP_STATUS_UNSUPPORTED_CODEC);

    tp_exchange_refuse(exchange, &status);
    return TP_INVALID;
}

/* 400 with the reason as its text: the framing is intact, the session goes on. */
static enum tp_result
refuse_value(struct tp_exchange *exchange, enum tp_result result, const char *why)
{
    struct tp_status status = tp_status_of(TP_STATUS_BAD_REQUEST);

    if (result != TP_INVALID) {
        tp_exchange_refuse_result(exchange, result);
        return result;
    }
    status.text = tp__str(why);
    tp_exchange_refuse(exchange, &status);
    return result;
}

/* A value that no codec can say is our own fault, not the caller's. */
static enum tp_result
refuse_reply(struct tp_exchange *exchange, enum tp_result result)
{
    struct tp_status status = tp_status_of(TP_STATUS_INTERNAL_ERROR);

    if (result != TP_INVALID) {
        return tp_exchange_refuse_result(exchange, result);
    }
    status.cause = TP_STR("no codec can express the reply");
    return tp_exchange_refuse(exchange, &status);
}
