/*
 * bench.c - tp bench: plans a load, watches it run, and tells what it found.
 *
 * The load runs in threads of its own (bench_load.c); this one draws the progress, listens to
 * signals, and reads processor times at the moments when measuring begins and ends.
 */
#include "cli/bench_load.h"
#include "cli/json_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    BENCH_TICK_MS = 200,
    BENCH_READY_TICK_MS = 2,
    BENCH_BAR_CELLS = 30,
};

#define NS_PER_MS UINT64_C(1000000)

/* ROW(name in JSON, name for people, share) */
#define BENCH_PERCENTILE_TABLE(ROW) \
    ROW("p50", "50 %", 0.5)         \
    ROW("p90", "90 %", 0.9)         \
    ROW("p99", "99 %", 0.99)        \
    ROW("p999", "99.9 %", 0.999)    \
    ROW("p9999", "99.99 %", 0.9999)

struct bench_result {
    struct tp_bench_counts counts;
    double seconds;
    uint64_t own_cpu_ns;
    uint64_t server_cpu_ns;
};

struct bench_run {
    const struct tp_settings *settings;
    struct tp_screen output;
    struct tp_screen messages;
    struct tp_bytes body;
    struct tp_bench_plan plan;
    struct tp_bench_load *loads;
    size_t load_count; /* started */
    int signals;
    bool was_interrupted;
    struct bench_result result;
};

static enum tp_exit_code bench_run(const struct tp_settings *settings);
static enum tp_exit_code bench_make_body(struct bench_run *run);
static enum tp_exit_code bench_start(struct bench_run *run);
static void bench_share_out(struct bench_run *run, size_t number);
static enum tp_exit_code bench_wait_ready(struct bench_run *run);
static void bench_measure(struct bench_run *run);
static void bench_wait_until(struct bench_run *run, uint64_t until_ns);
static void bench_wait(struct bench_run *run, int64_t timeout_ns);
static bool bench_has_ended(const struct bench_run *run);
static uint64_t bench_progress(const struct bench_run *run);
static void bench_draw(struct bench_run *run, uint64_t *seen, uint64_t *seen_ns);
static void bench_stop(struct bench_run *run);
static enum tp_exit_code bench_add_up(struct bench_run *run);
static void bench_print(const struct bench_run *run);
static void bench_print_latency(const struct bench_run *run);
static void bench_print_json(const struct bench_run *run);
static uint64_t bench_outcomes(const struct bench_run *run);
static double bench_us(uint64_t duration_ns);

const struct tp_command tp__command_bench = {
    .name = "bench",
    .operands = "[ADDRESS] URI [BODY | @FILE | -]",
    .brief = "Measures how many PULLs are answered, and how long that takes.",
    .manual =
        "Each of --sessions keeps --depth PULLs in flight; the next one leaves when one was "
        "answered (a closed loop), and times are from a PULL's sending to its answer.\n\n"
        "With --rate PULLs leave when they are due, come what may (an open loop), at most "
        "--depth on each session at once, and times count from when a PULL was due: a server "
        "that stalls is charged with all that it kept waiting.  What was due and could not be "
        "sent by the end is counted as unsent, with the time it has waited.\n\n"
        "Measuring begins behind --warm-up and takes --duration, or with --count as many PULLs "
        "as that and no warm-up.  Percentiles are exact within 2 %, minimum and maximum "
        "altogether.  One thread is usually enough; where the load's own processor time shows "
        "that it is not, there is --threads.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_SEND | TP_OPTIONS_JSON | TP_OPTIONS_BENCH
              | TP_OPTIONS_COUNT,
    .takes_address = true,
    .uris_min = 1,
    .uris_max = 1,
    .takes_body = true,
    .examples = {
        { "tp bench /echo", "one session, one PULL at a time, for ten seconds" },
        { "tp bench /echo --sessions 100 --depth 10 --duration 30s", "a thousand in flight" },
        { "tp bench /orders @order.json --rate 5000 --sessions 50 --depth 100",
          "how long answers take at 5000 a second" },
        { "tp bench /echo --json | jq .pulls_per_second", "for another program" },
    },
    .run = bench_run,
};

