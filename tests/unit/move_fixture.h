/*
 * move_fixture.h - processes that sessions move between: a place to be in, another process
 * that takes sessions in and serves them, and the move itself.
 *
 * The other process takes sessions in through a pair of sequenced packets, as another worker
 * would: the descriptor with the length of what was saved, and then that in parts.
 */
#ifndef TP_TESTS_UNIT_MOVE_FIXTURE_H
#define TP_TESTS_UNIT_MOVE_FIXTURE_H

#include "session/session_save.h"

#include "children.h"
#include "session_fixture.h"

enum {
    TP_TEST_SEND_BUFFER = 4096, /* of a session: who does not read soon holds it up */
};

/* What both processes have. */
struct tp_test_place {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_session_receiver receiver;
};

/* A process that takes sessions in. */
struct tp_test_other {
    struct child child;
    int channel; /* ours */
    int theirs;
    const struct tp_test_route *routes;
    const char *protocol;
};

/* With all filters that are built. */
void tp__test_place_open(struct tp_test_place *place, const struct tp_test_route *routes);
void tp__test_place_close(struct tp_test_place *place);

/* The protocol of its sessions, NULL to guess it; false: it is not built. */
bool tp__test_place_speak(struct tp_test_place *place, const char *protocol);

/* Starts a process with such a place; `protocol` as above. */
void tp__test_other_start(struct tp_test_other *other, const struct tp_test_route *routes,
                          const char *protocol);

/* Waits until its sessions have ended, and then for itself. */
void tp__test_other_join(struct tp_test_other *other);

/* Moves the client's session there; it is gone here. */
void tp__test_session_move(struct tp_test_place *place, struct tp_test_client *client,
                           struct tp_test_other *other);

#endif
