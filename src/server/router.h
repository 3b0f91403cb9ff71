/*
 * server/router.h - from the path of a uri to the route that serves it.
 *
 * Exact beats the longest prefix beats "*".  A router of the server is a part of a loaded
 * configuration: built once, constant afterwards.  That of a library's peer grows.
 */
#ifndef TP_SERVER_ROUTER_H
#define TP_SERVER_ROUTER_H

#include <teleport/module.h>

#include "base/arena.h"
#include "server/hooks.h"
#include "server/logging.h"

/* How bodies travel. */
struct tp_bodies {
    uint8_t codec;           /* of those that name none */
    bool has_reply_level;    /* else a REPLY is deflated as its PULL wants it */
    int8_t reply_level;      /* of a REPLY that may be deflated; 0: it is not */
    struct tp_size gzip_min; /* smaller ones are not deflated */
};

/* What one `pull` or `push` block says. */
struct tp_route {
    struct tp_str uri; /* as written: exact, ending in a star, or a star alone */
    const struct tp_module *handler;
    const void *conf; /* the handler's */
    bool is_own;      /* a module's, which nobody has configured */
    bool is_for_all;  /* such a one that is also for those who cannot be asked */
    bool is_ordered;  /* replies leave in the order of the pulls */
    struct tp_bodies bodies;
    struct tp_exchange_logging logging;
    const struct tp_hook_set *hooks; /* NULL: none */
};

/* A slot of a hash table; an empty one has no route. */
struct tp_router_cell {
    struct tp_str key;
    uint64_t hash;
    const struct tp_route *route;
};

struct tp_router_table {
    struct tp_router_cell *cells;
    size_t mask; /* the number of cells less one; a power of two */
    size_t count;
};

/* The routes of one packet type. */
struct tp_router {
    struct tp_router_table exact;
    struct tp_router_table prefixes; /* keys end in '/' */
    const struct tp_route *any;      /* of the star alone */
};

/* How many routes modules bring at most. */
size_t tp__routes_own_count(const struct tp_module_list *modules);

/* One of a module's own routes: with its conf, and if it wants that with this logging. */
struct tp_route tp__route_of_module(const struct tp_module *module, const struct tp_own_route *own,
                                    const void *conf, struct tp_bodies bodies,
                                    const struct tp_exchange_logging *logging);

/*
 * NULL when `uri` can be routed: a path, a path that ends in a slash and a star, or a star alone;
 * else a sentence fragment: what it has to be.
 */
const char *tp__route_uri_check(struct tp_str uri);

/* An empty router with room for `route_count` routes.  TP_NO_MEMORY. */
enum tp_result tp__router_init(struct tp_router *router, size_t route_count,
                               struct tp_arena *arena) TP_MUST_CHECK;

/* Adds a route.  TP_EXISTS: its uri has one; TP_FULL: that needs a router with more room. */
enum tp_result tp__router_add(struct tp_router *router, const struct tp_route *route) TP_MUST_CHECK;

/* True when a route has exactly this uri. */
bool tp__router_has(const struct tp_router *router, struct tp_str uri);

/* Makes a router of `routes`; where two have the same uri the first one stays. */
void tp__router_build(struct tp_router *router, const struct tp_route *const *routes, size_t count,
                      struct tp_arena *arena);

/* The route for `path`; NULL when there is none. */
const struct tp_route *tp__router_find(const struct tp_router *router, struct tp_str path);

/* The same without a look at those of exactly that uri. */
const struct tp_route *tp__router_find_inexact(const struct tp_router *router, struct tp_str path);

#endif
