/*
 * clock.c - what time it is.
 */
#include "base/clock.h"

#include <stdio.h>

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
