/*
 * text.c - a text that grows.
 */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_CAPACITY_MIN = 128,
};

static bool text_reserve(struct tp_text *text, size_t more);

void
tp__text_fini(struct tp_text *text)
{
    free(text->data);
    *text = (struct tp_text){ 0 };
}

void
tp__text_clear(struct tp_text *text)
{
    text->len = 0;
    text->is_cut = false;
    if (text->data != NULL) {
        text->data[0] = '\0';
    }
}

void
tp__text_append(struct tp_text *text, struct tp_str more)
{
    if (more.len == 0 || !text_reserve(text, more.len)) {
        return;
    }
    memcpy(text->data + text->len, more.data, more.len);
    text->len += more.len;
    text->data[text->len] = '\0';
}

void
tp__text_printf(struct tp_text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tp__text_vprintf(text, format, args);
    va_end(args);
}

void
tp__text_vprintf(struct tp_text *text, const char *format, va_list args)
{
    va_list args_again;

    va_copy(args_again, args);
    int len = vsnprintf(NULL, 0, format, args_again);
    va_end(args_again);
    TP_ASSERT(len >= 0);
    if (!text_reserve(text, (size_t) len)) {
        return;
    }
    vsnprintf(text->data + text->len, (size_t) len + 1, format, args);
    text->len += (size_t) len;
}

struct tp_str
tp__text_get(const struct tp_text *text)
{
    return text->data == NULL ? TP_STR("") : (struct tp_str){ text->data, text->len };
}

/* Makes room for `more` bytes and a terminator. */
static bool
text_reserve(struct tp_text *text, size_t more)
{
    /* With half the address space as the bound, doubling below cannot overflow. */
    if (text->is_cut || more >= SIZE_MAX / 2 - text->len) {
        text->is_cut = true;
        return false;
    }
    size_t needed = text->len + more + 1;

    if (needed <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity == 0 ? TEXT_CAPACITY_MIN : text->capacity;

    while (capacity < needed) {
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);

    if (data == NULL) {
        text->is_cut = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}
