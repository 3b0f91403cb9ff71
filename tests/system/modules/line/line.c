/*
 * line.c - a protocol that a person can type: a packet is a line.
 *
 *     ?7 /math/add [1,2,3]       a PULL: seq, uri, body
 *     =7 200 6                   its REPLY: seq, status, body; of an error, its text
 *     !8 /chat/said "hello"      a PUSH
 *
 * Either end may send each of them, and replies come in any order.  A uri has no spaces; a line
 * break in a body becomes a space, which means the same in JSON.  The example of docs/modules.md.
 *
 * Runs in: the loop's thread.
 */
#include <teleport/module.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    LINE_NUMBERS_MAX = 64, /* a kind, two numbers, spaces, a line break */
};

static enum tp_probe line_probe(const struct tp_wire *wire);
static bool line_fits(const struct tp_packet *packet);
static enum tp_decode_outcome line_decode(struct tp_wire *wire, struct tp_packet *packet);
static size_t line_find_break(const struct tp_chain *input);
static enum tp_result line_read(const struct tp_slice *line, struct tp_packet *packet);
static bool line_read_number(struct tp_str *rest, uint64_t max, uint64_t *number);
static struct tp_str line_take_word(struct tp_str *rest);
static enum tp_result line_encode(struct tp_wire *wire, const struct tp_packet *packet,
                                  struct tp_output *output);
static size_t line_write_head(const struct tp_packet *packet, char *to, size_t size);

static const struct tp_protocol line_protocol = {
    .name = "line",
    .brief = "Packets as lines of text.",
    .abilities = TP_PROTOCOL_PUSHES_UP | TP_PROTOCOL_PUSHES_DOWN | TP_PROTOCOL_PULLS_DOWN,
    .probe = line_probe,
    .fits = line_fits,
    .decode = line_decode,
    .encode = line_encode,
};

static const struct tp_protocol *const line_protocols[] = { &line_protocol };

const struct tp_module tp_module_line = {
    .name = "line",
    .brief = "Protocol of lines that a person can type.",
    .run_after = "",
    TP_PROTOCOLS(line_protocols),
};

/* No other protocol begins with these; what follows them is decode's business. */
static enum tp_probe
line_probe(const struct tp_wire *wire)
{
    uint8_t byte;

    tp_chain_copy(wire->input, 0, 1, &byte);
    return byte == '?' || byte == '!' || byte == '=' ? TP_PROBE_YES : TP_PROBE_NO;
}

static bool
line_fits(const struct tp_packet *packet)
{
    for (size_t i = 0; i < packet->uri.len; i++) {
        if ((unsigned char) packet->uri.data[i] <= ' ') {
            return false;
        }
    }
    return true;
}

static enum tp_decode_outcome
line_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    size_t len = line_find_break(wire->input);
    struct tp_chain line = { 0 };
    struct tp_slice flat = { 0 };

    *packet = (struct tp_packet){ 0 };
    if ((len == 0 ? wire->input->len : len) > wire->limits.packet.bytes) {
        wire->why = "a line is longer than packet_limit";
        return TP_DECODE_TOO_LARGE;
    }
    if (len == 0) {
        return TP_DECODE_MORE;
    }
    enum tp_result result = tp_chain_share_part(&line, wire->input, 0, len);

    if (result == TP_OK) {
        result = tp_chain_flatten(&line, wire->pool, &flat);
    }
    if (result == TP_OK) {
        tp_chain_skip(wire->input, len);
        packet->wire_bytes = len;
        result = line_read(&flat, packet);
    }
    tp_chain_clear(&line);
    if (result == TP_INVALID) {
        wire->why = "a line is no packet";
        return TP_DECODE_BROKEN;
    }
    return result == TP_OK ? TP_DECODE_PACKET : TP_DECODE_NO_MEMORY;
}

/* How long the first line is with its break; 0: it has not ended yet. */
static size_t
line_find_break(const struct tp_chain *input)
{
    size_t count;
    size_t len = 0;
    const struct tp_slice *slices = tp_chain_slices(input, &count);

    for (size_t i = 0; i < count; i++) {
        const uint8_t *end = memchr(slices[i].data, '\n', slices[i].len);

        if (end != NULL) {
            return len + (size_t) (end - slices[i].data) + 1;
        }
        len += slices[i].len;
    }
    return 0;
}

