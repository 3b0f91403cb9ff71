/*
 * compare.c - what of a new configuration has to wait.
 *
 * Blocks have no names to find them by, so those that are the same in both
 * configurations are paired first and what is left is paired in order: a server
 * put in front of the others is then one new block, not a change of them all.
 *
 * Runs in: the master at a reload, and `teleport -t`.  Owns: nothing.
 * Read next: manual.c.
 */
#include "conf/block.h"

#include "base/str.h"

#include <stdlib.h>

enum {
    COMPARE_SEARCH_MAX = 256, /* blocks looked at for one that is the same */
};

/* Writes about changes as they are found. */
struct comparison {
    struct tp_text *text;
    const struct tp_conf_catalogue *catalogue;
};

static void compare_blocks(const struct comparison *comparison, const struct tp_block *before,
                           const struct tp_block *after);
static void compare_directive(const struct comparison *comparison, const struct tp_block *before,
                              const struct tp_block *after, const struct tp_conf_entry *entry);
static void compare_inner(const struct comparison *comparison, const struct tp_block *before,
                          const struct tp_block *after, enum tp_context context);
static size_t compare_collect(const struct tp_block *parent, enum tp_context context,
                              const struct tp_block ***blocks);
static void compare_pair_equals(const struct tp_block **before, size_t before_count,
                                const struct tp_block **after, size_t after_count);
static void compare_pair_rest(const struct comparison *comparison,
                              const struct tp_block *const *before, size_t before_count,
                              const struct tp_block *const *after, size_t after_count);
static bool block_equals(const struct tp_block *left, const struct tp_block *right);
static bool block_opens_like(const struct tp_block *left, const struct tp_block *right);
static bool setting_equals(const struct tp_directive *directive, const struct tp_conf_setting *left,
                           const struct tp_conf_setting *right);
static bool use_equals(const struct tp_directive *directive, const struct tp_conf_use *left,
                       const struct tp_conf_use *right);
static void compare_tell(const struct comparison *comparison, const struct tp_directive *directive,
                         const char *origin);
static void compare_tell_opening(const struct comparison *comparison, const struct tp_block *block);
static void compare_tell_written(const struct comparison *comparison, const struct tp_block *block);

void
tp__conf_describe_waiting(const struct tp_conf *before, const struct tp_conf *after,
                          struct tp_text *text)
{
    const struct comparison comparison = { text, &after->catalogue };

    TP_ASSERT(before->catalogue.count == after->catalogue.count);
    compare_blocks(&comparison, before->root, after->root);
}

void
tp__conf_describe_not_in_place(const struct tp_conf *conf, struct tp_text *text)
{
    const struct comparison comparison = { text, &conf->catalogue };

    compare_tell_written(&comparison, conf->root);
}

static void
compare_blocks(const struct comparison *comparison, const struct tp_block *before,
               const struct tp_block *after)
{
    for (size_t i = 0; i < comparison->catalogue->count; i++) {
        const struct tp_conf_entry *entry = &comparison->catalogue->entries[i];
        const struct tp_directive *directive = entry->directive;

        if (directive->opens == 0) {
            compare_directive(comparison, before, after, entry);
        } else if (directive->where & (unsigned) after->context) {
            compare_inner(comparison, before, after, directive->opens);
        }
    }
}

/* A difference is told once, in the block that wrote one of the two values. */
static void
compare_directive(const struct comparison *comparison, const struct tp_block *before,
                  const struct tp_block *after, const struct tp_conf_entry *entry)
{
    const struct tp_conf_setting *old = before->settings[entry->number];
    const struct tp_conf_setting *new = after->settings[entry->number];
    bool is_written =
        tp__block_written(before, entry) != NULL || tp__block_written(after, entry) != NULL;

    if (is_written && !setting_equals(entry->directive, old, new)) {
        compare_tell(comparison, entry->directive, new == NULL ? "default" : new->first->origin);
    }
}

static void
compare_inner(const struct comparison *comparison, const struct tp_block *before,
              const struct tp_block *after, enum tp_context context)
{
    const struct tp_block **old = NULL;
    const struct tp_block **new = NULL;
    size_t old_count = compare_collect(before, context, &old);
    size_t new_count = compare_collect(after, context, &new);

    compare_pair_equals(old, old_count, new, new_count);
    compare_pair_rest(comparison, old, old_count, new, new_count);
    free(old);
    free(new);
}

/* The blocks of `context` in `parent` as an array that the caller frees. */
static size_t
compare_collect(const struct tp_block *parent, enum tp_context context,
                const struct tp_block ***blocks)
{
    const struct tp_block *block = tp_block_first(parent, context);
    size_t count = 0;

    for (; block != NULL; block = tp_block_next(block)) {
        count++;
    }
    *blocks = calloc(count + 1, sizeof(**blocks));
    TP_ASSERT(*blocks != NULL);
    block = tp_block_first(parent, context);
    for (size_t i = 0; i < count; i++) {
        (*blocks)[i] = block;
        block = tp_block_next(block);
    }
    return count;
}

