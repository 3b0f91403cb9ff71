/*
 * cache.h - credentials that were right a moment ago, so that what proves itself with each request
 * does not cost a hash each time.
 *
 * Neither the credentials nor a hash of them is kept: what is looked for is a sum of them under a
 * key that lives as long as the process.
 */
#ifndef TP_AUTH_CACHE_H
#define TP_AUTH_CACHE_H

#include <teleport/module.h>

enum {
    AUTH_CACHE_KEY_BYTES = 32,
};

struct auth_cache;

struct auth_cache_key {
    uint8_t bytes[AUTH_CACHE_KEY_BYTES];
};

/* NULL when memory is out; `entries` is at least 1. */
struct auth_cache *auth_cache_create(size_t entries);
void auth_cache_free(struct auth_cache **cache);

/* False: it cannot be made, and nothing is found by it. */
bool auth_cache_make_key(const struct auth_cache *cache, struct tp_str credential,
                         struct auth_cache_key *key);

/* Whom the credential has proved, borrowed until the cache is changed; NULL: nobody knows. */
const struct tp_identity *auth_cache_find(struct auth_cache *cache,
                                          const struct auth_cache_key *key, int64_t now_ms);

/* Keeps a copy until then; where there is no room, or no memory, it is not kept. */
void auth_cache_put(struct auth_cache *cache, const struct auth_cache_key *key,
                    const struct tp_identity *identity, int64_t until_ms);

#endif
