/*
 * utf8.c - strict reading of UTF-8 and the width of characters.
 *
 * The widths are the large, stable ranges of Unicode's East Asian Width only:
 * they put a caret under the right character, they do not lay out text.
 */
#include "base/utf8.h"

#include "base/str.h"

/* What the first byte of a sequence of `len` bytes looks like, and the least code it may hold. */
struct utf8_form {
    unsigned char mask;
    unsigned char lead;
    unsigned len;
    uint32_t least;
};

struct utf8_range {
    uint32_t first;
    uint32_t last;
};

static const struct utf8_form *utf8_find_form(unsigned char lead);
static bool utf8_is_in(const struct utf8_range *ranges, size_t count, uint32_t code);

static const struct utf8_form utf8_forms[] = {
    { 0x80, 0x00, 1, 0x00 },
    { 0xe0, 0xc0, 2, 0x80 },
    { 0xf0, 0xe0, 3, 0x800 },
    { 0xf8, 0xf0, 4, 0x10000 },
};

static const struct utf8_range utf8_combining[] = {
    { 0x0300, 0x036f },
    { 0x200b, 0x200f },
    { 0x20d0, 0x20ff },
    { 0xfe00, 0xfe0f },
};

static const struct utf8_range utf8_wide[] = {
    { 0x1100, 0x115f }, { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },   { 0xac00, 0xd7a3 },
    { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
    { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
};

struct tp_utf8
tp__utf8_read(struct tp_str text)
{
    const unsigned char *bytes = (const unsigned char *) text.data;
    const struct tp_utf8 invalid = { .code = bytes[0], .len = 1, .is_valid = false };
    const struct utf8_form *form = utf8_find_form(bytes[0]);

    if (form == NULL || form->len > text.len) {
        return invalid;
    }
    uint32_t code = bytes[0] & (unsigned char) ~form->mask;

    for (unsigned i = 1; i < form->len; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return invalid;
        }
        code = code << 6 | (bytes[i] & 0x3f);
    }
    if (code < form->least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return invalid;
    }
    return (struct tp_utf8){ .code = code, .len = form->len, .is_valid = true };
}

bool
tp__utf8_is_printable(struct tp_utf8 character)
{
    return character.is_valid && character.code >= 0x20
           && (character.code < 0x7f || character.code >= 0xa0);
}

unsigned
tp__utf8_width(struct tp_utf8 character)
{
    if (!tp__utf8_is_printable(character)) {
        return 1;
    }
    if (utf8_is_in(utf8_combining, TP_COUNT_OF(utf8_combining), character.code)) {
        return 0;
    }
    return utf8_is_in(utf8_wide, TP_COUNT_OF(utf8_wide), character.code) ? 2 : 1;
}

size_t
tp__utf8_count(struct tp_str text)
{
    size_t count = 0;

    while (text.len > 0) {
        text = tp__str_skip(text, tp__utf8_read(text).len);
        count++;
    }
    return count;
}

static const struct utf8_form *
utf8_find_form(unsigned char lead)
{
    for (size_t i = 0; i < TP_COUNT_OF(utf8_forms); i++) {
        if ((lead & utf8_forms[i].mask) == utf8_forms[i].lead) {
            return &utf8_forms[i];
        }
    }
    return NULL;
}

static bool
utf8_is_in(const struct utf8_range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return true;
        }
    }
    return false;
}
