/*
 * no_memory.c - lets each allocation of a conversation fail in turn, first the first, then the
 * second …: the library may say so, but neither end the program nor keep anything.
 *
 * Usage: no_memory [N]: only the N-th, for a debugger
 */
#include <teleport/teleport.h>

#include <stdio.h>
#include <stdlib.h>

enum {
    TURNS_MAX = 2000,
    PULLS = 3,
    PULL_TIMEOUT_MS = 40,
    REDIAL_MS = 1,
    NUMBER_MAX = 100000,
};

/* The C library's own, which those below stand in front of. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void __libc_free(void *memory);

static long allocation_count;
static long live_count;
static long failing = -1; /* the number of the allocation that fails; -1: none */

static bool
fails(void)
{
    return ++allocation_count == failing;
}

void *
malloc(size_t size)
{
    void *memory = fails() ? NULL : __libc_malloc(size);

    live_count += memory != NULL;
    return memory;
}

void *
calloc(size_t count, size_t size)
{
    void *memory = fails() ? NULL : __libc_calloc(count, size);

    live_count += memory != NULL;
    return memory;
}

void *
realloc(void *old, size_t size)
{
    void *memory = fails() ? NULL : __libc_realloc(old, size);

    live_count += memory != NULL && old == NULL;
    return memory;
}

void
free(void *memory)
{
    live_count -= memory != NULL;
    __libc_free(memory);
}

struct talk {
    struct tp_peer *server;
    struct tp_peer *client;
    struct tp_session *session;
    unsigned asked;
    unsigned answered;
};

static void
silence_write(struct tp_log_sink *sink, const char *line, size_t len)
{
    (void) sink;
    (void) line;
    (void) len;
}

static int
silence_get_process_id(void)
{
    return 0;
}

static struct tp_log_sink silence = { silence_write, silence_get_process_id };

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct talk *talk = owner;

    (void) reply;
    talk->answered++;
}

static void
on_echo(struct tp_exchange *exchange, void *owner)
{
    struct tp_str body;

    (void) owner;
    if (tp_exchange_read_body(exchange, &body) != TP_OK) {
        tp_exchange_refuse_result(exchange, TP_NO_MEMORY);
        return;
    }
    tp_exchange_reply_copy(exchange, body, TP_CODEC_PLAIN);
}

static enum tp_verdict
on_any_point(struct tp_hook_call *call, const void *conf)
{
    (void) call;
    (void) conf;
    return TP_PASS;
}

static void
on_posted(struct tp_peer *peer, void *owner)
{
    (void) peer;
    (void) owner;
}

static bool
begin(struct talk *talk)
{
    static const struct tp_hooks hooks = {
        .at[TP_HOOK_POST_REG] = on_any_point,
        .at[TP_HOOK_POST_ACCEPT] = on_any_point,
        .at[TP_HOOK_POST_READ_PULL_BODY] = on_any_point,
    };
    static const struct tp_hooks group_hooks = { .at[TP_HOOK_PRE_WRITE_REPLY] = on_any_point };
    const struct tp_log log = { &silence, TP_LOG_DEBUG, NULL };
    struct tp_peer_options options = TP_PEER_OPTIONS;
    char address[32];
    struct tp_group *group;
    uint64_t timer;
    uint16_t port;

    options.log = &log;
    options.hooks = &hooks;
    options.pull_timeout.ms = PULL_TIMEOUT_MS;
    options.redial.first.ms = REDIAL_MS;
    options.redial.max.ms = REDIAL_MS;
    options.gzip_level = 5;
    if (tp_peer_create(&options, &talk->server) != TP_OK
        || tp_peer_create(&options, &talk->client) != TP_OK
        || tp_peer_group(talk->server, NULL, "/group", &group_hooks, NULL, &group) != TP_OK
        || tp_group_on_pull(group, "/echo", on_echo, NULL) != TP_OK
        || tp_peer_start_timer(talk->client, (struct tp_msec){ 1 }, on_posted, NULL, &timer)
               != TP_OK
        || tp_peer_post(talk->client, on_posted, NULL) != TP_OK
        || tp_peer_listen(talk->server, "127.0.0.1:0", &port) != TP_OK) {
        return false;
    }
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    return tp_peer_dial(talk->client, address, NULL, &talk->session) == TP_OK;
}

static void
ask(struct talk *talk)
{
    static const char large[2000] = { 0 };
    const struct tp_str body = { large, sizeof(large) };

    (void) !tp_session_set_id(talk->session, TP_STR("joe"));
    (void) !tp_session_set_variable(talk->session, TP_STR("name"), TP_STR("value"));
    for (int i = 0; i < PULLS; i++) {
        if (tp_session_pull_async(talk->session, TP_STR("/group/%65cho"), body, NULL, on_reply,
                                  talk)
            == TP_OK) {
            talk->asked++;
        }
    }
}

/* True when the conversation came to its end, whatever that was. */
static bool
talk_once(void)
{
    struct talk talk = { .server = NULL };
    int turns = 0;

    if (begin(&talk)) {
        ask(&talk);
        for (; talk.answered < talk.asked && turns < TURNS_MAX; turns++) {
            tp_peer_turn(talk.server, 0);
            tp_peer_turn(talk.client, 1);
        }
    }
    tp_peer_destroy(&talk.client);
    tp_peer_destroy(&talk.server);
    return talk.answered == talk.asked && turns < TURNS_MAX;
}

/* How many allocations a conversation makes; -1 when it does not go well. */
static long
try(long number)
{
    long live_before = live_count;

    allocation_count = 0;
    failing = number;
    bool is_good = talk_once();

    failing = -1;
    if (!is_good || live_count != live_before) {
        fprintf(stderr, "allocation %ld: %s, %ld blocks are left\n", number,
                is_good ? "it ended" : "a PULL has no end", live_count - live_before);
        return -1;
    }
    return allocation_count;
}

int
main(int argc, char **argv)
{
    /* Afterwards the C library has what it makes once and keeps. */
    if (!talk_once() || try(-1) < 0) {
        return EXIT_FAILURE;
    }
    if (argc > 1) {
        return try(strtol(argv[1], NULL, 10)) < 0;
    }
    for (long number = 1; number < NUMBER_MAX; number++) {
        long made = try(number);

        if (made < 0) {
            return EXIT_FAILURE;
        }
        if (made < number) {
            printf("%ld allocations\n", number - 1);
            return EXIT_SUCCESS;
        }
    }
    return EXIT_FAILURE;
}
