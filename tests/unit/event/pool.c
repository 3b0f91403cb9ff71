/*
 * pool.c - tests of event/pool: what blocks is done elsewhere and comes back.
 */
#include "event/pool.h"

#include "os/file.h"
#include "os/thread.h"

#include <check.h>
#include <signal.h>
#include <stdatomic.h>

enum {
    THREADS_MAX = 3,
    QUEUE_MAX = 5,
    TURN_WAIT_MS = 50,
    LONG_MS = 60 * 1000,
};

/* Jobs wait at the gate until it opens. */
struct gate {
    struct tp_thread_mutex mutex;
    struct tp_thread_condition changed;
    unsigned inside; /* jobs on a thread */
    unsigned inside_max;
    bool is_open;
};

struct job {
    struct tp_job base;
    struct gate *gate;
    struct tp_pool *pool;
    struct job *next; /* submitted when this one is done */
    pthread_t loop_thread;
    unsigned done_count;
    bool was_run;
    bool ran_elsewhere;
    bool had_signals_blocked;
    enum tp_result next_result;
};

struct fixture {
    struct tp_loop *loop;
    struct tp_pool *pool;
    struct gate gate;
    struct job jobs[THREADS_MAX + QUEUE_MAX + 1];
};

Suite *tp_suite_event_pool(void);

static void
job_run(struct tp_job *base)
{
    struct job *job = TP_CONTAINER_OF(base, struct job, base);
    struct gate *gate = job->gate;
    sigset_t blocked;

    job->ran_elsewhere = pthread_equal(pthread_self(), job->loop_thread) == 0;
    job->had_signals_blocked =
        pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 && sigismember(&blocked, SIGTERM) == 1;
    tp__thread_mutex_lock(&gate->mutex);
    gate->inside++;
    if (gate->inside > gate->inside_max) {
        gate->inside_max = gate->inside;
    }
    tp__thread_condition_broadcast(&gate->changed);
    while (!gate->is_open) {
        TP_ASSERT(tp__thread_condition_wait(&gate->changed, &gate->mutex, -1) == TP_OK);
    }
    gate->inside--;
    tp__thread_mutex_unlock(&gate->mutex);
}

static void
job_done(struct tp_job *base, bool was_run)
{
    struct job *job = TP_CONTAINER_OF(base, struct job, base);

    TP_ASSERT(pthread_equal(pthread_self(), job->loop_thread) != 0);
    job->done_count++;
    job->was_run = was_run;
    if (job->next != NULL) {
        job->next_result = tp__pool_submit(job->pool, &job->next->base);
    }
}

static void
fixture_open(struct fixture *fixture, int64_t idle_ms)
{
    struct tp_pool_options options = {
        .threads_max = THREADS_MAX,
        .queue_max = QUEUE_MAX,
        .idle_ms = idle_ms,
    };

    *fixture = (struct fixture){ .loop = NULL };
    ck_assert_int_eq(TP_OK, tp__loop_create(&fixture->loop));
    ck_assert_int_eq(TP_OK, tp__pool_create(fixture->loop, &options, &fixture->pool));
    tp__thread_mutex_init(&fixture->gate.mutex);
    tp__thread_condition_init(&fixture->gate.changed);
    for (size_t i = 0; i < TP_COUNT_OF(fixture->jobs); i++) {
        struct job *job = &fixture->jobs[i];

        job->base.run = job_run;
        job->base.done = job_done;
        job->gate = &fixture->gate;
        job->pool = fixture->pool;
        job->loop_thread = pthread_self();
    }
}

static void
fixture_close(struct fixture *fixture)
{
    tp__pool_destroy(&fixture->pool);
    tp__thread_condition_fini(&fixture->gate.changed);
    tp__thread_mutex_fini(&fixture->gate.mutex);
    tp__loop_destroy(&fixture->loop);
}

static enum tp_result
submit(struct fixture *fixture, size_t index)
{
    return tp__pool_submit(fixture->pool, &fixture->jobs[index].base);
}

