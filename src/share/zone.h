/*
 * share/zone.h - tables that all processes of a server see, that outlive any of
 * them, and that survive reloads and new binaries.
 *
 * A zone is a memfd: a header, one robust lock per shard, and fixed cells that
 * are addressed by index.  There are no pointers in it and no allocator, so every
 * process may map it where it likes.  Shard s holds the cells of one contiguous
 * range; a zone without shards is for cells with a single writer each.
 *
 * The master makes the descriptors and keeps them; workers inherit the mappings
 * with fork() or map what they were sent.  Nothing read from a foreign descriptor
 * is believed: its header is compared with its true size when it is opened, and
 * not read again.
 *
 * Read next: zone.c, then metrics/counters.h, roster.h and lease.h: the zones there are.
 */
#ifndef TP_SHARE_ZONE_H
#define TP_SHARE_ZONE_H

#include <teleport/base.h>

enum {
    TP_ZONE_NAME_MAX = 31,   /* bytes */
    TP_ZONE_CELL_ALIGN = 64, /* cells begin on a cache line; their size is rounded up to it */
    TP_ZONE_LOCK_WAIT_MAX_MS = 250,
};

struct tp_zone;

/* What a zone is made of, and who keeps it whole.  Static and constant in its user's file. */
struct tp_zone_layout {
    const char *name;
    uint32_t version; /* of the meaning of a cell */
    uint32_t cell_size;
    uint32_t cell_count;  /* 0: each zone has its own, see tp__zone_create_sized() */
    uint32_t shard_count; /* 0: no locks */

    /*
     * Makes the `count` cells from `first` on whole again, after a process died
     * while it held their lock; the caller holds it.  Anything may stand in them.
     * NULL only without shards.
     */
    void (*check)(struct tp_zone *zone, uint32_t first, uint32_t count);

    /*
     * Brings over what `from`, a zone of this name but of another layout, holds
     * (see the fields of struct tp_zone); all its locks are held, and its cells
     * may be as broken as check() would find them.  TP_MISMATCH: this version
     * cannot be understood.  NULL: such a zone is begun anew.
     */
    enum tp_result (*copy)(const struct tp_zone *from, struct tp_zone *to);
};

/* A mapped zone, owned by one process (and, after fork(), by each). */
struct tp_zone {
    uint32_t magic;
    uint32_t version; /* these four as the descriptor has them */
    uint32_t cell_size;
    uint32_t cell_count;
    uint32_t shard_count;
    const struct tp_zone_layout *layout;
    unsigned char *base;
    size_t size;
    unsigned char *cells;
};

/* ROW(NAME, word for logs, sentence): what tp__zone_adopt() made of an old zone. */
/* clang-format off */
#define TP_ZONE_OUTCOME_TABLE(ROW)                                                                 \
    ROW(CREATED,    "created",    "There was no such zone.")                                       \
    ROW(CARRIED_ON, "carried-on", "The layout is the same; old and new are one memory.")           \
    ROW(COPIED,     "copied",     "The layout differs; the content was brought over.")             \
    ROW(ANEW,       "anew",       "The old zone could not be understood and is left behind.")
/* clang-format on */

enum tp_zone_outcome {
#define TP_ZONE_OUTCOME_ENUM_ROW(name, word, sentence) TP_ZONE_##name,
    TP_ZONE_OUTCOME_TABLE(TP_ZONE_OUTCOME_ENUM_ROW)
#undef TP_ZONE_OUTCOME_ENUM_ROW
};

const char *tp__zone_outcome_word(enum tp_zone_outcome outcome);

/*
 * Makes an empty zone, all cells zero; *fd is the caller's.  TP_TOO_LARGE: beyond
 * what one zone may have.
 */
enum tp_result tp__zone_create(const struct tp_zone_layout *layout, int *fd) TP_MUST_CHECK;

/* The same for a layout whose zones differ in how many cells they have: one of `cell_count`. */
enum tp_result tp__zone_create_sized(const struct tp_zone_layout *layout, uint32_t cell_count,
                                     int *fd) TP_MUST_CHECK;

/*
 * Maps the zone behind `fd`, which stays the caller's and may be closed.
 * TP_MISMATCH: it is none, or of another name, version or size.
 */
enum tp_result tp__zone_open(struct tp_zone *zone, const struct tp_zone_layout *layout,
                             int fd) TP_MUST_CHECK;

/* Ends the mapping of this process. */
void tp__zone_close(struct tp_zone *zone);

/*
 * For reloads and new binaries: *fd becomes a zone of `layout`, which names its count of cells,
 * that goes on where `old_fd` (-1: there is none) stands, and *outcome says how.  Both descriptors
 * are the caller's afterwards, so that either can be given up.  What processes
 * write to the old zone after a copy is not brought over.  TP_TIMED_OUT: a lock of
 * the old zone could not be had.
 */
enum tp_result tp__zone_adopt(int old_fd, const struct tp_zone_layout *layout, int *fd,
                              enum tp_zone_outcome *outcome) TP_MUST_CHECK;

/*
 * Locks the cells of one shard, and lets the layout check them first if the last
 * owner died.  TP_TIMED_OUT: another process holds the lock for longer than
 * TP_ZONE_LOCK_WAIT_MAX_MS, which only a stopped one does: try again later.
 */
enum tp_result tp__zone_lock(struct tp_zone *zone, uint32_t shard) TP_MUST_CHECK;
void tp__zone_unlock(struct tp_zone *zone, uint32_t shard);

/* The cell `index`, which must exist. */
void *tp__zone_get_cell(const struct tp_zone *zone, uint32_t index);

/* The shard whose lock protects the cell `index`. */
uint32_t tp__zone_shard_of(const struct tp_zone *zone, uint32_t index);

/* The cells of `shard`: `*count` of them from `*first` on. */
void tp__zone_shard_range(const struct tp_zone *zone, uint32_t shard, uint32_t *first,
                          uint32_t *count);

/* How often a shard was checked because its owner had died, since the zone was made. */
uint64_t tp__zone_repair_count(const struct tp_zone *zone);

#endif
