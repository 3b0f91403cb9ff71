/*
 * event/inbox.h - what other threads want done in the loop.
 *
 * Threads: tp__inbox_post() may be called from any, as long as the inbox is open; all else is
 * the loop's.
 */
#ifndef TP_EVENT_INBOX_H
#define TP_EVENT_INBOX_H

#include "event/loop.h"
#include "os/thread.h"

/* Embedded in what is to be done, found with TP_CONTAINER_OF(). */
struct tp_inbox_letter {
    struct tp_list_node node;

    /* In the loop; `is_lost`: the inbox was closed first.  The letter is the callee's. */
    void (*open)(struct tp_inbox_letter *letter, bool is_lost);
};

struct tp_inbox {
    struct tp_loop *loop;
    size_t letters_max;
    struct tp_wakeup wakeup;
    struct tp_watcher watcher;
    struct tp_thread_mutex mutex;
    struct tp_list_node letters; /* under the mutex, as is their number */
    size_t count;
};

/* An empty inbox that at most `letters_max` letters may lie in.  It must not move. */
enum tp_result tp__inbox_open(struct tp_inbox *inbox, struct tp_loop *loop,
                              size_t letters_max) TP_MUST_CHECK;

/* Gives the letters that are left back as lost.  Nobody may post any more. */
void tp__inbox_close(struct tp_inbox *inbox);

/* From any thread: the letter is opened in the loop, in the order of posting.  TP_FULL. */
enum tp_result tp__inbox_post(struct tp_inbox *inbox, struct tp_inbox_letter *letter) TP_MUST_CHECK;

#endif
