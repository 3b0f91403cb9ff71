/*
 * base/clock.h - what time it is.
 *
 * Deadlines and durations are monotonic; wall time is for people only.
 */
#ifndef TP_BASE_CLOCK_H
#define TP_BASE_CLOCK_H

#include <teleport/base.h>

#include <time.h>

enum {
    TP_CLOCK_TEXT_MAX = 32, /* "2026-11-22 14:20:33.123" and its terminator fit */
};

/* CLOCK_MONOTONIC: the same for all processes of a machine, never set back. */
int64_t tp__clock_monotonic_us(void);
int64_t tp__clock_monotonic_ms(void);

/* What `clock` will show in `wait_ms`, for the system calls that wait until then. */
struct timespec tp__clock_after(clockid_t clock, int64_t wait_ms);

/* Writes local wall time with milliseconds into `text` of TP_CLOCK_TEXT_MAX bytes; returns text. */
const char *tp__clock_format_now(char *text);

#endif
