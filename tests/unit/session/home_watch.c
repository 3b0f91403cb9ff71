/*
 * home_watch.c - tests of session/home_watch: descriptors of modules on the loop.
 */
#include "session_fixture.h"

#include <check.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *tp_suite_session_home_watch(void);

enum {
    TURN_WAIT_MS = 50,
};

/* One end of a pair of sockets that is watched, and what was heard of it. */
struct ear {
    struct tp_home_watch *watch;
    struct ear *other; /* which is ended when this one hears something; or NULL */
    int fd;
    int peer_fd;
    int readable_count;
    int writable_count;
    bool ends_itself;
};

static void
ear_on_ready(struct tp_home_watch *watch, bool is_readable, bool is_writable, void *owner)
{
    struct ear *ear = owner;

    ck_assert_ptr_eq(ear->watch, watch);
    ear->readable_count += is_readable;
    ear->writable_count += is_writable;
    if (ear->other != NULL) {
        tp_home_watch_destroy(&ear->other->watch);
    }
    if (ear->ends_itself) {
        tp_home_watch_destroy(&ear->watch);
    }
}

static void
ear_open(struct ear *ear, struct tp_test_bench *bench)
{
    int ends[2];

    ck_assert_int_eq(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
    *ear = (struct ear){ .fd = ends[0], .peer_fd = ends[1] };
    ear->watch = tp_home_watch_create(&bench->sessions, ear->fd, ear_on_ready, ear);
    ck_assert_ptr_nonnull(ear->watch);
}

static void
ear_close(struct ear *ear)
{
    tp_home_watch_destroy(&ear->watch);
    close(ear->fd);
    if (ear->peer_fd != -1) {
        close(ear->peer_fd);
    }
}

static void
ear_want(struct ear *ear, bool reads, bool writes)
{
    ck_assert_int_eq(TP_OK, tp_home_watch_want(ear->watch, reads, writes));
}

START_TEST(tells_what_is_wanted_and_nothing_else)
{
    struct tp_test_bench bench;
    struct ear ear;
    char byte;

    tp__test_bench_open(&bench);
    ear_open(&ear, &bench);
    ck_assert_int_eq(1, write(ear.peer_fd, "a", 1));
    tp__test_bench_turn(&bench, 2);
    ck_assert_int_eq(0, ear.readable_count + ear.writable_count);
    ear_want(&ear, true, false);
    tp__test_bench_turn(&bench, 2);
    ck_assert_int_eq(2, ear.readable_count);
    ck_assert_int_eq(0, ear.writable_count);
    ck_assert_int_eq(1, read(ear.fd, &byte, 1));
    tp__test_bench_turn(&bench, 1);
    ck_assert_int_eq(2, ear.readable_count);
    ear_want(&ear, true, true);
    tp__test_bench_turn(&bench, 1);
    ck_assert_int_eq(2, ear.readable_count);
    ck_assert_int_eq(1, ear.writable_count);
    ear_want(&ear, false, false);
    tp__test_bench_turn(&bench, 1);
    ck_assert_int_eq(1, ear.writable_count);
    ear_close(&ear);
    tp__test_bench_close(&bench);
}
END_TEST

START_TEST(tells_the_end_of_the_other_side_as_readable)
{
    struct tp_test_bench bench;
    struct ear ear;

    tp__test_bench_open(&bench);
    ear_open(&ear, &bench);
    ear_want(&ear, true, false);
    close(ear.peer_fd);
    ear.peer_fd = -1;
    tp__loop_turn(bench.loop, TURN_WAIT_MS);
    ck_assert_int_eq(1, ear.readable_count);
    ck_assert_int_eq(0, ear.writable_count);
    ear_close(&ear);
    tp__test_bench_close(&bench);
}
END_TEST

START_TEST(may_end_itself_and_others_when_it_hears)
{
    struct tp_test_bench bench;
    struct ear ears[2];

    tp__test_bench_open(&bench);
    for (int i = 0; i < 2; i++) {
        ear_open(&ears[i], &bench);
        ears[i].other = &ears[1 - i];
        ears[i].ends_itself = true;
        ear_want(&ears[i], false, true);
    }
    tp__test_bench_turn(&bench, 2);
    ck_assert_int_eq(1, ears[0].writable_count + ears[1].writable_count);
    ck_assert_ptr_null(ears[0].watch);
    ck_assert_ptr_null(ears[1].watch);
    ear_close(&ears[0]);
    ear_close(&ears[1]);
    tp__test_bench_close(&bench);
}
END_TEST

Suite *
tp_suite_session_home_watch(void)
{
    Suite *suite = suite_create("session/home_watch");
    TCase *tests = tcase_create("home_watch");

    tcase_add_test(tests, tells_what_is_wanted_and_nothing_else);
    tcase_add_test(tests, tells_the_end_of_the_other_side_as_readable);
    tcase_add_test(tests, may_end_itself_and_others_when_it_hears);
    suite_add_tcase(suite, tests);
    return suite;
}
