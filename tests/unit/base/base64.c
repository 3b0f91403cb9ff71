/*
 * base64.c - tests of bytes as letters.
 */
#include <teleport/base64.h>

#include <check.h>
#include <string.h>

/* RFC 4648, 10, and one with the letters that the alphabets differ in. */
static const struct {
    const char *bytes;
    const char *padded;
    const char *bare;
    const char *url;
} samples[] = {
    { "", "", "", "" },
    { "f", "Zg==", "Zg", "Zg" },
    { "fo", "Zm8=", "Zm8", "Zm8" },
    { "foo", "Zm9v", "Zm9v", "Zm9v" },
    { "foob", "Zm9vYg==", "Zm9vYg", "Zm9vYg" },
    { "fooba", "Zm9vYmE=", "Zm9vYmE", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy", "Zm9vYmFy" },
    { "\xfb\xff\xbf", "+/+/", "+/+/", "-_-_" },
};

static const struct {
    const char *letters;
    enum tp_base64_form form;
} bad[] = {
    { "Z", TP_BASE64_BARE },      { "Zg==", TP_BASE64_BARE },   { "Zg=", TP_BASE64_PADDED },
    { "Zg", TP_BASE64_PADDED },   { "Zh", TP_BASE64_BARE },     { "Zm9", TP_BASE64_BARE },
    { "Zg==", TP_BASE64_URL },    { "+/+/", TP_BASE64_URL },    { "-_-_", TP_BASE64_BARE },
    { "Zm9v\n", TP_BASE64_BARE }, { "Zm 9v", TP_BASE64_PADDED }, { "====", TP_BASE64_PADDED },
    { "Z===", TP_BASE64_PADDED }, { "Zg==Zg==", TP_BASE64_PADDED },
};

static void check_form(const char *bytes, const char *letters, enum tp_base64_form form);

START_TEST(writes_and_reads)
{
    check_form(samples[_i].bytes, samples[_i].padded, TP_BASE64_PADDED);
    check_form(samples[_i].bytes, samples[_i].bare, TP_BASE64_BARE);
    check_form(samples[_i].bytes, samples[_i].url, TP_BASE64_URL);
}
END_TEST

START_TEST(refuses_what_is_written_otherwise)
{
    uint8_t bytes[32];
    struct tp_str letters = { bad[_i].letters, strlen(bad[_i].letters) };

    ck_assert_uint_eq(SIZE_MAX, tp_base64_read(letters, bad[_i].form, bytes));
}
END_TEST

static void
check_form(const char *bytes, const char *letters, enum tp_base64_form form)
{
    char written[32];
    uint8_t read[32];
    size_t len = strlen(bytes);
    size_t count = tp_base64_write((struct tp_str){ bytes, len }, form, written);

    ck_assert_uint_eq(strlen(letters), count);
    ck_assert_mem_eq(letters, written, count);
    ck_assert_uint_eq(len, tp_base64_read((struct tp_str){ letters, count }, form, read));
    ck_assert_mem_eq(bytes, read, len);
}

Suite *
tp_suite_base_base64(void)
{
    Suite *suite = suite_create("base/base64");
    TCase *tests = tcase_create("base64");

    tcase_add_loop_test(tests, writes_and_reads, 0, TP_COUNT_OF(samples));
    tcase_add_loop_test(tests, refuses_what_is_written_otherwise, 0, TP_COUNT_OF(bad));
    suite_add_tcase(suite, tests);
    return suite;
}
