/*
 * save.c - tests of session/session_save: a session stops anywhere and goes on in another
 * process, and the other end of its connection cannot tell.
 *
 * All of this in Teleport 2.5; session/move.c has the other protocols.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/str.h"

#include "move_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    BIG = 30000,
    CORRUPTIONS = 4000,
};

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/hold", .handler = "hold", .delay_ms = 60 },
    { .type = TP_PACKET_PULL, .uri = "/long", .handler = "hold", .delay_ms = 3600000 },
    { .type = TP_PACKET_PULL, .uri = "/count", .handler = "count", .delay_ms = 30 },
    { .type = TP_PACKET_PULL, .uri = "/o", .handler = "hold", .delay_ms = 60, .is_ordered = true },
    { .type = TP_PACKET_PUSH, .uri = "/push", .handler = "hold", .delay_ms = 40 },
    { 0 },
};

/* The same uris in a configuration that has changed. */
static const struct tp_test_route other_routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/hold", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/o", .handler = "echo" },
    { 0 },
};

static struct tp_str
big_body(char letter)
{
    static char bytes[26][BIG];

    memset(bytes[letter - 'a'], letter, BIG);
    return (struct tp_str){ bytes[letter - 'a'], BIG };
}

/*
 * The other end reads nothing at first, so that replies wait; then the packet that the move
 * cuts comes, and a last one.
 */
struct script {
    struct tp_test_stream before;
    struct tp_test_stream cut;
    struct tp_test_stream wanted;
};

static void
script_write(struct script *script)
{
    memset(script, 0, sizeof(*script));
    tp__test_stream_add_pull(&script->before, 1, "/echo", big_body('a'));
    tp__test_stream_add_pull(&script->before, 2, "/echo", big_body('b'));
    tp__test_stream_add_pull(&script->cut, 3, "/echo?x=1", TP_STR("the packet that is cut"));
    tp__test_stream_add_echo(&script->wanted, 1, "/echo", big_body('a'));
    tp__test_stream_add_echo(&script->wanted, 2, "/echo", big_body('b'));
    tp__test_stream_add_echo(&script->wanted, 3, "/echo?x=1", TP_STR("the packet that is cut"));
}

static void
script_clear(struct script *script)
{
    tp__test_stream_clear(&script->before);
    tp__test_stream_clear(&script->cut);
    tp__test_stream_clear(&script->wanted);
}

/* Sends all but what is behind `split` of the cut packet; the session has dealt with it. */
static void
script_begin(const struct script *script, struct tp_test_place *place,
             struct tp_test_client *client, size_t split)
{
    struct tp_test_stream first = { script->cut.data, split };

    tp__test_client_open(client, &place->bench, &place->site);
    for (size_t sent = 0; sent < script->before.len;) {
        sent +=
            tp__test_client_try_send(client, script->before.data + sent, script->before.len - sent);
        tp__test_bench_turn(&place->bench, 1);
    }
    tp__test_client_send(client, &place->bench, &first);
    tp__test_bench_turn(&place->bench, 5);
    ck_assert_uint_gt(client->session->unsent.len + client->session->queued_bytes, 0);
    ck_assert_uint_eq(split == script->cut.len ? 0 : split, client->session->input.len);
}

START_TEST(a_session_goes_on_at_every_split_of_a_packet)
{
    struct script script;
    struct tp_test_place place;
    struct tp_test_other other;

    script_write(&script);
    tp__test_other_start(&other, routes, "teleport");
    tp__test_place_open(&place, routes);
    for (size_t split = 0; split <= script.cut.len; split++) {
        struct tp_test_client client;
        struct tp_test_stream rest = { script.cut.data + split, script.cut.len - split };

        script_begin(&script, &place, &client, split);
        tp__test_session_move(&place, &client, &other);
        tp__test_client_send(&client, NULL, &rest);
        tp__test_client_expect(&client, NULL, &script.wanted);
        tp__test_client_close(&client);
    }
    ck_assert_uint_eq(0, place.bench.sessions.count);
    tp__test_other_join(&other);
    tp__test_place_close(&place);
    script_clear(&script);
}
END_TEST

/* What the moved ones are held against. */
static void
count_release(void *owner, struct tp_session *session, struct tp_str id)
{
    (void) session;
    (void) id;
    ++*(int *) owner;
}

static void
ignore_event(void *owner)
{
    (void) owner;
}

