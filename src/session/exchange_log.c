/*
 * exchange_log.c - what is logged of exchanges.
 *
 * Every exchange ends once, answered or not, so one place writes its line.
 *
 * Runs in: worker.  Owns: nothing.
 * Read next: variables.c, server/access_file.c.
 */
#include "session/exchange_log.h"

#include "base/log.h"
#include "base/str.h"
#include "format/body_text.h"
#include "session/counting.h"
#include "session/record.h"
#include "session/variables.h"

#include <stdio.h>
#include <string.h>

enum {
    URI_SHOWN_MAX = 512, /* of a uri in the error log, escaped */
    BODY_MORE_MAX = 48,  /* what is said of the rest */
};

static void exchange_log_access(const struct tp_exchange *exchange);
static void exchange_write_front(const struct tp_exchange *exchange,
                                 struct tp_value_writer *writer);
static void exchange_log_slow(const struct tp_exchange *exchange);
static void exchange_log_own_end(const struct tp_exchange *exchange);
static void exchange_log_packet(const struct tp_exchange *exchange, const struct tp_packet *packet,
                                const char *id);
static struct tp_chain packet_plain_body(const struct tp_exchange *exchange,
                                         const struct tp_packet *packet);
static const char *show_uri(struct tp_str uri, char *text);
static char codec_letter(uint8_t codec);

void
tp__exchange_logging_fit(struct tp_exchange_logging *logging)
{
    if (logging->access_file != NULL) {
        logging->tells_passed = tp__template_tells_passed(&logging->access_format);

        size_t line_max = tp__template_fixed_max(&logging->access_format) + TP_ACCESS_TEXTS_MAX + 1;

        if (line_max > logging->access_file->line_max) {
            logging->access_file->line_max = line_max;
        }
    }
}

void
tp__exchange_log_begin(struct tp_exchange *exchange)
{
    tp__exchange_count_begin(exchange, exchange->logging->counts);
    if (exchange->logging->logs_bodies) {
        exchange_log_packet(exchange, &exchange->request, "packet-received");
    }
}

void
tp__exchange_log_sent(const struct tp_exchange *exchange)
{
    if (exchange->logging->logs_bodies) {
        exchange_log_packet(exchange, &exchange->request, "packet-sent");
    }
}

