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
 * the connected descriptor, which is the callee's, and the address it is connected to; else the
 * descriptor is -1.  TP_NOT_FOUND: the name is unknown, or nobody has made that Unix socket;
 * TP_GONE: nobody listens there; TP_TIMED_OUT; TP_FULL: too many names wait to be looked up;
 * TP_INTERRUPTED: the pool was destroyed; else what the last address said, with errno.
 */
typedef void (*tp_dialer_fn)(struct tp_dialer *dialer, enum tp_result result, int fd,
                             const struct tp_address *remote);

/* Embedded in its owner, who finds itself with TP_CONTAINER_OF(); holds nothing between attempts. */
struct tp_dialer {
    struct tp_loop *loop;
    struct tp_pool *pool; /* NULL: names are unknown to it */
    tp_dialer_fn on_end;
    struct tp_watcher watcher;      /* of the socket that is being connected; fd -1: none is */
    struct tp_timer timer;          /* when this address, or all, has had its time */
    struct tp_work soon;            /* what needs no waiting happens in the loop all the same */
    struct dialer_attempt *attempt; /* NULL: none is under way */
};

void tp__dialer_init(struct tp_dialer *dialer, struct tp_loop *loop, struct tp_pool *pool,
                     tp_dialer_fn on_end);

/*
 * Begins to connect to `target`: "host:port", "1.2.3.4:port", "[::1]:port", "port" of this
 * machine or "unix:/path", copied.  A name may stand for several addresses: each gets its share
 * of `timeout`, which is of them all together and of the look-up.  TP_INVALID: the target is
 * none of these; TP_NO_MEMORY.  One attempt at a time; another may be started when the last has
 * ended or was stopped, also from within on_end.
 */
enum tp_result tp__dialer_start(struct tp_dialer *dialer, struct tp_str target,
                                struct tp_msec timeout) TP_MUST_CHECK;

/* Gives the attempt up, if there is one; on_end is not called. */
void tp__dialer_stop(struct tp_dialer *dialer);

static inline bool
tp__dialer_is_busy(const struct tp_dialer *dialer)
{
    return dialer->attempt != NULL;
}

/* NULL when `target` is one that can be dialed; else a sentence fragment: what would be. */
const char *tp__dialer_check(struct tp_str target);

/*
 * The name or address in `target`, which can be dialed, without its port: for who has to show
 * that it is there.  Empty for a Unix socket.
 */
struct tp_str tp__dialer_host(struct tp_str target);

#endif
