/*
 * cycle_hooks.c - from modules with hooks to chains of servers and routes.
 *
 * Hooks run with the conf of the innermost block in which their module has directives: those
 * of the points that a route has on the routes, if the module has directives there, and all
 * others on the server.  So each is run once for each event.
 *
 * Runs in: master and workers, while a cycle is built.  Read next: server/hooks.h.
 */
#include "cycle/cycle.h"

#include "base/str.h"
#include "conf/conf.h"
#include "session/hook_call.h"

/* The points of a PULL and of a PUSH, as far as routes have them. */
#define HOOKS_OF_PULLS                                                                             \
    (TP_HOOK_BIT(TP_HOOK_POST_READ_PULL_HEADER) | TP_HOOK_BIT(TP_HOOK_PRE_READ_PULL_BODY)          \
     | TP_HOOK_BIT(TP_HOOK_POST_READ_PULL_BODY) | TP_HOOKS_OF_REPLIES)
#define HOOKS_OF_PUSHES                                                                            \
    (TP_HOOK_BIT(TP_HOOK_POST_READ_PUSH_HEADER) | TP_HOOK_BIT(TP_HOOK_PRE_READ_PUSH_BODY)          \
     | TP_HOOK_BIT(TP_HOOK_POST_READ_PUSH_BODY))

static void hooks_add(struct tp_cycle *cycle, struct tp_hook_set **set,
                      const struct tp_module *module, const struct tp_block *block,
                      uint32_t points);
static void server_add_keepings(struct tp_cycle *cycle, const struct tp_block *block,
                                struct tp_server *server);
static const struct tp_block *hooks_block(const struct tp_module *module,
                                          const struct tp_block *server,
                                          const struct tp_block *route);

void
tp__cycle_build_hooks(struct tp_cycle *cycle, const struct tp_block *block,
                      struct tp_server *server)
{
    struct tp_module_list list = tp__conf_modules(block);
    uint32_t all = TP_HOOK_BIT(TP_HOOK_POINT_COUNT) - 1;
    struct tp_hook_set *hooks = NULL;
    struct tp_hook_set *unrouted = NULL;

    for (size_t i = 0; i < list.count; i++) {
        unsigned contexts = tp__cycle_module_contexts(list.modules[i]);
        uint32_t headers_of_routes =
            (contexts & TP_IN_PULL ? TP_HOOK_BIT(TP_HOOK_POST_READ_PULL_HEADER) : 0)
            | (contexts & TP_IN_PUSH ? TP_HOOK_BIT(TP_HOOK_POST_READ_PUSH_HEADER) : 0);
        uint32_t headers_of_server = TP_HOOKS_OF_HEADERS & ~headers_of_routes;

        hooks_add(cycle, &hooks, list.modules[i], block,
                  (all & ~TP_HOOKS_OF_ROUTES) | headers_of_server);
        hooks_add(cycle, &unrouted, list.modules[i], block,
                  TP_HOOKS_OF_REPLIES | headers_of_routes);
    }
    server->hooks = hooks;
    server->unrouted_hooks = unrouted;
    server_add_keepings(cycle, block, server);
}

const struct tp_hook_set *
tp__cycle_route_hooks(struct tp_cycle *cycle, const struct tp_block *server,
                      const struct tp_block *route)
{
    struct tp_module_list list = tp__conf_modules(route);
    uint32_t points = tp_block_context(route) == TP_IN_PULL ? HOOKS_OF_PULLS : HOOKS_OF_PUSHES;
    struct tp_hook_set *hooks = NULL;

    for (size_t i = 0; i < list.count; i++) {
        const struct tp_block *block = hooks_block(list.modules[i], server, route);

        hooks_add(cycle, &hooks, list.modules[i], block,
                  block == route ? points : points & ~TP_HOOKS_OF_HEADERS);
    }
    return hooks;
}

void
tp__cycle_register_route(struct tp_cycle *cycle, const struct tp_block *server,
                         const struct tp_block *route, struct tp_str uri, struct tp_text *messages)
{
    struct tp_module_list list = tp__conf_modules(route);
    const char *word = tp_block_context(route) == TP_IN_PULL ? "pull" : "push";
    struct tp_hook_set *hooks = NULL;

    for (size_t i = 0; i < list.count; i++) {
        hooks_add(cycle, &hooks, list.modules[i], hooks_block(list.modules[i], server, route),
                  TP_HOOK_BIT(TP_HOOK_POST_REG));
    }
    struct tp_hook_call call = { .point = TP_HOOK_POST_REG, .text = uri };
    const char *refused_by;

    if (tp__hooks_ask(tp__hooks_at(hooks, call.point), &call, NULL, &refused_by) == TP_REFUSE) {
        tp__text_printf(messages, "%s: error: the module %s refuses the route %s %.*s: %.*s\n",
                        tp__conf_origin(route, word, 0), refused_by, word, (int) uri.len, uri.data,
                        (int) call.refusal.text.len, call.refusal.text.data);
    }
}

enum tp_result
tp__cycle_announce_listens(const struct tp_cycle *cycle, struct tp_text *messages)
{
    enum tp_result result = TP_OK;

    for (size_t i = 0; i < cycle->listen_count; i++) {
        const struct tp_source *source = &cycle->listens[i].source;
        struct tp_hook_call call = { .point = TP_HOOK_POST_LISTEN, .text = tp__str(source->name) };
        const char *refused_by;

        if (tp__hooks_ask(tp__hooks_at(source->server->hooks, call.point), &call,
                          &source->server->log, &refused_by)
            == TP_REFUSE) {
            tp__text_printf(messages, "%s: error: the module %s refuses to listen on %s: %.*s\n",
                            source->origin, refused_by, source->name, (int) call.refusal.text.len,
                            call.refusal.text.data);
            result = TP_DENIED;
        }
    }
    return result;
}

unsigned
tp__cycle_module_contexts(const struct tp_module *module)
{
    unsigned contexts = 0;

    for (size_t i = 0; i < module->directive_count; i++) {
        contexts |= module->directives[i].where;
    }
    return contexts;
}

/* Those that keep something of sessions: sessions that come from elsewhere may have it already. */
static void
server_add_keepings(struct tp_cycle *cycle, const struct tp_block *block, struct tp_server *server)
{
    struct tp_module_list list = tp__conf_modules(block);
    struct tp_keeping_use *keepings =
        tp__arena_alloc(&cycle->arena, list.count * sizeof(*keepings));
    size_t count = 0;

    for (size_t i = 0; i < list.count; i++) {
        if (list.modules[i]->session.size > 0) {
            keepings[count++] = (struct tp_keeping_use){
                .module = list.modules[i],
                .conf = tp_block_conf(block, list.modules[i]),
            };
        }
    }
    server->keepings = keepings;
    server->keeping_count = count;
}

/* With the module's conf of `block`.  Of a size that the configuration chose, so it is there. */
static void
hooks_add(struct tp_cycle *cycle, struct tp_hook_set **set, const struct tp_module *module,
          const struct tp_block *block, uint32_t points)
{
    enum tp_result result =
        tp__hooks_add_module(set, module, tp_block_conf(block, module), points, &cycle->arena);

    TP_ASSERT(result == TP_OK);
}

/* The block whose conf the module's hooks of a route get. */
static const struct tp_block *
hooks_block(const struct tp_module *module, const struct tp_block *server,
            const struct tp_block *route)
{
    return (tp__cycle_module_contexts(module) & tp_block_context(route)) != 0 ? route : server;
}
