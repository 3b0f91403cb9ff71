/*
 * hook_call.c - tests of server/hooks and session/hook_call: when each point comes, with what, in what
 * order, and who may only watch or cannot wait.
 *
 * What a refusal does on the wire, and what later does, is in hooks_pull.c (what the other end
 * asks), hooks_own.c (what we ask), hooks_greeting.c (where a session begins) and hooks_dial.c.
 */
#include <teleport/module.h>

#include "server/hooks.h"

#include "base/str.h"

#include "scratch.h"
#include "session/hook_call.h"
#include "witness_fixture.h"

#include <check.h>
#include <signal.h>
#include <string.h>

enum {
    ARENA_CHUNK = 1024,
};

Suite *tp_suite_session_hook_call(void);

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
        hooks.at[i] = tp__test_witness_hook;
        ck_assert_int_eq(is_of_routes ? TP_OK : TP_INVALID, tp__hooks_check_route(&hooks, &wrong));
        ck_assert_int_eq(is_of_routes ? TP_HOOK_POINT_COUNT : i, wrong);
    }
    enum tp_hook_point none;

    ck_assert(!tp__hook_point_find(TP_STR("post_mortem"), &none));
}
END_TEST

START_TEST(a_life_passes_the_points_in_order)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness first;
    struct tp_test_witness second;
    struct tp_test_witness of_route;
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&first, &fixture, "a", false);
    tp__test_witness_stand(&second, &fixture, "b", false);
    tp__test_witness_stand(&of_route, &fixture, "r", true);
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_expect_seen(&fixture, "a:post_accept b:post_accept ");

    tp__test_hooked_pull(&fixture, 7, "/echo");
    tp__test_hooked_expect_seen(
        &fixture, "a:pre_read_header b:pre_read_header "
                  "a:post_read_pull_header b:post_read_pull_header r:post_read_pull_header "
                  "a:pre_read_pull_body b:pre_read_pull_body r:pre_read_pull_body "
                  "a:post_read_pull_body b:post_read_pull_body r:post_read_pull_body "
                  "a:pre_write_reply b:pre_write_reply r:pre_write_reply "
                  "a:post_write_reply b:post_write_reply r:post_write_reply ");
    ck_assert_str_eq("200 body", of_route.reply);
    tp__test_hooked_want_echo(&fixture, 7, "/echo");
    tp__test_hooked_expect(&fixture);

    tp__test_hooked_push(&fixture);
    tp__test_hooked_expect_seen(
        &fixture, "a:pre_read_header b:pre_read_header "
                  "a:post_read_push_header b:post_read_push_header r:post_read_push_header "
                  "a:pre_read_push_body b:pre_read_push_body r:pre_read_push_body "
                  "a:post_read_push_body b:post_read_push_body r:post_read_push_body ");
    tp_exchange_reply_copy(tp__test_take_kept(), TP_STR(""), TP_CODEC_NONE);

    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(&fixture, NULL, &answer));
    tp__test_hooked_expect_seen(&fixture, "a:pre_write_pull b:pre_write_pull ");
    tp__test_bench_turn(&fixture.bench, 2);
    tp__test_hooked_expect_seen(&fixture, "a:post_write_pull b:post_write_pull ");
    tp__test_hooked_reply(&fixture);
    tp__test_hooked_expect_seen(&fixture, "a:pre_read_header b:pre_read_header "
                                          "a:post_read_reply_header b:post_read_reply_header "
                                          "a:pre_read_reply_body b:pre_read_reply_body "
                                          "a:post_read_reply_body b:post_read_reply_body ");
    ck_assert_str_eq("answer", answer.body);
    ck_assert_str_eq("200 answer", second.reply);

    ck_assert_int_eq(TP_OK,
                     tp_session_push(fixture.client.session, TP_STR("/tell"), TP_STR("x"), NULL));
    tp__test_bench_turn(&fixture.bench, 2);
    tp__test_hooked_expect_seen(
        &fixture, "a:pre_write_push b:pre_write_push a:post_write_push b:post_write_push ");
    tp__test_client_finish(&fixture.client);
    tp__test_bench_turn(&fixture.bench, 5);
    tp__test_hooked_expect_seen(&fixture, "a:post_disconnect b:post_disconnect ");
    ck_assert_str_eq("peer-closed", first.text);
    tp__test_hooked_close(&fixture);
}
END_TEST

