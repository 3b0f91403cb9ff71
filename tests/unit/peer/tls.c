/*
 * tls.c - tests of peer/tls: two peers of the library that speak TLS with each other.
 */
#include <teleport/teleport.h>

#include "base/str.h"
#include "peer/peer.h"
#include "session/session_save.h"

#include "peer_fixture.h"
#include "scratch.h"
#include "tls_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH_MAX_BYTES = 2 * TP_SCRATCH_PATH_MAX,
    BIG_BYTES = 700 * 1000,
    MANY = 20, /* PULLs, which make a session busy */
};

/* Files of an authority and of whom it vouches for, and two peers that may use them. */
struct fixture {
    struct tp_scratch scratch;
    char authority[PATH_MAX_BYTES];
    char server_certificate[PATH_MAX_BYTES];
    char server_key[PATH_MAX_BYTES];
    char client[PATH_MAX_BYTES]; /* certificate and key in one file */
    struct tp_peer_options server_options;
    struct tp_peer_options client_options;
    struct tp_test_peers peers;
};

Suite *tp_suite_peer_tls(void);

static void
write_file(struct fixture *fixture, const char *name, const char *content, char *path)
{
    snprintf(path, PATH_MAX_BYTES, "%s", tp__scratch_write(&fixture->scratch, name, content));
}

static void
fixture_open(struct fixture *fixture)
{
    static struct tp_test_pair authority;
    static struct tp_test_pair pair;
    static char both[2 * TP_TEST_PEM_MAX];

    *fixture = (struct fixture){ .server_options = tp__test_quiet_options(),
                                 .client_options = tp__test_quiet_options() };
    tp__scratch_open(&fixture->scratch);
    tp__test_pair_make(&authority, &(struct tp_test_wish){ .subject = "Authority" });
    write_file(fixture, "authority.pem", authority.certificate, fixture->authority);
    tp__test_pair_make(&pair, &(struct tp_test_wish){ .subject = "server",
                                                      .names = "IP:127.0.0.1,DNS:gateway.example",
                                                      .issuer = &authority });
    write_file(fixture, "server.pem", pair.certificate, fixture->server_certificate);
    write_file(fixture, "server.key", pair.key, fixture->server_key);
    tp__test_pair_make(&pair, &(struct tp_test_wish){ .subject = "lamp-7", .issuer = &authority });
    snprintf(both, sizeof(both), "%s%s", pair.certificate, pair.key);
    write_file(fixture, "client.pem", both, fixture->client);
    fixture->server_options.tls_certificate = fixture->server_certificate;
    fixture->server_options.tls_key = fixture->server_key;
    fixture->client_options.tls_trusted = fixture->authority;
    fixture->client_options.redials_never = true;
}

static void
fixture_listen(struct fixture *fixture)
{
    uint16_t port = 0;

    ck_assert_int_eq(TP_OK, tp_peer_create(&fixture->server_options, &fixture->peers.server));
    ck_assert_int_eq(TP_OK, tp_peer_create(&fixture->client_options, &fixture->peers.client));
    ck_assert_msg(tp_peer_listen(fixture->peers.server, "tls://127.0.0.1:0", &port) == TP_OK, "%s",
                  tp_peer_last_error(fixture->peers.server));
    snprintf(fixture->peers.address, sizeof(fixture->peers.address), "tls://127.0.0.1:%u", port);
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(fixture->peers.server, "/echo", tp__test_echo, NULL));
}

static void
fixture_close(struct fixture *fixture)
{
    tp_peer_destroy(&fixture->peers.client);
    tp_peer_destroy(&fixture->peers.server);
    tp__scratch_close(&fixture->scratch);
}

/* Dials; `name` NULL: the host of the address. */
static enum tp_result
dial(struct fixture *fixture, const char *name)
{
    struct tp_dial_options options = TP_DIAL_OPTIONS;

    options.tls_name = name;
    return tp_peer_dial(fixture->peers.client, fixture->peers.address, &options,
                        &fixture->peers.session);
}

/* Turns until the client's session is open, or has ended: whether it is open. */
static bool
is_opened(struct fixture *fixture)
{
    struct tp_session_handle handle = tp_session_get_handle(fixture->peers.session);
    struct tp_session *session;

    while ((session = tp_session_at(handle)) != NULL) {
        if (tp_session_get_state(session) == TP_SESSION_OPEN) {
            return true;
        }
        tp__test_peers_turn(&fixture->peers);
    }
    return false;
}

