/*
 * os/signal.h - signals as events of a loop instead of interruptions.
 */
#ifndef TP_OS_SIGNAL_H
#define TP_OS_SIGNAL_H

#include <teleport/base.h>

/*
 * The signals that steer a server: ROW(NAME, number, name, what the master does,
 * what a worker does).
 */
/* clang-format off */
#define TP_SIGNAL_TABLE(ROW)                                                                       \
    ROW(TERM,  SIGTERM,  "TERM",  "Fast stop; a second one kills the workers.", "Fast stop.")      \
    ROW(INT,   SIGINT,   "INT",   "Fast stop; a second one kills the workers.", "Fast stop.")      \
    ROW(QUIT,  SIGQUIT,  "QUIT",  "Graceful stop.",                           "Graceful stop.")    \
    ROW(HUP,   SIGHUP,   "HUP",   "Reload the configuration in place.",       "Ignored.")          \
    ROW(USR1,  SIGUSR1,  "USR1",  "Reopen the logs.",                         "Ignored.")          \
    ROW(USR2,  SIGUSR2,  "USR2",  "Ignored until upgrades are built.",        "Ignored.")          \
    ROW(WINCH, SIGWINCH, "WINCH", "Stop the workers gracefully, but stay.",   "Ignored.")          \
    ROW(CHLD,  SIGCHLD,  "CHLD",  "Replace a worker that died.",              "Ignored.")
/* clang-format on */

enum tp_signal {
#define TP_SIGNAL_ENUM_ROW(name, number, word, master, worker) TP_SIGNAL_##name,
    TP_SIGNAL_TABLE(TP_SIGNAL_ENUM_ROW)
#undef TP_SIGNAL_ENUM_ROW
};

/*
 * Blocks the signals of the table, ignores SIGPIPE, and opens a descriptor that
 * becomes readable when one of them comes.  Child processes inherit the
 * blocking and open a descriptor of their own.
 */
enum tp_result tp__signals_open(int *fd) TP_MUST_CHECK;

/* The next signal; TP_AGAIN when none has come.  *sender is its process, 0 when the kernel's. */
enum tp_result tp__signals_read(int fd, enum tp_signal *signal, int *sender) TP_MUST_CHECK;

/* "HUP" */
const char *tp__signal_word(enum tp_signal signal);

#endif
