/*
 * json.c - tests of the codec json: what it reads, refuses and writes.
 */
#include <teleport/json.h>
#include <teleport/module.h>

#include "base/buf_pool.h"

#include <check.h>
#include <math.h>

enum {
    DEPTH = 20,
    VALUES = 100,
    POOL_BYTES = 4 * 1024 * 1024,
    TEXT_BYTES_MAX = 4096,
    LONG_TEXT_BYTES = 100 * 1000,
};

extern const struct tp_module tp_module_json;

/* Of the shape of the module's own. */
static const struct {
    int64_t depth;
    int64_t values;
} conf = { DEPTH, VALUES };

/* A body, and what it is after it was decoded and encoded again. */
static const struct {
    const char *body;
    const char *again;
} good_bodies[] = {
    { "[1,2]", "[1,2]" },
    { "3", "3" },
    { "0", "0" },
    { "-0", "-0" },
    { "null", "null" },
    { "true", "true" },
    { "false", "false" },
    { "\"\"", "\"\"" },
    { "[]", "[]" },
    { "{}", "{}" },
    { "[ ]", "[]" },
    { "{ }", "{}" },
    { " \t\r\n[ 1 ,\n2 ] ", "[1,2]" },
    { "{\"a\":1}", "{\"a\":1}" },
    { "{\"a\" : {\"b\" : [true, false, null]}}", "{\"a\":{\"b\":[true,false,null]}}" },
    { "{\"b\":1,\"a\":2,\"b\":3}", "{\"b\":1,\"a\":2,\"b\":3}" },
    { "{\"\":{}}", "{\"\":{}}" },

    { "1e0", "1" },
    { "1E+2", "100" },
    { "100e-2", "1" },
    { "1.0", "1" },
    { "1.50", "1.5" },
    { "-2.5", "-2.5" },
    { "0.1", "0.1" },
    { "1e15", "1000000000000000" },
    { "1e20", "100000000000000000000" },
    { "1e21", "1e+21" },
    { "1.5e300", "1.5e+300" },
    { "0.000001", "0.000001" },
    { "0.0000001", "1e-7" },
    { "1.25e-9", "1.25e-9" },
    { "5e-324", "5e-324" },
    { "1e-400", "0" },
    { "0.30000000000000004", "0.30000000000000004" },
    { "1.7976931348623157e308", "1.7976931348623157e+308" },
    { "123456.789", "123456.789" },
    { "99999999999999949.09", "99999999999999952" },
    { "9.3e18", "9300000000000000000" },

    { "9007199254740993", "9007199254740993" },
    { "9223372036854775807", "9223372036854775807" },
    { "-9223372036854775808", "-9223372036854775808" },
    { "18446744073709551615", "18446744073709551615" },
    { "123456789012345678901234567890", "123456789012345678901234567890" },
    { "[1,\"9007199254740993\",{\"9007199254740995\":9007199254740997}]",
      "[1,\"9007199254740993\",{\"9007199254740995\":9007199254740997}]" },
    { "[\"\\\"1\",9007199254740993,\"\\\\\",9007199254740995]",
      "[\"\\\"1\",9007199254740993,\"\\\\\",9007199254740995]" },

    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
    { "\"\\u0041\\u00e9\\u20AC\"", "\"A\xc3\xa9\xe2\x82\xac\"" },
    { "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"" },
    { "\"\\u0001\\u001f\\u007f\"", "\"\\u0001\\u001f\x7f\"" },
    { "\"\\u003c&>\\u2028\"", "\"<&>\xe2\x80\xa8\"" },
    { "\"\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"", "\"\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"" },
    { "\"a\xff" "b\"", "\"a\xef\xbf\xbd" "b\"" },
    { "\"\xc0\xaf\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "\"\xe2\x82\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "\"\xed\xa0\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "{\"k\xff\":\"\xf5\"}", "{\"k\xef\xbf\xbd\":\"\xef\xbf\xbd\"}" },
};

static const struct {
    const char *body;
    const char *why; /* a part of the sentence */
} bad_bodies[] = {
    { "", "empty body" },
    { " ", "ends where a value" },
    { "[", "ends where a value" },
    { "[1", "lacks a comma or its end" },
    { "[1,", "ends where a value" },
    { "[1,]", "no value" },
    { "[,1]", "no value" },
    { "[1 2]", "lacks a comma or its end" },
    { "[1}", "lacks a comma or its end" },
    { "]", "no value" },
    { "{", "something else than a name" },
    { "{\"a\"", "no colon" },
    { "{\"a\":", "ends where a value" },
    { "{\"a\":1", "lacks a comma or its end" },
    { "{\"a\":1,", "something else than a name" },
    { "{\"a\":1,}", "something else than a name" },
    { "{\"a\" 1}", "no colon" },
    { "{a:1}", "something else than a name" },
    { "{1:1}", "something else than a name" },
    { "{\"a\":1]", "lacks a comma or its end" },
    { "1 2", "something follows" },
    { "[] []", "something follows" },
    { "nul", "unknown word" },
    { "nulL", "unknown word" },
    { "True", "no value" },
    { "nullx", "something follows" },
    { "NaN", "no value" },
    { "Infinity", "no value" },
    { "-Infinity", "no value" },
    { "'a'", "no value" },
    { "// a\n1", "no value" },
    { "\xef\xbb\xbf" "1", "no value" },
    { "01", "no value" },
    { "-", "no value" },
    { "+1", "no value" },
    { ".5", "no value" },
    { "1.", "no value" },
    { "1.e1", "no value" },
    { "1e", "no value" },
    { "1e+", "no value" },
    { "0x10", "something follows" },
    { "1e400", "too large for a double" },
    { "-1e999", "too large for a double" },
    { "\"", "no end" },
    { "\"a", "no end" },
    { "\"\\", "no end" },
    { "\"\\\"", "no end" },
    { "\"\n\"", "control character" },
    { "\"\x01\"", "control character" },
    { "\"\\x\"", "unknown escape" },
    { "\"\\u\"", "without four digits" },
    { "\"\\u12\"", "without four digits" },
    { "\"\\u12g4\"", "without four digits" },
    { "\"\\u+123\"", "without four digits" },
    { "\"\\u0000\"", "\\u0000" },
    { "\"\\ud83d\"", "surrogate" },
    { "\"\\ud83dx\"", "surrogate" },
    { "\"\\ud83d\\n\"", "surrogate" },
    { "\"\\ud83d\\u0041\"", "surrogate" },
    { "\"\\ud83d\\u00", "surrogate" },
    { "\"\\ude00\"", "surrogate" },
};

/* The body in memory of exactly its size: a read behind it is a fault. */
static enum tp_result
decode(struct tp_str text, cJSON **value, const char **why)
{
    char *exact = malloc(text.len + 1);
    enum tp_result result;

    ck_assert_ptr_nonnull(exact);
    exact = realloc(exact, text.len > 0 ? text.len : 1);
    memcpy(exact, text.data, text.len);
    *why = NULL;
    result = tp_module_json.codec->decode(&conf, (struct tp_str){ exact, text.len }, value, why);
    free(exact);
    ck_assert((result == TP_OK) == (*value != NULL));
    ck_assert((result == TP_OK) == (*why == NULL));
    return result;
}

static cJSON *
decode_good(const char *body)
{
    const char *why;
    cJSON *value;

    ck_assert_msg(decode((struct tp_str){ body, strlen(body) }, &value, &why) == TP_OK, "%s: %s",
                  body, why);
    return value;
}

static enum tp_result
encode(const cJSON *value, size_t limit, char text[static TEXT_BYTES_MAX])
{
    struct tp_buf_pool pool;
    struct tp_chain body = { 0 };
    enum tp_result result;

    tp__buf_pool_init(&pool, (struct tp_size){ POOL_BYTES }, 0);
    result = tp_module_json.codec->encode(&conf, value, (struct tp_size){ limit }, &pool, &body);
    ck_assert_uint_lt(body.len, TEXT_BYTES_MAX);
    ck_assert(result == TP_OK || body.len == 0);
    tp_chain_copy(&body, 0, body.len, (uint8_t *) text);
    text[body.len] = '\0';
    tp_chain_clear(&body);
    tp__buf_pool_fini(&pool);
    return result;
}

/* Takes the tree. */
static void
assert_encodes(cJSON *value, const char *wanted)
{
    char text[TEXT_BYTES_MAX];

    ck_assert_ptr_nonnull(value);
    ck_assert_int_eq(TP_OK, encode(value, TEXT_BYTES_MAX, text));
    ck_assert_str_eq(wanted, text);
    cJSON_Delete(value);
}

START_TEST(reads_bodies_and_writes_them_again)
{
    assert_encodes(decode_good(good_bodies[_i].body), good_bodies[_i].again);
    assert_encodes(decode_good(good_bodies[_i].again), good_bodies[_i].again);
}
END_TEST

START_TEST(refuses_what_is_not_json)
{
    const char *body = bad_bodies[_i].body;
    const char *why;
    cJSON *value;

    ck_assert_msg(decode((struct tp_str){ body, strlen(body) }, &value, &why) == TP_INVALID, "%s",
                  body);
    ck_assert_msg(strstr(why, bad_bodies[_i].why) != NULL, "%s: %s", body, why);
}
END_TEST

START_TEST(refuses_each_body_that_is_cut)
{
    static const char body[] = "{\"a\":[1.5e1,true,\"\\u00e9\\ud83d\\ude00\"],\"b\":{\"c\":null}}";
    const char *why;
    cJSON *value;

    for (size_t len = 0; len < sizeof(body) - 1; len++) {
        ck_assert_int_eq(TP_INVALID, decode((struct tp_str){ body, len }, &value, &why));
    }
    cJSON_Delete(decode_good(body));
}
END_TEST

START_TEST(a_nul_is_no_end)
{
    const char *why;
    cJSON *value;

    ck_assert_int_eq(TP_INVALID, decode(TP_STR("1\0"), &value, &why));
    ck_assert_int_eq(TP_INVALID, decode(TP_STR("\"a\0b\""), &value, &why));
    ck_assert_int_eq(TP_INVALID, decode(TP_STR("\"\\\0\""), &value, &why));
    ck_assert_int_eq(TP_INVALID, decode(TP_STR("\"\\u\0000\""), &value, &why));
}
END_TEST

/* `count` times `part`, closed by as many `end`. */
static struct tp_str
repeat(char *text, int count, const char *part, const char *end)
{
    char *at = text;

    for (int i = 0; i < count; i++) {
        at = stpcpy(at, part);
    }
    for (int i = 0; i < count; i++) {
        at = stpcpy(at, end);
    }
    return (struct tp_str){ text, (size_t) (at - text) };
}

START_TEST(nesting_has_a_limit)
{
    char text[LONG_TEXT_BYTES];
    const char *why;
    cJSON *value;

    ck_assert_int_eq(TP_OK, decode(repeat(text, DEPTH, "[", "]"), &value, &why));
    cJSON_Delete(value);
    ck_assert_int_eq(TP_TOO_LARGE, decode(repeat(text, DEPTH + 1, "[", "]"), &value, &why));
    ck_assert_ptr_nonnull(strstr(why, "json_depth"));
    ck_assert_int_eq(TP_TOO_LARGE, decode(repeat(text, 10000, "{\"a\":", "}"), &value, &why));
    ck_assert_int_eq(TP_TOO_LARGE, decode(repeat(text, 50000, "[", ""), &value, &why));
}
END_TEST

START_TEST(the_number_of_values_has_a_limit)
{
    char text[LONG_TEXT_BYTES];
    const char *why;
    cJSON *value;

    strcpy(text, "[0");
    repeat(text + 2, VALUES - 2, ",0", "");
    strcat(text, "]");
    ck_assert_int_eq(TP_OK, decode((struct tp_str){ text, strlen(text) }, &value, &why));
    ck_assert_int_eq(VALUES - 1, cJSON_GetArraySize(value));
    cJSON_Delete(value);

    text[1] = '\0';
    strcpy(text, "[0");
    repeat(text + 2, VALUES - 1, ",0", "");
    strcat(text, "]");
    ck_assert_int_eq(TP_TOO_LARGE, decode((struct tp_str){ text, strlen(text) }, &value, &why));
    ck_assert_ptr_nonnull(strstr(why, "json_values"));
}
END_TEST

START_TEST(the_length_of_a_number_has_a_limit)
{
    char text[TEXT_BYTES_MAX];
    const char *why;
    cJSON *value;

    ck_assert_int_eq(TP_OK, decode(repeat(text, 63, "9", ""), &value, &why));
    ck_assert_str_eq(value->valuestring, text);
    cJSON_Delete(value);
    ck_assert_int_eq(TP_TOO_LARGE, decode(repeat(text, 64, "9", ""), &value, &why));
    text[1] = '.';
    ck_assert_int_eq(TP_TOO_LARGE, decode((struct tp_str){ text, 64 }, &value, &why));
}
END_TEST

/* There is memory for values, but not for texts. */
static void *
allocate_values(size_t size)
{
    return size < sizeof(cJSON) ? NULL : malloc(size);
}

START_TEST(memory_that_is_out_leaves_nothing_behind)
{
    const struct tp_str bodies[] = { TP_STR("[1,\"a\"]"), TP_STR("[1,9007199254740993]") };
    cJSON_Hooks hooks = { allocate_values, free };
    const char *why;
    cJSON *value;

    cJSON_InitHooks(&hooks);
    for (size_t i = 0; i < TP_COUNT_OF(bodies); i++) {
        ck_assert_int_eq(TP_NO_MEMORY, decode(bodies[i], &value, &why));
        ck_assert_ptr_nonnull(strstr(why, "memory"));
    }
    ck_assert_ptr_null(tp_json_create_integer(-123456789012345678));
    cJSON_InitHooks(NULL);
}
END_TEST

START_TEST(whole_numbers_are_exact)
{
    static const struct {
        const char *body;
        bool is_integer;
        int64_t integer;
    } rows[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "-17", true, -17 },
        { "1e3", true, 1000 },
        { "2.0", true, 2 },
        { "999999999999999", true, 999999999999999 },
        { "9007199254740993", true, 9007199254740993 },
        { "-9007199254740993", true, -9007199254740993 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 },
        { "9.3e18", false, 0 },
        { "1e300", false, 0 },
        { "1.5", false, 0 },
        { "\"1\"", false, 0 },
        { "null", false, 0 },
        { "[1]", false, 0 },
    };

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        cJSON *value = decode_good(rows[i].body);
        int64_t integer;

        ck_assert_msg(tp_json_get_integer(value, &integer) == rows[i].is_integer, "%s",
                      rows[i].body);
        if (rows[i].is_integer) {
            ck_assert_int_eq(rows[i].integer, integer);
        }
        cJSON_Delete(value);
    }
}
END_TEST

START_TEST(created_whole_numbers_are_exact)
{
    static const struct {
        int64_t integer;
        const char *text;
    } rows[] = {
        { 0, "0" },
        { -1, "-1" },
        { 999999999999999, "999999999999999" },
        { -999999999999999, "-999999999999999" },
        { 9007199254740993, "9007199254740993" },
        { INT64_MAX, "9223372036854775807" },
        { INT64_MIN, "-9223372036854775808" },
    };

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        cJSON *number = tp_json_create_integer(rows[i].integer);
        int64_t integer;

        ck_assert(tp_json_get_integer(number, &integer));
        ck_assert_int_eq(rows[i].integer, integer);
        assert_encodes(cJSON_Duplicate(number, 1), rows[i].text);
        assert_encodes(number, rows[i].text);
    }
}
END_TEST

