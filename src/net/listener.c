/*
 * listener.c - accepts connections, fairly and without ever spinning.
 *
 * Everything that can fail before a session exists (no descriptors, peer already
 * gone, worker full) is decided here, so session.c never sees half a connection.
 * A listener that cannot or should not accept now is taken out of the loop for a
 * while: level triggered, it would otherwise wake the worker for nothing.
 *
 * Which worker takes a connection is the gate's decision; docs/decisions/
 * worker-balance.md says why it is needed.
 *
 * Runs in: worker.  Owns: the retry timer.
 * Read next: process/acceptor.c (the gate and what an accepted descriptor becomes), os/socket.c.
 */
#include "net/listener.h"

#include "os/socket.h"

enum {
    ACCEPTS_PER_WAKEUP_MAX = 16, /* fairness: sessions and other workers must have their turn */
    ACCEPT_DEFER_MS = 5,         /* long enough for another worker to wake up and accept */
    ACCEPT_RETRY_MS = 500,       /* until descriptors, memory or room may be there again */
};

static void listener_on_event(struct tp_watcher *watcher, unsigned events);
static void listener_on_retry(struct tp_timer *timer);
static void listener_accept_batch(struct tp_listener *listener);
static bool listener_accept_one(struct tp_listener *listener);
static bool listener_may_accept(struct tp_listener *listener);
static bool listener_defer(struct tp_listener *listener);
static void listener_pause(struct tp_listener *listener, int64_t pause_ms);
static unsigned listener_interest(const struct tp_listener *listener);

enum tp_result
tp__listener_start(struct tp_listener *listener, struct tp_loop *loop, int fd, bool is_shared,
                   const struct tp_listener_handler *handler)
{
    *listener = (struct tp_listener){ .loop = loop, .handler = handler, .is_shared = is_shared };
    tp__watcher_init(&listener->watcher, fd, listener_on_event);
    tp__timer_init(&listener->retry, listener_on_retry);
    return tp__loop_watch(loop, &listener->watcher, listener_interest(listener));
}

void
tp__listener_accept_now(struct tp_listener *listener)
{
    listener_accept_batch(listener);
}

void
tp__listener_stop(struct tp_listener *listener)
{
    tp__loop_stop_timer(listener->loop, &listener->retry);
    tp__loop_unwatch(listener->loop, &listener->watcher);
}

static void
listener_on_event(struct tp_watcher *watcher, unsigned events)
{
    struct tp_listener *listener = TP_CONTAINER_OF(watcher, struct tp_listener, watcher);

    (void) events;
    listener_accept_batch(listener);
}

static void
listener_accept_batch(struct tp_listener *listener)
{
    for (int accepted = 0; accepted < ACCEPTS_PER_WAKEUP_MAX; accepted++) {
        if (!listener_accept_one(listener)) {
            return;
        }
    }
}

static void
listener_on_retry(struct tp_timer *timer)
{
    struct tp_listener *listener = TP_CONTAINER_OF(timer, struct tp_listener, retry);
    enum tp_result result =
        tp__loop_watch(listener->loop, &listener->watcher, listener_interest(listener));

    if (result != TP_OK) {
        listener->handler->on_accept_failed(listener, result);
        tp__loop_start_timer(listener->loop, &listener->retry, ACCEPT_RETRY_MS);
    }
}

/* Returns true when there may be another one to accept now. */
static bool
listener_accept_one(struct tp_listener *listener)
{
    struct tp_address remote;
    int fd;

    if (!listener_may_accept(listener)) {
        return false;
    }
    enum tp_result result = tp__socket_accept(listener->watcher.fd, &fd, &remote);

    if (result == TP_AGAIN) {
        listener->is_overdue = false;
        return false;
    }
    if (result == TP_GONE) {
        return true;
    }
    if (result != TP_OK) {
        listener->handler->on_accept_failed(listener, result);
        listener_pause(listener, ACCEPT_RETRY_MS);
        return false;
    }
    listener->is_overdue = false;
    listener->handler->on_accepted(listener, fd, &remote);
    return true;
}

static bool
listener_may_accept(struct tp_listener *listener)
{
    switch (listener->handler->on_waiting(listener)) {
    case TP_LISTENER_ACCEPT:
        return true;
    case TP_LISTENER_DEFER:
        return listener->is_overdue || !listener_defer(listener);
    case TP_LISTENER_FULL:
        break;
    }
    listener_pause(listener, ACCEPT_RETRY_MS);
    return false;
}

/* Leaves what waits to another worker; false when nothing waits. */
static bool
listener_defer(struct tp_listener *listener)
{
    if (!tp__socket_has_input(listener->watcher.fd)) {
        return false;
    }
    listener->is_overdue = true;
    listener_pause(listener, ACCEPT_DEFER_MS);
    listener->handler->on_deferred(listener);
    return true;
}

static void
listener_pause(struct tp_listener *listener, int64_t pause_ms)
{
    tp__loop_unwatch(listener->loop, &listener->watcher);
    tp__loop_start_timer(listener->loop, &listener->retry, pause_ms);
}

static unsigned
listener_interest(const struct tp_listener *listener)
{
    return TP_EVENT_READ | (listener->is_shared ? TP_EVENT_EXCLUSIVE : 0);
}
