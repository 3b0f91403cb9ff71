/*
 * cycle.c - from a loaded configuration to what runs: logs, servers, listens.
 *
 * Loading and opening are apart: the master does both, a worker loads the same
 * text and is handed what the master opened.
 *
 * Runs in: master and workers.
 * Read next: cycle_routes.c, cycle_hooks.c, cycle_logs.c, reload.c (the master's use), worker_cycle.c (a
 * worker's).
 */
#include "cycle/cycle.h"

#include "base/result.h"
#include "cycle/server_directives.h"
#include "cycle/tls_directives.h"
#include "os/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CYCLE_ARENA_CHUNK_BYTES = 8 * 1024,
};

static void cycle_on_unused(struct tp_counted *counted);
static void cycle_build(struct tp_cycle *cycle, const struct tp_program *program,
                        struct tp_text *messages);
static void cycle_build_server(struct tp_cycle *cycle, const struct tp_program *program,
                               const struct tp_block *block, struct tp_text *messages);
static void cycle_build_codecs(struct tp_cycle *cycle, const struct tp_program *program,
                               const struct tp_block *block, struct tp_server *server);
static struct tp_session_limits cycle_limits(const struct tp_block *block);
static void cycle_build_listens(struct tp_cycle *cycle, const struct tp_program *program,
                                const struct tp_block *block, struct tp_server *server,
                                struct tp_text *messages);
static void cycle_check_listens(const struct tp_cycle *cycle, struct tp_text *messages);
static size_t cycle_count_listens(const struct tp_block *peer, size_t *server_count);
static size_t cycle_count_all_dials(const struct tp_block *peer);
static const struct tp_block *cycle_peer(const struct tp_cycle *cycle);
static struct tp_socket_options listen_socket_options(const struct tp_listen_conf *conf,
                                                      bool tcp_nodelay);
static void endpoint_make_absolute(struct tp_endpoint *endpoint, const char *prefix,
                                   struct tp_arena *arena);
static int listen_compare(const void *left, const void *right);
static enum tp_result cycle_open_listen(const struct tp_listen *listen, const char *name,
                                        struct tp_descriptors *set, struct tp_text *messages);
static unsigned listen_descriptor_count(const struct tp_cycle *cycle,
                                        const struct tp_listen *listen);

enum tp_result
tp__cycle_load(const struct tp_program *program, struct tp_conf_loader *loader, uint64_t generation,
               struct tp_text *messages, struct tp_cycle **loaded)
{
    struct tp_conf_options options = tp__program_conf_options(program, loader);
    struct tp_conf *conf = NULL;
    enum tp_result result = tp__conf_load(&options, messages, &conf);

    if (result != TP_OK) {
        return result;
    }
    struct tp_cycle *cycle = calloc(1, sizeof(*cycle));

    if (cycle == NULL) {
        tp__conf_destroy(&conf);
        return TP_NO_MEMORY;
    }
    size_t errors_before = messages->len;

    tp__counted_init(&cycle->counted, cycle_on_unused);
    tp__list_init(&cycle->node);
    tp__arena_init(&cycle->arena, CYCLE_ARENA_CHUNK_BYTES);
    cycle->generation = generation;
    cycle->conf = conf;
    cycle_build(cycle, program, messages);
    if (messages->len > errors_before) {
        tp__cycle_release(&cycle);
        return TP_INVALID;
    }
    *loaded = cycle;
    return TP_OK;
}

enum tp_result
tp__cycle_open(struct tp_cycle *cycle, struct tp_descriptors *set, struct tp_text *messages)
{
    enum tp_result result = tp__cycle_open_logs(cycle, set, messages);

    for (size_t i = 0; i < cycle->listen_count && result == TP_OK; i++) {
        const struct tp_listen *listen = &cycle->listens[i];

        for (unsigned slot = 0; slot < listen_descriptor_count(cycle, listen) && result == TP_OK;
             slot++) {
            char name[TP_LISTEN_NAME_MAX];

            result = cycle_open_listen(listen, tp__listen_descriptor_name(listen, slot, name), set,
                                       messages);
        }
    }
    if (result == TP_OK) {
        result = tp__shared_create(set, (uint64_t) cycle->core->session_directory);
        if (result != TP_OK) {
            tp__cycle_report_error(messages, "shared memory", "cannot create a zone", result);
        }
    }
    if (result == TP_OK) {
        result = tp__cycle_open_tables(cycle, set, messages);
    }
    return result == TP_OK ? tp__cycle_open_meters(cycle, set) : result;
}

