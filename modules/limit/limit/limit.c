/*
 * limit.c - bounds how many sessions there are, and how much they ask, for all workers together.
 *
 * Each rule has a zone: a table that workers share, where a key has its count.  What is refused
 * is counted, and logged at most once a second for each rule.
 *
 * Runs in: worker; the rules are checked when a configuration is loaded.
 * Read next: limit_conn.c, limit_rate.c.
 */
#include "limit.h"

#include <stdlib.h>
#include <string.h>

enum {
    ZONE_HASH_START = 0x811c9dc5, /* FNV-1a, 32 bits */
    ZONE_HASH_PRIME = 0x01000193,
};

static enum tp_result limit_start(struct tp_sessions *home, const void *module_conf);
static void limit_stop(struct tp_sessions *home, const void *module_conf);
static bool limit_wants_hook_at(const void *module_conf, enum tp_hook_point point);
static void limit_validate(const struct tp_block *block, void *module_conf);
static void limit_validate_conns(const struct tp_block *block, const char *directive,
                                 const struct tp_items *conns);
static void limit_validate_rates(const struct tp_block *block, const struct tp_items *rates);
static uint32_t rate_place_hash(const struct limit_rate *rate);
static uint32_t hash_add(uint32_t hash, struct tp_str text);
static void rate_validate_burst(const struct tp_block *block, size_t item, struct limit_rate *rate);
static void rule_validate(const struct tp_block *block, const char *directive, size_t item,
                          struct limit_rule *rule);
static void limit_release(void *module_conf);
static void rule_release(struct limit_rule *rule);
static const char *limit_parse_speed(struct tp_str text, void *field);
static bool speed_parse_count(struct tp_str text, struct limit_speed *speed);
static enum tp_result limit_save(const void *data, struct tp_buf_pool *pool,
                                 struct tp_chain *saved);
static enum tp_result limit_restore(void *data, struct tp_str saved);

static const struct tp_custom_type speed_type = {
    .word = "rate",
    .parse = limit_parse_speed,
};

static const struct tp_word by_words[] = {
    { "address", LIMIT_BY_ADDRESS },
    { "id", LIMIT_BY_ID },
    { NULL, 0 },
};

static const struct tp_argument conn_arguments[] = {
    {
        .name = "MAX", .kind = TP_ARGUMENT_REQUIRED,
        TP_NUMBER(struct limit_conn, max), .min = "1", .max = "1000000000",
        .brief = "As many sessions may there be for one key.",
    },
    {
        .name = "zone", .kind = TP_ARGUMENT_NAMED,
        TP_TEXT(struct limit_conn, rule.zone),
        .brief = "The name of the table where workers count together; needed.",
    },
    {
        .name = "by", .kind = TP_ARGUMENT_NAMED,
        TP_WORD(struct limit_conn, by, by_words), .preset = "address",
        .brief = "The key: the address of the other end (of IPv6: its first 64 bits), or the id "
                 "that it has proved.",
    },
    {
        .name = "entries", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct limit_conn, rule.entries),
        .preset = "16384", .min = "1", .max = "1048576",
        .brief = "For so many keys the table has room; a key takes about 2 KB. Sessions of an "
                 "address that finds none are refused.",
    },
};

static const struct tp_argument total_arguments[] = {
    {
        .name = "MAX", .kind = TP_ARGUMENT_REQUIRED,
        TP_NUMBER(struct limit_conn, max), .min = "1", .max = "1000000000",
        .brief = "As many sessions may there be.",
    },
    {
        .name = "zone", .kind = TP_ARGUMENT_NAMED,
        TP_TEXT(struct limit_conn, rule.zone),
        .brief = "Servers whose rules name the same one are counted together; needed.",
    },
};

