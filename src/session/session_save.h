/*
 * session/session_save.h - sessions that move to another process: of another worker, or of
 * another version.
 *
 *     here                                         there
 *     tp__session_save(session, &saved)
 *     the bytes and tp__session_fd(session)  --->  tp__session_restore(…, fd, bytes)
 *     tp__session_close(&session, TP_CLOSE_MOVED)
 *
 * The connection has both ends of it meanwhile, so between saving and closing the loop must
 * not turn here.  The other end of the connection notices nothing.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_SESSION_SESSION_SAVE_H
#define TP_SESSION_SESSION_SAVE_H

#include "session/session.h"

/* Who takes sessions in; `log` tells of those that cannot be. */
struct tp_session_receiver {
    /* The listen of this name in the configuration in force; NULL when it has none. */
    const struct tp_source *(*find_source)(void *owner, const char *name);
    void *owner;
    const struct tp_log *log;
};

/*
 * Appends all of the session to `saved`.  Call it between turns' work, not from a handler.
 * TP_UNSUPPORTED: the state of TLS cannot be taken along; the session is as it was.  Else, unless
 * TP_OK is returned, the session cannot move, and replies may be lost: close it.
 */
enum tp_result tp__session_save(struct tp_session *session, struct tp_chain *saved) TP_MUST_CHECK;

/* The descriptor of its connection, borrowed: SCM_RIGHTS sends a copy. */
int tp__session_fd(const struct tp_session *session);

/*
 * Makes the session anew of the connection `fd`, which is owned from here on, and of what
 * tp__session_save() has given.  It goes on in the next turn.  Unless TP_OK is returned the
 * connection is closed, and the log names the reason: TP_INVALID (the bytes), TP_MISMATCH
 * (another version, or protocol), TP_NOT_FOUND (no such listen), TP_NO_MEMORY.
 */
enum tp_result tp__session_restore(struct tp_sessions *sessions,
                                   const struct tp_session_receiver *receiver, int fd,
                                   struct tp_str saved) TP_MUST_CHECK;

#endif
