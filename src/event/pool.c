/*
 * pool.c - a few threads for what blocks.
 *
 * A job goes from `waiting` to a thread to `finished` and back to the loop.  All
 * three are under one mutex, taken briefly; run() and done() are called without
 * it.  The loop hears of finished jobs by one descriptor, however many they are.
 *
 * Threads are started while fewer are idle than jobs wait, and end by themselves;
 * the loop hears of that by the same descriptor and joins them.
 *
 * Runs in: a worker.  Owns: its threads and the descriptor that wakes the loop.
 */
#include "event/pool.h"

#include "os/thread.h"

#include <stdlib.h>

/* A place for a thread. */
struct pool_thread {
    struct tp_pool *pool;
    struct tp_thread thread;
    bool is_started; /* loop only: must be joined */
    bool has_ended;  /* under the mutex */
};

struct tp_pool {
    struct tp_loop *loop;
    struct tp_pool_options options;
    struct tp_wakeup wakeup;
    struct tp_watcher watcher; /* on wakeup, once a thread was wanted */
    bool is_delivering;        /* done() is being called */

    struct tp_thread_mutex mutex;
    struct tp_thread_condition has_work;
    struct tp_list_node waiting;
    size_t waiting_count;
    struct tp_list_node finished;
    unsigned thread_count;
    unsigned idle_count; /* threads that wait for work */
    bool is_ending;

    struct pool_thread threads[]; /* options.threads_max of them */
};

static enum tp_result pool_open_wakeup(struct tp_pool *pool);
static bool pool_wants_thread(const struct tp_pool *pool);
static enum tp_result pool_start_thread(struct tp_pool *pool);
static void pool_join(struct pool_thread *place);
static void pool_join_ended(struct tp_pool *pool);
static void pool_on_wakeup(struct tp_watcher *watcher, unsigned events);
static void pool_deliver(struct tp_pool *pool, struct tp_list_node *jobs, bool was_run);

static void thread_run(void *argument);
static struct tp_job *thread_take_job(struct tp_pool *pool);

enum tp_result
tp__pool_create(struct tp_loop *loop, const struct tp_pool_options *options, struct tp_pool **made)
{
    TP_ASSERT(options->threads_max > 0 && options->queue_max > 0 && options->idle_ms >= 0);

    struct tp_pool *pool =
        calloc(1, sizeof(*pool) + options->threads_max * sizeof(pool->threads[0]));

    if (pool == NULL) {
        return TP_NO_MEMORY;
    }
    pool->loop = loop;
    pool->options = *options;
    pool->wakeup.fd = -1;
    tp__thread_mutex_init(&pool->mutex);
    tp__thread_condition_init(&pool->has_work);
    tp__list_init(&pool->waiting);
    tp__list_init(&pool->finished);
    *made = pool;
    return TP_OK;
}

void
tp__pool_destroy(struct tp_pool **destroyed)
{
    struct tp_pool *pool = *destroyed;
    struct tp_list_node unrun;

    if (pool == NULL) {
        return;
    }
    TP_ASSERT(!pool->is_delivering);
    tp__list_init(&unrun);
    tp__thread_mutex_lock(&pool->mutex);
    pool->is_ending = true;
    tp__list_move_all(&unrun, &pool->waiting);
    pool->waiting_count = 0;
    tp__thread_condition_broadcast(&pool->has_work);
    tp__thread_mutex_unlock(&pool->mutex);

    for (unsigned i = 0; i < pool->options.threads_max; i++) {
        pool_join(&pool->threads[i]);
    }
    pool_deliver(pool, &pool->finished, true);
    pool_deliver(pool, &unrun, false);
    if (pool->wakeup.fd != -1) {
        tp__loop_unwatch(pool->loop, &pool->watcher);
        tp__wakeup_close(&pool->wakeup);
    }
    tp__thread_condition_fini(&pool->has_work);
    tp__thread_mutex_fini(&pool->mutex);
    free(pool);
    *destroyed = NULL;
}

enum tp_result
tp__pool_submit(struct tp_pool *pool, struct tp_job *job)
{
    if (pool->is_ending) {
        return TP_GONE;
    }
    enum tp_result result = pool_open_wakeup(pool);

    if (result != TP_OK) {
        return result;
    }
    tp__thread_mutex_lock(&pool->mutex);
    if (pool->waiting_count == pool->options.queue_max) {
        result = TP_FULL;
        goto unlock;
    }
    tp__list_append(&pool->waiting, &job->node);
    pool->waiting_count++;
    if (pool_wants_thread(pool)) {
        result = pool_start_thread(pool);
    }
    if (result != TP_OK && pool->thread_count > 0) {
        /* Slower than wished, but those that run will come to it. */
        result = TP_OK;
    }
    if (result != TP_OK) {
        tp__list_remove(&job->node);
        pool->waiting_count--;
        goto unlock;
    }
    tp__thread_condition_signal(&pool->has_work);

unlock:
    tp__thread_mutex_unlock(&pool->mutex);
    return result;
}

