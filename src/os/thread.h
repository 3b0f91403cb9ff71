/*
 * os/thread.h - threads inside one process: starting, waiting for each other, and
 * waking the loop.
 *
 * The server runs one thread per process; only the pool for what blocks
 * (event/pool.h) starts others.
 */
#ifndef TP_OS_THREAD_H
#define TP_OS_THREAD_H

#include <teleport/base.h>

#include <pthread.h>

typedef void (*tp_thread_fn)(void *argument);

struct tp_thread {
    pthread_t handle;
    tp_thread_fn run;
    void *argument;
};

/* What tells one thread from another. */
struct tp_thread_name {
    pthread_t handle;
};

struct tp_thread_mutex {
    pthread_mutex_t handle;
};

struct tp_thread_condition {
    pthread_cond_t handle;
};

/* A descriptor that becomes readable when any thread rings it. */
struct tp_wakeup {
    int fd;
};

/*
 * Runs `run(argument)` on a new thread that gets no signals: they all stay with
 * the loop's thread.  `thread` must stay where it is until it was joined.
 * TP_SYSTEM: there are too many threads.
 */
enum tp_result tp__thread_start(struct tp_thread *thread, tp_thread_fn run,
                                void *argument) TP_MUST_CHECK;

/* Waits for the thread's end; once per started thread. */
void tp__thread_join(struct tp_thread *thread);

/* The thread that calls, and whether it is `name`. */
struct tp_thread_name tp__thread_this(void);
bool tp__thread_is_this(const struct tp_thread_name *name);

void tp__thread_mutex_init(struct tp_thread_mutex *mutex);
void tp__thread_mutex_fini(struct tp_thread_mutex *mutex);
void tp__thread_mutex_lock(struct tp_thread_mutex *mutex);
void tp__thread_mutex_unlock(struct tp_thread_mutex *mutex);

void tp__thread_condition_init(struct tp_thread_condition *condition);
void tp__thread_condition_fini(struct tp_thread_condition *condition);

/*
 * Waits, with `mutex` held before and after, until it is signalled or `wait_max_ms`
 * (-1: no bound) have passed: TP_TIMED_OUT.  May also return TP_OK for no reason.
 */
enum tp_result tp__thread_condition_wait(struct tp_thread_condition *condition,
                                         struct tp_thread_mutex *mutex,
                                         int64_t wait_max_ms) TP_MUST_CHECK;

/* Wakes one waiting thread, or all. */
void tp__thread_condition_signal(struct tp_thread_condition *condition);
void tp__thread_condition_broadcast(struct tp_thread_condition *condition);

enum tp_result tp__wakeup_open(struct tp_wakeup *wakeup) TP_MUST_CHECK;
void tp__wakeup_close(struct tp_wakeup *wakeup);

/* Makes wakeup->fd readable; from any thread, never blocks. */
void tp__wakeup_ring(struct tp_wakeup *wakeup);

/* Makes wakeup->fd unreadable until it is rung again. */
void tp__wakeup_quiet(struct tp_wakeup *wakeup);

#endif
