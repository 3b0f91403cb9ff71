/*
 * packet.c - tests of packet/packet: what a packet that is kept holds on to.
 */
#include <teleport/packet.h>

#include "bytes_fixture.h"

#include <check.h>
#include <string.h>

/* A packet as a decoder leaves it: everything in one standard buffer. */
static struct tp_packet
packet_in_large_buffer(struct tp_buf_pool *pool, size_t body_len)
{
    struct tp_buf *buf = tp_buf_make(pool, TP_BUF_STANDARD);
    struct tp_packet packet = { .type = TP_PACKET_REPLY };

    ck_assert_ptr_nonnull(buf);
    memset(buf->bytes, 'b', buf->capacity);
    memcpy(buf->bytes, "/uriOK", 6);
    packet.uri = (struct tp_str){ (const char *) buf->bytes, 4 };
    packet.status.text = (struct tp_str){ (const char *) buf->bytes + 4, 2 };
    packet.head = buf;
    tp_buf_acquire(buf);
    ck_assert_int_eq(
        TP_OK, tp_chain_append(&packet.body, (struct tp_slice){ buf, buf->bytes + 6, body_len }));
    return packet;
}

static void
assert_content(const struct tp_packet *packet, size_t body_len)
{
    uint8_t body[4096];

    memset(body, 'b', body_len);
    ck_assert_uint_eq(4, packet->uri.len);
    ck_assert_mem_eq("/uri", packet->uri.data, 4);
    ck_assert_uint_eq(2, packet->status.text.len);
    ck_assert_mem_eq("OK", packet->status.text.data, 2);
    tp__test_chain_assert(&packet->body, body, body_len);
}

START_TEST(clearing_lets_go_of_everything)
{
    static const struct tp_packet zero;
    struct tp_buf_pool pool;

    tp__test_pool_init(&pool);
    struct tp_packet packet = packet_in_large_buffer(&pool, 100);

    tp_packet_clear(&packet);
    ck_assert_mem_eq(&zero, &packet, sizeof(zero));
    ck_assert_uint_eq(0, pool.bytes_in_use);
    tp_packet_clear(&packet);
    tp__buf_pool_fini(&pool);
}
END_TEST

START_TEST(a_small_packet_moves_to_a_buffer_of_its_size)
{
    static const size_t lengths[] = { 0, 1, 581, 2042 };

    for (size_t i = 0; i < TP_COUNT_OF(lengths); i++) {
        struct tp_buf_pool pool;

        tp__test_pool_init(&pool);
        struct tp_packet packet = packet_in_large_buffer(&pool, lengths[i]);

        ck_assert_int_eq(TP_OK, tp_packet_detach(&packet, &pool));
        ck_assert_uint_lt(pool.bytes_in_use, lengths[i] + 64);
        ck_assert_uint_eq(6 + lengths[i], pool.bytes_copied);
        assert_content(&packet, lengths[i]);
        /* Once is enough. */
        ck_assert_int_eq(TP_OK, tp_packet_detach(&packet, &pool));
        ck_assert_uint_eq(6 + lengths[i], pool.bytes_copied);
        tp_packet_clear(&packet);
        ck_assert_uint_eq(0, pool.bytes_in_use);
        tp__buf_pool_fini(&pool);
    }
}
END_TEST

START_TEST(a_larger_packet_stays_where_it_is)
{
    struct tp_buf_pool pool;

    tp__test_pool_init(&pool);
    struct tp_packet packet = packet_in_large_buffer(&pool, 2043);
    const struct tp_buf *head = packet.head;

    ck_assert_int_eq(TP_OK, tp_packet_detach(&packet, &pool));
    ck_assert_ptr_eq(head, packet.head);
    ck_assert_uint_eq(0, pool.bytes_copied);
    assert_content(&packet, 2043);
    tp_packet_clear(&packet);
    tp__buf_pool_fini(&pool);
}
END_TEST

START_TEST(a_packet_of_eternal_bytes_needs_no_buffer)
{
    struct tp_packet packet = { .uri = TP_STR("/uri"), .status = tp_status_of(TP_STATUS_OK) };
    struct tp_buf_pool pool;

    tp__test_pool_init(&pool);
    ck_assert_int_eq(TP_OK, tp_packet_detach(&packet, &pool));
    ck_assert_uint_eq(0, pool.bytes_in_use);
    tp_packet_clear(&packet);
    tp__buf_pool_fini(&pool);
}
END_TEST

START_TEST(a_packet_that_cannot_move_is_as_it_was)
{
    struct tp_buf_pool pool;

    tp__test_pool_init(&pool);
    struct tp_packet packet = packet_in_large_buffer(&pool, 100);

    pool.bytes_limit = pool.bytes_in_use;
    ck_assert_int_eq(TP_NO_MEMORY, tp_packet_detach(&packet, &pool));
    assert_content(&packet, 100);
    tp_packet_clear(&packet);
    ck_assert_uint_eq(0, pool.bytes_in_use);
    tp__buf_pool_fini(&pool);
}
END_TEST

Suite *
tp_suite_packet_packet(void)
{
    Suite *suite = suite_create("packet/packet");
    TCase *packet = tcase_create("packet");

    tcase_add_test(packet, clearing_lets_go_of_everything);
    tcase_add_test(packet, a_small_packet_moves_to_a_buffer_of_its_size);
    tcase_add_test(packet, a_larger_packet_stays_where_it_is);
    tcase_add_test(packet, a_packet_of_eternal_bytes_needs_no_buffer);
    tcase_add_test(packet, a_packet_that_cannot_move_is_as_it_was);
    suite_add_tcase(suite, packet);
    return suite;
}
