/*
 * file.c - tests of os/file.
 */
#include "os/file.h"

#include "base/str.h"

#include "scratch.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ANY_USER_ID = 65534, /* not root; need not have a name */
};

/* Asserts what the file at `path` holds. */
static void
assert_content(const char *path, const char *content)
{
    struct tp_text text = { 0 };

    ck_assert_int_eq(TP_OK, tp__file_read(path, 1024 * 1024, &text));
    ck_assert_str_eq(content, tp__text_get(&text).data);
    tp__text_fini(&text);
}

/* Whether two descriptors name the same open file. */
static bool
is_same_file(int first, int second)
{
    struct stat left, right;

    ck_assert_int_eq(0, fstat(first, &left));
    ck_assert_int_eq(0, fstat(second, &right));
    return left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

/* The exit code of a child, which must end by itself. */
static int
wait_for_exit(pid_t child)
{
    int status;

    ck_assert_int_eq(child, waitpid(child, &status, 0));
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(closing_forgets_the_descriptor_and_keeps_errno)
{
    int fd = open("/dev/null", O_RDONLY);
    int closed = fd;

    errno = ENOENT;
    tp__descriptor_close(&fd);
    ck_assert_int_eq(-1, fd);
    ck_assert_int_eq(ENOENT, errno);
    ck_assert_int_eq(-1, fcntl(closed, F_GETFD));
    tp__descriptor_close(&fd);
    ck_assert_int_eq(-1, fd);
}
END_TEST

START_TEST(counts_open_descriptors)
{
    size_t count = tp__descriptor_count();
    int fd = open("/dev/null", O_RDONLY);

    ck_assert_uint_ge(count, 3);
    ck_assert_uint_eq(count + 1, tp__descriptor_count());
    tp__descriptor_close(&fd);
    ck_assert_uint_eq(count, tp__descriptor_count());
}
END_TEST

START_TEST(a_duplicate_names_the_same_file)
{
    int copy, fd = open("/dev/zero", O_RDONLY);

    ck_assert_int_eq(TP_OK, tp__descriptor_duplicate(fd, &copy));
    ck_assert_int_ne(fd, copy);
    ck_assert(is_same_file(fd, copy));
    ck_assert_int_eq(FD_CLOEXEC, fcntl(copy, F_GETFD));
    tp__descriptor_close(&fd);
    tp__descriptor_close(&copy);
    ck_assert_int_ne(TP_OK, tp__descriptor_duplicate(-1, &copy));
    ck_assert_int_eq(-1, copy);
}
END_TEST

START_TEST(a_duplicate_never_becomes_a_standard_stream)
{
    int copy, fd = open("/dev/zero", O_RDONLY);

    close(STDIN_FILENO);
    ck_assert_int_eq(TP_OK, tp__descriptor_duplicate(fd, &copy));
    ck_assert_int_gt(copy, STDERR_FILENO);
    tp__descriptor_close(&fd);
    tp__descriptor_close(&copy);
}
END_TEST

START_TEST(replacing_changes_what_a_descriptor_names)
{
    int fd = open("/dev/null", O_RDONLY);
    int source_fd = open("/dev/zero", O_RDONLY);

    ck_assert(!is_same_file(fd, source_fd));
    ck_assert_int_eq(TP_OK, tp__descriptor_replace(fd, source_fd));
    ck_assert(is_same_file(fd, source_fd));
    ck_assert_int_eq(FD_CLOEXEC, fcntl(fd, F_GETFD));
    ck_assert_int_eq(TP_OK, tp__descriptor_replace(STDIN_FILENO, source_fd));
    ck_assert_int_eq(0, fcntl(STDIN_FILENO, F_GETFD));
    ck_assert_int_ne(TP_OK, tp__descriptor_replace(fd, -1));
    tp__descriptor_close(&fd);
    tp__descriptor_close(&source_fd);
}
END_TEST

START_TEST(reads_a_file_behind_what_is_there)
{
    struct tp_scratch scratch;
    struct tp_text text = { 0 };

    tp__scratch_open(&scratch);
    tp__text_append(&text, TP_STR("before "));
    ck_assert_int_eq(TP_OK, tp__file_read(tp__scratch_write(&scratch, "a", "content"), 7, &text));
    ck_assert_str_eq("before content", tp__text_get(&text).data);
    ck_assert_int_eq(TP_OK, tp__file_read(tp__scratch_write(&scratch, "b", NULL), 0, &text));
    ck_assert_str_eq("before content", tp__text_get(&text).data);
    tp__text_fini(&text);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(reads_a_file_longer_than_one_read)
{
    struct tp_text text = { 0 };
    struct tp_scratch scratch;
    const size_t size = 100 * 1000;

    tp__scratch_open(&scratch);

    const char *path = tp__scratch_write(&scratch, "long", NULL);

    ck_assert_int_eq(0, truncate(path, (off_t) size));
    ck_assert_int_eq(TP_OK, tp__file_read(path, size, &text));
    ck_assert_uint_eq(size, text.len);
    tp__text_clear(&text);
    ck_assert_int_eq(TP_TOO_LARGE, tp__file_read(path, size - 1, &text));
    tp__text_fini(&text);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(tells_why_a_file_cannot_be_read)
{
    struct tp_text text = { 0 };

    ck_assert_int_eq(TP_NOT_FOUND, tp__file_read("/no/such/file", 10, &text));
    ck_assert_int_eq(TP_SYSTEM, tp__file_read("/", 10, &text));
    ck_assert_int_eq(EISDIR, errno);

    text.is_cut = true;
    ck_assert_int_eq(TP_NO_MEMORY, tp__file_read("/dev/null", 10, &text));
    ck_assert_int_eq(TP_NO_MEMORY, tp__file_get_directory(&text));
    ck_assert_int_eq(TP_NO_MEMORY, tp__file_expand("/", &text));
    tp__text_fini(&text);
}
END_TEST

START_TEST(expands_to_sorted_paths)
{
    struct tp_scratch scratch;
    struct tp_text text = { 0 };
    char expected[512];

    tp__scratch_open(&scratch);
    tp__scratch_write(&scratch, "b.conf", NULL);
    tp__scratch_write(&scratch, "a.conf", NULL);
    tp__scratch_write(&scratch, ".hidden.conf", NULL);
    tp__scratch_write(&scratch, "c.other", NULL);
    snprintf(expected, sizeof(expected), "%s/a.conf\n%s/b.conf\n", scratch.directory,
             scratch.directory);
    ck_assert_int_eq(TP_OK, tp__file_expand(tp__scratch_path(&scratch, "*.conf"), &text));
    ck_assert_str_eq(expected, tp__text_get(&text).data);
    tp__text_fini(&text);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(expanding_to_nothing_is_no_error)
{
    struct tp_text text = { 0 };

    ck_assert_int_eq(TP_OK, tp__file_expand("/no/such/directory/*.conf", &text));
    ck_assert_int_eq(TP_OK, tp__file_expand("/dev/null/*.conf", &text));
    ck_assert_int_eq(TP_OK, tp__file_expand("/no such file", &text));
    ck_assert_uint_eq(0, text.len);
    tp__text_fini(&text);
}
END_TEST

/* In a child, which is not root: root may read every directory. */
START_TEST(a_directory_that_may_not_be_read_is_not_empty)
{
    struct tp_scratch scratch;

    tp__scratch_open(&scratch);
    tp__scratch_write(&scratch, "a.conf", NULL);
    ck_assert_int_eq(0, chmod(scratch.directory, 0));

    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct tp_text text = { 0 };
        bool is_root = geteuid() == 0;

        if (is_root && setuid(ANY_USER_ID) == -1) {
            _exit(2);
        }
        _exit(tp__file_expand(tp__scratch_path(&scratch, "*.conf"), &text) == TP_DENIED ? 0 : 1);
    }
    ck_assert_int_eq(0, wait_for_exit(child));
    ck_assert_int_eq(0, chmod(scratch.directory, 0700));
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(a_log_is_appended_to)
{
    struct tp_scratch scratch;
    struct stat status;
    int fd;

    tp__scratch_open(&scratch);
    umask(0022);

    const char *path = tp__scratch_path(&scratch, "log");

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(TP_OK, tp__file_open_log(path, &fd));
        ck_assert_int_eq(FD_CLOEXEC, fcntl(fd, F_GETFD));
        tp__file_write(fd, "line\n", 5);
        tp__descriptor_close(&fd);
    }
    assert_content(path, "line\nline\n");
    ck_assert_int_eq(0, stat(path, &status));
    ck_assert_int_eq(0644, status.st_mode & 0777);
    ck_assert_int_eq(TP_NOT_FOUND, tp__file_open_log("/no/such/directory/log", &fd));
    ck_assert_int_eq(-1, fd);
    tp__scratch_close(&scratch);
}
END_TEST

/* Through a pipe smaller than the text, so that one call cannot write all. */
START_TEST(writes_all_of_a_long_text)
{
    static char bytes[300 * 1000];
    int fds[2];

    ck_assert_int_eq(0, pipe(fds));

    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(fds[0]);
        tp__file_write(fds[1], bytes, sizeof(bytes));
        _exit(0);
    }
    tp__descriptor_close(&fds[1]);

    size_t total = 0;
    ssize_t count;

    while ((count = read(fds[0], bytes, sizeof(bytes))) > 0) {
        total += (size_t) count;
    }
    ck_assert_uint_eq(sizeof(bytes), total);
    ck_assert_int_eq(0, wait_for_exit(child));
    tp__descriptor_close(&fds[0]);
}
END_TEST

START_TEST(what_cannot_be_written_is_lost)
{
    int fd = open("/dev/full", O_WRONLY);

    ck_assert_int_ge(fd, 0);
    tp__file_write(fd, "lost", 4);
    tp__file_write(-1, "lost", 4);
    tp__file_write(fd, "", 0);
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(one_process_holds_a_locked_file)
{
    struct tp_scratch scratch;
    int fd;

    tp__scratch_open(&scratch);

    const char *path = tp__scratch_path(&scratch, "pid");

    ck_assert_int_eq(TP_OK, tp__file_open_locked(path, &fd));
    ck_assert_int_eq(FD_CLOEXEC, fcntl(fd, F_GETFD));
    for (int is_free = 0; is_free <= 1; is_free++) {
        pid_t child = fork();

        ck_assert_int_ge(child, 0);
        if (child == 0) {
            int own = -1;
            enum tp_result result = tp__file_open_locked(path, &own);

            _exit(result == (is_free ? TP_OK : TP_IN_USE) && (own != -1) == is_free ? 0 : 1);
        }
        ck_assert_int_eq(0, wait_for_exit(child));
        tp__descriptor_close(&fd);
    }
    ck_assert_int_eq(TP_NOT_FOUND, tp__file_open_locked("/no/such/directory/pid", &fd));
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(rewriting_leaves_nothing_of_the_old)
{
    struct tp_scratch scratch;

    tp__scratch_open(&scratch);

    const char *path = tp__scratch_write(&scratch, "pid", "123456789\n");
    int fd = open(path, O_RDWR);

    ck_assert_int_eq(TP_OK, tp__file_rewrite(fd, TP_STR("42\n")));
    assert_content(path, "42\n");
    ck_assert_int_eq(TP_OK, tp__file_rewrite(fd, TP_STR("")));
    assert_content(path, "");
    tp__descriptor_close(&fd);
    ck_assert_int_eq(TP_SYSTEM, tp__file_rewrite(-1, TP_STR("42\n")));
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(removes_what_is_there)
{
    struct tp_scratch scratch;
    struct stat status;

    tp__scratch_open(&scratch);

    const char *path = tp__scratch_write(&scratch, "file", NULL);

    tp__file_remove(path);
    ck_assert_int_eq(-1, stat(path, &status));
    tp__file_remove(path);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(sets_the_mode)
{
    struct tp_scratch scratch;
    struct stat status;

    tp__scratch_open(&scratch);

    const char *path = tp__scratch_write(&scratch, "file", NULL);

    ck_assert_int_eq(TP_OK, tp__file_set_mode(path, 0600));
    ck_assert_int_eq(0, stat(path, &status));
    ck_assert_int_eq(0600, status.st_mode & 0777);
    ck_assert_int_eq(TP_NOT_FOUND, tp__file_set_mode("/no/such/file", 0600));
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(the_directory_ends_in_a_slash)
{
    struct tp_scratch scratch;
    struct tp_text text = { 0 };
    char expected[TP_SCRATCH_PATH_MAX];

    tp__scratch_open(&scratch);
    ck_assert_int_eq(0, chdir(scratch.directory));
    ck_assert_int_eq(TP_OK, tp__file_get_directory(&text));
    snprintf(expected, sizeof(expected), "%s", tp__scratch_path(&scratch, ""));
    ck_assert_str_eq(expected, tp__text_get(&text).data);

    tp__text_clear(&text);
    ck_assert_int_eq(0, chdir("/"));
    ck_assert_int_eq(TP_OK, tp__file_get_directory(&text));
    ck_assert_str_eq("/", tp__text_get(&text).data);
    tp__text_fini(&text);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(a_directory_that_is_gone_is_told)
{
    struct tp_scratch scratch;
    struct tp_text text = { 0 };

    tp__scratch_open(&scratch);
    ck_assert_int_eq(0, chdir(scratch.directory));
    tp__scratch_close(&scratch);
    ck_assert_int_eq(TP_NOT_FOUND, tp__file_get_directory(&text));
    ck_assert_int_eq(0, chdir("/"));
}
END_TEST

Suite *
tp_suite_os_file(void)
{
    Suite *suite = suite_create("os/file");
    TCase *descriptors = tcase_create("descriptors");
    TCase *files = tcase_create("files");
    TCase *paths = tcase_create("paths");

    tcase_add_test(descriptors, closing_forgets_the_descriptor_and_keeps_errno);
    tcase_add_test(descriptors, counts_open_descriptors);
    tcase_add_test(descriptors, a_duplicate_names_the_same_file);
    tcase_add_test(descriptors, a_duplicate_never_becomes_a_standard_stream);
    tcase_add_test(descriptors, replacing_changes_what_a_descriptor_names);
    suite_add_tcase(suite, descriptors);

    tcase_add_test(files, reads_a_file_behind_what_is_there);
    tcase_add_test(files, reads_a_file_longer_than_one_read);
    tcase_add_test(files, tells_why_a_file_cannot_be_read);
    tcase_add_test(files, a_log_is_appended_to);
    tcase_add_test(files, writes_all_of_a_long_text);
    tcase_add_test(files, what_cannot_be_written_is_lost);
    tcase_add_test(files, one_process_holds_a_locked_file);
    tcase_add_test(files, rewriting_leaves_nothing_of_the_old);
    tcase_add_test(files, removes_what_is_there);
    tcase_add_test(files, sets_the_mode);
    suite_add_tcase(suite, files);

    tcase_add_test(paths, expands_to_sorted_paths);
    tcase_add_test(paths, expanding_to_nothing_is_no_error);
    tcase_add_test(paths, a_directory_that_may_not_be_read_is_not_empty);
    tcase_add_test(paths, the_directory_ends_in_a_slash);
    tcase_add_test(paths, a_directory_that_is_gone_is_told);
    suite_add_tcase(suite, paths);
    return suite;
}
