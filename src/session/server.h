/*
 * session/server.h - what a session needs to know of the server it belongs to.
 *
 * All structs here are parts of one loaded configuration, constant, and live as long
 * as `configuration` is held; each session and each exchange holds it once.
 */
#ifndef TP_SESSION_SERVER_H
#define TP_SESSION_SERVER_H

#include <teleport/module.h>

#include "base/counted.h"
#include "os/socket.h"
#include "session/router.h"

/* The bounds of a session; a time of 0 ms means none. */
struct tp_session_limits {
    struct tp_size packet;
    struct tp_size send_queue;       /* while more waits to be sent, nothing is read */
    int64_t pending_pulls;           /* so many unanswered PULLs stop reading */
    int64_t sent_pulls;              /* more of our own are refused */
    struct tp_msec read_timeout;     /* silence */
    struct tp_msec packet_timeout;   /* from the first to the last byte of a packet */
    struct tp_msec write_timeout;    /* without a byte taken by the other end */
    struct tp_msec exchange_timeout; /* from a packet to the end of its exchange */
    struct tp_msec pull_timeout;     /* from a PULL of ours to its REPLY */
};

/* A codec with its module's conf. */
struct tp_codec_use {
    const struct tp_codec *codec;
    const void *conf;
};

struct tp_server {
    struct tp_counted *configuration;
    struct tp_codec_use *codecs;
    size_t codec_count;
    uint8_t default_codec;        /* of bodies that name none, and of our own */
    uint8_t header_codec;         /* of what is sent on our own account */
    int gzip_level;               /* the same; 0: not deflated */
    const struct tp_filter *gzip; /* NULL when it is not built in */
    enum tp_id_conflict id_conflict;
    struct tp_size gzip_min; /* smaller bodies are not deflated */
    struct tp_log log;
    const struct tp_protocol *protocol;
    struct tp_session_limits limits;

    /* Of sessions, of what we ask, and of headers before their route is looked for. */
    const struct tp_hook_set *hooks;
    const struct tp_hook_set *unrouted_hooks; /* instead of a route's, for what has none */
    struct tp_peer *peer;                     /* hooks are told; NULL in the server */

    struct tp_exchange_logging logging; /* of exchanges without a route */
    struct tp_router pulls;
    struct tp_router pushes;
};

/* Where sessions come from: an address that is listened on, or one that is dialed. */
struct tp_source {
    const char *name; /* canonical, so that a reload finds the same one again */
    const struct tp_server *server;
    struct tp_socket_options socket_options; /* of its connections */
    const char *origin;                      /* where it is written, for messages */
};

/* What a dialed session needs to know; texts are copied when it begins. */
struct tp_dialing {
    struct tp_str target;   /* see net/dialer.h */
    struct tp_msec timeout; /* of one attempt */
    struct tp_redial redial;
};

/* A session that the configuration wants dialed. */
struct tp_dial {
    struct tp_source source;
    struct tp_dialing dialing;
};

/* A listening address of a server. */
struct tp_listen {
    struct tp_source source;
    struct tp_endpoint endpoint;
    struct tp_listen_options options;
};

#endif
