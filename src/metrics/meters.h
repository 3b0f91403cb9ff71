/*
 * metrics/meters.h - what is counted of what a configuration names: one block of values for each
 * process, and one table of what stands where in it.
 *
 * A kind of count and its labels have a place, and it is never given to another: so counts survive
 * reloads that do without them, and a name that comes back goes on counting.  Whoever first needs a
 * place claims it; all others find it.
 *
 * Threads: the loop's.
 */
#ifndef TP_METRICS_METERS_H
#define TP_METRICS_METERS_H

#include <teleport/meter.h>

#include "share/slot.h"
#include "share/zone.h"

enum {
    TP_METERS_MAX = 8192,             /* places of one server, while it runs */
    TP_METER_VALUES_MAX = 256 * 1024, /* what all of them take together */
    TP_METER_NAME_MAX = 63,           /* bytes */
    TP_METER_LABELS_BYTES = 3 * (TP_METER_LABEL_MAX + 1),
    TP_METER_LABEL_END = '\x1f', /* between two labels */
};

typedef _Atomic uint64_t tp_meter_value;

/* A row of the kind TP_METER_HISTOGRAM; the others are one value. */
struct tp_meter_histogram {
    tp_meter_value sum;
    tp_meter_value buckets[TP_METER_BUCKETS];
};

struct tp_meters {
    struct tp_zone names;
    struct tp_zone values;
};

/* What has a place: made by one of the functions below. */
struct tp_meter_key {
    uint64_t hash;
    uint64_t gauges; /* a bit for each of the first values that becomes zero with its worker */
    uint32_t width;  /* values */
    size_t label_len;
    uint8_t foreign_from; /* see tp__meter_key_set_foreign() */
    char name[TP_METER_NAME_MAX + 1];
    char
        labels[TP_METER_LABELS_BYTES + 1]; /* each but the last with TP_METER_LABEL_END behind it */
};

/* One that has a place, for readers. */
struct tp_meter_entry {
    struct tp_str name;
    struct tp_str labels[TP_METER_LABELS_MAX];
    size_t label_count;
    uint32_t width;
    uint32_t place; /* the first of its values */
};

extern const struct tp_zone_layout tp__meter_names_layout;
extern const struct tp_zone_layout tp__meter_values_layout;

/* Maps both zones; the descriptors stay the caller's.  For errors see tp__zone_open(). */
enum tp_result tp__meters_open(struct tp_meters *meters, int names_fd, int values_fd) TP_MUST_CHECK;
void tp__meters_close(struct tp_meters *meters);

/* A single count of a module, and a group of counts with as many labels as it has names of. */
void tp__meter_key_of_row(struct tp_meter_key *key, const struct tp_meter_row *row,
                          struct tp_str label);
void tp__meter_key_of_group(struct tp_meter_key *key, const struct tp_meter_group *group,
                            const struct tp_str *labels);

/*
 * Not the configuration but who sends something has named it, with all labels behind the first
 * `named`.  What has the same name and the same first labels is one family, of which there may be so
 * many.
 */
void tp__meter_key_set_foreign(struct tp_meter_key *key, unsigned named);

/* The number of its family; TP_METER_NO_FAMILY: the configuration names it. */
#define TP_METER_NO_FAMILY UINT64_C(0)
uint64_t tp__meter_key_family(const struct tp_meter_key *key);
uint64_t tp__meters_family_at(const struct tp_meters *meters, uint32_t index);

/* How many values a row takes. */
static inline uint32_t
tp__meter_row_width(const struct tp_meter_row *row)
{
    return row->kind == TP_METER_HISTOGRAM ? sizeof(struct tp_meter_histogram) / sizeof(uint64_t)
                                           : 1;
}

/* The first of its values.  TP_NOT_FOUND. */
enum tp_result tp__meters_find(const struct tp_meters *meters, const struct tp_meter_key *key,
                               uint32_t *place) TP_MUST_CHECK;

/*
 * The same, given to it if it has none.  TP_FULL: there is no room left; TP_TIMED_OUT: another
 * process holds the lock for too long.
 */
enum tp_result tp__meters_claim(struct tp_meters *meters, const struct tp_meter_key *key,
                                uint32_t *place) TP_MUST_CHECK;

/* How many have a place, and the one at `index` below that, in the order of claiming. */
uint32_t tp__meters_count(const struct tp_meters *meters);
void tp__meters_read_entry(const struct tp_meters *meters, uint32_t index,
                           struct tp_meter_entry *entry);
bool tp__meters_is_at(const struct tp_meters *meters, uint32_t index,
                      const struct tp_meter_key *key, uint32_t *place);
uint64_t tp__meters_hash_at(const struct tp_meters *meters, uint32_t index);

/* This process counts in `slot` from here on, or one did: readers look there. */
void tp__meters_use_slot(const struct tp_meters *meters, unsigned slot);

/* When the first process came to use a slot: CLOCK_MONOTONIC. */
int64_t tp__meters_begun_ms(const struct tp_meters *meters);

/* Slots from here on were never used by a worker. */
unsigned tp__meters_slot_count(const struct tp_meters *meters);

/* Where the process in `slot` counts it. */
tp_meter_value *tp__meters_place(const struct tp_meters *meters, unsigned slot, uint32_t place);

/* What that process has counted, and its predecessors there; and all processes together. */
uint64_t tp__meters_read(const struct tp_meters *meters, unsigned slot, uint32_t place);
uint64_t tp__meters_total(const struct tp_meters *meters, uint32_t place);

/* Makes the gauges of `slot` zero.  Master only, after its worker died. */
void tp__meters_clear_gauges(const struct tp_meters *meters, unsigned slot);

#endif
