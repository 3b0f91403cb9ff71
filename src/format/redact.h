/*
 * format/redact.h - texts of others as they may be shown: escaped, without secrets, and bounded.
 */
#ifndef TP_FORMAT_REDACT_H
#define TP_FORMAT_REDACT_H

#include <teleport/base.h>

/*
 * Write what may be shown of a uri, of metadata, and of other texts (which are escaped only), to
 * `to`: at most `room` bytes, which are not terminated.  What is too long ends where there is no
 * room.
 */
struct tp_str tp__redact_uri(struct tp_str uri, char *to, size_t room);
struct tp_str tp__redact_metadata(struct tp_str metadata, char *to, size_t room);
struct tp_str tp__redact_text(struct tp_str text, char *to, size_t room);

#endif
