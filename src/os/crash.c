/*
 * crash.c - last words: what a process says when a signal of a fault ends it.
 *
 * A handler gets nothing but the number of its signal, and there are no mutable globals.  So
 * what it needs lies where the kernel tells it to look: at the foot of the stack that
 * signals are handled on, below a page that nobody may touch, so that an overflow of that
 * stack does not reach it.
 *
 * Runs in: any process.  Owns: the stack.
 * Read next: process/crash.c, what a worker says.
 */
#include "os/crash.h"

#include "base/result.h"
#include "config.h"
#include "os/file.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef TP_HAVE_BACKTRACE
#    include <execinfo.h>
#endif

enum {
    CRASH_MAGIC = 0x54504352, /* "TPCR" */
    CRASH_STACK_BYTES = 128 * 1024,
    CRASH_SECONDS_MAX = 3, /* a lock that the fault left locked would be waited for for ever */
    CRASH_CALLS_MAX = 48,
};

/* The foot of the stack. */
struct tp_crash_catcher {
    uint32_t magic;
    tp_crash_fn on_crash;
    void *owner;
    void *stack;
    size_t whole_bytes;
};

static bool crash_is_handled_already(void);
static enum tp_result crash_map(struct tp_crash_catcher **catcher);
static size_t crash_foot_bytes(void);
static enum tp_result crash_set_handlers(void);
static void crash_reset_handlers(void);
static void crash_on_signal(int number, siginfo_t *info, void *machine);
static struct tp_crash_catcher *crash_find_catcher(void);
static struct tp_crash crash_describe(int number, const siginfo_t *info);
static void crash_limit_time(void);

static const struct {
    int number;
    const char *word;
} crash_signals[] = {
#define CRASH_SIGNAL_ROW(signal_number, signal_word) { (signal_number), (signal_word) },
    TP_CRASH_TABLE(CRASH_SIGNAL_ROW)
#undef CRASH_SIGNAL_ROW
};

enum tp_result
tp__crash_catch(tp_crash_fn on_crash, void *owner, struct tp_crash_catcher **catcher)
{
    *catcher = NULL;
    if (crash_is_handled_already()) {
        return TP_OK;
    }
    enum tp_result result = crash_map(catcher);

    if (result != TP_OK) {
        return result;
    }
    (*catcher)->on_crash = on_crash;
    (*catcher)->owner = owner;
    /* The first backtrace loads a library, which a crash is no time for. */
    tp__crash_write_calls(-1, TP_STR(""));
    result = crash_set_handlers();
    if (result != TP_OK) {
        tp__crash_release(catcher);
    }
    return result;
}

void
tp__crash_release(struct tp_crash_catcher **catcher)
{
    stack_t none = { .ss_flags = SS_DISABLE };

    if (*catcher == NULL) {
        return;
    }
    crash_reset_handlers();
    sigaltstack(&none, NULL);
    munmap(*catcher, (*catcher)->whole_bytes);
    *catcher = NULL;
}

void
tp__crash_write_calls(int fd, struct tp_str margin)
{
#ifdef TP_HAVE_BACKTRACE
    void *calls[CRASH_CALLS_MAX];
    int count = backtrace(calls, CRASH_CALLS_MAX);

    for (int i = 0; i < count && fd != -1; i++) {
        tp__file_write(fd, margin.data, margin.len);
        backtrace_symbols_fd(&calls[i], 1, fd);
    }
#else
    (void) fd;
    (void) margin;
#endif
}

static bool
crash_is_handled_already(void)
{
    for (size_t i = 0; i < TP_COUNT_OF(crash_signals); i++) {
        struct sigaction action;

        if (sigaction(crash_signals[i].number, NULL, &action) == 0
            && action.sa_handler != SIG_DFL) {
            return true;
        }
    }
    return false;
}