static const struct tp_argument rate_arguments[] = {
    {
        .name = "RATE", .kind = TP_ARGUMENT_REQUIRED,
        TP_CUSTOM(struct limit_rate, speed, struct limit_speed, &speed_type),
        .brief = "Packets such as 100r/s or 10r/m, or bytes such as 64k/s.",
    },
    {
        .name = "zone", .kind = TP_ARGUMENT_NAMED,
        TP_TEXT(struct limit_rate, rule.zone),
        .brief = "Names the rule, and the table where workers count together; needed.",
    },
    {
        .name = "key", .kind = TP_ARGUMENT_NAMED,
        TP_TEMPLATE(struct limit_rate, key),
        .brief = "Packets of one key share the rate: $remote_addr, $auth_id, $route. Where it is "
                 "empty the rule does not count. Without it each session has a rate of its own.",
    },
    {
        .name = "burst", .kind = TP_ARGUMENT_NAMED,
        TP_SIZE(struct limit_rate, burst), .preset = "0", .max = "1g",
        .brief = "As many packets, or bytes, may come at once; 0: as many as in a second, at "
                 "least one.",
    },
    {
        .name = "delay", .kind = TP_ARGUMENT_NAMED,
        TP_TIME(struct limit_rate, delay), .preset = "0s", .max = "1m",
        .brief = "What comes too fast waits for its turn, if that takes no longer; else it is "
                 "refused.",
    },
    {
        .name = "entries", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct limit_rate, rule.entries),
        .preset = "65536", .min = "1", .max = "4194304",
        .brief = "For so many keys the table has room; a key takes 256 bytes.",
    },
};

static const struct tp_directive limit_directives[] = {
    {
        .name = "limit_conn", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct limit_conf, conns, struct limit_conn),
        TP_ARGUMENTS(conn_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Bounds how many sessions there are from one address, or of one id.",
    },
    {
        .name = "limit_total", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct limit_conf, totals, struct limit_conn),
        TP_ARGUMENTS(total_arguments), .applies = TP_APPLIES_NEW_SESSIONS, .since = "0.1",
        .brief = "Bounds how many sessions servers have, on all workers together.",
    },
    {
        .name = "limit_rate", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_REPEATED(struct limit_conf, rates, struct limit_rate),
        TP_ARGUMENTS(rate_arguments), .since = "0.1",
        .brief = "Bounds how many PULLs and PUSHes are served, or how many bytes of them.",
    },
    {
        .name = "limit_dry_run", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_FLAG(struct limit_conf, is_dry_run), .preset = "off", .since = "0.1",
        .brief = "Counts and logs what the limits would refuse, and lets it pass.",
    },
};

static const struct tp_meter_row limit_meters[] = {
    { "limit_refused", TP_METER_COUNTER, "sessions or packets", "zone",
      "What a rule of limits has refused." },
    { "limit_delayed", TP_METER_COUNTER, "packets", "zone",
      "Packets that have waited because they came too fast." },
    { "limit_would_refuse", TP_METER_COUNTER, "sessions or packets", "zone",
      "What a rule would have refused or delayed without limit_dry_run." },
    { "limit_uncounted", TP_METER_COUNTER, "sessions or packets", "zone",
      "What was let pass uncounted, because the table had no room for another key." },
};

enum {
    METER_REFUSED,
    METER_DELAYED,
    METER_WOULD_REFUSE,
    METER_UNCOUNTED,
};

static const struct tp_log_id limit_log_ids[] = {
    { "limit-reached",
      "A rule of limits has refused or delayed a session or packet, or would have without "
      "limit_dry_run, or could not count it because its table is full (table-full). Of one rule that is said "
      "once a second, with how many were not logged since." },
};

