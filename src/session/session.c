/*
 * session.c - the life of a session: accepted, moved to a newer configuration, ended.
 *
 * What a turn has brought for a session is settled at the turn's end: it sends, goes on
 * with its input, or closes.  A session that ends takes nothing more in, but what was
 * received whole is answered, and what is ready leaves.
 *
 * Runs in: worker.  Owns: the connection's descriptor.
 * Read next: session_read.c, exchange.c, session_write.c; process/acceptor.c starts sessions.
 */
#include "session/session.h"

#include "base/hash.h"
#include "base/str.h"
#include "os/file.h"
#include "session/counting.h"
#include "session/hook_call.h"
#include "session/record.h"
#include "session/walk.h"

#include <stdlib.h>

enum {
    SESSIONS_MOVED_PER_TURN = 1000,
    BUFS_KEPT_MAX = 64, /* idle buffers of a worker */
    LINGER_MS = 1000,   /* for the other end to see what it was sent last */
    LINGER_READ_BYTES = 16 * 1024,
};

static enum tp_close_reason session_why_not_started(enum tp_result result);
static void session_tell_disconnect(struct tp_session *session, enum tp_close_reason reason);
static void session_on_event(struct tp_watcher *watcher, unsigned events);
static void session_on_turn_end(struct tp_work *work);
static void session_disconnect(struct tp_session *session, enum tp_close_reason reason,
                               bool comes_back);
static void session_move_unsent(struct tp_session *session, const struct tp_source *source);
static enum tp_result session_take_leave(struct tp_session *session);
static void session_finish(struct tp_session *session);
static void session_linger(struct tp_session *session);
static bool session_is_done(struct tp_session *session);
static enum tp_result session_update_interest(struct tp_session *session);
static void sessions_on_move_work(struct tp_work *work);
static struct tp_session *session_from_node(struct tp_list_node *node);

void
tp__sessions_init(struct tp_sessions *sessions, struct tp_loop *loop,
                  const struct tp_sessions_callbacks *callbacks, struct tp_size memory)
{
    *sessions = (struct tp_sessions){
        .loop = loop,
        .thread = tp__thread_this(),
        .callbacks = *callbacks,
    };
    tp__list_init(&sessions->members);
    tp__list_init(&sessions->unmoved);
    tp__list_init(&sessions->walks);
    tp__list_init(&sessions->orphans);
    tp__list_init(&sessions->free_exchanges);
    tp__work_init(&sessions->move_work, sessions_on_move_work);
    tp__buf_pool_init(&sessions->pool, memory, BUFS_KEPT_MAX);
    tp__output_init(&sessions->output, &sessions->pool);
    tp__shells_init(sessions);
    tp__home_init(sessions);
}

enum tp_result
tp__sessions_use_modules(struct tp_sessions *sessions, const struct tp_module_list *modules)
{
    enum tp_result result = TP_OK;

    sessions->home.modules = *modules;
    for (size_t i = 0; i < modules->count && result == TP_OK; i++) {
        if (modules->modules[i]->filter != NULL) {
            result = tp__filters_add(&sessions->filters, modules->modules[i]->filter);
        }
    }
    return result;
}

void
tp__sessions_fini(struct tp_sessions *sessions)
{
    struct tp_list_node *node;

    tp__sessions_close_all(sessions, TP_CLOSE_SHUTDOWN);
    tp__exchanges_free_orphans(sessions);
    tp__hash_table_fini(&sessions->by_number);
    tp__hash_table_fini(&sessions->by_id);
    tp__hash_table_fini(&sessions->asked);
    tp__hash_table_fini(&sessions->latest);
    while ((node = tp__list_take_first(&sessions->free_exchanges)) != NULL) {
        free(TP_CONTAINER_OF(node, struct tp_exchange, node));
    }
    tp_buf_release(sessions->read_buf.buf);
    tp__output_fini(&sessions->output);
    tp__shells_fini(sessions);
    tp__filters_fini(&sessions->filters);
    tp__home_fini(sessions);
    tp__buf_pool_fini(&sessions->pool);
}

