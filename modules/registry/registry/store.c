/*
 * store.c - members and their changes in tables that all workers share.
 *
 * Members are found by the hash of their names, since a table's keys are short; who asks compares
 * the names.  The last changes lie in a ring: the place of a change is its revision's rest.  No
 * two entries are held at a time, as tables want it, so a change may be counted and not be there
 * yet; it comes soon, or its worker has died, and then everything is read again.
 *
 * Runs in: worker.  Owns: nothing.  Read next: view.c.
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#define REVISION_KEY TP_STR("revision")
#define WORKERS_KEY  TP_STR("workers")

enum {
    GATHER_ROOM_FIRST = 64 * 1024,
};

/* What is known of workers, by slot. */
struct registry_workers {
    struct {
        uint64_t revision;
        int64_t seen_ms; /* 0: there is none */
    } slots[REGISTRY_SLOTS];
};

/* Copies one behind the other, and how much there would be. */
struct gathering {
    char *bytes;
    size_t room;
    size_t len;
    size_t count;
};

static enum tp_result store_find(const struct registry_tables *tables,
                                 const struct registry_entry *member, registry_test_fn test,
                                 void *owner, struct registry_entry **found);
static enum tp_result store_append(const struct registry_tables *tables,
                                   enum registry_change_kind kind,
                                   const struct registry_entry *entry, int64_t now_ms);
static bool store_gather(struct tp_str key, void *value, void *owner);
static enum tp_result gathering_spread(const struct gathering *gathering,
                                       struct registry_entry ***entries, size_t *count);
static struct tp_str id_key(const uint64_t *id);
static struct tp_str change_key(const uint32_t *place);

const struct tp_table_layout registry_members_layout = {
    .version = 1,
    .value_size = sizeof(struct registry_entry),
};

const struct tp_table_layout registry_changes_layout = {
    .version = 1,
    .value_size = sizeof(struct registry_change),
};

const struct tp_table_layout registry_workers_layout = {
    .version = 1,
    .value_size = sizeof(struct registry_workers),
};

_Static_assert(sizeof(struct registry_entry) <= TP_TABLE_VALUE_MAX, "a member fits a table");
_Static_assert(sizeof(struct registry_workers) <= TP_TABLE_VALUE_MAX, "so do all workers");

const char *
registry_change_word(int32_t kind)
{
    switch ((enum registry_change_kind) kind) {
#define REGISTRY_CHANGE_WORD_ROW(name, word) \
    case REGISTRY_##name:                    \
        return word;
        REGISTRY_CHANGE_TABLE(REGISTRY_CHANGE_WORD_ROW)
#undef REGISTRY_CHANGE_WORD_ROW
    }
    return "unknown";
}

enum tp_result
registry_store_put(const struct registry_tables *tables, const struct registry_entry *entry,
                   int64_t now_ms)
{
    struct registry_entry *there;
    void *value;
    enum tp_result result = tp_table_enter(tables->members, id_key(&entry->id), now_ms, &value);

    if (result != TP_OK) {
        return result;
    }
    there = value;
    bool is_new = !registry_entry_is_sound(there);
    bool is_over = !is_new && there->expires_ms != 0 && there->expires_ms <= now_ms;
    bool is_same =
        !is_new
        && registry_entry_is(there, registry_entry_service(entry), registry_entry_key(entry));
    /* An address that says here, too, where it is has come over from another server. */
    bool comes_over = there->is_foreign && !there->is_via && !entry->is_foreign;
    bool is_theirs = there->session == entry->session || comes_over
                     || (there->owner == entry->owner && there->owner != 0)
                     || (there->owner == 0 && entry->owner == 0);

    if (!is_new && (!is_same || (!is_theirs && !is_over))) {
        tp_table_leave(tables->members, &value);
        return TP_DENIED;
    }
    int64_t since_ms = is_new || is_over ? entry->since_ms : there->since_ms;

    memcpy(there, entry, registry_entry_size(entry));
    there->since_ms = since_ms;
    tp_table_leave(tables->members, &value);
    return store_append(tables, is_new ? REGISTRY_JOINED : REGISTRY_CHANGED, entry, now_ms);
}

enum tp_result
registry_store_remove(const struct registry_tables *tables, const struct registry_entry *member,
                      enum registry_change_kind kind, registry_test_fn test, void *owner,
                      int64_t now_ms)
{
    struct registry_entry *there;
    enum tp_result result = store_find(tables, member, test, owner, &there);
    void *value = there;

    if (result != TP_OK) {
        return result;
    }
    tp_table_remove(tables->members, &value);
    return store_append(tables, kind, member, now_ms);
}

