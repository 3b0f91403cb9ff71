/*
 * show.c - printing.
 */
#include "cli/show.h"

#include "cli/json_print.h"
#include "cli/json_read.h"

#include <inttypes.h>
#include <time.h>

static bool is_for_people(const struct tp_client *client);
static void show_request_line(struct tp_client *client, struct tp_exchange *exchange,
                              size_t body_len);
static void show_request_json(struct tp_client *client, struct tp_exchange *exchange,
                              struct tp_str body);

const char *
tp__show_codec(uint8_t codec, char *text)
{
    const char *name = codec == TP_CODEC_NONE ? "none" : tp_codec_name(codec);

    if (name != NULL) {
        return name;
    }
    text[0] = codec > ' ' && codec < 0x7f ? (char) codec : '?';
    text[1] = '\0';
    return text;
}

void
tp__show_body(struct tp_client *client, uint8_t codec, struct tp_str body, bool ends_line)
{
    struct tp_screen *output = &client->output;
    struct tp_json_printer printer;

    if (client->settings->is_raw) {
        fwrite(body.data, 1, body.len, output->file);
        return;
    }
    if (codec == TP_CODEC_JSON && is_for_people(client)) {
        tp__json_printer_init(&printer, output);
        tp__json_printer_feed(&printer, body);
        tp__json_printer_end(&printer);
        return;
    }
    tp__screen_write(output, body);
    tp__screen_end(output);
    if ((ends_line || output->is_terminal) && body.len > 0 && body.data[body.len - 1] != '\n') {
        fputc('\n', output->file);
    }
}

void
tp__show_json_body(struct tp_client *client, uint8_t codec, struct tp_str body)
{
    FILE *file = client->output.file;
    char letter[2];

    fprintf(file, "\"codec\":\"%s\",", tp__show_codec(codec, letter));
    if (codec == TP_CODEC_JSON && tp__json_is_valid(body)) {
        fputs("\"body\":", file);
        tp__json_write_value(file, body);
    } else if (tp__json_is_utf8(body)) {
        fputs("\"body\":", file);
        tp__json_write_text(file, body);
    } else {
        fputs("\"body_base64\":", file);
        tp__json_write_base64(file, body);
    }
}

void
tp__show_json_metadata(struct tp_client *client, struct tp_str metadata)
{
    FILE *file = client->output.file;

    if (metadata.len > 0) {
        fputs("\"metadata\":", file);
        tp__json_write_text(file, metadata);
        fputc(',', file);
    }
}

void
tp__show_request(struct tp_client *client, struct tp_exchange *exchange, struct tp_str body)
{
    if (client->settings->is_json) {
        show_request_json(client, exchange, body);
        return;
    }
    if (is_for_people(client)) {
        show_request_line(client, exchange, body.len);
    }
    tp__show_body(client, tp_exchange_body_codec(exchange), body, true);
}

double
tp__show_ms_since(uint64_t since_ns)
{
    return (double) (tp__system_clock_ns() - since_ns) / 1e6;
}

static bool
is_for_people(const struct tp_client *client)
{
    return client->settings->is_pretty || client->output.is_terminal;
}

/* "14:20:33 /push/test?tag=1 json 24 B" */
static void
show_request_line(struct tp_client *client, struct tp_exchange *exchange, size_t body_len)
{
    FILE *file = client->output.file;
    time_t now = time(NULL);
    char clock[16] = "";
    char letter[2];
    struct tm parts;

    if (localtime_r(&now, &parts) != NULL) {
        strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
    }
    tp__screen_color(&client->output, TP_COLOR_FAINT);
    fprintf(file, "%s ", clock);
    tp__screen_color(&client->output, TP_COLOR_NONE);
    tp__screen_write(&client->output, tp_exchange_uri(exchange));
    tp__screen_end(&client->output);
    tp__screen_color(&client->output, TP_COLOR_FAINT);
    fprintf(file, " %s %zu B", tp__show_codec(tp_exchange_body_codec(exchange), letter), body_len);
    tp__screen_color(&client->output, TP_COLOR_NONE);
    fputc('\n', file);
}

static void
show_request_json(struct tp_client *client, struct tp_exchange *exchange, struct tp_str body)
{
    FILE *file = client->output.file;
    const struct tp_session *session = tp_exchange_session(exchange);

    fprintf(file, "{\"type\":\"%s\",\"seq\":%" PRIu64 ",\"uri\":",
            tp_exchange_type(exchange) == TP_PACKET_PULL ? "pull" : "push",
            tp_exchange_seq(exchange));
    tp__json_write_text(file, tp_exchange_uri(exchange));
    if (session != NULL) {
        char remote[TP_ADDRESS_TEXT_MAX];

        fprintf(file,
                ",\"session\":%" PRIu64 ",\"remote\":\"%s\",\"id\":", tp_session_number(session),
                tp_address_format(tp_session_remote(session), remote));
        tp__json_write_text(file, tp_session_id(session));
    }
    fputc(',', file);
    tp__show_json_metadata(client, tp_exchange_all_metadata(exchange));
    tp__show_json_body(client, tp_exchange_body_codec(exchange), body);
    fputs("}\n", file);
}