enum tp_result
tp__session_start(struct tp_sessions *sessions, const struct tp_source *source, uint64_t number,
                  int fd, const struct tp_address *remote)
{
    struct tp_session *session = tp__session_make(sessions, source, number, fd, remote);

    if (session == NULL) {
        tp__descriptor_close(&fd);
        return TP_NO_MEMORY;
    }
    enum tp_result result = tp__socket_set_options(fd, remote, &source->socket_options);

    if (result == TP_OK) {
        result = tp__shell_begin(session);
    }
    if (result == TP_DENIED) {
        tp__session_close(&session, TP_CLOSE_PROXY_UNTRUSTED);
        return result;
    }
    if (result == TP_OK && !session->is_barred) {
        result = tp__session_begin_talk(session);
    }
    if (result == TP_OK) {
        result = session_update_interest(session);
    }
    if (result == TP_DENIED) {
        tp__session_refuse(&session);
        return result;
    }
    if (result != TP_OK) {
        tp__session_close(&session, session_why_not_started(result));
        return result;
    }
    tp__session_arm_deadline(session);
    return TP_OK;
}

enum tp_result
tp__session_begin_talk(struct tp_session *session)
{
    bool is_dialed = session->dialed != NULL;
    enum tp_result result = TP_OK;

    if (is_dialed) {
        result = tp__session_use_dialed_protocol(session);
        if (result == TP_OK && tp__session_present_first(session)) {
            return TP_OK;
        }
    } else if (session->source->protocol != NULL) {
        result = tp__session_use_protocol(session, session->source->protocol);
    }
    if (result != TP_OK) {
        return result;
    }
    session->is_introduced = true;
    return tp__session_pass(session, is_dialed ? TP_HOOK_POST_DIAL : TP_HOOK_POST_ACCEPT);
}

struct tp_session *
tp__session_make(struct tp_sessions *sessions, const struct tp_source *source, uint64_t number,
                 int fd, const struct tp_address *remote)
{
    struct tp_session *session = calloc(1, sizeof(*session));

    if (session == NULL) {
        return NULL;
    }
    session->magic = TP_SESSION_MAGIC;
    session->remote = *remote;
    session->number = number;
    session->sessions = sessions;
    session->source = source;
    session->heard_ms = tp__loop_now_ms(sessions->loop);
    session->begun_ms = session->heard_ms;
    session->spoken_at = (uint32_t) session->heard_ms;
    session->idle_at = session->spoken_at;
    tp__watcher_init(&session->watcher, fd, session_on_event);
    tp__work_init(&session->turn_end, session_on_turn_end);
    tp__timer_init(&session->deadline, tp__session_on_deadline);
    tp__list_init(&session->exchanges);
    tp__list_init(&session->outgoing);
    tp__list_init(&session->asked);
    tp__list_append(&sessions->members, &session->node);
    tp__hash_table_add(&sessions->by_number, &session->by_number, tp__hash_number(number));
    tp__counted_acquire(source->server->configuration);
    sessions->count++;
    tp__session_count_in(session);
    if (sessions->callbacks.on_begun != NULL) {
        sessions->callbacks.on_begun(sessions->callbacks.owner, session);
    }
    sessions->callbacks.on_count_changed(sessions->callbacks.owner);
    return session;
}

