/*
 * ping.c - tp ping: how long answers take, one after the other.
 *
 * Read next: client.c.
 */
#include "cli/client.h"
#include "cli/show.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

struct ping {
    struct tp_client client;
    struct tp_str uri;
    struct tp_str body;
    uint64_t sent;
    uint64_t answered;
    uint64_t timed_out;
    uint64_t lost;
    uint64_t in_flight;
    uint64_t started_ns;
    uint64_t next_ns; /* when the next one leaves */
    double sum_ms;
    double sum_of_squares;
    double min_ms;
    double max_ms;
};

/* One that waits for its answer. */
struct ping_pull {
    struct ping *ping;
    uint64_t number;
    uint64_t sent_ns;
};

static enum tp_exit_code ping_run(const struct tp_settings *settings);
static enum tp_exit_code ping_wait(struct ping *ping);
static bool ping_is_over(const struct ping *ping);
static enum tp_exit_code ping_send(struct ping *ping);
static void ping_on_reply(const struct tp_reply *reply, void *owner);
static void ping_count(struct ping *ping, double elapsed_ms);
static void ping_show(struct ping *ping, uint64_t number, const struct tp_status *status,
                      double elapsed_ms);
static void ping_summarise(struct ping *ping);
static double ping_deviation_ms(const struct ping *ping);
static enum tp_exit_code ping_exit_code(const struct ping *ping);

const struct tp_command tp__command_ping = {
    .name = "ping",
    .operands = "[ADDRESS] [URI [BODY | @FILE | -]]",
    .brief = "PULLs again and again, and tells how long the answers take.",
    .manual =
        "Any answer is a sign of life, whatever its status: without a URI it asks for /ping, and "
        "a 404 does.  One that does not come within --timeout is lost.  SIGINT ends it, with a "
        "summary, and so does --count.\n\n"
        "The exit code is 0 when every PULL was answered, else 4 or 5.  With --json each answer "
        "and the summary are an object on a line.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_SEND | TP_OPTIONS_JSON | TP_OPTIONS_COUNT
              | TP_OPTIONS_PING,
    .takes_address = true,
    .uris_max = 1,
    .takes_body = true,
    .examples = {
        { "tp ping", "the server at port 9090 of this machine" },
        { "tp ping example.org:9090 --count 5 --interval 200ms", "five of them, quickly" },
        { "tp ping --count 1 --timeout 1s --quiet || alert", "is it alive?" },
    },
    .run = ping_run,
};

static enum tp_exit_code
ping_run(const struct tp_settings *settings)
{
    struct ping ping = { .uri = TP_STR("/ping") };
    struct tp_bytes body = { 0 };
    enum tp_exit_code code = tp__client_open(&ping.client, settings, NULL);

    if (settings->uri_count > 0) {
        ping.uri = (struct tp_str){ settings->uris[0], strlen(settings->uris[0]) };
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_read_body(&ping.client, &body);
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_connect(&ping.client);
    }
    if (code == TP_EXIT_DONE) {
        code = tp__client_take_signals(&ping.client);
    }
    if (code == TP_EXIT_DONE) {
        ping.body = tp__bytes_str(&body);
        code = ping_wait(&ping);
        ping_summarise(&ping);
    }
    tp__client_close(&ping.client);
    tp__bytes_fini(&body);
    return code;
}

static enum tp_exit_code
ping_wait(struct ping *ping)
{
    struct tp_waitable waitables[TP_CLIENT_WAITABLES];
    int64_t left = 0;

    ping->started_ns = tp__system_clock_ns();
    ping->next_ns = ping->started_ns;
    do {
        uint64_t now = tp__system_clock_ns();
        bool is_wanted = ping->client.settings->count == 0
                         || ping->sent < (uint64_t) ping->client.settings->count;

        if (is_wanted && !ping->client.is_draining && now >= ping->next_ns) {
            enum tp_exit_code code = ping_send(ping);

            if (code != TP_EXIT_DONE) {
                return code;
            }
        }
        if (ping_is_over(ping)) {
            break;
        }
        left = !is_wanted ? -1 : ping->next_ns > now ? (int64_t) (ping->next_ns - now) : 0;
    } while (tp__client_turn(&ping->client, waitables, TP_CLIENT_WAITABLES, left));
    return ping_exit_code(ping);
}

static bool
ping_is_over(const struct ping *ping)
{
    int64_t count = ping->client.settings->count;

    return count != 0 && ping->sent >= (uint64_t) count && ping->in_flight == 0;
}

