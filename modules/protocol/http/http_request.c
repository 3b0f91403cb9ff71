/*
 * http_request.c - requests that come in, as PULLs.
 *
 * What is wrong with a request is answered.  Where its end is known, the connection goes on
 * behind it; where two readers might see its end in different places, it ends.
 *
 * Runs in: worker.  Read next: http_message.c, http_metadata.c, http_reply.c.
 */
#include "http.h"

#include <string.h>

enum {
    EMPTY_LINE_LEN = 2,
    PREFACE_LEN = 14, /* "PRI * HTTP/2.0" */
    HASH_BITS = 24,
};

/* What becomes of a request once its head was read. */
struct request_verdict {
    int code;             /* 0: it is a PULL */
    const char *cause;    /* for the caller */
    struct tp_str fields; /* of the response, as metadata */
    bool is_broken;       /* where the next one begins is not known */
};

#define REQUEST_METHODS "GET%2C%20HEAD%2C%20POST%2C%20OPTIONS"

static enum tp_decode_outcome request_take_empty_line(const struct tp_wire *wire);
static bool request_is_preface(const struct tp_wire *wire);
static enum tp_decode_outcome request_decode(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_decode_outcome request_on_fault(struct tp_wire *wire, struct tp_packet *packet,
                                               const struct tp_http_fault *fault);
static enum tp_decode_outcome request_read_head(struct tp_wire *wire, struct http_message *message,
                                                struct tp_http_fault *fault);
static bool request_is_upgrade(const struct tp_http_head *head);
static enum tp_decode_outcome request_switch(struct tp_wire *wire);
static enum tp_decode_outcome request_await(struct tp_wire *wire, const struct tp_http_head *head);
static enum tp_decode_outcome request_take(struct tp_wire *wire, struct http_message *message,
                                           struct tp_packet *packet);
static void request_judge(const struct tp_wire *wire, const struct tp_http_head *head,
                          struct request_verdict *verdict);
static void request_judge_method(const struct tp_wire *wire, const struct tp_http_head *head,
                                 struct request_verdict *verdict);
static enum tp_decode_outcome request_fill(struct tp_wire *wire, const struct http_message *message,
                                           struct tp_packet *packet,
                                           struct request_verdict *verdict);
static bool request_read_seq(const struct tp_wire *wire, const struct tp_http_head *head,
                             struct tp_packet *packet);
static void request_read_wishes(const struct tp_wire *wire, const struct tp_http_head *head,
                                struct tp_packet *packet);
static uint8_t request_accepted_codec(const struct tp_wire *wire, struct tp_str accept);
static bool request_has_codec(const struct tp_wire *wire, uint8_t codec);
static bool request_takes_gzip(const struct tp_http_head *head);
static uint32_t request_note(const struct tp_wire *wire, const struct tp_http_head *head);
static void request_refuse(struct tp_packet *packet, const struct request_verdict *verdict);
static bool request_read_number(struct tp_str text, uint64_t *number);
static bool str_equals(struct tp_str one, struct tp_str other);

enum tp_decode_outcome
http_decode_request(struct tp_wire *wire, struct tp_packet *packet)
{
    struct http_state *state = wire->state;
    struct tp_http_fault fault = { 0, "" };

    if (state->head_len == 0) {
        enum tp_decode_outcome outcome = request_take_empty_line(wire);

        if (outcome != TP_DECODE_PACKET) {
            return outcome;
        }
        if (request_is_preface(wire)) {
            wire->why = "HTTP/2 is not spoken here";
            return TP_DECODE_BROKEN;
        }
        enum tp_result result = http_find_head(wire, &fault);

        if (result != TP_OK) {
            return result == TP_AGAIN ? TP_DECODE_MORE : request_on_fault(wire, packet, &fault);
        }
    }
    return request_decode(wire, packet);
}

uint32_t
http_origin_hash(struct tp_str origin)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < origin.len; i++) {
        hash = (hash ^ (unsigned char) origin.data[i]) * 16777619u;
    }
    return (hash ^ hash >> HASH_BITS) & ((1u << HASH_BITS) - 1);
}

