/*
 * loop.c - turns of the event loop.
 *
 * A handler may unwatch and free any watcher while the turn's events are handed
 * out, so unwatching also strikes the watcher's event from the batch that is
 * still to be handed out.
 *
 * Runs in: every process that has a loop (master, workers, a library's host).
 * Read next: timer.c, backend/epoll.c.
 */
#include "event/loop.h"

#include "base/clock.h"
#include "event/backend/backend.h"
#include "os/alarm.h"

#include <stdlib.h>

struct tp_loop {
    struct tp_backend backend;
    struct tp_timer_wheel timers;
    struct tp_list_node posted;
    struct tp_loop_counters counters;
    tp_turn_fn on_turn;
    void *turn_owner;
    int64_t clock_us; /* as it was last read */
    int64_t woken_us; /* when the events of this turn, or the last one, came */
    bool is_stopping;
    bool is_abandoned;
    bool is_in_turn;

    /* Only where somebody waits in another loop; fd -1 else. */
    struct tp_alarm alarm;
    struct tp_watcher alarm_watcher;
    int64_t alarm_ms; /* what the alarm is set to */

    /* The batch being handed out; events before `batch_next` have been. */
    size_t batch_next;
    size_t batch_count;
    struct tp_backend_event batch[TP_BACKEND_BATCH_MAX];
};

static void loop_on_alarm(struct tp_watcher *watcher, unsigned events);
static void loop_set_alarm(struct tp_loop *loop);
static void loop_turn(struct tp_loop *loop, int64_t wait_max_ms);
static void loop_read_clock(struct tp_loop *loop);
static int64_t loop_sleep_ms(const struct tp_loop *loop, int64_t wait_max_ms);
static void loop_hand_out_events(struct tp_loop *loop);
static void loop_run_posted(struct tp_loop *loop);
static void loop_forget_events(struct tp_loop *loop, const struct tp_watcher *watcher);

enum tp_result
tp__loop_create(struct tp_loop **made)
{
    struct tp_loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        return TP_NO_MEMORY;
    }
    enum tp_result result = tp__backend_open(&loop->backend);

    if (result != TP_OK) {
        free(loop);
        return result;
    }
    tp__timer_wheel_init(&loop->timers, tp__clock_monotonic_ms());
    tp__list_init(&loop->posted);
    loop->alarm.fd = -1;
    *made = loop;
    return TP_OK;
}

void
tp__loop_destroy(struct tp_loop **loop)
{
    if (*loop == NULL) {
        return;
    }
    tp__alarm_close(&(*loop)->alarm);
    tp__backend_close(&(*loop)->backend);
    free(*loop);
    *loop = NULL;
}

void
tp__loop_abandon(struct tp_loop *loop)
{
    loop->is_abandoned = true;
}

void
tp__loop_run(struct tp_loop *loop)
{
    loop->is_stopping = false;
    loop_read_clock(loop);
    while (!loop->is_stopping) {
        loop_turn(loop, -1);
    }
    /* Further turns, without tp__loop_run(), may wait again. */
    loop->is_stopping = false;
}

void
tp__loop_stop(struct tp_loop *loop)
{
    loop->is_stopping = true;
}

void
tp__loop_turn(struct tp_loop *loop, int64_t wait_max_ms)
{
    loop_read_clock(loop);
    loop_turn(loop, wait_max_ms);
}

