/*
 * courier.c - carries packets to the sessions of other workers, and does for them what theirs
 * carry here.
 *
 *   here                                            the worker of the session
 *   tp_remote_push() -> request -- TP_BUS_PUSH ---> tp_session_push()
 *   on_end           <- request <- TP_BUS_OUTCOME - what that returned
 *
 *   tp_remote_pull() -> request -- TP_BUS_PULL ---> tp_session_pull_async(), a relay
 *   on_end           <- request <- TP_BUS_OUTCOME - the relay, with the reply
 *
 *   tp__remote_forward(): the same of a PULL or PUSH that is passed on as it came, TP_BUS_FORWARD
 *
 * The table of requests is what makes each end once: whoever ends one takes it out first, and
 * an answer that finds none is dropped.  Request ids begin with a random one, so that the answer
 * to a dead worker's request means nothing to the one that came in its place.
 *
 * Runs in: worker.  Owns: requests.
 * Read next: courier_relay.c (the other end), share/directory.c, session/asking.c.
 */
#include "process/courier.h"

#include "base/hash.h"
#include "os/random.h"
#include "process/bus_kinds.h"
#include "session/forward.h"

#include <stdlib.h>

struct courier_request {
    struct tp_hash_node by_id; /* in courier->requests */
    struct tp_list_node node;  /* in courier->pending, or ended */
    struct tp_courier *courier;
    uint64_t id;
    unsigned slot; /* who is asked */
    struct tp_timer deadline;
    enum tp_result result; /* of one that has ended and is to be told */
    bool waits_here;       /* a PULL on a session of ours, whose REPLY brings us back */
    bool is_abandoned;     /* …though nobody waits for that any more */
    tp_remote_fn on_end;   /* NULL: nobody waits for it */
    tp_courier_rows_fn on_rows;
    void *owner;
};

static enum tp_result courier_push(void *owner, const struct tp_remote_packet *packet,
                                   tp_remote_fn on_end, void *end_owner);
static enum tp_result courier_pull(void *owner, const struct tp_remote_packet *packet,
                                   tp_remote_fn on_end, void *end_owner);
static enum tp_result courier_forward(void *owner, uint64_t session_number,
                                      struct tp_exchange *exchange,
                                      const struct tp_forwarding *forwarding, tp_remote_fn on_end,
                                      void *end_owner);
static enum tp_result courier_close(void *owner, const struct tp_remote_closing *closing,
                                    tp_remote_fn on_end, void *end_owner);

static enum tp_result courier_find_slot(void *owner, const struct tp_session_name *name,
                                        unsigned *slot);
static struct tp_session *courier_session_at(const struct tp_courier *courier, uint64_t number);
static enum tp_result courier_send(struct courier_request *request, const struct tp_parcel *parcel,
                                   int64_t wait_max_ms);
static enum tp_result courier_begin(struct tp_courier *courier, const struct tp_session_name *name,
                                    struct tp_directory_entry *entry,
                                    struct courier_request **request);
static enum tp_result courier_send_packet(struct courier_request *request, uint64_t number,
                                          const struct tp_remote_packet *packet, uint16_t kind);

static enum tp_result request_make(struct tp_courier *courier, unsigned slot,
                                   struct courier_request **made);
static void request_take_out(struct courier_request *request);
static void request_tell(struct courier_request *request, enum tp_result result,
                         const struct tp_reply *reply);
static void request_tell_rows(struct courier_request *request,
                              const struct tp_courier_answer *answer);
static void request_count_failure(const struct courier_request *request, enum tp_result result);
static void request_end(struct courier_request *request, enum tp_result result,
                        const struct tp_reply *reply);
static void request_end_later(struct courier_request *request, enum tp_result result);
static void request_on_deadline(struct tp_timer *timer);
static void request_on_reply(const struct tp_reply *reply, void *owner);
static struct courier_request *request_find(const struct tp_courier *courier, uint64_t id);
static struct courier_request *request_from_node(struct tp_list_node *node);
static void courier_on_tell(struct tp_work *work);

static bool courier_on_closing(struct tp_courier *courier, unsigned from_slot, struct tp_str bytes);
static enum tp_result courier_close_here(struct tp_session *session,
                                         const struct tp_parcel_closing *closing);
