/*
 * session/session.h - the sessions of a worker.
 *
 * A session is one fixed small record.  It belongs to the listening address its
 * connection came in through, and holds that address's configuration until it
 * ends or is moved to a newer one.
 *
 * Threads: the worker's loop.
 */
#ifndef TP_SESSION_SESSION_H
#define TP_SESSION_SESSION_H

#include <teleport/remote.h>

#include "base/buf_pool.h"
#include "base/clock.h"
#include "base/hash_table.h"
#include "event/loop.h"
#include "event/pool.h"
#include "os/thread.h"
#include "packet/filters.h"
#include "packet/output.h"
#include "server/server.h"
#include "session/close_reason.h"
#include "session/home.h"

enum {
    TP_REFUSAL_TEXT_MAX = 64, /* bytes that are kept of a status's text, with a terminator */
};

/* What reaches the sessions of other workers: teleport/remote.h says what each of these does. */
struct tp_forwarding;
struct tp_remote_functions {
    enum tp_result (*find)(void *owner, const struct tp_session_name *name, unsigned *slot);
    enum tp_result (*push)(void *owner, const struct tp_remote_packet *packet, tp_remote_fn on_end,
                           void *end_owner);
    enum tp_result (*pull)(void *owner, const struct tp_remote_packet *packet, tp_remote_fn on_end,
                           void *end_owner);
    enum tp_result (*forward)(void *owner, uint64_t session_number, struct tp_exchange *exchange,
                              const struct tp_forwarding *forwarding, tp_remote_fn on_end,
                              void *end_owner);
    enum tp_result (*close)(void *owner, const struct tp_remote_closing *closing,
                            tp_remote_fn on_end, void *end_owner);
    enum tp_result (*list)(void *owner, const struct tp_session_query *query, tp_page_fn on_page,
                           void *page_owner);
    enum tp_result (*list_exchanges)(void *owner, const struct tp_exchange_query *query,
                                     tp_exchanges_fn on_page, void *page_owner);
};

/* What the owner of a worker's sessions is told; `owner` is given back in each call. */
struct tp_sessions_callbacks {
    void (*on_count_changed)(void *owner);       /* a session began or ended */
    void (*on_bytes)(void *owner, size_t count); /* bytes were read */
    const struct tp_log *(*log)(void *owner);    /* for what is no session's */

    /* A session has begun, or has ended and lost its id already; or NULL. */
    void (*on_begun)(void *owner, const struct tp_session *session);
    void (*on_ended)(void *owner, const struct tp_session *session);

    /* Where there are other workers; or NULL. */
    const struct tp_remote_functions *remote;
    void *remote_owner;

    /*
     * For ids that are unique beyond these sessions, or NULL: `session` wants `id`, which none
     * of them has; what is returned is what tp_session_set_id() says.  And it has it no more.
     */
    enum tp_result (*claim_id)(void *owner, struct tp_session *session, struct tp_str id);
    void (*release_id)(void *owner, struct tp_session *session, struct tp_str id);

    /* Brings these bytes to all other workers, for who listens for `word` there; or NULL. */
    enum tp_result (*tell)(void *owner, struct tp_str word, struct tp_str bytes);
    void *owner;
};

/* How all sessions come to another configuration: see tp__sessions_move(). */
struct tp_sessions_move {
    const struct tp_source *(*find_source)(void *owner, const char *name);
    void (*on_done)(void *owner);
    void *owner;
};

/* The buffer that is read into: its first `used` bytes belong to those who hold it. */
struct tp_read_buf {
    struct tp_buf *buf;
    size_t used;
};

/* The text of the address that was logged last: mostly the next line has the same. */
struct tp_remote_text {
    struct tp_address remote;
    size_t len;
    char text[TP_ADDRESS_TEXT_MAX];
};

/* What TLS has sealed for the session whose turn it is. */
struct tp_sealed {
    struct tp_output output;
    struct tp_tls_sink sink;
    struct tp_timer rest; /* to the desk's next look at who is silent; runs while any is busy */
};

/* What send queues did with packets of ours that they had no room for, and reading waited for. */
struct tp_queue_counts {
    uint64_t refused;  /* packets; also those beyond max_sent_pulls */
    uint64_t dropped;  /* PUSHes */
    uint64_t replaced; /* PUSHes */
    uint64_t closed;   /* sessions */
    uint64_t slow_now; /* sessions whose queue was full and has not been empty since */
    uint64_t pauses;   /* times that reading stopped until something was answered or sent */
};

