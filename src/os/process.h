/*
 * os/process.h - processes: starting, ending, limits, users.
 */
#ifndef TP_OS_PROCESS_H
#define TP_OS_PROCESS_H

#include <teleport/base.h>

#include "base/text.h"

/* How a child ended: by exit with `exit_code`, or by `signal` when that is not 0. */
struct tp_process_end {
    int pid;
    int exit_code;
    int signal;
};

/* A user to become. */
struct tp_process_user {
    char name[64];
    unsigned uid;
    unsigned gid;
};

/*
 * Opens /dev/null for each standard stream that is closed, so that no log, socket or
 * pipe becomes one by accident.  Call before anything else is opened.
 */
enum tp_result tp__process_open_streams(void) TP_MUST_CHECK;

/* This process's id. */
int tp__process_id(void);

/* Forks; *child is 0 in the child. */
enum tp_result tp__process_fork(int *child) TP_MUST_CHECK;

/* The next child that has ended.  TP_AGAIN: none has; TP_NOT_FOUND: there are no children. */
enum tp_result tp__process_reap(struct tp_process_end *end) TP_MUST_CHECK;

/* Ends `pid` at once: SIGKILL. */
void tp__process_kill(int pid);

/* Does nothing for so long, or until a signal comes. */
void tp__process_sleep(struct tp_msec duration);

/* Ends this process without running exit handlers. */
void tp__process_exit(int code) TP_NORETURN;

/*
 * Goes on in a child in a session of its own, with the standard streams from and to
 * /dev/null but standard error; the calling process waits for a byte on the pipe
 * behind *ready_fd and exits with it.  The caller writes its exit code there and
 * closes it when the server runs or has failed to start.
 */
enum tp_result tp__process_daemonize(int *ready_fd) TP_MUST_CHECK;

/*
 * Tells the process that waits in tp__process_daemonize() to exit with `code`; with 0,
 * standard error is detached as well.  Does nothing when *ready_fd is -1.
 */
void tp__process_daemon_ready(int *ready_fd, int code);

/*
 * In a child of a daemon: leaves the answer to the parent, and standard error, which
 * whoever started the daemon may be reading to its end.  Does nothing when *ready_fd is -1.
 */
void tp__process_leave_daemon(int *ready_fd);

/* Looks up `user` and, unless it is empty, `group`.  TP_NOT_FOUND names no such one. */
enum tp_result tp__process_find_user(const char *user, const char *group,
                                     struct tp_process_user *found) TP_MUST_CHECK;

/* Becomes `user` for good.  Does nothing, successfully, when this process is that user already. */
enum tp_result tp__process_become(const struct tp_process_user *user) TP_MUST_CHECK;

/* True when this process runs as root. */
bool tp__process_is_root(void);

/* Sets the limit of open descriptors; the limit in force afterwards is written to *limit. */
enum tp_result tp__process_set_descriptor_limit(uint64_t wanted, uint64_t *limit) TP_MUST_CHECK;

/* The memory of a process's arguments, which ps shows as its title. */
struct tp_process_title {
    char *memory;
    size_t room;
};

/* Finds that memory, as long as no title was set. */
struct tp_process_title tp__process_find_title(char **argv);

/*
 * Sets the title that ps shows, as far as there is room for it.  The arguments are
 * overwritten: nothing may point into them any more, `title` included.
 */
void tp__process_set_title(const struct tp_process_title *room, const char *title);

/* How many processors this process may run on; at least 1. */
unsigned tp__process_cpu_count(void);

/* Appends the machine's name. */
void tp__process_get_hostname(struct tp_text *text);

/* What a variable of the environment says, for as long as nobody changes it; NULL: it is not set. */
const char *tp__process_environment(const char *name);

/* Memory of this process that is resident, in bytes. */
uint64_t tp__process_resident_bytes(void);

#endif
