/*
 * value.c - typed values: every unit and form, and what is none.
 *
 * Read next: src/conf/value.c.
 */
#include "conf_fixture.h"

#include "base/str.h"
#include "conf/value.h"

struct number_case {
    enum tp_value_type type;
    const char *text;
    enum tp_result result;
    int64_t number;
};

static const struct tp_word words_any[] = { { "any", -1 }, { "some", 5 }, { NULL, 0 } };

/* clang-format off */
static const struct number_case number_cases[] = {
    { TP_VALUE_FLAG,   "on",                   TP_OK,        1 },
    { TP_VALUE_FLAG,   "off",                  TP_OK,        0 },
    { TP_VALUE_FLAG,   "On",                   TP_INVALID,   0 },
    { TP_VALUE_NUMBER, "0",                    TP_OK,        0 },
    { TP_VALUE_NUMBER, "-17",                  TP_OK,        -17 },
    { TP_VALUE_NUMBER, "9223372036854775807",  TP_OK,        INT64_MAX },
    { TP_VALUE_NUMBER, "9223372036854775808",  TP_TOO_LARGE, 0 },
    { TP_VALUE_NUMBER, "1k",                   TP_INVALID,   0 },
    { TP_VALUE_NUMBER, "",                     TP_INVALID,   0 },
    { TP_VALUE_NUMBER, "any",                  TP_OK,        -1 },
    { TP_VALUE_SIZE,   "512",                  TP_OK,        512 },
    { TP_VALUE_SIZE,   "64k",                  TP_OK,        64 * 1024 },
    { TP_VALUE_SIZE,   "64K",                  TP_OK,        64 * 1024 },
    { TP_VALUE_SIZE,   "1m",                   TP_OK,        1024 * 1024 },
    { TP_VALUE_SIZE,   "2G",                   TP_OK,        INT64_C(2147483648) },
    { TP_VALUE_SIZE,   "some",                 TP_OK,        5 },
    { TP_VALUE_SIZE,   "8589934591g",          TP_OK,        INT64_C(8589934591) << 30 },
    { TP_VALUE_SIZE,   "8589934592g",          TP_TOO_LARGE, 0 },
    { TP_VALUE_SIZE,   "-1",                   TP_INVALID,   0 },
    { TP_VALUE_SIZE,   "k",                    TP_INVALID,   0 },
    { TP_VALUE_SIZE,   "1kb",                  TP_INVALID,   0 },
    { TP_VALUE_SIZE,   "1t",                   TP_INVALID,   0 },
    { TP_VALUE_SIZE,   "1 k",                  TP_INVALID,   0 },
    { TP_VALUE_TIME,   "500ms",                TP_OK,        500 },
    { TP_VALUE_TIME,   "0s",                   TP_OK,        0 },
    { TP_VALUE_TIME,   "30s",                  TP_OK,        30000 },
    { TP_VALUE_TIME,   "5m",                   TP_OK,        300000 },
    { TP_VALUE_TIME,   "1h30m",                TP_OK,        5400000 },
    { TP_VALUE_TIME,   "1d2h3m4s5ms",          TP_OK,        93784005 },
    { TP_VALUE_TIME,   "1m500ms",              TP_OK,        60500 },
    { TP_VALUE_TIME,   "30",                   TP_INVALID,   0 },
    { TP_VALUE_TIME,   "0",                    TP_INVALID,   0 },
    { TP_VALUE_TIME,   "",                     TP_INVALID,   0 },
    { TP_VALUE_TIME,   "s",                    TP_INVALID,   0 },
    { TP_VALUE_TIME,   "1m1h",                 TP_INVALID,   0 },
    { TP_VALUE_TIME,   "1m1m",                 TP_INVALID,   0 },
    { TP_VALUE_TIME,   "1h30",                 TP_INVALID,   0 },
    { TP_VALUE_TIME,   "1M",                   TP_INVALID,   0 },
    { TP_VALUE_TIME,   "1mss",                 TP_INVALID,   0 },
    { TP_VALUE_TIME,   "106751991167d",        TP_OK,        INT64_C(106751991167) * 86400000 },
    { TP_VALUE_TIME,   "106751991168d",        TP_TOO_LARGE, 0 },
    { TP_VALUE_TIME,   "106751991167d23h",     TP_TOO_LARGE, 0 },
    { TP_VALUE_TIME,   "99999999999999999999d", TP_TOO_LARGE, 0 },
    { TP_VALUE_TIME,   "106751991168d5x",      TP_INVALID,   0 },
    { TP_VALUE_WORD,   "some",                 TP_OK,        5 },
    { TP_VALUE_WORD,   "other",                TP_INVALID,   0 },
    { TP_VALUE_TEXT,   "other",                TP_INVALID,   0 },
};
/* clang-format on */

START_TEST(numbers_are_read)
{
    const struct number_case *row = &number_cases[_i];
    const struct tp_conf_slot slot = { .type = row->type, .words = words_any };
    int64_t number = 0;

    ck_assert_int_eq(tp__value_number(&slot, tp__str(row->text), &number), row->result);
    if (row->result == TP_OK) {
        ck_assert_int_eq(number, row->number);
    }
}
END_TEST

