/*
 * send_queue.c - who takes more slowly than is sent to him: what becomes of PUSHes of ours that
 * a send queue has no room for, and what is said of it.
 *
 * What is dropped or replaced is always a PUSH of ours that has not begun to leave.  A PULL ends
 * with a status, replies are bounded by not reading on, and what has begun goes to its end.
 *
 * With latest-by-uri each PUSH that waits is in sessions->latest, too, by session and uri.  From
 * when the queue was full until it has been empty there is at most one for a uri.
 *
 * Runs in: worker; a program's thread with the library.  Owns: the session's slowness.
 * Read next: asking.c, session_write.c (when something begins to leave).
 */
#include "session/record.h"

#include "base/hash.h"
#include "base/str.h"
#include "session/variables.h"

#include <stdlib.h>

enum {
    SLOW_LOG_MS = 10 * 1000,                   /* a session is named so often */
    SLOW_ID_SHOWN_MAX = 4 * TP_SESSION_ID_MAX, /* of its id, escaped */
};

/* What was done: ROW(NAME, word of the log). */
#define QUEUE_DEED_TABLE(ROW)  \
    ROW(REFUSED, "refused")    \
    ROW(DROPPED, "dropped")    \
    ROW(REPLACED, "replaced")  \
    ROW(CLOSED, "closed")      \
    ROW(ENDED, "ended") /* not by this */

enum queue_deed {
#define QUEUE_DEED_ENUM_ROW(name, word) QUEUE_##name,
    QUEUE_DEED_TABLE(QUEUE_DEED_ENUM_ROW)
#undef QUEUE_DEED_ENUM_ROW
    QUEUE_DEED_COUNT
};

static const char *const queue_deed_words[] = {
#define QUEUE_DEED_WORD_ROW(name, word) word,
    QUEUE_DEED_TABLE(QUEUE_DEED_WORD_ROW)
#undef QUEUE_DEED_WORD_ROW
};

/* Of a session whose queue was full once. */
struct tp_slowness {
    bool is_slow;     /* it has not been empty since */
    bool is_overfull; /* the turn's end looks whether the session has to be closed for it */
    bool has_news;    /* something was done since the turn's end has last looked */
    enum queue_deed last_deed;
    int64_t logged_ms;                 /* when it was last named; 0: never */
    uint64_t unsaid[QUEUE_DEED_COUNT]; /* what was done since then */
};

static bool queue_fits(const struct tp_session *session, size_t cost, size_t freed);
static bool queue_is_slow(const struct tp_session *session);
static void queue_flush(struct tp_session *session);
static bool queue_holds_caller(const struct tp_session *session);
static bool queue_can_make_room(struct tp_session *session, const struct tp_packet *packet,
                                size_t cost);
static size_t queue_droppable_bytes(const struct tp_session *session, size_t cost);
static bool queue_may_drop(const struct tp_exchange *exchange);
static void queue_drop_oldest(struct tp_session *session, size_t cost);
static void queue_drop(struct tp_exchange *exchange, enum queue_deed deed);
static void queue_begin_slow(struct tp_session *session);
static void queue_drop_superseded(struct tp_session *session);
static void queue_index(struct tp_exchange *exchange);
static struct tp_list_node *queue_take_place(struct tp_session *session, struct tp_str uri);
static struct tp_exchange *queue_find_latest(const struct tp_session *session, struct tp_str uri,
                                             const struct tp_exchange *but);
static uint64_t queue_hash(const struct tp_session *session, struct tp_str uri);
static struct tp_slowness *queue_note(struct tp_session *session, enum queue_deed deed);
static void queue_log(struct tp_session *session, enum queue_deed deed);

enum tp_result
tp__send_queue_admit(struct tp_session *session, const struct tp_packet *packet)
{
    size_t cost = tp__exchange_queue_cost(packet);

    if (queue_fits(session, cost, 0)) {
        return TP_OK;
    }
    queue_flush(session);
    if (queue_fits(session, cost, 0) || queue_can_make_room(session, packet, cost)) {
        return TP_OK;
    }
    struct tp_slowness *slowness = queue_note(session, QUEUE_REFUSED);

    if (slowness != NULL && session->source->server->limits.on_full == TP_ON_FULL_CLOSE) {
        slowness->is_overfull = true;
    }
    return TP_FULL;
}

