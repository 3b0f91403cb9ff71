/*
 * mutex.c - tests of os/mutex: locks between processes that may die.
 */
#include "os/mutex.h"

#include "children.h"

#include <string.h>
#include <sys/mman.h>

enum {
    COUNT_PER_PROCESS = 20000,
    PATIENCE_MS = 10000,
};

struct shared {
    struct tp_shared_mutex mutex;
    uint64_t count; /* deliberately not atomic */
};

Suite *tp_suite_os_mutex(void);

static struct shared *
shared_open(void)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(MAP_FAILED, shared);
    ck_assert_int_eq(TP_OK, tp__shared_mutex_init(&shared->mutex));
    return shared;
}

static void
shared_close(struct shared *shared)
{
    ck_assert_int_eq(0, munmap(shared, sizeof(*shared)));
}

static void
count_up(struct child *self, void *argument)
{
    struct shared *shared = argument;

    (void) self;
    child_become_nobody();
    for (int i = 0; i < COUNT_PER_PROCESS; i++) {
        TP_ASSERT(tp__shared_mutex_lock(&shared->mutex, PATIENCE_MS) == TP_OK);
        shared->count++;
        tp__shared_mutex_unlock(&shared->mutex);
    }
}

static void
lock_and_stay(struct child *self, void *argument)
{
    struct shared *shared = argument;
    enum tp_result result = tp__shared_mutex_lock(&shared->mutex, PATIENCE_MS);

    child_say(self, result == TP_OK ? 'o' : result == TP_OWNER_DIED ? 'd' : '?');
    child_hear(self);
    tp__shared_mutex_unlock(&shared->mutex);
}

START_TEST(lets_one_process_in_at_a_time)
{
    struct shared *shared = shared_open();
    struct child children[3];

    for (size_t i = 0; i < TP_COUNT_OF(children); i++) {
        child_start(&children[i], count_up, shared);
    }
    for (size_t i = 0; i < TP_COUNT_OF(children); i++) {
        child_join(&children[i]);
    }
    ck_assert_uint_eq(TP_COUNT_OF(children) * COUNT_PER_PROCESS, shared->count);
    shared_close(shared);
}
END_TEST

START_TEST(tells_of_a_dead_owner_until_repaired)
{
    struct shared *shared = shared_open();
    struct child child;

    child_start(&child, lock_and_stay, shared);
    ck_assert_int_eq('o', child_hear(&child));
    child_kill(&child);
    /* The next one dies too, before it has repaired anything. */
    child_start(&child, lock_and_stay, shared);
    ck_assert_int_eq('d', child_hear(&child));
    child_kill(&child);

    ck_assert_int_eq(TP_OWNER_DIED, tp__shared_mutex_lock(&shared->mutex, PATIENCE_MS));
    tp__shared_mutex_repaired(&shared->mutex);
    tp__shared_mutex_unlock(&shared->mutex);
    ck_assert_int_eq(TP_OK, tp__shared_mutex_lock(&shared->mutex, PATIENCE_MS));
    tp__shared_mutex_unlock(&shared->mutex);
    shared_close(shared);
}
END_TEST

START_TEST(does_not_wait_for_ever)
{
    struct shared *shared = shared_open();
    struct child child;

    child_start(&child, lock_and_stay, shared);
    ck_assert_int_eq('o', child_hear(&child));
    child_stop(&child);
    ck_assert_int_eq(TP_TIMED_OUT, tp__shared_mutex_lock(&shared->mutex, 10));
    ck_assert_int_eq(TP_TIMED_OUT, tp__shared_mutex_lock(&shared->mutex, 0));
    child_go_on(&child);
    child_say(&child, 'g');
    child_join(&child);
    ck_assert_int_eq(TP_OK, tp__shared_mutex_lock(&shared->mutex, PATIENCE_MS));
    tp__shared_mutex_unlock(&shared->mutex);
    shared_close(shared);
}
END_TEST

Suite *
tp_suite_os_mutex(void)
{
    Suite *suite = suite_create("os/mutex");
    TCase *tests = tcase_create("mutex");

    tcase_add_test(tests, lets_one_process_in_at_a_time);
    tcase_add_test(tests, tells_of_a_dead_owner_until_repaired);
    tcase_add_test(tests, does_not_wait_for_ever);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
