/*
 * body_text.c - a body as people read it.
 *
 * Runs in: worker; a program's thread with the library.  Owns: nothing.
 * Read next: json_lines.c; session/exchange_log.c and session/trace.c, which show some.
 */
#include "format/body_text.h"

#include "base/str.h"
#include "base/utf8.h"
#include "format/json_lines.h"
#include "format/values.h"

enum {
    TEXT_SHOWN_MAX = TP_BODY_TEXT_MAX / 4, /* of its bytes, as each may become \x00 */
    HEX_SHOWN_MAX = TP_BODY_TEXT_MAX / 2,
};

static bool show_json(struct tp_body_text *shown, struct tp_str bytes, bool goes_on);
static void show_text(struct tp_body_text *shown, struct tp_str bytes);
static void show_hex(struct tp_body_text *shown, struct tp_str bytes);
static bool bytes_are_text(struct tp_str bytes);

void
tp__body_text_write(struct tp_body_text *text, const struct tp_chain *body, uint8_t codec,
                    size_t limit)
{
    uint8_t copy[TP_BODY_TEXT_MAX];
    struct tp_str bytes = { (const char *) copy, body->len < limit ? body->len : limit };

    text->form = "";
    text->taken = 0;
    text->text[0] = '\0';
    if (body->len == 0) {
        return;
    }
    bytes.len = bytes.len < sizeof(copy) ? bytes.len : sizeof(copy);
    tp_chain_copy(body, 0, bytes.len, copy);
    if (codec == TP_CODEC_JSON && show_json(text, bytes, bytes.len < body->len)) {
        return;
    }
    if (codec == TP_CODEC_PLAIN || (codec == TP_CODEC_JSON && bytes_are_text(bytes))) {
        show_text(text, bytes);
    } else {
        show_hex(text, bytes);
    }
}

static bool
show_json(struct tp_body_text *shown, struct tp_str bytes, bool goes_on)
{
    shown->form = "json";
    return tp__json_lines_write(bytes, goes_on, shown->text, sizeof(shown->text), &shown->taken)
           == TP_OK;
}

static void
show_text(struct tp_body_text *shown, struct tp_str bytes)
{
    struct tp_value_writer writer = {
        .next = shown->text,
        .text_room = TP_BODY_TEXT_MAX,
        .is_log = true,
    };

    shown->form = "text";
    shown->taken = bytes.len < TEXT_SHOWN_MAX ? bytes.len : TEXT_SHOWN_MAX;
    tp__value_write_text(&writer, (struct tp_str){ bytes.data, shown->taken });
    *writer.next = '\0';
}

static void
show_hex(struct tp_body_text *shown, struct tp_str bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *next = shown->text;

    shown->form = "hex";
    shown->taken = bytes.len < HEX_SHOWN_MAX ? bytes.len : HEX_SHOWN_MAX;
    for (size_t i = 0; i < shown->taken; i++) {
        *next++ = digits[(uint8_t) bytes.data[i] >> 4];
        *next++ = digits[(uint8_t) bytes.data[i] & 15];
    }
    *next = '\0';
}

/* Whether somebody would read it; the last character may be cut. */
static bool
bytes_are_text(struct tp_str bytes)
{
    while (bytes.len > 0) {
        struct tp_utf8 character = tp__utf8_read(bytes);
        bool is_cut = !character.is_valid && bytes.len < TP_UTF8_BYTES_MAX;
        bool is_space = character.code >= '\t' && character.code <= '\r';

        if (!is_cut && !is_space && !tp__utf8_is_printable(character)) {
            return false;
        }
        bytes = tp__str_skip(bytes, character.len);
    }
    return true;
}