enum tp_result
tp__cycle_attach(struct tp_cycle *cycle, const struct tp_descriptors *set, struct tp_text *messages)
{
    enum tp_result result = tp__shared_open(&cycle->shared, set);

    if (result != TP_OK) {
        tp__cycle_report_error(messages, "shared memory", "cannot map a zone", result);
        return result;
    }
    cycle->is_attached = true;
    tp__cycle_share_tickets(cycle);
    tp__cycle_attach_meters(cycle);
    result = tp__cycle_attach_tables(cycle, set, messages);
    if (result == TP_OK) {
        result = tp__cycle_attach_logs(cycle, set, messages);
    }
    return result == TP_OK ? tp__cycle_announce_listens(cycle, messages) : result;
}

void
tp__cycle_apply_listen_options(const struct tp_cycle *cycle, const struct tp_descriptors *set)
{
    for (size_t i = 0; i < cycle->listen_count; i++) {
        const struct tp_listen *listen = &cycle->listens[i];

        for (unsigned slot = 0; slot < listen_descriptor_count(cycle, listen); slot++) {
            char name[TP_LISTEN_NAME_MAX];
            int fd = tp__descriptors_find(set, TP_DESCRIPTOR_LISTEN,
                                          tp__listen_descriptor_name(listen, slot, name));

            if (tp__socket_set_backlog(fd, listen->options.backlog) != TP_OK) {
                tp_log_warn(&cycle->log, "backlog-not-set", "listen=%s", listen->source.name);
            }
        }
        if (listen->options.file_mode != 0
            && tp__socket_set_file_mode(&listen->endpoint, listen->options.file_mode) != TP_OK) {
            tp_log_warn(&cycle->log, "mode-not-set", "listen=%s", listen->source.name);
        }
    }
}

void
tp__cycle_release(struct tp_cycle **released)
{
    struct tp_cycle *cycle = *released;

    *released = NULL;
    if (cycle != NULL) {
        tp__counted_release(&cycle->counted);
    }
}

bool
tp__cycle_needs(const void *owner, const struct tp_descriptor *descriptor)
{
    const struct tp_cycle *cycle = owner;

    if (descriptor->kind == TP_DESCRIPTOR_LOG) {
        return tp__cycle_has_log(cycle, descriptor->name);
    }
    for (size_t i = 0; descriptor->kind == TP_DESCRIPTOR_LISTEN && i < cycle->listen_count; i++) {
        const struct tp_listen *listen = &cycle->listens[i];

        for (unsigned slot = 0; slot < listen_descriptor_count(cycle, listen); slot++) {
            char name[TP_LISTEN_NAME_MAX];

            if (strcmp(tp__listen_descriptor_name(listen, slot, name), descriptor->name) == 0) {
                return true;
            }
        }
    }
    return tp__shared_needs(descriptor) || tp__cycle_needs_table(cycle, descriptor);
}

const struct tp_listen *
tp__cycle_find_listen(const struct tp_cycle *cycle, const char *name)
{
    struct tp_listen wanted = { .source.name = name };

    if (cycle->listen_count == 0) {
        return NULL;
    }
    return bsearch(&wanted, cycle->listens, cycle->listen_count, sizeof(wanted), listen_compare);
}

void
tp__cycle_report_error(struct tp_text *messages, const char *origin, const char *what,
                       enum tp_result result)
{
    tp__text_printf(messages, "%s: error: %s: %s\n", origin, what, tp__result_text(result));
}

