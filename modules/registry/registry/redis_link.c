/*
 * redis_link.c - one connection to a Redis server.
 *
 * hiredis knows the protocol, and connects; what is awaited, how long and how much, is kept here: its own
 * asynchronous layer ends the process when a server answers what nobody has asked.
 *
 *   idle -- a pause --> looked up, on a thread, where it is a name --> greeted --> up
 *    ^                                                                               |
 *    +---- refused, silent for too long, not understood, or lost: all who wait are told
 *
 * Runs in: the worker that has the registry's connection.  Owns: the connection, and what waits for
 * replies.
 * Read next: redis.c.
 */
#include "redis_link.h"

#include <teleport/number.h>

#include <hiredis/sds.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINK_PAUSE_MIN_MS = 100,
    LINK_PAUSE_MAX_MS = 2000,  /* a server that is there again is found after so long */
    LINK_REPLY_WAIT_MS = 5000, /* for connection and greeting, too */
    LINK_SILENCE_MAX_MS = 5000,
    LINK_STABLE_MS = 5000, /* one that was up for so long is made again without a pause */
    LINK_REQUESTS_MAX = 4096,
    LINK_SENT_BYTES_MAX = 4 * 1024 * 1024,
    LINK_REPLY_BYTES_MAX = 4 * 1024 * 1024,
    LINK_REPLY_ELEMENTS_MAX = 64 * 1024,
    LINK_WHY_MAX = 128,
};

/* What waits for a reply. */
struct redis_request {
    struct redis_request *next;
    redis_reply_fn on_reply;
    void *owner;
    int64_t deadline_ms;
};

/* A name that is looked up; outlives its link if need be. */
struct redis_lookup {
    struct tp_job job;
    struct redis_link *link; /* NULL: nobody wants it any more */
    struct redis_target target;
    redisContext *context;
};

struct redis_link {
    struct redis_link_options options;
    struct redis_lookup *lookup;
    redisContext *context; /* NULL: there is no connection, not even one that begins */
    redisReplyObjectFunctions objects;
    const redisReplyObjectFunctions *preset_objects;
    size_t elements; /* that the reply which is being read has claimed */
    struct tp_home_watch *watch;
    struct tp_home_timer
        *timer; /* the next try, or whatever passes first while there is a connection */
    struct redis_request *first;
    struct redis_request **last;
    size_t request_count;
    unsigned greetings_left; /* replies until it is up */
    bool is_up;
    int64_t up_since_ms;
    int64_t heard_ms;
    int64_t pause_ms;
    char why[LINK_WHY_MAX]; /* it was not reached, as the log was told last */
    unsigned calls_out;
};

static void link_connect(struct redis_link *link);
static void link_look_up(struct redis_link *link);
static void lookup_run(struct tp_job *job);
static void lookup_done(struct tp_job *job, bool was_run);
static void link_begin(struct redis_link *link, redisContext *context);
static void link_bound_replies(struct redis_link *link);
static bool link_greet(struct redis_link *link);
static bool link_greet_with(struct redis_link *link, const struct tp_str *words, size_t count);
static void link_on_greeted(const redisReply *reply, void *owner);
static void link_on_pong(const redisReply *reply, void *owner);
static enum tp_result link_ask(struct redis_link *link, const struct tp_str *words, size_t count,
                               redis_reply_fn on_reply, void *owner);
static void link_on_ready(struct tp_home_watch *watch, bool is_readable, bool is_writable,
                          void *owner);
static bool link_write(struct redis_link *link);
static bool link_read(struct redis_link *link);
static bool link_take(struct redis_link *link, const redisReply *reply);
static bool link_take_message(struct redis_link *link, const redisReply *reply);
static struct redis_request *link_take_request(struct redis_link *link);
static void link_on_timer(struct tp_home_timer *timer, void *owner);
static void link_arm(struct redis_link *link);
static void link_break(struct redis_link *link, const char *why);
static void link_break_with_error(struct redis_link *link);
static void link_close(struct redis_link *link);
static void link_drop_requests(struct redis_link *link);
static void link_report(struct redis_link *link, bool was_up, const char *why);
static int64_t link_now_ms(const struct redis_link *link);

#if HIREDIS_MAJOR >= 1
static void *link_create_array(const redisReadTask *task, size_t count);
#else
static void *link_create_array(const redisReadTask *task, int count);
#endif

struct redis_link *
redis_link_create(const struct redis_link_options *options)
{
    struct redis_link *link = calloc(1, sizeof(*link));

    if (link == NULL) {
        return NULL;
    }
    link->options = *options;
    link->last = &link->first;
    link->pause_ms = LINK_PAUSE_MIN_MS;
    link->timer = tp_home_timer_create(options->home, link_on_timer, link);
    if (link->timer == NULL) {
        free(link);
        return NULL;
    }
    /* Not at once: nobody is called from within this. */
    tp_home_timer_start(link->timer, (struct tp_msec){ 1 });
    return link;
}