/* The texts of the packet, and its body, are parts of the line, which it holds. */
static enum tp_result
line_read(const struct tp_slice *line, struct tp_packet *packet)
{
    static const char kinds[] = { 0, '?', '=', '!' }; /* at the numbers of packet types */
    size_t end = line->len > 2 && line->data[line->len - 2] == '\r' ? 2 : 1;
    struct tp_str rest = { (const char *) line->data + 1, line->len - 1 - end };
    const char *kind = memchr(kinds + 1, line->data[0], sizeof(kinds) - 1);
    uint64_t code = TP_STATUS_OK;

    if (kind == NULL || line->len < 2 || !line_read_number(&rest, UINT64_MAX, &packet->seq)) {
        return TP_INVALID;
    }
    packet->type = (int32_t) (kind - kinds);
    if (packet->type != TP_PACKET_REPLY) {
        packet->uri = line_take_word(&rest);
    } else if (!line_read_number(&rest, INT32_MAX, &code)) {
        return TP_INVALID;
    }
    packet->status.code = packet->type == TP_PACKET_REPLY ? (int32_t) code : 0;
    if (code != TP_STATUS_OK) {
        packet->status.text = rest;
        rest.len = 0;
    }
    packet->head = line->buf;
    tp_buf_acquire(line->buf);
    tp_buf_acquire(line->buf);
    return tp_chain_append(&packet->body,
                           (struct tp_slice){ line->buf, (const uint8_t *) rest.data, rest.len });
}

static bool
line_read_number(struct tp_str *rest, uint64_t max, uint64_t *number)
{
    struct tp_str word = line_take_word(rest);

    *number = 0;
    for (size_t i = 0; i < word.len; i++) {
        uint64_t digit = (uint64_t) word.data[i] - '0';

        if (digit > 9 || *number > (max - digit) / 10) {
            return false;
        }
        *number = 10 * *number + digit;
    }
    return word.len > 0;
}

/* What stands before the next space, which is taken, too. */
static struct tp_str
line_take_word(struct tp_str *rest)
{
    const char *space = rest->len == 0 ? NULL : memchr(rest->data, ' ', rest->len);
    size_t len = space == NULL ? rest->len : (size_t) (space - rest->data);
    struct tp_str word = { rest->data, len };

    len += space == NULL ? 0 : 1;
    rest->data += len;
    rest->len -= len;
    return word;
}

static enum tp_result
line_encode(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    size_t head_max = LINE_NUMBERS_MAX + packet->uri.len + packet->status.text.len;
    char *to = (char *) tp_output_reserve(output, head_max + packet->body.len);

    (void) wire;
    if (to == NULL) {
        return TP_NO_MEMORY;
    }
    size_t len = line_write_head(packet, to, head_max);

    tp_chain_copy(&packet->body, 0, packet->body.len, (uint8_t *) to + len);
    len += packet->body.len;
    for (size_t i = 0; i < len; i++) {
        to[i] = to[i] == '\n' || to[i] == '\r' ? ' ' : to[i];
    }
    to[len++] = '\n';
    return tp_output_commit(output, len, NULL);
}

/* Of an error without a body its text is said instead. */
static size_t
line_write_head(const struct tp_packet *packet, char *to, size_t size)
{
    struct tp_str text = packet->status.text;
    int len;

    if (packet->type != TP_PACKET_REPLY) {
        len = snprintf(to, size, "%c%" PRIu64 " %.*s ", packet->type == TP_PACKET_PULL ? '?' : '!',
                       packet->seq, TP_STR_ARG(packet->uri));
    } else {
        bool has_text = packet->status.code != TP_STATUS_OK && packet->body.len == 0;

        len = snprintf(to, size, "=%" PRIu64 " %d %.*s", packet->seq, packet->status.code,
                       has_text ? (int) text.len : 0, text.data);
    }
    return (size_t) len;
}
