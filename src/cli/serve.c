/*
 * serve.c - tp serve: answers PULLs, so that anybody can be a backend for an afternoon.
 *
 * With --exec each PULL is a job: it waits in a line until fewer than --jobs run, then it is
 * a process whose pipes are waited for together with the peer.
 *
 * Read next: child.c, client.c.
 */
#include "cli/child.h"
#include "cli/client.h"
#include "cli/json_read.h"
#include "cli/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SERVE_GRACE_MS = 1000, /* ours is the first to find that a job takes too long */
    SERVE_TEXT_MAX = 256,  /* of a status */
};

#define NS_PER_MS UINT64_C(1000000)

/* A PULL that a command answers, or will. */
struct serve_job {
    struct serve_job *next;
    struct tp_exchange *exchange;
    struct tp_child child;
    uint64_t began_ns; /* when the PULL came */
    size_t request_len;
};

/* What became of a PULL, for whoever looks on. */
struct serve_outcome {
    struct tp_status status;
    size_t reply_len;
};

struct serve {
    struct tp_client client;
    struct serve_job *running;
    size_t running_count;
    struct serve_job *waiting; /* the first to come is the first to go */
    struct serve_job **waiting_end;
    size_t waiting_count;
    struct tp_waitable *waitables; /* for the client, and for each job that may run */
    int64_t left;                  /* PULLs that are still answered */
    enum tp_exit_code refused;     /* TP_EXIT_DONE: it was not, or not asked to be registered */
};

static enum tp_exit_code serve_run(const struct tp_settings *settings);
static void serve_adjust(struct tp_peer_options *options, const struct tp_settings *settings);
static enum tp_exit_code serve_register(struct serve *serve);
static enum tp_exit_code serve_announce(struct serve *serve);
static void serve_leave(struct tp_client *client);
static void serve_on_left(const struct tp_reply *reply, void *owner);
static void serve_on_announced(const struct tp_reply *reply, void *owner);
static enum tp_exit_code serve_wait(struct serve *serve);
static size_t serve_fill_waitables(struct serve *serve);
static int64_t serve_next_deadline_ns(const struct serve *serve);
static void serve_look_after_jobs(struct serve *serve);
static void serve_on_pull(struct tp_exchange *exchange, void *owner);
static void serve_echo(struct serve *serve, struct tp_exchange *exchange);
static void serve_file(struct serve *serve, struct tp_exchange *exchange);
static void serve_exec(struct serve *serve, struct tp_exchange *exchange);
static void serve_start_jobs(struct serve *serve);
static enum tp_result job_start(struct serve *serve, struct serve_job *job);
static bool job_turn(struct serve *serve, struct serve_job *job);
static void job_answer(struct serve *serve, struct serve_job *job, enum tp_child_end end);
static void job_refuse(struct serve *serve, struct serve_job *job, int32_t code, const char *text);
static void job_finish(struct serve *serve, struct serve_job *job, const struct tp_status *status,
                       struct tp_str body);
static void job_free(struct serve_job *job);
static uint64_t job_deadline_ns(const struct serve *serve, const struct serve_job *job);
static uint8_t serve_codec(const struct serve *serve, const struct tp_exchange *exchange);
static void serve_tell(struct serve *serve, struct tp_exchange *exchange, size_t request_len,
                       const struct serve_outcome *outcome, uint64_t began_ns);
static struct tp_status status_with(int32_t code, const char *text);

