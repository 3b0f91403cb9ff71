/*
 * family.c - frames of Teleport 6 and 7: their size, the filters of each packet, and what tells
 * them apart.
 *
 * The size is judged as soon as it is there, before what it announces; what filters make of a
 * payload is held to the same limit.
 *
 * Runs in: worker.  Read next: raw_form.c, json_form.c, protobuf_form.c, packet/wire.c.
 */
#include "family.h"

#include <teleport/filter.h>

#include <string.h>

enum {
    LENGTH_BYTE_MAX = 0x10, /* the first byte of a size of at most 256 MB */
    PROBE_BYTES_MAX = 64,   /* what is looked at of a filtered payload, once filters are undone */
    GZIP_LEVEL = 5,         /* where nobody said how much */
};

/* The filters that a packet of ours gets in the end. */
struct filter_row {
    uint8_t ids[TP_PACKET_FILTERS_MAX];
    uint8_t count;
};

static enum tp_probe probe_filtered(const struct family_form *form, const struct tp_wire *wire,
                                    const uint8_t *ids, size_t count);
static size_t frame_len(const struct family_form *form, const uint8_t *size);
static enum tp_decode_outcome frame_read(const struct family_form *form, struct tp_wire *wire,
                                         struct tp_packet *packet);
static enum tp_decode_outcome frame_refuse(struct tp_wire *wire, enum tp_decode_outcome outcome,
                                           const char *why);
static enum tp_decode_outcome frame_unfilter(struct tp_wire *wire, const struct tp_packet *packet,
                                             struct tp_chain *plain);
static enum tp_result frame_encode_instead(const struct family_form *form, struct tp_wire *wire,
                                           const struct tp_packet *reply, struct tp_output *output);
static enum tp_result frame_encode_plain(const struct family_form *form,
                                         const struct tp_packet *packet, size_t payload_max,
                                         struct tp_output *output);
static enum tp_result frame_encode_filtered(const struct family_form *form, struct tp_wire *wire,
                                            const struct tp_packet *packet, size_t payload_max,
                                            struct tp_output *output);
static enum tp_result frame_gather(const struct family_form *form, struct tp_wire *wire,
                                   const struct tp_packet *packet, size_t payload_max,
                                   struct tp_chain *plain);
static enum tp_result frame_filter(struct tp_wire *wire, const struct tp_packet *packet,
                                   const struct tp_chain *plain, struct filter_row *row,
                                   struct tp_chain *filtered);
static bool frame_drop_gzip(struct filter_row *row);
static uint8_t *frame_write_head(const struct family_form *form, uint8_t *to, size_t filter_count,
                                 size_t payload_len);

enum tp_probe
family_probe(const struct family_form *form, const struct tp_wire *wire)
{
    uint8_t head[FAMILY_HEAD_BYTES + TP_PACKET_FILTERS_MAX + 1] = { 0 };
    size_t len = wire->input->len < sizeof(head) ? wire->input->len : sizeof(head);

    tp_chain_copy(wire->input, 0, len, head);
    bool is_length = len < FAMILY_LENGTH_BYTES
                     || (frame_len(form, head) > FAMILY_HEAD_BYTES
                         && frame_len(form, head) <= wire->limits.packet.bytes);

    if (head[0] > LENGTH_BYTE_MAX || !is_length) {
        return TP_PROBE_NO;
    }
    if (len < FAMILY_HEAD_BYTES) {
        return TP_PROBE_MORE;
    }
    size_t filter_count = head[FAMILY_LENGTH_BYTES];

    if (filter_count > TP_PACKET_FILTERS_MAX) {
        return TP_PROBE_NO;
    }
    if (len <= FAMILY_HEAD_BYTES + filter_count) {
        return TP_PROBE_MORE;
    }
    if (filter_count > 0) {
        return probe_filtered(form, wire, head + FAMILY_HEAD_BYTES, filter_count);
    }
    return form->begins_with(head[FAMILY_HEAD_BYTES]) ? TP_PROBE_YES : TP_PROBE_NO;
}

