/*
 * tokens.c - reads the text of a file of tokens.
 *
 * Runs in: whichever process loads a configuration; a thread of a worker when the file changes.
 */
#include "tokens.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file while it is read. */
struct tokens_reader {
    struct tokens *tokens;
    size_t room; /* rows there is memory for */
    char *texts; /* the next free byte */
    size_t line;
    size_t mistakes;
    tokens_complain_fn complain;
    void *owner;
};

static void reader_read(struct tokens_reader *reader, struct tp_str text);
static void reader_read_line(struct tokens_reader *reader, struct tp_str line);
static bool reader_read_id(struct tokens_reader *reader, struct tp_str line, struct tp_str *id);
static bool reader_read_claims(struct tokens_reader *reader, struct tp_str line, size_t at,
                               struct tp_str *claims);
static bool claim_is_good(struct tp_str word);
static void reader_find_doubles(struct tokens_reader *reader);
static void reader_complain(struct tokens_reader *reader, size_t column, const char *why);
static size_t count_lines(struct tp_str text);
static struct tp_str take_line(struct tp_str *text);
static size_t word_end(struct tp_str line, size_t at);
static size_t skip_blanks(struct tp_str line, size_t at);
static bool is_blank(char letter);
static bool token_make_mark(struct token *token, struct tp_str line);
static uint64_t hash_work(const struct tp_secret_hash *hash);
static int compare_tokens(const void *left, const void *right);

enum tp_result
tokens_read(struct tp_str text, tokens_complain_fn complain, void *owner, struct tokens **tokens)
{
    struct tokens_reader reader = { .complain = complain, .owner = owner };

    *tokens = NULL;
    reader.tokens = calloc(1, sizeof(*reader.tokens));
    if (reader.tokens == NULL) {
        return TP_NO_MEMORY;
    }
    reader.room = count_lines(text);
    reader.tokens->rows = calloc(reader.room + 1, sizeof(*reader.tokens->rows));
    reader.tokens->texts = malloc(text.len + 1);
    reader.texts = reader.tokens->texts;
    if (reader.tokens->rows == NULL || reader.tokens->texts == NULL) {
        tokens_free(&reader.tokens);
        return TP_NO_MEMORY;
    }
    reader_read(&reader, text);
    if (reader.mistakes > 0) {
        tokens_free(&reader.tokens);
        return TP_INVALID;
    }
    for (size_t i = 0; i < reader.tokens->count; i++) {
        reader.tokens->hardest = tokens_harder(reader.tokens->hardest, &reader.tokens->rows[i]);
    }
    *tokens = reader.tokens;
    return TP_OK;
}

const struct token *
tokens_harder(const struct token *one, const struct token *other)
{
    if (one == NULL || other == NULL) {
        return one == NULL ? other : one;
    }
    return hash_work(&other->hash) > hash_work(&one->hash) ? other : one;
}

void
tokens_free(struct tokens **tokens)
{
    if (*tokens == NULL) {
        return;
    }
    free((*tokens)->rows);
    free((*tokens)->texts);
    free(*tokens);
    *tokens = NULL;
}

const struct token *
tokens_find(const struct tokens *tokens, struct tp_str id)
{
    const struct token wanted = { .id = id };

    return tokens->count == 0 ? NULL
                              : bsearch(&wanted, tokens->rows, tokens->count,
                                        sizeof(tokens->rows[0]), compare_tokens);
}

static void
reader_read(struct tokens_reader *reader, struct tp_str text)
{
    while (text.len > 0 && reader->mistakes < TOKENS_MISTAKES_MAX) {
        struct tp_str line = take_line(&text);

        reader->line++;
        while (line.len > 0
               && (is_blank(line.data[line.len - 1]) || line.data[line.len - 1] == '\r')) {
            line.len--;
        }
        if (line.len > 0 && line.data[skip_blanks(line, 0)] != '#') {
            reader_read_line(reader, line);
        }
    }
    reader_find_doubles(reader);
}

static void
reader_read_line(struct tokens_reader *reader, struct tp_str line)
{
    struct token *token = &reader->tokens->rows[reader->tokens->count];
    struct tp_str id;

    if (!reader_read_id(reader, line, &id)) {
        return;
    }
    size_t hash_at = id.len + 1;
    size_t hash_end = word_end(line, hash_at);
    const char *wanted = tp_secret_hash_read(
        (struct tp_str){ line.data + hash_at, hash_end - hash_at }, &token->hash);

    if (wanted != NULL) {
        char why[160];

        snprintf(why, sizeof(why), "behind the id stands %s", wanted);
        reader_complain(reader, hash_at + 1, why);
        return;
    }
    if (!reader_read_claims(reader, line, hash_end, &token->claims)) {
        return;
    }
    memcpy(reader->texts, id.data, id.len);
    token->id = (struct tp_str){ reader->texts, id.len };
    reader->texts += id.len;
    token->line = reader->line;
    if (!token_make_mark(token, line)) {
        reader_complain(reader, 1, "its sum cannot be made");
        return;
    }
    reader->tokens->count++;
}

