/*
 * json_text.c - JSON strings, read in each manner and written as the original writes them.
 *
 * Runs in: the loop's thread.  Read next: json_fields.c.
 */
#include <teleport/json_text.h>

#include "packet/json_words.h"

#include <string.h>

enum {
    HEX_DIGITS = 4,        /* of \uXXXX */
    ESCAPED_BYTES_MAX = 6, /* \uXXXX, for one byte at worst */
    LETTER_ESCAPE_BYTES = 2,
    TEXT_SHORT = 512,      /* not worth a look at each byte to know its written length */
    REPLACEMENT_BYTES = 3, /* U+FFFD in UTF-8 */
    REPLACEMENT = 0xfffd,
    LINE_SEPARATOR = 0x2028, /* ends a line in JavaScript, as its neighbour does */
    PARAGRAPH_SEPARATOR = 0x2029,
    SURROGATE_FIRST = 0xd800,
    SURROGATE_LOW = 0xdc00,
    SURROGATE_LAST = 0xdfff,
    CODE_MAX = 0x10ffff,
};

static const uint8_t *text_read_strict(const uint8_t *at, const uint8_t *end,
                                       struct tp_json_text *text);
static const uint8_t *text_read_any(const uint8_t *at, const uint8_t *end, bool is_bare,
                                    struct tp_json_text *text);
static uint8_t *text_unescape_strict(const uint8_t *at, const uint8_t *end, uint8_t *to);
static uint8_t *text_unescape_any(const uint8_t *at, const uint8_t *end, bool is_bare, uint8_t *to);
static const uint8_t *text_unescape_literal(const uint8_t *at, const uint8_t *end, bool is_bare,
                                            uint8_t **to);
static const uint8_t *text_skip_bytes(const uint8_t *at, const uint8_t *end);
static uint64_t text_mark(uint64_t word, uint8_t byte);
static bool text_must_escape(uint8_t byte);
static uint8_t text_letter(uint32_t code);
static uint8_t *text_write_escape(uint8_t *to, uint32_t code);
static uint64_t text_mark_unsafe(uint64_t word);
static uint64_t text_mark_escaped(uint64_t word);
static size_t text_escapes_len(const uint8_t *at, size_t len);
static uint8_t *text_write_carefully(const uint8_t *at, const uint8_t *end, uint8_t *to);
static const uint8_t *text_read_escape(const uint8_t *at, const uint8_t *end);
static const uint8_t *text_unescape_one(const uint8_t *at, const uint8_t *end, uint8_t **to);
static const uint8_t *text_unescape_code(const uint8_t *at, const uint8_t *end, uint32_t *code);
static bool text_is_safe(uint8_t byte);
static const uint8_t *text_write_special(const uint8_t *at, const uint8_t *end, uint8_t **to);
static uint8_t *text_write_hex(uint8_t *to, uint32_t code);
static int text_hex_value(uint8_t digit);
static uint32_t text_read_hex(const uint8_t *digits);
static size_t utf8_read(const uint8_t *at, const uint8_t *end, uint32_t *code);
static uint8_t *utf8_write(uint8_t *to, uint32_t code);

const uint8_t *
tp_json_text_read(const uint8_t *at, const uint8_t *end, enum tp_json_manner manner,
                  struct tp_json_text *text)
{
    return manner == TP_JSON_STRICT ? text_read_strict(at, end, text)
                                    : text_read_any(at, end, manner == TP_JSON_BARE, text);
}

uint8_t *
tp_json_text_unescape(struct tp_str raw, enum tp_json_manner manner, uint8_t *to)
{
    if (raw.len == 0) {
        return to;
    }
    const uint8_t *at = (const uint8_t *) raw.data;

    return manner == TP_JSON_STRICT
               ? text_unescape_strict(at, at + raw.len, to)
               : text_unescape_any(at, at + raw.len, manner == TP_JSON_BARE, to);
}

