/*
 * cycle/core_directives.h - the values of the server's own directives: those of
 * the main and events blocks, and error_log wherever it stands.
 */
#ifndef TP_CYCLE_CORE_DIRECTIVES_H
#define TP_CYCLE_CORE_DIRECTIVES_H

#include <teleport/module.h>

#include "os/process.h"

struct tp_core_conf {
    bool daemon;
    struct tp_str pid_path;
    struct tp_str user;
    struct tp_str group;
    struct tp_str error_log_path;           /* or "stderr" */
    int error_log_level;                    /* enum tp_log_level */
    int64_t worker_processes;               /* 0: one per processor */
    int64_t worker_rlimit_nofile;           /* 0: as it was inherited */
    struct tp_msec worker_shutdown_timeout; /* 0: no limit */
    struct tp_msec worker_stop_timeout;
    struct tp_msec worker_watch; /* 0: off */
    struct tp_msec reload_timeout;
    int64_t session_directory;
    struct tp_size bus_queue;
    struct tp_size worker_memory;
    int64_t thread_pool_threads;
    int64_t thread_pool_queue;

    /* Computed by .validate. */
    bool has_user;
    struct tp_process_user user_found;
    unsigned worker_count;
};

struct tp_events_conf {
    int64_t worker_connections;
    bool worker_balance;
};

extern const struct tp_module tp__module_core;
extern const struct tp_module tp__module_events;

#endif
