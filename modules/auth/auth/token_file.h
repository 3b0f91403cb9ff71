/*
 * token_file.h - a file of tokens that is read anew when it changes.
 *
 * What the configuration was loaded with counts until a worker has read something newer; what
 * cannot be read, or has a mistake, changes nothing.
 *
 * Read next: tokens.h.
 */
#ifndef TP_AUTH_TOKEN_FILE_H
#define TP_AUTH_TOKEN_FILE_H

#include "tokens.h"

enum {
    TOKEN_FILE_LOOK_MS = 400,   /* between two looks whether it has changed */
    TOKEN_FILE_SETTLE_MS = 200, /* so long it has to stay the same: who writes it may not be done */
};

struct token_file;

/* It has another content now, or a configuration that names it came into force some time ago. */
typedef void (*token_file_fn)(struct tp_sessions *home);

/* Reads what `path` of the `item`-th "auth" names, or complains and returns NULL. */
struct token_file *token_file_load(const struct tp_block *block, size_t item, struct tp_str path);
void token_file_free(struct token_file **file);

/* In a worker, once for each conf that names it; TP_NO_MEMORY. */
enum tp_result token_file_start(struct token_file *file, struct tp_sessions *home,
                                token_file_fn on_change) TP_MUST_CHECK;
void token_file_stop(struct token_file *file);

/* NULL when nobody has this id; borrowed until the next turn. */
const struct token *token_file_find(const struct token_file *file, struct tp_str id);

/*
 * A row in place of one that is not there: the one whose hash is the most work, in each worker and
 * for each id.  NULL: it has no rows.
 */
const struct token *token_file_stand_in(const struct token_file *file);

#endif
