/*
 * worker.c - a worker's life: born with a cycle and a channel, serves, ends.
 *
 * The steps of its start are a table, undone in reverse; what comes over the
 * channel is handed out below.
 *
 * Runs in: worker.  Owns: the loop, the channel, the sessions.
 * Read next: worker_cycle.c (reloads), acceptor.c (connections), watch.c.
 */
#include "process/worker.h"

#include "base/clock.h"
#include "os/fault.h"
#include "os/file.h"
#include "os/process.h"
#include "os/signal.h"
#include "process/bus_kinds.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    WORKER_BEAT_MS = 500, /* how often it says that it turns; see the acceptor's BALANCE_FRESH_MS */
    WORKER_BUS_LINK_WAIT_MS = 2000,
    WORKER_POOL_IDLE_MS = 10000,
    WORKER_MESSAGES_PER_TURN = 64,
};

static void worker_init(struct tp_worker *worker, struct tp_worker_birth *birth);
static void worker_fini(struct tp_worker *worker);
static uint64_t worker_next_number(void *owner);
static void worker_end_sessions(struct tp_worker *worker);
static void worker_set_title(const struct tp_worker *worker);
static enum tp_result worker_start_loop(struct tp_worker *worker);
static enum tp_result worker_start_limits(struct tp_worker *worker);
static enum tp_result worker_start_signals(struct tp_worker *worker);
static enum tp_result worker_start_channel(struct tp_worker *worker);
static enum tp_result worker_start_bus(struct tp_worker *worker);
static enum tp_result worker_start_pool(struct tp_worker *worker);
static enum tp_result worker_start_serving(struct tp_worker *worker);

static void worker_on_channel(struct tp_watcher *watcher, unsigned events);
static void worker_on_message(struct tp_worker *worker, const struct tp_channel_message *message,
                              int passed_fd);
static void worker_on_descriptor(struct tp_worker *worker, const char *label, int fd);
static void worker_on_reopened(struct tp_worker *worker, const char *name, int fd);
static void worker_on_link(struct tp_worker *worker, unsigned slot, int fd);
static void worker_on_signal(struct tp_watcher *watcher, unsigned events);
static void worker_quit(struct tp_worker *worker);
static void worker_on_shutdown_timeout(struct tp_timer *timer);
static void worker_on_beat(struct tp_timer *timer);
static void worker_on_end_check(struct tp_work *work);

static void worker_poke(struct tp_acceptor *acceptor, unsigned slot);
static void worker_on_bus_message(void *owner, unsigned from_slot, uint16_t kind,
                                  struct tp_str bytes);
static enum tp_result worker_open_link(void *owner, unsigned slot);
static void worker_on_link_gone(void *owner, unsigned slot, uint64_t dropped_count);

static const struct tp_bus_callbacks worker_bus_callbacks = {
    .on_message = worker_on_bus_message,
    .open_link = worker_open_link,
    .on_gone = worker_on_link_gone,
};

/* What a worker must have before it serves, in this order. */
static const struct {
    const char *doing;
    enum tp_result (*start)(struct tp_worker *worker);
} worker_steps[] = {
    { "making the loop", worker_start_loop },
    { "catching crashes", tp__worker_crash_init },
    { "setting limits and becoming its user", worker_start_limits },
    { "taking signals", worker_start_signals },
    { "opening the channel to the master", worker_start_channel },
    { "making the bus", worker_start_bus },
    { "making the thread pool", worker_start_pool },
    { "starting to serve", worker_start_serving },
};

int
tp__worker_run(struct tp_worker_birth *birth)
{
    struct tp_worker *worker = calloc(1, sizeof(*worker));

    TP_ASSERT(worker != NULL);
    worker_init(worker, birth);
    for (size_t i = 0; i < TP_COUNT_OF(worker_steps); i++) {
        enum tp_result result = worker_steps[i].start(worker);

        if (result != TP_OK) {
            struct tp_log log = worker->cycle->log;

            log.doing = worker_steps[i].doing;
            tp_log_alert(&log, "worker-start-failed", "slot=%u result=%s", worker->slot,
                         tp_result_word(result));
            worker_fini(worker);
            free(worker);
            return 1;
        }
    }
    tp_log_info(&worker->cycle->log, "worker-started", "slot=%u generation=%llu", worker->slot,
                (unsigned long long) worker->cycle->generation);
    tp__loop_run(worker->loop);
    if (tp__fault("worker-end") != TP_OK) {
        worker->exit_code = 1;
    }
    tp_log_info(&worker->cycle->log, "worker-stopped", "slot=%u", worker->slot);

    int exit_code = worker->exit_code;

    worker_fini(worker);
    free(worker);
    return exit_code;
}

