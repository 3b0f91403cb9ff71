/*
 * json_print.c - a small machine that reads JSON by the byte and writes it over lines.
 *
 * It keeps one bit for each level of nesting and nothing else, so a body of any size costs
 * the same.  What it does not understand it does not touch.
 */
#include "cli/json_print.h"

#include <string.h>

enum {
    /* Deeper levels stand below each other, so that no body grows a thousandfold. */
    PRINTER_INDENT_MAX = 64,
};

enum printer_state {
    AT_VALUE,
    AT_VALUE_OR_END, /* behind [ */
    AT_NAME_OR_END,  /* behind { */
    AT_NAME,
    AT_COLON,
    AT_COMMA_OR_END,
    AT_NEXT,     /* behind a whole value: another may follow */
    AT_ANYTHING, /* this was no JSON */
};

enum printer_scalar {
    IN_NOTHING,
    IN_NAME,
    IN_TEXT,
    IN_ESCAPE,      /* behind \ in a text */
    IN_NAME_ESCAPE, /* behind \ in a name */
    IN_NUMBER,
    IN_WORD,
};

static void take_byte(struct tp_json_printer *printer, char byte);
static bool take_scalar_byte(struct tp_json_printer *printer, char byte);
static void take_text_byte(struct tp_json_printer *printer, char byte);
static void take_outside(struct tp_json_printer *printer, char byte);
static bool begin_value(struct tp_json_printer *printer, char byte);
static void begin_scalar(struct tp_json_printer *printer, enum printer_scalar scalar,
                         enum tp_color color, char byte);
static void end_scalar(struct tp_json_printer *printer);
static bool open_level(struct tp_json_printer *printer, char byte);
static bool close_level(struct tp_json_printer *printer, char byte);
static bool is_in_object(const struct tp_json_printer *printer);
static void after_value(struct tp_json_printer *printer);
static void new_line(struct tp_json_printer *printer);
static void put(struct tp_json_printer *printer, char byte);
static void give_up(struct tp_json_printer *printer, char byte);

void
tp__json_printer_init(struct tp_json_printer *printer, struct tp_screen *output)
{
    *printer = (struct tp_json_printer){ .output = output, .state = AT_VALUE };
}

void
tp__json_printer_feed(struct tp_json_printer *printer, struct tp_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (printer->state == AT_ANYTHING) {
            tp__screen_write(printer->output, (struct tp_str){ bytes.data + i, bytes.len - i });
            return;
        }
        take_byte(printer, bytes.data[i]);
    }
}

void
tp__json_printer_end(struct tp_json_printer *printer)
{
    if (printer->scalar != IN_NOTHING) {
        end_scalar(printer);
    }
    tp__screen_end(printer->output);
    if (printer->has_printed) {
        fputc('\n', printer->output->file);
    }
}

static void
take_byte(struct tp_json_printer *printer, char byte)
{
    if (printer->scalar != IN_NOTHING && take_scalar_byte(printer, byte)) {
        return;
    }
    take_outside(printer, byte);
}

/* Returns false when the byte stands behind the number or word. */
static bool
take_scalar_byte(struct tp_json_printer *printer, char byte)
{
    switch (printer->scalar) {
    case IN_NUMBER:
        if (byte != '\0' && strchr("+-.0123456789eE", byte) != NULL) {
            put(printer, byte);
            return true;
        }
        end_scalar(printer);
        return false;
    case IN_WORD:
        if (byte == *printer->word && byte != '\0') {
            printer->word++;
            put(printer, byte);
            return true;
        }
        if (*printer->word != '\0') {
            give_up(printer, byte);
            return true;
        }
        end_scalar(printer);
        return false;
    default:
        take_text_byte(printer, byte);
        return true;
    }
}

static void
take_text_byte(struct tp_json_printer *printer, char byte)
{
    if ((uint8_t) byte < 0x20) {
        give_up(printer, byte);
        return;
    }
    put(printer, byte);
    switch (printer->scalar) {
    case IN_ESCAPE:
        printer->scalar = IN_TEXT;
        return;
    case IN_NAME_ESCAPE:
        printer->scalar = IN_NAME;
        return;
    default:
        break;
    }
    if (byte == '\\') {
        printer->scalar = printer->scalar == IN_NAME ? IN_NAME_ESCAPE : IN_ESCAPE;
    } else if (byte == '"') {
        end_scalar(printer);
    }
}

