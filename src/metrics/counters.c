/*
 * counters.c - the zone of counters and the sums over it.
 *
 * A cell is one process' block: TP_COUNTER_COUNT values in the order of the
 * table, on cache lines of its own, so that counting in one worker never
 * disturbs another.
 *
 * Runs in: every process of a server.  Owns: its mapping of the zone.
 */
#include "metrics/counters.h"

enum {
    COUNTERS_LAYOUT_VERSION = 1, /* of the order of the rows, which only grows */
};

static enum tp_result counters_copy(const struct tp_zone *from, struct tp_zone *to);
static tp_counter_value *counters_get_block(const struct tp_zone *zone, unsigned slot);

const struct tp_zone_layout tp__counters_layout = {
    .name = "counters",
    .version = COUNTERS_LAYOUT_VERSION,
    .cell_size = TP_COUNTER_COUNT * sizeof(tp_counter_value),
    .cell_count = TP_SLOTS,
    .copy = counters_copy,
};

static const struct tp_counter_info counters_infos[] = {
#define COUNTERS_INFO_ROW(NAME, name, kind, unit, sentence) \
    [TP_COUNTER_##NAME] = { name, TP_COUNTER_KIND_##kind, unit, sentence },
    TP_COUNTER_TABLE(COUNTERS_INFO_ROW)
#undef COUNTERS_INFO_ROW
};

const struct tp_counter_info *
tp__counter_info(enum tp_counter counter)
{
    TP_ASSERT(counter < TP_COUNTER_COUNT);
    return &counters_infos[counter];
}

enum tp_result
tp__counters_open(struct tp_counters *counters, int fd)
{
    counters->own = NULL;
    return tp__zone_open(&counters->zone, &tp__counters_layout, fd);
}

void
tp__counters_close(struct tp_counters *counters)
{
    tp__zone_close(&counters->zone);
    counters->own = NULL;
}

void
tp__counters_use_slot(struct tp_counters *counters, unsigned slot)
{
    counters->own = counters_get_block(&counters->zone, slot);
}

uint64_t
tp__counters_read(const struct tp_counters *counters, unsigned slot, enum tp_counter counter)
{
    TP_ASSERT(counter < TP_COUNTER_COUNT);
    return atomic_load_explicit(&counters_get_block(&counters->zone, slot)[counter],
                                memory_order_relaxed);
}

uint64_t
tp__counters_total(const struct tp_counters *counters, enum tp_counter counter)
{
    bool is_peak = tp__counter_info(counter)->kind == TP_COUNTER_KIND_PEAK;
    uint64_t total = 0;

    for (unsigned slot = 0; slot < TP_SLOTS; slot++) {
        uint64_t value = tp__counters_read(counters, slot, counter);

        if (!is_peak) {
            total += value;
        } else if (value > total) {
            total = value;
        }
    }
    return total;
}

void
tp__counters_clear_gauges(struct tp_counters *counters, unsigned slot)
{
    tp_counter_value *block = counters_get_block(&counters->zone, slot);

    for (unsigned counter = 0; counter < TP_COUNTER_COUNT; counter++) {
        if (counters_infos[counter].kind != TP_COUNTER_KIND_COUNTER) {
            atomic_store_explicit(&block[counter], 0, memory_order_relaxed);
        }
    }
}

/* Rows only ever come to the end of a block: the rows both layouts have are the first ones. */
static enum tp_result
counters_copy(const struct tp_zone *from, struct tp_zone *to)
{
    uint32_t size = from->cell_size < to->cell_size ? from->cell_size : to->cell_size;

    if (from->version != to->version || from->cell_count != to->cell_count) {
        return TP_MISMATCH;
    }
    for (unsigned slot = 0; slot < TP_SLOTS; slot++) {
        const tp_counter_value *old_block = counters_get_block(from, slot);
        tp_counter_value *block = counters_get_block(to, slot);

        for (size_t i = 0; i < size / sizeof(*block); i++) {
            atomic_store_explicit(&block[i],
                                  atomic_load_explicit(&old_block[i], memory_order_relaxed),
                                  memory_order_relaxed);
        }
    }
    return TP_OK;
}

static tp_counter_value *
counters_get_block(const struct tp_zone *zone, unsigned slot)
{
    return tp__zone_get_cell(zone, slot);
}
