/*
 * registry.c - services announce themselves, and others find them: directives, and what is made of
 * them.
 *
 * A program announces over a session that it has dialed in with, and is then asked through that
 * session, by whichever worker; or it says where it listens, and for how long that holds.
 *
 * Runs in: worker; the check in whichever process loads a configuration.
 * Read next: registry.h, which says what the other files do; then requests.c.
 */
#include "registry.h"

#include "mirror.h"
#include "redis.h"

#include <stdlib.h>
#include <string.h>

static void registry_validate(const struct tp_block *block, void *module_conf);
static void registry_validate_rules(const struct tp_block *block, const struct registry_conf *conf);
static void registry_validate_store(const struct tp_block *block, struct registry_conf *conf);
static void registry_read_password(const struct tp_block *block, struct registry_conf *conf);
static bool registry_has_other_store(const struct tp_block *block,
                                     const struct registry_conf *conf);
static bool stores_are_same(const struct registry_remote *left,
                            const struct registry_remote *right);
static void registry_declare(const struct tp_block *block, struct registry_conf *conf);
static bool conf_make_use(const struct tp_block *block, struct registry_conf *conf);
static void registry_release(void *module_conf);
static enum tp_result registry_start(struct tp_sessions *home, const void *module_conf);
static void registry_stop(struct tp_sessions *home, const void *module_conf);
static bool registry_is_wanted(const void *module_conf);
static bool registry_is_logged(const void *module_conf);
static bool prefix_is_valid(struct tp_str prefix);
static bool prefix_has(struct tp_str prefix, struct tp_str uri);
static bool text_equal(struct tp_str left, struct tp_str right);

static const struct tp_word mode_words[] = {
    { "off", REGISTRY_OFF },
    { "on", REGISTRY_ON },
    { "redis", REGISTRY_REDIS },
    { NULL, 0 },
};

static const struct tp_word who_words[] = {
    { "nobody", REGISTRY_NOBODY },
    { "identity", REGISTRY_IDENTITY },
    { "anybody", REGISTRY_ANYBODY },
    { NULL, 0 },
};

static const struct tp_word by_words[] = {
    { "identity", REGISTRY_IDENTITY },
    { "anybody", REGISTRY_ANYBODY },
    { NULL, 0 },
};

static const struct tp_word balance_words[] = {
    { "round_robin", TP_BALANCE_ROUND_ROBIN },
    { "least_pending", TP_BALANCE_LEAST_PENDING },
    { NULL, 0 },
};

static const struct tp_word reach_words[] = {
    { "everywhere", REGISTRY_EVERYWHERE },
    { "local", REGISTRY_LOCAL },
    { NULL, 0 },
};

static const struct tp_argument registry_arguments[] = {
    {
        .name = "MODE", .kind = TP_ARGUMENT_REQUIRED,
        TP_WORD(struct registry_conf, store.mode, mode_words), .preset = "off",
        .brief = "Whether there is one; redis: one that several servers share, by a Redis server.",
    },
    {
        .name = "ADDRESS", .kind = TP_ARGUMENT_OPTIONAL,
        TP_TEXT(struct registry_conf, store.address),
        .brief = "Of redis: 127.0.0.1:6379, name:6379 or unix:/path.",
    },
    {
        .name = "prefix", .kind = TP_ARGUMENT_NAMED, TP_TEXT(struct registry_conf, store.prefix),
        .preset = "teleport:",
        .brief = "Of all keys there: servers with the same one share a registry.",
    },
    {
        .name = "ttl", .kind = TP_ARGUMENT_NAMED, TP_TIME(struct registry_conf, store.ttl),
        .preset = "10s", .min = "500ms", .max = "1h",
        .brief = "How long what this server has said there lives without being said again, which "
                 "it is three times as often.",
    },
    {
        .name = "advertise", .kind = TP_ARGUMENT_NAMED,
        TP_TEXT(struct registry_conf, store.advertise),
        .brief = "Where other servers may ask for the members that have dialed in here; without "
                 "it those are known here only.",
    },
    {
        .name = "user", .kind = TP_ARGUMENT_NAMED, TP_TEXT(struct registry_conf, store.user),
        .brief = "Who this server is to Redis.",
    },
    {
        .name = "password_file", .kind = TP_ARGUMENT_NAMED,
        TP_PATH(struct registry_conf, store.password_file),
        .brief = "What proves that: the first line of this file.",
    },
    {
        .name = "database", .kind = TP_ARGUMENT_NAMED,
        TP_NUMBER(struct registry_conf, store.database), .preset = "0", .min = "0",
        .max = "65535",
        .brief = "Which database of it is used.",
    },
};

