/*
 * process/children.h - the master's view of its workers: one slot each.
 *
 * Starting, replacing and reaping them, and talking to them.  What a message or a
 * death means is the owner's business.
 */
#ifndef TP_PROCESS_CHILDREN_H
#define TP_PROCESS_CHILDREN_H

#include "event/loop.h"
#include "os/process.h"
#include "process/channel.h"
#include "share/slot.h"

struct tp_children;

/* Where a worker stands in a reload: see reload.c. */
enum tp_child_vote {
    TP_VOTE_NONE, /* not asked */
    TP_VOTE_WAITED_FOR,
    TP_VOTE_GIVEN,
};

struct tp_child {
    struct tp_children *children;
    unsigned slot;
    int pid;        /* 0: no worker in this slot */
    int channel_fd; /* -1 likewise */
    struct tp_watcher watcher;
    struct tp_timer respawn;
    int64_t started_ms;
    unsigned quick_deaths; /* in a row: the replacement of the next one waits longer */
    bool is_leaving;       /* was told to stop: its end is no accident */
    bool is_surplus;       /* may leave by itself, with its last session */
    enum tp_child_vote vote;
};

struct tp_children_handler {
    /* In the new process: become the worker of `slot`, with `channel_fd`.  Does not return. */
    void (*run)(struct tp_children *children, unsigned slot, int channel_fd) TP_NORETURN;

    /* A message came; `passed_fd` is the handler's unless -1. */
    void (*on_message)(struct tp_child *child, const struct tp_channel_message *message,
                       int passed_fd);

    /* The worker has ended; its slot is empty. */
    void (*on_ended)(struct tp_child *child, const struct tp_process_end *end);

    /* The time has come to replace a worker that died. */
    void (*on_respawn)(struct tp_child *child);
};

struct tp_children {
    struct tp_loop *loop;
    const struct tp_children_handler *handler;
    struct tp_child slots[TP_WORKER_SLOTS_MAX];
};

void tp__children_init(struct tp_children *children, struct tp_loop *loop,
                       const struct tp_children_handler *handler);

/* Closes the master's ends without a word; in a new worker, and at the master's end. */
void tp__children_fini(struct tp_children *children);

/* Whether a worker that has ended did so because it was told to, or free to. */
bool tp__child_has_left(const struct tp_child *child, const struct tp_process_end *end);

/* Starts a worker in the empty `slot`. */
enum tp_result tp__child_spawn(struct tp_children *children, unsigned slot) TP_MUST_CHECK;

/* How long the replacement of a worker that just ended must wait, in milliseconds; 0: not at all. */
int64_t tp__child_respawn_delay(struct tp_child *child);

/* Collects workers that have ended and calls on_ended for each. */
void tp__children_reap(struct tp_children *children);

/* Sends to one worker.  A worker that is gone or does not read counts as TP_GONE or TP_AGAIN. */
enum tp_result tp__child_send(struct tp_child *child, const struct tp_channel_message *message,
                              int passed_fd) TP_MUST_CHECK;

/* Sends to all workers; one that cannot be told is about to be reaped or replaced. */
void tp__children_send_all(struct tp_children *children, const struct tp_channel_message *message,
                           int passed_fd);

/* How many workers there are. */
unsigned tp__children_count(const struct tp_children *children);

/* Visits every slot that has a worker. */
#define TP_CHILDREN_EACH(child, children)                                                \
    for (struct tp_child *child = (children)->slots;                                     \
         child < (children)->slots + TP_WORKER_SLOTS_MAX; child++)                       \
        if (child->pid != 0)

#endif
