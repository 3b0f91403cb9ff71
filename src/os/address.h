/*
 * os/address.h - addresses as the system's calls want them, and endpoints: what
 * one listens on or dials.
 */
#ifndef TP_OS_ADDRESS_H
#define TP_OS_ADDRESS_H

#include <teleport/address.h>

#include <sys/socket.h>

enum {
    TP_SOCKET_PATH_MAX = 107, /* bytes; the system's limit for the path of a Unix socket */
    TP_ENDPOINT_TEXT_MAX =
        256, /* an endpoint's canonical form and its terminator; a longer one is cut */
};

/* An address, or the path of a Unix socket (terminated, borrowed from where it was parsed). */
struct tp_endpoint {
    struct tp_address address;
    struct tp_str path;
};

/*
 * Reads "9090", "127.0.0.1:9090", "*:9090", "localhost:9090", "[::1]:9090" or
 * "unix:/path".  Returns NULL, or a sentence fragment that says what would be valid.
 * The path of a Unix socket is a part of `text`, which must be terminated.
 */
const char *tp__endpoint_parse(struct tp_str text, struct tp_endpoint *endpoint);

/* The same, but that port 0 is one, too: any that is free. */
const char *tp__endpoint_parse_any_port(struct tp_str text, struct tp_endpoint *endpoint);

/*
 * The canonical form, the same for all spellings of one endpoint, written into
 * `text` of TP_ENDPOINT_TEXT_MAX bytes; returns text.
 */
const char *tp__endpoint_format(const struct tp_endpoint *endpoint, char *text);

/*
 * From and to the system's form.  `path` is for Unix sockets, else "".  An IPv4
 * peer of an IPv6 socket (::ffff:192.0.2.1) becomes a V4 address, so that rules
 * and logs need to know one form only.
 */
socklen_t tp__address_to_system(const struct tp_address *address, struct tp_str path,
                                struct sockaddr_storage *system);
struct tp_address tp__address_from_system(const struct sockaddr_storage *system);

#endif
