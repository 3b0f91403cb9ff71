/*
 * process/acceptor.h - the listening side of a worker: which sockets it accepts
 * on, when it leaves connections to others, and what becomes of accepted ones.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_PROCESS_ACCEPTOR_H
#define TP_PROCESS_ACCEPTOR_H

#include "cycle/cycle.h"
#include "event/loop.h"
#include "session/session.h"

struct tp_acceptor;

/* Asks the worker in `slot`, which has the fewest sessions, to accept now. */
typedef void (*tp_acceptor_poke_fn)(struct tp_acceptor *acceptor, unsigned slot);

struct tp_acceptor {
    struct tp_loop *loop;
    unsigned slot;
    struct tp_sessions *sessions;
    const struct tp_descriptors *descriptors;
    tp_acceptor_poke_fn poke;
    struct tp_cycle *cycle; /* borrowed: the one in force */
    struct tp_list_node points;
    struct tp_roster_load load; /* as read in the turn that `load_turn` names */
    uint64_t load_turn;
};

/* An acceptor that accepts nowhere; what the pointers name is borrowed for its life. */
void tp__acceptor_init(struct tp_acceptor *acceptor, struct tp_loop *loop, unsigned slot,
                       struct tp_sessions *sessions, const struct tp_descriptors *descriptors);

/*
 * Accepts for exactly the listens of `cycle` from here on.  Sockets that stay are not
 * touched.  On failure some may be missing: apply the former cycle to go back.
 */
enum tp_result tp__acceptor_apply(struct tp_acceptor *acceptor,
                                  struct tp_cycle *cycle) TP_MUST_CHECK;

/* Accepts nowhere any more. */
void tp__acceptor_stop(struct tp_acceptor *acceptor);

/* Another worker, which has more sessions, left connections to us: looks at all sockets at once. */
void tp__acceptor_accept_now(struct tp_acceptor *acceptor);

#endif
