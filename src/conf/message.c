/*
 * message.c - shows mistakes with their source lines.
 *
 * The line is copied as it stands, so that a caret put under it at the same
 * width points at the right character: tabs stay tabs, wide characters count
 * two, what a terminal would not show is replaced by '?'.  Of a very long line
 * only the part around the mistake is shown.
 *
 * Runs in: whichever process loads a configuration.  Owns: the collected texts.
 * Read next: lexer.c, where places come from.
 */
#include "conf/message.h"

#include "base/str.h"
#include "base/utf8.h"

#include <stdlib.h>

enum {
    MESSAGE_ARENA_CHUNK_BYTES = 4096,
    MESSAGE_LINE_BYTES_MAX = 160, /* of a source line, shown */
    MESSAGE_LEAD_BYTES = 60,      /* of them before the mistake, when the line is cut */
};

/* The part of a source line that is shown. */
struct message_line {
    struct tp_str text;
    size_t mark_at; /* where in `text` the caret begins */
    size_t mark_len;
    bool is_cut_before;
    bool is_cut_behind;
};

static void messages_keep(struct tp_conf_messages *messages, const struct tp_conf_place *place,
                          const char *format, va_list args) TP_PRINTF(3, 0);
static int message_compare(const void *left, const void *right);
static bool message_is_repeated(const struct tp_conf_messages *messages, size_t index);
static void message_show(const struct tp_conf_message *message, struct tp_text *text);
static void message_show_line(const struct tp_conf_place *place, struct tp_text *text);
static struct message_line message_find_line(const struct tp_conf_place *place);
static void message_cut_line(struct message_line *line);
static size_t message_character_start(struct tp_str text, size_t at);
static void message_show_text(const struct message_line *line, struct tp_text *text);
static void message_show_caret(const struct message_line *line, struct tp_text *text);
static void message_append_times(struct tp_text *text, const char *piece, unsigned times);

void
tp__messages_init(struct tp_conf_messages *messages)
{
    messages->count = 0;
    messages->error_count = 0;
    messages->is_overfull = false;
    messages->is_stopped = false;
    tp__arena_init(&messages->arena, MESSAGE_ARENA_CHUNK_BYTES);
}

void
tp__messages_fini(struct tp_conf_messages *messages)
{
    tp__arena_fini(&messages->arena);
}

void
tp__messages_add(struct tp_conf_messages *messages, const struct tp_conf_place *place,
                 const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tp__messages_vadd(messages, place, format, args);
    va_end(args);
}

void
tp__messages_vadd(struct tp_conf_messages *messages, const struct tp_conf_place *place,
                  const char *format, va_list args)
{
    messages_keep(messages, place, format, args);
    messages->error_count++;
}

void
tp__messages_vwarn(struct tp_conf_messages *messages, const struct tp_conf_place *place,
                   const char *format, va_list args)
{
    size_t count = messages->count;

    messages_keep(messages, place, format, args);
    if (messages->count > count) {
        messages->rows[count].is_warning = true;
    }
}

static void
messages_keep(struct tp_conf_messages *messages, const struct tp_conf_place *place,
              const char *format, va_list args)
{
    if (messages->count == TP_CONF_MESSAGES_MAX) {
        messages->is_overfull = true;
        messages->is_stopped = true;
        return;
    }
    messages->rows[messages->count] = (struct tp_conf_message){
        .place = *place,
        .number = messages->count,
        .text = tp__arena_vformat(&messages->arena, format, args),
    };
    messages->count++;
}

void
tp__messages_hint(struct tp_conf_messages *messages, const char *format, ...)
{
    va_list args;

    if (messages->count == 0 || messages->is_overfull) {
        return;
    }
    struct tp_conf_message *message = &messages->rows[messages->count - 1];

    va_start(args, format);
    struct tp_str hint = tp__arena_vformat(&messages->arena, format, args);
    va_end(args);
    message->hints = tp__arena_format(&messages->arena, "%.*s        %s\n",
                                      TP_STR_ARG(message->hints), hint.data);
}

void
tp__messages_show(struct tp_conf_messages *messages, struct tp_text *text)
{
    qsort(messages->rows, messages->count, sizeof(messages->rows[0]), message_compare);
    for (size_t i = 0; i < messages->count; i++) {
        if (!message_is_repeated(messages, i)) {
            message_show(&messages->rows[i], text);
        }
    }
    if (messages->is_overfull) {
        tp__text_printf(text, "too many errors; the first %d are shown\n", TP_CONF_MESSAGES_MAX);
    }
}

/* Messages about one place keep the order in which they were found. */
static int
message_compare(const void *left, const void *right)
{
    const struct tp_conf_message *first = left;
    const struct tp_conf_message *second = right;

    if (first->place.order != second->place.order) {
        return first->place.order < second->place.order ? -1 : 1;
    }
    if (first->place.offset != second->place.offset) {
        return first->place.offset < second->place.offset ? -1 : 1;
    }
    return first->number < second->number ? -1 : 1;
}

