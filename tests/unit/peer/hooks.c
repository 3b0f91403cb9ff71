/*
 * hooks.c - tests of peer/hooks: the program's hooks on a peer and on groups.  What each point
 * means is tested with sessions.
 */
#include <teleport/teleport.h>

#include "base/str.h"
#include "os/file.h"

#include "peer_fixture.h"

#include <check.h>
#include <stdio.h>

enum {
    NOTES_MAX = 256,
};

/* The conf of all hooks here. */
struct witness {
    char notes[NOTES_MAX]; /* what was seen, words with a space behind */
    enum tp_hook_point refused;
    bool refuses;
    struct tp_peer *peer;
};

/* The conf of a group's. */
struct group_witness {
    struct witness *witness;
    const char *name;
};

Suite *tp_suite_peer_hooks(void);

static void
note(struct witness *witness, const char *word)
{
    size_t len = strlen(witness->notes);

    snprintf(witness->notes + len, sizeof(witness->notes) - len, "%s ", word);
}

/* A hook of the peer, for every point: notes it, and refuses where it is to. */
static enum tp_verdict
witness_see(struct tp_hook_call *call, const void *conf)
{
    struct witness *witness = (struct witness *) (uintptr_t) conf;

    ck_assert(witness->peer == NULL || witness->peer == call->peer);
    note(witness, tp_hook_point_word(call->point));
    if (call->text.len > 0 && call->session == NULL) {
        char text[NOTES_MAX];

        snprintf(text, sizeof(text), "%.*s", TP_STR_ARG(call->text));
        note(witness, text);
    }
    if (witness->refuses && witness->refused == call->point) {
        call->refusal = (struct tp_status){ 1002, TP_STR("I do not like it"), TP_STR("") };
        return TP_REFUSE;
    }
    return TP_PASS;
}

static enum tp_verdict
group_see(struct tp_hook_call *call, const void *conf)
{
    const struct group_witness *group = conf;

    ck_assert_ptr_nonnull(call->exchange);
    note(group->witness, group->name);
    return TP_PASS;
}

static struct tp_peer *
peer_make(const struct tp_hooks *hooks, struct witness *witness)
{
    struct tp_peer_options options = tp__test_quiet_options();
    struct tp_peer *peer;

    options.hooks = hooks;
    options.hooks_conf = witness;
    ck_assert_int_eq(TP_OK, tp_peer_create(&options, &peer));
    witness->peer = peer;
    return peer;
}

START_TEST(a_hook_of_post_reg_may_refuse_a_route)
{
    const struct tp_hooks hooks = { .at[TP_HOOK_POST_REG] = witness_see };
    struct witness witness = { .refused = TP_HOOK_POST_REG };
    struct tp_peer *peer = peer_make(&hooks, &witness);
    struct tp_group *group;

    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peer, "/a", tp__test_echo, NULL));
    ck_assert_int_eq(TP_OK, tp_peer_group(peer, NULL, "/g", NULL, NULL, &group));
    ck_assert_int_eq(TP_OK, tp_group_on_push(group, "*", tp__test_echo, NULL));
    witness.refuses = true;
    ck_assert_int_eq(TP_DENIED, tp_peer_on_pull(peer, "/b", tp__test_echo, NULL));
    ck_assert_str_eq("\"/b\": refused by a hook: 1002 I do not like it", tp_peer_last_error(peer));
    /* It is asked about what could be, only. */
    ck_assert_int_eq(TP_EXISTS, tp_peer_on_pull(peer, "/a", tp__test_echo, NULL));
    ck_assert_str_eq("post_reg /a post_reg /g/* post_reg /b ", witness.notes);
    witness.refuses = false;
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peer, "/b", tp__test_echo, NULL));
    tp_peer_destroy(&peer);
}
END_TEST

START_TEST(a_hook_of_post_listen_may_refuse_an_address)
{
    const struct tp_hooks hooks = { .at[TP_HOOK_POST_LISTEN] = witness_see };
    struct witness witness = { .refused = TP_HOOK_POST_LISTEN, .refuses = true };
    struct tp_peer *peer = peer_make(&hooks, &witness);
    size_t before = tp__descriptor_count();
    char expected[NOTES_MAX];
    uint16_t port = 0;

    ck_assert_int_eq(TP_DENIED, tp_peer_listen(peer, "127.0.0.1:0", &port));
    ck_assert_uint_eq(0, port);
    ck_assert_uint_eq(before, tp__descriptor_count());
    witness.refuses = false;
    witness.notes[0] = '\0';
    ck_assert_int_eq(TP_OK, tp_peer_listen(peer, "127.0.0.1:0", &port));
    snprintf(expected, sizeof(expected), "post_listen 127.0.0.1:%u ", port);
    ck_assert_str_eq(expected, witness.notes);
    tp_peer_destroy(&peer);
}
END_TEST

