/*
 * roster.c - who works in which slot, how loaded it is, and the numbers of
 * sessions.
 *
 * One cell per worker slot and a last one, the head, for what belongs to no slot.
 *
 * Runs in: every process of a server.  Owns: its mapping of the zone.
 */
#include "share/roster.h"

#include <stdatomic.h>

enum {
    ROSTER_LAYOUT_VERSION = 1,
    ROSTER_HEAD_CELL = TP_WORKER_SLOTS_MAX,
    ROSTER_CELL_COUNT,
};

struct tp_roster_cell {
    _Atomic uint32_t state; /* enum tp_roster_state */
    _Atomic int32_t pid;
    _Atomic uint64_t generation;
    _Atomic uint64_t session_count;
    _Atomic int64_t turn_ms;
};

/* In every version the head is the last cell and begins with the number. */
struct roster_head {
    _Atomic uint64_t session_number; /* the last one given out */
    _Atomic uint32_t slot_limit;     /* no worker ever was in this slot or above */
};

static enum tp_result roster_copy(const struct tp_zone *from, struct tp_zone *to);
static void roster_raise_slot_limit(struct tp_roster *roster, unsigned slot);
static void roster_read_cell(const struct tp_roster_cell *cell, struct tp_roster_entry *entry);
static struct tp_roster_cell *roster_get_cell(const struct tp_roster *roster, unsigned slot);
static struct roster_head *roster_get_head(const struct tp_zone *zone);

const struct tp_zone_layout tp__roster_layout = {
    .name = "roster",
    .version = ROSTER_LAYOUT_VERSION,
    .cell_size = sizeof(struct tp_roster_cell),
    .cell_count = ROSTER_CELL_COUNT,
    .copy = roster_copy,
};

const char *
tp__roster_state_word(enum tp_roster_state state)
{
    switch (state) {
#define ROSTER_STATE_WORD_ROW(name, word) \
    case TP_ROSTER_##name:                \
        return word;
        TP_ROSTER_STATE_TABLE(ROSTER_STATE_WORD_ROW)
#undef ROSTER_STATE_WORD_ROW
    }
    return "unknown";
}

enum tp_result
tp__roster_open(struct tp_roster *roster, int fd)
{
    roster->own = NULL;
    return tp__zone_open(&roster->zone, &tp__roster_layout, fd);
}

void
tp__roster_close(struct tp_roster *roster)
{
    tp__zone_close(&roster->zone);
    roster->own = NULL;
}

void
tp__roster_join(struct tp_roster *roster, unsigned slot, int32_t pid, uint64_t generation)
{
    roster->own = roster_get_cell(roster, slot);
    atomic_store(&roster->own->pid, pid);
    atomic_store(&roster->own->generation, generation);
    atomic_store(&roster->own->session_count, 0);
    atomic_store(&roster->own->turn_ms, 0);
    atomic_store(&roster->own->state, TP_ROSTER_STARTING);
    roster_raise_slot_limit(roster, slot);
}

void
tp__roster_set_state(struct tp_roster *roster, enum tp_roster_state state)
{
    atomic_store(&roster->own->state, state);
}

void
tp__roster_set_generation(struct tp_roster *roster, uint64_t generation)
{
    atomic_store(&roster->own->generation, generation);
}

void
tp__roster_set_sessions(struct tp_roster *roster, uint64_t session_count)
{
    atomic_store_explicit(&roster->own->session_count, session_count, memory_order_relaxed);
}

void
tp__roster_beat(struct tp_roster *roster, int64_t now_ms)
{
    atomic_store_explicit(&roster->own->turn_ms, now_ms, memory_order_relaxed);
}

void
tp__roster_clear(struct tp_roster *roster, unsigned slot)
{
    struct tp_roster_cell *cell = roster_get_cell(roster, slot);

    atomic_store(&cell->state, TP_ROSTER_FREE);
    atomic_store(&cell->pid, 0);
    atomic_store(&cell->generation, 0);
    atomic_store(&cell->session_count, 0);
    atomic_store(&cell->turn_ms, 0);
}

void
tp__roster_read(const struct tp_roster *roster, unsigned slot, struct tp_roster_entry *entry)
{
    roster_read_cell(roster_get_cell(roster, slot), entry);
}

void
tp__roster_read_load(const struct tp_roster *roster, int64_t fresh_since_ms,
                     struct tp_roster_load *load)
{
    unsigned slot_limit = atomic_load(&roster_get_head(&roster->zone)->slot_limit);

    *load = (struct tp_roster_load){ 0 };
    for (unsigned slot = 0; slot < slot_limit && slot < TP_WORKER_SLOTS_MAX; slot++) {
        struct tp_roster_entry entry;

        tp__roster_read(roster, slot, &entry);
        if (entry.state != TP_ROSTER_RUNNING || entry.turn_ms < fresh_since_ms) {
            continue;
        }
        if (load->worker_count == 0 || entry.session_count < load->session_min) {
            load->session_min = entry.session_count;
            load->least_slot = slot;
        }
        load->worker_count++;
        load->session_count += entry.session_count;
    }
}

uint64_t
tp__roster_next_session_number(struct tp_roster *roster)
{
    return atomic_fetch_add(&roster_get_head(&roster->zone)->session_number, 1) + 1;
}

/* Workers enter themselves; what must go on are the numbers, which are never given out twice. */
static enum tp_result
roster_copy(const struct tp_zone *from, struct tp_zone *to)
{
    struct roster_head *old_head = tp__zone_get_cell(from, from->cell_count - 1);

    atomic_store(&roster_get_head(to)->session_number, atomic_load(&old_head->session_number));
    return TP_OK;
}

static void
roster_raise_slot_limit(struct tp_roster *roster, unsigned slot)
{
    _Atomic uint32_t *limit = &roster_get_head(&roster->zone)->slot_limit;
    uint32_t seen = atomic_load(limit);

    while (seen <= slot && !atomic_compare_exchange_weak(limit, &seen, slot + 1)) {
    }
}

static void
roster_read_cell(const struct tp_roster_cell *cell, struct tp_roster_entry *entry)
{
    uint32_t state = atomic_load(&cell->state);

    *entry = (struct tp_roster_entry){
        .state = state <= TP_ROSTER_DRAINING ? (enum tp_roster_state) state : TP_ROSTER_FREE,
        .pid = atomic_load(&cell->pid),
        .generation = atomic_load(&cell->generation),
        .session_count = atomic_load(&cell->session_count),
        .turn_ms = atomic_load(&cell->turn_ms),
    };
}

static struct tp_roster_cell *
roster_get_cell(const struct tp_roster *roster, unsigned slot)
{
    TP_ASSERT(slot < TP_WORKER_SLOTS_MAX);
    return tp__zone_get_cell(&roster->zone, slot);
}

static struct roster_head *
roster_get_head(const struct tp_zone *zone)
{
    return tp__zone_get_cell(zone, ROSTER_HEAD_CELL);
}
