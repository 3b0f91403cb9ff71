/*
 * keyed_hash.c - tests of base/keyed_hash: the values that the inventors of the hash give.
 */
#include "base/keyed_hash.h"

#include <check.h>

Suite *tp_suite_base_keyed_hash(void);

/* The key of the published test vectors: the bytes 0 to 15. */
static const struct tp_hash_key published_key = {
    .low = UINT64_C(0x0706050403020100),
    .high = UINT64_C(0x0f0e0d0c0b0a0908),
};

START_TEST(hashes_as_published)
{
    char bytes[15];

    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char) i;
    }
    ck_assert_uint_eq(UINT64_C(0x726fdb47dd0e0e31),
                      tp__keyed_hash(published_key, (struct tp_str){ NULL, 0 }));
    ck_assert_uint_eq(UINT64_C(0x93f5f5799a932462),
                      tp__keyed_hash(published_key, (struct tp_str){ bytes, 8 }));
    ck_assert_uint_eq(UINT64_C(0xa129ca6149be45e5),
                      tp__keyed_hash(published_key, (struct tp_str){ bytes, 15 }));
}
END_TEST

START_TEST(depends_on_the_key)
{
    struct tp_hash_key other = published_key;

    other.high ^= 1;
    ck_assert_uint_ne(tp__keyed_hash(published_key, TP_STR("device-1")),
                      tp__keyed_hash(other, TP_STR("device-1")));
}
END_TEST

Suite *
tp_suite_base_keyed_hash(void)
{
    Suite *suite = suite_create("base/keyed_hash");
    TCase *values = tcase_create("values");

    tcase_add_test(values, hashes_as_published);
    tcase_add_test(values, depends_on_the_key);
    suite_add_tcase(suite, values);
    return suite;
}
