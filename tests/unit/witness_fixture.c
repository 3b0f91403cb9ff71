/*
 * witness_fixture.c - sessions whose hooks are witnesses; see the header.
 */
#include "witness_fixture.h"

#include "base/str.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALL_POINTS (TP_HOOK_BIT(TP_HOOK_POINT_COUNT) - 1)

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/other", .handler = "echo" },
    { .type = TP_PACKET_PULL, .uri = "/keep", .handler = "keep" },
    { .type = TP_PACKET_PULL, .uri = "/o", .handler = "echo", .is_ordered = true },
    { .type = TP_PACKET_PUSH, .uri = "/push", .handler = "keep" },
    { 0 },
};

static void seen_add(struct tp_test_hooked *fixture, const char *name, const char *word);
static void check_subject(const struct tp_hook_call *call);
static void witness_act(struct tp_test_witness *witness, struct tp_hook_call *call);
static void on_reply(const struct tp_reply *reply, void *owner);
static const struct tp_source *find_source(void *owner, const char *name);

static const struct tp_hooks witness_hooks = { .at = {
#define WITNESS_ROW(name, word, subject, power, on_route, sentence)                                \
    [TP_HOOK_##name] = tp__test_witness_hook,
    TP_HOOK_TABLE(WITNESS_ROW)
#undef WITNESS_ROW
} };

void
tp__test_hooked_open(struct tp_test_hooked *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
}

void
tp__test_hooked_connect(struct tp_test_hooked *fixture)
{
    tp__test_client_open(&fixture->client, &fixture->bench, &fixture->site);
    tp__test_bench_turn(&fixture->bench, 2);
}

void
tp__test_hooked_close(struct tp_test_hooked *fixture)
{
    if (fixture->client.received != NULL) {
        tp__test_client_close(&fixture->client);
    }
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
    tp__test_stream_clear(&fixture->sent);
    tp__test_stream_clear(&fixture->wanted);
}

void
tp__test_witness_stand(struct tp_test_witness *witness, struct tp_test_hooked *fixture,
                       const char *name, bool on_routes)
{
    struct tp_arena *arena = &fixture->site.arena;
    struct tp_test_witness **conf = tp__arena_new(arena, struct tp_test_witness *);
    struct tp_hook_source source = { .hooks = &witness_hooks, .conf = conf, .owner = name };

    *witness = (struct tp_test_witness){ .fixture = fixture, .name = name };
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

enum tp_verdict
tp__test_witness_hook(struct tp_hook_call *call, const void *conf)
{
    struct tp_test_witness *witness = *(struct tp_test_witness *const *) conf;
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
    if (!witness->is_wordless) {
        call->refusal = TP_TEST_REFUSED;
    }
    if (verdict == TP_LATER) {
        witness->postponed = call->exchange;
    }
    return verdict;
}

void
tp__test_answer_expected(struct tp_exchange *exchange, void *owner)
{
    const struct tp_test_witness *witness = owner;

    seen_add(witness->fixture, witness->name, "expected");
    tp_exchange_reply_copy(exchange, TP_STR("welcome"), TP_CODEC_PLAIN);
}

void
tp__test_hooked_expect_seen(struct tp_test_hooked *fixture, const char *wanted)
{
    ck_assert_str_eq(wanted, fixture->seen);
    fixture->seen_len = 0;
    fixture->seen[0] = '\0';
}

void
tp__test_hooked_send(struct tp_test_hooked *fixture)
{
    tp__test_client_send(&fixture->client, &fixture->bench, &fixture->sent);
    tp__test_stream_clear(&fixture->sent);
    tp__test_bench_turn(&fixture->bench, 3);
}

void
tp__test_hooked_expect(struct tp_test_hooked *fixture)
{
    tp__test_client_expect(&fixture->client, &fixture->bench, &fixture->wanted);
}

void
tp__test_hooked_pull(struct tp_test_hooked *fixture, unsigned seq, const char *uri)
{
    tp__test_stream_add_pull(&fixture->sent, seq, uri, TP_STR("body"));
    tp__test_hooked_send(fixture);
}

void
tp__test_hooked_push(struct tp_test_hooked *fixture)
{
    tp__test_stream_add_push(&fixture->sent, 1, "/push", TP_STR("told"));
    tp__test_hooked_send(fixture);
}

void
tp__test_hooked_reply(struct tp_test_hooked *fixture)
{
    tp__test_stream_add_reply(&fixture->sent, 0, "/ask", tp_status_of(TP_STATUS_OK),
                              TP_STR("answer"));
    tp__test_hooked_send(fixture);
}

void
tp__test_hooked_want_echo(struct tp_test_hooked *fixture, unsigned seq, const char *uri)
{
    tp__test_stream_add_echo(&fixture->wanted, seq, uri, TP_STR("body"));
}

void
tp__test_hooked_want_status(struct tp_test_hooked *fixture, unsigned seq, const char *uri,
                            struct tp_status status)
{
    tp__test_stream_add_reply(&fixture->wanted, seq, uri, status, (struct tp_str){ 0 });
}

enum tp_result
tp__test_hooked_ask(struct tp_test_hooked *fixture, const struct tp_send_options *options,
                    struct tp_test_answer *answer)
{
    return tp_session_pull_async(fixture->client.session, TP_STR("/ask"), TP_STR("q"), options,
                                 on_reply, answer);
}

size_t
tp__test_hooked_received(struct tp_test_hooked *fixture)
{
    tp__test_bench_turn(&fixture->bench, 3);
    tp__test_client_read(&fixture->client);
    return fixture->client.received_len;
}

bool
tp__test_hooked_has_logged(const struct tp_test_hooked *fixture, const char *text)
{
    return tp__test_bench_has_logged(&fixture->bench, text);
}

struct tp_session_receiver
tp__test_hooked_receiver(struct tp_test_hooked *fixture)
{
    return (struct tp_session_receiver){ find_source, fixture, &fixture->bench.log };
}

void
tp__test_hooked_move(struct tp_test_hooked *fixture, struct tp_exchange *postponed)
{
    struct tp_session_receiver receiver = tp__test_hooked_receiver(fixture);
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

static void
seen_add(struct tp_test_hooked *fixture, const char *name, const char *word)
{
    int len = snprintf(fixture->seen + fixture->seen_len, TP_TEST_SEEN_MAX - fixture->seen_len,
                       "%s:%s ", name, word);

    fixture->seen_len += (size_t) len;
    ck_assert_uint_lt(fixture->seen_len, TP_TEST_SEEN_MAX);
}

static void
check_subject(const struct tp_hook_call *call)
{
    enum tp_hook_subject subject = tp__hook_point_subject(call->point);

    ck_assert_ptr_null(call->peer);
    ck_assert_int_eq(subject == TP_HOOK_OF_EXCHANGE, call->exchange != NULL);
    ck_assert_int_eq(subject != TP_HOOK_OF_PEER, call->session != NULL);
    ck_assert_int_eq(0, call->refusal.code);
    if (call->exchange != NULL) {
        ck_assert_ptr_eq(call->session, tp_exchange_session(call->exchange));
        ck_assert_uint_gt(tp_exchange_uri(call->exchange).len, 0);
    }
}

static void
witness_act(struct tp_test_witness *witness, struct tp_hook_call *call)
{
    if (witness->pushes_early) {
        struct tp_send_options early = { .is_early = true };

        ck_assert_int_eq(TP_OK,
                         tp_session_push(call->session, TP_STR("/early"), TP_STR("x"), &early));
        ck_assert_int_eq(TP_OK,
                         tp_session_push(call->session, TP_STR("/usual"), TP_STR("x"), NULL));
    }
    if (witness->expects) {
        tp_session_expect(call->session, tp__test_answer_expected, witness);
    }
    if (witness->sets_uri != NULL) {
        witness->set_uri_result = tp_exchange_set_uri(call->exchange, tp__str(witness->sets_uri));
    }
    if (witness->answers) {
        tp_exchange_reply_copy(call->exchange, TP_STR("at once"), TP_CODEC_PLAIN);
    }
}

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct tp_test_answer *answer = owner;
    struct tp_str body = tp_reply_body(reply);

    answer->count++;
    answer->code = tp_reply_status(reply)->code;
    snprintf(answer->body, sizeof(answer->body), "%.*s", (int) body.len, body.data);
}

static const struct tp_source *
find_source(void *owner, const char *name)
{
    struct tp_test_hooked *fixture = owner;

    return strcmp(name, "test") == 0 ? &fixture->site.source : NULL;
}