const struct tp_module tp_module_limit = {
    .name = "limit",
    .brief = "Bounds sessions and rates, for all workers together.",
    .conf_size = sizeof(struct limit_conf),
    TP_DIRECTIVES(limit_directives),
    TP_LOG_IDS(limit_log_ids),
    TP_METERS(limit_meters),
    .run_after = "access",
    .validate = limit_validate,
    .release = limit_release,
    .start = limit_start,
    .stop = limit_stop,
    .session = {
        .size = sizeof(struct limit_session),
        .on_conf = limit_conn_on_conf,
        .on_identity = limit_conn_on_identity,
        .on_restored = limit_conn_on_restored,
        .save = limit_save,
        .restore = limit_restore,
    },
    .hooks = {
        .at = {
            [TP_HOOK_POST_ACCEPT] = limit_conn_on_accept,
            [TP_HOOK_POST_DISCONNECT] = limit_conn_on_disconnect,
            [TP_HOOK_POST_READ_PULL_HEADER] = limit_rate_on_header,
            [TP_HOOK_POST_READ_PUSH_HEADER] = limit_rate_on_header,
        },
    },
    .wants_hook_at = limit_wants_hook_at,
};

uint32_t
limit_zone_hash(struct tp_str zone)
{
    uint32_t hash = hash_add(ZONE_HASH_START, zone);

    return hash == 0 ? 1 : hash;
}

/* Rates that share a zone may have different keys, and a reload may bring another one. */
static uint32_t
rate_place_hash(const struct limit_rate *rate)
{
    uint32_t hash = rate->rule.zone_hash;

    for (size_t i = 0; i < rate->key.count; i++) {
        const struct tp_template_part *part = &rate->key.parts[i];

        hash = hash_add(hash, part->text);
        hash = (hash ^ (uint32_t) part->variable) * ZONE_HASH_PRIME;
        hash = hash_add(hash, part->name);
    }
    return hash == 0 ? 1 : hash;
}

static uint32_t
hash_add(uint32_t hash, struct tp_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (uint8_t) text.data[i]) * ZONE_HASH_PRIME;
    }
    return hash;
}

void
limit_log(const struct limit_rule *rule, const struct tp_session *session, const char *what)
{
    struct limit_state *state = rule->state;
    int64_t now_ms = tp_session_now_ms(session);
    char remote[TP_ADDRESS_TEXT_MAX];

    if (state->logged_ms != 0 && now_ms - state->logged_ms < LIMIT_LOG_PAUSE_MS) {
        state->silent_count++;
        return;
    }
    tp_log_info(tp_session_log(session), "limit-reached",
                "what=%s zone=%.*s remote=%s number=%llu unlogged=%llu", what,
                TP_STR_ARG(rule->zone), tp_address_format(tp_session_remote(session), remote),
                (unsigned long long) tp_session_number(session),
                (unsigned long long) state->silent_count);
    state->logged_ms = now_ms;
    state->silent_count = 0;
}

static enum tp_result
limit_start(struct tp_sessions *home, const void *module_conf)
{
    limit_conn_start(home, module_conf);
    return TP_OK;
}

static void
limit_stop(struct tp_sessions *home, const void *module_conf)
{
    (void) home;
    limit_rate_stop(module_conf);
}

/* Who bounds sessions only has nothing to do with packets. */
static bool
limit_wants_hook_at(const void *module_conf, enum tp_hook_point point)
{
    const struct limit_conf *conf = module_conf;
    bool is_of_sessions = point == TP_HOOK_POST_ACCEPT || point == TP_HOOK_POST_DISCONNECT;

    return (is_of_sessions ? conf->conns.count + conf->totals.count : conf->rates.count) > 0;
}

static void
limit_validate(const struct tp_block *block, void *module_conf)
{
    const struct limit_conf *conf = module_conf;
    struct limit_conn *totals = conf->totals.items;

    for (size_t i = 0; i < conf->totals.count; i++) {
        totals[i].by = LIMIT_BY_NOTHING;
        totals[i].rule.entries = 1;
    }
    if (conf->conns.count + conf->totals.count > LIMIT_CHARGES_MAX) {
        tp_conf_complain(block, "limit_conn", 0, "a server has at most %d rules of connections",
                         LIMIT_CHARGES_MAX);
    }
    limit_validate_conns(block, "limit_conn", &conf->conns);
    limit_validate_conns(block, "limit_total", &conf->totals);
    limit_validate_rates(block, &conf->rates);
}

