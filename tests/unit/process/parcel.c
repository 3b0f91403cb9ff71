/*
 * parcel.c - tests of process/parcel: what couriers send, as bytes and back.
 */
#include "process/parcel.h"

#include "process/bus_kinds.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *tp_suite_process_parcel(void);

/* The bytes as they arrive: in one piece, at an odd address, with nothing behind them. */
struct arrived {
    char *memory;
    struct tp_str bytes;
};

static struct arrived
send_parcel(const struct tp_parcel *parcel, uint16_t kind)
{
    size_t len = tp__frame_pieces_len(&parcel->message);
    struct arrived arrived = { .memory = malloc(len + 1) };
    size_t at = 1;

    ck_assert_uint_eq(kind, parcel->message.kind);
    ck_assert_ptr_nonnull(arrived.memory);
    for (size_t i = 0; i < parcel->message.count; i++) {
        const struct tp_str *piece = &parcel->message.pieces[i];

        if (piece->len > 0) {
            memcpy(arrived.memory + at, piece->data, piece->len);
        }
        at += piece->len;
    }
    arrived.bytes = (struct tp_str){ arrived.memory + 1, len };
    return arrived;
}

static void
assert_text(const char *wanted, struct tp_str text)
{
    ck_assert_uint_eq(strlen(wanted), text.len);
    ck_assert_int_eq(0, memcmp(wanted, text.data, text.len));
}

START_TEST(packets_arrive)
{
    struct tp_parcel_packet packet = {
        .request = UINT64_MAX,
        .number = 7,
        .options = { .header_codec = 'j',
                     .body_codec = 's',
                     .has_gzip = true,
                     .gzip_level = -2,
                     .fails_at_once = true,
                     .timeout.ms = 1234567890123,
                     .metadata = TP_STR("from=switch"),
                     .filters = "gm" },
        .uri = TP_STR("/lamp/on?level=7"),
        .body = TP_STR("now"),
    };
    struct tp_parcel_packet read;
    struct tp_parcel parcel;

    tp__parcel_write_packet(&parcel, TP_BUS_PULL, &packet);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_PULL);

    ck_assert(tp__parcel_read_packet(arrived.bytes, &read));
    ck_assert_uint_eq(UINT64_MAX, read.request);
    ck_assert_uint_eq(7, read.number);
    ck_assert_uint_eq('j', read.options.header_codec);
    ck_assert_uint_eq('s', read.options.body_codec);
    ck_assert(read.options.has_gzip && read.options.fails_at_once);
    ck_assert_int_eq(-2, read.options.gzip_level);
    ck_assert_int_eq(1234567890123, read.options.timeout.ms);
    assert_text("from=switch", read.options.metadata);
    ck_assert_str_eq("gm", read.options.filters);
    assert_text("/lamp/on?level=7", read.uri);
    assert_text("now", read.body);
    free(arrived.memory);
}
END_TEST

/* Bytes that live as long as the test. */
static enum tp_result
chain_append(struct tp_chain *chain, const char *bytes)
{
    const struct tp_slice slice = { .data = (const uint8_t *) bytes, .len = strlen(bytes) };

    return tp_chain_append(chain, slice);
}

START_TEST(what_is_passed_on_arrives)
{
    struct tp_chain body = { 0 };
    struct tp_parcel_forward forward = {
        .request = 5,
        .number = UINT64_MAX,
        .timeout.ms = 1234567890123,
        .is_pull = true,
        .packet = { .type = TP_PACKET_PUSH,
                    .body_codec = 's',
                    .has_body_codec = true,
                    .accept_codec = 'j',
                    .gzip_level = -2,
                    .reply_gzip = 9,
                    .filters = "gm",
                    .filter_count = 2,
                    .uri = TP_STR("/lamp/on"),
                    .metadata = TP_STR("from=switch") },
        .plain_uri = TP_STR("/lamp/on?from=switch"),
        .body = &body,
    };
    struct tp_parcel_forward read;
    struct tp_parcel parcel;

    ck_assert_int_eq(TP_OK, chain_append(&body, "in three "));
    ck_assert_int_eq(TP_OK, chain_append(&body, "pieces, "));
    ck_assert_int_eq(TP_OK, chain_append(&body, "at least"));
    tp__parcel_write_forward(&parcel, &forward);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_FORWARD);

    ck_assert(tp__parcel_read_forward(arrived.bytes, &read));
    ck_assert_uint_eq(5, read.request);
    ck_assert_uint_eq(UINT64_MAX, read.number);
    ck_assert_int_eq(1234567890123, read.timeout.ms);
    ck_assert(read.is_pull && read.packet.has_body_codec);
    ck_assert_int_eq(TP_PACKET_PUSH, read.packet.type);
    ck_assert_uint_eq('s', read.packet.body_codec);
    ck_assert_uint_eq('j', read.packet.accept_codec);
    ck_assert_int_eq(-2, read.packet.gzip_level);
    ck_assert_int_eq(9, read.packet.reply_gzip);
    ck_assert_uint_eq(2, read.packet.filter_count);
    ck_assert_int_eq(0, memcmp("gm", read.packet.filters, 2));
    assert_text("/lamp/on", read.packet.uri);
    assert_text("/lamp/on?from=switch", read.plain_uri);
    assert_text("from=switch", read.packet.metadata);
    assert_text("in three pieces, at least", read.read_body);
    ck_assert_uint_eq(0, read.packet.body.len);
    ck_assert(!tp__parcel_read_forward((struct tp_str){ arrived.bytes.data, arrived.bytes.len - 1 },
                                       &read));
    free(arrived.memory);
    tp_chain_clear(&body);
}
END_TEST

