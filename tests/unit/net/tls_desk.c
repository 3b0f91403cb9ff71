/*
 * tls_desk.c - tests of net/tls: which connections keep OpenSSL's buffers, and how long.
 */
#include "net/tls.h"

#include "base/str.h"
#include "bytes_fixture.h"
#include "tls_fixture.h"

#include <check.h>
#include <openssl/err.h>

enum {
    WHOLE = 64 * 1024,
    MANY = 20, /* records each way: more than who only says hello sends */
};

/* Two ends that have shaken hands. */
struct talk {
    struct tp_tls_context *server;
    struct tp_tls_context *client;
    struct tp_test_ends ends;
};

Suite *tp_suite_net_tls_desk(void);

static void
talk_open(struct talk *talk)
{
    static const struct tp_test_wish wish = { .subject = "server" };
    static struct tp_test_pair texts;

    tp__test_pair_make(&texts, &wish);
    struct tp_tls_pair pair = tp__test_pair_texts(&texts);

    ck_assert_int_eq(TP_OK, tp__tls_context_create(&(struct tp_tls_options){ .role = TP_TLS_ACCEPTS,
                                                                             .pairs = &pair,
                                                                             .pair_count = 1 },
                                                   &talk->server));
    ck_assert_int_eq(TP_OK, tp__tls_context_create(&(struct tp_tls_options){ .role = TP_TLS_DIALS },
                                                   &talk->client));
    tp__test_ends_open(&talk->ends, talk->server, talk->client, NULL);
    tp__test_ends_settle(&talk->ends, WHOLE);
    ck_assert_int_eq(TP_TLS_OPEN, tp__tls_state(talk->ends.server.tls));
}

static void
talk_close(struct talk *talk)
{
    tp__test_ends_close(&talk->ends);
    tp__tls_context_release(&talk->server);
    tp__tls_context_release(&talk->client);
}

/* So many records from the client to the server, which come as they left. */
static void
talk_send(struct talk *talk, size_t count)
{
    struct tp_test_end *server = &talk->ends.server;

    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(TP_OK, tp__test_end_send(&talk->ends.client, "record", 6));
        tp__test_end_deliver(&talk->ends.client, server, WHOLE);
        tp__test_chain_assert(&server->plain, "record", 6);
        tp_chain_clear(&server->plain);
    }
}

START_TEST(who_is_busy_keeps_buffers_until_it_is_silent)
{
    struct talk talk;
    struct tp_tls_desk *desk = &talk.ends.desk;

    talk_open(&talk);
    talk_send(&talk, 1);
    ck_assert_uint_eq(0, desk->busy_count);
    talk_send(&talk, MANY);
    ck_assert_uint_eq(2, desk->busy_count);
    tp__tls_desk_rest(desk);
    ck_assert_uint_eq(2, desk->busy_count);
    talk_send(&talk, 1);
    tp__tls_desk_rest(desk);
    ck_assert_uint_eq(2, desk->busy_count);
    tp__tls_desk_rest(desk);
    ck_assert_uint_eq(0, desk->busy_count);
    talk_send(&talk, 1);
    ck_assert_uint_eq(0, desk->busy_count);
    talk_send(&talk, MANY);
    ck_assert_uint_eq(2, desk->busy_count);
    talk_close(&talk);
}
END_TEST

START_TEST(who_ends_is_busy_no_more)
{
    struct talk talk;
    struct tp_tls_desk *desk = &talk.ends.desk;

    talk_open(&talk);
    talk_send(&talk, MANY);
    ck_assert_uint_eq(2, desk->busy_count);
    tp__tls_free(&talk.ends.client.tls);
    ck_assert_uint_eq(1, desk->busy_count);
    ck_assert_ptr_eq(talk.ends.server.tls, desk->busy[0]);
    tp__tls_free(&talk.ends.server.tls);
    ck_assert_uint_eq(0, desk->busy_count);
    talk_close(&talk);
}
END_TEST

START_TEST(who_finds_no_place_goes_without)
{
    struct talk talk;
    struct tp_tls_desk *desk = &talk.ends.desk;

    talk_open(&talk);
    desk->busy_count = TP_TLS_BUSY_MAX;
    talk_send(&talk, MANY);
    ck_assert_uint_eq(TP_TLS_BUSY_MAX, desk->busy_count);
    ck_assert_ptr_null(desk->busy);
    desk->busy_count = 0;
    talk_send(&talk, MANY);
    ck_assert_uint_eq(2, desk->busy_count);
    talk_close(&talk);
}
END_TEST

/* A program that uses OpenSSL, too, does not always look at what it has said. */
START_TEST(what_others_left_in_the_queue_is_no_failure)
{
    struct talk talk;
    struct tp_test_end *server = &talk.ends.server;

    talk_open(&talk);
    for (size_t i = 0; i < MANY; i++) {
        ERR_raise(ERR_LIB_USER, ERR_R_PASSED_NULL_PARAMETER);
        talk_send(&talk, 1);
    }
    ERR_raise(ERR_LIB_USER, ERR_R_PASSED_NULL_PARAMETER);
    tp__tls_say_end(talk.ends.client.tls, &talk.ends.client.wire.sink);
    ERR_raise(ERR_LIB_USER, ERR_R_PASSED_NULL_PARAMETER);
    tp__test_end_deliver(&talk.ends.client, server, WHOLE);
    ck_assert_int_eq(TP_GONE, server->result);
    talk_close(&talk);
}
END_TEST

Suite *
tp_suite_net_tls_desk(void)
{
    Suite *suite = suite_create("net/tls_desk");
    TCase *tests = tcase_create("busy and silent");

    tcase_add_test(tests, who_is_busy_keeps_buffers_until_it_is_silent);
    tcase_add_test(tests, who_ends_is_busy_no_more);
    tcase_add_test(tests, who_finds_no_place_goes_without);
    tcase_add_test(tests, what_others_left_in_the_queue_is_no_failure);
    suite_add_tcase(suite, tests);
    return suite;
}
