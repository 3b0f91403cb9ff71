/*
 * teleport/query.h - rows of names and values in one text: "name=value&name=value", with
 * bytes that stand for something else escaped as %XX.  So are a packet's metadata, a query of
 * a uri, and the status of later Teleport protocols.
 *
 * A name may come several times.  A pair without '=' is a name with an empty value; a pair
 * with a broken escape is skipped.
 *
 * Source of the format: WHATWG URL, application/x-www-form-urlencoded; '+' is read as a space
 * and a space is written as %20.
 */
#ifndef TELEPORT_QUERY_H
#define TELEPORT_QUERY_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A pair as it is written, escapes and all; borrowed. */
struct tp_query_pair {
    struct tp_str name;
    struct tp_str value;
};

/* Takes the next pair off `rest`; false when there is none. */
bool tp_query_next(struct tp_str *rest, struct tp_query_pair *pair);

/* The first pair whose name, unescaped, is `name`; false when there is none. */
bool tp_query_find(struct tp_str query, struct tp_str name, struct tp_query_pair *pair);

/* Takes one byte, as it is meant, off `rest`, which is not empty; -1 where an escape is broken. */
int tp_query_take_byte(struct tp_str *rest);

/* Is `written`, unescaped, `text`?  Cases of letters matter. */
bool tp_query_is(struct tp_str written, struct tp_str text);

/*
 * Writes what `written` means to `to`, which has room for written.len bytes and may be where
 * it lies, and returns how many bytes that are; SIZE_MAX where an escape is broken.
 */
size_t tp_query_unescape(struct tp_str written, char *to);

/*
 * Writes what `written` means to `to`, as much as fits in `size` bytes, with a zero behind it,
 * and returns how many bytes it is, whether they fit or not; SIZE_MAX where an escape is broken.
 */
size_t tp_query_read(struct tp_str written, char *to, size_t size);

/* How long `text` is when it is escaped; and writes it so, returning the place behind it. */
size_t tp_query_escaped_len(struct tp_str text);
char *tp_query_escape(struct tp_str text, char *to);

#ifdef __cplusplus
}
#endif

#endif