/* A module checks every block, so it finds a mistake again wherever it is inherited. */
static bool
message_is_repeated(const struct tp_conf_messages *messages, size_t index)
{
    const struct tp_conf_message *message = &messages->rows[index];

    for (size_t i = index; i-- > 0;) {
        const struct tp_conf_message *before = &messages->rows[i];

        if (before->place.order != message->place.order
            || before->place.offset != message->place.offset) {
            return false;
        }
        if (tp__str_equal(before->text, message->text)) {
            return true;
        }
    }
    return false;
}

static void
message_show(const struct tp_conf_message *message, struct tp_text *text)
{
    const struct tp_conf_place *place = &message->place;

    tp__text_printf(text, "%s:", place->source->name);
    if (place->line > 0) {
        tp__text_printf(text, "%u:%u:", place->line, place->column);
    }
    tp__text_printf(text, " %s: %s\n", message->is_warning ? "warning" : "error",
                    message->text.data);
    if (place->line > 0) {
        message_show_line(place, text);
    }
    tp__text_append(text, message->hints);
}

static void
message_show_line(const struct tp_conf_place *place, struct tp_text *text)
{
    struct message_line line = message_find_line(place);

    message_cut_line(&line);
    tp__text_printf(text, "%5u | ", place->line);
    message_show_text(&line, text);
    tp__text_append(text, TP_STR("\n      | "));
    message_show_caret(&line, text);
    tp__text_append(text, TP_STR("\n"));
}

static struct message_line
message_find_line(const struct tp_conf_place *place)
{
    struct tp_str text = place->source->text;
    size_t start = place->offset;
    size_t end = place->offset;

    while (start > 0 && text.data[start - 1] != '\n') {
        start--;
    }
    if (start == 0 && tp__str_starts_with(text, TP_STR(TP_UTF8_BOM))) {
        start = strlen(TP_UTF8_BOM);
    }
    while (end < text.len && text.data[end] != '\n') {
        end++;
    }
    while (end > start && text.data[end - 1] == '\r') {
        end--;
    }
    size_t mark_at = place->offset < end ? place->offset : end;
    size_t mark_len = place->len < end - mark_at ? place->len : end - mark_at;

    return (struct message_line){
        .text = { text.data + start, end - start },
        .mark_at = mark_at - start,
        .mark_len = mark_len,
    };
}

static void
message_cut_line(struct message_line *line)
{
    if (line->text.len <= MESSAGE_LINE_BYTES_MAX) {
        return;
    }
    if (line->mark_at > MESSAGE_LEAD_BYTES) {
        size_t skipped = message_character_start(line->text, line->mark_at - MESSAGE_LEAD_BYTES);

        line->is_cut_before = skipped > 0;
        line->text = tp__str_skip(line->text, skipped);
        line->mark_at -= skipped;
    }
    if (line->text.len > MESSAGE_LINE_BYTES_MAX) {
        line->is_cut_behind = true;
        line->text.len = message_character_start(line->text, MESSAGE_LINE_BYTES_MAX);
    }
    if (line->mark_len > line->text.len - line->mark_at) {
        line->mark_len = line->text.len - line->mark_at;
    }
}

/* The start of the character of `text` that the byte at `at` belongs to. */
static size_t
message_character_start(struct tp_str text, size_t at)
{
    size_t start = at;

    while (start > 0 && at - start < TP_UTF8_BYTES_MAX
           && ((unsigned char) text.data[start] & 0xc0) == 0x80) {
        start--;
    }
    return start;
}

static void
message_show_text(const struct message_line *line, struct tp_text *text)
{
    struct tp_str rest = line->text;

    tp__text_append(text, line->is_cut_before ? TP_STR("…") : TP_STR(""));
    while (rest.len > 0) {
        struct tp_utf8 character = tp__utf8_read(rest);
        bool is_shown = rest.data[0] == '\t' || tp__utf8_is_printable(character);

        tp__text_append(text, is_shown ? (struct tp_str){ rest.data, character.len } : TP_STR("?"));
        rest = tp__str_skip(rest, character.len);
    }
    tp__text_append(text, line->is_cut_behind ? TP_STR("…") : TP_STR(""));
}

static void
message_show_caret(const struct message_line *line, struct tp_text *text)
{
    struct tp_str before = { line->text.data, line->mark_at };
    struct tp_str marked = { line->text.data + line->mark_at, line->mark_len };
    unsigned width = 0;

    tp__text_append(text, line->is_cut_before ? TP_STR(" ") : TP_STR(""));
    while (before.len > 0) {
        struct tp_utf8 character = tp__utf8_read(before);

        if (before.data[0] == '\t') {
            tp__text_append(text, TP_STR("\t"));
        } else {
            message_append_times(text, " ", tp__utf8_width(character));
        }
        before = tp__str_skip(before, character.len);
    }
    while (marked.len > 0) {
        struct tp_utf8 character = tp__utf8_read(marked);

        width += tp__utf8_width(character);
        marked = tp__str_skip(marked, character.len);
    }
    message_append_times(text, "^", width > 0 ? width : 1);
}

static void
message_append_times(struct tp_text *text, const char *piece, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        tp__text_append(text, tp__str(piece));
    }
}
