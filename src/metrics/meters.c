/*
 * meters.c - the zones of what is counted by name.
 *
 * The first cell of names is their head; each other is written once, under the lock, and
 * published by the count in the head: so readers need no lock.  A cell of values is one process'
 * block, on cache lines of its own; pages of it that nobody counts in take no memory.
 *
 * Runs in: every process of a server.  Owns: its mappings.  Read next: stats.h, cycle/cycle_meters.c.
 */
#include "metrics/meters.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/str.h"
#include "base/utf8.h"

#include <string.h>

enum {
    METERS_LAYOUT_VERSION = 2,
    METERS_GAUGES_MAX = 64, /* values at the beginning of a group that may be gauges */
};

struct meters_head {
    _Atomic uint32_t count;
    _Atomic uint32_t value_count;
    _Atomic uint32_t slot_count;
    _Atomic int64_t begun_ms;
};

struct meter_name {
    uint64_t hash;
    uint64_t gauges;
    uint32_t place;
    uint32_t width;
    uint32_t label_len;
    char name[TP_METER_NAME_MAX + 1];
    char labels[TP_METER_LABELS_BYTES + 1];
    uint8_t foreign_from; /* where older servers of this version have padding, and zeros */
};

_Static_assert(sizeof(struct meters_head) <= sizeof(struct meter_name), "it has a cell of names");

static void meters_check(struct tp_zone *zone, uint32_t first, uint32_t count);
static struct meters_head *meters_get_head(const struct tp_meters *meters);
static struct meter_name *meter_name_at(const struct tp_meters *meters, uint32_t index);
static enum tp_result meters_add(const struct tp_meters *meters, const struct tp_meter_key *key,
                                 uint32_t *place);
static void key_set_name(struct tp_meter_key *key, const char *name);
static size_t label_len(struct tp_str label);
static void key_add_label(struct tp_meter_key *key, struct tp_str label);
static void key_add_width(struct tp_meter_key *key, const struct tp_meter_row *row);
static void key_finish(struct tp_meter_key *key);
static uint64_t family_of(const char *name, struct tp_str labels, unsigned foreign_from);

const struct tp_zone_layout tp__meter_names_layout = {
    .name = "meter names",
    .version = METERS_LAYOUT_VERSION,
    .cell_size = sizeof(struct meter_name),
    .cell_count = TP_METERS_MAX + 1,
    .shard_count = 1,
    .check = meters_check,
};

