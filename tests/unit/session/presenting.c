/*
 * presenting.c - tests of session/presenting and server/credentials: a dialed session says who
 * it is to a listener whose sessions are guarded, in each protocol.
 */
#include <teleport/identity.h>

#include "base/clock.h"
#include "base/str.h"
#include "os/file.h"
#include "scratch.h"
#include "session/dial.h"
#include "session_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TARGET_MAX = 256,
    BODY_MAX = 64,
};

static const struct tp_test_route routes[] = {
    { .type = TP_PACKET_PULL, .uri = "/echo", .handler = "echo" },
    { .type = TP_PACKET_PUSH, .uri = "/told", .handler = "count" },
    { 0 },
};

/* One site dials, the other one listens and guards. */
struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_test_site guarded;
    struct tp_scratch scratch;
    char target[TARGET_MAX];
    int listener_fd;
    struct tp_session_handle dialed;
    unsigned accepted_count;
    unsigned given_count;      /* requests that the guard was given */
    unsigned hook_count;       /* calls of post_dial */
    unsigned write_hook_count; /* of pre_write_pull and the like */
    char given[BODY_MAX];      /* the last body */
    char given_uri[BODY_MAX];  /* its uri */
    int32_t given_type;
    const char *secret; /* what is right */
    bool is_silent;     /* the guard answers nobody */
    struct tp_exchange *kept;
};

struct answer {
    unsigned count;
    int32_t code;
};

static const char *const protocols[] = { "teleport", "raw", "json", "protobuf", "websocket" };

Suite *tp_suite_session_presenting(void);

static void
on_guarded(struct tp_exchange *exchange, void *owner)
{
    struct fixture *fixture = owner;
    struct tp_session *session = tp_exchange_session(exchange);
    struct tp_status unauthorized = tp_status_of(TP_STATUS_UNAUTHORIZED);
    struct tp_str body;
    struct tp_str uri = tp_exchange_uri(exchange);

    ck_assert_int_eq(TP_OK, tp_exchange_read_body(exchange, &body));
    fixture->given_count++;
    fixture->given_type = tp_exchange_type(exchange);
    snprintf(fixture->given, sizeof(fixture->given), "%.*s", (int) body.len, body.data);
    snprintf(fixture->given_uri, sizeof(fixture->given_uri), "%.*s", (int) uri.len, uri.data);
    if (fixture->is_silent) {
        fixture->kept = exchange;
        tp_exchange_keep(exchange);
    } else if (strcmp(fixture->given, fixture->secret) == 0) {
        tp_exchange_reply_copy(exchange, TP_STR(""), TP_CODEC_NONE);
        tp_session_resume(session, TP_PASS, NULL);
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
        .packet_limit = { 4096 },
        .timeout = { TP_TEST_WAIT_MS },
        .handler = on_guarded,
        .owner = fixture,
    };

    ck_assert_int_eq(TP_OK, tp_session_set_guard(call->session, &guard));
    return TP_LATER;
}

static enum tp_verdict
count_on_dial(struct tp_hook_call *call, const void *conf)
{
    struct fixture *fixture = *(struct fixture *const *) conf;

    (void) call;
    fixture->hook_count++;
    return TP_PASS;
}

static enum tp_verdict
count_on_write(struct tp_hook_call *call, const void *conf)
{
    struct fixture *fixture = *(struct fixture *const *) conf;

    (void) call;
    fixture->write_hook_count++;
    return TP_PASS;
}

static const struct tp_hooks guard_hooks = { .at = { [TP_HOOK_POST_ACCEPT] = guard_on_accept } };
static const struct tp_hooks dial_hooks = { .at = {
    [TP_HOOK_POST_DIAL] = count_on_dial,
    [TP_HOOK_PRE_WRITE_PULL] = count_on_write,
    [TP_HOOK_POST_WRITE_PULL] = count_on_write,
    [TP_HOOK_POST_READ_REPLY_HEADER] = count_on_write,
} };