static const struct tp_argument allow_arguments[] = {
    {
        .name = "PREFIX", .kind = TP_ARGUMENT_REQUIRED, TP_TEXT(struct registry_rule, prefix),
        .brief = "What may be announced: a uri such as /math/add, those below one such as /math/*, "
                 "or * for all.",
    },
    {
        .name = "service", .kind = TP_ARGUMENT_NAMED, TP_TEXT(struct registry_rule, service),
        .brief = "Only for the service of this name.",
    },
    {
        .name = "id", .kind = TP_ARGUMENT_NAMED, TP_TEXT(struct registry_rule, id),
        .brief = "Only by who has proved this id.",
    },
    {
        .name = "by", .kind = TP_ARGUMENT_NAMED,
        TP_WORD(struct registry_rule, by, by_words), .preset = "identity",
        .brief = "Who may: who has proved who it is, or anybody who reaches the server, which then "
                 "should be a private one.",
    },
};

static const struct tp_directive registry_directives[] = {
    {
        .name = "registry", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_ARGUMENTS(registry_arguments), .since = "0.1",
        .brief = "Services announce themselves by PULLs of /registry/register, and proxy_pass "
                 "registry:NAME finds them; all servers that say so share what was announced.",
    },
    {
        .name = "registry_allow", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_REPEATED(struct registry_conf, rules, struct registry_rule),
        TP_ARGUMENTS(allow_arguments), .since = "0.1",
        .brief = "What may be announced, and by whom; without it nothing.",
    },
    {
        .name = "registry_show", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_WORD(struct registry_conf, shown_to, who_words), .preset = "identity", .since = "0.1",
        .brief = "Who may list and watch what was announced.",
    },
    {
        .name = "registry_members", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct registry_conf, members_max),
        .preset = "1024", .min = "1", .max = "4096", .since = "0.1",
        .brief = "How many members there may be, of all services; one takes up to 4 KB of shared "
                 "memory, and 2 KB in each worker.",
    },
    {
        .name = "registry_services", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_NUMBER(struct registry_conf, services_max),
        .preset = "256", .min = "1", .max = "4096", .since = "0.1",
        .brief = "How many services there may be.",
    },
    {
        .name = "registry_balance", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_WORD(struct registry_conf, balance, balance_words), .preset = "round_robin",
        .since = "0.1",
        .brief = "Which of several members is next: each in its turn, or who has the fewest "
                 "unanswered PULLs; weights count in both.",
    },
    {
        .name = "registry_reach", .where = TP_IN_PEER | TP_IN_SERVER | TP_IN_ROUTE,
        TP_WORD(struct registry_conf, reach, reach_words), .preset = "everywhere", .since = "0.1",
        .brief = "With local, what is asked here reaches no member that another server would have to "
                 "ask, whoever asks. What another server passes on never does.",
    },
    {
        .name = "registry_ttl", .where = TP_IN_PEER | TP_IN_SERVER,
        TP_TIME(struct registry_conf, ttl),
        .preset = "30s", .min = "100ms", .max = "1d", .since = "0.1",
        .brief = "How long a member with an address is there without being renewed, unless it says "
                 "another time.",
    },
};

static const struct tp_meter_row registry_meters[] = {
    { "registry_joined", TP_METER_COUNTER, "members", NULL, "Members that were announced." },
    { "registry_left", TP_METER_COUNTER, "members", NULL,
      "Members that went with their session." },
    { "registry_expired", TP_METER_COUNTER, "members", NULL,
      "Members whose time was over, or whose worker has died." },
    { "registry_refused", TP_METER_COUNTER, "announcements", NULL,
      "Announcements that were not allowed, or for which there was no room." },
};

enum {
    METER_JOINED,
    METER_LEFT,
    METER_EXPIRED,
    METER_REFUSED,
};