static void
take_outside(struct tp_json_printer *printer, char byte)
{
    bool is_taken = false;

    if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
        return;
    }
    switch (printer->state) {
    case AT_NEXT:
        new_line(printer);
        is_taken = begin_value(printer, byte);
        break;
    case AT_VALUE:
    case AT_VALUE_OR_END:
        is_taken = (printer->state == AT_VALUE_OR_END && close_level(printer, byte))
                   || begin_value(printer, byte);
        break;
    case AT_NAME:
    case AT_NAME_OR_END:
        is_taken = printer->state == AT_NAME_OR_END && close_level(printer, byte);
        if (!is_taken && byte == '"') {
            new_line(printer);
            begin_scalar(printer, IN_NAME, TP_COLOR_NAME, byte);
            is_taken = true;
        }
        break;
    case AT_COLON:
        if (byte == ':') {
            put(printer, ':');
            put(printer, ' ');
            printer->state = AT_VALUE;
            is_taken = true;
        }
        break;
    case AT_COMMA_OR_END:
        is_taken = close_level(printer, byte);
        if (!is_taken && byte == ',') {
            put(printer, byte);
            printer->state = is_in_object(printer) ? AT_NAME : AT_VALUE;
            is_taken = true;
        }
        break;
    default:
        break;
    }
    if (!is_taken) {
        give_up(printer, byte);
    }
}

static bool
begin_value(struct tp_json_printer *printer, char byte)
{
    static const char *const words[] = { "true", "false", "null" };

    if (printer->depth > 0 && !is_in_object(printer)) {
        new_line(printer);
    }
    if (byte == '{' || byte == '[') {
        return open_level(printer, byte);
    }
    if (byte == '"') {
        begin_scalar(printer, IN_TEXT, TP_COLOR_TEXT, byte);
        return true;
    }
    if (byte == '-' || (byte >= '0' && byte <= '9')) {
        begin_scalar(printer, IN_NUMBER, TP_COLOR_NUMBER, byte);
        return true;
    }
    for (size_t i = 0; i < TP_COUNT_OF(words); i++) {
        if (byte == words[i][0]) {
            printer->word = words[i] + 1;
            begin_scalar(printer, IN_WORD, TP_COLOR_WORD, byte);
            return true;
        }
    }
    return false;
}

static void
begin_scalar(struct tp_json_printer *printer, enum printer_scalar scalar, enum tp_color color,
             char byte)
{
    tp__screen_color(printer->output, color);
    put(printer, byte);
    printer->scalar = (uint8_t) scalar;
}

static void
end_scalar(struct tp_json_printer *printer)
{
    bool was_name = printer->scalar == IN_NAME;

    printer->scalar = IN_NOTHING;
    tp__screen_color(printer->output, TP_COLOR_NONE);
    if (was_name) {
        printer->state = AT_COLON;
    } else {
        after_value(printer);
    }
}

static bool
open_level(struct tp_json_printer *printer, char byte)
{
    unsigned depth = printer->depth;

    if (depth == TP_JSON_DEPTH_MAX) {
        return false;
    }
    put(printer, byte);
    printer->is_object[depth / 8] &= (uint8_t) ~(1U << depth % 8);
    printer->is_object[depth / 8] |= (uint8_t) ((byte == '{') << depth % 8);
    printer->depth++;
    printer->state = byte == '{' ? AT_NAME_OR_END : AT_VALUE_OR_END;
    return true;
}

static bool
close_level(struct tp_json_printer *printer, char byte)
{
    bool is_empty = printer->state == AT_VALUE_OR_END || printer->state == AT_NAME_OR_END;

    if (printer->depth == 0 || byte != (is_in_object(printer) ? '}' : ']')) {
        return false;
    }
    printer->depth--;
    if (!is_empty) {
        new_line(printer);
    }
    put(printer, byte);
    after_value(printer);
    return true;
}

static bool
is_in_object(const struct tp_json_printer *printer)
{
    unsigned level = printer->depth - 1;

    return printer->depth > 0 && (printer->is_object[level / 8] >> level % 8 & 1) != 0;
}

static void
after_value(struct tp_json_printer *printer)
{
    printer->state = printer->depth > 0 ? AT_COMMA_OR_END : AT_NEXT;
}

static void
new_line(struct tp_json_printer *printer)
{
    unsigned indent = 2 * printer->depth;

    fprintf(printer->output->file, "\n%*s",
            (int) (indent < PRINTER_INDENT_MAX ? indent : PRINTER_INDENT_MAX), "");
}

static void
put(struct tp_json_printer *printer, char byte)
{
    printer->has_printed = true;
    tp__screen_write(printer->output, (struct tp_str){ &byte, 1 });
}

static void
give_up(struct tp_json_printer *printer, char byte)
{
    if (printer->scalar != IN_NOTHING) {
        tp__screen_color(printer->output, TP_COLOR_NONE);
        printer->scalar = IN_NOTHING;
    }
    printer->state = AT_ANYTHING;
    put(printer, byte);
}