static void
site_hook(struct tp_test_site *site, const struct tp_hooks *hooks, struct fixture *fixture)
{
    struct fixture **conf = tp__arena_new(&site->arena, struct fixture *);
    struct tp_hook_source source = { .hooks = hooks, .conf = conf, .owner = "test" };
    struct tp_hook_set *set = NULL;
    uint32_t points = 0;

    *conf = fixture;
    for (unsigned point = 0; point < TP_HOOK_POINT_COUNT; point++) {
        points |= hooks->at[point] == NULL ? 0 : TP_HOOK_BIT(point);
    }
    ck_assert_int_eq(TP_OK, tp__hooks_add(&set, &source, points, &site->arena));
    site->server.hooks = set;
    site->server.logging.logs_bodies = true;
    site->server.logging.body_limit.bytes = 1024;
}

static void
fixture_open(struct fixture *fixture, const char *protocol)
{
    const struct tp_listen_options options = { .backlog = 8 };
    struct tp_endpoint endpoint;

    memset(fixture, 0, sizeof(*fixture));
    fixture->secret = "lamp:secret";
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, routes);
    tp__test_site_open(&fixture->guarded, &fixture->bench, routes);
    site_hook(&fixture->site, &dial_hooks, fixture);
    site_hook(&fixture->guarded, &guard_hooks, fixture);
    fixture->site.source.protocol =
        tp__server_find_protocol(&fixture->site.server, tp__str(protocol));
    fixture->guarded.source.protocol =
        tp__server_find_protocol(&fixture->guarded.server, tp__str(protocol));
    tp__scratch_open(&fixture->scratch);
    snprintf(fixture->target, sizeof(fixture->target), "unix:%s",
             tp__scratch_path(&fixture->scratch, "socket"));
    ck_assert_ptr_null(tp__endpoint_parse(tp__str(fixture->target), &endpoint));
    ck_assert_int_eq(TP_OK, tp__socket_listen(&endpoint, &options, &fixture->listener_fd));
}

static void
fixture_close(struct fixture *fixture)
{
    ck_assert(!tp__test_bench_has_logged(&fixture->bench, "secret"));
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
    tp__test_site_close(&fixture->guarded);
    tp__descriptor_close(&fixture->listener_fd);
    tp__scratch_close(&fixture->scratch);
}

static void
fixture_dial_slowly(struct fixture *fixture, int64_t times,
                    const struct tp_credentials *credentials, int64_t timeout_ms)
{
    struct tp_dialing dialing = {
        .target = tp__target_of_address(tp__str(fixture->target)),
        .timeout = { timeout_ms },
        .redial = { .first = { 1 }, .max = { 2 }, .times = times },
        .credentials = *credentials,
    };
    struct tp_session *session;

    /* A name that WebSocket can ask for, and that nobody looks up. */
    dialing.target.whole = TP_STR("a.example/x");
    dialing.target.address = tp__str(fixture->target);
    ck_assert_int_eq(TP_OK, tp__session_dial(&fixture->bench.sessions, &fixture->site.source,
                                             fixture->bench.next_number++, &dialing, &session));
    fixture->dialed = tp_session_get_handle(session);
}

static void
fixture_dial(struct fixture *fixture, int64_t times, const char *text)
{
    fixture_dial_slowly(fixture, times, &(struct tp_credentials){ .text = text }, TP_TEST_WAIT_MS);
}

static struct tp_session *
dialed(const struct fixture *fixture)
{
    return tp_session_at(fixture->dialed);
}

/* Accepts whoever comes, and lets the loop turn for a millisecond. */
static void
fixture_turn(struct fixture *fixture)
{
    struct tp_address remote;
    int fd = -1;

    if (tp__socket_accept(fixture->listener_fd, &fd, &remote) == TP_OK) {
        fixture->accepted_count++;
        ck_assert_int_eq(TP_OK,
                         tp__session_start(&fixture->bench.sessions, &fixture->guarded.source,
                                           fixture->bench.next_number++, fd, &remote));
    }
    tp__test_bench_run(&fixture->bench, 1);
}

static bool
fixture_is_open(const struct fixture *fixture)
{
    return dialed(fixture) != NULL && tp_session_get_state(dialed(fixture)) == TP_SESSION_OPEN;
}

