/*
 * epoll.c - tests of event/backend/epoll, through the loop: what is particular to it.
 */
#include "event/loop.h"

#include "os/file.h"
#include "os/socket.h"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SHARERS = 3, /* processes that wait for one listener */
};

/* Remembers what it was told. */
struct waiter {
    struct tp_watcher watcher;
    unsigned events;
    int called_count;
};

static void
waiter_on_event(struct tp_watcher *watcher, unsigned events)
{
    struct waiter *waiter = TP_CONTAINER_OF(watcher, struct waiter, watcher);

    waiter->events = events;
    waiter->called_count++;
}

static struct tp_loop *
loop_create(void)
{
    struct tp_loop *loop = NULL;

    ck_assert_int_eq(TP_OK, tp__loop_create(&loop));
    ck_assert_ptr_nonnull(loop);
    return loop;
}

/* A signal handler that only has to exist. */
static void
on_alarm(int number)
{
    (void) number;
}

/* The alarm repeats: one that came before the loop began to wait would prove nothing. */
START_TEST(a_signal_ends_the_wait_without_events)
{
    const struct sigaction action = { .sa_handler = on_alarm };
    const struct itimerval often = { .it_interval.tv_usec = 5000, .it_value.tv_usec = 5000 };
    const struct itimerval never = { .it_value.tv_usec = 0 };
    struct tp_loop *loop = loop_create();

    ck_assert_int_eq(0, sigaction(SIGALRM, &action, NULL));
    ck_assert_int_eq(0, setitimer(ITIMER_REAL, &often, NULL));
    tp__loop_turn(loop, -1);
    ck_assert_int_eq(0, setitimer(ITIMER_REAL, &never, NULL));
    ck_assert_uint_eq(1, tp__loop_get_counters(loop)->turns);
    ck_assert_uint_eq(0, tp__loop_get_counters(loop)->events);
    tp__loop_destroy(&loop);
}
END_TEST

static int
listener_open(struct tp_endpoint *endpoint)
{
    const struct tp_listen_options options = { .backlog = 8 };
    struct sockaddr_storage system;
    socklen_t system_len = sizeof(system);
    int fd;

    *endpoint = (struct tp_endpoint){
        .address = { .family = TP_ADDRESS_V4, .ip = { 127, 0, 0, 1 } },
        .path = TP_STR(""),
    };
    ck_assert_int_eq(TP_OK, tp__socket_listen(endpoint, &options, &fd));
    ck_assert_int_eq(0, getsockname(fd, (struct sockaddr *) &system, &system_len));
    endpoint->address = tp__address_from_system(&system);
    return fd;
}

static int
listener_dial(const struct tp_endpoint *endpoint)
{
    struct sockaddr_storage system;
    socklen_t system_len = tp__address_to_system(&endpoint->address, endpoint->path, &system);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(0, connect(fd, (struct sockaddr *) &system, system_len));
    return fd;
}

START_TEST(an_exclusive_listener_is_told_of_connections)
{
    struct tp_endpoint endpoint;
    struct tp_loop *loop = loop_create();
    struct waiter waiter = { .called_count = 0 };
    int listener = listener_open(&endpoint);

    tp__watcher_init(&waiter.watcher, listener, waiter_on_event);
    ck_assert_int_eq(TP_OK,
                     tp__loop_watch(loop, &waiter.watcher, TP_EVENT_READ | TP_EVENT_EXCLUSIVE));

    int client = listener_dial(&endpoint);

    tp__loop_turn(loop, -1);
    ck_assert_uint_eq(TP_EVENT_READ, waiter.events);
    /* The system does not change an exclusive interest; it must be taken back first. */
    ck_assert_int_eq(TP_SYSTEM, tp__loop_watch(loop, &waiter.watcher, TP_EVENT_READ));
    ck_assert_uint_eq(TP_EVENT_READ | TP_EVENT_EXCLUSIVE, waiter.watcher.interest);
    tp__loop_unwatch(loop, &waiter.watcher);
    ck_assert_int_eq(TP_OK, tp__loop_watch(loop, &waiter.watcher, TP_EVENT_READ));
    tp__loop_turn(loop, -1);
    ck_assert_int_eq(2, waiter.called_count);
    tp__loop_unwatch(loop, &waiter.watcher);
    tp__descriptor_close(&client);
    tp__descriptor_close(&listener);
    tp__loop_destroy(&loop);
}
END_TEST