START_TEST(digits_of_a_number_that_was_changed_do_not_count)
{
    cJSON *number = decode_good("9007199254740993");
    int64_t integer;

    cJSON_SetNumberValue(number, 5);
    ck_assert(tp_json_get_integer(number, &integer));
    ck_assert_int_eq(5, integer);
    assert_encodes(number, "5");
}
END_TEST

START_TEST(doubles_come_back_the_same)
{
    uint64_t random = 1;

    for (int i = 0; i < 20000; i++) {
        char text[TEXT_BYTES_MAX];
        double number;
        cJSON *value;

        random = random * 6364136223846793005u + 1442695040888963407u;
        memcpy(&number, &random, sizeof(number));
        if (!isfinite(number)) {
            continue;
        }
        value = cJSON_CreateNumber(number);
        ck_assert_int_eq(TP_OK, encode(value, TEXT_BYTES_MAX, text));
        cJSON_Delete(value);
        value = decode_good(text);
        ck_assert_msg(value->valuedouble == number, "%a became %s", number, text);
        cJSON_Delete(value);
    }
}
END_TEST

START_TEST(refuses_to_write_what_json_has_no_word_for)
{
    cJSON invalid = { .type = cJSON_Invalid };
    cJSON *array = cJSON_CreateArray();
    char text[TEXT_BYTES_MAX];

    ck_assert_int_eq(TP_INVALID, encode(NULL, TEXT_BYTES_MAX, text));
    ck_assert_int_eq(TP_INVALID, encode(&invalid, TEXT_BYTES_MAX, text));
    cJSON_AddItemToArray(array, cJSON_CreateNumber((double) INFINITY));
    ck_assert_int_eq(TP_INVALID, encode(array, TEXT_BYTES_MAX, text));
    cJSON_ReplaceItemInArray(array, 0, cJSON_CreateNumber((double) NAN));
    ck_assert_int_eq(TP_INVALID, encode(array, TEXT_BYTES_MAX, text));
    cJSON_Delete(array);
}
END_TEST

