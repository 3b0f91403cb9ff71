/*
 * options.c - from the options of a program to a complete set of them, and to a server.
 *
 * What a program leaves as zero gets its preset here, and nowhere else; the numbers are those
 * of the server's directives.  Structs of options say their size, so that a program that was
 * built against an older header, with a shorter struct, is understood.
 *
 * Runs in: tp_peer_create().
 */
#include "peer/peer.h"

#include "base/str.h"
#include "peer/built.h"

#include <string.h>

enum {
    KILO = 1024,
    MEGA = 1024 * 1024,
    SECOND_MS = 1000,
    PACKET_LIMIT_MAX = 256 * MEGA, /* a length must not look like the begin of TLS (WIRE) */
    BODY_LOG_BYTES = 1 * KILO,     /* of what logs_bodies shows of a body */
};

/* A number or time of the options: 0 is its preset, and it lies between the two. */
struct option_row {
    const char *name;
    size_t offset;
    int64_t preset;
    int64_t min;
    int64_t max;
};

#define OPTION(member, preset, min, max) \
    { #member, offsetof(struct tp_peer_options, member), (preset), (min), (max) }

/* All of them are one 64-bit number, whatever its unit. */
_Static_assert(sizeof(struct tp_size) == sizeof(int64_t), "a size is one number");
_Static_assert(sizeof(struct tp_msec) == sizeof(int64_t), "a time is one number");

/* Below zero a time is: none. */
static const struct option_row option_rows[] = {
    OPTION(gzip_min, 256, 1, PACKET_LIMIT_MAX),
    OPTION(packet_limit, MEGA, 64, PACKET_LIMIT_MAX),
    OPTION(send_queue, MEGA, 1, INT64_MAX),
    OPTION(memory, 256 * MEGA, KILO, INT64_MAX),
    OPTION(max_sessions, 16384, 1, INT64_MAX),
    OPTION(max_pending_pulls, 1024, 1, INT64_MAX),
    OPTION(max_sent_pulls, 16384, 1, INT64_MAX),
    OPTION(read_timeout, -1, -1, TP_PEER_DELAY_MAX_MS),
    OPTION(packet_timeout, 60 * SECOND_MS, -1, TP_PEER_DELAY_MAX_MS),
    OPTION(write_timeout, 60 * SECOND_MS, -1, TP_PEER_DELAY_MAX_MS),
    OPTION(exchange_timeout, 60 * SECOND_MS, -1, TP_PEER_DELAY_MAX_MS),
    OPTION(pull_timeout, 60 * SECOND_MS, -1, TP_PEER_DELAY_MAX_MS),
    OPTION(slow_threshold, -1, -1, TP_PEER_DELAY_MAX_MS),
    OPTION(handshake_timeout, 10 * SECOND_MS, 1, TP_PEER_DELAY_MAX_MS),
    OPTION(dial_timeout, 10 * SECOND_MS, 1, TP_PEER_DELAY_MAX_MS),
    OPTION(redial.first, 100, 1, TP_PEER_DELAY_MAX_MS),
    OPTION(redial.max, 30 * SECOND_MS, 1, TP_PEER_DELAY_MAX_MS),
    OPTION(redial.times, -1, -1, INT64_MAX),
};

/* The options that are the conf of a module. */
static const struct option_conf {
    const char *module;
    size_t offset;
    size_t size;
} option_confs[] = {
    { "heartbeat", offsetof(struct tp_peer_options, heartbeat), sizeof(struct tp_heartbeat) },
};

static const char *option_complete(const struct option_row *row, struct tp_peer_options *options);
static struct tp_msec option_time(struct tp_msec time);
static const char *options_check_rest(const struct tp_peer_options *options);
static const char *options_check_modules(const struct tp_peer_options *options);
static const struct tp_module *module_find(const char *name);
static bool bytes_are_zeros(const unsigned char *bytes, size_t count);
static void server_add_keepings(struct tp_peer *peer);

const char *
tp__peer_options_complete(const struct tp_peer_options *given, struct tp_peer_options *complete)
{
    const char *wrong = NULL;

    if (!tp__options_take(complete, sizeof(*complete), given, given->size)) {
        return "size";
    }
    for (size_t i = 0; i < TP_COUNT_OF(option_rows) && wrong == NULL; i++) {
        wrong = option_complete(&option_rows[i], complete);
    }
    if (complete->header_codec == 0) {
        complete->header_codec = TP_CODEC_PROTOBUF;
    }
    if (complete->body_codec == 0) {
        complete->body_codec = TP_CODEC_JSON;
    }
    if (complete->protocol == NULL) {
        complete->protocol = "teleport";
    }
    if (complete->redials_never) {
        complete->redial.times = 0;
    }
    if (wrong == NULL) {
        wrong = options_check_modules(complete);
    }
    return wrong == NULL ? options_check_rest(complete) : wrong;
}

const void *
tp__peer_conf(const struct tp_peer *peer, const struct tp_module *module)
{
    for (size_t i = 0; i < TP_COUNT_OF(option_confs); i++) {
        if (strcmp(option_confs[i].module, module->name) == 0) {
            return (const unsigned char *) &peer->options + option_confs[i].offset;
        }
    }
    return NULL;
}

bool
tp__options_take(void *known, size_t known_size, const void *given, size_t given_size)
{
    const unsigned char *bytes = given;

    memset(known, 0, known_size);
    /* What a newer program leaves as it is needs not be understood. */
    for (size_t i = known_size; i < given_size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    memcpy(known, given, given_size < known_size ? given_size : known_size);
    return given_size >= sizeof(size_t);
}

bool
tp__peer_server_init(struct tp_peer *peer)
{
    const struct tp_peer_options *options = &peer->options;
    const struct tp_module_list modules = { tp__library_modules, tp__library_module_count };

    TP_ASSERT(tp__protocols_count(&modules) <= TP_PEER_PROTOCOLS_MAX);
    peer->server = (struct tp_server){
        .configuration = &peer->configuration,
        .header_codec = options->header_codec,
        .gzip_level = options->gzip_level,
        .id_conflict = options->id_conflict,
        .bodies = { .codec = options->body_codec, .gzip_min = options->gzip_min },
        .log = peer->log,
        .protocols = peer->protocols,
        .protocol_count = tp__protocols_fill(&modules, peer->protocols),
        .limits = {
            .packet = options->packet_limit,
            .send_queue = options->send_queue,
            .on_full = options->send_queue_full,
            .pending_pulls = options->max_pending_pulls,
            .sent_pulls = options->max_sent_pulls,
            .read_timeout = option_time(options->read_timeout),
            .packet_timeout = option_time(options->packet_timeout),
            .write_timeout = option_time(options->write_timeout),
            .exchange_timeout = option_time(options->exchange_timeout),
            .pull_timeout = option_time(options->pull_timeout),
            .handshake_timeout = options->handshake_timeout,
        },
        .logging = {
            .slow_threshold = option_time(options->slow_threshold),
            .logs_bodies = options->logs_bodies,
            .body_limit = { BODY_LOG_BYTES },
        },
    };
    server_add_keepings(peer);
    peer->server.default_protocol =
        tp__server_find_protocol(&peer->server, tp__str(options->protocol));
    return peer->server.default_protocol != NULL;
}

bool
tp__redial_complete(struct tp_redial *redial, const struct tp_redial *presets, bool never)
{
    redial->first.ms = redial->first.ms == 0 ? presets->first.ms : redial->first.ms;
    redial->max.ms = redial->max.ms == 0 ? presets->max.ms : redial->max.ms;
    redial->times = redial->times == 0 ? presets->times : redial->times;
    if (never) {
        redial->times = 0;
    }
    return redial->first.ms > 0 && redial->first.ms <= TP_PEER_DELAY_MAX_MS && redial->max.ms > 0
           && redial->max.ms <= TP_PEER_DELAY_MAX_MS && redial->times >= -1;
}

static const char *
option_complete(const struct option_row *row, struct tp_peer_options *options)
{
    unsigned char *field = (unsigned char *) options + row->offset;
    int64_t value;

    memcpy(&value, field, sizeof(value));
    if (value == 0) {
        value = row->preset;
        memcpy(field, &value, sizeof(value));
    }
    return value < row->min || value > row->max ? row->name : NULL;
}

/* For a server 0 is none. */
static struct tp_msec
option_time(struct tp_msec time)
{
    return time.ms < 0 ? (struct tp_msec){ 0 } : time;
}

/* Of what is a module's conf: whether it can be, and, where it is not left as it is, whose it is. */
static const char *
options_check_modules(const struct tp_peer_options *options)
{
    for (size_t i = 0; i < TP_COUNT_OF(option_confs); i++) {
        const struct option_conf *row = &option_confs[i];
        const unsigned char *conf = (const unsigned char *) options + row->offset;
        const struct tp_module *module = module_find(row->module);
        const char *directive = row->module;

        if (module == NULL ? !bytes_are_zeros(conf, row->size)
                           : module->check(conf, &directive) != NULL) {
            return directive;
        }
    }
    return NULL;
}

/* Of those that the library was built with. */
static const struct tp_module *
module_find(const char *name)
{
    for (size_t i = 0; i < tp__library_module_count; i++) {
        if (strcmp(tp__library_modules[i]->name, name) == 0) {
            return tp__library_modules[i];
        }
    }
    return NULL;
}

static bool
bytes_are_zeros(const unsigned char *bytes, size_t count)
{
    size_t zeros = 0;

    while (zeros < count && bytes[zeros] == 0) {
        zeros++;
    }
    return zeros == count;
}

/* The modules that keep something of sessions. */
static void
server_add_keepings(struct tp_peer *peer)
{
    size_t count = 0;

    for (size_t i = 0; i < tp__library_module_count; i++) {
        const struct tp_module *module = tp__library_modules[i];

        if (module->session.size > 0) {
            TP_ASSERT(count < TP_COUNT_OF(peer->keepings));
            peer->keepings[count++] =
                (struct tp_keeping_use){ .module = module, .conf = tp__peer_conf(peer, module) };
        }
    }
    peer->server.keepings = peer->keepings;
    peer->server.keeping_count = count;
}

static const char *
options_check_rest(const struct tp_peer_options *options)
{
    if (options->header_codec != TP_CODEC_PROTOBUF && options->header_codec != TP_CODEC_JSON) {
        return "header_codec";
    }
    if (options->gzip_level < TP_GZIP_LEVEL_MIN || options->gzip_level > TP_GZIP_LEVEL_MAX) {
        return "gzip_level";
    }
    if (options->id_conflict != TP_ID_CLOSE_OLD && options->id_conflict != TP_ID_REFUSE_NEW) {
        return "id_conflict";
    }
    if ((unsigned) options->send_queue_full >= TP_ON_FULL_COUNT) {
        return "send_queue_full";
    }
    return NULL;
}
