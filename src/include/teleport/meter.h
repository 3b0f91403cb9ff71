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
    TP_METER_LABEL_MAX = 95, /* bytes */
};

enum tp_meter_kind {
    TP_METER_COUNTER, /* only grows */
    TP_METER_GAUGE,   /* what there is now: that of a worker that dies becomes 0 */
};

/* A kind of count: a row of its module's table (TP_METERS), from which the manual is made. */
struct tp_meter_row {
    const char *name; /* "limit_rate_refused" */
    enum tp_meter_kind kind;
    const char *unit;
    const char *label;    /* what tells one from another: "rule"; NULL: there is one only */
    const char *sentence; /* for people */
};

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
