/*
 * directory.c - which worker has which session, and which session has which id.
 *
 * Numbers: a cell is one cache line of eight words, each a number and its slot.  Numbers are
 * given out one after the other, so the rest of a number modulo the count of cells spreads them
 * evenly.  A number that finds its line full goes to one of the next few.  Nothing ever moves,
 * so that who reads meets each session where it was entered; and finding looks at all of those
 * lines, of which the first nearly always has it.
 *
 * Ids: open addressing within a shard, without gaps between where an id belongs and where it
 * stands.  The hash has a key, since ids are chosen outside.
 *
 * There are twice as many places as sessions, so that both tables are half empty at most.
 *
 * Runs in: workers; the master, for a dead one.  Owns: its mappings.
 * Read next: process/courier.c, which asks where a session is.
 */
#include "share/directory.h"

#include "os/random.h"

#include <stdatomic.h>
#include <string.h>

enum {
    DIRECTORY_LAYOUT_VERSION = 1,
    NUMBER_WORDS_PER_CELL = 8,
    NUMBER_CELLS_TRIED_MAX = 16,
    NUMBER_SLOT_BITS = 8, /* of a word; the rest is the number, so that 2^56 sessions may come */
    PLACES_PER_SESSION = 2,
    ID_SHARDS = 64,
    ID_CELLS_PER_SHARD_MIN = 8,
};

_Static_assert(TP_WORKER_SLOTS_MAX <= 1 << NUMBER_SLOT_BITS, "a slot fits its part of a word");

/* A word of 0 is free. */
struct number_cell {
    _Atomic uint64_t words[NUMBER_WORDS_PER_CELL];
};

/* The last cell of the table of numbers. */
struct directory_head {
    _Atomic uint64_t secret; /* what the key of the ids' hash is made of; drawn once */
};

/* A number of 0: the cell is free.  It is written last, so a cell is never found half written. */
struct id_cell {
    _Atomic uint64_t number;
    uint64_t hash;
    uint8_t len;
    char bytes[TP_SESSION_ID_MAX];
};

/* Cells in a row that goes around: those of a shard. */
struct id_shard {
    struct tp_zone *zone;
    uint32_t first;
    uint32_t count;
};

static struct number_cell *number_cell_at(const struct tp_directory *directory, uint64_t number,
                                          uint32_t tried);
static uint32_t number_cell_count(const struct tp_directory *directory);
static _Atomic uint64_t *number_word_at(const struct tp_directory *directory, uint64_t index);
static _Atomic uint64_t *number_find(const struct tp_directory *directory, uint64_t number);
static uint64_t directory_secret(const struct tp_directory *directory);

static enum tp_result ids_lock(struct tp_directory *directory, uint64_t hash,
                               struct id_shard *shard, uint32_t *index);
static void ids_unlock(struct tp_directory *directory, uint32_t index);
static struct id_shard ids_shard_at(struct tp_zone *zone, uint32_t shard);
static enum tp_result ids_place(const struct tp_directory *directory, const struct id_shard *shard,
                                uint64_t hash, uint32_t *place);
static bool ids_find(const struct id_shard *shard, struct tp_str id, uint64_t hash,
                     uint32_t *place);
static void ids_remove(const struct id_shard *shard, uint32_t place);
static void ids_check(struct tp_zone *zone, uint32_t first, uint32_t count);
static bool ids_straighten(const struct id_shard *shard, uint32_t place);
static bool id_cell_is_sound(const struct id_cell *cell);
static bool id_cell_has(const struct id_cell *cell, struct tp_str id, uint64_t hash);
static void id_cell_write(struct id_cell *cell, struct tp_str id, uint64_t hash, uint64_t number);
static struct id_cell *id_cell_at(const struct id_shard *shard, uint32_t place);
static uint32_t id_home(const struct id_shard *shard, uint64_t hash);
static uint32_t id_next(const struct id_shard *shard, uint32_t place);

