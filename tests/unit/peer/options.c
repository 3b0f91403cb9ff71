/*
 * options.c - tests of peer/options: presets, bounds, and structs of other versions.
 */
#include <teleport/teleport.h>

#include "base/str.h"
#include "peer/peer.h"

#include "peer_fixture.h"

#include <check.h>
#include <stdio.h>

enum {
    LINE_MAX_BYTES = 256,
};

Suite *tp_suite_peer_options(void);

START_TEST(what_is_not_said_is_a_preset)
{
    const struct tp_peer_options given = TP_PEER_OPTIONS;
    struct tp_peer_options complete;

    ck_assert_ptr_null(tp__peer_options_complete(&given, &complete));
    ck_assert_int_eq('p', complete.header_codec);
    ck_assert_int_eq('j', complete.body_codec);
    ck_assert_int_eq(0, complete.gzip_level);
    ck_assert_uint_eq(256, complete.gzip_min.bytes);
    ck_assert_uint_eq(1 << 20, complete.packet_limit.bytes);
    ck_assert_uint_eq(1 << 20, complete.send_queue.bytes);
    ck_assert_int_eq(16384, complete.max_sessions);
    ck_assert_int_eq(60000, complete.pull_timeout.ms);
    ck_assert_int_eq(10000, complete.dial_timeout.ms);
    ck_assert_int_eq(100, complete.redial.first.ms);
    ck_assert_int_eq(30000, complete.redial.max.ms);
    ck_assert_int_eq(-1, complete.redial.times);
    ck_assert_int_eq(TP_ID_CLOSE_OLD, complete.id_conflict);
}
END_TEST

START_TEST(what_is_said_stays)
{
    struct tp_peer_options given = TP_PEER_OPTIONS;
    struct tp_peer_options complete;

    given.header_codec = 'j';
    given.body_codec = 's';
    given.gzip_level = -2;
    given.packet_limit.bytes = 4096;
    given.pull_timeout.ms = -1;
    given.redial = (struct tp_redial){ .max = { 500 }, .times = 3 };
    given.id_conflict = TP_ID_REFUSE_NEW;
    given.owner = &given;
    ck_assert_ptr_null(tp__peer_options_complete(&given, &complete));
    ck_assert_int_eq('j', complete.header_codec);
    ck_assert_int_eq('s', complete.body_codec);
    ck_assert_int_eq(-2, complete.gzip_level);
    ck_assert_uint_eq(4096, complete.packet_limit.bytes);
    ck_assert_int_eq(-1, complete.pull_timeout.ms);
    ck_assert_int_eq(100, complete.redial.first.ms);
    ck_assert_int_eq(500, complete.redial.max.ms);
    ck_assert_int_eq(3, complete.redial.times);
    ck_assert_int_eq(TP_ID_REFUSE_NEW, complete.id_conflict);
    ck_assert_ptr_eq(&given, complete.owner);
    given.redials_never = true;
    ck_assert_ptr_null(tp__peer_options_complete(&given, &complete));
    ck_assert_int_eq(0, complete.redial.times);
}
END_TEST

