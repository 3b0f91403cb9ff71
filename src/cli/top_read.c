/*
 * top_read.c - asks the server, one question after the other, and makes rows of the answers.
 *
 *   statistics -> sessions, page after page, or what is in flight -> what one session has in flight
 *
 * Only one question is under way at a time, and nobody waits for it: keys are taken meanwhile.
 * A server without statistics is asked for what it has, and asked again with the next reading.
 *
 * Read next: top_view.c, json_read.c.
 */
#include "cli/top.h"

#include "cli/ask.h"
#include "cli/json_read.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS     UINT64_C(1000000)
#define NS_PER_SECOND 1e9

enum {
    READ_PAGE_ROWS = 1000, /* the most that a page has */
};

static void read_next_step(struct tp_top *top);
static void read_rows(struct tp_top *top);
static void read_detail(struct tp_top *top);
static void read_ask(struct tp_top *top, enum tp_top_step step, const char *uri,
                     struct tp_str body);
static void read_on_reply(const struct tp_reply *reply, void *owner);
static void read_take(struct tp_top *top, struct tp_str answer);
static void read_take_stats(struct tp_top *top, struct tp_str answer);
static void read_take_totals(struct tp_top *top, struct tp_str answer);
static double total_of(struct tp_str answer, const struct tp_top_total_row *row);
static bool read_take_rows(struct tp_top *top, struct tp_str answer);
static void read_take_cursor(struct tp_top *top, struct tp_str answer);
static void read_take_silent(struct tp_top *top, struct tp_str answer);
static void read_finish(struct tp_top *top);
static void read_fail(struct tp_top *top, enum tp_exit_code code, const char *why);

void
tp__top_read(struct tp_top *top)
{
    if (top->step != TP_TOP_IDLE) {
        top->is_wanted = true;
        return;
    }
    top->is_wanted = false;
    if (top->code != TP_EXIT_DONE) {
        /* What was wrong is said again, if it is. */
        top->message[0] = '\0';
    }
    top->reading = top->view;
    top->asked_ns = tp__system_clock_ns();
    top->next_ns = top->asked_ns + (uint64_t) top->interval_ms * NS_PER_MS;
    top->cursor[0] = '\0';
    tp__sheet_fini(&top->tables[top->reading].coming);
    read_ask(top, TP_TOP_READS_STATS, "/control/stats", TP_STR(""));
}

void
tp__top_close_session(struct tp_top *top, uint64_t number)
{
    char body[64];
    int len = snprintf(body, sizeof(body), "{\"number\":%" PRIu64 "}", number);

    if (top->step != TP_TOP_IDLE) {
        snprintf(top->message, sizeof(top->message), "not now: an answer is awaited");
        return;
    }
    read_ask(top, TP_TOP_CLOSES, "/control/close", (struct tp_str){ body, (size_t) len });
}

/* What comes after the answer to the last question. */
static void
read_next_step(struct tp_top *top)
{
    const struct tp_top_view *view = &tp__top_views[top->reading];

    switch (top->step) {
    case TP_TOP_READS_STATS:
        if (view->uri != NULL) {
            read_rows(top);
            return;
        }
        break;
    case TP_TOP_READS_ROWS:
        if (top->cursor[0] != '\0') {
            read_rows(top);
            return;
        }
        if (top->mode == TP_TOP_DETAIL && top->target != 0) {
            read_detail(top);
            return;
        }
        break;
    case TP_TOP_IDLE:
    case TP_TOP_READS_DETAIL:
    case TP_TOP_CLOSES:
        break;
    }
    read_finish(top);
}

static void
read_rows(struct tp_top *top)
{
    const struct tp_top_view *view = &tp__top_views[top->reading];
    char body[128];
    int len = snprintf(body, sizeof(body), "{\"limit\":%d%s%s}", READ_PAGE_ROWS,
                       top->cursor[0] == '\0' ? "" : ",\"cursor\":", top->cursor);

    read_ask(top, TP_TOP_READS_ROWS, view->uri, (struct tp_str){ body, (size_t) len });
}

