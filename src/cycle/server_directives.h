/*
 * cycle/server_directives.h - the values of the directives that describe what
 * is served: peer, server, listen.
 */
#ifndef TP_CYCLE_SERVER_DIRECTIVES_H
#define TP_CYCLE_SERVER_DIRECTIVES_H

#include <teleport/module.h>

#include "os/address.h"

/* so_keepalive=on, =off, or =IDLE:INTERVAL:COUNT in seconds, 0 leaving the system's value. */
struct tp_keepalive {
    bool is_on;
    int idle_s;
    int interval_s;
    int count;
};

/* Instead of a protocol's name: the first bytes tell, or what is dialed does. */
#define TP_PROTOCOL_AUTO "auto"

/* One use of `listen`. */
struct tp_listen_conf {
    struct tp_endpoint endpoint;
    int64_t backlog;
    bool reuseport;
    bool ipv6only;
    struct tp_size rcvbuf; /* 0: the system's default */
    struct tp_size sndbuf;
    struct tp_keepalive so_keepalive;
    bool ssl;
    bool proxy_protocol;
    unsigned file_mode; /* of a Unix socket's file; 0: as the umask says */
    struct tp_str protocol;
};

struct tp_server_conf {
    struct tp_items listens; /* of struct tp_listen_conf */
    struct tp_items proxies; /* of struct tp_network, and so are gateways */
    struct tp_items gateways;
    bool tcp_nodelay;
    struct tp_size packet_limit;
    struct tp_size send_queue;
    int on_full; /* enum tp_on_full */
    int64_t max_pending_pulls;
    int header_codec; /* enum tp_codec_id */
    int64_t body_gzip;
    int64_t max_sent_pulls;
    int id_conflict; /* enum tp_id_conflict */
    struct tp_str protocol_default;
    struct tp_items origins; /* of struct tp_str */
    struct tp_msec pull_timeout;
    struct tp_msec read_timeout;
    struct tp_msec packet_timeout;
    struct tp_msec write_timeout;
    struct tp_msec exchange_timeout;
    bool is_counted;
};

enum {
    TP_REPLY_GZIP_AS_PULL = 100, /* instead of a level */
};

/* What a `pull` or `push` block says besides its handler, or the blocks around it for it. */
struct tp_route_conf {
    struct tp_str uri;
    bool is_ordered;
    uint8_t body_codec;
    int64_t reply_gzip;
    struct tp_size gzip_min;
};

extern const struct tp_module tp__module_server;
extern const struct tp_module tp__module_route;

/*
 * The first module behind `after` (NULL: of all) whose handler directive is written in the
 * block `route`; NULL when there is none.
 */
const struct tp_module *tp__route_find_handler(const struct tp_block *route,
                                               const struct tp_module *after);

#endif