START_TEST(hooks_of_groups_run_behind_those_around_them)
{
    const struct tp_hooks hooks = {
        .at[TP_HOOK_POST_READ_PULL_HEADER] = witness_see,
        .at[TP_HOOK_POST_READ_PULL_BODY] = witness_see,
        .at[TP_HOOK_PRE_WRITE_REPLY] = witness_see,
    };
    const struct tp_hooks group_hooks = {
        .at[TP_HOOK_POST_READ_PULL_HEADER] = group_see,
        .at[TP_HOOK_POST_READ_PULL_BODY] = group_see,
        .at[TP_HOOK_PRE_WRITE_REPLY] = group_see,
    };
    struct witness witness = { .refuses = false };
    const struct group_witness outer_conf = { &witness, "outer" };
    const struct group_witness inner_conf = { &witness, "inner" };
    struct tp_peer_options options = tp__test_quiet_options();
    struct tp_test_peers peers;
    struct tp_test_reply reply;
    struct tp_group *outer, *middle, *inner;

    tp__test_peers_open(&peers, NULL);
    options.hooks = &hooks;
    options.hooks_conf = &witness;
    tp_peer_destroy(&peers.server);
    ck_assert_int_eq(TP_OK, tp_peer_create(&options, &peers.server));
    ck_assert_int_eq(TP_OK, tp_peer_listen(peers.server, peers.address, NULL));
    ck_assert_int_eq(TP_OK,
                     tp_peer_group(peers.server, NULL, "/o", &group_hooks, &outer_conf, &outer));
    ck_assert_int_eq(TP_OK, tp_peer_group(peers.server, outer, "/m", NULL, NULL, &middle));
    ck_assert_int_eq(TP_OK,
                     tp_peer_group(peers.server, middle, "/i", &group_hooks, &inner_conf, &inner));
    ck_assert_int_eq(TP_OK, tp_group_on_pull(inner, "/x", tp__test_echo, NULL));
    ck_assert_int_eq(TP_OK, tp_group_on_pull(outer, "/x", tp__test_echo, NULL));
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peers.server, "/x", tp__test_echo, NULL));

    ck_assert_int_eq(200, tp__test_pull(&peers, peers.session, "/o/m/i/x", &reply));
    ck_assert_str_eq("post_read_pull_header outer inner post_read_pull_body outer inner "
                     "pre_write_reply outer inner ",
                     witness.notes);
    witness.notes[0] = '\0';
    ck_assert_int_eq(200, tp__test_pull(&peers, peers.session, "/o/x", &reply));
    ck_assert_str_eq("post_read_pull_header outer post_read_pull_body outer pre_write_reply outer ",
                     witness.notes);
    witness.notes[0] = '\0';
    ck_assert_int_eq(200, tp__test_pull(&peers, peers.session, "/x", &reply));
    ck_assert_str_eq("post_read_pull_header post_read_pull_body pre_write_reply ", witness.notes);
    witness.notes[0] = '\0';
    ck_assert_int_eq(404, tp__test_pull(&peers, peers.session, "/none", &reply));
    ck_assert_str_eq("post_read_pull_header pre_write_reply ", witness.notes);
    tp__test_peers_close(&peers);
}
END_TEST

START_TEST(a_group_has_no_hooks_of_sessions)
{
    const struct tp_hooks hooks = { .at[TP_HOOK_POST_ACCEPT] = witness_see };
    struct witness witness = { .refuses = false };
    struct tp_peer *peer = peer_make(NULL, &witness);
    struct tp_group *group;

    ck_assert_int_eq(TP_INVALID, tp_peer_group(peer, NULL, "/g", &hooks, &witness, &group));
    ck_assert_str_eq("group \"/g\": no route has the point post_accept", tp_peer_last_error(peer));
    ck_assert_ptr_null(group);
    tp_peer_destroy(&peer);
}
END_TEST