static const struct tp_log_id registry_log_ids[] = {
    { "registry-joined", "Somebody has announced that it serves something." },
    { "registry-draining", "A member has been taken out: it finishes what it has, and gets nothing "
                           "new." },
    { "registry-left", "A member has gone with its session." },
    { "registry-lost", "A member was taken out because nobody has renewed it, or because its "
                       "session is gone." },
    { "registry-refused", "Somebody has announced what no registry_allow lets it." },
    { "registry-unusable", "The members of a service could not be taken over as they are, for want of "
                           "memory; PULLs go to those that were known." },
    { "registry-untold", "Other workers could not be told of a change; they find it within a "
                         "second." },
    { "registry-no-redis", "Memory was out for a connection to the Redis server." },
    { "registry-redis-away", "The connection to the Redis server is gone; members of other servers "
                             "that were known stay." },
    { "registry-redis-there", "There is a connection to the Redis server: what is known here is "
                              "said there, and what is there is read." },
    { "registry-redis-unread", "What is in the Redis server could not be read whole, and changes "
                               "nothing." },
    { "registry-redis-wrong", "An entry in the Redis server is none of a registry, and counts for "
                              "nothing." },
    { "registry-full", "A member of another server was not taken over: registry_members." },
    { "registry-unread", "The members could not be read anew; those that were known stay." },
    { "registry-redis-connected", "A connection to the Redis server is there: one for commands, one "
                                  "that hears of changes." },
    { "registry-redis-lost", "A connection to the Redis server was lost for the reason given; it is "
                             "made again." },
    { "registry-redis-unreachable", "The Redis server could not be reached, or did not let us in, for "
                                    "the reason given, which is said when it changes; that is tried "
                                    "again and again." },
    { "registry-redis-refused", "The Redis server refused a command with this error, which is said "
                                "when it changes." },
    { "registry-redis-skipped", "A value in the Redis server below our prefix is larger than any of "
                                "ours; it is left out." },
};

static const struct tp_own_route registry_routes[] = {
    { "/registry/register", registry_is_wanted, registry_is_logged, true, true },
    { "/registry/renew", registry_is_wanted, registry_is_logged, true, true },
    { "/registry/deregister", registry_is_wanted, registry_is_logged, true, true },
    { "/registry/list", registry_is_wanted, registry_is_logged, true, true },
    { "/registry/watch", registry_is_wanted, registry_is_logged, true, true },
};

const struct tp_module tp_module_registry = {
    .name = "registry",
    .brief = "Services announce themselves, and are found by name or uri.",
    .conf_size = sizeof(struct registry_conf),
    TP_DIRECTIVES(registry_directives),
    TP_LOG_IDS(registry_log_ids),
    TP_METERS(registry_meters),
    TP_OWN_ROUTES(registry_routes),
    .run_after = "auth limit",
    .validate = registry_validate,
    .release = registry_release,
    .start = registry_start,
    .stop = registry_stop,
    .on_told = registry_on_told,
    .session = {
        .size = sizeof(struct registry_session),
        .on_time = registry_session_on_time,
        .on_conf = registry_session_on_conf,
        .end = registry_session_end,
        .save = registry_session_save,
        .restore = registry_session_restore,
    },
    .handle = registry_handle,
    .finder = { .word = "registry", .check = registry_find_check, .find = registry_find },
};

#ifndef TP_HAVE_REDIS
const char *
registry_mirror_check(struct tp_str address)
{
    (void) address;
    return "left out: this server is built without hiredis";
}
#endif

bool
registry_may_announce(const struct registry_conf *conf, const struct tp_identity *identity,
                      struct tp_str service, struct tp_str uri)
{
    const struct registry_rule *rules = conf->rules.items;

    for (size_t i = 0; i < conf->rules.count; i++) {
        const struct registry_rule *rule = &rules[i];
        bool is_who =
            rule->by == REGISTRY_ANYBODY || (rule->by == REGISTRY_IDENTITY && identity != NULL);

        if (is_who && prefix_has(rule->prefix, uri)
            && (rule->service.len == 0 || text_equal(rule->service, service))
            && (rule->id.len == 0 || (identity != NULL && text_equal(rule->id, identity->id)))) {
            return true;
        }
    }
    return false;
}

bool
registry_may_look(const struct registry_conf *conf, const struct tp_identity *identity)
{
    return conf->shown_to == REGISTRY_ANYBODY
           || (conf->shown_to == REGISTRY_IDENTITY && identity != NULL);
}