size_t
tp_json_text_max(struct tp_str text)
{
    size_t max = 2 + text.len;

    /* Room that is not used costs nothing, but not any amount of it. */
    if (text.len <= TEXT_SHORT) {
        return 2 + ESCAPED_BYTES_MAX * text.len;
    }
    for (size_t i = 0; i < text.len; i++) {
        max += text_is_safe((uint8_t) text.data[i]) ? 0 : ESCAPED_BYTES_MAX - 1;
    }
    return max;
}

uint8_t *
tp_json_text_write(struct tp_str text, uint8_t *to)
{
    const uint8_t *at = (const uint8_t *) text.data;
    const uint8_t *end = text.len == 0 ? at : at + text.len;

    *to++ = '"';
    for (; end - at >= TP_JSON_WORD; at += TP_JSON_WORD, to += TP_JSON_WORD) {
        if (text_mark_unsafe(tp__json_load(at)) != 0) {
            return text_write_carefully(at, end, to);
        }
        memcpy(to, at, TP_JSON_WORD);
    }
    size_t rest = (size_t) (end - at);

    if (tp__json_first_mark(text_mark_unsafe(tp__json_load_front(at, rest))) < rest) {
        return text_write_carefully(at, end, to);
    }
    tp__json_copy_front(to, at, rest);
    to[rest] = '"';
    return to + rest + 1;
}

size_t
tp_json_bytes_max(struct tp_str bytes)
{
    return bytes.len <= TEXT_SHORT ? ESCAPED_BYTES_MAX * bytes.len : tp_json_bytes_len(bytes);
}

size_t
tp_json_bytes_len(struct tp_str bytes)
{
    const uint8_t *at = (const uint8_t *) bytes.data;
    const uint8_t *end = bytes.len == 0 ? at : at + bytes.len;
    size_t len = bytes.len;

    for (; end - at >= TP_JSON_WORD; at += TP_JSON_WORD) {
        if (text_mark_escaped(tp__json_load(at)) != 0) {
            len += text_escapes_len(at, TP_JSON_WORD);
        }
    }
    return len + text_escapes_len(at, (size_t) (end - at));
}

uint8_t *
tp_json_bytes_write(struct tp_str bytes, uint8_t *to)
{
    const uint8_t *at = (const uint8_t *) bytes.data;
    const uint8_t *end = bytes.len == 0 ? at : at + bytes.len;

    while (end - at >= TP_JSON_WORD) {
        uint64_t marks = text_mark_escaped(tp__json_load(at));
        size_t len = marks == 0 ? TP_JSON_WORD : tp__json_first_mark(marks);

        /* What is written for a word is not shorter, so there is room for all of it. */
        memcpy(to, at, TP_JSON_WORD);
        at += len;
        to += len;
        if (marks != 0) {
            to = text_write_escape(to, *at++);
        }
    }
    for (; at < end; at++) {
        if (text_must_escape(*at)) {
            to = text_write_escape(to, *at);
        } else {
            *to++ = *at;
        }
    }
    return to;
}

static inline const uint8_t *
text_read_strict(const uint8_t *at, const uint8_t *end, struct tp_json_text *text)
{
    const uint8_t *begin = ++at;
    size_t invalid = 0;
    bool is_plain = true;
    uint32_t code;

    for (at = tp__json_skip_plain(at, end); at < end && *at != '"';
         at = tp__json_skip_plain(at, end)) {
        if (*at >= 0x80) {
            size_t len = utf8_read(at, end, &code);

            invalid += len == 0;
            at += len == 0 ? 1 : len;
        } else if (*at == '\\') {
            is_plain = false;
            at = text_read_escape(at, end);
        } else {
            at = *at < 0x20 ? NULL : at + 1;
        }
        if (at == NULL) {
            return NULL;
        }
    }
    if (at >= end) {
        return NULL;
    }
    text->raw = (struct tp_str){ (const char *) begin, (size_t) (at - begin) };
    /* An escape is never shorter than what it stands for. */
    text->unescaped_max =
        is_plain && invalid == 0 ? 0 : text->raw.len + invalid * (REPLACEMENT_BYTES - 1);
    return at + 1;
}

