/*
 * cli/trace_show.h - an exchange that a server has traced, as people read it.
 */
#ifndef TP_CLI_TRACE_SHOW_H
#define TP_CLI_TRACE_SHOW_H

#include "cli/client.h"

/* Prints a block of lines; `event` is a valid object, as the control module makes them. */
void tp__trace_show(struct tp_client *client, struct tp_str event);

#endif