static bool courier_on_outcome(struct tp_courier *courier, struct tp_str bytes);
static bool courier_on_description(struct tp_courier *courier, struct tp_str bytes);

const struct tp_remote_functions tp__courier_functions = {
    .find = courier_find_slot,
    .push = courier_push,
    .pull = courier_pull,
    .forward = courier_forward,
    .close = courier_close,
    .list = tp__courier_list,
    .list_exchanges = tp__courier_list_exchanges,
};

void
tp__courier_init(struct tp_courier *courier, struct tp_loop *loop, struct tp_bus *bus,
                 struct tp_sessions *sessions, struct tp_cycle *cycle)
{
    *courier = (struct tp_courier){
        .loop = loop,
        .bus = bus,
        .sessions = sessions,
        .slot = sessions->worker_slot,
        .cycle = cycle,
    };
    tp__random_fill(&courier->next_request, sizeof(courier->next_request));
    tp__list_init(&courier->pending);
    tp__list_init(&courier->ended);
    tp__list_init(&courier->relays);
    tp__list_init(&courier->surveys);
    tp__work_init(&courier->tell, courier_on_tell);
}

void
tp__courier_stop(struct tp_courier *courier)
{
    if (courier->loop == NULL) {
        return;
    }
    courier->is_stopped = true;
    tp__courier_end_surveys(courier);
    while (!tp__list_is_empty(&courier->pending)) {
        request_end(request_from_node(courier->pending.next), TP_INTERRUPTED, NULL);
    }
    courier_on_tell(&courier->tell);
    tp__work_cancel(&courier->tell);
    tp__hash_table_fini(&courier->requests);
}

void
tp__courier_on_message(struct tp_courier *courier, unsigned from_slot, uint16_t kind,
                       struct tp_str bytes)
{
    bool is_sound = true;

    switch ((enum tp_bus_kind) kind) {
    case TP_BUS_PUSH:
    case TP_BUS_PULL:
        is_sound = tp__courier_relay_packet(courier, from_slot, kind, bytes);
        break;
    case TP_BUS_FORWARD:
        is_sound = tp__courier_relay_forward(courier, from_slot, bytes);
        break;
    case TP_BUS_CLOSE:
        is_sound = courier_on_closing(courier, from_slot, bytes);
        break;
    case TP_BUS_OUTCOME:
        is_sound = courier_on_outcome(courier, bytes);
        break;
    case TP_BUS_DESCRIBE:
        tp__courier_describe(courier, from_slot, bytes);
        break;
    case TP_BUS_SURVEY:
        tp__courier_survey(courier, from_slot, bytes);
        break;
    case TP_BUS_DESCRIPTION:
        is_sound = courier_on_description(courier, bytes);
        break;
    case TP_BUS_ACCEPT_NOW:
    case TP_BUS_ASK:
    case TP_BUS_ANSWER:
    case TP_BUS_TOLD:
        TP_ASSERT(!"these are not for the courier");
        break;
    }
    /* Workers are of one binary: this is no mistake of the world's. */
    TP_ASSERT(is_sound);
}

void
tp__courier_on_gone(struct tp_courier *courier, unsigned slot)
{
    tp__courier_forget_relays(courier, slot);
    /* Told later: who is told may ask anew, and that is not to end here. */
    TP_LIST_EACH (node, &courier->pending) {
        struct courier_request *request = request_from_node(node);

        if (request->slot == slot) {
            request_end_later(request, TP_GONE);
        }
    }
}

void
tp__courier_close_taken(struct tp_courier *courier, uint64_t number)
{
    struct tp_remote_closing closing = { .to = { .number = number } };
    struct tp_directory_entry entry;
    struct courier_request *request = NULL;
    struct tp_parcel parcel;
    enum tp_result result = tp__courier_find(courier, &closing.to, &entry);

    if (result == TP_OK && entry.slot == courier->slot) {
        return; /* Its own sessions are told by the one that took the id. */
    }
    if (result == TP_OK) {
        result = request_make(courier, entry.slot, &request);
    }
    if (result == TP_OK) {
        struct tp_parcel_closing parts = {
            .request = request->id,
            .number = number,
            .is_id_taken = true,
        };

        tp__parcel_write_closing(&parcel, &parts);
        result = courier_send(request, &parcel, TP_COURIER_GRACE_MS);
    }
    if (result != TP_OK && result != TP_NOT_FOUND) {
        tp_log_warn(&courier->cycle->log, "closing-untold", "number=%llu reason=%s",
                    (unsigned long long) number, tp_close_reason_word(TP_CLOSE_ID_TAKEN));
    }
}

