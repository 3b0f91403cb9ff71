/*
 * stats.c - finds the places of what is counted by name, and reads them all.
 *
 * Names are only ever added, so each process keeps an index of its own: open addressing by the
 * hash that stands in the name, with those that came since entered before each look.  That no place
 * is to be had is known without the lock, too: nobody gives one back.
 *
 * Runs in: every process of a server.  Owns: the index.
 */
#include "metrics/stats.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum {
    STATS_INDEX_SIZE = 2 * TP_METERS_MAX, /* a power of two */
};

/* The place of what is counted in the zone of counters, and not in that of meters. */
#define STATS_PLACE_COUNTERS UINT32_MAX

_Static_assert((STATS_INDEX_SIZE & (STATS_INDEX_SIZE - 1)) == 0, "the index is masked");

struct stats_visit {
    struct tp_stats *stats;
    tp_stats_visit_fn visit;
    void *owner;
};

static uint32_t *stats_slot_of(struct tp_stats *stats, const struct tp_meter_key *key,
                               uint32_t *place);
static void stats_enter_new(struct tp_stats *stats);
static enum tp_result stats_claim(struct tp_stats *stats, const struct tp_meter_key *key,
                                  uint32_t *place);
static bool stats_has_room_for(const struct tp_stats *stats, const struct tp_meter_key *key,
                               const struct tp_stats_bound *bound);
static void stats_enter_family(struct tp_stats *stats, uint64_t family);
static void stats_visit_counters(const struct stats_visit *visit);
static void stats_visit_named(const struct stats_visit *visit, struct tp_stats_subject *subject);
static bool subject_has_entry(const struct tp_stats_subject *subject,
                              const struct tp_meter_entry *entry);
static uint32_t subject_place(const struct tp_stats_subject *subject, size_t row);
static int slow_compare(const void *left, const void *right);

