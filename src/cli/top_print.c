/*
 * top_print.c - tp top --batch and --json: what was read, for scripts and programs.
 */
#include "cli/top.h"

#include "cli/json_read.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void print_batch(struct tp_top *top);
static void print_json(struct tp_top *top);
static void print_totals(FILE *file, const struct tp_top_totals *totals);
static void print_row(FILE *file, const struct tp_sheet *sheet, const struct tp_sheet_row *row);
static void print_number(FILE *file, double number);

/* The first reading has no rates, and is not printed: --count counts those that are. */
void
tp__top_print(struct tp_top *top)
{
    int64_t count = top->client.settings->count;

    tp__top_table_arrange(&top->tables[top->reading], "");
    if (top->client.settings->is_json) {
        print_json(top);
    } else {
        print_batch(top);
    }
    fflush(top->client.output.file);
    if (count != 0 && top->reading_count > (size_t) count) {
        top->is_done = true;
    }
}

static void
print_batch(struct tp_top *top)
{
    struct tp_top_table *table = &top->tables[top->reading];
    FILE *file = top->client.output.file;
    char figure[TP_FIGURE_MAX];

    if (top->reading_count > 2) {
        fputc('\n', file);
    }
    fprintf(file, "%s: %zu%s", tp__top_views[top->reading].name, table->sheet.row_count,
            table->has_more ? " and more" : "");
    for (size_t i = 0; i < TP_TOTAL_COUNT && top->has_stats; i++) {
        if (tp__top_totals[i].is_rate && !isnan(top->totals.values[i])) {
            fprintf(file, ", %s/s %s", tp__top_totals[i].name,
                    tp__figure_count(top->totals.values[i], figure));
        }
    }
    fputc('\n', file);
    tp__sheet_print(&table->sheet, &top->client.output, (size_t) top->client.settings->limit);
}

static void
print_json(struct tp_top *top)
{
    struct tp_top_table *table = &top->tables[top->reading];
    size_t limit = (size_t) top->client.settings->limit;
    FILE *file = top->client.output.file;

    fprintf(file, "{\"view\":\"%s\",\"seconds\":%.3f,\"has_more\":%s",
            tp__top_views[top->reading].name, table->seconds, table->has_more ? "true" : "false");
    if (top->has_stats) {
        print_totals(file, &top->totals);
    }
    fputs(",\"rows\":[", file);
    for (size_t i = 0; i < table->sheet.row_count && i < limit; i++) {
        fputs(i > 0 ? "," : "", file);
        print_row(file, &table->sheet, &table->sheet.rows[i]);
    }
    fputs("]}\n", file);
}

static void
print_totals(FILE *file, const struct tp_top_totals *totals)
{
    fputs(",\"totals\":{", file);
    for (size_t i = 0; i < TP_TOTAL_COUNT; i++) {
        fprintf(file, "%s\"%s%s\":", i > 0 ? "," : "", tp__top_totals[i].name,
                tp__top_totals[i].is_rate ? "_per_second" : "");
        print_number(file, totals->values[i]);
    }
    fputs("}", file);
}

/* The row as it came, and its rates by the names of what they are the rates of. */
static void
print_row(FILE *file, const struct tp_sheet *sheet, const struct tp_sheet_row *row)
{
    const char *comma = "";

    if (row->json.len < 2) {
        fputs("{}", file);
        return;
    }
    tp__json_write_value(file, (struct tp_str){ row->json.data, row->json.len - 1 });
    fputs(",\"per_second\":{", file);
    for (size_t at = 0; at < sheet->column_count; at++) {
        enum tp_cell_kind kind = sheet->columns[at].kind;

        if ((kind == TP_CELL_RATE || kind == TP_CELL_SIZE_RATE) && !isnan(row->numbers[at])) {
            fprintf(file, "%s\"%s\":", comma, sheet->columns[at].member);
            print_number(file, row->numbers[at]);
            comma = ",";
        }
    }
    fputs("}}", file);
}

static void
print_number(FILE *file, double number)
{
    if (isnan(number)) {
        fputs("null", file);
    } else if (number == floor(number) && fabs(number) < 1e15) {
        fprintf(file, "%" PRId64, (int64_t) number);
    } else {
        fprintf(file, "%.3f", number);
    }
}
