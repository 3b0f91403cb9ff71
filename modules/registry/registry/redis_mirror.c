/*
 * redis_mirror.c - the registry in step with a Redis server.
 *
 *     SERVER/ID   {"service":"math","uris":["/math/…"],"weight":2,"address":"10.0.0.7:9191"}
 *
 * SERVER is a number that this server has drawn, ID what the member is to it.  A member with an
 * address is published as it is.  Those that are sessions are published together, as the address
 * where this server can be asked for them ("advertise"); what other servers have announced is never
 * published again, and what is passed on to that address says that it is for this server's own
 * members (X-Registry-Reach), so nothing goes round in circles.
 *
 * What is there no more gets a last "gone":true, so that others know at once.  An entry that is just
 * missing may have been lost with the Redis server, and stays for another ttl; where everything is
 * missing, for as long as its member answers.
 *
 * Runs in: the worker that holds the lease.  Owns: the connection, what was published, what is being
 * read.  Read next: redis.h.
 */
#include "mirror.h"

#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PUBLISH_SOON_MS = 10, /* changes of a moment are published together */
    LOOKS_PER_TTL = 3,
    NAME_MAX_BYTES = 2 * 16 + 2,
    FOREIGN_MAX = REGISTRY_MEMBERS_MAX,
};

#define LEASE_NAME TP_STR("registry-redis")

/* What others can read of us. */
struct published {
    struct published *next;
    uint64_t id;
    char *text;
    bool is_wanted;
};

/* A member of another server that was not read. */
struct missed {
    struct missed *next;
    uint64_t id;
    int64_t since_ms;
};

/* What a read has brought, until it is over. */
struct foreign {
    struct foreign *next;
    struct registry_entry *entry;
    bool is_gone;
};

struct registry_mirror {
    struct registry_use *use;
    struct tp_sessions *home;
    struct tp_home_lease *lease;
    struct registry_redis *redis; /* while it holds the lease */
    struct tp_home_timer *look;   /* reads all, and publishes all */
    struct tp_home_timer *soon;   /* publishes what has changed */
    uint64_t server;
    struct published *published;
    struct foreign *foreign;
    size_t foreign_count; /* those that others have taken out included */
    struct missed *missed;
    bool must_read; /* once more, when what is under way has ended */
    bool is_soon;
};

static void mirror_on_gained(struct tp_home_lease *lease, void *owner);
static void mirror_on_lost(struct tp_home_lease *lease, void *owner);
static void mirror_connect(struct registry_mirror *mirror);
static uint64_t server_seed(const struct registry_mirror *mirror);
static void mirror_disconnect(struct registry_mirror *mirror);
static void mirror_on_state(void *owner, bool is_connected);
static void mirror_on_change(void *owner);
static void mirror_on_look(struct tp_home_timer *timer, void *owner);
static void mirror_on_soon(struct tp_home_timer *timer, void *owner);
static void mirror_drop_foreign(struct registry_view *view);

static void publish_all(struct registry_mirror *mirror, bool is_anew);
static bool publish_entry(struct registry_mirror *mirror, const struct registry_entry *entry,
                          bool is_anew);
static bool publish_sessions(struct registry_mirror *mirror, size_t first, bool is_anew);
static bool sessions_are_alike(const struct registry_entry *left,
                               const struct registry_entry *right);
static void publish_gone(struct registry_mirror *mirror, const struct published *one);
static bool publish_put(struct registry_mirror *mirror, uint64_t id, const char *text);
static struct published *published_find(struct registry_mirror *mirror, uint64_t id);
static void published_free(struct registry_mirror *mirror);

static void read_all(struct registry_mirror *mirror);
static void read_on_entry(void *owner, struct tp_str key, struct tp_str value);
static bool read_server(struct tp_str key, uint64_t *server);
static bool foreign_parse(struct registry_mirror *mirror, uint64_t server, struct tp_str value,
                          struct registry_entry *entry, bool *is_gone);
static void foreign_add(struct registry_mirror *mirror, const struct registry_entry *entry,
                        bool is_gone);
static void read_on_end(void *owner, enum tp_result result);
static bool foreign_take(struct registry_mirror *mirror, const struct foreign *foreign);
static bool foreign_miss(struct registry_mirror *mirror, const struct registry_entry *entry);
static bool foreign_remove(struct registry_mirror *mirror, const struct registry_entry *entry);
static int64_t missed_ms(struct registry_mirror *mirror, uint64_t id);
static void missed_forget(struct registry_mirror *mirror, uint64_t id);
static struct foreign *foreign_find(const struct registry_mirror *mirror, uint64_t id);
static void foreign_free(struct registry_mirror *mirror);
static bool entries_are_same(const struct registry_entry *left, const struct registry_entry *right);
static bool is_foreign(const struct registry_entry *entry, void *owner);

