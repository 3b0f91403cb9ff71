/*
 * packet.c - what becomes of a packet's bytes when it is kept, and when it is not.
 *
 * Read next: packet/output.c, modules/protocol/teleport/teleport.c.
 */
#include <teleport/packet.h>

#include "base/buf_pool.h"

#include <string.h>

enum {
    PACKET_DETACH_MAX = 2048, /* copying more costs more than the pinned buffer */
};

static size_t packet_size(const struct tp_packet *packet);
static bool packet_is_pinning(const struct tp_packet *packet);
static bool packet_is_large(const struct tp_buf *buf);
static uint8_t *packet_move_text(struct tp_str *text, uint8_t *to);

const char *
tp_packet_type_word(int32_t type)
{
    switch (type) {
    case TP_PACKET_PULL:
        return "PULL";
    case TP_PACKET_REPLY:
        return "REPLY";
    case TP_PACKET_PUSH:
        return "PUSH";
    case TP_PACKET_AUTH_CALL:
        return "AUTH_CALL";
    case TP_PACKET_AUTH_REPLY:
        return "AUTH_REPLY";
    default:
        return "packet";
    }
}

void
tp_packet_clear(struct tp_packet *packet)
{
    tp_buf_release(packet->head);
    tp_buf_release(packet->meta_head);
    tp_chain_clear(&packet->body);
    *packet = (struct tp_packet){ .type = 0 };
}

enum tp_result
tp_packet_detach(struct tp_packet *packet, struct tp_buf_pool *pool)
{
    size_t size = packet_size(packet);

    if (size > PACKET_DETACH_MAX || !packet_is_pinning(packet)) {
        return TP_OK;
    }
    struct tp_buf *own = tp_buf_make(pool, size);

    if (own == NULL) {
        return TP_NO_MEMORY;
    }
    struct tp_slice body = { own, own->bytes, packet->body.len };

    tp_chain_copy(&packet->body, 0, body.len, own->bytes);
    tp_chain_clear(&packet->body);
    tp_buf_acquire(own);
    /* An empty chain has room for one slice, so this cannot fail. */
    enum tp_result result = tp_chain_append(&packet->body, body);

    TP_ASSERT(result == TP_OK);
    uint8_t *end = packet_move_text(&packet->uri, own->bytes + body.len);

    end = packet_move_text(&packet->metadata, end);
    end = packet_move_text(&packet->status.text, end);
    packet_move_text(&packet->status.cause, end);
    tp_buf_release(packet->head);
    tp_buf_release(packet->meta_head);
    packet->head = own;
    packet->meta_head = NULL;
    pool->bytes_copied += size;
    return TP_OK;
}

static size_t
packet_size(const struct tp_packet *packet)
{
    return packet->uri.len + packet->metadata.len + packet->status.text.len
           + packet->status.cause.len + packet->body.len;
}

/* Is any buffer of it much larger than what the packet needs? */
static bool
packet_is_pinning(const struct tp_packet *packet)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(&packet->body, &count);

    if (packet_is_large(packet->head) || packet_is_large(packet->meta_head)) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (packet_is_large(slices[i].buf)) {
            return true;
        }
    }
    return false;
}

static bool
packet_is_large(const struct tp_buf *buf)
{
    return buf != NULL && buf->capacity > 2 * PACKET_DETACH_MAX;
}

/* Copies the text to `to`, lets it lie there, and returns the place behind it. */
static uint8_t *
packet_move_text(struct tp_str *text, uint8_t *to)
{
    if (text->len == 0) {
        return to;
    }
    memcpy(to, text->data, text->len);
    text->data = (const char *) to;
    return to + text->len;
}
