/*
 * teleport/directive.h - how a module says, once, everything about its directives.
 *
 * One row of a directive table gives name, contexts, arguments, types, units,
 * default, range, one sentence, since when, and what a reload does with it.
 * From it come parsing, inheritance, the messages of `teleport -t`, the output
 * of `teleport -T` and the reference manual.  There are no merge functions: a
 * value written in an inner block wins, else the outer block's, else .preset.
 *
 * Threads: tables are constant; conf structs are written while a configuration
 * is loaded and constant afterwards.
 */
#ifndef TELEPORT_DIRECTIVE_H
#define TELEPORT_DIRECTIVE_H

#include <teleport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Blocks of the configuration: ROW(NAME, bit, word, sentence). */
/* clang-format off */
#define TP_CONTEXT_TABLE(ROW)                                                             \
    ROW(MAIN,   1u << 0, "main",   "The top of the file, outside every block.")           \
    ROW(EVENTS, 1u << 1, "events", "How each worker's event loop runs.")                  \
    ROW(PEER,   1u << 2, "peer",   "One end of conversations: what its servers share.")   \
    ROW(SERVER, 1u << 3, "server", "A set of listening addresses and how they are served.") \
    ROW(PULL,   1u << 4, "pull",   "How PULLs to a uri are answered.")                    \
    ROW(PUSH,   1u << 5, "push",   "What is done with PUSHes to a uri.")                  \
    ROW(DIAL,   1u << 6, "dial",   "A session that this end connects.")                  \
    ROW(UPSTREAM, 1u << 7, "upstream", "Places that PULLs and PUSHes are passed on to.")
/* clang-format on */

enum tp_context {
#define TP_CONTEXT_ENUM_ROW(name, bit, word, sentence) TP_IN_##name = (int) (bit),
    TP_CONTEXT_TABLE(TP_CONTEXT_ENUM_ROW)
#undef TP_CONTEXT_ENUM_ROW
};

/* Either kind of route. */
#define TP_IN_ROUTE (TP_IN_PULL | TP_IN_PUSH)

/* What a reload does with a changed value: ROW(NAME, word, sentence). */
/* clang-format off */
#define TP_APPLIES_TABLE(ROW)                                                                   \
    ROW(IN_PLACE,     "in place",     "A reload applies it to everything that runs.")           \
    ROW(NEW_SESSIONS, "new sessions", "A reload applies it to sessions that begin afterwards.") \
    ROW(NEW_WORKERS,  "new workers",  "It applies to workers that are started afterwards.")     \
    ROW(RESTART,      "restart",      "It applies when the server is next started.")
/* clang-format on */

enum tp_applies {
#define TP_APPLIES_ENUM_ROW(name, word, sentence) TP_APPLIES_##name,
    TP_APPLIES_TABLE(TP_APPLIES_ENUM_ROW)
#undef TP_APPLIES_ENUM_ROW
};

/* Types of values: ROW(NAME, word of the manual, what a wrong value is told it should be). */
/* clang-format off */
#define TP_VALUE_TABLE(ROW)                                                                 \
    ROW(FLAG,     "on | off", "\"on\" or \"off\"")                                          \
    ROW(NUMBER,   "number",   "a whole number such as 16 or 4096")                          \
    ROW(SIZE,     "size",     "a size such as 512, 64k, 1m or 2g")                          \
    ROW(TIME,     "time",     "a duration such as 500ms, 30s, 5m or 1h")                    \
    ROW(TEXT,     "text",     "a text")                                                     \
    ROW(PATH,     "path",     "a path; a relative one is taken from the prefix")            \
    ROW(WORD,     "word",     "one of the words listed")                                    \
    ROW(TEMPLATE, "template", "a text that may hold run-time variables such as $uri")       \
    ROW(CUSTOM,   "",         "")
/* clang-format on */

enum tp_value_type {
#define TP_VALUE_ENUM_ROW(name, word, wanted) TP_VALUE_##name,
    TP_VALUE_TABLE(TP_VALUE_ENUM_ROW)
#undef TP_VALUE_ENUM_ROW
};