const struct tp_zone_layout tp__directory_numbers_layout = {
    .name = "session-numbers",
    .version = DIRECTORY_LAYOUT_VERSION,
    .cell_size = sizeof(struct number_cell),
};

const struct tp_zone_layout tp__directory_ids_layout = {
    .name = "session-ids",
    .version = DIRECTORY_LAYOUT_VERSION,
    .cell_size = sizeof(struct id_cell),
    .shard_count = ID_SHARDS,
    .check = ids_check,
};

uint32_t
tp__directory_number_cells(uint64_t session_count)
{
    uint64_t cells = session_count * PLACES_PER_SESSION / NUMBER_WORDS_PER_CELL;
    bool is_small = cells < NUMBER_CELLS_TRIED_MAX;

    TP_ASSERT(cells < UINT32_MAX);
    return (uint32_t) (is_small ? NUMBER_CELLS_TRIED_MAX : cells) + 1;
}

uint32_t
tp__directory_id_cells(uint64_t session_count)
{
    uint64_t per_shard = session_count * PLACES_PER_SESSION / ID_SHARDS + ID_CELLS_PER_SHARD_MIN;

    TP_ASSERT(per_shard < UINT32_MAX / ID_SHARDS);
    return (uint32_t) per_shard * ID_SHARDS;
}

enum tp_result
tp__directory_open(struct tp_directory *directory, int numbers_fd, int ids_fd)
{
    enum tp_result result =
        tp__zone_open(&directory->numbers, &tp__directory_numbers_layout, numbers_fd);

    if (result != TP_OK) {
        return result;
    }
    result = tp__zone_open(&directory->ids, &tp__directory_ids_layout, ids_fd);
    if (result != TP_OK) {
        tp__zone_close(&directory->numbers);
        return result;
    }
    directory->key.low = directory_secret(directory);
    directory->key.high = ~directory->key.low;
    return TP_OK;
}

void
tp__directory_close(struct tp_directory *directory)
{
    tp__zone_close(&directory->ids);
    tp__zone_close(&directory->numbers);
}

enum tp_result
tp__directory_add(struct tp_directory *directory, uint64_t number, unsigned slot)
{
    uint64_t word = number << NUMBER_SLOT_BITS | slot;

    TP_ASSERT(number != 0 && number <= UINT64_MAX >> NUMBER_SLOT_BITS);
    TP_ASSERT(slot < TP_WORKER_SLOTS_MAX);
    for (uint32_t tried = 0; tried < NUMBER_CELLS_TRIED_MAX; tried++) {
        struct number_cell *cell = number_cell_at(directory, number, tried);

        for (unsigned i = 0; i < NUMBER_WORDS_PER_CELL; i++) {
            uint64_t nobody = 0;

            if (atomic_load_explicit(&cell->words[i], memory_order_relaxed) == 0
                && atomic_compare_exchange_strong(&cell->words[i], &nobody, word)) {
                return TP_OK;
            }
        }
    }
    return TP_FULL;
}

void
tp__directory_remove(struct tp_directory *directory, uint64_t number, unsigned slot)
{
    uint64_t wanted = number << NUMBER_SLOT_BITS | slot;

    for (uint32_t tried = 0; tried < NUMBER_CELLS_TRIED_MAX; tried++) {
        struct number_cell *cell = number_cell_at(directory, number, tried);

        for (unsigned i = 0; i < NUMBER_WORDS_PER_CELL; i++) {
            if (atomic_load(&cell->words[i]) == wanted) {
                atomic_store(&cell->words[i], 0);
                return;
            }
        }
    }
}

enum tp_result
tp__directory_find(const struct tp_directory *directory, uint64_t number, unsigned *slot)
{
    const _Atomic uint64_t *found = number_find(directory, number);
    uint64_t word = found == NULL ? 0 : atomic_load(found);

    /* It may have ended, and another come in its place, since it was found. */
    if (number == 0 || word >> NUMBER_SLOT_BITS != number) {
        return TP_NOT_FOUND;
    }
    *slot = (unsigned) (word & ((1U << NUMBER_SLOT_BITS) - 1));
    return TP_OK;
}

