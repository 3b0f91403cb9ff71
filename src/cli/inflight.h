/*
 * cli/inflight.h - exchanges in flight as rows for people; for tp inflight and tp top.
 */
#ifndef TP_CLI_INFLIGHT_H
#define TP_CLI_INFLIGHT_H

#include "cli/sheet.h"

enum {
    TP_INFLIGHT_COLUMN_COUNT = 9,
};

extern const struct tp_column tp__inflight_columns[TP_INFLIGHT_COLUMN_COUNT];

/* Writes what an exchange waits for, in words. */
void tp__inflight_write_awaited(struct tp_str row, char *text, size_t size);

#endif
