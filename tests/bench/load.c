/*
 * load.c - a load for servers of Teleport 2.5, as plain as one can be: the loop beside which the
 * cost of tp bench is shown, and sessions that are only held open.
 *
 *     load run ADDRESS --route /echo --size 581 --sessions 100 --depth 1 --seconds 2
 *     load hold ADDRESS SESSIONS URI
 *
 * Runs in: a program of its own, built by `make bench`.
 * Read next: engine.c.
 */
#include "client.h"
#include "engine.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    LOAD_BODY_MAX = 64 * 1024 * 1024,
    LOAD_SESSIONS_MAX = 60000,
    LOAD_SUM_LAST = 9, /* the numbers of a sum go round below it */
};

static const char load_usage[] =
    "usage: load run ADDRESS [options]      measures, and prints what it has found\n"
    "       load hold ADDRESS SESSIONS URI  opens sessions; each line on its input lets every\n"
    "                                       session PULL once; the end of input closes them\n"
    "\n"
    "  --route URI      what is pulled                                    /echo\n"
    "  --size BYTES     of the body                                       16\n"
    "  --numbers        the body is a JSON array of numbers\n"
    "  --sessions N                                                       1\n"
    "  --depth N        PULLs in flight on each session                   1\n"
    "  --warm-up S      seconds before measuring                          0.3\n"
    "  --seconds S      of measuring                                      1\n"
    "  --pulls N        as many instead, however long they take\n"
    "  --server-pid N   the process whose processor time is measured\n"
    "  --bare           the other end is a bare echo\n";

static void load_allow_descriptors(void);
static int load_run(int argc, char **argv);
static bool load_read_option(int letter, const char *value, struct tp_engine_options *options);
static bool load_options_are_right(const struct tp_engine_options *options);
static uint8_t *load_make_body(size_t len, uint8_t codec);
static void load_print(const struct tp_engine_options *options,
                       const struct tp_engine_result *result);
static int load_hold(int argc, char **argv);
static int load_pull_on_all(const int *sessions, unsigned count, const char *uri);
static int load_complain(void);

static const struct option load_options[] = {
    { "route", required_argument, NULL, 'r' },
    { "size", required_argument, NULL, 'b' },
    { "numbers", no_argument, NULL, 'n' },
    { "sessions", required_argument, NULL, 's' },
    { "depth", required_argument, NULL, 'd' },
    { "warm-up", required_argument, NULL, 'w' },
    { "seconds", required_argument, NULL, 't' },
    { "pulls", required_argument, NULL, 'p' },
    { "server-pid", required_argument, NULL, 'c' },
    { "bare", no_argument, NULL, 'e' },
    { 0 },
};

int
main(int argc, char **argv)
{
    load_allow_descriptors();
    if (argc > 2 && strcmp(argv[1], "run") == 0) {
        return load_run(argc - 1, argv + 1);
    }
    if (argc == 5 && strcmp(argv[1], "hold") == 0) {
        return load_hold(argc - 1, argv + 1);
    }
    return load_complain();
}

/* As many as the system lets us have; where they do not suffice, connecting says so. */
static void
load_allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int
load_run(int argc, char **argv)
{
    struct tp_engine_options options = {
        .pull = { .uri = "/echo", .body_codec = TP_WIRE_CODEC_PLAIN, .body_len = 16 },
        .session_count = 1,
        .depth = 1,
        .warm_up_s = 0.3,
        .seconds = 1,
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "", load_options, NULL)) != -1) {
        if (!load_read_option(letter, optarg, &options)) {
            return load_complain();
        }
    }
    if (optind + 1 != argc || !load_options_are_right(&options)) {
        return load_complain();
    }
    options.address = argv[optind];
    uint8_t *body = load_make_body(options.pull.body_len, options.pull.body_codec);
    struct tp_engine_result *result = malloc(sizeof(*result));

    options.pull.body = body;
    int status = body == NULL || result == NULL ? -1 : tp__engine_run(&options, result);

    if (status == 0) {
        load_print(&options, result);
    }
    free(result);
    free(body);
    return status == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Returns false when there is no such option. */
