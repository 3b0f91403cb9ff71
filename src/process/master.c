/*
 * master.c - the master process once it has started: it only reacts, to signals, to
 * commands on the control socket, to its workers.
 *
 * Runs in: master.  Owns: the cycle in force, the descriptors, the workers.
 * Read next: master_start.c, reload.c, children.c, control.c, worker.c.
 */
#include "process/master.h"

#include "base/result.h"
#include "config.h"
#include "os/file.h"
#include "os/process.h"
#include "os/signal.h"
#include "os/socket.h"
#include "process/status.h"
#include "process/worker.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MASTER_SPAWN_RETRY_MS = 1000, /* after a fork that failed */
};

static void master_ensure_workers(struct tp_master *master);
static bool master_is_ending(const struct tp_master *master);
static void master_quit(struct tp_master *master);
static void master_stop(struct tp_master *master);
static void master_end_workers(struct tp_master *master, enum tp_channel_kind how);
static void master_kill_workers(struct tp_master *master, const char *why);
static void master_rest(struct tp_master *master);
static enum tp_result master_reopen_logs(struct tp_master *master, struct tp_text *report);
static enum tp_result master_reopen_log(struct tp_master *master, const struct tp_descriptor *log);
static void master_act_on(struct tp_master *master, enum tp_signal signal);

static void master_reload(struct tp_master *master);
static void master_run_worker(struct tp_children *children, unsigned slot,
                              int channel_fd) TP_NORETURN;
static void master_on_message(struct tp_child *child, const struct tp_channel_message *message,
                              int passed_fd);
static void master_link(struct tp_master *master, struct tp_child *child, unsigned to_slot);
static void master_on_worker_ended(struct tp_child *child, const struct tp_process_end *end);
static void master_delay_respawn(struct tp_master *master, struct tp_child *child);
static void master_clean_slot(struct tp_master *master, unsigned slot);
static void master_on_respawn(struct tp_child *child);
static void master_spawn(struct tp_master *master, unsigned slot);
static void master_on_command(struct tp_control *control, struct tp_control_client *client,
                              enum tp_control_command command);
static void master_answer_status(struct tp_master *master, struct tp_control_client *client);
static void master_answer_reopen(struct tp_master *master, struct tp_control_client *client);

const struct tp_children_handler tp__master_children_handler = {
    .run = master_run_worker,
    .on_message = master_on_message,
    .on_ended = master_on_worker_ended,
    .on_respawn = master_on_respawn,
};

const struct tp_control_handler tp__master_control_handler = {
    .on_command = master_on_command,
};

int
tp__master_run(const struct tp_program *program)
{
    struct tp_master *master = calloc(1, sizeof(*master));
    size_t started_count = 0;

    TP_ASSERT(master != NULL);
    master->program = program;
    master->signals_fd = -1;
    master->pid_fd = -1;
    master->ready_fd = -1;
    enum tp_result result = tp__master_start(master, &started_count);

    tp__file_write(TP_STDERR, tp__text_get(&master->messages).data, master->messages.len);
    if (result == TP_OK) {
        tp__process_set_title(&program->title, "teleport: master");
        master_ensure_workers(master);
        tp_log_notice(&master->cycle->log, "started", "version=%s pid=%d workers=%u", TP_VERSION,
                      tp__process_id(), master->cycle->core->worker_count);
        tp__process_daemon_ready(&master->ready_fd, 0);
        tp__loop_run(master->loop);
        tp_log_notice(&master->cycle->log, "stopped", "pid=%d", tp__process_id());
    }
    tp__master_undo(master, started_count);
    tp__text_fini(&master->messages);
    free(master);
    return result == TP_OK ? 0 : 1;
}

/* Starts whoever is missing.  Surplus workers have seen the configuration and leave by themselves. */
static void
master_ensure_workers(struct tp_master *master)
{
    if (master->state != TP_MASTER_SERVING || tp__reload_is_active(&master->reload)) {
        return;
    }
    for (unsigned slot = 0; slot < master->cycle->core->worker_count; slot++) {
        const struct tp_child *child = &master->children.slots[slot];

        if (child->pid == 0 && !child->respawn.is_running) {
            master_spawn(master, slot);
        }
    }
}

static bool
master_is_ending(const struct tp_master *master)
{
    return master->state == TP_MASTER_QUITTING || master->state == TP_MASTER_STOPPING;
}

