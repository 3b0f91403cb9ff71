/*
 * keyring.c - keys in a zone of one shard.
 *
 * A process looks into the zone when it needs a key that it does not know, at most once a
 * second: names come from the network, and are not to make workers wait for each other.
 *
 * Runs in: workers.  Owns: its mapping of the zone, and a copy of the keys.
 */
#include "share/keyring.h"

#include "os/random.h"

#include <string.h>

enum {
    KEYRING_LAYOUT_VERSION = 1,
    KEYRING_SHARD = 0,
    KEYRING_LOOK_MS = 1000, /* what was seen so lately is not looked at again for a foreign name */
    KEYRING_LIFE_MS = TP_KEYRING_KEYS * TP_KEYRING_FRESH_MS,
};

static void keyring_check(struct tp_zone *zone, uint32_t first, uint32_t count);
static bool keyring_has_looked(const struct tp_keyring *keyring, int64_t now_ms);
static void keyring_look(struct tp_keyring *keyring, int64_t now_ms, bool wants_fresh);
static struct tp_keyring_key *newest_of(struct tp_keyring_key *keys);
static bool key_is_fresh(const struct tp_keyring_key *key, int64_t now_ms);
static bool key_is_alive(const struct tp_keyring_key *key, int64_t now_ms);
static void keys_renew(struct tp_keyring_key *keys, int64_t now_ms);

const struct tp_zone_layout tp__keyring_layout = {
    .name = "keyring",
    .version = KEYRING_LAYOUT_VERSION,
    .cell_size = TP_KEYRING_KEYS * sizeof(struct tp_keyring_key),
    .cell_count = 1,
    .shard_count = 1,
    .check = keyring_check,
};

enum tp_result
tp__keyring_open(struct tp_keyring *keyring, int fd)
{
    *keyring = (struct tp_keyring){ .seen_ms = 0 };
    return tp__zone_open(&keyring->zone, &tp__keyring_layout, fd);
}

void
tp__keyring_close(struct tp_keyring *keyring)
{
    tp__zone_close(&keyring->zone);
    explicit_bzero(keyring->seen, sizeof(keyring->seen));
}

void
tp__keyring_get_newest(struct tp_keyring *keyring, int64_t now_ms, struct tp_keyring_key *key)
{
    bool has_key = newest_of(keyring->seen)->born_ms != 0;

    if (!key_is_fresh(newest_of(keyring->seen), now_ms)
        && (!has_key || !keyring_has_looked(keyring, now_ms))) {
        keyring_look(keyring, now_ms, true);
    }
    *key = *newest_of(keyring->seen);
}

bool
tp__keyring_find(struct tp_keyring *keyring, int64_t now_ms, const uint8_t *name,
                 struct tp_keyring_key *key, bool *is_newest)
{
    bool has_looked = keyring_has_looked(keyring, now_ms);

    for (;;) {
        for (size_t i = 0; i < TP_KEYRING_KEYS; i++) {
            const struct tp_keyring_key *seen = &keyring->seen[i];

            if (key_is_alive(seen, now_ms) && memcmp(seen->name, name, sizeof(seen->name)) == 0) {
                *key = *seen;
                *is_newest = seen == newest_of(keyring->seen) && key_is_fresh(seen, now_ms);
                return true;
            }
        }
        if (has_looked) {
            return false;
        }
        keyring_look(keyring, now_ms, false);
        has_looked = true;
    }
}

/* Who died was writing: keys that may be half of one and half of another are none. */
static void
keyring_check(struct tp_zone *zone, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        memset(tp__zone_get_cell(zone, i), 0, tp__keyring_layout.cell_size);
    }
}

/* So lately that it need not look again? */
static bool
keyring_has_looked(const struct tp_keyring *keyring, int64_t now_ms)
{
    return keyring->seen_ms != 0 && now_ms - keyring->seen_ms < KEYRING_LOOK_MS;
}

/* Sees what is in the zone; where a fresh key is wanted and there is none, makes one. */
static void
keyring_look(struct tp_keyring *keyring, int64_t now_ms, bool wants_fresh)
{
    struct tp_keyring_key *keys = tp__zone_get_cell(&keyring->zone, 0);

    keyring->seen_ms = now_ms;
    if (tp__zone_lock(&keyring->zone, KEYRING_SHARD) != TP_OK) {
        if (wants_fresh && newest_of(keyring->seen)->born_ms == 0) {
            keys_renew(keyring->seen, now_ms);
        }
        return;
    }
    if (wants_fresh && !key_is_fresh(newest_of(keys), now_ms)) {
        keys_renew(keys, now_ms);
    }
    memcpy(keyring->seen, keys, sizeof(keyring->seen));
    tp__zone_unlock(&keyring->zone, KEYRING_SHARD);
}

static struct tp_keyring_key *
newest_of(struct tp_keyring_key *keys)
{
    struct tp_keyring_key *newest = keys;

    for (size_t i = 1; i < TP_KEYRING_KEYS; i++) {
        newest = keys[i].born_ms > newest->born_ms ? &keys[i] : newest;
    }
    return newest;
}

static bool
key_is_fresh(const struct tp_keyring_key *key, int64_t now_ms)
{
    return key->born_ms != 0 && now_ms - key->born_ms < TP_KEYRING_FRESH_MS;
}

static bool
key_is_alive(const struct tp_keyring_key *key, int64_t now_ms)
{
    return key->born_ms != 0 && now_ms - key->born_ms < KEYRING_LIFE_MS;
}

/* A new one takes the place of the oldest; those that open nothing any more are forgotten. */
static void
keys_renew(struct tp_keyring_key *keys, int64_t now_ms)
{
    struct tp_keyring_key *oldest = keys;

    for (size_t i = 0; i < TP_KEYRING_KEYS; i++) {
        if (!key_is_alive(&keys[i], now_ms)) {
            explicit_bzero(&keys[i], sizeof(keys[i]));
        }
        oldest = keys[i].born_ms < oldest->born_ms ? &keys[i] : oldest;
    }
    tp__random_fill(oldest->name, sizeof(oldest->name));
    tp__random_fill(oldest->secret, sizeof(oldest->secret));
    oldest->born_ms = now_ms > 0 ? now_ms : 1;
}
