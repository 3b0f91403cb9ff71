/*
 * table.c - tables that workers share: keys to small values.
 *
 * A key has a window of cells, in the shard that its hash names, and is in one of them; nothing
 * ever moves.  There are twice as many cells as entries, so that a full window is rare, and
 * those that are tried last are rarely touched: who looks for a key stops at the first cell that
 * was never used.
 *
 * The first cell of each shard is its head.  It names the cell that its owner has, so that after
 * a death that one is checked and no other.  A cell becomes taken with its last write, and free
 * with its first, so that it is never found half written.
 *
 * Keys are chosen outside, so the hash has a key, drawn by the first who asks.
 *
 * Runs in: workers, which use them; the master, which copies them when sizes change.
 * Owns: its mappings.  Read next: zone.c, cycle/cycle_tables.c.
 */
#include "share/table.h"

#include "os/random.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    TABLE_FORM = 1, /* counts changes of this file's cells */
    TABLE_FORM_SHIFT = 24,
    TABLE_SHARDS_MAX = 64,
    TABLE_ENTRIES_PER_SHARD_MIN = 64,
    TABLE_PLACES_PER_ENTRY = 2,
    TABLE_WINDOW = 32,
    TABLE_KEY_KEPT = TP_TABLE_KEY_MAX - (int) sizeof(uint64_t), /* of a longer key */
};

/* Why a cell was left; all zeros is one that never had anybody. */
enum table_cell_state {
    TABLE_CELL_UNUSED,
    TABLE_CELL_FREE,
    TABLE_CELL_TAKEN,
};

struct table_cell {
    _Atomic uint32_t state;
    uint32_t key_len;
    uint64_t hash;
    int64_t used_ms;
    char key[TP_TABLE_KEY_MAX];
    uint64_t value[]; /* of the layout's size */
};

struct table_head {
    _Atomic uint64_t secret; /* in the first shard only */
    uint32_t held;           /* the place that the lock's owner has; 0: none, it is the head's */
    _Atomic uint32_t count;
};

_Static_assert(sizeof(struct table_head) <= sizeof(struct table_cell), "a cell holds a head");

/* Cells in a row that goes around: those of a shard but for its head, from place 1 on. */
struct table_shard {
    struct tp_zone *zone;
    struct table_head *head;
    uint32_t first;
    uint32_t count; /* the head included */
};

/* A key as it is kept. */
struct table_key {
    uint64_t hash;
    uint32_t len;
    char bytes[TP_TABLE_KEY_MAX];
};

static void table_check(struct tp_zone *zone, uint32_t first, uint32_t count);
static enum tp_result table_copy(const struct tp_zone *from, struct tp_zone *to);
static enum tp_result table_copy_cell(struct tp_table *table, const struct table_cell *cell,
                                      uint32_t value_size);
static struct tp_hash_key table_hash_key(struct tp_zone *zone);

static struct table_key key_make(const struct tp_table *table, struct tp_str bytes);

static enum tp_result shard_lock(struct tp_table *table, uint64_t hash, struct table_shard *shard);
static struct table_shard shard_at(struct tp_zone *zone, uint32_t index);
static uint32_t shard_find(const struct table_shard *shard, const struct table_key *key);
static uint32_t shard_place(const struct tp_table *table, const struct table_shard *shard,
                            const struct table_key *key, int64_t now_ms);
static uint32_t shard_window(const struct table_shard *shard);
static uint32_t shard_step(const struct table_shard *shard, uint64_t hash, uint32_t tried);
static struct table_cell *shard_cell(const struct table_shard *shard, uint32_t place);
static void shard_free(const struct table_shard *shard, uint32_t place);
static void shard_write(const struct tp_table *table, const struct table_shard *shard,
                        uint32_t place, const struct table_key *key);

static uint32_t cell_state(const struct table_cell *cell);
static bool cell_is_sound(const struct table_cell *cell);
static struct table_shard table_shard_of(struct tp_table *table, const void *value,
                                         uint32_t *place);

