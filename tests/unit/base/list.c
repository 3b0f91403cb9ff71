/*
 * list.c - tests of base/list.
 */
#include "base/list.h"

#include <check.h>

struct item {
    int number;
    struct tp_list_node node;
};

/* Fills `head` with items 0, 1, 2 … */
static void
list_fill(struct tp_list_node *head, struct item *items, size_t count)
{
    tp__list_init(head);
    for (size_t i = 0; i < count; i++) {
        items[i].number = (int) i;
        tp__list_append(head, &items[i].node);
    }
}

/* Asserts that `head` holds the numbers named, ended by -1, forwards and backwards. */
static void
list_assert(const struct tp_list_node *head, const int *numbers)
{
    const struct tp_list_node *node = head->next;

    for (size_t i = 0; numbers[i] != -1; i++, node = node->next) {
        ck_assert_ptr_ne(head, node);
        ck_assert_int_eq(numbers[i], TP_CONTAINER_OF(node, struct item, node)->number);
        ck_assert_ptr_eq(node, node->previous->next);
        ck_assert_ptr_eq(node, node->next->previous);
    }
    ck_assert_ptr_eq(head, node);
}

#define LIST_ASSERT(head, ...) list_assert((head), (const int[]){ __VA_ARGS__, -1 })

START_TEST(keeps_the_order_of_appending)
{
    struct tp_list_node head;
    struct item items[3];

    tp__list_init(&head);
    ck_assert(tp__list_is_empty(&head));
    list_fill(&head, items, 3);
    ck_assert(!tp__list_is_empty(&head));
    LIST_ASSERT(&head, 0, 1, 2);
}
END_TEST

START_TEST(a_member_leaves_without_knowing_its_list)
{
    struct tp_list_node head;
    struct item items[3];

    list_fill(&head, items, 3);
    tp__list_remove(&items[1].node);
    LIST_ASSERT(&head, 0, 2);
    ck_assert(tp__list_is_empty(&items[1].node));
    tp__list_remove(&items[1].node);
    LIST_ASSERT(&head, 0, 2);
    tp__list_remove(&items[0].node);
    tp__list_remove(&items[2].node);
    ck_assert(tp__list_is_empty(&head));
}
END_TEST

START_TEST(takes_the_first_until_none_is_left)
{
    struct tp_list_node head;
    struct item items[2];

    list_fill(&head, items, 2);
    ck_assert_ptr_eq(&items[0].node, tp__list_take_first(&head));
    ck_assert(tp__list_is_empty(&items[0].node));
    ck_assert_ptr_eq(&items[1].node, tp__list_take_first(&head));
    ck_assert_ptr_null(tp__list_take_first(&head));
}
END_TEST

START_TEST(moves_all_behind_what_is_there)
{
    struct tp_list_node from, to;
    struct item first[2], second[2];

    list_fill(&to, first, 2);
    list_fill(&from, second, 2);
    tp__list_move_all(&to, &from);
    LIST_ASSERT(&to, 0, 1, 0, 1);
    ck_assert(tp__list_is_empty(&from));
}
END_TEST

START_TEST(moves_to_and_from_empty_lists)
{
    struct tp_list_node from, to;
    struct item items[2];

    list_fill(&from, items, 2);
    tp__list_init(&to);
    tp__list_move_all(&to, &from);
    LIST_ASSERT(&to, 0, 1);
    tp__list_move_all(&to, &from);
    LIST_ASSERT(&to, 0, 1);
    ck_assert(tp__list_is_empty(&from));
}
END_TEST

START_TEST(each_visits_all_and_lets_the_visited_leave)
{
    struct tp_list_node head;
    struct item items[5];
    int visited = 0;

    list_fill(&head, items, 5);
    TP_LIST_EACH (node, &head) {
        const struct item *item = TP_CONTAINER_OF(node, struct item, node);

        ck_assert_int_eq(visited, item->number);
        visited++;
        if (item->number % 2 == 0) {
            tp__list_remove(node);
        }
    }
    ck_assert_int_eq(5, visited);
    LIST_ASSERT(&head, 1, 3);
}
END_TEST

START_TEST(each_visits_nothing_in_an_empty_list)
{
    struct tp_list_node head;

    tp__list_init(&head);
    TP_LIST_EACH (node, &head) {
        ck_abort_msg("visited %p", (void *) node);
    }
}
END_TEST

Suite *
tp_suite_base_list(void)
{
    Suite *suite = suite_create("base/list");
    TCase *list = tcase_create("list");

    tcase_add_test(list, keeps_the_order_of_appending);
    tcase_add_test(list, a_member_leaves_without_knowing_its_list);
    tcase_add_test(list, takes_the_first_until_none_is_left);
    tcase_add_test(list, moves_all_behind_what_is_there);
    tcase_add_test(list, moves_to_and_from_empty_lists);
    tcase_add_test(list, each_visits_all_and_lets_the_visited_leave);
    tcase_add_test(list, each_visits_nothing_in_an_empty_list);
    suite_add_tcase(suite, list);
    return suite;
}
