/*
 * os/alarm.h - a descriptor that becomes readable at a given time.
 */
#ifndef TP_OS_ALARM_H
#define TP_OS_ALARM_H

#include <teleport/base.h>

enum {
    TP_ALARM_NEVER = -1,
};

struct tp_alarm {
    int fd;
};

/* An alarm that is not set. */
enum tp_result tp__alarm_open(struct tp_alarm *alarm) TP_MUST_CHECK;
void tp__alarm_close(struct tp_alarm *alarm);

/*
 * Lets the descriptor be readable from `time_ms` of CLOCK_MONOTONIC on, at once when that has
 * passed; TP_ALARM_NEVER: not at all.  What was set before does not count any more.
 */
void tp__alarm_set(struct tp_alarm *alarm, int64_t time_ms);

#endif
