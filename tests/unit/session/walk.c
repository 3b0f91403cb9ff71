/*
 * walk.c - tests of session/walk: each session is met once, whoever comes and goes meanwhile.
 */
#include "session/walk.h"

#include "session_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *tp_suite_session_walk(void);

enum {
    SESSIONS = 2500, /* more than two turns of a walk meet */
    TURNS_MAX = 100,
};

/* A bench with many sessions, and how often each was met by its number. */
struct fixture {
    struct tp_test_bench bench;
    struct tp_test_site site;
    struct tp_session *sessions[2 * SESSIONS + 1]; /* by their numbers, from 1 */
    unsigned met[2 * SESSIONS + 1];
    struct tp_session_walk walk;
    size_t met_count;
    unsigned again_count;
    bool is_done;
};

static void
fixture_on_session(struct tp_session_walk *walk, const struct tp_session *session)
{
    struct fixture *fixture = TP_CONTAINER_OF(walk, struct fixture, walk);

    ck_assert_ptr_eq(fixture->sessions[session->number], session);
    fixture->met[session->number]++;
    fixture->met_count++;
}

static void
fixture_on_again(struct tp_session_walk *walk)
{
    struct fixture *fixture = TP_CONTAINER_OF(walk, struct fixture, walk);

    memset(fixture->met, 0, sizeof(fixture->met));
    fixture->met_count = 0;
    fixture->again_count++;
}

static void
fixture_on_done(struct tp_session_walk *walk)
{
    TP_CONTAINER_OF(walk, struct fixture, walk)->is_done = true;
}

static void
add_sessions(struct fixture *fixture, uint64_t first, uint64_t count)
{
    const struct tp_address nowhere = { .family = TP_ADDRESS_NONE };

    for (uint64_t number = first; number < first + count; number++) {
        fixture->sessions[number] =
            tp__session_make(&fixture->bench.sessions, &fixture->site.source, number, -1, &nowhere);
        ck_assert_ptr_nonnull(fixture->sessions[number]);
    }
}

static void
close_session(struct fixture *fixture, uint64_t number)
{
    tp__session_close(&fixture->sessions[number], TP_CLOSE_CLOSED);
}

/* Too large for a stack. */
static struct fixture *
fixture_open(uint64_t session_count)
{
    static const struct tp_test_route no_routes[] = { { 0 } };
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    ck_assert_ptr_nonnull(fixture);
    tp__test_bench_open(&fixture->bench);
    tp__test_site_open(&fixture->site, &fixture->bench, no_routes);
    add_sessions(fixture, 1, session_count);
    fixture->walk.on_session = fixture_on_session;
    fixture->walk.on_again = fixture_on_again;
    fixture->walk.on_done = fixture_on_done;
    tp__session_walk_begin(&fixture->walk, &fixture->bench.sessions);
    return fixture;
}

static void
fixture_close(struct fixture *fixture)
{
    tp__test_bench_close(&fixture->bench);
    tp__test_site_close(&fixture->site);
    free(fixture);
}

static void
finish(struct fixture *fixture)
{
    for (int turn = 0; turn < TURNS_MAX && !fixture->is_done; turn++) {
        tp__test_bench_turn(&fixture->bench, 1);
    }
    ck_assert(fixture->is_done);
    ck_assert(tp__list_is_empty(&fixture->bench.sessions.walks));
}

static void
assert_met_once(const struct fixture *fixture, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++) {
        ck_assert_msg(fixture->met[number] == 1, "session %llu was met %u times",
                      (unsigned long long) number, fixture->met[number]);
    }
}

START_TEST(all_are_met_once_some_in_each_turn)
{
    struct fixture *fixture = fixture_open(SESSIONS);

    ck_assert_uint_eq(0, fixture->met_count);
    tp__test_bench_turn(&fixture->bench, 1);
    ck_assert_uint_gt(fixture->met_count, 0);
    ck_assert_uint_lt(fixture->met_count, SESSIONS);
    ck_assert(!fixture->is_done);
    finish(fixture);
    assert_met_once(fixture, 1, SESSIONS);
    fixture_close(fixture);
}
END_TEST

START_TEST(without_sessions_it_is_done_at_once)
{
    struct fixture *fixture = fixture_open(0);

    finish(fixture);
    ck_assert_uint_eq(0, fixture->met_count);
    fixture_close(fixture);
}
END_TEST

