/*
 * session/trace.h - exchanges that somebody watches: what is noted of them from their begin to their
 * end.  teleport/trace.h says what becomes of that.
 *
 * An exchange that nobody watches has no record, so that all there is to do for it is to find that out.
 *
 * Threads: the worker's loop.
 * Read next: trace.c.
 */
#ifndef TP_SESSION_TRACE_H
#define TP_SESSION_TRACE_H

#include <teleport/trace.h>

struct tp_packet;
struct tp_tracer;
struct tp_trace_record;

/* When something happened to an exchange; each counts once, the first time unless it says otherwise. */
enum tp_trace_moment {
    TP_TRACED_HANDLED,  /* its handler is called */
    TP_TRACED_PASSED,   /* it is passed on */
    TP_TRACED_QUEUED,   /* its packet goes to the send queue, after it had to wait */
    TP_TRACED_SENT,     /* the packet of ours was encoded */
    TP_TRACED_ANSWERED, /* the REPLY to a PULL of ours has come */
    TP_TRACED_MOMENTS
};

/* Somebody watches: does he watch this one, which begins? */
void tp__trace_begin(struct tp_exchange *exchange);

/* Of an exchange with a record: this happens now. */
void tp__trace_note(struct tp_exchange *exchange, enum tp_trace_moment moment);

/* …its REPLY has come: what is to be shown of it may be another's soon. */
void tp__trace_keep_reply(struct tp_exchange *exchange);

/* …it ends, and is shown to those who watch it; or is forgotten, because it goes on elsewhere. */
void tp__trace_end(struct tp_exchange *exchange);
void tp__trace_drop(struct tp_exchange *exchange);

/* Does this pattern, as teleport/trace.h describes it, match the uri as it is on the wire? */
bool tp__trace_uri_matches(struct tp_str pattern, struct tp_str uri);

#endif
