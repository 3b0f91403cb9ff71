/*
 * routes.c - who answers what: handlers of the program as routes of the session layer, and
 * groups of them.
 *
 * Routes are added while the peer runs, and never taken away.  A router has room for some; when
 * that is used up a larger one is built, while the routes stay where they are: exchanges and
 * sessions refer to them.
 *
 * Runs in: the peer's thread.  Read next: server/router.c.
 */
#include "peer/peer.h"

#include "base/str.h"
#include "peer/built.h"

#include <stdlib.h>

enum {
    ROUTES_FIRST = 8,
    ROUTER_ARENA_CHUNK_BYTES = 512,
    GROUP_PREFIX_MAX = 4096, /* bytes, of all groups around it together */
};

/* What the program's handler is, as the conf of a handler module. */
struct peer_handler {
    tp_handler_fn run;
    void *owner;
};

struct peer_route {
    struct tp_list_node node;
    bool is_own; /* a module's, which makes way for the program's */
    struct tp_route route;
    struct peer_handler handler;
    char uri[];
};

/* What is asked for. */
struct route_request {
    struct tp_group *group;
    struct tp_str uri;
    struct peer_handler handler;
};

static enum tp_result routes_on(struct tp_peer *peer, struct tp_peer_routes *routes,
                                const struct route_request *request);
static struct peer_route *route_make(const struct tp_peer *peer,
                                     const struct route_request *request);
static struct peer_route *routes_find_own(const struct tp_peer_routes *routes, struct tp_str uri);
static enum tp_result routes_add_own(struct tp_peer *peer, struct tp_peer_routes *routes,
                                     const struct tp_module *module);
static enum tp_result routes_add(struct tp_peer_routes *routes, struct peer_route *route);
static enum tp_result routes_grow(struct tp_peer_routes *routes);
static void route_handle(struct tp_exchange *exchange, const void *conf);
static bool prefix_is_good(struct tp_str prefix);

/* Every route of a program has this handler, and the program's own as its conf. */
static const struct tp_module route_module = {
    .name = "program",
    .brief = "Calls the handler of a program.",
    .run_after = "",
    .handler = "program",
    .handle = route_handle,
};

enum tp_result
tp_peer_on_pull(struct tp_peer *peer, const char *uri, tp_handler_fn handler, void *owner)
{
    const struct route_request request = { NULL, tp__str(uri), { handler, owner } };

    tp__peer_check(peer);
    return routes_on(peer, &peer->pulls, &request);
}

enum tp_result
tp_peer_on_push(struct tp_peer *peer, const char *uri, tp_handler_fn handler, void *owner)
{
    const struct route_request request = { NULL, tp__str(uri), { handler, owner } };

    tp__peer_check(peer);
    return routes_on(peer, &peer->pushes, &request);
}

enum tp_result
tp_group_on_pull(struct tp_group *group, const char *uri, tp_handler_fn handler, void *owner)
{
    const struct route_request request = { group, tp__str(uri), { handler, owner } };

    tp__peer_check(group->peer);
    return routes_on(group->peer, &group->peer->pulls, &request);
}

enum tp_result
tp_group_on_push(struct tp_group *group, const char *uri, tp_handler_fn handler, void *owner)
{
    const struct route_request request = { group, tp__str(uri), { handler, owner } };

    tp__peer_check(group->peer);
    return routes_on(group->peer, &group->peer->pushes, &request);
}

