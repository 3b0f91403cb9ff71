/*
 * inbox.c - tests of event/inbox: what other threads post is done in the loop.
 */
#include "event/inbox.h"

#include "os/file.h"

#include <check.h>

enum {
    THREADS = 3,
    LETTERS_OF_EACH = 500,
    LETTERS_MAX = THREADS * LETTERS_OF_EACH,
};

struct fixture;

struct letter {
    struct tp_inbox_letter base;
    struct fixture *fixture;
    int thread;
    int number;
};

struct fixture {
    struct tp_loop *loop;
    struct tp_inbox inbox;
    struct letter letters[THREADS][LETTERS_OF_EACH];
    int next[THREADS]; /* the number that the next letter of the thread has to have */
    int opened_count;
    int lost_count;
};

Suite *tp_suite_event_inbox(void);

static void
letter_open(struct tp_inbox_letter *base, bool is_lost)
{
    struct letter *letter = TP_CONTAINER_OF(base, struct letter, base);
    struct fixture *fixture = letter->fixture;

    if (is_lost) {
        fixture->lost_count++;
        return;
    }
    ck_assert_int_eq(fixture->next[letter->thread]++, letter->number);
    fixture->opened_count++;
}

static void
fixture_open(struct fixture *fixture, size_t letters_max)
{
    *fixture = (struct fixture){ .loop = NULL };
    ck_assert_int_eq(TP_OK, tp__loop_create(&fixture->loop));
    ck_assert_int_eq(TP_OK, tp__inbox_open(&fixture->inbox, fixture->loop, letters_max));
    for (int thread = 0; thread < THREADS; thread++) {
        for (int number = 0; number < LETTERS_OF_EACH; number++) {
            fixture->letters[thread][number] = (struct letter){
                .base = { .open = letter_open },
                .fixture = fixture,
                .thread = thread,
                .number = number,
            };
        }
    }
}

static void
fixture_close(struct fixture *fixture)
{
    tp__inbox_close(&fixture->inbox);
    tp__loop_destroy(&fixture->loop);
}

static void
post_all(void *argument)
{
    struct letter *letters = argument;

    for (int i = 0; i < LETTERS_OF_EACH; i++) {
        TP_ASSERT(tp__inbox_post(&letters->fixture->inbox, &letters[i].base) == TP_OK);
    }
}

START_TEST(letters_of_threads_are_opened_in_the_loop_in_their_order)
{
    static struct fixture fixture;
    struct tp_thread threads[THREADS];

    fixture_open(&fixture, LETTERS_MAX);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(TP_OK, tp__thread_start(&threads[i], post_all, fixture.letters[i]));
    }
    while (fixture.opened_count < LETTERS_MAX) {
        tp__loop_turn(fixture.loop, -1);
    }
    for (int i = 0; i < THREADS; i++) {
        tp__thread_join(&threads[i]);
    }
    ck_assert_int_eq(0, fixture.lost_count);
    fixture_close(&fixture);
    ck_assert_int_eq(0, fixture.lost_count);
}
END_TEST

START_TEST(a_full_inbox_takes_no_more_until_it_is_emptied)
{
    static struct fixture fixture;

    fixture_open(&fixture, 2);
    ck_assert_int_eq(TP_OK, tp__inbox_post(&fixture.inbox, &fixture.letters[0][0].base));
    ck_assert_int_eq(TP_OK, tp__inbox_post(&fixture.inbox, &fixture.letters[0][1].base));
    ck_assert_int_eq(TP_FULL, tp__inbox_post(&fixture.inbox, &fixture.letters[0][2].base));
    tp__loop_turn(fixture.loop, -1);
    ck_assert_int_eq(2, fixture.opened_count);
    ck_assert_int_eq(TP_OK, tp__inbox_post(&fixture.inbox, &fixture.letters[0][2].base));
    tp__loop_turn(fixture.loop, -1);
    ck_assert_int_eq(3, fixture.opened_count);
    fixture_close(&fixture);
}
END_TEST

START_TEST(what_lies_in_a_closed_inbox_is_given_back)
{
    static struct fixture fixture;
    size_t before = tp__descriptor_count();

    fixture_open(&fixture, 2);
    ck_assert_int_eq(TP_OK, tp__inbox_post(&fixture.inbox, &fixture.letters[0][0].base));
    fixture_close(&fixture);
    ck_assert_int_eq(0, fixture.opened_count);
    ck_assert_int_eq(1, fixture.lost_count);
    ck_assert_uint_eq(before, tp__descriptor_count());
}
END_TEST

Suite *
tp_suite_event_inbox(void)
{
    Suite *suite = suite_create("event/inbox");
    TCase *letters = tcase_create("letters");

    tcase_add_test(letters, letters_of_threads_are_opened_in_the_loop_in_their_order);
    tcase_add_test(letters, a_full_inbox_takes_no_more_until_it_is_emptied);
    tcase_add_test(letters, what_lies_in_a_closed_inbox_is_given_back);
    suite_add_tcase(suite, letters);
    return suite;
}
