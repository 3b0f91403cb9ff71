/*
 * hooks.c - the program's hooks as chains of the session layer: the peer's own, and behind them
 * those of each group around a route, from the outside in.
 *
 * Chains are made once, with the peer and with each group; all routes of a group share them.
 *
 * Runs in: the peer's thread.  Read next: server/hooks.h.
 */
#include "peer/peer.h"

#include "peer/built.h"
#include "session/hook_call.h"

enum {
    HOOKS_ARENA_CHUNK_BYTES = 1024,
};

/* What the peer's hooks have to do with its routes: headers are asked about before. */
#define HOOKS_BEHIND_ROUTING (TP_HOOKS_OF_ROUTES & ~TP_HOOKS_OF_HEADERS)

/* What modules of the library may have: their confs are the peer's, so they stand on no route. */
#define HOOKS_OF_SESSIONS                                                                          \
    (TP_HOOK_BIT(TP_HOOK_POST_DIAL) | TP_HOOK_BIT(TP_HOOK_POST_ACCEPT)                             \
     | TP_HOOK_BIT(TP_HOOK_POST_DISCONNECT))

static enum tp_result hooks_add_modules(struct tp_peer *peer, struct tp_hook_set **set);
static enum tp_result hooks_add_groups(struct tp_hook_set **set, const struct tp_group *group,
                                       struct tp_arena *arena);
static struct tp_hook_source hooks_of_peer(const struct tp_peer *peer);

enum tp_result
tp__peer_hooks_init(struct tp_peer *peer)
{
    const struct tp_hook_source source = hooks_of_peer(peer);
    struct tp_arena *arena = &peer->hooks_arena;
    struct tp_hook_set *all = NULL;
    struct tp_hook_set *unrouted = NULL;
    struct tp_hook_set *routed = NULL;

    tp__arena_init(arena, HOOKS_ARENA_CHUNK_BYTES);
    enum tp_result result =
        tp__hooks_add(&all, &source, TP_HOOK_BIT(TP_HOOK_POINT_COUNT) - 1, arena);

    if (result == TP_OK) {
        result = hooks_add_modules(peer, &all);
    }
    if (result == TP_OK) {
        result = tp__hooks_add(&unrouted, &source, TP_HOOKS_OF_REPLIES, arena);
    }
    if (result == TP_OK) {
        result = tp__hooks_add(&routed, &source, HOOKS_BEHIND_ROUTING, arena);
    }
    if (result != TP_OK) {
        tp__arena_fini(arena);
        return result;
    }
    peer->server.peer = peer;
    peer->server.hooks = all;
    peer->server.unrouted_hooks = unrouted;
    peer->route_hooks = routed;
    return TP_OK;
}

enum tp_result
tp__group_hooks_init(struct tp_group *group)
{
    const struct tp_hook_source source = hooks_of_peer(group->peer);
    struct tp_arena *arena = &group->hooks_arena;
    struct tp_hook_set *set = NULL;

    tp__arena_init(arena, HOOKS_ARENA_CHUNK_BYTES);
    enum tp_result result = tp__hooks_add(&set, &source, HOOKS_BEHIND_ROUTING, arena);

    if (result == TP_OK) {
        result = hooks_add_groups(&set, group, arena);
    }
    if (result != TP_OK) {
        tp__arena_fini(arena);
        return result;
    }
    group->route_hooks = set;
    return TP_OK;
}

bool
tp__peer_hooks_let_pass(struct tp_peer *peer, const struct tp_hook_set *set,
                        enum tp_hook_point point, struct tp_str text)
{
    struct tp_hook_call call = { .point = point, .peer = peer, .text = text };

    if (tp__hooks_ask(tp__hooks_at(set, point), &call, &peer->log, NULL) == TP_PASS) {
        return true;
    }
    tp__peer_fail(peer, TP_DENIED, "\"%.*s\": refused by a hook: %d %.*s", TP_STR_ARG(text),
                  (int) call.refusal.code, TP_STR_ARG(call.refusal.text));
    return false;
}

/* What modules have to say of sessions, behind the program's. */
static enum tp_result
hooks_add_modules(struct tp_peer *peer, struct tp_hook_set **set)
{
    enum tp_result result = TP_OK;

    for (size_t i = 0; i < tp__library_module_count && result == TP_OK; i++) {
        const struct tp_module *module = tp__library_modules[i];

        result = tp__hooks_add_module(set, module, tp__peer_conf(peer, module), HOOKS_OF_SESSIONS,
                                      &peer->hooks_arena);
    }
    return result;
}

/* The outermost first. */
static enum tp_result
hooks_add_groups(struct tp_hook_set **set, const struct tp_group *group, struct tp_arena *arena)
{
    const struct tp_hook_source source = {
        .hooks = group->hooks,
        .conf = group->hooks_conf,
        .owner = group->prefix.data,
    };
    enum tp_result result = TP_OK;

    if (group->parent != NULL) {
        result = hooks_add_groups(set, group->parent, arena);
    }
    return result == TP_OK ? tp__hooks_add(set, &source, TP_HOOKS_OF_ROUTES, arena) : result;
}

static struct tp_hook_source
hooks_of_peer(const struct tp_peer *peer)
{
    return (struct tp_hook_source){
        .hooks = peer->options.hooks,
        .conf = peer->options.hooks_conf,
        .owner = "program",
    };
}
