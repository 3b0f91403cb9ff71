/*
 * children.c - the master's workers: starting, talking to, reaping, pacing.
 *
 * Runs in: master.  Owns: the master's ends of the channels.
 * Read next: master.c (what it does with them), worker.c (the other end).
 */
#include "process/children.h"

#include "os/file.h"
#include "os/socket.h"

enum {
    CHILD_STABLE_MS = 5000,     /* who lived that long did not die of starting */
    CHILD_RESPAWN_MIN_MS = 100, /* after the second quick death in a row */
    CHILD_RESPAWN_MAX_MS = 30000,
    CHILD_MESSAGES_PER_TURN = 64,
};

static void child_on_channel(struct tp_watcher *watcher, unsigned events);
static void child_on_respawn(struct tp_timer *timer);
static void child_on_ended(struct tp_child *child, const struct tp_process_end *end);
static void child_close_channel(struct tp_child *child);
static struct tp_child *children_find(struct tp_children *children, int pid);

void
tp__children_init(struct tp_children *children, struct tp_loop *loop,
                  const struct tp_children_handler *handler)
{
    *children = (struct tp_children){ .loop = loop, .handler = handler };
    for (unsigned slot = 0; slot < TP_WORKER_SLOTS_MAX; slot++) {
        struct tp_child *child = &children->slots[slot];

        child->children = children;
        child->slot = slot;
        child->channel_fd = -1;
        tp__timer_init(&child->respawn, child_on_respawn);
    }
}

void
tp__children_fini(struct tp_children *children)
{
    for (unsigned slot = 0; slot < TP_WORKER_SLOTS_MAX; slot++) {
        tp__descriptor_close(&children->slots[slot].channel_fd);
    }
}

enum tp_result
tp__child_spawn(struct tp_children *children, unsigned slot)
{
    struct tp_child *child = &children->slots[slot];
    int fds[2];

    TP_ASSERT(child->pid == 0);
    tp__loop_stop_timer(children->loop, &child->respawn);
    enum tp_result result = tp__socket_pair(true, fds);

    if (result != TP_OK) {
        return result;
    }
    result = tp__process_fork(&child->pid);
    if (result == TP_OK && child->pid == 0) {
        tp__descriptor_close(&fds[0]);
        children->handler->run(children, slot, fds[1]);
    }
    tp__descriptor_close(&fds[1]);
    if (result != TP_OK) {
        child->pid = 0;
        tp__descriptor_close(&fds[0]);
        return result;
    }
    child->channel_fd = fds[0];
    child->started_ms = tp__loop_now_ms(children->loop);
    child->is_leaving = false;
    child->is_surplus = false;
    child->vote = TP_VOTE_NONE;
    tp__watcher_init(&child->watcher, child->channel_fd, child_on_channel);
    if (tp__loop_watch(children->loop, &child->watcher, TP_EVENT_READ) != TP_OK) {
        /* A worker that cannot be heard is none: it ends, and is replaced like one that died. */
        tp__process_kill(child->pid);
    }
    return TP_OK;
}

bool
tp__child_has_left(const struct tp_child *child, const struct tp_process_end *end)
{
    return child->is_leaving || (child->is_surplus && end->signal == 0 && end->exit_code == 0);
}

int64_t
tp__child_respawn_delay(struct tp_child *child)
{
    int64_t lived_ms = tp__loop_now_ms(child->children->loop) - child->started_ms;

    child->quick_deaths = lived_ms >= CHILD_STABLE_MS ? 0 : child->quick_deaths + 1;
    if (child->quick_deaths <= 1) {
        return 0;
    }
    int64_t delay_ms = CHILD_RESPAWN_MIN_MS;

    for (unsigned death = 2; death < child->quick_deaths && delay_ms < CHILD_RESPAWN_MAX_MS;
         death++) {
        delay_ms *= 2;
    }
    return delay_ms < CHILD_RESPAWN_MAX_MS ? delay_ms : CHILD_RESPAWN_MAX_MS;
}

void
tp__children_reap(struct tp_children *children)
{
    struct tp_process_end end;

    while (tp__process_reap(&end) == TP_OK) {
        struct tp_child *child = children_find(children, end.pid);

        /* Children of whoever started us by exec are not ours to judge. */
        if (child != NULL) {
            child_on_ended(child, &end);
        }
    }
}

enum tp_result
tp__child_send(struct tp_child *child, const struct tp_channel_message *message, int passed_fd)
{
    if (child->channel_fd == -1) {
        return TP_GONE;
    }
    return tp__channel_send(child->channel_fd, message, passed_fd);
}

void
tp__children_send_all(struct tp_children *children, const struct tp_channel_message *message,
                      int passed_fd)
{
    TP_CHILDREN_EACH(child, children)
    {
        if (tp__child_send(child, message, passed_fd) != TP_OK) {
            /* Dead ones are reaped in a moment; one that hangs is told by signals in the end. */
            continue;
        }
    }
}

unsigned
tp__children_count(const struct tp_children *children)
{
    unsigned count = 0;

    for (unsigned slot = 0; slot < TP_WORKER_SLOTS_MAX; slot++) {
        count += children->slots[slot].pid != 0 ? 1 : 0;
    }
    return count;
}

static void
child_on_channel(struct tp_watcher *watcher, unsigned events)
{
    struct tp_child *child = TP_CONTAINER_OF(watcher, struct tp_child, watcher);
    struct tp_channel_message message;
    int passed_fd;

    (void) events;
    for (int count = 0; count < CHILD_MESSAGES_PER_TURN; count++) {
        enum tp_result result = tp__channel_receive(child->channel_fd, &message, &passed_fd);

        if (result == TP_AGAIN) {
            return;
        }
        if (result != TP_OK) {
            /* It has ended or is about to: SIGCHLD tells how. */
            child_close_channel(child);
            return;
        }
        child->children->handler->on_message(child, &message, passed_fd);
        if (child->channel_fd == -1) {
            return;
        }
    }
}

static void
child_on_respawn(struct tp_timer *timer)
{
    struct tp_child *child = TP_CONTAINER_OF(timer, struct tp_child, respawn);

    child->children->handler->on_respawn(child);
}

static void
child_on_ended(struct tp_child *child, const struct tp_process_end *end)
{
    /* Its last words, such as why a configuration cannot be had, may still be unread. */
    if (child->channel_fd != -1) {
        child_on_channel(&child->watcher, TP_EVENT_READ);
    }
    child_close_channel(child);
    child->pid = 0;
    child->children->handler->on_ended(child, end);
}

static void
child_close_channel(struct tp_child *child)
{
    if (child->channel_fd == -1) {
        return;
    }
    tp__loop_unwatch(child->children->loop, &child->watcher);
    tp__descriptor_close(&child->channel_fd);
}

static struct tp_child *
children_find(struct tp_children *children, int pid)
{
    TP_CHILDREN_EACH(child, children)
    {
        if (child->pid == pid) {
            return child;
        }
    }
    return NULL;
}
