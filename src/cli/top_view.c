/*
 * top_view.c - what tp top can show: views and their columns, and the rows that were read of each.
 *
 * A column is a row of a table here: its title, the member of the server's answer that it shows,
 * how, and how soon it goes where the screen is narrow.
 */
#include "cli/top.h"

#include "cli/inflight.h"
#include "cli/json_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_SECOND 1e9

enum {
    VIEW_NUMBER_MAX = 40, /* bytes of a number that are looked at */
};

static bool view_is_shown(const struct tp_top_table *table, size_t at, const char *filter);

/* clang-format off */
static const struct tp_column session_columns[] = {
    { .title = "SESSION", .member = "number", .kind = TP_CELL_NUMBER, .width = 8 },
    { .title = "ID", .member = "id", .kind = TP_CELL_TEXT, .width = 10, .grows = true },
    { .title = "REMOTE", .member = "remote", .kind = TP_CELL_TEXT, .width = 21 },
    { .title = "PROTO", .member = "protocol", .kind = TP_CELL_TEXT, .width = 9, .rank = 6 },
    { .title = "STATE", .member = "state", .kind = TP_CELL_TEXT, .width = 10, .rank = 7 },
    { .title = "IN/s", .member = "packets_received", .kind = TP_CELL_RATE, .width = 6 },
    { .title = "OUT/s", .member = "packets_sent", .kind = TP_CELL_RATE, .width = 6 },
    { .title = "B IN/s", .member = "bytes_received", .kind = TP_CELL_SIZE_RATE, .width = 6, .rank = 4 },
    { .title = "B OUT/s", .member = "bytes_sent", .kind = TP_CELL_SIZE_RATE, .width = 7, .rank = 4 },
    { .title = "FLY", .member = "in_flight", .kind = TP_CELL_NUMBER, .width = 4, .rank = 1 },
    { .title = "ASKED", .member = "asked", .kind = TP_CELL_NUMBER, .width = 5, .rank = 8 },
    { .title = "QUEUE", .member = "queued_bytes", .kind = TP_CELL_SIZE, .width = 6 },
    { .title = "Q AGE", .member = "queued_age", .kind = TP_CELL_SECONDS, .width = 6, .rank = 3 },
    { .title = "RTT", .member = "rtt", .kind = TP_CELL_DURATION, .width = 6, .rank = 5 },
    { .title = "AGE", .member = "age", .kind = TP_CELL_SECONDS, .width = 6, .rank = 2 },
    { .title = "W", .member = "worker", .kind = TP_CELL_NUMBER, .width = 2, .rank = 9 },
    { .title = "SOURCE", .member = "listen|dial", .kind = TP_CELL_TEXT, .width = 16, .rank = 10 },
};

static const struct tp_column route_columns[] = {
    { .title = "SERVER", .member = "server", .kind = TP_CELL_TEXT, .width = 16, .rank = 4 },
    { .title = "TYPE", .member = "type", .kind = TP_CELL_TEXT, .width = 4 },
    { .title = "URI", .member = "uri", .kind = TP_CELL_TEXT, .width = 16, .grows = true },
    { .title = "REQ/s", .member = "exchanges", .kind = TP_CELL_RATE, .width = 6 },
    { .title = "ERR/s", .member = "errors", .kind = TP_CELL_RATE, .width = 6 },
    { .title = "SLOW/s", .member = "slow", .kind = TP_CELL_RATE, .width = 6, .rank = 2 },
    { .title = "FLY", .member = "in_flight", .kind = TP_CELL_NUMBER, .width = 4 },
    { .title = "B IN/s", .member = "received_bytes", .kind = TP_CELL_SIZE_RATE, .width = 6, .rank = 5 },
    { .title = "B OUT/s", .member = "sent_bytes", .kind = TP_CELL_SIZE_RATE, .width = 7, .rank = 5 },
    { .title = "P50", .member = "duration.p50_us", .kind = TP_CELL_US, .width = 6, .rank = 1 },
    { .title = "P99", .member = "duration.p99_us", .kind = TP_CELL_US, .width = 6 },
    { .title = "MAX", .member = "duration.max_us", .kind = TP_CELL_US, .width = 6, .rank = 3 },
    { .title = "REQUESTS", .member = "exchanges", .kind = TP_CELL_NUMBER, .width = 8, .rank = 6 },
    { .title = "ERRORS", .member = "errors", .kind = TP_CELL_NUMBER, .width = 7, .rank = 7 },
};

