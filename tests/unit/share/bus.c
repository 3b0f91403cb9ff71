/*
 * bus.c - tests of share/bus: messages between workers that come and go.
 *
 * A test plays the master: it makes the pairs of sockets and attaches their ends.
 * Two buses in one process serve where order of events matters, forked ones
 * where a peer must stand still or die.
 */
#include "share/bus.h"

#include "children.h"
#include "os/file.h"
#include "os/socket.h"

#include <stdlib.h>
#include <string.h>

enum {
    MESSAGE_MAX = 64 * 1024,
    QUEUE_MAX = 256 * 1024,
    ANSWERS_MAX = 1000,
    LINK_WAIT_MS = 20,
    TURN_WAIT_MS = 50,
    MESSAGE_COUNT = 10000,
    KIND = 9,
};

/* A worker with its bus, and what it was told. */
struct worker {
    struct tp_loop *loop;
    struct tp_bus *bus;
    unsigned slot;
    unsigned asked_count; /* calls of open_link */
    enum tp_result ask_result;
    unsigned received_count; /* messages, which carry 0, 1, 2 … in this order */
    unsigned gone_count;
    uint64_t dropped_count;
    bool answers_next; /* sends the next number back to where one came from */
};

Suite *tp_suite_share_bus(void);

static enum tp_result
send_number(struct worker *worker, unsigned to_slot, uint32_t number)
{
    struct tp_str bytes = { (const char *) &number, sizeof(number) };

    return tp__bus_send(worker->bus, to_slot, KIND, bytes);
}

static void
worker_on_message(void *owner, unsigned from_slot, uint16_t kind, struct tp_str bytes)
{
    struct worker *worker = owner;
    uint32_t number;

    TP_ASSERT(kind == KIND && bytes.len >= sizeof(number));
    memcpy(&number, bytes.data, sizeof(number));
    TP_ASSERT(number == worker->received_count);
    worker->received_count++;
    if (worker->answers_next) {
        TP_ASSERT(send_number(worker, from_slot, number + 1) == TP_OK);
    }
}

static enum tp_result
worker_open_link(void *owner, unsigned slot)
{
    struct worker *worker = owner;

    (void) slot;
    worker->asked_count++;
    return worker->ask_result;
}

static void
worker_on_gone(void *owner, unsigned slot, uint64_t dropped_count)
{
    struct worker *worker = owner;

    (void) slot;
    worker->gone_count++;
    worker->dropped_count += dropped_count;
}

static const struct tp_bus_callbacks worker_callbacks = {
    .on_message = worker_on_message,
    .open_link = worker_open_link,
    .on_gone = worker_on_gone,
};

static void
worker_open(struct worker *worker, unsigned slot, struct tp_loop *loop)
{
    struct tp_bus_options options = {
        .slot = slot,
        .message_bytes_max = MESSAGE_MAX,
        .queue_bytes_max = QUEUE_MAX,
        .answer_bytes_max = ANSWERS_MAX,
        .link_wait_max_ms = LINK_WAIT_MS,
    };

    *worker = (struct worker){ .slot = slot, .loop = loop };
    if (loop == NULL) {
        TP_ASSERT(tp__loop_create(&worker->loop) == TP_OK);
    }
    TP_ASSERT(tp__bus_create(worker->loop, &options, &worker_callbacks, worker, &worker->bus)
              == TP_OK);
}

static void
worker_close(struct worker *worker)
{
    tp__bus_destroy(&worker->bus);
}

/* As the master does: an end for each. */
static void
connect_workers(struct worker *left, struct worker *right)
{
    int ends[2];

    ck_assert_int_eq(TP_OK, tp__socket_pair(false, ends));
    ck_assert_int_eq(TP_OK, tp__bus_attach(left->bus, right->slot, ends[0]));
    ck_assert_int_eq(TP_OK, tp__bus_attach(right->bus, left->slot, ends[1]));
}

/* Turns the loop until *count is `wanted`; the test's time limit ends a vain wait. */
static void
turn_until(struct worker *worker, const unsigned *count, unsigned wanted)
{
    while (*count < wanted) {
        tp__loop_turn(worker->loop, TURN_WAIT_MS);
    }
    TP_ASSERT(*count == wanted);
}

