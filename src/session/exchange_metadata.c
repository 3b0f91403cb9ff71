/*
 * exchange_metadata.c - the metadata of requests and replies: names with values that travel
 * beside the body, where the protocol has a place for them.
 *
 * Runs in: worker.  Owns: the buffer of a reply's metadata.  Read next: teleport/query.h.
 */
#include "session/record.h"

#include "base/str.h"

#include <string.h>

enum {
    METADATA_ROOM_MIN = 240, /* so that further pairs need no buffer of their own */
};

static bool metadata_is_called(struct tp_str written, struct tp_str name, char hyphen);
static bool metadata_is_letter(int written, char letter, char hyphen);
static struct tp_buf *metadata_make_room(struct tp_exchange *exchange, size_t len);
static char *metadata_write_pair(char *to, struct tp_str name, struct tp_str value);

size_t
tp_exchange_metadata(const struct tp_exchange *exchange, struct tp_str name, char *value,
                     size_t size)
{
    struct tp_query_pair pair;

    return tp__metadata_find(exchange->request.metadata, name, '-', &pair)
               ? tp_query_read(pair.value, value, size)
               : SIZE_MAX;
}

struct tp_str
tp_exchange_all_metadata(const struct tp_exchange *exchange)
{
    return exchange->request.metadata;
}

enum tp_result
tp_exchange_add_metadata(struct tp_exchange *exchange, struct tp_str name, struct tp_str value)
{
    struct tp_packet *reply = &exchange->reply;
    size_t pair_len = tp_query_escaped_len(name) + 1 + tp_query_escaped_len(value);
    size_t len = reply->metadata.len + (reply->metadata.len > 0 ? 1 : 0) + pair_len;

    if (len > exchange->server->limits.packet.bytes) {
        return TP_TOO_LARGE;
    }
    struct tp_buf *buf = metadata_make_room(exchange, len);

    if (buf == NULL) {
        return TP_NO_MEMORY;
    }
    char *next = (char *) buf->bytes + reply->metadata.len;

    if (reply->metadata.len > 0) {
        *next++ = '&';
    }
    metadata_write_pair(next, name, value);
    reply->metadata = (struct tp_str){ (const char *) buf->bytes, len };
    return TP_OK;
}

enum tp_result
tp_exchange_add_challenge(struct tp_exchange *exchange)
{
    struct tp_str name = TP_STR("WWW-Authenticate");
    bool wants_page =
        tp_exchange_metadata(exchange, TP_STR("Upgrade-Insecure-Requests"), NULL, 0) != SIZE_MAX;
    enum tp_result result = tp_exchange_add_metadata(exchange, name, TP_STR("Bearer"));

    /* A field of its own: browsers read one challenge from each. */
    if (result == TP_OK && wants_page) {
        result = tp_exchange_add_metadata(exchange, name,
                                          TP_STR("Basic realm=\"teleport\", charset=\"UTF-8\""));
    }
    return result;
}

bool
tp__metadata_find(struct tp_str metadata, struct tp_str name, char hyphen,
                  struct tp_query_pair *pair)
{
    while (tp_query_next(&metadata, pair)) {
        if (metadata_is_called(pair->name, name, hyphen)) {
            return true;
        }
    }
    return false;
}

static bool
metadata_is_called(struct tp_str written, struct tp_str name, char hyphen)
{
    size_t len = 0;

    while (written.len > 0 && len < name.len) {
        if (!metadata_is_letter(tp_query_take_byte(&written), name.data[len], hyphen)) {
            return false;
        }
        len++;
    }
    return written.len == 0 && len == name.len;
}

static bool
metadata_is_letter(int written, char letter, char hyphen)
{
    return tp__ascii_to_lower(written) == tp__ascii_to_lower((unsigned char) letter)
           || (written == '-' && letter == hyphen);
}

/* The buffer with what there is at its front, and room for `len` bytes in all; or NULL. */
static struct tp_buf *
metadata_make_room(struct tp_exchange *exchange, size_t len)
{
    struct tp_packet *reply = &exchange->reply;

    bool is_own = reply->meta_head != NULL && reply->meta_head->holders == 1
                  && reply->metadata.data == (const char *) reply->meta_head->bytes;

    if (is_own && reply->meta_head->capacity >= len) {
        return reply->meta_head;
    }
    struct tp_buf *buf = tp_buf_make(&exchange->sessions->pool, len + METADATA_ROOM_MIN);

    if (buf == NULL) {
        return NULL;
    }
    if (reply->metadata.len > 0) {
        memcpy(buf->bytes, reply->metadata.data, reply->metadata.len);
    }
    tp_buf_release(reply->meta_head);
    reply->meta_head = buf;
    return buf;
}

static char *
metadata_write_pair(char *to, struct tp_str name, struct tp_str value)
{
    to = tp_query_escape(name, to);
    *to++ = '=';
    return tp_query_escape(value, to);
}
