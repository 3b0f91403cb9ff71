/*
 * foreign_poll.c - peers in a program that has a loop of its own: here poll(), with standard
 * input beside two peers, of which one asks what the other answers.
 *
 *     cc foreign_poll.c $(pkg-config --cflags --libs teleport) -o foreign_poll
 *     printf 'one\ntwo\n' | ./foreign_poll
 *
 * Each peer has one descriptor.  It is readable whenever the peer has something to do, timers
 * included, and then one turn that does not wait is due.
 */
#include <teleport/teleport.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct program {
    struct tp_peer *server;
    struct tp_peer *client;
    struct tp_session *session;
    unsigned waiting; /* PULLs that are not answered yet */
    bool has_input;
    char line[256]; /* what has been read of a line */
    size_t line_len;
};

static void
on_echo(struct tp_exchange *exchange, void *owner)
{
    (void) owner;
    tp_exchange_echo(exchange);
}

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct program *program = owner;

    program->waiting--;
    printf("%d %.*s\n", tp_reply_status(reply)->code, TP_STR_ARG(tp_reply_body(reply)));
}

static void
on_tick(struct tp_peer *peer, void *owner)
{
    (void) peer;
    (void) owner;
    printf("tick\n");
}

static void
ask(struct program *program)
{
    struct tp_str line = { program->line, program->line_len };
    struct tp_send_options options = { .body_codec = TP_CODEC_PLAIN };

    if (tp_session_pull_async(program->session, TP_STR("/echo"), line, &options, on_reply, program)
        == TP_OK) {
        program->waiting++;
    }
    program->line_len = 0;
}

static void
read_input(struct program *program)
{
    char bytes[256];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));

    program->has_input = count > 0;
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            ask(program);
        } else if (program->line_len < sizeof(program->line)) {
            program->line[program->line_len++] = bytes[i];
        }
    }
}

static bool
start(struct program *program)
{
    struct tp_peer_options options = TP_PEER_OPTIONS;
    char address[32];
    uint64_t timer;
    uint16_t port;

    if (tp_peer_create(&options, &program->server) != TP_OK
        || tp_peer_create(&options, &program->client) != TP_OK
        || tp_peer_on_pull(program->server, "/echo", on_echo, NULL) != TP_OK
        || tp_peer_listen(program->server, "127.0.0.1:0", &port) != TP_OK) {
        return false;
    }
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    return tp_peer_dial(program->client, address, NULL, &program->session) == TP_OK
           && tp_peer_start_timer(program->client, (struct tp_msec){ 10 }, on_tick, NULL, &timer)
                  == TP_OK;
}

static void
run(struct program *program)
{
    struct pollfd fds[] = {
        { .fd = tp_peer_fd(program->server), .events = POLLIN },
        { .fd = tp_peer_fd(program->client), .events = POLLIN },
        { .fd = STDIN_FILENO, .events = POLLIN },
    };

    while (program->has_input || program->waiting > 0) {
        fds[2].fd = program->has_input ? STDIN_FILENO : -1;
        if (poll(fds, 3, -1) <= 0) {
            return;
        }
        if (fds[0].revents != 0) {
            tp_peer_turn(program->server, 0);
        }
        if (fds[1].revents != 0) {
            tp_peer_turn(program->client, 0);
        }
        if (fds[2].revents != 0) {
            read_input(program);
        }
    }
}

int
main(void)
{
    struct program program = { .has_input = true };

    if (start(&program)) {
        run(&program);
    }
    tp_peer_destroy(&program.client);
    tp_peer_destroy(&program.server);
    return program.waiting == 0 && !program.has_input ? EXIT_SUCCESS : EXIT_FAILURE;
}
