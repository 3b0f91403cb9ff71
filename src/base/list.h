/*
 * base/list.h - intrusive doubly linked lists with a head that is a node.
 *
 * The member knows its neighbours, so it can leave without knowing its list.
 * A node that is in no list points to itself.
 */
#ifndef TP_BASE_LIST_H
#define TP_BASE_LIST_H

#include <teleport/base.h>

/* A list is its head node; a node outside any list is an empty list of its own. */
static inline void
tp__list_init(struct tp_list_node *head)
{
    head->next = head;
    head->previous = head;
}

static inline bool
tp__list_is_empty(const struct tp_list_node *head)
{
    return head->next == head;
}

static inline void
tp__list_append(struct tp_list_node *head, struct tp_list_node *node)
{
    node->previous = head->previous;
    node->next = head;
    head->previous->next = node;
    head->previous = node;
}

static inline void
tp__list_prepend(struct tp_list_node *head, struct tp_list_node *node)
{
    tp__list_append(head->next, node);
}

/* Takes `node` out of the list it is in, if any. */
static inline void
tp__list_remove(struct tp_list_node *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    tp__list_init(node);
}

/* Moves all nodes of `from` to the end of `to`; `from` is empty afterwards. */
static inline void
tp__list_move_all(struct tp_list_node *to, struct tp_list_node *from)
{
    if (tp__list_is_empty(from)) {
        return;
    }
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    tp__list_init(from);
}

/* The first node, taken out; NULL when the list is empty. */
static inline struct tp_list_node *
tp__list_take_first(struct tp_list_node *head)
{
    struct tp_list_node *node = head->next;

    if (node == head) {
        return NULL;
    }
    tp__list_remove(node);
    return node;
}

/* Visits every node; the visited node may be removed meanwhile. */
#define TP_LIST_EACH(node, head)                                                              \
    for (struct tp_list_node *node = (head)->next, *node##_next = node->next; node != (head); \
         node = node##_next, node##_next = node->next)

#endif