/* A graceful end.  Asked again, or after a fast one, it changes nothing: no time begins anew. */
static void
master_quit(struct tp_master *master)
{
    const struct tp_core_conf *core = master->cycle->core;

    if (master_is_ending(master)) {
        return;
    }
    master->state = TP_MASTER_QUITTING;
    if (core->worker_shutdown_timeout.ms > 0) {
        tp__loop_start_timer(master->loop, &master->end_patience,
                             core->worker_shutdown_timeout.ms + core->worker_stop_timeout.ms);
    }
    master_end_workers(master, TP_CHANNEL_QUIT);
}

/* A fast end.  Who asks a second time has lost patience, and waits for no worker any more. */
static void
master_stop(struct tp_master *master)
{
    if (master->state == TP_MASTER_STOPPING) {
        master_kill_workers(master, "stopped-again");
        return;
    }
    master->state = TP_MASTER_STOPPING;
    tp__loop_start_timer(master->loop, &master->end_patience,
                         master->cycle->core->worker_stop_timeout.ms);
    master_end_workers(master, TP_CHANNEL_STOP);
}

/* Tells all workers to end, `how` being QUIT or STOP; the server ends with the last of them. */
static void
master_end_workers(struct tp_master *master, enum tp_channel_kind how)
{
    struct tp_channel_message message = tp__channel_message(how, master->cycle->generation);

    tp__children_send_all(&master->children, &message, -1);
    TP_CHILDREN_EACH(child, &master->children)
    {
        child->is_leaving = true;
    }
    if (tp__children_count(&master->children) == 0) {
        tp__loop_stop(master->loop);
    }
}

void
tp__master_on_end_patience(struct tp_timer *timer)
{
    master_kill_workers(TP_CONTAINER_OF(timer, struct tp_master, end_patience), "timeout");
}

static void
master_kill_workers(struct tp_master *master, const char *why)
{
    TP_CHILDREN_EACH(child, &master->children)
    {
        tp_log_error(&master->cycle->log, "worker-killed", "slot=%u pid=%d why=%s", child->slot,
                     child->pid, why);
        tp__process_kill(child->pid);
    }
}

/* WINCH: the workers leave gracefully, the master keeps the sockets. */
static void
master_rest(struct tp_master *master)
{
    struct tp_channel_message message =
        tp__channel_message(TP_CHANNEL_QUIT, master->cycle->generation);

    master->state = TP_MASTER_RESTING;
    TP_CHILDREN_EACH(child, &master->children)
    {
        child->is_leaving = true;
    }
    tp__children_send_all(&master->children, &message, -1);
}

/* What fails is logged, and reported to whoever has asked. */
static enum tp_result
master_reopen_logs(struct tp_master *master, struct tp_text *report)
{
    enum tp_result worst = TP_OK;

    for (size_t i = 0; i < master->descriptors.count; i++) {
        const struct tp_descriptor *log = &master->descriptors.entries[i];

        if (log->kind == TP_DESCRIPTOR_LOG) {
            enum tp_result result = master_reopen_log(master, log);

            if (result != TP_OK) {
                tp__text_printf(report, "cannot open the log %s: %s\n", log->name,
                                tp__result_text(result));
                tp_log_error(&master->cycle->log, "log-reopen-failed", "log=%s why=%s", log->name,
                             tp__result_text(result));
                worst = result;
            }
        }
    }
    return worst;
}

static enum tp_result
master_reopen_log(struct tp_master *master, const struct tp_descriptor *log)
{
    struct tp_channel_message message = tp__channel_message(TP_CHANNEL_REOPENED, 0);
    int fd;
    enum tp_result result = tp__file_open_log(log->name, &fd);

    if (result != TP_OK) {
        return result;
    }
    result = tp__descriptor_replace(log->fd, fd);
    if (result == TP_OK) {
        result = tp__cycle_reopen_log(master->cycle, log->name, fd);
    }
    if (result == TP_OK && master->reload.next != NULL) {
        result = tp__cycle_reopen_log(master->reload.next, log->name, fd);
    }
    snprintf(message.text, sizeof(message.text), "%s", log->name);
    tp__children_send_all(&master->children, &message, fd);
    tp__descriptor_close(&fd);
    return result;
}

void
tp__master_on_signal(struct tp_watcher *watcher, unsigned events)
{
    struct tp_master *master = TP_CONTAINER_OF(watcher, struct tp_master, signals);
    enum tp_signal signal;
    int sender;

    (void) events;
    while (tp__signals_read(master->signals_fd, &signal, &sender) == TP_OK) {
        if (signal != TP_SIGNAL_CHLD) {
            tp_log_notice(&master->cycle->log, "signal", "signal=%s from_pid=%d",
                          tp__signal_word(signal), sender);
        }
        master_act_on(master, signal);
    }
}

