/*
 * json_fields.c - tests of packet/json_fields and packet/json_text: the manners of strings, and
 * kinds of members that Teleport 2.5's header does not have.
 *
 * Read next: tests/unit/protocol/teleport.c, which has the rest.
 */
#include <teleport/json_fields.h>

#include "bytes_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROOM = 4096,
};

struct record {
    uint64_t count;
    int64_t offset;
    int32_t level;
    struct tp_str name;
    struct tp_str pipe;
};

static const struct tp_json_field rows[] = {
    TP_JSON_UINT64("count", struct record, count),
    TP_JSON_INT64("offset", struct record, offset),
    TP_JSON_INT32("level", struct record, level),
    TP_JSON_TEXT("thirteenBytes", struct record, name),
    TP_JSON_ANY("x", struct record, pipe),
};

static struct tp_str
str(const char *text)
{
    return (struct tp_str){ text, strlen(text) };
}

static void
assert_text(const char *wanted, size_t len, struct tp_str got)
{
    ck_assert_uint_eq(len, got.len);
    ck_assert(len == 0 || memcmp(wanted, got.data, len) == 0);
}

static const char *
read_record(const char *object, enum tp_json_manner manner, struct record *record,
            size_t *unescaped_max)
{
    const struct tp_json_fields fields = { rows, TP_COUNT_OF(rows), manner };

    *record = (struct record){ .count = 0 };
    return tp_json_fields_read(&fields, str(object), record, unescaped_max);
}

static const struct {
    const char *object;
    struct record wanted;
} objects[] = {
    { "{\"count\":18446744073709551615,\"offset\":-9223372036854775808,\"level\":-2147483648}",
      { UINT64_MAX, INT64_MIN, INT32_MIN, { "", 0 }, { "", 0 } } },
    { "{\"offset\":9223372036854775807,\"thirteenBytes\":\"n\",\"x\":[1,{\"a\":\"]\"}] }",
      { 0, INT64_MAX, 0, { "n", 1 }, { "[1,{\"a\":\"]\"}]", 13 } } },
    { "{\"x\":null,\"THIRTEENbytes\":\"late\",\"count\":1,\"x\":\"text\"}",
      { 1, 0, 0, { "late", 4 }, { "\"text\"", 6 } } },
    { "{\"x\":null,\"thirteenBytes\":null,\"count\":null}", { 0, 0, 0, { "", 0 }, { "null", 4 } } },
    /* Nearly one of them. */
    { "{\"coun\":1,\"countt\":2,\"thirteenBytez\":\"x\",\"offsat\":[],\"lEVEL\":3}",
      { 0, 0, 3, { "", 0 }, { "", 0 } } },
    { "{\"count\" : 1 , \"level\" :2}", { 1, 0, 2, { "", 0 }, { "", 0 } } },
};

START_TEST(members_of_every_kind_are_read)
{
    struct record record;
    size_t unescaped_max;
    const struct record *wanted = &objects[_i].wanted;

    ck_assert_ptr_null(read_record(objects[_i].object, TP_JSON_STRICT, &record, &unescaped_max));
    ck_assert(wanted->count == record.count && wanted->offset == record.offset);
    ck_assert_int_eq(wanted->level, record.level);
    assert_text(wanted->name.data, wanted->name.len, record.name);
    assert_text(wanted->pipe.data, wanted->pipe.len, record.pipe);
    ck_assert_uint_eq(0, unescaped_max);
}
END_TEST

static const struct {
    const char *object;
    const char *why;
} refused[] = {
    { "{\"offset\":9223372036854775808}", "out of range" },
    { "{\"offset\":-9223372036854775809}", "out of range" },
    { "{\"offset\":1.5}", "wrong type" },
    { "{\"count\":-1}", "out of range" },
    { "{\"count\":18446744073709551616}", "out of range" },
    { "{\"x\":}", "malformed" },
    { "{\"x\":[}", "malformed" },
};

START_TEST(what_does_not_fit_is_refused)
{
    struct record record;
    size_t unescaped_max;
    const char *why = read_record(refused[_i].object, TP_JSON_STRICT, &record, &unescaped_max);

    ck_assert_ptr_nonnull(why);
    ck_assert_ptr_nonnull(strstr(why, refused[_i].why));
}
END_TEST