void
tp__send_queue_add(struct tp_exchange *exchange)
{
    struct tp_session *session = exchange->session;
    enum tp_on_full on_full = session->source->server->limits.on_full;
    size_t cost = tp__exchange_queue_cost(&exchange->request);
    struct tp_list_node *place = &session->outgoing;

    if (queue_may_drop(exchange)) {
        if (on_full == TP_ON_FULL_DROP_OLD && !queue_fits(session, cost, 0)) {
            queue_drop_oldest(session, cost);
        } else if (on_full == TP_ON_FULL_LATEST_BY_URI && queue_is_slow(session)) {
            place = queue_take_place(session, exchange->request.uri);
        }
    }
    /* A list's end is in front of its head, and a place in front of who comes next. */
    tp__list_append(place, &exchange->node);
    exchange->is_queued = true;
    session->queued_bytes += cost;
    if (on_full == TP_ON_FULL_LATEST_BY_URI) {
        queue_index(exchange);
    }
}

void
tp__send_queue_leave(struct tp_exchange *exchange)
{
    if (exchange->is_latest) {
        exchange->is_latest = false;
        tp__hash_table_remove(&exchange->sessions->latest, &exchange->by_uri);
    }
}

void
tp__send_queue_rebind(struct tp_session *session)
{
    bool wants_latest = session->source->server->limits.on_full == TP_ON_FULL_LATEST_BY_URI;

    TP_LIST_EACH (node, &session->outgoing) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        tp__send_queue_leave(exchange);
        if (wants_latest) {
            queue_index(exchange);
        }
    }
    if (queue_is_slow(session)) {
        queue_drop_superseded(session);
    }
}

void
tp__send_queue_on_empty(struct tp_session *session)
{
    if (session->slowness->is_slow) {
        session->slowness->is_slow = false;
        session->sessions->queues.slow_now--;
    }
}

bool
tp__send_queue_settle(struct tp_session *session)
{
    struct tp_slowness *slowness = session->slowness;
    int64_t now_ms = tp__loop_now_ms(session->sessions->loop);
    bool must_close = slowness->is_overfull && session->unsent.len > 0;

    slowness->is_overfull = false;
    if (must_close) {
        session->sessions->queues.closed++;
        queue_log(session, QUEUE_CLOSED);
        return false;
    }
    if (slowness->has_news
        && (slowness->logged_ms == 0 || now_ms - slowness->logged_ms >= SLOW_LOG_MS)) {
        queue_log(session, slowness->last_deed);
    }
    return true;
}

int64_t
tp__send_queue_age_ms(const struct tp_session *session)
{
    int64_t now_ms = tp__loop_now_ms(session->sessions->loop);
    int64_t since_ms = session->stuck_since_ms != 0 ? session->stuck_since_ms : now_ms;

    if (!tp__list_is_empty(&session->outgoing)) {
        const struct tp_exchange *oldest =
            TP_CONTAINER_OF(session->outgoing.next, struct tp_exchange, node);
        int64_t begun_us = oldest->finished_us != 0 ? oldest->finished_us : oldest->begun_us;

        since_ms = begun_us / 1000 < since_ms ? begun_us / 1000 : since_ms;
    }
    return now_ms - since_ms;
}

void
tp__send_queue_fini(struct tp_session *session)
{
    if (session->slowness == NULL) {
        return;
    }
    if (session->slowness->has_news) {
        queue_log(session, QUEUE_ENDED);
    }
    tp__send_queue_on_empty(session);
    free(session->slowness);
    session->slowness = NULL;
}

/* With `freed` bytes less, is there room?  An empty queue takes anything. */
static bool
queue_fits(const struct tp_session *session, size_t cost, size_t freed)
{
    size_t queued_bytes = session->queued_bytes - freed;

    return queued_bytes == 0
           || queued_bytes + cost <= (size_t) session->source->server->limits.send_queue.bytes;
}

