/*
 * frames.c - messages as bytes on a link.
 *
 * Runs in: workers.  Owns: one block per queue that holds anything.
 * Read next: bus.c.
 */
#include "share/frames.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRAMES_CAPACITY_MIN = 1024,  /* bytes */
    FRAMES_CAPACITY_KEPT = 4096, /* an empty queue keeps no more */
};

struct frame_header {
    uint32_t length;
    uint16_t kind;
    uint16_t zero;
};

_Static_assert(sizeof(struct frame_header) == TP_FRAME_HEADER_BYTES, "as the head comment says");

static void frames_put(struct tp_frames *frames, const void *bytes, size_t count);
static struct frame_header frames_get_header(const struct tp_frames *frames);
static void frames_skip(struct tp_frames *frames, size_t count);

void
tp__frames_fini(struct tp_frames *frames)
{
    free(frames->data);
    *frames = (struct tp_frames){ 0 };
}

void
tp__frames_shrink(struct tp_frames *frames)
{
    if (frames->len == 0 && frames->capacity > FRAMES_CAPACITY_KEPT) {
        tp__frames_fini(frames);
    }
}

enum tp_result
tp__frames_append(struct tp_frames *frames, const struct tp_frame_pieces *frame, size_t bytes_max)
{
    size_t len = tp__frame_pieces_len(frame);
    struct frame_header header = { .length = (uint32_t) len, .kind = frame->kind };
    size_t held_max = bytes_max - TP_FRAME_HEADER_BYTES;
    char *room;

    TP_ASSERT(len <= UINT32_MAX && bytes_max >= TP_FRAME_HEADER_BYTES);
    if (len > held_max || frames->len > held_max - len) {
        return TP_FULL;
    }
    enum tp_result result = tp__frames_reserve(frames, TP_FRAME_HEADER_BYTES + len, &room);

    if (result != TP_OK) {
        return result;
    }
    frames_put(frames, &header, sizeof(header));
    for (size_t i = 0; i < frame->count; i++) {
        frames_put(frames, frame->pieces[i].data, frame->pieces[i].len);
    }
    frames->frame_count++;
    return TP_OK;
}

size_t
tp__frame_pieces_len(const struct tp_frame_pieces *frame)
{
    size_t len = 0;

    for (size_t i = 0; i < frame->count; i++) {
        len += frame->pieces[i].len;
    }
    return len;
}

struct tp_str
tp__frames_bytes(const struct tp_frames *frames)
{
    if (frames->len == 0) {
        return (struct tp_str){ NULL, 0 };
    }
    return (struct tp_str){ frames->data + frames->begin, frames->len };
}

uint64_t
tp__frames_consume(struct tp_frames *frames, size_t count)
{
    uint64_t whole_count = 0;

    TP_ASSERT(count <= frames->len);
    while (count > 0) {
        if (frames->head_left == 0) {
            frames->head_left = TP_FRAME_HEADER_BYTES + frames_get_header(frames).length;
        }
        size_t step = count < frames->head_left ? count : frames->head_left;

        frames_skip(frames, step);
        frames->head_left -= step;
        count -= step;
        if (frames->head_left == 0) {
            whole_count++;
        }
    }
    frames->frame_count -= whole_count;
    return whole_count;
}

enum tp_result
tp__frames_reserve(struct tp_frames *frames, size_t count, char **room)
{
    size_t needed = frames->len + count;
    size_t capacity = frames->capacity == 0 ? FRAMES_CAPACITY_MIN : frames->capacity;

    if (frames->begin > 0 && frames->begin + needed > frames->capacity) {
        memmove(frames->data, frames->data + frames->begin, frames->len);
        frames->begin = 0;
    }
    while (capacity < needed) {
        capacity *= 2;
    }
    if (capacity > frames->capacity) {
        char *data = realloc(frames->data, capacity);

        if (data == NULL) {
            return TP_NO_MEMORY;
        }
        frames->data = data;
        frames->capacity = capacity;
    }
    *room = frames->data + frames->begin + frames->len;
    return TP_OK;
}

void
tp__frames_received(struct tp_frames *frames, size_t count)
{
    TP_ASSERT(count <= frames->capacity - frames->begin - frames->len);
    frames->len += count;
}

enum tp_result
tp__frames_next(struct tp_frames *frames, size_t message_bytes_max, struct tp_frame *frame)
{
    if (frames->len < TP_FRAME_HEADER_BYTES) {
        return TP_AGAIN;
    }
    struct frame_header header = frames_get_header(frames);

    if (header.length > message_bytes_max || header.zero != 0) {
        return TP_INVALID;
    }
    if (frames->len - TP_FRAME_HEADER_BYTES < header.length) {
        return TP_AGAIN;
    }
    frame->kind = header.kind;
    frame->bytes.data = frames->data + frames->begin + TP_FRAME_HEADER_BYTES;
    frame->bytes.len = header.length;
    frames_skip(frames, TP_FRAME_HEADER_BYTES + header.length);
    return TP_OK;
}

static void
frames_put(struct tp_frames *frames, const void *bytes, size_t count)
{
    if (count > 0) {
        memcpy(frames->data + frames->begin + frames->len, bytes, count);
        frames->len += count;
    }
}

static struct frame_header
frames_get_header(const struct tp_frames *frames)
{
    struct frame_header header;

    TP_ASSERT(frames->len >= sizeof(header));
    memcpy(&header, frames->data + frames->begin, sizeof(header));
    return header;
}

static void
frames_skip(struct tp_frames *frames, size_t count)
{
    frames->begin += count;
    frames->len -= count;
    if (frames->len == 0) {
        frames->begin = 0;
    }
}
