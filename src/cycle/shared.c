/*
 * shared.c - makes and maps the zones that every process has.
 *
 * Runs in: master (create, open), workers (open).
 */
#include "cycle/shared.h"

#include "os/fault.h"

#include <string.h>

static const struct tp_zone_layout *const shared_layouts[] = {
    &tp__counters_layout,
    &tp__roster_layout,
    &tp__lease_layout,
    &tp__directory_numbers_layout,
    &tp__directory_ids_layout,
    &tp__keyring_layout,
    &tp__meter_names_layout,
    &tp__meter_values_layout,
    &tp__slow_ring_layout,
};

static uint32_t shared_cell_count(const struct tp_zone_layout *layout, uint64_t directory_sessions);
static int shared_find(const struct tp_descriptors *set, const struct tp_zone_layout *layout);

enum tp_result
tp__shared_create(struct tp_descriptors *set, uint64_t directory_sessions)
{
    for (size_t i = 0; i < TP_COUNT_OF(shared_layouts); i++) {
        const struct tp_zone_layout *layout = shared_layouts[i];
        int fd;

        if (shared_find(set, layout) != -1) {
            continue;
        }
        enum tp_result result =
            tp__zone_create_sized(layout, shared_cell_count(layout, directory_sessions), &fd);

        if (result == TP_OK) {
            result = tp__descriptors_add(set, TP_DESCRIPTOR_ZONE, layout->name, fd);
        }
        if (result != TP_OK) {
            return result;
        }
    }
    return TP_OK;
}

enum tp_result
tp__shared_open(struct tp_shared *shared, const struct tp_descriptors *set)
{
    enum tp_result result = tp__fault("zone-map");

    if (result != TP_OK) {
        return result;
    }
    result = tp__counters_open(&shared->counters, shared_find(set, &tp__counters_layout));
    if (result != TP_OK) {
        return result;
    }
    result = tp__roster_open(&shared->roster, shared_find(set, &tp__roster_layout));
    if (result != TP_OK) {
        goto close_counters;
    }
    result = tp__zone_open(&shared->leases, &tp__lease_layout, shared_find(set, &tp__lease_layout));
    if (result != TP_OK) {
        goto close_roster;
    }
    result = tp__directory_open(&shared->directory, shared_find(set, &tp__directory_numbers_layout),
                                shared_find(set, &tp__directory_ids_layout));
    if (result != TP_OK) {
        goto close_leases;
    }
    result = tp__keyring_open(&shared->keyring, shared_find(set, &tp__keyring_layout));
    if (result != TP_OK) {
        goto close_directory;
    }
    result = tp__meters_open(&shared->meters, shared_find(set, &tp__meter_names_layout),
                             shared_find(set, &tp__meter_values_layout));
    if (result != TP_OK) {
        goto close_keyring;
    }
    result = tp__zone_open(&shared->slow, &tp__slow_ring_layout,
                           shared_find(set, &tp__slow_ring_layout));
    if (result != TP_OK) {
        goto close_meters;
    }
    return TP_OK;

close_meters:
    tp__meters_close(&shared->meters);
close_keyring:
    tp__keyring_close(&shared->keyring);
close_directory:
    tp__directory_close(&shared->directory);
close_leases:
    tp__zone_close(&shared->leases);
close_roster:
    tp__roster_close(&shared->roster);
close_counters:
    tp__counters_close(&shared->counters);
    return result;
}

void
tp__shared_close(struct tp_shared *shared)
{
    tp__zone_close(&shared->slow);
    tp__meters_close(&shared->meters);
    tp__keyring_close(&shared->keyring);
    tp__directory_close(&shared->directory);
    tp__zone_close(&shared->leases);
    tp__roster_close(&shared->roster);
    tp__counters_close(&shared->counters);
}

bool
tp__shared_needs(const struct tp_descriptor *descriptor)
{
    for (size_t i = 0; i < TP_COUNT_OF(shared_layouts); i++) {
        if (descriptor->kind == TP_DESCRIPTOR_ZONE
            && strcmp(descriptor->name, shared_layouts[i]->name) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t
shared_cell_count(const struct tp_zone_layout *layout, uint64_t directory_sessions)
{
    if (layout == &tp__directory_numbers_layout) {
        return tp__directory_number_cells(directory_sessions);
    }
    if (layout == &tp__directory_ids_layout) {
        return tp__directory_id_cells(directory_sessions);
    }
    return layout->cell_count;
}

static int
shared_find(const struct tp_descriptors *set, const struct tp_zone_layout *layout)
{
    return tp__descriptors_find(set, TP_DESCRIPTOR_ZONE, layout->name);
}