enum tp_result
tp__worker_apply_cycle(struct tp_worker *worker)
{
    struct tp_cycle *cycle = worker->cycle;
    enum tp_result result = TP_OK;

    worker->courier.cycle = cycle;
    tp__roster_join(&cycle->shared.roster, worker->slot, tp__process_id(), cycle->generation);
    tp__home_leases_use(&worker->sessions, &cycle->shared.leases, tp__process_id());
    if (worker->state == TP_WORKER_QUITTING) {
        /* Both have stopped, but what comes late is still logged and counted. */
        worker->acceptor.cycle = cycle;
        worker->watch.cycle = cycle;
        tp__roster_set_state(&cycle->shared.roster, TP_ROSTER_DRAINING);
        return TP_OK;
    }
    worker->state =
        worker->slot < cycle->core->worker_count ? TP_WORKER_SERVING : TP_WORKER_DRAINING;
    tp__watch_apply(&worker->watch, cycle);
    tp__home_leases_rest(&worker->sessions, worker->state != TP_WORKER_SERVING);
    if (worker->state == TP_WORKER_SERVING) {
        tp__dials_apply(&worker->dials, cycle);
    } else {
        tp__dials_stop(&worker->dials);
    }
    if (worker->state == TP_WORKER_SERVING) {
        result = tp__acceptor_apply(&worker->acceptor, cycle);
        tp__roster_set_state(&cycle->shared.roster, TP_ROSTER_RUNNING);
    } else {
        tp__acceptor_stop(&worker->acceptor);
        worker->acceptor.cycle = cycle;
        tp__roster_set_state(&cycle->shared.roster, TP_ROSTER_DRAINING);
    }
    worker_on_beat(&worker->beat);
    tp__worker_count_sessions(worker);
    return result;
}

void
tp__worker_tell_master(struct tp_worker *worker, const struct tp_channel_message *message)
{
    enum tp_result result = tp__channel_send(worker->channel_fd, message, -1);

    if (result != TP_OK) {
        tp_log_error(&worker->cycle->log, "channel-failed", "to=master message=%s result=%s",
                     tp__channel_kind_word(message->kind), tp_result_word(result));
    }
}

static void
worker_init(struct tp_worker *worker, struct tp_worker_birth *birth)
{
    worker->program = birth->program;
    worker->slot = birth->slot;
    worker->channel_fd = birth->channel_fd;
    worker->signals_fd = -1;
    worker->cycle = birth->cycle;
    tp__list_init(&worker->cycles);
    tp__list_append(&worker->cycles, &worker->cycle->node);
    worker->descriptors = birth->descriptors;
    tp__timer_init(&worker->beat, worker_on_beat);
    tp__timer_init(&worker->shutdown, worker_on_shutdown_timeout);
    tp__work_init(&worker->end_check, worker_on_end_check);
    tp__cycle_use_slot(worker->cycle, worker->slot);
    worker_set_title(worker);
}

/* What was never started is NULL, empty or -1, and ending it does nothing. */
static void
worker_fini(struct tp_worker *worker)
{
    if (worker->loop != NULL) {
        tp__watch_stop(&worker->watch);
        tp__dials_stop(&worker->dials);
        tp__acceptor_stop(&worker->acceptor);
        tp__courier_stop(&worker->courier);
        if (worker->upstreams != NULL) {
            tp__upstreams_stop(worker->upstreams);
        }
        worker_end_sessions(worker);
    }
    tp__bus_destroy(&worker->bus);
    tp__worker_crash_fini(worker);
    /* Their access logs may have timers. */
    tp__cycle_release(&worker->prepared);
    tp__cycle_release(&worker->previous);
    tp__cycle_release(&worker->cycle);
    tp__upstreams_destroy(&worker->upstreams);
    tp__own_stats_close(&worker->stats);
    tp__loop_destroy(&worker->loop);
    tp__descriptors_fini(&worker->descriptors);
    tp__descriptor_close(&worker->signals_fd);
    tp__descriptor_close(&worker->channel_fd);
}

