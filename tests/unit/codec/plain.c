/*
 * plain.c - tests of the codec plain, which is no more than its id.
 */
#include <teleport/module.h>

#include <check.h>

extern const struct tp_module tp_module_plain;

START_TEST(has_its_id_and_no_trees)
{
    const struct tp_codec *codec = tp_module_plain.codec;

    ck_assert_ptr_nonnull(codec);
    ck_assert_int_eq(TP_CODEC_PLAIN, codec->id);
    ck_assert(codec->decode == NULL && codec->encode == NULL);
}
END_TEST

Suite *
tp_suite_codec_plain(void)
{
    Suite *suite = suite_create("codec/plain");
    TCase *names = tcase_create("names");

    tcase_add_test(names, has_its_id_and_no_trees);
    suite_add_tcase(suite, names);
    return suite;
}