static void
ignore_bytes(void *owner, size_t count)
{
    (void) owner;
    (void) count;
}

START_TEST(an_id_and_what_is_counted_move_along)
{
    struct tp_test_stream stream = { 0 };
    struct tp_test_client client;
    struct tp_chain saved = { 0 };
    struct tp_session_row row;
    struct tp_slice flat;
    struct tp_test_place here;
    struct tp_test_place there;
    int released_count = 0;

    tp__test_place_open(&here, routes);
    tp__test_place_open(&there, routes);
    here.bench.sessions.callbacks = (struct tp_sessions_callbacks){
        .on_count_changed = ignore_event,
        .on_bytes = ignore_bytes,
        .release_id = count_release,
        .owner = &released_count,
    };
    tp__test_client_open(&client, &here.bench, &here.site);
    tp__test_stream_add_pull(&stream, 1, "/echo", TP_STR("counted"));
    tp__test_client_send(&client, &here.bench, &stream);
    tp__test_bench_turn(&here.bench, 3);
    ck_assert_int_eq(TP_OK, tp_session_set_id(client.session, TP_STR("lamp")));
    ck_assert_int_eq(TP_OK,
                     tp_session_set_variable(client.session, TP_STR("role"), TP_STR("light")));
    ck_assert_int_eq(TP_OK, tp_session_set_variable(client.session, TP_STR("room"), TP_STR("7")));
    ck_assert_int_eq(
        TP_OK, tp_session_set_timeout(client.session, TP_TIMEOUT_READ, (struct tp_msec){ 12345 }));

    ck_assert_int_eq(TP_OK, tp__session_save(client.session, &saved));
    ck_assert_int_eq(TP_OK, tp_chain_flatten(&saved, &here.bench.sessions.pool, &flat));
    ck_assert_int_eq(TP_OK,
                     tp__session_restore(&there.bench.sessions, &there.receiver,
                                         fcntl(tp__session_fd(client.session), F_DUPFD_CLOEXEC, 0),
                                         (struct tp_str){ (const char *) flat.data, flat.len }));
    tp_chain_clear(&saved);
    tp__session_close(&client.session, TP_CLOSE_MOVED);
    /* It has its id still, there: here nobody may give it back. */
    ck_assert_int_eq(0, released_count);

    struct tp_session *moved = tp__sessions_find_id(&there.bench.sessions, TP_STR("lamp"));

    ck_assert_ptr_nonnull(moved);
    tp__session_describe(moved, &row);
    ck_assert_uint_eq(1, row.packets_received);
    ck_assert_uint_eq(1, row.packets_sent);
    ck_assert(tp__str_equal(TP_STR("light"), tp_session_get_variable(moved, TP_STR("role"))));
    ck_assert(tp__str_equal(TP_STR("7"), tp_session_get_variable(moved, TP_STR("room"))));
    ck_assert_int_eq(12345, tp__session_timeout(moved, TP_TIMEOUT_READ).ms);
    tp__test_client_close(&client);
    tp__test_stream_clear(&stream);
    tp__test_place_close(&there);
    tp__test_place_close(&here);
}
END_TEST

START_TEST(an_unmoved_session_gives_the_same_bytes)
{
    struct tp_test_client client;
    struct script script;
    struct tp_test_place place;

    script_write(&script);
    tp__test_place_open(&place, routes);
    script_begin(&script, &place, &client, script.cut.len);
    tp__test_client_expect(&client, &place.bench, &script.wanted);
    tp__test_client_close(&client);
    tp__test_place_close(&place);
    script_clear(&script);
}
END_TEST

/* A session with a client that has sent these, moved at once to a process with `there`. */
struct moved {
    struct tp_test_place place;
    struct tp_test_other other;
    struct tp_test_client client;
    struct tp_test_stream sent;
    struct tp_test_stream wanted;
};

static void
moved_begin(struct moved *moved, const struct tp_test_route *there)
{
    memset(moved, 0, sizeof(*moved));
    tp__test_other_start(&moved->other, there, "teleport");
    tp__test_place_open(&moved->place, routes);
    tp__test_client_open(&moved->client, &moved->place.bench, &moved->place.site);
}

static void
moved_send(struct moved *moved)
{
    tp__test_client_send(&moved->client, &moved->place.bench, &moved->sent);
    tp__test_bench_turn(&moved->place.bench, 3);
}

