/*
 * hash_table.c - tests of base/hash_table.
 */
#include "base/hash_table.h"

#include "base/hash.h"

#include <check.h>

enum {
    ITEMS = 5000,
};

struct item {
    uint64_t number;
    struct tp_hash_node node;
};

Suite *tp_suite_base_hash_table(void);

static struct item *
item_of(struct tp_hash_node *node)
{
    return node == NULL ? NULL : TP_CONTAINER_OF(node, struct item, node);
}

START_TEST(finds_what_was_added_and_not_taken_out)
{
    static struct item items[ITEMS];
    struct tp_hash_table table = { 0 };

    for (uint64_t i = 0; i < ITEMS; i++) {
        items[i].number = i;
        tp__hash_table_add(&table, &items[i].node, tp__hash_number(i));
    }
    for (uint64_t i = 0; i < ITEMS; i += 2) {
        tp__hash_table_remove(&table, &items[i].node);
    }
    ck_assert_uint_eq(ITEMS / 2, table.count);
    for (uint64_t i = 0; i < ITEMS; i++) {
        struct item *found = item_of(tp__hash_table_find(&table, tp__hash_number(i)));

        ck_assert_ptr_eq(i % 2 == 0 ? NULL : &items[i], found);
    }
    tp__hash_table_fini(&table);
}
END_TEST

START_TEST(shows_all_that_have_one_hash)
{
    struct item items[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
    struct tp_hash_table table = { 0 };
    unsigned seen = 0;

    for (int i = 0; i < 3; i++) {
        tp__hash_table_add(&table, &items[i].node, 7);
    }
    for (struct tp_hash_node *node = tp__hash_table_find(&table, 7); node != NULL;
         node = tp__hash_table_next(node)) {
        seen |= 1u << item_of(node)->number;
    }
    ck_assert_uint_eq(7, seen);
    ck_assert_ptr_null(tp__hash_table_find(&table, 8));
    tp__hash_table_fini(&table);
}
END_TEST

START_TEST(an_empty_one_finds_nothing)
{
    struct tp_hash_table table = { 0 };

    ck_assert_ptr_null(tp__hash_table_find(&table, 0));
    tp__hash_table_fini(&table);
}
END_TEST

Suite *
tp_suite_base_hash_table(void)
{
    Suite *suite = suite_create("base/hash_table");
    TCase *tcase = tcase_create("hash_table");

    tcase_add_test(tcase, finds_what_was_added_and_not_taken_out);
    tcase_add_test(tcase, shows_all_that_have_one_hash);
    tcase_add_test(tcase, an_empty_one_finds_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