void
tp__table_plan(struct tp_table_plan *plan, const char *name, const struct tp_table_layout *layout,
               uint32_t entry_count)
{
    uint32_t shards = entry_count / TABLE_ENTRIES_PER_SHARD_MIN;

    shards = shards < 1 ? 1 : shards > TABLE_SHARDS_MAX ? TABLE_SHARDS_MAX : shards;
    uint32_t per_shard = (entry_count + shards - 1) / shards * TABLE_PLACES_PER_ENTRY + 1;

    TP_ASSERT(entry_count > 0 && entry_count <= TP_TABLE_ENTRIES_MAX);
    TP_ASSERT(layout->value_size > 0 && layout->value_size <= TP_TABLE_VALUE_MAX);
    TP_ASSERT(layout->version < 1U << TABLE_FORM_SHIFT);
    snprintf(plan->name, sizeof(plan->name), "table %.*s", TP_TABLE_NAME_MAX, name);
    plan->layout = layout;
    plan->zone_layout = (struct tp_zone_layout){
        .name = plan->name,
        .version = layout->version | (uint32_t) TABLE_FORM << TABLE_FORM_SHIFT,
        .cell_size = (uint32_t) sizeof(struct table_cell) + layout->value_size,
        .cell_count = shards * per_shard,
        .shard_count = shards,
        .check = table_check,
        .copy = table_copy,
    };
}

const char *
tp__table_label(const struct tp_table_plan *plan, char *label)
{
    const struct tp_zone_layout *layout = &plan->zone_layout;

    snprintf(label, TP_TABLE_LABEL_MAX, "%s %u.%u.%u", plan->name, layout->version,
             layout->cell_size, layout->cell_count);
    return label;
}

bool
tp__table_has_label(const struct tp_table_plan *plan, const char *label)
{
    size_t len = strlen(plan->name);

    return strncmp(label, plan->name, len) == 0 && label[len] == ' ';
}

enum tp_result
tp__table_open(struct tp_table *table, const char *name, const struct tp_table_layout *layout,
               uint32_t entry_count, int fd)
{
    tp__table_plan(&table->plan, name, layout, entry_count);
    enum tp_result result = tp__zone_open(&table->zone, &table->plan.zone_layout, fd);

    if (result == TP_OK) {
        table->key = table_hash_key(&table->zone);
    }
    return result;
}

void
tp__table_close(struct tp_table *table)
{
    tp__zone_close(&table->zone);
}

enum tp_result
tp_table_enter(struct tp_table *table, struct tp_str bytes, int64_t now_ms, void **value)
{
    struct table_key key = key_make(table, bytes);
    struct table_shard shard;
    enum tp_result result = shard_lock(table, key.hash, &shard);

    *value = NULL;
    if (result != TP_OK) {
        return result;
    }
    uint32_t place = shard_find(&shard, &key);

    if (place == 0) {
        place = shard_place(table, &shard, &key, now_ms);
        if (place == 0) {
            tp__zone_unlock(&table->zone, tp__zone_shard_of(&table->zone, shard.first));
            return TP_FULL;
        }
        shard_write(table, &shard, place, &key);
    }
    struct table_cell *cell = shard_cell(&shard, place);

    shard.head->held = place;
    cell->used_ms = now_ms;
    *value = cell->value;
    return TP_OK;
}

enum tp_result
tp_table_find(struct tp_table *table, struct tp_str bytes, void **value)
{
    struct table_key key = key_make(table, bytes);
    struct table_shard shard;
    enum tp_result result = shard_lock(table, key.hash, &shard);

    *value = NULL;
    if (result != TP_OK) {
        return result;
    }
    uint32_t place = shard_find(&shard, &key);

    if (place == 0) {
        tp__zone_unlock(&table->zone, tp__zone_shard_of(&table->zone, shard.first));
        return TP_NOT_FOUND;
    }
    shard.head->held = place;
    *value = shard_cell(&shard, place)->value;
    return TP_OK;
}

struct tp_table_spot
tp_table_note(const struct tp_table *table, const void *value)
{
    const struct table_cell *cell = TP_CONTAINER_OF(value, struct table_cell, value);
    size_t offset = (size_t) ((const unsigned char *) cell - table->zone.cells);

    return (struct tp_table_spot){
        .hash = cell->hash,
        .place = (uint32_t) (offset / table->zone.cell_size),
    };
}

