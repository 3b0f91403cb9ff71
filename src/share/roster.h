/*
 * share/roster.h - who works in which slot, how loaded it is, and the numbers of
 * sessions.
 *
 * A slot's cell has one writer: the worker in it, and the master while there is
 * none.  Readers see each field whole but not all of one moment: good for
 * balancing and for status, not for deciding who is alive (the master knows).
 */
#ifndef TP_SHARE_ROSTER_H
#define TP_SHARE_ROSTER_H

#include "share/slot.h"
#include "share/zone.h"

/* ROW(NAME, word) */
#define TP_ROSTER_STATE_TABLE(ROW) \
    ROW(FREE, "free")              \
    ROW(STARTING, "starting")      \
    ROW(RUNNING, "running")        \
    ROW(DRAINING, "draining")

enum tp_roster_state {
#define TP_ROSTER_STATE_ENUM_ROW(name, word) TP_ROSTER_##name,
    TP_ROSTER_STATE_TABLE(TP_ROSTER_STATE_ENUM_ROW)
#undef TP_ROSTER_STATE_ENUM_ROW
};

struct tp_roster {
    struct tp_zone zone;
    struct tp_roster_cell *own; /* NULL before tp__roster_join() */
};

/* What stands in a slot. */
struct tp_roster_entry {
    enum tp_roster_state state;
    int32_t pid;
    uint64_t generation; /* of the cycle it runs */
    uint64_t session_count;
    int64_t turn_ms; /* CLOCK_MONOTONIC: when its loop last turned */
};

/* The load of the workers that take new connections. */
struct tp_roster_load {
    unsigned worker_count;
    uint64_t session_count; /* of all of them */
    uint64_t session_min;   /* of the least loaded one; 0 without any */
    unsigned least_slot;    /* which one that is */
};

extern const struct tp_zone_layout tp__roster_layout;

const char *tp__roster_state_word(enum tp_roster_state state);

/* Maps the zone behind `fd`, which stays the caller's.  For errors see tp__zone_open(). */
enum tp_result tp__roster_open(struct tp_roster *roster, int fd) TP_MUST_CHECK;
void tp__roster_close(struct tp_roster *roster);

/* Enters this process, a worker, as STARTING; the calls below that take no slot write its cell. */
void tp__roster_join(struct tp_roster *roster, unsigned slot, int32_t pid, uint64_t generation);

void tp__roster_set_state(struct tp_roster *roster, enum tp_roster_state state);
void tp__roster_set_generation(struct tp_roster *roster, uint64_t generation);
void tp__roster_set_sessions(struct tp_roster *roster, uint64_t session_count);

/* Says that the loop turns; an idle worker calls it by a timer. */
void tp__roster_beat(struct tp_roster *roster, int64_t now_ms);

/* Makes `slot` free.  Master only, when no worker is in it. */
void tp__roster_clear(struct tp_roster *roster, unsigned slot);

void tp__roster_read(const struct tp_roster *roster, unsigned slot, struct tp_roster_entry *entry);

/*
 * The load of RUNNING workers whose loop has turned since `fresh_since_ms`: one
 * that hangs must not make the others leave connections to it.
 */
void tp__roster_read_load(const struct tp_roster *roster, int64_t fresh_since_ms,
                          struct tp_roster_load *load);

/* A number that no session of this server, in any worker, had before.  Begins with 1. */
uint64_t tp__roster_next_session_number(struct tp_roster *roster);

#endif
