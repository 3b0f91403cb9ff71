/*
 * packet_fuzz.h - what the fuzz targets of packets and headers share.
 */
#ifndef TP_TESTS_FUZZ_PACKET_FUZZ_H
#define TP_TESTS_FUZZ_PACKET_FUZZ_H

#include "base/buf_pool.h"
#include "cycle/built.h"
#include "packet/filters.h"
#include "packet/output.h"

#include <stdlib.h>
#include <string.h>

enum {
    FUZZ_PACKET_MAX = 1 << 20,
    FUZZ_MEMORY_MAX = 64 << 20,
};

struct fuzz_packets {
    const struct tp_protocol *protocol;
    struct tp_filters filters;
    struct tp_buf_pool pool;
    struct tp_output output;
};

/* False where the build has no such protocol. */
static inline bool
fuzz_packets_init_as(struct fuzz_packets *fuzz, const char *protocol)
{
    *fuzz = (struct fuzz_packets){ .protocol = NULL };
    for (size_t i = 0; i < tp__built_module_count; i++) {
        const struct tp_module *module = tp__built_modules[i];

        for (size_t at = 0; at < module->protocol_count; at++) {
            if (strcmp(module->protocols[at]->name, protocol) == 0) {
                fuzz->protocol = module->protocols[at];
            }
        }
        if (module->filter != NULL) {
            enum tp_result result = tp__filters_add(&fuzz->filters, module->filter);

            TP_ASSERT(result == TP_OK);
        }
    }
    tp__buf_pool_init(&fuzz->pool, (struct tp_size){ FUZZ_MEMORY_MAX }, 0);
    tp__output_init(&fuzz->output, &fuzz->pool);
    return fuzz->protocol != NULL;
}

static inline bool
fuzz_packets_init(struct fuzz_packets *fuzz)
{
    return fuzz_packets_init_as(fuzz, "teleport");
}

/* The pool asserts that nothing was left over. */
static inline void
fuzz_packets_fini(struct fuzz_packets *fuzz)
{
    tp__filters_fini(&fuzz->filters);
    tp__output_fini(&fuzz->output);
    tp__buf_pool_fini(&fuzz->pool);
}

/* A copy of the bytes in buffers of at most `step`, each exactly as large as what is in it. */
static inline struct tp_chain
fuzz_packets_chain(struct fuzz_packets *fuzz, const uint8_t *bytes, size_t len, size_t step)
{
    struct tp_chain chain = { .len = 0 };

    while (len > 0) {
        size_t taken = step < len ? step : len;
        struct tp_buf *buf = tp_buf_make(&fuzz->pool, taken);

        TP_ASSERT(buf != NULL);
        memcpy(buf->bytes, bytes, taken);
        enum tp_result result =
            tp_chain_append(&chain, (struct tp_slice){ buf, buf->bytes, taken });

        TP_ASSERT(result == TP_OK);
        bytes += taken;
        len -= taken;
    }
    return chain;
}

static inline struct tp_wire
fuzz_packets_wire(struct fuzz_packets *fuzz, struct tp_chain *input)
{
    return (struct tp_wire){
        .input = input,
        .limits = { .packet = { FUZZ_PACKET_MAX } },
        .pool = &fuzz->pool,
        .filters = &fuzz->filters,
    };
}

/* What is refused says why. */
static inline enum tp_decode_outcome
fuzz_packets_decode(struct fuzz_packets *fuzz, struct tp_chain *input, struct tp_packet *packet)
{
    struct tp_wire wire = fuzz_packets_wire(fuzz, input);
    enum tp_decode_outcome outcome = fuzz->protocol->decode(&wire, packet);

    TP_ASSERT(outcome != TP_DECODE_NO_MEMORY);
    TP_ASSERT((outcome != TP_DECODE_BROKEN && outcome != TP_DECODE_TOO_LARGE) || wire.why != NULL);
    return outcome;
}

