/*
 * form.c - tests of the codec form: what it reads, refuses and writes.
 */
#include <teleport/json.h>
#include <teleport/module.h>

#include "bytes_fixture.h"

#include <check.h>
#include <math.h>

enum {
    PAIRS = 6,
    TEXT_BYTES_MAX = 4096,
};

extern const struct tp_module tp_module_form;

/* Of the shape of the module's own. */
static const struct {
    int64_t pairs;
} conf = { PAIRS };

/* A form, the tree it means, and how that is written. */
static const struct {
    const char *form;
    const char *tree;
    const char *again;
} forms[] = {
    { "", "{}", "" },
    { "a=1", "{\"a\":\"1\"}", "a=1" },
    { "a=1&b=2", "{\"a\":\"1\",\"b\":\"2\"}", "a=1&b=2" },
    { "a=1&b=2&a=3&a=4", "{\"a\":[\"1\",\"3\",\"4\"],\"b\":\"2\"}", "a=1&a=3&a=4&b=2" },
    { "a", "{\"a\":\"\"}", "a=" },
    { "a=", "{\"a\":\"\"}", "a=" },
    { "=1", "{\"\":\"1\"}", "=1" },
    { "=", "{\"\":\"\"}", "=" },
    { "&&a=1&", "{\"a\":\"1\"}", "a=1" },
    { "a=b=c", "{\"a\":\"b=c\"}", "a=b%3Dc" },
    { "a=Ann+Lee", "{\"a\":\"Ann Lee\"}", "a=Ann%20Lee" },
    { "%61=%c3%A9%26", "{\"a\":\"\xc3\xa9&\"}", "a=%C3%A9%26" },
    { "a%5B%5D=1", "{\"a[]\":\"1\"}", "a%5B%5D=1" },
    { "A=1&a=2", "{\"A\":\"1\",\"a\":\"2\"}", "A=1&a=2" },
    { "a=1;b=2", "{\"a\":\"1;b=2\"}", "a=1%3Bb%3D2" },
    { "{\"a\":1}", "{\"{\\\"a\\\":1}\":\"\"}", "%7B%22a%22%3A1%7D=" },
};

static const struct {
    const char *form;
    enum tp_result result;
    const char *why; /* a part of the sentence */
} bad_forms[] = {
    { "a=%", TP_INVALID, "two hexadecimal digits" },
    { "a=%2", TP_INVALID, "two hexadecimal digits" },
    { "a=%2x", TP_INVALID, "two hexadecimal digits" },
    { "%zz=1", TP_INVALID, "two hexadecimal digits" },
    { "a=1&b=%", TP_INVALID, "two hexadecimal digits" },
    { "a=%00", TP_INVALID, "NUL" },
    { "a%00b=1", TP_INVALID, "NUL" },
    { "a&b&c&d&e&f&g", TP_TOO_LARGE, "form_pairs" },
    { "a&a&a&a&a&a&a", TP_TOO_LARGE, "form_pairs" },
};

/* Trees that were not read from a form. */
static const struct {
    const char *tree;
    const char *form; /* NULL: it has none */
} trees[] = {
    { "{\"n\":1,\"x\":-2.5,\"big\":9007199254740992}", "n=1&x=-2.5&big=9007199254740992" },
    { "{\"t\":true,\"f\":false,\"n\":null}", "t=true&f=false&n=" },
    { "{\"a\":[1,\"b\",null,true]}", "a=1&a=b&a=&a=true" },
    { "{\"a\":[],\"b\":1}", "b=1" },
    { "{\"a\":[]}", "" },
    { "{\"a\":{}}", NULL },
    { "{\"a\":[[]]}", NULL },
    { "{\"b\":1,\"a\":[1,{\"c\":2}]}", NULL },
    { "[1]", NULL },
    { "3", NULL },
    { "\"a=1\"", NULL },
    { "null", NULL },
};

static struct tp_str
text(const char *bytes)
{
    return (struct tp_str){ bytes, strlen(bytes) };
}

static enum tp_result
encode(const cJSON *tree, uint64_t limit, struct tp_buf_pool *pool, struct tp_chain *body)
{
    return tp_module_form.codec->encode(&conf, tree, (struct tp_size){ limit }, pool, body);
}

static void
assert_encoded(const cJSON *tree, const char *wanted)
{
    struct tp_chain body = { 0 };
    struct tp_buf_pool pool;

    tp__test_pool_init(&pool);
    ck_assert_int_eq(TP_OK, encode(tree, TEXT_BYTES_MAX, &pool, &body));
    tp__test_chain_assert(&body, wanted, strlen(wanted));
    tp_chain_clear(&body);
    tp__buf_pool_fini(&pool);
}