/* Takes the blocks that are the same in both out of the arrays. */
static void
compare_pair_equals(const struct tp_block **before, size_t before_count,
                    const struct tp_block **after, size_t after_count)
{
    size_t next = 0;

    for (size_t i = 0; i < after_count; i++) {
        /* Mostly nothing was moved: the search begins behind the last match. */
        for (size_t tried = 0; tried < before_count && tried < COMPARE_SEARCH_MAX; tried++) {
            size_t at = (next + tried) % before_count;

            if (before[at] != NULL && block_equals(before[at], after[i])) {
                before[at] = NULL;
                after[i] = NULL;
                next = at + 1;
                break;
            }
        }
    }
}

static void
compare_pair_rest(const struct comparison *comparison, const struct tp_block *const *before,
                  size_t before_count, const struct tp_block *const *after, size_t after_count)
{
    size_t old = 0;

    for (size_t i = 0; i < after_count; i++) {
        if (after[i] == NULL) {
            continue;
        }
        while (old < before_count && before[old] == NULL) {
            old++;
        }
        const struct tp_block *pair = old < before_count ? before[old++] : NULL;

        if (pair == NULL || !block_opens_like(pair, after[i])) {
            compare_tell_opening(comparison, after[i]);
        }
        if (pair != NULL) {
            compare_blocks(comparison, pair, after[i]);
        }
    }
}

/* True when both mean the same, inner blocks included. */
static bool
block_equals(const struct tp_block *left, const struct tp_block *right)
{
    const struct tp_conf_catalogue *catalogue = &right->conf->catalogue;

    if (left->context != right->context || !block_opens_like(left, right)) {
        return false;
    }
    for (size_t i = 0; i < catalogue->count; i++) {
        if (!setting_equals(catalogue->entries[i].directive, left->settings[i],
                            right->settings[i])) {
            return false;
        }
    }
    left = left->first;
    right = right->first;
    while (left != NULL && right != NULL && block_equals(left, right)) {
        left = left->next;
        right = right->next;
    }
    return left == NULL && right == NULL;
}

/* True when what stands between name and '{' means the same. */
static bool
block_opens_like(const struct tp_block *left, const struct tp_block *right)
{
    return use_equals(right->opener->directive, left->opening, right->opening);
}

static bool
setting_equals(const struct tp_directive *directive, const struct tp_conf_setting *left,
               const struct tp_conf_setting *right)
{
    const struct tp_conf_use *left_use = left == NULL ? NULL : left->first;
    const struct tp_conf_use *right_use = right == NULL ? NULL : right->first;

    if (directive->item_size == 0) {
        return use_equals(directive, left_use, right_use);
    }
    while (left_use != NULL && right_use != NULL && use_equals(directive, left_use, right_use)) {
        left_use = left_use->next;
        right_use = right_use->next;
    }
    return left_use == NULL && right_use == NULL;
}

/* Compares what counts: a preset and the same value written are equal. */
static bool
use_equals(const struct tp_directive *directive, const struct tp_conf_use *left,
           const struct tp_conf_use *right)
{
    if (left == right) {
        return true;
    }
    for (size_t i = 0; i < tp__slot_count(directive); i++) {
        struct tp_conf_slot slot = tp__slot_get(directive, i);
        struct tp_str left_text = tp__slot_text(&slot, i, left);
        struct tp_str right_text = tp__slot_text(&slot, i, right);

        if ((left_text.data == NULL) != (right_text.data == NULL)
            || !tp__value_equal(&slot, left_text, right_text)) {
            return false;
        }
    }
    return true;
}

/* Says that `directive` has to wait, unless it applies in place. */
static void
compare_tell(const struct comparison *comparison, const struct tp_directive *directive,
             const char *origin)
{
    static const char *const words[] = {
#define APPLIES_WORD_ROW(name, word, sentence) word,
        TP_APPLIES_TABLE(APPLIES_WORD_ROW)
#undef APPLIES_WORD_ROW
    };

    if (directive->applies == TP_APPLIES_IN_PLACE) {
        return;
    }
    tp__text_printf(comparison->text, "%s: waits for %s (%s)\n", directive->name,
                    words[directive->applies], origin);
}

static void
compare_tell_opening(const struct comparison *comparison, const struct tp_block *block)
{
    compare_tell(comparison, block->opener->directive,
                 block->opening == NULL ? "default" : block->opening->origin);
}

/*
 * One line for each directive that `block` writes and that does not apply in place.  Who has
 * written a default out has chosen nothing yet, and is not bothered.
 */
static void
compare_tell_written(const struct comparison *comparison, const struct tp_block *block)
{
    for (size_t i = 0; i < comparison->catalogue->count; i++) {
        const struct tp_conf_entry *entry = &comparison->catalogue->entries[i];
        const struct tp_conf_setting *written = tp__block_written(block, entry);

        if (written != NULL && !setting_equals(entry->directive, NULL, written)) {
            compare_tell(comparison, entry->directive, written->first->origin);
        }
    }
    for (const struct tp_block *inner = block->first; inner != NULL; inner = inner->next) {
        if (inner->opening != NULL) {
            compare_tell_opening(comparison, inner);
        }
        compare_tell_written(comparison, inner);
    }
}
