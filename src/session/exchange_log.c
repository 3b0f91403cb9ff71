/*
 * exchange_log.c - what is logged of exchanges.
 *
 * Every exchange ends once, answered or not, so one place writes its line.
 *
 * Runs in: worker.  Owns: nothing.
 * Read next: variables.c, access_file.c.
 */
#include "session/exchange_log.h"

#include "base/str.h"
#include "session/record.h"
#include "session/variables.h"

#include <stdio.h>

enum {
    URI_SHOWN_MAX = 512,   /* of a uri in the error log, escaped */
    BODY_SHOWN_MAX = 3072, /* of a body: with it and the header a line of the log is full */
    PACKET_SHOWN_MAX = 4000,
};

/* The beginning of a body, as it is shown. */
struct shown_body {
    const char *form;
    size_t len; /* bytes of the body that are in `text` */
    char text[BODY_SHOWN_MAX + 1];
};

/* How bodies of a codec are shown; `text` has BODY_SHOWN_MAX + 1 bytes. */
struct body_form {
    const char *word;
    size_t bytes_max; /* so many have room, whatever they are */
    void (*show)(char *text, struct tp_str bytes);
};

static void exchange_log_access(const struct tp_exchange *exchange);
static void exchange_log_slow(const struct tp_exchange *exchange);
static void exchange_log_request(const struct tp_exchange *exchange);
static void exchange_log_reply(const struct tp_exchange *exchange);
static void describe_packet(const struct tp_exchange *exchange, const struct tp_packet *packet,
                            char text[PACKET_SHOWN_MAX]);
static struct tp_chain packet_plain_body(const struct tp_exchange *exchange,
                                         const struct tp_packet *packet);
static void show_body(struct shown_body *shown, const struct tp_chain *body, uint8_t codec,
                      size_t limit);
static const struct body_form *body_form_of(uint8_t codec);
static void show_json(char *text, struct tp_str bytes);
static void show_text(char *text, struct tp_str bytes);
static void show_hex(char *text, struct tp_str bytes);
static const char *show_uri(struct tp_str uri, char *text);
static const char *type_word(const struct tp_packet *packet);
static char codec_letter(uint8_t codec);

void
tp__exchange_logging_fit(const struct tp_exchange_logging *logging)
{
    if (logging->access_file != NULL) {
        size_t line_max = tp__template_fixed_max(&logging->access_format) + TP_ACCESS_TEXTS_MAX + 1;

        if (line_max > logging->access_file->line_max) {
            logging->access_file->line_max = line_max;
        }
    }
}

void
tp__exchange_log_begin(struct tp_exchange *exchange)
{
    if (exchange->logging->logs_bodies) {
        exchange_log_request(exchange);
    }
}

void
tp__exchange_log_end(struct tp_exchange *exchange)
{
    const struct tp_exchange_logging *logging = exchange->logging;
    bool is_sent = exchange->reply.wire_bytes > 0;

    if (!is_sent && (tp_exchange_wants_reply(exchange) || !exchange->is_finished)) {
        exchange->reply.status = tp_status_of(TP_STATUS_CONNECTION_CLOSED);
    }
    if (logging->access_file != NULL) {
        exchange_log_access(exchange);
    }
    if (logging->slow_threshold.ms != 0 && tp__exchange_is_slow(exchange)) {
        exchange_log_slow(exchange);
    }
    if (logging->logs_bodies && is_sent) {
        exchange_log_reply(exchange);
    }
}

bool
tp__exchange_is_slow(const struct tp_exchange *exchange)
{
    int64_t threshold_ms = exchange->logging->slow_threshold.ms;

    return threshold_ms != 0 && exchange->finished_us != 0
           && exchange->finished_us - exchange->begun_us >= threshold_ms * 1000;
}

static void
exchange_log_access(const struct tp_exchange *exchange)
{
    const struct tp_exchange_logging *logging = exchange->logging;
    struct tp_value_writer writer = {
        .next = tp__access_file_reserve(logging->access_file),
        .text_room = TP_ACCESS_TEXTS_MAX,
        .is_log = true,
    };

    if (writer.next == NULL) {
        tp_log_error(&exchange->server->log, "access-line-lost", "number=%llu result=%s",
                     (unsigned long long) exchange->session_number, tp_result_word(TP_NO_MEMORY));
        return;
    }
    tp__template_write(&logging->access_format, exchange, &writer);
    *writer.next++ = '\n';
    tp__access_file_commit(logging->access_file, writer.next, exchange->sessions->loop);
}

static void
exchange_log_slow(const struct tp_exchange *exchange)
{
    char remote[TP_ADDRESS_TEXT_MAX];
    char uri[URI_SHOWN_MAX + 1];
    long long duration_us = exchange->finished_us - exchange->begun_us;

    tp_log_warn(&exchange->server->log, "slow-exchange",
                "uri=\"%s\" type=%s duration=%lld.%06llds seq=%llu number=%llu remote=%s status=%d",
                show_uri(exchange->request.uri, uri), type_word(&exchange->request),
                duration_us / 1000000, duration_us % 1000000,
                (unsigned long long) exchange->request.seq,
                (unsigned long long) exchange->session_number,
                tp_address_format(&exchange->remote, remote), exchange->reply.status.code);
}

