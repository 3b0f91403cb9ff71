/*
 * session_fixture.h - sessions without a configuration file: servers made by hand, with
 * handlers of all manners, and clients at the other ends of socket pairs.
 *
 * A test opens a bench (a loop with sessions) and one or more sites (a loaded
 * configuration each), connects clients, and lets the loop turn until what it waits for is
 * there.  Closing checks that nothing is left over.
 */
#ifndef TP_TESTS_UNIT_SESSION_FIXTURE_H
#define TP_TESTS_UNIT_SESSION_FIXTURE_H

#include "base/arena.h"
#include "session/record.h"
#include "session/session.h"

#include "bytes_fixture.h"

enum {
    TP_TEST_ROUTES_MAX = 32,
    TP_TEST_PROTOCOLS_MAX = 16,
    TP_TEST_WAIT_MS = 5000, /* longer than anything a test waits for */
    TP_TEST_STREAM_MAX = 1024 * 1024,
};

/*
 * What handlers do, by their names: "echo" answers with the body, "hold" does so after
 * `delay_ms`, "silent" returns without an answer, "late-silent" does so after `delay_ms`,
 * "fail" answers 1001 "no luck" with a body, "count" holds three times and tells with its
 * answer "3" that its state has counted them, "keep" keeps the exchange for
 * tp__test_take_kept().
 */
struct tp_test_route {
    enum tp_packet_type type;
    const char *uri;
    const char *handler;
    int64_t delay_ms;
    bool is_ordered;
};

/* One loaded configuration: a server that listens at "test". */
struct tp_test_site {
    struct tp_counted configuration;
    struct tp_arena arena;
    struct tp_protocol_use protocols[TP_TEST_PROTOCOLS_MAX];
    struct tp_server server;
    struct tp_source source; /* speaks Teleport 2.5, and does not guess */
    bool is_unused;          /* nobody holds it any more */
    struct tp_route *routes[TP_TEST_ROUTES_MAX];
    size_t route_count;
};

/* A loop with sessions, and what they have logged. */
struct tp_test_bench {
    struct tp_loop *loop;
    struct tp_sessions sessions;
    struct tp_log_sink sink;
    struct tp_log log;
    char logged[16 * 1024]; /* the last lines */
    size_t logged_len;
    uint64_t bytes_read;
    uint64_t next_number;
};

/* The other end of a session, and what it has received. */
struct tp_test_client {
    int fd;
    struct tp_session *session; /* NULL when it was refused; void once it has closed */
    uint8_t *received;
    size_t received_len;
    bool has_ended; /* the server has finished sending */
};

/* Bytes for the wire, of any size; all zeros is empty. */
struct tp_test_stream {
    uint8_t *data;
    size_t len;
};

void tp__test_bench_open(struct tp_test_bench *bench);

/* Closes all sessions; fails where a byte of their pool is still in use. */
void tp__test_bench_close(struct tp_test_bench *bench);

/* True when a line that was logged has `text` in it. */
bool tp__test_bench_has_logged(const struct tp_test_bench *bench, const char *text);

/* Lets the loop turn `count` times without waiting. */
void tp__test_bench_turn(struct tp_test_bench *bench, int count);

/*
 * Lets the loop turn for so long, and a few times more: a machine with much to do may let all of that
 * time pass in one turn, and what became due in it has further steps.
 */
void tp__test_bench_run(struct tp_test_bench *bench, int64_t ms);

/* A site with generous limits and these routes, ended by one without a uri. */
void tp__test_site_open(struct tp_test_site *site, struct tp_test_bench *bench,
                        const struct tp_test_route *routes);

/* All routes have these hooks from here on. */
void tp__test_site_hook_routes(struct tp_test_site *site, const struct tp_hook_set *hooks);

/* Lets go of it; fails where somebody holds it yet. */
void tp__test_site_close(struct tp_test_site *site);

/* The exchange that the handler "keep" was last given, once. */
struct tp_exchange *tp__test_take_kept(void);

/* Two sessions at the ends of one connection. */
void tp__test_pair_open(struct tp_test_bench *bench, struct tp_test_site *site,
                        struct tp_session *ends[2]);

/* Connects a client; the loop has not turned since. */
void tp__test_client_open(struct tp_test_client *client, struct tp_test_bench *bench,
                          struct tp_test_site *site);
void tp__test_client_close(struct tp_test_client *client);

/* Writes as much of the bytes as fits and returns how much that was. */
size_t tp__test_client_try_send(struct tp_test_client *client, const void *bytes, size_t len);

/* Writes all of the bytes; the loop of `bench`, unless it is NULL, turns meanwhile. */
void tp__test_client_send(struct tp_test_client *client, struct tp_test_bench *bench,
                          const struct tp_test_stream *stream);

/* Reads what is there. */
void tp__test_client_read(struct tp_test_client *client);

/* Reads until so much was received in all, or the server has finished; `bench` as above. */
void tp__test_client_read_to(struct tp_test_client *client, struct tp_test_bench *bench,
                             size_t len);

/* Fails unless exactly these bytes are received, in all. */
void tp__test_client_expect(struct tp_test_client *client, struct tp_test_bench *bench,
                            const struct tp_test_stream *stream);

/* Fails unless the server ends the connection. */
void tp__test_client_expect_end(struct tp_test_client *client, struct tp_test_bench *bench);

/* Finishes sending; the client goes on receiving. */
void tp__test_client_finish(struct tp_test_client *client);

void tp__test_stream_clear(struct tp_test_stream *stream);
void tp__test_stream_add(struct tp_test_stream *stream, const void *bytes, size_t len);
void tp__test_stream_add_chain(struct tp_test_stream *stream, const struct tp_chain *chain);

/* Appends a packet of Teleport 2.5 with a JSON header; no `data`: neither body nor codec. */
void tp__test_stream_add_pull(struct tp_test_stream *stream, unsigned seq, const char *uri,
                              struct tp_str body);
void tp__test_stream_add_push(struct tp_test_stream *stream, unsigned seq, const char *uri,
                              struct tp_str body);

/* Appends the reply to such a PULL. */
void tp__test_stream_add_reply(struct tp_test_stream *stream, unsigned seq, const char *uri,
                               struct tp_status status, struct tp_str body);

/* Appends the reply that "echo" gives, with status 200. */
void tp__test_stream_add_echo(struct tp_test_stream *stream, unsigned seq, const char *uri,
                              struct tp_str body);

#endif