enum tp_decode_outcome
family_decode(const struct family_form *form, struct tp_wire *wire, struct tp_packet *packet)
{
    struct tp_chain plain = { .len = 0 };

    *packet = (struct tp_packet){ .type = 0 };
    enum tp_decode_outcome outcome = frame_read(form, wire, packet);

    if (outcome == TP_DECODE_PACKET && packet->filter_count > 0) {
        outcome = frame_unfilter(wire, packet, &plain);
    }
    if (outcome == TP_DECODE_PACKET) {
        struct family_payload payload = { wire->input, FAMILY_HEAD_BYTES,
                                          packet->wire_bytes - FAMILY_HEAD_BYTES };

        if (packet->filter_count > 0) {
            payload = (struct family_payload){ &plain, 0, plain.len };
        }
        outcome = form->read(wire, &payload, packet);
        tp_chain_clear(&plain);
    }
    if (outcome == TP_DECODE_REFUSED) {
        tp_family_refuse(packet);
    }
    if (outcome == TP_DECODE_PACKET || outcome == TP_DECODE_REFUSED) {
        tp_chain_skip(wire->input, packet->wire_bytes);
    } else {
        tp_packet_clear(packet);
    }
    return outcome;
}

enum tp_result
family_encode(const struct family_form *form, struct tp_wire *wire, const struct tp_packet *packet,
              struct tp_output *output)
{
    const size_t others_max = FAMILY_HEAD_BYTES + TP_PACKET_FILTERS_MAX;

    if (form->fits != NULL && !form->fits(packet)) {
        return tp_family_is_reply(packet->type) ? frame_encode_instead(form, wire, packet, output)
                                                : TP_TOO_LARGE;
    }
    size_t payload_max = form->write_max(packet);

    if (packet->body.len >= UINT32_MAX - others_max
        || payload_max >= UINT32_MAX - others_max - packet->body.len) {
        return TP_TOO_LARGE;
    }
    return packet->filter_count == 0
               ? frame_encode_plain(form, packet, payload_max, output)
               : frame_encode_filtered(form, wire, packet, payload_max, output);
}

const uint8_t *
family_hold(struct tp_wire *wire, const struct family_payload *payload, size_t len,
            struct tp_buf **head)
{
    static const uint8_t nothing[1];
    const struct tp_slice *front = tp_chain_front(payload->chain);

    if (len == 0) {
        /* What filters have made nothing of lies nowhere. */
        *head = NULL;
        return nothing;
    }
    if (payload->offset + len <= front->len) {
        tp_buf_acquire(front->buf);
        *head = front->buf;
        return front->data + payload->offset;
    }
    *head = tp_buf_make(wire->pool, len);
    if (*head == NULL) {
        return NULL;
    }
    tp_chain_copy(payload->chain, payload->offset, len, (*head)->bytes);
    return (*head)->bytes;
}

/* What a front of the payload becomes tells; where it becomes nothing yet, more may. */
static enum tp_probe
probe_filtered(const struct family_form *form, const struct tp_wire *wire, const uint8_t *ids,
               size_t count)
{
    const struct tp_size limit = { PROBE_BYTES_MAX };
    size_t head_len = FAMILY_HEAD_BYTES + count;
    uint8_t size[FAMILY_LENGTH_BYTES];
    struct tp_chain front = { .len = 0 };
    struct tp_chain plain = { .len = 0 };
    uint8_t first = 0;

    tp_chain_copy(wire->input, 0, sizeof(size), size);
    bool is_whole = wire->input->len >= frame_len(form, size);
    enum tp_result result =
        tp_chain_share_part(&front, wire->input, head_len, wire->input->len - head_len);

    if (result == TP_OK) {
        result = tp_wire_unfilter_front(wire, ids, count, &front, limit, &plain);
    }
    bool is_known = result == TP_OK && plain.len > 0;

    if (is_known) {
        tp_chain_copy(&plain, 0, 1, &first);
    }
    tp_chain_clear(&front);
    tp_chain_clear(&plain);
    if (!is_known) {
        return result == TP_OK && !is_whole ? TP_PROBE_MORE : TP_PROBE_NO;
    }
    return form->begins_with(first) ? TP_PROBE_YES : TP_PROBE_NO;
}

static inline size_t
frame_len(const struct family_form *form, const uint8_t *size)
{
    size_t len = (size_t) size[0] << 24 | (size_t) size[1] << 16 | (size_t) size[2] << 8 | size[3];

    return form->size_counts_itself ? len : len + FAMILY_LENGTH_BYTES;
}

