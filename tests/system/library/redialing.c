/*
 * redialing.c - a client that keeps PULLs in flight on a session that redials, until its
 * standard input ends; says "up" whenever it is answered again, and at the end how its PULLs
 * have ended.  Usage: redialing ADDRESS
 */
#include <teleport/teleport.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    IN_FLIGHT = 16,
    REDIAL_FIRST_MS = 10,
    REDIAL_MAX_MS = 100,
};

struct client {
    struct tp_session *session;
    unsigned begun;
    unsigned answered;
    unsigned broken; /* ended with 101 */
    unsigned other;
    bool is_up;
    bool is_ending;
};

static void pull(struct client *client);

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct client *client = owner;
    int32_t code = tp_reply_status(reply)->code;

    if (code == TP_STATUS_OK) {
        client->answered++;
        if (!client->is_up) {
            client->is_up = true;
            printf("up\n");
            fflush(stdout);
        }
    } else if (code == TP_STATUS_CONNECTION_CLOSED) {
        client->broken++;
        client->is_up = false;
    } else {
        client->other++;
    }
    if (!client->is_ending) {
        pull(client);
    }
}

static void
pull(struct client *client)
{
    if (tp_session_pull_async(client->session, TP_STR("/group/home/test"), TP_STR("[1]"), NULL,
                              on_reply, client)
        == TP_OK) {
        client->begun++;
    } else {
        client->other++;
    }
}

static void
ignore(struct tp_exchange *exchange, void *owner)
{
    (void) owner;
    tp_exchange_echo(exchange);
}

static void
run(struct tp_peer *peer, struct client *client)
{
    struct pollfd fds[] = {
        { .fd = tp_peer_fd(peer), .events = POLLIN },
        { .fd = STDIN_FILENO, .events = POLLIN },
    };

    while (!client->is_ending || client->answered + client->broken < client->begun) {
        char byte;

        if (poll(fds, client->is_ending ? 1 : 2, -1) < 0) {
            return;
        }
        tp_peer_turn(peer, 0);
        if (fds[1].revents != 0 && !client->is_ending && read(STDIN_FILENO, &byte, 1) <= 0) {
            client->is_ending = true;
        }
    }
}

int
main(int argc, char **argv)
{
    struct tp_peer_options options = TP_PEER_OPTIONS;
    struct client client = { .is_up = false };
    struct tp_peer *peer;

    options.redial = (struct tp_redial){ { REDIAL_FIRST_MS }, { REDIAL_MAX_MS }, -1 };
    if (argc < 2 || tp_peer_create(&options, &peer) != TP_OK
        || tp_peer_on_push(peer, "*", ignore, NULL) != TP_OK
        || tp_peer_dial(peer, argv[1], NULL, &client.session) != TP_OK) {
        return EXIT_FAILURE;
    }
    for (int i = 0; i < IN_FLIGHT; i++) {
        pull(&client);
    }
    run(peer, &client);
    printf("begun %u answered %u broken %u other %u sessions %zu\n", client.begun, client.answered,
           client.broken, client.other, tp_peer_session_count(peer));
    tp_peer_destroy(&peer);
    return client.begun == client.answered + client.broken ? EXIT_SUCCESS : EXIT_FAILURE;
}
