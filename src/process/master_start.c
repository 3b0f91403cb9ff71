/*
 * master_start.c - how a master starts, and how each step is undone.
 *
 * Runs in: master, and in a new worker for letting go of it (tp__master_abandon).
 * Read next: master.c, what it does afterwards.
 */
#include "process/master.h"

#include "base/clock.h"
#include "base/result.h"
#include "base/str.h"
#include "cycle/conf_source.h"
#include "os/file.h"
#include "os/process.h"
#include "os/signal.h"

#include <stdio.h>

enum {
    MASTER_PID_FILE_MAX = 64,          /* bytes of what is looked at in a pid file */
    MASTER_ADDRESS_PATIENCE_MS = 3000, /* for workers of a killed master to leave their addresses */
    MASTER_ADDRESS_RETRY_MS = 20,
};

static enum tp_result master_load(struct tp_master *master);
static void master_unload(struct tp_master *master);
static enum tp_result master_daemonize(struct tp_master *master);
static void master_end_daemon(struct tp_master *master);
static enum tp_result master_lock_pid(struct tp_master *master);
static void master_unlock_pid(struct tp_master *master);
static enum tp_result master_open(struct tp_master *master);
static enum tp_result master_open_cycle(struct tp_master *master);
static bool master_was_killed(const char *pid_path);
static void master_close(struct tp_master *master);
static enum tp_result master_start_loop(struct tp_master *master);
static void master_stop_loop(struct tp_master *master);
static enum tp_result master_start_signals(struct tp_master *master);
static void master_stop_signals(struct tp_master *master);
static enum tp_result master_open_control(struct tp_master *master);
static void master_close_control(struct tp_master *master);
static void master_complain(struct tp_master *master, const char *what, enum tp_result result);

/* How a master starts; undone in reverse, from the step before the one that failed. */
static const struct {
    enum tp_result (*start)(struct tp_master *master);
    void (*undo)(struct tp_master *master);
} master_steps[] = {
    { master_load, master_unload },
    { master_daemonize, master_end_daemon },
    /* Before the pid file: who waits for the end must find nothing left over. */
    { master_start_loop, master_stop_loop },
    { master_lock_pid, master_unlock_pid },
    { master_open, master_close },
    { master_start_signals, master_stop_signals },
    { master_open_control, master_close_control },
};

enum tp_result
tp__master_start(struct tp_master *master, size_t *started_count)
{
    for (*started_count = 0; *started_count < TP_COUNT_OF(master_steps); *started_count += 1) {
        enum tp_result result = master_steps[*started_count].start(master);

        if (result != TP_OK) {
            return result;
        }
    }
    master->started_ms = tp__loop_now_ms(master->loop);
    return TP_OK;
}

void
tp__master_undo(struct tp_master *master, size_t started_count)
{
    while (started_count > 0) {
        master_steps[--started_count].undo(master);
    }
}

void
tp__master_abandon(struct tp_master *master)
{
    tp__loop_abandon(master->loop);
    tp__control_close(&master->control);
    tp__text_fini(&master->control_path);
    master_stop_signals(master);
    master_stop_loop(master);
    tp__descriptor_close(&master->pid_fd);
    tp__text_fini(&master->pid_path);
    tp__process_leave_daemon(&master->ready_fd);
    tp__text_fini(&master->messages);
}

static enum tp_result
master_load(struct tp_master *master)
{
    struct tp_conf_recorder recorder;

    tp__conf_recorder_init(&recorder);
    enum tp_result result =
        tp__cycle_load(master->program, &recorder.loader, 1, &master->messages, &master->cycle);
    tp__conf_recorder_fini(&recorder);
    return result;
}

static void
master_unload(struct tp_master *master)
{
    tp__cycle_release(&master->cycle);
}

static enum tp_result
master_daemonize(struct tp_master *master)
{
    if (!master->cycle->core->daemon) {
        return TP_OK;
    }
    enum tp_result result = tp__process_daemonize(&master->ready_fd);

    if (result != TP_OK) {
        master_complain(master, "cannot go into the background", result);
    }
    return result;
}

/* A start that failed: the process that waits must hear of it. */
static void
master_end_daemon(struct tp_master *master)
{
    tp__process_daemon_ready(&master->ready_fd, 1);
}

static enum tp_result
master_lock_pid(struct tp_master *master)
{
    char pid[16];

    tp__text_append(&master->pid_path, master->cycle->core->pid_path);
    const char *path = tp__text_get(&master->pid_path).data;

    /* Before it is locked: closing the file, however it was opened, gives the lock up. */
    master->follows_killed = master_was_killed(path);
    enum tp_result result = tp__file_open_locked(path, &master->pid_fd);

    if (result == TP_IN_USE) {
        tp__text_printf(&master->messages, "teleport: another teleport runs with the pid file %s\n",
                        path);
        tp__text_fini(&master->pid_path);
        return result;
    }
    if (result == TP_OK) {
        snprintf(pid, sizeof(pid), "%d\n", tp__process_id());
        result = tp__file_rewrite(master->pid_fd, tp__str(pid));
    }
    if (result != TP_OK) {
        tp__text_printf(&master->messages, "teleport: cannot write the pid file %s: %s\n", path,
                        tp__result_text(result));
        tp__cycle_advise_folder(&master->messages, path, result);
        tp__descriptor_close(&master->pid_fd);
        tp__text_fini(&master->pid_path);
    }
    return result;
}

