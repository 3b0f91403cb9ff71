/*
 * session/close_reason.h - what this folder and those above it know of close reasons.
 */
#ifndef TP_SESSION_CLOSE_REASON_H
#define TP_SESSION_CLOSE_REASON_H

#include <teleport/close_reason.h>

/* False for the end of a connection after which a dialed session comes back. */
bool tp__close_reason_is_final(enum tp_close_reason reason);

/* The reason of this word; false when there is none. */
bool tp__close_reason_find(struct tp_str word, enum tp_close_reason *reason);

/* The sentence for the manual. */
const char *tp__close_reason_sentence(enum tp_close_reason reason);

#endif
