/*
 * entry.c - a member of a service: read from what somebody announces, and written for those who
 * ask.
 *
 * Runs in: worker.  Owns: nothing.  Read next: store.c.
 */
#include "entry.h"

#include <teleport/number.h>

#include <stdlib.h>
#include <string.h>

enum {
    MS_PER_SECOND = 1000,
};

#define HASH_START UINT64_C(0xcbf29ce484222325) /* FNV-1a, 64 bits */
#define HASH_PRIME UINT64_C(0x100000001b3)

static const char *entry_read_uris(const cJSON *uris, struct registry_entry *entry);
static const char *entry_check_uri(const char *uri);
static const char *entry_read_meta(const cJSON *meta, struct registry_entry *entry);
static const char *entry_read_count(const cJSON *value, uint32_t least, uint32_t preset,
                                    uint32_t *count);
static const char *entry_read_address(const cJSON *address, struct registry_entry *entry);
static const char *entry_read_ttl(const cJSON *ttl, struct registry_entry *entry);
static bool duration_read(const char *text, int64_t *ms);
static bool text_is_plain(const char *text);

uint64_t
registry_hash(uint64_t hash, struct tp_str bytes)
{
    hash = hash == 0 ? HASH_START : hash;
    for (size_t i = 0; i < bytes.len; i++) {
        hash = (hash ^ (uint8_t) bytes.data[i]) * HASH_PRIME;
    }
    return hash;
}

uint64_t
registry_id(struct tp_str service, struct tp_str key)
{
    return registry_hash(registry_hash(registry_hash(0, service), TP_STR("\n")), key);
}

struct tp_str
registry_text(const char *terminated)
{
    return (struct tp_str){ terminated, strlen(terminated) };
}

bool
registry_entry_is_sound(const struct registry_entry *entry)
{
    return entry->service_len > 0 && entry->service_len <= REGISTRY_SERVICE_MAX
           && entry->key_len > 0 && entry->key_len <= REGISTRY_KEY_MAX
           && (size_t) entry->uris_len + entry->meta_len <= REGISTRY_TEXT_MAX
           && entry->address_len <= REGISTRY_KEY_MAX
           && entry->id == registry_id(registry_entry_service(entry), registry_entry_key(entry));
}

bool
registry_entry_is(const struct registry_entry *entry, struct tp_str service, struct tp_str key)
{
    return entry->service_len == service.len && entry->key_len == key.len
           && memcmp(entry->service, service.data, service.len) == 0
           && memcmp(entry->key, key.data, key.len) == 0;
}

size_t
registry_entry_size(const struct registry_entry *entry)
{
    return offsetof(struct registry_entry, text) + entry->uris_len + entry->meta_len;
}

/* Whole as far as the compiler may look, though the end of `text` is not there. */
struct registry_entry *
registry_entry_copy(const struct registry_entry *entry)
{
    size_t size = registry_entry_size(entry);
    struct registry_entry *copy =
        malloc(size > sizeof(struct registry_entry) ? size : sizeof(struct registry_entry));

    if (copy != NULL) {
        memcpy(copy, entry, size);
    }
    return copy;
}

struct tp_str
registry_entry_service(const struct registry_entry *entry)
{
    return (struct tp_str){ entry->service, entry->service_len };
}

struct tp_str
registry_entry_key(const struct registry_entry *entry)
{
    return (struct tp_str){ entry->key, entry->key_len };
}

struct tp_str
registry_entry_address(const struct registry_entry *entry)
{
    return entry->address_len == 0 ? registry_entry_key(entry)
                                   : (struct tp_str){ entry->address, entry->address_len };
}

struct tp_str
registry_entry_uris(const struct registry_entry *entry)
{
    return (struct tp_str){ entry->text, entry->uris_len };
}

bool
registry_entry_next_uri(struct tp_str *rest, struct tp_str *uri)
{
    const char *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;

    if (end == NULL) {
        return false;
    }
    *uri = (struct tp_str){ rest->data, (size_t) (end - rest->data) };
    rest->len -= uri->len + 1;
    rest->data = end + 1;
    return true;
}

