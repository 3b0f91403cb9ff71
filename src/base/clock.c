/*
 * clock.c - what time it is.
 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

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
