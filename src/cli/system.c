/*
 * system.c - the system's calls, for a client that knows none of them otherwise.
 *
 * The server's own wrappers (src/os) are no part of the installed library, so they are not
 * used here: tp is built from what every program with libteleport has.
 */
#include "cli/system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    SYSTEM_COLUMNS = 80,
    SYSTEM_SIGNAL_EXIT_CODE = 128,
    SYSTEM_WAITABLES_INLINE = 8,
};

#define NS_PER_SECOND INT64_C(1000000000)

struct tp_system_thread {
    pthread_t thread;
    void (*run)(void *owner);
    void *owner;
};

/* The descriptors of one child while it is being made: of the child, and of this process. */
struct system_pipes {
    int child[3];
    int ours[3];
};

static bool open_pipes(struct system_pipes *pipes);
static void close_pipes(struct system_pipes *pipes);
static char **make_environment(const struct tp_system_variable *variables, size_t count);
static void free_environment(char **environment, size_t own_count);
static int spawn_shell(const char *command, char **environment, const struct system_pipes *pipes,
                       pid_t *process);
static void *thread_run(void *argument);
static enum tp_result read_secret(char *secret, size_t size, size_t *len);
static void on_interruption(int number);

uint64_t
tp__system_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * (uint64_t) NS_PER_SECOND + (uint64_t) now.tv_nsec;
}

uint64_t
tp__system_own_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t) used.tv_sec * (uint64_t) NS_PER_SECOND + (uint64_t) used.tv_nsec;
}

uint64_t
tp__system_process_cpu_ns(int64_t process_id)
{
    char path[64];
    unsigned long long ran_ns = 0;

    snprintf(path, sizeof(path), "/proc/%lld/schedstat", (long long) process_id);
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return 0;
    }
    int found = fscanf(file, "%llu", &ran_ns);

    fclose(file);
    return found == 1 ? ran_ns : 0;
}

bool
tp__system_is_terminal(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

/* A signal is to end the program, but not before the terminal shows again what is typed. */
enum tp_result
tp__system_ask_secret(const char *question, char *secret, size_t size, size_t *len)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
    const struct sigaction caught = { .sa_handler = on_interruption };
    struct sigaction before[sizeof(signals) / sizeof(signals[0])];
    struct termios shown;

    if (tcgetattr(STDIN_FILENO, &shown) == -1) {
        return TP_SYSTEM;
    }
    struct termios hidden = shown;

    hidden.c_lflag &= ~(tcflag_t) ECHO;
    hidden.c_lflag |= ECHONL;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaction(signals[i], &caught, &before[i]);
    }
    fputs(question, stderr);
    enum tp_result result = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == -1
                                ? TP_SYSTEM
                                : read_secret(secret, size, len);

    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaction(signals[i], &before[i], NULL);
    }
    return result;
}

unsigned
tp__system_columns(FILE *file)
{
    struct winsize size;

    if (ioctl(fileno(file), TIOCGWINSZ, &size) == -1 || size.ws_col == 0) {
        return SYSTEM_COLUMNS;
    }
    return size.ws_col;
}

int
tp__system_process_id(void)
{
    return (int) getpid();
}

void
tp__system_allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int
tp__system_open_signals(void)
{
    sigset_t wanted;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGHUP);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, SIGWINCH);
    if (pthread_sigmask(SIG_BLOCK, &wanted, NULL) != 0) {
        return -1;
    }
    return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

enum tp_system_signal
tp__system_read_signal(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != (ssize_t) sizeof(info)) {
        return TP_SIGNAL_NONE;
    }
    switch (info.ssi_signo) {
    case SIGCHLD:
        return TP_SIGNAL_CHILD;
    case SIGWINCH:
        return TP_SIGNAL_RESIZED;
    default:
        return TP_SIGNAL_END;
    }
}