void
tp__session_close(struct tp_session **closing, enum tp_close_reason reason)
{
    struct tp_session *session = *closing;
    struct tp_sessions *sessions = session->sessions;
    char remote[TP_ADDRESS_TEXT_MAX];

    *closing = NULL;
    TP_ASSERT(session->magic == TP_SESSION_MAGIC);
    if (tp__dialed_comes_back(session, reason)) {
        tp_log_warn(tp_session_log(session), "session-lost", "number=%llu remote=%s reason=%s",
                    (unsigned long long) session->number,
                    tp_address_format(&session->remote, remote), tp_close_reason_word(reason));
        /* Before the hooks and callbacks of the end, which may close it for good. */
        session->is_ending = false;
        session_disconnect(session, reason, true);
        tp__dialed_come_back(session);
        return;
    }
    session->is_ending = true;
    session->end_reason = reason;
    tp_log_info(&session->source->server->log, "session-closed",
                "number=%llu remote=%s listen=%s reason=%s", (unsigned long long) session->number,
                tp_address_format(&session->remote, remote), session->source->name,
                tp_close_reason_word(reason));
    session_disconnect(session, reason, false);
    tp__work_cancel(&session->turn_end);
    tp__dialed_on_end(session);
    tp__dialed_free(&session->dialed);
    tp__send_queue_fini(session);
    tp__session_notes_free(session);
    tp__session_parts_free(session);
    if (sessions->callbacks.on_ended != NULL) {
        sessions->callbacks.on_ended(sessions->callbacks.owner, session);
    }
    tp__hash_table_remove(&sessions->by_number, &session->by_number);
    tp__session_walks_pass(sessions, &session->node);
    tp__list_remove(&session->node);
    tp__counted_release(session->source->server->configuration);
    session->magic = 0;
    free(session);
    sessions->count--;
    sessions->closed_count++;
    sessions->callbacks.on_count_changed(sessions->callbacks.owner);
}

enum tp_result
tp__session_connect(struct tp_session *session, int fd, const struct tp_address *remote)
{
    session->remote = *remote;
    session->watcher.fd = fd;
    tp__session_count_in(session);
    session->heard_ms = tp__loop_now_ms(session->sessions->loop);
    session->spoken_at = (uint32_t) session->heard_ms;
    session->idle_at = session->spoken_at;
    enum tp_result result = tp__socket_set_options(fd, remote, &session->source->socket_options);

    if (result == TP_OK) {
        result = tp__shell_begin(session);
    }
    if (result == TP_OK && !session->is_barred) {
        result = tp__session_begin_talk(session);
    }
    if (result == TP_OK) {
        result = session_update_interest(session);
    }
    if (result == TP_OK) {
        tp__session_arm_deadline(session);
        tp__session_want_turn_end(session);
    }
    return result;
}

bool
tp__session_reads(const struct tp_session *session)
{
    bool waits_for_replies =
        session->waits_for_exchanges && session->own_pull_count > 0 && !session->has_heard_last;

    return !session->has_heard_all && (!session->is_ending || waits_for_replies);
}

void
tp_home_each_session(struct tp_sessions *home, tp_session_visit_fn visit, void *owner)
{
    /* Those that a move has not come to are sessions like the others. */
    struct tp_list_node *const lists[] = { &home->members, &home->unmoved };

    tp__sessions_check_thread(home);
    for (size_t i = 0; i < TP_COUNT_OF(lists); i++) {
        TP_LIST_EACH (node, lists[i]) {
            visit(session_from_node(node), owner);
        }
    }
}

