/*
 * cache.c - credentials that were right a moment ago.
 *
 * A sum has a few places where it may stand; the one that would end first makes room.
 *
 * Runs in: worker.  Owns: the copies of identities.
 */
#include "cache.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdlib.h>
#include <string.h>

enum {
    CACHE_WAYS = 4,
    CACHE_SECRET_BYTES = 32,
};

struct cache_entry {
    struct auth_cache_key key;
    int64_t until_ms;             /* 0: empty */
    struct tp_identity *identity; /* its texts behind it */
};

struct auth_cache {
    uint8_t secret[CACHE_SECRET_BYTES];
    size_t sets;
    struct cache_entry entries[]; /* CACHE_WAYS of a set beside each other */
};

static struct cache_entry *cache_set(struct auth_cache *cache, const struct auth_cache_key *key);
static struct tp_identity *identity_copy(const struct tp_identity *identity);
static void text_copy(struct tp_str *text, char **room);

struct auth_cache *
auth_cache_create(size_t entries)
{
    size_t sets = (entries + CACHE_WAYS - 1) / CACHE_WAYS;
    struct auth_cache *cache =
        calloc(1, sizeof(*cache) + sets * CACHE_WAYS * sizeof(cache->entries[0]));

    if (cache == NULL || RAND_bytes(cache->secret, sizeof(cache->secret)) != 1) {
        free(cache);
        return NULL;
    }
    cache->sets = sets;
    return cache;
}

void
auth_cache_free(struct auth_cache **cache)
{
    if (*cache == NULL) {
        return;
    }
    for (size_t i = 0; i < (*cache)->sets * CACHE_WAYS; i++) {
        free((*cache)->entries[i].identity);
    }
    OPENSSL_cleanse((*cache)->secret, sizeof((*cache)->secret));
    free(*cache);
    *cache = NULL;
}

bool
auth_cache_make_key(const struct auth_cache *cache, struct tp_str credential,
                    struct auth_cache_key *key)
{
    unsigned len = sizeof(key->bytes);

    return HMAC(EVP_sha256(), cache->secret, sizeof(cache->secret),
                (const uint8_t *) credential.data, credential.len, key->bytes, &len)
           != NULL;
}

const struct tp_identity *
auth_cache_find(struct auth_cache *cache, const struct auth_cache_key *key, int64_t now_ms)
{
    struct cache_entry *set = cache_set(cache, key);

    for (size_t i = 0; i < CACHE_WAYS; i++) {
        if (set[i].until_ms > now_ms
            && CRYPTO_memcmp(set[i].key.bytes, key->bytes, sizeof(key->bytes)) == 0) {
            return set[i].identity;
        }
    }
    return NULL;
}

void
auth_cache_put(struct auth_cache *cache, const struct auth_cache_key *key,
               const struct tp_identity *identity, int64_t until_ms)
{
    struct cache_entry *set = cache_set(cache, key);
    struct cache_entry *place = &set[0];
    struct tp_identity *copy = identity_copy(identity);

    if (copy == NULL) {
        return;
    }
    for (size_t i = 0; i < CACHE_WAYS; i++) {
        if (set[i].until_ms != 0
            && CRYPTO_memcmp(set[i].key.bytes, key->bytes, sizeof(key->bytes)) == 0) {
            place = &set[i];
            break;
        }
        place = set[i].until_ms < place->until_ms ? &set[i] : place;
    }
    free(place->identity);
    *place = (struct cache_entry){ .key = *key, .until_ms = until_ms, .identity = copy };
}

/* The sum is as good as random, so its front is. */
static struct cache_entry *
cache_set(struct auth_cache *cache, const struct auth_cache_key *key)
{
    uint64_t number;

    memcpy(&number, key->bytes, sizeof(number));
    return &cache->entries[number % cache->sets * CACHE_WAYS];
}

static struct tp_identity *
identity_copy(const struct tp_identity *identity)
{
    struct tp_identity *copy =
        malloc(sizeof(*copy) + identity->id.len + identity->method.len + identity->claims.len);

    if (copy != NULL) {
        char *room = (char *) (copy + 1);

        *copy = *identity;
        text_copy(&copy->id, &room);
        text_copy(&copy->method, &room);
        text_copy(&copy->claims, &room);
    }
    return copy;
}

static void
text_copy(struct tp_str *text, char **room)
{
    if (text->len > 0) {
        memcpy(*room, text->data, text->len);
    }
    text->data = *room;
    *room += text->len;
}
