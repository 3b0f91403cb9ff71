/*
 * net/target.h - what can be dialed or listened on, in one text: an address, and in front of it
 * perhaps a scheme that names the protocol: "raw://10.0.0.7:9090", "ws://example.org/path"; or that TLS is spoken: "tls://10.0.0.7:9443",
 * "wss://example.org/path".
 */
#ifndef TP_NET_TARGET_H
#define TP_NET_TARGET_H

#include <teleport/base.h>

enum {
    TP_TARGET_ADDRESS_MAX = 280, /* bytes of host and port: 253, ':' and 5 digits, or a path */
};

/* Texts are slices of the one that was parsed. */
struct tp_target {
    struct tp_str whole;   /* without the scheme: what a protocol is told */
    struct tp_str address; /* "host:port", without a path; or "unix:/path" */
    const char *protocol;  /* its name; NULL: none was named */
    bool has_tls;          /* the scheme says so */
    unsigned default_port; /* where the address has none; 0: it must have one */
};

/* NULL, or a sentence fragment: what would be a target. */
const char *tp__target_parse(struct tp_str text, struct tp_target *target);

/* An address, and nothing in front of it. */
static inline struct tp_target
tp__target_of_address(struct tp_str address)
{
    return (struct tp_target){ .whole = address, .address = address };
}

/* The address, with its port, to dial or listen on; NULL when it is too long. */
const char *tp__target_address(const struct tp_target *target, char text[TP_TARGET_ADDRESS_MAX]);

#endif
