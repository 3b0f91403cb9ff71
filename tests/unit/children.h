/*
 * children.h - processes for tests: started, spoken with in single letters, stopped,
 * killed and waited for.
 *
 * Parent and child wait for each other's letters, so that no test has to sleep and
 * hope.  A child checks with TP_ASSERT: Check's own assertions belong to the parent.
 */
#ifndef TP_TESTS_UNIT_CHILDREN_H
#define TP_TESTS_UNIT_CHILDREN_H

#include <teleport/base.h>

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    pid_t pid; /* 0 in the child itself */
    int fd;    /* to the other of the two */
};

typedef void (*child_fn)(struct child *self, void *argument);

static inline void
child_say(struct child *child, char letter)
{
    TP_ASSERT(send(child->fd, &letter, 1, MSG_NOSIGNAL) == 1);
}

/* The letter that the other says next; 0 when there is no other any more. */
static inline char
child_hear(struct child *child)
{
    char letter = 0;
    ssize_t count;

    do {
        count = recv(child->fd, &letter, 1, 0);
    } while (count == -1 && errno == EINTR);
    return count == 1 ? letter : 0;
}

/* Runs `run` in a new process, which ends with it and never outlives the test. */
static inline void
child_start(struct child *child, child_fn run, void *argument)
{
    int pair[2];

    ck_assert_int_eq(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    child->pid = fork();
    ck_assert_int_ne(-1, child->pid);
    if (child->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        child->fd = pair[1];
        run(child, argument);
        _exit(0);
    }
    close(pair[1]);
    child->fd = pair[0];
}

/* Waits for the child's end and returns its wait status. */
static inline int
child_wait(struct child *child)
{
    int status;

    ck_assert_int_eq(child->pid, waitpid(child->pid, &status, 0));
    close(child->fd);
    return status;
}

/* Waits for the child, which must have ended well. */
static inline void
child_join(struct child *child)
{
    ck_assert_int_eq(0, child_wait(child));
}

/* Kills the child as from outside, and waits until it is no more. */
static inline void
child_kill(struct child *child)
{
    ck_assert_int_eq(0, kill(child->pid, SIGKILL));

    int status = child_wait(child);

    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Stops the child and waits until it has stopped. */
static inline void
child_stop(struct child *child)
{
    int status;

    ck_assert_int_eq(0, kill(child->pid, SIGSTOP));
    ck_assert_int_eq(child->pid, waitpid(child->pid, &status, WUNTRACED));
    ck_assert(WIFSTOPPED(status));
}

static inline void
child_go_on(struct child *child)
{
    ck_assert_int_eq(0, kill(child->pid, SIGCONT));
}

/* In a child: become a user without rights, if that can be had. */
static inline void
child_become_nobody(void)
{
    if (geteuid() == 0) {
        TP_ASSERT(setgid(65534) == 0 && setuid(65534) == 0);
    }
}

#endif
