/*
 * http.c - the decoders of HTTP against any bytes, in both roles.
 *
 * The first byte says which role, the second how long the pieces are in which the rest
 * arrives.  In one piece it must come to the same, message by message; and what a request
 * brought must come back from our own server through our own client as it was.
 *
 * Read next: modules/protocol/http, tests/unit/protocol/http.c.
 */
#include "packet_fuzz.h"

#include "packet/filters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FUZZ_PRELUDE = 2,
    FUZZ_SEQ = 7,
};

/* One end of a connection. */
struct fuzz_end {
    struct tp_filters filters;
    struct tp_chain input;
    void *state;
    bool is_dialed;
};

static const struct tp_str fuzz_origins[] = { { "https://a.example", 17 } };

static bool fuzz_find_protocol(struct fuzz_packets *fuzz);
static void fuzz_add_filters(struct tp_filters *filters);
static struct tp_wire fuzz_wire(struct fuzz_packets *fuzz, struct fuzz_end *end);
static void fuzz_open(struct fuzz_packets *fuzz, struct fuzz_end *end, bool is_dialed);
static void fuzz_close(struct fuzz_end *end);
static void fuzz_ask(struct fuzz_packets *fuzz, struct fuzz_end *end);
static enum tp_decode_outcome fuzz_decode(struct fuzz_packets *fuzz, struct fuzz_end *end,
                                          struct tp_packet *packet, bool *is_last);
static void fuzz_assert_same(const struct tp_packet *one, const struct tp_packet *other);
static bool fuzz_step(struct fuzz_packets *fuzz, struct fuzz_end *one, struct fuzz_end *other);
static void fuzz_return_trip(struct fuzz_packets *fuzz, const struct tp_packet *request);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_packets fuzz;
    struct fuzz_end whole;
    struct fuzz_end pieces;

    if (size < FUZZ_PRELUDE) {
        return 0;
    }
    (void) fuzz_packets_init(&fuzz);
    if (!fuzz_find_protocol(&fuzz)) {
        fuzz_packets_fini(&fuzz);
        return 0;
    }
    bool is_dialed = (data[0] & 1) != 0;

    fuzz_open(&fuzz, &whole, is_dialed);
    fuzz_open(&fuzz, &pieces, is_dialed);
    whole.input = fuzz_packets_chain(&fuzz, data + FUZZ_PRELUDE, size - FUZZ_PRELUDE, size);
    pieces.input =
        fuzz_packets_chain(&fuzz, data + FUZZ_PRELUDE, size - FUZZ_PRELUDE, 1 + (size_t) data[1]);
    while (fuzz_step(&fuzz, &whole, &pieces)) {
    }
    fuzz_close(&whole);
    fuzz_close(&pieces);
    fuzz_packets_fini(&fuzz);
    return 0;
}

static bool
fuzz_find_protocol(struct fuzz_packets *fuzz)
{
    fuzz->protocol = NULL;
    for (size_t i = 0; i < tp__built_module_count; i++) {
        if (strcmp(tp__built_modules[i]->name, "http") == 0) {
            fuzz->protocol = tp__built_modules[i]->protocols[0];
        }
    }
    return fuzz->protocol != NULL;
}

static void
fuzz_add_filters(struct tp_filters *filters)
{
    for (size_t i = 0; i < tp__built_module_count; i++) {
        if (tp__built_modules[i]->filter != NULL) {
            enum tp_result result = tp__filters_add(filters, tp__built_modules[i]->filter);

            TP_ASSERT(result == TP_OK);
        }
    }
}

static struct tp_wire
fuzz_wire(struct fuzz_packets *fuzz, struct fuzz_end *end)
{
    return (struct tp_wire){
        .input = &end->input,
        .state = end->state,
        .limits = { .packet = { FUZZ_PACKET_MAX } },
        .is_dialed = end->is_dialed,
        .has_ended = end->is_dialed,
        .target = TP_STR("a.example:80/api"),
        .pool = &fuzz->pool,
        .filters = &end->filters,
        .origins = fuzz_origins,
        .origin_count = TP_COUNT_OF(fuzz_origins),
        .why = NULL,
    };
}

static void
fuzz_open(struct fuzz_packets *fuzz, struct fuzz_end *end, bool is_dialed)
{
    *end = (struct fuzz_end){ .is_dialed = is_dialed };
    end->state = calloc(1, fuzz->protocol->state_size);
    TP_ASSERT(end->state != NULL);
    fuzz_add_filters(&end->filters);
    if (is_dialed) {
        fuzz_ask(fuzz, end);
    }
}

static void
fuzz_close(struct fuzz_end *end)
{
    tp_chain_clear(&end->input);
    tp__filters_fini(&end->filters);
    free(end->state);
}

