/*
 * thread.c - tests of os/thread: threads, conditions, waking a loop.
 */
#include "os/thread.h"

#include <check.h>
#include <poll.h>
#include <signal.h>

struct meeting {
    struct tp_thread_mutex mutex;
    struct tp_thread_condition changed;
    struct tp_wakeup wakeup;
    int turn; /* whose turn it is: 0 the test's, 1 the thread's */
    bool signals_blocked;
};

Suite *tp_suite_os_thread(void);

static void
meeting_open(struct meeting *meeting)
{
    *meeting = (struct meeting){ .turn = 0 };
    tp__thread_mutex_init(&meeting->mutex);
    tp__thread_condition_init(&meeting->changed);
    ck_assert_int_eq(TP_OK, tp__wakeup_open(&meeting->wakeup));
}

static void
meeting_close(struct meeting *meeting)
{
    tp__wakeup_close(&meeting->wakeup);
    tp__thread_condition_fini(&meeting->changed);
    tp__thread_mutex_fini(&meeting->mutex);
}

static void
look_at_signals(void *argument)
{
    struct meeting *meeting = argument;
    sigset_t blocked;

    TP_ASSERT(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0);
    meeting->signals_blocked = sigismember(&blocked, SIGTERM) == 1
                               && sigismember(&blocked, SIGCHLD) == 1
                               && sigismember(&blocked, SIGHUP) == 1;
}

static void
take_turn_and_ring(void *argument)
{
    struct meeting *meeting = argument;

    tp__thread_mutex_lock(&meeting->mutex);
    while (meeting->turn != 1) {
        enum tp_result result = tp__thread_condition_wait(&meeting->changed, &meeting->mutex, -1);

        TP_ASSERT(result == TP_OK);
    }
    meeting->turn = 0;
    tp__thread_condition_signal(&meeting->changed);
    tp__thread_mutex_unlock(&meeting->mutex);
    tp__wakeup_ring(&meeting->wakeup);
}

static bool
is_readable(int fd, int wait_ms)
{
    struct pollfd entry = { .fd = fd, .events = POLLIN };

    return poll(&entry, 1, wait_ms) == 1;
}

START_TEST(gets_no_signals)
{
    struct meeting meeting;
    struct tp_thread thread;
    sigset_t before;
    sigset_t after;

    meeting_open(&meeting);
    ck_assert_int_eq(0, pthread_sigmask(SIG_SETMASK, NULL, &before));
    ck_assert_int_eq(TP_OK, tp__thread_start(&thread, look_at_signals, &meeting));
    ck_assert_int_eq(0, pthread_sigmask(SIG_SETMASK, NULL, &after));
    tp__thread_join(&thread);
    ck_assert(meeting.signals_blocked);
    ck_assert_int_eq(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
    meeting_close(&meeting);
}
END_TEST

START_TEST(waits_for_its_turn_and_wakes_the_loop)
{
    struct meeting meeting;
    struct tp_thread thread;

    meeting_open(&meeting);
    ck_assert_int_eq(TP_OK, tp__thread_start(&thread, take_turn_and_ring, &meeting));
    ck_assert(!is_readable(meeting.wakeup.fd, 0));
    tp__thread_mutex_lock(&meeting.mutex);
    meeting.turn = 1;
    tp__thread_condition_broadcast(&meeting.changed);
    while (meeting.turn != 0) {
        ck_assert_int_eq(TP_OK, tp__thread_condition_wait(&meeting.changed, &meeting.mutex, 10000));
    }
    tp__thread_mutex_unlock(&meeting.mutex);
    ck_assert(is_readable(meeting.wakeup.fd, 10000));
    tp__wakeup_quiet(&meeting.wakeup);
    ck_assert(!is_readable(meeting.wakeup.fd, 0));
    tp__wakeup_quiet(&meeting.wakeup);
    tp__thread_join(&thread);
    meeting_close(&meeting);
}
END_TEST

START_TEST(waiting_has_a_bound)
{
    struct meeting meeting;
    enum tp_result result = TP_OK;

    meeting_open(&meeting);
    tp__thread_mutex_lock(&meeting.mutex);
    /* TP_OK would be an awakening for no reason, which is allowed. */
    while (result == TP_OK) {
        result = tp__thread_condition_wait(&meeting.changed, &meeting.mutex, 5);
    }
    ck_assert_int_eq(TP_TIMED_OUT, result);
    tp__thread_mutex_unlock(&meeting.mutex);
    meeting_close(&meeting);
}
END_TEST

Suite *
tp_suite_os_thread(void)
{
    Suite *suite = suite_create("os/thread");
    TCase *tests = tcase_create("thread");

    tcase_add_test(tests, gets_no_signals);
    tcase_add_test(tests, waits_for_its_turn_and_wakes_the_loop);
    tcase_add_test(tests, waiting_has_a_bound);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