static const struct tp_meter_row stats_counter_rows[] = {
#define STATS_COUNTER_ROW(NAME, name, kind, unit, sentence) \
    { name, TP_METER_##kind, unit, NULL, sentence },
    TP_COUNTER_TABLE(STATS_COUNTER_ROW)
#undef STATS_COUNTER_ROW
};

enum tp_result
tp__stats_init(struct tp_stats *stats)
{
    stats->index = malloc(STATS_INDEX_SIZE * sizeof(*stats->index));
    if (stats->index == NULL) {
        return TP_NO_MEMORY;
    }
    for (size_t i = 0; i < STATS_INDEX_SIZE; i++) {
        stats->index[i] = UINT32_MAX;
    }
    stats->seen_count = 0;
    stats->full_width = UINT32_MAX;
    stats->loop = tp__stats_find(stats, TP_STATS_LOOP, NULL);
    return TP_OK;
}

void
tp__stats_fini(struct tp_stats *stats)
{
    free(stats->index);
    *stats = (struct tp_stats){ 0 };
}

void *
tp__stats_find(struct tp_stats *stats, enum tp_stats_group group, const struct tp_str *labels)
{
    struct tp_meter_key key;
    uint32_t place;

    tp__meter_key_of_group(&key, tp__stats_group(group), labels);
    stats_enter_new(stats);
    if (*stats_slot_of(stats, &key, &place) == UINT32_MAX
        && stats_claim(stats, &key, &place) != TP_OK) {
        return NULL;
    }
    return tp__meters_place(stats->meters, stats->slot, place);
}

void *
tp__stats_find_foreign(struct tp_stats *stats, enum tp_stats_group group,
                       const struct tp_str *labels)
{
    const struct tp_stats_bound *bound = tp__stats_bound(group);
    struct tp_str others[TP_METER_LABELS_MAX];
    struct tp_meter_key key;
    uint32_t place;

    tp__meter_key_of_group(&key, tp__stats_group(group), labels);
    tp__meter_key_set_foreign(&key, bound->named);
    stats_enter_new(stats);
    /* Workers that claim at the same time may be some more than are allowed: that does no harm. */
    enum tp_result result = *stats_slot_of(stats, &key, &place) != UINT32_MAX ? TP_OK
                            : stats_has_room_for(stats, &key, bound)
                                ? stats_claim(stats, &key, &place)
                                : TP_FULL;

    if (result == TP_OK) {
        return tp__meters_place(stats->meters, stats->slot, place);
    }
    if (result != TP_FULL) {
        return NULL; /* There is room, which could not be had now. */
    }
    for (unsigned i = 0; i < TP_METER_LABELS_MAX; i++) {
        others[i] = i < bound->named ? labels[i] : TP_STR(TP_STATS_OTHER);
    }
    return tp__stats_find(stats, group, others);
}

void
tp__stats_each(struct tp_stats *stats, tp_stats_visit_fn visit, void *owner)
{
    struct stats_visit all = { stats, visit, owner };

    stats_visit_counters(&all);
    for (unsigned i = 0; i < TP_STATS_GROUP_COUNT; i++) {
        const struct tp_meter_group *group = tp__stats_group((enum tp_stats_group) i);
        struct tp_stats_subject subject = {
            .name = group->name,
            .plural = tp__stats_group_plural((enum tp_stats_group) i),
            .label_names = group->labels,
            .sentence = group->sentence,
            .rows = group->rows,
            .row_count = group->row_count,
        };

        stats_visit_named(&all, &subject);
    }
    for (size_t i = 0; i < stats->modules.count; i++) {
        const struct tp_module *module = stats->modules.modules[i];

        for (size_t at = 0; at < module->meter_count; at++) {
            const struct tp_meter_row *row = &module->meters[at];
            struct tp_stats_subject subject = {
                .name = row->name,
                .plural = row->name,
                .label_names = row->label == NULL ? "" : row->label,
                .sentence = row->sentence,
                .rows = row,
                .row_count = 1,
            };

            stats_visit_named(&all, &subject);
        }
    }
}

uint64_t
tp__stats_of_worker(const struct tp_stats *stats, const struct tp_stats_subject *subject,
                    size_t row, unsigned slot)
{
    TP_ASSERT(row < subject->row_count && subject->rows[row].kind != TP_METER_HISTOGRAM);
    if (subject->place == STATS_PLACE_COUNTERS) {
        return tp__counters_read(stats->counters, slot, (enum tp_counter) row);
    }
    return tp__meters_read(stats->meters, slot, subject_place(subject, row));
}

uint64_t
tp__stats_total(const struct tp_stats *stats, const struct tp_stats_subject *subject, size_t row)
{
    bool is_peak = subject->rows[row].kind == TP_METER_PEAK;
    uint64_t total = tp__stats_of_worker(stats, subject, row, TP_SLOT_MASTER);

    for (unsigned slot = 0; slot < tp__stats_slot_count(stats); slot++) {
        uint64_t value = tp__stats_of_worker(stats, subject, row, slot);

        if (!is_peak) {
            total += value;
        } else if (value > total) {
            total = value;
        }
    }
    return total;
}

void
tp__stats_read_histogram(const struct tp_stats *stats, const struct tp_stats_subject *subject,
                         size_t row, struct tp_stats_histogram *histogram)
{
    *histogram = (struct tp_stats_histogram){ 0 };
    for (unsigned slot = 0; slot < tp__stats_slot_count(stats); slot++) {
        tp__stats_add_histogram(stats, subject, row, slot, histogram);
    }
}

void
tp__stats_add_histogram(const struct tp_stats *stats, const struct tp_stats_subject *subject,
                        size_t row, unsigned slot, struct tp_stats_histogram *histogram)
{
    TP_ASSERT(row < subject->row_count && subject->rows[row].kind == TP_METER_HISTOGRAM);
    const struct tp_meter_histogram *counted = (const struct tp_meter_histogram *) tp__meters_place(
        stats->meters, slot, subject_place(subject, row));

    histogram->sum += atomic_load_explicit(&counted->sum, memory_order_relaxed);
    for (unsigned bucket = 0; bucket < TP_METER_BUCKETS; bucket++) {
        uint64_t count = atomic_load_explicit(&counted->buckets[bucket], memory_order_relaxed);

        histogram->buckets[bucket] += count;
        histogram->count += count;
    }
}

uint64_t
tp_stats_percentile(const struct tp_stats_histogram *histogram, double share)
{
    double wanted = (double) histogram->count * share;
    uint64_t seen = 0;

    for (unsigned bucket = 0; bucket < TP_METER_BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen > 0 && (double) seen >= wanted) {
            return tp_meter_bucket_end(bucket);
        }
    }
    return 0;
}

unsigned
tp__stats_slot_count(const struct tp_stats *stats)
{
    return tp__meters_slot_count(stats->meters);
}

bool
tp__stats_read_worker(const struct tp_stats *stats, unsigned slot, int64_t now_ms,
                      struct tp_stats_worker *worker)
{
    struct tp_roster_entry entry;

    tp__roster_read(stats->roster, slot, &entry);
    *worker = (struct tp_stats_worker){
        .slot = slot,
        .pid = entry.pid,
        .state = tp__roster_state_word(entry.state),
        .generation = entry.generation,
        .session_count = entry.session_count,
        .turned_ms_ago = entry.turn_ms == 0 ? -1 : now_ms - entry.turn_ms,
    };
    return entry.state != TP_ROSTER_FREE;
}

size_t
tp__stats_read_slow(const struct tp_stats *stats, struct tp_stats_slow *rows, size_t count_max)
{
    size_t count = 0;

    for (unsigned slot = 0; slot < tp__stats_slot_count(stats); slot++) {
        for (unsigned at = 0; at < TP_STATS_SLOW_MAX; at++) {
            struct tp_stats_slow slow;

            if (!tp__slow_ring_read(stats->slow, slot, at, &slow)) {
                continue;
            }
            if (count < count_max) {
                rows[count++] = slow;
            } else if (slow.duration_us > rows[count - 1].duration_us) {
                rows[count - 1] = slow;
            } else {
                continue;
            }
            qsort(rows, count, sizeof(*rows), slow_compare);
        }
    }
    return count;
}

