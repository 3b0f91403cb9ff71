/*
 * core_directives.c - the tables of the server's own directives: main, events,
 * and error_log.
 *
 * Read next: server_directives.c (peer, server, listen), cycle.c (who uses the values).
 */
#include "cycle/core_directives.h"

#include "base/str.h"
#include "share/slot.h"

static void core_validate(const struct tp_block *block, void *conf);
static void core_validate_user(const struct tp_block *block, struct tp_core_conf *core);

static const struct tp_word word_auto[] = { { "auto", 0 }, { NULL, 0 } };
static const struct tp_word word_off[] = { { "off", 0 }, { NULL, 0 } };
static const struct tp_word word_stderr[] = { { "stderr", 0 }, { NULL, 0 } };

static const struct tp_word log_level_words[] = {
#define LOG_LEVEL_ROW(name, word) { word, TP_LOG_##name },
    TP_LOG_LEVEL_TABLE(LOG_LEVEL_ROW)
#undef LOG_LEVEL_ROW
    { NULL, 0 },
};

static const struct tp_argument user_arguments[] = {
    {
        .name = "USER", .kind = TP_ARGUMENT_REQUIRED, TP_TEXT(struct tp_core_conf, user),
        .brief = "The user that workers run as.",
    },
    {
        .name = "GROUP", .kind = TP_ARGUMENT_OPTIONAL, TP_TEXT(struct tp_core_conf, group),
        .preset = "",
        .brief = "The group; without it the user's own.",
    },
};

static const struct tp_argument error_log_arguments[] = {
    {
        .name = "FILE", .kind = TP_ARGUMENT_REQUIRED, TP_PATH(struct tp_core_conf, error_log_path),
        .words = word_stderr, .preset = "logs/error.log",
        .brief = "The file to append to, or stderr.",
    },
    {
        .name = "LEVEL", .kind = TP_ARGUMENT_OPTIONAL,
        TP_WORD(struct tp_core_conf, error_log_level, log_level_words),
        .preset = "notice",
        .brief = "The least severe messages to write.",
    },
};

static const struct tp_argument thread_pool_arguments[] = {
    {
        .name = "threads", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct tp_core_conf, thread_pool_threads),
        .preset = "2", .min = "1", .max = "64",
        .brief = "The most threads a worker starts; none before the first job.",
    },
    {
        .name = "queue", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct tp_core_conf, thread_pool_queue),
        .preset = "256", .min = "1", .max = "65536",
        .brief = "The most jobs that wait for a thread.",
    },
};

