/*
 * sessions.c - the sessions that have the most of something, of all workers.
 *
 * All sessions are listed, page by page, up to a bound, and the largest are kept on the way: the
 * answer is small however many there are.
 *
 * Runs in: worker.  Owns: a search until it is answered.
 */
#include "status_page.h"

#include <teleport/writer.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SESSIONS_SHOWN_MAX = 50,
    SESSIONS_PROTOCOL_MAX = 31,
};

/* A row with texts of its own. */
struct sessions_row {
    struct tp_session_row row;
    uint64_t weight;
    char id[TP_SESSION_ID_MAX];
    char source[TP_SOURCE_NAME_MAX];
    char protocol[SESSIONS_PROTOCOL_MAX];
};

struct sessions_search {
    struct tp_exchange *exchange;
    struct tp_sessions *home;
    uint64_t (*weigh)(const struct tp_session_row *row);
    size_t looked_max;
    size_t looked_count;
    bool is_whole; /* there are no others */
    size_t count;
    struct sessions_row rows[SESSIONS_SHOWN_MAX]; /* the heaviest first */
};

/* What "?sessions&by=WORD" may say. */
struct sessions_order {
    const char *word;
    uint64_t (*weigh)(const struct tp_session_row *row);
};

static const struct sessions_order *sessions_find_order(const struct tp_exchange *exchange);
static uint64_t sessions_traffic(const struct tp_session_row *row);
static uint64_t sessions_queue(const struct tp_session_row *row);
static uint64_t sessions_in_flight(const struct tp_session_row *row);
static uint64_t sessions_age(const struct tp_session_row *row);
static enum tp_result sessions_ask(struct sessions_search *search, uint64_t cursor);
static void sessions_on_page(enum tp_result result, const struct tp_session_page *page,
                             void *owner);
static void sessions_enter(struct sessions_search *search, const struct tp_session_row *row);
static void sessions_copy_row(struct sessions_row *to, const struct tp_session_row *row,
                              uint64_t weight);
static struct tp_str sessions_copy_text(char *room, size_t size, struct tp_str text);
static void sessions_finish(struct sessions_search *search);
static void sessions_write_row(struct tp_writer *writer, const struct sessions_row *shown);
static void sessions_write_text(struct tp_writer *writer, const char *name, struct tp_str text);

static const struct sessions_order sessions_orders[] = {
    { "traffic", sessions_traffic },
    { "queue", sessions_queue },
    { "in_flight", sessions_in_flight },
    { "age", sessions_age },
};