static void
read_detail(struct tp_top *top)
{
    char body[64];
    int len = snprintf(body, sizeof(body), "{\"number\":%" PRIu64 "}", top->target);

    tp__sheet_fini(&top->detail.coming);
    read_ask(top, TP_TOP_READS_DETAIL, "/control/inflight", (struct tp_str){ body, (size_t) len });
}

static void
read_ask(struct tp_top *top, enum tp_top_step step, const char *uri, struct tp_str body)
{
    const struct tp_send_options options = {
        .size = sizeof(options),
        .body_codec = TP_CODEC_JSON,
        .fails_at_once = true,
        .timeout = top->client.settings->timeout,
    };
    struct tp_session *session = tp__client_session(&top->client);

    top->step = step;
    enum tp_result result =
        session == NULL ? TP_GONE
                        : tp_session_pull_async(session, (struct tp_str){ uri, strlen(uri) }, body,
                                                &options, read_on_reply, top);

    if (result != TP_OK) {
        read_fail(top, tp__client_exit_of_result(result),
                  result == TP_GONE ? "not connected" : tp_result_sentence(result));
    }
}

/* A server without statistics says 404: what it has besides is shown. */
static void
read_on_reply(const struct tp_reply *reply, void *owner)
{
    struct tp_top *top = owner;
    const struct tp_status *status = tp_reply_status(reply);
    char why[TP_TOP_MESSAGE_MAX];

    if (top->is_done) {
        return;
    }
    if (status->code == TP_STATUS_OK) {
        read_take(top, tp_reply_body(reply));
    } else if (status->code == TP_STATUS_NOT_FOUND && top->step == TP_TOP_READS_STATS) {
        top->has_stats = false;
        read_next_step(top);
    } else if (status->code == TP_STATUS_NOT_FOUND && top->step == TP_TOP_READS_DETAIL) {
        /* The session has ended: it has nothing in flight. */
        read_next_step(top);
    } else {
        snprintf(why, sizeof(why), "%d %.*s", (int) status->code, TP_STR_ARG(status->text));
        read_fail(top, tp__client_exit_of_status(status->code), why);
    }
}

static void
read_take(struct tp_top *top, struct tp_str answer)
{
    if (!tp__json_is_valid(answer)) {
        read_fail(top, TP_EXIT_LOCAL, "the answer is no JSON");
        return;
    }
    switch (top->step) {
    case TP_TOP_READS_STATS:
        read_take_stats(top, answer);
        break;
    case TP_TOP_READS_ROWS:
    case TP_TOP_READS_DETAIL:
        if (!read_take_rows(top, answer)) {
            read_fail(top, TP_EXIT_LOCAL, "the answer is not that of a control module");
            return;
        }
        break;
    case TP_TOP_CLOSES:
        snprintf(top->message, sizeof(top->message), "session %" PRIu64 " is told to close",
                 top->target);
        top->step = TP_TOP_IDLE;
        tp__top_read(top);
        return;
    case TP_TOP_IDLE:
        return;
    }
    read_next_step(top);
}

static void
read_take_stats(struct tp_top *top, struct tp_str answer)
{
    const struct tp_top_view *view = &tp__top_views[top->reading];
    struct tp_str rows;

    read_take_totals(top, answer);
    top->has_stats = true;
    if (view->uri == NULL && tp__json_find(answer, view->array, &rows)
        && tp__sheet_add(&top->tables[top->reading].coming, rows, SIZE_MAX) != TP_OK) {
        snprintf(top->message, sizeof(top->message), "%s", tp_result_sentence(TP_NO_MEMORY));
    }
}