const struct tp_command tp__command_serve = {
    .name = "serve",
    .operands = "[ADDRESS] URI... (--exec COMMAND | --file FILE | --echo)",
    .brief = "Answers PULLs with a command, a file, or what came.",
    .manual =
        "It connects to ADDRESS and answers what it is asked from there, or with --listen it "
        "accepts connections itself; a URI ends in /* for all below it, and * is everything.  "
        "Answers have the codec of their PULL unless --body-codec says another.\n\n"
        "--exec runs a command of the shell for each PULL, at most --jobs at once: the body is "
        "its input, and its output is the answer.  An exit code other than 0 makes the answer a "
        "status 500 with the first line of its standard error as the text; one that takes longer "
        "than --timeout is killed, and the answer is 504.  Its environment tells "
        "TELEPORT_URI, TELEPORT_PATH, TELEPORT_QUERY, TELEPORT_CODEC, TELEPORT_SESSION, "
        "TELEPORT_ID and TELEPORT_REMOTE.  They come from the network: quote them.\n\n"
        "With --register it is a member of that service in the registry of ADDRESS, and is asked "
        "what its URIs say for whoever asks there; a refusal ends it.  An interrupt lets it finish "
        "what it has.\n\n"
        "A line for each exchange is printed, unless --quiet; with --json it is an object.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_LISTEN | TP_OPTIONS_SEND | TP_OPTIONS_SERVE
              | TP_OPTIONS_JSON | TP_OPTIONS_COUNT | TP_OPTIONS_ID,
    .presets = "redial=-1 timeout=60s body-codec=",
    .takes_address = true,
    .uris_min = 1,
    .uris_max = TP_URIS_MAX,
    .examples = {
        { "tp serve --listen 9191 /math/add --exec 'jq add'", "a backend at port 9191" },
        { "tp serve --listen 9191 '*' --echo", "whatever is asked comes back" },
        { "tp serve --listen 9191 /config --file config.json", "a file, as it is at that moment" },
        { "tp serve gateway:9090 '/math/*' --exec ./math --register math",
          "connects, and is a member of the service math, without a port of its own" },
        { "tp serve gateway:9090 '/jobs/*' --exec './work \"$TELEPORT_PATH\"' --jobs 2",
          "connects, and works for whoever asks through that connection" },
    },
    .run = serve_run,
};

static enum tp_exit_code
serve_run(const struct tp_settings *settings)
{
    struct serve serve = { .left = settings->count };
    enum tp_exit_code code = tp__client_open(&serve.client, settings, serve_adjust);

    serve.waiting_end = &serve.waiting;
    serve.waitables = calloc(TP_CLIENT_WAITABLES + (size_t) settings->jobs * TP_CHILD_WAITABLES,
                             sizeof(*serve.waitables));
    if (code == TP_EXIT_DONE) {
        code = serve.waitables == NULL ? TP_EXIT_LOCAL : serve_register(&serve);
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_take_signals(&serve.client);
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_start(&serve.client);
    }
    if (code == TP_EXIT_DONE && settings->service != NULL) {
        code = serve_announce(&serve);
    }
    if (code == TP_EXIT_DONE) {
        code = serve_wait(&serve);
    }
    while (serve.running != NULL) {
        struct serve_job *job = serve.running;

        serve.running = job->next;
        job_refuse(&serve, job, TP_STATUS_SERVICE_UNAVAILABLE, "the server is ending");
    }
    while (serve.waiting != NULL) {
        struct serve_job *job = serve.waiting;

        serve.waiting = job->next;
        job_refuse(&serve, job, TP_STATUS_SERVICE_UNAVAILABLE, "the server is ending");
    }
    tp__client_close(&serve.client);
    free(serve.waitables);
    return code;
}

static void
serve_adjust(struct tp_peer_options *options, const struct tp_settings *settings)
{
    options->exchange_timeout.ms = settings->timeout.ms + SERVE_GRACE_MS;
}

static enum tp_exit_code
serve_register(struct serve *serve)
{
    const struct tp_settings *settings = serve->client.settings;

    for (size_t i = 0; i < settings->uri_count; i++) {
        enum tp_result result =
            tp_peer_on_pull(serve->client.peer, settings->uris[i], serve_on_pull, serve);

        if (result != TP_OK) {
            tp__client_say(&serve->client, "%s: %s", settings->uris[i], tp_result_sentence(result));
            return TP_EXIT_USAGE;
        }
    }
    return TP_EXIT_DONE;
}

static enum tp_exit_code
serve_announce(struct serve *serve)
{
    struct tp_client *client = &serve->client;
    const struct tp_settings *settings = client->settings;
    struct tp_session *session = tp__client_session(client);
    struct tp_service service = TP_SERVICE;

    service.name = settings->service;
    service.uris = settings->uris;
    service.uri_count = settings->uri_count;
    service.weight = (uint32_t) settings->weight;
    service.on_reply = serve_on_announced;
    service.owner = serve;
    if (session == NULL) {
        tp__client_say(client, "--register needs an ADDRESS to connect to");
        return TP_EXIT_USAGE;
    }
    enum tp_result result = tp_session_announce(session, &service);

    client->on_interrupt = serve_leave;
    if (result != TP_OK) {
        tp__client_say(client, "--register: %s", tp_peer_last_error(client->peer));
        return TP_EXIT_LOCAL;
    }
    return TP_EXIT_DONE;
}