START_TEST(closings_arrive)
{
    struct tp_parcel_closing closing = {
        .request = 1,
        .number = 2,
        .is_id_taken = true,
        .words = TP_STR("maintenance"),
    };
    struct tp_parcel_closing read;
    struct tp_parcel parcel;

    tp__parcel_write_closing(&parcel, &closing);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_CLOSE);

    ck_assert(tp__parcel_read_closing(arrived.bytes, &read));
    ck_assert_uint_eq(1, read.request);
    ck_assert_uint_eq(2, read.number);
    ck_assert(read.is_id_taken && !read.may_redial);
    assert_text("maintenance", read.words);
    free(arrived.memory);
}
END_TEST

START_TEST(outcomes_arrive)
{
    struct tp_parcel_outcome outcome = {
        .request = 9,
        .result = TP_OK,
        .has_reply = true,
        .status = { .code = -5, .text = TP_STR("dark"), .cause = TP_STR("no bulb") },
        .metadata = TP_STR("room=4"),
        .body_codec = 'p',
        .body = { "\0\xff", 2 },
    };
    struct tp_chain chain = { 0 };
    struct tp_parcel_outcome bare = { .request = 9, .result = TP_FULL };
    struct tp_parcel_outcome read;
    struct tp_parcel parcel;

    tp__parcel_write_outcome(&parcel, &outcome);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_OUTCOME);

    ck_assert(tp__parcel_read_outcome(arrived.bytes, &read));
    ck_assert_uint_eq(9, read.request);
    ck_assert_int_eq(TP_OK, read.result);
    ck_assert(read.has_reply && !read.is_lost);
    ck_assert_int_eq(-5, read.status.code);
    assert_text("dark", read.status.text);
    assert_text("no bulb", read.status.cause);
    assert_text("room=4", read.metadata);
    ck_assert_uint_eq('p', read.body_codec);
    ck_assert_uint_eq(2, read.body.len);
    ck_assert_int_eq(0, memcmp("\0\xff", read.body.data, 2));
    free(arrived.memory);

    ck_assert_int_eq(TP_OK, chain_append(&chain, "as it "));
    ck_assert_int_eq(TP_OK, chain_append(&chain, "came"));
    outcome.gzip_level = 256;
    outcome.has_body_codec = true;
    outcome.body_chain = &chain;
    tp__parcel_write_outcome(&parcel, &outcome);
    arrived = send_parcel(&parcel, TP_BUS_OUTCOME);
    ck_assert(tp__parcel_read_outcome(arrived.bytes, &read));
    assert_text("as it came", read.body);
    ck_assert_int_eq(256, read.gzip_level);
    ck_assert(read.has_body_codec && !read.is_answered && !read.was_sent);
    free(arrived.memory);
    tp_chain_clear(&chain);

    tp__parcel_write_outcome(&parcel, &bare);
    arrived = send_parcel(&parcel, TP_BUS_OUTCOME);
    ck_assert_uint_le(arrived.bytes.len + TP_FRAME_HEADER_BYTES, TP_PARCEL_OUTCOME_BYTES);
    ck_assert(tp__parcel_read_outcome(arrived.bytes, &read));
    ck_assert_int_eq(TP_FULL, read.result);
    ck_assert(!read.has_reply);
    ck_assert_int_eq(0, read.status.code);
    ck_assert_uint_eq(0, read.body.len);
    free(arrived.memory);
}
END_TEST

