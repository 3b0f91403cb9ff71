/*
 * sheet.c - rows of JSON as columns for people.
 *
 * The JSON of a reading is kept as it came, and a row is slices of it: ten thousand rows are read
 * in a few milliseconds, and only those that are shown are made texts of.
 */
#include "cli/sheet.h"

#include "cli/json_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHEET_ROWS_FIRST = 64,
    SHEET_PATH_MAX = 64,
    SHEET_NUMBER_MAX = 40, /* bytes of a number that are looked at */
};

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

/* JSON as it came; rows point into it. */
struct tp_sheet_page {
    struct tp_sheet_page *next;
    size_t len;
    char text[];
};

/* Which row of the sheet before has a key. */
struct sheet_index {
    const struct tp_sheet_row **slots;
    size_t mask;
};

static enum tp_result sheet_make_room(struct tp_sheet *sheet);
static void sheet_read_row(const struct tp_sheet *sheet, struct tp_str json,
                           struct tp_sheet_row *row);
static void sheet_read_value(const struct tp_column *column, struct tp_str json,
                             struct tp_sheet_row *row, size_t at);
static uint64_t sheet_hash_key(const struct tp_sheet *sheet, struct tp_str json);
static double read_number(struct tp_str value);
static bool column_is_rate(const struct tp_column *column);
static bool row_is_older(const struct tp_sheet *sheet, const struct tp_sheet_row *row,
                         double seconds);
static bool index_make(struct sheet_index *index, const struct tp_sheet *sheet);
static const struct tp_sheet_row *index_find(const struct sheet_index *index, uint64_t key);
static int row_compare(const void *left, const void *right, void *how);
static const char *cell_figure(const struct tp_column *column, double number,
                               char text[TP_FIGURE_MAX]);
static bool path_find(struct tp_str row, const char *path, size_t len, struct tp_str *value);

/* How rows are compared while they are sorted. */
struct sheet_order {
    const struct tp_column *column;
    size_t at;
    bool is_reversed;
};

enum tp_result
tp__sheet_add(struct tp_sheet *sheet, struct tp_str array, size_t row_count_max)
{
    struct tp_sheet_page *page = malloc(sizeof(*page) + array.len);
    struct tp_json_cursor at;
    struct tp_str name, value;

    if (page == NULL) {
        return TP_NO_MEMORY;
    }
    page->len = array.len;
    memcpy(page->text, array.data, array.len);
    page->next = sheet->pages;
    sheet->pages = page;
    if (!tp__json_enter(&at, (struct tp_str){ page->text, page->len })) {
        return TP_OK;
    }
    while (!sheet->is_cut && tp__json_next(&at, &name, &value)) {
        sheet->is_cut = sheet->row_count == row_count_max;
        if (sheet->is_cut) {
            break;
        }
        if (sheet_make_room(sheet) != TP_OK) {
            return TP_NO_MEMORY;
        }
        sheet_read_row(sheet, value, &sheet->rows[sheet->row_count++]);
    }
    return TP_OK;
}

enum tp_result
tp__sheet_compare(struct tp_sheet *sheet, const struct tp_sheet *before, double seconds)
{
    struct sheet_index index;

    if (seconds <= 0 || !index_make(&index, before)) {
        return TP_NO_MEMORY;
    }
    for (size_t i = 0; i < sheet->row_count; i++) {
        struct tp_sheet_row *row = &sheet->rows[i];
        const struct tp_sheet_row *old = index_find(&index, row->key);
        bool is_unknown = old == NULL && row_is_older(sheet, row, seconds);

        for (size_t at = 0; at < sheet->column_count; at++) {
            double was = old == NULL || isnan(old->totals[at]) ? 0 : old->totals[at];
            /* What counts less than before has begun anew. */
            double more = row->totals[at] >= was ? row->totals[at] - was : row->totals[at];

            if (column_is_rate(&sheet->columns[at])) {
                row->numbers[at] = is_unknown ? NAN : more / seconds;
            }
        }
    }
    free(index.slots);
    return TP_OK;
}

void
tp__sheet_sort(struct tp_sheet *sheet, size_t column, bool is_reversed)
{
    struct sheet_order order = { &sheet->columns[column], column, is_reversed };

    if (sheet->row_count > 1) {
        qsort_r(sheet->rows, sheet->row_count, sizeof(sheet->rows[0]), row_compare, &order);
    }
}