void
tp__cycle_advise_folder(struct tp_text *messages, const char *path, enum tp_result result)
{
    const char *last_slash = strrchr(path, '/');

    if (result == TP_NOT_FOUND && last_slash != NULL && last_slash != path) {
        int len = (int) (last_slash - path);

        tp__text_printf(messages,
                        "    the folder %.*s is not there; this makes it: mkdir -p %.*s\n", len,
                        path, len, path);
    }
}

const char *
tp__listen_descriptor_name(const struct tp_listen *listen, unsigned slot, char *name)
{
    if (listen->options.reuseport) {
        snprintf(name, TP_LISTEN_NAME_MAX, "%s#%u", listen->source.name, slot);
    } else {
        snprintf(name, TP_LISTEN_NAME_MAX, "%s", listen->source.name);
    }
    return name;
}

static void
cycle_on_unused(struct tp_counted *counted)
{
    struct tp_cycle *cycle = TP_CONTAINER_OF(counted, struct tp_cycle, counted);

    tp__list_remove(&cycle->node);
    tp__cycle_stop_modules(cycle);
    if (cycle->is_attached) {
        tp__cycle_unshare_tickets(cycle);
        tp__cycle_close_tables(cycle);
        tp__shared_close(&cycle->shared);
    }
    tp__cycle_close_logs(cycle);
    tp__conf_destroy(&cycle->conf);
    tp__arena_fini(&cycle->arena);
    free(cycle);
}

static void
cycle_build(struct tp_cycle *cycle, const struct tp_program *program, struct tp_text *messages)
{
    const struct tp_block *root = tp__conf_root(cycle->conf);
    const struct tp_block *peer = cycle_peer(cycle);
    size_t server_count;
    size_t listen_count = cycle_count_listens(peer, &server_count);
    size_t dial_count = cycle_count_all_dials(peer);

    cycle->core = tp_block_conf(root, &tp__module_core);
    cycle->events = tp_block_conf(tp_block_first(root, TP_IN_EVENTS), &tp__module_events);
    cycle->log = tp__cycle_log_of(cycle, cycle->core);
    cycle->servers = tp__arena_new_array(&cycle->arena, struct tp_server, server_count + 2);
    cycle->listens = tp__arena_new_array(&cycle->arena, struct tp_listen, listen_count + 1);

    cycle->dials = tp__arena_new_array(&cycle->arena, struct tp_dial, dial_count + 1);

    for (const struct tp_block *block = tp_block_first(peer, TP_IN_SERVER); block != NULL;
         block = tp_block_next(block)) {
        cycle_build_server(cycle, program, block, messages);
    }
    bool has_upstreams = peer != NULL && tp__cycle_count_upstreams(peer) > 0;

    if (peer != NULL && (has_upstreams || tp__cycle_count_dials(peer) > 0)) {
        /* What the peer itself dials is served by the peer's own routes. */
        cycle_build_server(cycle, program, peer, messages);
    }
    if (has_upstreams) {
        tp__cycle_build_upstreams(cycle, peer, &cycle->servers[cycle->server_count - 1], messages);
    }
    tp__cycle_check_dials(cycle, messages);
    qsort(cycle->listens, cycle->listen_count, sizeof(*cycle->listens), listen_compare);
    cycle_check_listens(cycle, messages);
}

static void
cycle_build_server(struct tp_cycle *cycle, const struct tp_program *program,
                   const struct tp_block *block, struct tp_text *messages)
{
    const struct tp_server_conf *conf = tp_block_conf(block, &tp__module_server);
    struct tp_server *server = &cycle->servers[cycle->server_count++];
    size_t listens_before = cycle->listen_count;
    size_t dials_before = cycle->dial_count;

    server->configuration = &cycle->counted;
    server->log = tp__cycle_log_of(cycle, tp_block_conf(block, &tp__module_core));
    tp__cycle_build_protocols(cycle, program, block, server, messages);
    tp__cycle_build_hooks(cycle, block, server);
    cycle_build_listens(cycle, program, block, server, messages);
    cycle_build_codecs(cycle, program, block, server);
    server->limits = cycle_limits(block);
    server->is_counted = conf->is_counted;
    server->logging = tp__cycle_logging_of(cycle, block);
    tp__cycle_build_routes(cycle, block, server, messages);
    tp__cycle_build_dials(cycle, block, server, messages);
    server->name = cycle->listen_count > listens_before ? cycle->listens[listens_before].source.name
                   : cycle->dial_count > dials_before   ? cycle->dials[dials_before].source.name
                                                        : "-";
}