/* TP_DECODE_PACKET: all of it is there, and not too much; the packet knows length and filters. */
static inline enum tp_decode_outcome
frame_read(const struct family_form *form, struct tp_wire *wire, struct tp_packet *packet)
{
    const struct tp_chain *input = wire->input;
    uint8_t scratch[FAMILY_HEAD_BYTES];
    size_t known = input->len < FAMILY_HEAD_BYTES ? input->len : FAMILY_HEAD_BYTES;

    if (known < FAMILY_LENGTH_BYTES) {
        return TP_DECODE_MORE;
    }
    const uint8_t *head = tp_chain_peek(input, 0, known, scratch);
    size_t len = frame_len(form, head);

    if (len < FAMILY_HEAD_BYTES) {
        return frame_refuse(wire, TP_DECODE_BROKEN, "the size is less than that of any packet");
    }
    if (len > wire->limits.packet.bytes) {
        return frame_refuse(wire, TP_DECODE_TOO_LARGE, "the packet is longer than it may be");
    }
    if (known < FAMILY_HEAD_BYTES) {
        return TP_DECODE_MORE;
    }
    size_t filter_count = head[FAMILY_LENGTH_BYTES];

    if (filter_count > TP_PACKET_FILTERS_MAX) {
        return frame_refuse(wire, TP_DECODE_BROKEN, "the packet has more filters than it may have");
    }
    if (FAMILY_HEAD_BYTES + filter_count > len) {
        return frame_refuse(wire, TP_DECODE_BROKEN, "the packet is shorter than its filters");
    }
    if (input->len < len) {
        return TP_DECODE_MORE;
    }
    packet->wire_bytes = len;
    packet->filter_count = (uint8_t) filter_count;
    if (filter_count > 0) {
        tp_chain_copy(input, FAMILY_HEAD_BYTES, filter_count, packet->filters);
    }
    return TP_DECODE_PACKET;
}

/* Returns the outcome, so that the caller can. */
static enum tp_decode_outcome
frame_refuse(struct tp_wire *wire, enum tp_decode_outcome outcome, const char *why)
{
    wire->why = why;
    return outcome;
}

static enum tp_decode_outcome
frame_unfilter(struct tp_wire *wire, const struct tp_packet *packet, struct tp_chain *plain)
{
    size_t head_len = FAMILY_HEAD_BYTES + packet->filter_count;
    struct tp_chain filtered = { .len = 0 };
    enum tp_result result =
        tp_chain_share_part(&filtered, wire->input, head_len, packet->wire_bytes - head_len);

    if (result == TP_OK) {
        result = tp_wire_unfilter(wire, packet->filters, packet->filter_count, &filtered, plain);
    }
    tp_chain_clear(&filtered);
    switch (result) {
    case TP_OK:
        return TP_DECODE_PACKET;
    case TP_NO_MEMORY:
        return TP_DECODE_NO_MEMORY;
    case TP_NOT_FOUND:
        return frame_refuse(wire, TP_DECODE_BROKEN, "a filter of the packet is not built in");
    case TP_TOO_LARGE:
        return frame_refuse(wire, TP_DECODE_TOO_LARGE,
                            "without its filters the packet is longer than it may be");
    default:
        return frame_refuse(wire, TP_DECODE_BROKEN, "a filter finds the packet broken");
    }
}

/* What is said instead of a REPLY that cannot be said: its PULL must not wait in vain. */
static enum tp_result
frame_encode_instead(const struct family_form *form, struct tp_wire *wire,
                     const struct tp_packet *reply, struct tp_output *output)
{
    struct tp_packet packet = {
        .type = reply->type,
        .filter_count = reply->filter_count,
        .reply_gzip = reply->reply_gzip,
        .seq = reply->seq,
        .status = tp_status_of(TP_STATUS_INTERNAL_ERROR),
    };

    memcpy(packet.filters, reply->filters, sizeof(packet.filters));
    packet.status.cause = TP_STR("the reply's status or metadata is too long for its protocol");
    return family_encode(form, wire, &packet, output);
}

