/*
 * event/loop.h - the event loop: descriptors, timers and posted work of one thread.
 *
 * A turn waits for events, hands them out, lets timers expire, and ends with the
 * work that was posted meanwhile: what a turn produced for a session (many
 * replies, say) is sent once, at its end.
 *
 * Threads: a loop and everything in it belong to the thread that runs it.
 *
 * Read next: loop.c, timer.h, backend/backend.h.
 */
#ifndef TP_EVENT_LOOP_H
#define TP_EVENT_LOOP_H

#include "event/timer.h"

enum {
    TP_EVENT_READ = 1 << 0,      /* readable, or the other end has finished sending */
    TP_EVENT_WRITE = 1 << 1,     /* writable */
    TP_EVENT_BROKEN = 1 << 2,    /* reported unasked: error or both directions closed */
    TP_EVENT_EXCLUSIVE = 1 << 3, /* with READ on a listener shared by processes: wake one of them */
};

struct tp_loop;
struct tp_watcher;
typedef void (*tp_watcher_fn)(struct tp_watcher *watcher, unsigned events);

/*
 * A watched descriptor, embedded in its owner.  `interest` is what the loop
 * watches for now: 0 when it is not watched.
 */
struct tp_watcher {
    int fd;
    unsigned interest;
    tp_watcher_fn on_event;
};

struct tp_work;
typedef void (*tp_work_fn)(struct tp_work *work);

/* Work for the end of the turn, embedded in its owner. */
struct tp_work {
    struct tp_list_node node;
    tp_work_fn run;
};

/* What a loop has seen since it was created. */
struct tp_loop_counters {
    uint64_t turns;
    uint64_t events;
    int64_t turn_max_us; /* longest time from waking up to waiting again */
};

/* Makes a loop; TP_NO_DESCRIPTORS or TP_NO_MEMORY when that cannot be had. */
enum tp_result tp__loop_create(struct tp_loop **loop) TP_MUST_CHECK;

/* Frees the loop, makes *loop NULL.  Descriptors stay open; timers and work are forgotten. */
void tp__loop_destroy(struct tp_loop **loop);

/*
 * In a new process made by fork(): the set of watched descriptors is still shared with
 * the parent.  From here on unwatching does not touch it; destroy the loop next.
 */
void tp__loop_abandon(struct tp_loop *loop);

/* Runs turns until tp__loop_stop() is called from one of them. */
void tp__loop_run(struct tp_loop *loop);

/* Lets tp__loop_run() return at the end of this turn. */
void tp__loop_stop(struct tp_loop *loop);

/* Runs one turn that waits at most `wait_max_ms` (-1: until something happens). */
void tp__loop_turn(struct tp_loop *loop, int64_t wait_max_ms);

/*
 * One descriptor that is readable whenever a turn has something to do: an event, a timer, posted
 * work.  For who waits in a loop of another kind and calls tp__loop_turn(loop, 0) then; it is
 * the loop's.  TP_NO_DESCRIPTORS, TP_NO_MEMORY.
 */
enum tp_result tp__loop_open_fd(struct tp_loop *loop, int *fd) TP_MUST_CHECK;

/* The monotonic time when this turn's events came. */
int64_t tp__loop_now_ms(const struct tp_loop *loop);
int64_t tp__loop_now_us(const struct tp_loop *loop);

const struct tp_loop_counters *tp__loop_get_counters(const struct tp_loop *loop);

/* Is told at each turn's end how long it took, from waking up to waiting again; or NULL. */
typedef void (*tp_turn_fn)(void *owner, int64_t turn_us);
void tp__loop_tell_turns(struct tp_loop *loop, tp_turn_fn on_turn, void *owner);

/* How many timers run, for status. */
size_t tp__loop_timer_count(const struct tp_loop *loop);

/* True between a turn's begin and its end: whoever asks was called by the loop. */
bool tp__loop_is_in_turn(const struct tp_loop *loop);

static inline void
tp__watcher_init(struct tp_watcher *watcher, int fd, tp_watcher_fn on_event)
{
    *watcher = (struct tp_watcher){ .fd = fd, .on_event = on_event };
}

/*
 * Watches watcher->fd for `interest` (TP_EVENT_READ and/or TP_EVENT_WRITE), level
 * triggered; replaces the interest it had, but an exclusive one must be unwatched
 * first.  on_event may unwatch and free any watcher, its own included.
 */
enum tp_result tp__loop_watch(struct tp_loop *loop, struct tp_watcher *watcher,
                              unsigned interest) TP_MUST_CHECK;

/* Ends watching; call it before the descriptor is closed.  Does nothing when it is not watched. */
void tp__loop_unwatch(struct tp_loop *loop, struct tp_watcher *watcher);

/*
 * Lets `timer` expire `delay_ms` from now: within a turn that is tp__loop_now_ms(),
 * else the present.  Stopping a timer that does not run does nothing.
 */
void tp__loop_start_timer(struct tp_loop *loop, struct tp_timer *timer, int64_t delay_ms);
/* The same for a time of CLOCK_MONOTONIC; one that has passed is the next millisecond. */
void tp__loop_start_timer_at(struct tp_loop *loop, struct tp_timer *timer, int64_t deadline_ms);
void tp__loop_stop_timer(struct tp_loop *loop, struct tp_timer *timer);

/* A work that is not posted. */
void tp__work_init(struct tp_work *work, tp_work_fn run);

/*
 * Runs `work` at the end of this turn, or of the next when posted by other work;
 * posting twice is posting once.
 */
void tp__loop_post(struct tp_loop *loop, struct tp_work *work);

/* Takes posted work back; does nothing when it is not posted. */
void tp__work_cancel(struct tp_work *work);

#endif
