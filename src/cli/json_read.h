/*
 * cli/json_read.h - finds values in JSON without making anything of it, and writes texts.
 *
 * A value is a slice of the text it stands in.
 */
#ifndef TP_CLI_JSON_READ_H
#define TP_CLI_JSON_READ_H

#include <teleport/base.h>

#include <stdio.h>

/* True when all of `text` is one value, nested less than 512 deep, and valid UTF-8. */
bool tp__json_is_valid(struct tp_str text);

/* Goes through the elements of a valid array, or the members of a valid object. */
struct tp_json_cursor {
    struct tp_str rest;
    bool is_object;
};

/* False when `value` is neither an array nor an object. */
bool tp__json_enter(struct tp_json_cursor *cursor, struct tp_str value);

/* The next one, and the name of a member in its quotes; false when there is none. */
bool tp__json_next(struct tp_json_cursor *cursor, struct tp_str *name, struct tp_str *value);

/* The member of that name; false when there is none, or `object` is no object. */
bool tp__json_find(struct tp_str object, const char *name, struct tp_str *value);

/* True when the value is a text in quotes. */
static inline bool
tp__json_is_text(struct tp_str value)
{
    return value.len >= 2 && value.data[0] == '"';
}

/* What the text in quotes says, at most `size` - 1 bytes of it, terminated; returns `text`. */
char *tp__json_unquote(struct tp_str value, char *text, size_t size);

/* True when it is valid UTF-8. */
bool tp__json_is_utf8(struct tp_str text);

/* Writes a text in quotes; what is not UTF-8 becomes U+FFFD. */
void tp__json_write_text(FILE *file, struct tp_str text);

/* Writes a valid value on one line. */
void tp__json_write_value(FILE *file, struct tp_str value);

/* Writes bytes in base 64, in quotes. */
void tp__json_write_base64(FILE *file, struct tp_str bytes);

#endif
