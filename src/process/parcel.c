/*
 * parcel.c - what couriers send each other, as bytes and back.
 *
 * A head says how long the texts behind it are; all of them together are the parcel, to the
 * byte.  Heads are copied out of the bytes, which may lie anywhere.
 *
 * Runs in: worker.
 */
#include "process/parcel.h"

#include "base/str.h"
#include "process/bus_kinds.h"

#include <string.h>

struct packet_head {
    uint64_t request;
    uint64_t number;
    struct tp_send_options options;
    uint32_t uri_len;
    uint32_t metadata_len;
    uint32_t body_len;
};

struct closing_head {
    uint64_t request;
    uint64_t number;
    bool is_id_taken;
    bool may_redial;
    uint32_t words_len;
};

struct outcome_head {
    uint64_t request;
    int32_t result;
    int32_t code;
    uint32_t text_len;
    uint32_t cause_len;
    uint32_t metadata_len;
    uint32_t body_len;
    uint8_t body_codec;
    uint8_t is_answered;
    uint8_t was_sent;
    uint8_t unused;
};

struct question_head {
    uint64_t request;
    struct tp_address address;
    uint32_t number_count;
    uint32_t id_prefix_len;
    uint32_t source_len;
};

struct description_head {
    uint64_t request;
    int32_t result;
    uint32_t rows_len;
};

/* What is in front of the texts of a row. */
struct row_head {
    struct tp_session_row row; /* its texts are void */
    uint32_t id_len;
    uint32_t source_len;
    uint32_t protocol_len;
};

struct told_head {
    uint32_t word_len;
    uint32_t bytes_len;
};

static void parcel_begin(struct tp_parcel *parcel, uint16_t kind, const void *head, size_t size);
static void parcel_add(struct tp_parcel *parcel, struct tp_str text);
static bool parcel_take_head(struct tp_str *rest, void *head, size_t size);
static bool parcel_take(struct tp_str *rest, size_t len, struct tp_str *text);

_Static_assert(sizeof(struct packet_head) <= TP_PARCEL_HEAD_BYTES_MAX, "a head fits its room");
_Static_assert(sizeof(struct question_head) <= TP_PARCEL_HEAD_BYTES_MAX, "a head fits its room");
_Static_assert(sizeof(struct outcome_head) + TP_FRAME_HEADER_BYTES <= TP_PARCEL_OUTCOME_BYTES,
               "the bus keeps room for so much");
_Static_assert(sizeof(struct description_head) <= sizeof(struct outcome_head),
               "and for what answers a question for rows");

void
tp__parcel_write_packet(struct tp_parcel *parcel, uint16_t kind,
                        const struct tp_parcel_packet *packet)
{
    struct packet_head head = {
        .request = packet->request,
        .number = packet->number,
        .options = packet->options,
        .uri_len = (uint32_t) packet->uri.len,
        .metadata_len = (uint32_t) packet->options.metadata.len,
        .body_len = (uint32_t) packet->body.len,
    };

    head.options.metadata = TP_STR(""); /* It travels among the texts. */
    parcel_begin(parcel, kind, &head, sizeof(head));
    parcel_add(parcel, packet->uri);
    parcel_add(parcel, packet->options.metadata);
    parcel_add(parcel, packet->body);
}

void
tp__parcel_write_closing(struct tp_parcel *parcel, const struct tp_parcel_closing *closing)
{
    struct closing_head head = {
        .request = closing->request,
        .number = closing->number,
        .is_id_taken = closing->is_id_taken,
        .may_redial = closing->may_redial,
        .words_len = (uint32_t) closing->words.len,
    };

    parcel_begin(parcel, TP_BUS_CLOSE, &head, sizeof(head));
    parcel_add(parcel, closing->words);
}

