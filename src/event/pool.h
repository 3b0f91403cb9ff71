/*
 * event/pool.h - a few threads for what blocks: password hashing, name resolution,
 * files.
 *
 * Its jobs are those of teleport/home.h.
 *
 * Threads: all calls are the loop's; only a job's run() is on another thread.
 */
#ifndef TP_EVENT_POOL_H
#define TP_EVENT_POOL_H

#include <teleport/home.h>

#include "event/loop.h"

struct tp_pool;

struct tp_pool_options {
    unsigned threads_max;
    size_t queue_max; /* jobs that wait for a thread */
    int64_t idle_ms;  /* a thread without work ends after this time */
};

/* Makes a pool that has no thread and no descriptor yet. */
enum tp_result tp__pool_create(struct tp_loop *loop, const struct tp_pool_options *options,
                               struct tp_pool **pool) TP_MUST_CHECK;

/*
 * Gives back the jobs that wait (done, was_run false), waits for those that run
 * and gives them back too; makes *pool NULL.  Not from within done().
 */
void tp__pool_destroy(struct tp_pool **pool);

/*
 * Lets a thread run the job, then `done` on the loop; the job stays where it is
 * until then.  TP_FULL: queue_max jobs wait.  TP_GONE: the pool is being
 * destroyed.  Others: no thread runs and none could be started.
 */
enum tp_result tp__pool_submit(struct tp_pool *pool, struct tp_job *job) TP_MUST_CHECK;

/* For status: threads there are now, and jobs that wait for one. */
unsigned tp__pool_thread_count(struct tp_pool *pool);
size_t tp__pool_queued_count(struct tp_pool *pool);

#endif
