/*
 * requests.c - what is asked of the registry: /registry/register, renew, deregister, list, watch.
 *
 * Requests and answers are JSON objects, described in docs/guide/registry.md.  Whoever is answered
 * that a member has come or goes may rely on it: every worker has heard of it by then.
 *
 * Runs in: worker.  Owns: nothing.  Read next: sessions.c.
 */
#include "registry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MS_PER_SECOND = 1000,
    WORDS_MAX = 384,
};

/* What can be asked; the members of a request that it knows end with NULL. */
struct request_kind {
    const char *uri;
    const char *const *members;
    void (*run)(struct tp_exchange *exchange, const struct registry_conf *conf,
                const cJSON *request);
};

/* Who asks, for what may be done to a member. */
struct asker {
    const struct registry_conf *conf;
    const struct tp_identity *identity;
    uint64_t session; /* 0: it has none, or one that cannot be asked */
    uint64_t owner;
};

static void request_register(struct tp_exchange *exchange, const struct registry_conf *conf,
                             const cJSON *request);
static bool register_may(struct tp_exchange *exchange, const struct asker *asker,
                         struct registry_entry *entry);
static bool register_has_room(struct tp_exchange *exchange, const struct registry_conf *conf,
                              const struct registry_entry *entry);
static enum tp_result register_put(const struct asker *asker, struct tp_exchange *exchange,
                                   const struct registry_entry *entry);
static void request_renew(struct tp_exchange *exchange, const struct registry_conf *conf,
                          const cJSON *request);
static void request_deregister(struct tp_exchange *exchange, const struct registry_conf *conf,
                               const cJSON *request);
static void request_list(struct tp_exchange *exchange, const struct registry_conf *conf,
                         const cJSON *request);
static void request_watch(struct tp_exchange *exchange, const struct registry_conf *conf,
                          const cJSON *request);
static bool request_may_look(struct tp_exchange *exchange, const struct registry_conf *conf,
                             const cJSON *request, char service[REGISTRY_SERVICE_MAX + 1]);
static cJSON *list_write(struct registry_view *view, const char *service);
static int list_compare(const void *left, const void *right);
static cJSON *list_service(cJSON *services, const struct registry_entry *entry);
static bool request_name_member(struct tp_exchange *exchange, const struct asker *asker,
                                const cJSON *request, struct registry_entry *entry);
static bool request_read(struct tp_exchange *exchange, const struct request_kind *kind,
                         cJSON **request);
static struct asker asker_of(const struct tp_exchange *exchange, const struct registry_conf *conf);
static bool asker_may_touch(const struct registry_entry *entry, void *owner);
static cJSON *answer_write(const struct registry_view *view, const struct registry_entry *entry);
static void refuse_member(struct tp_exchange *exchange, enum tp_result result);
static void refuse(struct tp_exchange *exchange, int32_t code, const char *format, ...)
    TP_PRINTF(3, 4);

static const char *const register_members[] = { "service",   "uris",    "weight", "meta",
                                                "max_pulls", "address", "ttl",    NULL };
static const char *const name_members[] = { "service", "key", "address", NULL };
static const char *const list_members[] = { "service", NULL };
static const char *const watch_members[] = { "service", "stop", NULL };

static const struct request_kind request_kinds[] = {
    { "/registry/register", register_members, request_register },
    { "/registry/renew", name_members, request_renew },
    { "/registry/deregister", name_members, request_deregister },
    { "/registry/list", list_members, request_list },
    { "/registry/watch", watch_members, request_watch },
};

void
registry_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct registry_conf *conf = module_conf;
    struct tp_str path = tp_exchange_path(exchange);
    cJSON *request = NULL;
    size_t at = 0;

    while (at < TP_COUNT_OF(request_kinds)
           && (strlen(request_kinds[at].uri) != path.len
               || memcmp(request_kinds[at].uri, path.data, path.len) != 0)) {
        at++;
    }
    if (at == TP_COUNT_OF(request_kinds) || tp_exchange_session(exchange) == NULL
        || conf->use == NULL || conf->use->view == NULL) {
        tp_exchange_refuse_result(exchange, TP_NOT_FOUND);
        return;
    }
    if (request_read(exchange, &request_kinds[at], &request)) {
        request_kinds[at].run(exchange, conf, request);
    }
    cJSON_Delete(request);
}

