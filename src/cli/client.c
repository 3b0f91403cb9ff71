/*
 * client.c - from options to a peer, and from results to words.
 */
#include "cli/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum {
    CLIENT_DRAIN_SECONDS = 5,
    CLIENT_QUEUE_ROOM = 1 << 20, /* of a send queue, besides one packet of the largest size */
    CLIENT_MEMORY_PACKETS = 4,   /* of the largest size, that may be in flight */
    CLIENT_MEMORY_MIN = 256 << 20,
};

#define NS_PER_MS     INT64_C(1000000)
#define NS_PER_SECOND INT64_C(1000000000)

static void log_write(struct tp_log_sink *sink, const char *line, size_t len);
static enum tp_log_level client_log_level(const struct tp_settings *settings);
static bool client_can_read(struct tp_client *client, const char *path);
static enum tp_exit_code client_dial(struct tp_client *client);
static enum tp_exit_code client_listen(struct tp_client *client);
static void client_take_signal(struct tp_client *client);
static void client_on_drained(struct tp_peer *peer, void *owner);
static void client_write_line(struct tp_client *client, const char *format, va_list args);

enum tp_exit_code
tp__client_open(struct tp_client *client, const struct tp_settings *settings,
                void (*adjust)(struct tp_peer_options *options, const struct tp_settings *settings))
{
    struct tp_peer_options options = TP_PEER_OPTIONS;
    uint64_t limit = settings->packet_limit.bytes;

    client->settings = settings;
    client->signals = -1;
    client->sink = (struct tp_log_sink){ log_write, tp__system_process_id };
    client->log.sink = &client->sink;
    client->log.level = client_log_level(settings);
    tp__screen_init(&client->output, stdout, settings->has_no_color);
    tp__screen_init(&client->messages, stderr, settings->has_no_color);

    options.header_codec = settings->header_codec;
    options.body_codec = settings->body_codec;
    options.gzip_level = (int8_t) settings->gzip;
    options.gzip_min.bytes = 1;
    options.packet_limit.bytes = limit;
    options.send_queue.bytes = limit + CLIENT_QUEUE_ROOM;
    options.memory.bytes = CLIENT_MEMORY_PACKETS * limit;
    if (options.memory.bytes < CLIENT_MEMORY_MIN) {
        options.memory.bytes = CLIENT_MEMORY_MIN;
    }
    options.pull_timeout = settings->timeout;
    options.dial_timeout = settings->timeout;
    options.credentials = settings->credentials;
    options.credentials_file = settings->credentials_file;
    options.auth_uri = settings->auth_uri;
    options.tls_certificate = settings->certificate;
    options.tls_key = settings->key;
    options.tls_trusted = settings->authority;
    options.tls_trusts_all = settings->is_insecure;
    options.handshake_timeout = settings->timeout;
    options.heartbeat.interval = settings->heartbeat;
    options.log = &client->log;
    options.owner = client;
    if (adjust != NULL) {
        adjust(&options, settings);
    }
    if (!client_can_read(client, settings->credentials_file)) {
        return TP_EXIT_LOCAL;
    }
    if (settings->heartbeat.ms > 0 && settings->heartbeat.ms < TP_HEARTBEAT_INTERVAL_MIN_MS) {
        tp__client_say(client, "--heartbeat is 0s, or at least %dms", TP_HEARTBEAT_INTERVAL_MIN_MS);
        return TP_EXIT_USAGE;
    }
    enum tp_result result = tp_peer_create(&options, &client->peer);

    if (result != TP_OK) {
        tp__client_say(client, "%s", tp_result_sentence(result));
        return TP_EXIT_LOCAL;
    }
    return TP_EXIT_DONE;
}

void
tp__client_close(struct tp_client *client)
{
    if (client->peer != NULL) {
        tp_peer_destroy(&client->peer);
    }
    tp__system_close(&client->signals);
}

enum tp_exit_code
tp__client_connect(struct tp_client *client)
{
    enum tp_exit_code code = client_dial(client);
    struct tp_session *session = tp__client_session(client);

    if (code != TP_EXIT_DONE) {
        return code;
    }
    enum tp_result result =
        session == NULL ? TP_GONE : tp_session_wait_open(session, client->settings->timeout);

    if (result != TP_OK) {
        const char *why = tp_peer_last_error(client->peer);

        tp__client_say(client, "cannot connect to %s: %s", client->settings->address,
                       *why != '\0' ? why : tp_result_sentence(result));
        return result == TP_DENIED ? TP_EXIT_DENIED : TP_EXIT_UNREACHABLE;
    }
    tp__client_tell(client, "connected to %s", client->settings->address);
    return TP_EXIT_DONE;
}

