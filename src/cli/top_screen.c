/*
 * top_screen.c - a screen of what was read: totals, the views, a table, a line for messages.
 *
 * A screen is made in memory and written with one call, each line of it cut to the terminal's
 * width.  What is narrow loses columns, those first that matter least; what is low loses totals.
 * Texts from the net pass tp__screen_clean(), so that no terminal obeys them.
 *
 * Read next: sheet.c (cells), top_keys.c.
 */
#include "cli/top.h"

#include "cli/json_read.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCREEN_LINE_MAX = 4096, /* bytes */
    SCREEN_HEAD_LINES = 3,
    SCREEN_LOW_ROWS = 12, /* with fewer rows there are no totals */
    SCREEN_FOOT_LINES = 1,
    SCREEN_TITLE_LINES = 2, /* the views, and the titles of columns */
    SCREEN_DETAIL_NAME = 17,
    SCREEN_DETAIL_COLUMNS = 40, /* of a member: where there is room for two, two are in a line */
};

/* A screen in the making. */
struct drawing {
    struct tp_top *top;      /* where its tables stand follows from what fits */
    struct tp_screen screen; /* to memory */
    unsigned line;           /* lines that are whole */
    size_t left;             /* columns of the line that are free */
};

/* Which columns of a table fit, and how wide each is. */
struct layout {
    size_t widths[TP_SHEET_COLUMNS_MAX]; /* 0: it is not shown */
};

static void draw_head(struct drawing *drawing);
static void draw_totals(struct drawing *drawing);
static void draw_total(struct drawing *drawing, const char *name, enum tp_top_total total,
                       char *(*figure)(double number, char text[TP_FIGURE_MAX]), const char *unit,
                       enum tp_color color);
static void draw_views(struct drawing *drawing);
static void draw_table(struct drawing *drawing, struct tp_top_table *table, size_t room,
                       bool has_selection);
static void draw_titles(struct drawing *drawing, const struct tp_top_table *table,
                        const struct layout *layout);
static void draw_row(struct drawing *drawing, const struct tp_top_table *table,
                     const struct layout *layout, const struct tp_sheet_row *row);
static void draw_detail(struct drawing *drawing);
static size_t detail_gap(const struct drawing *drawing, size_t to_come, size_t in_line);
static void draw_member(struct drawing *drawing, struct tp_str name, struct tp_str value,
                        size_t room);
static void draw_help(struct drawing *drawing);
static void draw_foot(struct drawing *drawing);
static void draw_text(struct drawing *drawing, enum tp_color color, const char *format, ...)
    TP_PRINTF(3, 4);
static void draw_gap(struct drawing *drawing, size_t columns);
static void draw_end_line(struct drawing *drawing);
static void layout_make(struct layout *layout, const struct tp_sheet *sheet, size_t columns);
static size_t layout_width(const struct layout *layout);
static size_t column_width(const struct tp_column *column);
static void table_scroll(struct tp_top_table *table, size_t room);
static bool screen_is_low(const struct tp_top *top);

void
tp__top_draw(struct tp_top *top)
{
    struct drawing drawing = { .top = top, .screen = top->client.output };
    char *text = NULL;
    size_t len = 0;

    drawing.screen.file = open_memstream(&text, &len);
    if (drawing.screen.file == NULL) {
        return;
    }
    drawing.left = top->columns;
    fputs("\033[H", drawing.screen.file);
    draw_head(&drawing);
    if (top->mode == TP_TOP_HELP) {
        draw_help(&drawing);
    } else if (top->mode == TP_TOP_DETAIL) {
        draw_detail(&drawing);
    } else {
        draw_table(&drawing, &top->tables[top->view], tp__top_row_room(top), true);
    }
    while (drawing.line + SCREEN_FOOT_LINES < top->rows) {
        draw_end_line(&drawing);
    }
    draw_foot(&drawing);
    fputs("\033[K", drawing.screen.file);
    fclose(drawing.screen.file);
    fwrite(text, 1, len, stdout);
    fflush(stdout);
    free(text);
}

