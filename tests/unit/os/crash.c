/*
 * crash.c - tests of os/crash: what is told of a crash, that the process still ends by it,
 * and that nothing goes on for ever.
 */
#include "os/crash.h"

#include "base/str.h"
#include "children.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

Suite *tp_suite_os_crash(void);

/* How a child crashes, and what its last words are. */
struct script {
    void (*crash)(void);
    tp_crash_fn on_crash;
    struct child *self;
};

/* Says the first letter of each fact; 'x' for none. */
static void
say_facts(void *owner, const struct tp_crash *crash)
{
    struct script *script = owner;

    child_say(script->self, crash->signal[0]);
    child_say(script->self, crash->has_address ? 'a' : 'x');
    child_say(script->self, crash->sender == 0 ? 'x' : 's');
}

static void
crash_again(void *owner, const struct tp_crash *crash)
{
    struct script *script = owner;

    (void) crash;
    child_say(script->self, 'o');
    abort();
}

/* Whether somebody would end it if it hung. */
static void
say_alarm(void *owner, const struct tp_crash *crash)
{
    struct script *script = owner;
    sigset_t blocked;

    (void) crash;
    TP_ASSERT(sigprocmask(SIG_BLOCK, NULL, &blocked) == 0);
    child_say(script->self, alarm(0) > 0 && !sigismember(&blocked, SIGALRM) ? 'y' : 'n');
}

static void
write_nowhere(void)
{
    volatile int *volatile nowhere = NULL;

    *nowhere = 1;
}

static void
raise_bus(void)
{
    raise(SIGBUS);
}

static int
fill_stack(volatile int depth)
{
    volatile char room[4096];

    room[0] = (char) depth;
    return depth < 0 ? 0 : fill_stack(depth + 1) + room[0];
}

static void
overflow(void)
{
    fill_stack(0);
}

/* Says 'k' when it catches, 'n' when a sanitizer does, and crashes. */
static void
run_script(struct child *self, void *argument)
{
    struct script *script = argument;
    struct tp_crash_catcher *catcher;
    struct rlimit no_core = { 0, 0 };

    script->self = self;
    TP_ASSERT(setrlimit(RLIMIT_CORE, &no_core) == 0);
    TP_ASSERT(tp__crash_catch(script->on_crash, script, &catcher) == TP_OK);
    child_say(self, catcher == NULL ? 'n' : 'k');
    if (catcher != NULL && child_hear(self) == 'g') {
        script->crash();
    }
}

/* Starts it; the letters it then says are in `heard`, and the signal that ended it is returned. */
static int
run_crash(struct script *script, char *heard, size_t room)
{
    struct child child;
    size_t count = 0;

    child_start(&child, run_script, script);
    if (child_hear(&child) == 'n') {
        child_join(&child);
        return 0;
    }
    child_say(&child, 'g');
    while (count + 1 < room && (heard[count] = child_hear(&child)) != 0) {
        count++;
    }
    heard[count] = '\0';

    int status = child_wait(&child);

    ck_assert(WIFSIGNALED(status));
    return WTERMSIG(status);
}

/* A sanitizer that catches crashes itself is left alone, and there is nothing to test. */
static void
expect_crash(void (*crash)(void), tp_crash_fn on_crash, const char *heard, int number)
{
    struct script script = { .crash = crash, .on_crash = on_crash };
    char letters[16] = "";
    int ended_by = run_crash(&script, letters, sizeof(letters));

    if (ended_by != 0) {
        ck_assert_str_eq(heard, letters);
        ck_assert_int_eq(number, ended_by);
    }
}

START_TEST(a_crash_is_told_and_ends_the_process)
{
    expect_crash(write_nowhere, say_facts, "Sax", SIGSEGV);
    expect_crash(abort, say_facts, "Axx", SIGABRT);
    expect_crash(raise_bus, say_facts, "Bxx", SIGBUS);
}
END_TEST

START_TEST(a_stack_without_room_is_told_on_another)
{
    expect_crash(overflow, say_facts, "Sax", SIGSEGV);
}
END_TEST

START_TEST(a_crash_in_the_last_words_is_the_end)
{
    expect_crash(write_nowhere, crash_again, "o", SIGABRT);
}
END_TEST

START_TEST(last_words_are_bounded_in_time)
{
    expect_crash(write_nowhere, say_alarm, "y", SIGSEGV);
}
END_TEST

static void
hold_no_words(void *owner, const struct tp_crash *crash)
{
    (void) owner;
    (void) crash;
}

START_TEST(a_catcher_leaves_nothing_behind)
{
    for (int round = 0; round < 3; round++) {
        struct tp_crash_catcher *catcher;
        struct tp_crash_catcher *second;
        struct sigaction action;

        ck_assert_int_eq(TP_OK, tp__crash_catch(hold_no_words, NULL, &catcher));
        if (catcher == NULL) {
            return;
        }
        ck_assert_int_eq(TP_OK, tp__crash_catch(hold_no_words, NULL, &second));
        ck_assert_ptr_null(second);
        tp__crash_release(&second);
        tp__crash_release(&catcher);
        ck_assert_ptr_null(catcher);
        ck_assert_int_eq(0, sigaction(SIGSEGV, NULL, &action));
        ck_assert(action.sa_handler == SIG_DFL);
    }
}
END_TEST

START_TEST(calls_are_written_line_by_line)
{
    char bytes[16 * 1024];
    int fds[2];

    ck_assert_int_eq(0, pipe(fds));
    tp__crash_write_calls(fds[1], TP_STR("  in "));
    close(fds[1]);
    ssize_t len = read(fds[0], bytes, sizeof(bytes) - 1);

    close(fds[0]);
    ck_assert_int_ge(len, 0);
    bytes[len] = '\0';
    for (char *line = strtok(bytes, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        ck_assert_msg(strncmp(line, "  in ", 5) == 0 && strchr(line, '[') != NULL, "%s", line);
    }
}
END_TEST

Suite *
tp_suite_os_crash(void)
{
    Suite *suite = suite_create("os/crash");
    TCase *tests = tcase_create("crash");

    tcase_add_test(tests, a_crash_is_told_and_ends_the_process);
    tcase_add_test(tests, a_stack_without_room_is_told_on_another);
    tcase_add_test(tests, a_crash_in_the_last_words_is_the_end);
    tcase_add_test(tests, last_words_are_bounded_in_time);
    tcase_add_test(tests, a_catcher_leaves_nothing_behind);
    tcase_add_test(tests, calls_are_written_line_by_line);
    suite_add_tcase(suite, tests);
    return suite;
}
