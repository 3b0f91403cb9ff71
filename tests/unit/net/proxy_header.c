/*
 * proxy_header.c - tests of net/proxy_header: what a proxy may write, and what it may not.
 */
#include "net/proxy_header.h"

#include "base/str.h"
#include "bytes_fixture.h"

#include <check.h>
#include <string.h>

#define SIGNATURE "0d0a0d0a 000d0a51 5549540a "

/* A header, and what it says: its source and destination, or "" where it has none. */
struct good_row {
    const char *bytes;
    const char *source;
    const char *destination;
};

static const struct good_row good_rows[] = {
    { "'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443' 0d0a", "192.0.2.1:56324", "198.51.100.7:443" },
    { "'PROXY TCP4 0.0.0.0 255.255.255.255 65535 65535' 0d0a", "0.0.0.0:65535",
      "255.255.255.255:65535" },
    { "'PROXY TCP6 2001:db8::1 ::1 1 2' 0d0a", "[2001:db8::1]:1", "[::1]:2" },
    { "'PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2' 0d0a", "192.0.2.1:1", "[::1]:2" },
    { "'PROXY UNKNOWN' 0d0a", "", "" },
    { "'PROXY UNKNOWN ffff::1 anything at all' 0d0a", "", "" },
    { SIGNATURE "20 00 0000", "", "" },
    { SIGNATURE "20 11 000c c0000201 c6336407 dc04 01bb", "", "" },
    { SIGNATURE "21 00 0003 010203", "", "" },
    { SIGNATURE "21 11 000c c0000201 c6336407 dc04 01bb", "192.0.2.1:56324", "198.51.100.7:443" },
    { SIGNATURE "21 11 0014 c0000201 c6336407 dc04 01bb 01 0002 6832 04 0000", "192.0.2.1:56324",
      "198.51.100.7:443" },
    { SIGNATURE "21 21 0024 20010db8000000000000000000000001 00000000000000000000000000000001 "
                "0001 0002",
      "[2001:db8::1]:1", "[::1]:2" },
};

/* Bytes, and why they are refused; "" where they are simply no header. */
static const struct {
    const char *bytes;
    const char *why;
} refused_rows[] = {
    { "'GET / HTTP/1.1' 0d0a", "" },
    { "00000010 70", "" },
    { "16 0301 0200", "" },
    { "'proxy TCP4 192.0.2.1 192.0.2.2 1 2' 0d0a", "" },
    { "'PROXY TCP4 192.0.2.1 192.0.2.2 1 2' 0a", "its line does not end with CR and LF" },
    { "'PROXY ' 0a", "its line does not end with CR and LF" },
    { "'PROXY ' 0d0a", "it is neither TCP4, TCP6 nor UNKNOWN" },
    { "'PROXY TCP5 192.0.2.1 192.0.2.2 1 2' 0d0a", "it is neither TCP4, TCP6 nor UNKNOWN" },
    { "'PROXY  TCP4 192.0.2.1 192.0.2.2 1 2' 0d0a", "it is neither TCP4, TCP6 nor UNKNOWN" },
    { "'PROXY TCP4 192.0.2.256 192.0.2.2 1 2' 0d0a", "an address is none" },
    { "'PROXY TCP4 ::1 ::1 1 2' 0d0a", "an address is none" },
    { "'PROXY TCP6 192.0.2.1 192.0.2.2 1 2' 0d0a", "an address is none" },
    { "'PROXY TCP4 192.0.2.1  192.0.2.2 1 2' 0d0a", "an address is none" },
    { "'PROXY TCP4 192.0.2.1 192.0.2.2 1' 0d0a", "a port is none" },
    { "'PROXY TCP4 192.0.2.1 192.0.2.2 1 65536' 0d0a", "a port is none" },
    { "'PROXY TCP4 192.0.2.1 192.0.2.2 01 2' 0d0a", "a port is none" },
    { "'PROXY TCP4 192.0.2.1 192.0.2.2 -1 2' 0d0a", "a port is none" },
    { "'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 ' 0d0a", "a port is none" },
    { "'PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3' 0d0a", "a port is none" },
    { SIGNATURE "11 11 0000", "its version or command is unknown" },
    { SIGNATURE "22 11 0000", "its version or command is unknown" },
    { SIGNATURE "21 12 000c c0000201 c6336407 dc04 01bb", "its addresses are of no stream" },
    { SIGNATURE "21 11 0004 c0000201", "its lengths do not fit" },
    { SIGNATURE "21 11 000e c0000201 c6336407 dc04 01bb 0100", "its lengths do not fit" },
    { SIGNATURE "21 11 000f c0000201 c6336407 dc04 01bb 01 0001", "its lengths do not fit" },
    { SIGNATURE "21 11 0ff1", "it is longer than 4096 bytes" },
};