/* Reads the clock twice: when events have come, and at its end for the next turn. */
static void
loop_turn(struct tp_loop *loop, int64_t wait_max_ms)
{
    int64_t sleep_ms = loop_sleep_ms(loop, wait_max_ms);

    loop->is_in_turn = true;
    loop->batch_next = 0;
    loop->batch_count = tp__backend_wait(&loop->backend, loop->batch, sleep_ms);

    loop_read_clock(loop);
    loop->woken_us = loop->clock_us;
    /* Events before timers: what has arrived must not be timed out for having waited here. */
    loop_hand_out_events(loop);
    tp__timer_wheel_expire(&loop->timers);
    loop_run_posted(loop);
    loop->is_in_turn = false;
    loop_set_alarm(loop);
    /* The next sleep is counted from here, not from the start of a turn that may have taken long. */
    loop_read_clock(loop);

    int64_t turn_us = loop->clock_us - loop->woken_us;

    loop->counters.turns++;
    if (turn_us > loop->counters.turn_max_us) {
        loop->counters.turn_max_us = turn_us;
    }
    if (loop->on_turn != NULL) {
        loop->on_turn(loop->turn_owner, turn_us);
    }
}

enum tp_result
tp__loop_open_fd(struct tp_loop *loop, int *fd)
{
    *fd = tp__backend_descriptor(&loop->backend);
    if (loop->alarm.fd != -1) {
        return TP_OK;
    }
    enum tp_result result = tp__alarm_open(&loop->alarm);

    if (result != TP_OK) {
        return result;
    }
    loop->alarm_ms = TP_ALARM_NEVER;
    tp__watcher_init(&loop->alarm_watcher, loop->alarm.fd, loop_on_alarm);
    result = tp__loop_watch(loop, &loop->alarm_watcher, TP_EVENT_READ);
    if (result != TP_OK) {
        tp__alarm_close(&loop->alarm);
        return result;
    }
    loop_set_alarm(loop);
    return TP_OK;
}

int64_t
tp__loop_now_ms(const struct tp_loop *loop)
{
    return loop->timers.clock_ms;
}

bool
tp__loop_is_in_turn(const struct tp_loop *loop)
{
    return loop->is_in_turn;
}

int64_t
tp__loop_now_us(const struct tp_loop *loop)
{
    return loop->woken_us;
}

const struct tp_loop_counters *
tp__loop_get_counters(const struct tp_loop *loop)
{
    return &loop->counters;
}

void
tp__loop_tell_turns(struct tp_loop *loop, tp_turn_fn on_turn, void *owner)
{
    loop->on_turn = on_turn;
    loop->turn_owner = owner;
}

size_t
tp__loop_timer_count(const struct tp_loop *loop)
{
    return loop->timers.running_count;
}

enum tp_result
tp__loop_watch(struct tp_loop *loop, struct tp_watcher *watcher, unsigned interest)
{
    TP_ASSERT(watcher->fd >= 0 && interest != 0);
    if (interest == watcher->interest) {
        return TP_OK;
    }
    enum tp_result result = tp__backend_change(&loop->backend, watcher, interest);

    if (result == TP_OK) {
        watcher->interest = interest;
    }
    return result;
}

void
tp__loop_unwatch(struct tp_loop *loop, struct tp_watcher *watcher)
{
    if (watcher->interest == 0) {
        return;
    }
    if (!loop->is_abandoned) {
        /* It fails only for a descriptor that was closed too early: ours would be the mistake. */
        enum tp_result result = tp__backend_change(&loop->backend, watcher, 0);

        TP_ASSERT(result == TP_OK);
    }
    watcher->interest = 0;
    loop_forget_events(loop, watcher);
}

void
tp__loop_start_timer(struct tp_loop *loop, struct tp_timer *timer, int64_t delay_ms)
{
    /* While a program starts, the loop does not turn and its clock stands still. */
    if (!loop->is_in_turn) {
        tp__timer_wheel_set_clock(&loop->timers, tp__clock_monotonic_ms());
    }
    tp__timer_wheel_start(&loop->timers, timer, delay_ms);
    loop_set_alarm(loop);
}

void
tp__loop_start_timer_at(struct tp_loop *loop, struct tp_timer *timer, int64_t deadline_ms)
{
    if (!loop->is_in_turn) {
        tp__timer_wheel_set_clock(&loop->timers, tp__clock_monotonic_ms());
    }
    tp__timer_wheel_start(&loop->timers, timer, deadline_ms - loop->timers.clock_ms);
    loop_set_alarm(loop);
}

