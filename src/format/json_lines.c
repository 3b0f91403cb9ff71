/*
 * json_lines.c - JSON for people: indented, over several lines of a log.
 *
 * It goes over the bytes from front to back and remembers the kinds of the values that
 * are open, so the beginning of a body can be shown without the rest, numbers keep all
 * their digits, and nothing is allocated.
 *
 * Runs in: worker.
 */
#include "format/json_lines.h"

#include "base/str.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum {
    JSON_INDENT = 2,
    JSON_SHORT_ARRAY_MAX = 60, /* bytes; one without values inside values stays on one line */
    JSON_ESCAPE_LEN = 6,       /* \u007f */
};

/* What may come next. */
enum json_wanted {
    JSON_VALUE,
    JSON_VALUE_OR_END,
    JSON_NAME,
    JSON_NAME_OR_END,
    JSON_COLON,
    JSON_COMMA_OR_END,
    JSON_NOTHING,
};

enum json_outcome {
    JSON_GOES_ON,
    JSON_ENDED, /* shown whole, or as far as there are bytes or room */
    JSON_REFUSED,
};

struct json_lines {
    const char *at;
    const char *end;
    bool goes_on;
    char *next;
    const char *room_end;
    enum json_wanted wanted;
    bool is_short; /* inside an array that stays on one line */
    unsigned depth;
    bool is_object[TP_JSON_LINES_DEPTH_MAX];
};

static enum json_outcome json_step(struct json_lines *lines);
static enum json_outcome json_step_value(struct json_lines *lines, char byte);
static enum json_outcome json_step_name(struct json_lines *lines, char byte);
static enum json_outcome json_step_colon(struct json_lines *lines, char byte);
static enum json_outcome json_step_comma(struct json_lines *lines, char byte);
static enum json_outcome json_open(struct json_lines *lines, bool is_object);
static enum json_outcome json_close(struct json_lines *lines, char byte);
static enum json_outcome json_show_string(struct json_lines *lines);
static enum json_outcome json_show_character(struct json_lines *lines);
static enum json_outcome json_show_scalar(struct json_lines *lines);
static bool json_is_scalar(struct tp_str text, bool is_whole);
static enum json_wanted json_after_value(const struct json_lines *lines);
static bool json_is_short_array(const struct json_lines *lines);
static bool json_put_line_end(struct json_lines *lines);
static bool json_put(struct json_lines *lines, const char *bytes, size_t len);
static bool json_is_space(char byte);
static bool json_is_steering(uint32_t code);

enum tp_result
tp__json_lines_write(struct tp_str json, bool goes_on, char *text, size_t room, size_t *taken)
{
    struct json_lines lines = {
        .at = json.data,
        .end = json.data + json.len,
        .goes_on = goes_on,
        .next = text,
        .room_end = text + room - 1,
        .wanted = JSON_VALUE,
    };
    enum json_outcome outcome;

    do {
        outcome = json_step(&lines);
    } while (outcome == JSON_GOES_ON);
    if (outcome == JSON_REFUSED) {
        lines.next = text;
        lines.at = json.data;
    }
    *lines.next = '\0';
    *taken = (size_t) (lines.at - json.data);
    return outcome == JSON_REFUSED ? TP_INVALID : TP_OK;
}

/* Shows what comes next.  JSON_ENDED leaves lines->at behind the last byte that was shown. */
static enum json_outcome
json_step(struct json_lines *lines)
{
    while (lines->at != lines->end && json_is_space(*lines->at)) {
        lines->at++;
    }
    if (lines->at == lines->end) {
        return lines->goes_on || lines->wanted == JSON_NOTHING ? JSON_ENDED : JSON_REFUSED;
    }
    switch (lines->wanted) {
    case JSON_VALUE:
    case JSON_VALUE_OR_END:
        return json_step_value(lines, *lines->at);
    case JSON_NAME:
    case JSON_NAME_OR_END:
        return json_step_name(lines, *lines->at);
    case JSON_COLON:
        return json_step_colon(lines, *lines->at);
    case JSON_COMMA_OR_END:
        return json_step_comma(lines, *lines->at);
    case JSON_NOTHING:
        break;
    }
    return JSON_REFUSED;
}

