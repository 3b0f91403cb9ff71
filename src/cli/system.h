/*
 * cli/system.h - what tp needs of the system besides the C library: terminals, signals,
 * waiting, processes, threads.  system.c and system_screen.c alone include its headers.
 */
#ifndef TP_CLI_SYSTEM_H
#define TP_CLI_SYSTEM_H

#include <teleport/base.h>

#include <stdio.h>

/* A clock that only goes forward. */
uint64_t tp__system_clock_ns(void);

/* The processor time that this process has used, in the kernel too. */
uint64_t tp__system_own_cpu_ns(void);

/* The same of the first thread of another process; 0 where the system does not tell. */
uint64_t tp__system_process_cpu_ns(int64_t process_id);

bool tp__system_is_terminal(FILE *file);

/*
 * Asks on the terminal that is standard input for a line, which is not shown: at most `size` - 2
 * bytes (TP_TOO_LARGE), without its end.  TP_INTERRUPTED: a signal came; TP_SYSTEM.
 */
enum tp_result tp__system_ask_secret(const char *question, char *secret, size_t size,
                                     size_t *len) TP_MUST_CHECK;

/* How wide the terminal is; 80 where it does not tell. */
unsigned tp__system_columns(FILE *file);

/* How large the terminal is; 80 to 24 where it does not tell. */
void tp__system_screen_size(FILE *file, unsigned *columns, unsigned *rows);

/*
 * From here on the terminal is this program's: keys come as they are typed, unseen, and a screen of
 * its own is shown, without a cursor and without wrapping lines.  The terminal is as it was before
 * once the screen is closed, and usable, too, when this process fails.  TP_SYSTEM: standard input
 * or output is no terminal; TP_NO_MEMORY.
 */
struct tp_system_screen;
enum tp_result tp__system_open_screen(struct tp_system_screen **screen) TP_MUST_CHECK;
void tp__system_close_screen(struct tp_system_screen **screen);

/* For log lines. */
int tp__system_process_id(void);

/* As many descriptors as the system lets us have. */
void tp__system_allow_descriptors(void);

/* ---- Signals ---- */

enum tp_system_signal {
    TP_SIGNAL_NONE,
    TP_SIGNAL_END,     /* somebody wants this to end: SIGINT, SIGTERM, SIGHUP */
    TP_SIGNAL_CHILD,   /* a process that was started here has ended */
    TP_SIGNAL_RESIZED, /* the terminal has another size */
};

/*
 * From here on signals wait to be read from the descriptor that is returned, in this thread
 * and those it starts; a broken pipe is an error of writing.  -1: the system refused.
 */
int tp__system_open_signals(void);
enum tp_system_signal tp__system_read_signal(int fd);

/* ---- Waiting ---- */

struct tp_waitable {
    int fd; /* -1: not waited for */
    bool wants_write;
    bool is_ready;
};

/*
 * Waits until one of them is ready or, unless `timeout_ns` is negative, so long; says which
 * are.
 */
void tp__system_wait(struct tp_waitable *waitables, size_t count, int64_t timeout_ns);

void tp__system_sleep(int64_t duration_ns);

/* ---- Processes and their pipes ---- */

struct tp_system_child {
    int64_t process_id; /* 0: none */
    int input;          /* -1: closed, here and below */
    int output;
    int errors;
};

struct tp_system_variable {
    const char *name;
    struct tp_str value;
};

/*
 * Runs `command` with /bin/sh in a process group of its own, with these variables besides
 * the environment.  Its pipes do not block.
 */
enum tp_result tp__system_start_child(const char *command,
                                      const struct tp_system_variable *variables,
                                      size_t variable_count,
                                      struct tp_system_child *child) TP_MUST_CHECK;

/* True once it has ended; *exit_code is that of the shell then, or 128 and a signal's number. */
bool tp__system_has_ended(struct tp_system_child *child, int *exit_code);

/* Ends its process group at once, and waits for it. */
void tp__system_kill_child(struct tp_system_child *child);

/* Standard input. */
int tp__system_input(void);

/* Bytes that went; -1: not now; -2: the pipe is at its end, or broken. */
int64_t tp__system_read(int fd, void *bytes, size_t len);
int64_t tp__system_write(int fd, const void *bytes, size_t len);
void tp__system_close(int *fd);

/* ---- Threads ---- */

struct tp_system_thread;

enum tp_result tp__system_start_thread(void (*run)(void *owner), void *owner,
                                       struct tp_system_thread **thread) TP_MUST_CHECK;

/* Waits until the thread has ended, and frees it. */
void tp__system_join_thread(struct tp_system_thread **thread);

#endif
