/*
 * server.c - answers PULLs, pushes to who asks, and says what it does not know.
 *
 *     cc server.c $(pkg-config --cflags --libs teleport) -o server
 *     ./server 9090
 */
#include <teleport/teleport.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* What the program keeps of itself: handlers get it as their owner. */
struct counter {
    unsigned pulls;
};

/* PULL /group/home/test: tells the caller something, then answers with its own body. */
static void
on_test(struct tp_exchange *exchange, void *owner)
{
    struct counter *counter = owner;
    struct tp_session *session = tp_exchange_session(exchange);
    enum tp_result result = tp_session_push(session, TP_STR("/push/test?tag=from home-test"),
                                            TP_STR("{\"hello\":\"you\"}"), NULL);

    counter->pulls++;
    if (result != TP_OK) {
        fprintf(stderr, "cannot push: %s\n", tp_result_sentence(result));
    }
    tp_exchange_echo(exchange);
}

/* PULL of anything else. */
static void
on_unknown(struct tp_exchange *exchange, void *owner)
{
    struct tp_str path = tp_exchange_path(exchange);
    struct tp_status status = tp_status_of(TP_STATUS_NOT_FOUND);

    (void) owner;
    printf("nobody answers %.*s\n", TP_STR_ARG(path));
    fflush(stdout);
    status.text = TP_STR("No such thing here");
    tp_exchange_refuse(exchange, &status);
}

/* From a signal nothing may be done but to write this; the timer below looks at it. */
static volatile sig_atomic_t must_stop;

static void
on_signal(int number)
{
    (void) number;
    must_stop = 1;
}

static void
look_for_signals(struct tp_peer *peer, void *owner)
{
    uint64_t timer;

    if (must_stop
        || tp_peer_start_timer(peer, (struct tp_msec){ 100 }, look_for_signals, owner, &timer)
               != TP_OK) {
        tp_peer_stop(peer);
    }
}

int
main(int argc, char **argv)
{
    struct tp_peer_options options = TP_PEER_OPTIONS;
    struct counter counter = { 0 };
    struct tp_group *group;
    struct tp_peer *peer;
    uint16_t port;

    if (tp_peer_create(&options, &peer) != TP_OK) {
        return EXIT_FAILURE;
    }
    if (tp_peer_group(peer, NULL, "/group", NULL, NULL, &group) != TP_OK
        || tp_group_on_pull(group, "/home/test", on_test, &counter) != TP_OK
        || tp_peer_on_pull(peer, "*", on_unknown, NULL) != TP_OK
        || tp_peer_listen(peer, argc > 1 ? argv[1] : "9090", &port) != TP_OK) {
        fprintf(stderr, "%s\n", tp_peer_last_error(peer));
        tp_peer_destroy(&peer);
        return EXIT_FAILURE;
    }
    printf("listening on port %u\n", port);
    fflush(stdout);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    look_for_signals(peer, NULL);
    tp_peer_run(peer);
    printf("answered %u times\n", counter.pulls);
    tp_peer_destroy(&peer);
    return EXIT_SUCCESS;
}
