/*
 * hooks.c - tests of session/hooks and what it does to sessions and exchanges: when each
 * point comes, with what, in what order, what a refusal does on the wire, and what later does.
 *
 * Witnesses stand at all points of a server and of its routes, write down what they see, and
 * say what the test wants them to.
 */
#include "session/hooks.h"

#include "base/str.h"
#include "os/file.h"
#include "session/dial.h"
#include "session/session_save.h"

#include "scratch.h"
#include "session_fixture.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SEEN_MAX = 8192,
    TARGET_MAX = 256,
    TIMEOUT_MS = 30,
};

#define ALL_POINTS (TP_HOOK_BIT(TP_HOOK_POINT_COUNT) - 1)
#define REFUSED                                                                                    \
    (struct tp_status)                                                                             \
    {                                                                                              \
        1001, TP_STR("not so"), TP_STR("")                                                         \
    }

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/other", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/keep", .handler = "keep" },
    { .type = TP_PACKET_PULL, .uri = "/o", .handler = "echo", .is_ordered = true },
    { .type = TP_PACKET_PUSH, .uri = "/push", .handler = "keep" },
    { 0 },
};

struct witness;

struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_test_client client;
    struct tp_test_stream sent;
    struct tp_test_stream wanted;
    struct tp_hook_set *server_hooks;
    struct tp_hook_set *route_hooks;
    char seen[SEEN_MAX]; /* "a:post_accept b:post_accept …" */
    size_t seen_len;
};

/* What stands at all points; a verdict counts once, where `uri` begins that of the exchange. */
struct witness {
    struct fixture *fixture;
    const char *name;
    bool is_silent;
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

struct answer {
    unsigned count;
    int32_t code;
    char body[64];
};

Suite *tp_suite_session_hooks(void);

static void
seen_add(struct fixture *fixture, const char *name, const char *word)
{
    int len = snprintf(fixture->seen + fixture->seen_len, SEEN_MAX - fixture->seen_len, "%s:%s ",
                       name, word);

    fixture->seen_len += (size_t) len;
    ck_assert_uint_lt(fixture->seen_len, SEEN_MAX);
}

/* What has been seen since the last time is this. */
static void
expect_seen(struct fixture *fixture, const char *wanted)
{
    ck_assert_str_eq(wanted, fixture->seen);
    fixture->seen_len = 0;
    fixture->seen[0] = '\0';
}

static void
answer_expected(struct tp_exchange *exchange, void *owner)
{
    const struct witness *witness = owner;

    seen_add(witness->fixture, witness->name, "expected");
    tp_exchange_reply_copy(exchange, TP_STR("welcome"), TP_CODEC_PLAIN);
}

static void
check_subject(const struct tp_hook_call *call)
{
    enum tp_hook_subject subject = tp__hook_point_subject(call->point);

    ck_assert_ptr_null(call->peer);
    ck_assert_int_eq(subject == TP_HOOK_OF_EXCHANGE, call->exchange != NULL);
    ck_assert_int_eq(subject != TP_HOOK_OF_PEER, call->session != NULL);
    ck_assert_int_eq(403, call->refusal.code);
    if (call->exchange != NULL) {
        ck_assert_ptr_eq(call->session, tp_exchange_session(call->exchange));
        ck_assert_uint_gt(tp_exchange_uri(call->exchange).len, 0);
    }
}

static void
witness_act(struct witness *witness, struct tp_hook_call *call)
{
    if (witness->pushes_early) {
        struct tp_send_options early = { .is_early = true };

        ck_assert_int_eq(TP_OK,
                         tp_session_push(call->session, TP_STR("/early"), TP_STR("x"), &early));
        ck_assert_int_eq(TP_OK,
                         tp_session_push(call->session, TP_STR("/usual"), TP_STR("x"), NULL));
    }
    if (witness->expects) {
        tp_session_expect(call->session, answer_expected, witness);
    }
    if (witness->sets_uri != NULL) {
        witness->set_uri_result = tp_exchange_set_uri(call->exchange, tp__str(witness->sets_uri));
    }
    if (witness->answers) {
        tp_exchange_reply_copy(call->exchange, TP_STR("at once"), TP_CODEC_PLAIN);
    }
}

static enum tp_verdict
witness_hook(struct tp_hook_call *call, const void *conf)
{
    struct witness *witness = *(struct witness *const *) conf;
    enum tp_verdict verdict = witness->says[call->point];

    check_subject(call);
    if (!witness->is_silent) {
        seen_add(witness->fixture, witness->name, tp_hook_point_word(call->point));
    }
    snprintf(witness->text, sizeof(witness->text), "%.*s", (int) call->text.len, call->text.data);
    witness->session = call->session;
    if (call->point == TP_HOOK_POST_READ_REPLY_BODY || call->point == TP_HOOK_PRE_WRITE_REPLY) {
        struct tp_str body;

        ck_assert_int_eq(TP_OK, tp_exchange_read_reply(call->exchange, &body));
        snprintf(witness->reply, sizeof(witness->reply), "%d %.*s",
                 (int) tp_exchange_status(call->exchange)->code, (int) body.len, body.data);
    }
    if (verdict == TP_PASS
        || (witness->uri != NULL
            && !tp__str_starts_with(tp_exchange_uri(call->exchange), tp__str(witness->uri)))) {
        return TP_PASS;
    }
    witness->says[call->point] = witness->says_always ? verdict : TP_PASS;
    witness_act(witness, call);
    call->refusal = REFUSED;
    if (verdict == TP_LATER) {
        witness->postponed = call->exchange;
    }
    return verdict;
}

static const struct tp_hooks witness_hooks = { .at = {
#define WITNESS_ROW(name, word, subject, power, on_route, sentence) [TP_HOOK_##name] = witness_hook,
    TP_HOOK_TABLE(WITNESS_ROW)
#undef WITNESS_ROW
} };

/* As a peer of the library does it: on the server, and on all routes. */
static void
witness_stand(struct witness *witness, struct fixture *fixture, const char *name, bool on_routes)
{
    struct tp_arena *arena = &fixture->site.arena;
    struct witness **conf = tp__arena_new(arena, struct witness *);
    struct tp_hook_source source = { .hooks = &witness_hooks, .conf = conf, .owner = name };

    *witness = (struct witness){ .fixture = fixture, .name = name };
    *conf = witness;
    if (on_routes) {
        ck_assert_int_eq(TP_OK,
                         tp__hooks_add(&fixture->route_hooks, &source, TP_HOOKS_OF_ROUTES, arena));
    } else {
        ck_assert_int_eq(TP_OK, tp__hooks_add(&fixture->server_hooks, &source, ALL_POINTS, arena));
        ck_assert_int_eq(TP_OK, tp__hooks_add(&fixture->route_hooks, &source,
                                              TP_HOOKS_OF_ROUTES & ~TP_HOOKS_OF_HEADERS, arena));
    }
    fixture->site.server.hooks = fixture->server_hooks;
    fixture->site.server.unrouted_hooks = fixture->route_hooks;
    tp__test_site_hook_routes(&fixture->site, fixture->route_hooks);
}

static void
fixture_open(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
}

static void
fixture_connect(struct fixture *fixture)
{
    tp__test_client_open(&fixture->client, &fixture->bench, &fixture->site);
    tp__test_bench_turn(&fixture->bench, 2);
}

static void
fixture_close(struct fixture *fixture)
{
    if (fixture->client.received != NULL) {
        tp__test_client_close(&fixture->client);
    }
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
    tp__test_stream_clear(&fixture->sent);
    tp__test_stream_clear(&fixture->wanted);
}

/* Sends what is in `sent`, and only once. */
static void
fixture_send(struct fixture *fixture)
{
    tp__test_client_send(&fixture->client, &fixture->bench, &fixture->sent);
    tp__test_stream_clear(&fixture->sent);
    tp__test_bench_turn(&fixture->bench, 3);
}

static void
fixture_expect(struct fixture *fixture)
{
    tp__test_client_expect(&fixture->client, &fixture->bench, &fixture->wanted);
}

static void
send_pull(struct fixture *fixture, unsigned seq, const char *uri)
{
    tp__test_stream_add_pull(&fixture->sent, seq, uri, TP_STR("body"));
    fixture_send(fixture);
}

static void
send_push(struct fixture *fixture)
{
    tp__test_stream_add_push(&fixture->sent, 1, "/push", TP_STR("told"));
    fixture_send(fixture);
}

static void
want_echo(struct fixture *fixture, unsigned seq, const char *uri)
{
    tp__test_stream_add_echo(&fixture->wanted, seq, uri, TP_STR("body"));
}

static void
want_status(struct fixture *fixture, unsigned seq, const char *uri, struct tp_status status)
{
    tp__test_stream_add_reply(&fixture->wanted, seq, uri, status, (struct tp_str){ 0 });
}

static bool
has_logged(const struct fixture *fixture, const char *text)
{
    return tp__test_bench_has_logged(&fixture->bench, text);
}

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct answer *answer = owner;
    struct tp_str body = tp_reply_body(reply);