/* A process that shares a listener: waits for one event and reports what it found. */
static void
sharer_run(int listener, int report_fd)
{
    struct tp_loop *loop = loop_create();
    struct waiter waiter = { .called_count = 0 };
    struct tp_address remote;
    int accepted;

    tp__watcher_init(&waiter.watcher, listener, waiter_on_event);
    if (tp__loop_watch(loop, &waiter.watcher, TP_EVENT_READ | TP_EVENT_EXCLUSIVE) != TP_OK) {
        _exit(1);
    }
    tp__file_write(report_fd, "r", 1);
    tp__loop_turn(loop, 10000);
    tp__file_write(report_fd, tp__socket_accept(listener, &accepted, &remote) == TP_OK ? "a" : "n",
                   1);
    _exit(0);
}

static char
report_read(int report_fd)
{
    char letter = '?';

    ck_assert_int_eq(1, read(report_fd, &letter, 1));
    return letter;
}

/* Waits until process `pid` sleeps in the system, as one that waits for events does. */
static void
wait_until_asleep(pid_t pid)
{
    char path[64];
    char state = '?';

    snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
    while (state != 'S') {
        struct tp_text text = { 0 };

        ck_assert_int_eq(TP_OK, tp__file_read(path, 4096, &text));

        const char *name_end = strrchr(tp__text_get(&text).data, ')');

        ck_assert_ptr_nonnull(name_end);
        state = name_end[2];
        tp__text_fini(&text);
        sched_yield();
    }
}

/* Each connection wakes one of those who wait: nobody wakes up and finds nothing. */
START_TEST(processes_share_an_exclusive_listener)
{
    struct tp_endpoint endpoint;
    int listener = listener_open(&endpoint);
    pid_t sharers[SHARERS];
    int clients[SHARERS];
    int report_fds[2];

    ck_assert_int_eq(0, pipe(report_fds));
    for (size_t i = 0; i < SHARERS; i++) {
        sharers[i] = fork();
        ck_assert_int_ge(sharers[i], 0);
        if (sharers[i] == 0) {
            sharer_run(listener, report_fds[1]);
        }
        ck_assert_int_eq('r', report_read(report_fds[0]));
        wait_until_asleep(sharers[i]);
    }
    for (size_t i = 0; i < SHARERS; i++) {
        clients[i] = listener_dial(&endpoint);
        ck_assert_int_eq('a', report_read(report_fds[0]));
    }
    for (size_t i = 0; i < SHARERS; i++) {
        ck_assert_int_eq(sharers[i], waitpid(sharers[i], NULL, 0));
        tp__descriptor_close(&clients[i]);
    }
    tp__descriptor_close(&report_fds[0]);
    tp__descriptor_close(&report_fds[1]);
    tp__descriptor_close(&listener);
}
END_TEST

Suite *
tp_suite_event_epoll(void)
{
    Suite *suite = suite_create("event/epoll");
    TCase *signals = tcase_create("signals");
    TCase *listeners = tcase_create("listeners");

    tcase_add_test(signals, a_signal_ends_the_wait_without_events);
    suite_add_tcase(suite, signals);

    tcase_add_test(listeners, an_exclusive_listener_is_told_of_connections);
    tcase_add_test(listeners, processes_share_an_exclusive_listener);
    suite_add_tcase(suite, listeners);
    return suite;
}
