/*
 * home.c - tests of session/home: a worker's clock, timers and threads, as modules use them.
 */
#include "session/session.h"

#include "session_fixture.h"

#include <check.h>

Suite *tp_suite_session_home(void);

enum {
    DELAY_MS = 5,
    TURNS_MAX = 1000,
};

struct alarm {
    struct tp_home_timer *timer;
    int rung;
    bool ends_itself;
};

struct sum {
    struct tp_job job;
    int left;
    int right;
    int result;
    int done;
    bool was_run;
};

static void
alarm_on_expire(struct tp_home_timer *timer, void *owner)
{
    struct alarm *alarm = owner;

    ck_assert_ptr_eq(alarm->timer, timer);
    alarm->rung++;
    if (alarm->ends_itself) {
        tp_home_timer_destroy(&alarm->timer);
    }
}

static void
sum_run(struct tp_job *job)
{
    struct sum *sum = TP_CONTAINER_OF(job, struct sum, job);

    sum->result = sum->left + sum->right;
}

static void
sum_done(struct tp_job *job, bool was_run)
{
    struct sum *sum = TP_CONTAINER_OF(job, struct sum, job);

    sum->done++;
    sum->was_run = was_run;
}

START_TEST(timers_expire_once_and_may_end_themselves)
{
    struct tp_test_bench bench;

    tp__test_bench_open(&bench);
    struct alarm alarms[3] = { { .ends_itself = false }, { .ends_itself = true }, { .rung = 0 } };

    for (size_t i = 0; i < TP_COUNT_OF(alarms); i++) {
        alarms[i].timer = tp_home_timer_create(&bench.sessions, alarm_on_expire, &alarms[i]);
        ck_assert_ptr_nonnull(alarms[i].timer);
        tp_home_timer_start(alarms[i].timer, (struct tp_msec){ DELAY_MS });
    }
    tp_home_timer_stop(alarms[2].timer);
    tp__test_bench_run(&bench, 4 * DELAY_MS);
    ck_assert_int_eq(1, alarms[0].rung);
    ck_assert_int_eq(1, alarms[1].rung);
    ck_assert_int_eq(0, alarms[2].rung);
    ck_assert_ptr_null(alarms[1].timer);
    tp_home_timer_start(alarms[0].timer, (struct tp_msec){ DELAY_MS });
    tp_home_timer_destroy(&alarms[0].timer);
    tp_home_timer_destroy(&alarms[0].timer);
    tp_home_timer_destroy(&alarms[2].timer);
    tp__test_bench_run(&bench, 2 * DELAY_MS);
    ck_assert_int_eq(1, alarms[0].rung);
    tp__test_bench_close(&bench);
}
END_TEST

START_TEST(jobs_run_on_threads_where_there_are_any)
{
    const struct tp_pool_options options = { .threads_max = 1, .queue_max = 1, .idle_ms = 1000 };
    struct tp_test_bench bench;
    struct tp_pool *pool = NULL;
    struct sum sum = { .job = { .run = sum_run, .done = sum_done }, .left = 2, .right = 40 };

    tp__test_bench_open(&bench);
    ck_assert_int_eq(TP_UNSUPPORTED, tp_job_submit(&bench.sessions, &sum.job));
    ck_assert_int_eq(TP_OK, tp__pool_create(bench.loop, &options, &pool));
    bench.sessions.threads = pool;
    ck_assert_int_eq(TP_OK, tp_job_submit(&bench.sessions, &sum.job));
    for (int turn = 0; turn < TURNS_MAX && sum.done == 0; turn++) {
        tp__loop_turn(bench.loop, DELAY_MS);
    }
    ck_assert_int_eq(1, sum.done);
    ck_assert(sum.was_run);
    ck_assert_int_eq(42, sum.result);
    bench.sessions.threads = NULL;
    tp__pool_destroy(&pool);
    tp__test_bench_close(&bench);
}
END_TEST

START_TEST(knows_the_time_and_its_slot)
{
    struct tp_test_bench bench;

    tp__test_bench_open(&bench);
    bench.sessions.worker_slot = 3;
    tp__test_bench_turn(&bench, 1);
    int64_t monotonic_ms = tp_home_now_ms(&bench.sessions);
    int64_t wall_ms = tp_home_wall_ms(&bench.sessions);

    ck_assert_int_eq(tp__loop_now_ms(bench.loop), monotonic_ms);
    ck_assert_int_le(wall_ms, tp__clock_wall_ms());
    ck_assert_int_gt(wall_ms, tp__clock_wall_ms() - TP_TEST_WAIT_MS);
    ck_assert_uint_eq(3, tp_home_slot(&bench.sessions));
    tp__test_bench_close(&bench);
}
END_TEST

Suite *
tp_suite_session_home(void)
{
    Suite *suite = suite_create("session/home");
    TCase *tests = tcase_create("home");

    tcase_add_test(tests, timers_expire_once_and_may_end_themselves);
    tcase_add_test(tests, jobs_run_on_threads_where_there_are_any);
    tcase_add_test(tests, knows_the_time_and_its_slot);
    suite_add_tcase(suite, tests);
    return suite;
}
