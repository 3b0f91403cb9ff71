/*
 * process/courier.h - carries packets and questions to the sessions of other workers, and does
 * for them what theirs carry here.
 *
 * What a handler asks (teleport/remote.h) is a request until its one end: the answer of the
 * other worker, the death of that worker, or the time it may take.  For a session of this worker
 * it is done at once, and told at the end of the turn.
 *
 * Threads: the worker's loop.
 *
 * Read next: courier.c, courier_list.c, courier_inflight.c, parcel.h.
 */
#ifndef TP_PROCESS_COURIER_H
#define TP_PROCESS_COURIER_H

#include "cycle/cycle.h"
#include "process/parcel.h"
#include "session/session.h"
#include "share/bus.h"

enum {
    TP_COURIER_PENDING_MAX = 16384, /* requests under way, of one worker */
    TP_COURIER_GRACE_MS = 5000,     /* how long another worker may take to answer */
    TP_COURIER_ANSWERS_BYTES = TP_COURIER_PENDING_MAX * TP_PARCEL_OUTCOME_BYTES,
};

struct tp_courier {
    struct tp_loop *loop;
    struct tp_bus *bus;
    struct tp_sessions *sessions;
    unsigned slot;
    struct tp_cycle *cycle; /* borrowed: the one in force */
    uint64_t next_request;
    struct tp_hash_table requests; /* by their ids */
    struct tp_list_node pending;   /* the same, in the order they were made */
    struct tp_list_node ended;     /* to be told at the end of the turn */
    size_t ended_count;
    bool is_stopped;
    struct tp_list_node relays;  /* PULLs here whose asker is another worker */
    struct tp_list_node surveys; /* of our exchanges, for whom has asked; see courier_inflight.c */
    size_t survey_count;
    struct tp_work tell;
};

/* What the sessions reach others with; its owner is the courier. */
extern const struct tp_remote_functions tp__courier_functions;

/* A courier without anything to do; what the pointers name is borrowed for its life. */
void tp__courier_init(struct tp_courier *courier, struct tp_loop *loop, struct tp_bus *bus,
                      struct tp_sessions *sessions, struct tp_cycle *cycle);

/* Ends all requests with TP_INTERRUPTED.  Before the sessions end, and with them who asked. */
void tp__courier_stop(struct tp_courier *courier);

/* A message of the bus of one of the kinds from TP_BUS_PUSH on, but TP_BUS_TOLD. */
void tp__courier_on_message(struct tp_courier *courier, unsigned from_slot, uint16_t kind,
                            struct tp_str bytes);

/* The worker in `slot` has ended, or there is no way to it any more. */
void tp__courier_on_gone(struct tp_courier *courier, unsigned slot);

/*
 * Tells a session, of this worker or another, to end because another one took its id; nobody
 * waits for the outcome.
 */
void tp__courier_close_taken(struct tp_courier *courier, uint64_t number);

/*
 * For courier_list.c and courier_inflight.c: a request for rows of the worker in a slot, ourselves
 * included.  What asks for them is sent with its number, `id`, by tp__courier_ask(); unless that
 * returns TP_OK, on_rows is not called.
 */
struct tp_courier_answer {
    enum tp_result result;
    uint64_t found_count;
    struct tp_str rows;
};
typedef void (*tp_courier_rows_fn)(void *owner, unsigned slot,
                                   const struct tp_courier_answer *answer);

/* Where the session is, and its number.  TP_NOT_FOUND; TP_TIMED_OUT: see tp__zone_lock(). */
enum tp_result tp__courier_find(struct tp_courier *courier, const struct tp_session_name *name,
                                struct tp_directory_entry *entry) TP_MUST_CHECK;

struct courier_request;
enum tp_result tp__courier_open(struct tp_courier *courier, unsigned slot,
                                tp_courier_rows_fn on_rows, void *owner,
                                struct courier_request **request, uint64_t *id) TP_MUST_CHECK;
enum tp_result tp__courier_ask(struct courier_request *request,
                               const struct tp_parcel *parcel) TP_MUST_CHECK;

/* …and answers with them, or with why that cannot be. */
void tp__courier_answer_rows(struct tp_courier *courier, unsigned to_slot,
                             struct tp_parcel_description *description);

/* For courier_relay.c: what became of a request of the worker in a slot, which learns it once. */
void tp__courier_answer(struct tp_courier *courier, unsigned to_slot, uint64_t request,
                        enum tp_result result);
void tp__courier_answer_with(struct tp_courier *courier, unsigned to_slot,
                             const struct tp_parcel_outcome *outcome);

/*
 * For courier.c: what another worker wants sent on a session of ours, and that nobody there waits any
 * more.  False: the bytes are no such thing.
 */
bool tp__courier_relay_packet(struct tp_courier *courier, unsigned from_slot, uint16_t kind,
                              struct tp_str bytes) TP_MUST_CHECK;
bool tp__courier_relay_forward(struct tp_courier *courier, unsigned from_slot,
                               struct tp_str bytes) TP_MUST_CHECK;
void tp__courier_forget_relays(struct tp_courier *courier, unsigned slot);

/* The body once more, in as many slices as a parcel has room for. */
enum tp_result tp__courier_take_body(struct tp_courier *courier, const struct tp_chain *body,
                                     struct tp_chain *taken) TP_MUST_CHECK;

/* For courier.c: what the others do with a query, with a question, and at the end. */
enum tp_result tp__courier_list(void *owner, const struct tp_session_query *query,
                                tp_page_fn on_page, void *page_owner) TP_MUST_CHECK;
void tp__courier_describe(struct tp_courier *courier, unsigned from_slot, struct tp_str bytes);

enum tp_result tp__courier_list_exchanges(void *owner, const struct tp_exchange_query *query,
                                          tp_exchanges_fn on_page, void *page_owner) TP_MUST_CHECK;
void tp__courier_survey(struct tp_courier *courier, unsigned from_slot, struct tp_str bytes);
void tp__courier_end_surveys(struct tp_courier *courier);

#endif
