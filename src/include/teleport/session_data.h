/*
 * teleport/session_data.h - what a module keeps of each session, and when it wants to look at
 * one again.
 *
 * The data is a plain struct beside the session's record; a session of which a module keeps
 * nothing pays nothing.  It ends with the session, and goes along when that moves to another
 * process, so a module that keeps any says how it is saved.
 *
 * Threads: the loop's that the session belongs to.
 */
#ifndef TELEPORT_SESSION_DATA_H
#define TELEPORT_SESSION_DATA_H

#include <teleport/bytes.h>
#include <teleport/session.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_module;

/* How a module keeps it: a part of its descriptor. */
struct tp_session_keeping {
    size_t size; /* of the struct; 0: it keeps nothing */

    /* The time has come that tp_session_wake() has set; `conf` is that of the session's server. */
    void (*on_time)(struct tp_session *session, void *data, const void *conf);

    /*
     * The session has another conf from here on, as a reload has brought it, whether the module keeps
     * anything of the session or not; NULL: that is no matter.
     */
    void (*on_conf)(struct tp_session *session, const void *conf);

    /*
     * Who the session is has just changed: tp_session_identity() says it.  Comes from within
     * tp_session_identify(), whether the module keeps anything of the session or not, and not for
     * identities of exchanges.  Whom the module does not want it ends, with tp_session_end(); who
     * has identified it is told so.  NULL: that is no matter.
     */
    void (*on_identity)(struct tp_session *session, const void *conf);

    /*
     * It has come from another process, with its identity and what `restore` has read; NULL: that
     * is no matter.
     */
    void (*on_restored)(struct tp_session *session, void *data, const void *conf);

    /* Lets go of what the struct holds besides; NULL: nothing. */
    void (*end)(void *data);

    /*
     * Appends it to `saved` as bytes that a later version still understands, and reads them into a
     * zeroed one.  TP_NO_MEMORY; TP_INVALID when the bytes are not understood: it is forgotten.
     */
    enum tp_result (*save)(const void *data, struct tp_buf_pool *pool, struct tp_chain *saved);
    enum tp_result (*restore)(void *data, struct tp_str saved);
};

/* What `module` keeps of the session, borrowed; NULL: nothing yet. */
void *tp_session_data_get(const struct tp_session *session, const struct tp_module *module);

/* The same, and all zeros where there was nothing; NULL: memory is out. */
void *tp_session_data_make(struct tp_session *session, const struct tp_module *module);

/*
 * The conf that `module`, which keeps something of sessions, has in the session's server: after a
 * reload the new one's.  Good until the next turn; NULL: it has none.
 */
const void *tp_session_conf(const struct tp_session *session, const struct tp_module *module);

/*
 * Lets on_time be called once, `delay` from now, instead of when it was set to before; 0 ms: not at
 * all.  Only where `module` keeps something of the session.
 */
void tp_session_wake(struct tp_session *session, const struct tp_module *module,
                     struct tp_msec delay);

/* The time of the loop's turn: CLOCK_MONOTONIC. */
int64_t tp_session_now_ms(const struct tp_session *session);
int64_t tp_session_now_us(const struct tp_session *session);

/*
 * When bytes last came from the other end: now, while it is not read from because it has asked too
 * much or takes too little, since then nobody knows; and when bytes of ours last left.
 */
int64_t tp_session_heard_ms(const struct tp_session *session);
int64_t tp_session_spoken_ms(const struct tp_session *session);

/* What can be said over it, TP_PROTOCOL_…: of its protocol, or of the one it has unless it says another. */
unsigned tp_session_abilities(const struct tp_session *session);

/* A packet and the answer to it took so long: see tp_session_rtt_us(). */
void tp_session_note_rtt(struct tp_session *session, int64_t rtt_us);

/*
 * Asks the other end for a sign of life in the protocol's own way, which no program hears of; the
 * answer is noted like that to a PULL.  TP_UNSUPPORTED: the protocol has none; TP_AGAIN: not yet;
 * TP_GONE: the session is ending, or not connected; TP_NO_MEMORY.
 */
enum tp_result tp_session_ping(struct tp_session *session) TP_MUST_CHECK;

/*
 * The same by a PULL or PUSH (`type`: TP_PACKET_…) of `uri` without a body, for protocols that have no
 * way of their own: it leaves at once, as bytes, and the REPLY to the PULL is waited for by nobody but
 * tp_session_rtt_us().  TP_AGAIN: it has to go the way of other packets, since some wait, or hooks or a
 * log want to see it; TP_GONE, TP_UNSUPPORTED, TP_NO_MEMORY as there; TP_TOO_LARGE.
 */
enum tp_result tp_session_signal(struct tp_session *session, int32_t type, struct tp_str uri,
                                 struct tp_str metadata) TP_MUST_CHECK;

/* Is the last PULL of that kind without its REPLY? */
bool tp_session_awaits_signal(const struct tp_session *session);

#ifdef __cplusplus
}
#endif

#endif