enum tp_result
tp_peer_group(struct tp_peer *peer, struct tp_group *parent, const char *prefix,
              const struct tp_hooks *hooks, const void *hooks_conf, struct tp_group **made)
{
    struct tp_str outer = parent == NULL ? TP_STR("") : parent->prefix;
    enum tp_hook_point wrong;
    struct tp_str own = tp__str(prefix);

    tp__peer_check(peer);
    TP_ASSERT(parent == NULL || parent->peer == peer);
    *made = NULL;
    if (!prefix_is_good(own) || outer.len + own.len > GROUP_PREFIX_MAX) {
        return tp__peer_fail(
            peer, TP_INVALID,
            "group \"%s\": a prefix begins with a slash, does not end in one, has "
            "no star, and is no longer than %d bytes together with those around it",
            prefix, GROUP_PREFIX_MAX);
    }
    if (hooks != NULL && tp__hooks_check_route(hooks, &wrong) != TP_OK) {
        return tp__peer_fail(peer, TP_INVALID, "group \"%s\": no route has the point %s", prefix,
                             tp_hook_point_word(wrong));
    }
    struct tp_group *group = calloc(1, sizeof(*group) + outer.len + own.len + 1);

    if (group == NULL) {
        return tp__peer_fail(peer, TP_NO_MEMORY, "group \"%s\": memory is out", prefix);
    }
    memcpy(group->text, outer.data, outer.len);
    memcpy(group->text + outer.len, own.data, own.len);
    group->prefix = (struct tp_str){ group->text, outer.len + own.len };
    group->peer = peer;
    group->parent = parent;
    group->hooks = hooks;
    group->hooks_conf = hooks_conf;
    if (tp__group_hooks_init(group) != TP_OK) {
        free(group);
        return tp__peer_fail(peer, TP_NO_MEMORY, "group \"%s\": memory is out", prefix);
    }
    tp__list_append(&peer->groups, &group->node);
    *made = group;
    return TP_OK;
}

enum tp_result
tp__peer_routes_init(struct tp_peer_routes *routes, struct tp_router *router)
{
    *routes = (struct tp_peer_routes){ .router = router };
    tp__list_init(&routes->members);
    tp__arena_init(&routes->arena, ROUTER_ARENA_CHUNK_BYTES);
    enum tp_result result = tp__router_init(router, ROUTES_FIRST, &routes->arena);

    if (result != TP_OK) {
        tp__arena_fini(&routes->arena);
    }
    return result;
}

enum tp_result
tp__peer_routes_add_own(struct tp_peer *peer, struct tp_peer_routes *routes)
{
    for (size_t i = 0; i < tp__library_module_count; i++) {
        const struct tp_module *module = tp__library_modules[i];
        enum tp_result result = routes_add_own(peer, routes, module);

        if (result != TP_OK) {
            return result;
        }
    }
    return TP_OK;
}

void
tp__peer_routes_fini(struct tp_peer_routes *routes)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(&routes->members)) != NULL) {
        free(TP_CONTAINER_OF(node, struct peer_route, node));
    }
    tp__arena_fini(&routes->arena);
}

void
tp__peer_groups_fini(struct tp_peer *peer)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(&peer->groups)) != NULL) {
        struct tp_group *group = TP_CONTAINER_OF(node, struct tp_group, node);

        tp__arena_fini(&group->hooks_arena);
        free(group);
    }
}

static enum tp_result
routes_on(struct tp_peer *peer, struct tp_peer_routes *routes, const struct route_request *request)
{
    const char *wrong = tp__route_uri_check(request->uri);

    TP_ASSERT(request->handler.run != NULL);
    if (wrong != NULL) {
        return tp__peer_fail(peer, TP_INVALID, "route \"%.*s\": it has to be %s",
                             TP_STR_ARG(request->uri), wrong);
    }
    struct peer_route *route = route_make(peer, request);
    enum tp_result result = route == NULL ? TP_NO_MEMORY : TP_OK;
    struct peer_route *own = result == TP_OK ? routes_find_own(routes, route->route.uri) : NULL;

    if (result == TP_OK && own == NULL && tp__router_has(routes->router, route->route.uri)) {
        result = TP_EXISTS;
    }
    if (result == TP_OK
        && !tp__peer_hooks_let_pass(peer, route->route.hooks, TP_HOOK_POST_REG, route->route.uri)) {
        free(route);
        return TP_DENIED;
    }
    if (result == TP_OK && own != NULL) {
        /* Its place is taken: sessions may remember it. */
        own->is_own = false;
        own->route.is_own = false;
        own->handler = route->handler;
        own->route.handler = route->route.handler;
        own->route.conf = &own->handler;
        own->route.hooks = route->route.hooks;
        own->route.logging = route->route.logging;
        free(route);
        return TP_OK;
    }
    if (result == TP_OK) {
        result = routes_add(routes, route);
    }
    if (result != TP_OK) {
        free(route);
        return tp__peer_fail(peer, result, "route \"%.*s\": %s", TP_STR_ARG(request->uri),
                             result == TP_EXISTS ? "it has a handler already" : "memory is out");
    }
    return TP_OK;
}