/* Two keys with one hash of 64 bits, whose secret nobody has, are not reckoned with. */
enum tp_result
tp_table_return(struct tp_table *table, const struct tp_table_spot *spot, int64_t now_ms,
                void **value)
{
    struct tp_zone *zone = &table->zone;

    *value = NULL;
    if (spot->place == 0 || spot->place >= zone->cell_count) {
        return TP_NOT_FOUND;
    }
    uint32_t index = tp__zone_shard_of(zone, spot->place);
    enum tp_result result = tp__zone_lock(zone, index);

    if (result != TP_OK) {
        return result;
    }
    struct table_shard shard = shard_at(zone, index);
    uint32_t place = spot->place - shard.first;
    struct table_cell *cell = place == 0 ? NULL : shard_cell(&shard, place);

    if (cell == NULL || cell_state(cell) != TABLE_CELL_TAKEN || cell->hash != spot->hash) {
        tp__zone_unlock(zone, index);
        return TP_NOT_FOUND;
    }
    shard.head->held = place;
    cell->used_ms = now_ms;
    *value = cell->value;
    return TP_OK;
}

void
tp_table_leave(struct tp_table *table, void **value)
{
    uint32_t place;
    struct table_shard shard = table_shard_of(table, *value, &place);

    *value = NULL;
    shard.head->held = 0;
    tp__zone_unlock(&table->zone, tp__zone_shard_of(&table->zone, shard.first));
}

void
tp_table_remove(struct tp_table *table, void **value)
{
    uint32_t place;
    struct table_shard shard = table_shard_of(table, *value, &place);

    shard_free(&shard, place);
    tp_table_leave(table, value);
}

enum tp_result
tp_table_each(struct tp_table *table, tp_table_visit_fn visit, void *owner)
{
    enum tp_result result = TP_OK;

    for (uint32_t index = 0; index < table->zone.shard_count; index++) {
        if (tp__zone_lock(&table->zone, index) != TP_OK) {
            result = TP_TIMED_OUT;
            continue;
        }
        struct table_shard shard = shard_at(&table->zone, index);

        for (uint32_t place = 1; place < shard.count; place++) {
            struct table_cell *cell = shard_cell(&shard, place);

            if (cell_state(cell) != TABLE_CELL_TAKEN) {
                continue;
            }
            shard.head->held = place;
            if (!visit((struct tp_str){ cell->key, cell->key_len }, cell->value, owner)) {
                shard_free(&shard, place);
            }
        }
        shard.head->held = 0;
        tp__zone_unlock(&table->zone, index);
    }
    return result;
}

uint32_t
tp_table_count(const struct tp_table *table)
{
    struct tp_zone zone = table->zone;
    uint32_t count = 0;

    for (uint32_t index = 0; index < zone.shard_count; index++) {
        count += atomic_load_explicit(&shard_at(&zone, index).head->count, memory_order_relaxed);
    }
    return count;
}

uint32_t
tp_table_capacity(const struct tp_table *table)
{
    return table->zone.cell_count - table->zone.shard_count;
}

/* After a death: frees what no holder can have written, and checks the one that was held. */
static void
table_check(struct tp_zone *zone, uint32_t first, uint32_t count)
{
    struct table_shard shard = shard_at(zone, tp__zone_shard_of(zone, first));
    struct tp_table_plan *plan = TP_CONTAINER_OF(zone->layout, struct tp_table_plan, zone_layout);
    uint32_t taken_count = 0;

    for (uint32_t place = 1; place < count; place++) {
        struct table_cell *cell = shard_cell(&shard, place);

        if (!cell_is_sound(cell)) {
            atomic_store(&cell->state, TABLE_CELL_FREE);
        }
        if (cell_state(cell) != TABLE_CELL_TAKEN) {
            continue;
        }
        taken_count++;
        if (place == shard.head->held && plan->layout->check != NULL) {
            plan->layout->check(cell->value);
        } else if (place == shard.head->held) {
            memset(cell->value, 0, plan->layout->value_size);
        }
    }
    shard.head->held = 0;
    atomic_store(&shard.head->count, taken_count);
}

