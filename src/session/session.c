/*
 * session.c - the life of a session: accepted, read from, moved to a newer
 * configuration, closed.
 *
 * This version speaks no protocol yet: what the other end sends is counted and
 * dropped.
 *
 * Runs in: worker.  Owns: the connection's descriptor.
 * Read next: process/acceptor.c, which starts sessions.
 */
#include "session/session.h"

#include "os/file.h"

#include <stdlib.h>

enum {
    SESSION_MAGIC = 0x54505353, /* "TPSS" */
    SESSIONS_MOVED_PER_TURN = 1000,
};

struct tp_session {
    uint32_t magic;
    struct tp_address remote;
    uint64_t number;
    struct tp_watcher watcher;
    struct tp_list_node node; /* in members or, while a move is under way, in unmoved */
    struct tp_sessions *sessions;
    const struct tp_listen *listen;
};

_Static_assert(sizeof(struct tp_session) <= 256, "an idle session is one small record");

static enum tp_result session_run_accept_hooks(struct tp_session *session);
static void session_on_event(struct tp_watcher *watcher, unsigned events);
static void session_move(struct tp_session *session, const struct tp_listen *listen);
static void sessions_on_move_work(struct tp_work *work);
static struct tp_session *session_from_node(struct tp_list_node *node);

void
tp__sessions_init(struct tp_sessions *sessions, struct tp_loop *loop,
                  const struct tp_sessions_callbacks *callbacks)
{
    *sessions = (struct tp_sessions){ .loop = loop, .callbacks = *callbacks };
    tp__list_init(&sessions->members);
    tp__list_init(&sessions->unmoved);
    tp__work_init(&sessions->move_work, sessions_on_move_work);
}

enum tp_result
tp__session_start(struct tp_sessions *sessions, const struct tp_listen *listen, uint64_t number,
                  int fd, const struct tp_address *remote)
{
    struct tp_session *session = malloc(sizeof(*session));

    if (session == NULL) {
        tp__descriptor_close(&fd);
        return TP_NO_MEMORY;
    }
    *session = (struct tp_session){
        .magic = SESSION_MAGIC,
        .remote = *remote,
        .number = number,
        .sessions = sessions,
        .listen = listen,
    };
    tp__watcher_init(&session->watcher, fd, session_on_event);
    tp__list_append(&sessions->members, &session->node);
    tp__counted_acquire(listen->server->configuration);
    sessions->count++;
    sessions->callbacks.on_count_changed(sessions->callbacks.owner);

    enum tp_result result = tp__socket_set_options(fd, remote, &listen->socket_options);

    if (result == TP_OK) {
        result = session_run_accept_hooks(session);
    }
    if (result == TP_OK) {
        result = tp__loop_watch(sessions->loop, &session->watcher, TP_EVENT_READ);
    }
    if (result != TP_OK) {
        tp__session_close(&session, result == TP_DENIED ? TP_CLOSE_REFUSED : TP_CLOSE_NO_RESOURCES);
    }
    return result;
}

void
tp__session_close(struct tp_session **closing, enum tp_close_reason reason)
{
    struct tp_session *session = *closing;
    struct tp_sessions *sessions = session->sessions;
    char remote[TP_ADDRESS_TEXT_MAX];

    *closing = NULL;
    TP_ASSERT(session->magic == SESSION_MAGIC);
    tp_log_info(&session->listen->server->log, "session-closed",
                "number=%llu remote=%s listen=%s reason=%s", (unsigned long long) session->number,
                tp_address_format(&session->remote, remote), session->listen->name,
                tp__close_reason_word(reason));
    tp__loop_unwatch(sessions->loop, &session->watcher);
    tp__descriptor_close(&session->watcher.fd);
    tp__list_remove(&session->node);
    tp__counted_release(session->listen->server->configuration);
    session->magic = 0;
    free(session);
    sessions->count--;
    sessions->closed_count++;
    sessions->callbacks.on_count_changed(sessions->callbacks.owner);
}

void
tp__sessions_move(struct tp_sessions *sessions, const struct tp_sessions_move *move)
{
    sessions->move = *move;
    tp__list_move_all(&sessions->unmoved, &sessions->members);
    tp__loop_post(sessions->loop, &sessions->move_work);
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
    return &session->listen->server->log;
}

const char *
tp__close_reason_word(enum tp_close_reason reason)
{
    switch (reason) {
#define CLOSE_WORD_ROW(name, word, sentence) \
    case TP_CLOSE_##name:                    \
        return word;
        TP_CLOSE_TABLE(CLOSE_WORD_ROW)
#undef CLOSE_WORD_ROW
    }
    return "unknown";
}

const char *
tp__close_reason_sentence(enum tp_close_reason reason)
{
    switch (reason) {
#define CLOSE_SENTENCE_ROW(name, word, sentence) \
    case TP_CLOSE_##name:                        \
        return sentence;
        TP_CLOSE_TABLE(CLOSE_SENTENCE_ROW)
#undef CLOSE_SENTENCE_ROW
    }
    return "This reason is not in the table.";
}

static enum tp_result
session_run_accept_hooks(struct tp_session *session)
{
    const struct tp_server *server = session->listen->server;
    enum tp_result result = TP_OK;

    for (size_t i = 0; i < server->accept_hook_count && result == TP_OK; i++) {
        result = server->accept_hooks[i].run(session, server->accept_hooks[i].conf);
    }
    return result;
}

static void
session_on_event(struct tp_watcher *watcher, unsigned events)
{
    struct tp_session *session = TP_CONTAINER_OF(watcher, struct tp_session, watcher);
    struct tp_sessions *sessions = session->sessions;
    size_t count = 0;

    (void) events;
    TP_ASSERT(session->magic == SESSION_MAGIC);
    enum tp_result result =
        tp__socket_read(watcher->fd, sessions->read_bytes, sizeof(sessions->read_bytes), &count);

    if (result == TP_AGAIN || result == TP_INTERRUPTED) {
        return;
    }
    if (result != TP_OK) {
        tp__session_close(&session, TP_CLOSE_CONNECTION_BROKEN);
        return;
    }
    if (count == 0) {
        tp__session_close(&session, TP_CLOSE_PEER_CLOSED);
        return;
    }
    sessions->callbacks.on_bytes(sessions->callbacks.owner, count);
}

static void
sessions_on_move_work(struct tp_work *work)
{
    struct tp_sessions *sessions = TP_CONTAINER_OF(work, struct tp_sessions, move_work);
    const struct tp_sessions_move *move = &sessions->move;

    for (int moved = 0; moved < SESSIONS_MOVED_PER_TURN; moved++) {
        if (tp__list_is_empty(&sessions->unmoved)) {
            move->on_done(move->owner);
            return;
        }
        struct tp_session *session = session_from_node(sessions->unmoved.next);

        session_move(session, move->find_listen(move->owner, session->listen->name));
    }
    tp__loop_post(sessions->loop, work);
}

/* To `listen`, or out of the server where that is NULL. */
static void
session_move(struct tp_session *session, const struct tp_listen *listen)
{
    if (listen == NULL) {
        tp__session_close(&session, TP_CLOSE_LISTEN_REMOVED);
        return;
    }
    tp__counted_acquire(listen->server->configuration);
    tp__counted_release(session->listen->server->configuration);
    session->listen = listen;
    tp__list_remove(&session->node);
    tp__list_append(&session->sessions->members, &session->node);
}

static struct tp_session *
session_from_node(struct tp_list_node *node)
{
    struct tp_session *session = TP_CONTAINER_OF(node, struct tp_session, node);

    TP_ASSERT(session->magic == SESSION_MAGIC);
    return session;
}
