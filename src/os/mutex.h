/*
 * os/mutex.h - a lock that lies in shared memory and survives the death of its owner.
 *
 * Users need not share an address, a binary or a user id; they need the same
 * memory and the same C library.
 */
#ifndef TP_OS_MUTEX_H
#define TP_OS_MUTEX_H

#include <teleport/base.h>

/* Fills a cache line, so that neighbouring locks do not slow each other down. */
struct tp_shared_mutex {
    _Alignas(64) unsigned char storage[64];
};

/* Prepares `mutex`, which nobody uses yet, in memory that will be shared. */
enum tp_result tp__shared_mutex_init(struct tp_shared_mutex *mutex) TP_MUST_CHECK;

/*
 * Waits at most `wait_max_ms` for the lock.  The caller owns it after TP_OK, and
 * after TP_OWNER_DIED too: then it must check what the lock protects, repair it,
 * and call tp__shared_mutex_repaired() before it unlocks.  TP_TIMED_OUT: the
 * owner is stuck or stopped.  TP_SYSTEM: the memory does not hold a usable lock.
 */
enum tp_result tp__shared_mutex_lock(struct tp_shared_mutex *mutex,
                                     int64_t wait_max_ms) TP_MUST_CHECK;

/* Says that what the lock protects is whole again.  Only after TP_OWNER_DIED. */
void tp__shared_mutex_repaired(struct tp_shared_mutex *mutex);

/* Only by the thread that owns the lock. */
void tp__shared_mutex_unlock(struct tp_shared_mutex *mutex);

#endif