const struct tp_zone_layout tp__meter_values_layout = {
    .name = "meter values",
    .version = METERS_LAYOUT_VERSION,
    .cell_size = TP_METER_VALUES_MAX * sizeof(tp_meter_value),
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

void
tp__meter_key_of_row(struct tp_meter_key *key, const struct tp_meter_row *row, struct tp_str label)
{
    key_set_name(key, row->name);
    if (row->label != NULL) {
        key_add_label(key, label);
    }
    key_add_width(key, row);
    key_finish(key);
}

void
tp__meter_key_of_group(struct tp_meter_key *key, const struct tp_meter_group *group,
                       const struct tp_str *labels)
{
    key_set_name(key, group->name);
    for (const char *name = group->labels; *name != '\0'; labels++) {
        key_add_label(key, *labels);
        name += strcspn(name, " ");
        name += strspn(name, " ");
    }
    for (size_t i = 0; i < group->row_count; i++) {
        key_add_width(key, &group->rows[i]);
    }
    key_finish(key);
}

void
tp__meter_key_set_foreign(struct tp_meter_key *key, unsigned named)
{
    TP_ASSERT(named < TP_METER_LABELS_MAX);
    key->foreign_from = (uint8_t) (named + 1);
}

uint64_t
tp__meter_key_family(const struct tp_meter_key *key)
{
    return family_of(key->name, (struct tp_str){ key->labels, key->label_len }, key->foreign_from);
}

uint64_t
tp__meters_family_at(const struct tp_meters *meters, uint32_t index)
{
    const struct meter_name *name = meter_name_at(meters, index);

    return family_of(name->name, (struct tp_str){ name->labels, name->label_len },
                     name->foreign_from);
}

enum tp_result
tp__meters_find(const struct tp_meters *meters, const struct tp_meter_key *key, uint32_t *place)
{
    uint32_t count = tp__meters_count(meters);

    for (uint32_t index = 0; index < count; index++) {
        if (tp__meters_is_at(meters, index, key, place)) {
            return TP_OK;
        }
    }
    return TP_NOT_FOUND;
}

enum tp_result
tp__meters_claim(struct tp_meters *meters, const struct tp_meter_key *key, uint32_t *place)
{
    enum tp_result result = tp__zone_lock(&meters->names, 0);

    if (result != TP_OK) {
        return result;
    }
    result = tp__meters_find(meters, key, place);
    if (result == TP_NOT_FOUND) {
        result = meters_add(meters, key, place);
    }
    tp__zone_unlock(&meters->names, 0);
    return result;
}

uint32_t
tp__meters_count(const struct tp_meters *meters)
{
    return atomic_load_explicit(&meters_get_head(meters)->count, memory_order_acquire);
}

void
tp__meters_read_entry(const struct tp_meters *meters, uint32_t index, struct tp_meter_entry *entry)
{
    const struct meter_name *name = meter_name_at(meters, index);
    const char *label = name->labels;
    const char *end = name->labels + name->label_len;

    *entry = (struct tp_meter_entry){
        .name = { name->name, strlen(name->name) },
        .width = name->width,
        .place = name->place,
    };
    while (label != end && entry->label_count < TP_METER_LABELS_MAX) {
        const char *label_end = memchr(label, TP_METER_LABEL_END, (size_t) (end - label));

        TP_ASSERT(label_end != NULL);
        entry->labels[entry->label_count++] =
            (struct tp_str){ label, (size_t) (label_end - label) };
        label = label_end + 1;
    }
}

bool
tp__meters_is_at(const struct tp_meters *meters, uint32_t index, const struct tp_meter_key *key,
                 uint32_t *place)
{
    const struct meter_name *name = meter_name_at(meters, index);

    *place = name->place;
    return name->hash == key->hash && name->width == key->width && name->label_len == key->label_len
           && strcmp(name->name, key->name) == 0
           && memcmp(name->labels, key->labels, key->label_len) == 0;
}

uint64_t
tp__meters_hash_at(const struct tp_meters *meters, uint32_t index)
{
    return meter_name_at(meters, index)->hash;
}

/* Workers begin one after the other, and what one has not seen of another's it raises again. */
void
tp__meters_use_slot(const struct tp_meters *meters, unsigned slot)
{
    struct meters_head *head = meters_get_head(meters);
    uint32_t seen = atomic_load_explicit(&head->slot_count, memory_order_relaxed);
    int64_t not_yet = 0;

    atomic_compare_exchange_strong(&head->begun_ms, &not_yet, tp__clock_monotonic_ms());
    while (slot < TP_WORKER_SLOTS_MAX && slot >= seen) {
        if (atomic_compare_exchange_weak(&head->slot_count, &seen, slot + 1)) {
            return;
        }
    }
}

int64_t
tp__meters_begun_ms(const struct tp_meters *meters)
{
    return atomic_load_explicit(&meters_get_head(meters)->begun_ms, memory_order_relaxed);
}

unsigned
tp__meters_slot_count(const struct tp_meters *meters)
{
    return atomic_load_explicit(&meters_get_head(meters)->slot_count, memory_order_relaxed);
}

tp_meter_value *
tp__meters_place(const struct tp_meters *meters, unsigned slot, uint32_t place)
{
    tp_meter_value *block = tp__zone_get_cell(&meters->values, slot);

    TP_ASSERT(place < TP_METER_VALUES_MAX);
    return &block[place];
}

uint64_t
tp__meters_read(const struct tp_meters *meters, unsigned slot, uint32_t place)
{
    return atomic_load_explicit(tp__meters_place(meters, slot, place), memory_order_relaxed);
}

uint64_t
tp__meters_total(const struct tp_meters *meters, uint32_t place)
{
    uint64_t total = tp__meters_read(meters, TP_SLOT_MASTER, place);

    for (unsigned slot = 0; slot < tp__meters_slot_count(meters); slot++) {
        total += tp__meters_read(meters, slot, place);
    }
    return total;
}

void
tp__meters_clear_gauges(const struct tp_meters *meters, unsigned slot)
{
    uint32_t count = tp__meters_count(meters);

    for (uint32_t index = 0; index < count; index++) {
        const struct meter_name *name = meter_name_at(meters, index);

        for (uint32_t i = 0; i < METERS_GAUGES_MAX && name->gauges >> i != 0; i++) {
            if ((name->gauges >> i & 1) != 0) {
                atomic_store_explicit(tp__meters_place(meters, slot, name->place + i), 0,
                                      memory_order_relaxed);
            }
        }
    }
}

/* What was being added when a process died is not counted yet: the next one writes over it. */
static void
meters_check(struct tp_zone *zone, uint32_t first, uint32_t count)
{
    (void) zone;
    (void) first;
    (void) count;
}

static struct meters_head *
meters_get_head(const struct tp_meters *meters)
{
    return tp__zone_get_cell(&meters->names, 0);
}

static struct meter_name *
meter_name_at(const struct tp_meters *meters, uint32_t index)
{
    return tp__zone_get_cell(&meters->names, index + 1);
}

static enum tp_result
meters_add(const struct tp_meters *meters, const struct tp_meter_key *key, uint32_t *place)
{
    struct meters_head *head = meters_get_head(meters);
    uint32_t index = atomic_load_explicit(&head->count, memory_order_relaxed);

    *place = atomic_load_explicit(&head->value_count, memory_order_relaxed);
    if (index == TP_METERS_MAX || key->width > TP_METER_VALUES_MAX - *place) {
        return TP_FULL;
    }
    struct meter_name *name = meter_name_at(meters, index);

    name->hash = key->hash;
    name->gauges = key->gauges;
    name->place = *place;
    name->width = key->width;
    name->label_len = (uint32_t) key->label_len;
    name->foreign_from = key->foreign_from;
    memcpy(name->name, key->name, sizeof(name->name));
    memcpy(name->labels, key->labels, sizeof(name->labels));
    atomic_store_explicit(&head->value_count, *place + key->width, memory_order_relaxed);
    atomic_store_explicit(&head->count, index + 1, memory_order_release);
    return TP_OK;
}

static void
key_set_name(struct tp_meter_key *key, const char *name)
{
    size_t len = strlen(name);

    TP_ASSERT(len <= TP_METER_NAME_MAX);
    *key = (struct tp_meter_key){ 0 };
    memcpy(key->name, name, len);
}

/* Of a label that is too long so many bytes count: whole characters. */
static size_t
label_len(struct tp_str label)
{
    size_t len = 0;

    if (label.len <= TP_METER_LABEL_MAX) {
        return label.len;
    }
    for (size_t next = 0; next <= TP_METER_LABEL_MAX;) {
        len = next;
        next += tp__utf8_read(tp__str_skip(label, next)).len;
    }
    return len;
}

static void
key_add_label(struct tp_meter_key *key, struct tp_str label)
{
    size_t len = label_len(label);

    TP_ASSERT(key->label_len + len < TP_METER_LABELS_BYTES);
    for (size_t i = 0; i < len; i++) {
        char character = label.data[i];

        key->labels[key->label_len++] = character == TP_METER_LABEL_END ? '?' : character;
    }
    key->labels[key->label_len++] = TP_METER_LABEL_END;
}

static void
key_add_width(struct tp_meter_key *key, const struct tp_meter_row *row)
{
    bool is_cleared = row->kind == TP_METER_GAUGE || row->kind == TP_METER_PEAK;

    TP_ASSERT(!is_cleared || key->width < METERS_GAUGES_MAX);
    if (is_cleared) {
        key->gauges |= UINT64_C(1) << key->width;
    }
    key->width += tp__meter_row_width(row);
}

static void
key_finish(struct tp_meter_key *key)
{
    uint64_t hash = tp__hash_extend_bytes(TP_HASH_NONE, key->name, strlen(key->name) + 1);

    key->hash = tp__hash_extend_bytes(hash, key->labels, key->label_len);
}

/* Of the name, and the labels before the first foreign one; each has its end behind it. */
static uint64_t
family_of(const char *name, struct tp_str labels, unsigned foreign_from)
{
    size_t len = 0;

    if (foreign_from == 0) {
        return TP_METER_NO_FAMILY;
    }
    for (unsigned i = 1; i < foreign_from && len < labels.len; i++) {
        const char *end = memchr(labels.data + len, TP_METER_LABEL_END, labels.len - len);

        len = end == NULL ? labels.len : (size_t) (end - labels.data) + 1;
    }
    uint64_t hash = tp__hash_extend_bytes(TP_HASH_NONE, name, strlen(name) + 1);

    hash = tp__hash_extend_bytes(hash, labels.data, len);
    return hash == TP_METER_NO_FAMILY ? hash + 1 : hash;
}