START_TEST(writes_trees_made_by_hand)
{
    cJSON *object = cJSON_CreateObject();

    cJSON_AddItemToObject(object, "raw", cJSON_CreateRaw("[1, 2]"));
    cJSON_AddItemToObject(object, "text", cJSON_CreateStringReference("<\"&\">"));
    cJSON_AddItemToObjectCS(object, "yes", cJSON_CreateBool(1));
    cJSON_AddItemToObject(object, "n", cJSON_CreateNumber(1e20));
    assert_encodes(object, "{\"raw\":[1, 2],\"text\":\"<\\\"&\\\">\",\"yes\":true,"
                           "\"n\":100000000000000000000}");
}
END_TEST

START_TEST(writing_has_limits)
{
    char text[TEXT_BYTES_MAX];
    cJSON *value = decode_good("[1,2]");
    cJSON *deep = cJSON_CreateArray();

    ck_assert_int_eq(TP_OK, encode(value, 5, text));
    ck_assert_int_eq(TP_TOO_LARGE, encode(value, 4, text));
    ck_assert_int_eq(TP_TOO_LARGE, encode(value, 0, text));
    cJSON_Delete(value);

    for (int i = 1; i < DEPTH; i++) {
        cJSON *outer = cJSON_CreateArray();

        cJSON_AddItemToArray(outer, deep);
        deep = outer;
    }
    ck_assert_int_eq(TP_OK, encode(deep, TEXT_BYTES_MAX, text));
    value = cJSON_CreateArray();
    cJSON_AddItemToArray(value, deep);
    ck_assert_int_eq(TP_TOO_LARGE, encode(value, TEXT_BYTES_MAX, text));
    cJSON_Delete(value);
}
END_TEST

