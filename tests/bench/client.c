/*
 * client.c - connects, asks, waits.
 *
 * Read next: wire.c.
 */
#include "client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CLIENT_HOST_MAX = 256,
};

static struct addrinfo *client_resolve(const char *address);
static int client_send_all(int fd, const uint8_t *bytes, size_t len);
static int client_complain(const char *what, const char *why);

int
tp__client_connect(const char *address)
{
    struct addrinfo *found = client_resolve(address);
    const int on = 1;

    if (found == NULL) {
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_connected = fd != -1 && connect(fd, found->ai_addr, found->ai_addrlen) == 0
                        && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;

    freeaddrinfo(found);
    if (!is_connected) {
        client_complain(address, strerror(errno));
        if (fd != -1) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

int
tp__client_ask(int fd, const struct tp_wire_pull *pull, const struct tp_client_room *room,
               struct tp_wire_reply *reply)
{
    size_t len = 0;

    if (tp__wire_pull_max(pull) > room->len) {
        return client_complain(pull->uri, "the body is too large for this program");
    }
    if (client_send_all(fd, room->bytes, tp__wire_write_pull(room->bytes, pull)) == -1) {
        return client_complain("sending", strerror(errno));
    }
    for (;;) {
        ssize_t received = recv(fd, room->bytes + len, room->len - len, 0);

        if (received <= 0) {
            return client_complain("waiting for the reply",
                                   received == 0 ? "the server closed" : strerror(errno));
        }
        len += (size_t) received;
        switch (tp__wire_read_reply(room->bytes, len, reply)) {
        case TP_WIRE_WHOLE:
            return 0;
        case TP_WIRE_BROKEN:
            return client_complain("the reply", "this is not Teleport");
        case TP_WIRE_MORE:
            break;
        }
        if (len == room->len) {
            return client_complain("the reply", "it is too large for this program");
        }
    }
}

/* The first address of HOST:PORT; NULL after saying what is wrong. */
static struct addrinfo *
client_resolve(const char *address)
{
    const char *colon = strrchr(address, ':');
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;
    char host[CLIENT_HOST_MAX];

    if (colon == NULL || colon == address || (size_t) (colon - address) >= sizeof(host)) {
        client_complain(address, "an address is HOST:PORT");
        return NULL;
    }
    snprintf(host, sizeof(host), "%.*s", (int) (colon - address), address);
    int error = getaddrinfo(host, colon + 1, &hints, &found);

    if (error != 0) {
        client_complain(address, gai_strerror(error));
        return NULL;
    }
    return found;
}

static int
client_send_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        if (sent == -1) {
            return -1;
        }
        bytes += sent;
        len -= (size_t) sent;
    }
    return 0;
}

static int
client_complain(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    return -1;
}
