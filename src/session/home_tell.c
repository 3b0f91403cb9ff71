/*
 * home_tell.c - what a worker tells the others, by a word that says for whom it is; and what its
 * modules keep of it.
 *
 *   tp_home_tell() -> tp__home_tell() -> callbacks.tell ~~ the bus ~~> tp__home_on_told() -> on_told
 *
 * Runs in: worker; library, where there is nobody to tell.  Owns: which data is whose.
 * Read next: process/worker_tell.c.
 */
#include "session/session.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a module keeps. */
struct home_data {
    struct tp_list_node node;
    const struct tp_module *module;
    void *data;
};

static struct home_data *home_find_data(const struct tp_home *home, const struct tp_module *module);
static void home_tell_module(struct tp_sessions *sessions, struct tp_str name, unsigned from_slot,
                             struct tp_str bytes);

void
tp__home_init(struct tp_sessions *sessions)
{
    tp__list_init(&sessions->home.ears);
    tp__list_init(&sessions->home.data);
    tp__home_leases_init(sessions);
}

/* What the data was for the modules have freed. */
void
tp__home_fini(struct tp_sessions *sessions)
{
    struct tp_list_node *node;

    tp__home_leases_fini(sessions);
    while ((node = tp__list_take_first(&sessions->home.data)) != NULL) {
        free(TP_CONTAINER_OF(node, struct home_data, node));
    }
}

void *
tp_home_data_get(const struct tp_sessions *home, const struct tp_module *module)
{
    const struct home_data *kept = home_find_data(&home->home, module);

    return kept == NULL ? NULL : kept->data;
}

enum tp_result
tp_home_data_set(struct tp_sessions *home, const struct tp_module *module, void *data)
{
    struct home_data *kept = home_find_data(&home->home, module);

    if (kept == NULL) {
        kept = calloc(1, sizeof(*kept));
        if (kept == NULL) {
            return TP_NO_MEMORY;
        }
        kept->module = module;
        tp__list_append(&home->home.data, &kept->node);
    }
    kept->data = data;
    return TP_OK;
}

enum tp_result
tp_home_tell(struct tp_sessions *home, const struct tp_module *module, struct tp_str bytes)
{
    char word[TP_HOME_WORD_MAX + 1];
    int len = snprintf(word, sizeof(word), TP_HOME_MODULE_WORD "%s", module->name);

    TP_ASSERT(len > 0 && len <= TP_HOME_WORD_MAX);
    return tp__home_tell(home, (struct tp_str){ word, (size_t) len }, bytes);
}

enum tp_result
tp__home_tell(struct tp_sessions *sessions, struct tp_str word, struct tp_str bytes)
{
    const struct tp_sessions_callbacks *callbacks = &sessions->callbacks;

    TP_ASSERT(word.len > 0 && word.len <= TP_HOME_WORD_MAX);
    if (bytes.len > TP_HOME_TELL_MAX) {
        return TP_TOO_LARGE;
    }
    return callbacks->tell == NULL ? TP_OK : callbacks->tell(callbacks->owner, word, bytes);
}

void
tp__home_listen(struct tp_sessions *sessions, struct tp_home_ear *ear)
{
    tp__list_append(&sessions->home.ears, &ear->node);
}

void
tp__home_on_told(struct tp_sessions *sessions, unsigned from_slot, struct tp_str word,
                 struct tp_str bytes)
{
    struct tp_str module_word = TP_STR(TP_HOME_MODULE_WORD);

    if (tp__str_starts_with(word, module_word)) {
        home_tell_module(sessions, tp__str_skip(word, module_word.len), from_slot, bytes);
        return;
    }
    TP_LIST_EACH (node, &sessions->home.ears) {
        struct tp_home_ear *ear = TP_CONTAINER_OF(node, struct tp_home_ear, node);

        if (tp__str_equal(word, tp__str(ear->word))) {
            ear->on_told(ear, from_slot, bytes);
            return;
        }
    }
}

static void
home_tell_module(struct tp_sessions *sessions, struct tp_str name, unsigned from_slot,
                 struct tp_str bytes)
{
    const struct tp_module_list *list = &sessions->home.modules;

    for (size_t i = 0; i < list->count; i++) {
        const struct tp_module *module = list->modules[i];

        if (tp__str_equal(name, tp__str(module->name)) && module->on_told != NULL) {
            module->on_told(sessions, from_slot, bytes);
            return;
        }
    }
}

static struct home_data *
home_find_data(const struct tp_home *home, const struct tp_module *module)
{
    TP_LIST_EACH (node, &home->data) {
        struct home_data *kept = TP_CONTAINER_OF(node, struct home_data, node);

        if (kept->module == module) {
            return kept;
        }
    }
    return NULL;
}