size_t
tp__directory_scan(const struct tp_directory *directory, uint64_t *cursor,
                   struct tp_directory_entry *entries, size_t count_max)
{
    uint64_t end = (uint64_t) number_cell_count(directory) * NUMBER_WORDS_PER_CELL;
    size_t count = 0;

    while (*cursor < end && count < count_max) {
        uint64_t word = atomic_load(number_word_at(directory, *cursor));

        if (word != 0) {
            entries[count++] = (struct tp_directory_entry){
                .number = word >> NUMBER_SLOT_BITS,
                .slot = (unsigned) (word & ((1U << NUMBER_SLOT_BITS) - 1)),
            };
        }
        *cursor += 1;
    }
    if (*cursor >= end) {
        *cursor = TP_DIRECTORY_END;
    }
    return count;
}

void
tp__directory_clear_slot(struct tp_directory *directory, unsigned slot)
{
    uint64_t end = (uint64_t) number_cell_count(directory) * NUMBER_WORDS_PER_CELL;

    for (uint64_t index = 0; index < end; index++) {
        _Atomic uint64_t *at = number_word_at(directory, index);
        uint64_t word = atomic_load_explicit(at, memory_order_relaxed);

        if (word != 0 && (word & ((1U << NUMBER_SLOT_BITS) - 1)) == slot) {
            atomic_store(at, 0);
        }
    }
}

enum tp_result
tp__directory_claim_id(struct tp_directory *directory, struct tp_str id, uint64_t number,
                       enum tp_claim claim, uint64_t *holder)
{
    uint64_t hash = tp__keyed_hash(directory->key, id);
    struct id_shard shard;
    uint32_t index;
    uint32_t place;

    TP_ASSERT(id.len > 0 && id.len <= TP_SESSION_ID_MAX && number != 0);
    *holder = 0;
    enum tp_result result = ids_lock(directory, hash, &shard, &index);

    if (result != TP_OK) {
        return result;
    }
    if (ids_find(&shard, id, hash, &place)) {
        uint64_t former = atomic_load(&id_cell_at(&shard, place)->number);
        bool is_another = former != number && number_find(directory, former) != NULL;

        *holder = is_another ? former : 0;
        if (is_another && claim == TP_CLAIM_IF_FREE) {
            result = TP_EXISTS;
        } else {
            atomic_store(&id_cell_at(&shard, place)->number, number);
        }
    } else {
        result = ids_place(directory, &shard, hash, &place);
        if (result == TP_OK) {
            id_cell_write(id_cell_at(&shard, place), id, hash, number);
        }
    }
    ids_unlock(directory, index);
    return result;
}

void
tp__directory_release_id(struct tp_directory *directory, struct tp_str id, uint64_t number)
{
    uint64_t hash = tp__keyed_hash(directory->key, id);
    struct id_shard shard;
    uint32_t index;
    uint32_t place;

    if (ids_lock(directory, hash, &shard, &index) != TP_OK) {
        return;
    }
    if (ids_find(&shard, id, hash, &place)
        && atomic_load(&id_cell_at(&shard, place)->number) == number) {
        ids_remove(&shard, place);
    }
    ids_unlock(directory, index);
}

enum tp_result
tp__directory_find_id(struct tp_directory *directory, struct tp_str id,
                      struct tp_directory_entry *entry)
{
    uint64_t hash = tp__keyed_hash(directory->key, id);
    struct id_shard shard;
    uint32_t index;
    uint32_t place;

    if (id.len == 0 || id.len > TP_SESSION_ID_MAX) {
        return TP_NOT_FOUND;
    }
    enum tp_result result = ids_lock(directory, hash, &shard, &index);

    if (result != TP_OK) {
        return result;
    }
    bool is_found = ids_find(&shard, id, hash, &place);

