/*
 * process/channel.h - what the master and a worker say to each other.
 *
 * A channel is a pair of sequenced-packet sockets made before the fork.  Messages
 * are small and keep their bounds; a descriptor may travel with one.
 */
#ifndef TP_PROCESS_CHANNEL_H
#define TP_PROCESS_CHANNEL_H

#include <teleport/base.h>

/* ROW(NAME, word, direction, meaning): the protocol between master and worker. */
/* clang-format off */
#define TP_CHANNEL_TABLE(ROW)                                                                        \
    ROW(DESCRIPTOR, "descriptor", "to worker", "Keep this descriptor under the name in the text.")   \
    ROW(PREPARE,    "prepare",    "to worker", "Build the configuration recorded in the descriptor.") \
    ROW(SWITCH,     "switch",     "to worker", "Serve with the prepared configuration.")             \
    ROW(FINISH,     "finish",     "to worker", "All have switched: let go of the one before.")       \
    ROW(REVERT,     "revert",     "to worker", "The reload failed: go back, drop what was prepared.") \
    ROW(REOPENED,   "reopened",   "to worker", "This is the log of that name, opened anew.")         \
    ROW(QUIT,       "quit",       "to worker", "Stop gracefully.")                                   \
    ROW(STOP,       "stop",       "to worker", "Stop at once.")                                      \
    ROW(LINK,       "link",       "to worker", "A bus socket to the worker in that slot.")           \
    ROW(NO_LINK,    "no-link",    "to worker", "There is no worker in that slot.")                   \
    ROW(WORKER_DIED, "worker-died", "to worker", "The worker in that slot died: its leases are free.") \
    ROW(READY,      "ready",      "to master", "The configuration is prepared.")                     \
    ROW(FAILED,     "failed",     "to master", "It cannot be prepared or used; the text says why.")  \
    ROW(SWITCHED,   "switched",   "to master", "It serves.")                                         \
    ROW(WANT_LINK,  "want-link",  "to master", "Connect me with the worker in that slot.")
/* clang-format on */

enum tp_channel_kind {
#define TP_CHANNEL_ENUM_ROW(name, word, direction, meaning) TP_CHANNEL_##name,
    TP_CHANNEL_TABLE(TP_CHANNEL_ENUM_ROW)
#undef TP_CHANNEL_ENUM_ROW
    TP_CHANNEL_KIND_COUNT
};

enum {
    TP_CHANNEL_TEXT_MAX = 4096, /* bytes of a message's text, its terminator included */
};

struct tp_channel_message {
    uint32_t kind; /* enum tp_channel_kind */
    uint32_t slot;
    uint64_t generation; /* of the configuration it is about */
    char text[TP_CHANNEL_TEXT_MAX];
};

/*
 * Sends a message; `text` longer than fits is cut.  `passed_fd` is -1 or stays the
 * caller's.  TP_AGAIN: the other end has not read for long; TP_GONE: it is dead.
 */
enum tp_result tp__channel_send(int fd, const struct tp_channel_message *message,
                                int passed_fd) TP_MUST_CHECK;

/* Receives a message; *passed_fd is the caller's unless -1.  TP_AGAIN: none; TP_GONE: no more. */
enum tp_result tp__channel_receive(int fd, struct tp_channel_message *message,
                                   int *passed_fd) TP_MUST_CHECK;

/* A message without text. */
struct tp_channel_message tp__channel_message(enum tp_channel_kind kind, uint64_t generation);

const char *tp__channel_kind_word(uint32_t kind);

#endif