static void
registry_validate(const struct tp_block *block, void *module_conf)
{
    struct registry_conf *conf = module_conf;
    unsigned works_in = TP_IN_PEER | TP_IN_SERVER;

    registry_validate_rules(block, conf);
    registry_validate_store(block, conf);
    registry_advise(block, conf);
    if (conf->store.mode == REGISTRY_OFF || !conf_make_use(block, conf)) {
        return;
    }
    if (((unsigned) tp_block_context(block) & works_in) != 0) {
        registry_declare(block, conf);
    }
}

static void
registry_validate_rules(const struct tp_block *block, const struct registry_conf *conf)
{
    const struct registry_rule *rules = conf->rules.items;

    if (!tp_block_writes(block, "registry_allow")) {
        return;
    }
    for (size_t i = 0; i < conf->rules.count; i++) {
        if (!prefix_is_valid(rules[i].prefix)) {
            tp_conf_complain(block, "registry_allow", i,
                             "it takes a uri such as /math/add, those below one such as /math/*, "
                             "or *");
        }
        if (rules[i].id.len > 0 && rules[i].by == REGISTRY_ANYBODY) {
            tp_conf_complain(block, "registry_allow", i,
                             "id= is of who has proved it, not of by=anybody");
        }
    }
}

static void
registry_validate_store(const struct tp_block *block, struct registry_conf *conf)
{
    const struct registry_remote *store = &conf->store;
    const char *why = NULL;

    if (!tp_block_writes(block, "registry")) {
        registry_read_password(block, conf);
        return;
    }
    if (store->mode != REGISTRY_REDIS) {
        why = store->address.len > 0 || store->advertise.len > 0 ? "an address is for redis" : NULL;
    } else if (store->address.len == 0) {
        why = "it needs the address of the Redis server, such as 127.0.0.1:6379";
    } else if ((why = registry_mirror_check(store->address)) == NULL) {
        why = store->prefix.len == 0 || store->prefix.len > REGISTRY_REDIS_PREFIX_MAX
                  ? "a prefix has from 1 to 128 bytes"
              : store->advertise.len > REGISTRY_KEY_MAX
                  ? "the address that is advertised has at most 127 bytes"
              : registry_has_other_store(block, conf)
                  ? "all servers that share the registry by Redis say the same of it"
                  : NULL;
    } else {
        tp_conf_complain(block, "registry", 0, "the address of the Redis server has to be %s", why);
        return;
    }
    if (why != NULL) {
        tp_conf_complain(block, "registry", 0, "%s", why);
    }
    registry_read_password(block, conf);
}

static void
registry_read_password(const struct tp_block *block, struct registry_conf *conf)
{
    struct tp_str content = { 0 };

    if (conf->store.mode != REGISTRY_REDIS || conf->store.password_file.len == 0) {
        return;
    }
    if (tp_conf_read_file(block, conf->store.password_file.data, &content) != TP_OK) {
        tp_conf_complain(block, "registry", 0, "the file of the password cannot be read");
        return;
    }
    const char *end = content.len > 0 ? memchr(content.data, '\n', content.len) : NULL;

    conf->store.password = content;
    if (end != NULL) {
        conf->store.password.len = (size_t) (end - content.data);
    }
}

/* Is there a peer or server before this one that says something else of Redis? */
static bool
registry_has_other_store(const struct tp_block *block, const struct registry_conf *conf)
{
    const struct tp_block *top = block;

    while (tp_block_parent(top) != NULL) {
        top = tp_block_parent(top);
    }
    for (const struct tp_block *peer = tp_block_first(top, TP_IN_PEER); peer != NULL;
         peer = tp_block_next(peer)) {
        for (const struct tp_block *at = tp_block_first(peer, TP_IN_SERVER); at != NULL;
             at = tp_block_next(at)) {
            const struct registry_conf *other = tp_block_conf(at, &tp_module_registry);

            if (at == block) {
                return false;
            }
            if (other->store.mode == REGISTRY_REDIS
                && !stores_are_same(&other->store, &conf->store)) {
                return true;
            }
        }
    }
    return false;
}

static bool
stores_are_same(const struct registry_remote *left, const struct registry_remote *right)
{
    return text_equal(left->address, right->address) && text_equal(left->prefix, right->prefix)
           && text_equal(left->advertise, right->advertise) && text_equal(left->user, right->user)
           && text_equal(left->password_file, right->password_file) && left->ttl.ms == right->ttl.ms
           && left->database == right->database;
}

