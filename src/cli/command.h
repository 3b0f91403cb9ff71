/*
 * cli/command.h - what a command of tp is: its name, its operands, its options, its manual.
 *
 * A command is a file that defines one of these; the list of them is in commands.c.  What
 * stands in these tables is what is parsed, what --help says, and what the manual page says.
 *
 * Read next: options.h (the values a command is given), pull.c (the plainest command).
 */
#ifndef TP_CLI_COMMAND_H
#define TP_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct tp_settings;

/* ROW(NAME, number, sentence): how tp ends. */
/* clang-format off */
#define TP_EXIT_TABLE(ROW)                                                                        \
    ROW(DONE,          0, "Done; what was asked was answered with status 200.")                   \
    ROW(STATUS,        1, "An answer came, with a status other than 200, 401 and 504.")                        \
    ROW(USAGE,         2, "The command line is wrong; nothing was sent.")                         \
    ROW(UNREACHABLE,   3, "No connection could be had.")                                          \
    ROW(TIMED_OUT,     4, "No answer came in time, or its status was 504.")                       \
    ROW(LOST,          5, "The connection was lost before the answer came.")                      \
    ROW(LOCAL,         6, "Something failed at this end: a file, memory, a limit of the system.") \
    ROW(DENIED,        7, "Who this end is was not proved: its credentials were refused, or the answer's " \
                          "status is 401.")
/* clang-format on */

enum tp_exit_code {
#define TP_EXIT_ENUM_ROW(name, number, sentence) TP_EXIT_##name = (number),
    TP_EXIT_TABLE(TP_EXIT_ENUM_ROW)
#undef TP_EXIT_ENUM_ROW
};

/* Options come in groups; a command takes all options of the groups it names. */
enum tp_option_group {
    TP_OPTIONS_COMMON = 1 << 0,  /* of every command */
    TP_OPTIONS_CONNECT = 1 << 1, /* of those that dial */
    TP_OPTIONS_SEND = 1 << 2,    /* of those that send bodies */
    TP_OPTIONS_SHOW = 1 << 3,    /* of those that show bodies */
    TP_OPTIONS_LISTEN = 1 << 4,  /* of those that may listen */
    TP_OPTIONS_JSON = 1 << 5,
    TP_OPTIONS_SERVE = 1 << 6,
    TP_OPTIONS_BENCH = 1 << 7,
    TP_OPTIONS_PING = 1 << 8,
    TP_OPTIONS_SESSIONS = 1 << 9,
    TP_OPTIONS_CLOSE = 1 << 10,
    TP_OPTIONS_COUNT = 1 << 11, /* of those that do a thing several times */
    TP_OPTIONS_ID = 1 << 12,    /* of those whose session may have an id */
    TP_OPTIONS_TRACE = 1 << 15,
    TP_OPTIONS_HASH = 1 << 16,
    TP_OPTIONS_INFLIGHT = 1 << 17,
    TP_OPTIONS_TOP = 1 << 18,
};

/* One worked example: what to type, and what that does. */
struct tp_command_example {
    const char *line;
    const char *sentence;
};

enum {
    TP_COMMAND_EXAMPLES_MAX = 6,
};

struct tp_command {
    const char *name;
    const char *operands; /* as the usage shows them */
    const char *brief;    /* one sentence */
    const char *manual;   /* paragraphs, apart by an empty line */
    unsigned groups;      /* enum tp_option_group, or-ed; TP_OPTIONS_COMMON goes without saying */
    const char *presets;  /* "redial=-1 timeout=5s": where they differ from the options' own */

    bool takes_address;    /* the first operand, unless it begins with '/' */
    bool is_for_operators; /* the address is that of the control module */
    size_t uris_min;
    size_t uris_max;
    bool takes_body;
    bool takes_number;

    struct tp_command_example examples[TP_COMMAND_EXAMPLES_MAX];
    enum tp_exit_code (*run)(const struct tp_settings *settings);
};

extern const struct tp_command tp__command_pull;
extern const struct tp_command tp__command_push;
extern const struct tp_command tp__command_listen;
extern const struct tp_command tp__command_serve;
extern const struct tp_command tp__command_bench;
extern const struct tp_command tp__command_ping;
extern const struct tp_command tp__command_sessions;
extern const struct tp_command tp__command_close;
extern const struct tp_command tp__command_inflight;
extern const struct tp_command tp__command_top;
extern const struct tp_command tp__command_trace;
extern const struct tp_command tp__command_hash;
extern const struct tp_command tp__command_help;

/* All of them, in the order of the manual; NULL ends the list. */
extern const struct tp_command *const tp__commands[];

/* NULL when there is none of that name. */
const struct tp_command *tp__command_find(const char *name);

/* Its sentence. */
const char *tp__exit_code_sentence(enum tp_exit_code code);

#endif
