/*
 * arena.c - chunks of memory, filled from the front and freed together.
 *
 * A request larger than a chunk gets a chunk of its own, put behind the current
 * one so that the current one's rest is not lost.
 *
 * Read next: conf/parser.c, the first heavy user.
 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARENA_ALIGNMENT = _Alignof(max_align_t),
};

struct tp_arena_chunk {
    struct tp_arena_chunk *next;
    size_t size; /* of bytes[] */
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

static struct tp_arena_chunk *arena_add_chunk(struct tp_arena *arena, size_t size);

void
tp__arena_init(struct tp_arena *arena, size_t chunk_bytes)
{
    *arena = (struct tp_arena){ .chunk_bytes = chunk_bytes };
}

void
tp__arena_fini(struct tp_arena *arena)
{
    struct tp_arena_chunk *chunk = arena->chunks;

    while (chunk != NULL) {
        struct tp_arena_chunk *next = chunk->next;

        free(chunk);
        chunk = next;
    }
    tp__arena_init(arena, arena->chunk_bytes);
}

void *
tp__arena_alloc(struct tp_arena *arena, size_t size)
{
    void *memory = tp__arena_try_alloc(arena, size);

    TP_ASSERT(memory != NULL);
    return memory;
}

void *
tp__arena_try_alloc(struct tp_arena *arena, size_t size)
{
    struct tp_arena_chunk *chunk = arena->chunks;

    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        chunk = arena_add_chunk(arena, size);
        if (chunk == NULL) {
            return NULL;
        }
    }
    void *memory = chunk->bytes + chunk->used;

    chunk->used += size;
    return memory;
}

struct tp_str
tp__arena_copy(struct tp_arena *arena, struct tp_str text)
{
    char *copy = tp__arena_alloc(arena, text.len + 1);

    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    return (struct tp_str){ copy, text.len };
}

struct tp_str
tp__arena_format(struct tp_arena *arena, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct tp_str text = tp__arena_vformat(arena, format, args);
    va_end(args);
    return text;
}

struct tp_str
tp__arena_vformat(struct tp_arena *arena, const char *format, va_list args)
{
    va_list args_again;

    va_copy(args_again, args);
    int len = vsnprintf(NULL, 0, format, args_again);
    va_end(args_again);
    TP_ASSERT(len >= 0);

    char *text = tp__arena_alloc(arena, (size_t) len + 1);

    vsnprintf(text, (size_t) len + 1, format, args);
    return (struct tp_str){ text, (size_t) len };
}

static struct tp_arena_chunk *
arena_add_chunk(struct tp_arena *arena, size_t size)
{
    bool is_oversized = size > arena->chunk_bytes;
    size_t chunk_size = is_oversized ? size : arena->chunk_bytes;
    struct tp_arena_chunk *chunk = calloc(1, sizeof(*chunk) + chunk_size);

    if (chunk == NULL) {
        return NULL;
    }
    chunk->size = chunk_size;
    if (is_oversized && arena->chunks != NULL) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    arena->total_bytes += sizeof(*chunk) + chunk_size;
    return chunk;
}
