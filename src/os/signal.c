/*
 * signal.c - signals as events of a loop.
 */
#include "os/signal.h"

#include "base/result.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int signal_numbers[] = {
#define SIGNAL_NUMBER_ROW(name, number, word, master, worker) [TP_SIGNAL_##name] = (number),
    TP_SIGNAL_TABLE(SIGNAL_NUMBER_ROW)
#undef SIGNAL_NUMBER_ROW
};

enum tp_result
tp__signals_open(int *fd)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < TP_COUNT_OF(signal_numbers); i++) {
        sigaddset(&set, signal_numbers[i]);
    }
    if (sigaction(SIGPIPE, &ignore, NULL) == -1 || sigprocmask(SIG_BLOCK, &set, NULL) == -1) {
        return tp__result_from_errno();
    }
    *fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return *fd == -1 ? tp__result_from_errno() : TP_OK;
}

enum tp_result
tp__signals_read(int fd, enum tp_signal *signal, int *sender)
{
    struct signalfd_siginfo info;
    ssize_t count = read(fd, &info, sizeof(info));

    if (count == -1) {
        return tp__result_from_errno();
    }
    TP_ASSERT(count == (ssize_t) sizeof(info));
    for (size_t i = 0; i < TP_COUNT_OF(signal_numbers); i++) {
        if (signal_numbers[i] == (int) info.ssi_signo) {
            *signal = (enum tp_signal) i;
            *sender = info.ssi_code <= 0 ? (int) info.ssi_pid : 0;
            return TP_OK;
        }
    }
    return TP_NOT_FOUND;
}

const char *
tp__signal_word(enum tp_signal signal)
{
    switch (signal) {
#define SIGNAL_WORD_ROW(name, number, word, master, worker) \
    case TP_SIGNAL_##name:                                  \
        return word;
        TP_SIGNAL_TABLE(SIGNAL_WORD_ROW)
#undef SIGNAL_WORD_ROW
    }
    return "unknown";
}