static void
request_register(struct tp_exchange *exchange, const struct registry_conf *conf,
                 const cJSON *request)
{
    struct registry_view *view = conf->use->view;
    struct asker asker = asker_of(exchange, conf);
    struct registry_entry entry = { .id = 0 };
    const char *why = registry_entry_read(request, conf->ttl.ms, &entry);

    if (why != NULL) {
        refuse(exchange, TP_STATUS_BAD_REQUEST, "%s", why);
        return;
    }
    if (!register_may(exchange, &asker, &entry) || !register_has_room(exchange, conf, &entry)) {
        tp_meter_add(&conf->refused, 1);
        return;
    }
    int64_t now_ms = tp_home_now_ms(view->home);

    entry.session = tp_session_number(tp_exchange_session(exchange));
    entry.owner = asker.owner;
    entry.stamp = registry_view_stamp(view);
    entry.since_ms = now_ms;
    entry.expires_ms = entry.has_address ? now_ms + entry.ttl_ms : 0;
    enum tp_result result = register_put(&asker, exchange, &entry);

    if (result != TP_OK) {
        tp_meter_add(&conf->refused, 1);
        refuse_member(exchange, result);
        return;
    }
    tp_log_info(tp_session_log(tp_exchange_session(exchange)), "registry-joined",
                "service=%s key=%s weight=%u number=%llu", entry.service, entry.key, entry.weight,
                (unsigned long long) entry.session);
    tp_meter_add(&conf->joined, 1);
    registry_view_changed(view);
    registry_answer_later(view, exchange, answer_write(view, &entry));
}

/* Whether that may be announced here, by this one; without address it gets its key. */
static bool
register_may(struct tp_exchange *exchange, const struct asker *asker, struct registry_entry *entry)
{
    struct tp_str rest = registry_entry_uris(entry);
    struct tp_str uri;
    char key[REGISTRY_KEY_MAX + 1];

    while (registry_entry_next_uri(&rest, &uri)) {
        if (!registry_may_announce(asker->conf, asker->identity, registry_entry_service(entry),
                                   uri)) {
            tp_log_notice(tp_session_log(tp_exchange_session(exchange)), "registry-refused",
                          "service=%s uri=%.*s number=%llu", entry->service, TP_STR_ARG(uri),
                          (unsigned long long) tp_session_number(tp_exchange_session(exchange)));
            refuse(exchange, TP_STATUS_FORBIDDEN,
                   "no registry_allow lets %s announce %.*s for %s here",
                   asker->identity == NULL ? "who has not proved who it is" : "you",
                   TP_STR_ARG(uri), entry->service);
            return false;
        }
    }
    if (entry->has_address) {
        const char *wanted =
            tp_upstream_check_address(asker->conf->like, registry_entry_key(entry));

        if (wanted != NULL) {
            refuse(exchange, TP_STATUS_BAD_REQUEST, "\"address\" has to be %s", wanted);
        }
        return wanted == NULL;
    }
    if (asker->session == 0) {
        refuse(exchange, TP_STATUS_BAD_REQUEST,
               "this protocol has no way to ask you: say the \"address\" where you listen");
        return false;
    }
    int len = snprintf(key, sizeof(key), "session-%llu", (unsigned long long) asker->session);

    return registry_entry_set_key(entry, (struct tp_str){ key, (size_t) len }) == NULL;
}

/* About the bounds: two workers that fill the last place at the same time may go over by one. */
static bool
register_has_room(struct tp_exchange *exchange, const struct registry_conf *conf,
                  const struct registry_entry *entry)
{
    struct registry_view *view = conf->use->view;
    struct tp_str service = registry_entry_service(entry);

    if (registry_view_find(view, service, registry_entry_key(entry)) != NULL) {
        return true;
    }
    if ((int64_t) view->member_count >= conf->members_max) {
        refuse(exchange, TP_STATUS_SERVICE_UNAVAILABLE,
               "the registry is full: registry_members is %lld", (long long) conf->members_max);
        return false;
    }
    if (!registry_view_has_service(view, service)
        && (int64_t) registry_view_service_count(view) >= conf->services_max) {
        refuse(exchange, TP_STATUS_SERVICE_UNAVAILABLE,
               "there are too many services: registry_services is %lld",
               (long long) conf->services_max);
        return false;
    }
    return true;
}

