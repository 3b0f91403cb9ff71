/*
 * worker_sessions.c - what a worker's sessions tell it: how many there are, which numbers and
 * ids the directory is to have, and what is for other workers.
 *
 * Runs in: worker.
 * Read next: share/directory.c, courier.c.
 */
#include "process/worker.h"

enum {
    DIRECTORY_LOG_MS = 60 * 1000, /* a full directory is named so often */
};

static void worker_on_count_changed(void *owner);
static const struct tp_log *worker_log(void *owner);
static void worker_on_bytes(void *owner, size_t count);
static void worker_on_session_begun(void *owner, const struct tp_session *session);
static void worker_on_session_ended(void *owner, const struct tp_session *session);
static enum tp_result worker_claim_id(void *owner, struct tp_session *session, struct tp_str id);
static void worker_release_id(void *owner, struct tp_session *session, struct tp_str id);

struct tp_sessions_callbacks
tp__worker_sessions_callbacks(struct tp_worker *worker)
{
    return (struct tp_sessions_callbacks){
        .on_count_changed = worker_on_count_changed,
        .on_bytes = worker_on_bytes,
        .log = worker_log,
        .on_begun = worker_on_session_begun,
        .on_ended = worker_on_session_ended,
        .claim_id = worker_claim_id,
        .release_id = worker_release_id,
        .tell = tp__worker_tell_others,
        .remote = &tp__courier_functions,
        .remote_owner = &worker->courier,
        .owner = worker,
    };
}

static const struct tp_log *
worker_log(void *owner)
{
    const struct tp_worker *worker = owner;

    return &worker->cycle->log;
}

void
tp__worker_count_sessions(struct tp_worker *worker)
{
    worker_on_count_changed(worker);
}

static void
worker_on_count_changed(void *owner)
{
    struct tp_worker *worker = owner;
    struct tp_shared *shared = &worker->cycle->shared;

    tp__counter_set(&shared->counters, TP_COUNTER_SESSIONS, worker->sessions.count);
    tp__worker_count_since(worker, TP_COUNTER_SESSIONS_CLOSED, worker->sessions.closed_count,
                           &worker->seen.sessions_closed);
    tp__roster_set_sessions(&shared->roster, worker->sessions.count);
    if (worker->state != TP_WORKER_SERVING) {
        tp__loop_post(worker->loop, &worker->end_check);
    }
}

static void
worker_on_bytes(void *owner, size_t count)
{
    struct tp_worker *worker = owner;

    tp__counter_add(&worker->cycle->shared.counters, TP_COUNTER_BYTES_RECEIVED, count);
}

/* Without room in the directory the session is served all the same. */
static void
worker_on_session_begun(void *owner, const struct tp_session *session)
{
    struct tp_worker *worker = owner;
    struct tp_shared *shared = &worker->cycle->shared;
    int64_t now_ms = tp__loop_now_ms(worker->loop);

    if (tp__directory_add(&shared->directory, tp_session_number(session), worker->slot) == TP_OK) {
        return;
    }
    tp__counter_add(&shared->counters, TP_COUNTER_DIRECTORY_FULL, 1);
    if (worker->directory_logged_ms == 0
        || now_ms - worker->directory_logged_ms >= DIRECTORY_LOG_MS) {
        tp_log_error(&worker->cycle->log, "directory-full", "number=%llu",
                     (unsigned long long) tp_session_number(session));
        worker->directory_logged_ms = now_ms;
    }
}

static void
worker_on_session_ended(void *owner, const struct tp_session *session)
{
    struct tp_worker *worker = owner;

    tp__directory_remove(&worker->cycle->shared.directory, tp_session_number(session),
                         worker->slot);
}

/* Who had the id in another worker is told by that one. */
static enum tp_result
worker_claim_id(void *owner, struct tp_session *session, struct tp_str id)
{
    struct tp_worker *worker = owner;
    struct tp_directory *directory = &worker->cycle->shared.directory;
    bool closes_old = tp__session_id_conflict(session) == TP_ID_CLOSE_OLD;
    uint64_t number = tp_session_number(session);
    uint64_t holder;
    unsigned slot;

    if (tp__directory_find(directory, number, &slot) != TP_OK) {
        return TP_FULL; /* It found no room, and who is not there has no id either. */
    }
    enum tp_result result = tp__directory_claim_id(
        directory, id, number, closes_old ? TP_CLAIM_ANYWAY : TP_CLAIM_IF_FREE, &holder);

    if (result == TP_OK && holder != 0) {
        tp__courier_close_taken(&worker->courier, holder);
    }
    return result;
}

static void
worker_release_id(void *owner, struct tp_session *session, struct tp_str id)
{
    struct tp_worker *worker = owner;

    tp__directory_release_id(&worker->cycle->shared.directory, id, tp_session_number(session));
}