static enum json_outcome
json_step_value(struct json_lines *lines, char byte)
{
    if (byte == ']' && lines->wanted == JSON_VALUE_OR_END) {
        return json_close(lines, byte);
    }
    if (lines->wanted == JSON_VALUE_OR_END && !json_put_line_end(lines)) {
        return JSON_ENDED;
    }
    if (byte == '{' || byte == '[') {
        return json_open(lines, byte == '{');
    }
    lines->wanted = json_after_value(lines);
    return byte == '"' ? json_show_string(lines) : json_show_scalar(lines);
}

static enum json_outcome
json_step_name(struct json_lines *lines, char byte)
{
    if (byte == '}' && lines->wanted == JSON_NAME_OR_END) {
        return json_close(lines, byte);
    }
    if (byte != '"') {
        return JSON_REFUSED;
    }
    if (lines->wanted == JSON_NAME_OR_END && !json_put_line_end(lines)) {
        return JSON_ENDED;
    }
    lines->wanted = JSON_COLON;
    return json_show_string(lines);
}

static enum json_outcome
json_step_colon(struct json_lines *lines, char byte)
{
    if (byte != ':') {
        return JSON_REFUSED;
    }
    if (!json_put(lines, ": ", 2)) {
        return JSON_ENDED;
    }
    lines->at++;
    lines->wanted = JSON_VALUE;
    return JSON_GOES_ON;
}

static enum json_outcome
json_step_comma(struct json_lines *lines, char byte)
{
    if (byte != ',') {
        return json_close(lines, byte);
    }
    if (!json_put(lines, ",", 1)) {
        return JSON_ENDED;
    }
    lines->at++;
    lines->wanted = lines->is_object[lines->depth - 1] ? JSON_NAME : JSON_VALUE;
    return json_put_line_end(lines) ? JSON_GOES_ON : JSON_ENDED;
}

static enum json_outcome
json_open(struct json_lines *lines, bool is_object)
{
    if (lines->depth == TP_JSON_LINES_DEPTH_MAX) {
        return JSON_REFUSED;
    }
    if (!json_put(lines, lines->at, 1)) {
        return JSON_ENDED;
    }
    lines->is_short = !is_object && json_is_short_array(lines);
    lines->at++;
    lines->is_object[lines->depth++] = is_object;
    lines->wanted = is_object ? JSON_NAME_OR_END : JSON_VALUE_OR_END;
    return JSON_GOES_ON;
}

static enum json_outcome
json_close(struct json_lines *lines, char byte)
{
    bool is_empty = lines->wanted != JSON_COMMA_OR_END;

    if (lines->depth == 0 || byte != (lines->is_object[lines->depth - 1] ? '}' : ']')) {
        return JSON_REFUSED;
    }
    lines->depth--;
    if ((!is_empty && !lines->is_short && !json_put_line_end(lines))
        || !json_put(lines, &byte, 1)) {
        return JSON_ENDED;
    }
    lines->at++;
    lines->is_short = false;
    lines->wanted = json_after_value(lines);
    return JSON_GOES_ON;
}

static enum json_outcome
json_show_string(struct json_lines *lines)
{
    enum json_outcome outcome = JSON_GOES_ON;

    if (!json_put(lines, "\"", 1)) {
        return JSON_ENDED;
    }
    lines->at++;
    while (outcome == JSON_GOES_ON && lines->at != lines->end && *lines->at != '"') {
        outcome = json_show_character(lines);
    }
    if (outcome != JSON_GOES_ON) {
        return outcome;
    }
    if (lines->at == lines->end) {
        return lines->goes_on ? JSON_ENDED : JSON_REFUSED;
    }
    if (!json_put(lines, "\"", 1)) {
        return JSON_ENDED;
    }
    lines->at++;
    return JSON_GOES_ON;
}