    answer->count++;
    answer->code = tp_reply_status(reply)->code;
    snprintf(answer->body, sizeof(answer->body), "%.*s", (int) body.len, body.data);
}

static enum tp_result
ask(struct fixture *fixture, const struct tp_send_options *options, struct answer *answer)
{
    return tp_session_pull_async(fixture->client.session, TP_STR("/ask"), TP_STR("q"), options,
                                 on_reply, answer);
}

/* The other end's REPLY to our first PULL. */
static void
send_reply(struct fixture *fixture)
{
    tp__test_stream_add_reply(&fixture->sent, 0, "/ask", tp_status_of(TP_STATUS_OK),
                              TP_STR("answer"));
    fixture_send(fixture);
}

static size_t
received(struct fixture *fixture)
{
    tp__test_bench_turn(&fixture->bench, 3);
    tp__test_client_read(&fixture->client);
    return fixture->client.received_len;
}

START_TEST(each_point_is_what_the_table_says)
{
    for (int i = 0; i < TP_HOOK_POINT_COUNT; i++) {
        struct tp_hooks hooks = { .at = { [0] = NULL } };
        enum tp_hook_point point = TP_HOOK_POINT_COUNT;
        enum tp_hook_point wrong = TP_HOOK_POINT_COUNT;
        const char *sentence = tp_hook_point_sentence((enum tp_hook_point) i);
        bool is_of_routes = (TP_HOOKS_OF_ROUTES & TP_HOOK_BIT(i)) != 0;

        ck_assert(tp__hook_point_find(tp__str(tp_hook_point_word((enum tp_hook_point) i)), &point));
        ck_assert_int_eq(i, point);
        ck_assert_int_eq('.', sentence[strlen(sentence) - 1]);
        hooks.at[i] = witness_hook;
        ck_assert_int_eq(is_of_routes ? TP_OK : TP_INVALID, tp__hooks_check_route(&hooks, &wrong));
        ck_assert_int_eq(is_of_routes ? TP_HOOK_POINT_COUNT : i, wrong);
    }
    enum tp_hook_point none;

    ck_assert(!tp__hook_point_find(TP_STR("post_mortem"), &none));
}
END_TEST

