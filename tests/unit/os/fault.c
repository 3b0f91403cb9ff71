/*
 * fault.c - tests of os/fault: processes that fail on demand.
 */
#include "os/fault.h"

#include "children.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PATH_MAX_BYTES = 256,
};

/* A directory with a file of faults, which the environment names. */
struct fixture {
    char directory[64];
    char path[PATH_MAX_BYTES];
    char claim[PATH_MAX_BYTES];
};

Suite *tp_suite_os_fault(void);

static void
fixture_open(struct fixture *fixture, const char *lines)
{
    snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/teleport-fault-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof(fixture->path), "%s/faults", fixture->directory);
    snprintf(fixture->claim, sizeof(fixture->claim), "%s/door.claimed", fixture->directory);

    FILE *file = fopen(fixture->path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(lines, file), 0);
    ck_assert_int_eq(0, fclose(file));
    ck_assert_int_eq(0, setenv("TELEPORT_FAULTS", fixture->path, 1));
}

static void
fixture_close(struct fixture *fixture)
{
    unsetenv("TELEPORT_FAULTS");
    unlink(fixture->path);
    unlink(fixture->claim);
    ck_assert_int_eq(0, rmdir(fixture->directory));
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
    struct fixture fixture;

    unsetenv("TELEPORT_FAULTS");
    ck_assert_int_eq(TP_OK, tp__fault("door"));
    fixture_open(&fixture, "# door fail\n\nindoor fail\ndoors die\ndoor frown\n");
    ck_assert_int_eq(TP_OK, tp__fault("door"));
    ck_assert_int_eq(0, unlink(fixture.path));
    ck_assert_int_eq(TP_OK, tp__fault("door"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(fails_until_told_otherwise)
{
    struct fixture fixture;

    fixture_open(&fixture, "window die\n  door   fail");
    for (int i = 0; i < 2; i++) {
        errno = 0;
        ck_assert_int_eq(TP_SYSTEM, tp__fault("door"));
        ck_assert_int_eq(EIO, errno);
    }
    ck_assert_int_eq(0, truncate(fixture.path, 0));
    ck_assert_int_eq(TP_OK, tp__fault("door"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(dies_each_time)
{
    struct fixture fixture;

    fixture_open(&fixture, "door die\n");
    ck_assert_int_eq(0, letter_from_the_door());
    ck_assert_int_eq(0, letter_from_the_door());
    fixture_close(&fixture);
}
END_TEST

START_TEST(strikes_one_process_with_once)
{
    struct fixture fixture;

    fixture_open(&fixture, "door die once\n");
    ck_assert_int_eq(0, letter_from_the_door());
    ck_assert_int_eq('p', letter_from_the_door());
    ck_assert_int_eq(0, unlink(fixture.claim));
    ck_assert_int_eq(0, letter_from_the_door());
    fixture_close(&fixture);
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
    struct fixture fixture;
    struct child child;

    fixture_open(&fixture, "door hang\n");
    child_start(&child, hang_at_the_door, NULL);
    ck_assert_int_eq('b', child_hear(&child));
    ck_assert_int_eq(0, kill(child.pid, SIGUSR1));
    ck_assert_int_eq(0, kill(child.pid, SIGKILL));
    /* Nothing more was said before the end. */
    ck_assert_int_eq(0, child_hear(&child));
    ck_assert(WIFSIGNALED(child_wait(&child)));
    fixture_close(&fixture);
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