static void
moved_end(struct moved *moved)
{
    tp__test_client_close(&moved->client);
    tp__test_other_join(&moved->other);
    tp__test_place_close(&moved->place);
    tp__test_stream_clear(&moved->sent);
    tp__test_stream_clear(&moved->wanted);
}

START_TEST(a_held_exchange_is_answered_there_when_it_is_due)
{
    struct moved moved;
    int64_t begun_ms = tp__clock_monotonic_ms();

    moved_begin(&moved, routes);
    tp__test_stream_add_pull(&moved.sent, 1, "/hold?q", TP_STR("held"));
    tp__test_stream_add_push(&moved.sent, 2, "/push", TP_STR("told"));
    tp__test_stream_add_pull(&moved.sent, 3, "/hold", (struct tp_str){ 0 });
    moved_send(&moved);
    ck_assert_uint_eq(3, moved.client.session->exchange_count);
    tp__test_session_move(&moved.place, &moved.client, &moved.other);
    tp__test_stream_add_echo(&moved.wanted, 1, "/hold?q", TP_STR("held"));
    tp__test_stream_add_echo(&moved.wanted, 3, "/hold", (struct tp_str){ 0 });
    tp__test_client_expect(&moved.client, NULL, &moved.wanted);
    ck_assert_int_ge(tp__clock_monotonic_ms() - begun_ms, 59);
    moved_end(&moved);
}
END_TEST

START_TEST(the_state_of_a_handler_moves_along)
{
    struct moved moved;

    moved_begin(&moved, routes);
    tp__test_stream_add_pull(&moved.sent, 1, "/count", TP_STR("x"));
    moved_send(&moved);
    tp__test_session_move(&moved.place, &moved.client, &moved.other);
    tp__test_stream_add_echo(&moved.wanted, 1, "/count", TP_STR("3"));
    tp__test_client_expect(&moved.client, NULL, &moved.wanted);
    moved_end(&moved);
}
END_TEST

/* The second reply is ready before the first, and moves so. */
static void
moved_begin_ordered(struct moved *moved, const struct tp_test_route *there)
{
    moved_begin(moved, there);
    tp__test_stream_add_pull(&moved->sent, 1, "/o", TP_STR("first"));
    tp__test_stream_add_pull(&moved->sent, 2, "/o", TP_STR("second"));
    moved_send(moved);

    struct tp_list_node *second = moved->client.session->exchanges.previous;

    ck_assert_int_eq(TP_OK, tp_exchange_echo(TP_CONTAINER_OF(second, struct tp_exchange, node)));
    tp__test_session_move(&moved->place, &moved->client, &moved->other);
}

START_TEST(replies_that_wait_for_their_turn_keep_it)
{
    struct moved moved;

    moved_begin_ordered(&moved, routes);
    tp__test_stream_add_echo(&moved.wanted, 1, "/o", TP_STR("first"));
    tp__test_stream_add_echo(&moved.wanted, 2, "/o", TP_STR("second"));
    tp__test_client_expect(&moved.client, NULL, &moved.wanted);
    moved_end(&moved);
}
END_TEST

START_TEST(where_the_handler_is_another_the_answer_is_503)
{
    struct tp_status status = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
    struct moved moved;

    moved_begin_ordered(&moved, other_routes);
    tp__test_stream_add_reply(&moved.wanted, 1, "/o", status, (struct tp_str){ 0 });
    tp__test_stream_add_echo(&moved.wanted, 2, "/o", TP_STR("second"));
    tp__test_client_expect(&moved.client, NULL, &moved.wanted);
    moved_end(&moved);
}
END_TEST

START_TEST(where_the_route_is_gone_the_answer_is_503)
{
    struct tp_status status = tp_status_of(TP_STATUS_SERVICE_UNAVAILABLE);
    struct moved moved;

    moved_begin(&moved, other_routes);
    tp__test_stream_add_pull(&moved.sent, 1, "/long", TP_STR("x"));
    tp__test_stream_add_pull(&moved.sent, 2, "/count", TP_STR("x"));
    moved_send(&moved);
    tp__test_session_move(&moved.place, &moved.client, &moved.other);
    tp__test_stream_add_reply(&moved.wanted, 1, "/long", status, (struct tp_str){ 0 });
    tp__test_stream_add_reply(&moved.wanted, 2, "/count", status, (struct tp_str){ 0 });
    tp__test_client_expect(&moved.client, NULL, &moved.wanted);
    moved_end(&moved);
}
END_TEST