const char *
registry_mirror_check(struct tp_str address)
{
    return registry_redis_check_address(address);
}

enum tp_result
registry_mirror_start(struct tp_sessions *home, struct registry_use *use)
{
    struct registry_mirror *mirror = calloc(1, sizeof(*mirror));

    if (mirror == NULL) {
        return TP_NO_MEMORY;
    }
    use->mirror = mirror;
    mirror->use = use;
    mirror->home = home;
    mirror->look = tp_home_timer_create(home, mirror_on_look, mirror);
    mirror->soon = tp_home_timer_create(home, mirror_on_soon, mirror);
    if (mirror->look != NULL && mirror->soon != NULL) {
        mirror->lease =
            tp_home_lease_create(home, LEASE_NAME, mirror_on_gained, mirror_on_lost, mirror);
    }
    if (mirror->lease == NULL) {
        registry_mirror_stop(use);
        return TP_NO_MEMORY;
    }
    return TP_OK;
}

/* When the last one goes, and the registry stays, what others have announced goes with it. */
void
registry_mirror_stop(struct registry_use *use)
{
    struct registry_mirror *mirror = use->mirror;
    bool is_last = use->view != NULL;

    if (mirror == NULL) {
        return;
    }
    mirror_disconnect(mirror);
    if (mirror->lease != NULL) {
        tp_home_lease_destroy(&mirror->lease);
    }
    tp_home_timer_destroy(&mirror->look);
    tp_home_timer_destroy(&mirror->soon);
    use->mirror = NULL;
    free(mirror);
    if (!is_last) {
        return;
    }
    size_t others = 0;

    for (const struct registry_use *other = use->view->uses; other != NULL; other = other->next) {
        others += other == use ? 0 : 1;
        is_last = is_last && other->mirror == NULL;
    }
    if (is_last && others > 0) {
        mirror_drop_foreign(use->view);
    }
}

void
registry_mirror_note(struct registry_view *view)
{
    for (struct registry_use *use = view->uses; use != NULL; use = use->next) {
        struct registry_mirror *mirror = use->mirror;

        if (mirror != NULL && mirror->redis != NULL && !mirror->is_soon) {
            mirror->is_soon = true;
            tp_home_timer_start(mirror->soon, (struct tp_msec){ PUBLISH_SOON_MS });
        }
    }
}

static void
mirror_on_gained(struct tp_home_lease *lease, void *owner)
{
    (void) lease;
    mirror_connect(owner);
}

static void
mirror_on_lost(struct tp_home_lease *lease, void *owner)
{
    (void) lease;
    mirror_disconnect(owner);
}

static void
mirror_connect(struct registry_mirror *mirror)
{
    const struct registry_conf *conf = mirror->use->conf;
    const struct registry_redis_options options = {
        .home = mirror->home,
        .address = conf->store.address,
        .user = conf->store.user.len > 0 ? conf->store.user : TP_STR(""),
        .password = conf->store.password.len > 0 ? conf->store.password : TP_STR(""),
        .database = conf->store.database,
        .prefix = conf->store.prefix,
        .on_change = mirror_on_change,
        .on_state = mirror_on_state,
        .owner = mirror,
    };

    if (mirror->redis != NULL
        || registry_store_server(&conf->tables, server_seed(mirror), tp_home_now_ms(mirror->home),
                                 &mirror->server)
               != TP_OK) {
        return;
    }
    mirror->redis = registry_redis_create(&options);
    if (mirror->redis == NULL) {
        tp_log_error(tp_home_log(mirror->home), "registry-no-redis", "result=%s",
                     tp_result_word(TP_NO_MEMORY));
        return;
    }
    tp_home_timer_start(mirror->look, (struct tp_msec){ conf->store.ttl.ms / LOOKS_PER_TTL });
}

/* Of what hardly two servers have in common: their clocks, and where memory lies. */
static uint64_t
server_seed(const struct registry_mirror *mirror)
{
    struct {
        int64_t wall_ms;
        int64_t now_ms;
        const void *place;
    } seed = { tp_home_wall_ms(mirror->home), tp_home_now_ms(mirror->home), mirror };

    return registry_hash(registry_hash(0, mirror->use->conf->store.advertise),
                         (struct tp_str){ (const char *) &seed, sizeof(seed) })
           | 1;
}