void
redis_link_destroy(struct redis_link **destroyed)
{
    struct redis_link *link = *destroyed;

    if (link == NULL) {
        return;
    }
    TP_ASSERT(link->calls_out == 0);
    if (link->lookup != NULL) {
        link->lookup->link = NULL;
    }
    link->is_up = false;
    link_close(link);
    link_drop_requests(link);
    tp_home_timer_destroy(&link->timer);
    free(link);
    *destroyed = NULL;
}

bool
redis_link_is_up(const struct redis_link *link)
{
    return link->is_up;
}

enum tp_result
redis_link_send(struct redis_link *link, const struct tp_str *words, size_t count,
                redis_reply_fn on_reply, void *owner)
{
    return link->is_up ? link_ask(link, words, count, on_reply, owner) : TP_GONE;
}

static void
link_connect(struct redis_link *link)
{
    const struct redis_target *target = link->options.target;

    if (target->is_name) {
        link_look_up(link);
    } else if (target->is_unix) {
        link_begin(link, redisConnectUnixNonBlock(target->place));
    } else {
        link_begin(link, redisConnectNonBlock(target->place, target->port));
    }
}

/* On a thread, which begins to connect, too: what blocks is all in one call of hiredis. */
static void
link_look_up(struct redis_link *link)
{
    struct redis_lookup *lookup = calloc(1, sizeof(*lookup));

    if (lookup == NULL) {
        link_break(link, "memory is out");
        return;
    }
    *lookup = (struct redis_lookup){
        .job = { .run = lookup_run, .done = lookup_done },
        .link = link,
        .target = *link->options.target,
    };
    if (tp_job_submit(link->options.home, &lookup->job) != TP_OK) {
        free(lookup);
        link_break(link, "no thread can look the name up now");
        return;
    }
    link->lookup = lookup;
}

static void
lookup_run(struct tp_job *job)
{
    struct redis_lookup *lookup = TP_CONTAINER_OF(job, struct redis_lookup, job);

    lookup->context = redisConnectNonBlock(lookup->target.place, lookup->target.port);
}

static void
lookup_done(struct tp_job *job, bool was_run)
{
    struct redis_lookup *lookup = TP_CONTAINER_OF(job, struct redis_lookup, job);
    struct redis_link *link = lookup->link;
    redisContext *context = lookup->context;

    free(lookup);
    if (link == NULL || !was_run) {
        if (link != NULL) {
            link->lookup = NULL;
        }
        if (context != NULL) {
            redisFree(context);
        }
        return;
    }
    link->lookup = NULL;
    link_begin(link, context);
}

/* Takes the context; whether the connection comes about shows when something is written. */
static void
link_begin(struct redis_link *link, redisContext *context)
{
    link->context = context;
    if (context == NULL) {
        link_break(link, "memory is out");
        return;
    }
    if (context->err != 0) {
        link_break_with_error(link);
        return;
    }
    link->heard_ms = link_now_ms(link);
    link->watch = tp_home_watch_create(link->options.home, context->fd, link_on_ready, link);
    link_bound_replies(link);
    if (link->watch == NULL || !link_greet(link)) {
        link_break(link, "memory is out");
        return;
    }
    link_arm(link);
}

/* A reply takes as much memory as a server claims that it will need, unless somebody looks. */
static void
link_bound_replies(struct redis_link *link)
{
    redisReader *reader = link->context->reader;

    link->preset_objects = reader->fn;
    link->objects = *reader->fn;
    link->objects.createArray = link_create_array;
    reader->fn = &link->objects;
    reader->privdata = link;
}

#if HIREDIS_MAJOR >= 1
static void *
link_create_array(const redisReadTask *task, size_t count)
#else
static void *
link_create_array(const redisReadTask *task, int count)
#endif
{
    struct redis_link *link = task->privdata;

    if (task->parent == NULL) {
        link->elements = 0;
    }
    if ((size_t) count > LINK_REPLY_ELEMENTS_MAX - link->elements) {
        return NULL;
    }
    link->elements += (size_t) count;
    return link->preset_objects->createArray(task, count);
}