START_TEST(what_a_turn_sends_leaves_with_one_write)
{
    struct worker left;
    struct worker right;

    worker_open(&left, 0, NULL);
    worker_open(&right, 1, left.loop);
    for (uint32_t i = 0; i < 100; i++) {
        ck_assert_int_eq(TP_OK, send_number(&left, 1, i));
    }
    ck_assert_uint_eq(1, left.asked_count);
    ck_assert_uint_gt(tp__bus_queued_bytes(left.bus, 1), 100 * sizeof(uint32_t));
    connect_workers(&left, &right);
    ck_assert_uint_eq(0, right.received_count);
    turn_until(&right, &right.received_count, 100);
    ck_assert_uint_eq(1, tp__bus_get_counters(left.bus)->writes);
    ck_assert_uint_eq(100, tp__bus_get_counters(left.bus)->sent);
    ck_assert_uint_eq(100, tp__bus_get_counters(right.bus)->received);
    ck_assert_uint_eq(0, tp__bus_queued_bytes(left.bus, 1));
    worker_close(&right);
    worker_close(&left);
    tp__loop_destroy(&left.loop);
}
END_TEST

START_TEST(ourselves_are_told_at_the_end_of_the_turn)
{
    struct worker worker;

    worker_open(&worker, 5, NULL);
    for (unsigned turn = 0; turn < 10; turn++) {
        ck_assert_int_eq(TP_OK, send_number(&worker, 5, 2 * turn));
        ck_assert_int_eq(TP_OK, send_number(&worker, 5, 2 * turn + 1));
        ck_assert_uint_eq(2 * turn, worker.received_count);
        tp__loop_turn(worker.loop, TURN_WAIT_MS);
        ck_assert_uint_eq(2 * turn + 2, worker.received_count);
    }
    ck_assert_uint_eq(0, worker.asked_count);
    worker_close(&worker);
    tp__loop_destroy(&worker.loop);
}
END_TEST

START_TEST(what_we_answer_ourselves_waits_for_the_next_turn)
{
    struct worker worker;

    worker_open(&worker, 5, NULL);
    worker.answers_next = true;
    ck_assert_int_eq(TP_OK, send_number(&worker, 5, 0));
    for (unsigned turn = 1; turn <= 10; turn++) {
        tp__loop_turn(worker.loop, TURN_WAIT_MS);
        ck_assert_uint_eq(turn, worker.received_count);
    }
    worker_close(&worker);
    tp__loop_destroy(&worker.loop);
}
END_TEST

START_TEST(both_may_ask_at_the_same_time)
{
    struct worker left;
    struct worker right;

    worker_open(&left, 0, NULL);
    worker_open(&right, 1, left.loop);
    ck_assert_int_eq(TP_OK, send_number(&left, 1, 0));
    ck_assert_int_eq(TP_OK, send_number(&right, 0, 0));
    ck_assert_uint_eq(1, left.asked_count);
    ck_assert_uint_eq(1, right.asked_count);
    /* The master answers both, each answer with a pair. */
    connect_workers(&left, &right);
    tp__loop_turn(left.loop, TURN_WAIT_MS);
    connect_workers(&left, &right);
    for (uint32_t i = 1; i < 1000; i++) {
        ck_assert_int_eq(TP_OK, send_number(&left, 1, i));
        ck_assert_int_eq(TP_OK, send_number(&right, 0, i));
        if (i % 10 == 0) {
            tp__loop_turn(left.loop, TURN_WAIT_MS);
        }
    }
    turn_until(&left, &left.received_count, 1000);
    turn_until(&right, &right.received_count, 1000);
    ck_assert_uint_eq(2, tp__bus_link_count(left.bus, 1));
    ck_assert_uint_eq(2, tp__bus_link_count(right.bus, 0));
    ck_assert_uint_eq(0, left.gone_count + right.gone_count);

    worker_close(&right);
    while (tp__bus_link_count(left.bus, 1) > 0) {
        tp__loop_turn(left.loop, TURN_WAIT_MS);
    }
    ck_assert_uint_ge(left.gone_count, 1);
    worker_close(&left);
    tp__loop_destroy(&left.loop);
}
END_TEST

START_TEST(a_socket_that_was_not_written_to_breaks_unnoticed)
{
    struct worker left;
    struct worker right;
    int ends[2];

    worker_open(&left, 0, NULL);
    worker_open(&right, 1, left.loop);
    connect_workers(&left, &right);
    ck_assert_int_eq(TP_OK, tp__socket_pair(false, ends));
    ck_assert_int_eq(TP_OK, tp__bus_attach(left.bus, 1, ends[0]));
    ck_assert_uint_eq(2, tp__bus_link_count(left.bus, 1));
    tp__descriptor_close(&ends[1]);
    ck_assert_int_eq(TP_OK, send_number(&left, 1, 0));
    while (tp__bus_link_count(left.bus, 1) > 1) {
        tp__loop_turn(left.loop, TURN_WAIT_MS);
    }
    turn_until(&right, &right.received_count, 1);
    ck_assert_uint_eq(0, left.gone_count);
    worker_close(&right);
    worker_close(&left);
    tp__loop_destroy(&left.loop);
}
END_TEST

