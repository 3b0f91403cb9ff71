/*
 * lease.c - who holds which lease, in a zone of one shard.
 *
 * Changes are made under the lock.  Only `epoch` is read without it, by
 * holders that ask whether they still are: it changes first, whenever a cell
 * gets another holder or none, and never comes back.
 *
 * Runs in: workers, which hold leases, and the master, which takes them from the
 * dead.  Read next: lease_keeper.c.
 */
#include "share/lease.h"

#include "base/clock.h"
#include "os/fault.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    LEASE_LAYOUT_VERSION = 2,
    LEASE_SHARD = 0,
};

struct lease_cell {
    _Atomic uint64_t epoch;
    int64_t expires_ms;
    uint32_t slot;
    int32_t pid;
    uint32_t is_held; /* 0 or not; what stands in an unheld cell means nothing, but its epoch */
    char name[TP_LEASE_NAME_MAX + 1];
};

static void lease_check(struct tp_zone *zone, uint32_t first, uint32_t count);
static bool lease_is_sound(struct tp_zone *zone, uint32_t index);
static enum tp_result lease_copy(const struct tp_zone *from, struct tp_zone *to);
static enum tp_result lease_lock(struct tp_zone *zone);
static enum tp_result lease_try_locked(struct tp_zone *zone, struct tp_lease *lease,
                                       int64_t ttl_ms);
static enum tp_result lease_gain(struct tp_zone *zone, struct tp_lease *lease, uint32_t index);
static void lease_give_up(struct tp_zone *zone, struct lease_cell *cell);
static uint32_t lease_find(const struct tp_zone *zone, const char *name);
static uint32_t lease_find_room(const struct tp_zone *zone, int64_t now_ms);
static uint64_t lease_next_epoch(const struct tp_zone *zone);
static struct lease_cell *lease_get_cell(const struct tp_zone *zone, uint32_t index);

const struct tp_zone_layout tp__lease_layout = {
    .name = "leases",
    .version = LEASE_LAYOUT_VERSION,
    .cell_size = sizeof(struct lease_cell),
    .cell_count = TP_LEASES_MAX,
    .shard_count = 1,
    .check = lease_check,
    .copy = lease_copy,
};

enum tp_result
tp__lease_init(struct tp_lease *lease, const char *name, unsigned slot, int32_t pid)
{
    *lease = (struct tp_lease){ .slot = slot, .pid = pid };
    if (name[0] == '\0') {
        return TP_INVALID;
    }
    if (strlen(name) > TP_LEASE_NAME_MAX) {
        return TP_TOO_LARGE;
    }
    snprintf(lease->name, sizeof(lease->name), "%s", name);
    return TP_OK;
}

enum tp_result
tp__lease_try(struct tp_zone *zone, struct tp_lease *lease, int64_t ttl_ms)
{
    TP_ASSERT(ttl_ms > 0 && ttl_ms <= TP_LEASE_TTL_MAX_MS);

    enum tp_result result = lease_lock(zone);

    if (result != TP_OK) {
        return result;
    }
    result = tp__fault("zone-locked");
    if (result == TP_OK) {
        result = lease_try_locked(zone, lease, ttl_ms);
    }
    tp__zone_unlock(zone, LEASE_SHARD);
    return result;
}

bool
tp__lease_is_mine(const struct tp_zone *zone, const struct tp_lease *lease)
{
    if (lease->epoch == 0 || tp__clock_monotonic_ms() >= lease->expires_ms) {
        return false;
    }
    return atomic_load(&lease_get_cell(zone, lease->cell)->epoch) == lease->epoch;
}

enum tp_result
tp__lease_release(struct tp_zone *zone, struct tp_lease *lease)
{
    if (lease->epoch == 0) {
        return TP_OK;
    }
    enum tp_result result = lease_lock(zone);

    if (result != TP_OK) {
        return result;
    }
    struct lease_cell *cell = lease_get_cell(zone, lease->cell);

    if (atomic_load(&cell->epoch) == lease->epoch) {
        lease_give_up(zone, cell);
    }
    tp__zone_unlock(zone, LEASE_SHARD);
    lease->epoch = 0;
    return TP_OK;
}

enum tp_result
tp__lease_release_slot(struct tp_zone *zone, unsigned slot)
{
    enum tp_result result = lease_lock(zone);

    if (result != TP_OK) {
        return result;
    }
    for (uint32_t index = 0; index < TP_LEASES_MAX; index++) {
        struct lease_cell *cell = lease_get_cell(zone, index);

        if (cell->is_held && cell->slot == slot) {
            lease_give_up(zone, cell);
        }
    }
    tp__zone_unlock(zone, LEASE_SHARD);
    return TP_OK;
}

enum tp_result
tp__lease_list(struct tp_zone *zone, struct tp_lease *leases, size_t *count)
{
    enum tp_result result = lease_lock(zone);
    int64_t now_ms = tp__clock_monotonic_ms();

    *count = 0;
    if (result != TP_OK) {
        return result;
    }
    for (uint32_t index = 0; index < TP_LEASES_MAX; index++) {
        const struct lease_cell *cell = lease_get_cell(zone, index);

        if (!cell->is_held || cell->expires_ms <= now_ms) {
            continue;
        }
        struct tp_lease *lease = &leases[(*count)++];

        *lease = (struct tp_lease){
            .slot = cell->slot,
            .pid = cell->pid,
            .cell = index,
            .epoch = atomic_load(&cell->epoch),
            .expires_ms = cell->expires_ms,
        };
        memcpy(lease->name, cell->name, sizeof(lease->name));
    }
    tp__zone_unlock(zone, LEASE_SHARD);
    return TP_OK;
}

