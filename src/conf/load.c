/*
 * load.c - loads a configuration: reads the text, fills the confs, lets the
 * modules check them, and shows what is wrong.
 *
 * Runs in: the master, `teleport -t` and `-T`, and each worker, which reads again
 * what the master read.  Owns: struct tp_conf until it is handed over.
 * Read next: parser.c, inherit.c.
 */
#include "conf/conf.h"

#include "base/str.h"
#include "conf/inherit.h"
#include "conf/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOAD_ARENA_CHUNK_BYTES = 16 * 1024,
};

static struct tp_conf *load_create(const struct tp_conf_options *options);
static struct tp_conf_reader *load_create_reader(const struct tp_conf_options *options,
                                                 struct tp_conf *conf);
static void load_destroy_reader(struct tp_conf_reader *reader);
static size_t load_scratch_bytes(struct tp_module_list modules);
static void load_read_directives(struct tp_conf_reader *reader);
static void load_check(const struct tp_block *block, const struct tp_module *module,
                       const void *conf);
static void load_validate(struct tp_block *block);
static void load_release(const struct tp_block *block);
static enum tp_result load_keep(const struct tp_block *block, enum tp_result result,
                                struct tp_text *answer, struct tp_str *kept);

enum tp_result
tp__conf_load(const struct tp_conf_options *options, struct tp_text *messages,
              struct tp_conf **conf)
{
    struct tp_conf *loaded = load_create(options);
    struct tp_conf_reader *reader = load_create_reader(options, loaded);

    *conf = NULL;
    if (reader == NULL) {
        tp__conf_destroy(&loaded);
        return TP_NO_MEMORY;
    }
    load_read_directives(reader);
    tp__include_read_main(reader);
    bool is_whole = !reader->is_misshapen && !reader->messages.is_stopped;

    if (is_whole || options->is_lenient) {
        loaded->messages = &reader->messages;
        loaded->loader = options->loader;
        tp__inherit(loaded);
    }
    if (is_whole && !options->is_lenient) {
        load_validate(loaded->root);
    }
    loaded->messages = NULL;
    loaded->loader = NULL;

    bool is_good = reader->messages.error_count == 0 || options->is_lenient;

    tp__messages_show(&reader->messages, messages);
    load_destroy_reader(reader);
    if (!is_good) {
        tp__conf_destroy(&loaded);
        return TP_INVALID;
    }
    *conf = loaded;
    return TP_OK;
}

void
tp__conf_destroy(struct tp_conf **conf)
{
    if (*conf == NULL) {
        return;
    }
    if ((*conf)->root != NULL) {
        load_release((*conf)->root);
    }
    tp__arena_fini(&(*conf)->arena);
    free(*conf);
    *conf = NULL;
}

const struct tp_block *
tp__conf_root(const struct tp_conf *conf)
{
    return conf->root;
}

size_t
tp__conf_bytes(const struct tp_conf *conf)
{
    return sizeof(*conf) + conf->arena.total_bytes;
}

struct tp_module_list
tp__conf_modules(const struct tp_block *block)
{
    return block->conf->catalogue.modules;
}

enum tp_result
tp__conf_read_file(const struct tp_block *block, const char *path, struct tp_text *content)
{
    struct tp_conf_loader *loader = block->conf->loader;

    TP_ASSERT(loader != NULL);
    return loader->read_file(loader, path, content);
}

enum tp_result
tp_conf_read_file(const struct tp_block *block, const char *path, struct tp_str *content)
{
    struct tp_text answer = { 0 };
    enum tp_result result = tp__conf_read_file(block, path, &answer);

    return load_keep(block, result, &answer, content);
}

enum tp_result
tp_conf_expand(const struct tp_block *block, const char *pattern, struct tp_str *paths)
{
    struct tp_conf_loader *loader = block->conf->loader;
    struct tp_text answer = { 0 };

    TP_ASSERT(loader != NULL);
    enum tp_result result = loader->expand(loader, pattern, &answer);

    return load_keep(block, result, &answer, paths);
}

const char *
tp__conf_origin(const struct tp_block *block, const char *directive, size_t item)
{
    const struct tp_conf_use *use = tp__block_find_use(block, directive, item);

    return use == NULL ? "default" : use->origin;
}

/* Moves the answer to where the configuration lives, terminated; errno stays as it was. */
static enum tp_result
load_keep(const struct tp_block *block, enum tp_result result, struct tp_text *answer,
          struct tp_str *kept)
{
    struct tp_str text = tp__text_get(answer);
    int saved_errno = errno;