static bool
link_greet(struct redis_link *link)
{
    const struct redis_link_options *options = &link->options;
    char database[TP_NUMBER_TEXT_MAX];
    size_t database_len = tp_number_format_integer(options->database, database);
    struct tp_str auth[] = { TP_STR("AUTH"), options->user, options->password };
    struct tp_str auth_alone[] = { TP_STR("AUTH"), options->password };
    struct tp_str select[] = { TP_STR("SELECT"), { database, database_len } };
    struct tp_str ping[] = { TP_STR("PING") };
    struct tp_str subscribe[] = { TP_STR("SUBSCRIBE"), options->channel };

    link->greetings_left = 0;
    if (options->password.len > 0
        && !(options->user.len > 0 ? link_greet_with(link, auth, TP_COUNT_OF(auth))
                                   : link_greet_with(link, auth_alone, TP_COUNT_OF(auth_alone)))) {
        return false;
    }
    if (options->database != 0 && !link_greet_with(link, select, TP_COUNT_OF(select))) {
        return false;
    }
    return options->channel.len == 0 ? link_greet_with(link, ping, TP_COUNT_OF(ping))
                                     : link_greet_with(link, subscribe, TP_COUNT_OF(subscribe));
}

static bool
link_greet_with(struct redis_link *link, const struct tp_str *words, size_t count)
{
    link->greetings_left++;
    return link_ask(link, words, count, link_on_greeted, link) == TP_OK;
}

static void
link_on_greeted(const redisReply *reply, void *owner)
{
    struct redis_link *link = owner;

    /* One that is refused breaks the link in link_take(). */
    if (reply == NULL || --link->greetings_left > 0) {
        return;
    }
    link->is_up = true;
    link->up_since_ms = link_now_ms(link);
    link->why[0] = '\0';
    tp_log_notice(tp_home_log(link->options.home), "registry-redis-connected", "address=%s for=%s",
                  link->options.target->text, link->options.what);
    link->options.on_up(link->options.owner);
}

/* That it has come is all that counts. */
static void
link_on_pong(const redisReply *reply, void *owner)
{
    (void) reply;
    (void) owner;
}

static enum tp_result
link_ask(struct redis_link *link, const struct tp_str *words, size_t count, redis_reply_fn on_reply,
         void *owner)
{
    const char *arguments[REDIS_ARGUMENTS_MAX];
    size_t lens[REDIS_ARGUMENTS_MAX];

    TP_ASSERT(count <= REDIS_ARGUMENTS_MAX);
    if (link->request_count >= LINK_REQUESTS_MAX
        || sdslen(link->context->obuf) >= LINK_SENT_BYTES_MAX) {
        return TP_FULL;
    }
    struct redis_request *request = calloc(1, sizeof(*request));

    for (size_t i = 0; i < count; i++) {
        arguments[i] = words[i].len == 0 ? "" : words[i].data;
        lens[i] = words[i].len;
    }
    if (request == NULL || tp_home_watch_want(link->watch, true, true) != TP_OK
        || redisAppendCommandArgv(link->context, (int) count, arguments, lens) != REDIS_OK) {
        free(request);
        return TP_NO_MEMORY;
    }
    request->on_reply = on_reply;
    request->owner = owner;
    request->deadline_ms = link_now_ms(link) + LINK_REPLY_WAIT_MS;
    *link->last = request;
    link->last = &request->next;
    if (link->request_count++ == 0) {
        link_arm(link);
    }
    return TP_OK;
}

/* Whoever is called from here may send, and may not end the link. */
static void
link_on_ready(struct tp_home_watch *watch, bool is_readable, bool is_writable, void *owner)
{
    struct redis_link *link = owner;

    (void) watch;
    if (is_writable && !link_write(link)) {
        link_break_with_error(link);
        return;
    }
    if (!is_readable) {
        return;
    }
    if (!link_read(link)) {
        return; /* It is broken, for a reason that was said. */
    }
    link_arm(link);
}

static bool
link_write(struct redis_link *link)
{
    int is_done = 0;

    if (redisBufferWrite(link->context, &is_done) != REDIS_OK) {
        return false;
    }
    return !is_done || tp_home_watch_want(link->watch, true, false) == TP_OK;
}

/* Reads a little: there is more in the next turn.  False: the link is broken. */
static bool
link_read(struct redis_link *link)
{
    void *reply = NULL;

    if (redisBufferRead(link->context) != REDIS_OK) {
        link_break_with_error(link);
        return false;
    }
    link->heard_ms = link_now_ms(link);
    while (redisGetReplyFromReader(link->context, &reply) == REDIS_OK) {
        if (reply == NULL) {
            if (link->context->reader->len <= LINK_REPLY_BYTES_MAX) {
                return true;
            }
            link_break(link, "a reply is too large");
            return false;
        }
        bool is_taken = link_take(link, reply);

        freeReplyObject(reply);
        if (!is_taken) {
            return false;
        }
    }
    link_break_with_error(link);
    return false;
}

/* Hands it to who waits for it.  False: the link is broken. */
static bool
link_take(struct redis_link *link, const redisReply *reply)
{
    bool is_greeting = link->greetings_left > 0;

    if (link_take_message(link, reply)) {
        return true;
    }
    if (is_greeting && reply->type == REDIS_REPLY_ERROR) {
        char why[LINK_WHY_MAX];

        snprintf(why, sizeof(why), "it answers %s", redis_error_word(reply).text);
        link_break(link, why);
        return false;
    }
    struct redis_request *request = link_take_request(link);

    if (request == NULL) {
        link_break(link, "it answers what nobody has asked");
        return false;
    }
    link->calls_out++;
    request->on_reply(reply, request->owner);
    link->calls_out--;
    free(request);
    return true;
}

