/*
 * share/directory.h - which worker has which session, and which session has which id.
 *
 * Two zones.  The table of numbers says in which slot the session of a number is; it needs no
 * lock, because a number stands in one atomic word that only the session's worker writes (and
 * the master, once that worker is dead).  The table of ids says which number has an id; it is
 * sharded, under robust locks.  An id whose number is not in the directory has ended without
 * saying so: it counts as free, so that nobody has to look for a dead worker's ids.
 *
 * A session enters its number before its id, and takes them out the other way round.
 *
 * Threads: the loop's.
 */
#ifndef TP_SHARE_DIRECTORY_H
#define TP_SHARE_DIRECTORY_H

#include <teleport/session.h>

#include "base/keyed_hash.h"
#include "share/slot.h"
#include "share/zone.h"

/* A mapped directory. */
struct tp_directory {
    struct tp_zone numbers;
    struct tp_zone ids;
    struct tp_hash_key key; /* of the ids' hash: the same for all processes of a server */
};

/* A session, and where it is. */
struct tp_directory_entry {
    uint64_t number;
    unsigned slot;
};

extern const struct tp_zone_layout tp__directory_numbers_layout;
extern const struct tp_zone_layout tp__directory_ids_layout;

/* What a cursor is when all has been seen; 0 is the beginning. */
#define TP_DIRECTORY_END UINT64_MAX

/* How many cells either zone must have for so many sessions; see tp__zone_create_sized(). */
uint32_t tp__directory_number_cells(uint64_t session_count);
uint32_t tp__directory_id_cells(uint64_t session_count);

/* Maps both zones; the descriptors stay the caller's.  For errors see tp__zone_open(). */
enum tp_result tp__directory_open(struct tp_directory *directory, int numbers_fd,
                                  int ids_fd) TP_MUST_CHECK;
void tp__directory_close(struct tp_directory *directory);

/* Enters a session that is not in it.  TP_FULL: there is no room. */
enum tp_result tp__directory_add(struct tp_directory *directory, uint64_t number,
                                 unsigned slot) TP_MUST_CHECK;

/* Takes a session out, if it is there: in this slot, for one that moves is in two for a moment. */
void tp__directory_remove(struct tp_directory *directory, uint64_t number, unsigned slot);

/* Where the session is.  TP_NOT_FOUND. */
enum tp_result tp__directory_find(const struct tp_directory *directory, uint64_t number,
                                  unsigned *slot) TP_MUST_CHECK;

/*
 * The sessions from `*cursor` on, at most `count_max` of them: returns how many were written to
 * `entries`, and moves the cursor on.  A session that is there from the first call to the last
 * is seen exactly once.
 */
size_t tp__directory_scan(const struct tp_directory *directory, uint64_t *cursor,
                          struct tp_directory_entry *entries, size_t count_max);

/* Takes out all sessions of `slot`.  Master only: its worker died, its successor has not begun. */
void tp__directory_clear_slot(struct tp_directory *directory, unsigned slot);

/* What becomes of an id that another session has. */
enum tp_claim {
    TP_CLAIM_IF_FREE,
    TP_CLAIM_ANYWAY,
};

/*
 * Makes `id`, of 1 to TP_SESSION_ID_MAX bytes, that of the session, which is in the directory.
 * *holder is the session that has had it, 0 without one: with TP_CLAIM_IF_FREE that means
 * TP_EXISTS, and it keeps the id.  TP_FULL; TP_TIMED_OUT: see tp__zone_lock().
 */
enum tp_result tp__directory_claim_id(struct tp_directory *directory, struct tp_str id,
                                      uint64_t number, enum tp_claim claim,
                                      uint64_t *holder) TP_MUST_CHECK;

/*
 * Takes the id away from the session, if it is the one that has it.  When the lock cannot be
 * had the id stays; it is free all the same once the session's number is taken out.
 */
void tp__directory_release_id(struct tp_directory *directory, struct tp_str id, uint64_t number);

/* The session of that id.  TP_NOT_FOUND; TP_TIMED_OUT: see tp__zone_lock(). */
enum tp_result tp__directory_find_id(struct tp_directory *directory, struct tp_str id,
                                     struct tp_directory_entry *entry) TP_MUST_CHECK;

#endif