static enum tp_verdict
nothing_on_call(struct tp_hook_call *call, const void *conf)
{
    (void) call;
    (void) conf;
    return TP_PASS;
}

static bool
wants_unless(const void *conf)
{
    return conf != NULL;
}

static bool
wants_at(const void *conf, enum tp_hook_point point)
{
    return point == *(const enum tp_hook_point *) conf;
}

START_TEST(a_module_stands_where_it_wants_to)
{
    static const struct tp_module module = {
        .name = "choosy",
        .hooks = { .at = { [TP_HOOK_POST_ACCEPT] = nothing_on_call,
                           [TP_HOOK_POST_READ_PULL_HEADER] = nothing_on_call } },
        .wants_hooks = wants_unless,
        .wants_hook_at = wants_at,
    };
    const uint32_t all = TP_HOOK_BIT(TP_HOOK_POINT_COUNT) - 1;
    const enum tp_hook_point wanted = TP_HOOK_POST_ACCEPT;
    struct tp_hook_set *set = NULL;
    struct tp_arena arena;

    tp__arena_init(&arena, ARENA_CHUNK);
    ck_assert_int_eq(TP_OK, tp__hooks_add_module(&set, &module, NULL, all, &arena));
    ck_assert_ptr_null(set);
    ck_assert_int_eq(TP_OK, tp__hooks_add_module(&set, &module, &wanted, all, &arena));
    ck_assert_ptr_nonnull(tp__hooks_at(set, TP_HOOK_POST_ACCEPT));
    ck_assert_ptr_null(tp__hooks_at(set, TP_HOOK_POST_READ_PULL_HEADER));
    tp__arena_fini(&arena);
}
END_TEST

static bool
spares_what_is_of_echo(const struct tp_exchange *exchange, const void *conf)
{
    (void) conf;
    return tp__str_equal(tp_exchange_uri(exchange), TP_STR("/echo"));
}

/* Those of the server's headers of PULLs. */
static void
witness_spares(const struct tp_test_hooked *fixture, tp_hook_spares_fn spares)
{
    const struct tp_hook_chain *chain = &fixture->server_hooks->at[TP_HOOK_POST_READ_PULL_HEADER];

    /* They lie in the site's arena, and are constant from here on only. */
    ((struct tp_hook_use *) chain->uses)->spares = spares;
}

START_TEST(what_a_module_spares_passes_without_a_call)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness_spares(&fixture, spares_what_is_of_echo);
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_expect_seen(&fixture, "a:post_accept ");
    tp__test_hooked_pull(&fixture, 1, "/echo");
    tp__test_hooked_expect_seen(&fixture, "a:pre_read_header "
                                          "a:pre_read_pull_body a:post_read_pull_body "
                                          "a:pre_write_reply a:post_write_reply ");
    tp__test_hooked_pull(&fixture, 2, "/nowhere");
    tp__test_hooked_expect_seen(&fixture, "a:pre_read_header a:post_read_pull_header "
                                          "a:pre_write_reply a:post_write_reply ");
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(what_has_no_route_passes_the_hooks_of_none)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness first;
    struct tp_test_witness of_route;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&first, &fixture, "a", false);
    tp__test_witness_stand(&of_route, &fixture, "r", true);
    tp__test_hooked_connect(&fixture);
    tp__test_hooked_expect_seen(&fixture, "a:post_accept ");
    tp__test_hooked_pull(&fixture, 1, "/nowhere");
    tp__test_hooked_expect_seen(&fixture,
                                "a:pre_read_header a:post_read_pull_header r:post_read_pull_header "
                                "a:pre_write_reply r:pre_write_reply "
                                "a:post_write_reply r:post_write_reply ");
    tp__test_hooked_want_status(&fixture, 1, "/nowhere", tp_status_of(TP_STATUS_NOT_FOUND));
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(a_hook_may_give_another_uri)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says_always = true;
    witness.uri = "/alias";
    witness.says[TP_HOOK_POST_READ_PULL_HEADER] = TP_REFUSE;
    witness.sets_uri = "/%65cho?q=1";
    tp__test_hooked_connect(&fixture);
    /* It refuses the uri that it has set no more, so it has to be asked to pass. */
    witness.says[TP_HOOK_POST_READ_PULL_HEADER] = TP_LATER;
    tp__test_hooked_pull(&fixture, 1, "/alias?x");
    ck_assert_int_eq(TP_OK, witness.set_uri_result);
    ck_assert(tp__str_equal(TP_STR("/echo"), tp_exchange_path(witness.postponed)));
    ck_assert(tp__str_equal(TP_STR("q=1"), tp_exchange_query(witness.postponed)));
    ck_assert_int_eq(TP_INVALID, tp_exchange_set_uri(witness.postponed, TP_STR("/%zz")));
    ck_assert(tp__str_equal(TP_STR("/%65cho?q=1"), tp_exchange_uri(witness.postponed)));
    ck_assert_int_eq(TP_OK, tp_exchange_set_uri(witness.postponed, TP_STR("/other")));
    tp_exchange_resume(witness.postponed, TP_PASS, NULL);
    tp__test_hooked_want_echo(&fixture, 1, "/alias?x");
    tp__test_hooked_expect(&fixture);

    /* Behind the router it comes too late. */
    witness.says[TP_HOOK_POST_READ_PULL_HEADER] = TP_PASS;
    witness.says[TP_HOOK_PRE_READ_PULL_BODY] = TP_REFUSE;
    witness.uri = "/echo";
    tp__test_hooked_pull(&fixture, 2, "/echo");
    ck_assert_int_eq(TP_DENIED, witness.set_uri_result);
    tp__test_hooked_want_status(&fixture, 2, "/echo", TP_TEST_REFUSED);
    tp__test_hooked_expect(&fixture);
    tp__test_hooked_close(&fixture);
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
live(struct tp_test_hooked *fixture, struct tp_test_answer *answer)
{
    tp__test_hooked_pull(fixture, 1, "/echo");
    ck_assert_int_eq(TP_OK, tp__test_hooked_ask(fixture, NULL, answer));
    tp__test_bench_turn(&fixture->bench, 2);
    tp__test_hooked_reply(fixture);
    ck_assert_int_eq(TP_OK,
                     tp_session_push(fixture->client.session, TP_STR("/tell"), TP_STR("x"), NULL));
    tp__test_bench_turn(&fixture->bench, 2);
    tp__test_client_finish(&fixture->client);
    tp__test_client_expect_end(&fixture->client, &fixture->bench);
}

