/*
 * router.c - finding routes: one pass over the path computes the hash of the whole and of
 * every prefix that ends in '/'.
 *
 * The keys come from the configuration, so nobody outside can choose keys that collide.
 *
 * Runs in: worker.  Read next: session/exchange_uri.c.
 */
#include "server/router.h"

#include "base/hash.h"
#include "base/str.h"

enum {
    ROUTER_DEPTH_MAX = 32, /* deeper prefixes are not looked for: configurations have a handful */
    ROUTER_CELLS_PER_ROUTE = 2,
};

static inline const struct tp_route *router_find(const struct tp_router *router,
                                                 const struct tp_router_table *exact,
                                                 struct tp_str path);
static struct tp_router_table *router_table_of(struct tp_router *router, struct tp_str uri,
                                               struct tp_str *key);
static bool table_init(struct tp_router_table *table, size_t route_count, struct tp_arena *arena);
static enum tp_result table_add(struct tp_router_table *table, struct tp_str key,
                                const struct tp_route *route);
static const struct tp_route *table_find(const struct tp_router_table *table, struct tp_str key,
                                         uint64_t hash);

size_t
tp__routes_own_count(const struct tp_module_list *modules)
{
    size_t count = 0;

    for (size_t i = 0; i < modules->count; i++) {
        count += modules->modules[i]->own_route_count;
    }
    return count;
}

struct tp_route
tp__route_of_module(const struct tp_module *module, const struct tp_own_route *own,
                    const void *conf, struct tp_bodies bodies,
                    const struct tp_exchange_logging *logging)
{
    struct tp_route route = {
        .uri = tp__str(own->uri),
        .handler = module,
        .conf = conf,
        .bodies = bodies,
        .is_own = true,
        .is_for_all = own->is_for_all,
    };

    if (own->is_logged(conf)) {
        route.logging = *logging;
    }
    return route;
}

const char *
tp__route_uri_check(struct tp_str uri)
{
    const char *star = uri.len > 0 ? memchr(uri.data, '*', uri.len) : NULL;
    bool is_star_alone = uri.len == 1 && star != NULL;
    bool ends_in_star = uri.len > 1 && star == uri.data + uri.len - 1 && star[-1] == '/';

    if (is_star_alone || (uri.len > 0 && uri.data[0] == '/' && (star == NULL || ends_in_star))) {
        return NULL;
    }
    return "a path such as /echo, all paths below one such as /math/*, or * for all others";
}

enum tp_result
tp__router_init(struct tp_router *router, size_t route_count, struct tp_arena *arena)
{
    *router = (struct tp_router){ 0 };
    bool has_memory = table_init(&router->exact, route_count, arena)
                      && table_init(&router->prefixes, route_count, arena);

    return has_memory ? TP_OK : TP_NO_MEMORY;
}

enum tp_result
tp__router_add(struct tp_router *router, const struct tp_route *route)
{
    struct tp_str key;
    struct tp_router_table *table = router_table_of(router, route->uri, &key);

    if (table != NULL) {
        return table_add(table, key, route);
    }
    if (router->any != NULL) {
        return TP_EXISTS;
    }
    router->any = route;
    return TP_OK;
}

bool
tp__router_has(const struct tp_router *router, struct tp_str uri)
{
    struct tp_str key;
    /* It is not changed. */
    const struct tp_router_table *table =
        router_table_of((struct tp_router *) (uintptr_t) router, uri, &key);

    if (table == NULL) {
        return router->any != NULL;
    }
    return table_find(table, key, tp__hash_extend_bytes(TP_HASH_NONE, key.data, key.len)) != NULL;
}

void
tp__router_build(struct tp_router *router, const struct tp_route *const *routes, size_t count,
                 struct tp_arena *arena)
{
    enum tp_result result = tp__router_init(router, count, arena);

    TP_ASSERT(result == TP_OK);
    for (size_t i = 0; i < count; i++) {
        result = tp__router_add(router, routes[i]);
        TP_ASSERT(result == TP_OK || result == TP_EXISTS);
    }
}

const struct tp_route *
tp__router_find(const struct tp_router *router, struct tp_str path)
{
    return router_find(router, &router->exact, path);
}

const struct tp_route *
tp__router_find_inexact(const struct tp_router *router, struct tp_str path)
{
    return router_find(router, NULL, path);
}

/* `exact` may be NULL. */
static inline const struct tp_route *
router_find(const struct tp_router *router, const struct tp_router_table *exact, struct tp_str path)
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
    const struct tp_route *route = exact == NULL ? NULL : table_find(exact, path, hash);

    while (route == NULL && router->prefixes.count > 0 && depth > 0) {
        depth--;
        route = table_find(&router->prefixes, (struct tp_str){ path.data, prefix_lens[depth] },
                           prefix_hashes[depth]);
    }
    return route == NULL ? router->any : route;
}

/* Where a uri stands, and as what; NULL: it is the star alone. */
static struct tp_router_table *
router_table_of(struct tp_router *router, struct tp_str uri, struct tp_str *key)
{
    bool ends_in_star = uri.len > 0 && uri.data[uri.len - 1] == '*';

    *key = (struct tp_str){ uri.data, ends_in_star ? uri.len - 1 : uri.len };
    if (!ends_in_star) {
        return &router->exact;
    }
    return uri.len == 1 ? NULL : &router->prefixes;
}

static bool
table_init(struct tp_router_table *table, size_t route_count, struct tp_arena *arena)
{
    size_t cell_count = 4;

    while (cell_count < route_count * ROUTER_CELLS_PER_ROUTE) {
        cell_count *= 2;
    }
    table->cells = tp__arena_try_alloc(arena, cell_count * sizeof(*table->cells));
    table->mask = cell_count - 1;
    return table->cells != NULL;
}

static enum tp_result
table_add(struct tp_router_table *table, struct tp_str key, const struct tp_route *route)
{
    uint64_t hash = tp__hash_extend_bytes(TP_HASH_NONE, key.data, key.len);

    if (table_find(table, key, hash) != NULL) {
        return TP_EXISTS;
    }
    if ((table->count + 1) * ROUTER_CELLS_PER_ROUTE > table->mask + 1) {
        return TP_FULL;
    }
    size_t at = hash & table->mask;

    while (table->cells[at].route != NULL) {
        at = (at + 1) & table->mask;
    }
    table->cells[at] = (struct tp_router_cell){ .key = key, .hash = hash, .route = route };
    table->count++;
    return TP_OK;
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