START_TEST(questions_arrive)
{
    struct tp_parcel_question question = {
        .request = 3,
        .number_count = TP_PARCEL_NUMBERS_MAX,
        .filter = {
            .id_prefix = TP_STR("lamp-"),
            .address = { .family = TP_ADDRESS_V4, .ip = { 10, 0, 0, 7 } },
            .source = TP_STR("0.0.0.0:9090"),
        },
    };
    struct tp_parcel_question read;
    struct tp_parcel parcel;

    for (uint32_t i = 0; i < TP_PARCEL_NUMBERS_MAX; i++) {
        question.numbers[i] = UINT64_C(1) << 40 | i;
    }
    tp__parcel_write_question(&parcel, &question);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_DESCRIBE);

    ck_assert(tp__parcel_read_question(arrived.bytes, &read));
    ck_assert_uint_eq(3, read.request);
    ck_assert_uint_eq(TP_PARCEL_NUMBERS_MAX, read.number_count);
    ck_assert_uint_eq(UINT64_C(1) << 40 | 99, read.numbers[99]);
    assert_text("lamp-", read.filter.id_prefix);
    assert_text("0.0.0.0:9090", read.filter.source);
    ck_assert_uint_eq(TP_ADDRESS_V4, read.filter.address.family);
    ck_assert_uint_eq(7, read.filter.address.ip[3]);
    free(arrived.memory);
}
END_TEST

START_TEST(rows_arrive_one_behind_the_other)
{
    struct tp_session_row lamp = {
        .number = 1,
        .worker_slot = 255,
        .is_dialed = true,
        .state = TP_SESSION_ENDING,
        .remote = { .family = TP_ADDRESS_V6, .port = 9 },
        .age_ms = 3,
        .open_count = 4,
        .asked_count = 5,
        .queued_bytes = 6,
        .packets_received = 7,
        .packets_sent = 8,
        .id = TP_STR("lamp"),
        .source = TP_STR("[::1]:9090"),
        .protocol = TP_STR("websocket"),
    };
    struct tp_session_row nameless = { .number = 2, .source = TP_STR("unix:/s") };
    struct tp_text rows = { 0 };
    struct tp_parcel_description read;
    struct tp_parcel parcel;
    struct tp_session_row row;

    tp__parcel_add_row(&rows, &lamp);
    tp__parcel_add_row(&rows, &nameless);
    struct tp_parcel_description description = { .request = 4, .rows = tp__text_get(&rows) };

    tp__parcel_write_description(&parcel, &description);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_DESCRIPTION);

    ck_assert(tp__parcel_read_description(arrived.bytes, &read));
    ck_assert_uint_eq(4, read.request);
    ck_assert_int_eq(TP_OK, read.result);
    ck_assert(tp__parcel_next_row(&read.rows, &row));
    ck_assert_uint_eq(1, row.number);
    ck_assert_uint_eq(255, row.worker_slot);
    ck_assert(row.is_dialed);
    ck_assert_int_eq(TP_SESSION_ENDING, row.state);
    ck_assert_uint_eq(TP_ADDRESS_V6, row.remote.family);
    ck_assert_int_eq(3, row.age_ms);
    ck_assert_uint_eq(8, row.packets_sent);
    assert_text("lamp", row.id);
    assert_text("[::1]:9090", row.source);
    assert_text("websocket", row.protocol);
    ck_assert(tp__parcel_next_row(&read.rows, &row));
    ck_assert_uint_eq(2, row.number);
    ck_assert_uint_eq(0, row.id.len);
    assert_text("unix:/s", row.source);
    ck_assert_uint_eq(0, row.protocol.len);
    ck_assert(!tp__parcel_next_row(&read.rows, &row));
    tp__text_fini(&rows);
    free(arrived.memory);
}
END_TEST

START_TEST(surveys_arrive)
{
    struct tp_parcel_survey survey = {
        .request = 7,
        .now_us = INT64_MAX,
        .asker_number = 17,
        .asker_seq = UINT64_MAX,
        .query = { .session.number = 4711,
                   .uri_prefix = TP_STR("/math/"),
                   .age_min.ms = 1500,
                   .row_count_max = TP_EXCHANGE_ROWS_MAX },
    };
    struct tp_parcel_survey read;
    struct tp_parcel parcel;

    tp__parcel_write_survey(&parcel, &survey);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_SURVEY);

    ck_assert(tp__parcel_read_survey(arrived.bytes, &read));
    ck_assert_uint_eq(7, read.request);
    ck_assert_int_eq(INT64_MAX, read.now_us);
    ck_assert_uint_eq(17, read.asker_number);
    ck_assert_uint_eq(UINT64_MAX, read.asker_seq);
    ck_assert_uint_eq(4711, read.query.session.number);
    ck_assert_int_eq(1500, read.query.age_min.ms);
    ck_assert_uint_eq(TP_EXCHANGE_ROWS_MAX, read.query.row_count_max);
    assert_text("/math/", read.query.uri_prefix);
    free(arrived.memory);
}
END_TEST