size_t
tp__top_row_room(const struct tp_top *top)
{
    unsigned taken =
        SCREEN_TITLE_LINES + SCREEN_FOOT_LINES + (screen_is_low(top) ? 1 : SCREEN_HEAD_LINES);

    return top->rows > taken ? top->rows - taken : 0;
}

static void
draw_head(struct drawing *drawing)
{
    const struct tp_top *top = drawing->top;
    const double *values = top->totals.values;
    char figure[TP_FIGURE_MAX];

    draw_text(drawing, TP_COLOR_NAME, "tp top");
    draw_text(drawing, TP_COLOR_NONE, "  %s", top->client.settings->address);
    if (top->has_stats && !isnan(values[TP_TOTAL_UPTIME])) {
        draw_text(drawing, TP_COLOR_NONE, "  up %s",
                  tp__figure_seconds(values[TP_TOTAL_UPTIME], figure));
    }
    draw_text(drawing, TP_COLOR_NONE, "  every %s",
              tp__figure_us((double) top->interval_ms * 1000, figure));
    if (top->is_paused) {
        draw_text(drawing, TP_COLOR_BAD, "  PAUSED");
    }
    draw_end_line(drawing);
    if (!screen_is_low(top)) {
        draw_totals(drawing);
    }
    draw_views(drawing);
}

static void
draw_totals(struct drawing *drawing)
{
    const struct tp_top *top = drawing->top;

    if (!top->has_stats) {
        draw_text(drawing, TP_COLOR_FAINT,
                  top->reading_count == 0 ? "reading ..." : "this server gives no statistics");
        draw_end_line(drawing);
        draw_end_line(drawing);
        return;
    }
    draw_total(drawing, "sessions", TP_TOTAL_SESSIONS, tp__figure_count, "", TP_COLOR_NONE);
    draw_total(drawing, "in flight", TP_TOTAL_IN_FLIGHT, tp__figure_count, "", TP_COLOR_NONE);
    draw_total(drawing, "packets in", TP_TOTAL_PACKETS_IN, tp__figure_count, "/s", TP_COLOR_NONE);
    draw_total(drawing, "out", TP_TOTAL_PACKETS_OUT, tp__figure_count, "/s", TP_COLOR_NONE);
    draw_total(drawing, "bytes in", TP_TOTAL_BYTES_IN, tp__figure_size, "/s", TP_COLOR_NONE);
    draw_total(drawing, "out", TP_TOTAL_BYTES_OUT, tp__figure_size, "/s", TP_COLOR_NONE);
    draw_end_line(drawing);
    draw_total(drawing, "requests", TP_TOTAL_REQUESTS, tp__figure_count, "/s", TP_COLOR_NONE);
    draw_total(drawing, "errors", TP_TOTAL_ERRORS, tp__figure_count, "/s", TP_COLOR_BAD);
    draw_total(drawing, "slow", TP_TOTAL_SLOW, tp__figure_count, "/s", TP_COLOR_BAD);
    draw_total(drawing, "workers", TP_TOTAL_WORKERS, tp__figure_count, "", TP_COLOR_NONE);
    draw_total(drawing, "loop p99", TP_TOTAL_LOOP_P99, tp__figure_us, "", TP_COLOR_NONE);
    draw_total(drawing, "max", TP_TOTAL_LOOP_MAX, tp__figure_us, "", TP_COLOR_NONE);
    draw_end_line(drawing);
}

/* `color` is for what is not 0. */
static void
draw_total(struct drawing *drawing, const char *name, enum tp_top_total total,
           char *(*figure)(double number, char text[TP_FIGURE_MAX]), const char *unit,
           enum tp_color color)
{
    double value = drawing->top->totals.values[total];
    char text[TP_FIGURE_MAX];

    draw_text(drawing, TP_COLOR_FAINT, "%s ", name);
    draw_text(drawing, value > 0 ? color : TP_COLOR_NONE, "%s%s  ",
              isnan(value) ? "-" : figure(value, text), isnan(value) ? "" : unit);
}