void
sessions_reply(struct tp_exchange *exchange, const struct status_page_conf *conf)
{
    const struct sessions_order *order = sessions_find_order(exchange);

    if (order == NULL) {
        struct tp_status status = tp_status_of(TP_STATUS_BAD_REQUEST);

        status.text = TP_STR("\"by\" is traffic, queue, in_flight or age");
        tp_exchange_refuse(exchange, &status);
        return;
    }
    struct sessions_search *search = calloc(1, sizeof(*search));

    if (search == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    search->exchange = exchange;
    search->home = tp_exchange_home(exchange);
    search->weigh = order->weigh;
    search->looked_max = (size_t) conf->session_count_max;
    if (search->looked_max == 0) {
        sessions_finish(search);
        return;
    }
    enum tp_result result = sessions_ask(search, 0);

    if (result == TP_OK) {
        tp_exchange_keep(exchange);
    } else {
        free(search);
        tp_exchange_refuse_result(exchange, result);
    }
}

/* By traffic where the query says nothing; NULL: by something else. */
static const struct sessions_order *
sessions_find_order(const struct tp_exchange *exchange)
{
    struct tp_query_pair pair;

    if (!tp_query_find(tp_exchange_query(exchange), TP_STR("by"), &pair)) {
        return &sessions_orders[0];
    }
    for (size_t i = 0; i < TP_COUNT_OF(sessions_orders); i++) {
        const char *word = sessions_orders[i].word;

        if (tp_query_is(pair.value, (struct tp_str){ word, strlen(word) })) {
            return &sessions_orders[i];
        }
    }
    return NULL;
}

static uint64_t
sessions_traffic(const struct tp_session_row *row)
{
    return row->bytes_received + row->bytes_sent;
}

static uint64_t
sessions_queue(const struct tp_session_row *row)
{
    return row->queued_bytes;
}

static uint64_t
sessions_in_flight(const struct tp_session_row *row)
{
    return (uint64_t) row->open_count + row->asked_count;
}

static uint64_t
sessions_age(const struct tp_session_row *row)
{
    return (uint64_t) row->age_ms;
}

static enum tp_result
sessions_ask(struct sessions_search *search, uint64_t cursor)
{
    size_t left = search->looked_max - search->looked_count;
    const struct tp_session_query query = {
        .cursor = cursor,
        .row_count_max = left < TP_SESSION_ROWS_MAX ? left : TP_SESSION_ROWS_MAX,
    };

    return tp_remote_list(search->home, &query, sessions_on_page, search);
}

static void
sessions_on_page(enum tp_result result, const struct tp_session_page *page, void *owner)
{
    struct sessions_search *search = owner;

    if (result == TP_OK) {
        for (size_t i = 0; i < page->row_count; i++) {
            sessions_enter(search, &page->rows[i]);
        }
        search->looked_count += page->row_count;
        search->is_whole = page->cursor == 0;
        if (!search->is_whole && search->looked_count < search->looked_max
            && sessions_ask(search, page->cursor) == TP_OK) {
            return;
        }
    }
    sessions_finish(search);
}

/* Keeps the row in its place among the heaviest, if it is one of them. */
static void
sessions_enter(struct sessions_search *search, const struct tp_session_row *row)
{
    uint64_t weight = search->weigh(row);
    size_t at = search->count;

    while (at > 0 && search->rows[at - 1].weight < weight) {
        at--;
    }
    if (at == SESSIONS_SHOWN_MAX) {
        return;
    }
    if (search->count < SESSIONS_SHOWN_MAX) {
        search->count++;
    }
    memmove(&search->rows[at + 1], &search->rows[at],
            (search->count - at - 1) * sizeof(search->rows[0]));
    sessions_copy_row(&search->rows[at], row, weight);
}

static void
sessions_copy_row(struct sessions_row *to, const struct tp_session_row *row, uint64_t weight)
{
    to->row = *row;
    to->weight = weight;
    to->row.id = sessions_copy_text(to->id, sizeof(to->id), row->id);
    to->row.source = sessions_copy_text(to->source, sizeof(to->source), row->source);
    to->row.protocol = sessions_copy_text(to->protocol, sizeof(to->protocol), row->protocol);
}

/* The text is found by its room: rows move. */
static struct tp_str
sessions_copy_text(char *room, size_t size, struct tp_str text)
{
    size_t len = text.len < size ? text.len : size;

    if (len > 0) {
        memcpy(room, text.data, len);
    }
    return (struct tp_str){ NULL, len };
}

/* Answers with what was found, and ends the search. */
static void
sessions_finish(struct sessions_search *search)
{
    struct tp_exchange *exchange = search->exchange;
    struct tp_chain body = { 0 };
    struct tp_writer writer = { .pool = tp_exchange_buf_pool(exchange), .to = &body };

    tp_writer_printf(&writer, "{ \"looked_at\": %zu, \"is_whole\": %s, \"sessions\": [",
                     search->looked_count, search->is_whole ? "true" : "false");
    for (size_t i = 0; i < search->count; i++) {
        tp_writer_put(&writer, i == 0 ? TP_STR("\n  { ") : TP_STR(",\n  { "));
        sessions_write_row(&writer, &search->rows[i]);
    }
    tp_writer_put(&writer, TP_STR(" ] }\n"));
    free(search);
    enum tp_result result = tp_writer_end(&writer);

    if (result == TP_OK) {
        tp_exchange_reply(exchange, &body, TP_CODEC_JSON);
    } else {
        tp_exchange_refuse_result(exchange, result);
    }
    tp_chain_clear(&body);
}

static void
sessions_write_row(struct tp_writer *writer, const struct sessions_row *shown)
{
    const struct tp_session_row *row = &shown->row;
    char remote[TP_ADDRESS_TEXT_MAX];

    tp_writer_printf(writer, "\"number\": %" PRIu64 ", \"worker\": %u, \"state\": \"%s\", ",
                     row->number, row->worker_slot, tp_session_state_word(row->state));
    sessions_write_text(writer, "id", (struct tp_str){ shown->id, row->id.len });
    tp_address_format(&row->remote, remote);
    sessions_write_text(writer, "remote", (struct tp_str){ remote, strlen(remote) });
    sessions_write_text(writer, row->is_dialed ? "dial" : "listen",
                        (struct tp_str){ shown->source, row->source.len });
    sessions_write_text(writer, "protocol", (struct tp_str){ shown->protocol, row->protocol.len });
    tp_writer_printf(writer,
                     "\"age_ms\": %" PRId64 ", \"in_flight\": %" PRIu32 ", \"asked\": %" PRIu32
                     ", \"queued_bytes\": %" PRIu64 ", \"queued_age_ms\": %" PRId64 ", ",
                     row->age_ms, row->open_count, row->asked_count, row->queued_bytes,
                     row->queued_age_ms);
    tp_writer_printf(writer,
                     "\"packets_received\": %" PRIu64 ", \"packets_sent\": %" PRIu64
                     ", \"bytes_received\": %" PRIu64 ", \"bytes_sent\": %" PRIu64
                     ", \"rtt_us\": %" PRId64 " }",
                     row->packets_received, row->packets_sent, row->bytes_received, row->bytes_sent,
                     row->rtt_us);
}

static void
sessions_write_text(struct tp_writer *writer, const char *name, struct tp_str text)
{
    tp_writer_printf(writer, "\"%s\": ", name);
    tp_writer_put_json_string(writer, text);
    tp_writer_put(writer, TP_STR(", "));
}
