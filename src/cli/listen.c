/*
 * listen.c - tp listen: prints what is pushed.
 *
 * Read next: client.c, show.c.
 */
#include "cli/client.h"
#include "cli/show.h"

struct listen_run {
    struct tp_client client;
    int64_t left; /* PUSHes that are still wanted; without a bound it only falls */
    bool cannot_write;
};

static enum tp_exit_code listen_run(const struct tp_settings *settings);
static enum tp_exit_code listen_register(struct listen_run *run);
static enum tp_exit_code listen_wait(struct listen_run *run);
static void listen_on_push(struct tp_exchange *exchange, void *owner);

const struct tp_command tp__command_listen = {
    .name = "listen",
    .operands = "[ADDRESS] [URI...]",
    .brief = "Prints what is pushed.",
    .manual =
        "Without a URI it takes whatever comes; a URI ends in /* for all below it.  It connects "
        "to ADDRESS, and again when the connection breaks (--redial), or with --listen it "
        "accepts connections itself; both are possible at once.\n\n"
        "On a terminal each PUSH has a line that says when it came and to which URI; elsewhere "
        "each body ends a line.  With --json each PUSH is an object on one line: type, seq, uri, "
        "session, remote, id, codec, body.  SIGINT and SIGTERM end it.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_LISTEN | TP_OPTIONS_SHOW | TP_OPTIONS_JSON
              | TP_OPTIONS_COUNT | TP_OPTIONS_ID,
    .presets = "redial=-1",
    .takes_address = true,
    .uris_max = TP_URIS_MAX,
    .examples = {
        { "tp listen", "everything that the server at port 9090 pushes" },
        { "tp listen example.org:9090 '/push/*' --json | jq .body", "for another program" },
        { "tp listen --listen 9191 --count 1", "waits for one PUSH from anybody, and ends" },
    },
    .run = listen_run,
};

static enum tp_exit_code
listen_run(const struct tp_settings *settings)
{
    struct listen_run run = { .left = settings->count };
    enum tp_exit_code code = tp__client_open(&run.client, settings, NULL);

    if (code == TP_EXIT_DONE) {
        code = listen_register(&run);
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_take_signals(&run.client);
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_start(&run.client);
    }
    if (code == TP_EXIT_DONE) {
        code = listen_wait(&run);
    }
    tp__client_close(&run.client);
    return code;
}

static enum tp_exit_code
listen_register(struct listen_run *run)
{
    const struct tp_settings *settings = run->client.settings;
    enum tp_result result = TP_OK;

    if (settings->uri_count == 0) {
        result = tp_peer_on_push(run->client.peer, "*", listen_on_push, run);
    }
    for (size_t i = 0; i < settings->uri_count && result == TP_OK; i++) {
        result = tp_peer_on_push(run->client.peer, settings->uris[i], listen_on_push, run);
        if (result != TP_OK) {
            tp__client_say(&run->client, "%s: %s", settings->uris[i], tp_result_sentence(result));
            return TP_EXIT_USAGE;
        }
    }
    return result == TP_OK ? TP_EXIT_DONE : TP_EXIT_LOCAL;
}

static enum tp_exit_code
listen_wait(struct listen_run *run)
{
    struct tp_client *client = &run->client;
    struct tp_waitable waitables[TP_CLIENT_WAITABLES];
    bool is_dialed = client->session.home != NULL;

    while (tp__client_turn(client, waitables, TP_CLIENT_WAITABLES, -1)) {
        if (run->cannot_write) {
            return TP_EXIT_LOCAL;
        }
        if (is_dialed && !client->is_draining && tp__client_session(client) == NULL
            && client->settings->listen == NULL) {
            tp__client_say(client, "the connection to %s was lost", client->settings->address);
            return TP_EXIT_LOST;
        }
    }
    return TP_EXIT_DONE;
}

static void
listen_on_push(struct tp_exchange *exchange, void *owner)
{
    struct listen_run *run = owner;
    struct tp_client *client = &run->client;
    struct tp_str body;
    enum tp_result result = tp_exchange_read_body(exchange, &body);

    if (result != TP_OK) {
        tp__client_say(client, "%.*s: the body cannot be read: %s",
                       TP_STR_ARG(tp_exchange_uri(exchange)), tp_result_sentence(result));
        tp_exchange_refuse_result(exchange, result);
        return;
    }
    if (client->settings->count == 0 || run->left > 0) {
        run->left--;
        tp__show_request(client, exchange, body);
        run->cannot_write = fflush(client->output.file) != 0;
    }
    tp_exchange_echo(exchange);
    if (run->left == 0) {
        tp__client_drain(client);
    }
}
