/*
 * waiting.c - tests of peer/waiting: calls that let the loop run.  The other end is a thread.
 */
#include <teleport/teleport.h>

#include "base/str.h"
#include "os/thread.h"

#include "peer_fixture.h"

#include <check.h>
#include <stdio.h>

/* A server on a thread of its own. */
struct server {
    struct tp_thread thread;
    struct tp_thread_mutex mutex;
    struct tp_thread_condition changed;
    struct tp_peer *peer; /* the thread's, but for posting */
    char address[TP_TEST_ADDRESS_MAX];
    unsigned pushed;
    bool is_ready;
};

Suite *tp_suite_peer_waiting(void);

/* PULL /silent is never answered. */
static void
stay_silent(struct tp_exchange *exchange, void *owner)
{
    (void) owner;
    tp_exchange_keep(exchange);
}

static void
refuse(struct tp_exchange *exchange, void *owner)
{
    const struct tp_status status = { 1001, TP_STR("not today"), TP_STR("") };

    (void) owner;
    tp_exchange_finish_copy(exchange, &status, TP_STR("{}"), TP_CODEC_JSON);
}

static void
server_run(void *argument)
{
    const struct tp_peer_options options = tp__test_quiet_options();
    struct server *server = argument;
    uint16_t port;

    TP_ASSERT(tp_peer_create(&options, &server->peer) == TP_OK);
    TP_ASSERT(tp_peer_on_pull(server->peer, "/echo", tp__test_echo, NULL) == TP_OK);
    TP_ASSERT(tp_peer_on_pull(server->peer, "/silent", stay_silent, NULL) == TP_OK);
    TP_ASSERT(tp_peer_on_pull(server->peer, "/refuse", refuse, NULL) == TP_OK);
    TP_ASSERT(tp_peer_on_push(server->peer, "*", tp__test_count, &server->pushed) == TP_OK);
    TP_ASSERT(tp_peer_listen(server->peer, "127.0.0.1:0", &port) == TP_OK);
    tp__thread_mutex_lock(&server->mutex);
    snprintf(server->address, sizeof(server->address), "127.0.0.1:%u", port);
    server->is_ready = true;
    tp__thread_condition_signal(&server->changed);
    tp__thread_mutex_unlock(&server->mutex);
    tp_peer_run(server->peer);
    tp_peer_destroy(&server->peer);
}

static void
server_open(struct server *server)
{
    *server = (struct server){ .peer = NULL };
    tp__thread_mutex_init(&server->mutex);
    tp__thread_condition_init(&server->changed);
    ck_assert_int_eq(TP_OK, tp__thread_start(&server->thread, server_run, server));
    tp__thread_mutex_lock(&server->mutex);
    while (!server->is_ready) {
        ck_assert_int_eq(TP_OK, tp__thread_condition_wait(&server->changed, &server->mutex, -1));
    }
    tp__thread_mutex_unlock(&server->mutex);
}

static void
stop(struct tp_peer *peer, void *owner)
{
    (void) owner;
    tp_peer_stop(peer);
}

static void
server_close(struct server *server)
{
    ck_assert_int_eq(TP_OK, tp_peer_post(server->peer, stop, NULL));
    tp__thread_join(&server->thread);
    tp__thread_condition_fini(&server->changed);
    tp__thread_mutex_fini(&server->mutex);
}

static struct tp_peer *
client_make(void)
{
    const struct tp_peer_options options = tp__test_quiet_options();
    struct tp_peer *client;

    ck_assert_int_eq(TP_OK, tp_peer_create(&options, &client));
    return client;
}

START_TEST(a_pull_is_waited_for)
{
    struct server server;
    struct tp_session *session;
    struct tp_reply *reply;

    server_open(&server);
    struct tp_peer *client = client_make();

    ck_assert_int_eq(TP_OK, tp_peer_dial(client, server.address, NULL, &session));
    ck_assert_int_eq(TP_SESSION_CONNECTING, tp_session_get_state(session));
    ck_assert_int_eq(TP_OK, tp_session_pull(session, TP_STR("/echo"), TP_STR("[1]"), NULL, &reply));
    ck_assert_int_eq(200, tp_reply_status(reply)->code);
    ck_assert(tp__str_equal(TP_STR("OK"), tp_reply_status(reply)->text));
    ck_assert(tp__str_equal(TP_STR("[1]"), tp_reply_body(reply)));
    ck_assert_int_eq('j', tp_reply_body_codec(reply));
    tp_reply_free(&reply);
    ck_assert_ptr_null(reply);
    tp_reply_free(&reply);

    ck_assert_int_eq(TP_OK, tp_session_pull(session, TP_STR("/refuse"), TP_STR(""), NULL, &reply));
    ck_assert_int_eq(1001, tp_reply_status(reply)->code);
    ck_assert(tp__str_equal(TP_STR("not today"), tp_reply_status(reply)->text));
    ck_assert(tp__str_equal(TP_STR("{}"), tp_reply_body(reply)));
    tp_reply_free(&reply);
    tp_peer_destroy(&client);
    server_close(&server);
}
END_TEST

START_TEST(a_pull_that_nobody_answers_ends_in_time)
{
    const struct tp_send_options hurried = { .timeout = { 20 } };
    struct server server;
    struct tp_session *session;
    struct tp_reply *reply;

    server_open(&server);
    struct tp_peer *client = client_make();

    ck_assert_int_eq(TP_OK, tp_peer_dial(client, server.address, NULL, &session));
    ck_assert_int_eq(TP_OK,
                     tp_session_pull(session, TP_STR("/silent"), TP_STR(""), &hurried, &reply));
    ck_assert_int_eq(504, tp_reply_status(reply)->code);
    tp_reply_free(&reply);
    tp_peer_destroy(&client);
    server_close(&server);
}
END_TEST

