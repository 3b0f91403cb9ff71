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

struct forward_head {
    uint64_t request;
    uint64_t number;
    int64_t timeout_ms;
    int32_t type;
    int32_t gzip_level;
    int32_t reply_gzip;
    uint32_t uri_len;
    uint32_t plain_uri_len;
    uint32_t metadata_len;
    uint32_t body_len;
    uint8_t filters[TP_PACKET_FILTERS_MAX];
    uint8_t filter_count;
    uint8_t body_codec;
    uint8_t accept_codec;
    bool has_body_codec;
    bool is_pull;
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
    int32_t gzip_level; /* the wire has so many */
    uint8_t body_codec;
    bool has_reply : 1;
    bool is_lost : 1;
    bool is_answered : 1;
    bool was_sent : 1;
    bool has_body_codec : 1;
};

struct question_head {
    uint64_t request;
    struct tp_address address;
    uint32_t number_count;
    uint32_t id_prefix_len;
    uint32_t source_len;
};

struct survey_head {
    uint64_t request;
    int64_t now_us;
    uint64_t asker_number;
    uint64_t asker_seq;
    uint64_t number;
    int64_t age_min_ms;
    uint32_t row_count_max;
    uint32_t uri_prefix_len;
};

struct description_head {
    uint64_t request;
    uint64_t found_count;
    int32_t result;
    uint32_t rows_len;
};

/*
 * A row travels as the struct that it is, with the texts behind it: where those are, in the struct.
 * Their lengths travel in it, their places mean nothing elsewhere.
 */
static const size_t session_texts[] = {
    offsetof(struct tp_session_row, id),
    offsetof(struct tp_session_row, source),
    offsetof(struct tp_session_row, protocol),
};

static const size_t exchange_texts[] = {
    offsetof(struct tp_exchange_row, awaited),    offsetof(struct tp_exchange_row, address),
    offsetof(struct tp_exchange_row, session_id), offsetof(struct tp_exchange_row, source),
    offsetof(struct tp_exchange_row, uri),        offsetof(struct tp_exchange_row, route),
    offsetof(struct tp_exchange_row, module),     offsetof(struct tp_exchange_row, point),
};

struct told_head {
    uint32_t word_len;
    uint32_t bytes_len;
};

static void parcel_begin(struct tp_parcel *parcel, uint16_t kind, const void *head, size_t size);
static void parcel_add(struct tp_parcel *parcel, struct tp_str text);
static void parcel_add_chain(struct tp_parcel *parcel, const struct tp_chain *chain);
static bool parcel_take_head(struct tp_str *rest, void *head, size_t size);
static bool parcel_take(struct tp_str *rest, size_t len, struct tp_str *text);
static void rows_add_texts(struct tp_text *rows, const void *row, const size_t *texts,
                           size_t count);
static bool rows_take_texts(struct tp_str *rows, void *row, const size_t *texts, size_t count);

_Static_assert(sizeof(struct packet_head) <= TP_PARCEL_HEAD_BYTES_MAX, "a head fits its room");
_Static_assert(sizeof(struct survey_head) <= TP_PARCEL_HEAD_BYTES_MAX, "a head fits its room");
_Static_assert(sizeof(struct forward_head) <= TP_PARCEL_HEAD_BYTES_MAX, "a head fits its room");
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
tp__parcel_write_forward(struct tp_parcel *parcel, const struct tp_parcel_forward *forward)
{
    const struct tp_packet *packet = &forward->packet;
    struct forward_head head = {
        .request = forward->request,
        .number = forward->number,
        .timeout_ms = forward->timeout.ms,
        .type = packet->type,
        .gzip_level = packet->gzip_level,
        .reply_gzip = packet->reply_gzip,
        .uri_len = (uint32_t) packet->uri.len,
        .plain_uri_len = (uint32_t) forward->plain_uri.len,
        .metadata_len = (uint32_t) packet->metadata.len,
        .body_len = (uint32_t) forward->body->len,
        .filter_count = packet->filter_count,
        .body_codec = packet->body_codec,
        .accept_codec = packet->accept_codec,
        .has_body_codec = packet->has_body_codec,
        .is_pull = forward->is_pull,
    };

    memcpy(head.filters, packet->filters, sizeof(head.filters));
    parcel_begin(parcel, TP_BUS_FORWARD, &head, sizeof(head));
    parcel_add(parcel, packet->uri);
    parcel_add(parcel, forward->plain_uri);
    parcel_add(parcel, packet->metadata);
    parcel_add_chain(parcel, forward->body);
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
        .body_len =
            (uint32_t) (outcome->body_chain != NULL ? outcome->body_chain->len : outcome->body.len),
        .gzip_level = outcome->gzip_level,
        .body_codec = outcome->body_codec,
        .has_body_codec = outcome->has_body_codec,
        .has_reply = outcome->has_reply,
        .is_lost = outcome->is_lost,
        .is_answered = outcome->is_answered,
        .was_sent = outcome->was_sent,
    };

    parcel_begin(parcel, TP_BUS_OUTCOME, &head, sizeof(head));
    parcel_add(parcel, outcome->status.text);
    parcel_add(parcel, outcome->status.cause);
    parcel_add(parcel, outcome->metadata);
    if (outcome->body_chain != NULL) {
        parcel_add_chain(parcel, outcome->body_chain);
    } else {
        parcel_add(parcel, outcome->body);
    }
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
tp__parcel_write_survey(struct tp_parcel *parcel, const struct tp_parcel_survey *survey)
{
    struct survey_head head = {
        .request = survey->request,
        .now_us = survey->now_us,
        .asker_number = survey->asker_number,
        .asker_seq = survey->asker_seq,
        .number = survey->query.session.number,
        .age_min_ms = survey->query.age_min.ms,
        .row_count_max = (uint32_t) survey->query.row_count_max,
        .uri_prefix_len = (uint32_t) survey->query.uri_prefix.len,
    };

    parcel_begin(parcel, TP_BUS_SURVEY, &head, sizeof(head));
    parcel_add(parcel, survey->query.uri_prefix);
}