static const struct tp_column upstream_columns[] = {
    { .title = "UPSTREAM", .member = "upstream", .kind = TP_CELL_TEXT, .width = 12, .grows = true },
    { .title = "ADDRESS", .member = "address", .kind = TP_CELL_TEXT, .width = 21, .grows = true },
    { .title = "DOWN", .member = "is_down", .kind = TP_CELL_NUMBER, .width = 4 },
    { .title = "REQ/s", .member = "exchanges", .kind = TP_CELL_RATE, .width = 6 },
    { .title = "ERR/s", .member = "errors", .kind = TP_CELL_RATE, .width = 6 },
    { .title = "FLY", .member = "in_flight", .kind = TP_CELL_NUMBER, .width = 4 },
    { .title = "SESSIONS", .member = "sessions", .kind = TP_CELL_NUMBER, .width = 8, .rank = 3 },
    { .title = "P50", .member = "duration.p50_us", .kind = TP_CELL_US, .width = 6, .rank = 1 },
    { .title = "P99", .member = "duration.p99_us", .kind = TP_CELL_US, .width = 6 },
    { .title = "MAX", .member = "duration.max_us", .kind = TP_CELL_US, .width = 6, .rank = 2 },
    { .title = "REQUESTS", .member = "exchanges", .kind = TP_CELL_NUMBER, .width = 8, .rank = 4 },
    { .title = "ERRORS", .member = "errors", .kind = TP_CELL_NUMBER, .width = 7, .rank = 5 },
};

static const struct tp_column worker_columns[] = {
    { .title = "W", .member = "slot", .kind = TP_CELL_NUMBER, .width = 3 },
    { .title = "PID", .member = "pid", .kind = TP_CELL_NUMBER, .width = 8 },
    { .title = "STATE", .member = "state", .kind = TP_CELL_TEXT, .width = 9, .grows = true },
    { .title = "GEN", .member = "generation", .kind = TP_CELL_NUMBER, .width = 4, .rank = 2 },
    { .title = "SESSIONS", .member = "sessions", .kind = TP_CELL_NUMBER, .width = 8 },
    { .title = "ACCEPT/s", .member = "sessions_accepted", .kind = TP_CELL_RATE, .width = 8, .rank = 4 },
    { .title = "B IN/s", .member = "bytes_received", .kind = TP_CELL_SIZE_RATE, .width = 6 },
    { .title = "COPIED/s", .member = "bytes_copied", .kind = TP_CELL_SIZE_RATE, .width = 8, .rank = 5 },
    { .title = "TURNS/s", .member = "loop_turns", .kind = TP_CELL_RATE, .width = 7 },
    { .title = "LAG MAX", .member = "loop_turn_max_us", .kind = TP_CELL_US, .width = 7 },
    { .title = "TIMERS", .member = "timers", .kind = TP_CELL_NUMBER, .width = 7, .rank = 3 },
    { .title = "SLOW", .member = "slow_sessions", .kind = TP_CELL_NUMBER, .width = 4, .rank = 1 },
};

#define VIEW_COLUMNS(table) .columns = (table), .column_count = TP_COUNT_OF(table)

const struct tp_top_view tp__top_views[TP_TOP_VIEW_COUNT] = {
    [TP_TOP_SESSIONS] = { .name = "sessions", .uri = "/control/sessions", .array = "sessions",
                          VIEW_COLUMNS(session_columns), .keys = { "number" }, .sort = "IN/s" },
    [TP_TOP_ROUTES] = { .name = "routes", .array = "routes",
                        VIEW_COLUMNS(route_columns), .keys = { "server", "type", "uri" },
                        .sort = "REQ/s" },
    [TP_TOP_UPSTREAMS] = { .name = "upstreams", .array = "upstreams",
                           VIEW_COLUMNS(upstream_columns), .keys = { "upstream", "address" },
                           .sort = "REQ/s" },
    [TP_TOP_WORKERS] = { .name = "workers", .array = "workers",
                         VIEW_COLUMNS(worker_columns), .keys = { "slot" }, .sort = "SESSIONS" },
    [TP_TOP_INFLIGHT] = { .name = "inflight", .uri = "/control/inflight", .array = "exchanges",
                          .columns = tp__inflight_columns,
                          .column_count = TP_INFLIGHT_COLUMN_COUNT,
                          .keys = { "number", "by", "seq" }, .sort = "AGE" },
};

