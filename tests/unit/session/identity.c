/*
 * identity.c - tests of session/identity and session/session_data: what a guarded session
 * reaches, how it gets in, when it ends; what modules keep of sessions; and that all of it moves.
 */
#include <teleport/identity.h>
#include <teleport/module.h>

#include "base/clock.h"
#include "base/str.h"
#include "session/session_save.h"

#include "session_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    GUARD_PACKET_MAX = 256,
    GUARD_TIMEOUT_MS = 40,
    LONG_MS = 60000,
};

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PUSH, .uri = "/told", .handler = "echo" },
    { 0 },
};

/* The hook that guards, and what it has seen. */
struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_test_client client;
    struct tp_test_stream sent;
    struct tp_test_stream wanted;
    struct tp_exchange *kept;
    int64_t timeout_ms;
    int64_t expires_ms;
    unsigned given_count; /* requests that the guard was given */
};

/* What the module below keeps. */
struct kept {
    uint32_t count;
    uint32_t woken;
    uint32_t restored;
};

static unsigned kept_ended;
static const char *unwanted_id; /* whom the module ends; NULL: nobody */
static unsigned identified_count;

Suite *tp_suite_session_identity(void);

static enum tp_result kept_save(const void *data, struct tp_buf_pool *pool, struct tp_chain *saved);
static enum tp_result kept_restore(void *data, struct tp_str saved);
static void kept_on_time(struct tp_session *session, void *data, const void *conf);
static void kept_end(void *data);
static void kept_on_identity(struct tp_session *session, const void *conf);
static void kept_on_restored(struct tp_session *session, void *data, const void *conf);

static const struct tp_module keeper = {
    .name = "keeper",
    .brief = "Keeps a count.",
    .session = {
        .size = sizeof(struct kept),
        .on_time = kept_on_time,
        .on_identity = kept_on_identity,
        .on_restored = kept_on_restored,
        .end = kept_end,
        .save = kept_save,
        .restore = kept_restore,
    },
};

static const struct tp_keeping_use keepings[] = { { &keeper, NULL } };

static void
let_in(struct fixture *fixture, struct tp_exchange *exchange)
{
    struct tp_session *session = tp_exchange_session(exchange);
    struct tp_identity identity = {
        .id = TP_STR("lamp-7"),
        .method = TP_STR("token"),
        .claims = TP_STR("role=admin&team=a%20b"),
        .expires_ms = fixture->expires_ms,
        .mark = { 7 },
    };

    ck_assert_int_eq(TP_OK, tp_session_identify(session, &identity));
    tp_exchange_reply_copy(exchange, TP_STR("in"), TP_CODEC_PLAIN);
    tp_session_resume(session, TP_PASS, NULL);
}

static void
on_guarded(struct tp_exchange *exchange, void *owner)
{
    struct fixture *fixture = owner;
    struct tp_session *session = tp_exchange_session(exchange);
    struct tp_status unauthorized = tp_status_of(TP_STATUS_UNAUTHORIZED);
    struct tp_str body;

    fixture->given_count++;
    ck_assert(tp_session_is_guarded(session));
    ck_assert_int_eq(TP_OK, tp_exchange_read_body(exchange, &body));
    if (tp__str_equal(body, TP_STR("secret"))) {
        let_in(fixture, exchange);
    } else if (tp__str_equal(body, TP_STR("later"))) {
        fixture->kept = exchange;
        tp_exchange_keep(exchange);
    } else if (tp__str_equal(body, TP_STR("again"))) {
        tp_exchange_refuse(exchange, &unauthorized);
    } else {
        tp_exchange_refuse(exchange, &unauthorized);
        tp_session_end(session, TP_CLOSE_AUTH_FAILED);
    }
}

static enum tp_verdict
guard_on_accept(struct tp_hook_call *call, const void *conf)
{
    struct fixture *fixture = *(struct fixture *const *) conf;
    struct tp_session_guard guard = {
        .packet_limit = { GUARD_PACKET_MAX },
        .timeout = { fixture->timeout_ms },
        .handler = on_guarded,
        .owner = fixture,
    };

    ck_assert_int_eq(TP_OK, tp_session_set_guard(call->session, &guard));
    return TP_LATER;
}

static const struct tp_hooks guard_hooks = { .at = { [TP_HOOK_POST_ACCEPT] = guard_on_accept } };

static void
site_log_bodies(struct tp_exchange_logging *logging)
{
    logging->logs_bodies = true;
    logging->body_limit.bytes = 1024;
}

