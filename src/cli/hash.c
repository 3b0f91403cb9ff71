/*
 * hash.c - tp hash: the hash of a secret, for a file of tokens.
 *
 * The secret comes by the terminal, unseen, or by standard input; never by the command line, where
 * others could read it.
 *
 * Read next: teleport/secret.h.
 */
#include <teleport/secret.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/system.h"

#include <stdio.h>
#include <string.h>

enum {
    HASH_LINE_MAX = TP_SECRET_BYTES_MAX + 2, /* with its end, and one that shows it is too long */
};

static enum tp_exit_code hash_run(const struct tp_settings *settings);
static bool hash_id_is_good(const char *id);
static enum tp_exit_code hash_read(char *secret, size_t *len);
static enum tp_result hash_ask_twice(char *secret, size_t *len);
static enum tp_result hash_read_line(char *secret, size_t *len);
static enum tp_exit_code hash_print(const struct tp_settings *settings, struct tp_str secret);

const struct tp_command tp__command_hash = {
    .name = "hash",
    .operands = "",
    .brief = "Makes the hash of a secret, for a file of tokens.",
    .manual =
        "On a terminal the secret is asked for twice, and not shown; else it is the first line of "
        "standard input.  The same secret has another hash each time.\n\n"
        "What is printed is what stands behind the id and a colon in a file of \"auth token\"; with "
        "--id it is the whole line.  A larger --cost makes guessing dearer, and each login too: "
        "one more doubles the time and the memory.",
    .groups = TP_OPTIONS_HASH,
    .examples = {
        { "tp hash --id ann >>conf/tokens", "asks for Ann's secret, and adds her line" },
        { "openssl rand -base64 24 | tee secret | tp hash --id sensor-7",
          "a secret that nobody has to remember" },
    },
    .run = hash_run,
};

static enum tp_exit_code
hash_run(const struct tp_settings *settings)
{
    char secret[HASH_LINE_MAX];
    size_t len = 0;

    if (settings->target_id != NULL && !hash_id_is_good(settings->target_id)) {
        fputs("tp: an id has neither white space nor a colon, and does not begin with #\n", stderr);
        return TP_EXIT_USAGE;
    }
    enum tp_exit_code code = hash_read(secret, &len);

    if (code == TP_EXIT_DONE) {
        code = hash_print(settings, (struct tp_str){ secret, len });
    }
    tp_secret_wipe(secret, sizeof(secret));
    return code;
}

static bool
hash_id_is_good(const char *id)
{
    return id[0] != '\0' && id[0] != '#' && strpbrk(id, ": \t\r\n") == NULL;
}

static enum tp_exit_code
hash_read(char *secret, size_t *len)
{
    bool is_asked = tp__system_is_terminal(stdin);
    enum tp_result result = is_asked ? hash_ask_twice(secret, len) : hash_read_line(secret, len);

    if (result == TP_OK && *len == 0) {
        result = TP_NOT_FOUND;
    }
    switch (result) {
    case TP_OK:
        return TP_EXIT_DONE;
    case TP_NOT_FOUND:
        fputs("tp: there is no secret\n", stderr);
        return TP_EXIT_USAGE;
    case TP_MISMATCH:
        fputs("tp: these are not the same\n", stderr);
        return TP_EXIT_USAGE;
    case TP_TOO_LARGE:
        fprintf(stderr, "tp: a secret is at most %d bytes\n", TP_SECRET_BYTES_MAX);
        return TP_EXIT_USAGE;
    default:
        fprintf(stderr, "tp: the secret cannot be read: %s\n", tp_result_sentence(result));
        return TP_EXIT_LOCAL;
    }
}

static enum tp_result
hash_ask_twice(char *secret, size_t *len)
{
    char again[HASH_LINE_MAX];
    size_t again_len = 0;
    enum tp_result result = tp__system_ask_secret("Secret: ", secret, HASH_LINE_MAX, len);

    if (result == TP_OK && *len > 0) {
        result = tp__system_ask_secret("The same again: ", again, sizeof(again), &again_len);
        if (result == TP_OK && (*len != again_len || memcmp(secret, again, again_len) != 0)) {
            result = TP_MISMATCH;
        }
        tp_secret_wipe(again, sizeof(again));
    }
    return result;
}

static enum tp_result
hash_read_line(char *secret, size_t *len)
{
    setvbuf(stdin, NULL, _IONBF, 0); /* no copy of it anywhere else */
    while (*len < HASH_LINE_MAX) {
        int letter = getc(stdin);

        if (letter == EOF || letter == '\n') {
            *len -= *len > 0 && secret[*len - 1] == '\r' ? 1 : 0;
            return *len > TP_SECRET_BYTES_MAX ? TP_TOO_LARGE : TP_OK;
        }
        secret[(*len)++] = (char) letter;
    }
    return TP_TOO_LARGE;
}

static enum tp_exit_code
hash_print(const struct tp_settings *settings, struct tp_str secret)
{
    char text[TP_SECRET_HASH_TEXT_MAX];
    enum tp_result result = tp_secret_hash_make(secret, (unsigned) settings->cost, text);

    if (result != TP_OK) {
        fprintf(stderr, "tp: the hash cannot be made: %s\n", tp_result_sentence(result));
        return TP_EXIT_LOCAL;
    }
    if (settings->target_id != NULL) {
        printf("%s:", settings->target_id);
    }
    puts(text);
    return fflush(stdout) == 0 ? TP_EXIT_DONE : TP_EXIT_LOCAL;
}