void
tp__loop_stop_timer(struct tp_loop *loop, struct tp_timer *timer)
{
    tp__timer_wheel_stop(&loop->timers, timer);
}

void
tp__work_init(struct tp_work *work, tp_work_fn run)
{
    work->run = run;
    tp__list_init(&work->node);
}

void
tp__loop_post(struct tp_loop *loop, struct tp_work *work)
{
    if (tp__list_is_empty(&work->node)) {
        tp__list_append(&loop->posted, &work->node);
        loop_set_alarm(loop);
    }
}

void
tp__work_cancel(struct tp_work *work)
{
    tp__list_remove(&work->node);
}

/* The turn it has caused sets it anew at its end. */
static void
loop_on_alarm(struct tp_watcher *watcher, unsigned events)
{
    struct tp_loop *loop = TP_CONTAINER_OF(watcher, struct tp_loop, alarm_watcher);

    (void) events;
    loop->alarm_ms = TP_ALARM_NEVER;
    tp__alarm_set(&loop->alarm, TP_ALARM_NEVER);
}

/* Outside turns it says when the next one is due: for who waits elsewhere. */
static void
loop_set_alarm(struct tp_loop *loop)
{
    if (loop->alarm.fd == -1 || loop->is_in_turn) {
        return;
    }
    int64_t sleep_ms = tp__timer_wheel_sleep_ms(&loop->timers);
    int64_t time_ms = sleep_ms == -1 ? TP_ALARM_NEVER : loop->timers.clock_ms + sleep_ms;

    if (!tp__list_is_empty(&loop->posted)) {
        time_ms = 0;
    }
    if (time_ms != loop->alarm_ms) {
        loop->alarm_ms = time_ms;
        tp__alarm_set(&loop->alarm, time_ms);
    }
}

static void
loop_read_clock(struct tp_loop *loop)
{
    loop->clock_us = tp__clock_monotonic_us();
    tp__timer_wheel_set_clock(&loop->timers, loop->clock_us / 1000);
}

static int64_t
loop_sleep_ms(const struct tp_loop *loop, int64_t wait_max_ms)
{
    int64_t sleep_ms = tp__timer_wheel_sleep_ms(&loop->timers);

    if (!tp__list_is_empty(&loop->posted) || loop->is_stopping) {
        return 0;
    }
    if (sleep_ms == -1 || (wait_max_ms != -1 && wait_max_ms < sleep_ms)) {
        return wait_max_ms;
    }
    return sleep_ms;
}

static void
loop_hand_out_events(struct tp_loop *loop)
{
    while (loop->batch_next < loop->batch_count) {
        const struct tp_backend_event *event = &loop->batch[loop->batch_next++];
        struct tp_watcher *watcher = event->watcher;

        if (watcher == NULL) {
            continue;
        }
        /* A handler before this one may have changed what the watcher waits for. */
        unsigned events = event->events & (watcher->interest | TP_EVENT_BROKEN);

        if (events != 0) {
            loop->counters.events++;
            watcher->on_event(watcher, events);
        }
    }
}

/* Work posted by this work waits for the next turn, so that a turn always ends. */
static void
loop_run_posted(struct tp_loop *loop)
{
    struct tp_list_node works;
    struct tp_list_node *node;

    tp__list_init(&works);
    tp__list_move_all(&works, &loop->posted);
    while ((node = tp__list_take_first(&works)) != NULL) {
        struct tp_work *work = TP_CONTAINER_OF(node, struct tp_work, node);

        work->run(work);
    }
}

static void
loop_forget_events(struct tp_loop *loop, const struct tp_watcher *watcher)
{
    for (size_t i = loop->batch_next; i < loop->batch_count; i++) {
        if (loop->batch[i].watcher == watcher) {
            loop->batch[i].watcher = NULL;
        }
    }
}