    *kept = (struct tp_str){ 0 };
    if (result == TP_OK) {
        char *copy = tp__arena_try_alloc(&block->conf->arena, text.len + 1);

        if (copy == NULL) {
            result = TP_NO_MEMORY;
        } else {
            if (text.len > 0) {
                memcpy(copy, text.data, text.len);
            }
            copy[text.len] = '\0';
            *kept = (struct tp_str){ copy, text.len };
        }
    }
    tp__text_fini(answer);
    errno = saved_errno;
    return result;
}

static struct tp_conf *
load_create(const struct tp_conf_options *options)
{
    struct tp_conf *conf = calloc(1, sizeof(*conf));

    if (conf == NULL) {
        return NULL;
    }
    tp__arena_init(&conf->arena, LOAD_ARENA_CHUNK_BYTES);
    tp__catalogue_init(&conf->catalogue, options->modules, options->absent, &conf->arena);
    conf->room = (struct tp_conf_room){
        .arena = &conf->arena,
        .prefix = tp__arena_copy(&conf->arena, tp__str(options->prefix)).data,
        .run_variables = options->run_variables,
    };
    conf->main_source = tp__arena_new(&conf->arena, struct tp_conf_source);
    conf->main_source->name = tp__arena_copy(&conf->arena, tp__str(options->file)).data;
    conf->root = tp__block_create(conf, NULL, TP_IN_MAIN);
    return conf;
}

/* NULL when memory is out, or when there is no `conf` to read into. */
static struct tp_conf_reader *
load_create_reader(const struct tp_conf_options *options, struct tp_conf *conf)
{
    struct tp_conf_reader *reader = conf == NULL ? NULL : calloc(1, sizeof(*reader));

    if (reader == NULL) {
        return NULL;
    }
    reader->conf = conf;
    reader->options = options;
    tp__messages_init(&reader->messages);
    tp__variables_init(&reader->variables, options);
    tp__arena_init(&reader->texts, LOAD_ARENA_CHUNK_BYTES);
    reader->scratch_bytes = load_scratch_bytes(options->modules);
    reader->scratch = tp__arena_alloc(&reader->texts, reader->scratch_bytes);
    return reader;
}

static void
load_destroy_reader(struct tp_conf_reader *reader)
{
    tp__messages_fini(&reader->messages);
    tp__arena_fini(&reader->texts);
    free(reader);
}

static size_t
load_scratch_bytes(struct tp_module_list modules)
{
    size_t bytes = 1;

    for (size_t i = 0; i < modules.count; i++) {
        const struct tp_module *module = modules.modules[i];

        bytes = module->conf_size > bytes ? module->conf_size : bytes;
        for (size_t j = 0; j < module->directive_count; j++) {
            size_t item_size = module->directives[j].item_size;

            bytes = item_size > bytes ? item_size : bytes;
        }
    }
    return bytes;
}

/* The text of -g, as if it stood before the main file. */
static void
load_read_directives(struct tp_conf_reader *reader)
{
    struct tp_conf *conf = reader->conf;
    struct tp_str text = tp__str(reader->options->directives);
    struct tp_conf_source *source = tp__arena_new(&conf->arena, struct tp_conf_source);

    source->name = "-g";
    source->text = tp__arena_copy(&reader->texts, text);
    tp__parser_read_source(reader, source, conf->root);
}

/* Inner blocks first: an outer one may look at what they computed. */
static void
load_release(const struct tp_block *block)
{
    const struct tp_module_list *list = &block->conf->catalogue.modules;

    for (size_t i = 0; i < list->count; i++) {
        if (list->modules[i]->release != NULL && block->confs[i] != NULL) {
            list->modules[i]->release(block->confs[i]);
        }
    }
    for (const struct tp_block *inner = block->first; inner != NULL; inner = inner->next) {
        load_release(inner);
    }
}

static void
load_check(const struct tp_block *block, const struct tp_module *module, const void *conf)
{
    const char *directive = "";
    const char *wrong = module->check(conf, &directive);

    if (wrong != NULL) {
        tp_conf_complain(block, directive, 0, "%s", wrong);
    }
}

static void
load_validate(struct tp_block *block)
{
    const struct tp_module_list *list = &block->conf->catalogue.modules;

    for (struct tp_block *inner = block->first; inner != NULL; inner = inner->next) {
        load_validate(inner);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (list->modules[i]->check != NULL && block->confs[i] != NULL) {
            load_check(block, list->modules[i], block->confs[i]);
        }
        if (list->modules[i]->validate != NULL) {
            list->modules[i]->validate(block, block->confs[i]);
        }
    }
}
