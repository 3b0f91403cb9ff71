/*
 * http.c - the protocol HTTP/1.1: any client can PULL, and an HTTP server can be asked.
 *
 * A request is a PULL, its response the REPLY; a PUSH has no place.  What curl or a browser
 * sends needs nothing of Teleport; a later Teleport marks its requests with X-Mtype, and gets
 * the responses that it knows.
 *
 * Runs in: worker; a program with the library.  Read next: http_request.c, http_reply.c,
 * http_client.c.
 */
#include "http.h"

#include <string.h>

enum {
    METHOD_LETTERS_MAX = 24, /* longer ones are no method that anybody has registered */
    SAVED_VERSION = 1,
    SAVED_BYTES = 18, /* version, flags, count, seq */
    SAVED_ASKING = 1,
    SAVED_CONTINUED = 2,
};

static enum tp_probe http_probe(const struct tp_wire *wire);
static bool http_is_ready(const struct tp_wire *wire);
static enum tp_decode_outcome http_decode(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_result http_encode(struct tp_wire *wire, const struct tp_packet *packet,
                                  struct tp_output *output);
static enum tp_result http_save(const void *saved_state, struct tp_buf_pool *pool,
                                struct tp_chain *saved);
static enum tp_result http_restore(void *restored_state, struct tp_buf_pool *pool,
                                   struct tp_str saved);
static void http_write_number(uint8_t *to, uint64_t number);
static uint64_t http_read_number(const uint8_t *bytes);

static const struct http_conf http_presets = {
    .header_limit = { TP_HTTP_HEAD_DEFAULT },
    .header_fields = TP_HTTP_FIELDS_DEFAULT,
};

static const struct tp_directive http_directives[] = {
    {
        .name = "http_header_limit", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_SIZE(struct http_conf, header_limit), .preset = "16k", .min = "512", .max = "1m",
        .since = "0.1",
        .brief = "Longest head of an HTTP message; a longer one is refused with 431.",
    },
    {
        .name = "http_header_fields", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct http_conf, header_fields), .preset = "100", .min = "8", .max = "1000",
        .since = "0.1",
        .brief = "Most fields in the head of an HTTP message; more are refused with 431.",
    },
};

static const struct tp_protocol tp_protocol_http = {
    .name = "http",
    .brief = "HTTP/1.1, for curl, browsers and everybody else.",
    .abilities = TP_PROTOCOL_METADATA | TP_PROTOCOL_CAUSE | TP_PROTOCOL_BODY_GZIP
                 | TP_PROTOCOL_IN_ORDER | TP_PROTOCOL_PROVES_EACH,
    .credentials = TP_CREDENTIALS_REQUEST,
    .state_size = sizeof(struct http_state),
    .probe = http_probe,
    .is_ready = http_is_ready,
    .decode = http_decode,
    .encode = http_encode,
    .save = http_save,
    .restore = http_restore,
};

static const struct tp_protocol *const http_protocols[] = {
    &tp_protocol_http,
};

const struct tp_module tp_module_http = {
    .name = "http",
    .brief = "The protocol HTTP/1.1, as a server and as a client.",
    .conf_size = sizeof(struct http_conf),
    TP_DIRECTIVES(http_directives),
    .run_after = "",
    TP_PROTOCOLS(http_protocols),
};

const struct http_conf *
http_conf_of(const struct tp_wire *wire)
{
    return wire->conf == NULL ? &http_presets : wire->conf;
}

void
http_forget_message(struct http_state *state)
{
    state->seen = 0;
    state->head_len = 0;
    state->framing = HTTP_FRAMING_UNKNOWN;
    state->has_continued = false;
    state->expects_continue = false;
}

/* Capital letters, a space, and the begin of a target. */
static enum tp_probe
http_probe(const struct tp_wire *wire)
{
    uint8_t scratch[METHOD_LETTERS_MAX + 2];
    size_t len = wire->input->len < sizeof(scratch) ? wire->input->len : sizeof(scratch);
    const uint8_t *bytes = tp_chain_peek(wire->input, 0, len, scratch);
    size_t letters = 0;

    while (letters < len && bytes[letters] >= 'A' && bytes[letters] <= 'Z') {
        letters++;
    }
    if (letters > METHOD_LETTERS_MAX) {
        return TP_PROBE_NO;
    }
    if (letters == len) {
        return TP_PROBE_MORE;
    }
    if (letters == 0 || bytes[letters] != ' ') {
        return TP_PROBE_NO;
    }
    if (letters + 1 == len) {
        return TP_PROBE_MORE;
    }
    return memchr("/*hH", bytes[letters + 1], 4) != NULL ? TP_PROBE_YES : TP_PROBE_NO;
}

/* Who has dialed asks one thing after the other. */
static bool
http_is_ready(const struct tp_wire *wire)
{
    const struct http_state *state = wire->state;

    return !wire->is_dialed || !state->is_asking;
}

static enum tp_decode_outcome
http_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    *packet = (struct tp_packet){ .type = 0 };
    return wire->is_dialed ? http_decode_response(wire, packet) : http_decode_request(wire, packet);
}

static enum tp_result
http_encode(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    return wire->is_dialed ? http_encode_request(wire, packet, output)
                           : http_encode_reply(wire, packet, output);
}

/* The message that has begun is still in the input, and looked at from its begin again. */
static enum tp_result
http_save(const void *saved_state, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    const struct http_state *state = saved_state;
    uint8_t bytes[SAVED_BYTES] = {
        SAVED_VERSION,
        (uint8_t) ((state->is_asking ? SAVED_ASKING : 0)
                   | (state->has_continued ? SAVED_CONTINUED : 0)),
    };

    http_write_number(bytes + 2, state->count);
    http_write_number(bytes + 10, state->asked_seq);
    return tp_chain_append_copy(saved, pool,
                                (struct tp_str){ (const char *) bytes, sizeof(bytes) });
}

/* A later version may have written more behind it. */
static enum tp_result
http_restore(void *restored_state, struct tp_buf_pool *pool, struct tp_str saved)
{
    struct http_state *state = restored_state;
    const uint8_t *bytes = (const uint8_t *) saved.data;

    (void) pool;
    if (saved.len < SAVED_BYTES || bytes[0] < SAVED_VERSION) {
        return TP_INVALID;
    }
    state->is_asking = (bytes[1] & SAVED_ASKING) != 0;
    state->has_continued = (bytes[1] & SAVED_CONTINUED) != 0;
    state->count = http_read_number(bytes + 2);
    state->asked_seq = http_read_number(bytes + 10);
    return TP_OK;
}

static void
http_write_number(uint8_t *to, uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t) (number >> (56 - 8 * i));
    }
}

static uint64_t
http_read_number(const uint8_t *bytes)
{
    uint64_t number = 0;

    for (int i = 0; i < 8; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}