static void
gate_open(struct gate *gate)
{
    tp__thread_mutex_lock(&gate->mutex);
    gate->is_open = true;
    tp__thread_condition_broadcast(&gate->changed);
    tp__thread_mutex_unlock(&gate->mutex);
}

/* Waits until `count` jobs stand at the gate. */
static void
gate_await(struct gate *gate, unsigned count)
{
    tp__thread_mutex_lock(&gate->mutex);
    while (gate->inside != count) {
        ck_assert_int_eq(TP_OK, tp__thread_condition_wait(&gate->changed, &gate->mutex, LONG_MS));
    }
    tp__thread_mutex_unlock(&gate->mutex);
}

static void
turn_until_done(struct fixture *fixture, size_t index)
{
    while (fixture->jobs[index].done_count == 0) {
        tp__loop_turn(fixture->loop, TURN_WAIT_MS);
    }
}

START_TEST(costs_nothing_unused)
{
    struct fixture fixture;
    size_t before;

    fixture_open(&fixture, LONG_MS);
    before = tp__descriptor_count();
    ck_assert_uint_eq(0, tp__pool_thread_count(fixture.pool));
    gate_open(&fixture.gate);
    ck_assert_int_eq(TP_OK, submit(&fixture, 0));
    ck_assert_uint_eq(before + 1, tp__descriptor_count());
    turn_until_done(&fixture, 0);
    ck_assert_uint_eq(1, tp__pool_thread_count(fixture.pool));
    fixture_close(&fixture);
}
END_TEST

START_TEST(runs_elsewhere_and_is_done_here)
{
    struct fixture fixture;

    fixture_open(&fixture, LONG_MS);
    ck_assert_int_eq(TP_OK, submit(&fixture, 0));
    gate_await(&fixture.gate, 1);
    tp__loop_turn(fixture.loop, 0);
    ck_assert_uint_eq(0, fixture.jobs[0].done_count);
    gate_open(&fixture.gate);
    turn_until_done(&fixture, 0);
    ck_assert(fixture.jobs[0].was_run);
    ck_assert(fixture.jobs[0].ran_elsewhere);
    ck_assert(fixture.jobs[0].had_signals_blocked);
    fixture_close(&fixture);
}
END_TEST

