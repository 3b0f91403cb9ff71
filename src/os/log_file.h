/*
 * os/log_file.h - a log sink that is a descriptor: a file or standard error.
 */
#ifndef TP_OS_LOG_FILE_H
#define TP_OS_LOG_FILE_H

#include <teleport/log.h>

/*
 * Writes each line with one system call.  Opened for appending, so that lines of
 * several processes do not mix.  The descriptor is its owner's.
 */
struct tp_log_file {
    struct tp_log_sink sink;
    int fd;
};

/* Makes `file` a sink that writes to `fd`. */
void tp__log_file_init(struct tp_log_file *file, int fd);

#endif
