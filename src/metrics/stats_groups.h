/*
 * metrics/stats_groups.h - what the server counts of each route, listening address, upstream server …:
 * the one table of their names, units and sentences.  What it counts of itself is in counters.h,
 * what modules count is in their own tables.
 *
 * A group is a struct of counts, in the order of its rows, that stands in shared memory once for
 * each process and each thing that is counted (metrics/meters.h).
 */
#ifndef TP_METRICS_STATS_GROUPS_H
#define TP_METRICS_STATS_GROUPS_H

#include "metrics/meters.h"

/* ROW(member, KIND, "unit", "Sentence."): a member of its struct and its name for people. */
/* clang-format off */
#define TP_EXCHANGE_COUNT_TABLE(ROW)                                                               \
    ROW(in_flight,      GAUGE,     "exchanges",    "Those that have begun and not ended.")         \
    ROW(exchanges,      COUNTER,   "exchanges",    "Those that have ended.")                       \
    ROW(errors,         COUNTER,   "exchanges",    "Those that ended with another status than 200.") \
    ROW(slow,           COUNTER,   "exchanges",    "Those that took as long as slow_threshold says.") \
    ROW(received_bytes, COUNTER,   "bytes",        "Bytes of the packets received for them.")      \
    ROW(sent_bytes,     COUNTER,   "bytes",        "Bytes of the packets sent for them.")          \
    ROW(duration,       HISTOGRAM, "microseconds", "From the whole request to its outcome.")

#define TP_STATUS_COUNT_TABLE(ROW)                                                                 \
    ROW(exchanges,      COUNTER,   "exchanges",    "Exchanges that ended with this status.")

#define TP_TRAFFIC_COUNT_TABLE(ROW)                                                                \
    ROW(sessions,         GAUGE,   "sessions",     "Open sessions.")                               \
    ROW(begun,            COUNTER, "sessions",     "Sessions, or connections of dialed ones, that have spoken this protocol.") \
    ROW(received_packets, COUNTER, "packets",      "Packets received.")                            \
    ROW(sent_packets,     COUNTER, "packets",      "Packets sent.")                                \
    ROW(received_bytes,   COUNTER, "bytes",        "Bytes received, sealed ones as they came.")               \
    ROW(sent_bytes,       COUNTER, "bytes",        "Bytes sent, sealed ones as they left.")

#define TP_CLOSE_COUNT_TABLE(ROW)                                                                  \
    ROW(sessions,       COUNTER,   "sessions",     "Sessions, or connections of dialed ones, that ended so.")

#define TP_UPSTREAM_COUNT_TABLE(ROW)                                                               \
    ROW(in_flight,      GAUGE,     "exchanges",    "Exchanges that are passed on and not answered.") \
    ROW(sessions,       GAUGE,     "sessions",     "Open sessions to it.")                         \
    ROW(is_down,        GAUGE,     "workers",      "Workers that leave it alone now, because it failed; of a row of several, for each of them.") \
    ROW(exchanges,      COUNTER,   "exchanges",    "Exchanges that were given to it and have ended.") \
    ROW(errors,         COUNTER,   "exchanges",    "Those that it did not answer, or with 502, 503 or 504.") \
    ROW(duration,       HISTOGRAM, "microseconds", "From passing on to the outcome.")

#define TP_MEMORY_COUNT_TABLE(ROW)                                                                 \
    ROW(bytes,          GAUGE,     "bytes",        "Bytes that this kind of thing takes now.")

#define TP_LOOP_COUNT_TABLE(ROW)                                                                   \
    ROW(turn,           HISTOGRAM, "microseconds", "How long turns of the loop took: so long everybody else waited.")

