/*
 * peer.c - tests of peer/peer and peer/sessions: making one, turning it, its sessions, its end.
 */
#include <teleport/teleport.h>

#include "os/file.h"
#include "os/thread.h"

#include "peer_fixture.h"
#include "scratch.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LONG_MS = 20 * 1000,
    POSTS = 1000,
};

Suite *tp_suite_peer_peer(void);

START_TEST(leaves_nothing_open)
{
    size_t before = tp__descriptor_count();
    struct tp_test_peers peers;
    struct tp_test_reply reply;

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(404, tp__test_pull(&peers, peers.session, "/nothing", &reply));
    ck_assert_int_ge(tp_peer_fd(peers.client), 0);
    tp__test_peers_close(&peers);
    ck_assert_uint_eq(before, tp__descriptor_count());
}
END_TEST

START_TEST(either_end_asks_and_tells)
{
    struct tp_test_peers peers;
    struct tp_test_reply reply;
    unsigned told = 0;

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peers.server, "/echo", tp__test_echo, NULL));
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peers.client, "/echo", tp__test_echo, NULL));
    ck_assert_int_eq(TP_OK, tp_peer_on_push(peers.client, "/told", tp__test_count, &told));
    ck_assert_int_eq(TP_OK, tp_peer_on_push(peers.server, "/told", tp__test_count, &told));

    struct tp_session *accepted = tp__test_peers_accepted(&peers);

    ck_assert_int_eq(200, tp__test_pull(&peers, peers.session, "/echo", &reply));
    ck_assert_str_eq("[7]", reply.body);
    ck_assert_int_eq(200, tp__test_pull(&peers, accepted, "/echo", &reply));
    ck_assert_int_eq(TP_OK, tp_session_push(accepted, TP_STR("/told"), TP_STR(""), NULL));
    ck_assert_int_eq(TP_OK, tp_session_push(peers.session, TP_STR("/told"), TP_STR(""), NULL));
    tp__test_peers_turn_until(&peers, &told, 2);
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(a_peer_knows_its_sessions)
{
    struct tp_test_peers peers;

    tp__test_peers_open(&peers, NULL);
    struct tp_session *accepted = tp__test_peers_accepted(&peers);

    ck_assert_ptr_eq(peers.server, tp_session_peer(accepted));
    ck_assert_ptr_eq(peers.client, tp_session_peer(peers.session));
    ck_assert_uint_eq(1, tp_peer_session_count(peers.server));
    ck_assert_ptr_eq(accepted, tp_peer_find_number(peers.server, tp_session_number(accepted)));
    ck_assert_ptr_null(tp_peer_find_number(peers.server, tp_session_number(accepted) + 1));
    ck_assert_ptr_null(tp_peer_find_id(peers.server, TP_STR("joe")));
    ck_assert_int_eq(TP_OK, tp_session_set_id(accepted, TP_STR("joe")));
    ck_assert_ptr_eq(accepted, tp_peer_find_id(peers.server, TP_STR("joe")));
    tp__test_peers_close(&peers);
}
END_TEST

/* What the other end was told before it was closed. */
static void
note_query(struct tp_exchange *exchange, void *owner)
{
    struct tp_str query = tp_exchange_query(exchange);

    snprintf(owner, TP_TEST_BODY_MAX, "%.*s", TP_STR_ARG(query));
}

