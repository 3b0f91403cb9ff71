/*
 * session/record.h - the inside of sessions and exchanges, for the files of this
 * folder only.
 *
 * A session is one fixed record with an input (bytes received, not yet a packet), a
 * queue of packets to send, and the bytes of those that have begun to leave.
 */
#ifndef TP_SESSION_RECORD_H
#define TP_SESSION_RECORD_H

#include <teleport/identity.h>

#include "session/saved.h"
#include "session/session.h"
#include "session/trace.h"

enum {
    TP_SESSION_MAGIC = 0x54505353,  /* "TPSS" */
    TP_EXCHANGE_MAGIC = 0x54504558, /* "TPEX" */
};

/* What the last plain uri of a session led to, in the configuration that the session has. */
struct tp_recent_route {
    const struct tp_route *route; /* NULL: none is known */
    int32_t type;                 /* of the packet */
};

enum {
    TP_EXCHANGE_TEXTS_KEPT = 64, /* bytes of uri and metadata that wait without a buffer */
};

struct tp_dialed;
struct tp_exchange_counts;
struct tp_slowness;
struct tp_traffic_counts;

/* What stands between the connection and the protocol; see session_shell.c. */
struct tp_shell {
    struct tp_tls *tls;           /* NULL: what comes is not sealed, or it is not known yet */
    struct tp_address connection; /* of the proxy; of family NONE without one */
    int64_t begun_ms;             /* while nothing passes: since when; else 0 */
    bool awaits_proxy;            /* a PROXY header has to come first */
    bool has_ended;               /* the other end has said so; what came before is taken first */
    bool is_cut;                  /* it has ended without saying so */
};

/* With which context a dialed session speaks TLS, and with whom; NULL: not at all, with anybody. */
struct tp_dialed_tls {
    struct tp_tls_context *context;
    const char *name;
};

/* What stands before a session until its hook lets it in. */
struct tp_guard {
    struct tp_session_guard what;
    const char *owner; /* of the hook that has set it */
    int64_t since_ms;
    bool is_aside;     /* each request proves itself, as long as this protocol is spoken */
    bool stands_alone; /* hooks behind the one that has set it have had their say already */
};

struct tp_session_part;

struct tp_session {
    uint32_t magic;
    struct tp_address remote;
    uint64_t number;
    struct tp_hash_node by_number; /* in sessions->by_number */
    struct tp_watcher watcher;     /* its descriptor is -1 while a dialed one is not connected */
    struct tp_list_node node;      /* in members or, while a move is under way, in unmoved */
    struct tp_work turn_end;       /* sends what the turn has brought, and goes on with the input */
    struct tp_sessions *sessions;
    const struct tp_source *source;
    const struct tp_protocol_use *protocol; /* NULL while the first bytes have to tell */
    void *protocol_state;                   /* NULL where it keeps none */
    struct tp_recent_route recent_route;
    struct tp_chain input;
    struct tp_chain unsent;        /* what has begun to leave */
    struct tp_list_node exchanges; /* open ones of the other end */
    struct tp_list_node outgoing;  /* those whose packet of ours is to be sent */
    struct tp_list_node asked;     /* our PULLs that were sent and wait for their REPLY */
    struct tp_timer deadline;
    int64_t heard_ms;        /* when bytes last came */
    uint32_t spoken_at;      /* when bytes last left: see tp__session_since_ms() */
    uint32_t idle_at;        /* the same: when it last had nothing more to answer */
    int64_t packet_begun_ms; /* when the packet in `input` began to come; 0: none is */
    int64_t stuck_since_ms;  /* when the other end last took bytes; 0: nothing is unsent */
    uint32_t exchange_count; /* of `exchanges` */
    uint32_t own_pull_count; /* of ours, in `outgoing` or `asked` */
    uint64_t next_seq;       /* of what we ask and tell */
    int64_t begun_ms;        /* when it began, not the connection it has now */
    uint64_t received_count; /* packets */
    uint64_t sent_count;
    uint64_t received_bytes; /* of all its connections, as they came */
    uint64_t sent_bytes;
    struct tp_traffic_counts *traffic; /* where both are counted, too; NULL: nowhere */
    size_t queued_bytes;               /* what `outgoing` takes in memory, and `unsent` */
    bool is_move_due : 1;              /* to the configuration in force, between two packets */
    bool is_introduced : 1;            /* hooks know of the connection */
    bool is_behind : 1;                /* whole packets may be left in `input` for the next turn */
    bool is_ending : 1;                /* reads no more, and closes when all is sent */
    bool waits_for_exchanges : 1;      /* …and all exchanges are answered */
    bool has_heard_all : 1;  /* the other end has closed its half: nothing more will come */
    bool asks_ready : 1;     /* the protocol has to be asked before a packet leaves */
    bool has_said_end : 1;   /* the protocol has nothing more to say */
    bool has_heard_last : 1; /* the protocol has: nothing more will be asked or answered */
    bool must_linger : 1;    /* the other end may still be sending when all has left */
    bool is_lingering : 1;   /* …and it does: what comes is thrown away */
    bool is_amid_packet : 1; /* the protocol has taken in a part of a packet */
    bool is_barred : 1;      /* its shell lets no packet pass: not yet, or not any more */
    bool has_failed : 1;     /* it closes at the turn's end, for end_reason */
    bool is_cut : 1;         /* it does not wait for what has not left */