/* What has dialed waits for an answer. */
static void
fuzz_ask(struct fuzz_packets *fuzz, struct fuzz_end *end)
{
    const struct tp_packet pull = {
        .type = TP_PACKET_PULL,
        .seq = FUZZ_SEQ,
        .uri = TP_STR("/x"),
    };
    struct tp_wire wire = fuzz_wire(fuzz, end);
    enum tp_result result = fuzz->protocol->encode(&wire, &pull, &fuzz->output);

    TP_ASSERT(result == TP_OK);
    tp__output_reset(&fuzz->output);
}

/* What is refused says why. */
static enum tp_decode_outcome
fuzz_decode(struct fuzz_packets *fuzz, struct fuzz_end *end, struct tp_packet *packet,
            bool *is_last)
{
    struct tp_wire wire = fuzz_wire(fuzz, end);
    size_t before = end->input.len;
    enum tp_decode_outcome outcome = fuzz->protocol->decode(&wire, packet);
    bool has_taken = outcome == TP_DECODE_PACKET || outcome == TP_DECODE_REFUSED;

    TP_ASSERT(outcome != TP_DECODE_NO_MEMORY && outcome != TP_DECODE_SWITCH);
    TP_ASSERT((outcome != TP_DECODE_BROKEN && outcome != TP_DECODE_TOO_LARGE) || wire.why != NULL);
    TP_ASSERT(outcome != TP_DECODE_REFUSED || packet->status.code >= TP_STATUS_OK);
    TP_ASSERT(!has_taken || packet->wire_bytes == before - end->input.len);
    TP_ASSERT(has_taken || outcome == TP_DECODE_TOOK || end->input.len == before);
    TP_ASSERT(outcome != TP_DECODE_TOOK || end->input.len < before);
    tp_chain_clear(&wire.own);
    *is_last = wire.is_last;
    return outcome;
}

static void
fuzz_assert_same(const struct tp_packet *one, const struct tp_packet *other)
{
    fuzz_packets_assert_same(one, other);
    fuzz_packets_assert_same_text(one->metadata, other->metadata);
    fuzz_packets_assert_same_text(one->status.cause, other->status.cause);
    TP_ASSERT(one->note == other->note && one->accept_codec == other->accept_codec);
}

/* Takes what comes next from both; false when there is no more. */
static bool
fuzz_step(struct fuzz_packets *fuzz, struct fuzz_end *one, struct fuzz_end *other)
{
    struct tp_packet packet = { .type = 0 };
    struct tp_packet again = { .type = 0 };
    bool is_last;
    bool is_last_again;
    enum tp_decode_outcome outcome = fuzz_decode(fuzz, one, &packet, &is_last);

    TP_ASSERT(fuzz_decode(fuzz, other, &again, &is_last_again) == outcome);
    TP_ASSERT(is_last == is_last_again && one->input.len == other->input.len);
    bool has_taken = outcome == TP_DECODE_PACKET || outcome == TP_DECODE_REFUSED;

    if (has_taken) {
        fuzz_assert_same(&packet, &again);
        if (!one->is_dialed) {
            fuzz_return_trip(fuzz, &packet);
        }
    }
    tp_packet_clear(&packet);
    tp_packet_clear(&again);
    return (has_taken || outcome == TP_DECODE_TOOK) && !is_last;
}

/* Sends the request's body and metadata back, and reads that as a client would. */
static void
fuzz_return_trip(struct fuzz_packets *fuzz, const struct tp_packet *request)
{
    struct tp_packet reply = {
        .type = TP_PACKET_REPLY,
        .seq = request->seq,
        .note = request->note & ~1u, /* not of a HEAD */
        .status = tp_status_of(TP_STATUS_OK),
        .metadata = request->metadata,
        .body = request->body, /* lent */
        .body_codec = request->body_codec,
        .has_body_codec = request->has_body_codec,
    };
    struct tp_packet came = { .type = 0 };
    struct fuzz_end server;
    struct fuzz_end client;
    bool is_last;

    fuzz_open(fuzz, &server, false);
    fuzz_open(fuzz, &client, true);
    struct tp_wire wire = fuzz_wire(fuzz, &server);
    enum tp_result result = fuzz->protocol->encode(&wire, &reply, &fuzz->output);

    TP_ASSERT(result == TP_OK);
    result = tp__output_rest(&fuzz->output, 0, &client.input);
    TP_ASSERT(result == TP_OK);
    enum tp_decode_outcome outcome = fuzz_decode(fuzz, &client, &came, &is_last);

    /* What metadata adds may make the head, or all of it, longer than it may be. */
    TP_ASSERT(outcome == TP_DECODE_PACKET || outcome == TP_DECODE_TOO_LARGE
              || outcome == TP_DECODE_BROKEN);
    if (outcome == TP_DECODE_PACKET) {
        TP_ASSERT(client.input.len == 0 && came.status.code == TP_STATUS_OK);
        TP_ASSERT(came.seq == FUZZ_SEQ && came.body.len == request->body.len);
    } else {
        TP_ASSERT(request->metadata.len > 0);
    }
    tp_packet_clear(&came);
    fuzz_close(&server);
    fuzz_close(&client);
}
