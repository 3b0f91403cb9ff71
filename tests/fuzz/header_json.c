/*
 * header_json.c - the JSON codec of Teleport 2.5's header against any bytes.
 *
 * The input is a header as it stands between its codec byte and the body's length.
 *
 * Read next: tests/fuzz/packet_fuzz.h, modules/protocol/teleport/header_json.c.
 */
#include "packet_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_packets_try_header(TP_CODEC_JSON, data, size);
    return 0;
}
