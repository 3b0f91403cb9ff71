/*
 * sessions.c - what is kept of a session that announces services, or watches.
 *
 * A member that is a session goes with it.  One that has an address stays until its time is over,
 * which every sign of life of the session that has announced it puts off.
 *
 * Now and then a session looks whether what it has announced is still there, and announces it anew
 * if not: after it has moved to another process, or when a worker died in the middle of a change.
 *
 * Runs in: worker.  Owns: the announcements.  Read next: view.c.
 */
#include "registry.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 2000,
    LOOK_MIN_MS = 50,
    LOOKS_PER_TTL = 3,
    SAVED_VERSION = 1,
};

static bool session_settle_in(struct tp_session *session, struct registry_session *data,
                              const struct registry_conf *conf);
static bool session_look_after(struct tp_session *session, struct registry_session *data,
                               struct registry_entry *entry);
static void session_drop(struct registry_session *data, bool keeps_addresses);
static bool session_may_keep(const struct tp_session *session, const struct registry_conf *conf,
                             const struct registry_entry *entry);
static void session_tell_end(struct registry_session *data);
static struct registry_announcement *announcement_add(struct registry_session *data,
                                                      const struct registry_entry *entry);
static void announcement_free(struct registry_session *data, struct registry_announcement **at);
static bool is_of_session(const struct registry_entry *entry, void *owner);
static cJSON *saved_write(const struct registry_session *data);
static enum tp_result saved_read(const cJSON *saved, struct registry_session *data);

struct registry_session *
registry_session_open(struct tp_session *session, const struct registry_conf *conf)
{
    struct registry_session *data = tp_session_data_make(session, &tp_module_registry);

    if (data != NULL && data->view == NULL && !session_settle_in(session, data, conf)) {
        return NULL;
    }
    return data;
}

enum tp_result
registry_session_remember(struct tp_session *session, struct registry_session *data,
                          const struct registry_entry *entry)
{
    registry_session_forget(data, registry_entry_service(entry), registry_entry_key(entry));
    if (data->announcement_count == REGISTRY_OF_SESSION_MAX) {
        return TP_FULL;
    }
    if (announcement_add(data, entry) == NULL) {
        return TP_NO_MEMORY;
    }
    registry_session_plan(session, data);
    return TP_OK;
}

void
registry_session_forget(struct registry_session *data, struct tp_str service, struct tp_str key)
{
    struct registry_announcement **at = &data->announcements;

    while (*at != NULL) {
        if (registry_entry_is((*at)->entry, service, key)) {
            announcement_free(data, at);
        } else {
            at = &(*at)->next;
        }
    }
}

void
registry_session_plan(struct tp_session *session, const struct registry_session *data)
{
    int64_t next_ms = data->announcements == NULL && data->watcher_link == NULL ? 0 : LOOK_MS;

    for (const struct registry_announcement *at = data->announcements; at != NULL; at = at->next) {
        int64_t share_ms = at->entry->ttl_ms / LOOKS_PER_TTL;

        if (at->entry->has_address && share_ms < next_ms) {
            next_ms = share_ms > LOOK_MIN_MS ? share_ms : LOOK_MIN_MS;
        }
    }
    tp_session_wake(session, &tp_module_registry, (struct tp_msec){ next_ms });
}

void
registry_session_note_draining(struct registry_session *data, const struct registry_entry *entry)
{
    for (struct registry_announcement *at = data->announcements; at != NULL; at = at->next) {
        if (at->entry->id == entry->id) {
            at->entry->is_draining = true;
        }
    }
}

void
registry_session_on_time(struct tp_session *session, void *kept, const void *module_conf)
{
    const struct registry_conf *conf = module_conf;
    struct registry_session *data = kept;
    bool has_changed = false;

    if (data->view == NULL && !session_settle_in(session, data, conf)) {
        return;
    }
    if (registry_view_tables(data->view) == NULL) {
        return;
    }
    for (struct registry_announcement *at = data->announcements; at != NULL; at = at->next) {
        has_changed = session_look_after(session, data, at->entry) || has_changed;
    }
    if (has_changed) {
        registry_view_changed(data->view);
    }
    registry_session_plan(session, data);
}

