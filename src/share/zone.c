/*
 * zone.c - making, mapping, locking and taking over zones.
 *
 * In memory: the header, the shards' locks, the cells, each beginning on a cache
 * line.  A shard whose owner died is marked in the shard itself until it was
 * checked, because it may be somebody who cannot check it that meets the dead
 * owner's lock: a new binary that copies a zone of another layout.
 *
 * Runs in: the master, which makes and keeps zones, and the workers, which use
 * them.  Owns: the mappings.  Read next: lease.c, for a user with locks.
 */
#include "share/zone.h"

#include "os/file.h"
#include "os/memfd.h"
#include "os/mutex.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    ZONE_MAGIC = 0x7a6f6e65,
    ZONE_LINE_BYTES = TP_ZONE_CELL_ALIGN,
    ZONE_SHARDS_MAX = 4096,
};

#define ZONE_FORMAT \
    UINT64_C(0x544550454e4f5a01) /* its last byte counts changes of this file's form */
#define ZONE_BYTES_MAX (UINT64_C(64) << 30)

struct zone_header {
    _Alignas(ZONE_LINE_BYTES) uint64_t format;
    uint32_t version;
    uint32_t cell_size;
    uint32_t cell_count;
    uint32_t shard_count;
    char name[TP_ZONE_NAME_MAX + 1];
    _Alignas(ZONE_LINE_BYTES) _Atomic uint64_t repair_count;
};

struct zone_shard {
    struct tp_shared_mutex mutex;
    _Alignas(ZONE_LINE_BYTES) uint32_t needs_check; /* 0 or not; under the lock */
};

_Static_assert(sizeof(struct zone_header) == 2 * ZONE_LINE_BYTES, "the header fills two lines");
_Static_assert(sizeof(struct zone_shard) == 2 * ZONE_LINE_BYTES, "a shard fills two lines");

static struct zone_header zone_describe(const struct tp_zone_layout *layout, uint32_t cell_count);
static uint64_t zone_bytes(const struct zone_header *header);
static enum tp_result zone_format(const struct zone_header *header, void *base);
static enum tp_result zone_map(struct tp_zone *zone, const struct tp_zone_layout *layout, int fd);
static bool zone_header_is_sound(const struct zone_header *header, const char *name, size_t size);
static bool zone_has_layout(const struct tp_zone *zone);
static enum tp_result zone_renew(struct tp_zone *old, int *fd, enum tp_zone_outcome *outcome);
static enum tp_result zone_copy(struct tp_zone *from, int fd);
static enum tp_result zone_lock_all(struct tp_zone *zone);
static void zone_unlock_first(struct tp_zone *zone, uint32_t shard_count);
static enum tp_result zone_lock_shard(struct tp_zone *zone, uint32_t shard);
static void zone_check_shard(struct tp_zone *zone, uint32_t shard);
static struct zone_shard *zone_get_shard(const struct tp_zone *zone, uint32_t shard);
static struct zone_header *zone_get_header(const struct tp_zone *zone);
static uint32_t zone_cells_per_shard(const struct tp_zone *zone);

const char *
tp__zone_outcome_word(enum tp_zone_outcome outcome)
{
    switch (outcome) {
#define ZONE_OUTCOME_WORD_ROW(name, word, sentence) \
    case TP_ZONE_##name:                            \
        return word;
        TP_ZONE_OUTCOME_TABLE(ZONE_OUTCOME_WORD_ROW)
#undef ZONE_OUTCOME_WORD_ROW
    }
    return "unknown";
}

enum tp_result
tp__zone_create(const struct tp_zone_layout *layout, int *fd)
{
    return tp__zone_create_sized(layout, layout->cell_count, fd);
}

enum tp_result
tp__zone_create_sized(const struct tp_zone_layout *layout, uint32_t cell_count, int *fd)
{
    struct zone_header header = zone_describe(layout, cell_count);
    uint64_t size = zone_bytes(&header);
    void *base;

    *fd = -1;
    if (size > ZONE_BYTES_MAX) {
        return TP_TOO_LARGE;
    }
    enum tp_result result = tp__memfd_create(layout->name, (size_t) size, fd);

    if (result != TP_OK) {
        return result;
    }
    result = tp__memfd_map(*fd, (size_t) size, &base);
    if (result == TP_OK) {
        result = zone_format(&header, base);
        tp__memfd_unmap(base, (size_t) size);
    }
    if (result != TP_OK) {
        tp__descriptor_close(fd);
    }
    return result;
}

enum tp_result
tp__zone_open(struct tp_zone *zone, const struct tp_zone_layout *layout, int fd)
{
    enum tp_result result = zone_map(zone, layout, fd);

    if (result == TP_OK && !zone_has_layout(zone)) {
        tp__zone_close(zone);
        return TP_MISMATCH;
    }
    return result;
}

void
tp__zone_close(struct tp_zone *zone)
{
    TP_ASSERT(zone->magic == ZONE_MAGIC);
    tp__memfd_unmap(zone->base, zone->size);
    *zone = (struct tp_zone){ 0 };
}