START_TEST(long_texts_are_written_in_pieces)
{
    char *text = malloc(LONG_TEXT_BYTES + 1);
    uint8_t *found = malloc(LONG_TEXT_BYTES + 2);
    struct tp_chain body = { 0 };
    struct tp_buf_pool pool;
    const struct tp_size limit = { LONG_TEXT_BYTES + 2 };
    cJSON *value;

    memset(text, 'x', LONG_TEXT_BYTES);
    text[LONG_TEXT_BYTES] = '\0';
    value = cJSON_CreateString(text);
    tp__buf_pool_init(&pool, (struct tp_size){ POOL_BYTES }, 0);
    ck_assert_int_eq(TP_OK, tp_module_json.codec->encode(&conf, value, limit, &pool, &body));
    ck_assert_uint_eq(LONG_TEXT_BYTES + 2, body.len);
    tp_chain_copy(&body, 0, body.len, found);
    ck_assert(found[0] == '"' && found[LONG_TEXT_BYTES + 1] == '"');
    ck_assert_mem_eq(text, found + 1, LONG_TEXT_BYTES);
    tp_chain_clear(&body);

    pool.bytes_limit = LONG_TEXT_BYTES / 2;
    ck_assert_int_eq(TP_NO_MEMORY, tp_module_json.codec->encode(&conf, value, limit, &pool, &body));
    ck_assert_uint_eq(0, body.len);
    tp__buf_pool_fini(&pool);
    cJSON_Delete(value);
    free(text);
    free(found);
}
END_TEST