void
tp__parcel_write_description(struct tp_parcel *parcel,
                             const struct tp_parcel_description *description)
{
    struct description_head head = {
        .request = description->request,
        .found_count = description->found_count,
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
tp__parcel_read_forward(struct tp_str bytes, struct tp_parcel_forward *forward)
{
    struct forward_head head;
    struct tp_packet *packet = &forward->packet;

    *forward = (struct tp_parcel_forward){ .request = 0 };
    if (!parcel_take_head(&bytes, &head, sizeof(head)) || head.filter_count > TP_PACKET_FILTERS_MAX
        || !parcel_take(&bytes, head.uri_len, &packet->uri)
        || !parcel_take(&bytes, head.plain_uri_len, &forward->plain_uri)
        || !parcel_take(&bytes, head.metadata_len, &packet->metadata)
        || !parcel_take(&bytes, head.body_len, &forward->read_body)) {
        return false;
    }
    forward->request = head.request;
    forward->number = head.number;
    forward->timeout.ms = head.timeout_ms;
    forward->is_pull = head.is_pull;
    packet->type = head.type;
    packet->gzip_level = head.gzip_level;
    packet->reply_gzip = head.reply_gzip;
    memcpy(packet->filters, head.filters, sizeof(packet->filters));
    packet->filter_count = head.filter_count;
    packet->body_codec = head.body_codec;
    packet->accept_codec = head.accept_codec;
    packet->has_body_codec = head.has_body_codec;
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
    outcome->gzip_level = head.gzip_level;
    outcome->has_body_codec = head.has_body_codec;
    outcome->has_reply = head.has_reply;
    outcome->is_lost = head.is_lost;
    outcome->is_answered = head.is_answered;
    outcome->was_sent = head.was_sent;
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
tp__parcel_read_survey(struct tp_str bytes, struct tp_parcel_survey *survey)
{
    struct survey_head head;
    struct tp_str uri_prefix;

    if (!parcel_take_head(&bytes, &head, sizeof(head))
        || !parcel_take(&bytes, head.uri_prefix_len, &uri_prefix) || head.row_count_max == 0
        || head.row_count_max > TP_EXCHANGE_ROWS_MAX) {
        return false;
    }
    survey->request = head.request;
    survey->now_us = head.now_us;
    survey->asker_number = head.asker_number;
    survey->asker_seq = head.asker_seq;
    survey->query = (struct tp_exchange_query){
        .session.number = head.number,
        .uri_prefix = uri_prefix,
        .age_min.ms = head.age_min_ms,
        .row_count_max = head.row_count_max,
    };
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
    description->found_count = head.found_count;
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
    tp__text_append(rows, (struct tp_str){ (const char *) row, sizeof(*row) });
    rows_add_texts(rows, row, session_texts, TP_COUNT_OF(session_texts));
}

bool
tp__parcel_next_row(struct tp_str *rows, struct tp_session_row *row)
{
    return parcel_take_head(rows, row, sizeof(*row))
           && rows_take_texts(rows, row, session_texts, TP_COUNT_OF(session_texts));
}

void
tp__parcel_add_exchange(struct tp_text *rows, const struct tp_exchange_row *row)
{
    tp__text_append(rows, (struct tp_str){ (const char *) row, sizeof(*row) });
    rows_add_texts(rows, row, exchange_texts, TP_COUNT_OF(exchange_texts));
}

bool
tp__parcel_next_exchange(struct tp_str *rows, struct tp_exchange_row *row)
{
    return parcel_take_head(rows, row, sizeof(*row))
           && rows_take_texts(rows, row, exchange_texts, TP_COUNT_OF(exchange_texts));
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

static void
parcel_add_chain(struct tp_parcel *parcel, const struct tp_chain *chain)
{
    size_t count;
    const struct tp_slice *slices = tp_chain_slices(chain, &count);

    for (size_t i = 0; i < count; i++) {
        parcel_add(parcel, (struct tp_str){ (const char *) slices[i].data, slices[i].len });
    }
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

static void
rows_add_texts(struct tp_text *rows, const void *row, const size_t *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct tp_str *text =
            (const struct tp_str *) (const void *) ((const char *) row + texts[i]);

        tp__text_append(rows, *text);
    }
}

/* What the texts say is behind the struct, which has their lengths. */
static bool
rows_take_texts(struct tp_str *rows, void *row, const size_t *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct tp_str *text = (struct tp_str *) (void *) ((char *) row + texts[i]);

        if (!parcel_take(rows, text->len, text)) {
            return false;
        }
    }
    return true;
}
