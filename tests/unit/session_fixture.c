/*
 * session_fixture.c - sessions with servers made by hand; see the header.
 *
 * The protocol is that of the build, Teleport 2.5; the handlers stand here.
 */
#include "session_fixture.h"

#include "cycle/built.h"

#include "base/clock.h"
#include "base/str.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TEST_HEADER_MAX = 512,
    TEST_COUNTS = 3,
    TURNS_BEHIND_TIME = 20,
};

struct test_handler_conf {
    struct tp_msec delay;
};

/* What "count" keeps of an exchange. */
struct test_count {
    uint32_t times;
};

static const struct tp_module *test_find_handler(const char *name);
static struct tp_route *test_make_route(struct tp_test_site *site,
                                        const struct tp_test_route *from);
static void test_build_router(struct tp_test_site *site, const struct tp_test_route *routes,
                              enum tp_packet_type type, struct tp_router *router);
static void test_on_site_unused(struct tp_counted *counted);
static void test_on_count_changed(void *owner);
static void test_on_bytes(void *owner, size_t count);
static const struct tp_log *test_log(void *owner);
static void test_write_line(struct tp_log_sink *sink, const char *line, size_t len);
static int test_process_id(void);
static void test_add_packet(struct tp_test_stream *stream, const char *header, struct tp_str body);
static void test_add_length(struct tp_test_stream *stream, size_t length);

static void hold_handle(struct tp_exchange *exchange, const void *conf);
static void hold_on_time(struct tp_exchange *exchange, const void *conf);
static void silent_handle(struct tp_exchange *exchange, const void *conf);
static void fail_handle(struct tp_exchange *exchange, const void *conf);
static void count_handle(struct tp_exchange *exchange, const void *conf);
static void count_on_time(struct tp_exchange *exchange, const void *conf);
static enum tp_result count_save(const void *state, struct tp_buf_pool *pool,
                                 struct tp_chain *saved);
static enum tp_result count_restore(void *state, struct tp_str saved);
static void echo_handle(struct tp_exchange *exchange, const void *conf);
static void keep_handle(struct tp_exchange *exchange, const void *conf);

static struct tp_exchange *kept_exchange;

static const struct tp_module test_handlers[] = {
    { .name = "echo", .handle = echo_handle },
    { .name = "hold", .handle = hold_handle, .on_time = hold_on_time },
    { .name = "silent", .handle = silent_handle },
    { .name = "keep", .handle = keep_handle },
    { .name = "late-silent", .handle = hold_handle, .on_time = silent_handle },
    { .name = "fail", .handle = fail_handle },
    {
        .name = "count",
        .handle = count_handle,
        .on_time = count_on_time,
        .exchange_state_size = sizeof(struct test_count),
        .save_state = count_save,
        .restore_state = count_restore,
    },
};

void
tp__test_bench_open(struct tp_test_bench *bench)
{
    const struct tp_sessions_callbacks callbacks = {
        .on_count_changed = test_on_count_changed,
        .on_bytes = test_on_bytes,
        .log = test_log,
        .owner = bench,
    };

    memset(bench, 0, sizeof(*bench));
    bench->sink =
        (struct tp_log_sink){ .write = test_write_line, .get_process_id = test_process_id };
    bench->log = (struct tp_log){ .sink = &bench->sink, .level = TP_LOG_DEBUG };
    bench->next_number = 1;
    ck_assert_int_eq(TP_OK, tp__loop_create(&bench->loop));
    tp__sessions_init(&bench->sessions, bench->loop, &callbacks, (struct tp_size){ 1u << 30 });
}

void
tp__test_bench_close(struct tp_test_bench *bench)
{
    struct tp_sessions *sessions = &bench->sessions;

    tp__sessions_close_all(sessions, TP_CLOSE_SHUTDOWN);
    ck_assert_uint_eq(0, sessions->count);
    tp__exchanges_free_orphans(sessions);
    tp_buf_release(sessions->read_buf.buf);
    sessions->read_buf.buf = NULL;
    tp__output_fini(&sessions->output);
    ck_assert_uint_eq(0, sessions->pool.bytes_in_use);
    tp__sessions_fini(sessions);
    ck_assert_uint_eq(0, tp__loop_timer_count(bench->loop));
    tp__loop_destroy(&bench->loop);
}