static bool
queue_is_slow(const struct tp_session *session)
{
    return session->slowness != NULL && session->slowness->is_slow;
}

/*
 * Much may come in one turn to somebody who is not slow at all: he is offered what waits before
 * anything is done.
 */
static void
queue_flush(struct tp_session *session)
{
    bool is_open = tp__session_is_connected(session) && !session->is_greeting && !session->is_barred
                   && !session->has_failed;
    const struct tp_sessions *sessions = session->sessions;
    bool is_encoding = /* a hook is told of it */
        tp__output_len(&sessions->output) > 0 && sessions->encoded_for == NULL;

    tp__session_want_turn_end(session);
    if (!is_open || session->unsent.len > 0 || is_encoding || queue_holds_caller(session)) {
        return;
    }
    enum tp_result result = tp__session_write(session);

    if (result != TP_OK) {
        /* Its caller has it yet. */
        tp__session_fail(session,
                         result == TP_GONE ? TP_CLOSE_CONNECTION_BROKEN : TP_CLOSE_NO_RESOURCES);
    }
}

/* An exchange ends when its reply is sent, but not under a handler that has not returned. */
static bool
queue_holds_caller(const struct tp_session *session)
{
    TP_LIST_EACH (node, &session->outgoing) {
        const struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (exchange->is_running || exchange->is_at_hook) {
            return true;
        }
    }
    return false;
}

/* Without dropping anything that might then have been dropped in vain. */
static bool
queue_can_make_room(struct tp_session *session, const struct tp_packet *packet, size_t cost)
{
    if (packet->type != TP_PACKET_PUSH) {
        return false;
    }
    switch (session->source->server->limits.on_full) {
    case TP_ON_FULL_DROP_OLD:
        return queue_fits(session, cost, queue_droppable_bytes(session, cost));
    case TP_ON_FULL_LATEST_BY_URI: {
        queue_begin_slow(session);
        const struct tp_exchange *latest = queue_find_latest(session, packet->uri, NULL);
        size_t freed = latest == NULL ? 0 : tp__exchange_queue_cost(&latest->request);

        return queue_is_slow(session) && queue_fits(session, cost, freed);
    }
    default:
        return false;
    }
}

/* So much of what waits may be dropped, oldest first, until `cost` bytes fit. */
static size_t
queue_droppable_bytes(const struct tp_session *session, size_t cost)
{
    size_t bytes = 0;

    TP_LIST_EACH (node, &session->outgoing) {
        const struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (queue_fits(session, cost, bytes)) {
            break;
        }
        bytes += queue_may_drop(exchange) ? tp__exchange_queue_cost(&exchange->request) : 0;
    }
    return bytes;
}

/* What a hook says to whom it holds back, and what lets go, is no news that others outdate. */
static bool
queue_may_drop(const struct tp_exchange *exchange)
{
    return exchange->is_ours && exchange->request.type == TP_PACKET_PUSH && !exchange->is_early
           && !exchange->always_fits;
}

static void
queue_drop_oldest(struct tp_session *session, size_t cost)
{
    TP_LIST_EACH (node, &session->outgoing) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (queue_fits(session, cost, 0)) {
            return;
        }
        if (queue_may_drop(exchange)) {
            queue_drop(exchange, QUEUE_DROPPED);
        }
    }
}

/* Its sender was told that it is queued: it ends here, counted. */
static void
queue_drop(struct tp_exchange *exchange, enum queue_deed deed)
{
    struct tp_session *session = exchange->session;

    session->queued_bytes -= tp__exchange_queue_cost(&exchange->request);
    exchange->is_queued = false;
    exchange->is_finished = true;
    exchange->reply.status = tp_status_of(TP_STATUS_WRITE_FAILED);
    tp__send_queue_leave(exchange);
    tp__exchange_free(exchange);
    queue_note(session, deed);
}

/* Its queue is full; where memory is out for noting that, nothing comes of it. */
static void
queue_begin_slow(struct tp_session *session)
{
    if (session->slowness == NULL) {
        session->slowness = calloc(1, sizeof(*session->slowness));
    }
    if (session->slowness == NULL || session->slowness->is_slow) {
        return;
    }
    session->slowness->is_slow = true;
    session->sessions->queues.slow_now++;
    queue_drop_superseded(session);
}