static bool
reader_read_id(struct tokens_reader *reader, struct tp_str line, struct tp_str *id)
{
    const char *colon = memchr(line.data, ':', line.len);
    size_t len = colon == NULL ? line.len : (size_t) (colon - line.data);

    if (colon == NULL) {
        reader_complain(reader, line.len + 1, "a line is \"ID:HASH\", with claims behind it");
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char) line.data[i] <= ' ' || line.data[i] == 0x7f) {
            reader_complain(reader, i + 1, "an id has neither white space nor control characters");
            return false;
        }
    }
    if (len == 0 || len > TP_SESSION_ID_MAX) {
        reader_complain(reader, 1, "an id has 1 to 64 bytes");
        return false;
    }
    *id = (struct tp_str){ line.data, len };
    return true;
}

/* They are written behind each other, with '&' in between. */
static bool
reader_read_claims(struct tokens_reader *reader, struct tp_str line, size_t at,
                   struct tp_str *claims)
{
    *claims = (struct tp_str){ reader->texts, 0 };
    while ((at = skip_blanks(line, at)) < line.len) {
        size_t end = word_end(line, at);
        struct tp_str word = { line.data + at, end - at };

        if (!claim_is_good(word)) {
            reader_complain(reader, at + 1, "a claim is \"name=value\", a space in it %20");
            return false;
        }
        if (claims->len + word.len + 1 > TP_IDENTITY_CLAIMS_MAX) {
            reader_complain(reader, at + 1, "claims are at most 4096 bytes together");
            return false;
        }
        if (claims->len > 0) {
            *reader->texts++ = '&';
            claims->len++;
        }
        memcpy(reader->texts, word.data, word.len);
        reader->texts += word.len;
        claims->len += word.len;
        at = end;
    }
    return true;
}

static bool
claim_is_good(struct tp_str word)
{
    const char *equals = memchr(word.data, '=', word.len);

    if (equals == NULL || equals == word.data || memchr(word.data, '&', word.len) != NULL) {
        return false;
    }
    while (word.len > 0) {
        int byte = tp_query_take_byte(&word);

        if (byte < ' ' || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

static void
reader_find_doubles(struct tokens_reader *reader)
{
    struct token *rows = reader->tokens->rows;

    if (reader->tokens->count > 1) {
        qsort(rows, reader->tokens->count, sizeof(rows[0]), compare_tokens);
    }
    for (size_t i = 1; i < reader->tokens->count; i++) {
        if (compare_tokens(&rows[i - 1], &rows[i]) == 0 && reader->mistakes < TOKENS_MISTAKES_MAX) {
            reader->line = rows[i].line > rows[i - 1].line ? rows[i].line : rows[i - 1].line;
            reader_complain(reader, 1, "a line before has the same id");
        }
    }
}

static void
reader_complain(struct tokens_reader *reader, size_t column, const char *why)
{
    reader->mistakes++;
    reader->complain(reader->owner, reader->line, column, why);
}

static size_t
count_lines(struct tp_str text)
{
    size_t count = 0;

    while (text.len > 0) {
        take_line(&text);
        count++;
    }
    return count;
}

static struct tp_str
take_line(struct tp_str *text)
{
    const char *end = memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t) (end - text->data);
    struct tp_str line = { text->data, len };

    len += end == NULL ? 0 : 1;
    text->data += len;
    text->len -= len;
    return line;
}

static size_t
word_end(struct tp_str line, size_t at)
{
    while (at < line.len && !is_blank(line.data[at])) {
        at++;
    }
    return at;
}

static size_t
skip_blanks(struct tp_str line, size_t at)
{
    while (at < line.len && is_blank(line.data[at])) {
        at++;
    }
    return at;
}

static bool
is_blank(char letter)
{
    return letter == ' ' || letter == '\t';
}

static bool
token_make_mark(struct token *token, struct tp_str line)
{
    unsigned len = 0;

    return EVP_Digest(line.data, line.len, token->mark, &len, EVP_sha256(), NULL) == 1;
}

static uint64_t
hash_work(const struct tp_secret_hash *hash)
{
    return ((uint64_t) hash->block_size * hash->lanes) << hash->cost;
}

static int
compare_tokens(const void *left, const void *right)
{
    const struct tp_str first = ((const struct token *) left)->id;
    const struct tp_str second = ((const struct token *) right)->id;
    size_t len = first.len < second.len ? first.len : second.len;
    int order = len == 0 ? 0 : memcmp(first.data, second.data, len);

    return order != 0 ? order : (first.len > second.len) - (first.len < second.len);
}