START_TEST(a_life_passes_the_points_in_order)
{
    struct fixture fixture;
    struct witness first;
    struct witness second;
    struct witness of_route;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&first, &fixture, "a", false);
    witness_stand(&second, &fixture, "b", false);
    witness_stand(&of_route, &fixture, "r", true);
    fixture_connect(&fixture);
    expect_seen(&fixture, "a:post_accept b:post_accept ");

    send_pull(&fixture, 7, "/echo");
    expect_seen(&fixture, "a:pre_read_header b:pre_read_header "
                          "a:post_read_pull_header b:post_read_pull_header r:post_read_pull_header "
                          "a:pre_read_pull_body b:pre_read_pull_body r:pre_read_pull_body "
                          "a:post_read_pull_body b:post_read_pull_body r:post_read_pull_body "
                          "a:pre_write_reply b:pre_write_reply r:pre_write_reply "
                          "a:post_write_reply b:post_write_reply r:post_write_reply ");
    ck_assert_str_eq("200 body", of_route.reply);
    want_echo(&fixture, 7, "/echo");
    fixture_expect(&fixture);

    send_push(&fixture);
    expect_seen(&fixture, "a:pre_read_header b:pre_read_header "
                          "a:post_read_push_header b:post_read_push_header r:post_read_push_header "
                          "a:pre_read_push_body b:pre_read_push_body r:pre_read_push_body "
                          "a:post_read_push_body b:post_read_push_body r:post_read_push_body ");
    tp_exchange_reply_copy(tp__test_take_kept(), TP_STR(""), TP_CODEC_NONE);

    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &answer));
    expect_seen(&fixture, "a:pre_write_pull b:pre_write_pull ");
    tp__test_bench_turn(&fixture.bench, 2);
    expect_seen(&fixture, "a:post_write_pull b:post_write_pull ");
    send_reply(&fixture);
    expect_seen(&fixture, "a:pre_read_header b:pre_read_header "
                          "a:post_read_reply_header b:post_read_reply_header "
                          "a:pre_read_reply_body b:pre_read_reply_body "
                          "a:post_read_reply_body b:post_read_reply_body ");
    ck_assert_str_eq("answer", answer.body);
    ck_assert_str_eq("200 answer", second.reply);

    ck_assert_int_eq(TP_OK,
                     tp_session_push(fixture.client.session, TP_STR("/tell"), TP_STR("x"), NULL));
    tp__test_bench_turn(&fixture.bench, 2);
    expect_seen(&fixture, "a:pre_write_push b:pre_write_push a:post_write_push b:post_write_push ");
    tp__test_client_finish(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 5);
    expect_seen(&fixture, "a:post_disconnect b:post_disconnect ");
    ck_assert_str_eq("peer-closed", first.text);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_has_no_route_passes_the_hooks_of_none)
{
    struct fixture fixture;
    struct witness first;
    struct witness of_route;

    fixture_open(&fixture);
    witness_stand(&first, &fixture, "a", false);
    witness_stand(&of_route, &fixture, "r", true);
    fixture_connect(&fixture);
    expect_seen(&fixture, "a:post_accept ");
    send_pull(&fixture, 1, "/nowhere");
    expect_seen(&fixture, "a:pre_read_header a:post_read_pull_header r:post_read_pull_header "
                          "a:pre_write_reply r:pre_write_reply "
                          "a:post_write_reply r:post_write_reply ");
    want_status(&fixture, 1, "/nowhere", tp_status_of(TP_STATUS_NOT_FOUND));
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

/* Points at which what the other end asks can be refused or postponed, and who stands there. */
static const struct {
    enum tp_hook_point point;
    bool on_route;
} pull_points[] = {
    { TP_HOOK_POST_READ_PULL_HEADER, false }, { TP_HOOK_POST_READ_PULL_HEADER, true },
    { TP_HOOK_PRE_READ_PULL_BODY, false },    { TP_HOOK_PRE_READ_PULL_BODY, true },
    { TP_HOOK_POST_READ_PULL_BODY, false },   { TP_HOOK_POST_READ_PULL_BODY, true },
    { TP_HOOK_PRE_WRITE_REPLY, false },       { TP_HOOK_PRE_WRITE_REPLY, true },
};

static const struct {
    enum tp_hook_point point;
    bool on_route;
} push_points[] = {
    { TP_HOOK_POST_READ_PUSH_HEADER, false }, { TP_HOOK_POST_READ_PUSH_HEADER, true },
    { TP_HOOK_PRE_READ_PUSH_BODY, false },    { TP_HOOK_PRE_READ_PUSH_BODY, true },
    { TP_HOOK_POST_READ_PUSH_BODY, false },   { TP_HOOK_POST_READ_PUSH_BODY, true },
};

/* A client whose PULLs pass one silent witness, which says so at the point of this row. */
static void
pulls_open(struct fixture *fixture, struct witness *witness, int row, enum tp_verdict verdict)
{
    fixture_open(fixture);
    witness_stand(witness, fixture, "a", pull_points[row].on_route);
    witness->says[pull_points[row].point] = verdict;
    fixture_connect(fixture);
}

START_TEST(a_pull_that_is_refused_is_answered_so)
{
    struct fixture fixture;
    struct witness witness;

    pulls_open(&fixture, &witness, _i, TP_REFUSE);
    send_pull(&fixture, 1, "/echo");
    want_status(&fixture, 1, "/echo", REFUSED);
    send_pull(&fixture, 2, "/echo");
    want_echo(&fixture, 2, "/echo");
    fixture_expect(&fixture);
    ck_assert(has_logged(&fixture, "hook-refused: point="));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_pull_that_is_postponed_is_overtaken)
{
    struct fixture fixture;
    struct witness witness;

    pulls_open(&fixture, &witness, _i, TP_LATER);
    send_pull(&fixture, 1, "/echo");
    send_pull(&fixture, 2, "/other");
    want_echo(&fixture, 2, "/other");
    fixture_expect(&fixture);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    want_echo(&fixture, 1, "/echo");
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_pull_may_be_refused_later)
{
    struct fixture fixture;
    struct witness witness;
    struct tp_status refusal = REFUSED;

    pulls_open(&fixture, &witness, _i, TP_LATER);
    send_pull(&fixture, 1, "/echo");
    fixture_expect(&fixture);
    tp_exchange_resume(witness.postponed, TP_REFUSE, &refusal);
    want_status(&fixture, 1, "/echo", REFUSED);
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(an_ordered_route_keeps_its_order)
{
    struct fixture fixture;
    struct witness witness;

    pulls_open(&fixture, &witness, _i, TP_LATER);
    send_pull(&fixture, 1, "/o");
    send_pull(&fixture, 2, "/o");
    send_pull(&fixture, 3, "/other");
    want_echo(&fixture, 3, "/other");
    fixture_expect(&fixture);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    want_echo(&fixture, 1, "/o");
    want_echo(&fixture, 2, "/o");
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_postponed_pull_times_out_and_is_its_hooks_still)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    fixture.site.server.limits.exchange_timeout.ms = TIMEOUT_MS;
    witness_stand(&witness, &fixture, "a", pull_points[_i].on_route);
    witness.says[pull_points[_i].point] = TP_LATER;
    fixture_connect(&fixture);
    send_pull(&fixture, 1, "/o");
    send_pull(&fixture, 2, "/o");
    want_status(&fixture, 1, "/o", tp_status_of(TP_STATUS_GATEWAY_TIMEOUT));
    want_echo(&fixture, 2, "/o");
    fixture_expect(&fixture);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_postponed_pull_outlives_its_session)
{
    struct fixture fixture;
    struct witness witness;

    pulls_open(&fixture, &witness, _i, TP_LATER);
    send_pull(&fixture, 1, "/echo");
    tp__session_close(&fixture.client.session, TP_CLOSE_CONNECTION_BROKEN);
    ck_assert_ptr_null(tp_exchange_session(witness.postponed));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_answer_at_once)
{
    struct fixture fixture;
    struct witness witness;

    if (pull_points[_i].point == TP_HOOK_PRE_WRITE_REPLY) {
        return;
    }
    pulls_open(&fixture, &witness, _i, TP_REFUSE); /* what it says then does not count */
    witness.answers = true;
    send_pull(&fixture, 1, "/echo");
    tp__test_stream_add_reply(&fixture.wanted, 1, "/echo", tp_status_of(TP_STATUS_OK),
                              TP_STR("at once"));
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_answer_instead_of_resuming)
{
    struct fixture fixture;
    struct witness witness;

    if (pull_points[_i].point == TP_HOOK_PRE_WRITE_REPLY) {
        return;
    }
    pulls_open(&fixture, &witness, _i, TP_LATER);
    send_pull(&fixture, 1, "/o");
    send_pull(&fixture, 2, "/o");
    ck_assert_int_eq(TP_OK,
                     tp_exchange_reply_copy(witness.postponed, TP_STR("at once"), TP_CODEC_PLAIN));
    tp__test_stream_add_reply(&fixture.wanted, 1, "/o", tp_status_of(TP_STATUS_OK),
                              TP_STR("at once"));
    want_echo(&fixture, 2, "/o");
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_push_that_is_refused_is_dropped)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", push_points[_i].on_route);
    witness.says[push_points[_i].point] = TP_REFUSE;
    fixture_connect(&fixture);
    send_push(&fixture);
    ck_assert_ptr_null(tp__test_take_kept());
    ck_assert(has_logged(&fixture, "status=1001 text=\"not so\""));
    ck_assert_uint_eq(0, received(&fixture));
    ck_assert_uint_eq(0, fixture.client.session->exchange_count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_push_may_be_postponed)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", push_points[_i].on_route);
    witness.says[push_points[_i].point] = TP_LATER;
    fixture_connect(&fixture);
    send_push(&fixture);
    ck_assert_ptr_null(tp__test_take_kept());
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    struct tp_exchange *kept = tp__test_take_kept();

    ck_assert_ptr_nonnull(kept);
    tp_exchange_reply_copy(kept, TP_STR(""), TP_CODEC_NONE);
    witness.says[push_points[_i].point] = TP_LATER;
    send_push(&fixture);
    tp_exchange_resume(witness.postponed, TP_REFUSE, NULL);
    ck_assert_ptr_null(tp__test_take_kept());
    ck_assert_uint_eq(0, fixture.client.session->exchange_count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_a_handler_keeps_may_be_postponed_too)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    fixture.site.server.limits.exchange_timeout.ms = TIMEOUT_MS;
    witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_PRE_WRITE_REPLY] = TP_LATER;
    fixture_connect(&fixture);
    send_pull(&fixture, 1, "/keep");
    struct tp_exchange *kept = tp__test_take_kept();

    tp__test_bench_run(&fixture.bench, 2 * TIMEOUT_MS);
    ck_assert_ptr_eq(kept, witness.postponed); /* with the handler's time-out as its outcome */
    ck_assert_str_eq("504 ", witness.reply);
    ck_assert_int_eq(TP_GONE, tp_exchange_reply_copy(kept, TP_STR("late"), TP_CODEC_PLAIN));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    want_status(&fixture, 1, "/keep", tp_status_of(TP_STATUS_GATEWAY_TIMEOUT));
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_give_another_uri)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.says_always = true;
    witness.uri = "/alias";
    witness.says[TP_HOOK_POST_READ_PULL_HEADER] = TP_REFUSE;
    witness.sets_uri = "/%65cho?q=1";
    fixture_connect(&fixture);
    /* It refuses the uri that it has set no more, so it has to be asked to pass. */
    witness.says[TP_HOOK_POST_READ_PULL_HEADER] = TP_LATER;
    send_pull(&fixture, 1, "/alias?x");
    ck_assert_int_eq(TP_OK, witness.set_uri_result);
    ck_assert(tp__str_equal(TP_STR("/echo"), tp_exchange_path(witness.postponed)));
    ck_assert(tp__str_equal(TP_STR("q=1"), tp_exchange_query(witness.postponed)));
    ck_assert_int_eq(TP_INVALID, tp_exchange_set_uri(witness.postponed, TP_STR("/%zz")));
    ck_assert(tp__str_equal(TP_STR("/%65cho?q=1"), tp_exchange_uri(witness.postponed)));
    ck_assert_int_eq(TP_OK, tp_exchange_set_uri(witness.postponed, TP_STR("/other")));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    want_echo(&fixture, 1, "/alias?x");
    fixture_expect(&fixture);

    /* Behind the router it comes too late. */
    witness.says[TP_HOOK_POST_READ_PULL_HEADER] = TP_PASS;
    witness.says[TP_HOOK_PRE_READ_PULL_BODY] = TP_REFUSE;
    witness.uri = "/echo";
    send_pull(&fixture, 2, "/echo");
    ck_assert_int_eq(TP_DENIED, witness.set_uri_result);
    want_status(&fixture, 2, "/echo", REFUSED);
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_connection_may_be_refused)
{
    struct fixture fixture;
    struct witness first;
    struct witness second;

    fixture_open(&fixture);
    witness_stand(&first, &fixture, "a", false);
    witness_stand(&second, &fixture, "b", false);
    first.says[TP_HOOK_POST_ACCEPT] = TP_REFUSE;
    fixture_connect(&fixture);
    ck_assert_ptr_null(fixture.client.session);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(has_logged(&fixture, "reason=refused"));
    expect_seen(&fixture, "a:post_accept a:post_disconnect b:post_disconnect ");
    fixture_close(&fixture);
}
END_TEST