bool
tp__test_bench_has_logged(const struct tp_test_bench *bench, const char *text)
{
    return strstr(bench->logged, text) != NULL;
}

void
tp__test_bench_turn(struct tp_test_bench *bench, int count)
{
    for (int i = 0; i < count; i++) {
        tp__loop_turn(bench->loop, 0);
    }
}

void
tp__test_bench_run(struct tp_test_bench *bench, int64_t ms)
{
    int64_t end_ms = tp__clock_monotonic_ms() + ms;

    for (int64_t rest_ms = ms; rest_ms > 0; rest_ms = end_ms - tp__clock_monotonic_ms()) {
        tp__loop_turn(bench->loop, rest_ms);
    }
    tp__test_bench_turn(bench, TURNS_BEHIND_TIME);
}

void
tp__test_site_open(struct tp_test_site *site, struct tp_test_bench *bench,
                   const struct tp_test_route *routes)
{
    memset(site, 0, sizeof(*site));
    tp__counted_init(&site->configuration, test_on_site_unused);
    tp__arena_init(&site->arena, 4096);
    const struct tp_module_list modules = { tp__built_modules, tp__built_module_count };

    ck_assert_uint_le(tp__protocols_count(&modules), TP_TEST_PROTOCOLS_MAX);
    site->server = (struct tp_server){
        .configuration = &site->configuration,
        .bodies = { .codec = TP_CODEC_PLAIN },
        .header_codec = TP_CODEC_JSON,
        .log = bench->log,
        .protocols = site->protocols,
        .protocol_count = tp__protocols_fill(&modules, site->protocols),
        .limits = {
            .packet = { 1 << 20 },
            .send_queue = { 1 << 20 },
            .pending_pulls = 1000,
            .sent_pulls = 1000,
        },
    };
    site->server.default_protocol = tp__server_find_protocol(&site->server, TP_STR("teleport"));
    ck_assert_ptr_nonnull(site->server.default_protocol);
    site->source = (struct tp_source){
        .name = "test",
        .server = &site->server,
        .protocol = site->server.default_protocol,
    };
    test_build_router(site, routes, TP_PACKET_PULL, &site->server.pulls);
    test_build_router(site, routes, TP_PACKET_PUSH, &site->server.pushes);
}

void
tp__test_site_close(struct tp_test_site *site)
{
    ck_assert(!site->is_unused);
    tp__counted_release(&site->configuration);
    ck_assert(site->is_unused);
    tp__arena_fini(&site->arena);
}

void
tp__test_site_hook_routes(struct tp_test_site *site, const struct tp_hook_set *hooks)
{
    for (size_t i = 0; i < site->route_count; i++) {
        site->routes[i]->hooks = hooks;
    }
}

struct tp_exchange *
tp__test_take_kept(void)
{
    struct tp_exchange *exchange = kept_exchange;

    kept_exchange = NULL;
    return exchange;
}

void
tp__test_pair_open(struct tp_test_bench *bench, struct tp_test_site *site,
                   struct tp_session *ends[2])
{
    const struct tp_address remote = { .family = TP_ADDRESS_UNIX };
    int pair[2];

    ck_assert_int_eq(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(TP_OK, tp__session_start(&bench->sessions, &site->source,
                                                  bench->next_number++, pair[i], &remote));
        ends[i] = TP_CONTAINER_OF(bench->sessions.members.previous, struct tp_session, node);
    }
}

void
tp__test_client_open(struct tp_test_client *client, struct tp_test_bench *bench,
                     struct tp_test_site *site)
{
    const struct tp_address remote = { .family = TP_ADDRESS_UNIX };
    int pair[2];