    /* Greeting: a hook holds back its packets. */
    bool is_greeting : 1;
    bool is_presenting : 1;     /* …and it is we who have to prove who we are, before any hook */
    bool is_postponed : 1;      /* …and has not called tp_session_resume() yet */
    bool is_released : 1;       /* all hooks have let it pass: it opens at the turn's end */
    bool is_meeting_due : 1;    /* the turn's end has to look at what was held back */
    bool has_unbegun : 1;       /* of its exchanges some wait to be begun */
    bool has_passed_header : 1; /* the packet that `input` begins with may be taken */
    uint8_t hook_point;         /* while it greets: the point, and the place in its chain */
    uint16_t hook_at;
    enum tp_close_reason end_reason;
    uint32_t rtt_us;                /* smoothed; 0: nobody has measured it */
    uint32_t signal_seq;            /* of the last PULL that was a signal: see signal.c */
    uint32_t signal_at_us;          /* when that left, odd; 0: nothing is awaited */
    struct tp_session_notes *notes; /* id and variables; NULL without any */
    struct tp_dialed *dialed;       /* NULL for an accepted one */
    struct tp_shell *shell;         /* NULL where packets come as they are */
    struct tp_session_part *parts;  /* what modules keep of it; NULL: nothing */
    struct tp_slowness *slowness;   /* NULL until its send queue was first full */
    int64_t greeting_since_ms;      /* since a hook has it; 0: none has */
    tp_handler_fn on_expected;      /* takes the next PULL or PUSH; NULL: its route does */
    void *expected_owner;
    struct tp_guard *guard; /* whose handler takes all of them, unless it is aside; NULL: none */
};

/* Its record serves many exchanges: all but the first members begin as zeros in each. */
struct tp_exchange {
    uint32_t magic;
    struct tp_sessions *sessions;
    struct tp_session *session; /* NULL once it has ended */
    struct tp_list_node node;   /* in the session's exchanges, outgoing or asked; or orphans */
    uint64_t session_number;    /* known still when the session has ended */
    struct tp_address remote;
    const struct tp_source *source;
    const struct tp_server *server;
    const struct tp_exchange_logging *logging; /* the route's; without one the server's */
    struct tp_packet request;
    size_t request_body_bytes; /* an echo takes the body away */
    int64_t begun_us;
    struct tp_timer timer; /* runs while it is held, to due_ms or to the end of its time */
    char kept_texts[TP_EXCHANGE_TEXTS_KEPT]; /* of a request that waits, where that is all of it */

    bool is_ours;     /* this end asks or tells: `request` is what is sent; the first zero */
    bool is_running;  /* its handler has been called and has not returned */
    bool is_held;     /* its handler goes on with it at due_ms */
    bool is_kept;     /* its handler has it: it stays until that ends it */
    bool is_lent;     /* what is passed on of it has not left: it lies where it was read into */
    bool is_finished; /* it has its outcome */
    bool is_queued;   /* its reply waits to be encoded */
    bool is_parked;   /* its reply waits for earlier ones of an ordered route */
    bool has_plain_body;
    bool has_plain_reply; /* …the REPLY's */
    bool is_unbegun;      /* it waits until its session has been greeted */
    bool is_expected;     /* a hook's handler has it instead of a route's, and no hook runs */
    bool is_unrouted;     /* at hooks that run before its route is looked for */
    bool has_path;        /* its uri has been read */
    bool is_postponed;    /* a hook has it: it stays until tp_exchange_resume() */
    bool is_overdue;      /* …and that would come too late */
    bool is_at_hook;      /* a hook has been called and has not returned */
    bool is_early;        /* of ours: it does not wait until its session has been greeted */
    bool is_sent;         /* its packet was encoded: of ours, so that a REPLY may come */
    bool is_refused;      /* of ours: a hook has refused it, which its owner is told soon */
    bool has_reply;       /* of ours: its REPLY has come and is at a hook */
    bool fails_at_once;   /* of ours: it does not wait for a connection */
    bool is_secret;       /* its request's body is in no log */
    bool always_fits;     /* of ours: a full queue has taken it, and does not drop it */
    bool is_latest;       /* of ours: a newer one of its uri may replace it */
    bool is_answered;     /* of ours: the other end has answered it */
    bool wants_packet;    /* of ours: whoever asks is given the REPLY as it came */
    bool was_passed;      /* of theirs: `passed` says what came of it */
    uint8_t hook_point;   /* where it is, or was last: the point, and the place in its chain */
    uint16_t hook_at;
    struct tp_exchange_counts *counts; /* while it counts as in flight there; else NULL */
    const struct tp_route *route;
    struct tp_packet reply;
    struct tp_str path;
    struct tp_str query;
    struct tp_buf *decoded_path;   /* holds `path` when it had escapes */
    struct tp_buf *set_uri;        /* holds a hook's uri, and behind it the one that came */
    struct tp_chain plain_body;    /* the body inflated, once asked for: the request's, or… */
    int64_t finished_us;           /* of its outcome, where somebody wants to know; else 0 */
    int64_t due_ms;                /* when its handler goes on, while it is held */
    void *state;                   /* the handler's, once asked for */
    struct tp_identity *identity;  /* its own; NULL: it has its session's */
    struct tp_trace_record *trace; /* what is noted for those who watch it; NULL: nobody does */

