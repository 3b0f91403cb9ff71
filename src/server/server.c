/*
 * server.c - which protocols a server has.
 *
 * Read next: cycle/cycle.c and peer/options.c, which make servers.
 */
#include "server/server.h"

#include "base/str.h"

size_t
tp__protocols_count(const struct tp_module_list *modules)
{
    size_t count = 0;

    for (size_t i = 0; i < modules->count; i++) {
        count += modules->modules[i]->protocol_count;
    }
    return count;
}

size_t
tp__protocols_fill(const struct tp_module_list *modules, struct tp_protocol_use *uses)
{
    size_t count = 0;

    for (size_t i = 0; i < modules->count; i++) {
        for (size_t at = 0; at < modules->modules[i]->protocol_count; at++) {
            uses[count++] = (struct tp_protocol_use){ modules->modules[i]->protocols[at], NULL };
        }
    }
    return count;
}

const struct tp_protocol_use *
tp__server_find_protocol(const struct tp_server *server, struct tp_str name)
{
    for (size_t i = 0; i < server->protocol_count; i++) {
        if (tp__str_equal(tp__str(server->protocols[i].protocol->name), name)) {
            return &server->protocols[i];
        }
    }
    return NULL;
}

bool
tp__networks_have(const struct tp_items *items, const struct tp_address *address)
{
    const struct tp_network *networks = items->items;

    for (size_t i = 0; i < items->count; i++) {
        if (tp_network_has(&networks[i], address)) {
            return true;
        }
    }
    return false;
}
