/*
 * attempts.c - counts wrong attempts by address, in a table that all workers share.
 *
 * A window of time begins with the first attempt and has room for so many; then a new one begins.
 * Where the table has no room, or is not to be had, nobody is locked out for it: the queue of the
 * threads is a bound, too.
 *
 * Runs in: worker.
 */
#include "attempts.h"

#include <string.h>

enum {
    ATTEMPTS_VERSION = 1,
    IPV6_CUSTOMER_BYTES = 8, /* a /64 */
};

/* A value of the table. */
struct attempts {
    int64_t ends_ms; /* the window; 0: none */
    uint32_t wrong;
    uint32_t flying; /* begun, and not ended */
};

static bool attempts_is_idle(const void *value, int64_t now_ms);
static struct attempts *attempts_enter(const struct auth_conf *conf, const struct attempts_key *key,
                                       int64_t now_ms, void **value);
static bool attempts_count_wrong(const struct auth_conf *conf, const struct attempts_key *key,
                                 int64_t now_ms, bool was_flying);

static const struct tp_table_layout attempts_layout = {
    .version = ATTEMPTS_VERSION,
    .value_size = sizeof(struct attempts),
    .is_idle = attempts_is_idle,
};

void
attempts_declare(const struct tp_block *block, struct auth_conf *conf)
{
    if (conf->is_on && conf->limit.count > 0) {
        tp_table_declare(block, "auth_limit_addresses", &conf->attempts, &attempts_layout,
                         TP_STR("auth-attempts"), (uint32_t) conf->limit_addresses);
    }
}

struct attempts_key
attempts_key_of(const struct tp_address *address)
{
    struct attempts_key key = { .bytes = { (char) address->family } };
    size_t len = address->family == TP_ADDRESS_V4   ? 4
                 : address->family == TP_ADDRESS_V6 ? IPV6_CUSTOMER_BYTES
                                                    : 0;

    if (len > 0) {
        memcpy(key.bytes + 1, address->ip, len);
        key.len = 1 + len;
    }
    return key;
}

enum attempts_answer
attempts_begin(const struct auth_conf *conf, const struct attempts_key *key, int64_t now_ms)
{
    enum attempts_answer answer = ATTEMPTS_MAY;
    void *value;
    struct attempts *attempts = attempts_enter(conf, key, now_ms, &value);

    if (attempts == NULL) {
        return answer;
    }
    if (attempts->wrong >= conf->limit.count) {
        answer = ATTEMPTS_TOO_MANY;
    } else if (attempts->wrong + attempts->flying >= conf->limit.count) {
        answer = ATTEMPTS_WAIT;
    } else {
        attempts->flying++;
    }
    tp_table_leave(conf->attempts, &value);
    return answer;
}

bool
attempts_may(const struct auth_conf *conf, const struct attempts_key *key, int64_t now_ms)
{
    void *value;
    struct attempts *attempts = attempts_enter(conf, key, now_ms, &value);

    if (attempts == NULL) {
        return true;
    }
    bool may = attempts->wrong < conf->limit.count;

    tp_table_leave(conf->attempts, &value);
    return may;
}

bool
attempts_add_wrong(const struct auth_conf *conf, const struct attempts_key *key, int64_t now_ms)
{
    return attempts_count_wrong(conf, key, now_ms, false);
}

bool
attempts_end_wrong(const struct auth_conf *conf, const struct attempts_key *key, int64_t now_ms)
{
    return attempts_count_wrong(conf, key, now_ms, true);
}

void
attempts_end(const struct auth_conf *conf, const struct attempts_key *key, int64_t now_ms)
{
    void *value;
    struct attempts *attempts = attempts_enter(conf, key, now_ms, &value);

    if (attempts != NULL) {
        attempts->flying -= attempts->flying > 0 ? 1 : 0;
        tp_table_leave(conf->attempts, &value);
    }
}

static bool
attempts_count_wrong(const struct auth_conf *conf, const struct attempts_key *key, int64_t now_ms,
                     bool was_flying)
{
    void *value;
    struct attempts *attempts = attempts_enter(conf, key, now_ms, &value);

    if (attempts == NULL) {
        return false;
    }
    attempts->flying -= was_flying && attempts->flying > 0 ? 1 : 0;
    attempts->wrong++;
    bool is_last = attempts->wrong == conf->limit.count;

    tp_table_leave(conf->attempts, &value);
    return is_last;
}

static bool
attempts_is_idle(const void *value, int64_t now_ms)
{
    const struct attempts *attempts = value;

    return attempts->ends_ms <= now_ms || (attempts->wrong == 0 && attempts->flying == 0);
}

/* In a window that has not ended; one that is flying still when it ends is forgotten with it. */
static struct attempts *
attempts_enter(const struct auth_conf *conf, const struct attempts_key *key, int64_t now_ms,
               void **value)
{
    if (conf->attempts == NULL || key->len == 0
        || tp_table_enter(conf->attempts, (struct tp_str){ key->bytes, key->len }, now_ms, value)
               != TP_OK) {
        return NULL;
    }
    struct attempts *attempts = *value;

    if (attempts->ends_ms <= now_ms) {
        *attempts = (struct attempts){ .ends_ms = now_ms + conf->limit.time.ms };
    }
    return attempts;
}
