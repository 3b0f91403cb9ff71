/*
 * session/exchange_log.h - what is logged of exchanges: a line for each in the access log, a
 * warning of slow ones, and what the packets say.
 */
#ifndef TP_SESSION_EXCHANGE_LOG_H
#define TP_SESSION_EXCHANGE_LOG_H

#include <teleport/handler.h>

#include "server/logging.h"

/* Completes what the format says, and sees to it that the access file has room for its lines. */
void tp__exchange_logging_fit(struct tp_exchange_logging *logging);

/* Its request has come and its route, if it has one, is known. */
void tp__exchange_log_begin(struct tp_exchange *exchange);

/* The packet of one of ours was encoded. */
void tp__exchange_log_sent(const struct tp_exchange *exchange);

/* It ends: it was answered, or will never be. */
void tp__exchange_log_end(struct tp_exchange *exchange);

/* True when it has taken as long as slow_threshold says. */
bool tp__exchange_is_slow(const struct tp_exchange *exchange);

#endif