static void
limit_validate_conns(const struct tp_block *block, const char *directive,
                     const struct tp_items *conns)
{
    struct limit_conn *items = conns->items;

    for (size_t i = 0; i < conns->count; i++) {
        struct limit_rule *rule = &items[i].rule;

        rule_validate(block, directive, i, rule);
        if (rule->zone.len > 0) {
            tp_table_declare(block, directive, &rule->table, &limit_conn_layout, rule->zone,
                             (uint32_t) rule->entries);
        }
        for (size_t j = 0; j < i; j++) {
            if (limit_zone_hash(items[j].rule.zone) == limit_zone_hash(rule->zone)) {
                tp_conf_complain(block, directive, i, "another rule here has this zone");
            }
        }
    }
}

static void
limit_validate_rates(const struct tp_block *block, const struct tp_items *rates)
{
    struct limit_rate *items = rates->items;

    if (rates->count > LIMIT_BUCKETS_MAX) {
        tp_conf_complain(block, "limit_rate", 0, "there are at most %d rates in a block",
                         LIMIT_BUCKETS_MAX);
    }
    for (size_t i = 0; i < rates->count; i++) {
        struct limit_rule *rule = &items[i].rule;

        rule_validate(block, "limit_rate", i, rule);
        rate_validate_burst(block, i, &items[i]);
        items[i].is_of_session = tp_template_is_of_session(&items[i].key);
        items[i].place_hash = rate_place_hash(&items[i]);
        if (rule->zone.len > 0 && items[i].key.count > 0) {
            tp_table_declare(block, "limit_rate", &rule->table, &limit_rate_layout, rule->zone,
                             (uint32_t) rule->entries);
        }
        for (size_t j = 0; j < i; j++) {
            if (limit_zone_hash(items[j].rule.zone) == limit_zone_hash(rule->zone)) {
                tp_conf_complain(block, "limit_rate", i, "another rate here has this zone");
            }
        }
    }
}

/* Gives it one where none is written; it must not take longer than a bucket can remember. */
static void
rate_validate_burst(const struct tp_block *block, size_t item, struct limit_rate *rate)
{
    if (rate->burst.bytes == 0) {
        uint64_t in_a_second = rate->speed.count * UINT64_C(1000000000);

        rate->burst.bytes = in_a_second / rate->speed.period_ns;
    }
    if (rate->burst.bytes == 0) {
        rate->burst.bytes = 1;
    }
    rate->unit_ns = limit_speed_time_ns(&rate->speed, 1);
    rate->burst_ns = limit_speed_time_ns(&rate->speed, rate->burst.bytes);
    if (rate->burst_ns == LIMIT_TIME_MAX_NS && tp_block_writes(block, "limit_rate")) {
        tp_conf_complain(block, "limit_rate", item,
                         "at this rate the burst takes more than 73 years");
    }
}

/* Blocks share items, so this may not be the first time. */
static void
rule_validate(const struct tp_block *block, const char *directive, size_t item,
              struct limit_rule *rule)
{
    if (rule->zone.len == 0) {
        if (tp_block_writes(block, directive)) {
            tp_conf_complain(block, directive, item, "it needs a name: zone=NAME");
        }
        return;
    }
    if (rule->zone.len > TP_TABLE_NAME_MAX) {
        tp_conf_complain(block, directive, item, "a zone's name is at most %d bytes long",
                         TP_TABLE_NAME_MAX);
        return;
    }
    rule->zone_hash = limit_zone_hash(rule->zone);
    if (rule->state == NULL) {
        rule->state = calloc(1, sizeof(*rule->state));
    }
    if (rule->state == NULL) {
        tp_conf_complain(block, directive, item, "memory is out");
    }
    tp_meter_declare(block, &rule->refused, &limit_meters[METER_REFUSED], rule->zone);
    tp_meter_declare(block, &rule->delayed, &limit_meters[METER_DELAYED], rule->zone);
    tp_meter_declare(block, &rule->would_refuse, &limit_meters[METER_WOULD_REFUSE], rule->zone);
    tp_meter_declare(block, &rule->uncounted, &limit_meters[METER_UNCOUNTED], rule->zone);
}