START_TEST(a_session_that_was_ending_ends_there)
{
    struct moved moved;

    moved_begin(&moved, routes);
    tp__test_stream_add_pull(&moved.sent, 1, "/hold", TP_STR("held"));
    moved_send(&moved);
    tp__test_client_finish(&moved.client);
    tp__test_bench_turn(&moved.place.bench, 3);
    ck_assert(moved.client.session->is_ending);
    tp__test_session_move(&moved.place, &moved.client, &moved.other);
    tp__test_stream_add_echo(&moved.wanted, 1, "/hold", TP_STR("held"));
    tp__test_client_expect(&moved.client, NULL, &moved.wanted);
    tp__test_client_expect_end(&moved.client, NULL);
    moved_end(&moved);
}
END_TEST

/* A session that has something of everything, as bytes. */
struct specimen {
    struct tp_test_place place;
    struct tp_test_client client;
    uint8_t *bytes;
    size_t len;
};

static void
specimen_make(struct specimen *specimen)
{
    struct tp_test_stream stream = { 0 };
    struct tp_chain saved = { 0 };
    struct tp_test_client *client = &specimen->client;

    memset(specimen, 0, sizeof(*specimen));
    tp__test_place_open(&specimen->place, routes);
    tp__test_client_open(client, &specimen->place.bench, &specimen->place.site);
    tp__test_stream_add_pull(&stream, 1, "/long?a=b", TP_STR("held"));
    tp__test_stream_add_pull(&stream, 2, "/count", TP_STR("counted"));
    tp__test_stream_add_pull(&stream, 3, "/o", TP_STR("first"));
    tp__test_stream_add_pull(&stream, 4, "/o", TP_STR("second"));
    tp__test_stream_add_push(&stream, 5, "/push", TP_STR("told"));
    tp__test_stream_add(&stream, "\0\0\0\x10j{", 6);
    tp__test_client_send(client, &specimen->place.bench, &stream);
    tp__test_bench_turn(&specimen->place.bench, 3);
    TP_LIST_EACH (node, &client->session->exchanges) {
        struct tp_exchange *exchange = TP_CONTAINER_OF(node, struct tp_exchange, node);

        if (exchange->request.seq == 4) {
            ck_assert_int_eq(TP_OK, tp_exchange_echo(exchange));
        }
    }
    ck_assert_int_eq(TP_OK,
                     tp_chain_append_copy(&client->session->unsent,
                                          &specimen->place.bench.sessions.pool, TP_STR("unsent")));
    ck_assert_int_eq(TP_OK, tp__session_save(client->session, &saved));
    specimen->len = saved.len;
    specimen->bytes = malloc(saved.len);
    tp_chain_copy(&saved, 0, saved.len, specimen->bytes);
    tp_chain_clear(&saved);
    tp__test_stream_clear(&stream);
    tp__session_close(&client->session, TP_CLOSE_MOVED);
}

static void
specimen_free(struct specimen *specimen)
{
    free(specimen->bytes);
    tp__test_client_close(&specimen->client);
    tp__test_place_close(&specimen->place);
}

/* The result of restoring these bytes; a descriptor is given away with each try. */
static enum tp_result
specimen_restore(struct specimen *specimen, const void *bytes, size_t len)
{
    struct tp_test_place *place = &specimen->place;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uint8_t *exact = malloc(len > 0 ? len : 1); /* a sanitizer sees a read behind it */

    memcpy(exact, bytes, len);
    enum tp_result result = tp__session_restore(&place->bench.sessions, &place->receiver, fd,
                                                (struct tp_str){ (const char *) exact, len });

    free(exact);
    if (result != TP_OK) {
        ck_assert_int_eq(-1, fcntl(fd, F_GETFD));
        ck_assert_uint_eq(0, place->bench.sessions.count);
        ck_assert(tp__test_bench_has_logged(&place->bench, result == TP_NO_MEMORY
                                                               ? "reason=no-resources"
                                                               : "session-not-restored"));
    } else {
        tp__sessions_close_all(&place->bench.sessions, TP_CLOSE_SHUTDOWN);
    }
    return result;
}

/* Lets the hash at the end be right again. */
static void
specimen_sign(uint8_t *bytes, size_t len)
{
    uint64_t hash = tp__hash_extend_bytes(TP_HASH_NONE, bytes, len - 14);

    for (int i = 0; i < 8; i++) {
        bytes[len - 8 + (size_t) i] = (uint8_t) (hash >> 8 * (7 - i));
    }
}

