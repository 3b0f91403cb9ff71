/*
 * meters.c - the zones of what modules count.
 *
 * A cell of names is written once, by the master, before a worker looks for it.  A cell of
 * values is one process' block, on cache lines of its own; pages of it that nobody counts in
 * take no memory.
 *
 * Runs in: every process of a server.  Owns: its mappings.  Read next: cycle/cycle_meters.c.
 */
#include "share/meters.h"

#include <stdio.h>
#include <string.h>

enum {
    METERS_LAYOUT_VERSION = 1,
};

/* A name of "" is a place that nobody has yet, and so are all behind it. */
struct meter_name {
    uint32_t kind; /* enum tp_meter_kind */
    char name[TP_METER_NAME_MAX + 1];
    char label[TP_METER_LABEL_MAX + 1];
};

static struct meter_name *meter_name_at(const struct tp_meters *meters, uint32_t index);
static bool meter_name_is(const struct meter_name *name, const struct tp_meter_row *row,
                          const char *label);

const struct tp_zone_layout tp__meter_names_layout = {
    .name = "meter names",
    .version = METERS_LAYOUT_VERSION,
    .cell_size = sizeof(struct meter_name),
    .cell_count = TP_METERS_MAX,
};

const struct tp_zone_layout tp__meter_values_layout = {
    .name = "meter values",
    .version = METERS_LAYOUT_VERSION,
    .cell_size = TP_METERS_MAX * sizeof(tp_meter_value),
    .cell_count = TP_SLOTS,
};

enum tp_result
tp__meters_open(struct tp_meters *meters, int names_fd, int values_fd)
{
    enum tp_result result = tp__zone_open(&meters->names, &tp__meter_names_layout, names_fd);

    if (result != TP_OK) {
        return result;
    }
    result = tp__zone_open(&meters->values, &tp__meter_values_layout, values_fd);
    if (result != TP_OK) {
        tp__zone_close(&meters->names);
    }
    return result;
}

void
tp__meters_close(struct tp_meters *meters)
{
    tp__zone_close(&meters->values);
    tp__zone_close(&meters->names);
}

enum tp_result
tp__meters_find(const struct tp_meters *meters, const struct tp_meter_row *row, const char *label,
                uint32_t *index)
{
    for (*index = 0; *index < TP_METERS_MAX; *index += 1) {
        const struct meter_name *name = meter_name_at(meters, *index);

        if (name->name[0] == '\0') {
            return TP_NOT_FOUND;
        }
        if (meter_name_is(name, row, label)) {
            return TP_OK;
        }
    }
    return TP_NOT_FOUND;
}

enum tp_result
tp__meters_claim(const struct tp_meters *meters, const struct tp_meter_row *row, const char *label,
                 uint32_t *index)
{
    if (tp__meters_find(meters, row, label, index) == TP_OK) {
        return TP_OK;
    }
    if (*index == TP_METERS_MAX) {
        return TP_FULL;
    }
    struct meter_name *name = meter_name_at(meters, *index);

    TP_ASSERT(strlen(row->name) <= TP_METER_NAME_MAX);
    name->kind = (uint32_t) row->kind;
    snprintf(name->label, sizeof(name->label), "%s", label);
    snprintf(name->name, sizeof(name->name), "%s", row->name);
    return TP_OK;
}

tp_meter_value *
tp__meters_place(const struct tp_meters *meters, unsigned slot, uint32_t index)
{
    tp_meter_value *block = tp__zone_get_cell(&meters->values, slot);

    TP_ASSERT(index < TP_METERS_MAX);
    return &block[index];
}

uint64_t
tp__meters_read(const struct tp_meters *meters, unsigned slot, uint32_t index)
{
    return atomic_load_explicit(tp__meters_place(meters, slot, index), memory_order_relaxed);
}

uint64_t
tp__meters_total(const struct tp_meters *meters, uint32_t index)
{
    uint64_t total = 0;

    for (unsigned slot = 0; slot < TP_SLOTS; slot++) {
        total += tp__meters_read(meters, slot, index);
    }
    return total;
}

void
tp__meters_clear_gauges(const struct tp_meters *meters, unsigned slot)
{
    for (uint32_t index = 0; index < TP_METERS_MAX; index++) {
        const struct meter_name *name = meter_name_at(meters, index);

        if (name->name[0] == '\0') {
            return;
        }
        if (name->kind == TP_METER_GAUGE) {
            atomic_store_explicit(tp__meters_place(meters, slot, index), 0, memory_order_relaxed);
        }
    }
}

static struct meter_name *
meter_name_at(const struct tp_meters *meters, uint32_t index)
{
    return tp__zone_get_cell(&meters->names, index);
}

static bool
meter_name_is(const struct meter_name *name, const struct tp_meter_row *row, const char *label)
{
    return strcmp(name->name, row->name) == 0 && strcmp(name->label, label) == 0;
}
