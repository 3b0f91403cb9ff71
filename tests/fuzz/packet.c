/*
 * packet.c - the packet decoder of Teleport 2.5 against any bytes.
 *
 * The first byte says how long the pieces are in which the rest arrives.  In one piece
 * it must come to the same, packet by packet; and what was decoded must encode to bytes
 * that decode to it.
 *
 * Read next: tests/fuzz/header_json.c, modules/protocol/teleport/teleport.c.
 */
#include "packet_fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_decode_all(struct fuzz_packets *fuzz, struct tp_chain *whole,
                            struct tp_chain *pieces);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_packets fuzz;

    if (size < 1 || !fuzz_packets_init(&fuzz)) {
        return 0;
    }
    struct tp_chain whole = fuzz_packets_chain(&fuzz, data + 1, size - 1, size);
    struct tp_chain pieces = fuzz_packets_chain(&fuzz, data + 1, size - 1, 1 + (size_t) data[0]);

    fuzz_decode_all(&fuzz, &whole, &pieces);
    tp_chain_clear(&whole);
    tp_chain_clear(&pieces);
    fuzz_packets_fini(&fuzz);
    return 0;
}

static void
fuzz_decode_all(struct fuzz_packets *fuzz, struct tp_chain *whole, struct tp_chain *pieces)
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
            TP_ASSERT(before - whole->len == one.wire_bytes);
            fuzz_packets_assert_same(&one, &other);
            fuzz_packets_round_trip(fuzz, &one);
        } else {
            TP_ASSERT(whole->len == before);
        }
        tp_packet_clear(&one);
        tp_packet_clear(&other);
    } while (outcome == TP_DECODE_PACKET);
}