/*
 * A session of ours is found by its number without the directory, which may have had no room for
 * it.  Who has an id only the directory knows: one of ours may have lost it a moment ago.
 */
enum tp_result
tp__courier_find(struct tp_courier *courier, const struct tp_session_name *name,
                 struct tp_directory_entry *entry)
{
    struct tp_directory *directory = &courier->cycle->shared.directory;

    if (name->number == 0) {
        return tp__directory_find_id(directory, name->id, entry);
    }
    entry->number = name->number;
    if (courier_session_at(courier, name->number) != NULL) {
        entry->slot = courier->slot;
        return TP_OK;
    }
    return tp__directory_find(directory, name->number, &entry->slot);
}

enum tp_result
tp__courier_open(struct tp_courier *courier, unsigned slot, tp_courier_rows_fn on_rows, void *owner,
                 struct courier_request **request, uint64_t *id)
{
    enum tp_result result = request_make(courier, slot, request);

    if (result == TP_OK) {
        (*request)->on_rows = on_rows;
        (*request)->owner = owner;
        *id = (*request)->id;
    }
    return result;
}

enum tp_result
tp__courier_ask(struct courier_request *request, const struct tp_parcel *parcel)
{
    return courier_send(request, parcel, TP_COURIER_GRACE_MS);
}

void
tp__courier_answer_rows(struct tp_courier *courier, unsigned to_slot,
                        struct tp_parcel_description *description)
{
    struct tp_parcel parcel;

    tp__parcel_write_description(&parcel, description);
    enum tp_result result = tp__bus_send_pieces(courier->bus, to_slot, &parcel.message);

    if (result != TP_OK) {
        description->result = result;
        description->rows = TP_STR("");
        tp__parcel_write_description(&parcel, description);
        result = tp__bus_answer(courier->bus, to_slot, &parcel.message);
    }
    if (result != TP_OK) {
        tp_log_warn(&courier->cycle->log, "answer-refused", "to_slot=%u", to_slot);
    }
}

static enum tp_result
courier_push(void *owner, const struct tp_remote_packet *packet, tp_remote_fn on_end,
             void *end_owner)
{
    struct tp_courier *courier = owner;
    struct tp_directory_entry entry;
    struct courier_request *request;
    enum tp_result result = courier_begin(courier, &packet->to, &entry, &request);

    if (result != TP_OK) {
        return result;
    }
    request->on_end = on_end;
    request->owner = end_owner;
    struct tp_session *session = courier_session_at(courier, entry.number);

    if (session == NULL) {
        return courier_send_packet(request, entry.number, packet, TP_BUS_PUSH);
    }
    request_end_later(request,
                      tp_session_push(session, packet->uri, packet->body, packet->options));
    return TP_OK;
}

static enum tp_result
courier_pull(void *owner, const struct tp_remote_packet *packet, tp_remote_fn on_end,
             void *end_owner)
{
    struct tp_courier *courier = owner;
    struct tp_directory_entry entry;
    struct courier_request *request;
    enum tp_result result = courier_begin(courier, &packet->to, &entry, &request);

    if (result != TP_OK) {
        return result;
    }
    struct tp_send_options options = { 0 };
    struct tp_remote_packet timed = *packet;
    struct tp_session *session = courier_session_at(courier, entry.number);

    if (packet->options != NULL) {
        options = *packet->options;
    }
    if (options.timeout.ms == 0) {
        options.timeout.ms = TP_REMOTE_PULL_TIMEOUT_MS;
    }
    timed.options = &options;
    request->on_end = on_end;
    request->owner = end_owner;
    if (session == NULL) {
        return courier_send_packet(request, entry.number, &timed, TP_BUS_PULL);
    }
    result = tp_session_pull_async(session, packet->uri, packet->body, &options, request_on_reply,
                                   request);
    if (result == TP_OK) {
        request->waits_here = true;
    } else {
        request_end_later(request, result);
    }
    return TP_OK;
}