START_TEST(a_short_connection_is_one_call)
{
    struct server server;
    struct tp_reply *reply;

    server_open(&server);
    struct tp_peer *client = client_make();

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(TP_OK, tp_peer_pull_once(client, server.address, TP_STR("/echo"),
                                                  TP_STR("[1]"), NULL, &reply));
        ck_assert_int_eq(200, tp_reply_status(reply)->code);
        tp_reply_free(&reply);
        ck_assert_uint_eq(0, tp_peer_session_count(client));
    }
    server_close(&server);
    ck_assert_int_eq(TP_OK, tp_peer_pull_once(client, server.address, TP_STR("/echo"),
                                              TP_STR("[1]"), NULL, &reply));
    ck_assert_int_eq(101, tp_reply_status(reply)->code);
    tp_reply_free(&reply);
    ck_assert_int_eq(TP_INVALID, tp_peer_pull_once(client, "nonsense", TP_STR("/echo"),
                                                   TP_STR("[1]"), NULL, &reply));
    ck_assert_ptr_null(reply);
    tp_peer_destroy(&client);
}
END_TEST

START_TEST(opening_and_writing_are_waited_for)
{
    const struct tp_msec patience = { 20 * 1000 };
    const struct tp_msec haste = { 20 };
    struct tp_dial_options dial = TP_DIAL_OPTIONS;
    struct server server;
    struct tp_session *session, *nobody;

    server_open(&server);
    struct tp_peer *client = client_make();

    ck_assert_int_eq(TP_OK, tp_peer_dial(client, server.address, NULL, &session));
    ck_assert_int_eq(TP_OK, tp_session_wait_open(session, patience));
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(session));
    ck_assert_int_eq(TP_OK, tp_session_push(session, TP_STR("/x"), TP_STR(""), NULL));
    ck_assert_int_eq(TP_OK, tp_session_flush(session, patience));
    ck_assert_int_eq(TP_OK, tp_session_flush(session, patience));

    ck_assert_int_eq(TP_OK, tp_peer_dial(client, "unix:/nobody/is/here", NULL, &nobody));
    ck_assert_int_eq(TP_OK, tp_session_push(nobody, TP_STR("/x"), TP_STR(""), NULL));
    ck_assert_int_eq(TP_TIMED_OUT, tp_session_wait_open(nobody, haste));
    ck_assert_int_eq(TP_TIMED_OUT, tp_session_flush(nobody, haste));
    dial.redials_never = true;
    ck_assert_int_eq(TP_OK, tp_peer_dial(client, "unix:/nobody/is/here", &dial, &nobody));
    ck_assert_int_eq(TP_GONE, tp_session_wait_open(nobody, patience));
    tp_peer_destroy(&client);
    server_close(&server);
}
END_TEST

/* What a handler is told that tries to wait. */
struct impatient {
    enum tp_result pulled;
    enum tp_result opened;
    enum tp_result flushed;
    enum tp_result pulled_once;
    unsigned count;
};

static void
try_to_wait(struct tp_exchange *exchange, void *owner)
{
    struct impatient *impatient = owner;
    struct tp_session *session = tp_exchange_session(exchange);
    struct tp_reply *reply;

    impatient->pulled = tp_session_pull(session, TP_STR("/x"), TP_STR(""), NULL, &reply);
    ck_assert_ptr_null(reply);
    impatient->opened = tp_session_wait_open(session, (struct tp_msec){ 1 });
    impatient->flushed = tp_session_flush(session, (struct tp_msec){ 1 });
    impatient->pulled_once =
        tp_peer_pull_once(tp_session_peer(session), "9090", TP_STR("/x"), TP_STR(""), NULL, &reply);
    impatient->count++;
    tp_exchange_echo(exchange);
}

START_TEST(within_a_callback_waiting_is_denied)
{
    struct impatient impatient = { .count = 0 };
    struct tp_test_peers peers;

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK, tp_peer_on_push(peers.server, "/x", try_to_wait, &impatient));
    ck_assert_int_eq(TP_OK, tp_session_push(peers.session, TP_STR("/x"), TP_STR(""), NULL));
    tp__test_peers_turn_until(&peers, &impatient.count, 1);
    ck_assert_int_eq(TP_DENIED, impatient.pulled);
    ck_assert_int_eq(TP_DENIED, impatient.opened);
    ck_assert_int_eq(TP_DENIED, impatient.flushed);
    ck_assert_int_eq(TP_DENIED, impatient.pulled_once);
    tp__test_peers_close(&peers);
}
END_TEST

Suite *
tp_suite_peer_waiting(void)
{
    Suite *suite = suite_create("peer/waiting");
    TCase *tests = tcase_create("waiting");

    tcase_add_test(tests, a_pull_is_waited_for);
    tcase_add_test(tests, a_pull_that_nobody_answers_ends_in_time);
    tcase_add_test(tests, a_short_connection_is_one_call);
    tcase_add_test(tests, opening_and_writing_are_waited_for);
    tcase_add_test(tests, within_a_callback_waiting_is_denied);
    suite_add_tcase(suite, tests);
    return suite;
}
