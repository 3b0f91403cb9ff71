/*
 * writer.c - a long text, written piece by piece into buffers of a pool.
 *
 * Runs in: the loop's thread that the pool belongs to.
 */
#include <teleport/writer.h>

#include <teleport/json_text.h>

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    WRITER_JSON_PIECE = 512, /* bytes of a string that are escaped at once */
};

static size_t writer_room(const struct tp_writer *writer);
static bool writer_reserve(struct tp_writer *writer, size_t len);
static void writer_flush(struct tp_writer *writer);
static size_t writer_whole_characters(struct tp_str text, size_t len_max);

void
tp_writer_put(struct tp_writer *writer, struct tp_str text)
{
    while (text.len > 0 && writer_reserve(writer, 1)) {
        size_t room = writer_room(writer);
        size_t len = text.len < room ? text.len : room;

        memcpy(writer->buf->bytes + writer->used, text.data, len);
        writer->used += len;
        text = (struct tp_str){ text.data + len, text.len - len };
    }
}

void
tp_writer_printf(struct tp_writer *writer, const char *format, ...)
{
    char text[TP_WRITER_PRINTF_MAX];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    TP_ASSERT(len >= 0);
    if ((size_t) len < sizeof(text)) {
        tp_writer_put(writer, (struct tp_str){ text, (size_t) len });
    } else if (writer->result == TP_OK) {
        writer->result = TP_TOO_LARGE;
    }
}

void
tp_writer_put_utf8(struct tp_writer *writer, struct tp_str text)
{
    size_t valid = 0;

    while (valid < text.len) {
        struct tp_utf8 character =
            tp__utf8_read((struct tp_str){ text.data + valid, text.len - valid });

        if (character.is_valid) {
            valid += character.len;
            continue;
        }
        tp_writer_put(writer, (struct tp_str){ text.data, valid });
        tp_writer_put(writer, TP_STR("\xef\xbf\xbd"));
        valid += character.len;
        text = (struct tp_str){ text.data + valid, text.len - valid };
        valid = 0;
    }
    tp_writer_put(writer, text);
}

void
tp_writer_put_json_string(struct tp_writer *writer, struct tp_str text)
{
    tp_writer_put(writer, TP_STR("\""));
    while (text.len > 0) {
        struct tp_str piece = { text.data, writer_whole_characters(text, WRITER_JSON_PIECE) };

        if (!writer_reserve(writer, tp_json_text_max(piece))) {
            return;
        }
        uint8_t *begin = writer->buf->bytes + writer->used;
        uint8_t *end = tp_json_text_write(piece, begin);

        /* Each piece comes with quotes of its own. */
        memmove(begin, begin + 1, (size_t) (end - begin) - 2);
        writer->used += (size_t) (end - begin) - 2;
        text = (struct tp_str){ text.data + piece.len, text.len - piece.len };
    }
    tp_writer_put(writer, TP_STR("\""));
}

void
tp_writer_put_chain(struct tp_writer *writer, const struct tp_chain *chain)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(chain, &count);

    for (size_t i = 0; i < count; i++) {
        tp_writer_put(writer, (struct tp_str){ (const char *) slices[i].data, slices[i].len });
    }
}

enum tp_result
tp_writer_end(struct tp_writer *writer)
{
    writer_flush(writer);
    return writer->result;
}

static size_t
writer_room(const struct tp_writer *writer)
{
    return writer->buf == NULL ? 0 : writer->buf->capacity - writer->used;
}

/* Makes room for `len` bytes in one piece; false where memory is out. */
static bool
writer_reserve(struct tp_writer *writer, size_t len)
{
    if (writer_room(writer) >= len) {
        return true;
    }
    writer_flush(writer);
    if (writer->result == TP_OK) {
        writer->buf = tp_buf_make(writer->pool, len < TP_BUF_STANDARD ? TP_BUF_STANDARD : len);
        writer->result = writer->buf == NULL ? TP_NO_MEMORY : TP_OK;
    }
    return writer->result == TP_OK;
}

/* Gives the chain what is written, and lets go of the buffer. */
static void
writer_flush(struct tp_writer *writer)
{
    struct tp_buf *buf = writer->buf;

    writer->buf = NULL;
    if (buf != NULL) {
        enum tp_result result =
            tp_chain_append(writer->to, (struct tp_slice){ buf, buf->bytes, writer->used });

        writer->result = writer->result == TP_OK ? result : writer->result;
    }
    writer->used = 0;
}

/* How many bytes, at most so many, end with a character: those that go on one begin 10xxxxxx. */
static size_t
writer_whole_characters(struct tp_str text, size_t len_max)
{
    if (text.len <= len_max) {
        return text.len;
    }
    for (size_t len = len_max; len > len_max - TP_UTF8_BYTES_MAX; len--) {
        if (((uint8_t) text.data[len] & 0xc0) != 0x80) {
            return len;
        }
    }
    return len_max;
}