static void
read_take_totals(struct tp_top *top, struct tp_str answer)
{
    struct tp_top_totals *totals = &top->totals;
    double seconds = (double) (top->asked_ns - top->totals_ns) / NS_PER_SECOND;

    for (size_t i = 0; i < TP_TOTAL_COUNT; i++) {
        const struct tp_top_total_row *row = &tp__top_totals[i];
        double before = top->totals_ns == 0 ? NAN : totals->counts[i];
        double now = total_of(answer, row);

        totals->counts[i] = now;
        /* What counts less than before has begun anew. */
        double more = now < before ? now : now - before;

        totals->values[i] = row->is_rate ? more / seconds : now;
    }
    top->totals_ns = top->asked_ns;
}

static double
total_of(struct tp_str answer, const struct tp_top_total_row *row)
{
    struct tp_json_cursor at;
    struct tp_str rows, name, value;
    double total = 0;

    if (row->array == NULL) {
        return tp__top_number(answer, row->member);
    }
    if (!tp__json_find(answer, row->array, &rows) || !tp__json_enter(&at, rows)) {
        return 0;
    }
    while (tp__json_next(&at, &name, &value)) {
        double number = row->member == NULL ? 1 : tp__top_number(value, row->member);

        total += isnan(number) ? 0 : number;
    }
    return total;
}

static bool
read_take_rows(struct tp_top *top, struct tp_str answer)
{
    bool is_detail = top->step == TP_TOP_READS_DETAIL;
    const struct tp_top_view *view = &tp__top_views[is_detail ? TP_TOP_INFLIGHT : top->reading];
    struct tp_top_table *table = is_detail ? &top->detail : &top->tables[top->reading];
    size_t count_max = (size_t) top->client.settings->sessions;
    struct tp_str rows;

    if (!tp__json_find(answer, view->array, &rows)
        || tp__sheet_add(&table->coming, rows, count_max) != TP_OK) {
        return false;
    }
    double count = tp__top_number(answer, "count");

    read_take_silent(top, answer);
    table->has_more = table->coming.is_cut || count > (double) table->coming.row_count;
    if (!is_detail) {
        read_take_cursor(top, answer);
        if (table->coming.row_count >= count_max && top->cursor[0] != '\0') {
            table->has_more = true;
            top->cursor[0] = '\0';
        }
    }
    return true;
}

/* As it came; empty when there are no more pages. */
static void
read_take_cursor(struct tp_top *top, struct tp_str answer)
{
    struct tp_str value;

    top->cursor[0] = '\0';
    if (tp__json_find(answer, "cursor", &value) && value.len < sizeof(top->cursor)
        && value.data[0] != 'n') {
        snprintf(top->cursor, sizeof(top->cursor), "%.*s", TP_STR_ARG(value));
    }
}

static void
read_take_silent(struct tp_top *top, struct tp_str answer)
{
    struct tp_str value;

    if (tp__json_find(answer, "silent", &value)) {
        snprintf(top->message, sizeof(top->message), "workers that have not answered: %.*s",
                 TP_STR_ARG(value));
    }
}

static void
read_finish(struct tp_top *top)
{
    bool has_detail = top->step == TP_TOP_READS_DETAIL;

    top->step = TP_TOP_IDLE;
    top->code = TP_EXIT_DONE;
    top->reading_count++;
    tp__top_table_turn_over(&top->tables[top->reading], top->asked_ns);
    if (has_detail) {
        tp__top_table_turn_over(&top->detail, top->asked_ns);
    }
    tp__top_on_read(top);
    if (top->is_wanted) {
        tp__top_read(top);
    }
}

/* What was read before stays on the screen; it is tried again at the next time. */
static void
read_fail(struct tp_top *top, enum tp_exit_code code, const char *why)
{
    bool was_reading = top->step != TP_TOP_CLOSES;

    top->step = TP_TOP_IDLE;
    snprintf(top->message, sizeof(top->message), "%s", why);
    if (was_reading) {
        top->is_wanted = false;
        top->code = code;
        tp__top_on_read(top);
    }
}
