/*
 * base/log.h - logs inside the server: levels by name and the ids it uses.
 */
#ifndef TP_BASE_LOG_H
#define TP_BASE_LOG_H

#include <teleport/log.h>

/* The word of `level`, as written in error_log and in log lines. */
const char *tp__log_level_word(enum tp_log_level level);

/* The documented ids of the server itself, ended by a row whose id is NULL. */
extern const struct tp_log_id tp__log_ids[];

#endif