/* Any bytes up to a quote: where not all escapes count, a backslash still protects a quote. */
static const uint8_t *
text_read_any(const uint8_t *at, const uint8_t *end, bool is_bare, struct tp_json_text *text)
{
    const uint8_t *begin = ++at;
    bool is_plain = true;

    for (at = text_skip_bytes(at, end); at < end && *at != '"'; at = text_skip_bytes(at, end)) {
        bool is_pair = end - at >= 2 && (at[1] == '"' || (at[1] == '\\' && !is_bare));

        at += is_pair ? 2 : 1;
        is_plain = false;
    }
    if (at >= end) {
        return NULL;
    }
    text->raw = (struct tp_str){ (const char *) begin, (size_t) (at - begin) };
    text->unescaped_max = is_plain ? 0 : text->raw.len;
    return at + 1;
}

static uint8_t *
text_unescape_strict(const uint8_t *at, const uint8_t *end, uint8_t *to)
{
    while (at < end) {
        if (*at < 0x80 && *at != '\\') {
            *to++ = *at++;
        } else {
            uint8_t *behind = to;

            at = text_unescape_one(at, end, &behind);
            to = behind;
        }
    }
    return to;
}

static uint8_t *
text_unescape_any(const uint8_t *at, const uint8_t *end, bool is_bare, uint8_t *to)
{
    while (at < end) {
        if (end - at >= TP_JSON_WORD && text_mark(tp__json_load(at), '\\') == 0) {
            memcpy(to, at, TP_JSON_WORD);
            to += TP_JSON_WORD;
            at += TP_JSON_WORD;
        } else if (*at != '\\') {
            *to++ = *at++;
        } else {
            uint8_t *behind = to;

            at = text_unescape_literal(at, end, is_bare, &behind);
            to = behind;
        }
    }
    return to;
}

/* A backslash that may mean itself. */
static const uint8_t *
text_unescape_literal(const uint8_t *at, const uint8_t *end, bool is_bare, uint8_t **to)
{
    bool is_quote = end - at >= 2 && at[1] == '"';

    if (is_bare ? is_quote : text_read_escape(at, end) != NULL) {
        return text_unescape_one(at, end, to);
    }
    *(*to)++ = *at;
    return at + 1;
}

/* Passes everything but quotes and backslashes. */
static inline const uint8_t *
text_skip_bytes(const uint8_t *at, const uint8_t *end)
{
    for (; end - at >= TP_JSON_WORD; at += TP_JSON_WORD) {
        uint64_t word = tp__json_load(at);
        uint64_t marks = text_mark(word, '"') | text_mark(word, '\\');

        if (marks != 0) {
            return at + tp__json_first_mark(marks);
        }
    }
    size_t rest = (size_t) (end - at);
    uint64_t word = tp__json_load_front(at, rest);
    uint64_t behind = TP_JSON_BYTE_HIGHS << 8 * rest;

    return at + tp__json_first_mark(text_mark(word, '"') | text_mark(word, '\\') | behind);
}

/*
 * Marks, by its highest bit, the first byte that is `byte`.  Bytes behind that may be marked
 * without reason, because a subtraction borrows from them.
 */
static inline uint64_t
text_mark(uint64_t word, uint8_t byte)
{
    uint64_t difference = word ^ TP_JSON_BYTE_ONES * byte;

    return (difference - TP_JSON_BYTE_ONES) & ~difference & TP_JSON_BYTE_HIGHS;
}

