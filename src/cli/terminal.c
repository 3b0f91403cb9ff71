/*
 * terminal.c - writing for people.
 *
 * What comes from a network is not trusted with a terminal: an escape sequence in a body
 * could rewrite what is on the screen, or worse.  So it is shown, not obeyed.
 */
#include "cli/terminal.h"

#include "cli/system.h"

#include <stdlib.h>
#include <string.h>

enum {
    UTF8_BYTES_MAX = 4,
    WIDE_CHARACTERS_BEGIN = 0x1100, /* here and above a character may take two columns */
    ESCAPE_COLUMNS = 4,             /* \x1b */
};

/* A line that is being cleaned. */
struct clean_line {
    char *text;
    size_t size;
    size_t len;
    size_t columns; /* so far */
};

static size_t read_character(struct tp_str bytes, uint32_t *number);
static bool clean_add(struct clean_line *line, const char *shown, size_t len, size_t columns,
                      size_t columns_max);
static void clean_mark_cut(struct clean_line *line, size_t columns_max);
static void put_byte(struct tp_screen *screen, uint8_t byte);
static void put_character(struct tp_screen *screen);
static size_t character_len(uint8_t first);
static uint32_t character_number(const uint8_t *bytes, size_t len);
static bool is_showable(uint32_t number, size_t len);
static void show_bytes(struct tp_screen *screen);

static const char *const color_codes[] = {
#define COLOR_CODE_ROW(name, code) [TP_COLOR_##name] = (code),
    TP_COLOR_TABLE(COLOR_CODE_ROW)
#undef COLOR_CODE_ROW
};

void
tp__screen_init(struct tp_screen *screen, FILE *file, bool has_no_color)
{
    const char *no_color = getenv("NO_COLOR");
    const char *kind = getenv("TERM");
    bool is_wanted = !has_no_color && (no_color == NULL || *no_color == '\0')
                     && (kind == NULL || strcmp(kind, "dumb") != 0);

    *screen = (struct tp_screen){ .file = file, .is_terminal = tp__system_is_terminal(file) };
    screen->has_color = screen->is_terminal && is_wanted;
    screen->escapes = screen->is_terminal;
}

void
tp__screen_write(struct tp_screen *screen, struct tp_str bytes)
{
    if (!screen->escapes) {
        fwrite(bytes.data, 1, bytes.len, screen->file);
        return;
    }
    for (size_t i = 0; i < bytes.len; i++) {
        put_byte(screen, (uint8_t) bytes.data[i]);
    }
}

size_t
tp__screen_clean(struct tp_str bytes, size_t columns, char *text, size_t size)
{
    struct clean_line line = { .text = text, .size = size };

    text[0] = '\0';
    while (bytes.len > 0) {
        char escape[ESCAPE_COLUMNS + 1];
        uint32_t number;
        size_t len = read_character(bytes, &number);
        bool is_shown = len > 0 && number >= 0x20 && is_showable(number, len);
        size_t taken = is_shown ? len : 1;

        snprintf(escape, sizeof(escape), "\\x%02x", (uint8_t) bytes.data[0]);
        if (!clean_add(&line, is_shown ? bytes.data : escape, is_shown ? len : ESCAPE_COLUMNS,
                       !is_shown                         ? ESCAPE_COLUMNS
                       : number >= WIDE_CHARACTERS_BEGIN ? 2
                                                         : 1,
                       columns)) {
            clean_mark_cut(&line, columns);
            break;
        }
        bytes = (struct tp_str){ bytes.data + taken, bytes.len - taken };
    }
    return line.columns;
}

void
tp__screen_end(struct tp_screen *screen)
{
    show_bytes(screen);
}

void
tp__screen_color(struct tp_screen *screen, enum tp_color color)
{
    if (screen->has_color) {
        fputs(color_codes[color], screen->file);
    }
}

void
tp__screen_progress(struct tp_screen *screen, const char *line)
{
    if (screen->is_terminal) {
        fprintf(screen->file, "\r%.*s\033[K", (int) tp__system_columns(screen->file) - 1, line);
        fflush(screen->file);
        screen->has_progress = *line != '\0';
    }
}