/* Entries go one by one to where they belong in the new table; what finds no room is left. */
static enum tp_result
table_copy(const struct tp_zone *from, struct tp_zone *to)
{
    const struct tp_table_plan *plan =
        TP_CONTAINER_OF(to->layout, struct tp_table_plan, zone_layout);
    struct tp_table table = { .plan = *plan, .zone = *to };
    struct tp_zone old = *from;

    if (from->version != to->version || from->cell_size != to->cell_size) {
        return TP_MISMATCH;
    }
    table.key = table_hash_key(&table.zone);
    for (uint32_t index = 0; index < old.shard_count; index++) {
        struct table_shard shard = shard_at(&old, index);

        for (uint32_t place = 1; place < shard.count; place++) {
            const struct table_cell *cell = shard_cell(&shard, place);
            /* The one that a dead process had may be half changed. */
            bool is_whole = place != shard.head->held && cell_is_sound(cell);

            if (is_whole && cell_state(cell) == TABLE_CELL_TAKEN) {
                enum tp_result result = table_copy_cell(&table, cell, plan->layout->value_size);

                if (result != TP_OK && result != TP_FULL) {
                    return result;
                }
            }
        }
    }
    return TP_OK;
}

static enum tp_result
table_copy_cell(struct tp_table *table, const struct table_cell *cell, uint32_t value_size)
{
    void *value;
    struct tp_str key = { cell->key, cell->key_len };
    enum tp_result result = tp_table_enter(table, key, cell->used_ms, &value);

    if (result == TP_OK) {
        memcpy(value, cell->value, value_size);
        tp_table_leave(table, &value);
    }
    return result;
}

/* Drawn by the first who asks. */
static struct tp_hash_key
table_hash_key(struct tp_zone *zone)
{
    struct table_head *head = shard_at(zone, 0).head;
    uint64_t drawn;
    uint64_t present = 0;

    tp__random_fill(&drawn, sizeof(drawn));
    drawn |= 1; /* never 0, which stands for none */
    if (atomic_compare_exchange_strong(&head->secret, &present, drawn)) {
        present = drawn;
    }
    return (struct tp_hash_key){ .low = present, .high = ~present };
}

/*
 * The hash is that of what is kept.  The end of a longer key is a hash without a secret, so that
 * an entry is found again in a copy of the table, which has another.
 */
static struct table_key
key_make(const struct tp_table *table, struct tp_str bytes)
{
    struct table_key key = { .len = (uint32_t) bytes.len };

    if (bytes.len <= TP_TABLE_KEY_MAX) {
        if (bytes.len > 0) {
            memcpy(key.bytes, bytes.data, bytes.len);
        }
    } else {
        static const struct tp_hash_key ends = { 0x7461626c65206b65, 0x797320656e642e2e };
        uint64_t end = tp__keyed_hash(ends, bytes);

        key.len = TP_TABLE_KEY_MAX;
        memcpy(key.bytes, bytes.data, TABLE_KEY_KEPT);
        memcpy(key.bytes + TABLE_KEY_KEPT, &end, sizeof(end));
    }
    key.hash = tp__keyed_hash(table->key, (struct tp_str){ key.bytes, key.len });
    return key;
}

static enum tp_result
shard_lock(struct tp_table *table, uint64_t hash, struct table_shard *shard)
{
    uint32_t index = (uint32_t) (hash % table->zone.shard_count);
    enum tp_result result = tp__zone_lock(&table->zone, index);

    if (result == TP_OK) {
        *shard = shard_at(&table->zone, index);
    }
    return result;
}

static struct table_shard
shard_at(struct tp_zone *zone, uint32_t index)
{
    struct table_shard shard = { .zone = zone };

    tp__zone_shard_range(zone, index, &shard.first, &shard.count);
    shard.head = tp__zone_get_cell(zone, shard.first);
    return shard;
}

