/*
 * token_file.c - a file of tokens that is read anew when it changes.
 *
 * A thread looks at it, and reads it when it has changed and has stayed the same for a moment:
 * half a file would throw out everybody whose line is in the other half.
 *
 * Runs in: whichever process loads a configuration; then a worker and its threads.
 * Owns: the rows, the timer.
 */
#include "token_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOKEN_FILE_WHY_MAX = 256,
};

/* A look at the file, which a thread takes; there is one at a time. */
struct token_look {
    struct tp_job job;
    struct token_file *file; /* NULL: nobody waits for it any more */
    char *path;
    struct tp_file_version seen; /* by the look before */
    struct tp_file_version known;

    struct tp_file_version version;
    enum tp_result result;
    bool is_settling;
    struct tokens *tokens; /* NULL: nothing new */
    char why[TOKEN_FILE_WHY_MAX];
};

struct token_file {
    char *path;
    struct tokens *tokens;

    struct tp_sessions *home; /* NULL: not in a worker */
    unsigned users;
    token_file_fn on_change;
    struct tp_home_timer *timer;
    struct token_look *look;       /* NULL: none is under way */
    bool has_read;                 /* once, in this worker, whatever came of it */
    struct tp_file_version known;  /* that it was read in */
    struct tp_file_version seen;   /* by the last look */
    struct tp_file_version failed; /* of which was said that it cannot be used, and why */
    enum tp_result failure;
    int64_t new_until_ms; /* sessions may still come from the process before */
};

/* Where mistakes are told while a configuration is loaded. */
struct load_complaints {
    const struct tp_block *block;
    size_t item;
    const char *path;
};

enum {
    TOKEN_FILE_NEW_MS = 60 * 1000, /* so long an upgrade may take to bring all sessions along */
};

static void load_complain(void *owner, size_t line, size_t column, const char *why);
static void file_on_timer(struct tp_home_timer *timer, void *owner);
static void look_run(struct tp_job *job);
static void look_read(struct token_look *look);
static void look_complain(void *owner, size_t line, size_t column, const char *why);
static void look_done(struct tp_job *job, bool was_run);
static void file_take_look(struct token_file *file, struct token_look *look);
static void look_free(struct token_look *look);
static bool same_version(const struct tp_file_version *one, const struct tp_file_version *other);

struct token_file *
token_file_load(const struct tp_block *block, size_t item, struct tp_str path)
{
    struct load_complaints complaints = { block, item, path.data };
    struct tp_str content;
    enum tp_result result = tp_conf_read_file(block, path.data, &content);
    struct token_file *file;

    if (result != TP_OK) {
        tp_conf_complain(block, "auth", item, "cannot read %s: %s", path.data,
                         tp_result_sentence(result));
        return NULL;
    }
    file = calloc(1, sizeof(*file));
    if (file == NULL || (file->path = strdup(path.data)) == NULL) {
        tp_conf_complain(block, "auth", item, "%s", tp_result_sentence(TP_NO_MEMORY));
        token_file_free(&file);
        return NULL;
    }
    result = content.len > TOKENS_BYTES_MAX
                 ? TP_TOO_LARGE
                 : tokens_read(content, load_complain, &complaints, &file->tokens);
    if (result == TP_OK) {
        return file;
    }
    if (result != TP_INVALID) {
        tp_conf_complain(block, "auth", item, "cannot use %s: %s", path.data,
                         tp_result_sentence(result));
    }
    token_file_free(&file);
    return NULL;
}

void
token_file_free(struct token_file **file)
{
    if (*file == NULL) {
        return;
    }
    tokens_free(&(*file)->tokens);
    free((*file)->path);
    free(*file);
    *file = NULL;
}

enum tp_result
token_file_start(struct token_file *file, struct tp_sessions *home, token_file_fn on_change)
{
    if (file->users == 0) {
        file->home = home;
        file->on_change = on_change;
        file->timer = tp_home_timer_create(home, file_on_timer, file);
        if (file->timer == NULL) {
            return TP_NO_MEMORY;
        }
        file->new_until_ms = tp_home_now_ms(home) + TOKEN_FILE_NEW_MS;
        tp_home_timer_start(file->timer, (struct tp_msec){ 1 });
    }
    file->users++;
    return TP_OK;
}

void
token_file_stop(struct token_file *file)
{
    if (--file->users > 0) {
        return;
    }
    tp_home_timer_destroy(&file->timer);
    if (file->look != NULL) {
        file->look->file = NULL;
        file->look = NULL;
    }
    file->home = NULL;
}

