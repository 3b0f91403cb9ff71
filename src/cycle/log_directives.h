/*
 * cycle/log_directives.h - the values of the directives about logging exchanges:
 * access_log, slow_threshold, log_body.
 */
#ifndef TP_CYCLE_LOG_DIRECTIVES_H
#define TP_CYCLE_LOG_DIRECTIVES_H

#include <teleport/module.h>

struct tp_log_conf {
    struct tp_str access_log_path; /* or "off" */
    struct tp_template access_log_format;
    struct tp_size access_log_buffer;
    struct tp_msec access_log_flush;
    struct tp_msec slow_threshold; /* 0: off */
    bool log_body;
    struct tp_size log_body_limit;
};

extern const struct tp_module tp__module_log;

#endif