static void
exchange_log_request(const struct tp_exchange *exchange)
{
    char text[PACKET_SHOWN_MAX];

    describe_packet(exchange, &exchange->request, text);
    tp_log_info(&exchange->server->log, "packet-received", "%s", text);
}

static void
exchange_log_reply(const struct tp_exchange *exchange)
{
    char text[PACKET_SHOWN_MAX];

    describe_packet(exchange, &exchange->reply, text);
    tp_log_info(&exchange->server->log, "packet-sent", "%s", text);
}

/* Header and body of `packet`, which is inflated where that can be, on one line. */
static void
describe_packet(const struct tp_exchange *exchange, const struct tp_packet *packet,
                char text[PACKET_SHOWN_MAX])
{
    struct tp_chain body = packet_plain_body(exchange, packet);
    struct shown_body shown;
    char uri[URI_SHOWN_MAX + 1];

    show_body(&shown, &body, packet->body_codec, (size_t) exchange->logging->body_limit.bytes);
    snprintf(text, PACKET_SHOWN_MAX,
             "number=%llu type=%s seq=%llu uri=\"%s\" status=%d header_codec=%c body_codec=%c "
             "gzip=%d wire_bytes=%zu body_bytes=%zu%s%s=%s",
             (unsigned long long) exchange->session_number, type_word(packet),
             (unsigned long long) packet->seq, show_uri(packet->uri, uri), packet->status.code,
             codec_letter(packet->header_codec), codec_letter(packet->body_codec),
             (int) packet->gzip_level, packet->wire_bytes, body.len,
             shown.len < body.len ? " beginning_of_" : " ", shown.form, shown.text);
    tp_chain_clear(&body);
}

/* The caller clears it.  What is broken or too large to be inflated stays as it came. */
static struct tp_chain
packet_plain_body(const struct tp_exchange *exchange, const struct tp_packet *packet)
{
    const struct tp_server *server = exchange->server;
    struct tp_sessions *sessions = exchange->sessions;
    struct tp_chain plain = { 0 };

    if (packet->gzip_level != 0 && server->gzip != NULL
        && server->gzip->undo(sessions->gzip_state, &packet->body, server->limits.packet,
                              &sessions->pool, &plain)
               == TP_OK) {
        return plain;
    }
    tp_chain_clear(&plain);
    if (tp_chain_share(&plain, &packet->body) != TP_OK) {
        tp_chain_clear(&plain);
    }
    return plain;
}

static void
show_body(struct shown_body *shown, const struct tp_chain *body, uint8_t codec, size_t limit)
{
    const struct body_form *form = body_form_of(codec);
    uint8_t bytes[BODY_SHOWN_MAX];

    shown->form = form->word;
    shown->len = body->len < limit ? body->len : limit;
    shown->len = shown->len < form->bytes_max ? shown->len : form->bytes_max;
    tp_chain_copy(body, 0, shown->len, bytes);
    form->show(shown->text, (struct tp_str){ (const char *) bytes, shown->len });
}

static const struct body_form *
body_form_of(uint8_t codec)
{
    static const struct body_form json = { "json", BODY_SHOWN_MAX, show_json };
    static const struct body_form text = { "text", BODY_SHOWN_MAX / 4, show_text };
    static const struct body_form hex = { "hex", BODY_SHOWN_MAX / 2, show_hex };

    switch (codec) {
    case TP_CODEC_JSON:
        return &json;
    case TP_CODEC_PLAIN:
        return &text;
    default:
        return &hex;
    }
}

/* As it is, but on one line: outside of texts JSON has no line ends but as white space. */
static void
show_json(char *text, struct tp_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        bool is_space = bytes.data[i] == '\n' || bytes.data[i] == '\r' || bytes.data[i] == '\t';

        /* A zero byte would hide the rest. */
        text[i] = is_space || bytes.data[i] == '\0' ? ' ' : bytes.data[i];
    }
    text[bytes.len] = '\0';
}

static void
show_text(char *text, struct tp_str bytes)
{
    struct tp_value_writer writer = {
        .next = text,
        .text_room = BODY_SHOWN_MAX,
        .is_log = true,
    };

    tp__value_write_text(&writer, bytes);
    *writer.next = '\0';
}

static void
show_hex(char *text, struct tp_str bytes)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes.len; i++) {
        *text++ = digits[(uint8_t) bytes.data[i] >> 4];
        *text++ = digits[(uint8_t) bytes.data[i] & 15];
    }
    *text = '\0';
}

/* The uri, escaped and terminated, in `text` of URI_SHOWN_MAX + 1 bytes. */
static const char *
show_uri(struct tp_str uri, char *text)
{
    struct tp_value_writer writer = { .next = text, .text_room = URI_SHOWN_MAX, .is_log = true };

    tp__value_write_text(&writer, uri);
    *writer.next = '\0';
    return text;
}

static const char *
type_word(const struct tp_packet *packet)
{
    switch (packet->type) {
    case TP_PACKET_PULL:
        return "PULL";
    case TP_PACKET_REPLY:
        return "REPLY";
    default:
        return "PUSH";
    }
}

static char
codec_letter(uint8_t codec)
{
    return codec == TP_CODEC_NONE ? '-' : (char) codec;
}
