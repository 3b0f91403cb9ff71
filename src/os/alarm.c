/*
 * alarm.c - a descriptor that becomes readable at a given time: a timer of the kernel.
 *
 * Setting it anew also makes it unreadable, so nobody has to read from it.
 *
 * Runs in: library, for programs with a loop of their own.  Read next: event/loop.c.
 */
#include "os/alarm.h"

#include "base/result.h"
#include "os/file.h"

#include <sys/timerfd.h>

enum tp_result
tp__alarm_open(struct tp_alarm *alarm)
{
    alarm->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return alarm->fd == -1 ? tp__result_from_errno() : TP_OK;
}

void
tp__alarm_close(struct tp_alarm *alarm)
{
    tp__descriptor_close(&alarm->fd);
}

void
tp__alarm_set(struct tp_alarm *alarm, int64_t time_ms)
{
    struct itimerspec wanted = { 0 };

    if (time_ms != TP_ALARM_NEVER) {
        wanted.it_value.tv_sec = (time_t) (time_ms / 1000);
        wanted.it_value.tv_nsec = (long) (time_ms % 1000) * 1000000;
        if (time_ms <= 0) {
            wanted.it_value.tv_nsec = 1; /* all zeros would be never */
        }
    }
    TP_ASSERT(timerfd_settime(alarm->fd, TFD_TIMER_ABSTIME, &wanted, NULL) == 0);
}