START_TEST(a_successor_is_reached_by_its_own_socket)
{
    struct worker left;
    struct worker right;

    worker_open(&left, 0, NULL);
    worker_open(&right, 1, left.loop);
    connect_workers(&left, &right);
    ck_assert_int_eq(TP_OK, send_number(&left, 1, 0));
    turn_until(&right, &right.received_count, 1);
    /* It dies, and its successor's socket comes before we have noticed. */
    worker_close(&right);
    worker_open(&right, 1, left.loop);
    connect_workers(&left, &right);
    turn_until(&left, &left.gone_count, 1);
    ck_assert_uint_eq(1, tp__bus_link_count(left.bus, 1));
    ck_assert_int_eq(TP_OK, send_number(&left, 1, 0));
    turn_until(&right, &right.received_count, 1);
    ck_assert_uint_eq(0, left.asked_count);
    worker_close(&right);
    worker_close(&left);
    tp__loop_destroy(&left.loop);
}
END_TEST

START_TEST(who_cannot_be_reached_is_gone)
{
    struct worker worker;

    worker_open(&worker, 0, NULL);
    worker.ask_result = TP_GONE;
    ck_assert_int_eq(TP_GONE, send_number(&worker, 1, 0));
    ck_assert_uint_eq(0, tp__bus_queued_bytes(worker.bus, 1));
    worker.ask_result = TP_OK;
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(TP_OK, send_number(&worker, 1, i));
    }
    ck_assert_uint_eq(2, worker.asked_count);
    tp__bus_refuse(worker.bus, 1);
    ck_assert_uint_eq(0, worker.gone_count);
    turn_until(&worker, &worker.gone_count, 1);
    ck_assert_uint_eq(3, worker.dropped_count);
    /* No answer comes: the same, after a while. */
    ck_assert_int_eq(TP_OK, send_number(&worker, 1, 0));
    ck_assert_uint_eq(3, worker.asked_count);
    turn_until(&worker, &worker.gone_count, 2);
    ck_assert_uint_eq(4, worker.dropped_count);
    ck_assert_uint_eq(4, tp__bus_get_counters(worker.bus)->dropped);
    ck_assert_uint_eq(1, tp__bus_get_counters(worker.bus)->refused);
    tp__bus_refuse(worker.bus, 1);
    tp__bus_refuse(worker.bus, 2);
    tp__loop_turn(worker.loop, 0);
    ck_assert_uint_eq(2, worker.gone_count);
    worker_close(&worker);
    tp__loop_destroy(&worker.loop);
}
END_TEST

START_TEST(a_message_has_a_largest_size)
{
    static char bytes[MESSAGE_MAX + 1];
    struct worker left;
    struct worker right;

    worker_open(&left, 0, NULL);
    worker_open(&right, 1, left.loop);
    connect_workers(&left, &right);
    ck_assert_int_eq(TP_TOO_LARGE,
                     tp__bus_send(left.bus, 1, KIND, (struct tp_str){ bytes, MESSAGE_MAX + 1 }));
    ck_assert_int_eq(TP_OK, tp__bus_send(left.bus, 1, KIND, (struct tp_str){ bytes, MESSAGE_MAX }));

    turn_until(&right, &right.received_count, 1);
    worker_close(&right);
    worker_close(&left);
    tp__loop_destroy(&left.loop);
}
END_TEST

START_TEST(answers_have_room_where_nothing_else_has)
{
    static char bytes[MESSAGE_MAX];
    struct tp_str small = { bytes, 100 - TP_FRAME_HEADER_BYTES };
    struct tp_frame_pieces answer = { .kind = KIND, .pieces = &small, .count = 1 };
    struct worker worker;

    worker_open(&worker, 0, NULL);
    while (tp__bus_send(worker.bus, 1, KIND, (struct tp_str){ bytes, MESSAGE_MAX }) == TP_OK) {
    }
    while (tp__bus_send_pieces(worker.bus, 1, &answer) == TP_OK) {
    }
    for (int i = 0; i < ANSWERS_MAX / 100; i++) {
        ck_assert_int_eq(TP_OK, tp__bus_answer(worker.bus, 1, &answer));
    }
    ck_assert_uint_gt(tp__bus_queued_bytes(worker.bus, 1), QUEUE_MAX);
    while (tp__bus_answer(worker.bus, 1, &answer) == TP_OK) {
    }
    ck_assert_uint_le(tp__bus_queued_bytes(worker.bus, 1), QUEUE_MAX + ANSWERS_MAX);
    worker_close(&worker);
    tp__loop_destroy(&worker.loop);
}
END_TEST