enum tp_result
tp__zone_adopt(int old_fd, const struct tp_zone_layout *layout, int *fd,
               enum tp_zone_outcome *outcome)
{
    struct tp_zone old;

    *fd = -1;
    *outcome = TP_ZONE_CREATED;
    if (old_fd == -1) {
        return tp__zone_create(layout, fd);
    }
    enum tp_result result = zone_map(&old, layout, old_fd);

    if (result == TP_MISMATCH) {
        *outcome = TP_ZONE_ANEW;
        return tp__zone_create(layout, fd);
    }
    if (result != TP_OK) {
        return result;
    }
    if (zone_has_layout(&old)) {
        *outcome = TP_ZONE_CARRIED_ON;
        result = tp__descriptor_duplicate(old_fd, fd);
    } else {
        result = zone_renew(&old, fd, outcome);
    }
    tp__zone_close(&old);
    return result;
}

enum tp_result
tp__zone_lock(struct tp_zone *zone, uint32_t shard)
{
    enum tp_result result = zone_lock_shard(zone, shard);

    if (result == TP_OK && zone_get_shard(zone, shard)->needs_check != 0) {
        zone_check_shard(zone, shard);
    }
    return result;
}

void
tp__zone_unlock(struct tp_zone *zone, uint32_t shard)
{
    tp__shared_mutex_unlock(&zone_get_shard(zone, shard)->mutex);
}

void *
tp__zone_get_cell(const struct tp_zone *zone, uint32_t index)
{
    TP_ASSERT(zone->magic == ZONE_MAGIC && index < zone->cell_count);
    return zone->cells + (size_t) index * zone->cell_size;
}

uint32_t
tp__zone_shard_of(const struct tp_zone *zone, uint32_t index)
{
    TP_ASSERT(zone->magic == ZONE_MAGIC && zone->shard_count > 0 && index < zone->cell_count);
    return index / zone_cells_per_shard(zone);
}

void
tp__zone_shard_range(const struct tp_zone *zone, uint32_t shard, uint32_t *first, uint32_t *count)
{
    uint32_t per_shard = zone_cells_per_shard(zone);
    uint64_t begin = (uint64_t) shard * per_shard;

    TP_ASSERT(zone->magic == ZONE_MAGIC && shard < zone->shard_count);
    /* Rounding up may leave the last shards without cells. */
    if (begin > zone->cell_count) {
        begin = zone->cell_count;
    }
    *first = (uint32_t) begin;
    *count = zone->cell_count - *first < per_shard ? zone->cell_count - *first : per_shard;
}

uint64_t
tp__zone_repair_count(const struct tp_zone *zone)
{
    return atomic_load_explicit(&zone_get_header(zone)->repair_count, memory_order_relaxed);
}

/* The header that a zone of `layout` with so many cells has. */
static struct zone_header
zone_describe(const struct tp_zone_layout *layout, uint32_t cell_count)
{
    TP_ASSERT(strlen(layout->name) <= TP_ZONE_NAME_MAX);
    TP_ASSERT(layout->cell_size > 0 && layout->cell_size <= UINT32_MAX - ZONE_LINE_BYTES);
    TP_ASSERT(cell_count > 0 && layout->shard_count <= ZONE_SHARDS_MAX);
    TP_ASSERT(layout->cell_count == 0 || layout->cell_count == cell_count);
    TP_ASSERT(layout->shard_count == 0 || layout->check != NULL);

    struct zone_header header = {
        .format = ZONE_FORMAT,
        .version = layout->version,
        .cell_size = (layout->cell_size + ZONE_LINE_BYTES - 1) / ZONE_LINE_BYTES * ZONE_LINE_BYTES,
        .cell_count = cell_count,
        .shard_count = layout->shard_count,
    };

    snprintf(header.name, sizeof(header.name), "%s", layout->name);
    return header;
}

static uint64_t
zone_bytes(const struct zone_header *header)
{
    return sizeof(struct zone_header) + header->shard_count * sizeof(struct zone_shard)
           + (uint64_t) header->cell_size * header->cell_count;
}

/* Writes header and locks into fresh, zeroed memory. */
static enum tp_result
zone_format(const struct zone_header *header, void *base)
{
    struct zone_shard *shards = (void *) ((unsigned char *) base + sizeof(*header));

    for (uint32_t i = 0; i < header->shard_count; i++) {
        enum tp_result result = tp__shared_mutex_init(&shards[i].mutex);

        if (result != TP_OK) {
            return result;
        }
    }
    memcpy(base, header, sizeof(*header));
    return TP_OK;
}

