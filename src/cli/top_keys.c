/*
 * top_keys.c - what keys do in tp top.
 *
 * A key that is not a letter comes as an escape sequence, and always in one piece; an Escape alone
 * is the last byte of what came.
 *
 * Read next: top_screen.c.
 */
#include "cli/top.h"

#include <math.h>
#include <string.h>

enum {
    KEY_ESCAPE = 0x1b,
    KEY_ERASE = 0x7f,
    KEY_BACKSPACE = 0x08,
    KEY_ENTER = '\r',
    KEY_NEXT = 'N' & 0x1f,
    KEY_PREVIOUS = 'P' & 0x1f,
    KEY_REDRAW = 'L' & 0x1f,

    /* Not of any letter. */
    KEY_UP = 0x100,
    KEY_DOWN,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_BACK_TAB,
    KEY_UNKNOWN,
};

static int key_next(const char **at, const char *end);
static int key_of_sequence(const char *sequence, size_t len);
static void key_take(struct tp_top *top, int key);
static void key_take_letter(struct tp_top *top, int key);
static void key_take_filter(struct tp_top *top, int key);
static void key_take_answer(struct tp_top *top, int key);
static void keys_move(struct tp_top *top, int key);
static void keys_choose_view(struct tp_top *top, int view);
static void keys_sort(struct tp_top *top);
static void keys_ask_to_close(struct tp_top *top);
static void keys_show_detail(struct tp_top *top);
static void keys_change_interval(struct tp_top *top, bool is_longer);
static void keys_arrange(struct tp_top *top);
static uint64_t selected_session(const struct tp_top *top);

void
tp__top_take_keys(struct tp_top *top, const char *bytes, size_t len)
{
    const char *at = bytes;
    const char *end = bytes + len;

    while (at < end && !top->is_done) {
        key_take(top, key_next(&at, end));
    }
}

static int
key_next(const char **at, const char *end)
{
    const char *begin = *at;

    if (*begin != KEY_ESCAPE || end - begin < 3 || (begin[1] != '[' && begin[1] != 'O')) {
        *at = begin + 1;
        return (uint8_t) *begin;
    }
    const char *last = begin + 2;

    while (last + 1 < end && ((*last >= '0' && *last <= '9') || *last == ';')) {
        last++;
    }
    *at = last + 1;
    return key_of_sequence(begin + 2, (size_t) (last + 1 - begin - 2));
}

/* What stands behind ESC [ or ESC O. */
static int
key_of_sequence(const char *sequence, size_t len)
{
    static const struct {
        const char *sequence;
        int key;
    } keys[] = {
        { "A", KEY_UP },       { "B", KEY_DOWN },       { "H", KEY_HOME },     { "F", KEY_END },
        { "5~", KEY_PAGE_UP }, { "6~", KEY_PAGE_DOWN }, { "1~", KEY_HOME },    { "4~", KEY_END },
        { "7~", KEY_HOME },    { "8~", KEY_END },       { "Z", KEY_BACK_TAB },
    };

    for (size_t i = 0; i < TP_COUNT_OF(keys); i++) {
        if (strlen(keys[i].sequence) == len && memcmp(keys[i].sequence, sequence, len) == 0) {
            return keys[i].key;
        }
    }
    return KEY_UNKNOWN;
}

static void
key_take(struct tp_top *top, int key)
{
    switch (top->mode) {
    case TP_TOP_FILTER:
        key_take_filter(top, key);
        break;
    case TP_TOP_CONFIRM:
        key_take_answer(top, key);
        break;
    case TP_TOP_HELP:
    case TP_TOP_DETAIL:
        top->is_done = false;
        if (key == 'k' && top->mode == TP_TOP_DETAIL && top->target != 0) {
            top->mode = TP_TOP_CONFIRM;
        } else if (key != KEY_UNKNOWN) {
            top->mode = TP_TOP_TABLE;
            top->target = 0;
        }
        break;
    case TP_TOP_TABLE:
        top->message[0] = '\0';
        key_take_letter(top, key);
        break;
    }
}

static void
key_take_letter(struct tp_top *top, int key)
{
    int view_count = TP_TOP_VIEW_COUNT;

    if (key >= '1' && key < '1' + view_count) {
        keys_choose_view(top, key - '1');
        return;
    }
    switch (key) {
    case 'q':
        top->is_done = true;
        break;
    case '\t':
        keys_choose_view(top, ((int) top->view + 1) % view_count);
        break;
    case KEY_BACK_TAB:
        keys_choose_view(top, ((int) top->view + view_count - 1) % view_count);
        break;
    case 's':
        keys_sort(top);
        break;
    case 'r':
        top->tables[top->view].is_reversed = !top->tables[top->view].is_reversed;
        keys_arrange(top);
        break;
    case '/':
        top->mode = TP_TOP_FILTER;
        break;
    case KEY_ESCAPE:
        top->filter[0] = '\0';
        keys_arrange(top);
        break;
    case 'k':
        keys_ask_to_close(top);
        break;
    case KEY_ENTER:
    case '\n':
        keys_show_detail(top);
        break;
    case 'p':
    case ' ':
        top->is_paused = !top->is_paused;
        break;
    case '+':
    case '-':
        keys_change_interval(top, key == '+');
        break;
    case '?':
    case 'h':
        top->mode = TP_TOP_HELP;
        break;
    default:
        keys_move(top, key);
        break;
    }
}

