/*
 * teleport/meter.h - what a module counts: for itself, or for each rule, zone or service that is
 * configured.
 *
 * Each worker counts in a place of its own in shared memory, so that counting is a plain store;
 * who reads adds them up.  A count survives its worker and reloads.
 *
 * Threads: the worker's loop.
 */
#ifndef TELEPORT_METER_H
#define TELEPORT_METER_H

#include <teleport/base.h>

#include <stdatomic.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_block;

enum {
    TP_METER_LABEL_MAX = 95, /* bytes; what is longer is cut */
    TP_METER_LABELS_MAX = 3, /* of a group */
};

enum tp_meter_kind {
    TP_METER_COUNTER,   /* only grows */
    TP_METER_GAUGE,     /* what there is now: that of a worker that dies becomes 0 */
    TP_METER_PEAK,      /* the largest value seen: all workers' is that of the one that has more */
    TP_METER_HISTOGRAM, /* how many values of which size; in groups only */
};

/* A kind of count: a row of its module's table (TP_METERS), from which the manual is made. */
struct tp_meter_row {
    const char *name; /* "limit_rate_refused" */
    enum tp_meter_kind kind;
    const char *unit;
    const char *label;    /* what tells one from another: "rule"; NULL: there is one only */
    const char *sentence; /* for people */
};

/*
 * What is counted of each thing of a kind: of each route, of each server of an upstream.  `labels`
 * are the names of what tells one from another, separated by spaces; "": there is one only.
 */
struct tp_meter_group {
    const char *name; /* "route" */
    const char *labels;
    const char *sentence;
    const struct tp_meter_row *rows;
    size_t row_count;
};

/*
 * Histograms are log-linear, as HdrHistogram's: values below TP_METER_STEPS have a bucket each,
 * and above each doubling is cut into as many equal steps, so that a value is known within 1/8.
 * The last bucket takes all from TP_METER_VALUE_MAX on: of microseconds, 71 minutes.
 */
enum {
    TP_METER_STEP_BITS = 3,
    TP_METER_STEPS = 1 << TP_METER_STEP_BITS,
    TP_METER_VALUE_BITS = 32,
    TP_METER_BUCKETS = (TP_METER_VALUE_BITS - TP_METER_STEP_BITS + 1) << TP_METER_STEP_BITS,
};
#define TP_METER_VALUE_MAX ((UINT64_C(1) << TP_METER_VALUE_BITS) - 1)

/* The bucket of a value. */
static inline unsigned
tp_meter_bucket(uint64_t value)
{
    if (value < TP_METER_STEPS) {
        return (unsigned) value;
    }
    if (value > TP_METER_VALUE_MAX) {
        value = TP_METER_VALUE_MAX;
    }
    unsigned shift = 63 - (unsigned) __builtin_clzll(value) - TP_METER_STEP_BITS;

    return (shift << TP_METER_STEP_BITS) + (unsigned) (value >> shift);
}

/* The largest value of a bucket. */
static inline uint64_t
tp_meter_bucket_end(unsigned bucket)
{
    if (bucket < TP_METER_STEPS) {
        return bucket;
    }
    unsigned shift = (bucket >> TP_METER_STEP_BITS) - 1;
    uint64_t step = (bucket & (TP_METER_STEPS - 1)) + TP_METER_STEPS;

    return ((step + 1) << shift) - 1;
}

/* One that counts: in a conf, all zeros until the configuration is used, and then counts nothing. */
struct tp_meter {
    _Atomic uint64_t *place; /* this worker's own; NULL: there is no room, or not yet */
};

/*
 * For `validate`: the conf counts `row` for `label`, which is "" where the row has none.  Conf
 * structs that name the same row and label count together.
 */
void tp_meter_declare(const struct tp_block *block, struct tp_meter *meter,
                      const struct tp_meter_row *row, struct tp_str label);

static inline void
tp_meter_add(const struct tp_meter *meter, uint64_t count)
{
    if (meter->place != NULL) {
        uint64_t before = atomic_load_explicit(meter->place, memory_order_relaxed);

        atomic_store_explicit(meter->place, before + count, memory_order_relaxed);
    }
}

/* Of a gauge. */
static inline void
tp_meter_sub(const struct tp_meter *meter, uint64_t count)
{
    tp_meter_add(meter, UINT64_MAX - count + 1);
}

#ifdef __cplusplus
}
#endif

#endif
