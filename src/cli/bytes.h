/*
 * cli/bytes.h - bytes that grow up to a bound: bodies from files, from pipes.
 */
#ifndef TP_CLI_BYTES_H
#define TP_CLI_BYTES_H

#include <teleport/base.h>

/* All zeros are none. */
struct tp_bytes {
    char *data;
    size_t len;
    size_t capacity;
};

static inline struct tp_str
tp__bytes_str(const struct tp_bytes *bytes)
{
    return (struct tp_str){ bytes->data == NULL ? "" : bytes->data, bytes->len };
}

void tp__bytes_fini(struct tp_bytes *bytes);

/* Appends; TP_TOO_LARGE: they would be more than `max`; TP_NO_MEMORY. */
enum tp_result tp__bytes_append(struct tp_bytes *bytes, struct tp_str more,
                                size_t max) TP_MUST_CHECK;

/* Appends what is in a file; "-" is standard input.  TP_SYSTEM: errno says why. */
enum tp_result tp__bytes_read_file(struct tp_bytes *bytes, const char *path,
                                   size_t max) TP_MUST_CHECK;

/*
 * Appends a BODY of the command line: itself, @FILE, or - for standard input; NULL is empty.
 */
enum tp_result tp__bytes_read_body(struct tp_bytes *bytes, const char *body,
                                   size_t max) TP_MUST_CHECK;

#endif