static void
mirror_disconnect(struct registry_mirror *mirror)
{
    if (mirror->redis != NULL) {
        registry_redis_destroy(&mirror->redis);
    }
    if (mirror->look != NULL && mirror->soon != NULL) {
        tp_home_timer_stop(mirror->look);
        tp_home_timer_stop(mirror->soon);
    }
    mirror->is_soon = false;
    mirror->must_read = false;
    published_free(mirror);
    foreign_free(mirror);
    while (mirror->missed != NULL) {
        missed_forget(mirror, mirror->missed->id);
    }
}

/* What was there is believed until something else is known. */
static void
mirror_on_state(void *owner, bool is_connected)
{
    struct registry_mirror *mirror = owner;
    size_t count = 0;

    for (size_t i = 0; i < mirror->use->view->member_count; i++) {
        count += mirror->use->view->members[i]->is_foreign ? 1 : 0;
    }
    if (!is_connected) {
        tp_log_warn(tp_home_log(mirror->home), "registry-redis-away", "kept=%zu", count);
        return;
    }
    tp_log_notice(tp_home_log(mirror->home), "registry-redis-there", "known=%zu", count);
    published_free(mirror);
    publish_all(mirror, true);
    read_all(mirror);
}

static void
mirror_on_change(void *owner)
{
    read_all(owner);
}

static void
mirror_on_look(struct tp_home_timer *timer, void *owner)
{
    struct registry_mirror *mirror = owner;

    tp_home_timer_start(timer, (struct tp_msec){ mirror->use->conf->store.ttl.ms / LOOKS_PER_TTL });
    if (registry_redis_is_connected(mirror->redis)) {
        publish_all(mirror, true);
        read_all(mirror);
    }
}

static void
mirror_on_soon(struct tp_home_timer *timer, void *owner)
{
    struct registry_mirror *mirror = owner;

    (void) timer;
    mirror->is_soon = false;
    if (mirror->redis != NULL && registry_redis_is_connected(mirror->redis)) {
        publish_all(mirror, false);
        if (mirror->must_read) {
            read_all(mirror);
        }
    }
}

static void
mirror_drop_foreign(struct registry_view *view)
{
    const struct registry_tables *tables = registry_view_tables(view);
    int64_t now_ms = tp_home_now_ms(view->home);

    for (size_t i = 0; i < view->member_count; i++) {
        if (view->members[i]->is_foreign
            && registry_store_remove(tables, view->members[i], REGISTRY_LEFT, is_foreign, NULL,
                                     now_ms)
                   == TP_OK) {
            registry_view_changed_soon(view);
        }
    }
}

/* What is new or has changed; with `is_anew` everything, so that it lives on. */
static void
publish_all(struct registry_mirror *mirror, bool is_anew)
{
    const struct registry_view *view = mirror->use->view;
    struct published **at = &mirror->published;
    bool has_changed = false;

    for (struct published *one = mirror->published; one != NULL; one = one->next) {
        one->is_wanted = false;
    }
    for (size_t i = 0; i < view->member_count; i++) {
        const struct registry_entry *entry = view->members[i];

        if (entry->is_foreign || entry->is_draining) {
            continue;
        }
        has_changed = (entry->has_address ? publish_entry(mirror, entry, is_anew)
                                          : publish_sessions(mirror, i, is_anew))
                      || has_changed;
    }
    while (*at != NULL) {
        struct published *one = *at;

        if (one->is_wanted) {
            at = &one->next;
            continue;
        }
        publish_gone(mirror, one);
        has_changed = true;
        *at = one->next;
        free(one->text);
        free(one);
    }
    if (has_changed && registry_redis_nudge(mirror->redis) != TP_OK) {
        tp_log_debug(tp_home_log(mirror->home), "registry-untold", "where=redis");
    }
}

/* True: others have to hear of it. */
static bool
publish_entry(struct registry_mirror *mirror, const struct registry_entry *entry, bool is_anew)
{
    cJSON *value = registry_entry_write(entry);
    char *text = NULL;
    bool has_changed = false;
    struct published *one = published_find(mirror, entry->id);

    if (value != NULL && (!entry->is_via || cJSON_AddTrueToObject(value, "via") != NULL)) {
        text = cJSON_PrintUnformatted(value);
    }
    if (one != NULL && text != NULL) {
        has_changed = one->text == NULL || strcmp(one->text, text) != 0;
        one->is_wanted = true;
        if ((has_changed || is_anew) && publish_put(mirror, one->id, text)) {
            free(one->text);
            one->text = strdup(text);
        }
    }
    cJSON_free(text);
    cJSON_Delete(value);
    return has_changed;
}