    /* Of ours: a PULL is found by its seq, a PUSH that may be replaced by its uri. */
    union {
        struct tp_hash_node by_seq; /* in sessions->asked */
        struct tp_hash_node by_uri; /* in sessions->latest */
        struct tp_passed *passed;   /* of the other end, where was_passed: where it has been */
    };

    union {
        /* Of a PULL of ours. */
        struct {
            tp_reply_fn on_reply;
            void (*on_sent)(void *owner); /* or NULL */
            void *owner;                  /* of both */
        };

        /* Of the other end: who says what it waits for; see teleport/awaiting.h. */
        struct {
            tp_explain_fn explain; /* NULL: the core knows as much as anybody */
            void *explain_owner;
        };
    };
};

_Static_assert(sizeof(struct tp_session) <= 536, "an idle session is one small record");

/* The packet that leaves. */
static inline struct tp_packet *
tp__exchange_sent_packet(struct tp_exchange *exchange)
{
    return exchange->is_ours ? &exchange->request : &exchange->reply;
}

/* Of one that somebody watches it is noted when this happens. */
static inline void
tp__trace_mark(struct tp_exchange *exchange, enum tp_trace_moment moment)
{
    if (exchange->trace != NULL) {
        tp__trace_note(exchange, moment);
    }
}

/* What a packet takes in the queue: one without a body costs memory, too. */
static inline size_t
tp__exchange_queue_cost(const struct tp_packet *packet)
{
    return sizeof(struct tp_exchange) + packet->uri.len + packet->metadata.len + packet->body.len;
}

/* When it had its outcome; before that the present. */
static inline int64_t
tp__exchange_now_us(const struct tp_exchange *exchange)
{
    return exchange->finished_us != 0 ? exchange->finished_us : tp__clock_monotonic_us();
}

/*
 * A time that a session keeps in 32 bits, of CLOCK_MONOTONIC: what matters is how long ago it was,
 * and that is less than the 49 days after which they begin anew.
 */
static inline int64_t
tp__session_since_ms(uint32_t at, int64_t now_ms)
{
    return now_ms - (int64_t) ((uint32_t) now_ms - at);
}

static inline bool
tp__session_is_connected(const struct tp_session *session)
{
    return session->watcher.fd != -1;
}

/* Requests of the other end whose answers have not left: open ones, and whether any is queued. */
static inline size_t
tp__session_open_count(const struct tp_session *session)
{
    return session->exchange_count + (tp__list_is_empty(&session->outgoing) ? 0 : 1);
}

/* Does the protocol let a packet leave now?  Asked where session->asks_ready. */
bool tp__session_is_ready(struct tp_session *session);

/* While it greets: does it read for the sake of the hook that holds it back? */
bool tp__session_reads_early(const struct tp_session *session);

/* The same for what leaves: replies, and what is early.  NULL: nothing. */
struct tp_exchange *tp__session_next_early(const struct tp_session *session);

/* The next exchange whose packet may leave; NULL when there is none, though some may wait. */
static inline struct tp_exchange *
tp__session_next_outgoing(struct tp_session *session)
{
    if (session->asks_ready && !tp__session_is_ready(session)) {
        return NULL;
    }
    if (session->is_greeting) {
        return tp__session_next_early(session);
    }
    return tp__list_is_empty(&session->outgoing)
               ? NULL
               : TP_CONTAINER_OF(session->outgoing.next, struct tp_exchange, node);
}

/* True while so much is unanswered or unsent, or a hook waits, that no more is taken in. */
static inline bool
tp__session_must_pause(const struct tp_session *session)
{
    const struct tp_session_limits *limits = &session->source->server->limits;
    bool is_stuffed = session->queued_bytes > limits->send_queue.bytes;

    if (session->is_greeting) {
        /* What waits to be sent waits for the hook, which is not to wait for that; but what leaves
           before, and is not taken, is a reason to wait as ever. */
        is_stuffed = !tp__session_reads_early(session)
                     || session->unsent.len > limits->send_queue.bytes
                     || (session->unsent.len > 0 && tp__session_next_early(session) != NULL);
    }
    return is_stuffed || session->exchange_count >= limits->pending_pulls;
}

/* The hooks of what the other end asks, once its route has been looked for; NULL: none. */
static inline const struct tp_hook_set *
tp__exchange_hooks(const struct tp_exchange *exchange)
{
    return exchange->route != NULL ? exchange->route->hooks : exchange->server->unrouted_hooks;
}

