/*
 * base/keyed_hash.h - SipHash-2-4 (Aumasson, Bernstein): for tables whose keys somebody outside
 * chooses.  Who does not know the key cannot choose keys that fall together.
 */
#ifndef TP_BASE_KEYED_HASH_H
#define TP_BASE_KEYED_HASH_H

#include <teleport/base.h>

struct tp_hash_key {
    uint64_t low;
    uint64_t high;
};

uint64_t tp__keyed_hash(struct tp_hash_key key, struct tp_str bytes);

#endif
