/*
 * wire.c - tests of packet/wire: whose pages may ask.
 */
#include <teleport/protocol.h>

#include "base/str.h"

#include <check.h>

static const struct tp_str listed[] = { { "https://a.example", 17 }, { "null", 4 } };
static const struct tp_str any[] = { { "https://a.example", 17 }, { "*", 1 } };

static const struct {
    const char *origin;
    const char *host;
    bool is_allowed;
} pages[] = {
    { "https://a.example", "b.example", true },
    { "null", "b.example", true },
    { "https://b.example:8443", "b.example:8443", true },
    { "http://b.example", "B.example", true },
    { "https://b.example", "b.example:8443", false },
    { "http://a.example", "b.example", false },
    { "https://a.example:1", "b.example", false },
    { "https://a.example.evil", "b.example", false },
    { "b.example", "b.example", false },
    { "https:b.example", "b.example", false },
    { "", "", false },
    { "https://", "", false },
};

START_TEST(allows_the_own_host_and_those_listed)
{
    struct tp_wire wire = { .origins = listed, .origin_count = TP_COUNT_OF(listed) };
    struct tp_str origin = tp__str(pages[_i].origin);
    struct tp_str host = tp__str(pages[_i].host);

    ck_assert_int_eq(pages[_i].is_allowed, tp_wire_allows_origin(&wire, origin, host));
    wire = (struct tp_wire){ .origins = any, .origin_count = TP_COUNT_OF(any) };
    ck_assert(tp_wire_allows_origin(&wire, origin, host));
    wire = (struct tp_wire){ .origin_count = 0 };
    ck_assert(tp_wire_allows_origin(&wire, origin, host));
}
END_TEST

Suite *
tp_suite_packet_wire(void)
{
    Suite *suite = suite_create("packet/wire");
    TCase *origins = tcase_create("origins");

    tcase_add_loop_test(origins, allows_the_own_host_and_those_listed, 0, (int) TP_COUNT_OF(pages));
    suite_add_tcase(suite, origins);
    return suite;
}
