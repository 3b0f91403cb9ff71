/*
 * top.c - tp top: what a server is doing, again and again: on a screen, as tables, or as JSON.
 *
 * Read next: top.h, which says what the other files are.
 */
#include "cli/top.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

enum {
    TOP_WAITABLES = TP_CLIENT_WAITABLES + 1, /* the keyboard, too */
    TOP_FIRST_INTERVAL_MS = 500, /* from the first reading to the second, which has rates */
    TOP_KEY_BYTES = 256,
};

static enum tp_exit_code top_run(const struct tp_settings *settings);
static enum tp_exit_code top_begin(struct tp_top *top, const struct tp_settings *settings);
static enum tp_exit_code top_choose(struct tp_top *top);
static enum tp_exit_code top_connect(struct tp_top *top);
static enum tp_exit_code top_loop(struct tp_top *top);
static int64_t top_time_left(struct tp_top *top);
static void top_read_keys(struct tp_top *top);
static void top_end(struct tp_top *top);

const struct tp_command tp__command_top = {
    .name = "top",
    .operands = "[ADDRESS]",
    .brief = "Shows what a server is doing: sessions, routes, upstreams, workers, what is in "
             "flight.",
    .manual =
        "ADDRESS is that of the server's control module, as for tp sessions.  Rates are the "
        "differences of two readings.\n\n"
        "On a terminal: arrows, Page Up and Down, Home and End choose a row; Tab or 1 to 5 choose "
        "the view, s the column that rows are sorted by, r turns the order round, / filters by "
        "letters in any text; Enter shows a row and what its session has in flight; k closes the "
        "chosen session, after y; p pauses, + and - change the interval, ? helps, q quits.\n\n"
        "With --batch tables are printed one after the other, with --json each reading is an "
        "object on a line.  A server that goes away is waited for, unless what was read is "
        "printed.",
    .groups = TP_OPTIONS_CONNECT | TP_OPTIONS_JSON | TP_OPTIONS_COUNT | TP_OPTIONS_TOP,
    .presets = "redial=-1",
    .takes_address = true,
    .is_for_operators = true,
    .examples = {
        { "tp top unix:logs/operator.socket", "who is connected, and how busy" },
        { "tp top unix:logs/operator.socket --view routes --sort P99", "which routes are slow" },
        { "tp top unix:logs/operator.socket --batch --count 1 --limit 10",
          "the ten busiest sessions" },
    },
    .run = top_run,
};

static enum tp_exit_code
top_run(const struct tp_settings *settings)
{
    struct tp_top *top = calloc(1, sizeof(*top));

    if (top == NULL) {
        return TP_EXIT_LOCAL;
    }
    enum tp_exit_code code = top_begin(top, settings);

    if (code == TP_EXIT_DONE) {
        code = top_loop(top);
    }
    top_end(top);
    return code;
}

static enum tp_exit_code
top_begin(struct tp_top *top, const struct tp_settings *settings)
{
    enum tp_exit_code code = tp__client_open(&top->client, settings, NULL);

    for (int view = 0; view < TP_TOP_VIEW_COUNT; view++) {
        tp__top_table_init(&top->tables[view], &tp__top_views[view]);
    }
    tp__top_table_init(&top->detail, &tp__top_views[TP_TOP_INFLIGHT]);
    top->interval_ms = settings->interval.ms;
    if (code == TP_EXIT_DONE) {
        code = top_choose(top);
    }
    if (code == TP_EXIT_DONE) {
        code = top_connect(top);
    }
    return code;
}

/* What the options say of the view. */
static enum tp_exit_code
top_choose(struct tp_top *top)
{
    const struct tp_settings *settings = top->client.settings;
    bool is_printed = settings->is_batch || settings->is_json;

    top->view = settings->view == NULL ? TP_TOP_SESSIONS : tp__top_view_find(settings->view);
    if (top->view == TP_TOP_VIEW_COUNT) {
        tp__client_say(&top->client,
                       "--view is sessions, routes, upstreams, workers or inflight, not \"%s\"",
                       settings->view);
        return TP_EXIT_USAGE;
    }
    if (settings->sort != NULL) {
        const struct tp_top_view *view = &tp__top_views[top->view];
        size_t column = tp__top_column_find(view, settings->sort);

        if (column == view->column_count) {
            tp__client_say(&top->client, "--sort is the title of a column of %s, not \"%s\"",
                           view->name, settings->sort);
            return TP_EXIT_USAGE;
        }
        top->tables[top->view].sort = column;
    }
    if (!is_printed && !top->client.output.is_terminal) {
        tp__client_say(&top->client, "this is no terminal: --batch prints tables, --json objects");
        return TP_EXIT_USAGE;
    }
    return TP_EXIT_DONE;
}

