/*
 * session/dial.h - sessions that this end connects, and connects again.
 */
#ifndef TP_SESSION_DIAL_H
#define TP_SESSION_DIAL_H

#include "session/session.h"

/*
 * A session that begins to connect, and exists until it ends for good.  TP_INVALID: the target is
 * none; TP_NO_MEMORY.
 */
enum tp_result tp__session_dial(struct tp_sessions *sessions, const struct tp_source *source,
                                uint64_t number, const struct tp_dialing *dialing,
                                struct tp_session **session) TP_MUST_CHECK;

/* Has connecting it failed since it was last connected? */
bool tp__session_dial_has_failed(const struct tp_session *session);

#endif
