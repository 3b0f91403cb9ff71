/*
 * log.c - tests of base/log: what a line looks like, and what cannot get into it.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/str.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

enum {
    LINE_BYTES_MAX = 4000,
    KEEPER_PROCESS_ID = 4711,
    TIME_LEN = sizeof("2026-11-22 14:20:33.123") - 1,
};

/* A sink that keeps the last line, terminated. */
struct line_keeper {
    struct tp_log_sink sink;
    int count;
    size_t len;
    char line[LINE_BYTES_MAX + 1];
};

static void
keeper_write(struct tp_log_sink *sink, const char *line, size_t len)
{
    struct line_keeper *keeper = TP_CONTAINER_OF(sink, struct line_keeper, sink);

    ck_assert_uint_le(len, LINE_BYTES_MAX);
    memcpy(keeper->line, line, len);
    keeper->line[len] = '\0';
    keeper->len = len;
    keeper->count++;
    errno = EIO;
}

static int
keeper_get_process_id(void)
{
    return KEEPER_PROCESS_ID;
}

static struct tp_log
keeper_init(struct line_keeper *keeper, enum tp_log_level level)
{
    *keeper = (struct line_keeper){
        .sink = { .write = keeper_write, .get_process_id = keeper_get_process_id },
    };
    return (struct tp_log){ .sink = &keeper->sink, .level = level };
}

START_TEST(a_line_tells_time_level_process_id_and_details)
{
    struct line_keeper keeper;
    struct tp_log log = keeper_init(&keeper, TP_LOG_INFO);
    char expected[128];

    tp_log_error(&log, "listener-failed", "result=%s", "in-use");
    snprintf(expected, sizeof(expected), " [error] %d listener-failed: result=in-use\n",
             KEEPER_PROCESS_ID);
    ck_assert_uint_gt(keeper.len, TIME_LEN);
    ck_assert_str_eq(expected, keeper.line + TIME_LEN);
    ck_assert_uint_eq(strlen(keeper.line), keeper.len);
}
END_TEST

START_TEST(a_line_tells_what_was_being_done)
{
    struct line_keeper keeper;
    struct tp_log log = keeper_init(&keeper, TP_LOG_INFO);

    log.doing = "reloading";
    tp_log_warn(&log, "some-id", "key=%d", 7);
    ck_assert_ptr_nonnull(strstr(keeper.line, " some-id: key=7, while reloading\n"));
}
END_TEST

START_TEST(a_log_shows_its_level_and_all_above)
{
    struct line_keeper keeper;

    for (int shown = TP_LOG_ALERT; shown <= TP_LOG_DEBUG; shown++) {
        struct tp_log log = keeper_init(&keeper, (enum tp_log_level) shown);

        tp_log_alert(&log, "id", "level=%d", shown);
        tp_log_error(&log, "id", "level=%d", shown);
        tp_log_warn(&log, "id", "level=%d", shown);
        tp_log_notice(&log, "id", "level=%d", shown);
        tp_log_info(&log, "id", "level=%d", shown);
        tp_log_debug(&log, "id", "level=%d", shown);
        ck_assert_int_eq(shown + 1, keeper.count);
    }
}
END_TEST

START_TEST(control_bytes_cannot_forge_a_line)
{
    struct line_keeper keeper;
    struct tp_log log = keeper_init(&keeper, TP_LOG_INFO);

    log.doing = "serving\n";
    tp_log_info(&log, "id", "uri=%s", "/a\n2026 [alert]\r\x1b[2J\x7f \t/\xc3\xa9");
    ck_assert_ptr_nonnull(
        strstr(keeper.line, "uri=/a?2026 [alert]??[2J? ?/\xc3\xa9, while serving?\n"));
    ck_assert_ptr_eq(keeper.line + keeper.len - 1, strchr(keeper.line, '\n'));
}
END_TEST

