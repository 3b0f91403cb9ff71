/*
 * process.c - tests of os/process.  What changes a process is tried in a child.
 */
#include "os/process.h"

#include "base/str.h"
#include "os/file.h"

#include "scratch.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ANY_USER_ID = 65534, /* not root */
};

/* Runs `body` in a child and returns the exit code it chose; `data` is for body. */
static int
exit_code_of(int (*body)(void *data), void *data)
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        _exit(body(data));
    }
    ck_assert_int_eq(child, waitpid(child, &status, 0));
    ck_assert_msg(WIFEXITED(status), "the child ended with status %d", status);
    return WEXITSTATUS(status);
}

/* Waits until a child has ended, and leaves it to be reaped. */
static void
wait_for_any_end(void)
{
    siginfo_t info;

    ck_assert_int_eq(0, waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
}

static bool
is_null_device(int fd)
{
    struct stat status, null_status;

    return fstat(fd, &status) == 0 && stat("/dev/null", &null_status) == 0
           && status.st_rdev == null_status.st_rdev && S_ISCHR(status.st_mode);
}

START_TEST(children_are_reaped_with_their_end)
{
    struct tp_process_end end;
    int child;

    ck_assert_int_eq(TP_NOT_FOUND, tp__process_reap(&end));
    ck_assert_int_eq(TP_OK, tp__process_fork(&child));
    if (child == 0) {
        tp__process_exit(7);
    }
    wait_for_any_end();
    ck_assert_int_eq(TP_OK, tp__process_reap(&end));
    ck_assert_int_eq(child, end.pid);
    ck_assert_int_eq(7, end.exit_code);
    ck_assert_int_eq(0, end.signal);
    ck_assert_int_eq(TP_NOT_FOUND, tp__process_reap(&end));
}
END_TEST

START_TEST(a_killed_child_is_reaped_with_its_signal)
{
    struct tp_process_end end;
    int child;

    ck_assert_int_eq(TP_OK, tp__process_fork(&child));
    if (child == 0) {
        for (;;) {
            pause();
        }
    }
    ck_assert_int_eq(TP_AGAIN, tp__process_reap(&end));
    tp__process_kill(child);
    wait_for_any_end();
    ck_assert_int_eq(TP_OK, tp__process_reap(&end));
    ck_assert_int_eq(child, end.pid);
    ck_assert_int_eq(0, end.exit_code);
    ck_assert_int_eq(SIGKILL, end.signal);
    tp__process_kill(child);
}
END_TEST

static int
report_id_to_parent(void *data)
{
    return tp__process_id() == (int) getpid() && tp__process_id() != *(int *) data ? 0 : 1;
}

START_TEST(a_child_has_an_id_of_its_own)
{
    int own_id = tp__process_id();

    ck_assert_int_eq(getpid(), own_id);
    ck_assert_int_eq(0, exit_code_of(report_id_to_parent, &own_id));
}
END_TEST

static void
end_with_another_code(void)
{
    _exit(1);
}

static int
exit_past_handlers(void *data)
{
    (void) data;
    atexit(end_with_another_code);
    tp__process_exit(3);
}

START_TEST(exiting_runs_no_handlers)
{
    ck_assert_int_eq(3, exit_code_of(exit_past_handlers, NULL));
}
END_TEST

/* What a daemon is to do, and what it found. */
struct daemon_plan {
    int code;
    bool dies_silently;
    int report_fd;
};

static bool
daemon_is_detached(void)
{
    return getsid(0) == getpid() && is_null_device(STDIN_FILENO) && is_null_device(STDOUT_FILENO)
           && !is_null_device(STDERR_FILENO);
}

static int
daemon_run(void *data)
{
    const struct daemon_plan *plan = data;
    int ready_fd = -1;

    /* Standard streams that are not yet /dev/null, so that the change can be seen. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (dup2(plan->report_fd, fd) == -1) {
            return 99;
        }
    }
    if (tp__process_daemonize(&ready_fd) != TP_OK) {
        return 98;
    }
    /* From here on this is the daemon; its parent waits for the code. */
    tp__file_write(plan->report_fd, daemon_is_detached() ? "d" : "?", 1);
    if (plan->dies_silently) {
        return 0;
    }
    tp__process_daemon_ready(&ready_fd, plan->code);

    bool is_quiet = is_null_device(STDERR_FILENO);

    tp__file_write(plan->report_fd, is_quiet == (plan->code == 0) && ready_fd == -1 ? "r" : "?", 1);
    tp__process_daemon_ready(&ready_fd, 55);
    return 0;
}

/* Runs the plan; the exit code of the starter is returned, the daemon's report written. */
static int
daemon_start(struct daemon_plan *plan, char report[4])
{
    int fds[2];
    size_t len = 0;
    ssize_t count;

    ck_assert_int_eq(0, pipe2(fds, O_CLOEXEC));
    plan->report_fd = fds[1];

    int code = exit_code_of(daemon_run, plan);

    tp__descriptor_close(&fds[1]);
    /* The pipe ends with the daemon. */
    while ((count = read(fds[0], report + len, 3 - len)) > 0) {
        len += (size_t) count;
    }
    report[len] = '\0';
    tp__descriptor_close(&fds[0]);
    return code;
}

START_TEST(the_starter_exits_with_the_code_of_the_daemon)
{
    static const int codes[] = { 0, 1, 7, 200 };

    for (size_t i = 0; i < TP_COUNT_OF(codes); i++) {
        struct daemon_plan plan = { .code = codes[i] };
        char report[4];

        ck_assert_int_eq(codes[i], daemon_start(&plan, report));
        ck_assert_str_eq("dr", report);
    }
}
END_TEST

START_TEST(the_starter_of_a_daemon_that_dies_exits_with_1)
{
    struct daemon_plan plan = { .dies_silently = true };
    char report[4];

    ck_assert_int_eq(1, daemon_start(&plan, report));
    ck_assert_str_eq("d", report);
}
END_TEST

static int
open_closed_streams(void *data)
{
    (void) data;
    close(STDIN_FILENO);
    close(STDERR_FILENO);
    if (tp__process_open_streams() != TP_OK || !is_null_device(STDIN_FILENO)
        || !is_null_device(STDERR_FILENO)) {
        return 1;
    }
    int fd = open("/dev/zero", O_RDONLY);

    /* It left nothing open but the streams, and closes none of them at exec. */
    return fd > STDERR_FILENO && fcntl(STDIN_FILENO, F_GETFD) == 0 ? 0 : 2;
}

START_TEST(closed_streams_are_opened)
{
    size_t open_before = tp__descriptor_count();

    ck_assert_int_eq(0, exit_code_of(open_closed_streams, NULL));
    ck_assert_int_eq(TP_OK, tp__process_open_streams());
    ck_assert_uint_eq(open_before, tp__descriptor_count());
}
END_TEST

static int
daemonize_with_closed_streams(void *data)
{
    int ready_fd;

    (void) data;
    close(STDIN_FILENO);
    if (tp__process_open_streams() != TP_OK || tp__process_daemonize(&ready_fd) != TP_OK) {
        return 1;
    }
    tp__process_daemon_ready(&ready_fd, 42);
    return 0;
}

START_TEST(a_daemon_may_be_started_without_streams)
{
    ck_assert_int_eq(42, exit_code_of(daemonize_with_closed_streams, NULL));
}
END_TEST

START_TEST(users_and_groups_are_found)
{
    struct tp_process_user user;
    const struct passwd *root = getpwuid(0);
    const struct group *root_group = getgrgid(0);
    char long_name[200];

    ck_assert_ptr_nonnull(root);
    ck_assert_ptr_nonnull(root_group);
    ck_assert_int_eq(TP_OK, tp__process_find_user(root->pw_name, "", &user));
    ck_assert_uint_eq(0, user.uid);
    ck_assert_uint_eq(root->pw_gid, user.gid);
    ck_assert_str_eq("root", user.name);
    ck_assert_int_eq(TP_OK, tp__process_find_user("root", root_group->gr_name, &user));
    ck_assert_uint_eq(0, user.gid);
    ck_assert_int_eq(TP_NOT_FOUND, tp__process_find_user("no-such-user", "", &user));
    ck_assert_int_eq(TP_NOT_FOUND, tp__process_find_user("root", "no-such-group", &user));
    memset(long_name, 'x', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    ck_assert_int_eq(TP_NOT_FOUND, tp__process_find_user(long_name, "", &user));
}
END_TEST

static int
become_another_for_good(void *data)
{
    const struct tp_process_user other = { .name = "nobody",
                                           .uid = ANY_USER_ID,
                                           .gid = ANY_USER_ID };
    const struct tp_process_user root = { .name = "root" };
    gid_t groups[64];

    (void) data;
    if (geteuid() == 0 && tp__process_become(&other) != TP_OK) {
        return 1;
    }
    if (tp__process_is_root() || tp__process_become(&root) != TP_DENIED || setuid(0) == 0) {
        return 2;
    }
    if (getuid() != ANY_USER_ID) {
        return 0; /* The tests are not run by root: there is nothing else to see. */
    }
    int group_count = getgroups(TP_COUNT_OF(groups), groups);

    for (int i = 0; i < group_count; i++) {
        if (groups[i] == 0) {
            return 3;
        }
    }
    return getgid() == ANY_USER_ID && prctl(PR_GET_DUMPABLE) == 1 ? 0 : 4;
}

START_TEST(becoming_another_user_is_for_good)
{
    const struct tp_process_user self = { .name = "self", .uid = geteuid(), .gid = getegid() };

    ck_assert_int_eq(TP_OK, tp__process_become(&self));
    ck_assert(tp__process_is_root() == (geteuid() == 0));
    ck_assert_int_eq(0, exit_code_of(become_another_for_good, NULL));
}
END_TEST

static int
set_limits_as_user(void *data)
{
    struct rlimit now;
    uint64_t limit = 0;

    (void) data;
    if (geteuid() == 0 && setuid(ANY_USER_ID) == -1) {
        return 1;
    }
    if (tp__process_set_descriptor_limit(64, &limit) != TP_OK || limit != 64
        || getrlimit(RLIMIT_NOFILE, &now) == -1 || now.rlim_cur != 64 || now.rlim_max < 64) {
        return 2;
    }
    /* More than the hard limit is root's to give. */
    if (tp__process_set_descriptor_limit((uint64_t) now.rlim_max + 1, &limit) != TP_DENIED) {
        return 3;
    }
    return limit == 64 ? 0 : 4;
}

START_TEST(the_descriptor_limit_is_set_or_told)
{
    ck_assert_int_eq(0, exit_code_of(set_limits_as_user, NULL));
}
END_TEST

START_TEST(a_title_takes_the_room_of_the_arguments)
{
    char memory[] = "teleport\0-c\0some.conf\0beyond";
    char apart[] = "elsewhere";
    char *argv[] = { memory, memory + 9, memory + 12, apart, NULL };
    char name[32] = "";

    struct tp_process_title room = tp__process_find_title(argv);

    tp__process_set_title(&room, "a longer title than fits in it");
    tp__process_set_title(&room, "teleport: worker");
    ck_assert_str_eq("teleport: worker", memory);
    ck_assert_int_eq(0, prctl(PR_GET_NAME, name));
    ck_assert_str_eq("teleport: worke", name);
    for (size_t i = strlen(memory); i < 22; i++) {
        ck_assert_int_eq('\0', memory[i]);
    }
    ck_assert_str_eq("beyond", memory + 22);
    ck_assert_str_eq("elsewhere", apart);
}
END_TEST

START_TEST(a_title_without_room_is_cut)
{
    char memory[] = "teleport\0beyond";
    char *argv[] = { memory, NULL };

    struct tp_process_title room = tp__process_find_title(argv);

    tp__process_set_title(&room, "teleport: master");
    ck_assert_str_eq("teleport", memory);
    ck_assert_str_eq("beyond", memory + 9);
}
END_TEST

static int
count_one_processor(void *data)
{
    cpu_set_t allowed, one;

    (void) data;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == -1) {
        return 1;
    }
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &allowed)) {
            CPU_SET(i, &one);
        }
    }
    return sched_setaffinity(0, sizeof(one), &one) == 0 && tp__process_cpu_count() == 1 ? 0 : 2;
}

