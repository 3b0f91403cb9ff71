/*
 * session/exchange_crash.h - for the moment in which a worker crashes: which exchange it was
 * serving, and a last answer to who waits for it.
 *
 * Both may be called in a signal handler: they take no lock and ask for no memory.
 */
#ifndef TP_SESSION_EXCHANGE_CRASH_H
#define TP_SESSION_EXCHANGE_CRASH_H

#include "session/session.h"

/* An exchange whose handler is running; all borrowed. */
struct tp_exchange_trace {
    const char *type; /* "PULL" */
    const char *handler;
    struct tp_str uri;
    uint64_t seq;
    uint64_t session_number;
};

/* Buffers that the answer will need; before anything has crashed. */
enum tp_result tp__exchange_prepare_crash(struct tp_sessions *sessions) TP_MUST_CHECK;

/* False when no handler is running. */
bool tp__exchange_trace(const struct tp_sessions *sessions, struct tp_exchange_trace *trace);

/*
 * Answers the PULL whose handler is running with status 500, directly on its connection.
 * TP_NOT_FOUND: there is none; TP_IN_USE: a packet has left its session in part, so that
 * nothing can be said behind it; TP_TOO_LARGE: its uri is too long for what was prepared;
 * others: it could not be sent.
 */
enum tp_result tp__exchange_answer_crash(struct tp_sessions *sessions) TP_MUST_CHECK;

#endif
