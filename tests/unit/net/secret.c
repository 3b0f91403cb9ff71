/*
 * secret.c - tests of hashes of secrets.
 */
#include <teleport/secret.h>

#include <check.h>
#include <string.h>

#define SALT "MDEyMzQ1Njc4OWFiY2RlZg"
#define SUM  "qrn7ZhlST3jO5Auifbc3xCWPabXREAX1HDl5f9rqSnA"

/* The second is of RFC 7914, 12. */
static const struct {
    const char *secret;
    const char *hash;
} samples[] = {
    { "open sesame", "$scrypt$ln=10,r=8,p=1$" SALT "$" SUM },
    { "password",
      "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/"
      "xCSedmDDaxyevuUqD7m2DYMvfoswGQA" },
};

static const char *const bad[] = {
    "",
    "secret",
    "$scrypt$",
    "$2b$10$abcdefghijklmnopqrstuv",
    "$scrypt$ln=9,r=8,p=1$" SALT "$" SUM,
    "$scrypt$ln=19,r=8,p=1$" SALT "$" SUM,
    "$scrypt$ln=010,r=8,p=1$" SALT "$" SUM,
    "$scrypt$ln=10,r=0,p=1$" SALT "$" SUM,
    "$scrypt$ln=10,r=8,p=17$" SALT "$" SUM,
    "$scrypt$ln=10,r=8,p=999$" SALT "$" SUM,
    "$scrypt$ln=18,r=32,p=1$" SALT "$" SUM,
    "$scrypt$ln=10,r=8,p=1$$" SUM,
    "$scrypt$ln=10,r=8,p=1$" SALT "$",
    "$scrypt$ln=10,r=8,p=1$" SALT "$AAAA",
    "$scrypt$ln=10,r=8,p=1$" SALT,
    "$scrypt$ln=10,r=8,p=1$" SALT "$" SUM " ",
    "$scrypt$ln=10,r=8,p=1$" SALT "$" SUM "$" SUM,
    "$scrypt$ln=10,r=8,p=1$" SALT "==$" SUM,
    "$scrypt$ln=10,r=8,p=1$" SALT SALT SALT SALT "$" SUM,
    "$scrypt$ln=10,r=8,p=1$" SALT "$" SUM SUM SUM,
    "$scrypt$r=8,ln=10,p=1$" SALT "$" SUM,
};

static struct tp_str
text_of(const char *text)
{
    return (struct tp_str){ text, strlen(text) };
}

START_TEST(knows_hashes_of_others)
{
    struct tp_secret_hash hash;

    ck_assert_ptr_null(tp_secret_hash_read(text_of(samples[_i].hash), &hash));
    ck_assert_int_eq(TP_OK, tp_secret_check(&hash, text_of(samples[_i].secret)));
    ck_assert_int_eq(TP_DENIED, tp_secret_check(&hash, TP_STR("open sesamf")));
    ck_assert_int_eq(TP_DENIED, tp_secret_check(&hash, TP_STR("")));
}
END_TEST

START_TEST(makes_and_checks)
{
    char text[TP_SECRET_HASH_TEXT_MAX];
    char other[TP_SECRET_HASH_TEXT_MAX];
    struct tp_secret_hash hash;
    struct tp_str secret = { "a\0b", 3 };

    ck_assert_int_eq(TP_OK, tp_secret_hash_make(secret, 10, text));
    ck_assert_int_eq(TP_OK, tp_secret_hash_make(secret, 10, other));
    ck_assert_str_ne(text, other);
    ck_assert_ptr_null(tp_secret_hash_read(text_of(text), &hash));
    ck_assert_uint_eq(10, hash.cost);
    ck_assert_int_eq(TP_OK, tp_secret_check(&hash, secret));
    ck_assert_int_eq(TP_DENIED, tp_secret_check(&hash, TP_STR("a")));
}
END_TEST

START_TEST(refuses_what_cannot_be)
{
    char text[TP_SECRET_HASH_TEXT_MAX];
    static char secret[TP_SECRET_BYTES_MAX + 1];

    ck_assert_int_eq(TP_INVALID, tp_secret_hash_make(TP_STR("x"), 9, text));
    ck_assert_int_eq(TP_INVALID, tp_secret_hash_make(TP_STR("x"), 19, text));
    ck_assert_int_eq(TP_TOO_LARGE,
                     tp_secret_hash_make((struct tp_str){ secret, sizeof(secret) }, 10, text));
}
END_TEST

START_TEST(refuses_what_is_no_hash)
{
    struct tp_secret_hash hash;

    ck_assert_msg(tp_secret_hash_read(text_of(bad[_i]), &hash) != NULL, "%s", bad[_i]);
}
END_TEST

Suite *
tp_suite_net_secret(void)
{
    Suite *suite = suite_create("net/secret");
    TCase *tests = tcase_create("secret");

    tcase_add_loop_test(tests, knows_hashes_of_others, 0, TP_COUNT_OF(samples));
    tcase_add_test(tests, makes_and_checks);
    tcase_add_test(tests, refuses_what_cannot_be);
    tcase_add_loop_test(tests, refuses_what_is_no_hash, 0, TP_COUNT_OF(bad));
    suite_add_tcase(suite, tests);
    return suite;
}
