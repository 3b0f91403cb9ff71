/*
 * control.c - tp sessions and tp close: what an operator asks a server's control module.
 *
 * They PULL /control/sessions and /control/close like anybody could; here the pages are put
 * together and laid out.  The columns are what the server says of a session, so that a newer
 * server's are shown by an older client.
 *
 * Read next: ask.c, inflight.c, json_read.c.
 */
#include "cli/ask.h"
#include "cli/json_read.h"
#include "cli/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONTROL_COLUMNS_MAX = 24,
    CONTROL_CELL_MAX = 128, /* bytes of a cell that are shown */
    CONTROL_PAGES_MAX = 1000000,
};

/* Pages are kept until all have come, because the widest cell of a column is not known before. */
struct control_table {
    struct tp_client client;
    struct tp_bytes rows; /* objects in JSON, one behind the other, each ended by a line feed */
    size_t row_count;
    size_t column_count;
    char names[CONTROL_COLUMNS_MAX][CONTROL_CELL_MAX];
    size_t widths[CONTROL_COLUMNS_MAX];
};

static enum tp_exit_code sessions_run(const struct tp_settings *settings);
static enum tp_exit_code close_run(const struct tp_settings *settings);
static enum tp_exit_code sessions_fetch(struct control_table *table);
static void sessions_write_request(FILE *file, const struct tp_settings *settings,
                                   struct tp_str cursor);
static enum tp_exit_code sessions_take_page(struct control_table *table, struct tp_str page,
                                            char *cursor, size_t cursor_size);
static enum tp_result table_add(struct control_table *table, struct tp_str row);
static void table_measure(struct control_table *table, struct tp_str row);
static void table_print(struct control_table *table);
static void table_print_row(struct control_table *table, struct tp_str row);
static void table_print_cell(struct control_table *table, size_t column, const char *text,
                             bool is_last);
static bool table_next_row(struct tp_str *rest, struct tp_str *row);
static const char *cell_text(struct tp_str value, char *text);
static void close_write_request(FILE *file, const struct tp_settings *settings);

const struct tp_command tp__command_sessions = {
    .name = "sessions",
    .operands = "[ADDRESS]",
    .brief = "Lists the sessions of a server, whatever worker has them.",
    .manual =
        "ADDRESS is where the server's control module is reached, best a Unix socket that only "
        "the operator can open; TELEPORT_CONTROL says it once for all.\n\n"
        "With --json each session is an object on a line.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_JSON | TP_OPTIONS_SESSIONS,
    .takes_address = true,
    .is_for_operators = true,
    .examples = {
        { "tp sessions unix:logs/operator.socket", "who is connected" },
        { "tp sessions unix:logs/operator.socket --remote 10.0.0.7 --json | wc -l",
          "how many from that address" },
    },
    .run = sessions_run,
};

const struct tp_command tp__command_close = {
    .name = "close",
    .operands = "[ADDRESS] (NUMBER | --id ID)",
    .brief = "Closes a session of a server, gracefully.",
    .manual = "The session takes nothing more in; what is in flight is finished.  Its number is "
              "what tp sessions shows, its id what the application gave it.  The exit code is 1 "
              "when there is no such session.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_JSON | TP_OPTIONS_CLOSE,
    .takes_address = true,
    .is_for_operators = true,
    .takes_number = true,
    .examples = {
        { "tp close unix:logs/operator.socket 4711", "by its number" },
        { "tp close unix:logs/operator.socket --id alice --reason 'signed out'", "by its id" },
    },
    .run = close_run,
};

static enum tp_exit_code
sessions_run(const struct tp_settings *settings)
{
    struct control_table *table = calloc(1, sizeof(*table));

    if (table == NULL) {
        return TP_EXIT_LOCAL;
    }
    enum tp_exit_code code = tp__client_open(&table->client, settings, NULL);

    if (code == TP_EXIT_DONE) {
        code = tp__client_connect(&table->client);
    }
    if (code == TP_EXIT_DONE) {
        code = sessions_fetch(table);
    }
    if (code == TP_EXIT_DONE) {
        table_print(table);
    }
    tp__client_close(&table->client);
    tp__bytes_fini(&table->rows);
    free(table);
    return code;
}