START_TEST(a_survey_for_more_rows_than_there_may_be_is_none)
{
    struct tp_parcel_survey survey = { .query.row_count_max = TP_EXCHANGE_ROWS_MAX + 1 };
    struct tp_parcel_survey read;
    struct tp_parcel parcel;

    tp__parcel_write_survey(&parcel, &survey);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_SURVEY);

    ck_assert(!tp__parcel_read_survey(arrived.bytes, &read));
    free(arrived.memory);
}
END_TEST

START_TEST(exchanges_arrive)
{
    const struct tp_exchange_row passed = {
        .session_number = 17,
        .is_ours = true,
        .seq = 9,
        .age_us = -3,
        .left_ms = -1,
        .awaiting = TP_AWAITING_UPSTREAM,
        .tries = 2,
        .awaited_session = 4,
        .awaited = TP_STR("math"),
        .address = TP_STR("10.0.0.7:9191"),
        .session_id = TP_STR("lamp"),
        .source = TP_STR("[::1]:9090"),
        .uri = TP_STR("/math/add?1"),
        .route = TP_STR("/math/*"),
        .module = TP_STR("proxy"),
        .point = TP_STR("pre_write_reply"),
    };
    const struct tp_exchange_row plain = { .seq = 1, .uri = TP_STR("/x") };
    struct tp_text rows = { 0 };
    struct tp_exchange_row row;

    tp__parcel_add_exchange(&rows, &passed);
    tp__parcel_add_exchange(&rows, &plain);
    struct tp_str rest = tp__text_get(&rows);

    ck_assert(tp__parcel_next_exchange(&rest, &row));
    ck_assert_uint_eq(17, row.session_number);
    ck_assert(row.is_ours && !row.is_dialed);
    ck_assert_int_eq(-3, row.age_us);
    ck_assert_int_eq(TP_AWAITING_UPSTREAM, row.awaiting);
    ck_assert_uint_eq(2, row.tries);
    ck_assert_uint_eq(4, row.awaited_session);
    assert_text("math", row.awaited);
    assert_text("10.0.0.7:9191", row.address);
    assert_text("lamp", row.session_id);
    assert_text("[::1]:9090", row.source);
    assert_text("/math/add?1", row.uri);
    assert_text("/math/*", row.route);
    assert_text("proxy", row.module);
    assert_text("pre_write_reply", row.point);
    ck_assert(tp__parcel_next_exchange(&rest, &row));
    assert_text("/x", row.uri);
    assert_text("", row.module);
    ck_assert(!tp__parcel_next_exchange(&rest, &row));
    tp__text_fini(&rows);
}
END_TEST

/* Whether these bytes, of a parcel of one kind, are read as one of that kind. */
static bool
is_read_as(uint16_t kind, struct tp_str bytes)
{
    struct tp_parcel_packet packet;
    struct tp_parcel_closing closing;
    struct tp_parcel_outcome outcome;
    struct tp_parcel_question question;
    struct tp_parcel_description description;
    struct tp_parcel_survey survey;

    switch (kind) {
    case TP_BUS_PUSH:
        return tp__parcel_read_packet(bytes, &packet);
    case TP_BUS_CLOSE:
        return tp__parcel_read_closing(bytes, &closing);
    case TP_BUS_OUTCOME:
        return tp__parcel_read_outcome(bytes, &outcome);
    case TP_BUS_DESCRIBE:
        return tp__parcel_read_question(bytes, &question);
    case TP_BUS_SURVEY:
        return tp__parcel_read_survey(bytes, &survey);
    default:
        return tp__parcel_read_description(bytes, &description);
    }
}

/* Whatever is cut off or hung on, it is not read; a sanitizer sees what reads beyond it. */
static void
assert_has_one_length(const struct tp_parcel *parcel)
{
    uint16_t kind = parcel->message.kind;
    struct arrived arrived = send_parcel(parcel, kind);

    for (size_t len = 0; len <= arrived.bytes.len + 1; len++) {
        char *other = calloc(1, len + 1);
        size_t same = len < arrived.bytes.len ? len : arrived.bytes.len;

        ck_assert_ptr_nonnull(other);
        memcpy(other, arrived.bytes.data, same);
        ck_assert_int_eq(len == arrived.bytes.len, is_read_as(kind, (struct tp_str){ other, len }));
        free(other);
    }
    free(arrived.memory);
}