    ck_assert_int_eq(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
    *client = (struct tp_test_client){ .fd = pair[0], .received = malloc(TP_TEST_STREAM_MAX) };
    ck_assert_ptr_nonnull(client->received);

    enum tp_result result =
        tp__session_start(&bench->sessions, &site->source, bench->next_number++, pair[1], &remote);

    if (result == TP_OK) {
        client->session =
            TP_CONTAINER_OF(bench->sessions.members.previous, struct tp_session, node);
    }
}

void
tp__test_client_close(struct tp_test_client *client)
{
    close(client->fd);
    free(client->received);
    *client = (struct tp_test_client){ .fd = -1 };
}

size_t
tp__test_client_try_send(struct tp_test_client *client, const void *bytes, size_t len)
{
    ssize_t count = send(client->fd, bytes, len, MSG_NOSIGNAL);

    return count > 0 ? (size_t) count : 0;
}

void
tp__test_client_send(struct tp_test_client *client, struct tp_test_bench *bench,
                     const struct tp_test_stream *stream)
{
    int64_t end_ms = tp__clock_monotonic_ms() + TP_TEST_WAIT_MS;
    size_t sent = 0;

    while (sent < stream->len) {
        size_t count = tp__test_client_try_send(client, stream->data + sent, stream->len - sent);

        sent += count;
        if (count == 0) {
            ck_assert(tp__clock_monotonic_ms() < end_ms);
            tp__test_client_read(client);
        }
        if (bench != NULL) {
            tp__loop_turn(bench->loop, 0);
        }
    }
}

void
tp__test_client_read(struct tp_test_client *client)
{
    while (!client->has_ended && client->received_len < TP_TEST_STREAM_MAX) {
        ssize_t count = recv(client->fd, client->received + client->received_len,
                             TP_TEST_STREAM_MAX - client->received_len, 0);

        if (count == -1 && errno == EAGAIN) {
            return;
        }
        client->has_ended = count <= 0;
        client->received_len += count > 0 ? (size_t) count : 0;
    }
}

void
tp__test_client_read_to(struct tp_test_client *client, struct tp_test_bench *bench, size_t len)
{
    int64_t end_ms = tp__clock_monotonic_ms() + TP_TEST_WAIT_MS;

    tp__test_client_read(client);
    while (client->received_len < len && !client->has_ended && tp__clock_monotonic_ms() < end_ms) {
        if (bench != NULL) {
            tp__loop_turn(bench->loop, 1);
        } else {
            usleep(100);
        }
        tp__test_client_read(client);
    }
}

void
tp__test_client_expect(struct tp_test_client *client, struct tp_test_bench *bench,
                       const struct tp_test_stream *stream)
{
    tp__test_client_read_to(client, bench, stream->len);
    if (bench != NULL) {
        tp__test_bench_turn(bench, 3);
        tp__test_client_read(client);
    }
    ck_assert_uint_eq(stream->len, client->received_len);
    ck_assert(stream->len == 0 || memcmp(stream->data, client->received, stream->len) == 0);
}

void
tp__test_client_expect_end(struct tp_test_client *client, struct tp_test_bench *bench)
{
    tp__test_client_read_to(client, bench, TP_TEST_STREAM_MAX);
    ck_assert(client->has_ended);
}

void
tp__test_client_finish(struct tp_test_client *client)
{
    ck_assert_int_eq(0, shutdown(client->fd, SHUT_WR));
}

void
tp__test_stream_clear(struct tp_test_stream *stream)
{
    free(stream->data);
    *stream = (struct tp_test_stream){ 0 };
}

void
tp__test_stream_add(struct tp_test_stream *stream, const void *bytes, size_t len)
{
    stream->data = realloc(stream->data, stream->len + len + 1);
    ck_assert_ptr_nonnull(stream->data);
    memcpy(stream->data + stream->len, bytes, len);
    stream->len += len;
}

void
tp__test_stream_add_chain(struct tp_test_stream *stream, const struct tp_chain *chain)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(chain, &count);

