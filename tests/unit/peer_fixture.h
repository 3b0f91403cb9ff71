/*
 * peer_fixture.h - two peers of the library in one thread, of which one listens and the other
 * has dialed it, and replies as tests look at them.
 */
#ifndef TP_TESTS_UNIT_PEER_FIXTURE_H
#define TP_TESTS_UNIT_PEER_FIXTURE_H

#include <teleport/teleport.h>

enum {
    TP_TEST_ADDRESS_MAX = 64,
    TP_TEST_BODY_MAX = 256,
};

struct tp_test_peers {
    struct tp_peer *server;
    struct tp_peer *client;
    struct tp_session *session; /* the client's */
    char address[TP_TEST_ADDRESS_MAX];
};

/* A reply, or that there is none yet. */
struct tp_test_reply {
    unsigned count;
    int32_t code;
    char body[TP_TEST_BODY_MAX];
    size_t body_len;
};

/* Options that log nothing. */
struct tp_peer_options tp__test_quiet_options(void);

/* Makes both, quiet, listens on a port that the system chooses, and dials; NULL: the presets. */
void tp__test_peers_open(struct tp_test_peers *peers, const struct tp_peer_options *options);
void tp__test_peers_close(struct tp_test_peers *peers);

/* A turn of each. */
void tp__test_peers_turn(const struct tp_test_peers *peers);

/* Turns until *count has reached `wanted`. */
void tp__test_peers_turn_until(const struct tp_test_peers *peers, const unsigned *count,
                               unsigned wanted);

/* The server's session of the client, once it is there. */
struct tp_session *tp__test_peers_accepted(const struct tp_test_peers *peers);

/* A tp_reply_fn: `owner` is a struct tp_test_reply. */
void tp__test_on_reply(const struct tp_reply *reply, void *owner);

/* Pulls with a literal body and turns until there is an answer, whose code is returned. */
int32_t tp__test_pull(const struct tp_test_peers *peers, struct tp_session *session,
                      const char *uri, struct tp_test_reply *reply);

/* Handlers: echoes; and counts in the unsigned that is its owner. */
void tp__test_echo(struct tp_exchange *exchange, void *owner);
void tp__test_count(struct tp_exchange *exchange, void *owner);

#endif