Suite *tp_suite_net_proxy_header(void);

static void
assert_address(const char *expected, const struct tp_address *address)
{
    char text[TP_ADDRESS_TEXT_MAX];

    ck_assert_str_eq(expected[0] == '\0' ? "none" : expected, tp_address_format(address, text));
}

/* Each one is read when its last byte has come, not before, and whatever comes behind it. */
START_TEST(reads_what_proxies_write)
{
    const struct good_row *row = &good_rows[_i];
    static struct tp_test_bytes bytes;
    struct tp_proxy_header header;
    const char *why;

    tp__test_bytes_fill(&bytes, row->bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        ck_assert_int_eq(TP_PROXY_MORE, tp__proxy_header_read(bytes.data, len, &header, &why));
    }
    for (size_t more = 0; more < 3; more++) {
        bytes.data[bytes.len + more] = '\n';
        ck_assert_int_eq(TP_PROXY_WHOLE,
                         tp__proxy_header_read(bytes.data, bytes.len + more, &header, &why));
        ck_assert_uint_eq(bytes.len, header.len);
        ck_assert_int_eq(row->source[0] != '\0', header.has_addresses);
        assert_address(row->source, &header.source);
        assert_address(row->destination, &header.destination);
    }
}
END_TEST

START_TEST(refuses_what_they_do_not)
{
    static struct tp_test_bytes bytes;
    struct tp_proxy_header header;
    const char *why;

    tp__test_bytes_fill(&bytes, refused_rows[_i].bytes);
    enum tp_proxy_outcome outcome = tp__proxy_header_read(bytes.data, bytes.len, &header, &why);

    ck_assert_int_eq(refused_rows[_i].why[0] == '\0' ? TP_PROXY_NONE : TP_PROXY_BROKEN, outcome);
    ck_assert_str_eq(refused_rows[_i].why, why);
}
END_TEST

START_TEST(knows_how_long_one_may_be)
{
    static uint8_t bytes[TP_PROXY_HEADER_MAX];
    static const char begin[] = "PROXY UNKNOWN ";
    struct tp_proxy_header header;
    const char *why;

    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, begin, sizeof(begin) - 1);
    ck_assert_int_eq(TP_PROXY_MORE, tp__proxy_header_read(bytes, 106, &header, &why));
    ck_assert_int_eq(TP_PROXY_BROKEN, tp__proxy_header_read(bytes, 107, &header, &why));
    memcpy(bytes + 105, "\r\n", 2);
    ck_assert_int_eq(TP_PROXY_WHOLE, tp__proxy_header_read(bytes, 107, &header, &why));
    memcpy(bytes + 106, "\r\n", 2);
    bytes[105] = 'x';
    ck_assert_int_eq(TP_PROXY_BROKEN, tp__proxy_header_read(bytes, 108, &header, &why));
    ck_assert_str_eq("its line is longer than 107 bytes", why);
}
END_TEST

/* The path of a Unix socket is of nobody's interest: it is one. */
START_TEST(reads_unix_sockets)
{
    static uint8_t bytes[16 + 216] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51,
                                       0x55, 0x49, 0x54, 0x0a, 0x21, 0x31, 0x00, 0xd8 };
    struct tp_proxy_header header;
    const char *why;

    ck_assert_int_eq(TP_PROXY_WHOLE, tp__proxy_header_read(bytes, sizeof(bytes), &header, &why));
    assert_address("unix:", &header.source);
}
END_TEST

Suite *
tp_suite_net_proxy_header(void)
{
    Suite *suite = suite_create("net/proxy_header");
    TCase *tests = tcase_create("proxy_header");

    tcase_add_loop_test(tests, reads_what_proxies_write, 0, (int) TP_COUNT_OF(good_rows));
    tcase_add_loop_test(tests, refuses_what_they_do_not, 0, (int) TP_COUNT_OF(refused_rows));
    tcase_add_test(tests, knows_how_long_one_may_be);
    tcase_add_test(tests, reads_unix_sockets);
    suite_add_tcase(suite, tests);
    return suite;
}
