/*
 * process/status.h - what runs, as JSON: the answer of `teleport -s status`.
 */
#ifndef TP_PROCESS_STATUS_H
#define TP_PROCESS_STATUS_H

#include "base/text.h"
#include "cycle/cycle.h"
#include "process/children.h"
#include "process/reload.h"

/* What the status is drawn from; all borrowed. */
struct tp_status_sources {
    const struct tp_program *program;
    struct tp_cycle *cycle;
    struct tp_children *children;
    const struct tp_reload *reload;
    int64_t uptime_ms;
};

/* Appends one JSON object, formatted for people to read as well. */
void tp__status_write(const struct tp_status_sources *sources, struct tp_text *text);

#endif
