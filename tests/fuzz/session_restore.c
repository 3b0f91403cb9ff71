/*
 * session_restore.c - sessions that come from another process, made of any bytes.
 *
 * The first byte says what the rest is: the whole of what came, or the fields only, which
 * then get the head and the hash that lead into the reader.  A session that is taken in
 * must run, save itself, and be taken in again from that, alike.
 *
 * Read next: src/session/session_save.c.
 */
#include "session/session_save.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/str.h"
#include "cycle/built.h"
#include "session/record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FUZZ_PROTOCOLS_MAX = 16,
    FUZZ_HEAD = 6,
    FUZZ_END = 14,
    FUZZ_POOL_BYTES = 16 * 1024 * 1024,
    FUZZ_TURN_MS = 10 * 1000, /* longer than one input takes */
    FUZZ_FUTURE_MS = 1000 * 1000 * 1000,
};

/* What the handler keeps of an exchange. */
struct fuzz_state {
    uint8_t letter;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_restore(struct tp_sessions *sessions, struct tp_server *server,
                         struct tp_str saved);
static struct tp_str fuzz_sign(struct tp_str fields);
static void fuzz_save_again(struct tp_sessions *sessions,
                            const struct tp_session_receiver *receiver);
static bool fuzz_is_timeless(const struct tp_session *session);
static struct tp_session *fuzz_first(const struct tp_sessions *sessions);
static struct tp_str fuzz_save(struct tp_session *session);
static const struct tp_source *fuzz_find_source(void *owner, const char *name);
static void fuzz_on_count_changed(void *owner);
static void fuzz_on_bytes(void *owner, size_t count);
static void fuzz_on_unused(struct tp_counted *counted);
static void fuzz_write_line(struct tp_log_sink *sink, const char *line, size_t len);
static int fuzz_process_id(void);
static void fuzz_handle(struct tp_exchange *exchange, const void *conf);
static enum tp_result fuzz_save_state(const void *state, struct tp_buf_pool *pool,
                                      struct tp_chain *saved);
static enum tp_result fuzz_restore_state(void *state, struct tp_str saved);

static const struct tp_module fuzz_handler = {
    .name = "hold",
    .handle = fuzz_handle,
    .on_time = fuzz_handle,
    .exchange_state_size = sizeof(struct fuzz_state),
    .save_state = fuzz_save_state,
    .restore_state = fuzz_restore_state,
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tp_sessions_callbacks callbacks = {
        .on_count_changed = fuzz_on_count_changed,
        .on_bytes = fuzz_on_bytes,
    };
    static const struct tp_route any = { .uri = { "*", 1 }, .handler = &fuzz_handler };
    static const struct tp_route ordered = {
        .uri = { "/o", 2 },
        .handler = &fuzz_handler,
        .is_ordered = true,
    };
    const struct tp_route *const routes[] = { &any, &ordered };
    struct tp_log_sink sink = { fuzz_write_line, fuzz_process_id };
    struct tp_counted configuration;
    struct tp_sessions sessions;
    struct tp_arena arena;
    struct tp_loop *loop;
    struct tp_str text = { (const char *) data, size };

    if (size == 0 || tp__loop_create(&loop) != TP_OK) {
        return 0;
    }
    tp__counted_init(&configuration, fuzz_on_unused);
    tp__arena_init(&arena, 1024);
    tp__sessions_init(&sessions, loop, &callbacks, (struct tp_size){ FUZZ_POOL_BYTES });
    const struct tp_module_list modules = { tp__built_modules, tp__built_module_count };
    struct tp_protocol_use protocols[FUZZ_PROTOCOLS_MAX];

    TP_ASSERT(tp__protocols_count(&modules) <= FUZZ_PROTOCOLS_MAX);
    struct tp_server server = {
        .configuration = &configuration,
        .log = { &sink, TP_LOG_INFO, NULL },
        .protocols = protocols,
        .protocol_count = tp__protocols_fill(&modules, protocols),
        .limits = { .packet = { 1 << 16 }, .send_queue = { 1 << 16 }, .pending_pulls = 16 },
    };

    server.default_protocol = &protocols[0];
    tp__router_build(&server.pulls, routes, TP_COUNT_OF(routes), &arena);
    tp__router_build(&server.pushes, routes, TP_COUNT_OF(routes), &arena);
    struct tp_str rest = tp__str_skip(text, 1);
    struct tp_str saved = data[0] == 'w' ? rest : fuzz_sign(rest);

    fuzz_restore(&sessions, &server, saved);
    if (data[0] != 'w') {
        free((void *) (uintptr_t) saved.data);
    }
    tp__sessions_fini(&sessions);
    TP_ASSERT(configuration.holders == 1 && sessions.pool.bytes_in_use == 0);
    tp__loop_destroy(&loop);
    tp__arena_fini(&arena);
    return 0;
}

static void
fuzz_restore(struct tp_sessions *sessions, struct tp_server *server, struct tp_str saved)
{
    const struct tp_source source = { .name = "test", .server = server };
    const struct tp_session_receiver receiver = { fuzz_find_source, (void *) (uintptr_t) &source,
                                                  &server->log };
    int fds[2];

    if (tp__socket_pair(false, fds) != TP_OK) {
        return;
    }
    if (tp__session_restore(sessions, &receiver, fds[0], saved) == TP_OK) {
        fuzz_save_again(sessions, &receiver);
        tp__loop_turn(sessions->loop, 0);
        tp__loop_turn(sessions->loop, 0);
    }
    tp__sessions_close_all(sessions, TP_CLOSE_SHUTDOWN);
    close(fds[1]);
}

/* Head, fields, and an end with their hash; freed by the caller. */
static struct tp_str
fuzz_sign(struct tp_str fields)
{
    static const uint8_t head[FUZZ_HEAD] = { 'T', 'P', 'S', 'S', 0, TP_SAVED_VERSION };
    static const uint8_t end[] = { 0, TP_SAVED_END, 0, 0, 0, 8 };
    size_t len = FUZZ_HEAD + fields.len;
    uint8_t *bytes = malloc(len + FUZZ_END);

    TP_ASSERT(bytes != NULL);
    memcpy(bytes, head, FUZZ_HEAD);
    if (fields.len > 0) {
        memcpy(bytes + FUZZ_HEAD, fields.data, fields.len);
    }
    uint64_t hash = tp__hash_extend_bytes(TP_HASH_NONE, bytes, len);

    memcpy(bytes + len, end, sizeof(end));
    for (size_t i = 0; i < 8; i++) {
        bytes[len + sizeof(end) + i] = (uint8_t) (hash >> 8 * (7 - i));
    }
    return (struct tp_str){ (const char *) bytes, len + FUZZ_END };
}

/* What a session is saved as makes a session that is saved as the same. */
static void
fuzz_save_again(struct tp_sessions *sessions, const struct tp_session_receiver *receiver)
{
    struct tp_session *session = fuzz_first(sessions);
    bool is_timeless = fuzz_is_timeless(session);
    struct tp_str once = fuzz_save(session);
    int fd = fcntl(tp__session_fd(session), F_DUPFD_CLOEXEC, 0);

    TP_ASSERT(fd != -1);
    tp__session_close(&session, TP_CLOSE_MOVED);
    TP_ASSERT(tp__session_restore(sessions, receiver, fd, once) == TP_OK);
    struct tp_str twice = fuzz_save(fuzz_first(sessions));

    TP_ASSERT(once.len == twice.len && (!is_timeless || tp__str_equal(once, twice)));
    free((void *) (uintptr_t) once.data);
    free((void *) (uintptr_t) twice.data);
}

/* What is overdue, or due later than timers can be told, is due at another time each time. */
static bool
fuzz_is_timeless(const struct tp_session *session)
{
    int64_t now_ms = tp__clock_monotonic_ms();

    TP_LIST_EACH (node, &session->exchanges) {
        int64_t due_ms = TP_CONTAINER_OF(node, struct tp_exchange, node)->timer.deadline_ms;

        if (due_ms < now_ms + FUZZ_TURN_MS || due_ms > now_ms + FUZZ_FUTURE_MS) {
            return false;
        }
    }
    return true;
}

static struct tp_session *
fuzz_first(const struct tp_sessions *sessions)
{
    return TP_CONTAINER_OF(sessions->members.next, struct tp_session, node);
}

static struct tp_str
fuzz_save(struct tp_session *session)
{
    struct tp_chain saved = { .len = 0 };

    TP_ASSERT(tp__session_save(session, &saved) == TP_OK);
    size_t len = saved.len;
    uint8_t *bytes = malloc(len);

    TP_ASSERT(bytes != NULL);
    tp_chain_copy(&saved, 0, len, bytes);
    tp_chain_clear(&saved);
    return (struct tp_str){ (const char *) bytes, len };
}

static const struct tp_source *
fuzz_find_source(void *owner, const char *name)
{
    const struct tp_source *source = owner;

    return strcmp(source->name, name) == 0 ? source : NULL;
}

static void
fuzz_on_count_changed(void *owner)
{
    (void) owner;
}

static void
fuzz_on_bytes(void *owner, size_t count)
{
    (void) owner;
    (void) count;
}

static void
fuzz_on_unused(struct tp_counted *counted)
{
    (void) counted;
    abort();
}

static void
fuzz_write_line(struct tp_log_sink *sink, const char *line, size_t len)
{
    (void) sink;
    (void) line;
    (void) len;
}

static int
fuzz_process_id(void)
{
    return 1;
}

static void
fuzz_handle(struct tp_exchange *exchange, const void *conf)
{
    (void) conf;
    tp_exchange_hold(exchange, (struct tp_msec){ 1000 });
}

static enum tp_result
fuzz_save_state(const void *state, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    const struct fuzz_state *kept = state;

    return tp_chain_append_copy(saved, pool, (struct tp_str){ (const char *) &kept->letter, 1 });
}

static enum tp_result
fuzz_restore_state(void *state, struct tp_str saved)
{
    struct fuzz_state *kept = state;

    if (saved.len != 1) {
        return TP_INVALID;
    }
    kept->letter = (uint8_t) saved.data[0];
    return TP_OK;
}