enum {
    TP_REFUSAL_UNSAID = -1, /* it was not told them: they could not be had */
};

/* Why the other end did not take our credentials, for people. */
struct tp_refusal {
    int32_t code; /* 0: it has said nothing */
    char text[TP_REFUSAL_TEXT_MAX];
};

struct tp_stats;
struct tp_tracer;
struct tp_upstreams;

/* All sessions of a worker, or of a peer of the library. */
struct tp_sessions {
    struct tp_loop *loop;
    struct tp_thread_name thread; /* whose they are */
    struct tp_pool *threads; /* where names are looked up; NULL: only addresses can be dialed */
    struct tp_sessions_callbacks callbacks;
    size_t count;
    uint64_t closed_count;      /* since the worker began */
    enum tp_result dial_result; /* what the last attempt failed with; TP_OK: none did;
                                   TP_MISMATCH: TLS did, and the desk says why */
    struct tp_refusal refusal;  /* …and what became of credentials */
    struct tp_hash_table by_number;
    struct tp_hash_table by_id;
    struct tp_hash_table asked;  /* our PULLs by session and seq */
    struct tp_hash_table latest; /* our PUSHes that wait, by session and uri: see send_queue.c */
    struct tp_queue_counts queues;
    struct tp_list_node orphans; /* exchanges that handlers have kept and sessions have left */
    struct tp_list_node members;
    struct tp_list_node unmoved; /* members that the move under way has not come to yet */
    struct tp_sessions_move move;
    struct tp_work move_work;
    struct tp_list_node walks; /* see session/walk.h */

    /* Shared by all members, which take turns: what they keep, they hold. */
    struct tp_buf_pool pool;
    struct tp_read_buf read_buf;
    struct tp_output output;
    struct tp_session *encoded_for; /* whose packets wait in `output` to be written; or NULL */
    struct tp_sealed sealed;
    struct tp_tls_desk desk;
    struct tp_filters filters; /* with the states that all members share */
    struct tp_clock_texts clock_texts;
    unsigned worker_slot;        /* for logs */
    unsigned callout_count;      /* hooks and callbacks on the stack, which must not wait */
    struct tp_exchange *running; /* whose handler is being called: for a crash's report */
    struct tp_remote_text remote_text;
    struct tp_list_node free_exchanges;
    size_t free_exchange_count;
    struct tp_stats *stats;   /* where they are counted; NULL: nowhere */
    struct tp_tracer *tracer; /* who watches exchanges; NULL: nobody does */
    uint64_t trace_serial;    /* of the last one who did */
    size_t trace_record_count;
    struct tp_upstreams *upstreams; /* where exchanges can be passed on to; NULL: nowhere */
    struct tp_home home; /* what modules and other parts of the server have of their worker */
};

void tp__sessions_init(struct tp_sessions *sessions, struct tp_loop *loop,
                       const struct tp_sessions_callbacks *callbacks, struct tp_size memory);

/* From here on they have these modules: makes the states of their filters, which all share. */
enum tp_result tp__sessions_use_modules(struct tp_sessions *sessions,
                                        const struct tp_module_list *modules) TP_MUST_CHECK;

/* Closes all sessions and frees what they shared. */
void tp__sessions_fini(struct tp_sessions *sessions);

/*
 * Makes a session of the connection `fd`, which it owns from here on, runs the
 * hooks, and starts reading.  TP_OK: there is a session; TP_DENIED: a hook refused
 * it; others: it could not be had, and the connection is closed.
 */
enum tp_result tp__session_start(struct tp_sessions *sessions, const struct tp_source *source,
                                 uint64_t number, int fd,
                                 const struct tp_address *remote) TP_MUST_CHECK;

/* The answer to a PULL of ours. */
struct tp_reply {
    struct tp_status status;
    struct tp_str metadata;
    struct tp_str body;
    uint8_t body_codec;
    bool is_answered;         /* the other end has said it; else it is what became of the PULL */
    bool was_sent;            /* then: may the other end have begun with it? */
    struct tp_packet *packet; /* as it came, where that was wanted, and `body` is empty; or NULL */

