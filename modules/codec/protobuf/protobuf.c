/*
 * protobuf.c - the codec of protobuf bodies, whose bytes are handed on untouched.
 *
 * What the fields mean only the two ends know: a server that passes a body on, or echoes
 * it, needs no description of its messages.
 *
 * Runs in: worker.  Read next: teleport/codec.h.
 */
#include <teleport/module.h>

static const struct tp_codec protobuf_codec = {
    .id = TP_CODEC_PROTOBUF,
    .brief = "Protobuf messages, passed on untouched.",
};

const struct tp_module tp_module_protobuf = {
    .name = "protobuf",
    .brief = "Codec of protobuf bodies, passed on untouched.",
    .run_after = "",
    .codec = &protobuf_codec,
};