static enum tp_exit_code
close_run(const struct tp_settings *settings)
{
    struct tp_client client = { 0 };
    struct tp_reply *reply = NULL;
    enum tp_exit_code code = tp__client_open(&client, settings, NULL);
    char *text = NULL;
    size_t len = 0;
    FILE *file;

    if (code == TP_EXIT_DONE) {
        code = tp__client_connect(&client);
    }
    if (code == TP_EXIT_DONE) {
        code = tp__ask_open_text(&file, &text, &len) ? TP_EXIT_DONE : TP_EXIT_LOCAL;
    }
    if (code == TP_EXIT_DONE) {
        close_write_request(file, settings);
        fclose(file);
        code = tp__ask(&client, TP_STR("/control/close"), (struct tp_str){ text, len }, &reply);
    }
    if (code == TP_EXIT_DONE && settings->is_json) {
        tp__json_write_value(stdout, tp_reply_body(reply));
        fputc('\n', stdout);
    } else if (code == TP_EXIT_DONE) {
        tp__client_tell(&client, "closed");
    }
    if (reply != NULL) {
        tp_reply_free(&reply);
    }
    free(text);
    tp__client_close(&client);
    return code;
}

/* Page after page, each from the cursor of the one before. */
static enum tp_exit_code
sessions_fetch(struct control_table *table)
{
    char cursor[CONTROL_CELL_MAX] = "";
    enum tp_exit_code code = TP_EXIT_DONE;

    for (size_t pages = 0; code == TP_EXIT_DONE && pages < CONTROL_PAGES_MAX; pages++) {
        struct tp_reply *reply;
        char *text = NULL;
        size_t len = 0;
        FILE *file;

        if (!tp__ask_open_text(&file, &text, &len)) {
            return TP_EXIT_LOCAL;
        }
        sessions_write_request(file, table->client.settings,
                               (struct tp_str){ cursor, strlen(cursor) });
        fclose(file);
        code = tp__ask(&table->client, TP_STR("/control/sessions"), (struct tp_str){ text, len },
                       &reply);
        free(text);
        if (code != TP_EXIT_DONE) {
            return code;
        }
        code = sessions_take_page(table, tp_reply_body(reply), cursor, sizeof(cursor));
        tp_reply_free(&reply);
        if (cursor[0] == '\0') {
            break;
        }
    }
    return code;
}

static void
sessions_write_request(FILE *file, const struct tp_settings *settings, struct tp_str cursor)
{
    fprintf(file, "{\"limit\":%" PRId64, settings->page);
    if (cursor.len > 0) {
        fprintf(file, ",\"cursor\":%.*s", TP_STR_ARG(cursor));
    }
    tp__ask_write_member(file, "id_prefix", settings->id_prefix);
    tp__ask_write_member(file, "address", settings->remote);
    tp__ask_write_member(file, "listen", settings->source);
    fputs("}", file);
}

/* The cursor is kept as it came, and empty when there are no more pages. */
static enum tp_exit_code
sessions_take_page(struct control_table *table, struct tp_str page, char *cursor,
                   size_t cursor_size)
{
    struct tp_json_cursor at;
    struct tp_str name, value;

    cursor[0] = '\0';
    if (!tp__json_is_valid(page) || !tp__json_find(page, "sessions", &value)
        || !tp__json_enter(&at, value)) {
        return tp__ask_complain(&table->client);
    }
    while (tp__json_next(&at, &name, &value)) {
        if (table_add(table, value) != TP_OK) {
            tp__client_say(&table->client, "%s", tp_result_sentence(TP_NO_MEMORY));
            return TP_EXIT_LOCAL;
        }
    }
    if (tp__json_find(page, "cursor", &value) && value.len < cursor_size && value.data[0] != 'n') {
        snprintf(cursor, cursor_size, "%.*s", TP_STR_ARG(value));
    }
    return TP_EXIT_DONE;
}

static enum tp_result
table_add(struct control_table *table, struct tp_str row)
{
    size_t begin = table->rows.len;
    enum tp_result result = tp__bytes_append(&table->rows, row, SIZE_MAX / 2);

    if (result == TP_OK) {
        result = tp__bytes_append(&table->rows, TP_STR("\n"), SIZE_MAX / 2);
    }
    if (result != TP_OK) {
        return result;
    }
    /* A line break inside a value would end its row. */
    for (size_t i = begin; i + 1 < table->rows.len; i++) {
        if (table->rows.data[i] == '\n') {
            table->rows.data[i] = ' ';
        }
    }
    table->row_count++;
    table_measure(table, row);
    return TP_OK;
}