/* What the new configuration does not allow any more is taken out. */
void
registry_session_on_conf(struct tp_session *session, const void *module_conf)
{
    const struct registry_conf *conf = module_conf;
    struct registry_session *data = tp_session_data_get(session, &tp_module_registry);
    struct registry_announcement **at = data == NULL ? NULL : &data->announcements;

    if (data == NULL || data->view == NULL) {
        return;
    }
    if (conf->store.mode == REGISTRY_OFF) {
        session_tell_end(data);
        session_drop(data, false);
        registry_view_release(&data->view);
        return;
    }
    if (data->watcher_link != NULL && !registry_may_look(conf, tp_session_identity(session))) {
        session_tell_end(data);
    }
    while (*at != NULL) {
        const struct registry_entry *entry = (*at)->entry;

        if (session_may_keep(session, conf, entry)) {
            at = &(*at)->next;
            continue;
        }
        if (registry_store_remove(registry_view_tables(data->view), entry, REGISTRY_LEFT,
                                  is_of_session, data, tp_home_now_ms(data->view->home))
            == TP_OK) {
            registry_view_changed_soon(data->view);
        }
        announcement_free(data, at);
    }
}

void
registry_session_end(void *kept)
{
    struct registry_session *data = kept;

    registry_watch_end(data);
    session_drop(data, true);
    if (data->view != NULL) {
        registry_view_release(&data->view);
    }
}

/* As JSON: the announcements as they came, and whether it watches. */
enum tp_result
registry_session_save(const void *kept, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    cJSON *value = saved_write(kept);
    char *text = value == NULL ? NULL : cJSON_PrintUnformatted(value);
    enum tp_result result = TP_NO_MEMORY;

    if (text != NULL) {
        result = tp_chain_append_copy(saved, pool, registry_text(text));
    }
    cJSON_free(text);
    cJSON_Delete(value);
    return result;
}

enum tp_result
registry_session_restore(void *kept, struct tp_str saved)
{
    cJSON *value = cJSON_ParseWithLength(saved.data, saved.len);
    enum tp_result result = value == NULL ? TP_INVALID : saved_read(value, kept);

    cJSON_Delete(value);
    if (result != TP_OK) {
        session_drop(kept, true);
    }
    return result;
}

/* Connects what is kept with the worker's view.  False: there is none. */
static bool
session_settle_in(struct tp_session *session, struct registry_session *data,
                  const struct registry_conf *conf)
{
    struct registry_view *view = conf->use == NULL ? NULL : conf->use->view;

    if (view == NULL) {
        return false;
    }
    view->holders++;
    data->view = view;
    data->handle = tp_session_get_handle(session);
    if (data->was_watching) {
        data->was_watching = false;
        registry_watch_begin(data);
        data->is_behind = true;
        registry_watch_catch_up(view);
    }
    return true;
}

/* True: the registry has changed. */
static bool
session_look_after(struct tp_session *session, struct registry_session *data,
                   struct registry_entry *entry)
{
    const struct registry_tables *tables = registry_view_tables(data->view);
    int64_t now_ms = tp_home_now_ms(data->view->home);
    struct registry_entry there;

    if (entry->has_address) {
        int64_t ttl_ms;
        enum tp_result result = registry_store_renew(tables, entry, tp_session_heard_ms(session),
                                                     is_of_session, data, &ttl_ms);

        /* One that is gone has expired, or somebody has taken it out. */
        (void) result;
        return false;
    }
    if (entry->is_draining || registry_store_get(tables, entry->id, &there) != TP_NOT_FOUND) {
        return false;
    }
    entry->stamp = registry_view_stamp(data->view);
    return registry_store_put(tables, entry, now_ms) == TP_OK;
}

/* Takes its announcements out; those with an address stay for their time if they may. */
static void
session_drop(struct registry_session *data, bool keeps_addresses)
{
    const struct registry_tables *tables =
        data->view == NULL ? NULL : registry_view_tables(data->view);

    while (data->announcements != NULL) {
        const struct registry_entry *entry = data->announcements->entry;

        if (tables != NULL && !(keeps_addresses && entry->has_address)
            && registry_store_remove(tables, entry, REGISTRY_LEFT, is_of_session, data,
                                     tp_home_now_ms(data->view->home))
                   == TP_OK) {
            tp_log_info(tp_home_log(data->view->home), "registry-left", "service=%s key=%s",
                        entry->service, entry->key);
            tp_meter_add(&data->view->uses->conf->left, 1);
            registry_view_changed_soon(data->view);
        }
        announcement_free(data, &data->announcements);
    }
}

static bool
session_may_keep(const struct tp_session *session, const struct registry_conf *conf,
                 const struct registry_entry *entry)
{
    struct tp_str rest = registry_entry_uris(entry);
    struct tp_str uri;
    bool may = true;

    while (may && registry_entry_next_uri(&rest, &uri)) {
        may = registry_may_announce(conf, tp_session_identity(session),
                                    registry_entry_service(entry), uri);
    }
    return may;
}

