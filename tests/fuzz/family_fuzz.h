/*
 * family_fuzz.h - what the fuzz targets of Teleport 6 and 7 share.
 */
#ifndef TP_TESTS_FUZZ_FAMILY_FUZZ_H
#define TP_TESTS_FUZZ_FAMILY_FUZZ_H

#include "packet_fuzz.h"

#include <teleport/family.h>

/*
 * The same as what it was encoded from: filters may be fewer, because gzip that grew is left
 * out of what is no REPLY.
 */
static inline void
fuzz_family_assert_same(const struct tp_packet *one, const struct tp_packet *other)
{
    bool is_reply = tp_family_is_reply(one->type);

    fuzz_packets_assert_same_text(one->metadata, other->metadata);
    fuzz_packets_assert_same_text(one->status.cause, other->status.cause);
    TP_ASSERT(one->accept_codec == other->accept_codec);
    TP_ASSERT(is_reply ? one->filter_count == other->filter_count
                       : one->filter_count >= other->filter_count);
    /* A REPLY's uri is not written. */
    struct tp_packet shown = *one;

    if (is_reply) {
        shown.uri = other->uri;
    }
    fuzz_packets_assert_same(&shown, other);
}

/* Encoded and decoded again it is the same packet. */
static inline void
fuzz_family_round_trip(struct fuzz_packets *fuzz, const struct tp_packet *packet)
{
    struct tp_chain input = { .len = 0 };
    struct tp_wire wire = fuzz_packets_wire(fuzz, &input);
    struct tp_packet again = { .type = 0 };

    if (fuzz->protocol->fits != NULL && !fuzz->protocol->fits(packet)) {
        return;
    }
    enum tp_result result = fuzz->protocol->encode(&wire, packet, &fuzz->output);

    TP_ASSERT(result == TP_OK);
    result = tp__output_rest(&fuzz->output, 0, &input);
    TP_ASSERT(result == TP_OK);
    enum tp_decode_outcome outcome = fuzz_packets_decode(fuzz, &input, &again);

    /* Escapes may make a packet longer than it may be. */
    TP_ASSERT(outcome == TP_DECODE_PACKET || outcome == TP_DECODE_TOO_LARGE);
    if (outcome == TP_DECODE_PACKET) {
        fuzz_family_assert_same(packet, &again);
        TP_ASSERT(input.len == 0);
    }
    tp_packet_clear(&again);
    tp_chain_clear(&input);
}

/* Takes all packets off the bytes, whole and in pieces: it must come to the same. */
static inline void
fuzz_family_decode_all(struct fuzz_packets *fuzz, struct tp_chain *whole, struct tp_chain *pieces)
{
    enum tp_decode_outcome outcome;

    do {
        struct tp_packet one = { .type = 0 };
        struct tp_packet other = { .type = 0 };
        size_t before = whole->len;

        outcome = fuzz_packets_decode(fuzz, whole, &one);
        TP_ASSERT(fuzz_packets_decode(fuzz, pieces, &other) == outcome);
        TP_ASSERT(whole->len == pieces->len);
        if (outcome == TP_DECODE_PACKET) {
            fuzz_family_round_trip(fuzz, &one);
        } else if (outcome == TP_DECODE_REFUSED) {
            /* Who is refused is not told what he has said. */
            TP_ASSERT(one.body.len == 0 && one.metadata.len == 0);
        }
        if (outcome == TP_DECODE_PACKET || outcome == TP_DECODE_REFUSED) {
            TP_ASSERT(before - whole->len == one.wire_bytes);
            fuzz_packets_assert_same(&one, &other);
            fuzz_packets_assert_same_text(one.metadata, other.metadata);
        } else {
            TP_ASSERT(whole->len == before);
        }
        tp_packet_clear(&one);
        tp_packet_clear(&other);
    } while (outcome == TP_DECODE_PACKET || outcome == TP_DECODE_REFUSED);
}

/* How the bytes are cut changes nothing about what they are taken for. */
static inline void
fuzz_family_probe(struct fuzz_packets *fuzz, struct tp_chain *whole, struct tp_chain *pieces)
{
    struct tp_wire one = fuzz_packets_wire(fuzz, whole);
    struct tp_wire other = fuzz_packets_wire(fuzz, pieces);

    if (whole->len > 0) {
        TP_ASSERT(fuzz->protocol->probe(&one) == fuzz->protocol->probe(&other));
    }
}

/* The first byte says how long the pieces are in which the rest arrives. */
static inline void
fuzz_family_try(const char *protocol, const uint8_t *data, size_t size)
{
    struct fuzz_packets fuzz;

    if (size < 1 || !fuzz_packets_init_as(&fuzz, protocol)) {
        return;
    }
    struct tp_chain whole = fuzz_packets_chain(&fuzz, data + 1, size - 1, size);
    struct tp_chain pieces = fuzz_packets_chain(&fuzz, data + 1, size - 1, 1 + (size_t) data[0]);

    fuzz_family_probe(&fuzz, &whole, &pieces);
    fuzz_family_decode_all(&fuzz, &whole, &pieces);
    tp_chain_clear(&whole);
    tp_chain_clear(&pieces);
    fuzz_packets_fini(&fuzz);
}

#endif
