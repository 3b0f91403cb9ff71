/*
 * worker_cycle.c - the worker's part of a reload: builds the new configuration
 * beside the old, switches, and goes back when others could not.
 *
 * prepared --switch--> in force, the old one becomes previous
 *     previous --finish--> sessions move over, it is let go
 *     previous --revert--> in force again, sessions move back
 *
 * Runs in: worker.  Read next: reload.c, the master's part.
 */
#include "process/worker.h"

#include "cycle/conf_source.h"
#include "os/fault.h"
#include "os/memfd.h"

#include <stdio.h>

static enum tp_result worker_build(struct tp_worker *worker, uint64_t generation, int recording_fd,
                                   struct tp_text *messages);
static enum tp_result worker_load(struct tp_worker *worker, uint64_t generation,
                                  struct tp_str recording, struct tp_text *messages);
static enum tp_result worker_check_descriptors(const struct tp_worker *worker,
                                               struct tp_text *messages);
static void worker_move_sessions(struct tp_worker *worker);
static const struct tp_source *worker_find_source(void *owner, const char *name);
static void worker_on_moved(void *owner);
static void worker_answer_failure(struct tp_worker *worker, uint64_t generation,
                                  enum tp_result result, const struct tp_text *messages);
static void worker_answer(struct tp_worker *worker, enum tp_channel_kind kind, uint64_t generation,
                          const char *text);

void
tp__worker_prepare(struct tp_worker *worker, uint64_t generation, int recording_fd)
{
    struct tp_text messages = { 0 };

    tp__cycle_release(&worker->prepared);
    enum tp_result result = worker_build(worker, generation, recording_fd, &messages);

    if (result == TP_OK) {
        worker_answer(worker, TP_CHANNEL_READY, generation, "");
    } else {
        tp__descriptors_drop_new(&worker->descriptors);
        worker_answer_failure(worker, generation, result, &messages);
    }
    tp__text_fini(&messages);
}

void
tp__worker_switch(struct tp_worker *worker, uint64_t generation)
{
    struct tp_text messages = { 0 };
    enum tp_result result = tp__fault("reload-switch");

    if (worker->prepared == NULL || worker->prepared->generation != generation) {
        worker_answer(worker, TP_CHANNEL_FAILED, generation, "nothing is prepared\n");
        return;
    }
    worker->previous = worker->cycle;
    worker->cycle = worker->prepared;
    worker->prepared = NULL;
    if (result == TP_OK) {
        result = tp__cycle_start_modules(worker->cycle, &worker->sessions, &messages);
    }
    if (result == TP_OK) {
        result = tp__worker_apply_cycle(worker);
    }
    if (result == TP_OK) {
        worker_answer(worker, TP_CHANNEL_SWITCHED, generation, "");
    } else {
        worker_answer_failure(worker, generation, result, &messages);
    }
    tp__text_fini(&messages);
}

void
tp__worker_finish(struct tp_worker *worker, uint64_t generation)
{
    if (worker->previous == NULL || worker->cycle->generation != generation) {
        return;
    }
    tp__descriptors_keep(&worker->descriptors, tp__cycle_needs, worker->cycle);
    tp__cycle_flush_logs(worker->previous);
    tp__worker_apply_upstreams(worker);
    tp__cycle_release(&worker->previous);
    worker_move_sessions(worker);
    tp__dials_settle(&worker->dials);
    tp__loop_post(worker->loop, &worker->end_check);
}

void
tp__worker_revert(struct tp_worker *worker, uint64_t generation)
{
    if (worker->prepared != NULL && worker->prepared->generation == generation) {
        tp__cycle_release(&worker->prepared);
    }
    if (worker->previous != NULL && worker->cycle->generation == generation) {
        struct tp_cycle *failed = worker->cycle;

        worker->cycle = worker->previous;
        worker->previous = NULL;
        /* These listeners have been open all the time: going back cannot fail for want of anything. */
        enum tp_result result = tp__worker_apply_cycle(worker);

        if (result != TP_OK) {
            tp_log_alert(&worker->cycle->log, "revert-failed", "result=%s", tp_result_word(result));
        }
        tp__worker_apply_upstreams(worker);
        worker_move_sessions(worker);
        tp__cycle_release(&failed);
    }
    tp__descriptors_drop_new(&worker->descriptors);
    tp__loop_post(worker->loop, &worker->end_check);
}