static void
draw_views(struct drawing *drawing)
{
    const struct tp_top *top = drawing->top;
    const struct tp_top_table *table = &top->tables[top->view];

    for (int view = 0; view < TP_TOP_VIEW_COUNT; view++) {
        bool is_it = view == (int) top->view;

        draw_text(drawing, is_it ? TP_COLOR_NAME : TP_COLOR_FAINT, "%s%d %s%s", is_it ? "[" : " ",
                  view + 1, tp__top_views[view].name, is_it ? "]" : " ");
    }
    draw_text(drawing, TP_COLOR_NONE, "  %zu%s", table->sheet.row_count,
              table->has_more ? " of more" : "");
    if (top->filter[0] != '\0') {
        draw_text(drawing, TP_COLOR_TEXT, "  /%s: %zu", top->filter, table->shown_count);
    }
    draw_end_line(drawing);
}

static void
draw_table(struct drawing *drawing, struct tp_top_table *table, size_t room, bool has_selection)
{
    struct layout layout;
    size_t selected;

    layout_make(&layout, &table->sheet, drawing->top->columns);
    draw_titles(drawing, table, &layout);
    table_scroll(table, room);
    tp__top_table_selected(table, &selected);
    for (size_t i = table->first; i < table->shown_count && i < table->first + room; i++) {
        bool is_selected = has_selection && i == selected;

        fputs(is_selected ? "\033[7m" : "", drawing->screen.file);
        draw_row(drawing, table, &layout, &table->sheet.rows[table->shown[i]]);
        if (is_selected) {
            draw_gap(drawing, drawing->left);
            fputs("\033[0m", drawing->screen.file);
        }
        draw_end_line(drawing);
    }
}

/* The one that rows are sorted by is marked. */
static void
draw_titles(struct drawing *drawing, const struct tp_top_table *table, const struct layout *layout)
{
    for (size_t at = 0; at < table->sheet.column_count; at++) {
        const struct tp_column *column = &table->sheet.columns[at];
        bool is_it = at == table->sort;
        size_t width = strlen(column->title) + (is_it ? 1 : 0);

        if (layout->widths[at] == 0) {
            continue;
        }
        bool is_right = tp__column_is_number(column);
        size_t gap = layout->widths[at] > width ? layout->widths[at] - width : 0;

        draw_gap(drawing, is_right ? gap : 0);
        draw_text(drawing, is_it ? TP_COLOR_GOOD : TP_COLOR_NAME, "%s%s", column->title,
                  !is_it               ? ""
                  : table->is_reversed ? "^"
                                       : "v");
        draw_gap(drawing, (is_right ? 0 : gap) + 1);
    }
    draw_end_line(drawing);
}

static void
draw_row(struct drawing *drawing, const struct tp_top_table *table, const struct layout *layout,
         const struct tp_sheet_row *row)
{
    char text[TP_SHEET_CELL_MAX];

    for (size_t at = 0; at < table->sheet.column_count; at++) {
        size_t room = layout->widths[at];

        if (room == 0) {
            continue;
        }
        size_t width = tp__sheet_cell(&table->sheet, row, at, room, text);
        bool is_right = tp__column_is_number(&table->sheet.columns[at]);
        size_t gap = room > width ? room - width : 0;

        draw_gap(drawing, is_right ? gap : 0);
        if (width <= drawing->left) {
            fputs(text, drawing->screen.file);
            drawing->left -= width;
        }
        draw_gap(drawing, (is_right ? 0 : gap) + 1);
    }
}