/* How many bytes more than these what is written for them has. */
static size_t
text_escapes_len(const uint8_t *at, size_t len)
{
    size_t more = 0;

    for (size_t i = 0; i < len; i++) {
        if (text_must_escape(at[i])) {
            more += text_letter(at[i]) != 0 ? LETTER_ESCAPE_BYTES - 1 : ESCAPED_BYTES_MAX - 1;
        }
    }
    return more;
}

/* Marks the first byte that is not safe, and perhaps more behind it.  See text_is_safe(). */
static inline uint64_t
text_mark_unsafe(uint64_t word)
{
    return tp__json_mark_unsafe(word)
           | (((word ^ TP_JSON_BYTE_ONES * '<') - TP_JSON_BYTE_ONES) & TP_JSON_BYTE_HIGHS)
           | (((word ^ TP_JSON_BYTE_ONES * '>') - TP_JSON_BYTE_ONES) & TP_JSON_BYTE_HIGHS)
           | (((word ^ TP_JSON_BYTE_ONES * '&') - TP_JSON_BYTE_ONES) & TP_JSON_BYTE_HIGHS);
}

/* The same of those that JSON does not let stand as they are.  See text_must_escape(). */
static inline uint64_t
text_mark_escaped(uint64_t word)
{
    return ((word - TP_JSON_BYTE_ONES * ' ') & ~word & TP_JSON_BYTE_HIGHS) | text_mark(word, '"')
           | text_mark(word, '\\');
}

/* Character by character, up to the closing quote. */
static uint8_t *
text_write_carefully(const uint8_t *at, const uint8_t *end, uint8_t *to)
{
    while (at < end) {
        if (end - at >= TP_JSON_WORD && text_mark_unsafe(tp__json_load(at)) == 0) {
            memcpy(to, at, TP_JSON_WORD);
            to += TP_JSON_WORD;
            at += TP_JSON_WORD;
        } else if (text_is_safe(*at)) {
            *to++ = *at++;
        } else {
            at = text_write_special(at, end, &to);
        }
    }
    *to++ = '"';
    return to;
}

/* Returns the place behind the escape that begins at `at`; NULL when it is none. */
static const uint8_t *
text_read_escape(const uint8_t *at, const uint8_t *end)
{
    if (end - at < 2) {
        return NULL;
    }
    if (at[1] != 'u') {
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? at + 2 : NULL;
    }
    if (end - at < 2 + HEX_DIGITS) {
        return NULL;
    }
    for (int i = 0; i < HEX_DIGITS; i++) {
        if (text_hex_value(at[2 + i]) < 0) {
            return NULL;
        }
    }
    return at + 2 + HEX_DIGITS;
}

/* One escape, or one character that is not ASCII. */
static const uint8_t *
text_unescape_one(const uint8_t *at, const uint8_t *end, uint8_t **to)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    uint32_t code;

    if (*at != '\\') {
        size_t len = utf8_read(at, end, &code);

        *to = utf8_write(*to, len == 0 ? REPLACEMENT : code);
        return at + (len == 0 ? 1 : len);
    }
    if (at[1] == 'u') {
        at = text_unescape_code(at, end, &code);
        *to = utf8_write(*to, code);
        return at;
    }
    const char *letter = strchr(letters, at[1]);

    *(*to)++ = letter == NULL ? at[1] : (uint8_t) meanings[letter - letters];
    return at + 2;
}

/* The code of one \uXXXX, or of two that are a surrogate pair. */
static const uint8_t *
text_unescape_code(const uint8_t *at, const uint8_t *end, uint32_t *code)
{
    const uint8_t *next = at + 2 + HEX_DIGITS;

    *code = text_read_hex(at + 2);
    if (*code < SURROGATE_FIRST || *code > SURROGATE_LAST) {
        return next;
    }
    if (*code < SURROGATE_LOW && end - next >= 2 + HEX_DIGITS && next[0] == '\\'
        && next[1] == 'u') {
        uint32_t low = text_read_hex(next + 2);

        if (low >= SURROGATE_LOW && low <= SURROGATE_LAST) {
            *code = 0x10000 + ((*code - SURROGATE_FIRST) << 10) + (low - SURROGATE_LOW);
            return next + 2 + HEX_DIGITS;
        }
    }
    *code = REPLACEMENT;
    return next;
}