/* Some send one behind a body, which is none of it (RFC 9112 §2.2).  PACKET: there is none. */
static enum tp_decode_outcome
request_take_empty_line(const struct tp_wire *wire)
{
    uint8_t scratch[EMPTY_LINE_LEN];
    size_t len = wire->input->len < EMPTY_LINE_LEN ? wire->input->len : EMPTY_LINE_LEN;
    const uint8_t *bytes = tp_chain_peek(wire->input, 0, len, scratch);

    if (len == 0 || bytes[0] != '\r') {
        return len == 0 ? TP_DECODE_MORE : TP_DECODE_PACKET;
    }
    if (len < EMPTY_LINE_LEN) {
        return TP_DECODE_MORE;
    }
    if (bytes[1] != '\n') {
        return TP_DECODE_PACKET;
    }
    tp_chain_skip(wire->input, EMPTY_LINE_LEN);
    ((struct http_state *) wire->state)->seen = 0;
    return TP_DECODE_TOOK;
}

/* The first line of who begins with HTTP/2 at once. */
static bool
request_is_preface(const struct tp_wire *wire)
{
    uint8_t scratch[PREFACE_LEN];

    return wire->input->len >= PREFACE_LEN
           && memcmp(tp_chain_peek(wire->input, 0, PREFACE_LEN, scratch), "PRI * HTTP/2.0",
                     PREFACE_LEN)
                  == 0;
}

/* The head is whole; the body may not be. */
static enum tp_decode_outcome
request_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    struct http_state *state = wire->state;
    struct http_message message = { .held = NULL };
    struct tp_http_fault fault = { 0, "" };
    bool is_framed = state->framing != HTTP_FRAMING_UNKNOWN;
    enum tp_result result = is_framed ? http_find_end(wire, &message.len, &fault) : TP_OK;

    if (result == TP_AGAIN && (!state->expects_continue || wire->open_count > 0)) {
        return TP_DECODE_MORE;
    }
    enum tp_decode_outcome outcome = result == TP_OK || result == TP_AGAIN
                                         ? request_read_head(wire, &message, &fault)
                                         : TP_DECODE_PACKET;

    if (outcome == TP_DECODE_PACKET && fault.code == 0 && !is_framed) {
        result = http_frame(wire, &message.head, &fault) ? http_find_end(wire, &message.len, &fault)
                                                         : TP_TOO_LARGE;
    }
    message.is_whole = result == TP_OK;
    if (outcome == TP_DECODE_PACKET && fault.code != 0) {
        outcome = request_on_fault(wire, packet, &fault);
    } else if (outcome == TP_DECODE_PACKET && result == TP_AGAIN) {
        outcome = request_await(wire, &message.head);
    }
    if (outcome == TP_DECODE_PACKET) {
        outcome = request_take(wire, &message, packet);
    }
    tp_buf_release(message.held);
    return outcome;
}

/* Answers what cannot be read on from. */
static enum tp_decode_outcome
request_on_fault(struct tp_wire *wire, struct tp_packet *packet, const struct tp_http_fault *fault)
{
    const struct request_verdict verdict = { .code = fault->code, .cause = fault->why };

    packet->type = TP_PACKET_PULL;
    packet->note = HTTP_NOTE_CLOSES;
    packet->wire_bytes = wire->input->len;
    request_refuse(packet, &verdict);
    tp_chain_clear(wire->input);
    http_forget_message(wire->state);
    wire->why = fault->why;
    wire->is_last = true;
    return TP_DECODE_REFUSED;
}

/* PACKET: it was read, or *fault says why it cannot be. */
static enum tp_decode_outcome
request_read_head(struct tp_wire *wire, struct http_message *message, struct tp_http_fault *fault)
{
    const struct http_state *state = wire->state;
    struct tp_str bytes =
        tp_http_head_hold(wire->input, state->head_len, wire->pool, &message->held);
    struct tp_str value;

    if (bytes.data == NULL) {
        return TP_DECODE_NO_MEMORY;
    }
    if (!tp_http_request_read(bytes, (size_t) http_conf_of(wire)->header_fields, &message->head,
                              fault)) {
        return TP_DECODE_PACKET;
    }
    /* A later Teleport names none. */
    if (!message->head.has_host && message->head.version_minor > 0
        && !tp_http_field_find(message->head.fields, TP_STR("X-Mtype"), &value)) {
        *fault = (struct tp_http_fault){ 400, "the request names no host" };
        return TP_DECODE_PACKET;
    }
    return request_is_upgrade(&message->head) ? request_switch(wire) : TP_DECODE_PACKET;
}

