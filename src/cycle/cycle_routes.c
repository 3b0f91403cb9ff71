/*
 * cycle_routes.c - from pull and push blocks to routers.
 *
 * A server serves its own routes and those of its peer; where both have a uri the
 * server's own wins.  What the peer itself has dialed is served by the peer's alone.
 *
 * Runs in: master and workers, while a cycle is built.  Read next: server/router.c.
 */
#include "cycle/cycle.h"
#include "cycle/server_directives.h"

/* Where routes are collected. */
struct route_list {
    struct tp_cycle *cycle;
    struct tp_arena *arena;
    const struct tp_block *server;
    const struct tp_server *served;
    const char *type;
    struct tp_text *messages;
    const struct tp_route **routes;
    size_t count;
};

static void routes_build(struct route_list *list, enum tp_context context,
                         struct tp_router *router);
static size_t routes_count(const struct tp_block *parent, enum tp_context context);
static void routes_collect(struct route_list *list, const struct tp_block *parent,
                           enum tp_context context);
static void routes_add(struct route_list *list, struct tp_route *route);
static void routes_add_own(struct route_list *list);
static struct tp_route *route_make(struct route_list *list, const struct tp_block *block);
static struct tp_bodies route_bodies(const struct route_list *list, const struct tp_block *block);

void
tp__cycle_build_routes(struct tp_cycle *cycle, const struct tp_block *block,
                       struct tp_server *server, struct tp_text *messages)
{
    struct route_list list = {
        .cycle = cycle,
        .arena = &cycle->arena,
        .server = block,
        .served = server,
        .messages = messages,
    };

    list.type = "PULL";
    routes_build(&list, TP_IN_PULL, &server->pulls);
    list.type = "PUSH";
    routes_build(&list, TP_IN_PUSH, &server->pushes);
}

struct tp_bodies
tp__cycle_bodies_of(const struct tp_block *block)
{
    const struct tp_route_conf *conf = tp_block_conf(block, &tp__module_route);

    return (struct tp_bodies){
        .codec = conf->body_codec,
        .has_reply_level = conf->reply_gzip != TP_REPLY_GZIP_AS_PULL,
        .reply_level = (int8_t) conf->reply_gzip,
        .gzip_min = conf->gzip_min,
    };
}

static void
routes_build(struct route_list *list, enum tp_context context, struct tp_router *router)
{
    const struct tp_block *server = list->server;
    const struct tp_block *peer = tp_block_parent(server);
    bool has_peer = tp_block_context(server) == TP_IN_SERVER;
    struct tp_module_list modules = tp__conf_modules(server);
    size_t count_max = routes_count(server, context) + tp__routes_own_count(&modules)
                       + (has_peer ? routes_count(peer, context) : 0);

    list->routes = tp__arena_new_array(list->arena, const struct tp_route *, count_max + 1);
    list->count = 0;
    routes_collect(list, server, context);
    if (has_peer) {
        routes_collect(list, peer, context);
    }
    /* Where two have one uri the first stays. */
    routes_add_own(list);
    tp__router_build(router, list->routes, list->count, list->arena);
}

static size_t
routes_count(const struct tp_block *parent, enum tp_context context)
{
    size_t count = 0;

    for (const struct tp_block *block = tp_block_first(parent, context); block != NULL;
         block = tp_block_next(block)) {
        count++;
    }
    return count;
}

static void
routes_collect(struct route_list *list, const struct tp_block *parent, enum tp_context context)
{
    for (const struct tp_block *block = tp_block_first(parent, context); block != NULL;
         block = tp_block_next(block)) {
        routes_add(list, route_make(list, block));
    }
}

static void
routes_add(struct route_list *list, struct tp_route *route)
{
    struct tp_cycle_route *added = tp__arena_new(list->arena, struct tp_cycle_route);

    added->route = route;
    added->server = list->served;
    added->type = list->type;
    added->next = list->cycle->routes;
    list->cycle->routes = added;
    list->routes[list->count++] = route;
}

/* Those of modules. */
static void
routes_add_own(struct route_list *list)
{
    struct tp_module_list modules = tp__conf_modules(list->server);

    for (size_t i = 0; i < modules.count; i++) {
        const struct tp_module *module = modules.modules[i];
        const void *conf = tp_block_conf(list->server, module);

        for (size_t at = 0; at < module->own_route_count; at++) {
            const struct tp_own_route *own = &module->own_routes[at];

            if (own->is_wanted(conf)) {
                struct tp_route *route = tp__arena_new(list->arena, struct tp_route);

                *route = tp__route_of_module(module, own, conf, tp__cycle_bodies_of(list->server),
                                             &list->served->logging);
                route->hooks = own->is_guarded ? list->served->unrouted_hooks : NULL;
                routes_add(list, route);
            }
        }
    }
}

static struct tp_route *
route_make(struct route_list *list, const struct tp_block *block)
{
    const struct tp_route_conf *conf = tp_block_conf(block, &tp__module_route);
    const struct tp_module *handler = tp__route_find_handler(block, NULL);
    struct tp_route *route = tp__arena_new(list->arena, struct tp_route);

    TP_ASSERT(handler != NULL);
    route->uri = conf->uri;
    route->is_ordered = conf->is_ordered;
    route->bodies = route_bodies(list, block);
    route->logging = tp__cycle_logging_of(list->cycle, block);
    route->handler = handler;
    route->conf = tp_block_conf(block, handler);
    route->hooks = tp__cycle_route_hooks(list->cycle, list->server, block);
    tp__cycle_register_route(list->cycle, list->server, block, conf->uri, list->messages);
    return route;
}

/* A route of the peer has what the server says that it serves, unless it says it itself. */
static struct tp_bodies
route_bodies(const struct route_list *list, const struct tp_block *block)
{
    struct tp_bodies bodies = tp__cycle_bodies_of(list->server);
    struct tp_bodies own = tp__cycle_bodies_of(block);

    if (tp_block_writes(block, "body_codec")) {
        bodies.codec = own.codec;
    }
    if (tp_block_writes(block, "reply_gzip")) {
        bodies.has_reply_level = own.has_reply_level;
        bodies.reply_level = own.reply_level;
    }
    if (tp_block_writes(block, "gzip_min")) {
        bodies.gzip_min = own.gzip_min;
    }
    return bodies;
}
