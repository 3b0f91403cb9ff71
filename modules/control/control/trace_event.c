/*
 * trace_event.c - what a trace says of an exchange, as JSON.
 *
 * Texts have come escaped for people and without secrets (teleport/trace.h); here they are only put
 * together.  Their bounds are the event's: some 20 KB with both bodies.
 *
 * Runs in: worker.  Owns: nothing.
 */
#include "trace.h"

enum {
    NUMBER_TEXT_MAX = 32,
};

static void write_head(cJSON *event, const struct tp_traced *traced,
                       const struct trace_saying *saying);
static void write_outcome(cJSON *event, const struct tp_traced *traced);
static void write_packet(cJSON *event, const struct tp_traced *traced, bool is_reply,
                         const struct trace_saying *saying);
static void write_body(cJSON *packet, const struct tp_traced *traced, bool is_reply,
                       const struct trace_saying *saying);
static void write_stages(cJSON *event, const struct tp_traced *traced);
static void add_saying(cJSON *event, const struct trace_saying *saying);
static void add_text(cJSON *object, const char *name, struct tp_str text);
static void add_number(cJSON *object, const char *name, uint64_t number);
static void add_decimals(cJSON *object, const char *name, int64_t thousandths);
static void add_codec(cJSON *object, const char *name, uint8_t codec);

char *
trace_event_write(const struct tp_traced *traced, const struct trace_saying *saying)
{
    cJSON *event = cJSON_CreateObject();

    write_head(event, traced, saying);
    write_outcome(event, traced);
    write_packet(event, traced, false, saying);
    if (traced->reply.type != 0) {
        write_packet(event, traced, true, saying);
    }
    write_stages(event, traced);
    char *text = cJSON_PrintUnformatted(event);

    cJSON_Delete(event);
    return text;
}

char *
trace_event_write_end(const char *why, const struct trace_saying *saying)
{
    cJSON *event = cJSON_CreateObject();

    cJSON_AddStringToObject(event, "end", why);
    add_saying(event, saying);
    char *text = cJSON_PrintUnformatted(event);

    cJSON_Delete(event);
    return text;
}

static void
write_head(cJSON *event, const struct tp_traced *traced, const struct trace_saying *saying)
{
    char remote[TP_ADDRESS_TEXT_MAX];

    add_saying(event, saying);
    add_number(event, "number", traced->session_number);
    add_text(event, "id", traced->session_id);
    cJSON_AddStringToObject(event, "remote", tp_address_format(traced->remote, remote));
    add_text(event, "source", traced->source);
    add_text(event, "protocol", traced->protocol);
    cJSON_AddStringToObject(event, "asked_by", traced->is_ours ? "us" : "them");
    cJSON_AddStringToObject(event, "type", tp_packet_type_word(traced->request.type));
    add_number(event, "seq", traced->seq);
    add_text(event, "uri", traced->uri);
    add_text(event, "route", traced->route);
}

static void
write_outcome(cJSON *event, const struct tp_traced *traced)
{
    char number[NUMBER_TEXT_MAX];

    snprintf(number, sizeof(number), "%d", (int) traced->status);
    cJSON_AddRawToObject(event, "status", number);
    add_text(event, "text", traced->status_text);
    add_text(event, "cause", traced->status_cause);
}

static void
write_packet(cJSON *event, const struct tp_traced *traced, bool is_reply,
             const struct trace_saying *saying)
{
    const struct tp_traced_packet *packet = is_reply ? &traced->reply : &traced->request;
    cJSON *object = cJSON_AddObjectToObject(event, is_reply ? "reply" : "request");
    char gzip[NUMBER_TEXT_MAX];

    add_text(object, "metadata", packet->metadata);
    add_codec(object, "header_codec", packet->header_codec);
    add_codec(object, "body_codec", packet->body_codec);
    if (packet->gzip_level != 0) {
        snprintf(gzip, sizeof(gzip), "%d", (int) packet->gzip_level);
        cJSON_AddRawToObject(object, "gzip", gzip);
    }
    add_text(object, "filters", packet->filters);
    add_number(object, "wire_bytes", packet->wire_bytes);
    add_number(object, "body_bytes", packet->body_bytes);
    if (saying->shows_bodies && packet->body_bytes > 0) {
        write_body(object, traced, is_reply, saying);
    }
}

static void
write_body(cJSON *packet, const struct tp_traced *traced, bool is_reply,
           const struct trace_saying *saying)
{
    struct tp_body_text text;
    bool is_shown;
    size_t more = tp_traced_show_body(traced, is_reply, saying->body_limit, &text, &is_shown);

    if (!is_shown) {
        cJSON_AddTrueToObject(packet, "body_hidden");
        return;
    }
    cJSON *body = cJSON_AddObjectToObject(packet, "body");

    cJSON_AddStringToObject(body, "form", text.form);
    cJSON_AddStringToObject(body, "text", text.text);
    if (more > 0) {
        add_number(body, "more", more);
    }
}

static void
write_stages(cJSON *event, const struct tp_traced *traced)
{
    cJSON *stages = cJSON_AddObjectToObject(event, "ms");

    for (enum tp_trace_stage i = 0; i < TP_TRACE_STAGE_COUNT; i++) {
        if (traced->stages_us[i] >= 0) {
            add_decimals(stages, tp_trace_stage_word(i), traced->stages_us[i]);
        }
    }
    add_decimals(stages, "total", traced->total_us);
}

static void
add_saying(cJSON *event, const struct trace_saying *saying)
{
    add_decimals(event, "time", saying->wall_ms);
    add_number(event, "worker", saying->worker);
    if (saying->lost > 0) {
        add_number(event, "lost", saying->lost);
    }
}

/* A member that is empty is left out. */
static void
add_text(cJSON *object, const char *name, struct tp_str text)
{
    char terminated[TP_TRACE_TEXT_MAX + 1];

    if (text.len > 0) {
        snprintf(terminated, sizeof(terminated), "%.*s", TP_STR_ARG(text));
        cJSON_AddStringToObject(object, name, terminated);
    }
}

static void
add_number(cJSON *object, const char *name, uint64_t number)
{
    char text[NUMBER_TEXT_MAX];

    snprintf(text, sizeof(text), "%llu", (unsigned long long) number);
    cJSON_AddRawToObject(object, name, text);
}

static void
add_decimals(cJSON *object, const char *name, int64_t thousandths)
{
    char text[NUMBER_TEXT_MAX];

    snprintf(text, sizeof(text), "%lld.%03lld", (long long) thousandths / 1000,
             (long long) thousandths % 1000);
    cJSON_AddRawToObject(object, name, text);
}

static void
add_codec(cJSON *object, const char *name, uint8_t codec)
{
    char text[] = { (char) codec, '\0' };

    if (codec > ' ' && codec < 0x7f) {
        cJSON_AddStringToObject(object, name, text);
    } else if (codec != TP_CODEC_NONE) {
        add_number(object, name, codec);
    }
}