static enum tp_result
frame_encode_plain(const struct family_form *form, const struct tp_packet *packet,
                   size_t payload_max, struct tp_output *output)
{
    uint8_t *room = tp_output_reserve(output, FAMILY_HEAD_BYTES + payload_max);

    if (room == NULL) {
        return TP_NO_MEMORY;
    }
    uint8_t *payload = room + FAMILY_HEAD_BYTES;
    uint8_t *end = form->write(packet, payload);
    size_t behind = form->writes_body ? 0 : packet->body.len;

    frame_write_head(form, room, 0, (size_t) (end - payload) + behind);
    return tp_output_commit(output, (size_t) (end - room),
                            form->writes_body ? NULL : &packet->body);
}

static enum tp_result
frame_encode_filtered(const struct family_form *form, struct tp_wire *wire,
                      const struct tp_packet *packet, size_t payload_max, struct tp_output *output)
{
    struct filter_row row = { .count = packet->filter_count };
    struct tp_chain plain = { .len = 0 };
    struct tp_chain filtered = { .len = 0 };
    uint8_t *room = NULL;
    enum tp_result result = frame_gather(form, wire, packet, payload_max, &plain);

    memcpy(row.ids, packet->filters, sizeof(row.ids));
    if (result == TP_OK) {
        result = frame_filter(wire, packet, &plain, &row, &filtered);
    }
    if (result == TP_OK) {
        room = tp_output_reserve(output, FAMILY_HEAD_BYTES + TP_PACKET_FILTERS_MAX);
        result = room == NULL ? TP_NO_MEMORY : TP_OK;
    }
    if (result == TP_OK) {
        uint8_t *end = frame_write_head(form, room, row.count, filtered.len);

        memcpy(end, row.ids, row.count);
        end += row.count;
        result = tp_output_commit(output, (size_t) (end - room), &filtered);
    }
    tp_chain_clear(&plain);
    tp_chain_clear(&filtered);
    return result;
}

/* Appends the payload to `plain`, the body shared. */
static enum tp_result
frame_gather(const struct family_form *form, struct tp_wire *wire, const struct tp_packet *packet,
             size_t payload_max, struct tp_chain *plain)
{
    struct tp_buf *own = tp_buf_make(wire->pool, payload_max);

    if (own == NULL) {
        return TP_NO_MEMORY;
    }
    uint8_t *end = form->write(packet, own->bytes);
    enum tp_result result =
        tp_chain_append(plain, (struct tp_slice){ own, own->bytes, (size_t) (end - own->bytes) });

    return result == TP_OK && !form->writes_body ? tp_chain_share(plain, &packet->body) : result;
}

/*
 * A REPLY has its PULL's filters, whatever they make of it.  From a packet of our own, which may
 * have gzip because it is long enough, gzip is left out where it grew.
 */
static enum tp_result
frame_filter(struct tp_wire *wire, const struct tp_packet *packet, const struct tp_chain *plain,
             struct filter_row *row, struct tp_chain *filtered)
{
    int level = packet->reply_gzip != 0 ? (int) packet->reply_gzip : GZIP_LEVEL;
    enum tp_result result = tp_wire_filter(wire, row->ids, row->count, level, plain, filtered);

    if (result != TP_OK || tp_family_is_reply(packet->type) || filtered->len <= plain->len
        || !frame_drop_gzip(row)) {
        return result;
    }
    tp_chain_clear(filtered);
    return tp_wire_filter(wire, row->ids, row->count, level, plain, filtered);
}

/* False when there is none. */
static bool
frame_drop_gzip(struct filter_row *row)
{
    uint8_t *found = memchr(row->ids, TP_FILTER_GZIP, row->count);

    if (found == NULL) {
        return false;
    }
    memmove(found, found + 1, (size_t) (row->ids + row->count - found - 1));
    row->count--;
    return true;
}

/* Writes all that stands before the ids of filters. */
static inline uint8_t *
frame_write_head(const struct family_form *form, uint8_t *to, size_t filter_count,
                 size_t payload_len)
{
    size_t size = 1 + filter_count + payload_len;

    if (form->size_counts_itself) {
        size += FAMILY_LENGTH_BYTES;
    }
    to[0] = (uint8_t) (size >> 24);
    to[1] = (uint8_t) (size >> 16);
    to[2] = (uint8_t) (size >> 8);
    to[3] = (uint8_t) size;
    to[4] = (uint8_t) filter_count;
    return to + FAMILY_HEAD_BYTES;
}
