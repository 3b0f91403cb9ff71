/*
 * cycle_upstreams.c - from upstream blocks, and addresses that routes name, to places that a worker
 * keeps sessions to.
 *
 * Their sessions are the peer's own: served by its routes and bounded by its values.
 *
 * Runs in: master and workers, while a cycle is built; start and stop in workers.
 * Read next: upstream/upstream.c; cycle_dials.c, which does the same for `dial`.
 */
#include "cycle/cycle.h"

#include "base/str.h"
#include "cycle/dial_directives.h"
#include "cycle/server_directives.h"
#include "cycle/tls_directives.h"
#include "cycle/upstream_directives.h"
#include "net/dialer.h"
#include "session/session.h"

#include <string.h>

enum {
    REDIAL_MAX_MS = 1000, /* where nobody writes another */
};

/* What the parts of one upstream have in common while it is built. */
struct upstream_building {
    struct tp_cycle *cycle;
    const struct tp_block *block; /* the upstream's, or the peer's */
    const struct tp_server *server;
    const char *name;
    struct tp_text *messages;
};

static void upstream_build(const struct upstream_building *building,
                           struct tp_upstream_options *options);
static void place_build(const struct upstream_building *building,
                        const struct tp_upstream_server_conf *conf, const char *origin,
                        struct tp_upstream_place *place);
static const struct tp_dial *dial_build(const struct upstream_building *building,
                                        const struct tp_upstream_server_conf *conf,
                                        const char *origin);
static struct tp_dialing place_dialing(const struct tp_block *block);
static void ref_build(const struct upstream_building *building, struct tp_upstream_ref *ref);
static const struct tp_upstream_options *ref_find(const struct tp_cycle *cycle, struct tp_str name);

/* An address that a route names has what a `server` without anything further has. */
static const struct tp_upstream_server_conf plain_server = {
    .protocol = { TP_PROTOCOL_AUTO, sizeof(TP_PROTOCOL_AUTO) - 1 },
    .weight = 1,
    .max_fails = TP_MAX_FAILS_PRESET,
    .fail_timeout.ms = TP_FAIL_TIMEOUT_PRESET_MS,
};

size_t
tp__cycle_count_upstreams(const struct tp_block *peer)
{
    const struct tp_upstream_conf *conf = tp_block_conf(peer, &tp__module_upstream);
    size_t count = 0;

    for (const struct tp_block *block = tp_block_first(peer, TP_IN_UPSTREAM); block != NULL;
         block = tp_block_next(block)) {
        count++;
    }
    for (const struct tp_upstream_ref *ref = conf->refs; ref != NULL; ref = ref->next) {
        count++;
    }
    return count;
}

void
tp__cycle_build_upstreams(struct tp_cycle *cycle, const struct tp_block *peer,
                          const struct tp_server *server, struct tp_text *messages)
{
    const struct tp_upstream_conf *conf = tp_block_conf(peer, &tp__module_upstream);
    struct upstream_building building = {
        .cycle = cycle,
        .block = peer,
        .server = server,
        .messages = messages,
    };

    cycle->upstreams = tp__arena_new_array(&cycle->arena, struct tp_upstream_options,
                                           tp__cycle_count_upstreams(peer) + 1);
    cycle->upstream_refs = conf->refs;
    for (const struct tp_block *block = tp_block_first(peer, TP_IN_UPSTREAM); block != NULL;
         block = tp_block_next(block)) {
        const struct tp_upstream_conf *own = tp_block_conf(block, &tp__module_upstream);

        building.block = block;
        building.name = own->name.data;
        upstream_build(&building, &cycle->upstreams[cycle->upstream_count++]);
    }
    building.block = peer;
    for (struct tp_upstream_ref *ref = cycle->upstream_refs; ref != NULL; ref = ref->next) {
        ref_build(&building, ref);
    }
}

const struct tp_source *
tp__cycle_find_upstream_source(const struct tp_cycle *cycle, const char *name)
{
    for (size_t i = 0; i < cycle->upstream_count; i++) {
        const struct tp_upstream_options *options = &cycle->upstreams[i];

        for (size_t j = 0; j < options->place_count; j++) {
            if (strcmp(options->places[j].dial->source.name, name) == 0) {
                return &options->places[j].dial->source;
            }
        }
        if (options->member_dial != NULL && strcmp(options->member_dial->source.name, name) == 0) {
            return &options->member_dial->source;
        }
    }
    return NULL;
}

enum tp_result
tp__cycle_start_upstreams(struct tp_cycle *cycle, struct tp_sessions *home)
{
    for (struct tp_upstream_ref *ref = cycle->upstream_refs; ref != NULL; ref = ref->next) {
        if (ref->finder == NULL && ref->options->member_dial == NULL) {
            ref->upstream = tp__upstreams_hold(home->upstreams, ref->options);
            if (ref->upstream == NULL) {
                return TP_NO_MEMORY;
            }
        }
    }
    return TP_OK;
}

void
tp__cycle_stop_upstreams(struct tp_cycle *cycle)
{
    for (struct tp_upstream_ref *ref = cycle->upstream_refs; ref != NULL; ref = ref->next) {
        if (ref->upstream != NULL) {
            tp_upstream_release(&ref->upstream);
        }
    }
}