/* Before its route is looked for: has no hook of the server anything to say of it? */
static inline bool
tp__exchange_is_spared(const struct tp_exchange *exchange)
{
    const struct tp_hook_chain *chain =
        tp__hooks_at(exchange->server->hooks, exchange->request.type == TP_PACKET_PUSH
                                                  ? TP_HOOK_POST_READ_PUSH_HEADER
                                                  : TP_HOOK_POST_READ_PULL_HEADER);

    for (size_t i = 0; chain != NULL && i < chain->count; i++) {
        const struct tp_hook_use *use = &chain->uses[i];

        if (use->spares == NULL || !use->spares(exchange, use->conf)) {
            return false;
        }
    }
    return true;
}

/* The uri as it came, whatever hooks have made of it. */
static inline struct tp_str
tp__exchange_wire_uri(const struct tp_exchange *exchange)
{
    return exchange->set_uri != NULL ? exchange->reply.uri : exchange->request.uri;
}

/*
 * A session of the connection `fd` that does nothing yet, among the members of `sessions`.
 * NULL when memory is out; the descriptor is the caller's then.
 */
struct tp_session *tp__session_make(struct tp_sessions *sessions, const struct tp_source *source,
                                    uint64_t number, int fd,
                                    const struct tp_address *remote) TP_MUST_CHECK;

/* What the session lends to its protocol, for calls until it changes. */
struct tp_wire tp__session_wire(struct tp_session *session);

/* Lets the session speak this protocol of its configuration from here on. */
enum tp_result tp__session_use_protocol(struct tp_session *session,
                                        const struct tp_protocol_use *use) TP_MUST_CHECK;
enum tp_result tp__session_switch_protocol(struct tp_session *session,
                                           const struct tp_protocol *protocol) TP_MUST_CHECK;

/* By its first bytes.  TP_AGAIN: more are needed. */
enum tp_result tp__session_guess_protocol(struct tp_session *session) TP_MUST_CHECK;

/* We have to speak first: it is the default, unless it is known. */
enum tp_result tp__session_settle_protocol(struct tp_session *session) TP_MUST_CHECK;

/*
 * The session was saved while it spoke this one, which is not NULL; it is not begun again.
 * TP_INVALID: the state is none of it.
 */
enum tp_result tp__session_resume_protocol(struct tp_session *session,
                                           const struct tp_protocol_use *use,
                                           struct tp_str state) TP_MUST_CHECK;

/* Forgets it, and frees its state. */
void tp__session_drop_protocol(struct tp_session *session);

/* The session has another configuration, of the same program. */
void tp__session_rebind_protocol(struct tp_session *session);

/* A dialed session is connected: it speaks what it was dialed for. */
enum tp_result tp__session_use_dialed_protocol(struct tp_session *session) TP_MUST_CHECK;

/* The other end has answered a ping that carried the time `sent_us`. */
void tp__session_take_pong(struct tp_session *session, uint64_t sent_us);

/* The one it speaks, or would if it had to speak first. */
const struct tp_protocol *tp__session_protocol(const struct tp_session *session);

/* Moves what the protocol has to say of its own to what leaves.  Failing, it is lost. */
enum tp_result tp__session_take_own(struct tp_session *session, struct tp_wire *wire) TP_MUST_CHECK;

/* All has been sent: the protocol says, once, that this end ends it. */
enum tp_result tp__session_say_end(struct tp_session *session) TP_MUST_CHECK;

/* Reading, in parts, for who opens what is sealed: reads as there is room for in a turn… */
enum tp_result tp__session_fill(struct tp_session *session, size_t *count) TP_MUST_CHECK;

/* …where the next bytes go, `*room` of them (NULL: memory is out); they are behind the input now; */
uint8_t *tp__session_read_room(struct tp_sessions *sessions, size_t *room) TP_MUST_CHECK;
enum tp_result tp__session_append_read(struct tp_session *session, const uint8_t *bytes,
                                       size_t count) TP_MUST_CHECK;

/* …and what waits for more moves to a buffer of its own, if it is small. */
void tp__session_keep_rest(struct tp_session *session);

/* Prepares what the shells of all sessions share, and lets go of it. */
void tp__shells_init(struct tp_sessions *sessions);
void tp__shells_fini(struct tp_sessions *sessions);

/*
 * The connection is there: puts a shell around the session, if it needs one, which is barred
 * then.  TP_DENIED: nobody may connect from there; TP_NO_MEMORY.
 */
enum tp_result tp__shell_begin(struct tp_session *session) TP_MUST_CHECK;
void tp__shell_free(struct tp_session *session);

/*
 * Reads from a connection with a shell: *count bytes more are in the input; *has_ended: nothing
 * more will come.  What is wrong with the bytes ends the session.  Else as tp__session_fill().
 */
enum tp_result tp__shell_fill(struct tp_session *session, size_t *count,
                              bool *has_ended) TP_MUST_CHECK;

/*
 * Does TLS begin with the input?  TP_OK: it does, and is the shell's; TP_AGAIN: it may;
 * TP_NOT_FOUND: it does not, or may not; TP_NO_MEMORY.
 */
enum tp_result tp__shell_guess(struct tp_session *session) TP_MUST_CHECK;