static enum tp_exit_code
bench_run(const struct tp_settings *settings)
{
    struct bench_run run = { .settings = settings, .signals = -1 };

    tp__screen_init(&run.output, stdout, settings->has_no_color);
    tp__screen_init(&run.messages, stderr, settings->has_no_color);
    tp__system_allow_descriptors();
    enum tp_exit_code code = bench_make_body(&run);

    if (code == TP_EXIT_DONE) {
        code = bench_start(&run);
    }
    if (code == TP_EXIT_DONE) {
        code = bench_wait_ready(&run);
    }
    if (code == TP_EXIT_DONE) {
        bench_measure(&run);
    }
    bench_stop(&run);
    if (code == TP_EXIT_DONE) {
        code = bench_add_up(&run);
        if (settings->is_json) {
            bench_print_json(&run);
        } else {
            bench_print(&run);
        }
    }
    free(run.loads);
    tp__bytes_fini(&run.body);
    tp__system_close(&run.signals);
    return code;
}

/* The BODY, or letters of --size. */
static enum tp_exit_code
bench_make_body(struct bench_run *run)
{
    const struct tp_settings *settings = run->settings;
    size_t limit = (size_t) settings->packet_limit.bytes;

    run->plan.settings = settings;
    run->plan.uri = (struct tp_str){ settings->uris[0], strlen(settings->uris[0]) };
    run->plan.body_codec = settings->body == NULL ? TP_CODEC_PLAIN : settings->body_codec;
    enum tp_result result = tp__bytes_read_body(&run->body, settings->body, limit);

    for (uint64_t i = 0; settings->body == NULL && i < settings->size.bytes && result == TP_OK;
         i++) {
        char letter = (char) ('a' + i % 26);

        result = tp__bytes_append(&run->body, (struct tp_str){ &letter, 1 }, limit);
    }
    run->plan.body = tp__bytes_str(&run->body);
    if (result != TP_OK) {
        fprintf(stderr, "tp: cannot read the body: %s\n", tp_result_sentence(result));
        return TP_EXIT_LOCAL;
    }
    return TP_EXIT_DONE;
}

static enum tp_exit_code
bench_start(struct bench_run *run)
{
    size_t count = (size_t) run->settings->threads;

    run->signals = tp__system_open_signals();
    run->loads = calloc(count, sizeof(*run->loads));
    while (run->loads != NULL && run->load_count < count) {
        struct tp_bench_load *load = &run->loads[run->load_count];

        bench_share_out(run, run->load_count);
        if (tp__system_start_thread(tp__bench_load_run, load, &load->thread) != TP_OK) {
            break;
        }
        run->load_count++;
    }
    if (run->load_count < count) {
        fputs("tp: the threads cannot be started\n", stderr);
        return TP_EXIT_LOCAL;
    }
    return TP_EXIT_DONE;
}

/* Sessions, PULLs and rate in equal parts; the first ones take what is left over. */
static void
bench_share_out(struct bench_run *run, size_t number)
{
    const struct tp_settings *settings = run->settings;
    struct tp_bench_load *load = &run->loads[number];
    int64_t at = (int64_t) number;

    load->plan = &run->plan;
    load->session_count =
        settings->sessions / settings->threads + (at < settings->sessions % settings->threads);
    load->pull_count =
        settings->count / settings->threads + (at < settings->count % settings->threads);
    load->rate =
        (double) settings->rate * (double) load->session_count / (double) settings->sessions;
}

