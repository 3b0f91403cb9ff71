/*
 * inflight.c - tp inflight: what is being worked on, the oldest first, and what each waits for.
 *
 * Read next: ask.c, sheet.c; top.c, which shows the same again and again.
 */
#include "cli/inflight.h"

#include "cli/ask.h"
#include "cli/json_read.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    INFLIGHT_TEXT_MAX = 300, /* bytes of one member */
};

static enum tp_exit_code inflight_run(const struct tp_settings *settings);
static void inflight_write_request(FILE *file, const struct tp_settings *settings);
static enum tp_exit_code inflight_show(struct tp_client *client, struct tp_str page);
static void inflight_print_json(struct tp_client *client, struct tp_str rows);
static void inflight_summarise(struct tp_client *client, struct tp_str page, size_t shown);
static void write_type(struct tp_str row, char *text, size_t size);
static void write_session(struct tp_str row, char *text, size_t size);
static const char *member_text(struct tp_str row, const char *name, char *text);
static void append(char *text, size_t size, const char *format, ...) TP_PRINTF(3, 4);

/* clang-format off */
const struct tp_column tp__inflight_columns[TP_INFLIGHT_COLUMN_COUNT] = {
    { .title = "AGE", .member = "age", .kind = TP_CELL_SECONDS, .width = 6 },
    { .title = "SESSION", .member = "id|number", .kind = TP_CELL_TEXT, .width = 10,
      .write = write_session },
    { .title = "REMOTE", .member = "remote", .kind = TP_CELL_TEXT, .width = 21, .rank = 2 },
    { .title = "TYPE", .member = "type", .kind = TP_CELL_TEXT, .width = 8, .rank = 1,
      .write = write_type },
    { .title = "SEQ", .member = "seq", .kind = TP_CELL_NUMBER, .width = 6, .rank = 4 },
    { .title = "URI", .member = "uri", .kind = TP_CELL_TEXT, .width = 18, .grows = true },
    { .title = "SERVER", .member = "listen|dial", .kind = TP_CELL_TEXT, .width = 16, .rank = 5 },
    { .title = "WORKER", .member = "worker", .kind = TP_CELL_NUMBER, .width = 6, .rank = 3 },
    { .title = "WAITS FOR", .member = "waits_for", .kind = TP_CELL_TEXT, .width = 26, .grows = true,
      .write = tp__inflight_write_awaited },
};
/* clang-format on */

const struct tp_command tp__command_inflight = {
    .name = "inflight",
    .operands = "[ADDRESS]",
    .brief = "Lists what a server has in flight, the oldest first, and what each waits for.",
    .manual =
        "What the other ends have asked and was not answered, and what the server itself asks or "
        "is about to send; of all workers.  It waits for its handler, a hook, a server of an "
        "upstream, another session, its turn in an ordered route, the other end to take what is "
        "sent, or the other end's REPLY: teleport -h awaiting has the words.\n\n"
        "A worker that does not answer is named.  With --json each exchange is an object on a "
        "line.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_JSON | TP_OPTIONS_INFLIGHT,
    .takes_address = true,
    .is_for_operators = true,
    .examples = {
        { "tp inflight unix:logs/operator.socket", "what is being worked on" },
        { "tp inflight unix:logs/operator.socket --older 1s --uri /math/",
          "what has been slow there for a second or longer" },
    },
    .run = inflight_run,
};

static enum tp_exit_code
inflight_run(const struct tp_settings *settings)
{
    struct tp_client client = { 0 };
    struct tp_reply *reply = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *file;
    enum tp_exit_code code = tp__client_open(&client, settings, NULL);

    if (code == TP_EXIT_DONE) {
        code = tp__client_connect(&client);
    }
    if (code == TP_EXIT_DONE && !tp__ask_open_text(&file, &text, &len)) {
        code = TP_EXIT_LOCAL;
    }
    if (code == TP_EXIT_DONE) {
        inflight_write_request(file, settings);
        fclose(file);
        code = tp__ask(&client, TP_STR("/control/inflight"), (struct tp_str){ text, len }, &reply);
    }
    if (code == TP_EXIT_DONE) {
        code = inflight_show(&client, tp_reply_body(reply));
    }
    if (reply != NULL) {
        tp_reply_free(&reply);
    }
    free(text);
    tp__client_close(&client);
    return code;
}

static void
inflight_write_request(FILE *file, const struct tp_settings *settings)
{
    fprintf(file, "{\"limit\":%" PRId64, settings->limit);
    if (settings->target_number != 0) {
        fprintf(file, ",\"number\":%" PRId64, settings->target_number);
    }
    if (settings->older.ms > 0) {
        fprintf(file, ",\"older\":%" PRId64 ".%03" PRId64, settings->older.ms / 1000,
                settings->older.ms % 1000);
    }
    tp__ask_write_member(file, "id", settings->target_id);
    tp__ask_write_member(file, "uri", settings->uri_prefix);
    fputs("}", file);
}

