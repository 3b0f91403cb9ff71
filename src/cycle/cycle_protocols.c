/*
 * cycle_protocols.c - which protocols servers, listening addresses and dials speak.
 *
 * Every server has all that are built in; a `listen` or `dial` may name one of them.
 *
 * Runs in: master and workers, while a cycle is built.  Read next: session/session_protocol.c.
 */
#include "cycle/cycle.h"

#include "base/str.h"
#include "cycle/server_directives.h"

static void cycle_report_no_protocol(const struct tp_server *server, struct tp_str name,
                                     const char *origin, struct tp_text *messages);

void
tp__cycle_build_protocols(struct tp_cycle *cycle, const struct tp_program *program,
                          const struct tp_block *block, struct tp_server *server,
                          struct tp_text *messages)
{
    const struct tp_module_list *modules = &program->modules;
    const struct tp_server_conf *conf = tp_block_conf(block, &tp__module_server);

    server->protocols = tp__arena_new_array(&cycle->arena, struct tp_protocol_use,
                                            tp__protocols_count(modules) + 1);
    for (size_t i = 0; i < modules->count; i++) {
        const struct tp_module *module = modules->modules[i];

        for (size_t at = 0; at < module->protocol_count; at++) {
            server->protocols[server->protocol_count++] = (struct tp_protocol_use){
                .protocol = module->protocols[at],
                .conf = tp_block_conf(block, module),
            };
        }
    }
    server->origins = conf->origins.items;
    server->origin_count = conf->origins.count;
    server->gateways = conf->gateways.count > 0 ? &conf->gateways : NULL;
    server->default_protocol = tp__cycle_find_protocol(
        server, conf->protocol_default, tp__conf_origin(block, "protocol_default", 0), messages);
}

const struct tp_protocol_use *
tp__cycle_find_protocol(const struct tp_server *server, struct tp_str name, const char *origin,
                        struct tp_text *messages)
{
    const struct tp_protocol_use *use = NULL;

    if (!tp__str_equal(name, TP_STR(TP_PROTOCOL_AUTO))) {
        use = tp__server_find_protocol(server, name);
        if (use == NULL) {
            cycle_report_no_protocol(server, name, origin, messages);
        }
    }
    return use;
}

static void
cycle_report_no_protocol(const struct tp_server *server, struct tp_str name, const char *origin,
                         struct tp_text *messages)
{
    tp__text_printf(messages, "%s: error: no protocol \"%.*s\" is built in", origin, (int) name.len,
                    name.data);
    for (size_t i = 0; i < server->protocol_count; i++) {
        tp__text_printf(messages, "%s %s", i == 0 ? "; there are:" : ",",
                        server->protocols[i].protocol->name);
    }
    tp__text_printf(messages, "\n");
}
