/*
 * slow_ring.c - rings of slow exchanges, without a lock: an entry's version is odd while it is
 * written (a seqlock with one writer), and so it stays if the writer dies.
 *
 * Runs in: every process of a server.  Owns: nothing.
 */
#include "metrics/slow_ring.h"

#include <stdatomic.h>
#include <string.h>

enum {
    SLOW_RING_LAYOUT_VERSION = 1,
};

struct slow_entry {
    _Atomic uint32_t version; /* 0: it was never written */
    struct tp_stats_slow slow;
};

struct slow_ring {
    _Atomic uint32_t next;
    struct slow_entry entries[TP_STATS_SLOW_MAX];
};

const struct tp_zone_layout tp__slow_ring_layout = {
    .name = "slow exchanges",
    .version = SLOW_RING_LAYOUT_VERSION,
    .cell_size = sizeof(struct slow_ring),
    .cell_count = TP_SLOTS,
};

void
tp__slow_ring_add(struct tp_zone *zone, unsigned slot, const struct tp_stats_slow *slow)
{
    struct slow_ring *ring = tp__zone_get_cell(zone, slot);
    uint32_t next = atomic_load_explicit(&ring->next, memory_order_relaxed) % TP_STATS_SLOW_MAX;
    struct slow_entry *entry = &ring->entries[next];
    uint32_t version = atomic_load_explicit(&entry->version, memory_order_relaxed) | 1;

    atomic_store_explicit(&entry->version, version, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    entry->slow = *slow;
    entry->slow.worker_slot = slot;
    atomic_store_explicit(&entry->version, version + 1, memory_order_release);
    atomic_store_explicit(&ring->next, next + 1, memory_order_relaxed);
}

bool
tp__slow_ring_read(const struct tp_zone *zone, unsigned slot, unsigned at,
                   struct tp_stats_slow *slow)
{
    const struct slow_ring *ring = tp__zone_get_cell(zone, slot);
    const struct slow_entry *entry = &ring->entries[at];
    uint32_t before = atomic_load_explicit(&entry->version, memory_order_acquire);

    TP_ASSERT(at < TP_STATS_SLOW_MAX);
    if (before == 0 || (before & 1) != 0) {
        return false;
    }
    memcpy(slow, &entry->slow, sizeof(*slow));
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&entry->version, memory_order_relaxed) == before;
}