START_TEST(threads_and_queue_have_bounds)
{
    struct fixture fixture;
    const size_t last = TP_COUNT_OF(fixture.jobs) - 1;

    fixture_open(&fixture, LONG_MS);
    for (size_t i = 0; i < THREADS_MAX; i++) {
        ck_assert_int_eq(TP_OK, submit(&fixture, i));
    }
    gate_await(&fixture.gate, THREADS_MAX);
    for (size_t i = THREADS_MAX; i < last; i++) {
        ck_assert_int_eq(TP_OK, submit(&fixture, i));
    }
    ck_assert_int_eq(TP_FULL, submit(&fixture, last));
    ck_assert_uint_eq(QUEUE_MAX, tp__pool_queued_count(fixture.pool));
    ck_assert_uint_eq(THREADS_MAX, tp__pool_thread_count(fixture.pool));
    gate_open(&fixture.gate);
    for (size_t i = 0; i < last; i++) {
        turn_until_done(&fixture, i);
    }
    ck_assert_uint_eq(THREADS_MAX, fixture.gate.inside_max);
    ck_assert_int_eq(TP_OK, submit(&fixture, last));
    turn_until_done(&fixture, last);
    for (size_t i = 0; i <= last; i++) {
        ck_assert_uint_eq(1, fixture.jobs[i].done_count);
        ck_assert(fixture.jobs[i].was_run);
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(idle_threads_end_and_others_come)
{
    struct fixture fixture;

    fixture_open(&fixture, 1);
    gate_open(&fixture.gate);
    for (int round = 0; round < 3 * THREADS_MAX; round++) {
        fixture.jobs[0].done_count = 0;
        ck_assert_int_eq(TP_OK, submit(&fixture, 0));
        turn_until_done(&fixture, 0);
        while (tp__pool_thread_count(fixture.pool) > 0) {
            tp__loop_turn(fixture.loop, TURN_WAIT_MS);
        }
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_end_gives_every_job_back)
{
    struct fixture fixture;
    const size_t last = TP_COUNT_OF(fixture.jobs) - 1;

    fixture_open(&fixture, LONG_MS);
    for (size_t i = 0; i < THREADS_MAX; i++) {
        ck_assert_int_eq(TP_OK, submit(&fixture, i));
    }
    gate_await(&fixture.gate, THREADS_MAX);
    for (size_t i = THREADS_MAX; i < last; i++) {
        ck_assert_int_eq(TP_OK, submit(&fixture, i));
    }
    /* With the gate open some that wait may still run; each says whether it did. */
    fixture.jobs[0].next = &fixture.jobs[last];
    gate_open(&fixture.gate);
    tp__pool_destroy(&fixture.pool);
    ck_assert_ptr_null(fixture.pool);
    for (size_t i = 0; i < last; i++) {
        ck_assert_uint_eq(1, fixture.jobs[i].done_count);
        ck_assert(i >= THREADS_MAX || fixture.jobs[i].was_run);
    }
    ck_assert_int_eq(TP_GONE, fixture.jobs[0].next_result);
    ck_assert_uint_eq(0, fixture.jobs[last].done_count);
    fixture_close(&fixture);
}
END_TEST

/* Keeps the threads at the gate until the end of the pool has emptied the queue. */
static void
open_when_unqueued(void *argument)
{
    struct fixture *fixture = argument;

    while (tp__pool_queued_count(fixture->pool) > 0) {
        sched_yield();
    }
    gate_open(&fixture->gate);
}

START_TEST(what_waits_at_the_end_is_not_run)
{
    struct fixture fixture;
    struct tp_thread opener;

    fixture_open(&fixture, LONG_MS);
    for (size_t i = 0; i < THREADS_MAX; i++) {
        ck_assert_int_eq(TP_OK, submit(&fixture, i));
    }
    gate_await(&fixture.gate, THREADS_MAX);
    for (size_t i = THREADS_MAX; i < THREADS_MAX + QUEUE_MAX; i++) {
        ck_assert_int_eq(TP_OK, submit(&fixture, i));
    }
    ck_assert_int_eq(TP_OK, tp__thread_start(&opener, open_when_unqueued, &fixture));

    struct tp_pool *pool = fixture.pool;

    tp__pool_destroy(&pool);
    tp__thread_join(&opener);
    fixture.pool = NULL;
    for (size_t i = 0; i < THREADS_MAX + QUEUE_MAX; i++) {
        ck_assert_uint_eq(1, fixture.jobs[i].done_count);
        ck_assert(fixture.jobs[i].was_run == (i < THREADS_MAX));
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_job_may_lead_to_the_next)
{
    struct fixture fixture;

    fixture_open(&fixture, LONG_MS);
    gate_open(&fixture.gate);
    for (size_t i = 0; i + 1 < TP_COUNT_OF(fixture.jobs); i++) {
        fixture.jobs[i].next = &fixture.jobs[i + 1];
    }
    ck_assert_int_eq(TP_OK, submit(&fixture, 0));
    turn_until_done(&fixture, TP_COUNT_OF(fixture.jobs) - 1);
    for (size_t i = 0; i + 1 < TP_COUNT_OF(fixture.jobs); i++) {
        ck_assert_uint_eq(1, fixture.jobs[i].done_count);
        ck_assert_int_eq(TP_OK, fixture.jobs[i].next_result);
    }
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_event_pool(void)
{
    Suite *suite = suite_create("event/pool");
    TCase *tests = tcase_create("pool");

    tcase_add_test(tests, costs_nothing_unused);
    tcase_add_test(tests, runs_elsewhere_and_is_done_here);
    tcase_add_test(tests, threads_and_queue_have_bounds);
    tcase_add_test(tests, idle_threads_end_and_others_come);
    tcase_add_test(tests, the_end_gives_every_job_back);
    tcase_add_test(tests, what_waits_at_the_end_is_not_run);
    tcase_add_test(tests, a_job_may_lead_to_the_next);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
