/*
 * walk.c - a walk past all sessions of a worker, some in each turn of the loop.
 *
 * The place of a walk is a session, and one that ends lets the walks pass on.  While a reload moves
 * sessions from one list to another there is no such place: a walk waits for the end of that, and
 * begins anew.
 *
 * Runs in: worker.  Owns: nothing.
 */
#include "session/walk.h"

#include "session/record.h"

enum {
    WALK_SESSIONS_PER_TURN = 1000, /* some tenths of a millisecond */
};

static void walk_on_work(struct tp_work *work);
static bool walk_is_spoilt(struct tp_session_walk *walk);

void
tp__session_walk_begin(struct tp_session_walk *walk, struct tp_sessions *sessions)
{
    walk->sessions = sessions;
    walk->next = NULL;
    tp__list_init(&walk->node);
    tp__list_append(&sessions->walks, &walk->node);
    tp__work_init(&walk->work, walk_on_work);
    tp__loop_post(sessions->loop, &walk->work);
}

void
tp__session_walk_end(struct tp_session_walk *walk)
{
    tp__list_remove(&walk->node);
    tp__work_cancel(&walk->work);
}

static void
walk_on_work(struct tp_work *work)
{
    struct tp_session_walk *walk = TP_CONTAINER_OF(work, struct tp_session_walk, work);
    struct tp_sessions *sessions = walk->sessions;

    if (walk_is_spoilt(walk)) {
        tp__loop_post(sessions->loop, work);
        return;
    }
    if (walk->next == NULL) {
        walk->next = sessions->members.next;
    }
    for (int met = 0; met < WALK_SESSIONS_PER_TURN; met++) {
        if (walk->next == &sessions->members) {
            tp__list_remove(&walk->node);
            walk->on_done(walk);
            return;
        }
        const struct tp_session *session = TP_CONTAINER_OF(walk->next, struct tp_session, node);

        TP_ASSERT(session->magic == TP_SESSION_MAGIC);
        walk->next = walk->next->next;
        walk->on_session(walk, session);
    }
    tp__loop_post(sessions->loop, work);
}

static bool
walk_is_spoilt(struct tp_session_walk *walk)
{
    if (tp__list_is_empty(&walk->sessions->unmoved)) {
        return false;
    }
    walk->next = NULL;
    walk->on_again(walk);
    return true;
}
