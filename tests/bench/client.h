/*
 * client.h - a connection to a server, and one PULL at a time over it.
 */
#ifndef TP_TESTS_BENCH_CLIENT_H
#define TP_TESTS_BENCH_CLIENT_H

#include "wire.h"

/* Connects to HOST:PORT and returns the descriptor, or -1 after saying what is wrong. */
int tp__client_connect(const char *address);

/* Where a packet is written to and read into. */
struct tp_client_room {
    uint8_t *bytes;
    size_t len;
};

/*
 * Sends a PULL over a blocking descriptor and waits for what comes back, which lies in
 * `room` then.  Returns 0, or -1 after saying what is wrong.
 */
int tp__client_ask(int fd, const struct tp_wire_pull *pull, const struct tp_client_room *room,
                   struct tp_wire_reply *reply);

#endif