/* ["message", channel, payload], which only a subscriber gets. */
static bool
link_take_message(struct redis_link *link, const redisReply *reply)
{
    if (link->options.channel.len == 0 || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3
        || reply->element[0]->type != REDIS_REPLY_STRING
        || strcmp(reply->element[0]->str, "message") != 0
        || reply->element[2]->type != REDIS_REPLY_STRING) {
        return false;
    }
    link->calls_out++;
    link->options.on_message((struct tp_str){ reply->element[2]->str, reply->element[2]->len },
                             link->options.owner);
    link->calls_out--;
    return true;
}

static struct redis_request *
link_take_request(struct redis_link *link)
{
    struct redis_request *request = link->first;

    if (request != NULL) {
        link->first = request->next;
        link->request_count--;
        if (link->first == NULL) {
            link->last = &link->first;
        }
    }
    return request;
}

static void
link_on_timer(struct tp_home_timer *timer, void *owner)
{
    struct redis_link *link = owner;
    struct tp_str ping[] = { TP_STR("PING") };

    (void) timer;
    if (link->context == NULL) {
        link_connect(link);
        return;
    }

    int64_t now_ms = link_now_ms(link);

    if (link->first != NULL && link->first->deadline_ms <= now_ms) {
        link_break(link, "it does not answer");
        return;
    }
    /* Without a word for so long: is it still there? */
    if (link->first == NULL && link->heard_ms + LINK_SILENCE_MAX_MS <= now_ms
        && link_ask(link, ping, TP_COUNT_OF(ping), link_on_pong, NULL) != TP_OK) {
        link_break(link, "memory is out");
        return;
    }
    link_arm(link);
}

/* For the reply that is waited for longest, or for the end of a silence. */
static void
link_arm(struct redis_link *link)
{
    int64_t at_ms =
        link->first != NULL ? link->first->deadline_ms : link->heard_ms + LINK_SILENCE_MAX_MS;
    int64_t delay_ms = at_ms - link_now_ms(link);

    tp_home_timer_start(link->timer, (struct tp_msec){ delay_ms < 1 ? 1 : delay_ms });
}

static void
link_break_with_error(struct redis_link *link)
{
    char why[LINK_WHY_MAX];

    snprintf(why, sizeof(why), "%s",
             link->context->err != 0 ? link->context->errstr : "it cannot be watched");
    link_break(link, why);
}

/* Ends the connection, tells who must know, and tries again after a pause. */
static void
link_break(struct redis_link *link, const char *why)
{
    bool was_up = link->is_up;
    bool was_stable = was_up && link_now_ms(link) - link->up_since_ms >= LINK_STABLE_MS;

    link->is_up = false;
    link_close(link);
    link_report(link, was_up, why);
    link->pause_ms = was_stable ? LINK_PAUSE_MIN_MS : link->pause_ms;
    tp_home_timer_start(link->timer, (struct tp_msec){ link->pause_ms });
    link->pause_ms =
        link->pause_ms * 2 < LINK_PAUSE_MAX_MS ? link->pause_ms * 2 : LINK_PAUSE_MAX_MS;
    link_drop_requests(link);
    if (was_up) {
        link->calls_out++;
        link->options.on_down(link->options.owner);
        link->calls_out--;
    }
}

static void
link_close(struct redis_link *link)
{
    tp_home_watch_destroy(&link->watch);
    if (link->context != NULL) {
        redisFree(link->context);
        link->context = NULL;
    }
    link->greetings_left = 0;
}

static void
link_drop_requests(struct redis_link *link)
{
    struct redis_request *request;

    link->calls_out++;
    while ((request = link_take_request(link)) != NULL) {
        request->on_reply(NULL, request->owner);
        free(request);
    }
    link->calls_out--;
}

static void
link_report(struct redis_link *link, bool was_up, const char *why)
{
    const struct redis_link_options *options = &link->options;

    if (was_up) {
        tp_log_warn(tp_home_log(options->home), "registry-redis-lost",
                    "address=%s for=%s why=\"%s\"", options->target->text, options->what, why);
        return;
    }
    if (strcmp(link->why, why) != 0) {
        tp_log_error(tp_home_log(options->home), "registry-redis-unreachable",
                     "address=%s for=%s why=\"%s\"", options->target->text, options->what, why);
        snprintf(link->why, sizeof(link->why), "%s", why);
    }
}

static int64_t
link_now_ms(const struct redis_link *link)
{
    return tp_home_now_ms(link->options.home);
}
