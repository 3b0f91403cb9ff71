/*
 * teleport/awaiting.h - what an exchange in flight waits for: said by the core where it knows, and
 * by a handler or hook where only that does.
 *
 * Threads: the worker's loop.
 */
#ifndef TELEPORT_AWAITING_H
#define TELEPORT_AWAITING_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tp_exchange;

/* ROW(NAME, word, sentence for the manual) */
/* clang-format off */
#define TP_AWAITING_TABLE(ROW)                                                                     \
    ROW(HANDLER,    "handler",    "Its handler has it, and answers when it can.")                  \
    ROW(TIMER,      "timer",      "Its handler goes on with it when a time has passed.")           \
    ROW(UPSTREAM,   "upstream",   "It is passed on: a server of an upstream is to answer, or to be had.") \
    ROW(SESSION,    "session",    "Another session is to answer.")                                 \
    ROW(HOOK,       "hook",       "A hook has said later, and has not gone on.")                   \
    ROW(GREETING,   "greeting",   "Its session has not been let in yet.")                          \
    ROW(ORDER,      "order",      "It is answered, and leaves behind earlier ones of an ordered route.") \
    ROW(QUEUE,      "queue",      "Its packet is to be sent, and the other end has not taken what comes before it.") \
    ROW(CONNECTION, "connection", "Its packet is to be sent over a connection that is being dialed.") \
    ROW(REPLY,      "reply",      "It is ours and was sent: the other end is to answer.")          \
    ROW(NOTHING,    "nothing",    "Its session has ended or its time has run out; its handler or hook has not let it go.")
/* clang-format on */

enum tp_awaiting {
#define TP_AWAITING_ENUM_ROW(name, word, sentence) TP_AWAITING_##name,
    TP_AWAITING_TABLE(TP_AWAITING_ENUM_ROW)
#undef TP_AWAITING_ENUM_ROW
};

/* "handler" */
const char *tp_awaiting_word(enum tp_awaiting awaiting);

/* All that is known of it; texts are borrowed until the loop's turn ends. */
struct tp_awaited {
    enum tp_awaiting what;
    struct tp_str name;    /* of the upstream, or in words what is waited for; may be empty */
    struct tp_str address; /* of the server that has it */
    uint32_t tries;        /* servers that were given it, this one too */
    uint64_t session;      /* the number of the session that is to answer, or 0 */
};

/*
 * Asked by who lists what is in flight, as long as a handler has kept the exchange or a hook has it:
 * *awaited says already what the core knows.
 */
typedef void (*tp_explain_fn)(const struct tp_exchange *exchange, void *owner,
                              struct tp_awaited *awaited);

/*
 * Says who is asked what the exchange waits for, from when a handler keeps it, or a hook says later,
 * until that ends or resumes it; NULL: nobody any more.  For one that is ours it does nothing.
 */
void tp_exchange_explain(struct tp_exchange *exchange, tp_explain_fn explain, void *owner);

#ifdef __cplusplus
}
#endif

#endif
