/*
 * keyring.c - tests of share/keyring: several processes' views of one zone.
 */
#include "share/keyring.h"

#include "children.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

enum {
    NOW_MS = 1000000,
    SOON_MS = 1001,
};

Suite *tp_suite_share_keyring(void);

/* Two workers with one keyring. */
struct fixture {
    int fd;
    struct tp_keyring first;
    struct tp_keyring second;
};

static void
fixture_open(struct fixture *fixture)
{
    ck_assert_int_eq(TP_OK, tp__zone_create(&tp__keyring_layout, &fixture->fd));
    ck_assert_int_eq(TP_OK, tp__keyring_open(&fixture->first, fixture->fd));
    ck_assert_int_eq(TP_OK, tp__keyring_open(&fixture->second, fixture->fd));
}

static void
fixture_close(struct fixture *fixture)
{
    tp__keyring_close(&fixture->first);
    tp__keyring_close(&fixture->second);
    close(fixture->fd);
}

static void
assert_same(const struct tp_keyring_key *left, const struct tp_keyring_key *right)
{
    ck_assert_mem_eq(left->name, right->name, sizeof(left->name));
    ck_assert_mem_eq(left->secret, right->secret, sizeof(left->secret));
}

START_TEST(gives_all_the_same_key)
{
    struct fixture fixture;
    struct tp_keyring_key key;
    struct tp_keyring_key same;
    static const struct tp_keyring_key none;
    bool is_newest;

    fixture_open(&fixture);
    tp__keyring_get_newest(&fixture.first, NOW_MS, &key);
    ck_assert_mem_ne(none.secret, key.secret, sizeof(key.secret));
    tp__keyring_get_newest(&fixture.second, NOW_MS, &same);
    assert_same(&key, &same);
    tp__keyring_get_newest(&fixture.first, NOW_MS + TP_KEYRING_FRESH_MS - 1, &same);
    assert_same(&key, &same);
    ck_assert(tp__keyring_find(&fixture.second, NOW_MS, key.name, &same, &is_newest));
    ck_assert(is_newest);
    assert_same(&key, &same);
    ck_assert(!tp__keyring_find(&fixture.second, NOW_MS, none.name, &same, &is_newest));
    fixture_close(&fixture);
}
END_TEST

/* A key is used for its time, opens what it has sealed for a while, and is forgotten. */
START_TEST(replaces_keys)
{
    struct fixture fixture;
    struct tp_keyring_key keys[TP_KEYRING_KEYS + 1];
    struct tp_keyring_key found;
    int64_t now_ms = NOW_MS;
    bool is_newest;

    fixture_open(&fixture);
    for (size_t i = 0; i < TP_COUNT_OF(keys); i++) {
        tp__keyring_get_newest(i % 2 == 0 ? &fixture.first : &fixture.second, now_ms, &keys[i]);
        now_ms += TP_KEYRING_FRESH_MS;
    }
    now_ms -= TP_KEYRING_FRESH_MS;
    for (size_t i = 0; i < TP_COUNT_OF(keys); i++) {
        bool is_known = tp__keyring_find(&fixture.second, now_ms, keys[i].name, &found, &is_newest);

        ck_assert_int_eq(i > 0, is_known);
        if (is_known) {
            assert_same(&keys[i], &found);
            ck_assert_int_eq(i == TP_COUNT_OF(keys) - 1, is_newest);
        }
        for (size_t j = 0; j < i; j++) {
            ck_assert_mem_ne(keys[i].secret, keys[j].secret, sizeof(keys[i].secret));
        }
    }
    fixture_close(&fixture);
}
END_TEST

/* A foreign name is looked for in the zone, but not at once again. */
START_TEST(looks_for_what_others_have_made)
{
    struct fixture fixture;
    static const uint8_t foreign[TP_KEYRING_NAME_BYTES];
    struct tp_keyring_key key;
    struct tp_keyring_key found;
    bool is_newest;

    fixture_open(&fixture);
    ck_assert(!tp__keyring_find(&fixture.second, NOW_MS, foreign, &found, &is_newest));
    tp__keyring_get_newest(&fixture.first, NOW_MS, &key);
    ck_assert(!tp__keyring_find(&fixture.second, NOW_MS + 1, key.name, &found, &is_newest));
    ck_assert(tp__keyring_find(&fixture.second, NOW_MS + SOON_MS, key.name, &found, &is_newest));
    fixture_close(&fixture);
}
END_TEST

/* In a child: holds the lock until it is killed. */
static void
hold_lock(struct child *self, void *argument)
{
    struct tp_keyring *keyring = argument;

    TP_ASSERT(tp__zone_lock(&keyring->zone, 0) == TP_OK);
    child_say(self, 'h');
    child_hear(self);
}

/* Somebody holds the lock and does not give it back. */
START_TEST(goes_on_alone_where_the_zone_cannot_be_had)
{
    struct fixture fixture;
    struct tp_keyring_key key;
    struct tp_keyring_key same;
    struct child child;
    bool is_newest;

    fixture_open(&fixture);
    child_start(&child, hold_lock, &fixture.first);
    ck_assert_int_eq('h', child_hear(&child));
    tp__keyring_get_newest(&fixture.second, NOW_MS, &key);
    tp__keyring_get_newest(&fixture.second, NOW_MS, &same);
    assert_same(&key, &same);
    ck_assert(tp__keyring_find(&fixture.second, NOW_MS, key.name, &same, &is_newest));
    /* Whoever held it may have left anything there: all begin anew. */
    child_kill(&child);
    tp__keyring_get_newest(&fixture.first, NOW_MS, &same);
    ck_assert_mem_ne(key.name, same.name, sizeof(key.name));
    ck_assert(tp__keyring_find(&fixture.second, NOW_MS + SOON_MS, same.name, &key, &is_newest));
    fixture_close(&fixture);
}
END_TEST

Suite *
tp_suite_share_keyring(void)
{
    Suite *suite = suite_create("share/keyring");
    TCase *tests = tcase_create("keyring");

    tcase_add_test(tests, gives_all_the_same_key);
    tcase_add_test(tests, replaces_keys);
    tcase_add_test(tests, looks_for_what_others_have_made);
    tcase_add_test(tests, goes_on_alone_where_the_zone_cannot_be_had);
    suite_add_tcase(suite, tests);
    return suite;
}