/* All that the server says of the row, and what its session has in flight. */
static void
draw_detail(struct drawing *drawing)
{
    struct tp_top *top = drawing->top;
    struct tp_top_table *flight = &top->detail;
    struct tp_sheet_row row = { .key = 0 };
    struct tp_str name, value;
    struct tp_json_cursor at;

    draw_text(drawing, TP_COLOR_NAME, "Escape: back");
    draw_end_line(drawing);
    if (!tp__top_detail_row(top, &row) || !tp__json_enter(&at, row.json)) {
        draw_text(drawing, TP_COLOR_BAD, "It is not there any more.");
        draw_end_line(drawing);
        return;
    }
    size_t in_line = top->columns / SCREEN_DETAIL_COLUMNS;

    in_line = in_line == 0 ? 1 : in_line;
    for (size_t i = 0; tp__json_next(&at, &name, &value); i++) {
        size_t place = i % in_line;

        if (place == 0 && i > 0) {
            draw_end_line(drawing);
        }
        draw_gap(drawing, place == 0 ? 0 : detail_gap(drawing, in_line - place, in_line));
        draw_member(drawing, name, value, top->columns / in_line);
    }
    draw_end_line(drawing);
    if (top->target == 0 || drawing->line + SCREEN_FOOT_LINES + SCREEN_TITLE_LINES >= top->rows) {
        return;
    }
    draw_text(drawing, TP_COLOR_NAME, "in flight: %zu", flight->sheet.row_count);
    draw_end_line(drawing);
    draw_table(drawing, flight, top->rows - drawing->line - SCREEN_FOOT_LINES - 1, false);
}

/* To where the members begin that are still to come in this line. */
static size_t
detail_gap(const struct drawing *drawing, size_t to_come, size_t in_line)
{
    size_t behind = to_come * (drawing->top->columns / in_line);

    return drawing->left > behind ? drawing->left - behind : 0;
}

/* In at most `room` columns. */
static void
draw_member(struct drawing *drawing, struct tp_str name, struct tp_str value, size_t room)
{
    char words[TP_SHEET_CELL_MAX];
    char clean[TP_SHEET_CELL_MAX];

    tp__json_unquote(name, words, sizeof(words));
    draw_text(drawing, TP_COLOR_FAINT, "%-*.*s ", SCREEN_DETAIL_NAME, SCREEN_DETAIL_NAME, words);
    if (tp__json_is_text(value)) {
        tp__json_unquote(value, words, sizeof(words));
    } else {
        snprintf(words, sizeof(words), "%.*s", TP_STR_ARG(value));
    }
    tp__screen_clean((struct tp_str){ words, strlen(words) },
                     room > SCREEN_DETAIL_NAME + 2 ? room - SCREEN_DETAIL_NAME - 2 : 0, clean,
                     sizeof(clean));
    draw_text(drawing, TP_COLOR_NONE, "%s", clean);
}

static void
draw_help(struct drawing *drawing)
{
    static const char *const lines[] = {
        "arrows, Page Up/Down, Home, End   choose a row",
        "Tab, 1 to 5                       choose what is shown",
        "s, r                              sort by the next column; turn the order round",
        "/                                 filter: rows with these letters in a text; Escape: all",
        "Enter                             all of a row, and what its session has in flight",
        "k                                 close the chosen session, after y",
        "p                                 pause, and go on",
        "+ -                               a longer or a shorter interval",
        "q                                 quit",
        "",
        "Numbers with /s are of each second, the others are of now; P50 and P99 of all time.",
        "FLY: in flight. QUEUE, Q AGE: what waits to be sent, and for how long. W: worker.",
    };

    for (size_t i = 0; i < TP_COUNT_OF(lines); i++) {
        if (drawing->line + SCREEN_FOOT_LINES < drawing->top->rows) {
            draw_text(drawing, TP_COLOR_NONE, "%s", lines[i]);
            draw_end_line(drawing);
        }
    }
}

static void
draw_foot(struct drawing *drawing)
{
    const struct tp_top *top = drawing->top;

    switch (top->mode) {
    case TP_TOP_CONFIRM:
        draw_text(drawing, TP_COLOR_BAD, "close session %" PRIu64 "? y: yes", top->target);
        return;
    case TP_TOP_FILTER:
        draw_text(drawing, TP_COLOR_TEXT, "filter: %s_", top->filter);
        return;
    case TP_TOP_TABLE:
    case TP_TOP_DETAIL:
    case TP_TOP_HELP:
        break;
    }
    if (top->message[0] != '\0') {
        draw_text(drawing, TP_COLOR_BAD, "%s", top->message);
        return;
    }
    draw_text(drawing, TP_COLOR_FAINT,
              "?help q)uit s)ort r)everse /filter Enter k)close p)ause +- Tab");
}

