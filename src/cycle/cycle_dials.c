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
#include "cycle/tls_directives.h"
#include "net/dialer.h"

#include "base/str.h"

#include <string.h>

static struct tp_target dial_target(const struct tp_dial_conf *conf);

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
                      const struct tp_server *server, struct tp_text *messages)
{
    const struct tp_server_conf *server_conf = tp_block_conf(parent, &tp__module_server);

    for (const struct tp_block *block = tp_block_first(parent, TP_IN_DIAL); block != NULL;
         block = tp_block_next(block)) {
        const struct tp_dial_conf *conf = tp_block_conf(block, &tp__module_dial);
        struct tp_target target = dial_target(conf);
        bool is_redialed = conf->redial_first.ms > 0;
        const struct tp_tls_conf *tls = tp_block_conf(block, &tp__module_tls);
        struct tp_str name = tp__arena_format(&cycle->arena, "dial %s", conf->target.data);
        const char *origin = tp__conf_origin(block, "dial", 0);

        cycle->dials[cycle->dial_count++] = (struct tp_dial){
            .source = {
                .name = name.data,
                .server = server,
                .socket_options = { .tcp_nodelay = server_conf->tcp_nodelay },
                .protocol = tp__cycle_target_protocol(server, &target, conf->protocol, origin, messages),
                .origin = origin,
                .tls = tls->context,
                .tls_name = tp__tls_conf_name(tls, &cycle->arena, &target),
                .credentials = tp__cycle_credentials_of(conf),
            },
            .dialing = {
                .target = target,
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

/* It has been parsed once: nothing can be wrong with it. */
static struct tp_target
dial_target(const struct tp_dial_conf *conf)
{
    struct tp_target target;
    const char *wrong = tp__target_parse(conf->target, &target);

    TP_ASSERT(wrong == NULL);
    return target;
}

const struct tp_protocol_use *
tp__cycle_target_protocol(const struct tp_server *server, const struct tp_target *target,
                          struct tp_str named, const char *origin, struct tp_text *messages)
{
    struct tp_str scheme = tp__str(target->protocol == NULL ? TP_PROTOCOL_AUTO : target->protocol);
    bool is_named = !tp__str_equal(named, TP_STR(TP_PROTOCOL_AUTO));
    const struct tp_protocol_use *use =
        tp__cycle_find_protocol(server, is_named ? named : scheme, origin, messages);

    if (is_named && target->protocol != NULL && !tp__str_equal(scheme, named)) {
        tp__text_printf(messages, "%s: error: %s says %s, and protocol= says %s\n", origin,
                        target->whole.data, target->protocol, named.data);
    }
    return use == NULL ? server->default_protocol : use;
}

/* Texts of the configuration end with a zero. */
struct tp_credentials
tp__cycle_credentials_of(const struct tp_dial_conf *conf)
{
    return (struct tp_credentials){
        .file = conf->credentials_file.len == 0 ? NULL : conf->credentials_file.data,
        .environment =
            conf->credentials_environment.len == 0 ? NULL : conf->credentials_environment.data,
        .uri = conf->auth_uri.data,
    };
}

void
tp__cycle_check_dials(const struct tp_cycle *cycle, struct tp_text *messages)
{
    for (size_t i = 0; i < cycle->dial_count; i++) {
        const struct tp_source *source = &cycle->dials[i].source;
        const struct tp_dial *first = tp__cycle_find_dial(cycle, source->name);

        if (&cycle->dials[i] != first) {
            tp__text_printf(messages, "%s: error: %s is dialed already at %s\n", source->origin,
                            cycle->dials[i].dialing.target.whole.data, first->source.origin);
        }
        if (tp__credentials_are_there(&source->credentials)
            && source->protocol->protocol->credentials == TP_CREDENTIALS_NONE) {
            tp__text_printf(messages, "%s: error: the protocol %s has no place for credentials\n",
                            source->origin, source->protocol->protocol->name);
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
