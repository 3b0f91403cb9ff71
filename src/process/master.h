/*
 * process/master.h - the master: opens, forks, watches, steers; serves no client.
 *
 * Threads: the master's loop.
 */
#ifndef TP_PROCESS_MASTER_H
#define TP_PROCESS_MASTER_H

#include "cycle/cycle.h"
#include "cycle/program.h"
#include "process/children.h"
#include "process/control.h"
#include "process/reload.h"

enum tp_master_state {
    TP_MASTER_SERVING,
    TP_MASTER_RESTING,  /* WINCH: no workers until the next reload */
    TP_MASTER_QUITTING, /* the workers leave gracefully, and the server with the last of them */
    TP_MASTER_STOPPING, /* they leave at once */
};

struct tp_master {
    const struct tp_program *program;
    enum tp_master_state state;
    struct tp_loop *loop;
    struct tp_cycle *cycle;
    struct tp_descriptors descriptors;
    struct tp_children children;
    struct tp_reload reload;
    struct tp_control control;
    struct tp_text control_path;
    int signals_fd;
    struct tp_watcher signals;
    struct tp_timer end_patience;
    struct tp_text pid_path; /* of the start: a reload does not move the file */
    int pid_fd;
    bool follows_killed; /* the pid file was left by a master that did not end by itself */
    int ready_fd;        /* of the process that waits for a daemon to be ready */
    int64_t started_ms;
    struct tp_text messages; /* of the start */
};

/*
 * Runs the server until it is told to end; returns the exit code of the process.  A
 * worker that it forks does not come back from here.
 */
int tp__master_run(const struct tp_program *program);

/*
 * Takes the steps of a start, adding to master->messages what goes wrong;
 * *started_count is how many succeeded, for tp__master_undo().
 */
enum tp_result tp__master_start(struct tp_master *master, size_t *started_count) TP_MUST_CHECK;
void tp__master_undo(struct tp_master *master, size_t started_count);

/* In a new worker: lets go of all that is the master's but the cycle and the descriptors. */
void tp__master_abandon(struct tp_master *master);

/* What a started master reacts with: see master.c. */
extern const struct tp_children_handler tp__master_children_handler;
extern const struct tp_control_handler tp__master_control_handler;
void tp__master_on_signal(struct tp_watcher *watcher, unsigned events);
void tp__master_on_end_patience(struct tp_timer *timer);
void tp__master_on_reload_concluded(struct tp_reload *reload, bool has_succeeded,
                                    struct tp_str report);

#endif