/* Maps a zone of the layout's name, whatever its version and sizes.  TP_MISMATCH: it is none. */
static enum tp_result
zone_map(struct tp_zone *zone, const struct tp_zone_layout *layout, int fd)
{
    size_t size;
    void *base;
    struct zone_header header;
    enum tp_result result = tp__memfd_size(fd, &size);

    if (result != TP_OK) {
        return result;
    }
    if (size < sizeof(header)) {
        return TP_MISMATCH;
    }
    result = tp__memfd_map(fd, size, &base);
    if (result != TP_OK) {
        /* Memory that nobody may write is no zone. */
        return result == TP_DENIED ? TP_MISMATCH : result;
    }
    /* Looked at in a copy: others can write to what is mapped. */
    memcpy(&header, base, sizeof(header));
    if (!zone_header_is_sound(&header, layout->name, size)) {
        tp__memfd_unmap(base, size);
        return TP_MISMATCH;
    }
    *zone = (struct tp_zone){
        .magic = ZONE_MAGIC,
        .version = header.version,
        .cell_size = header.cell_size,
        .cell_count = header.cell_count,
        .shard_count = header.shard_count,
        .layout = layout,
        .base = base,
        .size = size,
        .cells = (unsigned char *) base + sizeof(header)
                 + header.shard_count * sizeof(struct zone_shard),
    };
    return TP_OK;
}

static bool
zone_header_is_sound(const struct zone_header *header, const char *name, size_t size)
{
    return header->format == ZONE_FORMAT && header->name[TP_ZONE_NAME_MAX] == '\0'
           && strcmp(header->name, name) == 0 && header->cell_count > 0 && header->cell_size > 0
           && header->cell_size % ZONE_LINE_BYTES == 0 && header->shard_count <= ZONE_SHARDS_MAX
           && zone_bytes(header) == size;
}

static bool
zone_has_layout(const struct tp_zone *zone)
{
    uint32_t cell_count = zone->layout->cell_count;
    struct zone_header header =
        zone_describe(zone->layout, cell_count > 0 ? cell_count : zone->cell_count);

    return zone->version == header.version && zone->cell_size == header.cell_size
           && zone->cell_count == header.cell_count && zone->shard_count == header.shard_count;
}

/* Makes a zone of the layout that goes on where `old`, of another layout, stands. */
static enum tp_result
zone_renew(struct tp_zone *old, int *fd, enum tp_zone_outcome *outcome)
{
    const struct tp_zone_layout *layout = old->layout;
    enum tp_result result = tp__zone_create(layout, fd);

    *outcome = TP_ZONE_ANEW;
    if (result != TP_OK || layout->copy == NULL) {
        return result;
    }
    result = zone_copy(old, *fd);
    if (result == TP_OK) {
        *outcome = TP_ZONE_COPIED;
        return TP_OK;
    }
    tp__descriptor_close(fd);
    /* What an attempt left behind must not be taken for content. */
    return result == TP_MISMATCH ? tp__zone_create(layout, fd) : result;
}

/* Lets the layout copy `from` into the fresh zone behind `fd`. */
static enum tp_result
zone_copy(struct tp_zone *from, int fd)
{
    struct tp_zone to;
    enum tp_result result = tp__zone_open(&to, from->layout, fd);

    if (result != TP_OK) {
        return result;
    }
    result = zone_lock_all(from);
    if (result == TP_OK) {
        result = from->layout->copy(from, &to);
        zone_unlock_first(from, from->shard_count);
    }
    tp__zone_close(&to);
    return result;
}

static enum tp_result
zone_lock_all(struct tp_zone *zone)
{
    for (uint32_t shard = 0; shard < zone->shard_count; shard++) {
        enum tp_result result = zone_lock_shard(zone, shard);

        if (result != TP_OK) {
            zone_unlock_first(zone, shard);
            return result;
        }
    }
    return TP_OK;
}

static void
zone_unlock_first(struct tp_zone *zone, uint32_t shard_count)
{
    for (uint32_t shard = 0; shard < shard_count; shard++) {
        tp__zone_unlock(zone, shard);
    }
}

/* Locks, and remembers a dead owner in the shard. */
static enum tp_result
zone_lock_shard(struct tp_zone *zone, uint32_t shard)
{
    struct zone_shard *locked = zone_get_shard(zone, shard);
    enum tp_result result = tp__shared_mutex_lock(&locked->mutex, TP_ZONE_LOCK_WAIT_MAX_MS);

    if (result != TP_OWNER_DIED) {
        return result;
    }
    /* In this order: who dies between the two leaves a lock that tells of a death again. */
    locked->needs_check = 1;
    tp__shared_mutex_repaired(&locked->mutex);
    return TP_OK;
}

static void
zone_check_shard(struct tp_zone *zone, uint32_t shard)
{
    uint32_t first;
    uint32_t count;

    tp__zone_shard_range(zone, shard, &first, &count);
    zone->layout->check(zone, first, count);
    zone_get_shard(zone, shard)->needs_check = 0;
    atomic_fetch_add_explicit(&zone_get_header(zone)->repair_count, 1, memory_order_relaxed);
}

static struct zone_shard *
zone_get_shard(const struct tp_zone *zone, uint32_t shard)
{
    TP_ASSERT(zone->magic == ZONE_MAGIC && shard < zone->shard_count);
    return (struct zone_shard *) (void *) (zone->base + sizeof(struct zone_header)) + shard;
}

static struct zone_header *
zone_get_header(const struct tp_zone *zone)
{
    TP_ASSERT(zone->magic == ZONE_MAGIC);
    return (struct zone_header *) (void *) zone->base;
}

static uint32_t
zone_cells_per_shard(const struct tp_zone *zone)
{
    return (zone->cell_count + zone->shard_count - 1) / zone->shard_count;
}
