/*
 * json_read.c - the tree of a text that json_check() has passed.
 *
 * The tree is cJSON's, and whatever takes thought is left to cJSON: fractions, and strings
 * with escapes.  Of each number it asks strtod() and the locale, though, which costs more
 * than all the rest; most numbers are whole and short, most strings mean what they say,
 * and those are read here.
 *
 * Runs in: worker.  Read next: json_check.c.
 */
#include "json.h"

#include <teleport/json.h>

/* The text is good, so nothing is looked at twice: it ends where its value ends. */
struct json_reader {
    const char *at;
    const char *end;
};

/* They return NULL when memory is out. */
static cJSON *json_read_value(struct json_reader *reader);
static cJSON *json_read_container(struct json_reader *reader);
static bool json_take_closing(struct json_reader *reader);
static cJSON *json_read_member(struct json_reader *reader);
static cJSON *json_read_string(struct json_reader *reader);
static char *json_read_text(struct json_reader *reader);
static char *json_unescape(struct tp_str quoted);
static char *json_copy(struct tp_str text);
static cJSON *json_read_number(struct json_reader *reader);
static double json_short_integer(struct tp_str digits);
static cJSON *json_read_true(struct json_reader *reader);
static cJSON *json_take_word(struct json_reader *reader, size_t len, cJSON *value);
static void json_skip_space(struct json_reader *reader);

cJSON *
json_read(struct tp_str text)
{
    struct json_reader reader = { text.data, text.data + text.len };

    return json_read_value(&reader);
}

static cJSON *
json_read_value(struct json_reader *reader)
{
    json_skip_space(reader);
    switch (*reader->at) {
    case '{':
    case '[':
        return json_read_container(reader);
    case '"':
        return json_read_string(reader);
    case 't':
        return json_read_true(reader);
    case 'f':
        return json_take_word(reader, strlen("false"), cJSON_CreateFalse());
    case 'n':
        return json_take_word(reader, strlen("null"), cJSON_CreateNull());
    default:
        return json_read_number(reader);
    }
}

static cJSON *
json_read_container(struct json_reader *reader)
{
    bool is_object = *reader->at == '{';
    cJSON *container = is_object ? cJSON_CreateObject() : cJSON_CreateArray();

    reader->at++;
    while (container != NULL && !json_take_closing(reader)) {
        cJSON *value = is_object ? json_read_member(reader) : json_read_value(reader);

        if (value == NULL) {
            cJSON_Delete(container);
            return NULL;
        }
        /* For a member of an object, too: it brings its name. */
        cJSON_AddItemToArray(container, value);
    }
    return container;
}

/* Passes a bracket that closes, or the comma in front of the next value. */
static bool
json_take_closing(struct json_reader *reader)
{
    json_skip_space(reader);
    if (*reader->at == ']' || *reader->at == '}') {
        reader->at++;
        return true;
    }
    if (*reader->at == ',') {
        reader->at++;
    }
    return false;
}

static cJSON *
json_read_member(struct json_reader *reader)
{
    json_skip_space(reader);
    char *name = json_read_text(reader);

    if (name == NULL) {
        return NULL;
    }
    json_skip_space(reader);
    reader->at++; /* the colon */
    cJSON *value = json_read_value(reader);

    if (value == NULL) {
        cJSON_free(name);
        return NULL;
    }
    value->string = name;
    return value;
}

static cJSON *
json_read_string(struct json_reader *reader)
{
    cJSON *string = cJSON_CreateNull();

    if (string == NULL) {
        return NULL;
    }
    string->type = cJSON_String;
    string->valuestring = json_read_text(reader);
    if (string->valuestring == NULL) {
        cJSON_Delete(string);
        return NULL;
    }
    return string;
}

/* What the string means, terminated, in memory of cJSON's. */
static char *
json_read_text(struct json_reader *reader)
{
    const char *begin = reader->at++;
    bool has_escapes = false;

    while (*reader->at != '"') {
        if (*reader->at == '\\') {
            has_escapes = true;
            reader->at++;
        }
        reader->at++;
    }
    reader->at++;
    struct tp_str quoted = { begin, (size_t) (reader->at - begin) };

    return has_escapes ? json_unescape(quoted)
                       : json_copy((struct tp_str){ quoted.data + 1, quoted.len - 2 });
}

static char *
json_unescape(struct tp_str quoted)
{
    cJSON *string = cJSON_ParseWithLength(quoted.data, quoted.len);

    if (string == NULL) {
        return NULL;
    }
    char *text = string->valuestring;

    string->valuestring = NULL;
    cJSON_Delete(string);
    return text;
}

static char *
json_copy(struct tp_str text)
{
    char *copy = cJSON_malloc(text.len + 1);

    if (copy != NULL) {
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

/* A long whole number keeps its digits, see teleport/json.h. */
static cJSON *
json_read_number(struct json_reader *reader)
{
    struct tp_str text = { reader->at, (size_t) (reader->end - reader->at) };
    bool is_integer;

    text.len = json_number_len(text, &is_integer);
    reader->at += text.len;
    if (is_integer && text.len <= TP_JSON_EXACT_DIGITS) {
        return cJSON_CreateNumber(json_short_integer(text));
    }
    cJSON *number = cJSON_ParseWithLength(text.data, text.len);

    if (number != NULL && is_integer) {
        number->valuestring = json_copy(text);
        if (number->valuestring == NULL) {
            cJSON_Delete(number);
            return NULL;
        }
    }
    return number;
}

/* As a double, which knows a zero with a minus. */
static double
json_short_integer(struct tp_str digits)
{
    bool is_negative = digits.data[0] == '-';
    int64_t magnitude = 0;

    for (size_t i = is_negative ? 1 : 0; i < digits.len; i++) {
        magnitude = 10 * magnitude + (digits.data[i] - '0');
    }
    return is_negative ? -(double) magnitude : (double) magnitude;
}

/* As cJSON reads it: it has the value 1, too. */
static cJSON *
json_read_true(struct json_reader *reader)
{
    cJSON *value = json_take_word(reader, strlen("true"), cJSON_CreateTrue());

    if (value != NULL) {
        value->valueint = 1;
    }
    return value;
}

static cJSON *
json_take_word(struct json_reader *reader, size_t len, cJSON *value)
{
    reader->at += len;
    return value;
}

static void
json_skip_space(struct json_reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\r'
           || *reader->at == '\t') {
        reader->at++;
    }
}
