/*
 * shelf.c - the registry's store in a Redis server, asked for by PULLs: for its tests.  Built as a
 * module from outside the tree, into a server that has the module registry.
 *
 * Runs in: worker.
 */
#define TP_HAVE_REDIS 1
#include "../../../../modules/registry/registry/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shelf_conf {
    int what;
    struct tp_str address;
    struct tp_str user;
    struct tp_str password;
    int64_t database;
    struct tp_str prefix;
    struct tp_msec ttl;
};

enum {
    SHELF_STATE,
    SHELF_PUT,  /* the body, under the query's name */
    SHELF_TAKE, /* …away */
    SHELF_NUDGE,
    SHELF_READ,
};

/* What is kept of each worker. */
struct shelf {
    unsigned start_count;
    struct registry_redis *redis;
    unsigned change_count;
    unsigned up_count;
    unsigned down_count;
    struct tp_exchange *reader; /* NULL: nobody reads */
    size_t entry_count;
    size_t value_bytes;
    char last_key[REGISTRY_REDIS_KEY_MAX + 1];
    char last_value[128];
};

static enum tp_result shelf_start(struct tp_sessions *home, const void *module_conf);
static void shelf_stop(struct tp_sessions *home, const void *module_conf);
static void shelf_validate(const struct tp_block *block, void *module_conf);
static void shelf_handle(struct tp_exchange *exchange, const void *module_conf);
static void shelf_on_change(void *owner);
static void shelf_on_state(void *owner, bool is_connected);
static void shelf_on_entry(void *owner, struct tp_str key, struct tp_str value);
static void shelf_on_end(void *owner, enum tp_result result);
static void shelf_answer(struct tp_exchange *exchange, const struct shelf *shelf,
                         enum tp_result result);

static const struct tp_word shelf_words[] = {
    { "state", SHELF_STATE }, { "put", SHELF_PUT },   { "take", SHELF_TAKE },
    { "nudge", SHELF_NUDGE }, { "read", SHELF_READ }, { NULL, 0 },
};

static const struct tp_directive shelf_directives[] = {
    {
        .name = "shelf", .where = TP_IN_ROUTE, TP_WORD(struct shelf_conf, what, shelf_words),
        .preset = "state", .since = "0.1",
        .brief = "What is done with the store.",
    },
    {
        .name = "shelf_address", .where = TP_IN_PEER | TP_IN_ROUTE,
        TP_TEXT(struct shelf_conf, address), .preset = "", .since = "0.1",
        .brief = "Where the Redis server is.",
    },
    {
        .name = "shelf_user", .where = TP_IN_PEER | TP_IN_ROUTE, TP_TEXT(struct shelf_conf, user),
        .preset = "", .since = "0.1",
        .brief = "Who asks it.",
    },
    {
        .name = "shelf_password", .where = TP_IN_PEER | TP_IN_ROUTE,
        TP_TEXT(struct shelf_conf, password), .preset = "", .since = "0.1",
        .brief = "What proves that.",
    },
    {
        .name = "shelf_database", .where = TP_IN_PEER | TP_IN_ROUTE,
        TP_NUMBER(struct shelf_conf, database), .preset = "0", .min = "0", .max = "65535",
        .since = "0.1",
        .brief = "Which of its databases is used.",
    },
    {
        .name = "shelf_prefix", .where = TP_IN_PEER | TP_IN_ROUTE,
        TP_TEXT(struct shelf_conf, prefix), .preset = "shelf:", .since = "0.1",
        .brief = "What all keys begin with.",
    },
    {
        .name = "shelf_ttl", .where = TP_IN_PEER | TP_IN_ROUTE, TP_TIME(struct shelf_conf, ttl),
        .preset = "60s", .min = "1ms", .max = "1h", .since = "0.1",
        .brief = "How long what was put stays.",
    },
};

const struct tp_module tp_module_shelf = {
    .name = "shelf",
    .brief = "Asks the registry's store.",
    .conf_size = sizeof(struct shelf_conf),
    TP_DIRECTIVES(shelf_directives),
    .run_after = "",
    .validate = shelf_validate,
    .start = shelf_start,
    .stop = shelf_stop,
    .handler = "shelf",
    .handle = shelf_handle,
};

static void
shelf_validate(const struct tp_block *block, void *module_conf)
{
    const struct shelf_conf *conf = module_conf;
    const char *wanted =
        conf->address.len == 0 ? NULL : registry_redis_check_address(conf->address);

    if (wanted != NULL) {
        tp_conf_complain(block, "shelf_address", 0, "it takes %s", wanted);
    }
}