/* Whoever passes on sees itself whether the session is one of ours. */
static enum tp_result
courier_forward(void *owner, uint64_t session_number, struct tp_exchange *exchange,
                const struct tp_forwarding *forwarding, tp_remote_fn on_end, void *end_owner)
{
    struct tp_courier *courier = owner;
    const struct tp_session_name name = { .number = session_number };
    struct tp_directory_entry entry;
    struct courier_request *request;
    struct tp_parcel parcel;
    struct tp_chain body = { 0 };
    enum tp_result result = courier_begin(courier, &name, &entry, &request);

    if (result != TP_OK) {
        return result;
    }
    struct tp_parcel_forward parts = {
        .request = request->id,
        .number = session_number,
        .timeout = forwarding->asking.timeout,
        .is_pull = forwarding->is_pull,
        .packet = *tp_exchange_request(exchange),
        .plain_uri = forwarding->plain_uri,
        .body = &body,
    };

    request->on_end = on_end;
    request->owner = end_owner;
    if (forwarding->uri.len > 0) {
        parts.packet.uri = forwarding->uri;
    }
    if (forwarding->has_metadata) {
        parts.packet.metadata = forwarding->metadata;
    }
    result = tp__courier_take_body(courier, &parts.packet.body, &body);
    if (result != TP_OK) {
        request_take_out(request);
        free(request);
        return result;
    }
    tp__parcel_write_forward(&parcel, &parts);
    result = courier_send(request, &parcel, TP_COURIER_GRACE_MS + parts.timeout.ms);
    tp_chain_clear(&body);
    return result;
}

static enum tp_result
courier_close(void *owner, const struct tp_remote_closing *closing, tp_remote_fn on_end,
              void *end_owner)
{
    struct tp_courier *courier = owner;
    struct tp_directory_entry entry;
    struct courier_request *request;

    if (closing->reason.len > TP_CLOSE_WORDS_MAX) {
        return TP_TOO_LARGE;
    }
    enum tp_result result = courier_begin(courier, &closing->to, &entry, &request);

    if (result != TP_OK) {
        return result;
    }
    struct tp_parcel_closing parts = {
        .request = request->id,
        .number = entry.number,
        .may_redial = closing->may_redial,
        .words = closing->reason,
    };
    struct tp_session *session = courier_session_at(courier, entry.number);
    struct tp_parcel parcel;

    request->on_end = on_end;
    request->owner = end_owner;
    if (session == NULL) {
        tp__parcel_write_closing(&parcel, &parts);
        return courier_send(request, &parcel, TP_COURIER_GRACE_MS);
    }
    request_end_later(request, courier_close_here(session, &parts));
    return TP_OK;
}

/* Finds the session and makes a request for it. */
static enum tp_result
courier_begin(struct tp_courier *courier, const struct tp_session_name *name,
              struct tp_directory_entry *entry, struct courier_request **request)
{
    enum tp_result result = tp__courier_find(courier, name, entry);

    if (result == TP_OK) {
        result = request_make(courier, entry->slot, request);
    }
    return result;
}

static enum tp_result
courier_find_slot(void *owner, const struct tp_session_name *name, unsigned *slot)
{
    struct tp_directory_entry entry;
    enum tp_result result = tp__courier_find(owner, name, &entry);

    if (result == TP_OK) {
        *slot = entry.slot;
    }
    return result;
}

static struct tp_session *
courier_session_at(const struct tp_courier *courier, uint64_t number)
{
    return tp_session_at((struct tp_session_handle){ courier->sessions, number });
}

static enum tp_result
courier_send_packet(struct courier_request *request, uint64_t number,
                    const struct tp_remote_packet *packet, uint16_t kind)
{
    struct tp_parcel_packet parts = {
        .request = request->id,
        .number = number,
        .uri = packet->uri,
        .body = packet->body,
    };
    struct tp_parcel parcel;

    if (packet->options != NULL) {
        parts.options = *packet->options;
    }
    tp__parcel_write_packet(&parcel, kind, &parts);
    return courier_send(request, &parcel, TP_COURIER_GRACE_MS + parts.options.timeout.ms);
}

/*
 * Sends what the request is about.  Unless TP_OK is returned there is no request any more; that
 * there is no way to the other worker is told like its death.
 */