size_t
tp__sheet_cell(const struct tp_sheet *sheet, const struct tp_sheet_row *row, size_t column,
               size_t width, char text[TP_SHEET_CELL_MAX])
{
    const struct tp_column *what = &sheet->columns[column];
    struct tp_str value = row->values[column];
    char words[TP_SHEET_CELL_MAX] = "";
    char figure[TP_FIGURE_MAX];
    const char *shown = words;

    if (what->write != NULL) {
        what->write(row->json, words, sizeof(words));
    } else if (tp__column_is_number(what)) {
        shown = isnan(row->numbers[column]) ? "-" : cell_figure(what, row->numbers[column], figure);
    } else if (tp__json_is_text(value)) {
        tp__json_unquote(value, words, sizeof(words));
    } else if (value.len > 0 && value.data[0] != 'n') {
        snprintf(words, sizeof(words), "%.*s", TP_STR_ARG(value));
    }
    return tp__screen_clean((struct tp_str){ shown, strlen(shown) }, width, text,
                            TP_SHEET_CELL_MAX);
}

bool
tp__sheet_row_has(const struct tp_sheet *sheet, const struct tp_sheet_row *row, const char *letters)
{
    char text[TP_SHEET_CELL_MAX];

    for (size_t at = 0; at < sheet->column_count; at++) {
        if (!tp__column_is_number(&sheet->columns[at])) {
            tp__sheet_cell(sheet, row, at, sizeof(text), text);
            if (strcasestr(text, letters) != NULL) {
                return true;
            }
        }
    }
    return false;
}

bool
tp__column_is_number(const struct tp_column *column)
{
    return column->kind != TP_CELL_TEXT;
}

void
tp__sheet_print(const struct tp_sheet *sheet, struct tp_screen *screen, size_t row_count_max)
{
    size_t widths[TP_SHEET_COLUMNS_MAX];
    size_t count = sheet->row_count < row_count_max ? sheet->row_count : row_count_max;
    char text[TP_SHEET_CELL_MAX];

    for (size_t at = 0; at < sheet->column_count; at++) {
        widths[at] = strlen(sheet->columns[at].title);
        for (size_t i = 0; i < count; i++) {
            size_t width = tp__sheet_cell(sheet, &sheet->rows[i], at, TP_SHEET_CELL_MAX, text);

            widths[at] = width > widths[at] ? width : widths[at];
        }
    }
    for (size_t i = 0; i <= count; i++) {
        tp__screen_color(screen, i == 0 ? TP_COLOR_NAME : TP_COLOR_NONE);
        for (size_t at = 0; at < sheet->column_count; at++) {
            const struct tp_column *column = &sheet->columns[at];
            size_t width = strlen(column->title);
            bool is_last = at + 1 == sheet->column_count;

            if (i == 0) {
                snprintf(text, sizeof(text), "%s", column->title);
            } else {
                width = tp__sheet_cell(sheet, &sheet->rows[i - 1], at, TP_SHEET_CELL_MAX, text);
            }
            int gap = (int) (widths[at] - width);
            bool is_right = tp__column_is_number(column);

            fprintf(screen->file, "%*s%s%*s", is_right ? gap : 0, "", text,
                    is_last ? 0 : (is_right ? 0 : gap) + 2, "");
        }
        fputc('\n', screen->file);
    }
}

void
tp__sheet_fini(struct tp_sheet *sheet)
{
    while (sheet->pages != NULL) {
        struct tp_sheet_page *page = sheet->pages;

        sheet->pages = page->next;
        free(page);
    }
    free(sheet->rows);
    sheet->rows = NULL;
    sheet->row_count = 0;
    sheet->row_capacity = 0;
    sheet->is_cut = false;
}

bool
tp__sheet_find(struct tp_str row, const char *path, struct tp_str *value)
{
    while (*path != '\0') {
        size_t len = strcspn(path, "|");

        if (path_find(row, path, len, value)) {
            return true;
        }
        path += len + (path[len] == '|');
    }
    return false;
}

static enum tp_result
sheet_make_room(struct tp_sheet *sheet)
{
    if (sheet->row_count < sheet->row_capacity) {
        return TP_OK;
    }
    size_t capacity = sheet->row_capacity == 0 ? SHEET_ROWS_FIRST : 2 * sheet->row_capacity;
    struct tp_sheet_row *rows = realloc(sheet->rows, capacity * sizeof(*rows));

    if (rows == NULL) {
        return TP_NO_MEMORY;
    }
    sheet->rows = rows;
    sheet->row_capacity = capacity;
    return TP_OK;
}

static void
sheet_read_row(const struct tp_sheet *sheet, struct tp_str json, struct tp_sheet_row *row)
{
    *row = (struct tp_sheet_row){ .json = json, .key = sheet_hash_key(sheet, json) };
    for (size_t at = 0; at < sheet->column_count; at++) {
        sheet_read_value(&sheet->columns[at], json, row, at);
    }
}

static void
sheet_read_value(const struct tp_column *column, struct tp_str json, struct tp_sheet_row *row,
                 size_t at)
{
    double number = NAN;

    if (column->member != NULL && tp__sheet_find(json, column->member, &row->values[at])
        && tp__column_is_number(column)) {
        number = read_number(row->values[at]);
    }
    row->numbers[at] = column_is_rate(column) ? NAN : number;
    row->totals[at] = number;
}

