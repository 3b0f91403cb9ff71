/*
 * hooks.c - the program's hooks where they stand: those of its options on the peer and on all
 * routes, those of a group on the group's routes.
 *
 * Runs in: the peer's thread.  Owns: the chains, as long as the peer lives.
 * Read next: session/hooks.h.
 */
#include "peer/peer.h"

enum {
    HOOKS_ARENA_CHUNK_BYTES = 1024,
};

/* Who has them, in messages: there are no modules here. */
static const char program_name[] = "program";

enum tp_result
tp__peer_hooks_init(struct tp_peer *peer)
{
    const struct tp_hook_source source = {
        .hooks = peer->options.hooks,
        .conf = peer->options.hooks_conf,
        .owner = program_name,
    };
    const uint32_t all = TP_HOOK_BIT(TP_HOOK_POINT_COUNT) - 1;
    struct tp_hook_set *hooks = NULL;
    struct tp_hook_set *unrouted = NULL;

    tp__arena_init(&peer->hooks_arena, HOOKS_ARENA_CHUNK_BYTES);
    enum tp_result result = tp__hooks_add(&hooks, &source, all, &peer->hooks_arena);

    if (result == TP_OK) {
        result = tp__hooks_add(&unrouted, &source, TP_HOOKS_OF_REPLIES, &peer->hooks_arena);
    }
    if (result != TP_OK) {
        tp__arena_fini(&peer->hooks_arena);
    }
    peer->server.hooks = hooks;
    peer->server.unrouted_hooks = unrouted;
    peer->server.peer = peer;
    return result;
}

void
tp__peer_hooks_fini(struct tp_peer *peer)
{
    tp__arena_fini(&peer->hooks_arena);
}

enum tp_result
tp__peer_route_hooks(struct tp_peer *peer, struct tp_hook_set **hooks)
{
    const struct tp_hook_source source = {
        .hooks = peer->options.hooks,
        .conf = peer->options.hooks_conf,
        .owner = program_name,
    };

    return tp__hooks_add(hooks, &source, TP_HOOKS_OF_ROUTES & ~TP_HOOKS_OF_HEADERS,
                         &peer->hooks_arena);
}

enum tp_result
tp__peer_group_hooks(struct tp_peer *peer, const struct tp_hooks *group, const void *conf,
                     struct tp_hook_set **hooks)
{
    const struct tp_hook_source source = { .hooks = group, .conf = conf, .owner = program_name };

    return tp__hooks_add(hooks, &source, TP_HOOKS_OF_ROUTES, &peer->hooks_arena);
}

enum tp_result
tp__peer_ask_hooks(struct tp_peer *peer, const struct tp_hook_set *hooks, enum tp_hook_point point,
                   struct tp_str text)
{
    struct tp_hook_call call = { .point = point, .peer = peer, .text = text };

    return tp__hooks_ask(tp__hooks_at(hooks, point), &call, &peer->log, NULL) == TP_REFUSE
               ? TP_DENIED
               : TP_OK;
}
