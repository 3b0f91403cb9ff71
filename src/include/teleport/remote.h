/*
 * teleport/remote.h - sessions of any worker: a handler or hook pushes to, pulls from, or closes
 * one, wherever it is, and lists them all.
 *
 * A session is found in the directory of the server.  What is meant for one of another worker
 * travels over the bus, and its worker says what became of it.  For one of this worker the calls
 * mean the same, without the journey.
 *
 * Each call either fails at once, and then `on_end` is not called, or calls it exactly once,
 * from the loop and never from within the call, with one of these:
 *
 *     TP_OK           a PUSH is in the session's send queue; a PULL has ended, and the reply
 *                     says how; a session that was to be closed takes nothing more in
 *     TP_GONE         the session, or its worker, has ended.  If it was the worker, a packet
 *                     may have left before
 *     TP_FULL         the session's send queue, or its count of PULLs, has reached its limit
 *     TP_TOO_LARGE    the packet is larger than packet_limit where the session is, or than
 *                     bus_queue.  A REPLY that is becomes one with status 502
 *     TP_INVALID      a codec or level that cannot be
 *     TP_TIMED_OUT    the worker has not answered in time: it is not known what became of it
 *     TP_INTERRUPTED  this worker stops
 *     TP_NO_MEMORY
 *
 * At once: TP_NOT_FOUND: there is no such session; TP_FULL: bus_queue, or too much is under
 * way; TP_TOO_LARGE: more than bus_queue; TP_TIMED_OUT: the directory is locked for too long;
 * TP_INTERRUPTED: this worker stops; TP_NO_MEMORY.
 *
 * What one worker sends to one session arrives in the order of the calls.
 *
 * Threads: the worker's loop.
 */
#ifndef TELEPORT_REMOTE_H
#define TELEPORT_REMOTE_H

#include <teleport/address.h>
#include <teleport/awaiting.h>
#include <teleport/session.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_exchange;

/* The sessions of this worker: what the calls below begin from. */
struct tp_sessions *tp_exchange_home(const struct tp_exchange *exchange);
struct tp_sessions *tp_session_home(const struct tp_session *session);

/* Names a session of any worker, by its number or, where that is 0, by its id. */
struct tp_session_name {
    uint64_t number;
    struct tp_str id;
};

/*
 * Is there such a session?  *slot is that of its worker.  Cheap for a number, which needs no lock.
 * TP_NOT_FOUND; TP_TIMED_OUT: of an id, see above.
 */
enum tp_result tp_remote_find(struct tp_sessions *home, const struct tp_session_name *name,
                              unsigned *slot) TP_MUST_CHECK;

/* `reply` is NULL unless a PULL has ended with TP_OK. */
typedef void (*tp_remote_fn)(enum tp_result result, const struct tp_reply *reply, void *owner);

/* A packet for a session; texts are copied, and `options` may be NULL. */
struct tp_remote_packet {
    struct tp_session_name to;
    struct tp_str uri;
    struct tp_str body;
    const struct tp_send_options *options;
};

enum tp_result tp_remote_push(struct tp_sessions *home, const struct tp_remote_packet *packet,
                              tp_remote_fn on_end, void *owner) TP_MUST_CHECK;

/* As above; without a time-out in `options` it is TP_REMOTE_PULL_TIMEOUT_MS. */
enum tp_result tp_remote_pull(struct tp_sessions *home, const struct tp_remote_packet *packet,
                              tp_remote_fn on_end, void *owner) TP_MUST_CHECK;

/* How a session is to be closed: gracefully, and told why (PUSH /system/closed). */
struct tp_remote_closing {
    struct tp_session_name to;
    struct tp_str reason; /* for the other end, at most TP_CLOSE_WORDS_MAX bytes; copied */
    bool may_redial;      /* whether the other end should come back */
};

enum tp_result tp_remote_close(struct tp_sessions *home, const struct tp_remote_closing *closing,
                               tp_remote_fn on_end, void *owner) TP_MUST_CHECK;

enum {
    TP_REMOTE_PULL_TIMEOUT_MS = 60 * 1000,
    TP_CLOSE_WORDS_MAX = 200,   /* bytes */
    TP_SESSION_ROWS_MAX = 1000, /* of a page */
    TP_SOURCE_NAME_MAX = 256,   /* bytes; the name of a listen or dial */
    TP_EXCHANGE_ROWS_MAX = 1000,
    TP_EXCHANGE_URI_MAX = 256, /* bytes of a uri that are told */
};