/* True when nothing stands in the way of packets any more; then: lets them pass.  False: it ended. */
bool tp__shell_is_ready(const struct tp_session *session);
bool tp__shell_open(struct tp_session *session) TP_MUST_CHECK;

static inline bool
tp__session_is_sealed(const struct tp_session *session)
{
    return session->shell != NULL && session->shell->tls != NULL;
}

/* Seals bytes into sessions->sealed.  TP_GONE: it can send nothing any more; TP_NO_MEMORY. */
enum tp_result tp__shell_seal(struct tp_session *session, const struct tp_slice *slices,
                              size_t count) TP_MUST_CHECK;

/* The same, behind what is unsent. */
enum tp_result tp__shell_seal_unsent(struct tp_session *session,
                                     const struct tp_chain *plain) TP_MUST_CHECK;

/* All has been sent: TLS says so, once.  And: the same, now or never, for the connection ends. */
enum tp_result tp__shell_say_end(struct tp_session *session) TP_MUST_CHECK;
void tp__shell_part(struct tp_session *session);

/* The connection may be talked on: begins the protocol and runs the hooks.  TP_DENIED. */
enum tp_result tp__session_begin_talk(struct tp_session *session) TP_MUST_CHECK;

/* Reading: bytes to packets to exchanges.  The session may be gone afterwards. */
void tp__session_read(struct tp_session *session);

/* Takes whole packets off the input and begins their exchanges. */
void tp__session_take_packets(struct tp_session *session);

/* Writing: writes `unsent` first, then the replies of finished exchanges.  TP_GONE: broken. */
enum tp_result tp__session_write(struct tp_session *session) TP_MUST_CHECK;

/*
 * While its packets are taken: encodes the replies that are ready, so that their exchanges end
 * while they are in the processor's cache.  They leave with tp__sessions_write_encoded(), which
 * whoever needs the sessions' output for something else calls first.
 */
void tp__session_encode_early(struct tp_session *session, struct tp_wire *wire);
void tp__sessions_write_encoded(struct tp_sessions *sessions);

/*
 * Encodes all finished replies behind `unsent`.  TP_NO_MEMORY: some may be lost, so that
 * the session has to end.
 */
enum tp_result tp__session_encode_all(struct tp_session *session) TP_MUST_CHECK;

/*
 * Runs the hooks of a point of the session.  TP_OK: they let it pass, or one has said later and
 * the session greets; TP_DENIED: one refuses it.
 */
enum tp_result tp__session_pass(struct tp_session *session, enum tp_hook_point point) TP_MUST_CHECK;

/* Ends a session that was refused: what its hooks have told the other end leaves first. */
void tp__session_refuse(struct tp_session **session);

/* May the packet that its input begins with be taken?  The hooks are asked once for each. */
bool tp__session_pass_header(struct tp_session *session);

/* A packet that no route may have yet: a hook waits for it, or it waits. */
void tp__session_meet(struct tp_session *session, struct tp_exchange *exchange);

/* At the turn's end: opens a session that has been greeted, and gives what a hook waits for. */
void tp__session_settle_greeting(struct tp_session *session);

/* What came before them has let it pass: runs the hooks of a point, and opens it behind them. */
void tp__session_greet_on(struct tp_session *session, enum tp_hook_point point);

/* Forgets the greeting of a connection that has ended. */
void tp__session_drop_greeting(struct tp_session *session);

/*
 * Greets a session that came from another process, where the hook of `owner` had it: that hook
 * is called again.  TP_NOT_FOUND: it is not there any more; TP_DENIED: it refuses.
 */
enum tp_result tp__session_greet_again(struct tp_session *session, enum tp_hook_point point,
                                       struct tp_str owner) TP_MUST_CHECK;

/* At the end of this turn the session sends, goes on reading, or closes, as it is then. */
void tp__session_want_turn_end(struct tp_session *session);

/* Its caller has it yet: it closes at the turn's end. */
void tp__session_fail(struct tp_session *session, enum tp_close_reason reason);

/* A dialed one is connected by `fd`, which is its own also when this fails. */
enum tp_result tp__session_connect(struct tp_session *session, int fd,
                                   const struct tp_address *remote) TP_MUST_CHECK;

/* True while it takes packets in: one that is ending does so as long as it waits for replies. */
bool tp__session_reads(const struct tp_session *session);

/* Does a session whose connection ends for `reason` live on?  And: it does, and begins to. */
bool tp__dialed_comes_back(const struct tp_session *session, enum tp_close_reason reason);
void tp__dialed_come_back(struct tp_session *session);

/* Is it there for the sake of other sessions? */
bool tp__dialed_ends_last(const struct tp_session *session);

/* Tells its watch, if a dialed session has one, that it is open; or that it ends for good. */
void tp__dialed_on_turn_end(struct tp_session *session);
void tp__dialed_on_end(struct tp_session *session);

/*
 * The connection is there: presents the credentials of a dialed session, before anything else.
 * False: there is nothing to wait for.
 */
bool tp__session_present_first(struct tp_session *session);

/* What a dialed one has to present; NULL: nothing. */
const struct tp_credentials *tp__dialed_credentials(const struct tp_session *session);
struct tp_msec tp__dialed_timeout(const struct tp_session *session);