static inline void
fuzz_packets_assert_same_text(struct tp_str one, struct tp_str other)
{
    TP_ASSERT(one.len == other.len);
    TP_ASSERT(one.len == 0 || memcmp(one.data, other.data, one.len) == 0);
}

/* The same but for how they were framed. */
static inline void
fuzz_packets_assert_same(const struct tp_packet *one, const struct tp_packet *other)
{
    TP_ASSERT(one->type == other->type && one->seq == other->seq);
    TP_ASSERT(one->gzip_level == other->gzip_level && one->status.code == other->status.code);
    TP_ASSERT(one->has_body_codec == other->has_body_codec);
    TP_ASSERT(one->body_codec == other->body_codec && one->body.len == other->body.len);
    fuzz_packets_assert_same_text(one->uri, other->uri);
    fuzz_packets_assert_same_text(one->status.text, other->status.text);

    uint8_t *bytes = malloc(2 * one->body.len + 1);

    TP_ASSERT(bytes != NULL);
    tp_chain_copy(&one->body, 0, one->body.len, bytes);
    tp_chain_copy(&other->body, 0, one->body.len, bytes + one->body.len);
    TP_ASSERT(memcmp(bytes, bytes + one->body.len, one->body.len) == 0);
    free(bytes);
}

/* Encoded and decoded again it is the same packet, from a socket that takes half of it too. */
static inline void
fuzz_packets_round_trip(struct fuzz_packets *fuzz, const struct tp_packet *packet)
{
    struct tp_chain wire = { .len = 0 };
    struct tp_packet again = { .type = 0 };
    enum tp_result result = fuzz->protocol->encode(NULL, packet, &fuzz->output);

    TP_ASSERT(result == TP_OK);
    result = tp__output_rest(&fuzz->output, 0, &wire);
    TP_ASSERT(result == TP_OK);
    enum tp_decode_outcome outcome = fuzz_packets_decode(fuzz, &wire, &again);

    /* Escapes may make a header longer than a packet may be. */
    TP_ASSERT(outcome == TP_DECODE_PACKET || outcome == TP_DECODE_TOO_LARGE);
    if (outcome == TP_DECODE_PACKET) {
        fuzz_packets_assert_same(packet, &again);
        TP_ASSERT(wire.len == 0 && packet->header_codec == again.header_codec);
    }
    tp_packet_clear(&again);
    tp_chain_clear(&wire);
}

/*
 * Decodes the bytes as a header of `codec`, without a body.  What they mean must come
 * through that codec again, and through protobuf, which carries any text.
 */
static inline void
fuzz_packets_try_header(uint8_t codec, const uint8_t *bytes, size_t len)
{
    struct fuzz_packets fuzz;
    struct tp_packet packet = { .type = 0 };
    size_t length = len + 1;
    uint8_t head[] = { (uint8_t) (length >> 24), (uint8_t) (length >> 16), (uint8_t) (length >> 8),
                       (uint8_t) length, codec };
    const uint8_t no_body[4] = { 0 };

    if (!fuzz_packets_init(&fuzz)) {
        return;
    }
    struct tp_chain input = fuzz_packets_chain(&fuzz, head, sizeof(head), sizeof(head));
    struct tp_chain header = fuzz_packets_chain(&fuzz, bytes, len, length);
    struct tp_chain body = fuzz_packets_chain(&fuzz, no_body, sizeof(no_body), 1);
    enum tp_result result = tp_chain_move(&input, &header, len);

    TP_ASSERT(result == TP_OK);
    result = tp_chain_move(&input, &body, sizeof(no_body));
    TP_ASSERT(result == TP_OK);
    if (fuzz_packets_decode(&fuzz, &input, &packet) == TP_DECODE_PACKET) {
        fuzz_packets_round_trip(&fuzz, &packet);
        packet.header_codec = TP_CODEC_PROTOBUF;
        fuzz_packets_round_trip(&fuzz, &packet);
    }
    tp_packet_clear(&packet);
    tp_chain_clear(&input);
    fuzz_packets_fini(&fuzz);
}

#endif
