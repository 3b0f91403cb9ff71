/*
 * child.c - tests of cli/child and cli/bytes: commands that are fed and read.
 */
#include "cli/child.h"

#include "scratch.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    BODY_BYTES = 300000, /* more than a pipe holds */
};

/* Turns the child to its end. */
static enum tp_child_end
finish(struct tp_child *child)
{
    struct tp_waitable waitables[TP_CHILD_WAITABLES];
    enum tp_child_end end;

    while ((end = tp__child_turn(child)) == TP_CHILD_RUNS) {
        tp__child_fill(child, waitables);
        /* Its end is no event of its pipes where it has closed them itself. */
        tp__system_wait(waitables, TP_CHILD_WAITABLES, 1000000);
    }
    return end;
}

static enum tp_child_end
run(struct tp_child *child, const char *command, struct tp_str input)
{
    static const struct tp_system_variable variables[] = {
        { "TELEPORT_URI", { "/a b", 4 } },
    };

    *child = (struct tp_child){ .output_max = 2 * BODY_BYTES };
    ck_assert_int_eq(TP_OK, tp__child_start(child, command, variables, 1, input));
    return finish(child);
}

START_TEST(what_goes_in_comes_out)
{
    char *body = malloc(BODY_BYTES);
    struct tp_child child;

    memset(body, 'x', BODY_BYTES);
    ck_assert_int_eq(TP_CHILD_ENDED, run(&child, "cat", (struct tp_str){ body, BODY_BYTES }));
    ck_assert_int_eq(0, child.exit_code);
    ck_assert_uint_eq(BODY_BYTES, child.output.len);
    ck_assert_mem_eq(body, child.output.data, BODY_BYTES);
    tp__child_fini(&child);
    free(body);
}
END_TEST

START_TEST(a_failure_has_a_code_and_a_first_line)
{
    struct tp_child child;

    ck_assert_int_eq(
        TP_CHILD_ENDED,
        run(&child, "echo half; echo 'no such thing' >&2; echo more >&2; exit 3", TP_STR("")));
    ck_assert_int_eq(3, child.exit_code);
    ck_assert_uint_eq(strlen("no such thing"), tp__child_complaint(&child).len);
    ck_assert_mem_eq("no such thing", child.errors, strlen("no such thing"));
    tp__child_fini(&child);
    ck_assert_int_eq(TP_CHILD_ENDED, run(&child, "kill -9 $$", TP_STR("")));
    ck_assert_int_eq(128 + 9, child.exit_code);
    tp__child_fini(&child);
}
END_TEST

START_TEST(complaints_are_bounded)
{
    struct tp_child child;

    ck_assert_int_eq(TP_CHILD_ENDED, run(&child, "head -c 200000 /dev/zero >&2", TP_STR("")));
    ck_assert_uint_eq(TP_CHILD_ERRORS_MAX, child.errors_len);
    tp__child_fini(&child);
}
END_TEST

START_TEST(its_environment_has_what_it_was_given)
{
    struct tp_child child;

    ck_assert_int_eq(TP_CHILD_ENDED,
                     run(&child, "printf '%s' \"$TELEPORT_URI\"; test -n \"$PATH\"", TP_STR("")));
    ck_assert_int_eq(0, child.exit_code);
    ck_assert_uint_eq(4, child.output.len);
    ck_assert_mem_eq("/a b", child.output.data, 4);
    tp__child_fini(&child);
}
END_TEST

START_TEST(too_much_output_ends_it)
{
    struct tp_child child;

    ck_assert_int_eq(TP_CHILD_TOO_LARGE, run(&child, "cat /dev/zero", TP_STR("")));
    tp__child_fini(&child);
}
END_TEST

START_TEST(one_that_reads_nothing_may_answer)
{
    char *body = malloc(BODY_BYTES);
    struct tp_child child;

    memset(body, 'x', BODY_BYTES);
    tp__system_close(&(int){ tp__system_open_signals() });
    ck_assert_int_eq(TP_CHILD_ENDED,
                     run(&child, "exec <&-; echo done", (struct tp_str){ body, BODY_BYTES }));
    ck_assert_mem_eq("done\n", child.output.data, child.output.len);
    tp__child_fini(&child);
    free(body);
}
END_TEST

START_TEST(one_that_leaves_a_process_behind_is_done)
{
    struct tp_child child;

    ck_assert_int_eq(TP_CHILD_ENDED, run(&child, "sleep 60 & echo $!", TP_STR("")));
    ck_assert_uint_gt(child.output.len, 1);
    long left = strtol(child.output.data, NULL, 10);
    char command[64];

    tp__child_fini(&child);
    snprintf(command, sizeof(command), "kill %ld", left);
    ck_assert_int_eq(TP_CHILD_ENDED, run(&child, command, TP_STR("")));
    tp__child_fini(&child);
}
END_TEST

START_TEST(bodies_come_from_words_and_files)
{
    struct tp_bytes bytes = { 0 };
    struct tp_scratch scratch;
    char body[TP_SCRATCH_PATH_MAX + 1];

    tp__scratch_open(&scratch);

    ck_assert_int_eq(TP_OK, tp__bytes_read_body(&bytes, NULL, 10));
    ck_assert_uint_eq(0, tp__bytes_str(&bytes).len);
    ck_assert_int_eq(TP_OK, tp__bytes_read_body(&bytes, "[1,2]", 10));
    ck_assert_mem_eq("[1,2]", bytes.data, bytes.len);
    ck_assert_int_eq(TP_TOO_LARGE, tp__bytes_read_body(&bytes, "[1,2,3]", 10));
    ck_assert_uint_eq(5, bytes.len);
    tp__bytes_fini(&bytes);
    ck_assert_int_eq(TP_SYSTEM, tp__bytes_read_body(&bytes, "@/nowhere/at/all", 10));
    snprintf(body, sizeof(body), "@%s", tp__scratch_write(&scratch, "body", "from a file"));
    ck_assert_int_eq(TP_OK, tp__bytes_read_body(&bytes, body, 11));
    ck_assert_mem_eq("from a file", bytes.data, bytes.len);
    ck_assert_int_eq(TP_TOO_LARGE, tp__bytes_read_body(&bytes, body, 11));
    tp__bytes_fini(&bytes);
    tp__scratch_close(&scratch);
}
END_TEST

Suite *
tp_suite_cli_child(void)
{
    Suite *suite = suite_create("cli/child");
    TCase *tests = tcase_create("child");

    tcase_add_test(tests, what_goes_in_comes_out);
    tcase_add_test(tests, a_failure_has_a_code_and_a_first_line);
    tcase_add_test(tests, complaints_are_bounded);
    tcase_add_test(tests, its_environment_has_what_it_was_given);
    tcase_add_test(tests, too_much_output_ends_it);
    tcase_add_test(tests, one_that_reads_nothing_may_answer);
    tcase_add_test(tests, one_that_leaves_a_process_behind_is_done);
    tcase_add_test(tests, bodies_come_from_words_and_files);
    suite_add_tcase(suite, tests);
    return suite;
}