/* NULL: nobody but the program can have the uri. */
static struct peer_route *
routes_find_own(const struct tp_peer_routes *routes, struct tp_str uri)
{
    TP_LIST_EACH (node, &routes->members) {
        struct peer_route *route = TP_CONTAINER_OF(node, struct peer_route, node);

        if (route->is_own && tp__str_equal(route->route.uri, uri)) {
            return route;
        }
    }
    return NULL;
}

/* "*" in a group is all that is below the group. */
static struct peer_route *
route_make(const struct tp_peer *peer, const struct route_request *request)
{
    struct tp_str prefix = request->group == NULL ? TP_STR("") : request->group->prefix;
    bool is_rest = prefix.len > 0 && tp__str_equal(request->uri, TP_STR("*"));
    struct tp_str uri = is_rest ? TP_STR("/*") : request->uri;
    struct peer_route *route = calloc(1, sizeof(*route) + prefix.len + uri.len);

    if (route == NULL) {
        return NULL;
    }
    memcpy(route->uri, prefix.data, prefix.len);
    memcpy(route->uri + prefix.len, uri.data, uri.len);
    route->handler = request->handler;
    route->route = (struct tp_route){
        .uri = { route->uri, prefix.len + uri.len },
        .handler = &route_module,
        .conf = &route->handler,
        .hooks = request->group == NULL ? peer->route_hooks : request->group->route_hooks,
        .bodies = peer->server.bodies,
        .logging = peer->server.logging,
    };
    return route;
}

static enum tp_result
routes_add_own(struct tp_peer *peer, struct tp_peer_routes *routes, const struct tp_module *module)
{
    const void *conf = tp__peer_conf(peer, module);
    enum tp_result result = TP_OK;

    for (size_t i = 0; i < module->own_route_count && result == TP_OK; i++) {
        const struct tp_own_route *own = &module->own_routes[i];
        struct peer_route *route;

        if (!own->is_wanted(conf)) {
            continue;
        }
        route = calloc(1, sizeof(*route));
        if (route == NULL) {
            return TP_NO_MEMORY;
        }
        route->is_own = true;
        route->route =
            tp__route_of_module(module, own, conf, peer->server.bodies, &peer->server.logging);
        result = routes_add(routes, route);
        if (result != TP_OK) {
            free(route);
        }
    }
    return result;
}

static enum tp_result
routes_add(struct tp_peer_routes *routes, struct peer_route *route)
{
    enum tp_result result = tp__router_add(routes->router, &route->route);

    if (result == TP_FULL) {
        result = routes_grow(routes);
        if (result == TP_OK) {
            result = tp__router_add(routes->router, &route->route);
        }
    }
    if (result == TP_OK) {
        tp__list_append(&routes->members, &route->node);
        routes->count++;
    }
    return result;
}

static enum tp_result
routes_grow(struct tp_peer_routes *routes)
{
    struct tp_router larger;
    struct tp_arena arena;

    tp__arena_init(&arena, ROUTER_ARENA_CHUNK_BYTES);
    enum tp_result result = tp__router_init(&larger, 2 * (routes->count + 1), &arena);

    TP_LIST_EACH (node, &routes->members) {
        const struct peer_route *route = TP_CONTAINER_OF(node, struct peer_route, node);

        if (result == TP_OK) {
            result = tp__router_add(&larger, &route->route);
        }
    }
    if (result != TP_OK) {
        tp__arena_fini(&arena);
        return result;
    }
    tp__arena_fini(&routes->arena);
    routes->arena = arena;
    *routes->router = larger;
    return TP_OK;
}

static void
route_handle(struct tp_exchange *exchange, const void *conf)
{
    const struct peer_handler *handler = conf;

    handler->run(exchange, handler->owner);
}

static bool
prefix_is_good(struct tp_str prefix)
{
    return prefix.len > 1 && prefix.data[0] == '/' && prefix.data[prefix.len - 1] != '/'
           && memchr(prefix.data, '*', prefix.len) == NULL;
}
