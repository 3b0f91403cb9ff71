/*
 * resolve.c - tests of os/resolve: only what the machine itself knows.
 */
#include "os/resolve.h"

#include <check.h>

Suite *tp_suite_os_resolve(void);

START_TEST(a_numeric_address_is_itself)
{
    struct tp_resolved resolved;
    char text[TP_ADDRESS_TEXT_MAX];

    ck_assert_int_eq(TP_OK, tp__resolve("192.0.2.7", 90, &resolved));
    ck_assert_uint_eq(1, resolved.count);
    ck_assert_str_eq("192.0.2.7:90", tp_address_format(&resolved.addresses[0], text));
}
END_TEST

START_TEST(localhost_has_addresses_of_the_loopback_each_once)
{
    struct tp_resolved resolved;

    ck_assert_int_eq(TP_OK, tp__resolve("localhost", 9090, &resolved));
    ck_assert_uint_ge(resolved.count, 1);
    for (size_t i = 0; i < resolved.count; i++) {
        const struct tp_address *address = &resolved.addresses[i];

        ck_assert_uint_eq(9090, address->port);
        ck_assert(address->family == TP_ADDRESS_V4 ? address->ip[0] == 127 : address->ip[15] == 1);
        for (size_t other = 0; other < i; other++) {
            ck_assert_mem_ne(address, &resolved.addresses[other], sizeof(*address));
        }
    }
}
END_TEST

START_TEST(a_name_that_cannot_be_has_none)
{
    struct tp_resolved resolved;

    ck_assert_int_eq(TP_NOT_FOUND, tp__resolve("two..dots", 9090, &resolved));
    ck_assert_uint_eq(0, resolved.count);
}
END_TEST

Suite *
tp_suite_os_resolve(void)
{
    Suite *suite = suite_create("os/resolve");
    TCase *names = tcase_create("names");

    tcase_add_test(names, a_numeric_address_is_itself);
    tcase_add_test(names, localhost_has_addresses_of_the_loopback_each_once);
    tcase_add_test(names, a_name_that_cannot_be_has_none);
    suite_add_tcase(suite, names);
    return suite;
}