START_TEST(another_length_is_no_parcel)
{
    struct tp_parcel_packet packet = { .uri = TP_STR("/x"), .body = TP_STR("body") };
    struct tp_parcel_closing closing = { .words = TP_STR("words") };
    struct tp_parcel_outcome outcome = { .status.text = TP_STR("text"), .body = TP_STR("body") };
    struct tp_parcel_question question = { .number_count = 2, .filter.source = TP_STR("s") };
    struct tp_parcel_description description = { .rows = TP_STR("rows") };
    struct tp_parcel_survey survey = { .query = { .uri_prefix = TP_STR("/x"),
                                                  .row_count_max = 1 } };
    struct tp_parcel parcel;

    tp__parcel_write_packet(&parcel, TP_BUS_PUSH, &packet);
    assert_has_one_length(&parcel);
    tp__parcel_write_closing(&parcel, &closing);
    assert_has_one_length(&parcel);
    tp__parcel_write_outcome(&parcel, &outcome);
    assert_has_one_length(&parcel);
    tp__parcel_write_question(&parcel, &question);
    assert_has_one_length(&parcel);
    tp__parcel_write_description(&parcel, &description);
    assert_has_one_length(&parcel);
    tp__parcel_write_survey(&parcel, &survey);
    assert_has_one_length(&parcel);
}
END_TEST

START_TEST(more_numbers_than_may_be_asked_for_are_no_question)
{
    struct tp_parcel_question question = { .number_count = TP_PARCEL_NUMBERS_MAX };
    struct tp_parcel parcel;

    tp__parcel_write_question(&parcel, &question);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_DESCRIBE);
    char *larger = calloc(1, arrived.bytes.len + sizeof(uint64_t));
    uint32_t count = TP_PARCEL_NUMBERS_MAX;

    memcpy(larger, arrived.bytes.data, arrived.bytes.len);
    /* Where the count stands in the head is found by its value. */
    for (size_t at = 0; at + sizeof(count) <= 64; at += sizeof(count)) {
        if (memcmp(larger + at, &count, sizeof(count)) == 0) {
            count++;
            memcpy(larger + at, &count, sizeof(count));
            break;
        }
    }
    ck_assert_uint_eq(TP_PARCEL_NUMBERS_MAX + 1, count);
    ck_assert(!tp__parcel_read_question(
        (struct tp_str){ larger, arrived.bytes.len + sizeof(uint64_t) }, &question));
    free(larger);
    free(arrived.memory);
}
END_TEST

START_TEST(what_is_told_arrives)
{
    struct tp_parcel_told told = { .word = TP_STR("module x"), .bytes = TP_STR("changed") };
    struct tp_parcel_told heard;
    struct tp_parcel parcel;

    tp__parcel_write_told(&parcel, &told);
    struct arrived arrived = send_parcel(&parcel, TP_BUS_TOLD);

    ck_assert(tp__parcel_read_told(arrived.bytes, &heard));
    assert_text("module x", heard.word);
    assert_text("changed", heard.bytes);
    for (arrived.bytes.len--; arrived.bytes.len > 0; arrived.bytes.len--) {
        ck_assert(!tp__parcel_read_told(arrived.bytes, &heard));
    }
    free(arrived.memory);
}
END_TEST

Suite *
tp_suite_process_parcel(void)
{
    Suite *suite = suite_create("process/parcel");
    TCase *tests = tcase_create("parcels");

    tcase_add_test(tests, packets_arrive);
    tcase_add_test(tests, what_is_passed_on_arrives);
    tcase_add_test(tests, closings_arrive);
    tcase_add_test(tests, outcomes_arrive);
    tcase_add_test(tests, questions_arrive);
    tcase_add_test(tests, rows_arrive_one_behind_the_other);
    tcase_add_test(tests, surveys_arrive);
    tcase_add_test(tests, a_survey_for_more_rows_than_there_may_be_is_none);
    tcase_add_test(tests, exchanges_arrive);
    tcase_add_test(tests, another_length_is_no_parcel);
    tcase_add_test(tests, what_is_told_arrives);
    tcase_add_test(tests, more_numbers_than_may_be_asked_for_are_no_question);
    suite_add_tcase(suite, tests);
    return suite;
}