    entry->number = is_found ? atomic_load(&id_cell_at(&shard, place)->number) : 0;
    ids_unlock(directory, index);
    return tp__directory_find(directory, entry->number, &entry->slot);
}

/* The cell that is the `tried`-th one to look for the number in. */
static struct number_cell *
number_cell_at(const struct tp_directory *directory, uint64_t number, uint32_t tried)
{
    uint32_t count = number_cell_count(directory);

    return tp__zone_get_cell(&directory->numbers, (uint32_t) ((number + tried) % count));
}

/* The last one is the head. */
static uint32_t
number_cell_count(const struct tp_directory *directory)
{
    return directory->numbers.cell_count - 1;
}

static _Atomic uint64_t *
number_word_at(const struct tp_directory *directory, uint64_t index)
{
    struct number_cell *cell =
        tp__zone_get_cell(&directory->numbers, (uint32_t) (index / NUMBER_WORDS_PER_CELL));

    return &cell->words[index % NUMBER_WORDS_PER_CELL];
}

static _Atomic uint64_t *
number_find(const struct tp_directory *directory, uint64_t number)
{
    for (uint32_t tried = 0; tried < NUMBER_CELLS_TRIED_MAX; tried++) {
        struct number_cell *cell = number_cell_at(directory, number, tried);

        for (unsigned i = 0; i < NUMBER_WORDS_PER_CELL; i++) {
            if (atomic_load(&cell->words[i]) >> NUMBER_SLOT_BITS == number) {
                return &cell->words[i];
            }
        }
    }
    return NULL;
}

/* Drawn by the first who asks. */
static uint64_t
directory_secret(const struct tp_directory *directory)
{
    struct directory_head *head =
        tp__zone_get_cell(&directory->numbers, directory->numbers.cell_count - 1);
    uint64_t drawn;
    uint64_t present = 0;

    tp__random_fill(&drawn, sizeof(drawn));
    drawn |= 1; /* never 0, which stands for none */
    return atomic_compare_exchange_strong(&head->secret, &present, drawn) ? drawn : present;
}

/* Locks the shard in which an id of this hash would be; `*index` is its name. */
static enum tp_result
ids_lock(struct tp_directory *directory, uint64_t hash, struct id_shard *shard, uint32_t *index)
{
    *index = (uint32_t) (hash % ID_SHARDS);
    enum tp_result result = tp__zone_lock(&directory->ids, *index);

    if (result == TP_OK) {
        *shard = ids_shard_at(&directory->ids, *index);
    }
    return result;
}

static void
ids_unlock(struct tp_directory *directory, uint32_t index)
{
    tp__zone_unlock(&directory->ids, index);
}

static struct id_shard
ids_shard_at(struct tp_zone *zone, uint32_t shard)
{
    struct id_shard at = { .zone = zone };

    tp__zone_shard_range(zone, shard, &at.first, &at.count);
    return at;
}

/*
 * Where a new id is to stand: in place of one on the way whose session is gone, or in the first
 * free cell.
 */
static enum tp_result
ids_place(const struct tp_directory *directory, const struct id_shard *shard, uint64_t hash,
          uint32_t *place)
{
    *place = id_home(shard, hash);
    for (uint32_t tried = 0; tried < shard->count; tried++) {
        uint64_t number = atomic_load(&id_cell_at(shard, *place)->number);

        if (number == 0 || number_find(directory, number) == NULL) {
            return TP_OK;
        }
        *place = id_next(shard, *place);
    }
    return TP_FULL;
}

static bool
ids_find(const struct id_shard *shard, struct tp_str id, uint64_t hash, uint32_t *place)
{
    *place = id_home(shard, hash);
    for (uint32_t tried = 0; tried < shard->count; tried++) {
        const struct id_cell *cell = id_cell_at(shard, *place);

        if (atomic_load(&cell->number) == 0) {
            return false;
        }
        if (id_cell_has(cell, id, hash)) {
            return true;
        }
        *place = id_next(shard, *place);
    }
    return false;
}

