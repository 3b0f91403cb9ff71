/*
 * address.c - tests of os/address.
 */
#include "os/address.h"

#include "base/str.h"

#include "scratch.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/un.h>

static struct tp_address
address_of(const char *text)
{
    struct tp_address address;

    ck_assert_int_eq(TP_OK, tp_address_parse_ip(tp__str(text), &address));
    return address;
}

START_TEST(every_spelling_has_one_canonical_form)
{
    static const struct {
        const char *spelling;
        const char *canonical;
    } cases[] = {
        { "9090", "0.0.0.0:9090" },
        { "*:9090", "0.0.0.0:9090" },
        { "0.0.0.0:09090", "0.0.0.0:9090" },
        { "localhost:1", "127.0.0.1:1" },
        { "192.0.2.7:65535", "192.0.2.7:65535" },
        { "[::]:80", "[::]:80" },
        { "[0:0::0]:80", "[::]:80" },
        { "[2001:DB8::0001]:80", "[2001:db8::1]:80" },
        { "[::ffff:192.0.2.7]:80", "[::ffff:192.0.2.7]:80" },
        { "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
          "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
        { "unix:/run/teleport.sock", "unix:/run/teleport.sock" },
        { "unix:run/a:b.sock", "unix:run/a:b.sock" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        struct tp_endpoint endpoint;
        char text[TP_ENDPOINT_TEXT_MAX];

        ck_assert_pstr_eq(NULL, tp__endpoint_parse(tp__str(cases[i].spelling), &endpoint));
        ck_assert_str_eq(cases[i].canonical, tp__endpoint_format(&endpoint, text));
    }
}
END_TEST

START_TEST(refuses_what_is_no_endpoint)
{
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "80:",
        "a",
        "80x",
        "example.com:80",
        "1.2.3:80",
        "1.2.3.4.5:80",
        "256.0.0.1:80",
        "[::1]80",
        "[::1]x:80",
        "[::1",
        "[::1]:",
        "[]:80",
        "[127.0.0.1]:80",
        "[fe80::1%lo]:80",
        "127.0.0.1:80:80",
        "127.0.0.1: 80",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:80",
        "99999999999999999999",
    };

    for (size_t i = 0; i < TP_COUNT_OF(texts); i++) {
        struct tp_endpoint endpoint;
        const char *valid = tp__endpoint_parse(tp__str(texts[i]), &endpoint);

        ck_assert_msg(valid != NULL, "\"%s\" was taken", texts[i]);
        ck_assert_msg(strstr(valid, "host names are not looked up") != NULL, "%s", valid);
    }
}
END_TEST

START_TEST(an_address_without_a_port_is_told_that_it_needs_one)
{
    static const char *const texts[] = { "127.0.0.1", "localhost", "[::1]", "::1", "::1:80" };

    for (size_t i = 0; i < TP_COUNT_OF(texts); i++) {
        struct tp_endpoint endpoint;
        const char *valid = tp__endpoint_parse(tp__str(texts[i]), &endpoint);

        ck_assert_msg(valid != NULL, "\"%s\" was taken", texts[i]);
        ck_assert_msg(strstr(valid, i < 2 ? "as in 127.0.0.1:9090" : "as in [::1]:9090") != NULL,
                      "%s: %s", texts[i], valid);
    }
}
END_TEST

START_TEST(refuses_a_slice_without_bytes)
{
    struct tp_endpoint endpoint;

    ck_assert_ptr_nonnull(tp__endpoint_parse((struct tp_str){ NULL, 0 }, &endpoint));
}
END_TEST

START_TEST(a_port_has_its_own_range)
{
    static const char *const texts[] = { "0", "65536", "-1", "127.0.0.1:0", "[::1]:70000" };

    for (size_t i = 0; i < TP_COUNT_OF(texts); i++) {
        struct tp_endpoint endpoint;

        ck_assert_pstr_eq("a port between 1 and 65535",
                          tp__endpoint_parse(tp__str(texts[i]), &endpoint));
    }
}
END_TEST

START_TEST(a_unix_path_must_fit_the_system)
{
    struct tp_endpoint endpoint;
    char text[sizeof("unix:") + sizeof(((struct sockaddr_un *) 0)->sun_path)];
    char formatted[TP_ENDPOINT_TEXT_MAX];

    memset(text, 'x', sizeof(text));
    memcpy(text, "unix:", 5);
    text[5 + 107] = '\0';
    ck_assert_ptr_null(tp__endpoint_parse(tp__str(text), &endpoint));
    ck_assert_str_eq(text, tp__endpoint_format(&endpoint, formatted));

    text[5 + 107] = 'x';
    ck_assert_ptr_nonnull(tp__endpoint_parse((struct tp_str){ text, 5 + 108 }, &endpoint));
    ck_assert_ptr_nonnull(tp__endpoint_parse(TP_STR("unix:"), &endpoint));
    ck_assert_ptr_nonnull(tp__endpoint_parse(TP_STR("unix:/a\0b"), &endpoint));
}
END_TEST

START_TEST(reads_addresses_without_port)
{
    struct tp_address address = address_of("10.1.2.3");

    ck_assert_int_eq(TP_ADDRESS_V4, address.family);
    ck_assert_mem_eq("\x0a\x01\x02\x03", address.ip, 4);
    ck_assert_uint_eq(0, address.port);

    address = address_of("2001:db8::ff");
    ck_assert_int_eq(TP_ADDRESS_V6, address.family);
    ck_assert_mem_eq("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\xff", address.ip, 16);
}
END_TEST

START_TEST(refuses_what_is_no_address)
{
    static const struct tp_str texts[] = {
        { NULL, 0 },
        { "", 0 },
        { "1.2.3", 5 },
        { "1.2.3.4 ", 8 },
        { "::1::", 5 },
        { "127.0.0.1\0 and more", 19 },
        { "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", 49 },
    };

    for (size_t i = 0; i < TP_COUNT_OF(texts); i++) {
        struct tp_address address;

        ck_assert_int_eq(TP_INVALID, tp_address_parse_ip(texts[i], &address));
        ck_assert_int_eq(TP_ADDRESS_NONE, address.family);
    }
}
END_TEST

START_TEST(formats_with_and_without_port)
{
    char text[TP_ADDRESS_TEXT_MAX];
    struct tp_address address = address_of("127.0.0.1");

    ck_assert_str_eq("127.0.0.1", tp_address_format(&address, text));
    address.port = 80;
    ck_assert_str_eq("127.0.0.1:80", tp_address_format(&address, text));
    address = address_of("::1");
    ck_assert_str_eq("::1", tp_address_format(&address, text));
    address.port = 80;
    ck_assert_str_eq("[::1]:80", tp_address_format(&address, text));
    address = (struct tp_address){ .family = TP_ADDRESS_UNIX };
    ck_assert_str_eq("unix:", tp_address_format(&address, text));
    address = (struct tp_address){ 0 };
    ck_assert_str_eq("none", tp_address_format(&address, text));
}
END_TEST

START_TEST(a_customer_has_an_ipv4_address_or_an_ipv6_network)
{
    static const struct {
        const char *address;
        const char *customer;
    } cases[] = {
        { "192.0.2.7", "192.0.2.7" },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
        { "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::" },
        { "::1", "::" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        struct tp_address address = address_of(cases[i].address);
        char text[TP_ADDRESS_TEXT_MAX];

        address.port = 9090;
        address = tp_address_customer(&address);
        ck_assert_str_eq(cases[i].customer, tp_address_format(&address, text));
    }
    struct tp_address local = { .family = TP_ADDRESS_UNIX };

    ck_assert_int_eq(TP_ADDRESS_UNIX, tp_address_customer(&local).family);
}
END_TEST

START_TEST(a_network_is_told_by_its_first_bits)
{
    static const struct {
        const char *address;
        const char *network;
        unsigned bits;
        bool is_in;
    } cases[] = {
        { "10.1.2.3", "10.0.0.0", 8, true },
        { "11.1.2.3", "10.0.0.0", 8, false },
        { "11.1.2.3", "10.0.0.0", 7, true },
        { "12.1.2.3", "10.0.0.0", 7, false },
        { "10.1.2.3", "10.1.2.3", 32, true },
        { "10.1.2.2", "10.1.2.3", 32, false },
        { "10.1.2.2", "10.1.2.3", 31, true },
        { "10.1.2.3", "99.0.0.0", 0, true },
        { "2001:db8:8000::1", "2001:db8::", 32, true },
        { "2001:db8:8000::1", "2001:db8::", 33, false },
        { "::1", "::1", 128, true },
        { "::2", "::1", 128, false },
        { "::", "::1", 127, true },
        { "10.0.0.1", "::", 0, false },
        { "::1", "0.0.0.0", 0, false },
    };

    for (size_t i = 0; i < TP_COUNT_OF(cases); i++) {
        struct tp_address address = address_of(cases[i].address);
        struct tp_address network = address_of(cases[i].network);

        ck_assert_msg(tp_address_in_network(&address, &network, cases[i].bits) == cases[i].is_in,
                      "%s in %s/%u", cases[i].address, cases[i].network, cases[i].bits);
    }
}
END_TEST

START_TEST(no_network_has_more_bits_than_an_address)
{
    struct tp_address address = address_of("::1");

    tp__scratch_be_quiet();
    tp_address_in_network(&address, &address, 129);
}
END_TEST

START_TEST(goes_to_the_system_and_back)
{
    static const char *const ips[] = { "192.0.2.7", "2001:db8::7" };

    for (size_t i = 0; i < TP_COUNT_OF(ips); i++) {
        struct sockaddr_storage system;
        struct tp_address address = address_of(ips[i]);

        address.port = 9090;
        ck_assert_uint_gt(tp__address_to_system(&address, TP_STR(""), &system), 0);

        struct tp_address back = tp__address_from_system(&system);

        ck_assert_uint_eq(address.family, back.family);
        ck_assert_uint_eq(address.port, back.port);
        ck_assert_mem_eq(address.ip, back.ip, sizeof(address.ip));
    }
}
END_TEST

START_TEST(an_ipv4_peer_of_an_ipv6_socket_is_an_ipv4_address)
{
    struct sockaddr_storage system;
    struct tp_address mapped = address_of("::ffff:192.0.2.7");
    char text[TP_ADDRESS_TEXT_MAX];

    mapped.port = 9090;
    ck_assert_uint_gt(tp__address_to_system(&mapped, TP_STR(""), &system), 0);

    struct tp_address address = tp__address_from_system(&system);
    struct tp_address network = address_of("192.0.2.0");

    ck_assert_str_eq("192.0.2.7:9090", tp_address_format(&address, text));
    ck_assert(tp_address_in_network(&address, &network, 24));
}
END_TEST

START_TEST(a_unix_path_goes_to_the_system_terminated)
{
    struct sockaddr_storage system;
    const struct tp_address address = { .family = TP_ADDRESS_UNIX };
    socklen_t len = tp__address_to_system(&address, TP_STR("/run/a"), &system);

    ck_assert_uint_eq(offsetof(struct sockaddr_un, sun_path) + 7, len);
    ck_assert_str_eq("/run/a", ((struct sockaddr_un *) &system)->sun_path);
    ck_assert_int_eq(TP_ADDRESS_UNIX, tp__address_from_system(&system).family);
}
END_TEST

START_TEST(a_family_we_do_not_know_is_none)
{
    const struct sockaddr_storage system = { .ss_family = AF_UNSPEC };

    ck_assert_int_eq(TP_ADDRESS_NONE, tp__address_from_system(&system).family);
}
END_TEST

Suite *
tp_suite_os_address(void)
{
    Suite *suite = suite_create("os/address");
    TCase *endpoints = tcase_create("endpoints");
    TCase *addresses = tcase_create("addresses");
    TCase *systems = tcase_create("systems");

    tcase_add_test(endpoints, every_spelling_has_one_canonical_form);
    tcase_add_test(endpoints, refuses_what_is_no_endpoint);
    tcase_add_test(endpoints, an_address_without_a_port_is_told_that_it_needs_one);
    tcase_add_test(endpoints, refuses_a_slice_without_bytes);
    tcase_add_test(endpoints, a_port_has_its_own_range);
    tcase_add_test(endpoints, a_unix_path_must_fit_the_system);
    suite_add_tcase(suite, endpoints);

    tcase_add_test(addresses, reads_addresses_without_port);
    tcase_add_test(addresses, refuses_what_is_no_address);
    tcase_add_test(addresses, formats_with_and_without_port);
    tcase_add_test(addresses, a_customer_has_an_ipv4_address_or_an_ipv6_network);
    tcase_add_test(addresses, a_network_is_told_by_its_first_bits);
    tcase_add_test_raise_signal(addresses, no_network_has_more_bits_than_an_address, SIGABRT);
    suite_add_tcase(suite, addresses);

    tcase_add_test(systems, goes_to_the_system_and_back);
    tcase_add_test(systems, an_ipv4_peer_of_an_ipv6_socket_is_an_ipv4_address);
    tcase_add_test(systems, a_unix_path_goes_to_the_system_terminated);
    tcase_add_test(systems, a_family_we_do_not_know_is_none);
    suite_add_tcase(suite, systems);
    return suite;
}
