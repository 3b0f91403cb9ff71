/*
 * hash_table.c - chains in an array that doubles when there are as many nodes as chains.
 */
#include "base/hash_table.h"

#include <stdlib.h>

enum {
    CHAINS_FIRST = 16,
};

static struct tp_hash_node **table_head(struct tp_hash_table *table, uint64_t hash);
static void table_grow(struct tp_hash_table *table);

void
tp__hash_table_fini(struct tp_hash_table *table)
{
    free(table->heads);
    *table = (struct tp_hash_table){ 0 };
}

void
tp__hash_table_add(struct tp_hash_table *table, struct tp_hash_node *node, uint64_t hash)
{
    if (table->count > table->mask) {
        table_grow(table);
    }
    struct tp_hash_node **head = table_head(table, hash);

    *node = (struct tp_hash_node){ .next = *head, .hash = hash };
    *head = node;
    table->count++;
}

void
tp__hash_table_remove(struct tp_hash_table *table, struct tp_hash_node *node)
{
    struct tp_hash_node **link = table_head(table, node->hash);

    while (*link != node) {
        TP_ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    table->count--;
}

struct tp_hash_node *
tp__hash_table_find(const struct tp_hash_table *table, uint64_t hash)
{
    struct tp_hash_node *node =
        table->heads == NULL ? table->only : table->heads[hash & table->mask];

    while (node != NULL && node->hash != hash) {
        node = node->next;
    }
    return node;
}

struct tp_hash_node *
tp__hash_table_next(const struct tp_hash_node *found)
{
    struct tp_hash_node *node = found->next;

    while (node != NULL && node->hash != found->hash) {
        node = node->next;
    }
    return node;
}

static struct tp_hash_node **
table_head(struct tp_hash_table *table, uint64_t hash)
{
    return table->heads == NULL ? &table->only : &table->heads[hash & table->mask];
}

/* Without memory the chains just get longer. */
static void
table_grow(struct tp_hash_table *table)
{
    size_t old_count = table->mask + 1;
    size_t new_count = table->heads == NULL ? CHAINS_FIRST : old_count * 2;
    struct tp_hash_node **heads = calloc(new_count, sizeof(*heads));

    if (heads == NULL) {
        return;
    }
    for (size_t i = 0; i < old_count; i++) {
        struct tp_hash_node *node = table->heads == NULL ? table->only : table->heads[i];

        while (node != NULL) {
            struct tp_hash_node *next = node->next;

            node->next = heads[node->hash & (new_count - 1)];
            heads[node->hash & (new_count - 1)] = node;
            node = next;
        }
    }
    free(table->heads);
    table->heads = heads;
    table->only = NULL;
    table->mask = new_count - 1;
}
