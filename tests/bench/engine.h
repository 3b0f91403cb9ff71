/*
 * engine.h - keeps a number of PULLs in flight on each of many sessions, and measures.
 */
#ifndef TP_TESTS_BENCH_ENGINE_H
#define TP_TESTS_BENCH_ENGINE_H

#include "cli/histogram.h"
#include "wire.h"

#include <stdbool.h>

enum {
    TP_ENGINE_DEPTH_MAX = 4096,
};

struct tp_engine_options {
    const char *address;
    struct tp_wire_pull pull; /* its seq is chosen by the engine */
    bool is_bare_echo;        /* the other end sends back what it gets */
    unsigned session_count;
    unsigned depth;      /* PULLs in flight on each session */
    double warm_up_s;    /* before measuring begins */
    double seconds;      /* of measuring */
    uint64_t pull_count; /* when not 0: as many PULLs, no warm-up, however long it takes */
    long server_pid;     /* whose processor time is measured; 0: nobody's */
};

struct tp_engine_result {
    uint64_t pulls;   /* answered while measuring */
    uint64_t refused; /* of them, those whose status was not OK */
    uint64_t elapsed_ns;
    uint64_t server_cpu_ns;
    struct tp_histogram latency_ns; /* from a PULL's sending to its answer */
};

/* Returns 0, or -1 after saying what went wrong. */
int tp__engine_run(const struct tp_engine_options *options, struct tp_engine_result *result);

#endif
