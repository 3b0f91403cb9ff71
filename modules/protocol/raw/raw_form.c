/*
 * raw_form.c - the payload of the raw protocol.
 *
 *     u8 n, seq in base 36 | u8 type | u8 n, uri | u16 n, status | u16 n, metadata | u8 codec | body
 *
 * Texts stay in the buffer they were read into, the body stays in its slices.
 *
 * Runs in: worker.  Read next: family.c.
 */
#include "family.h"

#include <string.h>

enum {
    SEQ_BASE = 36,
    SEQ_BYTES_MAX = 14,  /* of 64 bits, with a sign */
    SEQ_BYTES_FIRST = 7, /* of those that are guessed: 32 bits, with a sign */
    SHORT_TEXT_MAX = UINT8_MAX,
    LONG_TEXT_MAX = UINT16_MAX,
    /* All but the texts and the seq: the length of each, the type and the body's codec. */
    SYNTAX_BYTES = 1 + 1 + 1 + 2 + 2 + 1,
};

struct raw_reader {
    const uint8_t *at;
    const uint8_t *end;
};

static bool raw_begins_with(uint8_t byte);
static enum tp_decode_outcome raw_read(struct tp_wire *wire, const struct family_payload *payload,
                                       struct tp_packet *packet);
static const uint8_t *raw_read_head(const uint8_t *at, size_t len,
                                    struct tp_family_message *message, bool *is_seq);
static bool raw_take_byte(struct raw_reader *reader, uint8_t *byte);
static bool raw_take_short_text(struct raw_reader *reader, struct tp_str *text);
static bool raw_take_long_text(struct raw_reader *reader, struct tp_str *text);
static bool raw_take_text(struct raw_reader *reader, size_t len, struct tp_str *text);
static size_t raw_measure_head(const struct family_payload *payload);
static bool raw_measure_field(const struct family_payload *payload, size_t length_bytes,
                              size_t *at);
static bool raw_read_seq(struct tp_str text, int64_t *seq);
static int raw_digit(char byte);
static size_t raw_write_max(const struct tp_packet *packet);
static uint8_t *raw_write(const struct tp_packet *packet, uint8_t *to);
static uint8_t *raw_write_seq(uint8_t *to, int64_t seq);
static uint8_t *raw_write_uri(const struct tp_packet *packet, uint8_t *to);
static uint8_t *raw_write_status(const struct tp_packet *packet, uint8_t *to);
static uint8_t *raw_write_metadata(const struct tp_packet *packet, uint8_t *to);
static void raw_write_length(uint8_t *to, size_t len);

const struct family_form raw_form = {
    .size_counts_itself = true,
    .begins_with = raw_begins_with,
    .read = raw_read,
    .fits = raw_fits,
    .write_max = raw_write_max,
    .write = raw_write,
    .writes_body = false,
};

/* The seq's length. */
static bool
raw_begins_with(uint8_t byte)
{
    return byte >= 1 && byte <= SEQ_BYTES_FIRST;
}

static enum tp_decode_outcome
raw_read(struct tp_wire *wire, const struct family_payload *payload, struct tp_packet *packet)
{
    struct tp_family_message message;
    size_t flat = family_flat_len(payload);
    bool is_seq = true;
    const uint8_t *begin = family_hold(wire, payload, flat, &packet->head);
    const uint8_t *behind = begin == NULL ? NULL : raw_read_head(begin, flat, &message, &is_seq);

    if (behind == NULL && is_seq && flat < payload->len) {
        /* It goes on in another slice. */
        size_t len = raw_measure_head(payload);

        tp_buf_release(packet->head);
        begin = family_hold(wire, payload, len, &packet->head);
        if (begin == NULL) {
            return TP_DECODE_NO_MEMORY;
        }
        behind = raw_read_head(begin, len, &message, &is_seq);
    }
    if (behind == NULL) {
        wire->why = is_seq ? "the packet is shorter than its header" : "the seq is no number";
        return TP_DECODE_BROKEN;
    }
    size_t head_len = (size_t) (behind - begin);
    enum tp_decode_outcome outcome = tp_family_take(wire, &message, packet);

    if ((outcome == TP_DECODE_PACKET || outcome == TP_DECODE_REFUSED)
        && tp_chain_share_part(&packet->body, payload->chain, payload->offset + head_len,
                               payload->len - head_len)
               != TP_OK) {
        return TP_DECODE_NO_MEMORY;
    }
    return outcome;
}

/* Returns the place behind it; NULL when it is not all there, or `*is_seq` is false. */
static const uint8_t *
raw_read_head(const uint8_t *at, size_t len, struct tp_family_message *message, bool *is_seq)
{
    struct raw_reader reader = { at, at + len };
    struct tp_str seq;
    uint8_t type;
    uint8_t body_codec;

    if (!raw_take_short_text(&reader, &seq) || !raw_take_byte(&reader, &type)
        || !raw_take_short_text(&reader, &message->uri)
        || !raw_take_long_text(&reader, &message->status)
        || !raw_take_long_text(&reader, &message->metadata)
        || !raw_take_byte(&reader, &body_codec)) {
        return NULL;
    }
    *is_seq = raw_read_seq(seq, &message->seq);
    message->type = type;
    message->body_codec = body_codec;
    return *is_seq ? reader.at : NULL;
}

static inline bool
raw_take_byte(struct raw_reader *reader, uint8_t *byte)
{
    if (reader->at == reader->end) {
        return false;
    }
    *byte = *reader->at++;
    return true;
}