/*
 * All sessions of a service with the same uris are one to others, and the first speaks for all:
 * where this server can be asked for them.
 */
static bool
publish_sessions(struct registry_mirror *mirror, size_t first, bool is_anew)
{
    const struct registry_view *view = mirror->use->view;
    struct tp_str advertise = mirror->use->conf->store.advertise;
    struct registry_entry all = { .id = 0 };
    uint64_t weight = 0;
    uint64_t max_pulls = 0;
    bool is_bounded = true;

    if (advertise.len == 0) {
        return false;
    }
    for (size_t i = 0; i < view->member_count; i++) {
        const struct registry_entry *entry = view->members[i];

        if (!sessions_are_alike(view->members[first], entry)) {
            continue;
        }
        if (i < first) {
            return false;
        }
        weight += entry->weight;
        max_pulls += entry->max_pulls;
        is_bounded = is_bounded && entry->max_pulls > 0;
    }
    memcpy(&all, view->members[first], registry_entry_size(view->members[first]));
    all.meta_len = 0;
    all.weight = (uint32_t) (weight > REGISTRY_WEIGHT_MAX ? REGISTRY_WEIGHT_MAX : weight);
    all.max_pulls = (uint32_t) (!is_bounded                       ? 0
                                : max_pulls > REGISTRY_WEIGHT_MAX ? REGISTRY_WEIGHT_MAX
                                                                  : max_pulls);
    all.has_address = true;
    all.is_via = true;
    all.ttl_ms = mirror->use->conf->store.ttl.ms;
    memcpy(all.address, advertise.data, advertise.len);
    all.address_len = (uint8_t) advertise.len;
    all.id =
        registry_hash(registry_hash(0, registry_entry_service(&all)), registry_entry_uris(&all));
    return publish_entry(mirror, &all, is_anew);
}

static bool
sessions_are_alike(const struct registry_entry *left, const struct registry_entry *right)
{
    return !right->has_address && !right->is_draining && left->service_len == right->service_len
           && left->uris_len == right->uris_len
           && memcmp(left->service, right->service, left->service_len) == 0
           && memcmp(left->text, right->text, left->uris_len) == 0;
}

/* The same once more, and that it is gone. */
static void
publish_gone(struct registry_mirror *mirror, const struct published *one)
{
    static const char gone[] = ",\"gone\":true}";
    size_t len = one->text == NULL ? 0 : strlen(one->text);
    char *text = len == 0 ? NULL : malloc(len + sizeof(gone));

    if (text != NULL) {
        memcpy(text, one->text, len - 1);
        memcpy(text + len - 1, gone, sizeof(gone));
    }
    if (text != NULL && !publish_put(mirror, one->id, text)) {
        tp_log_debug(tp_home_log(mirror->home), "registry-untold", "where=redis");
    }
    free(text);
}

/* False: it could not leave, and will with the next round. */
static bool
publish_put(struct registry_mirror *mirror, uint64_t id, const char *text)
{
    char key[NAME_MAX_BYTES];
    int len = snprintf(key, sizeof(key), "%016llx/%016llx", (unsigned long long) mirror->server,
                       (unsigned long long) id);

    return registry_redis_put(mirror->redis, (struct tp_str){ key, (size_t) len },
                              registry_text(text), mirror->use->conf->store.ttl.ms)
           == TP_OK;
}

/* Made if it is not there; NULL: memory is out. */
static struct published *
published_find(struct registry_mirror *mirror, uint64_t id)
{
    struct published *one = mirror->published;

    while (one != NULL && one->id != id) {
        one = one->next;
    }
    if (one == NULL) {
        one = calloc(1, sizeof(*one));
        if (one != NULL) {
            one->id = id;
            one->next = mirror->published;
            mirror->published = one;
        }
    }
    return one;
}

static void
published_free(struct registry_mirror *mirror)
{
    while (mirror->published != NULL) {
        struct published *freed = mirror->published;

        mirror->published = freed->next;
        free(freed->text);
        free(freed);
    }
}