static void
master_act_on(struct tp_master *master, enum tp_signal signal)
{
    struct tp_text report = { 0 };

    switch (signal) {
    case TP_SIGNAL_TERM:
    case TP_SIGNAL_INT:
        master_stop(master);
        break;
    case TP_SIGNAL_QUIT:
        master_quit(master);
        break;
    case TP_SIGNAL_HUP:
        master_reload(master);
        break;
    case TP_SIGNAL_USR1:
        master_reopen_logs(master, &report);
        break;
    case TP_SIGNAL_USR2:
        break;
    case TP_SIGNAL_WINCH:
        if (!master_is_ending(master)) {
            master_rest(master);
        }
        break;
    case TP_SIGNAL_CHLD:
        tp__children_reap(&master->children);
        break;
    }
    tp__text_fini(&report);
}

/* While the server ends there is nothing to take a new configuration over. */
static void
master_reload(struct tp_master *master)
{
    if (!master_is_ending(master)) {
        tp__reload_begin(&master->reload);
    }
}

/* Runs in the new process, which still has all that is the master's. */
static void
master_run_worker(struct tp_children *children, unsigned slot, int channel_fd)
{
    struct tp_master *master = TP_CONTAINER_OF(children, struct tp_master, children);
    struct tp_worker_birth birth = {
        .program = master->program,
        .cycle = master->cycle,
        .descriptors = master->descriptors,
        .slot = slot,
        .channel_fd = channel_fd,
    };

    birth.descriptors.owns_files = false;
    tp__master_abandon(master);
    free(master);
    exit(tp__worker_run(&birth));
}

static void
master_on_message(struct tp_child *child, const struct tp_channel_message *message, int passed_fd)
{
    struct tp_master *master = TP_CONTAINER_OF(child->children, struct tp_master, children);

    tp__descriptor_close(&passed_fd);
    if (message->kind == TP_CHANNEL_WANT_LINK) {
        master_link(master, child, message->slot);
    } else {
        tp__reload_on_vote(&master->reload, child, message);
    }
}

/* Connects two workers: each gets one end of a pair. */
static void
master_link(struct tp_master *master, struct tp_child *child, unsigned to_slot)
{
    struct tp_child *other =
        to_slot < TP_WORKER_SLOTS_MAX ? &master->children.slots[to_slot] : child;
    struct tp_channel_message message = tp__channel_message(TP_CHANNEL_LINK, 0);
    int fds[2] = { -1, -1 };
    enum tp_result result = other->pid == 0 || other == child ? TP_GONE : TP_OK;

    if (result == TP_OK) {
        result = tp__socket_pair(false, fds);
    }
    if (result == TP_OK) {
        message.slot = child->slot;
        result = tp__child_send(other, &message, fds[0]);
    }
    message.slot = to_slot;
    message.kind = result == TP_OK ? TP_CHANNEL_LINK : TP_CHANNEL_NO_LINK;
    if (tp__child_send(child, &message, fds[1]) != TP_OK) {
        tp_log_warn(&master->cycle->log, "link-failed", "slot=%u to_slot=%u", child->slot, to_slot);
    }
    tp__descriptor_close(&fds[0]);
    tp__descriptor_close(&fds[1]);
}

static void
master_on_worker_ended(struct tp_child *child, const struct tp_process_end *end)
{
    struct tp_master *master = TP_CONTAINER_OF(child->children, struct tp_master, children);
    bool is_surplus = child->slot >= master->cycle->core->worker_count;
    bool is_accident = !tp__child_has_left(child, end);

    if (is_accident) {
        tp_log_error(&master->cycle->log, "worker-died", "slot=%u pid=%d signal=%d exit_code=%d",
                     child->slot, end->pid, end->signal, end->exit_code);
    }
    master_clean_slot(master, child->slot);
    if (is_accident && !is_surplus && master->state == TP_MASTER_SERVING) {
        /* Before the reload hears of it: that may fail, and replace who is missing. */
        master_delay_respawn(master, child);
    }
    tp__reload_on_child_ended(&master->reload, child, end);
    if (master_is_ending(master) && tp__children_count(&master->children) == 0) {
        tp__loop_stop(master->loop);
        return;
    }
    master_ensure_workers(master);
}

/* Lets the replacement of a worker wait when the ones before it died soon after their start. */
static void
master_delay_respawn(struct tp_master *master, struct tp_child *child)
{
    int64_t delay_ms = tp__child_respawn_delay(child);

    if (delay_ms > 0) {
        tp_log_warn(&master->cycle->log, "respawn-delayed", "slot=%u delay_ms=%lld", child->slot,
                    (long long) delay_ms);
        tp__loop_start_timer(master->loop, &child->respawn, delay_ms);
    }
}

