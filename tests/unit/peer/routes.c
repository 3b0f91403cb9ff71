/*
 * routes.c - tests of peer/routes: who answers what, groups, routes added while the peer runs.
 */
#include <teleport/teleport.h>

#include "peer_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum {
    ROUTES_MANY = 300,
};

Suite *tp_suite_peer_routes(void);

/* Answers with the text that is its owner. */
static void
answer(struct tp_exchange *exchange, void *owner)
{
    const char *text = owner;

    tp_exchange_reply_copy(exchange, (struct tp_str){ text, strlen(text) }, TP_CODEC_PLAIN);
}

static void
route(struct tp_peer *peer, const char *uri, char *text)
{
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peer, uri, answer, text));
}

/* What the server says to a PULL of `uri`: its body, or its status. */
static const char *
ask(const struct tp_test_peers *peers, const char *uri)
{
    static char said[TP_TEST_BODY_MAX];
    struct tp_test_reply reply;

    if (tp__test_pull(peers, peers->session, uri, &reply) == 200) {
        memcpy(said, reply.body, sizeof(said));
    } else {
        snprintf(said, sizeof(said), "%d", reply.code);
    }
    return said;
}

START_TEST(exact_beats_the_longest_prefix_beats_the_rest)
{
    struct tp_test_peers peers;

    tp__test_peers_open(&peers, NULL);
    ck_assert_str_eq("404", ask(&peers, "/a/b"));
    route(peers.server, "*", "rest");
    ck_assert_str_eq("rest", ask(&peers, "/a/b"));
    route(peers.server, "/a/*", "below");
    ck_assert_str_eq("below", ask(&peers, "/a/b"));
    route(peers.server, "/a/b", "exact");
    ck_assert_str_eq("exact", ask(&peers, "/a/b"));
    ck_assert_str_eq("below", ask(&peers, "/a/c"));
    ck_assert_str_eq("rest", ask(&peers, "/b"));
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(many_routes_may_be_added_while_it_runs)
{
    struct tp_test_peers peers;
    char uris[ROUTES_MANY][16];

    tp__test_peers_open(&peers, NULL);
    for (int i = 0; i < ROUTES_MANY; i++) {
        snprintf(uris[i], sizeof(uris[i]), i % 3 == 0 ? "/%d/*" : "/%d", i);
        route(peers.server, uris[i], uris[i]);
    }
    for (int i = 0; i < ROUTES_MANY; i++) {
        char uri[32];

        snprintf(uri, sizeof(uri), i % 3 == 0 ? "/%d/x" : "/%d", i);
        ck_assert_str_eq(uris[i], ask(&peers, uri));
    }
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(groups_stand_below_their_prefix)
{
    struct tp_test_peers peers;
    struct tp_group *group, *inner;

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK, tp_peer_group(peers.server, NULL, "/group", NULL, NULL, &group));
    ck_assert_int_eq(TP_OK, tp_peer_group(peers.server, group, "/home", NULL, NULL, &inner));
    ck_assert_int_eq(TP_OK, tp_group_on_pull(inner, "/test", answer, "test"));
    ck_assert_int_eq(TP_OK, tp_group_on_pull(inner, "*", answer, "rest of home"));
    ck_assert_int_eq(TP_OK, tp_group_on_pull(group, "/x/*", answer, "below x"));
    ck_assert_int_eq(TP_EXISTS, tp_peer_on_pull(peers.server, "/group/x/*", answer, "other"));
    ck_assert_str_eq("test", ask(&peers, "/group/home/test"));
    ck_assert_str_eq("rest of home", ask(&peers, "/group/home/other"));
    ck_assert_str_eq("below x", ask(&peers, "/group/x/y"));
    ck_assert_str_eq("404", ask(&peers, "/group/other"));
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(pulls_and_pushes_have_routes_of_their_own)
{
    struct tp_test_peers peers;
    struct tp_group *group;
    unsigned pushed = 0;

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(TP_OK, tp_peer_group(peers.server, NULL, "/g", NULL, NULL, &group));
    ck_assert_int_eq(TP_OK, tp_peer_on_push(peers.server, "/x", tp__test_count, &pushed));
    ck_assert_int_eq(TP_OK, tp_group_on_push(group, "/x", tp__test_count, &pushed));
    ck_assert_str_eq("404", ask(&peers, "/x"));
    route(peers.server, "/x", "x");
    ck_assert_str_eq("x", ask(&peers, "/x"));
    ck_assert_uint_eq(0, pushed);
    ck_assert_int_eq(TP_OK, tp_session_push(peers.session, TP_STR("/x?q"), TP_STR(""), NULL));
    ck_assert_int_eq(TP_OK, tp_session_push(peers.session, TP_STR("/g/x"), TP_STR(""), NULL));
    tp__test_peers_turn_until(&peers, &pushed, 2);
    tp__test_peers_close(&peers);
}
END_TEST

static const char *const bad_uris[] = { "", "x", "/a*", "/a/*/b", "**", "/a/**" };
static const char *const bad_prefixes[] = { "", "/", "x", "/x/", "/x/*", "*" };

START_TEST(what_cannot_be_routed_is_refused_with_words)
{
    struct tp_test_peers peers;
    struct tp_group *group;

    tp__test_peers_open(&peers, NULL);
    for (size_t i = 0; i < TP_COUNT_OF(bad_uris); i++) {
        ck_assert_int_eq(TP_INVALID, tp_peer_on_pull(peers.server, bad_uris[i], answer, "x"));
        ck_assert_ptr_nonnull(strstr(tp_peer_last_error(peers.server), "a path such as"));
    }
    for (size_t i = 0; i < TP_COUNT_OF(bad_prefixes); i++) {
        ck_assert_int_eq(TP_INVALID,
                         tp_peer_group(peers.server, NULL, bad_prefixes[i], NULL, NULL, &group));
        ck_assert_ptr_null(group);
    }
    route(peers.server, "/a", "a");
    ck_assert_int_eq(TP_EXISTS, tp_peer_on_pull(peers.server, "/a", answer, "b"));
    ck_assert_str_eq("route \"/a\": it has a handler already", tp_peer_last_error(peers.server));
    ck_assert_str_eq("a", ask(&peers, "/a"));
    tp__test_peers_close(&peers);
}
END_TEST

Suite *
tp_suite_peer_routes(void)
{
    Suite *suite = suite_create("peer/routes");
    TCase *tests = tcase_create("routes");

    tcase_add_test(tests, exact_beats_the_longest_prefix_beats_the_rest);
    tcase_add_test(tests, many_routes_may_be_added_while_it_runs);
    tcase_add_test(tests, groups_stand_below_their_prefix);
    tcase_add_test(tests, pulls_and_pushes_have_routes_of_their_own);
    tcase_add_test(tests, what_cannot_be_routed_is_refused_with_words);
    suite_add_tcase(suite, tests);
    return suite;
}