START_TEST(of_two_with_one_id_the_older_one_is_told_and_closed)
{
    struct tp_dial_options dial = TP_DIAL_OPTIONS;
    struct tp_test_peers peers;
    struct tp_session *second;
    char told[TP_TEST_BODY_MAX] = "";

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK, tp_peer_on_push(peers.client, "/system/closed", note_query, told));
    struct tp_session *first = tp__test_peers_accepted(&peers);
    struct tp_session_handle handle = tp_session_get_handle(peers.session);

    ck_assert_int_eq(TP_OK, tp_session_set_id(first, TP_STR("joe")));
    ck_assert_int_eq(TP_OK, tp_peer_dial(peers.client, peers.address, &dial, &second));
    while (tp_peer_session_count(peers.server) < 2) {
        tp__test_peers_turn(&peers);
    }
    struct tp_session *newer = tp_peer_find_number(peers.server, tp_session_number(first) + 1);

    ck_assert_int_eq(TP_OK, tp_session_set_id(newer, TP_STR("joe")));
    ck_assert_ptr_eq(newer, tp_peer_find_id(peers.server, TP_STR("joe")));
    /* The dialed one does not come back: it was told so. */
    while (tp_session_at(handle) != NULL) {
        tp__test_peers_turn(&peers);
    }
    ck_assert_msg(strstr(told, "redial=0") != NULL, "%s", told);
    ck_assert_uint_eq(1, tp_peer_session_count(peers.server));
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(or_the_newer_one_is_refused)
{
    struct tp_peer_options options = tp__test_quiet_options();
    struct tp_dial_options dial = TP_DIAL_OPTIONS;
    struct tp_test_peers peers;
    struct tp_session *second;

    options.id_conflict = TP_ID_REFUSE_NEW;
    tp__test_peers_open(&peers, &options);
    ck_assert_int_eq(TP_OK, tp_session_set_id(peers.session, TP_STR("joe")));
    dial.id = "joe";
    ck_assert_int_eq(TP_EXISTS, tp_peer_dial(peers.client, peers.address, &dial, &second));
    ck_assert_ptr_null(second);
    ck_assert_msg(strstr(tp_peer_last_error(peers.client), "joe") != NULL, "%s",
                  tp_peer_last_error(peers.client));
    dial.id = "ann";
    ck_assert_int_eq(TP_OK, tp_peer_dial(peers.client, peers.address, &dial, &second));
    ck_assert_ptr_eq(second, tp_peer_find_id(peers.client, TP_STR("ann")));
    tp__test_peers_close(&peers);
}
END_TEST

/* Pulls again, on the very session that has ended; and dials another. */
struct persistent {
    struct tp_session *session;
    const char *address;
    enum tp_result pulled;
    enum tp_result dialed;
    unsigned count;
};

static void
on_reply_try_again(const struct tp_reply *reply, void *owner)
{
    struct persistent *persistent = owner;
    struct tp_peer *peer = tp_session_peer(persistent->session);
    struct tp_session *other;

    ck_assert_int_eq(101, tp_reply_status(reply)->code);
    persistent->count++;
    persistent->pulled = tp_session_pull_async(persistent->session, TP_STR("/x"), TP_STR(""), NULL,
                                               on_reply_try_again, persistent);
    persistent->dialed = tp_peer_dial(peer, persistent->address, NULL, &other);
}

START_TEST(a_peer_that_is_destroyed_ends_its_pulls_and_begins_nothing)
{
    struct tp_test_peers peers;

    tp__test_peers_open(&peers, NULL);
    struct persistent persistent = { .session = peers.session, .address = peers.address };

    ck_assert_int_eq(TP_OK, tp_session_pull_async(peers.session, TP_STR("/x"), TP_STR(""), NULL,
                                                  on_reply_try_again, &persistent));
    tp_peer_destroy(&peers.client);
    ck_assert_uint_eq(1, persistent.count);
    ck_assert_int_eq(TP_GONE, persistent.pulled);
    ck_assert_int_eq(TP_GONE, persistent.dialed);
    tp_peer_destroy(&peers.server);
}
END_TEST

static void
close_all_from_within(struct tp_exchange *exchange, void *owner)
{
    tp_peer_close_all(owner);
    ck_assert_ptr_nonnull(tp_exchange_session(exchange));
    tp_exchange_echo(exchange);
}

START_TEST(all_sessions_are_closed_at_once_from_a_handler_too)
{
    struct tp_test_peers peers;
    struct tp_session_handle handle;

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK,
                     tp_peer_on_pull(peers.server, "/close", close_all_from_within, peers.server));
    (void) tp__test_peers_accepted(&peers);
    handle = tp_session_get_handle(peers.session);
    ck_assert_int_eq(TP_OK, tp_session_push(peers.session, TP_STR("/none"), TP_STR(""), NULL));

    struct tp_test_reply reply = { .count = 0 };

    ck_assert_int_eq(TP_OK, tp_session_pull_async(peers.session, TP_STR("/close"), TP_STR(""), NULL,
                                                  tp__test_on_reply, &reply));
    tp__test_peers_turn_until(&peers, &reply.count, 1);
    while (tp_peer_session_count(peers.server) > 0
           && tp_session_get_state(peers.session) == TP_SESSION_OPEN) {
        tp__test_peers_turn(&peers);
    }
    /* The dialed one lives on, and comes back. */
    ck_assert_ptr_eq(peers.session, tp_session_at(handle));
    ck_assert_int_eq(404, tp__test_pull(&peers, peers.session, "/nothing", &reply));
    tp_peer_close_all(peers.client);
    ck_assert_ptr_null(tp_session_at(handle));
    tp__test_peers_close(&peers);
}
END_TEST

