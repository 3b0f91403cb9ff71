/*
 * trace.c - tp trace: exchanges of a server as they end.
 *
 * It PULLs /control/trace, and prints what is pushed to /control/traced from then on.  What the server
 * says is printed as it came: a member that is not known here is shown with --json.
 *
 * Read next: ask.c, trace_show.c.
 */
#include "cli/ask.h"
#include "cli/json_read.h"
#include "cli/trace_show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRACE_WHY_MAX = 64,
    TRACE_SECOND_MS = 1000,
};

struct trace_run {
    struct tp_client client;
    bool has_begun;
    bool has_ended; /* the server has said so */
    bool cannot_write;
};

static enum tp_exit_code trace_run(const struct tp_settings *settings);
static enum tp_exit_code trace_begin(struct trace_run *run);
static void trace_write_request(FILE *file, const struct tp_settings *settings);
static void trace_write_seconds(FILE *file, const char *name, struct tp_msec time);
static enum tp_exit_code trace_wait(struct trace_run *run);
static void trace_on_push(struct tp_exchange *exchange, void *owner);
static void trace_take(struct trace_run *run, struct tp_str event);
static void trace_on_interrupt(struct tp_client *client);
static void trace_on_untraced(const struct tp_reply *reply, void *owner);

const struct tp_command tp__command_trace = {
    .name = "trace",
    .operands = "[ADDRESS]",
    .brief = "Shows what is asked of a server and what it asks, as it ends, and where the time goes.",
    .manual =
        "Each exchange, a PULL with its REPLY or a PUSH, is shown when it has ended, whichever "
        "worker has it: who, what, the status, and how long each stage took, in milliseconds.  Of "
        "several filters all have to match.  Credentials never show.\n\n"
        "The server bounds how many are shown in a second; how many were not is said on standard "
        "error, or in the member lost with --json.  SIGINT ends it, and so do --count, --for, and "
        "the server, when a reload forbids it.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_JSON | TP_OPTIONS_COUNT | TP_OPTIONS_TRACE,
    .takes_address = true,
    .is_for_operators = true,
    .examples = {
        { "tp trace unix:logs/operator.socket --status 5xx", "what fails, while it fails" },
        { "tp trace unix:logs/operator.socket --uri '/math/*' --bodies --count 3", "three, with bodies" },
        { "tp trace --id lamp-7 --for 1m --json | jq .ms.total", "one session, for a minute" },
        { "tp trace --slower 500ms", "where slow ones spend their time" },
    },
    .run = trace_run,
};

static enum tp_exit_code
trace_run(const struct tp_settings *settings)
{
    struct trace_run run = { 0 };
    enum tp_exit_code code = tp__client_open(&run.client, settings, NULL);

    run.client.on_interrupt = trace_on_interrupt;
    if (code == TP_EXIT_DONE
        && tp_peer_on_push(run.client.peer, "/control/traced", trace_on_push, &run) != TP_OK) {
        code = TP_EXIT_LOCAL;
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_take_signals(&run.client);
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_connect(&run.client);
    }
    if (code == TP_EXIT_DONE) {
        code = trace_begin(&run);
    }
    if (code == TP_EXIT_DONE) {
        code = trace_wait(&run);
    }
    tp__client_close(&run.client);
    return code;
}

static enum tp_exit_code
trace_begin(struct trace_run *run)
{
    struct tp_reply *reply = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *file;

    if (!tp__ask_open_text(&file, &text, &len)) {
        return TP_EXIT_LOCAL;
    }
    trace_write_request(file, run->client.settings);
    fclose(file);
    enum tp_exit_code code =
        tp__ask(&run->client, TP_STR("/control/trace"), (struct tp_str){ text, len }, &reply);

    if (code == TP_EXIT_DONE) {
        run->has_begun = true;
        tp__client_tell(&run->client, "tracing: %.*s", TP_STR_ARG(tp_reply_body(reply)));
        tp_reply_free(&reply);
    }
    free(text);
    return code;
}

