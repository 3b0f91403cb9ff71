/*
 * process/parcel.h - what couriers send each other, as bytes and back.
 *
 * Both ends are of the same binary, so a parcel is a struct in this machine's layout and the
 * texts it names the lengths of.  What is read borrows from the bytes.
 *
 * Read next: courier.c, bus_kinds.h.
 */
#ifndef TP_PROCESS_PARCEL_H
#define TP_PROCESS_PARCEL_H

#include <teleport/packet.h>
#include <teleport/remote.h>

#include "base/text.h"
#include "share/frames.h"

enum {
    TP_PARCEL_BODY_PIECES_MAX = 28, /* slices of a body */
    TP_PARCEL_PIECES_MAX = 4 + TP_PARCEL_BODY_PIECES_MAX,
    TP_PARCEL_NUMBERS_MAX = 100, /* sessions that are asked for at once */
    TP_PARCEL_HEAD_BYTES_MAX = 96,
    TP_PARCEL_OUTCOME_BYTES = 56, /* of one without texts and body */
};

/* A parcel to be sent: its texts are borrowed from what it was made of. */
struct tp_parcel {
    _Alignas(8) char head[TP_PARCEL_HEAD_BYTES_MAX];
    struct tp_str pieces[TP_PARCEL_PIECES_MAX];
    struct tp_frame_pieces message;
};

/* TP_BUS_PUSH, TP_BUS_PULL. */
struct tp_parcel_packet {
    uint64_t request;
    uint64_t number;
    struct tp_send_options options;
    struct tp_str uri;
    struct tp_str body;
};

/* TP_BUS_FORWARD: a request as it came, without its body, which is written of a chain. */
struct tp_parcel_forward {
    uint64_t request;
    uint64_t number;
    struct tp_msec timeout;
    bool is_pull;
    struct tp_packet packet;
    struct tp_str plain_uri;     /* see struct tp_forwarding */
    const struct tp_chain *body; /* written: at most TP_PARCEL_BODY_PIECES_MAX slices */
    struct tp_str read_body;
};

/* TP_BUS_CLOSE. */
struct tp_parcel_closing {
    uint64_t request;
    uint64_t number;
    bool is_id_taken; /* it is because another session took its id, which it loses */
    bool may_redial;
    struct tp_str words;
};

/* TP_BUS_OUTCOME: status and body only of a PULL that was taken, `has_reply`, with TP_OK. */
struct tp_parcel_outcome {
    uint64_t request;
    enum tp_result result;
    bool has_reply;
    bool is_lost; /* …whose bytes did not get across; the status has no text then */
    struct tp_status status;
    struct tp_str metadata;
    uint8_t body_codec;
    bool has_body_codec;
    int32_t gzip_level;
    bool is_answered; /* see struct tp_reply */
    bool was_sent;
    struct tp_str body;
    const struct tp_chain
        *body_chain; /* written instead of it, as tp_parcel_forward.body; or NULL */
};

/* TP_BUS_DESCRIBE: of the query its filters alone. */
struct tp_parcel_question {
    uint64_t request;
    uint32_t number_count;
    uint64_t numbers[TP_PARCEL_NUMBERS_MAX];
    struct tp_session_query filter;
};

/* TP_BUS_SURVEY: `query` names a session by its number, or none, and no asker, who is here. */
struct tp_parcel_survey {
    uint64_t request;
    int64_t now_us; /* of CLOCK_MONOTONIC: ages are counted to here */
    uint64_t asker_number;
    uint64_t asker_seq;
    struct tp_exchange_query query;
};

/* TP_BUS_DESCRIPTION: rows one behind the other; see tp__parcel_add_row(). */
struct tp_parcel_description {
    uint64_t request;
    enum tp_result result;
    uint64_t found_count; /* of which the rows are the first */
    struct tp_str rows;
};

/* TP_BUS_TOLD: nobody answers it. */
struct tp_parcel_told {
    struct tp_str word;
    struct tp_str bytes;
};

void tp__parcel_write_packet(struct tp_parcel *parcel, uint16_t kind,
                             const struct tp_parcel_packet *packet);
void tp__parcel_write_forward(struct tp_parcel *parcel, const struct tp_parcel_forward *forward);
void tp__parcel_write_closing(struct tp_parcel *parcel, const struct tp_parcel_closing *closing);
void tp__parcel_write_outcome(struct tp_parcel *parcel, const struct tp_parcel_outcome *outcome);
void tp__parcel_write_question(struct tp_parcel *parcel, const struct tp_parcel_question *question);
void tp__parcel_write_survey(struct tp_parcel *parcel, const struct tp_parcel_survey *survey);
void tp__parcel_write_description(struct tp_parcel *parcel,
                                  const struct tp_parcel_description *description);
void tp__parcel_write_told(struct tp_parcel *parcel, const struct tp_parcel_told *told);

/* False when the bytes are no such parcel. */
bool tp__parcel_read_packet(struct tp_str bytes, struct tp_parcel_packet *packet) TP_MUST_CHECK;
bool tp__parcel_read_forward(struct tp_str bytes, struct tp_parcel_forward *forward) TP_MUST_CHECK;
bool tp__parcel_read_closing(struct tp_str bytes, struct tp_parcel_closing *closing) TP_MUST_CHECK;
bool tp__parcel_read_outcome(struct tp_str bytes, struct tp_parcel_outcome *outcome) TP_MUST_CHECK;
bool tp__parcel_read_question(struct tp_str bytes,
                              struct tp_parcel_question *question) TP_MUST_CHECK;
bool tp__parcel_read_survey(struct tp_str bytes, struct tp_parcel_survey *survey) TP_MUST_CHECK;
bool tp__parcel_read_description(struct tp_str bytes,
                                 struct tp_parcel_description *description) TP_MUST_CHECK;
bool tp__parcel_read_told(struct tp_str bytes, struct tp_parcel_told *told) TP_MUST_CHECK;

/* Appends a row to `rows`. */
void tp__parcel_add_row(struct tp_text *rows, const struct tp_session_row *row);
void tp__parcel_add_exchange(struct tp_text *rows, const struct tp_exchange_row *row);

/* Takes the first row off `rows`; false when that is none, or there are no more. */
bool tp__parcel_next_row(struct tp_str *rows, struct tp_session_row *row) TP_MUST_CHECK;
bool tp__parcel_next_exchange(struct tp_str *rows, struct tp_exchange_row *row) TP_MUST_CHECK;

#endif