struct tp_dial_options
tp__client_dial_options(const struct tp_settings *settings)
{
    struct tp_dial_options options = TP_DIAL_OPTIONS;

    options.timeout = settings->timeout;
    options.redial.times = settings->redial;
    options.redials_never = settings->redial == 0;
    options.id = settings->id;
    options.tls_name = settings->server_name;
    return options;
}

struct tp_send_options
tp__client_send_options(const struct tp_settings *settings)
{
    struct tp_send_options options = {
        .size = sizeof(struct tp_send_options),
        .header_codec = settings->header_codec,
        .body_codec = settings->body_codec,
        .has_gzip = true,
        .gzip_level = (int8_t) settings->gzip,
        .accept_codec = settings->accept_codec,
        .timeout = settings->timeout,
        .metadata = { settings->metadata,
                      settings->metadata == NULL ? 0 : strlen(settings->metadata) },
    };

    if (settings->filters != NULL) {
        memcpy(options.filters, settings->filters, strlen(settings->filters));
    }
    return options;
}

enum tp_exit_code
tp__client_read_body(struct tp_client *client, struct tp_bytes *body)
{
    const struct tp_settings *settings = client->settings;
    enum tp_result result =
        tp__bytes_read_body(body, settings->body, (size_t) settings->packet_limit.bytes);

    if (result == TP_OK) {
        return TP_EXIT_DONE;
    }
    if (result == TP_TOO_LARGE) {
        tp__client_say(client, "the body is larger than --packet-limit, which is %" PRIu64 " bytes",
                       settings->packet_limit.bytes);
    } else {
        tp__client_say(client, "cannot read %s: %s", settings->body,
                       result == TP_SYSTEM ? strerror(errno) : tp_result_sentence(result));
    }
    return TP_EXIT_LOCAL;
}

enum tp_exit_code
tp__client_start(struct tp_client *client)
{
    const struct tp_settings *settings = client->settings;

    if (settings->listen != NULL) {
        enum tp_exit_code code = client_listen(client);

        if (code != TP_EXIT_DONE || !settings->has_address) {
            return code;
        }
    }
    /* A session that comes back need not be there now. */
    return settings->redial == 0 ? tp__client_connect(client) : client_dial(client);
}

enum tp_exit_code
tp__client_take_signals(struct tp_client *client)
{
    client->signals = tp__system_open_signals();
    if (client->signals == -1) {
        tp__client_say(client, "cannot wait for signals: %s", strerror(errno));
        return TP_EXIT_LOCAL;
    }
    return TP_EXIT_DONE;
}

bool
tp__client_turn(struct tp_client *client, struct tp_waitable *waitables, size_t count,
                int64_t timeout_ns)
{
    if (client->is_draining) {
        int64_t left = (int64_t) (client->drain_until_ns - tp__system_clock_ns());

        if (left <= 0) {
            return false;
        }
        timeout_ns = timeout_ns < 0 || timeout_ns > left ? left : timeout_ns;
    }
    waitables[0] = (struct tp_waitable){ .fd = tp_peer_fd(client->peer) };
    waitables[1] = (struct tp_waitable){ .fd = client->signals };
    tp__system_wait(waitables, count, timeout_ns);
    if (waitables[1].is_ready) {
        client_take_signal(client);
    }
    if (waitables[0].is_ready) {
        tp_peer_turn(client->peer, 0);
    }
    return !client->is_done;
}

void
tp__client_drain(struct tp_client *client)
{
    if (!client->is_draining) {
        client->is_draining = true;
        client->drain_until_ns =
            tp__system_clock_ns() + (uint64_t) (CLIENT_DRAIN_SECONDS * NS_PER_SECOND);
        tp_peer_drain(client->peer, client_on_drained, client);
    }
}

void
tp__client_say(struct tp_client *client, const char *format, ...)
{
    va_list args;

    if (!client->settings->is_quiet) {
        va_start(args, format);
        client_write_line(client, format, args);
        va_end(args);
    }
}

void
tp__client_tell(struct tp_client *client, const char *format, ...)
{
    va_list args;

    if (client->settings->is_verbose) {
        va_start(args, format);
        client_write_line(client, format, args);
        va_end(args);
    }
}