/* The codecs of all modules with their confs in the server's block, and what is said of bodies. */
static void
cycle_build_codecs(struct tp_cycle *cycle, const struct tp_program *program,
                   const struct tp_block *block, struct tp_server *server)
{
    const struct tp_server_conf *conf = tp_block_conf(block, &tp__module_server);

    server->codecs =
        tp__arena_new_array(&cycle->arena, struct tp_codec_use, program->modules.count);
    for (size_t i = 0; i < program->modules.count; i++) {
        const struct tp_module *module = program->modules.modules[i];

        if (module->codec != NULL) {
            server->codecs[server->codec_count++] = (struct tp_codec_use){
                .codec = module->codec,
                .conf = tp_block_conf(block, module),
            };
        }
    }
    server->bodies = tp__cycle_bodies_of(block);
    server->header_codec = (uint8_t) conf->header_codec;
    server->gzip_level = (int) conf->body_gzip;
    server->id_conflict = (enum tp_id_conflict) conf->id_conflict;
}

static struct tp_session_limits
cycle_limits(const struct tp_block *block)
{
    const struct tp_server_conf *conf = tp_block_conf(block, &tp__module_server);

    const struct tp_tls_conf *tls = tp_block_conf(block, &tp__module_tls);

    return (struct tp_session_limits){
        .packet = conf->packet_limit,
        .send_queue = conf->send_queue,
        .on_full = (enum tp_on_full) conf->on_full,
        .pending_pulls = conf->max_pending_pulls,
        .sent_pulls = conf->max_sent_pulls,
        .read_timeout = conf->read_timeout,
        .packet_timeout = conf->packet_timeout,
        .write_timeout = conf->write_timeout,
        .exchange_timeout = conf->exchange_timeout,
        .pull_timeout = conf->pull_timeout,
        .handshake_timeout = tls->handshake_timeout,
    };
}

static void
cycle_build_listens(struct tp_cycle *cycle, const struct tp_program *program,
                    const struct tp_block *block, struct tp_server *server,
                    struct tp_text *messages)
{
    const struct tp_server_conf *conf = tp_block_conf(block, &tp__module_server);
    const struct tp_listen_conf *items = conf->listens.items;
    const struct tp_tls_conf *tls = tp_block_conf(block, &tp__module_tls);

    for (size_t i = 0; i < conf->listens.count; i++) {
        struct tp_listen *listen = &cycle->listens[cycle->listen_count++];
        char name[TP_ENDPOINT_TEXT_MAX];

        *listen = (struct tp_listen){
            .endpoint = items[i].endpoint,
            .options = {
                .backlog = (int) items[i].backlog,
                .reuseport = items[i].reuseport,
                .ipv6only = items[i].ipv6only,
                .file_mode = items[i].file_mode,
            },
            .source = {
                .server = server,
                .socket_options = listen_socket_options(&items[i], conf->tcp_nodelay),
                .origin = tp__conf_origin(block, "listen", i),
                .tls = tls->context,
                .requires_tls = items[i].ssl,
                .proxies = items[i].proxy_protocol ? &conf->proxies : NULL,
            },
        };
        endpoint_make_absolute(&listen->endpoint, program->prefix, &cycle->arena);
        listen->source.protocol =
            tp__cycle_find_protocol(server, items[i].protocol, listen->source.origin, messages);
        tp__endpoint_format(&listen->endpoint, name);
        listen->source.name = tp__arena_format(&cycle->arena, "%s", name).data;
    }
}

