/*
 * teleport/file.h - files that a module reads while the server runs: what is configured is read
 * with tp_conf_read_file().
 *
 * Threads: any; a disk may take long, so mostly that of a job.
 */
#ifndef TELEPORT_FILE_H
#define TELEPORT_FILE_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What tells one content of a file from another, without reading it; all zeros is of none. */
struct tp_file_version {
    uint64_t parts[5];
};

/* TP_NOT_FOUND, TP_DENIED, …: as errno says. */
enum tp_result tp_file_look(const char *path, struct tp_file_version *version) TP_MUST_CHECK;

/*
 * All of it, at most `max`: else TP_TOO_LARGE.  content->data is the caller's (free()); NULL where
 * there is nothing.
 */
enum tp_result tp_file_read(const char *path, struct tp_size max,
                            struct tp_str *content) TP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
