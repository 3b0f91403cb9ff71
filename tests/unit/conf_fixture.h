/*
 * conf_fixture.h - a small server's directive tables with every kind of value,
 * and configurations that stand in memory.
 */
#ifndef TP_TESTS_UNIT_CONF_FIXTURE_H
#define TP_TESTS_UNIT_CONF_FIXTURE_H

#include "conf/conf.h"

#include <check.h>

/* A port, "9090", or one on loopback, "local:9090". */
struct sample_port {
    bool is_local;
    int port;
};

struct sample_core {
    bool daemon;
    int64_t worker_processes; /* 0: auto */
    struct tp_msec shutdown_timeout;
    struct tp_str pid;
    struct tp_str log_path;
    int log_level;
    struct tp_size log_buffer;
    bool log_flushed;
};

struct sample_events {
    int64_t worker_connections;
};

struct sample_listen {
    struct sample_port port;
    int64_t backlog;
    bool reuseport;
};

struct sample_server {
    struct tp_str peer_name;
    struct tp_items listens; /* struct sample_listen */
    struct tp_items allowed; /* struct tp_str */
    bool nodelay;
};

struct sample_echo {
    struct tp_size reply_max;
    struct tp_msec delay;
    struct tp_str greeting;
    struct sample_port mirror;
    struct tp_template reply;
};

extern const struct tp_module sample_core_module;
extern const struct tp_module sample_events_module;
extern const struct tp_module sample_server_module;
extern const struct tp_module sample_echo_module;
extern const struct tp_module_list sample_modules;
extern const struct tp_run_variables sample_variables; /* $uri, $status and $arg_NAME */

/* A text with something wrong in it, and all that is said about it. */
struct sample_mistake {
    const char *name;
    const char *text;
    const char *messages;
};

/* A file in memory; a table of them ends with a row whose path is NULL. */
struct sample_file {
    const char *path;
    const char *text;
};

struct tp_conf_fixture {
    struct tp_conf_loader loader;
    const struct sample_file *files;
    struct tp_conf_options options;
    struct tp_text messages;
    struct tp_conf *conf;
};

/* A fixture whose main file, "teleport.conf", holds `text`; `files` may be NULL. */
void tp__conf_fixture_open(struct tp_conf_fixture *fixture, const char *text,
                           const struct sample_file *files);
void tp__conf_fixture_close(struct tp_conf_fixture *fixture);

/* Loads it; ends the test when that fails. */
void tp__conf_fixture_load(struct tp_conf_fixture *fixture);

/* Loads `text` and expects exactly `messages`. */
void tp__conf_fixture_expect(const char *text, const struct sample_file *files,
                             const char *messages);

/* The conf of `module` in the main block, and in the `index`-th server of the first peer. */
void *tp__conf_fixture_main(struct tp_conf_fixture *fixture, const struct tp_module *module);
const struct tp_block *tp__conf_fixture_server(struct tp_conf_fixture *fixture, size_t index);

#endif