void
tp__system_wait(struct tp_waitable *waitables, size_t count, int64_t timeout_ns)
{
    struct pollfd room[SYSTEM_WAITABLES_INLINE];
    struct pollfd *polls = count <= SYSTEM_WAITABLES_INLINE ? room : calloc(count, sizeof(*polls));
    struct timespec timeout = { timeout_ns / NS_PER_SECOND, timeout_ns % NS_PER_SECOND };

    if (polls == NULL) {
        /* Nothing is known to be ready: whoever waits looks at everything, a moment later. */
        for (size_t i = 0; i < count; i++) {
            waitables[i].is_ready = true;
        }
        tp__system_sleep(NS_PER_SECOND / 100);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        polls[i].fd = waitables[i].fd;
        polls[i].events = waitables[i].wants_write ? POLLOUT : POLLIN;
        polls[i].revents = 0;
    }
    ppoll(polls, count, timeout_ns < 0 ? NULL : &timeout, NULL);
    for (size_t i = 0; i < count; i++) {
        waitables[i].is_ready = polls[i].revents != 0;
    }
    if (polls != room) {
        free(polls);
    }
}

void
tp__system_sleep(int64_t duration_ns)
{
    struct timespec duration = { duration_ns / NS_PER_SECOND, duration_ns % NS_PER_SECOND };

    nanosleep(&duration, NULL);
}

enum tp_result
tp__system_start_child(const char *command, const struct tp_system_variable *variables,
                       size_t variable_count, struct tp_system_child *child)
{
    struct system_pipes pipes;
    pid_t process;

    *child = (struct tp_system_child){ 0, -1, -1, -1 };
    if (!open_pipes(&pipes)) {
        close_pipes(&pipes);
        return TP_NO_DESCRIPTORS;
    }
    char **environment = make_environment(variables, variable_count);
    int error = environment == NULL ? ENOMEM : spawn_shell(command, environment, &pipes, &process);

    free_environment(environment, variable_count);
    for (size_t i = 0; i < 3; i++) {
        tp__system_close(&pipes.child[i]);
    }
    if (error != 0) {
        close_pipes(&pipes);
        errno = error;
        return error == ENOMEM ? TP_NO_MEMORY : TP_SYSTEM;
    }
    *child = (struct tp_system_child){ process, pipes.ours[0], pipes.ours[1], pipes.ours[2] };
    return TP_OK;
}

bool
tp__system_has_ended(struct tp_system_child *child, int *exit_code)
{
    int status;

    if (child->process_id == 0) {
        return true;
    }
    if (waitpid((pid_t) child->process_id, &status, WNOHANG) != (pid_t) child->process_id) {
        return false;
    }
    child->process_id = 0;
    *exit_code =
        WIFEXITED(status) ? WEXITSTATUS(status) : SYSTEM_SIGNAL_EXIT_CODE + WTERMSIG(status);
    return true;
}

void
tp__system_kill_child(struct tp_system_child *child)
{
    if (child->process_id != 0) {
        kill(-(pid_t) child->process_id, SIGKILL);
        waitpid((pid_t) child->process_id, NULL, 0);
        child->process_id = 0;
    }
}

int
tp__system_input(void)
{
    return STDIN_FILENO;
}

int64_t
tp__system_read(int fd, void *bytes, size_t len)
{
    ssize_t count = read(fd, bytes, len);

    if (count > 0) {
        return count;
    }
    return count == -1 && (errno == EAGAIN || errno == EINTR) ? -1 : -2;
}

int64_t
tp__system_write(int fd, const void *bytes, size_t len)
{
    ssize_t count = write(fd, bytes, len);

    if (count >= 0) {
        return count;
    }
    return errno == EAGAIN || errno == EINTR ? -1 : -2;
}

void
tp__system_close(int *fd)
{
    if (*fd != -1) {
        close(*fd);
        *fd = -1;
    }
}