/* Ends the connection: what it alone could have finished ends with it. */
static void
session_disconnect(struct tp_session *session, enum tp_close_reason reason, bool comes_back)
{
    struct tp_status status = tp_status_of(TP_STATUS_CONNECTION_CLOSED);
    bool was_introduced = session->is_introduced;

    if (reason != TP_CLOSE_MOVED) {
        tp__shell_part(session);
    }
    tp__session_count_out(session);
    tp__session_count_close(session, reason);
    tp__loop_stop_timer(session->sessions->loop, &session->deadline);
    tp__loop_unwatch(session->sessions->loop, &session->watcher);
    tp__descriptor_close(&session->watcher.fd);
    if (session->sessions->encoded_for == session) {
        session->sessions->encoded_for = NULL;
    }
    session->queued_bytes -= session->unsent.len;
    tp_chain_clear(&session->unsent);
    tp_chain_clear(&session->input);
    tp__session_drop_protocol(session);
    tp__exchanges_abandon(session, reason);
    tp__session_end_unsent(session, &status, comes_back);
    tp__session_end_asked(session, &status, comes_back);
    session->packet_begun_ms = 0;
    session->stuck_since_ms = 0;
    session->has_failed = false;
    session->signal_at_us = 0;
    session->is_behind = false;
    session->must_linger = false;
    session->has_heard_last = false;
    session->is_lingering = false;
    session->is_cut = false;
    tp__session_drop_greeting(session);
    session->is_introduced = false;
    if (was_introduced && reason != TP_CLOSE_MOVED) {
        session_tell_disconnect(session, reason);
    }
    tp__shell_free(session);
}

static void
session_tell_disconnect(struct tp_session *session, enum tp_close_reason reason)
{
    const struct tp_server *server = session->source->server;
    struct tp_hook_call call = {
        .point = TP_HOOK_POST_DISCONNECT,
        .peer = server->peer,
        .session = session,
        .text = tp__str(tp_close_reason_word(reason)),
    };

    tp__hooks_ask(tp__hooks_at(server->hooks, call.point), &call, &server->log, NULL);
}

void
tp__session_end(struct tp_session *session, enum tp_close_reason reason, bool waits_for_exchanges)
{
    bool is_more_final = session->is_ending && tp__close_reason_is_final(reason)
                         && !tp__close_reason_is_final(session->end_reason);

    if (!session->is_ending || is_more_final) {
        session->end_reason = reason;
        session->waits_for_exchanges = waits_for_exchanges;
        session->is_ending = true;
    }
    tp__session_want_turn_end(session);
}

void
tp_session_end(struct tp_session *session, enum tp_close_reason reason)
{
    tp__sessions_check_thread(session->sessions);
    session->must_linger =
        true; /* what the other end is still sending is not to reset what it is told */
    tp__session_end(session, reason, false);
}

void
tp_session_cut(struct tp_session *session, enum tp_close_reason reason)
{
    tp__sessions_check_thread(session->sessions);
    session->must_linger = false;
    session->is_cut = true;
    tp__session_end(session, reason, false);
}

void
tp__session_want_turn_end(struct tp_session *session)
{
    tp__loop_post(session->sessions->loop, &session->turn_end);
}

void
tp__session_fail(struct tp_session *session, enum tp_close_reason reason)
{
    session->has_failed = true;
    session->end_reason = reason;
    tp__session_want_turn_end(session);
}

void
tp__session_on_boundary(struct tp_session *session)
{
    const struct tp_sessions_move *move = &session->sessions->move;

    session->is_move_due = false;
    const struct tp_source *source = move->find_source(move->owner, session->source->name);

    if (source == NULL) {
        tp__session_end(session,
                        session->dialed == NULL ? TP_CLOSE_LISTEN_REMOVED : TP_CLOSE_DIAL_REMOVED,
                        true);
        return;
    }
    session_move_unsent(session, source);
    struct tp_counted *before = session->source->server->configuration;

    tp__counted_acquire(source->server->configuration);
    session->source = source;
    tp__session_rebind_protocol(session);
    tp__session_count_in(session);
    tp__send_queue_rebind(session);
    tp__session_parts_rebind(session);
    /* The protocol that it had is of this one, which may end here. */
    tp__counted_release(before);
    session->recent_route.route = NULL;
    tp__session_arm_deadline(session);
}

/* What waits for a connection, perhaps for days, goes on under the rules of today. */
static void
session_move_unsent(struct tp_session *session, const struct tp_source *source)
{
    TP_LIST_EACH (node, &session->outgoing) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (exchange->is_ours) {
            tp__counted_acquire(source->server->configuration);
            tp__counted_release(exchange->server->configuration);
            exchange->source = source;
            exchange->server = source->server;
            exchange->logging = &source->server->logging;
        }
    }
}

