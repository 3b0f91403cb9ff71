/*
 * control.c - the master's control socket.
 *
 * Runs in: master.  Owns: the listening socket and its clients.
 * Read next: control_client.c (the other end), master.c (what commands do).
 */
#include "process/control.h"

#include "base/str.h"
#include "os/file.h"
#include "os/socket.h"

#include <stdlib.h>

enum {
    CONTROL_CLIENTS_MAX = 32,
    CONTROL_COMMAND_BYTES_MAX = 64,
    CONTROL_PATIENCE_MS = 10000, /* for a client to send its command, or to read its answer */
};

struct tp_control_client {
    struct tp_control *control;
    struct tp_list_node node;
    struct tp_watcher watcher;
    struct tp_timer patience;
    char command[CONTROL_COMMAND_BYTES_MAX];
    size_t command_len;
    bool was_asked;       /* the command is complete */
    uint64_t reload;      /* waits for the end of this reload; 0: for none */
    struct tp_text reply; /* what is still to be sent, from reply_sent on */
    size_t reply_sent;
    bool is_held; /* stays connected after the reply */
};

static void control_on_connection(struct tp_watcher *watcher, unsigned events);
static void control_admit(struct tp_control *control, int fd);
static void client_on_event(struct tp_watcher *watcher, unsigned events);
static void client_read(struct tp_control_client *client);
static void client_dispatch(struct tp_control_client *client, struct tp_str line);
static void client_write(struct tp_control_client *client);
static void client_on_patience(struct tp_timer *timer);
static void client_close(struct tp_control_client *client);

static const char *const control_words[TP_CONTROL_COMMAND_COUNT] = {
#define CONTROL_WORD_ROW(name, word, sentence) [TP_CONTROL_##name] = (word),
    TP_CONTROL_TABLE(CONTROL_WORD_ROW)
#undef CONTROL_WORD_ROW
};

void
tp__control_init(struct tp_control *control, struct tp_loop *loop,
                 const struct tp_control_handler *handler)
{
    *control = (struct tp_control){ .loop = loop, .handler = handler, .listener_fd = -1 };
    tp__list_init(&control->clients);
}

enum tp_result
tp__control_open(struct tp_control *control, const char *path)
{
    struct tp_endpoint endpoint = {
        .address.family = TP_ADDRESS_UNIX,
        .path = tp__str(path),
    };
    struct tp_listen_options options = { .backlog = CONTROL_CLIENTS_MAX, .file_mode = 0600 };

    if (endpoint.path.len > TP_SOCKET_PATH_MAX) {
        return TP_TOO_LARGE;
    }
    enum tp_result result = tp__socket_listen(&endpoint, &options, &control->listener_fd);

    if (result != TP_OK) {
        return result;
    }
    tp__watcher_init(&control->listener, control->listener_fd, control_on_connection);
    return tp__loop_watch(control->loop, &control->listener, TP_EVENT_READ);
}

void
tp__control_close(struct tp_control *control)
{
    tp__loop_unwatch(control->loop, &control->listener);
    tp__descriptor_close(&control->listener_fd);
}

void
tp__control_fini(struct tp_control *control)
{
    TP_LIST_EACH (node, &control->clients) {
        client_close(TP_CONTAINER_OF(node, struct tp_control_client, node));
    }
}

void
tp__control_answer(struct tp_control_client *client, struct tp_str text, bool has_succeeded,
                   bool is_held)
{
    tp__text_append(&client->reply, text);
    if (text.len > 0 && text.data[text.len - 1] != '\n') {
        tp__text_append(&client->reply, TP_STR("\n"));
    }
    tp__text_append(&client->reply, has_succeeded ? TP_STR("ok\n") : TP_STR("failed\n"));
    client->is_held = is_held;
    client->reload = 0;
    tp__loop_start_timer(client->control->loop, &client->patience, CONTROL_PATIENCE_MS);
    client_write(client);
}

void
tp__control_wait_for_reload(struct tp_control_client *client, uint64_t number)
{
    client->reload = number;
}

void
tp__control_answer_reload(struct tp_control *control, uint64_t number, struct tp_str text,
                          bool has_succeeded)
{
    TP_LIST_EACH (node, &control->clients) {
        struct tp_control_client *client = TP_CONTAINER_OF(node, struct tp_control_client, node);

        if (client->reload == number) {
            tp__control_answer(client, text, has_succeeded, false);
        }
    }
}

enum tp_result
tp__control_parse(struct tp_str word, enum tp_control_command *command)
{
    for (size_t i = 0; i < TP_CONTROL_COMMAND_COUNT; i++) {
        if (tp__str_equal(word, tp__str(control_words[i]))) {
            *command = (enum tp_control_command) i;
            return TP_OK;
        }
    }
    return TP_NOT_FOUND;
}

