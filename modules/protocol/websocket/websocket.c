/*
 * websocket.c - the protocol websocket: RFC 6455, each message one packet.
 *
 * First a handshake in HTTP, then frames.  A message in one frame is taken off the input when
 * it is all there; one in several is collected in a buffer that grows with what has come.
 * Between two messages a session keeps nothing but a few words of state.
 *
 * Runs in: worker; a program's thread with the library.
 * Read next: handshake.h, frame.h, message.h.
 */
#include <teleport/base64.h>
#include <teleport/module.h>

#include "frame.h"
#include "handshake.h"
#include "message.h"
#include "utf8.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum {
    MESSAGE_BYTES_MIN = 256, /* the first room of a message in several frames */
    HEAD_BYTES_MAX = TP_HTTP_HEAD_DEFAULT,
    CODE_BYTES = 2,
    PING_BYTES = 8, /* what a ping of ours carries: its mark */
};

/* A packet's note: how it came, which its REPLY has to know. */
enum {
    NOTE_BINARY = 1u << 0,
    NOTE_HANDSHAKE = 1u << 1, /* the credentials of a handshake, which knows no REPLY */
};

/*
 * A saved state: version, phase, form, form and kind of the last message, code, how much of a
 * head was seen, whether there is a message of which some frames have come.  Then the nonce,
 * or of that message: opcode, place in a character, bytes on the wire; and what has come of it.
 */
enum {
    SAVED_VERSION = 1,
    SAVED_NONCE_AT = 10,
    SAVED_OPCODE_AT = 10,
    SAVED_UTF8_AT = 11,
    SAVED_COUNT_AT = 14,
    SAVED_HEAD_BYTES = 26,
};

enum websocket_phase {
    PHASE_NEW,      /* waits for a request, or has to send one */
    PHASE_AWAITING, /* has asked, and waits for the answer */
    PHASE_OPEN,
    PHASE_LEAVING, /* the other end has closed it: the answer to that is due */
    PHASE_CLOSED,
};

/* A message of which some frames have come. */
struct websocket_partial {
    struct tp_buf *buf; /* NULL while nothing has come */
    size_t len;
    size_t wire_bytes;
    enum websocket_opcode opcode;
    struct websocket_utf8 utf8; /* of a text */
};

struct websocket_state {
    uint8_t phase;
    uint8_t form;       /* enum websocket_form that was agreed on */
    uint8_t heard_form; /* of the last message; ANY before there was one */
    bool heard_binary;
    uint16_t code; /* to close it with; 0: by the reason */
    uint16_t seen; /* bytes of a head that were looked at */
    union {
        uint8_t nonce[WEBSOCKET_NONCE_BYTES]; /* while AWAITING */
        struct websocket_partial *partial;    /* afterwards; NULL between messages */
    };
};

struct websocket_conf {
    int form; /* enum websocket_form */
};

