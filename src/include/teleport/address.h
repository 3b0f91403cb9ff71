/*
 * teleport/address.h - network addresses, numeric only: names are never looked
 * up here.
 */
#ifndef TELEPORT_ADDRESS_H
#define TELEPORT_ADDRESS_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tp_address_family {
    TP_ADDRESS_NONE,
    TP_ADDRESS_V4,
    TP_ADDRESS_V6,
    TP_ADDRESS_UNIX, /* the other end of a Unix socket: neither ip nor port */
};

/* `ip` is in network order, the first 4 bytes for V4; `port` is in host order. */
struct tp_address {
    uint8_t family; /* enum tp_address_family */
    uint16_t port;
    uint8_t ip[16];
};

enum {
    TP_ADDRESS_TEXT_MAX = 64, /* "[ffff:…:255.255.255.255]:65535" and its terminator fit */
};

/*
 * Writes "127.0.0.1:9090", "[::1]:9090" or "unix:" (without the port when it is
 * 0) into `text` of TP_ADDRESS_TEXT_MAX bytes and returns `text`.
 */
const char *tp_address_format(const struct tp_address *address, char *text);

/* Reads an IPv4 or IPv6 address without port and brackets.  TP_INVALID when it is none. */
enum tp_result tp_address_parse_ip(struct tp_str text, struct tp_address *address) TP_MUST_CHECK;

/* True when `address` is of `network`'s family and shares its first `bits` (at most 128) bits. */
bool tp_address_in_network(const struct tp_address *address, const struct tp_address *network,
                           unsigned bits);

/* True when they are of one family and one ip, whatever their ports. */
bool tp_address_is_of_host(const struct tp_address *address, const struct tp_address *host);

/*
 * What counts as one other end: without a port, and of an IPv6 address the first 64 bits, since
 * whoever has one such network has all its addresses.
 */
struct tp_address tp_address_customer(const struct tp_address *address);

/* Addresses that begin alike; of family NONE: all of every family. */
struct tp_network {
    struct tp_address address;
    unsigned bits;
};

/*
 * Reads "10.0.0.0/8", "fd00::/8", one address, "unix:" or "all"; `text` is terminated.  Returns
 * NULL, or a sentence fragment that says what would be valid.
 */
const char *tp_network_parse(struct tp_str text, struct tp_network *network);

/* Is `address` of the network? */
bool tp_network_has(const struct tp_network *network, const struct tp_address *address);

#ifdef __cplusplus
}
#endif

#endif
