/*
 * session/forward.h - a request of one session passed on by another, as it came: neither decoded
 * nor inflated, unless the other protocol cannot say it so.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_SESSION_FORWARD_H
#define TP_SESSION_FORWARD_H

#include "session/session.h"

/* How it is passed on. */
struct tp_forwarding {
    struct tp_str uri;      /* instead of its own; empty: that */
    struct tp_str metadata; /* the same, with has_metadata */
    bool has_metadata;
    bool is_pull; /* a PUSH goes as a PULL: the protocol has nothing else */
    struct tp_asking asking;
};

/*
 * Asks or tells on `session` what `exchange`, which its handler has kept or is being given, asks
 * or tells.  The exchange stays as it was, so that it may be passed on again.  A PULL ends with
 * asking.on_reply, which is given the REPLY as it came; results as tp__session_ask().
 */
enum tp_result tp__session_forward(struct tp_session *session, struct tp_exchange *exchange,
                                   const struct tp_forwarding *forwarding) TP_MUST_CHECK;

/*
 * Ends the exchange with a REPLY that tp__session_forward() has brought: status, metadata and body
 * are moved.  TP_GONE: nobody can be told any more.
 */
enum tp_result tp__exchange_finish_forwarded(struct tp_exchange *exchange,
                                             const struct tp_reply *reply);

#endif