static bool
request_is_upgrade(const struct tp_http_head *head)
{
    return head->has_upgrade && str_equals(head->method, TP_STR("GET")) && !head->is_chunked
           && head->length == 0
           && tp_http_lists(head->fields, TP_STR("Upgrade"), TP_STR("websocket"));
}

/* WebSocket reads the request anew.  PACKET: it stays one of HTTP, and is refused as such. */
static enum tp_decode_outcome
request_switch(struct tp_wire *wire)
{
    /* Its answer would overtake those of the requests before it. */
    if (wire->open_count > 0) {
        return TP_DECODE_MORE;
    }
    wire->next = tp_wire_find_protocol(wire, TP_STR("websocket"));
    return wire->next == NULL ? TP_DECODE_PACKET : TP_DECODE_SWITCH;
}

/* More has to come.  Who waits to be asked for it is asked, unless answers are due before. */
static enum tp_decode_outcome
request_await(struct tp_wire *wire, const struct tp_http_head *head)
{
    struct http_state *state = wire->state;

    if (!head->expects_continue || state->has_continued || wire->input->len > state->head_len) {
        return TP_DECODE_MORE;
    }
    state->expects_continue = wire->open_count > 0;
    if (state->expects_continue) {
        return TP_DECODE_MORE;
    }
    struct request_verdict verdict = { .code = 0 };

    /* What will be refused all the same need not be sent. */
    request_judge(wire, head, &verdict);
    if (verdict.code != 0) {
        return TP_DECODE_PACKET;
    }
    state->has_continued = true;
    return tp_wire_send(wire, TP_STR("HTTP/1.1 100 Continue\r\n\r\n")) == TP_OK
               ? TP_DECODE_MORE
               : TP_DECODE_NO_MEMORY;
}

/* Takes the message off the input, whatever it says. */
static enum tp_decode_outcome
request_take(struct tp_wire *wire, struct http_message *message, struct tp_packet *packet)
{
    struct http_state *state = wire->state;
    struct request_verdict verdict = { .code = 0 };

    request_judge(wire, &message->head, &verdict);
    enum tp_decode_outcome outcome = request_fill(wire, message, packet, &verdict);

    if (outcome != TP_DECODE_PACKET) {
        tp_packet_clear(packet);
        return outcome;
    }
    if (verdict.code != 0) {
        request_refuse(packet, &verdict);
    }
    /* The body of one that is refused before it was sent may come, or not. */
    if (!message->is_whole || (packet->note & HTTP_NOTE_CLOSES) != 0) {
        packet->note |= HTTP_NOTE_CLOSES;
        wire->is_last = true;
    }
    packet->wire_bytes = message->is_whole ? message->len : wire->input->len;
    tp_chain_skip(wire->input, packet->wire_bytes);
    http_forget_message(state);
    state->count++;
    return verdict.code == 0 ? TP_DECODE_PACKET : TP_DECODE_REFUSED;
}

/* Is there anything in the head that HTTP itself has to answer? */
static void
request_judge(const struct tp_wire *wire, const struct tp_http_head *head,
              struct request_verdict *verdict)
{
    struct tp_str value;

    if (tp_http_field_find(head->fields, TP_STR("Origin"), &value)
        && !tp_wire_allows_origin(wire, value, head->host)) {
        *verdict =
            (struct request_verdict){ .code = 403, .cause = "allow_origin has not this one" };
        return;
    }
    if (request_is_upgrade(head)) {
        *verdict = (struct request_verdict){
            .code = 501,
            .cause = "the module websocket is not built in",
        };
        return;
    }
    request_judge_method(wire, head, verdict);
    if (verdict->code == 0 && tp_http_field_find(head->fields, TP_STR("X-Mtype"), &value)
        && !str_equals(value, TP_STR("1"))) {
        *verdict = (struct request_verdict){
            .code = TP_STATUS_UNSUPPORTED_TYPE,
            .cause = "HTTP carries nothing but PULLs: X-Mtype is 1",
        };
    }
}