void
tp__sessions_move(struct tp_sessions *sessions, const struct tp_sessions_move *move)
{
    sessions->move = *move;
    tp__list_move_all(&sessions->unmoved, &sessions->members);
    tp__loop_post(sessions->loop, &sessions->move_work);
}

void
tp__sessions_end_all(struct tp_sessions *sessions, enum tp_close_reason reason)
{
    tp__list_move_all(&sessions->members, &sessions->unmoved);
    TP_LIST_EACH (node, &sessions->members) {
        struct tp_session *session = session_from_node(node);

        if (!tp__dialed_ends_last(session)) {
            tp__session_end(session, reason, true);
        }
    }
}

void
tp__sessions_close_all(struct tp_sessions *sessions, enum tp_close_reason reason)
{
    tp__list_move_all(&sessions->members, &sessions->unmoved);
    while (!tp__list_is_empty(&sessions->members)) {
        struct tp_session *session = session_from_node(sessions->members.next);

        tp__session_close(&session, reason);
    }
}

uint64_t
tp__sessions_bytes(const struct tp_sessions *sessions)
{
    return (uint64_t) sessions->count * sizeof(struct tp_session);
}

void
tp__sessions_check_thread(const struct tp_sessions *sessions)
{
    TP_ASSERT(tp__thread_is_this(&sessions->thread));
}

void
tp__sessions_walk(struct tp_sessions *sessions,
                  bool (*visit)(struct tp_session *session, void *owner), void *owner)
{
    TP_LIST_EACH (node, &sessions->members) {
        if (!visit(session_from_node(node), owner)) {
            return;
        }
    }
    TP_LIST_EACH (node, &sessions->unmoved) {
        if (!visit(session_from_node(node), owner)) {
            return;
        }
    }
}

bool
tp__session_has_output(const struct tp_session *session)
{
    return session->unsent.len > 0 || !tp__list_is_empty(&session->outgoing);
}

struct tp_peer *
tp_session_peer(const struct tp_session *session)
{
    return session->source->server->peer;
}

struct tp_session_handle
tp_session_get_handle(const struct tp_session *session)
{
    return (struct tp_session_handle){ session->sessions, session->number };
}

struct tp_session *
tp_session_at(struct tp_session_handle handle)
{
    struct tp_hash_node *node = NULL;

    if (handle.home != NULL) {
        tp__sessions_check_thread(handle.home);
        node = tp__hash_table_find(&handle.home->by_number, tp__hash_number(handle.number));
    }
    while (node != NULL) {
        struct tp_session *session = TP_CONTAINER_OF(node, struct tp_session, by_number);

        if (session->number == handle.number) {
            return session;
        }
        node = tp__hash_table_next(node);
    }
    return NULL;
}

bool
tp_session_is_dialed(const struct tp_session *session)
{
    return session->dialed != NULL;
}

const char *
tp_session_state_word(enum tp_session_state state)
{
    static const char *const words[] = {
        [TP_SESSION_CONNECTING] = "connecting",
        [TP_SESSION_GREETING] = "greeting",
        [TP_SESSION_OPEN] = "open",
        [TP_SESSION_ENDING] = "ending",
    };

    TP_ASSERT((size_t) state < TP_COUNT_OF(words));
    return words[state];
}

enum tp_session_state
tp_session_get_state(const struct tp_session *session)
{
    if (session->is_ending) {
        return TP_SESSION_ENDING;
    }
    if (!tp__session_is_connected(session)) {
        return TP_SESSION_CONNECTING;
    }
    return session->is_greeting || session->is_barred ? TP_SESSION_GREETING : TP_SESSION_OPEN;
}

void
tp_session_close(struct tp_session *session)
{
    tp__sessions_check_thread(session->sessions);
    tp__session_end(session, TP_CLOSE_CLOSED, true);
}