static enum tp_result
worker_build(struct tp_worker *worker, uint64_t generation, int recording_fd,
             struct tp_text *messages)
{
    const void *base;
    size_t size;
    enum tp_result result = tp__fault("reload-prepare");

    if (result == TP_OK) {
        result = tp__memfd_size(recording_fd, &size);
    }
    if (result == TP_OK) {
        result = tp__memfd_map_sealed(recording_fd, size, &base);
    }
    if (result != TP_OK) {
        return result;
    }
    result = worker_load(worker, generation, (struct tp_str){ base, size }, messages);
    tp__memfd_unmap(base, size);
    return result;
}

static enum tp_result
worker_load(struct tp_worker *worker, uint64_t generation, struct tp_str recording,
            struct tp_text *messages)
{
    struct tp_conf_player player;
    struct tp_text load_messages = { 0 };

    tp__conf_player_init(&player, recording);
    enum tp_result result = tp__cycle_load(worker->program, &player.loader, generation,
                                           &load_messages, &worker->prepared);

    if (result != TP_OK) {
        tp__text_append(messages, tp__text_get(&load_messages));
    }
    tp__text_fini(&load_messages);
    if (result != TP_OK) {
        return result;
    }
    result = tp__cycle_attach(worker->prepared, &worker->descriptors, messages);
    if (result == TP_OK) {
        result = worker_check_descriptors(worker, messages);
    }
    if (result != TP_OK) {
        tp__cycle_release(&worker->prepared);
        return result;
    }
    tp__list_append(&worker->cycles, &worker->prepared->node);
    tp__cycle_use_slot(worker->prepared, worker->slot);
    tp__cycle_count_in(worker->prepared, &worker->stats.stats);
    return TP_OK;
}

/* A descriptor can get lost on its way here when this worker has too many open. */
static enum tp_result
worker_check_descriptors(const struct tp_worker *worker, struct tp_text *messages)
{
    const struct tp_cycle *cycle = worker->prepared;

    for (size_t i = 0; worker->slot < cycle->core->worker_count && i < cycle->listen_count; i++) {
        char name[TP_LISTEN_NAME_MAX];

        tp__listen_descriptor_name(&cycle->listens[i], worker->slot, name);
        if (tp__descriptors_find(&worker->descriptors, TP_DESCRIPTOR_LISTEN, name) == -1) {
            tp__text_printf(messages, "the socket of %s was not received\n", name);
            return TP_NOT_FOUND;
        }
    }
    return TP_OK;
}

static void
worker_move_sessions(struct tp_worker *worker)
{
    struct tp_sessions_move move = {
        .find_source = worker_find_source,
        .on_done = worker_on_moved,
        .owner = worker,
    };

    tp__sessions_move(&worker->sessions, &move);
}

/* One that leaves keeps what it has until its sessions have ended. */
void
tp__worker_apply_upstreams(struct tp_worker *worker)
{
    if (worker->state == TP_WORKER_SERVING) {
        tp__upstreams_resume(worker->upstreams);
    }
    tp__upstreams_apply(worker->upstreams, worker->cycle->upstreams, worker->cycle->upstream_count);
}

static const struct tp_source *
worker_find_source(void *owner, const char *name)
{
    struct tp_worker *worker = owner;

    const struct tp_listen *listen = tp__cycle_find_listen(worker->cycle, name);

    if (listen != NULL) {
        return &listen->source;
    }
    const struct tp_dial *dial = tp__cycle_find_dial(worker->cycle, name);

    return dial == NULL ? tp__cycle_find_upstream_source(worker->cycle, name) : &dial->source;
}

static void
worker_on_moved(void *owner)
{
    struct tp_worker *worker = owner;

    tp_log_debug(&worker->cycle->log, "sessions-moved", "generation=%llu sessions=%zu",
                 (unsigned long long) worker->cycle->generation, worker->sessions.count);
}

/* Says what `messages` say, or the sentence of `result` where they say nothing. */
static void
worker_answer_failure(struct tp_worker *worker, uint64_t generation, enum tp_result result,
                      const struct tp_text *messages)
{
    worker_answer(worker, TP_CHANNEL_FAILED, generation,
                  messages->len > 0 ? tp__text_get(messages).data : tp_result_sentence(result));
}

static void
worker_answer(struct tp_worker *worker, enum tp_channel_kind kind, uint64_t generation,
              const char *text)
{
    struct tp_channel_message message = tp__channel_message(kind, generation);

    snprintf(message.text, sizeof(message.text), "%s", text);
    tp__worker_tell_master(worker, &message);
}
