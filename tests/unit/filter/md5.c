/*
 * md5.c - tests of the filter md5: sums as the RFC has them, and those that do not fit.
 */
#include <teleport/module.h>

#include "bytes_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUM_BYTES = 16,
    LONG_BYTES = 50 * 1000,
    PLENTY = 1024 * 1024,
};

extern const struct tp_module tp_module_md5;

struct fixture {
    struct tp_buf_pool pool;
    void *state;
    const struct tp_filter *filter;
    struct tp_chain given;
    struct tp_chain made;
};

static void
fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_pool_init(&fixture->pool);
    fixture->filter = tp_module_md5.filter;
    fixture->state = calloc(1, fixture->filter->state_size);
    ck_assert_ptr_nonnull(fixture->state);
}

static void
fixture_close(struct fixture *fixture)
{
    tp_chain_clear(&fixture->given);
    tp_chain_clear(&fixture->made);
    fixture->filter->fini(fixture->state);
    free(fixture->state);
    tp__buf_pool_fini(&fixture->pool);
}

static enum tp_result
undo(struct fixture *fixture, uint64_t limit)
{
    return fixture->filter->undo(fixture->state, &fixture->given, (struct tp_size){ limit },
                                 &fixture->pool, &fixture->made);
}

static void
give_hex(struct fixture *fixture, const char *text, size_t step)
{
    static struct tp_test_bytes bytes;

    tp_chain_clear(&fixture->given);
    tp_chain_clear(&fixture->made);
    tp__test_bytes_fill(&bytes, text);
    tp__test_chain_add(&fixture->given, &fixture->pool, bytes.data, bytes.len, step);
}

/* RFC 1321, appendix A.5. */
static const struct {
    const char *plain;
    const char *sum;
} rows[] = {
    { "", "d41d8cd98f00b204e9800998ecf8427e" },
    { "a", "0cc175b9c0f1b6a831c399e269772661" },
    { "abc", "900150983cd24fb0d6963f7d28e17f72" },
    { "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
    { "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
      "57edf4a22be3c955ac49da2e2107b67a" },
};

START_TEST(the_sum_stands_behind_the_bytes)
{
    struct fixture fixture;

    fixture_open(&fixture);
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        static struct tp_test_bytes wanted;
        char text[256];

        give_hex(&fixture, "", 1);
        tp__test_chain_add(&fixture.given, &fixture.pool, rows[i].plain, strlen(rows[i].plain), 7);
        ck_assert_int_eq(TP_OK, fixture.filter->apply(fixture.state, 0, &fixture.given,
                                                      &fixture.pool, &fixture.made));
        snprintf(text, sizeof(text), "'%s' %s", rows[i].plain, rows[i].sum);
        tp__test_bytes_fill(&wanted, text);
        tp__test_chain_assert(&fixture.made, wanted.data, wanted.len);
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_fits_comes_back_however_it_is_cut)
{
    struct fixture fixture;

    fixture_open(&fixture);
    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        for (size_t step = 1; step < 40; step += 3) {
            char text[256];

            snprintf(text, sizeof(text), "'%s' %s", rows[i].plain, rows[i].sum);
            give_hex(&fixture, text, step);
            ck_assert_int_eq(TP_OK, undo(&fixture, strlen(rows[i].plain)));
            tp__test_chain_assert(&fixture.made, rows[i].plain, strlen(rows[i].plain));
        }
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    static const char *const broken[] = {
        "",
        "'abc'",
        "d41d8cd98f00b204e9800998ecf842",
        "'abd' 900150983cd24fb0d6963f7d28e17f72",
        "'abc' 900150983cd24fb0d6963f7d28e17f73",
        "'abc' 900150983cd24fb0d6963f7d28e17f",
        "'abc' 900150983cd24fb0d6963f7d28e17f72 00",
        "900150983cd24fb0d6963f7d28e17f72 'abc'",
    };
    struct fixture fixture;

    fixture_open(&fixture);
    for (size_t i = 0; i < TP_COUNT_OF(broken); i++) {
        give_hex(&fixture, broken[i], 5);
        ck_assert_msg(undo(&fixture, PLENTY) == TP_INVALID, "%s", broken[i]);
        ck_assert_uint_eq(0, fixture.made.len);
    }
    fixture_close(&fixture);
}
END_TEST

START_TEST(the_limit_is_that_of_the_bytes_without_the_sum)
{
    struct fixture fixture;

    fixture_open(&fixture);
    give_hex(&fixture, "'abc' 900150983cd24fb0d6963f7d28e17f72", SUM_BYTES);
    ck_assert_int_eq(TP_TOO_LARGE, undo(&fixture, 2));
    ck_assert_uint_eq(0, fixture.made.len);
    ck_assert_int_eq(TP_OK, undo(&fixture, 3));
    fixture_close(&fixture);
}
END_TEST

START_TEST(nothing_is_copied_but_the_sum)
{
    struct fixture fixture;
    static uint8_t bytes[LONG_BYTES];

    fixture_open(&fixture);
    memset(bytes, 'x', sizeof(bytes));
    tp__test_chain_add(&fixture.given, &fixture.pool, bytes, sizeof(bytes), sizeof(bytes));
    ck_assert_int_eq(TP_OK, fixture.filter->apply(fixture.state, 0, &fixture.given, &fixture.pool,
                                                  &fixture.made));
    ck_assert_uint_eq(sizeof(bytes) + SUM_BYTES, fixture.made.len);
    ck_assert_ptr_eq(tp_chain_front(&fixture.given)->data, tp_chain_front(&fixture.made)->data);
    ck_assert_int_eq(TP_INVALID, fixture.filter->apply(fixture.state, 1, &fixture.given,
                                                       &fixture.pool, &fixture.made));
    fixture_close(&fixture);
}
END_TEST

START_TEST(memory_may_be_missing)
{
    struct fixture fixture;
    struct tp_test_hunger hunger;

    fixture_open(&fixture);
    give_hex(&fixture, "'abc'", 1);
    if (tp__test_starve(&hunger)) {
        enum tp_result result =
            fixture.filter->apply(fixture.state, 0, &fixture.given, &fixture.pool, &fixture.made);

        tp__test_feed(&hunger);
        ck_assert_int_eq(TP_NO_MEMORY, result);
        ck_assert_uint_eq(0, fixture.made.len);
    }
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_filter_md5(void)
{
    Suite *suite = suite_create("filter/md5");
    TCase *sums = tcase_create("sums");

    tcase_add_test(sums, the_sum_stands_behind_the_bytes);
    tcase_add_test(sums, what_fits_comes_back_however_it_is_cut);
    tcase_add_test(sums, what_does_not_fit_is_refused);
    tcase_add_test(sums, the_limit_is_that_of_the_bytes_without_the_sum);
    tcase_add_test(sums, nothing_is_copied_but_the_sum);
    tcase_add_test(sums, memory_may_be_missing);
    suite_add_tcase(suite, sums);
    return suite;
}