/* What is refused for now is tried again; else there is nothing to wait for. */
static void
serve_on_announced(const struct tp_reply *reply, void *owner)
{
    struct serve *serve = owner;
    const struct tp_status *status = tp_reply_status(reply);

    if (status->code == TP_STATUS_OK) {
        tp__client_tell(&serve->client, "registered as %s", serve->client.settings->service);
        return;
    }
    if (status->code == TP_STATUS_CONNECTION_CLOSED) {
        return; /* It is announced with the next connection. */
    }
    tp__client_say(&serve->client, "%s was not registered: %d %.*s",
                   serve->client.settings->service, (int) status->code, TP_STR_ARG(status->text));
    if (status->code != TP_STATUS_SERVICE_UNAVAILABLE
        && status->code != TP_STATUS_GATEWAY_TIMEOUT) {
        serve->refused = tp__client_exit_of_status(status->code);
        tp__client_drain(&serve->client);
    }
}

static enum tp_exit_code
serve_wait(struct serve *serve)
{
    struct tp_client *client = &serve->client;
    bool is_dialed = client->session.home != NULL;

    while (tp__client_turn(client, serve->waitables, serve_fill_waitables(serve),
                           serve_next_deadline_ns(serve))) {
        serve_look_after_jobs(serve);
        if (is_dialed && !client->is_draining && tp__client_session(client) == NULL
            && client->settings->listen == NULL) {
            tp__client_say(client, "the connection to %s was lost", client->settings->address);
            return TP_EXIT_LOST;
        }
    }
    return serve->refused;
}

static size_t
serve_fill_waitables(struct serve *serve)
{
    size_t count = TP_CLIENT_WAITABLES;

    for (struct serve_job *job = serve->running; job != NULL; job = job->next) {
        tp__child_fill(&job->child, serve->waitables + count);
        count += TP_CHILD_WAITABLES;
    }
    return count;
}

/* How long the first job may still run; -1: none does. */
static int64_t
serve_next_deadline_ns(const struct serve *serve)
{
    uint64_t now = tp__system_clock_ns();
    int64_t least = -1;

    for (const struct serve_job *job = serve->running; job != NULL; job = job->next) {
        uint64_t deadline = job_deadline_ns(serve, job);
        int64_t left = deadline > now ? (int64_t) (deadline - now) : 0;

        least = least == -1 || left < least ? left : least;
    }
    return least;
}

static void
serve_look_after_jobs(struct serve *serve)
{
    struct serve_job **at = &serve->running;

    while (*at != NULL) {
        struct serve_job *job = *at;

        if (job_turn(serve, job)) {
            *at = job->next;
            serve->running_count--;
            job_free(job);
        } else {
            at = &job->next;
        }
    }
    serve_start_jobs(serve);
}

static void
serve_on_pull(struct tp_exchange *exchange, void *owner)
{
    struct serve *serve = owner;
    const struct tp_settings *settings = serve->client.settings;

    if (settings->count != 0 && serve->left == 0) {
        const struct tp_status status = status_with(TP_STATUS_SERVICE_UNAVAILABLE, "enough");

        tp_exchange_refuse(exchange, &status);
        return;
    }
    serve->left--;
    if (settings->does_echo) {
        serve_echo(serve, exchange);
    } else if (settings->file != NULL) {
        serve_file(serve, exchange);
    } else {
        serve_exec(serve, exchange);
    }
    if (serve->left == 0) {
        serve_leave(&serve->client);
    }
}

/* A member says first that it leaves: what comes until that is answered is served. */
static void
serve_leave(struct tp_client *client)
{
    const struct tp_settings *settings = client->settings;
    struct tp_session *session = tp__client_session(client);

    if (settings->service == NULL || session == NULL
        || tp_session_withdraw(session, settings->service, serve_on_left, client) != TP_OK) {
        tp__client_drain(client);
    }
}

static void
serve_on_left(const struct tp_reply *reply, void *owner)
{
    (void) reply;
    tp__client_drain(owner);
}

static void
serve_echo(struct serve *serve, struct tp_exchange *exchange)
{
    struct serve_outcome outcome = { .status = tp_status_of(TP_STATUS_OK) };
    uint64_t began_ns = tp__system_clock_ns();
    struct tp_str body;

    /* A body that cannot be inflated can be sent back. */
    if (tp_exchange_read_body(exchange, &body) == TP_OK) {
        outcome.reply_len = body.len;
    }
    serve_tell(serve, exchange, outcome.reply_len, &outcome, began_ns);
    tp_exchange_echo(exchange);
}