/* What a worker left in shared memory: its gauges, its entry, its sessions, its leases. */
static void
master_clean_slot(struct tp_master *master, unsigned slot)
{
    struct tp_shared *shared = &master->cycle->shared;
    struct tp_channel_message message = tp__channel_message(TP_CHANNEL_WORKER_DIED, 0);

    tp__counters_clear_gauges(&shared->counters, slot);
    tp__meters_clear_gauges(&shared->meters, slot);
    tp__roster_clear(&shared->roster, slot);
    tp__directory_clear_slot(&shared->directory, slot);
    enum tp_result result = tp__lease_release_slot(&shared->leases, slot);

    if (result != TP_OK) {
        tp_log_warn(&master->cycle->log, "lease-not-released", "slot=%u result=%s", slot,
                    tp_result_word(result));
    }
    message.slot = slot;
    tp__children_send_all(&master->children, &message, -1);
}

static void
master_on_respawn(struct tp_child *child)
{
    master_ensure_workers(TP_CONTAINER_OF(child->children, struct tp_master, children));
}

static void
master_spawn(struct tp_master *master, unsigned slot)
{
    enum tp_result result = tp__child_spawn(&master->children, slot);

    if (result != TP_OK) {
        struct tp_child *child = &master->children.slots[slot];

        tp_log_alert(&master->cycle->log, "spawn-failed", "slot=%u result=%s", slot,
                     tp_result_word(result));
        tp__loop_start_timer(master->loop, &child->respawn, MASTER_SPAWN_RETRY_MS);
    }
}

void
tp__master_on_reload_concluded(struct tp_reload *reload, bool has_succeeded, struct tp_str report)
{
    struct tp_master *master = TP_CONTAINER_OF(reload, struct tp_master, reload);

    if (has_succeeded && master->state == TP_MASTER_RESTING) {
        master->state = TP_MASTER_SERVING;
    }
    tp__control_answer_reload(&master->control, reload->begun_count, report, has_succeeded);
    master_ensure_workers(master);
}

static void
master_on_command(struct tp_control *control, struct tp_control_client *client,
                  enum tp_control_command command)
{
    struct tp_master *master = TP_CONTAINER_OF(control, struct tp_master, control);

    tp_log_notice(&master->cycle->log, "command", "command=%s", tp__control_word(command));
    switch (command) {
    case TP_CONTROL_STOP:
        tp__control_answer(client, TP_STR(""), true, true);
        master_stop(master);
        return;
    case TP_CONTROL_QUIT:
        tp__control_answer(client, TP_STR(""), true, true);
        master_quit(master);
        return;
    case TP_CONTROL_REOPEN:
        master_answer_reopen(master, client);
        return;
    case TP_CONTROL_RELOAD:
        if (master_is_ending(master)) {
            tp__control_answer(client, TP_STR("the server is stopping\n"), false, false);
            return;
        }
        tp__control_wait_for_reload(client, tp__reload_next_number(&master->reload));
        master_reload(master);
        return;
    case TP_CONTROL_STATUS:
        master_answer_status(master, client);
        return;
    case TP_CONTROL_COMMAND_COUNT:
        break;
    }
    TP_ASSERT(!"the control socket hands over commands of its table only");
}

static void
master_answer_status(struct tp_master *master, struct tp_control_client *client)
{
    struct tp_text text = { 0 };
    struct tp_status_sources sources = {
        .program = master->program,
        .cycle = master->cycle,
        .children = &master->children,
        .reload = &master->reload,
        .uptime_ms = tp__loop_now_ms(master->loop) - master->started_ms,
    };
    struct tp_shared *shared = &master->cycle->shared;

    uint64_t repair_count =
        tp__zone_repair_count(&shared->leases) + tp__zone_repair_count(&shared->directory.ids);

    for (size_t i = 0; i < master->cycle->table_count; i++) {
        repair_count += tp__zone_repair_count(&master->cycle->tables[i].zone);
    }
    tp__counter_set(&shared->counters, TP_COUNTER_ZONE_REPAIRS, repair_count);
    tp__status_write(&sources, &text);
    tp__control_answer(client, tp__text_get(&text), tp__text_is_whole(&text), false);
    tp__text_fini(&text);
}

static void
master_answer_reopen(struct tp_master *master, struct tp_control_client *client)
{
    struct tp_text report = { 0 };
    enum tp_result result = master_reopen_logs(master, &report);

    tp__control_answer(client, tp__text_get(&report), result == TP_OK, false);
    tp__text_fini(&report);
}
