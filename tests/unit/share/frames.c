/*
 * frames.c - tests of share/frames: messages as bytes and back.
 */
#include "share/frames.h"

#include <check.h>
#include <string.h>

enum {
    HELD_MAX = 1000,
    MESSAGE_MAX = 500,
};

Suite *tp_suite_share_frames(void);

static enum tp_result
try_append(struct tp_frames *frames, uint16_t kind, struct tp_str bytes)
{
    struct tp_frame_pieces frame = { .kind = kind, .pieces = &bytes, .count = 1 };

    return tp__frames_append(frames, &frame, HELD_MAX);
}

static void
append(struct tp_frames *frames, uint16_t kind, struct tp_str bytes)
{
    ck_assert_int_eq(TP_OK, try_append(frames, kind, bytes));
}

/* Lets the first `count` bytes of `from` be received by `to`. */
static void
receive(struct tp_frames *to, struct tp_frames *from, size_t count)
{
    struct tp_str bytes = tp__frames_bytes(from);
    char *room;

    ck_assert_uint_le(count, bytes.len);
    ck_assert_int_eq(TP_OK, tp__frames_reserve(to, count, &room));
    memcpy(room, bytes.data, count);
    tp__frames_received(to, count);
    tp__frames_consume(from, count);
}

static void
expect(struct tp_frames *frames, uint16_t kind, struct tp_str bytes)
{
    struct tp_frame frame;

    ck_assert_int_eq(TP_OK, tp__frames_next(frames, MESSAGE_MAX, &frame));
    ck_assert_uint_eq(kind, frame.kind);
    ck_assert_uint_eq(bytes.len, frame.bytes.len);
    ck_assert(bytes.len == 0 || memcmp(bytes.data, frame.bytes.data, bytes.len) == 0);
}

START_TEST(arrive_byte_by_byte)
{
    struct tp_frames out = { 0 };
    struct tp_frames in = { 0 };
    struct tp_frame frame;

    append(&out, 7, TP_STR("one"));
    append(&out, 65535, (struct tp_str){ NULL, 0 });
    for (size_t i = 0; i < TP_FRAME_HEADER_BYTES + 3; i++) {
        ck_assert_int_eq(TP_AGAIN, tp__frames_next(&in, MESSAGE_MAX, &frame));
        receive(&in, &out, 1);
    }
    expect(&in, 7, TP_STR("one"));
    receive(&in, &out, TP_FRAME_HEADER_BYTES);
    expect(&in, 65535, TP_STR(""));
    ck_assert_int_eq(TP_AGAIN, tp__frames_next(&in, MESSAGE_MAX, &frame));
    tp__frames_fini(&in);
    tp__frames_fini(&out);
}
END_TEST

START_TEST(pieces_become_one_message)
{
    struct tp_str pieces[] = { TP_STR("one"), { NULL, 0 }, TP_STR(", two") };
    struct tp_frame_pieces message = { .kind = 3, .pieces = pieces, .count = 3 };
    struct tp_frames out = { 0 };

    ck_assert_uint_eq(8, tp__frame_pieces_len(&message));
    ck_assert_int_eq(TP_OK, tp__frames_append(&out, &message, HELD_MAX));
    ck_assert_uint_eq(1, out.frame_count);
    expect(&out, 3, TP_STR("one, two"));
    tp__frames_fini(&out);
}
END_TEST

START_TEST(count_what_has_left_whole)
{
    struct tp_frames out = { 0 };

    for (int i = 0; i < 3; i++) {
        append(&out, 1, TP_STR("12"));
    }
    ck_assert_uint_eq(3, out.frame_count);
    ck_assert_uint_eq(0, tp__frames_consume(&out, 9));
    ck_assert_uint_eq(3, out.frame_count);
    ck_assert_uint_eq(1, tp__frames_consume(&out, 2));
    ck_assert_uint_eq(2, out.frame_count);
    ck_assert_uint_eq(2, tp__frames_consume(&out, 19));
    ck_assert_uint_eq(0, out.frame_count);
    ck_assert_uint_eq(0, tp__frames_bytes(&out).len);
    tp__frames_fini(&out);
}
END_TEST

