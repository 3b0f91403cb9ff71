/*
 * entry.h - a member of a service.
 */
#ifndef REGISTRY_ENTRY_H
#define REGISTRY_ENTRY_H

#include <teleport/base.h>
#include <teleport/json.h>

enum {
    REGISTRY_SERVICE_MAX = 63, /* bytes */
    REGISTRY_KEY_MAX = 127,    /* bytes; an address is its own key */
    REGISTRY_URI_MAX = 255,    /* bytes */
    REGISTRY_URIS_MAX = 32,    /* of a member */
    REGISTRY_META_MAX = 1024,  /* bytes, as JSON */
    REGISTRY_TEXT_MAX = 1536,  /* bytes: uris and meta together */
    REGISTRY_WEIGHT_MAX = 1000000,
    REGISTRY_TTL_MIN_MS = 100,
    REGISTRY_TTL_MAX_MS = 24 * 60 * 60 * 1000,
};

/*
 * A plain struct, as it lies in the shared table.  `text` is its uris, each ended by a line break,
 * and behind them its meta; a copy outside the table is only as long as that.
 */
struct registry_entry {
    uint64_t id;      /* of service and key */
    uint64_t stamp;   /* of its last change: never the same twice */
    uint64_t session; /* of who has announced it; for one without address it is the member */
    uint64_t owner;   /* a hash of who that has proved to be; 0: nobody */
    int64_t since_ms; /* CLOCK_MONOTONIC, as expires_ms */
    int64_t ttl_ms;
    int64_t expires_ms; /* 0: with its session */
    uint32_t weight;
    uint32_t max_pulls;
    uint16_t uris_len;
    uint16_t meta_len;
    uint8_t service_len;
    uint8_t key_len;
    bool has_address;
    bool is_draining;
    bool is_foreign;     /* of another server, which looks after it */
    bool is_via;         /* …and whose members are asked through that server */
    uint8_t address_len; /* 0: the key is it */
    char address[REGISTRY_KEY_MAX + 1];
    char service[REGISTRY_SERVICE_MAX + 1];
    char key[REGISTRY_KEY_MAX + 1];
    char text[REGISTRY_TEXT_MAX];
};

uint64_t registry_hash(uint64_t hash, struct tp_str bytes);
uint64_t registry_id(struct tp_str service, struct tp_str key);
struct tp_str registry_text(const char *terminated);

/* Everything in it is what it says; else it was half written, or never. */
bool registry_entry_is_sound(const struct registry_entry *entry);
bool registry_entry_is(const struct registry_entry *entry, struct tp_str service,
                       struct tp_str key);

/* The part of it that says something. */
size_t registry_entry_size(const struct registry_entry *entry);

/* A copy, which the caller frees; NULL: memory is out. */
struct registry_entry *registry_entry_copy(const struct registry_entry *entry);

struct tp_str registry_entry_service(const struct registry_entry *entry);
struct tp_str registry_entry_key(const struct registry_entry *entry);
struct tp_str registry_entry_address(const struct registry_entry *entry);

/* Takes the next uri off `rest`, which begins as registry_entry_uris(); false: there is none. */
struct tp_str registry_entry_uris(const struct registry_entry *entry);
bool registry_entry_next_uri(struct tp_str *rest, struct tp_str *uri);

/*
 * Reads what somebody announces: service, uris, weight, max_pulls, meta, address, ttl.  NULL, or what
 * is wrong.  The key is not set unless it has an address.
 */
const char *registry_entry_read(const cJSON *request, int64_t ttl_preset_ms,
                                struct registry_entry *entry);
const char *registry_read_service(const cJSON *request, struct registry_entry *entry);
const char *registry_entry_set_key(struct registry_entry *entry, struct tp_str key);

/* The same the other way round; NULL: memory is out. */
cJSON *registry_entry_write(const struct registry_entry *entry);

/* A text of this length, which need not be terminated. */
bool registry_add_text(cJSON *object, const char *name, struct tp_str text);

#endif
