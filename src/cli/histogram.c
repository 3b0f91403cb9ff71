/*
 * histogram.c - log-linear buckets: each doubling is cut into as many equal steps.
 *
 * Values below the first doubling have a bucket each; above, a value's bucket follows
 * from its highest bits alone.
 */
#include "cli/histogram.h"

enum {
    HISTOGRAM_STEPS = 1 << TP_HISTOGRAM_STEP_BITS,
};

static unsigned histogram_bucket_of(uint64_t value);
static uint64_t histogram_bucket_end(unsigned bucket);

void
tp__histogram_add(struct tp_histogram *histogram, uint64_t value)
{
    histogram->min = histogram->total == 0 || value < histogram->min ? value : histogram->min;
    histogram->max = value > histogram->max ? value : histogram->max;
    histogram->sum += (double) value;
    histogram->total++;
    histogram->counts[histogram_bucket_of(value)]++;
}

void
tp__histogram_merge(struct tp_histogram *histogram, const struct tp_histogram *other)
{
    if (other->total == 0) {
        return;
    }
    if (histogram->total == 0 || other->min < histogram->min) {
        histogram->min = other->min;
    }
    histogram->max = other->max > histogram->max ? other->max : histogram->max;
    histogram->sum += other->sum;
    histogram->total += other->total;
    for (unsigned bucket = 0; bucket < TP_HISTOGRAM_BUCKETS; bucket++) {
        histogram->counts[bucket] += other->counts[bucket];
    }
}

uint64_t
tp__histogram_percentile(const struct tp_histogram *histogram, double share)
{
    double wanted = (double) histogram->total * share;
    uint64_t seen = 0;

    if (histogram->total == 0) {
        return 0;
    }
    for (unsigned bucket = 0; bucket < TP_HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (seen > 0 && (double) seen >= wanted) {
            uint64_t end = histogram_bucket_end(bucket);

            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max;
}

double
tp__histogram_mean(const struct tp_histogram *histogram)
{
    return histogram->total == 0 ? 0 : histogram->sum / (double) histogram->total;
}

static unsigned
histogram_bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS) {
        return (unsigned) value;
    }
    unsigned shift = 63 - (unsigned) __builtin_clzll(value) - TP_HISTOGRAM_STEP_BITS;
    unsigned step = (unsigned) (value >> shift) - HISTOGRAM_STEPS;

    return (shift + 1) * HISTOGRAM_STEPS + step;
}

/* The largest value of the bucket. */
static uint64_t
histogram_bucket_end(unsigned bucket)
{
    if (bucket < HISTOGRAM_STEPS) {
        return bucket;
    }
    unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;

    return ((step + 1) << shift) - 1;
}
