/*
 * redis.c - entries of several machines in a Redis server.
 *
 *     PREFIXe:KEY      an entry, which ends by itself
 *     PREFIXrevision   how often something has changed
 *     PREFIXchanges    the channel where each new revision is published
 *
 * An entry is read with GETRANGE, so that a value which is none of ours costs no more than one of ours
 * may.
 *
 * Runs in: the worker that has the registry's connection.  Owns: both links.
 * Read next: redis_link.c.
 */
#include "redis.h"

#include "redis_link.h"

#include <teleport/number.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REDIS_NAME_MAX = REGISTRY_REDIS_PREFIX_MAX + REGISTRY_REDIS_KEY_MAX + 16,
    REDIS_READS_AT_ONCE = 64,      /* entries that are asked for before the first has come */
    REDIS_READ_MAX_MS = 30 * 1000, /* in all: a database of others' keys is gone through, too */
};

/* Each of how many keys is looked at with one SCAN. */
#define REDIS_SCAN_COUNT "500"

struct redis_key {
    struct redis_key *next;
    size_t len;
    char name[]; /* without the prefix */
};

/* All entries, being read; ends when nothing is asked any more. */
struct redis_reading {
    struct registry_redis *redis; /* NULL: it is over, and nobody is to be told */
    registry_redis_entry_fn on_entry;
    registry_redis_end_fn on_end;
    int64_t begun_ms;
    size_t asked_count; /* replies that it waits for */
    size_t entry_count;
    struct tp_str cursor; /* its own; empty: all keys are known */
    char cursor_text[32];
    struct redis_key *first; /* the first `asked` ones have been asked for */
    struct redis_key **last;
    struct redis_key *unasked;
};

struct registry_redis {
    struct registry_redis_options options; /* its texts are void */
    struct redis_target target;
    struct redis_link *commands;
    struct redis_link *changes;
    struct redis_reading *reading;
    bool is_connected;  /* as on_state was told last */
    bool is_nudging;    /* the new revision is awaited */
    bool must_nudge;    /* once more, then */
    long long revision; /* that we have published last */
    char refused[64];   /* what the server has refused, as the log was told last */
    char user[REGISTRY_REDIS_SECRET_MAX + 1];
    char password[REGISTRY_REDIS_SECRET_MAX + 1];
    char prefix[REGISTRY_REDIS_PREFIX_MAX + 4]; /* of entries */
    char channel[REGISTRY_REDIS_PREFIX_MAX + 16];
    char counter[REGISTRY_REDIS_PREFIX_MAX + 16];
    char pattern[2 * REGISTRY_REDIS_PREFIX_MAX + 8];
};

/* The name of a key, with its prefix. */
struct redis_name {
    char text[REDIS_NAME_MAX];
    size_t len;
};

static bool redis_copy_options(struct registry_redis *redis,
                               const struct registry_redis_options *options);
static void redis_write_pattern(struct registry_redis *redis);
static struct redis_link *redis_connect(struct registry_redis *redis, const char *what,
                                        const char *channel);
static void redis_on_link(void *owner);
static void redis_on_message(struct tp_str payload, void *owner);
static enum tp_result redis_make_name(const struct registry_redis *redis, struct tp_str key,
                                      struct redis_name *name);
static void redis_on_done(const redisReply *reply, void *owner);
static bool redis_is_refused(struct registry_redis *redis, const char *command,
                             const redisReply *reply);
static enum tp_result redis_count_up(struct registry_redis *redis);
static void redis_on_counted(const redisReply *reply, void *owner);

static enum tp_result reading_scan(struct redis_reading *reading);
static void reading_on_keys(const redisReply *reply, void *owner);
static enum tp_result reading_take_keys(struct redis_reading *reading, const redisReply *keys);
static enum tp_result reading_add_key(struct redis_reading *reading, struct tp_str name);
static void reading_go_on(struct redis_reading *reading);
static enum tp_result reading_ask(struct redis_reading *reading);
static void reading_on_value(const redisReply *reply, void *owner);
static void reading_take_value(struct redis_reading *reading, const struct redis_key *key,
                               const redisReply *reply);