static void
read_all(struct registry_mirror *mirror)
{
    enum tp_result result = registry_redis_read_all(mirror->redis, read_on_entry, read_on_end);

    mirror->must_read = result == TP_IN_USE;
    if (result == TP_OK) {
        foreign_free(mirror);
    }
}

static void
read_on_entry(void *owner, struct tp_str key, struct tp_str value)
{
    struct registry_mirror *mirror = owner;
    struct registry_entry entry = { .id = 0 };
    uint64_t server;
    bool is_gone = false;

    if (!read_server(key, &server) || server == mirror->server) {
        return;
    }
    if (foreign_parse(mirror, server, value, &entry, &is_gone)) {
        foreign_add(mirror, &entry, is_gone);
    } else {
        tp_log_warn(tp_home_log(mirror->home), "registry-redis-wrong", "key=%.*s", TP_STR_ARG(key));
    }
}

static bool
read_server(struct tp_str key, uint64_t *server)
{
    char digits[NAME_MAX_BYTES] = "";
    char *end;

    if (key.len != NAME_MAX_BYTES - 1) {
        return false;
    }
    memcpy(digits, key.data, key.len);
    *server = strtoull(digits, &end, 16);
    return *end == '/';
}

static bool
foreign_parse(struct registry_mirror *mirror, uint64_t server, struct tp_str value,
              struct registry_entry *entry, bool *is_gone)
{
    const struct registry_conf *conf = mirror->use->conf;
    cJSON *json = cJSON_ParseWithLength(value.data, value.len);
    char key[REGISTRY_KEY_MAX + 1];
    bool is_good = cJSON_IsObject(json);

    *is_gone = is_good && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "gone"));
    is_good = is_good && registry_entry_read(json, conf->store.ttl.ms, entry) == NULL
              && entry->has_address
              && tp_upstream_check_address(conf->like, registry_entry_key(entry)) == NULL;
    if (is_good) {
        entry->is_via = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "via"));
        entry->is_foreign = true;
        entry->owner = server | 1;
        entry->expires_ms = 0;
        memcpy(entry->address, entry->key, entry->key_len);
        entry->address_len = entry->key_len;
    }
    if (is_good && entry->is_via) {
        uint64_t hash = registry_hash(server, registry_entry_uris(entry));
        int len = snprintf(key, sizeof(key), "%.*s/%08x", (int) entry->key_len, entry->key,
                           (unsigned) (hash & 0xffffffff));

        is_good = len > 0 && (size_t) len < sizeof(key)
                  && registry_entry_set_key(entry, (struct tp_str){ key, (size_t) len }) == NULL;
    }
    cJSON_Delete(json);
    return is_good;
}

/* Of two servers that announce the same address the one with the smaller number counts. */
static void
foreign_add(struct registry_mirror *mirror, const struct registry_entry *entry, bool is_gone)
{
    struct foreign *known = foreign_find(mirror, entry->id);
    struct registry_entry *copy = registry_entry_copy(entry);
    struct foreign *added = NULL;

    if (copy != NULL && known == NULL && mirror->foreign_count < FOREIGN_MAX) {
        added = calloc(1, sizeof(*added));
    }
    if (added != NULL) {
        added->entry = copy;
        added->is_gone = is_gone;
        added->next = mirror->foreign;
        mirror->foreign = added;
        mirror->foreign_count++;
    } else if (known != NULL && copy != NULL
               && (known->is_gone || (!is_gone && entry->owner < known->entry->owner))) {
        free(known->entry);
        known->entry = copy;
        known->is_gone = is_gone;
    } else {
        free(copy);
    }
}

static void
read_on_end(void *owner, enum tp_result result)
{
    struct registry_mirror *mirror = owner;
    struct registry_view *view = mirror->use->view;
    bool has_changed = false;

    if (result == TP_OK) {
        for (const struct foreign *one = mirror->foreign; one != NULL; one = one->next) {
            has_changed = foreign_take(mirror, one) || has_changed;
        }
        for (size_t i = 0; i < view->member_count; i++) {
            has_changed = foreign_miss(mirror, view->members[i]) || has_changed;
        }
    } else if (result != TP_INTERRUPTED) {
        tp_log_warn(tp_home_log(mirror->home), "registry-redis-unread", "result=%s",
                    tp_result_word(result));
    }
    foreign_free(mirror);
    if (result == TP_INTERRUPTED) {
        return;
    }
    if (has_changed) {
        registry_view_changed(view);
    }
    if (mirror->must_read) {
        tp_home_timer_start(mirror->soon, (struct tp_msec){ 1 });
    }
}