/* The bytes that each request has to say, kept while it is connected. */
struct tp_text *tp__dialed_said(struct tp_session *session);

/* The other end has not let it in yet, or has: a connection without that is a failed attempt. */
void tp__dialed_let_in(struct tp_session *session, bool is_let_in);

/* Does what a PUSH of /system/closed asks a dialed session for. */
void tp__dialed_heed(const struct tp_exchange *exchange);

/* True while it is being connected; false while it only waits for that. */
bool tp__dialed_is_trying(const struct tp_session *session);

/* What was dialed; empty for an accepted session. */
struct tp_str tp__dialed_target(const struct tp_session *session);

/* How it speaks TLS, when it is connected. */
struct tp_dialed_tls tp__dialed_tls(const struct tp_session *session);

/* The protocol that was named when it was dialed; NULL: none was. */
const struct tp_protocol *tp__dialed_protocol(const struct tp_session *session);

/* Ends the attempts and makes *dialed NULL, if there is any. */
void tp__dialed_free(struct tp_dialed **dialed);

/* The time that is in force for the session; 0 ms: none. */
struct tp_msec tp__session_timeout(const struct tp_session *session, enum tp_session_timeout which);

/* No text that is noted of the session is longer. */
size_t tp__session_longest_note(const struct tp_session *session);

/*
 * Writes what is noted of the session, but its id; is a section what that has written; and takes
 * it over from such a one.
 */
void tp__session_save_notes(const struct tp_session *session, struct tp_saved_writer *writer);
bool tp__session_notes_are_sane(const struct tp_saved_section *section);
enum tp_result tp__session_restore_notes(struct tp_session *session,
                                         const struct tp_saved_section *section) TP_MUST_CHECK;

/* A copy of the identity in one block (free()); of NULL, NULL.  TP_TOO_LARGE, TP_NO_MEMORY. */
enum tp_result tp__identity_make(const struct tp_identity *identity,
                                 struct tp_identity **made) TP_MUST_CHECK;

/* Writes an identity, which may be NULL; and reads one, borrowed.  False: it is none. */
enum tp_result tp__identity_save(const struct tp_identity *identity, struct tp_saved_writer *writer,
                                 enum tp_saved_tag tag) TP_MUST_CHECK;
bool tp__identity_read(struct tp_str saved, struct tp_identity *identity);

/* No text of it is longer; NULL: 0. */
static inline size_t
tp__identity_longest(const struct tp_identity *identity)
{
    return identity == NULL ? 0 : identity->id.len + identity->method.len + identity->claims.len;
}

/* The guard that stands before the session now; NULL: none does. */
static inline const struct tp_guard *
tp__session_guard(const struct tp_session *session)
{
    return session->guard == NULL || session->guard->is_aside ? NULL : session->guard;
}

/*
 * Nothing stands before the session any more; its guard goes on with the next request; and it
 * steps aside where each request proves itself (false: it does not).
 */
void tp__session_lift_guard(struct tp_session *session);
void tp__session_renew_guard(struct tp_session *session);
bool tp__session_put_guard_aside(struct tp_session *session);

/*
 * The session speaks another protocol now, in which requests do not prove themselves any more: the
 * hook that had set the guard is asked again.  TP_DENIED: it refuses.
 */
enum tp_result tp__session_recall_guard(struct tp_session *session) TP_MUST_CHECK;

/* Whose guard is aside, for a session that is saved, "": nobody's; and puts it there again. */
struct tp_str tp__session_guard_aside(const struct tp_session *session);
enum tp_result tp__session_restore_guard_aside(struct tp_session *session,
                                               struct tp_str owner) TP_MUST_CHECK;

/* How large a packet of the other end may be now. */
struct tp_size tp__session_packet_limit(const struct tp_session *session);

/* What modules keep of it: written, read, and let go of; sane is what could have been written. */
enum tp_result tp__session_save_parts(const struct tp_session *session,
                                      struct tp_saved_writer *writer) TP_MUST_CHECK;
bool tp__session_parts_are_sane(struct tp_str saved);
enum tp_result tp__session_restore_parts(struct tp_session *session,
                                         struct tp_str saved) TP_MUST_CHECK;

/* The session has another configuration: tells the modules that keep something of sessions. */
void tp__session_parts_rebind(struct tp_session *session);

/* It is somebody else from here on; it has come from another process: tells them. */
void tp__session_parts_identified(struct tp_session *session);
void tp__session_parts_restored(struct tp_session *session);
void tp__session_parts_free(struct tp_session *session);

/* Frees the id and the variables. */
void tp__session_notes_free(struct tp_session *session);

/* Between two packets: takes the configuration in force over. */
void tp__session_on_boundary(struct tp_session *session);

/* Lets the deadline timer run for whichever time-out comes first; and its expiry. */
void tp__session_arm_deadline(struct tp_session *session);
void tp__session_on_deadline(struct tp_timer *timer);

/*
 * Has the session's queue room for a packet of ours, or is there room to be made?  TP_FULL: no,
 * and what its server wants done then is done at the turn's end.
 */
