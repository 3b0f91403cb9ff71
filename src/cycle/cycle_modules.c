/*
 * cycle_modules.c - modules that work on their own in a worker: begun with each of their confs
 * before a configuration comes into force, ended when nothing uses it any more.
 *
 * So while sessions move from one configuration to the next both have their modules.
 *
 * Runs in: workers.  Owns: which have begun.  Read next: process/worker_cycle.c.
 */
#include "cycle/cycle.h"

#include "base/result.h"

/* What is under way while modules begin. */
struct modules_starting {
    struct tp_cycle *cycle;
    struct tp_text *messages;
    size_t count_max;
    enum tp_result result;
};

static void modules_count(const struct tp_block *block, void *owner);
static void modules_start(const struct tp_block *block, void *owner);
static enum tp_result modules_start_one(struct modules_starting *starting,
                                        const struct tp_module *module,
                                        const struct tp_block *block);
static bool module_works_in(const struct tp_module *module, const struct tp_block *block);

enum tp_result
tp__cycle_start_modules(struct tp_cycle *cycle, struct tp_sessions *home, struct tp_text *messages)
{
    struct modules_starting starting = { .cycle = cycle, .messages = messages, .result = TP_OK };

    TP_ASSERT(cycle->is_attached && cycle->home == NULL);
    cycle->home = home;
    starting.result = tp__cycle_start_upstreams(cycle, home);
    tp__conf_each_block(cycle->conf, modules_count, &starting);
    cycle->starts =
        tp__arena_new_array(&cycle->arena, struct tp_cycle_start, starting.count_max + 1);
    tp__conf_each_block(cycle->conf, modules_start, &starting);
    return starting.result;
}

void
tp__cycle_stop_modules(struct tp_cycle *cycle)
{
    while (cycle->start_count > 0) {
        const struct tp_cycle_start *start = &cycle->starts[--cycle->start_count];

        if (start->module->stop != NULL) {
            start->module->stop(cycle->home, start->conf);
        }
    }
    tp__cycle_stop_upstreams(cycle);
    cycle->home = NULL;
}

static void
modules_count(const struct tp_block *block, void *owner)
{
    struct modules_starting *starting = owner;
    struct tp_module_list list = tp__conf_modules(block);

    for (size_t i = 0; i < list.count; i++) {
        starting->count_max += module_works_in(list.modules[i], block) ? 1 : 0;
    }
}

static void
modules_start(const struct tp_block *block, void *owner)
{
    struct modules_starting *starting = owner;
    struct tp_module_list list = tp__conf_modules(block);

    for (size_t i = 0; i < list.count && starting->result == TP_OK; i++) {
        if (module_works_in(list.modules[i], block)) {
            starting->result = modules_start_one(starting, list.modules[i], block);
        }
    }
}

static enum tp_result
modules_start_one(struct modules_starting *starting, const struct tp_module *module,
                  const struct tp_block *block)
{
    struct tp_cycle *cycle = starting->cycle;
    const void *conf = tp_block_conf(block, module);
    enum tp_result result = module->start == NULL ? TP_OK : module->start(cycle->home, conf);

    if (result == TP_OK) {
        cycle->starts[cycle->start_count++] = (struct tp_cycle_start){ module, conf };
    } else {
        tp__text_printf(starting->messages, "the module %s cannot begin its work: %s\n",
                        module->name, tp__result_text(result));
    }
    return result;
}

/* In blocks where it has directives; without any directive, once. */
static bool
module_works_in(const struct tp_module *module, const struct tp_block *block)
{
    unsigned contexts = tp__cycle_module_contexts(module);

    if (module->start == NULL && module->stop == NULL) {
        return false;
    }
    return ((contexts == 0 ? TP_IN_MAIN : contexts) & (unsigned) tp_block_context(block)) != 0;
}
