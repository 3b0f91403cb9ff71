/*
 * commands.c - the list of commands, and how tp ends.
 */
#include "cli/command.h"

#include <string.h>

const struct tp_command *const tp__commands[] = {
    &tp__command_pull,  &tp__command_push,     &tp__command_listen, &tp__command_serve,
    &tp__command_ping,  &tp__command_bench,    &tp__command_sessions, &tp__command_close,
    &tp__command_top,   &tp__command_inflight, &tp__command_trace, &tp__command_hash,
    &tp__command_help,  NULL,
};

const struct tp_command *
tp__command_find(const char *name)
{
    for (size_t i = 0; tp__commands[i] != NULL; i++) {
        if (strcmp(tp__commands[i]->name, name) == 0) {
            return tp__commands[i];
        }
    }
    return NULL;
}

const char *
tp__exit_code_sentence(enum tp_exit_code code)
{
    switch (code) {
#define EXIT_SENTENCE_ROW(name, number, sentence) \
    case TP_EXIT_##name: \
        return sentence;
        TP_EXIT_TABLE(EXIT_SENTENCE_ROW)
#undef EXIT_SENTENCE_ROW
    }
    return "";
}