static inline bool
raw_take_short_text(struct raw_reader *reader, struct tp_str *text)
{
    uint8_t len;

    return raw_take_byte(reader, &len) && raw_take_text(reader, len, text);
}

static inline bool
raw_take_long_text(struct raw_reader *reader, struct tp_str *text)
{
    if (reader->end - reader->at < 2) {
        return false;
    }
    size_t len = (size_t) reader->at[0] << 8 | reader->at[1];

    reader->at += 2;
    return raw_take_text(reader, len, text);
}

static inline bool
raw_take_text(struct raw_reader *reader, size_t len, struct tp_str *text)
{
    if ((size_t) (reader->end - reader->at) < len) {
        return false;
    }
    *text = (struct tp_str){ (const char *) reader->at, len };
    reader->at += len;
    return true;
}

/* How long the header is, as far as its lengths say; at most the payload. */
static size_t
raw_measure_head(const struct family_payload *payload)
{
    size_t at = 0;
    bool is_there = raw_measure_field(payload, 1, &at);

    at++; /* the type */
    is_there = is_there && raw_measure_field(payload, 1, &at) && raw_measure_field(payload, 2, &at)
               && raw_measure_field(payload, 2, &at);
    at++; /* the body's codec */
    return is_there && at <= payload->len ? at : payload->len;
}

static bool
raw_measure_field(const struct family_payload *payload, size_t length_bytes, size_t *at)
{
    uint8_t scratch[2];

    if (*at + length_bytes > payload->len) {
        return false;
    }
    const uint8_t *length = family_peek(payload, *at, length_bytes, scratch);

    *at += length_bytes;
    *at += length_bytes == 1 ? length[0] : (size_t) length[0] << 8 | length[1];
    return true;
}

static bool
raw_read_seq(struct tp_str text, int64_t *seq)
{
    bool is_negative = text.len > 0 && text.data[0] == '-';
    uint64_t limit = (uint64_t) INT64_MAX + is_negative;
    uint64_t value = 0;

    if (text.len <= is_negative || text.len > SEQ_BYTES_MAX) {
        return false;
    }
    for (size_t i = is_negative; i < text.len; i++) {
        int digit = raw_digit(text.data[i]);

        if (digit < 0 || value > (limit - (unsigned) digit) / SEQ_BASE) {
            return false;
        }
        value = value * SEQ_BASE + (unsigned) digit;
    }
    *seq = (int64_t) (is_negative ? 0 - value : value);
    return true;
}

/* -1: it is none. */
static inline int
raw_digit(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = (char) (byte | 0x20);

    return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : -1;
}

bool
raw_fits(const struct tp_packet *packet)
{
    return (packet->uri.len <= SHORT_TEXT_MAX || tp_family_is_reply(packet->type))
           && packet->metadata.len <= LONG_TEXT_MAX - TP_FAMILY_ACCEPT_MAX
           && tp_family_status_len(packet) <= LONG_TEXT_MAX;
}

static size_t
raw_write_max(const struct tp_packet *packet)
{
    return SYNTAX_BYTES + SEQ_BYTES_MAX + packet->uri.len + tp_family_status_len(packet)
           + packet->metadata.len + TP_FAMILY_ACCEPT_MAX;
}

static uint8_t *
raw_write(const struct tp_packet *packet, uint8_t *to)
{
    uint8_t *seq_end = raw_write_seq(to + 1, (int64_t) packet->seq);

    *to = (uint8_t) (seq_end - to - 1);
    to = seq_end;
    *to++ = (uint8_t) packet->type;
    to = raw_write_uri(packet, to);
    to = raw_write_status(packet, to);
    to = raw_write_metadata(packet, to);
    *to++ = packet->has_body_codec ? packet->body_codec : TP_CODEC_NONE;
    return to;
}

static inline uint8_t *
raw_write_seq(uint8_t *to, int64_t seq)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    uint8_t digits[SEQ_BYTES_MAX];
    uint8_t *first = digits + sizeof(digits);
    uint64_t rest = seq < 0 ? 0 - (uint64_t) seq : (uint64_t) seq;

    do {
        *--first = (uint8_t) letters[rest % SEQ_BASE];
        rest /= SEQ_BASE;
    } while (rest > 0);
    if (seq < 0) {
        *--first = '-';
    }
    while (first < digits + sizeof(digits)) {
        *to++ = *first++;
    }
    return to;
}

static uint8_t *
raw_write_uri(const struct tp_packet *packet, uint8_t *to)
{
    size_t len = tp_family_is_reply(packet->type) ? 0 : packet->uri.len;

    *to = (uint8_t) len;
    if (len > 0) {
        memcpy(to + 1, packet->uri.data, len);
    }
    return to + 1 + len;
}

static uint8_t *
raw_write_status(const struct tp_packet *packet, uint8_t *to)
{
    uint8_t *end = tp_family_write_status(packet, to + 2);

    raw_write_length(to, (size_t) (end - to - 2));
    return end;
}

static uint8_t *
raw_write_metadata(const struct tp_packet *packet, uint8_t *to)
{
    size_t len = packet->metadata.len;
    uint8_t *text = to + 2;

    if (len > 0) {
        memcpy(text, packet->metadata.data, len);
    }
    len += tp_family_write_accept(packet, text + len);
    raw_write_length(to, len);
    return text + len;
}

static inline void
raw_write_length(uint8_t *to, size_t len)
{
    to[0] = (uint8_t) (len >> 8);
    to[1] = (uint8_t) len;
}
