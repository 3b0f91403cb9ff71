/*
 * cycle_logs.c - the log files that a configuration names, and who writes what to them.
 *
 * Whoever names a path shares one descriptor, and, for access logs, one buffer.
 *
 * Runs in: master and workers; only a worker writes access logs.
 * Read next: server/access_file.c.
 */
#include "cycle/cycle.h"

#include "base/str.h"
#include "cycle/log_directives.h"
#include "os/file.h"
#include "session/exchange_log.h"
#include "session/variables.h"

#include <string.h>

static const char stderr_path[] = "stderr";

static struct tp_cycle_log *cycle_log_at(struct tp_cycle *cycle, const char *path);
static struct tp_access_file *cycle_access_file(struct tp_cycle *cycle,
                                                const struct tp_log_conf *conf);

struct tp_log
tp__cycle_log_of(struct tp_cycle *cycle, const struct tp_core_conf *conf)
{
    return (struct tp_log){
        .level = (enum tp_log_level) conf->error_log_level,
        .sink = &cycle_log_at(cycle, conf->error_log_path.data)->file.sink,
    };
}

struct tp_exchange_logging
tp__cycle_logging_of(struct tp_cycle *cycle, const struct tp_block *block)
{
    const struct tp_log_conf *conf = tp_block_conf(block, &tp__module_log);
    struct tp_exchange_logging logging = {
        .access_file = cycle_access_file(cycle, conf),
        .access_format = conf->access_log_format,
        .access_front = tp__template_front(&conf->access_log_format),
        .slow_threshold = conf->slow_threshold,
        .logs_bodies = conf->log_body,
        .body_limit = conf->log_body_limit,
    };

    tp__exchange_logging_fit(&logging);
    return logging;
}

enum tp_result
tp__cycle_open_logs(const struct tp_cycle *cycle, struct tp_descriptors *set,
                    struct tp_text *messages)
{
    for (const struct tp_cycle_log *log = cycle->logs; log != NULL; log = log->next) {
        int fd;

        if (strcmp(log->path, stderr_path) == 0
            || tp__descriptors_find(set, TP_DESCRIPTOR_LOG, log->path) != -1) {
            continue;
        }
        enum tp_result result = tp__file_open_log(log->path, &fd);

        if (result != TP_OK) {
            tp__cycle_report_error(messages, log->path, "cannot open the log", result);
            tp__cycle_advise_folder(messages, log->path, result);
            return result;
        }
        result = tp__descriptors_add(set, TP_DESCRIPTOR_LOG, log->path, fd);
        if (result != TP_OK) {
            return result;
        }
    }
    return TP_OK;
}

enum tp_result
tp__cycle_attach_logs(struct tp_cycle *cycle, const struct tp_descriptors *set,
                      struct tp_text *messages)
{
    for (struct tp_cycle_log *log = cycle->logs; log != NULL; log = log->next) {
        int fd = tp__descriptors_find(set, TP_DESCRIPTOR_LOG, log->path);
        int copy;

        if (strcmp(log->path, stderr_path) == 0) {
            continue;
        }
        enum tp_result result = fd == -1 ? TP_NOT_FOUND : tp__descriptor_duplicate(fd, &copy);

        if (result != TP_OK) {
            tp__cycle_report_error(messages, log->path, "cannot use the log", result);
            return result;
        }
        log->file.fd = copy;
        log->access.fd = copy;
    }
    return TP_OK;
}

void
tp__cycle_close_logs(struct tp_cycle *cycle)
{
    for (struct tp_cycle_log *log = cycle->logs; log != NULL; log = log->next) {
        tp__access_file_fini(&log->access);
        if (log->file.fd != TP_STDERR) {
            tp__descriptor_close(&log->file.fd);
        }
    }
}

void
tp__cycle_flush_logs(struct tp_cycle *cycle)
{
    for (struct tp_cycle_log *log = cycle->logs; log != NULL; log = log->next) {
        tp__access_file_flush(&log->access);
    }
}

enum tp_result
tp__cycle_reopen_log(struct tp_cycle *cycle, const char *path, int fd)
{
    for (struct tp_cycle_log *log = cycle->logs; log != NULL; log = log->next) {
        if (strcmp(log->path, path) == 0 && log->file.fd != TP_STDERR) {
            tp__access_file_flush(&log->access);
            return tp__descriptor_replace(log->file.fd, fd);
        }
    }
    return TP_OK;
}

bool
tp__cycle_has_log(const struct tp_cycle *cycle, const char *path)
{
    const struct tp_cycle_log *log = cycle->logs;

    while (log != NULL && strcmp(log->path, path) != 0) {
        log = log->next;
    }
    return log != NULL;
}

/* The log at `path`, shared with all who name it; until it is attached it writes to stderr. */
static struct tp_cycle_log *
cycle_log_at(struct tp_cycle *cycle, const char *path)
{
    struct tp_cycle_log **end = &cycle->logs;

    while (*end != NULL && strcmp((*end)->path, path) != 0) {
        end = &(*end)->next;
    }
    if (*end == NULL) {
        *end = tp__arena_new(&cycle->arena, struct tp_cycle_log);
        (*end)->path = path;
        tp__log_file_init(&(*end)->file, TP_STDERR);
        tp__access_file_init(&(*end)->access, -1);
    }
    return *end;
}

/* NULL when none is wanted. */
static struct tp_access_file *
cycle_access_file(struct tp_cycle *cycle, const struct tp_log_conf *conf)
{
    if (tp__str_equal(conf->access_log_path, TP_STR("off"))) {
        return NULL;
    }
    struct tp_access_file *file = &cycle_log_at(cycle, conf->access_log_path.data)->access;

    if (file->buffer.bytes < conf->access_log_buffer.bytes) {
        file->buffer = conf->access_log_buffer;
    }
    if (file->flush.ms == 0 || file->flush.ms > conf->access_log_flush.ms) {
        file->flush = conf->access_log_flush;
    }
    return file;
}