const char *
registry_entry_read(const cJSON *request, int64_t ttl_preset_ms, struct registry_entry *entry)
{
    const char *why = registry_read_service(request, entry);

    entry->ttl_ms = ttl_preset_ms;
    if (why == NULL) {
        why = entry_read_uris(cJSON_GetObjectItemCaseSensitive(request, "uris"), entry);
    }
    if (why == NULL) {
        why = entry_read_meta(cJSON_GetObjectItemCaseSensitive(request, "meta"), entry);
    }
    if (why == NULL
        && entry_read_count(cJSON_GetObjectItemCaseSensitive(request, "weight"), 1, 1,
                            &entry->weight)
               != NULL) {
        why = "\"weight\" is a whole number from 1 to 1000000";
    }
    if (why == NULL
        && entry_read_count(cJSON_GetObjectItemCaseSensitive(request, "max_pulls"), 0, 0,
                            &entry->max_pulls)
               != NULL) {
        why = "\"max_pulls\" is a whole number from 0 (any number) to 1000000";
    }
    if (why == NULL) {
        why = entry_read_address(cJSON_GetObjectItemCaseSensitive(request, "address"), entry);
    }
    return why != NULL ? why
                       : entry_read_ttl(cJSON_GetObjectItemCaseSensitive(request, "ttl"), entry);
}

const char *
registry_read_service(const cJSON *request, struct registry_entry *entry)
{
    const cJSON *service = cJSON_GetObjectItemCaseSensitive(request, "service");
    size_t len = cJSON_IsString(service) ? strlen(service->valuestring) : 0;

    if (len == 0 || len > REGISTRY_SERVICE_MAX || !text_is_plain(service->valuestring)) {
        return "\"service\" is a name of 1 to 63 bytes, without spaces";
    }
    memcpy(entry->service, service->valuestring, len + 1);
    entry->service_len = (uint8_t) len;
    return NULL;
}

const char *
registry_entry_set_key(struct registry_entry *entry, struct tp_str key)
{
    if (key.len == 0 || key.len > REGISTRY_KEY_MAX) {
        return "\"key\" is the one that the registration was answered with";
    }
    memcpy(entry->key, key.data, key.len);
    entry->key[key.len] = '\0';
    entry->key_len = (uint8_t) key.len;
    entry->id = registry_id(registry_entry_service(entry), registry_entry_key(entry));
    return NULL;
}

cJSON *
registry_entry_write(const struct registry_entry *entry)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *uris = cJSON_AddArrayToObject(object, "uris");
    struct tp_str rest = registry_entry_uris(entry);
    struct tp_str uri;
    bool is_whole = uris != NULL
                    && registry_add_text(object, "service", registry_entry_service(entry))
                    && cJSON_AddNumberToObject(object, "weight", entry->weight) != NULL;

    while (is_whole && registry_entry_next_uri(&rest, &uri)) {
        char text[REGISTRY_URI_MAX + 1];

        memcpy(text, uri.data, uri.len);
        text[uri.len] = '\0';
        is_whole = cJSON_AddItemToArray(uris, cJSON_CreateString(text));
    }
    if (is_whole && entry->max_pulls > 0) {
        is_whole = cJSON_AddNumberToObject(object, "max_pulls", entry->max_pulls) != NULL;
    }
    if (is_whole && entry->has_address) {
        is_whole = registry_add_text(object, "address", registry_entry_address(entry))
                   && cJSON_AddNumberToObject(object, "ttl", (double) entry->ttl_ms / MS_PER_SECOND)
                          != NULL;
    }
    if (is_whole && entry->meta_len > 0) {
        cJSON *meta = cJSON_ParseWithLength(entry->text + entry->uris_len, entry->meta_len);

        is_whole = cJSON_AddItemToObject(object, "meta", meta);
    }
    if (!is_whole) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

bool
registry_add_text(cJSON *object, const char *name, struct tp_str text)
{
    char terminated[REGISTRY_TEXT_MAX + 1];

    if (text.len > REGISTRY_TEXT_MAX) {
        return false;
    }
    memcpy(terminated, text.data, text.len);
    terminated[text.len] = '\0';
    return cJSON_AddStringToObject(object, name, terminated) != NULL;
}

static const char *
entry_read_uris(const cJSON *uris, struct registry_entry *entry)
{
    const cJSON *uri;

    if (!cJSON_IsArray(uris) || cJSON_GetArraySize(uris) == 0
        || cJSON_GetArraySize(uris) > REGISTRY_URIS_MAX) {
        return "\"uris\" is a list of 1 to 32 uris";
    }
    cJSON_ArrayForEach(uri, uris)
    {
        const char *why = entry_check_uri(cJSON_IsString(uri) ? uri->valuestring : "");
        size_t len = why == NULL ? strlen(uri->valuestring) : 0;

        if (why != NULL) {
            return why;
        }
        if (entry->uris_len + len + 1 > REGISTRY_TEXT_MAX) {
            return "\"uris\" and \"meta\" are more than 1536 bytes";
        }
        memcpy(entry->text + entry->uris_len, uri->valuestring, len);
        entry->text[entry->uris_len + len] = '\n';
        entry->uris_len = (uint16_t) (entry->uris_len + len + 1);
    }
    return NULL;
}

