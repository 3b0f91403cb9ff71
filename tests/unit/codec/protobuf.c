/*
 * protobuf.c - tests of the codec protobuf, which is no more than its id.
 */
#include <teleport/module.h>

#include <check.h>

extern const struct tp_module tp_module_protobuf;

START_TEST(has_its_id_and_no_trees)
{
    const struct tp_codec *codec = tp_module_protobuf.codec;

    ck_assert_ptr_nonnull(codec);
    ck_assert_int_eq(TP_CODEC_PROTOBUF, codec->id);
    ck_assert(codec->decode == NULL && codec->encode == NULL);
}
END_TEST

Suite *
tp_suite_codec_protobuf(void)
{
    Suite *suite = suite_create("codec/protobuf");
    TCase *names = tcase_create("names");

    tcase_add_test(names, has_its_id_and_no_trees);
    suite_add_tcase(suite, names);
    return suite;
}