START_TEST(an_entry_of_several_lines_keeps_those_that_are_indented)
{
    struct line_keeper keeper;
    struct tp_log log = keeper_init(&keeper, TP_LOG_INFO);

    tp__log_write_lines(&log, TP_LOG_INFO, "id", "json=%s",
                        "{\n  \"a\": 1\t\r\n }\n2026 [alert]\n");
    ck_assert_ptr_nonnull(strstr(keeper.line, " id: json={\n  \"a\": 1??\n }?2026 [alert]?\n"));
    ck_assert_int_eq(1, keeper.count);
    tp__log_write_lines(&log, TP_LOG_INFO, "id", "%*s\n %s", LINE_BYTES_MAX, "", "x");
    ck_assert_uint_eq(LINE_BYTES_MAX, keeper.len + 1);
    ck_assert_int_eq('\n', keeper.line[keeper.len - 1]);
}
END_TEST

/* The length of a line around its bound, with and without what was being done. */
START_TEST(a_long_line_is_cut_and_still_ends)
{
    for (int len = 3900; len < 4100; len++) {
        struct line_keeper keeper;
        struct tp_log log = keeper_init(&keeper, TP_LOG_INFO);

        log.doing = len % 2 == 0 ? "reading a long line" : NULL;
        tp_log_info(&log, "id", "%*d", len, 1);
        ck_assert_int_eq(1, keeper.count);
        ck_assert_uint_eq(keeper.len, strlen(keeper.line));
        ck_assert_int_eq('\n', keeper.line[keeper.len - 1]);
    }
}
END_TEST

START_TEST(logging_leaves_errno_alone)
{
    struct line_keeper keeper;
    struct tp_log log = keeper_init(&keeper, TP_LOG_INFO);

    errno = ENOENT;
    tp_log_info(&log, "id", "key=%d", 1);
    ck_assert_int_eq(ENOENT, errno);
}
END_TEST

START_TEST(every_level_has_its_word)
{
    ck_assert_str_eq("alert", tp__log_level_word(TP_LOG_ALERT));
    ck_assert_str_eq("error", tp__log_level_word(TP_LOG_ERROR));
    ck_assert_str_eq("warn", tp__log_level_word(TP_LOG_WARN));
    ck_assert_str_eq("notice", tp__log_level_word(TP_LOG_NOTICE));
    ck_assert_str_eq("info", tp__log_level_word(TP_LOG_INFO));
    ck_assert_str_eq("debug", tp__log_level_word(TP_LOG_DEBUG));
    ck_assert_str_eq("unknown", tp__log_level_word((enum tp_log_level) 99));
}
END_TEST

/* What the manual is made of: ids in kebab case, each once, each with a sentence. */
START_TEST(every_id_is_documented)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

    for (const struct tp_log_id *row = tp__log_ids; row->id != NULL; row++) {
        size_t sentence_len = strlen(row->sentence);

        ck_assert_uint_gt(strlen(row->id), 0);
        ck_assert_msg(strspn(row->id, letters) == strlen(row->id), "%s", row->id);
        ck_assert_msg(sentence_len > 0 && row->sentence[sentence_len - 1] == '.', "%s", row->id);
        for (const struct tp_log_id *other = tp__log_ids; other != row; other++) {
            ck_assert_str_ne(row->id, other->id);
        }
    }
}
END_TEST

Suite *
tp_suite_base_log(void)
{
    Suite *suite = suite_create("base/log");
    TCase *lines = tcase_create("lines");
    TCase *tables = tcase_create("tables");

    tcase_add_test(lines, a_line_tells_time_level_process_id_and_details);
    tcase_add_test(lines, a_line_tells_what_was_being_done);
    tcase_add_test(lines, a_log_shows_its_level_and_all_above);
    tcase_add_test(lines, control_bytes_cannot_forge_a_line);
    tcase_add_test(lines, an_entry_of_several_lines_keeps_those_that_are_indented);
    tcase_add_test(lines, a_long_line_is_cut_and_still_ends);
    tcase_add_test(lines, an_entry_of_several_lines_keeps_those_that_are_indented);
    tcase_add_test(lines, logging_leaves_errno_alone);
    suite_add_tcase(suite, lines);

    tcase_add_test(tables, every_level_has_its_word);
    tcase_add_test(tables, every_id_is_documented);
    suite_add_tcase(suite, tables);
    return suite;
}
