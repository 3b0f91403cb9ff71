/*
 * resolve.c - from the name of a host to its numeric addresses, by the system's resolver.
 *
 * Runs in: threads of the pool.  Read next: net/dialer.c.
 */
#include "os/resolve.h"

#include "base/result.h"
#include "os/address.h"

#include <netdb.h>
#include <string.h>

static enum tp_result resolve_result_of(int code);
static void resolved_add(struct tp_resolved *resolved, const struct tp_address *address);

enum tp_result
tp__resolve(const char *host, uint16_t port, struct tp_resolved *resolved)
{
    const struct addrinfo wanted = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;

    *resolved = (struct tp_resolved){ .count = 0 };
    int code = getaddrinfo(host, NULL, &wanted, &found);

    if (code != 0) {
        return resolve_result_of(code);
    }
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        struct sockaddr_storage system = { 0 };

        if (info->ai_addrlen > sizeof(system)) {
            continue;
        }
        memcpy(&system, info->ai_addr, info->ai_addrlen);

        struct tp_address address = tp__address_from_system(&system);

        address.port = port;
        resolved_add(resolved, &address);
    }
    freeaddrinfo(found);
    return resolved->count == 0 ? TP_NOT_FOUND : TP_OK;
}

static enum tp_result
resolve_result_of(int code)
{
    switch (code) {
    case EAI_AGAIN:
        return TP_TIMED_OUT;
    case EAI_MEMORY:
        return TP_NO_MEMORY;
    case EAI_SYSTEM:
        return tp__result_from_errno();
    default:
        return TP_NOT_FOUND;
    }
}

/* Once: a host of which two files or servers know the same address has it once. */
static void
resolved_add(struct tp_resolved *resolved, const struct tp_address *address)
{
    if (address->family == TP_ADDRESS_NONE || resolved->count == TP_RESOLVE_ADDRESSES_MAX) {
        return;
    }
    for (size_t i = 0; i < resolved->count; i++) {
        if (memcmp(&resolved->addresses[i], address, sizeof(*address)) == 0) {
            return;
        }
    }
    resolved->addresses[resolved->count++] = *address;
}
