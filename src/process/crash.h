/*
 * process/crash.h - a worker that crashes says where, and what it was doing.
 */
#ifndef TP_PROCESS_CRASH_H
#define TP_PROCESS_CRASH_H

#include "os/crash.h"

struct tp_worker;

struct tp_worker_crash {
    struct tp_crash_catcher *catcher; /* NULL: it is left to a sanitizer */
    long utc_offset_s;                /* for the time of the report: see tp__clock_utc_offset() */
};

/* From here on a crash is reported.  The worker's loop and sessions must be there. */
enum tp_result tp__worker_crash_init(struct tp_worker *worker) TP_MUST_CHECK;

/* Before the worker's cycle goes. */
void tp__worker_crash_fini(struct tp_worker *worker);

#endif