    for (size_t i = 0; i < count; i++) {
        tp__test_stream_add(stream, slices[i].data, slices[i].len);
    }
}

void
tp__test_stream_add_pull(struct tp_test_stream *stream, unsigned seq, const char *uri,
                         struct tp_str body)
{
    char header[TEST_HEADER_MAX];

    snprintf(header, sizeof(header), "{\"seq\":%u,\"type\":1,\"uri\":\"%s\"}", seq, uri);
    test_add_packet(stream, header, body);
}

void
tp__test_stream_add_push(struct tp_test_stream *stream, unsigned seq, const char *uri,
                         struct tp_str body)
{
    char header[TEST_HEADER_MAX];

    snprintf(header, sizeof(header), "{\"seq\":%u,\"type\":3,\"uri\":\"%s\"}", seq, uri);
    test_add_packet(stream, header, body);
}

void
tp__test_stream_add_reply(struct tp_test_stream *stream, unsigned seq, const char *uri,
                          struct tp_status status, struct tp_str body)
{
    char header[TEST_HEADER_MAX];

    snprintf(header, sizeof(header),
             "{\"seq\":%u,\"type\":2,\"uri\":\"%s\",\"status_code\":%d,\"status\":\"%.*s\"}", seq,
             uri, (int) status.code, TP_STR_ARG(status.text));
    test_add_packet(stream, header, body);
}

void
tp__test_stream_add_echo(struct tp_test_stream *stream, unsigned seq, const char *uri,
                         struct tp_str body)
{
    tp__test_stream_add_reply(stream, seq, uri, tp_status_of(TP_STATUS_OK), body);
}

static const struct tp_module *
test_find_handler(const char *name)
{
    for (size_t i = 0; i < TP_COUNT_OF(test_handlers); i++) {
        if (strcmp(test_handlers[i].name, name) == 0) {
            return &test_handlers[i];
        }
    }
    ck_abort_msg("there is no handler %s", name);
    return NULL;
}

static struct tp_route *
test_make_route(struct tp_test_site *site, const struct tp_test_route *from)
{
    struct tp_arena *arena = &site->arena;
    struct tp_route *route = tp__arena_new(arena, struct tp_route);
    struct test_handler_conf *conf = tp__arena_new(arena, struct test_handler_conf);

    conf->delay.ms = from->delay_ms;
    route->uri = tp__str(from->uri);
    route->handler = test_find_handler(from->handler);
    route->conf = conf;
    route->is_ordered = from->is_ordered;
    ck_assert_uint_lt(site->route_count, TP_TEST_ROUTES_MAX);
    site->routes[site->route_count++] = route;
    return route;
}

static void
test_build_router(struct tp_test_site *site, const struct tp_test_route *routes,
                  enum tp_packet_type type, struct tp_router *router)
{
    const struct tp_route *chosen[TP_TEST_ROUTES_MAX];
    size_t count = 0;

    for (; routes->uri != NULL; routes++) {
        if (routes->type == type) {
            ck_assert_uint_lt(count, TP_TEST_ROUTES_MAX);
            chosen[count++] = test_make_route(site, routes);
        }
    }
    tp__router_build(router, chosen, count, &site->arena);
}

static void
test_on_site_unused(struct tp_counted *counted)
{
    TP_CONTAINER_OF(counted, struct tp_test_site, configuration)->is_unused = true;
}

static void
test_on_count_changed(void *owner)
{
    (void) owner;
}

static const struct tp_log *
test_log(void *owner)
{
    const struct tp_test_bench *bench = owner;

    return &bench->log;
}

static void
test_on_bytes(void *owner, size_t count)
{
    struct tp_test_bench *bench = owner;

    bench->bytes_read += count;
}

