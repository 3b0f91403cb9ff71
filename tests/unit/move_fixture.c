/*
 * move_fixture.c - processes that sessions move between; see the header.
 */
#include "move_fixture.h"

#include "base/str.h"
#include "cycle/built.h"
#include "os/socket.h"

#include <stdlib.h>
#include <string.h>

enum {
    PART_BYTES = 32 * 1024,
};

static const struct tp_source *place_find_source(void *owner, const char *name);
static void other_run(struct child *self, void *argument);
static bool other_take(struct tp_test_other *other, struct tp_test_place *place);

void
tp__test_place_open(struct tp_test_place *place, const struct tp_test_route *routes)
{
    const struct tp_module_list modules = { tp__built_modules, tp__built_module_count };

    tp__test_bench_open(&place->bench);
    tp__test_site_open(&place->site, &place->bench, routes);
    ck_assert_int_eq(TP_OK, tp__sessions_use_modules(&place->bench.sessions, &modules));
    place->site.source.socket_options.send_buffer_bytes = TP_TEST_SEND_BUFFER;
    place->receiver = (struct tp_session_receiver){ place_find_source, place, &place->bench.log };
}

void
tp__test_place_close(struct tp_test_place *place)
{
    tp__test_bench_close(&place->bench);
    tp__test_site_close(&place->site);
}

bool
tp__test_place_speak(struct tp_test_place *place, const char *protocol)
{
    const struct tp_protocol_use **spoken = &place->site.source.protocol;

    *spoken =
        protocol == NULL ? NULL : tp__server_find_protocol(&place->site.server, tp__str(protocol));
    return protocol == NULL || *spoken != NULL;
}

void
tp__test_other_start(struct tp_test_other *other, const struct tp_test_route *routes,
                     const char *protocol)
{
    int pair[2];

    ck_assert_int_eq(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    *other = (struct tp_test_other){
        .channel = pair[0],
        .theirs = pair[1],
        .routes = routes,
        .protocol = protocol,
    };
    child_start(&other->child, other_run, other);
    close(other->theirs);
}

void
tp__test_other_join(struct tp_test_other *other)
{
    close(other->channel);
    child_join(&other->child);
}

void
tp__test_session_move(struct tp_test_place *place, struct tp_test_client *client,
                      struct tp_test_other *other)
{
    struct tp_chain saved = { 0 };

    ck_assert_int_eq(TP_OK, tp__session_save(client->session, &saved));
    uint64_t len = saved.len;
    uint8_t *bytes = malloc(saved.len);

    tp_chain_copy(&saved, 0, saved.len, bytes);
    tp_chain_clear(&saved);
    ck_assert_int_eq(TP_OK, tp__socket_send_message(other->channel, &len, sizeof(len),
                                                    tp__session_fd(client->session)));
    for (size_t at = 0; at < len; at += PART_BYTES) {
        size_t part = len - at < PART_BYTES ? (size_t) len - at : PART_BYTES;

        ck_assert_int_eq(TP_OK, tp__socket_send_message(other->channel, bytes + at, part, -1));
    }
    free(bytes);
    tp__session_close(&client->session, TP_CLOSE_MOVED);
    ck_assert(tp__test_bench_has_logged(&place->bench, "reason=moved"));
    ck_assert_int_eq('r', child_hear(&other->child));
}

static const struct tp_source *
place_find_source(void *owner, const char *name)
{
    struct tp_test_place *place = owner;

    return strcmp(name, place->site.source.name) == 0 ? &place->site.source : NULL;
}

/* Takes sessions in, and serves them until they have ended. */
static void
other_run(struct child *self, void *argument)
{
    struct tp_test_other *other = argument;
    struct tp_test_place place;
    bool is_open = true;

    other->child = *self;
    close(other->channel);
    tp__test_place_open(&place, other->routes);
    TP_ASSERT(tp__test_place_speak(&place, other->protocol));
    while (is_open || place.bench.sessions.count > 0) {
        if (is_open && (place.bench.sessions.count == 0 || tp__socket_has_input(other->theirs))) {
            is_open = other_take(other, &place);
        }
        tp__loop_turn(place.bench.loop, place.bench.sessions.count > 0 ? 1 : 0);
    }
    tp__test_place_close(&place);
}

/* Receives one session, waiting for it; false when no more will come. */
static bool
other_take(struct tp_test_other *other, struct tp_test_place *place)
{
    uint64_t len = 0;
    size_t got = 0;
    int fd = -1;
    int none;

    if (tp__socket_receive_message(other->theirs, &len, sizeof(len), &got, &fd) != TP_OK) {
        return false;
    }
    TP_ASSERT(got == sizeof(len) && fd != -1);
    char *saved = malloc((size_t) len);
    size_t at = 0;

    while (at < len) {
        TP_ASSERT(
            tp__socket_receive_message(other->theirs, saved + at, (size_t) len - at, &got, &none)
            == TP_OK);
        at += got;
    }
    enum tp_result result = tp__session_restore(&place->bench.sessions, &place->receiver, fd,
                                                (struct tp_str){ saved, (size_t) len });

    free(saved);
    TP_ASSERT(result == TP_OK);
    child_say(&other->child, 'r');
    return true;
}
