/*
 * process/bus_kinds.h - what workers say to each other over the bus; parcel.h has what goes with it.
 */
#ifndef TP_PROCESS_BUS_KINDS_H
#define TP_PROCESS_BUS_KINDS_H

/* ROW(NAME, number, meaning); a number is never given to something else. */
/* clang-format off */
#define TP_BUS_KIND_TABLE(ROW)                                                          \
    ROW(ACCEPT_NOW, 1, "I have more sessions than you: take the connections that wait.") \
    ROW(ASK,        2, "Do you still turn?")                                            \
    ROW(ANSWER,     3, "I do.")                                                          \
    ROW(PUSH,       4, "Push this on a session of yours.")                              \
    ROW(PULL,       5, "Pull this on a session of yours.")                              \
    ROW(CLOSE,      6, "Close a session of yours.")                                     \
    ROW(OUTCOME,    7, "What became of it.")                                            \
    ROW(DESCRIBE,   8, "How are these sessions of yours?")                              \
    ROW(DESCRIPTION, 9, "So they are.")                                                 \
    ROW(TOLD,       10, "Whoever listens for this word of mine, hear.")                 \
    ROW(SURVEY,     11, "Which exchanges do you have in flight, the oldest of them?")   \
    ROW(FORWARD,    12, "Pass this on over a session of yours, as it came.")
/* clang-format on */

enum tp_bus_kind {
#define TP_BUS_KIND_ENUM_ROW(name, number, meaning) TP_BUS_##name = (number),
    TP_BUS_KIND_TABLE(TP_BUS_KIND_ENUM_ROW)
#undef TP_BUS_KIND_ENUM_ROW
};

#endif
