/*
 * session/close_reason.h - why sessions end: the one table of close reasons.
 */
#ifndef TP_SESSION_CLOSE_REASON_H
#define TP_SESSION_CLOSE_REASON_H

/* ROW(NAME, word for logs, sentence for the manual) */
/* clang-format off */
#define TP_CLOSE_TABLE(ROW)                                                                         \
    ROW(PEER_CLOSED,       "peer-closed",       "The other end closed the connection.")             \
    ROW(CONNECTION_BROKEN, "connection-broken", "The connection failed: a reset or a time-out.")    \
    ROW(REFUSED,           "refused",           "A module's post_accept hook refused it.")          \
    ROW(LISTEN_REMOVED,    "listen-removed",    "A reload removed the address it came in through.") \
    ROW(SHUTDOWN,          "shutdown",          "The server or its worker is stopping.")            \
    ROW(NO_RESOURCES,      "no-resources",      "Memory or descriptors ran out.")
/* clang-format on */

enum tp_close_reason {
#define TP_CLOSE_ENUM_ROW(name, word, sentence) TP_CLOSE_##name,
    TP_CLOSE_TABLE(TP_CLOSE_ENUM_ROW)
#undef TP_CLOSE_ENUM_ROW
};

/* "peer-closed" */
const char *tp__close_reason_word(enum tp_close_reason reason);

/* The sentence for the manual. */
const char *tp__close_reason_sentence(enum tp_close_reason reason);

#endif
