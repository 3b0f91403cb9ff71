/*
 * access_file.c - tests of server/access_file: when lines are written.
 */
#include "server/access_file.h"

#include "base/text.h"
#include "os/file.h"
#include "scratch.h"

#include <check.h>
#include <string.h>

struct fixture {
    struct tp_scratch scratch;
    struct tp_loop *loop;
    struct tp_access_file file;
    int fd;
};

static void
fixture_open(struct fixture *fixture, uint64_t buffer_bytes, int64_t flush_ms)
{
    tp__scratch_open(&fixture->scratch);
    ck_assert_int_eq(tp__loop_create(&fixture->loop), TP_OK);
    ck_assert_int_eq(
        tp__file_open_log(tp__scratch_path(&fixture->scratch, "access.log"), &fixture->fd), TP_OK);
    tp__access_file_init(&fixture->file, fixture->fd);
    fixture->file.buffer.bytes = buffer_bytes;
    fixture->file.flush.ms = flush_ms;
    fixture->file.line_max = 32;
}

static void
fixture_close(struct fixture *fixture)
{
    tp__access_file_fini(&fixture->file);
    ck_assert_uint_eq(tp__loop_timer_count(fixture->loop), 0);
    tp__loop_destroy(&fixture->loop);
    tp__descriptor_close(&fixture->fd);
    tp__scratch_close(&fixture->scratch);
}

static void
fixture_write(struct fixture *fixture, const char *line)
{
    char *room = tp__access_file_reserve(&fixture->file);

    ck_assert_ptr_nonnull(room);
    memcpy(room, line, strlen(line));
    tp__access_file_commit(&fixture->file, room + strlen(line), fixture->loop);
}

/* Fails unless this is what stands in the file. */
static void
fixture_expect(struct fixture *fixture, const char *content)
{
    struct tp_text text = { 0 };

    ck_assert_int_eq(
        tp__file_read(tp__scratch_path(&fixture->scratch, "access.log"), 1 << 20, &text), TP_OK);
    ck_assert_str_eq(tp__text_get(&text).data, content);
    tp__text_fini(&text);
}

START_TEST(lines_wait_for_a_full_buffer)
{
    struct fixture fixture;

    fixture_open(&fixture, 10, 3600000);
    fixture_write(&fixture, "one\n");
    fixture_write(&fixture, "two\n");
    fixture_expect(&fixture, "");
    fixture_write(&fixture, "three\n");
    fixture_expect(&fixture, "one\ntwo\nthree\n");
    ck_assert_uint_eq(tp__loop_timer_count(fixture.loop), 0);
    fixture_write(&fixture, "a line as long as it may be....\n");
    fixture_expect(&fixture, "one\ntwo\nthree\na line as long as it may be....\n");
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_first_line_begins_the_time)
{
    struct fixture fixture;

    fixture_open(&fixture, 1000, 2);
    fixture_write(&fixture, "one\n");
    fixture_write(&fixture, "two\n");
    ck_assert_uint_eq(tp__loop_timer_count(fixture.loop), 1);
    while (tp__loop_timer_count(fixture.loop) > 0) {
        tp__loop_turn(fixture.loop, -1);
    }
    fixture_expect(&fixture, "one\ntwo\n");
    fixture_write(&fixture, "three\n");
    ck_assert_uint_eq(tp__loop_timer_count(fixture.loop), 1);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_flush_and_the_end_write_what_is_left)
{
    struct fixture fixture;

    fixture_open(&fixture, 1000, 3600000);
    tp__access_file_flush(&fixture.file);
    fixture_write(&fixture, "one\n");
    tp__access_file_flush(&fixture.file);
    fixture_expect(&fixture, "one\n");
    ck_assert_uint_eq(tp__loop_timer_count(fixture.loop), 0);
    fixture_write(&fixture, "two\n");
    tp__access_file_fini(&fixture.file);
    fixture_expect(&fixture, "one\ntwo\n");
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_server_access_file(void)
{
    Suite *suite = suite_create("server/access_file");
    TCase *tests = tcase_create("access_file");

    tcase_add_test(tests, lines_wait_for_a_full_buffer);
    tcase_add_test(tests, the_first_line_begins_the_time);
    tcase_add_test(tests, a_flush_and_the_end_write_what_is_left);
    suite_add_tcase(suite, tests);
    return suite;
}
