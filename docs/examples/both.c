/*
 * both.c - a peer that listens and dials: which end has dialed makes no difference to who asks.
 *
 *     cc both.c $(pkg-config --cflags --libs teleport) -o both
 *     ./both left 9090
 *     ./both right 9091 127.0.0.1:9090
 *
 * "right" says hello to "left"; before "left" answers it asks back for the name of who that is.
 */
#include <teleport/teleport.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tp_str
text_of(const char *text)
{
    return (struct tp_str){ text, strlen(text) };
}

/* PULL /name: who are you? */
static void
on_name(struct tp_exchange *exchange, void *owner)
{
    tp_exchange_reply_copy(exchange, text_of(owner), TP_CODEC_PLAIN);
}

/* The name has come, or will not: now the exchange that was kept can be answered. */
static void
on_name_reply(const struct tp_reply *reply, void *owner)
{
    struct tp_exchange *exchange = owner;
    char greeting[128];

    if (tp_reply_status(reply)->code != TP_STATUS_OK) {
        tp_exchange_refuse(exchange, tp_reply_status(reply));
        return;
    }
    snprintf(greeting, sizeof(greeting), "hello %.*s", TP_STR_ARG(tp_reply_body(reply)));
    tp_exchange_reply_copy(exchange, text_of(greeting), TP_CODEC_PLAIN);
}

/* PULL /hello: asks back, and answers later. */
static void
on_hello(struct tp_exchange *exchange, void *owner)
{
    (void) owner;
    if (tp_session_pull_async(tp_exchange_session(exchange), TP_STR("/name"), TP_STR(""), NULL,
                              on_name_reply, exchange)
        != TP_OK) {
        struct tp_status status = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);

        tp_exchange_refuse(exchange, &status);
        return;
    }
    tp_exchange_keep(exchange);
}

static void
on_drained(struct tp_peer *peer, void *owner)
{
    (void) owner;
    tp_peer_stop(peer);
}

/* PUSH /bye: finishes what is in flight, and ends. */
static void
on_bye(struct tp_exchange *exchange, void *owner)
{
    (void) exchange;
    tp_peer_drain(owner, on_drained, NULL);
}

static int
say_hello(struct tp_peer *peer, const char *address)
{
    const struct tp_msec patience = { 5000 };
    struct tp_session *session;
    struct tp_reply *reply;
    int code;

    if (tp_peer_dial(peer, address, NULL, &session) != TP_OK
        || tp_session_pull(session, TP_STR("/hello"), TP_STR(""), NULL, &reply) != TP_OK) {
        fprintf(stderr, "%s\n", tp_peer_last_error(peer));
        return EXIT_FAILURE;
    }
    code = tp_reply_status(reply)->code;
    printf("%d %.*s\n", code, TP_STR_ARG(tp_reply_body(reply)));
    tp_reply_free(&reply);

    /* A PUSH has no answer: before the session may end it must have left. */
    if (tp_session_push(session, TP_STR("/bye"), TP_STR(""), NULL) != TP_OK
        || tp_session_flush(session, patience) != TP_OK) {
        return EXIT_FAILURE;
    }
    return code == TP_STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    struct tp_peer_options options = TP_PEER_OPTIONS;
    struct tp_peer *peer;
    uint16_t port;
    int result = EXIT_SUCCESS;

    if (argc < 3) {
        fprintf(stderr, "usage: both NAME LISTEN [DIAL]\n");
        return EXIT_FAILURE;
    }
    if (tp_peer_create(&options, &peer) != TP_OK) {
        return EXIT_FAILURE;
    }
    if (tp_peer_on_pull(peer, "/name", on_name, argv[1]) != TP_OK
        || tp_peer_on_pull(peer, "/hello", on_hello, NULL) != TP_OK
        || tp_peer_on_push(peer, "/bye", on_bye, peer) != TP_OK
        || tp_peer_listen(peer, argv[2], &port) != TP_OK) {
        fprintf(stderr, "%s\n", tp_peer_last_error(peer));
        tp_peer_destroy(&peer);
        return EXIT_FAILURE;
    }
    printf("listening on port %u\n", port);
    fflush(stdout);
    if (argc > 3) {
        result = say_hello(peer, argv[3]);
    } else {
        tp_peer_run(peer);
    }
    tp_peer_destroy(&peer);
    return result;
}
