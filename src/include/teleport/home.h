/*
 * teleport/home.h - a worker as modules see it: its clock, its timers, its threads for what blocks,
 * descriptors it watches, jobs of which there is one among all workers, words to the other workers,
 * and its sessions.
 *
 * A module that works on its own, not for a packet, has `start` and `stop` in its descriptor: they
 * are called in each worker, with each conf of a configuration, when that comes into force and when
 * nothing uses it any more.
 *
 * Threads: the worker's loop, but for the run() of a job.
 */
#ifndef TELEPORT_HOME_H
#define TELEPORT_HOME_H

#include <teleport/session.h>

struct tp_module;

#ifdef __cplusplus
extern "C" {
#endif

/* The time of the loop's turn: CLOCK_MONOTONIC; and the clock of the world, in the same turn. */
int64_t tp_home_now_ms(const struct tp_sessions *home);
int64_t tp_home_wall_ms(const struct tp_sessions *home);

/* Which of the workers this is: from 0 on. */
unsigned tp_home_slot(const struct tp_sessions *home);

/* The log of the worker, for what is of no server. */
const struct tp_log *tp_home_log(const struct tp_sessions *home);

/* A timer; whoever has made it frees it. */
struct tp_home_timer;
typedef void (*tp_home_timer_fn)(struct tp_home_timer *timer, void *owner);

/* One that does not run.  NULL: memory is out. */
struct tp_home_timer *tp_home_timer_create(struct tp_sessions *home, tp_home_timer_fn on_expire,
                                           void *owner) TP_MUST_CHECK;

/* Lets it expire once after `delay` (at least 1 ms), from now, whenever it was to before. */
void tp_home_timer_start(struct tp_home_timer *timer, struct tp_msec delay);
void tp_home_timer_stop(struct tp_home_timer *timer);

/* Stops and frees it, also from within its own expiry; *timer becomes NULL. */
void tp_home_timer_destroy(struct tp_home_timer **timer);

/*
 * Work for a thread, because it blocks or takes long; embedded in what it works on.  A job owns
 * all that it needs: the loop's data is the loop's alone, so a session or an exchange is named by
 * handle, or kept (tp_exchange_keep(), TP_LATER).
 */
struct tp_job {
    struct tp_list_node node; /* the pool's */

    /* On a thread, all signals blocked; may block. */
    void (*run)(struct tp_job *job);

    /* On the loop, once per submitted job; `was_run` is false when the worker ended first. */
    void (*done)(struct tp_job *job, bool was_run);
};

/*
 * Lets a thread run the job and then `done` on the loop; it stays where it is until then.
 * TP_FULL: as many wait as thread_pool's queue has room for.  TP_GONE: the worker stops.
 * TP_UNSUPPORTED: there are no threads here.  Others: no thread runs and none could be started.
 */
enum tp_result tp_job_submit(struct tp_sessions *home, struct tp_job *job) TP_MUST_CHECK;

/*
 * A descriptor of the module's own that the loop watches: of a library's connection, say.  Whoever
 * has made it frees it, before the descriptor is closed.
 */
struct tp_home_watch;

/*
 * Of what was wanted, this can be done without blocking: level triggered, so that it comes again
 * with each turn until it is done or wanted no more.  A descriptor that has failed can do all that
 * was wanted of it: reading or writing then tells.
 */
typedef void (*tp_home_watch_fn)(struct tp_home_watch *watch, bool is_readable, bool is_writable,
                                 void *owner);

/* One that watches for nothing yet; the descriptor stays the caller's.  NULL: memory is out. */
struct tp_home_watch *tp_home_watch_create(struct tp_sessions *home, int fd,
                                           tp_home_watch_fn on_ready, void *owner) TP_MUST_CHECK;

/*
 * What it watches for from here on; both false: for nothing.  TP_NO_MEMORY and others: it could
 * not be, and it watches for what it did before.
 */
enum tp_result tp_home_watch_want(struct tp_home_watch *watch, bool reads,
                                  bool writes) TP_MUST_CHECK;

/* Ends watching and frees it, also from within its own on_ready; *watch becomes NULL. */
void tp_home_watch_destroy(struct tp_home_watch **watch);

/*
 * A job of which there is one among all workers, by its name: who holds its lease does it.  Whoever
 * has made a lease frees it.
 */
struct tp_home_lease;
typedef void (*tp_home_lease_fn)(struct tp_home_lease *lease, void *owner);

enum {
    TP_HOME_LEASE_NAME_MAX = 48, /* bytes */
};

/*
 * Tries to hold the lease `name` (copied) from here on; all modules' names are one space, so it begins
 * with the module's.  `on_gained`: the job is this one's to do; `on_lost`: it is not any more.  Both are
 * called from the loop, in turns, never from within a call of the lease, and may destroy it.
 *
 * Of several leases of one name in a worker the newest has the job while the worker has: so after a
 * reload, whose `start` comes before the former configuration's `stop`, it goes over within the worker,
 * and back when the reload fails.  When a worker dies, drains or ends, another gains the job at once; when
 * it hangs, after a few seconds.  There is room for some 250 names: for one beyond, nobody has the job
 * until there is room, and the log says so ("lease-not-had").  In a program there is nobody else: it is
 * gained at once.  NULL: memory is out, or the name is empty or too long.
 */
struct tp_home_lease *tp_home_lease_create(struct tp_sessions *home, struct tp_str name,
                                           tp_home_lease_fn on_gained, tp_home_lease_fn on_lost,
                                           void *owner) TP_MUST_CHECK;

/* Gives it up, for another to have, and frees it; on_lost is not called.  *lease becomes NULL. */
void tp_home_lease_destroy(struct tp_home_lease **lease);

/* Ask before each act that must not happen twice: between two turns much time may have passed. */
bool tp_home_lease_is_held(const struct tp_home_lease *lease);

/*
 * What `module` keeps of this worker: one pointer of its own, NULL at first, for what is neither a
 * configuration's nor a session's.  Setting it to NULL ends that; whatever it points to the module
 * frees, in its last `stop`.  TP_NO_MEMORY.
 */
void *tp_home_data_get(const struct tp_sessions *home, const struct tp_module *module);
enum tp_result tp_home_data_set(struct tp_sessions *home, const struct tp_module *module,
                                void *data) TP_MUST_CHECK;

enum {
    TP_HOME_TELL_MAX = 4096, /* bytes */
};

/*
 * Tells the same module in all other workers: its `on_told` gets these bytes there, soon, those of
 * one worker in their order.  A nudge and no more: what a worker's queue has no room for, or what a
 * worker that dies has not read, is dropped (and counted: bus_refused, bus_dropped), and who comes
 * later never hears of it.  So what is told is where to look, and what counts stands in a table.
 * TP_OK: it was queued for all there are, which may be nobody, as it always is in a program.
 * TP_TOO_LARGE: for nobody.  TP_FULL, TP_GONE and others: for one at least it was not.
 */
enum tp_result tp_home_tell(struct tp_sessions *home, const struct tp_module *module,
                            struct tp_str bytes) TP_MUST_CHECK;

/*
 * Calls `visit` for each session of this worker, which it may end.  All in one turn: what takes
 * long for one is done later.
 */
typedef void (*tp_session_visit_fn)(struct tp_session *session, void *owner);
void tp_home_each_session(struct tp_sessions *home, tp_session_visit_fn visit, void *owner);

#ifdef __cplusplus
}
#endif

#endif
