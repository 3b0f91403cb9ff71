/*
 * peer.c - the life of a peer: made of options, turned by its thread or from another loop,
 * ended.
 *
 * Nothing here is shared between peers, and nothing is global: two of them may live in one
 * thread, or in two.
 *
 * Runs in: the thread that has made the peer.  Owns: loop, thread pool, sessions.
 * Read next: options.c (what it is made of), routes.c, listens.c, waiting.c.
 */
#include "peer/peer.h"

#include "peer/built.h"

#include "base/result.h"
#include "config.h"
#include "os/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PEER_LOOKUP_THREADS_MAX = 2, /* names that are looked up at once */
    PEER_LOOKUPS_MAX = 4096,     /* names that wait to be */
    PEER_LOOKUP_IDLE_MS = 10 * 1000,
    PEER_LETTERS_MAX = 65536, /* teleport.h promises so many */
};

/* What tp_peer_post() brings. */
struct peer_letter {
    struct tp_inbox_letter letter;
    struct tp_peer *peer;
    void (*run)(struct tp_peer *peer, void *owner);
    void *owner;
};

static enum tp_result peer_open(struct tp_peer *peer);
static enum tp_result peer_open_loop(struct tp_peer *peer);
static void peer_close_loop(struct tp_peer *peer);
static enum tp_result peer_open_sessions(struct tp_peer *peer);
static void peer_on_unused(struct tp_counted *counted);
static const struct tp_log *peer_log(void *owner);
static void peer_on_bytes(void *owner, size_t count);
static void letter_open(struct tp_inbox_letter *base, bool is_lost);

enum tp_result
tp_peer_create(const struct tp_peer_options *options, struct tp_peer **made)
{
    struct tp_peer *peer = calloc(1, sizeof(*peer));

    *made = NULL;
    if (peer == NULL) {
        return TP_NO_MEMORY;
    }
    const char *wrong = tp__peer_options_complete(options, &peer->options);

    tp__log_file_init(&peer->standard_error, TP_STDERR);
    peer->log = (struct tp_log){ .sink = &peer->standard_error.sink, .level = TP_LOG_WARN };
    if (peer->options.log != NULL) {
        peer->log = *peer->options.log;
    }
    if (wrong != NULL) {
        /* There will be no peer whose last error could be asked for. */
        tp_log_error(&peer->log, "peer-option-wrong", "option=%s", wrong);
        free(peer);
        return TP_INVALID;
    }
    enum tp_result result = peer_open(peer);

    if (result != TP_OK) {
        free(peer);
        return result;
    }
    *made = peer;
    return TP_OK;
}

void
tp_peer_destroy(struct tp_peer **destroyed)
{
    struct tp_peer *peer = *destroyed;

    if (peer == NULL) {
        return;
    }
    tp__peer_check(peer);
    TP_ASSERT(!tp__peer_is_in_callback(peer));
    peer->is_ending = true;
    tp__peer_listens_stop(peer);
    tp__sessions_fini(&peer->sessions);
    tp__peer_timers_fini(peer);
    tp__peer_listens_fini(peer);
    tp__peer_tls_fini(peer);
    tp__peer_routes_fini(&peer->pulls);
    tp__peer_routes_fini(&peer->pushes);
    tp__peer_groups_fini(peer);
    tp__arena_fini(&peer->hooks_arena);
    peer_close_loop(peer);
    peer->magic = 0;
    free(peer);
    *destroyed = NULL;
}

void *
tp_peer_owner(const struct tp_peer *peer)
{
    tp__peer_check(peer);
    return peer->options.owner;
}

const char *
tp_peer_last_error(const struct tp_peer *peer)
{
    tp__peer_check(peer);
    return peer->last_error;
}

const char *
tp_version(void)
{
    return TP_VERSION;
}

void
tp_peer_run(struct tp_peer *peer)
{
    tp__peer_check(peer);
    TP_ASSERT(!tp__peer_is_in_callback(peer));
    while (!peer->is_stopping) {
        tp__loop_turn(peer->loop, -1);
    }
    peer->is_stopping = false;
}

void
tp_peer_stop(struct tp_peer *peer)
{
    tp__peer_check(peer);
    peer->is_stopping = true;
}

void
tp_peer_turn(struct tp_peer *peer, int64_t wait_max_ms)
{
    tp__peer_check(peer);
    TP_ASSERT(!tp__peer_is_in_callback(peer));
    tp__loop_turn(peer->loop, wait_max_ms);
}

int
tp_peer_fd(struct tp_peer *peer)
{
    int fd;

    tp__peer_check(peer);
    enum tp_result result = tp__loop_open_fd(peer->loop, &fd);

    if (result != TP_OK) {
        tp__peer_fail(peer, result, "no descriptor for the program's own loop: %s",
                      tp__result_text(result));
        return -1;
    }
    return fd;
}

