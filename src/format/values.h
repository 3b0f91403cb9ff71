/*
 * format/values.h - how values are written into lines of logs and other texts.
 *
 * Each exchange may cost a line of an access log, so they are written by hand where printf() would
 * cost more than all the rest of the exchange.  What writes returns the place behind it.  Short parts
 * are copied with what lies behind them, which is written over: there is room for that.
 *
 * Read next: session/variables.c.
 */
#ifndef TP_FORMAT_VALUES_H
#define TP_FORMAT_VALUES_H

#include <teleport/base.h>

#include <string.h>

enum {
    TP_VALUE_WORD_BYTES = 8, /* bytes looked at, or copied, together */
};

/*
 * Where values are written to.  The writer of a template sees to it that there is room for
 * its literals, TP_VARIABLE_BYTES_MAX for each variable, and text_room besides.
 */
struct tp_value_writer {
    char *next;
    size_t text_room; /* for texts from outside; what is longer is cut */
    bool is_log;      /* nothing may forge a line: bytes are escaped, and no value is "-" */
};

/* Writes `text`, escaped and cut as the writer wants it. */
void tp__value_write_text(struct tp_value_writer *writer, struct tp_str text);

/* The same for a uri; in a log, without what it says to be let in. */
void tp__value_write_uri(struct tp_value_writer *writer, struct tp_str uri);

/* The same at `next`. */
char *tp__write_text(struct tp_value_writer *writer, char *next, struct tp_str text);
char *tp__write_uri(struct tp_value_writer *writer, char *next, struct tp_str uri);

/* The same for a text whose bytes are written as %XX, and are to be what they mean. */
char *tp__write_unescaped(struct tp_value_writer *writer, char *next, struct tp_str text);

/* As they are; there is room. */
char *tp__write_bytes(char *next, struct tp_str bytes);
char *tp__write_signed(char *next, int64_t number);
char *tp__write_large_number(char *next, uint64_t number);

/* "0.000123" */
char *tp__write_duration(char *next, int64_t duration_us);

/* A number below 1000: three digits, of which the first ones may be zeros. */
struct tp_number_text {
    char digits[3];
    uint8_t zeros;
};

/* With one more behind the last: four bytes are copied, wherever a number's digits begin. */
extern const struct tp_number_text tp__number_texts[];

/* Most are short: they are copied with what lies behind them, see struct tp_template_part. */
static inline char *
tp__write_literal(char *next, struct tp_str text)
{
    memcpy(next, text.data, TP_VALUE_WORD_BYTES);
    if (text.len > TP_VALUE_WORD_BYTES) {
        memcpy(next, text.data, text.len);
    }
    return next + text.len;
}

/* A number below 1000; what is copied from behind its digits is written over. */
static inline char *
tp__write_small_number(char *next, uint32_t number)
{
    const struct tp_number_text *text = &tp__number_texts[number];

    memcpy(next, (const char *) text + text->zeros, sizeof(*text));
    return next + sizeof(text->digits) - text->zeros;
}

/* Three digits at a time: most numbers have no more. */
static inline char *
tp__write_number(char *next, uint64_t number)
{
    return number < 1000 ? tp__write_small_number(next, (uint32_t) number)
                         : tp__write_large_number(next, number);
}

#endif
