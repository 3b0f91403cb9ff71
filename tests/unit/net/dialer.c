/*
 * dialer.c - tests of net/dialer on loopback addresses and Unix sockets.
 */
#include "net/dialer.h"

#include "base/str.h"
#include "os/file.h"

#include "scratch.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
    TIMEOUT_MS = 20 * 1000,
    TURN_WAIT_MS = 50,
    TARGET_MAX = 256,
};

static const struct tp_listen_options plain_listener = { .backlog = 8 };
static const struct tp_pool_options small_pool = { .threads_max = 1,
                                                   .queue_max = 1,
                                                   .idle_ms = 10 };

struct fixture {
    struct tp_loop *loop;
    struct tp_pool *pool;
    struct tp_dialer dialer;
    unsigned end_count;
    enum tp_result result;
    int error;
    int fd;
    struct tp_address remote;
    const char *next_target; /* dialed from within on_end */
};

Suite *tp_suite_net_dialer(void);

static void
on_end(struct tp_dialer *dialer, enum tp_result result, int fd, const struct tp_address *remote)
{
    struct fixture *fixture = TP_CONTAINER_OF(dialer, struct fixture, dialer);
    const char *next = fixture->next_target;

    fixture->error = errno;
    fixture->end_count++;
    fixture->result = result;
    fixture->fd = fd;
    fixture->remote = *remote;
    if (next != NULL) {
        fixture->next_target = NULL;
        ck_assert_int_eq(TP_OK,
                         tp__dialer_start(dialer, tp__str(next), (struct tp_msec){ TIMEOUT_MS }));
    }
}

static void
fixture_open(struct fixture *fixture, bool has_pool)
{
    *fixture = (struct fixture){ .fd = -1 };
    ck_assert_int_eq(TP_OK, tp__loop_create(&fixture->loop));
    if (has_pool) {
        ck_assert_int_eq(TP_OK, tp__pool_create(fixture->loop, &small_pool, &fixture->pool));
    }
    tp__dialer_init(&fixture->dialer, fixture->loop, fixture->pool, on_end);
}

static void
fixture_close(struct fixture *fixture)
{
    tp__dialer_stop(&fixture->dialer);
    tp__descriptor_close(&fixture->fd);
    tp__pool_destroy(&fixture->pool);
    tp__loop_destroy(&fixture->loop);
}

static enum tp_result
start(struct fixture *fixture, const char *target, int64_t timeout_ms)
{
    return tp__dialer_start(&fixture->dialer, tp__str(target), (struct tp_msec){ timeout_ms });
}

static void
turn_until_ended(struct fixture *fixture, unsigned end_count)
{
    while (fixture->end_count < end_count) {
        tp__loop_turn(fixture->loop, TURN_WAIT_MS);
    }
}

/* Dials, and waits for the end. */
static enum tp_result
dial(struct fixture *fixture, const char *target, int64_t timeout_ms)
{
    ck_assert_int_eq(TP_OK, start(fixture, target, timeout_ms));
    ck_assert(tp__dialer_is_busy(&fixture->dialer));
    /* Nothing is told from within the call. */
    ck_assert_uint_eq(0, fixture->end_count);
    turn_until_ended(fixture, 1);
    ck_assert(!tp__dialer_is_busy(&fixture->dialer));
    fixture->end_count = 0;
    return fixture->result;
}

/* Listens on a port that the system chooses, and writes "HOST:PORT" to `target`. */
static int
listen_on(const char *ip, const char *host, char *target)
{
    struct tp_endpoint endpoint = { .path = TP_STR("") };
    int listener;

    ck_assert_int_eq(TP_OK, tp_address_parse_ip(tp__str(ip), &endpoint.address));
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &plain_listener, &listener));
    snprintf(target, TARGET_MAX, "%s:%u", host, tp__socket_local_address(listener).port);
    return listener;
}

/* What is written to one end arrives at the accepted one. */
static void
assert_connected(struct fixture *fixture, int listener)
{
    struct tp_address remote;
    int accepted;
    size_t count;
    char byte = 0;

    ck_assert_int_eq(TP_OK, tp__socket_accept(listener, &accepted, &remote));
    ck_assert_int_eq(TP_OK, tp__socket_write(fixture->fd, "x", 1, &count));
    while (tp__socket_read(accepted, &byte, 1, &count) == TP_AGAIN) {
    }
    ck_assert_int_eq('x', byte);
    tp__descriptor_close(&accepted);
    tp__descriptor_close(&fixture->fd);
}

