/*
 * thread.c - threads, their locks, and waking the loop's thread.
 *
 * Runs in: any process that blocks outside its loop.  Read next: event/pool.c.
 */
#include "os/thread.h"

#include "base/clock.h"
#include "base/result.h"
#include "os/file.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *thread_main(void *argument);

enum tp_result
tp__thread_start(struct tp_thread *thread, tp_thread_fn run, void *argument)
{
    sigset_t all;
    sigset_t before;

    thread->run = run;
    thread->argument = argument;
    /* A thread inherits the mask of its maker, so it has this one from its first instruction on. */
    sigfillset(&all);
    TP_ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);

    int code = pthread_create(&thread->handle, NULL, thread_main, thread);

    TP_ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (code != 0) {
        errno = code;
        return TP_SYSTEM;
    }
    return TP_OK;
}

void
tp__thread_join(struct tp_thread *thread)
{
    TP_ASSERT(pthread_join(thread->handle, NULL) == 0);
}

struct tp_thread_name
tp__thread_this(void)
{
    return (struct tp_thread_name){ pthread_self() };
}

bool
tp__thread_is_this(const struct tp_thread_name *name)
{
    return pthread_equal(name->handle, pthread_self()) != 0;
}

void
tp__thread_mutex_init(struct tp_thread_mutex *mutex)
{
    TP_ASSERT(pthread_mutex_init(&mutex->handle, NULL) == 0);
}

void
tp__thread_mutex_fini(struct tp_thread_mutex *mutex)
{
    TP_ASSERT(pthread_mutex_destroy(&mutex->handle) == 0);
}

void
tp__thread_mutex_lock(struct tp_thread_mutex *mutex)
{
    TP_ASSERT(pthread_mutex_lock(&mutex->handle) == 0);
}

void
tp__thread_mutex_unlock(struct tp_thread_mutex *mutex)
{
    TP_ASSERT(pthread_mutex_unlock(&mutex->handle) == 0);
}

void
tp__thread_condition_init(struct tp_thread_condition *condition)
{
    pthread_condattr_t attributes;

    TP_ASSERT(pthread_condattr_init(&attributes) == 0);
    TP_ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    TP_ASSERT(pthread_cond_init(&condition->handle, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

void
tp__thread_condition_fini(struct tp_thread_condition *condition)
{
    TP_ASSERT(pthread_cond_destroy(&condition->handle) == 0);
}

enum tp_result
tp__thread_condition_wait(struct tp_thread_condition *condition, struct tp_thread_mutex *mutex,
                          int64_t wait_max_ms)
{
    if (wait_max_ms < 0) {
        TP_ASSERT(pthread_cond_wait(&condition->handle, &mutex->handle) == 0);
        return TP_OK;
    }
    struct timespec deadline = tp__clock_after(CLOCK_MONOTONIC, wait_max_ms);
    int code = pthread_cond_timedwait(&condition->handle, &mutex->handle, &deadline);

    TP_ASSERT(code == 0 || code == ETIMEDOUT);
    return code == ETIMEDOUT ? TP_TIMED_OUT : TP_OK;
}

void
tp__thread_condition_signal(struct tp_thread_condition *condition)
{
    TP_ASSERT(pthread_cond_signal(&condition->handle) == 0);
}

void
tp__thread_condition_broadcast(struct tp_thread_condition *condition)
{
    TP_ASSERT(pthread_cond_broadcast(&condition->handle) == 0);
}

enum tp_result
tp__wakeup_open(struct tp_wakeup *wakeup)
{
    wakeup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wakeup->fd == -1 ? tp__result_from_errno() : TP_OK;
}

void
tp__wakeup_close(struct tp_wakeup *wakeup)
{
    tp__descriptor_close(&wakeup->fd);
}

void
tp__wakeup_ring(struct tp_wakeup *wakeup)
{
    uint64_t one = 1;
    ssize_t written = write(wakeup->fd, &one, sizeof(one));

    /* EAGAIN: it was rung so often that it cannot count further; it is readable all the same. */
    TP_ASSERT(written == sizeof(one) || errno == EAGAIN);
}

void
tp__wakeup_quiet(struct tp_wakeup *wakeup)
{
    uint64_t count;
    ssize_t got = read(wakeup->fd, &count, sizeof(count));

    TP_ASSERT(got == sizeof(count) || errno == EAGAIN);
}

static void *
thread_main(void *argument)
{
    struct tp_thread *thread = argument;

    thread->run(thread->argument);
    return NULL;
}