    /* Of one that was wanted so and has come from another worker: `body` is as it came there. */
    int32_t gzip_level;
    bool has_body_codec;
};

/* What a PULL of ours ends with, and how long it may take; a PUSH has none of it. */
struct tp_asking {
    tp_reply_fn on_reply;         /* called once, if the packet was taken as TP_OK says */
    void (*on_sent)(void *owner); /* before that, when its packet was encoded; or NULL */
    void *owner;
    struct tp_msec timeout; /* 0: pull_timeout */
    bool fails_at_once;     /* does not wait for a connection */
    bool is_early;          /* does not wait until the session has been greeted */
    bool always_fits;       /* a full queue takes it, too */
    bool wants_packet;      /* the REPLY as it came, not its body inflated in one piece */
    bool is_secret;         /* credentials: no hook hears of it, and no log shows its body */
};

/*
 * Sends a packet of our own, PULL or PUSH, complete but for its seq; it is taken and empty
 * afterwards, whatever is returned.  Else as tp_session_pull_async() and tp_session_push().
 */
enum tp_result tp__session_ask(struct tp_session *session, struct tp_packet *packet,
                               const struct tp_asking *asking) TP_MUST_CHECK;

/* What the records of all sessions take, without what some of them have besides. */
uint64_t tp__sessions_bytes(const struct tp_sessions *sessions);

/* Ends a session for `reason`, which is logged; makes *session NULL. */
void tp__session_close(struct tp_session **session, enum tp_close_reason reason);

/*
 * Calls of a program end here when they come from a thread that the sessions do not belong to:
 * nothing in them is protected against that.
 */
void tp__sessions_check_thread(const struct tp_sessions *sessions);

/* Calls `visit` for each session until it returns false; it may end the one that it is given. */
void tp__sessions_walk(struct tp_sessions *sessions,
                       bool (*visit)(struct tp_session *session, void *owner), void *owner);

/* True while something that it was asked to send has not been written. */
bool tp__session_has_output(const struct tp_session *session);

/* A copy with texts and body of its own, which is the caller's; NULL when memory is out. */
struct tp_reply *tp__reply_copy(const struct tp_reply *reply) TP_MUST_CHECK;
void tp__reply_free(struct tp_reply **reply);

/* What the session's configuration says of two that want one id. */
enum tp_id_conflict tp__session_id_conflict(const struct tp_session *session);

/* The session that has this id; NULL when none has. */
struct tp_session *tp__sessions_find_id(const struct tp_sessions *sessions, struct tp_str id);

/*
 * Ends a session gracefully and tells the other end why, with the last packet that is queued:
 * PUSH /system/closed?reason=WORD&redial=0 {"reason":"words","redial":false}.  One that was dialed
 * comes back only with redial=1.  Without `words`, which are for people, the reason's are sent.
 */
void tp__session_close_told(struct tp_session *session, enum tp_close_reason reason,
                            struct tp_str words, bool may_redial);

/* Is the other end trusted to say for whom it speaks (X-Real-IP, X-Session-Id)? */
bool tp__session_is_of_gateway(const struct tp_session *session);

/* Fills a row of a list of sessions; its texts are borrowed from the session. */
void tp__session_describe(const struct tp_session *session, struct tp_session_row *row);

/*
 * Moves every session to the listen that `find_source` gives for the name of its
 * own; where that is NULL the session closes with the reason LISTEN_REMOVED.  A
 * part is done in each turn, so that many sessions do not stop the others;
 * `on_done` is called after the last.  A move that is under way is replaced, and
 * its on_done is not called.
 */
void tp__sessions_move(struct tp_sessions *sessions, const struct tp_sessions_move *move);

/*
 * Ends a session gracefully: it takes nothing more in, and closes for `reason` once all is sent
 * (and, if wanted, all that either end has asked is answered).
 */
void tp__session_end(struct tp_session *session, enum tp_close_reason reason,
                     bool waits_for_exchanges);

/*
 * Ends all sessions gracefully: what they asked is answered first.  Those that are there for the
 * sake of others (see struct tp_dial_watch) stay.
 */
void tp__sessions_end_all(struct tp_sessions *sessions, enum tp_close_reason reason);

/* Ends all sessions for `reason`, now. */
void tp__sessions_close_all(struct tp_sessions *sessions, enum tp_close_reason reason);

#endif
