/*
 * peer_fixture.c - two peers of the library in one thread.
 */
#include "peer_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

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

static struct tp_log_sink silence = {
    .write = silence_write,
    .get_process_id = silence_get_process_id,
};

struct tp_peer_options
tp__test_quiet_options(void)
{
    static const struct tp_log quiet = { .sink = &silence, .level = TP_LOG_DEBUG };
    struct tp_peer_options options = TP_PEER_OPTIONS;

    options.log = &quiet;
    return options;
}

void
tp__test_peers_open(struct tp_test_peers *peers, const struct tp_peer_options *options)
{
    const struct tp_peer_options presets = tp__test_quiet_options();
    uint16_t port;

    options = options == NULL ? &presets : options;
    *peers = (struct tp_test_peers){ .server = NULL };
    ck_assert_int_eq(TP_OK, tp_peer_create(options, &peers->server));
    ck_assert_int_eq(TP_OK, tp_peer_create(options, &peers->client));
    ck_assert_int_eq(TP_OK, tp_peer_listen(peers->server, "127.0.0.1:0", &port));
    snprintf(peers->address, sizeof(peers->address), "127.0.0.1:%u", port);
    ck_assert_int_eq(TP_OK, tp_peer_dial(peers->client, peers->address, NULL, &peers->session));
}

void
tp__test_peers_close(struct tp_test_peers *peers)
{
    tp_peer_destroy(&peers->client);
    tp_peer_destroy(&peers->server);
    ck_assert_ptr_null(peers->client);
}

void
tp__test_peers_turn(const struct tp_test_peers *peers)
{
    tp_peer_turn(peers->server, 0);
    tp_peer_turn(peers->client, 1);
}

void
tp__test_peers_turn_until(const struct tp_test_peers *peers, const unsigned *count, unsigned wanted)
{
    while (*count < wanted) {
        tp__test_peers_turn(peers);
    }
}

static bool
keep_session(struct tp_session *session, void *owner)
{
    struct tp_session **kept = owner;

    *kept = session;
    return false;
}

struct tp_session *
tp__test_peers_accepted(const struct tp_test_peers *peers)
{
    struct tp_session *session = NULL;

    while (session == NULL) {
        tp__test_peers_turn(peers);
        tp_peer_walk(peers->server, keep_session, &session);
    }
    return session;
}

void
tp__test_on_reply(const struct tp_reply *reply, void *owner)
{
    struct tp_test_reply *seen = owner;
    struct tp_str body = tp_reply_body(reply);

    seen->count++;
    seen->code = tp_reply_status(reply)->code;
    seen->body_len = body.len;
    ck_assert_uint_lt(body.len, sizeof(seen->body));
    if (body.len > 0) {
        memcpy(seen->body, body.data, body.len);
    }
    seen->body[body.len] = '\0';
}

int32_t
tp__test_pull(const struct tp_test_peers *peers, struct tp_session *session, const char *uri,
              struct tp_test_reply *reply)
{
    const struct tp_str uri_str = { uri, strlen(uri) };

    *reply = (struct tp_test_reply){ .count = 0 };
    ck_assert_int_eq(TP_OK, tp_session_pull_async(session, uri_str, TP_STR("[7]"), NULL,
                                                  tp__test_on_reply, reply));
    ck_assert_uint_eq(0, reply->count);
    tp__test_peers_turn_until(peers, &reply->count, 1);
    return reply->code;
}

void
tp__test_echo(struct tp_exchange *exchange, void *owner)
{
    (void) owner;
    tp_exchange_echo(exchange);
}

void
tp__test_count(struct tp_exchange *exchange, void *owner)
{
    unsigned *count = owner;

    *count += 1;
    tp_exchange_echo(exchange);
}