static void
site_guard(struct tp_test_site *site, struct fixture *fixture)
{
    struct fixture **conf = tp__arena_new(&site->arena, struct fixture *);
    struct tp_hook_source source = { .hooks = &guard_hooks, .conf = conf, .owner = "guard" };
    struct tp_hook_set *hooks = NULL;

    *conf = fixture;
    ck_assert_int_eq(
        TP_OK, tp__hooks_add(&hooks, &source, TP_HOOK_BIT(TP_HOOK_POST_ACCEPT), &site->arena));
    site->server.hooks = hooks;
    site->server.keepings = keepings;
    site->server.keeping_count = TP_COUNT_OF(keepings);
    site_log_bodies(&site->server.logging);
    for (size_t i = 0; i < site->route_count; i++) {
        site_log_bodies(&site->routes[i]->logging);
    }
}

static void
fixture_open(struct fixture *fixture)
{
    *fixture = (struct fixture){ .timeout_ms = LONG_MS };
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
    site_guard(&fixture->site, fixture);
}

static void
fixture_connect(struct fixture *fixture)
{
    tp__test_client_open(&fixture->client, &fixture->bench, &fixture->site);
}

static void
fixture_close(struct fixture *fixture)
{
    tp__test_client_close(&fixture->client);
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
    tp__test_stream_clear(&fixture->sent);
    tp__test_stream_clear(&fixture->wanted);
}

static void
add_pull(struct fixture *fixture, unsigned seq, const char *uri, const char *body)
{
    tp__test_stream_add_pull(&fixture->sent, seq, uri, tp__str(body));
}

static void
send_all(struct fixture *fixture)
{
    tp__test_client_send(&fixture->client, &fixture->bench, &fixture->sent);
    tp__test_stream_clear(&fixture->sent);
    tp__test_bench_turn(&fixture->bench, 3);
}

static void
want_refusal(struct fixture *fixture, unsigned seq, const char *uri)
{
    tp__test_stream_add_reply(&fixture->wanted, seq, uri, tp_status_of(TP_STATUS_UNAUTHORIZED),
                              (struct tp_str){ 0 });
}

/* The other end proves itself, and knows that it has. */
static void
get_in(struct fixture *fixture)
{
    fixture_connect(fixture);
    add_pull(fixture, 1, "/auth", "secret");
    send_all(fixture);
    tp__test_client_read_to(&fixture->client, &fixture->bench, 1);
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(fixture->client.session));
    ck_assert(!tp_session_is_guarded(fixture->client.session));
}

static void
expect_echo_of(struct fixture *fixture, unsigned seq)
{
    struct tp_test_client *client = &fixture->client;
    size_t before = client->received_len;

    tp__test_stream_clear(&fixture->wanted);
    add_pull(fixture, seq, "/echo", "body");
    tp__test_stream_add_echo(&fixture->wanted, seq, "/echo", TP_STR("body"));
    send_all(fixture);
    tp__test_client_read_to(client, &fixture->bench, before + fixture->wanted.len);
    ck_assert_uint_eq(before + fixture->wanted.len, client->received_len);
    ck_assert_mem_eq(fixture->wanted.data, client->received + before, fixture->wanted.len);
}

