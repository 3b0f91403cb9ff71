/*
 * proxy_header.c - the PROXY protocol against any bytes.
 *
 * What it says of all bytes it must not take back when it has seen fewer: a header is whole with
 * its last byte, and until then there is more to come.  What it refuses it may refuse early.
 *
 * Read next: src/net/proxy_header.c.
 */
#include "net/proxy_header.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum tp_proxy_outcome fuzz_read(const uint8_t *data, size_t size,
                                       struct tp_proxy_header *header);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tp_proxy_header header;
    struct tp_proxy_header again;
    enum tp_proxy_outcome outcome = fuzz_read(data, size, &header);

    if (outcome == TP_PROXY_WHOLE) {
        TP_ASSERT(header.len > 0 && header.len <= size && header.len <= TP_PROXY_HEADER_MAX);
        TP_ASSERT(header.has_addresses == (header.source.family != TP_ADDRESS_NONE));
        TP_ASSERT(fuzz_read(data, header.len, &again) == TP_PROXY_WHOLE);
        TP_ASSERT(header.len == again.len && header.has_addresses == again.has_addresses);
        TP_ASSERT(memcmp(header.source.ip, again.source.ip, sizeof(header.source.ip)) == 0);
        TP_ASSERT(fuzz_read(data, header.len - 1, &again) == TP_PROXY_MORE);
    } else if (outcome == TP_PROXY_MORE) {
        TP_ASSERT(size < TP_PROXY_HEADER_MAX);
        TP_ASSERT(fuzz_read(data, size / 2, &again) == TP_PROXY_MORE);
    }
    return 0;
}

/* From a copy of just these bytes, so that a sanitizer sees who reads behind them. */
static enum tp_proxy_outcome
fuzz_read(const uint8_t *data, size_t size, struct tp_proxy_header *header)
{
    uint8_t *bytes = malloc(size + 1);
    const char *why = NULL;

    TP_ASSERT(bytes != NULL);
    memset(header, 0, sizeof(*header));
    memcpy(bytes + 1, data, size);
    enum tp_proxy_outcome outcome = tp__proxy_header_read(bytes + 1, size, header, &why);

    TP_ASSERT((outcome == TP_PROXY_BROKEN) == (why[0] != '\0'));
    free(bytes);
    return outcome;
}