/* What is known only once paths are absolute and all peers are there. */
static void
cycle_check_listens(const struct tp_cycle *cycle, struct tp_text *messages)
{
    for (size_t i = 0; i < cycle->listen_count; i++) {
        const struct tp_listen *listen = &cycle->listens[i];

        if (listen->endpoint.path.len > TP_SOCKET_PATH_MAX) {
            tp__text_printf(messages, "%s: error: the socket path %s is longer than %d bytes\n",
                            listen->source.origin, listen->endpoint.path.data, TP_SOCKET_PATH_MAX);
        }
        if (i > 0 && strcmp(listen->source.name, listen[-1].source.name) == 0) {
            tp__text_printf(messages, "%s: error: %s is already listened on at %s\n",
                            listen->source.origin, listen->source.name, listen[-1].source.origin);
        }
    }
}

static size_t
cycle_count_listens(const struct tp_block *peer, size_t *server_count)
{
    size_t listen_count = 0;

    *server_count = 0;
    for (const struct tp_block *server = tp_block_first(peer, TP_IN_SERVER); server != NULL;
         server = tp_block_next(server)) {
        const struct tp_server_conf *conf = tp_block_conf(server, &tp__module_server);

        listen_count += conf->listens.count;
        *server_count += 1;
    }
    return listen_count;
}

static size_t
cycle_count_all_dials(const struct tp_block *peer)
{
    size_t count = peer == NULL ? 0 : tp__cycle_count_dials(peer);

    for (const struct tp_block *server = tp_block_first(peer, TP_IN_SERVER); server != NULL;
         server = tp_block_next(server)) {
        count += tp__cycle_count_dials(server);
    }
    return count;
}

static const struct tp_block *
cycle_peer(const struct tp_cycle *cycle)
{
    return tp_block_first(tp__conf_root(cycle->conf), TP_IN_PEER);
}

static struct tp_socket_options
listen_socket_options(const struct tp_listen_conf *conf, bool tcp_nodelay)
{
    return (struct tp_socket_options){
        .tcp_nodelay = tcp_nodelay,
        .keepalive = conf->so_keepalive.is_on,
        .keepalive_idle_s = conf->so_keepalive.idle_s,
        .keepalive_interval_s = conf->so_keepalive.interval_s,
        .keepalive_count = conf->so_keepalive.count,
        .receive_buffer_bytes = (int) conf->rcvbuf.bytes,
        .send_buffer_bytes = (int) conf->sndbuf.bytes,
    };
}

static void
endpoint_make_absolute(struct tp_endpoint *endpoint, const char *prefix, struct tp_arena *arena)
{
    if (endpoint->address.family == TP_ADDRESS_UNIX && endpoint->path.data[0] != '/') {
        endpoint->path = tp__arena_format(arena, "%s%s", prefix, endpoint->path.data);
    }
}

static int
listen_compare(const void *left, const void *right)
{
    const struct tp_listen *left_listen = left;
    const struct tp_listen *right_listen = right;

    return strcmp(left_listen->source.name, right_listen->source.name);
}

static enum tp_result
cycle_open_listen(const struct tp_listen *listen, const char *name, struct tp_descriptors *set,
                  struct tp_text *messages)
{
    int fd;

    if (tp__descriptors_find(set, TP_DESCRIPTOR_LISTEN, name) != -1) {
        return TP_OK;
    }
    enum tp_result result = tp__socket_listen(&listen->endpoint, &listen->options, &fd);

    if (result != TP_OK) {
        char what[TP_ENDPOINT_TEXT_MAX + 32];

        snprintf(what, sizeof(what), "cannot listen on %s", listen->source.name);
        tp__cycle_report_error(messages, listen->source.origin, what, result);
        return result;
    }
    return tp__descriptors_add(set, TP_DESCRIPTOR_LISTEN, name, fd);
}

/* With reuseport each slot has a socket of its own. */
static unsigned
listen_descriptor_count(const struct tp_cycle *cycle, const struct tp_listen *listen)
{
    return listen->options.reuseport ? cycle->core->worker_count : 1;
}