START_TEST(who_has_proved_nothing_reaches_nothing)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    add_pull(&fixture, 1, "/echo", "let me in");
    add_pull(&fixture, 2, "/echo", "please");
    send_all(&fixture);
    want_refusal(&fixture, 1, "/echo");
    tp__test_client_expect(&fixture.client, &fixture.bench, &fixture.wanted);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert_uint_eq(1, fixture.given_count);
    ck_assert_int_eq(TP_CLOSE_AUTH_FAILED, fixture.client.session->end_reason);
    ck_assert(!tp__test_bench_has_logged(&fixture.bench, "let me in"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_follows_the_proof_is_served_and_the_proof_is_not_logged)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    add_pull(&fixture, 1, "/auth", "secret");
    add_pull(&fixture, 2, "/echo", "one");
    add_pull(&fixture, 3, "/echo", "two");
    send_all(&fixture);
    tp__test_bench_turn(&fixture.bench, 5);
    tp__test_client_read(&fixture.client);
    ck_assert_uint_eq(1, fixture.given_count);
    ck_assert_uint_eq(3, fixture.client.session->sent_count);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "two"));
    ck_assert(!tp__test_bench_has_logged(&fixture.bench, "secret"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(while_a_proof_is_looked_at_everything_waits)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    add_pull(&fixture, 1, "/auth", "later");
    add_pull(&fixture, 2, "/echo", "one");
    send_all(&fixture);
    tp__test_bench_run(&fixture.bench, 5);
    ck_assert_uint_eq(1, fixture.given_count);
    ck_assert_uint_eq(0, fixture.client.session->sent_count);
    let_in(&fixture, fixture.kept);
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_uint_eq(1, fixture.given_count);
    ck_assert_uint_eq(2, fixture.client.session->sent_count);
    tp__test_client_read(&fixture.client);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_guard_is_given_one_after_the_other)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    add_pull(&fixture, 1, "/auth", "again");
    add_pull(&fixture, 2, "/auth", "again");
    add_pull(&fixture, 3, "/auth", "secret");
    send_all(&fixture);
    tp__test_bench_turn(&fixture.bench, 5);
    ck_assert_uint_eq(3, fixture.given_count);
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(fixture.client.session));
    tp__test_client_read(&fixture.client);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_takes_too_long_or_says_too_much_is_closed)
{
    static const char long_body[2 * GUARD_PACKET_MAX] = "";
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.timeout_ms = GUARD_TIMEOUT_MS;
    fixture_connect(&fixture);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=auth-timeout"));
    tp__test_client_close(&fixture.client);

    fixture.timeout_ms = LONG_MS;
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/auth",
                             (struct tp_str){ long_body, sizeof(long_body) });
    send_all(&fixture);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=packet-too-large"));
    ck_assert_uint_eq(0, fixture.given_count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_leaves_without_a_proof_is_gone)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture_connect(&fixture);
    tp__test_bench_turn(&fixture.bench, 2);
    ck_assert_uint_eq(1, fixture.bench.sessions.count);
    tp__test_client_finish(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 3);
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    tp__test_client_close(&fixture.client);

    /* But what is being looked at is answered. */
    fixture_connect(&fixture);
    add_pull(&fixture, 1, "/auth", "later");
    send_all(&fixture);
    tp__test_client_finish(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 3);
    ck_assert_uint_eq(1, fixture.bench.sessions.count);
    let_in(&fixture, fixture.kept);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert_uint_gt(fixture.client.received_len, 0);
    fixture_close(&fixture);
}
END_TEST

