/*
 * raw_json.c - the JSON packets of Teleport 6 and 7 against any bytes.
 *
 * Read next: tests/fuzz/family_fuzz.h, modules/protocol/raw/json_form.c.
 */
#include "family_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_family_try("json", data, size);
    return 0;
}
