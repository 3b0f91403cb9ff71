/*
 * pull.c - tp pull and tp push: one question, or one message, and what became of it.
 *
 * Read next: client.c.
 */
#include "cli/client.h"
#include "cli/json_read.h"
#include "cli/show.h"

#include <string.h>

static enum tp_exit_code pull_run(const struct tp_settings *settings);
static enum tp_exit_code push_run(const struct tp_settings *settings);
static enum tp_exit_code run_connected(const struct tp_settings *settings,
                                       enum tp_exit_code (*act)(struct tp_client *client,
                                                                struct tp_str body));
static enum tp_exit_code pull_act(struct tp_client *client, struct tp_str body);
static enum tp_exit_code push_act(struct tp_client *client, struct tp_str body);
static void pull_show(struct tp_client *client, const struct tp_reply *reply, double elapsed_ms);
static void pull_show_json(struct tp_client *client, const struct tp_reply *reply,
                           double elapsed_ms);
static enum tp_exit_code complain_of_result(struct tp_client *client, enum tp_result result);

const struct tp_command tp__command_pull = {
    .name = "pull",
    .operands = "[ADDRESS] URI [BODY | @FILE | -]",
    .brief = "Sends a PULL and prints the answer.",
    .manual =
        "The body of the answer goes to standard output.  A status other than 200 is said on "
        "standard error, and is the reason for exit code 1; a body that came with it is printed "
        "all the same.\n\n"
        "With --json the output is one object: status, text, codec, body and ms, the time in "
        "milliseconds from sending to the answer.  A body that is neither JSON nor UTF-8 is "
        "body_base64 instead.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_SEND | TP_OPTIONS_SHOW | TP_OPTIONS_JSON
              | TP_OPTIONS_ID,
    .takes_address = true,
    .uris_min = 1,
    .uris_max = 1,
    .takes_body = true,
    .examples = {
        { "tp pull /math/add '[1,2,3]'", "asks the server at port 9090 of this machine" },
        { "tp pull unix:logs/local.sock /version", "over a Unix socket" },
        { "tp pull api.example.org:9090 /orders @order.json --gzip 5",
          "a body from a file, deflated" },
        { "date | tp pull /echo - --body-codec plain", "a body from a pipe" },
        { "tp pull /slow '[]' --timeout 500ms || echo \"exit code $?\"",
          "4 when there is no answer in half a second" },
    },
    .run = pull_run,
};

const struct tp_command tp__command_push = {
    .name = "push",
    .operands = "[ADDRESS] URI [BODY | @FILE | -]",
    .brief = "Sends a PUSH, which nobody answers.",
    .manual = "Exit code 0 says that the message was handed to the system whole and the "
              "connection closed in order; whether anybody took it, a PUSH cannot tell.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_SEND | TP_OPTIONS_ID,
    .takes_address = true,
    .uris_min = 1,
    .uris_max = 1,
    .takes_body = true,
    .examples = {
        { "tp push /chat/lobby '{\"text\":\"hello\"}'", "tells the server at port 9090" },
        { "tp push example.org:9090 /log - --body-codec plain <app.log", "a file by a pipe" },
    },
    .run = push_run,
};

static enum tp_exit_code
pull_run(const struct tp_settings *settings)
{
    return run_connected(settings, pull_act);
}

static enum tp_exit_code
push_run(const struct tp_settings *settings)
{
    return run_connected(settings, push_act);
}

static enum tp_exit_code
run_connected(const struct tp_settings *settings,
              enum tp_exit_code (*act)(struct tp_client *client, struct tp_str body))
{
    struct tp_client client = { 0 };
    struct tp_bytes body = { 0 };
    enum tp_exit_code code = tp__client_open(&client, settings, NULL);

    if (code == TP_EXIT_DONE) {
        code = tp__client_read_body(&client, &body);
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_connect(&client);
    }
    if (code == TP_EXIT_DONE) {
        code = act(&client, tp__bytes_str(&body));
    }
    tp__client_close(&client);
    tp__bytes_fini(&body);
    return code;
}

static enum tp_exit_code
pull_act(struct tp_client *client, struct tp_str body)
{
    const struct tp_settings *settings = client->settings;
    const struct tp_str uri = { settings->uris[0], strlen(settings->uris[0]) };
    const struct tp_send_options options = tp__client_send_options(settings);
    struct tp_session *session = tp__client_session(client);
    struct tp_reply *reply;
    uint64_t sent_ns = tp__system_clock_ns();
    enum tp_result result =
        session == NULL ? TP_GONE : tp_session_pull(session, uri, body, &options, &reply);

    if (result != TP_OK) {
        return complain_of_result(client, result);
    }
    double elapsed_ms = tp__show_ms_since(sent_ns);

    if (settings->is_json) {
        pull_show_json(client, reply, elapsed_ms);
    } else {
        pull_show(client, reply, elapsed_ms);
    }
    enum tp_exit_code code = tp__client_exit_of_status(tp_reply_status(reply)->code);

    tp_reply_free(&reply);
    return code;
}

static enum tp_exit_code
push_act(struct tp_client *client, struct tp_str body)
{
    const struct tp_settings *settings = client->settings;
    const struct tp_str uri = { settings->uris[0], strlen(settings->uris[0]) };
    const struct tp_send_options options = tp__client_send_options(settings);
    struct tp_session *session = tp__client_session(client);
    enum tp_result result =
        session == NULL ? TP_GONE : tp_session_push(session, uri, body, &options);

    if (result == TP_OK) {
        result = tp_session_flush(session, settings->timeout);
    }
    return result == TP_OK ? TP_EXIT_DONE : complain_of_result(client, result);
}

static void
pull_show(struct tp_client *client, const struct tp_reply *reply, double elapsed_ms)
{
    const struct tp_status *status = tp_reply_status(reply);
    char letter[2];

    if (status->code != TP_STATUS_OK) {
        tp__client_say(client, "%d %.*s%s%.*s", (int) status->code, TP_STR_ARG(status->text),
                       status->cause.len > 0 ? ": " : "", TP_STR_ARG(status->cause));
    }
    tp__client_tell(client, "%d %.*s, %zu bytes of %s, %.3f ms", (int) status->code,
                    TP_STR_ARG(status->text), tp_reply_body(reply).len,
                    tp__show_codec(tp_reply_body_codec(reply), letter), elapsed_ms);
    tp__show_body(client, tp_reply_body_codec(reply), tp_reply_body(reply), false);
}

static void
pull_show_json(struct tp_client *client, const struct tp_reply *reply, double elapsed_ms)
{
    const struct tp_status *status = tp_reply_status(reply);
    FILE *file = client->output.file;

    fprintf(file, "{\"status\":%d,\"text\":", (int) status->code);
    tp__json_write_text(file, status->text);
    if (status->cause.len > 0) {
        fputs(",\"cause\":", file);
        tp__json_write_text(file, status->cause);
    }
    fputc(',', file);
    tp__show_json_metadata(client, tp_reply_metadata(reply));
    tp__show_json_body(client, tp_reply_body_codec(reply), tp_reply_body(reply));
    fprintf(file, ",\"ms\":%.3f}\n", elapsed_ms);
}

static enum tp_exit_code
complain_of_result(struct tp_client *client, enum tp_result result)
{
    if (result == TP_TOO_LARGE) {
        tp__client_say(client, "the packet would be larger than --packet-limit");
    } else if (result == TP_GONE) {
        tp__client_say(client, "the connection to %s was lost", client->settings->address);
    } else {
        tp__client_say(client, "%s", tp_result_sentence(result));
    }
    return tp__client_exit_of_result(result);
}
