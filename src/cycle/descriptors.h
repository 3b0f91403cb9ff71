/*
 * cycle/descriptors.h - descriptors by name: what the master opens and workers
 * (later: a new binary) are handed.
 *
 * A name is stable across configurations, so that a reload finds what is open
 * already and only opens what is new.
 */
#ifndef TP_CYCLE_DESCRIPTORS_H
#define TP_CYCLE_DESCRIPTORS_H

#include <teleport/base.h>

/* ROW(NAME, word) */
#define TP_DESCRIPTOR_KIND_TABLE(ROW) \
    ROW(LISTEN, "listen")             \
    ROW(LOG, "log")                   \
    ROW(ZONE, "zone")

enum tp_descriptor_kind {
#define TP_DESCRIPTOR_KIND_ENUM_ROW(name, word) TP_DESCRIPTOR_##name,
    TP_DESCRIPTOR_KIND_TABLE(TP_DESCRIPTOR_KIND_ENUM_ROW)
#undef TP_DESCRIPTOR_KIND_ENUM_ROW
    TP_DESCRIPTOR_KIND_COUNT
};

struct tp_descriptor {
    enum tp_descriptor_kind kind;
    char *name;
    int fd;
    bool is_new; /* opened or received for a configuration that is not in force yet */
};

/* An empty set is all zeros. */
struct tp_descriptors {
    bool owns_files; /* the master's part: what is removed listens no more, its file goes as well */
    struct tp_descriptor *entries;
    size_t count;
    size_t capacity;
};

/* Closes all of them. */
void tp__descriptors_fini(struct tp_descriptors *set);

/* The descriptor of that kind and name, which stays the set's; -1 when there is none. */
int tp__descriptors_find(const struct tp_descriptors *set, enum tp_descriptor_kind kind,
                         const char *name);

/* Adds `fd` as new; the set owns it from here on, also when TP_NO_MEMORY is returned. */
enum tp_result tp__descriptors_add(struct tp_descriptors *set, enum tp_descriptor_kind kind,
                                   const char *name, int fd) TP_MUST_CHECK;

/* Says whether a descriptor is still needed. */
typedef bool (*tp_descriptor_needed_fn)(const void *owner, const struct tp_descriptor *descriptor);

/* Closes those that `is_needed` does not want; the rest is not new any more. */
void tp__descriptors_keep(struct tp_descriptors *set, tp_descriptor_needed_fn is_needed,
                          const void *owner);

/* Closes those that are new: the configuration they were for did not come into force. */
void tp__descriptors_drop_new(struct tp_descriptors *set);

const char *tp__descriptor_kind_word(enum tp_descriptor_kind kind);

/* "listen 0.0.0.0:9090": the text of a message that carries a descriptor, and back. */
enum tp_result tp__descriptor_parse_label(const char *label, enum tp_descriptor_kind *kind,
                                          const char **name) TP_MUST_CHECK;

#endif
