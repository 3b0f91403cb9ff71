/*
 * file.c - files, paths and descriptors.
 */
#include "os/file.h"

#include <teleport/file.h>

#include "base/result.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_READ_BYTES = 16 * 1024,
};

static int file_is_expand_fatal(const char *path, int error);

void
tp__descriptor_close(int *fd)
{
    if (*fd == -1) {
        return;
    }
    /* EINTR must not be retried: Linux has released the descriptor already. */
    int saved_errno = errno;

    close(*fd);
    errno = saved_errno;
    *fd = -1;
}

enum tp_result
tp__descriptor_duplicate(int fd, int *copy)
{
    *copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return *copy == -1 ? tp__result_from_errno() : TP_OK;
}

enum tp_result
tp__descriptor_replace(int fd, int source_fd)
{
    return dup3(source_fd, fd, fd > STDERR_FILENO ? O_CLOEXEC : 0) == -1 ? tp__result_from_errno()
                                                                         : TP_OK;
}

size_t
tp__descriptor_count(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;

    if (directory == NULL) {
        return 0;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count - 3; /* ".", ".." and the directory's own descriptor */
}

enum tp_result
tp__file_read(const char *path, size_t size_max, struct tp_text *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char bytes[FILE_READ_BYTES];
    enum tp_result result = TP_OK;
    size_t total = 0;

    if (fd == -1) {
        return tp__result_from_errno();
    }
    for (;;) {
        ssize_t count = read(fd, bytes, sizeof(bytes));

        if (count == -1) {
            result = tp__result_from_errno();
            break;
        }
        if (count == 0) {
            break;
        }
        total += (size_t) count;
        if (total > size_max) {
            result = TP_TOO_LARGE;
            break;
        }
        tp__text_append(text, (struct tp_str){ bytes, (size_t) count });
    }
    tp__descriptor_close(&fd);
    return result == TP_OK && !tp__text_is_whole(text) ? TP_NO_MEMORY : result;
}

enum tp_result
tp_file_look(const char *path, struct tp_file_version *version)
{
    struct stat status;

    *version = (struct tp_file_version){ { 0 } };
    if (stat(path, &status) == -1) {
        return tp__result_from_errno();
    }
    *version = (struct tp_file_version){ {
        (uint64_t) status.st_dev,
        (uint64_t) status.st_ino,
        (uint64_t) status.st_size,
        (uint64_t) status.st_mtim.tv_sec << 30 | (uint64_t) status.st_mtim.tv_nsec,
        (uint64_t) status.st_ctim.tv_sec << 30 | (uint64_t) status.st_ctim.tv_nsec,
    } };
    return TP_OK;
}

enum tp_result
tp_file_read(const char *path, struct tp_size max, struct tp_str *content)
{
    struct tp_text text = { 0 };
    enum tp_result result = tp__file_read(path, (size_t) max.bytes, &text);

    if (result != TP_OK) {
        tp__text_fini(&text);
    }
    *content = (struct tp_str){ text.data, text.len };
    return result;
}

enum tp_result
tp__file_expand(const char *pattern, struct tp_text *text)
{
    glob_t found = { 0 };
    int outcome = glob(pattern, GLOB_MARK, file_is_expand_fatal, &found);

    for (size_t i = 0; outcome == 0 && i < found.gl_pathc; i++) {
        tp__text_printf(text, "%s\n", found.gl_pathv[i]);
    }
    globfree(&found);
    if (outcome == GLOB_ABORTED) {
        return TP_DENIED;
    }
    return outcome == GLOB_NOSPACE || !tp__text_is_whole(text) ? TP_NO_MEMORY : TP_OK;
}

enum tp_result
tp__file_open_log(const char *path, int *fd)
{
    *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    return *fd == -1 ? tp__result_from_errno() : TP_OK;
}

void
tp__file_write(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);

        if (written == -1 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        bytes += written;
        len -= (size_t) written;
    }
}

enum tp_result
tp__file_open_locked(const char *path, int *made_fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);

    if (fd == -1) {
        return tp__result_from_errno();
    }
    if (fcntl(fd, F_SETLK, &lock) == -1) {
        enum tp_result result =
            errno == EACCES || errno == EAGAIN ? TP_IN_USE : tp__result_from_errno();

        tp__descriptor_close(&fd);
        return result;
    }
    *made_fd = fd;
    return TP_OK;
}

enum tp_result
tp__file_rewrite(int fd, struct tp_str content)
{
    if (ftruncate(fd, 0) == -1
        || pwrite(fd, content.data, content.len, 0) != (ssize_t) content.len) {
        return tp__result_from_errno();
    }
    return TP_OK;
}

void
tp__file_remove(const char *path)
{
    unlink(path);
}

enum tp_result
tp__file_set_mode(const char *path, unsigned mode)
{
    return chmod(path, (mode_t) mode) == -1 ? tp__result_from_errno() : TP_OK;
}

enum tp_result
tp__file_get_directory(struct tp_text *text)
{
    char path[PATH_MAX];

    if (getcwd(path, sizeof(path)) == NULL) {
        return tp__result_from_errno();
    }
    tp__text_printf(text, path[1] == '\0' ? "%s" : "%s/", path);
    return tp__text_is_whole(text) ? TP_OK : TP_NO_MEMORY;
}

/* A directory that may not be read must not look as if it were empty. */
static int
file_is_expand_fatal(const char *path, int error)
{
    (void) path;
    return error == EACCES;
}
