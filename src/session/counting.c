/*
 * counting.c - counts sessions and exchanges by where they belong.
 *
 * What each packet pays is a few additions in places that were found when the configuration was
 * loaded, or the session began; errors and closes look for theirs each time.
 *
 * Runs in: worker.  Owns: nothing.  Read next: metrics/stats_groups.h.
 */
#include "session/counting.h"

#include "base/str.h"
#include "format/redact.h"
#include "session/exchange_log.h"

#include <stdio.h>
#include <string.h>

enum {
    CODE_TEXT_MAX = 12,
    URI_SHOWN_MAX = 4 * 128, /* of a path, escaped */
};

static void count_status(const struct tp_exchange *exchange);
static void count_slow(const struct tp_exchange *exchange, int64_t duration_us);
static int64_t exchange_duration_us(const struct tp_exchange *exchange);
static void text_take(char *text, size_t size, struct tp_str taken);

void
tp__exchange_count_end(struct tp_exchange *exchange)
{
    struct tp_exchange_counts *counts = exchange->counts;

    if (counts == NULL) {
        return;
    }
    int64_t duration_us = exchange_duration_us(exchange);
    size_t request_bytes = exchange->request.wire_bytes;
    size_t reply_bytes = exchange->reply.wire_bytes;

    exchange->counts = NULL;
    tp__count_sub(&counts->in_flight, 1);
    tp__count_add(&counts->exchanges, 1);
    tp__count_add(&counts->received_bytes, exchange->is_ours ? reply_bytes : request_bytes);
    tp__count_add(&counts->sent_bytes, exchange->is_ours ? request_bytes : reply_bytes);
    tp__count_value(&counts->duration, duration_us);
    if (exchange->reply.status.code != TP_STATUS_OK) {
        tp__count_add(&counts->errors, 1);
        count_status(exchange);
    }
    if (exchange->logging->slow_threshold.ms != 0 && tp__exchange_is_slow(exchange)) {
        tp__count_add(&counts->slow, 1);
        count_slow(exchange, duration_us);
    }
}

void
tp__session_count_in(struct tp_session *session)
{
    const struct tp_source *source = session->source;
    const struct tp_traffic_counts *before = session->traffic;

    tp__session_count_out(session);
    if (!source->server->is_counted || !tp__session_is_connected(session)) {
        return;
    }
    struct tp_str labels[] = {
        session->dialed == NULL ? TP_STR("listen") : TP_STR("dial"),
        tp__str(source->name),
        session->protocol == NULL ? TP_STR("-") : tp__str(session->protocol->protocol->name),
    };

    session->traffic = tp__stats_find(session->sessions->stats, TP_STATS_TRAFFIC, labels);
    if (session->traffic == NULL) {
        return;
    }
    tp__count_add(&session->traffic->sessions, 1);
    /* After a reload it is where it was, and has begun once. */
    if (session->traffic != before) {
        tp__count_add(&session->traffic->begun, 1);
    }
}

void
tp__session_count_out(struct tp_session *session)
{
    if (session->traffic != NULL) {
        tp__count_sub(&session->traffic->sessions, 1);
        session->traffic = NULL;
    }
}

void
tp__session_count_close(const struct tp_session *session, enum tp_close_reason reason)
{
    const struct tp_str label = tp__str(tp_close_reason_word(reason));

    if (!session->source->server->is_counted) {
        return;
    }
    struct tp_close_counts *counts =
        tp__stats_find(session->sessions->stats, TP_STATS_CLOSE, &label);

    if (counts != NULL) {
        tp__count_add(&counts->sessions, 1);
    }
}

static void
count_status(const struct tp_exchange *exchange)
{
    char code[CODE_TEXT_MAX];

    if (exchange->is_ours) {
        return;
    }
    snprintf(code, sizeof(code), "%d", (int) exchange->reply.status.code);

    const struct tp_str labels[] = { tp__str(exchange->server->name), tp__str(code) };
    struct tp_stats *stats = exchange->sessions->stats;
    bool is_usual = tp_status_text(exchange->reply.status.code).len > 0;
    /* Any other may come from a backend, or from whoever answers, and there are four billion. */
    struct tp_status_counts *counts = is_usual
                                          ? tp__stats_find(stats, TP_STATS_STATUS, labels)
                                          : tp__stats_find_foreign(stats, TP_STATS_STATUS, labels);

    if (counts != NULL) {
        tp__count_add(&counts->exchanges, 1);
    }
}

static void
count_slow(const struct tp_exchange *exchange, int64_t duration_us)
{
    struct tp_stats *stats = exchange->sessions->stats;
    struct tp_stats_slow slow = {
        .wall_ms = tp__clock_wall_ms(),
        .duration_us = duration_us,
        .session_number = exchange->session_number,
        .seq = exchange->request.seq,
        .type = exchange->request.type,
        .code = exchange->reply.status.code,
        .is_ours = exchange->is_ours,
    };
    char uri[URI_SHOWN_MAX];
    char remote[TP_ADDRESS_TEXT_MAX];
    struct tp_str id = exchange->session == NULL ? TP_STR("") : tp_session_id(exchange->session);
    struct tp_str query;

    /* The path may be gone with the bytes it was read from, where the request was passed on. */
    text_take(slow.uri, sizeof(slow.uri),
              tp__redact_uri(tp__str_cut(exchange->request.uri, '?', &query), uri, sizeof(uri)));
    text_take(slow.session_id, sizeof(slow.session_id), id);
    text_take(slow.remote, sizeof(slow.remote),
              tp__str(tp_address_format(&exchange->remote, remote)));
    tp__slow_ring_add(stats->slow, stats->slot, &slow);
}

/* One that has no outcome of its own took until now; of a PUSH of ours nobody has asked the time. */
static int64_t
exchange_duration_us(const struct tp_exchange *exchange)
{
    if (exchange->finished_us != 0) {
        return exchange->finished_us - exchange->begun_us;
    }
    int64_t now_us = tp__loop_now_us(exchange->sessions->loop);

    return now_us > exchange->begun_us ? now_us - exchange->begun_us : 0;
}

/* Its beginning, terminated. */
static void
text_take(char *text, size_t size, struct tp_str taken)
{
    size_t len = taken.len < size ? taken.len : size - 1;

    if (len > 0) {
        memcpy(text, taken.data, len);
    }
    text[len] = '\0';
}
