/*
 * stats_groups.c - the tables of stats_groups.h, as readers see them.
 *
 * Runs in: every process of a server.  Owns: nothing.
 */
#include "metrics/stats_groups.h"

#define STATS_ROW(member, kind, unit, sentence) \
    { #member, TP_METER_##kind, unit, NULL, sentence },
#define STATS_ROWS(NAME, TABLE, name, plural, labels, sentence) \
    static const struct tp_meter_row stats_##name##_rows[] = { TP_##TABLE##_COUNT_TABLE(STATS_ROW) };
TP_STATS_GROUP_TABLE(STATS_ROWS)
#undef STATS_ROWS
#undef STATS_ROW

#define STATS_GROUP(NAME, TABLE, name, plural, labels, sentence)                                   \
    [TP_STATS_##NAME] = { #name, labels, sentence, stats_##name##_rows,                            \
                          TP_COUNT_OF(stats_##name##_rows) },
static const struct tp_meter_group stats_groups[] = { TP_STATS_GROUP_TABLE(STATS_GROUP) };
#undef STATS_GROUP

#define STATS_PLURAL(NAME, TABLE, name, plural, labels, sentence) [TP_STATS_##NAME] = plural,
static const char *const stats_plurals[] = { TP_STATS_GROUP_TABLE(STATS_PLURAL) };
#undef STATS_PLURAL

static const struct tp_stats_bound stats_bounds[TP_STATS_GROUP_COUNT] = {
    [TP_STATS_STATUS] = { .named = 1, .family_max = TP_STATS_CODES_MAX },
    [TP_STATS_UPSTREAM] = { .named = 0, .family_max = TP_STATS_MEMBERS_MAX },
};

_Static_assert(TP_METERS_MAX / 2 >= TP_STATS_CODES_MAX * TP_STATS_FAMILIES_MAX,
               "codes leave places for what the configuration names");
_Static_assert(TP_METER_VALUES_MAX / 4 * sizeof(tp_meter_value)
                   >= TP_STATS_MEMBERS_MAX * sizeof(struct tp_upstream_counts),
               "members leave values for what the configuration names");

const struct tp_meter_group *
tp__stats_group(enum tp_stats_group group)
{
    TP_ASSERT(group < TP_STATS_GROUP_COUNT);
    return &stats_groups[group];
}

const struct tp_stats_bound *
tp__stats_bound(enum tp_stats_group group)
{
    TP_ASSERT(group < TP_STATS_GROUP_COUNT && stats_bounds[group].family_max > 0);
    return &stats_bounds[group];
}

const char *
tp__stats_group_plural(enum tp_stats_group group)
{
    TP_ASSERT(group < TP_STATS_GROUP_COUNT);
    return stats_plurals[group];
}
