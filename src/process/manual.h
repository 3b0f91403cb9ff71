/*
 * process/manual.h - what `teleport -h TOPIC` prints, and docs/reference/ is made of.
 */
#ifndef TP_PROCESS_MANUAL_H
#define TP_PROCESS_MANUAL_H

#include <teleport/module.h>

#include "base/text.h"

/*
 * Appends the manual of `topic`: "directives", "logs", "counters", "reasons", "variables",
 * "hooks", or a single name out of them.  TP_NOT_FOUND: there is no such topic, and `text` says what
 * is near.
 */
enum tp_result tp__manual_write(struct tp_module_list modules, const char *topic,
                                struct tp_text *text) TP_MUST_CHECK;

#endif
