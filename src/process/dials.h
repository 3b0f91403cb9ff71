/*
 * process/dials.h - the sessions that the configuration wants dialed: they are the job of one
 * worker, whichever holds the lease "dials".
 *
 * Threads: the worker's loop.
 */
#ifndef TP_PROCESS_DIALS_H
#define TP_PROCESS_DIALS_H

#include "cycle/cycle.h"
#include "session/session.h"
#include "share/lease_keeper.h"

struct tp_dials {
    struct tp_sessions *sessions;
    unsigned slot;
    struct tp_cycle *cycle;
    struct tp_lease_keeper keeper;
    bool is_started;
    struct tp_list_node begun; /* of struct dialed_session */
};

void tp__dials_init(struct tp_dials *dials, struct tp_sessions *sessions, unsigned slot);

/* The cycle in force is another one, perhaps for a moment only: a reload may yet fail. */
void tp__dials_apply(struct tp_dials *dials, struct tp_cycle *cycle);

/* It stays in force: what it wants dialed, and is not, is begun. */
void tp__dials_settle(struct tp_dials *dials);

/* Gives the job up; the sessions end, and go on in another worker. */
void tp__dials_stop(struct tp_dials *dials);

/* A worker has died: perhaps the one that had the job. */
void tp__dials_on_worker_died(struct tp_dials *dials);

#endif