/* True: it was not known so. */
static bool
foreign_take(struct registry_mirror *mirror, const struct foreign *foreign)
{
    struct registry_view *view = mirror->use->view;
    struct registry_entry *entry = foreign->entry;
    int64_t now_ms = tp_home_now_ms(view->home);
    const struct registry_entry *known =
        registry_view_find(view, registry_entry_service(entry), registry_entry_key(entry));

    missed_forget(mirror, entry->id);
    if (foreign->is_gone) {
        return known != NULL && foreign_remove(mirror, known);
    }
    if (known != NULL && entries_are_same(known, entry)) {
        return false;
    }
    if (known == NULL && (int64_t) view->member_count >= mirror->use->conf->members_max) {
        tp_log_warn(tp_home_log(view->home), "registry-full", "service=%s key=%s", entry->service,
                    entry->key);
        return false;
    }
    entry->stamp = registry_view_stamp(view);
    entry->since_ms = now_ms;
    return registry_store_put(registry_view_tables(view), entry, now_ms) == TP_OK;
}

/*
 * A member of another server that was not read.  Where nothing at all was read, it is the Redis server
 * that has lost it, so who answers stays.  Else its server is dead, or will say it again.
 */
static bool
foreign_miss(struct registry_mirror *mirror, const struct registry_entry *entry)
{
    struct registry_view *view = mirror->use->view;

    if (!entry->is_foreign || foreign_find(mirror, entry->id) != NULL
        || missed_ms(mirror, entry->id) < mirror->use->conf->store.ttl.ms
        || (mirror->foreign_count == 0 && registry_member_answers(view, entry))) {
        return false;
    }
    missed_forget(mirror, entry->id);
    return foreign_remove(mirror, entry);
}

static bool
foreign_remove(struct registry_mirror *mirror, const struct registry_entry *entry)
{
    struct registry_view *view = mirror->use->view;

    if (registry_store_remove(registry_view_tables(view), entry, REGISTRY_LEFT, is_foreign, NULL,
                              tp_home_now_ms(view->home))
        != TP_OK) {
        return false;
    }
    tp_log_info(tp_home_log(view->home), "registry-left", "service=%s key=%s", entry->service,
                entry->key);
    return true;
}

/* For how long it has not been read; from now on, if that is new. */
static int64_t
missed_ms(struct registry_mirror *mirror, uint64_t id)
{
    int64_t now_ms = tp_home_now_ms(mirror->home);
    struct missed *missed = mirror->missed;

    while (missed != NULL && missed->id != id) {
        missed = missed->next;
    }
    if (missed == NULL) {
        missed = calloc(1, sizeof(*missed));
        if (missed == NULL) {
            return 0;
        }
        *missed = (struct missed){ .next = mirror->missed, .id = id, .since_ms = now_ms };
        mirror->missed = missed;
    }
    return now_ms - missed->since_ms;
}

static void
missed_forget(struct registry_mirror *mirror, uint64_t id)
{
    struct missed **at = &mirror->missed;

    while (*at != NULL && (*at)->id != id) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        struct missed *freed = *at;

        *at = freed->next;
        free(freed);
    }
}

static struct foreign *
foreign_find(const struct registry_mirror *mirror, uint64_t id)
{
    struct foreign *one = mirror->foreign;

    while (one != NULL && one->entry->id != id) {
        one = one->next;
    }
    return one;
}

static void
foreign_free(struct registry_mirror *mirror)
{
    while (mirror->foreign != NULL) {
        struct foreign *freed = mirror->foreign;

        mirror->foreign = freed->next;
        free(freed->entry);
        free(freed);
    }
    mirror->foreign_count = 0;
}

static bool
entries_are_same(const struct registry_entry *left, const struct registry_entry *right)
{
    return left->owner == right->owner && left->weight == right->weight
           && left->max_pulls == right->max_pulls && left->is_via == right->is_via
           && left->is_draining == right->is_draining && left->address_len == right->address_len
           && left->uris_len == right->uris_len && left->meta_len == right->meta_len
           && memcmp(left->address, right->address, left->address_len) == 0
           && memcmp(left->text, right->text, (size_t) left->uris_len + left->meta_len) == 0;
}

static bool
is_foreign(const struct registry_entry *entry, void *owner)
{
    (void) owner;
    return entry->is_foreign;
}