/* Nobody was told that it has come. */
START_TEST(who_is_no_trusted_proxy_is_not_heard_of)
{
    const struct tp_items nobody = { 0 };
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture.site.source.proxies = &nobody;
    fixture_connect(&fixture);
    ck_assert_ptr_null(fixture.client.session);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(has_logged(&fixture, "reason=proxy-untrusted"));
    expect_seen(&fixture, "");
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_refusal_may_say_why_first)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_REFUSE;
    witness.pushes_early = true;
    fixture_connect(&fixture);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert_uint_gt(fixture.client.received_len, 0);
    ck_assert_ptr_nonnull(
        memmem(fixture.client.received, fixture.client.received_len, "/early", 6));
    ck_assert_ptr_null(memmem(fixture.client.received, fixture.client.received_len, "/usual", 6));
    ck_assert_uint_eq(0, fixture.bench.sessions.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_greeting_session_is_not_read)
{
    struct fixture fixture;
    struct witness first;
    struct witness second;

    fixture_open(&fixture);
    witness_stand(&first, &fixture, "a", false);
    witness_stand(&second, &fixture, "b", false);
    first.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    fixture_connect(&fixture);
    ck_assert_int_eq(TP_SESSION_GREETING, tp_session_get_state(fixture.client.session));
    send_pull(&fixture, 1, "/echo");
    send_pull(&fixture, 2, "/other");
    ck_assert_uint_eq(0, received(&fixture));
    expect_seen(&fixture, "a:post_accept ");
    tp_session_resume(first.session, TP_PASS, NULL);
    expect_seen(&fixture, "b:post_accept ");
    want_echo(&fixture, 1, "/echo");
    want_echo(&fixture, 2, "/other");
    fixture_expect(&fixture);
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(fixture.client.session));
    tp_session_resume(first.session, TP_REFUSE, NULL); /* nobody waits for that any more */
    ck_assert_int_eq(TP_SESSION_OPEN, tp_session_get_state(fixture.client.session));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_greeting_session_may_be_refused)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    fixture_connect(&fixture);
    send_pull(&fixture, 1, "/echo");
    tp_session_resume(witness.session, TP_REFUSE, NULL);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert_uint_eq(0, fixture.client.received_len);
    ck_assert(has_logged(&fixture, "reason=refused"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_hook_that_never_goes_on_ends_the_session)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    fixture.site.server.limits.exchange_timeout.ms = TIMEOUT_MS;
    witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    fixture_connect(&fixture);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(has_logged(&fixture, "reason=hook-timeout"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_ask_while_the_session_greets)
{
    struct fixture fixture;
    struct witness witness;
    struct tp_send_options early = { .is_early = true };
    struct answer usual_answer = { 0 };
    struct answer early_answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.is_silent = true;
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    fixture_connect(&fixture);
    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &usual_answer)); /* seq 0 */
    ck_assert_int_eq(TP_OK, ask(&fixture, &early, &early_answer));
    size_t early_len = received(&fixture);

    /* The PULL that comes before the REPLY waits, and the REPLY is read all the same. */
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", TP_STR("body"));
    tp__test_stream_add_reply(&fixture.sent, 1, "/ask", tp_status_of(TP_STATUS_OK),
                              TP_STR("answer"));
    fixture_send(&fixture);
    ck_assert_str_eq("answer", early_answer.body);
    ck_assert_uint_eq(early_len, received(&fixture));
    tp_session_resume(witness.session, TP_PASS, NULL);
    ck_assert_uint_gt(received(&fixture), early_len); /* the usual PULL, and the echo */
    ck_assert_ptr_nonnull(memmem(fixture.client.received, fixture.client.received_len, "/echo", 5));
    send_reply(&fixture);
    ck_assert_str_eq("answer", usual_answer.body);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_expect_the_first_packet)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    witness.expects = true;
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hello", TP_STR("it is me"));
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", TP_STR("body"));
    fixture_send(&fixture);
    expect_seen(&fixture, "a:post_accept a:expected ");
    tp__test_stream_add_reply(&fixture.wanted, 1, "/hello", tp_status_of(TP_STATUS_OK),
                              TP_STR("welcome"));
    fixture_expect(&fixture);
    tp_session_resume(witness.session, TP_PASS, NULL);
    want_echo(&fixture, 2, "/echo");
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_has_come_already_may_be_expected)
{
    struct fixture fixture;
    struct witness witness;
    struct tp_send_options early = { .is_early = true };
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    fixture_connect(&fixture);
    ck_assert_int_eq(TP_OK, ask(&fixture, &early, &answer)); /* so that it is read */
    tp__test_bench_turn(&fixture.bench, 2);
    tp__test_stream_add_pull(&fixture.sent, 1, "/hello", TP_STR("it is me"));
    tp__test_stream_add_pull(&fixture.sent, 2, "/echo", TP_STR("body"));
    fixture_send(&fixture);
    size_t before = received(&fixture);

    tp_session_expect(fixture.client.session, answer_expected, &witness);
    ck_assert_uint_gt(received(&fixture), before);
    ck_assert_ptr_nonnull(strstr(fixture.seen, "a:expected"));
    ck_assert_ptr_null(memmem(fixture.client.received, fixture.client.received_len, "/echo", 5));
    tp_session_resume(witness.session, TP_PASS, NULL);
    received(&fixture);
    ck_assert_ptr_nonnull(memmem(fixture.client.received, fixture.client.received_len, "/echo", 5));
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_has_said_all_is_answered_after_the_greeting)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    fixture_connect(&fixture);
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", TP_STR("body"));
    fixture_send(&fixture);
    tp__test_client_finish(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 3);
    tp_session_resume(witness.session, TP_PASS, NULL);
    want_echo(&fixture, 1, "/echo");
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_packet_may_be_refused_before_it_is_read)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    send_pull(&fixture, 1, "/echo");
    want_echo(&fixture, 1, "/echo");
    fixture_expect(&fixture);
    witness.says[TP_HOOK_PRE_READ_HEADER] = TP_REFUSE;
    send_pull(&fixture, 2, "/echo");
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    fixture_expect(&fixture);
    ck_assert(has_logged(&fixture, "reason=refused"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_packet_may_wait_before_it_is_read)
{
    struct fixture fixture;
    struct witness witness;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &answer));
    tp__test_bench_turn(&fixture.bench, 2);
    size_t before = received(&fixture);

    fixture.seen_len = 0;
    witness.says[TP_HOOK_PRE_READ_HEADER] = TP_LATER;
    tp__test_stream_add_pull(&fixture.sent, 1, "/echo", TP_STR("body"));
    fixture_send(&fixture);
    send_reply(&fixture);
    ck_assert_uint_eq(0, answer.count); /* replies wait here, too */
    expect_seen(&fixture, "a:pre_read_header ");
    tp_session_resume(witness.session, TP_PASS, NULL);
    ck_assert_uint_gt(received(&fixture), before);
    ck_assert_uint_eq(1, answer.count);
    /* Once for each packet. */
    ck_assert_ptr_nonnull(strstr(fixture.seen, "a:pre_read_header a:post_read_reply_header"));
    fixture_close(&fixture);
}
END_TEST