/*
 * Jobs that threads have may name exchanges that handlers keep, and what modules do on their own
 * may know of both: so sessions end first, then jobs, then modules, and exchanges last.
 */
static void
worker_end_sessions(struct tp_worker *worker)
{
    tp__sessions_close_all(&worker->sessions, TP_CLOSE_SHUTDOWN);
    worker->sessions.threads = NULL;
    tp__pool_destroy(&worker->pool);
    TP_LIST_EACH (node, &worker->cycles) {
        tp__cycle_stop_modules(TP_CONTAINER_OF(node, struct tp_cycle, node));
    }
    tp__sessions_fini(&worker->sessions);
}

static void
worker_set_title(const struct tp_worker *worker)
{
    char title[64];

    snprintf(title, sizeof(title), "teleport: worker %u", worker->slot);
    tp__process_set_title(&worker->program->title, title);
}

static enum tp_result
worker_start_loop(struct tp_worker *worker)
{
    struct tp_sessions_callbacks callbacks = tp__worker_sessions_callbacks(worker);
    enum tp_result result = tp__loop_create(&worker->loop);

    if (result != TP_OK) {
        return result;
    }
    tp__sessions_init(&worker->sessions, worker->loop, &callbacks,
                      worker->cycle->core->worker_memory);
    worker->sessions.worker_slot = worker->slot;
    result = tp__own_stats_open(&worker->stats, &worker->descriptors, &worker->program->modules,
                                worker->slot);
    if (result != TP_OK) {
        return result;
    }
    worker->sessions.stats = &worker->stats.stats;
    tp__worker_count_turns(worker);
    tp__cycle_count_in(worker->cycle, worker->sessions.stats);
    result = tp__sessions_use_modules(&worker->sessions, &worker->program->modules);
    if (result != TP_OK) {
        return result;
    }
    tp__acceptor_init(&worker->acceptor, worker->loop, worker->slot, &worker->sessions,
                      &worker->descriptors);
    worker->acceptor.poke = worker_poke;
    worker->acceptor.cycle = worker->cycle;
    return TP_OK;
}

static enum tp_result
worker_start_limits(struct tp_worker *worker)
{
    const struct tp_core_conf *core = worker->cycle->core;
    uint64_t limit;

    if (core->worker_rlimit_nofile != 0) {
        uint64_t wanted = (uint64_t) core->worker_rlimit_nofile;

        if (tp__process_set_descriptor_limit(wanted, &limit) != TP_OK) {
            tp_log_warn(&worker->cycle->log, "descriptor-limit", "wanted=%llu in_force=%llu",
                        (unsigned long long) wanted, (unsigned long long) limit);
        }
    }
    return core->has_user ? tp__process_become(&core->user_found) : TP_OK;
}

static enum tp_result
worker_start_signals(struct tp_worker *worker)
{
    enum tp_result result = tp__signals_open(&worker->signals_fd);

    if (result != TP_OK) {
        return result;
    }
    tp__watcher_init(&worker->signals, worker->signals_fd, worker_on_signal);
    return tp__loop_watch(worker->loop, &worker->signals, TP_EVENT_READ);
}

static enum tp_result
worker_start_channel(struct tp_worker *worker)
{
    tp__watcher_init(&worker->channel, worker->channel_fd, worker_on_channel);
    return tp__loop_watch(worker->loop, &worker->channel, TP_EVENT_READ);
}

static enum tp_result
worker_start_bus(struct tp_worker *worker)
{
    struct tp_bus_options options = {
        .slot = worker->slot,
        .message_bytes_max = (size_t) worker->cycle->core->bus_queue.bytes - TP_FRAME_HEADER_BYTES,
        .queue_bytes_max = (size_t) worker->cycle->core->bus_queue.bytes,
        .answer_bytes_max = TP_COURIER_ANSWERS_BYTES + TP_WATCH_ANSWERS_BYTES,
        .link_wait_max_ms = WORKER_BUS_LINK_WAIT_MS,
    };
    enum tp_result result =
        tp__bus_create(worker->loop, &options, &worker_bus_callbacks, worker, &worker->bus);

    if (result == TP_OK) {
        tp__watch_init(&worker->watch, worker->loop, worker->bus, worker->slot);
        tp__dials_init(&worker->dials, &worker->sessions, worker->slot);
        tp__courier_init(&worker->courier, worker->loop, worker->bus, &worker->sessions,
                         worker->cycle);
        result =
            tp__upstreams_create(&worker->sessions, worker_next_number, worker, &worker->upstreams);
    }
    return result;
}

