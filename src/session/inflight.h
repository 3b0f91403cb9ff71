/*
 * session/inflight.h - the exchanges of a session that have not ended, described.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_SESSION_INFLIGHT_H
#define TP_SESSION_INFLIGHT_H

#include "session/session.h"

enum {
    TP_EXCHANGE_URI_SHOWN_MAX = 4 * TP_EXCHANGE_URI_MAX, /* escaped */
};

/* `exchange` is good for the length of the call. */
typedef void (*tp_exchange_visit_fn)(const struct tp_exchange *exchange, void *owner);

/* Visits what the other end has asked, and what is to be sent or was asked by us. */
void tp__session_each_exchange(const struct tp_session *session, tp_exchange_visit_fn visit,
                               void *owner);

/* Visits those that handlers or hooks have still: their session has ended, or waits no more for them. */
void tp__sessions_each_orphan(const struct tp_sessions *sessions, tp_exchange_visit_fn visit,
                              void *owner);

/* Known still when its session has ended. */
uint64_t tp__exchange_session_number(const struct tp_exchange *exchange);

/* When it began, of CLOCK_MONOTONIC; and does the path of its uri, as it came, begin so? */
int64_t tp__exchange_begun_us(const struct tp_exchange *exchange);
bool tp__exchange_uri_begins(const struct tp_exchange *exchange, struct tp_str prefix);

/*
 * Fills a row, with its age at `now_us`; its texts are borrowed until the end of the turn, but for
 * the uri, which is written to `uri` as it may be shown: escaped, and without secrets.
 */
void tp__exchange_describe(const struct tp_exchange *exchange, int64_t now_us,
                           struct tp_exchange_row *row, char uri[TP_EXCHANGE_URI_SHOWN_MAX]);

#endif
