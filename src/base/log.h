/*
 * base/log.h - logs inside the server: levels by name and the ids it uses.
 */
#ifndef TP_BASE_LOG_H
#define TP_BASE_LOG_H

#include <teleport/log.h>

/* The word of `level`, as written in error_log and in log lines. */
const char *tp__log_level_word(enum tp_log_level level);

/*
 * As tp_log_write(), but of several lines: a line end stays one where a space follows it, so
 * that no further line can be taken for an entry of its own.  All of them are one entry, which
 * is cut like a single line.
 */
void tp__log_write_lines(const struct tp_log *log, enum tp_log_level level, const char *id,
                         const char *format, ...) TP_PRINTF(4, 5);

/* The documented ids of the server itself, ended by a row whose id is NULL. */
extern const struct tp_log_id tp__log_ids[];

#endif