/* The first lines go when there is no more room. */
static void
test_write_line(struct tp_log_sink *sink, const char *line, size_t len)
{
    struct tp_test_bench *bench = TP_CONTAINER_OF(sink, struct tp_test_bench, sink);

    if (bench->logged_len + len >= sizeof(bench->logged)) {
        bench->logged_len = 0;
    }
    ck_assert_uint_lt(len, sizeof(bench->logged));
    memcpy(bench->logged + bench->logged_len, line, len);
    bench->logged_len += len;
    bench->logged[bench->logged_len] = '\0';
}

static int
test_process_id(void)
{
    return (int) getpid();
}

static void
test_add_packet(struct tp_test_stream *stream, const char *header, struct tp_str body)
{
    test_add_length(stream, strlen(header) + 1);
    tp__test_stream_add(stream, "j", 1);
    tp__test_stream_add(stream, header, strlen(header));
    test_add_length(stream, body.data == NULL ? 0 : body.len + 1);
    if (body.data != NULL) {
        tp__test_stream_add(stream, "s", 1);
        tp__test_stream_add(stream, body.data, body.len);
    }
}

static void
test_add_length(struct tp_test_stream *stream, size_t length)
{
    const uint8_t bytes[] = { (uint8_t) (length >> 24), (uint8_t) (length >> 16),
                              (uint8_t) (length >> 8), (uint8_t) length };

    tp__test_stream_add(stream, bytes, sizeof(bytes));
}

static void
keep_handle(struct tp_exchange *exchange, const void *conf)
{
    (void) conf;
    tp_exchange_keep(exchange);
    kept_exchange = exchange;
}

static void
echo_handle(struct tp_exchange *exchange, const void *conf)
{
    (void) conf;
    tp_exchange_echo(exchange);
}

static void
hold_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct test_handler_conf *conf = module_conf;

    tp_exchange_hold(exchange, conf->delay);
}

static void
hold_on_time(struct tp_exchange *exchange, const void *conf)
{
    (void) conf;
    tp_exchange_echo(exchange);
}

static void
silent_handle(struct tp_exchange *exchange, const void *conf)
{
    (void) exchange;
    (void) conf;
}

static void
fail_handle(struct tp_exchange *exchange, const void *conf)
{
    const struct tp_status status = { .code = 1001, .text = TP_STR("no luck") };
    struct tp_chain body = { 0 };

    (void) conf;
    ck_assert_int_eq(
        TP_OK, tp_chain_append_copy(&body, tp_exchange_buf_pool(exchange), TP_STR("details")));
    tp_exchange_finish(exchange, &status, &body, TP_CODEC_PLAIN);
}

static void
count_handle(struct tp_exchange *exchange, const void *module_conf)
{
    const struct test_handler_conf *conf = module_conf;
    struct test_count *count = tp_exchange_state(exchange);

    ck_assert_ptr_nonnull(count);
    count->times = 1;
    tp_exchange_hold(exchange, conf->delay);
}

static void
count_on_time(struct tp_exchange *exchange, const void *module_conf)
{
    const struct test_handler_conf *conf = module_conf;
    struct test_count *count = tp_exchange_state(exchange);
    struct tp_chain body = { 0 };
    char text[16];

    if (count->times < TEST_COUNTS) {
        count->times++;
        tp_exchange_hold(exchange, conf->delay);
        return;
    }
    snprintf(text, sizeof(text), "%u", (unsigned) count->times);
    TP_ASSERT(tp_chain_append_copy(&body, tp_exchange_buf_pool(exchange), tp__str(text)) == TP_OK);
    tp_exchange_reply(exchange, &body, TP_CODEC_PLAIN);
}

static enum tp_result
count_save(const void *state, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    const struct test_count *count = state;
    char text[16];

    snprintf(text, sizeof(text), "%u", (unsigned) count->times);
    return tp_chain_append_copy(saved, pool, tp__str(text));
}

static enum tp_result
count_restore(void *state, struct tp_str saved)
{
    struct test_count *count = state;
    int64_t times;

    if (tp__str_to_int64(saved, &times) != TP_OK || times < 1 || times > TEST_COUNTS) {
        return TP_INVALID;
    }
    count->times = (uint32_t) times;
    return TP_OK;
}
