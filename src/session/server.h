/*
 * session/server.h - what a session needs to know of the server it belongs to.
 *
 * Both structs are parts of one loaded configuration, constant, and live as long
 * as `configuration` is held; each session holds it once.
 */
#ifndef TP_SESSION_SERVER_H
#define TP_SESSION_SERVER_H

#include <teleport/module.h>

#include "base/counted.h"
#include "os/socket.h"

/* A module's hook with the conf it gets. */
struct tp_accept_hook {
    enum tp_result (*run)(struct tp_session *session, const void *conf);
    const void *conf;
};

struct tp_server {
    struct tp_counted *configuration;
    struct tp_log log;
    struct tp_accept_hook *accept_hooks; /* in the order they run */
    size_t accept_hook_count;
};

/* A listening address of a server. */
struct tp_listen {
    const char *name; /* canonical, so that a reload finds the same address again */
    struct tp_endpoint endpoint;
    struct tp_listen_options options;
    struct tp_socket_options socket_options; /* for connections accepted here */
    const struct tp_server *server;
    const char *origin; /* where it is written, for messages */
};

#endif