static enum tp_exit_code
bench_wait_ready(struct bench_run *run)
{
    for (size_t i = 0; i < run->load_count; i++) {
        while (!atomic_load(&run->loads[i].is_ready) && !run->was_interrupted) {
            bench_wait(run, BENCH_READY_TICK_MS * (int64_t) NS_PER_MS);
        }
        if (run->was_interrupted) {
            return TP_EXIT_LOCAL;
        }
        if (run->loads[i].exit_code != TP_EXIT_DONE) {
            return run->loads[i].exit_code;
        }
    }
    return TP_EXIT_DONE;
}

static void
bench_measure(struct bench_run *run)
{
    const struct tp_settings *settings = run->settings;
    struct tp_bench_plan *plan = &run->plan;
    bool is_counted = settings->count > 0;
    uint64_t server_ns = 0;

    plan->start_ns = tp__system_clock_ns();
    plan->begin_ns =
        plan->start_ns + (is_counted ? 0 : (uint64_t) settings->warm_up.ms * NS_PER_MS);
    plan->end_ns =
        is_counted ? UINT64_MAX : plan->begin_ns + (uint64_t) settings->duration.ms * NS_PER_MS;
    atomic_store(&plan->phase, TP_BENCH_RUNS);
    bench_wait_until(run, plan->begin_ns);
    uint64_t own_ns = tp__system_own_cpu_ns();

    if (settings->server_pid != 0) {
        server_ns = tp__system_process_cpu_ns(settings->server_pid);
    }
    bench_wait_until(run, plan->end_ns);
    run->result.own_cpu_ns = tp__system_own_cpu_ns() - own_ns;
    if (settings->server_pid != 0) {
        run->result.server_cpu_ns = tp__system_process_cpu_ns(settings->server_pid) - server_ns;
    }
    uint64_t end_ns = tp__system_clock_ns();

    run->result.seconds =
        (double) ((end_ns < plan->end_ns ? end_ns : plan->end_ns) - plan->begin_ns) / 1e9;
    /* What was due is waited for, unless somebody is in a hurry. */
    while (!bench_has_ended(run) && !run->was_interrupted) {
        bench_wait(run, BENCH_READY_TICK_MS * (int64_t) NS_PER_MS);
    }
    tp__screen_clear_progress(&run->messages);
}

static void
bench_wait_until(struct bench_run *run, uint64_t until_ns)
{
    uint64_t seen = bench_progress(run);
    uint64_t seen_ns = tp__system_clock_ns();
    uint64_t now_ns = seen_ns;

    while (now_ns < until_ns && !run->was_interrupted && !bench_has_ended(run)) {
        uint64_t left_ns = until_ns - now_ns;
        uint64_t tick_ns =
            (run->plan.end_ns == UINT64_MAX ? BENCH_READY_TICK_MS : BENCH_TICK_MS) * NS_PER_MS;

        bench_wait(run, (int64_t) (left_ns < tick_ns ? left_ns : tick_ns));
        now_ns = tp__system_clock_ns();
        if (now_ns - seen_ns >= BENCH_TICK_MS * NS_PER_MS) {
            bench_draw(run, &seen, &seen_ns);
        }
    }
}

static void
bench_wait(struct bench_run *run, int64_t timeout_ns)
{
    struct tp_waitable waitable = { .fd = run->signals };

    tp__system_wait(&waitable, 1, timeout_ns);
    if (waitable.is_ready && tp__system_read_signal(run->signals) == TP_SIGNAL_END) {
        run->was_interrupted = true;
    }
}

/* One that has failed ends the run. */
static bool
bench_has_ended(const struct bench_run *run)
{
    size_t ended = 0;

    for (size_t i = 0; i < run->load_count; i++) {
        if (atomic_load(&run->loads[i].has_ended)) {
            ended++;
            if (run->loads[i].exit_code != TP_EXIT_DONE) {
                return true;
            }
        }
    }
    return ended == run->load_count;
}

static uint64_t
bench_progress(const struct bench_run *run)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < run->load_count; i++) {
        sum += atomic_load_explicit(&run->loads[i].progress, memory_order_relaxed);
    }
    return sum;
}

