/*
 * inflight.c - what exchanges that have not ended wait for.
 *
 * The core knows in which list an exchange is and who has it; what a handler or hook waits for,
 * that one says itself if it wants to (teleport/awaiting.h).  Nothing is noted for this while
 * nobody asks.
 *
 * Runs in: worker.  Owns: nothing.
 * Read next: exchange.c; process/courier_inflight.c, which asks.
 */
#include "session/inflight.h"

#include "base/str.h"
#include "base/uri.h"
#include "format/redact.h"
#include "session/record.h"

static enum tp_awaiting exchange_awaiting(const struct tp_exchange *exchange);
static enum tp_awaiting exchange_awaiting_of_ours(const struct tp_exchange *exchange);
static enum tp_awaiting exchange_awaiting_to_leave(const struct tp_exchange *exchange);
static void exchange_tell_owner(const struct tp_exchange *exchange, struct tp_exchange_row *row);
static void exchange_ask_owner(const struct tp_exchange *exchange, struct tp_exchange_row *row);
static int64_t exchange_left_ms(const struct tp_exchange *exchange);

void
tp__session_each_exchange(const struct tp_session *session, tp_exchange_visit_fn visit, void *owner)
{
    const struct tp_list_node *const lists[] = { &session->exchanges, &session->outgoing,
                                                 &session->asked };

    for (size_t i = 0; i < TP_COUNT_OF(lists); i++) {
        TP_LIST_EACH (node, lists[i]) {
            visit(TP_CONTAINER_OF(node, struct tp_exchange, node), owner);
        }
    }
}

void
tp__sessions_each_orphan(const struct tp_sessions *sessions, tp_exchange_visit_fn visit,
                         void *owner)
{
    TP_LIST_EACH (node, &sessions->orphans) {
        visit(TP_CONTAINER_OF(node, struct tp_exchange, node), owner);
    }
}

uint64_t
tp__exchange_session_number(const struct tp_exchange *exchange)
{
    return exchange->session_number;
}

int64_t
tp__exchange_begun_us(const struct tp_exchange *exchange)
{
    return exchange->begun_us;
}

bool
tp__exchange_uri_begins(const struct tp_exchange *exchange, struct tp_str prefix)
{
    return tp__str_starts_with(tp__uri_path(tp__exchange_wire_uri(exchange)), prefix);
}

void
tp__exchange_describe(const struct tp_exchange *exchange, int64_t now_us,
                      struct tp_exchange_row *row, char uri[TP_EXCHANGE_URI_SHOWN_MAX])
{
    const struct tp_session *session = exchange->session;
    struct tp_str wire_uri = tp__exchange_wire_uri(exchange);

    *row = (struct tp_exchange_row){
        .session_number = exchange->session_number,
        .worker_slot = exchange->sessions->worker_slot,
        .is_ours = exchange->is_ours,
        .is_dialed = session != NULL && session->dialed != NULL,
        .type = exchange->request.type,
        .seq = exchange->request.seq,
        .remote = exchange->remote,
        .age_us = now_us - exchange->begun_us,
        .left_ms = exchange_left_ms(exchange),
        .awaiting = exchange_awaiting(exchange),
        .session_id = session == NULL ? TP_STR("") : tp_session_id(session),
        .source = tp__str(exchange->source->name),
        .uri = tp__redact_uri(wire_uri, uri, TP_EXCHANGE_URI_SHOWN_MAX),
        .route = tp_exchange_route(exchange),
    };
    exchange_tell_owner(exchange, row);
    exchange_ask_owner(exchange, row);
}

const char *
tp_awaiting_word(enum tp_awaiting awaiting)
{
    switch (awaiting) {
#define AWAITING_WORD_ROW(name, word, sentence) \
    case TP_AWAITING_##name:                    \
        return word;
        TP_AWAITING_TABLE(AWAITING_WORD_ROW)
#undef AWAITING_WORD_ROW
    }
    return "unknown";
}

void
tp_exchange_explain(struct tp_exchange *exchange, tp_explain_fn explain, void *owner)
{
    TP_ASSERT(exchange->magic == TP_EXCHANGE_MAGIC);
    if (!exchange->is_ours) {
        exchange->explain = explain;
        exchange->explain_owner = owner;
    }
}

static enum tp_awaiting
exchange_awaiting(const struct tp_exchange *exchange)
{
    if (exchange->session == NULL) {
        return TP_AWAITING_NOTHING;
    }
    if (exchange->is_queued) {
        return exchange_awaiting_to_leave(exchange);
    }
    if (exchange->is_parked) {
        return TP_AWAITING_ORDER;
    }
    if (exchange->is_postponed) {
        return TP_AWAITING_HOOK;
    }
    if (exchange->is_ours) {
        return exchange_awaiting_of_ours(exchange);
    }
    if (exchange->is_unbegun) {
        return TP_AWAITING_GREETING;
    }
    return exchange->is_held && !exchange->is_kept ? TP_AWAITING_TIMER : TP_AWAITING_HANDLER;
}

static enum tp_awaiting
exchange_awaiting_of_ours(const struct tp_exchange *exchange)
{
    return exchange->is_sent ? TP_AWAITING_REPLY : TP_AWAITING_HOOK;
}

static enum tp_awaiting
exchange_awaiting_to_leave(const struct tp_exchange *exchange)
{
    const struct tp_session *session = exchange->session;

    if (!tp__session_is_connected(session)) {
        return TP_AWAITING_CONNECTION;
    }
    return session->is_greeting || session->is_barred ? TP_AWAITING_GREETING : TP_AWAITING_QUEUE;
}

/*
 * Whose handler or hook has it, or had it.  Where a hook has run out of time it is not known any
 * more in which chain that stands.
 */
static void
exchange_tell_owner(const struct tp_exchange *exchange, struct tp_exchange_row *row)
{
    const struct tp_guard *guard =
        exchange->session == NULL ? NULL : tp__session_guard(exchange->session);

    if (exchange->is_postponed && exchange->is_overdue) {
        return;
    }
    if (exchange->is_postponed) {
        row->module = tp__str(tp__exchange_hook_owner(exchange));
        row->point = tp__str(tp_hook_point_word((enum tp_hook_point) exchange->hook_point));
    } else if (exchange->is_expected && guard != NULL) {
        row->module = tp__str(guard->owner);
    } else if (exchange->route != NULL) {
        row->module = tp__str(exchange->route->handler->name);
    }
}

/* Who has answered, or has gone on, may have nothing any more that could be asked. */
static void
exchange_ask_owner(const struct tp_exchange *exchange, struct tp_exchange_row *row)
{
    struct tp_awaited awaited = { .what = row->awaiting };
    bool has_owner = exchange->is_kept || exchange->is_postponed;

    if (exchange->is_ours || exchange->explain == NULL || exchange->session == NULL
        || exchange->is_finished || !has_owner) {
        return;
    }
    exchange->explain(exchange, exchange->explain_owner, &awaited);
    row->awaiting = awaited.what;
    row->awaited = awaited.name;
    row->address = awaited.address;
    row->tries = awaited.tries;
    row->awaited_session = awaited.session;
}

static int64_t
exchange_left_ms(const struct tp_exchange *exchange)
{
    if (!exchange->timer.is_running) {
        return -1;
    }
    int64_t left_ms = exchange->timer.deadline_ms - tp__loop_now_ms(exchange->sessions->loop);

    return left_ms > 0 ? left_ms : 0;
}