/* Our own: at pre_write_… and at the three points of a REPLY. */

static const enum tp_hook_point reply_points[] = {
    TP_HOOK_POST_READ_REPLY_HEADER,
    TP_HOOK_PRE_READ_REPLY_BODY,
    TP_HOOK_POST_READ_REPLY_BODY,
};

START_TEST(a_pull_of_ours_may_be_refused)
{
    struct fixture fixture;
    struct witness witness;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_REFUSE;
    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &answer));
    ck_assert_uint_eq(0, answer.count); /* from the loop, never from within the call */
    tp__test_bench_run(&fixture.bench, 5);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(1001, answer.code);
    ck_assert_uint_eq(0, received(&fixture));
    ck_assert_uint_eq(0, fixture.client.session->own_pull_count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_refused_pull_ends_once_though_its_session_ends_first)
{
    struct fixture fixture;
    struct witness witness;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_REFUSE;
    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &answer));
    tp__session_close(&fixture.client.session, TP_CLOSE_CONNECTION_BROKEN);
    tp__test_bench_run(&fixture.bench, 5);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(1001, answer.code);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_pull_of_ours_may_be_postponed)
{
    struct fixture fixture;
    struct witness witness;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_LATER;
    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &answer));
    send_reply(&fixture); /* to what was never sent */
    ck_assert_uint_eq(0, received(&fixture));
    ck_assert_uint_eq(0, answer.count);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    ck_assert_uint_gt(received(&fixture), 0);
    send_reply(&fixture);
    ck_assert_str_eq("answer", answer.body);

    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_LATER;
    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &answer));
    tp_exchange_resume(witness.postponed, TP_REFUSE, NULL);
    ck_assert_uint_eq(2, answer.count);
    ck_assert_int_eq(403, answer.code);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_postponed_pull_of_ours_times_out)
{
    struct fixture fixture;
    struct witness witness;
    struct tp_send_options options = { .timeout = { TIMEOUT_MS } };
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    witness.says[TP_HOOK_PRE_WRITE_PULL] = TP_LATER;
    ck_assert_int_eq(TP_OK, ask(&fixture, &options, &answer));
    tp__test_bench_run(&fixture.bench, 2 * TIMEOUT_MS);
    ck_assert_int_eq(504, answer.code);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    ck_assert_uint_eq(0, received(&fixture));
    ck_assert_uint_eq(1, answer.count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_push_of_ours_may_be_refused)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    struct tp_session *session = fixture.client.session;

    witness.says[TP_HOOK_PRE_WRITE_PUSH] = TP_REFUSE;
    ck_assert_int_eq(TP_DENIED, tp_session_push(session, TP_STR("/tell"), TP_STR("x"), NULL));
    witness.says[TP_HOOK_PRE_WRITE_PUSH] = TP_LATER;
    ck_assert_int_eq(TP_OK, tp_session_push(session, TP_STR("/tell"), TP_STR("x"), NULL));
    ck_assert_uint_eq(0, received(&fixture));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    size_t len = received(&fixture);

    ck_assert_uint_gt(len, 0);
    witness.says[TP_HOOK_PRE_WRITE_PUSH] = TP_LATER;
    ck_assert_int_eq(TP_OK, tp_session_push(session, TP_STR("/tell"), TP_STR("x"), NULL));
    tp_exchange_resume(witness.postponed, TP_REFUSE, NULL);
    ck_assert_uint_eq(len, received(&fixture));
    witness.says[TP_HOOK_PRE_WRITE_PUSH] = TP_LATER;
    ck_assert_int_eq(TP_OK, tp_session_push(session, TP_STR("/tell"), TP_STR("x"), NULL));
    tp__session_close(&fixture.client.session, TP_CLOSE_CONNECTION_BROKEN);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_reply_may_be_refused)
{
    struct fixture fixture;
    struct witness witness;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &answer));
    tp__test_bench_turn(&fixture.bench, 2);
    witness.says[reply_points[_i]] = TP_REFUSE;
    send_reply(&fixture);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(1001, answer.code);
    ck_assert_str_eq("", answer.body);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_reply_may_be_postponed)
{
    struct fixture fixture;
    struct witness witness;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &answer));
    tp__test_bench_turn(&fixture.bench, 2);
    witness.says[reply_points[_i]] = TP_LATER;
    send_reply(&fixture);
    send_reply(&fixture); /* once is enough */
    ck_assert_uint_eq(0, answer.count);
    /* Who closes behind his answer has answered all the same. */
    tp__test_client_finish(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 3);
    ck_assert_uint_eq(0, answer.count);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_str_eq("answer", answer.body);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_postponed_reply_ends_with_its_session)
{
    struct fixture fixture;
    struct witness witness;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    ck_assert_int_eq(TP_OK, ask(&fixture, NULL, &answer));
    tp__test_bench_turn(&fixture.bench, 2);
    witness.says[reply_points[_i]] = TP_LATER;
    send_reply(&fixture);
    tp__session_close(&fixture.client.session, TP_CLOSE_CONNECTION_BROKEN);
    ck_assert_uint_eq(1, answer.count);
    ck_assert_int_eq(101, answer.code);
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    ck_assert_uint_eq(1, answer.count);
    fixture_close(&fixture);
}
END_TEST

