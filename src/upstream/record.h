/*
 * upstream/record.h - the inside of upstreams, for the files of this folder only.
 */
#ifndef TP_UPSTREAM_RECORD_H
#define TP_UPSTREAM_RECORD_H

#include "session/forward.h"
#include "upstream/balance.h"
#include "upstream/upstream.h"

struct upstream_link;
struct upstream_target;

struct tp_upstream {
    struct tp_list_node node; /* in upstreams->members */
    struct tp_upstreams *upstreams;
    struct tp_upstream_options options;
    unsigned holders;
    bool is_configured;          /* a block of the configuration in force says what it is */
    bool is_connecting_due;      /* sessions to new places are begun at the turn's end */
    bool is_own;                 /* its members come and go; nobody else finds it by its name */
    struct tp_balancer balancer; /* a share for each target, in their order */
    struct upstream_target **targets;
    struct tp_list_node waiting; /* passes that no place could be had for */
    size_t waiting_count;
    struct tp_work serve; /* lets those that wait try again */
    struct upstream_hush hush;
    char name[];
};

/* A place: it may outlive its upstream while it has something in flight. */
struct upstream_target {
    struct tp_upstreams *upstreams;
    struct tp_upstream *upstream; /* NULL: it is not one of its any more */
    struct tp_upstream_place place;
    struct tp_dialing dialing;
    const struct tp_source *source; /* NULL: it is a session that has dialed in */
    uint64_t session_number;        /* then */
    bool is_draining;
    bool is_wanted;    /* while the list of places changes */
    bool is_exclusive; /* its sessions are for one PULL at a time */
    bool is_server;    /* what goes there says REACH_NAME */
    bool is_new;       /* it is connected at the end of this turn */
    uint32_t pending;
    uint32_t fails; /* since first_fail_ms */
    int64_t first_fail_ms;
    int64_t down_until_ms;    /* it is left alone until then; 0: it has answered since */
    struct tp_timer recovery; /* to that time */
    bool is_ill;              /* its health check says so */
    struct tp_timer check;    /* to the next one, in the worker that asks */
    int64_t check_wait_ms;    /* that it was started with */
    struct upstream_link *check_link;
    bool is_being_checked;
    int64_t passes_in_row; /* of checks */
    int64_t fails_in_row;
    struct tp_list_node links;
    size_t link_count;
    size_t leaving_count;              /* of them */
    struct tp_timer redial;            /* after a session to it has ended for good */
    unsigned failed_dials;             /* in a row */
    struct tp_upstream_counts *counts; /* NULL: nobody counts */
    uint64_t counted_sessions;         /* what is counted there of it now */
    bool is_counted_down;
    char text[]; /* key, and address where the place is no part of a configuration */
};

/* A session to a place. */
struct upstream_link {
    struct tp_list_node node;
    struct upstream_target *target;
    struct tp_session *session; /* until the end of its dialing is told */
    uint32_t pending;
    bool is_open;
    bool is_hopeful;      /* it is being connected, and that has not failed yet */
    bool is_leaving;      /* it is one too many: it ends when what is in flight has */
    struct tp_timer idle; /* of one that is exclusive and has nothing to do */
};

/*
 * What a packet says that another server has passed on, so that nothing goes round in circles: it is
 * for members that have dialed in to whoever gets it.
 */
#define REACH_NAME "X-Registry-Reach"
#define REACH_OWN  "local"

enum {
    PASS_TRIED_MAX = 8, /* places that a pass remembers; who has tried more may meet one again */
};

/* One exchange on its way to a place and back, or a question of our own. */
struct upstream_pass {
    struct tp_list_node node;       /* in upstream->waiting while it waits */
    struct tp_upstream *upstream;   /* held */
    struct tp_exchange *exchange;   /* kept; NULL: a question of our own */
    struct upstream_target *target; /* that has it now; NULL: none */
    struct upstream_link *link;     /* to that; NULL: it is a session that has dialed in */
    struct tp_timer deadline;       /* while it waits for a place */
    struct tp_pass_options options; /* its uri lies in `text` */
    uint64_t hash;
    bool has_key; /* which `hash` is of */
    int64_t begun_ms;
    int64_t try_count;
    const struct upstream_target *tried[PASS_TRIED_MAX]; /* to be compared, not looked at */
    size_t tried_count;
    bool was_sent;     /* somebody may have begun with it */
    bool is_for_own;   /* it came with REACH_NAME */
    bool is_told_of;   /* the access log says where it has been */
    int64_t given_us;  /* then: when its last try began */
    bool is_beginning; /* whoever has asked waits for the call to return */

    /* Of a question. */
    struct tp_str body;
    uint8_t body_codec;
    bool is_secret;
    tp_reply_fn on_reply;
    void *owner;
    struct tp_text text;
};

/* As tp_upstream_pass(); the exchange came with REACH_NAME, if it is for our own members. */
void tp__upstream_pass(struct tp_upstream *upstream, struct tp_exchange *exchange,
                       const struct tp_pass_options *options, bool is_for_own);