static uint64_t
worker_next_number(void *owner)
{
    const struct tp_worker *worker = owner;

    return tp__roster_next_session_number(&worker->cycle->shared.roster);
}

static enum tp_result
worker_start_pool(struct tp_worker *worker)
{
    const struct tp_core_conf *core = worker->cycle->core;
    struct tp_pool_options options = {
        .threads_max = (unsigned) core->thread_pool_threads,
        .queue_max = (size_t) core->thread_pool_queue,
        .idle_ms = WORKER_POOL_IDLE_MS,
    };

    enum tp_result result = tp__pool_create(worker->loop, &options, &worker->pool);

    worker->sessions.threads = worker->pool;
    return result;
}

static enum tp_result
worker_start_serving(struct tp_worker *worker)
{
    struct tp_text messages = { 0 }; /* the log has it, too */
    struct tp_cycle *cycle = worker->cycle;
    enum tp_result result = tp__fault("worker-start");

    /* First, so that what others tell while its modules begin is told it, too, once it turns. */
    tp__roster_join(&cycle->shared.roster, worker->slot, tp__process_id(), cycle->generation);
    tp__home_leases_use(&worker->sessions, &cycle->shared.leases, tp__process_id());
    if (result == TP_OK) {
        result = tp__cycle_announce_listens(worker->cycle, &messages);
    }
    if (result == TP_OK) {
        result = tp__cycle_start_modules(worker->cycle, &worker->sessions, &messages);
        if (result != TP_OK) {
            tp_log_error(&worker->cycle->log, "module-not-started", "why=%s",
                         tp__text_get(&messages).data);
        }
    }
    tp__text_fini(&messages);
    if (result != TP_OK) {
        return result;
    }
    tp__counter_add(&worker->cycle->shared.counters, TP_COUNTER_WORKER_STARTS, 1);
    return tp__worker_apply_cycle(worker);
}

static void
worker_on_channel(struct tp_watcher *watcher, unsigned events)
{
    struct tp_worker *worker = TP_CONTAINER_OF(watcher, struct tp_worker, channel);
    struct tp_channel_message message;
    int passed_fd;

    (void) events;
    for (int count = 0; count < WORKER_MESSAGES_PER_TURN; count++) {
        enum tp_result result = tp__channel_receive(worker->channel_fd, &message, &passed_fd);

        if (result == TP_AGAIN) {
            return;
        }
        if (result != TP_OK) {
            tp_log_alert(&worker->cycle->log, "master-gone", "result=%s", tp_result_word(result));
            tp__loop_unwatch(worker->loop, &worker->channel);
            worker_quit(worker);
            return;
        }
        worker_on_message(worker, &message, passed_fd);
        tp__descriptor_close(&passed_fd);
    }
}

/* `passed_fd` is closed by the caller: who keeps it duplicates it. */
static void
worker_on_message(struct tp_worker *worker, const struct tp_channel_message *message, int passed_fd)
{
    switch ((enum tp_channel_kind) message->kind) {
    case TP_CHANNEL_DESCRIPTOR:
        worker_on_descriptor(worker, message->text, passed_fd);
        return;
    case TP_CHANNEL_PREPARE:
        tp__worker_prepare(worker, message->generation, passed_fd);
        return;
    case TP_CHANNEL_SWITCH:
        tp__worker_switch(worker, message->generation);
        return;
    case TP_CHANNEL_FINISH:
        tp__worker_finish(worker, message->generation);
        return;
    case TP_CHANNEL_REVERT:
        tp__worker_revert(worker, message->generation);
        return;
    case TP_CHANNEL_REOPENED:
        worker_on_reopened(worker, message->text, passed_fd);
        return;
    case TP_CHANNEL_QUIT:
        worker_quit(worker);
        return;
    case TP_CHANNEL_STOP:
        tp__loop_stop(worker->loop);
        return;
    case TP_CHANNEL_LINK:
        worker_on_link(worker, message->slot, passed_fd);
        return;
    case TP_CHANNEL_NO_LINK:
        tp__bus_refuse(worker->bus, message->slot);
        return;
    case TP_CHANNEL_WORKER_DIED:
        tp__home_leases_on_worker_died(&worker->sessions);
        tp__watch_on_worker_died(&worker->watch, message->slot);
        tp__dials_on_worker_died(&worker->dials);
        return;
    case TP_CHANNEL_READY:
    case TP_CHANNEL_FAILED:
    case TP_CHANNEL_SWITCHED:
    case TP_CHANNEL_WANT_LINK:
    case TP_CHANNEL_KIND_COUNT:
        break;
    }
    TP_ASSERT(!"the master sends only messages to workers");
}

