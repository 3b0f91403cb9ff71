/*
 * store.h - members and their changes in tables that all workers share.
 *
 * A change has a number, the revision, which grows by one.  First the member is changed, then the
 * change gets its revision: whoever reads all members when the registry is at a revision has them
 * as they were then, or newer.
 *
 * Every function may fail with TP_TIMED_OUT: a table is locked for too long.
 */
#ifndef REGISTRY_STORE_H
#define REGISTRY_STORE_H

#include "entry.h"

#include <teleport/table.h>

enum {
    REGISTRY_CHANGES_KEPT = 1024,
    REGISTRY_SLOTS = 256,           /* of workers */
    REGISTRY_WORKER_LOST_MS = 3000, /* who has not been seen for so long is not waited for */
};

struct registry_tables {
    struct tp_table *members;
    struct tp_table *changes;
    struct tp_table *workers;
};

/* What becomes of members: ROW(NAME, word) */
/* clang-format off */
#define REGISTRY_CHANGE_TABLE(ROW) \
    ROW(JOINED,   "joined")        \
    ROW(CHANGED,  "changed")       \
    ROW(DRAINING, "draining")      \
    ROW(LEFT,     "left")          \
    ROW(EXPIRED,  "expired")       \
    ROW(REREAD,   "reread")      \
    ROW(ENDED,    "ended")
/* clang-format on */

enum registry_change_kind {
#define REGISTRY_CHANGE_ENUM_ROW(name, word) REGISTRY_##name,
    REGISTRY_CHANGE_TABLE(REGISTRY_CHANGE_ENUM_ROW)
#undef REGISTRY_CHANGE_ENUM_ROW
};

struct registry_change {
    uint64_t revision;
    uint64_t id;
    int32_t kind;
    char service[REGISTRY_SERVICE_MAX + 1];
    char key[REGISTRY_KEY_MAX + 1];
};

extern const struct tp_table_layout registry_members_layout;
extern const struct tp_table_layout registry_changes_layout;
extern const struct tp_table_layout registry_workers_layout;

const char *registry_change_word(int32_t kind);

/*
 * Enters the member, or changes the one of that name.  TP_FULL; TP_DENIED: somebody else has
 * announced it and is still there, or it is another one with the same id.
 */
enum tp_result registry_store_put(const struct registry_tables *tables,
                                  const struct registry_entry *entry, int64_t now_ms) TP_MUST_CHECK;

/* What is to be done with a member that is there; `owner` is the caller's. */
typedef bool (*registry_test_fn)(const struct registry_entry *entry, void *owner);

/* Takes it out if `test` (NULL: any) says so; `kind` says why.  TP_NOT_FOUND; TP_DENIED. */
enum tp_result registry_store_remove(const struct registry_tables *tables,
                                     const struct registry_entry *member,
                                     enum registry_change_kind kind, registry_test_fn test,
                                     void *owner, int64_t now_ms) TP_MUST_CHECK;

/* The same: it gets nothing new from here on. */
enum tp_result registry_store_drain(const struct registry_tables *tables,
                                    const struct registry_entry *member, registry_test_fn test,
                                    void *owner, int64_t now_ms) TP_MUST_CHECK;

/* The same: it expires later than it would; *ttl_ms is after how long.  That is no change. */
enum tp_result registry_store_renew(const struct registry_tables *tables,
                                    const struct registry_entry *member, int64_t from_ms,
                                    registry_test_fn test, void *owner,
                                    int64_t *ttl_ms) TP_MUST_CHECK;

/* A copy of the member as it is; TP_NOT_FOUND. */
enum tp_result registry_store_get(const struct registry_tables *tables, uint64_t id,
                                  struct registry_entry *entry) TP_MUST_CHECK;

/* All of them, in an array of its own of copies; the caller frees both.  TP_NO_MEMORY. */
enum tp_result registry_store_get_all(const struct registry_tables *tables,
                                      struct registry_entry ***entries,
                                      size_t *count) TP_MUST_CHECK;

/* The number of this server, the same for all its workers; `seed` becomes it where there is none. */
enum tp_result registry_store_server(const struct registry_tables *tables, uint64_t seed,
                                     int64_t now_ms, uint64_t *server) TP_MUST_CHECK;

/* Says that everything may have changed: whoever follows the changes reads all members again. */
enum tp_result registry_store_doubt(const struct registry_tables *tables,
                                    int64_t now_ms) TP_MUST_CHECK;

/* The revision of the last change; 0: there was none. */
enum tp_result registry_store_revision(const struct registry_tables *tables,
                                       uint64_t *revision) TP_MUST_CHECK;

/*
 * The change of that revision.  TP_AGAIN: it is not there yet; TP_GONE: later ones have taken its
 * place.
 */
enum tp_result registry_store_change(const struct registry_tables *tables, uint64_t revision,
                                     struct registry_change *change) TP_MUST_CHECK;

/* The worker in `slot` has taken over what was changed up to `revision`; at 0 ms: it works no more. */
void registry_store_note_worker(const struct registry_tables *tables, unsigned slot,
                                uint64_t revision, int64_t now_ms);

/* Has it been at work before, and has not said that it stops? */
bool registry_store_worker_was_there(const struct registry_tables *tables, unsigned slot);

/* Have all that work?  True also where that cannot be known. */
bool registry_store_all_have(const struct registry_tables *tables, uint64_t revision,
                             int64_t now_ms);

#endif