static void reading_end(struct redis_reading *reading, enum tp_result result);
static bool reading_is_over(struct redis_reading *reading);

static struct tp_str text_of(const char *terminated);

struct registry_redis *
registry_redis_create(const struct registry_redis_options *options)
{
    struct registry_redis *redis = calloc(1, sizeof(*redis));

    if (redis == NULL || !redis_copy_options(redis, options)) {
        free(redis);
        return NULL;
    }
    redis->commands = redis_connect(redis, "commands", "");
    redis->changes = redis_connect(redis, "changes", redis->channel);
    if (redis->commands == NULL || redis->changes == NULL) {
        registry_redis_destroy(&redis);
    }
    return redis;
}

void
registry_redis_destroy(struct registry_redis **destroyed)
{
    struct registry_redis *redis = *destroyed;

    if (redis == NULL) {
        return;
    }
    if (redis->reading != NULL) {
        reading_end(redis->reading, TP_INTERRUPTED);
    }
    redis_link_destroy(&redis->commands);
    redis_link_destroy(&redis->changes);
    memset(redis->password, 0, sizeof(redis->password));
    free(redis);
    *destroyed = NULL;
}

bool
registry_redis_is_connected(const struct registry_redis *redis)
{
    return redis->is_connected;
}

enum tp_result
registry_redis_put(struct registry_redis *redis, struct tp_str key, struct tp_str value,
                   int64_t ttl_ms)
{
    char ttl[TP_NUMBER_TEXT_MAX];
    size_t ttl_len = tp_number_format_integer(ttl_ms, ttl);
    struct redis_name name;
    enum tp_result result = redis_make_name(redis, key, &name);

    TP_ASSERT(ttl_ms > 0 && value.len > 0);
    if (result == TP_OK && value.len > REGISTRY_REDIS_VALUE_MAX) {
        result = TP_TOO_LARGE;
    }
    if (result != TP_OK) {
        return result;
    }
    struct tp_str words[] = {
        TP_STR("SET"), { name.text, name.len }, value, TP_STR("PX"), { ttl, ttl_len },
    };

    return redis_link_send(redis->commands, words, TP_COUNT_OF(words), redis_on_done, redis);
}

enum tp_result
registry_redis_remove(struct registry_redis *redis, struct tp_str key)
{
    struct redis_name name;
    enum tp_result result = redis_make_name(redis, key, &name);
    struct tp_str words[] = { TP_STR("DEL"), { name.text, name.len } };

    return result != TP_OK
               ? result
               : redis_link_send(redis->commands, words, TP_COUNT_OF(words), redis_on_done, redis);
}

enum tp_result
registry_redis_read_all(struct registry_redis *redis, registry_redis_entry_fn on_entry,
                        registry_redis_end_fn on_end)
{
    if (redis->reading != NULL) {
        return TP_IN_USE;
    }
    struct redis_reading *reading = calloc(1, sizeof(*reading));

    if (reading == NULL) {
        return TP_NO_MEMORY;
    }
    *reading = (struct redis_reading){
        .redis = redis,
        .on_entry = on_entry,
        .on_end = on_end,
        .begun_ms = tp_home_now_ms(redis->options.home),
        .cursor_text = "0",
    };
    reading->cursor = text_of(reading->cursor_text);
    reading->last = &reading->first;
    enum tp_result result = reading_scan(reading);

    if (result != TP_OK) {
        free(reading);
        return result;
    }
    redis->reading = reading;
    return TP_OK;
}

enum tp_result
registry_redis_nudge(struct registry_redis *redis)
{
    if (!redis_link_is_up(redis->commands)) {
        return TP_GONE;
    }
    if (redis->is_nudging) {
        redis->must_nudge = true; /* For what was put after the one before had been counted. */
        return TP_OK;
    }
    return redis_count_up(redis);
}

