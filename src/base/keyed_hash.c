/*
 * keyed_hash.c - SipHash-2-4: two rounds for each eight bytes, four at the end.
 *
 * Runs in: everywhere.
 */
#include "base/keyed_hash.h"

enum {
    SIP_WORD_BYTES = 8,
    SIP_ROUNDS_OF_WORD = 2,
    SIP_ROUNDS_OF_END = 4,
};

/* The state of the hash: "somepseudorandomlygeneratedbytes", mixed with the key. */
struct sip {
    uint64_t words[4];
};

static void sip_take(struct sip *sip, uint64_t word);
static void sip_mix(struct sip *sip, int rounds);
static uint64_t sip_rotate(uint64_t word, int bits);
static uint64_t sip_read(const char *bytes, size_t len);

uint64_t
tp__keyed_hash(struct tp_hash_key key, struct tp_str bytes)
{
    struct sip sip = { {
        key.low ^ UINT64_C(0x736f6d6570736575),
        key.high ^ UINT64_C(0x646f72616e646f6d),
        key.low ^ UINT64_C(0x6c7967656e657261),
        key.high ^ UINT64_C(0x7465646279746573),
    } };
    size_t done = 0;

    for (; bytes.len - done >= SIP_WORD_BYTES; done += SIP_WORD_BYTES) {
        sip_take(&sip, sip_read(bytes.data + done, SIP_WORD_BYTES));
    }
    sip_take(&sip, sip_read(bytes.data + done, bytes.len - done) | (uint64_t) bytes.len << 56);
    sip.words[2] ^= 0xff;
    sip_mix(&sip, SIP_ROUNDS_OF_END);
    return sip.words[0] ^ sip.words[1] ^ sip.words[2] ^ sip.words[3];
}

static void
sip_take(struct sip *sip, uint64_t word)
{
    sip->words[3] ^= word;
    sip_mix(sip, SIP_ROUNDS_OF_WORD);
    sip->words[0] ^= word;
}

static void
sip_mix(struct sip *sip, int rounds)
{
    uint64_t *words = sip->words;

    for (int i = 0; i < rounds; i++) {
        words[0] += words[1];
        words[1] = sip_rotate(words[1], 13) ^ words[0];
        words[0] = sip_rotate(words[0], 32);
        words[2] += words[3];
        words[3] = sip_rotate(words[3], 16) ^ words[2];
        words[0] += words[3];
        words[3] = sip_rotate(words[3], 21) ^ words[0];
        words[2] += words[1];
        words[1] = sip_rotate(words[1], 17) ^ words[2];
        words[2] = sip_rotate(words[2], 32);
    }
}

static uint64_t
sip_rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

/* At most eight bytes, the first one lowest. */
static uint64_t
sip_read(const char *bytes, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++) {
        word |= (uint64_t) (uint8_t) bytes[i] << (8 * i);
    }
    return word;
}