/* GROUP(NAME, TABLE, name, "plural", "labels", "Sentence."), by TABLE of its rows */
#define TP_STATS_GROUP_TABLE(GROUP)                                                                \
    GROUP(ROUTE,    EXCHANGE, route,    "routes",    "server type uri",                            \
          "What was asked of us, by route; what has none is uri=\"-\".")                         \
    GROUP(ASKED,    EXCHANGE, asked,    "asked",     "server type",                                \
          "What we ourselves asked and told, and passed on.")                                      \
    GROUP(STATUS,   STATUS,   status,   "statuses",  "server code",                                \
          "What was asked of us and ended with another status than 200; code=\"other\": too many different ones.") \
    GROUP(TRAFFIC,  TRAFFIC,  traffic,  "traffic",   "kind name protocol",                         \
          "Sessions by the listen or dial they belong to; while nothing tells, of protocol=\"-\".") \
    GROUP(CLOSE,    CLOSE,    close,    "closes",    "reason",                                     \
          "Why sessions ended.")                                                                   \
    GROUP(UPSTREAM, UPSTREAM, upstream, "upstreams", "upstream address",                           \
          "What was passed on, by whom it was given to; \"other\": too many members of registries.") \
    GROUP(MEMORY,   MEMORY,   memory,   "memory",    "kind",                                       \
          "What memory is used for.")                                                              \
    GROUP(LOOP,     LOOP,     loop,     "loops",     "",                                           \
          "The loops of the workers.")
/* clang-format on */

#define TP_COUNT_TYPE_COUNTER   tp_meter_value
#define TP_COUNT_TYPE_GAUGE     tp_meter_value
#define TP_COUNT_TYPE_HISTOGRAM struct tp_meter_histogram

#define TP_COUNTS_MEMBER(member, kind, unit, sentence) TP_COUNT_TYPE_##kind member;
struct tp_exchange_counts {
    TP_EXCHANGE_COUNT_TABLE(TP_COUNTS_MEMBER)
};
struct tp_status_counts {
    TP_STATUS_COUNT_TABLE(TP_COUNTS_MEMBER)
};
struct tp_traffic_counts {
    TP_TRAFFIC_COUNT_TABLE(TP_COUNTS_MEMBER)
};
struct tp_close_counts {
    TP_CLOSE_COUNT_TABLE(TP_COUNTS_MEMBER)
};
struct tp_upstream_counts {
    TP_UPSTREAM_COUNT_TABLE(TP_COUNTS_MEMBER)
};
struct tp_memory_counts {
    TP_MEMORY_COUNT_TABLE(TP_COUNTS_MEMBER)
};
struct tp_loop_counts {
    TP_LOOP_COUNT_TABLE(TP_COUNTS_MEMBER)
};
#undef TP_COUNTS_MEMBER

enum tp_stats_group {
#define TP_STATS_ENUM_GROUP(NAME, TABLE, name, plural, labels, sentence) TP_STATS_##NAME,
    TP_STATS_GROUP_TABLE(TP_STATS_ENUM_GROUP)
#undef TP_STATS_ENUM_GROUP
    TP_STATS_GROUP_COUNT
};

const struct tp_meter_group *tp__stats_group(enum tp_stats_group group);

/*
 * Rows that are not named by the configuration but by who sends something: so many have a place of
 * their own, and all others count together, as TP_STATS_OTHER.  So nobody from outside takes the
 * places of what the configuration names.
 */
enum {
    TP_STATS_CODES_MAX = 32,     /* of each server; codes of TP_STATUS_TABLE are besides these */
    TP_STATS_MEMBERS_MAX = 256,  /* of all registries: services with their addresses */
    TP_STATS_FAMILIES_MAX = 128, /* servers with such codes, and the registries */
};
#define TP_STATS_OTHER "other"

/* Which rows of a group those may be. */
struct tp_stats_bound {
    unsigned named;      /* labels that the configuration names all the same, the first ones */
    uint32_t family_max; /* rows of which these are the same */
};
const struct tp_stats_bound *tp__stats_bound(enum tp_stats_group group);

/* What many of it are called: "routes". */
const char *tp__stats_group_plural(enum tp_stats_group group);

/* One writer per block: a load and a store are enough. */
static inline void
tp__count_add(tp_meter_value *value, uint64_t count)
{
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

/* Of gauges. */
static inline void
tp__count_set(tp_meter_value *value, uint64_t now)
{
    atomic_store_explicit(value, now, memory_order_relaxed);
}

static inline void
tp__count_sub(tp_meter_value *value, uint64_t count)
{
    tp__count_add(value, UINT64_MAX - count + 1);
}

static inline void
tp__count_value(struct tp_meter_histogram *histogram, int64_t value)
{
    uint64_t counted = value > 0 ? (uint64_t) value : 0;

    tp__count_add(&histogram->sum, counted);
    tp__count_add(&histogram->buckets[tp_meter_bucket(counted)], 1);
}

#endif
