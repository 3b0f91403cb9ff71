/*
 * conf_source.c - records what the master reads, and plays it to workers.
 *
 * A recording is a row of entries {result, question length, answer length,
 * question, answer}, played in the order recorded: loading the same text asks the
 * same questions.  It never leaves the machine, so numbers are in native order.
 *
 * Runs in: master (recorder), workers (player).  Read next: reload.c.
 */
#include "cycle/conf_source.h"

#include "base/str.h"
#include "os/file.h"
#include "os/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONF_FILE_BYTES_MAX = 16 * 1024 * 1024,
};

static const char variable_environment[] = "env_";
static const char variable_hostname[] = "hostname";

struct recording_entry {
    int32_t result;
    uint32_t question_len; /* with its terminator */
    uint32_t answer_len;
};

static enum tp_result recorder_read_file(struct tp_conf_loader *loader, const char *path,
                                         struct tp_text *answer);
static enum tp_result recorder_expand(struct tp_conf_loader *loader, const char *pattern,
                                      struct tp_text *answer);
static enum tp_result recorder_get_variable(struct tp_conf_loader *loader, const char *name,
                                            struct tp_text *answer);
static enum tp_result recorder_note(struct tp_conf_loader *loader, const char *question,
                                    enum tp_result result, struct tp_str answer);
static enum tp_result player_answer(struct tp_conf_loader *loader, const char *question,
                                    struct tp_text *answer);

void
tp__conf_recorder_init(struct tp_conf_recorder *recorder)
{
    *recorder = (struct tp_conf_recorder){
        .loader = {
            .read_file = recorder_read_file,
            .expand = recorder_expand,
            .get_variable = recorder_get_variable,
        },
    };
}

void
tp__conf_recorder_fini(struct tp_conf_recorder *recorder)
{
    tp__text_fini(&recorder->recording);
}

void
tp__conf_player_init(struct tp_conf_player *player, struct tp_str recording)
{
    *player = (struct tp_conf_player){
        .loader = {
            .read_file = player_answer,
            .expand = player_answer,
            .get_variable = player_answer,
        },
        .rest = recording,
    };
}

static enum tp_result
recorder_read_file(struct tp_conf_loader *loader, const char *path, struct tp_text *answer)
{
    size_t before = answer->len;
    enum tp_result result = tp__file_read(path, CONF_FILE_BYTES_MAX, answer);

    return recorder_note(loader, path, result, tp__str_skip(tp__text_get(answer), before));
}

static enum tp_result
recorder_expand(struct tp_conf_loader *loader, const char *pattern, struct tp_text *answer)
{
    size_t before = answer->len;
    enum tp_result result = tp__file_expand(pattern, answer);

    return recorder_note(loader, pattern, result, tp__str_skip(tp__text_get(answer), before));
}

static enum tp_result
recorder_get_variable(struct tp_conf_loader *loader, const char *name, struct tp_text *answer)
{
    size_t before = answer->len;
    enum tp_result result = TP_OK;

    if (strcmp(name, variable_hostname) == 0) {
        tp__process_get_hostname(answer);
    } else if (strncmp(name, variable_environment, sizeof(variable_environment) - 1) == 0) {
        const char *value = getenv(name + sizeof(variable_environment) - 1);

        result = value == NULL ? TP_NOT_FOUND : TP_OK;
        tp__text_printf(answer, "%s", value == NULL ? "" : value);
    } else {
        result = TP_NOT_FOUND;
    }
    return recorder_note(loader, name, result, tp__str_skip(tp__text_get(answer), before));
}

/* Returns `result`, or what kept it from being written down; errno stays as it was. */
static enum tp_result
recorder_note(struct tp_conf_loader *loader, const char *question, enum tp_result result,
              struct tp_str answer)
{
    struct tp_conf_recorder *recorder = TP_CONTAINER_OF(loader, struct tp_conf_recorder, loader);
    int saved_errno = errno;
    struct recording_entry entry = {
        .result = result,
        .question_len = (uint32_t) strlen(question) + 1,
        .answer_len = (uint32_t) answer.len,
    };

    tp__text_append(&recorder->recording, (struct tp_str){ (const char *) &entry, sizeof(entry) });
    tp__text_append(&recorder->recording, (struct tp_str){ question, entry.question_len });
    tp__text_append(&recorder->recording, answer);
    errno = saved_errno;
    return tp__text_is_whole(&recorder->recording) ? result : TP_NO_MEMORY;
}

static enum tp_result
player_answer(struct tp_conf_loader *loader, const char *question, struct tp_text *answer)
{
    struct tp_conf_player *player = TP_CONTAINER_OF(loader, struct tp_conf_player, loader);
    struct recording_entry entry;

    if (player->rest.len < sizeof(entry)) {
        return TP_MISMATCH;
    }
    memcpy(&entry, player->rest.data, sizeof(entry));
    struct tp_str parts = tp__str_skip(player->rest, sizeof(entry));

    if ((uint64_t) entry.question_len + entry.answer_len > parts.len || entry.question_len == 0
        || parts.data[entry.question_len - 1] != '\0' || strcmp(parts.data, question) != 0) {
        return TP_MISMATCH;
    }
    tp__text_append(answer, (struct tp_str){ parts.data + entry.question_len, entry.answer_len });
    player->rest = tp__str_skip(parts, entry.question_len + entry.answer_len);
    return (enum tp_result) entry.result;
}