START_TEST(connects_to_numeric_addresses_without_a_pool)
{
    struct fixture fixture;
    char target[TARGET_MAX];
    char text[TP_ADDRESS_TEXT_MAX];
    int listener = listen_on("127.0.0.1", "127.0.0.1", target);

    fixture_open(&fixture, false);
    ck_assert_int_eq(TP_OK, dial(&fixture, target, TIMEOUT_MS));
    ck_assert_str_eq(target, tp_address_format(&fixture.remote, text));
    assert_connected(&fixture, listener);
    ck_assert_int_eq(TP_OK, dial(&fixture, strchr(target, ':') + 1, TIMEOUT_MS));
    ck_assert_str_eq(target, tp_address_format(&fixture.remote, text));
    assert_connected(&fixture, listener);
    tp__descriptor_close(&listener);
    fixture_close(&fixture);
}
END_TEST

START_TEST(connects_to_ipv6)
{
    struct fixture fixture;
    char target[TARGET_MAX];
    int listener = listen_on("::1", "[::1]", target);

    fixture_open(&fixture, false);
    ck_assert_int_eq(TP_OK, dial(&fixture, target, TIMEOUT_MS));
    assert_connected(&fixture, listener);
    tp__descriptor_close(&listener);
    fixture_close(&fixture);
}
END_TEST

START_TEST(connects_to_a_unix_socket_and_waits_for_room_in_its_queue)
{
    const struct tp_listen_options narrow = { .backlog = 0 };
    struct tp_endpoint endpoint = { .address = { .family = TP_ADDRESS_UNIX } };
    struct tp_address remote;
    struct fixture fixture;
    struct tp_scratch scratch;
    char target[TARGET_MAX];
    int listener, first, accepted;

    tp__scratch_open(&scratch);
    snprintf(target, sizeof(target), "unix:%s", tp__scratch_path(&scratch, "socket"));
    endpoint.path = tp__str(target + 5);
    fixture_open(&fixture, false);
    ck_assert_int_eq(TP_NOT_FOUND, dial(&fixture, target, TIMEOUT_MS));
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &narrow, &listener));
    ck_assert_int_eq(TP_OK, dial(&fixture, target, TIMEOUT_MS));
    ck_assert_int_eq(TP_ADDRESS_UNIX, fixture.remote.family);
    first = fixture.fd;
    fixture.fd = -1;

    /* The queue holds one; the next has to wait, for ever or until that one is taken. */
    ck_assert_int_eq(TP_TIMED_OUT, dial(&fixture, target, 30));
    ck_assert_int_eq(TP_OK, start(&fixture, target, TIMEOUT_MS));
    tp__loop_turn(fixture.loop, 0);
    ck_assert_uint_eq(0, fixture.end_count);
    ck_assert_int_eq(TP_OK, tp__socket_accept(listener, &accepted, &remote));
    turn_until_ended(&fixture, 1);
    ck_assert_int_eq(TP_OK, fixture.result);
    tp__descriptor_close(&accepted);
    tp__descriptor_close(&first);
    assert_connected(&fixture, listener);
    tp__descriptor_close(&listener);
    fixture_close(&fixture);
    tp__scratch_close(&scratch);
}
END_TEST

START_TEST(nobody_there_is_gone_with_errno)
{
    struct fixture fixture;
    char target[TARGET_MAX];
    int listener = listen_on("127.0.0.1", "127.0.0.1", target);

    tp__descriptor_close(&listener);
    fixture_open(&fixture, false);
    ck_assert_int_eq(TP_GONE, dial(&fixture, target, TIMEOUT_MS));
    ck_assert_int_eq(ECONNREFUSED, fixture.error);
    ck_assert_int_eq(-1, fixture.fd);
    fixture_close(&fixture);
}
END_TEST

