/*
 * rawecho.c - the yardstick: writes back what it read, and knows nothing more.
 *
 * It does the least that any server on epoll has to do, one read and one write for what
 * has come, so what a server costs beside it is what the server itself adds.
 *
 * Runs in: a program of its own.  Usage: rawecho PORT, on the loopback address only.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ECHO_EVENTS_MAX = 512,
    ECHO_BACKLOG = 4096,
    ECHO_BYTES_MAX = 256 * 1024,
};

static int echo_listen(uint16_t port);
static void echo_accept(int poller, int listener);
static void echo_watch(int poller, int fd);
static void echo_answer(int fd, uint8_t *bytes);
static void echo_die(const char *doing);

int
main(int argc, char **argv)
{
    int listener = echo_listen((uint16_t) (argc > 1 ? atoi(argv[1]) : 0));
    int poller = epoll_create1(EPOLL_CLOEXEC);
    uint8_t *bytes = malloc(ECHO_BYTES_MAX);

    if (poller == -1 || bytes == NULL) {
        echo_die("start");
    }
    echo_watch(poller, listener);
    for (;;) {
        struct epoll_event events[ECHO_EVENTS_MAX];
        int count = epoll_wait(poller, events, ECHO_EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) {
                echo_accept(poller, listener);
            } else {
                echo_answer(events[i].data.fd, bytes);
            }
        }
    }
}

static int
echo_listen(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1
        || bind(fd, (const struct sockaddr *) &address, sizeof(address)) == -1
        || listen(fd, ECHO_BACKLOG) == -1) {
        echo_die("listen");
    }
    return fd;
}

static void
echo_accept(int poller, int listener)
{
    const int on = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1) {
            echo_die("set TCP_NODELAY");
        }
        echo_watch(poller, fd);
    }
}

static void
echo_watch(int poller, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == -1) {
        echo_die("watch a socket");
    }
}

/* A socket that takes nothing is tried again at once: its load never stops reading. */
static void
echo_answer(int fd, uint8_t *bytes)
{
    ssize_t len = read(fd, bytes, ECHO_BYTES_MAX);
    ssize_t sent = 0;

    if (len <= 0) {
        close(fd);
        return;
    }
    while (sent < len) {
        ssize_t written = send(fd, bytes + sent, (size_t) (len - sent), MSG_NOSIGNAL);

        if (written == -1 && errno != EAGAIN) {
            return; /* the next read tells that it is gone */
        }
        sent += written == -1 ? 0 : written;
    }
}

static void
echo_die(const char *doing)
{
    perror(doing);
    exit(EXIT_FAILURE);
}