START_TEST(sessions_come_and_go_through_hooks)
{
    const struct tp_hooks hooks = {
        .at[TP_HOOK_PRE_DIAL] = witness_see,
        .at[TP_HOOK_POST_DIAL] = witness_see,
        .at[TP_HOOK_POST_ACCEPT] = witness_see,
        .at[TP_HOOK_POST_DISCONNECT] = witness_see,
    };
    struct witness witness = { .refuses = false };
    struct tp_peer_options options = tp__test_quiet_options();
    struct tp_test_peers peers;
    struct tp_test_reply reply;

    options.hooks = &hooks;
    options.hooks_conf = &witness;
    tp__test_peers_open(&peers, &options);
    ck_assert_int_eq(404, tp__test_pull(&peers, peers.session, "/none", &reply));
    ck_assert_ptr_nonnull(strstr(witness.notes, "pre_dial "));
    ck_assert_ptr_nonnull(strstr(witness.notes, "post_dial "));
    ck_assert_ptr_nonnull(strstr(witness.notes, "post_accept "));
    ck_assert_ptr_null(strstr(witness.notes, "post_disconnect "));
    tp__test_peers_close(&peers);
    ck_assert_ptr_nonnull(strstr(witness.notes, "post_disconnect "));
}
END_TEST

/* The first packets of a session: who accepts asks for a name before anything else is taken. */
struct greeting {
    struct tp_session_handle handle;
    bool has_resumed;
};

static void
on_name(const struct tp_reply *reply, void *owner)
{
    struct greeting *greeting = owner;
    struct tp_session *session = tp_session_at(greeting->handle);

    ck_assert_int_eq(200, tp_reply_status(reply)->code);
    ck_assert_ptr_nonnull(session);
    ck_assert_int_eq(TP_SESSION_GREETING, tp_session_get_state(session));
    ck_assert_int_eq(TP_OK, tp_session_set_id(session, tp_reply_body(reply)));
    greeting->has_resumed = true;
    tp_session_resume(session, TP_PASS, NULL);
}

static enum tp_verdict
ask_for_name(struct tp_hook_call *call, const void *conf)
{
    const struct tp_send_options early = { .is_early = true };
    struct greeting *greeting = (struct greeting *) (uintptr_t) conf;

    greeting->handle = tp_session_get_handle(call->session);
    ck_assert_int_eq(TP_OK, tp_session_pull_async(call->session, TP_STR("/name"), TP_STR(""),
                                                  &early, on_name, greeting));
    return TP_LATER;
}

static void
say_name(struct tp_exchange *exchange, void *owner)
{
    (void) owner;
    tp_exchange_reply_copy(exchange, TP_STR("joe"), TP_CODEC_PLAIN);
}

static void
say_id(struct tp_exchange *exchange, void *owner)
{
    const struct greeting *greeting = owner;

    ck_assert(greeting->has_resumed);
    tp_exchange_reply_copy(exchange, tp_session_id(tp_exchange_session(exchange)), TP_CODEC_PLAIN);
}

START_TEST(the_first_exchange_may_be_a_hook_s)
{
    const struct tp_hooks hooks = { .at[TP_HOOK_POST_ACCEPT] = ask_for_name };
    struct greeting greeting = { .has_resumed = false };
    struct tp_peer_options options = tp__test_quiet_options();
    struct tp_test_peers peers;
    struct tp_test_reply reply;

    options.hooks = &hooks;
    options.hooks_conf = &greeting;
    tp__test_peers_open(&peers, &options);
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peers.client, "/name", say_name, NULL));
    ck_assert_int_eq(TP_OK, tp_peer_on_pull(peers.server, "/id", say_id, &greeting));
    ck_assert_int_eq(200, tp__test_pull(&peers, peers.session, "/id", &reply));
    ck_assert_str_eq("joe", reply.body);
    ck_assert_ptr_nonnull(tp_peer_find_id(peers.server, TP_STR("joe")));
    tp__test_peers_close(&peers);
}
END_TEST

Suite *
tp_suite_peer_hooks(void)
{
    Suite *suite = suite_create("peer/hooks");
    TCase *tests = tcase_create("hooks");

    tcase_add_test(tests, a_hook_of_post_reg_may_refuse_a_route);
    tcase_add_test(tests, a_hook_of_post_listen_may_refuse_an_address);
    tcase_add_test(tests, hooks_of_groups_run_behind_those_around_them);
    tcase_add_test(tests, a_group_has_no_hooks_of_sessions);
    tcase_add_test(tests, sessions_come_and_go_through_hooks);
    tcase_add_test(tests, the_first_exchange_may_be_a_hook_s);
    suite_add_tcase(suite, tests);
    return suite;
}