/* Where the key is; 0: nowhere. */
static uint32_t
shard_find(const struct table_shard *shard, const struct table_key *key)
{
    for (uint32_t tried = 0; tried < shard_window(shard); tried++) {
        uint32_t place = shard_step(shard, key->hash, tried);
        const struct table_cell *cell = shard_cell(shard, place);
        uint32_t state = cell_state(cell);

        if (state == TABLE_CELL_UNUSED) {
            return 0;
        }
        if (state == TABLE_CELL_TAKEN && cell->hash == key->hash && cell->key_len == key->len
            && memcmp(cell->key, key->bytes, key->len) == 0) {
            return place;
        }
    }
    return 0;
}

/* A cell for a new key: one without an entry, or that whose idle one is the longest unused. */
static uint32_t
shard_place(const struct tp_table *table, const struct table_shard *shard,
            const struct table_key *key, int64_t now_ms)
{
    const struct tp_table_layout *layout = table->plan.layout;
    int64_t oldest_ms = INT64_MAX;
    uint32_t oldest = 0;

    for (uint32_t tried = 0; tried < shard_window(shard); tried++) {
        uint32_t place = shard_step(shard, key->hash, tried);
        const struct table_cell *cell = shard_cell(shard, place);

        if (cell_state(cell) != TABLE_CELL_TAKEN) {
            return place;
        }
        if (layout->is_idle != NULL && cell->used_ms < oldest_ms
            && layout->is_idle(cell->value, now_ms)) {
            oldest_ms = cell->used_ms;
            oldest = place;
        }
    }
    if (oldest != 0) {
        shard_free(shard, oldest);
    }
    return oldest;
}

/* How many cells may have a key. */
static uint32_t
shard_window(const struct table_shard *shard)
{
    return shard->count - 1 < TABLE_WINDOW ? shard->count - 1 : TABLE_WINDOW;
}

/* The place of the `tried`-th of them. */
static uint32_t
shard_step(const struct table_shard *shard, uint64_t hash, uint32_t tried)
{
    uint64_t home = hash / shard->zone->shard_count;

    return 1 + (uint32_t) ((home + tried) % (shard->count - 1));
}

static struct table_cell *
shard_cell(const struct table_shard *shard, uint32_t place)
{
    TP_ASSERT(place > 0 && place < shard->count);
    return tp__zone_get_cell(shard->zone, shard->first + place);
}

static void
shard_free(const struct table_shard *shard, uint32_t place)
{
    atomic_store(&shard_cell(shard, place)->state, TABLE_CELL_FREE);
    atomic_fetch_sub_explicit(&shard->head->count, 1, memory_order_relaxed);
}

static void
shard_write(const struct tp_table *table, const struct table_shard *shard, uint32_t place,
            const struct table_key *key)
{
    struct table_cell *cell = shard_cell(shard, place);

    cell->hash = key->hash;
    cell->key_len = key->len;
    memcpy(cell->key, key->bytes, key->len);
    memset(cell->value, 0, table->plan.layout->value_size);
    atomic_store(&cell->state, TABLE_CELL_TAKEN);
    atomic_fetch_add_explicit(&shard->head->count, 1, memory_order_relaxed);
}

static uint32_t
cell_state(const struct table_cell *cell)
{
    return atomic_load_explicit(&cell->state, memory_order_relaxed);
}

static bool
cell_is_sound(const struct table_cell *cell)
{
    return cell_state(cell) <= TABLE_CELL_TAKEN && cell->key_len <= TP_TABLE_KEY_MAX;
}

/* Of a value that somebody has entered. */
static struct table_shard
table_shard_of(struct tp_table *table, const void *value, uint32_t *place)
{
    const unsigned char *cell = (const void *) TP_CONTAINER_OF(value, struct table_cell, value);
    uint32_t index = (uint32_t) ((size_t) (cell - table->zone.cells) / table->zone.cell_size);
    struct table_shard shard = shard_at(&table->zone, tp__zone_shard_of(&table->zone, index));

    *place = index - shard.first;
    TP_ASSERT(*place == shard.head->held);
    return shard;
}
