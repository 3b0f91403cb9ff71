/*
 * metrics/counters.h - what the server counts: one block per process, in one zone.
 *
 * Each process writes its own block and nobody else's, so counting is a plain
 * store without a lock; readers add the blocks up.  Counts survive the death of
 * the worker that made them and go on in its successor; gauges describe what is
 * now, and the master clears them for a worker that died.
 *
 * Threads: the loop's thread only.
 */
#ifndef TP_METRICS_COUNTERS_H
#define TP_METRICS_COUNTERS_H

#include "share/slot.h"
#include "share/zone.h"

#include <stdatomic.h>

/*
 * ROW(NAME, "name", KIND, "unit", "Sentence."), KIND being
 *   COUNTER  only grows;             the total is the sum of all processes, dead ones included
 *   GAUGE    what there is now;      the total is the sum of the living
 *   PEAK     the largest value seen; the total is the largest of the living
 *
 * New rows go to the end and none is taken out: a new binary goes on with the
 * counts of the old one, row by row.
 */
/* clang-format off */
#define TP_COUNTER_TABLE(ROW)                                                                      \
    ROW(SESSIONS,          "sessions",          GAUGE,   "sessions",     "Open sessions.")         \
    ROW(SESSIONS_ACCEPTED, "sessions_accepted", COUNTER, "sessions",     "Connections accepted.")  \
    ROW(SESSIONS_CLOSED,   "sessions_closed",   COUNTER, "sessions",     "Sessions that ended.")   \
    ROW(SESSIONS_REFUSED,  "sessions_refused",  COUNTER, "sessions",                               \
        "Connections closed at once, because a limit was reached or a rule denied them.")          \
    ROW(ACCEPT_FAILURES,   "accept_failures",   COUNTER, "failures",                               \
        "Times that accepting a connection failed.")                                               \
    ROW(ACCEPTS_DEFERRED,  "accepts_deferred",  COUNTER, "times",                                  \
        "Times that a worker left connections to a less loaded one.")                              \
    ROW(BYTES_RECEIVED,    "bytes_received",    COUNTER, "bytes",        "Bytes read from peers.") \
    ROW(BYTES_COPIED,      "bytes_copied",      COUNTER, "bytes",                                  \
        "Bytes of packets that were copied, because they had to be in one piece or be kept.")      \
    ROW(LOOP_TURNS,        "loop_turns",        COUNTER, "turns",        "Turns of the loop.")     \
    ROW(LOOP_TURN_MAX_US,  "loop_turn_max_us",  PEAK,    "microseconds",                           \
        "The longest turn of the loop, from waking up to waiting again.")                          \
    ROW(TIMERS,            "timers",            GAUGE,   "timers",       "Running timers.")        \
    ROW(BUS_SENT,          "bus_sent",          COUNTER, "messages",                               \
        "Messages sent to other workers.")                                                         \
    ROW(BUS_RECEIVED,      "bus_received",      COUNTER, "messages",                               \
        "Messages received from other workers.")                                                   \
    ROW(BUS_REFUSED,       "bus_refused",       COUNTER, "messages",                               \
        "Messages to other workers that were refused: a queue full or its reader gone.")           \
    ROW(BUS_DROPPED,       "bus_dropped",       COUNTER, "messages",                               \
        "Messages that were queued for another worker when it went away.")                         \
    ROW(WORKER_STARTS,     "worker_starts",     COUNTER, "processes",                              \
        "Workers started, those that replaced dead ones included.")                                \
    ROW(ZONE_REPAIRS,      "zone_repairs",      COUNTER, "repairs",                                \
        "Times that a shared table was checked because a process died while changing it.")         \
    ROW(DIRECTORY_FULL,    "directory_full",    COUNTER, "sessions",                               \
        "Sessions for which the directory had no room.")                                           \
    ROW(REMOTE_REQUESTS,   "remote_requests",   COUNTER, "requests",                               \
        "Packets for sessions of any worker, and other requests about them, that were begun.")     \
    ROW(REMOTE_FAILURES,   "remote_failures",   COUNTER, "requests",                               \
        "Such requests that failed: the session gone, its queue full, its worker late.")           \
    ROW(PACKETS_REFUSED,   "packets_refused",   COUNTER, "packets",                                \
        "PULLs and PUSHes of ours that were refused: send_queue full, or max_sent_pulls reached.") \
    ROW(PUSHES_DROPPED,    "pushes_dropped",    COUNTER, "packets",                                \
        "PUSHes of ours that were queued and made room for newer ones (on_full=drop-old).")        \
    ROW(PUSHES_REPLACED,   "pushes_replaced",   COUNTER, "packets",                                \
        "PUSHes of ours that were queued and replaced by newer ones (on_full=latest-by-uri).")     \
    ROW(SLOW_SESSIONS,     "slow_sessions",     GAUGE,   "sessions",                               \
        "Sessions whose send queue was full and has not been empty since.")                        \
    ROW(SLOW_SESSIONS_CLOSED, "slow_sessions_closed", COUNTER, "sessions",                         \
        "Sessions closed because their send queue was full (on_full=close).")                      \
    ROW(READ_PAUSES,       "read_pauses",       COUNTER, "times",                                  \
        "Times that a session was not read from until something was answered or sent: "            \
        "max_pending_pulls, send_queue.")