START_TEST(nonsense_ends_the_link)
{
    struct worker worker;
    int ends[2];
    size_t count;

    worker_open(&worker, 0, NULL);
    ck_assert_int_eq(TP_OK, tp__socket_pair(false, ends));
    ck_assert_int_eq(TP_OK, tp__bus_attach(worker.bus, 1, ends[0]));
    ck_assert_int_eq(TP_OK,
                     tp__socket_write(ends[1], "\xff\xff\xff\xff\xff\xff\xff\xff", 8, &count));
    turn_until(&worker, &worker.gone_count, 1);
    ck_assert_uint_eq(1, tp__bus_get_counters(worker.bus)->malformed);
    ck_assert_uint_eq(0, tp__bus_link_count(worker.bus, 1));
    tp__descriptor_close(&ends[1]);
    worker_close(&worker);
    tp__loop_destroy(&worker.loop);
}
END_TEST

START_TEST(sockets_to_one_worker_have_a_bound)
{
    struct worker worker;
    int ends[10][2];
    enum tp_result result = TP_OK;
    size_t used = 0;

    worker_open(&worker, 0, NULL);
    while (result == TP_OK) {
        ck_assert_uint_lt(used, TP_COUNT_OF(ends));
        ck_assert_int_eq(TP_OK, tp__socket_pair(false, ends[used]));
        result = tp__bus_attach(worker.bus, 1, ends[used++][0]);
    }
    ck_assert_int_eq(TP_FULL, result);
    ck_assert_uint_eq(used - 1, tp__bus_link_count(worker.bus, 1));
    worker_close(&worker);
    while (used > 0) {
        char byte;
        size_t count = 1;

        /* Every socket was closed, the refused one included. */
        used--;
        ck_assert_int_eq(TP_OK, tp__socket_read(ends[used][1], &byte, 1, &count));
        ck_assert_uint_eq(0, count);
        tp__descriptor_close(&ends[used][1]);
    }
    tp__loop_destroy(&worker.loop);
}
END_TEST

/* Sends all numbers to `to_slot`, as fast as the queue takes them, and waits for as many. */
static void
exchange_all(struct worker *worker, unsigned to_slot)
{
    uint32_t next = 0;

    while (next < MESSAGE_COUNT || worker->received_count < MESSAGE_COUNT
           || tp__bus_queued_bytes(worker->bus, to_slot) > 0) {
        for (int i = 0; i < 97 && next < MESSAGE_COUNT; i++) {
            if (send_number(worker, to_slot, next) == TP_OK) {
                next++;
            }
        }
        tp__loop_turn(worker->loop, next < MESSAGE_COUNT ? 0 : TURN_WAIT_MS);
    }
}

/* In a child: a worker in slot 1 with the end that is meant for it, and without the other. */
static void
child_attach(struct worker *worker, int *ends)
{
    tp__descriptor_close(&ends[0]);
    worker_open(worker, 1, NULL);
    TP_ASSERT(tp__bus_attach(worker->bus, 0, ends[1]) == TP_OK);
}

static void
exchange_as_child(struct child *self, void *argument)
{
    struct worker worker;

    child_attach(&worker, argument);
    exchange_all(&worker, 0);
    child_say(self, 'd');
    child_hear(self);
}

START_TEST(ten_thousand_messages_go_both_ways_in_order)
{
    struct worker worker;
    struct child child;
    int ends[2];

    ck_assert_int_eq(TP_OK, tp__socket_pair(false, ends));
    child_start(&child, exchange_as_child, ends);
    tp__descriptor_close(&ends[1]);
    worker_open(&worker, 0, NULL);
    ck_assert_int_eq(TP_OK, tp__bus_attach(worker.bus, 1, ends[0]));
    exchange_all(&worker, 1);
    ck_assert_uint_eq(MESSAGE_COUNT, worker.received_count);
    ck_assert_uint_eq(MESSAGE_COUNT, tp__bus_get_counters(worker.bus)->sent);
    ck_assert_uint_lt(tp__bus_get_counters(worker.bus)->writes, MESSAGE_COUNT / 10);
    ck_assert_uint_eq(0, worker.gone_count);
    ck_assert_int_eq('d', child_hear(&child));
    child_say(&child, 'g');
    child_join(&child);
    worker_close(&worker);
    tp__loop_destroy(&worker.loop);
}
END_TEST

