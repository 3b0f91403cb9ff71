/*
 * log_directives.c - the table of access_log, slow_threshold and log_body.
 *
 * Read next: cycle_logs.c (who uses the values), session/exchange_log.c (who writes).
 */
#include "cycle/log_directives.h"

static const struct tp_word word_off[] = { { "off", 0 }, { NULL, 0 } };

static const struct tp_argument access_log_arguments[] = {
    {
        .name = "FILE",
        .kind = TP_ARGUMENT_REQUIRED,
        TP_PATH(struct tp_log_conf, access_log_path),
        .words = word_off,
        .preset = "off",
        .brief = "The file to append to, or off.",
    },
    {
        .name = "format",
        .kind = TP_ARGUMENT_NAMED,
        TP_TEMPLATE(struct tp_log_conf, access_log_format),
        .preset = "$time_local $remote $session_number $type $seq \"$uri\" $status "
                  "$bytes_received $bytes_sent $duration $slow",
        .brief = "What a line says; bytes in values that could forge a line are escaped, as \\x0a, "
                 "and what has no value is -.",
    },
    {
        .name = "buffer",
        .kind = TP_ARGUMENT_NAMED,
        TP_SIZE(struct tp_log_conf, access_log_buffer),
        .preset = "64k",
        .min = "1",
        .max = "16m",
        .brief = "How much each worker collects before it writes; the largest counts where "
                 "several name one file.",
    },
    {
        .name = "flush",
        .kind = TP_ARGUMENT_NAMED,
        TP_TIME(struct tp_log_conf, access_log_flush),
        .preset = "1s",
        .min = "1ms",
        .max = "1h",
        .brief = "How long a line may wait to be written; the shortest counts where several "
                 "name one file.",
    },
};

static const struct tp_directive log_directives[] = {
    {
        .name = "access_log",
        .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_ARGUMENTS(access_log_arguments),
        .since = "0.1",
        .brief = "Where a line is written for each exchange, and what it says.",
    },
    {
        .name = "slow_threshold",
        .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_TIME(struct tp_log_conf, slow_threshold),
        .words = word_off,
        .preset = "off",
        .min = "1ms",
        .max = "1d",
        .since = "0.1",
        .brief = "Exchanges that take so long or longer are logged as warnings, and $slow is slow.",
    },
    {
        .name = "log_body",
        .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_FLAG(struct tp_log_conf, log_body),
        .preset = "off",
        .since = "0.1",
        .brief = "Whether the header and body of each packet are logged, at the level info; "
                 "whatever secrets they hold then stand in the error log.",
    },
    {
        .name = "log_body_limit",
        .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_SIZE(struct tp_log_conf, log_body_limit),
        .preset = "1k",
        .min = "1",
        .max = "3k",
        .since = "0.1",
        .brief = "The bytes of a body that log_body shows at most; where an entry of the log is "
                 "full it is cut sooner, and what was left out is counted.",
    },
};

const struct tp_module tp__module_log = {
    .name = "log",
    .brief = "What is logged of exchanges.",
    .conf_size = sizeof(struct tp_log_conf),
    TP_DIRECTIVES(log_directives),
};
