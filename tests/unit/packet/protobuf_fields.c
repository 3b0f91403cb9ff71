/*
 * protobuf_fields.c - tests of packet/protobuf_fields: tables with gaps, and messages that are
 * there in part.
 *
 * Read next: tests/unit/protocol/teleport.c, which has the rest.
 */
#include <teleport/protobuf_fields.h>

#include "bytes_fixture.h"

#include <check.h>
#include <string.h>

struct record {
    uint64_t count;
    int32_t level;
    struct tp_str name;
};

/* 2 and 4 to 6 are unknown. */
static const struct tp_protobuf_field rows[] = {
    TP_PROTOBUF_UINT64(1, struct record, count),
    TP_PROTOBUF_INT32(3, struct record, level),
    TP_PROTOBUF_BYTES(7, struct record, name),
};
static const struct tp_protobuf_fields fields = { rows, TP_COUNT_OF(rows) };

/* How much of it is read: up to the field that is malformed or not all there. */
static const struct {
    const char *message;
    size_t behind;
    struct record wanted;
} messages[] = {
    { "", 0, { 0, 0, { "", 0 } } },
    { "0805 18fbffffffffffffffff01 3a02 'ab'", 17, { 5, -5, { "ab", 2 } } },
    { "0805 18fbffffff0f 3a00", 10, { 5, -5, { "", 0 } } },
    { "1001 2201'x' 0807 7801", 9, { 7, 0, { "", 0 } } },
    { "0807 3a03 'ab'", 2, { 7, 0, { "", 0 } } },
    { "0807 3a8001 'ab'", 2, { 7, 0, { "", 0 } } },
    { "0807 3a", 2, { 7, 0, { "", 0 } } },
    { "0807 0801 0a01'x' 1803", 4, { 1, 0, { "", 0 } } },
    { "0807 0001 02", 2, { 7, 0, { "", 0 } } }, /* no field has the number 0 */
    { "0000 0807", 0, { 0, 0, { "", 0 } } },
    { "0807 1d00000000", 2, { 7, 0, { "", 0 } } },
    { "8800 07 9800 05 ba00 01 'n'", 10, { 7, 5, { "n", 1 } } },
    { "0807 13 0801 14 1803", 8, { 7, 3, { "", 0 } } },
};

START_TEST(reads_up_to_what_is_not_whole)
{
    static struct tp_test_bytes bytes;
    struct record record = { .count = 0 };
    const struct record *wanted = &messages[_i].wanted;

    tp__test_bytes_fill(&bytes, messages[_i].message);
    const uint8_t *behind =
        tp_protobuf_fields_read(&fields, bytes.data, bytes.data + bytes.len, &record);

    ck_assert_uint_eq(messages[_i].behind, (size_t) (behind - bytes.data));
    ck_assert_uint_eq(wanted->count, record.count);
    ck_assert_int_eq(wanted->level, record.level);
    ck_assert_uint_eq(wanted->name.len, record.name.len);
    ck_assert(wanted->name.len == 0
              || memcmp(wanted->name.data, record.name.data, wanted->name.len) == 0);
}
END_TEST

START_TEST(writes_what_is_not_zero)
{
    static struct tp_test_bytes wanted;
    uint8_t room[128];
    uint8_t *to = tp_protobuf_write_uint64(room, 1, 0);

    to = tp_protobuf_write_bytes(to, 7, TP_STR(""));
    ck_assert_ptr_eq(room, to);
    to = tp_protobuf_write_uint64(to, 1, 300);
    to = tp_protobuf_write_int32(to, 3, -1);
    to = tp_protobuf_write_bytes(to, 7, TP_STR("ab"));
    to = tp_protobuf_write_bytes_key(to, TP_PROTOBUF_NUMBER_MAX, 128);
    tp__test_bytes_fill(&wanted, "08ac02 18ffffffffffffffffff01 3a02'ab' 7a8001");
    ck_assert_uint_eq(wanted.len, (size_t) (to - room));
    ck_assert_mem_eq(wanted.data, room, wanted.len);
}
END_TEST

START_TEST(reads_one_number)
{
    static const uint8_t bytes[] = { 0xac, 0x02, 0xff };
    uint64_t value = 0;

    ck_assert_ptr_eq(bytes + 2, tp_protobuf_read_varint(bytes, bytes + 3, &value));
    ck_assert_uint_eq(300, value);
    ck_assert_ptr_null(tp_protobuf_read_varint(bytes + 2, bytes + 3, &value));
    ck_assert_ptr_null(tp_protobuf_read_varint(bytes, bytes, &value));
}
END_TEST

Suite *tp_suite_packet_protobuf_fields(void);

Suite *
tp_suite_packet_protobuf_fields(void)
{
    Suite *suite = suite_create("packet/protobuf_fields");
    TCase *tests = tcase_create("tests");

    tcase_add_loop_test(tests, reads_up_to_what_is_not_whole, 0, TP_COUNT_OF(messages));
    tcase_add_test(tests, writes_what_is_not_zero);
    tcase_add_test(tests, reads_one_number);
    suite_add_tcase(suite, tests);
    return suite;
}
