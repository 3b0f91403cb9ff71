/*
 * session/counting.h - what is counted of sessions and exchanges, for statistics.
 *
 * Where nobody counts, in a program or with `statistics off`, all pointers to counts are NULL.
 *
 * Threads: the loop's.
 */
#ifndef TP_SESSION_COUNTING_H
#define TP_SESSION_COUNTING_H

#include "metrics/stats.h"
#include "session/record.h"

/* An exchange has begun: for others its route is known, ours is to be sent. */
static inline void
tp__exchange_count_begin(struct tp_exchange *exchange, struct tp_exchange_counts *counts)
{
    exchange->counts = counts;
    if (counts != NULL) {
        tp__count_add(&counts->in_flight, 1);
    }
}

/* It ends.  Does nothing for one that has not begun, or that nobody counts. */
void tp__exchange_count_end(struct tp_exchange *exchange);

/*
 * The session belongs to this source, and speaks this protocol, from here on; counts there what it
 * carries, and that it has begun there, unless that is where it has been.  A session that is not
 * connected is counted nowhere.
 */
void tp__session_count_in(struct tp_session *session);
void tp__session_count_out(struct tp_session *session);

/* It has ended, or has lost its connection, so. */
void tp__session_count_close(const struct tp_session *session, enum tp_close_reason reason);

static inline void
tp__session_count_received(struct tp_session *session, size_t bytes)
{
    session->received_bytes += bytes;
    if (session->traffic != NULL) {
        tp__count_add(&session->traffic->received_bytes, bytes);
    }
}

static inline void
tp__session_count_sent(struct tp_session *session, size_t bytes)
{
    session->sent_bytes += bytes;
    if (session->traffic != NULL) {
        tp__count_add(&session->traffic->sent_bytes, bytes);
    }
}

/* A whole packet came, whatever becomes of it; and one has left, or waits in `unsent`. */
static inline void
tp__session_count_received_packet(struct tp_session *session)
{
    session->received_count++;
    if (session->traffic != NULL) {
        tp__count_add(&session->traffic->received_packets, 1);
    }
}

static inline void
tp__session_count_sent_packet(struct tp_session *session)
{
    session->sent_count++;
    if (session->traffic != NULL) {
        tp__count_add(&session->traffic->sent_packets, 1);
    }
}

#endif