/* "[#####-----]  50 %  123456 PULLs/s" */
static void
bench_draw(struct bench_run *run, uint64_t *seen, uint64_t *seen_ns)
{
    const struct tp_bench_plan *plan = &run->plan;
    uint64_t now_ns = tp__system_clock_ns();
    uint64_t progress = bench_progress(run);
    double rate = (double) (progress - *seen) * 1e9 / (double) (now_ns - *seen_ns);
    double share = run->settings->count > 0 ? (double) progress / (double) run->settings->count
                                            : (double) (now_ns - plan->start_ns)
                                                  / (double) (plan->end_ns - plan->start_ns);
    char bar[BENCH_BAR_CELLS + 3];
    char line[128];

    *seen = progress;
    *seen_ns = now_ns;
    if (run->settings->is_quiet) {
        return;
    }
    tp__screen_draw_bar(bar, sizeof(bar), share);
    snprintf(line, sizeof(line), "%s %3.0f %%  %.0f %s/s%s", bar, 100 * share, rate,
             run->settings->does_push ? "PUSHes" : "PULLs",
             now_ns < plan->begin_ns ? "  (warming up)" : "");
    tp__screen_progress(&run->messages, line);
}

static void
bench_stop(struct bench_run *run)
{
    atomic_store(&run->plan.phase, TP_BENCH_ENDS);
    for (size_t i = 0; i < run->load_count; i++) {
        tp__system_join_thread(&run->loads[i].thread);
    }
}

static enum tp_exit_code
bench_add_up(struct bench_run *run)
{
    struct tp_bench_counts *sum = &run->result.counts;
    enum tp_exit_code code = TP_EXIT_DONE;

    for (size_t i = 0; i < run->load_count; i++) {
        const struct tp_bench_load *load = &run->loads[i];

        sum->answered += load->counts.answered;
        sum->refused += load->counts.refused;
        sum->timed_out += load->counts.timed_out;
        sum->lost += load->counts.lost;
        sum->unsent += load->counts.unsent;
        tp__histogram_merge(&sum->latency_ns, &load->counts.latency_ns);
        code = code == TP_EXIT_DONE ? load->exit_code : code;
        if (run->settings->count > 0) {
            run->result.seconds =
                (double) (load->ended_ns - run->plan.begin_ns) / 1e9 > run->result.seconds
                    ? (double) (load->ended_ns - run->plan.begin_ns) / 1e9
                    : run->result.seconds;
        }
    }
    if (code != TP_EXIT_DONE) {
        return code;
    }
    if (sum->lost > 0) {
        return TP_EXIT_LOST;
    }
    return sum->timed_out > 0 ? TP_EXIT_TIMED_OUT
           : sum->refused > 0 ? TP_EXIT_STATUS
                              : TP_EXIT_DONE;
}

static void
bench_print(const struct bench_run *run)
{
    const struct tp_settings *settings = run->settings;
    const struct bench_result *result = &run->result;
    uint64_t outcomes = bench_outcomes(run);
    const char *what = settings->does_push ? "PUSHes" : "PULLs";
    FILE *file = run->output.file;

    fprintf(file, "%s %s: %" PRId64 " session%s, depth %" PRId64 ", bodies of %zu B, %.3f s\n",
            settings->address, settings->uris[0], settings->sessions,
            settings->sessions == 1 ? "" : "s", settings->depth, run->body.len, result->seconds);
    fprintf(file, "  %-12s %" PRIu64 " %s, %.0f a second", "answered", outcomes, what,
            result->seconds > 0 ? (double) outcomes / result->seconds : 0);
    if (settings->rate > 0) {
        fprintf(file, " of %" PRId64, settings->rate);
    }
    fputs("\n", file);
    if (result->counts.refused > 0) {
        fprintf(file, "  %-12s %" PRIu64 ", with a status other than 200\n", "refused",
                result->counts.refused);
    }
    if (result->counts.timed_out + result->counts.lost + result->counts.unsent > 0) {
        fprintf(file, "  %-12s %" PRIu64 " timed out, %" PRIu64 " lost, %" PRIu64 " unsent\n",
                "missing", result->counts.timed_out, result->counts.lost, result->counts.unsent);
    }
    bench_print_latency(run);
    if (outcomes > 0) {
        fprintf(file, "  %-12s %.3f us each", "processor",
                bench_us(result->own_cpu_ns) / (double) outcomes);
        if (settings->server_pid != 0) {
            fprintf(file, ", of the server %.3f us",
                    bench_us(result->server_cpu_ns) / (double) outcomes);
        }
        fputs("\n", file);
    }
}