/* Reads nothing until told, then all that comes until the end; says how much that was. */
static void
read_when_told(struct child *self, void *argument)
{
    struct worker worker;

    child_attach(&worker, argument);
    child_say(self, 'r');
    child_hear(self);
    while (worker.gone_count == 0) {
        tp__loop_turn(worker.loop, TURN_WAIT_MS);
    }
    child_say(self, 'e');
    TP_ASSERT(send(self->fd, &worker.received_count, sizeof(unsigned), MSG_NOSIGNAL)
              == sizeof(unsigned));
}

/* Sends large messages until the queue is full; returns how many were taken. */
static unsigned
fill_queue(struct worker *worker)
{
    static char bytes[16 * 1024];
    uint32_t number = 0;
    enum tp_result result = TP_OK;

    while (result == TP_OK) {
        memcpy(bytes, &number, sizeof(number));
        result = tp__bus_send(worker->bus, 1, KIND, (struct tp_str){ bytes, sizeof(bytes) });
        number += result == TP_OK;
        tp__loop_turn(worker->loop, 0);
        ck_assert_uint_le(tp__bus_queued_bytes(worker->bus, 1), QUEUE_MAX);
    }
    ck_assert_int_eq(TP_FULL, result);
    return number;
}

static void
start_reader(struct worker *worker, struct child *child)
{
    int ends[2];

    ck_assert_int_eq(TP_OK, tp__socket_pair(false, ends));
    child_start(child, read_when_told, ends);
    tp__descriptor_close(&ends[1]);
    worker_open(worker, 0, NULL);
    ck_assert_int_eq(TP_OK, tp__bus_attach(worker->bus, 1, ends[0]));
    ck_assert_int_eq('r', child_hear(child));
}

START_TEST(full_when_the_reader_stops_and_empty_when_it_goes_on)
{
    struct worker worker;
    struct child child;
    unsigned received;

    start_reader(&worker, &child);

    unsigned taken = fill_queue(&worker);

    ck_assert_uint_eq(1, tp__bus_get_counters(worker.bus)->refused);
    child_say(&child, 'g');
    while (tp__bus_queued_bytes(worker.bus, 1) > 0) {
        tp__loop_turn(worker.loop, TURN_WAIT_MS);
    }
    ck_assert_uint_eq(taken, tp__bus_get_counters(worker.bus)->sent);
    /* What was written before the end is read before the end is noticed. */
    worker_close(&worker);
    ck_assert_int_eq('e', child_hear(&child));
    ck_assert_int_eq(sizeof(received), recv(child.fd, &received, sizeof(received), 0));
    ck_assert_uint_eq(taken, received);
    child_join(&child);
    tp__loop_destroy(&worker.loop);
}
END_TEST

START_TEST(gone_when_the_reader_dies)
{
    struct worker worker;
    struct child child;

    start_reader(&worker, &child);

    unsigned taken = fill_queue(&worker);

    child_kill(&child);
    turn_until(&worker, &worker.gone_count, 1);
    ck_assert_uint_gt(worker.dropped_count, 0);
    ck_assert_uint_eq(taken, worker.dropped_count + tp__bus_get_counters(worker.bus)->sent);
    ck_assert_uint_eq(0, tp__bus_queued_bytes(worker.bus, 1));
    /* The next message asks for a new link. */
    ck_assert_int_eq(TP_OK, send_number(&worker, 1, 0));
    ck_assert_uint_eq(1, worker.asked_count);
    worker_close(&worker);
    tp__loop_destroy(&worker.loop);
}
END_TEST

Suite *
tp_suite_share_bus(void)
{
    Suite *suite = suite_create("share/bus");
    TCase *tests = tcase_create("bus");

    tcase_add_test(tests, what_a_turn_sends_leaves_with_one_write);
    tcase_add_test(tests, ourselves_are_told_at_the_end_of_the_turn);
    tcase_add_test(tests, what_we_answer_ourselves_waits_for_the_next_turn);
    tcase_add_test(tests, both_may_ask_at_the_same_time);
    tcase_add_test(tests, a_socket_that_was_not_written_to_breaks_unnoticed);
    tcase_add_test(tests, a_successor_is_reached_by_its_own_socket);
    tcase_add_test(tests, who_cannot_be_reached_is_gone);
    tcase_add_test(tests, a_message_has_a_largest_size);
    tcase_add_test(tests, answers_have_room_where_nothing_else_has);
    tcase_add_test(tests, nonsense_ends_the_link);
    tcase_add_test(tests, sockets_to_one_worker_have_a_bound);
    tcase_add_test(tests, ten_thousand_messages_go_both_ways_in_order);
    tcase_add_test(tests, full_when_the_reader_stops_and_empty_when_it_goes_on);
    tcase_add_test(tests, gone_when_the_reader_dies);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