static void
table_measure(struct control_table *table, struct tp_str row)
{
    struct tp_json_cursor at;
    struct tp_str name, value;
    char text[CONTROL_CELL_MAX];

    if (!tp__json_enter(&at, row) || !at.is_object) {
        return;
    }
    while (tp__json_next(&at, &name, &value)) {
        size_t column = 0;

        tp__json_unquote(name, text, sizeof(text));
        while (column < table->column_count && strcmp(table->names[column], text) != 0) {
            column++;
        }
        if (column == CONTROL_COLUMNS_MAX) {
            continue;
        }
        if (column == table->column_count) {
            snprintf(table->names[column], CONTROL_CELL_MAX, "%s", text);
            table->widths[column] = strlen(text);
            table->column_count++;
        }
        size_t width = strlen(cell_text(value, text));

        table->widths[column] = width > table->widths[column] ? width : table->widths[column];
    }
}

static void
table_print(struct control_table *table)
{
    struct tp_str rest = tp__bytes_str(&table->rows);
    struct tp_str row;

    if (table->client.settings->is_json) {
        fwrite(rest.data, 1, rest.len, stdout);
        return;
    }
    tp__screen_color(&table->client.output, TP_COLOR_NAME);
    for (size_t column = 0; column < table->column_count; column++) {
        table_print_cell(table, column, table->names[column], column + 1 == table->column_count);
    }
    tp__screen_color(&table->client.output, TP_COLOR_NONE);
    if (table->column_count > 0) {
        fputc('\n', stdout);
    }
    while (table_next_row(&rest, &row)) {
        table_print_row(table, row);
    }
    tp__client_say(&table->client, "%zu session%s", table->row_count,
                   table->row_count == 1 ? "" : "s");
}

static void
table_print_row(struct control_table *table, struct tp_str row)
{
    char text[CONTROL_CELL_MAX];

    for (size_t column = 0; column < table->column_count; column++) {
        struct tp_str value;
        bool is_there = tp__json_find(row, table->names[column], &value);

        table_print_cell(table, column, is_there ? cell_text(value, text) : "",
                         column + 1 == table->column_count);
    }
    fputc('\n', stdout);
}

static void
table_print_cell(struct control_table *table, size_t column, const char *text, bool is_last)
{
    size_t len = strlen(text);

    tp__screen_write(&table->client.output, (struct tp_str){ text, len });
    tp__screen_end(&table->client.output);
    if (!is_last) {
        fprintf(stdout, "%*s", (int) (table->widths[column] - len) + 2, "");
    }
}

static bool
table_next_row(struct tp_str *rest, struct tp_str *row)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);

    if (end == NULL) {
        return false;
    }
    size_t len = (size_t) (end - rest->data);

    *row = (struct tp_str){ rest->data, len };
    *rest = (struct tp_str){ end + 1, rest->len - len - 1 };
    return true;
}

/* What a cell says, in `text` of CONTROL_CELL_MAX bytes: texts without their quotes. */
static const char *
cell_text(struct tp_str value, char *text)
{
    if (tp__json_is_text(value)) {
        return tp__json_unquote(value, text, CONTROL_CELL_MAX);
    }
    if (value.len == 4 && memcmp(value.data, "null", 4) == 0) {
        return "";
    }
    snprintf(text, CONTROL_CELL_MAX, "%.*s", TP_STR_ARG(value));
    return text;
}

static void
close_write_request(FILE *file, const struct tp_settings *settings)
{
    if (settings->has_number) {
        fprintf(file, "{\"number\":%" PRIu64, settings->number);
    } else {
        fputs("{\"id\":", file);
        tp__json_write_text(file,
                            (struct tp_str){ settings->target_id, strlen(settings->target_id) });
    }
    tp__ask_write_member(file, "reason", settings->reason);
    fprintf(file, ",\"redial\":%s", settings->may_return ? "true" : "false");
    fputs("}", file);
}
