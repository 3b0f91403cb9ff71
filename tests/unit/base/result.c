/*
 * result.c - tests of base/result.
 */
#include "base/result.h"

#include "scratch.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

struct result_row {
    enum tp_result result;
    int number;
    const char *word;
    const char *sentence;
};

static const struct result_row rows[] = {
#define RESULT_ROW(name, number, word, sentence) { TP_##name, number, word, sentence },
    TP_RESULT_TABLE(RESULT_ROW)
#undef RESULT_ROW
};

START_TEST(every_result_has_number_word_and_sentence)
{
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        ck_assert_int_eq(rows[i].number, rows[i].result);
        ck_assert_str_eq(rows[i].word, tp_result_word(rows[i].result));
        ck_assert_str_eq(rows[i].sentence, tp_result_sentence(rows[i].result));
    }
    ck_assert_int_eq(0, TP_OK);
}
END_TEST

START_TEST(numbers_and_words_are_used_once)
{
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        ck_assert_int_eq('.', rows[i].sentence[strlen(rows[i].sentence) - 1]);
        for (size_t at = 0; at < i; at++) {
            ck_assert_int_ne(rows[i].number, rows[at].number);
            ck_assert_str_ne(rows[i].word, rows[at].word);
        }
    }
}
END_TEST

START_TEST(a_number_outside_the_table_is_unknown)
{
    ck_assert_str_eq("unknown", tp_result_word((enum tp_result) - 99));
    ck_assert_ptr_nonnull(tp_result_sentence((enum tp_result) - 99));
}
END_TEST

START_TEST(errno_becomes_a_result_and_stays)
{
    static const struct {
        int error;
        enum tp_result result;
    } cases[] = {
        { EAGAIN, TP_AGAIN },        { EWOULDBLOCK, TP_AGAIN },
        { EINTR, TP_INTERRUPTED },   { ENOMEM, TP_NO_MEMORY },
        { ENOBUFS, TP_NO_MEMORY },   { EMFILE, TP_NO_DESCRIPTORS },
        { EPIPE, TP_GONE },          { ECONNRESET, TP_GONE },
        { ECONNREFUSED, TP_GONE },   { ENOENT, TP_NOT_FOUND },
        { EEXIST, TP_EXISTS },       { EADDRINUSE, TP_IN_USE },
        { EACCES, TP_DENIED },       { EPERM, TP_DENIED },
        { ETIMEDOUT, TP_TIMED_OUT }, { ENFILE, TP_NO_DESCRIPTORS },
        { EIO, TP_SYSTEM },          { 0, TP_SYSTEM },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        errno = cases[i].error;
        ck_assert_int_eq(cases[i].result, tp__result_from_errno());
        ck_assert_int_eq(cases[i].error, errno);
    }
}
END_TEST

START_TEST(a_message_says_what_the_system_said)
{
    errno = ENODEV;
    ck_assert_str_eq(strerror(ENODEV), tp__result_text(TP_SYSTEM));
    errno = EACCES;
    ck_assert_str_eq(strerror(EACCES), tp__result_text(TP_DENIED));
    /* An errno that is not the reason of this result is not shown. */
    ck_assert_str_eq(tp_result_sentence(TP_INVALID), tp__result_text(TP_INVALID));
    errno = 0;
    ck_assert_str_eq(tp_result_sentence(TP_SYSTEM), tp__result_text(TP_SYSTEM));
}
END_TEST

START_TEST(a_kept_promise_does_nothing)
{
    int evaluated = 0;

    TP_ASSERT(++evaluated == 1);
    ck_assert_int_eq(1, evaluated);
}
END_TEST

START_TEST(a_broken_promise_ends_the_process)
{
    tp__scratch_be_quiet();
    TP_ASSERT(1 + 1 == 3);
}
END_TEST

Suite *
tp_suite_base_result(void)
{
    Suite *suite = suite_create("base/result");
    TCase *table = tcase_create("table");
    TCase *promises = tcase_create("promises");

    tcase_add_test(table, every_result_has_number_word_and_sentence);
    tcase_add_test(table, numbers_and_words_are_used_once);
    tcase_add_test(table, a_number_outside_the_table_is_unknown);
    tcase_add_test(table, errno_becomes_a_result_and_stays);
    tcase_add_test(table, a_message_says_what_the_system_said);
    suite_add_tcase(suite, table);

    tcase_add_test(promises, a_kept_promise_does_nothing);
    tcase_add_test_raise_signal(promises, a_broken_promise_ends_the_process, SIGABRT);
    suite_add_tcase(suite, promises);
    return suite;
}
