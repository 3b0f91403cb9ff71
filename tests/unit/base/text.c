/*
 * text.c - tests of base/text.
 */
#include "base/text.h"

#include "base/str.h"

#include "scratch.h"

#include <check.h>

START_TEST(an_empty_text_is_an_empty_terminated_slice)
{
    struct tp_text text = { 0 };

    ck_assert_str_eq("", tp__text_get(&text).data);
    ck_assert_uint_eq(0, tp__text_get(&text).len);
    ck_assert(tp__text_is_whole(&text));
    tp__text_fini(&text);
}
END_TEST

START_TEST(grows_with_what_is_appended)
{
    struct tp_text text = { 0 };

    for (size_t i = 0; i < 1000; i++) {
        tp__text_append(&text, TP_STR("0123456789"));
        ck_assert_uint_eq((i + 1) * 10, tp__text_get(&text).len);
        ck_assert_int_eq('\0', text.data[text.len]);
    }
    for (size_t i = 0; i < 1000; i++) {
        ck_assert_mem_eq("0123456789", text.data + i * 10, 10);
    }
    ck_assert(tp__text_is_whole(&text));
    tp__text_fini(&text);
    ck_assert_ptr_null(text.data);
}
END_TEST

START_TEST(keeps_bytes_of_any_value)
{
    struct tp_text text = { 0 };
    const struct tp_str bytes = { "a\0b\xff", 4 };

    tp__text_append(&text, bytes);
    ck_assert(tp__str_equal(bytes, tp__text_get(&text)));
    tp__text_fini(&text);
}
END_TEST

START_TEST(appending_nothing_changes_nothing)
{
    struct tp_text text = { 0 };

    tp__text_append(&text, (struct tp_str){ NULL, 0 });
    ck_assert_ptr_null(text.data);
    tp__text_printf(&text, "%s", "");
    ck_assert_str_eq("", tp__text_get(&text).data);
    ck_assert_uint_eq(0, text.len);
    tp__text_fini(&text);
}
END_TEST

START_TEST(prints_behind_what_is_there)
{
    struct tp_text text = { 0 };

    tp__text_append(&text, TP_STR("port="));
    tp__text_printf(&text, "%d, %s", 9090, "peer");
    ck_assert_str_eq("port=9090, peer", tp__text_get(&text).data);
    tp__text_printf(&text, "%*d", 5000, 1);
    ck_assert_uint_eq(15 + 5000, text.len);
    ck_assert_uint_eq(text.len, strlen(text.data));
    tp__text_fini(&text);
}
END_TEST

/* The capacity's edges: the terminator must be counted. */
START_TEST(fits_exactly_at_every_length)
{
    for (size_t len = 120; len < 140; len++) {
        struct tp_text text = { 0 };

        tp__text_printf(&text, "%*d", (int) len, 0);
        tp__text_append(&text, TP_STR("x"));
        ck_assert_uint_eq(len + 1, strlen(tp__text_get(&text).data));
        tp__text_fini(&text);
    }
}
END_TEST

START_TEST(clearing_keeps_the_memory)
{
    struct tp_text text = { 0 };

    tp__text_clear(&text);
    ck_assert_str_eq("", tp__text_get(&text).data);
    tp__text_append(&text, TP_STR("something"));

    const char *memory = text.data;

    tp__text_clear(&text);
    ck_assert_str_eq("", tp__text_get(&text).data);
    ck_assert_ptr_eq(memory, text.data);
    tp__text_append(&text, TP_STR("other"));
    ck_assert_str_eq("other", tp__text_get(&text).data);
    tp__text_fini(&text);
}
END_TEST

START_TEST(remembers_that_something_did_not_fit)
{
    struct tp_text text = { 0 };

    tp__text_append(&text, TP_STR("begin"));
    tp__text_append(&text, (struct tp_str){ "no such length", SIZE_MAX / 2 });
    ck_assert(!tp__text_is_whole(&text));
    tp__text_append(&text, TP_STR(" end"));
    tp__text_printf(&text, "%s", " end");
    ck_assert(!tp__text_is_whole(&text));
    ck_assert_str_eq("begin", tp__text_get(&text).data);

    tp__text_clear(&text);
    tp__text_append(&text, TP_STR("again"));
    ck_assert(tp__text_is_whole(&text));
    ck_assert_str_eq("again", tp__text_get(&text).data);
    tp__text_fini(&text);
}
END_TEST

#ifndef TP_TEST_HAS_SANITIZER
START_TEST(remembers_that_memory_was_out)
{
    struct tp_text text = { 0 };

    tp__text_append(&text, TP_STR("begin"));
    tp__text_append(&text, (struct tp_str){ "no such length", SIZE_MAX / 4 });
    ck_assert(!tp__text_is_whole(&text));
    ck_assert_str_eq("begin", tp__text_get(&text).data);
    tp__text_fini(&text);
    ck_assert(tp__text_is_whole(&text));
}
END_TEST
#endif

Suite *
tp_suite_base_text(void)
{
    Suite *suite = suite_create("base/text");
    TCase *text = tcase_create("text");

    tcase_add_test(text, an_empty_text_is_an_empty_terminated_slice);
    tcase_add_test(text, grows_with_what_is_appended);
    tcase_add_test(text, keeps_bytes_of_any_value);
    tcase_add_test(text, appending_nothing_changes_nothing);
    tcase_add_test(text, prints_behind_what_is_there);
    tcase_add_test(text, fits_exactly_at_every_length);
    tcase_add_test(text, clearing_keeps_the_memory);
    tcase_add_test(text, remembers_that_something_did_not_fit);
#ifndef TP_TEST_HAS_SANITIZER
    tcase_add_test(text, remembers_that_memory_was_out);
#endif
    suite_add_tcase(suite, text);
    return suite;
}