static bool
redis_copy_options(struct registry_redis *redis, const struct registry_redis_options *options)
{
    int prefix_len = (int) options->prefix.len;

    if (!redis_target_parse(options->address, &redis->target)
        || options->user.len > REGISTRY_REDIS_SECRET_MAX
        || options->password.len > REGISTRY_REDIS_SECRET_MAX || options->prefix.len == 0
        || options->prefix.len > REGISTRY_REDIS_PREFIX_MAX || options->database < 0
        || options->database >= REGISTRY_REDIS_DATABASES_MAX) {
        return false;
    }
    redis->options = *options;
    memcpy(redis->user, options->user.data, options->user.len);
    memcpy(redis->password, options->password.data, options->password.len);
    snprintf(redis->prefix, sizeof(redis->prefix), "%.*se:", prefix_len, options->prefix.data);
    snprintf(redis->channel, sizeof(redis->channel), "%.*schanges", prefix_len,
             options->prefix.data);
    snprintf(redis->counter, sizeof(redis->counter), "%.*srevision", prefix_len,
             options->prefix.data);
    redis_write_pattern(redis);
    return true;
}

/* Of the keys of all entries: what means something in a pattern does not in the prefix. */
static void
redis_write_pattern(struct registry_redis *redis)
{
    char *to = redis->pattern;

    for (const char *from = redis->prefix; *from != '\0'; from++) {
        if (strchr("*?[]\\^-", *from) != NULL) {
            *to++ = '\\';
        }
        *to++ = *from;
    }
    *to++ = '*';
    *to = '\0';
}

static struct redis_link *
redis_connect(struct registry_redis *redis, const char *what, const char *channel)
{
    struct redis_link_options options = {
        .home = redis->options.home,
        .what = what,
        .target = &redis->target,
        .user = text_of(redis->user),
        .password = text_of(redis->password),
        .database = redis->options.database,
        .channel = text_of(channel),
        .on_up = redis_on_link,
        .on_down = redis_on_link,
        .on_message = redis_on_message,
        .owner = redis,
    };

    return redis_link_create(&options);
}

/* One of them has come up, or is lost. */
static void
redis_on_link(void *owner)
{
    struct registry_redis *redis = owner;
    bool is_connected = redis_link_is_up(redis->commands) && redis_link_is_up(redis->changes);

    if (is_connected != redis->is_connected) {
        redis->is_connected = is_connected;
        redis->options.on_state(redis->options.owner, is_connected);
    }
}

static void
redis_on_message(struct tp_str payload, void *owner)
{
    struct registry_redis *redis = owner;
    char own[TP_NUMBER_TEXT_MAX];
    size_t own_len = tp_number_format_integer(redis->revision, own);

    if (payload.len != own_len || memcmp(payload.data, own, own_len) != 0) {
        redis->options.on_change(redis->options.owner);
    }
}

static enum tp_result
redis_make_name(const struct registry_redis *redis, struct tp_str key, struct redis_name *name)
{
    size_t prefix_len = strlen(redis->prefix);

    name->len = 0;
    if (key.len == 0 || key.len > REGISTRY_REDIS_KEY_MAX) {
        return TP_TOO_LARGE;
    }
    memcpy(name->text, redis->prefix, prefix_len);
    memcpy(name->text + prefix_len, key.data, key.len);
    name->len = prefix_len + key.len;
    return TP_OK;
}

static void
redis_on_done(const redisReply *reply, void *owner)
{
    if (reply != NULL && redis_is_refused(owner, "put", reply)) {
        return; /* Whoever has put it puts it again. */
    }
}

static bool
redis_is_refused(struct registry_redis *redis, const char *command, const redisReply *reply)
{
    char refused[sizeof(redis->refused)];

    if (reply->type != REDIS_REPLY_ERROR) {
        return false;
    }
    snprintf(refused, sizeof(refused), "%s %s", command, redis_error_word(reply).text);
    if (strcmp(refused, redis->refused) != 0) {
        tp_log_error(tp_home_log(redis->options.home), "registry-redis-refused",
                     "address=%s to=%s error=%s", redis->target.text, command,
                     redis_error_word(reply).text);
        memcpy(redis->refused, refused, sizeof(refused));
    }
    return true;
}

static enum tp_result
redis_count_up(struct registry_redis *redis)
{
    struct tp_str words[] = { TP_STR("INCR"), text_of(redis->counter) };
    enum tp_result result =
        redis_link_send(redis->commands, words, TP_COUNT_OF(words), redis_on_counted, redis);

    redis->is_nudging = result == TP_OK;
    redis->must_nudge = false;
    return result;
}