static enum tp_probe websocket_probe(const struct tp_wire *wire);
static enum tp_result websocket_begin(struct tp_wire *wire);
static bool websocket_is_ready(const struct tp_wire *wire);
static enum tp_decode_outcome websocket_decode(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_decode_outcome websocket_find_head(struct tp_wire *wire, size_t *len, int *fault);
static enum tp_decode_outcome websocket_take_request(struct tp_wire *wire,
                                                     struct tp_packet *packet);
static enum tp_decode_outcome websocket_answer(struct tp_wire *wire, struct tp_str head,
                                               struct tp_packet *packet);
static enum tp_decode_outcome websocket_take_credentials(struct tp_wire *wire,
                                                         const struct websocket_request *request,
                                                         struct tp_packet *packet);
static enum tp_decode_outcome websocket_refuse(struct tp_wire *wire,
                                               const struct tp_http_fault *fault);
static bool websocket_allows(const struct tp_wire *wire, const struct websocket_request *request);
static enum tp_decode_outcome websocket_take_response(struct tp_wire *wire);
static enum tp_decode_outcome websocket_take_frame(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_decode_outcome websocket_fail(struct tp_wire *wire, enum websocket_code code,
                                             const char *why);
static enum tp_decode_outcome websocket_take_control(struct tp_wire *wire,
                                                     const struct websocket_frame *frame);
static uint64_t websocket_mark_of(struct tp_str carried);
static enum tp_decode_outcome websocket_take_closing(struct tp_wire *wire, struct tp_str carried);
static enum tp_decode_outcome websocket_take_data(struct tp_wire *wire,
                                                  const struct websocket_frame *frame,
                                                  struct tp_packet *packet);
static const char *websocket_judge_order(const struct websocket_state *state,
                                         const struct websocket_frame *frame);
static bool websocket_make_room(struct tp_wire *wire, struct websocket_partial *partial,
                                const struct websocket_frame *frame);
static enum tp_decode_outcome websocket_collect(struct tp_wire *wire,
                                                struct websocket_partial *partial,
                                                const struct websocket_frame *frame,
                                                struct tp_packet *packet);
static enum tp_decode_outcome websocket_keep(struct tp_wire *wire,
                                             const struct websocket_partial *partial);
static enum tp_decode_outcome websocket_finish(struct tp_wire *wire,
                                               const struct websocket_partial *partial,
                                               struct tp_packet *packet);
static enum tp_result websocket_encode(struct tp_wire *wire, const struct tp_packet *packet,
                                       struct tp_output *output);
static enum tp_result websocket_tell_verdict(struct tp_wire *wire, const struct tp_packet *packet,
                                             struct tp_output *output);
static struct websocket_kind websocket_kind_of(const struct tp_wire *wire,
                                               const struct tp_packet *packet);
static enum tp_result websocket_send(struct tp_wire *wire, enum websocket_opcode opcode,
                                     struct tp_str carried);
static enum tp_result websocket_ping(struct tp_wire *wire, uint64_t mark);
static bool websocket_make_mask(const struct tp_wire *wire, uint8_t *mask);
static void websocket_end(struct tp_wire *wire, struct tp_str reason);
static void websocket_drop_partial(struct websocket_state *state);
static enum tp_result websocket_save(const void *kept, struct tp_buf_pool *pool,
                                     struct tp_chain *saved);
static enum tp_result websocket_restore(void *kept, struct tp_buf_pool *pool, struct tp_str saved);
static enum tp_result websocket_restore_partial(struct websocket_state *state,
                                                struct tp_buf_pool *pool, const uint8_t *head,
                                                struct tp_str carried);
static void websocket_fini(void *kept);

_Static_assert(sizeof(struct websocket_state) <= 24, "an idle session keeps few bytes");
_Static_assert(HEAD_BYTES_MAX <= UINT16_MAX, "what was seen of a head fits");

static const struct tp_word form_words[] = {
    { "json", WEBSOCKET_FORM_JSON },
    { "protobuf", WEBSOCKET_FORM_PROTOBUF },
    { NULL, 0 },
};

static const struct tp_directive websocket_directives[] = {
    {
        .name = "websocket_form", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_WORD(struct websocket_conf, form, form_words), .preset = "json",
        .applies = TP_APPLIES_IN_PLACE, .since = "0.1",
        .brief = "What WebSocket messages are to an end that has neither agreed on a "
                 "sub-protocol nor said anything yet; a dial asks for this sub-protocol.",
    },
};

static const struct tp_protocol tp_protocol_websocket = {
    .name = "websocket",
    .brief = "WebSocket: a message is a packet, in JSON or protobuf, as Teleport 6/7 has it.",
    .abilities = TP_PROTOCOL_PUSHES_UP | TP_PROTOCOL_PUSHES_DOWN | TP_PROTOCOL_PULLS_DOWN
                 | TP_PROTOCOL_AUTH | TP_PROTOCOL_METADATA | TP_PROTOCOL_CAUSE
                 | TP_PROTOCOL_FILTERS,
    .credentials = TP_CREDENTIALS_AUTH_CALL,
    .state_size = sizeof(struct websocket_state),
    .probe = websocket_probe,
    .begin = websocket_begin,
    .is_ready = websocket_is_ready,
    .decode = websocket_decode,
    .encode = websocket_encode,
    .ping = websocket_ping,
    .end = websocket_end,
    .save = websocket_save,
    .restore = websocket_restore,
    .fini = websocket_fini,
};

static const struct tp_protocol *const websocket_protocols[] = { &tp_protocol_websocket };

const struct tp_module tp_module_websocket = {
    .name = "websocket",
    .brief = "The protocol WebSocket, for browsers and Teleport 6/7.",
    .conf_size = sizeof(struct websocket_conf),
    TP_DIRECTIVES(websocket_directives),
    .run_after = "http",
    TP_PROTOCOLS(websocket_protocols),
};

/* A GET: where http is built in it is asked first, and hands on what asks for WebSocket. */
static enum tp_probe
websocket_probe(const struct tp_wire *wire)
{
    static const uint8_t method[] = { 'G', 'E', 'T', ' ', '/' };
    uint8_t begin[sizeof(method)];
    size_t len = wire->input->len < sizeof(method) ? wire->input->len : sizeof(method);

    tp_chain_copy(wire->input, 0, len, begin);
    if (memcmp(begin, method, len) != 0) {
        return TP_PROBE_NO;
    }
    return len < sizeof(method) ? TP_PROBE_MORE : TP_PROBE_YES;
}

static enum tp_result
websocket_begin(struct tp_wire *wire)
{
    struct websocket_state *state = wire->state;
    const struct websocket_conf *conf = wire->conf;
    enum websocket_form form =
        conf == NULL ? WEBSOCKET_FORM_JSON : (enum websocket_form) conf->form;

    if (!wire->is_dialed) {
        return TP_OK;
    }
    if (!websocket_is_target(wire->target)) {
        return TP_INVALID;
    }
    struct tp_buf *room = tp_buf_make(wire->pool, websocket_request_max(wire->target));

    if (room == NULL || RAND_bytes(state->nonce, sizeof(state->nonce)) != 1) {
        tp_buf_release(room);
        return TP_NO_MEMORY;
    }
    char *begin = (char *) room->bytes;
    char *end = websocket_request_write(begin, wire->target, state->nonce, form);
    enum tp_result result = tp_wire_send(wire, (struct tp_str){ begin, (size_t) (end - begin) });

    tp_buf_release(room);
    state->phase = PHASE_AWAITING;
    return result;
}

static bool
websocket_is_ready(const struct tp_wire *wire)
{
    const struct websocket_state *state = wire->state;

    return state->phase == PHASE_OPEN || state->phase == PHASE_LEAVING;
}

static enum tp_decode_outcome
websocket_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    struct websocket_state *state = wire->state;

    *packet = (struct tp_packet){ .type = 0 };
    if (state->phase == PHASE_NEW) {
        return websocket_take_request(wire, packet);
    }
    if (state->phase == PHASE_AWAITING) {
        return websocket_take_response(wire);
    }
    enum tp_decode_outcome outcome = websocket_take_frame(wire, packet);

    if (outcome != TP_DECODE_PACKET && outcome != TP_DECODE_REFUSED) {
        tp_packet_clear(packet);
    }
    wire->is_amid = state->partial != NULL;
    return outcome;
}

/* TP_DECODE_TOOK: there is a head of *len bytes.  TP_DECODE_BROKEN: *fault is the status. */
static enum tp_decode_outcome
websocket_find_head(struct tp_wire *wire, size_t *len, int *fault)
{
    struct websocket_state *state = wire->state;
    size_t seen = state->seen;
    enum tp_result result = tp_http_head_find(wire->input, HEAD_BYTES_MAX, &seen, len);

    state->seen = (uint16_t) (seen > HEAD_BYTES_MAX ? HEAD_BYTES_MAX : seen);
    if (result == TP_AGAIN) {
        return TP_DECODE_MORE;
    }
    if (result == TP_TOO_LARGE) {
        wire->why = "the head of the handshake is too long";
        *fault = 431;
        return TP_DECODE_BROKEN;
    }
    if (result != TP_OK) {
        wire->why = "a line of the handshake does not end in CR LF";
        *fault = 400;
        return TP_DECODE_BROKEN;
    }
    return TP_DECODE_TOOK;
}

/* What it says of who asks is a packet of its own, before all messages. */
static enum tp_decode_outcome
websocket_take_request(struct tp_wire *wire, struct tp_packet *packet)
{
    struct tp_buf *held;
    size_t len;
    int fault;
    enum tp_decode_outcome outcome = websocket_find_head(wire, &len, &fault);

    if (outcome == TP_DECODE_BROKEN) {
        return websocket_refuse(wire, &(struct tp_http_fault){ fault, wire->why });
    }
    if (outcome != TP_DECODE_TOOK) {
        return outcome;
    }
    struct tp_str head = tp_http_head_hold(wire->input, len, wire->pool, &held);

    if (head.data == NULL) {
        return TP_DECODE_NO_MEMORY;
    }
    outcome = websocket_answer(wire, head, packet);
    tp_buf_release(held);
    if (outcome == TP_DECODE_TOOK || outcome == TP_DECODE_PACKET) {
        packet->wire_bytes = len;
        tp_chain_skip(wire->input, len);
    }
    return outcome;
}

static enum tp_decode_outcome
websocket_answer(struct tp_wire *wire, struct tp_str head, struct tp_packet *packet)
{
    struct websocket_state *state = wire->state;
    struct websocket_request request;
    struct tp_http_fault fault;
    char answer[WEBSOCKET_ANSWER_MAX];

    if (!websocket_request_read(head, &request, &fault)) {
        return websocket_refuse(wire, &fault);
    }
    if (!websocket_allows(wire, &request)) {
        return websocket_refuse(
            wire, &(struct tp_http_fault){ 403, "pages of this origin are not allowed" });
    }
    enum tp_decode_outcome outcome = websocket_take_credentials(wire, &request, packet);

    if (outcome == TP_DECODE_BROKEN) {
        return websocket_refuse(
            wire, &(struct tp_http_fault){ 400, "what it says of who asks is not base64, or is "
                                                "escaped wrongly" });
    }
    size_t len = (size_t) (websocket_accept_write(answer, &request) - answer);

    if (outcome == TP_DECODE_NO_MEMORY
        || tp_wire_send(wire, (struct tp_str){ answer, len }) != TP_OK) {
        tp_packet_clear(packet);
        return TP_DECODE_NO_MEMORY;
    }
    state->form = (uint8_t) request.form;
    state->phase = PHASE_OPEN;
    return outcome;
}

/* TP_DECODE_PACKET, and TP_DECODE_TOOK where the request says nothing of who asks. */
static enum tp_decode_outcome
websocket_take_credentials(struct tp_wire *wire, const struct websocket_request *request,
                           struct tp_packet *packet)
{
    const struct websocket_credentials *credentials = &request->credentials;

    if (credentials->form == WEBSOCKET_CREDENTIALS_NONE) {
        return TP_DECODE_TOOK;
    }
    packet->type = TP_PACKET_AUTH_CALL;
    packet->note = NOTE_HANDSHAKE;
    packet->has_body_codec = true;
    packet->body_codec = TP_CODEC_PLAIN;
    if (credentials->text.len == 0) {
        return TP_DECODE_PACKET;
    }
    struct tp_buf *room = tp_buf_make(wire->pool, credentials->text.len + TP_BASE64_BYTES_MAX(0));

    if (room == NULL) {
        return TP_DECODE_NO_MEMORY;
    }
    size_t len = websocket_credentials_read(credentials, (char *) room->bytes);

    if (len == SIZE_MAX || len == 0) {
        tp_buf_release(room);
        return len == 0 ? TP_DECODE_PACKET : TP_DECODE_BROKEN;
    }
    return tp_chain_append(&packet->body,
                           (struct tp_slice){ .buf = room, .data = room->bytes, .len = len })
                   == TP_OK
               ? TP_DECODE_PACKET
               : TP_DECODE_NO_MEMORY;
}

static enum tp_decode_outcome
websocket_refuse(struct tp_wire *wire, const struct tp_http_fault *fault)
{
    struct websocket_state *state = wire->state;
    char answer[WEBSOCKET_ANSWER_MAX];
    size_t len = (size_t) (websocket_refusal_write(answer, fault) - answer);

    if (tp_wire_send(wire, (struct tp_str){ answer, len }) != TP_OK) {
        return TP_DECODE_NO_MEMORY;
    }
    state->phase = PHASE_CLOSED;
    wire->why = fault->why;
    return TP_DECODE_BROKEN;
}

/*
 * No browser lets a page say that it is of another origin; other clients name none.  What a page
 * of any origin may ask over HTTP its browser does not let it read, but nobody would keep it
 * from WebSocket: where allow_origin lists nobody only pages of the same host may.
 */
static bool
websocket_allows(const struct tp_wire *wire, const struct websocket_request *request)
{
    return request->origin.len == 0 || websocket_is_same_origin(request)
           || (wire->origin_count > 0
               && tp_wire_allows_origin(wire, request->origin, request->host));
}

static enum tp_decode_outcome
websocket_take_response(struct tp_wire *wire)
{
    struct websocket_state *state = wire->state;
    enum websocket_form form;
    struct tp_buf *held;
    size_t len;
    int fault;
    enum tp_decode_outcome outcome = websocket_find_head(wire, &len, &fault);

    if (outcome != TP_DECODE_TOOK) {
        return outcome;
    }
    struct tp_str head = tp_http_head_hold(wire->input, len, wire->pool, &held);

    if (head.data == NULL) {
        return TP_DECODE_NO_MEMORY;
    }
    wire->why = websocket_response_read(head, state->nonce, &form);
    tp_buf_release(held);
    state->partial = NULL; /* where the nonce was */
    state->phase = wire->why == NULL ? PHASE_OPEN : PHASE_CLOSED;
    if (wire->why != NULL) {
        return TP_DECODE_BROKEN;
    }
    tp_chain_skip(wire->input, len);
    state->form = (uint8_t) form;
    return TP_DECODE_TOOK;
}

static enum tp_decode_outcome
websocket_take_frame(struct tp_wire *wire, struct tp_packet *packet)
{
    struct websocket_frame frame;
    const char *why = NULL;
    enum tp_result result = websocket_frame_read(wire->input, !wire->is_dialed, &frame, &why);

    if (result == TP_AGAIN) {
        return TP_DECODE_MORE;
    }
    if (result != TP_OK) {
        return websocket_fail(wire, WEBSOCKET_CODE_PROTOCOL_ERROR, why);
    }
    return websocket_is_control(frame.opcode) ? websocket_take_control(wire, &frame)
                                              : websocket_take_data(wire, &frame, packet);
}

/* Nothing that follows can be understood: the close frame that ends it says this. */
static enum tp_decode_outcome
websocket_fail(struct tp_wire *wire, enum websocket_code code, const char *why)
{
    struct websocket_state *state = wire->state;

    state->code = (uint16_t) code;
    wire->why = why;
    websocket_drop_partial(state);
    return code == WEBSOCKET_CODE_TOO_LARGE ? TP_DECODE_TOO_LARGE : TP_DECODE_BROKEN;
}

static enum tp_decode_outcome
websocket_take_control(struct tp_wire *wire, const struct websocket_frame *frame)
{
    uint8_t carried[WEBSOCKET_CONTROL_BYTES_MAX];
    struct tp_str text = { (const char *) carried, frame->len };

    if (wire->input->len < frame->head_len + frame->len) {
        return TP_DECODE_MORE;
    }
    websocket_frame_copy(wire->input, frame, carried);
    if (frame->opcode == WEBSOCKET_PONG) {
        wire->ponged = websocket_mark_of(text);
    }
    if (frame->opcode == WEBSOCKET_PING && websocket_send(wire, WEBSOCKET_PONG, text) != TP_OK) {
        return TP_DECODE_NO_MEMORY;
    }
    tp_chain_skip(wire->input, frame->head_len + frame->len);
    return frame->opcode == WEBSOCKET_CLOSE ? websocket_take_closing(wire, text) : TP_DECODE_TOOK;
}

/* Of one that answers a ping of ours; 0: it cannot be one. */
static uint64_t
websocket_mark_of(struct tp_str carried)
{
    uint64_t mark = 0;

    for (size_t i = 0; carried.len == PING_BYTES && i < PING_BYTES; i++) {
        mark = mark << 8 | (uint8_t) carried.data[i];
    }
    return mark;
}

/* What is open is answered, and then this. */
static enum tp_decode_outcome
websocket_take_closing(struct tp_wire *wire, struct tp_str carried)
{
    struct websocket_state *state = wire->state;
    struct websocket_closing closing;
    const char *why = NULL;

    if (websocket_closing_read(carried, &closing, &why) != TP_OK) {
        return websocket_fail(wire, WEBSOCKET_CODE_PROTOCOL_ERROR, why);
    }
    websocket_drop_partial(state);
    state->code = closing.code;
    state->phase = PHASE_LEAVING;
    wire->is_last = true;
    return TP_DECODE_TOOK;
}

static enum tp_decode_outcome
websocket_take_data(struct tp_wire *wire, const struct websocket_frame *frame,
                    struct tp_packet *packet)
{
    struct websocket_state *state = wire->state;
    struct websocket_partial fresh = { .opcode = frame->opcode };
    struct websocket_partial *partial = state->partial == NULL ? &fresh : state->partial;
    const char *why = websocket_judge_order(state, frame);

    if (why != NULL) {
        return websocket_fail(wire, WEBSOCKET_CODE_PROTOCOL_ERROR, why);
    }
    if (frame->len > wire->limits.packet.bytes
        || partial->len > wire->limits.packet.bytes - frame->len) {
        return websocket_fail(wire, WEBSOCKET_CODE_TOO_LARGE,
                              "a message is longer than a packet may be");
    }
    if (wire->input->len < frame->head_len + frame->len) {
        return TP_DECODE_MORE;
    }
    if (!websocket_make_room(wire, partial, frame)) {
        return TP_DECODE_NO_MEMORY;
    }
    enum tp_decode_outcome outcome = websocket_collect(wire, partial, frame, packet);

    tp_buf_release(fresh.buf);
    return outcome;
}

/* The frames of two messages do not mix. */
static const char *
websocket_judge_order(const struct websocket_state *state, const struct websocket_frame *frame)
{
    if (state->partial == NULL && frame->opcode == WEBSOCKET_CONTINUATION) {
        return "a frame goes on with a message that has not begun";
    }
    if (state->partial != NULL && frame->opcode != WEBSOCKET_CONTINUATION) {
        return "a message begins before the last one has ended";
    }
    return NULL;
}

/*
 * Twice as much each time, so that a message in many small frames is not copied again and
 * again; what comes in one frame gets what it needs.
 */
static bool
websocket_make_room(struct tp_wire *wire, struct websocket_partial *partial,
                    const struct websocket_frame *frame)
{
    size_t needed = partial->len + frame->len;
    size_t wanted = partial->buf == NULL ? MESSAGE_BYTES_MIN : 2 * (size_t) partial->buf->capacity;

    if (partial->buf != NULL && needed <= partial->buf->capacity) {
        return true;
    }
    if (wanted > wire->limits.packet.bytes) {
        wanted = wire->limits.packet.bytes;
    }
    if (wanted < needed || frame->is_final) {
        wanted = needed;
    }
    struct tp_buf *buf = tp_buf_make(wire->pool, wanted);

    if (buf == NULL) {
        return false;
    }
    if (partial->len > 0) {
        memcpy(buf->bytes, partial->buf->bytes, partial->len);
    }
    tp_buf_release(partial->buf);
    partial->buf = buf;
    return true;
}

/* Adds the frame to its message, for which there is room; with the last one it is a packet. */
static enum tp_decode_outcome
websocket_collect(struct tp_wire *wire, struct websocket_partial *partial,
                  const struct websocket_frame *frame, struct tp_packet *packet)
{
    struct websocket_partial grown = *partial;
    enum tp_decode_outcome outcome;

    websocket_frame_copy(wire->input, frame, grown.buf->bytes + grown.len);
    grown.len += frame->len;
    grown.wire_bytes += frame->head_len + frame->len;
    if (grown.opcode == WEBSOCKET_TEXT
        && (!websocket_utf8_read(&grown.utf8, grown.buf->bytes + partial->len, frame->len)
            || (frame->is_final && grown.utf8.missing > 0))) {
        return websocket_fail(wire, WEBSOCKET_CODE_BAD_MESSAGE, "a text is not UTF-8");
    }
    outcome =
        frame->is_final ? websocket_finish(wire, &grown, packet) : websocket_keep(wire, &grown);
    if (outcome == TP_DECODE_NO_MEMORY || outcome == TP_DECODE_BROKEN) {
        return outcome;
    }
    tp_chain_skip(wire->input, frame->head_len + frame->len);
    return outcome;
}

/* More frames of it will come. */
static enum tp_decode_outcome
websocket_keep(struct tp_wire *wire, const struct websocket_partial *partial)
{
    struct websocket_state *state = wire->state;

    if (state->partial == NULL) {
        state->partial = malloc(sizeof(*state->partial));
        if (state->partial == NULL) {
            return TP_DECODE_NO_MEMORY;
        }
        tp_buf_acquire(partial->buf);
    }
    *state->partial = *partial;
    return TP_DECODE_TOOK;
}

static enum tp_decode_outcome
websocket_finish(struct tp_wire *wire, const struct websocket_partial *partial,
                 struct tp_packet *packet)
{
    struct websocket_state *state = wire->state;
    struct websocket_message message = {
        .buf = partial->buf,
        .len = partial->len,
        .is_text = partial->opcode == WEBSOCKET_TEXT,
    };
    struct websocket_kind kind;
    enum tp_decode_outcome outcome = websocket_message_read(wire, &message, &kind, packet);

    if (outcome == TP_DECODE_NO_MEMORY) {
        return outcome;
    }
    if (outcome == TP_DECODE_BROKEN) {
        return websocket_fail(wire, WEBSOCKET_CODE_BAD_MESSAGE, wire->why);
    }
    packet->wire_bytes = partial->wire_bytes;
    packet->note = kind.is_binary ? NOTE_BINARY : 0;
    state->heard_form = (uint8_t) kind.form;
    state->heard_binary = kind.is_binary;
    websocket_drop_partial(state);
    return outcome;
}

static enum tp_result
websocket_encode(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    uint8_t mask[WEBSOCKET_MASK_BYTES];

    if (packet->type == TP_PACKET_AUTH_REPLY && (packet->note & NOTE_HANDSHAKE) != 0) {
        return websocket_tell_verdict(wire, packet, output);
    }
    if (!websocket_make_mask(wire, mask)) {
        return TP_NO_MEMORY;
    }
    return websocket_message_write(wire, packet, websocket_kind_of(wire, packet),
                                   wire->is_dialed ? mask : NULL, output);
}

/* Who has proved in the handshake who it is needs no word; who has not is told why it is closed. */
static enum tp_result
websocket_tell_verdict(struct tp_wire *wire, const struct tp_packet *packet,
                       struct tp_output *output)
{
    struct websocket_state *state = wire->state;
    struct tp_str text = packet->status.text;

    if (packet->status.code == TP_STATUS_OK) {
        return TP_OK;
    }
    if (text.len > WEBSOCKET_CONTROL_BYTES_MAX - CODE_BYTES
        || !websocket_utf8_is_valid((const uint8_t *) text.data, text.len)) {
        text = TP_STR("");
    }
    uint8_t *room =
        tp_output_reserve(output, WEBSOCKET_HEAD_BYTES_MAX + WEBSOCKET_CONTROL_BYTES_MAX);

    if (room == NULL) {
        return TP_NO_MEMORY;
    }
    uint8_t *next = websocket_head_write(room, WEBSOCKET_CLOSE, CODE_BYTES + text.len, NULL);

    *next++ = (uint8_t) (WEBSOCKET_CODE_POLICY >> 8);
    *next++ = (uint8_t) WEBSOCKET_CODE_POLICY;
    if (text.len > 0) {
        memcpy(next, text.data, text.len);
    }
    enum tp_result result = tp_output_commit(output, (size_t) (next + text.len - room), NULL);

    if (result == TP_OK) {
        state->phase = PHASE_CLOSED;
    }
    return result;
}

/* A REPLY is of its PULL's kind.  Other packets are as agreed, or as those that have come. */
static struct websocket_kind
websocket_kind_of(const struct tp_wire *wire, const struct tp_packet *packet)
{
    const struct websocket_state *state = wire->state;
    const struct websocket_conf *conf = wire->conf;
    unsigned form = state->form;

    if (packet->type == TP_PACKET_REPLY || packet->type == TP_PACKET_AUTH_REPLY) {
        return (struct websocket_kind){
            .form = packet->header_codec == TP_CODEC_PROTOBUF ? WEBSOCKET_FORM_PROTOBUF
                                                              : WEBSOCKET_FORM_JSON,
            .is_binary = (packet->note & NOTE_BINARY) != 0,
        };
    }
    if (form == WEBSOCKET_FORM_ANY) {
        form = state->heard_form;
    }
    if (form == WEBSOCKET_FORM_ANY) {
        form = conf == NULL ? WEBSOCKET_FORM_JSON : (unsigned) conf->form;
    }
    return (struct websocket_kind){ (enum websocket_form) form, state->heard_binary };
}

/* A frame that is no packet. */
static enum tp_result
websocket_send(struct tp_wire *wire, enum websocket_opcode opcode, struct tp_str carried)
{
    uint8_t frame[WEBSOCKET_HEAD_BYTES_MAX + WEBSOCKET_CONTROL_BYTES_MAX];
    uint8_t mask[WEBSOCKET_MASK_BYTES];

    if (!websocket_make_mask(wire, mask)) {
        return TP_NO_MEMORY;
    }
    uint8_t *to = websocket_head_write(frame, opcode, carried.len, wire->is_dialed ? mask : NULL);

    if (carried.len > 0) {
        memcpy(to, carried.data, carried.len);
    }
    if (wire->is_dialed) {
        websocket_mask(to, carried.len, mask, 0);
    }
    to += carried.len;
    return tp_wire_send(wire, (struct tp_str){ (const char *) frame, (size_t) (to - frame) });
}

/* A browser answers it by itself, whatever its page does. */
static enum tp_result
websocket_ping(struct tp_wire *wire, uint64_t mark)
{
    const struct websocket_state *state = wire->state;
    char carried[PING_BYTES];

    if (state->phase != PHASE_OPEN) {
        return TP_AGAIN;
    }
    for (size_t i = 0; i < sizeof(carried); i++) {
        carried[i] = (char) (mark >> (8 * (sizeof(carried) - 1 - i)));
    }
    return websocket_send(wire, WEBSOCKET_PING, (struct tp_str){ carried, sizeof(carried) });
}

/* Who has dialed masks, so that no page can make it send what others take for HTTP. */
static bool
websocket_make_mask(const struct tp_wire *wire, uint8_t *mask)
{
    return !wire->is_dialed || RAND_bytes(mask, WEBSOCKET_MASK_BYTES) == 1;
}

/* It answers the other end's closing with what that one has said, or says why this end closes. */
static void
websocket_end(struct tp_wire *wire, struct tp_str reason)
{
    struct websocket_state *state = wire->state;
    uint8_t carried[WEBSOCKET_CONTROL_BYTES_MAX];
    unsigned code = state->code != 0 ? state->code : (unsigned) websocket_code_of(reason);
    size_t len = code == WEBSOCKET_CODE_NONE ? 0 : CODE_BYTES;

    if (state->phase != PHASE_OPEN && state->phase != PHASE_LEAVING) {
        return;
    }
    carried[0] = (uint8_t) (code >> 8);
    carried[1] = (uint8_t) code;
    if (state->phase == PHASE_OPEN && reason.len <= sizeof(carried) - CODE_BYTES) {
        memcpy(carried + CODE_BYTES, reason.data, reason.len);
        len += reason.len;
    }
    state->phase = PHASE_CLOSED;
    /* Without memory for it the connection ends without a word. */
    if (websocket_send(wire, WEBSOCKET_CLOSE, (struct tp_str){ (const char *) carried, len })
        != TP_OK) {
        tp_chain_clear(&wire->own);
    }
}

static void
websocket_drop_partial(struct websocket_state *state)
{
    if (state->phase != PHASE_AWAITING && state->partial != NULL) {
        tp_buf_release(state->partial->buf);
        free(state->partial);
        state->partial = NULL;
    }
}

static enum tp_result
websocket_save(const void *kept, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    const struct websocket_state *state = kept;
    bool is_awaiting = state->phase == PHASE_AWAITING;
    const struct websocket_partial *partial = is_awaiting ? NULL : state->partial;
    uint8_t head[SAVED_HEAD_BYTES] = {
        SAVED_VERSION,         state->phase,
        state->form,           state->heard_form,
        state->heard_binary,   (uint8_t) (state->code >> 8),
        (uint8_t) state->code, (uint8_t) (state->seen >> 8),
        (uint8_t) state->seen, partial != NULL,
    };

    if (is_awaiting) {
        memcpy(head + SAVED_NONCE_AT, state->nonce, sizeof(state->nonce));
    } else if (partial != NULL) {
        uint64_t wire_bytes = partial->wire_bytes;

        head[SAVED_OPCODE_AT] = (uint8_t) partial->opcode;
        head[SAVED_UTF8_AT] = partial->utf8.missing;
        head[SAVED_UTF8_AT + 1] = partial->utf8.lowest;
        head[SAVED_UTF8_AT + 2] = partial->utf8.highest;
        for (size_t i = 0; i < sizeof(wire_bytes); i++) {
            head[SAVED_COUNT_AT + i] = (uint8_t) (wire_bytes >> (8 * (sizeof(wire_bytes) - 1 - i)));
        }
    }
    enum tp_result result =
        tp_chain_append_copy(saved, pool, (struct tp_str){ (const char *) head, sizeof(head) });

    if (result == TP_OK && partial != NULL) {
        result = tp_chain_append_copy(
            saved, pool, (struct tp_str){ (const char *) partial->buf->bytes, partial->len });
    }
    return result;
}

static enum tp_result
websocket_restore(void *kept, struct tp_buf_pool *pool, struct tp_str saved)
{
    struct websocket_state *state = kept;
    const uint8_t *head = (const uint8_t *) saved.data;

    if (saved.len < SAVED_HEAD_BYTES || head[0] != SAVED_VERSION || head[1] > PHASE_CLOSED
        || head[2] > WEBSOCKET_FORM_PROTOBUF || head[3] > WEBSOCKET_FORM_PROTOBUF || head[4] > 1
        || head[9] > 1 || (head[9] == 0 && saved.len > SAVED_HEAD_BYTES)
        || (head[9] == 1 && head[1] == PHASE_AWAITING)) {
        return TP_INVALID;
    }
    *state = (struct websocket_state){
        .phase = head[1],
        .form = head[2],
        .heard_form = head[3],
        .heard_binary = head[4] != 0,
        .code = (uint16_t) (head[5] << 8 | head[6]),
        .seen = (uint16_t) (head[7] << 8 | head[8]),
    };
    if (state->phase == PHASE_AWAITING) {
        memcpy(state->nonce, head + SAVED_NONCE_AT, sizeof(state->nonce));
        return TP_OK;
    }
    return head[9] == 0 ? TP_OK
                        : websocket_restore_partial(state, pool, head,
                                                    (struct tp_str){
                                                        saved.data + SAVED_HEAD_BYTES,
                                                        saved.len - SAVED_HEAD_BYTES,
                                                    });
}

static enum tp_result
websocket_restore_partial(struct websocket_state *state, struct tp_buf_pool *pool,
                          const uint8_t *head, struct tp_str carried)
{
    struct websocket_partial partial = {
        .buf = tp_buf_make(pool, carried.len > 0 ? carried.len : 1),
        .len = carried.len,
        .opcode = (enum websocket_opcode) head[SAVED_OPCODE_AT],
        .utf8 = { head[SAVED_UTF8_AT], head[SAVED_UTF8_AT + 1], head[SAVED_UTF8_AT + 2] },
    };

    for (size_t i = 0; i < sizeof(uint64_t); i++) {
        partial.wire_bytes = partial.wire_bytes << 8 | head[SAVED_COUNT_AT + i];
    }
    if (partial.opcode != WEBSOCKET_TEXT && partial.opcode != WEBSOCKET_BINARY) {
        tp_buf_release(partial.buf);
        return TP_INVALID;
    }
    state->partial = partial.buf == NULL ? NULL : malloc(sizeof(*state->partial));
    if (state->partial == NULL) {
        tp_buf_release(partial.buf);
        return TP_NO_MEMORY;
    }
    if (carried.len > 0) {
        memcpy(partial.buf->bytes, carried.data, carried.len);
    }
    *state->partial = partial;
    return TP_OK;
}

static void
websocket_fini(void *kept)
{
    websocket_drop_partial(kept);
}
