/*
 * status.c - tests of packet/status.
 */
#include <teleport/status.h>

#include <check.h>
#include <string.h>

START_TEST(known_codes_have_texts)
{
    ck_assert_uint_eq(2, tp_status_text(200).len);
    ck_assert_mem_eq("OK", tp_status_text(200).data, 2);
    ck_assert_str_eq("Not Found", tp_status_text(TP_STATUS_NOT_FOUND).data);
    ck_assert_str_eq("Unsupported Packet Type", tp_status_text(410).data);
}
END_TEST

START_TEST(other_codes_have_an_empty_one)
{
    static const int32_t codes[] = { 0, -1, 201, 1001, INT32_MAX, INT32_MIN };

    for (size_t i = 0; i < TP_COUNT_OF(codes); i++) {
        ck_assert_uint_eq(0, tp_status_text(codes[i]).len);
        ck_assert_ptr_nonnull(tp_status_text(codes[i]).data);
    }
}
END_TEST

START_TEST(a_status_is_its_code_and_text)
{
    struct tp_status status = tp_status_of(TP_STATUS_GATEWAY_TIMEOUT);

    ck_assert_int_eq(504, status.code);
    ck_assert_str_eq("Gateway Timeout", status.text.data);
    ck_assert_uint_eq(0, status.cause.len);
}
END_TEST

Suite *
tp_suite_packet_status(void)
{
    Suite *suite = suite_create("packet/status");
    TCase *status = tcase_create("status");

    tcase_add_test(status, known_codes_have_texts);
    tcase_add_test(status, other_codes_have_an_empty_one);
    tcase_add_test(status, a_status_is_its_code_and_text);
    suite_add_tcase(suite, status);
    return suite;
}
