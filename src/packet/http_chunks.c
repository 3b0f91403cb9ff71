/*
 * http_chunks.c - finds the end of a chunked body, and takes its data out.
 *
 * What was read stays where it is until the body is whole; how far it was read is three
 * numbers, which is all that a session has to keep.  So a body is walked twice, the second
 * time along chunks that are known to be well-formed.
 *
 * Read next: packet/http_head.c.
 */
#include <teleport/http_chunks.h>

#include "base/buf_pool.h"
#include "base/str.h"

enum {
    CHUNK_LINE_MAX = 256, /* a size with its extensions, and the line's end */
    CHUNK_DIGITS_MAX = 8,
    CHUNK_SHARED_MIN = 512, /* smaller ones cost less to copy than to share */
    TRAILER_BYTES_MAX = 4096,
    TRAILER_FIELDS_MAX = 32,
    LINE_END_LEN = 2,
};

/* A place in a chain. */
struct chunk_cursor {
    const struct tp_slice *slice;
    const struct tp_slice *end;
    size_t offset; /* in the slice */
    size_t left;   /* bytes from here to the chain's end */
};

static enum tp_result chunk_read(struct chunk_cursor *cursor, size_t room,
                                 struct tp_http_chunks *chunks, struct tp_http_fault *fault);
static enum tp_result chunk_read_line(const struct chunk_cursor *cursor, size_t *line_len,
                                      size_t *data_len, struct tp_http_fault *fault);
static bool chunk_read_size(struct tp_str *line, size_t *size);
static enum tp_result chunk_read_trailer(const struct tp_chain *input, size_t begin,
                                         struct tp_http_chunks *chunks,
                                         struct tp_http_fault *fault);
static enum tp_result chunk_find_trailer_end(struct tp_str bytes, size_t *len);
static enum tp_result chunk_fail(struct tp_http_fault *fault, enum tp_result result,
                                 const char *why);
static struct chunk_cursor cursor_at(const struct tp_chain *chain, size_t offset);
static void cursor_skip(struct chunk_cursor *cursor, size_t len);
static size_t cursor_copy(struct chunk_cursor cursor, size_t len, uint8_t *to);
static enum tp_result cursor_share(struct chunk_cursor *cursor, size_t len, struct tp_chain *to);

enum tp_result
tp_http_chunks_read(const struct tp_chain *input, size_t limit, struct tp_http_chunks *chunks,
                    struct tp_http_fault *fault)
{
    struct chunk_cursor cursor = cursor_at(input, chunks->at);
    enum tp_result result;

    *fault = (struct tp_http_fault){ 0, "" };
    do {
        result = chunk_read(&cursor, limit - chunks->at, chunks, fault);
    } while (result == TP_OK && cursor.left > 0);
    if (result == TP_NOT_FOUND) {
        result = chunk_read_trailer(input, input->len - cursor.left, chunks, fault);
        if (result == TP_OK && chunks->at > limit) {
            return chunk_fail(fault, TP_TOO_LARGE, "the body is longer than a packet may be");
        }
        return result;
    }
    return result == TP_OK ? TP_AGAIN : result;
}

enum tp_result
tp_http_chunks_gather(const struct tp_chain *input, size_t begin,
                      const struct tp_http_chunks *chunks, struct tp_buf_pool *pool,
                      struct tp_chain *body)
{
    struct chunk_cursor cursor = cursor_at(input, begin);
    bool is_copied = chunks->len < chunks->count * CHUNK_SHARED_MIN;
    struct tp_buf *copy = is_copied ? tp_buf_make(pool, chunks->len) : NULL;
    enum tp_result result = is_copied && copy == NULL ? TP_NO_MEMORY : TP_OK;
    size_t copied = 0;

    for (size_t i = 0; i < chunks->count && result == TP_OK; i++) {
        struct tp_http_fault fault;
        size_t line_len;
        size_t data_len;

        result = chunk_read_line(&cursor, &line_len, &data_len, &fault);
        TP_ASSERT(result == TP_OK && data_len <= chunks->len);
        cursor_skip(&cursor, line_len);
        if (is_copied) {
            TP_ASSERT(copied + data_len <= chunks->len);
            copied += cursor_copy(cursor, data_len, copy->bytes + copied);
            cursor_skip(&cursor, data_len);
        } else {
            result = cursor_share(&cursor, data_len, body);
        }
        cursor_skip(&cursor, LINE_END_LEN);
    }
    if (is_copied && result == TP_OK) {
        pool->bytes_copied += copied;
        return tp_chain_append(body, (struct tp_slice){ copy, copy->bytes, copied });
    }
    if (result != TP_OK) {
        tp_chain_clear(body);
    }
    return result;
}

/* Reads one whole chunk; TP_NOT_FOUND: it was the last, and the cursor is behind its line. */
static enum tp_result
chunk_read(struct chunk_cursor *cursor, size_t room, struct tp_http_chunks *chunks,
           struct tp_http_fault *fault)
{
    size_t line_len;
    size_t data_len;
    enum tp_result result = chunk_read_line(cursor, &line_len, &data_len, fault);

    if (result != TP_OK) {
        return result;
    }
    size_t whole_len = line_len + data_len + LINE_END_LEN;
    uint8_t line_end[LINE_END_LEN];

    if (whole_len > room) {
        return chunk_fail(fault, TP_TOO_LARGE, "the body is longer than a packet may be");
    }
    if (data_len == 0) {
        cursor_skip(cursor, line_len);
        return TP_NOT_FOUND;
    }
    if (cursor->left < whole_len) {
        return TP_AGAIN;
    }
    cursor_skip(cursor, line_len + data_len);
    cursor_copy(*cursor, sizeof(line_end), line_end);
    if (line_end[0] != '\r' || line_end[1] != '\n') {
        return chunk_fail(fault, TP_INVALID, "a chunk is longer than it says");
    }
    cursor_skip(cursor, LINE_END_LEN);
    chunks->at += whole_len;
    chunks->len += data_len;
    chunks->count++;
    return TP_OK;
}