/* It is known here which revision is ours before anybody hears of it. */
static void
redis_on_counted(const redisReply *reply, void *owner)
{
    struct registry_redis *redis = owner;
    char revision[TP_NUMBER_TEXT_MAX];

    redis->is_nudging = false;
    if (reply == NULL || redis_is_refused(redis, "nudge", reply)
        || reply->type != REDIS_REPLY_INTEGER) {
        return;
    }
    redis->revision = reply->integer;
    struct tp_str words[] = {
        TP_STR("PUBLISH"),
        text_of(redis->channel),
        { revision, tp_number_format_integer(reply->integer, revision) },
    };
    enum tp_result result =
        redis_link_send(redis->commands, words, TP_COUNT_OF(words), redis_on_done, redis);

    if (result == TP_OK && redis->must_nudge) {
        result = redis_count_up(redis);
    }
    if (result != TP_OK) {
        /* Who is not nudged reads anew all the same, before long. */
        redis->must_nudge = false;
    }
}

/* Asks for more keys. */
static enum tp_result
reading_scan(struct redis_reading *reading)
{
    struct registry_redis *redis = reading->redis;
    struct tp_str words[] = {
        TP_STR("SCAN"),          reading->cursor, TP_STR("MATCH"),
        text_of(redis->pattern), TP_STR("COUNT"), TP_STR(REDIS_SCAN_COUNT),
    };
    enum tp_result result =
        redis_link_send(redis->commands, words, TP_COUNT_OF(words), reading_on_keys, reading);

    reading->asked_count += result == TP_OK ? 1 : 0;
    return result;
}

/* A cursor, "0" with the last, and keys. */
static void
reading_on_keys(const redisReply *reply, void *owner)
{
    struct redis_reading *reading = owner;
    enum tp_result result = TP_OK;

    reading->asked_count--;
    if (reading_is_over(reading)) {
        return;
    }
    if (reply == NULL) {
        result = TP_GONE;
    } else if (redis_is_refused(reading->redis, "read", reply)) {
        result = TP_DENIED;
    } else if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
               || reply->element[0]->type != REDIS_REPLY_STRING
               || reply->element[0]->len >= sizeof(reading->cursor_text)
               || reply->element[1]->type != REDIS_REPLY_ARRAY) {
        result = TP_INVALID;
    } else {
        memcpy(reading->cursor_text, reply->element[0]->str, reply->element[0]->len + 1);
        reading->cursor =
            text_of(strcmp(reading->cursor_text, "0") == 0 ? "" : reading->cursor_text);
        result = reading_take_keys(reading, reply->element[1]);
    }
    if (result != TP_OK) {
        reading_end(reading, result);
        return;
    }
    reading_go_on(reading);
}

static enum tp_result
reading_take_keys(struct redis_reading *reading, const redisReply *keys)
{
    size_t prefix_len = strlen(reading->redis->prefix);

    for (size_t i = 0; i < keys->elements; i++) {
        const redisReply *key = keys->element[i];

        if (key->type != REDIS_REPLY_STRING || key->len <= prefix_len
            || key->len > prefix_len + REGISTRY_REDIS_KEY_MAX
            || memcmp(key->str, reading->redis->prefix, prefix_len) != 0) {
            continue; /* None of ours. */
        }
        enum tp_result result = reading_add_key(
            reading, (struct tp_str){ key->str + prefix_len, key->len - prefix_len });

        if (result != TP_OK) {
            return result;
        }
    }
    return TP_OK;
}

static enum tp_result
reading_add_key(struct redis_reading *reading, struct tp_str name)
{
    if (reading->entry_count == REGISTRY_REDIS_ENTRIES_MAX) {
        return TP_FULL;
    }
    struct redis_key *key = malloc(sizeof(*key) + name.len);

    if (key == NULL) {
        return TP_NO_MEMORY;
    }
    key->next = NULL;
    key->len = name.len;
    memcpy(key->name, name.data, name.len);
    *reading->last = key;
    reading->last = &key->next;
    if (reading->unasked == NULL) {
        reading->unasked = key;
    }
    reading->entry_count++;
    return TP_OK;
}

