/*
 * server/hooks.h - hooks where they stand: chains of a server and of its routes, made once
 * and constant afterwards.
 *
 * Who has no hook at all has no set (NULL), so that the way of an exchange costs one test.
 *
 * Threads: the loop's.
 */
#ifndef TP_SERVER_HOOKS_H
#define TP_SERVER_HOOKS_H

#include <teleport/hooks.h>
#include <teleport/log.h>

#include "base/arena.h"

struct tp_module;

/* Does a packet pass a hook without a call? */
typedef bool (*tp_hook_spares_fn)(const struct tp_exchange *exchange, const void *conf);

/* A hook with its conf. */
struct tp_hook_use {
    tp_hook_fn run;
    const void *conf;
    const char *owner;        /* the module's name: what waits for a hook finds it again by that */
    tp_hook_spares_fn spares; /* see struct tp_module; NULL: it spares none */
};

/* The hooks of one point, in the order in which they run. */
struct tp_hook_chain {
    const struct tp_hook_use *uses;
    size_t count;
};

struct tp_hook_set {
    struct tp_hook_chain at[TP_HOOK_POINT_COUNT];
};

/* Hooks that come together, with the conf they get. */
struct tp_hook_source {
    const struct tp_hooks *hooks; /* NULL: none */
    const void *conf;
    const char *owner; /* the module's name; "program" in the library */
    tp_hook_spares_fn spares;
};

/* A set of points. */
#define TP_HOOK_BIT(point) (UINT32_C(1) << (point))

/* Those that a route may have; of these, those of headers, and those of replies. */
#define TP_HOOKS_OF_ROUTES (tp__hook_points_of_routes())
#define TP_HOOKS_OF_HEADERS                                                                        \
    (TP_HOOK_BIT(TP_HOOK_POST_READ_PULL_HEADER) | TP_HOOK_BIT(TP_HOOK_POST_READ_PUSH_HEADER))
#define TP_HOOKS_OF_REPLIES                                                                        \
    (TP_HOOK_BIT(TP_HOOK_PRE_WRITE_REPLY) | TP_HOOK_BIT(TP_HOOK_POST_WRITE_REPLY))

uint32_t tp__hook_points_of_routes(void);

/*
 * The hooks of `source` at `points`, behind those that are in *set already.  *set is made in
 * `arena` with the first hook, and stays NULL without one.  TP_NO_MEMORY.
 *
 * A peer whose routes are added one by one has
 *     server->hooks            all points of the peer's hooks,
 *     server->unrouted_hooks   TP_HOOKS_OF_REPLIES of them,
 *     route->hooks             TP_HOOKS_OF_ROUTES without TP_HOOKS_OF_HEADERS of them, and
 *                              behind that TP_HOOKS_OF_ROUTES of each group around the route.
 */
enum tp_result tp__hooks_add(struct tp_hook_set **set, const struct tp_hook_source *source,
                             uint32_t points, struct tp_arena *arena) TP_MUST_CHECK;

/* The same of a module, as far as it wants any with this conf. */
enum tp_result tp__hooks_add_module(struct tp_hook_set **set, const struct tp_module *module,
                                    const void *conf, uint32_t points,
                                    struct tp_arena *arena) TP_MUST_CHECK;

/* TP_INVALID: `hooks` has one at a point that no route has, which is *wrong then. */
enum tp_result tp__hooks_check_route(const struct tp_hooks *hooks,
                                     enum tp_hook_point *wrong) TP_MUST_CHECK;

enum tp_hook_subject tp__hook_point_subject(enum tp_hook_point point);
enum tp_hook_power tp__hook_point_power(enum tp_hook_point point);

/* False: no point is called so. */
bool tp__hook_point_find(struct tp_str word, enum tp_hook_point *point);

/* The chain of a point; NULL when it has no hook.  `set` may be NULL. */
static inline const struct tp_hook_chain *
tp__hooks_at(const struct tp_hook_set *set, enum tp_hook_point point)
{
    return set == NULL || set->at[point].count == 0 ? NULL : &set->at[point];
}

/* Where the hook of `owner` is in the chain, which may be NULL; SIZE_MAX: it is not there. */
size_t tp__hook_chain_find(const struct tp_hook_chain *chain, struct tp_str owner);

#endif