START_TEST(what_was_saved_is_saved_again_alike)
{
    struct specimen specimen;
    struct tp_test_place *place = &specimen.place;
    struct tp_chain saved = { 0 };

    specimen_make(&specimen);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(
        TP_OK, tp__session_restore(&place->bench.sessions, &place->receiver, fd,
                                   (struct tp_str){ (const char *) specimen.bytes, specimen.len }));

    struct tp_session *session =
        TP_CONTAINER_OF(place->bench.sessions.members.next, struct tp_session, node);

    ck_assert_uint_eq(5, session->exchange_count);
    ck_assert_int_eq(TP_OK, tp__session_save(session, &saved));
    tp__test_chain_assert(&saved, specimen.bytes, specimen.len);
    tp_chain_clear(&saved);
    specimen_free(&specimen);
}
END_TEST

START_TEST(bytes_that_were_lost_or_changed_are_refused)
{
    struct specimen specimen;
    uint8_t *bytes;

    specimen_make(&specimen);
    bytes = malloc(specimen.len + 1);
    for (size_t len = 0; len < specimen.len; len++) {
        ck_assert_int_eq(TP_INVALID, specimen_restore(&specimen, specimen.bytes, len));
    }
    srand(1);
    for (int i = 0; i < CORRUPTIONS; i++) {
        memcpy(bytes, specimen.bytes, specimen.len);
        bytes[(size_t) rand() % specimen.len] ^= (uint8_t) (1 + rand() % 255);
        ck_assert_int_ne(TP_OK, specimen_restore(&specimen, bytes, specimen.len));
    }
    memcpy(bytes, specimen.bytes, specimen.len);
    bytes[specimen.len] = 0;
    ck_assert_int_eq(TP_INVALID, specimen_restore(&specimen, bytes, specimen.len + 1));
    ck_assert_int_eq(TP_OK, specimen_restore(&specimen, specimen.bytes, specimen.len));
    free(bytes);
    specimen_free(&specimen);
}
END_TEST

/* Here the hash is right, so that all that is behind it has to hold. */
START_TEST(nothing_that_is_signed_does_harm)
{
    struct specimen specimen;
    uint8_t *bytes;

    specimen_make(&specimen);
    bytes = malloc(specimen.len);
    srand(2);
    for (int i = 0; i < CORRUPTIONS; i++) {
        memcpy(bytes, specimen.bytes, specimen.len);
        for (int times = 1 + rand() % 3; times > 0; times--) {
            bytes[(size_t) rand() % specimen.len] = (uint8_t) rand();
        }
        specimen_sign(bytes, specimen.len);
        specimen_restore(&specimen, bytes, specimen.len);
    }
    free(bytes);
    specimen_free(&specimen);
}
END_TEST

/* Restores the specimen with a field of this tag put behind the session's opener. */
static enum tp_result
restore_with_field(struct specimen *specimen, unsigned tag, const char *value, size_t len)
{
    const size_t at = 6 + 6; /* head and opener */
    size_t total = specimen->len + 6 + len;
    uint8_t *bytes = malloc(total);
    const uint8_t head[] = { (uint8_t) (tag >> 8), (uint8_t) tag, 0, 0, 0, (uint8_t) len };

    memcpy(bytes, specimen->bytes, at);
    memcpy(bytes + at, head, sizeof(head));
    memcpy(bytes + at + 6, value, len);
    memcpy(bytes + at + 6 + len, specimen->bytes + at, specimen->len - at);
    specimen_sign(bytes, total);
    enum tp_result result = specimen_restore(specimen, bytes, total);

    free(bytes);
    return result;
}

START_TEST(unknown_fields_are_refused_unless_they_are_optional)
{
    struct specimen specimen;

    specimen_make(&specimen);
    ck_assert_int_eq(TP_OK, restore_with_field(&specimen, 0x8000 | 20, "later", 5));
    ck_assert_int_eq(TP_OK, restore_with_field(&specimen, 0xffff, "", 0));
    ck_assert_int_eq(TP_MISMATCH, restore_with_field(&specimen, 31, "later", 5));
    ck_assert_int_eq(TP_MISMATCH, restore_with_field(&specimen, 0x7fff, "", 0));
    ck_assert_int_eq(TP_MISMATCH, restore_with_field(&specimen, 64, "", 0));
    /* One that is there already, one of an exchange, one that ends too early. */
    ck_assert_int_eq(TP_INVALID, restore_with_field(&specimen, TP_SAVED_INPUT, "x", 1));
    ck_assert_int_eq(TP_INVALID, restore_with_field(&specimen, TP_SAVED_SEQ, "12345678", 8));
    ck_assert_int_eq(TP_INVALID, restore_with_field(&specimen, TP_SAVED_END, "12345678", 8));
    ck_assert_int_eq(TP_INVALID, restore_with_field(&specimen, TP_SAVED_END_REASON, "moved", 5));
    ck_assert_int_eq(TP_INVALID, restore_with_field(&specimen, TP_SAVED_SESSION, "", 0));
    specimen_free(&specimen);
}
END_TEST

