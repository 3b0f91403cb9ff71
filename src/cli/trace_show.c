/*
 * trace_show.c - an exchange that a server has traced, as people read it.
 *
 *     14:20:33.123 PULL /math/add?x=1 200 OK, 1.203 ms
 *         session 17 lamp-7, 10.0.0.7:40112, teleport at 0.0.0.0:9090, worker 1, seq 4, route /math/
 *         read 0.000, wait 0.010, handler 1.150, upstream 1.120, order 0.000, queue 0.043
 *         in: 76 bytes, body of 51, header p, body j
 *             {
 *               "name": "ann"
 *             }
 *         out: 33 bytes, body of 1, header p, body j
 *             3
 *
 * All texts are the server's, and it has them from anybody: they go through the screen, which shows
 * what a terminal would obey.
 */
#include "cli/trace_show.h"

#include "cli/json_read.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    VALUE_MAX = 4096, /* bytes; more than a server says of anything */
    CLOCK_MAX = 32,
};

#define INDENT "    "

static void show_head(struct tp_client *client, struct tp_str event);
static void show_clock(struct tp_client *client, struct tp_str event);
static void show_session(struct tp_client *client, struct tp_str event);
static void show_stages(struct tp_client *client, struct tp_str event);
static void show_packet(struct tp_client *client, struct tp_str event, const char *name,
                        const char *direction);
static void show_body(struct tp_client *client, struct tp_str body);
static bool show_member(struct tp_client *client, struct tp_str object, const char *name,
                        const char *before);
static void show_value(struct tp_client *client, struct tp_str value);
static bool member_is(struct tp_str object, const char *name, const char *text);

void
tp__trace_show(struct tp_client *client, struct tp_str event)
{
    bool is_theirs = member_is(event, "asked_by", "them");

    show_head(client, event);
    show_session(client, event);
    show_stages(client, event);
    show_packet(client, event, "request", is_theirs ? "in" : "out");
    show_packet(client, event, "reply", is_theirs ? "out" : "in");
    fputc('\n', client->output.file);
}

static void
show_head(struct tp_client *client, struct tp_str event)
{
    FILE *file = client->output.file;
    bool is_good = member_is(event, "status", "200");
    struct tp_str stages;

    show_clock(client, event);
    if (member_is(event, "asked_by", "us")) {
        fputs(" our", file);
    }
    show_member(client, event, "type", " ");
    tp__screen_color(&client->output, TP_COLOR_NAME);
    show_member(client, event, "uri", " ");
    tp__screen_color(&client->output, is_good ? TP_COLOR_GOOD : TP_COLOR_BAD);
    show_member(client, event, "status", " ");
    tp__screen_color(&client->output, TP_COLOR_NONE);
    show_member(client, event, "text", " ");
    show_member(client, event, "cause", ": ");
    if (tp__json_find(event, "ms", &stages) && show_member(client, stages, "total", ", ")) {
        fputs(" ms", file);
    }
    fputc('\n', file);
}

static void
show_clock(struct tp_client *client, struct tp_str event)
{
    char text[CLOCK_MAX] = "0";
    char clock[CLOCK_MAX] = "";
    struct tp_str value;
    struct tm parts;

    if (tp__json_find(event, "time", &value)) {
        snprintf(text, sizeof(text), "%.*s", TP_STR_ARG(value));
    }
    double seconds = strtod(text, NULL);
    time_t whole = (time_t) seconds;

    if (localtime_r(&whole, &parts) != NULL) {
        strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
    }
    tp__screen_color(&client->output, TP_COLOR_FAINT);
    fprintf(client->output.file, "%s.%03d", clock, (int) ((seconds - (double) whole) * 1000));
    tp__screen_color(&client->output, TP_COLOR_NONE);
}