static void
worker_on_descriptor(struct tp_worker *worker, const char *label, int fd)
{
    enum tp_descriptor_kind kind;
    const char *name;
    int kept_fd;

    TP_ASSERT(tp__descriptor_parse_label(label, &kind, &name) == TP_OK);
    enum tp_result result = tp__descriptor_duplicate(fd, &kept_fd);

    if (result == TP_OK) {
        result = tp__descriptors_add(&worker->descriptors, kind, name, kept_fd);
    }
    if (result != TP_OK) {
        /* What is missing then makes this worker vote against the configuration. */
        tp_log_error(&worker->cycle->log, "descriptor-lost", "name=\"%s\" result=%s", label,
                     tp_result_word(result));
    }
}

static void
worker_on_reopened(struct tp_worker *worker, const char *name, int fd)
{
    int kept_fd = tp__descriptors_find(&worker->descriptors, TP_DESCRIPTOR_LOG, name);
    enum tp_result result = kept_fd == -1 ? TP_OK : tp__descriptor_replace(kept_fd, fd);

    TP_LIST_EACH (node, &worker->cycles) {
        if (result == TP_OK) {
            result = tp__cycle_reopen_log(TP_CONTAINER_OF(node, struct tp_cycle, node), name, fd);
        }
    }
    if (result != TP_OK) {
        tp_log_error(&worker->cycle->log, "log-reopen-failed", "log=%s result=%s", name,
                     tp_result_word(result));
    }
}

static void
worker_on_link(struct tp_worker *worker, unsigned slot, int fd)
{
    int link_fd;
    enum tp_result result = tp__descriptor_duplicate(fd, &link_fd);

    if (result == TP_OK) {
        result = tp__bus_attach(worker->bus, slot, link_fd);
    }
    if (result != TP_OK) {
        tp_log_error(&worker->cycle->log, "link-failed", "slot=%u result=%s", slot,
                     tp_result_word(result));
    }
}

static void
worker_on_signal(struct tp_watcher *watcher, unsigned events)
{
    struct tp_worker *worker = TP_CONTAINER_OF(watcher, struct tp_worker, signals);
    enum tp_signal signal;
    int sender;

    (void) events;
    while (tp__signals_read(worker->signals_fd, &signal, &sender) == TP_OK) {
        if (signal == TP_SIGNAL_TERM || signal == TP_SIGNAL_INT) {
            tp__loop_stop(worker->loop);
        } else if (signal == TP_SIGNAL_QUIT) {
            worker_quit(worker);
        }
    }
}

/* Accepts nobody any more, ends the sessions, and leaves when they have ended. */
static void
worker_quit(struct tp_worker *worker)
{
    int64_t timeout_ms = worker->cycle->core->worker_shutdown_timeout.ms;

    if (worker->state == TP_WORKER_QUITTING) {
        return;
    }
    worker->state = TP_WORKER_QUITTING;
    tp__roster_set_state(&worker->cycle->shared.roster, TP_ROSTER_DRAINING);
    tp__watch_stop(&worker->watch);
    tp__acceptor_stop(&worker->acceptor);
    if (timeout_ms > 0) {
        tp__loop_start_timer(worker->loop, &worker->shutdown, timeout_ms);
    }
    tp__sessions_end_all(&worker->sessions, TP_CLOSE_SHUTDOWN);
    tp__dials_stop(&worker->dials);
    tp__home_leases_rest(&worker->sessions, true);
    tp__loop_post(worker->loop, &worker->end_check);
}

