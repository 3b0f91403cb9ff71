/*
 * find.c - from the name of a service, or the uri of an exchange, to the upstream of its members.
 *
 * An upstream is made when it is first looked for, one for each configuration that is at work,
 * because what is dialed is dialed as that says; from there on it has the members that the view
 * has.
 *
 * Runs in: worker.  Owns: the upstreams.  Read next: groups.c.
 */
#include "registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct registry_place {
    struct registry_place *next;
    struct tp_upstream *upstream;
    uint64_t hash;
    uint64_t signature; /* of the group, as the upstream has it */
    size_t name_len;
    char name[]; /* the group's */
};

/* What tells a member of an upstream from the others. */
struct place_key {
    char text[TP_MEMBER_KEY_MAX + 1];
};

static void search_fail(struct tp_upstream_search *search);
static bool group_says_failing(const struct registry_view *view, const struct registry_group *group,
                               const struct registry_entry *entry);
static struct registry_place *place_find(const struct registry_use *use,
                                         const struct registry_group *group);
static struct registry_place *place_of(struct registry_use *use,
                                       const struct registry_group *group);
static struct registry_place *place_make(struct registry_use *use,
                                         const struct registry_group *group);
static void place_update(const struct registry_view *view, struct registry_place *place,
                         const struct registry_group *group);
static void place_free(struct registry_place **link);
static struct tp_upstream_member member_of(const struct registry_entry *entry);
static struct tp_str place_key_of(const struct registry_place *place,
                                  const struct registry_entry *entry, struct place_key *key);

struct tp_upstream *
registry_find(struct tp_upstream_search *search, const void *module_conf)
{
    const struct registry_conf *conf = module_conf;
    struct registry_use *use = conf->use;
    const struct registry_group *group = NULL;
    struct tp_str path = search->exchange == NULL ? TP_STR("") : tp_exchange_path(search->exchange);
    enum registry_reach reach =
        search->is_for_own ? REGISTRY_OWN : (enum registry_reach) conf->reach;

    if (use != NULL && use->view != NULL) {
        registry_groups_refresh(use->view);
        group = search->name.len > 0 ? registry_group_find(
                    use->view, (int) REGISTRY_BY_SERVICE + (int) reach, search->name)
                : path.len > 0 ? registry_group_of_path(use->view, reach, path)
                               : NULL;
    }
    if (group == NULL || group->active_count == 0) {
        search_fail(search);
        return NULL;
    }
    struct registry_place *place = place_of(use, group);

    if (place == NULL) {
        search->status = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
        return NULL;
    }
    return place->upstream;
}

const char *
registry_find_check(const void *module_conf, struct tp_str name)
{
    const struct registry_conf *conf = module_conf;

    if (conf->store.mode == REGISTRY_OFF) {
        return "nothing can be found here without \"registry on\"";
    }
    return name.len > REGISTRY_SERVICE_MAX ? "the name of a service has at most 63 bytes" : NULL;
}

void
registry_places_update(struct registry_view *view)
{
    registry_groups_refresh(view);
    for (struct registry_use *use = view->uses; use != NULL; use = use->next) {
        for (size_t i = 0; i < REGISTRY_PLACE_BUCKETS; i++) {
            struct registry_place **link = &use->places[i];

            while (*link != NULL) {
                struct registry_place *place = *link;
                const struct tp_str name = { place->name + 1, place->name_len - 1 };
                const struct registry_group *group =
                    registry_group_find(view, place->name[0], name);

                if (group == NULL) {
                    place_free(link);
                } else {
                    place_update(view, place, group);
                    link = &place->next;
                }
            }
        }
    }
}

void
registry_places_free(struct registry_use *use)
{
    for (size_t i = 0; i < REGISTRY_PLACE_BUCKETS; i++) {
        while (use->places[i] != NULL) {
            place_free(&use->places[i]);
        }
    }
}

bool
registry_member_is_failing(const struct registry_view *view, const struct registry_entry *entry)
{
    struct tp_str rest = registry_entry_uris(entry);
    struct tp_str uri;
    bool is_failing = group_says_failing(
        view, registry_group_find(view, REGISTRY_BY_SERVICE, registry_entry_service(entry)), entry);

    while (!is_failing && registry_entry_next_uri(&rest, &uri)) {
        is_failing =
            group_says_failing(view, registry_group_find(view, REGISTRY_BY_URI, uri), entry);
    }
    return is_failing;
}

bool
registry_member_answers(const struct registry_view *view, const struct registry_entry *entry)
{
    const struct registry_group *group =
        registry_group_find(view, REGISTRY_BY_SERVICE, registry_entry_service(entry));
    struct tp_upstream_member_state state;
    struct place_key key;

    for (const struct registry_use *use = view->uses; use != NULL && group != NULL;
         use = use->next) {
        const struct registry_place *place = place_find(use, group);

        if (place != NULL
            && tp_upstream_member_state(place->upstream, place_key_of(place, entry, &key), &state)
            && state.is_usable) {
            return true;
        }
    }
    return false;
}