START_TEST(listens_and_dials)
{
    struct fixture fixture;
    struct tp_test_reply reply;

    fixture_open(&fixture);
    fixture_listen(&fixture);
    ck_assert_int_eq(TP_OK, dial(&fixture, NULL));
    ck_assert_int_eq(200, tp__test_pull(&fixture.peers, fixture.peers.session, "/echo", &reply));
    ck_assert_str_eq("[7]", reply.body);
    struct tp_session *accepted = tp__test_peers_accepted(&fixture.peers);

    ck_assert_str_eq("TLSv1.3", tp_session_tls_version(accepted));
    ck_assert_str_eq(tp_session_tls_cipher(fixture.peers.session), tp_session_tls_cipher(accepted));
    ck_assert_uint_eq(0, tp_session_tls_subject(accepted).len);
    fixture_close(&fixture);
}
END_TEST

/* As if its time had come. */
static void
look_who_is_silent(struct tp_sessions *sessions)
{
    ck_assert(sessions->sealed.rest.is_running);
    tp__loop_stop_timer(sessions->loop, &sessions->sealed.rest);
    sessions->sealed.rest.on_expire(&sessions->sealed.rest);
}

START_TEST(who_is_silent_keeps_no_buffers)
{
    struct fixture fixture;
    struct tp_test_reply reply;

    fixture_open(&fixture);
    fixture_listen(&fixture);
    ck_assert_int_eq(TP_OK, dial(&fixture, NULL));
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(200,
                         tp__test_pull(&fixture.peers, fixture.peers.session, "/echo", &reply));
    }
    struct tp_sessions *sessions = &fixture.peers.server->sessions;

    ck_assert_uint_eq(1, sessions->desk.busy_count);
    look_who_is_silent(sessions);
    ck_assert_uint_eq(1, sessions->desk.busy_count);
    look_who_is_silent(sessions);
    ck_assert_uint_eq(0, sessions->desk.busy_count);
    ck_assert(!sessions->sealed.rest.is_running);
    ck_assert_int_eq(200, tp__test_pull(&fixture.peers, fixture.peers.session, "/echo", &reply));
    ck_assert_uint_eq(0, sessions->desk.busy_count);
    fixture_close(&fixture);
}
END_TEST

/* The fixture's keeps small bodies only. */
static void
on_large_reply(const struct tp_reply *reply, void *owner)
{
    struct tp_test_reply *seen = owner;

    seen->count++;
    seen->code = tp_reply_status(reply)->code;
    seen->body_len = tp_reply_body(reply).len;
}

START_TEST(carries_large_bodies)
{
    struct fixture fixture;
    struct tp_test_reply reply = { 0 };
    char *body = malloc(BIG_BYTES);

    ck_assert_ptr_nonnull(body);
    memset(body, 'x', BIG_BYTES);
    fixture_open(&fixture);
    fixture_listen(&fixture);
    ck_assert_int_eq(TP_OK, dial(&fixture, NULL));
    ck_assert_int_eq(TP_OK, tp_session_pull_async(fixture.peers.session, TP_STR("/echo"),
                                                  (struct tp_str){ body, BIG_BYTES }, NULL,
                                                  on_large_reply, &reply));
    tp__test_peers_turn_until(&fixture.peers, &reply.count, 1);
    ck_assert_int_eq(200, reply.code);
    ck_assert_uint_eq(BIG_BYTES, reply.body_len);
    free(body);
    fixture_close(&fixture);
}
END_TEST

START_TEST(reaches_nobody_else)
{
    static const struct {
        const char *name;
        bool trusts_all;
        bool is_good;
    } rows[] = {
        { "gateway.example", false, true },
        { "other.example", false, false },
        { "other.example", true, true },
    };

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        struct fixture fixture;

        fixture_open(&fixture);
        fixture.client_options.tls_trusts_all = rows[i].trusts_all;
        fixture_listen(&fixture);
        ck_assert_int_eq(TP_OK, dial(&fixture, rows[i].name));
        ck_assert_int_eq(rows[i].is_good, is_opened(&fixture));
        fixture_close(&fixture);
    }
}
END_TEST