/* From any thread: nothing but the inbox may be touched here. */
enum tp_result
tp_peer_post(struct tp_peer *peer, void (*run)(struct tp_peer *peer, void *owner), void *owner)
{
    struct peer_letter *letter = malloc(sizeof(*letter));

    TP_ASSERT(peer->magic == TP_PEER_MAGIC);
    if (letter == NULL) {
        return TP_NO_MEMORY;
    }
    *letter = (struct peer_letter){
        .letter = { .open = letter_open },
        .peer = peer,
        .run = run,
        .owner = owner,
    };
    enum tp_result result = tp__inbox_post(&peer->inbox, &letter->letter);

    if (result != TP_OK) {
        free(letter);
    }
    return result;
}

void
tp__peer_check(const struct tp_peer *peer)
{
    TP_ASSERT(peer->magic == TP_PEER_MAGIC);
    TP_ASSERT(tp__thread_is_this(&peer->thread));
}

enum tp_result
tp__peer_fail(struct tp_peer *peer, enum tp_result result, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(peer->last_error, sizeof(peer->last_error), format, args);
    va_end(args);
    return result;
}

uint64_t
tp__peer_next_number(struct tp_peer *peer)
{
    return ++peer->last_number;
}

static enum tp_result
peer_open(struct tp_peer *peer)
{
    peer->magic = TP_PEER_MAGIC;
    peer->thread = tp__thread_this();
    tp__list_init(&peer->groups);
    tp__list_init(&peer->services);
    tp__list_init(&peer->listens);
    tp__counted_init(&peer->configuration, peer_on_unused);
    if (!tp__peer_server_init(peer)) {
        return TP_MISMATCH;
    }
    enum tp_result result = tp__peer_hooks_init(peer);

    if (result != TP_OK) {
        return result;
    }
    result = tp__peer_routes_init(&peer->pulls, &peer->server.pulls);
    if (result != TP_OK) {
        goto free_hooks;
    }
    result = tp__peer_routes_init(&peer->pushes, &peer->server.pushes);
    if (result != TP_OK) {
        goto free_pulls;
    }
    result = tp__peer_routes_add_own(peer, &peer->pulls);
    if (result == TP_OK) {
        result = tp__peer_routes_add_own(peer, &peer->pushes);
    }
    if (result != TP_OK) {
        goto free_pushes;
    }
    result = peer_open_loop(peer);
    if (result != TP_OK) {
        goto free_pushes;
    }
    result = peer_open_sessions(peer);
    if (result == TP_OK) {
        return TP_OK;
    }
    peer_close_loop(peer);

free_pushes:
    tp__peer_routes_fini(&peer->pushes);
free_pulls:
    tp__peer_routes_fini(&peer->pulls);
free_hooks:
    tp__arena_fini(&peer->hooks_arena);
    return result;
}

static enum tp_result
peer_open_loop(struct tp_peer *peer)
{
    const struct tp_pool_options pool_options = {
        .threads_max = PEER_LOOKUP_THREADS_MAX,
        .queue_max = PEER_LOOKUPS_MAX,
        .idle_ms = PEER_LOOKUP_IDLE_MS,
    };
    enum tp_result result = tp__loop_create(&peer->loop);

    if (result != TP_OK) {
        return result;
    }
    result = tp__pool_create(peer->loop, &pool_options, &peer->pool);
    if (result == TP_OK) {
        result = tp__inbox_open(&peer->inbox, peer->loop, PEER_LETTERS_MAX);
    }
    if (result != TP_OK) {
        tp__pool_destroy(&peer->pool);
        tp__loop_destroy(&peer->loop);
    }
    return result;
}

static void
peer_close_loop(struct tp_peer *peer)
{
    tp__inbox_close(&peer->inbox);
    tp__pool_destroy(&peer->pool);
    tp__loop_destroy(&peer->loop);
}

static const struct tp_log *
peer_log(void *owner)
{
    const struct tp_peer *peer = owner;

    return &peer->log;
}

static enum tp_result
peer_open_sessions(struct tp_peer *peer)
{
    const struct tp_sessions_callbacks callbacks = {
        .on_count_changed = tp__peer_on_count_changed,
        .on_bytes = peer_on_bytes,
        .log = peer_log,
        .owner = peer,
    };

    tp__peer_sessions_init(peer);
    tp__sessions_init(&peer->sessions, peer->loop, &callbacks, peer->options.memory);
    peer->sessions.threads = peer->pool;
    const struct tp_module_list modules = { tp__library_modules, tp__library_module_count };
    enum tp_result result = tp__sessions_use_modules(&peer->sessions, &modules);

    if (result != TP_OK) {
        tp__sessions_fini(&peer->sessions);
    }
    return result;
}

/* The peer holds its configuration itself, and ends after all that hold it besides. */
static void
peer_on_unused(struct tp_counted *counted)
{
    (void) counted;
    TP_ASSERT(!"a session or an exchange has let go of its configuration twice");
}

/* The server counts them; a program counts for itself. */
static void
peer_on_bytes(void *owner, size_t count)
{
    (void) owner;
    (void) count;
}

static void
letter_open(struct tp_inbox_letter *base, bool is_lost)
{
    struct peer_letter *letter = TP_CONTAINER_OF(base, struct peer_letter, letter);

    if (!is_lost) {
        letter->run(letter->peer, letter->owner);
    }
    free(letter);
}
