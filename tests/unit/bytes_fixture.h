/*
 * bytes_fixture.h - bytes for tests: written as hexadecimal, cut into chains, and memory
 * that runs out when a test wants it to.
 */
#ifndef TP_TESTS_UNIT_BYTES_FIXTURE_H
#define TP_TESTS_UNIT_BYTES_FIXTURE_H

#include <teleport/bytes.h>

#include "base/buf_pool.h"

#include <stdio.h>

enum {
    TP_TEST_BYTES_MAX = 64 * 1024,
};

struct tp_test_bytes {
    uint8_t data[TP_TEST_BYTES_MAX];
    size_t len;
};

/*
 * Fills `bytes` from hexadecimal digits; white space between them is skipped, and what
 * stands in 'quotes' is taken as it is.
 */
void tp__test_bytes_fill(struct tp_test_bytes *bytes, const char *text);

/* A pool without a limit worth mentioning. */
void tp__test_pool_init(struct tp_buf_pool *pool);

/* Appends a copy of the bytes in slices of at most `step` bytes, each with its own buffer. */
void tp__test_chain_add(struct tp_chain *chain, struct tp_buf_pool *pool, const void *data,
                        size_t len, size_t step);

/* Fails the test where the chain is not exactly these bytes. */
void tp__test_chain_assert(const struct tp_chain *chain, const void *data, size_t len);

/*
 * Takes all memory there is, so that malloc() fails until tp__test_feed() gives it back.
 * Not under a sanitizer, whose allocator would end the process: false is returned then.
 */
struct tp_test_hunger {
    void *blocks;
};
bool tp__test_starve(struct tp_test_hunger *hunger);
void tp__test_feed(struct tp_test_hunger *hunger);

#endif
