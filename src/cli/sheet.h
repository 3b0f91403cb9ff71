/*
 * cli/sheet.h - what a server says in rows, laid out by a table of columns: texts that are safe on
 * a terminal, numbers in units that people read, and rates, which are the differences of two
 * readings.
 *
 * A row is an object in JSON; a column names the member that it shows.
 *
 * Read next: show.h, terminal.h.
 */
#ifndef TP_CLI_SHEET_H
#define TP_CLI_SHEET_H

#include "cli/terminal.h"

#include <teleport/base.h>

enum {
    TP_SHEET_COLUMNS_MAX = 20,
    TP_SHEET_CELL_MAX = 512, /* bytes of a cell, with its terminator */
    TP_SHEET_KEYS_MAX = 4,
};

/* What a column shows of a member, and how. */
enum tp_cell_kind {
    TP_CELL_TEXT,
    TP_CELL_NUMBER,
    TP_CELL_SIZE,      /* bytes */
    TP_CELL_SECONDS,   /* an age */
    TP_CELL_US,        /* a duration in microseconds */
    TP_CELL_DURATION,  /* …in seconds, which are a small part of one */
    TP_CELL_RATE,      /* how much more it is each second */
    TP_CELL_SIZE_RATE, /* the same, of bytes */
};

struct tp_column {
    const char *title;
    const char *member; /* "age", "duration.p99_us"; with '|' behind it, one that stands for it */
    enum tp_cell_kind kind;
    unsigned width; /* columns of a terminal */
    bool grows;     /* gets what room there is besides */
    unsigned rank;  /* 0: always shown; of the others the largest goes first where it is narrow */

    /* Writes the cell instead, in words; or NULL. */
    void (*write)(struct tp_str row, char *text, size_t size);
};

/* A row; all slices are in the JSON that the sheet keeps. */
struct tp_sheet_row {
    struct tp_str json;
    uint64_t key; /* a hash of what tells it from others */
    struct tp_str values[TP_SHEET_COLUMNS_MAX];
    double numbers[TP_SHEET_COLUMNS_MAX]; /* NaN: there is none; of a rate, once it is known */
    double totals[TP_SHEET_COLUMNS_MAX];  /* of a rate: what it is the rate of */
};

struct tp_sheet_page;

/* All zeros but the columns is a sheet without rows. */
struct tp_sheet {
    const struct tp_column *columns;
    size_t column_count;
    const char *keys[TP_SHEET_KEYS_MAX]; /* members that tell a row from others; NULL ends them */
    struct tp_sheet_page *pages;
    struct tp_sheet_row *rows;
    size_t row_count;
    size_t row_capacity;
    bool is_cut; /* there were more than were to be added */
};

/* Adds the rows of `array`, valid JSON, at most so many.  TP_NO_MEMORY. */
enum tp_result tp__sheet_add(struct tp_sheet *sheet, struct tp_str array,
                             size_t row_count_max) TP_MUST_CHECK;

/*
 * Rates become known: a row that was not in the sheet of `seconds` before has begun with nothing,
 * unless its age says that it was there; its rates are not known then.
 * TP_NO_MEMORY: they stay unknown.
 */
enum tp_result tp__sheet_compare(struct tp_sheet *sheet, const struct tp_sheet *before,
                                 double seconds);

/* Orders the rows by a column: texts by their letters, numbers by size, the largest first. */
void tp__sheet_sort(struct tp_sheet *sheet, size_t column, bool is_reversed);

/* The cell as it is shown, at most `width` columns wide; returns how wide it is. */
size_t tp__sheet_cell(const struct tp_sheet *sheet, const struct tp_sheet_row *row, size_t column,
                      size_t width, char text[TP_SHEET_CELL_MAX]);

/* Does a text of the row have these letters, in whatever case? */
bool tp__sheet_row_has(const struct tp_sheet *sheet, const struct tp_sheet_row *row,
                       const char *letters);

/* Are its cells numbers, which stand at the right? */
bool tp__column_is_number(const struct tp_column *column);

/* Prints titles and rows, each column as wide as it needs to be. */
void tp__sheet_print(const struct tp_sheet *sheet, struct tp_screen *screen, size_t row_count_max);

void tp__sheet_fini(struct tp_sheet *sheet);

/* A value of `row` by its path: "duration.p99_us", "listen|dial".  False: there is none. */
bool tp__sheet_find(struct tp_str row, const char *path, struct tp_str *value);

/* Numbers for people: 12.3k; 1.5m bytes; 3m07s; 4.56ms.  Each returns `text`. */
enum {
    TP_FIGURE_MAX = 32,
};
char *tp__figure_count(double number, char text[TP_FIGURE_MAX]);
char *tp__figure_size(double bytes, char text[TP_FIGURE_MAX]);
char *tp__figure_seconds(double seconds, char text[TP_FIGURE_MAX]);
char *tp__figure_us(double microseconds, char text[TP_FIGURE_MAX]);

#endif