void
tp__exchange_log_end(struct tp_exchange *exchange)
{
    const struct tp_exchange_logging *logging = exchange->logging;

    if (exchange->is_ours) {
        tp__exchange_count_end(exchange);
        exchange_log_own_end(exchange);
        return;
    }
    bool is_sent = exchange->is_sent;

    if (!is_sent && (tp_exchange_wants_reply(exchange) || !exchange->is_finished)) {
        exchange->reply.status = tp_status_of(TP_STATUS_CONNECTION_CLOSED);
    }
    if (exchange->counts == NULL) {
        /* It ended before its route was known: it counts as one that has none. */
        tp__exchange_count_begin(exchange, logging->counts);
    }
    tp__exchange_count_end(exchange);
    if (logging->access_file != NULL) {
        exchange_log_access(exchange);
    }
    if (logging->slow_threshold.ms != 0 && tp__exchange_is_slow(exchange)) {
        exchange_log_slow(exchange);
    }
    if (logging->logs_bodies && is_sent) {
        exchange_log_packet(exchange, &exchange->reply, "packet-sent");
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
    exchange_write_front(exchange, &writer);
    const struct tp_template behind_front = {
        .parts = logging->access_format.parts + logging->access_front,
        .count = logging->access_format.count - logging->access_front,
    };

    tp__template_write(&behind_front, exchange, &writer);
    *writer.next++ = '\n';
    tp__access_file_commit(logging->access_file, writer.next, exchange->sessions->loop);
}

/* As in the last line, mostly. */
static inline void
exchange_write_front(const struct tp_exchange *exchange, struct tp_value_writer *writer)
{
    const struct tp_exchange_logging *logging = exchange->logging;
    struct tp_access_file *file = logging->access_file;
    struct tp_access_front *front = &file->front;
    struct tp_clock_texts *texts = &exchange->sessions->clock_texts;

    tp__clock_texts_update(texts, tp__exchange_now_us(exchange));
    if (front->format == logging->access_format.parts
        && front->session_number == exchange->session_number
        && front->second_end_us == texts->valid_until_us && front->type == exchange->request.type) {
        memcpy(writer->next, file->bytes + front->at, front->len);
        writer->next += front->len;
        return;
    }
    const struct tp_template parts = { logging->access_format.parts, logging->access_front };
    const char *begin = writer->next;

    tp__template_write(&parts, exchange, writer);
    *front = (struct tp_access_front){
        .format = parts.parts,
        .session_number = exchange->session_number,
        .second_end_us = texts->valid_until_us,
        .type = exchange->request.type,
        .len = (uint32_t) (writer->next - begin),
        .at = (size_t) (begin - file->bytes),
    };
}

static void
exchange_log_slow(const struct tp_exchange *exchange)
{
    char remote[TP_ADDRESS_TEXT_MAX];
    char uri[URI_SHOWN_MAX + 1];
    long long duration_us = exchange->finished_us - exchange->begun_us;

    tp_log_warn(
        &exchange->server->log, "slow-exchange",
        "uri=\"%s\" type=%s asked_by=%s duration=%lld.%06llds seq=%llu number=%llu remote=%s status=%d",
        show_uri(exchange->request.uri, uri), tp_packet_type_word(exchange->request.type),
        exchange->is_ours ? "us" : "them", duration_us / 1000000, duration_us % 1000000,
        (unsigned long long) exchange->request.seq, (unsigned long long) exchange->session_number,
        tp_address_format(&exchange->remote, remote), exchange->reply.status.code);
}

/* What others ask stands in the access log; what we ask, here. */
static void
exchange_log_own_end(const struct tp_exchange *exchange)
{
    if (exchange->logging->slow_threshold.ms != 0 && tp__exchange_is_slow(exchange)) {
        exchange_log_slow(exchange);
    }
    if (exchange->logging->logs_bodies && exchange->reply.wire_bytes > 0) {
        exchange_log_packet(exchange, &exchange->reply, "packet-received");
    }
}

/* Header and body of `packet`, which is inflated where that can be. */
static void
exchange_log_packet(const struct tp_exchange *exchange, const struct tp_packet *packet,
                    const char *id)
{
    const struct tp_log *log = &exchange->server->log;
    struct tp_body_text shown;
    char uri[URI_SHOWN_MAX + 1];
    char more[BODY_MORE_MAX] = "";

    if (!tp_log_shows(log, TP_LOG_INFO)) {
        return;
    }
    bool is_hidden = exchange->is_secret && packet == &exchange->request;
    struct tp_chain body = { 0 };

    if (!is_hidden) {
        body = packet_plain_body(exchange, packet);
    }
    tp__body_text_write(&shown, &body, packet->body_codec,
                        (size_t) exchange->logging->body_limit.bytes);
    if (shown.taken < body.len) {
        bool has_lines = strchr(shown.text, '\n') != NULL;

        snprintf(more, sizeof(more), "%s... %zu bytes more", has_lines ? "\n    " : " ",
                 body.len - shown.taken);
    }
    tp__log_write_lines(
        log, TP_LOG_INFO, id,
        "number=%llu type=%s seq=%llu uri=\"%s\" status=%d header_codec=%c "
        "body_codec=%c gzip=%d wire_bytes=%zu body_bytes=%zu%s%s%s%s%s",
        (unsigned long long) exchange->session_number, tp_packet_type_word(packet->type),
        (unsigned long long) packet->seq, show_uri(packet->uri, uri), packet->status.code,
        codec_letter(packet->header_codec), codec_letter(packet->body_codec),
        (int) packet->gzip_level, packet->wire_bytes, body.len, shown.form[0] == '\0' ? "" : " ",
        shown.form, shown.form[0] == '\0' ? "" : "=", shown.text, more);
    tp_chain_clear(&body);
}

/* The caller clears it.  What is broken or too large to be inflated stays as it came. */
static struct tp_chain
packet_plain_body(const struct tp_exchange *exchange, const struct tp_packet *packet)
{
    const struct tp_server *server = exchange->server;
    struct tp_sessions *sessions = exchange->sessions;
    struct tp_chain plain = { 0 };

    if (packet->gzip_level != 0
        && tp__sessions_inflate(sessions, &packet->body, server->limits.packet, &plain) == TP_OK) {
        return plain;
    }
    tp_chain_clear(&plain);
    if (tp_chain_share(&plain, &packet->body) != TP_OK) {
        tp_chain_clear(&plain);
    }
    return plain;
}

/* The uri, escaped and terminated, in `text` of URI_SHOWN_MAX + 1 bytes. */
static const char *
show_uri(struct tp_str uri, char *text)
{
    struct tp_value_writer writer = { .next = text, .text_room = URI_SHOWN_MAX, .is_log = true };

    tp__value_write_uri(&writer, uri);
    *writer.next = '\0';
    return text;
}

static char
codec_letter(uint8_t codec)
{
    return codec == TP_CODEC_NONE ? '-' : (char) codec;
}