/* May it stand in a string as it is, alone? */
static inline bool
text_is_safe(uint8_t byte)
{
    /* A bit for each byte, 64 to a row. */
    static const uint64_t safe[4] = {
        UINT64_C(0xffffffff00000000)
            & ~(UINT64_C(1) << '"' | UINT64_C(1) << '&' | UINT64_C(1) << '<' | UINT64_C(1) << '>'),
        ~(UINT64_C(1) << ('\\' - 64)),
    };

    return (safe[byte >> 6] >> (byte & 63) & 1) != 0;
}

/* Does JSON not let it stand in a string as it is? */
static inline bool
text_must_escape(uint8_t byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
}

/* The letter of its short escape; 0 when there is none. */
static inline uint8_t
text_letter(uint32_t code)
{
    switch (code) {
    case '"':
    case '\\':
        return (uint8_t) code;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static uint8_t *
text_write_escape(uint8_t *to, uint32_t code)
{
    uint8_t letter = text_letter(code);

    if (letter == 0) {
        return text_write_hex(to, code);
    }
    *to++ = '\\';
    *to++ = letter;
    return to;
}

/* Writes the character at `at`, which is not safe, and returns the place behind it. */
static const uint8_t *
text_write_special(const uint8_t *at, const uint8_t *end, uint8_t **to)
{
    uint32_t code = *at;
    size_t len = 1;

    if (code >= 0x80) {
        len = utf8_read(at, end, &code);
        if (len > 0 && code != LINE_SEPARATOR && code != PARAGRAPH_SEPARATOR) {
            memcpy(*to, at, len);
            *to += len;
            return at + len;
        }
        *to = text_write_hex(*to, len == 0 ? REPLACEMENT : code);
        return at + (len == 0 ? 1 : len);
    }
    *to = text_write_escape(*to, code);
    return at + 1;
}

static uint8_t *
text_write_hex(uint8_t *to, uint32_t code)
{
    static const char digits[] = "0123456789abcdef";

    *to++ = '\\';
    *to++ = 'u';
    for (int shift = 4 * (HEX_DIGITS - 1); shift >= 0; shift -= 4) {
        *to++ = (uint8_t) digits[code >> shift & 0xf];
    }
    return to;
}

/* -1 when it is no hexadecimal digit. */
static int
text_hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* The number of four digits that are known to be some. */
static uint32_t
text_read_hex(const uint8_t *digits)
{
    uint32_t code = 0;

    for (int i = 0; i < HEX_DIGITS; i++) {
        code = code << 4 | (uint32_t) text_hex_value(digits[i]);
    }
    return code;
}

/*
 * How many bytes the character that begins with the non-ASCII byte at `at` has; 0 when
 * there is none, or in an overlong form, or beyond what UTF-8 can say.
 */
static size_t
utf8_read(const uint8_t *at, const uint8_t *end, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;

    if (*at < 0xc2 || *at > 0xf4 || (size_t) (end - at) < len) {
        return 0;
    }
    *code = *at & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        *code = *code << 6 | (at[i] & 0x3f);
    }
    if (*code < least[len] || *code > CODE_MAX
        || (*code >= SURROGATE_FIRST && *code <= SURROGATE_LAST)) {
        return 0;
    }
    return len;
}

static uint8_t *
utf8_write(uint8_t *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (uint8_t) code;
        return to;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;

    *to++ = (uint8_t) ((0xff00u >> (more + 1) & 0xff) | code >> (6 * more));
    while (more-- > 0) {
        *to++ = (uint8_t) (0x80 | (code >> (6 * more) & 0x3f));
    }
    return to;
}
