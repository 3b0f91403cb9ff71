/*
 * session/walk.h - a walk past all sessions of a worker, some in each turn of the loop, so that it
 * stops nobody however many there are.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_SESSION_WALK_H
#define TP_SESSION_WALK_H

#include "session/session.h"

/* Embedded in its owner; the callbacks find that with TP_CONTAINER_OF(). */
struct tp_session_walk {
    struct tp_list_node node;  /* in sessions->walks */
    struct tp_list_node *next; /* the session that is next, or the end; NULL: the first */
    struct tp_sessions *sessions;
    struct tp_work work;

    /* May not end sessions. */
    void (*on_session)(struct tp_session_walk *walk, const struct tp_session *session);

    /* A reload has mixed up who was met and who was not: all are met again. */
    void (*on_again)(struct tp_session_walk *walk);

    /* All were met that have been there from the beginning; the walk is over. */
    void (*on_done)(struct tp_session_walk *walk);
};

/* Begins with the next turn.  The callbacks are set already. */
void tp__session_walk_begin(struct tp_session_walk *walk, struct tp_sessions *sessions);

/* Gives it up; on_done is not called. */
void tp__session_walk_end(struct tp_session_walk *walk);

/* A session is about to leave the list. */
static inline void
tp__session_walks_pass(struct tp_sessions *sessions, const struct tp_list_node *leaving)
{
    TP_LIST_EACH (node, &sessions->walks) {
        struct tp_session_walk *walk = TP_CONTAINER_OF(node, struct tp_session_walk, node);

        if (walk->next == leaving) {
            walk->next = leaving->next;
        }
    }
}

#endif