static void
on_drained(struct tp_peer *peer, void *owner)
{
    unsigned *count = owner;

    ck_assert_uint_eq(0, tp_peer_session_count(peer));
    *count += 1;
}

/* Keeps the exchange for the test. */
static void
keep(struct tp_exchange *exchange, void *owner)
{
    struct tp_exchange **kept = owner;

    *kept = exchange;
    tp_exchange_keep(exchange);
}

START_TEST(draining_finishes_what_is_in_flight)
{
    struct tp_test_peers peers;
    struct tp_test_reply reply = { .count = 0 };
    struct tp_exchange *kept = NULL;
    struct tp_session *late;
    unsigned drained = 0;

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peers.server, "/keep", keep, &kept));
    ck_assert_int_eq(TP_OK, tp_session_pull_async(peers.session, TP_STR("/keep"), TP_STR(""), NULL,
                                                  tp__test_on_reply, &reply));
    while (kept == NULL) {
        tp__test_peers_turn(&peers);
    }
    tp_peer_drain(peers.server, on_drained, &drained);
    ck_assert_int_eq(TP_GONE, tp_peer_listen(peers.server, "127.0.0.1:0", NULL));
    ck_assert_int_eq(TP_GONE, tp_peer_dial(peers.server, peers.address, NULL, &late));
    for (int i = 0; i < 5; i++) {
        tp__test_peers_turn(&peers);
    }
    ck_assert_uint_eq(0, drained);
    ck_assert_uint_eq(0, reply.count);
    ck_assert_int_eq(TP_OK, tp_exchange_reply_copy(kept, TP_STR("done"), TP_CODEC_PLAIN));
    tp__test_peers_turn_until(&peers, &drained, 1);
    tp__test_peers_turn_until(&peers, &reply.count, 1);
    ck_assert_str_eq("done", reply.body);

    /* With nobody there it is drained at once, and may begin anew afterwards. */
    tp_peer_drain(peers.server, on_drained, &drained);
    tp__test_peers_turn_until(&peers, &drained, 2);
    ck_assert_int_eq(TP_OK, tp_peer_listen(peers.server, "127.0.0.1:0", NULL));
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(serves_a_socket_that_it_is_given)
{
    struct tp_test_peers peers;
    struct tp_test_reply reply;
    struct tp_session *left, *right;
    int fds[2];

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peers.server, "/echo", tp__test_echo, NULL));
    ck_assert_int_eq(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    ck_assert_int_eq(TP_OK, tp_peer_serve_fd(peers.client, fds[0], &left));
    ck_assert_int_eq(TP_OK, tp_peer_serve_fd(peers.server, fds[1], &right));
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(left));
    ck_assert_int_eq(200, tp__test_pull(&peers, left, "/echo", &reply));

    /* It owns the descriptor also where it cannot use it. */
    ck_assert_int_eq(0, pipe(fds));
    ck_assert_int_eq(TP_INVALID, tp_peer_serve_fd(peers.client, fds[0], &left));
    ck_assert_ptr_null(left);
    ck_assert_int_eq(TP_INVALID, tp_peer_listen_fd(peers.client, fds[1]));
    ck_assert_int_eq(-1, close(fds[0]));
    ck_assert_int_eq(-1, close(fds[1]));
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(listens_on_an_inherited_socket_and_on_a_unix_socket)
{
    struct tp_test_peers peers;
    struct tp_test_reply reply;
    struct tp_scratch scratch;
    struct tp_session *session;
    char target[TP_SCRATCH_PATH_MAX + 8];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    tp__scratch_open(&scratch);
    snprintf(target, sizeof(target), "unix:%s", tp__scratch_path(&scratch, "socket"));
    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peers.server, "/echo", tp__test_echo, NULL));
    ck_assert_int_eq(TP_OK, tp_peer_listen(peers.server, target, NULL));
    ck_assert_int_eq(TP_OK, tp_peer_dial(peers.client, target, NULL, &session));
    ck_assert_int_eq(200, tp__test_pull(&peers, session, "/echo", &reply));

    ck_assert_int_eq(0, listen(fd, 8));
    ck_assert_int_eq(TP_OK, tp_peer_listen_fd(peers.server, fd));
    tp__test_peers_close(&peers);
    /* The file of its socket is gone, or the scratch could not be removed. */
    ck_assert_int_eq(-1, access(target + strlen("unix:"), F_OK));
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(says_why_it_cannot_listen_or_dial)
{
    struct tp_test_peers peers;
    struct tp_session *session;

    tp__test_peers_open(&peers, NULL);
    ck_assert_str_eq("", tp_peer_last_error(peers.client));
    ck_assert_int_eq(TP_IN_USE, tp_peer_listen(peers.client, peers.address, NULL));
    ck_assert_msg(strstr(tp_peer_last_error(peers.client), peers.address) != NULL, "%s",
                  tp_peer_last_error(peers.client));
    ck_assert_int_eq(TP_INVALID, tp_peer_listen(peers.client, "example.org:80", NULL));
    ck_assert_int_eq(TP_INVALID, tp_peer_dial(peers.client, "nonsense", NULL, &session));
    ck_assert_ptr_null(session);
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(a_full_peer_dials_no_more)
{
    struct tp_peer_options options = tp__test_quiet_options();
    struct tp_test_peers peers;
    struct tp_session *session;

    options.max_sessions = 1;
    tp__test_peers_open(&peers, &options);
    ck_assert_int_eq(TP_FULL, tp_peer_dial(peers.client, peers.address, NULL, &session));
    tp__test_peers_close(&peers);
}
END_TEST

/* What other threads post. */
struct posts {
    struct tp_peer *peer;
    unsigned run_count;
};

static void
post_run(struct tp_peer *peer, void *owner)
{
    struct posts *posts = owner;

    ck_assert_ptr_eq(posts->peer, peer);
    posts->run_count++;
    if (posts->run_count == POSTS) {
        tp_peer_stop(peer);
    }
}

static void
post_all(void *argument)
{
    struct posts *posts = argument;

    for (int i = 0; i < POSTS; i++) {
        TP_ASSERT(tp_peer_post(posts->peer, post_run, posts) == TP_OK);
    }
}

START_TEST(other_threads_may_post)
{
    const struct tp_peer_options options = tp__test_quiet_options();
    struct posts posts = { .run_count = 0 };
    struct tp_thread thread;

    ck_assert_int_eq(TP_OK, tp_peer_create(&options, &posts.peer));
    ck_assert_int_eq(TP_OK, tp__thread_start(&thread, post_all, &posts));
    tp_peer_run(posts.peer);
    tp__thread_join(&thread);
    ck_assert_uint_eq(POSTS, posts.run_count);
    /* What is not run is not run, and freed. */
    ck_assert_int_eq(TP_OK, tp_peer_post(posts.peer, post_run, &posts));
    tp_peer_destroy(&posts.peer);
    ck_assert_uint_eq(POSTS, posts.run_count);
}
END_TEST

static void
count_sessions(void *argument)
{
    tp__scratch_be_quiet();
    (void) tp_peer_session_count(argument);
}

START_TEST(other_threads_may_not_do_anything_else)
{
    const struct tp_peer_options options = tp__test_quiet_options();
    struct tp_peer *peer;
    struct tp_thread thread;

    ck_assert_int_eq(TP_OK, tp_peer_create(&options, &peer));
    ck_assert_int_eq(TP_OK, tp__thread_start(&thread, count_sessions, peer));
    tp__thread_join(&thread);
}
END_TEST

static void
close_session(void *argument)
{
    tp__scratch_be_quiet();
    tp_session_close(argument);
}

START_TEST(nor_may_they_use_its_sessions)
{
    struct tp_test_peers peers;
    struct tp_thread thread;

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK, tp__thread_start(&thread, close_session, peers.session));
    tp__thread_join(&thread);
}
END_TEST