/* What stands between the quotes, and what it means; a NULL meaning: it is refused. */
static const struct {
    const char *written;
    const char *strict;
    const char *lenient;
    const char *bare;
} strings[] = {
    { "", "", "", "" },
    { "plain and longer than a word", "plain and longer than a word",
      "plain and longer than a word", "plain and longer than a word" },
    { "{\\\"a\\\":1}", "{\"a\":1}", "{\"a\":1}", "{\"a\":1}" },
    { "line\nbreak\ttab", NULL, "line\nbreak\ttab", "line\nbreak\ttab" },
    { "\\n\\u0041\\/", "\nA/", "\nA/", "\\n\\u0041\\/" },
    { "\\d+\\u12\\x", NULL, "\\d+\\u12\\x", "\\d+\\u12\\x" },
    { "\\ud83d\\ude00", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", "\\ud83d\\ude00" },
    { "\xff\xc3\xa9", "\xef\xbf\xbd\xc3\xa9", "\xff\xc3\xa9", "\xff\xc3\xa9" },
    /* {"a":"say \"hi\""} of one who escapes nothing but quotes. */
    { "{\\\"a\\\":\\\"say \\\\\"hi\\\\\"\\\"}", NULL, NULL, "{\"a\":\"say \\\"hi\\\"\"}" },
    { "a long text, then \\\\ and \\\" and some more text",
      "a long text, then \\ and \" and some more text",
      "a long text, then \\ and \" and some more text",
      "a long text, then \\\\ and \" and some more text" },
};

static void
assert_string(const char *written, enum tp_json_manner manner, const char *meaning)
{
    char object[ROOM];
    struct record record;
    size_t unescaped_max;
    uint8_t room[ROOM];
    const struct tp_json_fields fields = { rows, TP_COUNT_OF(rows), manner };

    snprintf(object, sizeof(object), "{\"thirteenBytes\":\"%s\",\"level\":1}", written);
    const char *why = read_record(object, manner, &record, &unescaped_max);

    if (meaning == NULL) {
        ck_assert_ptr_nonnull(why);
        return;
    }
    ck_assert_msg(why == NULL, "%s: %s", object, why);
    ck_assert_uint_le(strlen(meaning), unescaped_max > 0 ? unescaped_max : strlen(written));
    if (unescaped_max > 0) {
        tp_json_fields_unescape(&fields, &record, room);
    }
    assert_text(meaning, strlen(meaning), record.name);
    ck_assert_int_eq(1, record.level);
}

START_TEST(a_string_is_read_in_its_manner)
{
    assert_string(strings[_i].written, TP_JSON_STRICT, strings[_i].strict);
    assert_string(strings[_i].written, TP_JSON_LENIENT, strings[_i].lenient);
    assert_string(strings[_i].written, TP_JSON_BARE, strings[_i].bare);
}
END_TEST

START_TEST(any_bytes_may_be_written)
{
    static const char wanted[] = "\\u0000\\t\\n\\r\\u001f\\\"\\\\ /<\x7f\xff";
    static const char bytes[] = "\0\t\n\r\x1f\"\\ /<\x7f\xff";
    struct tp_str text = { bytes, sizeof(bytes) - 1 };
    uint8_t room[ROOM];
    uint8_t *end = tp_json_bytes_write(text, room);

    assert_text(wanted, sizeof(wanted) - 1,
                (struct tp_str){ (const char *) room, (size_t) (end - room) });
    ck_assert_uint_eq(sizeof(wanted) - 1, tp_json_bytes_len(text));
}
END_TEST

/* What is written of many bytes at once is what is written of each alone. */
static void
assert_written(const uint8_t *bytes, size_t len)
{
    struct tp_str text = { (const char *) bytes, len };
    uint8_t *alone = malloc(2 + 6 * len);
    uint8_t *room = malloc(tp_json_bytes_len(text) + 1); /* a sanitizer sees a write behind it */
    uint8_t *quoted = malloc(tp_json_text_max(text));
    uint8_t *to = alone;

    for (size_t i = 0; i < len; i++) {
        to = tp_json_bytes_write((struct tp_str){ text.data + i, 1 }, to);
    }
    uint8_t *end = tp_json_bytes_write(text, room);

    assert_text((const char *) alone, (size_t) (to - alone),
                (struct tp_str){ (const char *) room, (size_t) (end - room) });
    ck_assert_uint_eq((size_t) (end - room), tp_json_bytes_len(text));
    ck_assert_uint_le(tp_json_bytes_len(text), tp_json_bytes_max(text));
    to = alone;
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        uint8_t one[8];
        size_t one_len =
            (size_t) (tp_json_text_write((struct tp_str){ text.data + i, 1 }, one) - one);

        memcpy(to, one + 1, one_len - 2);
        to += one_len - 2;
    }
    *to++ = '"';
    end = tp_json_text_write(text, quoted);
    assert_text((const char *) alone, (size_t) (to - alone),
                (struct tp_str){ (const char *) quoted, (size_t) (end - quoted) });
    free(quoted);
    free(room);
    free(alone);
}

