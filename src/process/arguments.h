/*
 * process/arguments.h - the command line.
 */
#ifndef TP_PROCESS_ARGUMENTS_H
#define TP_PROCESS_ARGUMENTS_H

#include "base/text.h"
#include "process/control.h"

/* ROW(NAME, letter, value's name or "", sentence): every option. */
/* clang-format off */
#define TP_OPTION_TABLE(ROW)                                                                      \
    ROW(CONF,       'c', "FILE",       "Reads this configuration file instead of the default.")   \
    ROW(PREFIX,     'p', "DIRECTORY",  "Takes relative paths from here instead of the default.")  \
    ROW(DIRECTIVES, 'g', "DIRECTIVES", "Puts these directives in front of the file.")             \
    ROW(TEST,       't', "",           "Checks the configuration, shows every mistake, and ends.") \
    ROW(DUMP,       'T', "",           "Checks it, prints the effective values and where each "   \
                                       "came from, and ends.")                                    \
    ROW(QUIET,      'q', "",           "Prints nothing but errors with -t.")                      \
    ROW(SIGNAL,     's', "COMMAND",    "Steers the running server, and prints its verdict.")      \
    ROW(VERSION,    'v', "",           "Prints the version and ends.")                            \
    ROW(BUILD,      'V', "",           "Prints version, compiler and configure arguments.")       \
    ROW(HELP,       'h', "[TOPIC]",    "Prints this, or what TOPIC is: a directive, or one of "   \
                                       "directives, logs, counters, reasons, variables, hooks, "  \
                                       "protocols.")
/* clang-format on */

enum tp_run_mode {
    TP_RUN_SERVER,
    TP_RUN_TEST,
    TP_RUN_DUMP,
    TP_RUN_COMMAND,
    TP_RUN_VERSION,
    TP_RUN_BUILD,
    TP_RUN_HELP,
};

struct tp_arguments {
    enum tp_run_mode mode;
    const char *conf_file;  /* as given */
    const char *prefix;     /* as given */
    const char *directives; /* of all -g together are one */
    const char *help_topic; /* "" for the usage */
    enum tp_control_command command;
    bool is_quiet;
};

/*
 * Reads the command line.  TP_INVALID: `complaint` says what is wrong.  Texts are
 * borrowed from `argv`.
 */
enum tp_result tp__arguments_parse(int argc, char **argv, struct tp_arguments *arguments,
                                   struct tp_text *complaint) TP_MUST_CHECK;

/* Appends the usage. */
void tp__arguments_usage(struct tp_text *text);

#endif
