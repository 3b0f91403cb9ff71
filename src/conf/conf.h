/*
 * conf/conf.h - the configuration language: from text to typed, inherited,
 * checked conf structs of modules; and back to text for people.
 *
 * Nothing here touches the operating system: files, globs and variables come
 * through a loader, so that a worker can load from recorded bytes exactly what
 * the master read from disk, and a fuzzer from memory.
 *
 * Threads: a struct tp_conf belongs to one thread while it is loaded and is
 * constant afterwards.
 *
 * Read next: directive tables in <teleport/directive.h>, then parser.c.
 */
#ifndef TP_CONF_CONF_H
#define TP_CONF_CONF_H

#include <teleport/module.h>

#include "base/arena.h"
#include "base/text.h"

/*
 * Where configuration text comes from.  Each function appends its answer to
 * `answer` and returns TP_OK, or another result with errno as it was left.
 */
struct tp_conf_loader {
    /* The content of the file at `path`. */
    enum tp_result (*read_file)(struct tp_conf_loader *loader, const char *path,
                                struct tp_text *answer);
    /*
     * The paths that match the glob `pattern`, sorted, each ended by '\n' and a folder by "/\n";
     * none is TP_OK too.
     */
    enum tp_result (*expand)(struct tp_conf_loader *loader, const char *pattern,
                             struct tp_text *answer);
    /* The value of a load-time variable ("hostname", "env_HOME"); TP_NOT_FOUND when unset. */
    enum tp_result (*get_variable)(struct tp_conf_loader *loader, const char *name,
                                   struct tp_text *answer);
};

struct tp_conf_options {
    struct tp_module_list modules;
    struct tp_run_variables run_variables;    /* what templates may name; rows live for ever */
    const struct tp_absent_directive *absent; /* ended by a row whose directive is NULL */
    struct tp_conf_loader *loader;
    const char *file;       /* path of the main file, as given to the loader */
    const char *prefix;     /* absolute, ends in '/'; relative paths start here */
    const char *directives; /* text of -g, parsed as if it stood before the file; "" for none */

    /*
     * Creates a configuration in spite of mistakes, of what could be understood, and checks
     * nothing by .validate: for finding the pid file of a server whose file is being edited.
     */
    bool is_lenient;
};

/* A loaded configuration; it lives in its own arena. */
struct tp_conf;
struct tp_conf_wish;

/*
 * Loads `options->file`.  Everything found wrong is appended to `messages`, in
 * the form described in docs/guide/configure.md, errors and warnings in the
 * order of the text; with at least one error the result is TP_INVALID, nothing is
 * created and *conf is NULL.  TP_OK: the caller owns *conf.
 */
enum tp_result tp__conf_load(const struct tp_conf_options *options, struct tp_text *messages,
                             struct tp_conf **conf) TP_MUST_CHECK;

/* Frees `*conf` and everything that came from it, and makes it NULL. */
void tp__conf_destroy(struct tp_conf **conf);

/* The main block. */
const struct tp_block *tp__conf_root(const struct tp_conf *conf);

/* Memory taken by `conf`, for status. */
size_t tp__conf_bytes(const struct tp_conf *conf);

/*
 * "conf/teleport.conf:12:5" of the `item`-th use of `directive` in `block` (or
 * where it was inherited from); "default" when nobody wrote it.  Lives as long as the conf.
 */
const char *tp__conf_origin(const struct tp_block *block, const char *directive, size_t item);

/*
 * For a .validate of the server's own: the content of a file that a directive names, appended
 * to `content`.  Whoever loads the same text later gets the same content.
 */
enum tp_result tp__conf_read_file(const struct tp_block *block, const char *path,
                                  struct tp_text *content) TP_MUST_CHECK;

/* Calls `visit` for each block, the main one first and each before its inner ones. */
typedef void (*tp_block_visit_fn)(const struct tp_block *block, void *owner);
void tp__conf_each_block(const struct tp_conf *conf, tp_block_visit_fn visit, void *owner);

/*
 * A table or a meter that a module has declared in `validate`, once for all who have named it;
 * lists of them live as long as the conf.
 */
struct tp_conf_table {
    struct tp_conf_table *next;
    char name[TP_TABLE_NAME_MAX + 1];
    const struct tp_table_layout *layout;
    uint32_t entry_count; /* the most that was asked for */
    const char *origin;   /* where it was named first */
    struct tp_conf_wish *wishes;
};

struct tp_conf_meter {
    struct tp_conf_meter *next;
    const struct tp_meter_row *row;
    char label[TP_METER_LABEL_MAX + 1];
    struct tp_conf_wish *wishes;
};

const struct tp_conf_table *tp__conf_tables(const struct tp_conf *conf);
const struct tp_conf_meter *tp__conf_meters(const struct tp_conf *conf);
size_t tp__conf_meter_count(const struct tp_conf *conf);

/* Lets the confs that have named it use the table, or count at this place (NULL: nowhere). */
void tp__conf_set_table(const struct tp_conf_table *declared, struct tp_table *table);
void tp__conf_set_meter(const struct tp_conf_meter *declared, _Atomic uint64_t *place);

/* Zeroed memory that lives as long as the block's configuration. */
void *tp__conf_new(const struct tp_block *block, size_t size);

/* The modules that the block's configuration was loaded with. */
struct tp_module_list tp__conf_modules(const struct tp_block *block);

/* The effective configuration with the origin of each value, as configuration text (-T). */
void tp__conf_dump(const struct tp_conf *conf, struct tp_text *text);

/*
 * What of the difference between two configurations a reload cannot apply at
 * once: one line "name: waits for <what> (origin)" for each directive that
 * differs and does not apply in place.
 */
void tp__conf_describe_waiting(const struct tp_conf *before, const struct tp_conf *after,
                               struct tp_text *text);

/* The same for a file on its own: one line for each directive written that has to wait. */
void tp__conf_describe_not_in_place(const struct tp_conf *conf, struct tp_text *text);

/*
 * Checks every table of `modules`: presets parse and lie in range, briefs are
 * sentences, names are unique.  Run at start-up and by the unit tests; appends
 * what is wrong to `messages` and returns TP_INVALID.
 */
enum tp_result tp__conf_check_tables(struct tp_module_list modules,
                                     struct tp_run_variables run_variables,
                                     struct tp_text *messages) TP_MUST_CHECK;

/* The manual of all directives of `modules` in Markdown: docs/reference/directives.md. */
void tp__conf_manual(struct tp_module_list modules, struct tp_text *text);

/*
 * The manual entry of one directive as plain text for a terminal; TP_NOT_FOUND
 * when there is none; `text` then says so, and names what is near.
 */
enum tp_result tp__conf_manual_entry(struct tp_module_list modules, const char *directive,
                                     struct tp_text *text) TP_MUST_CHECK;

#endif