static void
serve_file(struct serve *serve, struct tp_exchange *exchange)
{
    const struct tp_settings *settings = serve->client.settings;
    struct serve_outcome outcome = { .status = tp_status_of(TP_STATUS_OK) };
    uint64_t began_ns = tp__system_clock_ns();
    struct tp_bytes bytes = { 0 };
    char text[SERVE_TEXT_MAX];
    enum tp_result result =
        tp__bytes_read_file(&bytes, settings->file, (size_t) settings->packet_limit.bytes);

    if (result != TP_OK) {
        snprintf(text, sizeof(text), "cannot read the file: %s",
                 result == TP_SYSTEM ? strerror(errno) : tp_result_sentence(result));
        outcome.status = status_with(TP_STATUS_INTERNAL_ERROR, text);
        tp__bytes_fini(&bytes);
    }
    outcome.reply_len = bytes.len;
    serve_tell(serve, exchange, 0, &outcome, began_ns);
    tp_exchange_finish_copy(exchange, &outcome.status, tp__bytes_str(&bytes),
                            serve_codec(serve, exchange));
    tp__bytes_fini(&bytes);
}

static void
serve_exec(struct serve *serve, struct tp_exchange *exchange)
{
    const struct tp_settings *settings = serve->client.settings;
    bool has_room = serve->running_count < (size_t) settings->jobs
                    || serve->waiting_count < (size_t) settings->queue;
    struct serve_job *job = has_room ? calloc(1, sizeof(*job)) : NULL;
    struct tp_str body;

    if (job == NULL) {
        const struct tp_status status =
            status_with(TP_STATUS_SERVICE_UNAVAILABLE, "too many wait already");

        tp_exchange_refuse(exchange, &status);
        return;
    }
    enum tp_result result = tp_exchange_read_body(exchange, &body);

    if (result != TP_OK) {
        tp_exchange_refuse_result(exchange, result);
        free(job);
        return;
    }
    job->exchange = exchange;
    job->began_ns = tp__system_clock_ns();
    job->request_len = body.len;
    job->child.output_max = (size_t) settings->packet_limit.bytes;
    tp_exchange_keep(exchange);
    *serve->waiting_end = job;
    serve->waiting_end = &job->next;
    serve->waiting_count++;
    serve_start_jobs(serve);
}

static void
serve_start_jobs(struct serve *serve)
{
    while (serve->waiting != NULL && serve->running_count < (size_t) serve->client.settings->jobs) {
        struct serve_job *job = serve->waiting;

        serve->waiting = job->next;
        if (serve->waiting == NULL) {
            serve->waiting_end = &serve->waiting;
        }
        serve->waiting_count--;
        if (tp__system_clock_ns() >= job_deadline_ns(serve, job)) {
            job_refuse(serve, job, TP_STATUS_GATEWAY_TIMEOUT, "its turn did not come in time");
        } else if (job_start(serve, job) == TP_OK) {
            job->next = serve->running;
            serve->running = job;
            serve->running_count++;
        } else {
            job_refuse(serve, job, TP_STATUS_SERVICE_UNAVAILABLE, "the command cannot be run");
        }
    }
}

static enum tp_result
job_start(struct serve *serve, struct serve_job *job)
{
    const struct tp_session *session = tp_exchange_session(job->exchange);
    char number[24] = "";
    char remote[TP_ADDRESS_TEXT_MAX] = "";
    char letter[2];
    struct tp_str id = { "", 0 };
    struct tp_str body;
    /* Not as it was when the PULL came: that lay in a buffer that others are read into by now. */
    enum tp_result result = tp_exchange_read_body(job->exchange, &body);

    if (result != TP_OK) {
        return result;
    }
    if (session != NULL) {
        snprintf(number, sizeof(number), "%" PRIu64, tp_session_number(session));
        tp_address_format(tp_session_remote(session), remote);
        id = tp_session_id(session);
    }
    const char *codec = tp__show_codec(tp_exchange_body_codec(job->exchange), letter);
    const struct tp_system_variable variables[] = {
        { "TELEPORT_URI", tp_exchange_uri(job->exchange) },
        { "TELEPORT_PATH", tp_exchange_path(job->exchange) },
        { "TELEPORT_QUERY", tp_exchange_query(job->exchange) },
        { "TELEPORT_CODEC", { codec, strlen(codec) } },
        { "TELEPORT_SESSION", { number, strlen(number) } },
        { "TELEPORT_ID", id },
        { "TELEPORT_REMOTE", { remote, strlen(remote) } },
    };

    return tp__child_start(&job->child, serve->client.settings->exec, variables,
                           TP_COUNT_OF(variables), body);
}