/* Gives up each cell that no holder can have written so; if one holds it, it finds out. */
static void
lease_check(struct tp_zone *zone, uint32_t first, uint32_t count)
{
    for (uint32_t index = first; index < first + count; index++) {
        if (!lease_is_sound(zone, index)) {
            lease_give_up(zone, lease_get_cell(zone, index));
        }
    }
}

static bool
lease_is_sound(struct tp_zone *zone, uint32_t index)
{
    const struct lease_cell *cell = lease_get_cell(zone, index);

    if (!cell->is_held) {
        return true;
    }
    return cell->name[0] != '\0' && cell->name[TP_LEASE_NAME_MAX] == '\0' && cell->slot < TP_SLOTS
           && cell->expires_ms <= tp__clock_monotonic_ms() + TP_LEASE_TTL_MAX_MS
           && atomic_load(&cell->epoch) != 0 && lease_find(zone, cell->name) == index;
}

/* The epochs of unheld cells count too: without them a holder of before might be believed again. */
static enum tp_result
lease_copy(const struct tp_zone *from, struct tp_zone *to)
{
    if (from->version != to->version || from->cell_count > to->cell_count) {
        return TP_MISMATCH;
    }
    for (uint32_t index = 0; index < from->cell_count; index++) {
        memcpy(lease_get_cell(to, index), lease_get_cell(from, index), sizeof(struct lease_cell));
    }
    lease_check(to, 0, to->cell_count);
    return TP_OK;
}

static enum tp_result
lease_lock(struct tp_zone *zone)
{
    return tp__zone_lock(zone, LEASE_SHARD);
}

static enum tp_result
lease_try_locked(struct tp_zone *zone, struct tp_lease *lease, int64_t ttl_ms)
{
    /* Not before the lock was had: waiting for it takes time. */
    int64_t now_ms = tp__clock_monotonic_ms();
    uint32_t index = lease_find(zone, lease->name);

    if (index == TP_LEASES_MAX) {
        index = lease_find_room(zone, now_ms);
    }
    if (index == TP_LEASES_MAX) {
        return TP_FULL;
    }
    struct lease_cell *cell = lease_get_cell(zone, index);
    bool is_valid = cell->is_held && cell->expires_ms > now_ms;

    if (is_valid && atomic_load(&cell->epoch) != lease->epoch) {
        return TP_IN_USE;
    }
    if (!is_valid) {
        enum tp_result result = lease_gain(zone, lease, index);

        if (result != TP_OK) {
            return result;
        }
    }
    lease->expires_ms = now_ms + ttl_ms;
    cell->expires_ms = lease->expires_ms;
    return TP_OK;
}

/* Makes the cell `index` ours; it is held again only when all of it is written. */
static enum tp_result
lease_gain(struct tp_zone *zone, struct tp_lease *lease, uint32_t index)
{
    struct lease_cell *cell = lease_get_cell(zone, index);

    lease_give_up(zone, cell);
    memcpy(cell->name, lease->name, sizeof(cell->name));
    cell->slot = lease->slot;
    cell->pid = lease->pid;

    enum tp_result result = tp__fault("lease-half-written");

    if (result != TP_OK) {
        return result;
    }
    lease->cell = index;
    lease->epoch = atomic_load(&cell->epoch);
    cell->is_held = 1;
    return TP_OK;
}

/* Takes the cell from its holder, if any, who sees that by the new epoch. */
static void
lease_give_up(struct tp_zone *zone, struct lease_cell *cell)
{
    atomic_store(&cell->epoch, lease_next_epoch(zone));
    cell->is_held = 0;
    cell->expires_ms = 0;
}

/* The first held cell of that name; TP_LEASES_MAX when there is none. */
static uint32_t
lease_find(const struct tp_zone *zone, const char *name)
{
    for (uint32_t index = 0; index < TP_LEASES_MAX; index++) {
        const struct lease_cell *cell = lease_get_cell(zone, index);

        if (cell->is_held && strncmp(cell->name, name, sizeof(cell->name)) == 0) {
            return index;
        }
    }
    return TP_LEASES_MAX;
}

/* The first cell that nobody holds any more; TP_LEASES_MAX when there is none. */
static uint32_t
lease_find_room(const struct tp_zone *zone, int64_t now_ms)
{
    for (uint32_t index = 0; index < TP_LEASES_MAX; index++) {
        const struct lease_cell *cell = lease_get_cell(zone, index);

        if (!cell->is_held || cell->expires_ms <= now_ms) {
            return index;
        }
    }
    return TP_LEASES_MAX;
}

/* Larger than any that was ever given out. */
static uint64_t
lease_next_epoch(const struct tp_zone *zone)
{
    uint64_t largest = 0;

    for (uint32_t index = 0; index < TP_LEASES_MAX; index++) {
        uint64_t epoch = atomic_load(&lease_get_cell(zone, index)->epoch);

        if (epoch > largest) {
            largest = epoch;
        }
    }
    return largest + 1;
}

static struct lease_cell *
lease_get_cell(const struct tp_zone *zone, uint32_t index)
{
    return tp__zone_get_cell(zone, index);
}
