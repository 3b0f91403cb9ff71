/*
 * redis_link.h - one connection to a Redis server, made again whenever it is lost: commands go in,
 * replies come out in their order.
 *
 * Threads: the worker's loop.
 */
#ifndef REGISTRY_REDIS_LINK_H
#define REGISTRY_REDIS_LINK_H

#include <teleport/module.h>

#include <hiredis/hiredis.h>

enum {
    REDIS_ARGUMENTS_MAX = 8, /* of a command */
    REDIS_TARGET_MAX = 255,  /* bytes of a host's name or a socket's path */
};

/* Where the server is. */
struct redis_target {
    char text[REDIS_TARGET_MAX + 16]; /* as it was written, for logs */
    char place[REDIS_TARGET_MAX + 1]; /* an address, a name, or a path */
    int port;
    bool is_unix;
    bool is_name; /* which has to be looked up */
};

/* False when `text` is none. */
bool redis_target_parse(struct tp_str text, struct redis_target *target);

/* The word that an error begins with: what comes behind it may repeat what was sent, a password too. */
struct redis_word {
    char text[32];
};

struct redis_word redis_error_word(const redisReply *reply);

struct redis_link;

/* `reply` is borrowed; NULL: the connection was lost before it came. */
typedef void (*redis_reply_fn)(const redisReply *reply, void *owner);

/* Copied, but what it points to is borrowed for the life of the link. */
struct redis_link_options {
    struct tp_sessions *home;
    const char *what; /* a word for logs: what it is for */
    const struct redis_target *target;
    struct tp_str user;
    struct tp_str password;
    int64_t database;
    struct tp_str channel; /* empty: it is for commands; else it hears of what is published there */

    /* It can be used from here on, and not any more; after all its replies. */
    void (*on_up)(void *owner);
    void (*on_down)(void *owner);

    /* Something was published. */
    void (*on_message)(struct tp_str payload, void *owner);
    void *owner;
};

/* Begins to connect.  NULL: memory is out. */
struct redis_link *redis_link_create(const struct redis_link_options *options) TP_MUST_CHECK;

/* Tells those who wait for replies that none comes, and nobody else.  Never from a callback of its. */
void redis_link_destroy(struct redis_link **link);

bool redis_link_is_up(const struct redis_link *link);

/*
 * Sends the command; `on_reply` is called once, from the loop, if TP_OK is returned.  TP_GONE: it is
 * not up; TP_FULL: too many replies, or too many bytes, are waited for; TP_NO_MEMORY.
 */
enum tp_result redis_link_send(struct redis_link *link, const struct tp_str *words, size_t count,
                               redis_reply_fn on_reply, void *owner) TP_MUST_CHECK;

#endif