/* Points that may only watch, or that cannot wait. */

static const enum tp_hook_point watching_points[] = {
    TP_HOOK_POST_WRITE_REPLY,
    TP_HOOK_POST_WRITE_PULL,
    TP_HOOK_POST_WRITE_PUSH,
    TP_HOOK_POST_DISCONNECT,
};

/* A PULL, one of ours, a PUSH of ours, and the end. */
static void
live(struct fixture *fixture, struct answer *answer)
{
    send_pull(fixture, 1, "/echo");
    ck_assert_int_eq(TP_OK, ask(fixture, NULL, answer));
    tp__test_bench_turn(&fixture->bench, 2);
    send_reply(fixture);
    ck_assert_int_eq(TP_OK,
                     tp_session_push(fixture->client.session, TP_STR("/tell"), TP_STR("x"), NULL));
    tp__test_bench_turn(&fixture->bench, 2);
    tp__test_client_finish(&fixture->client);
    tp__test_client_expect_end(&fixture->client, &fixture->bench);
}

START_TEST(a_refusal_of_who_watches_is_only_logged)
{
    struct fixture fixture;
    struct witness witness;
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    witness.says[watching_points[_i]] = TP_REFUSE;
    live(&fixture, &answer);
    ck_assert_str_eq("answer", answer.body);
    ck_assert(has_logged(&fixture, "hook-refusal-ignored: point="));
    ck_assert_ptr_nonnull(strstr(fixture.bench.logged, tp_hook_point_word(watching_points[_i])));
    fixture_close(&fixture);
}
END_TEST

START_TEST(who_watches_cannot_say_later)
{
    struct fixture fixture;
    struct witness witness;
    struct answer answer = { 0 };

    tp__scratch_be_quiet();
    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    fixture_connect(&fixture);
    witness.says[watching_points[_i]] = TP_LATER;
    live(&fixture, &answer); /* does not come back */
}
END_TEST

static const enum tp_hook_point asked_points[] = {
    TP_HOOK_POST_REG,
    TP_HOOK_POST_LISTEN,
    TP_HOOK_PRE_DIAL,
};

static enum tp_verdict
ask_directly(enum tp_verdict verdict, enum tp_hook_point point, const char **refused_by)
{
    struct fixture fixture;
    struct witness witness;
    struct tp_session session;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.says[point] = verdict;
    struct tp_hook_call call = {
        .point = point,
        .session = point == TP_HOOK_PRE_DIAL ? &session : NULL,
        .text = TP_STR("about this"),
    };
    verdict = tp__hooks_ask(tp__hooks_at(fixture.server_hooks, point), &call, &fixture.bench.log,
                            refused_by);
    ck_assert_str_eq("about this", witness.text);
    ck_assert_int_eq(verdict == TP_REFUSE ? 1001 : 403, call.refusal.code);
    fixture_close(&fixture);
    return verdict;
}

START_TEST(what_is_asked_at_once_is_refused_at_once)
{
    const char *refused_by = NULL;

    ck_assert_int_eq(TP_PASS, ask_directly(TP_PASS, asked_points[_i], &refused_by));
    ck_assert_ptr_null(refused_by);
    ck_assert_int_eq(TP_REFUSE, ask_directly(TP_REFUSE, asked_points[_i], &refused_by));
    ck_assert_str_eq("a", refused_by);
}
END_TEST

START_TEST(what_is_asked_at_once_cannot_say_later)
{
    const char *refused_by;

    tp__scratch_be_quiet();
    ask_directly(TP_LATER, asked_points[_i], &refused_by); /* does not come back */
}
END_TEST

/* Dialed sessions. */

struct dialing {
    struct fixture fixture;
    struct tp_scratch scratch;
    char target[TARGET_MAX];
    int listener_fd;
    struct tp_session_handle dialed;
};

static void
dialing_open(struct dialing *dialing)
{
    const struct tp_listen_options options = { .backlog = 8 };
    struct tp_endpoint endpoint;

    fixture_open(&dialing->fixture);
    tp__scratch_open(&dialing->scratch);
    snprintf(dialing->target, sizeof(dialing->target), "unix:%s",
             tp__scratch_path(&dialing->scratch, "socket"));
    ck_assert_ptr_null(tp__endpoint_parse(tp__str(dialing->target), &endpoint));
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &options, &dialing->listener_fd));
}

static void
dialing_close(struct dialing *dialing)
{
    fixture_close(&dialing->fixture);
    tp__descriptor_close(&dialing->listener_fd);
    tp__scratch_close(&dialing->scratch);
}

static enum tp_result
dialing_dial(struct dialing *dialing, int64_t times)
{
    struct tp_test_bench *bench = &dialing->fixture.bench;
    struct tp_session *session = NULL;
    struct tp_dialing how = {
        .target = tp__target_of_address(tp__str(dialing->target)),
        .timeout = { 5000 },
        .redial = { .first = { 4 }, .max = { 20 }, .times = times },
    };
    enum tp_result result = tp__session_dial(&bench->sessions, &dialing->fixture.site.source,
                                             bench->next_number++, &how, &session);

    if (result == TP_OK) {
        dialing->dialed = tp_session_get_handle(session);
    }
    return result;
}

/* Accepts a connection: its other end becomes the client. */
static void
dialing_accept(struct dialing *dialing)
{
    struct fixture *fixture = &dialing->fixture;
    struct tp_address remote;
    int fd = -1;

    for (int i = 0; tp__socket_accept(dialing->listener_fd, &fd, &remote) != TP_OK; i++) {
        ck_assert_int_lt(i, TP_TEST_WAIT_MS);
        tp__test_bench_run(&fixture->bench, 1);
    }
    fixture->client = (struct tp_test_client){ .fd = fd, .received = malloc(TP_TEST_STREAM_MAX) };
    fixture->client.session = tp_session_at(dialing->dialed);
    tp__test_bench_run(&fixture->bench, 3);
}

