/*
 * process/bus_kinds.h - what workers say to each other over the bus.
 */
#ifndef TP_PROCESS_BUS_KINDS_H
#define TP_PROCESS_BUS_KINDS_H

/* ROW(NAME, number, meaning); a number is never given to something else. */
/* clang-format off */
#define TP_BUS_KIND_TABLE(ROW)                                                          \
    ROW(ACCEPT_NOW, 1, "I have more sessions than you: take the connections that wait.") \
    ROW(ASK,        2, "Do you still turn?")                                            \
    ROW(ANSWER,     3, "I do.")
/* clang-format on */

enum tp_bus_kind {
#define TP_BUS_KIND_ENUM_ROW(name, number, meaning) TP_BUS_##name = (number),
    TP_BUS_KIND_TABLE(TP_BUS_KIND_ENUM_ROW)
#undef TP_BUS_KIND_ENUM_ROW
};

#endif
