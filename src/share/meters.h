/*
 * share/meters.h - what modules count, for what a configuration names: one block of counts for
 * each process, and one table of what each count is.
 *
 * The master gives a place to each kind of count and label that a configuration has, and never
 * to another afterwards: so counts survive reloads that do without them, and a name that comes
 * back goes on counting.  Workers only look for places.
 *
 * Threads: the loop's.
 */
#ifndef TP_SHARE_METERS_H
#define TP_SHARE_METERS_H

#include <teleport/meter.h>

#include "share/slot.h"
#include "share/zone.h"

enum {
    TP_METERS_MAX = 4096,   /* of one server, while it runs */
    TP_METER_NAME_MAX = 63, /* bytes */
};

typedef _Atomic uint64_t tp_meter_value;

struct tp_meters {
    struct tp_zone names;
    struct tp_zone values;
};

extern const struct tp_zone_layout tp__meter_names_layout;
extern const struct tp_zone_layout tp__meter_values_layout;

/* Maps both zones; the descriptors stay the caller's.  For errors see tp__zone_open(). */
enum tp_result tp__meters_open(struct tp_meters *meters, int names_fd, int values_fd) TP_MUST_CHECK;
void tp__meters_close(struct tp_meters *meters);

/* The place of a count.  TP_NOT_FOUND. */
enum tp_result tp__meters_find(const struct tp_meters *meters, const struct tp_meter_row *row,
                               const char *label, uint32_t *index) TP_MUST_CHECK;

/* The same, given to it if it has none.  Master only.  TP_FULL: there is none left. */
enum tp_result tp__meters_claim(const struct tp_meters *meters, const struct tp_meter_row *row,
                                const char *label, uint32_t *index) TP_MUST_CHECK;

/* Where the process in `slot` counts it. */
tp_meter_value *tp__meters_place(const struct tp_meters *meters, unsigned slot, uint32_t index);

/* What that process has counted, and its predecessors there; and all processes together. */
uint64_t tp__meters_read(const struct tp_meters *meters, unsigned slot, uint32_t index);
uint64_t tp__meters_total(const struct tp_meters *meters, uint32_t index);

/* Makes the gauges of `slot` zero.  Master only, after its worker died. */
void tp__meters_clear_gauges(const struct tp_meters *meters, unsigned slot);

#endif
