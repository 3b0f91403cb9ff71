/*
 * advice.c - warns of rules of registry_allow that let nobody announce anything, because there is no
 * registry where they hold, or nobody can prove who he is there.
 *
 * Rules of a peer are for its servers: it is enough that one of them can do something with them.
 *
 * Runs in: whichever process loads a configuration.  Read next: registry.c.
 */
#include "registry.h"

struct advice {
    bool has_registry;
    bool has_identities;
};

static void advice_take_server(struct advice *advice, const struct tp_block *server,
                               const struct registry_conf *conf);

void
registry_advise(const struct tp_block *block, const struct registry_conf *conf)
{
    const struct registry_rule *rules = conf->rules.items;
    struct advice advice = { .has_registry = false };

    if (!tp_block_writes(block, "registry_allow")) {
        return;
    }
    if (tp_block_context(block) == TP_IN_SERVER) {
        advice_take_server(&advice, block, conf);
    } else {
        for (const struct tp_block *server = tp_block_first(block, TP_IN_SERVER); server != NULL;
             server = tp_block_next(server)) {
            advice_take_server(&advice, server, tp_block_conf(server, &tp_module_registry));
        }
    }
    if (!advice.has_registry) {
        tp_conf_warn(block, "registry_allow", 0,
                     "nothing can be announced without \"registry on\"");
        return;
    }
    for (size_t i = 0; i < conf->rules.count && !advice.has_identities; i++) {
        if (rules[i].by == REGISTRY_IDENTITY) {
            tp_conf_warn(
                block, "registry_allow", i,
                "nobody can prove who he is without \"auth\", so this lets nobody announce "
                "anything; by=anybody lets whoever reaches the server");
        }
    }
}

static void
advice_take_server(struct advice *advice, const struct tp_block *server,
                   const struct registry_conf *conf)
{
    if (conf->store.mode == REGISTRY_OFF) {
        return;
    }
    advice->has_registry = true;
    advice->has_identities |=
        tp_block_writes(server, "auth") || tp_block_writes(tp_block_parent(server), "auth");
}
