/*
 * teleport/table.h - a table that all workers share: keys to small values, in memory that outlives
 * any of them and survives reloads.
 *
 * A module says in `validate` which tables its conf needs; the master makes them, and before `start`
 * is called each worker has them.  The table of one name is one, in however many blocks it is
 * named; its size is the largest that is asked for when it is made.
 *
 * A value is all zeros when its key comes in.  When a table is full, the entry that was longest
 * unused among those nearby that are idle makes room for the new one.
 *
 * Whoever has an entry holds a lock until it leaves it: do nothing in between that takes long,
 * allocates, or enters another.  When a process dies meanwhile the entry that it had is checked
 * (`check`) before the next one gets it.
 *
 * Threads: the loop's.
 */
#ifndef TELEPORT_TABLE_H
#define TELEPORT_TABLE_H

#include <teleport/base.h>
#include <teleport/directive.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_block;
struct tp_sessions;
struct tp_table;

enum {
    TP_TABLE_NAME_MAX = 24,    /* bytes */
    TP_TABLE_KEY_MAX = 64,     /* bytes; of a longer key its hash stands for the rest */
    TP_TABLE_VALUE_MAX = 4096, /* bytes */
    TP_TABLE_ENTRIES_MAX = 1 << 22,
};

/* What the tables of a module are made of; static and constant. */
struct tp_table_layout {
    uint32_t version; /* of the meaning of a value: one of another version is begun anew */
    uint32_t value_size;

    /* May it make room for another?  NULL: never. */
    bool (*is_idle)(const void *value, int64_t now_ms);

    /* Makes a value whole again; anything may stand in it.  NULL: it becomes all zeros. */
    void (*check)(void *value);
};

/*
 * For `validate`: the conf needs the table `name` (letters, digits, '-' and '_') with room for so many
 * entries; *table, in the conf, is set when the configuration is used.  What is wrong is complained
 * of: a name that stands for a table of another layout.
 */
void tp_table_declare(const struct tp_block *block, const char *directive, struct tp_table **table,
                      const struct tp_table_layout *layout, struct tp_str name,
                      uint32_t entry_count);

/*
 * The value of `key`, made if there is none; the caller leaves it.  TP_FULL: there is no room, and
 * nothing idle; TP_TIMED_OUT: see tp__zone_lock(): as good as full, for now.
 */
enum tp_result tp_table_enter(struct tp_table *table, struct tp_str key, int64_t now_ms,
                              void **value) TP_MUST_CHECK;

/* The same where it is there: TP_NOT_FOUND. */
enum tp_result tp_table_find(struct tp_table *table, struct tp_str key, void **value) TP_MUST_CHECK;

/*
 * Where an entry was found, for who asks for the same again and again: all zeros is nowhere yet.
 * A plain struct, which means nothing in another process or for another table.
 */
struct tp_table_spot {
    uint64_t hash;
    uint32_t place;
};

/*
 * The same without the key, which is neither made nor hashed: while the caller has an entry
 * tp_table_note() says where it is, and tp_table_return() enters it there again.  TP_NOT_FOUND: it
 * is somewhere else now, or gone; TP_TIMED_OUT: as above.
 */
struct tp_table_spot tp_table_note(const struct tp_table *table, const void *value);
enum tp_result tp_table_return(struct tp_table *table, const struct tp_table_spot *spot,
                               int64_t now_ms, void **value) TP_MUST_CHECK;

/* Lets go of it, and sets *value NULL; and takes it out of the table before that. */
void tp_table_leave(struct tp_table *table, void **value);
void tp_table_remove(struct tp_table *table, void **value);

/*
 * Calls `visit` for each entry, some at a time under their lock, which it must not leave; false:
 * it is taken out.  TP_TIMED_OUT: some could not be had.
 */
typedef bool (*tp_table_visit_fn)(struct tp_str key, void *value, void *owner);
enum tp_result tp_table_each(struct tp_table *table, tp_table_visit_fn visit, void *owner);

/* How many entries there are, and how many there may be. */
uint32_t tp_table_count(const struct tp_table *table);
uint32_t tp_table_capacity(const struct tp_table *table);

#ifdef __cplusplus
}
#endif

#endif
