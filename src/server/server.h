/*
 * server/server.h - what a session needs to know of the server it belongs to.
 *
 * All structs here are parts of one loaded configuration, constant, and live as long
 * as `configuration` is held; each session and each exchange holds it once.
 */
#ifndef TP_SERVER_SERVER_H
#define TP_SERVER_SERVER_H

#include <teleport/module.h>

#include "base/counted.h"
#include "net/target.h"
#include "net/tls.h"
#include "os/socket.h"
#include "server/credentials.h"
#include "server/router.h"

/* The bounds of a session; a time of 0 ms means none. */
struct tp_session_limits {
    struct tp_size packet;
    struct tp_size send_queue;        /* while more waits to be sent, nothing is read */
    enum tp_on_full on_full;          /* what becomes of a PUSH of ours then */
    int64_t pending_pulls;            /* so many unanswered PULLs stop reading */
    int64_t sent_pulls;               /* more of our own are refused */
    struct tp_msec read_timeout;      /* silence */
    struct tp_msec packet_timeout;    /* from the first to the last byte of a packet */
    struct tp_msec write_timeout;     /* without a byte taken by the other end */
    struct tp_msec exchange_timeout;  /* from a packet to the end of its exchange */
    struct tp_msec pull_timeout;      /* from a PULL of ours to its REPLY */
    struct tp_msec handshake_timeout; /* until TLS is agreed on, and what stands before it */
};

/* A module that keeps something of sessions, with its conf. */
struct tp_keeping_use {
    const struct tp_module *module;
    const void *conf;
};

struct tp_server {
    struct tp_counted *configuration;
    struct tp_codec_use *codecs;
    size_t codec_count;
    uint8_t header_codec; /* of what is sent on our own account */
    int gzip_level;       /* the same; 0: not deflated */
    enum tp_id_conflict id_conflict;
    struct tp_bodies bodies; /* of exchanges without a route, and of our own */
    struct tp_log log;
    struct tp_protocol_use *protocols; /* in the order in which they are guessed */
    size_t protocol_count;
    const struct tp_protocol_use *default_protocol; /* of who has not said anything yet */
    const struct tp_str *origins; /* of pages that may ask; see teleport/protocol.h */
    size_t origin_count;
    const struct tp_items
        *gateways; /* struct tp_network: who may say for whom it speaks; or NULL */
    struct tp_session_limits limits;

    const struct tp_keeping_use *keepings;
    size_t keeping_count;

    /* Of sessions, of what we ask, and of headers before their route is looked for. */
    const struct tp_hook_set *hooks;
    const struct tp_hook_set *unrouted_hooks; /* instead of a route's, for what has none */
    struct tp_peer *peer;                     /* hooks are told; NULL in the server */

    struct tp_exchange_logging logging; /* of exchanges without a route */
    const char *name;                   /* in statistics: that of its first listen or dial */
    bool is_counted;                    /* its sessions are, too */
    struct tp_exchange_counts *asked;   /* of PULLs that this end asks, and… */
    struct tp_exchange_counts *told;    /* …PUSHes; NULL: nobody counts */
    struct tp_router pulls;
    struct tp_router pushes;
};

/* How many protocols the modules bring. */
size_t tp__protocols_count(const struct tp_module_list *modules);

/* Fills `uses`, which has room for all of them, without confs; returns how many there are. */
size_t tp__protocols_fill(const struct tp_module_list *modules, struct tp_protocol_use *uses);

/* Is the address of one of these networks (struct tp_network)? */
bool tp__networks_have(const struct tp_items *networks, const struct tp_address *address);

/* The protocol of this name; NULL when it is not built in. */
const struct tp_protocol_use *tp__server_find_protocol(const struct tp_server *server,
                                                       struct tp_str name);

/* Where sessions come from: an address that is listened on, or one that is dialed. */
struct tp_source {
    const char *name; /* canonical, so that a reload finds the same one again */
    const struct tp_server *server;
    const struct tp_protocol_use *protocol;  /* of the server's; NULL: it is guessed */
    struct tp_socket_options socket_options; /* of its connections */
    const char *origin;                      /* where it is written, for messages */

    struct tp_tls_context *tls;        /* NULL: TLS is not spoken */
    const char *tls_name;              /* of a dial: whom it has to reach; NULL: it is not asked */
    struct tp_credentials credentials; /* of a dial: who this end is */
    bool requires_tls;                 /* of a listen: what does not begin as TLS is refused */

    /* struct tp_network: who has to write a PROXY header, and nobody else may connect; or NULL. */
    const struct tp_items *proxies;
};

/* What becomes of the connections of a dialed session. */
enum tp_dial_change {
    TP_DIAL_OPEN,   /* there is one, and packets may leave */
    TP_DIAL_BROKEN, /* it has ended, and is dialed again */
    TP_DIAL_FAILED, /* it could not be had, and is tried again */
    TP_DIAL_ENDED,  /* the session ends for good; it is gone after the call */
};

/*
 * Who wants to know that; all NULL: nobody.  Whoever is told may ask and tell on the session, but
 * does not end it within the call.
 */
struct tp_dial_watch {
    void (*on_change)(struct tp_session *session, enum tp_dial_change change, void *owner);
    void *owner;
    bool ends_last; /* it is for the sake of others, and stays until those have ended */
};

/* What a dialed session needs to know; texts are copied when it begins. */
struct tp_dialing {
    struct tp_target target;
    const struct tp_protocol *protocol; /* NULL: the source's, or the server's default */
    struct tp_msec timeout;             /* of one attempt */
    struct tp_tls_context *tls;         /* NULL: the source's, if that has one */
    const char *tls_name;               /* with `tls`, as in struct tp_source */
    struct tp_redial redial;
    struct tp_credentials credentials; /* all NULL: the source's */
    struct tp_dial_watch watch;
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
