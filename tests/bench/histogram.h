/*
 * histogram.h - counts durations in buckets that grow with them, so that any percentile
 * is known within 2 % from a few kilobytes.
 */
#ifndef TP_TESTS_BENCH_HISTOGRAM_H
#define TP_TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    TP_HISTOGRAM_STEP_BITS = 6, /* 64 buckets for each doubling */
    TP_HISTOGRAM_BUCKETS = (64 - TP_HISTOGRAM_STEP_BITS + 1) << TP_HISTOGRAM_STEP_BITS,
};

/* All zeros is an empty one. */
struct tp_histogram {
    uint64_t total;
    uint64_t counts[TP_HISTOGRAM_BUCKETS];
};

void tp__histogram_add(struct tp_histogram *histogram, uint64_t value);

/* The upper end of the bucket that `share` (0 to 1) of all values lie in or below; 0 if empty. */
uint64_t tp__histogram_percentile(const struct tp_histogram *histogram, double share);

#endif