/* The session remembers it first, so that nothing is announced that nobody takes out again. */
static enum tp_result
register_put(const struct asker *asker, struct tp_exchange *exchange,
             const struct registry_entry *entry)
{
    struct tp_session *session = tp_exchange_session(exchange);
    struct registry_view *view = asker->conf->use->view;
    struct registry_session *data = NULL;

    if (asker->session != 0) {
        data = registry_session_open(session, asker->conf);
        enum tp_result result =
            data == NULL ? TP_NO_MEMORY : registry_session_remember(session, data, entry);

        if (result != TP_OK) {
            return result;
        }
    }
    enum tp_result result =
        registry_store_put(registry_view_tables(view), entry, tp_home_now_ms(view->home));

    if (result != TP_OK && data != NULL) {
        registry_session_forget(data, registry_entry_service(entry), registry_entry_key(entry));
    }
    return result;
}

static void
request_renew(struct tp_exchange *exchange, const struct registry_conf *conf, const cJSON *request)
{
    struct registry_view *view = conf->use->view;
    struct asker asker = asker_of(exchange, conf);
    struct registry_entry entry = { .has_address = true };
    enum tp_result result;

    if (!request_name_member(exchange, &asker, request, &entry)) {
        return;
    }
    result = registry_store_renew(registry_view_tables(view), &entry, tp_home_now_ms(view->home),
                                  asker_may_touch, &asker, &entry.ttl_ms);
    if (result != TP_OK) {
        refuse_member(exchange, result);
        return;
    }
    registry_answer_later(view, exchange, answer_write(view, &entry));
}

static void
request_deregister(struct tp_exchange *exchange, const struct registry_conf *conf,
                   const cJSON *request)
{
    struct registry_view *view = conf->use->view;
    struct asker asker = asker_of(exchange, conf);
    struct registry_entry entry = { .id = 0 };
    enum tp_result result;

    if (!request_name_member(exchange, &asker, request, &entry)) {
        return;
    }
    entry.stamp = registry_view_stamp(view);
    result = registry_store_drain(registry_view_tables(view), &entry, asker_may_touch, &asker,
                                  tp_home_now_ms(view->home));
    if (result != TP_OK) {
        refuse_member(exchange, result);
        return;
    }
    tp_log_info(tp_session_log(tp_exchange_session(exchange)), "registry-draining",
                "service=%s key=%s number=%llu", entry.service, entry.key,
                (unsigned long long) tp_session_number(tp_exchange_session(exchange)));
    struct registry_session *data =
        tp_session_data_get(tp_exchange_session(exchange), &tp_module_registry);

    if (data != NULL) {
        registry_session_note_draining(data, &entry);
    }
    registry_view_changed(view);
    registry_answer_later(view, exchange, answer_write(view, &entry));
}