START_TEST(a_refusal_of_who_watches_is_only_logged)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_test_answer answer = { 0 };

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
    witness.says[watching_points[_i]] = TP_REFUSE;
    live(&fixture, &answer);
    ck_assert_str_eq("answer", answer.body);
    ck_assert(tp__test_hooked_has_logged(&fixture, "hook-refusal-ignored: point="));
    ck_assert_ptr_nonnull(strstr(fixture.bench.logged, tp_hook_point_word(watching_points[_i])));
    tp__test_hooked_close(&fixture);
}
END_TEST

START_TEST(who_watches_cannot_say_later)
{
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_test_answer answer = { 0 };

    tp__scratch_be_quiet();
    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    tp__test_hooked_connect(&fixture);
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
    struct tp_test_hooked fixture;
    struct tp_test_witness witness;
    struct tp_session session;

    tp__test_hooked_open(&fixture);
    tp__test_witness_stand(&witness, &fixture, "a", false);
    witness.says[point] = verdict;
    struct tp_hook_call call = {
        .point = point,
        .session = point == TP_HOOK_PRE_DIAL ? &session : NULL,
        .text = TP_STR("about this"),
    };
    verdict = tp__hooks_ask(tp__hooks_at(fixture.server_hooks, point), &call, &fixture.bench.log,
                            refused_by);
    ck_assert_str_eq("about this", witness.text);
    ck_assert_int_eq(verdict == TP_REFUSE ? 1001 : 0, call.refusal.code);
    tp__test_hooked_close(&fixture);
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

Suite *
tp_suite_session_hook_call(void)
{
    Suite *suite = suite_create("session/hook_call");
    TCase *tcase = tcase_create("hooks");
    int watching_count = (int) TP_COUNT_OF(watching_points);
    int asked_count = (int) TP_COUNT_OF(asked_points);

    tcase_add_test(tcase, each_point_is_what_the_table_says);
    tcase_add_test(tcase, a_life_passes_the_points_in_order);
    tcase_add_test(tcase, a_module_stands_where_it_wants_to);
    tcase_add_test(tcase, what_a_module_spares_passes_without_a_call);
    tcase_add_test(tcase, what_has_no_route_passes_the_hooks_of_none);
    tcase_add_test(tcase, a_hook_may_give_another_uri);
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