void
tp__parcel_write_outcome(struct tp_parcel *parcel, const struct tp_parcel_outcome *outcome)
{
    struct outcome_head head = {
        .request = outcome->request,
        .result = outcome->result,
        .code = outcome->status.code,
        .text_len = (uint32_t) outcome->status.text.len,
        .cause_len = (uint32_t) outcome->status.cause.len,
        .metadata_len = (uint32_t) outcome->metadata.len,
        .body_len = (uint32_t) outcome->body.len,
        .body_codec = outcome->body_codec,
        .is_answered = outcome->is_answered,
        .was_sent = outcome->was_sent,
    };

    parcel_begin(parcel, TP_BUS_OUTCOME, &head, sizeof(head));
    parcel_add(parcel, outcome->status.text);
    parcel_add(parcel, outcome->status.cause);
    parcel_add(parcel, outcome->metadata);
    parcel_add(parcel, outcome->body);
}

void
tp__parcel_write_question(struct tp_parcel *parcel, const struct tp_parcel_question *question)
{
    struct question_head head = {
        .request = question->request,
        .address = question->filter.address,
        .number_count = question->number_count,
        .id_prefix_len = (uint32_t) question->filter.id_prefix.len,
        .source_len = (uint32_t) question->filter.source.len,
    };

    TP_ASSERT(question->number_count <= TP_PARCEL_NUMBERS_MAX);
    parcel_begin(parcel, TP_BUS_DESCRIBE, &head, sizeof(head));
    parcel_add(parcel, (struct tp_str){ (const char *) question->numbers,
                                        question->number_count * sizeof(question->numbers[0]) });
    parcel_add(parcel, question->filter.id_prefix);
    parcel_add(parcel, question->filter.source);
}

void
tp__parcel_write_description(struct tp_parcel *parcel,
                             const struct tp_parcel_description *description)
{
    struct description_head head = {
        .request = description->request,
        .result = description->result,
        .rows_len = (uint32_t) description->rows.len,
    };

    parcel_begin(parcel, TP_BUS_DESCRIPTION, &head, sizeof(head));
    parcel_add(parcel, description->rows);
}

void
tp__parcel_write_told(struct tp_parcel *parcel, const struct tp_parcel_told *told)
{
    struct told_head head = {
        .word_len = (uint32_t) told->word.len,
        .bytes_len = (uint32_t) told->bytes.len,
    };

    parcel_begin(parcel, TP_BUS_TOLD, &head, sizeof(head));
    parcel_add(parcel, told->word);
    parcel_add(parcel, told->bytes);
}

bool
tp__parcel_read_packet(struct tp_str bytes, struct tp_parcel_packet *packet)
{
    struct packet_head head;
    struct tp_str metadata;

    if (!parcel_take_head(&bytes, &head, sizeof(head))
        || !parcel_take(&bytes, head.uri_len, &packet->uri)
        || !parcel_take(&bytes, head.metadata_len, &metadata)
        || !parcel_take(&bytes, head.body_len, &packet->body)) {
        return false;
    }
    packet->request = head.request;
    packet->number = head.number;
    packet->options = head.options;
    packet->options.metadata = metadata;
    return bytes.len == 0;
}

bool
tp__parcel_read_closing(struct tp_str bytes, struct tp_parcel_closing *closing)
{
    struct closing_head head;

    if (!parcel_take_head(&bytes, &head, sizeof(head))
        || !parcel_take(&bytes, head.words_len, &closing->words)) {
        return false;
    }
    closing->request = head.request;
    closing->number = head.number;
    closing->is_id_taken = head.is_id_taken;
    closing->may_redial = head.may_redial;
    return bytes.len == 0;
}

bool
tp__parcel_read_outcome(struct tp_str bytes, struct tp_parcel_outcome *outcome)
{
    struct outcome_head head;

    if (!parcel_take_head(&bytes, &head, sizeof(head))
        || !parcel_take(&bytes, head.text_len, &outcome->status.text)
        || !parcel_take(&bytes, head.cause_len, &outcome->status.cause)
        || !parcel_take(&bytes, head.metadata_len, &outcome->metadata)
        || !parcel_take(&bytes, head.body_len, &outcome->body)) {
        return false;
    }
    outcome->request = head.request;
    outcome->result = (enum tp_result) head.result;
    outcome->status.code = head.code;
    outcome->body_codec = head.body_codec;
    outcome->is_answered = head.is_answered != 0;
    outcome->was_sent = head.was_sent != 0;
    return bytes.len == 0;
}

