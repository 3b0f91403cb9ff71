/*
 * conf.c - the configuration language against any bytes.
 *
 * The first byte says where the text goes: into the file, into -g, or cut at
 * each NUL into a main file and the files "1", "2", … that it may include.
 * What loads must load again from its own dump, and dump the same: each value,
 * quoting and inheritance rule is tried that way.  What does not load must say why.
 *
 * Read next: src/conf/load.c.
 */
#include "conf/conf.h"

#include "base/str.h"

#include <errno.h>
#include <stdlib.h>

enum {
    FUZZ_FILES_MAX = 8,
    FUZZ_MODE_DIRECTIVES = 1, /* bits of the first byte */
    FUZZ_MODE_FILES = 2,
};

struct fuzz_listen {
    struct tp_str address;
    int64_t backlog;
    bool reuseport;
};

struct fuzz_conf {
    bool flag;
    int64_t number;
    struct tp_size size;
    struct tp_msec time;
    struct tp_str text;
    struct tp_str path;
    int word;
    char custom;
    struct tp_str name;
    struct tp_items listens;
    struct tp_items words;
    struct tp_str log_path;
    int log_level;
    struct tp_size log_buffer;
    struct tp_template template;
    struct tp_template log_format;
};

/* Files in memory: [0] is the main file, [1] is "1", and so on. */
struct fuzz_loader {
    struct tp_conf_loader loader;
    struct tp_str files[FUZZ_FILES_MAX];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_cut_files(struct fuzz_loader *loader, struct tp_str text);
static struct tp_conf *fuzz_load(struct fuzz_loader *loader, const char *directives,
                                 bool is_lenient);
static void fuzz_dump_again(const struct tp_conf *conf);
static void fuzz_check_tables(void);
static enum tp_result fuzz_read_file(struct tp_conf_loader *loader, const char *path,
                                     struct tp_text *answer);
static enum tp_result fuzz_expand(struct tp_conf_loader *loader, const char *pattern,
                                  struct tp_text *answer);
static enum tp_result fuzz_get_variable(struct tp_conf_loader *loader, const char *name,
                                        struct tp_text *answer);
static const char *fuzz_letter_parse(struct tp_str text, void *field);
static void fuzz_validate(const struct tp_block *block, void *conf);

static const struct tp_custom_type fuzz_letter = { "letter", fuzz_letter_parse };
static const struct tp_word fuzz_auto[] = { { "auto", 0 }, { NULL, 0 } };
static const struct tp_word fuzz_words[] = { { "low", 1 }, { "high", 2 }, { NULL, 0 } };

static const struct tp_argument fuzz_listen_arguments[] = {
    { .name = "ADDRESS", TP_TEXT(struct fuzz_listen, address), .brief = "Where." },
    { .name = "backlog", .kind = TP_ARGUMENT_NAMED, TP_NUMBER(struct fuzz_listen, backlog),
      .preset = "5", .min = "1", .max = "99", .brief = "How many." },
    { .name = "reuseport", .kind = TP_ARGUMENT_SWITCH, TP_FLAG(struct fuzz_listen, reuseport),
      .brief = "Whether." },
};

static const struct tp_argument fuzz_log_arguments[] = {
    { .name = "FILE", TP_PATH(struct fuzz_conf, log_path), .preset = "log", .words = fuzz_auto,
      .brief = "Where." },
    { .name = "LEVEL", .kind = TP_ARGUMENT_OPTIONAL,
      TP_WORD(struct fuzz_conf, log_level, fuzz_words), .brief = "Which." },
    { .name = "buffer", .kind = TP_ARGUMENT_NAMED, TP_SIZE(struct fuzz_conf, log_buffer),
      .preset = "1k", .brief = "How much." },
    { .name = "format", .kind = TP_ARGUMENT_NAMED, TP_TEMPLATE(struct fuzz_conf, log_format),
      .preset = "$uri ${arg_a}b", .brief = "What." },
};

#define FUZZ_ALL TP_IN_MAIN | TP_IN_EVENTS | TP_IN_PEER | TP_IN_SERVER

static const struct tp_directive fuzz_directives[] = {
    { .name = "flag", .where = FUZZ_ALL, TP_FLAG(struct fuzz_conf, flag), .preset = "on",
      .since = "0", .brief = "Flag." },
    { .name = "number", .where = FUZZ_ALL, TP_NUMBER(struct fuzz_conf, number),
      .words = fuzz_auto, .preset = "auto", .min = "-5", .max = "500", .since = "0",
      .brief = "Number." },
    { .name = "size", .where = FUZZ_ALL, TP_SIZE(struct fuzz_conf, size), .preset = "4k",
      .since = "0", .brief = "Size." },
    { .name = "time", .where = TP_IN_SERVER, TP_TIME(struct fuzz_conf, time), .since = "0",
      .applies = TP_APPLIES_NEW_WORKERS, .brief = "Time." },
    { .name = "text", .where = FUZZ_ALL, TP_TEXT(struct fuzz_conf, text), .since = "0",
      .applies = TP_APPLIES_RESTART, .brief = "Text." },
    { .name = "template", .where = FUZZ_ALL, TP_TEMPLATE(struct fuzz_conf, template),
      .preset = "\\$$uri", .since = "0", .brief = "Template." },
    { .name = "path", .where = FUZZ_ALL, TP_PATH(struct fuzz_conf, path), .since = "0",
      .brief = "Path." },
    { .name = "word", .where = FUZZ_ALL, TP_WORD(struct fuzz_conf, word, fuzz_words),
      .preset = "low", .since = "0", .brief = "Word." },
    { .name = "letter", .where = FUZZ_ALL,
      TP_CUSTOM(struct fuzz_conf, custom, char, &fuzz_letter), .preset = "x", .since = "0",
      .brief = "Letter." },
    { .name = "log", .where = FUZZ_ALL, TP_ARGUMENTS(fuzz_log_arguments), .since = "0",
      .brief = "Log." },
    { .name = "words", .where = FUZZ_ALL, .type = TP_VALUE_TEXT,
      TP_REPEATED(struct fuzz_conf, words, struct tp_str), .since = "0", .brief = "Words." },
    { .name = "listen", .where = TP_IN_SERVER,
      TP_REPEATED(struct fuzz_conf, listens, struct fuzz_listen),
      TP_ARGUMENTS(fuzz_listen_arguments), .since = "0", .brief = "Listen." },
    { .name = "events", .where = TP_IN_MAIN, TP_OPENS(TP_IN_EVENTS), .takes_nothing = true,
      .since = "0", .brief = "Events." },
    { .name = "peer", .where = TP_IN_MAIN, TP_OPENS(TP_IN_PEER), .may_repeat = true,
      TP_TEXT(struct fuzz_conf, name), .since = "0", .brief = "Peer." },
    { .name = "server", .where = TP_IN_PEER, TP_OPENS(TP_IN_SERVER), .may_repeat = true,
      .takes_nothing = true, .since = "0", .brief = "Server." },
};

static const struct tp_module fuzz_module = {
    .name = "fuzz",
    .brief = "All types.",
    .conf_size = sizeof(struct fuzz_conf),
    TP_DIRECTIVES(fuzz_directives),
    .validate = fuzz_validate,
};

static const struct tp_module *const fuzz_module_table[] = { &fuzz_module };
static const struct tp_module_list fuzz_modules = { fuzz_module_table, 1 };

static const struct tp_run_variable fuzz_variable_rows[] = {
    { "uri", false, "What was asked for." },
    { "arg_", true, "One of its arguments." },
};
static const struct tp_run_variables fuzz_variables = { fuzz_variable_rows, 2 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_loader loader = {
        .loader = { fuzz_read_file, fuzz_expand, fuzz_get_variable },
    };
    uint8_t mode = size > 0 ? data[0] : 0;
    struct tp_str text = { (const char *) data + (size > 0 ? 1 : 0), size > 0 ? size - 1 : 0 };
    char *directives = calloc(1, text.len + 1);

    if (directives == NULL) {
        return 0;
    }
    if (size == 0) {
        fuzz_check_tables();
    }
    if (mode & FUZZ_MODE_DIRECTIVES && text.len > 0) {
        memcpy(directives, text.data, text.len);
    } else if (mode & FUZZ_MODE_FILES) {
        fuzz_cut_files(&loader, text);
    } else {
        loader.files[0] = text;
    }
    struct tp_conf *conf = fuzz_load(&loader, directives, false);

    if (conf != NULL) {
        fuzz_dump_again(conf);
    } else {
        conf = fuzz_load(&loader, directives, true);
    }
    tp__conf_destroy(&conf);
    free(directives);
    return 0;
}

static void
fuzz_cut_files(struct fuzz_loader *loader, struct tp_str text)
{
    for (size_t i = 0; i < FUZZ_FILES_MAX && text.len > 0; i++) {
        loader->files[i] = tp__str_cut(text, '\0', &text);
    }
}

static struct tp_conf *
fuzz_load(struct fuzz_loader *loader, const char *directives, bool is_lenient)
{
    static const struct tp_absent_directive absent[] = { { "absent", "gone" }, { NULL, NULL } };
    const struct tp_conf_options options = {
        .modules = fuzz_modules,
        .run_variables = fuzz_variables,
        .absent = absent,
        .loader = &loader->loader,
        .file = "0",
        .prefix = "/p/",
        .directives = directives,
        .is_lenient = is_lenient,
    };
    struct tp_text messages = { 0 };
    struct tp_conf *conf = NULL;
    enum tp_result result = tp__conf_load(&options, &messages, &conf);

    TP_ASSERT((result == TP_OK) == (conf != NULL));
    TP_ASSERT((result == TP_OK) == (is_lenient || messages.len == 0));
    tp__text_fini(&messages);
    return conf;
}

/* The dump is a configuration that means the same: its own dump says so. */
static void
fuzz_dump_again(const struct tp_conf *conf)
{
    struct fuzz_loader loader = {
        .loader = { fuzz_read_file, fuzz_expand, fuzz_get_variable },
    };
    struct tp_text first = { 0 };
    struct tp_text waiting = { 0 };

    tp__conf_dump(conf, &first);
    loader.files[0] = tp__text_get(&first);
    struct tp_conf *again = fuzz_load(&loader, "", false);

    TP_ASSERT(again != NULL);
    tp__conf_describe_waiting(conf, again, &waiting);
    TP_ASSERT(waiting.len == 0);
    tp__conf_describe_not_in_place(again, &waiting);
    tp__conf_destroy(&again);
    tp__text_fini(&first);
    tp__text_fini(&waiting);
}

/* Once is enough: the empty input of the corpus asks for it. */
static void
fuzz_check_tables(void)
{
    struct tp_text messages = { 0 };

    TP_ASSERT(tp__conf_check_tables(fuzz_modules, fuzz_variables, &messages) == TP_OK);
    tp__text_fini(&messages);
}

static enum tp_result
fuzz_read_file(struct tp_conf_loader *loader, const char *path, struct tp_text *answer)
{
    struct fuzz_loader *files = TP_CONTAINER_OF(loader, struct fuzz_loader, loader);

    if (path[0] < '0' || path[0] >= '0' + FUZZ_FILES_MAX || path[1] != '\0') {
        errno = ENOENT;
        return TP_NOT_FOUND;
    }
    tp__text_append(answer, files->files[path[0] - '0']);
    return TP_OK;
}

static enum tp_result
fuzz_expand(struct tp_conf_loader *loader, const char *pattern, struct tp_text *answer)
{
    (void) loader;
    tp__text_append(answer, pattern[0] == '*' ? TP_STR("1\n2\n") : TP_STR(""));
    return TP_OK;
}

static enum tp_result
fuzz_get_variable(struct tp_conf_loader *loader, const char *name, struct tp_text *answer)
{
    (void) loader;
    tp__text_append(answer, tp__str(name));
    return strcmp(name, "env_NONE") == 0 ? TP_NOT_FOUND : TP_OK;
}

static const char *
fuzz_letter_parse(struct tp_str text, void *field)
{
    if (text.len != 1) {
        return "one letter";
    }
    *(char *) field = text.data[0];
    return NULL;
}

/* Looks at every value, for the sanitizers' sake. */
static void
fuzz_validate(const struct tp_block *block, void *conf)
{
    const struct fuzz_conf *values = conf;
    const struct fuzz_listen *listens = values->listens.items;

    for (size_t i = 0; i < values->listens.count; i++) {
        if (tp_block_context(block) == TP_IN_SERVER && listens[i].address.len == 0) {
            tp_conf_complain(block, "listen", i, "no address");
        }
    }
    if (values->number == 499) {
        tp_conf_complain(block, "number", 0, "not %d", (int) values->number);
    }
    if (values->size.bytes == 499) {
        tp_conf_complain(block, "events", 0, "not there");
    }
}
