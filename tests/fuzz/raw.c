/*
 * raw.c - the raw packets of Teleport 6 and 7 against any bytes.
 *
 * Read next: tests/fuzz/family_fuzz.h, modules/protocol/raw/raw_form.c.
 */
#include "family_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_family_try("raw", data, size);
    return 0;
}