static void
master_unlock_pid(struct tp_master *master)
{
    tp__file_remove(tp__text_get(&master->pid_path).data);
    tp__descriptor_close(&master->pid_fd);
    tp__text_fini(&master->pid_path);
}

static enum tp_result
master_open(struct tp_master *master)
{
    master->descriptors.owns_files = true;
    enum tp_result result = master_open_cycle(master);

    if (result == TP_OK) {
        result = tp__cycle_attach(master->cycle, &master->descriptors, &master->messages);
    }
    if (result != TP_OK) {
        tp__descriptors_fini(&master->descriptors);
        return result;
    }
    tp__descriptors_keep(&master->descriptors, tp__cycle_needs, master->cycle);
    tp__cycle_use_slot(master->cycle, TP_SLOT_MASTER);
    tp__cycle_tell_meters(master->cycle);
    return TP_OK;
}

/*
 * Workers learn of the death of their master in the next turn of their loops, and hold their
 * addresses until then: who restarts a server that was killed need not know.
 */
static enum tp_result
master_open_cycle(struct tp_master *master)
{
    struct tp_text messages = { 0 };
    int64_t end_ms = tp__clock_monotonic_ms() + MASTER_ADDRESS_PATIENCE_MS;
    enum tp_result result = tp__cycle_open(master->cycle, &master->descriptors, &messages);

    while (result == TP_IN_USE && master->follows_killed && tp__clock_monotonic_ms() < end_ms) {
        tp__process_sleep((struct tp_msec){ MASTER_ADDRESS_RETRY_MS });
        tp__text_clear(&messages);
        result = tp__cycle_open(master->cycle, &master->descriptors, &messages);
    }
    tp__text_append(&master->messages, tp__text_get(&messages));
    tp__text_fini(&messages);
    return result;
}

/* A master that ends takes its pid file away; one that runs still is found by its lock. */
static bool
master_was_killed(const char *pid_path)
{
    struct tp_text content = { 0 };
    bool has_content =
        tp__file_read(pid_path, MASTER_PID_FILE_MAX, &content) == TP_OK && content.len > 0;

    tp__text_fini(&content);
    return has_content;
}

static void
master_close(struct tp_master *master)
{
    tp__descriptors_fini(&master->descriptors);
}

static enum tp_result
master_start_loop(struct tp_master *master)
{
    enum tp_result result = tp__loop_create(&master->loop);

    if (result != TP_OK) {
        master_complain(master, "cannot make an event loop", result);
        return result;
    }
    struct tp_reload_options options = {
        .program = master->program,
        .loop = master->loop,
        .cycle = &master->cycle,
        .descriptors = &master->descriptors,
        .children = &master->children,
        .on_concluded = tp__master_on_reload_concluded,
    };

    tp__children_init(&master->children, master->loop, &tp__master_children_handler);
    tp__reload_init(&master->reload, &options);
    tp__control_init(&master->control, master->loop, &tp__master_control_handler);
    tp__timer_init(&master->end_patience, tp__master_on_end_patience);
    return TP_OK;
}

static void
master_stop_loop(struct tp_master *master)
{
    tp__control_fini(&master->control);
    tp__reload_fini(&master->reload);
    tp__children_fini(&master->children);
    tp__loop_destroy(&master->loop);
}

static enum tp_result
master_start_signals(struct tp_master *master)
{
    enum tp_result result = tp__signals_open(&master->signals_fd);

    if (result == TP_OK) {
        tp__watcher_init(&master->signals, master->signals_fd, tp__master_on_signal);
        result = tp__loop_watch(master->loop, &master->signals, TP_EVENT_READ);
    }
    if (result != TP_OK) {
        master_complain(master, "cannot take signals", result);
    }
    return result;
}

static void
master_stop_signals(struct tp_master *master)
{
    tp__loop_unwatch(master->loop, &master->signals);
    tp__descriptor_close(&master->signals_fd);
}

static enum tp_result
master_open_control(struct tp_master *master)
{
    tp__control_path(master->cycle->core->pid_path.data, &master->control_path);
    const char *path = tp__text_get(&master->control_path).data;
    enum tp_result result = tp__control_open(&master->control, path);

    if (result != TP_OK) {
        tp__text_printf(&master->messages, "teleport: cannot open the control socket %s: %s\n",
                        path, tp__result_text(result));
        tp__text_fini(&master->control_path);
    }
    return result;
}

static void
master_close_control(struct tp_master *master)
{
    /* The file first: who finds it must find somebody behind it. */
    tp__file_remove(tp__text_get(&master->control_path).data);
    tp__control_close(&master->control);
    tp__text_fini(&master->control_path);
}

/* For the terminal of whoever starts the server. */
static void
master_complain(struct tp_master *master, const char *what, enum tp_result result)
{
    tp__text_printf(&master->messages, "teleport: %s: %s\n", what, tp__result_text(result));
}
