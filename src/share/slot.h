/*
 * share/slot.h - the numbers by which processes know each other.
 *
 * A worker keeps its slot for life; the one that replaces it gets the same.
 */
#ifndef TP_SHARE_SLOT_H
#define TP_SHARE_SLOT_H

enum {
    TP_WORKER_SLOTS_MAX = 256,            /* the largest worker_processes */
    TP_SLOT_MASTER = TP_WORKER_SLOTS_MAX, /* where the master counts */
    TP_SLOTS = TP_WORKER_SLOTS_MAX + 1,
};

#endif
