/*
 * registry.h - what the files of this module share.
 *
 *     advice.c     warns of a configuration that loads and lets nobody announce anything
 *     requests.c   what is asked of it: /registry/register and the others
 *     sessions.c   what it keeps of a session: its announcements, and whether it watches
 *     view.c       a worker's copy of all members, brought up to date change by change
 *     watch.c      tells sessions of changes, and answers once every worker has heard of one
 *     groups.c     members by service, and by uri
 *     find.c       from a name or a uri to the upstream of those who serve it
 *     store.c      the tables that all workers share
 *     entry.c      a member: its fields, and what they are as JSON
 *
 * Threads: the worker's loop.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "entry.h"
#include "store.h"

#include <teleport/json.h>
#include <teleport/module.h>

enum {
    REGISTRY_MEMBERS_MAX = 4096,   /* of all services */
    REGISTRY_OF_SESSION_MAX = 64,  /* services that a session announces */
    REGISTRY_GROUP_BUCKETS = 1024, /* of names and uris */
    REGISTRY_PLACE_BUCKETS = 256,
    REGISTRY_WORKERS_WAIT_MS = 1000, /* for others to have heard of a change */
};

/* Who may do something. */
enum registry_who {
    REGISTRY_NOBODY,
    REGISTRY_IDENTITY, /* who has proved who it is */
    REGISTRY_ANYBODY,
};

enum registry_mode {
    REGISTRY_OFF,
    REGISTRY_ON,
    REGISTRY_REDIS, /* and shared with other servers */
};

/* Which members an exchange reaches. */
enum registry_reach {
    REGISTRY_EVERYWHERE,
    REGISTRY_LOCAL, /* not those that another server would have to ask */
    REGISTRY_OWN,   /* only those that have dialed in to this one: another one has passed it on */
    REGISTRY_REACH_COUNT,
};

/* Where other servers find what is announced here: arguments of "registry". */
struct registry_remote {
    int mode; /* enum registry_mode */
    struct tp_str address;
    struct tp_str prefix;
    struct tp_msec ttl;
    struct tp_str advertise;
    struct tp_str user;
    struct tp_str password_file;
    int64_t database;
    struct tp_str password; /* computed */
};

struct registry_mirror;

/* What may be announced: a use of registry_allow. */
struct registry_rule {
    struct tp_str prefix;
    struct tp_str service; /* empty: any */
    struct tp_str id;      /* of who announces; empty: any */
    int by;                /* enum registry_who */
};

struct registry_use;
struct registry_view;

struct registry_conf {
    struct registry_remote store;
    struct tp_items rules; /* of struct registry_rule */
    int shown_to;          /* enum registry_who */
    int64_t members_max;
    int64_t services_max;
    struct tp_msec ttl;
    int balance; /* enum tp_balance */
    int reach;   /* enum registry_reach */
    struct registry_tables tables;
    const struct tp_upstream_ref *like; /* how members with an address are dialed */
    struct tp_meter joined;
    struct tp_meter left;
    struct tp_meter expired;
    struct tp_meter refused;

    /* Computed: that of the peer or server around a route, which works in a worker. */
    struct registry_use *use;
    bool owns_use;
};

/* How members are found on behalf of one conf, and by which tables: what begins and stops. */
struct registry_use {
    struct registry_use *next;  /* of the view */
    struct registry_view *view; /* NULL: it has not begun */
    const struct registry_conf *conf;
    struct registry_mirror *mirror; /* NULL: it has nothing to do with Redis */
    struct registry_place *places[REGISTRY_PLACE_BUCKETS]; /* found so far */
};

/* Members of one service, or of one uri. */
struct registry_group {
    struct registry_group *next;
    uint64_t hash;
    uint64_t signature;  /* another one: its members are others, or have changed */
    size_t active_count; /* members that get something new */
    const struct registry_entry **members;
    size_t member_count;
    size_t member_room;
    size_t name_len;
    char name[]; /* begins with the kind: what it is the name of, and who is in it */
};

/* Kinds of groups: what they are the names of; the reach that has just their members is added. */
enum registry_kind {
    REGISTRY_BY_URI = 'a', /* as it was announced */
    REGISTRY_BY_SERVICE = 's',
};

/* What a session has announced, as it was. */
struct registry_announcement {
    struct registry_announcement *next;
    struct registry_entry *entry; /* a copy */
};

/* What is kept of a session. */
struct registry_session {
    struct tp_session_handle handle;
    struct registry_view *view; /* held; NULL: nothing is kept yet */
    struct registry_announcement *announcements;
    size_t announcement_count;

    /* In the view's list while it watches. */
    struct registry_session *next_watcher;
    struct registry_session **watcher_link; /* to this one; NULL: it does not watch */
    char service[REGISTRY_SERVICE_MAX + 1]; /* it watches only this one; "": all */
    bool is_behind;                         /* it has missed a change */
    bool was_watching;                      /* in the process that it has come from */
};

/* An answer that waits until the other workers have heard of a change. */
struct registry_answer {
    struct registry_answer *next;
    struct tp_exchange *exchange; /* kept */
    cJSON *value;
    uint64_t revision;
    int64_t deadline_ms;
};