static void
key_take_filter(struct tp_top *top, int key)
{
    size_t len = strlen(top->filter);

    if (key == KEY_ESCAPE) {
        top->filter[0] = '\0';
        top->mode = TP_TOP_TABLE;
    } else if (key == KEY_ENTER || key == '\n') {
        top->mode = TP_TOP_TABLE;
    } else if (key == KEY_ERASE || key == KEY_BACKSPACE) {
        /* A character of several bytes goes as a whole. */
        while (len > 0 && ((uint8_t) top->filter[len - 1] & 0xc0) == 0x80) {
            len--;
        }
        top->filter[len > 0 ? len - 1 : 0] = '\0';
    } else if (key >= ' ' && key < KEY_UP && len + 1 < sizeof(top->filter)) {
        top->filter[len] = (char) key;
        top->filter[len + 1] = '\0';
    }
    keys_arrange(top);
}

static void
key_take_answer(struct tp_top *top, int key)
{
    top->mode = TP_TOP_TABLE;
    if (key == 'y') {
        tp__top_close_session(top, top->target);
    } else {
        snprintf(top->message, sizeof(top->message), "nothing was closed");
    }
}

static void
keys_move(struct tp_top *top, int key)
{
    struct tp_top_table *table = &top->tables[top->view];
    size_t page = tp__top_row_room(top);
    size_t at;

    if (tp__top_table_selected(table, &at) == NULL) {
        return;
    }
    size_t last = table->shown_count - 1;

    switch (key) {
    case KEY_UP:
    case KEY_PREVIOUS:
        at -= at > 0 ? 1 : 0;
        break;
    case KEY_DOWN:
    case KEY_NEXT:
    case 'j':
        at += at < last ? 1 : 0;
        break;
    case KEY_PAGE_UP:
        at -= at > page ? page : at;
        break;
    case KEY_PAGE_DOWN:
        at = at + page < last ? at + page : last;
        break;
    case KEY_HOME:
    case 'g':
        at = 0;
        break;
    case KEY_END:
    case 'G':
        at = last;
        break;
    default:
        return;
    }
    /* The first is whichever is first, and not the one that it is now. */
    table->selected = at == 0 ? 0 : table->sheet.rows[table->shown[at]].key;
}

/* What was read of it before is shown until it was read anew. */
static void
keys_choose_view(struct tp_top *top, int view)
{
    top->view = (enum tp_top_view_number) view;
    keys_arrange(top);
    tp__top_read(top);
}

/* The next column, and from the last the first. */
static void
keys_sort(struct tp_top *top)
{
    struct tp_top_table *table = &top->tables[top->view];

    table->sort = (table->sort + 1) % table->sheet.column_count;
    keys_arrange(top);
}

static void
keys_ask_to_close(struct tp_top *top)
{
    top->target = selected_session(top);
    if (top->target == 0) {
        snprintf(top->message, sizeof(top->message), "no session is chosen");
    } else {
        top->mode = TP_TOP_CONFIRM;
    }
}

static void
keys_show_detail(struct tp_top *top)
{
    size_t at;
    const struct tp_sheet_row *row = tp__top_table_selected(&top->tables[top->view], &at);

    if (row == NULL) {
        return;
    }
    top->target = selected_session(top);
    top->detail_key = row->key;
    top->mode = TP_TOP_DETAIL;
    tp__sheet_fini(&top->detail.sheet);
    top->detail.shown_count = 0;
    tp__top_read(top);
}

static void
keys_change_interval(struct tp_top *top, bool is_longer)
{
    static const int64_t steps_ms[] = { 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000 };
    size_t count = TP_COUNT_OF(steps_ms);
    size_t at = 0;

    while (at + 1 < count && steps_ms[at] < top->interval_ms) {
        at++;
    }
    if (is_longer) {
        at += at + 1 < count && steps_ms[at] <= top->interval_ms ? 1 : 0;
    } else {
        at -= at > 0 ? 1 : 0;
    }
    top->interval_ms = steps_ms[at];
    tp__top_read(top);
}

static void
keys_arrange(struct tp_top *top)
{
    tp__top_table_arrange(&top->tables[top->view], top->filter);
}

/* The number of the session that the row is, or is about; 0: there is none. */
static uint64_t
selected_session(const struct tp_top *top)
{
    bool has_sessions = top->view == TP_TOP_SESSIONS || top->view == TP_TOP_INFLIGHT;
    size_t at;
    const struct tp_sheet_row *row = tp__top_table_selected(&top->tables[top->view], &at);
    double number = row == NULL || !has_sessions ? NAN : tp__top_number(row->json, "number");

    return isnan(number) ? 0 : (uint64_t) number;
}