START_TEST(an_identity_ends_when_it_expires)
{
    struct fixture fixture;

    fixture_open(&fixture);
    fixture.expires_ms = tp__clock_monotonic_ms() + GUARD_TIMEOUT_MS;
    get_in(&fixture);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=auth-expired"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(an_identity_is_as_long_as_it_may_be)
{
    static char text[TP_IDENTITY_CLAIMS_MAX + 1];
    struct fixture fixture;

    fixture_open(&fixture);
    get_in(&fixture);
    const struct tp_identity *before = tp_session_identity(fixture.client.session);
    struct tp_identity identity = { .id = { text, TP_IDENTITY_ID_MAX + 1 } };

    memset(text, 'x', sizeof(text));
    ck_assert_int_eq(TP_TOO_LARGE, tp_session_identify(fixture.client.session, &identity));
    identity.id.len--;
    identity.claims = (struct tp_str){ text, TP_IDENTITY_CLAIMS_MAX + 1 };
    ck_assert_int_eq(TP_TOO_LARGE, tp_session_identify(fixture.client.session, &identity));
    ck_assert_ptr_eq(before, tp_session_identity(fixture.client.session));
    identity.claims.len--;
    ck_assert_int_eq(TP_OK, tp_session_identify(fixture.client.session, &identity));
    ck_assert_int_eq(TP_OK, tp_session_identify(fixture.client.session, NULL));
    ck_assert_ptr_null(tp_session_identity(fixture.client.session));
    fixture_close(&fixture);
}
END_TEST

START_TEST(modules_are_told_of_identities_and_may_end_who_has_one)
{
    const struct tp_identity other = { .id = TP_STR("lamp-8") };
    struct fixture fixture;

    identified_count = 0;
    fixture_open(&fixture);
    get_in(&fixture);
    struct tp_session *session = fixture.client.session;

    ck_assert_uint_eq(1, identified_count);
    ck_assert_ptr_null(tp_session_data_get(session, &keeper));
    ck_assert_int_eq(TP_OK, tp_session_identify(session, NULL));
    ck_assert_uint_eq(2, identified_count);
    unwanted_id = "lamp-8";
    ck_assert_int_eq(TP_DENIED, tp_session_identify(session, &other));
    ck_assert(tp__str_equal(other.id, tp_session_identity(session)->id));
    /* It ends already, whoever it is now. */
    ck_assert_int_eq(TP_OK, tp_session_identify(session, &other));
    unwanted_id = NULL;
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_module_keeps_what_it_likes_and_is_woken)
{
    struct fixture fixture;

    fixture_open(&fixture);
    get_in(&fixture);
    struct tp_session *session = fixture.client.session;

    ck_assert_ptr_null(tp_session_data_get(session, &keeper));
    struct kept *kept = tp_session_data_make(session, &keeper);

    ck_assert_uint_eq(0, kept->count);
    ck_assert_ptr_eq(kept, tp_session_data_make(session, &keeper));
    ck_assert_ptr_eq(kept, tp_session_data_get(session, &keeper));
    tp_session_wake(session, &keeper, (struct tp_msec){ LONG_MS });
    tp_session_wake(session, &keeper, (struct tp_msec){ 2 });
    tp__test_bench_run(&fixture.bench, 10);
    ck_assert_uint_eq(1, kept->woken);
    tp_session_wake(session, &keeper, (struct tp_msec){ 2 });
    tp_session_wake(session, &keeper, (struct tp_msec){ 0 });
    tp__test_bench_run(&fixture.bench, 10);
    ck_assert_uint_eq(1, kept->woken);
    kept_ended = 0;
    fixture_close(&fixture);
    ck_assert_uint_eq(1, kept_ended);
}
END_TEST

static const struct tp_source *
find_source(void *owner, const char *name)
{
    struct fixture *fixture = owner;

    return strcmp(name, fixture->site.source.name) == 0 ? &fixture->site.source : NULL;
}

/* The session of the client goes on in `there`. */
static void
move_to(struct fixture *here, struct fixture *there)
{
    struct tp_session_receiver receiver = { find_source, there, &there->bench.log };
    struct tp_session *session = here->client.session;
    struct tp_chain saved = { 0 };

    ck_assert_int_eq(TP_OK, tp__session_save(session, &saved));
    uint8_t *flat = malloc(saved.len);
    size_t len = saved.len;
    int fd = fcntl(tp__session_fd(session), F_DUPFD_CLOEXEC, 0);

    tp_chain_copy(&saved, 0, len, flat);
    tp_chain_clear(&saved);
    tp__session_close(&session, TP_CLOSE_MOVED);
    ck_assert_int_eq(TP_OK, tp__session_restore(&there->bench.sessions, &receiver, fd,
                                                (struct tp_str){ (const char *) flat, len }));
    free(flat);
    there->client = here->client;
    there->client.session =
        TP_CONTAINER_OF(there->bench.sessions.members.next, struct tp_session, node);
    here->client = (struct tp_test_client){ .fd = -1 };
}

static void
pair_close(struct fixture *here, struct fixture *there)
{
    tp__test_client_close(&there->client);
    tp__test_bench_close(&here->bench);
    tp__test_site_close(&here->site);
    tp__test_bench_close(&there->bench);
    tp__test_site_close(&there->site);
    tp__test_stream_clear(&here->sent);
    tp__test_stream_clear(&here->wanted);
    tp__test_stream_clear(&there->sent);
    tp__test_stream_clear(&there->wanted);
}

START_TEST(identity_and_what_is_kept_move)
{
    struct fixture here;
    struct fixture there;

    fixture_open(&here);
    fixture_open(&there);
    here.expires_ms = tp__clock_monotonic_ms() + LONG_MS;
    get_in(&here);
    struct kept *kept = tp_session_data_make(here.client.session, &keeper);

    kept->count = 42;
    tp_session_wake(here.client.session, &keeper, (struct tp_msec){ GUARD_TIMEOUT_MS });
    move_to(&here, &there);
    const struct tp_identity *identity = tp_session_identity(there.client.session);

    ck_assert_ptr_nonnull(identity);
    ck_assert(tp__str_equal(TP_STR("lamp-7"), identity->id));
    ck_assert(tp__str_equal(TP_STR("token"), identity->method));
    ck_assert(tp__str_equal(TP_STR("role=admin&team=a%20b"), identity->claims));
    ck_assert_int_eq(here.expires_ms, identity->expires_ms);
    ck_assert_uint_eq(7, identity->mark[0]);
    kept = tp_session_data_get(there.client.session, &keeper);
    ck_assert_ptr_nonnull(kept);
    ck_assert_uint_eq(42, kept->count);
    ck_assert_uint_eq(0, kept->woken);
    ck_assert_uint_eq(1, kept->restored);
    tp__test_bench_run(&there.bench, 2 * GUARD_TIMEOUT_MS);
    ck_assert_uint_eq(1, kept->woken);
    ck_assert(!tp_session_is_guarded(there.client.session));
    expect_echo_of(&there, 5);
    pair_close(&here, &there);
}
END_TEST

START_TEST(a_guarded_session_is_guarded_where_it_goes)
{
    struct fixture here;
    struct fixture there;

    fixture_open(&here);
    fixture_open(&there);
    fixture_connect(&here);
    tp__test_bench_turn(&here.bench, 2);
    move_to(&here, &there);
    ck_assert(tp_session_is_guarded(there.client.session));
    add_pull(&there, 1, "/auth", "secret");
    send_all(&there);
    ck_assert_uint_eq(1, there.given_count);
    tp__test_client_read_to(&there.client, &there.bench, 1);
    expect_echo_of(&there, 2);
    pair_close(&here, &there);
}
END_TEST

START_TEST(no_identity_is_read_from_what_is_none)
{
    char saved[8 + TP_IDENTITY_MARK_BYTES + 12 + 3] = { 0 };
    struct tp_identity identity;

    saved[8 + TP_IDENTITY_MARK_BYTES + 3] = 3;
    memcpy(saved + 8 + TP_IDENTITY_MARK_BYTES + 4, "ann", 3);
    ck_assert(tp__identity_read((struct tp_str){ saved, sizeof(saved) }, &identity));
    ck_assert(tp__str_equal(TP_STR("ann"), identity.id));
    for (size_t len = 0; len < sizeof(saved); len++) {
        ck_assert(!tp__identity_read((struct tp_str){ saved, len }, &identity));
    }
    saved[0] = (char) 0x80;
    ck_assert(!tp__identity_read((struct tp_str){ saved, sizeof(saved) }, &identity));
}
END_TEST

static enum tp_result
kept_save(const void *data, struct tp_buf_pool *pool, struct tp_chain *saved)
{
    const struct kept *kept = data;

    return tp_chain_append_copy(
        saved, pool, (struct tp_str){ (const char *) &kept->count, sizeof(kept->count) });
}

static enum tp_result
kept_restore(void *data, struct tp_str saved)
{
    struct kept *kept = data;

    if (saved.len != sizeof(kept->count)) {
        return TP_INVALID;
    }
    memcpy(&kept->count, saved.data, saved.len);
    return TP_OK;
}

static void
kept_on_time(struct tp_session *session, void *data, const void *conf)
{
    struct kept *kept = data;

    ck_assert_ptr_nonnull(session);
    ck_assert_ptr_null(conf);
    kept->woken++;
}

static void
kept_end(void *data)
{
    ck_assert_ptr_nonnull(data);
    kept_ended++;
}

static void
kept_on_identity(struct tp_session *session, const void *conf)
{
    const struct tp_identity *identity = tp_session_identity(session);

    ck_assert_ptr_null(conf);
    identified_count++;
    if (identity != NULL && unwanted_id != NULL
        && tp__str_equal(identity->id, tp__str(unwanted_id))) {
        tp_session_end(session, TP_CLOSE_LIMIT_REACHED);
    }
}

static void
kept_on_restored(struct tp_session *session, void *data, const void *conf)
{
    struct kept *kept = data;

    ck_assert_ptr_null(conf);
    ck_assert(tp_session_identity(session) != NULL);
    kept->restored++;
}

Suite *
tp_suite_session_identity(void)
{
    Suite *suite = suite_create("session/identity");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, who_has_proved_nothing_reaches_nothing);
    tcase_add_test(tests, what_follows_the_proof_is_served_and_the_proof_is_not_logged);
    tcase_add_test(tests, while_a_proof_is_looked_at_everything_waits);
    tcase_add_test(tests, a_guard_is_given_one_after_the_other);
    tcase_add_test(tests, who_takes_too_long_or_says_too_much_is_closed);
    tcase_add_test(tests, who_leaves_without_a_proof_is_gone);
    tcase_add_test(tests, an_identity_ends_when_it_expires);
    tcase_add_test(tests, an_identity_is_as_long_as_it_may_be);
    tcase_add_test(tests, modules_are_told_of_identities_and_may_end_who_has_one);
    tcase_add_test(tests, a_module_keeps_what_it_likes_and_is_woken);
    tcase_add_test(tests, identity_and_what_is_kept_move);
    tcase_add_test(tests, a_guarded_session_is_guarded_where_it_goes);
    tcase_add_test(tests, no_identity_is_read_from_what_is_none);
    suite_add_tcase(suite, tests);
    return suite;
}