static void
request_list(struct tp_exchange *exchange, const struct registry_conf *conf, const cJSON *request)
{
    char service[REGISTRY_SERVICE_MAX + 1];

    if (!request_may_look(exchange, conf, request, service)) {
        return;
    }
    registry_view_sync(conf->use->view);
    cJSON *answer = list_write(conf->use->view, service);

    if (answer == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    tp_exchange_reply_value(exchange, answer);
    cJSON_Delete(answer);
}

/* The answer is the list; each change after its revision comes once, in order. */
static void
request_watch(struct tp_exchange *exchange, const struct registry_conf *conf, const cJSON *request)
{
    struct tp_session *session = tp_exchange_session(exchange);
    const cJSON *stop = cJSON_GetObjectItemCaseSensitive(request, "stop");
    char service[REGISTRY_SERVICE_MAX + 1];

    if (!request_may_look(exchange, conf, request, service)) {
        return;
    }
    if ((tp_session_abilities(session) & TP_PROTOCOL_PUSHES_DOWN) == 0) {
        refuse(exchange, TP_STATUS_NOT_IMPLEMENTED, "this protocol has no way to tell you");
        return;
    }
    if (stop != NULL && !cJSON_IsBool(stop)) {
        refuse(exchange, TP_STATUS_BAD_REQUEST, "\"stop\" is true or false");
        return;
    }
    struct registry_session *data = registry_session_open(session, conf);

    registry_view_sync(conf->use->view);
    cJSON *answer = data == NULL ? NULL : list_write(conf->use->view, service);

    if (answer == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    if (cJSON_IsTrue(stop)) {
        registry_watch_end(data);
    } else {
        memcpy(data->service, service, sizeof(data->service));
        registry_watch_begin(data);
    }
    registry_session_plan(session, data);
    tp_exchange_reply_value(exchange, answer);
    cJSON_Delete(answer);
}

/* And for which service it asks; "": for all. */
static bool
request_may_look(struct tp_exchange *exchange, const struct registry_conf *conf,
                 const cJSON *request, char service[REGISTRY_SERVICE_MAX + 1])
{
    struct registry_entry entry = { .id = 0 };

    if (!registry_may_look(conf, tp_exchange_identity(exchange))) {
        refuse(exchange, TP_STATUS_FORBIDDEN, "registry_show does not show you who is there");
        return false;
    }
    const char *why =
        cJSON_HasObjectItem(request, "service") ? registry_read_service(request, &entry) : NULL;

    if (why != NULL) {
        refuse(exchange, TP_STATUS_BAD_REQUEST, "%s", why);
        return false;
    }
    memcpy(service, entry.service, sizeof(entry.service));
    return true;
}

/* {"revision":7,"services":[{"service":"math","members":[…]}]}; NULL: memory is out. */
static cJSON *
list_write(struct registry_view *view, const char *service)
{
    cJSON *value = cJSON_CreateObject();
    cJSON *revision = tp_json_create_integer((int64_t) view->revision);
    bool is_whole = cJSON_AddItemToObject(value, "revision", revision);
    cJSON *services = cJSON_AddArrayToObject(value, "services");
    cJSON *members = NULL;
    const char *before = "";

    if (view->member_count > 1) {
        qsort(view->members, view->member_count, sizeof(struct registry_entry *), list_compare);
    }
    is_whole = is_whole && services != NULL;
    for (size_t i = 0; i < view->member_count && is_whole; i++) {
        const struct registry_entry *entry = view->members[i];

        if (service[0] != '\0' && strcmp(service, entry->service) != 0) {
            continue;
        }
        if (strcmp(before, entry->service) != 0) {
            members = list_service(services, entry);
            before = entry->service;
        }
        is_whole =
            members != NULL && cJSON_AddItemToArray(members, registry_member_show(view, entry));
    }
    if (!is_whole) {
        cJSON_Delete(value);
        return NULL;
    }
    return value;
}

/* By name, and the oldest first. */
static int
list_compare(const void *left_place, const void *right_place)
{
    const struct registry_entry *left = *(struct registry_entry *const *) left_place;
    const struct registry_entry *right = *(struct registry_entry *const *) right_place;
    int order = strcmp(left->service, right->service);

    if (order == 0 && left->since_ms != right->since_ms) {
        order = left->since_ms < right->since_ms ? -1 : 1;
    }
    return order != 0 ? order : strcmp(left->key, right->key);
}

static cJSON *
list_service(cJSON *services, const struct registry_entry *entry)
{
    cJSON *service = cJSON_CreateObject();

    if (!cJSON_AddItemToArray(services, service)
        || cJSON_AddStringToObject(service, "service", entry->service) == NULL) {
        return NULL;
    }
    return cJSON_AddArrayToObject(service, "members");
}

/* By its key or address, else the session's own. */
static bool
request_name_member(struct tp_exchange *exchange, const struct asker *asker, const cJSON *request,
                    struct registry_entry *entry)
{
    const cJSON *key = cJSON_GetObjectItemCaseSensitive(request, "key");
    const cJSON *address = cJSON_GetObjectItemCaseSensitive(request, "address");
    const cJSON *named = key != NULL ? key : address;
    char own[REGISTRY_KEY_MAX + 1] = "";
    const char *why = registry_read_service(request, entry);

    if (why == NULL && key != NULL && address != NULL) {
        why = "\"key\" and \"address\" say the same: leave one out";
    }
    if (why == NULL && named == NULL && asker->session != 0) {
        snprintf(own, sizeof(own), "session-%llu", (unsigned long long) asker->session);
    }
    if (why == NULL) {
        why = registry_entry_set_key(
            entry, registry_text(cJSON_IsString(named) ? named->valuestring : own));
    }
    if (why != NULL) {
        refuse(exchange, TP_STATUS_BAD_REQUEST, "%s", why);
        return false;
    }
    return true;
}

/* No body is an empty object.  False: the exchange was refused. */
static bool
request_read(struct tp_exchange *exchange, const struct request_kind *kind, cJSON **request)
{
    const cJSON *member;

    if (tp_exchange_request(exchange)->body.len == 0) {
        *request = cJSON_CreateObject();
    } else if (tp_exchange_read_value(exchange, request) != TP_OK) {
        return false;
    }
    if (*request == NULL) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return false;
    }
    if (!cJSON_IsObject(*request)) {
        refuse(exchange, TP_STATUS_BAD_REQUEST, "the request is no object");
        return false;
    }
    cJSON_ArrayForEach(member, *request)
    {
        size_t i = 0;

        while (kind->members[i] != NULL && strcmp(kind->members[i], member->string) != 0) {
            i++;
        }
        if (kind->members[i] == NULL) {
            refuse(exchange, TP_STATUS_BAD_REQUEST, "unknown member \"%.64s\"", member->string);
            return false;
        }
    }
    return true;
}

static struct asker
asker_of(const struct tp_exchange *exchange, const struct registry_conf *conf)
{
    const struct tp_session *session = tp_exchange_session(exchange);
    const struct tp_identity *identity = tp_exchange_identity(exchange);
    bool can_be_asked = (tp_session_abilities(session) & TP_PROTOCOL_PULLS_DOWN) != 0;

    return (struct asker){
        .conf = conf,
        .identity = identity,
        .session = can_be_asked ? tp_session_number(session) : 0,
        .owner = identity == NULL ? 0 : registry_hash(0, identity->id),
    };
}

/*
 * A member is touched by the session that has announced it, by who has proved to be the same, and,
 * if nobody had to prove anything, by who might announce it: but then not a session by another.
 */
static bool
asker_may_touch(const struct registry_entry *entry, void *owner)
{
    const struct asker *asker = owner;
    struct tp_str rest = registry_entry_uris(entry);
    struct tp_str uri;

    if (asker->session != 0 && asker->session == entry->session) {
        return true;
    }
    if (asker->owner != entry->owner) {
        return false;
    }
    while (asker->owner == 0 && registry_entry_next_uri(&rest, &uri)) {
        if (!entry->has_address
            || !registry_may_announce(asker->conf, NULL, registry_entry_service(entry), uri)) {
            return false;
        }
    }
    return true;
}

/* {"service":"math","key":"…","revision":7,"ttl":10}; a ttl of 0 is that of the session. */
static cJSON *
answer_write(const struct registry_view *view, const struct registry_entry *entry)
{
    cJSON *value = cJSON_CreateObject();

    cJSON_AddStringToObject(value, "service", entry->service);
    cJSON_AddStringToObject(value, "key", entry->key);
    cJSON_AddItemToObject(value, "revision", tp_json_create_integer((int64_t) view->revision));
    cJSON_AddNumberToObject(value, "ttl", (double) entry->ttl_ms / MS_PER_SECOND);
    return value;
}

/* What the tables have said. */
static void
refuse_member(struct tp_exchange *exchange, enum tp_result result)
{
    switch (result) {
    case TP_NOT_FOUND:
        refuse(exchange, TP_STATUS_NOT_FOUND, "there is no such member: register it");
        break;
    case TP_DENIED:
        refuse(exchange, TP_STATUS_CONFLICT, "somebody else has announced it");
        break;
    case TP_FULL:
        refuse(exchange, TP_STATUS_SERVICE_UNAVAILABLE, "the registry has no room for it");
        break;
    default:
        tp_exchange_refuse_result(exchange, result);
        break;
    }
}

static void
refuse(struct tp_exchange *exchange, int32_t code, const char *format, ...)
{
    struct tp_status status = tp_status_of(code);
    char words[WORDS_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    status.text = registry_text(words);
    tp_exchange_refuse(exchange, &status);
}