/* As routes have it. */
static const char *
entry_check_uri(const char *uri)
{
    size_t len = strlen(uri);
    const char *star = strchr(uri, '*');
    bool is_star_alone = strcmp(uri, "*") == 0;
    bool ends_in_star = len > 1 && star == uri + len - 1 && star[-1] == '/';

    if (len > REGISTRY_URI_MAX) {
        return "a uri has at most 255 bytes";
    }
    if (is_star_alone || (uri[0] == '/' && text_is_plain(uri) && (star == NULL || ends_in_star))) {
        return NULL;
    }
    return "a uri is a path such as /echo, all paths below one such as /math/*, or *";
}

static const char *
entry_read_meta(const cJSON *meta, struct registry_entry *entry)
{
    size_t room = REGISTRY_TEXT_MAX - entry->uris_len;

    if (meta == NULL) {
        return NULL;
    }
    char *text = cJSON_PrintUnformatted(meta);
    size_t len = text == NULL ? SIZE_MAX : strlen(text);
    bool fits = len <= REGISTRY_META_MAX && len <= room;

    if (fits) {
        memcpy(entry->text + entry->uris_len, text, len);
        entry->meta_len = (uint16_t) len;
    }
    cJSON_free(text);
    return fits ? NULL : "\"meta\" is at most 1024 bytes as JSON, and with \"uris\" 1536";
}

/* Not NULL: it is wrong. */
static const char *
entry_read_count(const cJSON *value, uint32_t least, uint32_t preset, uint32_t *count)
{
    int64_t number = preset;

    if (value != NULL
        && (!tp_json_get_integer(value, &number) || number < least
            || number > REGISTRY_WEIGHT_MAX)) {
        return "out of range";
    }
    *count = (uint32_t) number;
    return NULL;
}

static const char *
entry_read_address(const cJSON *address, struct registry_entry *entry)
{
    if (address == NULL) {
        return NULL;
    }
    if (!cJSON_IsString(address) || !text_is_plain(address->valuestring)
        || registry_entry_set_key(entry, registry_text(address->valuestring)) != NULL) {
        return "\"address\" is one that can be dialed, such as 10.0.0.7:9191, of at most 127 bytes";
    }
    entry->has_address = true;
    return NULL;
}

static const char *
entry_read_ttl(const cJSON *ttl, struct registry_entry *entry)
{
    static const char wanted[] = "\"ttl\" is a time from 100ms to 1d, such as \"10s\"";
    int64_t ms = entry->ttl_ms;

    if (!entry->has_address) {
        entry->ttl_ms = 0;
        return ttl == NULL ? NULL : "\"ttl\" is for members with an \"address\"";
    }
    if (cJSON_IsNumber(ttl) && ttl->valuedouble >= 0 && ttl->valuedouble <= REGISTRY_TTL_MAX_MS) {
        ms = (int64_t) (ttl->valuedouble * MS_PER_SECOND);
    } else if (ttl != NULL && (!cJSON_IsString(ttl) || !duration_read(ttl->valuestring, &ms))) {
        return wanted;
    }
    entry->ttl_ms = ms;
    return ms < REGISTRY_TTL_MIN_MS || ms > REGISTRY_TTL_MAX_MS ? wanted : NULL;
}

/* A number and its unit, as in configurations. */
static bool
duration_read(const char *text, int64_t *ms)
{
    static const struct {
        const char *word;
        int64_t ms;
    } units[] = {
        { "ms", 1 },
        { "s", MS_PER_SECOND },
        { "m", 60 * MS_PER_SECOND },
        { "h", 60 * 60 * MS_PER_SECOND },
        { "d", REGISTRY_TTL_MAX_MS },
    };
    int64_t count = 0;
    size_t digits = 0;

    while (text[digits] >= '0' && text[digits] <= '9' && count <= REGISTRY_TTL_MAX_MS) {
        count = count * 10 + (text[digits++] - '0');
    }
    for (size_t i = 0; i < TP_COUNT_OF(units) && digits > 0; i++) {
        if (strcmp(text + digits, units[i].word) == 0 && count <= REGISTRY_TTL_MAX_MS) {
            *ms = count * units[i].ms;
            return true;
        }
    }
    return false;
}

/* Without spaces and what cannot be seen. */
static bool
text_is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char) *text <= ' ' || *text == 0x7f) {
            return false;
        }
    }
    return true;
}
