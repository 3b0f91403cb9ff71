/*
 * net/proxy_header.h - the PROXY protocol, versions 1 and 2: what a load balancer writes in
 * front of all else, so that those behind it know who has really connected.
 */
#ifndef TP_NET_PROXY_HEADER_H
#define TP_NET_PROXY_HEADER_H

#include <teleport/address.h>

enum {
    TP_PROXY_HEADER_MAX = 4096, /* bytes; version 1 has at most 107, 2 about 250 and what it adds */
};

enum tp_proxy_outcome {
    TP_PROXY_WHOLE,
    TP_PROXY_MORE,   /* it is the begin of one */
    TP_PROXY_NONE,   /* the bytes do not begin as a header does */
    TP_PROXY_BROKEN, /* they do, and go on otherwise; or it is longer than TP_PROXY_HEADER_MAX */
};

struct tp_proxy_header {
    size_t len;         /* of the header; what comes behind it is the connection's own */
    bool has_addresses; /* false: the proxy speaks for itself, or does not know */
    struct tp_address source;
    struct tp_address destination;
};

/*
 * Reads the header that `bytes` begin with.  `why` is set to a static text when it is BROKEN.
 * An IPv4 address that is written as an IPv6 one becomes V4, as everywhere.
 */
enum tp_proxy_outcome tp__proxy_header_read(const uint8_t *bytes, size_t len,
                                            struct tp_proxy_header *header, const char **why);

#endif
