/*
 * mutex.c - robust locks between processes.
 *
 * The kernel follows a dying thread's list of robust locks and marks each, so the
 * next to lock learns of the death.  This needs no cooperation of the dead and no
 * rights over it.
 *
 * Runs in: every process that maps a zone.  Read next: share/zone.c.
 */
#include "os/mutex.h"

#include "base/clock.h"
#include "base/result.h"

#include <errno.h>
#include <pthread.h>

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct tp_shared_mutex),
               "a lock must fit the room that zones give it");

static pthread_mutex_t *mutex_of(struct tp_shared_mutex *mutex);
static enum tp_result mutex_result(int code);

enum tp_result
tp__shared_mutex_init(struct tp_shared_mutex *mutex)
{
    pthread_mutexattr_t attributes;
    int code = pthread_mutexattr_init(&attributes);

    if (code != 0) {
        return mutex_result(code);
    }
    TP_ASSERT(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
    TP_ASSERT(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0);
    TP_ASSERT(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK) == 0);
    code = pthread_mutex_init(mutex_of(mutex), &attributes);
    pthread_mutexattr_destroy(&attributes);
    return mutex_result(code);
}

enum tp_result
tp__shared_mutex_lock(struct tp_shared_mutex *mutex, int64_t wait_max_ms)
{
    int code = pthread_mutex_trylock(mutex_of(mutex));

    if (code == EBUSY) {
        /* POSIX measures this wait by the wall clock: a jump of it bends a bound for emergencies. */
        struct timespec deadline = tp__clock_after(CLOCK_REALTIME, wait_max_ms);

        code = pthread_mutex_timedlock(mutex_of(mutex), &deadline);
    }
    /* Only our own thread can have locked it already, and nobody locks twice. */
    TP_ASSERT(code != EDEADLK);
    return mutex_result(code);
}

void
tp__shared_mutex_repaired(struct tp_shared_mutex *mutex)
{
    TP_ASSERT(pthread_mutex_consistent(mutex_of(mutex)) == 0);
}

void
tp__shared_mutex_unlock(struct tp_shared_mutex *mutex)
{
    TP_ASSERT(pthread_mutex_unlock(mutex_of(mutex)) == 0);
}

static pthread_mutex_t *
mutex_of(struct tp_shared_mutex *mutex)
{
    return (pthread_mutex_t *) (void *) mutex->storage;
}

static enum tp_result
mutex_result(int code)
{
    if (code == 0) {
        return TP_OK;
    }
    if (code == EOWNERDEAD) {
        return TP_OWNER_DIED;
    }
    errno = code;
    return tp__result_from_errno();
}