/* Reads the line of a size: 1*HEXDIG, extensions, CR LF. */
static enum tp_result
chunk_read_line(const struct chunk_cursor *cursor, size_t *line_len, size_t *data_len,
                struct tp_http_fault *fault)
{
    uint8_t bytes[CHUNK_LINE_MAX];
    size_t len =
        cursor_copy(*cursor, cursor->left < sizeof(bytes) ? cursor->left : sizeof(bytes), bytes);
    const uint8_t *end = memchr(bytes, '\n', len);

    if (end == NULL) {
        return len < sizeof(bytes)
                   ? TP_AGAIN
                   : chunk_fail(fault, TP_INVALID, "the line of a chunk's size is too long");
    }
    *line_len = (size_t) (end - bytes) + 1;
    if (*line_len < LINE_END_LEN || end[-1] != '\r') {
        return chunk_fail(fault, TP_INVALID, "a chunk's size does not end in CR LF");
    }
    struct tp_str line = { (const char *) bytes, *line_len - LINE_END_LEN };

    if (!chunk_read_size(&line, data_len) || (line.len > 0 && line.data[0] != ';')
        || !tp_http_is_value(line)) {
        return chunk_fail(fault, TP_INVALID, "a chunk's size is malformed");
    }
    return TP_OK;
}

/* Takes the digits off the line. */
static bool
chunk_read_size(struct tp_str *line, size_t *size)
{
    size_t digit_count = 0;

    *size = 0;
    while (line->len > 0 && tp__str_hex_digit(line->data[0]) >= 0) {
        *size = *size << 4 | (size_t) tp__str_hex_digit(line->data[0]);
        *line = tp__str_skip(*line, 1);
        if (++digit_count > CHUNK_DIGITS_MAX) {
            return false;
        }
    }
    return digit_count > 0;
}

/* What stands behind the last chunk: an empty line, or fields and an empty line. */
static enum tp_result
chunk_read_trailer(const struct tp_chain *input, size_t begin, struct tp_http_chunks *chunks,
                   struct tp_http_fault *fault)
{
    uint8_t scratch[TRAILER_BYTES_MAX];
    size_t there = input->len - begin;
    size_t len = there < sizeof(scratch) ? there : sizeof(scratch);
    struct tp_str bytes = { (const char *) tp_chain_peek(input, begin, len, scratch), len };
    enum tp_result result = chunk_find_trailer_end(bytes, &len);

    if (result == TP_AGAIN && there >= sizeof(scratch)) {
        return chunk_fail(fault, TP_TOO_LARGE, "too much stands behind the last chunk");
    }
    if (result == TP_AGAIN) {
        return TP_AGAIN;
    }
    bytes.len = len;
    if (result != TP_OK || !tp_http_fields_check(bytes, TRAILER_FIELDS_MAX, fault)) {
        return chunk_fail(fault, TP_INVALID, "what stands behind the last chunk is malformed");
    }
    chunks->at = begin + len;
    return TP_OK;
}

static enum tp_result
chunk_find_trailer_end(struct tp_str bytes, size_t *len)
{
    size_t line_begin = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] == '\n') {
            if (i == line_begin || bytes.data[i - 1] != '\r') {
                return TP_INVALID;
            }
            if (i == line_begin + 1) {
                *len = i + 1;
                return TP_OK;
            }
            line_begin = i + 1;
        }
    }
    return TP_AGAIN;
}

static enum tp_result
chunk_fail(struct tp_http_fault *fault, enum tp_result result, const char *why)
{
    *fault = (struct tp_http_fault){ result == TP_TOO_LARGE ? 413 : 400, why };
    return result;
}

static struct chunk_cursor
cursor_at(const struct tp_chain *chain, size_t offset)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(chain, &count);
    struct chunk_cursor cursor = { .slice = slices, .end = slices + count, .left = chain->len };

    cursor_skip(&cursor, offset);
    return cursor;
}

static void
cursor_skip(struct chunk_cursor *cursor, size_t len)
{
    TP_ASSERT(len <= cursor->left);
    cursor->left -= len;
    cursor->offset += len;
    while (cursor->slice != cursor->end && cursor->offset >= cursor->slice->len) {
        cursor->offset -= cursor->slice->len;
        cursor->slice++;
    }
}

/* Copies what must be there, and returns how much that is. */
static size_t
cursor_copy(struct chunk_cursor cursor, size_t len, uint8_t *to)
{
    size_t copied = 0;

    TP_ASSERT(len <= cursor.left);
    while (copied < len) {
        size_t there = cursor.slice->len - cursor.offset;
        size_t taken = there < len - copied ? there : len - copied;

        memcpy(to + copied, cursor.slice->data + cursor.offset, taken);
        copied += taken;
        cursor_skip(&cursor, taken);
    }
    return copied;
}

static enum tp_result
cursor_share(struct chunk_cursor *cursor, size_t len, struct tp_chain *to)
{
    enum tp_result result = TP_OK;

    while (len > 0 && result == TP_OK) {
        size_t there = cursor->slice->len - cursor->offset;
        size_t taken = there < len ? there : len;

        tp_buf_acquire(cursor->slice->buf);
        result =
            tp_chain_append(to, (struct tp_slice){ cursor->slice->buf,
                                                   cursor->slice->data + cursor->offset, taken });
        cursor_skip(cursor, taken);
        len -= taken;
    }
    return result;
}
