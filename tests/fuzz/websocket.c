/*
 * websocket.c - WebSocket against any bytes: handshake, frames, messages, in both roles.
 *
 * The first byte's lowest bit is the role, the next says whether the handshake is done already,
 * and the others how long the pieces are in which the rest arrives.  In one piece it must come
 * to the same, step by step; between steps one of the two ends is saved and restored.
 *
 * Read next: tests/fuzz/packet_fuzz.h, modules/protocol/websocket/websocket.c.
 */
#include "packet_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FUZZ_IS_DIALED = 1,
    FUZZ_IS_OPEN = 2,
    SAVED_PHASE_AT = 1, /* in the saved bytes of a state */
    SAVED_OPEN = 2,
};

/* An end and what it has received. */
struct fuzz_end {
    void *state;
    struct tp_chain input;
    struct tp_wire wire;
};

static const struct tp_protocol *fuzz_find_websocket(void);
static void fuzz_end_init(struct fuzz_end *end, struct fuzz_packets *fuzz, uint8_t how,
                          struct tp_chain input);
static void fuzz_end_open(struct fuzz_end *end, struct fuzz_packets *fuzz);
static void fuzz_end_fini(struct fuzz_end *end, struct fuzz_packets *fuzz);
static void fuzz_end_move(struct fuzz_end *end, struct fuzz_packets *fuzz, bool must_open);
static enum tp_decode_outcome fuzz_step(struct fuzz_packets *fuzz, struct fuzz_end *one,
                                        struct fuzz_end *other);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_packets fuzz;
    struct fuzz_end whole;
    struct fuzz_end pieces;

    if (size < 1 || !fuzz_packets_init(&fuzz)) {
        return 0;
    }
    fuzz.protocol = fuzz_find_websocket();
    if (fuzz.protocol == NULL) {
        fuzz_packets_fini(&fuzz);
        return 0;
    }
    fuzz_end_init(&whole, &fuzz, data[0], fuzz_packets_chain(&fuzz, data + 1, size - 1, size));
    fuzz_end_init(&pieces, &fuzz, data[0],
                  fuzz_packets_chain(&fuzz, data + 1, size - 1, 1 + (size_t) (data[0] >> 2)));
    enum tp_decode_outcome outcome;

    do {
        outcome = fuzz_step(&fuzz, &whole, &pieces);
        fuzz_end_move(&pieces, &fuzz, false);
    } while (
        (outcome == TP_DECODE_PACKET || outcome == TP_DECODE_REFUSED || outcome == TP_DECODE_TOOK)
        && !whole.wire.is_last);
    fuzz_end_fini(&whole, &fuzz);
    fuzz_end_fini(&pieces, &fuzz);
    fuzz_packets_fini(&fuzz);
    return 0;
}

static const struct tp_protocol *
fuzz_find_websocket(void)
{
    for (size_t i = 0; i < tp__built_module_count; i++) {
        if (strcmp(tp__built_modules[i]->name, "websocket") == 0) {
            return tp__built_modules[i]->protocols[0];
        }
    }
    return NULL;
}

static void
fuzz_end_init(struct fuzz_end *end, struct fuzz_packets *fuzz, uint8_t how, struct tp_chain input)
{
    static struct tp_filters no_filters;

    end->state = calloc(1, fuzz->protocol->state_size);
    TP_ASSERT(end->state != NULL);
    end->input = input;
    end->wire = (struct tp_wire){
        .input = &end->input,
        .state = end->state,
        .limits = { .packet = { FUZZ_PACKET_MAX } },
        .is_dialed = (how & FUZZ_IS_DIALED) != 0,
        .target = TP_STR("a:1/x"),
        .pool = &fuzz->pool,
        .filters = &no_filters,
    };
    enum tp_result result = fuzz->protocol->begin(&end->wire);

    TP_ASSERT(result == TP_OK);
    tp_chain_clear(&end->wire.own);
    if ((how & FUZZ_IS_OPEN) != 0) {
        fuzz_end_open(end, fuzz);
    }
}

/* Nobody guesses a nonce: an end that has dialed is restored as one that is open. */
static void
fuzz_end_open(struct fuzz_end *end, struct fuzz_packets *fuzz)
{
    fuzz_end_move(end, fuzz, true);
    TP_ASSERT(fuzz->protocol->is_ready(&end->wire));
}

static void
fuzz_end_fini(struct fuzz_end *end, struct fuzz_packets *fuzz)
{
    fuzz->protocol->end(&end->wire, TP_STR("closed"));
    tp_chain_clear(&end->wire.own);
    tp_chain_clear(&end->input);
    fuzz->protocol->fini(end->state);
    free(end->state);
}

/* To its saved bytes and back. */
static void
fuzz_end_move(struct fuzz_end *end, struct fuzz_packets *fuzz, bool must_open)
{
    struct tp_chain saved = { .len = 0 };
    void *state = calloc(1, fuzz->protocol->state_size);
    enum tp_result result = fuzz->protocol->save(end->state, &fuzz->pool, &saved);

    TP_ASSERT(state != NULL && result == TP_OK);
    uint8_t *bytes = malloc(saved.len);

    TP_ASSERT(bytes != NULL);
    tp_chain_copy(&saved, 0, saved.len, bytes);
    if (must_open) {
        bytes[SAVED_PHASE_AT] = SAVED_OPEN;
    }
    result = fuzz->protocol->restore(state, &fuzz->pool,
                                     (struct tp_str){ (const char *) bytes, saved.len });
    TP_ASSERT(result == TP_OK);
    free(bytes);
    tp_chain_clear(&saved);
    fuzz->protocol->fini(end->state);
    free(end->state);
    end->state = state;
    end->wire.state = state;
}

/* Both do the same, and what they have taken can be said again. */
static enum tp_decode_outcome
fuzz_step(struct fuzz_packets *fuzz, struct fuzz_end *one, struct fuzz_end *other)
{
    struct tp_packet packet = { .type = 0 };
    struct tp_packet same = { .type = 0 };
    size_t before = one->input.len;
    enum tp_decode_outcome outcome = fuzz->protocol->decode(&one->wire, &packet);
    enum tp_decode_outcome again = fuzz->protocol->decode(&other->wire, &same);

    TP_ASSERT(outcome == again && outcome != TP_DECODE_NO_MEMORY);
    TP_ASSERT(one->wire.own.len == other->wire.own.len);
    TP_ASSERT(one->wire.is_last == other->wire.is_last && one->wire.is_amid == other->wire.is_amid);
    TP_ASSERT(outcome == TP_DECODE_BROKEN || outcome == TP_DECODE_TOO_LARGE
              || one->input.len == other->input.len);
    TP_ASSERT(outcome != TP_DECODE_MORE || one->input.len == before);
    TP_ASSERT((outcome != TP_DECODE_BROKEN && outcome != TP_DECODE_TOO_LARGE)
              || one->wire.why != NULL);
    if (outcome == TP_DECODE_PACKET) {
        fuzz_packets_assert_same(&packet, &same);
        packet.filter_count = 0;
        enum tp_result result = fuzz->protocol->encode(&one->wire, &packet, &fuzz->output);

        TP_ASSERT(result == TP_OK);
        tp__output_reset(&fuzz->output);
    }
    tp_packet_clear(&packet);
    tp_packet_clear(&same);
    tp_chain_clear(&one->wire.own);
    tp_chain_clear(&other->wire.own);
    return outcome;
}
