/*
 * fault.c - tests of os/fault: processes that fail on demand.
 */
#include "os/fault.h"

#include "children.h"
#include "scratch.h"

#include <errno.h>
#include <stdlib.h>

Suite *tp_suite_os_fault(void);

/* Lets the environment name a file of these faults. */
static void
arm(struct tp_scratch *scratch, const char *lines)
{
    tp__scratch_open(scratch);
    ck_assert_int_eq(0, setenv("TELEPORT_FAULTS", tp__scratch_write(scratch, "faults", lines), 1));
}

static void
disarm(struct tp_scratch *scratch)
{
    unsetenv("TELEPORT_FAULTS");
    tp__scratch_close(scratch);
}

static void
pass_the_door(struct child *self, void *argument)
{
    (void) argument;
    child_say(self, tp__fault("door") == TP_OK ? 'p' : 'f');
}

/* What the child says, or 0 if it died at the door. */
static char
letter_from_the_door(void)
{
    struct child child;

    child_start(&child, pass_the_door, NULL);

    char letter = child_hear(&child);
    int status = child_wait(&child);

    ck_assert(letter != 0 ? status == 0 : WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return letter;
}

START_TEST(nothing_happens_unasked)
{
    struct tp_scratch scratch;

    unsetenv("TELEPORT_FAULTS");
    ck_assert_int_eq(TP_OK, tp__fault("door"));
    arm(&scratch, "# door fail\n\nindoor fail\ndoors die\ndoor frown\n");
    ck_assert_int_eq(TP_OK, tp__fault("door"));
    ck_assert_int_eq(0, unlink(tp__scratch_path(&scratch, "faults")));
    ck_assert_int_eq(TP_OK, tp__fault("door"));
    disarm(&scratch);
}
END_TEST

START_TEST(fails_until_told_otherwise)
{
    struct tp_scratch scratch;

    arm(&scratch, "window die\n  door   fail");
    for (int i = 0; i < 2; i++) {
        errno = 0;
        ck_assert_int_eq(TP_SYSTEM, tp__fault("door"));
        ck_assert_int_eq(EIO, errno);
    }
    ck_assert_int_eq(0, truncate(tp__scratch_path(&scratch, "faults"), 0));
    ck_assert_int_eq(TP_OK, tp__fault("door"));
    disarm(&scratch);
}
END_TEST

START_TEST(dies_each_time)
{
    struct tp_scratch scratch;

    arm(&scratch, "door die\n");
    ck_assert_int_eq(0, letter_from_the_door());
    ck_assert_int_eq(0, letter_from_the_door());
    disarm(&scratch);
}
END_TEST

START_TEST(strikes_one_process_with_once)
{
    struct tp_scratch scratch;

    arm(&scratch, "door die once\n");
    ck_assert_int_eq(0, letter_from_the_door());
    ck_assert_int_eq('p', letter_from_the_door());
    ck_assert_int_eq(0, unlink(tp__scratch_path(&scratch, "door.claimed")));
    ck_assert_int_eq(0, letter_from_the_door());
    disarm(&scratch);
}
END_TEST

static void
say_alive(int signal_number)
{
    (void) signal_number;
}

static void
hang_at_the_door(struct child *self, void *argument)
{
    (void) argument;
    signal(SIGUSR1, say_alive);
    child_say(self, 'b');
    pass_the_door(self, NULL);
}

START_TEST(hangs_through_signals_until_killed)
{
    struct tp_scratch scratch;
    struct child child;

    arm(&scratch, "door hang\n");
    child_start(&child, hang_at_the_door, NULL);
    ck_assert_int_eq('b', child_hear(&child));
    ck_assert_int_eq(0, kill(child.pid, SIGUSR1));
    ck_assert_int_eq(0, kill(child.pid, SIGKILL));
    /* Nothing more was said before the end. */
    ck_assert_int_eq(0, child_hear(&child));
    ck_assert(WIFSIGNALED(child_wait(&child)));
    disarm(&scratch);
}
END_TEST

Suite *
tp_suite_os_fault(void)
{
    Suite *suite = suite_create("os/fault");
    TCase *tests = tcase_create("fault");

    tcase_add_test(tests, nothing_happens_unasked);
    tcase_add_test(tests, fails_until_told_otherwise);
    tcase_add_test(tests, dies_each_time);
    tcase_add_test(tests, strikes_one_process_with_once);
    tcase_add_test(tests, hangs_through_signals_until_killed);
    suite_add_tcase(suite, tests);
    return suite;
}
