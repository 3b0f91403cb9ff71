/*
 * cycle_meters.c - the meters that modules have declared: from names to places in shared memory.
 *
 * Runs in: the master, which gives places; workers, which find them and count.
 * Read next: metrics/meters.h, conf/declared.c.
 */
#include "base/str.h"
#include "cycle/cycle.h"

#define METER_HAS_NO_PLACE UINT32_MAX

static int meters_find_zone(const struct tp_descriptors *set, const struct tp_zone_layout *layout);
static size_t meters_missing(const struct tp_cycle *cycle);

enum tp_result
tp__cycle_open_meters(const struct tp_cycle *cycle, const struct tp_descriptors *set)
{
    struct tp_meters meters;
    struct tp_meter_key key;
    uint32_t place;

    if (tp__conf_meters(cycle->conf) == NULL) {
        return TP_OK;
    }
    enum tp_result result = tp__meters_open(&meters, meters_find_zone(set, &tp__meter_names_layout),
                                            meters_find_zone(set, &tp__meter_values_layout));

    if (result != TP_OK) {
        return result;
    }
    for (const struct tp_conf_meter *declared = tp__conf_meters(cycle->conf); declared != NULL;
         declared = declared->next) {
        tp__meter_key_of_row(&key, declared->row, tp__str(declared->label));
        if (tp__meters_claim(&meters, &key, &place) != TP_OK) {
            break; /* What has no place is told when the cycle comes into use. */
        }
    }
    tp__meters_close(&meters);
    return TP_OK;
}

void
tp__cycle_attach_meters(struct tp_cycle *cycle)
{
    uint32_t *index =
        tp__arena_new_array(&cycle->arena, uint32_t, tp__conf_meter_count(cycle->conf) + 1);

    cycle->meter_indexes = index;
    for (const struct tp_conf_meter *declared = tp__conf_meters(cycle->conf); declared != NULL;
         declared = declared->next) {
        struct tp_meter_key key;

        tp__meter_key_of_row(&key, declared->row, tp__str(declared->label));
        if (tp__meters_find(&cycle->shared.meters, &key, index) != TP_OK) {
            *index = METER_HAS_NO_PLACE;
        }
        index++;
    }
}

void
tp__cycle_use_slot(struct tp_cycle *cycle, unsigned slot)
{
    const uint32_t *index = cycle->meter_indexes;

    tp__counters_use_slot(&cycle->shared.counters, slot);
    tp__meters_use_slot(&cycle->shared.meters, slot);
    for (const struct tp_conf_meter *declared = tp__conf_meters(cycle->conf); declared != NULL;
         declared = declared->next) {
        bool has_place = *index != METER_HAS_NO_PLACE;

        tp__conf_set_meter(
            declared, has_place ? tp__meters_place(&cycle->shared.meters, slot, *index) : NULL);
        index++;
    }
}

void
tp__cycle_tell_meters(const struct tp_cycle *cycle)
{
    size_t count = meters_missing(cycle);

    if (count > 0) {
        tp_log_warn(&cycle->log, "meters-full", "missing=%zu max=%d", count, TP_METERS_MAX);
    }
}

static int
meters_find_zone(const struct tp_descriptors *set, const struct tp_zone_layout *layout)
{
    return tp__descriptors_find(set, TP_DESCRIPTOR_ZONE, layout->name);
}

static size_t
meters_missing(const struct tp_cycle *cycle)
{
    size_t count = 0;

    for (size_t i = 0; i < tp__conf_meter_count(cycle->conf); i++) {
        count += cycle->meter_indexes[i] == METER_HAS_NO_PLACE ? 1 : 0;
    }
    return count;
}
