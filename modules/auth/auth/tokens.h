/*
 * tokens.h - the text of a file of tokens: who has which secret.
 *
 *     # a comment
 *     ann:$scrypt$ln=15,r=8,p=1$SALT$SUM role=admin team=red
 *
 * Read next: token_file.h, which reads the file anew while the server runs.
 */
#ifndef TP_AUTH_TOKENS_H
#define TP_AUTH_TOKENS_H

#include <teleport/module.h>
#include <teleport/secret.h>

enum {
    TOKENS_BYTES_MAX = 64 * 1024 * 1024, /* of a file */
    TOKENS_MISTAKES_MAX = 20,            /* that are told of one file */
};

struct token {
    struct tp_str id;
    struct tp_str claims; /* "name=value&name=value" */
    struct tp_secret_hash hash;
    uint8_t mark[TP_IDENTITY_MARK_BYTES]; /* of the whole line: another secret, another mark */
    size_t line;
};

/* In the order of their ids; constant. */
struct tokens {
    struct token *rows;
    size_t count;
    const struct token *hardest; /* whose hash is the most work; NULL: there are none */
    char *texts;                 /* ids and claims */
};

/* What is wrong, and where: both from 1 on. */
typedef void (*tokens_complain_fn)(void *owner, size_t line, size_t column, const char *why);

/*
 * Reads the text of a file; each mistake is told.  TP_INVALID: there were some; TP_NO_MEMORY.
 * *tokens is the caller's (tokens_free()) with TP_OK, and NULL else.
 */
enum tp_result tokens_read(struct tp_str text, tokens_complain_fn complain, void *owner,
                           struct tokens **tokens) TP_MUST_CHECK;

void tokens_free(struct tokens **tokens);

/* Whichever hash is more work; either may be NULL. */
const struct token *tokens_harder(const struct token *one, const struct token *other);

/* NULL when nobody has this id. */
const struct token *tokens_find(const struct tokens *tokens, struct tp_str id);

#endif