static bool
fixture_is_gone(const struct fixture *fixture)
{
    return dialed(fixture) == NULL;
}

static bool
fixture_was_given(const struct fixture *fixture)
{
    return fixture->given_count > 0;
}

static void
fixture_run_until(struct fixture *fixture, bool (*is_reached)(const struct fixture *fixture))
{
    int64_t end_ms = tp__clock_monotonic_ms() + TP_TEST_WAIT_MS;

    while (!is_reached(fixture)) {
        ck_assert(tp__clock_monotonic_ms() < end_ms);
        fixture_turn(fixture);
    }
}

static void
on_reply(const struct tp_reply *reply, void *owner)
{
    struct answer *answer = owner;

    answer->count++;
    answer->code = tp_reply_status(reply)->code;
}

static void
pull(struct fixture *fixture, struct answer *answer)
{
    ck_assert_int_eq(TP_OK, tp_session_pull_async(dialed(fixture), TP_STR("/echo"), TP_STR("x"),
                                                  NULL, on_reply, answer));
}

static void
fixture_run_until_answered(struct fixture *fixture, const struct answer *answer)
{
    int64_t end_ms = tp__clock_monotonic_ms() + TP_TEST_WAIT_MS;

    while (answer->count == 0) {
        ck_assert(tp__clock_monotonic_ms() < end_ms);
        fixture_turn(fixture);
    }
}

START_TEST(what_is_asked_leaves_behind_the_credentials)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    bool is_pull = strcmp(protocols[_i], "teleport") == 0;

    fixture_open(&fixture, protocols[_i]);
    fixture_dial(&fixture, 0, "lamp:secret");
    pull(&fixture, &answer);
    fixture.write_hook_count = 0;
    fixture_run_until_answered(&fixture, &answer);
    ck_assert_int_eq(200, answer.code);
    ck_assert_uint_eq(1, fixture.given_count);
    ck_assert_str_eq("lamp:secret", fixture.given);
    ck_assert_str_eq(is_pull ? "/auth" : "", fixture.given_uri);
    ck_assert_int_eq(is_pull ? TP_PACKET_PULL : TP_PACKET_AUTH_CALL, fixture.given_type);
    ck_assert_uint_eq(1, fixture.hook_count);
    ck_assert_uint_eq(2, fixture.write_hook_count); /* of what was asked, not of that */
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "packet-sent"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(hooks_hear_of_who_was_let_in)
{
    struct fixture fixture;
    struct tp_status ok = tp_status_of(TP_STATUS_OK);

    fixture_open(&fixture, protocols[_i]);
    fixture.is_silent = true;
    fixture_dial(&fixture, 0, "lamp:secret");
    fixture_run_until(&fixture, fixture_was_given);
    ck_assert_int_eq(TP_SESSION_GREETING, tp_session_get_state(dialed(&fixture)));
    ck_assert_uint_eq(0, fixture.hook_count);
    struct tp_session *guarded = tp_exchange_session(fixture.kept);

    tp_exchange_finish_copy(fixture.kept, &ok, TP_STR(""), TP_CODEC_NONE);
    tp_session_resume(guarded, TP_PASS, NULL);
    fixture_run_until(&fixture, fixture_is_open);
    ck_assert_uint_eq(1, fixture.hook_count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_refusal_is_a_failed_attempt)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture, protocols[_i]);
    fixture_dial(&fixture, 2, "lamp:secret?");
    pull(&fixture, &answer);
    fixture_run_until(&fixture, fixture_is_gone);
    ck_assert_uint_eq(3, fixture.accepted_count);
    ck_assert_uint_eq(3, fixture.given_count);
    ck_assert_uint_eq(0, fixture.hook_count);
    ck_assert_int_eq(101, answer.code);
    ck_assert_int_eq(TP_DENIED, fixture.bench.sessions.dial_result);
    ck_assert_int_eq(401, fixture.bench.sessions.refusal.code);
    ck_assert_str_eq("Unauthorized", fixture.bench.sessions.refusal.text);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "status=401 text=\"Unauthorized\""));
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "reason=auth-failed"));
    fixture_close(&fixture);
}
END_TEST

