/*
 * descriptors.c - descriptors by name.
 *
 * A server has tens of them, rarely hundreds: a plain array is searched.
 *
 * Runs in: master and workers, each with its own set.
 */
#include "cycle/descriptors.h"

#include "os/file.h"
#include "os/socket.h"

#include <stdlib.h>
#include <string.h>

enum {
    DESCRIPTORS_CAPACITY_MIN = 16,
};

static const char *const kind_words[TP_DESCRIPTOR_KIND_COUNT] = {
#define KIND_WORD_ROW(name, word) [TP_DESCRIPTOR_##name] = (word),
    TP_DESCRIPTOR_KIND_TABLE(KIND_WORD_ROW)
#undef KIND_WORD_ROW
};

static bool descriptors_reserve(struct tp_descriptors *set);
static void descriptors_stop_listening(const struct tp_descriptors *set, size_t index);
static void descriptors_remove(struct tp_descriptors *set, size_t index);
static bool descriptor_is_not_new(const void *owner, const struct tp_descriptor *descriptor);

void
tp__descriptors_fini(struct tp_descriptors *set)
{
    while (set->count > 0) {
        descriptors_remove(set, set->count - 1);
    }
    free(set->entries);
    *set = (struct tp_descriptors){ 0 };
}

int
tp__descriptors_find(const struct tp_descriptors *set, enum tp_descriptor_kind kind,
                     const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->entries[i].kind == kind && strcmp(set->entries[i].name, name) == 0) {
            return set->entries[i].fd;
        }
    }
    return -1;
}

enum tp_result
tp__descriptors_add(struct tp_descriptors *set, enum tp_descriptor_kind kind, const char *name,
                    int fd)
{
    char *name_copy = strdup(name);

    if (name_copy == NULL || !descriptors_reserve(set)) {
        free(name_copy);
        tp__descriptor_close(&fd);
        return TP_NO_MEMORY;
    }
    set->entries[set->count++] = (struct tp_descriptor){
        .kind = kind,
        .name = name_copy,
        .fd = fd,
        .is_new = true,
    };
    return TP_OK;
}

void
tp__descriptors_keep(struct tp_descriptors *set, tp_descriptor_needed_fn is_needed,
                     const void *owner)
{
    for (size_t i = set->count; i-- > 0;) {
        if (is_needed(owner, &set->entries[i])) {
            set->entries[i].is_new = false;
        } else {
            descriptors_stop_listening(set, i);
            descriptors_remove(set, i);
        }
    }
}

void
tp__descriptors_drop_new(struct tp_descriptors *set)
{
    tp__descriptors_keep(set, descriptor_is_not_new, NULL);
}

const char *
tp__descriptor_kind_word(enum tp_descriptor_kind kind)
{
    return kind_words[kind];
}

enum tp_result
tp__descriptor_parse_label(const char *label, enum tp_descriptor_kind *kind, const char **name)
{
    for (size_t i = 0; i < TP_DESCRIPTOR_KIND_COUNT; i++) {
        size_t len = strlen(kind_words[i]);

        if (strncmp(label, kind_words[i], len) == 0 && label[len] == ' ') {
            *kind = (enum tp_descriptor_kind) i;
            *name = label + len + 1;
            return TP_OK;
        }
    }
    return TP_INVALID;
}

static bool
descriptors_reserve(struct tp_descriptors *set)
{
    if (set->count < set->capacity) {
        return true;
    }
    size_t capacity = set->capacity == 0 ? DESCRIPTORS_CAPACITY_MIN : set->capacity * 2;
    struct tp_descriptor *entries = realloc(set->entries, capacity * sizeof(*entries));

    if (entries == NULL) {
        return false;
    }
    set->entries = entries;
    set->capacity = capacity;
    return true;
}

/* Workers close theirs only when they hear of it: by then the address may be wanted again. */
static void
descriptors_stop_listening(const struct tp_descriptors *set, size_t index)
{
    if (set->owns_files && set->entries[index].kind == TP_DESCRIPTOR_LISTEN) {
        tp__socket_stop_listening(set->entries[index].fd);
    }
}

/* The last entry takes the place of the one removed. */
static void
descriptors_remove(struct tp_descriptors *set, size_t index)
{
    struct tp_descriptor *removed = &set->entries[index];

    if (set->owns_files && removed->kind == TP_DESCRIPTOR_LISTEN
        && strncmp(removed->name, "unix:", 5) == 0) {
        tp__file_remove(removed->name + 5);
    }
    free(removed->name);
    tp__descriptor_close(&removed->fd);
    *removed = set->entries[--set->count];
}

static bool
descriptor_is_not_new(const void *owner, const struct tp_descriptor *descriptor)
{
    (void) owner;
    return !descriptor->is_new;
}