/* Frees the cell and moves those behind it up that would else stand behind a gap. */
static void
ids_remove(const struct id_shard *shard, uint32_t place)
{
    uint32_t gap = place;
    uint32_t at = place;

    atomic_store(&id_cell_at(shard, gap)->number, 0);
    for (uint32_t tried = 1; tried < shard->count; tried++) {
        at = id_next(shard, at);
        struct id_cell *cell = id_cell_at(shard, at);

        if (atomic_load(&cell->number) == 0) {
            return;
        }
        uint32_t home = id_home(shard, cell->hash);
        uint32_t from_home = (at + shard->count - home) % shard->count;
        uint32_t from_gap = (at + shard->count - gap) % shard->count;

        if (from_home >= from_gap) {
            struct tp_str id = { cell->bytes, cell->len };

            id_cell_write(id_cell_at(shard, gap), id, cell->hash, atomic_load(&cell->number));
            atomic_store(&cell->number, 0);
            gap = at;
        }
    }
}

/*
 * After a death in the middle of a change: frees what no holder can have written, and then lets
 * each id stand where it is found.  Whoever dies in here leaves it to be done again.
 */
static void
ids_check(struct tp_zone *zone, uint32_t first, uint32_t count)
{
    struct id_shard shard = { .zone = zone, .first = first, .count = count };
    bool has_changed = true;

    for (uint32_t place = 0; place < count; place++) {
        struct id_cell *cell = id_cell_at(&shard, place);

        if (!id_cell_is_sound(cell)) {
            atomic_store(&cell->number, 0);
        }
    }
    while (has_changed) {
        has_changed = false;
        for (uint32_t place = 0; place < count; place++) {
            has_changed |= ids_straighten(&shard, place);
        }
    }
}

/* Moves the id of the cell to where it is found, which is never farther; true when it had to. */
static bool
ids_straighten(const struct id_shard *shard, uint32_t place)
{
    struct id_cell *cell = id_cell_at(shard, place);
    struct tp_str id = { cell->bytes, cell->len };
    uint64_t number = atomic_load(&cell->number);
    uint32_t found;

    if (number == 0) {
        return false;
    }
    bool is_found = ids_find(shard, id, cell->hash, &found);

    if (is_found && found == place) {
        return false;
    }
    if (!is_found) {
        id_cell_write(id_cell_at(shard, found), id, cell->hash, number);
    }
    /* Else it stands twice: somebody died while moving it. */
    atomic_store(&cell->number, 0);
    return true;
}

/* The hash is not computed anew: a check does not know the key, and a torn cell has other faults. */
static bool
id_cell_is_sound(const struct id_cell *cell)
{
    return atomic_load(&cell->number) == 0 || (cell->len > 0 && cell->len <= TP_SESSION_ID_MAX);
}

static bool
id_cell_has(const struct id_cell *cell, struct tp_str id, uint64_t hash)
{
    return cell->hash == hash && cell->len == id.len && memcmp(cell->bytes, id.data, id.len) == 0;
}

/* The cell is free while it is written; `id` may lie in another cell. */
static void
id_cell_write(struct id_cell *cell, struct tp_str id, uint64_t hash, uint64_t number)
{
    atomic_store(&cell->number, 0);
    cell->hash = hash;
    cell->len = (uint8_t) id.len;
    memcpy(cell->bytes, id.data, id.len);
    atomic_store(&cell->number, number);
}

static struct id_cell *
id_cell_at(const struct id_shard *shard, uint32_t place)
{
    TP_ASSERT(place < shard->count);
    return tp__zone_get_cell(shard->zone, shard->first + place);
}

/* Where an id of this hash belongs. */
static uint32_t
id_home(const struct id_shard *shard, uint64_t hash)
{
    return (uint32_t) (hash / ID_SHARDS % shard->count);
}

static uint32_t
id_next(const struct id_shard *shard, uint32_t place)
{
    return place + 1 < shard->count ? place + 1 : 0;
}
