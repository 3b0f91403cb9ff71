/*
 * plain.c - the codec of bodies that are just bytes; 2.5 calls it "string".
 *
 * Runs in: worker.  Read next: teleport/codec.h.
 */
#include <teleport/module.h>

static const struct tp_codec plain_codec = {
    .id = TP_CODEC_PLAIN,
    .brief = "Bytes as they are.",
};

const struct tp_module tp_module_plain = {
    .name = "plain",
    .brief = "Codec of bodies that are plain bytes.",
    .run_after = "",
    .codec = &plain_codec,
};