enum tp_exit_code
tp__client_exit_of_status(int32_t code)
{
    switch (code) {
    case TP_STATUS_OK:
        return TP_EXIT_DONE;
    case TP_STATUS_WRITE_FAILED:
    case TP_STATUS_CONNECTION_CLOSED:
        return TP_EXIT_LOST;
    case TP_STATUS_GATEWAY_TIMEOUT:
        return TP_EXIT_TIMED_OUT;
    case TP_STATUS_UNAUTHORIZED:
        return TP_EXIT_DENIED;
    default:
        return TP_EXIT_STATUS;
    }
}

enum tp_exit_code
tp__client_exit_of_result(enum tp_result result)
{
    switch (result) {
    case TP_OK:
        return TP_EXIT_DONE;
    case TP_GONE:
        return TP_EXIT_LOST;
    case TP_TIMED_OUT:
        return TP_EXIT_TIMED_OUT;
    default:
        return TP_EXIT_LOCAL;
    }
}

static void
log_write(struct tp_log_sink *sink, const char *line, size_t len)
{
    const struct tp_client *client = TP_CONTAINER_OF(sink, struct tp_client, sink);

    if (!client->is_silent) {
        fwrite(line, 1, len, stderr);
    }
}

/* Who connects again and again would otherwise do so in silence, whatever the reason. */
static enum tp_log_level
client_log_level(const struct tp_settings *settings)
{
    if (settings->is_verbose) {
        return TP_LOG_INFO;
    }
    return settings->redial != 0 && !settings->is_quiet ? TP_LOG_WARN : TP_LOG_ALERT;
}

/* The library reads it, when it is connected: what is wrong with it now is said now. */
static bool
client_can_read(struct tp_client *client, const char *path)
{
    FILE *file = path == NULL ? NULL : fopen(path, "r");

    if (path != NULL && file == NULL) {
        tp__client_say(client, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    if (file != NULL) {
        fclose(file);
    }
    return true;
}

static enum tp_exit_code
client_dial(struct tp_client *client)
{
    struct tp_dial_options options = tp__client_dial_options(client->settings);
    struct tp_session *session;
    enum tp_result result =
        tp_peer_dial(client->peer, client->settings->address, &options, &session);

    if (result != TP_OK) {
        const char *why = tp_peer_last_error(client->peer);

        tp__client_say(client, "%s", *why != '\0' ? why : tp_result_sentence(result));
        return result == TP_INVALID ? TP_EXIT_USAGE : TP_EXIT_LOCAL;
    }
    client->session = tp_session_get_handle(session);
    return TP_EXIT_DONE;
}

static enum tp_exit_code
client_listen(struct tp_client *client)
{
    uint16_t port = 0;
    enum tp_result result = tp_peer_listen(client->peer, client->settings->listen, &port);

    if (result != TP_OK) {
        const char *why = tp_peer_last_error(client->peer);

        tp__client_say(client, "%s", *why != '\0' ? why : tp_result_sentence(result));
        return result == TP_INVALID ? TP_EXIT_USAGE : TP_EXIT_LOCAL;
    }
    /* The system has chosen the port where none was given. */
    const char *last = strrchr(client->settings->listen, ':');

    if (strcmp(last == NULL ? client->settings->listen : last + 1, "0") == 0) {
        tp__client_say(client, "listening on %s, port %u", client->settings->listen,
                       (unsigned) port);
    } else {
        tp__client_say(client, "listening on %s", client->settings->listen);
    }
    return TP_EXIT_DONE;
}

static void
client_take_signal(struct tp_client *client)
{
    enum tp_system_signal number;

    while ((number = tp__system_read_signal(client->signals)) != TP_SIGNAL_NONE) {
        client->is_resized = client->is_resized || number == TP_SIGNAL_RESIZED;
        if (number != TP_SIGNAL_END) {
            continue;
        }
        if (client->is_draining) {
            client->is_done = true;
        }
        if (client->on_interrupt != NULL && !client->is_interrupted) {
            client->is_interrupted = true;
            client->on_interrupt(client);
        } else {
            tp__client_drain(client);
        }
    }
}

static void
client_on_drained(struct tp_peer *peer, void *owner)
{
    struct tp_client *client = owner;

    (void) peer;
    client->is_done = true;
}

static void
client_write_line(struct tp_client *client, const char *format, va_list args)
{
    char line[1024];
    int len = vsnprintf(line, sizeof(line), format, args);

    fputs("tp: ", client->messages.file);
    if (len > 0) {
        size_t shown = (size_t) len < sizeof(line) ? (size_t) len : sizeof(line) - 1;

        tp__screen_write(&client->messages, (struct tp_str){ line, shown });
        tp__screen_end(&client->messages);
    }
    fputs("\n", client->messages.file);
}
