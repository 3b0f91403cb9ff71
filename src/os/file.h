/*
 * os/file.h - files, paths and descriptors.
 */
#ifndef TP_OS_FILE_H
#define TP_OS_FILE_H

#include <teleport/base.h>

#include "base/text.h"

enum {
    TP_STDIN = 0,
    TP_STDOUT = 1,
    TP_STDERR = 2,
};

/* Closes *fd and makes it -1; does nothing when it is -1 already. */
void tp__descriptor_close(int *fd);

/* Another descriptor for what `fd` names, closed on exec. */
enum tp_result tp__descriptor_duplicate(int fd, int *copy) TP_MUST_CHECK;

/* Makes `fd` name what `source_fd` names, at once for all who use it. */
enum tp_result tp__descriptor_replace(int fd, int source_fd) TP_MUST_CHECK;

/* How many descriptors this process has open, for status and tests. */
size_t tp__descriptor_count(void);

/* Appends the content of the file at `path`, at most `size_max` bytes: else TP_TOO_LARGE. */
enum tp_result tp__file_read(const char *path, size_t size_max, struct tp_text *text) TP_MUST_CHECK;

/*
 * Appends the paths that match `pattern`, sorted, each ended by '\n' and a directory by a slash
 * before that; none is TP_OK.
 * TP_DENIED: a directory of the pattern may not be read.
 */
enum tp_result tp__file_expand(const char *pattern, struct tp_text *text) TP_MUST_CHECK;

/* Opens `path` for appending, creating it with mode 0644. */
enum tp_result tp__file_open_log(const char *path, int *fd) TP_MUST_CHECK;

/* Writes all of it to a descriptor that blocks, such as a log; what cannot be written is lost. */
void tp__file_write(int fd, const char *bytes, size_t len);

/*
 * Opens `path` and locks it for the life of this process, so that nobody else can.
 * TP_IN_USE: another living process holds it.  A child does not inherit the lock, and
 * closing any descriptor of the file ends it: tp__file_read() of the same path does.
 */
enum tp_result tp__file_open_locked(const char *path, int *fd) TP_MUST_CHECK;

/* Replaces the content of an open file. */
enum tp_result tp__file_rewrite(int fd, struct tp_str content) TP_MUST_CHECK;

/* Removes `path`; that it is not there is no error. */
void tp__file_remove(const char *path);

/* Sets the mode of `path`. */
enum tp_result tp__file_set_mode(const char *path, unsigned mode) TP_MUST_CHECK;

/* The current directory with a '/' behind it. */
enum tp_result tp__file_get_directory(struct tp_text *text) TP_MUST_CHECK;

#endif