/* Which sessions are wanted; what is empty is not looked at.  Texts are copied. */
struct tp_session_query {
    uint64_t cursor;           /* 0, or that of the page before */
    size_t row_count_max;      /* 1 to TP_SESSION_ROWS_MAX */
    struct tp_str id_prefix;   /* at most TP_SESSION_ID_MAX bytes */
    struct tp_address address; /* of the other end, without port; of family NONE: any */
    struct tp_str source;      /* the listen or dial it came by */
};

/* What is known of a session. */
struct tp_session_row {
    uint64_t number;
    unsigned worker_slot;
    bool is_dialed; /* `source` is a dial, else a listen */
    enum tp_session_state state;
    struct tp_address remote;
    int64_t age_ms;
    uint32_t open_count;  /* unanswered PULLs and PUSHes of the other end */
    uint32_t asked_count; /* our own unanswered PULLs */
    uint64_t queued_bytes;
    int64_t queued_age_ms; /* the oldest of that waits for so long, at least */
    uint64_t packets_received;
    uint64_t packets_sent;
    uint64_t bytes_received; /* as they came, sealed by TLS or not */
    uint64_t bytes_sent;
    int64_t rtt_us; /* 0: nobody has measured it */
    struct tp_str id;
    struct tp_str source;
    struct tp_str protocol; /* its name; empty while it is not known */
};

/*
 * Some of the sessions, by number.  A session that is there from the first page to the last is
 * on exactly one of them.  A page may have fewer rows than wanted, or none: at most
 * TP_SESSION_ROWS_MAX * 10 sessions are looked at for one.
 */
struct tp_session_page {
    const struct tp_session_row *rows;
    size_t row_count;
    uint64_t cursor; /* for the next page; 0: this was the last one */
};

/* `page` is for the length of the call, and NULL unless `result` is TP_OK. */
typedef void (*tp_page_fn)(enum tp_result result, const struct tp_session_page *page, void *owner);

/* Asks all workers.  TP_FULL, TP_TIMED_OUT: one of them; the same page may be asked for again. */
enum tp_result tp_remote_list(struct tp_sessions *home, const struct tp_session_query *query,
                              tp_page_fn on_page, void *owner) TP_MUST_CHECK;

/* Which exchanges in flight are wanted; what is empty is not looked at.  Texts are copied. */
struct tp_exchange_query {
    struct tp_session_name session; /* of this one alone; neither number nor id: of all */
    struct tp_str uri_prefix;       /* of the path; at most TP_EXCHANGE_URI_MAX bytes */
    struct tp_msec age_min;
    size_t row_count_max;            /* 1 to TP_EXCHANGE_ROWS_MAX */
    const struct tp_exchange *asker; /* is left out; or NULL */
};

/* What is known of an exchange in flight. */
struct tp_exchange_row {
    uint64_t session_number;
    unsigned worker_slot;
    bool is_ours;   /* this end asks or tells */
    bool is_dialed; /* `source` is a dial, else a listen */
    int32_t type;   /* of packet */
    uint64_t seq;
    struct tp_address remote;
    int64_t age_us;
    int64_t left_ms; /* until its handler goes on, or its time runs out; -1: no time was set */
    enum tp_awaiting awaiting;
    uint32_t tries; /* see struct tp_awaited, here and below */
    uint64_t awaited_session;
    struct tp_str awaited;
    struct tp_str address;
    struct tp_str session_id;
    struct tp_str source;
    struct tp_str uri;    /* the beginning of it, escaped, without what lets somebody in */
    struct tp_str route;  /* its uri as it is configured; empty where it has none */
    struct tp_str module; /* whose handler or hook has it, or had it */
    struct tp_str point;  /* of the hook that has it */
};

/* The oldest of them, the oldest first. */
struct tp_exchange_page {
    const struct tp_exchange_row *rows;
    size_t row_count;
    uint64_t found_count;   /* how many there are in all, as far as workers have answered */
    const unsigned *silent; /* slots of workers that have not answered in time */
    size_t silent_count;
};

/* `page` is for the length of the call, and NULL unless `result` is TP_OK. */
typedef void (*tp_exchanges_fn)(enum tp_result result, const struct tp_exchange_page *page,
                                void *owner);

/* Asks all workers, or that of the session.  Who does not answer is among `silent`. */
enum tp_result tp_remote_list_exchanges(struct tp_sessions *home,
                                        const struct tp_exchange_query *query,
                                        tp_exchanges_fn on_page, void *owner) TP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