uint64_t
tp_session_number(const struct tp_session *session)
{
    return session->number;
}

const struct tp_address *
tp_session_remote(const struct tp_session *session)
{
    return &session->remote;
}

const struct tp_log *
tp_session_log(const struct tp_session *session)
{
    return &session->source->server->log;
}

/* Setting options fails on a connection that was reset before it was accepted. */
static enum tp_close_reason
session_why_not_started(enum tp_result result)
{
    switch (result) {
    case TP_NO_MEMORY:
    case TP_NO_DESCRIPTORS:
    case TP_FULL:
        return TP_CLOSE_NO_RESOURCES;
    default:
        return TP_CLOSE_CONNECTION_BROKEN;
    }
}

static void
session_on_event(struct tp_watcher *watcher, unsigned events)
{
    struct tp_session *session = TP_CONTAINER_OF(watcher, struct tp_session, watcher);

    TP_ASSERT(session->magic == TP_SESSION_MAGIC);
    if (session->is_lingering) {
        session_linger(session);
        return;
    }
    if (!tp__session_reads(session) && (events & TP_EVENT_BROKEN) != 0) {
        tp__session_close(&session, TP_CLOSE_CONNECTION_BROKEN);
        return;
    }
    if ((events & TP_EVENT_WRITE) != 0) {
        tp__session_want_turn_end(session);
    }
    /* What was received first is taken first; the event comes again as long as it holds. */
    if ((events & (TP_EVENT_READ | TP_EVENT_BROKEN)) != 0 && tp__session_reads(session)
        && !session->is_behind) {
        tp__session_read(session);
    }
}

static void
session_on_turn_end(struct tp_work *work)
{
    struct tp_session *session = TP_CONTAINER_OF(work, struct tp_session, turn_end);

    if (session->is_lingering) {
        return;
    }
    if (session->has_failed) {
        tp__session_close(&session, session->end_reason);
        return;
    }
    if (session->is_meeting_due) {
        tp__session_settle_greeting(session);
    }
    if (session->dialed != NULL) {
        tp__dialed_on_turn_end(session);
    }
    enum tp_result result = tp__session_write(session);

    if (result == TP_OK && session->slowness != NULL && !tp__send_queue_settle(session)) {
        tp__session_close(&session, TP_CLOSE_QUEUE_FULL);
        return;
    }
    if (result == TP_OK && session->input.len > 0 && tp__session_reads(session)) {
        tp__session_take_packets(session);
    }
    if (result == TP_OK && session_is_done(session)) {
        result = session_take_leave(session);
        if (result == TP_OK && (session->unsent.len == 0 || session->is_cut)) {
            session_finish(session);
            return;
        }
    }
    if (result == TP_OK) {
        result = session_update_interest(session);
    }
    if (result != TP_OK && session->is_cut) {
        tp__session_close(&session, session->end_reason);
    } else if (result != TP_OK) {
        tp__session_close(&session,
                          result == TP_GONE ? TP_CLOSE_CONNECTION_BROKEN : TP_CLOSE_NO_RESOURCES);
    }
}

/* What the protocol has to say at the end leaves, too. */
static enum tp_result
session_take_leave(struct tp_session *session)
{
    enum tp_result result =
        tp__session_is_connected(session) ? tp__session_say_end(session) : TP_OK;

    if (result == TP_OK && tp__session_is_connected(session)) {
        result = tp__shell_say_end(session);
    }
    return result == TP_OK ? tp__session_write(session) : result;
}

/*
 * All has left.  To close a connection on which bytes are unread would reset it, and the other
 * end, which may be sending yet, might never see what we have sent last.
 */