static enum tp_exit_code
ping_send(struct ping *ping)
{
    const struct tp_send_options options = tp__client_send_options(ping->client.settings);
    struct tp_session *session = tp__client_session(&ping->client);
    struct ping_pull *pull = malloc(sizeof(*pull));
    enum tp_result result = TP_NO_MEMORY;

    ping->next_ns += (uint64_t) ping->client.settings->interval.ms * NS_PER_MS;
    if (pull != NULL) {
        *pull = (struct ping_pull){ ping, ping->sent + 1, tp__system_clock_ns() };
        result = session == NULL ? TP_GONE
                                 : tp_session_pull_async(session, ping->uri, ping->body, &options,
                                                         ping_on_reply, pull);
    }
    if (result != TP_OK) {
        tp__client_say(&ping->client, "cannot send: %s", tp_result_sentence(result));
        free(pull);
        return tp__client_exit_of_result(result);
    }
    ping->sent++;
    ping->in_flight++;
    return TP_EXIT_DONE;
}

static void
ping_on_reply(const struct tp_reply *reply, void *owner)
{
    struct ping_pull *pull = owner;
    struct ping *ping = pull->ping;
    const struct tp_status *status = tp_reply_status(reply);
    double elapsed_ms = tp__show_ms_since(pull->sent_ns);

    ping->in_flight--;
    switch (tp__client_exit_of_status(status->code)) {
    case TP_EXIT_TIMED_OUT:
        ping->timed_out++;
        break;
    case TP_EXIT_LOST:
        ping->lost++;
        break;
    default:
        ping_count(ping, elapsed_ms);
        break;
    }
    ping_show(ping, pull->number, status, elapsed_ms);
    free(pull);
}

static void
ping_count(struct ping *ping, double elapsed_ms)
{
    ping->min_ms = ping->answered == 0 || elapsed_ms < ping->min_ms ? elapsed_ms : ping->min_ms;
    ping->max_ms = elapsed_ms > ping->max_ms ? elapsed_ms : ping->max_ms;
    ping->sum_ms += elapsed_ms;
    ping->sum_of_squares += elapsed_ms * elapsed_ms;
    ping->answered++;
}

static void
ping_show(struct ping *ping, uint64_t number, const struct tp_status *status, double elapsed_ms)
{
    const struct tp_settings *settings = ping->client.settings;
    FILE *file = ping->client.output.file;

    if (settings->is_json) {
        fprintf(file, "{\"pull\":%" PRIu64 ",\"status\":%d,\"ms\":%.3f}\n", number,
                (int) status->code, elapsed_ms);
    } else if (!settings->is_quiet) {
        fprintf(file, "from %s: pull=%" PRIu64 " status=%d time=%.3f ms\n", settings->address,
                number, (int) status->code, elapsed_ms);
    }
    fflush(file);
}

static void
ping_summarise(struct ping *ping)
{
    const struct tp_settings *settings = ping->client.settings;
    FILE *file = ping->client.output.file;
    double mean = ping->answered > 0 ? ping->sum_ms / (double) ping->answered : 0;
    uint64_t missing = ping->sent - ping->answered;
    double share = ping->sent > 0 ? 100.0 * (double) missing / (double) ping->sent : 0;

    if (settings->is_json) {
        fprintf(file,
                "{\"sent\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"timed_out\":%" PRIu64
                ",\"lost\":%" PRIu64 ",\"min_ms\":%.3f,\"mean_ms\":%.3f,\"max_ms\":%.3f,"
                "\"deviation_ms\":%.3f}\n",
                ping->sent, ping->answered, ping->timed_out, ping->lost, ping->min_ms, mean,
                ping->max_ms, ping_deviation_ms(ping));
        return;
    }
    if (settings->is_quiet) {
        return;
    }
    fprintf(file,
            "--- %s %.*s ---\n%" PRIu64 " PULLs sent, %" PRIu64 " answered, %.0f %% missing, "
            "%.0f ms\n",
            settings->address, TP_STR_ARG(ping->uri), ping->sent, ping->answered, share,
            tp__show_ms_since(ping->started_ns));
    if (ping->answered > 0) {
        fprintf(file, "min/mean/max/deviation = %.3f/%.3f/%.3f/%.3f ms\n", ping->min_ms, mean,
                ping->max_ms, ping_deviation_ms(ping));
    }
}

static double
ping_deviation_ms(const struct ping *ping)
{
    if (ping->answered == 0) {
        return 0;
    }
    double mean = ping->sum_ms / (double) ping->answered;
    double variance = ping->sum_of_squares / (double) ping->answered - mean * mean;

    return variance > 0 ? sqrt(variance) : 0;
}

static enum tp_exit_code
ping_exit_code(const struct ping *ping)
{
    if (ping->lost > 0) {
        return TP_EXIT_LOST;
    }
    return ping->timed_out > 0 || ping->answered == 0 ? TP_EXIT_TIMED_OUT : TP_EXIT_DONE;
}
