/*
 * clock.c - what time it is.
 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum {
    DAY_SECONDS = 24 * 60 * 60,
};

static char *clock_write_day(int64_t days, char *text);
static int clock_month_days(int year, int month);
static char *clock_write_number(int number, int digits, char after, char *text);

int64_t
tp__clock_monotonic_us(void)
{
    struct timespec now;

    TP_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
tp__clock_monotonic_ms(void)
{
    return tp__clock_monotonic_us() / 1000;
}

int64_t
tp__clock_wall_ms(void)
{
    struct timespec now;

    TP_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct timespec
tp__clock_after(clockid_t clock, int64_t wait_ms)
{
    struct timespec then;

    TP_ASSERT(clock_gettime(clock, &then) == 0);
    then.tv_sec += (time_t) (wait_ms / 1000);
    then.tv_nsec += (long) (wait_ms % 1000) * 1000000;
    if (then.tv_nsec >= 1000000000) {
        then.tv_nsec -= 1000000000;
        then.tv_sec++;
    }
    return then;
}

const char *
tp__clock_format_now(char *text)
{
    struct timespec now;
    struct tm local;

    TP_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    TP_ASSERT(localtime_r(&now.tv_sec, &local) != NULL);

    size_t len = strftime(text, TP_CLOCK_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &local);

    snprintf(text + len, TP_CLOCK_TEXT_MAX - len, ".%03d", (int) (now.tv_nsec / 1000000));
    return text;
}

long
tp__clock_utc_offset(void)
{
    time_t now = time(NULL);
    struct tm local;

    TP_ASSERT(localtime_r(&now, &local) != NULL);
    return local.tm_gmtoff;
}

const char *
tp__clock_format_at(long utc_offset_s, char *text)
{
    struct timespec now = { 0 };
    char *next = text;

    clock_gettime(CLOCK_REALTIME, &now);
    int64_t local_s = (int64_t) now.tv_sec + utc_offset_s;
    int second = (int) (local_s % DAY_SECONDS);

    next = clock_write_day(local_s / DAY_SECONDS, next);
    next = clock_write_number(second / 3600, 2, ':', next);
    next = clock_write_number(second / 60 % 60, 2, ':', next);
    next = clock_write_number(second % 60, 2, '.', next);
    clock_write_number((int) (now.tv_nsec / 1000000), 3, '\0', next);
    return text;
}

void
tp__clock_texts_refresh(struct tp_clock_texts *texts, int64_t now_us)
{
    struct timespec now;
    struct tm local;

    TP_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    TP_ASSERT(localtime_r(&now.tv_sec, &local) != NULL);
    texts->valid_until_us = now_us + 1000000 - now.tv_nsec / 1000;
    texts->local_len = strftime(texts->local, sizeof(texts->local), "%Y-%m-%d %H:%M:%S", &local);
    /* strftime() knows "+0100" only; readers of ISO 8601 want the colon. */
    size_t len = strftime(texts->iso8601, sizeof(texts->iso8601), "%Y-%m-%dT%H:%M:%S%z", &local);

    memmove(texts->iso8601 + len - 1, texts->iso8601 + len - 2, 3);
    texts->iso8601[len - 2] = ':';
    texts->iso8601_len = len + 1;
}

/* The day so many days after 1970-01-01.  Counting years takes a fraction of a microsecond. */
static char *
clock_write_day(int64_t days, char *text)
{
    int year = 1970;
    int month = 1;

    while (days >= 337 + clock_month_days(year, 2)) {
        days -= 337 + clock_month_days(year, 2);
        year++;
    }
    while (days >= clock_month_days(year, month)) {
        days -= clock_month_days(year, month);
        month++;
    }
    text = clock_write_number(year, 4, '-', text);
    text = clock_write_number(month, 2, '-', text);
    return clock_write_number((int) days + 1, 2, ' ', text);
}

static int
clock_month_days(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

static char *
clock_write_number(int number, int digits, char after, char *text)
{
    text[digits] = after;
    for (int i = digits - 1; i >= 0; i--) {
        text[i] = (char) ('0' + number % 10);
        number /= 10;
    }
    return text + digits + 1;
}