START_TEST(those_that_end_are_passed)
{
    struct fixture *fixture = fixture_open(SESSIONS);

    tp__test_bench_turn(&fixture->bench, 1);
    uint64_t next = fixture->met_count + 1;

    /* The one that is next, those behind it, the last, and one that was met. */
    for (uint64_t number = next; number < next + 10; number++) {
        close_session(fixture, number);
    }
    close_session(fixture, SESSIONS);
    close_session(fixture, 1);
    finish(fixture);
    assert_met_once(fixture, 2, next - 1);
    assert_met_once(fixture, next + 10, SESSIONS - 1);
    ck_assert_uint_eq(0, fixture->met[next] + fixture->met[SESSIONS]);
    fixture_close(fixture);
}
END_TEST

START_TEST(when_all_end_it_is_done)
{
    struct fixture *fixture = fixture_open(SESSIONS);

    tp__test_bench_turn(&fixture->bench, 1);
    tp__sessions_close_all(&fixture->bench.sessions, TP_CLOSE_SHUTDOWN);
    finish(fixture);
    fixture_close(fixture);
}
END_TEST

START_TEST(those_that_come_are_met_once_or_not)
{
    struct fixture *fixture = fixture_open(SESSIONS);

    tp__test_bench_turn(&fixture->bench, 1);
    add_sessions(fixture, SESSIONS + 1, 100);
    finish(fixture);
    assert_met_once(fixture, 1, SESSIONS);
    for (uint64_t number = SESSIONS + 1; number <= SESSIONS + 100; number++) {
        ck_assert_uint_le(fixture->met[number], 1);
    }
    fixture_close(fixture);
}
END_TEST

static const struct tp_source *
find_same(void *owner, const char *name)
{
    struct fixture *fixture = owner;

    (void) name;
    return &fixture->site.source;
}

static void
on_moved(void *owner)
{
    (void) owner;
}

static void
begin_move(struct fixture *fixture)
{
    const struct tp_sessions_move move = {
        .find_source = find_same,
        .on_done = on_moved,
        .owner = fixture,
    };

    tp__sessions_move(&fixture->bench.sessions, &move);
}

START_TEST(a_reload_lets_it_begin_anew)
{
    struct fixture *fixture = fixture_open(SESSIONS);

    tp__test_bench_turn(&fixture->bench, 1);
    begin_move(fixture);
    add_sessions(fixture, SESSIONS + 1, 100);
    finish(fixture);
    ck_assert_uint_gt(fixture->again_count, 0);
    assert_met_once(fixture, 1, SESSIONS);
    fixture_close(fixture);
}
END_TEST

/* The list was empty when it began: all are to be moved yet. */
START_TEST(one_that_begins_amid_a_reload_meets_all)
{
    struct fixture *fixture = fixture_open(SESSIONS / 100);

    tp__session_walk_end(&fixture->walk);
    begin_move(fixture);
    tp__session_walk_begin(&fixture->walk, &fixture->bench.sessions);
    finish(fixture);
    assert_met_once(fixture, 1, SESSIONS / 100);
    fixture_close(fixture);
}
END_TEST

START_TEST(one_that_is_given_up_meets_nobody_more)
{
    struct fixture *fixture = fixture_open(SESSIONS);

    tp__test_bench_turn(&fixture->bench, 1);
    size_t met_count = fixture->met_count;

    tp__session_walk_end(&fixture->walk);
    tp__test_bench_turn(&fixture->bench, 3);
    ck_assert_uint_eq(met_count, fixture->met_count);
    ck_assert(!fixture->is_done);
    fixture_close(fixture);
}
END_TEST

Suite *
tp_suite_session_walk(void)
{
    Suite *suite = suite_create("session/walk");
    TCase *tests = tcase_create("walk");

    tcase_add_test(tests, all_are_met_once_some_in_each_turn);
    tcase_add_test(tests, without_sessions_it_is_done_at_once);
    tcase_add_test(tests, those_that_end_are_passed);
    tcase_add_test(tests, when_all_end_it_is_done);
    tcase_add_test(tests, those_that_come_are_met_once_or_not);
    tcase_add_test(tests, a_reload_lets_it_begin_anew);
    tcase_add_test(tests, one_that_begins_amid_a_reload_meets_all);
    tcase_add_test(tests, one_that_is_given_up_meets_nobody_more);
    suite_add_tcase(suite, tests);
    return suite;
}
