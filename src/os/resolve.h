/*
 * os/resolve.h - from the name of a host to its numeric addresses.
 *
 * Threads: blocks, perhaps for many seconds; on a thread of the pool only.
 */
#ifndef TP_OS_RESOLVE_H
#define TP_OS_RESOLVE_H

#include <teleport/address.h>

enum {
    TP_HOST_NAME_MAX = 253,        /* bytes of a host's name */
    TP_RESOLVE_ADDRESSES_MAX = 16, /* of one name; further ones are not looked at */
};

/* The addresses of a name, each once, in the order in which they are to be tried. */
struct tp_resolved {
    struct tp_address addresses[TP_RESOLVE_ADDRESSES_MAX];
    size_t count;
};

/*
 * Looks `host` up; each address gets `port`.  TP_NOT_FOUND: there is no such host, or it has no
 * address; TP_TIMED_OUT: no name server has answered; TP_NO_MEMORY; else as errno says.
 */
enum tp_result tp__resolve(const char *host, uint16_t port,
                           struct tp_resolved *resolved) TP_MUST_CHECK;

#endif
