/*
 * event/backend/backend.h - what the loop needs of the operating system: a set
 * of descriptors, and waiting for what becomes ready in it.
 */
#ifndef TP_EVENT_BACKEND_BACKEND_H
#define TP_EVENT_BACKEND_BACKEND_H

#include "event/loop.h"

enum {
    TP_BACKEND_BATCH_MAX = 512, /* events handed over by one wait */
};

struct tp_backend_event {
    struct tp_watcher *watcher;
    unsigned events; /* TP_EVENT_… bits */
};

struct tp_backend {
    int fd;
};

enum tp_result tp__backend_open(struct tp_backend *backend) TP_MUST_CHECK;
void tp__backend_close(struct tp_backend *backend);

/* Makes `watcher` watched for `interest` instead of for watcher->interest; either may be 0. */
enum tp_result tp__backend_change(struct tp_backend *backend, struct tp_watcher *watcher,
                                  unsigned interest) TP_MUST_CHECK;

/*
 * Waits at most `wait_max_ms` (-1: no end) and writes up to TP_BACKEND_BATCH_MAX
 * events.  Returns how many; 0 after the time, or when a signal came.
 */
size_t tp__backend_wait(struct tp_backend *backend, struct tp_backend_event *events,
                        int64_t wait_max_ms);

/* A descriptor that is readable while tp__backend_wait() would have events; the backend's. */
int tp__backend_descriptor(const struct tp_backend *backend);

#endif