/* As much of it as fits the line. */
static void
draw_text(struct drawing *drawing, enum tp_color color, const char *format, ...)
{
    char text[SCREEN_LINE_MAX];
    char clean[SCREEN_LINE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t width = tp__screen_clean((struct tp_str){ text, strlen(text) }, drawing->left, clean,
                                    sizeof(clean));

    tp__screen_color(&drawing->screen, color);
    fputs(clean, drawing->screen.file);
    tp__screen_color(&drawing->screen, TP_COLOR_NONE);
    drawing->left -= width < drawing->left ? width : drawing->left;
}

static void
draw_gap(struct drawing *drawing, size_t columns)
{
    size_t width = columns < drawing->left ? columns : drawing->left;

    fprintf(drawing->screen.file, "%*s", (int) width, "");
    drawing->left -= width;
}

/* The last line of the screen is the foot's: a line end there would scroll. */
static void
draw_end_line(struct drawing *drawing)
{
    if (drawing->line + SCREEN_FOOT_LINES >= drawing->top->rows) {
        /* No room: what comes is written over it. */
        fputs("\r", drawing->screen.file);
    } else {
        fputs("\033[K\r\n", drawing->screen.file);
        drawing->line++;
    }
    drawing->left = drawing->top->columns;
}

/* Drops columns until the rest fits, and gives those that grow what is left. */
static void
layout_make(struct layout *layout, const struct tp_sheet *sheet, size_t columns)
{
    size_t growing = 0;

    for (size_t at = 0; at < sheet->column_count; at++) {
        layout->widths[at] = column_width(&sheet->columns[at]);
    }
    for (size_t at = sheet->column_count; at < TP_SHEET_COLUMNS_MAX; at++) {
        layout->widths[at] = 0;
    }
    for (;;) {
        size_t least = sheet->column_count;

        for (size_t at = 0; at < sheet->column_count; at++) {
            if (layout->widths[at] > 0 && sheet->columns[at].rank > 0
                && (least == sheet->column_count
                    || sheet->columns[at].rank >= sheet->columns[least].rank)) {
                least = at;
            }
        }
        if (least == sheet->column_count || layout_width(layout) <= columns + 1) {
            break;
        }
        layout->widths[least] = 0;
    }
    for (size_t at = 0; at < sheet->column_count; at++) {
        growing += layout->widths[at] > 0 && sheet->columns[at].grows ? 1 : 0;
    }
    size_t width = layout_width(layout);

    for (size_t at = 0; at < sheet->column_count && growing > 0 && width < columns; at++) {
        if (layout->widths[at] > 0 && sheet->columns[at].grows) {
            layout->widths[at] += (columns - width) / growing;
        }
    }
}

/* Each has a gap behind it, the last one may do without. */
static size_t
layout_width(const struct layout *layout)
{
    size_t width = 0;

    for (size_t at = 0; at < TP_SHEET_COLUMNS_MAX; at++) {
        width += layout->widths[at] > 0 ? layout->widths[at] + 1 : 0;
    }
    return width;
}

/* Its title fits it, with the mark of what rows are sorted by. */
static size_t
column_width(const struct tp_column *column)
{
    size_t title = strlen(column->title);

    return column->width > title ? column->width : title;
}

/* So that the row that is selected can be seen. */
static void
table_scroll(struct tp_top_table *table, size_t room)
{
    size_t selected;

    tp__top_table_selected(table, &selected);
    if (selected < table->first) {
        table->first = selected;
    }
    if (room > 0 && selected >= table->first + room) {
        table->first = selected - room + 1;
    }
    size_t most = table->shown_count > room ? table->shown_count - room : 0;

    table->first = table->first < most ? table->first : most;
}

static bool
screen_is_low(const struct tp_top *top)
{
    return top->rows < SCREEN_LOW_ROWS;
}