enum tp_result tp__send_queue_admit(struct tp_session *session,
                                    const struct tp_packet *packet) TP_MUST_CHECK;

/* Queues a packet of ours; those that have to make room for it go. */
void tp__send_queue_add(struct tp_exchange *exchange);

/* It waits no more: nothing replaces it. */
void tp__send_queue_leave(struct tp_exchange *exchange);

/* What waits does so under the rules of another configuration from here on. */
void tp__send_queue_rebind(struct tp_session *session);

/* Of a session with slowness.  All has left: it has caught up. */
void tp__send_queue_on_empty(struct tp_session *session);

/* At the turn's end: says what was done.  False: the session has to be closed. */
bool tp__send_queue_settle(struct tp_session *session) TP_MUST_CHECK;

/* Since when the oldest waits of what is to be sent, in ms; 0 where nothing does. */
int64_t tp__send_queue_age_ms(const struct tp_session *session);

/* The session ends: says what was not said yet. */
void tp__send_queue_fini(struct tp_session *session);

/* Fills a packet of our own; unless TP_OK is returned it is empty. */
enum tp_result tp__own_packet_fill(const struct tp_session *session, int32_t type,
                                   struct tp_str uri, struct tp_str body,
                                   const struct tp_send_options *options,
                                   struct tp_packet *packet) TP_MUST_CHECK;

/* Copies the texts to the packet, which has none yet. */
enum tp_result tp__own_packet_take_texts(const struct tp_session *session, struct tp_str uri,
                                         struct tp_str metadata,
                                         struct tp_packet *packet) TP_MUST_CHECK;

/*
 * Can the session's protocol say it?  TP_UNSUPPORTED: no.  A body that is deflated where that
 * cannot be said is inflated: TP_INVALID, TP_TOO_LARGE, TP_NO_MEMORY.
 */
enum tp_result tp__own_packet_check(struct tp_session *session,
                                    struct tp_packet *packet) TP_MUST_CHECK;

/* Encodes the packet and writes it, where nothing waits to be sent.  TP_GONE: the connection broke. */
enum tp_result tp__session_write_packet(struct tp_session *session,
                                        const struct tp_packet *packet) TP_MUST_CHECK;

/* Is this the REPLY to a signal?  Then its time was noted. */
bool tp__session_take_signal_reply(struct tp_session *session, const struct tp_packet *reply);

/* The REPLY to a PULL of ours, which is taken; one that nobody waits for is dropped. */
void tp__session_take_reply(struct tp_session *session, struct tp_packet *reply);

/* The packet of an exchange of ours was encoded: a PUSH has ended, a PULL waits for its REPLY. */
void tp__own_exchange_on_sent(struct tp_exchange *exchange);

/*
 * No REPLY can come any more: the PULLs that were sent end with `status`.  Where the session
 * lives on, those that are at a hook with their REPLY, or before they are sent, are spared.
 */
void tp__session_end_asked(struct tp_session *session, const struct tp_status *status,
                           bool lives_on);

/* The same for what has not been sent; `may_wait` spares what may wait for the next connection. */
void tp__session_end_unsent(struct tp_session *session, const struct tp_status *status,
                            bool may_wait);

/* An inflated body, appended to `plain`: see tp_filter.undo(); TP_INVALID without the filter. */
enum tp_result tp__sessions_inflate(struct tp_sessions *sessions, const struct tp_chain *body,
                                    struct tp_size limit, struct tp_chain *plain) TP_MUST_CHECK;

/* What cannot be deflated, or would grow, stays as it is: the header tells the truth. */
void tp__sessions_deflate(struct tp_sessions *sessions, int level, struct tp_packet *packet);

/*
 * The first pair of that name; the case of ASCII letters does not matter, because what came over
 * HTTP may have been through many hands.  `hyphen` in the name stands for '-', too: in names of
 * variables that is '_'.
 */
bool tp__metadata_find(struct tp_str metadata, struct tp_str name, char hyphen,
                       struct tp_query_pair *pair);

/* Takes a request that its protocol has refused: it is answered with the packet's status. */
void tp__exchange_begin_refused(struct tp_session *session, struct tp_packet *request,
                                int64_t begun_us);

/* Takes the packet and runs its handler, or answers for it. */
void tp__exchange_begin(struct tp_session *session, struct tp_packet *request, int64_t begun_us);

/* Runs hooks and handler of one that was made. */
void tp__exchange_run(struct tp_exchange *exchange);

/* Hands it to this handler instead of a route's. */
void tp__exchange_run_expected(struct tp_exchange *exchange, tp_handler_fn handler, void *owner);

/* Reads its uri unless that was done: path and query.  TP_INVALID, TP_NO_MEMORY. */
enum tp_result tp__exchange_read_uri(struct tp_exchange *exchange) TP_MUST_CHECK;

/* Looks for its route, and runs the hooks there and the handler. */
void tp__exchange_run_route(struct tp_exchange *exchange);

/* Runs its handler, or answers 404. */
void tp__exchange_handle(struct tp_exchange *exchange);

/* After handler or hooks: who has neither answered nor said that he will answers 500. */
void tp__exchange_check_answer(struct tp_exchange *exchange);

