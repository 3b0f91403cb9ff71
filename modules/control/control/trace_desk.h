/*
 * trace_desk.h - what a worker has of traces: a desk, and at it a watch for each of them.
 */
#ifndef CONTROL_TRACE_DESK_H
#define CONTROL_TRACE_DESK_H

#include "trace.h"

enum {
    TRACE_TICK_MS = 1000,   /* how often workers look after traces, and tell each other */
    TRACE_WAITING_MAX = 64, /* exchanges that are to be shown, of a trace in a worker */
};

struct trace_desk;

/* What is to be said of an exchange. */
struct trace_event {
    char *json;
    uint64_t lost; /* that it tells of */
};

/* A trace as this worker has it. */
struct trace_watch {
    struct trace_desk *desk; /* NULL: it has ended, and waits for what is under way */
    struct trace_entry entry;
    struct tp_trace *trace;
    bool is_own; /* its session is here */
    bool is_found;
    int64_t spent_ms;  /* since when nothing more may be shown; 0: there may */
    int64_t second_ms; /* when the present second of its rate has begun */
    int64_t second_count;
    int64_t silent_until_ms;
    uint64_t lost;
    struct trace_event waiting[TRACE_WAITING_MAX];
    unsigned first;
    unsigned waiting_count;
    unsigned under_way;
};

/* A conf that a configuration has brought. */
struct trace_use {
    const struct control_conf *conf;
    struct trace_use *next;
};

/* What the module keeps of a worker, as long as there is a conf. */
struct trace_desk {
    struct tp_sessions *home;
    struct trace_use *uses; /* the newest first */
    struct tp_home_timer *tick;
    struct tp_home_timer *flush;
    bool is_flushing;
    bool is_ticking;
    int64_t tick_ms; /* …then */
    uint64_t serial;
    unsigned watch_count;
    struct trace_watch *watches[TRACES_MAX];
};

/*
 * Does the configuration allow so much?  A former one may be there yet, for the sake of what runs by
 * it: confs of one configuration have one table.
 */
bool trace_desk_allows(const struct trace_desk *desk, enum control_trace_mode mode);

/* The newest mapping of the table. */
struct tp_table *trace_desk_table(const struct trace_desk *desk);

/* Lets all workers read the table.  Whom it does not reach it reaches with the next one. */
void trace_desk_tell(struct trace_desk *desk);

/*
 * Looks after its traces then, or earlier if it was to: so that nobody who begins and ends a trace stops
 * the others.
 */
void trace_desk_tick_in(struct trace_desk *desk, int64_t delay_ms);

/* Begins to watch for what the entry says.  NULL: it cannot be, as *result says. */
struct trace_watch *trace_watch_begin(struct trace_desk *desk, const struct trace_entry *entry,
                                      enum tp_result *result);

/* Ends it here; what waits to be shown is not shown any more. */
void trace_watch_end(struct trace_watch *watch);

/* Of one whose session is here: ends it in all workers, and its session is told why. */
void trace_watch_end_own(struct trace_watch *watch, const char *why);

/* …says that it goes on, or ends it. */
void trace_watch_renew(struct trace_watch *watch);

/* Shows what waits for that. */
void trace_watch_flush(struct trace_watch *watch);

/* Takes the entry of this trace out of the table, if it is there. */
void trace_entry_remove(const struct trace_desk *desk, const struct trace_entry *wanted);

struct tp_str trace_entry_key(const uint64_t *number);

#endif
