/*
 * teleport/heartbeat.h - how a session finds out that nobody is at its other end any more.
 *
 * After some silence one end asks or tells the other at "/heartbeat".  Whatever comes back, or
 * comes at all, is a sign of life; so a session that is busy sends no heartbeats.
 *
 * A server says this with the directive `heartbeat`, a program in its options.
 */
#ifndef TELEPORT_HEARTBEAT_H
#define TELEPORT_HEARTBEAT_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tp_heartbeat_mode {
    TP_HEARTBEAT_PULL, /* ask: any answer is a sign of life, and tells how long the way is */
    TP_HEARTBEAT_PUSH, /* tell: only an end that has sent heartbeats itself is taken for dead */
};

/* All zeros: none are sent, and those of the other end are answered. */
struct tp_heartbeat {
    /* The longest silence before one is sent; 0: none is sent; -1 ms: nor is any answered. */
    struct tp_msec interval;

    /* The silence after which the other end is taken for dead [three times the interval]. */
    struct tp_msec timeout;

    int mode; /* enum tp_heartbeat_mode */

    /* Those of the other end are in the access log, too. */
    bool is_logged;
};

#define TP_HEARTBEAT_URI "/heartbeat"

enum {
    TP_HEARTBEAT_INTERVAL_MIN_MS = 100,
    TP_HEARTBEAT_TIMES = 3,                  /* of the interval: the timeout that is not given */
    TP_HEARTBEAT_SECONDS_MAX = 24 * 60 * 60, /* that an end may say that lie between its own */
};

#ifdef __cplusplus
}
#endif

#endif