static void
worker_on_shutdown_timeout(struct tp_timer *timer)
{
    struct tp_worker *worker = TP_CONTAINER_OF(timer, struct tp_worker, shutdown);

    tp_log_notice(&worker->cycle->log, "shutdown-timeout", "slot=%u sessions=%zu", worker->slot,
                  worker->sessions.count);
    tp__loop_stop(worker->loop);
}

static void
worker_on_beat(struct tp_timer *timer)
{
    struct tp_worker *worker = TP_CONTAINER_OF(timer, struct tp_worker, beat);

    tp__loop_start_timer(worker->loop, &worker->beat, WORKER_BEAT_MS);
    worker->crash.utc_offset_s = tp__clock_utc_offset();
    tp__roster_beat(&worker->cycle->shared.roster, tp__loop_now_ms(worker->loop));
    tp__worker_count_beat(worker);
}

/* Who accepts nobody any more leaves with its last session, but not in the middle of a reload. */
static void
worker_on_end_check(struct tp_work *work)
{
    struct tp_worker *worker = TP_CONTAINER_OF(work, struct tp_worker, end_check);

    bool is_reloading = worker->prepared != NULL || worker->previous != NULL;
    bool may_serve_again = worker->state == TP_WORKER_DRAINING && is_reloading;

    if (worker->state == TP_WORKER_SERVING || may_serve_again) {
        return;
    }
    if (worker->sessions.count == 0) {
        tp__loop_stop(worker->loop);
    } else if (worker->sessions.count == tp__upstreams_session_count(worker->upstreams)) {
        tp__upstreams_stop(worker->upstreams);
    }
}

static void
worker_poke(struct tp_acceptor *acceptor, unsigned slot)
{
    struct tp_worker *worker = TP_CONTAINER_OF(acceptor, struct tp_worker, acceptor);

    if (tp__bus_send(worker->bus, slot, TP_BUS_ACCEPT_NOW, TP_STR("")) != TP_OK) {
        /* It is counted by the bus, and the listener looks again in a few milliseconds. */
        return;
    }
}

static void
worker_on_bus_message(void *owner, unsigned from_slot, uint16_t kind, struct tp_str bytes)
{
    struct tp_worker *worker = owner;

    switch ((enum tp_bus_kind) kind) {
    case TP_BUS_ACCEPT_NOW:
        tp__acceptor_accept_now(&worker->acceptor);
        return;
    case TP_BUS_ASK:
        if (tp__bus_answer(worker->bus, from_slot,
                           &(struct tp_frame_pieces){ .kind = TP_BUS_ANSWER })
            != TP_OK) {
            tp_log_warn(&worker->cycle->log, "answer-refused", "to_slot=%u", from_slot);
        }
        return;
    case TP_BUS_ANSWER:
        tp__watch_on_answer(&worker->watch, from_slot);
        return;
    case TP_BUS_PUSH:
    case TP_BUS_PULL:
    case TP_BUS_CLOSE:
    case TP_BUS_OUTCOME:
    case TP_BUS_DESCRIBE:
    case TP_BUS_DESCRIPTION:
    case TP_BUS_SURVEY:
    case TP_BUS_FORWARD:
        tp__courier_on_message(&worker->courier, from_slot, kind, bytes);
        return;
    case TP_BUS_TOLD:
        tp__worker_on_told(worker, from_slot, bytes);
        return;
    }
    tp_log_warn(&worker->cycle->log, "bus-message-unknown", "from_slot=%u kind=%u", from_slot,
                kind);
}

static enum tp_result
worker_open_link(void *owner, unsigned slot)
{
    struct tp_worker *worker = owner;
    struct tp_channel_message message = tp__channel_message(TP_CHANNEL_WANT_LINK, 0);

    message.slot = slot;
    return tp__channel_send(worker->channel_fd, &message, -1);
}

static void
worker_on_link_gone(void *owner, unsigned slot, uint64_t dropped_count)
{
    struct tp_worker *worker = owner;

    tp_log_info(&worker->cycle->log, "link-gone", "slot=%u dropped=%llu", slot,
                (unsigned long long) dropped_count);
    tp__courier_on_gone(&worker->courier, slot);
}
