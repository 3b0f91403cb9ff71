/*
 * raw.c - the three protocols of Teleport 6 and 7 that have one frame: raw, JSON and protobuf.
 *
 * They are one module, because frame and filters are the same; see family.h.  None of them keeps
 * anything of a session between two packets.
 *
 * Runs in: worker.  Read next: family.c.
 */
#include <teleport/module.h>

#include "family.h"

enum {
    FAMILY_ABILITIES = TP_PROTOCOL_PUSHES_UP | TP_PROTOCOL_PUSHES_DOWN | TP_PROTOCOL_PULLS_DOWN
                       | TP_PROTOCOL_AUTH | TP_PROTOCOL_METADATA | TP_PROTOCOL_CAUSE
                       | TP_PROTOCOL_FILTERS,
};

static enum tp_probe raw_probe(const struct tp_wire *wire);
static enum tp_decode_outcome raw_decode(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_result raw_encode(struct tp_wire *wire, const struct tp_packet *packet,
                                 struct tp_output *output);
static enum tp_probe json_probe(const struct tp_wire *wire);
static enum tp_decode_outcome json_decode(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_result json_encode(struct tp_wire *wire, const struct tp_packet *packet,
                                  struct tp_output *output);
static enum tp_probe protobuf_probe(const struct tp_wire *wire);
static enum tp_decode_outcome protobuf_decode(struct tp_wire *wire, struct tp_packet *packet);
static enum tp_result protobuf_encode(struct tp_wire *wire, const struct tp_packet *packet,
                                      struct tp_output *output);

static enum tp_probe
raw_probe(const struct tp_wire *wire)
{
    return family_probe(&raw_form, wire);
}

static enum tp_decode_outcome
raw_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    return family_decode(&raw_form, wire, packet);
}

static enum tp_result
raw_encode(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    return family_encode(&raw_form, wire, packet, output);
}

static enum tp_probe
json_probe(const struct tp_wire *wire)
{
    return family_probe(&json_form, wire);
}

static enum tp_decode_outcome
json_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    return family_decode(&json_form, wire, packet);
}

static enum tp_result
json_encode(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    return family_encode(&json_form, wire, packet, output);
}

static enum tp_probe
protobuf_probe(const struct tp_wire *wire)
{
    return family_probe(&protobuf_form, wire);
}

static enum tp_decode_outcome
protobuf_decode(struct tp_wire *wire, struct tp_packet *packet)
{
    return family_decode(&protobuf_form, wire, packet);
}

static enum tp_result
protobuf_encode(struct tp_wire *wire, const struct tp_packet *packet, struct tp_output *output)
{
    return family_encode(&protobuf_form, wire, packet, output);
}

static const struct tp_protocol protocol_raw = {
    .name = "raw",
    .brief = "Teleport 6 and 7 in as few bytes as can be, with metadata and filters.",
    .abilities = FAMILY_ABILITIES,
    .credentials = TP_CREDENTIALS_AUTH_CALL,
    .seq_max = INT32_MAX,
    .probe = raw_probe,
    .decode = raw_decode,
    .encode = raw_encode,
    .fits = raw_fits,
};

static const struct tp_protocol protocol_json = {
    .name = "json",
    .brief = "Teleport 6 and 7 with each packet as a JSON object.",
    .abilities = FAMILY_ABILITIES,
    .credentials = TP_CREDENTIALS_AUTH_CALL,
    .seq_max = INT32_MAX,
    .probe = json_probe,
    .decode = json_decode,
    .encode = json_encode,
};

static const struct tp_protocol protocol_protobuf = {
    .name = "protobuf",
    .brief = "Teleport 6 and 7 with each packet as a protobuf message.",
    .abilities = FAMILY_ABILITIES,
    .credentials = TP_CREDENTIALS_AUTH_CALL,
    .seq_max = INT32_MAX,
    .probe = protobuf_probe,
    .decode = protobuf_decode,
    .encode = protobuf_encode,
};

static const struct tp_protocol *const family_protocols[] = {
    &protocol_raw,
    &protocol_json,
    &protocol_protobuf,
};

const struct tp_module tp_module_raw = {
    .name = "raw",
    .brief = "The protocols raw, json and protobuf of Teleport 6 and 7.",
    TP_PROTOCOLS(family_protocols),
};
