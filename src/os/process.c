/*
 * process.c - processes: starting, ending, limits, users.
 */
#include "os/process.h"

#include "base/result.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void process_wait_for_daemon(int fd) TP_NORETURN;
static void process_detach_errors(void);
static enum tp_result process_detach(int fd_count);

enum tp_result
tp__process_open_streams(void)
{
    int fd;

    /* The lowest free descriptor is taken, so the gaps fill up from below. */
    do {
        fd = open("/dev/null", O_RDWR);
        if (fd == -1) {
            return tp__result_from_errno();
        }
    } while (fd <= STDERR_FILENO);
    tp__descriptor_close(&fd);
    return TP_OK;
}

int
tp__process_id(void)
{
    return (int) getpid();
}

enum tp_result
tp__process_fork(int *child)
{
    /* What is buffered would otherwise be written by both. */
    fflush(NULL);
    *child = (int) fork();
    return *child == -1 ? tp__result_from_errno() : TP_OK;
}

enum tp_result
tp__process_reap(struct tp_process_end *end)
{
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);

    if (pid == 0) {
        return TP_AGAIN;
    }
    if (pid == -1) {
        return errno == ECHILD ? TP_NOT_FOUND : tp__result_from_errno();
    }
    *end = (struct tp_process_end){
        .pid = (int) pid,
        .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
    };
    return TP_OK;
}

void
tp__process_kill(int pid)
{
    /* It may have ended by itself meanwhile; that is what was wanted. */
    kill((pid_t) pid, SIGKILL);
}

void
tp__process_sleep(struct tp_msec duration)
{
    struct timespec time = {
        .tv_sec = (time_t) (duration.ms / 1000),
        .tv_nsec = (long) (duration.ms % 1000) * 1000000,
    };

    nanosleep(&time, NULL);
}

void
tp__process_exit(int code)
{
    _exit(code);
}

enum tp_result
tp__process_daemonize(int *ready_fd)
{
    int fds[2];
    int child;

    if (pipe2(fds, O_CLOEXEC) == -1) {
        return tp__result_from_errno();
    }
    enum tp_result result = tp__process_fork(&child);

    if (result != TP_OK) {
        tp__descriptor_close(&fds[0]);
        tp__descriptor_close(&fds[1]);
        return result;
    }
    if (child != 0) {
        tp__descriptor_close(&fds[1]);
        process_wait_for_daemon(fds[0]);
    }
    tp__descriptor_close(&fds[0]);
    *ready_fd = fds[1];
    return setsid() == -1 ? tp__result_from_errno() : process_detach(2);
}

void
tp__process_daemon_ready(int *ready_fd, int code)
{
    char byte = (char) code;

    if (*ready_fd == -1) {
        return;
    }
    tp__file_write(*ready_fd, &byte, 1);
    tp__descriptor_close(ready_fd);
    if (code == 0) {
        process_detach_errors();
    }
}

void
tp__process_leave_daemon(int *ready_fd)
{
    if (*ready_fd != -1) {
        tp__descriptor_close(ready_fd);
        process_detach_errors();
    }
}

enum tp_result
tp__process_find_user(const char *user, const char *group, struct tp_process_user *found)
{
    const struct passwd *entry = getpwnam(user);

    if (entry == NULL || strlen(user) >= sizeof(found->name)) {
        return TP_NOT_FOUND;
    }
    snprintf(found->name, sizeof(found->name), "%s", user);
    found->uid = entry->pw_uid;
    found->gid = entry->pw_gid;
    if (group[0] != '\0') {
        const struct group *group_entry = getgrnam(group);

        if (group_entry == NULL) {
            return TP_NOT_FOUND;
        }
        found->gid = group_entry->gr_gid;
    }
    return TP_OK;
}

enum tp_result
tp__process_become(const struct tp_process_user *user)
{
    if (geteuid() == user->uid && getegid() == user->gid) {
        return TP_OK;
    }
    if (setgid(user->gid) == -1 || initgroups(user->name, user->gid) == -1
        || setuid(user->uid) == -1) {
        return tp__result_from_errno();
    }
    /* Changing the user has forbidden core dumps and tracing by the new user. */
    prctl(PR_SET_DUMPABLE, 1);
    return TP_OK;
}

bool
tp__process_is_root(void)
{
    return geteuid() == 0;
}

enum tp_result
tp__process_set_descriptor_limit(uint64_t wanted, uint64_t *limit)
{
    struct rlimit now;
    struct rlimit then = { .rlim_cur = wanted, .rlim_max = wanted };

    if (getrlimit(RLIMIT_NOFILE, &now) == -1) {
        return tp__result_from_errno();
    }
    *limit = now.rlim_cur;
    if (now.rlim_max > wanted) {
        then.rlim_max = now.rlim_max;
    }
    if (setrlimit(RLIMIT_NOFILE, &then) == -1) {
        return tp__result_from_errno();
    }
    *limit = wanted;
    return TP_OK;
}

struct tp_process_title
tp__process_find_title(char **argv)
{
    char *end = argv[0];

    /* Only the run of arguments that lie one behind the other is ours to overwrite. */
    for (size_t i = 0; argv[i] != NULL && argv[i] == end; i++) {
        end += strlen(argv[i]) + 1;
    }
    return (struct tp_process_title){ .memory = argv[0], .room = (size_t) (end - argv[0]) };
}

void
tp__process_set_title(const struct tp_process_title *room, const char *title)
{
    prctl(PR_SET_NAME, title);
    if (room->room > 0) {
        memset(room->memory, 0, room->room);
        snprintf(room->memory, room->room, "%s", title);
    }
}

unsigned
tp__process_cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) {
        return (unsigned) CPU_COUNT(&set);
    }
    return 1;
}

void
tp__process_get_hostname(struct tp_text *text)
{
    char name[256] = "";

    if (gethostname(name, sizeof(name) - 1) == 0) {
        tp__text_printf(text, "%s", name);
    }
}

const char *
tp__process_environment(const char *name)
{
    return getenv(name);
}

uint64_t
tp__process_resident_bytes(void)
{
    struct tp_text text = { 0 };
    unsigned long pages = 0;

    if (tp__file_read("/proc/self/statm", 4096, &text) == TP_OK) {
        sscanf(tp__text_get(&text).data, "%*u %lu", &pages);
    }
    tp__text_fini(&text);
    return (uint64_t) pages * (uint64_t) sysconf(_SC_PAGESIZE);
}

/* The exit code comes through the pipe; its end without a byte means the daemon died at once. */
static void
process_wait_for_daemon(int fd)
{
    char code = 1;

    while (read(fd, &code, 1) == -1 && errno == EINTR) {
        continue;
    }
    _exit(code);
}

/* Where that fails standard error stays the terminal's: messages are not lost. */
static void
process_detach_errors(void)
{
    if (process_detach(STDERR_FILENO + 1) != TP_OK) {
        return;
    }
}

/* Connects the first `fd_count` standard streams with /dev/null. */
static enum tp_result
process_detach(int fd_count)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    enum tp_result result = TP_OK;

    if (null_fd == -1) {
        return tp__result_from_errno();
    }
    for (int fd = 0; fd < fd_count && result == TP_OK; fd++) {
        result = tp__descriptor_replace(fd, null_fd);
    }
    tp__descriptor_close(&null_fd);
    return result;
}