/* clang-format on */

enum tp_counter {
#define TP_COUNTER_ENUM_ROW(name, word, kind, unit, sentence) TP_COUNTER_##name,
    TP_COUNTER_TABLE(TP_COUNTER_ENUM_ROW)
#undef TP_COUNTER_ENUM_ROW
    TP_COUNTER_COUNT
};

enum tp_counter_kind {
    TP_COUNTER_KIND_COUNTER,
    TP_COUNTER_KIND_GAUGE,
    TP_COUNTER_KIND_PEAK,
};

/* A row of the table. */
struct tp_counter_info {
    const char *name;
    enum tp_counter_kind kind;
    const char *unit;
    const char *sentence;
};

typedef _Atomic uint64_t tp_counter_value;

struct tp_counters {
    struct tp_zone zone;
    tp_counter_value *
        own; /* TP_COUNTER_COUNT values: this process' block; NULL before tp__counters_use_slot() */
};

extern const struct tp_zone_layout tp__counters_layout;

const struct tp_counter_info *tp__counter_info(enum tp_counter counter);

/* Maps the zone behind `fd`, which stays the caller's.  For errors see tp__zone_open(). */
enum tp_result tp__counters_open(struct tp_counters *counters, int fd) TP_MUST_CHECK;
void tp__counters_close(struct tp_counters *counters);

/* From here on this process counts in `slot`: its own, or TP_SLOT_MASTER.  Again after fork(). */
void tp__counters_use_slot(struct tp_counters *counters, unsigned slot);

/* One writer per block: a load and a store are enough, and cost no locked instruction. */
static inline void
tp__counter_add(struct tp_counters *counters, enum tp_counter counter, uint64_t count)
{
    tp_counter_value *value = &counters->own[counter];

    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

static inline void
tp__counter_set(struct tp_counters *counters, enum tp_counter counter, uint64_t now)
{
    atomic_store_explicit(&counters->own[counter], now, memory_order_relaxed);
}

/* For peaks: sets it when `seen` is larger than what stands there. */
static inline void
tp__counter_raise(struct tp_counters *counters, enum tp_counter counter, uint64_t seen)
{
    if (seen > atomic_load_explicit(&counters->own[counter], memory_order_relaxed)) {
        tp__counter_set(counters, counter, seen);
    }
}

/* What the process in `slot` has counted, and its predecessors there. */
uint64_t tp__counters_read(const struct tp_counters *counters, unsigned slot,
                           enum tp_counter counter);

/* The value for all processes together, as its kind says. */
uint64_t tp__counters_total(const struct tp_counters *counters, enum tp_counter counter);

/* Makes the gauges and peaks of `slot` zero.  Master only, after its worker died. */
void tp__counters_clear_gauges(struct tp_counters *counters, unsigned slot);

#endif
