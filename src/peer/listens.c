/*
 * listens.c - addresses on which a peer accepts sessions.
 *
 * The record of an address stays as long as the peer, because sessions that came by it name it;
 * its socket is closed when the peer stops listening.
 *
 * Runs in: the peer's thread.  Owns: listening sockets, and the files of Unix sockets.
 * Read next: net/listener.c, session/session.c.
 */
#include "peer/peer.h"

#include "base/result.h"
#include "base/str.h"
#include "net/listener.h"
#include "os/file.h"
#include "os/socket.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LISTEN_BACKLOG = 511,
};

/* An address that is, or was, listened on. */
struct peer_listen {
    struct tp_list_node node;
    struct tp_peer *peer;
    struct tp_source source;
    struct tp_listener listener;
    int fd; /* -1: not any more */
    bool has_file;
    char name[TP_ENDPOINT_TEXT_MAX];
    char path[TP_SOCKET_PATH_MAX + 1];
};

static struct peer_listen *listen_make(struct tp_peer *peer, const char *name);
static enum tp_result listen_start(struct peer_listen **started, int fd);
static void listen_stop(struct peer_listen *listen);
static void listen_take_name(struct peer_listen *listen, const struct tp_endpoint *endpoint,
                             struct tp_address local);
static enum tp_listener_gate listen_on_waiting(struct tp_listener *listener);
static void listen_on_deferred(struct tp_listener *listener);
static void listen_on_accepted(struct tp_listener *listener, int fd,
                               const struct tp_address *remote);
static void listen_on_accept_failed(struct tp_listener *listener, enum tp_result result);

static const struct tp_listener_handler listen_handler = {
    .on_waiting = listen_on_waiting,
    .on_deferred = listen_on_deferred,
    .on_accepted = listen_on_accepted,
    .on_accept_failed = listen_on_accept_failed,
};

enum tp_result
tp_peer_listen(struct tp_peer *peer, const char *address, uint16_t *port)
{
    const struct tp_listen_options options = { .backlog = LISTEN_BACKLOG };
    struct tp_target target;
    const struct tp_protocol_use *use;
    char host[TP_TARGET_ADDRESS_MAX];
    struct tp_endpoint endpoint;
    int fd;

    tp__peer_check(peer);
    const char *wrong = tp__peer_read_target(peer, address, &target, &use);

    if (wrong == NULL) {
        wrong = tp__target_address(&target, host) == NULL
                    ? "shorter"
                    : tp__endpoint_parse_any_port(tp__str(host), &endpoint);
    }
    if (wrong != NULL) {
        return tp__peer_fail(peer, TP_INVALID, "cannot listen on \"%s\": it has to be %s", address,
                             wrong);
    }
    struct tp_tls_context *tls = NULL;
    enum tp_result result = target.has_tls ? tp__peer_tls_accepts(peer, &tls) : TP_OK;

    if (result != TP_OK) {
        return result;
    }
    struct peer_listen *listen = listen_make(peer, address);

    result = listen == NULL ? TP_NO_MEMORY : tp__peer_may_begin(peer);

    if (result == TP_OK) {
        result = tp__socket_listen(&endpoint, &options, &fd);
    }
    if (result != TP_OK) {
        free(listen);
        return tp__peer_fail(peer, result, "cannot listen on %s: %s", address,
                             tp__result_text(result));
    }
    struct tp_address local = tp__socket_local_address(fd);

    listen->source.protocol = use;
    listen->source.tls = tls;
    listen->source.requires_tls = tls != NULL;
    listen_take_name(listen, &endpoint, local);
    result = listen_start(&listen, fd);
    if (result == TP_OK && port != NULL) {
        *port = local.port;
    }
    return result;
}

enum tp_result
tp_peer_listen_fd(struct tp_peer *peer, int fd)
{
    tp__peer_check(peer);
    enum tp_result result = tp__peer_may_begin(peer);

    if (result == TP_OK) {
        result = tp__socket_adopt(fd, true);
    }
    struct peer_listen *listen = result == TP_OK ? listen_make(peer, "") : NULL;

    if (result == TP_OK && listen == NULL) {
        result = TP_NO_MEMORY;
    }
    if (result != TP_OK) {
        tp__peer_fail(peer, result, "cannot accept on descriptor %d: %s", fd,
                      result == TP_INVALID ? "it is no listening stream socket"
                                           : tp__result_text(result));
        tp__descriptor_close(&fd);
        return result;
    }
    struct tp_address local = tp__socket_local_address(fd);

    tp_address_format(&local, listen->name);
    return listen_start(&listen, fd);
}

