/*
 * log_file.c - tests of os/log_file.
 */
#include "os/log_file.h"

#include "os/file.h"

#include "scratch.h"

#include <check.h>
#include <string.h>

START_TEST(lines_reach_the_file_one_behind_the_other)
{
    struct tp_scratch scratch;
    struct tp_log_file file;
    struct tp_text text = { 0 };
    int fd;

    tp__scratch_open(&scratch);

    const char *path = tp__scratch_path(&scratch, "error.log");

    ck_assert_int_eq(TP_OK, tp__file_open_log(path, &fd));
    tp__log_file_init(&file, fd);

    struct tp_log log = { .sink = &file.sink, .level = TP_LOG_INFO };

    tp_log_error(&log, "first-id", "key=%d", 1);
    tp_log_info(&log, "second-id", "key=%d", 2);
    tp_log_debug(&log, "third-id", "key=%d", 3);
    ck_assert_int_eq(TP_OK, tp__file_read(path, 4096, &text));

    const char *first = strstr(text.data, "first-id: key=1\n");
    const char *second = strstr(text.data, "second-id: key=2\n");

    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    ck_assert_msg(first < second, "%s", text.data);
    ck_assert_ptr_null(strstr(text.data, "third-id"));
    tp__text_fini(&text);
    tp__descriptor_close(&fd);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(what_replaces_the_descriptor_gets_the_next_line)
{
    struct tp_scratch scratch;
    struct tp_log_file file;
    struct tp_text text = { 0 };
    int fd, reopened;

    tp__scratch_open(&scratch);
    ck_assert_int_eq(TP_OK, tp__file_open_log(tp__scratch_path(&scratch, "old"), &fd));
    tp__log_file_init(&file, fd);

    struct tp_log log = { .sink = &file.sink, .level = TP_LOG_INFO };
    const char *path = tp__scratch_path(&scratch, "new");

    tp_log_info(&log, "before", "key=%d", 1);
    ck_assert_int_eq(TP_OK, tp__file_open_log(path, &reopened));
    ck_assert_int_eq(TP_OK, tp__descriptor_replace(fd, reopened));
    tp__descriptor_close(&reopened);
    tp_log_info(&log, "after", "key=%d", 2);
    ck_assert_int_eq(TP_OK, tp__file_read(path, 4096, &text));
    ck_assert_ptr_null(strstr(text.data, "before"));
    ck_assert_ptr_nonnull(strstr(text.data, "after: key=2\n"));
    tp__text_fini(&text);
    tp__descriptor_close(&fd);
    tp__scratch_close(&scratch);
}
END_TEST

Suite *
tp_suite_os_log_file(void)
{
    Suite *suite = suite_create("os/log_file");
    TCase *file = tcase_create("file");

    tcase_add_test(file, lines_reach_the_file_one_behind_the_other);
    tcase_add_test(file, what_replaces_the_descriptor_gets_the_next_line);
    suite_add_tcase(suite, file);
    return suite;
}
