/*
 * cli/top.h - what the files of tp top share: what is shown, what was read, and where the keys are.
 *
 *     top.c         the command: begins, loops, ends
 *     top_view.c    what can be shown: a table of views, each with its columns
 *     top_read.c    asks the server, one question after the other, and makes rows of the answers
 *     top_screen.c  a screen of what was read
 *     top_keys.c    what keys do
 *     top_print.c   --batch and --json
 */
#ifndef TP_CLI_TOP_H
#define TP_CLI_TOP_H

#include "cli/client.h"
#include "cli/sheet.h"

enum {
    TP_TOP_FILTER_MAX = 64,
    TP_TOP_MESSAGE_MAX = 256,
    TP_TOP_CURSOR_MAX = 32,
};

enum tp_top_view_number {
    TP_TOP_SESSIONS,
    TP_TOP_ROUTES,
    TP_TOP_UPSTREAMS,
    TP_TOP_WORKERS,
    TP_TOP_INFLIGHT,
    TP_TOP_VIEW_COUNT,
};

struct tp_top_view {
    const char *name;
    const char *uri;   /* of what is asked; NULL: the statistics have it */
    const char *array; /* the member of the answer that has the rows */
    const struct tp_column *columns;
    size_t column_count;
    const char *keys[TP_SHEET_KEYS_MAX];
    const char *sort; /* the title of the column it is sorted by at first */
};

extern const struct tp_top_view tp__top_views[TP_TOP_VIEW_COUNT];

/* Of the server as a whole.  NaN: it does not say. */
enum tp_top_total {
    TP_TOTAL_SESSIONS,
    TP_TOTAL_IN_FLIGHT,
    TP_TOTAL_REQUESTS,
    TP_TOTAL_ERRORS,
    TP_TOTAL_SLOW,
    TP_TOTAL_PACKETS_IN,
    TP_TOTAL_PACKETS_OUT,
    TP_TOTAL_BYTES_IN,
    TP_TOTAL_BYTES_OUT,
    TP_TOTAL_WORKERS,
    TP_TOTAL_LOOP_P99,
    TP_TOTAL_LOOP_MAX,
    TP_TOTAL_UPTIME,
    TP_TOTAL_GENERATION,
    TP_TOTAL_COUNT,
};

struct tp_top_totals {
    double values[TP_TOTAL_COUNT]; /* what only grows: so much each second, once that is known */
    double counts[TP_TOTAL_COUNT]; /* as they were told */
};

/* What is read of the statistics: where, and whether that only grows. */
struct tp_top_total_row {
    const char *name;   /* for programs */
    const char *array;  /* summed up over its rows; NULL: one value */
    const char *member; /* its path; NULL: the number of rows */
    bool is_rate;
};

extern const struct tp_top_total_row tp__top_totals[TP_TOTAL_COUNT];

/* The rows of a view. */
struct tp_top_table {
    struct tp_sheet sheet;
    struct tp_sheet coming; /* while they are read */
    uint64_t read_ns;       /* when `sheet` was asked for; 0: never */
    double seconds;         /* since those before */
    bool has_rates;
    bool has_more; /* than were looked at */
    size_t sort;   /* a column */
    bool is_reversed;
    uint64_t selected; /* the key of a row; 0: the first */
    size_t first;      /* of those that are shown: at the top of the screen */
    size_t *shown;     /* rows that the filter lets pass */
    size_t shown_count;
};

enum tp_top_mode {
    TP_TOP_TABLE,
    TP_TOP_FILTER,  /* letters are the filter's */
    TP_TOP_CONFIRM, /* y closes a session */
    TP_TOP_DETAIL,  /* one row, and what its session has in flight */
    TP_TOP_HELP,
};

/* Where the reading is. */
enum tp_top_step {
    TP_TOP_IDLE,
    TP_TOP_READS_STATS,
    TP_TOP_READS_ROWS,
    TP_TOP_READS_DETAIL,
    TP_TOP_CLOSES,
};

struct tp_top {
    struct tp_client client;
    struct tp_system_screen *screen; /* NULL: what is read is printed */
    struct tp_top_table tables[TP_TOP_VIEW_COUNT];
    struct tp_top_table detail; /* what the session has in flight */
    struct tp_top_totals totals;
    uint64_t totals_ns;
    bool has_stats;
    enum tp_top_view_number view;

    /* What is being asked. */
    enum tp_top_step step;
    enum tp_top_view_number reading; /* the view that it is for */
    uint64_t asked_ns;
    char cursor[TP_TOP_CURSOR_MAX];
    uint64_t next_ns; /* of the next reading */
    bool is_wanted;   /* a reading, as soon as that is possible */
    size_t reading_count;
    enum tp_exit_code code; /* of what went wrong last */
    char message[TP_TOP_MESSAGE_MAX];

    /* The user's. */
    enum tp_top_mode mode;
    int64_t interval_ms;
    bool is_paused;
    bool is_done;
    char filter[TP_TOP_FILTER_MAX];
    uint64_t target;     /* the number of the session that details or a question are about */
    uint64_t detail_key; /* of the row in the view's table */
    unsigned columns;
    unsigned rows;
};

/* ---- top_view.c ---- */

/* The view of that name; TP_TOP_VIEW_COUNT: there is none. */
enum tp_top_view_number tp__top_view_find(const char *name);

/* The column of that title, in whatever case; the count of columns: there is none. */
size_t tp__top_column_find(const struct tp_top_view *view, const char *title);

/* All zeros becomes a table without rows. */
void tp__top_table_init(struct tp_top_table *table, const struct tp_top_view *view);
void tp__top_table_fini(struct tp_top_table *table);

/* What was read becomes what is shown, with rates. */
void tp__top_table_turn_over(struct tp_top_table *table, uint64_t asked_ns);

/* Sorts and filters anew. */
void tp__top_table_arrange(struct tp_top_table *table, const char *filter);

/* The row that is selected, and its place among those that are shown; NULL: there is none. */
const struct tp_sheet_row *tp__top_table_selected(const struct tp_top_table *table, size_t *at);

/* The row that details are shown of; false: it is not there any more. */
bool tp__top_detail_row(const struct tp_top *top, struct tp_sheet_row *row);

/* A number of a row or of anything else in JSON; NaN: there is none. */
double tp__top_number(struct tp_str json, const char *path);

/* ---- top_read.c ---- */

/* Asks for all that the view shows; while something is being asked, afterwards. */
void tp__top_read(struct tp_top *top);

/* Asks the server to close the session. */
void tp__top_close_session(struct tp_top *top, uint64_t number);

/* Called by it when a reading has come whole, or has failed: top.c. */
void tp__top_on_read(struct tp_top *top);

/* ---- top_screen.c, top_keys.c, top_print.c ---- */

void tp__top_draw(struct tp_top *top);
void tp__top_take_keys(struct tp_top *top, const char *bytes, size_t len);
void tp__top_print(struct tp_top *top);

/* How many rows of a table fit the screen now. */
size_t tp__top_row_room(const struct tp_top *top);

#endif
