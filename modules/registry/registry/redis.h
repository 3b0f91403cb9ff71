/*
 * redis.h - a store of entries that several machines share: keys to small values with a time to
 * live, in a Redis server.
 *
 * Nothing here blocks and nothing is waited for: what is put has left when its turn comes, or is lost
 * with the connection.  So whoever has something to say puts it again, now and then and whenever a
 * connection is there again, and what it reads it believes for as long as it lives.
 *
 * There are two connections, one for commands and one that hears of changes; either is made again, with
 * a growing pause, whenever it is lost.
 *
 * Threads: the worker's loop.
 * Read next: redis.c, redis_link.c.
 */
#ifndef REGISTRY_REDIS_H
#define REGISTRY_REDIS_H

#include <teleport/module.h>

enum {
    REGISTRY_REDIS_PREFIX_MAX = 128, /* bytes */
    REGISTRY_REDIS_KEY_MAX = 512,
    REGISTRY_REDIS_VALUE_MAX = 16 * 1024,
    REGISTRY_REDIS_SECRET_MAX = 512,        /* of user and of password */
    REGISTRY_REDIS_ENTRIES_MAX = 64 * 1024, /* that are read at once */
    REGISTRY_REDIS_DATABASES_MAX = 65536,
};

struct registry_redis;

/* All that it points to is copied, but `home`. */
struct registry_redis_options {
    struct tp_sessions *home;

    /* See registry_redis_check_address(); a name is looked up on a thread, each time anew. */
    struct tp_str address;
    struct tp_str user;     /* empty: the server's preset one */
    struct tp_str password; /* empty: there is none */
    int64_t database;
    struct tp_str prefix; /* of all keys, and of the channel */

    /*
     * Something has changed, by somebody else: what was read is old.  Told from the loop, as is
     * on_state: both connections are there from here on, or are not any more.
     */
    void (*on_change)(void *owner);
    void (*on_state)(void *owner, bool is_connected);
    void *owner;
};

/* What is read, one by one; borrowed for the call. */
typedef void (*registry_redis_entry_fn)(void *owner, struct tp_str key, struct tp_str value);

/* All was read; unless it is TP_OK some of it was not: see registry_redis_read_all(). */
typedef void (*registry_redis_end_fn)(void *owner, enum tp_result result);

#ifdef TP_HAVE_REDIS

/*
 * Is it "127.0.0.1:6379", "[::1]:6379", "name:6379", or "unix:/path"?  The port may be left out.  Returns
 * NULL, or a sentence fragment that says what would be valid.
 */
const char *registry_redis_check_address(struct tp_str address);

/* Begins to connect; NULL: memory is out, or one of the options is none. */
struct registry_redis *registry_redis_create(const struct registry_redis_options *options)
    TP_MUST_CHECK;

/*
 * What was put and has not left is lost; nobody is called any more, but the `on_end` of what is being
 * read, which is told TP_INTERRUPTED.  Never from within one of its callbacks.  *redis becomes NULL.
 */
void registry_redis_destroy(struct registry_redis **redis);

bool registry_redis_is_connected(const struct registry_redis *redis);

/*
 * Puts the value there, for `ttl_ms` from when that arrives; and takes it away.  TP_GONE: there is no
 * connection; TP_FULL: too much has not left; TP_TOO_LARGE; TP_NO_MEMORY.
 */
enum tp_result registry_redis_put(struct registry_redis *redis, struct tp_str key,
                                  struct tp_str value, int64_t ttl_ms) TP_MUST_CHECK;
enum tp_result registry_redis_remove(struct registry_redis *redis, struct tp_str key) TP_MUST_CHECK;

/*
 * Reads all entries there are, each at least once: what is put or taken away meanwhile may be among them
 * or not.  Unless TP_OK is returned nobody is called; TP_IN_USE: they are being read.  At the end
 * `on_end` says TP_OK, or why all that was read may not be all there is: TP_GONE, TP_DENIED (the server
 * refuses), TP_FULL (more than REGISTRY_REDIS_ENTRIES_MAX), TP_TIMED_OUT, TP_NO_MEMORY.
 */
enum tp_result registry_redis_read_all(struct registry_redis *redis,
                                       registry_redis_entry_fn on_entry,
                                       registry_redis_end_fn on_end) TP_MUST_CHECK;

/* Lets all others hear that something has changed, with what was put before this; as for putting. */
enum tp_result registry_redis_nudge(struct registry_redis *redis) TP_MUST_CHECK;

#endif

#endif