/* It watches no more, and hears that. */
static void
session_tell_end(struct registry_session *data)
{
    const struct registry_change change = {
        .revision = data->view->revision,
        .kind = REGISTRY_ENDED,
    };

    if (data->watcher_link != NULL) {
        registry_watch_end(data);
        registry_watch_tell_one(data, &change);
    }
}

static struct registry_announcement *
announcement_add(struct registry_session *data, const struct registry_entry *entry)
{
    struct registry_announcement *added = calloc(1, sizeof(*added));

    if (added == NULL) {
        return NULL;
    }
    added->entry = registry_entry_copy(entry);
    if (added->entry == NULL) {
        free(added);
        return NULL;
    }
    added->next = data->announcements;
    data->announcements = added;
    data->announcement_count++;
    return added;
}

static void
announcement_free(struct registry_session *data, struct registry_announcement **at)
{
    struct registry_announcement *freed = *at;

    *at = freed->next;
    data->announcement_count--;
    free(freed->entry);
    free(freed);
}

static bool
is_of_session(const struct registry_entry *entry, void *owner)
{
    const struct registry_session *data = owner;

    return entry->session == data->handle.number;
}

/* NULL: memory is out. */
static cJSON *
saved_write(const struct registry_session *data)
{
    cJSON *value = cJSON_CreateObject();
    cJSON *members = cJSON_AddArrayToObject(value, "members");
    bool is_whole = members != NULL
                    && cJSON_AddNumberToObject(value, "version", SAVED_VERSION) != NULL
                    && cJSON_AddBoolToObject(value, "watches", data->watcher_link != NULL) != NULL
                    && cJSON_AddStringToObject(value, "service", data->service) != NULL;

    for (const struct registry_announcement *at = data->announcements; at != NULL && is_whole;
         at = at->next) {
        cJSON *member = registry_entry_write(at->entry);
        cJSON *number = tp_json_create_integer((int64_t) at->entry->session);

        is_whole =
            member != NULL && cJSON_AddItemToArray(members, member)
            && registry_add_text(member, "key", registry_entry_key(at->entry))
            && cJSON_AddBoolToObject(member, "draining", at->entry->is_draining) != NULL
            && cJSON_AddItemToObject(member, "session", number)
            && cJSON_AddItemToObject(member, "owner",
                                     tp_json_create_integer((int64_t) at->entry->owner))
            && cJSON_AddItemToObject(member, "since", tp_json_create_integer(at->entry->since_ms));
    }
    if (!is_whole) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

static enum tp_result
saved_read(const cJSON *saved, struct registry_session *data)
{
    const cJSON *members = cJSON_GetObjectItemCaseSensitive(saved, "members");
    const cJSON *service = cJSON_GetObjectItemCaseSensitive(saved, "service");
    const cJSON *member;
    int64_t version;

    if (!tp_json_get_integer(cJSON_GetObjectItemCaseSensitive(saved, "version"), &version)
        || version != SAVED_VERSION || !cJSON_IsString(service)
        || strlen(service->valuestring) > REGISTRY_SERVICE_MAX) {
        return TP_INVALID;
    }
    data->was_watching = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(saved, "watches"));
    memcpy(data->service, service->valuestring, strlen(service->valuestring) + 1);
    cJSON_ArrayForEach(member, members)
    {
        struct registry_entry entry = { .id = 0 };
        const cJSON *key = cJSON_GetObjectItemCaseSensitive(member, "key");
        int64_t session;
        int64_t owner;

        if (registry_entry_read(member, REGISTRY_TTL_MAX_MS, &entry) != NULL || !cJSON_IsString(key)
            || registry_entry_set_key(&entry, registry_text(key->valuestring)) != NULL
            || !tp_json_get_integer(cJSON_GetObjectItemCaseSensitive(member, "session"), &session)
            || !tp_json_get_integer(cJSON_GetObjectItemCaseSensitive(member, "owner"), &owner)
            || !tp_json_get_integer(cJSON_GetObjectItemCaseSensitive(member, "since"),
                                    &entry.since_ms)) {
            return TP_INVALID;
        }
        entry.session = (uint64_t) session;
        entry.owner = (uint64_t) owner;
        entry.is_draining = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(member, "draining"));
        if (announcement_add(data, &entry) == NULL) {
            return TP_NO_MEMORY;
        }
    }
    return TP_OK;
}
