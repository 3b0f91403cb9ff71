/*
 * cli/bench_load.h - one thread of a load: a peer of its own, its share of the sessions.
 *
 * Closed loop: each session keeps --depth PULLs in flight; the next one leaves when one was
 * answered.  Open loop (--rate): PULLs leave when they are due, whatever has become of those
 * before, and their time counts from when they were due, so that a server that stalls is not
 * spared the PULLs that it kept waiting.
 *
 * Read next: bench.c (the thread that starts them and adds up).
 */
#ifndef TP_CLI_BENCH_LOAD_H
#define TP_CLI_BENCH_LOAD_H

#include "cli/client.h"
#include "cli/histogram.h"

#include <stdatomic.h>

/* How far a run is: written by one side, read by the other. */
enum tp_bench_phase {
    TP_BENCH_CONNECTS,
    TP_BENCH_RUNS,
    TP_BENCH_ENDS, /* at once */
};

/* What all threads share; the times are set before the phase becomes TP_BENCH_RUNS. */
struct tp_bench_plan {
    const struct tp_settings *settings;
    struct tp_str uri;
    struct tp_str body;
    uint8_t body_codec;
    _Atomic int phase; /* enum tp_bench_phase */
    uint64_t start_ns;
    uint64_t begin_ns; /* of measuring */
    uint64_t end_ns;   /* UINT64_MAX: when --count is reached */
};

struct tp_bench_counts {
    uint64_t answered; /* with status 200 */
    uint64_t refused;  /* with another */
    uint64_t timed_out;
    uint64_t lost;   /* with their connection */
    uint64_t unsent; /* open loop: due, but not sent by the end */
    struct tp_histogram latency_ns;
};

struct tp_bench_load {
    struct tp_bench_plan *plan;
    int64_t session_count; /* its share, here and below */
    int64_t pull_count;    /* 0: no bound */
    double rate;           /* 0: closed loop */
    _Atomic bool is_ready; /* all sessions are open, or `exit_code` is set */
    _Atomic bool has_ended;
    _Atomic uint64_t progress; /* answers so far, measured or not */
    enum tp_exit_code exit_code;
    struct tp_bench_counts counts; /* of the measured time; read when it has ended */
    uint64_t ended_ns;
    struct tp_system_thread *thread;
};

/* The thread; `owner` is a struct tp_bench_load. */
void tp__bench_load_run(void *owner);

#endif