START_TEST(another_version_or_protocol_or_listen_is_refused_by_name)
{
    struct specimen specimen;
    struct tp_test_place *place = &specimen.place;

    specimen_make(&specimen);
    specimen.bytes[5]++;
    specimen_sign(specimen.bytes, specimen.len);
    ck_assert_int_eq(TP_MISMATCH, specimen_restore(&specimen, specimen.bytes, specimen.len));
    specimen.bytes[5]--;
    specimen_sign(specimen.bytes, specimen.len);

    struct tp_protocol_use *use = place->site.protocols;

    while (strcmp(use->protocol->name, "teleport") != 0) {
        use++;
    }
    const struct tp_protocol *right = use->protocol;
    struct tp_protocol other = *right;

    other.name = "other";
    use->protocol = &other;
    ck_assert_int_eq(TP_MISMATCH, specimen_restore(&specimen, specimen.bytes, specimen.len));
    ck_assert(tp__test_bench_has_logged(&place->bench, "reason=not-restored"));
    use->protocol = right;
    place->site.source.name = "elsewhere";
    ck_assert_int_eq(TP_NOT_FOUND, specimen_restore(&specimen, specimen.bytes, specimen.len));
    ck_assert(tp__test_bench_has_logged(&place->bench, "reason=listen-removed"));
    specimen_free(&specimen);
}
END_TEST

START_TEST(without_memory_a_session_is_refused_whole)
{
    struct specimen specimen;
    struct tp_test_place *place = &specimen.place;
    struct tp_buf_pool *pool = &place->bench.sessions.pool;
    int refused = 0;

    specimen_make(&specimen);
    pool->bytes_limit = pool->bytes_in_use;
    while (specimen_restore(&specimen, specimen.bytes, specimen.len) == TP_NO_MEMORY) {
        pool->bytes_limit += 16;
        refused++;
    }
    ck_assert_int_gt(refused, 5);
    ck_assert(tp__test_bench_has_logged(&place->bench, "reason=no-resources"));
    specimen_free(&specimen);
}
END_TEST

Suite *
tp_suite_session_save(void)
{
    Suite *suite = suite_create("session/save");
    TCase *moves = tcase_create("moves");
    TCase *bytes = tcase_create("bytes");

    tcase_set_timeout(moves, 30);
    tcase_add_test(moves, a_session_goes_on_at_every_split_of_a_packet);
    tcase_add_test(moves, an_id_and_what_is_counted_move_along);
    tcase_add_test(moves, an_unmoved_session_gives_the_same_bytes);
    tcase_add_test(moves, a_held_exchange_is_answered_there_when_it_is_due);
    tcase_add_test(moves, the_state_of_a_handler_moves_along);
    tcase_add_test(moves, replies_that_wait_for_their_turn_keep_it);
    tcase_add_test(moves, where_the_handler_is_another_the_answer_is_503);
    tcase_add_test(moves, where_the_route_is_gone_the_answer_is_503);
    tcase_add_test(moves, a_session_that_was_ending_ends_there);
    suite_add_tcase(suite, moves);
    tcase_set_timeout(bytes, 30);
    tcase_add_test(bytes, what_was_saved_is_saved_again_alike);
    tcase_add_test(bytes, bytes_that_were_lost_or_changed_are_refused);
    tcase_add_test(bytes, nothing_that_is_signed_does_harm);
    tcase_add_test(bytes, unknown_fields_are_refused_unless_they_are_optional);
    tcase_add_test(bytes, another_version_or_protocol_or_listen_is_refused_by_name);
    tcase_add_test(bytes, without_memory_a_session_is_refused_whole);
    suite_add_tcase(suite, bytes);
    return suite;
}
