/*
 * cli/terminal.h - where tp writes: colours where somebody looks, and nothing that could
 * confuse a terminal.
 */
#ifndef TP_CLI_TERMINAL_H
#define TP_CLI_TERMINAL_H

#include <teleport/base.h>

#include <stdio.h>

/* ROW(NAME, what a terminal is told). */
#define TP_COLOR_TABLE(ROW)  \
    ROW(NONE, "\033[0m")     \
    ROW(NAME, "\033[34;1m")  \
    ROW(TEXT, "\033[32m")    \
    ROW(NUMBER, "\033[36m")  \
    ROW(WORD, "\033[35m")    \
    ROW(FAINT, "\033[2m")    \
    ROW(GOOD, "\033[32;1m")  \
    ROW(BAD, "\033[31;1m")

enum tp_color {
#define TP_COLOR_ENUM_ROW(name, code) TP_COLOR_##name,
    TP_COLOR_TABLE(TP_COLOR_ENUM_ROW)
#undef TP_COLOR_ENUM_ROW
};

struct tp_screen {
    FILE *file;
    bool is_terminal;
    bool has_color;
    bool escapes;       /* what a terminal would obey is shown instead */
    bool has_progress;  /* a line stands there that the next one writes over */
    uint8_t partial[4]; /* the front of a character that has not come whole */
    size_t partial_len;
};

/* `has_no_color`: the user wants none; NO_COLOR and TERM=dumb are looked at here. */
void tp__screen_init(struct tp_screen *screen, FILE *file, bool has_no_color);

/* Bytes of anybody: with `escapes`, control characters and broken UTF-8 are shown as \x1b. */
void tp__screen_write(struct tp_screen *screen, struct tp_str bytes);

/*
 * The same for one line, in memory: writes what may be shown of the bytes to `text` and ends it
 * there, so that no more than `columns` of a terminal are needed; a line break and a tab are shown
 * as escapes, too, and '~' stands for what was cut off.  Returns how many columns that takes, at
 * most: who draws wide characters is not asked.
 */
size_t tp__screen_clean(struct tp_str bytes, size_t columns, char *text, size_t size);

/* The rest of a character that did not come whole. */
void tp__screen_end(struct tp_screen *screen);

void tp__screen_color(struct tp_screen *screen, enum tp_color color);

/*
 * A line that is written over by the next one: nothing happens where there is no terminal.
 * It is cut to the terminal's width.
 */
void tp__screen_progress(struct tp_screen *screen, const char *line);
void tp__screen_clear_progress(struct tp_screen *screen);

/* Writes [####----] for a share from 0 to 1 into `bar`, whose last byte ends it. */
void tp__screen_draw_bar(char *bar, size_t size, double share);

#endif