START_TEST(without_redial_one_refusal_ends_it)
{
    struct fixture fixture;

    fixture_open(&fixture, protocols[_i]);
    fixture_dial(&fixture, 0, "wrong");
    fixture_run_until(&fixture, fixture_is_gone);
    ck_assert_uint_eq(1, fixture.accepted_count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(each_connection_reads_the_file_anew)
{
    struct fixture fixture;
    const char *path;

    fixture_open(&fixture, protocols[_i]);
    path = tp__scratch_write(&fixture.scratch, "credentials", "lamp:old\n");
    fixture_dial_slowly(&fixture, -1, &(struct tp_credentials){ .file = path, .uri = "/who" },
                        TP_TEST_WAIT_MS);
    fixture_run_until(&fixture, fixture_was_given);
    ck_assert_str_eq("lamp:old", fixture.given);
    tp__scratch_write(&fixture.scratch, "credentials", " \tlamp:secret\r\n\n");
    fixture_run_until(&fixture, fixture_is_open);
    ck_assert_str_eq("lamp:secret", fixture.given);
    ck_assert_str_eq(fixture.given_type == TP_PACKET_PULL ? "/who" : "", fixture.given_uri);
    fixture_close(&fixture);
}
END_TEST

START_TEST(credentials_that_cannot_be_had_are_not_left_out)
{
    static const struct {
        const char *content; /* NULL: there is no such file */
        const char *word;
    } rows[] = {
        { NULL, "result=not-found" },  { "", "result=invalid" },
        { "\n \n", "result=invalid" }, { "two\nlines", "result=invalid" },
        { "a\tb", "result=invalid" },  { "a\x7f", "result=invalid" },
    };
    struct fixture fixture;

    for (size_t i = 0; i < TP_COUNT_OF(rows); i++) {
        fixture_open(&fixture, "raw");
        struct tp_credentials credentials = {
            .file = tp__scratch_path(&fixture.scratch, "credentials"),
        };

        if (rows[i].content != NULL) {
            tp__scratch_write(&fixture.scratch, "credentials", rows[i].content);
        }
        fixture_dial_slowly(&fixture, 1, &credentials, TP_TEST_WAIT_MS);
        fixture_run_until(&fixture, fixture_is_gone);
        ck_assert(tp__test_bench_has_logged(&fixture.bench, rows[i].word));
        ck_assert_uint_eq(0, fixture.given_count);
        ck_assert_uint_eq(0, fixture.hook_count);
        fixture_close(&fixture);
    }
}
END_TEST

START_TEST(too_long_credentials_are_told_apart)
{
    static char content[TP_CREDENTIALS_MAX + 2];
    struct tp_credentials credentials = { .text = content };
    struct tp_text said = { 0 };

    memset(content, 'a', sizeof(content) - 1);
    ck_assert_int_eq(TP_TOO_LARGE, tp__credentials_read(&credentials, &said));
    content[TP_CREDENTIALS_MAX] = '\n';
    ck_assert_int_eq(TP_OK, tp__credentials_read(&credentials, &said));
    ck_assert_uint_eq(TP_CREDENTIALS_MAX, said.len);
    tp__credentials_wipe(&said);
}
END_TEST

START_TEST(a_variable_may_say_them)
{
    struct tp_credentials credentials = { .environment = "TP_TEST_CREDENTIALS" };
    struct tp_text said = { 0 };

    ck_assert_int_eq(0, unsetenv("TP_TEST_CREDENTIALS"));
    ck_assert_int_eq(TP_NOT_FOUND, tp__credentials_read(&credentials, &said));
    ck_assert_int_eq(0, setenv("TP_TEST_CREDENTIALS", "lamp:secret ", 1));
    ck_assert_int_eq(TP_OK, tp__credentials_read(&credentials, &said));
    ck_assert_str_eq("lamp:secret", tp__text_get(&said).data);
    tp__credentials_wipe(&said);
}
END_TEST

START_TEST(an_answer_that_does_not_come_ends_the_attempt)
{
    struct fixture fixture;
    struct tp_credentials credentials = { .text = "lamp:secret" };
    struct tp_status ok = tp_status_of(TP_STATUS_OK);

    fixture_open(&fixture, protocols[_i]);
    fixture.is_silent = true;
    fixture_dial_slowly(&fixture, 0, &credentials, 100);
    fixture_run_until(&fixture, fixture_is_gone);
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "credentials-refused"));
    ck_assert(tp__test_bench_has_logged(&fixture.bench, "status=504"));
    /* Where the machine stood still for that long, the attempt ended before the guard heard. */
    if (fixture.kept != NULL) {
        tp_exchange_finish_copy(fixture.kept, &ok, TP_STR(""), TP_CODEC_NONE);
    }
    fixture_close(&fixture);
}
END_TEST