static enum tp_result
courier_send(struct courier_request *request, const struct tp_parcel *parcel, int64_t wait_max_ms)
{
    struct tp_courier *courier = request->courier;
    enum tp_result result = tp__bus_send_pieces(courier->bus, request->slot, &parcel->message);

    if (result == TP_OK) {
        tp__loop_start_timer(courier->loop, &request->deadline, wait_max_ms);
    } else if (result == TP_FULL || result == TP_TOO_LARGE || result == TP_NO_MEMORY) {
        request_take_out(request);
        free(request);
        return result;
    } else {
        request_end_later(request, TP_GONE);
    }
    return TP_OK;
}

static enum tp_result
request_make(struct tp_courier *courier, unsigned slot, struct courier_request **made)
{
    if (courier->is_stopped) {
        return TP_INTERRUPTED;
    }
    if (courier->requests.count + courier->ended_count >= TP_COURIER_PENDING_MAX) {
        return TP_FULL;
    }
    struct courier_request *request = calloc(1, sizeof(*request));

    if (request == NULL) {
        return TP_NO_MEMORY;
    }
    request->courier = courier;
    request->id = courier->next_request++;
    request->slot = slot;
    tp__timer_init(&request->deadline, request_on_deadline);
    tp__list_init(&request->node);
    tp__list_append(&courier->pending, &request->node);
    tp__hash_table_add(&courier->requests, &request->by_id, tp__hash_number(request->id));
    tp__counter_add(&courier->cycle->shared.counters, TP_COUNTER_REMOTE_REQUESTS, 1);
    *made = request;
    return TP_OK;
}

/* No answer finds it any more. */
static void
request_take_out(struct courier_request *request)
{
    struct tp_courier *courier = request->courier;

    tp__loop_stop_timer(courier->loop, &request->deadline);
    tp__hash_table_remove(&courier->requests, &request->by_id);
    tp__list_remove(&request->node);
}

/* Of a request that was taken out: the last thing that becomes of it. */
static void
request_tell(struct courier_request *request, enum tp_result result, const struct tp_reply *reply)
{
    struct courier_request told = *request;

    if (told.on_rows != NULL) {
        request_tell_rows(request, &(struct tp_courier_answer){ .result = result });
        return;
    }
    request_count_failure(request, result);
    if (request->waits_here) {
        request->is_abandoned = true;
    } else {
        free(request);
    }
    if (told.on_end != NULL) {
        told.on_end(result, reply, told.owner);
    }
}

/* The same of one for rows. */
static void
request_tell_rows(struct courier_request *request, const struct tp_courier_answer *answer)
{
    struct courier_request told = *request;

    request_count_failure(request, answer->result);
    free(request);
    told.on_rows(told.owner, told.slot, answer);
}

static void
request_count_failure(const struct courier_request *request, enum tp_result result)
{
    if (result != TP_OK) {
        tp__counter_add(&request->courier->cycle->shared.counters, TP_COUNTER_REMOTE_FAILURES, 1);
    }
}

static void
request_end(struct courier_request *request, enum tp_result result, const struct tp_reply *reply)
{
    request_take_out(request);
    request_tell(request, result, reply);
}

static void
request_end_later(struct courier_request *request, enum tp_result result)
{
    struct tp_courier *courier = request->courier;

    request_take_out(request);
    request->result = result;
    tp__list_append(&courier->ended, &request->node);
    courier->ended_count++;
    tp__loop_post(courier->loop, &courier->tell);
}

static void
courier_on_tell(struct tp_work *work)
{
    struct tp_courier *courier = TP_CONTAINER_OF(work, struct tp_courier, tell);
    struct tp_list_node ended;
    struct tp_list_node *node;

    tp__list_init(&ended);
    tp__list_move_all(&ended, &courier->ended);
    while ((node = tp__list_take_first(&ended)) != NULL) {
        struct courier_request *request = request_from_node(node);

        courier->ended_count--;
        request_tell(request, request->result, NULL);
    }
}

static void
request_on_deadline(struct tp_timer *timer)
{
    struct courier_request *request = TP_CONTAINER_OF(timer, struct courier_request, deadline);
    struct tp_courier *courier = request->courier;

    tp_log_warn(&courier->cycle->log, "worker-late", "slot=%u", request->slot);
    request_end(request, TP_TIMED_OUT, NULL);
}