START_TEST(asks_who_connects)
{
    struct fixture fixture;
    struct tp_test_reply reply;

    fixture_open(&fixture);
    fixture.server_options.tls_wants_clients = true;
    fixture.server_options.tls_trusted = fixture.authority;
    fixture.client_options.tls_certificate = fixture.client;
    fixture_listen(&fixture);
    ck_assert_int_eq(TP_OK, dial(&fixture, NULL));
    ck_assert_int_eq(200, tp__test_pull(&fixture.peers, fixture.peers.session, "/echo", &reply));
    ck_assert(tp__str_equal(TP_STR("CN=lamp-7,O=Tests"),
                            tp_session_tls_subject(tp__test_peers_accepted(&fixture.peers))));
    fixture_close(&fixture);

    fixture_open(&fixture);
    fixture.server_options.tls_wants_clients = true;
    fixture.server_options.tls_trusted = fixture.authority;
    fixture_listen(&fixture);
    ck_assert_int_eq(TP_OK, dial(&fixture, NULL));
    ck_assert_int_ne(200, tp__test_pull(&fixture.peers, fixture.peers.session, "/echo", &reply));
    fixture_close(&fixture);
}
END_TEST

/* A session that was dialed over TLS comes back by TLS. */
START_TEST(dials_again)
{
    struct fixture fixture;
    struct tp_test_reply reply;

    fixture_open(&fixture);
    fixture.client_options.redials_never = false;
    fixture.client_options.redial.first.ms = 1;
    fixture_listen(&fixture);
    ck_assert_int_eq(TP_OK, dial(&fixture, NULL));
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(200,
                         tp__test_pull(&fixture.peers, fixture.peers.session, "/echo", &reply));
        tp_peer_close_all(fixture.peers.server);
        while (tp_session_get_state(fixture.peers.session) == TP_SESSION_OPEN) {
            tp__test_peers_turn(&fixture.peers);
        }
    }
    fixture_close(&fixture);
}
END_TEST

/* What TLS knows cannot be taken along: that is said, and the session goes on. */
START_TEST(stays_where_it_is)
{
    struct fixture fixture;
    struct tp_test_reply reply;
    struct tp_chain saved = { 0 };

    fixture_open(&fixture);
    fixture_listen(&fixture);
    ck_assert_int_eq(TP_OK, dial(&fixture, NULL));
    ck_assert_int_eq(200, tp__test_pull(&fixture.peers, fixture.peers.session, "/echo", &reply));
    ck_assert_int_eq(TP_UNSUPPORTED,
                     tp__session_save(tp__test_peers_accepted(&fixture.peers), &saved));
    ck_assert_uint_eq(0, saved.len);
    ck_assert_int_eq(200, tp__test_pull(&fixture.peers, fixture.peers.session, "/echo", &reply));
    fixture_close(&fixture);
}
END_TEST

START_TEST(says_what_is_wrong_with_its_files)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.server_options.tls_key = fixture.client;
    ck_assert_int_eq(TP_OK, tp_peer_create(&fixture.server_options, &fixture.peers.server));
    ck_assert_int_eq(TP_INVALID, tp_peer_listen(fixture.peers.server, "tls://127.0.0.1:0", NULL));
    ck_assert_ptr_nonnull(strstr(tp_peer_last_error(fixture.peers.server),
                                 "client.pem: the key does not belong to the certificate"));
    tp_peer_destroy(&fixture.peers.server);

    fixture.server_options.tls_certificate = NULL;
    ck_assert_int_eq(TP_OK, tp_peer_create(&fixture.server_options, &fixture.peers.server));
    ck_assert_int_eq(TP_INVALID, tp_peer_listen(fixture.peers.server, "tls://127.0.0.1:0", NULL));
    tp_peer_destroy(&fixture.peers.server);

    fixture.client_options.tls_trusted = "/no/such/file";
    ck_assert_int_eq(TP_OK, tp_peer_create(&fixture.client_options, &fixture.peers.client));
    ck_assert_int_eq(TP_NOT_FOUND, tp_peer_dial(fixture.peers.client, "tls://127.0.0.1:1", NULL,
                                                &fixture.peers.session));
    ck_assert_ptr_nonnull(strstr(tp_peer_last_error(fixture.peers.client), "/no/such/file"));
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_peer_tls(void)
{
    Suite *suite = suite_create("peer/tls");
    TCase *tests = tcase_create("tls");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, listens_and_dials);
    tcase_add_test(tests, who_is_silent_keeps_no_buffers);
    tcase_add_test(tests, carries_large_bodies);
    tcase_add_test(tests, reaches_nobody_else);
    tcase_add_test(tests, asks_who_connects);
    tcase_add_test(tests, dials_again);
    tcase_add_test(tests, stays_where_it_is);
    tcase_add_test(tests, says_what_is_wrong_with_its_files);
    suite_add_tcase(suite, tests);
    return suite;
}