/* A worker's copy of the registry; outlives configurations. */
struct registry_view {
    struct tp_sessions *home;
    unsigned holders;
    struct registry_use *uses; /* NULL: it is at work no more */
    struct registry_entry **members;
    size_t member_count;
    size_t member_room;
    uint64_t revision;
    uint32_t stamp_count;
    int64_t stuck_since_ms; /* a change is announced and not there; 0: none is */
    struct registry_group *groups[REGISTRY_GROUP_BUCKETS];
    bool groups_are_old;
    struct registry_session *watchers;
    struct registry_answer *answers;
    struct tp_home_timer *sweep;
    struct tp_home_timer *soon; /* looks again for what was not there yet */
};

extern const struct tp_module tp_module_registry;

/* registry.c */
bool registry_may_announce(const struct registry_conf *conf, const struct tp_identity *identity,
                           struct tp_str service, struct tp_str uri);
bool registry_may_look(const struct registry_conf *conf, const struct tp_identity *identity);

/* advice.c: warns of rules that let nobody announce anything; for peers and servers. */
void registry_advise(const struct tp_block *block, const struct registry_conf *conf);

/* requests.c */
void registry_handle(struct tp_exchange *exchange, const void *module_conf);

/* sessions.c: what the descriptor wants of it, and what requests do with it. */
void registry_session_on_time(struct tp_session *session, void *kept, const void *module_conf);
void registry_session_on_conf(struct tp_session *session, const void *module_conf);
void registry_session_end(void *kept);
enum tp_result registry_session_save(const void *kept, struct tp_buf_pool *pool,
                                     struct tp_chain *saved);
enum tp_result registry_session_restore(void *kept, struct tp_str saved);

/* What is kept of it, ready for use with the view of `conf`; NULL: memory is out. */
struct registry_session *registry_session_open(struct tp_session *session,
                                               const struct registry_conf *conf);

/* Remembers that the session has announced this.  TP_FULL, TP_NO_MEMORY. */
enum tp_result registry_session_remember(struct tp_session *session, struct registry_session *data,
                                         const struct registry_entry *entry);

/* It is draining, and not to be announced anew. */
void registry_session_note_draining(struct registry_session *data,
                                    const struct registry_entry *entry);

/* Lets it be looked after again when that is due, if it is. */
void registry_session_plan(struct tp_session *session, const struct registry_session *data);
void registry_session_forget(struct registry_session *data, struct tp_str service,
                             struct tp_str key);

/* view.c */
enum tp_result registry_view_start(struct tp_sessions *home, struct registry_use *use);
void registry_view_stop(struct tp_sessions *home, struct registry_use *use);
void registry_view_release(struct registry_view **view);
void registry_on_told(struct tp_sessions *home, unsigned from_slot, struct tp_str bytes);

/* The tables; NULL: it is not at work any more. */
const struct registry_tables *registry_view_tables(const struct registry_view *view);

/* Takes over what has changed, and tells those who watch. */
void registry_view_sync(struct registry_view *view);

/* Something was changed here: takes it over, and tells the other workers where to look. */
void registry_view_changed(struct registry_view *view);

/* The same for whoever is in the middle of something: a moment later. */
void registry_view_changed_soon(struct registry_view *view);

/* What an entry that was changed here is stamped with. */
uint64_t registry_view_stamp(struct registry_view *view);

/* The member; NULL: there is none of that name. */
const struct registry_entry *registry_view_find(const struct registry_view *view,
                                                struct tp_str service, struct tp_str key);

/* watch.c */
void registry_watch_begin(struct registry_session *data);
void registry_watch_end(struct registry_session *data);
void registry_watch_tell(struct registry_view *view, const struct registry_change *change,
                         const struct registry_entry *entry);

/* Tells this one, whether it watches or not. */
void registry_watch_tell_one(struct registry_session *data, const struct registry_change *change);
void registry_watch_catch_up(struct registry_view *view);

/* Ends the exchange with `value`, which it takes, when all workers have the view's revision. */
void registry_answer_later(struct registry_view *view, struct tp_exchange *exchange, cJSON *value);
void registry_answers_look(struct registry_view *view);
void registry_answers_end(struct registry_view *view);

/* A member as lists and watchers see it; NULL: memory is out. */
cJSON *registry_member_show(const struct registry_view *view, const struct registry_entry *entry);

/* groups.c: makes the groups anew, if members have changed. */
void registry_groups_refresh(struct registry_view *view);
void registry_groups_free(struct registry_view *view);

/* Those of a kind, the reach added; NULL: there is none. */
struct registry_group *registry_group_find(const struct registry_view *view, int kind,
                                           struct tp_str name);

/* Those who have announced what says most of this path, and take something new; NULL. */
struct registry_group *registry_group_of_path(const struct registry_view *view,
                                              enum registry_reach reach, struct tp_str path);
size_t registry_view_service_count(struct registry_view *view);
bool registry_view_has_service(struct registry_view *view, struct tp_str service);

/* find.c: for proxy_pass registry:NAME, and registry. */
struct tp_upstream *registry_find(struct tp_upstream_search *search, const void *module_conf);
const char *registry_find_check(const void *module_conf, struct tp_str name);

/* Lets upstreams that were found have the members that there are now; and lets go of them. */
void registry_places_update(struct registry_view *view);
void registry_places_free(struct registry_use *use);

/* Is there an upstream of this worker where the member has failed lately? */
bool registry_member_is_failing(const struct registry_view *view,
                                const struct registry_entry *entry);

/* …or where it has been asked and is well? */
bool registry_member_answers(const struct registry_view *view, const struct registry_entry *entry);

#endif