enum tp_result
registry_store_drain(const struct registry_tables *tables, const struct registry_entry *member,
                     registry_test_fn test, void *owner, int64_t now_ms)
{
    struct registry_entry *there;
    enum tp_result result = store_find(tables, member, test, owner, &there);
    void *value = there;

    if (result != TP_OK) {
        return result;
    }
    bool was_draining = there->is_draining;

    there->is_draining = true;
    there->stamp = member->stamp;
    tp_table_leave(tables->members, &value);
    return was_draining ? TP_OK : store_append(tables, REGISTRY_DRAINING, member, now_ms);
}

enum tp_result
registry_store_renew(const struct registry_tables *tables, const struct registry_entry *member,
                     int64_t from_ms, registry_test_fn test, void *owner, int64_t *ttl_ms)
{
    struct registry_entry *there;
    enum tp_result result = store_find(tables, member, test, owner, &there);
    void *value = there;

    if (result != TP_OK) {
        return result;
    }
    *ttl_ms = there->ttl_ms;
    if (there->expires_ms != 0 && from_ms + there->ttl_ms > there->expires_ms
        && !there->is_draining) {
        there->expires_ms = from_ms + there->ttl_ms;
    }
    tp_table_leave(tables->members, &value);
    return TP_OK;
}

enum tp_result
registry_store_get(const struct registry_tables *tables, uint64_t id, struct registry_entry *entry)
{
    void *value;
    enum tp_result result = tp_table_find(tables->members, id_key(&id), &value);

    if (result != TP_OK) {
        return result;
    }
    bool is_sound = registry_entry_is_sound(value);

    if (is_sound) {
        memcpy(entry, value, registry_entry_size(value));
    }
    tp_table_leave(tables->members, &value);
    return is_sound ? TP_OK : TP_NOT_FOUND;
}

/* Nothing is allocated under the lock: what there was no room for is asked for again. */
enum tp_result
registry_store_get_all(const struct registry_tables *tables, struct registry_entry ***entries,
                       size_t *count)
{
    struct gathering gathering = { .room = GATHER_ROOM_FIRST };
    enum tp_result result = TP_TOO_LARGE;

    *entries = NULL;
    *count = 0;
    while (result == TP_TOO_LARGE) {
        gathering.bytes = malloc(gathering.room);
        gathering.len = 0;
        gathering.count = 0;
        if (gathering.bytes == NULL) {
            return TP_NO_MEMORY;
        }
        result = tp_table_count(tables->members) == 0
                     ? TP_OK
                     : tp_table_each(tables->members, store_gather, &gathering);
        if (result == TP_OK && gathering.len <= gathering.room) {
            result = gathering_spread(&gathering, entries, count);
        } else if (result == TP_OK) {
            gathering.room = gathering.len * 2;
            result = TP_TOO_LARGE;
        }
        free(gathering.bytes);
    }
    return result;
}

enum tp_result
registry_store_server(const struct registry_tables *tables, uint64_t seed, int64_t now_ms,
                      uint64_t *server)
{
    void *value;
    enum tp_result result = tp_table_enter(tables->changes, REVISION_KEY, now_ms, &value);

    if (result == TP_OK) {
        struct registry_change *head = value;

        head->id = head->id == 0 ? seed : head->id;
        *server = head->id;
        tp_table_leave(tables->changes, &value);
    }
    return result;
}

enum tp_result
registry_store_doubt(const struct registry_tables *tables, int64_t now_ms)
{
    const struct registry_entry nobody = { .id = 0 };

    return store_append(tables, REGISTRY_REREAD, &nobody, now_ms);
}

enum tp_result
registry_store_revision(const struct registry_tables *tables, uint64_t *revision)
{
    void *value;
    enum tp_result result = tp_table_find(tables->changes, REVISION_KEY, &value);

    *revision = 0;
    if (result == TP_NOT_FOUND) {
        return TP_OK;
    }
    if (result == TP_OK) {
        *revision = ((const struct registry_change *) value)->revision;
        tp_table_leave(tables->changes, &value);
    }
    return result;
}

enum tp_result
registry_store_change(const struct registry_tables *tables, uint64_t revision,
                      struct registry_change *change)
{
    uint32_t place = (uint32_t) (revision % REGISTRY_CHANGES_KEPT);
    void *value;
    enum tp_result result = tp_table_find(tables->changes, change_key(&place), &value);

    if (result != TP_OK) {
        return result == TP_NOT_FOUND ? TP_AGAIN : result;
    }
    *change = *(const struct registry_change *) value;
    tp_table_leave(tables->changes, &value);
    if (change->revision == revision) {
        return TP_OK;
    }
    return change->revision < revision ? TP_AGAIN : TP_GONE;
}

void
registry_store_note_worker(const struct registry_tables *tables, unsigned slot, uint64_t revision,
                           int64_t now_ms)
{
    void *value;

    TP_ASSERT(slot < REGISTRY_SLOTS);
    if (tp_table_enter(tables->workers, WORKERS_KEY, now_ms, &value) == TP_OK) {
        struct registry_workers *workers = value;

        workers->slots[slot].revision = revision;
        workers->slots[slot].seen_ms = now_ms;
        tp_table_leave(tables->workers, &value);
    }
}