void
tp__screen_clear_progress(struct tp_screen *screen)
{
    if (screen->has_progress) {
        tp__screen_progress(screen, "");
    }
}

void
tp__screen_draw_bar(char *bar, size_t size, double share)
{
    size_t cells = size - 3;
    size_t full = share >= 1 ? cells : share <= 0 ? 0 : (size_t) (share * (double) cells);

    bar[0] = '[';
    memset(bar + 1, '#', full);
    memset(bar + 1 + full, '-', cells - full);
    bar[cells + 1] = ']';
    bar[cells + 2] = '\0';
}

/* How many bytes the first character has, 0: none begins so; and which one it is. */
static size_t
read_character(struct tp_str bytes, uint32_t *number)
{
    const uint8_t *at = (const uint8_t *) bytes.data;
    size_t len = character_len(at[0]);

    if (len == 0 || len > bytes.len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    *number = character_number(at, len);
    return len;
}

/* False: it has no room, in columns or bytes. */
static bool
clean_add(struct clean_line *line, const char *shown, size_t len, size_t columns,
          size_t columns_max)
{
    if (line->columns + columns > columns_max || line->len + len + 1 > line->size) {
        return false;
    }
    memcpy(line->text + line->len, shown, len);
    line->len += len;
    line->text[line->len] = '\0';
    line->columns += columns;
    return true;
}

/* In the place of the last column where there is no room behind it. */
static void
clean_mark_cut(struct clean_line *line, size_t columns_max)
{
    if (clean_add(line, "~", 1, 1, columns_max)) {
        return;
    }
    while (line->len > 0 && ((uint8_t) line->text[line->len - 1] & 0xc0) == 0x80) {
        line->len--;
    }
    if (line->len > 0) {
        line->text[line->len - 1] = '~';
        line->text[line->len] = '\0';
    }
}

static void
put_byte(struct tp_screen *screen, uint8_t byte)
{
    if (screen->partial_len > 0 && (byte & 0xc0) != 0x80) {
        show_bytes(screen);
    }
    screen->partial[screen->partial_len++] = byte;
    size_t len = character_len(screen->partial[0]);

    if (len == 0) {
        show_bytes(screen);
    } else if (screen->partial_len == len) {
        put_character(screen);
    }
}

static void
put_character(struct tp_screen *screen)
{
    size_t len = screen->partial_len;

    if (!is_showable(character_number(screen->partial, len), len)) {
        show_bytes(screen);
        return;
    }
    fwrite(screen->partial, 1, len, screen->file);
    screen->partial_len = 0;
}

/* How many bytes a character has that begins so; 0: none begins so. */
static size_t
character_len(uint8_t first)
{
    return first < 0x80   ? 1
           : first < 0xc2 ? 0
           : first < 0xe0 ? 2
           : first < 0xf0 ? 3
           : first < 0xf5 ? 4
                          : 0;
}

static uint32_t
character_number(const uint8_t *bytes, size_t len)
{
    uint32_t number = len == 1 ? bytes[0] : bytes[0] & (0xffU >> (len + 1));

    for (size_t i = 1; i < len; i++) {
        number = number << 6 | (bytes[i] & 0x3fU);
    }
    return number;
}

/* Neither a control character, nor one that turns the text around, nor written too long. */
static bool
is_showable(uint32_t number, size_t len)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    if (number < 0x20) {
        return number == '\n' || number == '\t';
    }
    return number >= least[len] && number <= 0x10ffff && (number < 0x7f || number > 0x9f)
           && (number < 0xd800 || number > 0xdfff) && (number < 0x202a || number > 0x202e)
           && (number < 0x2066 || number > 0x2069);
}

static void
show_bytes(struct tp_screen *screen)
{
    for (size_t i = 0; i < screen->partial_len; i++) {
        if (screen->partial[i] == '\r') {
            fputs("\\r", screen->file);
        } else {
            fprintf(screen->file, "\\x%02x", screen->partial[i]);
        }
    }
    screen->partial_len = 0;
}
