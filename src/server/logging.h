/*
 * server/logging.h - what a server, or one of its routes, wants to be logged of exchanges.
 *
 * Read next: session/exchange_log.h, which does it.
 */
#ifndef TP_SERVER_LOGGING_H
#define TP_SERVER_LOGGING_H

#include <teleport/handler.h>

#include "server/access_file.h"

struct tp_exchange_counts;

enum {
    TP_ACCESS_TEXTS_MAX = 8 * 1024, /* of a line: all that others sent together, escaped */
};

/* What a server, or one of its routes, wants; all zeros is nothing. */
struct tp_exchange_logging {
    struct tp_access_file *access_file; /* NULL: none */
    struct tp_template access_format;
    size_t access_front; /* so many first parts of the format are a struct tp_access_front */
    struct tp_msec slow_threshold; /* 0: none */
    bool logs_bodies;
    bool tells_passed;                 /* the format has one of $upstream_addr and the like */
    struct tp_size body_limit;         /* of what is shown of a body */
    struct tp_exchange_counts *counts; /* of this route, or of what has none; NULL: nobody counts */
};

/* True when somebody wants to know how long exchanges take. */
static inline bool
tp__exchange_logging_is_timed(const struct tp_exchange_logging *logging)
{
    return logging->access_file != NULL || logging->slow_threshold.ms != 0
           || logging->counts != NULL;
}

#endif