START_TEST(processors_are_those_that_may_be_used)
{
    ck_assert_uint_ge(tp__process_cpu_count(), 1);
    ck_assert_int_eq(0, exit_code_of(count_one_processor, NULL));
}
END_TEST

START_TEST(the_machine_and_its_memory_are_told)
{
    struct tp_text text = { 0 };
    char name[256] = "";
    uint64_t resident_bytes = tp__process_resident_bytes();

    ck_assert_int_eq(0, gethostname(name, sizeof(name) - 1));
    tp__process_get_hostname(&text);
    ck_assert_str_eq(name, tp__text_get(&text).data);
    tp__text_fini(&text);
    ck_assert_uint_gt(resident_bytes, 64 * 1024);
    ck_assert_uint_lt(resident_bytes, UINT64_C(1) << 40);
}
END_TEST

Suite *
tp_suite_os_process(void)
{
    Suite *suite = suite_create("os/process");
    TCase *children = tcase_create("children");
    TCase *daemons = tcase_create("daemons");
    TCase *users = tcase_create("users");
    TCase *titles = tcase_create("titles");
    TCase *facts = tcase_create("facts");

    tcase_add_test(children, children_are_reaped_with_their_end);
    tcase_add_test(children, a_killed_child_is_reaped_with_its_signal);
    tcase_add_test(children, a_child_has_an_id_of_its_own);
    tcase_add_test(children, exiting_runs_no_handlers);
    suite_add_tcase(suite, children);

    tcase_add_test(daemons, the_starter_exits_with_the_code_of_the_daemon);
    tcase_add_test(daemons, the_starter_of_a_daemon_that_dies_exits_with_1);
    tcase_add_test(daemons, closed_streams_are_opened);
    tcase_add_test(daemons, a_daemon_may_be_started_without_streams);
    suite_add_tcase(suite, daemons);

    tcase_add_test(users, users_and_groups_are_found);
    tcase_add_test(users, becoming_another_user_is_for_good);
    tcase_add_test(users, the_descriptor_limit_is_set_or_told);
    suite_add_tcase(suite, users);

    tcase_add_test(titles, a_title_takes_the_room_of_the_arguments);
    tcase_add_test(titles, a_title_without_room_is_cut);
    suite_add_tcase(suite, titles);

    tcase_add_test(facts, processors_are_those_that_may_be_used);
    tcase_add_test(facts, the_machine_and_its_memory_are_told);
    suite_add_tcase(suite, facts);
    return suite;
}