/* The foot, a page that nobody may touch, and the stack, which grows downwards to it. */
static enum tp_result
crash_map(struct tp_crash_catcher **catcher)
{
    size_t page_bytes = (size_t) sysconf(_SC_PAGESIZE);
    size_t foot_bytes = crash_foot_bytes();
    size_t whole_bytes = foot_bytes + CRASH_STACK_BYTES;
    char *whole =
        mmap(NULL, whole_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = { .ss_sp = whole + foot_bytes, .ss_size = CRASH_STACK_BYTES };

    if (whole == MAP_FAILED) {
        return tp__result_from_errno();
    }
    struct tp_crash_catcher *made = (struct tp_crash_catcher *) (void *) whole;

    *made = (struct tp_crash_catcher){
        .magic = CRASH_MAGIC,
        .stack = stack.ss_sp,
        .whole_bytes = whole_bytes,
    };
    if (mprotect(whole + page_bytes, foot_bytes - page_bytes, PROT_NONE) == -1
        || sigaltstack(&stack, NULL) == -1) {
        enum tp_result result = tp__result_from_errno();

        munmap(whole, whole_bytes);
        return result;
    }
    *catcher = made;
    return TP_OK;
}

static size_t
crash_foot_bytes(void)
{
    _Static_assert(sizeof(struct tp_crash_catcher) <= 4096, "the foot has a page for it");
    return 2 * (size_t) sysconf(_SC_PAGESIZE);
}

static enum tp_result
crash_set_handlers(void)
{
    struct sigaction action = {
        .sa_sigaction = crash_on_signal,
        .sa_flags = SA_SIGINFO | SA_ONSTACK,
    };

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < TP_COUNT_OF(crash_signals); i++) {
        sigaddset(&action.sa_mask, crash_signals[i].number);
    }
    for (size_t i = 0; i < TP_COUNT_OF(crash_signals); i++) {
        if (sigaction(crash_signals[i].number, &action, NULL) == -1) {
            return tp__result_from_errno();
        }
    }
    return TP_OK;
}

static void
crash_reset_handlers(void)
{
    for (size_t i = 0; i < TP_COUNT_OF(crash_signals); i++) {
        signal(crash_signals[i].number, SIG_DFL);
    }
}

/*
 * From here on each signal of the table kills: a further fault, or an assertion, at once; the
 * signal that came, which is sent again, as soon as this returns, with the registers of the
 * fault for the core dump.
 */
static void
crash_on_signal(int number, siginfo_t *info, void *machine)
{
    struct tp_crash_catcher *catcher = crash_find_catcher();

    (void) machine;
    crash_reset_handlers();
    if (catcher != NULL) {
        struct tp_crash crash = crash_describe(number, info);

        crash_limit_time();
        catcher->on_crash(catcher->owner, &crash);
    }
    raise(number);
}

/* NULL in a thread that has no such stack, or that of somebody else. */
static struct tp_crash_catcher *
crash_find_catcher(void)
{
    stack_t stack;

    if (sigaltstack(NULL, &stack) == -1 || (stack.ss_flags & SS_DISABLE) != 0
        || stack.ss_size != CRASH_STACK_BYTES) {
        return NULL;
    }
    void *foot = (char *) stack.ss_sp - crash_foot_bytes();
    struct tp_crash_catcher *catcher = foot;

    return catcher->magic == CRASH_MAGIC && catcher->stack == stack.ss_sp ? catcher : NULL;
}

static struct tp_crash
crash_describe(int number, const siginfo_t *info)
{
    struct tp_crash crash = { .signal = "unknown" };

    for (size_t i = 0; i < TP_COUNT_OF(crash_signals); i++) {
        if (crash_signals[i].number == number) {
            crash.signal = crash_signals[i].word;
        }
    }
    if (info->si_code <= 0) {
        crash.sender = info->si_pid == getpid() ? 0 : (int) info->si_pid;
    } else {
        crash.has_address = true;
        crash.address = info->si_addr;
    }
    return crash;
}

static void
crash_limit_time(void)
{
    sigset_t alarm_only;

    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    signal(SIGALRM, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
    alarm(CRASH_SECONDS_MAX);
}