bool
registry_store_worker_was_there(const struct registry_tables *tables, unsigned slot)
{
    void *value;
    bool was_there = false;

    TP_ASSERT(slot < REGISTRY_SLOTS);
    if (tp_table_find(tables->workers, WORKERS_KEY, &value) == TP_OK) {
        was_there = ((const struct registry_workers *) value)->slots[slot].seen_ms != 0;
        tp_table_leave(tables->workers, &value);
    }
    return was_there;
}

bool
registry_store_all_have(const struct registry_tables *tables, uint64_t revision, int64_t now_ms)
{
    void *value;
    bool have = true;

    if (tp_table_find(tables->workers, WORKERS_KEY, &value) != TP_OK) {
        return true;
    }
    const struct registry_workers *workers = value;

    for (size_t slot = 0; slot < REGISTRY_SLOTS && have; slot++) {
        bool counts = workers->slots[slot].seen_ms != 0
                      && now_ms - workers->slots[slot].seen_ms < REGISTRY_WORKER_LOST_MS;

        have = !counts || workers->slots[slot].revision >= revision;
    }
    tp_table_leave(tables->workers, &value);
    return have;
}

/* The member, held, if it is there under this name and `test` agrees. */
static enum tp_result
store_find(const struct registry_tables *tables, const struct registry_entry *member,
           registry_test_fn test, void *owner, struct registry_entry **found)
{
    void *value;
    enum tp_result result = tp_table_find(tables->members, id_key(&member->id), &value);

    *found = value;
    if (result != TP_OK) {
        return result;
    }
    if (!registry_entry_is_sound(*found)
        || !registry_entry_is(*found, registry_entry_service(member), registry_entry_key(member))) {
        result = TP_NOT_FOUND;
    } else if (test != NULL && !test(*found, owner)) {
        result = TP_DENIED;
    }
    if (result != TP_OK) {
        tp_table_leave(tables->members, &value);
        *found = NULL;
    }
    return result;
}

/* Counts first: of two that change at the same time each has a revision of its own. */
static enum tp_result
store_append(const struct registry_tables *tables, enum registry_change_kind kind,
             const struct registry_entry *entry, int64_t now_ms)
{
    void *value;
    struct registry_change change = { .kind = kind, .id = entry->id };
    enum tp_result result = tp_table_enter(tables->changes, REVISION_KEY, now_ms, &value);

    if (result != TP_OK) {
        return result;
    }
    change.revision = ++((struct registry_change *) value)->revision;
    tp_table_leave(tables->changes, &value);
    memcpy(change.service, entry->service, entry->service_len);
    memcpy(change.key, entry->key, entry->key_len);
    uint32_t place = (uint32_t) (change.revision % REGISTRY_CHANGES_KEPT);

    result = tp_table_enter(tables->changes, change_key(&place), now_ms, &value);
    if (result != TP_OK) {
        return result;
    }
    struct registry_change *there = value;

    if (there->revision < change.revision) {
        *there = change;
    }
    tp_table_leave(tables->changes, &value);
    return TP_OK;
}

static bool
store_gather(struct tp_str key, void *value, void *owner)
{
    struct gathering *gathering = owner;
    const struct registry_entry *entry = value;

    (void) key;
    if (!registry_entry_is_sound(entry)) {
        return true;
    }
    size_t size = registry_entry_size(entry);
    size_t whole = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);

    if (gathering->len + whole <= gathering->room) {
        memcpy(gathering->bytes + gathering->len, entry, size);
        gathering->count++;
    }
    gathering->len += whole;
    return true;
}

static enum tp_result
gathering_spread(const struct gathering *gathering, struct registry_entry ***entries, size_t *count)
{
    struct registry_entry **made = calloc(gathering->count + 1, sizeof(*made));
    size_t at = 0;

    if (made == NULL) {
        return TP_NO_MEMORY;
    }
    for (size_t i = 0; i < gathering->count; i++) {
        const struct registry_entry *entry = (const void *) (gathering->bytes + at);
        size_t size = registry_entry_size(entry);

        made[i] = registry_entry_copy(entry);
        if (made[i] == NULL) {
            while (i > 0) {
                free(made[--i]);
            }
            free(made);
            return TP_NO_MEMORY;
        }
        at += (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    }
    *entries = made;
    *count = gathering->count;
    return TP_OK;
}

static struct tp_str
id_key(const uint64_t *id)
{
    return (struct tp_str){ (const char *) id, sizeof(*id) };
}

static struct tp_str
change_key(const uint32_t *place)
{
    return (struct tp_str){ (const char *) place, sizeof(*place) };
}
