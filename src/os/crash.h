/*
 * os/crash.h - last words: what a process says when a signal of a fault ends it.
 */
#ifndef TP_OS_CRASH_H
#define TP_OS_CRASH_H

#include <teleport/base.h>

/* ROW(number, word): the signals that mean a fault of the program. */
/* clang-format off */
#define TP_CRASH_TABLE(ROW) \
    ROW(SIGSEGV, "SEGV")    \
    ROW(SIGBUS,  "BUS")     \
    ROW(SIGFPE,  "FPE")     \
    ROW(SIGILL,  "ILL")     \
    ROW(SIGABRT, "ABRT")
/* clang-format on */

struct tp_crash {
    const char *signal;  /* its word: "SEGV" */
    int sender;          /* the process that sent it; 0: the fault is this process's own */
    const void *address; /* of the fault, where `has_address` says so */
    bool has_address;
};

/*
 * Called with the process as it was when it failed, in a signal handler with a stack of
 * its own: it may use what was prepared for it and system calls, and may neither take a
 * lock nor ask for memory.  A fault in here ends the process without further words, and
 * so does taking longer than a few seconds.
 */
typedef void (*tp_crash_fn)(void *owner, const struct tp_crash *crash);

/* What catches the crashes of a process; NULL where somebody else does. */
struct tp_crash_catcher;

/*
 * From here on `on_crash` is called, once, before a signal of the table ends this process;
 * that it ends by it, with a core dump where those are wanted, stays as it was.  A process
 * whose signals are handled already, by a sanitizer or a debugger's library, is left to
 * that one: *catcher is NULL then.  Counts for the calling thread; others end unheard.
 */
enum tp_result tp__crash_catch(tp_crash_fn on_crash, void *owner,
                               struct tp_crash_catcher **catcher) TP_MUST_CHECK;

/* Ends that; makes *catcher, which may be NULL, NULL. */
void tp__crash_release(struct tp_crash_catcher **catcher);

/* Writes who called whom to `fd`, a line for each call, which begins with `margin`. */
void tp__crash_write_calls(int fd, struct tp_str margin);

#endif
