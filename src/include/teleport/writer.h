/*
 * teleport/writer.h - a long text, written piece by piece into buffers of a pool: reports, pages,
 * what a machine is to read.
 *
 * Running out of memory is remembered instead of reported by each call: write freely, and ask
 * tp_writer_end() once.
 */
#ifndef TELEPORT_WRITER_H
#define TELEPORT_WRITER_H

#include <teleport/bytes.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TP_WRITER_PRINTF_MAX = 4096, /* bytes that one tp_writer_printf() may write */
};

/* Borrows pool and chain; begins with the rest all zeros: { .pool = pool, .to = &body }. */
struct tp_writer {
    struct tp_buf_pool *pool;
    struct tp_chain *to;
    struct tp_buf *buf; /* what is written to, or NULL */
    size_t used;        /* bytes of it */
    enum tp_result result;
};

void tp_writer_put(struct tp_writer *writer, struct tp_str text);
void tp_writer_printf(struct tp_writer *writer, const char *format, ...) TP_PRINTF(2, 3);

/* The same; what is no UTF-8 becomes U+FFFD. */
void tp_writer_put_utf8(struct tp_writer *writer, struct tp_str text);

/* Writes a string of JSON, with its quotes; what is no UTF-8 becomes U+FFFD. */
void tp_writer_put_json_string(struct tp_writer *writer, struct tp_str text);

/* Appends all that a chain has, which stays as it is. */
void tp_writer_put_chain(struct tp_writer *writer, const struct tp_chain *chain);

/*
 * What was written is in the chain then, behind what was there before; the writer may go on.
 * TP_NO_MEMORY; TP_TOO_LARGE: a tp_writer_printf() was.  The chain has the beginning then.
 */
enum tp_result tp_writer_end(struct tp_writer *writer) TP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
