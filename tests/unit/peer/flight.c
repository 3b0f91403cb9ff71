/*
 * flight.c - tests of the library with ten thousand PULLs in flight on one session, in both
 * directions at once, answered in random order.
 */
#include <teleport/teleport.h>

#include "peer_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IN_FLIGHT = 10 * 1000,
    NUMBER_MAX = 16,
};

struct end;

/* A PULL of one end: which one it is, and what has come of it. */
struct flight {
    struct end *end;
    unsigned number;
    unsigned answered;
};

/* One end: what it has asked, and what it was asked and has not answered yet. */
struct end {
    struct tp_session *session;
    struct flight *flights;
    struct tp_exchange **kept;
    unsigned kept_count;
    unsigned answered_count;
};

Suite *tp_suite_peer_flight(void);

static void
keep(struct tp_exchange *exchange, void *owner)
{
    struct end *end = owner;

    ck_assert_uint_lt(end->kept_count, IN_FLIGHT);
    end->kept[end->kept_count++] = exchange;
    tp_exchange_keep(exchange);
}

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct flight *flight = owner;
    struct tp_str body = tp_reply_body(reply);
    char expected[NUMBER_MAX];

    snprintf(expected, sizeof(expected), "%u", flight->number);
    ck_assert_int_eq(200, tp_reply_status(reply)->code);
    ck_assert_uint_eq(strlen(expected), body.len);
    ck_assert_mem_eq(expected, body.data, body.len);
    flight->answered++;
    flight->end->answered_count++;
}

static void
end_open(struct end *end, struct tp_peer *peer, struct tp_session *session)
{
    *end = (struct end){ .session = session };
    end->flights = calloc(IN_FLIGHT, sizeof(*end->flights));
    end->kept = calloc(IN_FLIGHT, sizeof(struct tp_exchange *));
    ck_assert(end->flights != NULL && end->kept != NULL);
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peer, "/keep", keep, end));
}

static void
end_ask_all(struct end *end)
{
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        char body[NUMBER_MAX];
        int len = snprintf(body, sizeof(body), "%u", i);

        end->flights[i] = (struct flight){ .end = end, .number = i };
        ck_assert_int_eq(TP_OK, tp_session_pull_async(end->session, TP_STR("/keep"),
                                                      (struct tp_str){ body, (size_t) len }, NULL,
                                                      on_reply, &end->flights[i]));
    }
}

/* In random order, the same in each run. */
static void
end_answer_all(struct end *end)
{
    unsigned seed = 1;

    ck_assert_uint_eq(IN_FLIGHT, end->kept_count);
    for (unsigned left = IN_FLIGHT; left > 0; left--) {
        unsigned chosen;

        seed = seed * 1103515245 + 12345;
        chosen = (seed >> 8) % left;
        ck_assert_int_eq(TP_OK, tp_exchange_echo(end->kept[chosen]));
        end->kept[chosen] = end->kept[left - 1];
    }
}

static void
end_close(struct end *end)
{
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        ck_assert_uint_eq(1, end->flights[i].answered);
    }
    free(end->flights);
    free(end->kept);
}

START_TEST(ten_thousand_in_both_directions_are_answered_in_any_order)
{
    struct tp_peer_options options = tp__test_quiet_options();
    struct tp_test_peers peers;
    struct end client, server;

    options.max_pending_pulls = IN_FLIGHT;
    options.send_queue.bytes = 64 << 20;
    tp__test_peers_open(&peers, &options);
    end_open(&client, peers.client, peers.session);
    end_open(&server, peers.server, tp__test_peers_accepted(&peers));
    end_ask_all(&client);
    end_ask_all(&server);
    tp__test_peers_turn_until(&peers, &client.kept_count, IN_FLIGHT);
    tp__test_peers_turn_until(&peers, &server.kept_count, IN_FLIGHT);
    ck_assert_uint_eq(0, client.answered_count + server.answered_count);
    end_answer_all(&client);
    end_answer_all(&server);
    tp__test_peers_turn_until(&peers, &client.answered_count, IN_FLIGHT);
    tp__test_peers_turn_until(&peers, &server.answered_count, IN_FLIGHT);
    end_close(&client);
    end_close(&server);
    tp__test_peers_close(&peers);
}
END_TEST

/* Kept exchanges outlive the session; who answers then is told so. */
START_TEST(what_was_kept_may_be_answered_when_its_session_is_gone)
{
    struct tp_test_peers peers;
    struct end server;
    struct tp_test_reply reply = { .count = 0 };

    tp__test_peers_open(&peers, NULL);
    end_open(&server, peers.server, tp__test_peers_accepted(&peers));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(TP_OK, tp_session_pull_async(peers.session, TP_STR("/keep"), TP_STR(""),
                                                      NULL, tp__test_on_reply, &reply));
    }
    tp__test_peers_turn_until(&peers, &server.kept_count, 2);
    tp_peer_close_all(peers.server);
    ck_assert_uint_eq(0, tp_peer_session_count(peers.server));
    tp__test_peers_turn_until(&peers, &reply.count, 2);
    ck_assert_int_eq(101, reply.code);
    ck_assert_ptr_null(tp_exchange_session(server.kept[0]));
    ck_assert_int_eq(TP_GONE, tp_exchange_echo(server.kept[0]));
    /* The other one is never answered: the peer frees it. */
    tp__test_peers_close(&peers);
    free(server.flights);
    free(server.kept);
}
END_TEST

Suite *
tp_suite_peer_flight(void)
{
    Suite *suite = suite_create("peer/flight");
    TCase *tests = tcase_create("flight");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, ten_thousand_in_both_directions_are_answered_in_any_order);
    tcase_add_test(tests, what_was_kept_may_be_answered_when_its_session_is_gone);
    suite_add_tcase(suite, tests);
    return suite;
}