/* A port of the ephemeral range without a listener connects to itself once in a while. */
START_TEST(a_socket_that_meets_itself_is_gone)
{
    char target[TARGET_MAX];
    int listener = listen_on("127.0.0.1", "127.0.0.1", target);
    const struct tp_endpoint endpoint = {
        .address = tp__socket_local_address(listener),
        .path = TP_STR(""),
    };
    struct sockaddr_storage system;
    socklen_t system_len = tp__address_to_system(&endpoint.address, endpoint.path, &system);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    tp__descriptor_close(&listener);
    ck_assert_int_eq(0, bind(fd, (struct sockaddr *) &system, system_len));
    ck_assert_int_eq(0, connect(fd, (struct sockaddr *) &system, system_len));
    ck_assert_int_eq(TP_GONE, tp__socket_finish_connect(fd));
    tp__descriptor_close(&fd);
}
END_TEST

START_TEST(a_name_is_looked_up_and_all_its_addresses_are_tried)
{
    struct fixture fixture;
    char target[TARGET_MAX];
    int listener = listen_on("127.0.0.1", "localhost", target);

    fixture_open(&fixture, true);
    ck_assert_int_eq(TP_OK, dial(&fixture, target, TIMEOUT_MS));
    assert_connected(&fixture, listener);
    tp__descriptor_close(&listener);
    ck_assert_int_eq(TP_GONE, dial(&fixture, target, TIMEOUT_MS));
    fixture_close(&fixture);
}
END_TEST

START_TEST(an_unknown_name_is_not_found)
{
    struct fixture fixture;

    fixture_open(&fixture, true);
    ck_assert_int_eq(TP_NOT_FOUND, dial(&fixture, "two..dots:9090", TIMEOUT_MS));
    fixture_close(&fixture);

    fixture_open(&fixture, false);
    ck_assert_int_eq(TP_NOT_FOUND, dial(&fixture, "localhost:9090", TIMEOUT_MS));
    fixture_close(&fixture);
}
END_TEST

/* A queue of which nobody takes connections: the kernel lets the next one wait. */
START_TEST(silence_is_timed_out)
{
    const struct tp_listen_options narrow = { .backlog = 0 };
    struct tp_endpoint endpoint = { .path = TP_STR("") };
    struct fixture fixture;
    char target[TP_ADDRESS_TEXT_MAX];
    int listener, fds[2];

    ck_assert_int_eq(TP_OK, tp_address_parse_ip(TP_STR("127.0.0.1"), &endpoint.address));
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &narrow, &listener));

    struct tp_address address = tp__socket_local_address(listener);

    tp_address_format(&address, target);
    fixture_open(&fixture, false);
    for (size_t i = 0; i < TP_COUNT_OF(fds); i++) {
        fds[i] = -1;
        if (dial(&fixture, target, 200) == TP_OK) {
            fds[i] = fixture.fd;
            fixture.fd = -1;
        }
    }
    ck_assert_int_eq(TP_TIMED_OUT, dial(&fixture, target, 30));
    ck_assert_uint_eq(0, tp__loop_timer_count(fixture.loop));
    for (size_t i = 0; i < TP_COUNT_OF(fds); i++) {
        tp__descriptor_close(&fds[i]);
    }
    tp__descriptor_close(&listener);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_is_stopped_tells_nothing)
{
    struct fixture fixture;
    char target[TARGET_MAX];
    int listener = listen_on("127.0.0.1", "localhost", target);
    size_t before = tp__descriptor_count();

    fixture_open(&fixture, true);
    for (int turns = 0; turns < 3; turns++) {
        ck_assert_int_eq(TP_OK, start(&fixture, target, TIMEOUT_MS));
        for (int i = 0; i < turns; i++) {
            tp__loop_turn(fixture.loop, 1);
        }
        if (fixture.end_count == 0) {
            tp__dialer_stop(&fixture.dialer);
        }
        tp__descriptor_close(&fixture.fd);
        fixture.end_count = 0;
        ck_assert(!tp__dialer_is_busy(&fixture.dialer));
        ck_assert_uint_eq(0, tp__loop_timer_count(fixture.loop));
    }
    fixture_close(&fixture);
    ck_assert_uint_eq(before, tp__descriptor_count());
    tp__descriptor_close(&listener);
}
END_TEST