START_TEST(an_option_that_cannot_be_is_named)
{
    const struct tp_peer_options none = TP_PEER_OPTIONS;
    struct tp_peer_options given;
    struct tp_peer_options complete;

#define WRONG(member, value)                                                        \
    do {                                                                            \
        given = none;                                                               \
        given.member = (value);                                                     \
        ck_assert_str_eq(#member, tp__peer_options_complete(&given, &complete));    \
    } while (0)

    given = none;
    given.packet_limit.bytes = 63;
    ck_assert_str_eq("packet_limit", tp__peer_options_complete(&given, &complete));
    given.packet_limit.bytes = (256u << 20) + 1;
    ck_assert_str_eq("packet_limit", tp__peer_options_complete(&given, &complete));
    given = none;
    given.write_timeout.ms = -2;
    ck_assert_str_eq("write_timeout", tp__peer_options_complete(&given, &complete));
    given = none;
    given.dial_timeout.ms = -1;
    ck_assert_str_eq("dial_timeout", tp__peer_options_complete(&given, &complete));
    given = none;
    given.redial.times = -2;
    ck_assert_str_eq("redial.times", tp__peer_options_complete(&given, &complete));
    WRONG(max_sessions, -1);
    WRONG(max_sent_pulls, -7);
    WRONG(header_codec, 's');
    WRONG(gzip_level, 10);
    WRONG(gzip_level, -3);
    WRONG(id_conflict, (enum tp_id_conflict) 2);
#undef WRONG
}
END_TEST

/* A program of an older header has a shorter struct; one of a newer a longer one. */
START_TEST(structs_of_other_versions_are_understood)
{
    struct {
        struct tp_peer_options known;
        uint64_t unknown;
    } newer = { .known = TP_PEER_OPTIONS };
    struct tp_peer_options complete;

    newer.known.owner = &newer;
    newer.known.size = offsetof(struct tp_peer_options, owner);
    ck_assert_ptr_null(tp__peer_options_complete(&newer.known, &complete));
    ck_assert_ptr_null(complete.owner);

    newer.known.size = sizeof(newer);
    ck_assert_ptr_null(tp__peer_options_complete(&newer.known, &complete));
    ck_assert_ptr_eq(&newer, complete.owner);
    newer.unknown = 1;
    ck_assert_str_eq("size", tp__peer_options_complete(&newer.known, &complete));
    newer.known.size = 0;
    ck_assert_str_eq("size", tp__peer_options_complete(&newer.known, &complete));
}
END_TEST

static char last_line[LINE_MAX_BYTES];

static void
line_write(struct tp_log_sink *sink, const char *line, size_t len)
{
    (void) sink;
    snprintf(last_line, sizeof(last_line), "%.*s", (int) len, line);
}

static int
line_get_process_id(void)
{
    return 1;
}

START_TEST(the_log_says_which_option_it_was)
{
    struct tp_log_sink sink = { .write = line_write, .get_process_id = line_get_process_id };
    const struct tp_log log = { .sink = &sink, .level = TP_LOG_WARN };
    struct tp_peer_options options = TP_PEER_OPTIONS;
    struct tp_peer *peer;

    options.log = &log;
    options.gzip_level = 11;
    ck_assert_int_eq(TP_INVALID, tp_peer_create(&options, &peer));
    ck_assert_ptr_null(peer);
    ck_assert_msg(strstr(last_line, "peer-option-wrong: option=gzip_level") != NULL, "%s",
                  last_line);
}
END_TEST

START_TEST(options_of_a_dial_beat_those_of_the_peer)
{
    struct tp_dial_options dial = TP_DIAL_OPTIONS;
    struct tp_test_peers peers;
    struct tp_session *session;

    tp__test_peers_open(&peers, NULL);
    dial.redial.times = -2;
    ck_assert_int_eq(TP_INVALID, tp_peer_dial(peers.client, peers.address, &dial, &session));
    dial.redial.times = 1;
    dial.timeout.ms = -1;
    ck_assert_int_eq(TP_INVALID, tp_peer_dial(peers.client, peers.address, &dial, &session));
    dial.timeout.ms = 1000;
    dial.redials_never = true;
    ck_assert_int_eq(TP_OK, tp_peer_dial(peers.client, "unix:/nobody/is/here", &dial, &session));

    struct tp_session_handle handle = tp_session_get_handle(session);

    while (tp_session_at(handle) != NULL) {
        tp_peer_turn(peers.client, 1);
    }
    tp__test_peers_close(&peers);
}
END_TEST

Suite *
tp_suite_peer_options(void)
{
    Suite *suite = suite_create("peer/options");
    TCase *tests = tcase_create("options");

    tcase_add_test(tests, what_is_not_said_is_a_preset);
    tcase_add_test(tests, what_is_said_stays);
    tcase_add_test(tests, an_option_that_cannot_be_is_named);
    tcase_add_test(tests, structs_of_other_versions_are_understood);
    tcase_add_test(tests, the_log_says_which_option_it_was);
    tcase_add_test(tests, options_of_a_dial_beat_those_of_the_peer);
    suite_add_tcase(suite, tests);
    return suite;
}
