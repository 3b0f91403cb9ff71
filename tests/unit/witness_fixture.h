/*
 * witness_fixture.h - sessions whose hooks are witnesses.
 *
 * Witnesses stand at all points of a server and of its routes, write down what they see, and
 * say what the test wants them to.
 */
#ifndef TP_TESTS_UNIT_WITNESS_FIXTURE_H
#define TP_TESTS_UNIT_WITNESS_FIXTURE_H

#include "server/hooks.h"
#include "session/session_save.h"

#include "session_fixture.h"

enum {
    TP_TEST_SEEN_MAX = 8192,
    TP_TEST_HOOKED_TIMEOUT_MS = 30,
};

/* What a witness refuses with. */
#define TP_TEST_REFUSED                                                                            \
    (struct tp_status)                                                                             \
    {                                                                                              \
        1001, TP_STR("not so"), TP_STR("")                                                         \
    }

struct tp_test_hooked {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_test_client client;
    struct tp_test_stream sent;
    struct tp_test_stream wanted;
    struct tp_hook_set *server_hooks;
    struct tp_hook_set *route_hooks;
    char seen[TP_TEST_SEEN_MAX]; /* "a:post_accept b:post_accept …" */
    size_t seen_len;
};

/* What stands at all points; a verdict counts once, where `uri` begins that of the exchange. */
struct tp_test_witness {
    struct tp_test_hooked *fixture;
    const char *name;
    bool is_silent;
    bool is_wordless; /* it refuses, but does not say why */
    enum tp_verdict says[TP_HOOK_POINT_COUNT];
    bool says_always; /* …or each time */
    const char *uri;
    const char *sets_uri;
    enum tp_result set_uri_result;
    bool answers;
    bool pushes_early;
    bool expects;
    struct tp_exchange *postponed;
    struct tp_session *session;
    char text[64];
    char reply[64];
};

/* What a PULL of ours has come to. */
struct tp_test_answer {
    unsigned count;
    int32_t code;
    char body[64];
};

/* A server with the routes /echo, /other, /keep, /o (ordered) and, for PUSHes, /push. */
void tp__test_hooked_open(struct tp_test_hooked *fixture);
void tp__test_hooked_connect(struct tp_test_hooked *fixture);
void tp__test_hooked_close(struct tp_test_hooked *fixture);

/* As a peer of the library does it: on the server, and on all routes. */
void tp__test_witness_stand(struct tp_test_witness *witness, struct tp_test_hooked *fixture,
                            const char *name, bool on_routes);
enum tp_verdict tp__test_witness_hook(struct tp_hook_call *call, const void *conf);

/* For tp_session_expect(): answers "welcome"; `owner` is the witness. */
void tp__test_answer_expected(struct tp_exchange *exchange, void *owner);

/* What has been seen since the last time is this. */
void tp__test_hooked_expect_seen(struct tp_test_hooked *fixture, const char *wanted);

/* Sends what is in `sent`, and only once. */
void tp__test_hooked_send(struct tp_test_hooked *fixture);

/* The client has received what is `wanted`, and no more. */
void tp__test_hooked_expect(struct tp_test_hooked *fixture);

/* A PULL with "body"; a PUSH to /push; the other end's REPLY to our first PULL. */
void tp__test_hooked_pull(struct tp_test_hooked *fixture, unsigned seq, const char *uri);
void tp__test_hooked_push(struct tp_test_hooked *fixture);
void tp__test_hooked_reply(struct tp_test_hooked *fixture);

void tp__test_hooked_want_echo(struct tp_test_hooked *fixture, unsigned seq, const char *uri);
void tp__test_hooked_want_status(struct tp_test_hooked *fixture, unsigned seq, const char *uri,
                                 struct tp_status status);

/* A PULL of ours to /ask. */
enum tp_result tp__test_hooked_ask(struct tp_test_hooked *fixture,
                                   const struct tp_send_options *options,
                                   struct tp_test_answer *answer);

/* How much the client has received, after some turns. */
size_t tp__test_hooked_received(struct tp_test_hooked *fixture);
bool tp__test_hooked_has_logged(const struct tp_test_hooked *fixture, const char *text);

/* Takes in sessions of the same server. */
struct tp_session_receiver tp__test_hooked_receiver(struct tp_test_hooked *fixture);

/*
 * The session goes on in the same process, as it would in another.  The old record ends, as where
 * it is moved from; what its hooks had (`postponed`, or NULL), they let go of there.
 */
void tp__test_hooked_move(struct tp_test_hooked *fixture, struct tp_exchange *postponed);

#endif