START_TEST(a_dial_passes_its_points)
{
    struct dialing dialing;
    struct witness witness;

    dialing_open(&dialing);
    witness_stand(&witness, &dialing.fixture, "a", false);
    ck_assert_int_eq(TP_OK, dialing_dial(&dialing, -1));
    ck_assert_str_eq(dialing.target, witness.text);
    dialing_accept(&dialing);
    expect_seen(&dialing.fixture, "a:pre_dial a:post_dial ");
    tp__test_client_close(&dialing.fixture.client);
    dialing_accept(&dialing);
    expect_seen(&dialing.fixture, "a:post_disconnect a:pre_dial a:post_dial ");
    dialing_close(&dialing);
}
END_TEST

START_TEST(a_refused_dial_is_a_failed_attempt)
{
    struct dialing dialing;
    struct witness witness;

    dialing_open(&dialing);
    witness_stand(&witness, &dialing.fixture, "a", false);
    witness.says[TP_HOOK_PRE_DIAL] = TP_REFUSE;
    ck_assert_int_eq(TP_OK, dialing_dial(&dialing, -1));
    dialing_accept(&dialing);
    expect_seen(&dialing.fixture, "a:pre_dial a:pre_dial a:post_dial ");
    ck_assert(has_logged(&dialing.fixture, "dial-failed"));
    dialing_close(&dialing);
}
END_TEST

START_TEST(a_refused_dial_that_never_redials_is_none)
{
    struct dialing dialing;
    struct witness witness;

    dialing_open(&dialing);
    witness_stand(&witness, &dialing.fixture, "a", false);
    witness.says[TP_HOOK_PRE_DIAL] = TP_REFUSE;
    ck_assert_int_eq(TP_DENIED, dialing_dial(&dialing, 0));
    ck_assert_uint_eq(0, dialing.fixture.bench.sessions.count);
    dialing_close(&dialing);
}
END_TEST

START_TEST(a_refused_connection_ends_the_dialed_session)
{
    struct dialing dialing;
    struct witness witness;

    dialing_open(&dialing);
    witness_stand(&witness, &dialing.fixture, "a", false);
    witness.says[TP_HOOK_POST_DIAL] = TP_REFUSE;
    ck_assert_int_eq(TP_OK, dialing_dial(&dialing, -1));
    dialing_accept(&dialing);
    ck_assert_ptr_null(tp_session_at(dialing.dialed));
    ck_assert(has_logged(&dialing.fixture, "reason=refused"));
    dialing_close(&dialing);
}
END_TEST

START_TEST(what_waits_for_a_connection_waits_for_the_greeting)
{
    struct dialing dialing;
    struct witness witness;
    struct tp_send_options early = { .is_early = true };
    struct answer usual_answer = { 0 };
    struct answer early_answer = { 0 };
    struct fixture *fixture = &dialing.fixture;

    dialing_open(&dialing);
    witness_stand(&witness, fixture, "a", false);
    witness.says[TP_HOOK_POST_DIAL] = TP_LATER;
    ck_assert_int_eq(TP_OK, dialing_dial(&dialing, -1));
    fixture->client.session = tp_session_at(dialing.dialed);
    ck_assert_int_eq(TP_OK, ask(fixture, NULL, &usual_answer)); /* seq 0 */
    dialing_accept(&dialing);
    ck_assert_uint_eq(0, received(fixture));
    ck_assert_int_eq(TP_OK, ask(fixture, &early, &early_answer));
    size_t early_len = received(fixture);

    ck_assert_uint_gt(early_len, 0);
    tp__test_stream_add_reply(&fixture->sent, 1, "/ask", tp_status_of(TP_STATUS_OK),
                              TP_STR("you may"));
    fixture_send(fixture);
    ck_assert_str_eq("you may", early_answer.body);
    tp_session_resume(tp_session_at(dialing.dialed), TP_PASS, NULL);
    ck_assert_uint_gt(received(fixture), early_len);
    send_reply(fixture);
    ck_assert_str_eq("answer", usual_answer.body);
    dialing_close(&dialing);
}
END_TEST

/* Moves: the session goes on in the same process, as it would in another. */

static const struct tp_source *
find_source(void *owner, const char *name)
{
    struct fixture *fixture = owner;

    return strcmp(name, "test") == 0 ? &fixture->site.source : NULL;
}

/* The old record ends, as where it is moved from; what its hooks had, they let go of there. */
static void
fixture_move(struct fixture *fixture, struct tp_exchange *postponed)
{
    struct tp_session_receiver receiver = { find_source, fixture, &fixture->bench.log };
    struct tp_chain saved = { 0 };

    ck_assert_int_eq(TP_OK, tp__session_save(fixture->client.session, &saved));
    struct tp_str text = { malloc(saved.len), saved.len };

    tp_chain_copy(&saved, 0, saved.len, (uint8_t *) (uintptr_t) text.data);
    tp_chain_clear(&saved);
    int fd = dup(tp__session_fd(fixture->client.session));

    tp__session_close(&fixture->client.session, TP_CLOSE_MOVED);
    if (postponed != NULL) {
        tp_exchange_resume(postponed, TP_PASS, NULL);
    }
    ck_assert_int_eq(TP_OK, tp__session_restore(&fixture->bench.sessions, &receiver, fd, text));
    fixture->client.session =
        TP_CONTAINER_OF(fixture->bench.sessions.members.previous, struct tp_session, node);
    free((void *) (uintptr_t) text.data);
}

