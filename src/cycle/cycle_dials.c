/*
 * cycle_dials.c - from dial blocks to sources of sessions.
 *
 * What a server dials is served like what it accepts; what the peer dials, by the peer's own
 * routes and values.
 *
 * Runs in: master and workers, while a cycle is built.  Read next: process/dials.c.
 */
#include "cycle/cycle.h"
#include "cycle/dial_directives.h"
#include "cycle/server_directives.h"

#include <string.h>

size_t
tp__cycle_count_dials(const struct tp_block *parent)
{
    size_t count = 0;

    for (const struct tp_block *block = tp_block_first(parent, TP_IN_DIAL); block != NULL;
         block = tp_block_next(block)) {
        count++;
    }
    return count;
}

void
tp__cycle_build_dials(struct tp_cycle *cycle, const struct tp_block *parent,
                      const struct tp_server *server)
{
    const struct tp_server_conf *server_conf = tp_block_conf(parent, &tp__module_server);

    for (const struct tp_block *block = tp_block_first(parent, TP_IN_DIAL); block != NULL;
         block = tp_block_next(block)) {
        const struct tp_dial_conf *conf = tp_block_conf(block, &tp__module_dial);
        bool is_redialed = conf->redial_first.ms > 0;
        struct tp_str name = tp__arena_format(&cycle->arena, "dial %s", conf->target.data);

        cycle->dials[cycle->dial_count++] = (struct tp_dial){
            .source = {
                .name = name.data,
                .server = server,
                .socket_options = { .tcp_nodelay = server_conf->tcp_nodelay },
                .origin = tp__conf_origin(block, "dial", 0),
            },
            .dialing = {
                .target = conf->target,
                .timeout = conf->dial_timeout,
                .redial = {
                    .first = conf->redial_first,
                    .max = conf->redial_max,
                    .times = is_redialed ? conf->redial_times : 0,
                },
            },
        };
    }
}

void
tp__cycle_check_dials(const struct tp_cycle *cycle, struct tp_text *messages)
{
    for (size_t i = 0; i < cycle->dial_count; i++) {
        const struct tp_source *source = &cycle->dials[i].source;
        const struct tp_dial *first = tp__cycle_find_dial(cycle, source->name);

        if (&cycle->dials[i] != first) {
            tp__text_printf(messages, "%s: error: %s is dialed already at %s\n", source->origin,
                            cycle->dials[i].dialing.target.data, first->source.origin);
        }
    }
}

const struct tp_dial *
tp__cycle_find_dial(const struct tp_cycle *cycle, const char *name)
{
    for (size_t i = 0; i < cycle->dial_count; i++) {
        if (strcmp(cycle->dials[i].source.name, name) == 0) {
            return &cycle->dials[i];
        }
    }
    return NULL;
}