enum tp_result
tp__system_start_thread(void (*run)(void *owner), void *owner, struct tp_system_thread **thread)
{
    struct tp_system_thread *made = malloc(sizeof(*made));

    if (made == NULL) {
        return TP_NO_MEMORY;
    }
    *made = (struct tp_system_thread){ .run = run, .owner = owner };
    if (pthread_create(&made->thread, NULL, thread_run, made) != 0) {
        free(made);
        return TP_SYSTEM;
    }
    *thread = made;
    return TP_OK;
}

void
tp__system_join_thread(struct tp_system_thread **thread)
{
    if (*thread != NULL) {
        pthread_join((*thread)->thread, NULL);
        free(*thread);
        *thread = NULL;
    }
}

/* Our ends do not block; the child's are closed here once it has them. */
static bool
open_pipes(struct system_pipes *pipes)
{
    int ends[2];

    *pipes = (struct system_pipes){ { -1, -1, -1 }, { -1, -1, -1 } };
    for (size_t i = 0; i < 3; i++) {
        if (pipe2(ends, O_CLOEXEC) == -1) {
            return false;
        }
        pipes->child[i] = ends[i == 0 ? 0 : 1];
        pipes->ours[i] = ends[i == 0 ? 1 : 0];
        fcntl(pipes->ours[i], F_SETFL, O_NONBLOCK);
    }
    return true;
}

static void
close_pipes(struct system_pipes *pipes)
{
    for (size_t i = 0; i < 3; i++) {
        tp__system_close(&pipes->child[i]);
        tp__system_close(&pipes->ours[i]);
    }
}

/* Ours in front, so that they are found first, then what this process has. */
static char **
make_environment(const struct tp_system_variable *variables, size_t count)
{
    size_t inherited = 0;

    while (environ[inherited] != NULL) {
        inherited++;
    }
    char **made = calloc(count + inherited + 1, sizeof(*made));

    if (made == NULL) {
        return NULL;
    }
    memcpy(made + count, environ, inherited * sizeof(*made));
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(variables[i].name) + variables[i].value.len + 2;

        made[i] = malloc(len);
        if (made[i] == NULL) {
            free_environment(made, i);
            return NULL;
        }
        snprintf(made[i], len, "%s=%.*s", variables[i].name, TP_STR_ARG(variables[i].value));
    }
    return made;
}

static void
free_environment(char **environment, size_t own_count)
{
    for (size_t i = 0; environment != NULL && i < own_count; i++) {
        free(environment[i]);
    }
    free(environment);
}

/* Returns 0, or what is wrong.  The signals that wait here do not wait in the child. */
static int
spawn_shell(const char *command, char **environment, const struct system_pipes *pipes,
            pid_t *process)
{
    char *arguments[] = { (char *) "sh", (char *) "-c", (char *) command, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, preset;

    sigemptyset(&none);
    sigemptyset(&preset);
    sigaddset(&preset, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 3; i++) {
        posix_spawn_file_actions_adddup2(&actions, pipes->child[i], i);
    }
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &preset);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
                                              | POSIX_SPAWN_SETPGROUP);
    int error = posix_spawn(process, "/bin/sh", &actions, &attributes, arguments, environment);

    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static void *
thread_run(void *argument)
{
    struct tp_system_thread *thread = argument;

    thread->run(thread->owner);
    return NULL;
}

/* A terminal gives a line at a time. */
static enum tp_result
read_secret(char *secret, size_t size, size_t *len)
{
    ssize_t count = read(STDIN_FILENO, secret, size);

    if (count == -1) {
        return errno == EINTR ? TP_INTERRUPTED : TP_SYSTEM;
    }
    *len = (size_t) count;
    if (*len > 0 && secret[*len - 1] == '\n') {
        (*len)--;
        return TP_OK;
    }
    return *len + 1 < size ? TP_OK : TP_TOO_LARGE;
}

/* That it came is enough: reading is interrupted. */
static void
on_interruption(int number)
{
    (void) number;
}