/* Where passes to it are counted; and how it is now, until it goes. */
void tp__target_find_counts(struct upstream_target *target);
void tp__target_count_state(struct upstream_target *target);
void tp__target_uncount_state(struct upstream_target *target);

/*
 * A try begins, and its place has not taken it; or it ends, with a REPLY or, where nobody answers,
 * without.  For statistics and the access log.
 */
void tp__pass_note_begin(struct upstream_pass *pass);
void tp__pass_note_not_begun(const struct upstream_pass *pass);
void tp__pass_note_end(const struct upstream_pass *pass, const struct tp_reply *reply);

/* It has failed, at this server or nowhere ("-"), for the status' cause; or no upstream was found. */
void tp__pass_log_failure(const struct upstream_pass *pass, struct tp_str server,
                          const struct tp_status *status);
void tp__upstream_log_unfound(const struct tp_upstream_ref *ref, const struct tp_exchange *exchange,
                              const struct tp_status *status);

/* The place that is to have the pass now; NULL: none can. */
struct upstream_target *tp__upstream_choose(struct tp_upstream *upstream,
                                            const struct upstream_pass *pass);

/* Is there one that it has not tried? */
bool tp__upstream_has_another(struct tp_upstream *upstream, const struct upstream_pass *pass);

/* Whoever holds it lets go; it is freed with the last of them, unless it is configured. */
void tp__upstream_let_go(struct tp_upstream **held);

void tp__pass_free(struct upstream_pass *pass);

/* Is there one that will be able to, unless it fails? */
bool tp__upstream_is_hopeful(const struct tp_upstream *upstream);

/* Lets those that wait try again at the end of this turn. */
void tp__upstream_serve_soon(struct tp_upstream *upstream);
void tp__passes_serve(struct tp_upstream *upstream);
void tp__passes_end_waiting(struct tp_upstream *upstream);

/*
 * Adds what is told of who has asked, for a session that can say it, or for one of another worker
 * (NULL); texts are good until the next call.  TP_NO_MEMORY.
 */
enum tp_result tp__customer_add(struct upstream_pass *pass, const struct tp_session *session,
                                struct tp_forwarding *forwarding) TP_MUST_CHECK;

/* The same for a question of our own. */
enum tp_result tp__customer_add_to_question(struct upstream_pass *pass,
                                            const struct tp_session *session, struct tp_str *uri,
                                            struct tp_str *metadata) TP_MUST_CHECK;

/* A target of this place, with a share in the end; NULL: memory is out. */
struct upstream_target *tp__target_create(struct tp_upstream *upstream,
                                          const struct tp_upstream_place *place,
                                          struct tp_str address) TP_MUST_CHECK;

/* Are the sessions that it has what a place that is configured so wants? */
bool tp__target_fits(const struct upstream_target *target, const struct tp_upstream_place *place);

/* It is configured so now, and has been before. */
void tp__target_use(struct upstream_target *target, const struct tp_upstream_place *place);

/* Dials what it should be connected with from the beginning. */
void tp__target_connect(struct upstream_target *target);

/* It is no place of its upstream any more: it ends when what is in flight has. */
void tp__target_retire(struct upstream_target *target);

/* May it be chosen, whatever its health is? */
bool tp__target_is_there(const struct upstream_target *target);
bool tp__target_is_healthy(const struct upstream_target *target, int64_t now_ms);

/* Is a session for one PULL on its way there? */
bool tp__target_is_dialing(const struct upstream_target *target);

/* Will it be connected, unless that fails? */
bool tp__target_is_hopeful(const struct upstream_target *target);

/* A session that can take one more PULL now; NULL: none. */
struct upstream_link *tp__target_link(struct upstream_target *target) TP_MUST_CHECK;

/* A PULL has been given to it, or has ended there. */
void tp__target_begin(struct upstream_target *target, struct upstream_link *link);
void tp__target_end(struct upstream_target *target, struct upstream_link *link);

/* It could not be given, after all: nobody who waits can be given to it now, either. */
void tp__target_take_back(struct upstream_target *target, struct upstream_link *link);

/*
 * What was asked over it (NULL: over none) has ended so: where answers come in order, one that does
 * not come in time stands before all others, and the session is ended.
 */
void tp__link_heed(struct upstream_link *link, const struct tp_reply *reply);

/* What has become of one, as far as it says something of the place. */
void tp__target_failed(struct upstream_target *target, const char *why);
void tp__target_worked(struct upstream_target *target);

/* It has failed, here or in another worker: it is not chosen for its fail_timeout. */
void tp__target_leave_alone(struct upstream_target *target);

/* The place of that key; NULL: there is none. */
struct upstream_target *tp__upstream_find_target(const struct tp_upstream *upstream,
                                                 struct tp_str key);

/* Begins and ends what workers know together; which places are asked has changed. */
void tp__health_init(struct tp_upstreams *upstreams);
void tp__health_fini(struct tp_upstreams *upstreams);
void tp__health_apply(struct tp_upstreams *upstreams);
void tp__check_on_timer(struct tp_timer *timer);

/* The other workers leave it alone, too. */
void tp__target_tell_down(const struct upstream_target *target);

void tp__targets_stop(struct tp_upstream *upstream);

#endif