/* The REPLY to a PULL on a session of ours. */
static void
request_on_reply(const struct tp_reply *reply, void *owner)
{
    struct courier_request *request = owner;

    if (request->is_abandoned) {
        free(request);
        return;
    }
    request->waits_here = false;
    request_end(request, TP_OK, reply);
}

static struct courier_request *
request_find(const struct tp_courier *courier, uint64_t id)
{
    struct tp_hash_node *node = tp__hash_table_find(&courier->requests, tp__hash_number(id));

    /* The mix is one to one: what has the hash has the number. */
    return node == NULL ? NULL : TP_CONTAINER_OF(node, struct courier_request, by_id);
}

static struct courier_request *
request_from_node(struct tp_list_node *node)
{
    return TP_CONTAINER_OF(node, struct courier_request, node);
}

static bool
courier_on_closing(struct tp_courier *courier, unsigned from_slot, struct tp_str bytes)
{
    struct tp_parcel_closing closing;

    if (!tp__parcel_read_closing(bytes, &closing)) {
        return false;
    }
    struct tp_session *session = courier_session_at(courier, closing.number);
    enum tp_result result = session == NULL ? TP_GONE : courier_close_here(session, &closing);

    tp__courier_answer(courier, from_slot, closing.request, result);
    return true;
}

static enum tp_result
courier_close_here(struct tp_session *session, const struct tp_parcel_closing *closing)
{
    if (tp_session_get_state(session) == TP_SESSION_ENDING) {
        return TP_GONE;
    }
    if (closing->is_id_taken) {
        enum tp_result result = tp_session_set_id(session, TP_STR(""));

        TP_ASSERT(result == TP_OK);
    }
    tp__session_close_told(session, closing->is_id_taken ? TP_CLOSE_ID_TAKEN : TP_CLOSE_KICKED,
                           closing->words, closing->may_redial);
    return TP_OK;
}

/* What came of a request of ours; it may have run out of time. */
static bool
courier_on_outcome(struct tp_courier *courier, struct tp_str bytes)
{
    struct tp_parcel_outcome outcome;

    if (!tp__parcel_read_outcome(bytes, &outcome)) {
        return false;
    }
    struct courier_request *request = request_find(courier, outcome.request);
    struct tp_reply reply = {
        .status = outcome.status,
        .metadata = outcome.metadata,
        .body = outcome.body,
        .body_codec = outcome.body_codec,
        .has_body_codec = outcome.has_body_codec,
        .gzip_level = outcome.gzip_level,
        .is_answered = outcome.is_answered,
        .was_sent = outcome.was_sent,
    };

    if (outcome.is_lost) {
        reply.status.text = TP_STR("the reply is too large for bus_queue, or that is full");
    }
    if (request != NULL) {
        request_end(request, outcome.result, outcome.has_reply ? &reply : NULL);
    }
    return true;
}

static bool
courier_on_description(struct tp_courier *courier, struct tp_str bytes)
{
    struct tp_parcel_description description;

    if (!tp__parcel_read_description(bytes, &description)) {
        return false;
    }
    struct courier_request *request = request_find(courier, description.request);

    if (request != NULL) {
        const struct tp_courier_answer answer = {
            .result = description.result,
            .found_count = description.found_count,
            .rows = description.rows,
        };

        request_take_out(request);
        request_tell_rows(request, &answer);
    }
    return true;
}

void
tp__courier_answer(struct tp_courier *courier, unsigned to_slot, uint64_t request,
                   enum tp_result result)
{
    const struct tp_parcel_outcome outcome = { .request = request, .result = result };

    tp__courier_answer_with(courier, to_slot, &outcome);
}

void
tp__courier_answer_with(struct tp_courier *courier, unsigned to_slot,
                        const struct tp_parcel_outcome *outcome)
{
    struct tp_parcel parcel;

    tp__parcel_write_outcome(&parcel, outcome);
    if (tp__bus_answer(courier->bus, to_slot, &parcel.message) != TP_OK) {
        tp_log_warn(&courier->cycle->log, "answer-refused", "to_slot=%u", to_slot);
    }
}
