/*
 * cli/histogram.h - counts durations in buckets that grow with them, so that any percentile
 * is known within 2 % from a few kilobytes.
 */
#ifndef TP_CLI_HISTOGRAM_H
#define TP_CLI_HISTOGRAM_H

#include <stdint.h>

enum {
    TP_HISTOGRAM_STEP_BITS = 6, /* 64 buckets for each doubling */
    TP_HISTOGRAM_BUCKETS = (64 - TP_HISTOGRAM_STEP_BITS + 1) << TP_HISTOGRAM_STEP_BITS,
};

/* All zeros is an empty one. */
struct tp_histogram {
    uint64_t total;
    uint64_t min; /* these are exact */
    uint64_t max;
    double sum;
    uint64_t counts[TP_HISTOGRAM_BUCKETS];
};

void tp__histogram_add(struct tp_histogram *histogram, uint64_t value);

/* Adds all that `other` has counted. */
void tp__histogram_merge(struct tp_histogram *histogram, const struct tp_histogram *other);

/*
 * The upper end of the bucket that `share` (0 to 1) of all values lie in or below, but never
 * more than the largest value; 0 if empty.
 */
uint64_t tp__histogram_percentile(const struct tp_histogram *histogram, double share);

/* 0 if empty. */
double tp__histogram_mean(const struct tp_histogram *histogram);

#endif