/* Asks for values, then for further keys, and ends when there are no more of either. */
static void
reading_go_on(struct redis_reading *reading)
{
    enum tp_result result = TP_OK;
    int64_t now_ms = tp_home_now_ms(reading->redis->options.home);

    if (now_ms - reading->begun_ms > REDIS_READ_MAX_MS) {
        result = TP_TIMED_OUT;
    }
    while (result == TP_OK && reading->unasked != NULL
           && reading->asked_count < REDIS_READS_AT_ONCE) {
        result = reading_ask(reading);
    }
    if (result == TP_FULL && reading->asked_count > 0) {
        return; /* Much is being put: there is room again with the next reply. */
    }
    if (result == TP_OK && reading->asked_count == 0) {
        if (reading->cursor.len == 0) {
            reading_end(reading, TP_OK);
            return;
        }
        result = reading_scan(reading);
    }
    if (result != TP_OK) {
        reading_end(reading, result);
    }
}

/* The value of the next key, but no more of it than any of ours has. */
static enum tp_result
reading_ask(struct redis_reading *reading)
{
    const struct redis_key *key = reading->unasked;
    char end[TP_NUMBER_TEXT_MAX];
    size_t end_len = tp_number_format_integer(REGISTRY_REDIS_VALUE_MAX, end);
    struct redis_name name;
    enum tp_result result =
        redis_make_name(reading->redis, (struct tp_str){ key->name, key->len }, &name);
    struct tp_str words[] = {
        TP_STR("GETRANGE"),
        { name.text, name.len },
        TP_STR("0"),
        { end, end_len },
    };

    if (result == TP_OK) {
        result = redis_link_send(reading->redis->commands, words, TP_COUNT_OF(words),
                                 reading_on_value, reading);
    }
    if (result == TP_OK) {
        reading->unasked = key->next;
        reading->asked_count++;
    }
    return result;
}

static void
reading_on_value(const redisReply *reply, void *owner)
{
    struct redis_reading *reading = owner;
    struct redis_key *key = reading->first;

    reading->asked_count--;
    if (reading_is_over(reading)) {
        return;
    }
    if (reply == NULL) {
        reading_end(reading, TP_GONE);
        return;
    }
    reading->first = key->next;
    if (reading->first == NULL) {
        reading->last = &reading->first;
    }
    reading_take_value(reading, key, reply);
    free(key);
    reading_go_on(reading);
}

/* One that has ended meanwhile is empty; one that is no text is none of ours. */
static void
reading_take_value(struct redis_reading *reading, const struct redis_key *key,
                   const redisReply *reply)
{
    struct registry_redis *redis = reading->redis;

    if (reply->type != REDIS_REPLY_STRING || reply->len == 0) {
        return;
    }
    if (reply->len > REGISTRY_REDIS_VALUE_MAX) {
        tp_log_warn(tp_home_log(redis->options.home), "registry-redis-skipped",
                    "address=%s key_len=%zu", redis->target.text, key->len);
        return;
    }
    reading->on_entry(redis->options.owner, (struct tp_str){ key->name, key->len },
                      (struct tp_str){ reply->str, reply->len });
}

/* Tells who wants it; what was asked still comes, and ends the rest. */
static void
reading_end(struct redis_reading *reading, enum tp_result result)
{
    struct registry_redis *redis = reading->redis;

    redis->reading = NULL;
    reading->redis = NULL;
    while (reading->first != NULL) {
        struct redis_key *key = reading->first;

        reading->first = key->next;
        free(key);
    }
    registry_redis_end_fn on_end = reading->on_end;

    if (reading->asked_count == 0) {
        free(reading);
    }
    on_end(redis->options.owner, result);
}

/* Is it over?  Then it is freed with the last reply. */
static bool
reading_is_over(struct redis_reading *reading)
{
    bool is_over = reading->redis == NULL;

    if (is_over && reading->asked_count == 0) {
        free(reading);
    }
    return is_over;
}

static struct tp_str
text_of(const char *terminated)
{
    return (struct tp_str){ terminated, strlen(terminated) };
}