unsigned
tp__pool_thread_count(struct tp_pool *pool)
{
    tp__thread_mutex_lock(&pool->mutex);
    unsigned count = pool->thread_count;

    tp__thread_mutex_unlock(&pool->mutex);
    return count;
}

size_t
tp__pool_queued_count(struct tp_pool *pool)
{
    tp__thread_mutex_lock(&pool->mutex);
    size_t count = pool->waiting_count;

    tp__thread_mutex_unlock(&pool->mutex);
    return count;
}

/* On first use: a worker whose modules never block pays nothing. */
static enum tp_result
pool_open_wakeup(struct tp_pool *pool)
{
    if (pool->wakeup.fd != -1) {
        return TP_OK;
    }
    enum tp_result result = tp__wakeup_open(&pool->wakeup);

    if (result != TP_OK) {
        return result;
    }
    tp__watcher_init(&pool->watcher, pool->wakeup.fd, pool_on_wakeup);
    result = tp__loop_watch(pool->loop, &pool->watcher, TP_EVENT_READ);
    if (result != TP_OK) {
        tp__wakeup_close(&pool->wakeup);
    }
    return result;
}

static bool
pool_wants_thread(const struct tp_pool *pool)
{
    return pool->idle_count < pool->waiting_count && pool->thread_count < pool->options.threads_max;
}

/* Under the mutex.  There is a free place as long as fewer than threads_max run. */
static enum tp_result
pool_start_thread(struct tp_pool *pool)
{
    struct pool_thread *place = pool->threads;

    pool_join_ended(pool);
    while (place->is_started) {
        place++;
        TP_ASSERT(place < pool->threads + pool->options.threads_max);
    }
    place->pool = pool;
    place->has_ended = false;

    enum tp_result result = tp__thread_start(&place->thread, thread_run, place);

    if (result == TP_OK) {
        place->is_started = true;
        pool->thread_count++;
    }
    return result;
}

static void
pool_join(struct pool_thread *place)
{
    if (place->is_started) {
        tp__thread_join(&place->thread);
        place->is_started = false;
    }
}

/* Under the mutex: who has ended is past it, so this waits for next to nothing. */
static void
pool_join_ended(struct tp_pool *pool)
{
    for (unsigned i = 0; i < pool->options.threads_max; i++) {
        if (pool->threads[i].has_ended) {
            pool_join(&pool->threads[i]);
        }
    }
}

static void
pool_on_wakeup(struct tp_watcher *watcher, unsigned events)
{
    struct tp_pool *pool = TP_CONTAINER_OF(watcher, struct tp_pool, watcher);
    struct tp_list_node finished;

    (void) events;
    tp__list_init(&finished);
    /* Quiet first: a job that finishes from here on rings again. */
    tp__wakeup_quiet(&pool->wakeup);
    tp__thread_mutex_lock(&pool->mutex);
    tp__list_move_all(&finished, &pool->finished);
    pool_join_ended(pool);
    tp__thread_mutex_unlock(&pool->mutex);
    pool_deliver(pool, &finished, true);
}

static void
pool_deliver(struct tp_pool *pool, struct tp_list_node *jobs, bool was_run)
{
    struct tp_list_node *node;

    pool->is_delivering = true;
    while ((node = tp__list_take_first(jobs)) != NULL) {
        struct tp_job *job = TP_CONTAINER_OF(node, struct tp_job, node);

        job->done(job, was_run);
    }
    pool->is_delivering = false;
}

static void
thread_run(void *argument)
{
    struct pool_thread *place = argument;
    struct tp_pool *pool = place->pool;
    struct tp_job *job;

    tp__thread_mutex_lock(&pool->mutex);
    while ((job = thread_take_job(pool)) != NULL) {
        tp__thread_mutex_unlock(&pool->mutex);
        job->run(job);
        tp__thread_mutex_lock(&pool->mutex);
        tp__list_append(&pool->finished, &job->node);
        tp__wakeup_ring(&pool->wakeup);
    }
    pool->thread_count--;
    place->has_ended = true;
    tp__wakeup_ring(&pool->wakeup);
    tp__thread_mutex_unlock(&pool->mutex);
}

/* The job that waits longest, once there is one.  NULL: this thread is not needed any more. */
static struct tp_job *
thread_take_job(struct tp_pool *pool)
{
    enum tp_result waited = TP_OK;

    while (tp__list_is_empty(&pool->waiting) && !pool->is_ending && waited != TP_TIMED_OUT) {
        pool->idle_count++;
        waited = tp__thread_condition_wait(&pool->has_work, &pool->mutex, pool->options.idle_ms);
        pool->idle_count--;
    }
    struct tp_list_node *node = tp__list_take_first(&pool->waiting);

    if (node == NULL) {
        return NULL;
    }
    pool->waiting_count--;
    return TP_CONTAINER_OF(node, struct tp_job, node);
}
