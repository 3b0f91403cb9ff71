/*
 * cli/manual.h - what tp says of itself: --help, the reference, the manual page; all of it
 * from the tables of commands and options.
 */
#ifndef TP_CLI_MANUAL_H
#define TP_CLI_MANUAL_H

#include "cli/command.h"

#include <stdio.h>

/* All commands, each in a line. */
void tp__manual_write_usage(FILE *file);

/* One command: operands, options, examples. */
void tp__manual_write_command(FILE *file, const struct tp_command *command);

/* docs/reference/tp.md, and the manual page tp(1). */
void tp__manual_write_reference(FILE *file);
void tp__manual_write_page(FILE *file);

#endif
