/*
 * epoll.c - the loop's backend on Linux: epoll, level triggered.
 *
 * Level triggered costs no system call more than edge triggered as long as a
 * session reads once per event, and a forgotten read can never hang a session.
 */
#include "event/backend/backend.h"

#include "base/result.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <unistd.h>

static uint32_t epoll_mask_of(unsigned interest);
static unsigned epoll_events_of(uint32_t mask);

enum tp_result
tp__backend_open(struct tp_backend *backend)
{
    backend->fd = epoll_create1(EPOLL_CLOEXEC);
    return backend->fd == -1 ? tp__result_from_errno() : TP_OK;
}

void
tp__backend_close(struct tp_backend *backend)
{
    close(backend->fd);
    backend->fd = -1;
}

enum tp_result
tp__backend_change(struct tp_backend *backend, struct tp_watcher *watcher, unsigned interest)
{
    struct epoll_event event = { .events = epoll_mask_of(interest), .data.ptr = watcher };
    int operation = interest == 0            ? EPOLL_CTL_DEL
                    : watcher->interest == 0 ? EPOLL_CTL_ADD
                                             : EPOLL_CTL_MOD;

    if (epoll_ctl(backend->fd, operation, watcher->fd, &event) == -1) {
        return tp__result_from_errno();
    }
    return TP_OK;
}

size_t
tp__backend_wait(struct tp_backend *backend, struct tp_backend_event *events, int64_t wait_max_ms)
{
    struct epoll_event ready[TP_BACKEND_BATCH_MAX];
    int wait_ms = wait_max_ms > INT_MAX ? INT_MAX : (int) wait_max_ms;
    int count = epoll_wait(backend->fd, ready, TP_BACKEND_BATCH_MAX, wait_ms);

    if (count == -1) {
        TP_ASSERT(errno == EINTR);
        return 0;
    }
    for (int i = 0; i < count; i++) {
        events[i].watcher = ready[i].data.ptr;
        events[i].events = epoll_events_of(ready[i].events);
    }
    return (size_t) count;
}

int
tp__backend_descriptor(const struct tp_backend *backend)
{
    return backend->fd;
}

static uint32_t
epoll_mask_of(unsigned interest)
{
    uint32_t mask = 0;

    if (interest & TP_EVENT_READ) {
        mask |= EPOLLIN | ((interest & TP_EVENT_EXCLUSIVE) ? 0 : EPOLLRDHUP);
    }
    if (interest & TP_EVENT_WRITE) {
        mask |= EPOLLOUT;
    }
    if (interest & TP_EVENT_EXCLUSIVE) {
        mask |= EPOLLEXCLUSIVE;
    }
    return mask;
}

static unsigned
epoll_events_of(uint32_t mask)
{
    unsigned events = 0;

    if (mask & (EPOLLIN | EPOLLRDHUP)) {
        events |= TP_EVENT_READ;
    }
    if (mask & EPOLLOUT) {
        events |= TP_EVENT_WRITE;
    }
    if (mask & (EPOLLERR | EPOLLHUP)) {
        events |= TP_EVENT_BROKEN;
    }
    return events;
}
