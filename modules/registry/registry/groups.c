/*
 * groups.c - members by the name of their service, and by the uris that they have announced.
 *
 * Made anew from all members when some have changed, and looked at for each PULL that is passed
 * on: a look costs a hash for the name, or one for each prefix of the path.
 *
 * Runs in: worker.  Owns: the groups.  Read next: find.c.
 */
#include "registry.h"

#include <stdlib.h>
#include <string.h>

enum {
    GROUP_ROOM_FIRST = 4,
};

static bool groups_add_all(struct registry_view *view, enum registry_reach reach,
                           const struct registry_entry *entry);
static bool groups_add(struct registry_view *view, int kind, struct tp_str name,
                       const struct registry_entry *entry);
static struct registry_group *group_make(struct registry_view *view, int kind, struct tp_str name,
                                         uint64_t hash);
static bool group_append(struct registry_group *group, const struct registry_entry *entry);
static uint64_t group_hash(int kind, struct tp_str name);

void
registry_groups_refresh(struct registry_view *view)
{
    bool is_whole = true;

    if (!view->groups_are_old) {
        return;
    }
    registry_groups_free(view);
    for (size_t i = 0; i < view->member_count; i++) {
        const struct registry_entry *entry = view->members[i];
        bool is_own = !entry->is_via && !entry->has_address;

        is_whole = groups_add_all(view, REGISTRY_EVERYWHERE, entry) && is_whole;
        is_whole = (entry->is_via || groups_add_all(view, REGISTRY_LOCAL, entry)) && is_whole;
        is_whole = (!is_own || groups_add_all(view, REGISTRY_OWN, entry)) && is_whole;
    }
    view->groups_are_old = !is_whole;
}

void
registry_groups_free(struct registry_view *view)
{
    for (size_t i = 0; i < REGISTRY_GROUP_BUCKETS; i++) {
        while (view->groups[i] != NULL) {
            struct registry_group *group = view->groups[i];

            view->groups[i] = group->next;
            free(group->members);
            free(group);
        }
    }
    view->groups_are_old = true;
}

struct registry_group *
registry_group_find(const struct registry_view *view, int kind, struct tp_str name)
{
    uint64_t hash = group_hash(kind, name);
    struct registry_group *group = view->groups[hash % REGISTRY_GROUP_BUCKETS];

    while (group != NULL
           && (group->hash != hash || group->name_len != name.len + 1
               || group->name[0] != (char) kind
               || memcmp(group->name + 1, name.data, name.len) != 0)) {
        group = group->next;
    }
    return group;
}

/* Exact, then the longest prefix that ends in a slash, then all others; "/math/" is not below. */
struct registry_group *
registry_group_of_path(const struct registry_view *view, enum registry_reach reach,
                       struct tp_str path)
{
    char pattern[REGISTRY_URI_MAX + 1];
    struct registry_group *group =
        registry_group_find(view, (int) REGISTRY_BY_URI + (int) reach, path);
    size_t len = path.len > 0 ? path.len - 1 : 0;

    if (group != NULL && group->active_count > 0) {
        return group;
    }
    for (; len > 0; len--) {
        if (path.data[len - 1] != '/' || len + 1 > REGISTRY_URI_MAX) {
            continue;
        }
        memcpy(pattern, path.data, len);
        pattern[len] = '*';
        group = registry_group_find(view, (int) REGISTRY_BY_URI + (int) reach,
                                    (struct tp_str){ pattern, len + 1 });
        if (group != NULL && group->active_count > 0) {
            return group;
        }
    }
    group = registry_group_find(view, (int) REGISTRY_BY_URI + (int) reach, TP_STR("*"));
    return group != NULL && group->active_count > 0 ? group : NULL;
}

bool
registry_view_has_service(struct registry_view *view, struct tp_str service)
{
    registry_groups_refresh(view);
    return registry_group_find(view, REGISTRY_BY_SERVICE, service) != NULL;
}

size_t
registry_view_service_count(struct registry_view *view)
{
    size_t count = 0;

    registry_groups_refresh(view);
    for (size_t i = 0; i < REGISTRY_GROUP_BUCKETS; i++) {
        for (const struct registry_group *group = view->groups[i]; group != NULL;
             group = group->next) {
            count += group->name[0] == REGISTRY_BY_SERVICE ? 1 : 0;
        }
    }
    return count;
}

/* To its service and to each of its uris, for whoever has this reach. */
static bool
groups_add_all(struct registry_view *view, enum registry_reach reach,
               const struct registry_entry *entry)
{
    struct tp_str rest = registry_entry_uris(entry);
    struct tp_str uri;
    bool is_whole = groups_add(view, (int) REGISTRY_BY_SERVICE + (int) reach,
                               registry_entry_service(entry), entry);

    while (registry_entry_next_uri(&rest, &uri)) {
        is_whole = groups_add(view, (int) REGISTRY_BY_URI + (int) reach, uri, entry) && is_whole;
    }
    return is_whole;
}

/* False: memory is out. */
static bool
groups_add(struct registry_view *view, int kind, struct tp_str name,
           const struct registry_entry *entry)
{
    struct registry_group *group = registry_group_find(view, kind, name);

    if (group == NULL) {
        group = group_make(view, kind, name, group_hash(kind, name));
    }
    return group != NULL && group_append(group, entry);
}

static struct registry_group *
group_make(struct registry_view *view, int kind, struct tp_str name, uint64_t hash)
{
    struct registry_group **bucket = &view->groups[hash % REGISTRY_GROUP_BUCKETS];
    struct registry_group *group = calloc(1, sizeof(*group) + name.len + 2);

    if (group != NULL) {
        group->hash = hash;
        group->name_len = name.len + 1;
        group->name[0] = (char) kind;
        memcpy(group->name + 1, name.data, name.len);
        group->next = *bucket;
        *bucket = group;
    }
    return group;
}

/* Who has announced a uri twice is in its group once. */
static bool
group_append(struct registry_group *group, const struct registry_entry *entry)
{
    if (group->member_count > 0 && group->members[group->member_count - 1] == entry) {
        return true;
    }
    if (group->member_count == group->member_room) {
        size_t room = group->member_room * 2 + GROUP_ROOM_FIRST;
        const struct registry_entry **members =
            realloc(group->members, room * sizeof(const struct registry_entry *));

        if (members == NULL) {
            return false;
        }
        group->members = members;
        group->member_room = room;
    }
    group->members[group->member_count++] = entry;
    group->active_count += entry->is_draining ? 0 : 1;
    /* The order of members does not matter. */
    group->signature += (entry->id ^ entry->stamp) * UINT64_C(0x9e3779b97f4a7c15);
    return true;
}

static uint64_t
group_hash(int kind, struct tp_str name)
{
    const char byte = (char) kind;

    return registry_hash(registry_hash(0, (struct tp_str){ &byte, 1 }), name);
}