void
tp__peer_listens_stop(struct tp_peer *peer)
{
    TP_LIST_EACH (node, &peer->listens) {
        listen_stop(TP_CONTAINER_OF(node, struct peer_listen, node));
    }
}

void
tp__peer_listens_fini(struct tp_peer *peer)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(&peer->listens)) != NULL) {
        free(TP_CONTAINER_OF(node, struct peer_listen, node));
    }
}

/* Not among the peer's until it listens. */
static struct peer_listen *
listen_make(struct tp_peer *peer, const char *name)
{
    struct peer_listen *listen = calloc(1, sizeof(*listen));

    if (listen == NULL) {
        return NULL;
    }
    snprintf(listen->name, sizeof(listen->name), "%s", name);
    listen->peer = peer;
    listen->fd = -1;
    listen->source = (struct tp_source){
        .name = listen->name,
        .server = &peer->server,
        .socket_options = { .tcp_nodelay = true },
        .origin = "",
    };
    return listen;
}

/* Takes both, which are no more when it fails; the peer's last error says why then. */
static enum tp_result
listen_start(struct peer_listen **started, int fd)
{
    struct peer_listen *listen = *started;
    struct tp_peer *peer = listen->peer;

    listen->fd = fd;
    enum tp_result result =
        tp__listener_start(&listen->listener, peer->loop, fd, false, &listen_handler);

    if (result != TP_OK) {
        tp__peer_fail(peer, result, "cannot listen on %s: %s", listen->name,
                      tp__result_text(result));
    } else if (!tp__peer_hooks_let_pass(peer, peer->server.hooks, TP_HOOK_POST_LISTEN,
                                        tp__str(listen->name))) {
        result = TP_DENIED;
    }
    if (result != TP_OK) {
        listen_stop(listen);
        free(listen);
        *started = NULL;
        return result;
    }
    tp__list_append(&peer->listens, &listen->node);
    return TP_OK;
}

static void
listen_stop(struct peer_listen *listen)
{
    if (listen->fd == -1) {
        return;
    }
    tp__listener_stop(&listen->listener);
    tp__descriptor_close(&listen->fd);
    if (listen->has_file) {
        tp__file_remove(listen->path);
    }
}

/* What it is called, with the port that it has got; and the file to be removed at the end. */
static void
listen_take_name(struct peer_listen *listen, const struct tp_endpoint *endpoint,
                 struct tp_address local)
{
    struct tp_endpoint bound = *endpoint;

    if (endpoint->address.family == TP_ADDRESS_UNIX) {
        listen->has_file = true;
        snprintf(listen->path, sizeof(listen->path), "%.*s", TP_STR_ARG(endpoint->path));
    } else {
        bound.address = local;
    }
    tp__endpoint_format(&bound, listen->name);
}

static enum tp_listener_gate
listen_on_waiting(struct tp_listener *listener)
{
    const struct tp_peer *peer = TP_CONTAINER_OF(listener, struct peer_listen, listener)->peer;

    return peer->sessions.count >= (uint64_t) peer->options.max_sessions ? TP_LISTENER_FULL
                                                                         : TP_LISTENER_ACCEPT;
}

/* A peer has no others that could accept instead. */
static void
listen_on_deferred(struct tp_listener *listener)
{
    (void) listener;
}

static void
listen_on_accepted(struct tp_listener *listener, int fd, const struct tp_address *remote)
{
    struct peer_listen *listen = TP_CONTAINER_OF(listener, struct peer_listen, listener);
    struct tp_peer *peer = listen->peer;
    enum tp_result result =
        tp__session_start(&peer->sessions, &listen->source, tp__peer_next_number(peer), fd, remote);

    if (result != TP_OK && result != TP_DENIED) {
        tp_log_error(&peer->log, "accept-failed", "listen=%s result=%s", listen->name,
                     tp_result_word(result));
    }
}

static void
listen_on_accept_failed(struct tp_listener *listener, enum tp_result result)
{
    const struct peer_listen *listen = TP_CONTAINER_OF(listener, struct peer_listen, listener);

    tp_log_error(&listen->peer->log, "accept-failed", "listen=%s result=%s", listen->name,
                 tp_result_word(result));
}