START_TEST(words_lie_outside_the_range)
{
    const struct tp_conf_slot slot = {
        .type = TP_VALUE_NUMBER,
        .words = words_any,
        .min = "6",
        .max = "10",
    };
    int64_t number = 0;
    const char *wanted;

    ck_assert_int_eq(tp__value_store(&slot, TP_STR("any"), NULL, &number, &wanted), TP_CONF_FITS);
    ck_assert_int_eq(number, -1);
    ck_assert_int_eq(tp__value_store(&slot, TP_STR("5"), NULL, &number, &wanted),
                     TP_CONF_OUT_OF_RANGE);
    ck_assert_int_eq(tp__value_store(&slot, TP_STR("6"), NULL, &number, &wanted), TP_CONF_FITS);
    ck_assert_int_eq(tp__value_store(&slot, TP_STR("10"), NULL, &number, &wanted), TP_CONF_FITS);
    ck_assert_int_eq(tp__value_store(&slot, TP_STR("11"), NULL, &number, &wanted),
                     TP_CONF_OUT_OF_RANGE);
}
END_TEST

START_TEST(relative_paths_start_at_the_prefix)
{
    const struct tp_word words[] = { { "stderr", 0 }, { NULL, 0 } };
    const struct tp_conf_slot slot = { .type = TP_VALUE_PATH, .words = words };
    struct tp_arena arena;
    struct tp_conf_room room = { .arena = &arena, .prefix = "/srv/" };
    struct tp_str path;
    const char *wanted;

    tp__arena_init(&arena, 256);
    ck_assert_int_eq(tp__value_store(&slot, TP_STR("logs/x"), &room, &path, &wanted), TP_CONF_FITS);
    ck_assert_str_eq(path.data, "/srv/logs/x");
    ck_assert_int_eq(tp__value_store(&slot, TP_STR("/x"), &room, &path, &wanted), TP_CONF_FITS);
    ck_assert_str_eq(path.data, "/x");
    ck_assert_int_eq(tp__value_store(&slot, TP_STR("stderr"), &room, &path, &wanted), TP_CONF_FITS);
    ck_assert_str_eq(path.data, "stderr");
    tp__arena_fini(&arena);
}
END_TEST

START_TEST(values_are_compared_by_what_they_mean)
{
    const struct tp_conf_slot size = { .type = TP_VALUE_SIZE };
    const struct tp_conf_slot text = { .type = TP_VALUE_TEXT };

    ck_assert(tp__value_equal(&size, TP_STR("1m"), TP_STR("1024k")));
    ck_assert(!tp__value_equal(&size, TP_STR("1m"), TP_STR("1025k")));
    ck_assert(tp__value_equal(&text, TP_STR("1m"), TP_STR("1m")));
    ck_assert(!tp__value_equal(&text, TP_STR("1m"), TP_STR("1024k")));
}
END_TEST

START_TEST(valid_forms_are_described)
{
    const struct tp_word one[] = { { "auto", 0 }, { NULL, 0 } };
    const struct tp_word three[] = { { "a", 0 }, { "b", 0 }, { "c", 0 }, { NULL, 0 } };
    const struct tp_conf_slot number_or_word = { .type = TP_VALUE_NUMBER, .words = one };
    const struct tp_conf_slot number_or_words = { .type = TP_VALUE_NUMBER, .words = three };
    const struct tp_conf_slot word = { .type = TP_VALUE_WORD, .words = one };
    const struct tp_conf_slot words = { .type = TP_VALUE_WORD, .words = three };
    const struct tp_custom_type custom_type = { .word = "port" };
    const struct tp_conf_slot custom = { .type = TP_VALUE_CUSTOM, .custom = &custom_type };
    struct tp_text text = { 0 };

    tp__value_describe(&number_or_word, &text);
    tp__text_append(&text, TP_STR("\n"));
    tp__value_describe(&number_or_words, &text);
    tp__text_append(&text, TP_STR("\n"));
    tp__value_describe(&word, &text);
    tp__text_append(&text, TP_STR("\n"));
    tp__value_describe(&words, &text);
    tp__text_append(&text, TP_STR("\n"));
    tp__value_describe(&custom, &text);
    ck_assert_str_eq(text.data, "a whole number such as 16 or 4096, or \"auto\"\n"
                                "a whole number such as 16 or 4096, \"a\", \"b\" or \"c\"\n"
                                "\"auto\"\n"
                                "\"a\", \"b\" or \"c\"\n"
                                "port");
    tp__text_fini(&text);
}
END_TEST

Suite *
tp_suite_conf_value(void)
{
    Suite *suite = suite_create("conf/value");
    TCase *tests = tcase_create("value");

    tcase_add_loop_test(tests, numbers_are_read, 0, (int) TP_COUNT_OF(number_cases));
    tcase_add_test(tests, words_lie_outside_the_range);
    tcase_add_test(tests, relative_paths_start_at_the_prefix);
    tcase_add_test(tests, values_are_compared_by_what_they_mean);
    tcase_add_test(tests, valid_forms_are_described);
    suite_add_tcase(suite, tests);
    return suite;
}