static enum tp_exit_code
top_connect(struct tp_top *top)
{
    const struct tp_settings *settings = top->client.settings;
    enum tp_exit_code code = tp__client_connect(&top->client);

    if (code == TP_EXIT_DONE) {
        code = tp__client_take_signals(&top->client);
    }
    if (code != TP_EXIT_DONE || settings->is_batch || settings->is_json) {
        return code;
    }
    /* What is logged from here on would stand in the middle of the screen. */
    top->client.is_silent = true;
    if (tp__system_open_screen(&top->screen) != TP_OK) {
        tp__client_say(&top->client, "the terminal cannot be used: --batch prints tables");
        return TP_EXIT_LOCAL;
    }
    tp__system_screen_size(stdout, &top->columns, &top->rows);
    return TP_EXIT_DONE;
}

static enum tp_exit_code
top_loop(struct tp_top *top)
{
    struct tp_waitable waitables[TOP_WAITABLES];

    tp__top_read(top);
    if (top->screen != NULL) {
        tp__top_draw(top);
    }
    while (!top->is_done && !top->client.is_draining) {
        waitables[TP_CLIENT_WAITABLES] =
            (struct tp_waitable){ .fd = top->screen == NULL ? -1 : tp__system_input() };
        if (!tp__client_turn(&top->client, waitables, TOP_WAITABLES, top_time_left(top))) {
            break;
        }
        if (waitables[TP_CLIENT_WAITABLES].is_ready) {
            top_read_keys(top);
        }
        if (top->client.is_resized && top->screen != NULL) {
            top->client.is_resized = false;
            tp__system_screen_size(stdout, &top->columns, &top->rows);
            tp__top_draw(top);
        }
        if (top->step == TP_TOP_IDLE && !top->is_paused && tp__system_clock_ns() >= top->next_ns) {
            tp__top_read(top);
        }
    }
    top->is_done = true;
    return top->code;
}

/* To the next reading; -1: something else comes first. */
static int64_t
top_time_left(struct tp_top *top)
{
    uint64_t now = tp__system_clock_ns();

    if (top->step != TP_TOP_IDLE || top->is_paused) {
        return -1;
    }
    return top->next_ns > now ? (int64_t) (top->next_ns - now) : 0;
}

void
tp__top_on_read(struct tp_top *top)
{
    bool is_first = top->code == TP_EXIT_DONE && !top->tables[top->reading].has_rates;

    if (is_first && top->interval_ms > TOP_FIRST_INTERVAL_MS) {
        top->next_ns = top->asked_ns + TOP_FIRST_INTERVAL_MS * NS_PER_MS;
    }
    if (top->screen != NULL) {
        tp__top_table_arrange(&top->tables[top->view], top->filter);
        tp__top_table_arrange(&top->detail, "");
        tp__top_draw(top);
        return;
    }
    if (top->code != TP_EXIT_DONE) {
        tp__client_say(&top->client, "%s", top->message);
        top->is_done = true;
    } else if (top->tables[top->reading].has_rates) {
        tp__top_print(top);
    }
}

static void
top_read_keys(struct tp_top *top)
{
    char bytes[TOP_KEY_BYTES];
    int64_t len = tp__system_read(tp__system_input(), bytes, sizeof(bytes));

    if (len == -2) {
        /* The terminal is gone. */
        top->is_done = true;
    } else if (len > 0) {
        tp__top_take_keys(top, bytes, (size_t) len);
        if (!top->is_done) {
            tp__top_draw(top);
        }
    }
}

static void
top_end(struct tp_top *top)
{
    tp__system_close_screen(&top->screen);
    if (top->code != TP_EXIT_DONE && top->message[0] != '\0' && !top->client.settings->is_batch
        && !top->client.settings->is_json) {
        tp__client_say(&top->client, "%s", top->message);
    }
    /* Answers that are due find that this is done. */
    tp__client_close(&top->client);
    for (int view = 0; view < TP_TOP_VIEW_COUNT; view++) {
        tp__top_table_fini(&top->tables[view]);
    }
    tp__top_table_fini(&top->detail);
    free(top);
}
