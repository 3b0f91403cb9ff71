/*
 * client_json.c - what the client makes of bodies, against any bytes.
 *
 * However the bytes are cut, the same is printed, and nothing that a terminal would obey.  What
 * is JSON stays what it was but for white space, and can be gone through value by value; what
 * is none loses nothing else.  The first byte says how the bytes are cut.
 *
 * Read next: src/cli/json_print.c, json_read.c, terminal.c.
 */
#include "cli/json_print.h"
#include "cli/json_read.h"

#include <stdlib.h>
#include <string.h>

enum {
    FUZZ_TEXT_MAX = 64, /* of an unquoted text: shorter than many, so that the bound is met */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tp_str fuzz_print(struct tp_str json, size_t piece, bool escapes);
static void fuzz_check_same_values(struct tp_str json, struct tp_str printed, bool is_json);
static size_t fuzz_next_solid(struct tp_str text, size_t at, bool *is_in_text);
static void fuzz_check_harmless(struct tp_str printed);
static void fuzz_walk(struct tp_str value, unsigned depth);
static void fuzz_write(struct tp_str json);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct tp_str json = { (const char *) data + 1, size - 1 };
    bool is_json = tp__json_is_valid(json);
    struct tp_str whole = fuzz_print(json, json.len + 1, false);
    struct tp_str pieces = fuzz_print(json, 1U + data[0] % 16, false);
    struct tp_str shown = fuzz_print(json, 1U + data[0] % 16, true);

    TP_ASSERT(whole.len == pieces.len && memcmp(whole.data, pieces.data, whole.len) == 0);
    fuzz_check_same_values(json, whole, is_json);
    fuzz_check_harmless(shown);
    if (is_json) {
        TP_ASSERT(tp__json_is_valid(whole));
        fuzz_walk(json, 0);
    }
    fuzz_write(json);
    free((void *) (uintptr_t) whole.data);
    free((void *) (uintptr_t) pieces.data);
    free((void *) (uintptr_t) shown.data);
    return 0;
}

static struct tp_str
fuzz_print(struct tp_str json, size_t piece, bool escapes)
{
    struct tp_json_printer printer;
    char *text = NULL;
    size_t len = 0;
    struct tp_screen screen = { .file = open_memstream(&text, &len), .escapes = escapes };

    TP_ASSERT(screen.file != NULL);
    tp__json_printer_init(&printer, &screen);
    for (size_t at = 0; at < json.len; at += piece) {
        size_t count = json.len - at < piece ? json.len - at : piece;

        tp__json_printer_feed(&printer, (struct tp_str){ json.data + at, count });
    }
    tp__json_printer_end(&printer);
    fclose(screen.file);
    return (struct tp_str){ text, len };
}

/* Byte by byte the same, white space aside; in texts of JSON it counts. */
static void
fuzz_check_same_values(struct tp_str json, struct tp_str printed, bool is_json)
{
    bool is_in_text = false;
    bool was_in_text = false;
    size_t left = 0;
    size_t right = 0;

    do {
        left = fuzz_next_solid(json, left, is_json ? &is_in_text : NULL);
        right = fuzz_next_solid(printed, right, is_json ? &was_in_text : NULL);
        TP_ASSERT((left < json.len) == (right < printed.len));
        TP_ASSERT(left >= json.len || json.data[left] == printed.data[right]);
        left++;
        right++;
    } while (left <= json.len);
}

/* The place of the next byte that is no white space, or stands in a text. */
static size_t
fuzz_next_solid(struct tp_str text, size_t at, bool *is_in_text)
{
    while (at < text.len) {
        if (is_in_text != NULL && text.data[at] == '"') {
            size_t slashes = 0;

            while (slashes < at && text.data[at - 1 - slashes] == '\\') {
                slashes++;
            }
            *is_in_text = slashes % 2 == 0 ? !*is_in_text : *is_in_text;
            return at;
        }
        bool is_space = memchr(" \t\n\r", text.data[at], 4) != NULL;

        if (!is_space || (is_in_text != NULL && *is_in_text)) {
            return at;
        }
        at++;
    }
    return at;
}

static void
fuzz_check_harmless(struct tp_str printed)
{
    TP_ASSERT(tp__json_is_utf8(printed));
    for (size_t i = 0; i < printed.len; i++) {
        uint8_t byte = (uint8_t) printed.data[i];

        TP_ASSERT(byte >= 0x20 || byte == '\n' || byte == '\t');
        TP_ASSERT(byte != 0x7f);
    }
}

static void
fuzz_walk(struct tp_str value, unsigned depth)
{
    struct tp_json_cursor cursor;
    struct tp_str name, member;
    char text[FUZZ_TEXT_MAX];

    TP_ASSERT(depth <= TP_JSON_DEPTH_MAX);
    if (tp__json_is_text(value)) {
        TP_ASSERT(strlen(tp__json_unquote(value, text, sizeof(text))) < sizeof(text));
        return;
    }
    if (!tp__json_enter(&cursor, value)) {
        return;
    }
    while (tp__json_next(&cursor, &name, &member)) {
        TP_ASSERT(tp__json_is_valid(member));
        TP_ASSERT(cursor.is_object == (name.len >= 2));
        /* Deep ones would be looked through once for each level. */
        if (depth < 8) {
            fuzz_walk(member, depth + 1);
        }
    }
}

/* Whatever bytes become a text, it is JSON. */
static void
fuzz_write(struct tp_str json)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);

    TP_ASSERT(file != NULL);
    fputc('[', file);
    tp__json_write_text(file, json);
    fputc(',', file);
    tp__json_write_base64(file, json);
    fputc(']', file);
    fclose(file);
    TP_ASSERT(tp__json_is_valid((struct tp_str){ text, len }));
    free(text);
}