Suite *
tp_suite_codec_json(void)
{
    Suite *suite = suite_create("codec/json");
    TCase *reading = tcase_create("reading");
    TCase *limits = tcase_create("limits");
    TCase *numbers = tcase_create("numbers");
    TCase *writing = tcase_create("writing");

    tcase_add_loop_test(reading, reads_bodies_and_writes_them_again, 0, TP_COUNT_OF(good_bodies));
    tcase_add_loop_test(reading, refuses_what_is_not_json, 0, TP_COUNT_OF(bad_bodies));
    tcase_add_test(reading, refuses_each_body_that_is_cut);
    tcase_add_test(reading, a_nul_is_no_end);
    suite_add_tcase(suite, reading);

    tcase_add_test(limits, nesting_has_a_limit);
    tcase_add_test(limits, the_number_of_values_has_a_limit);
    tcase_add_test(limits, the_length_of_a_number_has_a_limit);
    tcase_add_test(limits, memory_that_is_out_leaves_nothing_behind);
    suite_add_tcase(suite, limits);

    tcase_add_test(numbers, whole_numbers_are_exact);
    tcase_add_test(numbers, created_whole_numbers_are_exact);
    tcase_add_test(numbers, digits_of_a_number_that_was_changed_do_not_count);
    tcase_add_test(numbers, doubles_come_back_the_same);
    suite_add_tcase(suite, numbers);

    tcase_add_test(writing, refuses_to_write_what_json_has_no_word_for);
    tcase_add_test(writing, writes_trees_made_by_hand);
    tcase_add_test(writing, writing_has_limits);
    tcase_add_test(writing, long_texts_are_written_in_pieces);
    suite_add_tcase(suite, writing);
    return suite;
}
