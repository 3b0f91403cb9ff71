/*
 * conf/message.h - mistakes and warnings, collected while a configuration is loaded and shown
 * in the order of the text, each with its source line and a caret.
 *
 *   bad.conf:2:5: error: unknown directive "echo_repy_max" in "server"
 *       2 |     echo_repy_max 1m;
 *         |     ^^^^^^^^^^^^^
 *           did you mean "echo_reply_max"?  Largest reply body; …
 */
#ifndef TP_CONF_MESSAGE_H
#define TP_CONF_MESSAGE_H

#include "base/arena.h"
#include "base/text.h"
#include "conf/place.h"

enum {
    TP_CONF_MESSAGES_MAX = 100, /* after as many mistakes the file is something else */
};

struct tp_conf_message {
    struct tp_conf_place place;
    size_t number; /* in order of arrival */
    bool is_warning;
    struct tp_str text;
    struct tp_str hints; /* lines, each ended by '\n' */
};

struct tp_conf_messages {
    struct tp_arena arena;
    struct tp_conf_message rows[TP_CONF_MESSAGES_MAX];
    size_t count;
    size_t error_count; /* the others are warnings */
    bool is_overfull;   /* there was one more, which was not kept */
    bool is_stopped;    /* nothing more need be read */
};

void tp__messages_init(struct tp_conf_messages *messages);
void tp__messages_fini(struct tp_conf_messages *messages);

/* Adds a mistake at `place`.  One too many is not kept, only remembered. */
void tp__messages_add(struct tp_conf_messages *messages, const struct tp_conf_place *place,
                      const char *format, ...) TP_PRINTF(3, 4);
void tp__messages_vadd(struct tp_conf_messages *messages, const struct tp_conf_place *place,
                       const char *format, va_list args) TP_PRINTF(3, 0);

/* Adds something that is no mistake, but may not be meant. */
void tp__messages_vwarn(struct tp_conf_messages *messages, const struct tp_conf_place *place,
                        const char *format, va_list args) TP_PRINTF(3, 0);

/* Adds a line of advice to the mistake that was added last. */
void tp__messages_hint(struct tp_conf_messages *messages, const char *format, ...) TP_PRINTF(2, 3);

/* Appends all of them to `text` in the order of their places. */
void tp__messages_show(struct tp_conf_messages *messages, struct tp_text *text);

#endif
