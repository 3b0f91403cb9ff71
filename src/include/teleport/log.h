/*
 * teleport/log.h - log lines with a level, a stable id and key=value details.
 *
 * A line looks like
 *   2026-11-22 14:20:33.123 [error] 4711 listener-accept-failed: result=no-memory, while accepting
 * The id is documented (docs/reference/logs.md) and does not change with the
 * wording; scripts match on it.
 *
 * Threads: a log may be used by the thread that owns it only; sinks write a
 * line with one system call, so processes can share a file.
 */
#ifndef TELEPORT_LOG_H
#define TELEPORT_LOG_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ROW(NAME, word): the most severe first; a log of level L shows L and all above it. */
#define TP_LOG_LEVEL_TABLE(ROW) \
    ROW(ALERT, "alert")         \
    ROW(ERROR, "error")         \
    ROW(WARN, "warn")           \
    ROW(NOTICE, "notice")       \
    ROW(INFO, "info")           \
    ROW(DEBUG, "debug")

enum tp_log_level {
#define TP_LOG_LEVEL_ENUM_ROW(name, word) TP_LOG_##name,
    TP_LOG_LEVEL_TABLE(TP_LOG_LEVEL_ENUM_ROW)
#undef TP_LOG_LEVEL_ENUM_ROW
};

/*
 * Where whole lines go.  `write` gets one line, '\n' included, and may not fail visibly;
 * `get_process_id` says who writes, and is asked for each line, because processes fork.
 */
struct tp_log_sink {
    void (*write)(struct tp_log_sink *sink, const char *line, size_t len);
    int (*get_process_id)(void);
};

/*
 * One user's view of a sink.  `doing` ("reloading", "accepting on 0.0.0.0:9090")
 * or NULL is appended to each line as ", while …"; it is borrowed and must
 * outlive its use.  A log is plain data and may be copied.
 */
struct tp_log {
    struct tp_log_sink *sink;
    enum tp_log_level level;
    const char *doing;
};

/* One documented log id: what the line means and what to do about it, in one sentence. */
struct tp_log_id {
    const char *id;
    const char *sentence;
};

static inline bool
tp_log_shows(const struct tp_log *log, enum tp_log_level level)
{
    return level <= log->level;
}

/* Formats and writes one line; longer than 4 000 bytes is cut.  Use the macros below. */
void tp_log_write(const struct tp_log *log, enum tp_log_level level, const char *id,
                  const char *format, ...) TP_PRINTF(4, 5);

#define TP_LOG_AT(log, level, ...) \
    (tp_log_shows((log), (level)) ? tp_log_write((log), (level), __VA_ARGS__) : (void) 0)

#define tp_log_alert(log, ...)  TP_LOG_AT(log, TP_LOG_ALERT, __VA_ARGS__)
#define tp_log_error(log, ...)  TP_LOG_AT(log, TP_LOG_ERROR, __VA_ARGS__)
#define tp_log_warn(log, ...)   TP_LOG_AT(log, TP_LOG_WARN, __VA_ARGS__)
#define tp_log_notice(log, ...) TP_LOG_AT(log, TP_LOG_NOTICE, __VA_ARGS__)
#define tp_log_info(log, ...)   TP_LOG_AT(log, TP_LOG_INFO, __VA_ARGS__)
#define tp_log_debug(log, ...)  TP_LOG_AT(log, TP_LOG_DEBUG, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