static bool
load_read_option(int letter, const char *value, struct tp_engine_options *options)
{
    switch (letter) {
    case 'r':
        options->pull.uri = value;
        return true;
    case 'b':
        options->pull.body_len = strtoul(value, NULL, 10);
        return true;
    case 'n':
        options->pull.body_codec = TP_WIRE_CODEC_JSON;
        return true;
    case 's':
        options->session_count = (unsigned) strtoul(value, NULL, 10);
        return true;
    case 'd':
        options->depth = (unsigned) strtoul(value, NULL, 10);
        return true;
    case 'w':
        options->warm_up_s = strtod(value, NULL);
        return true;
    case 't':
        options->seconds = strtod(value, NULL);
        return true;
    case 'p':
        options->pull_count = strtoull(value, NULL, 10);
        return true;
    case 'c':
        options->server_pid = strtol(value, NULL, 10);
        return true;
    case 'e':
        options->is_bare_echo = true;
        return true;
    default:
        return false;
    }
}

static bool
load_options_are_right(const struct tp_engine_options *options)
{
    return options->session_count >= 1 && options->session_count <= LOAD_SESSIONS_MAX
           && options->depth >= 1 && options->depth <= TP_ENGINE_DEPTH_MAX
           && options->pull.body_len <= LOAD_BODY_MAX && options->warm_up_s >= 0
           && options->seconds > 0 && options->server_pid >= 0;
}

/* Letters, or for JSON an array of numbers of exactly that length: "[1,2,3,45]". */
static uint8_t *
load_make_body(size_t len, uint8_t codec)
{
    uint8_t *body = malloc(len + 1);

    if (body == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        body[i] = (uint8_t) ('a' + i % 26);
    }
    if (codec == TP_WIRE_CODEC_JSON && len >= 3) {
        for (size_t i = 1; i < len - 1; i++) {
            body[i] = i % 2 == 0 && i < len - 2 ? ',' : (uint8_t) ('1' + i / 2 % LOAD_SUM_LAST);
        }
        body[0] = '[';
        body[len - 1] = ']';
    }
    return body;
}

static void
load_print(const struct tp_engine_options *options, const struct tp_engine_result *result)
{
    double seconds = (double) result->elapsed_ns / 1e9;
    double pulls = (double) result->pulls;

    printf("pulls %llu\n", (unsigned long long) result->pulls);
    printf("refused %llu\n", (unsigned long long) result->refused);
    printf("seconds %.3f\n", seconds);
    printf("pulls_per_second %.0f\n", seconds > 0 ? pulls / seconds : 0);
    printf("p50_us %.1f\n", (double) tp__histogram_percentile(&result->latency_ns, 0.5) / 1e3);
    printf("p99_us %.1f\n", (double) tp__histogram_percentile(&result->latency_ns, 0.99) / 1e3);
    printf("p999_us %.1f\n", (double) tp__histogram_percentile(&result->latency_ns, 0.999) / 1e3);
    if (options->server_pid != 0 && result->pulls > 0) {
        printf("server_cpu_us_per_pull %.4f\n", (double) result->server_cpu_ns / 1e3 / pulls);
    }
}

/* Says "ready" when the sessions are open, and again whenever all have been answered. */
static int
load_hold(int argc, char **argv)
{
    unsigned count = (unsigned) strtoul(argv[2], NULL, 10);
    const char *uri = argv[argc - 1];
    int *sessions = calloc(count + 1, sizeof(*sessions));
    bool is_open = sessions != NULL && count <= LOAD_SESSIONS_MAX;
    int status = EXIT_SUCCESS;
    char line[64];

    for (unsigned i = 0; i < count && is_open; i++) {
        sessions[i] = tp__client_connect(argv[1]);
        is_open = sessions[i] != -1;
    }
    if (!is_open) {
        free(sessions);
        return EXIT_FAILURE;
    }
    puts("ready");
    fflush(stdout);
    while (status == EXIT_SUCCESS && fgets(line, sizeof(line), stdin) != NULL) {
        status = load_pull_on_all(sessions, count, uri);
        puts("ready");
        fflush(stdout);
    }
    free(sessions);
    return status;
}

static int
load_pull_on_all(const int *sessions, unsigned count, const char *uri)
{
    static const uint8_t body[] = { '[', '1', ',', '2', ']' };
    const struct tp_wire_pull pull = {
        .seq = 1,
        .uri = uri,
        .body_codec = TP_WIRE_CODEC_JSON,
        .body = body,
        .body_len = sizeof(body),
    };
    uint8_t bytes[4096];
    struct tp_client_room room = { bytes, sizeof(bytes) };
    struct tp_wire_reply reply;

    for (unsigned i = 0; i < count; i++) {
        if (tp__client_ask(sessions[i], &pull, &room, &reply) == -1) {
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}

static int
load_complain(void)
{
    fputs(load_usage, stderr);
    return 2;
}
