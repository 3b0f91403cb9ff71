/*
 * inbox.c - what other threads want done in the loop.
 *
 * The mutex is held for a few instructions only; letters are opened without it.  The loop is
 * woken for the first letter, not for those that join it.
 *
 * Runs in: library.  Owns: the descriptor that wakes the loop.
 * Read next: pool.c, which does the same for its own threads.
 */
#include "event/inbox.h"

static void inbox_on_wakeup(struct tp_watcher *watcher, unsigned events);
static void inbox_take_all(struct tp_inbox *inbox, struct tp_list_node *letters);
static void letters_open(struct tp_list_node *letters, bool is_lost);

enum tp_result
tp__inbox_open(struct tp_inbox *inbox, struct tp_loop *loop, size_t letters_max)
{
    *inbox = (struct tp_inbox){ .loop = loop, .letters_max = letters_max };
    enum tp_result result = tp__wakeup_open(&inbox->wakeup);

    if (result != TP_OK) {
        return result;
    }
    tp__watcher_init(&inbox->watcher, inbox->wakeup.fd, inbox_on_wakeup);
    result = tp__loop_watch(loop, &inbox->watcher, TP_EVENT_READ);
    if (result != TP_OK) {
        tp__wakeup_close(&inbox->wakeup);
        return result;
    }
    tp__list_init(&inbox->letters);
    tp__thread_mutex_init(&inbox->mutex);
    return TP_OK;
}

void
tp__inbox_close(struct tp_inbox *inbox)
{
    struct tp_list_node letters;

    inbox_take_all(inbox, &letters);
    letters_open(&letters, true);
    tp__loop_unwatch(inbox->loop, &inbox->watcher);
    tp__wakeup_close(&inbox->wakeup);
    tp__thread_mutex_fini(&inbox->mutex);
}

enum tp_result
tp__inbox_post(struct tp_inbox *inbox, struct tp_inbox_letter *letter)
{
    tp__thread_mutex_lock(&inbox->mutex);
    bool is_first = inbox->count == 0;
    bool is_full = inbox->count == inbox->letters_max;

    if (!is_full) {
        tp__list_append(&inbox->letters, &letter->node);
        inbox->count++;
    }
    if (is_first) {
        tp__wakeup_ring(&inbox->wakeup);
    }
    tp__thread_mutex_unlock(&inbox->mutex);
    return is_full ? TP_FULL : TP_OK;
}

static void
inbox_on_wakeup(struct tp_watcher *watcher, unsigned events)
{
    struct tp_inbox *inbox = TP_CONTAINER_OF(watcher, struct tp_inbox, watcher);
    struct tp_list_node letters;

    (void) events;
    /* Quiet first: who posts from here on rings again. */
    tp__wakeup_quiet(&inbox->wakeup);
    inbox_take_all(inbox, &letters);
    letters_open(&letters, false);
}

static void
inbox_take_all(struct tp_inbox *inbox, struct tp_list_node *letters)
{
    tp__list_init(letters);
    tp__thread_mutex_lock(&inbox->mutex);
    tp__list_move_all(letters, &inbox->letters);
    inbox->count = 0;
    tp__thread_mutex_unlock(&inbox->mutex);
}

static void
letters_open(struct tp_list_node *letters, bool is_lost)
{
    struct tp_list_node *node;

    while ((node = tp__list_take_first(letters)) != NULL) {
        struct tp_inbox_letter *letter = TP_CONTAINER_OF(node, struct tp_inbox_letter, node);

        letter->open(letter, is_lost);
    }
}
