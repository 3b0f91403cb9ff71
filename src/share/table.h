/*
 * share/table.h - teleport/table.h from its other side: tables as zones, made by the master and
 * mapped by everybody.
 *
 * A zone is named after its table; how many cells it has, and of what, is a part of the name of
 * its descriptor, so that a table whose size has changed is another zone beside the old one.
 *
 * Threads: the loop's.
 */
#ifndef TP_SHARE_TABLE_H
#define TP_SHARE_TABLE_H

#include <teleport/table.h>

#include "base/keyed_hash.h"
#include "share/zone.h"

enum {
    TP_TABLE_LABEL_MAX = TP_TABLE_NAME_MAX + 48, /* of a descriptor, its terminator included */
};

/* What a table is to be. */
struct tp_table_plan {
    char name[TP_ZONE_NAME_MAX + 1]; /* of the zone: "table logins" */
    const struct tp_table_layout *layout;
    struct tp_zone_layout zone_layout;
};

struct tp_table {
    struct tp_table_plan plan;
    struct tp_zone zone;
    struct tp_hash_key key; /* the same for all processes of a server */
};

/* `plan` stays where it is as long as zones that were made or opened by it. */
void tp__table_plan(struct tp_table_plan *plan, const char *name,
                    const struct tp_table_layout *layout, uint32_t entry_count);

/* The name of its descriptor, written to `label` of TP_TABLE_LABEL_MAX bytes; returns label. */
const char *tp__table_label(const struct tp_table_plan *plan, char *label);

/* True when `label` names a zone of this table, of whatever size. */
bool tp__table_has_label(const struct tp_table_plan *plan, const char *label);

/* Maps the zone behind `fd`, which stays the caller's.  For errors see tp__zone_open(). */
enum tp_result tp__table_open(struct tp_table *table, const char *name,
                              const struct tp_table_layout *layout, uint32_t entry_count,
                              int fd) TP_MUST_CHECK;
void tp__table_close(struct tp_table *table);

#endif
