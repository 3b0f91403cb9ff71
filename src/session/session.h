/*
 * session/session.h - the sessions of a worker.
 *
 * A session is one fixed small record.  It belongs to the listening address its
 * connection came in through, and holds that address's configuration until it
 * ends or is moved to a newer one.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_SESSION_SESSION_H
#define TP_SESSION_SESSION_H

#include "base/buf_pool.h"
#include "base/clock.h"
#include "event/loop.h"
#include "packet/output.h"
#include "session/close_reason.h"
#include "session/server.h"

/* What the owner of a worker's sessions is told; `owner` is given back in each call. */
struct tp_sessions_callbacks {
    void (*on_count_changed)(void *owner);       /* a session began or ended */
    void (*on_bytes)(void *owner, size_t count); /* bytes were read */
    void *owner;
};

/* How all sessions come to another configuration: see tp__sessions_move(). */
struct tp_sessions_move {
    const struct tp_source *(*find_source)(void *owner, const char *name);
    void (*on_done)(void *owner);
    void *owner;
};

/* The buffer that is read into: its first `used` bytes belong to those who hold it. */
struct tp_read_buf {
    struct tp_buf *buf;
    size_t used;
};

/* All sessions of a worker. */
struct tp_sessions {
    struct tp_loop *loop;
    struct tp_sessions_callbacks callbacks;
    size_t count;
    uint64_t closed_count; /* since the worker began */
    struct tp_list_node members;
    struct tp_list_node unmoved; /* members that the move under way has not come to yet */
    struct tp_sessions_move move;
    struct tp_work move_work;

    /* Shared by all members, which take turns: what they keep, they hold. */
    struct tp_buf_pool pool;
    struct tp_read_buf read_buf;
    struct tp_output output;
    const struct tp_filter *gzip;
    void *gzip_state; /* of the filter, which all members share; NULL without it */
    struct tp_clock_texts clock_texts;
    unsigned worker_slot; /* for logs */
    struct tp_list_node free_exchanges;
    size_t free_exchange_count;
};

void tp__sessions_init(struct tp_sessions *sessions, struct tp_loop *loop,
                       const struct tp_sessions_callbacks *callbacks, struct tp_size memory);

/* Makes the state of the gzip filter, which the sessions share; NULL where it is not built in. */
enum tp_result tp__sessions_use_gzip(struct tp_sessions *sessions,
                                     const struct tp_filter *gzip) TP_MUST_CHECK;

/* Closes all sessions and frees what they shared. */
void tp__sessions_fini(struct tp_sessions *sessions);

/*
 * Makes a session of the connection `fd`, which it owns from here on, runs the
 * hooks, and starts reading.  TP_OK: there is a session; TP_DENIED: a hook refused
 * it; others: it could not be had, and the connection is closed.
 */
enum tp_result tp__session_start(struct tp_sessions *sessions, const struct tp_source *source,
                                 uint64_t number, int fd,
                                 const struct tp_address *remote) TP_MUST_CHECK;

/* Ends a session for `reason`, which is logged; makes *session NULL. */
void tp__session_close(struct tp_session **session, enum tp_close_reason reason);

/*
 * Moves every session to the listen that `find_source` gives for the name of its
 * own; where that is NULL the session closes with the reason LISTEN_REMOVED.  A
 * part is done in each turn, so that many sessions do not stop the others;
 * `on_done` is called after the last.  A move that is under way is replaced, and
 * its on_done is not called.
 */
void tp__sessions_move(struct tp_sessions *sessions, const struct tp_sessions_move *move);

/* Ends all sessions gracefully: what they asked is answered first. */
void tp__sessions_end_all(struct tp_sessions *sessions, enum tp_close_reason reason);

/* Ends all sessions for `reason`, now. */
void tp__sessions_close_all(struct tp_sessions *sessions, enum tp_close_reason reason);

#endif