/* The first conf of a worker says which server is used. */
static enum tp_result
shelf_start(struct tp_sessions *home, const void *module_conf)
{
    const struct shelf_conf *conf = module_conf;
    struct shelf *shelf = tp_home_data_get(home, &tp_module_shelf);

    if (shelf == NULL) {
        shelf = calloc(1, sizeof(*shelf));
        if (shelf == NULL || tp_home_data_set(home, &tp_module_shelf, shelf) != TP_OK) {
            free(shelf);
            return TP_NO_MEMORY;
        }
    }
    shelf->start_count++;
    if (shelf->redis != NULL || conf->address.len == 0) {
        return TP_OK;
    }
    struct registry_redis_options options = {
        .home = home,
        .address = conf->address,
        .user = conf->user,
        .password = conf->password,
        .database = conf->database,
        .prefix = conf->prefix,
        .on_change = shelf_on_change,
        .on_state = shelf_on_state,
        .owner = shelf,
    };

    shelf->redis = registry_redis_create(&options);
    return shelf->redis == NULL ? TP_INVALID : TP_OK;
}

static void
shelf_stop(struct tp_sessions *home, const void *module_conf)
{
    struct shelf *shelf = tp_home_data_get(home, &tp_module_shelf);

    (void) module_conf;
    if (--shelf->start_count > 0) {
        return;
    }
    registry_redis_destroy(&shelf->redis);
    enum tp_result result = tp_home_data_set(home, &tp_module_shelf, NULL);

    TP_ASSERT(result == TP_OK);
    free(shelf);
}

static void
shelf_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct shelf_conf *conf = module_conf;
    struct shelf *shelf = tp_home_data_get(tp_exchange_home(exchange), &tp_module_shelf);
    struct tp_str key = tp_exchange_query(exchange);
    struct tp_str body;
    enum tp_result result = tp_exchange_read_body(exchange, &body);

    if (result != TP_OK || shelf->redis == NULL) {
        tp_exchange_refuse_result(exchange, TP_UNSUPPORTED);
        return;
    }
    switch (conf->what) {
    case SHELF_PUT:
        result = registry_redis_put(shelf->redis, key, body, conf->ttl.ms);
        break;
    case SHELF_TAKE:
        result = registry_redis_remove(shelf->redis, key);
        break;
    case SHELF_NUDGE:
        result = registry_redis_nudge(shelf->redis);
        break;
    case SHELF_READ:
        result = registry_redis_read_all(shelf->redis, shelf_on_entry, shelf_on_end);
        break;
    default:
        break;
    }
    if (conf->what == SHELF_READ && result == TP_OK) {
        shelf->reader = exchange;
        shelf->entry_count = 0;
        shelf->value_bytes = 0;
        shelf->last_key[0] = '\0';
        shelf->last_value[0] = '\0';
        tp_exchange_keep(exchange);
        return;
    }
    shelf_answer(exchange, shelf, result);
}

static void
shelf_on_change(void *owner)
{
    struct shelf *shelf = owner;

    shelf->change_count++;
}

static void
shelf_on_state(void *owner, bool is_connected)
{
    struct shelf *shelf = owner;

    shelf->up_count += is_connected;
    shelf->down_count += !is_connected;
}

static void
shelf_on_entry(void *owner, struct tp_str key, struct tp_str value)
{
    struct shelf *shelf = owner;

    shelf->entry_count++;
    shelf->value_bytes += value.len;
    snprintf(shelf->last_key, sizeof(shelf->last_key), "%.*s", (int) key.len, key.data);
    snprintf(shelf->last_value, sizeof(shelf->last_value), "%.*s", (int) value.len, value.data);
}

static void
shelf_on_end(void *owner, enum tp_result result)
{
    struct shelf *shelf = owner;
    struct tp_exchange *reader = shelf->reader;

    shelf->reader = NULL;
    shelf_answer(reader, shelf, result);
}

static void
shelf_answer(struct tp_exchange *exchange, const struct shelf *shelf, enum tp_result result)
{
    char answer[1024];
    int len = snprintf(answer, sizeof(answer),
                       "{\"result\":\"%s\",\"connected\":%s,\"ups\":%u,\"downs\":%u,"
                       "\"changes\":%u,\"entries\":%zu,\"bytes\":%zu,\"key\":\"%s\","
                       "\"value\":\"%s\"}",
                       tp_result_word(result),
                       registry_redis_is_connected(shelf->redis) ? "true" : "false",
                       shelf->up_count, shelf->down_count, shelf->change_count, shelf->entry_count,
                       shelf->value_bytes, shelf->last_key, shelf->last_value);

    tp_exchange_reply_copy(exchange, (struct tp_str){ answer, (size_t) len }, TP_CODEC_JSON);
}