/*
 * A word a value may be besides (NUMBER, SIZE, TIME) or instead of (WORD) its
 * own form, and the number it stands for: bytes, milliseconds or an enum's.  A
 * PATH that is one of its words stays that word; its number means nothing.
 */
struct tp_word {
    const char *word;
    int64_t value;
};

/*
 * A variable that has a value only while an exchange runs.  With is_prefix it stands for
 * all names that begin with `name`: "arg_" for $arg_user.
 */
struct tp_run_variable {
    const char *name;
    bool is_prefix;
    const char *sentence; /* for the manual */
};

/* All of them; a variable is named by its row. */
struct tp_run_variables {
    const struct tp_run_variable *rows;
    size_t count;
};

enum {
    TP_TEMPLATE_SLACK = 8, /* readable bytes behind the text of a part */
};

/*
 * A piece of a template: `text` as it stands, then the value of a variable.  So that short
 * texts can be copied without a look at their length, there is something behind each.
 */
struct tp_template_part {
    struct tp_str text;
    int variable;       /* its row; -1: none */
    struct tp_str name; /* of a prefix what follows it: "user" of $arg_user */
};

/* A text with run-time variables, ready for tp_template_expand(); all zeros is an empty one. */
struct tp_template {
    const struct tp_template_part *parts;
    size_t count;
};

/*
 * A type of a module's own.  `parse` reads `text` (terminated, lives as long as
 * the configuration) into `field` and returns NULL, or a sentence fragment that
 * says what would be valid, as in: "allow" takes <fragment>.
 */
struct tp_custom_type {
    const char *word;
    const char *(*parse)(struct tp_str text, void *field);
};

/* What a value is and where it is stored; shared by directives and arguments. */
#define TP_VALUE_MEMBERS                                                            \
    enum tp_value_type type;                                                        \
    size_t offset;                                                                  \
    const struct tp_word *words; /* ended by a row whose word is NULL */            \
    const struct tp_custom_type *custom;                                            \
    const char *preset; /* text parsed when nothing is written; NULL: all zeros */  \
    const char *min;    /* lowest and highest valid value, as one would write it */ \
    const char *max;

enum tp_argument_kind {
    TP_ARGUMENT_REQUIRED, /* by position; all required ones come first */
    TP_ARGUMENT_OPTIONAL, /* by position */
    TP_ARGUMENT_NAMED,    /* name=value, in any order after the positions */
    TP_ARGUMENT_SWITCH,   /* the bare name sets a bool */
};

/* One argument of a directive that takes several. */
struct tp_argument {
    const char *name;
    enum tp_argument_kind kind;
    TP_VALUE_MEMBERS
    const char *brief; /* one sentence for the manual */
};

/*
 * One directive.  Without .arguments it takes exactly one value, described in
 * line; with TP_ARGUMENTS() it takes those.  A block directive (.opens) stores
 * its arguments in the new block's conf of the same module.
 */
struct tp_directive {
    const char *name;
    unsigned where; /* TP_IN_… bits */
    TP_VALUE_MEMBERS
    const struct tp_argument *arguments;
    size_t argument_count;
    size_t item_size;      /* TP_REPEATED(): each use fills one item of a struct tp_items */
    size_t items_offset;   /* of that struct tp_items in the conf */
    enum tp_context opens; /* 0: not a block */
    bool may_repeat;       /* a block that may stand several times in its parent */
    bool takes_nothing;    /* a block, or a word that says it all, without arguments */
    enum tp_applies applies;
    const char *since;
    const char *brief; /* one sentence for the manual and for "did you mean" */
};

/* The uses of a repeatable directive, in the order written; an inner block replaces all of them. */
struct tp_items {
    void *items; /* array of the directive's item struct */
    size_t count;
};

/* The members of a value: a TP_SIZE() on an int does not compile. */
#define TP_FLAG(struct_type, field) \
    .type = TP_VALUE_FLAG, .offset = TP_FIELD_OFFSET(struct_type, field, bool)