/* Where the number of the name stands in the index, or would. */
static uint32_t *
stats_slot_of(struct tp_stats *stats, const struct tp_meter_key *key, uint32_t *place)
{
    uint32_t at = (uint32_t) key->hash;

    for (;; at++) {
        uint32_t *slot = &stats->index[at & (STATS_INDEX_SIZE - 1)];

        if (*slot == UINT32_MAX || tp__meters_is_at(stats->meters, *slot, key, place)) {
            return slot;
        }
    }
}

static void
stats_enter_new(struct tp_stats *stats)
{
    uint32_t count = tp__meters_count(stats->meters);

    for (; stats->seen_count < count; stats->seen_count++) {
        uint32_t at = (uint32_t) tp__meters_hash_at(stats->meters, stats->seen_count);

        while (stats->index[at & (STATS_INDEX_SIZE - 1)] != UINT32_MAX) {
            at++;
        }
        stats->index[at & (STATS_INDEX_SIZE - 1)] = stats->seen_count;
        stats_enter_family(stats, tp__meters_family_at(stats->meters, stats->seen_count));
    }
}

/* Who is wider than what there was no room for needs not ask. */
static enum tp_result
stats_claim(struct tp_stats *stats, const struct tp_meter_key *key, uint32_t *place)
{
    if (key->width >= stats->full_width) {
        return TP_FULL;
    }
    enum tp_result result = tp__meters_claim(stats->meters, key, place);

    if (result == TP_FULL) {
        stats->full_width = key->width;
    }
    return result;
}

/* May it have a place, as one of its family?  The last family is none of a server's. */
static bool
stats_has_room_for(const struct tp_stats *stats, const struct tp_meter_key *key,
                   const struct tp_stats_bound *bound)
{
    uint64_t family = tp__meter_key_family(key);

    for (size_t i = 0; i < stats->family_count; i++) {
        if (stats->families[i].family == family) {
            return stats->families[i].count < bound->family_max;
        }
    }
    return stats->family_count < TP_STATS_FAMILIES_MAX - (bound->named > 0 ? 1 : 0);
}

static void
stats_enter_family(struct tp_stats *stats, uint64_t family)
{
    size_t at = 0;

    if (family == TP_METER_NO_FAMILY) {
        return;
    }
    while (at < stats->family_count && stats->families[at].family != family) {
        at++;
    }
    if (at == TP_STATS_FAMILIES_MAX) {
        return; /* Two workers have claimed for the last one at the same time. */
    }
    if (at == stats->family_count) {
        stats->families[stats->family_count++].family = family;
    }
    stats->families[at].count++;
}

/* What there is one of: the server, with a value of each worker. */
static void
stats_visit_counters(const struct stats_visit *visit)
{
    const struct tp_stats_subject subject = {
        .name = "server",
        .plural = "totals",
        .label_names = "",
        .sentence = "The server as a whole, and each worker.",
        .rows = stats_counter_rows,
        .row_count = TP_COUNT_OF(stats_counter_rows),
        .place = STATS_PLACE_COUNTERS,
    };

    visit->visit(&subject, visit->owner);
}

/* All that have the name and the width of `subject`, one after the other. */
static void
stats_visit_named(const struct stats_visit *visit, struct tp_stats_subject *subject)
{
    const struct tp_meters *meters = visit->stats->meters;
    uint32_t count = tp__meters_count(meters);

    for (uint32_t index = 0; index < count; index++) {
        struct tp_meter_entry entry;

        tp__meters_read_entry(meters, index, &entry);
        if (!subject_has_entry(subject, &entry)) {
            continue;
        }
        memcpy(subject->labels, entry.labels, sizeof(subject->labels));
        subject->label_count = entry.label_count;
        subject->place = entry.place;
        visit->visit(subject, visit->owner);
    }
}

/* One of another version of the server has another width. */
static bool
subject_has_entry(const struct tp_stats_subject *subject, const struct tp_meter_entry *entry)
{
    uint32_t width = 0;

    for (size_t i = 0; i < subject->row_count; i++) {
        width += tp__meter_row_width(&subject->rows[i]);
    }
    return width == entry->width && strlen(subject->name) == entry->name.len
           && memcmp(subject->name, entry->name.data, entry->name.len) == 0;
}

static uint32_t
subject_place(const struct tp_stats_subject *subject, size_t row)
{
    uint32_t place = subject->place;

    for (size_t i = 0; i < row; i++) {
        place += tp__meter_row_width(&subject->rows[i]);
    }
    return place;
}

/* The longest first. */
static int
slow_compare(const void *left, const void *right)
{
    const struct tp_stats_slow *left_slow = left;
    const struct tp_stats_slow *right_slow = right;

    return left_slow->duration_us < right_slow->duration_us   ? 1
           : left_slow->duration_us > right_slow->duration_us ? -1
                                                              : 0;
}
