/*
 * log.c - formats a log line and hands it to its sink in one piece.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/log_ids.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    LOG_LINE_MAX = 4000, /* bytes, '\n' included; under PIPE_BUF, so lines of processes never mix */
};

/* A line being written; what does not fit is cut, and room for the line's end always stays. */
struct log_line {
    char bytes[LOG_LINE_MAX];
    size_t len;
};

static void line_begin(struct log_line *line, const struct tp_log *log, enum tp_log_level level,
                       const char *id);
static void line_end(struct log_line *line, const struct tp_log *log);
static void line_printf(struct log_line *line, const char *format, ...) TP_PRINTF(2, 3);
static void line_vprintf(struct log_line *line, const char *format, va_list args) TP_PRINTF(2, 0);
static void line_mask_controls(struct log_line *line, bool has_lines);

void
tp_log_write(const struct tp_log *log, enum tp_log_level level, const char *id, const char *format,
             ...)
{
    int saved_errno = errno;
    struct log_line line;
    va_list args;

    line_begin(&line, log, level, id);
    va_start(args, format);
    line_vprintf(&line, format, args);
    va_end(args);
    if (log->doing != NULL) {
        line_printf(&line, ", while %s", log->doing);
    }
    line_mask_controls(&line, false);
    line_end(&line, log);
    errno = saved_errno;
}

void
tp__log_write_lines(const struct tp_log *log, enum tp_log_level level, const char *id,
                    const char *format, ...)
{
    int saved_errno = errno;
    struct log_line line;
    va_list args;

    line_begin(&line, log, level, id);
    va_start(args, format);
    line_vprintf(&line, format, args);
    va_end(args);
    line_mask_controls(&line, true);
    line_end(&line, log);
    errno = saved_errno;
}

const char *
tp__log_level_word(enum tp_log_level level)
{
    switch (level) {
#define LOG_LEVEL_WORD_ROW(name, word) \
    case TP_LOG_##name:                \
        return word;
        TP_LOG_LEVEL_TABLE(LOG_LEVEL_WORD_ROW)
#undef LOG_LEVEL_WORD_ROW
    }
    return "unknown";
}

static void
line_begin(struct log_line *line, const struct tp_log *log, enum tp_log_level level, const char *id)
{
    char time[TP_CLOCK_TEXT_MAX];

    line->len = 0;
    line_printf(line, "%s [%s] %d %s: ", tp__clock_format_now(time), tp__log_level_word(level),
                log->sink->get_process_id(), id);
}

static void
line_end(struct log_line *line, const struct tp_log *log)
{
    line->bytes[line->len++] = '\n';
    log->sink->write(log->sink, line->bytes, line->len);
}

static void
line_printf(struct log_line *line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    line_vprintf(line, format, args);
    va_end(args);
}

static void
line_vprintf(struct log_line *line, const char *format, va_list args)
{
    size_t room = sizeof(line->bytes) - line->len - 1; /* the last byte is for '\n' */
    int len = vsnprintf(line->bytes + line->len, room, format, args);

    if (len > 0) {
        line->len += (size_t) len < room ? (size_t) len : room - 1;
    }
}

/* What others sent must not be able to forge a line or to steer a terminal. */
static void
line_mask_controls(struct log_line *line, bool has_lines)
{
    for (size_t i = 0; i < line->len; i++) {
        unsigned char byte = (unsigned char) line->bytes[i];
        bool is_indented = i + 1 < line->len && line->bytes[i + 1] == ' ';

        if ((byte < 0x20 || byte == 0x7f) && !(byte == '\n' && has_lines && is_indented)) {
            line->bytes[i] = '?';
        }
    }
}

/* clang-format off */
const struct tp_log_id tp__log_ids[] = {
#define LOG_ID_ROW(id, sentence) { id, sentence },
    TP_LOG_ID_TABLE(LOG_ID_ROW)
#undef LOG_ID_ROW
    { NULL, NULL },
};
/* clang-format on */