/* Rows are few and hashes have 64 bits: two that share one would share a rate, and do not. */
static uint64_t
sheet_hash_key(const struct tp_sheet *sheet, struct tp_str json)
{
    uint64_t hash = FNV_BASIS;

    for (size_t i = 0; i < TP_SHEET_KEYS_MAX && sheet->keys[i] != NULL; i++) {
        struct tp_str value = TP_STR("");

        tp__sheet_find(json, sheet->keys[i], &value);
        for (size_t at = 0; at < value.len; at++) {
            hash = (hash ^ (uint8_t) value.data[at]) * FNV_PRIME;
        }
        hash *= FNV_PRIME;
    }
    return hash;
}

static double
read_number(struct tp_str value)
{
    char text[SHEET_NUMBER_MAX];
    char *end;

    snprintf(text, sizeof(text), "%.*s", TP_STR_ARG(value));
    double number = strtod(text, &end);

    return end == text ? NAN : number;
}

static bool
column_is_rate(const struct tp_column *column)
{
    return column->kind == TP_CELL_RATE || column->kind == TP_CELL_SIZE_RATE;
}

/* It was there then, though the sheet before had no room for it. */
static bool
row_is_older(const struct tp_sheet *sheet, const struct tp_sheet_row *row, double seconds)
{
    for (size_t at = 0; at < sheet->column_count; at++) {
        if (sheet->columns[at].kind == TP_CELL_SECONDS) {
            return row->numbers[at] > seconds;
        }
    }
    return false;
}

static bool
index_make(struct sheet_index *index, const struct tp_sheet *sheet)
{
    size_t size = 2;

    while (size < 2 * sheet->row_count) {
        size *= 2;
    }
    index->slots = calloc(size, sizeof(const struct tp_sheet_row *));
    index->mask = size - 1;
    for (size_t i = 0; index->slots != NULL && i < sheet->row_count; i++) {
        size_t slot = sheet->rows[i].key & index->mask;

        while (index->slots[slot] != NULL) {
            slot = (slot + 1) & index->mask;
        }
        index->slots[slot] = &sheet->rows[i];
    }
    return index->slots != NULL;
}

static const struct tp_sheet_row *
index_find(const struct sheet_index *index, uint64_t key)
{
    size_t slot = key & index->mask;

    while (index->slots[slot] != NULL && index->slots[slot]->key != key) {
        slot = (slot + 1) & index->mask;
    }
    return index->slots[slot];
}

/* What has no number comes last, whatever the order is; equals stay in an order of their own. */
static int
row_compare(const void *left, const void *right, void *how)
{
    const struct sheet_order *order = how;
    const struct tp_sheet_row *one = left;
    const struct tp_sheet_row *other = right;
    double less = one->numbers[order->at];
    double more = other->numbers[order->at];
    int result = 0;

    if (!tp__column_is_number(order->column)) {
        const struct tp_str *first = &one->values[order->at];
        const struct tp_str *second = &other->values[order->at];
        size_t len = first->len < second->len ? first->len : second->len;

        result = len == 0 ? 0 : memcmp(first->data, second->data, len);
        if (result == 0) {
            result = (first->len > second->len) - (first->len < second->len);
        }
    } else if (isnan(less) || isnan(more)) {
        int where = isnan(less) - isnan(more);

        result = order->is_reversed ? -where : where;
    } else {
        result = (less < more) - (less > more);
    }
    result = order->is_reversed ? -result : result;
    return result != 0 ? result : (one->key > other->key) - (one->key < other->key);
}

static const char *
cell_figure(const struct tp_column *column, double number, char text[TP_FIGURE_MAX])
{
    switch (column->kind) {
    case TP_CELL_SIZE:
    case TP_CELL_SIZE_RATE:
        return tp__figure_size(number, text);
    case TP_CELL_SECONDS:
        return tp__figure_seconds(number, text);
    case TP_CELL_US:
    case TP_CELL_DURATION:
        /* Nothing takes no time: nothing was measured. */
        return number == 0
                   ? "-"
                   : tp__figure_us(column->kind == TP_CELL_US ? number : number * 1e6, text);
    case TP_CELL_NUMBER:
        snprintf(text, TP_FIGURE_MAX, "%.0f", number);
        return text;
    case TP_CELL_TEXT:
    case TP_CELL_RATE:
        break;
    }
    return tp__figure_count(number, text);
}

/* "duration.p99_us": one member after the other. */
static bool
path_find(struct tp_str row, const char *path, size_t len, struct tp_str *value)
{
    char name[SHEET_PATH_MAX];
    struct tp_str at = row;
    const char *end = path + len;

    while (path < end) {
        size_t part = strcspn(path, ".|");

        snprintf(name, sizeof(name), "%.*s", (int) part, path);
        if (!tp__json_find(at, name, &at)) {
            return false;
        }
        path += part + (path + part < end);
    }
    *value = at;
    return true;
}
