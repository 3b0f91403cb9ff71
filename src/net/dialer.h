/*
 * net/dialer.h - from a name to a connected socket: looks the name up without blocking
 * the loop, and connects to what it stands for, one address after the other.
 *
 * Threads: the loop's; names are looked up on a thread of the pool.
 */
#ifndef TP_NET_DIALER_H
#define TP_NET_DIALER_H

#include "event/loop.h"
#include "event/pool.h"
#include "os/socket.h"

struct tp_dialer;

/*
 * How it ended, called once from the loop and never from within tp__dialer_start(): TP_OK with
 * the connected descriptor, which is the callee's, and the address it is connected to.
 * TP_NOT_FOUND: the name is unknown; TP_TIMED_OUT; TP_FULL: too many names wait to be looked
 * up; else what the last address said.
 */
typedef void (*tp_dialer_fn)(struct tp_dialer *dialer, enum tp_result result, int fd,
                             const struct tp_address *remote);

/* Embedded in its owner, who finds itself with TP_CONTAINER_OF(); all zeros does nothing. */
struct tp_dialer {
    struct tp_loop *loop;
    struct tp_pool *pool;
    tp_dialer_fn on_end;
    struct tp_watcher watcher;
    struct tp_timer deadline;
    struct tp_work soon;          /* what could be decided at once is told from the loop */
    struct dialer_lookup *lookup; /* owned by the pool's job, which outlives a dialer that stops */
    struct tp_address remote;
    enum tp_result result; /* of the last address that was tried */
};

void tp__dialer_init(struct tp_dialer *dialer, struct tp_loop *loop, struct tp_pool *pool,
                     tp_dialer_fn on_end);

/*
 * Begins to connect to `target`: "host:port", "1.2.3.4:port", "[::1]:port" or "unix:/path",
 * copied.  TP_INVALID: it is none of these.  One attempt at a time; another may be started when
 * the last has ended or was stopped, also from within on_end.
 */
enum tp_result tp__dialer_start(struct tp_dialer *dialer, struct tp_str target,
                                struct tp_msec timeout) TP_MUST_CHECK;

/* Gives the attempt up, if there is one; on_end is not called. */
void tp__dialer_stop(struct tp_dialer *dialer);

static inline bool
tp__dialer_is_busy(const struct tp_dialer *dialer)
{
    return dialer->deadline.is_running || dialer->lookup != NULL;
}

#endif