static const struct tp_directive core_directives[] = {
    {
        .name = "daemon", .where = TP_IN_MAIN, TP_FLAG(struct tp_core_conf, daemon),
        .preset = "on", .applies = TP_APPLIES_RESTART, .since = "0.1",
        .brief = "Whether the server goes on in the background once it has started.",
    },
    {
        .name = "pid", .where = TP_IN_MAIN, TP_PATH(struct tp_core_conf, pid_path),
        .preset = "logs/teleport.pid", .applies = TP_APPLIES_RESTART, .since = "0.1",
        .brief = "The file with the master's process id; the control socket stands beside it.",
    },
    {
        .name = "user", .where = TP_IN_MAIN, TP_ARGUMENTS(user_arguments),
        .applies = TP_APPLIES_NEW_WORKERS, .since = "0.1",
        .brief = "The user and group that workers run as when the master is root.",
    },
    {
        .name = "error_log", .where = TP_IN_MAIN | TP_IN_PEER | TP_IN_SERVER,
        TP_ARGUMENTS(error_log_arguments), .since = "0.1",
        .brief = "Where messages go, and the least severe ones that do.",
    },
    {
        .name = "worker_processes", .where = TP_IN_MAIN,
        TP_NUMBER(struct tp_core_conf, worker_processes), .words = word_auto,
        .preset = "auto", .min = "1", .max = "256", .since = "0.1",
        .brief = "How many workers serve; auto is one for each processor. A reload starts more, "
                 "or lets the surplus finish their sessions.",
    },
    {
        .name = "worker_rlimit_nofile", .where = TP_IN_MAIN,
        TP_NUMBER(struct tp_core_conf, worker_rlimit_nofile), .words = word_auto,
        .preset = "auto", .min = "64", .max = "10000000", .applies = TP_APPLIES_NEW_WORKERS,
        .since = "0.1",
        .brief = "The limit of open descriptors of a worker; auto leaves it as inherited.",
    },
    {
        .name = "worker_shutdown_timeout", .where = TP_IN_MAIN,
        TP_TIME(struct tp_core_conf, worker_shutdown_timeout), .words = word_off,
        .preset = "30s", .min = "1ms", .max = "24h", .since = "0.1",
        .brief = "How long a graceful stop may take before what is left is closed.",
    },
    {
        .name = "worker_stop_timeout", .where = TP_IN_MAIN,
        TP_TIME(struct tp_core_conf, worker_stop_timeout),
        .preset = "10s", .min = "10ms", .max = "1h", .since = "0.1",
        .brief = "How long workers may take to end in a fast stop, or once worker_shutdown_timeout "
                 "has passed, before they are killed. A second fast stop kills them at once.",
    },
    {
        .name = "worker_watch", .where = TP_IN_MAIN, TP_TIME(struct tp_core_conf, worker_watch),
        .words = word_off, .preset = "10s", .min = "100ms", .max = "1h", .since = "0.1",
        .brief = "How often one worker asks all others whether they still turn; one that has "
                 "not answered by the next time is named in the log.",
    },
    {
        .name = "reload_timeout", .where = TP_IN_MAIN, TP_TIME(struct tp_core_conf, reload_timeout),
        .preset = "30s", .min = "100ms", .max = "10m", .since = "0.1",
        .brief = "How long workers may take to build a new configuration before it is given up.",
    },
    {
        .name = "session_directory", .where = TP_IN_MAIN,
        TP_NUMBER(struct tp_core_conf, session_directory),
        .preset = "262144", .min = "1", .max = "100000000", .applies = TP_APPLIES_RESTART,
        .since = "0.1",
        .brief = "The sessions of all workers that there is room for in the directory; those "
                 "beyond it can have no id and are reached in their own worker only.",
    },
    {
        .name = "bus_queue", .where = TP_IN_MAIN, TP_SIZE(struct tp_core_conf, bus_queue),
        .preset = "1m", .min = "64k", .max = "256m", .applies = TP_APPLIES_NEW_WORKERS,
        .since = "0.1",
        .brief = "The most bytes a worker keeps for another one that does not read.",
    },
    {
        .name = "worker_memory", .where = TP_IN_MAIN, TP_SIZE(struct tp_core_conf, worker_memory),
        .preset = "1g", .min = "1m", .max = "1024g", .applies = TP_APPLIES_NEW_WORKERS,
        .since = "0.1",
        .brief = "The most bytes of packets, queued or being received, that a worker holds.",
    },
    {
        .name = "thread_pool", .where = TP_IN_MAIN, TP_ARGUMENTS(thread_pool_arguments),
        .applies = TP_APPLIES_NEW_WORKERS, .since = "0.1",
        .brief = "The threads of a worker for work that blocks.",
    },
    {
        .name = "events", .where = TP_IN_MAIN, TP_OPENS(TP_IN_EVENTS), .takes_nothing = true,
        .since = "0.1",
        .brief = "Holds the directives of the workers' event loops.",
    },
};

static const struct tp_directive events_directives[] = {
    {
        .name = "worker_connections", .where = TP_IN_EVENTS,
        TP_NUMBER(struct tp_events_conf, worker_connections),
        .preset = "16384", .min = "1", .max = "10000000", .since = "0.1",
        .brief = "The most sessions of one worker; at the limit it stops accepting.",
    },
    {
        .name = "worker_balance", .where = TP_IN_EVENTS,
        TP_FLAG(struct tp_events_conf, worker_balance),
        .preset = "on", .since = "0.1",
        .brief = "Whether a worker with more sessions than the others leaves new ones to them.",
    },
};

const struct tp_module tp__module_core = {
    .name = "core",
    .brief = "Processes, logs and limits.",
    .conf_size = sizeof(struct tp_core_conf),
    TP_DIRECTIVES(core_directives),
    .validate = core_validate,
};

const struct tp_module tp__module_events = {
    .name = "events",
    .brief = "How each worker's event loop takes connections.",
    .conf_size = sizeof(struct tp_events_conf),
    TP_DIRECTIVES(events_directives),
};

static void
core_validate(const struct tp_block *block, void *conf)
{
    struct tp_core_conf *core = conf;

    if (tp_block_context(block) != TP_IN_MAIN) {
        return;
    }
    core->worker_count =
        core->worker_processes == 0 ? tp__process_cpu_count() : (unsigned) core->worker_processes;
    if (core->worker_count > TP_WORKER_SLOTS_MAX) {
        core->worker_count = TP_WORKER_SLOTS_MAX;
    }
    core->has_user = core->user.len > 0;
    if (core->has_user) {
        core_validate_user(block, core);
    }
}

static void
core_validate_user(const struct tp_block *block, struct tp_core_conf *core)
{
    if (!tp__process_is_root()) {
        /* Nothing to change into and no right to: the workers run as whoever started the server. */
        core->has_user = false;
        return;
    }
    if (tp__process_find_user(core->user.data, core->group.data, &core->user_found) != TP_OK) {
        tp_conf_complain(block, "user", 0, "there is no user \"%s\"%s%s%s", core->user.data,
                         core->group.len > 0 ? " or no group \"" : "", core->group.data,
                         core->group.len > 0 ? "\"" : "");
    }
}
