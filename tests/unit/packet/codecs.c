/*
 * codecs.c - tests of packet/codecs.
 */
#include <teleport/ids.h>

#include <check.h>
#include <string.h>

static struct tp_str
text(const char *bytes)
{
    return (struct tp_str){ bytes, strlen(bytes) };
}

START_TEST(each_codec_is_found_by_what_it_is_called)
{
    static const uint8_t ids[] = { 'j', 'p', 's', 'f', 'x', 't' };

    for (size_t i = 0; i < TP_COUNT_OF(ids); i++) {
        ck_assert_int_eq(ids[i], tp_codec_of_name(text(tp_codec_name(ids[i]))));
        ck_assert_int_eq(ids[i], tp_codec_of_mime(text(tp_codec_mime(ids[i]))));
    }
}
END_TEST

START_TEST(further_names_count)
{
    ck_assert_int_eq(TP_CODEC_PLAIN, tp_codec_of_name(TP_STR("string")));
    ck_assert_int_eq(TP_CODEC_PLAIN, tp_codec_of_name(TP_STR("text")));
    ck_assert_int_eq(TP_CODEC_PROTOBUF, tp_codec_of_name(TP_STR("pb")));
    ck_assert_int_eq(TP_CODEC_FORM, tp_codec_of_name(TP_STR("urlencoded")));
}
END_TEST

START_TEST(what_is_unknown_is_none)
{
    static const char *const names[] = { "", "JSON", "string text", "jso", "j", " " };

    for (size_t i = 0; i < TP_COUNT_OF(names); i++) {
        ck_assert_int_eq(TP_CODEC_NONE, tp_codec_of_name(text(names[i])));
    }
    ck_assert_ptr_null(tp_codec_name(TP_CODEC_NONE));
    ck_assert_ptr_null(tp_codec_mime('!'));
}
END_TEST

START_TEST(a_mime_type_is_read_as_headers_have_it)
{
    static const struct {
        const char *mime;
        uint8_t id;
    } types[] = {
        { "application/json; charset=utf-8", 'j' },
        { " Application/JSON\t;q=1", 'j' },
        { "application/problem+json", 'j' },
        { "application/xml", 'x' },
        { "image/svg+xml", 'x' },
        { "application/protobuf", 'p' },
        { "text/plain;charset=latin1", 's' },
        { "application/x-www-form-urlencoded", 'f' },
        { "application/octet-stream", 0 },
        { "multipart/form-data; boundary=x", 0 },
        { "application/jsonp", 0 },
        { "+json", 0 },
        { "text/html", 0 },
        { "*/*", 0 },
        { ";", 0 },
        { "", 0 },
    };

    for (size_t i = 0; i < TP_COUNT_OF(types); i++) {
        ck_assert_msg(tp_codec_of_mime(text(types[i].mime)) == types[i].id, "%s", types[i].mime);
    }
}
END_TEST

Suite *
tp_suite_packet_codecs(void)
{
    Suite *suite = suite_create("packet/codecs");
    TCase *names = tcase_create("names");

    tcase_add_test(names, each_codec_is_found_by_what_it_is_called);
    tcase_add_test(names, further_names_count);
    tcase_add_test(names, what_is_unknown_is_none);
    tcase_add_test(names, a_mime_type_is_read_as_headers_have_it);
    suite_add_tcase(suite, names);
    return suite;
}
