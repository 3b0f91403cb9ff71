/*
 * net/listener.h - a listening socket of a worker: turns waiting connections
 * into accepted descriptors, at the pace its owner allows.
 */
#ifndef TP_NET_LISTENER_H
#define TP_NET_LISTENER_H

#include <teleport/log.h>

#include "event/loop.h"
#include "os/address.h"

struct tp_listener;

/* What the owner says before each accept. */
enum tp_listener_gate {
    TP_LISTENER_ACCEPT,
    TP_LISTENER_DEFER, /* somebody less loaded should: look again soon, and then take one anyway */
    TP_LISTENER_FULL,  /* no room: look again after a while */
};

/*
 * The owner's side: `on_waiting` is asked before each accept, `on_accepted` owns the
 * descriptor, `on_deferred` wakes whoever should accept instead.  None of them may stop
 * the listener.
 */
struct tp_listener_handler {
    enum tp_listener_gate (*on_waiting)(struct tp_listener *listener);
    void (*on_deferred)(struct tp_listener *listener);
    void (*on_accepted)(struct tp_listener *listener, int fd, const struct tp_address *remote);
    void (*on_accept_failed)(struct tp_listener *listener, enum tp_result result);
};

struct tp_listener {
    struct tp_watcher watcher;
    struct tp_timer retry;
    struct tp_loop *loop;
    const struct tp_listener_handler *handler;
    bool is_shared;  /* other processes accept on the same socket */
    bool is_overdue; /* one was left to others and is still there: it is taken whatever the load */
};

/*
 * Starts accepting on `fd`, which stays its owner's.  The listener is embedded in
 * its owner and must not move until it is stopped.
 */
enum tp_result tp__listener_start(struct tp_listener *listener, struct tp_loop *loop, int fd,
                                  bool is_shared,
                                  const struct tp_listener_handler *handler) TP_MUST_CHECK;

/* Accepts what waits now, also if the listener has paused. */
void tp__listener_accept_now(struct tp_listener *listener);

/* Stops accepting; waiting connections stay in the socket's queue for others. */
void tp__listener_stop(struct tp_listener *listener);

#endif
