/*
 * cycle_stats.c - gives servers and routes the places where they are counted.
 *
 * Names of things are the same after a reload, and so are their places.
 *
 * Runs in: workers; the master reads only.  Owns: its mappings.
 * Read next: metrics/stats.h, session/counting.c.
 */
#include "cycle/cycle_stats.h"

#include "base/str.h"

static void server_count_in(struct tp_server *server, struct tp_stats *stats);
static struct tp_exchange_counts *server_find_asked(const struct tp_server *server,
                                                    struct tp_stats *stats, const char *type);

enum tp_result
tp__own_stats_open(struct tp_own_stats *own, const struct tp_descriptors *set,
                   const struct tp_module_list *modules, unsigned slot)
{
    enum tp_result result = tp__shared_open(&own->shared, set);

    if (result != TP_OK) {
        return result;
    }
    own->stats = (struct tp_stats){
        .meters = &own->shared.meters,
        .slow = &own->shared.slow,
        .counters = &own->shared.counters,
        .roster = &own->shared.roster,
        .modules = *modules,
        .slot = slot,
    };
    result = tp__stats_init(&own->stats);
    if (result != TP_OK) {
        tp__shared_close(&own->shared);
        return result;
    }
    own->is_open = true;
    return TP_OK;
}

void
tp__own_stats_close(struct tp_own_stats *own)
{
    if (own->is_open) {
        tp__stats_fini(&own->stats);
        tp__shared_close(&own->shared);
        own->is_open = false;
    }
}

void
tp__cycle_count_in(struct tp_cycle *cycle, struct tp_stats *stats)
{
    for (size_t i = 0; i < cycle->server_count; i++) {
        server_count_in(&cycle->servers[i], stats);
    }
    for (struct tp_cycle_route *counted = cycle->routes; counted != NULL; counted = counted->next) {
        const struct tp_str labels[] = {
            tp__str(counted->server->name),
            tp__str(counted->type),
            counted->route->uri,
        };

        if (counted->server->is_counted) {
            counted->route->logging.counts = tp__stats_find(stats, TP_STATS_ROUTE, labels);
        }
    }
}

static void
server_count_in(struct tp_server *server, struct tp_stats *stats)
{
    const struct tp_str labels[] = { tp__str(server->name), TP_STR("-"), TP_STR("-") };

    if (server->is_counted) {
        server->logging.counts = tp__stats_find(stats, TP_STATS_ROUTE, labels);
        server->asked = server_find_asked(server, stats, "PULL");
        server->told = server_find_asked(server, stats, "PUSH");
    }
}

static struct tp_exchange_counts *
server_find_asked(const struct tp_server *server, struct tp_stats *stats, const char *type)
{
    const struct tp_str labels[] = { tp__str(server->name), tp__str(type) };

    return tp__stats_find(stats, TP_STATS_ASKED, labels);
}