/* One character or escape of a string. */
static enum json_outcome
json_show_character(struct json_lines *lines)
{
    size_t left = (size_t) (lines->end - lines->at);
    struct tp_utf8 character = tp__utf8_read((struct tp_str){ lines->at, left });
    char escape[JSON_ESCAPE_LEN + 1];
    bool has_room;

    if (!character.is_valid) {
        /* The last character of a beginning may be cut. */
        bool is_cut = lines->goes_on && left < TP_UTF8_BYTES_MAX;

        return is_cut ? JSON_ENDED : JSON_REFUSED;
    }
    if (character.code < ' ') {
        return JSON_REFUSED;
    }
    if (character.code == '\\') {
        if (left < 2) {
            return lines->goes_on ? JSON_ENDED : JSON_REFUSED;
        }
        if (strchr("\"\\/bfnrtu", lines->at[1]) == NULL || lines->at[1] == '\0') {
            return JSON_REFUSED;
        }
        character.len = 2;
    }
    if (json_is_steering(character.code)) {
        snprintf(escape, sizeof(escape), "\\u%04x", (unsigned) character.code & 0xffff);
        has_room = json_put(lines, escape, JSON_ESCAPE_LEN);
    } else {
        has_room = json_put(lines, lines->at, character.len);
    }
    if (!has_room) {
        return JSON_ENDED;
    }
    lines->at += character.len;
    return JSON_GOES_ON;
}

static enum json_outcome
json_show_scalar(struct json_lines *lines)
{
    struct tp_str scalar = { lines->at, 0 };

    while (lines->at + scalar.len != lines->end && !json_is_space(lines->at[scalar.len])
           && strchr(",:]}[{\"", lines->at[scalar.len]) == NULL) {
        scalar.len++;
    }
    bool is_cut = lines->goes_on && lines->at + scalar.len == lines->end;

    if (!json_is_scalar(scalar, !is_cut)) {
        return JSON_REFUSED;
    }
    if (!json_put(lines, scalar.data, scalar.len)) {
        return JSON_ENDED;
    }
    lines->at += scalar.len;
    return JSON_GOES_ON;
}

/* A word of JSON, its beginning unless `is_whole`, or what looks like a number. */
static bool
json_is_scalar(struct tp_str text, bool is_whole)
{
    static const char *const words[] = { "true", "false", "null" };

    for (size_t i = 0; i < TP_COUNT_OF(words); i++) {
        struct tp_str word = tp__str(words[i]);

        if (is_whole ? tp__str_equal(text, word) : tp__str_starts_with(word, text)) {
            return true;
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        bool is_digit = byte >= '0' && byte <= '9';
        bool is_sign = byte == '-' || (i > 0 && strchr("+.eE", byte) != NULL && byte != '\0');

        if (!is_digit && !is_sign) {
            return false;
        }
    }
    return text.len > 0;
}

static enum json_wanted
json_after_value(const struct json_lines *lines)
{
    return lines->depth == 0 ? JSON_NOTHING : JSON_COMMA_OR_END;
}

/* Whether the array that begins here is short, and its values have none inside them. */
static bool
json_is_short_array(const struct json_lines *lines)
{
    bool is_in_string = false;
    size_t len_max = (size_t) (lines->end - lines->at);

    len_max = len_max < JSON_SHORT_ARRAY_MAX ? len_max : JSON_SHORT_ARRAY_MAX;
    for (size_t i = 1; i < len_max; i++) {
        char byte = lines->at[i];

        if (is_in_string && byte == '\\') {
            i++;
        } else if (byte == '"') {
            is_in_string = !is_in_string;
        } else if (!is_in_string && byte == ']') {
            return true;
        } else if (!is_in_string && (byte == '[' || byte == '{')) {
            return false;
        }
    }
    return false;
}

/* Before a value or a closing bracket; inside a short array that is a space, or nothing. */
static bool
json_put_line_end(struct json_lines *lines)
{
    char line_end[1 + TP_JSON_LINES_MARGIN + TP_JSON_LINES_DEPTH_MAX * JSON_INDENT];

    if (lines->is_short) {
        return lines->wanted == JSON_VALUE_OR_END || json_put(lines, " ", 1);
    }
    memset(line_end, ' ', sizeof(line_end));
    line_end[0] = '\n';
    return json_put(lines, line_end,
                    1 + TP_JSON_LINES_MARGIN + (size_t) lines->depth * JSON_INDENT);
}

/* All of it or, where there is no room, nothing. */
static bool
json_put(struct json_lines *lines, const char *bytes, size_t len)
{
    if ((size_t) (lines->room_end - lines->next) < len) {
        return false;
    }
    memcpy(lines->next, bytes, len);
    lines->next += len;
    return true;
}

static bool
json_is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Controls, and characters that end a line or turn its direction. */
static bool
json_is_steering(uint32_t code)
{
    return (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f
           || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}
