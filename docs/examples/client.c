/*
 * client.c - pulls and waits, is pushed to meanwhile, and pulls many times at once.
 *
 *     cc client.c $(pkg-config --cflags --libs teleport) -o client
 *     ./client 127.0.0.1:9090
 */
#include <teleport/teleport.h>

#include <stdio.h>
#include <stdlib.h>

enum {
    BURST = 1000, /* PULLs in flight together */
};

struct burst {
    unsigned answered;
    unsigned good;
};

/* PUSH /push/test */
static void
on_push(struct tp_exchange *exchange, void *owner)
{
    struct tp_str query = tp_exchange_query(exchange);
    struct tp_str body;

    (void) owner;
    if (tp_exchange_read_body(exchange, &body) != TP_OK) {
        return;
    }
    printf("pushed: %.*s %.*s\n", TP_STR_ARG(query), TP_STR_ARG(body));
}

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct burst *burst = owner;

    burst->answered++;
    if (tp_reply_status(reply)->code == TP_STATUS_OK) {
        burst->good++;
    }
}

/* Pulls, waits for the answer, and prints it. */
static int
ask(struct tp_peer *peer, struct tp_session *session, struct tp_str uri, struct tp_str body)
{
    struct tp_reply *reply;

    if (tp_session_pull(session, uri, body, NULL, &reply) != TP_OK) {
        fprintf(stderr, "cannot pull: %s\n", tp_peer_last_error(peer));
        return EXIT_FAILURE;
    }
    const struct tp_status *status = tp_reply_status(reply);
    struct tp_str answer = tp_reply_body(reply);

    printf("%.*s: %d %.*s %.*s\n", TP_STR_ARG(uri), status->code, TP_STR_ARG(status->text),
           TP_STR_ARG(answer));
    tp_reply_free(&reply);
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:9090";
    struct tp_peer_options options = TP_PEER_OPTIONS;
    struct burst burst = { 0, 0 };
    struct tp_session *session;
    struct tp_peer *peer;
    int failed = EXIT_SUCCESS;

    options.redials_never = true;
    if (tp_peer_create(&options, &peer) != TP_OK) {
        return EXIT_FAILURE;
    }
    if (tp_peer_on_push(peer, "/push/test", on_push, NULL) != TP_OK
        || tp_peer_dial(peer, address, NULL, &session) != TP_OK) {
        fprintf(stderr, "%s\n", tp_peer_last_error(peer));
        tp_peer_destroy(&peer);
        return EXIT_FAILURE;
    }
    failed |= ask(peer, session, TP_STR("/group/home/test"), TP_STR("{\"name\":\"teleport\"}"));
    failed |= ask(peer, session, TP_STR("/unknown"), TP_STR(""));

    for (unsigned i = 0; i < BURST; i++) {
        if (tp_session_pull_async(session, TP_STR("/group/home/test"), TP_STR("[1,2,3]"), NULL,
                                  on_reply, &burst)
            != TP_OK) {
            failed = EXIT_FAILURE;
            break;
        }
    }
    while (burst.answered < BURST && failed == EXIT_SUCCESS) {
        tp_peer_turn(peer, -1);
    }
    printf("burst: %u of %u answered well\n", burst.good, (unsigned) BURST);
    tp_peer_destroy(&peer);
    return failed;
}