START_TEST(a_pool_that_ends_interrupts_look_ups)
{
    struct fixture fixture;

    fixture_open(&fixture, true);
    ck_assert_int_eq(TP_OK, start(&fixture, "localhost:1", TIMEOUT_MS));
    tp__pool_destroy(&fixture.pool);
    turn_until_ended(&fixture, 1);
    ck_assert(fixture.result == TP_INTERRUPTED || fixture.result == TP_GONE);
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_next_attempt_begins_where_the_last_one_ended)
{
    struct fixture fixture;
    char target[TARGET_MAX];
    char nowhere[TARGET_MAX];
    int listener = listen_on("127.0.0.1", "127.0.0.1", target);
    int closed = listen_on("127.0.0.1", "127.0.0.1", nowhere);

    tp__descriptor_close(&closed);
    fixture_open(&fixture, false);
    fixture.next_target = target;
    ck_assert_int_eq(TP_OK, start(&fixture, nowhere, TIMEOUT_MS));
    turn_until_ended(&fixture, 1);
    ck_assert_int_eq(TP_GONE, fixture.result);
    turn_until_ended(&fixture, 2);
    ck_assert_int_eq(TP_OK, fixture.result);
    tp__descriptor_close(&listener);
    fixture_close(&fixture);
}
END_TEST

static const char *const good_targets[] = {
    "9090", "127.0.0.1:1", "[::1]:65535", "unix:/run/x", "localhost:9090", "a-b.example.org:80",
    "my_host:80",
};

static const char *const bad_targets[] = {
    "",        ":9090",       "*:9090",      "host",      "host:",       "host:0",
    "host:65536", "host:x",   "[::1]",       "::1:90",    "[host]:90",   "unix:",
    "1.2.3:90", "1.2.3.4.5:90", "a b:90",    "a/b:90",    "[fe80::1%lo]:90", "99999",
};

START_TEST(says_what_can_be_dialed)
{
    struct fixture fixture;

    fixture_open(&fixture, false);
    for (size_t i = 0; i < TP_COUNT_OF(good_targets); i++) {
        ck_assert_msg(tp__dialer_check(tp__str(good_targets[i])) == NULL, "%s", good_targets[i]);
    }
    for (size_t i = 0; i < TP_COUNT_OF(bad_targets); i++) {
        ck_assert_msg(tp__dialer_check(tp__str(bad_targets[i])) != NULL, "%s", bad_targets[i]);
        ck_assert_int_eq(TP_INVALID, start(&fixture, bad_targets[i], TIMEOUT_MS));
        ck_assert(!tp__dialer_is_busy(&fixture.dialer));
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(names_whom_it_dials)
{
    static const struct {
        const char *target;
        const char *host;
    } rows[] = {
        { "gateway.example:9090", "gateway.example" },
        { "10.0.0.7:1", "10.0.0.7" },
        { "[::1]:9090", "::1" },
        { "9090", "localhost" },
        { "unix:/run/x", "" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        ck_assert(tp__str_equal(tp__str(rows[i].host), tp__dialer_host(tp__str(rows[i].target))));
    }
}
END_TEST

Suite *
tp_suite_net_dialer(void)
{
    Suite *suite = suite_create("net/dialer");
    TCase *dials = tcase_create("dials");

    tcase_add_test(dials, connects_to_numeric_addresses_without_a_pool);
    tcase_add_test(dials, names_whom_it_dials);
    tcase_add_test(dials, connects_to_ipv6);
    tcase_add_test(dials, connects_to_a_unix_socket_and_waits_for_room_in_its_queue);
    tcase_add_test(dials, nobody_there_is_gone_with_errno);
    tcase_add_test(dials, a_socket_that_meets_itself_is_gone);
    tcase_add_test(dials, a_name_is_looked_up_and_all_its_addresses_are_tried);
    tcase_add_test(dials, an_unknown_name_is_not_found);
    tcase_add_test(dials, silence_is_timed_out);
    tcase_add_test(dials, what_is_stopped_tells_nothing);
    tcase_add_test(dials, a_pool_that_ends_interrupts_look_ups);
    tcase_add_test(dials, the_next_attempt_begins_where_the_last_one_ended);
    tcase_add_test(dials, says_what_can_be_dialed);
    suite_add_tcase(suite, dials);
    return suite;
}
