/*
 * base/text.h - a text that grows: messages, manuals, answers.
 *
 * Running out of memory is remembered instead of reported by each call: append
 * freely, then ask tp__text_is_whole() once.
 */
#ifndef TP_BASE_TEXT_H
#define TP_BASE_TEXT_H

#include <teleport/base.h>

#include <stdarg.h>

struct tp_text {
    char *data; /* terminated; NULL while empty */
    size_t len;
    size_t capacity;
    bool is_cut; /* memory ran out: the end is missing */
};

/* An empty text is all zeros: struct tp_text text = { 0 }; */
void tp__text_fini(struct tp_text *text);

/* Forgets the content and keeps the memory. */
void tp__text_clear(struct tp_text *text);

void tp__text_append(struct tp_text *text, struct tp_str more);
void tp__text_printf(struct tp_text *text, const char *format, ...) TP_PRINTF(2, 3);
void tp__text_vprintf(struct tp_text *text, const char *format, va_list args) TP_PRINTF(2, 0);

/* The text as a slice: borrowed until the next append; terminated, never NULL. */
struct tp_str tp__text_get(const struct tp_text *text);

/* False when memory ran out while appending. */
static inline bool
tp__text_is_whole(const struct tp_text *text)
{
    return !text->is_cut;
}

#endif
