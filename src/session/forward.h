/*
 * session/forward.h - a request of one session passed on by another, as it came: neither decoded
 * nor inflated, unless the other protocol cannot say it so.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_SESSION_FORWARD_H
#define TP_SESSION_FORWARD_H

#include "session/session.h"

/* What came of the last try to pass an exchange on: for $upstream_addr and the like. */
struct tp_passed {
    uint32_t try_count;
    int32_t status;      /* what was answered, or why nothing was; 0: nothing is (a PUSH) */
    int64_t duration_us; /* of this try */
    struct tp_str place;
};

/* How it is passed on. */
struct tp_forwarding {
    struct tp_str uri;       /* instead of its own; empty: that */
    struct tp_str plain_uri; /* …where the session's protocol has no metadata; empty: `uri` */
    struct tp_str metadata;  /* the same, with has_metadata */
    bool has_metadata;
    bool is_pull; /* a PUSH goes as a PULL: the protocol has nothing else */
    struct tp_asking asking;
};

/*
 * Asks or tells on `session` what `exchange`, which its handler has kept or is being given, asks
 * or tells.  The exchange stays as it was, so that it may be passed on again.  A PULL ends with
 * asking.on_reply, which is given the REPLY as it came; results as tp__session_ask().
 *
 * What leaves at the end of this turn is not copied before: then the exchange stays in what it
 * was read into.  asking.on_sent, which a PULL must have for that, ends the loan.
 */
enum tp_result tp__session_forward(struct tp_session *session, struct tp_exchange *exchange,
                                   const struct tp_forwarding *forwarding) TP_MUST_CHECK;

/* Does the line that the exchange will have in the access log say what came of passing it on? */
bool tp__exchange_tells_passed(const struct tp_exchange *exchange);

/* Keeps a copy for that line, instead of the one before; without memory it says nothing. */
void tp__exchange_note_passed(struct tp_exchange *exchange, const struct tp_passed *passed);

/* What whoever has asked is told when a result comes of it. */
struct tp_status tp__status_of_result(enum tp_result result);

/*
 * Did the request say this when it came: as metadata, or as an argument of its uri, whichever its
 * protocol has?
 */
bool tp__exchange_came_with(const struct tp_exchange *exchange, struct tp_str name,
                            struct tp_str value);

/* The same for a request that another worker has, whose texts are borrowed; its body is shared. */
enum tp_result tp__session_forward_packet(struct tp_session *session,
                                          const struct tp_packet *request,
                                          const struct tp_forwarding *forwarding) TP_MUST_CHECK;

/*
 * As tp__session_forward() on a session of another worker.  The answer, which is told as by
 * tp_remote_pull(), is for tp__exchange_finish_forwarded(); a PUSH has none.
 */
enum tp_result tp__remote_forward(struct tp_sessions *home, uint64_t session_number,
                                  struct tp_exchange *exchange,
                                  const struct tp_forwarding *forwarding, tp_remote_fn on_end,
                                  void *owner) TP_MUST_CHECK;

/*
 * Moves a small request out of what it was read into: to a buffer of its own, which packets may share,
 * or to the exchange itself.  TP_NO_MEMORY: it stays where it is, and nothing is lost.
 */
enum tp_result tp__exchange_detach(struct tp_exchange *exchange, bool is_shared) TP_MUST_CHECK;

/*
 * What was lent was sent, or comes back: what is needed yet moves out of what it was read into.
 * Without the body it cannot be passed on again.
 */
void tp__exchange_end_loan(struct tp_exchange *exchange, bool keeps_body);

/*
 * Ends the exchange with a REPLY that one of these has brought: status, metadata and body are
 * moved.  TP_GONE: nobody can be told any more.
 */
enum tp_result tp__exchange_finish_forwarded(struct tp_exchange *exchange,
                                             const struct tp_reply *reply);

#endif