const struct tp_top_total_row tp__top_totals[TP_TOTAL_COUNT] = {
    [TP_TOTAL_SESSIONS] =    { "sessions",    NULL,      "totals.sessions" },
    [TP_TOTAL_IN_FLIGHT] =   { "in_flight",   "routes",  "in_flight" },
    [TP_TOTAL_REQUESTS] =    { "requests",    "routes",  "exchanges",        .is_rate = true },
    [TP_TOTAL_ERRORS] =      { "errors",      "routes",  "errors",           .is_rate = true },
    [TP_TOTAL_SLOW] =        { "slow",        "routes",  "slow",             .is_rate = true },
    [TP_TOTAL_PACKETS_IN] =  { "packets_in",  "traffic", "received_packets", .is_rate = true },
    [TP_TOTAL_PACKETS_OUT] = { "packets_out", "traffic", "sent_packets",     .is_rate = true },
    [TP_TOTAL_BYTES_IN] =    { "bytes_in",    "traffic", "received_bytes",   .is_rate = true },
    [TP_TOTAL_BYTES_OUT] =   { "bytes_out",   "traffic", "sent_bytes",       .is_rate = true },
    [TP_TOTAL_WORKERS] =     { "workers",     "workers", NULL },
    [TP_TOTAL_LOOP_P99] =    { "loop_p99_us", NULL,      "loops.turn.p99_us" },
    [TP_TOTAL_LOOP_MAX] =    { "loop_max_us", NULL,      "loops.turn.max_us" },
    [TP_TOTAL_UPTIME] =      { "uptime",      NULL,      "server.uptime_seconds" },
    [TP_TOTAL_GENERATION] =  { "generation",  NULL,      "server.generation" },
};
/* clang-format on */

enum tp_top_view_number
tp__top_view_find(const char *name)
{
    int view = 0;

    while (view < TP_TOP_VIEW_COUNT && strcmp(tp__top_views[view].name, name) != 0) {
        view++;
    }
    return (enum tp_top_view_number) view;
}

size_t
tp__top_column_find(const struct tp_top_view *view, const char *title)
{
    size_t column = 0;

    while (column < view->column_count && strcasecmp(view->columns[column].title, title) != 0) {
        column++;
    }
    return column;
}

void
tp__top_table_init(struct tp_top_table *table, const struct tp_top_view *view)
{
    table->sheet.columns = view->columns;
    table->sheet.column_count = view->column_count;
    memcpy(table->sheet.keys, view->keys, sizeof(table->sheet.keys));
    table->coming = table->sheet;
    table->sort = tp__top_column_find(view, view->sort);
}

void
tp__top_table_fini(struct tp_top_table *table)
{
    tp__sheet_fini(&table->sheet);
    tp__sheet_fini(&table->coming);
    free(table->shown);
    table->shown = NULL;
    table->shown_count = 0;
}

void
tp__top_table_turn_over(struct tp_top_table *table, uint64_t asked_ns)
{
    struct tp_sheet before = table->sheet;

    table->seconds = (double) (asked_ns - table->read_ns) / NS_PER_SECOND;
    table->has_rates =
        table->read_ns != 0 && tp__sheet_compare(&table->coming, &before, table->seconds) == TP_OK;
    table->read_ns = asked_ns;
    table->sheet = table->coming;
    table->coming.pages = NULL;
    table->coming.rows = NULL;
    table->coming.row_count = 0;
    table->coming.row_capacity = 0;
    table->coming.is_cut = false;
    table->shown_count = 0;
    tp__sheet_fini(&before);
}

/* Without memory for the filter nothing is shown, and the next reading tries again. */
void
tp__top_table_arrange(struct tp_top_table *table, const char *filter)
{
    size_t *shown = calloc(table->sheet.row_count + 1, sizeof(*shown));

    table->shown_count = 0;
    free(table->shown);
    table->shown = shown;
    if (shown == NULL) {
        return;
    }
    tp__sheet_sort(&table->sheet, table->sort, table->is_reversed);
    for (size_t at = 0; at < table->sheet.row_count; at++) {
        if (view_is_shown(table, at, filter)) {
            shown[table->shown_count++] = at;
        }
    }
}

const struct tp_sheet_row *
tp__top_table_selected(const struct tp_top_table *table, size_t *at)
{
    *at = 0;
    for (size_t i = 0; table->selected != 0 && i < table->shown_count; i++) {
        if (table->sheet.rows[table->shown[i]].key == table->selected) {
            *at = i;
            break;
        }
    }
    return table->shown_count == 0 ? NULL : &table->sheet.rows[table->shown[*at]];
}

bool
tp__top_detail_row(const struct tp_top *top, struct tp_sheet_row *row)
{
    const struct tp_sheet *sheet = &top->tables[top->view].sheet;

    for (size_t i = 0; i < sheet->row_count; i++) {
        if (sheet->rows[i].key == top->detail_key) {
            *row = sheet->rows[i];
            return true;
        }
    }
    return false;
}

double
tp__top_number(struct tp_str json, const char *path)
{
    char text[VIEW_NUMBER_MAX];
    struct tp_str value;
    char *end;

    if (!tp__sheet_find(json, path, &value)) {
        return NAN;
    }
    snprintf(text, sizeof(text), "%.*s", TP_STR_ARG(value));
    double number = strtod(text, &end);

    return end == text ? NAN : number;
}

static bool
view_is_shown(const struct tp_top_table *table, size_t at, const char *filter)
{
    return filter[0] == '\0' || tp__sheet_row_has(&table->sheet, &table->sheet.rows[at], filter);
}