static void
show_session(struct tp_client *client, struct tp_str event)
{
    fputs(INDENT "session", client->output.file);
    show_member(client, event, "number", " ");
    show_member(client, event, "id", " ");
    show_member(client, event, "remote", ", ");
    show_member(client, event, "protocol", ", ");
    show_member(client, event, "source", " at ");
    show_member(client, event, "worker", ", worker ");
    show_member(client, event, "seq", ", seq ");
    show_member(client, event, "route", ", route ");
    fputc('\n', client->output.file);
}

static void
show_stages(struct tp_client *client, struct tp_str event)
{
    struct tp_str stages, name, value;
    struct tp_json_cursor at;
    const char *before = INDENT;

    if (!tp__json_find(event, "ms", &stages) || !tp__json_enter(&at, stages)) {
        return;
    }
    while (tp__json_next(&at, &name, &value)) {
        if (tp__json_is_text(name) && name.len == strlen("\"total\"")
            && memcmp(name.data, "\"total\"", name.len) == 0) {
            continue;
        }
        fputs(before, client->output.file);
        show_value(client, name);
        fputc(' ', client->output.file);
        show_value(client, value);
        before = ", ";
    }
    fputc('\n', client->output.file);
}

static void
show_packet(struct tp_client *client, struct tp_str event, const char *name, const char *direction)
{
    struct tp_str packet, body;
    FILE *file = client->output.file;

    if (!tp__json_find(event, name, &packet)) {
        return;
    }
    fprintf(file, INDENT "%s:", direction);
    show_member(client, packet, "wire_bytes", " ");
    fputs(" bytes", file);
    show_member(client, packet, "body_bytes", ", body of ");
    show_member(client, packet, "header_codec", ", header ");
    show_member(client, packet, "body_codec", ", body ");
    show_member(client, packet, "gzip", ", gzip ");
    show_member(client, packet, "filters", ", filters ");
    show_member(client, packet, "metadata", ", metadata ");
    fputc('\n', file);
    if (tp__json_find(packet, "body", &body)) {
        show_body(client, body);
    } else if (member_is(packet, "body_hidden", "true")) {
        fputs(INDENT INDENT "(hidden)\n", file);
    }
}

/* Lines behind the first one are indented by the server already, for a log: here by as much again. */
static void
show_body(struct tp_client *client, struct tp_str body)
{
    FILE *file = client->output.file;
    char text[VALUE_MAX] = "";
    struct tp_str value;

    if (tp__json_find(body, "text", &value)) {
        tp__json_unquote(value, text, sizeof(text));
    }
    fputs(INDENT INDENT, file);
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        size_t len = end == NULL ? strlen(line) : (size_t) (end - line);

        tp__screen_write(&client->output, (struct tp_str){ line, len });
        tp__screen_end(&client->output);
        fputs(end == NULL ? "" : "\n" INDENT, file);
        line = end == NULL ? NULL : end + 1;
    }
    if (show_member(client, body, "more", " ... ")) {
        fputs(" bytes more", file);
    }
    fputc('\n', file);
}

/* Prints `before` and the member's value, where there is such a member. */
static bool
show_member(struct tp_client *client, struct tp_str object, const char *name, const char *before)
{
    struct tp_str value;

    if (!tp__json_find(object, name, &value)) {
        return false;
    }
    fputs(before, client->output.file);
    show_value(client, value);
    return true;
}

/* A text without its quotes. */
static void
show_value(struct tp_client *client, struct tp_str value)
{
    char text[VALUE_MAX];

    if (tp__json_is_text(value)) {
        value.data = tp__json_unquote(value, text, sizeof(text));
        value.len = strlen(text);
    }
    tp__screen_write(&client->output, value);
    tp__screen_end(&client->output);
}

static bool
member_is(struct tp_str object, const char *name, const char *text)
{
    char found[CLOCK_MAX];
    struct tp_str value;

    if (!tp__json_find(object, name, &value)) {
        return false;
    }
    if (tp__json_is_text(value)) {
        tp__json_unquote(value, found, sizeof(found));
    } else {
        snprintf(found, sizeof(found), "%.*s", TP_STR_ARG(value));
    }
    return strcmp(found, text) == 0;
}
