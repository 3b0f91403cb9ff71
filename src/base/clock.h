/*
 * base/clock.h - what time it is.
 *
 * Deadlines and durations are monotonic; wall time is for people and other machines only.
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

/* CLOCK_REALTIME, in milliseconds since 1970: what other machines mean by a time. */
int64_t tp__clock_wall_ms(void);

/* What `clock` will show in `wait_ms`, for the system calls that wait until then. */
struct timespec tp__clock_after(clockid_t clock, int64_t wait_ms);

/* Writes local wall time with milliseconds into `text` of TP_CLOCK_TEXT_MAX bytes; returns text. */
const char *tp__clock_format_now(char *text);

/* The seconds by which local time is ahead of UTC at present. */
long tp__clock_utc_offset(void);

/*
 * As tp__clock_format_now(), for a local time that is so many seconds ahead of UTC.  Takes
 * no lock, as asking for the time zone does: for signal handlers.
 */
const char *tp__clock_format_at(long utc_offset_s, char *text);

/*
 * Wall time as text for many lines: formatted once a second.  All zeros is one that was
 * never asked.
 */
struct tp_clock_texts {
    int64_t valid_until_us; /* on the monotonic clock */
    size_t local_len;
    size_t iso8601_len;
    char local[TP_CLOCK_TEXT_MAX];   /* "2026-11-22 14:20:33" */
    char iso8601[TP_CLOCK_TEXT_MAX]; /* "2026-11-22T14:20:33+01:00" */
};

/* Makes the texts those of the present, whatever they were; see tp__clock_texts_update(). */
void tp__clock_texts_refresh(struct tp_clock_texts *texts, int64_t now_us);

/* Makes the texts those of `now_us`, a monotonic time of not long ago. */
static inline void
tp__clock_texts_update(struct tp_clock_texts *texts, int64_t now_us)
{
    if (now_us >= texts->valid_until_us) {
        tp__clock_texts_refresh(texts, now_us);
    }
}

#endif