const struct token *
token_file_find(const struct token_file *file, struct tp_str id)
{
    return tokens_find(file->tokens, id);
}

const struct token *
token_file_stand_in(const struct token_file *file)
{
    return file->tokens->hardest;
}

static void
load_complain(void *owner, size_t line, size_t column, const char *why)
{
    const struct load_complaints *complaints = owner;

    tp_conf_complain(complaints->block, "auth", complaints->item, "%s:%zu:%zu: %s",
                     complaints->path, line, column, why);
}

static void
file_on_timer(struct tp_home_timer *timer, void *owner)
{
    struct token_file *file = owner;
    struct token_look *look = file->look == NULL ? calloc(1, sizeof(*look)) : NULL;

    tp_home_timer_start(timer, (struct tp_msec){ TOKEN_FILE_LOOK_MS });
    if (look == NULL) {
        return;
    }
    *look = (struct token_look){
        .job = { .run = look_run, .done = look_done },
        .file = file,
        .path = strdup(file->path),
        .seen = file->seen,
        .known = file->known,
    };
    file->look = look;
    if (look->path == NULL || tp_job_submit(file->home, &look->job) != TP_OK) {
        /* The threads have more to do than they can; the next look comes soon. */
        file->look = NULL;
        look_free(look);
    }
}

static void
look_run(struct tp_job *job)
{
    struct token_look *look = TP_CONTAINER_OF(job, struct token_look, job);

    look->result = tp_file_look(look->path, &look->version);
    if (look->result != TP_OK || same_version(&look->version, &look->known)) {
        return;
    }
    if (!same_version(&look->version, &look->seen)) {
        look->is_settling = true;
        return;
    }
    look_read(look);
}

static void
look_read(struct token_look *look)
{
    struct tp_file_version after;
    struct tp_str content;

    look->result = tp_file_read(look->path, (struct tp_size){ TOKENS_BYTES_MAX }, &content);
    if (look->result != TP_OK) {
        return;
    }
    if (tp_file_look(look->path, &after) != TP_OK || !same_version(&after, &look->version)) {
        look->is_settling = true;
    } else {
        look->result = tokens_read(content, look_complain, look, &look->tokens);
    }
    free((char *) content.data);
}

/* The first one is enough. */
static void
look_complain(void *owner, size_t line, size_t column, const char *why)
{
    struct token_look *look = owner;

    if (look->why[0] == '\0') {
        snprintf(look->why, sizeof(look->why), ":%zu:%zu: %s", line, column, why);
    }
}

static void
look_done(struct tp_job *job, bool was_run)
{
    struct token_look *look = TP_CONTAINER_OF(job, struct token_look, job);

    if (look->file != NULL) {
        look->file->look = NULL;
        if (was_run) {
            file_take_look(look->file, look);
        }
    }
    look_free(look);
}

static void
file_take_look(struct token_file *file, struct token_look *look)
{
    const struct tp_log *log = tp_home_log(file->home);
    bool is_new = tp_home_now_ms(file->home) < file->new_until_ms;

    file->seen = look->version;
    if (look->tokens != NULL) {
        struct tokens *before = file->tokens;

        file->tokens = look->tokens;
        look->tokens = before;
        TP_LOG_AT(log, file->has_read ? TP_LOG_NOTICE : TP_LOG_DEBUG, "auth-file-read",
                  "file=%s tokens=%zu", file->path, file->tokens->count);
        file->known = look->version;
        file->failure = TP_OK;
        file->has_read = true;
        is_new = true;
    } else if (look->is_settling) {
        tp_home_timer_start(file->timer, (struct tp_msec){ TOKEN_FILE_SETTLE_MS });
    } else if (look->result != TP_OK
               && (look->result != file->failure || !same_version(&look->version, &file->failed))) {
        file->failed = look->version;
        file->failure = look->result;
        file->has_read = true;
        tp_log_error(log, "auth-file-unusable", "file=%s%s result=%s", file->path, look->why,
                     tp_result_word(look->result));
    }
    if (is_new) {
        file->on_change(file->home);
    }
}

static void
look_free(struct token_look *look)
{
    tokens_free(&look->tokens);
    free(look->path);
    free(look);
}

static bool
same_version(const struct tp_file_version *one, const struct tp_file_version *other)
{
    return memcmp(one, other, sizeof(*one)) == 0;
}
