/*
 * share/frames.h - messages as bytes on a link: a queue that is written from one end
 * and read from the other.
 *
 * A frame is {u32 length, u16 kind, u16 zero} in this machine's byte order, and
 * `length` bytes.  One struct serves both directions: frames are appended and
 * leave as bytes, or bytes are received and leave as frames.  Its memory grows
 * with what it holds, and an empty one holds none for long.
 */
#ifndef TP_SHARE_FRAMES_H
#define TP_SHARE_FRAMES_H

#include <teleport/base.h>

enum {
    TP_FRAME_HEADER_BYTES = 8,
};

/* All zeros: an empty queue. */
struct tp_frames {
    char *data;
    size_t capacity;
    size_t begin; /* the bytes held are data[begin .. begin + len] */
    size_t len;
    size_t head_left;     /* outgoing: bytes still held of a frame that has begun to leave */
    uint64_t frame_count; /* outgoing: frames held, that one included */
};

struct tp_frame {
    uint16_t kind;
    struct tp_str bytes; /* borrowed until the queue changes */
};

/* Frees the memory; the queue is empty again. */
void tp__frames_fini(struct tp_frames *frames);

/* Frees the memory of an empty queue when there is enough of it to matter. */
void tp__frames_shrink(struct tp_frames *frames);

/* What is appended as one frame: the pieces, in order. */
struct tp_frame_pieces {
    uint16_t kind;
    const struct tp_str *pieces;
    size_t count;
};

/* Appends a frame.  TP_FULL: more than `bytes_max` bytes would be held.  TP_NO_MEMORY. */
enum tp_result tp__frames_append(struct tp_frames *frames, const struct tp_frame_pieces *frame,
                                 size_t bytes_max) TP_MUST_CHECK;

/* The bytes of all pieces together. */
size_t tp__frame_pieces_len(const struct tp_frame_pieces *frame);

/* The bytes that are held, borrowed until the queue changes. */
struct tp_str tp__frames_bytes(const struct tp_frames *frames);

/* Outgoing: the first `count` bytes have left; returns how many frames left whole with them. */
uint64_t tp__frames_consume(struct tp_frames *frames, size_t count);

/* Incoming: *room is where `count` bytes may be received.  TP_NO_MEMORY. */
enum tp_result tp__frames_reserve(struct tp_frames *frames, size_t count,
                                  char **room) TP_MUST_CHECK;

/* Incoming: `count` bytes were received into the reserved room. */
void tp__frames_received(struct tp_frames *frames, size_t count);

/*
 * Takes the next frame out.  TP_AGAIN: it is not whole yet.  TP_INVALID: what
 * follows is no frame of at most `message_bytes_max` bytes.
 */
enum tp_result tp__frames_next(struct tp_frames *frames, size_t message_bytes_max,
                               struct tp_frame *frame) TP_MUST_CHECK;

#endif
