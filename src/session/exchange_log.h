/*
 * session/exchange_log.h - what is logged of exchanges: a line for each in the access log, a
 * warning of slow ones, and what the packets say.
 */
#ifndef TP_SESSION_EXCHANGE_LOG_H
#define TP_SESSION_EXCHANGE_LOG_H

#include <teleport/handler.h>

#include "session/access_file.h"

enum {
    TP_ACCESS_TEXTS_MAX = 8 * 1024, /* of a line: all that others sent together, escaped */
};

/* What a server, or one of its routes, wants; all zeros is nothing. */
struct tp_exchange_logging {
    struct tp_access_file *access_file; /* NULL: none */
    struct tp_template access_format;
    struct tp_msec slow_threshold; /* 0: none */
    bool logs_bodies;
    struct tp_size body_limit; /* of what is shown of a body */
};

/* True when somebody wants to know how long exchanges take. */
static inline bool
tp__exchange_logging_is_timed(const struct tp_exchange_logging *logging)
{
    return logging->access_file != NULL || logging->slow_threshold.ms != 0;
}

/* Sees to it that the access file, if there is one, has room for this format's lines. */
void tp__exchange_logging_fit(const struct tp_exchange_logging *logging);

/* Its request has come and its route, if it has one, is known. */
void tp__exchange_log_begin(struct tp_exchange *exchange);

/* The packet of one of ours was encoded. */
void tp__exchange_log_sent(const struct tp_exchange *exchange);

/* It ends: it was answered, or will never be. */
void tp__exchange_log_end(struct tp_exchange *exchange);

/* True when it has taken as long as slow_threshold says. */
bool tp__exchange_is_slow(const struct tp_exchange *exchange);

#endif