/* Who has passed it on knows, or will in a moment, that somebody else may be asked. */
static void
search_fail(struct tp_upstream_search *search)
{
    if (search->is_for_own) {
        search->status = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
        search->status.cause = TP_STR("nobody who has dialed in here has announced it");
    } else {
        search->status = tp_status_of(TP_STATUS_NOT_FOUND);
        search->status.cause = TP_STR("nobody has announced it");
    }
}

/* Of upstreams that nobody has looked for nothing is known. */
static bool
group_says_failing(const struct registry_view *view, const struct registry_group *group,
                   const struct registry_entry *entry)
{
    struct tp_upstream_member_state state;
    struct place_key key;

    for (const struct registry_use *use = view->uses; use != NULL && group != NULL;
         use = use->next) {
        const struct registry_place *place = place_find(use, group);

        if (place != NULL
            && tp_upstream_member_state(place->upstream, place_key_of(place, entry, &key), &state)
            && !state.is_usable) {
            return true;
        }
    }
    return false;
}

static struct registry_place *
place_find(const struct registry_use *use, const struct registry_group *group)
{
    struct registry_place *place = use->places[group->hash % REGISTRY_PLACE_BUCKETS];

    while (place != NULL
           && (place->hash != group->hash || place->name_len != group->name_len
               || memcmp(place->name, group->name, group->name_len) != 0)) {
        place = place->next;
    }
    return place;
}

/* NULL: memory is out. */
static struct registry_place *
place_of(struct registry_use *use, const struct registry_group *group)
{
    struct registry_place *place = place_find(use, group);

    return place != NULL ? place : place_make(use, group);
}

static struct registry_place *
place_make(struct registry_use *use, const struct registry_group *group)
{
    struct registry_place *place = calloc(1, sizeof(*place) + group->name_len);
    const struct tp_str name = { group->name + 1, group->name_len - 1 };

    if (place == NULL) {
        return NULL;
    }
    place->upstream = tp_upstream_create(use->view->home, use->conf->like, name,
                                         (enum tp_balance) use->conf->balance);
    if (place->upstream == NULL) {
        free(place);
        return NULL;
    }
    place->hash = group->hash;
    place->name_len = group->name_len;
    memcpy(place->name, group->name, group->name_len);
    place->signature = ~group->signature;
    place->next = use->places[group->hash % REGISTRY_PLACE_BUCKETS];
    use->places[group->hash % REGISTRY_PLACE_BUCKETS] = place;
    place_update(use->view, place, group);
    return place;
}

/* Who could not be taken over is tried again with the next change. */
static void
place_update(const struct registry_view *view, struct registry_place *place,
             const struct registry_group *group)
{
    if (place->signature == group->signature) {
        return;
    }
    struct tp_upstream_member *members = calloc(group->member_count, sizeof(*members));
    struct place_key *keys = calloc(group->member_count, sizeof(*keys));
    enum tp_result result = members == NULL || keys == NULL ? TP_NO_MEMORY : TP_OK;

    for (size_t i = 0; i < group->member_count && result == TP_OK; i++) {
        members[i] = member_of(group->members[i]);
        members[i].key = place_key_of(place, group->members[i], &keys[i]);
    }
    if (result == TP_OK) {
        result = tp_upstream_set_members(place->upstream, members, group->member_count);
    }
    free(members);
    free(keys);
    if (result == TP_OK) {
        place->signature = group->signature;
    } else {
        tp_log_warn(tp_home_log(view->home), "registry-unusable", "name=%.*s result=%s",
                    (int) place->name_len - 1, place->name + 1, tp_result_word(result));
    }
}

static void
place_free(struct registry_place **link)
{
    struct registry_place *place = *link;

    *link = place->next;
    tp_upstream_release(&place->upstream);
    free(place);
}

static struct tp_upstream_member
member_of(const struct registry_entry *entry)
{
    struct tp_upstream_member member = {
        .weight = entry->weight,
        .max_pulls = entry->max_pulls,
        .is_draining = entry->is_draining,
        .is_server = entry->is_via,
    };

    if (entry->has_address) {
        member.address = registry_entry_address(entry);
    } else {
        member.session_number = entry->session;
    }
    return member;
}

/* A session may have announced one uri for two services, and then counts for both. */
static struct tp_str
place_key_of(const struct registry_place *place, const struct registry_entry *entry,
             struct place_key *key)
{
    if (place->name[0] >= REGISTRY_BY_SERVICE) {
        return registry_entry_key(entry);
    }
    int len = snprintf(key->text, sizeof(key->text), "%s/%s", entry->service, entry->key);

    if ((size_t) len >= sizeof(key->text)) {
        len = snprintf(key->text, sizeof(key->text), "%016llx", (unsigned long long) entry->id);
    }
    return (struct tp_str){ key->text, (size_t) len };
}