/* True when the job is over, and answered. */
static bool
job_turn(struct serve *serve, struct serve_job *job)
{
    enum tp_child_end end = tp__child_turn(&job->child);

    if (end != TP_CHILD_RUNS) {
        job_answer(serve, job, end);
        return true;
    }
    if (tp__system_clock_ns() >= job_deadline_ns(serve, job)) {
        const struct tp_status status =
            status_with(TP_STATUS_GATEWAY_TIMEOUT, "the command took too long");

        job_finish(serve, job, &status, (struct tp_str){ "", 0 });
        return true;
    }
    return false;
}

static void
job_answer(struct serve *serve, struct serve_job *job, enum tp_child_end end)
{
    struct tp_status status = tp_status_of(TP_STATUS_OK);
    struct tp_str body = tp__bytes_str(&job->child.output);
    char text[SERVE_TEXT_MAX];

    if (end == TP_CHILD_TOO_LARGE || end == TP_CHILD_NO_MEMORY) {
        status = status_with(TP_STATUS_INTERNAL_ERROR, end == TP_CHILD_TOO_LARGE
                                                           ? "the output exceeds --packet-limit"
                                                           : "memory ran out");
        body.len = 0;
    } else if (job->child.exit_code != 0) {
        struct tp_str complaint = tp__child_complaint(&job->child);
        size_t len = complaint.len < sizeof(text) ? complaint.len : sizeof(text) - 1;

        snprintf(text, sizeof(text), "exit code %d", job->child.exit_code);
        status = status_with(TP_STATUS_INTERNAL_ERROR, text);
        if (len > 0) {
            status.text = (struct tp_str){ complaint.data, len };
        }
    }
    job_finish(serve, job, &status, body);
}

/* A job that has not begun. */
static void
job_refuse(struct serve *serve, struct serve_job *job, int32_t code, const char *text)
{
    const struct tp_status status = status_with(code, text);

    job_finish(serve, job, &status, (struct tp_str){ "", 0 });
    job_free(job);
}

static void
job_finish(struct serve *serve, struct serve_job *job, const struct tp_status *status,
           struct tp_str body)
{
    const struct serve_outcome outcome = { *status, body.len };

    serve_tell(serve, job->exchange, job->request_len, &outcome, job->began_ns);
    tp_exchange_finish_copy(job->exchange, status, body, serve_codec(serve, job->exchange));
}

static void
job_free(struct serve_job *job)
{
    tp__child_fini(&job->child);
    free(job);
}

static uint64_t
job_deadline_ns(const struct serve *serve, const struct serve_job *job)
{
    return job->began_ns + (uint64_t) serve->client.settings->timeout.ms * NS_PER_MS;
}

static uint8_t
serve_codec(const struct serve *serve, const struct tp_exchange *exchange)
{
    uint8_t wanted = serve->client.settings->body_codec;

    return wanted != TP_CODEC_NONE ? wanted : tp_exchange_body_codec(exchange);
}

/* "/math/add 7 B -> 200 OK 1 B 0.8 ms" */
static void
serve_tell(struct serve *serve, struct tp_exchange *exchange, size_t request_len,
           const struct serve_outcome *outcome, uint64_t began_ns)
{
    struct tp_screen *output = &serve->client.output;
    double elapsed_ms = tp__show_ms_since(began_ns);

    if (serve->client.settings->is_json) {
        fputs("{\"uri\":", output->file);
        tp__json_write_text(output->file, tp_exchange_uri(exchange));
        fprintf(output->file, ",\"request_bytes\":%zu,\"status\":%d,\"text\":", request_len,
                (int) outcome->status.code);
        tp__json_write_text(output->file, outcome->status.text);
        fprintf(output->file, ",\"reply_bytes\":%zu,\"ms\":%.3f}\n", outcome->reply_len,
                elapsed_ms);
    } else if (!serve->client.settings->is_quiet) {
        tp__screen_write(output, tp_exchange_uri(exchange));
        tp__screen_end(output);
        fprintf(output->file, " %zu B -> ", request_len);
        tp__screen_color(output,
                         outcome->status.code == TP_STATUS_OK ? TP_COLOR_GOOD : TP_COLOR_BAD);
        fprintf(output->file, "%d", (int) outcome->status.code);
        tp__screen_color(output, TP_COLOR_NONE);
        fputc(' ', output->file);
        tp__screen_write(output, outcome->status.text);
        tp__screen_end(output);
        fprintf(output->file, " %zu B %.3f ms\n", outcome->reply_len, elapsed_ms);
    }
    fflush(output->file);
}

static struct tp_status
status_with(int32_t code, const char *text)
{
    return (struct tp_status){ code, { text, strlen(text) }, { "", 0 } };
}
