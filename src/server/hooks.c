/*
 * hooks.c - the table of points, and chains of hooks.
 *
 * Runs in: everywhere.  Owns: nothing.
 * Read next: session/hook_call.c, which calls them.
 */
#include "server/hooks.h"

#include <teleport/module.h>

#include "base/str.h"

#include <string.h>

/* A row of the table, as data. */
struct hook_row {
    const char *word;
    const char *sentence;
    enum tp_hook_subject subject;
    enum tp_hook_power power;
    bool is_of_routes;
};

static const struct hook_row hook_rows[TP_HOOK_POINT_COUNT] = {
#define HOOK_ROW(name, word, subject, power, on_route, sentence) \
    [TP_HOOK_##name] = { word, sentence, TP_HOOK_OF_##subject, TP_HOOK_##power, on_route },
    TP_HOOK_TABLE(HOOK_ROW)
#undef HOOK_ROW
};

const char *
tp_hook_point_word(enum tp_hook_point point)
{
    return hook_rows[point].word;
}

const char *
tp_hook_point_sentence(enum tp_hook_point point)
{
    return hook_rows[point].sentence;
}

enum tp_hook_subject
tp__hook_point_subject(enum tp_hook_point point)
{
    return hook_rows[point].subject;
}

enum tp_hook_power
tp__hook_point_power(enum tp_hook_point point)
{
    return hook_rows[point].power;
}

uint32_t
tp__hook_points_of_routes(void)
{
    uint32_t points = 0;

    for (int point = 0; point < TP_HOOK_POINT_COUNT; point++) {
        points |= hook_rows[point].is_of_routes ? TP_HOOK_BIT(point) : 0;
    }
    return points;
}

bool
tp__hook_point_find(struct tp_str word, enum tp_hook_point *point)
{
    for (int i = 0; i < TP_HOOK_POINT_COUNT; i++) {
        if (tp__str_equal(word, tp__str(hook_rows[i].word))) {
            *point = (enum tp_hook_point) i;
            return true;
        }
    }
    return false;
}

enum tp_result
tp__hooks_add(struct tp_hook_set **set, const struct tp_hook_source *source, uint32_t points,
              struct tp_arena *arena)
{
    for (int point = 0; source->hooks != NULL && point < TP_HOOK_POINT_COUNT; point++) {
        if ((points & TP_HOOK_BIT(point)) == 0 || source->hooks->at[point] == NULL) {
            continue;
        }
        if (*set == NULL) {
            *set = tp__arena_try_alloc(arena, sizeof(**set));
        }
        if (*set == NULL) {
            return TP_NO_MEMORY;
        }
        struct tp_hook_chain *chain = &(*set)->at[point];
        struct tp_hook_use *uses = tp__arena_try_alloc(arena, (chain->count + 1) * sizeof(*uses));

        if (uses == NULL) {
            return TP_NO_MEMORY;
        }
        if (chain->count > 0) {
            memcpy(uses, chain->uses, chain->count * sizeof(*uses));
        }
        uses[chain->count] = (struct tp_hook_use){
            .run = source->hooks->at[point],
            .conf = source->conf,
            .owner = source->owner,
            .spares = source->spares,
        };
        chain->uses = uses;
        chain->count++;
    }
    return TP_OK;
}

enum tp_result
tp__hooks_check_route(const struct tp_hooks *hooks, enum tp_hook_point *wrong)
{
    for (int point = 0; point < TP_HOOK_POINT_COUNT; point++) {
        if (hooks->at[point] != NULL && !hook_rows[point].is_of_routes) {
            *wrong = (enum tp_hook_point) point;
            return TP_INVALID;
        }
    }
    return TP_OK;
}

enum tp_result
tp__hooks_add_module(struct tp_hook_set **set, const struct tp_module *module, const void *conf,
                     uint32_t points, struct tp_arena *arena)
{
    const struct tp_hook_source source = {
        .hooks = &module->hooks,
        .conf = conf,
        .owner = module->name,
        .spares = module->spares,
    };
    uint32_t wanted = points;

    if (module->wants_hooks != NULL && !module->wants_hooks(conf)) {
        return TP_OK;
    }
    for (int point = 0; module->wants_hook_at != NULL && point < TP_HOOK_POINT_COUNT; point++) {
        wanted &= module->wants_hook_at(conf, (enum tp_hook_point) point) ? UINT32_MAX
                                                                          : ~TP_HOOK_BIT(point);
    }
    return tp__hooks_add(set, &source, wanted, arena);
}

size_t
tp__hook_chain_find(const struct tp_hook_chain *chain, struct tp_str owner)
{
    for (size_t i = 0; chain != NULL && i < chain->count; i++) {
        if (tp__str_equal(tp__str(chain->uses[i].owner), owner)) {
            return i;
        }
    }
    return SIZE_MAX;
}