static enum tp_exit_code
inflight_show(struct tp_client *client, struct tp_str page)
{
    struct tp_sheet sheet = {
        .columns = tp__inflight_columns,
        .column_count = TP_INFLIGHT_COLUMN_COUNT,
    };
    struct tp_str rows;

    if (!tp__json_is_valid(page) || !tp__json_find(page, "exchanges", &rows)) {
        return tp__ask_complain(client);
    }
    enum tp_result result = tp__sheet_add(&sheet, rows, (size_t) client->settings->limit);

    if (result != TP_OK) {
        tp__client_say(client, "%s", tp_result_sentence(result));
    } else if (client->settings->is_json) {
        inflight_print_json(client, rows);
    } else if (sheet.row_count > 0) {
        tp__sheet_print(&sheet, &client->output, sheet.row_count);
    }
    inflight_summarise(client, page, sheet.row_count);
    tp__sheet_fini(&sheet);
    return result == TP_OK ? TP_EXIT_DONE : TP_EXIT_LOCAL;
}

static void
inflight_print_json(struct tp_client *client, struct tp_str rows)
{
    struct tp_json_cursor at;
    struct tp_str name, value;

    if (!tp__json_enter(&at, rows)) {
        return;
    }
    while (tp__json_next(&at, &name, &value)) {
        tp__json_write_value(client->output.file, value);
        fputc('\n', client->output.file);
    }
}

/* On standard error, and so with --json, too: who has not answered is no detail. */
static void
inflight_summarise(struct tp_client *client, struct tp_str page, size_t shown)
{
    struct tp_json_cursor at;
    struct tp_str name, value;
    char count[INFLIGHT_TEXT_MAX] = "?";

    if (tp__json_find(page, "silent", &value) && tp__json_enter(&at, value)) {
        while (tp__json_next(&at, &name, &value)) {
            tp__client_say(client, "worker %.*s has not answered", TP_STR_ARG(value));
        }
    }
    if (tp__json_find(page, "count", &value)) {
        snprintf(count, sizeof(count), "%.*s", TP_STR_ARG(value));
    }
    if (!client->settings->is_json) {
        tp__client_say(client, "%s in flight, %zu shown", count, shown);
    }
}

void
tp__inflight_write_awaited(struct tp_str row, char *text, size_t size)
{
    char member[INFLIGHT_TEXT_MAX];
    struct tp_str value;

    snprintf(text, size, "%s", member_text(row, "waits_for", member));
    if (member_text(row, "awaited", member)[0] != '\0') {
        append(text, size, " %s", member);
    }
    if (member_text(row, "address", member)[0] != '\0') {
        append(text, size, " at %s", member);
    } else if (strncmp(text, "upstream", strlen("upstream")) == 0) {
        append(text, size, ", none to be had yet");
    }
    if (tp__json_find(row, "session", &value)) {
        append(text, size, ", session %.*s", TP_STR_ARG(value));
    }
    if (tp__json_find(row, "tries", &value)) {
        append(text, size, ", try %.*s", TP_STR_ARG(value));
    }
    if (member_text(row, "module", member)[0] != '\0') {
        append(text, size, " (%s", member);
        if (member_text(row, "hook", member)[0] != '\0') {
            append(text, size, ", %s", member);
        }
        append(text, size, ")");
    }
    if (tp__json_find(row, "left", &value)) {
        char figure[TP_FIGURE_MAX];

        snprintf(member, sizeof(member), "%.*s", TP_STR_ARG(value));
        append(text, size, ", %s left", tp__figure_seconds(strtod(member, NULL), figure));
    }
}

/* "pull", or "our pull". */
static void
write_type(struct tp_str row, char *text, size_t size)
{
    char by[INFLIGHT_TEXT_MAX];
    char type[INFLIGHT_TEXT_MAX];

    snprintf(text, size, "%s%s", strcmp(member_text(row, "by", by), "us") == 0 ? "our " : "",
             member_text(row, "type", type));
}

/* Its id, which people know; else its number. */
static void
write_session(struct tp_str row, char *text, size_t size)
{
    char name[INFLIGHT_TEXT_MAX];

    if (member_text(row, "id", name)[0] == '\0') {
        member_text(row, "number", name);
    }
    snprintf(text, size, "%s", name);
}

/* The member as a text, in `text` of INFLIGHT_TEXT_MAX bytes: empty where there is none. */
static const char *
member_text(struct tp_str row, const char *name, char *text)
{
    struct tp_str value;

    text[0] = '\0';
    if (!tp__json_find(row, name, &value)) {
        return text;
    }
    if (tp__json_is_text(value)) {
        return tp__json_unquote(value, text, INFLIGHT_TEXT_MAX);
    }
    snprintf(text, INFLIGHT_TEXT_MAX, "%.*s", TP_STR_ARG(value));
    return text;
}

static void
append(char *text, size_t size, const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + len, size - len, format, args);
    va_end(args);
}