const char *
tp__control_word(enum tp_control_command command)
{
    return control_words[command];
}

void
tp__control_path(const char *pid_path, struct tp_text *path)
{
    struct tp_str stem = tp__str(pid_path);
    struct tp_str suffix = TP_STR(".pid");

    if (stem.len > suffix.len && tp__str_equal(tp__str_skip(stem, stem.len - suffix.len), suffix)) {
        stem.len -= suffix.len;
    }
    tp__text_printf(path, "%.*s.control", TP_STR_ARG(stem));
}

static void
control_on_connection(struct tp_watcher *watcher, unsigned events)
{
    struct tp_control *control = TP_CONTAINER_OF(watcher, struct tp_control, listener);
    struct tp_address remote;
    int fd;

    (void) events;
    if (tp__socket_accept(control->listener_fd, &fd, &remote) == TP_OK) {
        control_admit(control, fd);
    }
}

static void
control_admit(struct tp_control *control, int fd)
{
    struct tp_control_client *client =
        control->client_count < CONTROL_CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;

    if (client == NULL) {
        tp__descriptor_close(&fd);
        return;
    }
    client->control = control;
    tp__watcher_init(&client->watcher, fd, client_on_event);
    tp__timer_init(&client->patience, client_on_patience);
    tp__list_append(&control->clients, &client->node);
    control->client_count++;
    tp__loop_start_timer(control->loop, &client->patience, CONTROL_PATIENCE_MS);
    if (tp__loop_watch(control->loop, &client->watcher, TP_EVENT_READ) != TP_OK) {
        client_close(client);
    }
}

static void
client_on_event(struct tp_watcher *watcher, unsigned events)
{
    struct tp_control_client *client = TP_CONTAINER_OF(watcher, struct tp_control_client, watcher);

    if (events & TP_EVENT_WRITE) {
        client_write(client);
        return;
    }
    client_read(client);
}

static void
client_read(struct tp_control_client *client)
{
    char *room = client->command + client->command_len;
    size_t count;
    enum tp_result result = tp__socket_read(client->watcher.fd, room,
                                            sizeof(client->command) - client->command_len, &count);

    if (result == TP_AGAIN || result == TP_INTERRUPTED) {
        return;
    }
    /* A client that waits has nothing more to say: any word, and its leaving, ends it. */
    if (result != TP_OK || count == 0 || client->was_asked) {
        client_close(client);
        return;
    }
    client->command_len += count;

    struct tp_str rest;
    struct tp_str received = { client->command, client->command_len };
    struct tp_str line = tp__str_cut(received, '\n', &rest);

    if (line.len < received.len) {
        client_dispatch(client, line);
    } else if (client->command_len == sizeof(client->command)) {
        client_close(client);
    }
}

static void
client_dispatch(struct tp_control_client *client, struct tp_str line)
{
    enum tp_control_command command;

    client->was_asked = true;
    tp__loop_stop_timer(client->control->loop, &client->patience);
    if (tp__control_parse(line, &command) != TP_OK) {
        tp__control_answer(client, TP_STR("there is no such command\n"), false, false);
        return;
    }
    client->control->handler->on_command(client->control, client, command);
}

static void
client_write(struct tp_control_client *client)
{
    struct tp_str rest = tp__str_skip(tp__text_get(&client->reply), client->reply_sent);
    size_t count = 0;
    enum tp_result result = TP_OK;

    if (rest.len > 0) {
        result = tp__socket_write(client->watcher.fd, rest.data, rest.len, &count);
    }
    client->reply_sent += count;
    if (result == TP_AGAIN || result == TP_INTERRUPTED || (result == TP_OK && count < rest.len)) {
        result =
            tp__loop_watch(client->control->loop, &client->watcher, TP_EVENT_READ | TP_EVENT_WRITE);
    } else if (result == TP_OK && client->is_held) {
        tp__loop_stop_timer(client->control->loop, &client->patience);
        result = tp__loop_watch(client->control->loop, &client->watcher, TP_EVENT_READ);
    } else {
        result = TP_GONE;
    }
    if (result != TP_OK) {
        client_close(client);
    }
}

static void
client_on_patience(struct tp_timer *timer)
{
    client_close(TP_CONTAINER_OF(timer, struct tp_control_client, patience));
}

static void
client_close(struct tp_control_client *client)
{
    struct tp_control *control = client->control;

    tp__loop_stop_timer(control->loop, &client->patience);
    tp__loop_unwatch(control->loop, &client->watcher);
    tp__descriptor_close(&client->watcher.fd);
    tp__list_remove(&client->node);
    tp__text_fini(&client->reply);
    free(client);
    control->client_count--;
}
