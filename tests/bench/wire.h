/*
 * wire.h - as much of Teleport 2.5 as a client needs: PULLs out, REPLYs in.
 *
 * It shares no code with the server, so that a mistake there is not made here too.
 * Headers are protobuf.
 */
#ifndef TP_TESTS_BENCH_WIRE_H
#define TP_TESTS_BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum {
    TP_WIRE_PULL = 1,
    TP_WIRE_REPLY = 2,
    TP_WIRE_STATUS_OK = 200,
    TP_WIRE_CODEC_JSON = 'j',
    TP_WIRE_CODEC_PLAIN = 's',
};

struct tp_wire_pull {
    uint64_t seq;
    const char *uri;
    uint8_t body_codec;
    const uint8_t *body;
    size_t body_len;
};

/* What came back; texts and body lie in the bytes it was read from. */
struct tp_wire_reply {
    uint64_t type; /* a bare echo sends PULLs back */
    uint64_t seq;
    int32_t status_code;
    const uint8_t *status;
    size_t status_len;
    const uint8_t *body;
    size_t body_len;
    size_t wire_len; /* of the whole packet */
};

enum tp_wire_outcome {
    TP_WIRE_WHOLE,
    TP_WIRE_MORE,   /* the packet is not whole yet */
    TP_WIRE_BROKEN, /* this is no packet */
};

/* No PULL of this uri and body is larger. */
size_t tp__wire_pull_max(const struct tp_wire_pull *pull);

/* Writes the packet to `to`, which has room for it, and returns its length. */
size_t tp__wire_write_pull(uint8_t *to, const struct tp_wire_pull *pull);

enum tp_wire_outcome tp__wire_read_reply(const uint8_t *bytes, size_t len,
                                         struct tp_wire_reply *reply);

#endif