static void
bench_print_latency(const struct bench_run *run)
{
    const struct tp_histogram *latency = &run->result.counts.latency_ns;
    FILE *file = run->output.file;

    fprintf(file, "  %-12s min %.1f, mean %.1f, max %.1f us\n", "latency", bench_us(latency->min),
            tp__histogram_mean(latency) / 1e3, bench_us(latency->max));
#define PERCENTILE_ROW(json_name, name, share) \
    fprintf(file, "  %12s %.1f us\n", name, bench_us(tp__histogram_percentile(latency, share)));
    BENCH_PERCENTILE_TABLE(PERCENTILE_ROW)
#undef PERCENTILE_ROW
}

static void
bench_print_json(const struct bench_run *run)
{
    const struct tp_settings *settings = run->settings;
    const struct bench_result *result = &run->result;
    const struct tp_histogram *latency = &result->counts.latency_ns;
    uint64_t outcomes = bench_outcomes(run);
    double each = outcomes > 0 ? (double) outcomes : 1;
    FILE *file = run->output.file;

    fputs("{\"address\":", file);
    tp__json_write_text(file, (struct tp_str){ settings->address, strlen(settings->address) });
    fputs(",\"uri\":", file);
    tp__json_write_text(file, run->plan.uri);
    fprintf(file,
            ",\"sessions\":%" PRId64 ",\"depth\":%" PRId64 ",\"threads\":%" PRId64
            ",\"rate\":%" PRId64 ",\"body_bytes\":%zu,\"seconds\":%.6f,\"pulls\":%" PRIu64
            ",\"pulls_per_second\":%.1f,\"refused\":%" PRIu64 ",\"timed_out\":%" PRIu64
            ",\"lost\":%" PRIu64 ",\"unsent\":%" PRIu64,
            settings->sessions, settings->depth, settings->threads, settings->rate, run->body.len,
            result->seconds, outcomes,
            result->seconds > 0 ? (double) outcomes / result->seconds : 0, result->counts.refused,
            result->counts.timed_out, result->counts.lost, result->counts.unsent);
    fprintf(file, ",\"latency_us\":{\"min\":%.1f,\"mean\":%.1f,\"max\":%.1f",
            bench_us(latency->min), tp__histogram_mean(latency) / 1e3, bench_us(latency->max));
#define PERCENTILE_JSON_ROW(json_name, name, share) \
    fprintf(file, ",\"" json_name "\":%.1f", bench_us(tp__histogram_percentile(latency, share)));
    BENCH_PERCENTILE_TABLE(PERCENTILE_JSON_ROW)
#undef PERCENTILE_JSON_ROW
    fprintf(file, "},\"own_cpu_us_per_pull\":%.4f", bench_us(result->own_cpu_ns) / each);
    if (settings->server_pid != 0) {
        fprintf(file, ",\"server_cpu_us_per_pull\":%.4f", bench_us(result->server_cpu_ns) / each);
    }
    fputs("}\n", file);
}

/* Those that were answered in one way or the other. */
static uint64_t
bench_outcomes(const struct bench_run *run)
{
    return run->result.counts.answered + run->result.counts.refused;
}

static double
bench_us(uint64_t duration_ns)
{
    return (double) duration_ns / 1e3;
}
