/*
 * remote.c - sessions seen from afar: what a handler does with one of another worker, how
 * another worker sees one of ours, and how one is closed on request.
 *
 * Who carries things to other workers is the owner of the sessions; a process without workers
 * has nobody to carry.
 *
 * Runs in: worker; a program's thread with the library.
 * Read next: process/courier.c.
 */
#include "session/record.h"

#include "base/str.h"
#include "base/text.h"

#include <stdio.h>

enum {
    CLOSING_URI_MAX = 128,
};

static void closing_write_body(struct tp_text *body, struct tp_str words, bool may_redial);
static void json_append_escaped(struct tp_text *text, struct tp_str words);

struct tp_sessions *
tp_exchange_home(const struct tp_exchange *exchange)
{
    return exchange->sessions;
}

struct tp_sessions *
tp_session_home(const struct tp_session *session)
{
    return session->sessions;
}

enum tp_result
tp_remote_find(struct tp_sessions *home, const struct tp_session_name *name, unsigned *slot)
{
    const struct tp_remote_functions *remote = home->callbacks.remote;

    return remote == NULL ? TP_NOT_FOUND : remote->find(home->callbacks.remote_owner, name, slot);
}

enum tp_result
tp_remote_push(struct tp_sessions *home, const struct tp_remote_packet *packet, tp_remote_fn on_end,
               void *owner)
{
    const struct tp_remote_functions *remote = home->callbacks.remote;

    return remote == NULL ? TP_NOT_FOUND
                          : remote->push(home->callbacks.remote_owner, packet, on_end, owner);
}

enum tp_result
tp_remote_pull(struct tp_sessions *home, const struct tp_remote_packet *packet, tp_remote_fn on_end,
               void *owner)
{
    const struct tp_remote_functions *remote = home->callbacks.remote;

    return remote == NULL ? TP_NOT_FOUND
                          : remote->pull(home->callbacks.remote_owner, packet, on_end, owner);
}

enum tp_result
tp_remote_close(struct tp_sessions *home, const struct tp_remote_closing *closing,
                tp_remote_fn on_end, void *owner)
{
    const struct tp_remote_functions *remote = home->callbacks.remote;

    return remote == NULL ? TP_NOT_FOUND
                          : remote->close(home->callbacks.remote_owner, closing, on_end, owner);
}

enum tp_result
tp_remote_list(struct tp_sessions *home, const struct tp_session_query *query, tp_page_fn on_page,
               void *owner)
{
    const struct tp_remote_functions *remote = home->callbacks.remote;

    return remote == NULL ? TP_NOT_FOUND
                          : remote->list(home->callbacks.remote_owner, query, on_page, owner);
}

enum tp_result
tp_remote_list_exchanges(struct tp_sessions *home, const struct tp_exchange_query *query,
                         tp_exchanges_fn on_page, void *owner)
{
    const struct tp_remote_functions *remote = home->callbacks.remote;

    return remote == NULL
               ? TP_NOT_FOUND
               : remote->list_exchanges(home->callbacks.remote_owner, query, on_page, owner);
}

void
tp__session_describe(const struct tp_session *session, struct tp_session_row *row)
{
    *row = (struct tp_session_row){
        .number = session->number,
        .worker_slot = session->sessions->worker_slot,
        .is_dialed = session->dialed != NULL,
        .state = tp_session_get_state(session),
        .remote = session->remote,
        .age_ms = tp__loop_now_ms(session->sessions->loop) - session->begun_ms,
        .open_count = session->exchange_count,
        .asked_count = session->own_pull_count,
        .queued_bytes = session->queued_bytes,
        .queued_age_ms = tp__send_queue_age_ms(session),
        .packets_received = session->received_count,
        .packets_sent = session->sent_count,
        .bytes_received = session->received_bytes,
        .bytes_sent = session->sent_bytes,
        .rtt_us = tp_session_rtt_us(session),
        .id = tp_session_id(session),
        .source = tp__str(session->source->name),
        .protocol = tp__str(session->protocol == NULL ? "" : session->protocol->protocol->name),
    };
}

void
tp__session_close_told(struct tp_session *session, enum tp_close_reason reason, struct tp_str words,
                       bool may_redial)
{
    const char *word = tp_close_reason_word(reason);
    struct tp_send_options options = { .body_codec = TP_CODEC_JSON, .always_fits = true };
    struct tp_text body = { 0 };
    char uri[CLOSING_URI_MAX];
    int len = snprintf(uri, sizeof(uri), "/system/closed?reason=%s&redial=%d", word, may_redial);

    closing_write_body(&body, words.len > 0 ? words : tp__str(word), may_redial);
    enum tp_result result = tp_session_push(session, (struct tp_str){ uri, (size_t) len },
                                            tp__text_get(&body), &options);

    tp__text_fini(&body);
    if (result != TP_OK) {
        /* Its protocol has no way for that, or memory is short. */
        tp_log_info(tp_session_log(session), "closing-untold", "number=%llu reason=%s",
                    (unsigned long long) session->number, word);
    }
    tp__session_end(session, reason, true);
}

static void
closing_write_body(struct tp_text *body, struct tp_str words, bool may_redial)
{
    tp__text_append(body, TP_STR("{\"reason\":\""));
    json_append_escaped(body, words);
    tp__text_printf(body, "\",\"redial\":%s}", may_redial ? "true" : "false");
    if (!tp__text_is_whole(body)) {
        /* The uri says enough. */
        tp__text_clear(body);
    }
}

static void
json_append_escaped(struct tp_text *text, struct tp_str words)
{
    for (size_t i = 0; i < words.len; i++) {
        char letter = words.data[i];

        if (letter == '"' || letter == '\\') {
            tp__text_printf(text, "\\%c", letter);
        } else if ((uint8_t) letter < 0x20 || letter == 0x7f) {
            tp__text_printf(text, "\\u%04x", (unsigned) letter);
        } else {
            tp__text_append(text, (struct tp_str){ &letter, 1 });
        }
    }
}
