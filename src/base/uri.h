/*
 * base/uri.h - the pieces that uris are made of, as they are written.
 */
#ifndef TP_BASE_URI_H
#define TP_BASE_URI_H

#include <teleport/base.h>

/* Takes a byte, as it is meant, off a text that is not empty; -1 where an escape is broken. */
int tp__uri_take_byte(struct tp_str *rest);

/* Where the host of an absolute uri begins; 0: it is none. */
size_t tp__uri_host_begin(struct tp_str uri);

/* Without scheme and host, and without what is behind the path. */
struct tp_str tp__uri_path(struct tp_str uri);

#endif
