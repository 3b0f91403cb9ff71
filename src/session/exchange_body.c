/*
 * exchange_body.c - bodies as handlers want them: inflated, in one piece, as values; and
 * replies deflated as their PULL was.
 *
 * Runs in: worker.  Owns: the inflated body, until the exchange ends.
 */
#include "session/record.h"

#include "base/str.h"

static enum tp_result body_inflate(struct tp_exchange *exchange);
static const struct tp_codec_use *body_codec(const struct tp_exchange *exchange);
static const struct tp_codec_use *find_codec(const struct tp_server *server, uint8_t id);
static enum tp_result refuse_codec(struct tp_exchange *exchange);
static enum tp_result refuse_value(struct tp_exchange *exchange, enum tp_result result,
                                   const char *why);

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
        result = server->gzip == NULL
                     ? TP_INVALID
                     : server->gzip->undo(exchange->sessions->gzip_state, &reply->body,
                                          server->limits.packet, &exchange->sessions->pool,
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
tp_exchange_reply_value(struct tp_exchange *exchange, const struct cJSON *value)
{
    const struct tp_codec_use *use = body_codec(exchange);
    struct tp_chain body = { 0 };

    if (use == NULL || use->codec->encode == NULL) {
        return refuse_codec(exchange);
    }
    enum tp_result result = use->codec->encode(use->conf, value, exchange->server->limits.packet,
                                               &exchange->sessions->pool, &body);

    if (result != TP_OK) {
        return tp_exchange_refuse_result(exchange, result);
    }
    return tp_exchange_reply(exchange, &body, use->codec->id);
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

void
tp__exchange_deflate_reply(struct tp_exchange *exchange)
{
    const struct tp_server *server = exchange->server;
    struct tp_packet *reply = &exchange->reply;
    int level = (int) exchange->request.gzip_level;
    struct tp_chain deflated = { 0 };

    if (reply->gzip_level != 0 || server->gzip == NULL
        || reply->body.len < server->gzip_min.bytes) {
        return;
    }
    enum tp_result result = server->gzip->apply(exchange->sessions->gzip_state, level, &reply->body,
                                                &exchange->sessions->pool, &deflated);

    /* What cannot be deflated, or would grow, goes as it is; the header tells the truth. */
    if (result != TP_OK || deflated.len >= reply->body.len) {
        tp_chain_clear(&deflated);
        return;
    }
    tp_chain_clear(&reply->body);
    reply->body = deflated;
    reply->gzip_level = level;
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

    if (server->gzip == NULL) {
        return TP_INVALID;
    }
    enum tp_result result =
        server->gzip->undo(exchange->sessions->gzip_state, &exchange->request.body,
                           server->limits.packet, &exchange->sessions->pool, &exchange->plain_body);

    exchange->has_plain_body = result == TP_OK;
    return result;
}

/* The codec of the request's body, or the peer's default where it named none; NULL when unknown. */
static const struct tp_codec_use *
body_codec(const struct tp_exchange *exchange)
{
    const struct tp_packet *request = &exchange->request;

    return find_codec(exchange->server, request->has_body_codec ? request->body_codec
                                                                : exchange->server->default_codec);
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
