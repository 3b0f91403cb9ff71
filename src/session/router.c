/*
 * router.c - finding routes: one pass over the path computes the hash of the whole and of
 * every prefix that ends in '/'.
 *
 * The keys come from the configuration, so nobody outside can choose keys that collide.
 *
 * Runs in: worker.  Read next: exchange.c.
 */
#include "session/router.h"

#include "base/hash.h"
#include "base/str.h"

enum {
    ROUTER_DEPTH_MAX = 32, /* deeper prefixes are not looked for: configurations have a handful */
    ROUTER_CELLS_PER_ROUTE = 2,
};

static void table_init(struct tp_router_table *table, size_t route_count, struct tp_arena *arena);
static void table_add(struct tp_router_table *table, struct tp_str key,
                      const struct tp_route *route);
static const struct tp_route *table_find(const struct tp_router_table *table, struct tp_str key,
                                         uint64_t hash);

void
tp__router_build(struct tp_router *router, const struct tp_route *const *routes, size_t count,
                 struct tp_arena *arena)
{
    *router = (struct tp_router){ 0 };
    table_init(&router->exact, count, arena);
    table_init(&router->prefixes, count, arena);
    for (size_t i = 0; i < count; i++) {
        struct tp_str uri = routes[i]->uri;
        bool ends_in_star = uri.len > 0 && uri.data[uri.len - 1] == '*';

        if (!ends_in_star) {
            table_add(&router->exact, uri, routes[i]);
        } else if (uri.len > 1) {
            table_add(&router->prefixes, (struct tp_str){ uri.data, uri.len - 1 }, routes[i]);
        } else if (router->any == NULL) {
            router->any = routes[i];
        }
    }
}

const struct tp_route *
tp__router_find(const struct tp_router *router, struct tp_str path)
{
    uint64_t prefix_hashes[ROUTER_DEPTH_MAX];
    size_t prefix_lens[ROUTER_DEPTH_MAX];
    unsigned depth = 0;
    uint64_t hash = TP_HASH_NONE;

    for (size_t i = 0; i < path.len; i++) {
        hash = tp__hash_extend(hash, (uint8_t) path.data[i]);
        /* "/math/" itself is not below "/math/": a prefix needs something behind it. */
        if (path.data[i] == '/' && i + 1 < path.len && depth < ROUTER_DEPTH_MAX) {
            prefix_hashes[depth] = hash;
            prefix_lens[depth++] = i + 1;
        }
    }
    const struct tp_route *route = table_find(&router->exact, path, hash);

    while (route == NULL && router->prefixes.count > 0 && depth > 0) {
        depth--;
        route = table_find(&router->prefixes, (struct tp_str){ path.data, prefix_lens[depth] },
                           prefix_hashes[depth]);
    }
    return route == NULL ? router->any : route;
}

static void
table_init(struct tp_router_table *table, size_t route_count, struct tp_arena *arena)
{
    size_t cell_count = 4;

    while (cell_count < route_count * ROUTER_CELLS_PER_ROUTE) {
        cell_count *= 2;
    }
    table->cells = tp__arena_new_array(arena, struct tp_router_cell, cell_count);
    table->mask = cell_count - 1;
}

static void
table_add(struct tp_router_table *table, struct tp_str key, const struct tp_route *route)
{
    uint64_t hash = tp__hash_extend_bytes(TP_HASH_NONE, key.data, key.len);

    if (table_find(table, key, hash) != NULL) {
        return;
    }
    size_t at = hash & table->mask;

    while (table->cells[at].route != NULL) {
        at = (at + 1) & table->mask;
    }
    table->cells[at] = (struct tp_router_cell){ .key = key, .hash = hash, .route = route };
    table->count++;
}

static const struct tp_route *
table_find(const struct tp_router_table *table, struct tp_str key, uint64_t hash)
{
    for (size_t at = hash & table->mask; table->cells[at].route != NULL;
         at = (at + 1) & table->mask) {
        const struct tp_router_cell *cell = &table->cells[at];

        if (cell->hash == hash && tp__str_equal(cell->key, key)) {
            return cell->route;
        }
    }
    return NULL;
}
