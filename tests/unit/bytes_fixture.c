/*
 * bytes_fixture.c - helps the tests of all that handles chains of bytes.
 *
 * Read next: tests/unit/base/bytes.c.
 */
#include "bytes_fixture.h"

#include "scratch.h"

#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#ifdef TP_TEST_HAS_SANITIZER
enum {
    TEST_CAN_STARVE = 0
};
#else
enum {
    TEST_CAN_STARVE = 1
};
#endif

enum {
    HUNGER_LARGEST = 1 << 20,
    HUNGER_SMALL = 1040, /* malloc() keeps freed blocks up to this by their size */
    HUNGER_STEP = 16,
};

static const char *test_fill_quoted(struct tp_test_bytes *bytes, const char *at);
static void test_add_byte(struct tp_test_bytes *bytes, uint8_t byte);
static int test_hex_value(char digit);
static void test_take_all(struct tp_test_hunger *hunger, size_t size);

void
tp__test_bytes_fill(struct tp_test_bytes *bytes, const char *text)
{
    bytes->len = 0;
    while (*text != '\0') {
        if (isspace((unsigned char) *text)) {
            text++;
        } else if (*text == '\'') {
            text = test_fill_quoted(bytes, text + 1);
        } else {
            test_add_byte(bytes,
                          (uint8_t) (test_hex_value(text[0]) << 4 | test_hex_value(text[1])));
            text += 2;
        }
    }
}

void
tp__test_pool_init(struct tp_buf_pool *pool)
{
    tp__buf_pool_init(pool, (struct tp_size){ 1u << 30 }, 4);
}

void
tp__test_chain_add(struct tp_chain *chain, struct tp_buf_pool *pool, const void *data, size_t len,
                   size_t step)
{
    const uint8_t *at = data;

    while (len > 0) {
        size_t taken = step < len ? step : len;
        struct tp_buf *buf = tp_buf_make(pool, taken);

        ck_assert_ptr_nonnull(buf);
        memcpy(buf->bytes, at, taken);
        ck_assert_int_eq(TP_OK,
                         tp_chain_append(chain, (struct tp_slice){ buf, buf->bytes, taken }));
        at += taken;
        len -= taken;
    }
}

void
tp__test_chain_assert(const struct tp_chain *chain, const void *data, size_t len)
{
    uint8_t *copy = malloc(len + 1);

    ck_assert_ptr_nonnull(copy);
    ck_assert_uint_eq(len, chain->len);
    tp_chain_copy(chain, 0, len, copy);
    ck_assert_mem_eq(data, copy, len);
    free(copy);
}

bool
tp__test_starve(struct tp_test_hunger *hunger)
{
    /* More is not to be had from the system: what is left is what malloc() has already. */
    struct rlimit limit = { 0, RLIM_INFINITY };

    hunger->blocks = NULL;
    if (!TEST_CAN_STARVE) {
        return false;
    }
    ck_assert_int_eq(0, setrlimit(RLIMIT_AS, &limit));
    for (size_t size = HUNGER_LARGEST; size > HUNGER_SMALL; size /= 2) {
        test_take_all(hunger, size);
    }
    for (size_t size = HUNGER_SMALL; size >= HUNGER_STEP; size -= HUNGER_STEP) {
        test_take_all(hunger, size - sizeof(void *));
    }
    return true;
}

void
tp__test_feed(struct tp_test_hunger *hunger)
{
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

    while (hunger->blocks != NULL) {
        void *block = hunger->blocks;

        memcpy(&hunger->blocks, block, sizeof(hunger->blocks));
        free(block);
    }
    ck_assert_int_eq(0, setrlimit(RLIMIT_AS, &limit));
}

static const char *
test_fill_quoted(struct tp_test_bytes *bytes, const char *at)
{
    while (*at != '\'') {
        ck_assert_msg(*at != '\0', "a quote is missing");
        test_add_byte(bytes, (uint8_t) *at++);
    }
    return at + 1;
}

static void
test_add_byte(struct tp_test_bytes *bytes, uint8_t byte)
{
    ck_assert_uint_lt(bytes->len, TP_TEST_BYTES_MAX);
    bytes->data[bytes->len++] = byte;
}

static int
test_hex_value(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found = digit == '\0' ? NULL : strchr(digits, digit);

    ck_assert_msg(found != NULL, "\"%c\" is no hexadecimal digit", digit);
    return (int) (found - digits);
}

static void
test_take_all(struct tp_test_hunger *hunger, size_t size)
{
    void *block;

    while ((block = malloc(size < sizeof(block) ? sizeof(block) : size)) != NULL) {
        memcpy(block, &hunger->blocks, sizeof(hunger->blocks));
        hunger->blocks = block;
    }
}