START_TEST(hold_no_more_than_they_may)
{
    static char bytes[HELD_MAX];
    struct tp_frames out = { 0 };
    struct tp_str most = { bytes, HELD_MAX };

    ck_assert_int_eq(TP_FULL, try_append(&out, 0, most));
    most.len = HELD_MAX - TP_FRAME_HEADER_BYTES + 1;
    ck_assert_int_eq(TP_FULL, try_append(&out, 0, most));
    most.len = HELD_MAX - TP_FRAME_HEADER_BYTES;
    ck_assert_int_eq(TP_OK, try_append(&out, 0, most));
    ck_assert_int_eq(TP_FULL, try_append(&out, 0, TP_STR("")));
    /* What has begun to leave makes room, and is one frame still. */
    ck_assert_uint_eq(0, tp__frames_consume(&out, TP_FRAME_HEADER_BYTES));
    ck_assert_int_eq(TP_OK, try_append(&out, 0, TP_STR("")));
    ck_assert_uint_eq(2, out.frame_count);
    tp__frames_fini(&out);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    struct tp_frames in = { 0 };
    struct tp_frame frame;
    char *room;

    ck_assert_int_eq(TP_OK, tp__frames_reserve(&in, TP_FRAME_HEADER_BYTES, &room));
    memset(room, 0xff, TP_FRAME_HEADER_BYTES);
    tp__frames_received(&in, TP_FRAME_HEADER_BYTES);
    ck_assert_int_eq(TP_INVALID, tp__frames_next(&in, MESSAGE_MAX, &frame));
    tp__frames_fini(&in);

    ck_assert_int_eq(TP_OK, tp__frames_reserve(&in, TP_FRAME_HEADER_BYTES, &room));
    memset(room, 0, TP_FRAME_HEADER_BYTES);
    room[TP_FRAME_HEADER_BYTES - 1] = 1;
    tp__frames_received(&in, TP_FRAME_HEADER_BYTES);
    ck_assert_int_eq(TP_INVALID, tp__frames_next(&in, MESSAGE_MAX, &frame));
    tp__frames_fini(&in);
}
END_TEST

START_TEST(a_message_beyond_the_limit_is_refused_before_it_has_come)
{
    static char bytes[MESSAGE_MAX + 1];
    struct tp_frames out = { 0 };
    struct tp_frames in = { 0 };
    struct tp_frame frame;

    append(&out, 1, (struct tp_str){ bytes, MESSAGE_MAX + 1 });
    receive(&in, &out, TP_FRAME_HEADER_BYTES);
    ck_assert_int_eq(TP_INVALID, tp__frames_next(&in, MESSAGE_MAX, &frame));
    tp__frames_fini(&in);
    tp__frames_fini(&out);
}
END_TEST

START_TEST(any_cutting_gives_the_same_messages)
{
    static char bytes[MESSAGE_MAX];
    struct tp_frames out = { 0 };
    struct tp_frames in = { 0 };
    struct tp_frame frame;
    uint32_t random = 1;
    uint16_t sent = 0;
    uint16_t received = 0;

    memset(bytes, 'b', sizeof(bytes));
    while (received < 3000) {
        random = random * 1664525 + 1013904223;
        struct tp_str next = { bytes, (random >> 8) % 100 };

        if (sent < 3000 && try_append(&out, sent, next) == TP_OK) {
            sent++;
        }
        receive(&in, &out, (random >> 16) % (tp__frames_bytes(&out).len + 1));
        while (tp__frames_next(&in, MESSAGE_MAX, &frame) == TP_OK) {
            ck_assert_uint_eq(received, frame.kind);
            ck_assert(frame.bytes.len == 0
                      || memcmp(bytes, frame.bytes.data, frame.bytes.len) == 0);
            received++;
        }
    }
    /* Grown to what was held at once, not to what has passed. */
    ck_assert_uint_le(in.capacity, 2 * HELD_MAX + 1024);
    ck_assert_uint_le(out.capacity, 2 * HELD_MAX + 1024);
    tp__frames_fini(&in);
    tp__frames_fini(&out);
}
END_TEST

START_TEST(an_empty_queue_gives_its_memory_back)
{
    struct tp_frames in = { 0 };
    char *room;

    ck_assert_int_eq(TP_OK, tp__frames_reserve(&in, 64 * 1024, &room));
    tp__frames_shrink(&in);
    ck_assert_uint_eq(0, in.capacity);
    ck_assert_int_eq(TP_OK, tp__frames_reserve(&in, 64 * 1024, &room));
    tp__frames_received(&in, 1);
    tp__frames_shrink(&in);
    ck_assert_uint_ge(in.capacity, 64 * 1024);
    tp__frames_fini(&in);
}
END_TEST

Suite *
tp_suite_share_frames(void)
{
    Suite *suite = suite_create("share/frames");
    TCase *tests = tcase_create("frames");

    tcase_add_test(tests, arrive_byte_by_byte);
    tcase_add_test(tests, pieces_become_one_message);
    tcase_add_test(tests, count_what_has_left_whole);
    tcase_add_test(tests, hold_no_more_than_they_may);
    tcase_add_test(tests, nonsense_is_refused);
    tcase_add_test(tests, a_message_beyond_the_limit_is_refused_before_it_has_come);
    tcase_add_test(tests, any_cutting_gives_the_same_messages);
    tcase_add_test(tests, an_empty_queue_gives_its_memory_back);
    suite_add_tcase(suite, tests);
    return suite;
}