#define TP_NUMBER(struct_type, field) \
    .type = TP_VALUE_NUMBER, .offset = TP_FIELD_OFFSET(struct_type, field, int64_t)
#define TP_SIZE(struct_type, field) \
    .type = TP_VALUE_SIZE, .offset = TP_FIELD_OFFSET(struct_type, field, struct tp_size)
#define TP_TIME(struct_type, field) \
    .type = TP_VALUE_TIME, .offset = TP_FIELD_OFFSET(struct_type, field, struct tp_msec)
#define TP_TEXT(struct_type, field) \
    .type = TP_VALUE_TEXT, .offset = TP_FIELD_OFFSET(struct_type, field, struct tp_str)
#define TP_PATH(struct_type, field) \
    .type = TP_VALUE_PATH, .offset = TP_FIELD_OFFSET(struct_type, field, struct tp_str)
#define TP_WORD(struct_type, field, word_table) \
    .type = TP_VALUE_WORD, .offset = TP_FIELD_OFFSET(struct_type, field, int), .words = (word_table)
#define TP_TEMPLATE(struct_type, field) \
    .type = TP_VALUE_TEMPLATE, .offset = TP_FIELD_OFFSET(struct_type, field, struct tp_template)
#define TP_CUSTOM(struct_type, field, field_type, custom_type)                          \
    .type = TP_VALUE_CUSTOM, .offset = TP_FIELD_OFFSET(struct_type, field, field_type), \
    .custom = (custom_type)

#define TP_ARGUMENTS(table) .arguments = (table), .argument_count = TP_COUNT_OF(table)
#define TP_REPEATED(struct_type, field, item_type)                        \
    .items_offset = TP_FIELD_OFFSET(struct_type, field, struct tp_items), \
    .item_size = sizeof(item_type)
#define TP_OPENS(context) .opens = (context)

/* A directive of a module that is in the source tree but was not built. */
struct tp_absent_directive {
    const char *directive;
    const char *module;
};

/* A block of a loaded configuration: see the accessors below. */
struct tp_block;
struct tp_module;

/* The conf struct of `module` in `block`; NULL when the module has none (conf_size 0). */
void *tp_block_conf(const struct tp_block *block, const struct tp_module *module);

/* Which context `block` is. */
enum tp_context tp_block_context(const struct tp_block *block);

/* The block that holds `block`; NULL for main. */
const struct tp_block *tp_block_parent(const struct tp_block *block);

/* The first block of `context` in `parent`, and the next one after `block`; NULL when none. */
const struct tp_block *tp_block_first(const struct tp_block *parent, enum tp_context context);
const struct tp_block *tp_block_next(const struct tp_block *block);

/* True when `directive` is written in `block` itself, not inherited. */
bool tp_block_writes(const struct tp_block *block, const char *directive);

/*
 * For a .validate: the content of a file that a directive names, and the paths that match a
 * glob pattern, sorted, each ended by '\n' and a folder by "/\n"; both live as long as the configuration.  Asked in
 * the master they are read from disk, and workers that load the same text get the same answers,
 * whoever they run as: so what is asked may depend on the text and on answers only.
 */
enum tp_result tp_conf_read_file(const struct tp_block *block, const char *path,
                                 struct tp_str *content) TP_MUST_CHECK;
enum tp_result tp_conf_expand(const struct tp_block *block, const char *pattern,
                              struct tp_str *paths) TP_MUST_CHECK;

/*
 * Reports a mistake found by a module's .validate.  It is shown with file, line,
 * source line and caret of the `item`-th use (0 for directives that do not
 * repeat) of `directive` in `block` or in the block it was inherited from; where
 * it was not written, at the block's own line.
 */
void tp_conf_complain(const struct tp_block *block, const char *directive, size_t item,
                      const char *format, ...) TP_PRINTF(4, 5);

/* The same of what is no mistake, but can hardly be meant: the configuration loads. */
void tp_conf_warn(const struct tp_block *block, const char *directive, size_t item,
                  const char *format, ...) TP_PRINTF(4, 5);

#ifdef __cplusplus
}
#endif

#endif