static void
session_finish(struct tp_session *session)
{
    bool must_linger =
        session->must_linger && tp__session_is_connected(session) && !session->has_heard_all;

    if (must_linger && tp__socket_finish_writing(session->watcher.fd) == TP_OK
        && tp__loop_watch(session->sessions->loop, &session->watcher,
                          TP_EVENT_READ | TP_EVENT_BROKEN)
               == TP_OK) {
        session->is_lingering = true;
        tp__loop_stop_timer(session->sessions->loop, &session->deadline);
        tp__loop_start_timer(session->sessions->loop, &session->deadline, LINGER_MS);
        return;
    }
    tp__session_close(&session, session->end_reason);
}

/* Until the other end has said all, too, or has had its time. */
static void
session_linger(struct tp_session *session)
{
    char thrown_away[LINGER_READ_BYTES];
    size_t count = 0;
    enum tp_result result =
        tp__socket_read(session->watcher.fd, thrown_away, sizeof(thrown_away), &count);

    if ((result == TP_OK && count == 0)
        || (result != TP_OK && result != TP_AGAIN && result != TP_INTERRUPTED)) {
        tp__session_close(&session, session->end_reason);
    }
}

static bool
session_is_done(struct tp_session *session)
{
    if (!session->is_ending || session->is_cut) {
        return session->is_cut;
    }
    bool has_output = session->unsent.len > 0 || tp__session_next_outgoing(session) != NULL;
    bool has_asked = session->own_pull_count > 0 || !tp__list_is_empty(&session->asked);
    bool has_open = session->exchange_count > 0 || (has_asked && !session->has_heard_last);

    if (!tp__session_is_connected(session)) {
        return !has_output || !tp__dialed_is_trying(session);
    }
    if (session->is_barred) {
        return session->unsent.len == 0;
    }
    if (session->is_greeting) {
        /*
         * Who was told to go does not wait for a hook; who has said all may yet be answered, but
         * not by a guard that was given nothing.
         */
        bool is_unproven = tp__session_guard(session) != NULL && session->exchange_count == 0;
        bool waits_for_hook =
            session->waits_for_exchanges && !is_unproven
            && (session->is_presenting || !tp__close_reason_is_final(session->end_reason));

        return !has_output && !waits_for_hook;
    }
    return !has_output && (!has_open || !session->waits_for_exchanges);
}

static enum tp_result
session_update_interest(struct tp_session *session)
{
    struct tp_loop *loop = session->sessions->loop;
    if (!tp__session_is_connected(session)) {
        return TP_OK;
    }
    unsigned interest = TP_EVENT_BROKEN; /* who is neither read from nor written to may be gone */

    if (session->unsent.len > 0) {
        interest |= TP_EVENT_WRITE;
    }
    if (tp__session_reads(session) && (session->is_barred || !tp__session_must_pause(session))) {
        interest |= TP_EVENT_READ;
    }
    return tp__loop_watch(loop, &session->watcher, interest);
}

/* A session in the middle of a packet moves when that has come whole. */
static void
sessions_on_move_work(struct tp_work *work)
{
    struct tp_sessions *sessions = TP_CONTAINER_OF(work, struct tp_sessions, move_work);

    for (int moved = 0; moved < SESSIONS_MOVED_PER_TURN; moved++) {
        if (tp__list_is_empty(&sessions->unmoved)) {
            sessions->move.on_done(sessions->move.owner);
            return;
        }
        struct tp_session *session = session_from_node(sessions->unmoved.next);

        tp__list_remove(&session->node);
        tp__list_append(&sessions->members, &session->node);
        session->is_move_due = true;
        /* The hook that has a greeting session is one of its configuration. */
        if (session->input.len == 0 && !session->is_greeting && !session->is_barred
            && !session->is_amid_packet) {
            tp__session_on_boundary(session);
        }
    }
    tp__loop_post(sessions->loop, work);
}

static struct tp_session *
session_from_node(struct tp_list_node *node)
{
    struct tp_session *session = TP_CONTAINER_OF(node, struct tp_session, node);

    TP_ASSERT(session->magic == TP_SESSION_MAGIC);
    return session;
}
