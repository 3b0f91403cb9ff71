/*
 * base/hash_table.h - a hash table of nodes that are embedded in what they find.
 *
 * Adding never fails: a table that cannot grow gets slower.  The caller computes hashes
 * (base/hash.h) and compares keys, because several nodes may have one hash.
 *
 * Threads: whoever owns the table.
 */
#ifndef TP_BASE_HASH_TABLE_H
#define TP_BASE_HASH_TABLE_H

#include <teleport/base.h>

struct tp_hash_node {
    struct tp_hash_node *next; /* in the same chain */
    uint64_t hash;
};

/* All zeros is an empty table. */
struct tp_hash_table {
    struct tp_hash_node **heads; /* NULL until there are several chains */
    struct tp_hash_node *only;   /* the chain, until then */
    size_t mask;                 /* the number of chains less one; a power of two */
    size_t count;
};

/* Frees the table's own memory; the nodes are left alone. */
void tp__hash_table_fini(struct tp_hash_table *table);

void tp__hash_table_add(struct tp_hash_table *table, struct tp_hash_node *node, uint64_t hash);

/* Takes out a node that is in the table. */
void tp__hash_table_remove(struct tp_hash_table *table, struct tp_hash_node *node);

/* The first node of this hash, and the next one with the same; NULL when there is none. */
struct tp_hash_node *tp__hash_table_find(const struct tp_hash_table *table, uint64_t hash);
struct tp_hash_node *tp__hash_table_next(const struct tp_hash_node *node);

#endif