START_TEST(a_form_is_an_object_of_texts)
{
    cJSON *tree;
    const char *why = NULL;

    ck_assert_int_eq(TP_OK, tp_module_form.codec->decode(&conf, text(forms[_i].form), &tree, &why));
    ck_assert_ptr_null(why);
    char *shown = cJSON_PrintUnformatted(tree);

    ck_assert_str_eq(forms[_i].tree, shown);
    assert_encoded(tree, forms[_i].again);
    cJSON_free(shown);
    cJSON_Delete(tree);
}
END_TEST

START_TEST(what_is_no_form_is_refused_with_a_reason)
{
    cJSON *tree = NULL;
    const char *why = "";

    ck_assert_int_eq(bad_forms[_i].result,
                     tp_module_form.codec->decode(&conf, text(bad_forms[_i].form), &tree, &why));
    ck_assert_ptr_null(tree);
    ck_assert_ptr_nonnull(strstr(why, bad_forms[_i].why));
}
END_TEST

START_TEST(a_tree_is_written_if_it_is_flat)
{
    struct tp_chain body = { 0 };
    struct tp_buf_pool pool;
    cJSON *tree = cJSON_Parse(trees[_i].tree);

    ck_assert_ptr_nonnull(tree);
    if (trees[_i].form != NULL) {
        assert_encoded(tree, trees[_i].form);
    } else {
        tp__test_pool_init(&pool);
        ck_assert_int_eq(TP_INVALID, encode(tree, TEXT_BYTES_MAX, &pool, &body));
        ck_assert_uint_eq(0, body.len);
        tp__buf_pool_fini(&pool);
    }
    cJSON_Delete(tree);
}
END_TEST

START_TEST(more_than_the_limit_is_not_written)
{
    struct tp_chain body = { 0 };
    struct tp_buf_pool pool;
    cJSON *tree = cJSON_CreateObject();

    tp__test_pool_init(&pool);
    cJSON_AddStringToObject(tree, "a", "b c");
    ck_assert_int_eq(TP_TOO_LARGE, encode(tree, 6, &pool, &body));
    ck_assert_uint_eq(0, body.len);
    ck_assert_int_eq(TP_OK, encode(tree, 7, &pool, &body));
    tp__test_chain_assert(&body, "a=b%20c", 7);
    cJSON_Delete(tree);
    tp_chain_clear(&body);
    tp__buf_pool_fini(&pool);
}
END_TEST

START_TEST(what_is_made_by_hand_may_be_strange)
{
    struct tp_chain body = { 0 };
    struct tp_buf_pool pool;
    cJSON *tree = cJSON_CreateObject();

    tp__test_pool_init(&pool);
    cJSON_AddNumberToObject(tree, "a", INFINITY);
    ck_assert_int_eq(TP_INVALID, encode(tree, TEXT_BYTES_MAX, &pool, &body));
    cJSON_ReplaceItemInObject(tree, "a", cJSON_CreateRaw("{}"));
    ck_assert_int_eq(TP_INVALID, encode(tree, TEXT_BYTES_MAX, &pool, &body));
    cJSON_Delete(tree);
    tp__buf_pool_fini(&pool);
}
END_TEST

START_TEST(memory_may_be_missing)
{
    struct tp_test_hunger hunger;
    cJSON *tree = NULL;
    const char *why = "";

    if (tp__test_starve(&hunger)) {
        enum tp_result result = tp_module_form.codec->decode(&conf, TP_STR("a=1&a=2"), &tree, &why);

        tp__test_feed(&hunger);
        ck_assert_int_eq(TP_NO_MEMORY, result);
        ck_assert_ptr_null(tree);
        ck_assert_str_ne("", why);
    }
}
END_TEST

Suite *
tp_suite_codec_form(void)
{
    Suite *suite = suite_create("codec/form");
    TCase *bodies = tcase_create("bodies");

    tcase_add_loop_test(bodies, a_form_is_an_object_of_texts, 0, TP_COUNT_OF(forms));
    tcase_add_loop_test(bodies, what_is_no_form_is_refused_with_a_reason, 0,
                        TP_COUNT_OF(bad_forms));
    tcase_add_loop_test(bodies, a_tree_is_written_if_it_is_flat, 0, TP_COUNT_OF(trees));
    tcase_add_test(bodies, more_than_the_limit_is_not_written);
    tcase_add_test(bodies, what_is_made_by_hand_may_be_strange);
    tcase_add_test(bodies, memory_may_be_missing);
    suite_add_tcase(suite, bodies);
    return suite;
}
