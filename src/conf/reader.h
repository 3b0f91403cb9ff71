/*
 * conf/reader.h - what the parts of the parser share while one configuration is
 * read: statements, arguments, included files.
 */
#ifndef TP_CONF_READER_H
#define TP_CONF_READER_H

#include "conf/block.h"
#include "conf/lexer.h"
#include "conf/variable.h"

struct tp_conf_reader {
    struct tp_conf *conf;
    const struct tp_conf_options *options;
    struct tp_conf_messages messages;
    struct tp_conf_variables variables;
    struct tp_arena texts; /* the sources' texts: needed for messages only */
    void *scratch;         /* as large as the largest conf: values are tried here */
    size_t scratch_bytes;
    size_t bytes_read;
    size_t block_count;
    unsigned order;    /* see struct tp_conf_place */
    bool is_misshapen; /* blocks may have got mixed up: judging them as a whole is pointless */
};

/* A directive's name and arguments, and the token that ended it. */
struct tp_conf_statement {
    struct tp_conf_token words[TP_CONF_WORDS_MAX];
    size_t count;
    struct tp_conf_token end;
    bool is_broken; /* a word in it was reported already */
};

/* arguments.c */

/*
 * Reads the arguments of `statement` for `directive`: each goes to its slot and
 * is tried.  Every mistake is reported; then the result is NULL.
 */
struct tp_conf_use *tp__arguments_read(struct tp_conf_reader *reader,
                                       const struct tp_directive *directive,
                                       const struct tp_conf_statement *statement);

/*
 * The first word of `statement` that begins a line and is one argument too many
 * for `directive`, so that it probably begins another statement; 0 when none.
 */
size_t tp__arguments_find_stray(const struct tp_directive *directive,
                                const struct tp_conf_statement *statement);

/* Reports that `statement` has too few or too many words for `directive`; true when it has. */
bool tp__arguments_miscount(struct tp_conf_reader *reader, const struct tp_directive *directive,
                            const struct tp_conf_statement *statement);

/* include.c */

/* Reads what `include` of `statement`, found in `block`, names. */
void tp__include_read(struct tp_conf_reader *reader, struct tp_block *block,
                      const struct tp_conf_statement *statement);

/* Reads the main file.  When it cannot be read, that is reported. */
void tp__include_read_main(struct tp_conf_reader *reader);

/* parser.c */

/* Reads all statements of `source` into `block`. */
void tp__parser_read_source(struct tp_conf_reader *reader, const struct tp_conf_source *source,
                            struct tp_block *block);

#endif