/* One registry for all: its size is constant, so that reloads never change it. */
static void
registry_declare(const struct tp_block *block, struct registry_conf *conf)
{
    tp_table_declare(block, "registry", &conf->tables.members, &registry_members_layout,
                     TP_STR("registry"), REGISTRY_MEMBERS_MAX);
    tp_table_declare(block, "registry", &conf->tables.changes, &registry_changes_layout,
                     TP_STR("registry-changes"), REGISTRY_CHANGES_KEPT + 1);
    tp_table_declare(block, "registry", &conf->tables.workers, &registry_workers_layout,
                     TP_STR("registry-workers"), 1);
    tp_upstream_declare(block, "registry", &conf->like, TP_STR(""));
    tp_meter_declare(block, &conf->joined, &registry_meters[METER_JOINED], TP_STR(""));
    tp_meter_declare(block, &conf->left, &registry_meters[METER_LEFT], TP_STR(""));
    tp_meter_declare(block, &conf->expired, &registry_meters[METER_EXPIRED], TP_STR(""));
    tp_meter_declare(block, &conf->refused, &registry_meters[METER_REFUSED], TP_STR(""));
}

/* A route, say, uses what the server or peer around it does, which is checked after it. */
static bool
conf_make_use(const struct tp_block *block, struct registry_conf *conf)
{
    unsigned works_in = TP_IN_PEER | TP_IN_SERVER;
    struct registry_conf *worker = conf;

    while (block != NULL && ((unsigned) tp_block_context(block) & works_in) == 0) {
        block = tp_block_parent(block);
        worker = block == NULL ? NULL : tp_block_conf(block, &tp_module_registry);
    }
    if (worker == NULL) {
        return false;
    }
    if (worker->use == NULL) {
        worker->use = calloc(1, sizeof(*worker->use));
        worker->owns_use = true;
    }
    if (worker->use == NULL) {
        tp_conf_complain(block, "registry", 0, "memory is out");
        return false;
    }
    conf->use = worker->use;
    return true;
}

static void
registry_release(void *module_conf)
{
    struct registry_conf *conf = module_conf;

    if (conf->owns_use) {
        free(conf->use);
        conf->use = NULL;
    }
}

static enum tp_result
registry_start(struct tp_sessions *home, const void *module_conf)
{
    const struct registry_conf *conf = module_conf;

    if (conf->store.mode == REGISTRY_OFF || !conf->owns_use) {
        return TP_OK;
    }
    conf->use->conf = conf;
    enum tp_result result = registry_view_start(home, conf->use);

    if (result == TP_OK && conf->store.mode == REGISTRY_REDIS) {
        result = registry_mirror_start(home, conf->use);
        if (result != TP_OK) {
            registry_view_stop(home, conf->use);
        }
    }
    return result;
}

static void
registry_stop(struct tp_sessions *home, const void *module_conf)
{
    const struct registry_conf *conf = module_conf;

    if (conf->store.mode != REGISTRY_OFF && conf->owns_use) {
        registry_mirror_stop(conf->use);
        registry_view_stop(home, conf->use);
    }
}

static bool
registry_is_wanted(const void *module_conf)
{
    const struct registry_conf *conf = module_conf;

    return conf->store.mode != REGISTRY_OFF;
}

static bool
registry_is_logged(const void *module_conf)
{
    (void) module_conf;
    return true;
}

static bool
prefix_is_valid(struct tp_str prefix)
{
    const char *star = prefix.len > 0 ? memchr(prefix.data, '*', prefix.len) : NULL;

    if (star == NULL) {
        return prefix.len > 0 && prefix.data[0] == '/';
    }
    return star == prefix.data + prefix.len - 1
           && (prefix.len == 1 || (prefix.data[0] == '/' && star[-1] == '/'));
}

/* Below "/math/" is whatever begins so, "/math/" and a star included. */
static bool
prefix_has(struct tp_str prefix, struct tp_str uri)
{
    if (prefix.data[prefix.len - 1] != '*') {
        return text_equal(prefix, uri);
    }
    return uri.len >= prefix.len && memcmp(prefix.data, uri.data, prefix.len - 1) == 0;
}

static bool
text_equal(struct tp_str left, struct tp_str right)
{
    return left.len == right.len && (left.len == 0 || memcmp(left.data, right.data, left.len) == 0);
}
