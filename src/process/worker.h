/*
 * process/worker.h - a worker: one loop that serves sessions.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_PROCESS_WORKER_H
#define TP_PROCESS_WORKER_H

#include "cycle/cycle_stats.h"
#include "event/pool.h"
#include "process/acceptor.h"
#include "process/channel.h"
#include "process/courier.h"
#include "process/crash.h"
#include "process/dials.h"
#include "process/parcel.h"
#include "process/watch.h"
#include "session/session.h"
#include "share/bus.h"
#include "upstream/upstream.h"

/* What a new worker is born with; `cycle` and `descriptors` are its own from here on. */
struct tp_worker_birth {
    const struct tp_program *program;
    struct tp_cycle *cycle;
    struct tp_descriptors descriptors;
    unsigned slot;
    int channel_fd;
};

enum tp_worker_state {
    TP_WORKER_SERVING,
    TP_WORKER_DRAINING, /* surplus: accepts nobody and ends with its last session */
    TP_WORKER_QUITTING, /* ends its sessions gracefully */
};

/* Counts of this process that have reached the counters zone already. */
struct tp_worker_seen {
    uint64_t turns;
    uint64_t sessions_closed;
    uint64_t bytes_copied;
    uint64_t bus_sent;
    uint64_t bus_received;
    uint64_t bus_refused;
    uint64_t bus_dropped;
    struct tp_queue_counts queues;
};

struct tp_worker {
    const struct tp_program *program;
    unsigned slot;
    enum tp_worker_state state;
    struct tp_loop *loop;
    int channel_fd;
    struct tp_watcher channel;
    int signals_fd;
    struct tp_watcher signals;
    struct tp_descriptors descriptors;
    struct tp_own_stats stats;
    struct tp_sessions sessions;
    struct tp_acceptor acceptor;
    struct tp_bus *bus;
    struct tp_watch watch;
    struct tp_dials dials;
    struct tp_upstreams *upstreams;
    struct tp_courier courier;
    struct tp_pool *pool;
    struct tp_timer beat;
    struct tp_timer shutdown;
    struct tp_work end_check;
    struct tp_worker_seen seen;
    struct tp_worker_crash crash;
    int64_t directory_logged_ms; /* when a full directory was last named */
    int exit_code;

    /* At most one configuration is prepared, and one was left, at a time: see worker_cycle.c. */
    struct tp_cycle *cycle;     /* in force */
    struct tp_cycle *prepared;  /* built, and not in force yet */
    struct tp_cycle *previous;  /* left, and kept for going back until all have switched */
    struct tp_list_node cycles; /* these, and older ones that something goes on by */
};

/* Serves until told to stop; returns the exit code of the process. */
int tp__worker_run(struct tp_worker_birth *birth);

/* The worker's part of a reload: handles PREPARE, SWITCH, FINISH and REVERT. */
void tp__worker_prepare(struct tp_worker *worker, uint64_t generation, int recording_fd);
void tp__worker_switch(struct tp_worker *worker, uint64_t generation);
void tp__worker_finish(struct tp_worker *worker, uint64_t generation);
void tp__worker_revert(struct tp_worker *worker, uint64_t generation);

/* Upstreams become what `worker->cycle` says, for as long as that is in force. */
void tp__worker_apply_upstreams(struct tp_worker *worker);

/* Puts `worker->cycle` in force: listeners, watch, roster, state.  Returns what failed. */
enum tp_result tp__worker_apply_cycle(struct tp_worker *worker) TP_MUST_CHECK;

/* What the sessions tell the worker: see worker_sessions.c. */
struct tp_sessions_callbacks tp__worker_sessions_callbacks(struct tp_worker *worker);

/* What its sessions tell the workers beside this one (`owner` is the worker), and hear of them. */
enum tp_result tp__worker_tell_others(void *owner, struct tp_str word,
                                      struct tp_str bytes) TP_MUST_CHECK;
void tp__worker_on_told(struct tp_worker *worker, unsigned from_slot, struct tp_str bytes);

/* Writes how many sessions there are to where others see it. */
void tp__worker_count_sessions(struct tp_worker *worker);

/* Counts each turn of its loop; and, from time to time, what has come together in its parts. */
void tp__worker_count_turns(struct tp_worker *worker);
void tp__worker_count_beat(struct tp_worker *worker);

/* Adds what came to a count of this process since it was last looked at. */
void tp__worker_count_since(struct tp_worker *worker, enum tp_counter counter, uint64_t now,
                            uint64_t *seen);

/* Sends a message to the master; when that is gone the worker ends anyway. */
void tp__worker_tell_master(struct tp_worker *worker, const struct tp_channel_message *message);

#endif
