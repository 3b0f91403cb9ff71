/*
 * heartbeat.c - tests of the module heartbeat in programs with the library: who beats, who makes
 * way for a program's route, what cannot be; and that what it keeps of sessions can move.
 */
#include <teleport/module.h>
#include <teleport/teleport.h>

#include "base/buf_pool.h"
#include "base/clock.h"

#include "peer_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    INTERVAL_MS = 100,
    WATCHED_MS = 600,
    SAVED_BYTES = 18,
    SAVED_THEIRS_AT = 10, /* the last of its bytes is 7 behind */
};

extern const struct tp_module tp_module_heartbeat;

Suite *tp_suite_heartbeat_heartbeat(void);

static void
watch(const struct tp_test_peers *peers)
{
    int64_t end_ms = tp__clock_monotonic_ms() + WATCHED_MS;

    while (tp__clock_monotonic_ms() < end_ms) {
        tp__test_peers_turn(peers);
    }
}

START_TEST(both_ends_may_beat_and_both_answer)
{
    struct tp_peer_options options = tp__test_quiet_options();
    struct tp_test_peers peers;

    options.heartbeat.interval.ms = INTERVAL_MS;
    options.redials_never = true;
    tp__test_peers_open(&peers, &options);
    struct tp_session *accepted = tp__test_peers_accepted(&peers);

    ck_assert_int_eq(0, tp_session_rtt_us(peers.session));
    watch(&peers);
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(peers.session));
    ck_assert_int_gt(tp_session_rtt_us(peers.session) + tp_session_rtt_us(accepted), 0);
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(a_program_has_the_route_if_it_wants_it)
{
    struct tp_test_peers peers;
    struct tp_test_reply reply;
    unsigned count = 0;

    tp__test_peers_open(&peers, NULL);
    ck_assert_int_eq(200, tp__test_pull(&peers, peers.session, "/heartbeat?hb_=30", &reply));
    ck_assert_int_eq(400, tp__test_pull(&peers, peers.session, "/heartbeat?hb_=x", &reply));
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peers.server, "/heartbeat", tp__test_echo, NULL));
    ck_assert_int_eq(TP_EXISTS, tp_peer_on_pull(peers.server, "/heartbeat", tp__test_echo, NULL));
    ck_assert_int_eq(200, tp__test_pull(&peers, peers.session, "/heartbeat?hb_=x", &reply));
    ck_assert_int_eq(TP_OK, tp_peer_on_push(peers.server, "/heartbeat", tp__test_count, &count));
    ck_assert_int_eq(TP_OK, tp_session_push(peers.session, TP_STR("/heartbeat"), TP_STR(""), NULL));
    tp__test_peers_turn_until(&peers, &count, 1);
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(off_is_nothing)
{
    struct tp_peer_options options = tp__test_quiet_options();
    struct tp_test_peers peers;
    struct tp_test_reply reply;

    options.heartbeat.interval.ms = -1;
    tp__test_peers_open(&peers, &options);
    ck_assert_int_eq(404, tp__test_pull(&peers, peers.session, "/heartbeat?hb_=30", &reply));
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    static const struct tp_heartbeat wrong[] = {
        { .interval = { 99 } },
        { .interval = { -2 } },
        { .interval = { INT64_C(2) * 24 * 60 * 60 * 1000 } },
        { .interval = { 1000 }, .timeout = { 1000 } },
        { .timeout = { 1000 } },
        { .interval = { 1000 }, .mode = 2 },
    };

    for (size_t i = 0; i < TP_COUNT_OF(wrong); i++) {
        struct tp_peer_options options = tp__test_quiet_options();
        struct tp_peer *peer;

        options.heartbeat = wrong[i];
        ck_assert_int_eq(TP_INVALID, tp_peer_create(&options, &peer));
        ck_assert_ptr_null(peer);
    }
}
END_TEST

START_TEST(what_is_kept_moves)
{
    const struct tp_session_keeping *keeping = &tp_module_heartbeat.session;
    void *data = calloc(1, keeping->size);
    struct tp_buf_pool pool;
    struct tp_chain saved = { 0 };
    uint8_t bytes[SAVED_BYTES] = { 1, 1 };
    uint8_t copy[SAVED_BYTES];

    tp__buf_pool_init(&pool, (struct tp_size){ 1 << 20 }, 1);
    bytes[SAVED_THEIRS_AT - 1] = 77;
    bytes[SAVED_THEIRS_AT + 7] = 200;
    ck_assert_int_eq(TP_OK,
                     keeping->restore(data, (struct tp_str){ (char *) bytes, sizeof(bytes) }));
    ck_assert_int_eq(TP_OK, keeping->save(data, &pool, &saved));
    ck_assert_uint_eq(sizeof(bytes), saved.len);
    tp_chain_copy(&saved, 0, saved.len, copy);
    ck_assert_mem_eq(bytes, copy, sizeof(bytes));
    for (size_t len = 0; len < sizeof(bytes); len++) {
        ck_assert_int_eq(TP_INVALID,
                         keeping->restore(data, (struct tp_str){ (char *) bytes, len }));
    }
    bytes[SAVED_THEIRS_AT] = 0x80;
    ck_assert_int_eq(TP_INVALID,
                     keeping->restore(data, (struct tp_str){ (char *) bytes, sizeof(bytes) }));
    tp_chain_clear(&saved);
    tp__buf_pool_fini(&pool);
    free(data);
}
END_TEST

Suite *
tp_suite_heartbeat_heartbeat(void)
{
    Suite *suite = suite_create("heartbeat/heartbeat");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, both_ends_may_beat_and_both_answer);
    tcase_add_test(tests, a_program_has_the_route_if_it_wants_it);
    tcase_add_test(tests, off_is_nothing);
    tcase_add_test(tests, what_cannot_be_is_refused);
    tcase_add_test(tests, what_is_kept_moves);
    suite_add_tcase(suite, tests);
    return suite;
}
