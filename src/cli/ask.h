/*
 * cli/ask.h - a question to a server's control module and its answer, both in JSON.
 */
#ifndef TP_CLI_ASK_H
#define TP_CLI_ASK_H

#include "cli/client.h"

/* Waits for the answer.  On TP_EXIT_DONE *reply is the caller's; else what is wrong was said. */
enum tp_exit_code tp__ask(struct tp_client *client, struct tp_str uri, struct tp_str body,
                          struct tp_reply **reply);

/* A stream into memory; the text is there once it is closed. */
bool tp__ask_open_text(FILE **file, char **text, size_t *len);

/* A further member of an object that is a text, unless it is NULL. */
void tp__ask_write_member(FILE *file, const char *name, const char *text);

/* Says that what has come is not what a control module answers. */
enum tp_exit_code tp__ask_complain(struct tp_client *client);

#endif