static void
request_judge_method(const struct tp_wire *wire, const struct tp_http_head *head,
                     struct request_verdict *verdict)
{
    static const struct tp_str served[] = { { "GET", 3 }, { "HEAD", 4 }, { "POST", 4 } };
    static const struct tp_str known[] = {
        { "PUT", 3 }, { "DELETE", 6 }, { "PATCH", 5 }, { "CONNECT", 7 }, { "TRACE", 5 },
    };

    for (size_t i = 0; i < TP_COUNT_OF(served); i++) {
        if (str_equals(head->method, served[i])) {
            return;
        }
    }
    *verdict = (struct request_verdict){ .code = 501, .cause = "there is no such method" };
    for (size_t i = 0; i < TP_COUNT_OF(known); i++) {
        if (str_equals(head->method, known[i])) {
            *verdict = (struct request_verdict){
                .code = 405,
                .cause = "a PULL is made with GET, HEAD or POST",
                .fields = TP_STR("Allow=" REQUEST_METHODS),
            };
        }
    }
    if (str_equals(head->method, TP_STR("OPTIONS"))) {
        *verdict = (struct request_verdict){
            .code = 204,
            .cause = "",
            .fields = wire->origin_count == 0
                          ? TP_STR("Allow=" REQUEST_METHODS)
                          : TP_STR("Allow=" REQUEST_METHODS
                                   "&Access-Control-Allow-Methods=" REQUEST_METHODS
                                   "&Access-Control-Allow-Headers=*%2C%20Authorization"
                                   "&Access-Control-Max-Age=600"),
        };
    }
}

/* All but what a refusal replaces; *verdict may become one. */
static enum tp_decode_outcome
request_fill(struct tp_wire *wire, const struct http_message *message, struct tp_packet *packet,
             struct request_verdict *verdict)
{
    const struct tp_http_head *head = &message->head;

    packet->type = TP_PACKET_PULL;
    packet->uri = head->target;
    packet->head = message->held;
    tp_buf_acquire(packet->head);
    packet->note = request_note(wire, head);
    if (!request_read_seq(wire, head, packet) && verdict->code == 0) {
        *verdict = (struct request_verdict){ .code = 400, .cause = "X-Seq is no number" };
    }
    request_read_wishes(wire, head, packet);
    if (verdict->code != 0) {
        return TP_DECODE_PACKET;
    }
    if (http_share_body(wire, message, &packet->body) != TP_OK
        || http_read_metadata(wire, head, packet) != TP_OK) {
        return TP_DECODE_NO_MEMORY;
    }
    if (!http_read_content(head, packet)) {
        *verdict = (struct request_verdict){
            .code = TP_STATUS_UNSUPPORTED_CODEC,
            .cause = "the only Content-Encoding is gzip",
        };
    } else if (packet->gzip_level != 0 && (packet->note & HTTP_NOTE_TELEPORT) != 0) {
        /* Between Teleports a reply is deflated as its PULL was. */
        packet->reply_gzip = packet->gzip_level;
    }
    return TP_DECODE_PACKET;
}

/* Who names none has them counted. */
static bool
request_read_seq(const struct tp_wire *wire, const struct tp_http_head *head,
                 struct tp_packet *packet)
{
    const struct http_state *state = wire->state;
    struct tp_str value;

    packet->seq = state->count + 1;
    return !tp_http_field_find(head->fields, TP_STR("X-Seq"), &value)
           || request_read_number(value, &packet->seq);
}

/* What the reply shall be like. */
static void
request_read_wishes(const struct tp_wire *wire, const struct tp_http_head *head,
                    struct tp_packet *packet)
{
    struct tp_str value;
    uint64_t number;