/* What is followed by a newer one of its uri goes. */
static void
queue_drop_superseded(struct tp_session *session)
{
    TP_LIST_EACH (node, &session->outgoing) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (exchange->is_latest
            && queue_find_latest(session, exchange->request.uri, exchange) != NULL) {
            queue_drop(exchange, QUEUE_REPLACED);
        }
    }
}

static void
queue_index(struct tp_exchange *exchange)
{
    if (queue_may_drop(exchange)) {
        exchange->is_latest = true;
        tp__hash_table_add(&exchange->sessions->latest, &exchange->by_uri,
                           queue_hash(exchange->session, exchange->request.uri));
    }
}

/* Where a PUSH of this uri goes: in front of what follows the one that waits, which goes. */
static struct tp_list_node *
queue_take_place(struct tp_session *session, struct tp_str uri)
{
    struct tp_exchange *latest = queue_find_latest(session, uri, NULL);

    if (latest == NULL) {
        return &session->outgoing;
    }
    struct tp_list_node *place = latest->node.next;

    queue_drop(latest, QUEUE_REPLACED);
    return place;
}

/* One that waits and has this uri, other than `but`; NULL: none. */
static struct tp_exchange *
queue_find_latest(const struct tp_session *session, struct tp_str uri,
                  const struct tp_exchange *but)
{
    for (struct tp_hash_node *node =
             tp__hash_table_find(&session->sessions->latest, queue_hash(session, uri));
         node != NULL; node = tp__hash_table_next(node)) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, by_uri);

        if (exchange != but && exchange->session == session
            && tp__str_equal(exchange->request.uri, uri)) {
            return exchange;
        }
    }
    return NULL;
}

static uint64_t
queue_hash(const struct tp_session *session, struct tp_str uri)
{
    return tp__hash_extend_bytes(tp__hash_number(session->number), uri.data, uri.len);
}

/* NULL: memory is out for more than counting it. */
static struct tp_slowness *
queue_note(struct tp_session *session, enum queue_deed deed)
{
    struct tp_queue_counts *queues = &session->sessions->queues;

    queues->refused += deed == QUEUE_REFUSED ? 1 : 0;
    queues->dropped += deed == QUEUE_DROPPED ? 1 : 0;
    queues->replaced += deed == QUEUE_REPLACED ? 1 : 0;
    queue_begin_slow(session);
    struct tp_slowness *slowness = session->slowness;

    if (slowness == NULL) {
        return NULL;
    }
    slowness->has_news = true;
    slowness->last_deed = deed;
    slowness->unsaid[deed]++;
    return slowness;
}

static void
queue_log(struct tp_session *session, enum queue_deed deed)
{
    struct tp_slowness *slowness = session->slowness;
    char remote[TP_ADDRESS_TEXT_MAX];
    char id[SLOW_ID_SHOWN_MAX + 1];
    struct tp_value_writer writer = { .next = id, .text_room = SLOW_ID_SHOWN_MAX, .is_log = true };

    tp__value_write_text(&writer, tp_session_id(session));
    *writer.next = '\0';
    tp_log_warn(tp_session_log(session), "slow-consumer",
                "number=%llu id=\"%s\" remote=%s queued_bytes=%zu oldest_ms=%lld done=%s "
                "refused=%llu dropped=%llu replaced=%llu",
                (unsigned long long) session->number, id,
                tp_address_format(&session->remote, remote), session->queued_bytes,
                (long long) tp__send_queue_age_ms(session), queue_deed_words[deed],
                (unsigned long long) slowness->unsaid[QUEUE_REFUSED],
                (unsigned long long) slowness->unsaid[QUEUE_DROPPED],
                (unsigned long long) slowness->unsaid[QUEUE_REPLACED]);
    *slowness = (struct tp_slowness){
        .is_slow = slowness->is_slow,
        .last_deed = deed,
        .logged_ms = tp__loop_now_ms(session->sessions->loop),
    };
}
