/*
 * process/reload.h - a reload in place, the master's part.
 *
 * The configuration is loaded, what is new is opened and handed to the workers, each
 * builds the new cycle beside the old one; when all are ready all switch, and when
 * all have switched the old cycle is let go.  If anything fails before that, all go
 * back to the old one.
 *
 * Threads: the master's loop.
 */
#ifndef TP_PROCESS_RELOAD_H
#define TP_PROCESS_RELOAD_H

#include "cycle/cycle.h"
#include "event/loop.h"
#include "process/children.h"

struct tp_reload;

enum tp_reload_phase {
    TP_RELOAD_IDLE,
    TP_RELOAD_PREPARING,
    TP_RELOAD_SWITCHING,
};

/* What a reload works on, borrowed from the master, and whom it tells. */
struct tp_reload_options {
    const struct tp_program *program;
    struct tp_loop *loop;
    struct tp_cycle **cycle; /* the master's in force; replaced when the reload succeeds */
    struct tp_descriptors *descriptors;
    struct tp_children *children;

    /* The reload has ended; `report` is for people, borrowed for the call. */
    void (*on_concluded)(struct tp_reload *reload, bool has_succeeded, struct tp_str report);
};

struct tp_reload {
    struct tp_reload_options options;
    enum tp_reload_phase phase;
    struct tp_cycle *next;
    uint64_t begun_count; /* reloads begun so far */
    uint64_t succeeded_count;
    uint64_t failed_count;
    uint64_t generation;  /* the last one given out */
    bool is_wanted_again; /* asked for while one was under way */
    struct tp_text report;
    struct tp_timer timeout;
};

void tp__reload_init(struct tp_reload *reload, const struct tp_reload_options *options);
void tp__reload_fini(struct tp_reload *reload);

/* Begins a reload, or lets another one follow the one under way. */
void tp__reload_begin(struct tp_reload *reload);

/* The number (begun_count) of the reload that tp__reload_begin(), called now, begins or asks for. */
static inline uint64_t
tp__reload_next_number(const struct tp_reload *reload)
{
    return reload->begun_count + 1;
}

/* A worker voted: READY, SWITCHED or FAILED. */
void tp__reload_on_vote(struct tp_reload *reload, struct tp_child *child,
                        const struct tp_channel_message *message);

/* A worker ended; if it was asked and was not about to leave anyway, the reload fails. */
void tp__reload_on_child_ended(struct tp_reload *reload, struct tp_child *child,
                               const struct tp_process_end *end);

static inline bool
tp__reload_is_active(const struct tp_reload *reload)
{
    return reload->phase != TP_RELOAD_IDLE;
}

#endif