/* And it is read again, where nothing may be read behind it. */
static void
assert_read_again(const uint8_t *bytes, size_t len)
{
    struct tp_str text = { (const char *) bytes, len };
    uint8_t *quoted = malloc(tp_json_text_max(text));
    size_t quoted_len = (size_t) (tp_json_text_write(text, quoted) - quoted);
    uint8_t *exact = malloc(quoted_len);
    struct tp_json_text read;

    memcpy(exact, quoted, quoted_len);
    ck_assert_ptr_eq(exact + quoted_len,
                     tp_json_text_read(exact, exact + quoted_len, TP_JSON_STRICT, &read));
    uint8_t *end = tp_json_text_unescape(read.raw, TP_JSON_STRICT, quoted);

    assert_text(text.data, len, (struct tp_str){ (const char *) quoted, (size_t) (end - quoted) });
    free(exact);
    free(quoted);
}

START_TEST(every_byte_in_every_place_is_written_and_read)
{
    for (size_t len = 1; len < 20; len++) {
        uint8_t *bytes = malloc(len);

        memset(bytes, 'x', len);
        for (size_t at = 0; at < len; at++) {
            for (unsigned byte = 0; byte < 0x80; byte++) {
                bytes[at] = (uint8_t) byte;
                assert_written(bytes, len);
                assert_read_again(bytes, len);
            }
            bytes[at] = 'x';
        }
        free(bytes);
    }
}
END_TEST

START_TEST(numbers_of_every_length_are_written)
{
    uint64_t power = 1;

    for (int digits = 1; digits <= 20; digits++, power *= 10) {
        const uint64_t near[] = { power - 1, power, power + 1, power * 3 + 7, power / 2 };

        for (size_t i = 0; i < TP_COUNT_OF(near); i++) {
            uint8_t room[TP_JSON_NUMBER_MAX];
            char wanted[TP_JSON_NUMBER_MAX + 1];
            size_t len = (size_t) (tp_json_write_uint64(room, near[i]) - room);

            snprintf(wanted, sizeof(wanted), "%llu", (unsigned long long) near[i]);
            assert_text(wanted, strlen(wanted), (struct tp_str){ (const char *) room, len });
        }
    }
}
END_TEST

START_TEST(keys_and_numbers_are_written)
{
    uint8_t room[ROOM];
    uint8_t *to = tp_json_write_key(room, &rows[0], true);

    to = tp_json_write_uint64(to, UINT64_MAX);
    to = tp_json_write_int64(tp_json_write_key(to, &rows[1], false), INT64_MIN);
    to = tp_json_write_int64(tp_json_write_key(to, &rows[2], false), -7);
    assert_text("{\"count\":18446744073709551615,\"offset\":-9223372036854775808,\"level\":-7", 70,
                (struct tp_str){ (const char *) room, (size_t) (to - room) });
}
END_TEST

Suite *tp_suite_packet_json_fields(void);

Suite *
tp_suite_packet_json_fields(void)
{
    Suite *suite = suite_create("packet/json_fields");
    TCase *tests = tcase_create("tests");

    tcase_add_loop_test(tests, members_of_every_kind_are_read, 0, TP_COUNT_OF(objects));
    tcase_add_loop_test(tests, what_does_not_fit_is_refused, 0, TP_COUNT_OF(refused));
    tcase_add_loop_test(tests, a_string_is_read_in_its_manner, 0, TP_COUNT_OF(strings));
    tcase_add_test(tests, any_bytes_may_be_written);
    tcase_add_test(tests, every_byte_in_every_place_is_written_and_read);
    tcase_add_test(tests, numbers_of_every_length_are_written);
    tcase_add_test(tests, keys_and_numbers_are_written);
    suite_add_tcase(suite, tests);
    return suite;
}
