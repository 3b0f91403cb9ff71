/*
 * cli/child.h - a command that answers: fed with a body, its output collected.
 */
#ifndef TP_CLI_CHILD_H
#define TP_CLI_CHILD_H

#include "cli/bytes.h"
#include "cli/system.h"

enum {
    TP_CHILD_WAITABLES = 3,
    TP_CHILD_ERRORS_MAX = 512, /* bytes of what it complains that are kept */
};

enum tp_child_end {
    TP_CHILD_RUNS,
    TP_CHILD_ENDED,     /* with child.exit_code */
    TP_CHILD_TOO_LARGE, /* its output exceeded the bound; it was killed */
    TP_CHILD_NO_MEMORY, /* the same */
};

/* All zeros is none. */
struct tp_child {
    struct tp_system_child system;
    struct tp_str input; /* what it has not read yet; borrowed */
    struct tp_bytes output;
    size_t output_max;
    char errors[TP_CHILD_ERRORS_MAX];
    size_t errors_len;
    int exit_code;
};

/* Starts it.  `input` must live as long as the child. */
enum tp_result tp__child_start(struct tp_child *child, const char *command,
                               const struct tp_system_variable *variables, size_t variable_count,
                               struct tp_str input) TP_MUST_CHECK;

/* What it waits for, TP_CHILD_WAITABLES of them. */
void tp__child_fill(const struct tp_child *child, struct tp_waitable *waitables);

/* Writes and reads what can be, and says whether it has ended. */
enum tp_child_end tp__child_turn(struct tp_child *child);

/* The first line of what it complained. */
struct tp_str tp__child_complaint(const struct tp_child *child);

/* Kills it if it runs, and frees what is left of it. */
void tp__child_fini(struct tp_child *child);

#endif