/* It has its outcome, which passes no further hook: to the queue, or behind its predecessors. */
void tp__exchange_go_out(struct tp_exchange *exchange);

/* Its outcome is this status (the texts are copied) without a body, whatever it was. */
void tp__exchange_replace_outcome(struct tp_exchange *exchange, const struct tp_status *status);

/* Lets go those replies whose predecessors need not be waited for any more. */
void tp__exchanges_release_parked(struct tp_session *session);

/* One of those who had it has it no more: it goes on alone, or is freed when it was the last. */
void tp__exchange_let_go(struct tp_exchange *exchange);

/* Begins with the hooks of the server at its header, if there are any: false otherwise. */
bool tp__exchange_begin_hooks(struct tp_exchange *exchange);

/* Runs the hooks from where it is; behind the last comes its handler. */
void tp__exchange_go_on(struct tp_exchange *exchange);

/* Calls its handler's hooks of pre_write_reply.  False: one has said later. */
bool tp__exchange_pass_reply(struct tp_exchange *exchange);

/* Its time has run out while a hook had it. */
void tp__exchange_overdue(struct tp_exchange *exchange);

/*
 * Calls the hooks of exchange->hook_point from hook_at on; TP_REFUSE: one refuses, *refusal
 * says why; TP_LATER: it waits for one, or has ended in one.
 */
enum tp_verdict tp__exchange_ask_hooks(struct tp_exchange *exchange, struct tp_status *refusal);

/* Calls the hooks of a point that may only watch. */
void tp__exchange_tell_hooks(struct tp_exchange *exchange, enum tp_hook_point point);

/*
 * One that waits for a hook came from another process: finds its place in the chain again.
 * TP_NOT_FOUND: the hook is not there any more.
 */
enum tp_result tp__exchange_find_hook(struct tp_exchange *exchange, enum tp_hook_point point,
                                      struct tp_str owner) TP_MUST_CHECK;

/* The name of the module whose hook it waits for. */
const char *tp__exchange_hook_owner(const struct tp_exchange *exchange);

/* Of ours: goes on behind the hook that had it, with what that has said. */
void tp__own_exchange_resume(struct tp_exchange *exchange, enum tp_verdict verdict,
                             const struct tp_status *refusal);

/*
 * An exchange of this request, which is taken, in no list of the session yet.  NULL when
 * memory is out; the request is the caller's then.
 */
struct tp_exchange *tp__exchange_new(struct tp_session *session, struct tp_packet *request,
                                     int64_t begun_us) TP_MUST_CHECK;

/*
 * An open exchange of this request, which is taken, without a route.  NULL when memory is
 * out; the request is the caller's then.
 */
struct tp_exchange *tp__exchange_make(struct tp_session *session, struct tp_packet *request,
                                      int64_t begun_us) TP_MUST_CHECK;

/*
 * Reads the request's uri and finds its route, which may be NULL.  TP_INVALID: the uri is
 * not one; TP_NO_MEMORY.
 */
enum tp_result tp__exchange_find_route(struct tp_exchange *exchange) TP_MUST_CHECK;

/* Its handler goes on with it at this time of CLOCK_MONOTONIC. */
void tp__exchange_hold_until(struct tp_exchange *exchange, int64_t due_ms);

/* After a handler has returned: what needs nothing more is freed. */
void tp__exchange_settle(struct tp_exchange *exchange);

/* It has this outcome, whoever has it; what is kept stays kept. */
void tp__exchange_end_with(struct tp_exchange *exchange, const struct tp_status *status);

/* Most exchanges are answered at once and never had it run. */
static inline void
tp__exchange_stop_timer(struct tp_exchange *exchange)
{
    if (exchange->timer.is_running) {
        tp__loop_stop_timer(exchange->sessions->loop, &exchange->timer);
    }
}

/* Deflates its reply's body as the request and the route want it, or inflates it. */
void tp__exchange_fit_reply(struct tp_exchange *exchange);

/* How much its reply is deflated; 0: not at all. */
int tp__exchange_reply_level(const struct tp_exchange *exchange);

/* Writes all open exchanges of the session. */
void tp__exchanges_save(const struct tp_session *session, struct tp_saved_writer *writer);

/* Can it be what tp__exchanges_save() has written?  *why says it in words where it cannot. */
bool tp__exchange_is_sane(const struct tp_saved_section *section, const char **why);

/*
 * Makes an open exchange of the session of a sane section; one whose handler cannot go on
 * with it is answered.  TP_NO_MEMORY.
 */
enum tp_result tp__exchange_restore(struct tp_session *session,
                                    const struct tp_saved_section *section) TP_MUST_CHECK;

/* Its reply was encoded, or its session has ended: frees what it holds. */
void tp__exchange_free(struct tp_exchange *exchange);

/* Frees those whose handlers will not be heard of again. */
void tp__exchanges_free_orphans(struct tp_sessions *sessions);

/* The session ends: all exchanges end with it but one whose handler is running. */
void tp__exchanges_abandon(struct tp_session *session, enum tp_close_reason reason);

#endif