static void
stop(struct tp_peer *peer, void *owner)
{
    (void) owner;
    tp_peer_stop(peer);
}

START_TEST(a_stop_before_the_run_ends_it_at_once)
{
    const struct tp_peer_options options = tp__test_quiet_options();
    struct tp_peer *peer;

    ck_assert_int_eq(TP_OK, tp_peer_create(&options, &peer));
    tp_peer_stop(peer);
    tp_peer_run(peer);
    /* And only that one. */
    tp_peer_turn(peer, 1);
    ck_assert_int_eq(TP_OK, tp_peer_post(peer, stop, NULL));
    tp_peer_run(peer);
    tp_peer_destroy(&peer);
}
END_TEST

static bool
is_readable(int fd, int wait_ms)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    return poll(&poll_fd, 1, wait_ms) == 1;
}

START_TEST(one_descriptor_tells_another_loop_of_everything)
{
    struct tp_test_peers peers;
    struct tp_test_reply reply = { .count = 0 };
    int fds[2];

    tp__test_peers_open(&peers, NULL);
    fds[0] = tp_peer_fd(peers.server);
    fds[1] = tp_peer_fd(peers.client);
    ck_assert_int_eq(TP_OK, tp_session_pull_async(peers.session, TP_STR("/x"), TP_STR(""), NULL,
                                                  tp__test_on_reply, &reply));
    while (reply.count == 0) {
        struct pollfd poll_fds[] = {
            { .fd = fds[0], .events = POLLIN },
            { .fd = fds[1], .events = POLLIN },
        };

        ck_assert_int_gt(poll(poll_fds, 2, LONG_MS), 0);
        if (poll_fds[0].revents != 0) {
            tp_peer_turn(peers.server, 0);
        }
        if (poll_fds[1].revents != 0) {
            tp_peer_turn(peers.client, 0);
        }
    }
    while (is_readable(fds[1], 0)) {
        tp_peer_turn(peers.client, 0);
    }
    ck_assert_int_eq(TP_OK, tp_peer_post(peers.client, on_drained, &reply.count));
    ck_assert(is_readable(fds[1], LONG_MS));
    tp_peer_close_all(peers.client);
    tp_peer_turn(peers.client, 0);
    ck_assert_uint_eq(2, reply.count);
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(says_its_version)
{
    ck_assert_str_eq("0.1.0", tp_version());
}
END_TEST

Suite *
tp_suite_peer_peer(void)
{
    Suite *suite = suite_create("peer/peer");
    TCase *life = tcase_create("life");
    TCase *sessions = tcase_create("sessions");
    TCase *threads = tcase_create("threads");

    tcase_add_test(life, leaves_nothing_open);
    tcase_add_test(life, a_peer_that_is_destroyed_ends_its_pulls_and_begins_nothing);
    tcase_add_test(life, draining_finishes_what_is_in_flight);
    tcase_add_test(life, a_stop_before_the_run_ends_it_at_once);
    tcase_add_test(life, one_descriptor_tells_another_loop_of_everything);
    tcase_add_test(life, says_its_version);
    suite_add_tcase(suite, life);

    tcase_add_test(sessions, either_end_asks_and_tells);
    tcase_add_test(sessions, a_peer_knows_its_sessions);
    tcase_add_test(sessions, of_two_with_one_id_the_older_one_is_told_and_closed);
    tcase_add_test(sessions, or_the_newer_one_is_refused);
    tcase_add_test(sessions, all_sessions_are_closed_at_once_from_a_handler_too);
    tcase_add_test(sessions, serves_a_socket_that_it_is_given);
    tcase_add_test(sessions, listens_on_an_inherited_socket_and_on_a_unix_socket);
    tcase_add_test(sessions, says_why_it_cannot_listen_or_dial);
    tcase_add_test(sessions, a_full_peer_dials_no_more);
    suite_add_tcase(suite, sessions);

    tcase_add_test(threads, other_threads_may_post);
    tcase_add_test_raise_signal(threads, other_threads_may_not_do_anything_else, SIGABRT);
    tcase_add_test_raise_signal(threads, nor_may_they_use_its_sessions, SIGABRT);
    suite_add_tcase(suite, threads);
    return suite;
}