/* What was queued before it was told to close leaves all the same, behind the credentials. */
START_TEST(one_that_is_closed_early_still_says_what_it_has_to)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture, protocols[_i]);
    fixture_dial(&fixture, -1, "lamp:secret");
    pull(&fixture, &answer);
    tp_session_close(dialed(&fixture));
    fixture_run_until(&fixture, fixture_is_gone);
    ck_assert_int_eq(200, answer.code);
    fixture_close(&fixture);
}
END_TEST

START_TEST(one_that_is_closed_early_ends_when_it_is_refused)
{
    struct fixture fixture;
    struct answer answer = { 0 };

    fixture_open(&fixture, protocols[_i]);
    fixture_dial(&fixture, -1, "wrong");
    pull(&fixture, &answer);
    tp_session_close(dialed(&fixture));
    fixture_run_until(&fixture, fixture_is_gone);
    ck_assert_int_eq(101, answer.code);
    fixture_close(&fixture);
}
END_TEST

START_TEST(a_live_session_says_it_anew)
{
    struct fixture fixture;
    struct answer answer = { 0 };
    bool is_pull = strcmp(protocols[_i], "teleport") == 0;

    fixture_open(&fixture, protocols[_i]);
    /* Without anything that authenticates it is a PULL like others there. */
    fixture.guarded.server.logging.logs_bodies = false;
    fixture_dial(&fixture, -1, "lamp:secret");
    fixture_run_until(&fixture, fixture_is_open);
    ck_assert_int_eq(TP_INVALID,
                     tp_session_present(dialed(&fixture), TP_STR(""), NULL, on_reply, &answer));
    ck_assert_int_eq(TP_OK, tp_session_present(dialed(&fixture), TP_STR("lamp:secret"), NULL,
                                               on_reply, &answer));
    fixture_run_until_answered(&fixture, &answer);
    /* Nobody authenticates there any more: a route would have to, or everybody is let in. */
    ck_assert_int_eq(is_pull ? 404 : 200, answer.code);
    ck_assert_uint_eq(0, fixture.write_hook_count);
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_session_presenting(void)
{
    Suite *suite = suite_create("session/presenting");
    TCase *tests = tcase_create("presenting");
    int count = TP_COUNT_OF(protocols);

    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, what_is_asked_leaves_behind_the_credentials, 0, count);
    tcase_add_loop_test(tests, hooks_hear_of_who_was_let_in, 0, count);
    tcase_add_loop_test(tests, a_refusal_is_a_failed_attempt, 0, count);
    tcase_add_loop_test(tests, without_redial_one_refusal_ends_it, 0, count);
    tcase_add_loop_test(tests, each_connection_reads_the_file_anew, 0, count);
    tcase_add_test(tests, credentials_that_cannot_be_had_are_not_left_out);
    tcase_add_test(tests, too_long_credentials_are_told_apart);
    tcase_add_test(tests, a_variable_may_say_them);
    tcase_add_loop_test(tests, an_answer_that_does_not_come_ends_the_attempt, 0, count);
    tcase_add_loop_test(tests, one_that_is_closed_early_still_says_what_it_has_to, 0, count);
    tcase_add_loop_test(tests, one_that_is_closed_early_ends_when_it_is_refused, 0, count);
    tcase_add_loop_test(tests, a_live_session_says_it_anew, 0, count);
    suite_add_tcase(suite, tests);
    return suite;
}
