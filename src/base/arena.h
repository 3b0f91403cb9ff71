/*
 * base/arena.h - memory that is freed together: a cycle's, an exchange's.
 *
 * Never for something that lives as long as a session: an arena only grows.
 * Threads: an arena belongs to one thread.
 */
#ifndef TP_BASE_ARENA_H
#define TP_BASE_ARENA_H

#include <teleport/base.h>

#include <stdarg.h>

struct tp_arena_chunk;

struct tp_arena {
    struct tp_arena_chunk *chunks; /* the one being filled first */
    size_t chunk_bytes;            /* size of a fresh chunk */
    size_t total_bytes;            /* taken from the system */
};

/* Prepares an empty arena that takes memory in chunks of `chunk_bytes`; takes none yet. */
void tp__arena_init(struct tp_arena *arena, size_t chunk_bytes);

/* Frees everything at once; the arena may be used again. */
void tp__arena_fini(struct tp_arena *arena);

/*
 * `size` zeroed bytes aligned for any type.  For sizes we chose ourselves: ends
 * the process when memory is out.
 */
void *tp__arena_alloc(struct tp_arena *arena, size_t size);

/* The same for sizes that somebody else chose: NULL when memory is out. */
void *tp__arena_try_alloc(struct tp_arena *arena, size_t size) TP_MUST_CHECK;

#define tp__arena_new(arena, type) ((type *) tp__arena_alloc((arena), sizeof(type)))
#define tp__arena_new_array(arena, type, count) \
    ((type *) tp__arena_alloc((arena), (count) * sizeof(type)))

/* A copy of `text` with a terminator behind it (not counted in len). */
struct tp_str tp__arena_copy(struct tp_arena *arena, struct tp_str text);

/* A formatted, terminated text. */
struct tp_str tp__arena_format(struct tp_arena *arena, const char *format, ...) TP_PRINTF(2, 3);
struct tp_str tp__arena_vformat(struct tp_arena *arena, const char *format, va_list args)
    TP_PRINTF(2, 0);

#endif