bool
tp__parcel_read_question(struct tp_str bytes, struct tp_parcel_question *question)
{
    struct question_head head;
    struct tp_str numbers;

    if (!parcel_take_head(&bytes, &head, sizeof(head)) || head.number_count > TP_PARCEL_NUMBERS_MAX
        || !parcel_take(&bytes, head.number_count * sizeof(uint64_t), &numbers)
        || !parcel_take(&bytes, head.id_prefix_len, &question->filter.id_prefix)
        || !parcel_take(&bytes, head.source_len, &question->filter.source)) {
        return false;
    }
    question->request = head.request;
    question->number_count = head.number_count;
    question->filter.address = head.address;
    memcpy(question->numbers, numbers.data, numbers.len);
    return bytes.len == 0;
}

bool
tp__parcel_read_description(struct tp_str bytes, struct tp_parcel_description *description)
{
    struct description_head head;

    if (!parcel_take_head(&bytes, &head, sizeof(head))
        || !parcel_take(&bytes, head.rows_len, &description->rows)) {
        return false;
    }
    description->request = head.request;
    description->result = (enum tp_result) head.result;
    return bytes.len == 0;
}

bool
tp__parcel_read_told(struct tp_str bytes, struct tp_parcel_told *told)
{
    struct told_head head;

    return parcel_take_head(&bytes, &head, sizeof(head))
           && parcel_take(&bytes, head.word_len, &told->word)
           && parcel_take(&bytes, head.bytes_len, &told->bytes) && bytes.len == 0;
}

void
tp__parcel_add_row(struct tp_text *rows, const struct tp_session_row *row)
{
    struct row_head head = {
        .row = *row,
        .id_len = (uint32_t) row->id.len,
        .source_len = (uint32_t) row->source.len,
        .protocol_len = (uint32_t) row->protocol.len,
    };

    head.row.id = TP_STR("");
    head.row.source = TP_STR("");
    head.row.protocol = TP_STR("");
    tp__text_append(rows, (struct tp_str){ (const char *) &head, sizeof(head) });
    tp__text_append(rows, row->id);
    tp__text_append(rows, row->source);
    tp__text_append(rows, row->protocol);
}

bool
tp__parcel_next_row(struct tp_str *rows, struct tp_session_row *row)
{
    struct row_head head;
    struct tp_str id;
    struct tp_str source;
    struct tp_str protocol;

    if (!parcel_take_head(rows, &head, sizeof(head)) || !parcel_take(rows, head.id_len, &id)
        || !parcel_take(rows, head.source_len, &source)
        || !parcel_take(rows, head.protocol_len, &protocol)) {
        return false;
    }
    *row = head.row;
    row->id = id;
    row->source = source;
    row->protocol = protocol;
    return true;
}

static void
parcel_begin(struct tp_parcel *parcel, uint16_t kind, const void *head, size_t size)
{
    memcpy(parcel->head, head, size);
    parcel->pieces[0] = (struct tp_str){ parcel->head, size };
    parcel->message =
        (struct tp_frame_pieces){ .kind = kind, .pieces = parcel->pieces, .count = 1 };
}

static void
parcel_add(struct tp_parcel *parcel, struct tp_str text)
{
    TP_ASSERT(parcel->message.count < TP_PARCEL_PIECES_MAX);
    parcel->pieces[parcel->message.count++] = text;
}

static bool
parcel_take_head(struct tp_str *rest, void *head, size_t size)
{
    struct tp_str bytes;

    if (!parcel_take(rest, size, &bytes)) {
        return false;
    }
    memcpy(head, bytes.data, size);
    return true;
}

static bool
parcel_take(struct tp_str *rest, size_t len, struct tp_str *text)
{
    if (rest->len < len) {
        return false;
    }
    *text = (struct tp_str){ rest->data, len };
    *rest = tp__str_skip(*rest, len);
    return true;
}
