/*
 * share/keyring.h - secrets that all workers have and nobody else: a new one from time to time,
 * and for a while those before it.
 *
 * What is sealed with one worker's key is opened by any other, after a reload, too; and what was
 * sealed long ago by nobody any more.
 *
 * Threads: a keyring belongs to the thread that opened it.
 */
#ifndef TP_SHARE_KEYRING_H
#define TP_SHARE_KEYRING_H

#include "share/zone.h"

enum {
    TP_KEYRING_KEYS = 4, /* the newest, and those that may still open something */
    TP_KEYRING_NAME_BYTES = 16,
    TP_KEYRING_SECRET_BYTES = 64,
    TP_KEYRING_FRESH_MS = 12 * 3600 * 1000, /* after which a key is followed by a new one */
};

struct tp_keyring_key {
    int64_t born_ms; /* CLOCK_MONOTONIC; 0: there is none here */
    uint8_t name[TP_KEYRING_NAME_BYTES];
    uint8_t secret[TP_KEYRING_SECRET_BYTES];
};

/* A mapped keyring, with what this process last saw in it. */
struct tp_keyring {
    struct tp_zone zone;
    struct tp_keyring_key seen[TP_KEYRING_KEYS];
    int64_t seen_ms; /* when that was; 0: never */
};

extern const struct tp_zone_layout tp__keyring_layout;

enum tp_result tp__keyring_open(struct tp_keyring *keyring, int fd) TP_MUST_CHECK;
void tp__keyring_close(struct tp_keyring *keyring);

/*
 * The key to seal with at `now_ms`; a new one where there is none that is fresh.  While the zone
 * cannot be had it is one that this process knows, perhaps alone.
 */
void tp__keyring_get_newest(struct tp_keyring *keyring, int64_t now_ms, struct tp_keyring_key *key);

/* The key of this name; false: it is not known, or not any more. */
bool tp__keyring_find(struct tp_keyring *keyring, int64_t now_ms, const uint8_t *name,
                      struct tp_keyring_key *key, bool *is_newest);

#endif
