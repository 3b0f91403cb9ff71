/*
 * signal.c - tests of os/signal.
 */
#include "os/signal.h"

#include "os/file.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct signal_row {
    enum tp_signal signal;
    int number;
    const char *word;
};

static const struct signal_row rows[] = {
#define SIGNAL_ROW(name, number, word, master, worker) { TP_SIGNAL_##name, number, word },
    TP_SIGNAL_TABLE(SIGNAL_ROW)
#undef SIGNAL_ROW
};

START_TEST(every_signal_has_its_word)
{
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        ck_assert_str_eq(rows[i].word, tp__signal_word(rows[i].signal));
    }
    ck_assert_str_eq("HUP", tp__signal_word(TP_SIGNAL_HUP));
    ck_assert_str_eq("unknown", tp__signal_word((enum tp_signal) 99));
}
END_TEST

START_TEST(every_signal_arrives_with_its_sender)
{
    int fd;

    ck_assert_int_eq(TP_OK, tp__signals_open(&fd));
    ck_assert_int_eq(FD_CLOEXEC, fcntl(fd, F_GETFD));
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        enum tp_signal signal;
        int sender = -1;

        ck_assert_int_eq(0, kill(getpid(), rows[i].number));
        ck_assert_int_eq(TP_OK, tp__signals_read(fd, &signal, &sender));
        ck_assert_int_eq(rows[i].signal, signal);
        ck_assert_int_eq(getpid(), sender);
        ck_assert_int_eq(TP_AGAIN, tp__signals_read(fd, &signal, &sender));
    }
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(the_end_of_a_child_has_no_sender)
{
    enum tp_signal signal;
    int fd, sender = -1;

    ck_assert_int_eq(TP_OK, tp__signals_open(&fd));

    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        _exit(0);
    }

    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    ck_assert_int_eq(1, poll(&poll_fd, 1, 3000));
    ck_assert_int_eq(TP_OK, tp__signals_read(fd, &signal, &sender));
    ck_assert_int_eq(TP_SIGNAL_CHLD, signal);
    ck_assert_int_eq(0, sender);
    ck_assert_int_eq(child, waitpid(child, NULL, 0));
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(a_broken_pipe_is_no_signal)
{
    int fd, fds[2];

    ck_assert_int_eq(TP_OK, tp__signals_open(&fd));
    ck_assert_int_eq(0, pipe(fds));
    tp__descriptor_close(&fds[0]);
    ck_assert_int_eq(-1, write(fds[1], "x", 1));
    tp__descriptor_close(&fds[1]);
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(a_child_has_signals_of_its_own)
{
    int fd;

    ck_assert_int_eq(TP_OK, tp__signals_open(&fd));

    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        enum tp_signal signal = TP_SIGNAL_TERM;
        int own, sender;
        bool is_right = tp__signals_open(&own) == TP_OK && kill(getpid(), SIGHUP) == 0
                        && tp__signals_read(own, &signal, &sender) == TP_OK
                        && signal == TP_SIGNAL_HUP;

        _exit(is_right ? 0 : 1);
    }

    enum tp_signal signal;
    int status, sender;

    ck_assert_int_eq(child, waitpid(child, &status, 0));
    ck_assert_int_eq(0, status);
    ck_assert_int_eq(TP_OK, tp__signals_read(fd, &signal, &sender));
    ck_assert_int_eq(TP_SIGNAL_CHLD, signal);
    ck_assert_int_eq(TP_AGAIN, tp__signals_read(fd, &signal, &sender));
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(reading_what_is_closed_is_an_error)
{
    enum tp_signal signal;
    int sender;

    ck_assert_int_eq(TP_SYSTEM, tp__signals_read(-1, &signal, &sender));
}
END_TEST

Suite *
tp_suite_os_signal(void)
{
    Suite *suite = suite_create("os/signal");
    TCase *signals = tcase_create("signals");

    tcase_add_test(signals, every_signal_has_its_word);
    tcase_add_test(signals, every_signal_arrives_with_its_sender);
    tcase_add_test(signals, the_end_of_a_child_has_no_sender);
    tcase_add_test(signals, a_broken_pipe_is_no_signal);
    tcase_add_test(signals, a_child_has_signals_of_its_own);
    tcase_add_test(signals, reading_what_is_closed_is_an_error);
    suite_add_tcase(suite, signals);
    return suite;
}