static void
limit_release(void *module_conf)
{
    const struct limit_conf *conf = module_conf;
    struct limit_conn *conns = conf->conns.items;
    struct limit_conn *totals = conf->totals.items;
    struct limit_rate *rates = conf->rates.items;

    for (size_t i = 0; i < conf->conns.count; i++) {
        rule_release(&conns[i].rule);
    }
    for (size_t i = 0; i < conf->totals.count; i++) {
        rule_release(&totals[i].rule);
    }
    for (size_t i = 0; i < conf->rates.count; i++) {
        rule_release(&rates[i].rule);
    }
}

static void
rule_release(struct limit_rule *rule)
{
    free(rule->state);
    rule->state = NULL;
}

/* "100r/s", "10r/m"; "64k/s": of bytes. */
static const char *
limit_parse_speed(struct tp_str text, void *field)
{
    static const char wanted[] = "a rate such as 100r/s, 10r/m or 64k/s";
    static const struct {
        char unit;
        uint64_t period_ns;
    } periods[] = {
        { 's', UINT64_C(1000000000) },
        { 'm', UINT64_C(60000000000) },
        { 'h', UINT64_C(3600000000000) },
    };
    struct limit_speed speed = { .period_ns = 0 };

    if (text.len < 3 || text.data[text.len - 2] != '/') {
        return wanted;
    }
    for (size_t i = 0; i < TP_COUNT_OF(periods); i++) {
        if (periods[i].unit == text.data[text.len - 1]) {
            speed.period_ns = periods[i].period_ns;
        }
    }
    if (speed.period_ns == 0
        || !speed_parse_count((struct tp_str){ text.data, text.len - 2 }, &speed)) {
        return wanted;
    }
    *(struct limit_speed *) field = speed;
    return NULL;
}

/* Digits, and an "r" for packets, or nothing, "k", "m" or "g" for bytes. */
static bool
speed_parse_count(struct tp_str text, struct limit_speed *speed)
{
    enum {
        COUNT_MAX = 1 << 30,
    };
    uint64_t factor = 1;
    char unit = text.data[text.len - 1];

    speed->is_of_bytes = unit != 'r';
    factor = unit == 'k' ? 1 << 10 : unit == 'm' ? 1 << 20 : unit == 'g' ? 1 << 30 : 1;
    text.len -= unit >= '0' && unit <= '9' ? 0 : 1;
    if ((unit < '0' || unit > '9') && unit != 'r' && factor == 1) {
        return false;
    }
    speed->count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || speed->count > COUNT_MAX) {
            return false;
        }
        speed->count = speed->count * 10 + (uint64_t) (text.data[i] - '0');
    }
    speed->count *= factor;
    return text.len > 0 && speed->count > 0 && speed->count <= COUNT_MAX;
}

/* The struct as it is, but for its pointer; one of another size is not understood. */
static enum tp_result
limit_save(const void *data, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    struct limit_session session = *(const struct limit_session *) data;

    session.conf = NULL;
    return tp_chain_append_copy(saved, pool,
                                (struct tp_str){ (const char *) &session, sizeof(session) });
}

static enum tp_result
limit_restore(void *data, struct tp_str saved)
{
    if (saved.len != sizeof(struct limit_session)) {
        return TP_INVALID;
    }
    struct limit_session *session = data;

    memcpy(session, saved.data, saved.len);
    /* It was counted where it came from. */
    session->conf = NULL;
    memset(session->charges, 0, sizeof(session->charges));
    limit_rate_forget_places(session);
    session->id_len = 0;
    return TP_OK;
}