static void
trace_write_request(FILE *file, const struct tp_settings *settings)
{
    fprintf(file, "{\"bodies\":%s", settings->wants_bodies ? "true" : "false");
    tp__ask_write_member(file, "id", settings->target_id);
    tp__ask_write_member(file, "address", settings->remote);
    tp__ask_write_member(file, "uri", settings->uri_pattern);
    tp__ask_write_member(file, "status", settings->status);
    if (settings->target_number != 0) {
        fprintf(file, ",\"number\":%" PRId64, settings->target_number);
    }
    if (settings->count != 0) {
        fprintf(file, ",\"count\":%" PRId64, settings->count);
    }
    trace_write_seconds(file, "slower", settings->slower);
    trace_write_seconds(file, "seconds", settings->trace_time);
    fputs("}", file);
}

static void
trace_write_seconds(FILE *file, const char *name, struct tp_msec time)
{
    if (time.ms != 0) {
        fprintf(file, ",\"%s\":%" PRId64 ".%03" PRId64, name, time.ms / TRACE_SECOND_MS,
                time.ms % TRACE_SECOND_MS);
    }
}

static enum tp_exit_code
trace_wait(struct trace_run *run)
{
    struct tp_client *client = &run->client;
    struct tp_waitable waitables[TP_CLIENT_WAITABLES];

    while (tp__client_turn(client, waitables, TP_CLIENT_WAITABLES, -1)) {
        if (run->cannot_write) {
            return TP_EXIT_LOCAL;
        }
        if (!client->is_draining && tp__client_session(client) == NULL) {
            tp__client_say(client, "the connection to %s was lost", client->settings->address);
            return TP_EXIT_LOST;
        }
    }
    return TP_EXIT_DONE;
}

static void
trace_on_push(struct tp_exchange *exchange, void *owner)
{
    struct trace_run *run = owner;
    struct tp_str event;
    enum tp_result result = tp_exchange_read_body(exchange, &event);

    if (result != TP_OK) {
        tp__client_say(&run->client, "what the server says cannot be read: %s",
                       tp_result_sentence(result));
    } else if (tp__json_is_valid(event)) {
        trace_take(run, event);
    }
    tp_exchange_echo(exchange);
}

static void
trace_take(struct trace_run *run, struct tp_str event)
{
    struct tp_client *client = &run->client;
    struct tp_str value;
    char why[TRACE_WHY_MAX];

    if (client->is_interrupted || run->has_ended) {
        return;
    }
    if (client->settings->is_json) {
        tp__json_write_value(client->output.file, event);
        fputc('\n', client->output.file);
    } else if (tp__json_find(event, "lost", &value)) {
        tp__client_say(client, "%.*s were not shown", TP_STR_ARG(value));
    }
    if (tp__json_find(event, "end", &value)) {
        run->has_ended = true;
        if (strcmp(tp__json_unquote(value, why, sizeof(why)), "configuration") == 0) {
            tp__client_say(client, "a reload of the server does not allow traces any more");
        }
        tp__client_drain(client);
    } else if (!client->settings->is_json) {
        tp__trace_show(client, event);
    }
    run->cannot_write = fflush(client->output.file) != 0;
}

/* The server need not notice by itself that nobody listens any more. */
static void
trace_on_interrupt(struct tp_client *client)
{
    struct tp_session *session = tp__client_session(client);
    const struct tp_send_options options = {
        .size = sizeof(options),
        .body_codec = TP_CODEC_JSON,
    };

    if (session == NULL
        || tp_session_pull_async(session, TP_STR("/control/untrace"), TP_STR("{}"), &options,
                                 trace_on_untraced, client)
               != TP_OK) {
        client->is_done = true;
        return;
    }
    tp__client_drain(client);
}

static void
trace_on_untraced(const struct tp_reply *reply, void *owner)
{
    struct tp_client *client = owner;

    (void) reply;
    client->is_done = true;
}