    if (tp_http_field_find(head->fields, TP_STR("X-Accept-Body-Codec"), &value)
        && request_read_number(value, &number) && number <= UINT8_MAX) {
        packet->accept_codec = (uint8_t) number;
    } else if (tp_http_field_find(head->fields, TP_STR("Accept"), &value)) {
        packet->accept_codec = request_accepted_codec(wire, value);
    }
    if (request_takes_gzip(head)) {
        packet->reply_gzip = HTTP_GZIP_WANTED;
    }
}

/*
 * The one that is built in and wanted most; none where anything is wanted as much, since the
 * request's own is a better guess then.
 */
static uint8_t
request_accepted_codec(const struct tp_wire *wire, struct tp_str accept)
{
    uint8_t best = TP_CODEC_NONE;
    int best_quality = 0;
    struct tp_str item;

    while (tp_http_list_next(&accept, &item)) {
        int quality = tp_http_item_quality(&item);
        uint8_t codec = tp_codec_of_mime(item);
        bool is_any = str_equals(item, TP_STR("*/*"));

        if (quality > best_quality && (is_any || request_has_codec(wire, codec))) {
            best = is_any ? TP_CODEC_NONE : codec;
            best_quality = quality;
        }
    }
    return best;
}

static bool
request_has_codec(const struct tp_wire *wire, uint8_t codec)
{
    for (size_t i = 0; i < wire->codec_count; i++) {
        if (wire->codecs[i].codec->id == codec) {
            return true;
        }
    }
    return false;
}

static bool
request_takes_gzip(const struct tp_http_head *head)
{
    struct tp_str fields = head->fields;
    struct tp_http_field field;
    struct tp_str item;

    while (tp_http_field_next(&fields, &field)) {
        if (!tp_http_is_same(field.name, TP_STR("Accept-Encoding"))) {
            continue;
        }
        while (tp_http_list_next(&field.value, &item)) {
            int quality = tp_http_item_quality(&item);

            if (quality > 0
                && (tp_http_is_same(item, TP_STR("gzip"))
                    || tp_http_is_same(item, TP_STR("x-gzip")))) {
                return true;
            }
        }
    }
    return false;
}

static uint32_t
request_note(const struct tp_wire *wire, const struct tp_http_head *head)
{
    struct tp_str value;
    uint32_t note = 0;

    note |= str_equals(head->method, TP_STR("HEAD")) ? HTTP_NOTE_HEAD : 0;
    note |= head->is_kept_alive ? 0 : HTTP_NOTE_CLOSES;
    note |= head->version_minor == 0 ? HTTP_NOTE_OLD : 0;
    note |= tp_http_field_find(head->fields, TP_STR("X-Mtype"), &value) ? HTTP_NOTE_TELEPORT : 0;
    if (wire->origin_count > 0 && tp_http_field_find(head->fields, TP_STR("Origin"), &value)) {
        note |= HTTP_NOTE_ORIGIN | http_origin_hash(value) << HTTP_NOTE_HASH_SHIFT;
    }
    return note;
}

/* Makes it a PULL that is answered with this, and has nothing else to say. */
static void
request_refuse(struct tp_packet *packet, const struct request_verdict *verdict)
{
    tp_chain_clear(&packet->body);
    tp_buf_release(packet->meta_head);
    packet->meta_head = NULL;
    packet->metadata = verdict->fields;
    packet->gzip_level = 0;
    packet->has_body_codec = false;
    packet->body_codec = TP_CODEC_NONE;
    packet->status = (struct tp_status){
        .code = verdict->code,
        .text = tp_http_reason(verdict->code),
        .cause = { verdict->cause, strlen(verdict->cause) },
    };
}

static bool
request_read_number(struct tp_str text, uint64_t *number)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(value, 10, &value)
            || __builtin_add_overflow(value, (uint64_t) (text.data[i] - '0'), &value)) {
            return false;
        }
    }
    *number = value;
    return text.len > 0;
}

static bool
str_equals(struct tp_str one, struct tp_str other)
{
    return one.len == other.len && memcmp(one.data, other.data, one.len) == 0;
}