static void
upstream_build(const struct upstream_building *building, struct tp_upstream_options *options)
{
    const struct tp_upstream_conf *conf = tp_block_conf(building->block, &tp__module_upstream);
    bool has_key = tp_block_writes(building->block, "hash");
    bool is_by_pending = tp_block_writes(building->block, "least_pending");
    struct tp_upstream_place *places = tp__arena_new_array(
        &building->cycle->arena, struct tp_upstream_place, conf->servers.count + 1);
    const struct tp_upstream_server_conf *servers = conf->servers.items;

    *options = (struct tp_upstream_options){
        .name = building->name,
        .balance = has_key         ? TP_BALANCE_HASH
                   : is_by_pending ? TP_BALANCE_LEAST_PENDING
                                   : TP_BALANCE_ROUND_ROBIN,
        .key = has_key ? &conf->hash_key : NULL,
        .session_count = conf->sessions,
        .waiting_max = conf->queue,
        .keepalive = conf->keepalive,
        .check = {
            .uri = conf->check_uri,
            .interval = conf->check_interval,
            .timeout = conf->check_timeout,
            .fails = conf->check_fails,
            .passes = conf->check_passes,
        },
        .places = places,
    };
    if (tp_block_context(building->block) != TP_IN_UPSTREAM) {
        return;
    }
    options->place_count = conf->servers.count;
    for (size_t i = 0; i < conf->servers.count; i++) {
        place_build(building, &servers[i], tp__conf_origin(building->block, "server", i),
                    &places[i]);
    }
}

static void
place_build(const struct upstream_building *building, const struct tp_upstream_server_conf *conf,
            const char *origin, struct tp_upstream_place *place)
{
    *place = (struct tp_upstream_place){
        .key = conf->target,
        .dial = dial_build(building, conf, origin),
        .weight = (uint32_t) conf->weight,
        .max_pulls = (uint32_t) conf->max_pulls,
        .max_fails = (uint32_t) conf->max_fails,
        .fail_timeout = conf->fail_timeout,
        .is_backup = conf->backup,
        .is_down = conf->down,
    };
}

/* A target of no bytes is that of members, whose addresses come later. */
static const struct tp_dial *
dial_build(const struct upstream_building *building, const struct tp_upstream_server_conf *conf,
           const char *origin)
{
    struct tp_cycle *cycle = building->cycle;
    const struct tp_server_conf *server = tp_block_conf(building->block, &tp__module_server);
    const struct tp_dial_conf *dialing = tp_block_conf(building->block, &tp__module_dial);
    const struct tp_tls_conf *tls = tp_block_conf(building->block, &tp__module_tls);
    struct tp_dial *dial = tp__arena_new(&cycle->arena, struct tp_dial);
    struct tp_target target = { 0 };

    if (conf->target.len > 0) {
        const char *wrong = tp__target_parse(conf->target, &target);

        TP_ASSERT(wrong == NULL);
    }
    bool has_tls = conf->ssl || target.has_tls;
    struct tp_str name = tp__arena_format(&cycle->arena, "upstream %s %s", building->name,
                                          conf->target.len > 0 ? conf->target.data : "");

    if (has_tls && tls->context == NULL) {
        tp__text_printf(building->messages,
                        "%s: error: %s speaks TLS, which needs an upstream block\n", origin,
                        conf->target.data);
    }
    dial->source = (struct tp_source){
        .name = name.data,
        .server = building->server,
        .socket_options = { .tcp_nodelay = server->tcp_nodelay },
        .protocol = tp__cycle_target_protocol(building->server, &target, conf->protocol, origin,
                                              building->messages),
        .origin = origin,
        .tls = has_tls ? tls->context : NULL,
        .tls_name = has_tls ? tp__tls_conf_name(tls, &cycle->arena, &target) : NULL,
        .credentials = tp__cycle_credentials_of(dialing),
    };
    dial->dialing = place_dialing(building->block);
    dial->dialing.target = target;
    return dial;
}

/*
 * One that does not come back is dialed all the same: it is one of several.  What nobody has written
 * is shorter than for a dial, because PULLs wait for the place, and go elsewhere meanwhile.
 */
static struct tp_dialing
place_dialing(const struct tp_block *block)
{
    const struct tp_dial_conf *conf = tp_block_conf(block, &tp__module_dial);
    struct tp_dialing dialing = {
        .timeout = conf->dial_timeout,
        .redial = {
            .first = conf->redial_first.ms > 0 ? conf->redial_first : conf->redial_max,
            .max = conf->redial_max,
            .times = conf->redial_times,
        },
    };

    if (strcmp(tp__conf_origin(block, "redial", 0), "default") == 0) {
        dialing.redial.max.ms = REDIAL_MAX_MS;
    }
    return dialing;
}

/* A name of no bytes is how members are dialed. */
static void
ref_build(const struct upstream_building *parent, struct tp_upstream_ref *ref)
{
    struct tp_cycle *cycle = parent->cycle;
    struct upstream_building building = *parent;

    if (ref->finder != NULL) {
        return;
    }
    ref->options = ref_find(cycle, ref->name);
    if (ref->options != NULL) {
        return;
    }
    struct tp_upstream_options *options = &cycle->upstreams[cycle->upstream_count++];
    struct tp_upstream_server_conf server = plain_server;

    building.name = ref->name.len > 0 ? tp__arena_copy(&cycle->arena, ref->name).data : "";
    upstream_build(&building, options);
    ref->options = options;
    server.target = ref->name;
    if (ref->name.len == 0) {
        options->member_dial = dial_build(&building, &server, ref->origin);
        return;
    }
    struct tp_upstream_place *place = tp__arena_new(&cycle->arena, struct tp_upstream_place);

    place_build(&building, &server, ref->origin, place);
    options->places = place;
    options->place_count = 1;
}

static const struct tp_upstream_options *
ref_find(const struct tp_cycle *cycle, struct tp_str name)
{
    for (size_t i = 0; i < cycle->upstream_count; i++) {
        if (tp__str_equal(tp__str(cycle->upstreams[i].name), name)) {
            return &cycle->upstreams[i];
        }
    }
    return NULL;
}
