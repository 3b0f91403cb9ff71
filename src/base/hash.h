/*
 * base/hash.h - FNV-1a (Fowler, Noll, Vo) for texts: short, and good enough where nobody
 * outside chooses what is hashed.  Numbers are mixed as in SplitMix64 (Steele, Lea, Flood).
 */
#ifndef TP_BASE_HASH_H
#define TP_BASE_HASH_H

#include <teleport/base.h>

/* The hash of no bytes. */
#define TP_HASH_NONE  UINT64_C(0xcbf29ce484222325)
#define TP_HASH_PRIME UINT64_C(0x100000001b3)

/* The hash of what `hash` is the hash of, and then this byte. */
static inline uint64_t
tp__hash_extend(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * TP_HASH_PRIME;
}

static inline uint64_t
tp__hash_extend_bytes(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < len; i++) {
        hash = tp__hash_extend(hash, at[i]);
    }
    return hash;
}

/* A hash of a number, all of whose bits depend on all of the number's. */
static inline uint64_t
tp__hash_number(uint64_t number)
{
    number += UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

#endif
