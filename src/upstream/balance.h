/*
 * upstream/balance.h - which one of several is next, by weight: nothing but numbers, so that it can
 * be checked against its definition.
 *
 * Threads: any; a balancer is its owner's.
 */
#ifndef TP_UPSTREAM_BALANCE_H
#define TP_UPSTREAM_BALANCE_H

#include <teleport/upstream.h>

/* One of them. */
struct tp_share {
    uint32_t weight;
    bool is_usable;   /* may it be chosen now? */
    int64_t credit;   /* the turns that round robin owes it, times the sum of weights */
    uint32_t pending; /* what it has to do at the moment */
    uint64_t mark;    /* what places it on the ring: of its name, so that it stays there */
};

/* A place on the ring: what is hashed to there, from behind the point before, is `share`'s. */
struct tp_ring_point {
    uint64_t upto;
    uint32_t share;
};

struct tp_balancer {
    struct tp_share *shares;
    size_t count;
    struct tp_ring_point *points; /* sorted */
    size_t point_count;
};

/*
 * Each in its turn, as often as its weight says, and as evenly as that can be: whoever is owed most.
 * SIZE_MAX, here and below: none is usable.
 *
 * Source: smooth weighted round robin, as nginx has it since 1.3.1.
 */
size_t tp__balance_in_turn(struct tp_balancer *balancer);

/* Who has least to do for its weight; of several, the one whose turn it is. */
size_t tp__balance_least_pending(struct tp_balancer *balancer);

/* Whose the hash is; when that is not usable, the next one on the ring. */
size_t tp__balance_by_hash(const struct tp_balancer *balancer, uint64_t hash);

/*
 * Makes the ring anew, for shares whose weights and marks are set.  TP_NO_MEMORY: it is as it was.
 *
 * Source: consistent hashing (Karger et al., 1997), many points for each.
 */
enum tp_result tp__balancer_make_ring(struct tp_balancer *balancer) TP_MUST_CHECK;

/* Frees the ring; the shares are the caller's. */
void tp__balancer_fini(struct tp_balancer *balancer);

#endif