START_TEST(a_postponed_pull_is_asked_anew_where_it_moves)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", pull_points[_i].on_route);
    witness.says[pull_points[_i].point] = TP_LATER;
    fixture_connect(&fixture);
    send_pull(&fixture, 1, "/o?%20");
    send_pull(&fixture, 2, "/o");
    witness.says[pull_points[_i].point] = TP_LATER;
    fixture.seen_len = 0;
    fixture_move(&fixture, witness.postponed);
    /* The same point again, and none before it; seq 2 is behind, where it was. */
    ck_assert_int_eq(0, strncmp(fixture.seen + 2, tp_hook_point_word(pull_points[_i].point),
                                strlen(tp_hook_point_word(pull_points[_i].point))));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    want_echo(&fixture, 1, "/o?%20");
    want_echo(&fixture, 2, "/o");
    fixture_expect(&fixture);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_greeting_goes_on_where_it_moves)
{
    struct fixture fixture;
    struct witness witness;
    struct tp_send_options early = { .is_early = true };
    struct answer answer = { 0 };

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    fixture_connect(&fixture);
    ck_assert_int_eq(TP_OK, ask(&fixture, &early, &answer)); /* so that it reads */
    tp__test_bench_turn(&fixture.bench, 2);
    send_pull(&fixture, 1, "/other");
    ck_assert(fixture.client.session->has_unbegun);
    size_t before = received(&fixture);

    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    expect_seen(&fixture, "a:post_accept a:pre_write_pull a:post_write_pull ");
    fixture_move(&fixture, NULL);
    ck_assert_int_eq(101, answer.code); /* what it had asked it has to ask again */
    expect_seen(&fixture, "a:post_accept ");
    ck_assert_int_eq(TP_SESSION_GREETING, tp_session_get_state(fixture.client.session));
    send_pull(&fixture, 2, "/echo");
    ck_assert_uint_eq(before, received(&fixture));
    tp_session_resume(fixture.client.session, TP_PASS, NULL);
    received(&fixture);
    want_echo(&fixture, 1, "/other");
    want_echo(&fixture, 2, "/echo");
    ck_assert_uint_eq(before + fixture.wanted.len, fixture.client.received_len);
    ck_assert_mem_eq(fixture.wanted.data, fixture.client.received + before, fixture.wanted.len);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_greeting_whose_hook_is_gone_ends)
{
    struct fixture fixture;
    struct witness witness;

    fixture_open(&fixture);
    witness_stand(&witness, &fixture, "a", false);
    witness.says[TP_HOOK_POST_ACCEPT] = TP_LATER;
    fixture_connect(&fixture);
    struct tp_hook_chain none = { 0 };

    /* As if it had been saved under another configuration. */
    struct tp_hook_chain before = fixture.server_hooks->at[TP_HOOK_POST_ACCEPT];
    struct tp_session_receiver receiver = { find_source, &fixture, &fixture.bench.log };
    struct tp_chain saved = { 0 };

    ck_assert_int_eq(TP_OK, tp__session_save(fixture.client.session, &saved));
    char *bytes = malloc(saved.len);

    tp_chain_copy(&saved, 0, saved.len, (uint8_t *) bytes);
    int fd = dup(tp__session_fd(fixture.client.session));

    tp__session_close(&fixture.client.session, TP_CLOSE_MOVED);
    fixture.server_hooks->at[TP_HOOK_POST_ACCEPT] = none;
    ck_assert_int_eq(TP_OK, tp__session_restore(&fixture.bench.sessions, &receiver, fd,
                                                (struct tp_str){ bytes, saved.len }));
    tp_chain_clear(&saved);
    free(bytes);
    tp__test_client_expect_end(&fixture.client, &fixture.bench);
    ck_assert(has_logged(&fixture, "session-not-restored"));
    fixture.server_hooks->at[TP_HOOK_POST_ACCEPT] = before;
    fixture_close(&fixture);
}
END_TEST

static void
add_pull_tests(TCase *tcase)
{
    int count = (int) TP_COUNT_OF(pull_points);

    tcase_add_loop_test(tcase, a_pull_that_is_refused_is_answered_so, 0, count);
    tcase_add_loop_test(tcase, a_pull_that_is_postponed_is_overtaken, 0, count);
    tcase_add_loop_test(tcase, a_pull_may_be_refused_later, 0, count);
    tcase_add_loop_test(tcase, an_ordered_route_keeps_its_order, 0, count);
    tcase_add_loop_test(tcase, a_postponed_pull_times_out_and_is_its_hooks_still, 0, count);
    tcase_add_loop_test(tcase, a_postponed_pull_outlives_its_session, 0, count);
    tcase_add_loop_test(tcase, a_hook_may_answer_at_once, 0, count);
    tcase_add_loop_test(tcase, a_hook_may_answer_instead_of_resuming, 0, count);
    tcase_add_loop_test(tcase, a_postponed_pull_is_asked_anew_where_it_moves, 0, count);
}

static void
add_session_tests(TCase *tcase)
{
    tcase_add_test(tcase, a_connection_may_be_refused);
    tcase_add_test(tcase, who_is_no_trusted_proxy_is_not_heard_of);
    tcase_add_test(tcase, a_refusal_may_say_why_first);
    tcase_add_test(tcase, a_greeting_session_is_not_read);
    tcase_add_test(tcase, a_greeting_session_may_be_refused);
    tcase_add_test(tcase, a_hook_that_never_goes_on_ends_the_session);
    tcase_add_test(tcase, a_hook_may_ask_while_the_session_greets);
    tcase_add_test(tcase, a_hook_may_expect_the_first_packet);
    tcase_add_test(tcase, what_has_come_already_may_be_expected);
    tcase_add_test(tcase, who_has_said_all_is_answered_after_the_greeting);
    tcase_add_test(tcase, a_packet_may_be_refused_before_it_is_read);
    tcase_add_test(tcase, a_packet_may_wait_before_it_is_read);
    tcase_add_test(tcase, a_greeting_goes_on_where_it_moves);
    tcase_add_test(tcase, a_greeting_whose_hook_is_gone_ends);
    tcase_add_test(tcase, a_dial_passes_its_points);
    tcase_add_test(tcase, a_refused_dial_is_a_failed_attempt);
    tcase_add_test(tcase, a_refused_dial_that_never_redials_is_none);
    tcase_add_test(tcase, a_refused_connection_ends_the_dialed_session);
    tcase_add_test(tcase, what_waits_for_a_connection_waits_for_the_greeting);
}

static void
add_own_tests(TCase *tcase)
{
    int count = (int) TP_COUNT_OF(reply_points);

    tcase_add_test(tcase, a_pull_of_ours_may_be_refused);
    tcase_add_test(tcase, a_refused_pull_ends_once_though_its_session_ends_first);
    tcase_add_test(tcase, a_pull_of_ours_may_be_postponed);
    tcase_add_test(tcase, a_postponed_pull_of_ours_times_out);
    tcase_add_test(tcase, a_push_of_ours_may_be_refused);
    tcase_add_loop_test(tcase, a_reply_may_be_refused, 0, count);
    tcase_add_loop_test(tcase, a_reply_may_be_postponed, 0, count);
    tcase_add_loop_test(tcase, a_postponed_reply_ends_with_its_session, 0, count);
}

Suite *
tp_suite_session_hooks(void)
{
    Suite *suite = suite_create("session/hooks");
    TCase *tcase = tcase_create("hooks");
    int push_count = (int) TP_COUNT_OF(push_points);
    int watching_count = (int) TP_COUNT_OF(watching_points);
    int asked_count = (int) TP_COUNT_OF(asked_points);

    tcase_add_test(tcase, each_point_is_what_the_table_says);
    tcase_add_test(tcase, a_life_passes_the_points_in_order);
    tcase_add_test(tcase, what_has_no_route_passes_the_hooks_of_none);
    add_pull_tests(tcase);
    tcase_add_loop_test(tcase, a_push_that_is_refused_is_dropped, 0, push_count);
    tcase_add_loop_test(tcase, a_push_may_be_postponed, 0, push_count);
    tcase_add_test(tcase, what_a_handler_keeps_may_be_postponed_too);
    tcase_add_test(tcase, a_hook_may_give_another_uri);
    add_session_tests(tcase);
    add_own_tests(tcase);
    tcase_add_loop_test(tcase, a_refusal_of_who_watches_is_only_logged, 0, watching_count);
    tcase_add_loop_test_raise_signal(tcase, who_watches_cannot_say_later, SIGABRT, 0,
                                     watching_count);
    tcase_add_loop_test(tcase, what_is_asked_at_once_is_refused_at_once, 0, asked_count);
    tcase_add_loop_test_raise_signal(tcase, what_is_asked_at_once_cannot_say_later, SIGABRT, 0,
                                     asked_count);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
